//! Organizations (`SPEC.md` §3.3, §3.5).

use org_portal::permissions::Role;

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
        assert!(page.main().contains("You belong to an organization already"), "{}", page.sketch());
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
        portal.execute("UPDATE organizations SET suspended_at = 1").await;
        ada.get("/organization").await.is(404);
        let before = portal.state().await;
        let call = ada.call_in(organization, "invite_member", &[("form[email]", "bob@example.com"), ("form[role]", "Admin")]).await;
        assert!([403, 404].contains(&call.status), "{}", call.text);
        assert_eq!(portal.state().await, before);
    }
}
