//! Backups under writers, restored into both kinds of database.

use std::time::Duration;

use crate::{
    portals::{Database, ENGINES, Engine, Kind, Portal, Writers, apart, compare, done, folder, free_port, people, run},
    row::{Mode, Row},
};

const WRITERS: usize = 8;
const KINDS: &[Kind] = &[Kind::Reset, Kind::Invite, Kind::Rename, Kind::Raise, Kind::Reply, Kind::Name];

#[derive(Default)]
struct Seen {
    backups: u64,
    restores: u64,
    rows: u64,
    different: u64,
    missing: u64,
    later: u64,
    half: u64,
    damaged: u64,
    control: u64,
}

pub async fn prove(mode: Mode) -> Row {
    let rounds = mode.of(3, 30);
    let mut seen = Seen::default();
    for engine in ENGINES {
        back_up(engine, rounds, &mut seen).await;
    }
    Row::new(format!("{} backups under {WRITERS} writers, each restored into SQLite and into PostgreSQL", seen.backups))
        .told("rows restored", seen.rows)
        .must(
            "restores whose tables all have the backup's checksums",
            seen.restores - seen.different,
            seen.restores.to_string(),
            seen.different == 0,
        )
        .none("acknowledged before the backup began and not in it", seen.missing)
        .none("sent after it had ended and in it", seen.later)
        .none("half in it", seen.half)
        .none("restored databases that are damaged", seen.damaged)
        .must(
            "control: restores with one letter changed that were told apart",
            seen.control,
            seen.restores.to_string(),
            seen.control == seen.restores,
        )
}

/// The lines of `verify` that say what tables hold.
fn tables(said: &str) -> Vec<String> {
    said.lines().filter(|line| line.split_whitespace().count() == 3).map(str::to_owned).collect()
}

async fn back_up(engine: Engine, rounds: u64, seen: &mut Seen) {
    let (database, folder, port) = (Database::fresh(engine).await, folder(), free_port());
    let people = people(&database.url, engine, folder.path(), WRITERS).await;
    let portal = Portal::serve(&database.url, port, folder.path(), &[]).await;
    let base = format!("http://127.0.0.1:{port}");
    for round in 0..rounds {
        let word = format!("backup{round}r");
        let writers = Writers::start(&people, &base, &word, KINDS, round);
        while writers.ledger.len() < 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = writers.ledger.acknowledged.lock().unwrap().clone();
        let file = folder.path().join(format!("{engine:?}-{round}.backup"));
        let file = file.to_str().unwrap();
        done(&["backup", file], &database.url, folder.path()).await;
        let during = writers.ledger.len() - before.len() as u64;
        writers.stop().await;
        // These come after its end.
        let later = format!("later{round}r");
        let writers = Writers::start(&people, &base, &later, KINDS, round);
        while writers.ledger.len() < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let after = writers.stop().await.acknowledged.lock().unwrap().clone();
        let saved = tables(&done(&["verify", file], &database.url, folder.path()).await);
        assert!(saved.len() > 40, "{saved:?}");
        seen.backups += 1;
        println!("       {engine:?}: {} writes before the backup, {during} while it ran", before.len());
        for to in ENGINES {
            // The key comes with the backup.
            let (place, keyless) = (Database::fresh(to).await, tempfile::tempdir().unwrap());
            done(&["restore", file], &place.url, keyless.path()).await;
            seen.restores += 1;
            let verified = run(&["verify"], &place.url, keyless.path()).await;
            seen.damaged += u64::from(!verified.status.success());
            let restored = tables(&String::from_utf8_lossy(&verified.stdout));
            seen.different += u64::from(restored != saved);
            seen.rows += restored.last().and_then(|all| all.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
            let compared = compare(&place, &before, &word).await;
            seen.missing += compared.lost;
            seen.half += compared.half;
            seen.later += (after.len() - apart(&place, &after, &later).await.0.len()) as u64;
            // The control: one letter of one row.
            place.execute("UPDATE accounts SET first_name = 'Adb' WHERE email_key = 'ada0@example.com'").await;
            let changed = tables(&done(&["verify"], &place.url, keyless.path()).await);
            seen.control += u64::from(changed != saved);
            place.drop().await;
        }
        std::fs::remove_file(file).unwrap();
    }
    portal.stop().await;
    database.drop().await;
}
