//! Who asks, and how.

use uuid::Uuid;

use crate::{
    audit::Action,
    form::{Drawn, Refusal, Unauthenticated},
    words::{AccountId, Email, GrantId, OrganizationId, PmmServerId, SessionId, Timestamp, TokenId},
};

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The client's address, as far as configured proxies vouch for it.
    pub address: String,
    /// What the client says it is, cut to 400 characters.
    pub user_agent: String,
    /// The request's id, in the logs and in the response's header.
    pub request_id: String,
}

/// By which factors somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The account's password.
    Password,
    /// The link of a mail sent to the account's address.
    MailLink,
    /// The operator's OpenID provider.
    Provider,
    /// A code of an authenticator app.
    Code,
    /// A recovery code.
    RecoveryCode,
    /// A passkey.
    Passkey,
}

impl Method {
    /// Its name in the session's row.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::MailLink => "mail_link",
            Self::Provider => "provider",
            Self::Code => "code",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Password, Self::MailLink, Self::Provider, Self::Code, Self::RecoveryCode, Self::Passkey]
            .into_iter()
            .find(|method| method.name() == name)
    }

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::MailLink => "a link by mail",
            Self::Provider => "your sign-in service",
            Self::Code => "a code of your app",
            Self::RecoveryCode => "a recovery code",
            Self::Passkey => "a passkey",
        }
    }
}

/// With what the actor came.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A browser's session.
    Session {
        /// The session.
        id: SessionId,
        /// When its holder last proved who they are.
        authenticated_at: Timestamp,
        /// By which factors, as stored.
        methods: String,
    },
    /// A token that the account made for a program.
    Token(TokenId),
    /// An access token that a PMM server got when the account signed in to it.
    Grant {
        /// What the account lets the server do.
        id: GrantId,
        /// The server.
        server: PmmServerId,
    },
}

/// What a credential may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// Everything that the account may. What asks for a session is not done with a token all the same.
    All,
    /// Reading what the account may read.
    Read,
    /// Connecting PMM servers, and nothing else.
    Connect,
    /// What a PMM server does for a person: reading, and disconnecting itself.
    Server,
}

impl Scopes {
    /// Whether a unit of this kind may be written with the credential.
    #[must_use]
    pub fn may_write(self, action: Action) -> bool {
        match self {
            Self::All => true,
            Self::Read => false,
            Self::Connect => action == Action::ConnectServer,
            // The last two are the provider's own: signing in and out by the server is what the credential is for.
            Self::Server => matches!(action, Action::DisconnectServer | Action::SignInToServer | Action::SignOutOfServer),
        }
    }

    /// Whether anything may be read with the credential.
    #[must_use]
    pub const fn may_read(self) -> bool {
        !matches!(self, Self::Connect)
    }
}

/// An account that asks for something.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The account.
    pub account: AccountId,
    /// Its verified address.
    pub email: Email,
    /// Its names.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// With what it came.
    pub credential: Credential,
    /// What for.
    pub scopes: Scopes,
    /// Whether the account runs the portal, as far as is known outside of a unit: what shows the way to the console.
    pub operator: bool,
}

impl Actor {
    /// The person's name in one.
    #[must_use]
    pub fn name(&self) -> String {
        full_name(&self.first_name, &self.last_name)
    }

    /// The session it came with.
    ///
    /// # Errors
    /// 401 where it came with something else: what asks for a session is not done with a token.
    pub const fn session(&self) -> Result<SessionId, Refusal> {
        match &self.credential {
            Credential::Session { id, .. } => Ok(*id),
            Credential::Token(_) | Credential::Grant { .. } => Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired)),
        }
    }

    /// When its holder last proved who they are; nothing where it came with something else than a session.
    #[must_use]
    pub const fn authenticated_at(&self) -> Option<Timestamp> {
        match &self.credential {
            Credential::Session { authenticated_at, .. } => Some(*authenticated_at),
            Credential::Token(_) | Credential::Grant { .. } => None,
        }
    }

    /// The id of what it came with.
    #[must_use]
    pub const fn credential_id(&self) -> Uuid {
        match &self.credential {
            Credential::Session { id: SessionId(id), .. } | Credential::Token(TokenId(id)) | Credential::Grant { id: GrantId(id), .. } => {
                *id
            }
        }
    }
}

/// First and last name in one; the last may be empty.
#[must_use]
pub fn full_name(first: &str, last: &str) -> String {
    if last.is_empty() { first.to_owned() } else { format!("{first} {last}") }
}

/// From which side a call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// From a browser, signed in or not.
    Browser,
    /// From an operator who acts as such: the guard says so.
    Operator,
    /// From the portal itself.
    System,
    /// From the operator's identity system, by the token that the operator gave it.
    IdentitySystem,
}

/// A call: who, from where, with which form.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account, where one is signed in.
    pub actor: Option<Actor>,
    /// From which side.
    pub kind: ActorKind,
    /// From where.
    pub origin: Origin,
    /// The circumstances of the form.
    pub drawn: Drawn,
    /// A fingerprint of what was sent: an idempotency key stands for this and nothing else.
    pub content: String,
}

impl Caller {
    /// The portal itself.
    #[must_use]
    pub fn system() -> Self {
        Self { actor: None, kind: ActorKind::System, origin: Origin::default(), drawn: Drawn::default(), content: String::new() }
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// 401 where nobody is.
    pub fn actor(&self) -> Result<&Actor, Refusal> {
        self.actor.as_ref().ok_or(Refusal::Unauthenticated(Unauthenticated::SignInRequired))
    }

    /// The organization that the form was drawn for.
    ///
    /// # Errors
    /// 422 where the form does not say.
    pub fn organization(&self) -> Result<OrganizationId, Refusal> {
        self.drawn.organization.ok_or_else(|| Refusal::field("", "This form could not be read. Open the page again."))
    }
}
