//! The room's page handlers: load, draw.

use super::{actions, pages, store};
use crate::{
    db::Failure,
    list::ListQuery,
    organizations::actions as organizations,
    visit::{Answer, Page, Visit},
};

/// `/organization/entitlements?q=…&state=…&sort=…&after=…`
///
/// # Errors
/// The database's.
pub async fn entitlements(visit: &Visit) -> Result<Answer, Failure> {
    let membership = visit.member()?;
    let pairs = url::form_urlencoded::parse(visit.query.as_bytes()).into_owned();
    let query = ListQuery::parse(pairs, &store::ENTITLEMENTS.filters());
    let mut db = visit.portal.read().await?;
    let organization = organizations::details(&mut db, membership.organization).await?;
    let page = actions::entitlements(&mut db, membership, &query, visit.portal.clock.now()).await?;
    let (role, support) = (membership.role, support(visit));
    Ok(Page::new("Entitlements", move || pages::entitlements(page, query, organization, role, support)).with_islands().into())
}

/// `/organization/contacts`
///
/// # Errors
/// The database's.
pub async fn contacts(visit: &Visit) -> Result<Answer, Failure> {
    let membership = visit.member()?;
    let mut db = visit.portal.read().await?;
    let organization = organizations::details(&mut db, membership.organization).await?;
    let contacts = actions::contacts(&mut db, membership).await?;
    let (role, support) = (membership.role, support(visit));
    Ok(Page::new("Contacts", move || pages::contacts(contacts, organization, role, support)).with_islands().into())
}

fn support(visit: &Visit) -> Option<String> {
    visit.portal.config.support_email.as_ref().map(ToString::to_string)
}
