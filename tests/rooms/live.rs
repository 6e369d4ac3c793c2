//! What another person changes reaches open pages (`SPEC.md` §4): the stream at `/live`.

use std::collections::BTreeSet;

use org_portal::{
    permissions::Role,
    words::{DAY, MINUTE, OrganizationId},
};

use crate::{on_both, support::*};

/// Opens a stream and waits until it is open.
async fn listen(browser: &Browser) -> Live {
    let mut live = browser.live("").await;
    assert_eq!(live.status, 200);
    live.hears("ready").await;
    live
}

/// Goes on after a mark.
async fn resume(browser: &Browser, mark: &str) -> Live {
    browser.live_with("", &[("last-event-id", mark)]).await
}

/// Does something that reaches one's own pages alone: what was not told before it is not told.
async fn end_other_sessions(browser: &Browser) {
    browser.call("end_other_sessions", &[]).await.is(200);
}

async fn change_role(portal: &TestPortal, admin: &Browser, organization: OrganizationId, name: &str, role: Role) {
    let member = portal.member_of(name).await.to_string();
    admin.call_in(organization, "change_role", &[("form[member]", &member), ("form[role]", role.name())]).await.is(200);
}

async fn remove(portal: &TestPortal, admin: &Browser, organization: OrganizationId, name: &str) {
    let member = portal.member_of(name).await.to_string();
    admin.call_in(organization, "remove_member", &[("form[member]", &member)]).await.is(200);
}

on_both! {
    async fn every_change_in_an_organization_reaches_its_members(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let organization = portal.organization_of("ada").await;
        let mut bobs = listen(&bob).await;
        let mut adas = listen(&ada).await;
        portal.invite(&ada, "carol@example.com", Role::TechnicalUser).await.is(303);
        bobs.hears_that("Ada Example invited carol@example.com").await;
        // Who did it sees it, and is not told in words.
        adas.hears_that("").await;
        let invitation = portal.invitation_of("carol@example.com").await.to_string();
        ada.call_in(organization, "resend_invitation", &[("invitation", &invitation)]).await.is(200);
        bobs.hears_that("Ada Example invited carol@example.com again").await;
        ada.call_in(organization, "revoke_invitation", &[("invitation", &invitation)]).await.is(200);
        bobs.hears_that("Ada Example revoked the invitation of carol@example.com").await;
        let carol = portal.join(&ada, "carol", Role::TechnicalUser).await;
        bobs.hears_that("Ada Example invited carol@example.com").await;
        bobs.hears_that("Carol Example joined").await;
        let dan = portal.sign_up("dan").await;
        portal.invite(&ada, "dan@example.com", Role::Admin).await.is(303);
        bobs.hears_that("Ada Example invited dan@example.com").await;
        dan.fill("/getting-started", "/do/decline_invitation", &[]).await.is(303);
        bobs.hears_that("dan@example.com declined the invitation").await;
        change_role(portal, &ada, organization, "carol", Role::Admin).await;
        bobs.hears_that("Carol Example is now Admin").await;
        change_role(portal, &ada, organization, "bob", Role::Admin).await;
        bobs.hears_that("You are now Admin").await;
        carol.fill("/account", "/do/change_name", &[("first_name", "Caroline"), ("last_name", "Example")]).await.is(303);
        bobs.hears_that("Carol Example is now called Caroline Example").await;
        carol.call_in(organization, "leave_organization", &[]).await.is(200);
        bobs.hears_that("Caroline Example left").await;
        let erin = portal.join(&ada, "erin", Role::TechnicalUser).await;
        bobs.hears_that("Ada Example invited erin@example.com").await;
        bobs.hears_that("Erin Example joined").await;
        remove(portal, &ada, organization, "erin").await;
        bobs.hears_that("Erin Example was removed").await;
        drop(erin);
        ada.fill("/organization/rename", "/do/rename_organization", &[("name", "Acme & Daughters")]).await.is(303);
        bobs.hears_that("The organization is now called Acme & Daughters").await;
        ada.fill("/organization/delete", "/do/delete_organization", &[("name", "Acme & Daughters")]).await.is(303);
        let gone = bobs.hears("gone").await;
        assert_eq!((&gone.data["organization"], gone.says().as_str()), (&serde_json::Value::Null, "Acme & Daughters was deleted"));
    }

    async fn nothing_of_an_organization_reaches_strangers_and_other_organizations(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let [other] = portal.organization_with("Other", [("other", Role::Admin)]).await;
        let nowhere = portal.sign_up("nowhere").await;
        let mut streams = Vec::new();
        for browser in [&other, &nowhere] {
            let mut live = browser.live("").await;
            let ready = live.hears("ready").await;
            streams.push((browser, live, ready.id));
        }
        let bob = portal.join(&ada, "bob", Role::TechnicalUser).await;
        let organization = portal.organization_of("ada").await;
        change_role(portal, &ada, organization, "bob", Role::Admin).await;
        bob.fill("/account", "/do/change_name", &[("first_name", "Robert")]).await.is(303);
        remove(portal, &ada, organization, "bob").await;
        for (browser, mut live, mark) in streams {
            end_other_sessions(browser).await;
            let own = live.hears_that("").await;
            // Neither live nor later.
            let mut later = resume(browser, &mark).await;
            assert_eq!(later.hears("change").await, own);
            later.hears("ready").await;
        }
    }

    async fn who_is_not_signed_in_gets_no_stream_and_nothing_of_it_is_kept(portal) {
        let live = portal.browser().live("").await;
        assert_eq!(live.status, 401);
        let ada = portal.sign_up("ada").await;
        let live = ada.live_with("", &[("accept-encoding", "br, gzip")]).await;
        let header = |name: &str| live.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        assert_eq!((live.status, header("content-type").as_str()), (200, "text/event-stream; charset=utf-8"));
        assert_eq!((header("cache-control").as_str(), header("content-encoding").as_str()), ("no-store", ""));
        assert_eq!(header("x-accel-buffering"), "no");
        let posted = ada.post("/live", &[("a", "b")]).await;
        assert_eq!(posted.status, 405);
    }

    async fn who_is_removed_is_told_and_hears_no_more_of_the_organization(portal) {
        let [ada, bob, carol] =
            portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("carol", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        let mut live = bob.live("").await;
        assert_eq!(live.hears("ready").await.data["organization"], organization.to_string());
        remove(portal, &ada, organization, "bob").await;
        let gone = live.hears("gone").await;
        assert_eq!((&gone.data["organization"], gone.says().as_str()), (&serde_json::Value::Null, ""));
        remove(portal, &ada, organization, "carol").await;
        end_other_sessions(&bob).await;
        live.hears_that("").await;
        // Who was away meanwhile learns it at the start.
        let mut live = carol.live("").await;
        assert_eq!(live.hears("ready").await.data["organization"], serde_json::Value::Null);
        // In another organization by now, the account is a member of that one.
        portal.add_organization(&bob, "Bob's").await;
        let bobs = portal.organization_of("bob").await;
        let mut live = bob.live("").await;
        assert_eq!(live.hears("ready").await.data["organization"], bobs.to_string());
    }

    async fn who_is_invited_sees_it_come_and_go_and_nothing_else(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        let bob = portal.sign_up("bob").await;
        let mut live = listen(&bob).await;
        portal.invite(&ada, "carol@example.com", Role::Admin).await.is(303);
        portal.invite(&ada, "BOB@example.com", Role::TechnicalUser).await.is(303);
        live.hears_that("Ada Example invited you").await;
        let invitation = portal.invitation_of("bob@example.com").await.to_string();
        ada.call_in(organization, "revoke_invitation", &[("invitation", &invitation)]).await.is(200);
        live.hears_that("An invitation to you was revoked").await;
        // From when one has joined, one hears of the organization in the same stream.
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        live.hears_that("Ada Example invited you").await;
        bob.fill("/getting-started", "/do/accept_invitation", &[]).await.leads_to("/organization");
        live.hears_that("").await;
        portal.invite(&ada, "dan@example.com", Role::TechnicalUser).await.is(303);
        live.hears_that("Ada Example invited dan@example.com").await;
    }

    async fn a_second_server_on_the_same_database_tells_what_the_first_one_wrote(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let other = TestPortal::second(portal).await;
        let mut live = listen(&bob.at(&other)).await;
        for round in 0..3 {
            let address = format!("guest{round}@example.com");
            portal.invite(&ada, &address, Role::TechnicalUser).await.is(303);
            live.hears_that(&format!("Ada Example invited {address}")).await;
        }
        // And the other way, while the first one has a stream too.
        let mut live = listen(&bob).await;
        portal.invite(&ada.at(&other), "late@example.com", Role::TechnicalUser).await.is(303);
        live.hears_that("Ada Example invited late@example.com").await;
        other.stop().await;
    }

    async fn a_stream_goes_on_where_another_one_ended(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let other = TestPortal::second(portal).await;
        let mut live = listen(&bob).await;
        portal.invite(&ada, "one@example.com", Role::TechnicalUser).await.is(303);
        let one = live.hears_that("Ada Example invited one@example.com").await;
        drop(live);
        portal.invite(&ada, "two@example.com", Role::TechnicalUser).await.is(303);
        portal.invite(&ada, "three@example.com", Role::TechnicalUser).await.is(303);
        for server in [portal, &other] {
            let mut live = resume(&bob.at(server), &one.id).await;
            live.hears_that("Ada Example invited two@example.com").await;
            let three = live.hears_that("Ada Example invited three@example.com").await;
            assert_eq!(live.hears("ready").await.id, three.id);
            // The address of a page carries the same.
            let mut live = bob.at(server).live(&format!("?after={}", one.id)).await;
            live.hears_that("Ada Example invited two@example.com").await;
        }
        // A page's mark is where its reader goes on.
        let page = bob.get("/organization/members").await.is(200).html();
        let mark = page.split("&quot;mark&quot;:&quot;").nth(1).or_else(|| page.split("\"mark\":\"").nth(1)).expect("a mark in the page");
        let mark = mark[..36].to_owned();
        portal.invite(&ada, "four@example.com", Role::TechnicalUser).await.is(303);
        let mut live = bob.live(&format!("?after={mark}")).await;
        live.hears_that("Ada Example invited four@example.com").await;
        live.hears("ready").await;
        // What is not known any more, or never was, draws the page again.
        for unknown in ["00000000-0000-4000-8000-000000000000", "nonsense", "1"] {
            let mut live = resume(&bob, unknown).await;
            live.hears("reload").await;
            live.hears("ready").await;
        }
        other.stop().await;
    }

    /// Whoever writes at the same moment on several servers: each reader hears everything, once, in one order, and from
    /// wherever it is cut, the rest.
    async fn nothing_is_lost_where_many_write_at_once(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let organization = portal.organization_of("ada").await;
        let mut admins = vec![(organization, ada)];
        for n in 0..3 {
            let name = format!("admin{n}");
            let [admin] = portal.organization_with(&name, [(name.as_str(), Role::Admin)]).await;
            admins.push((portal.organization_of(&name).await, admin));
        }
        let other = TestPortal::second(portal).await;
        let mut streams = vec![listen(&bob).await, listen(&bob.at(&other)).await];
        let start = streams[0].last_id().to_owned();
        // Other organizations write at the same time: their locks are others, and numbers go round among all.
        let mut writing = tokio::task::JoinSet::new();
        for n in 0..48 {
            let (organization, admin) = admins[n % admins.len()].clone();
            let admin = if n % 3 == 0 { admin.at(&other) } else { admin };
            writing.spawn(async move {
                let address = format!("guest{n}@example.com");
                admin.call_in(organization, "invite_member", &[("form[email]", &address), ("form[role]", "Technical user")]).await.is(200);
            });
        }
        while let Some(written) = writing.join_next().await {
            written.expect("it is written");
        }
        let expected: BTreeSet<String> =
            (0..48).filter(|n| n % admins.len() == 0).map(|n| format!("Ada Example invited guest{n}@example.com")).collect();
        let mut heard = Vec::new();
        for live in &mut streams {
            let mut told = Vec::new();
            for _ in 0..expected.len() {
                told.push(live.hears("change").await);
            }
            heard.push(told);
        }
        assert_eq!(heard[0], heard[1]);
        assert_eq!(heard[0].iter().map(Told::says).collect::<BTreeSet<_>>(), expected);
        let marks: Vec<&str> = std::iter::once(start.as_str()).chain(heard[0].iter().map(|told| told.id.as_str())).collect();
        for (n, mark) in marks.into_iter().enumerate() {
            let mut live = resume(&bob.at(&other), mark).await;
            for told in &heard[0][n..] {
                assert_eq!(live.hears("change").await, *told);
            }
            live.hears("ready").await;
        }
        other.stop().await;
    }

    /// A number is given under a lock: while a transaction has one, no later one can be seen.
    async fn a_later_number_is_never_seen_before_an_earlier_one(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let organization = portal.organization_of("ada").await;
        let mut live = listen(&bob).await;
        let id = portal.engine.literal(organization.0);
        let mark = portal.engine.literal(uuid("00000000-0000-4000-8000-000000000001"));
        let mut slow = portal.db.begin().await.expect("a transaction");
        for statement in [
            format!("UPDATE change_head SET number = number + 1, mark = {mark}"),
            format!("INSERT INTO changes (number, mark, at, action, organization_id, sentence, sentence_to_object) SELECT number, {mark}, 1, 'member.leave', {id}, 'the slow one', '' FROM change_head"),
        ] {
            match org_portal::db::Connected::conn(&mut slow) {
                org_portal::db::Conn::Sqlite(c) => sqlx::query(sqlx::AssertSqlSafe(statement)).execute(c).await.map(drop).expect("written"),
                org_portal::db::Conn::Postgres(c) => sqlx::query(sqlx::AssertSqlSafe(statement)).execute(c).await.map(drop).expect("written"),
            }
        }
        let quick = tokio::spawn(async move {
            ada.call_in(organization, "invite_member", &[("form[email]", "quick@example.com"), ("form[role]", "Admin")]).await.is(200);
        });
        // It waits, however long that takes, and is not seen meanwhile.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert!(!quick.is_finished());
        slow.commit().await.expect("the commit");
        live.hears_that("the slow one").await;
        live.hears_that("Ada Example invited quick@example.com").await;
        quick.await.expect("it is done");
    }

    async fn a_refused_or_repeated_write_is_told_to_nobody(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let organization = portal.organization_of("ada").await;
        let mut live = listen(&bob).await;
        ada.call_in(organization, "invite_member", &[("form[email]", "bob@example.com"), ("form[role]", "Admin")]).await.is(409);
        let form = ada.get("/organization/members/invite").await.form("/do/invite_member").with("email", "carol@example.com");
        ada.submit(&form).await.is(303);
        ada.submit(&form).await.is(303);
        live.hears_that("Ada Example invited carol@example.com").await;
        end_other_sessions(&bob).await;
        live.hears_that("").await;
    }

    async fn a_stream_ends_with_its_session_wherever_that_is_ended(portal) {
        portal.sign_up("ada").await;
        // Signed out in the same browser, ended from another one, by a changed password, by a reset.
        for way in ["sign_out", "end_others", "password", "reset"] {
            let (here, there) = (portal.sign_in("ada").await, portal.sign_in("ada").await);
            let mut live = listen(&here).await;
            match way {
                "sign_out" => drop(here.copy().post::<&str, &str>("/do/sign_out", &[]).await.is(303)),
                "end_others" => end_other_sessions(&there).await,
                "password" => {
                    let fields = [("current_password", PASSWORD), ("new_password", PASSWORD)];
                    there.fill("/account", "/do/change_password", &fields).await.is(303);
                }
                _ => {
                    there.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
                    let link = portal.link("ada@example.com", "/reset-password").await;
                    portal.browser().fill(&link, "/do/reset_password", &[("password", PASSWORD)]).await.is(303);
                }
            }
            live.hears("ended").await;
            live.ends().await;
        }
    }

    async fn an_open_stream_is_no_use_of_a_session_and_ends_with_its_time(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let mut live = listen(&bob).await;
        for _ in 0..2 {
            portal.clock.advance(12 * 60 * MINUTE);
            ada.get("/account").await.is(200);
            let now = portal.clock.now().0;
            until("the use is noted", || async move { portal.count(&format!("SELECT count(*) FROM sessions WHERE last_seen_at = {now}")).await > 0 }).await;
            // Neither a new stream nor a page that asks for itself keeps it open.
            let asked = bob.send(reqwest::Method::GET, "/organization", &[("accept", "text/html"), ("x-refresh", "1")], None).await;
            assert!([200, 303].contains(&asked.status), "{}", asked.status);
            drop(bob.live("").await);
        }
        portal.invite(&ada, "carol@example.com", Role::TechnicalUser).await.is(303);
        live.hears("ended").await;
        live.ends().await;
        assert_eq!(bob.live("").await.status, 401);
    }

    async fn a_page_that_asks_for_itself_does_not_take_the_notice_of_another_one(portal) {
        let ada = portal.sign_up("ada").await;
        ada.fill("/account", "/do/change_name", &[("first_name", "Augusta")]).await.is(303);
        let itself = ada.send(reqwest::Method::GET, "/account", &[("accept", "text/html"), ("x-refresh", "1")], None).await.is(200);
        itself.never_says("Your name is changed");
        ada.get("/account").await.is(200).says("Your name is changed");
    }

    async fn a_page_of_another_account_gets_nothing(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let eve = portal.sign_up("eve").await;
        let column = portal.engine.hex("id");
        let eves = uuid(&portal.text(&format!("SELECT {column} FROM accounts WHERE email_key = 'eve@example.com'")).await);
        let mut live = ada.live(&format!("?account={eves}")).await;
        live.hears("ended").await;
        live.ends().await;
        let mut live = eve.live(&format!("?account={eves}")).await;
        live.hears("ready").await;
    }

    async fn an_account_has_so_many_streams_and_no_more(portal) {
        let ada = portal.sign_up("ada").await;
        let mut streams = Vec::new();
        for _ in 0..20 {
            streams.push(listen(&ada).await);
        }
        assert_eq!(ada.live("").await.status, 429);
        // Others are not touched by it, and what is closed makes room.
        let eve = portal.sign_up("eve").await;
        listen(&eve).await;
        streams.pop();
        until("a place is free", || async { ada.live("").await.status == 200 }).await;
    }

    async fn streams_end_when_the_server_stops(portal) {
        let ada = portal.sign_up("ada").await;
        let other = TestPortal::second(portal).await;
        let live = listen(&ada.at(&other)).await;
        let began = tokio::time::Instant::now();
        other.stop().await;
        live.ends().await;
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "the stream held the server up");
    }

    async fn changes_are_kept_for_a_day(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.invite(&ada, "bob@example.com", Role::Admin).await.is(303);
        let kept = portal.count("SELECT count(*) FROM changes").await;
        assert!(kept >= 2);
        assert_eq!(portal.count("SELECT number FROM change_head").await, kept);
        portal.clock.advance(DAY - MINUTE);
        org_portal::maintenance::once(&portal.portal).await.expect("housekeeping");
        assert_eq!(portal.count("SELECT count(*) FROM changes").await, kept);
        portal.clock.advance(2 * MINUTE);
        org_portal::maintenance::once(&portal.portal).await.expect("housekeeping");
        assert_eq!(portal.count("SELECT count(*) FROM changes").await, 0);
        assert_eq!(portal.count("SELECT number FROM change_head").await, kept, "numbers go on");
    }
}
