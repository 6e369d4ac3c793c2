//! Forms: what they carry, what refuses them, and, on the server, the door through which a plain form reaches the same
//! server function that an island calls.

#[cfg(feature = "ssr")]
pub mod door;
#[cfg(feature = "ssr")]
mod obstacle;
mod refusal;

#[cfg(feature = "ssr")]
pub use obstacle::Obstacle;
pub use refusal::{Conflict, FieldErrors, Gone, Partly, Refusal, Unauthenticated, duration};
use serde::{Deserialize, Serialize};

use crate::words::OrganizationId;

/// What every form carries beside its own fields, as hidden fields `drawn[…]`: the circumstances it was drawn in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// The page that holds the form, drawn again where the form is refused. Only an own path is believed.
    #[serde(default)]
    pub page: String,
    /// The idempotency key: what is posted twice with one key stands once.
    #[serde(default)]
    pub key: String,
    /// The organization that the form was drawn for: a tab left open never writes into another one.
    #[serde(default)]
    pub organization: Option<OrganizationId>,
}

/// A form that was refused, as the page that holds it is drawn again: which, why, and what was typed (secrets aside).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormState {
    /// The end of the server function's address.
    pub function: String,
    /// Why.
    pub refusal: Refusal,
    /// What was typed, by the field's name.
    pub values: Vec<(String, String)>,
}

impl FormState {
    /// What was typed into a field.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&str> {
        let wrapped = format!("form[{field}]");
        self.values.iter().find(|(name, _)| *name == wrapped).map(|(_, value)| value.as_str())
    }

    /// What was written in sentences, to be had where the page that held the form is not there any more.
    pub fn prose(&self) -> impl Iterator<Item = &str> {
        let texts = self.values.iter().map(|(_, value)| value.trim());
        texts.filter(|text| text.len() >= 20 && text.contains(char::is_whitespace))
    }
}

/// What the portal says once, at the next page, after something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// Signed out.
    SignedOut,
    /// The address is verified, sign in now.
    Verified,
    /// The password was reset, sign in now.
    PasswordReset,
    /// The password was changed.
    PasswordChanged,
    /// The name was changed.
    NameChanged,
    /// A link to confirm another address is on its way.
    EmailChangeAsked,
    /// The address was changed.
    EmailChanged,
    /// The account was deleted.
    AccountDeleted,
    /// A session was ended.
    SessionEnded,
    /// All other sessions were ended.
    OtherSessionsEnded,
    /// The organization was created.
    OrganizationCreated,
    /// The organization was given another name.
    OrganizationRenamed,
    /// The organization was deleted.
    OrganizationDeleted,
    /// The invitation was sent.
    InvitationSent,
    /// Several invitations were sent.
    InvitationsSent,
    /// The invitation was sent again.
    InvitationResent,
    /// The invitation was revoked.
    InvitationRevoked,
    /// The invitation was declined.
    InvitationDeclined,
    /// Joined the organization.
    Joined,
    /// The role was changed.
    RoleChanged,
    /// The roles of several were changed.
    RolesChanged,
    /// The member was removed.
    MemberRemoved,
    /// Several members were removed.
    MembersRemoved,
    /// Left the organization.
    Left,
    /// The administrator of the customer was reminded.
    AdministratorReminded,
    /// A ticket was raised.
    TicketRaised,
    /// A reply was posted.
    Replied,
    /// A ticket was said to be solved.
    TicketResolved,
    /// The support changed a ticket.
    TicketChanged,
    /// The support wrote a note.
    NoteWritten,
    /// An account was locked.
    AccountLocked,
    /// An account was unlocked.
    AccountUnlocked,
    /// An organization was suspended.
    OrganizationSuspended,
    /// A suspended organization was opened again.
    OrganizationResumed,
    /// A mail is on its way again.
    MailRetried,
    /// A token was made before by the same form.
    TokenMadeBefore,
    /// A token was revoked.
    TokenRevoked,
    /// A PMM server was disconnected.
    ServerDisconnected,
    /// A PMM server does not know the account any more.
    ServerForgotten,
    /// An identity was unlinked.
    IdentityUnlinked,
    /// An authenticator app or a passkey was set up.
    FactorAdded,
    /// One was removed.
    FactorRemoved,
    /// All second factors of an account were removed.
    FactorsRemoved,
    /// Recovery codes were made before by the same form.
    RecoveryCodesMade,
    /// A change of an account's credentials was undone.
    Undone,
    /// The theme was chosen.
    ThemeChosen,
}

impl Notice {
    const ALL: [(Self, &'static str, &'static str); 46] = [
        (Self::SignedOut, "signed-out", "You are signed out."),
        (Self::Verified, "verified", "Your e-mail address is verified. Sign in to go on."),
        (Self::PasswordReset, "password-reset", "Your password is changed and every session was ended. Sign in with the new one."),
        (Self::PasswordChanged, "password-changed", "Your password is changed. All other sessions were ended."),
        (Self::NameChanged, "name-changed", "Your name is changed."),
        (
            Self::EmailChangeAsked,
            "email-change-asked",
            "We sent a link to the new address. Your address changes when you open it and confirm.",
        ),
        (Self::EmailChanged, "email-changed", "Your e-mail address is changed. All other sessions were ended."),
        (Self::AccountDeleted, "account-deleted", "Your account is deleted."),
        (Self::SessionEnded, "session-ended", "The session was ended."),
        (Self::OtherSessionsEnded, "sessions-ended", "All other sessions were ended."),
        (Self::OrganizationCreated, "organization-created", "Your organization has been created."),
        (Self::OrganizationRenamed, "organization-renamed", "The organization has its new name."),
        (Self::OrganizationDeleted, "organization-deleted", "The organization is deleted."),
        (Self::InvitationSent, "invitation-sent", "The invitation is on its way."),
        (Self::InvitationsSent, "invitations-sent", "{n} invitations are on their way."),
        (Self::InvitationResent, "invitation-resent", "The invitation is on its way again. The earlier link no longer works."),
        (Self::InvitationRevoked, "invitation-revoked", "The invitation was revoked. Its link no longer works."),
        (Self::InvitationDeclined, "invitation-declined", "You declined the invitation."),
        (Self::Joined, "joined", "Welcome. You are a member now."),
        (Self::RoleChanged, "role-changed", "The role was changed."),
        (Self::RolesChanged, "roles-changed", "The roles of {n} members were changed."),
        (Self::MemberRemoved, "member-removed", "The member was removed from the organization."),
        (Self::MembersRemoved, "members-removed", "{n} members were removed from the organization."),
        (Self::Left, "left", "You left the organization."),
        (Self::AdministratorReminded, "administrator-reminded", "The administrator gets a mail that says that you wait."),
        (Self::TicketRaised, "ticket-raised", "Your ticket was raised. Its answers come by mail, too."),
        (Self::Replied, "replied", "Your reply was posted."),
        (Self::TicketChanged, "ticket-changed", "The ticket is changed."),
        (Self::NoteWritten, "note-written", "The note is there. No customer sees it."),
        (Self::TicketResolved, "ticket-resolved", "The ticket is marked as resolved."),
        (Self::AccountLocked, "account-locked", "The account is locked. Its sessions were ended."),
        (Self::AccountUnlocked, "account-unlocked", "The account is unlocked."),
        (Self::OrganizationSuspended, "organization-suspended", "The organization is suspended."),
        (Self::OrganizationResumed, "organization-resumed", "The organization is open again."),
        (Self::MailRetried, "mail-retried", "It is on its way again."),
        (
            Self::TokenMadeBefore,
            "token-made-before",
            "The token was made already, and is shown once. If you did not copy it, revoke it and make another.",
        ),
        (Self::TokenRevoked, "token-revoked", "The token was revoked. What uses it is refused from now on."),
        (Self::ServerDisconnected, "server-disconnected", "The PMM server is disconnected. Disconnect in PMM too, if you can reach it."),
        (Self::ServerForgotten, "server-forgotten", "What you gave the server has ended. It asks you again when you sign in there."),
        (Self::IdentityUnlinked, "identity-unlinked", "It is unlinked."),
        (Self::FactorAdded, "factor-added", "It is set up. You can sign in with it."),
        (Self::FactorRemoved, "factor-removed", "It was removed."),
        (Self::FactorsRemoved, "factors-removed", "The second factors are removed. The owner was told."),
        (
            Self::RecoveryCodesMade,
            "recovery-codes-made",
            "The codes were made already, and are shown once. If you did not keep them, make others.",
        ),
        (Self::Undone, "undone", "It is undone, and every session was ended. Choose a new password now: the old one is worth nothing."),
        (Self::ThemeChosen, "theme", "The theme is set."),
    ];

    /// Its name in the one-shot cookie.
    #[must_use]
    pub fn code(self) -> &'static str {
        Self::ALL.iter().find(|(notice, ..)| *notice == self).map_or("", |(_, code, _)| code)
    }

    /// The sentence; of several, with how many they are.
    #[must_use]
    pub fn text(self, n: usize) -> String {
        Self::ALL.iter().find(|(notice, ..)| *notice == self).map_or("", |(.., text)| text).replace("{n}", &n.to_string())
    }

    /// Reads the name in the cookie.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == code).map(|(notice, ..)| *notice)
    }
}

/// Whether a text is a path of the portal's own, to which one may be sent or believed to come from: it begins with one
/// slash, and holds nothing that a browser would read as another host or as a header's end.
#[must_use]
pub fn is_own_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 4000
        && path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '\\' | '<' | '>' | '"' | '`'))
        && !path.starts_with("/do/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_are_believed() {
        for path in ["/", "/organization/members?q=a%20b#x", "/sign-in?to=%2Faccount"] {
            assert!(is_own_path(path), "{path}");
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/a\r\nSet-Cookie: x",
            "javascript:alert(1)",
            "/a b",
            "/do/sign_out",
            "/é",
            "/<script>",
            "/a\"b",
        ] {
            assert!(!is_own_path(path), "{path}");
        }
    }

    #[test]
    fn every_notice_is_read_back() {
        for (notice, code, _) in Notice::ALL {
            assert_eq!(Notice::parse(code), Some(notice));
            assert_eq!(notice.code(), code);
        }
    }
}
