//! The servers that the portal asks, in every way in which they can be no good: SMTP, OpenID, ServiceNow, the webhook's.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use org_portal::{
    cli::import::{How, from_servicenow},
    outgoing::Patience,
    portal::Portal,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream, tcp::WriteHalf},
    sync::watch,
};

use crate::{
    dice::Dice,
    row::{Mode, Row},
    support::{Engine, FakeProvider, Options, SECRET, ServiceNow, TestPortal, encode, servicenow},
    targets::{HANGS, Served, Tally, client, hurry, meet_the_world, session, within},
};

const PRIORITY: (&str, &str) = ("form[priority]", "P3 - Normal");
/// How many seconds the provider and the receiver of events may take, by the operator's word.
const SECONDS: u64 = 3;
/// What a sign-in by the provider may take in each of its halves: twice that, as several requests are made, and a little.
const SIGN_IN: f64 = 2.0 * SECONDS as f64 + 1.0;
/// What any other request of a user may take. No page waits for a peer.
const REQUEST: f64 = 3.0;
/// So many megabytes more than before the portal may have: two who ask ServiceNow may each be reading as much as a page of
/// records may hold (16 MB), which is there twice while it grows, and the allocator keeps what it has given back for a while.
const MORE: f64 = 128.0;
/// What a peer sends that sends without end.
const PACE: (usize, Duration) = (256 * 1024, Duration::from_millis(16));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Well,
    Refuses,
    Hangs,
    Slow,
    Fails,
    Garbage,
    Endless,
}

const WAYS: [Way; 6] = [Way::Refuses, Way::Hangs, Way::Slow, Way::Fails, Way::Garbage, Way::Endless];

/// What stands before a peer that is well, and does what it is told to.
struct Front {
    address: SocketAddr,
    way: watch::Sender<Way>,
    /// How many connections came.
    met: Arc<AtomicU64>,
}

impl Front {
    /// One without anything behind it yet.
    async fn bind() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn before((listener, address): (TcpListener, SocketAddr), behind: SocketAddr, mail: bool) -> Self {
        let (way, mut told) = watch::channel(Way::Well);
        let met = Arc::new(AtomicU64::new(0));
        let meets = Arc::clone(&met);
        tokio::spawn(async move {
            let mut listening = Some(listener);
            loop {
                let now = *told.borrow_and_update();
                if now == Way::Refuses {
                    listening = None;
                    if told.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                let listener = match listening.take() {
                    Some(listener) => listener,
                    None => {
                        let socket = tokio::net::TcpSocket::new_v4().unwrap();
                        socket.set_reuseaddr(true).unwrap();
                        socket.bind(address).expect("the port again");
                        socket.listen(1024).unwrap()
                    }
                };
                tokio::select! {
                    changed = told.changed() => {
                        if changed.is_err() {
                            return;
                        }
                    }
                    Ok((stream, _)) = listener.accept() => {
                        meets.fetch_add(1, Ordering::Relaxed);
                        let mut cut = told.clone();
                        tokio::spawn(async move {
                            tokio::select! {
                                _ = cut.wait_for(|way| *way != now) => {}
                                () = meet(stream, now, behind, mail) => {}
                            }
                        });
                    }
                }
                listening = Some(listener);
            }
        });
        Self { address, way, met }
    }

    fn is(&self, way: Way) {
        self.way.send(way).unwrap();
    }

    fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }
}

/// What one connection gets.
async fn meet(mut stream: TcpStream, way: Way, behind: SocketAddr, mail: bool) {
    let _ = match way {
        Way::Well | Way::Refuses => match TcpStream::connect(behind).await {
            Ok(mut to) => tokio::io::copy_bidirectional(&mut stream, &mut to).await.map(drop),
            Err(error) => Err(error),
        },
        Way::Hangs => {
            let _ = swallow(&mut stream).await;
            std::future::pending().await
        }
        Way::Slow => {
            let text: &[u8] = if mail {
                b"220 a test that takes its time\r\n"
            } else {
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
            };
            let (mut read, mut write) = stream.split();
            tokio::select! { done = drip(&mut write, text) => done, _ = swallow(&mut read) => Ok(()) }
        }
        Way::Fails => {
            let text: &[u8] = if mail {
                b"421 away for now\r\n"
            } else {
                b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlater"
            };
            say(stream, text).await
        }
        Way::Garbage => {
            let mut dice = Dice(7);
            let bytes: Vec<u8> = (0..4096).map(|_| dice.roll().to_le_bytes()[0]).collect();
            say(stream, &bytes).await
        }
        Way::Endless => {
            let head: &[u8] = if mail { b"220 " } else { b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"result\":[\"" };
            let (mut read, mut write) = stream.split();
            tokio::select! { done = pour(&mut write, head) => done, _ = swallow(&mut read) => Ok(()) }
        }
    };
}

/// Says this a byte a second, and then blanks.
async fn drip(to: &mut WriteHalf<'_>, text: &[u8]) -> std::io::Result<()> {
    for byte in text.iter().chain(std::iter::repeat(&b' ')) {
        to.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Says this, and then more and more.
async fn pour(to: &mut WriteHalf<'_>, head: &[u8]) -> std::io::Result<()> {
    to.write_all(head).await?;
    let much = vec![b'x'; PACE.0];
    loop {
        to.write_all(&much).await?;
        tokio::time::sleep(PACE.1).await;
    }
}

/// Reads what comes until it ends.
async fn swallow(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    while from.read(&mut bytes).await? > 0 {}
    Ok(())
}

/// Reads something, says this, and closes.
async fn say(mut stream: TcpStream, text: &[u8]) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    let _ = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut bytes)).await;
    stream.write_all(text).await?;
    stream.shutdown().await?;
    swallow(&mut stream).await
}

/// A mail server that takes whatever comes; keeps the address of each letter.
async fn mail_server(taken: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let taken = Arc::clone(&taken);
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                let mut answer = "220 test".to_owned();
                let mut to = String::new();
                loop {
                    if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                        return;
                    }
                    if answer.starts_with("354") {
                        while lines.next_line().await.is_ok_and(|line| line.is_some_and(|line| line != ".")) {}
                        taken.lock().unwrap().push(std::mem::take(&mut to));
                        answer = "250 taken".to_owned();
                        continue;
                    }
                    let Ok(Some(line)) = lines.next_line().await else { return };
                    let verb = line.to_uppercase();
                    if verb.starts_with("RCPT TO") {
                        to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    }
                    answer = if verb.starts_with("DATA") { "354 go on".to_owned() } else { "250 ok".to_owned() };
                }
            });
        }
    });
    address
}

/// A receiver of events; keeps the identifier of each.
async fn receiver(taken: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(move |headers: axum::http::HeaderMap, _: axum::body::Bytes| {
        let taken = Arc::clone(&taken);
        async move {
            let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
            taken.lock().unwrap().push(id);
            axum::http::StatusCode::NO_CONTENT
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A person at work, whose every request is timed.
struct Person {
    client: reqwest::Client,
    base: String,
    cookie: String,
    organization: String,
    tally: Tally,
    /// The slowest sign-in by the provider.
    sign_in: f64,
}

impl Person {
    async fn send(&mut self, request: reqwest::RequestBuilder, sign_in: bool) -> (u16, String, String) {
        let began = Instant::now();
        let answer = async {
            let answer = request.header("cookie", &self.cookie).send().await?;
            let head = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let (status, location) = (answer.status().as_u16(), head("location"));
            let cookie = head("set-cookie").split(';').next().unwrap_or_default().to_owned();
            let text = answer.text().await?;
            Ok::<_, reqwest::Error>((status, if location.is_empty() { text } else { location }, cookie))
        };
        match answer.await {
            Ok((status, text, cookie)) => {
                let took = began.elapsed();
                if sign_in {
                    // 502 and 503 are what the page says of a provider that is no good.
                    self.sign_in = self.sign_in.max(took.as_secs_f64());
                    self.tally.wrong.extend((status == 500).then(|| format!("a sign-in: {text}")));
                    *self.tally.statuses.entry(if status == 502 { 503 } else { status }).or_default() += 1;
                } else {
                    self.tally.note("a request", status, took, &text);
                }
                (status, text, cookie)
            }
            Err(error) => {
                self.tally.failed(&error, began.elapsed());
                (0, error.to_string(), String::new())
            }
        }
    }

    async fn get(&mut self, path: &str) -> (u16, String, String) {
        let request = self.client.get(format!("{}{path}", self.base));
        self.send(request, false).await
    }

    async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
        let request = self.client.post(format!("{}{path}", self.base)).header("accept", "text/html").header("origin", &self.base);
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(&[&[("drawn[page]", "/account"), ("drawn[organization]", &self.organization)], fields].concat()));
        self.send(request, false).await
    }
}

pub async fn prove(mode: Mode) -> Row {
    let rounds = mode.of(5, 100);
    // Customers come from the instance before anything else.
    let desk = ServiceNow::start().await;
    let account = desk.insert("customer_account", &[("number", "ACCT1"), ("name", "Acme GmbH")]);
    let contact = desk.insert("customer_contact", &[("email", "ada@example.com"), ("account", &account), ("active", "true")]);
    desk.update("customer_account", &account, &[("primary_contact", &contact)]);
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    meet_the_world(&portal);
    let mut config = portal.config.clone();
    config.servicenow_url = Some(desk.url().parse().unwrap());
    config.servicenow_user = servicenow::USER.to_owned();
    config.servicenow_password = servicenow::PASSWORD.to_owned();
    let joined = Portal::new(portal.db.clone(), config, portal.clock.clone());
    from_servicenow(&joined, false, &How::default(), Patience::default()).await.expect("the customer comes");
    let ada = session(&portal.sign_up("ada").await);
    portal.deliver().await;
    let organization = portal.organization_of("ada").await.to_string();
    portal.stop().await;

    let (letters, events) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let bound = Front::bind().await;
    let (provider, behind) = FakeProvider::behind(&portal, Some(bound.1)).await;
    let openid = Front::before(bound, behind, false);
    let smtp = Front::before(Front::bind().await, mail_server(Arc::clone(&letters)).await, true);
    let hook = Front::before(Front::bind().await, receiver(Arc::clone(&events)).await, false);
    let instance = Front::before(Front::bind().await, desk.url().trim_start_matches("http://").parse().unwrap(), false);
    let seconds = SECONDS.to_string();
    let at = |front: &Front| format!("http://{}", front.address);
    let (smtp_url, hook_url, desk_url) = (format!("smtp://{}", smtp.address), format!("{}/hook", at(&hook)), at(&instance));
    let settings = [
        ("ORG_PORTAL_SMTP_URL", smtp_url.as_str()),
        ("ORG_PORTAL_OIDC_ISSUER", &provider.issuer),
        ("ORG_PORTAL_OIDC_CLIENT_ID", "portal"),
        ("ORG_PORTAL_OIDC_CLIENT_SECRET", SECRET),
        ("ORG_PORTAL_OIDC_SECONDS", &seconds),
        ("ORG_PORTAL_SERVICENOW_URL", &desk_url),
        ("ORG_PORTAL_SERVICENOW_USER", servicenow::USER),
        ("ORG_PORTAL_SERVICENOW_PASSWORD", servicenow::PASSWORD),
        ("ORG_PORTAL_SERVICENOW_MINUTES", "1"),
        ("ORG_PORTAL_WEBHOOK_URL", &hook_url),
        ("ORG_PORTAL_WEBHOOK_SECRET", "whsec_Bzr2VPoJEuKpJ7rqpHc9zXmmQ3tL0KgYk0m7VQ=="),
        ("ORG_PORTAL_WEBHOOK_SECONDS", &seconds),
    ];
    let mut served = Served::start(&portal, &settings, &[]).await;
    let mut person = Person {
        client: client(),
        base: served.url(""),
        cookie: format!("session={ada}"),
        organization,
        tally: Tally::default(),
        sign_in: 0.0,
    };
    let fronts = [&smtp, &openid, &instance, &hook];
    let (mut raised, mut promised, mut not_drained, mut slowest_drain, mut most) = (0_u64, Vec::new(), 0_u64, 0.0_f64, 0.0_f64);
    let mut signed_in = 0_u64;
    let (mut met, mut wells) = ([0_u64; 4], 0_u64);
    // Warm, so that what memory grows by is the peers' doing.
    person.get("/organization/tickets").await;
    let before = served.memory();
    for round in 0..rounds {
        for way in WAYS {
            let seen = fronts.map(Front::met);
            for front in fronts {
                front.is(way);
            }
            let began = Instant::now();
            let mut n = 0;
            // As long as it takes the slowest worker to notice, but for those whose patience is longer than that.
            while began.elapsed() < Duration::from_secs(if way == Way::Endless { 9 } else { 5 }) {
                let subject = format!("Round {round}, {way:?}, {n}");
                let (status, text, _) =
                    person.form("/do/raise_ticket", &[("form[subject]", &subject), ("form[description]", "It breaks"), PRIORITY]).await;
                assert_eq!(status, 303, "{}", words(&text));
                raised += 1;
                let email = format!("person{round}{way:?}{n}@example.com").to_lowercase();
                let (status, text, _) = person.form("/do/forgot_password", &[("form[email]", &email)]).await;
                assert_eq!(status, 303, "{text}");
                promised.push(email);
                for path in ["/organization/tickets", "/account", "/sign-in", "/readyz"] {
                    let (status, text, _) = person.get(path).await;
                    assert!([200, 303].contains(&status), "{path}: {status} {text}");
                }
                most = most.max(served.memory());
                // One who wants to sign in by the provider, with another browser; both halves of it.
                let mut other = Person { cookie: String::new(), tally: Tally::default(), ..visitor(&person) };
                sign_in(&mut other, &provider, &format!("{round}{way:?}{n}")).await;
                person.sign_in = person.sign_in.max(other.sign_in);
                person.tally.add(other.tally);
                most = most.max(served.memory());
                n += 1;
            }
            for (front, (met, seen)) in fronts.iter().zip(met.iter_mut().zip(seen)) {
                *met += front.met() - seen;
                front.is(Way::Well);
            }
            hurry(&portal).await;
            // Something new rings each worker's bell.
            raised += 1;
            let fields = [("form[subject]", "All is well"), ("form[description]", "It works"), PRIORITY];
            assert_eq!(person.form("/do/raise_ticket", &fields).await.0, 303);
            let mut looks = 0;
            let drained = within(Duration::from_secs(60), async || {
                looks += 1;
                if looks % 40 == 0 {
                    hurry(&portal).await;
                }
                portal.count("SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL").await == 0
            })
            .await;
            match drained {
                Some(seconds) => slowest_drain = slowest_drain.max(seconds),
                None => not_drained += 1,
            }
            // By the provider one comes in again.
            wells += 1;
            let mut other = Person { cookie: String::new(), tally: Tally::default(), sign_in: 0.0, ..visitor(&person) };
            signed_in += u64::from(sign_in(&mut other, &provider, &format!("well {round}{way:?}")).await);
        }
    }
    let after = served.memory();
    let letters = letters.lock().unwrap().clone();
    let lost = promised.iter().filter(|email| !letters.contains(email)).count() as u64;
    let mut events = events.lock().unwrap().clone();
    let posts = events.len();
    events.sort();
    events.dedup();
    let wanted = portal.count("SELECT count(*) FROM audit_events WHERE action = 'ticket.raise' AND outcome = 'success'").await;
    let cases: std::collections::HashSet<String> =
        desk.records("sn_customerservice_case").into_iter().map(|case| case["sys_id"].clone()).collect();
    let dead = portal.count("SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL").await;
    let alive = served.runs();
    let tally = std::mem::take(&mut person.tally);
    for wrong in &tally.wrong {
        println!("       {wrong}");
    }
    drop(served);
    portal.close().await;
    Row::new(format!("{rounds} times each, the mail server, the OpenID provider, ServiceNow and the webhook's receiver all at once: away, silent, a byte a second, 5xx, garbage, without end"))
        .told("connections that met a bad peer (mail, OpenID, ServiceNow, webhook)", format!("{met:?}"))
        .told("answers", tally.said())
        .none("answers that are faults", tally.faults())
        .none("requests that hang", tally.hung)
        .must("slowest request of a user", format!("{:.2} s", tally.longest), format!("≤ {REQUEST} s"), tally.longest <= REQUEST && tally.longest < HANGS.as_secs_f64())
        .must("slowest half of a sign-in by the provider", format!("{:.2} s", person.sign_in), format!("≤ {SIGN_IN} s"), person.sign_in <= SIGN_IN)
        .must("sign-ins by the provider once it is well", format!("{signed_in} of {wells}"), format!("{wells}"), signed_in == wells)
        .none("times the outbox did not drain", not_drained)
        .told("slowest drain, with every pause ended", format!("{slowest_drain:.1} s"))
        .none(format!("lost of {} mails", promised.len()), lost)
        .none(format!("lost of {raised} events, in {posts} posts"), raised.saturating_sub(events.len() as u64))
        .must("tickets in the portal", wanted, raised.to_string(), u64::try_from(wanted).unwrap() == raised)
        .must("cases at the desk", cases.len(), raised.to_string(), cases.len() as u64 == raised)
        .none("given up", u64::try_from(dead).unwrap())
        .must("most memory", format!("{most:.0} MB, {after:.0} at the end"), format!("≤ {before:.0} + {MORE} MB"), most <= before + MORE)
        .must("the process", if alive { "serves" } else { "ended" }, "serves", alive)
}

/// What a page says.
fn words(page: &str) -> String {
    let page = scraper::Html::parse_document(page);
    let main = scraper::Selector::parse("main").unwrap();
    page.select(&main).flat_map(|main| main.text()).collect::<Vec<_>>().join(" ")
}

fn visitor(person: &Person) -> Person {
    Person {
        client: person.client.clone(),
        base: person.base.clone(),
        cookie: String::new(),
        organization: String::new(),
        tally: Tally::default(),
        sign_in: 0.0,
    }
}

/// Signs in by the provider, as far as that goes; tells whether it went to its end.
async fn sign_in(other: &mut Person, provider: &FakeProvider, code: &str) -> bool {
    let request = other.client.get(format!("{}/sign-in/provider", other.base));
    let (status, place, cookie) = other.send(request, true).await;
    if status != 303 || !place.starts_with(&provider.issuer) {
        return false;
    }
    other.cookie = cookie;
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let back = provider.gives_code(&place, code, now);
    let request = other.client.get(format!("{}{back}", other.base));
    let (status, place, _) = other.send(request, true).await;
    // To where one goes, or to the page that asks whose the account is: either way the provider was believed.
    status == 303 && !place.contains("trouble")
}
