//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{LeaveForm, RoleForm, SeveralForm};
use crate::form::{Drawn, Refusal};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land, land_with},
    },
    list::ListQuery,
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

/// What a form for several members leads back to: the list as it was when they were chosen.
#[cfg(feature = "ssr")]
fn list(drawn: &Drawn) -> ListQuery {
    ListQuery::of_page(&drawn.page, &super::store::LIST.filters())
}

/// Changes the role of several members; who cannot be given it is named with the reason.
#[server(prefix = "/do", endpoint = "change_roles", input = Json)]
pub async fn change_roles(form: SeveralForm, drawn: Drawn) -> Result<usize, Refusal> {
    let list = list(&drawn);
    let (portal, caller) = caller(drawn)?;
    let done = actions::change_roles(&portal, &caller, form).await?.all()?;
    let notice = if done == 1 { Notice::RoleChanged } else { Notice::RolesChanged };
    land_with(format!("/organization/members{}", list.to_url()), Some((notice, done)));
    Ok(done)
}

/// Removes several members; who cannot be removed is named with the reason.
#[server(prefix = "/do", endpoint = "remove_members", input = Json)]
pub async fn remove_members(form: SeveralForm, drawn: Drawn) -> Result<usize, Refusal> {
    // From its beginning: of a last page nobody may be left.
    let list = list(&drawn).at(None, None);
    let (portal, caller) = caller(drawn)?;
    let done = actions::remove_several(&portal, &caller, form).await?.all()?;
    let notice = if done == 1 { Notice::MemberRemoved } else { Notice::MembersRemoved };
    land_with(format!("/organization/members{}", list.to_url()), Some((notice, done)));
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
