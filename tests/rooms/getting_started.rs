//! Getting Started (`SPEC.md` §3.2).

use org_portal::permissions::Role;

use crate::{on_both, support::*};

fn steps(page: &Answer) -> Vec<String> {
    page.texts(".steps > li h2")
}

on_both! {
    async fn it_is_the_first_page_after_sign_in_and_offers_add_organization(portal) {
        let ada = portal.sign_up("ada").await;
        let page = ada.open("/").await.is(200);
        assert_eq!(page.heading(), "Getting Started");
        assert_eq!(steps(&page), ["Add an organization", "Not yet: Invite members", "Not yet: Connect a PMM server", "Not yet: Raise a ticket"]);
        assert!(page.has_link("/organization/add"), "{}", page.sketch());
        assert!(!page.has_link("/organization") && !page.has_link("/organization/members/invite"), "{}", page.sketch());
        assert!(page.main().contains("0 of 4 done"), "{}", page.sketch());
    }

    async fn who_is_not_signed_in_starts_at_the_sign_in_page(portal) {
        portal.browser().get("/").await.leads_to("/sign-in");
    }

    async fn with_an_organization_view_organization_stands_in_its_place(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let page = ada.get("/getting-started").await.is(200);
        assert_eq!(steps(&page), ["Done: Add an organization", "Invite members", "Connect a PMM server", "Raise a ticket"]);
        assert!(page.has_link("/organization") && !page.has_link("/organization/add"), "{}", page.sketch());
        assert!(page.main().contains("View Organization"));
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let page = ada.get("/getting-started").await.is(200);
        assert_eq!(steps(&page), ["Done: Add an organization", "Done: Invite members", "Connect a PMM server", "Raise a ticket"]);
        assert!(page.main().contains("2 of 4 done"), "{}", page.sketch());
        ada.fill("/organization/tickets/new", "/do/raise_ticket", &[("subject", "Help"), ("description", "Please")]).await.is(303);
        assert!(page.has_link("/organization/servers#connect"), "{}", page.sketch());
        portal.connect_server(&ada, "a-server", "PMM").await;
        let page = ada.get("/getting-started").await.is(200);
        assert!(page.has_link("/organization/servers"), "{}", page.sketch());
        assert!(page.main().contains("4 of 4 done") && page.has_link("/organization/tickets"), "{}", page.sketch());
    }

    async fn every_step_links_to_where_it_is_done_and_leads_nowhere_else(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        for browser in [ada, bob, portal.sign_up("eve").await] {
            for link in browser.get("/getting-started").await.attributes("main a, nav a", "href") {
                let answer = browser.open(&link).await;
                assert_eq!(answer.status, 200, "a dead link: {link}");
            }
        }
    }

    async fn an_invitation_that_waits_is_accepted_or_declined_there(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let bob = portal.sign_up("bob").await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let page = bob.get("/getting-started").await.is(200).says("Ada Example invited you to Acme").says("You join as Technical user");
        bob.submit(&page.form("/do/decline_invitation")).await.leads_to("/getting-started");
        let page = bob.get("/getting-started").await.is(200).says("You declined the invitation");
        assert!(!page.has_form("/do/accept_invitation"));
        portal.invite(&ada, "bob@example.com", Role::Admin).await.is(303);
        bob.fill("/getting-started", "/do/accept_invitation", &[]).await.leads_to("/organization");
        assert_eq!(portal.role_of("bob").await, "Admin");
        let page = bob.get("/getting-started").await.is(200);
        assert!(!page.has_form("/do/accept_invitation") && page.has_link("/organization"));
    }

    async fn who_is_in_an_organization_is_told_that_one_is_all_there_is(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let [bob] = portal.organization_with("Other", [("bob", Role::Admin)]).await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let page = bob.get("/getting-started").await.is(200).says("invited you to Acme").says("one at a time");
        assert!(!page.has_form("/do/accept_invitation") && page.has_form("/do/decline_invitation"));
    }

    async fn an_invitation_to_another_address_or_whose_time_is_over_is_not_shown(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let (bob, eve) = (portal.sign_up("bob").await, portal.sign_up("eve").await);
        portal.invite(&ada, "BOB@example.com", Role::TechnicalUser).await.is(303);
        eve.get("/getting-started").await.is(200).never_says("Acme");
        bob.get("/getting-started").await.is(200).says("Acme");
        for _ in 0..8 {
            portal.clock.advance(21 * org_portal::words::HOUR);
            bob.get("/getting-started").await.is(200);
            let now = portal.clock.now().0;
            until("the use is noted", || async move { portal.count(&format!("SELECT count(*) FROM sessions WHERE last_seen_at = {now}")).await > 0 }).await;
        }
        let page = bob.get("/getting-started").await.is(200);
        assert!(!page.has_form("/do/accept_invitation"), "it is offered after seven days");
    }
}
