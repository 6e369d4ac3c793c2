//! The room's pages: pure views.

use leptos::prelude::*;

use super::{ContactView, EntitlementView, Standing, actions::Belonging};
use crate::{
    form::Drawn,
    list::{ListQuery, Listed},
    organizations::{
        OrganizationView,
        pages::{Tab, tabs},
    },
    permissions::Role,
    ui::{
        Copied, Day, Hidden, Icon, LocalTimes, Number, icons,
        list::{self, Head, Table},
    },
    words::Timestamp,
};

const PATH: &str = "/organization/entitlements";

/// On Getting Started: why there is no organization yet, and what can be done.
#[must_use]
pub fn belonging(belonging: Belonging, drawn: Drawn) -> AnyView {
    match belonging {
        Belonging::Joins(name) => view! {
            <section class="callout accent" aria-labelledby="belonging">
                <Icon inner=icons::ORGANIZATION/>
                <div class="callout-body">
                    <div><p><strong id="belonging">"Your organization is " <bdi>{name}</bdi></strong></p><p>"Your address belongs to it, so no invitation is needed."</p></div>
                    <div class="actions"><form method="post" action="/do/join_organization"><Hidden drawn/><button class="button primary">"Join"</button></form></div>
                </div>
            </section>
        }
        .into_any(),
        Belonging::Waits(waiting) => {
            let known = waiting.administrator.is_some();
            let who = match waiting.administrator {
                Some(address) => view! { "It opens when its administrator, " <bdi>{address}</bdi> ", signs in here for the first time." }.into_any(),
                None => view! { "It opens when its administrator signs in here for the first time, and nobody is named as that yet. The support of this portal can name one." }.into_any(),
            };
            let remind = match (known, waiting.reminded) {
                (false, _) => None,
                (true, true) => Some(view! { <p class="hint">"The administrator was reminded within the last day."</p> }.into_any()),
                (true, false) => {
                    Some(view! { <form method="post" action="/do/remind_administrator"><Hidden drawn/><button class="button">"Remind the administrator"</button></form> }.into_any())
                }
            };
            view! {
                <section class="callout warn" aria-labelledby="belonging">
                    <Icon inner=icons::CLOCK/>
                    <div class="callout-body">
                        <div><p><strong id="belonging"><bdi>{waiting.customer}</bdi> " is not open yet"</strong></p><p>{who}</p></div>
                        <div class="actions">{remind}</div>
                    </div>
                </section>
            }
            .into_any()
        }
    }
}

fn head(organization: &OrganizationView) -> AnyView {
    view! {
        <header class="page-head" data-region="head">
            <div><p class="kicker">"Organization"</p><h1><bdi>{organization.name.clone()}</bdi></h1></div>
        </header>
    }
    .into_any()
}

fn ask(support: Option<String>) -> AnyView {
    match support {
        Some(address) => {
            view! { " Write to " <a href=format!("mailto:{address}")>{address.clone()}</a> " where something is missing." }.into_any()
        }
        None => ().into_any(),
    }
}

/// The Entitlements tab.
#[must_use]
pub fn entitlements(
    page: Option<Listed<EntitlementView>>,
    query: ListQuery,
    organization: OrganizationView,
    role: Role,
    support: Option<String>,
) -> AnyView {
    let states = [("current", "Not ended"), ("ended", "Ended")].map(|(name, title)| (name.to_owned(), title.to_owned()));
    let content = match page {
        None => empty("No entitlements", "Support contracts stand here once your organization is joined with a customer record.", support),
        Some(page) if page.rows.is_empty() && query.is_conditional() => {
            let sentence = "None has a name that holds what you searched for, or the filter leaves none.";
            list::empty(icons::DOCUMENT, "No entitlements found", sentence, list::clear(&query, PATH))
        }
        Some(page) if page.rows.is_empty() => empty("No entitlements", "The customer record of your organization holds none.", support),
        Some(page) => rows(PATH, page, &query),
    };
    view! {
        {head(&organization)}
        {tabs(Tab::Entitlements, organization.members, role)}
        <div class="section">
            <div class="toolbar">
                {list::search(PATH, "Search entitlements by name", "Search by name", &query)}
                {list::filter(PATH, &query, "state", "State", "any", &states)}
            </div>
            {content}
        </div>
        <LocalTimes/>
    }
    .into_any()
}

fn empty(title: &'static str, sentence: &'static str, support: Option<String>) -> AnyView {
    list::empty(icons::DOCUMENT, title, view! { {sentence} {ask(support)} }, None)
}

/// The rows of a list of entitlements, with the pages before and after.
#[must_use]
pub fn rows(path: &str, page: Listed<EntitlementView>, query: &ListQuery) -> AnyView {
    list::table(path, page, query, TABLE, row)
}

/// The first rows, in no order of the reader's own, and the way to the page that has all of them, where there are more.
pub fn first_rows(all: &str, page: Listed<EntitlementView>) -> AnyView {
    let more = page.next.is_some().then(|| {
        view! { <p class="quiet-text"><a href=all.to_owned()>"All " {list::counted(page.count)} " entitlements"</a></p> }
    });
    let rows = page.rows.into_iter().map(row).collect();
    view! { {list::whole_table("Entitlements", &["Name", "Number", "Support", "Units", "From", "Until"], rows)}{more} }.into_any()
}

const TABLE: Table<'_> = Table {
    class: "table",
    caption: "Entitlements",
    pages: "Pages of entitlements",
    heads: &[
        Head::Sorted("name", "Name"),
        Head::Sorted("number", "Number"),
        Head::Plain("Support"),
        Head::Plain("Units"),
        Head::Plain("From"),
        Head::Sorted("end", "Until"),
    ],
};

fn row(e: EntitlementView) -> AnyView {
    let badge = match e.standing {
        Standing::Active => None,
        Standing::Coming => Some(view! { <span class="badge"><Icon inner=icons::CLOCK/>"Not begun"</span> }.into_any()),
        Standing::EndsSoon => Some(view! { <span class="badge warn"><Icon inner=icons::WARNING/>"Ends soon"</span> }.into_any()),
        Standing::Ended => Some(view! { <span class="badge"><Icon inner=icons::BAN/>"Ended"</span> }.into_any()),
    };
    let products = e.products.join(", ");
    let support = [e.tier, e.support_level].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    // Its last day, as people name it.
    let last = Timestamp(e.ends_at.0 - 1);
    let number = e.number.clone();
    view! {
        <tr role="row" data-key=number>
            <th scope="row" role="rowheader" class="break">
                <span><bdi>{e.name.clone()}</bdi> " " {badge}</span>
                {(!products.is_empty()).then(|| view! { " " <span class="sub"><bdi>{products}</bdi></span> })}
            </th>
            <td role="cell" class="nowrap" data-label="Number">{e.number}</td>
            <td role="cell" data-label="Support"><bdi>{support}</bdi></td>
            <td role="cell" class="nowrap" data-label="Units">{units(e.units_used, e.units_total, &e.name)}</td>
            <td role="cell" class="nowrap" data-label="From"><Day at=e.starts_at/></td>
            <td role="cell" class="nowrap" data-label="Until"><Day at=last/></td>
        </tr>
    }
    .into_any()
}

/// Units used of those bought, as a bar and in words; what is used beyond is said by the words.
fn units(used: i64, total: i64, name: &str) -> AnyView {
    if total == 0 {
        return view! { <span><Number n=used/> " used"</span> }.into_any();
    }
    let label = format!("Units of {name} that are used");
    view! {
        <span class="units">
            <meter min="0" max=total.to_string() high=(total - 1).to_string() value=used.min(total).to_string() aria-label=label></meter>
            <Number n=used/> " of " <Number n=total/>
        </span>
    }
    .into_any()
}

/// The Contacts tab.
#[must_use]
pub fn contacts(contacts: Vec<ContactView>, organization: OrganizationView, role: Role, support: Option<String>) -> AnyView {
    let content = if contacts.is_empty() {
        let sentence = view! { "Nobody is named as a contact of your organization yet." {ask(support)} };
        list::empty(icons::USERS, "No contacts", sentence, None)
    } else {
        view! { <ul class="list">{contacts.into_iter().map(contact).collect_view()}</ul> }.into_any()
    };
    view! {
        {head(&organization)}
        {tabs(Tab::Contacts, organization.members, role)}
        {content}
        <LocalTimes/>
    }
    .into_any()
}

/// A contact in a list.
#[must_use]
pub fn contact(contact: ContactView) -> AnyView {
    let ContactView { name, title, email, phone } = contact;
    let call: String = phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let phone = (!phone.is_empty()).then(|| {
        let href = if call.is_empty() { String::new() } else { format!("tel:{call}") };
        view! { <Copied href=href text=phone/> }
    });
    view! {
        <li>
            <Icon inner=icons::USER large=true/>
            <div class="list-body">
                <p class="list-title"><bdi>{name}</bdi></p>
                {(!title.is_empty()).then(|| view! { <p class="list-meta"><bdi>{title}</bdi></p> })}
                <p class="list-meta copy"><Copied href=format!("mailto:{email}") text=email/> {phone}</p>
            </div>
        </li>
    }
    .into_any()
}
