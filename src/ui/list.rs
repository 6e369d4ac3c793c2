//! What every list has beside its rows: a search, menus that filter it, heads that order it, and the way to its other pages.
//! All are links or ask by GET, so that the address says what is shown; an island that draws the list again takes links by
//! `data-list`.

use leptos::prelude::*;

use super::{Icon, Number, icons};
use crate::list::{Count, ListQuery, Listed, MAX_SEARCH};

/// The search of a list: what it looks for, for who cannot see that it is a search, and what stands in it while it is empty.
#[must_use]
pub fn search(path: &str, label: &'static str, placeholder: &'static str, query: &ListQuery) -> AnyView {
    view! {
        <form class="search" role="search" method="get" action=path.to_owned()>
            <Icon inner=icons::SEARCH/>
            <label class="vh" for="q">{label}</label>
            <input class="input" id="q" name="q" type="search" placeholder=placeholder value=query.q.clone() maxlength=MAX_SEARCH.to_string() autocomplete="off"/>
            {kept(query)}
        </form>
    }
    .into_any()
}

/// In the place of a list that holds nothing: why, and what can be done, as an address and its words.
#[must_use]
pub fn empty(icon: &'static str, title: &'static str, sentence: impl IntoAny, action: Option<(String, &'static str)>) -> AnyView {
    view! {
        <div class="table-wrap">
            <div class="empty">
                <Icon inner=icon large=true/>
                <h2>{title}</h2>
                <p>{sentence.into_any()}</p>
                {action.map(|(href, words)| view! { <div class="actions"><a class="button" href=href>{words}</a></div> })}
            </div>
        </div>
    }
    .into_any()
}

/// The way out of a search and filters that leave nothing.
#[must_use]
pub fn clear(query: &ListQuery, path: &str) -> Option<(String, &'static str)> {
    query.is_conditional().then(|| (path.to_owned(), "Clear search and filters"))
}

/// The head of a column.
#[derive(Clone, Copy, Debug)]
pub enum Head {
    /// Its title.
    Plain(&'static str),
    /// Its name in the URL, by which the list can be ordered, and its title.
    Sorted(&'static str, &'static str),
    /// Of what can be done with a row.
    Actions,
}

/// A list's table.
#[derive(Clone, Copy, Debug)]
pub struct Table<'h> {
    /// `table`, and what else it looks like.
    pub class: &'static str,
    /// What its rows are, for who cannot see it.
    pub caption: &'static str,
    /// What the way to its other pages is called.
    pub pages: &'static str,
    /// Its columns.
    pub heads: &'h [Head],
}

/// The rows of a page of a list, with the heads that order it and the way to the other pages.
#[must_use]
pub fn table<T>(path: &str, page: Listed<T>, query: &ListQuery, table: Table<'_>, row: impl FnMut(T) -> AnyView) -> AnyView {
    let head = |head: &Head| match *head {
        Head::Plain(title) => plain(title),
        Head::Sorted(name, title) => heads(path, &page, query, &[(name, title)]),
        Head::Actions => {
            view! { <th scope="col" role="columnheader" class="actions-cell"><span class="vh">"Actions"</span></th> }.into_any()
        }
    };
    let heads: Vec<AnyView> = table.heads.iter().map(head).collect();
    let pager = pager(path, &page, query, table.pages);
    let rows: Vec<AnyView> = page.rows.into_iter().map(row).collect();
    view! { {framed(table.class, table.caption, Some("Sort by"), heads, rows)}{pager} }.into_any()
}

/// The head of a column that nothing is ordered by.
fn plain(title: &'static str) -> AnyView {
    view! { <th scope="col" role="columnheader">{title}</th> }.into_any()
}

/// A table that is no list: all of its rows are there.
#[must_use]
pub fn whole_table(caption: &'static str, heads: &[&'static str], rows: Vec<AnyView>) -> AnyView {
    framed("table", caption, None, heads.iter().copied().map(plain).collect(), rows)
}

fn framed(class: &'static str, caption: &'static str, label: Option<&'static str>, heads: Vec<AnyView>, rows: Vec<AnyView>) -> AnyView {
    view! {
        <div class="table-wrap">
            <table class=class role="table">
                <caption class="vh">{caption}</caption>
                <thead role="rowgroup"><tr role="row" data-label=label>{heads}</tr></thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

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
            <p>{range(page)}</p>
            <ul>
                <li>{step(previous, "prev")}</li>
                <li>{step(next, "next")}</li>
            </ul>
        </nav>
    }
    .into_any()
}

/// `1,234`, or `1,000+`.
#[must_use]
pub fn counted(count: Count) -> AnyView {
    match count {
        Count::Exactly(n) => view! { <Number n=n/> }.into_any(),
        Count::MoreThan(n) => view! { <Number n=n/> "+" }.into_any(),
    }
}

/// `51–100 of 1,234`.
fn range<T>(page: &Listed<T>) -> AnyView {
    let total = counted(page.count);
    let last = page.first + i64::try_from(page.rows.len()).unwrap_or(0) - 1;
    if page.rows.is_empty() {
        view! { "0 of " {total} }.into_any()
    } else {
        view! { <Number n=page.first/> "–" <Number n=last/> " of " {total} }.into_any()
    }
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
