//! The portal as one value: what every use case needs, and the one way to write.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio_util::task::TaskTracker;

use crate::{
    actor::Caller,
    audit::{self, Action, Event, Object},
    clock::Clock,
    config::Config,
    db::{Conn, Connected, Db, Failure, Reader, Tx},
    form::Refusal,
    limits,
    live::{changes, hub::Hub},
    openid, outbox,
    passwords::Hasher,
    seal::Seal,
    secrets::{self, Random},
    sql, webhook,
    words::{OrganizationId, PmmServerId, TicketId, Timestamp},
};

/// What every use case needs. Cheap to clone.
#[derive(Clone)]
pub struct Portal(Arc<Inner>);

/// The parts of [`Portal`].
pub struct Inner {
    /// The database.
    pub db: Db,
    /// The operator's settings.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// What secrets in the database are sealed with.
    pub seal: Seal,
    /// The operator's OpenID provider, where one is configured.
    pub provider: Option<openid::Provider>,
    /// The pool that hashes passwords.
    pub hasher: Hasher,
    /// Ring when there is something in the outbox.
    pub bells: outbox::Bells,
    /// Limits of this process alone.
    pub limits: limits::Local,
    /// Tells open pages what changes.
    pub live: Hub,
    /// When PMM servers last asked for anything, as far as it is not written yet.
    pub contacts: Mutex<HashMap<PmmServerId, Contact>>,
    /// Everything that must end before the program may.
    pub tasks: TaskTracker,
}

/// When a PMM server last asked for anything, and which of these moments was written last.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    /// The last one.
    pub at: Timestamp,
    /// The one that was written.
    pub written: Timestamp,
}

impl Default for Contact {
    fn default() -> Self {
        Self { at: Timestamp(0), written: Timestamp(0) }
    }
}

impl std::ops::Deref for Portal {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// A future in a box, as the work of a unit is.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// How often a unit is tried that loses to others.
const ATTEMPTS: u32 = 8;

impl Portal {
    /// Puts the parts together.
    #[must_use]
    pub fn new(db: Db, config: Config, clock: Clock) -> Self {
        let hasher = Hasher::start(config.hashing_threads);
        let seal = Seal::open(&config).unwrap_or_else(|error| {
            tracing::error!(%error, "what is sealed cannot be opened");
            Seal::default()
        });
        let provider = openid::Provider::of(&config).unwrap_or_else(|error| {
            tracing::error!(%error, "the OpenID provider cannot be asked");
            None
        });
        Self(Arc::new(Inner {
            db,
            config,
            clock,
            random: Random,
            seal,
            provider,
            hasher,
            bells: outbox::Bells::default(),
            limits: limits::Local::default(),
            live: Hub::default(),
            contacts: Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// 503 where none is to be had.
    pub async fn read(&self) -> Result<Reader, Failure> {
        Ok(self.db.read().await?)
    }

    /// Does a unit of work: one transaction that holds the change, its audit event, its mails and what open pages are
    /// told of it, or nothing at all.
    ///
    /// It runs in a task of its own, so that a browser that goes away cannot cut it in half; it is run again as a whole
    /// where it lost to another transaction; and where the caller's form carries an idempotency key that was used
    /// before, nothing is done and the outcome of then is given again. A refusal is noted in the audit log.
    ///
    /// # Errors
    /// What the work refuses, 503 where the database is away, or 500 with a reference under which the fault is logged.
    pub async fn write<I, T>(
        &self,
        caller: &Caller,
        action: Action,
        input: I,
        work: for<'a> fn(&'a mut Unit, &'a I) -> Work<'a, T>,
    ) -> Result<T, Refusal>
    where
        I: Send + Sync + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let (portal, caller) = (self.clone(), caller.clone());
        let task = self.tasks.spawn(async move {
            let mut attempt = 0;
            loop {
                attempt += 1;
                let mut about = Vec::new();
                match portal.attempt(&caller, action, &input, work, &mut about).await {
                    Ok(outcome) => return Ok(outcome),
                    Err(Failure::Retry(error)) if attempt < ATTEMPTS => {
                        tracing::debug!(%error, attempt, action = action.code(), "transaction lost, again");
                        let jitter = u64::from(portal.random.id(Timestamp(0)).as_bytes()[15]) / 8;
                        tokio::time::sleep(Duration::from_millis(u64::from(attempt * attempt) + jitter)).await;
                    }
                    Err(failure) => {
                        let refusal = portal.refuse(failure);
                        portal.note_refusal(&caller, action, &refusal, about).await;
                        return Err(refusal);
                    }
                }
            }
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(error) => Err(self.refuse(Failure::Fault(format!("a unit of work died: {error}")))),
        }
    }

    async fn attempt<I, T>(
        &self,
        caller: &Caller,
        action: Action,
        input: &I,
        work: for<'a> fn(&'a mut Unit, &'a I) -> Work<'a, T>,
        about: &mut Vec<(OrganizationId, Object)>,
    ) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned,
    {
        let tx = self.db.begin().await?;
        let now = self.clock.now();
        let mut unit = Unit {
            tx,
            now,
            portal: self.clone(),
            caller: caller.clone(),
            action,
            rings: Vec::new(),
            organization: None,
            shows_in: None,
            changes: Vec::new(),
            about: Vec::new(),
        };
        // Whoever calls is there, and not locked, until the end: an operator who locks the account waits for it.
        if let Some(actor) = &caller.actor {
            if !actor.scopes.may_write(action) {
                return Err(Refusal::Forbidden.into());
            }
            unit.lock_account(actor.account).await?;
        }
        let key = caller.idempotency_key(action);
        if let Some(key) = &key
            && let Some(outcome) = unit.claim_key(key).await?
        {
            return serde_json::from_str(&outcome).map_err(|e| Failure::Fault(e.to_string()));
        }
        let outcome = work(&mut unit, input).await;
        *about = std::mem::take(&mut unit.about);
        let outcome = outcome?;
        if let Some(key) = &key {
            let text = serde_json::to_string(&outcome).map_err(|e| Failure::Fault(e.to_string()))?;
            sql!(execute &mut unit, "UPDATE idempotency_keys SET outcome = $2 WHERE key_hash = $1", key.as_slice(), text)?;
        }
        let (rings, changes) = (std::mem::take(&mut unit.rings), std::mem::take(&mut unit.changes));
        // The last thing before the commit: others wait for the numbers.
        changes::write(&mut unit, self.random, now, &changes).await?;
        unit.tx.commit().await?;
        for kind in rings {
            self.bells.of(kind).notify_one();
        }
        if !changes.is_empty() {
            self.live.ring();
        }
        Ok(outcome)
    }

    /// The outcome of an earlier unit under the same idempotency key, if there was one. Asked before checks that the
    /// earlier unit made fail: the link is used by now, the password is another.
    ///
    /// # Errors
    /// 503 where the database is away.
    pub async fn earlier<T: DeserializeOwned>(&self, caller: &Caller, action: Action) -> Result<Option<T>, Refusal> {
        let Some(key) = caller.idempotency_key(action) else { return Ok(None) };
        let found = async {
            let outcome: Option<(String,)> = sql!(
                optional as (String,),
                &mut self.read().await?,
                "SELECT outcome FROM idempotency_keys WHERE key_hash = $1",
                key.as_slice()
            )?;
            outcome.map(|(outcome,)| serde_json::from_str(&outcome).map_err(|e| Failure::Fault(e.to_string()))).transpose()
        };
        found.await.map_err(|failure| self.refuse(failure))
    }

    /// Turns a failure into what the user sees; faults are logged here, once, with the reference that is shown.
    #[must_use]
    pub fn refuse(&self, failure: Failure) -> Refusal {
        match failure {
            Failure::Refusal(refusal) => refusal,
            Failure::Retry(error) | Failure::Unavailable(error) => {
                metrics::counter!("org_portal_unavailable_total").increment(1);
                tracing::warn!(%error, "the database is away or too busy");
                Refusal::Unavailable
            }
            Failure::Fault(error) => {
                let reference = self.random.tag();
                metrics::counter!("org_portal_faults_total").increment(1);
                tracing::error!(%reference, %error, "fault");
                Refusal::Fault(reference)
            }
        }
    }

    /// Notes a refused attempt in the audit log. Mistyped fields and what is away are no attempts.
    async fn note_refusal(&self, caller: &Caller, action: Action, refusal: &Refusal, about: Vec<(OrganizationId, Object)>) {
        if !matches!(refusal, Refusal::Invalid(_) | Refusal::Unavailable | Refusal::Fault(_) | Refusal::TooLarge) {
            self.note(caller, action, refusal.code(), about).await;
        }
    }

    /// Notes an attempt that came to nothing in the audit log, with its outcome and what it was about. Of that, nothing
    /// of another organization than the actor's own is noted: its Admins read it.
    pub async fn note(&self, caller: &Caller, action: Action, outcome: &'static str, about: Vec<(OrganizationId, Object)>) {
        let organization = match &caller.actor {
            Some(actor) if action.is_inside() => match self.read().await {
                Ok(mut db) => crate::guard::organization_of(&mut db, actor.account).await.unwrap_or(None),
                Err(_) => None,
            },
            _ => None,
        };
        let objects = about.into_iter().filter(|(of, _)| Some(*of) == organization).map(|(_, object)| object).collect();
        let event = Event { action, organization, objects, before: serde_json::Value::Null, after: serde_json::Value::Null, outcome };
        let written = async {
            let mut tx = self.db.begin().await?;
            audit::write(&mut tx, caller, self.random, self.clock.now(), event).await?;
            tx.commit().await
        };
        if let Err(error) = written.await {
            tracing::error!(%error, action = action.code(), outcome, "an attempt could not be noted in the audit log");
        }
    }
}

impl Caller {
    /// The hash under which the form's idempotency key is kept: the key belongs to one caller, one action and what was
    /// sent. A page that comes back from the browser's memory has the old key, and perhaps something else in its fields.
    fn idempotency_key(&self, action: Action) -> Option<Vec<u8>> {
        let key = self.drawn.key.as_str();
        if key.is_empty() || key.len() > 200 {
            return None;
        }
        let who = self
            .actor
            .as_ref()
            .map_or_else(|| format!("{}\n{}", self.origin.address, self.origin.user_agent), |actor| actor.credential_id().to_string());
        Some(secrets::hash(&format!("{}\n{who}\n{key}\n{}", action.code(), self.content)))
    }
}

/// A transaction at work, with what the work needs beside the database.
pub struct Unit {
    tx: Tx,
    /// When the unit began; every row of it carries this moment.
    pub now: Timestamp,
    /// The portal.
    pub portal: Portal,
    /// Who asks.
    pub caller: Caller,
    action: Action,
    rings: Vec<outbox::Kind>,
    organization: Option<OrganizationId>,
    shows_in: Option<OrganizationId>,
    changes: Vec<changes::New>,
    about: Vec<(OrganizationId, Object)>,
}

impl Connected for Unit {
    fn conn(&mut self) -> Conn<'_> {
        self.tx.conn()
    }
}

impl Unit {
    /// Says in which organization this unit acts, for the audit log.
    pub(crate) fn acts_in(&mut self, organization: OrganizationId) {
        self.organization = Some(organization);
    }

    /// Says on which organization's pages it shows what this unit does, where that is none of the organization's acts.
    pub(crate) fn shows_in(&mut self, organization: OrganizationId) {
        self.shows_in = Some(organization);
    }

    /// Says what the unit is about, for the audit log: where it is refused, that is noted with it.
    pub(crate) fn is_about(&mut self, organization: OrganizationId, object: Object) {
        self.about.push((organization, object));
    }

    /// Writes that a part of what the unit does was refused, while the rest of it stands.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit_refusal(&mut self, objects: Vec<Object>, outcome: &'static str) -> Result<(), sqlx::Error> {
        let (before, after) = (serde_json::Value::Null, serde_json::Value::Null);
        let event = Event { action: self.action, organization: self.organization, objects, before, after, outcome };
        let (caller, random, now) = (self.caller.clone(), self.portal.random, self.now);
        audit::write(&mut self.tx, &caller, random, now, event).await
    }

    /// Writes the unit's audit event, and tells open pages and the operator's webhook of it at the commit.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit(&mut self, objects: Vec<Object>, before: serde_json::Value, after: serde_json::Value) -> Result<(), sqlx::Error> {
        self.audit_as(self.action, objects, before, after).await
    }

    /// Writes the event of something that the unit's own action brings with it.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit_as(
        &mut self,
        action: Action,
        objects: Vec<Object>,
        before: serde_json::Value,
        after: serde_json::Value,
    ) -> Result<(), sqlx::Error> {
        let event = Event { action, organization: self.organization, objects, before, after, outcome: audit::SUCCESS };
        self.changes.extend(changes::of(&event, &self.caller, self.shows_in));
        let (caller, random, now) = (self.caller.clone(), self.portal.random, self.now);
        let told = if self.portal.config.webhook_url.is_some() { webhook::of(&event, &caller, now) } else { Vec::new() };
        for told in told {
            outbox::put(&mut self.tx, random, now, outbox::Kind::Webhook, &told).await?;
            self.rings.push(outbox::Kind::Webhook);
        }
        audit::write(&mut self.tx, &caller, random, now, event).await
    }

    /// Puts a mail into the outbox: it leaves if and only if the unit is committed.
    ///
    /// # Errors
    /// The database's.
    pub async fn mail(&mut self, mail: &crate::mail::Mail) -> Result<(), Failure> {
        let (random, now) = (self.portal.random, self.now);
        let payload = serde_json::to_string(mail).map_err(|e| Failure::Fault(e.to_string()))?;
        outbox::put(&mut self.tx, random, now, outbox::Kind::Mail, &payload).await?;
        self.rings.push(outbox::Kind::Mail);
        Ok(())
    }

    /// Brings what is new of a ticket to the desk elsewhere, after the commit; nothing where there is none.
    ///
    /// # Errors
    /// The database's.
    pub async fn to_desk(&mut self, ticket: TicketId) -> Result<(), Failure> {
        if self.portal.config.has_desk() {
            let (random, now) = (self.portal.random, self.now);
            outbox::put(&mut self.tx, random, now, outbox::Kind::Desk, &ticket.to_string()).await?;
            self.rings.push(outbox::Kind::Desk);
        }
        Ok(())
    }

    /// Rings for what is to be done outside the database and is due again, at the commit.
    pub(crate) fn ring(&mut self, kind: outbox::Kind) {
        self.rings.push(kind);
    }

    /// A new identifier.
    #[must_use]
    pub fn new_id(&self) -> uuid::Uuid {
        self.portal.random.id(self.now)
    }

    /// Takes an idempotency key, or gives the outcome of the unit that took it before. A unit that holds it and is
    /// not finished is waited for, by the database.
    async fn claim_key(&mut self, key: &[u8]) -> Result<Option<String>, sqlx::Error> {
        let now = self.now;
        let taken = sql!(execute self, "INSERT INTO idempotency_keys (key_hash, created_at, outcome) VALUES ($1, $2, '') ON CONFLICT (key_hash) DO NOTHING", key, now)?;
        if taken == 1 {
            return Ok(None);
        }
        let outcome: Option<(String,)> =
            sql!(optional as (String,), self, "SELECT outcome FROM idempotency_keys WHERE key_hash = $1", key)?;
        Ok(outcome.map(|(outcome,)| outcome))
    }
}
