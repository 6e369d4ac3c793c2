//! Proof of reliability: `make prove` (minutes), `LONG=1 make prove` (hours), `make prove ROWS="kill power"` for some of it.
//!
//! Each row breaks something on purpose, again and again, and looks afterwards whether what the portal promises still holds.
//! What was seen is written to `target/prove/NAME.json`, and with `--write` into the table of `docs/reliability.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "it stops at the first surprise"
)]

mod backup;
mod dice;
mod fuzz;
mod kill;
mod mutants;
mod parsers;
mod peers;
mod portals;
mod postgres;
mod power;
mod races;
mod resources;
mod row;
mod scanners;
mod slow;
#[path = "../../tests/support/mod.rs"]
mod support;
mod targets;
mod upgrade;

use std::{future::Future, pin::Pin, process::ExitCode, time::Instant};

use row::{Mode, Row, write};

type Proof = fn(Mode) -> Pin<Box<dyn Future<Output = Row>>>;

/// Every row, in the order of the page.
const ROWS: &[(&str, Proof)] = &[
    ("kill", |mode| Box::pin(kill::prove(mode))),
    ("power", |mode| Box::pin(power::prove(mode))),
    ("postgres", |mode| Box::pin(postgres::prove(mode))),
    ("races", |mode| Box::pin(races::prove(mode))),
    ("upgrade", |mode| Box::pin(upgrade::prove(mode))),
    ("backup", |mode| Box::pin(backup::prove(mode))),
    ("resources", |mode| Box::pin(resources::prove(mode))),
    ("peers", |mode| Box::pin(peers::prove(mode))),
    ("fuzz", |mode| Box::pin(fuzz::prove(mode))),
    ("scanners", |mode| Box::pin(scanners::prove(mode))),
    ("mutants", |mode| Box::pin(mutants::prove(mode))),
    ("slow", |mode| Box::pin(slow::prove(mode))),
];

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mode = if std::env::var("LONG").is_ok_and(|long| long == "1") { Mode::Long } else { Mode::Short };
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
    if let Some(unknown) = names.iter().find(|name| !ROWS.iter().any(|(row, _)| row == *name)) {
        println!("There is no row {unknown}. There are: {}", ROWS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "));
        return ExitCode::FAILURE;
    }
    let mut holds = true;
    for (name, prove) in ROWS.iter().filter(|(row, _)| names.is_empty() || names.iter().any(|name| *name == row)) {
        println!("▶ {name}");
        let began = Instant::now();
        let row = prove(mode).await.took(began.elapsed());
        row.print();
        row.save(name, mode);
        holds &= row.holds();
    }
    if flags.iter().any(|flag| *flag == "--write") {
        write(&ROWS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
