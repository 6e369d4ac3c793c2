//! What the benchmarks share: servers as processes, clients that keep their connection, figures.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use org_portal::{
    secrets,
    words::{AccountId, DAY, SessionId, Timestamp},
};
use sqlx::SqliteConnection;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

pub fn figure(what: &str, value: f64, unit: &str, must: &str, holds: bool) {
    println!("{} {what}: {value:.2} {unit} (must be {must})", if holds { "ok    " } else { "MISSED" });
}

/// A server as a process of its own, ended with the value.
pub struct Process {
    pub child: Child,
    pub port: u16,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn portal_command(url: &str, port: u16) -> Command {
    let binary = std::env::var("ORG_PORTAL_BIN").map_or_else(|_| PathBuf::from("target/org-portal"), PathBuf::from);
    let mut command = Command::new(binary);
    command.arg("serve").stdout(Stdio::null()).stderr(Stdio::null()).envs([
        ("DATABASE_URL", url),
        ("ORG_PORTAL_LISTEN", &format!("127.0.0.1:{port}")),
        ("ORG_PORTAL_PUBLIC_URL", &format!("http://127.0.0.1:{port}")),
        ("ORG_PORTAL_SIGN_IN_RATE", "1000000/1"),
        ("ORG_PORTAL_SIGN_IN_ADDRESS_RATE", "1000000/1"),
    ]);
    command
}

impl Process {
    pub async fn portal(url: &str, port: u16) -> Self {
        let process = Self {
            child: portal_command(url, port).spawn().expect("the release executable: run `make run` or scripts/build.sh first"),
            port,
        };
        process.ready("/healthz", "").await;
        process
    }

    pub async fn ready(&self, path: &str, session: &str) {
        for _ in 0..500 {
            if let Ok(mut client) = Client::open(self.port, session).await
                && client.get(path, "").await.0 == 200
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a server did not start");
    }

    /// Megabytes in memory now, what is mapped from files among them.
    pub fn resident(&self) -> f64 {
        self.memory("VmRSS")
    }

    /// Megabytes in memory now that are the process's own.
    pub fn anonymous(&self) -> f64 {
        self.memory("RssAnon")
    }

    fn memory(&self, what: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

/// One connection that is kept.
pub struct Client {
    stream: BufReader<TcpStream>,
    session: String,
}

impl Client {
    pub async fn open(port: u16, session: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), session: session.to_owned() })
    }

    pub async fn get(&mut self, path: &str, headers: &str) -> (u16, Vec<u8>) {
        let session = &self.session;
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: session={session}\r\n{headers}\r\n")).await
    }

    pub async fn send(&mut self, request: &str) -> (u16, Vec<u8>) {
        self.stream.get_mut().write_all(request.as_bytes()).await.unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.unwrap();
            let lower = line.trim().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            chunked |= lower == "transfer-encoding: chunked";
        }
        let mut body = vec![0; length];
        if chunked {
            loop {
                line.clear();
                self.stream.read_line(&mut line).await.unwrap();
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..]).await.unwrap();
                self.stream.read_exact(&mut [0; 2]).await.unwrap();
                if size == 0 {
                    break;
                }
            }
        } else {
            self.stream.read_exact(&mut body).await.unwrap();
        }
        (status, body)
    }
}

pub struct Measured {
    pub per_second: f64,
    pub p99: f64,
}

/// Asks for a page over so many connections for a while.
pub async fn measure(port: u16, session: &str, path: &str, connections: usize, duration: Duration) -> Measured {
    let mut tasks = Vec::new();
    let began = Instant::now();
    for _ in 0..connections {
        let (session, path) = (session.to_owned(), path.to_owned());
        tasks.push(tokio::spawn(async move {
            let mut client = Client::open(port, &session).await.unwrap();
            let mut times = Vec::new();
            while began.elapsed() < duration {
                let sent = Instant::now();
                let (status, body) = client.get(&path, "").await;
                assert!(status == 200 && body.len() > 2000, "{status}");
                times.push(sent.elapsed().as_secs_f64());
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let elapsed = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let per_second = times.len() as f64 / elapsed;
    Measured { per_second, p99: times[times.len() * 99 / 100] }
}

/// An account with an address, and with a password where its hash is given.
pub async fn insert_account(
    tx: &mut SqliteConnection,
    email: &str,
    (first, last): (&str, &str),
    hash: Option<&str>,
    now: Timestamp,
) -> AccountId {
    let account = AccountId(secrets::Random.id(now));
    sqlx::query("INSERT INTO accounts (id, email, email_key, first_name, last_name, created_at) VALUES ($1, $2, $2, $3, $4, $5)")
        .bind(account)
        .bind(email)
        .bind(first)
        .bind(last)
        .bind(now)
        .execute(&mut *tx)
        .await
        .unwrap();
    if let Some(hash) = hash {
        sqlx::query(
            "INSERT INTO credentials (id, account_id, kind, secret, created_at, changed_at) VALUES ($1, $2, 'password', $3, $4, $4)",
        )
        .bind(secrets::Random.id(now))
        .bind(account)
        .bind(hash)
        .bind(now)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    account
}

/// A session of an account, for a day, by its secret.
pub async fn insert_session(tx: &mut SqliteConnection, account: AccountId, secret: &str, now: Timestamp) {
    sqlx::query("INSERT INTO sessions (token_hash, id, account_id, created_at, last_seen_at, idle_expires_at, absolute_expires_at, authenticated_at, methods, user_agent, address) VALUES ($1, $2, $3, $4, $4, $5, $5, $4, 'password', '', '')")
        .bind(secrets::hash(secret))
        .bind(SessionId(secrets::Random.id(now)))
        .bind(account)
        .bind(now)
        .bind(now.plus(DAY))
        .execute(&mut *tx)
        .await
        .unwrap();
}
