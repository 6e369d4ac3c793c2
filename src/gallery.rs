//! Every component in every state on one page, at `/dev/gallery` in debug builds alone: to look at, and for the tests
//! that take its picture. A new component or state gets its place here.

use leptos::prelude::*;

use crate::{
    db::Failure,
    form::{FieldErrors, FormState, Refusal},
    ui::{Checked, Copied, ErrorSummary, Icon, SelectField, TextField, icons},
    visit::{Answer, Page, Visit},
};

/// `GET /dev/gallery`.
///
/// # Errors
/// None.
pub async fn gallery(_: &Visit) -> Result<Answer, Failure> {
    Ok(Page::new("Gallery", view).into())
}

fn view() -> AnyView {
    view! {
        <header class="page-head">
            <div><p class="kicker"><a href="/">"Portal"</a></p><h1>"Gallery"</h1><p class="lede">"Every component in every state."</p></div>
            <div class="page-actions"><a class="button" href="#forms">"Second action"</a><a class="button primary" href="#buttons">"Main action"</a></div>
        </header>
        {section("type", "Type", kinds_of_text())}
        {section("buttons", "Buttons", buttons())}
        {section("badges", "Badges, counts, chips", badges())}
        {section("forms", "Forms", forms())}
        {section("callouts", "Callouts", callouts())}
        {section("tabs", "Tabs, toolbar, pager", tools())}
        {section("tables", "Tables", tables())}
        {section("lists", "Steps, facts, lists", lists())}
        {section("empty", "Empty, loading, shown once", empty())}
        {section("dialogs", "Dialogs and menus", dialogs())}
    }
    .into_any()
}

fn section(id: &'static str, title: &'static str, inside: AnyView) -> AnyView {
    view! { <section class="section" aria-labelledby=id><div class="section-head"><h2 id=id>{title}</h2></div>{inside}</section> }
        .into_any()
}

fn kinds_of_text() -> AnyView {
    view! {
        <div class="card">
            <h3>"A heading inside a card"</h3>
            <p>"Text with a " <a href="#type">"link"</a> ", " <strong>"strong words"</strong> ", " <code>"code"</code> ", a key " <kbd>"/"</kbd> " and a name from elsewhere: " <bdi>"فاطمة الخوارزمي"</bdi> "."</p>
            <p class="quiet-text">"Quiet text, " <small>"small text"</small> ", and a word that is too long for a narrow column: Donaudampfschifffahrtsgesellschaftskapitänswitwenrente."</p>
            <p class="hint">"A hint."</p>
            <hr/>
            <p class="divider">"or"</p>
            <ul class="bullets"><li>"One thing"</li><li>"Another thing"</li></ul>
        </div>
    }
    .into_any()
}

fn buttons() -> AnyView {
    let row = |class: &'static str| {
        view! {
            <div class="actions start">
                <button type="button" class=format!("button {class}")>"Save"</button>
                <button type="button" class=format!("button {class}")><Icon inner=icons::USER_PLUS/>"With an icon"</button>
                <button type="button" class=format!("button {class}") disabled=true>"Disabled"</button>
                <button type="button" class=format!("button {class}") aria-busy="true">"At work"</button>
                <button type="button" class=format!("button small {class}")>"Small"</button>
            </div>
        }
    };
    view! {
        <div class="card">
            {["", "primary", "danger", "quiet"].map(row).collect_view()}
            <div class="actions start">
                <button type="button" class="icon-button"><Icon inner=icons::EDIT/><span class="vh">"Edit"</span></button>
                <button type="button" class="icon-button danger"><Icon inner=icons::REMOVE/><span class="vh">"Remove"</span></button>
                <button type="button" class="icon-button" disabled=true><Icon inner=icons::REFRESH/><span class="vh">"Resend"</span></button>
                <button type="button" class="link-button">"A button like a link"</button>
            </div>
            <button type="button" class="button primary wide">"As wide as its card"</button>
        </div>
    }
    .into_any()
}

fn badges() -> AnyView {
    view! {
        <div class="card">
            <div class="actions start">
                <span class="badge"><Icon inner=icons::BAN/>"Expired"</span>
                <span class="badge accent">"You"</span>
                <span class="badge good"><Icon inner=icons::CHECK/>"Connected"</span>
                <span class="badge warn"><Icon inner=icons::CLOCK/>"Pending"</span>
                <span class="badge bad"><Icon inner=icons::ALERT/>"Failed"</span>
                <span class="count">"1,000+"</span>
                <span class="avatar" aria-hidden="true">"AL"</span>
            </div>
            <div class="actions start">
                <a class="chip" href="#badges">"Role: " <b>"any"</b><Icon inner=icons::CHEVRON_DOWN/></a>
                <a class="chip on" href="#badges">"Role: " <b>"Admin"</b><Icon inner=icons::X/></a>
            </div>
            <div class="actions start">
                <span class="allowed"><Icon inner=icons::CHECK/>"Yes"</span>
                <span class="refused"><Icon inner=icons::X/>"No"</span>
            </div>
            <p class="progress"><progress max="4" value="2" aria-hidden="true"></progress>"2 of 4 done"</p>
        </div>
    }
    .into_any()
}

fn forms() -> AnyView {
    let errors = FieldErrors(vec![
        ("wrong".to_owned(), "Enter an e-mail address like name@example.com".to_owned()),
        ("wrong_choice".to_owned(), "Choose a role".to_owned()),
    ]);
    let refused = Checked(Some(FormState {
        function: String::new(),
        refusal: Refusal::Invalid(errors),
        values: vec![("form[wrong]".to_owned(), "ada.example".to_owned())],
    }));
    let roles = vec!["Technical user", "Admin"];
    view! {
        <form class="card form" method="get" action="/dev/gallery" novalidate>
            <ErrorSummary refusal=refused.refusal()/>
            <TextField name="plain" label="A field" value="Analytical Engines"/>
            <TextField name="hinted" label="With a hint and a link" hint="As it stands on the contract." link=("#forms", "Forgot it?")/>
            <TextField name="wrong" label="Refused" kind="email" value=refused.value("wrong", "") error=refused.error("wrong")/>
            <TextField name="fixed" label="Shown and not changed" readonly=true value="ada@example.com"/>
            <TextField name="last" label="Last name" optional=true/>
            <TextField name="secret" label="Password" kind="password" autocomplete="off"/>
            <div class="field-row">
                <SelectField name="choice" label="Role" options=roles.clone() value="Admin" hint="An Admin manages members."/>
                <SelectField name="wrong_choice" label="Refused choice" options=roles value="" error=refused.error("wrong_choice")/>
            </div>
            <fieldset class="field">
                <legend>"Scopes"</legend>
                <div class="choices">
                    <div class="choice"><input type="checkbox" id="check-1" checked=true/><label for="check-1">"Connect a server"</label><p class="hint">"What a token is for."</p></div>
                    <div class="choice"><input type="checkbox" id="check-2"/><label for="check-2">"Read tickets"</label></div>
                    <div class="choice"><input type="checkbox" id="check-3" disabled=true/><label for="check-3">"Not yours to give"</label></div>
                </div>
            </fieldset>
            <div class="actions"><a class="button" href="#forms">"Cancel"</a><button class="button primary">"Save"</button></div>
        </form>
        <div class="error-summary"><h2><Icon inner=icons::ALERT/>"The e-mail address or the password is wrong."</h2></div>
    }
    .into_any()
}

fn callouts() -> AnyView {
    [("", icons::INFO, "Good to know"), ("accent", icons::MAIL, "Ada invited you"), ("good", icons::CHECK_CIRCLE, "It is done"), ("warn", icons::WARNING, "You are the only Admin"), ("bad", icons::ALERT, "This did not work")]
        .map(|(class, icon, title)| {
            view! {
                <div class=format!("callout {class}")>
                    <Icon inner=icon/>
                    <div class="callout-body"><div><p><strong>{title}</strong></p><p>"A sentence that says what happened and what to do."</p></div><a class="button" href="#callouts">"Do it"</a></div>
                </div>
            }
        })
        .collect_view()
        .into_any()
}

fn tools() -> AnyView {
    view! {
        <nav class="tabs" aria-label="Tabs">
            <ul>
                <li><a href="#tabs">"Details"</a></li>
                <li><a href="#tabs" aria-current="page">"Members " <span class="count">"100,000"</span></a></li>
                <li><a href="#tabs">"PMM servers " <span class="count">"3"</span></a></li>
                <li><a href="#tabs">"Tickets " <span class="count">"7"</span></a></li>
                <li><a href="#tabs">"Entitlements"</a></li>
                <li><a href="#tabs">"Contacts"</a></li>
                <li><a href="#tabs">"Activity"</a></li>
            </ul>
        </nav>
        <div class="toolbar">
            <div class="search">
                <Icon inner=icons::SEARCH/>
                <label class="vh" for="search">"Search"</label>
                <input class="input" type="search" id="search" placeholder="Search name or e-mail"/>
                <kbd aria-hidden="true">"/"</kbd>
            </div>
            <div class="end"><span class="total">"1–50 of 100,000"</span></div>
        </div>
        <nav class="pager" aria-label="Pages">
            <p>"51–100 of 1,000+"</p>
            <ul>
                <li><a class="button small" href="#tabs"><Icon inner=icons::CHEVRON_LEFT flip=true/>"Previous"</a></li>
                <li><span class="button small" aria-disabled="true">"Next"<Icon inner=icons::CHEVRON_RIGHT flip=true/></span></li>
            </ul>
        </nav>
    }
    .into_any()
}

fn tables() -> AnyView {
    let row = |own: bool, name: &'static str, email: &'static str, role: &'static str, badge: &'static str| {
        view! {
            <tr role="row" class=own.then_some("own")>
                <th scope="row" role="rowheader"><bdi>{name}</bdi>{own.then(|| view! { " " <span class="badge accent">"You"</span> })}</th>
                <td role="cell" class="break"><bdi>{email}</bdi></td>
                <td role="cell" class="nowrap" data-label="Role">{role}</td>
                <td role="cell" data-label="State"><span class=format!("badge {badge}")>{if badge == "warn" { "Pending" } else { "Active" }}</span></td>
                <td role="cell" class="actions-cell">{(!own).then(|| view! { <div class="row-actions"><button type="button" class="icon-button"><Icon inner=icons::EDIT/><span class="label">"Edit " {name}</span></button><button type="button" class="icon-button danger"><Icon inner=icons::REMOVE/><span class="label">"Remove " {name}</span></button></div> })}</td>
            </tr>
        }
    };
    view! {
        <div class="table-wrap">
            <table class="table" role="table">
                <caption class="vh">"Members"</caption>
                <thead role="rowgroup">
                    <tr role="row" data-label="Sort by">
                        <th scope="col" role="columnheader" aria-sort="ascending"><a class="sort" href="#tables">"Name"<Icon inner=icons::SORT_UP/></a></th>
                        <th scope="col" role="columnheader"><a class="sort" href="#tables">"E-mail"<Icon inner=icons::SORT_UP/></a></th>
                        <th scope="col" role="columnheader"><a class="sort" href="#tables">"Role"<Icon inner=icons::SORT_UP/></a></th>
                        <th scope="col" role="columnheader">"State"</th>
                        <th scope="col" role="columnheader" class="actions-cell"><span class="vh">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {row(true, "Ada Lovelace", "ada@example.com", "Admin", "good")}
                    {row(false, "王 小明", "a.very.long.address.that.does.not.want.to.break@subdomain.of.a.long.company.name.example", "Technical user", "good")}
                    {row(false, "ليلى حداد", "layla@example.com", "Technical user", "warn")}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

fn lists() -> AnyView {
    view! {
        <ol class="steps">
            <li class="step done"><span class="step-mark"><Icon inner=icons::CHECK/></span><div class="step-body"><div class="step-text"><h3><span class="vh">"Done: "</span>"Add an organization"</h3></div><a class="button small quiet" href="#lists">"View Organization"</a></div></li>
            <li class="step"><span class="step-mark" aria-hidden="true">"2"</span><div class="step-body"><div class="step-text"><h3>"Invite members"</h3><p>"Your team works here together."</p></div><a class="button primary" href="#lists">"Invite Member"</a></div></li>
            <li class="step locked"><span class="step-mark" aria-hidden="true"><Icon inner=icons::LOCK/></span><div class="step-body"><div class="step-text"><h3><span class="vh">"Not yet: "</span>"Raise a ticket"</h3><p>"First add an organization."</p></div></div></li>
        </ol>
        <div class="card">
            <dl class="facts">
                <div><dt>"Name"</dt><dd>"Analytical Engines"</dd><dd><a href="#lists">"Rename"</a></dd></div>
                <div><dt>"Created"</dt><dd>"24 November 2026"</dd></div>
            </dl>
        </div>
        <ul class="list">
            <li><Icon inner=icons::MONITOR large=true/><div class="list-body"><p class="list-title">"Firefox on Linux " <span class="badge accent">"This browser"</span></p><p class="list-meta">"Last seen now"</p></div></li>
            <li><Icon inner=icons::USER large=true/><div class="list-body"><p class="list-title">"Maria Manager"</p><p class="list-meta copy"><Copied href="mailto:maria@vendor.example".to_owned() text="maria@vendor.example".to_owned()/> <Copied href="tel:+49301234".to_owned() text="+49 30 1234".to_owned()/></p></div></li>
            <li><Icon inner=icons::PHONE large=true/><div class="list-body"><p class="list-title">"Safari on iPhone"</p><p class="list-meta">"Last seen 3 days ago"</p></div><button type="button" class="button small">"End"</button></li>
        </ul>
    }
    .into_any()
}

fn empty() -> AnyView {
    view! {
        <div class="table-wrap">
            <div class="empty">
                <Icon inner=icons::SEARCH large=true/>
                <h3>"No members found"</h3>
                <p>"Nobody's name or e-mail address holds what you searched for."</p>
                <div class="actions"><a class="button" href="#empty">"Clear search"</a></div>
            </div>
        </div>
        <div class="card" aria-hidden="true"><span class="skeleton"></span><span class="skeleton"></span></div>
        <p class="secret"><code>"pmm_3vQ0hM1x9tC4kzR7wYbN2fLs8uGdE6aJ"</code><button type="button" class="button small"><Icon inner=icons::COPY/>"Copy"</button></p>
        <p class="reference">"Reference " <code>"qK3v0hM1x9tC4kzR"</code></p>
    }
    .into_any()
}

fn dialogs() -> AnyView {
    view! {
        <div class="dialog" role="group" aria-labelledby="dialog-title">
            <div class="dialog-head"><h3 id="dialog-title">"Remove member"</h3><button type="button" class="icon-button"><Icon inner=icons::X large=true/><span class="vh">"Close"</span></button></div>
            <div class="dialog-body">
                <p>"Remove " <strong>"Bob Builder"</strong> " from Analytical Engines? They lose access at once, in every session."</p>
                <div class="actions"><button type="button" class="button">"Cancel"</button><button type="button" class="button danger">"Remove Bob Builder"</button></div>
            </div>
        </div>
        <details class="menu">
            <summary class="button">"Menu"<Icon inner=icons::CHEVRON_DOWN/></summary>
            <div class="menu-panel"><a class="menu-item" href="#dialogs"><Icon inner=icons::USER/>"Account"</a><hr/><button type="button" class="menu-item"><Icon inner=icons::SIGN_OUT/>"Sign out"</button></div>
        </details>
        <fieldset class="segmented">
            <legend>"Theme"</legend>
            <button type="button" aria-pressed="true"><Icon inner=icons::MONITOR/>"Auto"</button>
            <button type="button" aria-pressed="false"><Icon inner=icons::SUN/>"Light"</button>
            <button type="button" aria-pressed="false"><Icon inner=icons::MOON/>"Dark"</button>
        </fieldset>
        <div class="notice" role="status"><Icon inner=icons::CHECK_CIRCLE large=true/><p>"The invitation is on its way."</p><a class="icon-button" href="#dialogs"><Icon inner=icons::X/><span class="vh">"Dismiss"</span></a></div>
    }
    .into_any()
}
