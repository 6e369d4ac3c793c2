//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use crate::{
    form::{Drawn, Refusal},
    words::IdentityId,
};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    identities::actions,
};

/// Unlinks one of one's identities.
#[server(prefix = "/do", endpoint = "unlink_identity", input = Json)]
pub async fn unlink_identity(identity: IdentityId, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::unlink(&portal, &caller, identity).await?;
    land("/account", Some(Notice::IdentityUnlinked));
    Ok(())
}
