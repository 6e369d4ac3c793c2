//! The PostgreSQL server of the tests: the one that `TEST_POSTGRES_URL` names, or one that `scripts/postgres.sh` starts
//! for this process and ends after it.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

static SERVER: LazyLock<String> =
    LazyLock::new(|| std::env::var("TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()).unwrap_or_else(start));

/// Starts a server, or takes the one that another test program started. Whoever ends last stops it.
fn start() -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let users = root.join("target/postgres.users");
    fs::create_dir_all(&users).expect("a folder for those who use the server");
    let lock_path = root.join("target/postgres.lock");
    let lock = File::create(&lock_path).expect("a lock file");
    lock.lock().expect("the lock");
    let others_server = fs::metadata(root.join("target/postgres")).is_ok_and(|file| file.len() > 0)
        && fs::read_dir(&users).is_ok_and(|mut users| users.next().is_none());
    let started = Command::new(root.join("scripts/postgres.sh")).args(["start", "--fast"]).stderr(Stdio::inherit()).output();
    let started = started.expect("scripts/postgres.sh runs");
    assert!(started.status.success(), "scripts/postgres.sh start failed: the tests need PostgreSQL");
    if !others_server {
        let id = std::process::id().to_string();
        fs::write(users.join(&id), "").expect("a user's mark");
        // A test program has no last word: another one waits for its end.
        let watch = "(while kill -0 \"$1\" 2>/dev/null; do sleep 1; done
            exec 9>\"$2\"; if command -v flock >/dev/null; then flock 9; fi
            rm -f \"$3/$1\"
            for user in \"$3\"/*; do
                [ -e \"$user\" ] || continue
                if kill -0 \"${user##*/}\" 2>/dev/null; then exit 0; fi
                rm -f \"$user\"
            done
            exec \"$4\" stop 9>&-) &";
        use std::os::unix::process::CommandExt as _;
        Command::new("sh")
            .args(["-c", watch, "watch", &id])
            .args([&lock_path, &users, &root.join("scripts/postgres.sh")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .status()
            .expect("a watcher");
    }
    String::from_utf8(started.stdout).expect("a URL").trim().to_owned()
}

/// A program of PostgreSQL's: of the newest that Debian installed, or of the one on PATH.
pub fn command(program: &str) -> Command {
    let mut versions: Vec<PathBuf> =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    versions.sort();
    let debian = versions.pop().map(|version| version.join("bin").join(program)).filter(|path| path.exists());
    Command::new(debian.unwrap_or_else(|| PathBuf::from(program)))
}

/// The server's URL with another database's name.
fn url_of(database: &str) -> String {
    let mut url = url::Url::parse(&SERVER).expect("a URL of PostgreSQL");
    url.set_path(database);
    url.to_string()
}

async fn execute(sql: String) {
    let mut connection = PgConnection::connect(&SERVER).await.unwrap_or_else(|e| panic!("PostgreSQL at {}: {e}", *SERVER));
    sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut connection).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    connection.close().await.expect("closed");
}

/// A new, empty database: its name and its URL.
pub async fn create_database() -> (String, String) {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // Starting the server takes seconds.
    tokio::task::block_in_place(|| LazyLock::force(&SERVER));
    let name = format!("test_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    execute(format!("CREATE DATABASE {name}")).await;
    let url = url_of(&name);
    (name, url)
}

/// Takes a database away, whoever is still connected.
pub async fn drop_database(name: &str) {
    execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
}
