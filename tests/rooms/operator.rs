//! The operator's side (`SPEC.md` §3.10, §5): who is one, what the console shows, locks, suspensions, the password asked for
//! once more, the whole audit log, imports, and mails that did not leave.

use org_portal::{
    operator::actions,
    permissions::Role,
    words::{DAY, Email, HOUR, MINUTE, SECOND},
};

use crate::{on_both, support::*};

const PEOPLE: [(&str, Role); 3] = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)];

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

async fn account(portal: &TestPortal, name: &str) -> uuid::Uuid {
    uuid(&portal.text(&format!("SELECT {} FROM accounts WHERE email_key = '{name}@example.com'", portal.engine.hex("id"))).await)
}

/// Locks an account by the form of its page.
async fn lock(portal: &TestPortal, operator: &Browser, name: &str, reason: &str, until: &str) -> Answer {
    let path = format!("/operator/accounts/{}", account(portal, name).await);
    operator.fill(&format!("{path}/lock"), "/do/lock_account", &[("reason", reason), ("until", until)]).await
}

async fn unlock(portal: &TestPortal, operator: &Browser, name: &str) -> Answer {
    operator.fill(&format!("/operator/accounts/{}", account(portal, name).await), "/do/unlock_account", &[]).await
}

async fn suspend(portal: &TestPortal, operator: &Browser, of: &str, reason: &str) -> Answer {
    let path = format!("/operator/organizations/{}", portal.organization_of(of).await);
    operator.fill(&format!("{path}/suspend"), "/do/suspend_organization", &[("reason", reason)]).await
}

/// Runs the executable on the portal's database; gives whether it went well, and what it printed.
async fn command(portal: &TestPortal, arguments: &[&str]) -> (bool, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_org-portal"));
    command.args(arguments).args(["--database-url", &portal.config.database_url, "--public-url", "http://127.0.0.1:3000"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// The sentences of the audit log or of the Activity tab, the newest first.
fn sentences(page: &Answer) -> Vec<String> {
    page.texts("table.events tbody th")
}

on_both! {
    async fn doctor_misses_a_key_file_that_is_lost(portal) {
        let ada = portal.sign_up("ada").await;
        portal.set_up_app(&ada, "Phone").await;
        portal.stop().await;
        if portal.engine == Engine::Sqlite {
            let beside = portal.config.database_url.strip_prefix("sqlite:").unwrap().replace(".db", ".key");
            std::fs::remove_file(beside).unwrap();
        }
        let (well, out, _) = command(portal, &["doctor"]).await;
        assert!(!well && out.contains("Authenticator apps whose secret this key file does not open: 1."), "{out}");
    }

    async fn the_command_makes_lists_and_removes_operators_and_there_is_none_by_itself(portal) {
        let (done, out, _) = command(portal, &["operator", "list"]).await;
        assert!(done && out.contains("There is no operator"), "{out}");
        let ada = portal.sign_up("ada").await;
        ada.get("/operator").await.is(404);
        let (done, out, error) = command(portal, &["operator", "create", "Ada@Example.com"]).await;
        assert!(done && out.contains("is an operator") && !out.contains("password"), "{out} {error}");
        ada.get("/operator").await.is(200).says("Look up");
        assert!(!command(portal, &["operator", "create", "ada@example.com"]).await.0, "one row an account");
        let (done, out, _) = command(portal, &["operator", "create", "olga@example.com", "--name", "Olga Operator"]).await;
        assert!(done, "{out}");
        let password = out.lines().nth(1).expect("the password has a line of its own").to_owned();
        assert!(password.len() >= 40, "{out}");
        let (_, out, _) = command(portal, &["operator", "list"]).await;
        assert!(out.lines().count() == 2 && out.contains("ada@example.com\tAda Example\tsince ") && out.contains("olga@example.com\tOlga Operator\t"), "{out}");
        assert!(!out.contains(&password));
        // The printed password opens no console: another one has to be chosen first.
        let olga = portal.browser();
        portal.sign_in_to(&olga, "olga@example.com", &password).await.leads_to("/getting-started");
        olga.get("/operator/accounts").await.leads_to("/operator/password");
        let nobody = uuid::Uuid::nil().to_string();
        olga.call("unlock_account", &[("form[id]", &nobody)]).await.is(403);
        let fields = [("current_password", password.as_str()), ("new_password", "x")];
        let page = olga.fill("/operator/password", "/do/change_password", &fields).await.is(422);
        assert_eq!(page.heading(), "Choose a password");
        let fields = [("current_password", password.as_str()), ("new_password", OTHER_PASSWORD)];
        olga.fill("/operator/password", "/do/change_password", &fields).await.leads_to("/operator");
        olga.get("/getting-started").await.leads_to("/operator");
        olga.get("/operator/password").await.leads_to("/operator");
        olga.get("/operator/accounts").await.is(200);
        let (done, out, _) = command(portal, &["operator", "remove", "ada@example.com"]).await;
        assert!(done && out.contains("no more"), "{out}");
        ada.get("/operator").await.is(404);
        ada.get("/account").await.is(200);
        assert!(!command(portal, &["operator", "remove", "ada@example.com"]).await.0);
        let events = portal.rows("SELECT action FROM audit_events WHERE action LIKE 'operator.%' AND outcome = 'success' ORDER BY at, id").await;
        assert_eq!(events.concat(), ["operator.add", "operator.add", "operator.remove"]);
    }

    async fn a_printed_password_signs_in_for_a_day(portal) {
        let printed = actions::create(&portal.portal, email("olga"), None).await.unwrap().expect("a password is printed");
        assert!(printed.len() >= 43, "256 bits: {}", printed.len());
        portal.clock.advance(DAY - MINUTE);
        portal.sign_in_to(&portal.browser(), "olga@example.com", &printed).await.leads_to("/getting-started");
        portal.clock.advance(MINUTE);
        portal.sign_in_to(&portal.browser(), "olga@example.com", &printed).await.is(401).says("The e-mail address or the password is wrong");
        portal.api().post("/v1/auth/SignIn", serde_json::json!({ "email": "olga@example.com", "password": printed })).await.fails(401, 16);
        // The way on is that of whoever has forgotten the password.
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "olga@example.com")]).await.is(303);
        let link = portal.link("olga@example.com", "/reset-password").await;
        portal.browser().fill(&link, "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.leads_to("/sign-in");
        portal.clock.advance(7 * DAY);
        let olga = portal.browser();
        portal.sign_in_to(&olga, "olga@example.com", OTHER_PASSWORD).await.leads_to("/getting-started");
        olga.get("/operator").await.is(200);
    }

    async fn only_operators_are_shown_the_way_and_everybody_else_finds_nothing(portal) {
        let [ada, _bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let olga = portal.operator("olga").await;
        assert!(olga.get("/account").await.has_link("/operator") && !ada.get("/account").await.has_link("/operator"));
        for browser in [&ada, &portal.browser()] {
            let nothing = browser.get("/no-such-page").await.is(404);
            for path in ["/operator", "/operator/accounts?q=x", "/operator/audit.csv", "/operator/password", "/do/lock_account", "/operator/nothing"] {
                let answer = browser.get(path).await.is(404);
                assert_alike(&(answer.normalized(), answer.normalized_headers()), &(nothing.normalized(), nothing.normalized_headers()), path);
            }
            let (known, unknown) = (browser.post("/do/lock_account", &[("form[account]", "x")]).await, browser.post("/do/nothing", &[("a", "b")]).await);
            assert_eq!((known.status, known.normalized()), (unknown.status, unknown.normalized()));
        }
        let before = portal.state().await;
        let of_bob = account(portal, "bob").await.to_string();
        ada.call("lock_account", &[("form[account]", &of_bob), ("form[reason]", "Spam")]).await.is(404);
        assert_eq!(portal.state().await, before);
        // What the page hid is refused in the transaction, too: an operator who is none any more.
        let form = olga.get(&format!("/operator/accounts/{of_bob}/lock")).await.is(200).form("/do/lock_account").with("reason", "Spam");
        actions::remove(&portal.portal, email("olga")).await.unwrap();
        olga.submit(&form).await.is(404);
        assert_eq!(portal.count("SELECT count(*) FROM accounts WHERE locked_until IS NOT NULL").await, 0);
    }

    async fn a_locked_account_is_out_at_once_stays_a_member_and_comes_back_when_it_is_unlocked(portal, Options::default().with("support_email", "help@vendor.example")) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let olga = portal.operator("olga").await;
        let mut live = bob.live("").await;
        live.hears("ready").await;
        lock(portal, &olga, "bob", "Spam", "").await.leads_to(&format!("/operator/accounts/{}", account(portal, "bob").await));
        live.hears("ended").await;
        bob.get("/account").await.is(303);
        let browser = portal.browser();
        let page = portal.sign_in_to(&browser, "bob@example.com", PASSWORD).await.is(401).says("This account is locked").never_says("Spam");
        assert!(page.main().contains("help@vendor.example"), "{}", page.sketch());
        // Whoever has not the password is told nothing.
        portal.sign_in_to(&browser, "bob@example.com", "another password of mine").await.is(401).never_says("locked").says("is wrong");
        let page = ada.get("/organization/members").await.is(200);
        assert!(page.main().contains("bob@example.com"));
        let page = olga.get(&format!("/operator/accounts/{}", account(portal, "bob").await)).await.is(200).says("Without an end").says("Spam");
        assert_eq!(page.fact("Organization"), "Acme, Technical user");
        // Another reason and an end.
        let today = portal.clock.now().iso_date();
        lock(portal, &olga, "bob", "Less spam", &today).await.is(303);
        let page = olga.get(&format!("/operator/accounts/{}", account(portal, "bob").await)).await.is(200);
        page.says(&format!("Until the end of {}, in UTC.", portal.clock.now().short_date()));
        assert_eq!(olga.get("/operator").await.is(200).fact("Locked accounts"), "1");
        portal.sign_in_to(&browser, "bob@example.com", PASSWORD).await.is(401);
        unlock(portal, &olga, "bob").await.is(303);
        portal.sign_in_to(&browser, "bob@example.com", PASSWORD).await.is(303);
        browser.get("/organization").await.is(200);
        assert_eq!(olga.call("unlock_account", &[("form[id]", &account(portal, "bob").await.to_string())]).await.status, 409);
        // By the clock.
        lock(portal, &olga, "bob", "For today", &today).await.is(303);
        browser.get("/account").await.is(303);
        portal.clock.advance(DAY);
        portal.sign_in_to(&browser, "bob@example.com", PASSWORD).await.is(303);
        // The organization's Admins read what was done, and neither why nor by whom.
        let ada = portal.sign_in_again(&ada, "ada").await;
        let page = ada.get("/organization/activity").await.is(200).never_says("Olga").never_says("spam");
        let said = sentences(&page);
        assert!(said.contains(&"The operator locked the account of Bob Example".to_owned()), "{said:?}");
        assert!(said.contains(&"The operator unlocked the account of Bob Example".to_owned()), "{said:?}");
        ada.get("/organization/activity?q=olga").await.is(200).says("No activity found");
        let of_olga = account(portal, "olga").await;
        ada.get(&format!("/organization/activity?person={of_olga}")).await.is(200).says("No activity found");
        let csv = ada.get("/organization/activity.csv").await.is(200).html();
        assert!(csv.contains("The operator") && !csv.contains("Olga"), "{csv}");
    }

    async fn the_last_admin_can_be_locked_and_nobody_locks_themselves_or_without_a_reason(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let olga = portal.operator("olga").await;
        lock(portal, &olga, "ada", "Spam", "").await.is(303);
        ada.get("/organization").await.is(303);
        assert_eq!(portal.role_of("ada").await, "Admin");
        let own = format!("/operator/accounts/{}", account(portal, "olga").await);
        olga.get(&own).await.is(200).says("your own account");
        olga.fill(&format!("{own}/lock"), "/do/lock_account", &[("reason", "Spam")]).await.is(422).says("You cannot lock your own account");
        portal.sign_up("bob").await;
        for (reason, until, field, says) in [
            ("", "", "reason", "Say why"),
            ("a\u{202E}b", "", "reason", "Leave out"),
            ("Spam", "2020-01-01", "until", "not over"),
            ("Spam", "tomorrow", "until", "Write the day"),
        ] {
            let page = lock(portal, &olga, "bob", reason, until).await.is(422);
            assert!(page.error_of(field).is_some_and(|error| error.contains(says)), "{reason} {until}: {}", page.sketch());
            assert_eq!((page.value_of("reason").as_str(), page.value_of("until").as_str()), (reason, until));
        }
        let long = "x".repeat(501);
        lock(portal, &olga, "bob", &long, "").await.is(422);
        for id in ["x", &uuid::Uuid::nil().to_string()] {
            olga.call("lock_account", &[("form[account]", id), ("form[reason]", "Spam")]).await.is(404);
            olga.get(&format!("/operator/accounts/{id}")).await.is(404);
            olga.get(&format!("/operator/organizations/{id}/suspend")).await.is(404);
        }
        assert_eq!(portal.count("SELECT count(*) FROM accounts WHERE locked_until IS NOT NULL").await, 1);
    }

    async fn a_suspended_organization_says_why_takes_nothing_and_comes_back_as_it_was(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let zoe = portal.sign_up("zoe").await;
        portal.invite(&ada, "zoe@example.com", Role::TechnicalUser).await.is(303);
        let invitation = portal.invitation_of("zoe@example.com").await.to_string();
        let rename = ada.get("/organization/rename").await.form("/do/rename_organization").with("name", "Mine");
        let ticket = ada.get("/organization/tickets/new").await.form("/do/raise_ticket");
        let ticket = ticket.with("subject", "It is slow").with("description", "Since <Monday>, every query waits.");
        let olga = portal.operator("olga").await;
        portal.deliver().await;
        let organization = portal.organization_of("ada").await;
        let before = portal.snapshot(&["audit_events", "limits", "idempotency_keys", "changes", "change_head", "organizations", "sessions"]).await;
        let mut live = bob.live("").await;
        live.hears("ready").await;
        suspend(portal, &olga, "ada", "Unpaid <b>bills</b>").await.leads_to(&format!("/operator/organizations/{organization}"));
        live.hears_that("The operator suspended the organization: Unpaid <b>bills</b>").await;
        for browser in [&ada, &bob] {
            for path in ["/organization", "/organization/members", "/organization/activity", "/organization/invitations"] {
                browser.get(path).await.is(403).says("Your organization is suspended").says("Unpaid <b>bills</b>");
            }
            browser.get("/getting-started").await.is(200).says("Acme is suspended").says("Unpaid").never_says("Add Organization");
            browser.get("/organization/add").await.is(200).says("You belong to Acme already");
            browser.get("/account").await.is(200);
        }
        ada.submit(&rename).await.is(403).says("Unpaid");
        // What was written by then is to be had, and nothing that is no sentence.
        let page = ada.submit(&ticket).await.is(403).says("Unpaid");
        assert_eq!(page.raw_texts("pre.typed"), ["Since <Monday>, every query waits."]);
        let of_bob = portal.member_of("bob").await.to_string();
        for (endpoint, fields) in [
            ("invite_member", vec![("form[email]", "x@example.com"), ("form[role]", "Admin")]),
            ("remove_member", vec![("form[member]", of_bob.as_str())]),
            ("change_role", vec![("form[member]", of_bob.as_str()), ("form[role]", "Admin")]),
            ("revoke_invitation", vec![("invitation", invitation.as_str())]),
            ("leave_organization", vec![]),
            ("delete_organization", vec![("form[name]", "Acme")]),
            ("list_members", vec![("query", "")]),
        ] {
            ada.call_in(organization, endpoint, &fields).await.refused(403, serde_json::json!({ "Suspended": "Unpaid <b>bills</b>" }));
        }
        bob.call("delete_account", &[("form[email]", "bob@example.com"), ("form[password]", PASSWORD)]).await.refused(409, serde_json::json!({ "Conflict": "OrganizationSuspended" }));
        for answer in ["accept_invitation", "decline_invitation"] {
            let call = zoe.call(answer, &[("invitation", &invitation)]).await;
            assert!(!call.text.contains("Unpaid"), "a stranger is not told why");
            call.refused(409, serde_json::json!({ "Conflict": "OrganizationSuspended" }));
        }
        let after = portal.snapshot(&["audit_events", "limits", "idempotency_keys", "changes", "change_head", "organizations", "sessions"]).await;
        assert_eq!(after, before);
        let page = olga.get("/operator/organizations?state=suspended").await.is(200);
        assert_eq!(page.texts("tbody tr th"), ["Acme Suspended"]);
        let again = [("form[organization]", organization.to_string()), ("form[reason]", "Again".to_owned())];
        let again: Vec<(&str, &str)> = again.iter().map(|(k, v)| (*k, v.as_str())).collect();
        olga.call("suspend_organization", &again).await.is(409);
        olga.fill(&format!("/operator/organizations/{organization}"), "/do/resume_organization", &[]).await.is(303);
        zoe.call("accept_invitation", &[("invitation", &invitation)]).await.is(200);
        let said = sentences(&ada.get("/organization/activity").await.is(200).never_says("Olga"));
        assert!(said.contains(&"The operator suspended the organization Acme with the reason Unpaid <b>bills</b>".to_owned()), "{said:?}");
        assert!(said.contains(&"The operator opened the organization again: Acme".to_owned()), "{said:?}");
        ada.fill("/organization/rename", "/do/rename_organization", &[("name", "Engines")]).await.is(303);
    }

    async fn after_ten_minutes_the_password_is_asked_for_once_more_and_what_was_typed_stays(portal) {
        portal.sign_up("bob").await;
        let olga = portal.operator("olga").await;
        let path = format!("/operator/accounts/{}/lock", account(portal, "bob").await);
        let form = olga.get(&path).await.is(200).form("/do/lock_account").with("reason", "Spam");
        assert!(!form.has("password"), "it was given just now");
        portal.clock.advance(11 * MINUTE);
        // Drawn before, sent after: the form comes back with the field, and with what was typed.
        let page = olga.submit(&form).await.is(401);
        assert_eq!((page.heading().as_str(), page.value_of("reason").as_str()), ("Lock account", "Spam"));
        assert_eq!(page.error_of("password").as_deref(), Some("Enter your password once more to go on"));
        let form = page.form("/do/lock_account");
        let page = olga.submit(&form.clone().with("password", "not mine at all")).await.is(422);
        assert_eq!(page.error_of("password").as_deref(), Some("This is not your password"));
        assert_eq!(page.value_of("reason"), "Spam");
        assert_eq!(portal.count("SELECT count(*) FROM accounts WHERE locked_until IS NOT NULL").await, 0);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'session.prove' AND outcome = 'wrong_password'").await, 1);
        let (thief, before) = (olga.copy(), olga.cookie("session").unwrap());
        let mut live = olga.live("").await;
        live.hears("ready").await;
        olga.submit(&form.with("password", PASSWORD)).await.is(303);
        assert_eq!(portal.count("SELECT count(*) FROM accounts WHERE lock_reason = 'Spam'").await, 1);
        // Whoever holds a copy of the session has not given the password: it has another secret now. What is open stays so.
        assert_ne!(olga.cookie("session").unwrap(), before);
        thief.get("/account").await.leads_to("/sign-in?to=%2Faccount");
        olga.call("end_other_sessions", &[]).await.is(200);
        live.hears("change").await;
        // It holds for ten minutes, on the other pages too, and in this session alone.
        portal.clock.advance(9 * MINUTE);
        unlock(portal, &olga, "bob").await.is(303);
        let other = olga.copy();
        portal.clock.advance(2 * MINUTE);
        assert!(other.get(&path).await.form("/do/lock_account").has("password"));
        // Reading asks for nothing.
        for page in ["/operator", "/operator/accounts", "/operator/audit", "/operator/audit.csv"] {
            olga.get(page).await.is(200);
        }
    }

    async fn wrong_passwords_at_the_step_up_count_with_those_at_sign_in(portal, Options::default().with("sign_in_rate", "3/600")) {
        let olga = portal.operator("olga").await;
        portal.clock.advance(11 * MINUTE);
        let nobody = uuid::Uuid::nil().to_string();
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(olga.call("unlock_account", &[("form[id]", &nobody), ("form[password]", "not mine at all")]).await.status);
        }
        assert_eq!(statuses, [422, 422, 422, 429]);
        // The same browser, the same count.
        let again = portal.browser();
        again.set_cookie("known_browser", &olga.cookie("known_browser").unwrap());
        portal.sign_in_to(&again, "olga@example.com", PASSWORD).await.is(429);
    }

    async fn accounts_organizations_and_customers_are_found_by_any_part_of_their_names(portal) {
        let [_ada, _bob, _eve] = portal.organization_with("Ångström & Söhne", PEOPLE).await;
        portal.organization_with("Zenith", [("zoe", Role::Admin)]).await;
        let olga = portal.operator("olga").await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("customers.jsonl");
        let lines = "{\"kind\":\"customer\",\"number\":\"CUST-0042\",\"name\":\"Müller Werke\",\"administrator\":\"max@example.com\"}\n{\"kind\":\"entitlement\",\"customer\":\"CUST-0042\",\"number\":\"E1\",\"name\":\"Premium\",\"start\":\"2026-01-01\",\"end\":\"2027-01-01\"}\n{\"kind\":\"contact\",\"customer\":\"CUST-0042\",\"email\":\"csm@vendor.example\",\"name\":\"Maria Manager\"}\n{\"kind\":\"customer\",\"number\":\"X7\",\"name\":\"Other\"}";
        std::fs::write(&file, lines).unwrap();
        org_portal::cli::import::import(&portal.portal, &file, &org_portal::cli::import::How::default()).await.unwrap();
        for (list, query, found) in [
            ("accounts", "", vec!["Ada Example", "Bob Example", "Eve Example", "Olga Example", "Zoe Example"]),
            ("accounts", "q=b", vec!["Bob Example"]),
            ("accounts", "q=OLGA", vec!["Olga Example"]),
            ("accounts", "q=oe%40exam", vec!["Zoe Example"]),
            ("accounts", "q=100%25", vec![]),
            ("accounts", "sort=email&order=desc&q=example", vec!["Zoe Example", "Olga Example", "Eve Example", "Bob Example", "Ada Example"]),
            ("accounts", "state=locked", vec![]),
            ("organizations", "", vec!["Ångström & Söhne", "Zenith"]),
            ("organizations", "q=sohne", vec!["Ångström & Söhne"]),
            ("organizations", "q=an", vec!["Ångström & Söhne"]),
            ("organizations", "q=nit", vec!["Zenith"]),
            ("organizations", "sort=created", vec!["Zenith", "Ångström & Söhne"]),
            ("customers", "", vec!["Müller Werke", "Other"]),
            ("customers", "q=cust-0", vec!["Müller Werke"]),
            ("customers", "q=x7", vec!["Other"]),
            ("customers", "q=werk", vec!["Müller Werke"]),
            ("customers", "sort=number&order=desc", vec!["Other", "Müller Werke"]),
        ] {
            let page = olga.get(&format!("/operator/{list}?{query}")).await.is(200);
            assert_eq!(page.texts("tbody tr th"), found, "{list}?{query}");
            assert!(!found.is_empty() || page.main().contains(&format!("No {list} found")), "{query}");
        }
        for list in ["accounts", "organizations", "customers", "audit", "imports", "outbox"] {
            for query in ["after=x", "before=%00", "sort=password", "q=%00%FF", "state=%27&kind=%27&person=x&organization=x&from=%FF"] {
                olga.get(&format!("/operator/{list}?{query}")).await.is(200);
            }
        }
        // A name that changes is found by the new one.
        let zoe = portal.sign_in("zoe").await;
        zoe.fill("/account", "/do/change_name", &[("first_name", "Zacharias")]).await.is(303);
        zoe.fill("/organization/rename", "/do/rename_organization", &[("name", "Nadir")]).await.is(303);
        assert_eq!(olga.get("/operator/accounts?q=zachar").await.texts("tbody tr th"), ["Zacharias Example"]);
        assert!(olga.get("/operator/organizations?q=zenith").await.texts("tbody tr th").is_empty());
        assert_eq!(olga.get("/operator/organizations?q=nadir").await.texts("tbody tr th"), ["Nadir"]);
        // As its members see it, without their forms.
        let page = olga.get(&format!("/operator/organizations/{}?q=bob", portal.organization_of("ada").await)).await.is(200);
        assert_eq!((page.fact("Members").as_str(), page.fact("Created by").as_str()), ("3", "Ada Example"));
        assert_eq!(page.texts("tbody tr th"), ["Bob Example"]);
        assert!(page.forms().iter().filter(|form| form.method == "post").all(|form| form.action == "/do/sign_out" || form.action == "/do/choose_theme"), "{:?}", page.forms());
        let customers = olga.get("/operator/customers?q=werk").await;
        let of_customer = customers.attributes("tbody tr th a", "href").remove(0);
        let page = olga.get(&of_customer).await.is(200).says("Premium").says("Maria Manager").says("max@example.com");
        assert_eq!((page.fact("Number").as_str(), page.fact("Organization").as_str()), ("CUST-0042", "Opens when the administrator signs in for the first time"));
        assert_eq!(page.texts("#people + .list .list-meta"), ["Admin, no account yet"]);
        portal.sign_up("max").await;
        let page = olga.get(&of_customer).await.is(200);
        assert_eq!(page.texts("#people + .list .list-meta"), ["Admin, has an account"]);
        assert!(page.has_link(&format!("/operator/accounts/{}", account(portal, "max").await)), "{}", page.sketch());
        let page = olga.get(&format!("/operator/organizations/{}", portal.organization_of("max").await)).await.is(200).says("Premium").says("Maria Manager");
        assert_eq!(page.fact("Customer"), "Müller Werke, CUST-0042");
        assert!(page.attributes("th a", "href").iter().all(|href| !href.starts_with(&of_customer)), "no head leads away: {}", page.sketch());
    }

    async fn long_lists_have_pages(portal) {
        let olga = portal.operator("olga").await;
        for n in 0..120 {
            let id = portal.engine.literal(uuid::Uuid::from_u128(0x1_0000 + n));
            portal.execute(&format!("INSERT INTO accounts (id, email, email_key, first_name, last_name, name_key, created_at) VALUES ({id}, 'p{n:03}@crowd.example', 'p{n:03}@crowd.example', 'P', '{n:03}', 'p {n:03}', {n})")).await;
        }
        for (query, all) in [("", 121), ("q=crowd", 120), ("q=p", 120), ("sort=created", 121), ("sort=email&q=crowd", 120)] {
            let mut page = olga.get(&format!("/operator/accounts?{query}")).await.is(200);
            let mut seen = page.texts("tbody tr th");
            while let Some(next) = page.attributes("nav.pager a[rel=next]", "href").pop() {
                page = olga.get(&next).await.is(200);
                seen.extend(page.texts("tbody tr th"));
            }
            assert_eq!(page.text("nav.pager > p"), format!("101–{all} of {all}"), "{query}");
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), all, "{query}");
            page = olga.get(&page.attributes("nav.pager a[rel=prev]", "href").pop().unwrap()).await.is(200);
            assert_eq!(page.text("nav.pager > p"), format!("51–100 of {all}"), "{query}");
        }
    }

    async fn the_whole_audit_log_has_everything_that_operators_did_and_can_be_filtered_and_taken_along(portal) {
        let [ada, _bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let olga = portal.operator("olga").await;
        portal.clock.advance(SECOND);
        lock(portal, &olga, "bob", "Spam", "2027-01-01").await.is(303);
        portal.clock.advance(SECOND);
        suspend(portal, &olga, "ada", "Unpaid").await.is(303);
        let page = olga.get("/operator/audit").await.is(200);
        let said = sentences(&page);
        assert_eq!(said[0], "Olga Example suspended the organization Acme with the reason Unpaid In Acme");
        assert_eq!(said[1], "Olga Example locked the account of Bob Example with the reason Spam In Acme");
        assert!(page.texts("table.events tbody td:nth-of-type(1)")[0].ends_with("127.0.0.1"), "{}", page.sketch());
        let (of_olga, organization) = (account(portal, "olga").await, portal.organization_of("ada").await);
        assert_eq!(portal.rows("SELECT DISTINCT actor_kind FROM audit_events WHERE action IN ('account.lock', 'organization.suspend')").await.concat(), ["operator"]);
        let today = portal.clock.now().iso_date();
        for (query, n) in [
            (format!("person={of_olga}&kind=account"), 1),
            (format!("organization={organization}&kind=organization"), 2),
            (format!("organization={organization}&kind=organization&person={of_olga}&from={today}&to={today}"), 1),
            ("kind=operator".to_owned(), 1),
            ("kind=refused".to_owned(), 0),
            ("to=2020-01-01".to_owned(), 0),
        ] {
            let page = olga.get(&format!("/operator/audit?{query}")).await.is(200);
            assert_eq!(sentences(&page).len(), n, "{query}: {:?}", sentences(&page));
            let csv = olga.get(&format!("/operator/audit.csv?{query}")).await.is(200);
            assert_eq!(csv::Reader::from_reader(csv.body.as_slice()).records().count(), n, "{query}");
        }
        assert!(olga.get(&format!("/operator/audit?organization={organization}")).await.main().contains("In: Acme"));
        let csv = olga.get("/operator/audit.csv").await.is(200);
        assert!(csv.header("content-disposition").contains("audit.csv"));
        let mut reader = csv::Reader::from_reader(csv.body.as_slice());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), ["Time", "Who", "Account", "What", "Organization", "Outcome", "Address", "Program", "Request"]);
        assert_eq!(reader.records().count() as i64, portal.count("SELECT count(*) FROM audit_events").await);
        // No sentence is left to its code.
        let all: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert!(said.iter().chain(&all).all(|sentence| !sentence.contains("account.") && !sentence.contains("session.")), "{said:?}");
        ada.get("/organization/activity").await.is(403);
    }

    async fn imports_are_kept_with_their_reports(portal) {
        let olga = portal.operator("olga").await;
        olga.get("/operator/imports").await.is(200).says("No imports");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("customers.jsonl");
        let mut lines = "{\"kind\":\"customer\",\"number\":\"C1\",\"name\":\"Acme\"}\n{\"kind\":\"person\",\"customer\":\"C1\",\"email\":\"<b>nonsense\"}\n".to_owned();
        lines.push_str(&"not json\n".repeat(1100));
        std::fs::write(&file, lines).unwrap();
        org_portal::cli::import::import(&portal.portal, &file, &org_portal::cli::import::How::default()).await.unwrap();
        portal.clock.advance(HOUR);
        std::fs::write(&file, "{\"kind\":\"customer\",\"number\":\"C1\",\"name\":\"\"}\n").unwrap();
        org_portal::cli::import::import(&portal.portal, &file, &org_portal::cli::import::How { is_strict: true, ..Default::default() }).await.unwrap_err();
        let page = olga.get("/operator/imports").await.is(200);
        let rows = page.texts("tbody tr");
        assert_eq!(rows.len(), 2);
        assert!(rows[0].contains("customers.jsonl") && rows[0].contains("Broke off") && rows[1].contains("1,101 refused"), "{rows:?}");
        let detail = olga.get(&page.attributes("tbody tr th a", "href")[1]).await.is(200);
        assert_eq!((detail.fact("Added").as_str(), detail.fact("Changed").as_str()), ("1 of kind customer", "None"));
        assert_eq!(detail.fact("Refused"), "1,100 lines that could not be read, 1 of kind person");
        assert_eq!(detail.count("tbody tr"), 1000);
        let first = detail.texts("tbody tr:first-child td");
        assert!(first[0] == "2" && first[1] == "email" && !first[2].is_empty(), "{first:?}");
        detail.says("The first 1,000 of 1,101");
        olga.get(&format!("/operator/imports/{}", uuid::Uuid::nil())).await.is(404);
        let broke_off = olga.get(&page.attributes("tbody tr th a", "href")[0]).await.is(200);
        assert!(broke_off.fact("Broke off").contains("customers.jsonl:1: name"), "{}", broke_off.fact("Broke off"));
        assert_eq!(broke_off.fact("Refused"), "1 of kind customer");
        olga.get("/operator").await.is(200).says("customers.jsonl");
    }

    async fn an_import_says_that_it_is_at_work_and_one_that_falls_silent_was_cut_off(portal) {
        let olga = portal.operator("olga").await;
        let run = actions::begin_import(&portal.portal, "customers.jsonl").await.unwrap();
        let (list, detail) = ("/operator/imports", format!("/operator/imports/{run}"));
        olga.get(list).await.is(200).says("At work");
        assert_eq!(olga.get(&detail).await.is(200).fact("Ended"), "Not yet: it is at work");
        portal.clock.advance(3 * MINUTE);
        olga.get(list).await.is(200).says("Cut off").never_says("At work");
        olga.get("/operator").await.is(200).says("Cut off");
        assert!(olga.get(&detail).await.is(200).fact("Ended").starts_with("It was cut off"));
        // Slow, but there: as long as its work lasts, it says so.
        let heard = until("it is heard of", || async { portal.count("SELECT count(*) FROM imports WHERE seen_at IS NOT NULL").await == 1 });
        actions::at_import(&portal.portal, run, heard).await;
        olga.get(list).await.is(200).says("At work").never_says("Cut off");
        actions::end_import(&portal.portal, run, &actions::Report::default(), None).await.unwrap();
        portal.clock.advance(HOUR);
        olga.get(list).await.is(200).says("Finished").never_says("Cut off");
    }

    async fn a_mail_that_did_not_leave_is_seen_without_its_secrets_and_sent_again(portal) {
        let olga = portal.operator("olga").await;
        olga.get("/operator/outbox").await.is(200).says("Everything left");
        let browser = portal.browser();
        browser.fill("/forgot-password", "/do/forgot_password", &[("email", "olga@example.com")]).await.is(303);
        let newest = "id = (SELECT id FROM outbox ORDER BY created_at DESC LIMIT 1)";
        let payload = portal.rows(&format!("SELECT payload FROM outbox WHERE {newest}")).await.concat().concat();
        portal.deliver().await;
        let link = portal.link("olga@example.com", "/reset-password").await;
        let secret = link.rsplit('=').next().unwrap().to_owned();
        let text = if payload.is_empty() { format!("{{\"to\":\"olga@example.com\",\"message\":{{\"ResetPassword\":{{\"first_name\":\"Olga\",\"token\":\"{secret}\"}}}}}}") } else { payload };
        portal.execute("DELETE FROM kept_mails").await;
        portal.execute(&format!("UPDATE outbox SET payload = '{text}', done_at = NULL, dead_at = {}, attempts = 20, last_error = 'mailbox full <b>' WHERE {newest}", portal.clock.now().0)).await;
        let page = olga.get("/operator/outbox").await.is(200);
        let row = page.text("tbody tr");
        assert!(row.contains("olga@example.com") && row.contains("password") && row.contains("20") && row.contains("mailbox full <b>"), "{row}");
        let detail = page.attributes("tbody tr th a", "href").remove(0);
        let detail_page = olga.get(&detail).await.is(200);
        assert!(!page.html().contains(&secret) && !detail_page.html().contains(&secret), "the link's secret is shown to nobody");
        olga.get("/operator").await.is(200).says("Look at them");
        let (_, out, _) = command(portal, &["doctor"]).await;
        assert!(out.contains("1 could not be delivered") && out.contains("Outbox in the operators' console"), "{out}");
        olga.fill(&detail, "/do/retry_mail", &[]).await.leads_to("/operator/outbox");
        assert_eq!(portal.mails_to("olga@example.com").await.len(), 1);
        olga.get(&detail).await.is(404);
        let id = detail.rsplit('/').next().unwrap();
        olga.call("retry_mail", &[("form[id]", id)]).await.is(404);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'mail.retry' AND outcome = 'success'").await, 1);
        let said = sentences(&olga.get("/operator/audit?kind=mail").await.is(200));
        assert_eq!(said.last().unwrap(), "Olga Example sent a mail on its way again to olga@example.com");
    }

    async fn the_database_by_itself_keeps_reasons_and_one_row_an_operator(portal) {
        let [_ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.operator("olga").await;
        for wrong in [
            "UPDATE accounts SET locked_until = 1",
            "UPDATE accounts SET lock_reason = 'Spam'",
            "UPDATE organizations SET suspended_at = 1",
            "UPDATE organizations SET suspension_reason = 'Unpaid'",
            "INSERT INTO operators (account_id, created_at) SELECT account_id, 1 FROM operators",
            "INSERT INTO imports (id, kind, source, started_at, finished_at, counts, refusals, refusals_count) SELECT id, 'customers', 'x', 2, 1, '{}', '[]', 0 FROM accounts LIMIT 1",
        ] {
            assert!(portal.try_execute(wrong).await.is_err(), "{wrong}");
        }
        // The control.
        portal.execute("UPDATE accounts SET locked_until = 1, lock_reason = 'Spam'").await;
        portal.execute("UPDATE organizations SET suspended_at = 1, suspension_reason = 'Unpaid'").await;
        // An account that ends is an operator no more.
        let olga = portal.sign_in("olga").await;
        olga.call("delete_account", &[("form[email]", "olga@example.com"), ("form[password]", PASSWORD)]).await.is(200);
        assert_eq!(portal.count("SELECT count(*) FROM operators").await, 0);
    }
}
