//! The operator's customers (`SPEC.md` §3.4, §3.5): imported, recreated, joined; entitlements and contacts.

use org_portal::{
    cli::import::{Counts, How, import},
    customers::actions,
    form::Refusal,
    permissions::Role,
    words::{DAY, Email, HOUR, OrganizationId},
};

use crate::{on_both, support::*};

const START_PAGE: &str = "/getting-started";

/// Imports lines of JSON, as a file; gives the counts and the refusals as `line field`.
pub async fn take(portal: &TestPortal, lines: &str) -> (Counts, Vec<String>) {
    take_as(portal, lines, false).await
}

/// The same, or what it would come to.
pub async fn take_as(portal: &TestPortal, lines: &str, rehearses: bool) -> (Counts, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (file, report) = (folder.path().join("customers.jsonl"), folder.path().join("report.json"));
    std::fs::write(&file, lines).unwrap();
    let how = How { rehearses, report: Some(report.clone()), ..How::default() };
    let counts = import(&portal.portal, &file, &how).await.unwrap();
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).expect("the report is JSON");
    for key in ["added", "changed", "unchanged", "refused"] {
        assert!(report[key].is_object(), "{report}");
    }
    let refusals = report["refusals"].as_array().unwrap();
    assert!(
        refusals.iter().all(|refusal| refusal["file"] == "customers.jsonl" && !refusal["reason"].as_str().unwrap().is_empty()),
        "{report}"
    );
    (counts, refusals.iter().map(|refusal| format!("{} {}", refusal["line"], refusal["field"].as_str().unwrap())).collect())
}

pub fn total(counts: &std::collections::BTreeMap<&'static str, u64>) -> u64 {
    counts.values().sum()
}

pub const ACME: &str = r#"
{"kind":"customer","number":"C1","name":"Acme GmbH","domain":"acme.example","administrator":"ada@example.com"}
{"kind":"person","customer":"C1","email":"bob@example.com","role":"Admin"}
{"kind":"person","customer":"C1","email":"eve@example.com"}
{"kind":"contact","customer":"C1","email":"csm@vendor.example","name":"Maria Manager","title":"Customer success manager","phone":"+49 30 1234"}
{"kind":"entitlement","customer":"C1","number":"E1","name":"Premium support","tier":"Premium","products":["MySQL","PostgreSQL"],"support_level":"24/7","start":"2026-01-01","end":"2026-12-10","units_total":10,"units_used":4}
{"kind":"entitlement","customer":"C1","number":"E2","name":"Old contract","start":"2024-01-01","end":"2025-01-01"}
"#;

on_both! {
    async fn an_import_adds_changes_and_leaves_alone_and_twice_the_same_changes_nothing(portal) {
        let (counts, refused) = take(portal, ACME).await;
        assert_eq!((total(&counts.added), total(&counts.changed), total(&counts.unchanged), refused.len()), (6, 0, 0, 0), "{counts:?} {refused:?}");
        let before = portal.snapshot(&["audit_events", "imports"]).await;
        let (counts, _) = take(portal, ACME).await;
        assert_eq!((total(&counts.added), total(&counts.changed), total(&counts.unchanged)), (0, 0, 6), "{counts:?}");
        assert_eq!(portal.snapshot(&["audit_events", "imports"]).await, before);
        let (counts, _) = take(portal, &ACME.replace("Premium support", "Platinum support").replace("+49 30 1234", "").replace("bob@", "BOB@")).await;
        assert_eq!((total(&counts.added), total(&counts.changed), total(&counts.unchanged)), (0, 3, 3), "{counts:?}");
        assert_eq!(portal.count("SELECT count(*) FROM customer_people").await, 3);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'customer.import' AND outcome = 'success'").await, 3);
    }

    async fn what_is_wrong_is_named_with_line_and_field_and_does_not_stop_the_rest(portal) {
        let long = format!("{{\"kind\":\"customer\",\"number\":\"L\",\"name\":\"{}\"}}", "x".repeat(2_000_000));
        let lines = [
            "\u{feff}{\"kind\":\"customer\",\"number\":\"C1\",\"name\":\"Acme\",\"domain\":\"acme.example\",\"administrator\":\"ada@example.com\"}",
            r#"{"kind":"customer","number":"C2","name":"Two","domain":"ACME.example"}"#,
            r#"{"kind":"customer","number":"C3","name":"Three","domain":"gmail.com"}"#,
            r#"{"kind":"customer","number":"C4","name":"Four","administrator":"ada@example.com"}"#,
            r#"{"kind":"customer","number":"C1","name":"Acme again"}"#,
            r#"{"kind":"customer","number":"C5","name":""}"#,
            r#"{"kind":"customer","number":"C6","name":"Six"}"#,
            r#"{"kind":"person","customer":"C1","email":"bob@example.com"}"#,
            r#"{"kind":"person","customer":"C1","email":"Bob@Example.com"}"#,
            r#"{"kind":"person","customer":"C6","email":"ada@example.com"}"#,
            r#"{"kind":"person","customer":"C9","email":"x@example.com"}"#,
            r#"{"kind":"person","customer":"C6","email":"nonsense","role":"King"}"#,
            r#"{"kind":"entitlement","customer":"C6","number":"E1","name":"Gold","start":"2026-02-30","end":"2026-03-01"}"#,
            r#"{"kind":"spaceship","number":"1"}"#,
            "not json",
            "[1]",
            "",
            &long,
            r#"{"kind":"person","customer":"C6","email":"last@example.com"}"#,
        ];
        let (counts, refused) = take(portal, &lines.join("\n")).await;
        assert_eq!(
            refused,
            ["2 domain", "3 domain", "4 administrator", "5 number", "6 name", "9 email", "10 email", "11 customer", "12 email", "12 role", "13 start", "14 line", "15 line", "16 line", "18 line"],
            "{counts:?}"
        );
        assert_eq!((total(&counts.added), total(&counts.refused)), (4, 14), "{counts:?}");
        assert_eq!(portal.rows("SELECT email_key FROM customer_people ORDER BY email_key").await.concat(), ["ada@example.com", "bob@example.com", "last@example.com"]);
        // With --strict the first one ends it; what stands before it is there, and nothing of what stands behind.
        let folder = tempfile::tempdir().unwrap();
        let (file, report) = (folder.path().join("x.jsonl"), folder.path().join("report.json"));
        let strict = r#"{"kind":"customer","number":"S1","name":"Before"}
{"kind":"customer","number":"S2","name":"Not taken","domain":"acme.example"}
{"kind":"customer","number":"S3","name":"Behind"}"#;
        std::fs::write(&file, strict).unwrap();
        let how = How { is_strict: true, report: Some(report.clone()), ..How::default() };
        let error = import(&portal.portal, &file, &how).await.unwrap_err();
        assert!(error.contains("x.jsonl:2: domain"), "{error}");
        assert_eq!(portal.rows("SELECT number FROM customers WHERE number LIKE 'S%'").await.concat(), ["S1"]);
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).expect("the report is whole");
        assert!(report["failed"].as_str().unwrap().contains("x.jsonl:2") && report["added"]["customer"] == 1, "{report}");
    }

    async fn csv_files_of_a_folder_are_the_same_import(portal) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
        write("people.csv", b"\xEF\xBB\xBFemail,customer\r\nbob@example.com,C1\r\n\xff\xfe@example.com,C1\r\neve@example.com\r\n");
        write("customers.csv", "number,name,administrator\nC1,\"Acme, Inc. \"\"Best\"\"\",ada@example.com\n".as_bytes());
        write("entitlements.csv", b"number,customer,name,start,end,products\nE1,C1,Gold,2026-01-01,2026-12-31,MySQL; PostgreSQL\n");
        let counts = import(&portal.portal, folder.path(), &How::default()).await.unwrap();
        assert_eq!((total(&counts.added), total(&counts.refused)), (3, 2), "{counts:?}");
        assert_eq!(portal.text("SELECT name FROM customers").await, "Acme, Inc. \"Best\"");
        assert_eq!(portal.text("SELECT products FROM entitlements").await, "MySQL\nPostgreSQL");
        write("customers.csv", b"id,title\n1,2\n");
        let error = import(&portal.portal, folder.path(), &How::default()).await.unwrap_err();
        assert!(error.contains("number, name, domain, administrator"), "{error}");
        assert!(import(&portal.portal, &folder.path().join("nothing.jsonl"), &How::default()).await.is_err());
    }

    async fn the_administrators_first_sign_in_recreates_the_organization_and_others_join_by_signing_in(portal) {
        take(portal, ACME).await;
        let ada = portal.sign_up("ada").await;
        assert_eq!(ada.get("/organization").await.is(200).fact("Name"), "Acme GmbH");
        assert_eq!((portal.role_of("ada").await.as_str(), portal.count("SELECT count(*) FROM members").await), ("Admin", 1));
        ada.get(START_PAGE).await.is(200).says("View Organization").never_says("Add Organization");
        for (name, role) in [("bob", "Admin"), ("eve", "Technical user")] {
            let browser = portal.sign_up(name).await;
            browser.get("/organization").await.is(200);
            assert_eq!(portal.role_of(name).await, role);
        }
        // Whoever has an address of the company's, too.
        let zoe = portal.browser();
        portal.sign_up_in(&zoe, "zoe@acme.example", "Zoe", "").await;
        zoe.get("/organization").await.is(200).says("Technical user");
        assert_eq!(portal.count("SELECT members_count FROM organizations").await, 4);
        assert_eq!(portal.rows("SELECT DISTINCT source FROM members").await.concat(), ["customer"]);
        portal.sign_up("stranger").await.get("/organization").await.is(404);
        let said = ada.get("/organization/activity").await.is(200).texts("table.events tbody th");
        assert!(said.contains(&"Ada Example recreated the organization Acme GmbH".to_owned()) && said.contains(&"Bob Example joined as Admin".to_owned()), "{said:?}");
    }

    async fn whoever_signs_in_before_the_administrator_waits_and_can_remind_them_once_a_day(portal) {
        take(portal, ACME).await;
        let bob = portal.sign_up("bob").await;
        bob.get("/organization").await.is(404);
        let page = bob.get(START_PAGE).await.is(200).says("Acme GmbH is not open yet").says("a•••@example.com").never_says("Add Organization");
        assert!(!page.html().contains("ada@example.com"));
        bob.get("/organization/add").await.is(200).says("Your company is known here");
        bob.call("add_organization", &[("form[name]", "Mine")]).await.refused(409, serde_json::json!({ "Conflict": "OfCustomer" }));
        bob.fill(START_PAGE, "/do/remind_administrator", &[]).await.leads_to(START_PAGE);
        bob.get(START_PAGE).await.is(200).says("reminded within the last day");
        bob.call("remind_administrator", &[]).await.is(429);
        let mails = portal.mails_to("ada@example.com").await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].subject.starts_with("Bob Example waits for Acme GmbH"), "{}", mails[0].subject);
        portal.clock.advance(DAY + HOUR);
        let bob = portal.sign_in_again(&bob, "bob").await;
        bob.fill(START_PAGE, "/do/remind_administrator", &[]).await.is(303);
        assert_eq!(portal.mails_to("ada@example.com").await.len(), 2);
        // The administrator comes: who waits hears of it, by mail too where the record names them.
        let zoe = portal.browser();
        portal.sign_up_in(&zoe, "zoe@acme.example", "Zoe", "").await;
        let (stranger, mut of_zoe, mut of_bob) = (portal.sign_up("stranger").await, zoe.live("").await, bob.live("").await);
        let mut of_stranger = stranger.live("").await;
        for live in [&mut of_zoe, &mut of_bob, &mut of_stranger] {
            live.hears("ready").await;
        }
        assert_eq!(bob.get(START_PAGE).await.texts(".step h2")[0], "Not yet: Open your organization");
        let ada = portal.sign_up("ada").await;
        for live in [&mut of_zoe, &mut of_bob] {
            live.hears_that("").await;
        }
        let mails = portal.mails_to("bob@example.com").await;
        assert_eq!(mails.iter().filter(|mail| mail.subject == "Acme GmbH is open at Org Portal").count(), 1, "{mails:?}");
        for other in ["zoe@acme.example", "ada@example.com", "eve@example.com", "stranger@example.com"] {
            assert!(portal.mails_to(other).await.iter().all(|mail| !mail.subject.contains("is open")), "{other}");
        }
        // One press, or the next sign-in.
        assert_eq!(bob.get(START_PAGE).await.texts(".step h2")[0], "Join your organization");
        bob.fill(START_PAGE, "/do/join_organization", &[]).await.leads_to("/organization");
        assert_eq!(portal.role_of("bob").await, "Admin");
        stranger.call("join_organization", &[]).await.is(404);
        portal.sign_in("stranger").await.call("remind_administrator", &[]).await.is(404);
        // Of what happened none of it reached who does not belong there.
        portal.invite(&ada, "stranger@example.com", Role::TechnicalUser).await.is(303);
        of_stranger.hears_that("Ada Example invited you").await;
    }

    async fn what_people_did_in_the_portal_stays_whatever_is_imported(portal) {
        take(portal, ACME).await;
        let (ada, _bob, eve) = (portal.sign_up("ada").await, portal.sign_up("bob").await, portal.sign_up("eve").await);
        let of_eve = portal.member_of("eve").await;
        ada.fill(&format!("/organization/members/{of_eve}/remove"), "/do/remove_member", &[]).await.is(303);
        let of_bob = portal.member_of("bob").await;
        ada.fill(&format!("/organization/members/{of_bob}/edit"), "/do/change_role", &[("role", "Technical user")]).await.is(303);
        take(portal, ACME).await;
        let eve = portal.sign_in_again(&eve, "eve").await;
        eve.get("/organization").await.is(404);
        eve.call("join_organization", &[]).await.is(404);
        eve.get(START_PAGE).await.is(200).says("Add Organization");
        assert_eq!(portal.role_of("bob").await, "Technical user");
        // A deleted one is not recreated by itself.
        ada.fill("/organization/delete", "/do/delete_organization", &[("name", "Acme GmbH")]).await.is(303);
        take(portal, ACME).await;
        let ada = portal.sign_in_again(&ada, "ada").await;
        ada.get("/organization").await.is(404);
        ada.get(START_PAGE).await.is(200).says("Add Organization");
        portal.add_organization(&ada, "Another").await;
    }

    async fn the_customers_name_is_not_changed_in_the_portal_and_follows_the_record(portal) {
        take(portal, ACME).await;
        let ada = portal.sign_up("ada").await;
        assert!(!ada.get("/organization").await.is(200).has_link("/organization/rename"));
        ada.get("/organization/rename").await.is(200).says("customer record");
        ada.call_in(portal.organization_of("ada").await, "rename_organization", &[("form[name]", "Mine")]).await.refused(409, serde_json::json!({ "Conflict": "NameOfCustomer" }));
        take(portal, &ACME.replace("Acme GmbH", "Acme SE")).await;
        assert_eq!(ada.get("/organization").await.is(200).fact("Name"), "Acme SE");
    }

    async fn the_operator_opens_an_organization_with_another_administrator_or_joins_the_two(portal) {
        take(portal, ACME).await;
        let eve = portal.sign_up("eve").await;
        eve.get("/organization").await.is(404);
        let open = async |number: &str, administrator: &str| actions::open(&portal.portal, number.into(), Email::parse(administrator).unwrap()).await;
        let link = async |number: &str, organization| actions::link(&portal.portal, number.into(), organization).await;
        let refused = |field: &str, why: &str| Refusal::field(field, why);
        take(portal, r#"{"kind":"customer","number":"C8","name":"Eight","administrator":"kim@example.com"}"#).await;
        let other = "kim@example.com belongs to customer C8, and a person belongs to one customer";
        assert_eq!(open("C1", "kim@example.com").await, Err(refused("administrator", other)));
        assert_eq!(open("C1", "eve@example.com").await.unwrap(), "Acme GmbH");
        portal.sign_in_again(&eve, "eve").await.get("/organization").await.is(200).says("Admin");
        let why = "The organization of customer C1, Acme GmbH, is open already: its Admins invite others";
        assert_eq!(open("C1", "bob@example.com").await, Err(refused("number", why)));
        assert_eq!(open("C9", "bob@example.com").await, Err(refused("number", "There is no customer C9")));
        // Whose administrator has an organization already: nothing happens by itself, and the operator joins the two.
        let zoe = portal.sign_up("zoe").await;
        portal.add_organization(&zoe, "Zoe's own").await;
        take(portal, r#"{"kind":"customer","number":"C2","name":"Zenith","administrator":"zoe@example.com"}"#).await;
        let zoe = portal.sign_in_again(&zoe, "zoe").await;
        assert_eq!(zoe.get("/organization").await.fact("Name"), "Zoe's own");
        let (organization, nowhere) = (portal.organization_of("zoe").await, OrganizationId(uuid::Uuid::nil()));
        assert_eq!(link("C2", nowhere).await, Err(refused("organization", &format!("There is no organization {nowhere}"))));
        assert_eq!(link("C9", organization).await, Err(refused("number", "There is no customer C9")));
        assert_eq!(link("C2", organization).await.unwrap(), ("Zoe's own".to_owned(), "Zenith".to_owned()));
        assert_eq!(zoe.get("/organization").await.fact("Name"), "Zenith");
        assert_eq!(link("C2", organization).await, Err(refused("number", &format!("Customer C2, Zenith, is joined with organization {organization} already"))));
        assert_eq!(link("C8", organization).await, Err(refused("organization", &format!("Organization {organization} is joined with customer C2, Zenith, already"))));
        // One that was deleted is not made again, whoever is named.
        let eve = portal.sign_in_again(&eve, "eve").await;
        eve.fill("/organization/delete", "/do/delete_organization", &[("name", "Acme GmbH")]).await.is(303);
        assert!(open("C1", "bob@example.com").await.is_err_and(|refusal| refusal.of_field("number").is_some_and(|why| why.contains("was deleted"))));
    }

    async fn an_admin_sees_entitlements_and_contacts_and_a_technical_user_finds_nothing_there(portal) {
        take(portal, ACME).await;
        let (ada, eve) = (portal.sign_up("ada").await, portal.sign_up("eve").await);
        let page = ada.get("/organization/entitlements").await.is(200);
        let rows = page.texts("tbody tr");
        assert_eq!(rows.len(), 2);
        assert!(rows[0].contains("Premium support") && rows[0].contains("MySQL, PostgreSQL") && rows[0].contains("4 of 10") && rows[0].contains("10 Dec 2026"), "{rows:?}");
        assert!(rows[0].contains("Ends soon") && rows[1].contains("Ended"), "{rows:?}");
        assert_eq!(ada.get("/organization/entitlements?state=current").await.is(200).texts("tbody tr").len(), 1);
        assert_eq!(ada.get("/organization/entitlements?q=old").await.is(200).texts("tbody tr").len(), 1);
        ada.get("/organization/entitlements?q=nothing").await.is(200).says("No entitlements found");
        let page = ada.get("/organization/contacts").await.is(200).says("Maria Manager").says("Customer success manager");
        assert!(page.has_link("mailto:csm@vendor.example") && page.has_link("tel:+49301234"));
        assert_eq!(page.attributes("button[type=button][data-copy]", "data-copy"), ["csm@vendor.example", "+49 30 1234"]);
        let nothing = eve.get("/organization/nothing").await.is(404);
        for path in ["/organization/entitlements", "/organization/contacts"] {
            assert_eq!(eve.get(path).await.is(404).normalized(), nothing.normalized());
            assert!(!eve.get("/organization").await.has_link(path) && ada.get("/organization").await.has_link(path));
        }
        // Who is no customer sees that, and nobody else's.
        let [kim] = portal.organization_with("Other", [("kim", Role::Admin)]).await;
        kim.get("/organization/entitlements").await.is(200).says("No entitlements").never_says("Premium");
        kim.get("/organization/contacts").await.is(200).says("No contacts").never_says("Maria");
    }
}
