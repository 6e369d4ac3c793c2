//! A disk that is full, no descriptors left, and no memory left, while people write.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    row::{Mode, Row},
    support::{Engine, Options, TestPortal},
    targets::{Crowd, House, Mount, Served, Tally, client, damage, folder, forgotten, hurry, within},
};

/// How long the portal may take to be well again.
const WELL: Duration = Duration::from_secs(40);
/// How long anybody may have to wait for an answer.
const PATIENCE: f64 = 31.0;

/// What came of one of the ways.
#[derive(Default)]
struct Came {
    tally: Tally,
    acknowledged: u64,
    lost: u64,
    damage: Vec<String>,
    ended: u64,
    not_well: u64,
    slowest_recovery: f64,
}

pub async fn prove(mode: Mode) -> Row {
    let rounds = mode.of(3, 50);
    let mut row = Row::new(format!(
        "{rounds} times each, under writing load: a full disk (SQLite), no descriptors left, no memory left (SQLite and PostgreSQL)"
    ));
    if let Some(came) = disk(rounds).await {
        row = told(row, "disk, SQLite", came, false);
    } else {
        row = row.must("a file system of its own", "cannot be mounted here", "mounted, as root", false);
    }
    for engine in [Engine::Sqlite, Engine::Postgres] {
        row = told(row, &format!("descriptors, {engine:?}"), descriptors(engine, rounds).await, false);
        match memory(engine, rounds).await {
            Some(came) => row = told(row, &format!("memory, {engine:?}"), came, true),
            None => row = row.must(format!("memory, {engine:?}"), "no cgroup can be made here", "one, as root", false),
        }
    }
    row
}

/// The figures of one of the ways; `may_end` where the system may kill the process.
fn told(row: Row, name: &str, came: Came, may_end: bool) -> Row {
    for wrong in &came.tally.wrong {
        println!("       {name}: {wrong}");
    }
    for damage in &came.damage {
        println!("       {name}: {damage}");
    }
    let row = row
        .told(format!("{name}: answers"), came.tally.said())
        .none(format!("{name}: answers that are faults"), came.tally.faults())
        .none(format!("{name}: requests that hang"), came.tally.hung)
        .must(format!("{name}: longest wait"), format!("{:.1} s", came.tally.longest), "≤ 31 s", came.tally.longest <= PATIENCE)
        .none(format!("{name}: lost of {} acknowledged writes", came.acknowledged), came.lost)
        .none(format!("{name}: damage"), came.damage.len() as u64)
        .none(format!("{name}: times it was not well by itself"), came.not_well)
        .told(format!("{name}: slowest recovery"), format!("{:.1} s", came.slowest_recovery));
    if may_end {
        row.told(format!("{name}: times the system killed it, and it was started again"), came.ended)
    } else {
        row.none(format!("{name}: times the process ended"), came.ended)
    }
}

/// Puts in what a round has brought.
async fn take(came: &mut Came, crowd: Crowd, promised: &mut Vec<String>) {
    let (tally, mut new) = crowd.go().await;
    came.tally.add(tally);
    promised.append(&mut new);
}

/// Looks at everything at the end, the outbox drained by a portal that is well.
async fn look(came: &mut Came, portal: &TestPortal, served: &mut Served, promised: &[String]) {
    came.acknowledged = promised.len() as u64;
    let mut idle = 0;
    let drained = within(Duration::from_secs(120), async || {
        let waiting = portal.count("SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL").await;
        idle += 1;
        if waiting > 0 && idle % 20 == 1 {
            hurry(portal).await;
            // A write of its own rings the bell.
            let body = r#"{"form":{"email":"bell@example.com"},"drawn":{}}"#;
            let request = client().post(served.url("/do/forgot_password")).header("accept", "application/json");
            let _ = request.header("content-type", "application/json").body(body).send().await;
        }
        waiting == 0
    })
    .await;
    came.not_well += u64::from(drained.is_none());
    let page = client().get(served.url("/readyz")).send().await;
    came.not_well += u64::from(!page.is_ok_and(|answer| answer.status() == 200));
    came.lost = forgotten(portal, promised).await;
    came.damage.extend(damage(portal).await);
}

/// Fills a file system but for some bytes; gives the file.
fn fill(folder: &Path, but: usize) -> PathBuf {
    let path = folder.join("ballast");
    let mut file = File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(but as u64)).unwrap();
    path
}

async fn disk(rounds: u64) -> Option<Came> {
    let mount = Mount::new(48)?;
    let url = format!("sqlite:{}", mount.path().join("portal.db").display());
    let house = House::new(Engine::Sqlite, Options::default().with("database_url", &url)).await;
    let mut served = Served::start(&house.portal, &[], &[]).await;
    let (mut came, mut promised) = (Came::default(), Vec::new());
    for round in 0..rounds {
        let crowd = Crowd::come(served.port, 12, 4, &house.ada);
        within(WELL, async || crowd.acknowledged() >= 20).await.expect("writes are acknowledged");
        // Less room each time, so that another statement meets the end of it.
        let ballast = fill(mount.path(), 300_000 - (round as usize % 8) * 37_000);
        let full = within(WELL, async || crowd.answered(&[503, 507]) >= 50).await;
        assert!(full.is_some(), "the disk is full and nobody noticed: {}", crowd.tally.lock().unwrap().said());
        tokio::time::sleep(Duration::from_millis(500)).await;
        std::fs::remove_file(ballast).unwrap();
        let before = crowd.acknowledged();
        recovered(&mut came, within(WELL, async || crowd.acknowledged() > before + 5).await);
        take(&mut came, crowd, &mut promised).await;
        came.ended += u64::from(!served.runs());
        if !served.runs() {
            served = Served::start(&house.portal, &[], &[]).await;
        }
    }
    look(&mut came, &house.portal, &mut served, &promised).await;
    println!("       disk: {} faults in the log", served.faults().len());
    drop(served);
    house.portal.close().await;
    drop(mount);
    Some(came)
}

fn recovered(came: &mut Came, took: Option<f64>) {
    match took {
        Some(seconds) => came.slowest_recovery = came.slowest_recovery.max(seconds),
        None => came.not_well += 1,
    }
}

async fn descriptors(engine: Engine, rounds: u64) -> Came {
    let house = House::new(engine, Options::default()).await;
    let (mut came, mut promised) = (Came::default(), Vec::new());
    let mut served = Served::start(&house.portal, &[], &["prlimit", "--nofile=128:128"]).await;
    for _ in 0..rounds {
        // A crowd that only connects takes what there is, beside one that works.
        let mut idle = Vec::new();
        for _ in 0..300 {
            idle.extend(tokio::net::TcpStream::connect(("127.0.0.1", served.port)).await);
        }
        let crowd = Crowd::come(served.port, 40, 20, &house.ada);
        tokio::time::sleep(Duration::from_secs(6)).await;
        drop(idle);
        let before = crowd.acknowledged();
        recovered(&mut came, within(WELL, async || crowd.acknowledged() > before + 20).await);
        take(&mut came, crowd, &mut promised).await;
        // The crowd is gone: the very portal serves as before.
        let client = client();
        let page = within(WELL, async || {
            let answer = client.get(served.url("/organization/members")).header("cookie", format!("session={}", house.ada)).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        });
        recovered(&mut came, page.await);
        came.ended += u64::from(!served.runs());
        if !served.runs() {
            served = Served::start(&house.portal, &[], &["prlimit", "--nofile=128:128"]).await;
        }
    }
    look(&mut came, &house.portal, &mut served, &promised).await;
    println!("       descriptors, {engine:?}: {} faults in the log", served.faults().len());
    drop(served);
    house.portal.close().await;
    came
}

/// A group of processes with a limit on memory; taken away with the value.
struct Group {
    folder: PathBuf,
    limit: &'static str,
}

impl Group {
    fn new() -> Option<Self> {
        let name = format!("org-portal-prove-{}", std::process::id());
        for (root, limit) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let folder = Path::new(root).join(&name);
            if std::fs::create_dir_all(&folder).is_ok() && folder.join(limit).exists() {
                return Some(Self { folder, limit });
            }
            let _ = std::fs::remove_dir(&folder);
        }
        None
    }

    fn take(&self, process: u32) {
        std::fs::write(self.folder.join("cgroup.procs"), process.to_string()).unwrap();
    }

    /// Megabytes; nothing for none. Less than what is there already is refused.
    fn limit(&self, megabytes: Option<f64>) -> bool {
        let unlimited = if self.limit == "memory.max" { "max".to_owned() } else { "-1".to_owned() };
        let text = megabytes.map_or(unlimited, |n| format!("{:.0}", n * 1_048_576.0));
        std::fs::write(self.folder.join(self.limit), text).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if std::fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            // The system counts a process that was killed for a moment longer.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

async fn memory(engine: Engine, rounds: u64) -> Option<Came> {
    let group = Group::new()?;
    // On the disk: what lies in memory would be counted as the process's.
    let place = folder();
    let mut options = Options::default();
    if engine == Engine::Sqlite {
        options = options.with("database_url", &format!("sqlite:{}", place.path().join("portal.db").display()));
    }
    let house = House::new(engine, options).await;
    let (mut came, mut promised) = (Came::default(), Vec::new());
    let mut served = Served::start(&house.portal, &[], &[]).await;
    for round in 0..rounds {
        group.take(served.child.id());
        let crowd = Crowd::come(served.port, 16, 8, &house.ada);
        within(WELL, async || crowd.acknowledged() >= 20).await.expect("writes are acknowledged");
        // Little more than it has, and passwords to be hashed, which takes memory.
        let margin = [2.0, 8.0, 20.0, 1.0][round as usize % 4];
        group.limit(Some(served.memory() + margin));
        let hashing = hash(served.port, Duration::from_secs(5));
        let large = post_much(served.port, &house.ada, Duration::from_secs(5));
        tokio::join!(hashing, large);
        let killed = !served.runs();
        group.limit(None);
        if killed {
            // As whoever looks after services does.
            came.ended += 1;
            let port = served.port;
            drop(served);
            served = Served::start_at(&house.portal, port, &[], &[]).await.expect("it starts again");
        }
        let before = crowd.acknowledged();
        recovered(&mut came, within(WELL, async || crowd.acknowledged() > before + 20).await);
        take(&mut came, crowd, &mut promised).await;
    }
    look(&mut came, &house.portal, &mut served, &promised).await;
    println!("       memory, {engine:?}: {} faults in the log", served.faults().len());
    drop(served);
    drop(group);
    house.portal.close().await;
    Some(came)
}

/// Signs in with a wrong password, many at once.
async fn hash(port: u16, time: Duration) {
    let trying = (0..16).map(|n| async move {
        let client = client();
        let began = std::time::Instant::now();
        while began.elapsed() < time {
            let body = format!(r#"{{"form":{{"email":"tom{n}@example.com","password":"wrong horse battery"}},"drawn":{{}}}}"#);
            let request = client.post(format!("http://127.0.0.1:{port}/do/sign_in"));
            if request.header("content-type", "application/json").header("accept", "application/json").body(body).send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    futures::future::join_all(trying).await;
}

/// Sends bodies as large as forms may be, many at once.
async fn post_much(port: u16, session: &str, time: Duration) {
    let trying = (0..32).map(|_| async move {
        let client = client();
        let began = std::time::Instant::now();
        while began.elapsed() < time {
            let body = format!(r#"{{"form":{{"name":"{}"}},"drawn":{{}}}}"#, "x".repeat(500_000));
            let request =
                client.post(format!("http://127.0.0.1:{port}/do/rename_organization")).header("cookie", format!("session={session}"));
            if request.header("content-type", "application/json").header("accept", "application/json").body(body).send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    futures::future::join_all(trying).await;
}
