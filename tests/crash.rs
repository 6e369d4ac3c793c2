//! `kill -9` under writes, the real executable, on both databases: what was answered as saved is there, nothing is half
//! there, and every mail leaves at least once under the `Message-ID` it had.
#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs, reason = "tests")]

mod support;

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use org_portal::cli::{
    generate::files,
    import::{How, import},
};
use support::*;

const ROUNDS: u64 = 10;
const CLIENTS: usize = 16;

/// The executable, killed with the value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn serve(database_url: &str, port: u16) -> Process {
    let address = format!("127.0.0.1:{port}");
    let child = Command::new(env!("CARGO_BIN_EXE_org-portal"))
        .arg("serve")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .envs([
            ("DATABASE_URL", database_url),
            ("ORG_PORTAL_LISTEN", &address),
            ("ORG_PORTAL_PUBLIC_URL", &format!("http://{address}")),
            ("ORG_PORTAL_MAIL_ADDRESS_RATE", "1000000/1"),
        ])
        .spawn()
        .expect("the executable");
    let process = Process(child);
    let client = reqwest::Client::new();
    let url = format!("http://{address}/readyz");
    until("the executable serves", || {
        let (client, url) = (client.clone(), url.clone());
        async move { client.get(url).send().await.is_ok_and(|answer| answer.status() == 200) }
    })
    .await;
    process
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

on_both! {
    async fn what_was_answered_as_saved_survives_kill_9(portal) {
        let url = portal.config.database_url.clone();
        portal.stop().await;
        let (acknowledged, counter) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        for round in 0..ROUNDS {
            let port = free_port();
            let process = serve(&url, port).await;
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    let (acknowledged, counter) = (Arc::clone(&acknowledged), Arc::clone(&counter));
                    tokio::spawn(async move {
                        let client = reqwest::Client::new();
                        loop {
                            let email = format!("person{}@example.com", counter.fetch_add(1, Ordering::SeqCst));
                            let body = format!(r#"{{"form":{{"email":"{email}"}},"drawn":{{}}}}"#);
                            let request = client.post(format!("http://127.0.0.1:{port}/do/forgot_password")).header("content-type", "application/json").header("accept", "application/json").body(body);
                            match request.send().await {
                                Ok(answer) if answer.status() == 200 => acknowledged.lock().unwrap().push(email),
                                Ok(answer) => panic!("{}", answer.status()),
                                Err(_) => return,
                            }
                        }
                    })
                })
                .collect();
            // Killed at another moment each round, once there is something to lose.
            let enough = (round + 1) * 15;
            until("some writes are acknowledged", || {
                let acknowledged = Arc::clone(&acknowledged);
                async move { acknowledged.lock().unwrap().len() as u64 >= enough }
            })
            .await;
            drop(process);
            for client in clients {
                client.await.expect("a client");
            }
        }
        let acknowledged = acknowledged.lock().unwrap().clone();
        assert!(acknowledged.len() as u64 >= ROUNDS * 15);

        // Leases of the dead run out by the clock; what is left is delivered by whoever comes next.
        portal.execute("UPDATE outbox SET lease_until = NULL").await;
        let process = serve(&url, free_port()).await;
        let waiting = async || portal.count("SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL").await;
        until("the outbox is empty", || async { waiting().await == 0 }).await;
        drop(process);

        for email in &acknowledged {
            assert!(portal.count(&format!("SELECT count(*) FROM kept_mails WHERE recipient = '{email}'")).await >= 1, "{email} was answered as saved");
        }
        let requests = portal.count("SELECT count(*) FROM audit_events WHERE action = 'password.request_reset' AND outcome = 'success'").await;
        assert_eq!(portal.count("SELECT count(*) FROM password_resets").await, requests, "nothing is half there");
        assert_eq!(portal.count("SELECT count(*) FROM outbox").await, requests, "nothing is half there");
        assert_eq!(portal.count("SELECT count(DISTINCT message_id) FROM kept_mails").await, requests, "one Message-ID a mail");
    }

    async fn an_import_that_is_killed_is_completed_by_the_next(portal) {
        const RECORDS: &str = "SELECT (SELECT count(*) FROM customers) + (SELECT count(*) FROM customer_people WHERE administrator = '0') + (SELECT count(*) FROM contacts) + (SELECT count(*) FROM entitlements)";
        let folder = tempfile::tempdir().unwrap();
        let rows = files::write(folder.path(), files::Plan { customers: 6000, tickets: 0, seed: 1 }, portal.clock.now()).unwrap();
        let rows = i64::try_from(rows).unwrap();
        let command = |report: &std::path::Path| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_org-portal"));
            command.args(["import", "customers", "--progress", "--report"]).arg(report).arg(folder.path());
            command.env("DATABASE_URL", &portal.config.database_url).stdout(Stdio::null()).stderr(Stdio::piped());
            command
        };
        let elsewhere = tempfile::tempdir().unwrap();
        let report = elsewhere.path().join("report.json");
        for round in 1..4 {
            let process = Process(command(&report).spawn().expect("the executable"));
            // Killed at another moment each round.
            until("some of it is there", || async { portal.count(RECORDS).await > round * 4000 }).await;
            drop(process);
            let there = portal.count(RECORDS).await;
            assert!(there < rows, "{there} of {rows}: it was over before it was killed");
            assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'customer.import'").await, 0);
        }
        let done = command(&report).output().expect("the executable");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(portal.count(RECORDS).await, rows);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(["customers.csv: 6000 rows", "people.csv: ", "contacts.csv: ", "entitlements.csv: "].iter().all(|line| said.contains(line)), "{said}");
        assert!(said.contains(" a second") && said.contains("done in"), "{said}");
        // All of it is there as it is in the files.
        let counts = import(&portal.portal, folder.path(), &How::default()).await.unwrap();
        assert_eq!(counts.unchanged.values().sum::<u64>(), u64::try_from(rows).unwrap(), "{counts:?}");
        assert!(counts.added.is_empty() && counts.changed.is_empty() && counts.refused.is_empty(), "{counts:?}");
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'customer.import'").await, 2, "one for each that came to its end");
    }
}
