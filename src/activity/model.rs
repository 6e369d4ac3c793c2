use uuid::Uuid;

use crate::words::{AccountId, OrganizationId, Timestamp};

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The Admins of the organization that the events are of: what an operator did is the operator's, whoever that is.
    Admins,
    /// The operators.
    Operators,
}

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The portal's own words.
    Words(String),
    /// A name or an address that somebody chose; it stands isolated.
    Name(String),
}

/// An event as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who; nobody where it was no account, or where the reader is not told.
    pub actor: Option<(AccountId, String)>,
    /// What stands in that one's place.
    pub otherwise: &'static str,
    /// What that one did, as the rest of the sentence.
    pub pieces: Vec<Piece>,
    /// Why it was refused, where it was.
    pub refused: Option<String>,
    /// With which program, in words.
    pub device: String,
    /// From which address.
    pub address: String,
    /// In which organization, for who sees several: its id, and its name where it is still there.
    pub organization: Option<(OrganizationId, Option<String>)>,
}

impl EventView {
    /// Who did it, in words.
    #[must_use]
    pub fn who(&self) -> &str {
        self.actor.as_ref().map_or(self.otherwise, |(_, name)| name)
    }

    /// What was done, as text.
    #[must_use]
    pub fn what(&self) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Words(text) | Piece::Name(text) => text.as_str(),
        });
        pieces.collect::<Vec<_>>().join(" ")
    }
}

/// An event as programs are told it.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Which account did it; nobody where it was no account, or the operator.
    pub account: Option<AccountId>,
    /// What kind of actor did it.
    pub actor_kind: String,
    /// The action's code.
    pub action: String,
    /// What it is about: kind, id and the name of then.
    pub objects: Vec<(String, String, String)>,
    /// The state before, where one is known.
    pub before: serde_json::Value,
    /// The state after.
    pub after: serde_json::Value,
    /// Why it was refused, where it was.
    pub refused: Option<String>,
    /// From which address.
    pub address: String,
    /// With which program.
    pub user_agent: String,
    /// In which request.
    pub request_id: String,
}

/// The kinds by which an organization's list is filtered: the name in the URL, and the one on pages.
pub const KINDS: [(&str, &str); 7] = [
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("ticket", "Tickets"),
    ("server", "PMM servers"),
    ("token", "Tokens"),
    ("organization", "Organization"),
    (crate::audit::REFUSED, "Refused"),
];
/// The kinds by which the list of everything is filtered.
pub const ALL_KINDS: [(&str, &str); 13] = [
    ("account", "Accounts"),
    ("session", "Sessions"),
    ("password", "Passwords"),
    ("organization", "Organizations"),
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("ticket", "Tickets"),
    ("server", "PMM servers"),
    ("token", "Tokens"),
    ("customer", "Customers"),
    (crate::audit::OPERATOR, "Operators"),
    ("mail", "Mails"),
    (crate::audit::REFUSED, "Refused"),
];
