//! The audit log: who did what to whom, when, from where, with what outcome; written in the transaction of the change,
//! or, for a refusal, in one of its own.

use serde_json::Value;

use crate::{
    actor::{ActorKind, Caller},
    db::Connected,
    secrets::Random,
    sql,
    words::{OrganizationId, Timestamp},
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
    /// The account was deleted.
    DeleteAccount = "account.delete",
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
    /// Housekeeping that belongs to nobody.
    Maintain = "portal.maintain",
);

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
        (Some(actor), _) => ("account", Some(actor.account.0), actor.name()),
        (None, ActorKind::System) => ("system", None, String::new()),
        (None, ActorKind::Browser) => ("anonymous", None, String::new()),
    };
    sql!(execute db, "INSERT INTO audit_events (id, at, organization_id, actor_kind, actor_id, actor_name, action, objects, before_state, after_state, outcome, address, user_agent, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        random.id(now), now, event.organization, kind, actor_id, name, event.action.code(), objects.to_string(),
        event.before.to_string(), event.after.to_string(), event.outcome,
        caller.origin.address.as_str(), caller.origin.user_agent.as_str(), caller.origin.request_id.as_str())?;
    Ok(())
}

/// Forgets events before a moment.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM audit_events WHERE at < $1", before)
}
