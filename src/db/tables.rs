//! Every table of the schema with all its rows, found by asking the schema: nothing here names a table, so that a new one
//! is in the next backup without anybody remembering it. What the engines differ in is brought to one form: identifiers
//! and hashes are bytes, truth is an integer, and rows come in the order of their key.

use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::{Conn, Connected, ROWS, Tx, migrations::LEDGER, values};

/// What a column holds, as its engine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 64 bits.
    Integer,
    /// PostgreSQL's truth, which SQLite keeps as 0 and 1.
    Boolean,
    /// Unicode.
    Text,
    /// Bytes.
    Bytes,
    /// PostgreSQL's identifiers, which SQLite keeps as 16 bytes.
    Uuid,
}

impl Kind {
    /// What it is called where the engine does not matter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integer | Self::Boolean => "integer",
            Self::Text => "text",
            Self::Bytes | Self::Uuid => "bytes",
        }
    }

    /// Of the type that a column was declared with.
    fn declared(table: &str, column: &str, declared: &str) -> Result<Self, sqlx::Error> {
        Ok(match declared.to_ascii_lowercase().as_str() {
            "integer" | "bigint" => Self::Integer,
            "boolean" => Self::Boolean,
            "text" => Self::Text,
            "blob" | "bytea" => Self::Bytes,
            "uuid" => Self::Uuid,
            other => return Err(sqlx::Error::Protocol(format!("{table}.{column} is of the type {other}, which backups do not know"))),
        })
    }
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table whose rows are nobody's work but the portal's.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns by name, without those that the database computes.
    pub columns: Vec<Column>,
    /// The columns of its primary key, in their order.
    key: Vec<String>,
}

/// What stands in a column of a row, on either engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number, or truth.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Every table, by name: not the ledger of migrations, and not what the engine derives by itself, such as an index for
/// searches and the tables that triggers fill for it.
///
/// # Errors
/// The database's, and where a column is of a type that nobody has thought of.
pub async fn all(db: &mut impl Connected) -> Result<Vec<Table>, sqlx::Error> {
    let rows: Vec<(String, String, String, i64)> = match db.conn() {
        Conn::Sqlite(c) => {
            let virtuals: Vec<(String,)> = sqlx::query_as("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'")
                .fetch_all(&mut *c)
                .await?;
            let mut rows: Vec<(String, String, String, i64)> = sqlx::query_as(
                "SELECT t.name, c.name, c.type, c.pk FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) c
                 WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND c.hidden = 0 ORDER BY t.name, c.name",
            )
            .fetch_all(c)
            .await?;
            rows.retain(|(table, ..)| !virtuals.iter().any(|(index,)| is_of(table, index)));
            rows
        }
        Conn::Postgres(c) => {
            sqlx::query_as(
                "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)::bigint
                 FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
                 AND a.attgenerated = '' AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
                 ORDER BY c.relname COLLATE \"C\", a.attname COLLATE \"C\"",
            )
            .fetch_all(c)
            .await?
        }
    };
    let mut tables: Vec<(Table, Vec<(i64, String)>)> = Vec::new();
    for (table, column, declared, key) in rows.into_iter().filter(|(table, ..)| table != LEDGER) {
        if tables.last().is_none_or(|(last, _)| last.name != table) {
            tables.push((Table { name: table.clone(), columns: Vec::new(), key: Vec::new() }, Vec::new()));
        }
        let kind = Kind::declared(&table, &column, &declared)?;
        if let Some((last, keys)) = tables.last_mut() {
            if key > 0 {
                keys.push((key, column.clone()));
            }
            last.columns.push(Column { name: column, kind });
        }
    }
    Ok(tables
        .into_iter()
        .map(|(mut table, mut key)| {
            key.sort();
            table.key = key.into_iter().map(|(_, column)| column).collect();
            // Without a key the whole row is one: any order does that is the same on both engines.
            if table.key.is_empty() {
                table.key = table.columns.iter().map(|column| column.name.clone()).collect();
            }
            table
        })
        .collect())
}

/// Whether a table belongs to the index of a search, by its name: all that triggers fill for `ticket_search_index` is called
/// `ticket_search_…`.
fn is_of(table: &str, index: &str) -> bool {
    index.strip_suffix("index").is_some_and(|stem| stem.ends_with("_search_") && table.starts_with(stem))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    fn list(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// Hands over every row, in the order of the key, one at a time. Gives their number.
    ///
    /// # Errors
    /// The database's, or what `take` says.
    pub async fn each_row(&self, db: &mut impl Connected, mut take: impl FnMut(&[Value]) -> Result<(), String>) -> Result<u64, String> {
        let failed = |e: sqlx::Error| format!("{}: {e}", self.name);
        let mut rows = 0;
        let mut row = Vec::with_capacity(self.columns.len());
        // Identifiers and hashes sort by their bytes on both engines; texts only where PostgreSQL is told.
        let texts: Vec<&str> = self.columns.iter().filter(|column| column.kind == Kind::Text).map(|column| column.name.as_str()).collect();
        let key = |collation: &str| {
            let key = self.key.iter().map(|name| quoted(name) + if texts.contains(&name.as_str()) { collation } else { "" });
            key.collect::<Vec<_>>().join(", ")
        };
        let select =
            |collation: &str| AssertSqlSafe(format!("SELECT {} FROM {} ORDER BY {}", self.list(), quoted(&self.name), key(collation)));
        match db.conn() {
            Conn::Sqlite(c) => {
                let mut found = sqlx::query::<Sqlite>(select("")).fetch(c);
                while let Some(is) = found.try_next().await.map_err(failed)? {
                    row.clear();
                    for (n, column) in self.columns.iter().enumerate() {
                        row.push(
                            match column.kind {
                                Kind::Integer | Kind::Boolean => is.try_get::<Option<i64>, _>(n).map(|v| v.map(Value::Integer)),
                                Kind::Text => is.try_get::<Option<String>, _>(n).map(|v| v.map(Value::Text)),
                                Kind::Bytes | Kind::Uuid => is.try_get::<Option<Vec<u8>>, _>(n).map(|v| v.map(Value::Bytes)),
                            }
                            .map_err(failed)?
                            .unwrap_or(Value::Null),
                        );
                    }
                    take(&row)?;
                    rows += 1;
                }
            }
            Conn::Postgres(c) => {
                let mut found = sqlx::query::<Postgres>(select(" COLLATE \"C\"")).fetch(c);
                while let Some(is) = found.try_next().await.map_err(failed)? {
                    row.clear();
                    for (n, column) in self.columns.iter().enumerate() {
                        row.push(
                            match column.kind {
                                Kind::Integer => is.try_get::<Option<i64>, _>(n).map(|v| v.map(Value::Integer)),
                                Kind::Boolean => is.try_get::<Option<bool>, _>(n).map(|v| v.map(|v| Value::Integer(v.into()))),
                                Kind::Text => is.try_get::<Option<String>, _>(n).map(|v| v.map(Value::Text)),
                                Kind::Bytes => is.try_get::<Option<Vec<u8>>, _>(n).map(|v| v.map(Value::Bytes)),
                                Kind::Uuid => is.try_get::<Option<Uuid>, _>(n).map(|v| v.map(|v| Value::Bytes(v.as_bytes().to_vec()))),
                            }
                            .map_err(failed)?
                            .unwrap_or(Value::Null),
                        );
                    }
                    take(&row)?;
                    rows += 1;
                }
            }
        }
        Ok(rows)
    }

    /// Forgets the rows that migrations wrote, and puts in those that `next` gives until it gives none, with a value for
    /// each column. Gives their number.
    ///
    /// # Errors
    /// The database's, or what `next` says.
    pub async fn fill(&self, tx: &mut Tx, mut next: impl FnMut() -> Result<Option<Vec<Value>>, String>) -> Result<u64, String> {
        let failed = |e: sqlx::Error| format!("{}: {e}", self.name);
        let name = quoted(&self.name);
        let clear = AssertSqlSafe(format!("DELETE FROM {name}"));
        match tx.conn() {
            Conn::Sqlite(c) => {
                sqlx::query::<Sqlite>(clear).execute(&mut *c).await.map_err(failed)?;
                let insert = format!("INSERT INTO {name} ({})", self.list());
                let (mut rows, mut batch) = (0, Vec::with_capacity(ROWS));
                loop {
                    let row = next()?;
                    let over = row.is_none();
                    batch.extend(row);
                    if batch.len() == ROWS || (over && !batch.is_empty()) {
                        let text = values(&insert, self.columns.len(), batch.len());
                        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(text));
                        for value in batch.drain(..).flatten() {
                            query = match value {
                                Value::Null => query.bind(None::<i64>),
                                Value::Integer(n) => query.bind(n),
                                Value::Text(text) => query.bind(text),
                                Value::Bytes(bytes) => query.bind(bytes),
                            };
                        }
                        rows += query.execute(&mut *c).await.map_err(failed)?.rows_affected();
                    }
                    if over {
                        return Ok(rows);
                    }
                }
            }
            Conn::Postgres(c) => {
                sqlx::query::<Postgres>(clear).execute(&mut *c).await.map_err(failed)?;
                let mut copy = c.copy_in_raw(&format!("COPY {name} ({}) FROM STDIN", self.list())).await.map_err(failed)?;
                let mut buffer = Vec::with_capacity(128 * 1024);
                while let Some(row) = next()? {
                    self.copy_line(&row, &mut buffer);
                    if buffer.len() > 64 * 1024 {
                        copy.send(std::mem::take(&mut buffer)).await.map_err(failed)?;
                    }
                }
                copy.send(buffer).await.map_err(failed)?;
                copy.finish().await.map_err(failed)
            }
        }
    }

    /// A row in the text format of PostgreSQL's COPY.
    fn copy_line(&self, row: &[Value], out: &mut Vec<u8>) {
        for (n, (value, column)) in row.iter().zip(&self.columns).enumerate() {
            if n > 0 {
                out.push(b'\t');
            }
            match value {
                Value::Null => out.extend(b"\\N"),
                Value::Integer(n) if column.kind == Kind::Boolean => out.push(if *n == 0 { b'f' } else { b't' }),
                Value::Integer(n) => out.extend(n.to_string().bytes()),
                Value::Text(text) => {
                    for byte in text.bytes() {
                        match byte {
                            b'\\' => out.extend(b"\\\\"),
                            b'\t' => out.extend(b"\\t"),
                            b'\n' => out.extend(b"\\n"),
                            b'\r' => out.extend(b"\\r"),
                            byte => out.push(byte),
                        }
                    }
                }
                Value::Bytes(bytes) => {
                    if column.kind == Kind::Bytes {
                        out.extend(b"\\\\x");
                    }
                    for byte in bytes {
                        out.extend([byte >> 4, byte & 15].map(|n| b"0123456789abcdef"[usize::from(n)]));
                    }
                }
            }
        }
        out.push(b'\n');
    }
}

/// The foreign keys of PostgreSQL's tables, taken away so that tables are filled in any order and checked in one go.
pub struct Loosened(Vec<(String, String, String)>);

/// Takes PostgreSQL's foreign keys away until [`tighten`]. SQLite's are off while it is filled.
///
/// # Errors
/// The database's.
pub async fn loosen(tx: &mut Tx) -> Result<Loosened, sqlx::Error> {
    let Conn::Postgres(c) = tx.conn() else { return Ok(Loosened(Vec::new())) };
    let keys: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
         WHERE contype = 'f' AND connamespace = current_schema()::regnamespace ORDER BY 1, 2",
    )
    .fetch_all(&mut *c)
    .await?;
    for (table, name, _) in &keys {
        run(c, format!("ALTER TABLE {table} DROP CONSTRAINT {name}")).await?;
    }
    Ok(Loosened(keys))
}

/// Puts the foreign keys back as they were: each is checked over all rows.
///
/// # Errors
/// The database's, and where a row refers to one that is not there.
pub async fn tighten(tx: &mut Tx, keys: Loosened) -> Result<(), sqlx::Error> {
    if let Conn::Postgres(c) = tx.conn() {
        for (table, name, definition) in keys.0 {
            run(c, format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")).await?;
        }
        // Migrations that follow change rows and then their tables, which PostgreSQL refuses while a check is put off.
        run(c, "SET CONSTRAINTS ALL IMMEDIATE".to_owned()).await?;
    }
    Ok(())
}

async fn run(c: &mut PgConnection, text: String) -> Result<(), sqlx::Error> {
    sqlx::query::<Postgres>(AssertSqlSafe(text)).execute(c).await.map(|_| ())
}

/// Whether anything at all is in a PostgreSQL database, but for what belongs to extensions.
///
/// # Errors
/// The database's.
pub async fn occupied(tx: &mut Tx) -> Result<bool, sqlx::Error> {
    let Conn::Postgres(c) = tx.conn() else { return Ok(false) };
    let (there,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
         AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))",
    )
    .fetch_one(c)
    .await?;
    Ok(there)
}

/// What the engine itself finds wrong: damaged pages and rows that refer to nothing on SQLite. PostgreSQL keeps to its
/// constraints at all times.
///
/// # Errors
/// The database's.
pub async fn damage(db: &mut impl Connected) -> Result<Vec<String>, sqlx::Error> {
    let Conn::Sqlite(c) = db.conn() else { return Ok(Vec::new()) };
    let pages: Vec<(String,)> = sqlx::query_as("SELECT integrity_check FROM pragma_integrity_check").fetch_all(&mut *c).await?;
    let mut wrong: Vec<String> = pages.into_iter().map(|(line,)| line).filter(|line| line != "ok").collect();
    let orphans: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT \"table\", \"parent\", count(*) FROM pragma_foreign_key_check GROUP BY 1, 2").fetch_all(c).await?;
    wrong.extend(orphans.into_iter().map(|(table, parent, n)| format!("{n} rows of {table} refer to rows of {parent} that are not there")));
    Ok(wrong)
}

/// Tells PostgreSQL what the tables hold, so that it plans well from the first request on.
///
/// # Errors
/// The database's.
pub async fn analyze(tx: &mut Tx) -> Result<(), sqlx::Error> {
    match tx.conn() {
        Conn::Postgres(c) => run(c, "ANALYZE".to_owned()).await,
        Conn::Sqlite(_) => Ok(()),
    }
}

/// Lets a PostgreSQL transaction last as long as the work in it does. (The limits are there for requests.)
pub(super) async fn patient(c: &mut PgConnection) -> Result<(), sqlx::Error> {
    for limit in ["statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"] {
        run(c, format!("SET LOCAL {limit} = 0")).await?;
    }
    Ok(())
}

/// Settles which moment a SQLite transaction sees: its first read does.
pub(super) async fn settle(c: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query::<Sqlite>("SELECT 1 FROM sqlite_schema LIMIT 1").fetch_optional(c).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_index_is_told_by_its_name() {
        assert!(is_of("ticket_search_rows", "ticket_search_index") && is_of("ticket_search_owners", "ticket_search_index"));
        assert!(!is_of("tickets", "ticket_search_index") && !is_of("ticket_search_rows", "member_search_index"));
        assert!(!is_of("a_rows", "a_index") && !is_of("rows", "index"));
    }

    #[test]
    fn rows_are_written_as_copy_reads_them() {
        let columns =
            [("a", Kind::Text), ("b", Kind::Bytes), ("c", Kind::Uuid), ("d", Kind::Boolean), ("e", Kind::Integer), ("f", Kind::Text)];
        let columns = columns.map(|(name, kind)| Column { name: name.to_owned(), kind }).to_vec();
        let table = Table { name: "t".to_owned(), columns, key: Vec::new() };
        let row = [
            Value::Text("\\ \t\n\r é".to_owned()),
            Value::Bytes(vec![0, 0xab]),
            Value::Bytes(vec![0x1f; 16]),
            Value::Integer(1),
            Value::Integer(-5),
            Value::Null,
        ];
        let mut line = Vec::new();
        table.copy_line(&row, &mut line);
        let expected = format!("\\\\ \\t\\n\\r é\t\\\\x00ab\t{}\tt\t-5\t\\N\n", "1f".repeat(16));
        assert_eq!(String::from_utf8(line).expect("text"), expected);
    }
}
