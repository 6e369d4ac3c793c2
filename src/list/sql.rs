//! The server's half of the list module: a list says its table, its columns and what is searched; every statement that
//! can come of it is written once, at the first use, and registered for the test that prepares them all.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Postgres, Row as _, Sqlite, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

use super::{Count, ListQuery, Listed, PAGE};
use crate::{
    db::{Conn, Connected, Dialect},
    words::{Timestamp, fold},
};

/// The scope of a list that is a whole table.
pub const WHOLE: &str = "TRUE";
/// With a condition, counting stops here.
pub const COUNT_TO: i64 = 1000;
/// A term of fewer characters matches beginnings alone: there is no trigram in it.
const TRIGRAM: usize = 3;
/// So many words of a search are looked for wherever they stand; what comes after them is taken as one with the last.
const WORDS: usize = 3;

/// A column that a list can be ordered by.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the URL.
    pub name: &'static str,
    /// Its sort key in the table: folded text or a number.
    pub key: &'static str,
    /// Whether the key is a number.
    pub number: bool,
    /// Whether it begins with the greatest where nothing is said: what is newest comes first.
    pub newest_first: bool,
}

/// A value that is bound to a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Text.
    Text(String),
    /// A number or a moment.
    Number(i64),
    /// An identifier.
    Id(Uuid),
}

/// Something a list can be filtered by.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Its name in the URL.
    pub name: &'static str,
    /// The conditions that its values come to, each with one `$` in the place of what is bound.
    pub conditions: &'static [&'static str],
    /// Which condition a value is, and what is bound to it; nothing for a value that is none.
    pub read: fn(&str, Timestamp) -> Option<(usize, Bound)>,
}

/// A view over an index of trigrams; each engine has its own behind it. It has the table's columns by which a list is
/// kept apart, ordered and filtered, under their names, so that no row is looked up that is not shown.
#[derive(Clone, Copy, Debug)]
pub struct Indexed {
    /// The view.
    pub view: &'static str,
    /// Its column with everything that is searched, by which the index is asked.
    pub keys: &'static str,
    /// For SQLite, whose index is over every scope: what it is asked for besides in the scope `$1`, as an expression of FTS5
    /// in SQL. Empty where it is asked for nothing else.
    pub within: &'static str,
}

/// A list.
#[derive(Clone, Copy, Debug)]
pub struct ListSpec {
    /// What is selected; the row's `id` and every sort key among it.
    pub select: &'static str,
    /// The table.
    pub from: &'static str,
    /// The condition on the scope, `$1` (an organization); or one that holds by itself, such as [`WHOLE`].
    pub scope: &'static str,
    /// The row's id.
    pub id: &'static str,
    /// The columns; the first is the order by itself.
    pub columns: &'static [Column],
    /// The folded columns that are searched; none where the list has no search.
    pub searched: &'static [&'static str],
    /// Where a rare term is looked up in a long list.
    pub indexed: Option<Indexed>,
    /// The filters.
    pub filters: &'static [Filter],
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

/// What a table keeps of how many rows a list has, so that nobody has to count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Without a condition.
    pub total: Option<i64>,
    /// That meet the conditions of the query at hand.
    pub matching: Option<i64>,
}

impl From<Option<i64>> for Counts {
    fn from(total: Option<i64>) -> Self {
        Self { total, matching: None }
    }
}

/// A row that tells its place.
pub trait Keyed {
    /// Its id.
    fn id(&self) -> Uuid;
    /// Its sort key in a column.
    fn key(&self, column: &str) -> Key;
}

/// How a search is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Searched {
    /// Not at all.
    No,
    /// By beginnings.
    Short,
    /// Anywhere.
    Long,
}

/// How the rows of a page are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Along the order's index until the page is full: right where most rows match, or the list is short.
    Walk,
    /// What matches first, then its order: right where few rows match.
    Few,
}

/// Every statement of a list.
#[derive(Debug)]
pub struct ListSql {
    spec: ListSpec,
    sqlite: Texts,
    postgres: Texts,
}

/// The statements for one engine.
#[derive(Debug)]
struct Texts {
    /// By column, search, filters, way, whether from a place, whether forward in the table.
    pages: Vec<&'static str>,
    /// By search and filters.
    counts: Vec<&'static str>,
}

/// What a query comes to.
struct Plan {
    column: Column,
    descending: bool,
    searched: Searched,
    /// By filter: 0 for none, else its condition and one.
    filters: Vec<usize>,
    /// The whole term first; for a search anywhere, what has to be found, the longest word first.
    words: Vec<String>,
    bound: Vec<Bound>,
}

/// Which part of the list.
#[derive(Clone, Copy)]
struct Stretch<'c> {
    /// From here; from the beginning where there is none.
    place: Option<&'c Cursor>,
    /// Towards the beginning.
    backward: bool,
    /// At most so many rows.
    limit: usize,
}

impl ListSpec {
    /// How many parameters the scope has.
    fn scoped(&self) -> usize {
        usize::from(self.scope.contains("$1"))
    }

    /// What is bound to them.
    fn bound(&self, scope: Option<Uuid>) -> Vec<Bound> {
        scope.filter(|_| self.scoped() == 1).map(Bound::Id).into_iter().collect()
    }
}

impl Plan {
    fn is_conditional(&self) -> bool {
        self.searched != Searched::No || self.filters.iter().any(|filter| *filter > 0)
    }
}

impl Texts {
    fn of(spec: &ListSpec, dialect: Dialect) -> Self {
        let (mut pages, mut counts) = (Vec::new(), Vec::new());
        for column in spec.columns {
            for searched in [Searched::No, Searched::Short, Searched::Long] {
                for filters in choices(spec) {
                    for way in [Way::Walk, Way::Few] {
                        for placed in [false, true] {
                            for ascending in [false, true] {
                                let text = page(spec, column, (searched, &filters, dialect), way, placed, ascending);
                                pages.push(&*Box::leak(text.into_boxed_str()));
                            }
                        }
                    }
                }
            }
        }
        for searched in [Searched::No, Searched::Short, Searched::Long] {
            for filters in choices(spec) {
                let text = format!("SELECT count(*) FROM ({}) AS counted", matching(spec, (searched, &filters, dialect), "1").0);
                counts.push(&*Box::leak(text.into_boxed_str()));
            }
        }
        Self { pages, counts }
    }
}

impl ListSql {
    /// Writes every statement. They live as long as the program, as sqlx asks of what is not data.
    #[must_use]
    pub fn new(spec: ListSpec) -> Self {
        let sqlite = Texts::of(&spec, Dialect::Sqlite);
        // Only what asks an index differs.
        let postgres = if spec.indexed.is_some() {
            Texts::of(&spec, Dialect::Postgres)
        } else {
            Texts { pages: sqlite.pages.clone(), counts: sqlite.counts.clone() }
        };
        Self { spec, sqlite, postgres }
    }

    const fn of(&self, dialect: Dialect) -> &Texts {
        match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        }
    }

    /// All texts for an engine, for the register.
    #[must_use]
    pub fn texts(&self, dialect: Dialect) -> Vec<&'static str> {
        let Texts { pages, counts } = self.of(dialect);
        let mut texts: Vec<&'static str> = pages.iter().chain(counts).copied().collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// The names of the filters, as [`ListQuery::parse`] asks for them.
    #[must_use]
    pub fn filters(&self) -> Vec<&'static str> {
        self.spec.filters.iter().map(|filter| filter.name).collect()
    }

    fn plan(&self, query: &ListQuery, now: Timestamp) -> Plan {
        let column = self.spec.columns.iter().find(|c| c.name == query.sort).copied().unwrap_or(self.spec.columns[0]);
        let term =
            if self.spec.searched.is_empty() { String::new() } else { fold(&query.q.split_whitespace().collect::<Vec<_>>().join(" ")) };
        let searched = match term.chars().count() {
            0 => Searched::No,
            1..TRIGRAM => Searched::Short,
            _ => Searched::Long,
        };
        let (mut filters, mut bound) = (Vec::new(), Vec::new());
        for filter in self.spec.filters {
            match query.filter(filter.name).and_then(|value| (filter.read)(value, now)) {
                Some((condition, value)) => {
                    filters.push(condition + 1);
                    bound.push(value);
                }
                None => filters.push(0),
            }
        }
        let words = if searched == Searched::Long { words(term) } else { vec![term] };
        Plan { descending: query.descending.unwrap_or(column.newest_first), column, searched, filters, words, bound }
    }

    /// Which of the combinations of filters.
    fn choice(&self, plan: &Plan) -> usize {
        self.spec.filters.iter().zip(&plan.filters).fold(0, |index, (filter, chosen)| index * (filter.conditions.len() + 1) + chosen)
    }

    /// What is bound after the scope for a search.
    fn search(&self, plan: &Plan, indexed: Option<Dialect>) -> Vec<Bound> {
        match plan.searched {
            Searched::No => Vec::new(),
            Searched::Short => {
                let term = plan.words.concat();
                vec![Bound::Text(term.clone()), Bound::Text(format!("{term}\u{10FFFF}"))]
            }
            Searched::Long => match indexed.filter(|_| self.spec.indexed.is_some()) {
                // FTS5: the trigrams of each word one behind the other.
                Some(Dialect::Sqlite) => {
                    let each: Vec<String> = plan.words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
                    vec![Bound::Text(each.join(" AND "))]
                }
                // Where there are fewer words, the first is asked again: the statement is the same.
                Some(Dialect::Postgres) | None => {
                    plan.words.iter().chain(plan.words.iter().take(1).cycle()).take(WORDS).map(|word| Bound::Text(pattern(word))).collect()
                }
            },
        }
    }

    /// Counts what matches, up to [`COUNT_TO`] and one.
    async fn count(&self, db: &mut impl Connected, scope: Option<Uuid>, plan: &Plan) -> Result<i64, sqlx::Error> {
        let combinations: usize = self.spec.filters.iter().map(|filter| filter.conditions.len() + 1).product();
        let dialect = db.conn().dialect();
        let text = self.of(dialect).counts[plan.searched as usize * combinations + self.choice(plan)];
        let mut bound = self.spec.bound(scope);
        bound.extend(self.search(plan, Some(dialect)));
        bound.extend(plan.bound.iter().cloned());
        let rows: Vec<(i64,)> = fetch(db, text, bound).await?;
        Ok(rows.first().map_or(0, |(n,)| *n))
    }

    /// Some rows of the list from a place on, forward or backward in its order.
    async fn rows<R>(
        &self,
        db: &mut impl Connected,
        scope: Option<Uuid>,
        plan: &Plan,
        way: Way,
        Stretch { place, backward, limit }: Stretch<'_>,
    ) -> Result<Vec<R>, sqlx::Error>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let combinations: usize = self.spec.filters.iter().map(|filter| filter.conditions.len() + 1).product();
        let column = self.spec.columns.iter().position(|c| c.name == plan.column.name).unwrap_or(0);
        // Backward, the table is walked the other way and the rows are turned round.
        let ascending = plan.descending == backward;
        let index = (column * 3 + plan.searched as usize) * combinations + self.choice(plan);
        let index = ((index * 2 + way as usize) * 2 + usize::from(place.is_some())) * 2 + usize::from(ascending);
        let dialect = db.conn().dialect();
        let mut bound = self.spec.bound(scope);
        bound.extend(self.search(plan, (way == Way::Few).then_some(dialect)));
        bound.extend(plan.bound.iter().cloned());
        if let Some(cursor) = place {
            bound.push(match &cursor.k {
                Key::Text(key) => Bound::Text(key.clone()),
                Key::Number(key) => Bound::Number(*key),
            });
            bound.push(Bound::Id(cursor.i));
        }
        bound.push(Bound::Number(i64::try_from(limit).unwrap_or(i64::MAX)));
        let mut rows = fetch(db, self.of(dialect).pages[index], bound).await?;
        if backward {
            rows.reverse();
        }
        Ok(rows)
    }

    /// The rows of a stretch, and how many match where that was counted.
    ///
    /// In a long list, what meets a condition is looked for first, up to [`COUNT_TO`] and one, counted and ordered in one
    /// statement; where that is too many, they are met soon enough along the order.
    async fn find<R>(
        &self,
        db: &mut impl Connected,
        scope: Option<Uuid>,
        plan: &Plan,
        kept: Counts,
        stretch: Stretch<'_>,
    ) -> Result<(Vec<R>, Option<i64>), sqlx::Error>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if !plan.is_conditional() || kept.matching.is_some() || kept.total.is_some_and(|total| total <= COUNT_TO) {
            let (way, counted) = self.way(db, scope, plan, kept).await?;
            return Ok((self.rows(db, scope, plan, way, stretch).await?, counted));
        }
        let found: Vec<Found<R>> = self.rows(db, scope, plan, Way::Few, stretch).await?;
        let matched = match found.first() {
            Some(first) => first.matched,
            // None of them on this page, or none at all.
            None => self.count(db, scope, plan).await?,
        };
        let rows = if matched > COUNT_TO {
            self.rows(db, scope, plan, Way::Walk, stretch).await?
        } else {
            found.into_iter().map(|found| found.row).collect()
        };
        Ok((rows, Some(matched)))
    }

    /// How the rows are best found, and how many match where that had to be counted.
    ///
    /// A condition that few rows meet would let a walk along the order go through the whole list; one that many meet
    /// would have to be sorted. Short lists are walked without asking.
    async fn way(
        &self,
        db: &mut impl Connected,
        scope: Option<Uuid>,
        plan: &Plan,
        kept: Counts,
    ) -> Result<(Way, Option<i64>), sqlx::Error> {
        if kept.total.is_some_and(|total| total <= COUNT_TO || !plan.is_conditional()) {
            return Ok((Way::Walk, None));
        }
        let n = match kept.matching {
            Some(n) => n,
            None => self.count(db, scope, plan).await?,
        };
        Ok((if n > COUNT_TO || !plan.is_conditional() { Way::Walk } else { Way::Few }, Some(n)))
    }

    /// One page of the list in a scope; none is given where the scope asks for none. What is not kept is counted, with a
    /// condition up to [`COUNT_TO`].
    ///
    /// # Errors
    /// The database's.
    pub async fn page<R>(
        &self,
        db: &mut impl Connected,
        scope: impl Into<Option<Uuid>>,
        query: &ListQuery,
        now: Timestamp,
        kept: impl Into<Counts>,
    ) -> Result<Listed<R>, sqlx::Error>
    where
        R: Keyed + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let (scope, plan) = (scope.into(), self.plan(query, now));
        let mut kept = kept.into();
        if !plan.is_conditional() {
            kept.matching = kept.total;
        }
        let column = plan.column;
        let (after, before) = (Cursor::read(&query.after, column.number), Cursor::read(&query.before, column.number));
        let backward = before.is_some() && after.is_none();
        let place = after.or(before);
        // One row more than is shown tells whether there is a page after.
        let stretch = Stretch { place: place.as_ref(), backward, limit: PAGE + 1 };
        let (mut rows, counted) = self.find(db, scope, &plan, kept, stretch).await?;
        let more = rows.len() > PAGE;
        if backward && more {
            rows.remove(0);
        }
        rows.truncate(PAGE);
        let shown = i64::try_from(rows.len()).unwrap_or(0);
        let count = match (kept.matching, counted) {
            (Some(n), _) | (None, Some(n)) => n,
            _ if place.is_none() && !more => shown,
            _ => self.count(db, scope, &plan).await?,
        };
        let exact = count <= COUNT_TO || kept.matching.is_some();
        let count = if exact { Count::Exactly(count) } else { Count::MoreThan(COUNT_TO) };
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
            descending: plan.descending,
            newest_first: column.newest_first,
        })
    }

    /// How many rows of a list that is a whole table meet a condition.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_of(&self, db: &mut impl Connected, query: &ListQuery, now: Timestamp) -> Result<Count, sqlx::Error> {
        let count = self.count(db, None, &self.plan(query, now)).await?;
        Ok(if count <= COUNT_TO { Count::Exactly(count) } else { Count::MoreThan(COUNT_TO) })
    }

    /// The rows after a cursor, so many at a time, whatever a page shows: for what is written out as a whole. With the
    /// cursor of the last one, where there may be more.
    ///
    /// # Errors
    /// The database's.
    pub async fn batch<R>(
        &self,
        db: &mut impl Connected,
        scope: impl Into<Option<Uuid>>,
        query: &ListQuery,
        now: Timestamp,
        total: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<R>, Option<String>), sqlx::Error>
    where
        R: Keyed + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let (scope, plan) = (scope.into(), self.plan(query, now));
        let place = Cursor::read(&query.after, plan.column.number);
        let (way, _) = self.way(db, scope, &plan, total.into()).await?;
        let rows: Vec<R> = self.rows(db, scope, &plan, way, Stretch { place: place.as_ref(), backward: false, limit }).await?;
        let next =
            rows.last().filter(|_| rows.len() == limit).map(|row| Cursor { k: row.key(plan.column.name), i: row.id(), p: 0 }.write());
        Ok((rows, next))
    }
}

/// A row that was found by its condition, and how many were.
struct Found<R> {
    row: R,
    matched: i64,
}

impl<'r, R: FromRow<'r, SqliteRow>> FromRow<'r, SqliteRow> for Found<R> {
    fn from_row(row: &'r SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { matched: row.try_get("matched")?, row: R::from_row(row)? })
    }
}

impl<'r, R: FromRow<'r, PgRow>> FromRow<'r, PgRow> for Found<R> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { matched: row.try_get("matched")?, row: R::from_row(row)? })
    }
}

/// Sends a statement with its values.
async fn fetch<R>(db: &mut impl Connected, text: &'static str, bound: Vec<Bound>) -> Result<Vec<R>, sqlx::Error>
where
    R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    macro_rules! send {
        ($engine:ty, $conn:expr) => {{
            let mut statement = sqlx::query_as::<$engine, R>(text);
            for value in bound {
                statement = match value {
                    Bound::Text(text) => statement.bind(text),
                    Bound::Number(number) => statement.bind(number),
                    Bound::Id(id) => statement.bind(id),
                };
            }
            statement.fetch_all($conn).await
        }};
    }
    match db.conn() {
        Conn::Sqlite(c) => send!(Sqlite, c),
        Conn::Postgres(c) => send!(Postgres, c),
    }
}

/// Every combination of filters: for each 0 for none, else its condition and one.
fn choices(spec: &ListSpec) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for filter in spec.filters {
        all = all
            .into_iter()
            .flat_map(|chosen| (0..=filter.conditions.len()).map(move |choice| [chosen.clone(), vec![choice]].concat()))
            .collect();
    }
    all
}

/// How it is searched, which filters are set, and for which engine.
type Asked<'a> = (Searched, &'a [usize], Dialect);

/// The conditions of a search and of filters, and the number of the last parameter.
fn conditions(spec: &ListSpec, (searched, filters, dialect): Asked<'_>, indexed: Option<Indexed>) -> (String, usize) {
    let mut last = spec.scoped();
    let mut next = || {
        last += 1;
        last
    };
    let mut all = Vec::new();
    match (searched, indexed) {
        (Searched::No, _) => {}
        // A list without a search is asked for none.
        _ if spec.searched.is_empty() => {}
        (Searched::Short, _) => {
            let (from, to) = (next(), next());
            let any: Vec<String> = spec.searched.iter().map(|key| format!("({key} >= ${from} AND {key} < ${to})")).collect();
            all.push(format!("({})", any.join(" OR ")));
        }
        // Both find just what the term says: FTS5 compares folded text as it is, PostgreSQL reads again what its index
        // names. Its escape is the backslash by itself.
        (Searched::Long, Some(Indexed { keys, within, .. })) => match dialect {
            Dialect::Sqlite if within.is_empty() => all.push(format!("{keys} MATCH ${}", next())),
            Dialect::Sqlite => all.push(format!("{keys} MATCH ({within} || ' AND ' || ${})", next())),
            // The index is asked for the longest word alone; the others are looked for in what it names.
            Dialect::Postgres => {
                all.push(format!("{keys} LIKE ${}", next()));
                all.extend((1..WORDS).map(|_| format!("({keys} || '') LIKE ${}", next())));
            }
        },
        (Searched::Long, None) => all.extend((0..WORDS).map(|_| {
            let word = next();
            let any: Vec<String> = spec.searched.iter().map(|key| format!("{key} LIKE ${word} ESCAPE '\\'")).collect();
            format!("({})", any.join(" OR "))
        })),
    }
    for (filter, chosen) in spec.filters.iter().zip(filters) {
        if let Some(condition) = chosen.checked_sub(1).and_then(|condition| filter.conditions.get(condition)) {
            all.push(condition.replace('$', &format!("${}", next())));
        }
    }
    (all.iter().map(|condition| format!(" AND {condition}")).collect(), last)
}

/// What matches, as a statement that stops after [`COUNT_TO`] and one, and the number of its last parameter.
fn matching(spec: &ListSpec, asked: Asked<'_>, what: &str) -> (String, usize) {
    let indexed = spec.indexed.filter(|_| asked.0 == Searched::Long);
    let (conditions, last) = conditions(spec, asked, indexed);
    let from = indexed.map_or(spec.from, |indexed| indexed.view);
    (format!("SELECT {what} FROM {from} WHERE {}{conditions} LIMIT {}", spec.scope, COUNT_TO + 1), last)
}

fn page(spec: &ListSpec, column: &Column, asked: Asked<'_>, way: Way, placed: bool, ascending: bool) -> String {
    let (comparison, direction) = if ascending { (">", "ASC") } else { ("<", "DESC") };
    let ListSpec { select, from, scope, id, .. } = spec;
    match way {
        Way::Walk => {
            let key = column.key;
            let (mut conditions, mut last) = conditions(spec, asked, None);
            if placed {
                conditions.push_str(&format!(" AND ({key}, {id}) {comparison} (${}, ${})", last + 1, last + 2));
                last += 2;
            }
            format!(
                "SELECT {select} FROM {from} WHERE {scope}{conditions} ORDER BY {key} {direction}, {id} {direction} LIMIT ${}",
                last + 1
            )
        }
        // What was found is kept for a moment with its place, counted and put in order; only what is shown is looked up.
        Way::Few => {
            let (matching, mut last) = matching(spec, asked, &format!("{id}, {}", column.key));
            let mut place = String::new();
            if placed {
                place = format!(" WHERE (found_key, found_id) {comparison} (${}, ${})", last + 1, last + 2);
                last += 2;
            }
            // SQLite takes the tables of a CROSS JOIN in the order in which they stand.
            format!(
                "WITH found (found_id, found_key) AS MATERIALIZED ({matching}) \
                 SELECT {select}, (SELECT count(*) FROM found) AS matched \
                 FROM (SELECT found_id, found_key FROM found{place} ORDER BY found_key {direction}, found_id {direction} LIMIT ${}) AS shown \
                 CROSS JOIN {from} WHERE {id} = found_id ORDER BY found_key {direction}, found_id {direction}",
                last + 1
            )
        }
    }
}

/// What of a term has to be found, in whatever order: its words, the longest first. A word in which there is no trigram
/// is found by no index; a term with one is looked for as it is.
fn words(term: String) -> Vec<String> {
    let mut words: Vec<String> = term.splitn(WORDS, ' ').map(str::to_owned).collect();
    if words.iter().any(|word| word.chars().count() < TRIGRAM) {
        return vec![term];
    }
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

/// The pattern for what is searched: anywhere, its own wildcards taken literally.
fn pattern(folded: &str) -> String {
    let mut pattern = String::from("%");
    for c in folded.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_searched_literally() {
        assert_eq!(pattern("50%_\\"), "%50\\%\\_\\\\%");
    }

    #[test]
    fn a_search_is_for_its_words_the_longest_first() {
        for (term, found) in [
            ("ada lovelace", &["lovelace", "ada"][..]),
            ("ada", &["ada"]),
            ("jo smith", &["jo smith"]),
            ("one three two more of", &["two more of", "three", "one"]),
        ] {
            assert_eq!(words(term.to_owned()), found);
        }
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
