//! The one reader of a process: it reads the log of changes from the number it read last and hands what is new to the
//! open streams. What makes it read is only an occasion, and may be lost: a unit of this process, PostgreSQL's
//! notification, and a look every half a second, which is how the processes beside a SQLite file see one another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::postgres::PgListener;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::changes::{self, BATCH, Change, Head};
use crate::{
    db::{Db, Failure},
    portal::Portal,
    words::AccountId,
};

/// How often the log is looked at, while anybody listens.
const LOOK: Duration = Duration::from_millis(500);
/// How many batches a stream may be behind; then it is told to draw its page again.
const BEHIND: usize = 64;
/// How many streams an account may have in one process.
const STREAMS: usize = 20;
/// How many streams look at once whether they may go on: the pages need the connections too.
const CHECKS: usize = 4;

/// What hands changes to streams.
pub struct Hub {
    batches: broadcast::Sender<Arc<[Change]>>,
    read: tokio::sync::Mutex<Head>,
    bell: Notify,
    opened: Notify,
    ending: CancellationToken,
    streams: Mutex<HashMap<AccountId, usize>>,
    /// Streams look one after another whether they may go on.
    pub checks: Semaphore,
}

/// A stream's end of it.
pub struct Subscription {
    /// What is new, from `head` on.
    pub batches: broadcast::Receiver<Arc<[Change]>>,
    /// How far the log went.
    pub head: Head,
    /// Ends with the server.
    pub ending: CancellationToken,
    /// One of the account's places.
    pub place: Place,
}

/// One of the places that an account has for its streams; given back when it is dropped.
pub struct Place {
    portal: Portal,
    account: AccountId,
}

impl Place {
    fn take(portal: &Portal, account: AccountId) -> Option<Self> {
        let mut streams = portal.live.streams.lock().ok()?;
        let taken = streams.entry(account).or_default();
        if *taken >= STREAMS {
            return None;
        }
        *taken += 1;
        metrics::gauge!("org_portal_live_streams").increment(1.0);
        Some(Self { portal: portal.clone(), account })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut streams) = self.portal.live.streams.lock() else { return };
        if let Some(taken) = streams.get_mut(&self.account) {
            *taken -= 1;
            if *taken == 0 {
                streams.remove(&self.account);
            }
        }
        metrics::gauge!("org_portal_live_streams").decrement(1.0);
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            batches: broadcast::channel(BEHIND).0,
            read: tokio::sync::Mutex::default(),
            bell: Notify::new(),
            opened: Notify::new(),
            ending: CancellationToken::new(),
            streams: Mutex::default(),
            checks: Semaphore::new(CHECKS),
        }
    }
}

impl Hub {
    /// Says that something was written.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Opens a stream's end for an account; none where it has as many as it may.
    ///
    /// # Errors
    /// The database's.
    pub async fn subscribe(&self, portal: &Portal, account: AccountId) -> Result<Option<Subscription>, Failure> {
        let Some(place) = Place::take(portal, account) else { return Ok(None) };
        let mut read = self.read.lock().await;
        if self.batches.receiver_count() == 0 {
            // Nobody listened, so nothing was read: from now on it is.
            *read = changes::head(&mut portal.read().await?).await?;
        }
        let (batches, head) = (self.batches.subscribe(), *read);
        drop(read);
        self.opened.notify_one();
        Ok(Some(Subscription { batches, head, ending: self.ending.clone(), place }))
    }

    /// Reads what is new and hands it out.
    async fn read(&self, portal: &Portal) -> Result<(), Failure> {
        let mut read = self.read.lock().await;
        loop {
            let changes = changes::after(&mut portal.read().await?, read.number).await?;
            let Some(last) = changes.last() else { return Ok(()) };
            *read = Head { number: last.number, mark: last.mark };
            let more = changes.len() == BATCH;
            // Nobody may listen any more by now.
            let _ = self.batches.send(changes.into());
            if !more {
                return Ok(());
            }
        }
    }
}

/// Reads, until it is told to stop; then every stream ends.
pub async fn run(portal: Portal, stop: CancellationToken) {
    let hub = &portal.live;
    let reads = async {
        loop {
            hub.opened.notified().await;
            while hub.batches.receiver_count() > 0 {
                if let Err(error) = hub.read(&portal).await {
                    tracing::debug!(?error, "the log of changes could not be read; it is tried again");
                }
                tokio::select! {
                    () = hub.bell.notified() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = reads => {}
        () = listen(&portal) => {}
    }
    hub.ending.cancel();
}

/// Rings with every notification of PostgreSQL's. A connection that is lost is made anew; meanwhile the looks do.
async fn listen(portal: &Portal) {
    let Db::Postgres(pool) = &portal.db else { return std::future::pending().await };
    loop {
        let listened = async {
            let mut listener = PgListener::connect_with(pool).await?;
            listener.listen("org_portal_changes").await?;
            loop {
                listener.recv().await?;
                portal.live.ring();
            }
        };
        let ended: Result<(), sqlx::Error> = listened.await;
        tracing::debug!(?ended, "listening for changes ended; again in a moment");
        tokio::time::sleep(4 * LOOK).await;
    }
}
