//! Organizations (`SPEC.md` §3.3, §3.5).

use org_portal::{permissions::Role, words::OrganizationId};
use serde_json::json;

use crate::{on_both, support::*};

/// Texts that must come back as they are, and do nothing.
const MARKUP: &str = "<script>alert(1)</script></textarea></title>\"'><img src=x onerror=alert(1)>&amp;{{7*7}}";

on_both! {
    async fn whoever_adds_an_organization_is_its_admin_and_sees_its_details(portal) {
        let ada = portal.sign_up("ada").await;
        let page = ada.get("/organization/add").await.is(200);
        assert_eq!(page.heading(), "Add Organization");
        portal.add_organization(&ada, "  Acme & Sons  ").await;
        let page = ada.get("/organization").await.is(200).says("Your organization has been created");
        assert_eq!(page.heading(), "Acme & Sons");
        for (name, fact) in [("Name", "Acme & Sons"), ("Created", &START.date()), ("Created by", "Ada Example"), ("Members", "1")] {
            assert_eq!(page.fact(name), fact);
        }
        assert!(page.fact("Your role").starts_with("Admin"), "{:?}", page.facts());
        // What is said once is said once.
        ada.get("/organization").await.is(200).never_says("Your organization has been created");
        assert_eq!(portal.role_of("ada").await, "Admin");
    }

    async fn a_technical_user_sees_the_details_too(portal) {
        let [_ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let page = bob.get("/organization").await.is(200);
        assert_eq!(page.heading(), "Acme");
        assert_eq!(page.fact("Members"), "2");
        assert!(page.fact("Your role").starts_with("Technical user"), "{:?}", page.facts());
    }

    async fn the_name_has_1_to_255_characters_and_no_control_characters(portal) {
        let ada = portal.sign_up("ada").await;
        let before = portal.state().await;
        let long = "é".repeat(256);
        for name in ["", "   ", &long, "Ac\u{0}me", "Ac\nme", "Ac\u{1b}me", "Ac\u{202e}me", "Ac\u{2066}me", "\u{7f}"] {
            let page = ada.fill("/organization/add", "/do/add_organization", &[("name", name)]).await.is(422);
            assert!(page.error_of("name").is_some(), "{name:?}: {}", page.sketch());
            assert_eq!(page.value_of("name").replace(['\n', '\u{fffd}'], ""), name.replace(['\n', '\u{0}'], ""), "what was typed stays");
        }
        assert_eq!(portal.state().await, before);
        portal.add_organization(&ada, &"é".repeat(255)).await;
        assert_eq!(ada.get("/organization").await.heading(), "é".repeat(255));
    }

    async fn a_page_that_ends_something_begins_at_its_first_field(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let begins = |page: &Answer| page.attributes("main [autofocus]", "id");
        for (path, field) in [("/organization/delete", "name"), ("/organization/leave", "name"), ("/account/delete", "organization_name")] {
            assert_eq!(begins(&ada.get(path).await.is(200)), [field], "{path}");
        }
        let bob = portal.sign_up("bob").await;
        assert_eq!(begins(&bob.get("/account/delete").await.is(200)), ["email"]);
    }

    async fn a_name_that_is_too_long_is_not_cut_but_refused(portal) {
        let ada = portal.sign_up("ada").await;
        let page = ada.get("/organization/add").await.is(200);
        assert_eq!(page.count("#name[maxlength]"), 0, "browsers cut what is pasted, and say nothing");
        let refused = ada.submit(&page.form("/do/add_organization").with("name", &"x".repeat(300))).await.is(422);
        assert!(refused.error_of("name").is_some_and(|why| why.contains("255")), "{}", refused.sketch());
        portal.add_organization(&ada, "Acme").await;
        assert_eq!(ada.get("/organization/rename").await.is(200).count("#name[maxlength]"), 0);
        // That one has an organization is said once.
        let page = ada.submit(&page.form("/do/add_organization").with("name", "Other").forged("drawn[key]", "k")).await.is(409);
        assert_eq!(page.main().matches("already").count(), 1, "{}", page.sketch());
    }

    async fn initials_are_letters_or_digits(portal) {
        let ada = portal.sign_up("ada").await;
        ada.fill("/account", "/do/change_name", &[("first_name", "=(ada) \"B"), ("last_name", "<c> \u{1f600}")]).await.is(303);
        assert_eq!(ada.get("/account").await.is(200).text(".avatar"), "AB");
    }

    async fn names_need_not_be_unique(portal) {
        for person in ["ada", "bob"] {
            let browser = portal.sign_up(person).await;
            portal.add_organization(&browser, "Acme").await;
            assert_eq!(browser.get("/organization").await.is(200).heading(), "Acme");
        }
        assert_ne!(portal.organization_of("ada").await, portal.organization_of("bob").await);
    }

    async fn a_name_is_text_wherever_it_stands(portal) {
        let ada = portal.sign_up("ada").await;
        portal.add_organization(&ada, MARKUP).await;
        for path in ["/organization", "/organization/members", "/organization/leave", "/getting-started", "/organization/add", "/account", "/roles"] {
            let page = ada.get(path).await.is(200);
            assert_eq!(page.count("script:not([nonce]), img, [onerror]"), 0, "{path}");
            assert!(!page.html().contains("<script>alert"), "{path}");
        }
        assert_eq!(ada.get("/organization").await.raw_texts("h1 bdi"), [MARKUP]);
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let mail = portal.mails_to("bob@example.com").await.pop().unwrap();
        assert_eq!(mail.subject, format!("Welcome to {MARKUP}"));
        assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{}", mail.html);
        let page = portal.browser().get(&portal.link("bob@example.com", "/invitation").await).await.is(200);
        assert_eq!(page.raw_texts("h1 bdi"), [MARKUP]);
    }

    async fn an_account_that_has_an_organization_is_refused_a_second_one(portal) {
        let ada = portal.sign_up("ada").await;
        let form = ada.get("/organization/add").await.form("/do/add_organization").with("name", "Second");
        portal.add_organization(&ada, "First").await;
        let before = portal.state().await;
        let page = ada.get("/organization/add").await.is(200).says("You belong to First already");
        assert!(!page.has_form("/do/add_organization"));
        let page = ada.submit(&form).await.is(409);
        assert!(page.main().contains("You belong to First already"), "{}", page.sketch());
        ada.call("add_organization", &[("form[name]", "Third")]).await.refused(409, serde_json::json!({ "Conflict": "AlreadyInOrganization" }));
        assert_eq!(portal.state().await, before);
    }

    async fn four_requests_at_the_same_moment_make_one_organization(portal) {
        let ada = portal.sign_up("ada").await;
        for round in 0..5 {
            let person = format!("person{round}");
            let browser = portal.sign_up(&person).await;
            let calls = (0..4).map(|n| {
                let browser = browser.clone();
                async move {
                    let (name, key) = (format!("Org {n}"), format!("key {n}"));
                    browser.call("add_organization", &[("form[name]", &name), ("drawn[key]", &key)]).await.status
                }
            });
            let mut statuses = futures::future::join_all(calls).await;
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409, 409, 409], "round {round}");
        }
        drop(ada);
        assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 5);
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 5);
    }

    async fn the_form_posted_twice_stands_once_and_is_answered_alike(portal) {
        let ada = portal.sign_up("ada").await;
        let form = ada.get("/organization/add").await.form("/do/add_organization").with("name", "Acme");
        ada.submit(&form).await.leads_to("/organization");
        ada.submit(&form).await.leads_to("/organization");
        let pairs = [("form[name]", "Acme"), ("drawn[key]", form.value("drawn[key]"))];
        ada.call("add_organization", &pairs).await.is(200);
        assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 1);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'organization.add'").await, 1);
        // Four times at once, too.
        let bob = portal.sign_up("bob").await;
        let form = bob.get("/organization/add").await.form("/do/add_organization").with("name", "Bob's");
        let answers = futures::future::join_all((0..4).map(|_| bob.submit(&form))).await;
        for answer in answers {
            answer.leads_to("/organization");
        }
        // Under another key it is another attempt.
        bob.submit(&form.forged("drawn[key]", "another")).await.is(409);
        assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 2);
    }

    async fn who_has_no_organization_sees_none(portal) {
        let ada = portal.sign_up("ada").await;
        let nothing = ada.get("/no-such-page").await.is(404);
        for path in ["/organization", "/organization/members", "/organization/members/invite", "/organization/leave"] {
            let page = ada.get(path).await.is(404);
            assert_alike(&(page.normalized(), page.normalized_headers()), &(nothing.normalized(), nothing.normalized_headers()), path);
        }
    }

    async fn a_suspended_organization_is_closed_to_its_members(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        portal.execute("UPDATE organizations SET suspended_at = 1, suspension_reason = 'Unpaid'").await;
        ada.get("/organization").await.is(403).says("Unpaid");
        let before = portal.state().await;
        let call = ada.call_in(organization, "invite_member", &[("form[email]", "bob@example.com"), ("form[role]", "Admin")]).await;
        call.refused(403, serde_json::json!({ "Suspended": "Unpaid" }));
        assert_eq!(portal.state().await, before);
    }
}

/// Deletes by the page.
async fn delete(admin: &Browser, name: &str) -> Answer {
    admin.fill("/organization/delete", "/do/delete_organization", &[("name", name)]).await
}

/// Members by the thousand, with accounts of their own, past the portal.
async fn crowd(portal: &TestPortal, organization: OrganizationId, n: i64) {
    let o = portal.engine.literal(organization.0);
    let numbers = match portal.engine {
        Engine::Sqlite => format!("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {n})"),
        Engine::Postgres => format!("WITH numbers (n) AS (SELECT generate_series(1, {n}))"),
    };
    let id = match portal.engine {
        Engine::Sqlite => "CAST(printf('%016d', n) AS BLOB)",
        Engine::Postgres => "lpad(n::text, 32, '0')::uuid",
    };
    let text = if portal.engine == Engine::Sqlite { "n" } else { "n::text" };
    portal
        .execute(&format!(
            "INSERT INTO accounts (id, email, email_key, first_name, last_name, created_at) {numbers} SELECT {id}, 'p' || {text} || '@crowd.example', 'p' || {text} || '@crowd.example', 'P', {text}, 1 FROM numbers"
        ))
        .await;
    portal
        .execute(&format!(
            "INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at)
             SELECT id, {o}, id, 'Technical user', 'invitation', 1, last_name, last_name, email, email_key, 1 FROM accounts WHERE email LIKE '%@crowd.example'"
        ))
        .await;
    portal.execute(&format!("UPDATE organizations SET members_count = members_count + {n} WHERE id = {o}")).await;
}

on_both! {
    async fn an_admin_renames_it_and_everybody_sees_the_new_name_at_once(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        portal.invite(&ada, "eve@example.com", Role::TechnicalUser).await.is(303);
        assert!(ada.get("/organization").await.has_link("/organization/rename"));
        let page = ada.get("/organization/rename").await.is(200);
        assert_eq!(page.value_of("name"), "Acme");
        ada.submit(&page.form("/do/rename_organization").with("name", "  Acme & Sons  ")).await.leads_to("/organization");
        let page = ada.get("/organization").await.is(200).says("The organization has its new name");
        assert_eq!((page.heading(), page.fact("Name")), ("Acme & Sons".to_owned(), "Acme & Sons".to_owned()));
        bob.get("/organization/members").await.is(200).says("Acme & Sons");
        portal.browser().get(&portal.link("eve@example.com", "/invitation").await).await.is(200).says("Join Acme & Sons");
        let noted = portal.rows("SELECT before_state, after_state, outcome FROM audit_events WHERE action = 'organization.rename'").await;
        assert_eq!(noted, [["{\"name\":\"Acme\"}", "{\"name\":\"Acme & Sons\"}", "success"]]);
    }

    async fn a_new_name_keeps_to_the_rules_of_names_and_what_was_typed_stays(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let before = portal.state().await;
        let long = "é".repeat(256);
        for name in ["", "   ", &long, "Ac\u{1b}me", "Ac\u{202e}me"] {
            let page = ada.fill("/organization/rename", "/do/rename_organization", &[("name", name)]).await.is(422);
            assert!(page.error_of("name").is_some(), "{name:?}: {}", page.sketch());
            assert_eq!(page.value_of("name"), name, "what was typed stays");
        }
        // The name that it has is no change, and nothing is noted.
        ada.fill("/organization/rename", "/do/rename_organization", &[("name", " Acme ")]).await.leads_to("/organization");
        // But for the organization's revision, which is its lock.
        let (mut before, mut after) = (before, portal.state().await);
        assert!(before.remove("organizations") != after.remove("organizations") && before == after, "something changed: {after:?}");
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'organization.rename'").await, 0);
        ada.fill("/organization/rename", "/do/rename_organization", &[("name", MARKUP)]).await.leads_to("/organization");
        assert_eq!(ada.get("/organization").await.raw_texts("h1 bdi"), [MARKUP]);
        assert_eq!(ada.get("/organization/rename").await.value_of("name"), MARKUP);
        assert_eq!(ada.get("/organization/delete").await.raw_texts("form strong.typed bdi"), [MARKUP]);
    }

    async fn only_an_admin_renames_or_deletes_it(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let organization = portal.organization_of("ada").await;
        let stranger = portal.sign_up("eve").await;
        let before = portal.state().await;
        let page = bob.get("/organization").await.is(200);
        assert!(!page.has_link("/organization/rename") && !page.has_link("/organization/delete"));
        for path in ["/organization/rename", "/organization/delete"] {
            for (who, status) in [(&bob, 404), (&stranger, 404)] {
                who.get(path).await.is(status);
            }
            portal.browser().get(path).await.is(303);
        }
        for function in ["rename_organization", "delete_organization"] {
            for name in ["Acme", "Other"] {
                bob.call_in(organization, function, &[("form[name]", name)]).await.refused(403, json!("Forbidden"));
                stranger.call_in(organization, function, &[("form[name]", name)]).await.refused(404, json!("NotFound"));
                portal.browser().call_in(organization, function, &[("form[name]", name)]).await.is(401);
            }
        }
        assert_eq!(portal.state().await, before);
        // Demoted in between: the form that was open does nothing.
        let form = ada.get("/organization/delete").await.form("/do/delete_organization").with("name", "Acme");
        let of = portal.member_of("bob").await.to_string();
        ada.call_in(organization, "change_role", &[("form[member]", &of), ("form[role]", "Admin")]).await.is(200);
        let of = portal.member_of("ada").await.to_string();
        bob.call_in(organization, "change_role", &[("form[member]", &of), ("form[role]", "Technical user")]).await.is(200);
        ada.submit(&form).await.is(403);
        assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 1);
    }

    async fn the_page_says_what_will_be_lost_and_the_name_has_to_be_typed(portal) {
        let [ada, _bob, _eve] = portal.organization_with("Acme  Café", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::Admin)]).await;
        let page = ada.get("/organization/delete").await.is(200);
        assert!(page.main().contains("You and 2 other members lose access at once") && !page.main().contains("pending"), "{}", page.sketch());
        portal.invite(&ada, "zed@example.com", Role::TechnicalUser).await.is(303);
        let page = ada.get("/organization/delete").await.is(200).says("1 pending invitation ends");
        let before = portal.state().await;
        for typed in ["", "  ", "acme café", "Acme", "Acme Cafe", "Acme Café."] {
            let form = page.form("/do/delete_organization").with("name", typed).forged("drawn[key]", typed);
            let refused = ada.submit(&form).await.is(422);
            assert!(refused.error_of("name").is_some(), "{typed:?}: {}", refused.sketch());
            assert_eq!(refused.value_of("name"), typed, "what was typed stays");
        }
        // Not typed at all is typed wrong.
        ada.submit(&page.form("/do/delete_organization").without("form[name]")).await.is(422);
        assert_eq!(portal.state().await, before);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'organization.delete'").await, 0);
        // As the page shows it, whatever the keyboard makes of it.
        delete(&ada, " Acme Cafe\u{301} ").await.leads_to("/getting-started");
        assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 0);
    }

    async fn a_deleted_organization_is_gone_for_everybody_and_stays_known(portal) {
        let [ada, bob, eve] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)]).await;
        let organization = portal.organization_of("ada").await;
        eve.fill("/organization/leave", "/do/leave_organization", &[]).await.is(303);
        portal.invite(&bob, "zed@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("zed@example.com", "/invitation").await;
        let zed = portal.sign_up("zed").await;
        zed.get("/getting-started").await.is(200).says("invited you to Acme");
        let form = ada.get("/organization/delete").await.form("/do/delete_organization").with("name", "Acme");
        ada.submit(&form).await.leads_to("/getting-started");
        ada.get("/getting-started").await.is(200).says("The organization is deleted");
        // Posted twice, it is answered alike.
        ada.submit(&form).await.leads_to("/getting-started");
        let nothing = ada.get("/no-such-page").await.is(404);
        for who in [&ada, &bob] {
            assert!(who.get("/getting-started").await.is(200).has_link("/organization/add"));
            for path in ["/organization", "/organization/members", "/organization/delete"] {
                let page = who.get(path).await.is(404);
                if std::ptr::eq(who, &ada) {
                    assert_alike(&(page.normalized(), page.normalized_headers()), &(nothing.normalized(), nothing.normalized_headers()), path);
                }
            }
            who.call_in(organization, "invite_member", &[("form[email]", "x@example.com"), ("form[role]", "Technical user")]).await.is(404);
        }
        // The pending invitation: its link is like one that never was.
        let dead = zed.get(&link).await.is(410);
        let unknown = zed.get("/invitation?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await.is(410);
        assert_alike(&dead.normalized(), &unknown.normalized(), "a dead link is told apart");
        zed.get("/getting-started").await.is(200).never_says("Acme");
        // What was, stays known.
        let hex = portal.engine.hex("id");
        let known = portal.rows(&format!("SELECT {hex}, name, members_count, deleted_by_name FROM former_organizations")).await;
        assert_eq!(known.len(), 1);
        assert_eq!((uuid(&known[0][0]), &known[0][1..]), (organization.0, &["Acme".to_owned(), "2".to_owned(), "Ada Example".to_owned()][..]));
        assert_eq!(
            portal.rows("SELECT email_key, source, reason FROM former_members ORDER BY email_key").await,
            [
                ["ada@example.com", "creation", "organization_deleted"],
                ["bob@example.com", "invitation", "organization_deleted"],
                ["eve@example.com", "invitation", "left"],
            ]
        );
        let of = portal.engine.literal(organization.0);
        assert!(portal.count(&format!("SELECT count(*) FROM audit_events WHERE organization_id = {of} AND action = 'organization.add'")).await == 1);
        let noted = portal.rows(&format!("SELECT before_state FROM audit_events WHERE organization_id = {of} AND action = 'organization.delete' AND outcome = 'success'")).await;
        assert_eq!(noted.len(), 1);
        let state: serde_json::Value = serde_json::from_str(&noted[0][0]).unwrap();
        assert_eq!((&state["name"], &state["members"], &state["invitations"]), (&json!("Acme"), &json!(2), &json!(3)));
        assert_eq!(portal.count("SELECT count(*) FROM invitations").await, 0);
        // The name is free, and everybody may begin anew.
        portal.add_organization(&bob, "Acme").await;
        assert_ne!(portal.organization_of("bob").await, organization);
        portal.add_organization(&ada, "Acme").await;
    }

    async fn a_step_that_fails_in_the_middle_leaves_everything(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        portal.invite(&bob, "zed@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("zed@example.com", "/invitation").await;
        let before = portal.snapshot(&["limits"]).await;
        for (step, table) in [
            ("DELETE", "invitations"),
            ("INSERT", "former_members"),
            ("DELETE", "members"),
            ("INSERT", "former_organizations"),
            ("DELETE", "organizations"),
            ("INSERT", "audit_events"),
        ] {
            let mend = portal.fail(step, table).await;
            delete(&ada, "Acme").await.is(500).says("Something went wrong on our side and nothing was changed");
            for statement in &mend {
                portal.execute(statement).await;
            }
            assert_eq!(portal.snapshot(&["limits"]).await, before, "{step} {table}");
        }
        bob.get("/organization").await.is(200).says("Acme");
        portal.browser().get(&link).await.is(200);
        delete(&ada, "Acme").await.leads_to("/getting-started");
    }

    async fn who_is_alone_leaves_by_deleting_it_and_who_is_not_cannot(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let organization = portal.organization_of("ada").await;
        // With others and no other Admin: what to do first.
        let page = ada.get("/organization/leave").await.is(200).says("Make another member Admin first, then leave");
        assert!(!page.has_form("/do/leave_organization"));
        // Even the right name deletes nothing while somebody else is in it.
        ada.call_in(organization, "leave_organization", &[("form[name]", "Acme")]).await.refused(409, json!({ "Conflict": "LastAdmin" }));
        ada.get("/organization").await.is(200).says("The others stay");
        bob.fill("/organization/leave", "/do/leave_organization", &[]).await.is(303);
        ada.get("/organization").await.is(200).says("You are the only member, so this deletes it");
        let page = ada.get("/organization/leave").await.is(200).says("You are the only member of Acme");
        let before = portal.state().await;
        for typed in ["", "acme"] {
            let refused = ada.submit(&page.form("/do/leave_organization").with("name", typed)).await.is(422);
            assert!(refused.error_of("name").is_some(), "{}", refused.sketch());
            assert_eq!(refused.value_of("name"), typed);
        }
        ada.call_in(organization, "leave_organization", &[]).await.is(422);
        assert_eq!(portal.state().await, before);
        let form = page.form("/do/leave_organization").with("name", "Acme");
        ada.submit(&form).await.leads_to("/getting-started");
        ada.submit(&form).await.leads_to("/getting-started");
        ada.get("/getting-started").await.is(200).says("The organization is deleted");
        assert_eq!(portal.rows("SELECT name, members_count FROM former_organizations").await, [["Acme", "1"]]);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'organization.delete' AND outcome = 'success'").await, 1);
        // Somebody joins while the page of who was alone is open: then it is leaving, and not deleting.
        portal.add_organization(&ada, "Second").await;
        let form = ada.get("/organization/leave").await.form("/do/leave_organization").with("name", "Second");
        portal.join(&ada, "eve", Role::TechnicalUser).await;
        ada.submit(&form).await.is(409).says("You are the only Admin");
        assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 1);
    }

    async fn an_organization_of_100_000_members_is_deleted_in_one_request(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        crowd(portal, portal.organization_of("ada").await, 99_998).await;
        ada.get("/organization/delete").await.is(200).says("You and 99,999 other members lose access at once");
        let began = std::time::Instant::now();
        delete(&ada, "Acme").await.leads_to("/getting-started");
        println!("{:?}: 100,000 members in {:?}", portal.engine, began.elapsed());
        bob.get("/organization").await.is(404);
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 0);
        assert_eq!(portal.count("SELECT count(*) FROM former_members WHERE reason = 'organization_deleted'").await, 100_000);
        assert_eq!(portal.rows("SELECT name, members_count FROM former_organizations").await, [["Acme", "100000"]]);
    }
}
