use crate::{
    form::Drawn,
    words::{Email, IdentityId, Timestamp},
};

/// The way to the provider, as a page offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What the operator calls the provider.
    pub name: String,
    /// The address at which it begins.
    pub address: String,
}

/// An identity that waits until the owner of the account with the same address signs in to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// What the operator calls the provider.
    pub name: String,
    /// The address.
    pub email: Email,
}

/// An identity, as its owner sees it.
#[derive(Clone, Debug)]
pub struct IdentityView {
    /// Its id.
    pub id: IdentityId,
    /// What the operator calls the provider; the provider's address where it is none that is configured.
    pub provider: String,
    /// The address that it had there at the last sign-in; may be empty.
    pub email: String,
    /// Since when.
    pub linked_at: Timestamp,
    /// When it was last used.
    pub signed_in_at: Timestamp,
    /// What the form that unlinks it carries.
    pub drawn: Drawn,
}

/// How an account is linked, for its owner.
#[derive(Clone, Debug)]
pub struct Linked {
    /// All of its identities.
    pub identities: Vec<IdentityView>,
    /// Whether one of them may go: there is another way in.
    pub unlinkable: bool,
    /// The way to link one, where a provider is configured and none of its is linked.
    pub way: Option<Way>,
}

/// Why somebody did not come in by the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is away, busy or slow.
    Away,
    /// What it said cannot be believed or understood.
    Wrong,
    /// It let nobody in, or the person did not want to.
    Denied,
    /// The sign-in is over: too old, used before, or of another browser.
    Over,
    /// The provider has not made sure that the address is theirs, or gave none.
    Unverified,
    /// A new sign-in was asked for, and the provider does not say that there was one.
    NotAnew,
    /// The account is locked.
    Locked,
}

impl Trouble {
    /// HTTP's status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Away => 503,
            Self::Wrong | Self::NotAnew => 502,
            Self::Denied | Self::Unverified => 403,
            Self::Over => 410,
            Self::Locked => 401,
        }
    }

    /// The stable code, for the audit log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Away => "provider_away",
            Self::Wrong => "provider_wrong",
            Self::Denied => "provider_denied",
            Self::Over => "link_gone",
            Self::Unverified => "unverified_address",
            Self::NotAnew => "provider_not_anew",
            Self::Locked => "account_locked",
        }
    }
}
