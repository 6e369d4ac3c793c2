//! The room's page handlers: load, draw.

use super::{actions, pages};
use crate::{
    customers::actions as customers,
    db::Failure,
    pmm::actions as pmm,
    ui::Checked,
    visit::{Answer, Page, Visit},
};

/// `/organization/add`
///
/// # Errors
/// The database's.
pub async fn add(visit: &Visit) -> Result<Answer, Failure> {
    let checked = Checked(visit.state_of("add_organization"));
    if let Some(membership) = visit.membership.as_ref().or(visit.suspended.as_ref().map(|(membership, _)| membership)) {
        let name = membership.organization_name.clone();
        return Ok(Page::narrow("Add Organization", move || pages::added_already(name, checked)).into());
    }
    if customers::belonging(&mut visit.portal.read().await?, visit.actor()?, visit.portal.clock.now()).await?.is_some() {
        return Ok(Page::narrow("Add Organization", move || pages::of_customer(checked)).into());
    }
    let drawn = visit.drawn();
    Ok(Page::narrow("Add Organization", move || pages::add(checked, drawn)).into())
}

/// `/organization`
///
/// # Errors
/// 404 for who is in none.
pub async fn details(visit: &Visit) -> Result<Answer, Failure> {
    let membership = visit.member()?.clone();
    let mut db = visit.portal.read().await?;
    let organization = actions::details(&mut db, membership.organization).await?;
    let of_customer = customers::names(&mut db, membership.organization).await?;
    drop(db);
    Ok(Page::new("Details", move || pages::details(organization, membership.role, of_customer)).with_islands().into())
}

/// `/organization/rename`
///
/// # Errors
/// 404 for who may not.
pub async fn rename(visit: &Visit) -> Result<Answer, Failure> {
    let name = visit.member()?.organization_name.clone();
    let (checked, drawn) = (Checked(visit.state_of("rename_organization")), visit.drawn());
    if customers::names(&mut visit.portal.read().await?, visit.member()?.organization).await? {
        return Ok(Page::narrow("Rename organization", move || pages::named_by_customer(name, checked)).into());
    }
    Ok(Page::narrow("Rename organization", move || pages::rename(name, checked, drawn)).into())
}

/// `/organization/delete`
///
/// # Errors
/// 404 for who may not.
pub async fn delete(visit: &Visit) -> Result<Answer, Failure> {
    let mut db = visit.portal.read().await?;
    let organization = actions::details(&mut db, visit.member()?.organization).await?;
    let servers = pmm::count(&mut db, organization.id).await?;
    drop(db);
    let (checked, drawn) = (Checked(visit.state_of("delete_organization")), visit.drawn());
    Ok(Page::narrow("Delete organization", move || pages::delete(organization, servers, checked, drawn)).into())
}
