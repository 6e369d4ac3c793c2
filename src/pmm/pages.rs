//! The room's pages: pure views.

use leptos::prelude::*;

use super::{LIFE, LIVES, Made, Scope, TokenForm, actions::ServerView, tokens::TokenView};
use crate::{
    config::Config,
    form::{Drawn, Refusal},
    list::{ListQuery, Listed, MAX_SEARCH},
    organizations::{
        OrganizationView,
        pages::{Tab, tabs},
    },
    permissions::{Permission, Role},
    ui::{Ago, Checked, Date, ErrorSummary, Hidden, Icon, LocalTimes, Moment, SelectField, TextField, icons, list},
};

/// The address of the list.
pub const PATH: &str = "/organization/servers";
/// Where the tokens stand.
pub const TOKENS: &str = "/organization/servers#tokens";
/// The address of the form that makes a token.
pub const NEW_TOKEN: &str = "/organization/servers/tokens/new";
/// What a token for PMM is called where nothing else is chosen.
const NAME: &str = "PMM server";

/// The portal's own address, as PMM has to be told it.
#[derive(Clone, Debug)]
pub struct Own {
    /// The address without a slash at its end.
    address: String,
    /// Its host, with the port where it is not the scheme's own.
    host: String,
    /// Whether it is reached over TLS.
    tls: bool,
}

impl Own {
    /// As it is configured.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let url = &config.public_url;
        let host = url.host_str().unwrap_or_default();
        Self {
            address: config.base(),
            host: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            tls: url.scheme() == "https",
        }
    }
}

/// What the list's page shows.
pub struct Look {
    /// A page of the list.
    pub page: Listed<ServerView>,
    /// What was asked for.
    pub query: ListQuery,
    /// The organization.
    pub organization: OrganizationView,
    /// The role of who looks.
    pub role: Role,
    /// The tokens that the reader sees.
    pub tokens: Vec<TokenView>,
    /// The portal's own address.
    pub own: Own,
    /// Why a form of this page was refused.
    pub refusal: Option<Refusal>,
    /// What the form that makes a token carries.
    pub drawn: Drawn,
}

/// The PMM servers tab.
#[must_use]
pub fn servers(look: Look) -> AnyView {
    let Look { page, query, organization, role, tokens, own, refusal, drawn } = look;
    view! {
        <header class="page-head" data-region="head">
            <div><p class="kicker">"Organization"</p><h1><bdi>{organization.name.clone()}</bdi></h1></div>
            <div class="page-actions"><a class="button primary" href="#connect"><Icon inner=icons::PLUS/>"Connect a server"</a></div>
        </header>
        {tabs(Tab::Servers, organization.members, role)}
        <ErrorSummary refusal/>
        <div class="section">
            <div class="toolbar">
                <form class="search" role="search" method="get" action=PATH>
                    <Icon inner=icons::SEARCH/>
                    <label class="vh" for="q">"Search PMM servers by name, host or id"</label>
                    <input class="input" id="q" name="q" type="search" placeholder="Search PMM servers" value=query.q.clone() maxlength=MAX_SEARCH.to_string() autocomplete="off"/>
                    {list::kept(&query)}
                </form>
            </div>
            <div class="section" data-region="servers">{rows(page, &query)}</div>
        </div>
        <section class="section" aria-labelledby="connect">
            <div class="section-head"><h2 id="connect">"Connect a PMM server"</h2></div>
            {guide(&own, drawn)}
        </section>
        <section class="section" aria-labelledby="tokens">
            <div class="section-head">
                <h2 id="tokens">"Tokens"</h2>
                <a class="button small" href=NEW_TOKEN><Icon inner=icons::KEY/>"New token"</a>
            </div>
            <div class="section" data-region="tokens">{token_list(tokens, role.may(Permission::ManageMembers))}</div>
        </section>
        <LocalTimes/>
    }
    .into_any()
}

fn rows(page: Listed<ServerView>, query: &ListQuery) -> AnyView {
    if page.rows.is_empty() {
        let (title, sentence, href, words) = if query.is_conditional() {
            ("No PMM servers found", "None has a name, a host or an id that holds what you searched for.", PATH, "Clear search")
        } else {
            (
                "No PMM servers",
                "A connected server shows your tickets and entitlements, and people sign in to it with their account here.",
                "#connect",
                "How to connect one",
            )
        };
        return view! {
            <div class="table-wrap">
                <div class="empty">
                    <Icon inner=icons::SERVER large=true/>
                    <h2>{title}</h2>
                    <p>{sentence}</p>
                    <div class="actions"><a class="button" href=href>{words}</a></div>
                </div>
            </div>
        }
        .into_any();
    }
    let name = list::heads(PATH, &page, query, &[("name", "Server")]);
    let times = list::heads(PATH, &page, query, &[("connected", "Connected"), ("contact", "Last contact")]);
    let pager = list::pager(PATH, &page, query, "Pages of PMM servers");
    view! {
        <div class="table-wrap">
            <table class="table" role="table">
                <caption class="vh">"PMM servers"</caption>
                <thead role="rowgroup">
                    <tr role="row" data-label="Sort by">
                        {name}
                        <th scope="col" role="columnheader">"Address"</th>
                        <th scope="col" role="columnheader">"Connected by"</th>
                        {times}
                        <th scope="col" role="columnheader" class="actions-cell"><span class="vh">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{page.rows.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
        {pager}
    }
    .into_any()
}

fn row(server: ServerView) -> AnyView {
    let (key, name, href) = (server.id.to_string(), server.name.clone(), server.url.clone());
    let disconnect = format!("{PATH}/{}/disconnect", server.id);
    view! {
        <tr role="row" data-key=key>
            <th scope="row" role="rowheader" class="break"><bdi>{server.name}</bdi> " " <span class="sub">{server.server_id}</span></th>
            <td role="cell" class="break" data-label="Address"><a href=href target="_blank" rel="noopener noreferrer"><bdi>{server.url}</bdi><span class="vh">" (opens in a new tab)"</span></a></td>
            <td role="cell" data-label="Connected by"><bdi>{server.connected_by}</bdi></td>
            <td role="cell" class="nowrap" data-label="Connected"><Date at=server.connected_at short=true/></td>
            <td role="cell" class="nowrap" data-label="Last contact"><Ago at=server.last_contact_at/></td>
            <td role="cell" class="actions-cell">
                {server.disconnectable.then(|| view! { <a class="button small" href=disconnect>"Disconnect"<span class="vh">" " <bdi>{name}</bdi></span></a> })}
            </td>
        </tr>
    }
    .into_any()
}

/// What to do, in its order: where PMM finds this portal, a token, and where to paste it.
fn guide(own: &Own, drawn: Drawn) -> AnyView {
    let line = |versions: &'static str, settings: Vec<String>| {
        view! { <div><dt>{versions}</dt><dd>{settings.into_iter().map(|setting| view! { <p><code class="break">{setting}</code></p> }).collect_view()}</dd></div> }
    };
    let Own { address, host, tls } = own;
    let oldest = if *tls { vec![format!("PERCONA_TEST_SAAS_HOST={host}"), format!("PERCONA_PORTAL_URL={address}")] } else { Vec::new() };
    view! {
        <ol class="steps">
            <li class="step">
                <span class="step-mark" aria-hidden="true">"1"</span>
                <div class="step-text">
                    <h3>"Tell PMM where this portal is"</h3>
                    <p>"Give its container these environment variables, by its version, and start it again."</p>
                    <dl class="facts">
                        {line("PMM 3", vec![format!("PMM_DEV_PERCONA_PLATFORM_ADDRESS={address}"), format!("PMM_DEV_PORTAL_URL={address}")])}
                        {line("PMM 2.30 to 2.44", vec![format!("PERCONA_TEST_PLATFORM_ADDRESS={address}"), format!("PERCONA_PORTAL_URL={address}")])}
                        {if *tls {
                            line("PMM 2.27 to 2.29", oldest).into_any()
                        } else {
                            view! { <div><dt>"PMM 2.27 to 2.29"</dt><dd>"These need a portal with an https address."</dd></div> }.into_any()
                        }}
                    </dl>
                </div>
            </li>
            <li class="step">
                <span class="step-mark" aria-hidden="true">"2"</span>
                <div class="step-body">
                    <div class="step-text"><h3>"Make a token"</h3><p>"It connects servers for 30 minutes and does nothing else. Paste it before that."</p></div>
                    <form method="post" action="/do/make_token">
                        <Hidden drawn/>
                        <input type="hidden" name="form[name]" value=NAME/>
                        <input type="hidden" name="form[scope]" value=Scope::Connect.name()/>
                        <input type="hidden" name="form[life]" value=LIFE/>
                        <button class="button"><Icon inner=icons::KEY/>"Make token"</button>
                    </form>
                </div>
            </li>
            <li class="step">
                <span class="step-mark" aria-hidden="true">"3"</span>
                <div class="step-text">
                    <h3>"Connect in PMM"</h3>
                    {paste()}
                </div>
            </li>
        </ol>
    }
    .into_any()
}

/// Where the token goes, as PMM calls it.
fn paste() -> AnyView {
    view! {
        <p>"As an Admin of PMM, open " <strong>"Configuration › Settings › Percona Platform"</strong> ", name the server, paste the token as the access token, and press " <strong>"Connect"</strong> ". If PMM says that its address is not set, enter it under " <strong>"Advanced Settings › Public Address"</strong> " first."</p>
    }
    .into_any()
}

fn token_list(tokens: Vec<TokenView>, all: bool) -> AnyView {
    if tokens.is_empty() {
        let whose = if all { "Nobody has a token." } else { "You have no token." };
        return view! { <p class="hint">{whose} " A token lets PMM, or a program of yours, act for you. It ends with your membership."</p> }
            .into_any();
    }
    view! { <ul class="list">{tokens.into_iter().map(token).collect_view()}</ul> }.into_any()
}

fn token(token: TokenView) -> AnyView {
    let (key, href, name) = (token.id.to_string(), format!("{PATH}/tokens/{}/revoke", token.id), token.name.clone());
    view! {
        <li data-key=key>
            <Icon inner=icons::KEY large=true/>
            <div class="list-body">
                <p class="list-title"><bdi>{token.name}</bdi> " " {if token.expired {
                    view! { <span class="badge">"Expired"</span> }.into_any()
                } else {
                    view! { <span class="badge accent">{token.scope.title()}</span> }.into_any()
                }}</p>
                <p class="list-meta">
                    {token.maker.map(|maker| view! { "Of " <bdi>{maker}</bdi> " · " })}
                    {if token.expired { "Ended " } else { "Valid until " }} <Moment at=token.expires_at/>
                    {match token.last_used_at {
                        Some(at) => view! { " · last used " <Ago at/> }.into_any(),
                        None => view! { " · never used" }.into_any(),
                    }}
                </p>
            </div>
            <a class="button small" href=href>"Revoke"<span class="vh">" token: " <bdi>{name}</bdi></span></a>
        </li>
    }
    .into_any()
}

/// The form that makes a token.
#[must_use]
pub fn new_token(checked: Checked, drawn: Drawn) -> AnyView {
    let chosen = checked.value("scope", Scope::Connect.name());
    let scope_error = checked.error("scope");
    let scopes = Scope::ALL.map(|scope| {
        let id = format!("scope-{}", scope.name().replace(':', "-"));
        let hint = format!("{id}-hint");
        view! {
            <div class="choice">
                <input type="radio" id=id.clone() name="form[scope]" value=scope.name() checked=scope.name() == chosen aria-describedby=hint.clone()/>
                <label for=id>{scope.title()}</label>
                <p class="hint" id=hint>{scope.hint()}</p>
            </div>
        }
    });
    view! {
        <header class="page-head"><div><p class="kicker"><a href=PATH>"PMM servers"</a></p><h1>"New token"</h1></div></header>
        <form class="card form" method="post" action="/do/make_token" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <TextField name="name" label="Name" hint="What you know it by when you revoke it." value=checked.value("name", NAME) error=checked.error("name") maxlength=TokenForm::MAX_NAME/>
            <fieldset class="field choices" id="scope" tabindex="-1">
                <legend>"What it is for"</legend>
                {scopes.into_iter().collect_view()}
                {scope_error.map(|error| view! { <p class="field-error"><Icon inner=icons::ALERT/><span>{error}</span></p> })}
            </fieldset>
            <SelectField name="life" label="Valid for" hint="Connecting PMM needs a token for a moment; choose longer only for programs." options=LIVES.map(|(title, _)| title).to_vec() value=checked.value("life", LIFE) error=checked.error("life")/>
            <div class="actions start"><button class="button primary">"Make token"</button><a class="button quiet" href=PATH>"Cancel"</a></div>
        </form>
    }
    .into_any()
}

/// A token that was just made, for this once.
#[must_use]
pub fn made(made: Made) -> AnyView {
    let Made { name, scope, expires_at, secret } = made;
    let secret = secret.unwrap_or_default();
    view! {
        <header class="page-head"><div><p class="kicker"><a href=PATH>"PMM servers"</a></p><h1>"Copy the token"</h1></div></header>
        <div class="card">
            <p>"It is shown this once and kept nowhere. Whoever has it acts for you, so give it to nobody but the program that it is for."</p>
            <p class="secret"><code>{secret.clone()}</code><button class="button small" type="button" data-copy=secret><Icon inner=icons::COPY/>"Copy"</button></p>
            <dl class="facts">
                <div><dt>"Name"</dt><dd><bdi>{name}</bdi></dd></div>
                <div><dt>"For"</dt><dd>{scope.title()}</dd></div>
                <div><dt>"Valid until"</dt><dd><Moment at=expires_at/></dd></div>
            </dl>
            {(scope == Scope::Connect).then(paste)}
            <div class="actions start"><a class="button primary" href=PATH>"Done"</a></div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

/// Revoke, as a page that asks first.
#[must_use]
pub fn revoke(token: TokenView, checked: Checked, drawn: Drawn) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href=TOKENS>"PMM servers"</a></p><h1>"Revoke token"</h1></div></header>
        <form class="card form" method="post" action="/do/revoke_token">
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <input type="hidden" name="token" value=token.id.to_string()/>
            <p>
                "Revoke the token " <strong><bdi>{token.name}</bdi></strong>
                {token.maker.map(|maker| view! { " of " <bdi>{maker}</bdi> })}
                "? What uses it is refused at once. PMM servers that were connected with it stay connected."
            </p>
            <div class="actions"><a class="button" href=TOKENS autofocus=true>"Cancel"</a><button class="button danger">"Revoke token"</button></div>
        </form>
    }
    .into_any()
}

/// Disconnect, as a page that says what it does and what it does not do.
#[must_use]
pub fn disconnect(server: ServerView, checked: Checked, drawn: Drawn) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href=PATH>"PMM servers"</a></p><h1>"Disconnect PMM server"</h1></div></header>
        <form class="card form" method="post" action="/do/disconnect_server">
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <input type="hidden" name="server" value=server.server_id/>
            <p>"Disconnect " <strong><bdi>{server.name}</bdi></strong> " at " <bdi class="break">{server.url}</bdi> "?"</p>
            <ul class="bullets">
                <li>"It leaves this list, and what it was given to ask this portal with stops working at once."</li>
                <li>"Nobody can sign in to it with an account of this portal any more."</li>
                <li>"PMM itself is not told, and its data stay. If you can reach it, disconnect there too, under " <strong>"Configuration › Settings › Percona Platform"</strong> "."</li>
            </ul>
            <p>"It can be connected again at any time, with a new token."</p>
            <div class="actions"><a class="button" href=PATH autofocus=true>"Cancel"</a><button class="button danger">"Disconnect"</button></div>
        </form>
    }
    .into_any()
}
