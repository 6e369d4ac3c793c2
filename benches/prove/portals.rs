//! What rows share: databases of their own, the portal as a process, people who write and remember what was answered, a
//! mail server that keeps what it takes, and the comparison of what is there with what was answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use org_portal::{
    clock::Clock,
    db::{Conn, Connected as _, Db},
    seal, secrets,
    words::{DAY, Timestamp},
};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use uuid::Uuid;

use crate::dice::Dice;
pub use crate::support::{Database, Engine, PASSWORD, postgres::command as postgres_program};

pub const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// A folder of the row's own, with the key file of portals whose database is a server.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("org-portal-prove-").tempdir().unwrap();
    seal::make(&folder.path().join("portal.key"), secrets::Random).unwrap();
    folder
}

pub fn binary() -> PathBuf {
    std::env::var("ORG_PORTAL_BIN").map_or_else(|_| PathBuf::from("target/org-portal"), PathBuf::from)
}

/// A port at which nobody listens now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The executable on a database. Limits are out of the way: they are not what is tried.
pub fn org_portal(program: &Path, arguments: &[&str], url: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("DATABASE_URL", url).env("ORG_PORTAL_HASHING_THREADS", "1");
    if !url.starts_with("sqlite:") {
        command.env("ORG_PORTAL_KEY_FILE", folder.join("portal.key"));
    }
    for rate in [
        "SIGN_IN",
        "SIGN_IN_ADDRESS",
        "MAIL",
        "MAIL_ADDRESS",
        "TOKEN",
        "TOKEN_ADDRESS",
        "INVITATION",
        "INVITATION_RECIPIENT",
        "API",
        "API_ADDRESS",
        "TICKET",
    ] {
        command.env(format!("ORG_PORTAL_{rate}_RATE"), "1000000/1");
    }
    command
}

/// Runs a command of it to its end.
pub async fn run(arguments: &[&str], url: &str, folder: &Path) -> Output {
    let mut command = org_portal(&binary(), arguments, url, folder);
    tokio::task::spawn_blocking(move || command.output().expect("the executable")).await.unwrap()
}

/// The same, which has to go well; what it says.
pub async fn done(arguments: &[&str], url: &str, folder: &Path) -> String {
    let output = run(arguments, url, folder).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The portal as a process, killed with the value.
pub struct Portal {
    pub child: Child,
    /// Where the process is a tracer, what it traces: that would live on alone.
    pub traced: Vec<u32>,
}

impl Portal {
    /// Starts it and waits until it is ready.
    pub async fn start(mut command: Command, port: u16) -> Self {
        let address = format!("127.0.0.1:{port}");
        command.stdout(Stdio::null()).envs([("ORG_PORTAL_LISTEN", &address), ("ORG_PORTAL_PUBLIC_URL", &format!("http://{address}"))]);
        if std::env::var_os("PROVE_LOG").is_none() {
            command.stderr(Stdio::null());
        }
        let mut portal = Self { child: command.spawn().expect("the executable: scripts/build.sh builds it"), traced: Vec::new() };
        let client = client();
        let began = Instant::now();
        loop {
            if client.get(format!("http://{address}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200) {
                return portal;
            }
            assert!(portal.child.try_wait().unwrap().is_none(), "the portal ended at once");
            assert!(began.elapsed() < Duration::from_secs(60), "the portal did not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Serves a database at a port.
    pub async fn serve(url: &str, port: u16, folder: &Path, more: &[(&str, &str)]) -> Self {
        let mut command = org_portal(&binary(), &["serve"], url, folder);
        command.envs(more.iter().copied());
        Self::start(command, port).await
    }

    /// Asks it to stop and waits for that.
    pub async fn stop(mut self) {
        if self.traced.is_empty() {
            self.traced.push(self.child.id());
        }
        signal("TERM", &self.traced);
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if !self.traced.is_empty() {
                signal("KILL", &self.traced);
            }
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Sends a signal.
pub fn signal(name: &str, processes: &[u32]) {
    let _ = Command::new("kill").arg(format!("-{name}")).args(processes.iter().map(ToString::to_string)).stderr(Stdio::null()).status();
}

/// A client that gives up what hangs.
pub fn client() -> reqwest::Client {
    // It is built with the portal's TLS, which comes without a choice of its cryptography.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(40)).build().unwrap()
}

/// Somebody with a session, who is the Admin of an organization.
#[derive(Clone, Debug)]
pub struct Person {
    pub email: String,
    pub session: String,
    pub account: Uuid,
    pub organization: Uuid,
    pub member: Uuid,
}

pub fn now() -> Timestamp {
    Clock::system().now()
}

pub fn id() -> Uuid {
    secrets::Random.id(now())
}

/// Bytes as a literal.
pub fn blob(engine: Engine, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match engine {
        Engine::Sqlite => format!("x'{hex}'"),
        Engine::Postgres => format!("'\\x{hex}'::bytea"),
    }
}

/// Statements in one transaction, past the portal.
pub async fn script(url: &str, statements: &[String]) {
    let db = Db::open(url).await.unwrap();
    script_in(&db, statements).await;
    db.close().await;
}

/// The same with connections that are there.
pub async fn script_in(db: &Db, statements: &[String]) {
    let mut tx = db.begin().await.unwrap();
    for statement in statements {
        let done = match tx.conn() {
            Conn::Sqlite(c) => sqlx::query(AssertSqlSafe(statement.clone())).execute(c).await.map(drop),
            Conn::Postgres(c) => sqlx::query(AssertSqlSafe(statement.clone())).execute(c).await.map(drop),
        };
        done.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    tx.commit().await.unwrap();
}

/// A session of an account, as a statement.
pub fn session(engine: Engine, account: Uuid, secret: &str) -> String {
    let (hash, id, account) = (blob(engine, &secrets::hash(secret)), engine.literal(id()), engine.literal(account));
    let (now, end) = (now().0, now().plus(DAY).0);
    format!(
        "INSERT INTO sessions (token_hash, id, account_id, created_at, last_seen_at, idle_expires_at, absolute_expires_at, authenticated_at, methods, user_agent, address) VALUES ({hash}, {id}, {account}, {now}, {now}, {end}, {end}, {now}, 'password', '', '')"
    )
}

/// An account with a session.
pub fn account(engine: Engine, name: &str) -> (Person, Vec<String>) {
    let person = Person {
        email: format!("{name}@example.com"),
        session: format!("the-session-of-{name}-{}", id().simple()),
        account: id(),
        organization: id(),
        member: id(),
    };
    let (account, now) = (engine.literal(person.account), now().0);
    let statements = vec![
        format!(
            "INSERT INTO accounts (id, email, email_key, first_name, last_name, name_key, created_at) VALUES ({account}, '{name}@example.com', '{name}@example.com', '{name}', 'Example', '{name} example', {now})"
        ),
        session(engine, person.account, &person.session),
    ];
    (person, statements)
}

/// A membership, as a statement.
pub fn member(engine: Engine, person: &Person, organization: Uuid, role: &str) -> String {
    let (member, account, organization, now) =
        (engine.literal(person.member), engine.literal(person.account), engine.literal(organization), now().0);
    let email = &person.email;
    format!(
        "INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at) VALUES ({member}, {organization}, {account}, '{role}', 'creation', {now}, '{email}', '{email}', '{email}', '{email}', {now})"
    )
}

/// An organization with its Admin, as statements.
pub fn organization(engine: Engine, admin: &Person, name: &str) -> Vec<String> {
    let (organization, account, now) = (engine.literal(admin.organization), engine.literal(admin.account), now().0);
    vec![
        format!(
            "INSERT INTO organizations (id, name, name_key, created_at, created_by, created_by_name, members_count, invitations_count, revision, admin_account_id) VALUES ({organization}, '{name}', lower('{name}'), {now}, {account}, 'Ada', 1, 0, 0, {account})"
        ),
        member(engine, admin, admin.organization, "Admin"),
    ]
}

/// So many people, each with an organization of their own, on a database that is migrated for them.
pub async fn people(url: &str, engine: Engine, folder: &Path, n: usize) -> Vec<Person> {
    done(&["migrate"], url, folder).await;
    fill(url, engine, n).await
}

/// The same on a database that has its tables.
pub async fn fill(url: &str, engine: Engine, n: usize) -> Vec<Person> {
    let (mut people, mut statements) = (Vec::new(), Vec::new());
    for n in 0..n {
        let (person, more) = account(engine, &format!("ada{n}"));
        statements.extend(more);
        statements.extend(organization(engine, &person, &format!("Acme {n}")));
        people.push(person);
    }
    script(url, &statements).await;
    people
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Reset,
    SignUp,
    Invite,
    Rename,
    Raise,
    Reply,
    Name,
}

impl Kind {
    /// The statement that gives the marks of everything of a kind that is there, perhaps among other text.
    pub const fn there(self) -> &'static str {
        match self {
            Self::Reset => "SELECT objects FROM audit_events WHERE action = 'password.request_reset' AND outcome = 'success'",
            Self::SignUp => "SELECT email FROM sign_ups",
            Self::Invite => "SELECT email FROM invitations",
            Self::Rename => "SELECT after_state FROM audit_events WHERE action = 'organization.rename' AND outcome = 'success'",
            Self::Raise => "SELECT subject FROM tickets",
            Self::Reply => "SELECT body FROM ticket_messages WHERE kind = 'reply'",
            Self::Name => "SELECT after_state FROM audit_events WHERE action = 'account.change_name' AND outcome = 'success'",
        }
    }
}

/// One write: posted again and again with one key until it is answered.
#[derive(Clone, Debug)]
pub struct Deed {
    pub kind: Kind,
    /// A word that nothing else holds.
    pub mark: String,
    endpoint: &'static str,
    arguments: Value,
}

/// How a post ended.
pub enum Answered {
    Done(Value),
    Unavailable,
    Away,
    /// Anything else: its status and what it says.
    Wrong(u16, String),
}

impl Answered {
    /// The status; 0 where there is none.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Done(_) => 200,
            Self::Unavailable => 503,
            Self::Away => 0,
            Self::Wrong(status, _) => *status,
        }
    }
}

pub async fn post(client: &reqwest::Client, base: &str, session: &str, endpoint: &str, arguments: &Value) -> Answered {
    let request = client
        .post(format!("{base}/do/{endpoint}"))
        .header("content-type", "application/json")
        .header("cookie", format!("session={session}"))
        .body(arguments.to_string());
    send(endpoint, request).await
}

/// Sends a request whose answer is JSON.
pub async fn send(endpoint: &str, request: reqwest::RequestBuilder) -> Answered {
    let request = request.header("accept", "application/json");
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() => return Answered::Wrong(0, format!("{endpoint}: no answer in 40 seconds")),
        Err(_) => return Answered::Away,
    };
    let status = answer.status().as_u16();
    match (status, answer.text().await) {
        (200, Ok(text)) => Answered::Done(serde_json::from_str(&text).unwrap_or_default()),
        (503, _) => Answered::Unavailable,
        (_, Err(_)) => Answered::Away,
        (status, Ok(text)) => Answered::Wrong(status, format!("{endpoint}: {status} {text}")),
    }
}

/// What writers were answered.
#[derive(Default)]
pub struct Ledger {
    pub acknowledged: Mutex<Vec<(Kind, String)>>,
    /// When, in microseconds since 1970.
    pub times: Mutex<Vec<u64>>,
    /// How often each writer was.
    pub counts: Vec<AtomicU64>,
    pub unavailable: AtomicU64,
    pub away: AtomicU64,
    pub wrong: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Ledger {
    pub fn len(&self) -> u64 {
        self.acknowledged.lock().unwrap().len() as u64
    }

    pub fn wrong(&self) -> u64 {
        let wrong = self.wrong.lock().unwrap();
        for text in wrong.iter().take(5) {
            println!("       wrong: {text}");
        }
        wrong.len() as u64
    }
}

/// People who write all the time. What is not answered, or answered with 503, is posted again with the same key.
pub struct Writers {
    pub ledger: Arc<Ledger>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    pub fn start(people: &[Person], base: &str, word: &str, kinds: &'static [Kind], seed: u64) -> Self {
        let ledger = Arc::new(Ledger { counts: people.iter().map(|_| AtomicU64::new(0)).collect(), ..Ledger::default() });
        let write = |(n, person): (usize, &Person)| {
            let (ledger, person, base, word) = (Arc::clone(&ledger), person.clone(), base.to_owned(), word.to_owned());
            let mut dice = Dice(seed.wrapping_mul(1000).wrapping_add(n as u64));
            tokio::spawn(async move {
                let client = client();
                let (mut ticket, mut count) = (None::<String>, 0_u64);
                while !ledger.stop.load(Ordering::Relaxed) {
                    count += 1;
                    let mark = format!("{word}w{n}n{count}z");
                    // A password is hashed for a sign-up: it is the only dear one.
                    let mut kind = kinds[dice.index(kinds.len())];
                    if kind == Kind::SignUp && dice.below(4) > 0 {
                        kind = kinds[0];
                    }
                    let deed = deed(kind, &mark, &person, ticket.as_deref());
                    let outcome = loop {
                        match post(&client, &base, &person.session, deed.endpoint, &deed.arguments).await {
                            Answered::Done(value) => break Some(value),
                            Answered::Unavailable => ledger.unavailable.fetch_add(1, Ordering::Relaxed),
                            Answered::Away => ledger.away.fetch_add(1, Ordering::Relaxed),
                            Answered::Wrong(_, text) => {
                                ledger.wrong.lock().unwrap().push(text);
                                break None;
                            }
                        };
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    };
                    if outcome.is_some() {
                        let at = u64::try_from(now().0).unwrap();
                        let mut acknowledged = ledger.acknowledged.lock().unwrap();
                        acknowledged.push((deed.kind, mark));
                        ledger.times.lock().unwrap().push(at);
                        drop(acknowledged);
                        ledger.counts[n].fetch_add(1, Ordering::Relaxed);
                    }
                    if deed.kind == Kind::Raise && ticket.is_none() {
                        // Replies go to the first ticket; its number is on the page that lists them.
                        ticket = first_ticket(&client, &base, &person.session, &deed.mark).await;
                    }
                }
            })
        };
        let tasks = people.iter().enumerate().map(write).collect();
        Self { ledger, tasks }
    }

    /// Lets everybody come to the end of what they do.
    pub async fn stop(self) -> Arc<Ledger> {
        self.ledger.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a writer");
        }
        self.ledger
    }
}

fn deed(kind: Kind, mark: &str, person: &Person, ticket: Option<&str>) -> Deed {
    let kind = if kind == Kind::Reply && ticket.is_none() { Kind::Raise } else { kind };
    let drawn = json!({ "key": format!("key-of-{mark}"), "organization": person.organization, "page": "/" });
    let email = format!("{mark}@example.com");
    let (endpoint, mut arguments) = match kind {
        Kind::Reset => ("forgot_password", json!({ "form": { "email": email } })),
        Kind::SignUp => ("sign_up", json!({ "form": { "email": email, "first_name": "Eve", "password": PASSWORD } })),
        Kind::Invite => ("invite_member", json!({ "form": { "email": email, "role": "Technical user" } })),
        Kind::Rename => ("rename_organization", json!({ "form": { "name": mark } })),
        Kind::Raise => ("raise_ticket", json!({ "form": { "subject": mark, "description": "It is slow", "priority": "P3 - Normal" } })),
        Kind::Reply => ("reply_to_ticket", json!({ "ticket": ticket, "form": { "body": mark } })),
        Kind::Name => ("change_name", json!({ "form": { "first_name": mark, "last_name": "" } })),
    };
    arguments["drawn"] = drawn;
    Deed { kind, mark: mark.to_owned(), endpoint, arguments }
}

/// The number of the ticket with a subject, as its page's address has it.
async fn first_ticket(client: &reqwest::Client, base: &str, session: &str, subject: &str) -> Option<String> {
    let url = format!("{base}/organization/tickets?q={subject}");
    let page = client
        .get(url)
        .header("cookie", format!("session={session}"))
        .header("accept", "text/html")
        .send()
        .await
        .ok()?
        .text()
        .await
        .ok()?;
    let (_, rest) = page.split_once("/organization/tickets/T")?;
    Some(format!("T{}", rest.chars().take_while(char::is_ascii_digit).collect::<String>()))
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    pub acknowledged: u64,
    pub lost: u64,
    pub doubled: u64,
    pub half: u64,
}

impl std::ops::AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.half += other.half;
    }
}

/// The marks in a text: a word of [`Writers::start`] with writer and number.
pub fn mark_in(text: &str, word: &str) -> Option<String> {
    let at = text.find(&format!("{word}w"))?;
    let end = text[at..].find('z')?;
    Some(text[at..=at + end].to_owned())
}

/// How often each mark of a kind is there.
async fn there(database: &Database, kind: Kind, word: &str) -> BTreeMap<String, u64> {
    let mut there = BTreeMap::new();
    for row in database.rows(kind.there()).await {
        if let Some(mark) = mark_in(&row[0], word) {
            *there.entry(mark).or_default() += 1;
        }
    }
    there
}

/// What of these is not there, and what is there more than once.
pub async fn apart(database: &Database, marks: &[(Kind, String)], word: &str) -> (Vec<String>, Vec<String>) {
    let (mut missing, mut doubled) = (Vec::new(), Vec::new());
    let kinds: BTreeSet<Kind> = marks.iter().map(|(kind, _)| *kind).collect();
    for kind in kinds {
        let there = there(database, kind, word).await;
        let of_it = marks.iter().filter(|(of, mark)| *of == kind && !there.contains_key(mark));
        missing.extend(of_it.map(|(_, mark)| format!("{kind:?} {mark}")));
        doubled.extend(there.iter().filter(|(_, n)| **n > 1).map(|(mark, n)| format!("{kind:?} {mark} {n} times")));
    }
    (missing, doubled)
}

/// Looks whether everything that was acknowledged is there, once.
pub async fn compare(database: &Database, acknowledged: &[(Kind, String)], word: &str) -> Compared {
    let (lost, doubled) = apart(database, acknowledged, word).await;
    for (what, marks) in [("lost", &lost), ("doubled", &doubled)] {
        if let Some(mark) = marks.first() {
            println!("       {what}: {}, such as {mark}", marks.len());
        }
    }
    let half = half(database).await;
    Compared { acknowledged: acknowledged.len() as u64, lost: lost.len() as u64, doubled: doubled.len() as u64, half }
}

/// Statements that count what stands half: a change without its event, its mail or what is counted of it.
pub fn half_checks() -> Vec<String> {
    let events = |action: &str| format!("(SELECT count(*) FROM audit_events WHERE action = '{action}' AND outcome = 'success')");
    let different = |left: String, right: &str| format!("SELECT abs({left} - (SELECT count(*) FROM {right}))");
    vec![
        different(events("password.request_reset"), "password_resets"),
        different(events("account.sign_up"), "sign_ups"),
        different(events("invitation.send"), "invitations"),
        different(events("ticket.raise"), "tickets"),
        different(events("ticket.reply"), "ticket_messages WHERE kind = 'reply'"),
        "SELECT count(*) FROM organizations o WHERE o.members_count <> (SELECT count(*) FROM members m WHERE m.organization_id = o.id) OR o.invitations_count <> (SELECT count(*) FROM invitations i WHERE i.organization_id = o.id AND i.state = 'pending')".to_owned(),
        "SELECT count(*) FROM tickets t WHERE t.messages <> (SELECT count(*) FROM ticket_messages m WHERE m.ticket_id = t.id)".to_owned(),
        "SELECT abs((SELECT count(*) FROM tickets) - (SELECT CAST(coalesce(sum(tickets), 0) AS BIGINT) FROM ticket_counts))".to_owned(),
        "SELECT count(*) FROM idempotency_keys WHERE outcome = ''".to_owned(),
    ]
}

async fn half(database: &Database) -> u64 {
    let mut half = 0;
    for check in half_checks() {
        let n = database.count(&check).await;
        if n != 0 {
            println!("       half: {n} by {check}");
        }
        half += n.unsigned_abs();
    }
    half
}

/// Whether the database is sound: what its own checks say. Nothing where all is well.
pub async fn damage(database: &Database, folder: &Path) -> Vec<String> {
    let mut damage = Vec::new();
    match database.engine {
        Engine::Sqlite => {
            let pages = database.rows("SELECT integrity_check FROM pragma_integrity_check").await.concat();
            damage.extend(pages.into_iter().filter(|line| line != "ok"));
            let orphans = database.rows("SELECT \"table\", \"parent\" FROM pragma_foreign_key_check").await;
            damage.extend(orphans.into_iter().map(|row| row.join(" refers to nothing in ")));
        }
        Engine::Postgres => {
            database.execute("CREATE SCHEMA IF NOT EXISTS amcheck").await;
            match database.try_execute("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA amcheck").await {
                Ok(()) => {
                    let heap = "SELECT c.relname::text, v.msg FROM pg_class c CROSS JOIN LATERAL amcheck.verify_heapam(c.oid) v WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace";
                    damage.extend(database.rows(heap).await.into_iter().map(|row| row.join(": ")));
                    let indexes = "SELECT count(amcheck.bt_index_check(c.oid, true)::text) FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.relkind = 'i' AND a.amname = 'btree' AND c.relnamespace = 'public'::regnamespace";
                    if let Err(error) = database.try_execute(indexes).await {
                        damage.push(error.to_string());
                    }
                }
                Err(error) => damage.push(format!("amcheck is not to be had: {error}")),
            }
        }
    }
    let verified = run(&["verify"], &database.url, folder).await;
    if !verified.status.success() {
        damage.push(String::from_utf8_lossy(&verified.stderr).into_owned());
    }
    for line in damage.iter().take(5) {
        println!("       damage: {line}");
    }
    damage
}

/// What the outbox still holds is delivered by a portal that runs. Leases of the dead would run out by the clock, in minutes;
/// nobody has them, so they are ended here.
pub async fn drain(database: &Database) {
    let (mut left, mut since) = (i64::MAX, Instant::now());
    loop {
        let now = database.count("SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL").await;
        if now == 0 {
            return;
        }
        // After a thousand rounds there is much in it: what matters is that it gets less.
        if now < left {
            (left, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < Duration::from_secs(300), "the outbox does not get empty: {now} are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A mail server that keeps to whom it took a letter, and under which `Message-ID`.
#[derive(Clone, Default)]
pub struct MailServer {
    letters: Arc<Mutex<Vec<(String, String)>>>,
    pub port: u16,
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), ..Self::default() };
        let letters = Arc::clone(&server.letters);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let letters = Arc::clone(&letters);
                tokio::spawn(async move {
                    let (read, mut write) = stream.into_split();
                    let mut lines = BufReader::new(read).lines();
                    let _ = write.write_all(b"220 test\r\n").await;
                    let mut to = String::new();
                    while let Ok(Some(line)) = lines.next_line().await {
                        let verb = line.to_uppercase();
                        let answer: &[u8] = if verb.starts_with("DATA") {
                            let _ = write.write_all(b"354 go on\r\n").await;
                            let (mut id, mut whole) = (String::new(), false);
                            while let Ok(Some(line)) = lines.next_line().await {
                                if line == "." {
                                    whole = true;
                                    break;
                                }
                                if id.is_empty() && line.to_lowercase().starts_with("message-id:") {
                                    line[11..].trim().clone_into(&mut id);
                                }
                            }
                            if !whole {
                                return;
                            }
                            letters.lock().unwrap().push((to.clone(), id));
                            b"250 taken\r\n"
                        } else if verb.starts_with("QUIT") {
                            b"221 bye\r\n"
                        } else {
                            if verb.starts_with("RCPT TO") {
                                line.split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut to);
                            }
                            b"250 ok\r\n"
                        };
                        if write.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    /// Every letter: to whom, and its `Message-ID`.
    pub fn letters(&self) -> Vec<(String, String)> {
        self.letters.lock().unwrap().clone()
    }
}

/// What became of mails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mailed {
    /// That were wanted.
    pub wanted: u64,
    /// That never came.
    pub lost: u64,
    /// That came again, with the same `Message-ID`.
    pub again: u64,
    /// To one recipient, who was to get one, under two `Message-ID`s.
    pub other_id: u64,
}

impl std::ops::AddAssign for Mailed {
    fn add_assign(&mut self, other: Self) {
        self.wanted += other.wanted;
        self.lost += other.lost;
        self.again += other.again;
        self.other_id += other.other_id;
    }
}

/// Holds letters against the outbox, whose rows give them their `Message-ID`s, and against what was acknowledged.
pub async fn mailed(database: &Database, letters: &[(String, String)], acknowledged: &[(Kind, String)]) -> Mailed {
    let rows = database.rows(&format!("SELECT {} FROM outbox WHERE kind = 'mail'", database.engine.hex("id"))).await.concat();
    let mut came: BTreeMap<String, u64> = BTreeMap::new();
    let mut ids_to: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (to, id) in letters {
        let row = id.trim_start_matches('<').split('@').next().unwrap_or_default();
        *came.entry(row.replace('-', "")).or_default() += 1;
        ids_to.entry(to).or_default().insert(id);
    }
    let mut mailed = Mailed { wanted: rows.len() as u64, ..Mailed::default() };
    mailed.lost += rows.iter().filter(|row| !came.contains_key(&row.replace('-', ""))).count() as u64;
    mailed.again = came.values().map(|n| n - 1).sum();
    for (kind, mark) in acknowledged {
        if matches!(kind, Kind::Reset | Kind::SignUp | Kind::Invite) {
            match ids_to.get(format!("{mark}@example.com").as_str()).map_or(0, BTreeSet::len) {
                0 => mailed.lost += 1,
                1 => {}
                _ => mailed.other_id += 1,
            }
        }
    }
    mailed
}
