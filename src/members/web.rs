//! The room's page handlers: load, draw.

use super::{actions, pages, store};
use crate::{
    db::Failure,
    organizations::store as organizations,
    permissions::Role,
    ui::Checked,
    visit::{Answer, Page, Visit},
};

/// `/organization/members?q=…&sort=…&order=…&after=…`
///
/// # Errors
/// The database's.
pub async fn members(visit: &Visit) -> Result<Answer, Failure> {
    let (actor, membership) = (visit.actor()?, visit.member()?.clone());
    let mut db = visit.portal.read().await?;
    let region = actions::load(&visit.portal, &mut db, &membership, actor, &visit.query).await?;
    drop(db);
    // A form of this page that was refused without the island: its sentence stands on top.
    let (refusal, drawn) = (visit.state.as_ref().map(|state| state.refusal.clone()), visit.drawn());
    Ok(Page::new("Members", move || pages::members(region, refusal, drawn)).with_islands().into())
}

/// The id in `/organization/members/{member}/…`.
fn member(visit: &Visit) -> &str {
    visit.path.split('/').nth(3).unwrap_or_default()
}

/// `/organization/members/{member}/edit`
///
/// # Errors
/// 404 for no such member there.
pub async fn edit(visit: &Visit) -> Result<Answer, Failure> {
    let member = actions::get(&mut visit.portal.read().await?, visit.member()?.organization, visit.actor()?, member(visit)).await?;
    let (checked, drawn) = (Checked(visit.state_of("change_role")), visit.drawn());
    Ok(Page::narrow("Edit Member", move || pages::edit(member, checked, drawn)).into())
}

/// `/organization/members/{member}/remove`
///
/// # Errors
/// 404 for no such member there.
pub async fn remove(visit: &Visit) -> Result<Answer, Failure> {
    let membership = visit.member()?;
    let member = actions::get(&mut visit.portal.read().await?, membership.organization, visit.actor()?, member(visit)).await?;
    let (organization, checked, drawn) = (membership.organization_name.clone(), Checked(visit.state_of("remove_member")), visit.drawn());
    Ok(Page::narrow("Remove member", move || pages::remove(member, organization, checked, drawn)).into())
}

/// `/organization/leave`
///
/// # Errors
/// 404 for who is in none.
pub async fn leave(visit: &Visit) -> Result<Answer, Failure> {
    let (actor, membership) = (visit.actor()?, visit.member()?.clone());
    let mut db = visit.portal.read().await?;
    let only_admin =
        membership.role == Role::Admin && store::another_admin(&mut db, membership.organization, actor.account).await?.is_none();
    let alone = only_admin && organizations::get(&mut db, membership.organization).await?.is_some_and(|row| row.members_count == 1);
    drop(db);
    let (checked, drawn) = (Checked(visit.state_of("leave_organization")), visit.drawn());
    Ok(Page::narrow("Leave organization", move || pages::leave(membership.organization_name, only_admin, alone, checked, drawn)).into())
}

/// `/roles`
///
/// # Errors
/// None.
pub async fn roles(visit: &Visit) -> Result<Answer, Failure> {
    let own = visit.membership.as_ref().map(|m| m.role);
    Ok(Page::narrow("Roles and permissions", move || pages::roles(own)).into())
}
