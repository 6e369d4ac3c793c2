//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::prelude::*;

use super::{MemberRow, MembersPage, RoleForm};
use crate::{
    form::{Drawn, Refusal},
    list::ListQuery,
    words::MemberId,
};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    members::actions,
};

/// Reads a page of the list again.
#[server(prefix = "/do", endpoint = "list_members")]
pub async fn list_members(query: ListQuery, drawn: Drawn) -> Result<MembersPage, Refusal> {
    let (portal, caller) = caller(drawn)?;
    land(format!("/organization/members{}", query.to_url()), None);
    actions::page_again(&portal, &caller, &query).await
}

/// Changes a member's role.
#[server(prefix = "/do", endpoint = "change_role")]
pub async fn change_role(form: RoleForm, drawn: Drawn) -> Result<MemberRow, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let row = actions::change_role(&portal, &caller, form).await?;
    land("/organization/members", Some(Notice::RoleChanged));
    Ok(row)
}

/// Removes a member.
#[server(prefix = "/do", endpoint = "remove_member")]
pub async fn remove_member(form: RoleForm, drawn: Drawn) -> Result<MemberId, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let member = actions::remove(&portal, &caller, form).await?;
    land("/organization/members", Some(Notice::MemberRemoved));
    Ok(member)
}

/// Leaves one's organization.
#[server(prefix = "/do", endpoint = "leave_organization")]
pub async fn leave_organization(drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::leave(&portal, &caller).await?;
    land("/getting-started", Some(Notice::Left));
    Ok(())
}
