//! Backups: every row of every table as of one moment, in one file that either engine is restored from.
//!
//! The file is JSON Lines (`docs/backups.md`): a head, each table with its rows and their checksum, and an end with the
//! checksum of all before it. A file without its end is none.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, Read as _, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    db::{
        self, Connected, Db, Tx,
        tables::{self, Table, Value},
    },
    words::Timestamp,
};

/// What a file begins with.
const FORMAT: &str = "org-portal backup";
/// Raised where a reader of before would misunderstand.
const REVISION: u32 = 1;
/// The longest line that is read: whatever has longer ones is no backup.
const LONGEST: u64 = 256 * 1024 * 1024;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Head {
    format: String,
    revision: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// `sqlite` or `postgres`: where the rows came from.
    pub engine: String,
    /// As of when.
    pub at: String,
    /// The migrations that the schema had seen.
    pub migrations: BTreeSet<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TableHead {
    table: String,
    columns: Vec<String>,
    types: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TableEnd {
    rows: u64,
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    tables: u64,
    rows: u64,
    sha256: String,
}

/// A table's rows in short: the same on either engine, and in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Its name.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// The checksum of all of them, as lines of a backup, in the order of the key.
    pub sha256: String,
}

/// What is in a database or in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The migrations that the schema has seen.
    pub migrations: BTreeSet<i64>,
    /// Each table, by name.
    pub tables: Vec<Digest>,
}

impl Summary {
    /// How many rows there are in all.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// One checksum of all tables: two databases that have the same have the same rows.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut all = Sha256::new();
        for table in &self.tables {
            all.update(format!("{} {} {}\n", table.table, table.rows, table.sha256));
        }
        hex(all)
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A row as its line.
fn line(row: &[Value], out: &mut Vec<u8>) -> Result<(), String> {
    out.clear();
    out.push(b'[');
    for (n, value) in row.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        match value {
            Value::Null => out.extend(b"null"),
            Value::Integer(n) => out.extend(n.to_string().bytes()),
            Value::Text(text) => serde_json::to_writer(&mut *out, text).map_err(|e| e.to_string())?,
            Value::Bytes(bytes) => {
                out.push(b'"');
                out.extend(BASE64.encode(bytes).bytes());
                out.push(b'"');
            }
        }
    }
    out.extend(b"]\n");
    Ok(())
}

/// Counts and hashes the rows of a table, and hands their lines on.
async fn pass(db: &mut impl Connected, table: &Table, mut take: impl FnMut(&[u8]) -> Result<(), String>) -> Result<Digest, String> {
    let (mut hash, mut text) = (Sha256::new(), Vec::new());
    let rows = table
        .each_row(db, |row| {
            line(row, &mut text)?;
            hash.update(&text);
            take(&text)
        })
        .await?;
    Ok(Digest { table: table.name.clone(), rows, sha256: hex(hash) })
}

/// What is in a database, as of one moment.
///
/// # Errors
/// The database's.
pub async fn summarize(db: &mut impl Connected) -> Result<Summary, String> {
    let migrations = db::seen(db).await.map_err(|e| format!("it is no database of the portal's: {e}"))?;
    let mut digests = Vec::new();
    for table in tables::all(db).await.map_err(|e| e.to_string())? {
        digests.push(pass(db, &table, |_| Ok(())).await?);
    }
    Ok(Summary { migrations, tables: digests })
}

/// Writes what hashes all that goes through it.
struct Hashing<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Hashing<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.hash.update(bytes);
        self.out.write_all(bytes).map_err(|e| e.to_string())
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), String> {
        let mut text = serde_json::to_vec(value).map_err(|e| e.to_string())?;
        text.push(b'\n');
        self.put(&text)
    }
}

/// Writes a backup of a database as of one moment; whoever writes in it meanwhile is not kept waiting.
///
/// # Errors
/// The database's, also where the engine finds it damaged, and the output's. What was written then has no end.
pub async fn write(db: &Db, now: Timestamp, out: &mut dyn Write) -> Result<Summary, String> {
    let mut tx = db.snapshot().await.map_err(|e| e.to_string())?;
    let damage = tables::damage(&mut tx).await.map_err(|e| e.to_string())?;
    if !damage.is_empty() {
        return Err(format!("the database is damaged, and no backup was made of it: {}", damage.join("; ")));
    }
    let migrations = db::seen(&mut tx).await.map_err(|e| format!("it is no database of the portal's: {e}"))?;
    let mut out = Hashing { out, hash: Sha256::new() };
    let engine = if matches!(tx, Tx::Sqlite(_)) { "sqlite" } else { "postgres" };
    out.json(&Head {
        format: FORMAT.to_owned(),
        revision: REVISION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        engine: engine.to_owned(),
        at: now.rfc3339(),
        migrations: migrations.clone(),
    })?;
    let mut digests = Vec::new();
    for table in tables::all(&mut tx).await.map_err(|e| e.to_string())? {
        out.json(&TableHead {
            table: table.name.clone(),
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
            types: table.columns.iter().map(|column| column.kind.name().to_owned()).collect(),
        })?;
        let digest = pass(&mut tx, &table, |line| out.put(line)).await?;
        out.json(&TableEnd { rows: digest.rows, sha256: digest.sha256.clone() })?;
        digests.push(digest);
    }
    let summary = Summary { migrations, tables: digests };
    let end = End { tables: summary.tables.len() as u64, rows: summary.rows(), sha256: hex(out.hash.clone()) };
    out.json(&end)?;
    out.out.flush().map_err(|e| e.to_string())?;
    Ok(summary)
}

/// A backup that is read, line by line.
struct Reader<'a> {
    from: &'a mut dyn BufRead,
    line: Vec<u8>,
    hash: Sha256,
    tables: u64,
    rows: u64,
}

const CUT_OFF: &str = "the backup is cut off: it does not reach its end";

impl<'a> Reader<'a> {
    fn open(from: &'a mut dyn BufRead) -> Result<(Self, Head), String> {
        const NONE: &str = "this is no backup of Org Portal";
        let mut reader = Self { from, line: Vec::new(), hash: Sha256::new(), tables: 0, rows: 0 };
        reader.next().map_err(|e| if e == CUT_OFF { NONE.to_owned() } else { e })?;
        let head: Head = serde_json::from_slice(&reader.line).map_err(|_| NONE)?;
        if head.format != FORMAT {
            return Err(NONE.to_owned());
        }
        if head.revision > REVISION {
            return Err(format!("version {} of the program wrote this backup, in a form that this version does not know", head.program));
        }
        reader.hash.update(&reader.line);
        Ok((reader, head))
    }

    /// Reads a line. It is not hashed yet.
    fn next(&mut self) -> Result<(), String> {
        self.line.clear();
        (&mut self.from).take(LONGEST).read_until(b'\n', &mut self.line).map_err(|e| e.to_string())?;
        if self.line.last() == Some(&b'\n') { Ok(()) } else { Err(CUT_OFF.to_owned()) }
    }

    /// The next table; nothing at the end, which was looked at then.
    fn table(&mut self) -> Result<Option<TableHead>, String> {
        self.next()?;
        if let Ok(head) = serde_json::from_slice::<TableHead>(&self.line) {
            self.hash.update(&self.line);
            self.tables += 1;
            return Ok(Some(head));
        }
        let end: End = serde_json::from_slice(&self.line).map_err(|_| "the backup is damaged: neither a table nor the end".to_owned())?;
        if (end.tables, end.rows, end.sha256) != (self.tables, self.rows, hex(self.hash.clone())) {
            return Err("the backup is damaged: its checksum does not fit".to_owned());
        }
        let mut more = [0];
        match self.from.read(&mut more) {
            Ok(0) => Ok(None),
            Ok(_) => Err("the backup is damaged: something comes after its end".to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Reads the rows of a table: what comes of each, and at its end the digest.
    fn rows(&mut self, head: &TableHead) -> Rows<'_, 'a> {
        Rows { reader: self, table: head.table.clone(), types: head.types.clone(), hash: Sha256::new(), rows: 0, digest: None }
    }
}

struct Rows<'r, 'a> {
    reader: &'r mut Reader<'a>,
    table: String,
    types: Vec<String>,
    hash: Sha256,
    rows: u64,
    digest: Option<Digest>,
}

impl Rows<'_, '_> {
    /// The next row; nothing at the table's end, which was looked at then.
    fn next(&mut self) -> Result<Option<Vec<Value>>, String> {
        if self.digest.is_some() {
            return Ok(None);
        }
        let damaged = || format!("the backup is damaged: {}, after {} rows", self.table, self.rows);
        self.reader.next()?;
        let line = &self.reader.line;
        if line.first() == Some(&b'[') {
            let values: Vec<serde_json::Value> = serde_json::from_slice(line).map_err(|_| damaged())?;
            if values.len() != self.types.len() {
                return Err(damaged());
            }
            let mut row = Vec::with_capacity(values.len());
            for (value, kind) in values.into_iter().zip(&self.types) {
                row.push(match (value, kind.as_str()) {
                    (serde_json::Value::Null, _) => Value::Null,
                    (serde_json::Value::Number(n), "integer") => Value::Integer(n.as_i64().ok_or_else(damaged)?),
                    (serde_json::Value::String(text), "text") => Value::Text(text),
                    (serde_json::Value::String(text), "bytes") => Value::Bytes(BASE64.decode(text).map_err(|_| damaged())?),
                    _ => return Err(damaged()),
                });
            }
            self.hash.update(line);
            self.reader.hash.update(line);
            self.rows += 1;
            self.reader.rows += 1;
            return Ok(Some(row));
        }
        let end: TableEnd = serde_json::from_slice(line).map_err(|_| damaged())?;
        let sha256 = hex(self.hash.clone());
        if (end.rows, &end.sha256) != (self.rows, &sha256) {
            return Err(format!("{}: its checksum does not fit", damaged()));
        }
        self.reader.hash.update(line);
        self.digest = Some(Digest { table: self.table.clone(), rows: self.rows, sha256 });
        Ok(None)
    }
}

/// Reads a backup to its end and says what is in it.
///
/// # Errors
/// Where it is none, is cut off, or is damaged.
pub fn check(from: &mut dyn BufRead) -> Result<(Head, Summary), String> {
    let (mut reader, head) = Reader::open(from)?;
    let mut tables = Vec::new();
    while let Some(table) = reader.table()? {
        let mut rows = reader.rows(&table);
        while rows.next()?.is_some() {}
        tables.extend(rows.digest);
    }
    let summary = Summary { migrations: head.migrations.clone(), tables };
    Ok((head, summary))
}

/// Fills an empty database from a backup, in one transaction: of the schema that the backup had, then of its rows, each
/// table compared with what was read; then what migrations there are since.
async fn fill(tx: &mut Tx, from: &mut dyn BufRead) -> Result<Summary, String> {
    let text = |e: sqlx::Error| e.to_string();
    let (mut reader, head) = Reader::open(from)?;
    let unknown: Vec<String> = head.migrations.difference(&db::known()).map(ToString::to_string).collect();
    if !unknown.is_empty() {
        return Err(format!(
            "version {} of the program wrote this backup, which is newer than this one: it knows the migrations {}, and this one does not",
            head.program,
            unknown.join(", ")
        ));
    }
    db::migrate_in(tx, Some(&head.migrations)).await.map_err(|e| e.to_string())?;
    let keys = tables::loosen(tx).await.map_err(text)?;
    let known = tables::all(tx).await.map_err(text)?;
    let mut filled = Vec::new();
    while let Some(of) = reader.table()? {
        let table = known.iter().find(|table| table.name == of.table).ok_or_else(|| format!("there is no table {}", of.table))?;
        if !table.columns.iter().map(|c| (c.name.as_str(), c.kind.name())).eq(of
            .columns
            .iter()
            .map(String::as_str)
            .zip(of.types.iter().map(String::as_str)))
        {
            return Err(format!("the table {} has other columns in the backup", of.table));
        }
        let mut rows = reader.rows(&of);
        table.fill(tx, || rows.next()).await?;
        filled.extend(rows.digest);
    }
    tables::tighten(tx, keys).await.map_err(text)?;
    for table in &known {
        let digest =
            filled.iter().find(|digest| digest.table == table.name).ok_or_else(|| format!("the backup lacks the table {}", table.name))?;
        if pass(tx, table, |_| Ok(())).await? != *digest {
            return Err(format!("{}: the rows in the database are not those of the backup", table.name));
        }
    }
    db::migrate_in(tx, None).await.map_err(|e| e.to_string())?;
    let damage = tables::damage(tx).await.map_err(text)?;
    if !damage.is_empty() {
        return Err(format!("what was restored is not sound: {}", damage.join("; ")));
    }
    tables::analyze(tx).await.map_err(text)?;
    Ok(Summary { migrations: head.migrations, tables: filled })
}

/// Restores a backup into the empty place that a database URL names: a SQLite file that does not exist, or a PostgreSQL
/// database with nothing in it. Until all of it is there and compared, nothing of it is.
///
/// # Errors
/// Where there is something already, the backup is none, cut off, damaged or newer, or the database does not take it.
pub async fn restore(url: &str, from: &mut dyn BufRead) -> Result<Summary, String> {
    match Db::file(url) {
        Some(file) => {
            // A log of changes that lies there alone would be played into the new file.
            for there in [PathBuf::new(), PathBuf::from("-wal"), PathBuf::from("-shm"), PathBuf::from("-journal")] {
                let mut path = file.clone().into_os_string();
                path.push(there);
                if fs::symlink_metadata(&path).is_ok() {
                    return Err(format!("{} exists: restore into a place where nothing is", Path::new(&path).display()));
                }
            }
            let draft = Draft::begin(&file)?;
            let db = Db::open_blank(draft.path()).await.map_err(|e| format!("{}: {e}", draft.path().display()))?;
            let mut tx = db.begin_long().await.map_err(|e| e.to_string())?;
            let summary = fill(&mut tx, from).await?;
            tx.commit().await.map_err(|e| e.to_string())?;
            db.close().await;
            draft.finish()?;
            Ok(summary)
        }
        None => {
            let db = Db::open(url).await.map_err(|e| format!("the database cannot be opened: {e}"))?;
            let mut tx = db.begin_long().await.map_err(|e| e.to_string())?;
            if tables::occupied(&mut tx).await.map_err(|e| e.to_string())? {
                return Err("there are tables in this database: restore into a new, empty one".to_owned());
            }
            let summary = fill(&mut tx, from).await?;
            tx.commit().await.map_err(|e| e.to_string())?;
            db.close().await;
            Ok(summary)
        }
    }
}

/// A file under another name until it is whole: what is broken off leaves the name that was asked for free. Only whoever
/// began it may read it.
pub struct Draft {
    path: PathBuf,
    target: PathBuf,
    file: File,
    done: bool,
}

impl Draft {
    /// Begins one beside its target, in place of one that was broken off.
    ///
    /// # Errors
    /// Where the target exists, or somebody else is at it.
    pub fn begin(target: &Path) -> Result<Self, String> {
        let name = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
        if fs::symlink_metadata(target).is_ok() {
            return Err(format!("{} exists, and is left as it is", target.display()));
        }
        let mut path = target.to_owned().into_os_string();
        path.push(".unfinished");
        let path = PathBuf::from(path);
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|e| name(&path, e))?;
        // What was locked may have got its name meanwhile: then it is somebody's finished work.
        let ours =
            file.try_lock().is_ok() && fs::symlink_metadata(&path).and_then(|at| Ok(at.ino() == file.metadata()?.ino())).unwrap_or(false);
        if !ours {
            return Err(format!("{} is being written by somebody else", path.display()));
        }
        file.set_len(0).map_err(|e| name(&path, e))?;
        Ok(Self { path, target: target.to_owned(), file, done: false })
    }

    /// Where it is until then.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to write into.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes it last and gives it its name.
    ///
    /// # Errors
    /// The file system's, and where something has the name by now.
    pub fn finish(mut self) -> Result<(), String> {
        self.file.sync_all().map_err(|e| format!("{}: {e}", self.path.display()))?;
        if fs::symlink_metadata(&self.target).is_ok() {
            return Err(format!("{} exists by now, and is left as it is", self.target.display()));
        }
        fs::rename(&self.path, &self.target).map_err(|e| format!("{}: {e}", self.target.display()))?;
        self.done = true;
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| format!("{}: {e}", folder.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> Vec<u8> {
        let mut text = Vec::new();
        let mut out = Hashing { out: &mut text, hash: Sha256::new() };
        let head = Head {
            format: FORMAT.to_owned(),
            revision: REVISION,
            program: "0.1.0".to_owned(),
            engine: "sqlite".to_owned(),
            at: String::new(),
            migrations: BTreeSet::from([1]),
        };
        out.json(&head).expect("written");
        let table = TableHead {
            table: "t".to_owned(),
            columns: ["a", "b", "c"].map(str::to_owned).to_vec(),
            types: ["bytes", "integer", "text"].map(str::to_owned).to_vec(),
        };
        out.json(&table).expect("written");
        let (mut hash, mut one) = (Sha256::new(), Vec::new());
        for n in 0..3 {
            line(&[Value::Bytes(vec![n, 255]), Value::Integer(i64::from(n) - 1), Value::Text("a\n\"\u{1f}é".to_owned())], &mut one)
                .expect("a line");
            hash.update(&one);
            out.put(&one).expect("written");
        }
        out.json(&TableEnd { rows: 3, sha256: hex(hash) }).expect("written");
        let end = End { tables: 1, rows: 3, sha256: hex(out.hash.clone()) };
        out.json(&end).expect("written");
        text
    }

    #[test]
    fn a_whole_backup_is_read_to_its_end() {
        let text = backup();
        let (head, summary) = check(&mut text.as_slice()).expect("whole");
        assert_eq!((head.program.as_str(), summary.rows(), summary.tables.len()), ("0.1.0", 3, 1));
        let (mut from, mut values) = (text.as_slice(), Vec::new());
        let (mut reader, _) = Reader::open(&mut from).expect("a head");
        let table = reader.table().expect("a line").expect("a table");
        let mut rows = reader.rows(&table);
        while let Some(row) = rows.next().expect("a row") {
            values.push(row);
        }
        assert_eq!(values[0], [Value::Bytes(vec![0, 255]), Value::Integer(-1), Value::Text("a\n\"\u{1f}é".to_owned())]);
    }

    #[test]
    fn whatever_is_cut_off_is_no_backup() {
        let text = backup();
        for length in 0..text.len() {
            assert!(check(&mut &text[..length]).is_err(), "{length} of {} bytes", text.len());
        }
    }

    #[test]
    fn whatever_is_changed_is_no_backup() {
        let text = backup();
        let head = text.iter().position(|byte| *byte == b'\n').expect("a line");
        for at in 0..text.len() {
            let mut wrong = text.clone();
            wrong[at] = if wrong[at] == b'1' { b'2' } else { b'1' };
            // What the head says in words stands under the last checksum, too.
            assert!(check(&mut wrong.as_slice()).is_err(), "byte {at} of {} (head {head})", text.len());
        }
        let mut longer = text.clone();
        longer.push(b'\n');
        assert!(check(&mut longer.as_slice()).is_err());
        assert_eq!(check(&mut &b"PGDMP..."[..]).expect_err("none"), "this is no backup of Org Portal");
    }
}
