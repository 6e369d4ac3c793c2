//! Events that are posted to the operator's address, signed as Standard Webhooks 1.0 says (`docs/webhooks.md`).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use crate::{
    actor::Caller,
    audit::{Action, Event, Object},
    config::Config,
    db::{Connected, Failure},
    outbox::{self, Claimed, Courier, Failed, Kind},
    outgoing::{self, Patience},
    portal::Portal,
    sql,
    words::Timestamp,
};

/// What the operator is told of an event of the audit log, as the bodies that are posted; nothing of most.
#[must_use]
pub fn of(event: &Event, caller: &Caller, now: Timestamp) -> Vec<String> {
    let state = event.after.get("state").and_then(Value::as_str).unwrap_or_default();
    let kind = match event.action {
        Action::RaiseTicket => "ticket.raised",
        // An answer may bring the ticket to another stage.
        Action::AnswerTicket if !state.is_empty() => {
            return vec![told("ticket.replied", event, false, caller, now), told("ticket.state_changed", event, true, caller, now)];
        }
        Action::AnswerTicket => return vec![told("ticket.replied", event, false, caller, now)],
        Action::ChangeTicket if state.is_empty() => "ticket.changed",
        Action::ChangeTicket => "ticket.state_changed",
        Action::ReplyToTicket => "ticket.replied",
        Action::ReopenTicket | Action::ResolveTicket => "ticket.state_changed",
        Action::MirrorTicket if event.before != event.after => "ticket.state_changed",
        Action::MirrorTicket => "ticket.replied",
        Action::RecreateOrganization => "organization.recreated",
        Action::ConnectServer => "server.connected",
        Action::DisconnectServer => "server.disconnected",
        _ => return Vec::new(),
    };
    vec![told(kind, event, true, caller, now)]
}

/// One body; with `changes`, it says what was before and what is after.
fn told(kind: &str, event: &Event, changes: bool, caller: &Caller, now: Timestamp) -> String {
    let named = |kind: &str| event.objects.iter().find(|object| object.kind == kind);
    let mut data = serde_json::Map::new();
    let organization = event.organization.map(|id| id.to_string());
    if let Some(id) = &organization {
        data.insert("organization".to_owned(), json!({ "id": id }));
    }
    if let Some(Object { id, name, .. }) = named("organization") {
        data.insert("organization".to_owned(), json!({ "id": id, "name": name }));
    }
    if let Some(Object { id, name, .. }) = named("ticket") {
        let (number, subject) = name.split_once(' ').unwrap_or((name, ""));
        data.insert("ticket".to_owned(), json!({ "id": id, "number": number, "subject": subject }));
    }
    if let Some(Object { id, name, .. }) = named("server") {
        data.insert("server".to_owned(), json!({ "id": id, "name": name }));
    }
    if let Some(actor) = &caller.actor {
        data.insert("by".to_owned(), json!({ "id": actor.account.to_string(), "name": actor.name() }));
    }
    for (key, value) in [("before", &event.before), ("after", &event.after)] {
        if value.is_null() || !changes {
            continue;
        }
        let mut value = value.clone();
        if let Some(of) = value.as_object_mut() {
            // Who of the support has a ticket stays with the support.
            of.remove("assignee");
            // A state that stayed is no change.
            if kind == "ticket.changed" {
                of.remove("state");
            }
        }
        data.insert(key.to_owned(), value);
    }
    json!({ "type": kind, "timestamp": now.rfc3339(), "data": Value::Object(data) }).to_string()
}

/// Posts events.
pub struct Webhook {
    http: Client,
    url: Url,
    key: Vec<u8>,
}

impl Webhook {
    /// The configured one; nothing where there is none.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn open(config: &Config) -> Result<Option<Self>, String> {
        let (Some(url), Some(key)) = (config.webhook_url.clone(), config.webhook_secret.clone()) else { return Ok(None) };
        let whole = Duration::from_secs(u64::try_from(config.webhook_seconds).unwrap_or(15));
        let http = outgoing::client(Patience { whole, ..Patience::default() })?;
        Ok(Some(Self { http, url, key }))
    }

    /// The value of `webhook-signature`: the HMAC-SHA256 of identifier, time and body.
    ///
    /// # Errors
    /// Where the key is none for an HMAC: there is no such key.
    fn sign(&self, id: &str, seconds: i64, body: &str) -> Result<String, Failure> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|e| Failure::Fault(e.to_string()))?;
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }

    /// Posts one event; gives the receiver's status, if it answered, and how it failed, if it did.
    async fn post(&self, row: &Claimed, now: Timestamp) -> Result<(Option<u16>, Option<Failed>), Failure> {
        // The same however often it is posted, so that what comes twice is known as one.
        let id = format!("msg_{}", row.id.simple());
        let seconds = outgoing::unix_seconds(now);
        let request = self
            .http
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", self.sign(&id, seconds, &row.payload)?)
            .body(row.payload.clone());
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok((None, Some(Failed { error: outgoing::reason(&error), hopeless: false, wait: None }))),
        };
        let status = response.status();
        let failed = (!status.is_success()).then(|| Failed {
            error: format!("the receiver answers {}", status.as_u16()),
            // Gone: whoever answers so does not want it (Standard Webhooks, "Deliverability and reliability").
            hopeless: status == StatusCode::GONE,
            wait: outgoing::retry_after(&response),
        });
        Ok((Some(status.as_u16()), failed))
    }
}

impl Courier for Webhook {
    const KIND: Kind = Kind::Webhook;

    async fn deliver(&self, portal: &Portal, row: &Claimed) -> Result<(), Failure> {
        let began = tokio::time::Instant::now();
        let (status, failed) = self.post(row, portal.clock.now()).await?;
        let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = portal.clock.now();
        let mut tx = portal.db.begin().await?;
        let error = failed.as_ref().map_or("", |failed| failed.error.as_str());
        sql!(execute &mut tx, "INSERT INTO webhook_deliveries (event_id, attempt, at, status, error, took) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (event_id, attempt) DO UPDATE SET at = excluded.at, status = excluded.status, error = excluded.error, took = excluded.took",
            row.id, row.attempts, now, status.map(i64::from), error, took)?;
        let outcome = match failed {
            None => {
                outbox::done(&mut tx, row.id, now).await?;
                "posted"
            }
            Some(failed) => {
                let dead = outbox::failed(&mut tx, row, now, &failed).await?;
                tracing::warn!(error = %failed.error, id = %row.id, attempt = row.attempts, dead, "an event was not taken");
                if dead { "dead" } else { "failed" }
            }
        };
        metrics::counter!("org_portal_webhooks_total", "outcome" => outcome).increment(1);
        tx.commit().await?;
        Ok(())
    }
}

/// Forgets attempts before a moment.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM webhook_deliveries WHERE (event_id, attempt) IN (SELECT event_id, attempt FROM webhook_deliveries WHERE at < $1 LIMIT 1000)", before)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_the_specifications() {
        let config = [("webhook_url", "https://desk.example.com/hook"), ("webhook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let config = Config::read(&config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()).expect("right");
        let webhook = Webhook::open(&config).expect("TLS").expect("configured");
        let signature = webhook.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#).expect("a key");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for wrong in ["whsec_", "whsec_c2hvcnQ=", "not base64!", "short"] {
            assert!(Config::read(&[("webhook_secret".to_owned(), wrong.to_owned())].into()).is_err(), "{wrong}");
        }
    }
}
