//! All SQL of operators and of the runs of imports.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::{
    db::Connected,
    list::sql::{Column, Key, Keyed, ListSpec, ListSql, WHOLE},
    sql,
    words::{AccountId, MINUTE, Timestamp},
};

/// An operator.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// The account.
    pub account_id: AccountId,
    /// Since when.
    pub created_at: Timestamp,
}

/// The operators, the first one first, at most 1,000.
///
/// # Errors
/// The database's.
pub async fn all(db: &mut impl Connected) -> Result<Vec<Row>, sqlx::Error> {
    sql!(all as Row, db, "SELECT account_id, created_at FROM operators ORDER BY created_at, account_id LIMIT 1000")
}

/// Has whoever else asks so wait: who is an operator stays as it is until the transaction ends.
///
/// # Errors
/// The database's.
pub async fn hold_all(db: &mut impl Connected) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE operators SET created_at = created_at")?;
    Ok(())
}

/// Whether an account is an operator's.
///
/// # Errors
/// The database's.
pub async fn is_one(db: &mut impl Connected, account: AccountId) -> Result<bool, sqlx::Error> {
    let row: Option<(Timestamp,)> = sql!(optional as (Timestamp,), db, "SELECT created_at FROM operators WHERE account_id = $1", account)?;
    Ok(row.is_some())
}

/// Makes an account an operator's; `false` where it is one. The moment is when a password was printed for it, where one was.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: &mut impl Connected,
    account: AccountId,
    password_printed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let rows = sql!(execute db, "INSERT INTO operators (account_id, created_at, password_printed_at) VALUES ($1, $2, $3) ON CONFLICT (account_id) DO NOTHING", account, now, password_printed_at)?;
    Ok(rows == 1)
}

/// Makes an account an operator's whom the OpenID provider names one; `false` where it is one.
///
/// # Errors
/// The database's.
pub async fn insert_named_by(db: &mut impl Connected, account: AccountId, issuer: &str, now: Timestamp) -> Result<bool, sqlx::Error> {
    let rows = sql!(execute db, "INSERT INTO operators (account_id, created_at, named_by) VALUES ($1, $2, $3) ON CONFLICT (account_id) DO NOTHING", account, now, issuer)?;
    Ok(rows == 1)
}

/// Takes that away from an account; `false` where it is no operator's, or another's word made it one.
///
/// # Errors
/// The database's.
pub async fn delete_named_by(db: &mut impl Connected, account: AccountId, issuer: &str) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM operators WHERE account_id = $1 AND named_by = $2", account, issuer)? == 1)
}

/// Which provider made an account an operator's, where one did.
///
/// # Errors
/// The database's.
pub async fn named_by(db: &mut impl Connected, account: AccountId) -> Result<Option<Option<String>>, sqlx::Error> {
    let row: Option<(Option<String>,)> =
        sql!(optional as (Option<String>,), db, "SELECT named_by FROM operators WHERE account_id = $1", account)?;
    Ok(row.map(|(issuer,)| issuer))
}

/// Makes an account nobody's but its own; `false` where it was no operator's.
///
/// # Errors
/// The database's.
pub async fn delete(db: &mut impl Connected, account: AccountId) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM operators WHERE account_id = $1", account)? == 1)
}

/// For how long a run that is at work may be silent.
pub const SILENCE: i64 = 2 * MINUTE;

/// A run of an import.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Import {
    /// Its id.
    pub id: Uuid,
    /// The name of the file or the folder.
    pub source: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; nothing where it is at work, or was cut off.
    pub finished_at: Option<Timestamp>,
    /// When it said last that it is at work.
    pub seen_at: Option<Timestamp>,
    /// Why it ended before its end; empty where it did not.
    pub failed: String,
    /// How many of which kind were added, changed, unchanged and refused, as JSON.
    pub counts: String,
    /// How many fields were refused in all.
    pub refusals_count: i64,
}

/// How a run of an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is at work.
    AtWork,
    /// It fell silent: its process is gone.
    CutOff,
    /// It ended before its end, and said why.
    Failed,
    /// It came to its end.
    Through,
}

impl Import {
    /// When it was last heard of.
    #[must_use]
    pub fn heard_at(&self) -> Timestamp {
        self.seen_at.map_or(self.started_at, |seen| seen.max(self.started_at))
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        match self.finished_at {
            Some(_) if self.failed.is_empty() => Standing::Through,
            Some(_) => Standing::Failed,
            None if self.heard_at().plus(SILENCE) > now => Standing::AtWork,
            None => Standing::CutOff,
        }
    }
}

impl Keyed for Import {
    fn id(&self) -> Uuid {
        self.id
    }
    fn key(&self, _: &str) -> Key {
        Key::Number(self.started_at.0)
    }
}

/// The runs of imports.
pub static IMPORTS: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: "id, source, started_at, finished_at, seen_at, failed, counts, refusals_count",
        from: "imports",
        scope: WHOLE,
        id: "id",
        columns: &[Column { name: "started", key: "started_at", number: true, newest_first: true }],
        searched: &[],
        indexed: None,
        filters: &[],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| IMPORTS.texts(dialect), module: module_path!() } }

/// Notes that an import begins.
///
/// # Errors
/// The database's.
pub async fn begin_import(db: &mut impl Connected, id: Uuid, source: &str, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO imports (id, kind, source, started_at, counts, refusals, refusals_count) VALUES ($1, 'customers', $2, $3, '{}', '[]', 0)", id, source, now)?;
    Ok(())
}

/// Notes that it is at work.
///
/// # Errors
/// The database's.
pub async fn see_import(db: &mut impl Connected, id: Uuid, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE imports SET seen_at = $2 WHERE id = $1 AND finished_at IS NULL", id, now)?;
    Ok(())
}

/// What came of a run: counts and refusals as JSON, how many refusals there were, and why it ended before its end.
#[derive(Clone, Debug)]
pub struct Ended<'e> {
    /// How many of which kind were added, changed, unchanged and refused.
    pub counts: &'e str,
    /// The first of the refusals.
    pub refusals: &'e str,
    /// How many there were.
    pub refusals_count: i64,
    /// Empty where it came to its end.
    pub failed: &'e str,
}

/// Notes that it ended.
///
/// # Errors
/// The database's.
pub async fn end_import(db: &mut impl Connected, id: Uuid, ended: Ended<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE imports SET finished_at = $2, counts = $3, refusals = $4, refusals_count = $5, failed = $6 WHERE id = $1",
        id, now, ended.counts, ended.refusals, ended.refusals_count, ended.failed)?;
    Ok(())
}

/// Forgets a run of which nothing came.
///
/// # Errors
/// The database's.
pub async fn drop_import(db: &mut impl Connected, id: Uuid) -> Result<(), sqlx::Error> {
    sql!(execute db, "DELETE FROM imports WHERE id = $1", id)?;
    Ok(())
}

/// What the last run that ended had refused, as JSON, and why it ended before its end, of those from a source.
///
/// # Errors
/// The database's.
pub async fn last_ended(db: &mut impl Connected, source: &str) -> Result<Option<(String, String)>, sqlx::Error> {
    sql!(
        optional as (String, String),
        db,
        "SELECT refusals, failed FROM imports WHERE source = $1 AND finished_at IS NOT NULL ORDER BY started_at DESC, id DESC LIMIT 1",
        source
    )
}

/// A run of an import, and the first of its refusals as JSON.
///
/// # Errors
/// The database's.
pub async fn import(db: &mut impl Connected, id: Uuid) -> Result<Option<(Import, String)>, sqlx::Error> {
    let found: Option<Import> = sql!(
        optional as Import,
        db,
        "SELECT id, source, started_at, finished_at, seen_at, failed, counts, refusals_count FROM imports WHERE id = $1",
        id
    )?;
    let Some(found) = found else { return Ok(None) };
    let (refusals,): (String,) = sql!(one as (String,), db, "SELECT refusals FROM imports WHERE id = $1", id)?;
    Ok(Some((found, refusals)))
}

/// Forgets runs that began before a moment.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM imports WHERE started_at < $1", before)
}
