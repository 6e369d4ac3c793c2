//! What came of an import: counted, printed, and written down.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use crate::{
    customers::{FILE, LINE, Outcome},
    operator::actions::{Refused, Report as Kept},
};

/// How many refusals are printed; a report has all.
const PRINTED: u64 = 20;

/// Counts, prints the first refusals, keeps some for the console, and writes all of them into a file as they come.
pub(super) struct Report {
    kept: Kept,
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
        Ok(Self { kept: Kept::default(), file, talks })
    }

    pub(super) fn count(&mut self, outcome: &Outcome, kind: &'static str) {
        self.kept.counts.count(kind, outcome);
    }

    /// Counts a record that was not taken, and notes why.
    pub(super) fn refuse(&mut self, file: &str, line: u64, kind: Option<&'static str>, field: &str, reason: &str) -> Result<(), String> {
        *self.kept.counts.refused.entry(kind.unwrap_or(LINE)).or_default() += 1;
        self.add(file, line, field, reason)
    }

    /// Counts a file that was not read, or not whole, and notes why.
    pub(super) fn refuse_file(&mut self, file: &str, reason: &str) -> Result<(), String> {
        *self.kept.counts.refused.entry(FILE).or_default() += 1;
        self.note(&Refused { file, line: None, field: FILE, reason })
    }

    /// Notes what else is wrong with a record.
    pub(super) fn add(&mut self, file: &str, line: u64, field: &str, reason: &str) -> Result<(), String> {
        self.note(&Refused { file, line: Some(line), field, reason })
    }

    #[expect(clippy::print_stderr, reason = "commands talk to people on a terminal")]
    fn note(&mut self, refused: &Refused<'_>) -> Result<(), String> {
        self.kept.refuse(refused);
        let refusals = self.kept.refusals;
        if self.talks && refusals <= PRINTED {
            let Refused { file, line, field, reason } = refused;
            match line {
                Some(line) => eprintln!("{file}:{line}: {field}: {reason}"),
                None => eprintln!("{file}: {reason}"),
            }
        } else if self.talks && refusals == PRINTED + 1 {
            eprintln!("… more were refused; --report FILE writes all of them down");
        }
        if let Some(report) = &mut self.file {
            let json = serde_json::to_string(refused).map_err(unwritten)?;
            let comma = if refusals > 1 { "," } else { "" };
            write!(report, "{comma}{json}").map_err(unwritten)?;
        }
        Ok(())
    }

    /// Writes the counts, and why the import ended before its end, where it did; gives what the console keeps.
    pub(super) fn close(self, failed: Option<&str>) -> Result<Kept, String> {
        if let Some(mut file) = self.file {
            // One object: the list of refusals, and the counts behind it.
            let counts = serde_json::to_string(&self.kept.counts).map_err(unwritten)?;
            let failed = serde_json::to_string(&failed).map_err(unwritten)?;
            write!(file, "],\"failed\":{failed},{}", &counts[1..]).and_then(|()| file.flush()).map_err(unwritten)?;
        }
        Ok(self.kept)
    }
}
