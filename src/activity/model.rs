use uuid::Uuid;

use crate::words::{AccountId, Timestamp};

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
    /// Who; nobody where the portal did it by itself.
    pub actor: Option<(AccountId, String)>,
    /// What that one did, as the rest of the sentence.
    pub pieces: Vec<Piece>,
    /// Why it was refused, where it was.
    pub refused: Option<String>,
    /// With which program, in words.
    pub device: String,
    /// From which address.
    pub address: String,
}

impl EventView {
    /// Who did it, in words.
    #[must_use]
    pub fn who(&self) -> &str {
        self.actor.as_ref().map_or("The portal", |(_, name)| name)
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

/// The kinds by which the list is filtered: the name in the URL, and the one on pages.
pub const KINDS: [(&str, &str); 5] = [
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("ticket", "Tickets"),
    ("organization", "Organization"),
    (crate::audit::REFUSED, "Refused"),
];
