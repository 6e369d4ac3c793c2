//! The room's page handlers: load, draw.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};

use super::{
    actions::{self, Read, Standing},
    pages,
    request::{Asked, PATH},
};
use crate::{
    db::Failure,
    form::{
        Notice, Refusal,
        door::{cookie, notice_cookie},
    },
    portal::Portal,
    sessions::actions as sessions,
    ui::Checked,
    visit::{Answer, Page, Visit, ahead},
};

/// `GET /oauth2/authorize`: a PMM server sends somebody here to sign in. They go back with a code, or with word of why not.
///
/// # Errors
/// 403 where the organization is suspended; the database's.
pub async fn authorize(visit: &Visit) -> Result<Answer, Failure> {
    let portal = &visit.portal;
    if !portal.seal.is_on() {
        return Ok(Page::card("Signing in to PMM is off", pages::off).with_status(StatusCode::SERVICE_UNAVAILABLE).into());
    }
    let asked = match actions::read(portal, &visit.query).await? {
        Read::Unknown => return Ok(Page::card("This link does not work", pages::unknown).with_status(StatusCode::BAD_REQUEST).into()),
        Read::Back(place) => return Ok(Answer::SeeOther(place)),
        Read::Asked(asked) => *asked,
    };
    let standing = match actions::standing(portal, visit.caller.actor.as_ref(), &asked).await {
        Err(Failure::Refusal(Refusal::Suspended(_))) if asked.silently => Standing::Stranger,
        standing => standing?,
    };
    let error = match standing {
        Standing::Clear => return Ok(Answer::SeeOther(actions::give_code(portal, &visit.caller, &asked).await?)),
        Standing::SignIn => "login_required",
        Standing::Stranger => "access_denied",
        Standing::Consent(_) => "consent_required",
    };
    if asked.silently {
        let place = asked.back(&actions::issuer(portal), &[("error", error), ("error_description", "a page would have to be shown")]);
        return Ok(Answer::SeeOther(place));
    }
    Ok(match standing {
        Standing::Consent(membership) => {
            let (drawn, checked, actor) = (visit.drawn(), Checked(visit.state_of("allow_server")), visit.actor()?.clone());
            let leads_out = actions::origin(&asked.server.callback_url);
            let other = sign_in(&asked, visit, true);
            let page = Page::card("Sign in to PMM", move || pages::consent(drawn, checked, asked, &actor, membership, other));
            page.with_forms_that_lead_out_to(leads_out).into()
        }
        Standing::Stranger => {
            let (email, other) = (visit.actor()?.email.to_string(), sign_in(&asked, visit, true));
            let host = actions::host(&asked.server.callback_url);
            Page::card("You cannot sign in to this server", move || pages::stranger(host, email, other))
                .with_status(StatusCode::FORBIDDEN)
                .into()
        }
        Standing::SignIn | Standing::Clear => Answer::SeeOther(sign_in(&asked, visit, visit.caller.actor.is_some())),
    })
}

/// The page to sign in that leads back to a request; `again` where somebody is signed in and is to do it once more.
fn sign_in(asked: &Asked, visit: &Visit, again: bool) -> String {
    // What was asked for of the sign-in is done by the one that comes now.
    let newly = again || asked.sign_in || asked.max_age.is_some();
    let to = if newly { asked.again_after(visit.portal.clock.now()) } else { format!("{PATH}?{}", asked.query()) };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("to", &to);
    if again {
        query.append_pair("again", "yes");
    }
    if let Some(hint) = &asked.login_hint {
        query.append_pair("email", hint);
    }
    format!("/sign-in?{}", query.finish())
}

/// `GET /login/signout?fromURI=…`: where PMM sends whoever signs out there. The session ends, and they are led back to the
/// server's own address, if it is one.
///
/// # Errors
/// 503 where the database is away.
pub async fn sign_out(visit: &Visit) -> Result<Answer, Failure> {
    // A browser that loads ahead has not come.
    if ahead(&visit.headers) {
        return Ok(Answer::Raw(StatusCode::SERVICE_UNAVAILABLE.into_response()));
    }
    let portal = &visit.portal;
    let back = match visit.parameter("fromURI") {
        Some(address) => actions::back_after_sign_out(portal, &address).await?,
        None => None,
    };
    // Another site ends nobody's session: it would be enough to lead somebody here. A connected server that names its own
    // address may, which is what this is for.
    let elsewhere = visit.headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if elsewhere && back.is_none() && visit.caller.actor.is_some() {
        return Ok(Answer::SeeOther("/account".to_owned()));
    }
    sessions::end_own(portal, &visit.caller).await?;
    let notice = back.is_none().then(|| notice_cookie(portal, Some((Notice::SignedOut, 1))));
    Ok(Answer::Raw(gone(portal, &back.unwrap_or_else(|| "/sign-in".to_owned()), notice)))
}

fn gone(portal: &Portal, place: &str, notice: Option<String>) -> Response {
    let mut response = Redirect::to(place).into_response();
    for cookie in [cookie(portal, sessions::COOKIE, "", 0)].into_iter().chain(notice) {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}
