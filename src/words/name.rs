use serde::{Deserialize, Serialize};

use super::{is_forbidden_in_names, text_word};

const FORBIDDEN: &str = "Leave out control characters and characters that change the direction of text";

fn parse(text: &str, max: usize) -> Result<String, bool> {
    let text = text.trim();
    if text.chars().any(is_forbidden_in_names) {
        return Err(true);
    }
    if text.chars().count() > max { Err(false) } else { Ok(text.to_owned()) }
}

/// A person's first name: 1 to 100 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct FirstName(String);
text_word!(FirstName);

impl FirstName {
    /// The longest, in characters.
    pub const MAX: usize = 100;

    /// Reads a first name.
    ///
    /// # Errors
    /// The sentence to show beside the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match parse(text, Self::MAX) {
            Ok(name) if name.is_empty() => Err("Enter your first name"),
            Ok(name) => Ok(Self(name)),
            Err(true) => Err(FORBIDDEN),
            Err(false) => Err("Use at most 100 characters"),
        }
    }
}

/// A person's last name: up to 100 characters, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct LastName(String);
text_word!(LastName);

impl LastName {
    /// The longest, in characters.
    pub const MAX: usize = 100;

    /// Reads a last name.
    ///
    /// # Errors
    /// The sentence to show beside the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match parse(text, Self::MAX) {
            Ok(name) => Ok(Self(name)),
            Err(true) => Err(FORBIDDEN),
            Err(false) => Err("Use at most 100 characters"),
        }
    }
}

/// The name of an organization: 1 to 255 characters. Names need not be unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct OrganizationName(String);
text_word!(OrganizationName);

impl OrganizationName {
    /// The longest, in characters.
    pub const MAX: usize = 255;

    /// Reads a name.
    ///
    /// # Errors
    /// The sentence to show beside the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match parse(text, Self::MAX) {
            Ok(name) if name.is_empty() => Err("Enter the name of your organization"),
            Ok(name) => Ok(Self(name)),
            Err(true) => Err(FORBIDDEN),
            Err(false) => Err("Use at most 255 characters"),
        }
    }
}

/// Whether somebody typed this name, to confirm what cannot be undone: spaces count as pages show them, and a letter with
/// its mark is one however a keyboard makes it. Upper and lower case are told apart.
#[cfg(feature = "ssr")]
#[must_use]
pub fn is_typed(name: &str, typed: &str) -> bool {
    use unicode_normalization::UnicodeNormalization;
    let shown = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect::<String>();
    shown(name) == shown(typed)
}

/// Folds text for sorting and searching, alike on both databases: compatibility-decomposed, without marks, lower case.
#[cfg(feature = "ssr")]
#[must_use]
pub fn fold(text: &str) -> String {
    use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}
/// The browser never folds: it asks the server.
#[cfg(not(feature = "ssr"))]
#[must_use]
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organization_names_have_1_to_255_characters() {
        assert!(OrganizationName::parse("  ").is_err());
        assert!(OrganizationName::parse("é".repeat(255).as_str()).is_ok());
        assert!(OrganizationName::parse("é".repeat(256).as_str()).is_err());
    }

    #[test]
    fn control_characters_and_overrides_are_refused() {
        for text in ["a\u{0}b", "a\nb", "a\u{202E}b", "a\u{2066}b", "a\u{7f}b"] {
            assert!(OrganizationName::parse(text).is_err(), "{text:?}");
            assert!(FirstName::parse(text).is_err(), "{text:?}");
            assert!(LastName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn markup_is_an_ordinary_name() {
        assert!(OrganizationName::parse("<script>alert(1)</script></textarea>").is_ok());
    }

    #[test]
    fn a_last_name_may_be_empty_and_a_first_name_not() {
        assert!(LastName::parse("").is_ok());
        assert!(FirstName::parse(" ").is_err());
    }

    #[cfg(feature = "ssr")]
    #[test]
    fn a_typed_name_is_compared_as_people_see_it() {
        for typed in ["Café  Nord", " Café Nord ", "Cafe\u{301} Nord", "Café\u{a0}Nord"] {
            assert!(is_typed("Café Nord", typed), "{typed:?}");
        }
        for typed in ["", "café nord", "Cafe Nord", "CaféNord", "Café Nord 2"] {
            assert!(!is_typed("Café Nord", typed), "{typed:?}");
        }
    }

    #[cfg(feature = "ssr")]
    #[test]
    fn folding_drops_marks_and_case() {
        assert_eq!(fold("Élodie ÅNGSTRÖM ﬁ"), "elodie angstrom fi");
    }
}
