//! Sessions: signing in and out, their limits, the list (`SPEC.md` §3.1, §5).

use org_portal::words::{DAY, HOUR, MINUTE};

use crate::{on_both, support::*};

/// Uses a session and waits until its use is noted, which happens beside the request.
async fn used(portal: &TestPortal, browser: &Browser) {
    browser.get("/account").await.is(200);
    let now = portal.clock.now().0;
    until("the use of a session is noted", || async move {
        portal.count(&format!("SELECT count(*) FROM sessions WHERE last_seen_at > {now} - 60000000")).await > 0
    })
    .await;
}

on_both! {
    async fn each_sign_in_makes_a_new_token_and_ends_the_one_that_the_browser_had(portal) {
        let ada = portal.sign_up("ada").await;
        let first = ada.cookie("session").unwrap();
        let thief = ada.copy();
        // Sent again with the form of the sign-in page, from a browser that is signed in.
        let form = portal.browser().get("/sign-in").await.form("/do/sign_in").with("email", "ada@example.com").with("password", PASSWORD);
        ada.submit(&form).await.leads_to("/getting-started");
        let second = ada.cookie("session").unwrap();
        assert_ne!(first, second);
        assert!(second.len() >= 43, "256 bits: {second}");
        thief.get("/account").await.leads_to("/sign-in?to=%2Faccount");
        ada.get("/account").await.is(200);
        assert_eq!(portal.count("SELECT count(*) FROM sessions").await, 1);
    }

    /// A token that an attacker put into the browser before the sign-in is not taken over (session fixation).
    async fn a_token_from_before_the_sign_in_is_not_taken_over(portal) {
        portal.sign_up("ada").await;
        let browser = portal.browser();
        let planted = "A".repeat(43);
        browser.set_cookie("session", &planted);
        portal.sign_in_to(&browser, "ada@example.com", PASSWORD).await.is(303);
        assert_ne!(browser.cookie("session").unwrap(), planted);
        let attacker = portal.browser();
        attacker.set_cookie("session", &planted);
        attacker.get("/account").await.is(303);
    }

    async fn a_wrong_address_answers_like_a_wrong_password(portal) {
        portal.sign_up("ada").await;
        let mut seen = Vec::new();
        for email in ["ada@example.com", "eve@example.com"] {
            let browser = portal.browser();
            let page = portal.sign_in_to(&browser, email, OTHER_PASSWORD).await.is(401);
            assert_eq!(page.value_of("email"), email, "what was typed stays");
            assert_eq!(page.value_of("password"), "");
            assert!(!page.html().contains(OTHER_PASSWORD), "the password is echoed");
            assert!(page.main().contains("The e-mail address or the password is wrong"), "{}", page.sketch());
            let call = portal.browser().call("sign_in", &[("form[email]", email), ("form[password]", OTHER_PASSWORD)]).await.is(401);
            seen.push((page.normalized().replace(email, "EMAIL"), page.normalized_headers(), call.text));
        }
        assert_alike(&seen[0], &seen[1], "one is told apart from the other");
    }

    async fn empty_fields_of_the_sign_in_are_named(portal) {
        let browser = portal.browser();
        let page = portal.sign_in_to(&browser, "", "").await.is(422);
        assert!(page.error_of("email").is_some() && page.error_of("password").is_some(), "{}", page.sketch());
        let page = portal.sign_in_to(&browser, "ada@example.com", "").await.is(422);
        assert!(page.error_of("email").is_none() && page.error_of("password").is_some(), "{}", page.sketch());
        assert_eq!(page.value_of("email"), "ada@example.com");
    }

    async fn a_session_ends_after_a_day_without_use_and_use_prolongs_it(portal) {
        let ada = portal.sign_up("ada").await;
        for _ in 0..3 {
            portal.clock.advance(DAY - HOUR);
            used(portal, &ada).await;
        }
        portal.clock.advance(DAY - MINUTE);
        ada.get("/account").await.is(200);
        until("the use is noted", || async { portal.count(&format!("SELECT count(*) FROM sessions WHERE last_seen_at = {}", portal.clock.now().0)).await == 1 }).await;
        portal.clock.advance(DAY);
        ada.get("/account").await.leads_to("/sign-in?to=%2Faccount");
    }

    async fn a_session_ends_after_thirty_days_however_much_it_is_used(portal) {
        let ada = portal.sign_up("ada").await;
        for _ in 0..39 {
            portal.clock.advance(18 * HOUR);
            used(portal, &ada).await;
        }
        portal.clock.advance(18 * HOUR - MINUTE);
        ada.get("/account").await.is(200);
        portal.clock.advance(MINUTE);
        ada.get("/account").await.is(303);
        ada.call("change_name", &[("form[first_name]", "X")]).await.is(401);
    }

    async fn ones_sessions_are_listed_and_any_other_can_be_ended(portal) {
        let ada = portal.sign_up("ada").await;
        let phone = portal.browser().named("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1");
        portal.sign_in_to(&phone, "ada@example.com", PASSWORD).await.is(303);
        let edge = portal.browser().named("Mozilla/5.0 (Windows NT 10.0) Chrome/142.0 Edg/142.0");
        portal.sign_in_to(&edge, "ada@example.com", PASSWORD).await.is(303);
        let page = ada.get("/account").await.is(200);
        let titles = page.texts("[aria-labelledby='sessions-title'] .list-title");
        assert_eq!(titles.len(), 3, "{titles:?}");
        assert_eq!(titles[0], "Firefox on Linux This browser");
        assert!(titles.iter().any(|t| t == "Safari on iPhone") && titles.iter().any(|t| t == "Edge on Windows"), "{titles:?}");
        assert!(page.texts("[aria-labelledby='sessions-title'] .list-meta").iter().any(|line| line.contains(" from this network (127.0.0.1) · last used ")), "{}", page.main());
        let forms: Vec<Form> = page.forms().into_iter().filter(|f| f.action == "/do/end_session").collect();
        assert_eq!(forms.len(), 2, "one's own is ended by signing out");
        for form in &forms {
            ada.submit(form).await.leads_to("/account");
        }
        ada.get("/account").await.is(200).says("The session was ended");
        phone.get("/account").await.is(303);
        edge.get("/account").await.is(303);
        assert_eq!(ada.get("/account").await.texts("[aria-labelledby='sessions-title'] .list-title").len(), 1);
        // Again: it is there no more.
        ada.submit(&forms[0].clone().forged("drawn[key]", "another")).await.is(404);
    }

    async fn a_session_says_from_where_it_was_opened(portal) {
        let ada = portal.sign_up("ada").await;
        let (away, near) = (portal.sign_in("ada").await, portal.sign_in("ada").await);
        drop((away, near));
        portal.execute("UPDATE sessions SET address = '203.0.113.7', user_agent = '' WHERE created_at = (SELECT max(created_at) FROM sessions)").await;
        let page = ada.get("/account").await.is(200);
        let titles = page.texts("[aria-labelledby='sessions-title'] .list-title");
        assert!(titles.contains(&"A program".to_owned()), "{titles:?}");
        let lines = page.texts("[aria-labelledby='sessions-title'] .list-meta");
        assert_eq!(lines.iter().filter(|line| line.contains(" from 203.0.113.7 · ")).count(), 1, "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.contains(" from this network (127.0.0.1) · ")).count(), 2, "{lines:?}");
    }

    async fn a_session_ended_twice_by_one_form_is_answered_alike(portal) {
        let ada = portal.sign_up("ada").await;
        portal.sign_in("ada").await;
        let form = ada.get("/account").await.form("/do/end_session");
        ada.submit(&form).await.leads_to("/account");
        ada.submit(&form).await.leads_to("/account");
    }

    async fn all_other_sessions_are_ended_at_once(portal) {
        let ada = portal.sign_up("ada").await;
        let others = [portal.sign_in("ada").await, portal.sign_in("ada").await];
        ada.fill("/account", "/do/end_other_sessions", &[]).await.leads_to("/account");
        for other in &others {
            other.get("/account").await.is(303);
        }
        let page = ada.get("/account").await.is(200).says("All other sessions were ended");
        assert!(!page.has_form("/do/end_other_sessions"));
    }

    async fn somebody_elses_session_is_like_none(portal) {
        let (ada, bob) = (portal.sign_up("ada").await, portal.sign_up("bob").await);
        let of_bob = uuid(&portal.text(&format!("SELECT {} FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE a.email_key = 'bob@example.com'", portal.engine.hex("s.id"))).await);
        let form = portal.sign_in("ada").await.get("/account").await.form("/do/end_session");
        let mut seen = Vec::new();
        for id in [of_bob, uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)] {
            let id = id.to_string();
            let page = ada.submit(&form.clone().forged("session", &id).forged("drawn[key]", &id)).await.is(404);
            let call = ada.call("end_session", &[("session", &id)]).await.is(404);
            seen.push((page.normalized(), page.normalized_headers(), call.text));
        }
        assert_alike(&seen[0], &seen[1], "one is told apart from the other");
        bob.get("/account").await.is(200);
        ada.call("end_session", &[("session", "not-a-uuid")]).await.is(422);
    }

    async fn signing_out_ends_the_session_for_whoever_holds_its_token(portal) {
        let ada = portal.sign_up("ada").await;
        let thief = ada.copy();
        let out = ada.fill("/getting-started", "/do/sign_out", &[]).await.leads_to("/sign-in");
        assert!(out.set_cookie("session").contains("Max-Age=0"), "{:?}", out.set_cookies());
        ada.get("/sign-in").await.is(200).says("You are signed out");
        ada.get("/account").await.is(303);
        thief.get("/account").await.is(303);
        // Who is signed out already is signed out.
        ada.post("/do/sign_out", &[("drawn[page]", "/")]).await.leads_to("/sign-in");
        let nothing: [(&str, &str); 0] = [];
        ada.post("/do/sign_out", &nothing).await.leads_to("/sign-in");
    }

    async fn on_loopback_without_tls_cookies_are_plain_and_kept_from_scripts(portal) {
        portal.sign_up("ada").await;
        let browser = portal.browser();
        let answer = portal.sign_in_to(&browser, "ada@example.com", PASSWORD).await;
        let seconds = 30 * 86_400;
        let session = answer.set_cookie("session");
        assert!(session.ends_with(&format!("; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}")), "{session}");
        for cookie in answer.set_cookies() {
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax") && cookie.contains("; Path=/"), "{cookie}");
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    }

    async fn over_tls_cookies_are_bound_to_the_host(portal, Options::default().with("public_url", "https://portal.example.com")) {
        let ada = portal.browser();
        let form = ada.get("/sign-up").await.form("/do/sign_up").with("email", "ada@example.com").with("first_name", "Ada").with("password", PASSWORD);
        let mut answers = vec![ada.submit(&form).await.is(303)];
        answers.push(ada.fill(&portal.link("ada@example.com", "/verify-email").await, "/do/verify_email", &[]).await.leads_to("/getting-started"));
        answers.push(ada.fill("/account", "/do/change_name", &[("first_name", "A")]).await.is(303));
        answers.push(ada.post("/do/choose_theme", &[("theme", "dark"), ("drawn[page]", "/")]).await.is(303));
        // What was chosen, and what is said once, are read under these names.
        let page = ada.get("/account").await.is(200);
        assert_eq!((page.attributes("html", "data-theme"), page.count(".notice")), (vec!["dark".to_owned()], 1));
        answers.push(page);
        answers.push(ada.fill("/account", "/do/sign_out", &[]).await.is(303));
        answers.push(portal.sign_in_to(&ada, "ada@example.com", PASSWORD).await.is(303));
        let cookies: Vec<String> = answers.iter().flat_map(Answer::set_cookies).collect();
        assert!(cookies.len() >= 7, "{cookies:?}");
        for cookie in &cookies {
            assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax") && cookie.contains("; Path=/"), "{cookie}");
            assert!(!cookie.to_lowercase().contains("domain="), "{cookie}");
            let name = cookie.split('=').next().unwrap();
            assert!(name.starts_with("__Host-"), "a cookie goes under {name}");
        }
        assert!(cookies.iter().any(|c| c.starts_with("__Host-session=")));
        // A cookie of the plain name is nobody's session.
        let planted = portal.browser();
        planted.set_cookie("session", &ada.cookie("__Host-session").unwrap());
        planted.get("/account").await.is(303);
        let page = ada.get("/account").await.is(200);
        assert_eq!(page.header("strict-transport-security"), "max-age=63072000; includeSubDomains");
    }

    async fn after_sign_in_one_arrives_where_one_wanted_to_go(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", org_portal::permissions::Role::Admin)]).await;
        drop(ada);
        let browser = portal.browser();
        let away = browser.get("/organization/members?q=a%26b&sort=email").await.is(303);
        let page = browser.get(away.location()).await.is(200);
        let form = page.form("/do/sign_in").with("email", "ada@example.com");
        // A slip on the way does not lose it.
        let refused = browser.submit(&form.clone().with("password", OTHER_PASSWORD)).await.is(401);
        let form = refused.form("/do/sign_in").with("password", PASSWORD);
        browser.submit(&form).await.leads_to("/organization/members?q=a%26b&sort=email");
        browser.get("/sign-in?to=%2Froles").await.leads_to("/roles");
    }

    async fn after_sign_in_one_is_never_sent_to_another_host(portal) {
        portal.sign_up("ada").await;
        for to in [
            "//evil.example/x", "https://evil.example/", "http:evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
            "/\t/evil.example", "/%0d%0aSet-Cookie:x=y\r\nSet-Cookie: x=y", " //evil.example", "/do/sign_out", "evil.example", "///evil.example",
        ] {
            let browser = portal.browser();
            let encoded: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
            let page = browser.get(&format!("/sign-in?to={encoded}")).await.is(200);
            assert!(!page.form("/do/sign_in").has("to"), "{to:?} is believed: {:?}", page.form("/do/sign_in"));
            let form = page.form("/do/sign_in").with("email", "ada@example.com").with("password", PASSWORD).forged("form[to]", to);
            let answer = browser.submit(&form).await.leads_to("/getting-started");
            assert!(answer.set_cookies().iter().all(|c| !c.starts_with("x=")), "{to:?}");
            browser.get(&format!("/sign-in?to={encoded}")).await.leads_to("/getting-started");
        }
    }

    async fn a_form_sent_after_the_session_has_ended_leads_to_sign_in_and_writes_nothing(portal) {
        let ada = portal.sign_up("ada").await;
        let form = ada.get("/account").await.form("/do/change_name").with("first_name", "Changed");
        portal.sign_in("ada").await.fill("/account", "/do/end_other_sessions", &[]).await.is(303);
        let before = portal.state().await;
        let page = ada.submit(&form).await.is(401);
        assert_eq!(page.heading(), "Sign in");
        assert!(page.main().contains("You are not signed in any more"), "{}", page.sketch());
        assert_eq!(page.form("/do/sign_in").value("to"), "/account");
        let call = ada.call("change_name", &[("form[first_name]", "Changed")]).await;
        call.refused(401, serde_json::json!({ "Unauthenticated": "SignInRequired" }));
        assert_eq!(portal.state().await, before);
    }

    async fn a_locked_account_is_out_at_once_until_its_time_is_over(portal) {
        let ada = portal.sign_up("ada").await;
        let until = portal.clock.now().plus(HOUR).0;
        portal.execute(&format!("UPDATE accounts SET locked_until = {until}, lock_reason = 'Spam'")).await;
        ada.get("/account").await.is(303);
        let browser = portal.browser();
        portal.sign_in_to(&browser, "ada@example.com", PASSWORD).await.is(401).says("This account is locked").never_says("Spam");
        portal.sign_in_to(&browser, "ada@example.com", "wrong").await.is(401).says("The e-mail address or the password is wrong");
        // Told by the password, before anything else is asked: both are noted as attempts.
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'session.sign_in_failed'").await, 2);
        portal.clock.advance(HOUR);
        portal.sign_in_to(&browser, "ada@example.com", PASSWORD).await.is(303);
        ada.get("/account").await.is(200);
    }

    async fn a_session_holds_on_every_replica_and_after_a_restart_and_its_end_too(portal) {
        let ada = portal.sign_up("ada").await;
        let second = TestPortal::second(portal).await;
        ada.at(&second).get("/account").await.is(200);
        portal.stop().await;
        ada.at(&second).get("/account").await.is(200);
        ada.at(&second).fill("/account", "/do/sign_out", &[]).await.is(303);
        let third = TestPortal::second(&second).await;
        ada.at(&third).get("/account").await.is(303);
        third.stop().await;
        second.stop().await;
    }

    async fn the_theme_is_chosen_for_the_browser_and_leads_back_to_the_page(portal) {
        let ada = portal.sign_up("ada").await;
        let form = ada.get("/roles").await.is(200).form("/do/choose_theme").forged("theme", "dark");
        let answer = ada.submit(&form).await.leads_to("/roles");
        assert_eq!(answer.set_cookie("theme"), format!("theme=dark; Path=/; HttpOnly; SameSite=Lax; Max-Age={}", 365 * 86_400));
        assert_eq!(ada.get("/roles").await.attributes("html", "data-theme"), ["dark"]);
        for (theme, page) in [("light\r\nx: y", "//evil.example"), ("<script>", "https://evil.example/"), ("light; Domain=evil.example", "/do/sign_out")] {
            let answer = ada.submit(&form.clone().forged("theme", theme).forged("drawn[page]", page)).await.leads_to("/");
            assert!(answer.set_cookie("theme").starts_with("theme=system; "), "{:?}", answer.set_cookies());
        }
    }

    async fn nonsense_in_cookies_is_nobody(portal) {
        portal.sign_up("ada").await;
        for junk in ["", "x", "\"", "%00", "=====", &"A".repeat(5000), "null", "1 OR 1=1", "'; DROP TABLE sessions; --"] {
            let browser = portal.browser();
            for name in ["session", "known_browser", "sign_up", "notice", "theme"] {
                browser.set_cookie(name, junk);
            }
            browser.get("/account").await.is(303);
            browser.get("/sign-in").await.is(200);
            portal.sign_in_to(&browser, "ada@example.com", PASSWORD).await.leads_to("/getting-started");
        }
    }
}
