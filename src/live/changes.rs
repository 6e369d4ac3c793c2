//! The log of changes: what is written in it, whom it reaches, what is said.

use uuid::Uuid;

use crate::{
    actor::Caller,
    audit::{Action, Event, Object},
    db::Connected,
    secrets::Random,
    sql,
    words::{AccountId, CustomerId, Email, OrganizationId, Timestamp},
};

/// How many rows are read at once.
pub const BATCH: usize = 500;
/// So many missed rows are told one by one; beyond, the page is drawn again without words.
pub const BACKLOG: usize = 100;

/// A change, still to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    action: Action,
    organization: Option<OrganizationId>,
    account: Option<AccountId>,
    email_key: Option<String>,
    actor: Option<AccountId>,
    object: Option<Uuid>,
    sentence: String,
    sentence_to_object: String,
}

/// What open pages are to be told of an event of the audit log: nothing, where it shows on nobody's page.
///
/// `shows_in` is the organization whose pages show it although the event is not that organization's: a member's own name.
#[must_use]
pub fn of(event: &Event, caller: &Caller, shows_in: Option<OrganizationId>) -> Vec<New> {
    let actor = caller.actor.as_ref();
    let named = |kind: &'static str| event.objects.iter().filter(move |object| object.kind == kind);
    let who = actor.map(|actor| isolated(&actor.name())).unwrap_or_default();
    let (members, invitations) = (several(named("member")), several(named("invitation")));
    let tickets = several(named("ticket"));
    let one = named("member").count() == 1;
    let after = |key: &str| event.after.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    let (sentence, to_object) = match event.action {
        Action::SignUp
        | Action::VerifyEmail
        | Action::SignIn
        | Action::SignInFailed
        | Action::RequestPasswordReset
        | Action::RequestEmailChange
        | Action::RemindAdministrator
        | Action::CreateAccount
        | Action::ProvisionAccount
        | Action::ImportCustomers
        | Action::Prove
        | Action::UseRecoveryCode
        | Action::RetryMail
        | Action::SignInToServer
        | Action::SignOutOfServer
        | Action::ReuseServerToken
        | Action::RotateKeys
        | Action::Maintain => {
            return Vec::new();
        }
        // What ends sessions and memberships is found out by looking.
        Action::SignOut
        | Action::LinkIdentity
        | Action::UnlinkIdentity
        | Action::AddOperator
        | Action::RemoveOperator
        | Action::LockAccount
        | Action::UnlockAccount
        | Action::EndSession
        | Action::EndOtherSessions
        | Action::ResetPassword
        | Action::ChangePassword
        | Action::ChangeEmail
        | Action::UndoChange
        | Action::AddAuthenticator
        | Action::AddPasskey
        | Action::RemoveFactor
        | Action::MakeRecoveryCodes
        | Action::RemoveFactors
        | Action::DeleteAccount
        | Action::AddOrganization
        | Action::OpenCustomer
        | Action::RecreateOrganization => (String::new(), String::new()),
        // Who was a member hears it with word that they are none any more.
        Action::DeleteOrganization => (format!("{} was deleted", several(named("organization"))), String::new()),
        Action::SuspendOrganization => (format!("The operator suspended the organization: {}", isolated(after("reason"))), String::new()),
        Action::ResumeOrganization => ("The operator opened the organization again".to_owned(), String::new()),
        Action::ChangeName => (format!("{} is now called {}", isolated(before(event, "name")), isolated(after("name"))), String::new()),
        Action::RenameOrganization | Action::LinkCustomer => {
            (format!("The organization is now called {}", isolated(after("name"))), String::new())
        }
        Action::InviteMember => (format!("{who} invited {invitations}"), format!("{who} invited you")),
        Action::ResendInvitation => (format!("{who} invited {invitations} again"), format!("{who} invited you again")),
        Action::RevokeInvitation => {
            (format!("{who} revoked the invitation of {invitations}"), "An invitation to you was revoked".to_owned())
        }
        Action::ChangeInvitationRole => {
            (format!("The invitation of {invitations} is for {} now", after("role")), format!("You are invited as {} now", after("role")))
        }
        Action::AcceptInvitation | Action::JoinCustomer => (format!("{members} joined"), String::new()),
        Action::DeclineInvitation => (format!("{invitations} declined the invitation"), String::new()),
        Action::ChangeRole if one => (format!("{members} is now {}", after("role")), format!("You are now {}", after("role"))),
        Action::ChangeRole => (format!("{members} are now {}", after("role")), String::new()),
        Action::RemoveMember => (format!("{members} {} removed", if one { "was" } else { "were" }), String::new()),
        Action::LeaveOrganization => (format!("{members} left"), String::new()),
        // The page of one's account shows it in another tab.
        Action::AllowServer | Action::ForgetServer => (String::new(), String::new()),
        // Whose tokens there are is their makers' affair; other pages of theirs show it.
        Action::MakeToken | Action::RevokeToken => (String::new(), String::new()),
        Action::ConnectServer => (format!("{who} connected the PMM server {}", several(named("server"))), String::new()),
        Action::DisconnectServer => (format!("{who} disconnected the PMM server {}", several(named("server"))), String::new()),
        // Not all members may see it: only whoever raised it is told in words.
        Action::RaiseTicket | Action::ReopenTicket => (String::new(), String::new()),
        Action::MirrorTicket => (String::new(), format!("Support answered {tickets}")),
        // The staff's pages alone show it.
        Action::NoteTicket => (String::new(), String::new()),
        Action::ChangeTicket => match after("state") {
            "" => (String::new(), String::new()),
            state => (String::new(), format!("{tickets} is now {state}")),
        },
        Action::AnswerTicket | Action::ReplyToTicket => (String::new(), format!("{who} replied to {tickets}")),
        Action::ResolveTicket => (String::new(), format!("{who} resolved {tickets}")),
    };
    let id = |object: &Object| Uuid::parse_str(&object.id).ok();
    let mut offers = named("invitation").map(|object| (id(object), Email::parse(&object.name).ok().map(|email| email.key())));
    let (invitation, email_key) = offers.next().unwrap_or_default();
    let requester = named("requester").find_map(|object| Email::parse(&object.name).ok()).map(|email| email.key());
    let mut changes = vec![New {
        action: event.action,
        organization: event.organization.or(shows_in),
        account: named("account").find_map(id).map(AccountId),
        email_key: email_key.or(requester),
        actor: actor.map(|actor| actor.account),
        object: named("member").find_map(id).or(invitation).or_else(|| named("customer").find_map(id)),
        sentence,
        sentence_to_object: to_object.clone(),
    }];
    // One event may invite many; each of them is told, and the organization once.
    changes.extend(offers.map(|(object, email_key)| New {
        action: event.action,
        organization: None,
        account: None,
        email_key,
        actor: None,
        object,
        sentence: String::new(),
        sentence_to_object: to_object.clone(),
    }));
    changes
}

fn before<'e>(event: &'e Event, key: &str) -> &'e str {
    event.before.get(key).and_then(|value| value.as_str()).unwrap_or_default()
}

/// A name that cannot disturb the direction of what stands around it, as `<bdi>` does it in a page.
fn isolated(name: &str) -> String {
    format!("\u{2068}{name}\u{2069}")
}

/// "Bob Builder", or "Bob Builder and 3 others".
fn several<'o>(mut objects: impl Iterator<Item = &'o Object>) -> String {
    let first = objects.next().map(|object| isolated(&object.name)).unwrap_or_default();
    match objects.count() {
        0 => first,
        1 => format!("{first} and 1 other"),
        n => format!("{first} and {n} others"),
    }
}

/// A change that was written.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Change {
    /// Its number; there is none between it and the one before that comes later.
    pub number: i64,
    /// What a browser names it by.
    pub mark: Uuid,
    /// What was done: an action's code.
    pub action: String,
    /// Its organization.
    pub organization_id: Option<OrganizationId>,
    /// The account that it concerns.
    pub account_id: Option<AccountId>,
    /// The address that it concerns.
    pub email_key: Option<String>,
    /// Who did it.
    pub actor_id: Option<AccountId>,
    /// The membership, the invitation or the customer that it is about.
    pub object_id: Option<Uuid>,
    /// What the organization's members are told.
    pub sentence: String,
    /// What whoever it is about is told.
    pub sentence_to_object: String,
}

/// How far the log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Head {
    /// The last number.
    pub number: i64,
    /// Its mark.
    pub mark: Uuid,
}

/// Writes changes, in one transaction with what changed and as the last thing before its commit: from here on other
/// units that have something to tell wait, so that numbers are seen in their order. A sequence would not do: of two
/// transactions the one with the higher number may be seen first, and who has read it never looks back.
///
/// # Errors
/// The database's.
pub async fn write(db: &mut impl Connected, random: Random, now: Timestamp, changes: &[New]) -> Result<(), sqlx::Error> {
    let marks: Vec<Uuid> = changes.iter().map(|_| random.opaque_id()).collect();
    let Some(last) = marks.last() else { return Ok(()) };
    let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let (number,): (i64,) =
        sql!(one as (i64,), db, "UPDATE change_head SET number = number + CAST($1 AS BIGINT), mark = $2 RETURNING number", count, *last)?;
    for ((change, mark), number) in changes.iter().zip(&marks).zip(number - count + 1..) {
        sql!(execute db, "INSERT INTO changes (number, mark, at, action, organization_id, account_id, email_key, actor_id, object_id, sentence, sentence_to_object) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            number, *mark, now, change.action.code(), change.organization, change.account, change.email_key.as_deref(), change.actor, change.object, change.sentence.as_str(), change.sentence_to_object.as_str())?;
    }
    Ok(())
}

/// How far the log goes.
///
/// # Errors
/// The database's.
pub async fn head(db: &mut impl Connected) -> Result<Head, sqlx::Error> {
    sql!(one as Head, db, "SELECT number, mark FROM change_head")
}

/// The number of a mark, while it is kept.
///
/// # Errors
/// The database's.
pub async fn number_of(db: &mut impl Connected, mark: Uuid) -> Result<Option<i64>, sqlx::Error> {
    let head = head(db).await?;
    if head.mark == mark {
        return Ok(Some(head.number));
    }
    let row: Option<(i64,)> = sql!(optional as (i64,), db, "SELECT number FROM changes WHERE mark = $1", mark)?;
    Ok(row.map(|(number,)| number))
}

/// The changes after a number, in their order, at most [`BATCH`].
///
/// # Errors
/// The database's.
pub async fn after(db: &mut impl Connected, number: i64) -> Result<Vec<Change>, sqlx::Error> {
    sql!(
        all as Change,
        db,
        "SELECT number, mark, action, organization_id, account_id, email_key, actor_id, object_id, sentence, sentence_to_object
        FROM changes WHERE number > $1 ORDER BY number LIMIT 500",
        number
    )
}

/// Whom a change may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The account.
    pub account: AccountId,
    /// Its address, as it is compared.
    pub email_key: String,
    /// Its organization.
    pub organization: Option<OrganizationId>,
    /// The customer whose organization it will be in.
    pub customer: Option<CustomerId>,
    /// Whether it runs the portal: the console shows every ticket.
    pub operator: bool,
}

impl Reader {
    /// The actions that reach an operator whatever they are about, as a span of their names; an empty one for others.
    const fn span(&self) -> (&'static str, &'static str) {
        if self.operator { ("ticket.", "ticket/") } else { ("", "") }
    }

    /// Whether a change reaches this reader.
    #[must_use]
    pub fn is_reached(&self, change: &Change) -> bool {
        (change.organization_id.is_some() && change.organization_id == self.organization)
            || change.account_id == Some(self.account)
            || change.actor_id == Some(self.account)
            || change.email_key.as_ref() == Some(&self.email_key)
            || (change.object_id.is_some() && change.object_id == self.customer.map(|customer| customer.0))
            || (self.span().0..self.span().1).contains(&change.action.as_str())
    }
}

/// The changes between two numbers that reach a reader, the second number among them; at most [`BACKLOG`] and one.
///
/// # Errors
/// The database's.
pub async fn between(db: &mut impl Connected, after: i64, to: i64, reader: &Reader) -> Result<Vec<Change>, sqlx::Error> {
    sql!(all as Change, db, "SELECT number, mark, action, organization_id, account_id, email_key, actor_id, object_id, sentence, sentence_to_object
        FROM changes WHERE number > $1 AND number <= $2 AND (organization_id = $3 OR account_id = $4 OR actor_id = $4 OR email_key = $5 OR object_id = $6 OR (action >= $7 AND action < $8)) ORDER BY number LIMIT 101",
        after, to, reader.organization, reader.account, reader.email_key.as_str(), reader.customer.map(|customer| customer.0), reader.span().0, reader.span().1)
}

/// Forgets the changes up to the last one before a moment: what is kept has no holes.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes WHERE at < $1)", before)
}
