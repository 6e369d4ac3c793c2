//! The document around every page: head, frame, notice, hydration.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Request, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
};
use leptos::{html, nonce::use_nonce, prelude::*};

use crate::{
    assets,
    db::Failure,
    form::{Drawn, Notice, Refusal, Unauthenticated},
    live::Live,
    ui::{Icon, icons},
    visit::{Answer, Frame, Page, Theme, Visit},
};

/// What the frame shows, taken from the visit before the view is made.
#[derive(Clone)]
struct Around {
    portal_name: String,
    support: Option<String>,
    accent: bool,
    logo: Option<String>,
    theme: Theme,
    notice: Option<(Notice, usize)>,
    person: Option<(String, String, String)>,
    organization: Option<(String, String)>,
    live: Option<(String, String)>,
    path: String,
    here: String,
    failed: bool,
    operator: bool,
}

/// Draws what a visit leads to.
pub async fn answer(visit: Visit, parts: Parts, outcome: Result<Answer, Failure>) -> Response {
    match outcome {
        Ok(Answer::Page(page)) => draw(visit, parts, page, false).await,
        Ok(Answer::SeeOther(place)) => Redirect::to(&place).into_response(),
        Ok(Answer::Raw(response)) => response,
        Err(failure) => {
            let refusal = visit.portal.refuse(failure);
            refused(visit, parts, refusal).await
        }
    }
}

/// Draws the page that says why there is none.
pub async fn refused(visit: Visit, parts: Parts, refusal: Refusal) -> Response {
    if refusal == Refusal::Unauthenticated(Unauthenticated::SignInRequired) {
        return Redirect::to(&crate::visit::sign_in_address(&visit.here())).into_response();
    }
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let support = visit.portal.config.support_email.as_ref().map(ToString::to_string);
    let (title, text) = match &refusal {
        Refusal::NotFound => ("Page not found", "There is nothing at this address, or nothing that is there for you."),
        Refusal::Forbidden => ("Not allowed", "Your role does not allow this. An Admin of your organization can do it."),
        Refusal::Suspended(_) => {
            ("Your organization is suspended", "Nothing is lost, and nothing can be changed in it until it is open again.")
        }
        Refusal::CrossSite => ("This came from another site", ""),
        Refusal::TooLarge => ("Too large", ""),
        Refusal::Unavailable => (
            "The portal is away for a moment",
            "Its database does not answer right now. What you saved before is safe, and what you just sent was not saved. Try again in a moment.",
        ),
        Refusal::Fault(_) => (
            "Something went wrong on our side",
            "Nothing was changed. What you saved before is safe. If it happens again, tell us the reference below.",
        ),
        _ => ("This did not work", ""),
    };
    let message = if text.is_empty() { refusal.message() } else { text.to_owned() };
    let suspended = if let Refusal::Suspended(reason) = &refusal { Some(reason.clone()) } else { None };
    let reference = if let Refusal::Fault(reference) = &refusal { Some(reference.clone()) } else { None };
    // The page with the form is not there any more, and what was written in it is to be had.
    let typed: Vec<String> = visit.state.iter().flat_map(|state| state.prose()).map(str::to_owned).collect();
    let typed = (!typed.is_empty()).then(|| {
        let texts = typed.into_iter().map(|text| view! { <pre class="typed">{text}</pre> }).collect_view();
        view! { <h2>"What you wrote, which was not saved"</h2>{texts} }
    });
    let frame = if visit.caller.actor.is_some() && refusal != Refusal::Unavailable { Frame::Narrow } else { Frame::Card };
    let view = move || {
        view! {
            <div class="card" data-region="refused">
                <p class="code">"Error " {status.as_u16()}</p>
                <h1>{title}</h1>
                {suspended.map(|reason| view! { <p>"The reason that the operator gave: " <strong><bdi>{reason}</bdi></strong></p> })}
                <p>{message}</p>
                {reference.map(|reference| view! { <p class="reference">"Reference " <code>{reference}</code></p> })}
                {typed}
                {support.map(|support| view! { <p>"Questions? Write to " <a href=format!("mailto:{support}")>{support.clone()}</a> "."</p> })}
                <div class="actions start"><a class="button primary" href="/">"Go to the start page"</a></div>
            </div>
        }
        .into_any()
    };
    let page = Page { title: title.to_owned(), frame, status, islands: false, script: None, leads_out_to: None, view: Box::new(view) };
    // A page that is closed for a while opens by itself again.
    let failed = !matches!(refusal, Refusal::Suspended(_));
    let mut response = draw(visit, parts, page, failed).await;
    if refusal == Refusal::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(2));
    }
    response
}

/// Draws a page through Leptos: one string, complete, with its status.
async fn draw(visit: Visit, parts: Parts, page: Page, failed: bool) -> Response {
    let config = &visit.portal.config;
    let around = Around {
        portal_name: config.portal_name.clone(),
        support: config.support_email.as_ref().map(ToString::to_string),
        accent: !config.accent_colour.is_empty(),
        logo: config.logo.as_ref().map(|logo| format!("/logo?v={}", logo.version)),
        theme: visit.theme,
        notice: visit.notice.filter(|_| !failed),
        person: visit.caller.actor.as_ref().map(|a| (a.first_name.clone(), a.name(), a.email.to_string())),
        organization: visit
            .membership
            .as_ref()
            .or(visit.suspended.as_ref().map(|(membership, _)| membership))
            .map(|m| (m.organization.to_string(), m.organization_name.clone())),
        // Signed in and in the portal's frame, a page hears what changes.
        live: visit
            .caller
            .actor
            .as_ref()
            .filter(|_| !failed && page.frame != Frame::Card)
            .map(|actor| (actor.account.to_string(), visit.mark.map(|mark| mark.to_string()).unwrap_or_default())),
        path: visit.path.clone(),
        // The page that says that there is nothing is the same for every address: it does not repeat it.
        here: if failed { "/".to_owned() } else { visit.here() },
        failed,
        operator: visit.caller.actor.as_ref().is_some_and(|actor| actor.operator),
    };
    let said = around.notice.is_some();
    let secrets_cookie = said.then(|| crate::form::door::notice_cookie(&visit.portal, None));
    let signed_in = visit.caller.actor.is_some();
    let refused_form = visit.state.is_some();
    let (status, islands, script) = (page.status, page.islands || around.live.is_some(), page.script.is_some());
    // A literal address of IPv6 is nothing that a policy can name (CSP 3, §2.3.1): then its scheme is.
    let plain = |origin: &&str| origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/[]".contains(&byte));
    let leads_out_to = page.leads_out_to.as_deref().filter(plain).map(|origin| match origin.split_once("//[") {
        Some((scheme, _)) => format!(" {scheme}"),
        None => format!(" {origin}"),
    });
    let leads_out_to = leads_out_to.unwrap_or_default();
    let nonce_slot = std::sync::Arc::new(std::sync::Mutex::new(None));
    let slot = std::sync::Arc::clone(&nonce_slot);
    let app = move || {
        if (islands || script)
            && let Ok(mut slot) = slot.lock()
        {
            *slot = use_nonce().map(|nonce| nonce.to_string());
        }
        document(around, page, refused_form)
    };
    let request = Request::from_parts(parts, Body::empty());
    let mut response = if islands {
        // What the islands' client asks for at its start follows the page.
        leptos_axum::handle_response_inner(
            || {},
            app,
            request,
            |app, chunks, _| Box::pin(async move { Box::pin(futures::StreamExt::chain(whole(app.to_html()), chunks())) as Pieces }),
        )
        .await
    } else {
        leptos_axum::handle_response_inner(|| {}, app, request, |app, _, _| Box::pin(async move { whole(app.to_html()) })).await
    };
    *response.status_mut() = status;
    let nonce = nonce_slot.lock().ok().and_then(|slot| slot.clone());
    let script = match nonce {
        Some(nonce) if islands => format!("script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'"),
        Some(nonce) => format!("script-src 'nonce-{nonce}'"),
        None => "script-src 'none'".to_owned(),
    };
    let policy = format!(
        "default-src 'none'; {script}; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'{leads_out_to}; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    // Who is signed in moves about: what their pointer rests on is loaded ahead.
    if signed_in && status == StatusCode::OK {
        headers.insert(HeaderName::from_static("speculation-rules"), HeaderValue::from_static("\"/speculation-rules.json\""));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // What a signed-in person sees is kept nowhere; the same for what is said once or was typed.
    let cache = if signed_in || said || refused_form || status != StatusCode::OK { "no-store" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Some(cookie) = secrets_cookie
        && let Ok(value) = HeaderValue::from_str(&cookie)
    {
        headers.append(header::SET_COOKIE, value);
    }
    response
}

fn document(around: Around, page: Page, refused_form: bool) -> impl IntoView {
    let error = if refused_form { "Error: " } else { "" };
    let organization = around
        .organization
        .as_ref()
        .filter(|_| page.frame == Frame::Portal && !around.failed && !around.path.starts_with("/operator"))
        .map(|(_, name)| format!(" · {name}"))
        .unwrap_or_default();
    let title = format!("{error}{}{organization} · {}", page.title, around.portal_name);
    let theme = match around.theme {
        Theme::System => None,
        chosen => Some(chosen.name()),
    };
    let islands = page.islands || around.live.is_some();
    let script = page.script.map(|name| html::script().r#type("module").src(assets::address(name)).nonce(use_nonce()));
    view! {
        <!DOCTYPE html>
        <html lang="en" dir="ltr" data-theme=theme>
            <head>
                <meta charset="utf-8"/>
                // Inside a title markers would be text; so it is one piece, escaped here.
                <title inner_html=escaped(&title)></title>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="description" content=format!("{}: your organization, its members and its support in one place", around.portal_name)/>
                <link rel="icon" href=assets::address("favicon.svg") type="image/svg+xml"/>
                <link rel="stylesheet" href=assets::address("org-portal.css")/>
                {around.accent.then(|| view! { <link rel="stylesheet" href="/brand.css"/> })}
                {islands.then(start)}
                {script}
            </head>
            {body(around, page)}
        </html>
    }
}

/// What loads the browser's side and starts the islands: Leptos's `HydrationScripts` with a script of our own.
fn start() -> impl IntoView {
    // From here on only islands are drawn as something that is hydrated.
    if let Some(context) = Owner::current_shared_context() {
        context.set_is_hydrating(false);
    }
    let [script, module] = ["org-portal.js", "org-portal.wasm"].map(assets::address);
    let start_script = include_str!("start.js").replace("SCRIPT", &format!("{script:?}")).replace("MODULE", &format!("{module:?}"));
    // Its comments are for who reads the source.
    let start_script = start_script.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    view! {
        <link rel="modulepreload" href=script/>
        <link rel="preload" href=module r#as="fetch" r#type="application/wasm" crossorigin=""/>
        <script type="module" nonce=use_nonce() inner_html=start_script></script>
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

type Pieces = std::pin::Pin<Box<dyn futures::Stream<Item = String> + Send>>;

/// Nothing in a page waits for anything: it is one string.
fn whole(html: String) -> Pieces {
    Box::pin(futures::stream::once(async move { html }))
}

fn body(around: Around, page: Page) -> AnyView {
    let content = (page.view)();
    let notice = around.notice.map(|(notice, n)| {
        view! {
            <div class="notice" role="status">
                <Icon inner=icons::CHECK_CIRCLE large=true/>
                <p>{notice.text(n)}</p>
                <a class="icon-button" href=around.here.clone()><Icon inner=icons::X/><span class="vh">"Dismiss"</span></a>
            </div>
        }
    });
    let brand = view! {
        <a class="brand" href="/">
            {match around.logo.clone() {
                Some(address) => view! { <img class="brand-mark" src=address alt=""/> }.into_any(),
                None => view! { <svg class="brand-mark" viewBox="0 0 24 24" aria-hidden="true" inner_html=icons::BRAND></svg> }.into_any(),
            }}
            <span class="brand-name">{around.portal_name.clone()}</span>
        </a>
    };
    let signed_in = around.person.clone().filter(|_| page.frame != Frame::Card);
    let Some((first_name, name, email)) = signed_in else {
        let support = around.support.clone().filter(|_| !around.failed);
        return view! {
            <body class="signed-out">
                <a class="skip" href="#main">"Skip to content"</a>
                <main id="main" tabindex="-1">
                    {brand}
                    {content}
                    {support.map(|support| view! { <p class="aside">"Questions? Write to " <a href=format!("mailto:{support}")>{support.clone()}</a></p> })}
                </main>
                {notice}
            </body>
        }
        .into_any();
    };
    let main_class = if page.frame == Frame::Narrow { "main narrow" } else { "main" };
    let initials: String =
        name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric())).take(2).collect::<String>().to_uppercase();
    view! {
        <body class="app">
            <a class="skip" href="#main">"Skip to content"</a>
            <header class="topbar">
                <details class="menu navmenu" name="topbar">
                    <summary class="icon-button"><Icon inner=icons::MENU large=true/><span class="vh">"Menu"</span></summary>
                    <nav class="menu-panel" aria-label="Main" data-region="menu">{navigation(&around)}</nav>
                </details>
                {brand}
                <p class="topbar-org" data-region="organization" data-member-of=around.organization.clone().map(|(id, _)| id)>
                    {around.organization.clone().map(|(_, name)| view! { <a href="/organization"><bdi>{name}</bdi></a> })}
                </p>
                <details class="menu end account" name="topbar">
                    <summary>
                        <span class="avatar" aria-hidden="true">{initials}</span>
                        <span class="account-name"><span class="vh">"Account menu: "</span><bdi>{first_name}</bdi></span>
                        <Icon inner=icons::CHEVRON_DOWN/>
                    </summary>
                    <div class="menu-panel">
                        <div class="menu-head"><p><strong><bdi>{name}</bdi></strong></p><p class="quiet-text"><bdi>{email}</bdi></p></div>
                        <hr/>
                        <a class="menu-item" href="/account"><Icon inner=icons::USER/>"Account"</a>
                        {theme_form(around.theme, &around.here)}
                        <hr/>
                        <form method="post" action="/do/sign_out"><button class="menu-item"><Icon inner=icons::SIGN_OUT/>"Sign out"</button></form>
                    </div>
                </details>
            </header>
            <nav class="sidenav" aria-label="Main" data-region="navigation">{navigation(&around)}</nav>
            <main class=main_class id="main" tabindex="-1">{content}</main>
            <div class="notices">
                {notice}
                {around.live.clone().map(|(account, mark)| view! { <Live account mark/> })}
            </div>
        </body>
    }
    .into_any()
}

fn theme_form(theme: Theme, here: &str) -> AnyView {
    let drawn = Drawn { page: here.to_owned(), key: String::new(), organization: None };
    let choice = |value: Theme, label: &'static str, icon: &'static str| {
        view! { <button name="theme" value=value.name() aria-pressed=if theme == value { "true" } else { "false" }><Icon inner=icon/>{label}</button> }
    };
    view! {
        <form method="post" action="/do/choose_theme">
            <crate::ui::Hidden drawn/>
            <fieldset class="segmented">
                <legend>"Theme"</legend>
                {choice(Theme::System, "Auto", icons::MONITOR)}
                {choice(Theme::Light, "Light", icons::SUN)}
                {choice(Theme::Dark, "Dark", icons::MOON)}
            </fieldset>
        </form>
    }
    .into_any()
}

fn navigation(around: &Around) -> AnyView {
    let entry = |href: &'static str, label: &'static str, icon: &'static str, current: bool| {
        view! { <li><a href=href aria-current=current.then_some("page")><Icon inner=icon/>{label}</a></li> }
    };
    let at = |prefix: &str| !around.failed && (around.path == prefix || around.path.starts_with(&format!("{prefix}/")));
    view! {
        <ul class="nav-list">
            // To an operator without an organization the console is what this page is to others.
            {(!around.operator || around.organization.is_some()).then(|| entry("/getting-started", "Getting Started", icons::STEPS, at("/getting-started")))}
            {around.organization.is_some().then(|| entry("/organization", "Organization", icons::ORGANIZATION, at("/organization")))}
            {around.operator.then(|| entry("/operator", "Operator", icons::MONITOR, at("/operator")))}
            {entry("/roles", "Roles and permissions", icons::SHIELD, at("/roles"))}
        </ul>
    }
    .into_any()
}
