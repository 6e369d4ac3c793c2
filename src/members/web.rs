//! The room's page handlers: load, draw.

use super::{actions, pages, store::LIST};
use crate::{
    db::Failure,
    form::Refusal,
    list::ListQuery,
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

/// `/organization/members/several?member=…&member=…&do=role`: the chosen members, to be given a role or removed.
///
/// # Errors
/// The database's.
pub async fn several(visit: &Visit) -> Result<Answer, Failure> {
    let membership = visit.member()?;
    let chosen = url::form_urlencoded::parse(visit.query.as_bytes()).filter(|(key, _)| key == "member").map(|(_, id)| id.into_owned());
    let members = actions::several(&mut visit.portal.read().await?, membership.organization, visit.actor()?, chosen).await?;
    let organization = membership.organization_name.clone();
    let query = ListQuery::of_page(&visit.here(), &LIST.filters());
    if visit.parameter("do").as_deref() == Some("remove") {
        let (checked, drawn) = (Checked(visit.state_of("remove_members")), visit.drawn());
        return Ok(Page::narrow("Remove members", move || pages::remove_several(members, organization, &query, checked, drawn)).into());
    }
    let (checked, drawn) = (Checked(visit.state_of("change_roles")), visit.drawn());
    Ok(Page::narrow("Change roles", move || pages::change_roles(members, &query, checked, drawn)).into())
}

/// `/organization/members.csv?q=…`: the list that the query asks for, whole.
///
/// # Errors
/// None beyond the table's.
pub async fn export(visit: &Visit) -> Result<Answer, Failure> {
    Ok(actions::export(&visit.portal, visit.member()?, &visit.query))
}

/// `/organization/leave`
///
/// # Errors
/// 404 for who is in none.
pub async fn leave(visit: &Visit) -> Result<Answer, Failure> {
    let found = actions::leaving(&mut visit.portal.read().await?, visit.actor()?.account).await?;
    let (organization, leaving) = found.ok_or(Refusal::NotFound)?;
    let (checked, drawn) = (Checked(visit.state_of("leave_organization")), visit.drawn());
    Ok(Page::narrow("Leave organization", move || pages::leave(organization, leaving, checked, drawn)).into())
}

/// `/roles`
///
/// # Errors
/// None.
pub async fn roles(visit: &Visit) -> Result<Answer, Failure> {
    let own = visit.membership.as_ref().map(|m| m.role);
    Ok(Page::narrow("Roles and permissions", move || pages::roles(own)).into())
}
