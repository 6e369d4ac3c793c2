use serde::{Deserialize, Serialize};

use crate::words::is_forbidden_in_names;

/// Where an operator whose password was printed chooses one of their own.
pub const PASSWORD: &str = "/operator/password";

/// Why an operator does something to others: 1 to 500 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason(String);

impl Reason {
    /// The longest, in characters.
    pub const MAX: usize = 500;

    /// Reads a reason.
    ///
    /// # Errors
    /// The sentence to show beside the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            Err("Say why")
        } else if text.chars().any(is_forbidden_in_names) {
            Err("Leave out control characters and characters that change the direction of text")
        } else if text.chars().count() > Self::MAX {
            Err("Use at most 500 characters")
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lock an account, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LockForm {
    /// Whose, by its id.
    #[serde(default)]
    pub account: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// The last day of it in UTC; empty for without an end.
    #[serde(default)]
    pub until: String,
    /// The operator's password, where it is asked for.
    #[serde(default)]
    pub password: String,
}

/// Remove the second factors of an account, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FactorsForm {
    /// Whose, by its id.
    #[serde(default)]
    pub account: String,
    /// Why, and how it was made sure who asks.
    #[serde(default)]
    pub reason: String,
    /// The operator's password, where it is asked for.
    #[serde(default)]
    pub password: String,
}

/// Suspend an organization, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SuspendForm {
    /// Which, by its id.
    #[serde(default)]
    pub organization: String,
    /// Why; its members read it.
    #[serde(default)]
    pub reason: String,
    /// The operator's password, where it is asked for.
    #[serde(default)]
    pub password: String,
}

/// Unlock an account, open an organization again, send a mail on its way again, as they arrive.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ActForm {
    /// Which, by its id.
    #[serde(default)]
    pub id: String,
    /// The operator's password, where it is asked for.
    #[serde(default)]
    pub password: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_1_to_500_characters_and_no_tricks() {
        assert!(Reason::parse(&"é".repeat(500)).is_ok());
        assert_eq!(Reason::parse("  Spam  ").expect("a reason").as_str(), "Spam");
        for wrong in ["", "  ", "a\nb", "a\u{202E}b", &"x".repeat(501)] {
            assert!(Reason::parse(wrong).is_err(), "{wrong}");
        }
    }
}
