//! The words of the portal as types, the same in the browser and on the server: once you hold one, it is right.

mod email;
mod id;
mod name;
mod time;

pub use email::Email;
pub use id::{
    AccountId, AttachmentId, CustomerId, FactorId, GrantId, IdentityId, InvitationId, MemberId, MessageId, OrganizationId, PmmServerId,
    SessionId, TicketId, TokenId,
};
#[cfg(feature = "ssr")]
pub use name::is_typed;
pub use name::{FirstName, LastName, OrganizationName, fold};
pub use time::{DAY, HOUR, MINUTE, SECOND, Timestamp};

/// Whether a character may not stand in a name: control characters, and the bidirectional overrides and isolates
/// that make text read otherwise than it is written (Unicode TR 36, 3.3).
#[must_use]
pub fn is_forbidden_in_names(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Implements what every text word shares: display, serde through `parse`, and, on the server, the database's types.
macro_rules! text_word {
    ($name:ident) => {
        impl $name {
            /// The text as it was given, trimmed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }
    };
}
pub(crate) use text_word;
