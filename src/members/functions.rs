//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{LeaveForm, RoleForm, SeveralForm};
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

/// Changes the role of several members; who cannot be given it is named with the reason.
#[server(prefix = "/do", endpoint = "change_roles", input = Json)]
pub async fn change_roles(form: SeveralForm, drawn: Drawn) -> Result<usize, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let done = actions::change_roles(&portal, &caller, form).await?.all()?;
    land("/organization/members", Some(Notice::RolesChanged));
    Ok(done)
}

/// Removes several members; who cannot be removed is named with the reason.
#[server(prefix = "/do", endpoint = "remove_members", input = Json)]
pub async fn remove_members(form: SeveralForm, drawn: Drawn) -> Result<usize, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let done = actions::remove_several(&portal, &caller, form).await?.all()?;
    land("/organization/members", Some(Notice::MembersRemoved));
    Ok(done)
}

/// Leaves one's organization.
#[server(prefix = "/do", endpoint = "leave_organization", input = Json)]
pub async fn leave_organization(#[server(default)] form: LeaveForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let deleted = actions::leave(&portal, &caller, form).await?;
    land("/getting-started", Some(if deleted { Notice::OrganizationDeleted } else { Notice::Left }));
    Ok(())
}
