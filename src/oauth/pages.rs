//! The room's pages: pure views.

use leptos::prelude::*;

use super::{KnownServer, actions, request::Asked};
use crate::{
    actor::Actor,
    form::Drawn,
    guard::Membership,
    permissions::Role,
    ui::{Checked, ErrorSummary, Hidden, Icon, Moment, icons},
};

/// There is no key file.
#[must_use]
pub fn off() -> AnyView {
    view! {
        <div class="card">
            <h1>"Signing in to PMM is off"</h1>
            <p>"People cannot sign in to PMM servers by this portal yet. Whoever runs the portal has to set it up: the command "<code>"org-portal doctor"</code>" says how."</p>
            <div class="actions start"><a class="button primary" href="/">"Go to the start page"</a></div>
        </div>
    }
    .into_any()
}

/// The client is not there, or the address is not its own.
#[must_use]
pub fn unknown() -> AnyView {
    view! {
        <div class="card">
            <h1>"This link does not work"</h1>
            <p>"It was to sign you in to a PMM server, but it names none that is connected here, or another address than the server's own."</p>
            <p>"If the server was connected again, or disconnected, meanwhile: open its sign-in page and start there. Whoever runs it can connect it anew in its settings."</p>
            <div class="actions start"><a class="button primary" href="/">"Go to the start page"</a></div>
        </div>
    }
    .into_any()
}

/// Not for this account; whose server it is, is not said.
#[must_use]
pub fn stranger(host: String, email: String, other: String) -> AnyView {
    view! {
        <div class="card">
            <h1>"You cannot sign in to this server"</h1>
            <p>"The account " <strong><bdi>{email}</bdi></strong> " cannot sign in to the PMM server at " <strong><bdi>{host}</bdi></strong> "."</p>
            <p>"Sign in with another account, or ask whoever runs the server."</p>
            <div class="actions start"><a class="button primary" href=other>"Use another account"</a><a class="button quiet" href="/">"Go to the start page"</a></div>
        </div>
    }
    .into_any()
}

/// Whether a server may know who somebody is.
#[must_use]
pub fn consent(drawn: Drawn, checked: Checked, asked: Asked, actor: &Actor, membership: Membership, other: String) -> AnyView {
    let request = asked.query().to_owned();
    let host = actions::host(&asked.server.callback_url);
    let (name, connected_by, connected_at) = (asked.server.name, asked.server.connected_by_name, asked.server.connected_at);
    let role = if membership.role == Role::Admin { "that you are an Admin of " } else { "that you are a member of " };
    let (person, email) = (actor.name(), actor.email.to_string());
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"Sign in to " <bdi>{name}</bdi> "?"</h1>
                <p>"A PMM server at " <strong><bdi>{host}</bdi></strong> ", connected by " <bdi>{connected_by}</bdi> " on " <Moment at=connected_at/> "."</p>
            </div>
            <ErrorSummary refusal=checked.refusal()/>
            <p>"It learns"</p>
            <ul class="bullets">
                <li>"your name, " <strong><bdi>{person}</bdi></strong></li>
                <li>"your e-mail address, " <strong><bdi>{email}</bdi></strong></li>
                <li>{role} <strong><bdi>{membership.organization_name}</bdi></strong></li>
            </ul>
            <p>"While you are signed in there, it can read for you what you may read here: the organization, its tickets and entitlements. And it can be disconnected by you. This lasts for at most a year after you signed in; you can take it back before, on the page Account."</p>
            <form class="form-body" method="post" action="/do/allow_server">
                <Hidden drawn=drawn/>
                <input type="hidden" name="form[request]" value=request/>
                <button class="button primary wide" name="form[answer]" value="allow">"Sign in to PMM"</button>
                <button class="button wide" name="form[answer]" value="deny">"Cancel"</button>
            </form>
        </div>
        <p class="aside">"Not you? " <a href=other>"Use another account"</a></p>
    }
    .into_any()
}

/// The servers that know somebody, each with what its form carries.
#[must_use]
pub fn known(servers: Vec<(KnownServer, Drawn)>, checked: Checked) -> AnyView {
    if servers.is_empty() {
        return view! { <p class="quiet-text">"None. When you sign in to a PMM server with this account, it stands here."</p> }.into_any();
    }
    view! {
        <div class="section">
            <ErrorSummary refusal=checked.refusal()/>
            <ul class="list">{servers.into_iter().map(|(server, drawn)| item(server, drawn)).collect_view()}</ul>
        </div>
    }
    .into_any()
}

fn item(server: KnownServer, drawn: Drawn) -> AnyView {
    let KnownServer { id, name, host, allowed_at, signed_in_at } = server;
    let named = name.clone();
    view! {
        <li>
            <Icon inner=icons::MONITOR large=true/>
            <div class="list-body">
                <p class="list-title"><bdi>{name}</bdi></p>
                <p class="list-meta">
                    <bdi>{host}</bdi> " · knows you since " <Moment at=allowed_at/>
                    {signed_in_at.map(|at| view! { " · last sign-in " <Moment at=at/> })}
                </p>
            </div>
            <form method="post" action="/do/forget_server">
                <Hidden drawn=drawn/>
                <input type="hidden" name="server" value=id.to_string()/>
                <button class="button small">"Remove"<span class="vh">" server: " <bdi>{named}</bdi></span></button>
            </form>
        </li>
    }
    .into_any()
}
