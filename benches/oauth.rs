//! Client-credentials tokens, beside bare sealing: `make bench`.
//!
//! Each server asks as PMM does, one request after the other on a connection that it keeps. The baseline is what a token
//! costs in itself, in this program: the comparison of the secret's hash, and the sealing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark stops at the first surprise"
)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use org_portal::{
    config::Config,
    db::Db,
    oauth::actions::is_secret,
    seal::{Purpose, Seal},
    secrets,
    words::{AccountId, OrganizationId, PmmServerId},
};
use support::{Client, Process, figure};

const SERVERS: usize = 200;
const CONNECTIONS: usize = 16;
const SECONDS: u64 = 5;
const SECRET: &str = "benchmark-secret-of-the-machine-0123456789";

#[tokio::main]
async fn main() {
    let folder = std::env::temp_dir().join(format!("org-portal-bench-oauth-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let url = format!("sqlite:{}", folder.join("portal.db").display());
    seed(&url).await;
    let portal = Process::portal(&url, 3976).await;
    let (ended, given) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asking: Vec<_> = (0..CONNECTIONS)
        .map(|n| {
            let (ended, given) = (Arc::clone(&ended), Arc::clone(&given));
            tokio::spawn(async move {
                let mut client = Client::open(3976, "").await.unwrap();
                let requests: Vec<String> = (0..SERVERS).map(request).collect();
                let mut at = n;
                while !ended.load(Ordering::Relaxed) {
                    let (status, body) = client.send(&requests[at % SERVERS]).await;
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
                    given.fetch_add(1, Ordering::Relaxed);
                    at += 7;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, began) = (given.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    let tokens = (given.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    ended.store(true, Ordering::Relaxed);
    for asked in asking {
        asked.await.unwrap();
    }
    drop(portal);
    let bare = bare(&url);
    let cores = std::thread::available_parallelism().unwrap().get();
    println!("       {bare:>9.0} a second is bare sealing on one of {cores} cores; the servers that ask run on the same cores");
    figure("client-credentials tokens a second", tokens, "", "≥ 2,000, or ≥ 0.5 of bare sealing", tokens >= 2000.0 || tokens / bare >= 0.5);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn request(server: usize) -> String {
    let basic = STANDARD.encode(format!("machine-{server}:{SECRET}"));
    format!(
        "POST /oauth2/token?grant_type=client_credentials&scope=percona HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 0\r\nAccept: application/json\r\nAuthorization: Basic {basic}\r\nContent-Type: application/x-www-form-urlencoded\r\nAccept-Encoding: gzip\r\n\r\n"
    )
}

/// What a token costs in itself.
fn bare(url: &str) -> f64 {
    let config = Config::read(&[("database_url".to_owned(), url.to_owned())].into()).unwrap();
    let seal = Seal::open(&config).unwrap();
    let (hash, began) = (secrets::hash(SECRET), Instant::now());
    let mut n = 0_u32;
    while began.elapsed() < Duration::from_secs(1) {
        for _ in 0..100 {
            assert!(is_secret(SECRET, &hash));
            std::hint::black_box(seal.seal(Purpose::MachineToken, b"12345678machine-100", secrets::Random).unwrap());
            n += 1;
        }
    }
    f64::from(n) / began.elapsed().as_secs_f64()
}

async fn seed(url: &str) {
    let db = Db::open(url).await.unwrap();
    db.migrate().await.unwrap();
    let Db::Sqlite { write, .. } = &db else { panic!("SQLite") };
    let (random, now) = (secrets::Random, org_portal::clock::Clock::system().now());
    let (organization, admin) = (OrganizationId(random.id(now)), AccountId(random.id(now)));
    let mut tx = write.begin().await.unwrap();
    sqlx::query("INSERT INTO accounts (id, email, email_key, first_name, last_name, created_at) VALUES ($1, 'a@example.com', 'a@example.com', 'Ada', '', $2)")
        .bind(admin)
        .bind(now)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("INSERT INTO organizations (id, name, created_at, created_by, created_by_name, members_count, invitations_count, revision, admin_account_id) VALUES ($1, 'Analytical Engines', $2, $3, 'Ada', 1, 0, 0, $3)")
        .bind(organization)
        .bind(now)
        .bind(admin)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at) VALUES ($1, $2, $3, 'Admin', 'creation', $4, 'Ada', 'ada', 'a@example.com', 'a@example.com', $4)")
        .bind(random.id(now))
        .bind(organization)
        .bind(admin)
        .bind(now)
        .execute(&mut *tx)
        .await
        .unwrap();
    for n in 0..SERVERS {
        sqlx::query("INSERT INTO pmm_servers (id, organization_id, server_id, name, name_key, url, callback_url, connected_by_name, connected_at, public_client_id, machine_client_id, machine_secret_hash) VALUES ($1, $2, $3, $3, $3, $4, $4, 'Ada', $5, $6, $7, $8)")
            .bind(PmmServerId(random.id(now)))
            .bind(organization)
            .bind(format!("server-{n}"))
            .bind(format!("https://pmm{n}.example.com/graph"))
            .bind(now)
            .bind(format!("public-{n}"))
            .bind(format!("machine-{n}"))
            .bind(secrets::hash(SECRET))
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    db.close().await;
}
