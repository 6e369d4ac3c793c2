//! Invitations (`SPEC.md` §2, §3.6, §3.7, §5).

use org_portal::{
    permissions::Role,
    words::{DAY, HOUR, MINUTE},
};
use serde_json::json;

use crate::{on_both, support::*};

const ADMIN: [(&str, Role); 1] = [("ada", Role::Admin)];
const TEAM: [(&str, Role); 3] = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)];

/// The states of the invitations of an address, the oldest first.
async fn states(portal: &TestPortal, email: &str) -> Vec<String> {
    portal.rows(&format!("SELECT state FROM invitations WHERE email_key = '{email}' ORDER BY created_at")).await.concat()
}

fn token(link: &str) -> &str {
    link.rsplit_once('=').expect("a token").1
}

/// A cell's text; of a time, the moment itself, however it is written.
fn cell(cell: scraper::ElementRef<'_>) -> String {
    match cell.select(&scraper::Selector::parse("time").unwrap()).next() {
        Some(time) => time.attr("datetime").unwrap_or_default().to_owned(),
        None => cell.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// The rows of the table of invitations: address, state, role, inviter, until when.
fn pending(page: &Answer) -> Vec<Vec<String>> {
    let html = scraper::Html::parse_document(&page.html());
    let select = |css: &str| scraper::Selector::parse(css).unwrap();
    let text = |e: scraper::ElementRef<'_>| e.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    let table = html.select(&select("table")).find(|t| t.select(&select("caption")).any(|c| text(c) == "Invitations"));
    let Some(table) = table else { return Vec::new() };
    table.select(&select("tbody tr")).map(|row| row.select(&select("th, td")).take(5).map(cell).collect()).collect()
}

/// Keeps a session alive over days of the clock.
async fn days(portal: &TestPortal, browsers: &[&Browser], micros: i64) {
    let mut left = micros;
    while left > 0 {
        let step = left.min(20 * HOUR);
        portal.clock.advance(step);
        left -= step;
        for browser in browsers {
            browser.get("/account").await.is(200);
        }
        let now = portal.clock.now().0;
        let n = i64::try_from(browsers.len()).unwrap();
        until("the use of the sessions is noted", || async move {
            portal.count(&format!("SELECT count(*) FROM sessions WHERE last_seen_at > {now} - 60000000")).await >= n
        })
        .await;
    }
}

on_both! {
    async fn the_mail_welcomes_to_the_organization_and_its_link_is_valid_for_seven_days(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.leads_to("/organization/members");
        let page = ada.get("/organization/members").await.is(200).says("The invitation is on its way");
        let until = START.plus(7 * DAY);
        assert_eq!(pending(&page), [["bob@example.com", "Pending", "Technical user", "Ada Example", until.rfc3339().as_str()]]);
        let mails = portal.mails_to("bob@example.com").await;
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].subject, "Welcome to Acme");
        for text in ["Ada Example", "Acme", "Technical user", until.date().as_str()] {
            assert!(mails[0].text.contains(text) && mails[0].html.contains(text), "{text}: {:?}", mails[0]);
        }
        let link = portal.link("bob@example.com", "/invitation").await;
        assert!(token(&link).len() >= 43, "256 bits: {link}");
        assert!(mails[0].html.contains(&link));
        // Valid for seven days, by the clock.
        portal.clock.advance(7 * DAY - MINUTE);
        portal.browser().get(&link).await.is(200);
        portal.clock.advance(MINUTE);
        portal.browser().get(&link).await.is(410);
    }

    async fn the_invitee_sees_who_invited_to_what_as_what_and_can_sign_up_or_in(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.invite(&ada, "bob@example.com", Role::Admin).await.is(303);
        let link = portal.link("bob@example.com", "/invitation").await;
        let page = portal.browser().get(&link).await.is(200).says("Join Acme").says("Ada Example invited bob@example.com as Admin");
        assert!(page.has_link(&format!("/sign-up?invitation={}", token(&link))), "{:?}", page.attributes("a", "href"));
        assert!(page.attributes("a", "href").iter().any(|href| href.starts_with("/sign-in?to=%2Finvitation")));
    }

    async fn sign_up_from_the_link_needs_no_second_mail_and_keeps_the_invitation(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.invite(&ada, "Bob@Example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("bob@example.com", "/invitation").await;
        let mails = portal.mails().await.len();
        let bob = portal.browser();
        let page = bob.get(&format!("/sign-up?invitation={}", token(&link))).await.is(200).says("Acme");
        assert_eq!(page.value_of("email"), "Bob@Example.com", "the address is filled in");
        assert_eq!(page.count("#email[readonly]"), 1);
        let form = page.form("/do/sign_up").with("first_name", "Bob").with("password", PASSWORD);
        // A slip keeps the invitation.
        let refused = bob.submit(&form.clone().with("password", "short")).await.is(422);
        assert_eq!(refused.form("/do/sign_up").value("invitation"), token(&link));
        assert_eq!(refused.value_of("email"), "Bob@Example.com");
        // Another address is not proven by the link.
        let other = bob.submit(&form.clone().with("email", "eve@example.com").forged("drawn[key]", "k")).await.is(422);
        assert!(other.error_of("email").is_some(), "{}", other.sketch());
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 1);
        bob.submit(&refused.form("/do/sign_up").with("password", PASSWORD)).await.leads_to(&link);
        assert_eq!(portal.mails().await.len(), mails, "a second mail was needed");
        // Signed up and signed in, and no member before the button is pressed.
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 1);
        let page = bob.get(&link).await.is(200).says("Join Acme");
        bob.submit(&page.form("/do/accept_invitation")).await.leads_to("/organization");
        bob.get("/organization").await.is(200).says("Welcome. You are a member now");
        assert_eq!(portal.role_of("bob").await, "Technical user");
    }

    async fn a_sign_up_from_the_link_posted_twice_makes_one_account_and_is_answered_alike(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("bob@example.com", "/invitation").await;
        let bob = portal.browser();
        let form = bob.get(&format!("/sign-up?invitation={}", token(&link))).await.form("/do/sign_up").with("first_name", "Bob").with("password", PASSWORD);
        let (one, two) = (bob.copy(), bob.copy());
        one.submit(&form).await.leads_to(&link);
        two.submit(&form).await.leads_to(&link);
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 2);
    }

    /// CVE-2026-44986 (Penpot): an invitation's link must not take over an account that is there.
    async fn the_link_gives_no_password_to_an_account_that_is_there(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.sign_up("bob").await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("bob@example.com", "/invitation").await;
        let thief = portal.browser();
        let form = thief.get(&format!("/sign-up?invitation={}", token(&link))).await.form("/do/sign_up").with("first_name", "B").with("password", OTHER_PASSWORD);
        let page = thief.submit(&form).await.is(422);
        assert!(page.error_of("email").is_some(), "{}", page.sketch());
        assert_eq!(thief.cookie("session"), None);
        portal.sign_in_to(&portal.browser(), "bob@example.com", OTHER_PASSWORD).await.is(401);
        portal.sign_in_to(&portal.browser(), "bob@example.com", PASSWORD).await.is(303);
    }

    async fn opening_the_link_never_joins(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let bob = portal.sign_up("bob").await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("bob@example.com", "/invitation").await;
        let before = portal.state().await;
        bob.get(&link).await.is(200).says("Join Acme");
        bob.get(&format!("/sign-up?invitation={}", token(&link))).await;
        portal.browser().get(&link).await.is(200);
        portal.browser().get(&format!("/sign-up?invitation={}", token(&link))).await.is(200);
        bob.get("/do/accept_invitation").await.leads_to("/getting-started");
        assert_eq!(portal.state().await, before);
        bob.get("/organization").await.is(404);
    }

    async fn an_account_that_is_there_signs_in_from_the_link_and_accepts(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.sign_up("bob").await;
        portal.invite(&ada, "bob@example.com", Role::Admin).await.is(303);
        let link = portal.link("bob@example.com", "/invitation").await;
        let browser = portal.browser();
        let page = browser.get(&link).await.is(200);
        let sign_in = page.attributes("a", "href").into_iter().find(|href| href.starts_with("/sign-in")).unwrap();
        browser.fill(&sign_in, "/do/sign_in", &[("email", "bob@example.com"), ("password", PASSWORD)]).await.leads_to(&link);
        let page = browser.get(&link).await.is(200).says("Join Acme");
        assert_eq!((page.fact("Invited by"), page.fact("Your role"), page.fact("For")), ("Ada Example".into(), "Admin".into(), "bob@example.com".into()));
        browser.submit(&page.form("/do/accept_invitation")).await.leads_to("/organization");
        assert_eq!(portal.role_of("bob").await, "Admin");
        assert_eq!(states(portal, "bob@example.com").await, ["accepted"]);
        let page = ada.get("/organization/members").await.is(200).says("Bob Example");
        assert!(pending(&page).is_empty());
    }

    async fn whoever_declines_is_no_member_and_can_be_invited_again(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let bob = portal.sign_up("bob").await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("bob@example.com", "/invitation").await;
        bob.fill(&link, "/do/decline_invitation", &[]).await.leads_to("/getting-started");
        assert_eq!(states(portal, "bob@example.com").await, ["declined"]);
        bob.get(&link).await.is(410);
        assert!(pending(&ada.get("/organization/members").await).is_empty());
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        bob.fill(&portal.link("bob@example.com", "/invitation").await, "/do/accept_invitation", &[]).await.leads_to("/organization");
        assert_eq!(states(portal, "bob@example.com").await, ["declined", "accepted"]);
    }

    async fn a_member_who_clicks_again_is_taken_to_the_organization(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let bob = portal.join(&ada, "bob", Role::TechnicalUser).await;
        let link = portal.link("bob@example.com", "/invitation").await;
        bob.get(&link).await.leads_to("/organization");
        // Nobody else learns where it led.
        portal.browser().get(&link).await.is(410).never_says("Acme");
        portal.sign_up("eve").await.get(&link).await.is(410).never_says("Acme");
        ada.get(&link).await.is(410);
    }

    async fn a_link_that_is_expired_used_revoked_replaced_or_unknown_leads_to_one_page(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let mut links = vec![("unknown", "/invitation?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()), ("empty", "/invitation?token=".to_owned()), ("none", "/invitation".to_owned())];
        portal.join(&ada, "bob", Role::TechnicalUser).await;
        links.push(("used", portal.link("bob@example.com", "/invitation").await));
        portal.invite(&ada, "rev@example.com", Role::TechnicalUser).await.is(303);
        links.push(("revoked", portal.link("rev@example.com", "/invitation").await));
        let id = portal.invitation_of("rev@example.com").await;
        ada.fill(&format!("/organization/invitations/{id}/revoke"), "/do/revoke_invitation", &[]).await.leads_to("/organization/members");
        portal.invite(&ada, "again@example.com", Role::TechnicalUser).await.is(303);
        links.push(("replaced", portal.link("again@example.com", "/invitation").await));
        let resend = ada.get("/organization/members").await.form("/do/resend_invitation");
        ada.submit(&resend).await.leads_to("/organization/members");
        portal.invite(&ada, "old@example.com", Role::TechnicalUser).await.is(303);
        links.push(("expired", portal.link("old@example.com", "/invitation").await));
        portal.clock.advance(7 * DAY);
        let stranger = portal.sign_up("zed").await;
        for who in [&portal.browser(), &stranger] {
            let mut seen = Vec::new();
            for (how, link) in &links {
                let page = who.get(link).await.is(410);
                assert!(page.main().contains("This invitation cannot be used") && page.main().contains("Ask the person who invited you"), "{how}: {}", page.sketch());
                let text = page.normalized().replace(link, "LINK").replace(&link.replace('&', "&amp;"), "LINK");
                seen.push((how, text, page.normalized_headers()));
            }
            for (how, body, headers) in &seen[1..] {
                assert_alike(&(body, headers), &(&seen[0].1, &seen[0].2), how);
            }
        }
        // Nor does a sign-up by such a link say more.
        let mut seen = Vec::new();
        for (how, link) in &links {
            let secret = token(&format!("{link}=")).to_owned();
            let secret = if secret.is_empty() { link.rsplit_once("token=").map_or("", |(_, t)| t).to_owned() } else { secret };
            if secret.is_empty() { continue; }
            let pairs = [("form[email]", "new@example.com"), ("form[first_name]", "N"), ("form[password]", PASSWORD), ("form[invitation]", secret.as_str())];
            let call = portal.browser().call("sign_up", &pairs).await.is(410);
            seen.push((how, call.text));
        }
        assert!(seen.len() >= 5 && seen.iter().all(|(_, text)| *text == seen[0].1), "{seen:?}");
    }

    async fn resending_kills_the_old_link_and_gives_new_time(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let bob = portal.sign_up("bob").await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let old = portal.link("bob@example.com", "/invitation").await;
        let accept = bob.get(&old).await.form("/do/accept_invitation");
        days(portal, &[&ada, &bob], 5 * DAY).await;
        let form = ada.get("/organization/members").await.form("/do/resend_invitation");
        ada.submit(&form).await.leads_to("/organization/members");
        ada.get("/organization/members").await.is(200).says("The earlier link no longer works");
        let new = portal.link("bob@example.com", "/invitation").await;
        assert_ne!(old, new);
        bob.get(&old).await.is(410);
        days(portal, &[&ada, &bob], 6 * DAY).await;
        bob.get(&new).await.is(200);
        // Posted again the form sends no third mail.
        let mails = portal.mails_to("bob@example.com").await.len();
        ada.submit(&form).await.leads_to("/organization/members");
        assert_eq!(portal.mails_to("bob@example.com").await.len(), mails);
        // And an expired one is sent again, too.
        days(portal, &[&ada, &bob], DAY).await;
        bob.get(&new).await.is(410);
        bob.submit(&accept).await.is(410);
        let page = ada.get("/organization/members").await.is(200);
        assert_eq!(pending(&page)[0][1], "Expired");
        ada.submit(&page.form("/do/resend_invitation")).await.leads_to("/organization/members");
        assert_eq!(pending(&ada.get("/organization/members").await)[0][1], "Pending");
        bob.fill(&portal.link("bob@example.com", "/invitation").await, "/do/accept_invitation", &[]).await.leads_to("/organization");
    }

    async fn a_revoked_invitation_is_over_and_its_address_can_be_invited_again(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let bob = portal.sign_up("bob").await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("bob@example.com", "/invitation").await;
        let accept = bob.get(&link).await.form("/do/accept_invitation");
        let id = portal.invitation_of("bob@example.com").await;
        let asks = format!("/organization/invitations/{id}/revoke");
        let page = ada.get(&asks).await.is(200).says("bob@example.com");
        ada.submit(&page.form("/do/revoke_invitation")).await.leads_to("/organization/members");
        ada.submit(&page.form("/do/revoke_invitation")).await.leads_to("/organization/members");
        assert_eq!(states(portal, "bob@example.com").await, ["revoked"]);
        bob.submit(&accept).await.is(410);
        bob.get("/getting-started").await.is(200).never_says("Acme");
        ada.get(&asks).await.is(404);
        let organization = portal.organization_of("ada").await;
        for endpoint in ["revoke_invitation", "resend_invitation"] {
            ada.call_in(organization, endpoint, &[("invitation", &id.to_string())]).await.refused(409, json!({ "Conflict": "NotPending" }));
        }
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        assert_eq!(states(portal, "bob@example.com").await, ["revoked", "pending"]);
    }

    async fn an_address_that_is_invited_already_is_refused_beside_the_field_with_resend_offered(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let mails = portal.mails().await.len();
        let before = portal.state().await;
        let page = portal.invite(&ada, "BOB@example.com", Role::Admin).await.is(409);
        assert!(page.error_of("email").is_some_and(|e| e.contains("invited already")), "{}", page.sketch());
        assert_eq!((page.value_of("email"), page.value_of("role")), ("BOB@example.com".into(), "Admin".into()), "what was typed stays");
        assert_eq!(portal.mails().await.len(), mails, "a second mail went out");
        assert_eq!(portal.state().await, before);
        let old = portal.link("bob@example.com", "/invitation").await;
        ada.submit(&page.form("/do/resend_invitation")).await.leads_to("/organization/members");
        assert_ne!(portal.link("bob@example.com", "/invitation").await, old);
        assert_eq!(portal.mails().await.len(), mails + 1);
    }

    async fn a_member_is_not_invited_again(portal) {
        let [ada, _bob, _eve] = portal.organization_with("Acme", TEAM).await;
        let mails = portal.mails().await.len();
        for address in ["bob@example.com", "Ada@Example.com"] {
            let page = portal.invite(&ada, address, Role::TechnicalUser).await.is(409);
            assert!(page.error_of("email").is_some_and(|e| e.contains("member")), "{}", page.sketch());
        }
        assert_eq!(portal.mails().await.len(), mails);
    }

    async fn after_expiry_inviting_anew_just_works(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let old = portal.link("bob@example.com", "/invitation").await;
        days(portal, &[&ada], 7 * DAY).await;
        let page = ada.get("/organization/members").await.is(200);
        assert_eq!(pending(&page)[0][..2], ["bob@example.com", "Expired"], "it stays visible as expired");
        portal.invite(&ada, "bob@example.com", Role::Admin).await.leads_to("/organization/members");
        assert_eq!(states(portal, "bob@example.com").await, ["expired", "pending"]);
        assert_eq!(pending(&ada.get("/organization/members").await).len(), 1);
        portal.browser().get(&old).await.is(410);
        portal.browser().get(&portal.link("bob@example.com", "/invitation").await).await.is(200);
        assert_eq!(portal.count("SELECT invitations_count FROM organizations").await, 1);
    }

    async fn nobody_gives_a_role_above_their_own(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", TEAM).await;
        let organization = portal.organization_of("ada").await;
        let page = bob.get("/organization/members/invite").await.is(200);
        assert_eq!(page.texts("#role option"), ["Technical user"]);
        assert_eq!(ada.get("/organization/members/invite").await.texts("#role option"), ["Admin", "Technical user"]);
        let before = portal.state().await;
        bob.submit(&page.form("/do/invite_member").with("email", "new@example.com").with("role", "Admin")).await.is(403);
        bob.call_in(organization, "invite_member", &[("form[email]", "new@example.com"), ("form[role]", "Admin")]).await.refused(403, json!("Forbidden"));
        assert_eq!(portal.state().await, before);
        portal.invite(&bob, "new@example.com", Role::TechnicalUser).await.is(303);
        // A role that is none.
        for role in ["", "Owner", "admin"] {
            let page = bob.submit(&page.form("/do/invite_member").with("email", "other@example.com").with("role", role).forged("drawn[key]", role)).await.is(422);
            assert!(page.error_of("role").is_some(), "{role}: {}", page.sketch());
        }
    }

    /// CVE-2026-27802 (Vaultwarden): a right lost must not be used through what was begun with it.
    async fn who_was_demoted_sends_no_admins_invitation_again(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        portal.invite(&bob, "new@example.com", Role::Admin).await.is(303);
        let id = portal.invitation_of("new@example.com").await.to_string();
        ada.call_in(organization, "change_role", &[("form[member]", &portal.member_of("bob").await.to_string()), ("form[role]", "Technical user")]).await.is(200);
        let mails = portal.mails().await.len();
        bob.call_in(organization, "resend_invitation", &[("invitation", &id)]).await.refused(403, json!("Forbidden"));
        assert_eq!(portal.mails().await.len(), mails);
        ada.call_in(organization, "resend_invitation", &[("invitation", &id)]).await.is(200);
    }

    async fn a_technical_user_manages_their_own_invitations_and_an_admin_every_one(portal) {
        let [ada, bob, eve] = portal.organization_with("Acme", TEAM).await;
        let organization = portal.organization_of("ada").await;
        portal.invite(&ada, "of-ada@example.com", Role::TechnicalUser).await.is(303);
        portal.invite(&bob, "of-bob@example.com", Role::TechnicalUser).await.is(303);
        let (of_ada, of_bob) = (portal.invitation_of("of-ada@example.com").await.to_string(), portal.invitation_of("of-bob@example.com").await.to_string());
        // All see them all; the ways are shown to whom they are open.
        let page = eve.get("/organization/members").await.is(200);
        assert_eq!(pending(&page).len(), 2);
        assert!(!page.has_form("/do/resend_invitation") && !page.html().contains("/organization/invitations/"));
        let page = bob.get("/organization/members").await.is(200);
        assert_eq!(page.attributes("input[name=invitation]", "value").join(" "), of_bob);
        assert!(!page.html().contains(&format!("/organization/invitations/{of_ada}")));
        // And refused where somebody tries all the same.
        let before = portal.state().await;
        for endpoint in ["resend_invitation", "revoke_invitation"] {
            bob.call_in(organization, endpoint, &[("invitation", &of_ada)]).await.refused(403, json!("Forbidden"));
        }
        bob.get(&format!("/organization/invitations/{of_ada}/revoke")).await.is(404);
        assert_eq!(portal.state().await, before);
        bob.call_in(organization, "resend_invitation", &[("invitation", &of_bob)]).await.is(200);
        bob.get(&format!("/organization/invitations/{of_bob}/revoke")).await.is(200);
        ada.call_in(organization, "resend_invitation", &[("invitation", &of_bob)]).await.is(200);
        ada.call_in(organization, "revoke_invitation", &[("invitation", &of_bob)]).await.is(200);
        ada.call_in(organization, "revoke_invitation", &[("invitation", &of_ada)]).await.is(200);
    }

    /// CVE-2025-7365, CVE-2026-9087 (Keycloak): the proof belongs to one identity.
    async fn another_address_cannot_accept(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        portal.invite(&ada, "bob.secret@example.com", Role::Admin).await.is(303);
        let link = portal.link("bob.secret@example.com", "/invitation").await;
        let eve = portal.sign_up("eve").await;
        let page = eve.get(&link).await.is(403).says("This invitation is for another address").says("eve@example.com");
        assert!(!page.has_form("/do/accept_invitation") && page.has_form("/do/sign_out"));
        assert!(!page.html().contains("bob.secret"), "the address is given away");
        let id = portal.invitation_of("bob.secret@example.com").await;
        let unknown = uuid::Uuid::from_u128(id.as_u128() ^ 1);
        let before = portal.state().await;
        for endpoint in ["accept_invitation", "decline_invitation"] {
            let mut seen = Vec::new();
            for id in [id, unknown] {
                let id = id.to_string();
                let call = eve.call(endpoint, &[("invitation", &id)]).await.is(404);
                let page = eve.post(&format!("/do/{endpoint}"), &[("invitation", id.as_str()), ("drawn[page]", "/getting-started")]).await.is(404);
                seen.push((call.text, page.normalized(), page.normalized_headers()));
            }
            assert_alike(&seen[0], &seen[1], "another's invitation is told apart from none");
            eve.call(endpoint, &[("invitation", "no-uuid")]).await.is(422);
        }
        assert_eq!(portal.state().await, before);
    }

    async fn only_the_invitee_learns_that_their_account_is_in_another_organization(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let [bob] = portal.organization_with("Bobs", [("bob", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        // The inviter sees the same success for one who is taken, one who is free and one who is nobody.
        portal.sign_up("eve").await;
        let mut seen = Vec::new();
        for email in ["bob@example.com", "eve@example.com", "zed@example.com"] {
            let call = ada.call_in(organization, "invite_member", &[("form[email]", email), ("form[role]", "Technical user")]).await.is(200);
            let page = ada.get("/organization/members").await;
            let row = pending(&page).into_iter().find(|row| row[0] == email).unwrap();
            seen.push((call.text, row[1..].to_vec(), portal.mails_to(email).await.last().unwrap().subject.clone()));
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
        assert_eq!(portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(409).error_of("email"), portal.invite(&ada, "zed@example.com", Role::TechnicalUser).await.is(409).error_of("email"));
        // The invitee is told.
        let link = portal.link("bob@example.com", "/invitation").await;
        let page = bob.get(&link).await.is(409).says("You are in another organization").says("Acme").says("Bobs");
        assert!(!page.has_form("/do/accept_invitation"));
        let id = portal.invitation_of("bob@example.com").await.to_string();
        let before = portal.state().await;
        bob.call("accept_invitation", &[("invitation", &id)]).await.refused(409, json!({ "Conflict": "AlreadyInOrganization" }));
        let refused = bob.post("/do/accept_invitation", &[("invitation", id.as_str()), ("drawn[page]", "/getting-started")]).await.is(409);
        assert!(refused.main().contains("You belong to an organization already"), "{}", refused.sketch());
        assert_eq!(portal.state().await, before);
        // It stays valid until they left.
        bob.submit(&page.form("/do/decline_invitation")).await.leads_to("/getting-started");
        assert_eq!(states(portal, "bob@example.com").await, ["declined"]);
    }

    async fn what_is_wrong_with_an_invitation_stands_beside_its_field(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let before = portal.state().await;
        for email in ["", "bob", "bob@", "@example.com", "two words", ", ;\n", "bob@example.com\u{0}", "bob\u{202e}@example.com", "Bob <bob>", "\u{85}"] {
            let page = portal.invite(&ada, email, Role::Admin).await.is(422);
            assert!(page.error_of("email").is_some(), "{email:?}: {}", page.sketch());
            assert_eq!(page.value_of("role"), "Admin", "what was chosen stays");
        }
        assert_eq!(portal.state().await, before);
    }

    async fn forms_posted_twice_stand_once_and_are_answered_alike(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let bob = portal.sign_up("bob").await;
        let form = ada.get("/organization/members/invite").await.form("/do/invite_member").with("email", "bob@example.com").with("role", "Admin");
        ada.submit(&form).await.leads_to("/organization/members");
        ada.submit(&form).await.leads_to("/organization/members");
        assert_eq!(portal.mails_to("bob@example.com").await.iter().filter(|mail| mail.subject == "Welcome to Acme").count(), 1);
        let link = portal.link("bob@example.com", "/invitation").await;
        let form = bob.get(&link).await.form("/do/accept_invitation");
        bob.submit(&form).await.leads_to("/organization");
        bob.submit(&form).await.leads_to("/organization");
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 2);
        portal.invite(&ada, "eve@example.com", Role::Admin).await.is(303);
        let eve = portal.sign_up("eve").await;
        let form = eve.get("/getting-started").await.form("/do/decline_invitation");
        eve.submit(&form).await.leads_to("/getting-started");
        eve.submit(&form).await.leads_to("/getting-started");
    }

    async fn the_same_address_invited_three_times_at_once_is_invited_once(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", TEAM).await;
        let organization = portal.organization_of("ada").await;
        for round in 0..5 {
            let email = format!("new{round}@example.com");
            let calls = [&ada, &bob, &ada].into_iter().enumerate().map(|(n, who)| {
                let (email, key) = (email.clone(), format!("{round} {n}"));
                async move { who.call_in(organization, "invite_member", &[("form[email]", &email), ("form[role]", "Technical user"), ("drawn[key]", &key)]).await.status }
            });
            let mut statuses = futures::future::join_all(calls).await;
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409, 409], "round {round}");
            assert_eq!(portal.mails_to(&email).await.len(), 1);
        }
    }

    async fn an_invitation_accepted_ten_times_at_once_makes_one_member(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let bob = portal.sign_up("bob").await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let id = portal.invitation_of("bob@example.com").await.to_string();
        let calls = (0..10).map(|n| {
            let (bob, id, key) = (bob.clone(), id.clone(), format!("key {n}"));
            async move { bob.call("accept_invitation", &[("invitation", &id), ("drawn[key]", &key)]).await.status }
        });
        let statuses = futures::future::join_all(calls).await;
        assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|s| [200, 409, 410].contains(s)), "{statuses:?}");
        assert_eq!(portal.rows("SELECT members_count, invitations_count FROM organizations").await, [["2", "0"]]);
    }

    async fn invitations_of_another_organization_are_like_none(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let [zed] = portal.organization_with("Other", [("zed", Role::Admin)]).await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let theirs = portal.invitation_of("bob@example.com").await;
        let unknown = uuid::Uuid::from_u128(theirs.as_u128() ^ 1);
        let own = portal.organization_of("zed").await;
        zed.get("/organization").await.is(200).says("has been created");
        let (before, mut seen) = (portal.state().await, Vec::new());
        for id in [theirs, unknown] {
            let id = id.to_string();
            let mut answers = vec![];
            let page = zed.get(&format!("/organization/invitations/{id}/revoke")).await.is(404);
            answers.push((page.normalized(), page.normalized_headers()));
            for endpoint in ["resend_invitation", "revoke_invitation"] {
                let call = zed.call_in(own, endpoint, &[("invitation", &id)]).await.is(404);
                answers.push((call.text, vec![]));
                let pairs = [("invitation", id.as_str()), ("drawn[organization]", &own.to_string()), ("drawn[page]", "/organization/members")];
                let page = zed.post(&format!("/do/{endpoint}"), &pairs).await.is(404);
                answers.push((page.normalized(), page.normalized_headers()));
            }
            seen.push(answers);
        }
        assert_alike(&seen[0], &seen[1], "another organization's invitation is told apart from none");
        zed.get("/organization/invitations/not-a-uuid/revoke").await.is(404);
        assert_eq!(portal.state().await, before);
    }
}

on_both! {
    async fn pasted_addresses_are_invited_and_each_refused_one_is_named_and_stays_in_the_field(portal) {
        let [ada, _bob, _eve] = portal.organization_with("Acme", TEAM).await;
        portal.invite(&ada, "waits@example.com", Role::TechnicalUser).await.is(303);
        let before = portal.mails().await.len();
        let pasted = "New One <new1@example.com>; bob@example.com, nonsense\nnew2@example.com NEW2@example.com\r\nwaits@example.com";
        let page = portal.invite(&ada, pasted, Role::TechnicalUser).await.is(409);
        assert!(page.main().contains("2 invitations sent, 3 not:"), "{}", page.sketch());
        assert_eq!(page.error_of("email").as_deref(), Some("What stands here was not sent."), "the list is not said twice");
        let mut rest: Vec<String> = page.value_of("email").lines().map(str::to_owned).collect();
        rest.sort();
        assert_eq!(rest, ["bob@example.com", "nonsense", "waits@example.com"]);
        let said = page.texts("#errors li").join("|");
        for (address, why) in [("bob@example.com", "a member"), ("nonsense", "name@example.com"), ("waits@example.com", "invited already")] {
            assert!(said.split('|').any(|line| line.contains(address) && line.contains(why)), "{said}");
        }
        assert_eq!(portal.mails().await.len(), before + 2);
        assert_eq!(portal.count("SELECT invitations_count FROM organizations").await, 3);
        // All good: one line says so. Markup among them is text.
        portal.invite(&ada, "a1@example.com,a2@example.com", Role::Admin).await.leads_to("/organization/members");
        let page = portal.invite(&ada, "</textarea><b>x</b>@example.com a3@example.com", Role::Admin).await.is(409);
        assert_eq!((page.value_of("email"), page.count("b")), ("</textarea><b>x</b>@example.com".to_owned(), 0));
    }

    async fn too_many_pasted_addresses_are_refused_and_stay_and_a_higher_role_refuses_all(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", TEAM).await;
        let many: Vec<String> = (0..10_000).map(|n| format!("p{n}@example.com")).collect();
        let page = portal.invite(&ada, &many.join("\n"), Role::TechnicalUser).await.is(422);
        assert!(page.error_of("email").is_some_and(|why| why.contains("500") && why.contains("10000")), "{}", page.error_of("email").unwrap_or_default());
        assert_eq!(page.value_of("email").lines().count(), 10_000);
        let organization = portal.organization_of("ada").await;
        bob.call_in(organization, "invite_member", &[("form[email]", "x@example.com y@example.com"), ("form[role]", "Admin")]).await.is(403);
        assert_eq!(portal.count("SELECT count(*) FROM invitations WHERE state = 'pending'").await, 0);
    }

    async fn pasted_addresses_are_sent_in_their_order_up_to_the_limit_and_the_others_wait_in_the_field(portal, Options::default().real_limits().with("invitation_rate", "3/20")) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let form = ada.get("/organization/members/invite").await.form("/do/invite_member").with("role", "Technical user");
        let pasted = form.with("email", "z@example.com y@example.com x@example.com d@example.com nonsense a@example.com");
        let page = ada.submit(&pasted).await.is(409);
        assert!(page.main().contains("3 of 6 invitations sent; your organization can send one more each 20 seconds. The others stay in the field, and these cannot be invited:"), "{}", page.sketch());
        assert!(!page.main().contains("Too many attempts") && page.texts("#errors li").len() == 1, "{}", page.sketch());
        assert_eq!(page.value_of("email").trim(), "nonsense\nd@example.com\na@example.com");
        let sent = || async { portal.rows("SELECT email FROM invitations ORDER BY email").await.concat() };
        assert_eq!(sent().await, ["x@example.com", "y@example.com", "z@example.com"]);
        // The same form once more: neither sent nor counted.
        let again = ada.submit(&pasted).await.is(409);
        assert!(again.main().contains("3 of 6 invitations sent"), "{}", again.sketch());
        // Nothing goes through: that is 429, and as soon as one may it goes.
        let page = portal.invite(&ada, "d@example.com, a@example.com", Role::TechnicalUser).await.is(429);
        assert!(page.main().contains("0 of 2 invitations sent; your organization can send one more each 20 seconds. The others stay in the field."), "{}", page.sketch());
        assert_eq!(page.value_of("email").trim(), "d@example.com\na@example.com");
        portal.clock.advance(20 * org_portal::words::SECOND);
        portal.invite(&ada, "d@example.com, a@example.com", Role::TechnicalUser).await.is(409);
        assert_eq!(sent().await, ["d@example.com", "x@example.com", "y@example.com", "z@example.com"]);
    }

    async fn addresses_with_names_as_mail_programs_write_them_are_one_each(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let pasted = "\"Carol, C.\" <carol@example.com>, Müller, Jörg <jm@x.example>; \"Doe; Jo\" <jo@x.example>";
        portal.invite(&ada, pasted, Role::TechnicalUser).await.leads_to("/organization/members");
        ada.get("/organization/members").await.is(200).says("3 invitations are on their way.");
        assert_eq!(portal.rows("SELECT email FROM invitations ORDER BY email").await.concat(), ["carol@example.com", "jm@x.example", "jo@x.example"]);
    }

    async fn no_address_of_a_pasted_list_is_taken_for_the_name_of_another(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let pasted = "one@swallow.example two@swallow.example <three@swallow.example> four@swallow";
        portal.invite(&ada, pasted, Role::TechnicalUser).await.leads_to("/organization/members");
        let invited = portal.rows("SELECT email FROM invitations ORDER BY email").await.concat();
        assert_eq!(invited, ["four@swallow", "one@swallow.example", "three@swallow.example", "two@swallow.example"]);
        let page = portal.invite(&ada, "five@@swallow.example <six@swallow.example>", Role::TechnicalUser).await.is(409);
        assert_eq!(page.value_of("email").trim(), "five@@swallow.example");
        assert_eq!(portal.count("SELECT count(*) FROM invitations WHERE email = 'six@swallow.example'").await, 1);
    }

    async fn resend_revoke_and_role_lead_back_to_the_list_as_it_was(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        for n in 0..3 { portal.invite(&ada, &format!("p{n}@example.com"), Role::TechnicalUser).await.is(303); }
        let list = "/organization/invitations?q=p&sort=email&state=pending";
        let page = ada.get(list).await.is(200);
        ada.submit(&page.form("/do/resend_invitation")).await.leads_to(list);
        let revoke = page.attributes("tbody a.danger", "href").remove(0);
        let asks = ada.get(&revoke).await.is(200);
        assert!(asks.has_link(list), "Cancel leads back: {:?}", asks.attributes("a", "href"));
        ada.submit(&asks.form("/do/revoke_invitation")).await.leads_to(list);
        let role = page.attributes("tbody a:not(.danger)", "href").remove(1);
        let asks = ada.get(&role).await.is(200);
        assert!(asks.has_link(list));
        ada.submit(&asks.form("/do/change_invitation_role").with("role", "Admin")).await.leads_to(list);
        // From the Members tab one comes back there.
        let members = ada.get("/organization/members?q=ada").await.is(200);
        ada.submit(&members.form("/do/resend_invitation")).await.leads_to("/organization/members?q=ada");
        ada.fill(&members.attributes("#pending ~ * a.danger, section a.danger", "href").remove(0), "/do/revoke_invitation", &[]).await.leads_to("/organization/members");
    }

    async fn the_list_of_invitations_is_live_and_its_times_are_the_readers(portal) {
        let [ada] = portal.organization_with("Acme", ADMIN).await;
        let page = ada.get("/organization/invitations").await.is(200).says("No invitations wait");
        assert_eq!(page.count("[data-region=invitations]"), 1);
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let page = ada.get("/organization/invitations").await.is(200);
        assert_eq!(page.count("[data-region=invitations] time[data-local]"), 2);
        assert_eq!(page.count("leptos-island[data-component^=LocalTimes]"), 1);
        assert_eq!(page.text("#filter-state"), "State: Pending or expired");
    }

    async fn an_admin_changes_the_role_of_a_pending_invitation_and_its_link_stays_good(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", TEAM).await;
        portal.invite(&bob, "new@example.com", Role::TechnicalUser).await.is(303);
        let (id, link) = (portal.invitation_of("new@example.com").await, portal.link("new@example.com", "/invitation").await);
        let address = format!("/organization/invitations/{id}/role");
        bob.get(&address).await.is(404);
        let organization = portal.organization_of("ada").await;
        bob.call_in(organization, "change_invitation_role", &[("form[invitation]", &id.to_string()), ("form[role]", "Admin")]).await.is(403);
        let form = ada.get(&address).await.is(200).says("new@example.com").form("/do/change_invitation_role");
        ada.submit(&form.clone().with("role", "King")).await.is(422);
        ada.submit(&form.with("role", "Admin")).await.leads_to("/organization/invitations");
        portal.browser().get(&link).await.is(200).says("as Admin");
        ada.call_in(organization, "revoke_invitation", &[("invitation", &id.to_string())]).await.is(200);
        ada.call_in(organization, "change_invitation_role", &[("form[invitation]", &id.to_string()), ("form[role]", "Admin")]).await.refused(409, json!({ "Conflict": "NotPending" }));
        ada.get(&address).await.is(404);
    }

    async fn the_list_of_invitations_is_searched_filtered_by_state_and_paged(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", TEAM).await;
        for n in 0..60 {
            portal.clock.advance(org_portal::words::SECOND);
            portal.invite(&ada, &format!("p{n:02}@example.com"), Role::TechnicalUser).await.is(303);
        }
        let emails = |page: &Answer| page.texts("tbody th");
        let first = ada.get("/organization/invitations").await.is(200);
        assert_eq!((emails(&first).len(), emails(&first)[0].as_str()), (50, "p59@example.com"), "the last sent comes first");
        assert_eq!(first.text("nav.pager > p"), "1–50 of 60");
        let second = ada.get(&first.attributes("a[rel=next]", "href")[0]).await.is(200);
        assert_eq!(emails(&second).len(), 10);
        assert_eq!(emails(&ada.get("/organization/invitations?q=p0").await).len(), 10);
        assert_eq!(emails(&ada.get("/organization/invitations?sort=email").await)[0], "p00@example.com");
        let id = portal.invitation_of("p07@example.com").await.to_string();
        ada.call_in(portal.organization_of("ada").await, "revoke_invitation", &[("invitation", &id)]).await.is(200);
        assert_eq!(emails(&ada.get("/organization/invitations?state=revoked").await), ["p07@example.com"]);
        assert_eq!(ada.get("/organization/invitations?state=all").await.text("nav.pager > p"), "1–50 of 62", "the two who joined among them");
        assert_eq!(emails(&ada.get("/organization/invitations?state=expired").await), [""; 0]);
        portal.clock.advance(8 * org_portal::words::DAY);
        let ada = portal.sign_in("ada").await;
        let page = ada.get("/organization/invitations?state=expired&q=p5").await.is(200);
        assert_eq!(emails(&page).len(), 10);
        assert_eq!(ada.get("/organization/invitations?state=pending").await.is(200).text("h2"), "No invitations found");
        // Invited anew with one press, from where one is.
        let form = page.form("/do/resend_invitation");
        let answer = ada.submit(&form).await.is(303);
        assert_eq!(answer.location(), "/organization/invitations?q=p5&state=expired");
        assert_eq!(emails(&ada.get("/organization/invitations?state=pending").await), ["p59@example.com"]);
        // A Technical user sees them, and manages own ones alone.
        let bob = { drop(bob); portal.sign_in("bob").await };
        assert_eq!(bob.get("/organization/invitations").await.is(200).count("form[action='/do/resend_invitation']"), 0);
        for odd in ["after=nonsense", "before=%00", "state=nonsense", "sort=nonsense", "q=%25", "order=sideways"] {
            ada.get(&format!("/organization/invitations?{odd}")).await.is(200);
        }
    }
}
