//! When PMM servers last asked for anything: remembered in memory, and written for all of them together, so that a
//! request writes nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::store;
use crate::{
    db::Failure,
    portal::{Contact, Portal},
    words::{MINUTE, PmmServerId, Timestamp},
};

/// How often what was noted is written.
const EVERY: Duration = Duration::from_secs(10);
/// How long a server that says nothing is remembered, in microseconds.
const REMEMBERED: i64 = 10 * MINUTE;

/// Notes that a server asked for something. It is written within [`EVERY`], or at the graceful stop; what was written
/// within the minute before stands.
pub fn note(portal: &Portal, server: PmmServerId) {
    let now = portal.clock.now();
    if let Ok(mut contacts) = portal.contacts.lock() {
        contacts.entry(server).or_default().at = now;
    }
}

/// Writes what was noted, in one transaction; what fails is tried again with the next one.
///
/// # Errors
/// The database's.
pub async fn flush(portal: &Portal) -> Result<(), Failure> {
    let due = |contact: &Contact| contact.at > contact.written && contact.at >= contact.written.plus(MINUTE);
    let mut waiting: Vec<(PmmServerId, Timestamp)> = match portal.contacts.lock() {
        Ok(contacts) => contacts.iter().filter(|(_, contact)| due(contact)).map(|(server, contact)| (*server, contact.at)).collect(),
        Err(_) => Vec::new(),
    };
    if !waiting.is_empty() {
        // In one order, so that two replicas do not wait for each other. One statement for all would need other texts for
        // PostgreSQL, which asks for the types of a list's values; it is one commit as it is.
        waiting.sort_unstable();
        let mut tx = portal.db.begin().await?;
        for (server, at) in &waiting {
            store::note_contact(&mut tx, *server, *at).await?;
        }
        tx.commit().await?;
    }
    if let Ok(mut contacts) = portal.contacts.lock() {
        for (server, at) in waiting {
            contacts.entry(server).or_default().written = at;
        }
        let old = portal.clock.now().plus(-REMEMBERED);
        contacts.retain(|_, contact| contact.at > old || due(contact));
    }
    Ok(())
}

/// Writes from time to time, until it is told to stop. What comes after that is written when the last request has ended.
pub async fn run(portal: Portal, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = flush(&portal).await {
            tracing::debug!(?error, "contacts of PMM servers could not be written; it is tried again");
        }
    }
}
