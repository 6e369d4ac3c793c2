//! `org-portal import customers FILE`: the operator's customers from a file of JSON Lines or from CSV files, as
//! `docs/import.md` describes them; `org-portal import servicenow`: the same from a ServiceNow instance, as
//! `docs/servicenow.md` does. It streams: memory does not grow with the file but for some ten bytes a record, by
//! which duplicates are found, and in a rehearsal for what the records would have left behind.

mod read;
mod report;
mod servicenow;

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use clap::{Arg, ArgAction, ArgMatches, Command};
use read::{Source, Unreadable};
use report::Report;
pub use servicenow::from_servicenow;
use uuid::Uuid;

pub use crate::customers::Counts;
use crate::{
    clock::Clock,
    config::Config,
    customers::{Kind, LINE, Outcome, Record, actions, counted, import::Ahead},
    db::Pending,
    operator::actions as operator,
    outgoing::Patience,
    portal::Portal,
    words::{SECOND, Timestamp},
};

/// How many records go into one transaction.
const BATCH: usize = 1000;

/// Of how many records of a file it is known in which line they stood: of all of them would double the memory.
const LINES: usize = 100_000;

pub(super) fn command(with_options: impl Fn(Command) -> Command) -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let customers = with_options(
        Command::new("customers").about("Import customers, their people, contacts, entitlements, tickets and their messages from a file"),
    )
    .arg(Arg::new("file").value_name("FILE").required(true).help("A .jsonl file, a .csv file of one kind, or a folder with such files"))
    .arg(flag("dry-run", "Say what would come of it, and write nothing"));
    let servicenow = with_options(
        Command::new("servicenow")
            .about("Import customers, their people and entitlements from ServiceNow: what changed since the last time"),
    )
    .arg(flag("full", "Begin anew: everything that is there"));
    let with_report = |command: Command| {
        command
            .arg(flag("strict", "Stop at the first record that is refused"))
            .arg(flag("progress", "Say how far it is, also where nobody looks at a terminal"))
            .arg(Arg::new("report").long("report").value_name("FILE").help("Write what came of the records into this file, as JSON"))
    };
    Command::new("import")
        .about("Import what the operator's own systems know")
        .subcommand_required(true)
        .subcommand(with_report(customers))
        .subcommand(with_report(servicenow))
}

/// How an import goes about it.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// Nothing is written.
    pub rehearses: bool,
    /// The first record that is refused ends it.
    pub is_strict: bool,
    /// Where what came of the records is written, as JSON.
    pub report: Option<PathBuf>,
    /// Refusals are said on the standard error.
    pub talks: bool,
    /// How far it is is said there, at most twice a second.
    pub says_progress: bool,
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn run(config: &Config, name: &str, matches: &ArgMatches) -> Result<(), String> {
    let db = super::open(config).await?;
    if !matches!(db.pending().await, Ok(Pending(0))) {
        return Err("the database is not at this program's version: run `org-portal migrate` first".to_owned());
    }
    let portal = Portal::new(db.clone(), config.clone(), Clock::system());
    let how = How {
        rehearses: name == "customers" && matches.get_flag("dry-run"),
        is_strict: matches.get_flag("strict"),
        report: matches.get_one::<String>("report").map(PathBuf::from),
        talks: true,
        says_progress: matches.get_flag("progress") || std::io::stderr().is_terminal(),
    };
    let done = if name == "servicenow" {
        from_servicenow(&portal, matches.get_flag("full"), &how, Patience::default()).await
    } else {
        let file = matches.get_one::<String>("file").map(PathBuf::from).unwrap_or_default();
        import(&portal, &file, &how).await
    };
    db.close().await;
    let counts = done?;
    let would = if how.rehearses { "would be " } else { "" };
    for (title, by_kind) in counts.each() {
        let each: Vec<String> = by_kind.iter().map(|(kind, n)| counted(kind, *n, &n.to_string())).collect();
        println!("{would}{title}: {}", if each.is_empty() { "none".to_owned() } else { each.join(", ") });
    }
    Ok(())
}

/// Imports a file or a folder.
///
/// # Errors
/// Where a file cannot be read as a whole, the database fails, or, if it is strict, a record is refused: what was imported
/// until then stands, and the next import goes on from there. The report is whole then, too, and says why it ended.
pub async fn import(portal: &Portal, path: &Path, how: &How) -> Result<Counts, String> {
    let report = Report::open(how.report.as_deref(), how.talks)?;
    let name = read::name_of(path);
    let mut run =
        Run { portal, how, report, seen: HashSet::new(), lines: HashMap::new(), ahead: Ahead::default(), told: portal.clock.now() };
    if how.rehearses {
        let done = run.sources(path).await;
        let report = run.report.close(done.as_ref().err().map(String::as_str))?;
        return done.map(|()| report.counts);
    }
    let noted = begin(portal, &name).await?;
    let done = operator::at_import(portal, noted, run.sources(path)).await;
    end(portal, run.report, name, noted, done).await
}

/// Notes for the console that an import begins.
async fn begin(portal: &Portal, name: &str) -> Result<Uuid, String> {
    operator::begin_import(portal, name).await.map_err(|refusal| refusal.message())
}

/// Writes the report's end, notes in the console what came of the import, and in the audit log what came of one that was gone
/// through.
async fn end(portal: &Portal, report: Report, name: String, noted: Uuid, done: Result<(), String>) -> Result<Counts, String> {
    let failed = done.as_ref().err().map(String::as_str);
    let report = report.close(failed)?;
    let ended = operator::end_import(portal, noted, &report, failed).await;
    done?;
    ended.map_err(|refusal| refusal.message())?;
    let counts = serde_json::to_value(&report.counts).map_err(|error| error.to_string())?;
    actions::note_import(portal, name, counts).await.map_err(|refusal| refusal.message())?;
    Ok(report.counts)
}

/// A line, and the record that it holds; or of each field what is wrong, and the kind where that is known.
type Read = (u64, Result<Record, (Option<Kind>, Vec<(String, String)>)>);

struct Run<'p> {
    portal: &'p Portal,
    how: &'p How,
    report: Report,
    /// Hashes of the records that came before in the same file.
    seen: HashSet<u64>,
    /// In which lines the first of them stood.
    lines: HashMap<u64, u64>,
    ahead: Ahead,
    /// When how far it is was last said.
    told: Timestamp,
}

impl Run<'_> {
    async fn sources(&mut self, path: &Path) -> Result<(), String> {
        let found = read::sources(path, self.how.report.as_deref());
        let (sources, rest) = found.map_err(|Unreadable { file, why }| format!("{file}: {why}"))?;
        for Unreadable { file, why } in rest {
            self.report.refuse_file(&file, &why)?;
            if self.how.is_strict {
                return Err(format!("{file}: {why}. Nothing was imported"));
            }
        }
        if sources.is_empty() {
            return Err(format!("{}: The folder holds none of {}", read::name_of(path), read::known().join(", ")));
        }
        for source in sources {
            self.source(source).await?;
        }
        Ok(())
    }

    async fn source(&mut self, mut source: Source) -> Result<(), String> {
        // A record stands once in a file; what another file says of it is a change.
        (self.seen, self.lines) = (HashSet::new(), HashMap::new());
        let began = self.portal.clock.now();
        let mut rows = 0_u64;
        let mut batch: Vec<Read> = Vec::with_capacity(BATCH);
        loop {
            let line = source.lines.next().transpose().map_err(|why| format!("{}: {why}", source.name))?;
            let is_over = line.is_none();
            if let Some((number, read)) = line {
                rows += 1;
                let record = match read {
                    Err(why) => Err((None, vec![(LINE.to_owned(), why)])),
                    Ok(raw) => {
                        raw.parse().map_err(|errors| (Some(raw.kind()), errors.0)).and_then(|record| match self.twice(&record, number) {
                            Some((field, why)) => Err((Some(raw.kind()), vec![(field.to_owned(), why)])),
                            None => Ok(record),
                        })
                    }
                };
                batch.push((number, record));
            }
            if is_over || batch.len() == BATCH {
                self.put(&source.name, std::mem::take(&mut batch)).await?;
                self.progress(&source, rows, began, is_over);
            }
            if is_over {
                break;
            }
        }
        if let Some(why) = source.changed() {
            self.report.refuse_file(&source.name, &why)?;
            if self.how.is_strict {
                return Err(format!("{}: {why}", source.name));
            }
        }
        Ok(())
    }

    /// By which field a record is one that came before, and where that was; nothing for what is new.
    fn twice(&mut self, record: &Record, line: u64) -> Option<(&'static str, String)> {
        let (field, key) = record.key();
        let mut hasher = DefaultHasher::new();
        (record.kind(), key).hash(&mut hasher);
        let hash = hasher.finish();
        if self.seen.insert(hash) {
            if self.lines.len() < LINES {
                self.lines.insert(hash, line);
            }
            return None;
        }
        let before = self.lines.get(&hash).map_or_else(|| "an earlier line".to_owned(), |line| format!("line {line}"));
        Some(match record {
            Record::Person { .. } => (field, format!("This person stood in {before} already, and a person belongs to one customer")),
            _ => (field, format!("It stood in {before} already")),
        })
    }

    async fn put(&mut self, name: &str, mut batch: Vec<Read>) -> Result<(), String> {
        if self.how.is_strict {
            // What comes before the first that is refused is taken, and nothing behind it.
            let end = batch.iter().position(|(_, read)| read.is_err()).map_or(batch.len(), |at| at + 1);
            batch.truncate(end);
            if !self.how.rehearses {
                let records: Vec<Record> = batch.iter().filter_map(|(_, read)| read.as_ref().ok().cloned()).collect();
                let rehearsed = actions::rehearse(self.portal, &records, &mut Ahead::default()).await;
                let outcomes = rehearsed.map_err(|refusal| refusal.message())?;
                if let Some(at) = outcomes.iter().position(|outcome| matches!(outcome, Outcome::Refused(..))) {
                    batch.truncate(at + 1);
                }
            }
        }
        let mut lines = Vec::with_capacity(batch.len());
        let mut records = Vec::with_capacity(batch.len());
        for (number, read) in batch {
            match read {
                Ok(record) => {
                    lines.push((number, Ok(record.kind())));
                    records.push(record);
                }
                Err(wrong) => lines.push((number, Err(wrong))),
            }
        }
        let outcomes = match records.is_empty() {
            true => Ok(Vec::new()),
            false if self.how.rehearses => actions::rehearse(self.portal, &records, &mut self.ahead).await,
            false => actions::import(self.portal, records).await,
        };
        let mut outcomes = outcomes.map_err(|refusal| refusal.message())?.into_iter();
        for (number, read) in lines {
            let (kind, wrong) = match read {
                Err((kind, wrong)) => (kind, wrong),
                Ok(kind) => match outcomes.next() {
                    Some(Outcome::Refused(field, why)) => (Some(kind), vec![(field, why)]),
                    Some(outcome) => {
                        self.report.count(&outcome, kind.name());
                        continue;
                    }
                    None => return Err("not all records have an outcome".to_owned()),
                },
            };
            let first = wrong.first().cloned();
            for (n, (field, why)) in wrong.into_iter().enumerate() {
                // A record is counted once, with the first of its fields that is wrong.
                if n == 0 {
                    self.report.refuse(name, number, kind.map(Kind::name), &field, &why)?;
                } else {
                    self.report.add(name, number, &field, &why)?;
                }
            }
            if let (true, Some((field, why))) = (self.how.is_strict, first) {
                return Err(format!("{name}:{number}: {field}: {why}. Nothing from here on was imported"));
            }
        }
        Ok(())
    }

    /// Says how far it is, at most twice a second, and at the end of a file.
    #[expect(clippy::print_stderr, reason = "commands talk to people on a terminal")]
    fn progress(&mut self, source: &Source, rows: u64, began: Timestamp, is_over: bool) {
        let now = self.portal.clock.now();
        if !self.how.says_progress || (!is_over && now.0 - self.told.0 < SECOND / 2) {
            return;
        }
        self.told = now;
        let millis = u64::try_from(now.millis() - began.millis()).unwrap_or(0);
        let rate = rows.saturating_mul(1000) / millis.max(1);
        let read = source.read.load(Ordering::Relaxed);
        let left = match source.size {
            Some(_) if is_over => format!(", done in {} s", millis / 1000),
            Some(size) => format!(", about {} s left", millis.saturating_mul(size.saturating_sub(read)) / read.max(1) / 1000),
            None => String::new(),
        };
        eprintln!("{}: {rows} rows, {rate} a second{left}", source.name);
    }
}
