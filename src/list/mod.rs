//! Lists: one place for what can be asked of any list (search, filters, order, place), how it stands in the URL, and, on
//! the server, how it becomes one of the statements that were written for it.

#[cfg(feature = "ssr")]
pub mod csv;
#[cfg(feature = "ssr")]
pub mod sql;

use serde::{Deserialize, Serialize};

/// How many rows a page shows.
pub const PAGE: usize = 50;
/// The longest search, in characters; what is longer is cut.
pub const MAX_SEARCH: usize = 100;

/// What is asked of a list: `q` searches, `sort` and `order` order, `after` or `before` place; the list's own filters
/// have their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Searched for; empty for everything.
    #[serde(default)]
    pub q: String,
    /// The column; one that the list does not know is its first.
    #[serde(default)]
    pub sort: String,
    /// Whether from the greatest; nothing where the column says so itself.
    #[serde(default)]
    pub descending: Option<bool>,
    /// The filters that are set, by their names.
    #[serde(default)]
    pub filters: Vec<(String, String)>,
    /// The cursor of the row after which the page begins.
    #[serde(default)]
    pub after: String,
    /// The cursor of the row before which the page ends.
    #[serde(default)]
    pub before: String,
}

impl ListQuery {
    /// Reads the query of a URL from its decoded pairs, among them the named filters; what is not known is passed over.
    #[must_use]
    pub fn parse(pairs: impl IntoIterator<Item = (String, String)>, filters: &[&str]) -> Self {
        let mut query = Self::default();
        for (key, value) in pairs {
            match key.as_str() {
                "q" => {
                    let words: Vec<&str> =
                        value.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
                    let cut: String = words.join(" ").chars().take(MAX_SEARCH).collect();
                    cut.trim_end().clone_into(&mut query.q);
                }
                "sort" => query.sort = value.chars().take(40).collect(),
                "order" if value == "desc" || value == "asc" => query.descending = Some(value == "desc"),
                "after" => query.after = value,
                "before" => query.before = value,
                name if filters.contains(&name) && !value.is_empty() && query.filter(name).is_none() => {
                    query.filters.push((key, value.chars().take(MAX_SEARCH).collect()));
                }
                _ => {}
            }
        }
        query
    }

    /// Reads it from the address of a page, with a query or without.
    #[cfg(feature = "ssr")]
    #[must_use]
    pub fn of_page(page: &str, filters: &[&str]) -> Self {
        let query = page.split_once('?').map_or("", |(_, query)| query);
        Self::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned(), filters)
    }

    /// Writes it as the query of a URL, with its question mark; nothing where everything is as it is by itself.
    #[must_use]
    pub fn to_url(&self) -> String {
        let mut url = String::new();
        let mut put = |key: &str, value: &str| {
            if !value.is_empty() {
                url.push(if url.is_empty() { '?' } else { '&' });
                url.push_str(key);
                url.push('=');
                encode(value, &mut url);
            }
        };
        put("q", &self.q);
        put("sort", &self.sort);
        put("order", self.descending.map_or("", |descending| if descending { "desc" } else { "asc" }));
        for (name, value) in &self.filters {
            put(name, value);
        }
        put("after", &self.after);
        put("before", &self.before);
        url
    }

    /// The value of a filter.
    #[must_use]
    pub fn filter(&self, name: &str) -> Option<&str> {
        self.filters.iter().find(|(filter, _)| filter == name).map(|(_, value)| value.as_str())
    }

    /// Whether anything is searched or filtered.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        !self.q.is_empty() || !self.filters.is_empty()
    }

    /// The same list from another place.
    #[must_use]
    pub fn at(&self, after: Option<String>, before: Option<String>) -> Self {
        Self { after: after.unwrap_or_default(), before: before.unwrap_or_default(), ..self.clone() }
    }

    /// The same page of the list with a filter more.
    #[must_use]
    pub fn filtered_here(&self, name: &str, value: &str) -> Self {
        Self { after: self.after.clone(), before: self.before.clone(), ..self.filtered(name, value) }
    }

    /// The same list from its beginning, with a filter otherwise; empty for none.
    #[must_use]
    pub fn filtered(&self, name: &str, value: &str) -> Self {
        let mut query = self.at(None, None);
        query.filters.retain(|(filter, _)| filter != name);
        if !value.is_empty() {
            query.filters.push((name.to_owned(), value.to_owned()));
        }
        query
    }
}

/// Percent-encoding of RFC 3986's unreserved characters' complement.
fn encode(value: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(HEX[usize::from(byte >> 4)]));
            into.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// How many rows a list has: counted, or more than was counted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Count {
    /// Exactly.
    Exactly(i64),
    /// More than this.
    MoreThan(i64),
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The position of the first one, from 1; 0 where there is none.
    pub first: i64,
    /// How many there are in all.
    pub count: Count,
    /// The cursor for the page before, where there is one.
    pub previous: Option<String>,
    /// The cursor for the page after, where there is one.
    pub next: Option<String>,
    /// By which column it is ordered.
    pub sort: String,
    /// Whether from the greatest.
    pub descending: bool,
    /// Whether that is how the column begins by itself.
    pub newest_first: bool,
}

impl<T> Listed<T> {
    /// The same page with its rows seen otherwise.
    pub fn map<U>(self, see: impl FnMut(T) -> U) -> Listed<U> {
        Listed {
            rows: self.rows.into_iter().map(see).collect(),
            first: self.first,
            count: self.count,
            previous: self.previous,
            next: self.next,
            sort: self.sort,
            descending: self.descending,
            newest_first: self.newest_first,
        }
    }

    /// What the head of a column leads to: the list ordered by it; by the one it is ordered by, the other way round.
    #[must_use]
    pub fn sorted(&self, query: &ListQuery, column: &str) -> ListQuery {
        let turned = !self.descending;
        let descending = (column == self.sort && turned != self.newest_first).then_some(turned);
        ListQuery { sort: column.to_owned(), descending, ..query.at(None, None) }
    }
}

/// `1,234`, as English writes it; the browser puts the reader's own way in its place.
#[must_use]
pub fn thousands(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if n < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_and_read_alike() {
        let query = ListQuery {
            q: "a&b=ü%".to_owned(),
            sort: "email".to_owned(),
            descending: Some(true),
            filters: vec![("role".to_owned(), "Admin".to_owned())],
            after: "x_-".to_owned(),
            before: String::new(),
        };
        assert_eq!(query.to_url(), "?q=a%26b%3D%C3%BC%25&sort=email&order=desc&role=Admin&after=x_-");
        assert_eq!(ListQuery::default().to_url(), "");
    }

    #[test]
    fn a_search_is_cut_and_cleaned() {
        let query = ListQuery::parse([("q".to_owned(), format!("\u{0}{}", "é".repeat(10_000)))], &[]);
        assert_eq!(query.q, "é".repeat(MAX_SEARCH));
        // What is cut is read again as it is, from the address of the page.
        let words = format!("{} b", "é".repeat(MAX_SEARCH - 1));
        let query = ListQuery::parse([("q".to_owned(), words)], &[]);
        assert_eq!(query.q, "é".repeat(MAX_SEARCH - 1));
        assert_eq!(ListQuery::parse([("q".to_owned(), " a \u{1}\tb\u{0}".to_owned())], &[]).q, "a b");
    }

    #[test]
    fn numbers_have_their_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
