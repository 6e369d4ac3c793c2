use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Makes an identifier of one kind of thing, so that two kinds cannot be mixed up.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(/// An account.
    AccountId);
id!(/// An organization.
    OrganizationId);
id!(/// A membership: one account in one organization.
    MemberId);
id!(/// An invitation.
    InvitationId);
id!(/// A session, as its owner sees it in the list; the secret in the cookie is another thing.
    SessionId);
id!(/// A customer.
    CustomerId);
id!(/// A ticket.
    TicketId);
id!(/// A message in a ticket's thread.
    MessageId);
id!(/// A file that came with a ticket or a reply.
    AttachmentId);
id!(/// A token that a member made for a program; the secret is another thing.
    TokenId);
id!(/// A PMM server, as the portal knows it; what the server calls itself is another thing.
    PmmServerId);
id!(/// Who an account is at the operator's OpenID provider.
    IdentityId);
id!(/// What a person who signed in to a PMM server lets it do: the tokens that it gets belong to it.
    GrantId);
id!(/// A second factor of an account.
    FactorId);
