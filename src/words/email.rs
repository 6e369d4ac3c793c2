use serde::{Deserialize, Serialize};

use super::text_word;

/// An e-mail address: a dot-atom before the `@`, host labels after it (RFC 5321 §4.1.2, without quoted local parts).
///
/// Two addresses that differ only in case are the same address: compare and store by [`Email::key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

text_word!(Email);

impl Email {
    /// The longest address that a mail server must take, in characters (RFC 5321 §4.5.3.1.3).
    pub const MAX: usize = 254;

    /// The address so that only who knows it sees which it is: `g•••@example.com`.
    #[cfg(feature = "ssr")]
    #[must_use]
    pub fn masked(&self) -> String {
        match self.as_str().rsplit_once('@') {
            Some((local, domain)) => format!("{}•••@{domain}", local.chars().next().unwrap_or('•')),
            None => "•••".to_owned(),
        }
    }

    /// Reads an address.
    ///
    /// # Errors
    /// The sentence to show beside the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("Enter an e-mail address");
        }
        if text.len() > Self::MAX {
            return Err("Use an e-mail address of at most 254 characters");
        }
        let wrong = "Enter an e-mail address like name@example.com";
        let (local, domain) = text.rsplit_once('@').ok_or(wrong)?;
        let local_right = local.len() <= 64 && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom));
        let domain_right = domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
        if local_right && domain_right { Ok(Self(text.to_owned())) } else { Err(wrong) }
    }

    /// What is compared and unique: the address in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// `atext` of RFC 5322 §3.2.3.
fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn ordinary_addresses_are_accepted() {
        for text in ["ada@example.com", " Ada.Lovelace+portal@sub.example.co.uk ", "a@localhost", "o'neil@xn--bcher-kva.example"] {
            assert!(Email::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a b@example.com",
            "ada@@example.com",
            "ada@-x.com",
            "ada@x..com",
            ".ada@x.com",
            "ada\n@x.com",
            "ada\u{0}@x.com",
            "<ada@x.com>",
        ] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(250))).is_err());
    }

    #[test]
    fn case_does_not_make_another_address() {
        assert_eq!(Email::parse("Ada@Example.com").map(|e| e.key()), Ok("ada@example.com".to_owned()));
    }
}
