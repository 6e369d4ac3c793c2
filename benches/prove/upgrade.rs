//! Databases of released versions, upgraded by the executable; and the version before this one beside it on one PostgreSQL, under
//! load, while the schema is migrated under its feet.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    portals::{
        Answered, Compared, Database, ENGINES, Engine, Kind, PASSWORD, Portal, Writers, client, compare, damage, done, fill, folder,
        free_port, org_portal, post,
    },
    row::{Mode, Row},
};

const WRITERS: usize = 4;
const KINDS: &[Kind] = &[Kind::Reset, Kind::SignUp, Kind::Invite, Kind::Rename, Kind::Raise, Kind::Reply, Kind::Name];
/// Tables of every version, whose rows an upgrade neither adds nor takes.
const TABLES: [&str; 8] =
    ["accounts", "credentials", "organizations", "members", "former_members", "invitations", "audit_events", "outbox"];

pub async fn prove(mode: Mode) -> Row {
    let (mut upgraded, mut wrong) = (0, 0);
    for entry in std::fs::read_dir("tests/fixtures").unwrap() {
        let version = entry.unwrap().path();
        for engine in ENGINES {
            wrong += upgrade(engine, &version).await;
            upgraded += 1;
        }
    }
    let row = Row::new("databases that were kept of released versions upgraded by the executable; the version before this one beside it on one PostgreSQL under load, migrated meanwhile".to_owned())
        .told("databases upgraded, checked and signed in to", upgraded)
        .none("of these, with rows lost, damaged or not served", wrong);
    let (commit, binary) = match previous() {
        Ok(found) => found,
        Err(why) => return row.must("the version before this one", why, "built", false),
    };
    let beside = beside(&binary, Duration::from_secs(mode.of(20, 600))).await;
    row.told("the version before this one", &commit[..12])
        .told("writes acknowledged by it and by this one", beside.compared.acknowledged)
        .told("of these by the old one after the migration", beside.old_after)
        .none("answers that were no success, 503 among them", beside.errors)
        .none("acknowledged and lost", beside.compared.lost)
        .none("doubled", beside.compared.doubled)
        .none("half there", beside.compared.half)
        .none("damage", beside.damaged)
}

/// One database of a released version; how much is wrong.
async fn upgrade(engine: Engine, version: &Path) -> u64 {
    let (database, folder, port) = (Database::restored(engine, version).await, folder(), free_port());
    let rows = async || {
        let mut rows = Vec::new();
        for table in TABLES {
            rows.push(database.count(&format!("SELECT count(*) FROM {table}")).await);
        }
        rows
    };
    let before = rows().await;
    done(&["migrate"], &database.url, folder.path()).await;
    let mut wrong = u64::from(rows().await != before) + damage(&database, folder.path()).await.len() as u64;
    let portal = Portal::serve(&database.url, port, folder.path(), &[]).await;
    let arguments = json!({ "form": { "email": "ada@example.com", "password": PASSWORD }, "drawn": { "page": "/" } });
    let base = format!("http://127.0.0.1:{port}");
    let signed_in = post(&client(), &base, "none", "sign_in", &arguments).await;
    if !matches!(signed_in, Answered::Done(_)) {
        println!("       {version:?}, {engine:?}: signing in was answered {}", signed_in.status());
        wrong += 1;
    }
    portal.stop().await;
    database.drop().await;
    wrong
}

fn out(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    if status.success() {
        Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&stderr).trim().to_owned())
    }
}

/// Before there is a release: the newest state that was finished before the migrations that came since.
const BEFORE: &str = "3fbe7ea14bdbae88b56cfe1b4200767505b38ab1";

/// The commit of the version before this one and its executable, which is built once for each commit: the newest release, or
/// what `PROVE_PREVIOUS` names.
fn previous() -> Result<(String, PathBuf), String> {
    let commit_of = |name: &str| out(Command::new("git").args(["rev-parse", "--verify", &format!("{name}^{{commit}}")]));
    let commit = match std::env::var("PROVE_PREVIOUS") {
        Ok(named) => commit_of(&named),
        Err(_) => match out(Command::new("git").args(["describe", "--tags", "--abbrev=0", "HEAD~1"])) {
            Ok(tag) => commit_of(&tag),
            Err(_) => commit_of(BEFORE),
        },
    };
    let commit = commit.map_err(|why| format!("is not to be found in the history: {why}"))?;
    let cache = std::env::var("ORG_PORTAL_CACHE").map_or_else(
        |_| {
            std::env::var("XDG_CACHE_HOME")
                .map_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap_or_default()).join(".cache"), PathBuf::from)
                .join("org-portal")
        },
        PathBuf::from,
    );
    let place = cache.join("previous").join(&commit);
    let binary = place.join("org-portal");
    if !binary.exists() {
        println!("       building the version of {commit}, once");
        let source = place.join("source");
        std::fs::create_dir_all(&source).map_err(|e| e.to_string())?;
        let script = r#"set -eo pipefail; git archive "$1" | tar -x -C "$2"; cd "$2"; . scripts/env.sh; cargo build -q --features ssr --bin org-portal; cp "$CARGO_TARGET_DIR/debug/org-portal" "$3.new"; mv "$3.new" "$3""#;
        let mut command = Command::new("bash");
        command.args(["-c", script, "build", &commit]).args([&source, &binary]);
        // What cargo told this program is about this program.
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST") || name == "RUSTFLAGS")
        {
            command.env_remove(name);
        }
        let built = out(&mut command);
        let _ = std::fs::remove_dir_all(&source);
        built.map_err(|why| format!("{commit} could not be built: {}", why.chars().take(300).collect::<String>()))?;
    }
    Ok((commit, binary))
}

#[derive(Default)]
struct Beside {
    compared: Compared,
    errors: u64,
    old_after: u64,
    damaged: u64,
}

async fn beside(previous: &Path, time: Duration) -> Beside {
    let (database, folder, ports) = (Database::fresh(Engine::Postgres).await, folder(), [free_port(), free_port()]);
    let migrated = org_portal(previous, &["migrate"], &database.url, folder.path()).output().unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let people = fill(&database.url, Engine::Postgres, 2 * WRITERS).await;
    let old = Portal::start(org_portal(previous, &["serve"], &database.url, folder.path()), ports[0]).await;
    let old_writers = Writers::start(&people[..WRITERS], &format!("http://127.0.0.1:{}", ports[0]), "old", KINDS, 21);
    while old_writers.ledger.len() < 50 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    done(&["migrate"], &database.url, folder.path()).await;
    let new = Portal::serve(&database.url, ports[1], folder.path(), &[]).await;
    let (began, before) = (Instant::now(), old_writers.ledger.len());
    let new_writers = Writers::start(&people[WRITERS..], &format!("http://127.0.0.1:{}", ports[1]), "new", KINDS, 22);
    while began.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ledgers = [old_writers.stop().await, new_writers.stop().await];
    let mut beside = Beside { old_after: ledgers[0].len() - before, ..Beside::default() };
    old.stop().await;
    new.stop().await;
    for (ledger, word) in ledgers.iter().zip(["old", "new"]) {
        let acknowledged = ledger.acknowledged.lock().unwrap().clone();
        beside.compared += compare(&database, &acknowledged, word).await;
        beside.errors += ledger.wrong() + ledger.unavailable.load(Ordering::Relaxed) + ledger.away.load(Ordering::Relaxed);
    }
    beside.damaged = damage(&database, folder.path()).await.len() as u64;
    database.drop().await;
    beside
}
