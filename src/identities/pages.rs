//! The room's pages: pure views.

use leptos::prelude::*;

use super::{IdentityView, Linked, Offered, Trouble, Way};
use crate::ui::{Checked, ErrorSummary, Hidden, Icon, Moment, icons};

/// The way to the provider, below a form that asks for a password.
#[must_use]
pub fn way(way: Way) -> AnyView {
    let Way { name, address } = way;
    view! { <div class="form-body"><p class="quiet-text">"or"</p><a class="button wide" href=address>"Continue with " <bdi>{name}</bdi></a></div> }.into_any()
}

/// On the sign-in page: what comes of it if the account with this address is signed in to.
#[must_use]
pub fn offered(offered: Offered) -> AnyView {
    let Offered { name, email } = offered;
    view! {
        <div class="callout">
            <Icon inner=icons::KEY/>
            <div>
                <p>"There is an account with the address " <strong><bdi>{email.to_string()}</bdi></strong> " already. Sign in to it once, as you did so far, to show that it is yours."</p>
                <p>"From then on you can sign in to it with " <bdi>{name}</bdi> "."</p>
            </div>
        </div>
    }
    .into_any()
}

/// The title of the page for somebody who was not signed in.
#[must_use]
pub const fn title(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Away => "No answer from the sign-in service",
        Trouble::Wrong | Trouble::NotAnew => "This sign-in did not work",
        Trouble::Denied => "You were not signed in",
        Trouble::Over => "This sign-in is over",
        Trouble::Unverified => "Your address is not verified",
        Trouble::Locked => "This account is locked",
    }
}

/// Why somebody was not signed in, and how they go on.
#[must_use]
pub fn sorry(trouble: Trouble, name: String, again: String, support: Option<String>) -> AnyView {
    let text = match trouble {
        Trouble::Away => format!("{name} does not answer, or takes too long. Nothing was changed. Try again in a moment."),
        Trouble::Wrong => format!("What {name} answered cannot be relied on, so you were not signed in. Nothing was changed."),
        Trouble::Denied => format!("{name} did not sign you in, or you turned back. Nothing was changed."),
        Trouble::Over => {
            "It began more than ten minutes ago, was used already, or began in another browser. Nothing was changed; begin again."
                .to_owned()
        }
        Trouble::Unverified => {
            format!("{name} does not say that your e-mail address is verified. Verify it there, or ask whoever runs it, and try again.")
        }
        Trouble::NotAnew => {
            format!("You were to sign in anew, and {name} does not say when you did. Whoever runs this portal can set that up.")
        }
        Trouble::Locked => "The support of this portal can tell you more.".to_owned(),
    };
    let retry = trouble != Trouble::Locked;
    view! {
        <div class="card">
            <h1>{title(trouble)}</h1>
            <p>{text}</p>
            {support.map(|support| view! { <p>"Questions? Write to " <a href=format!("mailto:{support}")>{support.clone()}</a> "."</p> })}
            <div class="actions start">
                {retry.then(|| view! { <a class="button primary" href=again>"Try again"</a> })}
                <a class="button" href="/sign-in">"Back to sign in"</a>
            </div>
        </div>
    }
    .into_any()
}

/// The identities that are linked to one's account.
#[must_use]
pub fn linked(linked: Linked, checked: Checked) -> AnyView {
    let Linked { identities, unlinkable, way } = linked;
    let alone = !identities.is_empty() && !unlinkable;
    view! {
        <div class="section">
            <ErrorSummary refusal=checked.refusal()/>
            {(!identities.is_empty()).then(|| view! {
                <ul class="list">{identities.into_iter().map(|identity| item(identity, unlinkable)).collect_view()}</ul>
            })}
            {alone.then(|| view! { <p class="quiet-text">"It is the only way into your account, so it cannot be unlinked."</p> })}
            {way.map(|Way { name, address }| view! {
                <ul class="list"><li>
                    <Icon inner=icons::KEY large=true/>
                    <div class="list-body"><p class="list-title"><bdi>{name.clone()}</bdi></p><p class="list-meta">"Not linked to this account."</p></div>
                    <a class="button small" href=address>"Link"<span class="vh">" " <bdi>{name}</bdi></span></a>
                </li></ul>
            })}
        </div>
    }
    .into_any()
}

fn item(identity: IdentityView, unlinkable: bool) -> AnyView {
    let IdentityView { id, provider, email, linked_at, signed_in_at, drawn } = identity;
    let named = provider.clone();
    view! {
        <li>
            <Icon inner=icons::KEY large=true/>
            <div class="list-body">
                <p class="list-title"><bdi>{provider}</bdi></p>
                <p class="list-meta">
                    {(!email.is_empty()).then(|| view! { <bdi>{email}</bdi> " · " })} "linked " <Moment at=linked_at/> " · last sign-in " <Moment at=signed_in_at/>
                </p>
            </div>
            {unlinkable.then(|| view! {
                <form method="post" action="/do/unlink_identity">
                    <Hidden drawn=drawn/>
                    <input type="hidden" name="identity" value=id.to_string()/>
                    <button class="button small">"Unlink"<span class="vh">" " <bdi>{named}</bdi></span></button>
                </form>
            })}
        </li>
    }
    .into_any()
}
