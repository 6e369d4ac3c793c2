//! What must hold whatever happens at the same moment: two replicas on one database, 100 rounds each.
//!
//! The portal takes an organization's lock before it decides, and behind that stand the database's constraints. The last
//! tests go past the portal and show that the constraints alone refuse, and that without them the harm is done: so a
//! race that this file runs can be seen at all.
#![cfg(feature = "ssr")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use org_portal::{
    cli::import::{How, import},
    db::{Conn, Connected as _, Tx},
    form::{Conflict, Refusal},
    permissions::Role,
    words::MINUTE,
};
use sqlx::AssertSqlSafe;
use support::*;

const ROUNDS: usize = 100;

/// Statements in one transaction of their own, past the portal.
async fn script(portal: &TestPortal, statements: &[String]) {
    let mut tx = portal.db.begin().await.expect("a transaction");
    send(&mut tx, statements).await.expect("the statements");
    tx.commit().await.expect("the commit");
}

async fn send(tx: &mut Tx, statements: &[String]) -> Result<(), sqlx::Error> {
    for statement in statements {
        match tx.conn() {
            Conn::Sqlite(c) => sqlx::query(AssertSqlSafe(statement.clone())).execute(c).await.map(drop)?,
            Conn::Postgres(c) => sqlx::query(AssertSqlSafe(statement.clone())).execute(c).await.map(drop)?,
        }
    }
    Ok(())
}

/// Two Admins, again as at the start, whatever the round did.
async fn two_admins(portal: &TestPortal, organization: &str, ada: &str, bob: &str) {
    let mut statements = vec![
        format!("DELETE FROM former_members WHERE organization_id = {organization}"),
        format!("DELETE FROM members WHERE organization_id = {organization}"),
    ];
    for (account, name) in [(ada, "ada"), (bob, "bob")] {
        statements.push(format!(
            "INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at) VALUES ({account}, {organization}, {account}, 'Admin', 'creation', 1, '{name}', '{name}', '{name}@example.com', '{name}@example.com', 1)"
        ));
    }
    statements.push(format!("UPDATE organizations SET members_count = 2, admin_account_id = {ada} WHERE id = {organization}"));
    script(portal, &statements).await;
}

/// Keeps the rows of tables aside, to begin each round anew; gives the statements that bring them back.
async fn keep(portal: &TestPortal, tables: &[&str]) -> Vec<String> {
    let statements: Vec<String> = tables.iter().map(|table| format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).collect();
    script(portal, &statements).await;
    let mut again = Vec::new();
    for table in tables {
        // What the database generates is not put in.
        let names = match portal.engine {
            Engine::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
            Engine::Postgres => {
                format!("SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}' AND is_generated = 'NEVER'")
            }
        };
        let columns = portal.rows(&names);
        let columns = columns.await.concat().join(", ");
        again.push(format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM kept_{table}"));
    }
    again
}

async fn forget(portal: &TestPortal, tables: &[&str]) {
    let statements: Vec<String> = tables.iter().map(|table| format!("DROP TABLE kept_{table}")).collect();
    script(portal, &statements).await;
}

async fn account(portal: &TestPortal, name: &str) -> uuid::Uuid {
    let column = portal.engine.hex("id");
    uuid(&portal.text(&format!("SELECT {column} FROM accounts WHERE email_key = '{name}@example.com'")).await)
}

async fn admins(portal: &TestPortal) -> i64 {
    portal.count("SELECT count(*) FROM members WHERE role = 'Admin'").await
}

on_both! {
    async fn two_admins_who_go_or_demote_or_remove_each_other_at_once_leave_one(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin)]).await;
        let other = TestPortal::second(portal).await;
        let bob = bob.at(&other);
        let organization = portal.organization_of("ada").await;
        let (a, b) = (account(portal, "ada").await, account(portal, "bob").await);
        let (o, ada_id, bob_id) = (portal.engine.literal(organization.0), portal.engine.literal(a), portal.engine.literal(b));
        let (a, b) = (a.to_string(), b.to_string());
        for round in 0..ROUNDS {
            for kind in ["leave", "demote", "remove"] {
                two_admins(portal, &o, &ada_id, &bob_id).await;
                let demote = |who| [("form[member]", who), ("form[role]", "Technical user")];
                let (demote_bob, demote_ada) = (demote(b.as_str()), demote(a.as_str()));
                let (remove_bob, remove_ada) = ([("form[member]", b.as_str())], [("form[member]", a.as_str())]);
                let (first, second) = match kind {
                    "leave" => tokio::join!(ada.call_in(organization, "leave_organization", &[]), bob.call_in(organization, "leave_organization", &[])),
                    "demote" => tokio::join!(
                        ada.call_in(organization, "change_role", &demote_bob),
                        bob.call_in(organization, "change_role", &demote_ada)
                    ),
                    _ => tokio::join!(
                        ada.call_in(organization, "remove_member", &remove_bob),
                        bob.call_in(organization, "remove_member", &remove_ada)
                    ),
                };
                let statuses = [first.status, second.status];
                assert_eq!(admins(portal).await, 1, "round {round}, {kind}: {statuses:?}");
                assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "round {round}, {kind}: {statuses:?}");
                assert!(statuses.iter().all(|status| [200, 403, 404, 409, 422].contains(status)), "round {round}, {kind}: {statuses:?}");
                let members = portal.count("SELECT count(*) FROM members").await;
                assert_eq!(portal.count("SELECT members_count FROM organizations").await, members, "round {round}, {kind}");
            }
        }
        other.stop().await;
    }

    async fn ten_at_once_connect_one_server_and_one_of_them_is_the_last(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin)]).await;
        let other = TestPortal::second(portal).await;
        let (adas, bobs) = (portal.token(&ada, "pmm:connect", "1 day").await, portal.token(&bob, "full", "1 day").await);
        for round in 0..ROUNDS / 4 {
            let connects = (0..10).map(|n| {
                let (portal, secret) = (if n % 2 == 0 { portal } else { &other }, if n % 3 == 0 { &adas } else { &bobs });
                async move { portal.connect(secret, "a-server", &format!("PMM {n}")).await }
            });
            let outcomes = futures::future::join_all(connects).await;
            let connected: Vec<_> = outcomes.into_iter().map(|outcome| outcome.map_err(|refusal| panic!("round {round}: {refusal:?}")).unwrap()).collect();
            let rows = portal.rows("SELECT public_client_id, machine_client_id FROM pmm_servers").await;
            assert_eq!(rows.len(), 1, "round {round}");
            let kept = connected.iter().filter(|connected| [connected.public_client_id.as_str(), &connected.machine_client_id] == *rows[0]).count();
            assert_eq!(kept, 1, "round {round}");
        }
        other.stop().await;
    }

    async fn two_organizations_that_connect_one_server_at_once_do_not_share_it(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let [kim] = portal.organization_with("Other", [("kim", Role::Admin)]).await;
        let other = TestPortal::second(portal).await;
        let (adas, kims) = (portal.token(&ada, "pmm:connect", "1 day").await, portal.token(&kim, "pmm:connect", "1 day").await);
        let acme = portal.organization_of("ada").await;
        let mut firsts = [0, 0];
        for round in 0..ROUNDS / 2 {
            script(portal, &["DELETE FROM pmm_servers".to_owned()]).await;
            let (a, b, c, d) = tokio::join!(
                portal.connect(&adas, "a-server", "PMM"),
                other.connect(&kims, "a-server", "PMM"),
                other.connect(&adas, "a-server", "PMM"),
                portal.connect(&kims, "a-server", "PMM")
            );
            let owner = portal.text(&format!("SELECT {} FROM pmm_servers", portal.engine.hex("organization_id"))).await;
            let of_acme = uuid(&owner) == acme.0;
            firsts[usize::from(of_acme)] += 1;
            for (outcome, own) in [(a, of_acme), (b, !of_acme), (c, of_acme), (d, !of_acme)] {
                let outcome = outcome.map(drop);
                let right = if own { Ok(()) } else { Err(Refusal::Conflict(Conflict::ServerElsewhere)) };
                assert_eq!(outcome, right, "round {round}");
            }
        }
        println!("{:?}: who came first: {firsts:?}", portal.engine);
        other.stop().await;
    }

    async fn ten_at_once_make_the_fiftieth_token(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let other = TestPortal::second(portal).await;
        let there = ada.at(&other);
        let organization = portal.organization_of("ada").await;
        for _ in 0..49 {
            portal.token(&ada, "read", "1 year").await;
        }
        for round in 0..ROUNDS / 4 {
            let makes = (0..10).map(|n| {
                let browser = if n % 2 == 0 { ada.copy() } else { there.copy() };
                async move { browser.call_in(organization, "make_token", &[("form[name]", "racer")]).await.status }
            });
            let mut statuses = futures::future::join_all(makes).await;
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409, 409, 409], "round {round}");
            assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await, 50, "round {round}");
            script(portal, &["DELETE FROM api_tokens WHERE name = 'racer'".to_owned()]).await;
        }
        other.stop().await;
    }

    async fn four_at_once_add_one_organization(portal) {
        let ada = portal.sign_up("ada").await;
        let other = TestPortal::second(portal).await;
        let there = ada.at(&other);
        for round in 0..ROUNDS {
            let add = |browser: &Browser| { let browser = browser.copy(); async move { browser.call("add_organization", &[("form[name]", "Acme")]).await.status } };
            let (w, x, y, z) = tokio::join!(add(&ada), add(&there), add(&ada), add(&there));
            let mut statuses = [w, x, y, z];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409, 409, 409], "round {round}");
            assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 1, "round {round}");
            script(portal, &["DELETE FROM members".to_owned(), "DELETE FROM organizations".to_owned()]).await;
        }
        other.stop().await;
    }

    async fn ten_at_once_accept_an_invitation_once(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let bob = portal.sign_up("bob").await;
        let other = TestPortal::second(portal).await;
        let there = bob.at(&other);
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await;
        let invitation = portal.invitation_of("bob@example.com").await.to_string();
        for round in 0..ROUNDS {
            let accept = |n: usize| {
                let (browser, invitation) = (if n.is_multiple_of(2) { bob.copy() } else { there.copy() }, invitation.clone());
                tokio::spawn(async move { browser.call("accept_invitation", &[("invitation", &invitation)]).await.status })
            };
            let tasks: Vec<_> = (0..10).map(accept).collect();
            let mut accepted = 0;
            for task in tasks {
                let status = task.await.expect("a call");
                assert!([200, 409, 410].contains(&status), "round {round}: {status}");
                accepted += usize::from(status == 200);
            }
            assert_eq!(accepted, 1, "round {round}");
            assert_eq!(portal.rows("SELECT members_count, invitations_count FROM organizations").await, [["2", "0"]], "round {round}");
            assert_eq!(portal.count("SELECT count(*) FROM members").await, 2, "round {round}");
            script(portal, &[
                "DELETE FROM members WHERE email_key = 'bob@example.com'".to_owned(),
                "UPDATE invitations SET state = 'pending', settled_at = NULL, settled_by = NULL".to_owned(),
                "UPDATE organizations SET members_count = 1, invitations_count = 1".to_owned(),
            ]).await;
        }
        other.stop().await;
    }

    async fn one_address_invited_three_times_at_once_is_invited_once(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let other = TestPortal::second(portal).await;
        let bob = bob.at(&other);
        let organization = portal.organization_of("ada").await;
        for round in 0..ROUNDS {
            script(portal, &[
                "DELETE FROM invitations".to_owned(),
                "DELETE FROM outbox".to_owned(),
                "UPDATE organizations SET invitations_count = 0".to_owned(),
            ]).await;
            let invite = |browser: &Browser, email: &'static str| {
                let browser = browser.copy();
                async move { browser.call_in(organization, "invite_member", &[("form[email]", email), ("form[role]", "Technical user")]).await.status }
            };
            let (x, y, z) = tokio::join!(invite(&ada, "carol@example.com"), invite(&bob, "Carol@example.com"), invite(&ada, "carol@Example.com"));
            let mut statuses = [x, y, z];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409, 409], "round {round}");
            assert_eq!(portal.count("SELECT count(*) FROM invitations WHERE state = 'pending'").await, 1, "round {round}");
            assert_eq!(portal.count("SELECT invitations_count FROM organizations").await, 1, "round {round}");
        }
        other.stop().await;
    }

    async fn an_organization_is_deleted_while_somebody_accepts_and_nobody_is_in_what_is_gone(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let bob = portal.sign_up("bob").await;
        let other = TestPortal::second(portal).await;
        let bob = bob.at(&other);
        let organization = portal.organization_of("ada").await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await;
        let invitation = portal.invitation_of("bob@example.com").await.to_string();
        let kept = ["organizations", "members", "invitations"];
        let restore = keep(portal, &kept).await;
        let mut joined = 0;
        for round in 0..ROUNDS {
            let offered = [("invitation", invitation.as_str())];
            let (deleted, accepted) = tokio::join!(
                ada.call_in(organization, "delete_organization", &[("form[name]", "Acme")]),
                bob.call("accept_invitation", &offered)
            );
            assert_eq!(deleted.status, 200, "round {round}: {}", deleted.text);
            assert!([200, 404, 410].contains(&accepted.status), "round {round}: {} {}", accepted.status, accepted.text);
            let members = 1 + i64::from(accepted.status == 200);
            joined += members - 1;
            for table in kept {
                assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "round {round}: {table}");
            }
            assert_eq!(portal.count("SELECT members_count FROM former_organizations").await, members, "round {round}");
            assert_eq!(portal.count("SELECT count(*) FROM former_members").await, members, "round {round}");
            let mut again = vec!["DELETE FROM former_members".to_owned(), "DELETE FROM former_organizations".to_owned()];
            again.extend(restore.iter().cloned());
            script(portal, &again).await;
        }
        println!("{:?}: accepted before the end in {joined} of {ROUNDS}", portal.engine);
        forget(portal, &kept).await;
        other.stop().await;
    }

    async fn several_are_changed_while_they_leave_and_an_admin_stays_and_everybody_is_counted(portal) {
        let names = ["ada", "bob", "eve", "zoe"];
        let people = names.map(|name| (name, Role::Admin));
        let [ada, bob, eve, _zoe] = portal.organization_with("Acme", people).await;
        let other = TestPortal::second(portal).await;
        let (bob, eve) = (bob.at(&other), eve.at(&other));
        let organization = portal.organization_of("ada").await;
        let mut ids = Vec::new();
        for name in names {
            ids.push(portal.member_of(name).await.to_string());
        }
        script(portal, &["DELETE FROM invitations".to_owned(), "UPDATE organizations SET invitations_count = 0".to_owned()]).await;
        let kept = ["organizations", "members"];
        let restore = keep(portal, &kept).await;
        let mut outcomes = std::collections::BTreeMap::new();
        for round in 0..ROUNDS {
            // Everybody at once: Ada does it to all, and the others go, or do it to her.
            let all: Vec<(&str, &str)> = ids.iter().map(|id| ("form[members][]", id.as_str())).collect();
            let demote: Vec<(&str, &str)> = all.iter().copied().chain([("form[role]", "Technical user")]).collect();
            let (endpoint, pairs) = if round % 2 == 0 { ("remove_members", &all) } else { ("change_roles", &demote) };
            let (several, left, back) = tokio::join!(
                ada.call_in(organization, endpoint, pairs),
                bob.call_in(organization, "leave_organization", &[]),
                eve.call_in(organization, endpoint, pairs)
            );
            let statuses = [several.status, left.status, back.status];
            assert!(statuses.iter().all(|status| [200, 403, 404, 409].contains(status)), "round {round}: {statuses:?} {} {} {}", several.text, left.text, back.text);
            assert!(admins(portal).await >= 1, "round {round}: {statuses:?}");
            let members = portal.count("SELECT count(*) FROM members").await;
            assert_eq!(portal.count("SELECT members_count FROM organizations").await, members, "round {round}: {statuses:?}");
            assert_eq!(portal.count("SELECT count(*) FROM former_members").await, 4 - members, "round {round}: {statuses:?}");
            *outcomes.entry(statuses).or_insert(0) += 1;
            let mut again = ["former_members", "members", "organizations"].map(|table| format!("DELETE FROM {table}")).to_vec();
            again.extend(restore.iter().cloned());
            script(portal, &again).await;
        }
        println!("{:?}: {outcomes:?}", portal.engine);
        forget(portal, &kept).await;
        other.stop().await;
    }

    async fn an_account_is_deleted_while_the_other_admin_is_demoted_or_goes_too_and_an_admin_stays(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin), ("eve", Role::TechnicalUser)]).await;
        let other = TestPortal::second(portal).await;
        let (there, bob) = (ada.at(&other), bob.at(&other));
        let organization = portal.organization_of("ada").await;
        let of_bob = portal.member_of("bob").await.to_string();
        portal.deliver().await;
        let kept = ["accounts", "credentials", "sessions", "organizations", "members"];
        let restore = keep(portal, &kept).await;
        script(portal, &["DELETE FROM invitations".to_owned()]).await;
        let delete = |browser: &Browser, name: &str| {
            let (browser, email) = (browser.copy(), format!("{name}@example.com"));
            async move { browser.call("delete_account", &[("form[email]", &email), ("form[password]", PASSWORD)]).await }
        };
        let mut outcomes = std::collections::BTreeMap::new();
        for round in 0..ROUNDS {
            let statuses = if round % 2 == 0 {
                let (first, second) = tokio::join!(delete(&ada, "ada"), delete(&bob, "bob"));
                let mut statuses = vec![first.status, second.status];
                statuses.sort_unstable();
                // One of them stays behind with Eve, who is no Admin.
                assert_eq!(statuses, [200, 409], "round {round}: {} {}", first.text, second.text);
                statuses
            } else {
                // The password is looked at before the transaction; so the other one's role goes up and down until then.
                let done = std::sync::atomic::AtomicBool::new(false);
                let change = async {
                    let mut role = "Technical user";
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let call = there.call_in(organization, "change_role", &[("form[member]", &of_bob), ("form[role]", role)]).await;
                        assert!([200, 401, 404].contains(&call.status), "round {round}: {} {}", call.status, call.text);
                        role = if role == "Admin" { "Technical user" } else { "Admin" };
                    }
                };
                let go = async {
                    let call = delete(&ada, "ada").await;
                    done.store(true, std::sync::atomic::Ordering::Relaxed);
                    call
                };
                let (call, ()) = tokio::join!(go, change);
                assert!([200, 409].contains(&call.status), "round {round}: {} {}", call.status, call.text);
                vec![call.status]
            };
            *outcomes.entry(statuses).or_insert(0) += 1;
            assert!(admins(portal).await >= 1, "round {round}");
            let members = portal.count("SELECT count(*) FROM members").await;
            assert_eq!(portal.count("SELECT members_count FROM organizations").await, members, "round {round}");
            assert_eq!(portal.count("SELECT count(*) FROM members m LEFT JOIN accounts a ON a.id = m.account_id WHERE a.id IS NULL").await, 0, "round {round}");
            let mut again = ["former_members", "members", "organizations", "sessions", "accounts"].map(|table| format!("DELETE FROM {table}")).to_vec();
            again.extend(restore.iter().cloned());
            script(portal, &again).await;
        }
        println!("{:?}: {outcomes:?}", portal.engine);
        forget(portal, &kept).await;
        other.stop().await;
    }

    async fn a_lock_and_a_suspension_wait_for_what_is_under_way_and_nothing_is_written_after_they_were_answered(portal) {
        let [_ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let olga = portal.operator("olga").await;
        let other = TestPortal::second(portal).await;
        let (there, organization) = (bob.at(&other), portal.organization_of("ada").await);
        let (of_bob, of_acme) = (account(portal, "bob").await.to_string(), organization.to_string());
        portal.deliver().await;
        let kept = ["sessions"];
        let restore = keep(portal, &kept).await;
        // What Bob wrote: invitations, and his name.
        let seen = || async {
            let written = "SELECT count(*), (SELECT first_name FROM accounts WHERE email_key = 'bob@example.com') FROM invitations";
            portal.rows(written).await
        };
        let mut written = 0;
        for round in 0..ROUNDS {
            let locks = round % 2 == 0;
            let write = |browser: &Browser, who: usize, renames: bool| {
                let browser = browser.copy();
                async move {
                    for n in 0.. {
                        let (name, email) = (format!("B{round}-{n}"), format!("r{round}w{who}n{n}@example.com"));
                        let call = if renames {
                            browser.call("change_name", &[("form[first_name]", &name)]).await
                        } else {
                            browser.call_in(organization, "invite_member", &[("form[email]", &email), ("form[role]", "Technical user")]).await
                        };
                        if call.status != 200 {
                            return (call.status, n);
                        }
                    }
                    unreachable!("it ends")
                }
            };
            let end = async {
                let call = if locks {
                    olga.call("lock_account", &[("form[account]", &of_bob), ("form[reason]", "Spam")]).await
                } else {
                    olga.call("suspend_organization", &[("form[organization]", &of_acme), ("form[reason]", "Unpaid")]).await
                };
                assert_eq!(call.status, 200, "round {round}: {}", call.text);
                seen().await
            };
            // Who is locked does not even change a name; in a suspended organization one's own name stays one's own.
            let (first, second, third, at_the_end) = tokio::join!(write(&bob, 0, false), write(&there, 1, false), write(&there, 2, locks), end);
            let status = if locks { 401 } else { 403 };
            assert_eq!([first.0, second.0, third.0], [status; 3], "round {round}");
            assert_eq!(seen().await, at_the_end, "round {round}: something was written after the answer");
            written += first.1 + second.1 + third.1;
            let mut again = vec![
                "DELETE FROM sessions".to_owned(),
                "DELETE FROM invitations".to_owned(),
                "DELETE FROM outbox".to_owned(),
                "UPDATE accounts SET locked_until = NULL, lock_reason = NULL".to_owned(),
                "UPDATE organizations SET suspended_at = NULL, suspension_reason = NULL, invitations_count = 0".to_owned(),
            ];
            again.extend(restore.iter().cloned());
            script(portal, &again).await;
        }
        println!("{:?}: {written} writes before the ends", portal.engine);
        forget(portal, &kept).await;
        other.stop().await;
    }

    async fn an_address_is_confirmed_twice_at_once_and_changes_once(portal) {
        let (ada, bob) = (portal.sign_up("ada").await, portal.sign_up("bob").await);
        let other = TestPortal::second(portal).await;
        let (there, bob) = (ada.at(&other), bob.at(&other));
        let mut tokens = Vec::new();
        for (browser, nth) in [(&ada, 1), (&bob, 2)] {
            browser.call("change_email", &[("form[email]", "new@example.com"), ("form[password]", PASSWORD)]).await.is(200);
            assert_eq!(portal.mails_to("new@example.com").await.len(), nth);
            tokens.push(portal.link("new@example.com", "/confirm-email").await.rsplit('=').next().expect("a token").to_owned());
        }
        for round in 0..ROUNDS {
            // One link from two browsers of one person; two links of two people to one address.
            let (browser, nth) = if round % 2 == 0 { (&there, 0) } else { (&bob, 1) };
            let links = [[("form[token]", tokens[0].as_str())], [("form[token]", tokens[nth].as_str())]];
            let (first, second) = tokio::join!(ada.call("confirm_email", &links[0]), browser.call("confirm_email", &links[1]));
            let mut statuses = [first.status, second.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 410], "round {round}: {} {}", first.text, second.text);
            assert_eq!(portal.count("SELECT count(*) FROM accounts WHERE email_key = 'new@example.com'").await, 1, "round {round}");
            assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 2, "round {round}");
            script(portal, &[
                "UPDATE accounts SET email = lower(first_name) || '@example.com', email_key = lower(first_name) || '@example.com'".to_owned(),
                "UPDATE email_changes SET used_at = NULL".to_owned(),
            ]).await;
        }
        other.stop().await;
    }

    async fn six_people_of_a_customer_sign_in_at_once_and_make_one_organization_with_the_admins_of_the_record(portal) {
        let other = TestPortal::second(portal).await;
        // The administrator, two more Admins by the record, two others, and one by the company's domain.
        let names = ["ada", "bob", "eve", "kim", "zoe"];
        let mut browsers = Vec::new();
        for name in names {
            browsers.push((portal.sign_up(name).await, format!("{name}@example.com")));
        }
        let max = portal.browser();
        portal.sign_up_in(&max, "max@acme.example", "Max", "").await;
        browsers.push((max, "max@acme.example".to_owned()));
        let lines = r#"{"kind":"customer","number":"C1","name":"Acme","domain":"acme.example","administrator":"ada@example.com"}
{"kind":"person","customer":"C1","email":"bob@example.com","role":"Admin"}
{"kind":"person","customer":"C1","email":"eve@example.com","role":"Admin"}
{"kind":"person","customer":"C1","email":"kim@example.com"}
{"kind":"person","customer":"C1","email":"zoe@example.com"}"#;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("customers.jsonl");
        std::fs::write(&file, lines).expect("written");
        import(&portal.portal, &file, &How::default()).await.expect("imported");
        let mut joined_at_once = 0;
        for round in 0..ROUNDS {
            let tasks: Vec<_> = (0..6).map(|n| {
                // Another one is the first to be sent each round.
                let n = (n + round) % 6;
                let (browser, email) = (&browsers[n].0, browsers[n].1.clone());
                browser.drop_cookie("session");
                let browser = if n.is_multiple_of(2) { browser.clone() } else { browser.at(&other) };
                tokio::spawn(async move { browser.call("sign_in", &[("form[email]", &email), ("form[password]", PASSWORD)]).await })
            }).collect();
            for task in tasks {
                let call = task.await.expect("a call");
                assert_eq!(call.status, 200, "round {round}: {}", call.text);
            }
            assert_eq!(portal.rows("SELECT name FROM organizations").await, [["Acme"]], "round {round}");
            // Who came before the administrator is told that the organization is there by now, and joins by a press.
            let members = portal.rows("SELECT email_key FROM members").await.concat();
            assert!(members.contains(&"ada@example.com".to_owned()), "round {round}: {members:?}");
            joined_at_once += members.len();
            for (browser, email) in &browsers {
                if !members.contains(email) {
                    browser.get("/getting-started").await.is(200).says("Acme");
                    let call = browser.call("join_organization", &[]).await;
                    assert_eq!(call.status, 200, "round {round}: {}", call.text);
                }
            }
            let roles = portal.rows("SELECT email_key, role FROM members ORDER BY email_key").await;
            let expected = ["ada", "bob", "eve", "kim"].map(|name| (format!("{name}@example.com"), if name == "kim" { "Technical user" } else { "Admin" }));
            let expected: Vec<Vec<String>> = expected.into_iter().chain([("max@acme.example".to_owned(), "Technical user"), ("zoe@example.com".to_owned(), "Technical user")]).map(|(email, role)| vec![email, role.to_owned()]).collect();
            assert_eq!(roles, expected, "round {round}");
            assert_eq!(portal.count("SELECT members_count FROM organizations").await, 6, "round {round}");
            script(portal, &[
                "UPDATE customers SET organization_id = NULL, recreated_at = NULL".to_owned(),
                "DELETE FROM members".to_owned(),
                "DELETE FROM organizations".to_owned(),
                "DELETE FROM sessions".to_owned(),
            ]).await;
        }
        println!("{:?}: {joined_at_once} of {} joined by the sign-in itself", portal.engine, 6 * ROUNDS);
        other.stop().await;
    }

    async fn an_import_runs_while_people_change_things_and_what_they_did_stays(portal) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("customers.jsonl");
        let write = |own: &str, name: &str| {
            // More than the one that people are in, so that it takes a moment.
            let more: String = (0..300).map(|n| format!("{{\"kind\":\"customer\",\"number\":\"X{n}\",\"name\":\"{name} {n}\"}}\n")).collect();
            let acme = format!("{{\"kind\":\"customer\",\"number\":\"C1\",\"name\":\"{own}\",\"administrator\":\"ada@example.com\"}}
{{\"kind\":\"person\",\"customer\":\"C1\",\"email\":\"bob@example.com\",\"role\":\"Admin\"}}
{{\"kind\":\"person\",\"customer\":\"C1\",\"email\":\"eve@example.com\",\"role\":\"Technical user\"}}\n");
            std::fs::write(&file, acme + &more).expect("written");
        };
        write("Acme", "Acme");
        import(&portal.portal, &file, &How::default()).await.expect("imported");
        let ada = portal.sign_up("ada").await;
        let (_bob, eve) = (portal.sign_up("bob").await, portal.sign_up("eve").await);
        let other = TestPortal::second(portal).await;
        let organization = portal.organization_of("ada").await;
        let (of_bob, of_eve) = (portal.member_of("bob").await.to_string(), portal.member_of("eve").await.to_string());
        let kept = ["organizations", "members"];
        let restore = keep(portal, &kept).await;
        let (mut deleted, mut refused) = (0, 0);
        for round in 0..ROUNDS {
            let before = portal.text("SELECT name FROM organizations").await;
            // Who deletes types the name: in every other such round the import leaves it.
            let name = if round % 6 == 5 { before.clone() } else { format!("Acme {round}") };
            write(&name, &format!("Acme {round}"));
            let (how, there) = (How::default(), ada.at(&other));
            let demote = [("form[member]", of_bob.as_str()), ("form[role]", "Technical user")];
            let remove = [("form[member]", of_eve.as_str())];
            let end = [("form[name]", before.as_str())];
            let act = async {
                match round % 3 {
                    0 => there.call_in(organization, "change_role", &demote).await,
                    1 => there.call_in(organization, "remove_member", &remove).await,
                    _ => there.call_in(organization, "delete_organization", &end).await,
                }
            };
            let (imported, call) = tokio::join!(import(&portal.portal, &file, &how), act);
            let counts = imported.unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert!(counts.refused.is_empty() && counts.changed["customer"] == 300 + u64::from(name != before), "round {round}: {counts:?}");
            // Another import afterwards changes nothing of it either.
            let again = import(&portal.portal, &file, &how).await.expect("imported");
            assert!(again.changed.is_empty() && again.added.is_empty(), "round {round}: {again:?}");
            let members = portal.rows("SELECT email_key, role FROM members ORDER BY email_key").await;
            let row = |name: &str, role: &str| vec![format!("{name}@example.com"), role.to_owned()];
            match round % 3 {
                0 => {
                    assert_eq!(call.status, 200, "round {round}: {}", call.text);
                    assert_eq!(members, [row("ada", "Admin"), row("bob", "Technical user"), row("eve", "Technical user")], "round {round}");
                }
                1 => {
                    assert_eq!(call.status, 200, "round {round}: {}", call.text);
                    assert_eq!(members, [row("ada", "Admin"), row("bob", "Admin")], "round {round}");
                    eve.drop_cookie("session");
                    eve.call("sign_in", &[("form[email]", "eve@example.com"), ("form[password]", PASSWORD)]).await.is(200);
                    assert_eq!(portal.count("SELECT count(*) FROM members").await, 2, "round {round}: removed is removed");
                }
                _ => {
                    // The name that was typed may be another one by then.
                    assert!([200, 422].contains(&call.status), "round {round}: {} {}", call.status, call.text);
                    let is_gone = call.status == 200;
                    deleted += i32::from(is_gone);
                    refused += i32::from(!is_gone);
                    assert_eq!(members.is_empty(), is_gone, "round {round}");
                    assert_eq!(portal.count("SELECT count(*) FROM organizations").await, i64::from(!is_gone), "round {round}");
                    assert_eq!(portal.count("SELECT count(*) FROM customers WHERE recreated_at IS NOT NULL AND organization_id IS NULL").await, i64::from(is_gone), "round {round}");
                }
            }
            assert_eq!(portal.count("SELECT count(*) FROM organizations o WHERE o.members_count <> (SELECT count(*) FROM members m WHERE m.organization_id = o.id)").await, 0, "round {round}");
            // What is there bears the record's name.
            assert!(portal.rows("SELECT name FROM organizations").await.concat().iter().all(|there| *there == name), "round {round}");
            let mut again = ["former_members", "former_organizations", "members", "organizations"].map(|table| format!("DELETE FROM {table}")).to_vec();
            again.extend(restore.iter().cloned());
            again.push(format!("UPDATE organizations SET name = '{name}'"));
            again.push(format!("UPDATE customers SET organization_id = {} WHERE number = 'C1'", portal.engine.literal(organization.0)));
            script(portal, &again).await;
        }
        println!("{:?}: {deleted} deleted during an import, {refused} renamed before", portal.engine);
        forget(portal, &kept).await;
        other.stop().await;
    }

    async fn tickets_are_imported_while_people_answer_them_and_what_they_did_stays_and_is_counted(portal, Options::default().with("ticket_rate", "100000/1")) {
        const TICKETS: usize = 40;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tickets.jsonl");
        // In each round every ticket is another one than before, as of half a minute ago, with a message more.
        let write = |round: usize, updated: &str| {
            let mut lines = String::from("{\"kind\":\"customer\",\"number\":\"C1\",\"name\":\"Acme\",\"administrator\":\"ada@example.com\"}\n");
            let (state, priority) = [("In Progress", "P3 - Normal"), ("Resolved", "P2 - High")][round % 2];
            for n in 0..TICKETS {
                lines += &format!("{{\"kind\":\"ticket\",\"customer\":\"C1\",\"number\":\"CS-{n}\",\"subject\":\"Round {round}\",\"state\":\"{state}\",\"priority\":\"{priority}\",\"department\":\"{}\",\"created\":\"2026-10-01T10:00:00Z\",\"updated\":\"{updated}\"}}\n", ["", "Support"][(n + round) % 2]);
                lines += &format!("{{\"kind\":\"message\",\"ticket\":\"CS-{n}\",\"id\":\"R{round}\",\"side\":\"staff\",\"body\":\"Round {round}\",\"at\":\"{updated}\"}}\n");
            }
            std::fs::write(&file, lines).expect("written");
        };
        write(0, "2026-10-02T10:00:00Z");
        import(&portal.portal, &file, &How::default()).await.expect("imported");
        let ada = portal.sign_up("ada").await;
        let other = TestPortal::second(portal).await;
        let (there, organization) = (ada.at(&other), portal.organization_of("ada").await);
        let (mut before_them, mut refused) = (0, 0);
        for round in 1..=ROUNDS {
            portal.clock.advance(MINUTE);
            write(round, &portal.clock.now().plus(-MINUTE / 2).rfc3339());
            let how = How::default();
            // Spread over the file, so that some come before the import and some behind it.
            let number = |k: usize| format!("CS-{}", (round + k * 13) % TICKETS);
            let act = async {
                for k in 0..2 {
                    let body = format!("Reply {round} {k}");
                    let call = there.call_in(organization, "reply_to_ticket", &[("ticket", &number(k)), ("form[body]", &body)]).await;
                    assert_eq!(call.status, 200, "round {round}: {}", call.text);
                }
                let raise = [("form[subject]", "Mine"), ("form[description]", "Mine"), ("form[priority]", "P3 - Normal")];
                there.call_in(organization, "raise_ticket", &raise).await.is(200);
                there.call_in(organization, "resolve_ticket", &[("ticket", &number(2))]).await
            };
            let (imported, resolved) = tokio::join!(import(&portal.portal, &file, &how), act);
            let counts = imported.unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert!(counts.refused.is_empty() && counts.added["message"] == TICKETS as u64, "round {round}: {counts:?}");
            // What somebody did is newer than what the record says, whichever came first.
            let stage = async |k: usize| portal.text(&format!("SELECT stage FROM tickets WHERE number = '{}'", number(k))).await;
            for k in 0..2 {
                assert_eq!(stage(k).await, "open", "round {round}");
                assert_eq!(portal.count(&format!("SELECT count(*) FROM ticket_messages m JOIN tickets t ON t.id = m.ticket_id WHERE t.number = '{}' AND m.body = 'Reply {round} {k}'", number(k))).await, 1, "round {round}");
            }
            // Who solves what is solved, by this record or by the last one, is told so, and the record decides.
            assert!([200, 409].contains(&resolved.status), "round {round}: {} {}", resolved.status, resolved.text);
            refused += i32::from(resolved.status == 409);
            let solved = resolved.status == 200 || round % 2 == 1;
            assert_eq!(stage(2).await, if solved { "resolved" } else { "open" }, "round {round}");
            let theirs = [0, 1, 2].map(number);
            before_them += portal.count(&format!("SELECT count(*) FROM tickets WHERE subject <> 'Round {round}' AND source = 'import' AND number IN ('{}')", theirs.join("', '"))).await;
            // The others are as the record says, and everything is counted.
            let record = format!("SELECT count(*) FROM tickets WHERE source = 'import' AND number NOT IN ('{}') AND subject <> 'Round {round}'", theirs.join("', '"));
            assert_eq!(portal.count(&record).await, 0, "round {round}");
            let kinds = |from: &str, n: &str| format!("SELECT owner_id, stage, department, priority_rank, {n} FROM {from} ORDER BY 1, 2, 3, 4");
            let kept = portal.rows(&kinds("ticket_counts WHERE tickets > 0", "tickets")).await;
            assert_eq!(kept, portal.rows(&kinds("tickets GROUP BY owner_id, stage, department, priority_rank", "count(*)")).await, "round {round}");
            let wrong = "SELECT count(*) FROM tickets t WHERE t.messages <> (SELECT count(*) FROM ticket_messages m WHERE m.ticket_id = t.id)";
            assert_eq!(portal.count(wrong).await, 0, "round {round}");
        }
        assert_eq!(portal.count("SELECT count(*) FROM tickets").await, (TICKETS + ROUNDS) as i64);
        assert_eq!(portal.count("SELECT count(*) FROM ticket_messages WHERE external_id IS NOT NULL").await, (TICKETS * (ROUNDS + 1)) as i64);
        println!("{:?}: {before_them} tickets were changed before the import came to them, {refused} were solved before", portal.engine);
        other.stop().await;
    }

    async fn the_database_by_itself_keeps_an_admin_and_without_the_constraint_it_does_not(portal) {
        let [_ada, _bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        let o = portal.engine.literal(organization.0);
        let (a, b) = (portal.engine.literal(account(portal, "ada").await), portal.engine.literal(account(portal, "bob").await));
        // Each demotes oneself and points at the other, as a careless program would.
        let demote = |who: &str, other: &str| {
            vec![
                format!("UPDATE organizations SET admin_account_id = {other} WHERE id = {o}"),
                format!("UPDATE members SET role = 'Technical user' WHERE account_id = {who}"),
            ]
        };
        let attempt = async |statements: Vec<String>| {
            let mut tx = portal.db.begin().await?;
            send(&mut tx, &statements).await?;
            tokio::task::yield_now().await;
            tx.commit().await
        };
        for round in 0..ROUNDS {
            two_admins(portal, &o, &a, &b).await;
            let (first, second) = tokio::join!(attempt(demote(&a, &b)), attempt(demote(&b, &a)));
            assert!(first.is_ok() != second.is_ok(), "round {round}: {first:?} {second:?}");
            assert_eq!(admins(portal).await, 1, "round {round}");
        }
        // The control: without what guards it, the same attempts leave nobody. SQLite writes one after the other, and a
        // foreign key cannot be dropped there.
        if portal.engine == Engine::Postgres {
            two_admins(portal, &o, &a, &b).await;
            portal.execute("ALTER TABLE organizations DROP CONSTRAINT organizations_admin_fkey").await;
            let (first, second) = tokio::join!(attempt(demote(&a, &b)), attempt(demote(&b, &a)));
            assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
            assert_eq!(admins(portal).await, 0, "the race can be seen");
        }
    }

    async fn the_database_by_itself_keeps_one_organization_an_account_and_one_pending_invitation_an_address(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.invite(&ada, "carol@example.com", Role::TechnicalUser).await;
        let second_member = "INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at) SELECT organization_id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at FROM members";
        let second_invitation = "INSERT INTO invitations (id, organization_id, email, email_key, role, state, token_hash, invited_by_name, created_at, sent_at, expires_at) SELECT organization_id, organization_id, email, email_key, role, state, $1, invited_by_name, created_at, sent_at, expires_at FROM invitations";
        let second_invitation = second_invitation.replace("$1", if portal.engine == Engine::Sqlite { "x'00'" } else { "'\\x00'" });
        assert!(portal.try_execute(second_member).await.is_err());
        assert!(portal.try_execute(&second_invitation).await.is_err());
        // The control: another state, and the same row stands.
        portal.execute("UPDATE invitations SET state = 'revoked'").await;
        portal.execute(&second_invitation).await;
        assert_eq!(portal.count("SELECT count(*) FROM invitations").await, 2);
    }
}
