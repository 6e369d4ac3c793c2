//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{
    ChangeEmailForm, ChangePasswordForm, ConfirmEmailForm, DeleteAccountForm, ForgotPasswordForm, NameForm, ResetPasswordForm, SignUpForm,
    SignedUp, UndoForm, VerifyEmailForm,
};
use crate::form::{Drawn, Refusal};
#[cfg(feature = "ssr")]
use crate::{
    accounts::actions,
    form::{
        Notice,
        door::{caller, land},
    },
    sessions::actions as sessions,
};

/// Signs up.
#[server(prefix = "/do", endpoint = "sign_up", input = Json)]
pub async fn sign_up(form: SignUpForm, drawn: Drawn) -> Result<SignedUp, Refusal> {
    let (portal, caller) = caller(drawn)?;
    match actions::sign_up(&portal, &caller, form.clone()).await? {
        None => {
            land("/check-your-mail", None);
            Ok(SignedUp::MailSent)
        }
        Some(account) => {
            let next = sessions::finish(&portal, &caller, account, crate::actor::Method::MailLink).await?;
            land(next.place(&format!("/invitation?token={}", form.invitation)), None);
            Ok(SignedUp::SignedIn)
        }
    }
}

/// Verifies an address, by the link of a mail.
#[server(prefix = "/do", endpoint = "verify_email", input = Json)]
pub async fn verify_email(form: VerifyEmailForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let (account, same_browser) = actions::verify_email(&portal, &caller, form).await?;
    if same_browser {
        let next = sessions::finish(&portal, &caller, account, crate::actor::Method::MailLink).await?;
        land(next.place("/getting-started"), None);
    } else {
        land("/sign-in", Some(Notice::Verified));
    }
    Ok(())
}

/// Asks for a link to choose a new password.
#[server(prefix = "/do", endpoint = "forgot_password", input = Json)]
pub async fn forgot_password(form: ForgotPasswordForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::forgot_password(&portal, &caller, form).await?;
    land("/check-your-mail", None);
    Ok(())
}

/// Chooses a new password by such a link.
#[server(prefix = "/do", endpoint = "reset_password", input = Json)]
pub async fn reset_password(form: ResetPasswordForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::reset_password(&portal, &caller, form).await?;
    land("/sign-in", Some(Notice::PasswordReset));
    Ok(())
}

/// Changes one's password.
#[server(prefix = "/do", endpoint = "change_password", input = Json)]
pub async fn change_password(form: ChangePasswordForm, drawn: Drawn) -> Result<(), Refusal> {
    // Who had to choose one before the console opens goes on to the console.
    let place = if drawn.page == "/operator/password" { "/operator" } else { "/account" };
    let (portal, caller) = caller(drawn)?;
    actions::change_password(&portal, &caller, form).await?;
    land(place, Some(Notice::PasswordChanged));
    Ok(())
}

/// Changes one's name.
#[server(prefix = "/do", endpoint = "change_name", input = Json)]
pub async fn change_name(form: NameForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::change_name(&portal, &caller, form).await?;
    land("/account", Some(Notice::NameChanged));
    Ok(())
}

/// Asks for another address.
#[server(prefix = "/do", endpoint = "change_email", input = Json)]
pub async fn change_email(form: ChangeEmailForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::request_email_change(&portal, &caller, form).await?;
    land("/account", Some(Notice::EmailChangeAsked));
    Ok(())
}

/// Confirms it, by the link of a mail.
#[server(prefix = "/do", endpoint = "confirm_email", input = Json)]
pub async fn confirm_email(form: ConfirmEmailForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::confirm_email_change(&portal, &caller, form).await?;
    land("/account", Some(Notice::EmailChanged));
    Ok(())
}

/// Undoes a change of one's credentials, by the link of the mail that told of it, and leads on to a new password.
#[server(prefix = "/do", endpoint = "undo_change", input = Json)]
pub async fn undo_change(form: UndoForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let token = actions::undo_change(&portal, &caller, form).await?;
    land(format!("/reset-password?token={token}"), Some(Notice::Undone));
    Ok(())
}

/// Deletes one's account.
#[server(prefix = "/do", endpoint = "delete_account", input = Json)]
pub async fn delete_account(form: DeleteAccountForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::delete(&portal, &caller, form).await?;
    land("/sign-in", Some(Notice::AccountDeleted));
    Ok(())
}
