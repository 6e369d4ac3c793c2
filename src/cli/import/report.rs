//! What came of an import: counted, printed, and written down.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use serde::Serialize;

use super::read::LINE;
use crate::customers::{Counts, Outcome};

/// How many refusals are printed; a report has all.
const PRINTED: u64 = 20;
/// How many are kept for the console.
const KEPT: usize = 1000;

/// A record that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused<'r> {
    /// In which file.
    pub file: &'r str,
    /// In which line, from 1.
    pub line: u64,
    /// Which field; `line` where the line could not be read at all.
    pub field: &'r str,
    /// Why.
    pub reason: &'r str,
}

/// Counts, prints the first refusals, keeps some for the console, and writes all of them into a file as they come.
pub(super) struct Report {
    counts: Counts,
    refusals: u64,
    kept: Vec<serde_json::Value>,
    file: Option<BufWriter<File>>,
    talks: bool,
}

fn unwritten(error: impl std::fmt::Display) -> String {
    format!("the report could not be written: {error}")
}

impl Report {
    pub(super) fn open(path: Option<&Path>, talks: bool) -> Result<Self, String> {
        let open = |path| {
            let mut file = BufWriter::new(File::create(path)?);
            file.write_all(b"{\"refusals\":[")?;
            Ok::<_, std::io::Error>(file)
        };
        let file = path.map(open).transpose().map_err(unwritten)?;
        Ok(Self { counts: Counts::default(), refusals: 0, kept: Vec::new(), file, talks })
    }

    pub(super) fn count(&mut self, outcome: &Outcome, kind: &'static str) {
        self.counts.count(kind, outcome);
    }

    /// Counts a record that was not taken, and notes why.
    pub(super) fn refuse(
        &mut self,
        file: &str,
        line: u64,
        kind: Option<&'static str>,
        field: String,
        reason: String,
    ) -> Result<(), String> {
        *self.counts.refused.entry(kind.unwrap_or(LINE)).or_default() += 1;
        self.add(file, line, field, reason)
    }

    /// Notes what else is wrong with it.
    #[expect(clippy::print_stderr, reason = "commands talk to people on a terminal")]
    pub(super) fn add(&mut self, file: &str, line: u64, field: String, reason: String) -> Result<(), String> {
        self.refusals += 1;
        if self.talks && self.refusals <= PRINTED {
            eprintln!("{file}:{line}: {field}: {reason}");
        } else if self.talks && self.refusals == PRINTED + 1 {
            eprintln!("… more were refused; --report FILE writes all of them down");
        }
        let refused = Refused { file, line, field: &field, reason: &reason };
        if self.kept.len() < KEPT {
            self.kept.push(serde_json::to_value(&refused).map_err(unwritten)?);
        }
        if let Some(report) = &mut self.file {
            let json = serde_json::to_string(&refused).map_err(unwritten)?;
            let comma = if self.refusals > 1 { "," } else { "" };
            write!(report, "{comma}{json}").map_err(unwritten)?;
        }
        Ok(())
    }

    /// The first refusals as the console shows them, and how many there were.
    pub(super) fn kept(&mut self) -> (serde_json::Value, u64) {
        (serde_json::Value::Array(std::mem::take(&mut self.kept)), self.refusals)
    }

    /// Writes the counts, and why the import ended before its end, where it did.
    pub(super) fn close(self, failed: Option<&str>) -> Result<Counts, String> {
        if let Some(mut file) = self.file {
            // One object: the list of refusals, and the counts behind it.
            let counts = serde_json::to_string(&self.counts).map_err(unwritten)?;
            let failed = serde_json::to_string(&failed).map_err(unwritten)?;
            write!(file, "],\"failed\":{failed},{}", &counts[1..]).and_then(|()| file.flush()).map_err(unwritten)?;
        }
        Ok(self.counts)
    }
}
