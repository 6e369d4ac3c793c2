//! The room's page handlers: load, draw.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};

use super::{
    Trouble,
    actions::{self, Arrived, Came},
    pages,
};
use crate::{
    db::Failure,
    visit::{Answer, Page, Visit, ahead},
};

/// `GET /sign-in/provider`: to the provider. Nothing of anybody's changes by it, and nobody is signed in who is not, whoever
/// led them here.
///
/// # Errors
/// 404 where there is no provider, 429.
pub async fn begin(visit: &Visit) -> Result<Answer, Failure> {
    // A browser that loads ahead has not come.
    if ahead(&visit.headers) {
        return Ok(Answer::Raw(StatusCode::SERVICE_UNAVAILABLE.into_response()));
    }
    let of = |name: &str| visit.parameter(name).unwrap_or_default();
    let (to, hint, anew) = (of("to"), of("email"), !of("again").is_empty());
    match actions::begin(&visit.portal, &visit.caller, &visit.headers, &to, &hint, anew).await? {
        Ok(begun) => Ok(Answer::Raw(leads(&begun.address, &[begun.cookie]))),
        Err(trouble) => Ok(sorry(visit, trouble, &to)),
    }
}

/// `GET /sign-in/provider/callback`: back from the provider.
///
/// # Errors
/// 404 where there is no provider, 429.
pub async fn callback(visit: &Visit) -> Result<Answer, Failure> {
    if ahead(&visit.headers) {
        return Ok(Answer::Raw(StatusCode::SERVICE_UNAVAILABLE.into_response()));
    }
    let came = Came {
        state: visit.parameter("state").unwrap_or_default(),
        code: visit.parameter("code"),
        error: visit.parameter("error"),
        issuer: visit.parameter("iss"),
    };
    Ok(match actions::arrive(&visit.portal, &visit.caller, &visit.headers, came).await? {
        Arrived::In(page, cookies) => Answer::Raw(leads(&page, &cookies)),
        Arrived::Offered(to) => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("to", &to);
            // Who is signed in, with another account, is to see that page all the same.
            if visit.caller.actor.is_some() {
                query.append_pair("again", "yes");
            }
            Answer::SeeOther(format!("/sign-in?{}", query.finish()))
        }
        Arrived::Not(trouble, to) => sorry(visit, trouble, &to),
    })
}

/// The page that says why somebody is not signed in, and how they go on.
fn sorry(visit: &Visit, trouble: Trouble, to: &str) -> Answer {
    let config = &visit.portal.config;
    let (name, support) = (config.oidc_name.clone(), config.support_email.as_ref().map(ToString::to_string));
    let again = actions::way(&visit.portal, Some(to), "", visit.caller.actor.is_some()).map(|way| way.address).unwrap_or_default();
    let status = StatusCode::from_u16(trouble.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    Page::card(pages::title(trouble), move || pages::sorry(trouble, name, again, support)).with_status(status).into()
}

/// Leads on by 303, with cookies.
fn leads(place: &str, cookies: &[String]) -> Response {
    let mut response = Redirect::to(place).into_response();
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
