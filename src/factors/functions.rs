//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{AppForm, Made, PasskeyAsked, PasskeyForm, RecoveryForm, RemoveForm, StepForm, UsePasskeyForm};
use crate::form::{Drawn, Refusal};
#[cfg(feature = "ssr")]
use crate::{
    factors::{PATH, actions, pages},
    form::{
        Notice,
        door::{caller, land, show_once},
        is_own_path,
    },
    visit::Page,
};

/// Sets up an authenticator app. Recovery codes that come with it are shown in the answer and never again.
#[server(prefix = "/do", endpoint = "add_app", input = Json)]
pub async fn add_app(form: AppForm, drawn: Drawn) -> Result<Made, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let to = if is_own_path(&form.to) { form.to.clone() } else { PATH.to_owned() };
    let made = actions::add_app(&portal, &caller, form).await?;
    show(&made, to, Notice::FactorAdded);
    Ok(made)
}

/// Asks the browser for a new passkey.
#[server(prefix = "/do", endpoint = "begin_passkey", input = Json)]
pub async fn begin_passkey(drawn: Drawn) -> Result<PasskeyAsked, Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::begin_passkey(&portal, &caller).await
}

/// Adds a passkey that the browser has made. Recovery codes that come with it are shown in the answer and never again.
#[server(prefix = "/do", endpoint = "add_passkey", input = Json)]
pub async fn add_passkey(form: PasskeyForm, drawn: Drawn) -> Result<Made, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let to = if is_own_path(&form.to) { form.to.clone() } else { PATH.to_owned() };
    let made = actions::add_passkey(&portal, &caller, form).await?;
    show(&made, to, Notice::FactorAdded);
    Ok(made)
}

/// Asks the browser for a passkey, in the second step of a sign-in or in place of both.
#[server(prefix = "/do", endpoint = "ask_passkey", input = Json)]
pub async fn ask_passkey(second_step: bool, drawn: Drawn) -> Result<PasskeyAsked, Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::ask_passkey(&portal, &caller, second_step).await
}

/// Signs in with a passkey.
#[server(prefix = "/do", endpoint = "use_passkey", input = Json)]
pub async fn use_passkey(form: UsePasskeyForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::use_passkey(&portal, &caller, &form).await?;
    land(if is_own_path(&form.to) { form.to } else { "/getting-started".to_owned() }, None);
    Ok(())
}

/// Removes one.
#[server(prefix = "/do", endpoint = "remove_factor", input = Json)]
pub async fn remove_factor(form: RemoveForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::remove(&portal, &caller, form).await?;
    land(PATH, Some(Notice::FactorRemoved));
    Ok(())
}

/// Makes recovery codes anew, which are shown in the answer and never again.
#[server(prefix = "/do", endpoint = "renew_recovery_codes", input = Json)]
pub async fn renew_recovery_codes(#[server(default)] form: RecoveryForm, drawn: Drawn) -> Result<Made, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let made = actions::renew_recovery_codes(&portal, &caller, form).await?;
    show(&made, PATH.to_owned(), Notice::RecoveryCodesMade);
    Ok(made)
}

/// Shows recovery codes that are new, on the way to a place; where they were shown before, leads there at once.
#[cfg(feature = "ssr")]
fn show(made: &Made, to: String, otherwise: Notice) {
    if made.codes.is_empty() {
        land(to, Some(otherwise));
    } else {
        let codes = made.codes.clone();
        show_once(Page::narrow("Keep the recovery codes", move || pages::codes(codes, to)));
    }
}

/// The second step of a sign-in.
#[server(prefix = "/do", endpoint = "finish_sign_in", input = Json)]
pub async fn finish_sign_in(form: StepForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::finish_second_step(&portal, &caller, &form).await?;
    land(if is_own_path(&form.to) { form.to } else { "/getting-started".to_owned() }, None);
    Ok(())
}
