//! How fast customers are imported, beside the database's own bulk load of the same rows into the same tables: `make bench`.
//!
//! `IMPORT_CUSTOMERS` (1,000,000) says how many customers, each with about five records. SQLite's baseline is the command
//! `sqlite3` with `.import`, PostgreSQL's is `COPY`; where there is no such command, that database is left out and said so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark stops at the first surprise"
)]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use org_portal::{cli::generate::files, clock::Clock, db::Db};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use support::{figure, portal_command};

/// The tables that are loaded, each after those that it refers to.
const TABLES: [&str; 4] = ["customers", "customer_people", "contacts", "entitlements"];

#[tokio::main]
async fn main() {
    let customers = std::env::var("IMPORT_CUSTOMERS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let root = std::env::var("IMPORT_FOLDER").map_or_else(|_| std::env::temp_dir(), PathBuf::from);
    let folder = root.join(format!("org-portal-import-{}", std::process::id()));
    let data = folder.join("data");
    let began = Instant::now();
    let rows = files::write(&data, files::Plan { customers, tickets: 0, seed: 1 }, Clock::system().now()).unwrap();
    println!("{customers} customers in {rows} rows, generated in {:.0} s\n", began.elapsed().as_secs_f64());
    sqlite(&folder, &data, rows).await;
    match std::env::var("TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()) {
        Some(url) => postgres(&folder, &data, rows, &url).await,
        None => println!("       PostgreSQL is left out: TEST_POSTGRES_URL names no server"),
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn portal(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(portal_command(url, 0).get_program());
    command.args(arguments).env("DATABASE_URL", url).stdout(Stdio::null());
    command
}

/// Imports the folder; gives the seconds that it took, and its memory in megabytes at the end of each tenth of them.
fn import(url: &str, data: &Path) -> (f64, Vec<f64>) {
    let began = Instant::now();
    let mut child = portal(url, &["import", "customers", data.to_str().unwrap()]).spawn().unwrap();
    let mut memory = Vec::new();
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        memory.extend(line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).map(|kilobytes| kilobytes / 1024.0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        // How often the memory of the other process is looked at.
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success());
    (
        began.elapsed().as_secs_f64(),
        memory.chunks(memory.len().div_ceil(10).max(1)).map(|part| part.iter().copied().fold(0.0, f64::max)).collect(),
    )
}

fn judge(engine: &str, rows: u64, (took, memory): (f64, Vec<f64>), loaded: f64, again: f64) {
    let rows = rows as f64;
    println!("       {engine}: {:.0} rows a second imported, {:.0} loaded, {:.0} imported again", rows / took, rows / loaded, rows / again);
    figure(&format!("{engine}: import ÷ the database's own load"), loaded / took, "", "≥ 0.15", loaded / took >= 0.15);
    let peak = memory.iter().copied().fold(0.0, f64::max);
    figure(&format!("{engine}: peak memory of the import"), peak, "MB", "≤ 200", peak <= 200.0);
    // From the second tenth on, everything is warm.
    let (early, late) = (memory.get(1).copied().unwrap_or(peak), memory.last().copied().unwrap_or(peak));
    figure(&format!("{engine}: memory at the end − at a fifth"), late - early, "MB", "≤ 40", late - early <= 40.0);
}

async fn sqlite(folder: &Path, data: &Path, rows: u64) {
    let sqlite3 = Command::new("sqlite3").arg("-version").output();
    if sqlite3.is_err() {
        println!("       SQLite is left out: there is no command sqlite3");
        return;
    }
    let (imported, loaded) = (folder.join("imported.db"), folder.join("loaded.db"));
    let url = |path: &Path| format!("sqlite:{}", path.display());
    run(&mut portal(&url(&imported), &["migrate"]));
    let done = import(&url(&imported), data);
    let again = import(&url(&imported), data).0;
    // Into the same tables with the same indexes, but that they take text for ids: text is all that the command reads. What is
    // empty gets something that no other row has, because it knows no NULL.
    let mut script = String::from(".mode ascii\n.separator \"\\t\" \"\\n\"\n");
    let dump = folder.join("dump");
    std::fs::create_dir_all(&dump).unwrap();
    let db = Db::open(&url(&imported)).await.unwrap();
    let Db::Sqlite { read, .. } = &db else { panic!("SQLite") };
    // What the triggers of these tables keep, too: the index of trigrams.
    let tables: Vec<String> =
        TABLES.iter().chain(&["customer_search_rows", "customer_search_index"]).map(|table| format!("'{table}'")).collect();
    let schema = format!(
        "SELECT sql FROM sqlite_master WHERE tbl_name IN ({}) AND sql IS NOT NULL ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END",
        tables.join(", ")
    );
    for row in sqlx::query(AssertSqlSafe(schema)).fetch_all(read).await.unwrap() {
        script.push_str(&format!("{};\n", row.get::<String, _>(0).trim_end().trim_end_matches("STRICT")));
    }
    for table in TABLES {
        let columns =
            sqlx::query(AssertSqlSafe(format!("SELECT name, type FROM pragma_table_info('{table}')"))).fetch_all(read).await.unwrap();
        let out: Vec<String> = columns
            .iter()
            .map(|row| {
                let (name, kind) = (row.get::<String, _>(0), row.get::<String, _>(1));
                if kind == "BLOB" {
                    format!("hex(coalesce({name}, id))")
                } else {
                    format!("replace(coalesce({name}, hex(id)), char(10), ';')")
                }
            })
            .collect();
        let file = dump.join(table);
        let select = format!("SELECT {} FROM {table}", out.join(", "));
        run(Command::new("sqlite3")
            .arg(&imported)
            .arg(".mode ascii")
            .arg(".separator \"\\t\" \"\\n\"")
            .arg(format!(".once {}", file.display()))
            .arg(select));
        script.push_str(&format!(".import {} {table}\n", file.display()));
    }
    db.close().await;
    let began = Instant::now();
    let mut child = Command::new("sqlite3").arg("-bail").arg(&loaded).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "sqlite3");
    let took = began.elapsed().as_secs_f64();
    let count = |path: &Path| {
        let text: Vec<String> = TABLES.iter().map(|table| format!("(SELECT count(*) FROM {table})")).collect();
        let output = Command::new("sqlite3").arg(path).arg(format!("SELECT {}", text.join(" + "))).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u64>().unwrap()
    };
    assert_eq!(count(&loaded), count(&imported));
    judge("SQLite", rows, done, took, again);
}

async fn postgres(folder: &Path, data: &Path, rows: u64, server: &str) {
    let mut admin = sqlx::PgConnection::connect(server).await.unwrap();
    let names = ["bench_imported", "bench_loaded"];
    let url = |name: &str| {
        let mut url = url::Url::parse(server).unwrap();
        url.set_path(name);
        url.to_string()
    };
    for name in names {
        for statement in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
        }
        run(&mut portal(&url(name), &["migrate"]));
    }
    let done = import(&url(names[0]), data);
    let again = import(&url(names[0]), data).0;
    let dump = folder.join("copy");
    std::fs::create_dir_all(&dump).unwrap();
    let psql = |name: &str, arguments: &[String]| {
        let mut command = Command::new("psql");
        command.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", &url(name)]);
        for argument in arguments {
            command.args(["-c", argument]);
        }
        run(&mut command);
    };
    let copies = |way: &str| TABLES.map(|table| format!("\\copy {table} {way} '{}'", dump.join(table).display()));
    psql(names[0], &copies("TO"));
    let began = Instant::now();
    psql(names[1], &copies("FROM"));
    let took = began.elapsed().as_secs_f64();
    judge("PostgreSQL", rows, done, took, again);
    for name in names {
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut admin).await.unwrap();
    }
}
