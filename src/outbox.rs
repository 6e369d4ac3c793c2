//! What is to be done outside the database: rows written in the transaction that wants it done, claimed with a lease,
//! tried again with growing pauses, and laid aside, visibly, when it is hopeless.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::{
    db::{Connected, Failure},
    guard::Operator,
    list::sql::{Column, Key, Keyed, ListSpec, ListSql},
    mail::Mail,
    secrets::Random,
    sql,
    words::{HOUR, MINUTE, SECOND, Timestamp},
};

/// How long a worker may take for one row before another may take it.
pub const LEASE: i64 = 4 * MINUTE;
/// After so many attempts (about two days) a row is dead.
pub const ATTEMPTS: i64 = 20;

/// Puts a mail into the outbox.
///
/// # Errors
/// The database's.
pub async fn put_mail(db: &mut impl Connected, random: Random, now: Timestamp, mail: &Mail) -> Result<(), Failure> {
    let payload = serde_json::to_string(mail).map_err(|e| Failure::Fault(e.to_string()))?;
    sql!(execute db, "INSERT INTO outbox (id, kind, payload, created_at, due_at, attempts) VALUES ($1, 'mail', $2, $3, $3, 0)", random.id(now), payload, now)?;
    Ok(())
}

/// A row that a worker holds.
#[derive(Debug, sqlx::FromRow)]
pub struct Claimed {
    /// The row; a mail's `Message-ID` is made of it, so that it stays the same however often it is sent.
    pub id: Uuid,
    /// What is to be done.
    pub payload: String,
    /// This attempt's number, from 1.
    pub attempts: i64,
    /// When it was put in.
    pub created_at: Timestamp,
}

/// Claims rows that are due, for [`LEASE`].
///
/// # Errors
/// The database's.
pub async fn claim(db: &mut impl Connected, now: Timestamp) -> Result<Vec<Claimed>, sqlx::Error> {
    // The conditions stand twice: of two workers that choose the same rows, the second finds them taken.
    sql!(all as Claimed, db, "UPDATE outbox SET lease_until = $2, attempts = attempts + 1
        WHERE done_at IS NULL AND dead_at IS NULL AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
          AND id IN (SELECT id FROM outbox WHERE done_at IS NULL AND dead_at IS NULL AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) ORDER BY due_at, id LIMIT 5)
        RETURNING id, payload, attempts, created_at", now, now.plus(LEASE))
}

/// Marks a row as done and forgets what it held, which may be the secret of a link.
///
/// # Errors
/// The database's.
pub async fn done(db: &mut impl Connected, id: Uuid, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE outbox SET done_at = $2, payload = '', lease_until = NULL, last_error = NULL WHERE id = $1", id, now)?;
    Ok(())
}

/// Notes a failed attempt; the row is tried again later, or is dead. Tells which: `true` where it is dead.
///
/// # Errors
/// The database's.
pub async fn failed(db: &mut impl Connected, row: &Claimed, now: Timestamp, error: &str, hopeless: bool) -> Result<bool, sqlx::Error> {
    let error: String = error.chars().take(500).collect();
    let dead = hopeless || row.attempts >= ATTEMPTS;
    let due = now.plus(pause(row.attempts));
    sql!(execute db, "UPDATE outbox SET lease_until = NULL, last_error = $2, due_at = $3, dead_at = $4 WHERE id = $1", row.id, error, due, dead.then_some(now))?;
    Ok(dead)
}

/// The pause after the n-th attempt: 5 seconds, doubled each time, at most 6 hours.
fn pause(attempt: i64) -> i64 {
    let doublings = u32::try_from((attempt - 1).clamp(0, 20)).unwrap_or(0);
    (5 * SECOND).saturating_mul(1_i64 << doublings).min(6 * HOUR)
}

/// When the next row is due, if one waits.
///
/// # Errors
/// The database's.
pub async fn next_due(db: &mut impl Connected) -> Result<Option<Timestamp>, sqlx::Error> {
    let row: Option<(Timestamp,)> =
        sql!(optional as (Timestamp,), db, "SELECT due_at FROM outbox WHERE done_at IS NULL AND dead_at IS NULL ORDER BY due_at LIMIT 1")?;
    Ok(row.map(|(due,)| due))
}

/// How many rows wait and how many are dead, for metrics and `doctor`.
///
/// # Errors
/// The database's.
pub async fn backlog(db: &mut impl Connected) -> Result<(i64, i64), sqlx::Error> {
    let (waiting,): (i64,) = sql!(one as (i64,), db, "SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL")?;
    let (dead,): (i64,) = sql!(one as (i64,), db, "SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL")?;
    Ok((waiting, dead))
}

/// A row that was given up.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Dead {
    /// The row.
    pub id: Uuid,
    /// What was to be done. It may hold the secret of a link: it is shown to nobody.
    pub payload: String,
    /// When it was put in.
    pub created_at: Timestamp,
    /// When it was given up.
    pub dead_at: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it failed the last time.
    pub last_error: Option<String>,
}

impl Keyed for Dead {
    fn id(&self) -> Uuid {
        self.id
    }
    fn key(&self, _: &str) -> Key {
        Key::Number(self.dead_at.0)
    }
}

/// What was given up.
pub static DEAD: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: "id, payload, created_at, dead_at, attempts, last_error",
        from: "outbox",
        scope: "dead_at IS NOT NULL",
        id: "id",
        columns: &[Column { name: "since", key: "dead_at", number: true, newest_first: true }],
        searched: &[],
        indexed: None,
        filters: &[],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| DEAD.texts(dialect), module: module_path!() } }

/// A row that was given up.
///
/// # Errors
/// The database's.
pub async fn dead(db: &mut impl Connected, id: Uuid) -> Result<Option<Dead>, sqlx::Error> {
    sql!(
        optional as Dead,
        db,
        "SELECT id, payload, created_at, dead_at, attempts, last_error FROM outbox WHERE id = $1 AND dead_at IS NOT NULL",
        id
    )
}

/// Tries a row again that was given up, from now on as if it were new; `false` where it is none.
///
/// # Errors
/// The database's.
pub async fn retry(db: &mut impl Connected, _: &Operator, id: Uuid, now: Timestamp) -> Result<bool, sqlx::Error> {
    let rows = sql!(execute db, "UPDATE outbox SET dead_at = NULL, lease_until = NULL, attempts = 0, due_at = $2 WHERE id = $1 AND dead_at IS NOT NULL", id, now)?;
    Ok(rows == 1)
}

/// Forgets rows that were done, or given up, before a moment.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    let done = sql!(execute db, "DELETE FROM outbox WHERE done_at IS NOT NULL AND done_at < $1", before)?;
    let dead = sql!(execute db, "DELETE FROM outbox WHERE dead_at IS NOT NULL AND dead_at < $1", before)?;
    Ok(done + dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_six_hours() {
        assert_eq!(pause(1), 5 * SECOND);
        assert_eq!(pause(4), 40 * SECOND);
        assert_eq!(pause(16), 6 * HOUR);
        assert_eq!(pause(i64::MAX), 6 * HOUR);
    }
}
