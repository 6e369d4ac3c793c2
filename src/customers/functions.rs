//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use crate::form::{Drawn, Refusal};
#[cfg(feature = "ssr")]
use crate::{
    customers::actions,
    form::{
        Notice,
        door::{caller, land},
    },
};

/// Reminds the administrator of the customer that one belongs to.
#[server(prefix = "/do", endpoint = "remind_administrator", input = Json)]
pub async fn remind_administrator(drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::remind(&portal, &caller).await?;
    land("/getting-started", Some(Notice::AdministratorReminded));
    Ok(())
}

/// Joins the organization of the customer that one belongs to.
#[server(prefix = "/do", endpoint = "join_organization", input = Json)]
pub async fn join_organization(drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::join(&portal, &caller).await?;
    land("/organization", Some(Notice::Joined));
    Ok(())
}
