//! The figures of teams at any size, each with its baseline from the same run: `make bench`.
//!
//! Three databases are filled by `org-portal generate`: a small team in a small database, a large team, and a small team
//! in a database with very many organizations. `SCALE_MEMBERS` and `SCALE_ORGANIZATIONS` make them smaller.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark stops at the first surprise"
)]

mod support;

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::Engine as _;
use org_portal::{db::Db, secrets, words::AccountId};
use support::{Client, Process, figure, insert_session, measure, portal_command};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

const MEMBERS: &str = "/organization/members";
const PAGES: usize = 2000;

fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A portal on a generated database, and its Admin's session.
struct World {
    portal: Process,
    session: String,
    url: String,
}

impl World {
    async fn make(folder: &Path, name: &str, organizations: u64, members: u64, port: u16) -> Self {
        let began = Instant::now();
        let url = format!("sqlite:{}", folder.join(format!("{name}.db")).display());
        let run = |arguments: &[String]| {
            let output = Command::new(portal_command(&url, port).get_program()).args(arguments).env("DATABASE_URL", &url).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run(&["migrate".to_owned()]);
        run(&["generate".to_owned(), "--organizations".to_owned(), organizations.to_string(), "--members".to_owned(), members.to_string()]);
        println!(
            "       {name}: {organizations} organizations, the first with {members} members, generated in {:.0} s",
            began.elapsed().as_secs_f64()
        );
        let session = sessions(&url, 1).await.remove(0);
        Self { portal: Process::portal(&url, port).await, session, url }
    }

    async fn per_second(&self, path: &str) -> f64 {
        measure(self.portal.port, &self.session, path, 4, Duration::from_secs(3)).await.per_second
    }
}

/// Sessions of so many members of the first organization, its Admin the first of them.
async fn sessions(url: &str, n: usize) -> Vec<String> {
    let db = Db::open(url).await.unwrap();
    let Db::Sqlite { write, .. } = &db else { panic!("SQLite") };
    let now = org_portal::clock::Clock::system().now();
    let mut tx = write.begin().await.unwrap();
    let accounts: Vec<(AccountId,)> = sqlx::query_as(
        "SELECT m.account_id FROM members m JOIN organizations o ON o.id = m.organization_id
         WHERE o.id = (SELECT id FROM organizations ORDER BY members_count DESC LIMIT 1) ORDER BY m.account_id <> o.admin_account_id LIMIT $1",
    )
    .bind(i64::try_from(n).unwrap())
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let mut secrets = Vec::new();
    for (account,) in accounts {
        let secret = secrets::Random.secret();
        insert_session(&mut tx, account, secret.expose(), now).await;
        secrets.push(secret.expose().to_owned());
    }
    tx.commit().await.unwrap();
    db.close().await;
    secrets
}

/// The best of each, measured in turns, so that what else the machine does meets both.
async fn compare(ours: (&World, &str), baseline: (&World, &str)) -> (f64, f64) {
    let (mut a, mut b) = (0.0_f64, 0.0_f64);
    for _ in 0..3 {
        a = a.max(ours.0.per_second(ours.1).await);
        b = b.max(baseline.0.per_second(baseline.1).await);
    }
    (a, b)
}

async fn ratio(what: &str, ours: (&World, &str), baseline: (&World, &str), least: f64) {
    let (a, b) = compare(ours, baseline).await;
    println!("       {a:.0} and {b:.0} requests a second");
    figure(what, a / b, "", &format!("≥ {least}"), a / b >= least);
}

#[tokio::main]
async fn main() {
    let (members, organizations) = (size("SCALE_MEMBERS", 100_000), size("SCALE_ORGANIZATIONS", 1_000_000));
    let folder = std::env::temp_dir().join(format!("org-portal-scale-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    println!("{} cores, SQLite\n", std::thread::available_parallelism().unwrap());
    let small = World::make(&folder, "small", 1000, 100, 3981).await;
    let large = World::make(&folder, "large", 1, members, 3982).await;

    let middle = format!("{MEMBERS}?after={}", cursor(&large, members / 2).await);
    let second = format!("{MEMBERS}?after={}", cursor(&small, 50).await);
    ratio(&format!("first page of {members} members ÷ of 100"), (&large, MEMBERS), (&small, MEMBERS), 0.8).await;
    ratio(&format!("a page from the middle of {members} ÷ the second of 100"), (&large, &middle), (&small, &second), 0.8).await;
    let (term, share) = one_percent(&large, members).await;
    let searched = format!("{MEMBERS}?q={term}&sort=active");
    let sorted = format!("{MEMBERS}?sort=active");
    println!("       the search for {term:?} meets {share:.2} % of the members");
    ratio(
        &format!("that search among {members}, sorted by last active ÷ all of 100 so sorted"),
        (&large, &searched),
        (&small, &sorted),
        0.3,
    )
    .await;
    export(&large, members).await;
    live(&large).await;
    drop(large);

    let many = World::make(&folder, "many", organizations, 100, 3983).await;
    for path in [MEMBERS, "/organization", "/organization/activity", "/getting-started", "/account"] {
        ratio(&format!("{path} with {organizations} organizations in the database ÷ with 1,000"), (&many, path), (&small, path), 0.9).await;
    }
    drop((many, small));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The cursor behind so many rows of the list in its own order.
async fn cursor(world: &World, behind: u64) -> String {
    let db = Db::open(&world.url).await.unwrap();
    let Db::Sqlite { read, .. } = &db else { panic!("SQLite") };
    let (key, id): (String, uuid::Uuid) = sqlx::query_as(
        "SELECT name_key, id FROM members WHERE organization_id = (SELECT id FROM organizations ORDER BY members_count DESC LIMIT 1) ORDER BY name_key, id LIMIT 1 OFFSET $1",
    )
    .bind(i64::try_from(behind - 1).unwrap())
    .fetch_one(read)
    .await
    .unwrap();
    let json = serde_json::json!({ "k": { "t": key }, "i": id, "p": behind });
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
}

/// Four characters that as nearly as can be one of a hundred members has in name or address.
async fn one_percent(world: &World, members: u64) -> (String, f64) {
    let db = Db::open(&world.url).await.unwrap();
    let Db::Sqlite { read, .. } = &db else { panic!("SQLite") };
    let keys: Vec<(String, String)> = sqlx::query_as("SELECT name_key, email_key FROM members").fetch_all(read).await.unwrap();
    let mut counts = std::collections::HashMap::<String, usize>::new();
    for (name, email) in &keys {
        let letters: Vec<char> = format!("{name}\n{email}").chars().collect();
        let grams: std::collections::HashSet<String> =
            letters.windows(4).filter(|w| w.iter().all(char::is_ascii_lowercase)).map(|w| w.iter().collect()).collect();
        for gram in grams {
            *counts.entry(gram).or_default() += 1;
        }
    }
    let wanted = members as f64 / 100.0;
    let mut best: Vec<(String, usize)> = counts.into_iter().collect();
    best.sort_by(|a, b| (a.1 as f64 - wanted).abs().total_cmp(&(b.1 as f64 - wanted).abs()).then_with(|| a.0.cmp(&b.0)));
    (best[0].0.clone(), 100.0 * best[0].1 as f64 / members as f64)
}

/// The list as CSV: how soon it begins, and what it takes in memory.
async fn export(world: &World, members: u64) {
    let mut first = f64::MAX;
    let before = world.portal.anonymous();
    let mut most = before;
    for _ in 0..3 {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", world.portal.port)).await.unwrap();
        let request =
            format!("GET {MEMBERS}.csv HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncookie: session={}\r\n\r\n", world.session);
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut buffer, mut bytes, mut head) = (vec![0; 65536], Vec::new(), None);
        loop {
            let n = stream.read(&mut buffer).await.unwrap();
            if n == 0 {
                break;
            }
            bytes.extend_from_slice(&buffer[..n]);
            if head.is_none()
                && let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n").filter(|at| bytes.len() > at + 4)
            {
                head = Some(at);
                first = first.min(began.elapsed().as_secs_f64());
            }
            most = most.max(world.portal.anonymous());
        }
        let lines = bytes.windows(2).filter(|w| w == b"Z\r" || w == b"Z\n").count();
        assert!(lines as u64 >= members, "{lines} lines");
        println!("       {members} members in {:.2} s", began.elapsed().as_secs_f64());
    }
    figure(&format!("CSV of {members} members: first byte"), first, "s", "≤ 0.1", first <= 0.1);
    figure("memory that it takes beside what was taken before", most - before, "MB", "≤ 16: flat", most - before <= 16.0);
}

/// Open pages that hear of one change.
async fn live(world: &World) {
    let secrets = sessions(&world.url, PAGES).await;
    let before = world.portal.anonymous();
    let (open, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = Vec::new();
    for secret in secrets.clone() {
        let (open, told, port) = (Arc::clone(&open), Arc::clone(&told), world.portal.port);
        tasks.push(tokio::spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let request = format!("GET /live HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\ncookie: session={secret}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut lines = BufReader::with_capacity(1024, stream).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                if line == "event: ready" {
                    open.fetch_add(1, Ordering::Relaxed);
                } else if line == "event: change" {
                    told.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
            // The page stays open.
            tokio::time::sleep(Duration::from_secs(30)).await;
        }));
        if tasks.len().is_multiple_of(50) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let count = secrets.len();
    wait(&open, count, "streams open").await;
    let each = (world.portal.anonymous() - before) * 1024.0 / count as f64;
    let began = Instant::now();
    let mut admin = Client::open(world.portal.port, &world.session).await.unwrap();
    let (_, page) = admin.get("/organization/rename", "").await;
    let html = String::from_utf8(page).unwrap();
    let organization =
        html.split("name=\"drawn[organization]\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let body = format!(r#"{{"form":{{"name":"Renamed"}},"drawn":{{"organization":"{organization}"}}}}"#);
    let request = format!(
        "POST /do/rename_organization HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: session={}\r\naccept: application/json\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        world.session,
        body.len()
    );
    let (status, answer) = admin.send(&request).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    wait(&told, count, "streams told").await;
    let seconds = began.elapsed().as_secs_f64();
    for task in tasks {
        task.abort();
    }
    figure(&format!("live: {count} open pages hear of a change"), seconds, "s", "≤ 2", seconds <= 2.0);
    figure("live: memory a page", each, "kB", "≤ 64", each <= 64.0);
}

async fn wait(counter: &AtomicUsize, until: usize, what: &str) {
    let began = Instant::now();
    while counter.load(Ordering::Relaxed) < until {
        assert!(began.elapsed() < Duration::from_secs(60), "{} of {until} {what}", counter.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
