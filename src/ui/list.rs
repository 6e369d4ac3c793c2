//! What every list has beside its rows: heads that order it, menus that filter it, and the way to its other pages. All
//! are links, so that the address says what is shown; an island that draws the list again takes them by `data-list`.

use leptos::prelude::*;

use super::{Icon, icons};
use crate::list::{ListQuery, Listed};

/// The heads of the columns that a list can be ordered by: name in the URL, title.
#[must_use]
pub fn heads<T>(path: &str, page: &Listed<T>, query: &ListQuery, columns: &[(&'static str, &'static str)]) -> AnyView {
    columns
        .iter()
        .map(|(column, title)| {
            let sorted = page.sort == *column;
            let next = page.sorted(query, column);
            let direction = if page.descending { "descending" } else { "ascending" };
            let icon = if sorted && page.descending { icons::SORT_DOWN } else { icons::SORT_UP };
            view! {
                <th scope="col" role="columnheader" aria-sort=sorted.then_some(direction)>
                    <a class="sort" id=format!("sort-{column}") href=format!("{path}{}", next.to_url()) data-list="">{*title}<Icon inner=icon/></a>
                </th>
            }
        })
        .collect_view()
        .into_any()
}

/// A chip that says what a list is filtered by, and opens to choose: the filter's name in the URL, its label, the word
/// for no filter, and every value with its title.
#[must_use]
pub fn filter(
    path: &str,
    query: &ListQuery,
    name: &'static str,
    label: &'static str,
    none: &'static str,
    values: &[(String, String)],
) -> AnyView {
    let chosen = query.filter(name).and_then(|value| values.iter().find(|(known, _)| known == value)).cloned();
    let title = chosen.as_ref().map_or_else(|| none.to_owned(), |(_, title)| title.clone());
    let item = |value: &str, title: String, current: bool| {
        let href = format!("{path}{}", query.filtered(name, value).to_url());
        view! { <a class="menu-item" href=href data-list="" aria-current=current.then_some("true")>{title}</a> }
    };
    let first = item("", none.to_owned(), chosen.is_none());
    let items = values
        .iter()
        .map(|(value, title)| item(value, title.clone(), chosen.as_ref().is_some_and(|(known, _)| known == value)))
        .collect_view();
    view! {
        <details class="menu" name="filters">
            <summary class=if chosen.is_some() { "chip on" } else { "chip" } id=format!("filter-{name}")>
                {label} ": " <strong>{title}</strong> <Icon inner=icons::CHEVRON_DOWN/>
            </summary>
            <nav class="menu-panel" aria-label=label>{first}{items}</nav>
        </details>
    }
    .into_any()
}

/// Which rows are shown of how many, and the ways to the pages before and after.
#[must_use]
pub fn pager<T>(path: &str, page: &Listed<T>, query: &ListQuery, label: &'static str) -> AnyView {
    let place = |after: Option<String>, before: Option<String>| format!("{path}{}", query.at(after, before).to_url());
    let previous = page.previous.clone().map(|cursor| place(None, Some(cursor)));
    let next = page.next.clone().map(|cursor| place(Some(cursor), None));
    view! {
        <nav class="pager" aria-label=label>
            <p>{page.range()}</p>
            <ul>
                <li>{step(previous, "prev")}</li>
                <li>{step(next, "next")}</li>
            </ul>
        </nav>
    }
    .into_any()
}

fn step(href: Option<String>, rel: &'static str) -> AnyView {
    let words = if rel == "prev" {
        view! { <Icon inner=icons::CHEVRON_LEFT flip=true/>"Previous" }.into_any()
    } else {
        view! { "Next"<Icon inner=icons::CHEVRON_RIGHT flip=true/> }.into_any()
    };
    match href {
        Some(href) => view! { <a class="button small" id=format!("page-{rel}") rel=rel href=href data-list="">{words}</a> }.into_any(),
        None => view! { <span class="button small" aria-disabled="true">{words}</span> }.into_any(),
    }
}

/// The hidden fields with which a form that leads away from a list says which one to come back to.
#[must_use]
pub fn whole(query: &ListQuery) -> AnyView {
    let place = [("q", &query.q), ("after", &query.after), ("before", &query.before)];
    let fields = place.into_iter().filter(|(_, value)| !value.is_empty());
    let fields = fields.map(|(name, value)| view! { <input type="hidden" name=name value=value.clone()/> }).collect_view();
    view! { {fields}{kept(query)} }.into_any()
}

/// The hidden fields that keep a list's order and filters when its search is sent as a form.
#[must_use]
pub fn kept(query: &ListQuery) -> AnyView {
    let mut fields = query.filters.clone();
    fields.push(("sort".to_owned(), query.sort.clone()));
    let order = query.descending.map_or("", |descending| if descending { "desc" } else { "asc" });
    fields.push(("order".to_owned(), order.to_owned()));
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| view! { <input type="hidden" name=name value=value/> })
        .collect_view()
        .into_any()
}
