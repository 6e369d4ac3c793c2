//! PostgreSQL that restarts, loses connections, stands still, and ends for good while another one takes its place.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::{
    dice::Dice,
    portals::{
        Compared, Database, Engine, Kind, Portal, Writers, apart, compare, damage, drain, folder, free_port, people, postgres_program,
        signal,
    },
    row::{Mode, Row},
};

const WRITERS: usize = 8;
const KINDS: &[Kind] = &[Kind::Reset, Kind::Invite, Kind::Rename, Kind::Raise, Kind::Reply, Kind::Name];
/// How soon everybody has to be served again once the database is.
const BACK: Duration = Duration::from_secs(2);

/// A server of the row's own: as root it runs as the user postgres.
struct Cluster {
    folder: PathBuf,
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

fn program(name: &str) -> Command {
    let program = postgres_program(name);
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program.get_program());
        command
    } else {
        program
    };
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn runs(command: &mut Command) {
    // Not by pipes: the server would hold them open.
    let log = tempfile::tempfile().unwrap();
    let status = command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

impl Cluster {
    /// A folder that the server's user owns.
    fn place(root: &Path, name: &str) -> Self {
        let folder = root.join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() {
            runs(Command::new("chown").arg("postgres").arg(&folder));
        }
        Self { folder }
    }

    fn create(root: &Path, name: &str) -> Self {
        let cluster = Self::place(root, name);
        runs(program("initdb").arg("-D").arg(cluster.data()).args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]));
        cluster
    }

    /// A standby of this one.
    fn standby(&self, root: &Path, name: &str) -> Self {
        let standby = Self::place(root, name);
        let from = format!("host={} user=postgres application_name=standby", self.folder.display());
        runs(program("pg_basebackup").arg("-D").arg(standby.data()).args(["-R", "-c", "fast", "--no-sync", "-d", &from]));
        standby
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self, arguments: &[&str]) -> Command {
        let mut command = program("pg_ctl");
        command.arg("-D").arg(self.data()).args(["-w", "-t", "60", "-l"]).arg(self.folder.join("server.log")).args(arguments);
        command
    }

    fn start(&self) {
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{}' -c max_connections=100", self.folder.display());
        runs(&mut self.control(&["start", "-o", &options]));
    }

    fn database(&self) -> Database {
        Database::at(Engine::Postgres, &format!("postgres://postgres@localhost/postgres?host={}", self.folder.display()))
    }

    /// The server's process and those of its connections.
    fn processes(&self) -> Vec<u32> {
        let Ok(file) = std::fs::read_to_string(self.data().join("postmaster.pid")) else { return Vec::new() };
        let first: u32 = file.lines().next().unwrap().parse().unwrap();
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap_or_default();
        std::iter::once(first).chain(children.split_whitespace().map(|child| child.parse().unwrap())).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        signal("CONT", &self.processes());
        let _ = self.control(&["stop", "-m", "immediate"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[derive(Default)]
struct Seen {
    compared: Compared,
    unavailable: u64,
    cut: u64,
    wrong: u64,
    idle: u64,
    slowest: Duration,
    events: [u64; 3],
    damaged: u64,
}

pub async fn prove(mode: Mode) -> Row {
    let mut seen = Seen::default();
    troubles(mode.of(2, 30), &mut seen).await;
    let over = fail_over(mode.of(3, 20)).await;
    let [restarts, terminations, pauses] = seen.events;
    Row::new(format!(
        "PostgreSQL restarted at once {restarts} times, all connections ended {terminations} times, held still for 5 s {pauses} times, a trouble each 10 s under {WRITERS} writers; then {} times the server was killed for good and its synchronous standby took its place",
        over.times
    ))
    .told("writes acknowledged", seen.compared.acknowledged + over.compared.acknowledged)
    .told("answers 503, posted again", seen.unavailable + over.unavailable)
    .none("connections to the portal that were cut", seen.cut + over.cut)
    .none("other answers", seen.wrong + over.wrong)
    .none("acknowledged and lost", seen.compared.lost)
    .none("doubled", seen.compared.doubled + over.compared.doubled)
    .none("half there", seen.compared.half + over.compared.half)
    .must("until every writer was served again once the database was back, at most", format!("{:.2} s", seen.slowest.as_secs_f64()), "≤ 2 s", seen.slowest <= BACK)
    .none("sessions left idle in a transaction", seen.idle)
    .none("damage", seen.damaged + over.damaged)
    .none("acknowledged and lost at a failover", over.compared.lost)
    .must("until every writer was served by the standby once it was the server, at most", format!("{:.2} s", over.slowest.as_secs_f64()), "≤ 2 s", over.slowest <= BACK)
    .must("control: lost at a failover to a standby that lagged", over.control, "≥ 1", over.control >= 1)
}

/// How long until each writer was answered once more.
async fn all_served(writers: &Writers) -> Duration {
    let counts = || writers.ledger.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
    let (began, before) = (Instant::now(), counts());
    while counts().iter().zip(&before).any(|(now, before)| now <= before) {
        if began.elapsed() > Duration::from_secs(60) {
            println!("       not everybody is served again after a minute");
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

async fn troubles(minutes: u64, seen: &mut Seen) {
    let folder = folder();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let cluster = Cluster::create(folder.path(), "only");
    cluster.start();
    let (database, port) = (cluster.database(), free_port());
    let people = people(&database.url, Engine::Postgres, folder.path(), WRITERS).await;
    let portal = Portal::serve(&database.url, port, folder.path(), &[]).await;
    let writers = Writers::start(&people, &format!("http://127.0.0.1:{port}"), "trouble", KINDS, 3);
    let began = Instant::now();
    let mut next = Duration::from_secs(3);
    for n in 0.. {
        if next >= Duration::from_secs(minutes * 60) {
            break;
        }
        tokio::time::sleep_until((began + next).into()).await;
        let kind = n % 3;
        match kind {
            0 => {
                let mut command = cluster.control(&["restart", "-m", "immediate"]);
                tokio::task::spawn_blocking(move || runs(&mut command)).await.unwrap();
            }
            1 => database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'org-portal'").await,
            _ => {
                let processes = cluster.processes();
                signal("STOP", &processes);
                tokio::time::sleep(Duration::from_secs(5)).await;
                signal("CONT", &processes);
            }
        }
        // Back is when it answers somebody who was not there before.
        database.count("SELECT count(*) FROM accounts").await;
        let back = all_served(&writers).await;
        let name = ["restarted", "connections ended", "held still"][kind];
        println!(
            "       {name}: served again after {:.2} s; {} answers 503 so far",
            back.as_secs_f64(),
            writers.ledger.unavailable.load(Ordering::Relaxed)
        );
        seen.slowest = seen.slowest.max(back);
        seen.events[kind] += 1;
        // What is at work now began after the trouble; what has stood for a while was left behind by it.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let idle = database.count("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '1 second'").await;
        seen.idle += idle.unsigned_abs();
        next += Duration::from_secs(10);
    }
    let ledger = writers.stop().await;
    drain_after(&database, portal, port, folder.path()).await;
    let acknowledged = ledger.acknowledged.lock().unwrap().clone();
    seen.compared += compare(&database, &acknowledged, "trouble").await;
    seen.unavailable += ledger.unavailable.load(Ordering::Relaxed);
    seen.cut += ledger.away.load(Ordering::Relaxed);
    seen.wrong += ledger.wrong();
    seen.damaged += damage(&database, folder.path()).await.len() as u64;
}

/// What waits in the outbox leaves, too: leases of what was cut off are ended by hand, with nobody there who could have one.
async fn drain_after(database: &Database, portal: Portal, port: u16, folder: &Path) {
    portal.stop().await;
    database.execute("UPDATE outbox SET lease_until = NULL, due_at = created_at WHERE done_at IS NULL").await;
    let portal = Portal::serve(&database.url, port, folder, &[]).await;
    drain(database).await;
    portal.stop().await;
}

#[derive(Default)]
struct Over {
    compared: Compared,
    times: u64,
    unavailable: u64,
    cut: u64,
    wrong: u64,
    slowest: Duration,
    damaged: u64,
    control: u64,
}

/// Waits until the standby is one that commits wait for.
async fn synchronous(primary: &Cluster) {
    let database = primary.database();
    database.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'").await;
    database.execute("SELECT pg_reload_conf()").await;
    let began = Instant::now();
    while database.count("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'").await == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "the standby does not follow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn alone(server: &Cluster) {
    let database = server.database();
    database.execute("ALTER SYSTEM RESET synchronous_standby_names").await;
    database.execute("SELECT pg_reload_conf()").await;
    let began = Instant::now();
    while !database.text("SHOW synchronous_standby_names").await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "the configuration is not read again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The address that moves, as a name does that leads to another server: a link to the folder of the server's socket.
fn lead(address: &Path, to: &Cluster) {
    let next = address.with_extension("next");
    let _ = std::fs::remove_file(&next);
    std::os::unix::fs::symlink(&to.folder, &next).unwrap();
    std::fs::rename(&next, address).unwrap();
}

async fn fail_over(times: u64) -> Over {
    let (folder, mut over, mut dice) = (folder(), Over::default(), Dice(7));
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let address = folder.path().join("current");
    let mut primary = Cluster::create(folder.path(), "server0");
    primary.start();
    lead(&address, &primary);
    let (port, url) = (free_port(), format!("postgres://postgres@localhost/postgres?host={}", address.display()));
    let people = people(&url, Engine::Postgres, folder.path(), WRITERS).await;
    let portal = Portal::serve(&url, port, folder.path(), &[]).await;
    let base = format!("http://127.0.0.1:{port}");
    let writers = Writers::start(&people, &base, "over", KINDS, 5);
    for n in 1..=times {
        let standby = primary.standby(folder.path(), &format!("server{n}"));
        standby.start();
        synchronous(&primary).await;
        // Only now is anything promised of what is acknowledged from here on; what was before is in the copy.
        let enough = writers.ledger.len() + 30 + dice.below(100);
        while writers.ledger.len() < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(std::mem::replace(&mut primary, standby));
        runs(&mut primary.control(&["promote"]));
        alone(&primary).await;
        lead(&address, &primary);
        let back = all_served(&writers).await;
        println!("       failover {n}: served by the standby after {:.2} s; {} writes so far", back.as_secs_f64(), writers.ledger.len());
        over.slowest = over.slowest.max(back);
        over.times += 1;
    }
    let ledger = writers.stop().await;
    let database = Database::at(Engine::Postgres, &url);
    let acknowledged = ledger.acknowledged.lock().unwrap().clone();
    over.compared += compare(&database, &acknowledged, "over").await;
    over.unavailable += ledger.unavailable.load(Ordering::Relaxed);
    over.cut += ledger.away.load(Ordering::Relaxed);
    over.wrong += ledger.wrong();
    over.damaged += damage(&database, folder.path()).await.len() as u64;

    // The control: a standby that nobody waits for is away while writes are acknowledged, and takes the place all the same.
    let standby = primary.standby(folder.path(), "lagging");
    let writers = Writers::start(&people, &base, "lag", KINDS, 6);
    while writers.ledger.len() < 30 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let acknowledged = writers.stop().await.acknowledged.lock().unwrap().clone();
    drop(primary);
    standby.start();
    runs(&mut standby.control(&["promote"]));
    lead(&address, &standby);
    over.control = apart(&database, &acknowledged, "lag").await.0.len() as u64;
    portal.stop().await;
    over
}
