//! What is done from time to time: forgetting what is over, and counting what waits.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    accounts, audit,
    db::{Connected, Failure},
    factors, identities, limits,
    live::changes,
    oauth, operator, outbox, pmm,
    portal::Portal,
    sessions, sql, tickets, webhook,
    words::{DAY, HOUR, MINUTE, SECOND, Timestamp},
};

/// Runs until it is told to stop: at once, and then every ten minutes.
pub async fn run(portal: Portal, stop: CancellationToken) {
    loop {
        if let Err(error) = once(&portal).await {
            tracing::warn!(?error, "housekeeping failed; it is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(600)) => {}
        }
    }
}

/// Forgets what is over, in short transactions: each forgets a batch and is done again until nothing of it is left.
/// Deleting a year of rows at once would keep SQLite's one writer, and on PostgreSQL outlast the limit of a statement,
/// and so never end.
///
/// # Errors
/// The database's.
pub async fn once(portal: &Portal) -> Result<(), Failure> {
    let now = portal.clock.now();
    let config = &portal.config;
    let leftover = now.plus(-config.leftover_hours * HOUR);
    let delivered = now.plus(-config.outbox_days * DAY);
    let logged = now.plus(-config.audit_days * DAY);
    macro_rules! forget {
        ($($call:path, $before:expr;)*) => {{
            let mut forgotten = 0;
            $(loop {
                let mut tx = portal.db.begin().await?;
                let batch = $call(&mut tx, $before).await?;
                tx.commit().await?;
                forgotten += batch;
                if batch == 0 {
                    break;
                }
            })*
            forgotten
        }};
    }
    let mut forgotten = forget! {
        sessions::store::forget, now;
        accounts::store::forget, leftover;
        limits::forget, now.plus(-MINUTE);
        tickets::store::forget, leftover;
        pmm::store::forget, now;
        oauth::store::forget, now;
        identities::store::forget, now;
        factors::store::forget, now;
        forget_keys, leftover;
        outbox::forget, delivered;
        webhook::forget, delivered;
        changes::forget, leftover;
        operator::store::forget, logged;
        audit::forget, logged;
    };
    forgotten += oauth::keys::keep(portal).await?;
    if forgotten > 0 {
        tracing::debug!(forgotten, "forgot what is over");
    }
    let (waiting, dead) = outbox::backlog(&mut portal.read().await?).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    {
        metrics::gauge!("org_portal_outbox_waiting").set(waiting as f64);
        metrics::gauge!("org_portal_outbox_dead").set(dead as f64);
        metrics::gauge!("org_portal_housekeeping_seconds").set((now.0 / SECOND) as f64);
    }
    Ok(())
}

/// Forgets the keys of forms that were sent before a moment: at most a batch.
async fn forget_keys(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM idempotency_keys WHERE key_hash IN (SELECT key_hash FROM idempotency_keys WHERE created_at < $1 LIMIT 1000)", before)
}
