//! Reading what is to be imported: lines of JSON and of CSV, one record each, never more than one of them in memory.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::customers::{Kind, Raw};

/// The longest line, in bytes.
const LONGEST: usize = 1024 * 1024;
/// What a folder holds of JSON Lines: the first goes before its CSV files, the second behind them.
const FOLDERS: [&str; 2] = ["customers.jsonl", "tickets.jsonl"];

/// A line of a file: its number, and the record that it holds, or why it cannot be read.
pub(super) type Line = (u64, Result<Raw, String>);

type Lines = Box<dyn Iterator<Item = Result<Line, String>> + Send>;

/// Something to import, line by line.
pub(super) struct Source {
    /// The file's name.
    pub(super) name: String,
    /// Its size in bytes, where it has one.
    pub(super) size: Option<u64>,
    /// How many bytes of it are read.
    pub(super) read: Arc<AtomicU64>,
    pub(super) lines: Lines,
    /// The same file, to look at its size again.
    file: File,
}

impl Source {
    /// Why what was read is perhaps not the whole: somebody has written into it.
    pub(super) fn changed(&self) -> Option<String> {
        let (then, now) = (self.size?, self.file.metadata().ok()?.len());
        (then != now).then(|| {
            format!("The file had {then} bytes when it was opened and has {now} now: import it again when nobody writes it any more")
        })
    }
}

/// Why something cannot be imported at all: the file and the sentence.
pub(super) struct Unreadable {
    pub(super) file: String,
    pub(super) why: String,
}

/// What there is to import at a path, customers first; and what a folder holds beside it that is not read. The import's own
/// report may stand there.
pub(super) fn sources(path: &Path, report: Option<&Path>) -> Result<(Vec<Source>, Vec<Unreadable>), Unreadable> {
    if !path.is_dir() {
        return Ok((vec![source(path)?], Vec::new()));
    }
    let entries = std::fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(|error| Unreadable { file: name_of(path), why: error.to_string() })?;
    let mut names: Vec<String> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    // By the names as they are written, also where the file system does not tell upper and lower case apart.
    let (known, mut rest): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| known().contains(&name.as_str()) && path.join(name).is_file());
    let known = self::known().into_iter().filter(|name| known.iter().any(|there| there == name));
    let sources = known.map(|name| source(&path.join(name))).collect::<Result<Vec<_>, _>>()?;
    let report = report.and_then(|report| report.canonicalize().ok());
    rest.retain(|name| !name.starts_with('.') && (report.is_none() || path.join(name).canonicalize().ok() != report));
    let rest = rest.into_iter().map(|file| Unreadable { why: passed_over(&file, path.join(&file).is_dir()), file });
    Ok((sources, rest.collect()))
}

/// The files of a folder that are read, in their order.
pub(super) fn known() -> Vec<&'static str> {
    [FOLDERS[0]].into_iter().chain(Kind::ALL.map(Kind::file)).chain([FOLDERS[1]]).collect()
}

/// Why something in a folder is not read, and what was perhaps meant.
fn passed_over(name: &str, is_folder: bool) -> String {
    if is_folder {
        return "It was not read: it is a folder, and what it holds is none of this one's".to_owned();
    }
    let lower = name.to_lowercase();
    let (stem, ending) = lower.rsplit_once('.').unwrap_or((lower.as_str(), ""));
    let ending = if ending.contains("json") { "jsonl" } else { "csv" };
    let of_kind = Kind::ALL.into_iter().find(|kind| ending == "csv" && kind.name() == stem).map(Kind::file);
    let is_like = |file: &&str| {
        file.split_once('.').is_some_and(|(of, with)| with == ending && of.trim_end_matches('s') == stem.trim_end_matches('s'))
    };
    match of_kind.or_else(|| known().into_iter().find(is_like)) {
        Some(meant) => format!("It was not read: nothing is called so; did you mean {meant}?"),
        None => format!("It was not read: what a folder holds is called {}", known().join(", ")),
    }
}

/// What a path is called in reports.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn source(path: &Path) -> Result<Source, Unreadable> {
    let name = name_of(path);
    let failed = |why: String| Unreadable { file: name.clone(), why };
    let open = || {
        let file = File::open(path)?;
        let data = file.metadata()?;
        Ok::<_, std::io::Error>((file.try_clone()?, file, data.is_file().then_some(data.len())))
    };
    let (file, reading, size) = open().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed("There is no such file or folder".to_owned()),
        _ => failed(error.to_string()),
    })?;
    let read = Arc::new(AtomicU64::new(0));
    // Of a file that grows, what was there: else it would perhaps never end.
    let counting = Counting { inner: reading.take(size.unwrap_or(u64::MAX)), read: Arc::clone(&read) };
    let mut reader = BufReader::with_capacity(1 << 16, counting);
    let beginning = reader.fill_buf().map_err(|error| failed(error.to_string()))?;
    if beginning.starts_with(b"\xFF\xFE") || beginning.starts_with(b"\xFE\xFF") {
        return Err(failed("It is UTF-16; everything has to be UTF-8".to_owned()));
    }
    // A byte order mark is no part of the first line.
    if beginning.starts_with(b"\xEF\xBB\xBF") {
        reader.consume(3);
    }
    let lines: Lines = match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl" | "ndjson") => Box::new(json_lines(reader)),
        Some("csv") => {
            let names = Kind::ALL.map(Kind::file).join(", ");
            let kind = Kind::ALL.into_iter().find(|kind| kind.file() == name);
            let kind = kind.ok_or_else(|| failed(format!("A CSV file tells by its name what it holds: {names}")))?;
            Box::new(csv_lines(kind, reader).map_err(failed)?)
        }
        _ => return Err(failed("The file's name has to end in .jsonl or .csv; or name a folder with such files".to_owned())),
    };
    Ok(Source { name, size, read, lines, file })
}

/// Counts what is read through it.
struct Counting<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

const TOO_LONG: &str = "It is longer than a mebibyte";
const NO_UTF8: &str = "It is not UTF-8";

/// The records of a file of JSON Lines, one object a line.
fn json_lines(mut reader: impl BufRead + Send) -> impl Iterator<Item = Result<Line, String>> + Send {
    let (mut number, mut line) = (0, Vec::new());
    std::iter::from_fn(move || {
        loop {
            number += 1;
            line.clear();
            match reader.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut line) {
                Err(error) => return Some(Err(error.to_string())),
                Ok(0) => return None,
                Ok(_) => {}
            }
            if line.len() > LONGEST && !line.ends_with(b"\n") {
                line = Vec::new();
                return Some(match skip_line(&mut reader) {
                    Err(error) => Err(error.to_string()),
                    Ok(()) => Ok((number, Err(TOO_LONG.to_owned()))),
                });
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(Ok((number, object(&line))));
            }
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
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let n = end.map_or(buffer.len(), |at| at + 1);
        reader.consume(n);
        if end.is_some() {
            return Ok(());
        }
    }
}

fn object(line: &[u8]) -> Result<Raw, String> {
    let text = std::str::from_utf8(line).map_err(|_| NO_UTF8)?;
    let value: serde_json::Value = serde_json::from_str(text.trim_end()).map_err(|error| {
        if error.is_eof() {
            return "It is not JSON: the line ends before the object does".to_owned();
        }
        // The line is the file's, and said already.
        let (why, column) = (error.to_string(), error.column());
        let why = why.split(" at line ").next().unwrap_or_default();
        format!("It is not JSON: {} at column {column}", why.chars().take(200).collect::<String>())
    })?;
    let serde_json::Value::Object(mut fields) = value else { return Err("It is not an object".to_owned()) };
    let kind = fields.remove("kind");
    let kind = kind.as_ref().and_then(serde_json::Value::as_str).and_then(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name));
    let mut raw = Raw::new(kind.ok_or_else(|| format!("Its kind is none of {}", Kind::ALL.map(Kind::name).join(", ")))?);
    for (name, value) in fields {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(bool) => bool.to_string(),
            serde_json::Value::Array(items) => {
                let items: Option<Vec<&str>> = items.iter().map(serde_json::Value::as_str).collect();
                items.ok_or_else(|| format!("{} is not a list of texts", short(&name)))?.join("\n")
            }
            serde_json::Value::Object(_) => return Err(format!("{} is not a text or a number", short(&name))),
        };
        raw.put(&name, text);
    }
    Ok(raw)
}

fn short(name: &str) -> String {
    name.chars().take(60).collect()
}

/// The fields of which a value may have several lines.
const OF_LINES: [&str; 3] = ["description", "body", "products"];

/// The records of a CSV file (RFC 4180), whose first line names the fields.
fn csv_lines(kind: Kind, reader: impl BufRead + Send + 'static) -> Result<impl Iterator<Item = Result<Line, String>> + Send, String> {
    let mut csv = Csv { reader, core: csv_core::Reader::new(), bytes: vec![0; 4096], ends: vec![0; 64] };
    let wrong = |what: &str| format!("The first line has to name fields of a {}: {}; {what}", kind.name(), kind.fields().join(", "));
    let names: Vec<String> = match csv.record().map_err(|error| error.to_string())? {
        None => return Err(wrong("the file is empty")),
        Some((_, Err(why))) => return Err(format!("The first line cannot be read: {why}")),
        Some((_, Ok(fields))) => {
            let texts: Result<Vec<&str>, _> = fields.into_iter().map(std::str::from_utf8).collect();
            texts.map_err(|_| wrong("it is not UTF-8"))?.into_iter().map(|name| name.trim().to_owned()).collect()
        }
    };
    let separators = [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];
    if let [only] = names.as_slice()
        && let Some((_, what)) = separators.into_iter().find(|(separator, _)| only.contains(*separator))
    {
        return Err(format!("Its fields are separated by {what}, and have to be separated by commas"));
    }
    let places: Option<Vec<usize>> = names.iter().map(|name| kind.fields().iter().position(|field| field == name)).collect();
    let said = || wrong(&format!("it is {}", names.iter().take(20).map(|name| short(name)).collect::<Vec<_>>().join(", ")));
    let places = places.filter(|places| places.contains(&0)).ok_or_else(said)?;
    if let Some(n) = (1..places.len()).find(|n| places[..*n].contains(&places[*n])) {
        return Err(format!("The first line names {} twice", short(&names[n])));
    }
    Ok(std::iter::from_fn(move || {
        let (number, fields) = match csv.record() {
            Err(error) => return Some(Err(error.to_string())),
            Ok(found) => found?,
        };
        let fields = match fields {
            Ok(fields) => fields,
            Err(why) => return Some(Ok((number, Err(why)))),
        };
        let behind = match fields.iter().map(|field| line_breaks(field)).sum::<u64>() {
            0 => String::new(),
            breaks => format!(", and goes on to line {}: is a quote not closed?", number + breaks),
        };
        let torn = fields
            .iter()
            .zip(&places)
            .find(|(field, place)| !OF_LINES.contains(&kind.fields()[**place]) && line_breaks(field.trim_ascii()) > 0);
        let read = if fields.len() != places.len() {
            let has = if fields.len() == 1 { "1 field".to_owned() } else { format!("{} fields", fields.len()) };
            Err(format!("It has {has} where the first line names {}{behind}", places.len()))
        } else if let Some((_, place)) = torn {
            Err(format!("Its {} does not end with the line{behind}", kind.fields()[*place]))
        } else {
            let mut raw = Raw::new(kind);
            let texts = fields.iter().zip(&places).try_for_each(|(field, place)| {
                raw.put_at(*place, std::str::from_utf8(field)?.to_owned());
                Ok::<_, std::str::Utf8Error>(())
            });
            texts.map(|()| raw).map_err(|_| NO_UTF8.to_owned())
        };
        Some(Ok((number, read)))
    }))
}

fn line_breaks(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Reads records one by one and holds none that is too long.
struct Csv<R> {
    reader: R,
    core: csv_core::Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// A record: the line where it begins, and its fields, or why it cannot be read.
type CsvRecord<'r> = (u64, Result<Vec<&'r [u8]>, String>);

impl<R: BufRead> Csv<R> {
    fn record(&mut self) -> std::io::Result<Option<CsvRecord<'_>>> {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};
        // Empty lines are no records, and the next one does not begin in them.
        loop {
            let buffer = self.reader.fill_buf()?;
            match buffer.first() {
                Some(byte @ (b'\n' | b'\r')) => {
                    let byte = [*byte];
                    self.core.read_record(&byte, &mut self.bytes, &mut self.ends);
                    self.reader.consume(1);
                }
                _ => break,
            }
        }
        let begins = self.core.line();
        let (mut written, mut ended, mut is_long, mut is_open) = (0, 0, false, false);
        loop {
            let buffer = self.reader.fill_buf()?;
            // At its end the file is read as if a line ended there: inside of quotation marks that ends no record, and is kept.
            let is_over = buffer.is_empty();
            let input = if is_over { b"\n" } else { buffer };
            let (result, read, wrote, ends) = self.core.read_record(input, &mut self.bytes[written..], &mut self.ends[ended..]);
            if !is_over {
                self.reader.consume(read);
            }
            (written, ended) = (written + wrote, ended + ends);
            is_open = is_over && wrote > 0;
            match result {
                _ if is_open => break,
                InputEmpty if is_over => return Ok(None),
                InputEmpty => {}
                OutputFull if self.bytes.len() < LONGEST => self.bytes.resize(self.bytes.len() * 2, 0),
                OutputEndsFull if self.ends.len() < 1024 => self.ends.resize(self.ends.len() * 2, 0),
                // Gone past, over and over the same bytes.
                OutputFull | OutputEndsFull => (written, ended, is_long) = (0, 0, true),
                Record => break,
                End => return Ok(None),
            }
        }
        if is_open {
            // So that nothing follows.
            self.core.read_record(&[], &mut [0], &mut [0]);
            let line = if is_long {
                begins
            } else {
                let from = if ended > 1 { self.ends[ended - 2] } else { 0 };
                self.core.line() - line_breaks(&self.bytes[from..written])
            };
            return Ok(Some((
                begins,
                Err(format!("A quote that opens on line {line} is not closed, so that nothing behind it could be read")),
            )));
        }
        if is_long {
            return Ok(Some((begins, Err(TOO_LONG.to_owned()))));
        }
        let mut from = 0;
        let fields = self.ends[..ended].iter().map(|end| {
            let field = &self.bytes[from..*end];
            from = *end;
            field
        });
        Ok(Some((begins, Ok(fields.collect()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Vec<(u64, Result<Vec<String>, String>)> {
        // In small pieces, as a file may come.
        let reader = BufReader::with_capacity(3, std::io::Cursor::new(text.to_owned().into_bytes()));
        let mut csv = Csv { reader, core: csv_core::Reader::new(), bytes: vec![0; 4], ends: vec![0; 1] };
        let mut found = Vec::new();
        while let Some((line, fields)) = csv.record().expect("read") {
            found.push((line, fields.map(|fields| fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect())));
        }
        found
    }

    #[test]
    fn records_of_csv_begin_where_they_begin() {
        let found = csv("a,b\r\n\r\n\n\"x\ny\",\"1\"\"2\"\r\nlast,\n\n\nend,ü");
        let expected = [(1, ["a", "b"]), (4, ["x\ny", "1\"2"]), (6, ["last", ""]), (9, ["end", "ü"])];
        let expected: Vec<_> = expected.map(|(line, fields)| (line, Ok::<_, String>(fields.map(str::to_owned).to_vec()))).to_vec();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_said_where_it_opens() {
        for (text, begins, opens) in [
            ("a,b\n1,\"x\n2,y\n", 2, 2),
            ("a,b\n1,\"x", 2, 2),
            ("a,b\n\"1\n1\",\"x\n2,y\n", 2, 3),
            ("a,b\n1,\"x \"\" y\n2,y", 2, 2),
            ("a,b\n1,\"", 2, 2),
        ] {
            let found = csv(text);
            assert_eq!((found.len(), found[1].0), (2, begins), "{text}: {found:?}");
            let why = found[1].1.as_ref().expect_err("it is open");
            assert!(why.starts_with(&format!("A quote that opens on line {opens} is not closed")), "{text}: {why}");
        }
        let long = format!("a,b\n1,\"{}", "x\n".repeat(LONGEST));
        assert!(csv(&long)[1].1.as_ref().is_err_and(|why| why.contains("opens on line 2")));
        // Closed, or none at all.
        for text in ["a,b\n1,\"x\"", "a,b\n1,\"x\"\n", "a,b\n1,x\"", "a,b\n1,", "a,b\r\n1,\"x\"\r\n\r\n", "a,b\n1,\"\""] {
            let found = csv(text);
            assert!(found.len() == 2 && found[1].1.is_ok(), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_record_of_csv_that_is_too_long_is_gone_past() {
        let long = "x".repeat(3 * LONGEST);
        let many = ",".repeat(5000);
        let found = csv(&format!("a,b\n{long},\"{long}\n{long}\"\n{many}\nc,d\n"));
        assert_eq!(
            found.iter().map(|(line, fields)| (*line, fields.is_ok())).collect::<Vec<_>>(),
            [(1, true), (2, false), (4, false), (5, true)]
        );
    }
}
