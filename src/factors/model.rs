use serde::{Deserialize, Serialize};

use crate::{
    form::FieldErrors,
    words::{FactorId, is_forbidden_in_names},
};

/// Where one's second factors are.
pub const PATH: &str = "/account/factors";
/// Where an authenticator app is set up.
pub const SET_UP: &str = "/account/factors/app";
/// Where a passkey is made.
pub const PASSKEY: &str = "/account/factors/passkey";
/// Where one is removed, which the query names.
pub const REMOVE: &str = "/account/factors/remove";
/// Where recovery codes are made anew.
pub const RECOVERY: &str = "/account/factors/recovery-codes";
/// The second step of a sign-in.
pub const SECOND_STEP: &str = "/sign-in/code";

/// The browser's file by which pages ask for passkeys.
pub const SCRIPT: &str = "passkeys.js";

/// The most characters of a name.
pub const MAX_NAME: usize = 100;
/// How many digits a code has.
pub const DIGITS: usize = 6;
/// How many characters a recovery code has, without its dashes: 120 bits, so that a hash without salt keeps it
/// (ASVS 5.0.0, 6.5.2).
pub const RECOVERY_LENGTH: usize = 24;
/// How many recovery codes there are at once.
pub const RECOVERY_CODES: usize = 10;

/// Set up an authenticator app, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AppForm {
    /// What its owner calls it.
    #[serde(default)]
    pub name: String,
    /// The secret that the page showed, sealed.
    #[serde(default)]
    pub sealed: String,
    /// The code that the app shows.
    #[serde(default)]
    pub code: String,
    /// The account's password, where it is asked for.
    #[serde(default)]
    pub password: String,
    /// Where one wanted to go, before this was asked for; own paths only.
    #[serde(default)]
    pub to: String,
}

/// The address of the page to set up an app, on the way to a place; of none where it is empty.
#[cfg(feature = "ssr")]
#[must_use]
pub fn set_up_address(to: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    if to.is_empty() { SET_UP.to_owned() } else { format!("{SET_UP}?to={encoded}") }
}

impl AppForm {
    /// Reads name and code.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn parse(&self) -> Result<(String, String), FieldErrors> {
        let mut errors = FieldErrors::default();
        let name = errors.take("name", check_name(&self.name));
        let code = match Given::parse(&self.code) {
            Ok(Given::Code(code)) => Ok(code),
            _ => Err("Enter the 6 digits that the app shows"),
        };
        let code = errors.take("code", code);
        name.zip(code).ok_or(errors)
    }
}

/// Add a passkey, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PasskeyForm {
    /// What its owner calls it.
    #[serde(default)]
    pub name: String,
    /// Under what the portal knows what it asked for.
    #[serde(default)]
    pub handle: String,
    /// What the browser answered, as JSON.
    #[serde(default)]
    pub answer: String,
    /// The account's password, where it is asked for.
    #[serde(default)]
    pub password: String,
    /// Where one wanted to go, before this was asked for; own paths only.
    #[serde(default)]
    pub to: String,
}

impl PasskeyForm {
    /// Reads the name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(&self) -> Result<String, FieldErrors> {
        check_name(&self.name).map_err(|why| FieldErrors::one("name", why))
    }
}

/// Sign in with a passkey, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UsePasskeyForm {
    /// Under what the portal knows what it asked for.
    #[serde(default)]
    pub handle: String,
    /// What the browser answered, as JSON.
    #[serde(default)]
    pub answer: String,
    /// Where one wanted to go; own paths only.
    #[serde(default)]
    pub to: String,
}

/// What a browser is asked for a passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyAsked {
    /// Under what the portal knows it.
    pub handle: String,
    /// The options, as JSON.
    pub options: String,
}

fn check_name(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        Err("Enter a name: what it is, on which device")
    } else if text.chars().any(is_forbidden_in_names) {
        Err("Leave out control characters and characters that change the direction of text")
    } else if text.chars().count() > MAX_NAME {
        Err("Use at most 100 characters")
    } else {
        Ok(text.to_owned())
    }
}

/// Remove a second factor, as it arrives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemoveForm {
    /// Which.
    pub factor: FactorId,
    /// The account's password, where it is asked for.
    #[serde(default)]
    pub password: String,
}

/// Make recovery codes anew, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RecoveryForm {
    /// The account's password, where it is asked for.
    #[serde(default)]
    pub password: String,
}

/// The second step of a sign-in, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StepForm {
    /// The code of an app, or a recovery code.
    #[serde(default)]
    pub code: String,
    /// Where one wanted to go; own paths only.
    #[serde(default)]
    pub to: String,
}

/// What was given in the second step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The code of an app: six digits.
    Code(String),
    /// A recovery code, as it is hashed.
    Recovery(String),
}

impl Given {
    /// Reads a code as people type it: with spaces and dashes, large or small, with digits for the letters that look like
    /// them.
    ///
    /// # Errors
    /// The sentence to show beside the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let typed: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).collect();
        if typed.len() == DIGITS && typed.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self::Code(typed));
        }
        let letters: String = typed
            .chars()
            .map(|c| match c {
                '0' => 'o',
                '1' => 'l',
                '8' => 'b',
                c => c,
            })
            .collect();
        if letters.len() == RECOVERY_LENGTH && letters.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)) {
            return Ok(Self::Recovery(letters));
        }
        Err(if text.trim().is_empty() { "Enter the code" } else { "A code has 6 digits, a recovery code 24 letters and digits" })
    }
}

/// What came of setting up an app or of making recovery codes: the codes, where there are new ones. They are shown once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// As they are to be kept, with their dashes.
    pub codes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        for typed in ["123456", " 123 456 ", "123-456"] {
            assert_eq!(Given::parse(typed), Ok(Given::Code("123456".to_owned())), "{typed}");
        }
        for typed in ["abcd-efgh-ijol-mn2b-qrst-uvwx", "ABCD EFGH IJ0L MN2B QRST UVWX", "abcdefghij01mn28qrstuvwx"] {
            assert_eq!(Given::parse(typed), Ok(Given::Recovery("abcdefghijolmn2bqrstuvwx".to_owned())), "{typed}");
        }
        for wrong in [
            "",
            "  ",
            "12345",
            "1234567",
            "１２３４５６",
            "abcd-efgh-ijkl-mnop-qrst-uvw",
            "abcd-efgh-ijkl-mnop-qrst-uvw9",
            "abcdefghijklmnopqrstuvwxy",
        ] {
            assert!(Given::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_app_has_a_name_and_a_code() {
        let form = |name: &str, code: &str| AppForm { name: name.to_owned(), code: code.to_owned(), ..AppForm::default() }.parse();
        assert_eq!(form(" Phone ", "123 456"), Ok(("Phone".to_owned(), "123456".to_owned())));
        assert_eq!(form("", "12").expect_err("wrong").0.len(), 2);
        for name in ["a\nb", "a\u{202E}b", &"x".repeat(101)] {
            assert!(form(name, "123456").is_err(), "{name}");
        }
        assert!(form("Phone", "abcd-efgh-ijkl-mnop-qrst-uvwx").is_err(), "a recovery code sets nothing up");
    }
}
