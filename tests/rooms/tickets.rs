//! Tickets (`SPEC.md` §3.9): raised, seen by whom they concern, answered, solved and opened again; files.

use org_portal::{
    permissions::Role,
    words::{DAY, SECOND},
};
use serde_json::json;

use crate::{on_both, support::*};

const LIST: &str = "/organization/tickets";
const NEW: &str = "/organization/tickets/new";

async fn raise(browser: &Browser, subject: &str, priority: &str) -> String {
    let answer = browser
        .fill(NEW, "/do/raise_ticket", &[("subject", subject), ("description", "It **breaks**."), ("priority", priority)])
        .await
        .is(303);
    answer.location().to_owned()
}

async fn reply(browser: &Browser, page: &str, body: &str) -> Answer {
    browser.fill(page, "/do/reply_to_ticket", &[("body", body)]).await
}

fn subjects(page: &Answer) -> Vec<String> {
    page.texts("tbody th a")
}

/// The counts as they are kept, and as they are counted anew.
async fn counts(portal: &TestPortal) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let kept =
        portal.rows("SELECT stage, department, priority_rank, tickets FROM ticket_counts WHERE tickets > 0 ORDER BY 1, 2, 3, 4").await;
    let anew = portal.rows("SELECT stage, department, priority_rank, count(*) FROM tickets GROUP BY stage, department, priority_rank, owner_id ORDER BY 1, 2, 3, 4").await;
    (kept, anew)
}

/// Whether what is searched is what the tickets are: beside the index, and in it.
async fn is_indexed(portal: &TestPortal) {
    let keys = match portal.engine {
        Engine::Sqlite => {
            "(SELECT o.token FROM ticket_search_owners o WHERE o.owner_id = t.owner_id) || char(10) || t.search_key || char(10) || t.requester_name_key"
        }
        Engine::Postgres => "t.search_key || chr(10) || t.requester_name_key",
    };
    let columns = ["owner_id", "stage", "priority_rank", "department", "requester_key", "created_at", "updated_at", "subject_key"];
    let differs: Vec<String> = columns.iter().map(|column| format!("s.{column} <> t.{column}")).collect();
    let wrong = format!(
        "SELECT count(*) FROM tickets t LEFT JOIN tickets_search s ON s.id = t.id WHERE s.id IS NULL OR {} OR s.assignee_id IS DISTINCT FROM t.assignee_id OR s.search_keys IS DISTINCT FROM {keys}",
        differs.join(" OR ")
    );
    assert_eq!(portal.count(&wrong).await, 0);
    assert_eq!(portal.count("SELECT count(*) FROM tickets_search").await, portal.count("SELECT count(*) FROM tickets").await);
    if portal.engine == Engine::Sqlite {
        portal.execute("INSERT INTO ticket_search_index (ticket_search_index, rank) VALUES ('integrity-check', 1)").await;
        let owners = "SELECT count(*) FROM ticket_search_owners o WHERE NOT EXISTS (SELECT 1 FROM tickets t WHERE t.owner_id = o.owner_id)";
        assert_eq!(portal.count(owners).await, 0, "nothing is left of owners without tickets");
    }
}

on_both! {
    async fn a_ticket_is_raised_seen_by_its_requester_and_every_admin_and_by_nobody_else(portal) {
        let [ada, bob, eve] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)]).await;
        let [kim] = portal.organization_with("Other", [("kim", Role::Admin)]).await;
        let page = raise(&bob, "The server is slow", "P2 - High").await;
        assert!(page.starts_with("/organization/tickets/T"), "{page}");
        for browser in [&ada, &bob] {
            let ticket = browser.get(&page).await.is(200).says("Bob Example").says("P2 - High");
            assert_eq!(ticket.heading(), "The server is slow");
            assert_eq!(ticket.text(".prose strong"), "breaks");
            assert_eq!(subjects(&browser.get(LIST).await.is(200)), ["The server is slow"]);
        }
        let nothing = eve.get("/organization/tickets/T9").await.is(404);
        assert_eq!(eve.get(&page).await.is(404).normalized(), nothing.normalized());
        assert_eq!(kim.get(&page).await.is(404).normalized(), kim.get("/organization/tickets/T9").await.is(404).normalized());
        eve.get(LIST).await.is(200).says("No tickets of yours");
        kim.get(LIST).await.is(200).says("No tickets").never_says("slow");
        eve.get(&format!("{LIST}?by=me&requester=bob@example.com")).await.is(200).never_says("slow");
        let number = page.rsplit('/').next().unwrap();
        let organization = portal.organization_of("eve").await;
        for browser in [&eve, &kim] {
            let organization = if std::ptr::eq(browser, &kim) { portal.organization_of("kim").await } else { organization };
            browser.call_in(organization, "reply_to_ticket", &[("ticket", number), ("form[body]", "mine")]).await.refused(404, json!("NotFound"));
            browser.call_in(organization, "resolve_ticket", &[("ticket", number)]).await.refused(404, json!("NotFound"));
        }
        assert_eq!(portal.count("SELECT count(*) FROM ticket_messages").await, 0);
        // Whoever raised it is told that it arrived.
        let mails = portal.mails_to("bob@example.com").await;
        let mail = mails.iter().find(|mail| mail.subject.contains("The server is slow")).expect("a mail");
        assert!(mail.subject.starts_with(&format!("[{number}] ")) && portal.links(mail).contains(&page), "{mail:?}");
        // Who is removed sees nothing from then on.
        let of_bob = portal.member_of("bob").await;
        ada.fill(&format!("/organization/members/{of_bob}/remove"), "/do/remove_member", &[]).await.is(303);
        bob.get(&page).await.is(404);
        ada.get(&page).await.is(200);
    }

    async fn the_list_is_filtered_sorted_and_searched_and_counted_in_a_summary(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        for (browser, subject, priority) in [(&ada, "Backup fails", "P1 - Critical"), (&bob, "Upgrade question", "P4 - Low"), (&bob, "Alerts are late", "P3 - Normal")] {
            portal.clock.advance(SECOND);
            raise(browser, subject, priority).await;
        }
        assert_eq!(subjects(&ada.get(LIST).await.is(200)), ["Alerts are late", "Upgrade question", "Backup fails"], "the newest first");
        for (query, found) in [
            ("sort=priority", vec!["Backup fails", "Alerts are late", "Upgrade question"]),
            ("sort=subject", vec!["Alerts are late", "Backup fails", "Upgrade question"]),
            ("sort=subject&order=desc", vec!["Upgrade question", "Backup fails", "Alerts are late"]),
            ("q=bob", vec!["Alerts are late", "Upgrade question"]),
            ("q=ALERTS", vec!["Alerts are late"]),
            ("q=T10", vec![]),
            ("q=t1", vec!["Alerts are late", "Upgrade question", "Backup fails"]),
            ("q=%25", vec![]),
            ("priority=1", vec!["Backup fails"]),
            ("priority=9", vec!["Alerts are late", "Upgrade question", "Backup fails"]),
            ("state=closed", vec![]),
            ("by=me", vec!["Backup fails"]),
            ("state=open&priority=4&q=question", vec!["Upgrade question"]),
        ] {
            // A term of three characters and more is found anywhere: all three numbers hold "T10".
            let found = if query == "q=T10" { vec!["Alerts are late", "Upgrade question", "Backup fails"] } else { found };
            assert_eq!(subjects(&ada.get(&format!("{LIST}?{query}")).await.is(200)), found, "{query}");
        }
        assert_eq!(subjects(&bob.get(LIST).await), ["Alerts are late", "Upgrade question"]);
        assert_eq!(ada.get(LIST).await.text("#summary"), "3 tickets");
        assert_eq!(bob.get(LIST).await.text("#summary"), "2 tickets");
        let page = ada.get(LIST).await.attributes("tbody th a", "href").remove(0);
        ada.fill(&page, "/do/resolve_ticket", &[]).await.leads_to(&page);
        assert_eq!(subjects(&ada.get(&format!("{LIST}?state=resolved")).await.is(200)), ["Alerts are late"]);
        let (kept, anew) = counts(portal).await;
        assert_eq!(kept, anew);
    }

    async fn a_rare_word_is_found_in_a_long_list_as_the_tickets_are_by_then(portal) {
        let staff = operator(portal, "sam").await;
        crate::customers::take(portal, crate::customers::ACME).await;
        let line = |n: usize, subject: &str, product: &str, requester: &str| {
            json!({
                "kind": "ticket", "customer": "C1", "number": format!("CS-{n}"), "subject": subject, "product": product, "requester_name": requester, "requester_email": "eve@example.com",
                "priority": (["P1 - Critical", "P3 - Normal"][n % 2]), "state": (["Open", "Closed"][n % 3 / 2]), "department": (["", "Support"][n % 2]),
                "created": format!("2026-10-{:02}T10:00:00Z", 1 + n % 28),
            })
        };
        let mut lines: Vec<String> = (0..1200).map(|n| line(n, &format!("Backup {n} is late"), "MySQL", "Eve Example").to_string()).collect();
        lines[7] = line(7, "Zoë's \"50%_off\" *report*", "Zeppelin", "Gräfin Quux").to_string();
        lines[700] = line(700, "Backup 700 is a zeppelin", "MySQL", "Eve Example").to_string();
        let (counts, refused) = crate::customers::take(portal, &lines.join("\n")).await;
        assert_eq!((crate::customers::total(&counts.added), refused.len()), (1200, 0));
        is_indexed(portal).await;
        let ada = portal.sign_up("ada").await;
        let eve = portal.sign_up("eve").await;
        let numbers = |page: &Answer| -> Vec<String> {
            page.attributes("tbody th a", "href").iter().map(|href| href.rsplit('/').next().unwrap().to_owned()).collect()
        };
        for (query, found) in [
            ("q=zeppelin", &["CS-7", "CS-700"][..]),
            ("q=ZEPPELIN+700", &["CS-700"]),
            ("q=CS-1199", &["CS-1199"]),
            ("q=quux", &["CS-7"]),
            ("q=grafin+report", &["CS-7"]),
            ("q=%2250%25_off%22", &["CS-7"]),
            ("q=50%25off", &[]),
            ("q=*report*", &["CS-7"]),
            ("q=zeppelin&state=open", &["CS-7", "CS-700"]),
            ("q=zeppelin&priority=3", &["CS-7"]),
            ("q=zeppelin+nothing", &[]),
        ] {
            for (browser, list) in [(&ada, LIST), (&eve, LIST), (&staff, "/operator/tickets")] {
                let newest_first = numbers(&browser.get(&format!("{list}?{query}&sort=created")).await.is(200));
                assert_eq!(newest_first, found, "{list}?{query}");
            }
        }
        let zeppelins = format!("{LIST}?q=zeppelin");
        assert_eq!(numbers(&ada.get(&format!("{zeppelins}&sort=subject")).await), ["CS-700", "CS-7"]);
        assert_eq!(numbers(&ada.get(&format!("{zeppelins}&sort=created&order=asc")).await), ["CS-700", "CS-7"]);
        assert_eq!(numbers(&ada.get(&format!("{zeppelins}&department=Support")).await), ["CS-7"]);
        // How many meet the filters is counted with every ticket, and shown on each page of them.
        for (query, range) in [
            ("sort=subject", "1–50 of 1,200"),
            ("state=open", "1–50 of 800"),
            ("state=closed", "1–50 of 400"),
            ("priority=3", "1–50 of 600"),
            ("department=Support&state=open", "1–50 of 400"),
            ("state=nothing&priority=9", "1–50 of 1,200"),
        ] {
            assert_eq!(ada.get(&format!("{LIST}?{query}")).await.is(200).text("nav.pager > p"), range, "{query}");
        }
        ada.get(&format!("{LIST}?department=Support&priority=1")).await.is(200).says("No tickets found");
        // What many have is found, too, and counted no further than a thousand.
        assert_eq!(ada.get(&format!("{LIST}?q=backup")).await.is(200).text("nav.pager > p"), "1–50 of 1,000+");
        // As they are by then: another subject, product and requester, another number, another state, gone.
        let changed = [line(7, "Plain", "MySQL", "Eve Example"), line(9, "Zeppelin", "", "Wilhelmina"), line(700, "Backup 700 is a zeppelin", "MySQL", "Eve Example")];
        let later = changed.map(|mut record| { record["updated"] = json!("2026-11-01T10:00:00Z"); record.to_string() });
        crate::customers::take(portal, &later.join("\n")).await;
        is_indexed(portal).await;
        for (q, found) in [("zeppelin", 2), ("quux", 0), ("wilhelmina", 1), ("report", 0)] {
            for (browser, list) in [(&ada, LIST), (&staff, "/operator/tickets")] {
                assert_eq!(subjects(&browser.get(&format!("{list}?q={q}")).await.is(200)).len(), found, "{list} {q}");
            }
        }
        let page = format!("{LIST}/CS-9");
        assert_eq!(subjects(&ada.get(&format!("{LIST}?q=wilhelmina&state=resolved")).await), [""; 0]);
        ada.fill(&page, "/do/resolve_ticket", &[]).await.leads_to(&page);
        assert_eq!(subjects(&ada.get(&format!("{LIST}?q=wilhelmina&state=resolved")).await), ["Zeppelin"]);
        is_indexed(portal).await;
        // What others' tickets say is found by the support alone.
        let mut others = line(3000, "Quux", "", "");
        others["customer"] = json!("C2");
        crate::customers::take(portal, &format!("{{\"kind\":\"customer\",\"number\":\"C2\",\"name\":\"Two\"}}\n{others}")).await;
        assert!(subjects(&ada.get(&format!("{LIST}?q=quux")).await).is_empty());
        assert_eq!(subjects(&staff.get("/operator/tickets?q=quux").await), ["Quux"]);
        is_indexed(portal).await;
        portal.execute("DELETE FROM tickets WHERE number = 'CS-9'").await;
        assert!(subjects(&ada.get(&format!("{LIST}?q=wilhelmina")).await).is_empty());
        is_indexed(portal).await;
    }

    async fn replies_stand_once_and_reach_the_people_concerned(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let page = raise(&bob, "Help", "P3 - Normal").await;
        portal.mails().await;
        portal.clock.advance(SECOND);
        let form = ada.get(&page).await.is(200).form("/do/reply_to_ticket").with("body", "Did you try <b>again</b>?");
        ada.submit(&form).await.leads_to(&page);
        ada.submit(&form).await.leads_to(&page);
        assert_eq!(portal.count("SELECT count(*) FROM ticket_messages").await, 1, "posted twice, it stands once");
        assert_eq!(portal.count("SELECT messages FROM tickets").await, 1);
        let said = bob.get(&page).await.is(200);
        assert_eq!(said.texts(".said .prose"), ["It breaks.", "Did you try <b>again</b>?"], "markup is shown as text");
        let mails = portal.mails_to("bob@example.com").await;
        let mail = mails.iter().filter(|mail| mail.text.contains("Did you try")).collect::<Vec<_>>();
        assert_eq!(mail.len(), 1);
        assert!(mail[0].text.contains("Ada Example replied") && portal.links(mail[0]).contains(&page), "{}", mail[0].text);
        assert!(!portal.mails_to("ada@example.com").await.iter().any(|mail| mail.text.contains("Did you try")), "not to oneself");
        portal.clock.advance(SECOND);
        reply(&bob, &page, "Yes.").await.is(303);
        assert!(portal.mails_to("ada@example.com").await.iter().any(|mail| mail.text.contains("Bob Example replied")), "to who wrote in it");
        // The Admin reads it in the organization's activity.
        ada.get("/organization/activity?kind=ticket").await.is(200).says("Bob Example raised the ticket").says("Bob Example replied to the ticket");
    }

    async fn a_solved_ticket_is_reopened_by_a_reply_for_some_days_and_then_is_over(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let page = raise(&ada, "Help", "P3 - Normal").await;
        ada.fill(&page, "/do/resolve_ticket", &[]).await.leads_to(&page);
        let solved = ada.get(&page).await.is(200).says("Resolved").says("marked the ticket as resolved").says("Reply and reopen").says("opens it again");
        assert!(!solved.has_form("/do/resolve_ticket"));
        let number = page.rsplit('/').next().unwrap();
        ada.call_in(portal.organization_of("ada").await, "resolve_ticket", &[("ticket", number)]).await.refused(409, json!({ "Conflict": "TicketOver" }));
        portal.clock.advance(13 * DAY);
        let ada = portal.sign_in_again(&ada, "ada").await;
        let form = ada.get(&page).await.form("/do/reply_to_ticket").with("body", "It is back.");
        ada.submit(&form).await.is(303);
        let open = ada.get(&page).await.is(200).says("reopened the ticket").says("Mark as resolved");
        assert_eq!(open.fact("State"), "Open");
        ada.fill(&page, "/do/resolve_ticket", &[]).await.is(303);
        portal.clock.advance(15 * DAY);
        let ada = portal.sign_in_again(&ada, "ada").await;
        let over = ada.get(&page).await.is(200).says("This ticket is closed");
        assert!(!over.has_form("/do/reply_to_ticket"));
        let answer = ada.submit(&form.forged("drawn[key]", "another")).await.is(409);
        assert!(answer.main().contains("This ticket is closed"), "{}", answer.sketch());
        let (kept, anew) = counts(portal).await;
        assert_eq!(kept, anew);
    }

    async fn what_is_wrong_is_said_beside_the_fields_and_everything_stays(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let form = ada.get(NEW).await.is(200).form("/do/raise_ticket").with("description", "Text that took long & <long>").with("product", "MySQL");
        let again = ada.submit_with(&form, &[("portal.log", b"12345")]).await.is(422);
        assert_eq!(again.error_of("subject").as_deref(), Some("Enter a subject: the problem in one line"));
        assert_eq!((again.value_of("description").trim(), again.value_of("product").as_str()), ("Text that took long & <long>", "MySQL"));
        again.clone().says("portal.log");
        // The file that was sent is there still.
        let form = again.form("/do/raise_ticket").with("subject", "Now");
        let page = ada.submit(&form).await.is(303).location().to_owned();
        let ticket = ada.get(&page).await.is(200);
        assert_eq!(ticket.texts(".files a"), ["portal.log"]);
        for (field, value) in [("subject", "x".repeat(256)), ("subject", "a\u{202E}b".to_owned()), ("description", "x".repeat(50_001)), ("priority", "P0".to_owned())] {
            let form = ada.get(NEW).await.form("/do/raise_ticket").with("subject", "S").with("description", "D").with(field, &value);
            assert!(ada.submit(&form).await.is(422).error_of(field).is_some(), "{field}");
        }
        let form = ada.get(&page).await.form("/do/reply_to_ticket");
        assert_eq!(ada.submit(&form).await.is(422).error_of("body").as_deref(), Some("Write a reply"));
        assert_eq!(portal.count("SELECT count(*) FROM tickets").await, 1);
    }

    async fn files_are_kept_in_chunks_and_given_out_as_harmless_downloads(portal) {
        let [ada, bob, eve] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)]).await;
        let big: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
        let form = bob.get(NEW).await.form("/do/raise_ticket").with("subject", "S").with("description", "D");
        let files: [(&str, &[u8]); 3] = [("big.bin", &big), ("empty", b""), ("C:\\evil\\página <1>.html", b"<script>alert(1)</script>")];
        let page = bob.submit_with(&form, &files).await.is(303).location().to_owned();
        let ticket = ada.get(&page).await.is(200);
        let links = ticket.attributes(".files a", "href");
        assert_eq!(ticket.texts(".files a"), ["big.bin", "empty", "página <1>.html"]);
        for (link, (_, bytes)) in links.iter().zip(files) {
            let file = ada.get(link).await.is(200);
            assert!(file.body == bytes, "{link}: {} of {} bytes", file.body.len(), bytes.len());
            assert_eq!(file.header("content-type"), "application/octet-stream");
            assert_eq!(file.header("x-content-type-options"), "nosniff");
            assert!(file.header("content-disposition").starts_with("attachment; "), "{}", file.header("content-disposition"));
            assert!(file.header("content-security-policy").contains("sandbox"));
        }
        assert!(ada.get(&links[2]).await.header("content-disposition").contains("filename*=UTF-8''p%C3%A1gina%20%3C1%3E%2Ehtml"));
        // A file is its ticket's: whoever does not see the one does not get the other, nor by another ticket's address.
        eve.get(&links[0]).await.is(404);
        let other = raise(&eve, "Other", "P3 - Normal").await;
        eve.get(&links[0].replace(&page, &other)).await.is(404);
        assert!(portal.count("SELECT count(*) FROM ticket_attachment_chunks").await >= 12);
        // Sent twice, it stands once; with another file in it, it is another reply.
        let form = ada.get(&page).await.form("/do/reply_to_ticket").with("body", "See this.");
        ada.submit_with(&form, &[("a.txt", b"one")]).await.is(303);
        ada.submit_with(&form, &[("a.txt", b"one")]).await.is(303);
        assert_eq!(portal.count("SELECT count(*) FROM ticket_messages").await, 1);
        ada.submit_with(&form, &[("a.txt", b"two")]).await.is(303);
        assert_eq!(portal.count("SELECT count(*) FROM ticket_messages").await, 2);
        // Nobody takes what somebody else sent.
        let staged = portal.text(&format!("SELECT {} FROM ticket_attachments WHERE ticket_id IS NULL LIMIT 1", portal.engine.hex("id"))).await;
        let number = other.rsplit('/').next().unwrap();
        let call = eve.call_in(portal.organization_of("eve").await, "reply_to_ticket", &[("ticket", number), ("form[body]", "x"), ("form[attachments][]", &staged)]).await;
        call.is(422);
        // What was never taken is forgotten.
        portal.clock.advance(2 * DAY);
        org_portal::maintenance::once(&portal.portal).await.unwrap();
        assert_eq!(portal.count("SELECT count(*) FROM ticket_attachments WHERE ticket_id IS NULL").await, 0);
        assert_eq!(portal.count("SELECT count(*) FROM ticket_attachment_chunks WHERE attachment_id NOT IN (SELECT id FROM ticket_attachments)").await, 0);
    }

    async fn a_file_that_is_too_large_or_one_too_many_is_refused_beside_the_field(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let form = ada.get(NEW).await.form("/do/raise_ticket").with("subject", "S").with("description", "D");
        let huge = vec![7; 10 * 1024 * 1024 + 1];
        let answer = ada.submit_with(&form, &[("small.txt", b"1"), ("huge.bin", &huge)]).await.is(422);
        assert_eq!(answer.error_of("attachments").as_deref(), Some("huge.bin is larger than 10 MB"));
        assert_eq!(answer.value_of("subject"), "S");
        answer.says("small.txt");
        let six: Vec<(&str, &[u8])> = vec![("f", b"x"); 6];
        let answer = ada.submit_with(&form, &six).await.is(422);
        assert_eq!(answer.error_of("attachments").as_deref(), Some("At most 5 files can come with it"));
        let answer = answer.says("Choose which of them go with it");
        assert_eq!([answer.count(".choices input"), answer.count(".choices input[checked]")], [6, 5], "all are there to choose from");
        let exact = vec![7; 10 * 1024 * 1024];
        ada.submit_with(&form, &[("exact.bin", &exact)]).await.is(303);
        assert_eq!(portal.count("SELECT count(*) FROM tickets").await, 1);
        // Who is not signed in, or in no organization, leaves nothing.
        let before = portal.count("SELECT count(*) FROM ticket_attachments").await;
        portal.browser().submit_with(&form, &[("a.txt", b"1")]).await.is(401);
        portal.sign_up("nowhere").await.submit_with(&form, &[("a.txt", b"1")]).await.is(404);
        assert_eq!(portal.count("SELECT count(*) FROM ticket_attachments").await, before);
    }

    async fn names_addresses_and_accounts_that_change_or_end_keep_tickets_where_they_belong(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let page = raise(&bob, "Help", "P3 - Normal").await;
        bob.fill("/account", "/do/change_name", &[("first_name", "Robert"), ("last_name", "Builder")]).await.is(303);
        assert_eq!(subjects(&ada.get(&format!("{LIST}?q=builder")).await), ["Help"]);
        assert_eq!(ada.get(&page).await.fact("Raised by"), "Robert Builder");
        is_indexed(portal).await;
        let of_bob = portal.member_of("bob").await;
        ada.fill(&format!("/organization/members/{of_bob}/remove"), "/do/remove_member", &[]).await.is(303);
        bob.fill("/account/delete", "/do/delete_account", &[("email", "bob@example.com"), ("password", PASSWORD)]).await.is(303);
        ada.get(&page).await.is(200).says("Robert Builder");
        // Who has the address later is somebody else.
        let other = portal.join(&ada, "bob", Role::TechnicalUser).await;
        other.get(&page).await.is(404);
        other.get(LIST).await.is(200).says("No tickets of yours");
        // An organization takes its own tickets with it.
        ada.fill("/organization/delete", "/do/delete_organization", &[("name", "Acme")]).await.is(303);
        for table in ["tickets", "ticket_messages", "ticket_counts", "ticket_attachments"] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        is_indexed(portal).await;
    }

    async fn an_organizations_tickets_become_its_customers_when_the_two_are_joined(portal) {
        let [ada] = portal.organization_with("Own", [("ada", Role::Admin)]).await;
        let page = raise(&ada, "Before", "P3 - Normal").await;
        let organization = portal.organization_of("ada").await;
        crate::customers::take(portal, r#"{"kind":"customer","number":"C1","name":"Acme"}"#).await;
        org_portal::customers::actions::link(&portal.portal, "C1".into(), organization).await.unwrap();
        ada.get(&page).await.is(200);
        raise(&ada, "After", "P1 - Critical").await;
        let list = ada.get(LIST).await.is(200);
        assert_eq!((subjects(&list).len(), list.text("#summary")), (2, "2 tickets".to_owned()));
        assert_eq!(portal.count("SELECT count(*) FROM tickets WHERE customer_id IS NOT NULL AND organization_id IS NULL").await, 2);
        is_indexed(portal).await;
        let (kept, anew) = counts(portal).await;
        assert_eq!(kept, anew);
        // The record keeps them when the organization goes.
        ada.fill("/organization/delete", "/do/delete_organization", &[("name", "Acme")]).await.is(303);
        assert_eq!(portal.count("SELECT count(*) FROM tickets").await, 2);
    }

    async fn an_open_page_is_told_of_what_the_other_side_writes(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let page = raise(&bob, "Help", "P3 - Normal").await;
        let (mut of_bob, mut of_ada) = (bob.live("").await, ada.live("").await);
        of_bob.hears("ready").await;
        of_ada.hears("ready").await;
        reply(&ada, &page, "Look here").await.is(303);
        let told = of_bob.hears("change").await.says();
        assert!(told.contains("Ada Example") && told.contains("replied to"), "{told}");
        assert_eq!(of_ada.hears("change").await.says(), "", "nothing is said of what one did oneself");
        let eve = portal.join(&ada, "eve", Role::TechnicalUser).await;
        let mut of_eve = eve.live("").await;
        of_eve.hears("ready").await;
        reply(&bob, &page, "Thanks").await.is(303);
        assert_eq!(of_eve.hears("change").await.says(), "", "who may not see the ticket hears no word of it");
    }

    async fn many_at_once_get_numbers_of_their_own(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let mut raised = Vec::new();
        for round in 0..3 {
            let subjects: Vec<String> = (0..4).map(|n| format!("{round} {n}")).collect();
            let [a, b, c, d] = [raise(&ada, &subjects[0], "P1 - Critical"), raise(&bob, &subjects[1], "P2 - High"), raise(&ada, &subjects[2], "P3 - Normal"), raise(&bob, &subjects[3], "P4 - Low")];
            let (a, b, c, d) = tokio::join!(a, b, c, d);
            raised.extend([a, b, c, d]);
        }
        raised.sort();
        raised.dedup();
        assert_eq!(raised.len(), 12);
        let (kept, anew) = counts(portal).await;
        assert_eq!(kept, anew);
    }
}

/// The account of somebody as an operator's.
async fn operator(portal: &TestPortal, name: &str) -> Browser {
    let browser = portal.sign_up(name).await;
    org_portal::operator::actions::create(&portal.portal, org_portal::words::Email::parse(&format!("{name}@example.com")).unwrap(), None)
        .await
        .unwrap();
    browser
}

on_both! {
    async fn the_support_answers_and_the_customer_hears_of_it(portal) {
        let staff = operator(portal, "sam").await;
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let page = raise(&bob, "The server is slow", "P2 - High").await;
        let number = page.rsplit('/').next().unwrap();
        let desk = format!("/operator/tickets/{number}");
        let list = staff.get("/operator/tickets").await.is(200).says("Acme").says("Bob Example");
        assert_eq!(subjects(&list), ["The server is slow"]);
        let (mut of_bob, mut of_sam) = (bob.live("").await, staff.live("").await);
        of_bob.hears("ready").await;
        of_sam.hears("ready").await;
        portal.clock.advance(SECOND);
        // What the customer sends and what it gets are one ticket.
        staff.fill(&desk, "/do/answer_ticket", &[("body", "Which **version**?"), ("stage", "waiting")]).await.leads_to(&desk);
        assert!(of_bob.hears("change").await.says().contains("replied to"), "the requester is told");
        let seen = bob.get(&page).await.is(200).says("Support");
        assert_eq!((seen.fact("State"), seen.texts(".said.staff .prose strong")), ("Awaiting customer".to_owned(), vec!["version".to_owned()]));
        assert!(portal.mails_to("bob@example.com").await.iter().any(|mail| mail.text.contains("Which **version**?")));
        of_sam.hears("change").await;
        portal.clock.advance(SECOND);
        reply(&bob, &page, "8.0").await.is(303);
        of_sam.hears("change").await;
        assert_eq!(staff.get(&desk).await.is(200).fact("State"), "Open", "an answer brings it back to the support");
        // Assigned, mails of the customer's replies go to who has it.
        let change = staff.get(&desk).await.form("/do/change_ticket");
        let me = portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'sam@example.com'", portal.engine.hex("id"))).await;
        let me = uuid::Uuid::parse_str(&me).unwrap().to_string();
        staff.submit(&change.with("assignee", &me).with("priority", "P1 - Critical")).await.leads_to(&desk);
        bob.get(&page).await.is(200).says("changed the priority to P1 - Critical");
        let said = ada.get("/organization/activity?kind=ticket").await.is(200);
        let said = said.texts("table.events tbody th");
        assert!(said.iter().any(|said| said.ends_with("in priority from P2 - High to P1 - Critical and in who has it")), "{said:?}");
        assert!(!said.concat().contains("Sam"), "{said:?}");
        assert_eq!(subjects(&staff.get("/operator/tickets?assignee=me&priority=1").await.is(200)).len(), 1);
        assert_eq!(subjects(&staff.get("/operator/tickets?assignee=me&q=server").await.is(200)).len(), 1);
        assert_eq!(subjects(&staff.get("/operator/tickets?assignee=nobody&q=server").await.is(200)).len(), 0);
        is_indexed(portal).await;
        assert_eq!(subjects(&staff.get("/operator/tickets?assignee=nobody").await.is(200)).len(), 0);
        // Each of two pages changes what was chosen on it, and nothing that the other one changed meanwhile.
        let (first, second) = (staff.get(&desk).await.form("/do/change_ticket"), staff.get(&desk).await.form("/do/change_ticket"));
        staff.submit(&first.with("stage", "waiting").with("assignee", "")).await.is(303);
        staff.submit(&second.with("priority", "P2 - High")).await.is(303);
        // Also where it was refused first.
        let third = staff.get(&desk).await.form("/do/change_ticket");
        staff.submit(&staff.get(&desk).await.form("/do/change_ticket").with("stage", "open")).await.is(303);
        let refused = staff.submit(&third.with("priority", "P0")).await.is(422);
        staff.submit(&refused.form("/do/change_ticket").with("priority", "P4 - Low")).await.is(303);
        let form = staff.get(&desk).await.form("/do/change_ticket");
        assert_eq!(["stage", "priority"].map(|field| form.value(field)), ["open", "P4 - Low"]);
        staff.submit(&form.with("stage", "waiting").with("priority", "P2 - High")).await.is(303);
        let form = staff.get(&desk).await.form("/do/change_ticket");
        assert_eq!(["stage", "priority", "assignee"].map(|field| form.value(field)), ["waiting", "P2 - High", ""]);
        staff.submit(&form.with("stage", "open").with("priority", "P1 - Critical").with("assignee", &me)).await.is(303);
        reply(&ada, &page, "Any news?").await.is(303);
        let mails = portal.mails_to("sam@example.com").await;
        assert!(mails.iter().any(|mail| mail.text.contains("Any news?") && mail.text.contains("Acme") && portal.links(mail).contains(&desk)), "{mails:?}");
        let change = staff.get(&desk).await.form("/do/change_ticket");
        staff.submit(&change.with("stage", "resolved")).await.is(303);
        assert!(portal.mails_to("bob@example.com").await.iter().any(|mail| mail.text.contains("is resolved now") && mail.text.contains("A reply within 14 days opens the ticket again.")));
        bob.get(&page).await.is(200).says("Reply and reopen").says("changed the state to Resolved");
        for (field, value) in [("stage", "done"), ("priority", "P0"), ("assignee", "nonsense"), ("assignee", &portal.member_of("ada").await.to_string())] {
            let answer = staff.submit(&staff.get(&desk).await.form("/do/change_ticket").with(field, value)).await.is(422);
            assert!(answer.error_of(field).is_some(), "{field}: {}", answer.sketch());
        }
        ada.get("/organization/activity?kind=ticket").await.is(200).says("replied to the ticket").says("from Open to Resolved");
        let (kept, anew) = counts(portal).await;
        assert_eq!(kept, anew);
    }

    async fn where_no_support_address_is_set_every_operator_hears_of_customers_and_whoever_has_a_ticket_alone_of_that(portal) {
        let [sam, _pat] = [operator(portal, "sam").await, operator(portal, "pat").await];
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        assert_eq!(sam.get("/operator").await.is(200).fact("Tickets"), "0 open, 0 of them assigned to nobody");
        let page = raise(&ada, "Help", "P3 - Normal").await;
        let desk = page.replace("/organization", "/operator");
        assert_eq!(sam.get("/operator").await.is(200).fact("Tickets"), "1 open, 1 of them assigned to nobody");
        let told = async |name: &str, words: &str| {
            let mails = portal.mails_to(&format!("{name}@example.com")).await;
            mails.iter().filter(|mail| mail.text.contains(words) && mail.text.contains("Acme") && portal.links(mail).contains(&desk)).count()
        };
        assert_eq!([told("sam", "Ada Example raised a ticket").await, told("pat", "Ada Example raised a ticket").await], [1, 1]);
        let me = portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'sam@example.com'", portal.engine.hex("id"))).await;
        let me = uuid::Uuid::parse_str(&me).unwrap().to_string();
        sam.submit(&sam.get(&desk).await.form("/do/change_ticket").with("assignee", &me)).await.leads_to(&desk);
        assert_eq!(sam.get("/operator").await.is(200).fact("Tickets"), "1 open, 0 of them assigned to nobody");
        reply(&ada, &page, "Any news?").await.is(303);
        assert_eq!([told("sam", "Any news?").await, told("pat", "Any news?").await], [1, 0]);
        // Who is an operator no more reads nothing of customers, whatever they had.
        org_portal::operator::actions::remove(&portal.portal, org_portal::words::Email::parse("sam@example.com").unwrap()).await.unwrap();
        reply(&ada, &page, "Still there?").await.is(303);
        assert_eq!([told("sam", "Still there?").await, told("pat", "Still there?").await], [0, 1]);
    }

    async fn where_a_support_address_is_set_it_is_told_of_new_tickets(portal, Options::default().with("support_email", "help@vendor.example")) {
        operator(portal, "sam").await;
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let form = ada.get(NEW).await.form("/do/raise_ticket").with("subject", "Help").with("description", "It breaks");
        ada.submit_with(&form, &[("a.log", b"a"), ("b.log", b"b")]).await.is(303);
        let mails = portal.mails_to("help@vendor.example").await;
        assert!(mails.len() == 1 && mails[0].text.contains("raised a ticket") && mails[0].text.contains("2 files came with it."), "{mails:?}");
        assert!(!portal.mails_to("sam@example.com").await.iter().any(|mail| mail.text.contains("raised a ticket")));
    }

    async fn the_support_finds_the_tickets_of_a_customer_and_of_an_organization_by_their_names(portal) {
        let staff = operator(portal, "sam").await;
        let ticket = json!({ "kind": "ticket", "customer": "C1", "number": "CS-1", "subject": "Backup fails", "requester_email": "eve@example.com", "priority": "P3 - Normal", "state": "Open", "created": "2026-10-01T10:00:00Z" });
        let solved = json!({ "kind": "ticket", "customer": "C1", "number": "CS-2", "subject": "Upgrade question", "requester_email": "eve@example.com", "priority": "P3 - Normal", "state": "Closed", "created": "2026-10-02T10:00:00Z" });
        crate::customers::take(portal, &format!("{}{ticket}\n{solved}", crate::customers::ACME)).await;
        let [kim] = portal.organization_with("Zenith", [("kim", Role::Admin)]).await;
        raise(&kim, "Alerts are late", "P3 - Normal").await;
        portal.sign_up("ada").await;
        for (q, name, found) in [("acme", "Acme GmbH", vec!["Upgrade question", "Backup fails"]), ("c1", "Acme GmbH", vec!["Upgrade question", "Backup fails"]), ("ZEN", "Zenith", vec!["Alerts are late"])] {
            let page = staff.get(&format!("/operator/tickets?q={q}")).await.is(200);
            assert_eq!(page.texts(".toolbar a.chip"), [format!("Tickets of {name}")], "{q}");
            let way = page.attributes(".toolbar a.chip", "href").remove(0);
            let page = staff.get(&format!("{way}&sort=created")).await.is(200).says(&format!("Of: {name}"));
            assert_eq!(subjects(&page), found, "{q}");
            let few = staff.get(&format!("{way}&state=open&q=late")).await.is(200);
            assert_eq!(subjects(&few).len(), usize::from(name == "Zenith"), "with a search and another filter");
        }
        staff.get(&format!("/operator/tickets?owner={}", uuid::Uuid::nil())).await.is(200).says("No tickets found");
        staff.get("/operator/tickets?owner=x").await.is(200).says("Alerts are late");
        // From the pages of both.
        let customer = staff.get("/operator/customers").await.is(200).attributes("tbody th a", "href").remove(0);
        let organization = format!("/operator/organizations/{}", portal.organization_of("ada").await);
        let other = format!("/operator/organizations/{}", portal.organization_of("kim").await);
        for (path, says, found) in [(&customer, "2, 1 of them open", 2), (&organization, "2, 1 of them open", 2), (&other, "1, 1 of them open", 1)] {
            let page = staff.get(path).await.is(200);
            assert_eq!(page.fact("Tickets"), says, "{path}");
            let way = page.attributes("dl.facts a", "href").into_iter().find(|href| href.starts_with("/operator/tickets?owner=")).expect("a link");
            assert_eq!(subjects(&staff.get(&way).await.is(200)).len(), found);
        }
    }

    async fn the_support_reads_beside_the_form_where_nobody_would_be_told_of_a_reply(portal) {
        let staff = operator(portal, "sam").await;
        let ticket = json!({ "kind": "ticket", "customer": "C1", "number": "CS-1", "subject": "Help", "requester_name": "Eve Example", "requester_email": "eve@example.com", "priority": "P3 - Normal", "state": "Open", "created": "2026-10-01T10:00:00Z" });
        let (_, refused) = crate::customers::take(portal, &format!("{}{ticket}", crate::customers::ACME)).await;
        assert!(refused.is_empty(), "{refused:?}");
        let desk = "/operator/tickets/CS-1";
        let page = staff.get(desk).await.is(200).says("Nobody is told of the reply by mail").says("organization is not open").never_says("goes out by mail");
        assert_eq!(page.fact("Customer"), "Acme GmbH");
        assert!(page.attributes("dl.facts a", "href").iter().any(|href| href.starts_with("/operator/customers/")), "{}", page.sketch());
        staff.fill(desk, "/do/answer_ticket", &[("body", "The first answer"), ("stage", "")]).await.leads_to(desk);
        portal.sign_up("ada").await;
        staff.get(desk).await.is(200).says("Nobody is told of the reply by mail").says("Its Admins can read the reply there");
        let eve = portal.sign_up("eve").await;
        staff.get(desk).await.is(200).says("goes out by mail").never_says("Nobody is told");
        staff.fill(desk, "/do/answer_ticket", &[("body", "The second answer"), ("stage", "")]).await.leads_to(desk);
        let mails = portal.mails_to("eve@example.com").await;
        assert!(mails.iter().any(|mail| mail.text.contains("The second answer")) && !mails.iter().any(|mail| mail.text.contains("The first answer")), "{mails:?}");
        eve.get(&format!("{LIST}/CS-1")).await.is(200).says("The first answer");
    }

    async fn a_note_never_leaves_the_staffs_side(portal) {
        let staff = operator(portal, "sam").await;
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let page = raise(&ada, "Help", "P3 - Normal").await;
        let desk = page.replace("/organization", "/operator");
        portal.mails().await;
        let mut live = ada.live("").await;
        live.hears("ready").await;
        staff.fill(&desk, "/do/note_ticket", &[("body", "They are a *difficult* customer")]).await.leads_to(&desk);
        portal.clock.advance(SECOND);
        reply(&ada, &page, "It goes on").await.is(303);
        let thread = staff.get(&desk).await.is(200).says("Internal").texts(".said .prose");
        assert_eq!(thread, ["It breaks.", "They are a difficult customer", "It goes on"], "in the order of time");
        live.hears("change").await;
        // The change that is told next is another one.
        ada.fill("/account", "/do/change_name", &[("first_name", "Ada"), ("last_name", "King")]).await.is(303);
        live.hears("change").await;
        for path in [page.as_str(), LIST, "/organization/activity", "/organization/activity.csv", "/organization/activity?kind=ticket"] {
            let answer = ada.get(path).await.is(200);
            assert!(!answer.html().contains("difficult") && !answer.html().contains("note"), "{path}");
        }
        assert!(subjects(&ada.get("/organization/tickets?q=difficult").await.is(200)).is_empty());
        assert!(subjects(&staff.get("/operator/tickets?q=difficult").await.is(200)).is_empty());
        assert!(!portal.mails_to("ada@example.com").await.iter().any(|mail| mail.text.contains("difficult")));
        // And nobody but an operator comes near.
        let nothing = ada.get("/operator/nothing").await.is(404).normalized();
        for path in ["/operator/tickets", desk.as_str()] {
            assert_eq!(ada.get(path).await.is(404).normalized(), nothing);
        }
        let number = page.rsplit('/').next().unwrap();
        for (function, field) in [("note_ticket", "form[body]"), ("answer_ticket", "form[body]"), ("change_ticket", "form[stage]")] {
            let call = ada.call_in(portal.organization_of("ada").await, function, &[("ticket", number), (field, "open")]).await;
            assert!([404, 422].contains(&call.status), "{function}: {}", call.status);
        }
        assert_eq!(portal.count("SELECT count(*) FROM ticket_notes").await, 1);
        assert_eq!(portal.count("SELECT count(*) FROM ticket_messages").await, 1);
    }
}
