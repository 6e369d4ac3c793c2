//! `org-portal backup`, `restore` and `verify`: all rows into a file, out of it, and told apart.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, IsTerminal as _},
    path::{Path, PathBuf},
};

use clap::{Arg, ArgMatches, Command};

use crate::{
    backup::{self, Draft, Summary},
    clock::Clock,
    config::Config,
    db::{Db, Pending, tables},
    seal,
};

/// What stands for standard output and input.
const STREAM: &str = "-";

pub(super) fn commands(with_options: impl Fn(Command) -> Command) -> [Command; 3] {
    let backup = with_options(Command::new("backup").about("Write everything in the database into a file, while the portal runs or not"))
        .arg(
            Arg::new("target")
                .value_name("TARGET")
                .required(true)
                .help("A file that does not exist, a folder for one named by the time, or - for standard output"),
        );
    let restore = with_options(Command::new("restore").about("Put a backup into a new, empty database of either kind"))
        .arg(Arg::new("source").value_name("SOURCE").required(true).help("The file, or - for standard input"));
    let verify = with_options(
        Command::new("verify").about("Look whether a backup or the database is whole, and print each table's rows with a checksum"),
    )
    .arg(Arg::new("source").value_name("SOURCE").help("The file, or - for standard input; the database where it is left out"));
    [backup, restore, verify]
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to people on a terminal")]
pub(super) async fn backup(config: &Config, matches: &ArgMatches) -> Result<(), String> {
    let target = matches.get_one::<String>("target").cloned().unwrap_or_default();
    let now = Clock::system().now();
    let db = open(config).await?;
    if target == STREAM {
        if io::stdout().is_terminal() {
            return Err("a backup is not for reading on a terminal: lead standard output into a file or a program".to_owned());
        }
        let summary = backup::write(&db, now, &mut BufWriter::new(io::stdout().lock())).await?;
        eprintln!("{} rows of {} tables: done.", summary.rows(), summary.tables.len());
        if let Some(key) = seal::path(config).filter(|key| key.exists()) {
            eprintln!("The key file is not in it: copy {}, too, to another place.", key.display());
        }
    } else {
        let mut path = PathBuf::from(target);
        if path.is_dir() {
            path.push(format!("org-portal-{}.backup", now.rfc3339().replace([':', '-'], "")));
        }
        let draft = Draft::begin(&path)?;
        let written = backup::write(&db, now, &mut BufWriter::with_capacity(1 << 20, draft.file())).await?;
        // A disk that has not kept what it took is found now and not on the day when the backup is needed.
        draft.file().sync_all().map_err(|e| format!("{}: {e}", draft.path().display()))?;
        let (_, read) = backup::check(&mut reader(draft.path())?)?;
        if read != written {
            return Err(format!("{}: what was read again is not what was written", draft.path().display()));
        }
        // The key first: a backup that has its name has all that belongs to it.
        let key = seal::path(config).filter(|key| key.exists());
        if let Some(from) = &key {
            copy(from, &beside(&path))?;
        }
        draft.finish()?;
        println!("{}: {} rows of {} tables, read again and right.", path.display(), written.rows(), written.tables.len());
        if key.is_some() {
            println!("{}: the key that secrets in it are sealed with. Keep the two apart.", beside(&path).display());
        }
    }
    db.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn restore(config: &Config, matches: &ArgMatches) -> Result<(), String> {
    let source = matches.get_one::<String>("source").cloned().unwrap_or_default();
    // Looked at first, so that nothing is restored whose key would not fit.
    let key = Some(beside(Path::new(&source))).filter(|key| source != STREAM && key.exists());
    let place = seal::path(config);
    if let (Some(from), Some(to)) = (&key, &place)
        && to.exists()
        && std::fs::read(from).ok() != std::fs::read(to).ok()
    {
        return Err(format!("{} exists and is another key than {}", to.display(), from.display()));
    }
    let summary = if source == STREAM {
        backup::restore(&config.database_url, &mut io::stdin().lock()).await?
    } else {
        backup::restore(&config.database_url, &mut reader(Path::new(&source))?).await?
    };
    println!("{} rows of {} tables are in the database, compared and right.", summary.rows(), summary.tables.len());
    match (key, place) {
        (Some(from), Some(to)) if !to.exists() => {
            copy(&from, &to)?;
            println!("{}: the key that secrets in it are sealed with.", to.display());
        }
        (Some(from), None) => {
            println!("The key that secrets in it are sealed with is {}: put it where the portal is told to look.", from.display())
        }
        _ => {}
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn verify(config: &Config, matches: &ArgMatches) -> Result<(), String> {
    let summary = match matches.get_one::<String>("source") {
        Some(source) => {
            let (head, summary) =
                if source == STREAM { backup::check(&mut io::stdin().lock())? } else { backup::check(&mut reader(Path::new(source))?)? };
            println!("A backup of {}, of a database on {}, by version {}", head.at, head.engine, head.program);
            summary
        }
        None => {
            let db = open(config).await?;
            let mut tx = db.snapshot().await.map_err(|e| e.to_string())?;
            let damage = tables::damage(&mut tx).await.map_err(|e| e.to_string())?;
            if !damage.is_empty() {
                return Err(format!("the database is damaged: {}", damage.join("; ")));
            }
            let summary = backup::summarize(&mut tx).await?;
            drop(tx);
            if let Ok(Pending(n @ 1..)) = db.pending().await {
                println!("The schema lacks {n} migration(s) of this program.");
            }
            db.close().await;
            summary
        }
    };
    print(&summary);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
fn print(summary: &Summary) {
    for table in &summary.tables {
        println!("{:<28} {:>12}  {}", table.table, table.rows, table.sha256);
    }
    println!("{:<28} {:>12}  {}", "all", summary.rows(), summary.sha256());
    println!("Migrations: {}", summary.migrations.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
}

/// The database, which has to be there.
async fn open(config: &Config) -> Result<Db, String> {
    Db::open_existing(&config.database_url).await.map_err(|e| format!("the database cannot be opened: {e}"))
}

/// Where the key file lies that belongs to a backup.
fn beside(backup: &Path) -> PathBuf {
    let mut path = backup.to_owned().into_os_string();
    path.push(".key");
    PathBuf::from(path)
}

/// Copies a file with its mode, whole or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |e: io::Error| format!("{}: {e}", from.display());
    let draft = Draft::begin(to)?;
    let mut source = File::open(from).map_err(failed)?;
    io::copy(&mut source, &mut draft.file()).map_err(failed)?;
    draft.file().set_permissions(source.metadata().map_err(failed)?.permissions()).map_err(failed)?;
    draft.finish()
}

fn reader(path: &Path) -> Result<BufReader<File>, String> {
    File::open(path).map(|file| BufReader::with_capacity(1 << 20, file)).map_err(|e| format!("{}: {e}", path.display()))
}
