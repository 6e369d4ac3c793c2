//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::AllowForm;
use crate::{
    form::{Drawn, Refusal},
    words::PmmServerId,
};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    oauth::actions,
};

/// Lets a PMM server know who one is, or not. Either way it is told.
#[server(prefix = "/do", endpoint = "allow_server", input = Json)]
pub async fn allow_server(form: AllowForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let place = actions::answer(&portal, &caller, form).await?;
    land(place, None);
    Ok(())
}

/// Takes that back.
#[server(prefix = "/do", endpoint = "forget_server", input = Json)]
pub async fn forget_server(server: PmmServerId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::forget(&portal, &caller, server).await?;
    land("/account", Some(Notice::ServerForgotten));
    Ok(())
}
