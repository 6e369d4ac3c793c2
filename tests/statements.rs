//! Rules on the statements: every one prepares on both engines, stands where it belongs and names its owner's tables.
#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs, reason = "tests")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use org_portal::db::{Db, Dialect};
use sqlx::{Executor as _, SqlStr};
use support::{Engine, Options, TABLES, TestPortal};

/// Every statement, for either engine.
fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    [Dialect::Sqlite, Dialect::Postgres].into_iter().flat_map(org_portal::db::statements)
}

/// A module, its own tables, and others that it may name with the reason.
type Owner = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

/// Whose tables are whose. The second list is read or written by way of exception, for the reason beside it.
const OWNERS: &[Owner] = &[
    (
        "accounts::store",
        &["accounts", "credentials", "sign_ups", "password_resets", "email_changes", "undo_links"],
        &[("accounts_search", "the view over the engine's index of trigrams")],
    ),
    ("identities::store", &["identities", "provider_sign_ins", "identity_offers"], &[]),
    ("operator::store", &["operators", "imports"], &[]),
    (
        "sessions::store",
        &["sessions", "known_browsers"],
        &[
            ("accounts", "who a session belongs to, and whether they are locked, is asked with every request: one statement"),
            ("operators", "whether that one runs the portal, asked in the same statement"),
        ],
    ),
    ("factors::store", &["authenticators", "recovery_codes", "half_sign_ins", "passkeys", "passkey_challenges"], &[]),
    (
        "organizations::store",
        &["organizations", "former_organizations"],
        &[("organizations_search", "the view over the engine's index of trigrams")],
    ),
    ("members::store", &["members", "former_members"], &[("members_search", "the view over the engine's index of trigrams")]),
    ("invitations::store", &["invitations"], &[("organizations", "the organization's name, shown with each invitation")]),
    (
        "guard",
        &[],
        &[
            ("members", "DESIGN.md §3: guard alone reads memberships beside the members' room"),
            ("organizations", "its lock and whether it is suspended"),
            ("accounts", "its lock, and whether the account is locked"),
            ("operators", "whether an account runs the portal, in the transaction that acts on it"),
            ("sessions", "when an operator gave the password last, in the same transaction"),
            ("credentials", "whether that password is still the one that was printed"),
            ("authenticators", "whether an account has the second factor that the operator asks for"),
            ("passkeys", "the same"),
        ],
    ),
    (
        "oauth::store",
        &["signing_keys", "server_consents", "oauth_grants", "oauth_tokens"],
        &[
            ("pmm_servers", "which server a client id, a code or a token is for is asked with every request of one: one statement"),
            ("accounts", "whose a code or a token is, asked in the same statement"),
            ("organizations", "whether a machine's organization is suspended, asked in the same statement"),
        ],
    ),
    ("desk::store", &["desk_cursors", "desk_refused", "desk_leases"], &[]),
    (
        "tickets::store",
        &[
            "tickets",
            "ticket_messages",
            "ticket_notes",
            "ticket_attachments",
            "ticket_attachment_chunks",
            "ticket_counts",
            "ticket_numbers",
        ],
        &[
            ("tickets_search", "the view over the engine's index of trigrams"),
            ("ticket_search_owners", "what SQLite's index is asked for besides, to search one owner's alone"),
        ],
    ),
    (
        "customers::store",
        &["customers", "customer_people", "contacts", "entitlements"],
        &[
            ("customers_search", "the view over the engine's index of trigrams"),
            ("accounts", "which of a record's people have one: a record may name thousands"),
            ("members", "and are in no organization: one statement"),
        ],
    ),
    (
        "pmm::store",
        &["api_tokens", "pmm_servers"],
        &[
            ("accounts", "who a token belongs to, and whether they are locked, is asked with every request: one statement"),
            ("organizations", "whether that one's organization is suspended, asked in the same statement"),
        ],
    ),
    ("audit", &["audit_events"], &[]),
    ("outbox", &["outbox"], &[]),
    ("webhook", &["webhook_deliveries"], &[]),
    ("limits", &["limits"], &[]),
    ("live::changes", &["changes", "change_head"], &[]),
    ("portal", &["idempotency_keys"], &[]),
    ("maintenance", &[], &[("idempotency_keys", "forgets the keys of a day ago; the portal has no store")]),
    ("mail::worker", &["kept_mails"], &[]),
    ("dev_mail", &[], &[("kept_mails", "shows what the worker kept")]),
    ("db::migrations", &[], &[("_sqlx_migrations", "whether the schema is as new as the program")]),
];

/// The tables that a statement names: after FROM, JOIN, INTO, UPDATE.
fn tables(text: &str) -> BTreeSet<String> {
    let words: Vec<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '(')).filter(|word| !word.is_empty()).collect();
    let mut found = BTreeSet::new();
    for (i, word) in words.iter().enumerate() {
        let names = ["FROM", "JOIN", "INTO", "UPDATE"].contains(word);
        // ON CONFLICT … DO UPDATE SET names no table.
        let names = names && !(*word == "UPDATE" && i > 0 && words[i - 1] == "DO");
        if let Some(table) = words.get(i + 1).filter(|table| names && !table.starts_with('(')) {
            // What a statement itself calls so is no table.
            if *table != "found" {
                found.insert(table.split('(').next().unwrap_or_default().to_owned());
            }
        }
    }
    found
}

#[test]
fn the_words_after_from_join_into_and_update_are_found() {
    let found = |text: &str| tables(text).into_iter().collect::<Vec<_>>();
    assert_eq!(
        found("SELECT a.id FROM accounts a LEFT JOIN credentials c ON c.x = a.y WHERE z IN (SELECT id FROM outbox)"),
        ["accounts", "credentials", "outbox"]
    );
    assert_eq!(found("INSERT INTO limits (key) VALUES ($1) ON CONFLICT (key) DO UPDATE SET a = 1"), ["limits"]);
    assert_eq!(found("SELECT count(*) FROM (SELECT 1 FROM members WHERE x LIMIT 3) AS counted"), ["members"]);
    assert_eq!(found("UPDATE sessions SET a = 1"), ["sessions"]);
}

#[test]
fn statements_are_registered() {
    let n = statements().count();
    assert!(n > 60, "only {n} statements: does the linker drop them?");
}

#[test]
fn each_statement_stands_in_a_store_or_with_its_owner_and_names_its_owners_tables() {
    let owners: BTreeMap<&str, BTreeSet<&str>> = OWNERS
        .iter()
        .map(|(module, own, more)| (*module, own.iter().copied().chain(more.iter().map(|(table, _)| *table)).collect()))
        .collect();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (module, text) in statements() {
        let module = module.strip_prefix("org_portal::").expect("a module of the portal");
        let Some(allowed) = owners.get(module) else {
            wrong.push(format!("{module} sends statements and owns no table: {text}"));
            continue;
        };
        let named = tables(text);
        assert!(!named.is_empty(), "{module}: no table in {text}");
        for table in named {
            if !allowed.contains(table.as_str()) {
                wrong.push(format!("{module} names {table}: {text}"));
            }
            seen.insert((module.to_owned(), table));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The list above says no more than what is.
    for (module, own, more) in OWNERS {
        for table in own.iter().chain(more.iter().map(|(table, _)| table)) {
            assert!(seen.contains(&((*module).to_owned(), (*table).to_owned())), "{module} does not name {table} any more");
        }
    }
    let owned: BTreeSet<&str> = OWNERS.iter().flat_map(|(_, own, _)| own.iter().copied()).collect();
    assert_eq!(owned, TABLES.iter().copied().collect(), "a table without an owner, or with an owner and no table");
    let count: usize = OWNERS.iter().map(|(_, own, _)| own.len()).sum();
    assert_eq!(count, owned.len(), "a table has two owners");
}

/// Writing into another's table is no exception that anybody has.
#[test]
fn only_owners_write() {
    for (module, text) in statements() {
        let module = module.trim_start_matches("org_portal::");
        let first = text.split_whitespace().next().unwrap_or_default();
        if ["SELECT", "WITH"].contains(&first) {
            continue;
        }
        let target = tables(text);
        let own: BTreeSet<String> =
            OWNERS.iter().filter(|(owner, ..)| *owner == module).flat_map(|(_, own, _)| own.iter().map(ToString::to_string)).collect();
        let excepted = (module == "guard"
            && (text.starts_with("UPDATE organizations SET revision") || text.starts_with("UPDATE accounts SET revision")))
            || (module == "maintenance" && text.starts_with("DELETE FROM idempotency_keys"));
        assert!(excepted || target.is_subset(&own), "{module} writes: {text}");
    }
}

#[test]
fn statements_ask_no_clock_and_hold_no_value() {
    for (module, text) in statements() {
        let upper = text.to_uppercase();
        for clock in ["NOW()", "CURRENT_TIMESTAMP", "CURRENT_DATE", "STRFTIME", "DATETIME(", "RANDOM()", "GEN_RANDOM"] {
            assert!(!upper.contains(clock), "{module}: {text}");
        }
        assert!(!text.contains('?'), "{module}: a placeholder of SQLite alone: {text}");
        assert!(!upper.contains("IS NULL OR $") && !upper.contains("$1 IS NULL"), "{module}: a condition that no index serves: {text}");
        assert!(!upper.contains("SELECT *"), "{module}: columns are written out: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_prepares_on_both_engines() {
    let (mut prepared, mut wrong) = (0, Vec::new());
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let portal = TestPortal::start(engine, Options::default()).await;
        let dialect = if engine == Engine::Sqlite { Dialect::Sqlite } else { Dialect::Postgres };
        for (module, text) in org_portal::db::statements(dialect) {
            let outcome = match &portal.db {
                Db::Sqlite { write, .. } => write.acquire().await.unwrap().prepare(SqlStr::from_static(text)).await.map(|_| ()),
                Db::Postgres(pool) => pool.acquire().await.unwrap().prepare(SqlStr::from_static(text)).await.map(|_| ()),
            };
            prepared += 1;
            if let Err(error) = outcome {
                wrong.push(format!("{engine:?} {module}: {error}: {text}"));
            }
        }
        portal.close().await;
    }
    assert!(prepared > 120, "{prepared}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn both_folders_of_migrations_have_the_same_names() {
    let names = |engine: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert!(!sqlite.is_empty());
    assert_eq!(sqlite, postgres);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_schemas_have_the_same_tables_columns_and_indexes() {
    let mut schemas = Vec::new();
    // But for what each engine looks up trigrams by (0004, 0009): FTS5's tables here, a generated column and its index there.
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let portal = TestPortal::start(engine, Options::default()).await;
        let (columns, indexes) = match engine {
            Engine::Sqlite => (
                "SELECT m.name, c.name, CASE WHEN c.\"notnull\" = 1 THEN 'NO' ELSE 'YES' END FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations' AND m.name NOT LIKE '%_search_%'",
                "SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_autoindex%'",
            ),
            Engine::Postgres => (
                "SELECT table_name::text, column_name::text, is_nullable::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' AND table_name NOT LIKE '%_search' AND column_name <> 'searched'",
                "SELECT i.indexname::text FROM pg_indexes i WHERE i.schemaname = 'public' AND i.indexname NOT LIKE '%_search_idx' AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)",
            ),
        };
        let columns: BTreeSet<Vec<String>> = portal.rows(columns).await.into_iter().collect();
        let indexes: BTreeSet<Vec<String>> = portal.rows(indexes).await.into_iter().collect();
        let tables: BTreeSet<String> = columns.iter().map(|row| row[0].clone()).collect();
        assert_eq!(tables, TABLES.iter().map(ToString::to_string).collect(), "the harness does not know every table");
        schemas.push((columns, indexes));
        portal.close().await;
    }
    let names = |a: &BTreeSet<Vec<String>>, b: &BTreeSet<Vec<String>>| a.symmetric_difference(b).cloned().collect::<Vec<_>>();
    assert_eq!(names(&schemas[0].0, &schemas[1].0), Vec::<Vec<String>>::new(), "columns");
    assert_eq!(names(&schemas[0].1, &schemas[1].1), Vec::<Vec<String>>::new(), "indexes");
}
