//! How far the desk's tables were read, what was refused, and who is at it.

use uuid::Uuid;

use super::model::Position;
use crate::{
    db::Connected,
    sql,
    words::{MINUTE, Timestamp},
};

/// How long whoever synchronizes may be silent before another may begin: longer than any one request can take with all
/// its tries.
pub const LEASE: i64 = 6 * MINUTE;

/// A work that one process does at a time, and how it ended last.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Lease {
    /// Until when it is held; it may be over.
    pub held_until: Option<Timestamp>,
    /// When it was last gone through to its end, or failed.
    pub ended_at: Option<Timestamp>,
    /// Why it failed; empty where it did not.
    pub error: String,
}

/// How a work stands; nothing where it was never begun.
///
/// # Errors
/// The database's.
pub async fn lease(db: &mut impl Connected, work: &str) -> Result<Option<Lease>, sqlx::Error> {
    sql!(optional as Lease, db, "SELECT held_until, ended_at, error FROM desk_leases WHERE work = $1", work)
}

/// Takes a work up, where nobody is at it.
///
/// # Errors
/// The database's.
pub async fn take(db: &mut impl Connected, work: &str, holder: Uuid, now: Timestamp) -> Result<bool, sqlx::Error> {
    let taken = sql!(execute db, "INSERT INTO desk_leases (work, holder, held_until, error) VALUES ($1, $2, $3, '')
        ON CONFLICT (work) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until WHERE desk_leases.held_until IS NULL OR desk_leases.held_until <= $4",
        work, holder, now.plus(LEASE), now)?;
    Ok(taken == 1)
}

/// Holds a work on; `false` where another took it up, and whatever is about to be done must not be.
///
/// # Errors
/// The database's.
pub async fn hold(db: &mut impl Connected, work: &str, holder: Uuid, now: Timestamp) -> Result<bool, sqlx::Error> {
    let held = sql!(execute db, "UPDATE desk_leases SET held_until = $3 WHERE work = $1 AND holder = $2 AND held_until IS NOT NULL", work, holder, now.plus(LEASE))?;
    Ok(held == 1)
}

/// Lets a work go that was gone through to its end, or failed.
///
/// # Errors
/// The database's.
pub async fn end(db: &mut impl Connected, work: &str, holder: Uuid, now: Timestamp, error: &str) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE desk_leases SET held_until = NULL, ended_at = $3, error = $4 WHERE work = $1 AND holder = $2", work, holder, now, error)?;
    Ok(())
}

/// Lets a work go that was broken off.
///
/// # Errors
/// The database's.
pub async fn let_go(db: &mut impl Connected, work: &str, holder: Uuid) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE desk_leases SET held_until = NULL WHERE work = $1 AND holder = $2", work, holder)?;
    Ok(())
}

/// How far a table was read.
///
/// # Errors
/// The database's.
pub async fn cursor(db: &mut impl Connected, table: &str) -> Result<Option<Position>, sqlx::Error> {
    let row: Option<(String, String)> =
        sql!(optional as (String, String), db, "SELECT updated_on, sys_id FROM desk_cursors WHERE table_name = $1", table)?;
    Ok(row.map(|(updated_on, sys_id)| Position { updated_on, sys_id }))
}

/// Notes how far a table was read; never back.
///
/// # Errors
/// The database's.
pub async fn advance(db: &mut impl Connected, table: &str, to: &Position, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO desk_cursors (table_name, updated_on, sys_id, changed_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (table_name) DO UPDATE SET updated_on = excluded.updated_on, sys_id = excluded.sys_id, changed_at = excluded.changed_at
        WHERE desk_cursors.updated_on < excluded.updated_on OR (desk_cursors.updated_on = excluded.updated_on AND desk_cursors.sys_id < excluded.sys_id)",
        table, to.updated_on.as_str(), to.sys_id.as_str(), now)?;
    Ok(())
}

/// Forgets how far the tables were read, and what was refused: the next synchronization begins anew.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected) -> Result<(), sqlx::Error> {
    sql!(execute db, "DELETE FROM desk_cursors")?;
    sql!(execute db, "DELETE FROM desk_refused")?;
    Ok(())
}

/// The records of a table that were refused, and not tried again since a moment, at most so many as one request names.
///
/// # Errors
/// The database's.
pub async fn refused(db: &mut impl Connected, table: &str, before: Timestamp) -> Result<Vec<String>, sqlx::Error> {
    let rows: Vec<(String,)> = sql!(
        all as (String,),
        db,
        "SELECT sys_id FROM desk_refused WHERE table_name = $1 AND tried_at < $2 ORDER BY sys_id LIMIT 100",
        table,
        before
    )?;
    Ok(rows.into_iter().map(|(sys_id,)| sys_id).collect())
}

/// How many records are refused.
///
/// # Errors
/// The database's.
pub async fn count_refused(db: &mut impl Connected) -> Result<i64, sqlx::Error> {
    let (n,): (i64,) = sql!(one as (i64,), db, "SELECT count(*) FROM desk_refused")?;
    Ok(n)
}

/// Notes that a record was refused: it is tried again with every synchronization, because what it lacked may come without
/// a change of its own.
///
/// # Errors
/// The database's.
pub async fn refuse(db: &mut impl Connected, table: &str, sys_id: &str, reason: &str, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO desk_refused (table_name, sys_id, reason, refused_at, tried_at) VALUES ($1, $2, $3, $4, $4)
        ON CONFLICT (table_name, sys_id) DO UPDATE SET reason = excluded.reason, tried_at = excluded.tried_at", table, sys_id, reason, now)?;
    Ok(())
}

/// Forgets that a record was refused.
///
/// # Errors
/// The database's.
pub async fn accept(db: &mut impl Connected, table: &str, sys_id: &str) -> Result<(), sqlx::Error> {
    sql!(execute db, "DELETE FROM desk_refused WHERE table_name = $1 AND sys_id = $2", table, sys_id)?;
    Ok(())
}
