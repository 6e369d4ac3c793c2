//! `kill -9` under writers, again and again: what was answered as saved is there once, nothing is half there, every mail leaves.

use std::time::{Duration, Instant};

use crate::{
    dice::Dice,
    portals::{
        Compared, Database, ENGINES, Engine, Kind, MailServer, Mailed, Portal, Writers, apart, compare, damage, drain, folder, free_port,
        mailed, people,
    },
    row::{Mode, Row},
};

const WRITERS: usize = 16;
const KINDS: &[Kind] = &[Kind::Reset, Kind::SignUp, Kind::Invite, Kind::Rename, Kind::Raise, Kind::Reply, Kind::Name];

#[derive(Default)]
struct Seen {
    compared: Compared,
    mailed: Mailed,
    damaged: u64,
    wrong: u64,
    control: u64,
}

pub async fn prove(mode: Mode) -> Row {
    let rounds = mode.of(25, 500);
    let mut seen = Seen::default();
    for engine in ENGINES {
        kill(engine, rounds, &mut seen).await;
    }
    let Seen { compared, mailed, damaged, wrong, control } = seen;
    Row::new(format!("{} times `kill -9` under {WRITERS} writers, half on SQLite, half on PostgreSQL", rounds * 2))
        .told("writes acknowledged", compared.acknowledged)
        .none("acknowledged and lost", compared.lost)
        .none("doubled by posts that were repeated", compared.doubled)
        .none("half there", compared.half)
        .none("answers that were neither done nor 503", wrong)
        .none("damage found by the databases' own checks and by `org-portal verify`", damaged)
        .told("mails wanted", mailed.wanted)
        .none("mails that never left", mailed.lost)
        .told("mails that left again, under their Message-ID", mailed.again)
        .none("mails under a second Message-ID", mailed.other_id)
        .must("control: rows taken away by hand that were missed", control, "2", control == 2)
}

async fn kill(engine: Engine, rounds: u64, seen: &mut Seen) {
    let (database, folder, mail, port) = (Database::fresh(engine).await, folder(), MailServer::start().await, free_port());
    let people = people(&database.url, engine, folder.path(), WRITERS).await;
    let smtp = format!("smtp://127.0.0.1:{}", mail.port);
    let serve = async || Portal::serve(&database.url, port, folder.path(), &[("ORG_PORTAL_SMTP_URL", &smtp)]).await;
    let mut dice = Dice(2026);
    let mut portal = serve().await;
    let writers = Writers::start(&people, &format!("http://127.0.0.1:{port}"), "kill", KINDS, 1);
    for round in 1..=rounds {
        // At another moment each round, once there is something to lose.
        let (began, enough) = (Instant::now(), writers.ledger.len() + 10 + dice.below(60));
        while writers.ledger.len() < enough && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(dice.below(30_000))).await;
        drop(portal);
        if round % (if engine == Engine::Sqlite { 2 } else { 25 }) == 0 {
            // SQLite's file is looked at before the portal opens it again; every other time the portal is the first.
            seen.damaged += damage(&database, folder.path()).await.len() as u64;
        }
        portal = serve().await;
        if round % 25 == 0 {
            println!("       {engine:?}: {round} rounds, {} writes", writers.ledger.len());
        }
    }
    let ledger = writers.stop().await;
    drop(portal);
    database.execute("UPDATE outbox SET lease_until = NULL WHERE done_at IS NULL").await;
    let portal = serve().await;
    drain(&database).await;
    portal.stop().await;
    let acknowledged = ledger.acknowledged.lock().unwrap().clone();
    seen.compared += compare(&database, &acknowledged, "kill").await;
    seen.mailed += mailed(&database, &mail.letters(), &acknowledged).await;
    seen.damaged += damage(&database, folder.path()).await.len() as u64;
    seen.wrong += ledger.wrong();
    database.execute("DELETE FROM invitations WHERE id = (SELECT id FROM invitations ORDER BY sent_at LIMIT 1)").await;
    seen.control += apart(&database, &acknowledged, "kill").await.0.len() as u64;
    database.drop().await;
}
