//! What is to be done outside the database: rows written in the transaction that wants it done, claimed with a lease,
//! tried again with growing pauses, and laid aside, visibly, when it is hopeless.

use std::{future::Future, sync::LazyLock, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    db::{Connected, Failure},
    guard::Operator,
    list::sql::{Column, Key, Keyed, ListSpec, ListSql},
    portal::Portal,
    secrets::Random,
    sql,
    words::{HOUR, MINUTE, SECOND, Timestamp},
};

/// How long a worker may take for the rows of one claim before another may take them.
pub const LEASE: i64 = 4 * MINUTE;
/// After so many attempts (about two days) a row is dead.
pub const ATTEMPTS: i64 = 20;

/// What is to be done with a row. Each kind has a worker of its own, so that one that dawdles keeps no other waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A mail is sent.
    Mail,
    /// An event is posted to the operator's address.
    Webhook,
    /// A ticket is brought to the desk elsewhere.
    Desk,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Mail, Self::Webhook, Self::Desk];

    /// Its name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Desk => "desk",
        }
    }
}

/// What wakes the workers, each its own.
#[derive(Debug, Default)]
pub struct Bells([Notify; Kind::ALL.len()]);

impl Bells {
    /// The bell of a kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> &Notify {
        &self.0[kind as usize]
    }
}

/// Who does what rows of one kind want.
pub trait Courier: Send + Sync {
    /// Which kind.
    const KIND: Kind;

    /// Does it, and marks the row with [`done`] or [`failed`] in one transaction with whatever else is noted of it.
    fn deliver(&self, portal: &Portal, row: &Claimed) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Delivers until it is told to stop: when the bell rings, and when a row falls due.
pub async fn run<C: Courier>(portal: Portal, courier: C, stop: CancellationToken) {
    loop {
        let pause = match deliver_due(&portal, &courier).await {
            Ok(Some(due)) => {
                let micros = (due.0 - portal.clock.now().0).clamp(0, 30 * SECOND);
                Duration::from_micros(u64::try_from(micros).unwrap_or(0)).max(Duration::from_millis(50))
            }
            Ok(None) => Duration::from_secs(30),
            Err(error) => {
                tracing::warn!(?error, kind = C::KIND.name(), "the outbox cannot be read");
                Duration::from_secs(2)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = portal.bells.of(C::KIND).notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Delivers everything of the courier's kind that is due now; tells when the next is.
///
/// # Errors
/// The database's.
pub async fn deliver_due<C: Courier>(portal: &Portal, courier: &C) -> Result<Option<Timestamp>, Failure> {
    loop {
        let now = portal.clock.now();
        // Looking costs no write; only what is due is claimed.
        match next_due(&mut portal.read().await?, C::KIND).await? {
            Some(due) if due <= now => {}
            next => return Ok(next),
        }
        let mut tx = portal.db.begin().await?;
        let rows = claim(&mut tx, C::KIND, now).await?;
        tx.commit().await?;
        if rows.is_empty() {
            // Somebody else holds what is due; look again when the lease may have ended.
            return Ok(Some(now.plus(SECOND)));
        }
        for row in rows {
            courier.deliver(portal, &row).await?;
        }
    }
}

/// Puts a row into the outbox.
///
/// # Errors
/// The database's.
pub async fn put(db: &mut impl Connected, random: Random, now: Timestamp, kind: Kind, payload: &str) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO outbox (id, kind, payload, created_at, due_at, attempts) VALUES ($1, $2, $3, $4, $4, 0)", random.id(now), kind.name(), payload, now)?;
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
pub async fn claim(db: &mut impl Connected, kind: Kind, now: Timestamp) -> Result<Vec<Claimed>, sqlx::Error> {
    // The conditions stand twice: of two workers that choose the same rows, the second finds them taken.
    sql!(all as Claimed, db, "UPDATE outbox SET lease_until = $2, attempts = attempts + 1
        WHERE kind = $3 AND done_at IS NULL AND dead_at IS NULL AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
          AND id IN (SELECT id FROM outbox WHERE kind = $3 AND done_at IS NULL AND dead_at IS NULL AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) ORDER BY due_at, id LIMIT 5)
        RETURNING id, payload, attempts, created_at", now, now.plus(LEASE), kind.name())
}

/// Marks a row as done and forgets what it held, which may be the secret of a link.
///
/// # Errors
/// The database's.
pub async fn done(db: &mut impl Connected, id: Uuid, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE outbox SET done_at = $2, payload = '', lease_until = NULL, last_error = NULL WHERE id = $1", id, now)?;
    Ok(())
}

/// How an attempt failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Why.
    pub error: String,
    /// Whether no other attempt will do better.
    pub hopeless: bool,
    /// For how many microseconds the other side asks to be left alone, if it asks.
    pub wait: Option<i64>,
}

/// Notes a failed attempt; the row is tried again later, or is dead. Tells which: `true` where it is dead.
///
/// # Errors
/// The database's.
pub async fn failed(db: &mut impl Connected, row: &Claimed, now: Timestamp, failed: &Failed) -> Result<bool, sqlx::Error> {
    let error: String = failed.error.chars().take(500).collect();
    let dead = failed.hopeless || row.attempts >= ATTEMPTS;
    let due = now.plus(pause(row.attempts).max(failed.wait.unwrap_or(0)));
    sql!(execute db, "UPDATE outbox SET lease_until = NULL, last_error = $2, due_at = $3, dead_at = $4 WHERE id = $1", row.id, error, due, dead.then_some(now))?;
    Ok(dead)
}

/// Puts a row back that was not tried: it is due again at a moment.
///
/// # Errors
/// The database's.
pub async fn put_back(db: &mut impl Connected, row: &Claimed, due: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE outbox SET lease_until = NULL, attempts = attempts - 1, due_at = $2 WHERE id = $1", row.id, due)?;
    Ok(())
}

/// Gives the dead of a kind one attempt more: what kept them from leaving is over, as it seems.
///
/// # Errors
/// The database's.
pub async fn revive(db: &mut impl Connected, kind: Kind, now: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "UPDATE outbox SET dead_at = NULL, attempts = $2, due_at = $3 WHERE kind = $1 AND dead_at IS NOT NULL", kind.name(), ATTEMPTS - 1, now)
}

/// The pause after the n-th attempt: 5 seconds, doubled each time, at most 6 hours.
fn pause(attempt: i64) -> i64 {
    let doublings = u32::try_from((attempt - 1).clamp(0, 20)).unwrap_or(0);
    (5 * SECOND).saturating_mul(1_i64 << doublings).min(6 * HOUR)
}

/// When the next row of a kind is due, if one waits.
///
/// # Errors
/// The database's.
pub async fn next_due(db: &mut impl Connected, kind: Kind) -> Result<Option<Timestamp>, sqlx::Error> {
    let row: Option<(Timestamp,)> = sql!(
        optional as (Timestamp,),
        db,
        "SELECT due_at FROM outbox WHERE kind = $1 AND done_at IS NULL AND dead_at IS NULL ORDER BY due_at LIMIT 1",
        kind.name()
    )?;
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
    /// The name of its kind.
    pub kind: String,
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

impl Dead {
    /// Its kind. The database knows no other names.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::ALL.into_iter().find(|kind| kind.name() == self.kind).unwrap_or(Kind::Mail)
    }
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
        select: "id, kind, payload, created_at, dead_at, attempts, last_error",
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
        "SELECT id, kind, payload, created_at, dead_at, attempts, last_error FROM outbox WHERE id = $1 AND dead_at IS NOT NULL",
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

/// Forgets rows that were done, or given up, before a moment: at most a batch of each.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    let done = sql!(execute db, "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at IS NOT NULL AND done_at < $1 LIMIT 1000)", before)?;
    let dead = sql!(execute db, "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE dead_at IS NOT NULL AND dead_at < $1 LIMIT 1000)", before)?;
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
