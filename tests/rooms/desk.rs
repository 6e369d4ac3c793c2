//! The desk elsewhere (`SPEC.md` §3.4, §3.9): customers from ServiceNow, whatever its server does meanwhile.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use org_portal::{
    cli::import::{Counts, How, from_servicenow},
    desk::{client::PAGE, mirror::Messenger},
    outbox,
    outgoing::Patience,
    portal::Portal,
    words::{MINUTE, SECOND},
};

use crate::{on_both, support::*};

/// Who does not wait long: what is waited for comes at once, or never.
const QUICK: Patience =
    Patience { connect: Duration::from_secs(2), whole: Duration::from_millis(1500), pause: Duration::from_millis(2), tries: 4 };

/// The portal, with the instance configured, and without its worker.
fn joined(portal: &TestPortal, desk: &ServiceNow) -> Portal {
    let mut config = portal.config.clone();
    config.servicenow_url = Some(desk.url().parse().unwrap());
    config.servicenow_user = servicenow::USER.to_owned();
    config.servicenow_password = servicenow::PASSWORD.to_owned();
    Portal::new(portal.db.clone(), config, portal.clock.clone())
}

async fn take(portal: &TestPortal, joined: &Portal, full: bool) -> Result<(Counts, Vec<String>), String> {
    // Two imports never begin at the same moment.
    portal.clock.advance(SECOND);
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let counts = from_servicenow(joined, full, &How { report: Some(report.clone()), ..How::default() }, QUICK).await?;
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).expect("the report is JSON");
    let refusals = report["refusals"].as_array().unwrap();
    Ok((
        counts,
        refusals.iter().map(|refusal| format!("{} {}", refusal["file"].as_str().unwrap(), refusal["field"].as_str().unwrap())).collect(),
    ))
}

fn totals(counts: &Counts) -> [u64; 4] {
    [&counts.added, &counts.changed, &counts.unchanged, &counts.refused].map(|counts| counts.values().sum())
}

/// An account with its administrator; gives both identifiers.
fn account(desk: &ServiceNow, number: &str, name: &str, administrator: &str) -> (String, String) {
    let account = desk.insert("customer_account", &[("number", number), ("name", name), ("website", "https://www.acme.example")]);
    let contact =
        desk.insert("customer_contact", &[("email", administrator), ("name", "Ada Example"), ("account", &account), ("active", "true")]);
    desk.update("customer_account", &account, &[("primary_contact", &contact)]);
    (account, contact)
}

/// Acme: two people of three, and an entitlement.
fn acme(desk: &ServiceNow) -> (String, String) {
    let (account, contact) = account(desk, "ACCT1", "Acme GmbH", "ada@example.com");
    desk.insert("customer_contact", &[("email", "bob@example.com"), ("account", &account), ("active", "true")]);
    desk.insert("customer_contact", &[("email", "gone@example.com"), ("account", &account), ("active", "false")]);
    desk.insert("customer_contact", &[("email", "nobody@example.com"), ("account", ""), ("active", "true")]);
    let product = desk.insert("cmdb_model", &[("name", "MySQL")]);
    let fields = [
        ("number", "ENT1"),
        ("name", "Premium support"),
        ("account", account.as_str()),
        ("product", &product),
        ("start_date", "2026-01-01"),
        ("end_date", "2026-12-10"),
    ];
    desk.insert("service_entitlement", &[&fields[..], &[("total_units", "10.00"), ("remaining_units", "6")]].concat());
    (account, contact)
}

on_both! {
    async fn customers_people_and_entitlements_come_and_twice_changes_nothing(portal) {
        let desk = ServiceNow::start().await;
        acme(&desk);
        let joined = joined(portal, &desk);
        let (counts, refused) = take(portal, &joined, false).await.unwrap();
        // The administrator is a person by the account already, and as a contact another time.
        assert_eq!((totals(&counts), refused.len()), ([3, 0, 1, 0], 0), "{counts:?}");
        let asked = desk.requests();
        assert!(asked[0].starts_with("GET customer_account ORDERBYsys_updated_on"), "{asked:?}");
        let before = portal.snapshot(&["audit_events", "imports", "desk_leases"]).await;
        for full in [false, true] {
            let (counts, _) = take(portal, &joined, full).await.unwrap();
            assert_eq!(totals(&counts), [0, 0, 4, 0], "{counts:?}");
        }
        let mut after = portal.snapshot(&["audit_events", "imports", "desk_leases"]).await;
        for cursor in after.get_mut("desk_cursors").unwrap() {
            let was = before["desk_cursors"].iter().find(|was| was[0] == cursor[0]).unwrap();
            assert_eq!(was[..3], cursor[..3], "only when it was read is another");
            cursor.clone_from(was);
        }
        assert_eq!(after, before);
        let ada = portal.sign_up("ada").await;
        assert_eq!(ada.get("/organization").await.is(200).fact("Name"), "Acme GmbH");
        let rows = ada.get("/organization/entitlements").await.is(200).texts("tbody tr");
        assert!(rows.len() == 1 && rows[0].contains("Premium support") && rows[0].contains("MySQL") && rows[0].contains("4 of 10") && rows[0].contains("10 Dec 2026"), "{rows:?}");
        portal.sign_up("bob").await.get("/organization").await.is(200).says("Technical user");
        portal.sign_up("gone").await.get("/organization").await.is(404);
        portal.sign_up("nobody").await.get("/organization").await.is(404);
    }

    async fn later_only_what_changed_is_read(portal) {
        let desk = ServiceNow::start().await;
        let (account, _) = acme(&desk);
        let joined = joined(portal, &desk);
        take(portal, &joined, false).await.unwrap();
        desk.advance(3600);
        desk.update("customer_account", &account, &[("name", "Acme SE")]);
        desk.requests();
        let (counts, _) = take(portal, &joined, false).await.unwrap();
        // Contacts and entitlements are read again from two minutes before the last one.
        assert_eq!((totals(&counts), counts.changed["customer"]), ([0, 1, 3, 0], 1), "{counts:?}");
        let asked = desk.requests();
        let of_customers = asked.iter().filter(|asked| !asked.contains("case") && !asked.contains("journal"));
        assert!(of_customers.clone().count() >= 6 && of_customers.clone().all(|asked| asked.contains("sys_updated_on>") || asked.contains("sys_updated_on=")), "nothing is read from the beginning: {asked:?}");
        // What the instance wrote with an earlier time than what was read is not missed.
        desk.advance(-60);
        desk.insert("customer_account", &[("number", "LATE"), ("name", "Late")]);
        assert_eq!(totals(&take(portal, &joined, false).await.unwrap().0)[0], 1);
    }

    async fn more_than_a_page_of_one_second_and_what_changes_between_pages_is_all_there(portal) {
        let desk = ServiceNow::start().await;
        let n = PAGE + 203;
        let all: Vec<String> = (0..n).map(|n| desk.insert("customer_account", &[("number", &format!("N{n}")), ("name", &format!("Name {n}"))])).collect();
        // Before the second page: one that was read, and one that was not, are written again; one goes, one comes.
        let first = all.iter().min().unwrap().clone();
        let last = all.iter().max().unwrap().clone();
        let gone = all.iter().filter(|id| **id != last).max().unwrap().clone();
        let clock = portal.clock.clone();
        desk.before(2, move |desk| {
            clock.advance(SECOND);
            desk.advance(1);
            desk.update("customer_account", &first, &[("name", "Renamed")]);
            desk.update("customer_account", &last, &[("name", "Renamed too")]);
            desk.delete("customer_account", &gone);
            desk.insert("customer_account", &[("number", "NEW"), ("name", "New")]);
        });
        let joined = joined(portal, &desk);
        let (counts, refused) = take(portal, &joined, false).await.unwrap();
        assert_eq!((totals(&counts), refused.len()), ([n as u64, 1, 0, 0], 0), "{counts:?}");
        assert_eq!(portal.count("SELECT count(*) FROM customers").await, n as i64);
        assert_eq!(portal.count("SELECT count(*) FROM customers WHERE name LIKE 'Renamed%'").await, 2);
        // The same where the headers for paging are missing on the way.
        desk.without_link();
        assert_eq!(totals(&take(portal, &joined, true).await.unwrap().0), [0, 0, n as u64, 0]);
    }

    async fn pages_of_nothing_but_what_the_user_may_not_see_end_nothing(portal) {
        let desk = ServiceNow::start().await;
        for n in 0..PAGE + 1 {
            let hidden = desk.insert("customer_account", &[("number", &format!("H{n}")), ("name", "Hidden")]);
            desk.hide(&hidden);
        }
        desk.advance(1);
        account(&desk, "ACCT1", "Acme GmbH", "ada@example.com");
        let (counts, _) = take(portal, &joined(portal, &desk), false).await.unwrap();
        assert_eq!((counts.added["customer"], portal.count("SELECT count(*) FROM customers").await), (1, 1));
    }

    async fn whatever_goes_wrong_for_a_while_is_tried_again_and_doubles_nothing(portal) {
        let desk = ServiceNow::start().await;
        acme(&desk);
        let joined = joined(portal, &desk);
        take(portal, &joined, false).await.unwrap();
        let before = portal.snapshot(&["audit_events", "imports", "desk_leases", "desk_cursors"]).await;
        for fault in [
            Fault::Status(503, None),
            Fault::Status(500, None),
            Fault::Status(429, Some(0)),
            Fault::Closes,
            Fault::Half,
            Fault::Garbage,
            Fault::CutOff,
            Fault::Hangs,
        ] {
            desk.fail([fault.clone(), fault.clone()]);
            let (counts, refused) = take(portal, &joined, true).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert_eq!((totals(&counts), refused.len()), ([0, 0, 4, 0], 0), "{fault:?}");
        }
        assert_eq!(portal.snapshot(&["audit_events", "imports", "desk_leases", "desk_cursors"]).await, before);
    }

    async fn what_will_not_do_is_said_and_the_next_time_goes_on_where_it_stopped(portal) {
        let desk = ServiceNow::start().await;
        acme(&desk);
        let mut wrong = joined(portal, &desk).config.clone();
        wrong.servicenow_password = "wrong".to_owned();
        let error = take(portal, &Portal::new(portal.db.clone(), wrong, portal.clock.clone()), false).await.unwrap_err();
        assert!(error.contains("401") && error.contains("not authenticated") && !error.contains("wrong"), "{error}");
        assert_eq!(desk.requests().len(), 1, "it is not tried again");
        let joined = joined(portal, &desk);
        let elsewhere = ServiceNow::start().await;
        for (fault, says) in [
            (Fault::Status(403, None), "403"),
            (Fault::Redirects(format!("{}/api/now/table/customer_account", elsewhere.url())), "302"),
            (Fault::Status(429, Some(600)), "429"),
        ] {
            desk.fail([fault]);
            let error = take(portal, &joined, false).await.unwrap_err();
            assert!(error.contains(says), "{error}");
            assert_eq!(portal.text("SELECT error FROM desk_leases").await, error);
        }
        assert_eq!(elsewhere.requests(), Vec::<String>::new(), "no other host is asked");
        desk.fail(std::iter::repeat_n(Fault::Endless, 4));
        let error = take(portal, &joined, false).await.unwrap_err();
        assert!(error.contains("longer than") || error.contains("too long"), "{error}");
        assert_eq!(portal.count("SELECT count(*) FROM customers").await, 0);
        // The accounts are read, then it is away.
        desk.before(3, |desk| desk.away(true));
        assert!(take(portal, &joined, false).await.unwrap_err().contains("connection"));
        assert_eq!(portal.count("SELECT count(*) FROM customers").await, 1);
        desk.away(false);
        desk.requests();
        let (counts, _) = take(portal, &joined, false).await.unwrap();
        assert_eq!(counts.added.keys().copied().collect::<Vec<_>>(), ["entitlement", "person"]);
        assert!(desk.requests()[0].starts_with("GET customer_account sys_updated_on>="));
        assert_eq!(portal.text("SELECT error FROM desk_leases").await, "");
    }

    async fn what_was_refused_is_tried_again_because_what_it_lacked_may_have_come(portal) {
        let desk = ServiceNow::start().await;
        let (account, _) = acme(&desk);
        desk.update("customer_account", &account, &[("name", "")]);
        let stray = desk.insert("customer_contact", &[("email", "nonsense"), ("account", &account), ("active", "true")]);
        let joined = joined(portal, &desk);
        let (counts, refused) = take(portal, &joined, false).await.unwrap();
        assert_eq!((totals(&counts), refused.len()), ([0, 0, 0, 5], 5), "{refused:?}");
        assert!(refused.contains(&format!("customer_account/{account} name")) && refused.contains(&format!("customer_contact/{stray} email")), "{refused:?}");
        assert_eq!(portal.count("SELECT count(*) FROM desk_refused").await, 5);
        desk.advance(3600);
        desk.update("customer_account", &account, &[("name", "Acme GmbH")]);
        let (counts, refused) = take(portal, &joined, false).await.unwrap();
        assert_eq!((totals(&counts)[0], refused), (3, vec![format!("customer_contact/{stray} email")]), "{counts:?}");
        desk.delete("customer_contact", &stray);
        take(portal, &joined, false).await.unwrap();
        assert_eq!(portal.count("SELECT count(*) FROM desk_refused").await, 0);
    }

    async fn an_instance_that_ignores_the_order_is_not_believed(portal) {
        let desk = ServiceNow::start().await;
        for n in 0..5 {
            desk.insert("customer_account", &[("number", &format!("N{n}")), ("name", "Name")]);
            desk.advance(1);
        }
        desk.ignores_order();
        let error = take(portal, &joined(portal, &desk), false).await.unwrap_err();
        assert!(error.contains("order"), "{error}");
        assert_eq!(portal.count("SELECT count(*) FROM desk_cursors").await, 0);
    }

    async fn one_process_synchronizes_at_a_time_and_whoever_lost_its_lease_writes_nothing(portal) {
        let desk = ServiceNow::start().await;
        acme(&desk);
        let (one, two, how) = (joined(portal, &desk), joined(portal, &desk), How::default());
        // While the first one waits for an answer, a second one begins, in vain; then time goes by and it does not.
        desk.fail([Fault::Hangs]);
        let clock = portal.clock.clone();
        let first = from_servicenow(&one, false, &how, QUICK);
        let second = async {
            until("the first one asks", || async { !desk.requests().is_empty() }).await;
            let error = from_servicenow(&two, false, &how, QUICK).await.unwrap_err();
            assert!(error.contains("another process"), "{error}");
            clock.advance(7 * MINUTE);
            from_servicenow(&two, false, &how, QUICK).await.unwrap()
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(totals(&second), [3, 0, 1, 0]);
        assert!(first.unwrap_err().contains("another process"));
    }

    async fn a_token_is_asked_for_once_and_again_when_it_ends(portal) {
        let desk = ServiceNow::start().await;
        acme(&desk);
        let mut config = joined(portal, &desk).config.clone();
        (config.servicenow_client_id, config.servicenow_client_secret) = ("client".to_owned(), "s3cret".to_owned());
        let joined = Portal::new(portal.db.clone(), config.clone(), portal.clock.clone());
        let tokens = || desk.requests().iter().filter(|asked| asked.contains("oauth")).count();
        desk.before(2, |desk| desk.end_tokens());
        take(portal, &joined, false).await.unwrap();
        assert_eq!(tokens(), 2);
        config.servicenow_client_secret = "wrong".to_owned();
        let error = take(portal, &Portal::new(portal.db.clone(), config, portal.clock.clone()), false).await.unwrap_err();
        assert!(error.contains("gives no token: 401"), "{error}");
    }

    async fn serve_synchronizes_by_itself_and_lets_go_when_it_stops(portal) {
        let desk = ServiceNow::start().await;
        let (account, _) = acme(&desk);
        let options = || Options::default().with("servicenow_url", &desk.url()).with("servicenow_user", servicenow::USER).with("servicenow_password", servicenow::PASSWORD);
        let second = TestPortal::second_with(portal, options()).await;
        until("it came by itself", || async { portal.count("SELECT count(*) FROM entitlements").await == 1 }).await;
        until("it is noted", || async { portal.count("SELECT count(*) FROM audit_events WHERE action = 'customer.import'").await == 1 }).await;
        // The console has its report like that of an import from a file.
        let olga = portal.operator("olga").await;
        let runs = olga.get("/operator/imports").await.is(200);
        let rows = runs.texts("tbody tr");
        assert!(rows.len() == 1 && rows[0].contains("ServiceNow") && rows[0].contains("Finished"), "{rows:?}");
        let report = olga.get(&runs.attributes("tbody tr th a", "href")[0]).await.is(200);
        assert!(report.fact("Added").contains("1 of kind customer"), "{}", report.fact("Added"));
        second.stop().await;
        // With an instance that does not answer the portal serves all the same, and stops at once.
        desk.update("customer_account", &account, &[("name", "Acme SE")]);
        desk.fail([Fault::Hangs]);
        portal.clock.advance(6 * MINUTE);
        desk.requests();
        let third = TestPortal::second_with(portal, options()).await;
        until("it asks", || async { !desk.requests().is_empty() }).await;
        third.browser().get("/sign-in").await.is(200);
        third.stop().await;
        until("the lease is free", || async { portal.count("SELECT count(*) FROM desk_leases WHERE held_until IS NOT NULL").await == 0 }).await;
        assert_eq!(portal.count("SELECT count(*) FROM imports").await, 1, "of what was stopped nothing had come");
        let fourth = TestPortal::second_with(portal, options()).await;
        until("the next one goes on", || async { portal.text("SELECT name FROM customers").await == "Acme SE" }).await;
        until("it is noted", || async { portal.count("SELECT count(*) FROM imports WHERE finished_at IS NOT NULL").await == 2 }).await;
        fourth.stop().await;
    }

    async fn of_what_comes_by_itself_the_console_keeps_what_is_news(portal) {
        let desk = ServiceNow::start().await;
        acme(&desk);
        let options = || Options::default().with("servicenow_url", &desk.url()).with("servicenow_user", servicenow::USER).with("servicenow_password", servicenow::PASSWORD);
        let ended = async |what: &str| {
            let before = portal.text("SELECT coalesce(max(ended_at), 0) FROM desk_leases").await;
            portal.clock.advance(6 * MINUTE);
            let second = TestPortal::second_with(portal, options()).await;
            until(what, || async { portal.text("SELECT coalesce(max(ended_at), 0) FROM desk_leases").await != before }).await;
            until("it is noted", || async { portal.count("SELECT count(*) FROM imports WHERE finished_at IS NULL").await == 0 }).await;
            second.stop().await;
            portal.rows("SELECT failed <> '', refusals_count FROM imports ORDER BY started_at DESC").await.len()
        };
        assert_eq!(ended("everything came").await, 1);
        assert_eq!(ended("nothing is new").await, 1);
        desk.insert("customer_account", &[("number", "W"), ("name", "")]);
        assert_eq!(ended("one is refused").await, 2);
        assert_eq!(ended("it is refused again").await, 2);
        desk.fail([Fault::Status(403, None)]);
        assert_eq!(ended("the instance refuses").await, 3);
        let olga = portal.operator("olga").await;
        let runs = olga.get("/operator/imports").await.is(200);
        let rows = runs.texts("tbody tr");
        assert!(rows[0].contains("Broke off") && rows[1].contains("1 refused") && rows[2].contains("Finished"), "{rows:?}");
        let failed = olga.get(&runs.attributes("tbody tr th a", "href")[0]).await.is(200);
        assert!(!failed.fact("Broke off").is_empty());
    }

    async fn an_import_that_was_killed_goes_on_where_it_was(portal) {
        let desk = ServiceNow::start().await;
        for n in 0..PAGE + 20 {
            desk.insert("customer_account", &[("number", &format!("N{n}")), ("name", "Name")]);
        }
        let command = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_org-portal"));
            command.args(["import", "servicenow"]).args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).envs([
                ("DATABASE_URL", portal.config.database_url.as_str()),
                ("ORG_PORTAL_SERVICENOW_URL", &desk.url()),
                ("ORG_PORTAL_SERVICENOW_USER", servicenow::USER),
                ("ORG_PORTAL_SERVICENOW_PASSWORD", servicenow::PASSWORD),
            ]);
            command
        };
        // The second page never comes.
        desk.before(1, |desk| desk.fail([Fault::Hangs]));
        let mut process = command(&[]).spawn().unwrap();
        until("a page is in", || async { portal.count("SELECT count(*) FROM customers").await == PAGE as i64 }).await;
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(portal.count("SELECT count(*) FROM desk_cursors").await, 1);
        // The lease of the dead runs out by the clock.
        portal.execute("UPDATE desk_leases SET held_until = 1").await;
        desk.requests();
        let output = tokio::task::spawn_blocking({ let mut command = command(&[]); move || command.output().unwrap() }).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("added: 20 of kind customer"), "{text} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(portal.count("SELECT count(*) FROM customers").await, PAGE as i64 + 20);
        assert_eq!(portal.count("SELECT count(*) FROM imports WHERE finished_at IS NULL AND seen_at IS NOT NULL").await, 1, "of the dead nothing was heard since");
        assert_eq!(portal.count("SELECT count(*) FROM imports WHERE finished_at IS NOT NULL AND failed = ''").await, 1);
        // One that is refused, with --strict, ends it with its name.
        let wrong = desk.insert("customer_account", &[("number", "W"), ("name", "")]);
        let output = tokio::task::spawn_blocking({ let mut command = command(&["--strict"]); move || command.output().unwrap() }).await.unwrap();
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains(&format!("customer_account/{wrong}")), "{output:?}");
    }
}

/// The version of ServiceNow's own client by which the instance of the tests is checked.
const PYSNC: &str = "1.2.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tests_instance_is_one_for_servicenows_own_client() {
    let desk = ServiceNow::start().await;
    let (account, contact) = acme(&desk);
    for n in 0..250 {
        desk.insert("customer_account", &[("number", &format!("N{n:03}")), ("name", "Name")]);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/servicenow_check.py");
    let url = desk.url();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(python::python_with("pysnc", PYSNC))
            .arg(script)
            .args([&url, servicenow::USER, servicenow::PASSWORD, &account, &contact])
            .output()
            .expect("Python runs")
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(desk.records("sn_customerservice_case").len(), 1);
}

/// A case of an account.
fn case(desk: &ServiceNow, account: &str, subject: &str, more: &[(&str, &str)]) -> String {
    let fields = [
        ("account", account),
        ("short_description", subject),
        ("description", "It **breaks**"),
        ("opened_at", "2026-11-01 10:00:00"),
        ("state", "Open"),
        ("priority", "2 - High"),
    ];
    desk.insert("sn_customerservice_case", &[&fields[..], more].concat())
}

fn with_desk(desk: &ServiceNow) -> Options {
    let options = Options::default().with("servicenow_url", &desk.url()).with("servicenow_user", servicenow::USER);
    options.with("servicenow_password", servicenow::PASSWORD).with("servicenow_minutes", "0")
}

/// Brings what is due, beside the server's own worker, until nothing is.
async fn bring(portal: &TestPortal) {
    let messenger = Messenger::open(&portal.portal, Patience { tries: 1, ..QUICK }).unwrap().unwrap();
    until("nothing is due", || async {
        outbox::deliver_due(&portal.portal, &messenger).await.expect("the outbox is read");
        let now = portal.clock.now().0;
        portal
            .count(&format!("SELECT count(*) FROM outbox WHERE kind = 'desk' AND done_at IS NULL AND dead_at IS NULL AND due_at <= {now}"))
            .await
            == 0
    })
    .await;
}

/// The comments on cases, without the line by which the portal knows its own.
fn comments(desk: &ServiceNow) -> Vec<String> {
    let mut all = desk.records("sys_journal_field");
    all.sort_by_key(|entry| (entry["sys_created_on"].clone(), entry["value"].clone()));
    all.into_iter().map(|entry| entry["value"].split("\n\n[portal:").next().unwrap().to_owned()).collect()
}

on_both! {
    async fn cases_and_their_comments_come_as_tickets_and_follow_the_desk(portal) {
        let desk = ServiceNow::start().await;
        let (account, contact) = acme(&desk);
        let one = case(&desk, &account, "It does not start", &[("contact", &contact)]);
        case(&desk, "", "Nobody's", &[]);
        desk.update("sn_customerservice_case", &one, &[("comments", "We look into it")]);
        desk.update("sn_customerservice_case", &one, &[("work_notes", "Do not tell")]);
        let joined = joined(portal, &desk);
        let (counts, refused) = take(portal, &joined, false).await.unwrap();
        assert_eq!((counts.added["ticket"], counts.added["message"], refused.len()), (1, 1, 0), "{counts:?} {refused:?}");
        let before = portal.snapshot(&["audit_events", "imports", "desk_leases", "desk_cursors"]).await;
        for full in [false, true] {
            let (counts, _) = take(portal, &joined, full).await.unwrap();
            assert_eq!((totals(&counts)[0], totals(&counts)[1]), (0, 0), "{counts:?}");
        }
        assert_eq!(portal.snapshot(&["audit_events", "imports", "desk_leases", "desk_cursors"]).await, before);
        let ada = portal.sign_up("ada").await;
        let number = portal.text("SELECT number FROM tickets").await;
        let page = ada.get(&format!("/organization/tickets/{number}")).await.is(200).says("We look into it").says("2 - High").never_says("Do not tell");
        assert_eq!((page.heading().as_str(), number.starts_with("CS")), ("It does not start", true));
        assert!(page.has_link(&format!("{}/csm?id=csm_ticket&table=sn_customerservice_case&sys_id={one}", desk.url())));
        // The state follows, and the thread; whoever is concerned is told.
        desk.advance(7200);
        desk.update("sn_customerservice_case", &one, &[("state", "Resolved"), ("comments", "It is mended")]);
        let (counts, _) = take(portal, &joined, false).await.unwrap();
        assert_eq!((counts.added["message"], counts.changed["ticket"]), (1, 1), "{counts:?}");
        ada.get(&format!("/organization/tickets/{number}")).await.is(200).says("It is mended").says("Resolved");
        assert_eq!(portal.count("SELECT tickets FROM ticket_counts WHERE tickets > 0").await, 1);
        assert_eq!(portal.text("SELECT stage FROM ticket_counts WHERE tickets > 0").await, "resolved");
        // A case whose customer comes later comes with its comments.
        let late = desk.insert("customer_account", &[("number", "ACCT9"), ("name", "")]);
        let second = case(&desk, &late, "Later", &[]);
        desk.update("sn_customerservice_case", &second, &[("comments", "The first")]);
        take(portal, &joined, false).await.unwrap();
        desk.advance(7200);
        take(portal, &joined, false).await.unwrap();
        assert_eq!(portal.count("SELECT count(*) FROM tickets").await, 1);
        desk.update("customer_account", &late, &[("name", "Late")]);
        let (counts, _) = take(portal, &joined, false).await.unwrap();
        assert_eq!((counts.added["ticket"], counts.added["message"]), (1, 1), "{counts:?}");
    }

    async fn what_is_raised_and_written_here_is_there_once_whatever_happens(portal) {
        let desk = ServiceNow::start().await;
        let (account, contact) = acme(&desk);
        let second = TestPortal::second_with(portal, with_desk(&desk)).await;
        take(portal, &joined(portal, &desk), false).await.unwrap();
        let ada = second.sign_up("ada").await;
        // While it is away the ticket is there, and says that it is on its way.
        desk.away(true);
        let fields = [("subject", "It does not start"), ("description", "It **breaks**"), ("priority", "P2 - High")];
        let page = ada.fill("/organization/tickets/new", "/do/raise_ticket", &fields).await.is(303).location().to_owned();
        ada.fill(&page, "/do/reply_to_ticket", &[("body", "Still so")]).await.is(303);
        until("it was tried", || async { second.count("SELECT count(*) FROM outbox WHERE kind = 'desk' AND last_error IS NOT NULL").await > 0 }).await;
        assert_eq!(second.text("SELECT desk_state FROM tickets").await, "waiting");
        // It is back: the answer to the new case is lost, and that to the comment.
        desk.away(false);
        desk.fail([Fault::Status(503, None), Fault::DoneAndLost, Fault::DoneAndLost, Fault::DoneAndLost, Fault::DoneAndLost, Fault::DoneAndLost]);
        for _ in 0..12 {
            second.clock.advance(60 * MINUTE);
            bring(&second).await;
        }
        let cases = desk.records("sn_customerservice_case");
        assert_eq!((cases.len(), comments(&desk)), (1, vec!["Ada Example: Still so".to_owned()]));
        let case = &cases[0];
        assert_eq!((&case["short_description"], &case["account"], &case["contact"], &case["priority"]), (&"It does not start".to_owned(), &account, &contact, &"2".to_owned()));
        assert!(case["description"].contains("It **breaks**") && case["description"].contains("ada@example.com"));
        assert_eq!(second.rows("SELECT number, desk_state, external_id FROM tickets").await, [[case["number"].as_str(), "there", case["sys_id"].as_str()]]);
        // The link with the portal's own number still leads there.
        ada.get(&page).await.is(200).says(&case["number"]).says("Still so");
        // What comes back is known as the portal's own; what the desk says is new.
        desk.update("sn_customerservice_case", &case["sys_id"], &[("comments", "We look into it")]);
        take(portal, &joined(portal, &desk), false).await.unwrap();
        take(portal, &joined(portal, &desk), true).await.unwrap();
        assert_eq!(second.rows("SELECT side, body FROM ticket_messages ORDER BY at, id").await.len(), 2);
        assert_eq!((second.count("SELECT count(*) FROM tickets").await, second.count("SELECT messages FROM tickets").await), (1, 2));
        // Solved here: the desk is told, and its state follows.
        let here = format!("/organization/tickets/{}", case["number"]);
        ada.fill(&here, "/do/resolve_ticket", &[]).await.is(303);
        until("the desk knows", || async { desk.records("sn_customerservice_case")[0]["state"] == "6" }).await;
        until("all is there", || async { second.text("SELECT desk_state FROM tickets").await == "there" }).await;
        assert_eq!(comments(&desk).len(), 3);
        second.stop().await;
    }

    async fn what_support_answers_and_changes_in_the_console_is_there_and_no_note(portal) {
        let desk = ServiceNow::start().await;
        acme(&desk);
        let second = TestPortal::second_with(portal, with_desk(&desk)).await;
        take(portal, &joined(portal, &desk), false).await.unwrap();
        let (ada, staff) = (second.sign_up("ada").await, second.operator("sam").await);
        let fields = [("subject", "It does not start"), ("description", "It breaks"), ("priority", "P2 - High")];
        let page = ada.fill("/organization/tickets/new", "/do/raise_ticket", &fields).await.is(303).location().to_owned();
        until("the case is made", || async { second.text("SELECT desk_state FROM tickets").await == "there" }).await;
        // The number is the desk's by now: the console's links with the portal's own lead there, too.
        let here = format!("/operator/tickets/{}", page.rsplit('/').next().unwrap());
        staff.fill(&here, "/do/note_ticket", &[("body", "Do not tell")]).await.is(303);
        staff.fill(&here, "/do/answer_ticket", &[("body", "Which version?"), ("stage", "waiting")]).await.is(303);
        let case = || desk.records("sn_customerservice_case").remove(0);
        until("the desk knows", || async { case()["state"] == "18" }).await;
        until("all is there", || async { second.text("SELECT desk_state FROM tickets").await == "there" }).await;
        let form = staff.get(&here).await.form("/do/change_ticket");
        staff.submit(&form.with("stage", "closed")).await.is(303);
        until("the desk knows", || async { case()["state"] == "3" }).await;
        until("all is there", || async { second.text("SELECT desk_state FROM tickets").await == "there" }).await;
        let said = ["changed the state to Awaiting customer", "Which version?", "changed the state to Closed"];
        let mut there = comments(&desk);
        there.sort();
        let mut said = said.map(|said| format!("Sam Example: {said}"));
        said.sort();
        assert_eq!(there, said);
        // Once, and known as the portal's own when it comes back.
        take(portal, &joined(portal, &desk), true).await.unwrap();
        assert_eq!((comments(&desk).len(), second.count("SELECT count(*) FROM ticket_messages").await), (3, 3));
        second.stop().await;
    }

    async fn what_did_not_reach_the_desk_is_in_the_console_and_sent_again(portal) {
        let desk = ServiceNow::start().await;
        acme(&desk);
        let second = TestPortal::second_with(portal, with_desk(&desk)).await;
        take(portal, &joined(portal, &desk), false).await.unwrap();
        let (ada, olga) = (second.sign_up("ada").await, second.operator("olga").await);
        desk.away(true);
        let fields = [("subject", "It does not start"), ("description", "It breaks"), ("priority", "P2 - High")];
        ada.fill("/organization/tickets/new", "/do/raise_ticket", &fields).await.is(303);
        until("it was tried", || async { second.count("SELECT count(*) FROM outbox WHERE kind = 'desk' AND last_error IS NOT NULL").await > 0 }).await;
        second.execute(&format!("UPDATE outbox SET dead_at = {}, lease_until = NULL WHERE kind = 'desk'", second.clock.now().0)).await;
        let page = olga.get("/operator/outbox").await.is(200);
        assert!(page.text("tbody tr").contains("Ticket to the desk"), "{}", page.sketch());
        let detail = page.attributes("tbody tr th a", "href").remove(0);
        olga.get(&detail).await.is(200).says("Ticket to the desk").never_says("Subject");
        desk.away(false);
        olga.fill(&detail, "/do/retry_mail", &[]).await.leads_to("/operator/outbox");
        until("it is there", || async { second.text("SELECT desk_state FROM tickets").await == "there" }).await;
        olga.get("/operator/audit?kind=mail").await.is(200).says("sent a ticket on its way again");
        second.stop().await;
    }
}
