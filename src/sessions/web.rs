//! The room's page handlers: load, draw.

use super::pages;
use crate::{
    db::Failure,
    factors::web as factors,
    form::is_own_path,
    identities::actions as identities,
    oauth::actions as oauth,
    ui::Checked,
    visit::{Answer, Page, Visit},
    words::Email,
};

/// `GET /sign-in`. Who is signed in goes on to where they wanted to go.
///
/// # Errors
/// The database's.
pub async fn sign_in(visit: &Visit) -> Result<Answer, Failure> {
    let checked = Checked(visit.state_of("sign_in"));
    let to = Checked(visit.state_of("sign_in").or_else(|| visit.state_of("use_passkey")))
        .value("to", &visit.parameter("to").unwrap_or_default());
    let to = Some(to).filter(|to| is_own_path(to));
    // A PMM server may want the sign-in to be a new one.
    if visit.caller.actor.is_some() && visit.state.is_none() && visit.parameter("again").is_none() {
        return Ok(Answer::SeeOther(to.unwrap_or_else(|| "/getting-started".to_owned())));
    }
    // A form of another page that was sent after the session had ended is answered with this page.
    let said = visit.state.as_ref().filter(|state| state.function != "sign_in");
    let said = said.map(|state| state.refusal.of_field("").unwrap_or_else(|| state.refusal.message()));
    let script = factors::script(visit);
    let passkey = script.map(|_| visit.drawn());
    let (drawn, support) = (visit.drawn(), visit.portal.config.support_email.as_ref().map(ToString::to_string));
    let leads_out_to = match &to {
        Some(to) => oauth::leads_out_to(&visit.portal, to).await?,
        None => None,
    };
    let email = visit.parameter("email").and_then(|email| Email::parse(&email).ok()).map(|email| email.to_string()).unwrap_or_default();
    let offered = identities::offered(&visit.portal, &visit.headers).await?;
    // What waits comes from there; and whoever is to sign in anew is to do so there, too.
    let again = visit.parameter("again").is_some();
    let typed = checked.value("email", &email);
    let way = identities::way(&visit.portal, to.as_deref(), &typed, again).filter(|_| offered.is_none());
    let others = pages::OtherWays { way, offered, passkey };
    let page = Page::card("Sign in", move || pages::sign_in(drawn, checked, to, email, said, support, others));
    Ok(page.with_forms_that_lead_out_to(leads_out_to).with_script(script).into())
}
