//! What must hold whatever happens at the same moment: two processes on one PostgreSQL, one on SQLite, and a gate that lets
//! everybody through at once.

use std::time::{Duration, Instant};

use org_portal::{db::Db, secrets, words::DAY};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::{
    portals::{
        Answered, Database, ENGINES, Engine, Person, Portal, account, blob, client, folder, free_port, id, member, now, people, post,
        script_in, send,
    },
    row::{Mode, Row},
};

/// One of those that come at once.
struct Post {
    cookies: String,
    what: What,
}

enum What {
    Call(&'static str, Value),
    Connect(String),
    Refresh(String, String),
}

impl Post {
    fn call(person: &Person, endpoint: &'static str, mut arguments: Value) -> Self {
        if arguments["drawn"].is_null() {
            arguments["drawn"] = json!({ "organization": person.organization, "page": "/" });
        }
        Self { cookies: person.session.clone(), what: What::Call(endpoint, arguments) }
    }
}

/// The portals and the people of one engine.
struct Arena {
    database: Database,
    db: Db,
    bases: Vec<String>,
    portals: Vec<Portal>,
    folder: tempfile::TempDir,
    client: reqwest::Client,
    /// An Admin with an organization each; Bob is Ada's second Admin, Carol is in none.
    ada: Person,
    kim: Person,
    bob: Person,
    carol: Person,
}

#[derive(Default)]
struct Seen {
    rounds: u64,
    violations: u64,
    wrong: u64,
    overlapped: u64,
    kinds: std::collections::BTreeSet<&'static str>,
}

pub async fn prove(mode: Mode) -> Row {
    let rounds = mode.of(100, 1000);
    let mut seen = Seen::default();
    for engine in ENGINES {
        let arena = Arena::open(engine).await;
        arena.all(rounds, &mut seen).await;
        arena.close().await;
    }
    let (servers, addresses, admins, memberships) = controls().await;
    Row::new(format!(
        "{} races, {rounds} rounds each on two processes with PostgreSQL and on one with SQLite: {}",
        seen.kinds.len(),
        seen.kinds.iter().copied().collect::<Vec<_>>().join(", ")
    ))
    .told("rounds", seen.rounds)
    .told("rounds on PostgreSQL in which several were seen to wait for each other", seen.overlapped)
    .none("violations", seen.violations)
    .none("answers that no race may give", seen.wrong)
    .must("control: rounds until two organizations shared a server, its constraint gone", servers.unwrap_or(0), "≥ 1", servers.is_some())
    .must("control: rounds until two accounts had one address, its constraint gone", addresses.unwrap_or(0), "≥ 1", addresses.is_some())
    .must("control: Admins left by careless statements, the constraint gone", admins, "0", admins == 0)
    .must("control: organizations of one account by careless statements, the constraint gone", memberships, "2", memberships == 2)
}

impl Arena {
    async fn open(engine: Engine) -> Self {
        let (database, folder) = (Database::fresh(engine).await, folder());
        let [ada, kim] = <[Person; 2]>::try_from(people(&database.url, engine, folder.path(), 2).await).unwrap();
        let db = Db::open(&database.url).await.unwrap();
        let ((mut bob, mut statements), (carol, more)) = (account(engine, "bob"), account(engine, "carol"));
        bob.organization = ada.organization;
        statements.extend(more);
        script_in(&db, &statements).await;
        let (mut bases, mut portals) = (Vec::new(), Vec::new());
        for _ in 0..if engine == Engine::Postgres { 2 } else { 1 } {
            let port = free_port();
            portals.push(Portal::serve(&database.url, port, folder.path(), &[]).await);
            bases.push(format!("http://127.0.0.1:{port}"));
        }
        Self { database, db, bases, portals, folder, client: client(), ada, kim, bob, carol }
    }

    async fn close(self) {
        for portal in self.portals {
            portal.stop().await;
        }
        self.db.close().await;
        drop(self.folder);
        self.database.drop().await;
    }

    fn engine(&self) -> Engine {
        self.database.engine
    }

    async fn send(&self, n: usize, to: Post) -> Answered {
        let base = &self.bases[n % self.bases.len()];
        match to.what {
            What::Call(endpoint, arguments) => post(&self.client, base, &to.cookies, endpoint, &arguments).await,
            What::Connect(token) => {
                let body = json!({ "pmm_server_id": "racer", "pmm_server_name": "PMM", "pmm_server_url": "https://racer.example.com/graph", "pmm_server_oauth_callback_url": "https://racer.example.com/graph/login/generic_oauth" });
                let request = self
                    .client
                    .post(format!("{base}/v1/orgs/inventory"))
                    .header("authorization", format!("Bearer {token}"))
                    .body(body.to_string());
                send("inventory", request).await
            }
            What::Refresh(client_id, token) => {
                let body = format!("grant_type=refresh_token&client_id={client_id}&refresh_token={token}");
                let request =
                    self.client.post(format!("{base}/oauth2/token")).header("content-type", "application/x-www-form-urlencoded").body(body);
                send("token", request).await
            }
        }
    }

    /// Sends all of them and lets none of them begin to write before all are there, where the database can tell that.
    async fn at_once(&self, posts: Vec<Post>, seen: &mut Seen) -> Vec<u16> {
        let wanted = i64::try_from(posts.len()).unwrap();
        let answers = futures::future::join_all(posts.into_iter().enumerate().map(|(n, post)| self.send(n, post)));
        let mut overlapped = false;
        let answers = match self.engine() {
            Engine::Sqlite => {
                let mut gate = SqliteConnection::connect(&self.database.url).await.unwrap();
                sqlx::query("BEGIN IMMEDIATE").execute(&mut gate).await.unwrap();
                let gate = async {
                    tokio::time::sleep(Duration::from_millis(15)).await;
                    sqlx::query("ROLLBACK").execute(&mut gate).await.unwrap();
                    gate.close().await.unwrap();
                };
                tokio::join!(answers, gate).0
            }
            Engine::Postgres => {
                let mut gate = PgConnection::connect(&self.database.url).await.unwrap();
                sqlx::query("BEGIN").execute(&mut gate).await.unwrap();
                sqlx::query("LOCK TABLE accounts, sign_ups, password_resets IN EXCLUSIVE MODE").execute(&mut gate).await.unwrap();
                let gate = async {
                    let began = Instant::now();
                    while began.elapsed() < Duration::from_millis(250) {
                        let waiting = "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT l.granted AND d.datname = current_database()";
                        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&mut gate).await.unwrap();
                        overlapped |= waiting >= 2;
                        if waiting >= wanted {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(3)).await;
                    }
                    sqlx::query("ROLLBACK").execute(&mut gate).await.unwrap();
                    gate.close().await.unwrap();
                };
                tokio::join!(answers, gate).0
            }
        };
        seen.overlapped += u64::from(overlapped);
        for answer in &answers {
            if let Answered::Wrong(500.., text) = answer {
                println!("       {text}");
            }
        }
        answers.iter().map(Answered::status).collect()
    }

    /// One race: what is made before each round, who comes, which answers there may be, and how many of them say that it was done; and
    /// what the database must give afterwards.
    async fn race(
        &self,
        name: &'static str,
        rounds: u64,
        seen: &mut Seen,
        mut round: impl FnMut(u64) -> (Vec<String>, Vec<Post>),
        (may, done): (&[u16], std::ops::RangeInclusive<usize>),
        checks: &[(&str, i64)],
    ) -> Option<u64> {
        seen.kinds.insert(name);
        let mut first = None;
        for n in 0..rounds {
            let (before, posts) = round(n);
            script_in(&self.db, &before).await;
            let statuses = self.at_once(posts, seen).await;
            let wrong = statuses.iter().any(|status| !may.contains(status));
            let dones = statuses.iter().filter(|status| **status == 200).count();
            let mut violated = !done.contains(&dones);
            let mut found = Vec::new();
            for (sql, must) in checks {
                let count = self.database.count(sql).await;
                violated |= count != *must;
                found.push(count);
            }
            if (wrong || violated) && seen.violations + seen.wrong < 5 {
                println!("       {:?}, {name}, round {n}: answers {statuses:?}, found {found:?}", self.engine());
            }
            seen.rounds += 1;
            seen.wrong += u64::from(wrong);
            seen.violations += u64::from(violated);
            if violated {
                first.get_or_insert(n + 1);
            }
        }
        first
    }

    async fn all(&self, rounds: u64, seen: &mut Seen) {
        let began = Instant::now();
        self.last_admin(rounds, seen).await;
        self.memberships(rounds, seen).await;
        self.addresses(rounds, seen).await;
        self.change_address(rounds, seen).await;
        self.servers(rounds, seen).await;
        self.tokens(rounds, seen).await;
        self.tickets(rounds, seen).await;
        println!("       {:?}: {} rounds so far, {:.0} s", self.engine(), seen.rounds, began.elapsed().as_secs_f64());
    }

    async fn last_admin(&self, rounds: u64, seen: &mut Seen) {
        let (engine, ada, bob) = (self.engine(), &self.ada, &self.bob);
        let (o, a) = (engine.literal(ada.organization), engine.literal(ada.account));
        let again = || {
            vec![
                format!("DELETE FROM former_members WHERE organization_id = {o}"),
                format!("DELETE FROM members WHERE organization_id = {o}"),
                member(engine, ada, ada.organization, "Admin"),
                member(engine, bob, ada.organization, "Admin"),
                format!("UPDATE organizations SET members_count = 2, admin_account_id = {a} WHERE id = {o}"),
            ]
        };
        let admins = format!("SELECT count(*) FROM members WHERE role = 'Admin' AND organization_id = {o}");
        let counted = format!(
            "SELECT count(*) FROM organizations WHERE id = {o} AND members_count <> (SELECT count(*) FROM members WHERE organization_id = {o})"
        );
        let round = |n: u64| {
            let on = |other: &Person| match n % 3 {
                0 => ("leave_organization", json!({})),
                1 => ("change_role", json!({ "form": { "member": other.member, "role": "Technical user" } })),
                _ => ("remove_member", json!({ "form": { "member": other.member } })),
            };
            let ((endpoint, by_ada), (_, by_bob)) = (on(bob), on(ada));
            (again(), vec![Post::call(ada, endpoint, by_ada), Post::call(bob, endpoint, by_bob)])
        };
        self.race(
            "two Admins who leave, demote or remove each other",
            rounds,
            seen,
            round,
            (&[200, 403, 404, 409, 422], 1..=1),
            &[(&admins, 1), (&counted, 0)],
        )
        .await;
        script_in(
            &self.db,
            &[
                again(),
                vec![
                    format!("DELETE FROM members WHERE account_id = {}", engine.literal(bob.account)),
                    format!("UPDATE organizations SET members_count = 1 WHERE id = {o}"),
                ],
            ]
            .concat(),
        )
        .await;
    }

    async fn memberships(&self, rounds: u64, seen: &mut Seen) {
        let (engine, ada, carol) = (self.engine(), &self.ada, &self.carol);
        let (o, c) = (engine.literal(ada.organization), engine.literal(carol.account));
        let out = || {
            vec![
                format!("DELETE FROM former_members WHERE account_id = {c}"),
                format!("DELETE FROM members WHERE account_id = {c}"),
                format!("DELETE FROM organizations WHERE created_by = {c}"),
                format!("UPDATE organizations SET members_count = 1, invitations_count = 0 WHERE id = {o}"),
                "DELETE FROM invitations".to_owned(),
            ]
        };
        // Nobody has drawn these forms in an organization.
        let drawn = json!({ "page": "/" });
        let invitation = id();
        let invite = |id: uuid::Uuid, secret: u64| {
            let (id, hash, now, end) = (engine.literal(id), blob(engine, &secrets::hash(&secret.to_string())), now().0, now().plus(DAY).0);
            format!(
                "INSERT INTO invitations (id, organization_id, email, email_key, role, state, token_hash, invited_by_name, created_at, sent_at, expires_at) VALUES ({id}, {o}, 'carol@example.com', 'carol@example.com', 'Technical user', 'pending', {hash}, 'Ada', {now}, {now}, {end})"
            )
        };
        let round = |n: u64| {
            let mut before = out();
            before.extend([invite(invitation, n), format!("UPDATE organizations SET invitations_count = 1 WHERE id = {o}")]);
            let accept = || Post::call(carol, "accept_invitation", json!({ "invitation": invitation, "drawn": drawn }));
            (before, (0..6).map(|_| accept()).collect())
        };
        let counted = format!("SELECT 100 * members_count + invitations_count FROM organizations WHERE id = {o}");
        let in_it = format!("SELECT count(*) FROM members WHERE organization_id = {o}");
        self.race("one invitation accepted six times", rounds, seen, round, (&[200, 409, 410], 1..=1), &[(&counted, 200), (&in_it, 2)])
            .await;

        let round = |_| {
            (
                out(),
                (0..4)
                    .map(|n| Post::call(carol, "add_organization", json!({ "form": { "name": format!("Carol {n}") }, "drawn": drawn })))
                    .collect(),
            )
        };
        let (added, member) = (
            format!("SELECT count(*) FROM organizations WHERE created_by = {c}"),
            format!("SELECT count(*) FROM members WHERE account_id = {c}"),
        );
        self.race("one account that adds four organizations", rounds, seen, round, (&[200, 409], 1..=1), &[(&added, 1), (&member, 1)])
            .await;

        let round = |n: u64| {
            let mut before = out();
            before.extend([invite(invitation, n), format!("UPDATE organizations SET invitations_count = 1 WHERE id = {o}")]);
            let accept = Post::call(carol, "accept_invitation", json!({ "invitation": invitation, "drawn": drawn }));
            let add = Post::call(carol, "add_organization", json!({ "form": { "name": "Carol" }, "drawn": drawn }));
            (before, vec![accept, add])
        };
        self.race("one account that accepts and adds at once", rounds, seen, round, (&[200, 409], 1..=1), &[(&member, 1)]).await;

        let round = |_| {
            let invite = |email: &str| Post::call(ada, "invite_member", json!({ "form": { "email": email, "role": "Technical user" } }));
            (out(), ["dan@example.com", "Dan@example.com", "dan@Example.com"].map(invite).into())
        };
        let counted = format!("SELECT invitations_count FROM organizations WHERE id = {o}");
        self.race(
            "one address invited three times",
            rounds,
            seen,
            round,
            (&[200, 409], 1..=1),
            &[("SELECT count(*) FROM invitations WHERE state = 'pending'", 1), (&counted, 1)],
        )
        .await;
        script_in(&self.db, &out()).await;
    }

    async fn addresses(&self, rounds: u64, seen: &mut Seen) {
        let engine = self.engine();
        let round = |n: u64| {
            let mut before = vec!["DELETE FROM sign_ups".to_owned(), "DELETE FROM accounts WHERE email_key = 'new@example.com'".to_owned()];
            let mut posts = Vec::new();
            for k in 0..3 {
                // Two links of one address, and one of them twice.
                let link = k.min(1);
                let (token, browser) = (format!("token {n} {link}"), format!("browser-{n}-{link}"));
                if k < 2 {
                    let (id, hash, browser) =
                        (engine.literal(id()), blob(engine, &secrets::hash(&token)), blob(engine, &secrets::hash(&browser)));
                    before.push(format!("INSERT INTO sign_ups (id, token_hash, browser_hash, email, email_key, first_name, last_name, password, created_at, expires_at) VALUES ({id}, {hash}, {browser}, 'new@example.com', 'new@example.com', 'New', '', 'a-hash-of-{k}', {}, {})", now().0, now().plus(DAY).0));
                }
                posts.push(Post {
                    cookies: format!("none; sign_up={browser}"),
                    what: What::Call("verify_email", json!({ "form": { "token": token }, "drawn": { "page": "/" } })),
                });
            }
            (before, posts)
        };
        let accounts = "SELECT count(*) FROM accounts WHERE email_key = 'new@example.com'";
        let passwords = "SELECT count(*) FROM credentials c JOIN accounts a ON a.id = c.account_id WHERE a.email_key = 'new@example.com'";
        self.race(
            "two sign-ups with one address, verified at once",
            rounds,
            seen,
            round,
            (&[200, 410], 1..=1),
            &[(accounts, 1), (passwords, 1)],
        )
        .await;

        let carol = engine.literal(self.carol.account);
        let events = "SELECT count(*) FROM audit_events WHERE action = 'password.reset' AND outcome = 'success'";
        let round = |n: u64| {
            let token = format!("reset {n}");
            let (id, hash) = (engine.literal(id()), blob(engine, &secrets::hash(&token)));
            let before = vec![
                "DELETE FROM audit_events WHERE action = 'password.reset'".to_owned(),
                format!(
                    "INSERT INTO password_resets (id, token_hash, account_id, created_at, expires_at) VALUES ({id}, {hash}, {carol}, {}, {})",
                    now().0,
                    now().plus(DAY).0
                ),
            ];
            let posts = (0..2).map(|k| Post {
                cookies: "none".to_owned(),
                what: What::Call(
                    "reset_password",
                    json!({ "form": { "token": token, "password": format!("mallow drizzle {k} umbrella") }, "drawn": { "page": "/" } }),
                ),
            });
            (before, posts.collect())
        };
        self.race("one link used twice to choose a password", rounds, seen, round, (&[200, 410], 1..=1), &[(events, 1)]).await;
        // It ended Carol's session.
        script_in(&self.db, &[crate::portals::session(engine, self.carol.account, &self.carol.session)]).await;
    }

    async fn change_address(&self, rounds: u64, seen: &mut Seen) -> Option<u64> {
        let engine = self.engine();
        let round = |n: u64| {
            let mut before = vec!["DELETE FROM email_changes".to_owned()];
            let mut posts = Vec::new();
            for person in [&self.carol, &self.kim] {
                let (account, email, token) = (engine.literal(person.account), &person.email, format!("change {n} {}", person.email));
                before.push(format!("UPDATE accounts SET email = '{email}', email_key = '{email}' WHERE id = {account}"));
                before.push(format!("INSERT INTO email_changes (id, token_hash, account_id, email, created_at, expires_at) VALUES ({}, {}, {account}, 'other@example.com', {}, {})", engine.literal(id()), blob(engine, &secrets::hash(&token)), now().0, now().plus(DAY).0));
                posts.push(Post::call(person, "confirm_email", json!({ "form": { "token": token }, "drawn": { "page": "/" } })));
            }
            (before, posts)
        };
        let others = "SELECT count(*) FROM accounts WHERE email_key = 'other@example.com'";
        let violated = self.race("two people who change to one address", rounds, seen, round, (&[200, 410], 1..=1), &[(others, 1)]).await;
        let back = [&self.carol, &self.kim].map(|person| {
            format!("UPDATE accounts SET email = '{0}', email_key = '{0}' WHERE id = {1}", person.email, engine.literal(person.account))
        });
        script_in(&self.db, &back).await;
        violated
    }

    /// A token of a person's, by its secret.
    fn token(&self, person: &Person, secret: &str, name: &str) -> String {
        let engine = self.engine();
        let (id, account, organization, member, hash) = (
            engine.literal(id()),
            engine.literal(person.account),
            engine.literal(person.organization),
            engine.literal(person.member),
            blob(engine, &secrets::hash(secret)),
        );
        format!(
            "INSERT INTO api_tokens (id, account_id, organization_id, member_id, name, scope, token_hash, created_at, expires_at) VALUES ({id}, {account}, {organization}, {member}, '{name}', 'full', {hash}, {}, {})",
            now().0,
            now().plus(DAY).0
        )
    }

    async fn servers(&self, rounds: u64, seen: &mut Seen) -> Option<u64> {
        script_in(
            &self.db,
            &["DELETE FROM api_tokens".to_owned(), self.token(&self.ada, "opt_of-ada", "a"), self.token(&self.kim, "opt_of-kim", "k")],
        )
        .await;
        let round = |_| {
            let connect = |token: &str| Post { cookies: String::new(), what: What::Connect(token.to_owned()) };
            (vec!["DELETE FROM pmm_servers".to_owned()], ["opt_of-ada", "opt_of-kim", "opt_of-kim", "opt_of-ada"].map(connect).into())
        };
        self.race(
            "one PMM server connected to two organizations",
            rounds,
            seen,
            round,
            (&[200, 409], 2..=2),
            &[("SELECT count(*) FROM pmm_servers WHERE server_id = 'racer'", 1)],
        )
        .await
    }

    async fn tokens(&self, rounds: u64, seen: &mut Seen) {
        let engine = self.engine();
        let (ada, end, now) = (&self.ada, now().plus(DAY).0, now().0);
        let round = |n: u64| {
            let (server, consent, grant) = (engine.literal(id()), engine.literal(id()), engine.literal(id()));
            let (account, organization, member) =
                (engine.literal(ada.account), engine.literal(ada.organization), engine.literal(ada.member));
            let (token, bytes) = (format!("opr_refresh-{n}"), |text: String| blob(engine, &secrets::hash(&text)));
            let before = vec![
                "DELETE FROM pmm_servers".to_owned(),
                format!(
                    "INSERT INTO pmm_servers (id, organization_id, server_id, name, name_key, url, callback_url, connected_by_name, connected_at, public_client_id, machine_client_id, machine_secret_hash) VALUES ({server}, {organization}, 'racer', 'PMM', 'pmm', 'https://racer.example.com', 'https://racer.example.com/login', 'Ada', {now}, 'racer', 'racer-machine', {})",
                    bytes("m".to_owned())
                ),
                format!(
                    "INSERT INTO server_consents (id, account_id, member_id, server_id, allowed_at) VALUES ({consent}, {account}, {member}, {server}, {now})"
                ),
                format!(
                    "INSERT INTO oauth_grants (id, consent_id, scope, authenticated_at, code_hash, code_challenge, code_expires_at, code_used_at, created_at, ends_at) VALUES ({grant}, {consent}, 'offline_access', {now}, {}, '', {now}, {now}, {now}, {end})",
                    bytes(format!("code {n}"))
                ),
                format!(
                    "INSERT INTO oauth_tokens (token_hash, grant_id, kind, scope, created_at, expires_at) VALUES ({}, {grant}, 'refresh', 'offline_access', {now}, {end})",
                    bytes(token.clone())
                ),
            ];
            (before, (0..4).map(|_| Post { cookies: String::new(), what: What::Refresh("racer".to_owned(), token.clone()) }).collect())
        };
        // The second use ends all that came of it.
        self.race(
            "one refresh token used four times",
            rounds,
            seen,
            round,
            (&[200, 400], 0..=1),
            &[("SELECT count(*) FROM oauth_tokens WHERE used_at IS NULL", 0)],
        )
        .await;

        let round = |n: u64| {
            let mut before = vec!["DELETE FROM api_tokens".to_owned()];
            before.extend((0..49).map(|k| self.token(ada, &format!("opt_{n}-{k}"), "old")));
            (before, (0..4).map(|_| Post::call(ada, "make_token", json!({ "form": { "name": "racer" } }))).collect())
        };
        self.race(
            "four who make the fiftieth token",
            rounds,
            seen,
            round,
            (&[200, 409], 1..=1),
            &[("SELECT count(*) FROM api_tokens", 50)],
        )
        .await;
        script_in(&self.db, &["DELETE FROM api_tokens".to_owned(), "DELETE FROM pmm_servers".to_owned()]).await;
    }

    async fn tickets(&self, rounds: u64, seen: &mut Seen) {
        let raise = json!({ "form": { "subject": "The one", "description": "It is slow", "priority": "P3 - Normal" }, "drawn": { "page": "/", "organization": self.ada.organization, "key": "one" } });
        let raised = self.at_once((0..4).map(|_| Post::call(&self.ada, "raise_ticket", raise.clone())).collect(), seen).await;
        assert_eq!(raised, [200; 4]);
        let number = self.database.text("SELECT number FROM tickets WHERE subject = 'The one'").await;
        let mut n_of = 0;
        let mut round = |n: u64| {
            n_of = n;
            let reply = json!({ "ticket": number, "form": { "body": format!("Reply {n}") }, "drawn": { "page": "/", "organization": self.ada.organization, "key": format!("key {n}") } });
            (
                vec!["DELETE FROM ticket_messages".to_owned(), "UPDATE tickets SET messages = 0".to_owned()],
                (0..4).map(|_| Post::call(&self.ada, "reply_to_ticket", reply.clone())).collect(),
            )
        };
        self.race(
            "one reply posted four times",
            rounds,
            seen,
            &mut round,
            (&[200], 4..=4),
            &[("SELECT count(*) FROM ticket_messages WHERE kind = 'reply'", 1), ("SELECT messages FROM tickets", 1)],
        )
        .await;
    }
}

/// What is seen where nothing guards: in a database of its own, on PostgreSQL. The first two are the portal's own races; what the
/// others guard is locked by the portal before it decides, so that statements past it have to show them.
async fn controls() -> (Option<u64>, Option<u64>, i64, i64) {
    let arena = Arena::open(Engine::Postgres).await;
    // What comes to light here is wanted.
    let mut seen = Seen { violations: 5, ..Seen::default() };
    arena.database.execute("ALTER TABLE pmm_servers DROP CONSTRAINT pmm_servers_server_key").await;
    let mut servers = None;
    for n in 0..50 {
        if arena.servers(1, &mut seen).await.is_some() {
            servers = Some(n + 1);
            break;
        }
    }
    arena.database.execute("ALTER TABLE accounts DROP CONSTRAINT accounts_email_key").await;
    let mut addresses = None;
    for n in 0..50 {
        if arena.change_address(1, &mut seen).await.is_some() {
            addresses = Some(n + 1);
            break;
        }
    }
    let (engine, ada, bob, kim, carol) = (arena.engine(), &arena.ada, &arena.bob, &arena.kim, &arena.carol);
    let (o, a, b) = (engine.literal(ada.organization), engine.literal(ada.account), engine.literal(bob.account));
    script_in(
        &arena.db,
        &[member(engine, bob, ada.organization, "Admin"), format!("UPDATE organizations SET members_count = 2 WHERE id = {o}")],
    )
    .await;
    // Each demotes oneself and points at the other.
    arena.database.execute("ALTER TABLE organizations DROP CONSTRAINT organizations_admin_fkey").await;
    for (who, other) in [(&a, &b), (&b, &a)] {
        let demote = [
            format!("UPDATE organizations SET admin_account_id = {other} WHERE id = {o}"),
            format!("UPDATE members SET role = 'Technical user' WHERE account_id = {who}"),
        ];
        script_in(&arena.db, &demote).await;
    }
    let admins = arena.database.count(&format!("SELECT count(*) FROM members WHERE role = 'Admin' AND organization_id = {o}")).await;
    arena.database.execute("ALTER TABLE members DROP CONSTRAINT members_account_key").await;
    let second = Person { member: id(), ..carol.clone() };
    script_in(
        &arena.db,
        &[member(engine, carol, ada.organization, "Technical user"), member(engine, &second, kim.organization, "Technical user")],
    )
    .await;
    let memberships =
        arena.database.count(&format!("SELECT count(*) FROM members WHERE account_id = {}", engine.literal(carol.account))).await;
    arena.close().await;
    (servers, addresses, admins, memberships)
}
