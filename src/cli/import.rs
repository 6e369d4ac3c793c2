//! `org-portal import customers FILE`: the operator's customers from a file of JSON Lines or from CSV files, as
//! `docs/import.md` describes them; `org-portal import servicenow`: the same from a ServiceNow instance, as
//! `docs/servicenow.md` does. It streams: memory does not grow with the file but for eight bytes a record, by which
//! duplicates are found.

use std::{
    collections::HashSet,
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{BufRead, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;

pub use crate::customers::Counts;
use crate::{
    clock::Clock,
    config::Config,
    customers::{Kind, Outcome, Raw, Record, actions},
    db::Pending,
    desk::{client::Client, sync},
    outgoing::Patience,
    portal::Portal,
};

/// How many records go into one transaction.
const BATCH: usize = 500;
/// The longest line, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// How many refusals are printed; a report has all.
const PRINTED: u64 = 20;

pub(super) fn command(with_options: impl Fn(Command) -> Command) -> Command {
    let customers = with_options(Command::new("customers").about("Import customers, their people, contacts and entitlements from a file"))
        .arg(Arg::new("file").value_name("FILE").required(true).help("A .jsonl file, a .csv file of one kind, or a folder with CSV files"));
    let servicenow = with_options(
        Command::new("servicenow")
            .about("Import customers, their people and entitlements from ServiceNow: what changed since the last time"),
    )
    .arg(Arg::new("full").long("full").action(ArgAction::SetTrue).help("Begin anew: everything that is there"));
    let with_report = |command: Command| {
        command
            .arg(Arg::new("strict").long("strict").action(ArgAction::SetTrue).help("Stop at the first record that is refused"))
            .arg(Arg::new("report").long("report").value_name("FILE").help("Write what came of the records into this file, as JSON"))
    };
    Command::new("import")
        .about("Import what the operator's own systems know")
        .subcommand_required(true)
        .subcommand(with_report(customers))
        .subcommand(with_report(servicenow))
}

/// A record that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// In which file.
    pub file: String,
    /// In which line, from 1.
    pub line: u64,
    /// Which field; `line` where the line could not be read at all.
    pub field: String,
    /// Why.
    pub reason: String,
}

/// A line of a file: its number, and the record that it holds, or the field that is wrong and why.
type Line = (u64, Result<(Kind, Vec<(String, String)>), (String, String)>);

/// Something to import, line by line.
struct Source {
    name: String,
    size: u64,
    lines: Box<dyn Iterator<Item = Result<Line, String>> + Send>,
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn run(config: &Config, name: &str, matches: &ArgMatches) -> Result<(), String> {
    let db = super::open(config).await?;
    if !matches!(db.pending().await, Ok(Pending(0))) {
        return Err("the database is not at this program's version: run `org-portal migrate` first".to_owned());
    }
    let portal = Portal::new(db.clone(), config.clone(), Clock::system());
    let report = matches.get_one::<String>("report").map(PathBuf::from);
    let strict = matches.get_flag("strict");
    let done = if name == "servicenow" {
        from_servicenow(&portal, matches.get_flag("full"), strict, report.as_deref(), Patience::default(), true).await
    } else {
        let file = matches.get_one::<String>("file").map(PathBuf::from).unwrap_or_default();
        import(&portal, &file, strict, report.as_deref(), true).await
    };
    db.close().await;
    let counts = done?;
    for (title, by_kind) in
        [("added", &counts.added), ("changed", &counts.changed), ("unchanged", &counts.unchanged), ("refused", &counts.refused)]
    {
        let each: Vec<String> = by_kind.iter().map(|(kind, n)| format!("{n} of kind {kind}")).collect();
        println!("{title}: {}", if each.is_empty() { "none".to_owned() } else { each.join(", ") });
    }
    Ok(())
}

/// Imports a file or a folder.
///
/// # Errors
/// Where a file cannot be read as a whole, the database fails, or with `strict` a record is refused: what was imported
/// until then stands, and the next import goes on from there.
pub async fn import(portal: &Portal, path: &Path, strict: bool, report: Option<&Path>, talks: bool) -> Result<Counts, String> {
    let mut run = Run::begin(portal, strict, report, talks)?;
    for source in sources(path)? {
        run.source(source).await?;
    }
    run.finish(path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()).await
}

/// Imports from the configured ServiceNow instance what changed since the last time, or with `full` everything.
///
/// # Errors
/// Where no instance is configured, another process is synchronizing, the instance or the database fails, or with `strict`
/// a record is refused: what was imported until then stands, and the next import goes on from there.
#[expect(clippy::print_stderr, reason = "commands talk to people on a terminal")]
pub async fn from_servicenow(
    portal: &Portal,
    full: bool,
    strict: bool,
    report: Option<&Path>,
    patience: Patience,
    talks: bool,
) -> Result<Counts, String> {
    let client = Client::open(&portal.config, patience, portal.clock.clone(), portal.random)?;
    let client = client.ok_or("no instance is configured: set ORG_PORTAL_SERVICENOW_URL, and as whom to ask (docs/servicenow.md)")?;
    let mut run = Run::begin(portal, strict, report, talks)?;
    let outcome = {
        let run = &mut run;
        let mut told = portal.clock.now();
        let tell = &mut |came: sync::Came| {
            run.came(&came.place, came.number, came.kind, came.outcome)?;
            if talks && portal.clock.now().0 - told.0 > 1_000_000 {
                told = portal.clock.now();
                eprintln!("{}: {} records", came.place.split('/').next().unwrap_or_default(), came.number);
            }
            Ok(())
        };
        sync::once(portal, &client, portal.random.opaque_id(), full, tell).await
    };
    let counts = run.finish("ServiceNow".to_owned()).await?;
    outcome.map(|()| counts).map_err(|error| error.to_string())
}

struct Run<'p> {
    portal: &'p Portal,
    strict: bool,
    counts: Counts,
    seen: HashSet<u64>,
    refusals: u64,
    report: Option<std::io::BufWriter<File>>,
    talks: bool,
}

impl<'p> Run<'p> {
    fn begin(portal: &'p Portal, strict: bool, report: Option<&Path>, talks: bool) -> Result<Self, String> {
        let mut run = Self { portal, strict, counts: Counts::default(), seen: HashSet::new(), refusals: 0, report: None, talks };
        if let Some(path) = report {
            let mut file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
            file.write_all(b"{\"refusals\":[").map_err(|error| error.to_string())?;
            run.report = Some(std::io::BufWriter::new(file));
        }
        Ok(run)
    }

    /// Writes the report's end, and the import into the audit log.
    async fn finish(mut self, name: String) -> Result<Counts, String> {
        if let Some(mut file) = self.report.take() {
            let counts = serde_json::to_string(&self.counts).map_err(|error| error.to_string())?;
            // One object: the list of refusals, and the counts behind it.
            let written = file.write_all(b"],").and_then(|()| file.write_all(&counts.as_bytes()[1..])).and_then(|()| file.flush());
            written.map_err(|error| format!("the report could not be written: {error}"))?;
        }
        let counts = serde_json::to_value(&self.counts).map_err(|error| error.to_string())?;
        actions::note_import(self.portal, name, counts).await.map_err(|refusal| refusal.message())?;
        Ok(self.counts)
    }

    async fn source(&mut self, source: Source) -> Result<(), String> {
        let Source { name, size, lines } = source;
        let (began, mut told, mut rows) = (self.portal.clock.now(), self.portal.clock.now(), 0_u64);
        let mut batch: Vec<(u64, Record)> = Vec::with_capacity(BATCH);
        let mut bytes = 0_u64;
        for line in lines {
            let (number, read) = line.map_err(|why| format!("{name}: {why}"))?;
            rows += 1;
            match read {
                Err((field, why)) => self.refuse(&name, number, None, field, why)?,
                Ok((kind, fields)) => {
                    bytes += fields.iter().map(|(name, value)| (name.len() + value.len() + 6) as u64).sum::<u64>();
                    match (Raw { kind, fields: &fields }).parse() {
                        Err(errors) => {
                            for (n, (field, why)) in errors.0.into_iter().enumerate() {
                                self.refuse(&name, number, (n == 0).then_some(kind.name()), field, why)?;
                            }
                        }
                        Ok(record) => match self.twice(&record) {
                            Some(field) => {
                                self.refuse(&name, number, Some(kind.name()), field.to_owned(), "It stood in an earlier line".to_owned())?
                            }
                            None => batch.push((number, record)),
                        },
                    }
                }
            }
            if batch.len() >= BATCH {
                self.put(&name, std::mem::take(&mut batch)).await?;
                if self.talks && self.portal.clock.now().0 - told.0 > 1_000_000 {
                    told = self.portal.clock.now();
                    progress(&name, rows, Duration::from_micros((told.0 - began.0).unsigned_abs()), bytes, size);
                }
            }
        }
        self.put(&name, batch).await
    }

    /// By which field a record is one that came before; nothing for what is new.
    fn twice(&mut self, record: &Record) -> Option<&'static str> {
        let (field, key) = record.key();
        let mut hasher = DefaultHasher::new();
        (record.kind(), key).hash(&mut hasher);
        (!self.seen.insert(hasher.finish())).then_some(field)
    }

    async fn put(&mut self, name: &str, batch: Vec<(u64, Record)>) -> Result<(), String> {
        if batch.is_empty() {
            return Ok(());
        }
        let (numbers, records): (Vec<u64>, Vec<Record>) = batch.into_iter().unzip();
        let kinds: Vec<Kind> = records.iter().map(Record::kind).collect();
        let outcomes = actions::import(self.portal, records).await.map_err(|refusal| refusal.message())?;
        for ((number, kind), outcome) in numbers.into_iter().zip(kinds).zip(outcomes) {
            self.came(name, number, kind.name(), outcome)?;
        }
        Ok(())
    }

    /// Counts what came of a record.
    fn came(&mut self, place: &str, number: u64, kind: &'static str, outcome: Outcome) -> Result<(), String> {
        if let Outcome::Refused(field, why) = outcome {
            return self.refuse(place, number, Some(kind), field, why);
        }
        self.counts.count(kind, &outcome);
        Ok(())
    }

    /// Notes what was not taken. A record is counted once, with the first of its fields that is wrong.
    #[expect(clippy::print_stderr, reason = "commands talk to people on a terminal")]
    fn refuse(&mut self, file: &str, line: u64, kind: Option<&'static str>, field: String, reason: String) -> Result<(), String> {
        let refused = Refused { file: file.to_owned(), line, field, reason };
        if kind.is_some() || refused.field == "line" {
            *self.counts.refused.entry(kind.unwrap_or("line")).or_default() += 1;
        }
        let text = format!("{}:{}: {}: {}", refused.file, refused.line, refused.field, refused.reason);
        self.refusals += 1;
        if self.talks && self.refusals <= PRINTED {
            eprintln!("{text}");
        } else if self.talks && self.refusals == PRINTED + 1 {
            eprintln!("… more were refused; --report FILE writes all of them down");
        }
        if let Some(report) = &mut self.report {
            let comma = if self.refusals > 1 { "," } else { "" };
            let json = serde_json::to_string(&refused).map_err(|error| error.to_string())?;
            write!(report, "{comma}{json}").map_err(|error| format!("the report could not be written: {error}"))?;
        }
        if self.strict { Err(format!("{text}. Nothing from here on was imported")) } else { Ok(()) }
    }
}

#[expect(clippy::print_stderr, reason = "commands talk to people on a terminal")]
fn progress(name: &str, rows: u64, took: Duration, bytes: u64, size: u64) {
    let rate = rows * 1000 / u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let left = u64::try_from(took.as_millis()).unwrap_or(0) * size.saturating_sub(bytes) / bytes.max(1) / 1000;
    eprintln!("{name}: {rows} rows, {rate} a second, about {left} s left");
}

/// What there is to import at a path, customers first.
fn sources(path: &Path) -> Result<Vec<Source>, String> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let open = |path: &Path| {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let size = file.metadata().map(|data| data.len()).unwrap_or_default();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        // A byte order mark is no part of the first line.
        if reader.fill_buf().map_err(|error| error.to_string())?.starts_with(b"\xEF\xBB\xBF") {
            reader.consume(3);
        }
        Ok::<_, String>((reader, size))
    };
    if path.is_dir() {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let file = path.join(kind.file());
            if file.is_file() {
                let (reader, size) = open(&file)?;
                all.push(Source { name: name(&file), size, lines: csv_lines(kind, reader)? });
            }
        }
        let names = Kind::ALL.map(Kind::file).join(", ");
        return if all.is_empty() { Err(format!("{} holds none of {names}", path.display())) } else { Ok(all) };
    }
    let (reader, size) = open(path)?;
    let lines: Box<dyn Iterator<Item = _> + Send> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl" | "ndjson") => Box::new(json_lines(reader)),
        Some("csv") => {
            let kind = Kind::ALL.into_iter().find(|kind| kind.file() == name(path));
            let names = Kind::ALL.map(Kind::file).join(", ");
            csv_lines(kind.ok_or(format!("a CSV file tells by its name what it holds: {names}"))?, reader)?
        }
        _ => return Err("the file's name ends in .jsonl or .csv, or it is a folder with CSV files".to_owned()),
    };
    Ok(vec![Source { name: name(path), size, lines }])
}

/// The records of a file of JSON Lines, one object a line.
fn json_lines(mut reader: impl BufRead + Send) -> impl Iterator<Item = Result<Line, String>> + Send {
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut line = Vec::new();
            match reader.by_ref().take(LONGEST + 1).read_until(b'\n', &mut line) {
                Err(error) => return Some(Err(error.to_string())),
                Ok(0) => return None,
                Ok(_) => {}
            }
            if line.len() as u64 > LONGEST && !line.ends_with(b"\n") {
                if let Err(error) = skip_line(&mut reader) {
                    return Some(Err(error.to_string()));
                }
                return Some(Ok((number, Err(("line".to_owned(), "It is longer than a mebibyte".to_owned())))));
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Some(Ok((number, object(&line).map_err(|why| ("line".to_owned(), why)))));
        }
    })
}

/// Goes past the rest of a line that is too long to be held.
fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                reader.consume(at + 1);
                return Ok(());
            }
            None => {
                let n = buffer.len();
                reader.consume(n);
            }
        }
    }
}

fn object(line: &[u8]) -> Result<(Kind, Vec<(String, String)>), String> {
    let text = std::str::from_utf8(line).map_err(|_| "It is not UTF-8")?;
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("It is not JSON: {error}"))?;
    let serde_json::Value::Object(fields) = value else { return Err("It is not an object".to_owned()) };
    let mut kind = None;
    let mut read = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(bool) => bool.to_string(),
            serde_json::Value::Array(items) => {
                let items: Option<Vec<&str>> = items.iter().map(serde_json::Value::as_str).collect();
                items.ok_or_else(|| format!("{name} is not a list of texts"))?.join("\n")
            }
            serde_json::Value::Object(_) => return Err(format!("{name} is not a text or a number")),
        };
        if name == "kind" { kind = Kind::ALL.into_iter().find(|kind| kind.name() == text) } else { read.push((name, text)) }
    }
    let kinds = Kind::ALL.map(Kind::name).join(", ");
    Ok((kind.ok_or_else(|| format!("Its kind is none of {kinds}"))?, read))
}

/// The records of a CSV file (RFC 4180), whose first line names the fields.
fn csv_lines(kind: Kind, reader: impl BufRead + Send + 'static) -> Result<Box<dyn Iterator<Item = Result<Line, String>> + Send>, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let header = reader.byte_headers().map_err(|error| error.to_string())?;
    let names: Result<Vec<String>, _> = header.iter().map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned())).collect();
    let names = names.map_err(|_| "the first line is not UTF-8".to_owned())?;
    let unknown: Vec<&str> = names.iter().map(String::as_str).filter(|name| !kind.fields().contains(name)).collect();
    if !unknown.is_empty() || !names.iter().any(|name| name == kind.fields()[0]) {
        return Err(format!(
            "the first line has to name fields of a {}: {}; it is {}",
            kind.name(),
            kind.fields().join(", "),
            names.join(", ")
        ));
    }
    Ok(Box::new(reader.into_byte_records().map(move |record| {
        let record = match record {
            Ok(record) => record,
            Err(error) => return Err(error.to_string()),
        };
        let number = record.position().map_or(0, csv::Position::line);
        let values: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        let line = match values {
            Err(_) => Err(("line".to_owned(), "It is not UTF-8".to_owned())),
            Ok(values) if values.len() != names.len() => {
                Err(("line".to_owned(), format!("It has {} fields where the first line names {}", values.len(), names.len())))
            }
            Ok(values) => Ok((kind, names.iter().cloned().zip(values.into_iter().map(str::to_owned)).collect())),
        };
        Ok((number, line))
    })))
}
