//! The audit log: who did what to whom, when, from where, with what outcome; written in the transaction of the change,
//! or, for a refusal, in one of its own.

use std::sync::LazyLock;

use serde_json::Value;
use uuid::Uuid;

use crate::{
    actor::{ActorKind, Caller},
    db::Connected,
    list::sql::{Bound, Column, Filter, Key, Keyed, ListSpec, ListSql, WHOLE},
    secrets::Random,
    sql,
    words::{AccountId, DAY, OrganizationId, Timestamp, fold},
};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// What was done, or tried.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $name),*
        }
        impl Action {
            /// Its stable name in the log.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// Reads the name; nothing for what only another version of the program does.
            #[must_use]
            pub fn parse(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}
actions!(
    /// An address asked for an account.
    SignUp = "account.sign_up",
    /// An address was verified: the account exists.
    VerifyEmail = "account.verify_email",
    /// A sign-in.
    SignIn = "session.sign_in",
    /// A sign-in with a wrong pair.
    SignInFailed = "session.sign_in_failed",
    /// A sign-out.
    SignOut = "session.sign_out",
    /// One session ended from the list.
    EndSession = "session.end",
    /// All other sessions ended.
    EndOtherSessions = "session.end_others",
    /// A link to reset the password was asked for.
    RequestPasswordReset = "password.request_reset",
    /// The password was reset by such a link.
    ResetPassword = "password.reset",
    /// The password was changed.
    ChangePassword = "password.change",
    /// The person's name was changed.
    ChangeName = "account.change_name",
    /// Another address for an account was asked for.
    RequestEmailChange = "account.request_email_change",
    /// The account's address was changed.
    ChangeEmail = "account.change_email",
    /// A change of the account's credentials was undone by the link of the mail that told of it.
    UndoChange = "account.undo_change",
    /// An authenticator app was set up as a second factor.
    AddAuthenticator = "account.add_authenticator",
    /// A passkey was added.
    AddPasskey = "account.add_passkey",
    /// A second factor was removed.
    RemoveFactor = "account.remove_factor",
    /// Recovery codes were made in place of those that there were.
    MakeRecoveryCodes = "account.make_recovery_codes",
    /// An operator removed an account's second factors.
    RemoveFactors = "account.remove_factors",
    /// A recovery code was used at a sign-in.
    UseRecoveryCode = "account.use_recovery_code",
    /// The account was deleted.
    DeleteAccount = "account.delete",
    /// The operator's identity system made an account.
    CreateAccount = "account.create",
    /// It said what it calls an account; the name under which also stands what was refused to it.
    ProvisionAccount = "account.provision",
    /// An organization was added.
    AddOrganization = "organization.add",
    /// An organization was given another name.
    RenameOrganization = "organization.rename",
    /// An organization was deleted.
    DeleteOrganization = "organization.delete",
    /// Somebody was invited.
    InviteMember = "invitation.send",
    /// An invitation was sent again.
    ResendInvitation = "invitation.resend",
    /// A pending invitation offers another role.
    ChangeInvitationRole = "invitation.role",
    /// An invitation was revoked.
    RevokeInvitation = "invitation.revoke",
    /// An invitation was accepted.
    AcceptInvitation = "invitation.accept",
    /// An invitation was declined.
    DeclineInvitation = "invitation.decline",
    /// A member's role was changed.
    ChangeRole = "member.change_role",
    /// A member was removed.
    RemoveMember = "member.remove",
    /// A member left.
    LeaveOrganization = "member.leave",
    /// A customer's organization was recreated by its administrator's sign-in.
    RecreateOrganization = "organization.recreate",
    /// One of a customer's people joined by signing in.
    JoinCustomer = "member.join",
    /// A customer's administrator was reminded by somebody who waits.
    RemindAdministrator = "customer.remind",
    /// Customers were imported.
    ImportCustomers = "customer.import",
    /// A customer was given another administrator.
    OpenCustomer = "customer.open",
    /// A customer was joined with an organization that was there.
    LinkCustomer = "customer.link",
    /// A ticket was raised.
    RaiseTicket = "ticket.raise",
    /// Somebody replied to a ticket.
    ReplyToTicket = "ticket.reply",
    /// A ticket that was solved was opened again.
    ReopenTicket = "ticket.reopen",
    /// A ticket was said to be solved.
    ResolveTicket = "ticket.resolve",
    /// The operator's support replied to a ticket.
    AnswerTicket = "ticket.answer",
    /// The operator's support changed a ticket's state, priority or assignee.
    ChangeTicket = "ticket.change",
    /// The operator's support wrote a note that no customer sees.
    NoteTicket = "ticket.note",
    /// Who an account is at the operator's OpenID provider was linked to it.
    LinkIdentity = "identity.link",
    /// It was unlinked.
    UnlinkIdentity = "identity.unlink",
    /// Whoever is signed in gave their password once more.
    Prove = "session.prove",
    /// An account became an operator.
    AddOperator = "operator.add",
    /// An account is an operator no more.
    RemoveOperator = "operator.remove",
    /// An operator locked an account.
    LockAccount = "account.lock",
    /// An operator unlocked an account.
    UnlockAccount = "account.unlock",
    /// An operator suspended an organization.
    SuspendOrganization = "organization.suspend",
    /// An operator opened a suspended organization again.
    ResumeOrganization = "organization.resume",
    /// An operator sent a mail on its way again that could not be delivered.
    RetryMail = "mail.retry",
    /// A ticket was answered or changed at the desk elsewhere.
    MirrorTicket = "ticket.mirror",
    /// A member made a token for a program.
    MakeToken = "token.make",
    /// A token was revoked.
    RevokeToken = "token.revoke",
    /// A PMM server was connected.
    ConnectServer = "server.connect",
    /// A PMM server was disconnected.
    DisconnectServer = "server.disconnect",
    /// Somebody lets a PMM server know who they are.
    AllowServer = "server.allow",
    /// Somebody takes back that a PMM server knows who they are.
    ForgetServer = "server.forget",
    /// Somebody signed in to a PMM server.
    SignInToServer = "server.sign_in",
    /// A PMM server gave back what it had got when somebody signed in to it.
    SignOutOfServer = "server.sign_out",
    /// A PMM server came with a token that had been used before: all that the person gave it ended.
    ReuseServerToken = "server.reuse",
    /// The keys by which the portal signs were rotated.
    RotateKeys = "portal.rotate_keys",
    /// Housekeeping that belongs to nobody.
    Maintain = "portal.maintain",
);

impl Action {
    /// What kind of thing is done: the first word of the code.
    #[must_use]
    pub fn kind(self) -> &'static str {
        self.code().split('.').next().unwrap_or_default()
    }

    /// Whether it is done inside one's organization, so that its Admins see also an attempt that was refused. What
    /// somebody does with their account, or with an invitation from elsewhere, is their own affair.
    #[must_use]
    pub fn is_inside(self) -> bool {
        let own = [
            Self::AddOrganization,
            Self::RecreateOrganization,
            Self::JoinCustomer,
            Self::AcceptInvitation,
            Self::DeclineInvitation,
            Self::SuspendOrganization,
            Self::ResumeOrganization,
            Self::AnswerTicket,
            Self::ChangeTicket,
            Self::NoteTicket,
            Self::MirrorTicket,
        ];
        ["organization", "member", "invitation", "ticket", "token", "server"].contains(&self.kind()) && !own.contains(&self)
    }
}

/// The kind of actor that an operator is who acts as such.
pub const OPERATOR: &str = "operator";

/// What the operator's identity system is called in the log, where it stands among what the portal does by itself.
pub const IDENTITY_SYSTEM: &str = "The identity system";

/// The outcome of what was done.
pub const SUCCESS: &str = "success";

/// Something that an event is about: its kind (a word of `SPEC.md` §1), its id and the name it had.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its kind.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its name at the time.
    pub name: String,
}

impl Object {
    /// Names an object.
    pub fn new(kind: &'static str, id: impl ToString, name: impl Into<String>) -> Self {
        Self { kind, id: id.to_string(), name: name.into() }
    }
}

/// One event, still to be written.
#[derive(Debug)]
pub struct Event {
    /// What was done.
    pub action: Action,
    /// In which organization, if in one.
    pub organization: Option<OrganizationId>,
    /// About what.
    pub objects: Vec<Object>,
    /// What changed: the state before.
    pub before: Value,
    /// The state after.
    pub after: Value,
    /// `success`, or the refusal's code.
    pub outcome: &'static str,
}

/// Writes an event.
///
/// # Errors
/// The database's.
pub async fn write(db: &mut impl Connected, caller: &Caller, random: Random, now: Timestamp, event: Event) -> Result<(), sqlx::Error> {
    let objects = Value::Array(event.objects.iter().map(|o| serde_json::json!({ "kind": o.kind, "id": o.id, "name": o.name })).collect());
    let (kind, actor_id, name) = match (&caller.actor, caller.kind) {
        (Some(actor), ActorKind::Operator) => (OPERATOR, Some(actor.account.0), actor.name()),
        (Some(actor), _) => ("account", Some(actor.account.0), actor.name()),
        (None, ActorKind::Operator | ActorKind::System) => ("system", None, String::new()),
        (None, ActorKind::Browser) => ("anonymous", None, String::new()),
        (None, ActorKind::IdentitySystem) => ("system", None, IDENTITY_SYSTEM.to_owned()),
    };
    // An organization's Admins search what an operator did to it, and not for the operator.
    let who = if kind == OPERATOR { "the operator" } else { name.as_str() };
    let people: Vec<&str> = std::iter::once(who).chain(event.objects.iter().map(|object| object.name.as_str())).collect();
    sql!(execute db, "INSERT INTO audit_events (id, at, organization_id, actor_kind, actor_id, actor_name, action, kind, people_key, objects, before_state, after_state, outcome, address, user_agent, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        random.id(now), now, event.organization, kind, actor_id, name.as_str(), event.action.code(), event.action.kind(), fold(&people.join("\n")), objects.to_string(),
        event.before.to_string(), event.after.to_string(), event.outcome,
        caller.origin.address.as_str(), caller.origin.user_agent.as_str(), caller.origin.request_id.as_str())?;
    Ok(())
}

/// Forgets events before a moment: at most a batch.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE at < $1 LIMIT 1000)", before)
}

/// An event as it was written.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// In which organization, if in one.
    pub organization_id: Option<OrganizationId>,
    /// What kind of actor did it.
    pub actor_kind: String,
    /// Which account did it, where one did.
    pub actor_id: Option<AccountId>,
    /// That person's name then; empty where nobody was signed in.
    pub actor_name: String,
    /// The action's code.
    pub action: String,
    /// The objects, as JSON.
    pub objects: String,
    /// The state before, as JSON.
    pub before_state: String,
    /// The state after, as JSON.
    pub after_state: String,
    /// `success`, or the refusal's code.
    pub outcome: String,
    /// From which address.
    pub address: String,
    /// With which program.
    pub user_agent: String,
    /// In which request.
    pub request_id: String,
}

impl Keyed for Row {
    fn id(&self) -> Uuid {
        self.id
    }
    fn key(&self, _: &str) -> Key {
        Key::Number(self.at.0)
    }
}

/// The kind under which the list shows what was refused, whatever was tried.
pub const REFUSED: &str = "refused";

const COLUMNS: &str = "id, at, organization_id, actor_kind, actor_id, actor_name, action, objects, before_state, after_state, outcome, address, user_agent, request_id";

const WHEN: Column = Column { name: "when", key: "at", number: true, newest_first: true };

const PERSON: Filter = Filter {
    name: "person",
    conditions: &["actor_id = $"],
    read: |value, _| value.parse().ok().map(|account: AccountId| (0, Bound::Id(account.0))),
};

/// Days in UTC, the last of them included.
const FROM: Filter =
    Filter { name: "from", conditions: &["at >= $"], read: |value, _| Timestamp::of_date(value).map(|day| (0, Bound::Number(day.0))) };
const TO: Filter = Filter {
    name: "to",
    conditions: &["at < $"],
    read: |value, _| Timestamp::of_date(value).map(|day| (0, Bound::Number(day.plus(DAY).0))),
};

/// The second is written so that the index of what was refused serves it; no action has an empty code.
const KINDS: &[&str] = &["kind = $", "outcome <> 'success' AND action <> $"];

/// The events of an organization.
pub static LIST: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: COLUMNS,
        from: "audit_events",
        scope: "organization_id = $1",
        id: "id",
        columns: &[WHEN],
        searched: &["people_key"],
        indexed: None,
        filters: &[
            Filter {
                name: "kind",
                conditions: KINDS,
                read: |value, _| match value {
                    REFUSED => Some((1, Bound::Text(String::new()))),
                    "organization" | "member" | "invitation" | "ticket" | "token" | "server" => Some((0, Bound::Text(value.to_owned()))),
                    _ => None,
                },
            },
            // Who an operator is, is nothing that an organization could ask for.
            Filter { name: "person", conditions: &["actor_kind <> 'operator' AND actor_id = $"], read: PERSON.read },
            FROM,
            TO,
        ],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| LIST.texts(dialect), module: module_path!() } }

/// All events, as operators see them.
pub static ALL: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: COLUMNS,
        from: "audit_events",
        scope: WHOLE,
        id: "id",
        columns: &[WHEN],
        searched: &[],
        indexed: None,
        filters: &[
            Filter {
                name: "kind",
                conditions: KINDS,
                read: |value, _| match value {
                    REFUSED => Some((1, Bound::Text(String::new()))),
                    "account" | "session" | "password" | "organization" | "member" | "invitation" | "ticket" | "token" | "server"
                    | "customer" | OPERATOR | "mail" => Some((0, Bound::Text(value.to_owned()))),
                    _ => None,
                },
            },
            PERSON,
            Filter {
                name: "organization",
                conditions: &["organization_id = $"],
                read: |value, _| value.parse().ok().map(|organization: OrganizationId| (0, Bound::Id(organization.0))),
            },
            FROM,
            TO,
        ],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| ALL.texts(dialect), module: module_path!() } }

/// By what events are ordered that a program asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By their moment.
    #[default]
    Moment,
    /// By their action, and then by their moment.
    Action,
}

/// Which events a program asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// From this moment on, in microseconds.
    pub from: i64,
    /// Up to this one.
    pub to: i64,
    /// But for this one.
    pub but_at: i64,
    /// The first code of an action, and the last.
    pub actions: (String, String),
    /// But for this one; no action has an empty code.
    pub but_action: String,
    /// The first account, and the last.
    pub accounts: (Uuid, Uuid),
    /// But for this one.
    pub but_account: Uuid,
    /// In which order.
    pub order: Order,
    /// Whether from the greatest.
    pub descending: bool,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            from: i64::MIN,
            to: i64::MAX,
            but_at: i64::MIN,
            actions: (String::new(), "\u{10FFFF}".to_owned()),
            but_action: String::new(),
            accounts: (Uuid::nil(), Uuid::max()),
            but_account: Uuid::max(),
            order: Order::Moment,
            descending: true,
        }
    }
}

/// The events of an organization that a program asks for: so many from a place on, and how many there are.
///
/// One condition for every question: what is not asked for is a range that holds everything. Who an operator is, is
/// nothing that an organization could ask for; operators, the portal and strangers are the account that nobody has.
///
/// # Errors
/// The database's.
pub async fn events(
    db: &mut impl Connected,
    organization: OrganizationId,
    asked: &Asked,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Row>, i64), sqlx::Error> {
    macro_rules! from {
        ($select:literal, $tail:literal) => {
            concat!(
                "SELECT ",
                $select,
                " FROM audit_events WHERE organization_id = $1 AND at >= $2 AND at <= $3 AND at <> $4 AND action >= $5 AND action <= $6 AND action <> $7
        AND CASE WHEN actor_kind = 'operator' OR actor_id IS NULL THEN $8 ELSE actor_id END >= $9
        AND CASE WHEN actor_kind = 'operator' OR actor_id IS NULL THEN $8 ELSE actor_id END <= $10
        AND CASE WHEN actor_kind = 'operator' OR actor_id IS NULL THEN $8 ELSE actor_id END <> $11",
                $tail
            )
        };
    }
    macro_rules! send {
        ($method:ident as $as:ty, $text:expr $(, $more:expr)*) => {
            sql!($method as $as, db, $text, organization, asked.from, asked.to, asked.but_at, asked.actions.0.as_str(), asked.actions.1.as_str(),
                asked.but_action.as_str(), Uuid::nil(), asked.accounts.0, asked.accounts.1, asked.but_account $(, $more)*)
        };
    }
    macro_rules! page {
        ($order:literal) => {
            send!(all as Row, from!("id, at, organization_id, actor_kind, actor_id, actor_name, action, objects, before_state, after_state, outcome, address, user_agent, request_id", $order), limit, offset)
        };
    }
    let rows = match (asked.order, asked.descending) {
        (Order::Moment, true) => page!(" ORDER BY at DESC, id DESC LIMIT $12 OFFSET $13"),
        (Order::Moment, false) => page!(" ORDER BY at, id LIMIT $12 OFFSET $13"),
        (Order::Action, true) => page!(" ORDER BY action DESC, at DESC, id DESC LIMIT $12 OFFSET $13"),
        (Order::Action, false) => page!(" ORDER BY action, at, id LIMIT $12 OFFSET $13"),
    }?;
    let (total,): (i64,) = send!(one as (i64,), from!("count(*)", ""))?;
    Ok((rows, total))
}
