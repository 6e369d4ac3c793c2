//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{Made, TokenForm};
use crate::{
    form::{Drawn, Refusal},
    words::TokenId,
};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land, show_once},
    },
    pmm::{actions, pages, tokens},
    visit::Page,
};

/// Makes a token, which is shown in the answer and never again.
#[server(prefix = "/do", endpoint = "make_token", input = Json)]
pub async fn make_token(form: TokenForm, drawn: Drawn) -> Result<Made, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let made = tokens::make(&portal, &caller, form).await?;
    if made.secret.is_some() {
        let shown = made.clone();
        show_once(Page::narrow("Copy the token", move || pages::made(shown)));
    } else {
        land(pages::TOKENS, Some(Notice::TokenMadeBefore));
    }
    Ok(made)
}

/// Revokes a token.
#[server(prefix = "/do", endpoint = "revoke_token", input = Json)]
pub async fn revoke_token(token: TokenId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    tokens::revoke(&portal, &caller, token).await?;
    land(pages::TOKENS, Some(Notice::TokenRevoked));
    Ok(())
}

/// Disconnects a PMM server, by what it calls itself.
#[server(prefix = "/do", endpoint = "disconnect_server", input = Json)]
pub async fn disconnect_server(server: String, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let organization = caller.organization()?;
    actions::disconnect(&portal, &caller, organization, &server).await?;
    land(pages::PATH, Some(Notice::ServerDisconnected));
    Ok(())
}
