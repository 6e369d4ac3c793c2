//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::RoleForm;
use crate::form::{Drawn, Refusal};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    members::actions,
};

/// Draws the list of members and the pending invitations again, as a query asks for it.
#[server(prefix = "/do", endpoint = "list_members", input = Json)]
pub async fn list_members(query: String, drawn: Drawn) -> Result<String, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let region = actions::region(&portal, &caller, &query).await?;
    land("/organization/members", None);
    Ok(super::pages::region(region).to_html())
}

/// Changes a member's role.
#[server(prefix = "/do", endpoint = "change_role", input = Json)]
pub async fn change_role(form: RoleForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::change_role(&portal, &caller, form).await?;
    land("/organization/members", Some(Notice::RoleChanged));
    Ok(())
}

/// Removes a member.
#[server(prefix = "/do", endpoint = "remove_member", input = Json)]
pub async fn remove_member(form: RoleForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::remove(&portal, &caller, form).await?;
    land("/organization/members", Some(Notice::MemberRemoved));
    Ok(())
}

/// Leaves one's organization.
#[server(prefix = "/do", endpoint = "leave_organization", input = Json)]
pub async fn leave_organization(drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::leave(&portal, &caller).await?;
    land("/getting-started", Some(Notice::Left));
    Ok(())
}
