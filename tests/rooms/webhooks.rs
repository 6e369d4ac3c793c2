//! Events to the operator's address: signed, tried again, and never sent anywhere else.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::any,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use org_portal::{
    cli::import::{How, import},
    outbox,
    permissions::Role,
    webhook::Webhook,
    words::{DAY, SECOND},
};
use serde_json::Value;

use crate::{on_both, support::*};

const KEY: &str = "Bzr2VPoJEuKpJ7rqpHc9zXmmQ3tL0KgYk0m7VQ==";

/// What the receiver does with the next event.
enum Next {
    Answers(u16, Option<u32>),
    Hangs,
    Closes,
    Redirects(String),
}

/// What was taken, each with its identifier, its time and its body.
type Taken = (String, i64, Value);

/// A receiver as an operator would write one: it takes what is signed rightly, and nothing else.
#[derive(Clone, Default)]
struct Receiver {
    next: Arc<Mutex<VecDeque<Next>>>,
    seen: Arc<Mutex<Vec<Taken>>>,
    url: String,
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self { url: format!("http://{}/hook?from=portal", listener.local_addr().unwrap()), ..Self::default() };
        let app = Router::new().fallback(any(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    fn seen(&self) -> Vec<Taken> {
        self.seen.lock().unwrap().clone()
    }

    fn next(&self, next: impl IntoIterator<Item = Next>) {
        self.next.lock().unwrap().extend(next);
    }

    fn options(&self) -> Options {
        Options::default().with("webhook_url", &self.url).with("webhook_secret", &format!("whsec_{KEY}")).with("webhook_seconds", "1")
    }
}

async fn take(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, at, signatures) = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", &body].concat();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &STANDARD.decode(KEY).unwrap());
    let right = signatures
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .any(|one| STANDARD.decode(one).is_ok_and(|tag| ring::hmac::verify(&key, &signed, &tag).is_ok()));
    if !right || text("content-type") != "application/json" || uri.query() != Some("from=portal") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    receiver.seen.lock().unwrap().push((id, at.parse().unwrap(), serde_json::from_slice(&body).unwrap()));
    let next = receiver.next.lock().unwrap().pop_front();
    match next {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Next::Answers(status, wait)) => {
            let wait = wait.map(|wait| [(header::RETRY_AFTER, wait.to_string())]);
            (StatusCode::from_u16(status).unwrap(), wait.map_or_else(|| ().into_response(), |wait| (wait, "").into_response()))
                .into_response()
        }
        Some(Next::Hangs) => std::future::pending().await,
        Some(Next::Closes) => {
            Response::new(Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("closed")) })))
        }
        Some(Next::Redirects(to)) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
    }
}

/// Raises a ticket by the form.
async fn raise(browser: &Browser, subject: &str) {
    let fields = [("subject", subject), ("description", "It breaks")];
    browser.fill("/organization/tickets/new", "/do/raise_ticket", &fields).await.is(303);
}

/// Delivers what is due, beside the server's own worker, until nothing is.
async fn deliver(portal: &TestPortal) {
    let webhook = Webhook::open(&portal.config).unwrap().unwrap();
    until("nothing is due", || async {
        outbox::deliver_due(&portal.portal, &webhook).await.expect("the outbox is read");
        let now = portal.clock.now().0;
        portal
            .count(&format!(
                "SELECT count(*) FROM outbox WHERE kind = 'webhook' AND done_at IS NULL AND dead_at IS NULL AND due_at <= {now}"
            ))
            .await
            == 0
    })
    .await;
}

async fn states(portal: &TestPortal) -> (i64, i64, i64) {
    let count = async |condition: &str| portal.count(&format!("SELECT count(*) FROM outbox WHERE kind = 'webhook' AND {condition}")).await;
    (count("done_at IS NOT NULL").await, count("dead_at IS NOT NULL").await, count("done_at IS NULL AND dead_at IS NULL").await)
}

on_both! {
    async fn what_happens_is_posted_signed_with_what_it_is_about(portal) {
        let receiver = Receiver::start().await;
        let second = TestPortal::second_with(portal, receiver.options()).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("customers.jsonl");
        std::fs::write(&file, r#"{"kind":"customer","number":"C1","name":"Acme GmbH","administrator":"ada@example.com"}"#).unwrap();
        import(&second.portal, &file, &How::default()).await.unwrap();
        let ada = second.sign_up("ada").await;
        raise(&ada, "It does not start").await;
        let number = second.text("SELECT number FROM tickets").await;
        ada.fill(&format!("/organization/tickets/{number}"), "/do/reply_to_ticket", &[("body", "Still so")]).await.is(303);
        ada.fill(&format!("/organization/tickets/{number}"), "/do/resolve_ticket", &[]).await.is(303);
        until("all came", || async { receiver.seen().len() == 4 }).await;
        let seen = receiver.seen();
        let of = |kind: &str| seen.iter().find(|(.., body)| body["type"] == kind).unwrap_or_else(|| panic!("{kind}: {seen:?}")).clone();
        let (id, at, made) = of("organization.recreated");
        assert!(id.starts_with("msg_") && !id.contains('.') && at == second.clock.now().0 / SECOND, "{id} {at}");
        assert_eq!(made["data"]["organization"]["name"], "Acme GmbH");
        assert_eq!(made["data"]["after"]["customer"], "C1");
        assert_eq!(made["timestamp"].as_str().unwrap().len(), 20);
        let (.., raised) = of("ticket.raised");
        assert_eq!(raised["data"]["ticket"]["number"], number.as_str());
        assert_eq!(raised["data"]["ticket"]["subject"], "It does not start");
        assert_eq!(raised["data"]["organization"]["id"], second.organization_of("ada").await.to_string());
        assert_eq!(raised["data"]["by"]["name"], "Ada Example");
        assert!(!raised.to_string().contains("It breaks"), "what was written stays here");
        assert_eq!(of("ticket.replied").2["data"]["ticket"], raised["data"]["ticket"]);
        let (.., solved) = of("ticket.state_changed");
        assert_eq!((solved["data"]["before"]["state"].as_str(), solved["data"]["after"]["state"].as_str()), (Some("Open"), Some("Resolved")));
        until("it is noted", || async { states(&second).await == (4, 0, 0) }).await;
        assert_eq!(second.rows("SELECT attempt, status, error FROM webhook_deliveries").await, vec![vec!["1", "204", ""]; 4]);
        // What is refused is no event, and without an address there are none.
        ada.call("resolve_ticket", &[("number", &number)]).await;
        let other = portal.sign_in("ada").await;
        raise(&other, "Another").await;
        assert_eq!(second.count("SELECT count(*) FROM outbox WHERE kind = 'webhook'").await, 4);
        second.stop().await;
    }

    async fn what_support_answers_and_changes_is_posted_and_no_note(portal) {
        let receiver = Receiver::start().await;
        let second = TestPortal::second_with(portal, receiver.options()).await;
        let [ada] = second.organization_with("Acme", [("ada", Role::Admin)]).await;
        let staff = second.operator("sam").await;
        raise(&ada, "It does not start").await;
        let here = format!("/operator/tickets/{}", second.text("SELECT number FROM tickets").await);
        staff.fill(&here, "/do/note_ticket", &[("body", "Do not tell")]).await.is(303);
        staff.fill(&here, "/do/answer_ticket", &[("body", "Which version?"), ("stage", "waiting")]).await.is(303);
        let form = staff.get(&here).await.form("/do/change_ticket");
        staff.submit(&form.with("priority", "P1 - Critical")).await.is(303);
        let form = staff.get(&here).await.form("/do/change_ticket");
        staff.submit(&form.with("stage", "closed")).await.is(303);
        until("all came", || async { receiver.seen().len() == 5 }).await;
        let mut seen: Vec<String> = receiver.seen().into_iter().map(|(.., body)| format!("{} {} {}", body["type"].as_str().unwrap(), body["data"]["by"]["name"], body["data"]["after"])).collect();
        seen.sort();
        assert_eq!(seen[0], r#"ticket.changed "Sam Example" {"priority":"P1 - Critical"}"#);
        assert!(seen[1].starts_with(r#"ticket.raised "Ada Example""#), "{seen:?}");
        assert_eq!(seen[2], r#"ticket.replied "Sam Example" null"#);
        assert_eq!(seen[3], r#"ticket.state_changed "Sam Example" {"priority":"P1 - Critical","state":"Closed"}"#);
        assert_eq!(seen[4], r#"ticket.state_changed "Sam Example" {"state":"Awaiting customer"}"#);
        until("it is noted", || async { states(&second).await == (5, 0, 0) }).await;
        second.stop().await;
    }

    async fn a_server_that_connects_and_goes_is_posted(portal) {
        let receiver = Receiver::start().await;
        let second = TestPortal::second_with(portal, receiver.options()).await;
        let [ada] = second.organization_with("Acme", [("ada", Role::Admin)]).await;
        let organization = second.organization_of("ada").await;
        second.connect_server(&ada, "a-server", "Production").await;
        ada.call_in(organization, "disconnect_server", &[("server", "a-server")]).await.is(200);
        until("both came", || async { receiver.seen().len() == 2 }).await;
        let seen = receiver.seen();
        let of = |kind: &str| seen.iter().find(|(.., body)| body["type"] == kind).unwrap_or_else(|| panic!("{kind}: {seen:?}")).2["data"].clone();
        let (connected, disconnected) = (of("server.connected"), of("server.disconnected"));
        for data in [&connected, &disconnected] {
            assert_eq!(data["organization"]["id"], organization.to_string());
            assert_eq!(data["server"], serde_json::json!({ "id": "a-server", "name": "Production" }));
            assert_eq!(data["by"]["name"], "Ada Example");
        }
        assert_eq!(connected["after"]["url"], "https://a-server.example.com/graph");
        assert_eq!((connected.get("before"), disconnected.get("after")), (None, None));
        assert_eq!(disconnected["before"]["url"], "https://a-server.example.com/graph");
        second.stop().await;
    }

    async fn a_receiver_that_fails_hangs_or_closes_gets_it_later_under_the_same_identifier(portal) {
        let receiver = Receiver::start().await;
        let second = TestPortal::second_with(portal, receiver.options()).await;
        let [ada] = second.organization_with("Acme", [("ada", Role::Admin)]).await;
        receiver.next([Next::Answers(500, None), Next::Hangs, Next::Closes, Next::Answers(404, None)]);
        raise(&ada, "It does not start").await;
        for attempt in 1..=4 {
            until("the attempt is noted", || async { second.count("SELECT count(*) FROM webhook_deliveries").await == attempt }).await;
            assert_eq!(states(&second).await, (0, 0, 1));
            second.clock.advance(60 * SECOND);
            deliver(&second).await;
        }
        let seen = receiver.seen();
        assert_eq!(seen.len(), 5);
        assert!(seen.windows(2).all(|two| two[0].0 == two[1].0 && two[0].2 == two[1].2 && two[0].1 < two[1].1), "the same event, each time with its own time: {seen:?}");
        assert_eq!(states(&second).await, (1, 0, 0));
        let rows = second.rows("SELECT attempt, status, error FROM webhook_deliveries ORDER BY attempt").await;
        let statuses: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(statuses, ["500", "", "", "404", "204"]);
        assert!(rows[1][2].contains("too long") && rows[2][2].contains("connection") && rows[4][2].is_empty(), "{rows:?}");
        second.stop().await;
    }

    async fn it_is_left_alone_as_long_as_it_asks_and_given_up_when_it_is_gone(portal) {
        let receiver = Receiver::start().await;
        let second = TestPortal::second_with(portal, receiver.options()).await;
        let [ada] = second.organization_with("Acme", [("ada", Role::Admin)]).await;
        receiver.next([Next::Answers(429, Some(900)), Next::Answers(410, None)]);
        raise(&ada, "It does not start").await;
        until("the attempt is noted", || async { second.count("SELECT count(*) FROM webhook_deliveries").await == 1 }).await;
        second.clock.advance(899 * SECOND);
        deliver(&second).await;
        assert_eq!(receiver.seen().len(), 1, "it asked for 15 minutes");
        second.clock.advance(2 * SECOND);
        deliver(&second).await;
        assert_eq!((receiver.seen().len(), states(&second).await), (2, (0, 1, 0)));
        // One that never takes it is given up after as many attempts as a mail.
        receiver.next((0..100).map(|_| Next::Answers(503, None)));
        raise(&ada, "It still does not").await;
        for _ in 0..outbox::ATTEMPTS + 2 {
            second.clock.advance(DAY / 4);
            deliver(&second).await;
        }
        assert_eq!(states(&second).await, (0, 2, 0));
        assert_eq!(receiver.seen().len() as i64, 2 + outbox::ATTEMPTS);
        // Meanwhile mails went out.
        assert!(second.mails_to("ada@example.com").await.iter().any(|mail| mail.subject.contains("It still does not")));
        second.stop().await;
    }

    async fn it_goes_nowhere_else(portal) {
        let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
        let second = TestPortal::second_with(portal, receiver.options()).await;
        let [ada] = second.organization_with("Acme", [("ada", Role::Admin)]).await;
        receiver.next([Next::Redirects(elsewhere.url.clone())]);
        raise(&ada, "It does not start").await;
        until("the attempt is noted", || async { second.count("SELECT count(*) FROM webhook_deliveries").await == 1 }).await;
        assert_eq!((second.text("SELECT status FROM webhook_deliveries").await.as_str(), elsewhere.seen().len()), ("307", 0));
        second.stop().await;
    }

    async fn an_event_stands_with_its_change_or_not_at_all(portal) {
        let receiver = Receiver::start().await;
        let second = TestPortal::second_with(portal, receiver.options()).await;
        let [ada] = second.organization_with("Acme", [("ada", Role::Admin)]).await;
        let page = ada.get("/organization/tickets/new").await.is(200);
        drop(page);
        let mend = second.fail("INSERT", "audit_events").await;
        ada.fill("/organization/tickets/new", "/do/raise_ticket", &[("subject", "It does not start"), ("description", "It breaks")]).await.is(500);
        for sql in mend {
            second.execute(&sql).await;
        }
        assert_eq!((second.count("SELECT count(*) FROM tickets").await, states(&second).await), (0, (0, 0, 0)));
        second.stop().await;
    }
}
