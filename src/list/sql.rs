//! The server's half of the list module: a list says its table, its columns and what is searched; every statement that
//! can come of it is written once, at the first use, and registered for the test that prepares them all.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Postgres, Sqlite, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

use super::{Count, ListQuery, Listed, PAGE};
use crate::{
    db::{Conn, Connected},
    words::fold,
};

/// With a filter, counting stops here.
pub const COUNT_TO: i64 = 1000;

/// A column that a list can be ordered by.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the URL.
    pub name: &'static str,
    /// Its sort key in the table: folded text or a number.
    pub key: &'static str,
    /// Whether the key is a number.
    pub number: bool,
}

/// A list.
#[derive(Clone, Copy, Debug)]
pub struct ListSpec {
    /// What is selected; the row's `id` and every sort key among it.
    pub select: &'static str,
    /// From what, as far as the `WHERE`.
    pub from: &'static str,
    /// The condition on the scope, `$1` (an organization).
    pub scope: &'static str,
    /// The row's id.
    pub id: &'static str,
    /// The columns; the first is the order by itself.
    pub columns: &'static [Column],
    /// The folded columns that are searched.
    pub searched: &'static [&'static str],
}

/// A value of a sort key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// Of a text column.
    #[serde(rename = "t")]
    Text(String),
    /// Of a number column.
    #[serde(rename = "n")]
    Number(i64),
}

/// The place between two rows: the sort key and id of the row beside it, and that row's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    k: Key,
    i: Uuid,
    p: i64,
}

impl Cursor {
    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a cursor; one that was tampered with, or is of another column's kind, is none: the list begins anew.
    fn read(text: &str, number: bool) -> Option<Self> {
        if text.is_empty() || text.len() > 4000 {
            return None;
        }
        let cursor: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        (matches!(cursor.k, Key::Number(_)) == number && cursor.p >= 0).then_some(cursor)
    }
}

/// A row that tells its place.
pub trait Keyed {
    /// Its id.
    fn id(&self) -> Uuid;
    /// Its sort key in a column.
    fn key(&self, column: &str) -> Key;
}

/// Every statement of a list.
#[derive(Debug)]
pub struct ListSql {
    spec: ListSpec,
    /// By column, whether searched, whether from a place, whether forward in the table.
    pages: Vec<&'static str>,
    count: &'static str,
}

impl ListSql {
    /// Writes every statement. They live as long as the program, as sqlx asks of what is not data.
    #[must_use]
    pub fn new(spec: ListSpec) -> Self {
        let mut pages = Vec::new();
        for column in spec.columns {
            for searched in [false, true] {
                for placed in [false, true] {
                    for ascending in [false, true] {
                        pages.push(&*Box::leak(page(&spec, column, searched, placed, ascending).into_boxed_str()));
                    }
                }
            }
        }
        let search = search(&spec, 2);
        let count = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} AND {search} LIMIT {}) AS counted",
            spec.from,
            spec.scope,
            COUNT_TO + 1
        );
        Self { spec, pages, count: Box::leak(count.into_boxed_str()) }
    }

    /// All texts, for the register.
    #[must_use]
    pub fn texts(&self) -> Vec<&'static str> {
        self.pages.iter().copied().chain([self.count]).collect()
    }

    /// The column that a query orders by; an unknown one is the first.
    #[must_use]
    pub fn column(&self, query: &ListQuery) -> Column {
        self.spec.columns.iter().find(|c| c.name == query.sort).copied().unwrap_or(self.spec.columns[0])
    }

    /// One page of the list in a scope.
    ///
    /// `total` is the number of rows without a filter, which is kept and not counted here.
    ///
    /// # Errors
    /// The database's.
    pub async fn page<R>(&self, db: &mut impl Connected, scope: Uuid, query: &ListQuery, total: i64) -> Result<Listed<R>, sqlx::Error>
    where
        R: Keyed + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let column = self.column(query);
        let pattern = pattern(&query.q);
        let (after, before) = (Cursor::read(&query.after, column.number), Cursor::read(&query.before, column.number));
        let backward = before.is_some() && after.is_none();
        let place = after.or(before);
        let index = {
            let column = self.spec.columns.iter().position(|c| c.name == column.name).unwrap_or(0);
            // Backward, the table is walked the other way and the rows are turned round.
            let ascending = query.descending == backward;
            ((column * 2 + usize::from(pattern.is_some())) * 2 + usize::from(place.is_some())) * 2 + usize::from(ascending)
        };
        let text = self.pages[index];
        // One row more than is shown tells whether there is a page after.
        let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
        macro_rules! fetch {
            ($engine:ty, $conn:expr) => {{
                let mut statement = sqlx::query_as::<$engine, R>(text).bind(scope);
                if let Some(pattern) = &pattern {
                    statement = statement.bind(pattern);
                }
                if let Some(cursor) = &place {
                    statement = match &cursor.k {
                        Key::Text(key) => statement.bind(key),
                        Key::Number(key) => statement.bind(key),
                    };
                    statement = statement.bind(cursor.i);
                }
                statement.bind(limit).fetch_all($conn).await?
            }};
        }
        let mut rows: Vec<R> = match db.conn() {
            Conn::Sqlite(c) => fetch!(Sqlite, c),
            Conn::Postgres(c) => fetch!(Postgres, c),
        };
        let more = rows.len() > PAGE;
        rows.truncate(PAGE);
        if backward {
            rows.reverse();
        }
        let shown = i64::try_from(rows.len()).unwrap_or(0);
        let count = match &pattern {
            None => Count::Exactly(total),
            Some(_) if place.is_none() && !more => Count::Exactly(shown),
            Some(pattern) => {
                let (n,): (i64,) = match db.conn() {
                    Conn::Sqlite(c) => sqlx::query_as::<Sqlite, (i64,)>(self.count).bind(scope).bind(pattern).fetch_one(c).await?,
                    Conn::Postgres(c) => sqlx::query_as::<Postgres, (i64,)>(self.count).bind(scope).bind(pattern).fetch_one(c).await?,
                };
                if n > COUNT_TO { Count::MoreThan(COUNT_TO) } else { Count::Exactly(n) }
            }
        };
        // Positions are those of the moment the cursor was made: rows that come and go meanwhile shift them.
        let first = match (&place, backward) {
            _ if rows.is_empty() => 0,
            (None, _) => 1,
            (Some(cursor), false) => cursor.p + 1,
            (Some(cursor), true) => (cursor.p - shown).max(1),
        };
        let cursor = |row: &R, position: i64| Cursor { k: row.key(column.name), i: row.id(), p: position }.write();
        let has_previous = if backward { more } else { place.is_some() };
        let has_next = if backward { true } else { more };
        Ok(Listed {
            first,
            count,
            previous: rows.first().filter(|_| has_previous).map(|row| cursor(row, first)),
            next: rows.last().filter(|_| has_next).map(|row| cursor(row, first + shown - 1)),
            rows,
            sort: column.name.to_owned(),
            descending: query.descending,
        })
    }
}

fn search(spec: &ListSpec, parameter: usize) -> String {
    let any: Vec<String> = spec.searched.iter().map(|column| format!("{column} LIKE ${parameter} ESCAPE '\\'")).collect();
    format!("({})", any.join(" OR "))
}

fn page(spec: &ListSpec, column: &Column, searched: bool, placed: bool, ascending: bool) -> String {
    let mut parameter = 1;
    let mut next = || {
        parameter += 1;
        parameter
    };
    let mut text = format!("SELECT {} FROM {} WHERE {}", spec.select, spec.from, spec.scope);
    if searched {
        text.push_str(&format!(" AND {}", search(spec, next())));
    }
    let (comparison, direction) = if ascending { (">", "ASC") } else { ("<", "DESC") };
    if placed {
        let (key, id) = (next(), next());
        text.push_str(&format!(" AND ({}, {}) {comparison} (${key}, ${id})", column.key, spec.id));
    }
    text.push_str(&format!(" ORDER BY {} {direction}, {} {direction} LIMIT ${}", column.key, spec.id, next()));
    text
}

/// The pattern for what is searched: folded like the columns, anywhere in them, its own wildcards taken literally.
fn pattern(q: &str) -> Option<String> {
    let folded = fold(q.trim());
    if folded.is_empty() {
        return None;
    }
    let mut pattern = String::from("%");
    for c in folded.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_searched_literally() {
        assert_eq!(pattern("50%_\\"), Some("%50\\%\\_\\\\%".to_owned()));
        assert_eq!(pattern("  "), None);
    }

    #[test]
    fn a_tampered_cursor_is_none() {
        let cursor = Cursor { k: Key::Text("a".to_owned()), i: Uuid::nil(), p: 50 };
        assert_eq!(Cursor::read(&cursor.write(), false), Some(cursor.clone()));
        assert_eq!(Cursor::read(&cursor.write(), true), None);
        for text in ["", "x", "!!!", "bnVsbA", &"a".repeat(5000)] {
            assert_eq!(Cursor::read(text, false), None, "{text}");
        }
    }
}
