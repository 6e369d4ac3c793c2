//! Backups, by the real executable: all rows out of a database that is in use, into a new one of either engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use org_portal::{db::Db, permissions::Role};
use sqlx::AssertSqlSafe;

use crate::{on_both, support::*};

const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_org-portal"));
    command.args(arguments).env("DATABASE_URL", url).env("ORG_PORTAL_LOG", "warn").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command beside the server of this test.
async fn run(url: &str, arguments: &[&str]) -> Output {
    let mut command = command(url, arguments);
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("the executable")
}

async fn done(url: &str, arguments: &[&str]) -> String {
    let output = run(url, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn refused(url: &str, arguments: &[&str]) -> String {
    let output = run(url, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// What `verify` says of a database, or of a file without its first line.
async fn verified(url: &str, file: Option<&Path>) -> String {
    match file {
        None => done(url, &["verify"]).await,
        Some(file) => done(url, &["verify", text(file)]).await.split_once('\n').expect("lines").1.to_owned(),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn file_of(url: &str) -> PathBuf {
    PathBuf::from(url.strip_prefix("sqlite:").unwrap())
}

/// Whether nothing at all is in a database.
async fn is_empty(database: &Database) -> bool {
    match database.engine {
        Engine::Sqlite => !file_of(&database.url).exists(),
        Engine::Postgres => {
            let db = Db::open(&database.url).await.unwrap();
            let Db::Postgres(pool) = &db else { unreachable!() };
            let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
                .fetch_one(pool)
                .await
                .unwrap();
            db.close().await;
            tables == 0
        }
    }
}

/// Some of everything: people, what they did, texts that are hard to write down, files in chunks.
async fn fill(portal: &TestPortal) {
    let people = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("gone", Role::TechnicalUser)];
    let [ada, bob, gone] = portal.organization_with("Analytical \\ \"Engines\" 漢字", people).await;
    bob.fill("/account", "/do/change_name", &[("first_name", "Bób\\N"), ("last_name", "O'Builder 漢字")]).await.is(303);
    gone.fill("/organization/leave", "/do/leave_organization", &[]).await.is(303);
    portal.invite(&ada, "pending@example.com", Role::TechnicalUser).await.is(303);
    let ticket = [("subject", "Tabs\\ and 'quotes'"), ("description", "One\ttab\r\ntwo\\.\n\\."), ("priority", "P2 - High")];
    ada.fill("/organization/tickets/new", "/do/raise_ticket", &ticket).await.is(303);
    let chunk = match portal.engine {
        Engine::Sqlite => "randomblob(100000)",
        Engine::Postgres => "decode(repeat('00ff5c0a09', 20000), 'hex')",
    };
    let id = portal.engine.literal(uuid::Uuid::from_u128(7));
    portal.execute(&format!("INSERT INTO ticket_attachments (id, name, size, uploaded_at) VALUES ({id}, 'a.bin', 200000, 5)")).await;
    for position in 0..2 {
        portal
            .execute(&format!("INSERT INTO ticket_attachment_chunks (attachment_id, position, bytes) VALUES ({id}, {position}, {chunk})"))
            .await;
    }
    // A program's token, a server, and somebody who has signed in to it.
    ada.fill("/organization/servers/tokens/new", "/do/make_token", &[]).await.is(200);
    let pmm = portal.connect_pmm("ada", "8a2f", "Production", "https://pmm.example.com").await;
    ada.get("/oauth2/jwks").await.is(200);
    let page = ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(200);
    ada.submit(&page.form("/do/allow_server").forged("form[answer]", "allow")).await.is(303);
    for table in ["api_tokens", "pmm_servers", "signing_keys", "server_consents", "oauth_grants"] {
        assert!(portal.count(&format!("SELECT count(*) FROM {table}")).await > 0, "{table} is empty");
    }
    portal.deliver().await;
}

on_both! {
    async fn a_backup_of_a_portal_in_use_is_restored_on_either_engine(portal) {
        fill(portal).await;
        let folder = tempfile::tempdir().unwrap();
        let url = portal.config.database_url.clone();

        // While others write.
        let (stop, clients) = (Arc::new(AtomicBool::new(false)), 4);
        let writers: Vec<_> = (0..clients)
            .map(|client| {
                let (stop, base) = (Arc::clone(&stop), portal.base());
                tokio::spawn(async move {
                    let http = reqwest::Client::new();
                    let mut written = 0;
                    while !stop.load(Ordering::SeqCst) {
                        let body = format!(r#"{{"form":{{"email":"person{client}x{written}@example.com"}},"drawn":{{}}}}"#);
                        let request = http.post(format!("{base}/do/forgot_password")).header("content-type", "application/json").header("accept", "application/json");
                        assert_eq!(request.body(body).send().await.unwrap().status(), 200, "a backup keeps nobody waiting");
                        written += 1;
                    }
                    written
                })
            })
            .collect();
        until("some is written", || async { portal.count("SELECT count(*) FROM password_resets").await > 20 }).await;
        let during = folder.path().join("during.backup");
        done(&url, &["backup", text(&during)]).await;
        let after = portal.count("SELECT count(*) FROM password_resets").await;
        until("they still write", || async { portal.count("SELECT count(*) FROM password_resets").await > after }).await;
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            assert!(writer.await.unwrap() > 0);
        }
        assert_eq!(std::fs::metadata(&during).unwrap().permissions().mode() & 0o777, 0o600, "nobody else reads it");
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1 + usize::from(folder.path().join("during.backup.key").exists()), "nothing unfinished is left");

        for engine in ENGINES {
            let place = Database::fresh(engine).await;
            let said = done(&place.url, &["restore", text(&during)]).await;
            assert!(said.contains("compared and right"), "{said}");
            assert_eq!(verified(&place.url, None).await, verified(&url, Some(&during)).await, "all rows are identical");
            let restored = TestPortal::at(place, Options::default()).await;
            // As of one moment: a request, its mail and its event stand together or not at all.
            let requests = restored.count("SELECT count(*) FROM audit_events WHERE action = 'password.request_reset' AND outcome = 'success'").await;
            assert_eq!(restored.count("SELECT count(*) FROM password_resets").await, requests);
            assert!(requests > 20);
            restored.close().await;
        }

        // At rest the backup is what the database is.
        portal.stop().await;
        let at_rest = folder.path().join("at-rest.backup");
        done(&url, &["backup", text(&at_rest)]).await;
        assert_eq!(verified(&url, None).await, verified(&url, Some(&at_rest)).await);
        assert_ne!(verified(&url, None).await, verified(&url, Some(&during)).await, "another state has another checksum");
        for engine in ENGINES {
            let place = Database::fresh(engine).await;
            done(&place.url, &["restore", text(&at_rest)]).await;
            assert_eq!(verified(&place.url, None).await, verified(&url, None).await);
            // It is a portal: people sign in, and what engines derive by themselves is there.
            let restored = TestPortal::at(place, Options::default()).await;
            restored.clock.advance(org_portal::words::HOUR);
            let ada = restored.sign_in("ada").await;
            assert_eq!(ada.get("/organization/members?q=builder").await.is(200).texts("tbody th bdi")[0], "Bób\\N O'Builder 漢字");
            assert!(ada.get("/organization/tickets?q=quotes").await.is(200).main().contains("Tabs"), "tickets are found again");
            let bob = restored.sign_in("bob").await;
            bob.fill("/account", "/do/change_name", &[("first_name", "Robert"), ("last_name", "Builder")]).await.is(303);
            assert_eq!(ada.get("/organization/members?q=robert").await.is(200).texts("tbody th bdi")[0], "Robert Builder");
            assert!(restored.try_execute("DELETE FROM members WHERE role = 'Admin'").await.is_err(), "constraints are back");
            restored.close().await;
        }
    }

    async fn every_table_is_in_a_backup(portal) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.backup");
        done(&portal.config.database_url, &["backup", text(&file)]).await;
        let saved: BTreeSet<String> = std::fs::read_to_string(&file)
            .unwrap()
            .lines()
            .filter_map(|line| serde_json::from_str::<BTreeMap<String, serde_json::Value>>(line).ok()?.get("table")?.as_str().map(str::to_owned))
            .collect();
        // What the schema has, asked in another way than the program does; derived is what is named after a search.
        let sql = match portal.engine {
            Engine::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%\\_search\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
            Engine::Postgres => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
        };
        let mut there: BTreeSet<String> = portal.rows(sql).await.into_iter().map(|mut row| row.remove(0)).collect();
        assert!(there.remove("_sqlx_migrations"));
        assert_eq!(saved, there);
        assert!(TABLES.iter().all(|table| saved.contains(*table)));
    }

    async fn a_broken_backup_is_refused_and_leaves_nothing(portal) {
        fill(portal).await;
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole.backup");
        done(&portal.config.database_url, &["backup", text(&whole)]).await;
        let bytes = std::fs::read(&whole).unwrap();
        let broken = folder.path().join("broken.backup");
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let without_end = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(lines - 2).unwrap().0 + 1;
        let mut changed = bytes.clone();
        let name = changed.windows(9).position(|word| word == b"O'Builder").unwrap();
        changed[name] = b'0';
        for (what, wrong) in [
            (&bytes[..bytes.len() / 2], "the backup is cut off"),
            (&bytes[..without_end], "the backup is cut off"),
            (&bytes[..bytes.len() - 1], "the backup is cut off"),
            (&bytes[..10], "this is no backup of Org Portal"),
            (b"PGDMP and more\n".as_slice(), "this is no backup of Org Portal"),
            (&changed, "the backup is damaged"),
        ] {
            std::fs::write(&broken, what).unwrap();
            let place = Database::fresh(portal.engine).await;
            let said = refused(&place.url, &["restore", text(&broken)]).await;
            assert!(said.contains(wrong), "{said}");
            assert!(refused(&place.url, &["verify", text(&broken)]).await.contains(wrong));
            assert!(is_empty(&place).await, "nothing half restored");
            place.drop().await;
        }
        // A newer program's.
        let head = String::from_utf8(bytes[..bytes.iter().position(|byte| *byte == b'\n').unwrap()].to_vec()).unwrap();
        std::fs::write(&broken, head.replace("\"migrations\":[1,", "\"migrations\":[1,9999,") + "\n").unwrap();
        let place = Database::fresh(portal.engine).await;
        let said = refused(&place.url, &["restore", text(&broken)]).await;
        assert!(said.contains("newer") && said.contains("9999"), "{said}");
        place.drop().await;
    }

    async fn a_place_that_is_taken_is_left_as_it_is(portal) {
        fill(portal).await;
        portal.stop().await;
        let folder = tempfile::tempdir().unwrap();
        let (url, file) = (portal.config.database_url.clone(), folder.path().join("a.backup"));
        done(&url, &["backup", text(&file)]).await;
        let before = verified(&url, None).await;
        let said = refused(&url, &["restore", text(&file)]).await;
        assert!(said.contains("exists") || said.contains("there are tables"), "{said}");
        assert_eq!(verified(&url, None).await, before);
        // A backup that is there is not written over, and a folder gets a name by the time.
        let said = refused(&url, &["backup", text(&file)]).await;
        assert!(said.contains("exists, and is left as it is"), "{said}");
        done(&url, &["backup", text(folder.path())]).await;
        let names: Vec<String> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().any(|name| name.starts_with("org-portal-2") && name.ends_with("Z.backup")), "{names:?}");
        if portal.engine == Engine::Sqlite {
            // A log of changes without its file would be played into what is restored.
            let place = Database::fresh(Engine::Sqlite).await;
            std::fs::write(format!("{}-wal", file_of(&place.url).display()), "x").unwrap();
            let said = refused(&place.url, &["restore", text(&file)]).await;
            assert!(said.contains("-wal exists"), "{said}");
        }
        // What is no database of the portal's has no backup.
        let place = Database::fresh(portal.engine).await;
        let said = refused(&place.url, &["backup", text(&folder.path().join("none.backup"))]).await;
        assert!(said.contains("cannot be opened") || said.contains("no database of the portal's"), "{said}");
        assert!(!folder.path().join("none.backup").exists());
        place.drop().await;
    }

    async fn the_key_file_goes_with_the_backup_and_keeps_its_mode(portal) {
        portal.stop().await;
        let folder = tempfile::tempdir().unwrap();
        let (url, file) = (portal.config.database_url.clone(), folder.path().join("a.backup"));
        let key = folder.path().join("a.backup.key");
        if portal.engine == Engine::Sqlite {
            let own = file_of(&url).with_extension("key");
            std::fs::write(&own, "a key").unwrap();
            std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o440)).unwrap();
            done(&url, &["backup", text(&file)]).await;
            assert_eq!(std::fs::read_to_string(&key).unwrap(), "a key");
        } else {
            done(&url, &["backup", text(&file)]).await;
            assert!(!key.exists());
            std::fs::write(&key, "a key").unwrap();
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o440)).unwrap();
        }
        assert!(!std::fs::read_to_string(&file).unwrap().contains("a key"));
        let place = Database::fresh(Engine::Sqlite).await;
        let own = file_of(&place.url).with_extension("key");
        std::fs::write(&own, "another").unwrap();
        assert!(refused(&place.url, &["restore", text(&file)]).await.contains("is another key"));
        assert!(is_empty(&place).await);
        std::fs::remove_file(&own).unwrap();
        done(&place.url, &["restore", text(&file)]).await;
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "a key");
        assert_eq!(std::fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o440);
        let place = Database::fresh(Engine::Postgres).await;
        assert!(done(&place.url, &["restore", text(&file)]).await.contains("put it where the portal is told to look"));
        place.drop().await;
        // One that is named by the configuration is copied from there, and back to there.
        let named = folder.path().join("named.key");
        std::fs::write(&named, "a named key").unwrap();
        let with = |url: &str, arguments: &[&str]| {
            let mut command = command(url, arguments);
            command.env("ORG_PORTAL_KEY_FILE", &named);
            tokio::task::spawn_blocking(move || command.status().unwrap().success())
        };
        let second = folder.path().join("b.backup");
        assert!(with(&url, &["backup", text(&second)]).await.unwrap());
        assert_eq!(std::fs::read_to_string(folder.path().join("b.backup.key")).unwrap(), "a named key");
        std::fs::remove_file(&named).unwrap();
        let place = Database::fresh(portal.engine).await;
        assert!(with(&place.url, &["restore", text(&second)]).await.unwrap());
        assert_eq!(std::fs::read_to_string(&named).unwrap(), "a named key");
        place.drop().await;
    }

    async fn backups_go_through_pipes(portal) {
        fill(portal).await;
        portal.stop().await;
        let url = portal.config.database_url.clone();
        let saved = run(&url, &["backup", "-"]).await;
        assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
        let place = Database::fresh(portal.engine).await;
        let mut child = command(&place.url, &["restore", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = saved.stdout;
        let output = tokio::task::spawn_blocking(move || {
            input.write_all(&bytes).unwrap();
            drop(input);
            child.wait_with_output()
        });
        assert!(output.await.unwrap().unwrap().status.success());
        assert_eq!(verified(&place.url, None).await, verified(&url, None).await);
        place.drop().await;
    }

    async fn a_restore_that_is_killed_leaves_nothing_and_the_next_is_whole(portal) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.backup");
        match portal.engine {
            Engine::Sqlite => portal.execute("INSERT INTO limits (key, arrival_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) SELECT randomblob(32), i FROM n").await,
            Engine::Postgres => portal.execute("INSERT INTO limits (key, arrival_at) SELECT sha256(i::text::bytea), i FROM generate_series(1, 150000) i").await,
        }
        portal.stop().await;
        let url = portal.config.database_url.clone();
        done(&url, &["backup", text(&file)]).await;
        let place = Database::fresh(portal.engine).await;
        for round in 0..3_u32 {
            let mut child = Killed(command(&place.url, &["restore", text(&file)]).spawn().unwrap());
            // At another moment each round, once rows are there to be lost.
            until("rows are put in", || {
                assert!(child.0.try_wait().unwrap().is_none(), "it was over before it was killed");
                has_begun(&place, round)
            })
            .await;
            child.0.kill().unwrap();
            child.0.wait().unwrap();
            assert!(is_empty(&place).await, "nothing half restored");
        }
        done(&place.url, &["restore", text(&file)]).await;
        assert_eq!(verified(&place.url, None).await, verified(&url, None).await);
        if portal.engine == Engine::Sqlite {
            let names: Vec<_> = std::fs::read_dir(file_of(&place.url).parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert!(!names.iter().any(|name| name.to_str().unwrap().ends_with(".unfinished")), "{names:?}");
        }
        place.drop().await;
        // A backup that is killed has no name either.
        let target = folder.path().join("killed.backup");
        let mut child = Killed(command(&url, &["backup", text(&target)]).spawn().unwrap());
        let unfinished = folder.path().join("killed.backup.unfinished");
        until("lines are written", || async { std::fs::metadata(&unfinished).is_ok_and(|file| file.len() > 0) }).await;
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        assert!(!target.exists());
        done(&url, &["backup", text(&target)]).await;
        assert_eq!(verified(&url, Some(&target)).await, verified(&url, None).await);
    }
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a restore is so far that there is something to lose.
async fn has_begun(place: &Database, round: u32) -> bool {
    match place.engine {
        Engine::Sqlite => {
            let path = format!("{}.unfinished", file_of(&place.url).display());
            std::fs::metadata(path).is_ok_and(|file| file.len() > u64::from(round + 1) * 1_000_000)
        }
        Engine::Postgres => {
            let db = Db::open(&place.url).await.unwrap();
            let Db::Postgres(pool) = &db else { unreachable!() };
            let sql = format!(
                "SELECT count(*) FROM pg_stat_progress_copy WHERE datname = current_database() AND tuples_processed > {}",
                (round + 1) * 10_000
            );
            let copies: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap();
            db.close().await;
            copies > 0
        }
    }
}

/// What was saved by every released version is restored by this one, and is then what an upgrade in place makes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_an_older_version_is_migrated_when_it_is_restored() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for entry in std::fs::read_dir(fixtures).unwrap() {
        let fixture = entry.unwrap().path();
        for from in ENGINES {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("old.backup");
            let old = Database::restored(from, &fixture).await;
            done(&old.url, &["backup", text(&file)]).await;
            done(&old.url, &["migrate"]).await;
            let upgraded = verified(&old.url, None).await;
            for to in ENGINES {
                let place = Database::fresh(to).await;
                done(&place.url, &["restore", text(&file)]).await;
                assert_eq!(verified(&place.url, None).await, upgraded, "{from:?} to {to:?}");
                let portal = TestPortal::at(place, Options::default()).await;
                assert_eq!(portal.sign_in("ada").await.get("/organization").await.is(200).fact("Name"), "Analytical Engines");
                portal.close().await;
            }
            old.drop().await;
        }
    }
}
