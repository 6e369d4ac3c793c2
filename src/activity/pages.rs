//! The room's pages: pure views.

use leptos::prelude::*;

use super::{EventView, KINDS, Piece};
use crate::{
    list::{ListQuery, Listed},
    organizations::{
        OrganizationView,
        pages::{Tab, tabs},
    },
    permissions::Role,
    ui::{
        Ago, Icon, LocalTimes, icons,
        list::{self, Head, Table},
    },
    words::{DAY, Timestamp},
};

const PATH: &str = "/organization/activity";

/// What the page shows.
pub struct Look {
    /// A page of the list.
    pub page: Listed<EventView>,
    /// What was asked for.
    pub query: ListQuery,
    /// The organization.
    pub organization: OrganizationView,
    /// The role of who looks.
    pub role: Role,
    /// Now.
    pub now: Timestamp,
    /// For how many days events are kept.
    pub days: i64,
}

/// The Activity tab.
#[must_use]
pub fn activity(look: Look) -> AnyView {
    let Look { page, query, organization, role, now, days } = look;
    let kinds: Vec<_> = KINDS.map(|(name, title)| (name.to_owned(), title.to_owned())).into();
    let person = person(PATH, &page, &query);
    let export = format!("{PATH}.csv{}", query.at(None, None).to_url());
    view! {
        <header class="page-head" data-region="head">
            <div><p class="kicker">"Organization"</p><h1><bdi>{organization.name.clone()}</bdi></h1></div>
        </header>
        {tabs(Tab::Activity, organization.members, role)}
        <div class="section">
            <div class="toolbar">
                {list::search(PATH, "Search activity by name or e-mail", "Search by name or e-mail", &query)}
            </div>
            <div class="toolbar" role="group" aria-label="Filters">
                {list::filter(PATH, &query, "kind", "Kind", "any", &kinds)}
                {time(PATH, &query, now)}
                {person}
                <div class="end"><a class="button small" href=export download="activity.csv"><Icon inner=icons::DOWNLOAD/>"Export CSV"</a></div>
            </div>
            <div class="section" data-region="activity">{rows(PATH, page, &query)}</div>
            <p class="hint">{format!("Events are kept for {days} days. Times in the filter are days in UTC.")}</p>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

/// Whose events are shown, where they are one person's, and the way back to everybody's. The name comes from the rows.
#[must_use]
pub fn person(path: &str, page: &Listed<EventView>, query: &ListQuery) -> Option<AnyView> {
    query.filter("person")?;
    let name =
        page.rows.iter().find_map(|event| event.actor.as_ref().map(|(_, name)| name.clone())).unwrap_or_else(|| "one person".to_owned());
    let href = format!("{path}{}", query.filtered("person", "").to_url());
    let chip = view! {
        <a class="chip on" href=href>"By: " <strong><bdi>{name}</bdi></strong> <Icon inner=icons::X/><span class="vh">", show everybody's"</span></a>
    };
    Some(chip.into_any())
}

/// The chip that says which days are shown, and opens to choose: some spans as links, any two days as a form.
#[must_use]
pub fn time(path: &'static str, query: &ListQuery, now: Timestamp) -> AnyView {
    let (from, to) = (query.filter("from").unwrap_or_default().to_owned(), query.filter("to").unwrap_or_default().to_owned());
    let day = |text: &str| Timestamp::of_date(text).map(Timestamp::short_date);
    let title = match (day(&from), day(&to)) {
        (None, None) => "any".to_owned(),
        (Some(from), None) => format!("since {from}"),
        (None, Some(to)) => format!("until {to}"),
        (Some(from), Some(to)) if from == to => from,
        (Some(from), Some(to)) => format!("{from} – {to}"),
    };
    let on = title != "any";
    let span = |words: &'static str, since: Option<i64>| {
        let first = since.map(|days| now.plus(-days * DAY).iso_date()).unwrap_or_default();
        let current = first == from && to.is_empty();
        let href = format!("{path}{}", query.filtered("to", "").filtered("from", &first).to_url());
        view! { <a class="menu-item" href=href aria-current=current.then_some("true")>{words}</a> }
    };
    let spans = [span("any", None), span("Today", Some(0)), span("Last 7 days", Some(7)), span("Last 30 days", Some(30))];
    let others = query.filtered("from", "").filtered("to", "");
    let today = now.iso_date();
    view! {
        <details class="menu" name="filters">
            <summary class=if on { "chip on" } else { "chip" } id="filter-time">"Time: " <strong>{title}</strong> <Icon inner=icons::CHEVRON_DOWN/></summary>
            <div class="menu-panel">
                <nav aria-label="Time">{spans.collect_view()}</nav>
                <hr/>
                <form class="dates" method="get" action=path>
                    {(!query.q.is_empty()).then(|| view! { <input type="hidden" name="q" value=query.q.clone()/> })}
                    {list::kept(&others)}
                    <div class="field"><label for="from">"From"</label><input id="from" name="from" type="date" max=today.clone() value=from/></div>
                    <div class="field"><label for="to">"To"</label><input id="to" name="to" type="date" max=today value=to/></div>
                    <button class="button small">"Show"</button>
                </form>
            </div>
        </details>
    }
    .into_any()
}

/// The rows of the log, with the pages before and after.
#[must_use]
pub fn rows(path: &'static str, page: Listed<EventView>, query: &ListQuery) -> AnyView {
    if page.rows.is_empty() {
        let sentence = "Nothing that happened here meets the search and the filters, or it was longer ago than events are kept.";
        return list::empty(icons::ACTIVITY, "No activity found", sentence, list::clear(query, path));
    }
    let heads = &[Head::Plain("What happened"), Head::Plain("From where"), Head::Sorted("when", "When")];
    let table = Table { class: "table events", caption: "Activity", pages: "Pages of activity", heads };
    list::table(path, page, query, table, |event| row(path, event, query))
}

fn row(path: &str, event: EventView, query: &ListQuery) -> AnyView {
    let EventView { id, at, actor, otherwise, pieces, refused, device, address, organization } = event;
    let who = match actor {
        Some((account, name)) => {
            let href = format!("{path}{}", query.filtered("person", &account.to_string()).to_url());
            view! { <a href=href title="Show what this person did"><bdi>{name}</bdi></a> }.into_any()
        }
        None => view! { {otherwise} }.into_any(),
    };
    let pieces = pieces.into_iter().map(|piece| match piece {
        Piece::Words(text) => view! { " " {text} }.into_any(),
        Piece::Name(text) => view! { " " <strong><bdi>{text}</bdi></strong> }.into_any(),
    });
    // On a phone the label stands beside it.
    let somewhere = (!device.is_empty() || !address.is_empty()).then_some("From where");
    view! {
        <tr role="row" data-key=id.to_string()>
            <th scope="row" role="rowheader" class="break">
                <span>{who} {pieces.collect_view()}</span>
                {organization.map(|(id, name)| {
                    let named = match name {
                        Some(name) => view! { <a href=format!("/operator/organizations/{id}")><bdi>{name}</bdi></a> }.into_any(),
                        None => view! { "an organization that is no more" }.into_any(),
                    };
                    view! { " " <span class="sub">"In " {named}</span> }
                })}
                {refused.map(|why| view! { " " <span class="sub"><span class="badge bad"><Icon inner=icons::BAN/>"Refused"</span> " " {why}</span> })}
            </th>
            <td role="cell" data-label=somewhere><span>{device.clone()} {(!device.is_empty() && !address.is_empty()).then_some(", ")} {address}</span></td>
            <td role="cell" class="nowrap" data-label="When"><span><Ago at exact=true/></span></td>
        </tr>
    }
    .into_any()
}
