//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::InviteForm;
use crate::{
    form::{Drawn, Refusal},
    words::InvitationId,
};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    invitations::actions,
};

/// Invites somebody.
#[server(prefix = "/do", endpoint = "invite_member", input = Json)]
pub async fn invite_member(form: InviteForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::invite(&portal, &caller, form).await?;
    land("/organization/members", Some(Notice::InvitationSent));
    Ok(())
}

/// Sends an invitation again; the earlier link dies.
#[server(prefix = "/do", endpoint = "resend_invitation", input = Json)]
pub async fn resend_invitation(invitation: InvitationId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::resend(&portal, &caller, invitation).await?;
    land("/organization/members", Some(Notice::InvitationResent));
    Ok(())
}

/// Revokes an invitation.
#[server(prefix = "/do", endpoint = "revoke_invitation", input = Json)]
pub async fn revoke_invitation(invitation: InvitationId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::revoke(&portal, &caller, invitation).await?;
    land("/organization/members", Some(Notice::InvitationRevoked));
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
