//! The room's page handlers: load, draw.

use super::{actions, pages, tokens};
use crate::{
    db::Failure,
    organizations::actions as organizations,
    ui::Checked,
    visit::{Answer, Page, Visit},
};

/// `/organization/servers?q=…&sort=…&order=…&after=…`
///
/// # Errors
/// The database's.
pub async fn servers(visit: &Visit) -> Result<Answer, Failure> {
    let (membership, account, now) = (visit.member()?, visit.actor()?.account, visit.portal.clock.now());
    let query = actions::asked(&visit.query);
    let mut db = visit.portal.read().await?;
    let organization = organizations::details(&mut db, membership.organization).await?;
    let page = actions::page(&mut db, membership, account, &query, now).await?;
    let tokens = tokens::list(&mut db, membership, account, now).await?;
    drop(db);
    let refusal = visit.state.as_ref().map(|state| state.refusal.clone());
    let (role, own, drawn) = (membership.role, pages::Own::of(&visit.portal.config), visit.drawn());
    let look = pages::Look { page, query, organization, role, tokens, own, refusal, drawn };
    Ok(Page::new("PMM servers", move || pages::servers(look)).with_islands().into())
}

/// `/organization/servers/{server}/disconnect`
///
/// # Errors
/// 404 for no such server there, or none that one may disconnect.
pub async fn disconnect(visit: &Visit) -> Result<Answer, Failure> {
    let (membership, account) = (visit.member()?, visit.actor()?.account);
    let server = actions::disconnectable(&mut visit.portal.read().await?, membership, account, part(visit, 3)).await?;
    let (checked, drawn) = (Checked(visit.state_of("disconnect_server")), visit.drawn());
    Ok(Page::narrow("Disconnect PMM server", move || pages::disconnect(server, checked, drawn)).into())
}

/// `/organization/servers/tokens/new`
///
/// # Errors
/// None of its own.
pub async fn new_token(visit: &Visit) -> Result<Answer, Failure> {
    let (checked, drawn) = (Checked(visit.state_of("make_token")), visit.drawn());
    Ok(Page::narrow("New token", move || pages::new_token(checked, drawn)).into())
}

/// `/organization/servers/tokens/{token}/revoke`
///
/// # Errors
/// 404 for no such token there, or none that one may revoke.
pub async fn revoke(visit: &Visit) -> Result<Answer, Failure> {
    let (membership, account, now) = (visit.member()?, visit.actor()?.account, visit.portal.clock.now());
    let token = tokens::revocable(&mut visit.portal.read().await?, membership, account, part(visit, 4), now).await?;
    let (checked, drawn) = (Checked(visit.state_of("revoke_token")), visit.drawn());
    Ok(Page::narrow("Revoke token", move || pages::revoke(token, checked, drawn)).into())
}

/// `/profile`: where PMM leads people who need a token.
///
/// # Errors
/// None.
pub async fn profile(visit: &Visit) -> Result<Answer, Failure> {
    let place = if visit.membership.is_some() || visit.suspended.is_some() { pages::NEW_TOKEN } else { "/getting-started" };
    Ok(Answer::SeeOther(place.to_owned()))
}

/// `/login`: where PMM leads people who have no account yet.
///
/// # Errors
/// None.
pub async fn login(_: &Visit) -> Result<Answer, Failure> {
    Ok(Answer::SeeOther("/sign-in".to_owned()))
}

fn part(visit: &Visit, n: usize) -> &str {
    visit.path.split('/').nth(n).unwrap_or_default()
}
