//! Members and their roles (`SPEC.md` §2, §3.6).

use org_portal::{permissions::Role, words::OrganizationId};
use serde_json::json;

use crate::{on_both, support::*};

/// A cell's text; of a time, the moment itself, however it is written.
fn cell(cell: scraper::ElementRef<'_>) -> String {
    match cell.select(&scraper::Selector::parse("time").unwrap()).next() {
        Some(time) => time.attr("datetime").unwrap_or_default().to_owned(),
        None => cell.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// The rows of the members' table.
fn rows(page: &Answer) -> Vec<Vec<String>> {
    let html = scraper::Html::parse_document(&page.html());
    let (table, row) = (scraper::Selector::parse("table").unwrap(), scraper::Selector::parse("tbody tr").unwrap());
    let caption = scraper::Selector::parse("caption").unwrap();
    let cells = scraper::Selector::parse("th, td:not(.select-cell)").unwrap();
    let members = html.select(&table).find(|t| t.select(&caption).any(|c| c.text().collect::<String>() == "Members"));
    let Some(members) = members else { return Vec::new() };

    members.select(&row).map(|row| row.select(&cells).map(cell).collect()).collect()
}

fn column(page: &Answer, n: usize) -> Vec<String> {
    rows(page).into_iter().map(|row| row[n].clone()).collect()
}

/// Puts members into an organization past the portal: `Person 001` and so on, each another in every column.
async fn crowd(portal: &TestPortal, organization: OrganizationId, n: u64) {
    let base = 0x0180_0000_0000_7000_8000_0000_0000_0000_u128 + (u128::from(organization.0.as_u128() as u32) << 64);
    for i in 1..=n {
        let id = portal.engine.literal(uuid::Uuid::from_u128(base + u128::from(i)));
        let organization = portal.engine.literal(organization.0);
        // In each column another order.
        let (mail, at, active) =
            ((i * 7919) % 1009, START.0 + i64::try_from((i * 104_729) % 7919).unwrap(), START.0 + i64::try_from((i * 1299) % 331).unwrap());
        let role = if i % 3 == 0 { "Admin" } else { "Technical user" };
        portal.execute(&format!("INSERT INTO accounts (id, email, email_key, first_name, last_name, created_at) VALUES ({id}, 'm{mail:04}.{i}@crowd.example', 'm{mail:04}.{i}@crowd.example', 'Person', '{i:03}', {at})")).await;
        portal.execute(&format!("INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at) VALUES ({id}, {organization}, {id}, '{role}', 'invitation', {at}, 'Person {i:03}', 'person {i:03}', 'm{mail:04}.{i}@crowd.example', 'm{mail:04}.{i}@crowd.example', {active})")).await;
    }
    portal
        .execute(&format!(
            "UPDATE organizations SET members_count = members_count + {n} WHERE id = {}",
            portal.engine.literal(organization.0)
        ))
        .await;
}

const PEOPLE: [(&str, Role); 3] = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)];

on_both! {
    async fn the_table_shows_everyone_and_ones_own_row_is_marked_and_has_no_actions(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let page = ada.get("/organization/members").await.is(200);
        let table = rows(&page);
        assert_eq!(table.len(), 3);
        let today = START.rfc3339();
        assert_eq!(table[0][..4], ["Ada Example You", "ada@example.com", "Admin", &today], "{table:?}");
        assert_eq!(table[1][..4], ["Bob Example", "bob@example.com", "Technical user", &today]);
        assert_eq!(table[1][4], today, "last active");
        let (own, of_bob) = (portal.member_of("ada").await, portal.member_of("bob").await);
        assert!(page.has_link(&format!("/organization/members/{of_bob}/edit")) && page.has_link(&format!("/organization/members/{of_bob}/remove")));
        assert!(!page.html().contains(&format!("/organization/members/{own}/")), "one's own row has actions");
        // Who may not, sees no way.
        let page = bob.get("/organization/members").await.is(200);
        assert_eq!(rows(&page)[1][0], "Bob Example You");
        assert!(!page.html().contains("/edit") && !page.html().contains("/remove"));
    }

    async fn search_finds_beginnings_middles_marks_and_addresses(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let zoe = portal.join(&ada, "zoe", Role::TechnicalUser).await;
        zoe.fill("/account", "/do/change_name", &[("first_name", "Zoë"), ("last_name", "Ångström-50%_off's \"q\" \\")]).await.is(303);
        for (q, found) in [
            ("zoe", true), ("ZOË", true), ("oë ån", true), ("angstrom", true), ("zoe@example", true), ("@EXAMPLE.com", true), ("50%_off", true),
            ("off's", true), ("\"q\"", true), ("q\" \\", true), ("  zoe  ", true), ("z", true), ("ZO", true),
            ("50%off", false), ("z_e", false), ("%zoe%", false), ("z%e", false), ("' OR '1'='1", false), ("zoe';--", false), ("\\%", false), ("*", false), ("nobody", false), ("oe", false), ("\\", false), ("%", false), ("_", false),
        ] {
            let encoded: String = url::form_urlencoded::byte_serialize(q.as_bytes()).collect();
            let page = ada.get(&format!("/organization/members?q={encoded}")).await.is(200);
            let names = column(&page, 0).join(", ");
            assert_eq!(names.contains("Zoë"), found, "{q:?} finds {names:?}");
            assert_eq!(page.value_of("q"), q.trim(), "what was searched for stays");
            if !found {
                assert!(page.main().contains("No members found"), "{q:?}: {}", page.sketch());
            }
        }
        let every = ada.get("/organization/members?q=").await.is(200);
        assert_eq!(rows(&every).len(), 2);
    }

    async fn several_words_are_found_in_any_order_with_any_spaces_between_in_short_and_long_lists(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        ada.fill("/account", "/do/change_name", &[("first_name", "Augusta Ada"), ("last_name", "Lovelace_100%")]).await.is(303);
        let organization = portal.organization_of("ada").await;
        for long in [false, true] {
            if long { crowd(portal, organization, 1100).await; }
            for (search, found) in [
                ("lovelace augusta", true), ("AUGUSTA   lovelace", true), ("ada@example.com lovelace augusta", true), ("vela gust ada", true),
                ("augusta nobody", false), ("lovelace augusta ada nothing", false), ("lovelace%20augusta", false), ("lovelace\" augusta", false), ("lovelace_100% augusta", true),
                ("ada lovelace_100", true), ("lovelacex100 augusta", false),
            ] {
                let query = String::from_utf8(encode(&[("q", search)])).unwrap();
                let page = ada.get(&format!("/organization/members?{query}")).await.is(200);
                assert_eq!(column(&page, 0).len(), usize::from(found), "{search}, {long}");
            }
        }
    }

    async fn every_column_sorts_both_ways_and_says_so_and_an_unknown_one_is_the_name(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        crowd(portal, organization, 20).await;
        for (sort, key) in [("name", "name_key"), ("email", "email_key"), ("role", "role"), ("joined", "joined_at"), ("active", "last_active_at")] {
            for (order, direction, said) in [("", "ASC", "ascending"), ("&order=desc", "DESC", "descending")] {
                let page = ada.get(&format!("/organization/members?sort={sort}{order}")).await.is(200);
                let collate = if portal.engine == Engine::Postgres && key.ends_with("key") { " COLLATE \"C\"" } else { "" };
                let expected = portal.rows(&format!("SELECT email FROM members ORDER BY {key}{collate} {direction}, id {direction}")).await.concat();
                assert_eq!(column(&page, 1), expected, "{sort} {direction}");
                assert_eq!(page.attributes("th[aria-sort]", "aria-sort"), [said], "{sort} {direction}");
            }
        }
        let by_name = column(&ada.get("/organization/members").await, 0);
        for unknown in ["nonsense", "id", "organization_id", "name_key;--", "password", "%27"] {
            assert_eq!(column(&ada.get(&format!("/organization/members?sort={unknown}")).await.is(200), 0), by_name, "{unknown}");
        }
    }

    async fn pages_hold_everyone_exactly_once_forward_and_back_in_every_order(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        crowd(portal, organization, 130).await;
        let step = |page: &Answer, rel: &str| page.attributes(&format!("nav.pager a[rel={rel}]"), "href").pop();
        for query in ["", "?sort=email", "?sort=role&order=desc", "?sort=joined", "?sort=active&order=desc", "?q=person&sort=active"] {
            let mut page = ada.get(&format!("/organization/members{query}")).await.is(200);
            let total = if query.contains("q=") { 130 } else { 131 };
            assert!(step(&page, "prev").is_none(), "{query}: a page before the first");
            let (mut forward, mut pages, mut ranges) = (column(&page, 1), vec![column(&page, 1)], vec![page.text("nav.pager > p")]);
            while let Some(next) = step(&page, "next") {
                page = ada.get(&next).await.is(200);
                forward.extend(column(&page, 1));
                pages.push(column(&page, 1));
                ranges.push(page.text("nav.pager > p"));
                assert!(pages.len() <= 3, "{query}: it goes on and on");
            }
            assert_eq!(ranges, [format!("1–50 of {total}"), format!("51–100 of {total}"), format!("101–{total} of {total}")], "{query}");
            let mut once = forward.clone();
            once.sort();
            once.dedup();
            assert_eq!((forward.len(), once.len()), (total, total), "{query}");
            let mut back = vec![column(&page, 1)];
            while let Some(previous) = step(&page, "prev") {
                page = ada.get(&previous).await.is(200);
                back.insert(0, column(&page, 1));
                assert!(back.len() <= 3, "{query}: it goes back and back");
            }
            assert_eq!(back, pages, "{query}: back is not the way forward");
        }
    }

    async fn a_cursor_that_was_tampered_with_begins_the_list_anew(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        crowd(portal, portal.organization_of("ada").await, 60).await;
        let first = column(&ada.get("/organization/members").await.is(200), 1);
        let of_name = ada.get("/organization/members").await.attributes("nav.pager a[rel=next]", "href").pop().unwrap();
        let cursor = of_name.rsplit('=').next().unwrap().to_owned();
        for query in [
            "after=x".to_owned(), "after=%00".to_owned(), "after=bnVsbA".to_owned(), "before=W10".to_owned(), format!("after={}", "A".repeat(5000)), "after=%27%20OR%201=1".to_owned(),
            format!("after={}x", cursor), format!("after={}", &cursor[..cursor.len() - 4]),
        ] {
            let page = ada.get(&format!("/organization/members?{query}")).await.is(200);
            assert_eq!(column(&page, 1), first, "{query}");
        }
        // One of another column is of another kind.
        for other in ["joined", "active"] {
            let page = ada.get(&format!("/organization/members?sort={other}&after={cursor}")).await.is(200);
            assert_eq!(rows(&page).len(), 50, "{other}");
        }
        // Both places at once, and a place far away.
        ada.get(&format!("/organization/members?after={cursor}&before={cursor}")).await.is(200);
        let far = b"{\"k\":{\"t\":\"zzzz\"},\"i\":\"ffffffff-ffff-ffff-ffff-ffffffffffff\",\"p\":9223372036854775807}";
        use base64::Engine as _;
        let far = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(far);
        for place in ["after", "before"] {
            let page = ada.get(&format!("/organization/members?{place}={far}")).await;
            assert!(page.status < 500, "{place}: {}", page.sketch());
            ada.call_in(portal.organization_of("ada").await, "list_members", &[("query", &format!("{place}={far}"))]).await.is(200);
        }
    }

    async fn the_island_reads_the_same_list_as_the_page(portal) {
        let [ada, _bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let organization = portal.organization_of("ada").await;
        portal.invite(&ada, "new@example.com", Role::TechnicalUser).await.is(303);
        for query in ["", "sort=email&order=desc", "q=bob", "q=nobody", "sort=nonsense&after=nonsense"] {
            let page = ada.get(&format!("/organization/members?{query}")).await.is(200);
            let call = ada.call_in(organization, "list_members", &[("query", query)]).await.is(200);
            let drawn = Answer { body: call.value.as_str().expect("HTML").as_bytes().to_vec(), ..page.clone() };
            assert_eq!(rows(&drawn), rows(&page), "{query}");
            assert_eq!(drawn.texts("section"), page.texts("main section section, main section[aria-labelledby=pending]"), "{query}");
            // What the island draws carries the organization in its forms, too.
            assert!(drawn.forms().iter().filter(|form| form.method == "post").all(|form| form.value("drawn[organization]") == organization.to_string()), "{query}");
        }
        let stranger = portal.sign_up("zed").await;
        stranger.call_in(organization, "list_members", &[("query", "")]).await.refused(404, json!("NotFound"));
    }

    async fn a_changed_role_holds_on_the_very_next_request_in_every_session(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let elsewhere = portal.sign_in("bob").await;
        let (of_bob, of_eve) = (portal.member_of("bob").await, portal.member_of("eve").await);
        let organization = portal.organization_of("ada").await;
        let edit = format!("/organization/members/{of_bob}/edit");
        let page = ada.get(&edit).await.is(200).says("Bob Example").says("bob@example.com");
        assert_eq!(page.value_of("role"), "Technical user");
        elsewhere.get(&format!("/organization/members/{of_eve}/edit")).await.is(404);
        ada.fill(&edit, "/do/change_role", &[("role", "Admin")]).await.leads_to("/organization/members");
        ada.get("/organization/members").await.is(200).says("The role was changed");
        for session in [&bob, &elsewhere] {
            session.get(&format!("/organization/members/{of_eve}/edit")).await.is(200);
        }
        let open = elsewhere.get(&format!("/organization/members/{of_eve}/remove")).await.form("/do/remove_member");
        ada.fill(&edit, "/do/change_role", &[("role", "Technical user")]).await.is(303);
        // The form that was open is refused, and so is everything else that an Admin may.
        elsewhere.submit(&open).await.is(403);
        elsewhere.call_in(organization, "remove_member", &[("form[member]", &of_eve.to_string())]).await.refused(403, json!("Forbidden"));
        bob.get(&format!("/organization/members/{of_eve}/edit")).await.is(404);
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 3);
    }

    async fn nobody_changes_their_own_role(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        let own = portal.member_of("ada").await;
        let page = ada.get(&format!("/organization/members/{own}/edit")).await.is(200);
        assert!(page.main().contains("Nobody can change their own role"), "{}", page.sketch());
        let before = portal.state().await;
        for role in ["Technical user", "Admin"] {
            let call = ada.call_in(organization, "change_role", &[("form[member]", &own.to_string()), ("form[role]", role)]).await;
            call.refused(409, json!({ "Conflict": "OwnRole" }));
        }
        let form = bob.get(&format!("/organization/members/{own}/edit")).await.form("/do/change_role").with("role", "Technical user");
        let page = ada.submit(&form.forged("drawn[key]", "mine")).await.is(409);
        assert!(page.main().contains("Nobody can change their own role"), "{}", page.sketch());
        assert_eq!(portal.state().await, before);
    }

    async fn a_role_that_is_none_is_refused_beside_the_field(portal) {
        let [ada, _bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let edit = format!("/organization/members/{}/edit", portal.member_of("bob").await);
        let before = portal.state().await;
        for role in ["", "admin", "Owner", "Operator", "Admin\u{0}", "Admin, Technical user"] {
            let form = ada.get(&edit).await.form("/do/change_role").with("role", role);
            let page = ada.submit(&form).await.is(422);
            assert!(page.error_of("role").is_some(), "{role:?}: {}", page.sketch());
        }
        assert_eq!(portal.state().await, before);
    }

    async fn removing_asks_first_naming_the_person_and_holds_at_once_in_every_session(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let elsewhere = portal.sign_in("bob").await;
        let organization = portal.organization_of("ada").await;
        let invite = elsewhere.get("/organization/members/invite").await.form("/do/invite_member").with("email", "new@example.com");
        let asks = format!("/organization/members/{}/remove", portal.member_of("bob").await);
        let before = portal.state().await;
        let page = ada.get(&asks).await.is(200).says("Bob Example").says("bob@example.com").says("Acme");
        assert_eq!(portal.state().await, before, "asking removes nobody");
        ada.submit(&page.form("/do/remove_member")).await.leads_to("/organization/members");
        let list = ada.get("/organization/members").await.is(200).says("The member was removed").never_says("bob@example.com");
        assert_eq!(rows(&list).len(), 2);
        let mails = portal.mails().await.len();
        for session in [&bob, &elsewhere] {
            session.get("/organization").await.is(404);
            session.get("/organization/members").await.is(404);
            session.call_in(organization, "list_members", &[("query", "")]).await.is(404);
        }
        elsewhere.submit(&invite).await.is(404);
        assert_eq!(portal.mails().await.len(), mails, "a removed member invites nobody");
        let page = bob.get("/getting-started").await.is(200);
        assert!(page.has_link("/organization/add") && !page.has_link("/organization"), "{}", page.sketch());
        // What was, stays known.
        let tombstone = portal.rows("SELECT email_key, source, reason FROM former_members").await;
        assert_eq!(tombstone, [["bob@example.com", "invitation", "removed"]]);
        assert_eq!(portal.count("SELECT members_count FROM organizations").await, 2);
        // And the way back is an invitation.
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        bob.fill("/getting-started", "/do/accept_invitation", &[]).await.leads_to("/organization");
        assert_eq!(portal.count("SELECT members_count FROM organizations").await, 3);
    }

    async fn nobody_removes_themselves(portal) {
        let [ada, _bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin)]).await;
        let own = portal.member_of("ada").await.to_string();
        let page = ada.get(&format!("/organization/members/{own}/remove")).await.is(200);
        assert!(page.main().contains("You cannot remove yourself") && page.has_link("/organization/leave"), "{}", page.sketch());
        let call = ada.call_in(portal.organization_of("ada").await, "remove_member", &[("form[member]", &own)]).await;
        assert!((400..500).contains(&call.status), "{}", call.text);
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 2);
    }

    async fn a_member_leaves_and_another_stays(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let page = bob.get("/organization/leave").await.is(200).says("Leave Acme?");
        bob.submit(&page.form("/do/leave_organization")).await.leads_to("/getting-started");
        bob.get("/getting-started").await.is(200).says("You left the organization");
        bob.get("/organization").await.is(404);
        assert_eq!(rows(&ada.get("/organization/members").await.is(200)).len(), 2);
        assert_eq!(portal.rows("SELECT email_key, reason FROM former_members").await, [["bob@example.com", "left"]]);
    }

    async fn an_organization_is_never_left_without_an_admin(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let organization = portal.organization_of("ada").await;
        let of = async |name: &str| portal.member_of(name).await.to_string();
        // The only Admin cannot leave, in words.
        let before = portal.state().await;
        let page = ada.get("/organization/leave").await.is(200).says("You are the only Admin");
        assert!(!page.has_form("/do/leave_organization"));
        let page = ada.post("/do/leave_organization", &[("drawn[page]", "/organization/leave"), ("drawn[organization]", &organization.to_string())]).await.is(409);
        assert!(page.main().contains("only Admin") && page.main().contains("Make another member Admin first"), "{}", page.sketch());
        ada.call_in(organization, "leave_organization", &[]).await.refused(409, json!({ "Conflict": "LastAdmin" }));
        assert_eq!(portal.state().await, before);
        // With a second one the first can go, in each of the three ways.
        ada.call_in(organization, "change_role", &[("form[member]", &of("bob").await), ("form[role]", "Admin")]).await.is(200);
        bob.call_in(organization, "change_role", &[("form[member]", &of("ada").await), ("form[role]", "Technical user")]).await.is(200);
        bob.call_in(organization, "leave_organization", &[]).await.refused(409, json!({ "Conflict": "LastAdmin" }));
        bob.call_in(organization, "change_role", &[("form[member]", &of("ada").await), ("form[role]", "Admin")]).await.is(200);
        bob.call_in(organization, "leave_organization", &[]).await.is(200);
        ada.call_in(organization, "leave_organization", &[]).await.refused(409, json!({ "Conflict": "LastAdmin" }));
        ada.call_in(organization, "change_role", &[("form[member]", &of("eve").await), ("form[role]", "Admin")]).await.is(200);
        ada.call_in(organization, "remove_member", &[("form[member]", &of("eve").await)]).await.is(200);
        // Who is alone takes the organization along, and says so by typing its name.
        ada.call_in(organization, "leave_organization", &[]).await.is(422);
        assert_eq!(portal.rows("SELECT email_key, role FROM members").await, [["ada@example.com", "Admin"]]);
    }

    /// Behind the question that the action asks stands a constraint: the database refuses it by itself.
    async fn the_database_itself_refuses_an_organization_without_an_admin(portal) {
        let [_ada, _bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        for statement in [
            "UPDATE members SET role = 'Technical user' WHERE email_key = 'ada@example.com'",
            "DELETE FROM members WHERE email_key = 'ada@example.com'",
            "UPDATE organizations SET admin_account_id = (SELECT account_id FROM members WHERE email_key = 'bob@example.com')",
            "UPDATE organizations SET admin_role = 'Technical user'",
        ] {
            assert!(portal.try_execute(statement).await.is_err(), "{statement}");
        }
        assert_eq!(portal.role_of("ada").await, "Admin");
    }

    async fn a_technical_user_manages_nobody(portal) {
        let [_ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let organization = portal.organization_of("ada").await;
        let before = portal.state().await;
        for name in ["ada", "eve", "bob"] {
            let member = portal.member_of(name).await.to_string();
            bob.get(&format!("/organization/members/{member}/edit")).await.is(404);
            bob.get(&format!("/organization/members/{member}/remove")).await.is(404);
            bob.call_in(organization, "change_role", &[("form[member]", &member), ("form[role]", "Admin")]).await.refused(403, json!("Forbidden"));
            bob.call_in(organization, "remove_member", &[("form[member]", &member)]).await.refused(403, json!("Forbidden"));
        }
        assert_eq!(portal.state().await, before);
    }

    /// CVE-2026-105209 (Zitadel), CVE-2026-92764 (OpenCVE): the organization of the object is what counts.
    async fn members_of_another_organization_are_like_none(portal) {
        let [ada, _bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let [zed, _yan] = portal.organization_with("Other", [("zed", Role::Admin), ("yan", Role::TechnicalUser)]).await;
        let theirs = portal.member_of("bob").await;
        let unknown = uuid::Uuid::from_u128(theirs.as_u128() ^ 1);
        let own = portal.organization_of("zed").await;
        let (before, mut seen) = (portal.state().await, Vec::new());
        for id in [theirs.to_string(), unknown.to_string(), "not-a-uuid".to_owned()] {
            let mut answers = Vec::new();
            for page in ["edit", "remove"] {
                let page = zed.get(&format!("/organization/members/{id}/{page}")).await.is(404);
                answers.push((page.normalized(), page.normalized_headers()));
            }
            for (endpoint, page) in [("change_role", "edit"), ("remove_member", "remove")] {
                let pairs = [("form[member]", id.as_str()), ("form[role]", "Admin")];
                let call = zed.call_in(own, endpoint, &pairs).await.is(404);
                answers.push((call.text, vec![]));
                let pairs = [("form[member]", id.as_str()), ("form[role]", "Admin"), ("drawn[organization]", &own.to_string()), ("drawn[page]", &format!("/organization/members/{id}/{page}"))];
                let page = zed.post(&format!("/do/{endpoint}"), &pairs).await.is(404);
                answers.push((page.normalized(), page.normalized_headers()));
            }
            seen.push(answers);
        }
        assert_alike(&seen[0], &seen[1], "another organization's member is told apart from none");
        assert_alike(&seen[2], &seen[1], "what is no id is told apart from an unknown one");
        assert_eq!(portal.state().await, before);
        drop(ada);
    }

    async fn an_organization_that_is_not_yours_is_like_none(portal) {
        let [_ada, _bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let theirs = portal.organization_of("ada").await;
        let unknown = OrganizationId(uuid::Uuid::from_u128(theirs.0.as_u128() ^ 1));
        let member = portal.member_of("bob").await.to_string();
        let stranger = portal.sign_up("zed").await;
        let [admin] = portal.organization_with("Other", [("yan", Role::Admin)]).await;
        admin.get("/organization").await.is(200).says("has been created");
        let before = portal.state().await;
        for who in [&stranger, &admin] {
            let mut seen = Vec::new();
            for organization in [theirs, unknown] {
                let mut answers = Vec::new();
                for (endpoint, pairs) in [
                    ("list_members", vec![("query", "")]),
                    ("change_role", vec![("form[member]", member.as_str()), ("form[role]", "Admin")]),
                    ("remove_member", vec![("form[member]", member.as_str())]),
                    ("leave_organization", vec![]),
                    ("rename_organization", vec![("form[name]", "Theirs")]),
                    ("delete_organization", vec![("form[name]", "Acme")]),
                    ("invite_member", vec![("form[email]", "x@example.com"), ("form[role]", "Admin")]),
                    ("resend_invitation", vec![("invitation", member.as_str())]),
                    ("revoke_invitation", vec![("invitation", member.as_str())]),
                ] {
                    let call = who.call_in(organization, endpoint, &pairs).await;
                    assert!([404, 409].contains(&call.status), "{endpoint}: {}", call.text);
                    let mut pairs = pairs.clone();
                    let id = organization.to_string();
                    pairs.extend([("drawn[organization]", id.as_str()), ("drawn[page]", "/organization/members")]);
                    let page = who.post(&format!("/do/{endpoint}"), &pairs).await;
                    answers.push((call.status, call.text, page.status, page.normalized().replace(&id, "ID"), page.normalized_headers()));
                }
                seen.push(answers);
            }
            assert_alike(&seen[0], &seen[1], "another organization is told apart from none");
        }
        assert_eq!(portal.state().await, before);
    }

    async fn a_form_drawn_for_another_organization_writes_nothing(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let forms = [
            bob.get("/organization/members/invite").await.form("/do/invite_member").with("email", "new@example.com"),
            bob.get("/organization/leave").await.form("/do/leave_organization"),
        ];
        // Bob is removed, and joins another organization; his old tab is still open.
        ada.fill(&format!("/organization/members/{}/remove", portal.member_of("bob").await), "/do/remove_member", &[]).await.is(303);
        portal.add_organization(&bob, "Bob's").await;
        let before = portal.state().await;
        for form in &forms {
            let page = bob.submit(form).await.is(409);
            assert!(page.main().contains("opened for another organization"), "{}", page.sketch());
        }
        assert_eq!(portal.state().await, before);
    }

    async fn forms_posted_twice_stand_once_and_are_answered_alike(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let (of_bob, of_eve) = (portal.member_of("bob").await, portal.member_of("eve").await);
        let forms = [
            (&ada, ada.get(&format!("/organization/members/{of_bob}/edit")).await.form("/do/change_role").with("role", "Admin"), "/organization/members"),
            (&ada, ada.get(&format!("/organization/members/{of_eve}/remove")).await.form("/do/remove_member"), "/organization/members"),
            (&bob, bob.get("/organization/leave").await.form("/do/leave_organization"), "/getting-started"),
        ];
        for (who, form, place) in &forms {
            who.submit(form).await.leads_to(place);
            who.submit(form).await.leads_to(place);
        }
        let done = portal.rows("SELECT action FROM audit_events WHERE action LIKE 'member.%' ORDER BY at, id").await.concat();
        assert_eq!(done, ["member.change_role", "member.remove", "member.leave"]);
        assert_eq!(portal.count("SELECT members_count FROM organizations").await, 1);
    }

    async fn a_page_shows_the_permission_table_and_ones_own_role(portal) {
        let [_ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let page = bob.get("/roles").await.is(200);
        let cells: Vec<String> = page.texts("tbody tr");
        assert_eq!(cells.len(), 7);
        assert_eq!(page.texts("tbody th"), org_portal::permissions::TABLE.map(|row| row.title.to_owned()));
        let yes: Vec<bool> = page.texts("tbody td").iter().map(|text| text.starts_with("Yes")).collect();
        let expected: Vec<bool> = org_portal::permissions::TABLE.iter().flat_map(|row| [row.admin, row.technical_user]).collect();
        assert_eq!(yes, expected);
        assert!(page.text("thead").contains("Technical user You"), "{}", page.text("thead"));
        assert!(page.main().contains("as Technical user only"));
    }

    async fn a_change_on_one_replica_holds_on_the_other_at_once(portal) {
        let [ada, bob, _eve] = portal.organization_with("Acme", PEOPLE).await;
        let second = TestPortal::second(portal).await;
        let (of_bob, of_eve) = (portal.member_of("bob").await, portal.member_of("eve").await);
        let organization = portal.organization_of("ada").await;
        let edit = format!("/organization/members/{of_eve}/edit");
        bob.at(&second).get(&edit).await.is(404);
        ada.call_in(organization, "change_role", &[("form[member]", &of_bob.to_string()), ("form[role]", "Admin")]).await.is(200);
        bob.at(&second).get(&edit).await.is(200);
        ada.at(&second).call_in(organization, "remove_member", &[("form[member]", &of_bob.to_string())]).await.is(200);
        bob.get("/organization/members").await.is(404);
        bob.call_in(organization, "remove_member", &[("form[member]", &of_eve.to_string())]).await.is(404);
        second.stop().await;
    }

    /// The last two Admins end at the same moment, in every pair of ways, on two replicas: one of them stays.
    async fn two_admins_who_end_at_the_same_moment_leave_one(portal) {
        let second = TestPortal::second(portal).await;
        for round in 0..6 {
            let names = [format!("one{round}"), format!("two{round}")];
            let [one, two] = portal.organization_with("Acme", [(names[0].as_str(), Role::Admin), (names[1].as_str(), Role::Admin)]).await;
            let organization = portal.organization_of(&names[0]).await;
            let ids = [portal.member_of(&names[0]).await.to_string(), portal.member_of(&names[1]).await.to_string()];
            let act = |who: Browser, other: String, way: usize| async move {
                match way {
                    0 => who.call_in(organization, "leave_organization", &[]).await,
                    1 => who.call_in(organization, "remove_member", &[("form[member]", &other)]).await,
                    _ => who.call_in(organization, "change_role", &[("form[member]", &other), ("form[role]", "Technical user")]).await,
                }
            };
            let ways = [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0)][round];
            let (left, right) = tokio::join!(act(one, ids[1].clone(), ways.0), act(two.at(&second), ids[0].clone(), ways.1));
            let statuses = [left.status, right.status];
            assert!(statuses.contains(&200) && statuses.iter().all(|s| [200, 403, 404, 409, 422].contains(s)), "{ways:?}: {} {}", left.text, right.text);
            let admins = portal.count(&format!("SELECT count(*) FROM members WHERE role = 'Admin' AND organization_id = {}", portal.engine.literal(organization.0))).await;
            assert_eq!(admins, 1, "{ways:?}: {} {}", left.text, right.text);
        }
        second.stop().await;
    }

    async fn the_counters_are_in_step_with_the_rows(portal) {
        let [ada, bob, eve] = portal.organization_with("Acme", PEOPLE).await;
        portal.invite(&bob, "one@example.com", Role::TechnicalUser).await.is(303);
        portal.invite(&ada, "two@example.com", Role::Admin).await.is(303);
        let id = portal.invitation_of("one@example.com").await;
        ada.fill(&format!("/organization/invitations/{id}/revoke"), "/do/revoke_invitation", &[]).await.is(303);
        portal.join(&ada, "new", Role::Admin).await;
        eve.fill("/organization/leave", "/do/leave_organization", &[]).await.is(303);
        ada.fill(&format!("/organization/members/{}/remove", portal.member_of("bob").await), "/do/remove_member", &[]).await.is(303);
        let counters = portal.rows("SELECT members_count, invitations_count FROM organizations").await;
        let counted = [portal.text("SELECT count(*) FROM members").await, portal.text("SELECT count(*) FROM invitations WHERE state = 'pending'").await];
        assert_eq!(counters, [counted.to_vec()]);
        assert_eq!(counted, ["2", "1"]);
    }
}

on_both! {
    async fn filters_and_the_ways_of_a_long_list_give_the_same_rows_as_asking_each_row(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        crowd(portal, organization, 130).await;
        // Somebody of another organization is never among them, however alike.
        let other = portal.sign_up("person").await;
        portal.add_organization(&other, "Other").await;
        portal.clock.advance(40 * org_portal::words::DAY);
        ada.get("/organization/members").await;
        let ada = portal.sign_in("ada").await;
        let since = portal.clock.now().0 - 30 * org_portal::words::DAY;
        let literal = portal.engine.literal(organization.0);
        // Once as a short list, then as a long one: by its counter, which decides how rows are found.
        for counter in [131, 100_000] {
            portal.execute(&format!("UPDATE organizations SET members_count = {counter} WHERE id = {literal}")).await;
            for (query, condition) in [
                ("role=Admin", "role = 'Admin'".to_owned()),
                ("role=Technical+user&sort=email", "role = 'Technical user'".to_owned()),
                ("state=active", format!("last_active_at >= {since}")),
                ("state=inactive", format!("last_active_at < {since}")),
                ("q=person+01", "name_key LIKE '%person 01%'".to_owned()),
                ("q=crowd&role=Admin", "email_key LIKE '%crowd%' AND role = 'Admin'".to_owned()),
                ("q=pe", "name_key LIKE 'pe%'".to_owned()),
                ("q=m0&state=inactive&role=Admin", format!("email_key LIKE 'm0%' AND role = 'Admin' AND last_active_at < {since}")),
                ("q=zzz", "1 = 0".to_owned()),
                ("role=nonsense&state=nonsense", "1 = 1".to_owned()),
            ] {
                let expected = portal.rows(&format!("SELECT email FROM members WHERE organization_id = {literal} AND {condition}")).await.concat();
                let (mut seen, mut address) = (Vec::new(), Some(format!("/organization/members?{query}")));
                while let Some(at) = address {
                    let page = ada.get(&at).await.is(200);
                    seen.extend(column(&page, 1));
                    let total = if query.contains("nonsense") { counter } else { i64::try_from(expected.len()).unwrap() };
                    let total = org_portal::list::thousands(total);
                    assert!(expected.is_empty() || page.text("nav.pager > p").ends_with(&format!(" of {total}")), "{query}: {}", page.text("nav.pager > p"));
                    address = page.attributes("nav.pager a[rel=next]", "href").pop();
                }
                let (mut seen, mut expected) = (seen, expected);
                seen.sort();
                expected.sort();
                assert_eq!(seen, expected, "{query} with {counter}");
            }
        }
        // A name that changes is found under the new one alone.
        ada.fill("/account", "/do/change_name", &[("first_name", "Augusta")]).await.is(303);
        assert_eq!(column(&ada.get("/organization/members?q=augusta").await, 1), ["ada@example.com"]);
        assert_eq!(column(&ada.get("/organization/members?q=ada+ex").await, 1), [""; 0]);
    }

    async fn the_chosen_filter_is_said_and_kept_by_search_order_and_pages(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        crowd(portal, portal.organization_of("ada").await, 130).await;
        let page = ada.get("/organization/members?role=Technical+user&sort=email&order=desc").await.is(200);
        assert_eq!(page.texts("summary.chip"), ["Role: Technical user", "State: any"]);
        assert_eq!(page.attributes("form[role=search] input[name=role]", "value"), ["Technical user"]);
        for link in page.attributes("a.sort, nav.pager a", "href") {
            assert!(link.contains("role=Technical%20user"), "{link}");
        }
        assert!(page.has_link("/organization/members?sort=email&order=desc"), "the way back to everybody");
        assert!(page.has_link("/organization/members.csv?sort=email&order=desc&role=Technical%20user"));
    }

    async fn of_more_people_than_are_asked_for_the_newest_are_given(portal) {
        let [ada, _zoe] = portal.organization_with("Acme", [("ada", Role::Admin), ("zoe", Role::TechnicalUser)]).await;
        portal.clock.advance(org_portal::words::SECOND);
        portal.join(&ada, "bob", Role::TechnicalUser).await;
        let (organization, now) = (portal.organization_of("ada").await, portal.clock.now());
        let mut db = portal.portal.read().await.unwrap();
        let newest = org_portal::members::actions::people(&mut db, organization, None, now, 1).await.unwrap();
        assert_eq!(newest.iter().map(|person| person.email.as_str()).collect::<Vec<_>>(), ["bob@example.com"]);
    }

    async fn several_get_a_role_and_each_that_cannot_is_named_while_the_others_have_it(portal) {
        let people = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)];
        let [ada, bob, _eve] = portal.organization_with("Acme", people).await;
        let ids: Vec<String> = { let mut ids = Vec::new(); for name in ["ada", "bob", "eve"] { ids.push(portal.member_of(name).await.to_string()); } ids };
        let page = ada.get("/organization/members").await.is(200);
        assert_eq!(page.attributes("input[name=member]", "value").len(), 2, "one's own row cannot be chosen");
        assert_eq!(bob.get("/organization/members").await.count("input[type=checkbox]"), 0);
        bob.get(&format!("/organization/members/several?member={}", ids[2])).await.is(404);
        let chosen = format!("/organization/members/several?member={}&member={}&member={}&member=nonsense&do=role", ids[0], ids[1], ids[2]);
        let form = ada.get(&chosen).await.is(200).says("3 members").form("/do/change_roles").with("role", "Admin");
        let answer = ada.submit(&form).await.is(409);
        assert!(answer.main().contains("The roles of 2 members were changed, of 1 not:") && answer.main().contains("Ada Example: Nobody can change their own role"), "{}", answer.sketch());
        assert_eq!([portal.role_of("ada").await, portal.role_of("bob").await, portal.role_of("eve").await], ["Admin"; 3]);
        // The same once more stands once; nobody chosen, and a role that is none, are said beside the form.
        let chosen = format!("/organization/members/several?member={}&member={}", ids[1], ids[2]);
        let form = ada.get(&chosen).await.form("/do/change_roles").with("role", "Technical user");
        ada.submit(&form).await.leads_to("/organization/members");
        assert_eq!(ada.submit(&form).await.status, 303);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'member.change_role' AND outcome = 'success'").await, 4);
        ada.submit(&form.clone().with("role", "King")).await.is(422);
        let call = ada.call_in(portal.organization_of("ada").await, "change_roles", &[("form[role]", "Admin")]).await.is(422);
        assert!(call.error_of("").is_some_and(|why| why.contains("at least one")), "{}", call.text);
        ada.get("/organization/members/several").await.is(200).says("Nobody is chosen");
    }

    async fn several_are_removed_and_an_admin_stays(portal) {
        let people = [("ada", Role::Admin), ("bob", Role::Admin), ("eve", Role::TechnicalUser), ("zoe", Role::TechnicalUser)];
        let [ada, bob, eve, _zoe] = portal.organization_with("Acme", people).await;
        let (of_ada, of_bob, of_eve) = (portal.member_of("ada").await, portal.member_of("bob").await, portal.member_of("eve").await);
        let form = ada.get(&format!("/organization/members/several?member={of_bob}&member={of_eve}&do=remove")).await.is(200).form("/do/remove_members");
        // While the page stands open, ada is demoted: nothing of it is done.
        bob.fill(&format!("/organization/members/{of_ada}/edit"), "/do/change_role", &[("role", "Technical user")]).await.is(303);
        ada.submit(&form).await.is(403);
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 4);
        bob.fill(&format!("/organization/members/{of_ada}/edit"), "/do/change_role", &[("role", "Admin")]).await.is(303);
        ada.submit(&form).await.leads_to("/organization/members");
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 2);
        assert_eq!(portal.count("SELECT members_count FROM organizations").await, 2);
        eve.get("/organization/members").await.is(404);
        // Somebody else removed them meanwhile: named, and nothing worse.
        let answer = ada.submit(&form.clone().forged("drawn[key]", "another")).await.is(409);
        for said in ["Nobody was removed:", "Bob Example: They are not a member any more", "Eve Example: They are not a member any more"] {
            assert!(answer.main().contains(said), "{said}: {}", answer.sketch());
        }
        assert!(!answer.main().contains("Nobody is chosen") && !answer.main().contains("Somebody"), "{}", answer.sketch());
    }

    async fn a_change_of_several_leads_back_to_the_list_as_it_was_and_says_how_many(portal) {
        let people = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser), ("zoe", Role::TechnicalUser)];
        let [ada, ..] = portal.organization_with("Acme", people).await;
        let list = "/organization/members?q=example&sort=email&order=desc&role=Technical%20user";
        let page = ada.get(list).await.is(200);
        // What the form that the boxes belong to sends along.
        let mut query = page.form("/organization/members/several").fields;
        query.retain(|(name, _)| name != "do");
        for id in page.attributes("input[name=member]", "value").into_iter().take(2) { query.push(("member".to_owned(), id)); }
        let chosen = |what: &str| format!("/organization/members/several?{}", String::from_utf8(encode(&[query.clone(), vec![("do".to_owned(), what.to_owned())]].concat())).unwrap());
        let roles = ada.get(&chosen("role")).await.is(200).says("Choose the role that these 2 members get.");
        let removal = ada.get(&chosen("remove")).await.is(200);
        for asks in [&roles, &removal] {
            assert!(asks.has_link(list), "Cancel leads back: {:?}", asks.attributes("a", "href"));
            assert_eq!((asks.count("h1[autofocus]"), asks.count("main [autofocus]")), (1, 1), "reading begins at the heading");
        }
        ada.submit(&roles.form("/do/change_roles").with("role", "Technical user")).await.leads_to(list);
        ada.get(list).await.is(200).says("The roles of 2 members were changed.");
        ada.submit(&removal.form("/do/remove_members")).await.leads_to(list);
        ada.get(list).await.is(200).says("2 members were removed from the organization.");
        let last = page.attributes("input[name=member]", "value").pop().unwrap();
        ada.fill(&format!("/organization/members/several?member={last}&do=remove"), "/do/remove_members", &[]).await.leads_to("/organization/members");
        ada.get(list).await.is(200).says("The member was removed from the organization.");
    }

    async fn the_export_is_the_list_with_formulas_made_harmless(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        bob.fill("/account", "/do/change_name", &[("first_name", "=HYPERLINK(\"x\")"), ("last_name", "Ünï, \"q\"")]).await.is(303);
        crowd(portal, portal.organization_of("ada").await, 1100).await;
        let answer = ada.get("/organization/members.csv?sort=email").await.is(200);
        assert!(answer.header("content-type").starts_with("text/csv") && answer.header("content-disposition").contains("members.csv"));
        let text = answer.html();
        let mut lines = text.split("\r\n");
        assert_eq!(lines.next(), Some("Name,E-mail,Role,Joined,Last active"));
        let addresses = portal.rows(&format!("SELECT email FROM members ORDER BY email_key{}", if portal.engine == Engine::Postgres { " COLLATE \"C\"" } else { "" })).await.concat();
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), addresses.len());
        for (line, address) in lines.iter().zip(&addresses) {
            assert!(line.contains(address), "{line} / {address}");
        }
        assert!(text.contains("\"'=HYPERLINK(\"\"x\"\") Ünï, \"\"q\"\"\",bob@example.com,Technical user,"), "{}", lines[1]);
        // It is the list that was asked for.
        assert_eq!(ada.get("/organization/members.csv?role=Admin&q=ada").await.html().lines().count(), 2);
        bob.get("/organization/members.csv").await.is(404);
    }
}
