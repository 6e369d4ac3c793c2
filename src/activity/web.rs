//! The room's page handlers: load, draw.

use super::{actions, pages};
use crate::{
    db::Failure,
    form::Refusal,
    organizations::actions as organizations,
    visit::{Answer, Page, Visit},
};

/// `/organization/activity?q=…&kind=…&person=…&from=…&to=…&order=…&after=…`
///
/// # Errors
/// The database's.
pub async fn activity(visit: &Visit) -> Result<Answer, Failure> {
    let membership = visit.member()?;
    let (query, now) = (actions::asked(&visit.query), visit.portal.clock.now());
    let mut db = visit.portal.read().await?;
    let page = actions::page(&mut db, membership.organization, &query, now).await?;
    let organization = organizations::details(&mut db, membership.organization).await.map_err(|_| Refusal::NotFound)?;
    drop(db);
    let (role, days) = (membership.role, visit.portal.config.audit_days);
    let look = pages::Look { page, query, organization, role, now, days };
    Ok(Page::new("Activity", move || pages::activity(look)).with_islands().into())
}

/// `/organization/activity.csv?…`: everything that the query asks for.
///
/// # Errors
/// None beyond the table's.
pub async fn export(visit: &Visit) -> Result<Answer, Failure> {
    Ok(actions::export(&visit.portal, visit.member()?, &visit.query))
}
