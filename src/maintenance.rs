//! What is done from time to time: forgetting what is over, and counting what waits.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    accounts, audit,
    db::Failure,
    limits,
    live::changes,
    oauth, operator, outbox, pmm,
    portal::Portal,
    sessions, sql, tickets, webhook,
    words::{DAY, MINUTE},
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

/// Forgets what is over, in short transactions.
///
/// # Errors
/// The database's.
pub async fn once(portal: &Portal) -> Result<(), Failure> {
    let now = portal.clock.now();
    let mut tx = portal.db.begin().await?;
    let mut forgotten = sessions::store::forget(&mut tx, now).await?;
    tx.commit().await?;
    let mut tx = portal.db.begin().await?;
    forgotten += accounts::store::forget(&mut tx, now.plus(-DAY)).await?;
    forgotten += limits::forget(&mut tx, now.plus(-MINUTE)).await?;
    tx.commit().await?;
    let mut tx = portal.db.begin().await?;
    forgotten += tickets::store::forget(&mut tx, now.plus(-DAY)).await?;
    forgotten += pmm::store::forget(&mut tx, now).await?;
    tx.commit().await?;
    let mut tx = portal.db.begin().await?;
    forgotten += sql!(execute &mut tx, "DELETE FROM idempotency_keys WHERE created_at < $1", now.plus(-DAY))?;
    forgotten += outbox::forget(&mut tx, now.plus(-30 * DAY)).await?;
    forgotten += webhook::forget(&mut tx, now.plus(-30 * DAY)).await?;
    forgotten += changes::forget(&mut tx, now.plus(-DAY)).await?;
    forgotten += operator::store::forget(&mut tx, now.plus(-portal.config.audit_days * DAY)).await?;
    forgotten += audit::forget(&mut tx, now.plus(-portal.config.audit_days * DAY)).await?;
    tx.commit().await?;
    forgotten += oauth::actions::keep_house(portal).await?;
    if forgotten > 0 {
        tracing::debug!(forgotten, "forgot what is over");
    }
    let (waiting, dead) = outbox::backlog(&mut portal.read().await?).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    {
        metrics::gauge!("org_portal_outbox_waiting").set(waiting as f64);
        metrics::gauge!("org_portal_outbox_dead").set(dead as f64);
    }
    Ok(())
}
