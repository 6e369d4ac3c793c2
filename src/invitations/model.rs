use serde::{Deserialize, Serialize};

use crate::{
    form::FieldErrors,
    permissions::Role,
    words::{Email, InvitationId, Timestamp},
};

/// How many addresses can be invited at once.
pub const SEVERAL: usize = 500;

/// Invite Member, as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteForm {
    /// The address, or many: separated by commas, semicolons, spaces or lines, as they are pasted.
    pub email: String,
    /// The role's name.
    #[serde(default)]
    pub role: String,
}

/// Invitations that are right, as far as the form can tell.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The addresses, each once.
    pub emails: Vec<Email>,
    /// What was no address, and why, beside those that are.
    pub refused: Vec<(String, String)>,
    /// The role.
    pub role: Role,
}

impl InviteForm {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence for each field that is wrong: where there is no address at all, or too many.
    pub fn parse(&self) -> Result<Invite, FieldErrors> {
        let mut errors = FieldErrors::default();
        let (mut emails, mut refused): (Vec<Email>, Vec<(String, String)>) = (Vec::new(), Vec::new());
        // So few that looking through them is as quick as a set, which the browser would have to load.
        let mut seen: Vec<String> = Vec::new();
        for text in addresses(&self.email) {
            let read = Email::parse(text);
            let key = read.as_ref().map_or_else(|_| text.to_owned(), Email::key);
            if seen.len() > SEVERAL || seen.contains(&key) {
                continue;
            }
            seen.push(key);
            match read {
                Ok(email) => emails.push(email),
                Err(why) => refused.push((text.to_owned(), why.to_owned())),
            }
        }
        let found = match (emails.is_empty(), refused.as_slice()) {
            (true, []) => Email::parse("").map(|_| ()).map_err(str::to_owned),
            (true, [(_, why)]) => Err(why.clone()),
            (true, _) => Err("None of these is an e-mail address".to_owned()),
            _ if seen.len() > SEVERAL => {
                Err(format!("Invite at most {SEVERAL} addresses at once; these are {}", addresses(&self.email).len()))
            }
            _ => Ok(()),
        };
        errors.take("email", found);
        match errors.take("role", Role::parse(&self.role).ok_or("Choose a role")) {
            Some(role) if errors.0.is_empty() => Ok(Invite { emails, refused, role }),
            _ => Err(errors),
        }
    }
}

/// The addresses in a pasted text, with the names that mail programs put before them left out. Such a name may hold
/// commas, and where it stands in quotation marks anything: `"Carol, C." <carol@example.com>`. An address in it counts.
fn addresses(text: &str) -> Vec<&str> {
    let (mut found, mut quoted) = (Vec::new(), false);
    let mut ends = |c: char| {
        quoted = (quoted ^ (c == '"')) && c != '\n';
        !quoted && matches!(c, ';' | '\n' | '\r')
    };
    for part in text.split(&mut ends) {
        // What may be a name still, or nothing at all.
        let mut before = found.len();
        for piece in part.split(',') {
            match piece.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')) {
                Some((address, _)) if address.contains('@') => {
                    found.truncate(before);
                    // Not only the last one: nothing that may be an address is passed over as a name.
                    let tokens = piece.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>'));
                    found.extend(tokens.filter(|token| token.contains('@')).map(|token| token.trim_matches(['"', '\'', '(', ')'])));
                    before = found.len();
                }
                _ => {
                    found.extend(piece.split_whitespace());
                    if piece.contains('@') {
                        before = found.len();
                    }
                }
            }
        }
    }
    found
}

/// The role of a pending invitation, as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRoleForm {
    /// Whose.
    pub invitation: String,
    /// The new role's name.
    #[serde(default)]
    pub role: String,
}

/// How an invitation stands, by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It can be accepted.
    Pending,
    /// Its time is over.
    Expired,
    /// It was accepted.
    Accepted,
    /// It was declined.
    Declined,
    /// It was revoked.
    Revoked,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Expired, Self::Accepted, Self::Declined, Self::Revoked];

    /// Its name in the URL; for what is settled also in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
        }
    }

    /// Its name on pages.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Expired => "Expired",
            Self::Accepted => "Accepted",
            Self::Declined => "Declined",
            Self::Revoked => "Revoked",
        }
    }
}

/// An invitation in its organization's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRow {
    /// Its id.
    pub id: InvitationId,
    /// To whom.
    pub email: String,
    /// With which role.
    pub role: Role,
    /// By whom.
    pub inviter: String,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// Whether who looks may send it again or revoke it.
    pub manageable: bool,
    /// Whether who looks may change its role.
    pub changeable: bool,
}

/// An invitation, as the one it is for sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationView {
    /// Its id.
    pub id: InvitationId,
    /// The organization's name.
    pub organization: String,
    /// The address it is for.
    pub email: Email,
    /// The role.
    pub role: Role,
    /// Who invited.
    pub inviter: String,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(email: &str) -> Result<Invite, FieldErrors> {
        InviteForm { email: email.to_owned(), role: "Admin".to_owned() }.parse()
    }

    #[test]
    fn pasted_addresses_are_taken_apart_and_each_taken_once() {
        let invite =
            parse("Ada Lovelace <ada@example.com>; bob@example.com,ADA@example.com\n\n carol@example.com dave@example.com nonsense")
                .expect("read");
        let emails: Vec<_> = invite.emails.iter().map(Email::as_str).collect();
        assert_eq!(emails, ["ada@example.com", "bob@example.com", "carol@example.com", "dave@example.com"]);
        assert_eq!(invite.refused.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["nonsense"]);
    }

    #[test]
    fn names_with_commas_belong_to_their_addresses() {
        for (text, emails, refused) in [
            (r#""Carol, C." <carol@example.com>"#, &["carol@example.com"][..], &[][..]),
            ("Müller, Jörg <jm@x.example>, Lovelace, Ada <ada@x.example>", &["jm@x.example", "ada@x.example"], &[]),
            ("\"Doe; Joe, Dr. <joe>\" <joe@example.com>; bob@example.com", &["joe@example.com", "bob@example.com"], &[]),
            ("bob@example.com, Doe, Joe <joe@example.com>, nonsense", &["bob@example.com", "joe@example.com"], &["nonsense"]),
            ("\"left open\nbob@example.com;ada@example.com", &["bob@example.com", "ada@example.com"], &["\"left", "open"]),
            ("nonsense\nBob <bob@example.com>", &["bob@example.com"], &["nonsense"]),
            ("one@x.example two@x.example <three@x.example>", &["one@x.example", "two@x.example", "three@x.example"], &[]),
            ("One <one@x.example> Two <two@x.example> three@x.example", &["one@x.example", "two@x.example", "three@x.example"], &[]),
            ("'ada@x.example' <ada@x.example>; \"bob@x.example\" <Bob@x.example>", &["ada@x.example", "bob@x.example"], &[]),
            ("a@b@c Joe <joe@x.example>", &["joe@x.example"], &["a@b@c"]),
        ] {
            let invite = parse(text).expect("read");
            assert_eq!(invite.emails.iter().map(Email::as_str).collect::<Vec<_>>(), emails, "{text}");
            assert_eq!(invite.refused.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), refused, "{text}");
        }
    }

    #[test]
    fn without_an_address_or_with_too_many_it_is_refused() {
        for text in ["", " ,;\n", "nonsense", "two words"] {
            assert!(parse(text).is_err_and(|errors| errors.of("email").is_some()), "{text:?}");
        }
        let many: Vec<String> = (0..10_000).map(|n| format!("person{n}@example.com")).collect();
        assert!(parse(&many.join(" ")).is_err_and(|errors| errors.of("email").is_some_and(|why| why.contains("10000"))));
        assert_eq!(parse(&many[..SEVERAL].join(",")).map(|invite| invite.emails.len()), Ok(SEVERAL));
    }
}
