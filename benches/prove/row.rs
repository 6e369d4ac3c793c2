//! What a row of the proof says, and where it is written.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use org_portal::clock::Clock;
use serde_json::{Value, json};

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Minutes.
    Short,
    /// Hours.
    Long,
}

impl Mode {
    /// One of two numbers.
    pub const fn of(self, short: u64, long: u64) -> u64 {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// A figure of a row.
struct Figure {
    what: String,
    seen: String,
    /// What it has to be; nothing where it is only told.
    must: Option<String>,
    holds: bool,
}

/// What was tried, and what was seen.
pub struct Row {
    /// What was done to the portal.
    tried: String,
    figures: Vec<Figure>,
    seconds: f64,
}

impl Row {
    /// A row of something that was done, such as "50 times `kill -9` under 16 writers, SQLite and PostgreSQL".
    pub fn new(tried: impl Into<String>) -> Self {
        Self { tried: tried.into(), figures: Vec::new(), seconds: 0.0 }
    }

    /// A figure that has to be something.
    #[must_use]
    pub fn must(mut self, what: impl Into<String>, seen: impl ToString, must: impl Into<String>, holds: bool) -> Self {
        self.figures.push(Figure { what: what.into(), seen: seen.to_string(), must: Some(must.into()), holds });
        self
    }

    /// A figure that has to be nothing: lost, doubled, half, wrong.
    #[must_use]
    pub fn none(self, what: impl Into<String>, seen: u64) -> Self {
        self.must(what, seen, "0", seen == 0)
    }

    /// A figure that is told.
    #[must_use]
    pub fn told(mut self, what: impl Into<String>, seen: impl ToString) -> Self {
        self.figures.push(Figure { what: what.into(), seen: seen.to_string(), must: None, holds: true });
        self
    }

    /// How long it took.
    #[must_use]
    pub fn took(mut self, time: Duration) -> Self {
        self.seconds = time.as_secs_f64();
        self
    }

    /// Whether everything is as it has to be.
    pub fn holds(&self) -> bool {
        !self.figures.is_empty() && self.figures.iter().all(|figure| figure.holds)
    }

    pub fn print(&self) {
        println!("       {} ({:.0} s)", self.tried, self.seconds);
        for Figure { what, seen, must, holds } in &self.figures {
            let must = must.as_ref().map(|must| format!(" (must be {must})")).unwrap_or_default();
            println!("{} {what}: {seen}{must}", if *holds { "ok    " } else { "MISSED" });
        }
    }

    /// Keeps it as JSON.
    pub fn save(&self, name: &str, mode: Mode) {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| json!({ "what": figure.what, "seen": figure.seen, "must": figure.must, "holds": figure.holds }))
            .collect();
        let row = json!({
            "name": name,
            "mode": match mode { Mode::Short => "short", Mode::Long => "long" },
            "day": &Clock::system().now().rfc3339()[..10],
            "tried": self.tried,
            "seconds": self.seconds.round(),
            "holds": self.holds(),
            "figures": figures,
        });
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(folder().join(format!("{name}.json")), format!("{row:#}\n")).unwrap();
    }
}

fn folder() -> PathBuf {
    PathBuf::from("target/prove")
}

const PAGE: &str = "docs/reliability.md";
const BEGIN: &str = "<!-- seen: written by `make prove` -->\n";
const END: &str = "<!-- end of what was seen -->\n";

/// Writes what is kept of these rows into the page.
pub fn write(names: &[&str]) {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (there, after) = rest.split_once(END).expect("where the table ends");
    let mut table = String::from("| What was tried | When | What was seen |\n| --- | --- | --- |\n");
    for name in names {
        let Ok(text) = std::fs::read_to_string(folder().join(format!("{name}.json"))) else {
            // What was not tried here stays as it was seen elsewhere.
            let begins = format!("| **{name}**:");
            table.extend(there.lines().filter(|line| line.starts_with(&begins)).flat_map(|line| [line, "\n"]));
            continue;
        };
        let row: Value = serde_json::from_str(&text).unwrap();
        let of = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let figures: Vec<String> = row["figures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|figure| {
                let (what, seen) = (figure["what"].as_str().unwrap(), figure["seen"].as_str().unwrap());
                let missed = if figure["holds"] == true { "" } else { "**MISSED** " };
                match figure["must"].as_str() {
                    Some(must) => format!("{missed}{what}: {seen} (must be {must})"),
                    None => format!("{what}: {seen}"),
                }
            })
            .collect();
        let _ = writeln!(table, "| **{name}**: {} | {}, {} s | {} |", of("tried"), of("day"), row["seconds"], figures.join("; "));
    }
    std::fs::write(PAGE, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
}
