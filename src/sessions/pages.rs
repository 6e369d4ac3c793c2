//! The room's pages: pure views.

use leptos::prelude::*;

use super::SessionView;
use crate::{
    factors::pages::passkey_button,
    form::{Drawn, Refusal, Unauthenticated},
    identities::{self, Offered, Way},
    ui::{Checked, ErrorSummary, Hidden, Icon, Moment, TextField, icons},
};

/// What the page to sign in offers beside a password.
pub struct OtherWays {
    /// The way to the operator's OpenID provider, where there is one.
    pub way: Option<Way>,
    /// What is linked by this sign-in.
    pub offered: Option<Offered>,
    /// What the form for passkeys carries, where this portal has them.
    pub passkey: Option<Drawn>,
}

/// Sign-in. `to` is where one wanted to go, `email` whom it is said to be; `said` is why a form of another page led here. Who
/// is locked is told whom to write to.
#[must_use]
pub fn sign_in(
    drawn: Drawn,
    checked: Checked,
    to: Option<String>,
    email: String,
    said: Option<String>,
    support: Option<String>,
    others: OtherWays,
) -> AnyView {
    let OtherWays { way, offered, passkey } = others;
    let email = offered.as_ref().map_or(email, |offered| offered.email.to_string());
    let autocomplete = if passkey.is_some() { "username webauthn" } else { "username" };
    let passkey = passkey.map(|drawn| passkey_button(drawn, "sign-in", to.clone()));
    let locked = checked.refusal() == Some(Refusal::Unauthenticated(Unauthenticated::Locked));
    view! {
        <div class="card">
            <h1>"Sign in"</h1>
            {said.map(|said| view! {
                <div class="callout warn" role="alert"><Icon inner=icons::WARNING/><div><p>{said}</p></div></div>
            })}
            {offered.map(identities::pages::offered)}
            <ErrorSummary refusal=checked.refusal()/>
            {locked.then(|| support.map(|support| view! { <p>"Write to " <a href=format!("mailto:{support}")>{support.clone()}</a> "."</p> }))}
            <form class="form-body" method="post" action="/do/sign_in" novalidate>
                <Hidden drawn=drawn/>
                {to.map(|to| view! { <input type="hidden" name="form[to]" value=to/> })}
                <TextField name="email" label="E-mail" kind="email" autocomplete=autocomplete value=checked.value("email", &email) error=checked.error("email")/>
                <TextField name="password" label="Password" kind="password" autocomplete="current-password" error=checked.error("password") link=("/forgot-password", "Forgot your password?")/>
                <button class="button primary wide">"Sign in"</button>
            </form>
            {passkey}
            {way.map(identities::pages::way)}
        </div>
        <p class="aside">"New here? " <a href="/sign-up">"Create an account"</a></p>
    }
    .into_any()
}

/// One's sessions, each with what its form carries, and the button that ends all others where there are any.
#[must_use]
pub fn list(sessions: Vec<(SessionView, Drawn)>, others: Drawn, checked: Checked) -> AnyView {
    let several = sessions.len() > 1;
    view! {
        <div class="section">
            <ErrorSummary refusal=checked.refusal()/>
            <ul class="list">{sessions.into_iter().map(|(session, drawn)| item(session, drawn)).collect_view()}</ul>
            {several.then(|| view! {
                <form class="actions start" method="post" action="/do/end_other_sessions">
                    <Hidden drawn=others/>
                    <button class="button small"><Icon inner=icons::SIGN_OUT/>"End all other sessions"</button>
                </form>
            })}
        </div>
    }
    .into_any()
}

/// A session in the list. One's own is ended by signing out.
fn item(session: SessionView, drawn: Drawn) -> AnyView {
    let SessionView { id, device, place, created_at, last_seen_at, factors, own } = session;
    let place = (!place.is_empty()).then(|| format!(" {place}"));
    let factors = (!factors.is_empty()).then(|| format!(" · by {factors}"));
    let (icon, named) = (device_icon(&device), device.clone());
    view! {
        <li>
            <Icon inner=icon large=true/>
            <div class="list-body">
                <p class="list-title">{device} {own.then(|| view! { " " <span class="badge accent">"This browser"</span> })}</p>
                <p class="list-meta">"Signed in " <Moment at=created_at/> {place} " · last used " <Moment at=last_seen_at/> {factors}</p>
            </div>
            {(!own).then(|| view! {
                <form method="post" action="/do/end_session">
                    <Hidden drawn=drawn/>
                    <input type="hidden" name="session" value=id.to_string()/>
                    <button class="button small">"End"<span class="vh">" session: " {named}</span></button>
                </form>
            })}
        </li>
    }
    .into_any()
}

fn device_icon(device: &str) -> &'static str {
    if ["iPhone", "iPad", "iPod", "Android"].iter().any(|phone| device.ends_with(phone)) { icons::PHONE } else { icons::MONITOR }
}
