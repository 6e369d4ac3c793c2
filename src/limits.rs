//! Rate limits that survive a restart and hold across replicas: the generic cell rate algorithm, one number a key in
//! the database.

use std::{collections::HashMap, sync::Mutex};

use crate::{
    db::{Connected, Failure},
    form::Refusal,
    portal::Portal,
    secrets, sql,
    words::{SECOND, Timestamp},
};

/// So many at once, and then one more each so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many may come at once.
    pub burst: i64,
    /// Seconds until one more may come.
    pub seconds: i64,
}

impl std::str::FromStr for Rate {
    type Err = String;

    /// Reads `10/60`: ten at once, then one each 60 seconds.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a rate like 10/60 (ten at once, then one each 60 seconds)");
        let (burst, seconds) = text.split_once('/').ok_or_else(wrong)?;
        let rate = Self { burst: burst.trim().parse().map_err(|_| wrong())?, seconds: seconds.trim().parse().map_err(|_| wrong())? };
        if rate.burst < 1 || rate.seconds < 1 || rate.burst > 1_000_000 || rate.seconds > 1_000_000 { Err(wrong()) } else { Ok(rate) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.burst, self.seconds)
    }
}

/// Counts one attempt against a limit.
///
/// The name keeps limits apart, the key is what is limited (an address, an account); only a hash of both is kept.
///
/// # Errors
/// 429 with the seconds to wait where the limit is reached.
pub async fn count(portal: &Portal, name: &'static str, key: &str, rate: Rate) -> Result<(), Failure> {
    let now = portal.clock.now();
    let key = secrets::hash(&format!("{name}\n{key}"));
    let mut attempts = 0;
    loop {
        attempts += 1;
        let counted = async {
            let mut tx = portal.db.begin().await?;
            let wait = take(&mut tx, &key, rate, now).await?;
            tx.commit().await?;
            Ok::<_, sqlx::Error>(wait)
        };
        match counted.await.map_err(Failure::from) {
            Ok(None) => return Ok(()),
            Ok(Some(wait)) => {
                metrics::counter!("org_portal_limited_total", "limit" => name).increment(1);
                return Err(Refusal::TooManyRequests(wait).into());
            }
            Err(Failure::Retry(_)) if attempts < 5 => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// Limits of this process alone, kept in memory: for calls that cost less than it would cost to count them in the database
/// and that guard no secret. With several replicas each lets through as much (`docs/decisions/0028`).
#[derive(Debug, Default)]
pub struct Local(Mutex<HashMap<(&'static str, String), i64>>);

/// How many keys are kept; those that are full again go first.
const KEYS: usize = 100_000;

impl Local {
    /// Counts one call against a limit.
    ///
    /// # Errors
    /// 429 with the seconds to wait where the limit is reached.
    pub fn count(&self, name: &'static str, key: String, rate: Rate, now: Timestamp) -> Result<(), Refusal> {
        let Ok(mut kept) = self.0.lock() else { return Ok(()) };
        if kept.len() >= KEYS {
            kept.retain(|_, arrival| *arrival > now.0);
            if kept.len() >= KEYS {
                kept.clear();
            }
        }
        let interval = rate.seconds * SECOND;
        let horizon = now.plus(interval * (rate.burst - 1));
        let arrival = kept.entry((name, key)).or_insert(now.0);
        if *arrival > horizon.0 {
            metrics::counter!("org_portal_limited_total", "limit" => name).increment(1);
            let wait = (*arrival - horizon.0).div_euclid(SECOND) + 1;
            return Err(Refusal::TooManyRequests(u32::try_from(wait).unwrap_or(u32::MAX)));
        }
        *arrival = (*arrival).max(now.0) + interval;
        Ok(())
    }
}

/// What came of counting several keys against a limit that they share and each against one of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Of the keys that the shared limit let through, from the first one on: nothing where it may, else the seconds to
    /// wait for its own limit.
    pub waits: Vec<Option<u32>>,
    /// The seconds to wait for the shared limit, where it ended before the keys did.
    pub full: Option<u32>,
}

/// Counts an attempt for each of several keys, in their order, against a limit that they share, and those that it lets
/// through against a limit of their own. One transaction for all.
///
/// # Errors
/// 503 where the database is away.
pub async fn count_each(
    portal: &Portal,
    (name, rate): (&'static str, Rate),
    keys: &[String],
    (shared_name, shared_key, shared_rate): (&'static str, &str, Rate),
) -> Result<Counted, Failure> {
    let now = portal.clock.now();
    // Their own limits in one order, so that two that count the same keys wait for each other and not both ways.
    let mut ordered: Vec<(usize, Vec<u8>)> =
        keys.iter().enumerate().map(|(n, key)| (n, secrets::hash(&format!("{name}\n{key}")))).collect();
    ordered.sort_by(|a, b| a.1.cmp(&b.1));
    let shared = secrets::hash(&format!("{shared_name}\n{shared_key}"));
    let mut attempts = 0;
    loop {
        attempts += 1;
        let counted = async {
            let mut tx = portal.db.begin().await?;
            let mut counted = Counted::default();
            for _ in keys {
                counted.full = take(&mut tx, &shared, shared_rate, now).await?;
                if counted.full.is_some() {
                    break;
                }
                counted.waits.push(None);
            }
            for (n, key) in &ordered {
                if let Some(wait) = counted.waits.get_mut(*n) {
                    *wait = take(&mut tx, key, rate, now).await?;
                }
            }
            tx.commit().await?;
            Ok::<_, sqlx::Error>(counted)
        };
        match counted.await.map_err(Failure::from) {
            Ok(counted) => {
                if counted.full.is_some() {
                    metrics::counter!("org_portal_limited_total", "limit" => shared_name).increment(1);
                }
                return Ok(counted);
            }
            Err(Failure::Retry(_)) if attempts < 5 => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// One attempt; `Some(seconds)` where it is one too many.
async fn take(db: &mut impl Connected, key: &[u8], rate: Rate, now: Timestamp) -> Result<Option<u32>, sqlx::Error> {
    let interval = rate.seconds * SECOND;
    // The arrival time may run ahead of the clock by all but one of the burst.
    let horizon = now.plus(interval * (rate.burst - 1));
    let taken: Option<(i64,)> = sql!(
        optional as (i64,),
        db,
        "INSERT INTO limits (key, arrival_at) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
        ON CONFLICT (key) DO UPDATE SET arrival_at = CASE WHEN limits.arrival_at > CAST($2 AS BIGINT) THEN limits.arrival_at ELSE CAST($2 AS BIGINT) END + CAST($3 AS BIGINT)
        WHERE limits.arrival_at <= CAST($4 AS BIGINT) RETURNING arrival_at",
        key,
        now.0,
        interval,
        horizon.0
    )?;
    if taken.is_some() {
        return Ok(None);
    }
    let (arrival,): (i64,) = sql!(one as (i64,), db, "SELECT arrival_at FROM limits WHERE key = $1", key)?;
    let wait = (arrival - horizon.0).max(1);
    Ok(Some(u32::try_from(wait.div_euclid(SECOND) + 1).unwrap_or(u32::MAX)))
}

/// Forgets limits that are full again.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, now: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE arrival_at < $1 LIMIT 1000)", now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_as_the_database_does() {
        let (local, rate) = (Local::default(), Rate { burst: 2, seconds: 3 });
        let count = |seconds: i64, key: &str| local.count("x", key.to_owned(), rate, Timestamp(seconds * SECOND));
        assert_eq!((count(0, "a"), count(0, "a"), count(0, "b")), (Ok(()), Ok(()), Ok(())));
        assert_eq!(count(0, "a"), Err(Refusal::TooManyRequests(4)));
        assert_eq!((count(3, "a"), count(3, "a").is_err()), (Ok(()), true));
        assert_eq!((count(1000, "a"), count(1000, "a"), count(1000, "a").is_err()), (Ok(()), Ok(()), true));
    }

    #[test]
    fn rates_are_read_and_written_alike() {
        assert_eq!("10/60".parse(), Ok(Rate { burst: 10, seconds: 60 }));
        assert_eq!(Rate { burst: 10, seconds: 60 }.to_string(), "10/60");
        for wrong in ["", "10", "0/60", "10/0", "x/1", "-1/5"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
