//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::SignInForm;
use crate::{
    form::{Drawn, Refusal},
    words::SessionId,
};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, cookie, land, set_cookie},
        is_own_path,
    },
    sessions::actions,
    visit::Theme,
};

/// Signs in.
#[server(prefix = "/do", endpoint = "sign_in", input = Json)]
pub async fn sign_in(form: SignInForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let to = if is_own_path(&form.to) { form.to.clone() } else { "/getting-started".to_owned() };
    land(actions::sign_in(&portal, &caller, form).await?.place(&to), None);
    Ok(())
}

/// Signs out.
#[server(prefix = "/do", endpoint = "sign_out", input = Json)]
pub async fn sign_out(#[server(default)] drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::sign_out(&portal, &caller).await?;
    land("/sign-in", Some(Notice::SignedOut));
    Ok(())
}

/// Ends one of one's sessions.
#[server(prefix = "/do", endpoint = "end_session", input = Json)]
pub async fn end_session(session: SessionId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::end(&portal, &caller, session).await?;
    land("/account", Some(Notice::SessionEnded));
    Ok(())
}

/// Ends all of one's other sessions.
#[server(prefix = "/do", endpoint = "end_other_sessions", input = Json)]
pub async fn end_other_sessions(drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::end_all_others(&portal, &caller).await?;
    land("/account", Some(Notice::OtherSessionsEnded));
    Ok(())
}

/// Chooses the theme, for this browser.
#[server(prefix = "/do", endpoint = "choose_theme", input = Json)]
pub async fn choose_theme(theme: String, #[server(default)] drawn: Drawn) -> Result<(), Refusal> {
    let page = drawn.page.clone();
    let (portal, _) = caller(drawn)?;
    set_cookie(&cookie(&portal, "theme", Theme::parse(&theme).name(), 365 * 86_400));
    land(if is_own_path(&page) { page } else { "/".to_owned() }, None);
    Ok(())
}
