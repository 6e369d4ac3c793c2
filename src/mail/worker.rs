use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Mail, Rendered, Transport, TransportError};
use crate::{
    db::{Connected, Failure},
    outbox::{self, Claimed, Courier, Failed, Kind},
    portal::Portal,
    sql,
    words::Timestamp,
};

/// How long one mail may take to leave.
const PATIENCE: Duration = Duration::from_secs(40);

/// Delivers mails until it is told to stop.
pub async fn run(portal: Portal, transport: Transport, stop: CancellationToken) {
    outbox::run(portal, transport, stop).await;
}

/// Delivers every mail that is due now; tells when the next one is.
///
/// # Errors
/// The database's.
pub async fn deliver_due(portal: &Portal, transport: &Transport) -> Result<Option<Timestamp>, Failure> {
    outbox::deliver_due(portal, transport).await
}

impl Courier for Transport {
    const KIND: Kind = Kind::Mail;

    async fn deliver(&self, portal: &Portal, row: &Claimed) -> Result<(), Failure> {
        deliver(portal, self, row).await
    }
}

async fn deliver(portal: &Portal, transport: &Transport, row: &Claimed) -> Result<(), Failure> {
    let config = &portal.config;
    let domain = config.sender().map_or_else(|| "localhost".to_owned(), |sender| sender.email.domain().to_owned());
    // The same however often it is sent, so that a mail sent twice is known as one.
    let message_id = format!("<{}@{domain}>", row.id.simple());
    let sent = async {
        let mail: Mail = serde_json::from_str(&row.payload).map_err(|e| TransportError::Hopeless(e.to_string()))?;
        let rendered = mail.message.render(config).map_err(|e| TransportError::Hopeless(e.to_string()))?;
        // A lease holds for all rows of one claim: a slow server must not outlast it.
        tokio::time::timeout(PATIENCE, transport.send(config, &mail.to, &message_id, &rendered))
            .await
            .map_err(|_| TransportError::Later("the mail server took too long".to_owned()))??;
        Ok::<_, TransportError>((mail, rendered))
    };
    let outcome = sent.await;
    let now = portal.clock.now();
    let mut tx = portal.db.begin().await?;
    match outcome {
        Ok((mail, rendered)) => {
            if matches!(transport, Transport::Kept) {
                keep(&mut tx, row.id, &message_id, now, &mail, &rendered).await?;
            }
            outbox::done(&mut tx, row.id, now).await?;
            metrics::counter!("org_portal_mails_total", "outcome" => "sent").increment(1);
        }
        Err(error) => {
            let hopeless = matches!(error, TransportError::Hopeless(_));
            let dead = outbox::failed(&mut tx, row, now, &Failed { error: error.to_string(), hopeless, wait: None }).await?;
            metrics::counter!("org_portal_mails_total", "outcome" => if dead { "dead" } else { "failed" }).increment(1);
            tracing::warn!(%error, id = %row.id, attempt = row.attempts, dead, "a mail did not leave");
        }
    }
    tx.commit().await?;
    Ok(())
}

async fn keep(
    db: &mut impl Connected,
    id: uuid::Uuid,
    message_id: &str,
    now: Timestamp,
    mail: &Mail,
    rendered: &Rendered,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO kept_mails (id, message_id, at, recipient, subject, body_text, body_html) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (message_id) DO NOTHING",
        id, message_id, now, mail.to.as_str(), rendered.subject.as_str(), rendered.text.as_str(), rendered.html.as_str())?;
    Ok(())
}
