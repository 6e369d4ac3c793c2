//! Second factors: apps that make codes, recovery codes, the second step of a sign-in (`SPEC.md` §3.1).

use org_portal::{
    permissions::Role,
    words::{HOUR, MINUTE, SECOND},
};

use crate::{on_both, support::*};

/// The sentences of the audit log, the newest first.
async fn sentences(operator: &Browser) -> Vec<String> {
    operator.get("/operator/audit").await.is(200).texts("table.events tbody th")
}

async fn methods(portal: &TestPortal) -> Vec<String> {
    portal.rows("SELECT methods FROM sessions ORDER BY created_at").await.concat()
}

/// Sends a code as an island would; gives the status.
async fn finish(browser: &Browser, code: &str) -> u16 {
    browser.call("finish_sign_in", &[("form[code]", code)]).await.status
}

/// What the mails to an address are about, but for those of sign-ins in new browsers.
async fn subjects(portal: &TestPortal, address: &str) -> Vec<String> {
    let subjects = portal.mails_to(address).await.into_iter().map(|mail| mail.subject);
    subjects.filter(|subject| !subject.starts_with("A new sign-in")).collect()
}

on_both! {
    async fn who_sets_up_an_app_signs_in_with_the_password_and_a_code(portal) {
        let ada = portal.sign_up("ada").await;
        let elsewhere = portal.sign_in("ada").await;
        ada.get("/account").await.is(200).says("your password alone signs you in");
        let page = ada.get("/account/factors").await.is(200);
        assert!(page.has_link("/account/factors/app") && !page.has_link("/account/factors/recovery-codes"), "{}", page.sketch());
        let page = ada.get("/account/factors/app").await.is(200);
        assert_eq!(page.count("svg.qr[role=img][aria-label] path[d^='M4 4h7v1h-7z']"), 1, "the code begins with its mark");
        let mut app = App::of(&page);
        let form = page.form("/do/add_app").with("name", "Phone").with("code", &app.code(portal));
        let shown = ada.submit(&form).await.is(200);
        assert_eq!(shown.heading(), "Keep the recovery codes");
        assert_eq!(shown.header("cache-control"), "no-store");
        app.codes = shown.texts(".codes code");
        assert_eq!(app.codes.len(), 10);
        assert!(app.codes.iter().all(|code| code.len() == 29), "{:?}", app.codes);
        // The form sent again shows nothing a second time.
        ada.submit(&form).await.leads_to("/account/factors");
        assert_eq!(portal.count("SELECT count(*) FROM authenticators").await, 1);
        let page = ada.get("/account/factors").await.is(200);
        assert!(page.main().contains("Phone") && page.main().contains("10 are left."), "{}", page.sketch());
        assert!(app.codes.iter().all(|code| !page.html().contains(code.as_str())));
        // All other sessions were opened without it.
        elsewhere.get("/account").await.is(303);
        ada.get("/account").await.is(200).says("With one authenticator app.");
        assert_eq!(methods(portal).await, ["mail_link+code"]);
        // Only what opens it is kept.
        let kept = portal.rows(&format!("SELECT {} FROM recovery_codes", portal.engine.hex("code_hash"))).await.concat().join(" ");
        assert!(app.codes.iter().all(|code| !kept.contains(&code.replace('-', ""))));

        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        let page = browser.get("/sign-in/code?to=%2Fgetting-started").await.is(200);
        assert_eq!(page.attributes("#code", "autocomplete"), ["one-time-code"]);
        assert!(page.has_link("/sign-in/code?with=recovery-code&to=%2Fgetting-started"), "{}", page.html());
        portal.second_step(&browser, &app.next_code(portal)).await.leads_to("/getting-started");
        browser.get("/account").await.is(200).says("by password and a code of your app");
        assert_eq!(browser.cookie("second_step"), None);
        assert_eq!(methods(portal).await, ["mail_link+code", "password+code"]);
        assert_eq!(portal.count("SELECT count(*) FROM half_sign_ins").await, 0);
        let subjects = subjects(portal, "ada@example.com").await;
        assert_eq!(subjects.last().map(String::as_str), Some("An authenticator app was set up at Org Portal"), "{subjects:?}");
        let olga = portal.operator("olga").await;
        let said = sentences(&olga).await;
        assert!(said.iter().any(|s| s.contains("set up the authenticator app Phone")), "{said:?}");
    }

    async fn an_app_that_somebody_else_set_up_is_removed_by_the_link_of_the_mail(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone of Mallory").await;
        let link = portal.link("ada@example.com", "/undo").await;
        let owner = portal.browser();
        owner.get(&link).await.is(200).says("The second factor Phone of Mallory is removed from your account.");
        let answer = owner.fill(&link, "/do/undo_change", &[]).await.is(303);
        ada.get("/account").await.is(303);
        assert_eq!(portal.count("SELECT (SELECT count(*) FROM authenticators) + (SELECT count(*) FROM recovery_codes)").await, 0);
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(401);
        owner.fill(answer.location(), "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.leads_to("/sign-in");
        portal.sign_in_to(&owner, "ada@example.com", OTHER_PASSWORD).await.leads_to("/getting-started");
        drop(app);
        // What its owner has removed meanwhile is not to be undone any more.
        portal.set_up_app(&owner, "Phone").await;
        let link = portal.link("ada@example.com", "/undo").await;
        let factor = owner.get("/account/factors").await.attributes("a[href^='/account/factors/remove?factor=']", "href").concat();
        owner.fill(&factor, "/do/remove_factor", &[]).await.is(303);
        portal.browser().get(&link).await.is(410);
    }

    async fn recovery_codes_that_somebody_else_made_go_with_what_is_undone(portal) {
        let ada = portal.sign_up("ada").await;
        portal.set_up_app(&ada, "Phone").await;
        portal.clock.advance(SECOND);
        ada.fill("/account/email", "/do/change_email", &[("email", "mallory@example.com"), ("password", PASSWORD)]).await.is(303);
        ada.fill(&portal.link("mallory@example.com", "/confirm-email").await, "/do/confirm_email", &[]).await.is(303);
        portal.clock.advance(SECOND);
        let form = ada.get("/account/factors/recovery-codes").await.is(200).form("/do/renew_recovery_codes");
        assert_eq!(ada.submit(&form).await.is(200).texts(".codes code").len(), 10);
        let link = portal.link("ada@example.com", "/undo?").await;
        // The newest of this address: the one of the address, and not that of the app.
        portal.browser().fill(&link, "/do/undo_change", &[]).await.is(303);
        let left = portal.rows("SELECT (SELECT count(*) FROM authenticators), (SELECT count(*) FROM recovery_codes)").await;
        assert_eq!(left, [["1", "0"]], "the app was there before");
    }

    async fn the_first_step_is_no_session(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        let cookie = browser.cookie("second_step").unwrap();
        assert!(cookie.len() >= 43 && browser.cookie("session").is_none());
        browser.get("/account").await.leads_to("/sign-in?to=%2Faccount");
        browser.call("change_name", &[("form[first_name]", "X")]).await.is(401);
        assert_eq!(browser.live("").await.status, 401);
        browser.set_cookie("session", &cookie);
        browser.get("/account").await.leads_to("/sign-in?to=%2Faccount");
        let reply = portal.api().with_or_without(Some(&cookie)).send(reqwest::Method::POST, "/v1/auth/GetProfile", "{}".to_owned()).await;
        assert_eq!(reply.status, 401);
        browser.drop_cookie("session");
        // In another browser the code is worth nothing.
        let code = app.next_code(portal);
        let stranger = portal.browser();
        stranger.get("/sign-in/code").await.leads_to("/sign-in");
        stranger.get("/sign-in/code?to=%2Faccount").await.leads_to("/sign-in?to=%2Faccount");
        stranger.call("finish_sign_in", &[("form[code]", &code)]).await.is(401);
        let page = stranger.post("/do/finish_sign_in", &[("form[code]", code.as_str()), ("drawn[page]", "/sign-in/code")]).await.is(401);
        assert_eq!(page.heading(), "Sign in");
        // Nor after ten minutes.
        portal.clock.advance(10 * MINUTE);
        browser.get("/sign-in/code").await.leads_to("/sign-in");
        browser.call("finish_sign_in", &[("form[code]", &app.next_code(portal))]).await.is(401);
        assert_eq!(methods(portal).await, ["mail_link+code"]);
    }

    async fn a_code_is_used_once_and_one_of_before_is_used_up_with_it(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let first = portal.browser();
        portal.first_step(&first, "ada").await;
        // The code that set the app up.
        let page = portal.second_step(&first, &app.code(portal)).await.is(422);
        assert_eq!(page.error_of("code").as_deref(), Some("This code was used already. Wait for the next one"));
        assert_eq!(page.value_of("code"), "");
        let (before, now) = (app.next_code(portal), app.next_code(portal));
        portal.second_step(&first, &now).await.is(303);
        let second = portal.browser();
        portal.first_step(&second, "ada").await;
        for code in [&now, &before] {
            portal.second_step(&second, code).await.is(422).says("used already");
        }
        portal.second_step(&second, &app.next_code(portal)).await.leads_to("/getting-started");
    }

    async fn five_wrong_codes_and_the_sign_in_begins_again(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        let wrong = if app.next_code(portal) == "000000" { "000001" } else { "000000" };
        // What is no code at all counts for nothing.
        for mistyped in ["", "12345", "abcdef"] {
            assert!(portal.second_step(&browser, mistyped).await.is(422).error_of("code").is_some());
        }
        let form = browser.get("/sign-in/code?to=%2Faccount").await.form("/do/finish_sign_in").with("code", wrong);
        for _ in 0..4 {
            let page = browser.submit(&form).await.is(422);
            assert_eq!(page.error_of("code").as_deref(), Some("This code is wrong. Enter the one that the app shows now"));
        }
        assert_eq!(browser.submit(&form).await.is(401).heading(), "Sign in");
        browser.get("/sign-in/code").await.leads_to("/sign-in");
        let page = browser.post("/do/finish_sign_in", &[("form[code]", app.code(portal).as_str()), ("drawn[page]", "/sign-in/code")]).await.is(401);
        assert_eq!(page.heading(), "Sign in");
        let olga = portal.operator("olga").await;
        let said = sentences(&olga).await;
        let noted = said.iter().filter(|s| s.contains("tried to sign in as ada@example.com with the right password and a wrong code")).count();
        assert_eq!(noted, 5, "{said:?}");
    }

    async fn codes_of_an_account_are_limited_whatever_first_step_they_follow(portal, Options::default().with("second_factor_rate", "3/60")) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let mut answers = Vec::new();
        for _ in 0..4 {
            let browser = portal.browser();
            portal.first_step(&browser, "ada").await;
            answers.push(portal.second_step(&browser, "000000").await.status);
        }
        assert_eq!(answers, [422, 422, 422, 429]);
        // A browser in which she has signed in before is counted apart.
        let known = ada.copy();
        known.drop_cookie("session");
        portal.first_step(&known, "ada").await;
        portal.second_step(&known, &app.next_code(portal)).await.leads_to("/getting-started");
    }

    async fn an_app_is_set_up_with_its_own_code_and_in_time(portal) {
        let ada = portal.sign_up("ada").await;
        let page = ada.get("/account/factors/app").await.is(200);
        let (app, form) = (App::of(&page), page.form("/do/add_app"));
        let page = ada.submit(&form.clone().with("name", " ").with("code", "12")).await.is(422);
        assert!(page.error_of("name").is_some() && page.error_of("code").is_some(), "{}", page.sketch());
        let wrong = if app.code(portal) == "000000" { "000001" } else { "000000" };
        let page = ada.submit(&form.clone().with("name", "My phone").with("code", wrong)).await.is(422);
        assert!(page.error_of("code").unwrap().starts_with("This is not the code that the app shows now"), "{}", page.sketch());
        assert_eq!((page.value_of("name").as_str(), page.value_of("code").as_str()), ("My phone", ""));
        // The key stays the one that the app has taken over.
        assert_eq!(App::of(&page).code(portal), app.code(portal));
        // Of another account's page.
        let eve = portal.sign_up("eve").await;
        let stolen = eve.get("/account/factors/app").await.form("/do/add_app").forged("form[sealed]", form.value("sealed"));
        eve.submit(&stolen.with("name", "Phone").with("code", &app.code(portal))).await.is(422).says("Open it again");
        portal.clock.advance(HOUR);
        ada.submit(&form.with("name", "My phone").with("code", &app.code(portal))).await.is(422).says("Open it again");
        assert_eq!(portal.count("SELECT count(*) FROM authenticators").await, 0);
        assert_eq!(portal.count("SELECT count(*) FROM recovery_codes").await, 0);
    }

    async fn what_changes_factors_asks_for_the_password_where_it_was_given_too_long_ago(portal) {
        let ada = portal.sign_up("ada").await;
        portal.clock.advance(11 * MINUTE);
        let page = ada.get("/account/factors/app").await.is(200);
        let (app, form) = (App::of(&page), page.form("/do/add_app"));
        assert!(form.has("password"));
        let filled = |password: &str| form.clone().with("name", "Phone").with("code", &app.code(portal)).with("password", password);
        assert!(ada.submit(&filled("")).await.is(401).error_of("password").is_some());
        assert_eq!(ada.submit(&filled(OTHER_PASSWORD)).await.is(422).error_of("password").as_deref(), Some("This is not your password"));
        ada.submit(&filled(PASSWORD)).await.is(200);
        portal.clock.advance(11 * MINUTE);
        let page = ada.get("/account/factors").await.is(200);
        let remove = page.attributes("a", "href").into_iter().find(|href| href.starts_with("/account/factors/remove?factor=")).unwrap();
        let id = remove.rsplit('=').next().unwrap().to_owned();
        ada.call("remove_factor", &[("form[factor]", &id)]).await.is(401);
        ada.call("renew_recovery_codes", &[("form[password]", OTHER_PASSWORD)]).await.is(422);
        assert_eq!(portal.count("SELECT count(*) FROM authenticators").await, 1);
        // Nobody else removes it.
        let eve = portal.sign_up("eve").await;
        eve.get(&remove).await.is(404);
        eve.call("remove_factor", &[("form[factor]", &id)]).await.is(404);
        ada.get("/account/factors/remove?factor=x").await.is(404);
        ada.get("/account/factors/remove").await.leads_to("/account/factors");
        ada.fill(&remove, "/do/remove_factor", &[("password", PASSWORD)]).await.leads_to("/account/factors");
        ada.get("/account/factors").await.is(200).says("It was removed.");
        assert_eq!(portal.count("SELECT count(*) FROM recovery_codes").await, 0);
        portal.sign_in("ada").await;
        let subjects = subjects(portal, "ada@example.com").await;
        assert_eq!(subjects.last().map(String::as_str), Some("Two-step sign-in is off at Org Portal"), "{subjects:?}");
    }

    async fn each_of_several_apps_signs_in_and_the_codes_stay_until_the_last_goes(portal) {
        let ada = portal.sign_up("ada").await;
        let phone = portal.set_up_app(&ada, "Phone").await;
        let laptop = portal.set_up_app(&ada, "Laptop").await;
        assert_eq!((phone.codes.len(), laptop.codes.len()), (10, 0));
        for app in [&phone, &laptop] {
            let browser = portal.browser();
            portal.first_step(&browser, "ada").await;
            portal.second_step(&browser, &app.next_code(portal)).await.leads_to("/getting-started");
        }
        let page = ada.get("/account/factors").await.is(200);
        let remove: Vec<String> = page.attributes("a", "href").into_iter().filter(|href| href.starts_with("/account/factors/remove")).collect();
        assert_eq!(remove.len(), 2);
        ada.fill(&remove[0], "/do/remove_factor", &[]).await.leads_to("/account/factors");
        assert_eq!(portal.count("SELECT count(*) FROM recovery_codes").await, 10);
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        portal.second_step(&browser, &phone.next_code(portal)).await.is(422);
        portal.second_step(&browser, &laptop.next_code(portal)).await.is(303);
    }

    async fn a_recovery_code_signs_in_once_and_new_ones_end_the_old(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        let page = browser.get("/sign-in/code?with=recovery-code&to=%2Faccount").await.is(200);
        assert!(page.main().contains("Recovery code") && page.main().contains("No code left?"), "{}", page.sketch());
        assert_eq!(page.attributes("#code", "autocomplete"), ["off"]);
        // As somebody types it from paper.
        let typed = app.codes[3].to_uppercase().replace('-', " ");
        browser.submit(&page.form("/do/finish_sign_in").with("code", &typed)).await.leads_to("/account");
        assert_eq!(methods(portal).await, ["mail_link+code", "password+recovery_code"]);
        let mail = portal.mails_to("ada@example.com").await.into_iter().rfind(|mail| mail.subject.starts_with("A recovery code was used")).unwrap();
        assert!(mail.text.contains("9 are left"), "{mail:?}");
        let again = portal.browser();
        portal.first_step(&again, "ada").await;
        portal.second_step(&again, &app.codes[3]).await.is(422).says("none of your recovery codes, or it was used before");
        // Another account's are none of hers.
        let eve = portal.sign_up("eve").await;
        let other = portal.set_up_app(&eve, "Phone").await;
        portal.second_step(&again, &other.codes[0]).await.is(422);
        let form = ada.get("/account/factors/recovery-codes").await.is(200).says("Those that you have stop working").form("/do/renew_recovery_codes");
        let new = ada.submit(&form).await.is(200).texts(".codes code");
        assert!(new.len() == 10 && new.iter().all(|code| !app.codes.contains(code)));
        ada.submit(&form).await.leads_to("/account/factors");
        ada.get("/account/factors").await.is(200).says("The codes were made already");
        portal.second_step(&again, &app.codes[4]).await.is(422);
        portal.second_step(&again, &new[0]).await.leads_to("/getting-started");
        assert!(subjects(portal, "ada@example.com").await.iter().any(|subject| subject.starts_with("New recovery codes")));
        let olga = portal.operator("olga").await;
        let said = sentences(&olga).await;
        assert!(said.iter().any(|s| s.ends_with("used a recovery code of Ada Example")) && said.iter().any(|s| s.ends_with("made new recovery codes")), "{said:?}");
    }

    async fn recovery_codes_are_for_who_has_an_app(portal) {
        let ada = portal.sign_up("ada").await;
        ada.get("/account/factors/recovery-codes").await.leads_to("/account/factors");
        ada.call("renew_recovery_codes", &[("form[password]", "")]).await.is(404);
        assert_eq!(portal.count("SELECT count(*) FROM recovery_codes").await, 0);
    }

    async fn a_reset_of_the_password_does_not_skip_the_second_factor(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let half = portal.browser();
        portal.first_step(&half, "ada").await;
        let browser = portal.browser();
        browser.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let link = portal.link("ada@example.com", "/reset-password").await;
        browser.fill(&link, "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.leads_to("/sign-in");
        // What was half way with the old password is over.
        half.get("/sign-in/code").await.leads_to("/sign-in");
        portal.sign_in_to(&browser, "ada@example.com", OTHER_PASSWORD).await.leads_to("/sign-in/code?to=%2Fgetting-started");
        browser.get("/account").await.is(303);
        portal.second_step(&browser, &app.next_code(portal)).await.leads_to("/getting-started");
    }

    async fn a_program_cannot_sign_in_with_the_password_alone(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let body = format!(r#"{{"email":"ada@example.com","password":"{PASSWORD}"}}"#);
        let post = async |body: &str| portal.api().with_or_without(None).send(reqwest::Method::POST, "/v1/auth/SignIn", body.to_owned()).await;
        assert_eq!(post(&body).await.status, 200);
        portal.set_up_app(&ada, "Phone").await;
        let sessions = portal.count("SELECT count(*) FROM sessions").await;
        let reply = post(&body).await;
        assert_eq!(reply.status, 401, "{}", reply.text);
        assert!(reply.text.contains("\"code\":16") && reply.text.contains("Make a token"), "{}", reply.text);
        // Whoever has not the password learns nothing of it.
        let wrong = post(&body.replace(PASSWORD, OTHER_PASSWORD)).await;
        assert!(wrong.status == 401 && wrong.text.contains("Incorrect username or password."), "{}", wrong.text);
        assert_eq!(portal.count("SELECT count(*) FROM sessions").await, sessions);
        // A token goes on.
        let token = portal.token(&ada, "read", "1 day").await;
        let reply = portal.api().with_or_without(Some(&token)).send(reqwest::Method::POST, "/v1/auth/GetProfile", "{}".to_owned()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    async fn a_wrong_password_says_nothing_of_a_second_factor(portal) {
        let ada = portal.sign_up("ada").await;
        portal.sign_up("bob").await;
        portal.set_up_app(&ada, "Phone").await;
        let mut seen = Vec::new();
        for email in ["ada@example.com", "bob@example.com", "nobody@example.com"] {
            let page = portal.sign_in_to(&portal.browser(), email, OTHER_PASSWORD).await.is(401);
            seen.push((page.normalized().replace(email, "EMAIL"), page.normalized_headers()));
        }
        assert_alike(&seen[0], &seen[1], "an account with a second factor is told apart");
        assert_alike(&seen[0], &seen[2], "one without is");
    }

    async fn the_second_step_leads_where_one_wanted_to_go_and_nowhere_else(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let browser = portal.browser();
        let form = browser.get("/sign-in?to=%2Froles%3Fa%3Db").await.form("/do/sign_in").with("email", "ada@example.com").with("password", PASSWORD);
        let answer = browser.submit(&form).await.leads_to("/sign-in/code?to=%2Froles%3Fa%3Db");
        let page = browser.follow(&answer).await.is(200);
        browser.submit(&page.form("/do/finish_sign_in").with("code", &app.next_code(portal))).await.leads_to("/roles?a=b");
        // Who is signed in has nothing to do here.
        browser.get("/sign-in/code?to=%2Froles").await.leads_to("/roles");
        for place in ["//evil.example", "https://evil.example/", "/do/sign_out"] {
            let other = portal.browser();
            portal.first_step(&other, "ada").await;
            let form = other.get("/sign-in/code").await.form("/do/finish_sign_in").forged("form[to]", place).with("code", &app.next_code(portal));
            other.submit(&form).await.leads_to("/getting-started");
        }
    }

    async fn who_is_locked_between_the_steps_stays_out(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        portal.execute("UPDATE accounts SET locked_until = 9223372036854775807, lock_reason = 'x' WHERE email_key = 'ada@example.com'").await;
        let code = app.next_code(portal);
        portal.second_step(&browser, &code).await.is(401).says("This account is locked");
        portal.execute("UPDATE accounts SET locked_until = NULL, lock_reason = NULL").await;
        // Nothing was used up.
        portal.second_step(&browser, &code).await.leads_to("/getting-started");
    }

    async fn one_code_opens_one_session_however_often_it_comes_at_once(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        for code in [app.next_code(portal), app.codes[0].clone()] {
            let before = portal.count("SELECT count(*) FROM sessions").await;
            let mut browsers = Vec::new();
            for _ in 0..6 {
                let browser = portal.browser();
                portal.first_step(&browser, "ada").await;
                browsers.push(browser);
            }
            let calls = browsers.iter().map(|browser| finish(browser, &code));
            let statuses: Vec<u16> = futures::future::join_all(calls).await;
            assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
            assert!(statuses.iter().all(|status| [200, 422].contains(status)), "{statuses:?}");
            assert_eq!(portal.count("SELECT count(*) FROM sessions").await, before + 1);
        }
        // Nor does one first step open two.
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        let before = portal.count("SELECT count(*) FROM sessions").await;
        let twins = [browser.copy(), browser.copy()];
        let calls = twins.iter().zip(&app.codes[1..3]).map(|(twin, code)| finish(twin, code));
        let statuses: Vec<u16> = futures::future::join_all(calls).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(portal.count("SELECT count(*) FROM sessions").await, before + 1);
    }

    async fn what_is_over_is_forgotten_and_an_account_takes_its_factors_along(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        portal.first_step(&portal.browser(), "ada").await;
        assert_eq!(portal.count("SELECT count(*) FROM half_sign_ins").await, 1);
        portal.clock.advance(10 * MINUTE + SECOND);
        org_portal::maintenance::once(&portal.portal).await.unwrap();
        assert_eq!(portal.count("SELECT count(*) FROM half_sign_ins").await, 0);
        portal.first_step(&portal.browser(), "ada").await;
        ada.fill("/account/delete", "/do/delete_account", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.leads_to("/sign-in");
        for table in ["authenticators", "recovery_codes", "half_sign_ins"] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        drop(app);
    }

    /// What is sealed for one account opens for no other, and not without the key file.
    async fn secrets_are_sealed_for_their_account(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let eve = portal.sign_up("eve").await;
        portal.set_up_app(&eve, "Phone").await;
        let of = |name: &str| format!("(SELECT id FROM accounts WHERE email_key = '{name}@example.com')");
        portal.execute(&format!("UPDATE authenticators SET sealed = (SELECT sealed FROM authenticators WHERE account_id = {}) WHERE account_id = {}", of("ada"), of("eve"))).await;
        let browser = portal.browser();
        portal.first_step(&browser, "eve").await;
        portal.second_step(&browser, &app.next_code(portal)).await.is(422);
        let seal = &portal.portal.seal;
        let foreign = org_portal::factors::actions::count_foreign(&mut portal.portal.read().await.unwrap(), seal).await.unwrap();
        assert_eq!(foreign, 1);
    }
}

/// Runs the executable on the portal's database; gives whether it went well, and what it printed.
async fn command(portal: &TestPortal, arguments: &[&str]) -> (bool, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_org-portal"));
    command.args(arguments).args(["--database-url", &portal.config.database_url, "--public-url", "http://127.0.0.1:3000"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

on_both! {
    async fn where_everyone_has_to_have_one_there_is_nothing_else_to_do_before(portal, Options::default().with("second_factor", "everyone")) {
        let ada = portal.browser();
        portal.sign_up_in(&ada, "ada@example.com", "Ada", "Example").await;
        for path in ["/getting-started", "/account", "/account/factors", "/organization/add", "/oauth2/authorize?client_id=x", "/operator", "/invitation?token=x"] {
            let to: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
            ada.get(path).await.leads_to(&format!("/account/factors/app?to={to}"));
        }
        ada.get("/").await.leads_to("/account/factors/app");
        for endpoint in ["change_name", "list_members", "add_organization", "remove_factor", "no_such_function"] {
            let call = ada.call(endpoint, &[("form[first_name]", "X"), ("form[name]", "X"), ("query", "")]).await.is(409);
            assert!(call.text.contains("NoSecondFactor"), "{}", call.text);
        }
        ada.post("/do/change_name", &[("form[first_name]", "X")]).await.is(409).says("This portal asks you for a second factor");
        assert_eq!(ada.live("").await.status, 409);
        let session = ada.cookie("session").unwrap();
        let api = || portal.api().with_or_without(Some(&session));
        let reply = api().send(reqwest::Method::POST, "/v1/auth/GetProfile", "{}".to_owned()).await;
        assert!(reply.status == 403 && reply.text.contains("second factor"), "{}", reply.text);
        assert_eq!(api().send(reqwest::Method::POST, "/v1/auth/RefreshSession", "{}".to_owned()).await.status, 200);
        assert_eq!(portal.text("SELECT first_name FROM accounts").await, "Ada");
        // Leaving is allowed, and so is the theme.
        ada.call("choose_theme", &[("theme", "dark")]).await.is(200);
        let page = ada.get("/account/factors/app?to=%2Faccount").await.is(200);
        assert_eq!(page.heading(), "Set up two-step sign-in");
        assert!(page.has_form("/do/sign_out") && !page.has_link("/getting-started"), "{}", page.sketch());
        let app = App::of(&page);
        let page = ada.submit(&page.form("/do/add_app").with("name", "").with("code", &app.code(portal))).await.is(422);
        assert_eq!((page.heading().as_str(), page.error_of("name").is_some()), ("Set up two-step sign-in", true));
        let page = ada.submit(&page.form("/do/add_app").with("name", "Phone").with("code", &app.code(portal))).await.is(200);
        assert!(page.has_link("/account"), "where one wanted to go");
        ada.get("/getting-started").await.is(200);
        ada.call("change_name", &[("form[first_name]", "Augusta")]).await.is(200);
        // Who has none is asked again at every sign-in.
        let bob = portal.browser();
        portal.sign_up_in(&bob, "bob@example.com", "Bob", "Example").await;
        bob.submit(&bob.get("/account/factors/app").await.form("/do/sign_out")).await.leads_to("/sign-in");
        let again = portal.browser();
        portal.sign_in_to(&again, "bob@example.com", PASSWORD).await.leads_to("/getting-started");
        again.get("/getting-started").await.leads_to("/account/factors/app?to=%2Fgetting-started");
    }

    async fn where_admins_have_to_have_one_others_go_on_until_they_are_one(first) {
        let [ada, bob] = first.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let olga = first.operator("olga").await;
        let token = first.token(&ada, "read", "1 day").await;
        let portal = &TestPortal::second_with(first, Options::default().with("second_factor", "admins")).await;
        let (ada, bob, olga) = (ada.at(portal), bob.at(portal), olga.at(portal));
        ada.get("/organization").await.leads_to("/account/factors/app?to=%2Forganization");
        olga.get("/operator").await.leads_to("/account/factors/app?to=%2Foperator");
        bob.get("/organization").await.is(200);
        // What was made before goes on.
        let reply = portal.api().with_or_without(Some(&token)).send(reqwest::Method::POST, "/v1/auth/GetProfile", "{}".to_owned()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        portal.set_up_app(&ada, "Phone").await;
        let member = portal.member_of("bob").await.to_string();
        let organization = portal.organization_of("ada").await;
        ada.call_in(organization, "change_role", &[("form[member]", &member), ("form[role]", "Admin")]).await.is(200);
        bob.get("/organization").await.leads_to("/account/factors/app?to=%2Forganization");
        bob.call_in(organization, "rename_organization", &[("form[name]", "X")]).await.is(409);
        ada.call_in(organization, "change_role", &[("form[member]", &member), ("form[role]", "Technical user")]).await.is(200);
        bob.get("/organization").await.is(200);
        // Without it no Admin is one.
        let page = ada.get("/account/factors").await.is(200);
        let remove = page.attributes("a", "href").into_iter().find(|href| href.starts_with("/account/factors/remove")).unwrap();
        ada.fill(&remove, "/do/remove_factor", &[]).await.is(303);
        ada.get("/organization").await.leads_to("/account/factors/app?to=%2Forganization");
        portal.stop().await;
    }

    async fn the_operator_removes_what_is_lost_and_the_owner_is_told(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        portal.set_up_app(&ada, "Tablet").await;
        let olga = portal.operator("olga").await;
        let id = portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'ada@example.com'", portal.engine.hex("id"))).await;
        let path = format!("/operator/accounts/{}", uuid(&id));
        let page = olga.get(&path).await.is(200);
        assert_eq!(page.fact("Second factor"), "2 · Remove second factors");
        portal.clock.advance(11 * MINUTE);
        let form = olga.get(&format!("{path}/factors")).await.is(200).says("not by a mail alone").form("/do/remove_factors");
        olga.submit(&form.clone().with("reason", "").with("password", PASSWORD)).await.is(422);
        olga.submit(&form.clone().with("reason", "Called back")).await.is(401);
        assert_eq!(portal.count("SELECT count(*) FROM authenticators").await, 2);
        let half = portal.browser();
        portal.first_step(&half, "ada").await;
        olga.submit(&form.with("reason", "Called back").with("password", PASSWORD)).await.leads_to(&path);
        olga.get(&path).await.is(200).says("The second factors are removed");
        assert_eq!(olga.get(&path).await.fact("Second factor"), "None");
        olga.get(&format!("{path}/factors")).await.leads_to(&path);
        for table in ["authenticators", "recovery_codes", "half_sign_ins"] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        ada.get("/account").await.is(303);
        half.get("/sign-in/code").await.leads_to("/sign-in");
        let mail = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(mail.text.contains("The support of this portal removed the apps, the passkeys and the recovery codes") && !mail.text.contains("Called back"), "{mail:?}");
        portal.sign_in("ada").await;
        let said = sentences(&olga).await;
        assert!(said.iter().any(|s| s.contains("removed the second factors of Ada Example with the reason Called back")), "{said:?}");
        // Others find nothing there.
        let eve = portal.sign_up("eve").await;
        eve.call("remove_factors", &[("form[account]", &id), ("form[reason]", "x")]).await.is(404);
        drop(app);
    }

    async fn the_command_does_the_same(portal) {
        let ada = portal.sign_up("ada").await;
        portal.set_up_app(&ada, "Phone").await;
        let run = async |arguments: &[&str]| command(portal, &[&["account", "remove-factors"], arguments].concat()).await;
        let (done, said) = run(&["nobody@example.com", "--reason", "Lost"]).await;
        assert!(!done && said.contains("no account has this address"), "{said}");
        let (done, said) = run(&["ada@example.com"]).await;
        assert!(!done && said.contains("--reason"), "{said}");
        let (done, said) = run(&["Ada@Example.com", "--reason", "Lost phone, called back"]).await;
        assert!(done && said.contains("has no second factor any more"), "{said}");
        ada.get("/account").await.is(303);
        portal.sign_in("ada").await;
        let (done, said) = run(&["ada@example.com", "--reason", "Lost"]).await;
        assert!(!done && said.contains("has no second factor"), "{said}");
        let noted = portal.rows("SELECT actor_kind, after_state FROM audit_events WHERE action = 'account.remove_factors' AND outcome = 'success'").await;
        assert_eq!(noted, [["system".to_owned(), r#"{"reason":"Lost phone, called back"}"#.to_owned()]]);
        // By the command's own clock the mail is due.
        portal.meet_the_world();
        let subjects = subjects(portal, "ada@example.com").await;
        assert!(subjects.iter().any(|subject| subject == "Two-step sign-in is off at Org Portal"), "{subjects:?}");
    }
}

/// Without a key file nothing can be set up, and the portal says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_file_nothing_can_be_set_up() {
    let portal = TestPortal::start(Engine::Postgres, Options::default().with("key_file", "")).await;
    let ada = portal.sign_up("ada").await;
    let page = ada.get("/account/factors").await.is(200).says("has to name a key file");
    assert!(!page.has_link("/account/factors/app"));
    ada.get("/account/factors/app").await.is(409).says("key file");
    ada.call("add_app", &[("form[name]", "Phone"), ("form[code]", "123456")]).await.is(409);
    portal.close().await;
}
