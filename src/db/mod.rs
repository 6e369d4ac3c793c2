//! The one way to the database: two engines, one SQL text, transactions as objects.
//!
//! * [`sql!`] expands a statement for both engines and registers it, so that a test prepares every one on both.
//! * [`Db::read`] lends a connection for reading, [`Db::begin`] opens a writing transaction; both give a [`Conn`].
//! * Writing goes through [`unit::Portal::write`](crate::portal::Portal::write), which retries and commits.

mod failure;
mod migrations;
pub mod tables;

use std::{os::unix::fs::OpenOptionsExt as _, path::Path, str::FromStr, time::Duration};

pub use failure::Failure;
pub use migrations::{MIGRATORS, Pending, known, migrate_in, seen};
use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// A statement that the program may send; collected from every use of [`sql!`] and of the list module.
pub struct Statement {
    /// The text; more than one where a list enumerates its shapes. It is the same for both engines, but where a list
    /// asks an index of trigrams.
    pub texts: fn(Dialect) -> Vec<&'static str>,
    /// The module that sends it.
    pub module: &'static str,
}
inventory::collect!(Statement);

/// Which engine a statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}

/// Every statement that the program sends to an engine, with its module, in no order.
pub fn statements(dialect: Dialect) -> impl Iterator<Item = (&'static str, &'static str)> {
    inventory::iter::<Statement>.into_iter().flat_map(move |s| (s.texts)(dialect).into_iter().map(move |text| (s.module, text)))
}

/// The database.
#[derive(Clone, Debug)]
pub enum Db {
    /// A file beside the program: many readers and one writer.
    Sqlite {
        /// Connections that cannot write.
        read: SqlitePool,
        /// The one connection that writes.
        write: SqlitePool,
    },
    /// A server, which several replicas of the portal may share.
    Postgres(PgPool),
}

/// A connection of either engine, for as long as a statement needs it.
pub enum Conn<'c> {
    /// SQLite's.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL's.
    Postgres(&'c mut PgConnection),
}

impl Conn<'_> {
    /// Which engine's it is.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

/// What statements can be sent through.
pub trait Connected: Send {
    /// The connection.
    fn conn(&mut self) -> Conn<'_>;
}

/// A connection for reading.
pub enum Reader {
    /// SQLite's.
    Sqlite(PoolConnection<Sqlite>),
    /// PostgreSQL's.
    Postgres(PoolConnection<Postgres>),
}

impl Connected for Reader {
    fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(c) => Conn::Sqlite(c),
            Self::Postgres(c) => Conn::Postgres(c),
        }
    }
}

/// A writing transaction. Dropped without [`Tx::commit`], nothing of it stands.
pub enum Tx {
    /// SQLite's.
    Sqlite(Transaction<'static, Sqlite>),
    /// PostgreSQL's.
    Postgres(Transaction<'static, Postgres>),
}

impl Connected for Tx {
    fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(c) => Conn::Sqlite(c),
            Self::Postgres(c) => Conn::Postgres(c),
        }
    }
}

impl Tx {
    /// Makes the work durable.
    ///
    /// # Errors
    /// Deferred constraints fail here; then nothing of the transaction stands.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}

/// Has PostgreSQL find rows by an index in what is left of a transaction that writes much. It keeps the plan of a statement that
/// it made while a table was all but empty, and would read the whole table for each batch that fills it. SQLite needs no word:
/// its plans do not look at how much is there.
///
/// # Errors
/// The database's.
pub async fn by_index(db: &mut impl Connected) -> Result<(), sqlx::Error> {
    match db.conn() {
        Conn::Sqlite(_) => {}
        Conn::Postgres(c) => {
            sqlx::query("SET LOCAL enable_seqscan = off").execute(c).await?;
        }
    }
    Ok(())
}

/// How long one waits for a connection before the answer is 503.
const ACQUIRE: Duration = Duration::from_secs(3);

impl Db {
    /// The file that a URL names, where it names SQLite's.
    #[must_use]
    pub fn file(url: &str) -> Option<std::path::PathBuf> {
        if !url.starts_with("sqlite:") || url.contains(":memory:") {
            return None;
        }
        Some(SqliteConnectOptions::from_str(url).ok()?.get_filename().to_owned())
    }

    /// Opens the database named by a URL: `sqlite:PATH` or `postgres://…`. A missing SQLite file is created.
    ///
    /// # Errors
    /// Where the URL is of neither kind, or the database cannot be reached.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        Self::open_with(url, true).await
    }

    /// The same, but a missing SQLite file stays missing.
    ///
    /// # Errors
    /// Where the URL is of neither kind, or the database cannot be reached.
    pub async fn open_existing(url: &str) -> Result<Self, sqlx::Error> {
        Self::open_with(url, false).await
    }

    async fn open_with(url: &str, create: bool) -> Result<Self, sqlx::Error> {
        if is_postgres(url) {
            // A session left in a transaction must not hold its locks for long, and no statement may run away.
            let options = PgConnectOptions::from_str(url)?.application_name("org-portal").options([
                ("statement_timeout", "30s"),
                ("lock_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "15s"),
            ]);
            let pool = PgPoolOptions::new()
                .max_connections(16)
                .acquire_timeout(ACQUIRE)
                .max_lifetime(Duration::from_secs(600))
                .connect_with(options)
                .await?;
            return Ok(Self::Postgres(pool));
        }
        if create && let Some(file) = Self::file(url) {
            // It is for nobody else on the machine; the files that SQLite makes beside it get its permissions.
            match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
        }
        // FULL: with WAL and NORMAL a power loss could take what was answered as saved.
        let options =
            SqliteConnectOptions::from_str(url)?.foreign_keys(true).busy_timeout(Duration::from_secs(5)).pragma("trusted_schema", "OFF");
        let writing = options
            .clone()
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .pragma("journal_size_limit", "67108864");
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // SQLite itself ends a transaction that meets a full disk. The library does not hear of it and takes the
            // connection to be in that transaction for good, so another one takes its place.
            .before_acquire(|connection, _| {
                Box::pin(async move {
                    // The rollback of who had it before is waited for.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(writing)
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(8)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // Pages are read where the system keeps them, without a copy of them in every connection
            // (docs/decisions/0021-long-lists.md).
            .connect_with(options.read_only(true).pragma("mmap_size", "4294967296"))
            .await?;
        Ok(Self::Sqlite { read, write })
    }

    /// Lends a connection for reading.
    ///
    /// # Errors
    /// Where none is to be had in time.
    pub async fn read(&self) -> Result<Reader, sqlx::Error> {
        Ok(match self {
            Self::Sqlite { read, .. } => Reader::Sqlite(read.acquire().await?),
            Self::Postgres(pool) => Reader::Postgres(pool.acquire().await?),
        })
    }

    /// Opens a writing transaction. On SQLite it takes the write lock at once, because a later upgrade can fail
    /// without waiting (`SQLITE_BUSY_SNAPSHOT`).
    ///
    /// # Errors
    /// Where no connection is to be had in time.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// A transaction that reads, and sees everything as of one moment for as long as it lasts, whoever writes meanwhile.
    ///
    /// # Errors
    /// Where no connection is to be had in time.
    pub async fn snapshot(&self) -> Result<Tx, sqlx::Error> {
        Ok(match self {
            Self::Sqlite { read, .. } => {
                let mut tx = read.begin().await?;
                tables::settle(&mut tx).await?;
                Tx::Sqlite(tx)
            }
            Self::Postgres(pool) => {
                let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                tables::patient(&mut tx).await?;
                Tx::Postgres(tx)
            }
        })
    }

    /// Opens a writing transaction that may take as long as it needs: for filling a database that nobody uses yet.
    ///
    /// # Errors
    /// Where no connection is to be had in time.
    pub async fn begin_long(&self) -> Result<Tx, sqlx::Error> {
        let mut tx = self.begin().await?;
        if let Tx::Postgres(tx) = &mut tx {
            tables::patient(tx).await?;
        }
        Ok(tx)
    }

    /// Opens an empty SQLite file to be filled in one transaction. It keeps no journal and checks no foreign keys: if
    /// anything goes wrong, the file is thrown away.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn open_blank(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .foreign_keys(false)
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .pragma("trusted_schema", "OFF");
        let pool = || SqlitePoolOptions::new().max_connections(1).min_connections(0).idle_timeout(None).max_lifetime(None);
        let write = pool().connect_with(options.clone()).await?;
        Ok(Self::Sqlite { read: pool().connect_lazy_with(options.read_only(true)), write })
    }

    /// Lets every connection go.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// How many rows one statement puts in. SQLite looks a parameter's name up among all of the statement's, so that more
/// rows cost more each; fewer cost PostgreSQL more round trips.
pub const ROWS: usize = 50;

/// An INSERT of so many rows: `… VALUES ($1, $2), ($3, $4)`.
#[must_use]
pub fn values(insert: &str, columns: usize, rows: usize) -> String {
    let mut text = String::with_capacity(insert.len() + rows * columns * 7);
    text.push_str(insert);
    text.push_str(" VALUES ");
    for n in 0..rows * columns {
        text.push_str(match (n, n % columns) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        });
        text.push_str(&format!("${}", n + 1));
    }
    text.push(')');
    text
}

/// What so many keys are looked up by: `… number IN ($1, $2)`, or, with more columns than one, `… ((a = $1 AND b = $2) OR
/// (a = $3 AND b = $4))`.
#[must_use]
pub fn among(text: &str, columns: &[&str], keys: usize, tail: &str) -> String {
    let mut out = String::with_capacity(text.len() + keys * columns.len() * 12);
    out.push_str(text);
    match columns {
        [column] => {
            out.push_str(&format!(" {column} IN ("));
            for n in 1..=keys {
                out.push_str(&format!("{}${n}", if n > 1 { ", " } else { "" }));
            }
            out.push(')');
        }
        _ => {
            out.push_str(" (");
            for key in 0..keys {
                out.push_str(if key > 0 { " OR (" } else { "(" });
                for (n, column) in columns.iter().enumerate() {
                    let and = if n > 0 { " AND " } else { "" };
                    out.push_str(&format!("{and}{column} = ${}", key * columns.len() + n + 1));
                }
                out.push(')');
            }
            out.push(')');
        }
    }
    if !tail.is_empty() {
        out.push(' ');
        out.push_str(tail);
    }
    out
}

/// Registers the texts that a module may send.
#[macro_export]
macro_rules! register_sql {
    ($text:expr) => {
        ::inventory::submit! { $crate::db::Statement { texts: |_| ::std::vec![$text], module: ::core::module_path!() } }
    };
}

/// Sends one statement, the same text to either engine, and registers it.
///
/// `sql!(execute tx, "…", a, b)` gives the number of rows, `sql!(one as Row, …)`, `sql!(optional as Row, …)` and
/// `sql!(all as Row, …)` give rows of a type that derives `sqlx::FromRow` (or a tuple).
///
/// `sql!(insert tx, "INSERT INTO table (a, b)", rows, |row| [row.a, row.b])` puts in many rows, [`ROWS`] with one
/// statement, and gives their number. What an upsert has behind its values comes last: `…, "ON CONFLICT (a) DO UPDATE …"`;
/// and `sql!(insert as Row, …)` gives the rows that its RETURNING names.
///
/// `sql!(among as Row, db, "SELECT … WHERE", keys, |key| ["a" = key.a])` finds the rows of many keys, [`ROWS`] with one
/// statement; no key may be there twice.
#[macro_export]
macro_rules! sql {
    (execute $conn:expr, $text:expr $(, $arg:expr)* $(,)?) => {{
        $crate::register_sql!($text);
        match $crate::db::Connected::conn($conn) {
            $crate::db::Conn::Sqlite(c) => ::sqlx::query::<::sqlx::Sqlite>($text)$(.bind($arg))*.execute(c).await.map(|done| done.rows_affected()),
            $crate::db::Conn::Postgres(c) => ::sqlx::query::<::sqlx::Postgres>($text)$(.bind($arg))*.execute(c).await.map(|done| done.rows_affected()),
        }
    }};
    (one as $row:ty, $conn:expr, $text:expr $(, $arg:expr)* $(,)?) => { $crate::sql!(@rows fetch_one $row, $conn, $text $(, $arg)*) };
    (optional as $row:ty, $conn:expr, $text:expr $(, $arg:expr)* $(,)?) => { $crate::sql!(@rows fetch_optional $row, $conn, $text $(, $arg)*) };
    (all as $row:ty, $conn:expr, $text:expr $(, $arg:expr)* $(,)?) => { $crate::sql!(@rows fetch_all $row, $conn, $text $(, $arg)*) };
    (insert as $as:ty, $conn:expr, $text:literal, $rows:expr, |$row:ident| [$($value:expr),+ $(,)?], $tail:literal $(,)?) => {{
        const COLUMNS: usize = [$(stringify!($value)),+].len();
        $crate::register_sql!(::std::format!("{} {}", $crate::db::values($text, COLUMNS, 1), $tail).leak());
        async {
            let mut found: ::std::vec::Vec<$as> = ::std::vec::Vec::new();
            for rows in $rows.chunks($crate::db::ROWS) {
                let text = ::sqlx::AssertSqlSafe(::std::format!("{} {}", $crate::db::values($text, COLUMNS, rows.len()), $tail));
                match $crate::db::Connected::conn(&mut *$conn) {
                    $crate::db::Conn::Sqlite(c) => {
                        let mut query = ::sqlx::query_as::<::sqlx::Sqlite, $as>(text);
                        for $row in rows { $(query = query.bind($value);)+ }
                        found.extend(query.fetch_all(c).await?);
                    }
                    $crate::db::Conn::Postgres(c) => {
                        let mut query = ::sqlx::query_as::<::sqlx::Postgres, $as>(text);
                        for $row in rows { $(query = query.bind($value);)+ }
                        found.extend(query.fetch_all(c).await?);
                    }
                }
            }
            Ok::<::std::vec::Vec<$as>, ::sqlx::Error>(found)
        }
        .await
    }};
    (insert $conn:expr, $text:literal, $rows:expr, |$row:ident| [$($value:expr),+ $(,)?] $(,)?) => {
        $crate::sql!(insert $conn, $text, $rows, |$row| [$($value),+], "")
    };
    (insert $conn:expr, $text:literal, $rows:expr, |$row:ident| [$($value:expr),+ $(,)?], $tail:literal $(,)?) => {{
        const COLUMNS: usize = [$(stringify!($value)),+].len();
        // The shape that stands for all: the others have more rows.
        $crate::register_sql!(::std::format!("{} {}", $crate::db::values($text, COLUMNS, 1), $tail).leak());
        async {
            let mut written = 0;
            for rows in $rows.chunks($crate::db::ROWS) {
                let text = ::sqlx::AssertSqlSafe(::std::format!("{} {}", $crate::db::values($text, COLUMNS, rows.len()), $tail));
                written += match $crate::db::Connected::conn(&mut *$conn) {
                    $crate::db::Conn::Sqlite(c) => {
                        let mut query = ::sqlx::query::<::sqlx::Sqlite>(text);
                        for $row in rows { $(query = query.bind($value);)+ }
                        query.execute(c).await?.rows_affected()
                    }
                    $crate::db::Conn::Postgres(c) => {
                        let mut query = ::sqlx::query::<::sqlx::Postgres>(text);
                        for $row in rows { $(query = query.bind($value);)+ }
                        query.execute(c).await?.rows_affected()
                    }
                };
            }
            Ok::<u64, ::sqlx::Error>(written)
        }
        .await
    }};
    (among as $as:ty, $conn:expr, $text:literal, $keys:expr, |$key:ident| [$($column:literal = $value:expr),+ $(,)?] $(,)?) => {
        $crate::sql!(among as $as, $conn, $text, $keys, |$key| [$($column = $value),+], "")
    };
    (among as $as:ty, $conn:expr, $text:literal, $keys:expr, |$key:ident| [$($column:literal = $value:expr),+ $(,)?], $tail:literal $(,)?) => {{
        $crate::register_sql!($crate::db::among($text, &[$($column),+], 1, $tail).leak());
        async {
            let mut found: ::std::vec::Vec<$as> = ::std::vec::Vec::new();
            for keys in $keys.chunks($crate::db::ROWS) {
                let text = ::sqlx::AssertSqlSafe($crate::db::among($text, &[$($column),+], keys.len(), $tail));
                match $crate::db::Connected::conn(&mut *$conn) {
                    $crate::db::Conn::Sqlite(c) => {
                        let mut query = ::sqlx::query_as::<::sqlx::Sqlite, $as>(text);
                        for $key in keys { $(query = query.bind($value);)+ }
                        found.extend(query.fetch_all(c).await?);
                    }
                    $crate::db::Conn::Postgres(c) => {
                        let mut query = ::sqlx::query_as::<::sqlx::Postgres, $as>(text);
                        for $key in keys { $(query = query.bind($value);)+ }
                        found.extend(query.fetch_all(c).await?);
                    }
                }
            }
            Ok::<::std::vec::Vec<$as>, ::sqlx::Error>(found)
        }
        .await
    }};
    (@rows $fetch:ident $row:ty, $conn:expr, $text:expr $(, $arg:expr)*) => {{
        $crate::register_sql!($text);
        match $crate::db::Connected::conn($conn) {
            $crate::db::Conn::Sqlite(c) => ::sqlx::query_as::<::sqlx::Sqlite, $row>($text)$(.bind($arg))*.$fetch(c).await,
            $crate::db::Conn::Postgres(c) => ::sqlx::query_as::<::sqlx::Postgres, $row>($text)$(.bind($arg))*.$fetch(c).await,
        }
    }};
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn the_files_of_a_new_database_are_for_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&format!("sqlite:{}", folder.path().join("portal.db").display())).await.expect("made");
        let Db::Sqlite { write, .. } = &db else { unreachable!("SQLite") };
        sqlx::query("CREATE TABLE t (n INTEGER) STRICT").execute(write).await.expect("written");
        let files: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("a file")).collect();
        assert_eq!(files.len(), 3, "{files:?}");
        for file in files {
            assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600, "{file:?}");
        }
    }
}
