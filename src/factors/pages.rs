//! The room's pages: pure views.

use leptos::prelude::*;

use super::{
    MAX_NAME, PASSKEY, PATH, RECOVERY, REMOVE, SECOND_STEP, SET_UP,
    actions::Factors,
    store::{Authenticator, Passkey},
};
use crate::{
    form::Drawn,
    operator::pages::Forms,
    ui::{Checked, ErrorSummary, Hidden, Icon, LocalTimes, Moment, TextField, icons},
    visit::sign_in_address,
    words::{FactorId, Timestamp},
};

/// So few recovery codes are few.
const FEW: i64 = 3;

fn head(title: &'static str) -> AnyView {
    view! { <header class="page-head"><div><p class="kicker"><a href=PATH>"Two-step sign-in"</a></p><h1>{title}</h1></div></header> }
        .into_any()
}

/// The section of the page Account.
#[must_use]
pub fn section(factors: &Factors) -> AnyView {
    let on = factors.is_on();
    let several = |n: usize, one: &str, many: &str| match n {
        0 => None,
        1 => Some(one.to_owned()),
        n => Some(format!("{n} {many}")),
    };
    let apps = several(factors.apps.len(), "one authenticator app", "authenticator apps");
    let passkeys = several(factors.passkeys.len(), "one passkey", "passkeys");
    let what: Vec<String> = apps.into_iter().chain(passkeys).collect();
    let what = if on { format!("With {}.", what.join(" and ")) } else { "Off: your password alone signs you in.".to_owned() };
    view! {
        <ul class="list">
            <li>
                <Icon inner=icons::SHIELD large=true/>
                <div class="list-body">
                    <p class="list-title">"Two-step sign-in" {on.then(|| view! { " " <span class="badge good"><Icon inner=icons::CHECK/>"On"</span> })}</p>
                    <p class="list-meta">{what}</p>
                </div>
                <a class="button small" href=PATH>{if on { "Manage" } else { "Set up" }}<span class="vh">" two-step sign-in"</span></a>
            </li>
        </ul>
    }
    .into_any()
}

/// One's second factors.
#[must_use]
pub fn factors(factors: Factors) -> AnyView {
    let on = factors.is_on();
    let Factors { apps, passkeys, recovery_codes, ready, takes_passkeys } = factors;
    let codes = on.then(|| recovery(recovery_codes));
    let add = match (ready, on) {
        (true, false) => view! { <div class="actions start"><a class="button primary" href=SET_UP>"Set up an app"</a></div> }.into_any(),
        (true, true) => view! { <div class="actions start"><a class="button" href=SET_UP><Icon inner=icons::PLUS/>"Add another app"</a></div> }.into_any(),
        (false, _) => view! {
            <div class="callout warn"><Icon inner=icons::WARNING/><div><p>"Apps cannot be set up here yet: the operator of this portal has to name a key file first."</p></div></div>
        }
        .into_any(),
    };
    let passkey = takes_passkeys.then(|| {
        view! { <div class="actions start" data-passkeys hidden><a class="button" href=PASSKEY><Icon inner=icons::PLUS/>"Add a passkey"</a></div> }
    });
    let list = on.then(|| view! { <ul class="list">{apps.into_iter().map(app_item).collect_view()} {passkeys.into_iter().map(passkey_item).collect_view()}</ul> });
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/account">"Account"</a></p><h1>"Two-step sign-in"</h1></div></header>
        <div class="section">
            <p>"After your password, the portal asks for a code that an app on your phone or computer shows, or for a passkey. Whoever learns your password cannot sign in with it alone. A passkey also signs you in without the password."</p>
            // What the script shows stays shown when the rest is drawn again.
            <div class="section" data-region="factors">{list}</div>
            {add}
            {passkey}
            <div class="section" data-region="recovery-codes">{codes}</div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

fn app_item(app: Authenticator) -> AnyView {
    item(app.id, app.name, "Authenticator app", icons::PHONE, app.created_at, app.last_used_at)
}

fn passkey_item(passkey: Passkey) -> AnyView {
    item(passkey.id, passkey.name, "Passkey", icons::KEY, passkey.created_at, passkey.last_used_at)
}

fn item(
    id: FactorId,
    name: String,
    kind: &'static str,
    icon: &'static str,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
) -> AnyView {
    let href = format!("{REMOVE}?factor={id}");
    view! {
        <li data-key=id.to_string()>
            <Icon inner=icon large=true/>
            <div class="list-body">
                <p class="list-title"><bdi>{name.clone()}</bdi></p>
                <p class="list-meta">
                    {kind} ", set up " <Moment at=created_at/>
                    {match last_used_at {
                        Some(at) => view! { " · last used " <Moment at=at/> }.into_any(),
                        None => view! { " · not used yet" }.into_any(),
                    }}
                </p>
            </div>
            <a class="button small" href=href>"Remove"<span class="vh">" " {name}</span></a>
        </li>
    }
    .into_any()
}

fn recovery(left: i64) -> AnyView {
    let words = match left {
        0 => "None is left. Make new ones.".to_owned(),
        1 => "One is left.".to_owned(),
        n => format!("{n} are left."),
    };
    view! {
        <h2>"Recovery codes"</h2>
        <ul class="list">
            <li>
                <Icon inner=icons::KEY large=true/>
                <div class="list-body">
                    <p class="list-title">{words} {(left <= FEW).then(|| view! { " " <span class="badge warn">"Few"</span> })}</p>
                    <p class="list-meta">"Each signs you in once where the app is not at hand."</p>
                </div>
                <a class="button small" href=RECOVERY>"Make new ones"<span class="vh">": recovery codes"</span></a>
            </li>
        </ul>
    }
    .into_any()
}

/// What the page to set up an app shows.
pub struct AppPage {
    /// The secret, sealed, which comes back with the form.
    pub sealed: String,
    /// The secret as it is typed.
    pub key: String,
    /// The QR code: how wide, and the path of its dark modules.
    pub qr: Option<(i32, String)>,
    /// Whether it is the first one.
    pub first: bool,
    /// Where one wanted to go.
    pub to: Option<String>,
}

/// Set up an app: the QR code, the key as text, and a code of the app to confirm.
#[must_use]
pub fn app(page: AppPage, forms: Forms) -> AnyView {
    view! {
        {head("Set up an app")}
        <form class="card form" method="post" action="/do/add_app" novalidate>
            {app_fields(page, forms)}
            <div class="actions start"><button class="button primary">"Set up"</button><a class="button quiet" href=PATH>"Cancel"</a></div>
        </form>
    }
    .into_any()
}

/// The same for whoever may do nothing else before.
#[must_use]
pub fn first_app(page: AppPage, forms: Forms, passkeys: bool) -> AnyView {
    let place = page.to.as_deref().map_or_else(|| PASSKEY.to_owned(), |to| on_the_way(PASSKEY, to));
    let passkey = passkeys.then(|| view! { <a class="button wide" href=place data-passkeys hidden>"Use a passkey instead"</a> });
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"Set up two-step sign-in"</h1>
                <p>"This portal asks you for a second factor: a code from an app, after your password. Set it up to go on."</p>
            </div>
            <form class="form-body" method="post" action="/do/add_app" novalidate>
                {app_fields(page, forms)}
                <button class="button primary wide">"Set up"</button>
            </form>
            {passkey}
            <form method="post" action="/do/sign_out"><button class="button wide">"Sign out"</button></form>
        </div>
    }
    .into_any()
}

/// The address of a page on the way to a place.
fn on_the_way(page: &str, to: &str) -> String {
    let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    format!("{page}?to={to}")
}

/// What the page to add a passkey shows.
pub struct PasskeyPage {
    /// Whether it is the first factor.
    pub first: bool,
    /// Where one wanted to go.
    pub to: Option<String>,
}

/// Add a passkey: a name, and the browser does the rest.
#[must_use]
pub fn passkey(page: PasskeyPage, forms: Forms) -> AnyView {
    view! {
        {head("Add a passkey")}
        <div class="card form">
            {passkey_form(page, forms)}
            <div class="actions start"><a class="button quiet" href=PATH>"Cancel"</a></div>
        </div>
    }
    .into_any()
}

/// The same for whoever may do nothing else before.
#[must_use]
pub fn first_passkey(page: PasskeyPage, forms: Forms) -> AnyView {
    let back = page.to.as_deref().map_or_else(|| SET_UP.to_owned(), |to| on_the_way(SET_UP, to));
    view! {
        <div class="card">
            <div class="card-head"><h1>"Set up a passkey"</h1><p>"This portal asks you for a second factor. Set it up to go on."</p></div>
            {passkey_form(page, forms)}
            <a class="button wide" href=back>"Use an authenticator app instead"</a>
            <form method="post" action="/do/sign_out"><button class="button wide">"Sign out"</button></form>
        </div>
    }
    .into_any()
}

fn passkey_form(page: PasskeyPage, forms: Forms) -> AnyView {
    let PasskeyPage { first, to } = page;
    let (top, password) = forms.fields();
    let checked = forms.checked;
    let ends = first.then_some(" All your other sessions end, and you get recovery codes to keep.");
    view! {
        <p>"Your device, your phone or a security key keeps the passkey and unlocks it by your face, your finger or a PIN. It signs you in without the password." {ends}</p>
        <form class="form-body" method="post" action="/do/add_passkey" data-passkey="register" novalidate hidden>
            {top}
            {answer_fields()}
            {to.map(|to| view! { <input type="hidden" name="form[to]" value=to/> })}
            <TextField name="name" label="Name" value=checked.value("name", "") error=checked.error("name") hint="What it is, on which device." maxlength=MAX_NAME/>
            {password}
            {said()}
            <button class="button primary wide">"Create the passkey"</button>
        </form>
        <p class="hint">"It needs a browser with passkeys, and JavaScript."</p>
    }
    .into_any()
}

/// What the script fills in.
fn answer_fields() -> AnyView {
    view! { <input type="hidden" name="form[handle]" value=""/><input type="hidden" name="form[answer]" value=""/> }.into_any()
}

/// What the script shows where nothing came of it.
fn said() -> AnyView {
    view! { <p class="field-error" role="alert" data-said hidden><Icon inner=icons::ALERT/><span>"No passkey came. Try again."</span></p> }
        .into_any()
}

/// The button that signs in with a passkey; `kind` is what for.
#[must_use]
pub fn passkey_button(drawn: Drawn, kind: &'static str, to: Option<String>) -> AnyView {
    view! {
        <form class="form-body" method="post" action="/do/use_passkey" data-passkey=kind novalidate hidden>
            <Hidden drawn=drawn/>
            {answer_fields()}
            {to.map(|to| view! { <input type="hidden" name="form[to]" value=to/> })}
            {said()}
            <button class="button wide"><Icon inner=icons::KEY/>{if kind == "sign-in" { "Sign in with a passkey" } else { "Use a passkey" }}</button>
        </form>
    }
    .into_any()
}

fn app_fields(page: AppPage, forms: Forms) -> AnyView {
    let AppPage { sealed, key, qr, first, to } = page;
    let (top, password) = forms.fields();
    let checked = forms.checked;
    let qr = qr.map(|(size, path)| {
        view! {
            <svg class="qr" viewBox=format!("0 0 {size} {size}") role="img" aria-label="QR code of the key below">
                <rect width=size height=size fill="#fff"></rect>
                <path d=path fill="#000"></path>
            </svg>
        }
    });
    let ends = first.then_some(" All your other sessions end, and you get recovery codes to keep.");
    view! {
            {top}
            <input type="hidden" name="form[sealed]" value=sealed/>
            {to.map(|to| view! { <input type="hidden" name="form[to]" value=to/> })}
            <p>"Scan this with an authenticator app, such as the one that your phone or your password manager has." {ends}</p>
            {qr}
            <div>
                <p class="hint">"Or type this key into the app. It makes codes by time, with 6 digits."</p>
                <p class="secret"><code>{key}</code></p>
            </div>
            <TextField name="name" label="Name" value=checked.value("name", "") error=checked.error("name") hint="Which app, on which device." maxlength=MAX_NAME/>
            {code_field("Code that the app shows", checked.error("code"), false, false)}
            {password}
    }
    .into_any()
}

/// The field for a code. It is never filled in again.
fn code_field(label: &'static str, error: Option<String>, recovery: bool, autofocus: bool) -> AnyView {
    let invalid = error.is_some().then_some("true");
    let described = error.is_some().then_some("code-error");
    view! {
        <div class="field">
            <label for="code">{label}</label>
            <input
                id="code" name="form[code]" type="text" required aria-invalid=invalid aria-describedby=described spellcheck="false" autocapitalize="none"
                autofocus=autofocus
                inputmode=(!recovery).then_some("numeric") autocomplete=if recovery { "off" } else { "one-time-code" }
            />
            {error.map(|error| view! { <p class="field-error" id="code-error"><Icon inner=icons::ALERT/><span>{error}</span></p> })}
        </div>
    }
    .into_any()
}

/// Remove an app or a passkey, as a page that says what that means.
#[must_use]
pub fn remove(id: FactorId, name: String, last: bool, forms: Forms) -> AnyView {
    let (top, password) = forms.fields();
    let then = if last {
        "It is the last one: your password alone signs you in from then on, and the recovery codes go too."
    } else {
        "It signs nobody in from then on. Your others and the recovery codes stay."
    };
    view! {
        {head("Remove a second factor")}
        <form class="card form" method="post" action="/do/remove_factor" novalidate>
            {top}
            <input type="hidden" name="form[factor]" value=id.to_string()/>
            <p>"Remove " <strong><bdi>{name}</bdi></strong> "? " {then}</p>
            {password}
            <div class="actions"><a class="button" href=PATH>"Cancel"</a><button class="button danger">"Remove"</button></div>
        </form>
    }
    .into_any()
}

/// Make recovery codes anew.
#[must_use]
pub fn recovery_codes(left: i64, forms: Forms) -> AnyView {
    let (top, password) = forms.fields();
    let before = match left {
        0 => "",
        1 => "The one that is left stops working. ",
        _ => "Those that you have stop working. ",
    };
    view! {
        {head("New recovery codes")}
        <form class="card form" method="post" action="/do/renew_recovery_codes" novalidate>
            {top}
            <p>{before} "The new ones are shown once, on the next page."</p>
            {password}
            <div class="actions start"><button class="button primary">"Make new codes"</button><a class="button quiet" href=PATH>"Cancel"</a></div>
        </form>
    }
    .into_any()
}

/// Recovery codes, once, on the way to a place.
#[must_use]
pub fn codes(codes: Vec<String>, to: String) -> AnyView {
    let all = codes.join("\n");
    view! {
        {head("Keep the recovery codes")}
        <div class="card">
            <p>"Each of these signs you in once, after your password, where the app is not at hand. They are shown this once. Print them or put them into a password manager, and not on the device that has the app."</p>
            <ul class="codes">{codes.into_iter().map(|code| view! { <li><code>{code}</code></li> }).collect_view()}</ul>
            <div class="actions start">
                <a class="button primary" href=to>"I have kept them"</a>
                <button class="button" type="button" data-copy=all><Icon inner=icons::COPY/>"Copy all"</button>
            </div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

/// What the second step of a sign-in offers.
#[derive(Clone, Copy, Debug)]
pub struct Offered {
    /// A recovery code is asked for in place of the app's.
    pub recovery: bool,
    /// The account has an app.
    pub has_app: bool,
    /// It has a passkey.
    pub passkey: bool,
}

/// The second step of a sign-in. `to` is where one wanted to go.
#[must_use]
pub fn second_step([drawn, passkey_drawn]: [Drawn; 2], checked: Checked, to: Option<String>, offered: Offered) -> AnyView {
    // Who has passkeys alone is asked for one, or for a recovery code.
    let recovery = offered.recovery || !offered.has_app;
    let passkey = offered.passkey.then(|| passkey_button(passkey_drawn, "second-step", to.clone()));
    let other = |with: Option<&str>| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(with.map(|with| ("with", with)));
        query.extend_pairs(to.as_deref().map(|to| ("to", to)));
        match query.finish() {
            query if query.is_empty() => SECOND_STEP.to_owned(),
            query => format!("{SECOND_STEP}?{query}"),
        }
    };
    let (label, hint, other) = if recovery {
        (
            "Recovery code",
            "One of those that you kept when you set up the app. It works once.",
            offered.has_app.then(|| view! { <a href=other(None)>"Use the app"</a> " · " }).into_any(),
        )
    } else {
        (
            "Code",
            "Open your authenticator app and enter the 6 digits that it shows for this portal.",
            view! { <a href=other(Some("recovery-code"))>"Use a recovery code"</a> " · " }.into_any(),
        )
    };
    let again = to.as_deref().map_or_else(|| "/sign-in".to_owned(), sign_in_address);
    let lost = recovery.then(|| view! { <p class="aside">"No code left? The support of this portal can help."</p> });
    view! {
        <div class="card">
            <div class="card-head"><h1>"Enter the code"</h1><p>{hint}</p></div>
            <ErrorSummary refusal=checked.refusal()/>
            <form class="form-body" method="post" action="/do/finish_sign_in" novalidate>
                <Hidden drawn=drawn/>
                {to.clone().map(|to| view! { <input type="hidden" name="form[to]" value=to/> })}
                {code_field(label, checked.error("code"), recovery, checked.0.is_none())}
                <button class="button primary wide">"Sign in"</button>
            </form>
            {passkey}
        </div>
        <p class="aside">{other} <a href=again>"Start again"</a></p>
        {lost}
    }
    .into_any()
}
