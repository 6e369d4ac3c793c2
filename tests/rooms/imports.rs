//! Imports (`docs/import.md`): rehearsed, from files of every kind of badness, and with tickets.

use org_portal::{
    cli::{
        generate::files,
        import::{How, import},
    },
    words::{DAY, MINUTE},
};

use crate::{
    customers::{ACME, take, take_as, total},
    on_both,
    support::*,
};

const TICKETS: &str = r#"
{"kind":"ticket","customer":"C1","number":"CS-1","subject":"Replica falls behind","description":"Since **Monday**.","priority":"P2 - High","state":"In Progress","department":"Support","category":"Replication","product":"MySQL","requester_name":"Eve Example","requester_email":"Eve@example.com","created":"2026-11-18T10:00:00Z","updated":"2026-11-20T10:00:00Z","url":"https://desk.vendor.example/tickets/CS-1"}
{"kind":"message","ticket":"CS-1","id":"M2","author_name":"Eve Example","side":"customer","body":"That helped, thank you!","at":"2026-11-19T12:00:00Z"}
{"kind":"ticket","customer":"C1","number":"CS-2","subject":"Backup ends with an error","priority":"Urgent","state":"Closed","requester_name":"Bob Example","requester_email":"bob@example.com","created":"2026-10-18T10:00:00Z"}
{"kind":"message","ticket":"CS-1","id":"M1","author_name":"Maria Manager","side":"staff","body":"We could reproduce it.","at":"2026-11-19T10:00:00Z"}
{"kind":"message","ticket":"CS-2","id":"M1","author_name":"Maria Manager","side":"staff","body":"It is fixed.","at":"2026-10-19T10:00:00Z"}
{"kind":"message","ticket":"CS-2","id":"M2","side":"customer","body":"It is.","at":"2026-10-19T10:00:00Z"}
"#;

/// Whether the counters are what counting gives.
async fn counted(portal: &TestPortal) {
    let kinds = |from: &str, n: &str| format!("SELECT owner_id, stage, department, priority_rank, {n} FROM {from} ORDER BY 1, 2, 3, 4");
    let kept = portal.rows(&kinds("ticket_counts WHERE tickets > 0", "tickets")).await;
    assert_eq!(kept, portal.rows(&kinds("tickets GROUP BY owner_id, stage, department, priority_rank", "count(*)")).await);
    let wrong = "SELECT count(*) FROM tickets t WHERE t.messages <> (SELECT count(*) FROM ticket_messages m WHERE m.ticket_id = t.id)";
    assert_eq!(portal.count(wrong).await, 0, "messages");
}

on_both! {
    async fn a_rehearsal_says_what_would_come_of_it_and_writes_nothing(portal) {
        take(portal, ACME).await;
        // Everything that a later line can ask of an earlier one, with what is there already.
        let lines = [
            r#"{"kind":"customer","number":"C1","name":"Acme SE","domain":"acme2.example","administrator":"BOB@example.com"}"#,
            // The domain that the one above gives up.
            r#"{"kind":"customer","number":"C2","name":"Two","domain":"acme.example","administrator":"Zoe@example.com"}"#,
            r#"{"kind":"customer","number":"C3","name":"Three","domain":"acme2.example"}"#,
            r#"{"kind":"person","customer":"C1","email":"ada@example.com","role":"Technical user"}"#,
            r#"{"kind":"person","customer":"C1","email":"bob@example.com","role":"Technical user"}"#,
            r#"{"kind":"person","customer":"C2","email":"zoe@example.com"}"#,
            r#"{"kind":"person","customer":"C2","email":"eve@example.com"}"#,
            r#"{"kind":"person","customer":"C2","email":"new@example.com"}"#,
            r#"{"kind":"customer","number":"C4","name":"Four","administrator":"New@example.com"}"#,
            r#"{"kind":"customer","number":"C5","name":"Five","administrator":"five@example.com"}"#,
            r#"{"kind":"person","customer":"C5","email":"five@example.com"}"#,
            r#"{"kind":"contact","customer":"C2","email":"csm@vendor.example","name":"Maria Manager"}"#,
            r#"{"kind":"contact","customer":"C1","email":"CSM@vendor.example","name":"Maria Manager"}"#,
            r#"{"kind":"entitlement","customer":"C2","number":"E1","name":"Taken","start":"2026-01-01","end":"2026-12-10"}"#,
            r#"{"kind":"entitlement","customer":"C2","number":"E3","name":"New","start":"2026-01-01","end":"2026-12-10"}"#,
            r#"{"kind":"entitlement","customer":"C3","number":"E4","name":"Nobody's","start":"2026-01-01","end":"2026-12-10"}"#,
            r#"{"kind":"person","customer":"C6","email":"early@example.com"}"#,
            r#"{"kind":"customer","number":"C6","name":"Six"}"#,
        ];
        let padding: Vec<String> = (0..1200).map(|n| format!("{{\"kind\":\"customer\",\"number\":\"P{n}\",\"name\":\"Padding\"}}")).collect();
        // In one batch, and each line in a batch of its own.
        let spread: Vec<String> = lines.iter().enumerate().flat_map(|(n, line)| {
            let pad = |m: usize| format!("{{\"kind\":\"customer\",\"number\":\"P{}\",\"name\":\"Padding\"}}", n * 1000 + m);
            std::iter::once((*line).to_owned()).chain((0..1000).map(pad)).collect::<Vec<_>>()
        }).collect();
        let whole = lines.map(str::to_owned).into_iter().chain(padding).collect::<Vec<_>>().join("\n");
        let before = portal.state().await;
        let rehearsed = take_as(portal, &whole, true).await;
        let rehearsed_apart = take_as(portal, &spread.join("\n"), true).await;
        assert_eq!(portal.state().await, before, "nothing is written");
        assert_eq!(rehearsed.1, ["3 domain", "7 email", "9 administrator", "14 number", "16 customer", "17 customer"]);
        let fields = |refusals: &[String]| refusals.iter().map(|refusal| refusal.split(' ').next_back().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(fields(&rehearsed.1), fields(&rehearsed_apart.1));
        let done = take(portal, &whole).await;
        assert_eq!(done, rehearsed);
        let (changed, unchanged) = (&done.0.changed, &done.0.unchanged);
        // C1; ada is no administrator any more and becomes what her record says; zoe's spelling; five is as its customer said.
        assert_eq!((changed["customer"], changed["person"], changed["contact"], unchanged["person"]), (1, 2, 1, 2), "{done:?}");
        let administrators = portal.rows("SELECT c.number, p.email, p.role FROM customer_people p JOIN customers c ON c.id = p.customer_id WHERE p.administrator = '1' ORDER BY c.number");
        assert_eq!(administrators.await, [["C1", "bob@example.com", "Admin"], ["C2", "zoe@example.com", "Admin"], ["C5", "five@example.com", "Admin"]]);
        assert_eq!(portal.text("SELECT role FROM customer_people WHERE email_key = 'ada@example.com'").await, "Technical user");
        assert_eq!(portal.rows("SELECT number, domain FROM customers WHERE domain IS NOT NULL ORDER BY number").await, [["C1", "acme2.example"], ["C2", "acme.example"]]);
    }

    async fn a_rehearsal_of_a_folder_knows_in_each_file_what_the_others_say_of_the_same_records(portal) {
        take(portal, ACME).await;
        take(portal, TICKETS).await;
        let (folder, reports) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let entitlement = |number: &str, customer: &str, name: &str| format!("{{\"kind\":\"entitlement\",\"customer\":\"{customer}\",\"number\":\"{number}\",\"name\":\"{name}\",\"start\":\"2026-01-01\",\"end\":\"2026-12-10\"}}\n");
        let customer = |number: &str, name: &str, domain: &str, administrator: &str| format!("{{\"kind\":\"customer\",\"number\":\"{number}\",\"name\":\"{name}\",\"domain\":\"{domain}\",\"administrator\":\"{administrator}\"}}\n");
        let contact = |customer: &str, name: &str| format!("{{\"kind\":\"contact\",\"customer\":\"{customer}\",\"email\":\"csm@vendor.example\",\"name\":\"{name}\"}}\n");
        // Changed and added here, and said again by the tables: the same, something else, or as it was before.
        write("customers.jsonl", &[
            customer("C1", "Acme SE", "acme2.example", "bob@example.com"), customer("C2", "Two", "two.example", "zoe@example.com"), customer("C3", "Three", "three.example", "kim@example.com"),
            contact("C1", "Another"), contact("C2", "New"), entitlement("E1", "C1", "Changed"), entitlement("E2", "C1", "Changed too"), entitlement("E8", "C2", "New"), entitlement("E9", "C2", "New"),
        ].concat());
        write("customers.csv", "number,name,domain,administrator\nC1,Acme SE,acme2.example,bob@example.com\nC2,Two again,deux.example,zoe@example.com\nC3,Three,three.example,mia@example.com\nC4,Four,acme.example,four@example.com\nC5,Five,two.example,five@example.com\nC6,Six,acme2.example,\n");
        write("people.csv", "email,customer,role\nkim@example.com,C3,Technical user\nmia@example.com,C3,Technical user\nbob@example.com,C1,Technical user\nada@example.com,C1,Technical user\nzoe@example.com,C1,Admin\n");
        write("contacts.csv", "email,customer,name\ncsm@vendor.example,C1,Another\nCSM@vendor.example,C2,New\ncsm@vendor.example,C3,First\n");
        write("entitlements.csv", "number,customer,name,start,end\nE1,C1,Changed,2026-01-01,2026-12-10\nE2,C1,Old contract,2024-01-01,2025-01-01\nE8,C2,Newer,2026-01-01,2026-12-10\nE9,C3,Another's,2026-01-01,2026-12-10\n");
        let csv = "number,customer,subject,state,created,updated\n";
        write("tickets.csv", &format!("{csv}CS-1,C1,Changed,Closed,2026-11-18T10:00:00Z,2026-11-21T10:00:00Z\nCS-2,C1,Changed,Closed,2026-10-18T10:00:00Z,2026-11-18T10:00:00Z\nCS-8,C2,New,New,2026-11-18T10:00:00Z,2026-11-18T10:00:00Z\nCS-9,C2,New,New,2026-11-18T10:00:00Z,2026-11-18T10:00:00Z\n"));
        write("messages.csv", "ticket,id,side,body,at\nCS-1,M1,staff,Changed,2026-11-19T10:00:00Z\nCS-8,M1,staff,New,2026-11-19T10:00:00Z\nCS-9,M1,staff,New,2026-11-19T10:00:00Z\n");
        let ticket = |number: &str, customer: &str, subject: &str, state: &str, created: &str, updated: &str| format!("{{\"kind\":\"ticket\",\"customer\":\"{customer}\",\"number\":\"{number}\",\"subject\":\"{subject}\",\"state\":\"{state}\",\"created\":\"{created}T10:00:00Z\",\"updated\":\"{updated}T10:00:00Z\"}}\n");
        let message = |ticket: &str, body: &str| format!("{{\"kind\":\"message\",\"ticket\":\"{ticket}\",\"id\":\"M1\",\"side\":\"staff\",\"body\":\"{body}\",\"at\":\"2026-11-19T10:00:00Z\"}}\n");
        write("tickets.jsonl", &[
            ticket("CS-1", "C1", "Changed", "Closed", "2026-11-18", "2026-11-21"), ticket("CS-2", "C1", "Older", "Closed", "2026-10-18", "2026-11-17"),
            ticket("CS-8", "C2", "Newer", "New", "2026-11-18", "2026-11-19"), ticket("CS-9", "C3", "Another's", "New", "2026-11-18", "2026-11-19"),
            message("CS-1", "Changed"), message("CS-8", "Changed"), message("CS-9", "New"),
        ].concat());
        for round in ["on what was there", "again"] {
            let before = portal.state().await;
            let report = |name: &str| reports.path().join(name);
            let read = |name: &str| -> serde_json::Value { serde_json::from_slice(&std::fs::read(report(name)).unwrap()).unwrap() };
            let rehearsed = import(&portal.portal, folder.path(), &How { rehearses: true, report: Some(report("rehearsed")), ..How::default() }).await.unwrap();
            assert_eq!(portal.state().await, before, "nothing is written");
            let done = import(&portal.portal, folder.path(), &How { report: Some(report("done")), ..How::default() }).await.unwrap();
            assert_eq!(rehearsed, done, "{round}");
            assert_eq!(read("rehearsed"), read("done"), "{round}");
            counted(portal).await;
            if round == "on what was there" {
                let refused: Vec<String> = read("done")["refusals"].as_array().unwrap().iter().map(|r| format!("{}:{} {}", r["file"].as_str().unwrap(), r["line"], r["field"].as_str().unwrap())).collect();
                assert_eq!(refused, ["customers.csv:7 domain", "people.csv:6 email", "entitlements.csv:5 number", "tickets.jsonl:4 number"], "what one file says is known in the next");
                assert_eq!((done.unchanged["customer"], done.unchanged["contact"], done.unchanged["entitlement"], done.unchanged["ticket"], done.unchanged["message"]), (1, 1, 1, 2, 2), "{done:?}");
            }
        }
    }

    async fn bad_files_are_named_in_the_report(portal) {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.json");
        let how = How { report: Some(report.clone()), ..How::default() };
        let read = || -> serde_json::Value { serde_json::from_slice(&std::fs::read(&report).unwrap()).expect("the report is JSON") };
        let refusals = || {
            let report = read();
            let refusals = report["refusals"].as_array().unwrap().clone();
            refusals.iter().map(|r| format!("{}:{} {}: {}", r["file"].as_str().unwrap(), r["line"], r["field"].as_str().unwrap(), r["reason"].as_str().unwrap())).collect::<Vec<_>>()
        };
        // What cannot be read at all ends it before anything is written.
        for (name, content, why) in [
            ("customers.csv", &b"number,colour\nC1,red\n"[..], "customers.csv: The first line has to name fields of a customer: number, name, domain, administrator; it is number, colour"),
            ("customers.csv", b"number,name,number\nC1,x,C2\n", "The first line names number twice"),
            ("customers.csv", b"number;name\nC1;x\n", "separated by semicolons, and have to be separated by commas"),
            ("customers.csv", b"\"number,name\nC1,x\n", "A quote that opens on line 1 is not closed"),
            ("customers.csv", b"", "the file is empty"),
            ("customers.csv", b"n\xFCmber,name\nC1,x\n", "it is not UTF-8"),
            ("customers.jsonl", b"\xFF\xFE{\0}\0", "customers.jsonl: It is UTF-16"),
            ("clients.csv", b"number,name\n", "tells by its name what it holds"),
            ("customers.txt", b"number,name\n", "has to end in .jsonl or .csv"),
        ] {
            let file = folder.path().join(name);
            std::fs::write(&file, content).unwrap();
            let error = import(&portal.portal, &file, &how).await.unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(refusals().is_empty() && read()["failed"] == error, "it is said once: {}", read());
            std::fs::remove_file(&file).unwrap();
        }
        assert_eq!(portal.count("SELECT count(*) FROM customers").await, 0);
        // A line that is wrong does not stop the others.
        let long = "x".repeat(10 * 1024 * 1024);
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("customers.csv", format!("\u{feff}number,name,domain,administrator\r\nC1,Acme,acme.example,ada@example.com\r\n\r\nC2,\"{long}\r\n\",,\r\nC1,Again,,\r\nC3,Three,GMail.com,\r\nC4,Four,,\r\n").as_bytes());
        write("people.csv", &[b"customer,email\nC1,m\xFCller@example.com\nC4,ada@example.com\nC4,Bob@example.com\nC4,bob@EXAMPLE.com\n".as_slice(), b"C4,a,b\nC4\n"].concat());
        write("contacts.csv", b"customer,email,name\nC4,Csm@vendor.example,Maria\nC4,csm@vendor.example,Maria\n");
        write("entitlements.csv", b"number,customer,name,start,end\nE1,C4,Gold,2026-02-30,yesterday\nE2,C4,Gold,2026-02-03,2026-02-01\n");
        let counts = import(&portal.portal, folder.path(), &how).await.unwrap();
        assert_eq!(
            refusals(),
            [
                "customers.csv:4 line: It is longer than a mebibyte",
                "customers.csv:6 number: It stood in line 2 already",
                "customers.csv:7 domain: Anybody can have an address there, so it is no company's domain: “GMail.com”",
                "people.csv:2 line: It is not UTF-8",
                "people.csv:3 email: This person belongs to customer C1 already",
                "people.csv:5 email: This person stood in line 4 already, and a person belongs to one customer",
                "people.csv:6 line: It has 3 fields where the first line names 2",
                "people.csv:7 line: It has 1 field where the first line names 2",
                "contacts.csv:3 email: It stood in line 2 already",
                "entitlements.csv:2 start: It has to be a day like 2026-11-24: “2026-02-30”",
                "entitlements.csv:2 end: It has to be a day like 2026-11-24: “yesterday”",
                "entitlements.csv:3 end: It ends before it starts: “2026-02-01”",
            ]
        );
        assert_eq!((total(&counts.added), total(&counts.refused)), (4, 11), "{counts:?}");
        // A quote that is not closed takes what is behind it along, to the next one or to the end, and is named.
        write("customers.csv", b"number,name,domain\nC7,\"Seven,\nC8,Eight,\"y\"\nC7,\"Seven,\nC8,\"Eight\",\nC9,\"Nine,\nC10,Ten,\n");
        for name in ["people.csv", "contacts.csv", "entitlements.csv"] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        import(&portal.portal, folder.path(), &how).await.unwrap();
        let said = refusals();
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[0], "customers.csv:2 line: It has 2 fields where the first line names 3, and goes on to line 3: is a quote not closed?");
        assert_eq!(said[1], "customers.csv:4 line: Its name does not end with the line, and goes on to line 5: is a quote not closed?");
        assert!(said[2].starts_with("customers.csv:6 line: A quote that opens on line 6 is not closed"), "{said:?}");
        // A line of JSON that is cut off.
        std::fs::remove_file(folder.path().join("customers.csv")).unwrap();
        write("customers.jsonl", b"{\"kind\":\"customer\",\"number\":\"C7\"\n{\"kind\":\"customer\",\"number\":\"C7\" \"name\":1}\n");
        import(&portal.portal, folder.path(), &how).await.unwrap();
        let said = refusals();
        assert_eq!(said[0], "customers.jsonl:1 line: It is not JSON: the line ends before the object does");
        assert!(said[1].starts_with("customers.jsonl:2 line: It is not JSON: expected `,` or `}` at column "), "{said:?}");
        // A record with very many fields that there are not is named with a few of them.
        let fields: Vec<String> = (0..20_000).map(|n| format!("\"field {n} {}\":1", "y".repeat(5))).collect();
        let (_, many) = take(portal, &format!("{{\"kind\":\"customer\",\"number\":\"C9\",\"name\":\"x\",{}}}", fields.join(","))).await;
        assert_eq!(many.len(), 5, "{many:?}");
    }

    async fn what_a_folder_holds_that_is_not_read_is_named(portal) {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.json");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let how = How { report: Some(report.clone()), ..How::default() };
        let read = || -> serde_json::Value { serde_json::from_slice(&std::fs::read(&report).unwrap()).expect("the report is JSON") };
        write("ticket.csv", "number,customer,subject,state,created\nCS-1,C1,Lost,New,2026-11-20T10:00:00Z\n");
        write("People.CSV", "email,customer\nbob@example.com,C1\n");
        write("other.jsonl", "{}\n");
        write(".hidden", "");
        std::fs::create_dir(folder.path().join("2025")).unwrap();
        // With nothing else there is nothing to import.
        let error = import(&portal.portal, folder.path(), &how).await.unwrap_err();
        assert!(error.contains("The folder holds none of customers.jsonl, customers.csv"), "{error}");
        write("customers.csv", "number,name\nC1,Acme\n");
        let strict = How { is_strict: true, ..how.clone() };
        assert!(import(&portal.portal, folder.path(), &strict).await.unwrap_err().contains("2025"));
        assert_eq!(portal.count("SELECT count(*) FROM customers").await, 0, "before anything is written");
        let rehearsed = import(&portal.portal, folder.path(), &How { rehearses: true, ..how.clone() }).await.unwrap();
        portal.clock.advance(MINUTE);
        let counts = import(&portal.portal, folder.path(), &how).await.unwrap();
        assert_eq!(rehearsed, counts);
        assert_eq!((counts.added["customer"], counts.refused["file"], total(&counts.refused)), (1, 4, 4), "{counts:?}");
        let report = read();
        let said: Vec<String> = report["refusals"].as_array().unwrap().iter().map(|r| format!("{} {} {}", r["file"].as_str().unwrap(), r["line"], r["reason"].as_str().unwrap())).collect();
        for (name, why) in [("2025", "it is a folder"), ("People.CSV", "did you mean people.csv?"), ("other.jsonl", "what a folder holds is called customers.jsonl, "), ("ticket.csv", "did you mean tickets.csv?")] {
            assert!(said.iter().any(|line| line.starts_with(&format!("{name} null It was not read: ")) && line.contains(why)), "{name}: {said:?}");
        }
        let olga = portal.operator("olga").await;
        let runs = olga.get("/operator/imports").await.is(200);
        let page = olga.get(&runs.attributes("tbody tr th a", "href")[0]).await.is(200).says("did you mean tickets.csv?");
        assert_eq!(page.fact("Refused"), "4 files that were not read whole");
    }

    async fn a_file_that_grows_while_it_is_read_is_read_as_it_was_and_said_to_have_grown(portal) {
        let folder = tempfile::tempdir().unwrap();
        let (file, report) = (folder.path().join("customers.jsonl"), folder.path().join("report.json"));
        let line = |n: usize| format!("{{\"kind\":\"customer\",\"number\":\"G{n}\",\"name\":\"Grows\"}}\n");
        std::fs::write(&file, (0..3000).map(line).collect::<String>()).unwrap();
        // Somebody else appends without an end.
        let (growing, done) = (file.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let is_done = std::sync::Arc::clone(&done);
        let writer = tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            let mut file = std::fs::OpenOptions::new().append(true).open(growing).unwrap();
            let mut n = 3000;
            while !is_done.load(std::sync::atomic::Ordering::SeqCst) && n < 2_000_000 {
                file.write_all(line(n).as_bytes()).unwrap();
                n += 1;
            }
        });
        let counts = import(&portal.portal, &file, &How { report: Some(report.clone()), ..How::default() }).await.unwrap();
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        writer.await.unwrap();
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        let last = report["refusals"].as_array().unwrap().last().unwrap()["reason"].as_str().unwrap().to_owned();
        assert!(last.contains("when it was opened") && last.contains("import it again"), "{report}");
        assert!(total(&counts.added) >= 3000, "{counts:?}");
    }

    async fn what_is_generated_is_the_same_each_time_and_imported_without_a_refusal_and_twice_changes_nothing(portal) {
        let folder = tempfile::tempdir().unwrap();
        let plan = files::Plan { customers: 400, tickets: 3, seed: 7 };
        let generate = |name: &str, plan| {
            let folder = folder.path().join(name);
            let rows = files::write(&folder, plan, portal.clock.now()).unwrap();
            (rows, folder)
        };
        let bytes = |folder: &std::path::Path| {
            ["customers.csv", "people.csv", "contacts.csv", "entitlements.csv", "tickets.jsonl"].map(|name| std::fs::read(folder.join(name)).unwrap())
        };
        let (rows, first) = generate("first", plan);
        assert!(bytes(&first) == bytes(&generate("second", plan).1));
        assert!(bytes(&first) != bytes(&generate("third", files::Plan { seed: 8, ..plan }).1));
        let lines = |name: &str| i64::try_from(std::fs::read_to_string(first.join(name)).unwrap().lines().count()).unwrap();
        let five = lines("customers.csv") + lines("people.csv") + lines("contacts.csv") + lines("entitlements.csv") - 4;
        assert!((1900..2100).contains(&five), "about five rows a customer: {five}");
        assert!(lines("tickets.jsonl") > 1000);
        let counts = import(&portal.portal, &first, &How::default()).await.unwrap();
        assert_eq!((total(&counts.added), total(&counts.refused)), (rows, 0), "{counts:?}");
        let before = portal.state().await;
        let counts = import(&portal.portal, &first, &How::default()).await.unwrap();
        assert_eq!((total(&counts.unchanged), total(&counts.added) + total(&counts.changed)), (rows, 0), "{counts:?}");
        assert_eq!(portal.state().await, before);
        counted(portal).await;
        // Some entitlements are over, and some end soon.
        let now = portal.clock.now().0;
        for condition in [format!("ends_at < {now}"), format!("ends_at BETWEEN {now} AND {}", now + 30 * DAY), format!("ends_at > {}", now + 365 * DAY)] {
            assert!(portal.count(&format!("SELECT count(*) FROM entitlements WHERE {condition}")).await > 10, "{condition}");
        }
        // Every domain and address is one that nobody has (RFC 2606).
        assert_eq!(portal.count("SELECT count(*) FROM customers WHERE domain NOT LIKE '%.example'").await, 0);
        assert_eq!(portal.count("SELECT count(*) FROM customer_people WHERE email NOT LIKE '%.example'").await, 0);
    }

    async fn tickets_and_their_threads_are_imported_counted_and_shown(portal) {
        take(portal, ACME).await;
        let (counts, refused) = take(portal, TICKETS).await;
        assert_eq!((total(&counts.added), refused.len()), (6, 0), "{counts:?} {refused:?}");
        counted(portal).await;
        let before = portal.state().await;
        let (counts, _) = take(portal, TICKETS).await;
        assert_eq!((total(&counts.unchanged), total(&counts.added) + total(&counts.changed)), (6, 0), "{counts:?}");
        assert_eq!(portal.state().await, before);
        // An Admin sees all of them, another one the own.
        let (ada, eve) = (portal.sign_up("ada").await, portal.sign_up("eve").await);
        let rows = ada.get("/organization/tickets").await.is(200).texts("tbody tr");
        assert!(rows.len() == 2 && rows.iter().any(|row| row.contains("CS-1") && row.contains("P2 - High")), "{rows:?}");
        assert_eq!(eve.get("/organization/tickets").await.is(200).texts("tbody tr").len(), 1);
        let page = eve.get("/organization/tickets/CS-1").await.is(200).says("Replica falls behind").says("We could reproduce it").says("Maria Manager");
        assert!(page.has_link("https://desk.vendor.example/tickets/CS-1"));
        let at = |text: &str| page.html().find(text).unwrap();
        assert!(at("We could reproduce it") < at("That helped"), "in the order of their times");
        eve.get("/organization/tickets/CS-2").await.is(404);
        assert_eq!(ada.get("/organization/tickets?q=backup").await.is(200).texts("tbody tr").len(), 1);
        // What differs is changed: the subject and the state of one, the words of a message.
        let changed = TICKETS.replace("Replica falls behind", "Replica stands still").replace("In Progress", "Closed").replace("That helped", "That did help");
        assert_eq!(take_as(portal, &changed, true).await, take(portal, &changed).await);
        let (counts, _) = take(portal, &changed).await;
        assert_eq!(total(&counts.unchanged), 6, "{counts:?}");
        counted(portal).await;
        assert_eq!(portal.rows("SELECT stage, subject FROM tickets WHERE number = 'CS-1'").await, [["closed", "Replica stands still"]]);
        assert_eq!(ada.get("/organization/tickets?state=closed").await.is(200).texts("tbody tr").len(), 2);
        assert_eq!(ada.get("/organization/tickets?q=stands").await.is(200).texts("tbody tr").len(), 1);
        eve.get("/organization/tickets/CS-1").await.is(200).says("That did help").never_says("That helped");
    }

    async fn what_people_said_here_is_newer_than_an_older_record(portal) {
        take(portal, ACME).await;
        take(portal, TICKETS).await;
        portal.sign_up("ada").await;
        let eve = portal.sign_up("eve").await;
        let organization = portal.organization_of("eve").await;
        take(portal, &TICKETS.replace("In Progress", "Resolved")).await;
        eve.call_in(organization, "reply_to_ticket", &[("ticket", "CS-1"), ("form[body]", "It is not.")]).await.is(200);
        assert_eq!(portal.text("SELECT stage FROM tickets WHERE number = 'CS-1'").await, "open");
        let before = portal.state().await;
        let (counts, refused) = take(portal, &TICKETS.replace("In Progress", "Closed")).await;
        assert!(total(&counts.changed) == 0 && refused.is_empty(), "{counts:?}");
        assert_eq!(portal.state().await, before);
        counted(portal).await;
        // The desk has taken notice of it since.
        portal.clock.advance(MINUTE);
        let later = portal.clock.now().rfc3339();
        let newer = TICKETS.replace("\"updated\":\"2026-11-20T10:00:00Z\"", &format!("\"updated\":\"{later}\"")).replace("In Progress", "Closed");
        let (counts, _) = take(portal, &newer).await;
        assert_eq!(total(&counts.changed), 1, "{counts:?}");
        assert_eq!(portal.text("SELECT stage FROM tickets WHERE number = 'CS-1'").await, "closed");
        counted(portal).await;
        // A ticket that was raised here is not the import's.
        eve.call_in(organization, "raise_ticket", &[("form[subject]", "Mine"), ("form[description]", "Mine"), ("form[priority]", "P3 - Normal")]).await.is(200);
        let number = portal.text("SELECT number FROM tickets WHERE source = 'portal'").await;
        let (_, refused) = take(portal, &TICKETS.replace("CS-2", &number)).await;
        assert_eq!(refused, ["4 number", "6 ticket", "7 ticket"]);
        counted(portal).await;
    }

    async fn what_is_wrong_with_a_ticket_is_said_of_each_field(portal) {
        take(portal, ACME).await;
        take(portal, TICKETS).await;
        let lines = [
            r#"{"kind":"customer","number":"C2","name":"Two"}"#,
            r#"{"kind":"ticket","customer":"C2","number":"CS-1","subject":"Taken","state":"New","created":"2026-11-20T10:00:00Z"}"#,
            r#"{"kind":"ticket","customer":"C9","number":"CS-9","subject":"Nobody's","state":"New","created":"2026-11-20T10:00:00Z"}"#,
            r#"{"kind":"ticket","customer":"C2","number":"CS/9","subject":"","state":"","created":"yesterday","url":"javascript:alert(1)","requester_email":"x"}"#,
            r#"{"kind":"ticket","customer":"C2","number":"CS-8","subject":"Later","state":"New","created":"2026-11-20T10:00:00Z","updated":"2026-11-19T10:00:00Z"}"#,
            r#"{"kind":"message","ticket":"CS-8","id":"1","side":"staff","body":"There is no such ticket","at":"2026-11-20T10:00:00Z"}"#,
            r#"{"kind":"message","ticket":"CS-1","id":"9","side":"nobody","body":" ","at":"2026-11-20"}"#,
            r#"{"kind":"ticket","customer":"C2","number":"CS-7","subject":"Right","state":"Pending - Awaiting Customer","created":"2026-11-20T10:00:00+01:00"}"#,
            r#"{"kind":"message","ticket":"CS-7","id":"1","side":"staff","body":"Right\u0007, too\r\nand seen","at":"2026-11-20T10:00:00Z"}"#,
            r#"{"kind":"message","ticket":"CS-7","id":"1","side":"staff","body":"Twice","at":"2026-11-20T10:00:00Z"}"#,
            r#"{"kind":"ticket","customer":"C2","number":"CS-5","subject":"Ahead of time","state":"New","created":"2036-11-20T10:00:00Z"}"#,
        ].join("\n");
        let rehearsed = take_as(portal, &lines, true).await;
        let (counts, refused) = take(portal, &lines).await;
        assert_eq!(
            refused,
            ["2 number", "3 customer", "4 number", "4 subject", "4 state", "4 requester_email", "4 created", "4 url", "5 updated", "6 ticket", "7 side", "7 body", "7 at", "10 id", "11 created"]
        );
        assert_eq!(total(&counts.added), 3, "{counts:?}");
        assert_eq!(rehearsed, (counts, refused));
        assert_eq!(portal.rows("SELECT stage, messages FROM tickets WHERE number = 'CS-7'").await, [["waiting", "1"]]);
        assert_eq!(portal.text("SELECT body FROM ticket_messages m JOIN tickets t ON t.id = m.ticket_id WHERE t.number = 'CS-7'").await, "Right, too\nand seen");
        counted(portal).await;
        // The same from CSV.
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tickets.csv"), "number,customer,subject,state,created\nCS-6,C2,From CSV,New,2026-11-20T10:00:00Z\n").unwrap();
        std::fs::write(folder.path().join("messages.csv"), "id,ticket,side,body,at\n1,CS-6,customer,\"Two\nlines\",2026-11-20T10:00:00Z\n").unwrap();
        let counts = import(&portal.portal, folder.path(), &How::default()).await.unwrap();
        assert_eq!((total(&counts.added), total(&counts.refused)), (2, 0), "{counts:?}");
        counted(portal).await;
    }
}
