//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{ReplyForm, TicketForm};
use crate::form::{Drawn, Refusal};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    tickets::{actions, pages::address},
};

/// Raises a ticket.
#[server(prefix = "/do", endpoint = "raise_ticket", input = Json)]
pub async fn raise_ticket(form: TicketForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let number = actions::raise(&portal, &caller, form).await?;
    land(address(&number), Some(Notice::TicketRaised));
    Ok(())
}

/// Replies to a ticket; one that is solved is opened again by it.
#[server(prefix = "/do", endpoint = "reply_to_ticket", input = Json)]
pub async fn reply_to_ticket(ticket: String, form: ReplyForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::reply(&portal, &caller, ticket.clone(), form).await?;
    land(address(&ticket), Some(Notice::Replied));
    Ok(())
}

/// Says that a ticket is solved.
#[server(prefix = "/do", endpoint = "resolve_ticket", input = Json)]
pub async fn resolve_ticket(ticket: String, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::resolve(&portal, &caller, ticket.clone()).await?;
    land(address(&ticket), Some(Notice::TicketResolved));
    Ok(())
}
