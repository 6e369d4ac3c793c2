//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{DeleteForm, OrganizationForm};
use crate::form::{Drawn, Refusal};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    organizations::{Confirmed, actions},
};

/// Adds an organization.
#[server(prefix = "/do", endpoint = "add_organization", input = Json)]
pub async fn add_organization(form: OrganizationForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::add(&portal, &caller, form).await?;
    land("/organization", Some(Notice::OrganizationCreated));
    Ok(())
}

/// Gives an organization another name.
#[server(prefix = "/do", endpoint = "rename_organization", input = Json)]
pub async fn rename_organization(form: OrganizationForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::rename(&portal, &caller, form).await?;
    land("/organization", Some(Notice::OrganizationRenamed));
    Ok(())
}

/// Deletes an organization.
#[server(prefix = "/do", endpoint = "delete_organization", input = Json)]
pub async fn delete_organization(form: DeleteForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::delete(&portal, &caller, Confirmed::Typed(form.name)).await?;
    land("/getting-started", Some(Notice::OrganizationDeleted));
    Ok(())
}
