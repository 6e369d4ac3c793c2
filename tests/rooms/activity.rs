//! The Activity tab (`SPEC.md` §2, §3.5): who did what to whom, when, from where, with refusals among them.

use org_portal::{
    permissions::Role,
    words::{DAY, SECOND},
};

use crate::{on_both, support::*};

const PATH: &str = "/organization/activity";
const PEOPLE: [(&str, Role); 3] = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)];

/// The sentences on a page, the newest first.
fn sentences(page: &Answer) -> Vec<String> {
    page.texts("table.events tbody th")
}

/// A moment later: two events of one moment would stand in any order.
fn later(portal: &TestPortal) {
    portal.clock.advance(SECOND);
}

on_both! {
    async fn everything_that_is_done_is_said_in_a_sentence_the_newest_first(portal) {
        let ada = portal.sign_up("ada").await;
        portal.add_organization(&ada, "Acme").await;
        later(portal);
        portal.invite(&ada, "new@example.com", Role::TechnicalUser).await.is(303);
        let invitation = portal.invitation_of("new@example.com").await.to_string();
        let list = "/organization/invitations";
        later(portal);
        let form = ada.get(list).await.is(200).form_with("/do/resend_invitation", &invitation);
        ada.submit(&form).await.is(303);
        later(portal);
        ada.fill(&format!("{list}/{invitation}/role"), "/do/change_invitation_role", &[("role", "Admin")]).await.is(303);
        later(portal);
        ada.fill(&format!("{list}/{invitation}/revoke"), "/do/revoke_invitation", &[]).await.is(303);
        later(portal);
        portal.join(&ada, "bob", Role::TechnicalUser).await;
        later(portal);
        let bob = portal.member_of("bob").await;
        ada.fill(&format!("/organization/members/{bob}/edit"), "/do/change_role", &[("role", "Admin")]).await.is(303);
        later(portal);
        ada.fill("/organization/rename", "/do/rename_organization", &[("name", "Engines")]).await.is(303);
        later(portal);
        ada.fill(&format!("/organization/members/{bob}/remove"), "/do/remove_member", &[]).await.is(303);
        let page = ada.get(PATH).await.is(200);
        let mut said = sentences(&page);
        // Bob's invitation and his joining are of one moment.
        said[3..5].sort();
        assert_eq!(
            said,
            [
                "Ada Example removed Bob Example",
                "Ada Example renamed the organization from Acme to Engines",
                "Ada Example changed the role of Bob Example from Technical user to Admin",
                "Ada Example invited bob@example.com as Technical user",
                "Bob Example joined as Technical user",
                "Ada Example revoked the invitation of new@example.com",
                "Ada Example changed the invitation of new@example.com from Technical user to Admin",
                "Ada Example invited new@example.com again",
                "Ada Example invited new@example.com as Technical user",
                "Ada Example added the organization Acme",
            ]
        );
        assert_eq!(page.attributes("table.events tbody tr:first-child time", "datetime"), [portal.clock.now().rfc3339()]);
        let when = format!("{}, {}", portal.clock.now().short_date(), portal.clock.now().time());
        assert!(page.texts("table.events tbody td:nth-of-type(2)").contains(&when), "without a script it says when: {}", page.sketch());
        assert!(page.texts("table.events tbody td:nth-of-type(1)").iter().all(|from| from.ends_with("127.0.0.1")), "{}", page.sketch());
        // The other way round.
        let mut back = sentences(&ada.get(&format!("{PATH}?sort=when&order=asc")).await.is(200));
        back.reverse();
        back[3..5].sort();
        assert_eq!(back, said);
    }

    async fn what_was_refused_is_there_with_whom_it_was_about_and_why(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let organization = portal.organization_of("ada").await;
        let (of_eve, of_ada) = (portal.member_of("eve").await.to_string(), portal.member_of("ada").await.to_string());
        later(portal);
        bob.call_in(organization, "remove_member", &[("form[member]", &of_eve)]).await.is(403);
        later(portal);
        bob.call_in(organization, "invite_member", &[("form[email]", "x@example.com"), ("form[role]", "Admin")]).await.is(403);
        later(portal);
        ada.call_in(organization, "change_role", &[("form[member]", &of_ada), ("form[role]", "Technical user")]).await.is(409);
        later(portal);
        ada.call_in(organization, "leave_organization", &[]).await.is(409);
        later(portal);
        ada.call_in(organization, "remove_member", &[("form[member]", &uuid::Uuid::nil().to_string())]).await.is(404);
        later(portal);
        // Of several, each that is refused stands by itself beside those that are done.
        let several = [("form[members][]", of_ada.as_str()), ("form[members][]", of_eve.as_str()), ("form[role]", "Admin")];
        ada.call_in(organization, "change_roles", &several).await.is(409);
        later(portal);
        let many = [("form[email]", "one@example.com, bob@example.com"), ("form[role]", "Technical user")];
        ada.call_in(organization, "invite_member", &many).await.is(409);
        let refused = sentences(&ada.get(&format!("{PATH}?kind=refused")).await.is(200));
        assert_eq!(
            refused,
            [
                "Ada Example tried to invite bob@example.com Refused The address belongs to a member",
                "Ada Example tried to change the role of Ada Example Refused Nobody changes their own role",
                "Ada Example tried to remove somebody Refused There was no such thing, or not any more",
                "Ada Example tried to leave the organization Refused The organization would have had no Admin",
                "Ada Example tried to change the role of Ada Example Refused Nobody changes their own role",
                "Bob Example tried to invite x@example.com Refused Their role does not allow it",
                "Bob Example tried to remove Eve Example Refused Their role does not allow it",
            ]
        );
        let all = sentences(&ada.get(PATH).await.is(200));
        assert!(all.contains(&"Ada Example changed the role of Eve Example from Technical user to Admin".to_owned()), "{all:?}");
        assert!(all.contains(&"Ada Example invited one@example.com as Technical user".to_owned()), "{all:?}");
    }

    async fn nothing_of_another_organization_and_nothing_of_ones_own_account_is_in_it(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let [zoe] = portal.organization_with("Other", [("zoe", Role::Admin)]).await;
        let (organization, of_bob) = (portal.organization_of("ada").await, portal.member_of("bob").await.to_string());
        zoe.call_in(organization, "remove_member", &[("form[member]", &of_bob)]).await.is(409);
        let own = portal.organization_of("zoe").await;
        zoe.call_in(own, "remove_member", &[("form[member]", &of_bob)]).await.is(404);
        let page = zoe.get(PATH).await.is(200).never_says("Bob").never_says("Acme");
        let tried = sentences(&page).into_iter().filter(|sentence| sentence.contains("tried to remove somebody")).count();
        assert_eq!(tried, 2, "{}", page.sketch());
        // What Bob does with his account, and who invites him elsewhere, is his own affair.
        let wrong = [("form[current_password]", "wrong"), ("form[new_password]", OTHER_PASSWORD)];
        bob.call("change_password", &wrong).await.is(422);
        portal.invite(&zoe, "bob@example.com", Role::Admin).await.is(303);
        let invitation = portal.invitation_of("bob@example.com").await.to_string();
        portal.execute(&format!("UPDATE invitations SET state = 'pending' WHERE organization_id = {}", portal.engine.literal(own.0))).await;
        bob.call("accept_invitation", &[("invitation", &invitation)]).await;
        let page = ada.get(PATH).await.is(200).never_says("Other").never_says("tried");
        let said = sentences(&page);
        assert!(said.iter().all(|sentence| !sentence.contains("password") && !sentence.contains("name")), "{said:?}");
        assert_eq!(said.len(), 5, "one added, two invited, two joined: {said:?}");
    }

    async fn only_an_admin_sees_it_and_it_is_no_tab_for_others(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        for path in ["/organization", "/organization/members"] {
            assert!(ada.get(path).await.has_link(PATH) && !bob.get(path).await.has_link(PATH), "{path}");
        }
        let nothing = bob.get("/organization/nothing").await.is(404);
        for path in [PATH.to_owned(), format!("{PATH}.csv"), format!("{PATH}?kind=refused")] {
            let answer = bob.get(&path).await.is(404);
            assert_eq!(answer.normalized(), nothing.normalized(), "{path}");
        }
        // It bites at once.
        let of_ada = portal.member_of("ada").await;
        ada.fill(&format!("/organization/members/{}/edit", portal.member_of("bob").await), "/do/change_role", &[("role", "Admin")]).await.is(303);
        bob.get(PATH).await.is(200);
        bob.fill(&format!("/organization/members/{of_ada}/edit"), "/do/change_role", &[("role", "Technical user")]).await.is(303);
        ada.get(PATH).await.is(404);
    }

    async fn filters_by_kind_person_and_time_and_the_search_for_names_can_be_put_together(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        portal.clock.advance(2 * DAY);
        let (ada, bob) = (portal.sign_in_again(&ada, "ada").await, portal.sign_in_again(&bob, "bob").await);
        portal.invite(&bob, "from-bob@example.com", Role::TechnicalUser).await.is(303);
        later(portal);
        ada.fill("/organization/rename", "/do/rename_organization", &[("name", "Engines")]).await.is(303);
        let (first, today) = (START.iso_date(), portal.clock.now().iso_date());
        let first_page = ada.get(PATH).await.is(200);
        let person = first_page.attributes("table.events tbody th a", "href").into_iter().find(|href| href.contains("person="));
        let of_ada = person.expect("a link to what one person did");
        let by_ada = of_ada.rsplit('=').next().unwrap().to_owned();
        for (query, n, holds) in [
            (String::new(), 7, ""),
            ("kind=member".to_owned(), 0, ""),
            ("kind=invitation".to_owned(), 5, ""),
            ("kind=organization".to_owned(), 2, "organization"),
            ("kind=nonsense".to_owned(), 7, ""),
            (format!("person={by_ada}"), 4, "Ada Example"),
            (format!("person={}", uuid::Uuid::nil()), 0, ""),
            ("person=nonsense".to_owned(), 7, ""),
            (format!("to={first}"), 5, ""),
            (format!("from={today}"), 2, ""),
            (format!("from={first}&to={today}"), 7, ""),
            ("from=2026-02-31&to=x".to_owned(), 7, ""),
            (format!("from={today}&to={first}"), 0, ""),
            ("q=from-bob".to_owned(), 1, "from-bob@example.com"),
            ("q=BOB".to_owned(), 3, ""),
            ("q=Acme".to_owned(), 1, "Acme"),
            ("q=100%25_".to_owned(), 0, ""),
            (format!("q=bob&kind=invitation&person={by_ada}&from={first}&to={today}"), 1, "invited bob@example.com"),
        ] {
            let page = ada.get(&format!("{PATH}?{query}")).await.is(200);
            let said = sentences(&page);
            assert_eq!(said.len(), n, "{query}: {said:?}");
            assert!(said.iter().all(|sentence| sentence.contains(holds)), "{query}: {said:?}");
            assert!(n > 0 || page.main().contains("No activity found"), "{query}");
        }
        assert!(ada.get(&of_ada).await.main().contains("By: Ada Example"));
    }

    async fn a_long_log_has_pages_and_as_csv_it_is_the_same_list(portal) {
        let ada = portal.browser();
        portal.sign_up_in(&ada, "ada@example.com", "=1+1", "\"Quote\"").await;
        portal.add_organization(&ada, "Acme").await;
        let organization = portal.organization_of("ada").await;
        for n in 0..120 {
            later(portal);
            let email = format!("p{n:03}@example.com");
            ada.call_in(organization, "invite_member", &[("form[email]", &email), ("form[role]", "Technical user")]).await.is(200);
        }
        let mut page = ada.get(PATH).await.is(200);
        assert_eq!(page.text("nav.pager > p"), "1–50 of 121");
        let mut said = sentences(&page);
        while let Some(next) = page.attributes("nav.pager a[rel=next]", "href").pop() {
            page = ada.get(&next).await.is(200);
            said.extend(sentences(&page));
        }
        assert_eq!(page.text("nav.pager > p"), "101–121 of 121");
        assert_eq!(said.len(), 121);
        let answer = ada.get(&format!("{PATH}.csv")).await.is(200);
        assert!(answer.header("content-type").starts_with("text/csv") && answer.header("content-disposition").contains("activity.csv"));
        let mut reader = csv::Reader::from_reader(answer.body.as_slice());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), ["Time", "Who", "What", "Outcome", "Address", "Program", "Request"]);
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let read: Vec<String> = lines.iter().map(|line| format!("{} {}", line[1].strip_prefix('\'').expect("no formula"), &line[2])).collect();
        assert_eq!(read, said);
        assert!(lines.iter().all(|line| &line[3] == "success" && &line[4] == "127.0.0.1" && !line[6].is_empty()));
        // With a condition the same again.
        let some = ada.get(&format!("{PATH}.csv?q=p00&kind=invitation")).await.is(200);
        assert_eq!(csv::Reader::from_reader(some.body.as_slice()).records().count(), 10);
    }

    async fn names_that_are_markup_or_read_backwards_stay_text(portal) {
        let ada = portal.browser();
        portal.sign_up_in(&ada, "ada@example.com", "<b>Ada</b>", "<script>alert(1)</script>").await;
        portal.add_organization(&ada, "<img src=x onerror=alert(1)>").await;
        let page = ada.get(PATH).await.is(200);
        assert_eq!(sentences(&page), ["<b>Ada</b> <script>alert(1)</script> added the organization <img src=x onerror=alert(1)>"]);
        assert_eq!(page.count("table.events :is(b, script, img)"), 0);
        assert_eq!(page.texts("table.events bdi").len(), 2);
        for query in ["after=x", "before=%00", "sort=password", "q=%00%FF", &format!("q={}", "x".repeat(10_000)), "order=sideways", "from=%00&to=%FF", "kind=%27"] {
            ada.get(&format!("{PATH}?{query}")).await.is(200);
            ada.get(&format!("{PATH}.csv?{query}")).await.is(200);
        }
    }

    async fn events_are_kept_as_long_as_configured(portal, Options::default().with("audit_days", "30")) {
        let ada = portal.sign_up("ada").await;
        portal.add_organization(&ada, "Acme").await;
        portal.clock.advance(29 * DAY);
        let ada = portal.sign_in_again(&ada, "ada").await;
        org_portal::maintenance::once(&portal.portal).await.unwrap();
        assert_eq!(sentences(&ada.get(PATH).await.is(200).says("kept for 30 days")).len(), 1);
        portal.clock.advance(2 * DAY);
        let ada = portal.sign_in_again(&ada, "ada").await;
        org_portal::maintenance::once(&portal.portal).await.unwrap();
        ada.get(PATH).await.is(200).says("No activity found");
    }
}
