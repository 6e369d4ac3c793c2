//! The room's page handlers: load, draw.

use axum::http::StatusCode;

use super::{actions, functions, pages, store::LIST};
use crate::{
    db::Failure,
    form::Drawn,
    list::ListQuery,
    permissions::Permission,
    ui::Checked,
    visit::{Answer, Page, Visit, sign_in_address},
};

/// `/organization/members/invite`
///
/// # Errors
/// None beyond the table's.
pub async fn invite(visit: &Visit) -> Result<Answer, Failure> {
    let roles = visit.member()?.role.may_give();
    let (checked, drawn, resend) = (Checked(visit.state_of("invite_member")), visit.drawn(), visit.drawn());
    Ok(Page::narrow("Invite Member", move || pages::invite(roles, checked, drawn, resend)).into())
}

/// `/organization/invitations?q=…&state=…&sort=…&after=…`
///
/// # Errors
/// The database's.
pub async fn invitations(visit: &Visit) -> Result<Answer, Failure> {
    let (actor, membership) = (visit.actor()?, visit.member()?);
    let query = ListQuery::parse(url::form_urlencoded::parse(visit.query.as_bytes()).into_owned(), &["state"]);
    let now = visit.portal.clock.now();
    let page = actions::page(&mut visit.portal.read().await?, membership, actor.account, &query, now).await?;
    let (organization, invites) = (membership.organization_name.clone(), membership.role.may(Permission::InviteMembers));
    let refusal = visit.state.as_ref().map(|state| state.refusal.clone());
    let (drawn, random) = (visit.drawn(), visit.portal.random);
    let drawn = move || Drawn { key: random.tag(), ..drawn.clone() };
    Ok(Page::new("Invitations", move || pages::invitations(page, query, organization, invites, refusal, drawn)).into())
}

/// `/organization/invitations/{invitation}/role`
///
/// # Errors
/// 404 for one that is not pending there.
pub async fn role(visit: &Visit) -> Result<Answer, Failure> {
    let (actor, membership) = (visit.actor()?, visit.member()?);
    let id = visit.path.split('/').nth(3).unwrap_or_default();
    let invitation = actions::manageable(&mut visit.portal.read().await?, membership, actor.account, id, visit.portal.clock.now()).await?;
    let (checked, drawn) = (Checked(visit.state_of("change_invitation_role")), visit.drawn());
    let list = format!("/organization/invitations{}", ListQuery::of_page(&visit.here(), &LIST.filters()).to_url());
    Ok(Page::narrow("Change role", move || pages::role(invitation, list, checked, drawn)).into())
}

/// `/organization/invitations/{invitation}/revoke`
///
/// # Errors
/// 404 for one that is not pending there, or not the visitor's to revoke.
pub async fn revoke(visit: &Visit) -> Result<Answer, Failure> {
    let (actor, membership) = (visit.actor()?, visit.member()?);
    let id = visit.path.split('/').nth(3).unwrap_or_default();
    let invitation = actions::manageable(&mut visit.portal.read().await?, membership, actor.account, id, visit.portal.clock.now()).await?;
    let (checked, drawn) = (Checked(visit.state_of("revoke_invitation")), visit.drawn());
    let list = functions::list(&drawn);
    Ok(Page::narrow("Revoke invitation", move || pages::revoke(invitation, list, checked, drawn)).into())
}

/// `/invitation?token=…`: the link of the mail. Opening it changes nothing.
///
/// # Errors
/// The database's.
pub async fn invitation(visit: &Visit) -> Result<Answer, Failure> {
    let token = visit.parameter("token").unwrap_or_default();
    let found = actions::by_link(&visit.portal, &token).await?;
    let refusal = visit.state.as_ref().map(|state| state.refusal.clone());
    let Some(invitation) = found else {
        // A member who follows the link again is taken to the organization.
        if let (Some(actor), Some(membership)) = (&visit.caller.actor, &visit.membership)
            && actions::leads_home(&visit.portal, &token, membership, actor).await?
        {
            return Ok(Answer::SeeOther("/organization".to_owned()));
        }
        let signed_in = visit.caller.actor.is_some();
        return Ok(Page::card("This invitation cannot be used", move || pages::over(signed_in)).with_status(StatusCode::GONE).into());
    };
    let Some(actor) = &visit.caller.actor else {
        let sign_in = sign_in_address(&visit.here());
        return Ok(Page::card("Invitation", move || pages::signed_out(invitation, token, sign_in)).into());
    };
    let email = actor.email.to_string();
    if invitation.email.key() != actor.email.key() {
        return Ok(Page::card("This invitation is for another address", move || pages::other_address(invitation.email, email))
            .with_status(StatusCode::FORBIDDEN)
            .into());
    }
    if let Some(membership) = &visit.membership {
        if actions::leads_home(&visit.portal, &token, membership, actor).await? {
            return Ok(Answer::SeeOther("/organization".to_owned()));
        }
        let (own, decline) = (membership.organization_name.clone(), visit.drawn());
        return Ok(Page::card("You are in another organization", move || pages::other_organization(invitation, own, email, decline))
            .with_status(StatusCode::CONFLICT)
            .into());
    }
    let (accept, decline) = (visit.drawn(), visit.drawn());
    Ok(Page::card("Invitation", move || pages::answer(invitation, email, refusal, accept, decline)).into())
}
