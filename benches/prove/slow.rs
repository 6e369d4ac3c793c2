//! A thousand clients that dawdle, in each of the ways there are, while others work.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use crate::{
    portals::free_port,
    row::{Mode, Row},
    support::{Engine, Options},
    targets::{House, Served, client, folder},
};

const ATTACKERS: usize = 1000;
/// How long one byte takes.
const DRIP: Duration = Duration::from_millis(500);
/// What a connection may last at the most, and a little for it to be seen.
const LONGEST: f64 = 15.0 + 1.5;
/// How many good clients there are, and how long each thinks before it asks again.
const GOOD: usize = 6;
const THINKS: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Silent,
    Heads,
    Bodies,
    /// The same where files may be brought, by somebody who is not signed in.
    Files,
    Answers,
    Handshakes,
}

impl Way {
    const fn what(self) -> &'static str {
        match self {
            Self::Silent => "saying nothing",
            Self::Heads => "heads byte by byte",
            Self::Bodies => "bodies byte by byte",
            Self::Files => "files byte by byte",
            Self::Answers => "answers read byte by byte",
            Self::Handshakes => "handshakes byte by byte",
        }
    }
}

pub async fn prove(mode: Mode) -> Row {
    let time = Duration::from_secs(mode.of(32, 150));
    let mut row = Row::new(format!("{ATTACKERS} connections for {} s in each of 6 ways, beside {GOOD} people at work", time.as_secs()));
    let house = House::new(Engine::Sqlite, Options::default()).await;
    {
        let mut served = Served::start(&house.portal, &[], &[]).await;
        let good = Good { url: served.url("/organization/members"), cookie: format!("session={}", house.ada) };
        for way in [Way::Silent, Way::Heads, Way::Bodies, Way::Files, Way::Answers] {
            row = attacked(row, &served, &good, way, time).await;
        }
        row = row.must("the process", if served.runs() { "serves" } else { "ended" }, "serves", served.runs());
    }
    let keys = folder();
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (keys.path().join("cert.pem"), keys.path().join("key.pem"));
    std::fs::write(&cert, certificate.cert.pem()).unwrap();
    std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    let settings = [("ORG_PORTAL_TLS_CERT", cert.to_str().unwrap()), ("ORG_PORTAL_TLS_KEY", key.to_str().unwrap())];
    let served = Served::start_at(&house.portal, free_port(), &settings, &[]).await.expect("the executable serves with TLS");
    let good = Good { url: served.url("/organization/members"), cookie: format!("__Host-session={}", house.ada) };
    row = attacked(row, &served, &good, Way::Handshakes, time).await;
    drop(served);
    house.portal.close().await;
    row
}

/// Who works.
#[derive(Clone)]
struct Good {
    url: String,
    cookie: String,
}

impl Good {
    /// Works for a while; gives the 99th percentile in milliseconds, how many requests there were, and how many failed.
    async fn work(&self, time: Duration) -> (f64, usize, u64) {
        let failed = Arc::new(AtomicU64::new(0));
        let working = (0..GOOD).map(|_| {
            let (good, failed) = (self.clone(), Arc::clone(&failed));
            tokio::spawn(async move {
                let (client, began) = (client(), Instant::now());
                let mut times = Vec::new();
                while began.elapsed() < time {
                    let sent = Instant::now();
                    let answer = async {
                        let answer = client.get(&good.url).header("cookie", &good.cookie).send().await?;
                        let status = answer.status().as_u16();
                        answer.bytes().await.map(|_| status)
                    };
                    match answer.await {
                        Ok(200) => times.push(sent.elapsed().as_secs_f64() * 1000.0),
                        _ => drop(failed.fetch_add(1, Ordering::Relaxed)),
                    }
                    tokio::time::sleep(THINKS).await;
                }
                times
            })
        });
        let mut times: Vec<f64> = futures::future::join_all(working).await.into_iter().flat_map(Result::unwrap).collect();
        times.sort_by(f64::total_cmp);
        assert!(!times.is_empty(), "nobody was served");
        (times[times.len() * 99 / 100], times.len(), failed.load(Ordering::Relaxed))
    }
}

async fn attacked(row: Row, served: &Served, good: &Good, way: Way, time: Duration) -> Row {
    // Before it, in the same run.
    let (calm, ..) = good.work(Duration::from_secs(10)).await;
    let (stop, lasted, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
    let attackers: Vec<_> = (0..ATTACKERS)
        .map(|n| {
            let (stop, lasted, open, port) = (Arc::clone(&stop), Arc::clone(&lasted), Arc::clone(&open), served.port);
            tokio::spawn(async move {
                // Not all in the same moment.
                tokio::time::sleep(Duration::from_millis(n as u64)).await;
                while !stop.load(Ordering::Relaxed) {
                    open.fetch_add(1, Ordering::Relaxed);
                    let seconds = dawdle(way, port, &stop).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                    if let Some(seconds) = seconds {
                        lasted.lock().unwrap().push(seconds);
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (under, n, failed) = good.work(time).await;
    let held = open.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.await.unwrap();
    }
    let lasted = std::mem::take(&mut *lasted.lock().unwrap());
    let longest = lasted.iter().copied().fold(0.0, f64::max);
    let what = way.what();
    // A timer's grain is no slowness.
    let holds = under <= (2.0 * calm).max(5.0);
    row.must(format!("{what}: p99 of {n} good requests"), format!("{under:.1} ms"), format!("≤ 2 × {calm:.1} ms"), holds)
        .none(format!("{what}: good requests that failed"), failed)
        .told(format!("{what}: connections at the end, and cut before it"), format!("{held}, {}", lasted.len()))
        .must(
            format!("{what}: longest that one lasted"),
            format!("{longest:.1} s"),
            "≤ 15 s",
            longest <= LONGEST && lasted.len() >= ATTACKERS / 2,
        )
}

/// One connection, for as long as it lasts; nothing where the attacker was told to stop before.
async fn dawdle(way: Way, port: u16, stop: &AtomicBool) -> Option<f64> {
    let socket = TcpSocket::new_v4().unwrap();
    if way == Way::Answers {
        socket.set_recv_buffer_size(2048).unwrap();
    }
    let began = Instant::now();
    let Ok(mut stream) = socket.connect(([127, 0, 0, 1], port).into()).await else {
        tokio::time::sleep(DRIP).await;
        return None;
    };
    let host = format!("host: 127.0.0.1:{port}\r\n");
    let form = "sec-fetch-site: same-origin\r\naccept: text/html\r\ncontent-length: 100000\r\n";
    let begin = match way {
        Way::Silent | Way::Handshakes => String::new(),
        Way::Heads => format!("GET /sign-in HTTP/1.1\r\n{host}x: "),
        Way::Bodies => format!("POST /do/sign_in HTTP/1.1\r\n{host}{form}content-type: application/x-www-form-urlencoded\r\n\r\n"),
        Way::Files => format!("POST /do/raise_ticket HTTP/1.1\r\n{host}{form}content-type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"),
        Way::Answers => format!("GET /sign-in HTTP/1.1\r\n{host}\r\n").repeat(200),
    };
    // A hello of TLS that announces 500 bytes.
    let more: &[u8] = match way {
        Way::Handshakes => b"\x16\x03\x01\x01\xf4\x01\x00\x01\xf0\x03\x03",
        Way::Files => b"content-disposition: form-data; name=\"form[files][]\"; filename=\"a\"\r\n\r\n",
        _ => b"y",
    };
    if stream.write_all(begin.as_bytes()).await.is_err() {
        return Some(began.elapsed().as_secs_f64());
    }
    let (mut read, mut write) = stream.split();
    let mut byte = [0; 1];
    let mut at = 0;
    let mut tick = tokio::time::interval(DRIP);
    loop {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        if way == Way::Answers {
            tick.tick().await;
            // A byte of the answer, and one of another request, by which the end is noticed.
            let ended = matches!(read.read(&mut byte).await, Ok(0) | Err(_))
                || matches!(write.try_write(b"G"), Err(error) if error.kind() != std::io::ErrorKind::WouldBlock);
            if ended {
                return Some(began.elapsed().as_secs_f64());
            }
            continue;
        }
        let mut answer = [0; 4096];
        tokio::select! {
            _ = tick.tick() => {
                if way != Way::Silent {
                    if write.write_all(&more[at % more.len()..=at % more.len()]).await.is_err() {
                        return Some(began.elapsed().as_secs_f64());
                    }
                    at += 1;
                }
            }
            read = read.read(&mut answer) => {
                if matches!(read, Ok(0) | Err(_)) {
                    return Some(began.elapsed().as_secs_f64());
                }
            }
        }
    }
}
