//! Databases of every version that was released, as they were then: this version must upgrade them, and what was in them
//! must work. A fixture is never changed once its version is out.
//!
//! `FIXTURE=0.2.0 cargo test --features ssr --test upgrade` writes the fixture of a new version, on both engines.
#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};

use org_portal::{permissions::Role, words::DAY};
use support::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Some of everything that a portal of 0.1.0 knows.
async fn fill(portal: &TestPortal) {
    let people = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::Admin), ("gone", Role::TechnicalUser)];
    let [ada, bob, eve, gone] = portal.organization_with("Analytical Engines", people).await;
    bob.fill("/account", "/do/change_name", &[("first_name", "Bób"), ("last_name", "O'Builder 漢字")]).await.is(303);
    gone.fill("/organization/leave", "/do/leave_organization", &[]).await.is(303);
    for (email, inviter) in [("declined@example.com", &ada), ("revoked@example.com", &eve), ("pending@example.com", &bob)] {
        portal.invite(inviter, email, Role::TechnicalUser).await.is(303);
    }
    let declined = portal.sign_up("declined").await;
    declined.fill("/getting-started", "/do/decline_invitation", &[]).await.is(303);
    let revoked = portal.invitation_of("revoked@example.com").await;
    eve.fill(&format!("/organization/invitations/{revoked}/revoke"), "/do/revoke_invitation", &[]).await.is(303);
    let [zoe] = portal.organization_with("Ended", [("zoe", Role::Admin)]).await;
    zoe.fill("/organization/delete", "/do/delete_organization", &[("name", "Ended")]).await.is(303);
    let fields = [("email", "waiting@example.com"), ("first_name", "Waiting"), ("last_name", ""), ("password", PASSWORD)];
    portal.browser().fill("/sign-up", "/do/sign_up", &fields).await.is(303);
    bob.call_in(portal.organization_of("ada").await, "rename_organization", &[("form[name]", "x")]).await.is(403);
    // The mails of the last steps are still to be sent.
}

/// What was there works.
async fn check(portal: &TestPortal) {
    portal.clock.advance(DAY / 2);
    let ada = portal.sign_in("ada").await;
    assert_eq!(ada.get("/organization").await.is(200).fact("Name"), "Analytical Engines");
    let members = ada.get("/organization/members").await.is(200);
    assert_eq!(members.texts("tbody th bdi")[..3], ["Ada Example", "Bób O'Builder 漢字", "Eve Example"]);
    assert_eq!(ada.get("/organization/members?q=builder").await.is(200).text("nav.pager > p"), "1–1 of 1");
    let states = ada.get("/organization/invitations?state=all").await.is(200).texts("tbody td[data-label=State]");
    assert_eq!(states.iter().filter(|state| *state == "Pending").count(), 1, "{states:?}");
    assert!(["Accepted", "Declined", "Revoked"].iter().all(|state| states.iter().any(|known| known == state)), "{states:?}");
    // The links of mails that waited lead on.
    let link = portal.link("pending@example.com", "/invitation").await;
    let token = link.rsplit('=').next().unwrap();
    let browser = portal.browser();
    let fields = [("first_name", "Pending"), ("last_name", ""), ("password", PASSWORD)];
    browser.fill(&format!("/sign-up?invitation={token}"), "/do/sign_up", &fields).await.leads_to(&link);
    browser.fill(&link, "/do/accept_invitation", &[]).await.leads_to("/organization");
    let link = portal.link("waiting@example.com", "/verify-email").await;
    portal.browser().fill(&link, "/do/verify_email", &[("password", PASSWORD)]).await.is(303);
    // What is over stays known, and the log is read.
    assert_eq!(portal.count("SELECT count(*) FROM former_members WHERE reason = 'left'").await, 1);
    assert_eq!(portal.text("SELECT name FROM former_organizations").await, "Ended");
    let refused = ada.get("/organization/activity?kind=refused").await.is(200).texts("table.events tbody th");
    assert_eq!(refused, ["Bób O'Builder 漢字 tried to rename the organization Refused Their role does not allow it"]);
    let members = portal.count("SELECT count(*) FROM members WHERE organization_id IS NOT NULL").await;
    assert_eq!(portal.count("SELECT CAST(sum(members_count) AS BIGINT) FROM organizations").await, members);
}

async fn run(engine: Engine) {
    if let Ok(version) = std::env::var("FIXTURE") {
        let portal = TestPortal::start(engine, Options::default()).await;
        fill(&portal).await;
        portal.dump(&fixtures().join(version)).await;
        portal.close().await;
    }
    let mut versions = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        versions += 1;
        let portal = TestPortal::restored(engine, Options::default(), &entry.unwrap().path()).await;
        check(&portal).await;
        portal.close().await;
    }
    assert!(versions >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_released_version_is_upgraded_on_sqlite() {
    run(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_released_version_is_upgraded_on_postgres() {
    run(Engine::Postgres).await;
}
