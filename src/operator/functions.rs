//! The room's server functions: who, action, result.
#![allow(missing_docs, reason = "the fields of the argument structs that the macro makes cannot have any")]

use leptos::{prelude::*, server_fn::codec::Json};

use super::{ActForm, FactorsForm, LockForm, SuspendForm};
use crate::form::{Drawn, Refusal};
#[cfg(feature = "ssr")]
use crate::{
    form::{
        Notice,
        door::{caller, land},
    },
    operator::actions,
};

/// Locks an account.
#[server(prefix = "/do", endpoint = "lock_account", input = Json)]
pub async fn lock_account(form: LockForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let account = actions::lock(&portal, &caller, form).await?;
    land(format!("/operator/accounts/{account}"), Some(Notice::AccountLocked));
    Ok(())
}

/// Unlocks an account.
#[server(prefix = "/do", endpoint = "unlock_account", input = Json)]
pub async fn unlock_account(form: ActForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let account = actions::unlock(&portal, &caller, form).await?;
    land(format!("/operator/accounts/{account}"), Some(Notice::AccountUnlocked));
    Ok(())
}

/// Removes the second factors of an account.
#[server(prefix = "/do", endpoint = "remove_factors", input = Json)]
pub async fn remove_factors(form: FactorsForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let account = actions::remove_factors(&portal, &caller, form).await?;
    land(format!("/operator/accounts/{account}"), Some(Notice::FactorsRemoved));
    Ok(())
}

/// Suspends an organization.
#[server(prefix = "/do", endpoint = "suspend_organization", input = Json)]
pub async fn suspend_organization(form: SuspendForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let organization = actions::suspend(&portal, &caller, form).await?;
    land(format!("/operator/organizations/{organization}"), Some(Notice::OrganizationSuspended));
    Ok(())
}

/// Opens a suspended organization again.
#[server(prefix = "/do", endpoint = "resume_organization", input = Json)]
pub async fn resume_organization(form: ActForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    let organization = actions::resume(&portal, &caller, form).await?;
    land(format!("/operator/organizations/{organization}"), Some(Notice::OrganizationResumed));
    Ok(())
}

/// Sends a mail on its way again that could not be delivered.
#[server(prefix = "/do", endpoint = "retry_mail", input = Json)]
pub async fn retry_mail(form: ActForm, drawn: Drawn) -> Result<(), Refusal> {
    let (portal, caller) = caller(drawn)?;
    actions::retry(&portal, &caller, form).await?;
    land("/operator/outbox", Some(Notice::MailRetried));
    Ok(())
}
