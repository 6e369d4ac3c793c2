//! Fresh databases, and looking into them past the portal.

use std::{collections::BTreeMap, path::Path};

use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Row as _, TypeInfo as _, ValueRef as _};

use super::{TestPortal, postgres};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// An id's column as text of 32 hexadecimal digits or a uuid.
    pub fn hex(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("lower(hex({column}))"),
            Self::Postgres => format!("{column}::text"),
        }
    }

    /// An id as a literal.
    pub fn literal(self, id: uuid::Uuid) -> String {
        match self {
            Self::Sqlite => format!("x'{}'", id.simple()),
            Self::Postgres => format!("'{id}'::uuid"),
        }
    }
}

/// A database of a test's own.
pub struct Database {
    pub engine: Engine,
    pub url: String,
    folder: Option<tempfile::TempDir>,
    name: Option<String>,
}

impl Database {
    /// An empty one.
    pub async fn fresh(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                // In memory where the machine has such a folder: nobody cuts the power here.
                let shared = std::path::Path::new("/dev/shm");
                let root = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
                let folder = tempfile::Builder::new().prefix("org-portal-test-").tempdir_in(root).expect("a folder");
                let url = format!("sqlite:{}", folder.path().join("portal.db").display());
                Self { engine, url, folder: Some(folder), name: None }
            }
            Engine::Postgres => {
                let (name, url) = postgres::create_database().await;
                Self { engine, url, folder: None, name: Some(name) }
            }
        }
    }

    /// One that is there, and is somebody else's to take away.
    pub fn at(engine: Engine, url: &str) -> Self {
        Self { engine, url: url.to_owned(), folder: None, name: None }
    }

    /// One that holds what was dumped into a folder.
    pub async fn restored(engine: Engine, folder: &Path) -> Self {
        let database = Self::fresh(engine).await;
        match engine {
            Engine::Sqlite => {
                let file = database.url.strip_prefix("sqlite:").expect("a SQLite file");
                std::fs::copy(folder.join("portal.sqlite"), file).expect("a copy of the fixture");
            }
            Engine::Postgres => {
                let text = std::fs::read_to_string(folder.join("portal.sql")).expect("the fixture");
                let mut connection = sqlx::PgConnection::connect(&database.url).await.expect("a connection");
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.expect("the fixture is restored");
                connection.close().await.expect("closed");
            }
        }
        database
    }

    /// Dumps it into a folder, to be restored.
    pub async fn dump(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder");
        match self.engine {
            Engine::Sqlite => {
                let file = folder.join("portal.sqlite");
                let _ = std::fs::remove_file(&file);
                let mut connection = sqlx::SqliteConnection::connect(&self.url).await.expect("a connection");
                let text = format!("VACUUM INTO '{}'", file.display());
                sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.expect("a copy");
                connection.close().await.expect("closed");
            }
            Engine::Postgres => {
                let output = postgres::command("pg_dump").args(["--inserts", "--no-owner", "--no-privileges", &self.url]).output();
                let output = output.expect("pg_dump runs");
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                let text = String::from_utf8(output.stdout).expect("text");
                // What is meant for psql.
                let lines: Vec<&str> =
                    text.lines().filter(|line| !line.starts_with('\\') && !line.starts_with("--") && !line.is_empty()).collect();
                std::fs::write(folder.join("portal.sql"), lines.join("\n") + "\n").expect("written");
            }
        }
    }

    /// The rows of a query, every value as text; nothing for NULL.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        match self.engine {
            Engine::Sqlite => {
                let mut connection = self.sqlite().await;
                let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
                let rows = rows.unwrap_or_else(|e| panic!("{sql}: {e}"));
                let read = rows
                    .iter()
                    .map(|row| {
                        (0..row.len())
                            .map(|i| {
                                let value = row.try_get_raw(i).expect("a value");
                                if value.is_null() {
                                    return String::new();
                                }
                                match value.type_info().name() {
                                    "INTEGER" | "BIGINT" | "INT8" | "BOOLEAN" => row.get::<i64, _>(i).to_string(),
                                    "BLOB" => row.get::<Vec<u8>, _>(i).iter().map(|byte| format!("{byte:02x}")).collect(),
                                    _ => row.get::<String, _>(i),
                                }
                            })
                            .collect()
                    })
                    .collect();
                connection.close().await.expect("closed");
                read
            }
            Engine::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.url).await.expect("a connection");
                let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
                let rows = rows.unwrap_or_else(|e| panic!("{sql}: {e}"));
                let read = rows
                    .iter()
                    .map(|row| {
                        (0..row.len())
                            .map(|i| {
                                let value = row.try_get_raw(i).expect("a value");
                                if value.is_null() {
                                    return String::new();
                                }
                                match row.column(i).type_info().name() {
                                    "INT8" => row.get::<i64, _>(i).to_string(),
                                    "INT4" => row.get::<i32, _>(i).to_string(),
                                    "UUID" => row.get::<uuid::Uuid, _>(i).simple().to_string(),
                                    "BYTEA" => row.get::<Vec<u8>, _>(i).iter().map(|byte| format!("{byte:02x}")).collect(),
                                    "BOOL" => row.get::<bool, _>(i).to_string(),
                                    _ => row.get::<String, _>(i),
                                }
                            })
                            .collect()
                    })
                    .collect();
                connection.close().await.expect("closed");
                read
            }
        }
    }

    /// The one value of a query, as text.
    pub async fn text(&self, sql: &str) -> String {
        let mut rows = self.rows(sql).await;
        assert!(rows.len() == 1 && rows[0].len() == 1, "{sql}: {rows:?}");
        rows.remove(0).remove(0)
    }

    /// The one number of a query.
    pub async fn count(&self, sql: &str) -> i64 {
        self.text(sql).await.parse().expect("a number")
    }

    /// Changes something past the portal.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// Tries to change something past the portal.
    pub async fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.engine {
            Engine::Sqlite => {
                let mut connection = self.sqlite().await;
                let done = sqlx::query(sql).execute(&mut connection).await;
                connection.close().await?;
                done.map(|_| ())
            }
            Engine::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.url).await?;
                let done = sqlx::query(sql).execute(&mut connection).await;
                connection.close().await?;
                done.map(|_| ())
            }
        }
    }

    /// A connection of its own: the portal's are the portal's.
    async fn sqlite(&self) -> sqlx::SqliteConnection {
        let path = self.url.strip_prefix("sqlite:").expect("a SQLite file");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).busy_timeout(std::time::Duration::from_secs(10));
        options.connect().await.expect("a connection")
    }

    /// Takes it away.
    pub async fn drop(self) {
        if let Some(name) = self.name {
            postgres::drop_database(&name).await;
        }
    }
}

impl TestPortal {
    /// The rows of a query, every value as text; nothing for NULL.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        self.database.rows(sql).await
    }

    /// The one value of a query, as text.
    pub async fn text(&self, sql: &str) -> String {
        self.database.text(sql).await
    }

    /// The one number of a query.
    pub async fn count(&self, sql: &str) -> i64 {
        self.database.count(sql).await
    }

    /// Changes something past the portal.
    pub async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// Tries to change something past the portal.
    pub async fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        self.database.try_execute(sql).await
    }

    /// Every table's rows, but for those of the named tables.
    pub async fn snapshot(&self, but: &[&str]) -> BTreeMap<String, Vec<Vec<String>>> {
        let mut tables = BTreeMap::new();
        for table in TABLES {
            if !but.contains(table) {
                // What an account's lock is taken by says nothing: every unit of theirs takes it.
                let columns = if *table == "accounts" { ACCOUNT } else { "*" };
                let mut rows = self.rows(&format!("SELECT {columns} FROM {table}")).await;
                rows.sort();
                tables.insert((*table).to_owned(), rows);
            }
        }
        tables
    }

    /// What people did, without what is noted about it: limits, the audit log, runs of imports, keys of forms, and what pages were told.
    pub async fn state(&self) -> BTreeMap<String, Vec<Vec<String>>> {
        self.snapshot(&["audit_events", "imports", "limits", "idempotency_keys", "changes", "change_head"]).await
    }
}

/// The columns of an account, but for its revision.
const ACCOUNT: &str = "id, email, email_key, first_name, last_name, name_key, created_at, locked_until, lock_reason, external_id, changed_at, deactivated_at, operator_locked_until";

/// Every table of the portal.
pub const TABLES: &[&str] = &[
    "tickets",
    "ticket_messages",
    "ticket_notes",
    "ticket_attachments",
    "ticket_attachment_chunks",
    "ticket_counts",
    "ticket_numbers",
    "accounts",
    "credentials",
    "sign_ups",
    "password_resets",
    "email_changes",
    "undo_links",
    "operators",
    "imports",
    "sessions",
    "known_browsers",
    "authenticators",
    "recovery_codes",
    "half_sign_ins",
    "passkeys",
    "passkey_challenges",
    "organizations",
    "former_organizations",
    "members",
    "former_members",
    "invitations",
    "customers",
    "customer_people",
    "contacts",
    "entitlements",
    "api_tokens",
    "pmm_servers",
    "signing_keys",
    "server_consents",
    "oauth_grants",
    "oauth_tokens",
    "identities",
    "provider_sign_ins",
    "identity_offers",
    "desk_cursors",
    "desk_refused",
    "desk_leases",
    "api_tokens",
    "pmm_servers",
    "audit_events",
    "outbox",
    "webhook_deliveries",
    "kept_mails",
    "limits",
    "idempotency_keys",
    "changes",
    "change_head",
];
