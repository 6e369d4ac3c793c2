use serde::{Deserialize, Serialize};

/// What is wrong with the fields of a form, a sentence each. The empty field name is the form as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldErrors(pub Vec<(String, String)>);

impl FieldErrors {
    /// One field's error.
    #[must_use]
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        Self(vec![(field.to_owned(), message.into())])
    }

    /// Notes the error of a field, or hands over what was read.
    pub fn take<T, E: Into<String>>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(message) => {
                self.0.push((field.to_owned(), message.into()));
                None
            }
        }
    }

    /// The sentence for a field.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, message)| message.as_str())
    }
}

/// Why something cannot be done, as a value: the only error that leaves the server, the same on pages, in the typed
/// calls of the islands and in the API. Closed, with stable codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// 422: what was typed does not do; a sentence beside each field.
    Invalid(FieldErrors),
    /// 401
    Unauthenticated(Unauthenticated),
    /// 403: you are known, and your role does not allow it.
    Forbidden,
    /// 403: the organization is suspended by the operator, for this reason.
    Suspended(String),
    /// 403: the request came from another site.
    CrossSite,
    /// 404: no such thing, or not yours.
    NotFound,
    /// 409: not possible as things stand.
    Conflict(Conflict),
    /// 409: of several, these are not possible; the others are done. 429 where none is, because of a limit.
    Partly(Partly),
    /// 410: it was there and is no more.
    Gone(Gone),
    /// 413
    TooLarge,
    /// 429: too often; again after so many seconds.
    TooManyRequests(u32),
    /// 503: the database or another part is away; nothing was changed.
    Unavailable,
    /// No answer came, or none of the portal's: whether anything was changed is not known. The browser says it to itself.
    Unanswered,
    /// 500: our fault; the reference under which it was logged.
    Fault(String),
}

/// Why 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unauthenticated {
    /// Nobody is signed in, or the session has ended.
    SignInRequired,
    /// The pair of address and password is wrong; which of the two is never said.
    WrongCredentials,
    /// The account is locked by the operator. Said to nobody without its password.
    Locked,
    /// What is asked for needs the password once more: it was last given too long ago.
    ProofRequired,
}

/// Why 409.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conflict {
    /// The account belongs to an organization already.
    AlreadyInOrganization,
    /// The organization would be left without an Admin.
    LastAdmin,
    /// Nobody changes their own role.
    OwnRole,
    /// The address has a pending invitation; its id, so that sending it again can be offered.
    AlreadyInvited(crate::words::InvitationId),
    /// The address belongs to a member of this organization.
    AlreadyMember,
    /// The form was drawn for another organization than the one you are in now.
    OtherOrganization,
    /// The invitation is for another address than the one signed in.
    OtherAddress,
    /// The invitation is not pending any more.
    NotPending,
    /// The account belongs to a customer, whose organization is or will be its own.
    OfCustomer,
    /// The organization bears its customer's name.
    NameOfCustomer,
    /// The customer's record names no administrator.
    NobodyToRemind,
    /// The ticket is over, and was for too long to be opened again.
    TicketOver,
    /// The organization that one would enter is suspended.
    OrganizationSuspended,
    /// The operator has to name a key file first.
    NoKeyFile,
    /// The operator asks for a second factor, and the account has none.
    NoSecondFactor,
    /// It is so already: locked, suspended, open, on its way.
    AlreadySo,
    /// The account is in no organization, and this is done in one.
    NoOrganization,
    /// There are as many tokens as somebody may have.
    TooManyTokens,
    /// The PMM server is connected to another organization, which is not named.
    ServerElsewhere,
    /// Somebody else of the organization has connected this PMM server, and whoever asks is no Admin.
    ServerOfColleague,
    /// Without it nobody could sign in to the account.
    OnlyWayIn,
    /// Why the operator's identity system is refused. No browser asks for what it asks for, so browsers do not carry these.
    #[cfg(feature = "ssr")]
    #[serde(skip)]
    Account(super::Obstacle),
}

/// What came of several at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partly {
    /// How many are done.
    pub done: usize,
    /// What each of the others is called, and why it is not done.
    pub refused: Vec<(String, String)>,
    /// What a limit put off, without a sentence for each.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// What came of it all, in a sentence.
    #[serde(default)]
    pub summary: String,
}

impl Partly {
    /// What was not done, a line each: what stays in the field.
    #[must_use]
    pub fn rest(&self) -> String {
        let each: Vec<&str> = self.refused.iter().map(|(what, _)| what).chain(&self.waiting).map(String::as_str).collect();
        each.join("\n")
    }

    /// How many are done, where all of them are.
    ///
    /// # Errors
    /// Where one was refused or put off.
    pub fn all(self) -> Result<usize, Refusal> {
        if self.refused.is_empty() && self.waiting.is_empty() { Ok(self.done) } else { Err(Refusal::Partly(self)) }
    }
}

/// Why 410.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gone {
    /// A link from a mail that is expired, used, replaced or unknown.
    Link,
}

impl Refusal {
    /// One field's error.
    #[must_use]
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(FieldErrors::one(field, message))
    }

    /// HTTP's status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 422,
            Self::Unauthenticated(_) => 401,
            Self::Forbidden | Self::Suspended(_) | Self::CrossSite => 403,
            Self::NotFound => 404,
            Self::Partly(partly) if partly.done == 0 && !partly.waiting.is_empty() => 429,
            Self::Conflict(_) | Self::Partly(_) => 409,
            Self::Gone(_) => 410,
            Self::TooLarge => 413,
            Self::TooManyRequests(_) => 429,
            Self::Unavailable | Self::Unanswered => 503,
            Self::Fault(_) => 500,
        }
    }

    /// The stable code, for logs, the audit log and the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Unauthenticated(Unauthenticated::SignInRequired) => "sign_in_required",
            Self::Unauthenticated(Unauthenticated::WrongCredentials) => "wrong_credentials",
            Self::Unauthenticated(Unauthenticated::Locked) => "account_locked",
            Self::Unauthenticated(Unauthenticated::ProofRequired) => "proof_required",
            Self::Forbidden => "forbidden",
            Self::Suspended(_) => "suspended",
            Self::CrossSite => "cross_site",
            Self::NotFound => "not_found",
            Self::Conflict(conflict) => match conflict {
                Conflict::AlreadyInOrganization => "already_in_organization",
                Conflict::LastAdmin => "last_admin",
                Conflict::OwnRole => "own_role",
                Conflict::AlreadyInvited(_) => "already_invited",
                Conflict::AlreadyMember => "already_member",
                Conflict::OtherOrganization => "other_organization",
                Conflict::OtherAddress => "other_address",
                Conflict::NotPending => "not_pending",
                Conflict::OfCustomer => "of_customer",
                Conflict::NameOfCustomer => "name_of_customer",
                Conflict::NobodyToRemind => "nobody_to_remind",
                Conflict::TicketOver => "ticket_over",
                Conflict::OrganizationSuspended => "organization_suspended",
                Conflict::NoKeyFile => "no_key_file",
                Conflict::NoSecondFactor => "no_second_factor",
                Conflict::AlreadySo => "already_so",
                Conflict::NoOrganization => "no_organization",
                Conflict::TooManyTokens => "too_many_tokens",
                Conflict::ServerElsewhere => "server_elsewhere",
                Conflict::ServerOfColleague => "server_of_colleague",
                Conflict::OnlyWayIn => "only_way_in",
                #[cfg(feature = "ssr")]
                Conflict::Account(obstacle) => obstacle.code(),
            },
            Self::Partly(_) => "partly",
            Self::Gone(Gone::Link) => "link_gone",
            Self::TooLarge => "too_large",
            Self::TooManyRequests(_) => "too_many_requests",
            Self::Unavailable => "unavailable",
            Self::Unanswered => "unanswered",
            Self::Fault(_) => "fault",
        }
    }

    /// The sentence for people: what happened and what to do.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Invalid(_) => "Some of what you typed needs another look.",
            Self::Unauthenticated(Unauthenticated::SignInRequired) => "You are not signed in any more. Sign in and try again.",
            Self::Unauthenticated(Unauthenticated::WrongCredentials) => "The e-mail address or the password is wrong.",
            Self::Unauthenticated(Unauthenticated::Locked) => "This account is locked. The support of this portal can tell you more.",
            Self::Unauthenticated(Unauthenticated::ProofRequired) => "Enter your password once more to go on",
            Self::Suspended(reason) => return format!("Your organization is suspended. The reason that the operator gave: {reason}"),
            Self::Forbidden => "Your role does not allow this. An Admin of your organization can do it.",
            Self::CrossSite => "This came from another site, so nothing was changed. Open the page here and try again.",
            Self::NotFound => "This does not exist, or is not there for you.",
            Self::Conflict(conflict) => match conflict {
                Conflict::AlreadyInOrganization => "You belong to an organization already. An account can be in one at a time.",
                Conflict::LastAdmin => "An organization always needs an Admin. Make somebody else Admin first.",
                Conflict::OwnRole => "Nobody can change their own role. Another Admin can change yours.",
                Conflict::AlreadyInvited(_) => "This address is invited already. You can send the invitation again.",
                Conflict::AlreadyMember => "This address belongs to a member of your organization already.",
                Conflict::OtherOrganization => "This page was opened for another organization. Nothing was changed; open the page again.",
                Conflict::OtherAddress => "This invitation is for another e-mail address. Sign in with the address it was sent to.",
                Conflict::NotPending => "This invitation is not pending any more.",
                Conflict::OfCustomer => "Your company has an organization here already. Getting Started says how you get into it.",
                Conflict::NameOfCustomer => {
                    "The organization has the name of your company's customer record, which cannot be changed here."
                }
                Conflict::TicketOver => "This ticket is closed. Raise a new one, and name this one's number in it.",
                Conflict::NobodyToRemind => "Nobody is named as your company's administrator. The support of this portal can name one.",
                Conflict::OrganizationSuspended => {
                    "This organization is suspended, and nothing can be changed in it. Try again when it is open again."
                }
                Conflict::NoKeyFile => {
                    "This portal cannot do this yet: its operator has to name a key file (ORG_PORTAL_KEY_FILE)."
                }
                Conflict::NoSecondFactor => "This portal asks you for a second factor. Set one up first, on the page Account.",
                Conflict::AlreadySo => "This has been done already. Open the page again to see how things stand.",
                Conflict::NoOrganization => "You belong to no organization yet. Add one or accept an invitation first.",
                Conflict::OnlyWayIn => "It is the only way into your account.",
                #[cfg(feature = "ssr")]
                Conflict::Account(obstacle) => obstacle.message(),
                Conflict::TooManyTokens => "You have as many tokens as one can have. Revoke one that you no longer need.",
                Conflict::ServerElsewhere => {
                    "This PMM server is connected to another organization. It has to be disconnected there before it can be connected here."
                }
                Conflict::ServerOfColleague => {
                    "Somebody else of your organization connected this PMM server. They or an Admin can connect it again, or disconnect it first."
                }
            },
            Self::Partly(partly) => &partly.summary,
            Self::Gone(Gone::Link) => "This link no longer works. It was used, replaced or has expired.",
            Self::TooLarge => {
                "This is too large, and nothing was saved. A form carries up to 512 kB of text, and 64 MB with files: go back and send less at once."
            }
            Self::TooManyRequests(seconds) => return format!("Too many attempts. Try again in {}.", duration(*seconds)),
            Self::Unavailable => "The portal cannot reach its database right now. Nothing was changed. Try again in a moment.",
            Self::Unanswered => "The portal did not answer. It may or may not have been saved: try again, nothing is done twice.",
            Self::Fault(reference) => {
                return format!("Something went wrong on our side and nothing was changed. Quote {reference} if you tell us.");
            }
        }
        .to_owned()
    }

    /// The sentence that belongs beside a field, where there is one: field errors, and the conflicts that one field caused.
    #[must_use]
    pub fn of_field(&self, field: &str) -> Option<String> {
        match (self, field) {
            (Self::Invalid(errors), _) => errors.of(field).map(str::to_owned),
            (Self::Conflict(Conflict::AlreadyInvited(_) | Conflict::AlreadyMember), "email") => Some(self.message()),
            (Self::Unauthenticated(Unauthenticated::ProofRequired), "password") => Some(self.message()),
            (Self::Partly(_), "email") => Some("What stands here was not sent.".to_owned()),
            _ => None,
        }
    }
}

/// `20 seconds`, `5 minutes`
#[must_use]
pub fn duration(seconds: u32) -> String {
    match seconds {
        0 | 1 => "a second".to_owned(),
        2..=119 => format!("{seconds} seconds"),
        120..=7199 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

impl From<FieldErrors> for Refusal {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl leptos::server_fn::error::FromServerFnError for Refusal {
    type Encoder = leptos::server_fn::codec::JsonEncoding;

    /// What the transport itself reports. Its texts are the library's own and are never shown (`SECURITY.md` 5.1).
    fn from_server_fn_error(error: leptos::server_fn::error::ServerFnErrorErr) -> Self {
        use leptos::server_fn::error::ServerFnErrorErr as E;
        match error {
            E::Args(_) | E::MissingArg(_) => Self::field("", "This form could not be read. Open the page again."),
            // On the server what was sent is no form; in the browser what came back is not the portal's.
            E::Deserialization(_) if cfg!(feature = "ssr") => Self::field("", "This form could not be read. Open the page again."),
            // Or the request broke off.
            _ => Self::Unanswered,
        }
    }
}
