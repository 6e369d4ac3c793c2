//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::prelude::*;

use super::OrganizationForm;
use crate::{
    form::{Drawn, Refusal},
    words::OrganizationId,
};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    organizations::actions,
};

/// Adds an organization.
#[server(prefix = "/do", endpoint = "add_organization")]
pub async fn add_organization(form: OrganizationForm, drawn: Drawn) -> Result<OrganizationId, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let organization = actions::add(&portal, &caller, form).await?;
    land("/organization", Some(Notice::OrganizationCreated));
    Ok(organization)
}
