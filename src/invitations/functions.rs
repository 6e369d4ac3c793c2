//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{InvitationRoleForm, InviteForm};
use crate::{
    form::{Drawn, Refusal},
    words::InvitationId,
};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land, land_with},
    },
    invitations::{actions, store::LIST},
    list::ListQuery,
};

/// Invites one or many; of many, each that is refused is named with its reason.
#[server(prefix = "/do", endpoint = "invite_member", input = Json)]
pub async fn invite_member(form: InviteForm, drawn: Drawn) -> Result<usize, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let sent = actions::invite(&portal, &caller, form).await?.all()?;
    land_with("/organization/members", Some((if sent == 1 { Notice::InvitationSent } else { Notice::InvitationsSent }, sent)));
    Ok(sent)
}

/// The list that a form of an invitation's row stands in, or that led to its page, as it was: to be led back there.
#[cfg(feature = "ssr")]
pub(super) fn list(drawn: &Drawn) -> String {
    let path = drawn.page.split('?').next().unwrap_or_default();
    if path == "/organization/invitations" || drawn.page.contains(super::pages::FROM_LIST) {
        format!("/organization/invitations{}", ListQuery::of_page(&drawn.page, &LIST.filters()).to_url())
    } else {
        format!("/organization/members{}", ListQuery::of_page(&drawn.page, &crate::members::store::LIST.filters()).to_url())
    }
}

/// Changes the role that a pending invitation offers.
#[server(prefix = "/do", endpoint = "change_invitation_role", input = Json)]
pub async fn change_invitation_role(form: InvitationRoleForm, drawn: Drawn) -> Result<(), Refusal> {
    let list = format!("/organization/invitations{}", ListQuery::of_page(&drawn.page, &LIST.filters()).to_url());
    let (portal, caller) = caller(drawn)?;
    actions::change_role(&portal, &caller, form).await?;
    land(list, Some(Notice::RoleChanged));
    Ok(())
}

/// Sends an invitation again; the earlier link dies.
#[server(prefix = "/do", endpoint = "resend_invitation", input = Json)]
pub async fn resend_invitation(invitation: InvitationId, drawn: Drawn) -> Result<(), Refusal> {
    let list = list(&drawn);
    let (portal, caller) = caller(drawn)?;
    actions::resend(&portal, &caller, invitation).await?;
    land(list, Some(Notice::InvitationResent));
    Ok(())
}

/// Revokes an invitation.
#[server(prefix = "/do", endpoint = "revoke_invitation", input = Json)]
pub async fn revoke_invitation(invitation: InvitationId, drawn: Drawn) -> Result<(), Refusal> {
    let list = list(&drawn);
    let (portal, caller) = caller(drawn)?;
    actions::revoke(&portal, &caller, invitation).await?;
    land(list, Some(Notice::InvitationRevoked));
    Ok(())
}

/// Accepts an invitation.
#[server(prefix = "/do", endpoint = "accept_invitation", input = Json)]
pub async fn accept_invitation(invitation: InvitationId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::accept(&portal, &caller, invitation).await?;
    land("/organization", Some(Notice::Joined));
    Ok(())
}

/// Declines an invitation.
#[server(prefix = "/do", endpoint = "decline_invitation", input = Json)]
pub async fn decline_invitation(invitation: InvitationId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::decline(&portal, &caller, invitation).await?;
    land("/getting-started", Some(Notice::InvitationDeclined));
    Ok(())
}
