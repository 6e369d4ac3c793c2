use sqlx::error::ErrorKind;

use crate::form::{Conflict, Gone, Obstacle, Refusal, Unauthenticated};

/// How a use case ends where it does not end well, until [`Portal::write`](crate::portal::Portal::write) or the page
/// turns it into what the user sees.
#[derive(Debug)]
pub enum Failure {
    /// An answer to the user.
    Refusal(Refusal),
    /// The transaction lost to another one: the whole unit is to be run again.
    Retry(sqlx::Error),
    /// The database is away, full or busy beyond patience: 503.
    Unavailable(sqlx::Error),
    /// Anything else: logged once, shown as a reference number.
    Fault(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Conflict> for Failure {
    fn from(conflict: Conflict) -> Self {
        Self::Refusal(Refusal::Conflict(conflict))
    }
}

impl From<crate::form::FieldErrors> for Failure {
    fn from(errors: crate::form::FieldErrors) -> Self {
        Self::Refusal(Refusal::Invalid(errors))
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(db) = &error else {
            return match error {
                sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::Io(_)
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Protocol(_)
                | sqlx::Error::BeginFailed => Self::Unavailable(error),
                other => Self::Fault(other.to_string()),
            };
        };
        let code = db.code().unwrap_or_default().into_owned();
        match code.as_str() {
            // PostgreSQL: serialization failure, deadlock, lock not available. SQLite: busy in its variants.
            "40001" | "40P01" | "55P03" | "5" | "261" | "517" | "773" => return Self::Retry(error),
            // PostgreSQL: shut down, starting up, too many connections, read-only standby, out of disk. SQLite: I/O, full.
            "57014" | "25P03" | "57P01" | "57P02" | "57P03" | "53300" | "53100" | "25006" | "13" | "10" | "778" | "1034" | "1546" | "8" => {
                return Self::Unavailable(error);
            }
            _ => {}
        }
        // PostgreSQL keeps no NUL in a text; what asks for one asks for nothing that is there.
        if code == "22021" {
            return Self::Refusal(Refusal::field("", "Leave out control characters"));
        }
        // Two imports at the same moment: run again, the second one finds what the first has written.
        let (name, message) = (db.constraint().unwrap_or_default(), db.message());
        let imported = ["customers", "customer_people", "contacts", "entitlements", "tickets", "ticket_messages"];
        if db.is_unique_violation()
            && imported
                .iter()
                .any(|table| name.strip_prefix(table).is_some_and(|rest| rest.starts_with('_')) || message.contains(&format!(" {table}.")))
        {
            return Self::Retry(error);
        }
        match refusal(db.as_ref()) {
            Some(refusal) => Self::Refusal(refusal),
            None => Self::Fault(error.to_string()),
        }
    }
}

/// The one place that knows which rule a violated constraint guards.
///
/// PostgreSQL names the constraint. SQLite names a unique index's columns in its message, and a foreign key not at
/// all: the only deferred one, which fails at commit, is the organization's Admin.
fn refusal(error: &dyn sqlx::error::DatabaseError) -> Option<Refusal> {
    let (name, message) = (error.constraint().unwrap_or_default(), error.message());
    match error.kind() {
        ErrorKind::UniqueViolation => {
            if name == "members_account_key" || message.contains("members.account_id") {
                Some(Conflict::AlreadyInOrganization.into())
            } else if name == "invitations_pending_key" || message.contains("invitations.organization_id, invitations.email_key") {
                // Which one is looked up by the action, in the good case; in a race the id is not known here.
                Some(Conflict::AlreadyInvited(crate::words::InvitationId(uuid::Uuid::nil())).into())
            } else if name == "accounts_email_key" || message.contains("accounts.email_key") {
                // Two accounts were to get one address by their links: the second link is worth nothing.
                Some(Refusal::Gone(Gone::Link))
            } else if name == "accounts_external_key" || message.contains("accounts.external_id") {
                Some(Obstacle::ExternalIdTaken.into())
            } else if name == "pmm_servers_server_key" || message.contains("pmm_servers.server_id") {
                // Of one organization they wait for each other; whoever comes second here is another one.
                Some(Conflict::ServerElsewhere.into())
            } else {
                None
            }
        }
        ErrorKind::ForeignKeyViolation
            if name == "organizations_admin_fkey" || (name.is_empty() && message.contains("FOREIGN KEY constraint failed")) =>
        {
            Some(Conflict::LastAdmin.into())
        }
        // The account ended while it was at work elsewhere. (On SQLite it has ended before, and the action has seen it.)
        ErrorKind::ForeignKeyViolation
            if name.ends_with("_account_id_fkey") || name.ends_with("_created_by_fkey") || name.ends_with("_invited_by_fkey") =>
        {
            Some(Refusal::Unauthenticated(Unauthenticated::SignInRequired))
        }
        // The same of a membership, of a PMM server's connection, or of what was given under them.
        ErrorKind::ForeignKeyViolation
            if ["server_consents_", "oauth_grants_", "oauth_tokens_"].iter().any(|table| name.starts_with(table)) =>
        {
            Some(Refusal::NotFound)
        }
        _ => None,
    }
}
