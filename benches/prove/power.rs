//! The power goes on SQLite: what the portal asks the system to do is recorded (by strace) and played again up to each call, with
//! what the system had not been made to keep there, gone, or there in part. Each of these states is opened.
//!
//! What a sync was asked for is kept from its return on. Everything else may be kept or not, in any order: whole writes, single
//! sectors of them, a file's new length without its bytes, a file's name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::StreamExt as _;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    dice::Dice,
    portals::{Engine, Kind, Portal, Writers, binary, folder, free_port, half_checks, mark_in, now, org_portal, people},
    row::{Mode, Row},
};

const WRITERS: usize = 4;
const KINDS: &[Kind] = &[Kind::Reset, Kind::Invite, Kind::Rename, Kind::Raise, Kind::Reply, Kind::Name];
/// A disk keeps at least so much of a write whole.
const SECTOR: usize = 512;
/// Mixtures by chance after each call.
const MIXTURES: u64 = 3;
const CALLS: &str = "trace=openat,pwrite64,write,lseek,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,close";

pub async fn prove(mode: Mode) -> Row {
    let commits = mode.of(20, 200);
    let row = Row::new(format!(
        "the power goes after each of the system calls of {commits} acknowledged writes of the portal and of its stop on SQLite, with what was not synced there, gone and in part"
    ));
    if Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return row.must("strace", "is not there", "there", false);
    }
    let log = record(commits).await;
    println!("       {} calls, {} acknowledged writes", log.events.len(), log.acknowledged.len());
    let full = replay(&log, true, Checks::Portal, true).await;
    let control = replay(&log, false, Checks::Portal, false).await;
    let row = row
        .told("calls", log.events.len())
        .told("states opened", full.states)
        .none("states in which something acknowledged was lost", full.lost)
        .none("states that were damaged or could not be opened", full.damaged)
        .none("states with half of a write", full.half)
        .must(
            format!("control: of {} states, lost where syncs of the log did nothing", control.states),
            control.lost,
            "≥ 1",
            control.lost >= 1,
        );
    let mut own = Vec::new();
    for synchronous in ["FULL", "NORMAL"] {
        match record_shell(commits, synchronous).await {
            Some(log) => own.push(replay(&log, true, Checks::Marks, false).await),
            None => return row.told("control with sqlite3", "there is no sqlite3 or no stdbuf"),
        }
    }
    row.none(format!("control: of {} states of a writer with synchronous=FULL, lost", own[0].states), own[0].lost + own[0].damaged).must(
        format!("control: of {} states of a writer with synchronous=NORMAL, lost", own[1].states),
        own[1].lost,
        "≥ 1",
        own[1].lost >= 1,
    )
}

#[derive(Debug)]
enum What {
    Create(String),
    Write(String, usize, Vec<u8>),
    Length(String, usize),
    Sync(String),
    SyncFolder,
    Unlink(String),
}

/// A call, when it was made and when it was over.
#[derive(Debug)]
struct Event {
    done: u64,
    what: What,
}

struct Log {
    /// The files as they were before, all of it kept.
    files: BTreeMap<String, Vec<u8>>,
    events: Vec<Event>,
    /// When what was acknowledged.
    acknowledged: Vec<(u64, Kind, String)>,
    database: String,
    _folder: tempfile::TempDir,
}

fn traced(folder: &Path) -> Vec<String> {
    let calls = folder.join("calls");
    ["-ff", "-ttt", "-T", "-xx", "-s", "1000000", "-e", CALLS, "-o", calls.to_str().unwrap()].map(str::to_owned).to_vec()
}

/// The portal, until so many writes are acknowledged and it has stopped in good order.
async fn record(commits: u64) -> Log {
    let folder = folder();
    let place = folder.path().join("data");
    std::fs::create_dir(&place).unwrap();
    let (url, port) = (format!("sqlite:{}", place.join("portal.db").display()), free_port());
    let people = people(&url, Engine::Sqlite, folder.path(), WRITERS).await;
    let files = files_in(&place);
    assert!(!files.keys().any(|name| name.ends_with("-wal")), "{:?}", files.keys());
    let mut arguments = traced(folder.path());
    arguments.extend([binary().to_str().unwrap().to_owned(), "serve".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut portal = Portal::start(org_portal(Path::new("strace"), &arguments, &url, folder.path()), port).await;
    let tracer = portal.child.id();
    let children = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap();
    portal.traced = children.split_whitespace().map(|child| child.parse().unwrap()).collect();
    assert!(!portal.traced.is_empty());
    let writers = Writers::start(&people, &format!("http://127.0.0.1:{port}"), "power", KINDS, 11);
    while writers.ledger.len() < commits {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let ledger = writers.stop().await;
    assert_eq!(ledger.wrong(), 0);
    portal.stop().await;
    let times = ledger.times.lock().unwrap().clone();
    let acknowledged = ledger.acknowledged.lock().unwrap().iter().zip(times).map(|((kind, mark), at)| (at, *kind, mark.clone())).collect();
    Log { files, events: events(folder.path(), &place), acknowledged, database: "portal.db".to_owned(), _folder: folder }
}

/// SQLite's own shell, which commits the same number of rows.
async fn record_shell(commits: u64, synchronous: &str) -> Option<Log> {
    let folder = folder();
    let place = folder.path().join("data");
    std::fs::create_dir(&place).unwrap();
    let mut database = SqliteConnectOptions::new().filename(place.join("own.db")).create_if_missing(true).connect().await.unwrap();
    for statement in ["PRAGMA journal_mode = WAL", "CREATE TABLE marks (mark TEXT NOT NULL)"] {
        sqlx::query(statement).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    let files = files_in(&place);
    let mut command = Command::new("strace");
    command.args(traced(folder.path())).args(["stdbuf", "-oL", "sqlite3", "-batch"]).arg(place.join("own.db"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let first = format!("PRAGMA synchronous = {synchronous};\n");
    let acknowledged = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().ok()?;
        let (mut input, mut output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut acknowledged = Vec::new();
        input.write_all(first.as_bytes()).ok()?;
        for n in 0..commits {
            let (mark, mut line) = (format!("powerw0n{n}z"), String::new());
            input.write_all(format!("INSERT INTO marks VALUES ('{mark}');\nSELECT 'done';\n").as_bytes()).ok()?;
            output.read_line(&mut line).ok()?;
            if line != "done\n" {
                // It is not there, and what stands in its place has ended.
                let _ = child.wait();
                return None;
            }
            acknowledged.push((u64::try_from(now().0).unwrap(), Kind::Name, mark));
        }
        drop(input);
        child.wait().ok()?;
        Some(acknowledged)
    });
    let acknowledged = acknowledged.await.unwrap()?;
    Some(Log { files, events: events(folder.path(), &place), acknowledged, database: "own.db".to_owned(), _folder: folder })
}

fn files_in(place: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

/// A text in strace's hexadecimal digits.
fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.split("\\x").skip(1).map(|pair| u8::from_str_radix(&pair[..2], 16).unwrap()).collect();
    digits
}

/// What strace wrote, of the files of one folder, in the order in which the calls were over.
fn events(folder: &Path, place: &Path) -> Vec<Event> {
    let mut calls: Vec<(u64, String)> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_str().unwrap().starts_with("calls.") {
            continue;
        }
        for line in std::fs::read_to_string(entry.path()).unwrap().lines() {
            let Some((at, call)) = line.split_once(' ') else { continue };
            // A call that was cut off has no end.
            let Some((call, took)) = call.rsplit_once(" <") else { continue };
            let seconds = |text: &str| text.trim_end_matches('>').parse::<f64>().unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds since 1970 fit")]
            let at = (at.split_once('.').map(|(s, us)| s.parse::<u64>().unwrap() * 1_000_000 + us.parse::<u64>().unwrap()).unwrap())
                + (seconds(took) * 1e6) as u64;
            calls.push((at, call.to_owned()));
        }
    }
    calls.sort_by_key(|(done, _)| *done);
    let mut open: HashMap<u64, (String, usize)> = HashMap::new();
    let mut events = Vec::new();
    let name_of = |path: &str| {
        let path = PathBuf::from(String::from_utf8(bytes(path)).unwrap());
        let name = path.strip_prefix(place).ok()?.to_str().unwrap().to_owned();
        // What connections share in memory is made anew after the power was gone.
        (!name.ends_with("-shm")).then_some(name)
    };
    for (done, call) in calls {
        let Some((head, result)) = call.rsplit_once(" = ") else { continue };
        let Ok(result) = result.split_whitespace().next().unwrap_or_default().parse::<i64>() else { continue };
        if result < 0 {
            continue;
        }
        let (name, arguments) = head.trim_end().trim_end_matches(')').split_once('(').unwrap();
        let parts: Vec<&str> = arguments.split(", ").collect();
        let number = |n: usize| parts.get(n).and_then(|part| part.parse::<u64>().ok()).unwrap_or(0);
        let size = |n: u64| usize::try_from(n).unwrap();
        let mut push = |what| events.push(Event { done, what });
        match name {
            "openat" => {
                let Some(file) = name_of(parts[1]) else { continue };
                if !file.is_empty() && parts[2].contains("O_CREAT") {
                    push(What::Create(file.clone()));
                }
                open.insert(result.unsigned_abs(), (file, 0));
            }
            "close" => drop(open.remove(&number(0))),
            "unlink" => {
                if let Some(file) = name_of(parts[0]) {
                    push(What::Unlink(file));
                }
            }
            "unlinkat" | "rename" | "fallocate" => assert!(!parts.iter().any(|part| name_of(part).is_some()), "{call}"),
            _ => {
                let Some((file, at)) = open.get_mut(&number(0)) else { continue };
                match name {
                    "lseek" => *at = size(result.unsigned_abs()),
                    "pwrite64" | "write" => {
                        let written = bytes(parts[1]);
                        assert_eq!(written.len() as i64, result, "{name} was not whole");
                        let offset = if name == "write" { *at } else { size(number(3)) };
                        if name == "write" {
                            *at += written.len();
                        }
                        push(What::Write(file.clone(), offset, written));
                    }
                    "ftruncate" => push(What::Length(file.clone(), size(number(1)))),
                    _ if file.is_empty() => push(What::SyncFolder),
                    _ => push(What::Sync(file.clone())),
                }
            }
        }
    }
    // Opening with O_CREAT what is there creates nothing.
    let mut names: BTreeSet<String> = BTreeSet::new();
    events.retain(|event| match &event.what {
        What::Create(name) => names.insert(name.clone()),
        What::Unlink(name) => {
            names.remove(name);
            true
        }
        _ => true,
    });
    events
}

/// How much of a call there is.
#[derive(Clone, Hash)]
enum Part {
    Whole,
    /// These sectors of a write, and the file's length as after it or not.
    Torn(Vec<bool>, bool),
}

#[derive(Clone, Copy)]
enum Checks {
    Portal,
    Marks,
}

#[derive(Default)]
struct Found {
    states: u64,
    lost: u64,
    damaged: u64,
    half: u64,
    /// Whether what is wrong is told: of a control that is wanted.
    tell: bool,
}

/// What is kept for certain.
#[derive(Default)]
struct Kept {
    contents: BTreeMap<String, Vec<u8>>,
    names: BTreeSet<String>,
}

impl Kept {
    fn apply(contents: &mut BTreeMap<String, Vec<u8>>, names: &mut BTreeSet<String>, what: &What, part: &Part) {
        match what {
            What::Create(name) => {
                names.insert(name.clone());
            }
            What::Unlink(name) => {
                names.remove(name);
                contents.remove(name);
            }
            What::Length(name, length) => contents.entry(name.clone()).or_default().resize(*length, 0),
            What::Write(name, offset, bytes) => {
                let content = contents.entry(name.clone()).or_default();
                let mut put = |from: usize, to: usize| {
                    if content.len() < offset + to {
                        content.resize(offset + to, 0);
                    }
                    content[offset + from..offset + to].copy_from_slice(&bytes[from..to]);
                };
                match part {
                    Part::Whole => put(0, bytes.len()),
                    Part::Torn(sectors, length) => {
                        for (n, (from, to)) in sectors_of(*offset, bytes.len()).into_iter().enumerate() {
                            if sectors[n] {
                                put(from, to);
                            }
                        }
                        if *length && content.len() < offset + bytes.len() {
                            content.resize(offset + bytes.len(), 0);
                        }
                    }
                }
            }
            What::Sync(_) | What::SyncFolder => {}
        }
    }
}

/// The sectors that a write touches, as ranges of its bytes.
fn sectors_of(offset: usize, length: usize) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while from < length {
        let to = (((offset + from) / SECTOR + 1) * SECTOR - offset).min(length);
        ranges.push((from, to));
        from = to;
    }
    ranges
}

/// Plays the log again, call by call. Without `log_syncs`, what was asked to be kept of SQLite's log is not.
async fn replay(log: &Log, log_syncs: bool, checks: Checks, tell: bool) -> Found {
    let mut dice = Dice(512);
    let mut kept = Kept { names: log.files.keys().cloned().collect(), contents: log.files.clone() };
    let mut pending: Vec<usize> = Vec::new();
    // The states of one stretch between two syncs, each with how much had been acknowledged at the latest.
    let mut stretch: HashMap<u64, (Vec<(usize, Part)>, usize)> = HashMap::new();
    let mut found = Found { tell, ..Found::default() };
    for n in 0..=log.events.len() {
        // What was acknowledged before the next call was over.
        let until = log.events.get(n).map_or(u64::MAX, |event| event.done);
        let acknowledged = log.acknowledged.partition_point(|(at, ..)| *at < until);
        let mut note = |parts: Vec<(usize, Part)>| {
            let mut hasher = DefaultHasher::new();
            parts.hash(&mut hasher);
            let state = stretch.entry(hasher.finish()).or_insert((parts, 0));
            state.1 = state.1.max(acknowledged);
        };
        let ends = log.events.get(n).is_none_or(|event| matches!(event.what, What::Sync(_) | What::SyncFolder));
        if log_syncs && ends {
            // Each beginning, with all that was acknowledged until now: before the sync is over, no more need be there.
            for k in 0..=pending.len() {
                note(pending[..k].iter().map(|event| (*event, Part::Whole)).collect());
            }
        }
        for _ in 0..if log_syncs && !pending.is_empty() { MIXTURES } else { 0 } {
            let mut parts = Vec::new();
            for event in &pending {
                match (&log.events[*event].what, dice.below(3)) {
                    (_, 0) => {}
                    (What::Write(_, offset, bytes), 1) => {
                        let sectors = sectors_of(*offset, bytes.len()).iter().map(|_| dice.below(2) == 0).collect();
                        parts.push((*event, Part::Torn(sectors, dice.below(2) == 0)));
                    }
                    _ => parts.push((*event, Part::Whole)),
                }
            }
            note(parts);
        }
        if !log_syncs {
            note(Vec::new());
        }
        let Some(event) = log.events.get(n) else { break };
        match &event.what {
            What::Sync(name) if !log_syncs && name.ends_with("-wal") => {}
            What::Sync(_) | What::SyncFolder => {
                found.look(log, &kept, std::mem::take(&mut stretch), checks).await;
                let is_kept = |what: &What| match (&event.what, what) {
                    (What::SyncFolder, What::Create(_) | What::Unlink(_)) => true,
                    (What::Sync(name), What::Write(of, ..) | What::Length(of, _)) => name == of,
                    _ => false,
                };
                for event in pending.iter().filter(|event| is_kept(&log.events[**event].what)) {
                    Kept::apply(&mut kept.contents, &mut kept.names, &log.events[*event].what, &Part::Whole);
                }
                pending.retain(|event| !is_kept(&log.events[*event].what));
            }
            _ => pending.push(n),
        }
    }
    found.look(log, &kept, stretch, checks).await;
    found
}

impl Found {
    async fn look(&mut self, log: &Log, kept: &Kept, stretch: HashMap<u64, (Vec<(usize, Part)>, usize)>, checks: Checks) {
        let told = AtomicU64::new(if self.tell { 0 } else { 3 });
        let told = &told;
        // In memory where the machine has such a folder: each state is looked at once.
        let root = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let states = futures::stream::iter(stretch.into_values()).map(|(parts, acknowledged)| {
            let root = root.clone();
            async move {
                let place = tempfile::Builder::new().prefix("org-portal-power-").tempdir_in(root).unwrap();
                let mut contents = kept.contents.clone();
                let mut names = kept.names.clone();
                for (event, part) in &parts {
                    Kept::apply(&mut contents, &mut names, &log.events[*event].what, part);
                }
                for name in &names {
                    std::fs::write(place.path().join(name), contents.get(name).map_or(&[][..], Vec::as_slice)).unwrap();
                }
                let looked = look(&place.path().join(&log.database), &log.acknowledged[..acknowledged], checks).await;
                if !matches!(looked, Ok((0, 0))) && told.fetch_add(1, Ordering::Relaxed) < 3 {
                    println!("       a state of {} calls after the last sync, {acknowledged} acknowledged: {looked:?}", parts.len());
                }
                looked
            }
        });
        let looked: Vec<_> = states.buffer_unordered(4).collect().await;
        for looked in looked {
            self.states += 1;
            if self.states.is_multiple_of(5000) {
                println!("       {} states", self.states);
            }
            match looked {
                Ok((lost, half)) => {
                    self.lost += u64::from(lost > 0);
                    self.half += u64::from(half > 0);
                }
                Err(_) => self.damaged += 1,
            }
        }
    }
}

/// Opens a state: how much of what was acknowledged is not there, and what is there half.
async fn look(file: &Path, acknowledged: &[(u64, Kind, String)], checks: Checks) -> Result<(usize, u64), String> {
    let mut database = SqliteConnectOptions::new().filename(file).connect().await.map_err(|e| e.to_string())?;
    let looked = look_in(&mut database, acknowledged, checks).await;
    let _ = database.close().await;
    looked
}

async fn look_in(database: &mut SqliteConnection, acknowledged: &[(u64, Kind, String)], checks: Checks) -> Result<(usize, u64), String> {
    let mut texts =
        async |sql: String| sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch_all(&mut *database).await.map_err(|e| e.to_string());
    let mut damage = texts("SELECT integrity_check FROM pragma_integrity_check".to_owned()).await?;
    damage.extend(texts("SELECT \"table\" FROM pragma_foreign_key_check".to_owned()).await?);
    if damage != ["ok"] {
        return Err(damage.join("; "));
    }
    let (mut there, mut half) = (BTreeSet::new(), 0);
    match checks {
        Checks::Marks => there.extend(texts("SELECT mark FROM marks".to_owned()).await?),
        Checks::Portal => {
            for kind in KINDS {
                there.extend(texts(kind.there().to_owned()).await?.iter().filter_map(|text| mark_in(text, "power")));
            }
            for check in half_checks() {
                half += u64::from(texts(format!("SELECT CAST(({check}) AS TEXT)")).await? != ["0"]);
            }
        }
    }
    Ok((acknowledged.iter().filter(|(.., mark)| !there.contains(mark)).count(), half))
}
