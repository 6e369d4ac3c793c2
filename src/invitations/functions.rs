//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::prelude::*;

use super::{InvitationRow, InviteForm};
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
#[server(prefix = "/do", endpoint = "invite_member")]
pub async fn invite_member(form: InviteForm, drawn: Drawn) -> Result<InvitationRow, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let invitation = actions::invite(&portal, &caller, form).await?;
    land("/organization/members", Some(Notice::InvitationSent));
    Ok(invitation)
}

/// Sends an invitation again; the earlier link dies.
#[server(prefix = "/do", endpoint = "resend_invitation")]
pub async fn resend_invitation(invitation: InvitationId, drawn: Drawn) -> Result<InvitationRow, Refusal> {
    let (portal, caller) = caller(drawn)?;
    let invitation = actions::resend(&portal, &caller, invitation).await?;
    land("/organization/members", Some(Notice::InvitationResent));
    Ok(invitation)
}

/// Revokes an invitation.
#[server(prefix = "/do", endpoint = "revoke_invitation")]
pub async fn revoke_invitation(invitation: InvitationId, drawn: Drawn) -> Result<InvitationId, Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::revoke(&portal, &caller, invitation).await?;
    land("/organization/members", Some(Notice::InvitationRevoked));
    Ok(invitation)
}

/// Accepts an invitation.
#[server(prefix = "/do", endpoint = "accept_invitation")]
pub async fn accept_invitation(invitation: InvitationId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::accept(&portal, &caller, invitation).await?;
    land("/organization", Some(Notice::Joined));
    Ok(())
}

/// Declines an invitation.
#[server(prefix = "/do", endpoint = "decline_invitation")]
pub async fn decline_invitation(invitation: InvitationId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::decline(&portal, &caller, invitation).await?;
    land("/getting-started", Some(Notice::InvitationDeclined));
    Ok(())
}
