use serde::{Deserialize, Serialize};

use crate::{
    form::FieldErrors,
    words::{Email, FactorId, FirstName, LastName},
};

/// Sign-up, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SignUpForm {
    /// The address.
    pub email: String,
    /// The first name.
    pub first_name: String,
    /// The last name; may be empty.
    #[serde(default)]
    pub last_name: String,
    /// The password.
    pub password: String,
    /// The secret of an invitation's link, where the sign-up began there: it proves the address.
    #[serde(default)]
    pub invitation: String,
}

/// A sign-up that is right, but for its password, which the server judges.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// The address.
    pub email: Email,
    /// The first name.
    pub first_name: FirstName,
    /// The last name.
    pub last_name: LastName,
}

impl SignUpForm {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence for each field that is wrong.
    pub fn parse(&self) -> Result<SignUp, FieldErrors> {
        let mut errors = FieldErrors::default();
        let email = errors.take("email", Email::parse(&self.email));
        let first_name = errors.take("first_name", FirstName::parse(&self.first_name));
        let last_name = errors.take("last_name", LastName::parse(&self.last_name));
        match (email, first_name, last_name) {
            (Some(email), Some(first_name), Some(last_name)) => Ok(SignUp { email, first_name, last_name }),
            _ => Err(errors),
        }
    }
}

/// Activation of an account by a link of a mail, as a program asks for it.
#[derive(Clone, Debug, Default)]
pub struct ActivateForm {
    /// The link's secret.
    pub token: String,
    /// The password that is chosen.
    pub password: String,
    /// Another name than at the sign-up; none where both are empty.
    pub name: NameForm,
}

/// Verification of an address: the secret of the link, and the password: in another browser than the one that signed up,
/// or where none was chosen yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VerifyEmailForm {
    /// The link's secret.
    pub token: String,
    /// The password of the sign-up, which is not needed in the browser that signed up; or the one that is chosen now.
    #[serde(default)]
    pub password: String,
}

/// Forgotten password.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ForgotPasswordForm {
    /// The address.
    pub email: String,
}

/// A new password by the link of a mail.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ResetPasswordForm {
    /// The link's secret.
    pub token: String,
    /// The new password.
    pub password: String,
}

/// A new password for who knows the old one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChangePasswordForm {
    /// The old one.
    pub current_password: String,
    /// The new one.
    pub new_password: String,
}

/// A person's own name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NameForm {
    /// The first name.
    pub first_name: String,
    /// The last name; may be empty.
    #[serde(default)]
    pub last_name: String,
}

impl NameForm {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence for each field that is wrong.
    pub fn parse(&self) -> Result<(FirstName, LastName), FieldErrors> {
        let mut errors = FieldErrors::default();
        let first = errors.take("first_name", FirstName::parse(&self.first_name));
        let last = errors.take("last_name", LastName::parse(&self.last_name));
        first.zip(last).ok_or(errors)
    }
}

/// Another address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChangeEmailForm {
    /// The new address.
    pub email: String,
    /// The account's password.
    pub password: String,
}

/// Confirmation of a new address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ConfirmEmailForm {
    /// The link's secret.
    pub token: String,
}

/// Undo a change of one's credentials, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UndoForm {
    /// The link's secret.
    #[serde(default)]
    pub token: String,
}

/// What is undone by a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// The address comes back that the account had.
    Email(Email),
    /// The second factor goes that was added.
    Factor(FactorId),
}

/// Delete account, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeleteAccountForm {
    /// The account's address, typed to confirm.
    pub email: String,
    /// The account's password.
    pub password: String,
    /// The organization's name, typed by whom it ends with.
    #[serde(default)]
    pub organization_name: String,
}

/// How a sign-up went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignedUp {
    /// A mail is on its way, whatever was known about the address.
    MailSent,
    /// The link of an invitation proved the address: the account exists and is signed in.
    SignedIn,
}
