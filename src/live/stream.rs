//! `GET /live`: the server-sent events of one browser.
//!
//! | event | data | what it means |
//! | --- | --- | --- |
//! | `ready` | `{"organization": "…"}` | what was missed has been told; of which organization the account is a member, or empty |
//! | `change` | `{"say": "…"}` | something on the pages is another; the sentence may be empty |
//! | `reload` | `{}` | more may be another than can be told |
//! | `gone` | `{"organization": "…"}` | the account is no longer a member of the organization it was in; of which it is now, or empty |
//! | `ended` | `{}` | nobody is signed in any more; the stream ends |
//!
//! An event's id is the mark of a change: with it as `Last-Event-ID`, or as `after` in the address, a later stream goes
//! on from there. Marks are random: how many changes there were elsewhere cannot be read from them.

use std::{collections::VecDeque, convert::Infallible, future::Future, pin::Pin, time::Duration};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use serde_json::json;
use tokio::{sync::broadcast::error::RecvError, time::Instant};
use uuid::Uuid;

use super::{
    changes::{self, BACKLOG, Change, Reader},
    hub::Subscription,
};
use crate::{
    actor::{Actor, Caller},
    audit::Action,
    db::{Connected, Failure},
    form::Refusal,
    guard::{self, Membership},
    portal::Portal,
    words::{AccountId, CustomerId},
};

/// How often a quiet stream says that it is there, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a stream looks whether its session is still open and its account still a member, with or without a change.
const CHECK: Duration = Duration::from_secs(30);

/// Finds out whether the session of whoever opened a stream is open still, without that being a use of it. It is asked by
/// the session and not by its secret, which may be another one by now.
pub type WhoIs = for<'a> fn(&'a Portal, &'a Actor) -> Pin<Box<dyn Future<Output = Result<Option<Actor>, Failure>> + Send + 'a>>;

/// Finds out to which customer somebody's address belongs who is in no organization: they hear what happens to it.
pub type Awaited = for<'a> fn(&'a Portal, &'a Actor) -> Pin<Box<dyn Future<Output = Result<Option<CustomerId>, Failure>> + Send + 'a>>;

/// What a stream asks of others.
#[derive(Clone, Copy)]
pub struct Asks {
    /// Who it is for.
    pub who_is: WhoIs,
    /// What they wait for.
    pub awaited: Awaited,
}

impl Asks {
    /// Whom the stream is for, as things stand.
    async fn reader(self, portal: &Portal, actor: &Actor) -> Result<(Reader, Option<Membership>), Failure> {
        let membership = member(&mut portal.read().await?, actor.account).await?;
        let customer = match membership {
            Some(_) => None,
            None => (self.awaited)(portal, actor).await?,
        };
        let reader = Reader {
            account: actor.account,
            email_key: actor.email.key(),
            organization: membership.as_ref().map(|membership| membership.organization),
            customer,
            operator: actor.operator,
        };
        Ok((reader, membership))
    }
}

/// What a stream remembers.
struct Stream {
    portal: Portal,
    actor: Actor,
    asks: Asks,
    subscription: Subscription,
    reader: Reader,
    membership: Option<Membership>,
    waiting: VecDeque<Event>,
    check_at: Instant,
    over: bool,
}

/// Answers with the stream of whoever is signed in: 401 for others, 429 for who has as many streams as one may.
pub async fn answer(portal: &Portal, parts: &Parts, asks: Asks) -> Response {
    let Some(actor) = parts.extensions.get::<Caller>().and_then(|caller| caller.actor.clone()) else {
        return refused(&Refusal::Unauthenticated(crate::form::Unauthenticated::SignInRequired));
    };
    match open(portal, parts, &actor, asks).await {
        Ok(stream) => {
            let events = futures::stream::unfold(stream, |stream| async {
                stream.next().await.map(|(event, stream)| (Ok::<_, Infallible>(event), stream))
            });
            let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // nginx collects answers unless it is told not to.
            response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            response
        }
        Err(failure) => refused(&portal.refuse(failure)),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    (status, format!("{}\n", refusal.message())).into_response()
}

async fn open(portal: &Portal, parts: &Parts, actor: &Actor, asks: Asks) -> Result<Box<Stream>, Failure> {
    let parameter = |name: &str| {
        let query = parts.uri.query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    // What was received goes before what the page was drawn with.
    let received = parts.headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let after = received.or_else(|| parameter("after")).filter(|mark| !mark.is_empty());
    let subscription = portal.live.subscribe(portal, actor.account).await?.ok_or(Refusal::TooManyRequests(60))?;
    let (reader, membership) = asks.reader(portal, actor).await?;
    let mut db = portal.read().await?;
    let head = subscription.head;
    let mut subscription = subscription;
    let from = match after.as_deref().map(Uuid::parse_str) {
        None => Some(head.number),
        Some(Ok(mark)) => changes::number_of(&mut db, mark).await?,
        Some(Err(_)) => None,
    };
    // Some seconds more or less: a server that was away does not get all browsers back at once.
    let again = Duration::from_millis(1000 + 8 * u64::from(portal.random.opaque_id().as_bytes()[0]));
    let missed = match from {
        Some(number) => changes::between(&mut db, number, head.number, &reader).await?,
        None => Vec::new(),
    };
    drop(db);
    // A page may have been drawn after what this process has read.
    subscription.head.number = head.number.max(from.unwrap_or(0));
    let mut waiting = VecDeque::new();
    if from.is_none() || missed.len() > BACKLOG {
        waiting.push_back(event("reload", None, json!({})));
    } else {
        waiting.extend(missed.iter().map(|change| told(change, &reader, membership.as_ref())));
    }
    waiting.push_back(event("ready", Some(head.mark), json!({ "organization": reader.organization })).retry(again));
    let mut stream = Stream {
        portal: portal.clone(),
        actor: actor.clone(),
        asks,
        subscription,
        reader,
        membership,
        waiting,
        check_at: Instant::now() + CHECK,
        over: false,
    };
    // A page that somebody else left open in this browser gets nothing of what is this one's.
    if parameter("account").is_some_and(|account| account != actor.account.to_string()) {
        stream.end();
    }
    Ok(Box::new(stream))
}

/// The membership of an account. It stays one while the organization is suspended: its pages say so by themselves, and its
/// members hear when it is open again.
async fn member(db: &mut impl Connected, account: AccountId) -> Result<Option<Membership>, Failure> {
    Ok(guard::seat(db, account).await?.map(|seat| seat.membership))
}

fn event(name: &str, mark: Option<Uuid>, data: serde_json::Value) -> Event {
    let event = Event::default().event(name).data(data.to_string());
    match mark {
        Some(mark) => event.id(mark.to_string()),
        None => event,
    }
}

/// A change as a reader is told: nothing is said of what one did oneself; whom it is about is spoken to; and the
/// organization's sentence is for its members.
fn told(change: &Change, reader: &Reader, membership: Option<&Membership>) -> Event {
    let own = change.actor_id == Some(reader.account);
    let about = change.email_key.as_ref() == Some(&reader.email_key)
        || membership.is_some_and(|membership| change.object_id == Some(membership.member.0));
    let say = if own {
        ""
    } else if about && !change.sentence_to_object.is_empty() {
        &change.sentence_to_object
    } else if change.organization_id.is_some() && change.organization_id == reader.organization {
        &change.sentence
    } else {
        ""
    };
    event("change", Some(change.mark), json!({ "say": say }))
}

impl Stream {
    /// The next event, and the stream that goes on.
    async fn next(mut self: Box<Self>) -> Option<(Event, Box<Self>)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((event, self));
            }
            if self.over {
                return None;
            }
            let subscription = &mut self.subscription;
            let batch = tokio::select! {
                () = subscription.ending.cancelled() => return None,
                () = tokio::time::sleep_until(self.check_at) => None,
                received = subscription.batches.recv() => Some(received),
            };
            match batch {
                None => self.look(&[]).await,
                Some(Ok(batch)) => {
                    let (reader, from) = (&self.reader, self.subscription.head.number);
                    let reached: Vec<Change> =
                        batch.iter().filter(|change| change.number > from && reader.is_reached(change)).cloned().collect();
                    if !reached.is_empty() {
                        self.look(&reached).await;
                    }
                }
                Some(Err(RecvError::Lagged(_))) => self.waiting.push_back(event("reload", None, json!({}))),
                Some(Err(RecvError::Closed)) => return None,
            }
        }
    }

    /// Looks whether the session is still open and of what the account is a member now; then tells what is new.
    async fn look(&mut self, reached: &[Change]) {
        self.check_at = Instant::now() + CHECK;
        // In a box: while nothing happens, a stream does not hold room for it.
        let seen = Box::pin(self.seen()).await;
        let (now, membership) = match seen {
            Ok(Some(seen)) => seen,
            Ok(None) => return self.end(),
            Err(error) => {
                tracing::debug!(?error, "a stream ends, because the database is away; the browser opens another one");
                self.over = true;
                return;
            }
        };
        let before = std::mem::replace(&mut self.membership, membership);
        self.reader = now;
        if let Some(before) = before.filter(|before| Some(before.organization) != self.reader.organization) {
            let last = reached.last().map(|change| change.mark);
            let is_end = |change: &&Change| {
                change.organization_id == Some(before.organization) && change.action == Action::DeleteOrganization.code()
            };
            let say = reached.iter().find(is_end).map(|change| change.sentence.as_str());
            self.waiting.push_back(event("gone", last, json!({ "organization": self.reader.organization, "say": say })));
        }
        let (reader, membership) = (&self.reader, self.membership.as_ref());
        let told = reached.iter().filter(|change| reader.is_reached(change)).map(|change| told(change, reader, membership));
        self.waiting.extend(told);
    }

    async fn seen(&self) -> Result<Option<(Reader, Option<Membership>)>, Failure> {
        let _turn = self.portal.live.checks.acquire().await.map_err(|e| Failure::Fault(e.to_string()))?;
        let Some(actor) = (self.asks.who_is)(&self.portal, &self.actor).await?.filter(|actor| actor.account == self.actor.account) else {
            return Ok(None);
        };
        self.asks.reader(&self.portal, &actor).await.map(Some)
    }

    fn end(&mut self) {
        self.waiting.clear();
        self.waiting.push_back(event("ended", None, json!({})));
        self.over = true;
    }
}
