//! Accounts: sign-up, verification, forgotten and changed passwords, names (`SPEC.md` §3.1).

use std::collections::BTreeMap;

use org_portal::{
    permissions::Role,
    words::{DAY, HOUR, MINUTE, SECOND},
};

use crate::{on_both, support::*};

/// How many rows each table has.
async fn sizes(portal: &TestPortal) -> BTreeMap<String, usize> {
    // Whoever was counted before has a row among the limits.
    portal.snapshot(&["limits"]).await.into_iter().map(|(table, rows)| (table, rows.len())).collect()
}

/// By how many rows each table grew.
fn growth(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> BTreeMap<String, i64> {
    after.iter().map(|(table, n)| (table.clone(), *n as i64 - before[table] as i64)).filter(|(_, n)| *n != 0).collect()
}

/// An answer's headers without the values of its cookies, which are secrets.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    let mut headers = answer.normalized_headers();
    for (name, value) in &mut headers {
        if name == "set-cookie" {
            let (pair, rest) = value.split_once(';').unwrap();
            let (cookie, secret) = pair.split_once('=').unwrap();
            *value = format!("{cookie}={};{rest}", if secret.is_empty() { "" } else { "*" });
        }
    }
    headers
}

async fn sign_up_form(browser: &Browser, email: &str) -> Form {
    let form = browser.get("/sign-up").await.is(200).form("/do/sign_up");
    form.with("email", email).with("first_name", "Ada").with("last_name", "Lovelace").with("password", PASSWORD)
}

on_both! {
    async fn whoever_signs_up_verifies_the_address_and_is_signed_in_in_that_browser(portal) {
        let ada = portal.browser();
        ada.submit(&sign_up_form(&ada, "ada@example.com").await).await.leads_to("/check-your-mail");
        ada.get("/check-your-mail").await.is(200).says("Check your mail");
        let mails = portal.mails_to("ada@example.com").await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].subject.contains("Verify your e-mail address"), "{mails:?}");
        assert!(mails[0].text.contains("Hello Ada"), "{mails:?}");
        let link = portal.link("ada@example.com", "/verify-email").await;
        let page = ada.get(&link).await.is(200).says("ada@example.com");
        assert!(!page.form("/do/verify_email").has("password"), "the browser that signed up needs no password");
        ada.submit(&page.form("/do/verify_email")).await.leads_to("/getting-started");
        ada.get("/getting-started").await.is(200).says("Ada Lovelace");
        ada.get("/account").await.is(200).says("ada@example.com");
    }

    async fn there_is_no_account_before_its_address_is_verified(portal) {
        let ada = portal.browser();
        ada.submit(&sign_up_form(&ada, "ada@example.com").await).await.is(303);
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 0);
        portal.sign_in_to(&ada, "ada@example.com", PASSWORD).await.is(401);
        ada.get("/getting-started").await.leads_to("/sign-in?to=%2Fgetting-started");
    }

    async fn the_last_name_may_be_empty(portal) {
        let plato = portal.browser();
        portal.sign_up_in(&plato, "plato@example.com", "Plato", "").await;
        plato.get("/account").await.is(200).says("Plato");
    }

    async fn what_is_wrong_with_a_sign_up_stands_beside_each_field_and_nothing_is_written(portal) {
        let browser = portal.browser();
        let before = portal.snapshot(&[]).await;
        let long = "x".repeat(101);
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("email", "")], "email"),
            (&[("email", "ada")], "email"),
            (&[("email", "ada@")], "email"),
            (&[("email", "ada@example.com\u{202e}")], "email"),
            (&[("email", "<ada@example.com>")], "email"),
            (&[("first_name", "")], "first_name"),
            (&[("first_name", "  ")], "first_name"),
            (&[("first_name", &long)], "first_name"),
            (&[("first_name", "A\u{7}da")], "first_name"),
            (&[("first_name", "A\u{202e}da")], "first_name"),
            (&[("last_name", &long)], "last_name"),
            (&[("last_name", "Love\u{2066}lace")], "last_name"),
            (&[("last_name", "Love\nlace")], "last_name"),
        ];
        for (changed, wrong) in cases {
            let form = sign_up_form(&browser, "ada@example.com").await;
            let form = changed.iter().fold(form, |form, (field, value)| form.with(field, value));
            let page = browser.submit(&form).await.is(422);
            for field in ["email", "first_name", "last_name", "password"] {
                assert_eq!(page.error_of(field).is_some(), field == *wrong, "{changed:?}: {field}: {:?}", page.error_of(field));
            }
            for field in ["email", "first_name", "last_name"] {
                assert_eq!(page.value_of(field), form.value(field), "{changed:?}: {field}");
            }
            assert_eq!(page.value_of("password"), "", "{changed:?}");
            assert!(!page.html().contains(PASSWORD), "{changed:?}: the password is echoed");
            assert!(page.text("title").starts_with("Error: "), "{}", page.text("title"));
        }
        assert_eq!(portal.snapshot(&[]).await, before);
    }

    async fn passwords_are_judged_by_length_and_guessability_and_the_reason_is_given(portal) {
        let browser = portal.browser();
        let too_long = "mallow drizzle 7 umbrella ".repeat(8);
        assert_eq!(too_long.chars().count(), 208);
        for (password, reason) in [
            ("", "Enter a password"),
            ("Xk9#mQ2$vL7!pR", "at least 15 characters"),
            ("öäüÖÄÜßéèêàâùû", "at least 15 characters"),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", "easy to guess"),
            ("passwordpassword", "easy to guess"),
            ("qwertyuiopqwertyuiop", "easy to guess"),
            ("ada.lovelace.example", "your own name"),
            ("LovelaceLovelaceLovelace", ""),
            ("Org Portal Org Portal", "the portal's name"),
            ("starwarsguigui.plante", "known from a leak"),
            (&too_long, "at most 200 characters"),
        ] {
            let page = browser.submit(&sign_up_form(&browser, "ada.lovelace@example.com").await.with("password", password)).await;
            assert_eq!(page.status, 422, "{password:?} is accepted");
            let error = page.error_of("password").unwrap_or_else(|| panic!("{password:?} is accepted"));
            assert!(error.contains(reason), "{password:?}: {error}");
            assert!(password.is_empty() || !page.html().contains(password), "{password:?} is echoed");
        }
        assert_eq!(portal.count("SELECT count(*) FROM sign_ups").await, 0);
    }

    async fn long_and_unicode_passwords_work_and_every_character_counts(portal) {
        let long: String = (0..200).map(|i| char::from(b'a' + u8::try_from((i * i * 7 + i * 3) % 26).unwrap())).collect();
        for (name, password) in [("ada", long.as_str()), ("bob", "пароль из четырёх слов тут 😀"), ("eve", "   mallow drizzle 7 umbrella")] {
            let browser = portal.browser();
            let email = format!("{name}@example.com");
            browser.submit(&sign_up_form(&browser, &email).await.with("password", password)).await.leads_to("/check-your-mail");
            browser.fill(&portal.link(&email, "/verify-email").await, "/do/verify_email", &[]).await.leads_to("/getting-started");
            let mut cut: String = password.to_owned();
            cut.pop();
            portal.sign_in_to(&portal.browser(), &email, &cut).await.is(401);
            portal.sign_in_to(&portal.browser(), &email, password.trim_start()).await.is(if password.starts_with(' ') { 401 } else { 303 });
            portal.sign_in_to(&portal.browser(), &email, password).await.leads_to("/getting-started");
        }
    }

    async fn sign_up_answers_alike_whether_or_not_the_address_has_an_account(portal) {
        portal.sign_up("known").await;
        portal.deliver().await;
        let mut seen = Vec::new();
        for email in ["known@example.com", "fresh@example.com", "KNOWN@example.com"] {
            let browser = portal.browser();
            let form = sign_up_form(&browser, email).await;
            let before = sizes(portal).await;
            let answer = browser.submit(&form).await;
            portal.deliver().await;
            let grown = growth(&before, &sizes(portal).await);
            let next = browser.follow(&answer).await;
            let call = portal.browser().call("sign_up", &[
                ("form[email]", email), ("form[first_name]", "A"), ("form[last_name]", ""), ("form[password]", PASSWORD),
            ]).await;
            seen.push((answer.status, answer.body.clone(), headers(&answer), next.normalized(), headers(&next), grown, call.status, call.text));
        }
        assert_alike(&seen[0], &seen[1], "an address that has an account is told apart");
        assert_alike(&seen[0], &seen[2], "case makes another address");
        assert_eq!(seen[0].5.get("sign_ups"), Some(&1));
        assert_eq!(seen[0].5.get("kept_mails"), Some(&1));
        assert!(!seen[0].5.contains_key("accounts"));
        let mails = portal.mails_to("known@example.com").await;
        let told = mails.last().unwrap();
        assert!(told.subject.contains("already have an account"), "{told:?}");
        assert!(!told.text.contains("/verify-email"), "{told:?}");
        assert!(portal.mails_to("fresh@example.com").await.iter().all(|mail| mail.text.contains("/verify-email?token=")));
    }

    async fn forgotten_password_answers_alike_whether_or_not_the_address_has_an_account(portal) {
        portal.sign_up("known").await;
        portal.deliver().await;
        let mut seen = Vec::new();
        for email in ["known@example.com", "fresh@example.com"] {
            let browser = portal.browser();
            let form = browser.get("/forgot-password").await.is(200).form("/do/forgot_password").with("email", email);
            let before = sizes(portal).await;
            let answer = browser.submit(&form).await;
            portal.deliver().await;
            let grown = growth(&before, &sizes(portal).await);
            let next = browser.follow(&answer).await;
            let call = portal.browser().call("forgot_password", &[("form[email]", email)]).await;
            seen.push((answer.status, answer.body.clone(), headers(&answer), next.normalized(), headers(&next), grown, call.status, call.text));
        }
        assert_alike(&seen[0], &seen[1], "an address that has an account is told apart");
        assert_eq!(seen[0].5.get("password_resets"), Some(&1));
        assert_eq!(seen[0].5.get("kept_mails"), Some(&1));
        assert!(portal.mails_to("known@example.com").await.last().unwrap().text.contains("/reset-password?token="));
        let told = portal.mails_to("fresh@example.com").await;
        assert!(told[0].subject.contains("no account"), "{told:?}");
        assert!(!told[0].text.contains("/reset-password"), "{told:?}");
    }

    async fn opening_a_link_from_a_mail_changes_nothing(portal) {
        let ada = portal.browser();
        ada.submit(&sign_up_form(&ada, "ada@example.com").await).await.is(303);
        let link = portal.link("ada@example.com", "/verify-email").await;
        let before = portal.state().await;
        ada.get(&link).await.is(200);
        portal.browser().get(&link).await.is(200);
        assert_eq!(portal.state().await, before);
        ada.fill(&link, "/do/verify_email", &[]).await.is(303);
        ada.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let link = portal.link("ada@example.com", "/reset-password").await;
        let before = portal.state().await;
        portal.browser().get(&link).await.is(200);
        assert_eq!(portal.state().await, before);
    }

    /// CVE-2026-105215 (Zitadel), CVE-2026-44986 (Penpot): whoever signs up with somebody else's address gets nothing
    /// when that person follows the link.
    async fn in_another_browser_the_verification_needs_the_password_of_the_sign_up(portal) {
        let (mallory, ada) = (portal.browser(), portal.browser());
        mallory.submit(&sign_up_form(&mallory, "ada@example.com").await).await.is(303);
        let link = portal.link("ada@example.com", "/verify-email").await;
        let page = ada.get(&link).await.is(200);
        for password in ["", OTHER_PASSWORD] {
            let refused = ada.submit(&page.form("/do/verify_email").with("password", password)).await.is(422);
            assert!(refused.error_of("password").is_some(), "{}", refused.sketch());
            assert!(!refused.html().contains(OTHER_PASSWORD));
        }
        // Leaving the field out is no way round.
        ada.submit(&page.form("/do/verify_email").without("form[password]")).await.is(422);
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 0);
        assert_eq!(ada.cookie("session"), None);
        // With the password it is verified, and not signed in: a link is no session.
        ada.submit(&page.form("/do/verify_email").with("password", PASSWORD)).await.leads_to("/sign-in");
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 1);
        assert_eq!(ada.cookie("session"), None);
        ada.get("/sign-in").await.is(200).says("Your e-mail address is verified");
        portal.sign_in_to(&ada, "ada@example.com", PASSWORD).await.leads_to("/getting-started");
    }

    async fn the_owner_of_an_address_signs_up_whoever_tried_before(portal) {
        let (mallory, ada) = (portal.browser(), portal.browser());
        mallory.submit(&sign_up_form(&mallory, "ada@example.com").await.with("password", OTHER_PASSWORD)).await.is(303);
        let stolen = portal.link("ada@example.com", "/verify-email").await;
        portal.sign_up_in(&ada, "ada@example.com", "Ada", "Real").await;
        // Even who holds the earlier link and its browser gets nowhere: the address has an account now.
        mallory.fill(&stolen, "/do/verify_email", &[]).await.is(410);
        portal.sign_in_to(&portal.browser(), "ada@example.com", OTHER_PASSWORD).await.is(401);
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(303);
        ada.get("/account").await.is(200).says("Ada Real");
    }

    async fn a_verification_link_works_once_and_for_24_hours_and_what_is_over_answers_like_what_never_was(portal) {
        let pages = |link: String| async move {
            let browser = portal.browser();
            let token = link.rsplit('=').next().unwrap().to_owned();
            let page = browser.get(&link).await.is(410);
            let pairs = [("form[token]", token.as_str()), ("form[password]", PASSWORD), ("drawn[page]", &link)];
            let posted = browser.post("/do/verify_email", &pairs).await.is(410);
            let call = browser.call("verify_email", &[("form[token]", &token), ("form[password]", PASSWORD)]).await.is(410);
            let clean = |text: String| text.replace(&token, "TOKEN");
            (clean(page.normalized()), page.normalized_headers(), clean(posted.normalized()), posted.normalized_headers(), call.text)
        };
        let unknown = pages("/verify-email?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()).await;
        assert!(unknown.0.contains("This link no longer works"));

        let ada = portal.browser();
        ada.submit(&sign_up_form(&ada, "ada@example.com").await).await.is(303);
        let used = portal.link("ada@example.com", "/verify-email").await;
        ada.fill(&used, "/do/verify_email", &[]).await.is(303);
        assert_alike(&pages(used).await, &unknown, "a used link is told apart");

        let bob = portal.browser();
        bob.submit(&sign_up_form(&bob, "bob@example.com").await).await.is(303);
        let expired = portal.link("bob@example.com", "/verify-email").await;
        portal.clock.advance(DAY - MINUTE);
        bob.get(&expired).await.is(200);
        let form = bob.get(&expired).await.form("/do/verify_email");
        portal.clock.advance(MINUTE);
        bob.submit(&form).await.is(410);
        assert_alike(&pages(expired).await, &unknown, "an expired link is told apart");
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 1);
    }

    async fn a_forgotten_password_is_chosen_anew_and_ends_every_session(portal) {
        let ada = portal.sign_up("ada").await;
        let elsewhere = portal.sign_in("ada").await;
        let browser = portal.browser();
        browser.fill("/forgot-password", "/do/forgot_password", &[("email", "ADA@example.com")]).await.leads_to("/check-your-mail");
        // As the account has it, whatever was typed.
        assert_eq!(portal.mails_to("ada@example.com").await.last().unwrap().to, "ada@example.com");
        let link = portal.link("ada@example.com", "/reset-password").await;
        let page = browser.get(&link).await.is(200).says("ada@example.com");
        browser.submit(&page.form("/do/reset_password").with("password", OTHER_PASSWORD)).await.leads_to("/sign-in");
        browser.get("/sign-in").await.is(200).says("every session was ended");
        assert_eq!(browser.cookie("session"), None, "a reset signs nobody in");
        for old in [&ada, &elsewhere] {
            old.get("/account").await.leads_to("/sign-in?to=%2Faccount");
        }
        portal.sign_in_to(&browser, "ada@example.com", PASSWORD).await.is(401);
        portal.sign_in_to(&browser, "ada@example.com", OTHER_PASSWORD).await.leads_to("/getting-started");
        let told = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(told.subject.contains("password") && told.subject.contains("changed"), "{told:?}");
    }

    /// CVE-2026-28268 (Vikunja): a reset token that works twice.
    async fn a_reset_link_works_once_and_for_an_hour_and_what_is_over_answers_like_what_never_was(portal) {
        portal.sign_up("ada").await;
        let ask = || async move {
            portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
            portal.link("ada@example.com", "/reset-password").await
        };
        let pages = |link: String| async move {
            let browser = portal.browser();
            let token = link.rsplit('=').next().unwrap().to_owned();
            let page = browser.get(&link).await.is(410);
            let pairs = [("form[token]", token.as_str()), ("form[password]", OTHER_PASSWORD), ("drawn[page]", &link)];
            let posted = browser.post("/do/reset_password", &pairs).await.is(410);
            let call = browser.call("reset_password", &[("form[token]", &token), ("form[password]", OTHER_PASSWORD)]).await.is(410);
            let clean = |text: String| text.replace(&token, "TOKEN");
            (clean(page.normalized()), page.normalized_headers(), clean(posted.normalized()), posted.normalized_headers(), call.text)
        };
        let unknown = pages("/reset-password?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()).await;
        assert!(unknown.0.contains("This link no longer works"));
        // One that was asked for earlier dies with the one that is used.
        let (earlier, used) = (ask().await, ask().await);
        assert_ne!(earlier, used);
        portal.browser().fill(&used, "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.is(303);
        assert_alike(&pages(used).await, &unknown, "a used link is told apart");
        assert_alike(&pages(earlier).await, &unknown, "an earlier link outlives the reset");
        let expired = ask().await;
        portal.clock.advance(HOUR - MINUTE);
        let browser = portal.browser();
        let form = browser.get(&expired).await.is(200).form("/do/reset_password").with("password", PASSWORD);
        portal.clock.advance(MINUTE);
        browser.submit(&form).await.is(410);
        assert_alike(&pages(expired).await, &unknown, "an expired link is told apart");
        portal.sign_in_to(&portal.browser(), "ada@example.com", OTHER_PASSWORD).await.is(303);
    }

    async fn a_reset_with_a_poor_password_is_refused_and_the_link_still_works(portal) {
        portal.sign_up("ada").await;
        let browser = portal.browser();
        browser.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let link = portal.link("ada@example.com", "/reset-password").await;
        for password in ["", "short", "passwordpassword", "ada ada ada ada example"] {
            let page = browser.fill(&link, "/do/reset_password", &[("password", password)]).await.is(422);
            assert!(page.error_of("password").is_some(), "{password:?}: {}", page.sketch());
        }
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(303);
        browser.fill(&link, "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.leads_to("/sign-in");
    }

    /// CVE-2026-115933 (Postiz), CVE-2026-4282 (Keycloak): one secret for several purposes.
    async fn a_links_secret_serves_its_own_purpose_alone(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", org_portal::permissions::Role::Admin)]).await;
        portal.invite(&ada, "bob@example.com", org_portal::permissions::Role::Admin).await.is(303);
        let eve = portal.browser();
        eve.submit(&sign_up_form(&eve, "eve@example.com").await).await.is(303);
        ada.fill("/account", "/do/change_name", &[("first_name", "Ada")]).await.is(303);
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        ask(&ada, "augusta@example.com").await.is(303);
        let links = [
            ("/confirm-email", portal.link("augusta@example.com", "/confirm-email").await),
            ("/verify-email", portal.link("eve@example.com", "/verify-email").await),
            ("/reset-password", portal.link("ada@example.com", "/reset-password").await),
            ("/invitation", portal.link("bob@example.com", "/invitation").await),
        ];
        let before = portal.state().await;
        for (own, link) in &links {
            let token = link.rsplit('=').next().unwrap();
            for page in ["/verify-email", "/reset-password", "/confirm-email", "/invitation"] {
                let answer = portal.browser().get(&format!("{page}?token={token}")).await;
                assert_eq!(answer.status, if page == *own { 200 } else { 410 }, "the secret of {own} at {page}");
            }
            let browser = portal.browser();
            if *own != "/verify-email" {
                browser.call("verify_email", &[("form[token]", token), ("form[password]", PASSWORD)]).await.is(410);
            }
            if *own != "/reset-password" {
                browser.call("reset_password", &[("form[token]", token), ("form[password]", OTHER_PASSWORD)]).await.is(410);
            }
            if *own != "/confirm-email" {
                ada.call("confirm_email", &[("form[token]", token)]).await.is(410);
            }
            if *own != "/invitation" {
                let pairs = [("form[email]", "bob@example.com"), ("form[first_name]", "B"), ("form[password]", PASSWORD), ("form[invitation]", token)];
                browser.call("sign_up", &pairs).await.is(410);
            }
        }
        assert_eq!(portal.state().await, before);
    }

    async fn changing_the_password_needs_the_old_one_ends_the_others_and_tells_the_owner(portal) {
        let ada = portal.sign_up("ada").await;
        let elsewhere = portal.sign_in("ada").await;
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let reset = portal.link("ada@example.com", "/reset-password").await;
        let before = portal.state().await;
        for (current, new, wrong) in [
            ("", OTHER_PASSWORD, "current_password"),
            (OTHER_PASSWORD, OTHER_PASSWORD, "current_password"),
            (PASSWORD, "short", "new_password"),
            (PASSWORD, "", "new_password"),
        ] {
            let fields = [("current_password", current), ("new_password", new)];
            let page = ada.fill("/account", "/do/change_password", &fields).await.is(422);
            assert!(page.error_of(wrong).is_some(), "{wrong}: {}", page.sketch());
            for field in ["current_password", "new_password"] {
                assert_eq!(page.value_of(field), "", "{field}");
            }
            assert!(!page.html().contains(PASSWORD) && !page.html().contains(OTHER_PASSWORD));
        }
        assert_eq!(portal.state().await, before);
        elsewhere.get("/account").await.is(200);
        let fields = [("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)];
        ada.fill("/account", "/do/change_password", &fields).await.leads_to("/account");
        ada.get("/account").await.is(200).says("Your password is changed");
        elsewhere.get("/account").await.leads_to("/sign-in?to=%2Faccount");
        portal.browser().get(&reset).await.is(410);
        let told = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(told.subject.contains("was changed"), "{told:?}");
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(401);
        portal.sign_in_to(&portal.browser(), "ada@example.com", OTHER_PASSWORD).await.is(303);
    }

    async fn a_changed_name_is_shown_everywhere_at_once(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", org_portal::permissions::Role::Admin), ("bob", org_portal::permissions::Role::TechnicalUser)]).await;
        let page = ada.fill("/account", "/do/change_name", &[("first_name", ""), ("last_name", "Byron")]).await.is(422);
        assert!(page.error_of("first_name").is_some());
        assert_eq!(page.value_of("last_name"), "Byron", "what was typed stays");
        bob.get("/organization/members").await.is(200).says("Ada Example");
        ada.fill("/account", "/do/change_name", &[("first_name", "Augusta"), ("last_name", "Byron")]).await.leads_to("/account");
        ada.get("/account").await.is(200).says("Your name is changed").says("Augusta Byron");
        bob.get("/organization/members").await.is(200).says("Augusta Byron").never_says("Ada Example");
        bob.get("/organization/members?q=byron").await.is(200).says("Augusta Byron");
    }

    async fn an_address_is_the_same_in_upper_and_lower_case(portal) {
        let ada = portal.browser();
        portal.sign_up_in(&ada, "Ada.Lovelace@Example.COM", "Ada", "").await;
        portal.sign_in_to(&portal.browser(), "ada.lovelace@example.com", PASSWORD).await.leads_to("/getting-started");
        portal.sign_in_to(&portal.browser(), "  ADA.LOVELACE@EXAMPLE.COM ", PASSWORD).await.leads_to("/getting-started");
        let again = portal.browser();
        again.submit(&sign_up_form(&again, "ada.lovelace@example.com").await).await.is(303);
        assert!(portal.mails_to("ada.lovelace@example.com").await.last().unwrap().subject.contains("already have an account"));
    }

    async fn who_is_signed_in_needs_no_sign_up_and_finds_the_form_for_passwords_where_managers_look(portal) {
        let ada = portal.sign_up("ada").await;
        ada.get("/sign-up").await.leads_to("/getting-started");
        ada.get("/.well-known/change-password").await.leads_to("/account#change-password");
        assert_eq!(ada.get("/account").await.is(200).count("#change-password form[action='/do/change_password']"), 1);
    }

    async fn no_table_holds_a_password_or_the_secret_of_a_link_or_cookie(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", org_portal::permissions::Role::Admin)]).await;
        portal.invite(&ada, "bob@example.com", org_portal::permissions::Role::Admin).await.is(303);
        let eve = portal.browser();
        eve.submit(&sign_up_form(&eve, "eve@example.com").await).await.is(303);
        ada.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        ask(&ada, "augusta@example.com").await.is(303);
        let mut secrets = vec![PASSWORD.to_owned(), ada.cookie("session").unwrap(), ada.cookie("known_browser").unwrap()];
        for (to, path) in [("eve", "/verify-email"), ("ada", "/reset-password"), ("augusta", "/confirm-email"), ("bob", "/invitation")] {
            let link = portal.link(&format!("{to}@example.com"), path).await;
            secrets.push(link.rsplit('=').next().unwrap().to_owned());
        }
        // The development mailbox is what it is for; the outbox forgets what it sent.
        let everything = portal.snapshot(&["kept_mails"]).await;
        for secret in secrets {
            for (table, rows) in &everything {
                assert!(!rows.iter().flatten().any(|value| value.contains(&secret)), "{table} holds a secret");
            }
        }
        assert!(everything["credentials"].iter().flatten().any(|value| value.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")));
    }
}

/// Posts a form twice, as a double click or a reload does, and says how it was answered.
async fn twice(browser: &Browser, form: &Form) -> ((u16, String), (u16, String)) {
    let first = browser.submit(form).await;
    let second = browser.submit(form).await;
    ((first.status, first.location().to_owned()), (second.status, second.location().to_owned()))
}

on_both! {
    async fn a_sign_up_posted_twice_stands_once_and_is_answered_alike(portal) {
        let ada = portal.browser();
        let (first, second) = twice(&ada, &sign_up_form(&ada, "ada@example.com").await).await;
        assert_eq!(first, (303, "/check-your-mail".to_owned()));
        assert_eq!(second, first);
        assert_eq!(portal.mails_to("ada@example.com").await.len(), 1);
        assert_eq!(portal.count("SELECT count(*) FROM sign_ups").await, 1);
        ada.fill(&portal.link("ada@example.com", "/verify-email").await, "/do/verify_email", &[]).await.leads_to("/getting-started");
    }

    async fn a_verification_posted_twice_stands_once_and_is_answered_alike(portal) {
        let ada = portal.browser();
        ada.submit(&sign_up_form(&ada, "ada@example.com").await).await.is(303);
        let link = portal.link("ada@example.com", "/verify-email").await;
        let form = ada.get(&link).await.form("/do/verify_email");
        // A double click: the second request has the cookies of the first.
        let (one, two) = (ada.copy(), ada.copy());
        let (first, second) = (one.submit(&form).await, two.submit(&form).await);
        first.clone().leads_to("/getting-started");
        second.leads_to("/getting-started");
        one.get("/getting-started").await.is(200);
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 1);
    }

    async fn a_request_for_a_new_password_posted_twice_sends_one_mail(portal) {
        portal.sign_up("ada").await;
        let before = portal.mails_to("ada@example.com").await.len();
        let browser = portal.browser();
        let form = browser.get("/forgot-password").await.form("/do/forgot_password").with("email", "ada@example.com");
        let (first, second) = twice(&browser, &form).await;
        assert_eq!(first, (303, "/check-your-mail".to_owned()));
        assert_eq!(second, first);
        assert_eq!(portal.mails_to("ada@example.com").await.len(), before + 1);
    }

    async fn a_reset_posted_twice_stands_once_and_is_answered_alike(portal) {
        portal.sign_up("ada").await;
        let browser = portal.browser();
        browser.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let link = portal.link("ada@example.com", "/reset-password").await;
        let before = portal.mails_to("ada@example.com").await.len();
        let form = browser.get(&link).await.form("/do/reset_password").with("password", OTHER_PASSWORD);
        let (first, second) = twice(&browser, &form).await;
        assert_eq!(first, (303, "/sign-in".to_owned()));
        assert_eq!(second, first);
        assert_eq!(portal.mails_to("ada@example.com").await.len(), before + 1);
    }

    async fn a_change_of_password_or_name_posted_twice_stands_once_and_is_answered_alike(portal) {
        let ada = portal.sign_up("ada").await;
        let before = portal.mails_to("ada@example.com").await.len();
        let page = ada.get("/account").await;
        let form = page.form("/do/change_name").with("first_name", "Augusta");
        let (first, second) = twice(&ada, &form).await;
        assert_eq!(first, (303, "/account".to_owned()));
        assert_eq!(second, first);
        let form = page.form("/do/change_password").with("current_password", PASSWORD).with("new_password", OTHER_PASSWORD);
        let (first, second) = twice(&ada, &form).await;
        assert_eq!(first, (303, "/account".to_owned()));
        assert_eq!(second, first);
        assert_eq!(portal.mails_to("ada@example.com").await.len(), before + 1);
        let changes = portal.count("SELECT count(*) FROM audit_events WHERE action IN ('account.change_name', 'password.change') AND outcome = 'success'").await;
        assert_eq!(changes, 2);
    }

    /// The key belongs to who posts it: nobody is answered with what somebody else did.
    async fn a_key_of_somebody_elses_form_does_nothing_for_another(portal) {
        let (ada, bob) = (portal.sign_up("ada").await, portal.sign_up("bob").await);
        let form = ada.get("/account").await.form("/do/change_name").with("first_name", "Augusta");
        ada.submit(&form).await.is(303);
        bob.submit(&form.with("first_name", "Robert")).await.is(303);
        bob.get("/account").await.is(200).says("Robert");
        ada.get("/account").await.is(200).says("Augusta");
    }
}

/// Asks for another address by the page.
async fn ask(browser: &Browser, email: &str) -> Answer {
    browser.fill("/account/email", "/do/change_email", &[("email", email), ("password", PASSWORD)]).await
}

/// Deletes the account by the page.
async fn delete(browser: &Browser, fields: &[(&str, &str)]) -> Answer {
    browser.fill("/account/delete", "/do/delete_account", fields).await
}

on_both! {
    async fn an_address_is_changed_by_the_link_that_the_new_one_got(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let elsewhere = portal.sign_in("ada").await;
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let reset = portal.link("ada@example.com", "/reset-password").await;
        let [eve] = portal.organization_with("Other", [("eve", Role::Admin)]).await;
        portal.invite(&eve, "augusta@example.com", Role::TechnicalUser).await.is(303);
        assert!(ada.get("/account").await.has_link("/account/email"));
        ask(&ada, " Augusta@Example.com ").await.leads_to("/account");
        ada.get("/account").await.is(200).says("We sent a link to the new address").says("Waiting to be confirmed: Augusta@Example.com");
        // The address of now is told, with what to do.
        let told = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(told.subject.contains("Another e-mail address was asked for"), "{told:?}");
        for text in [&told.text, &told.html] {
            assert!(text.contains("Augusta@Example.com") && text.contains("Firefox on Linux from 127.0.0.1") && text.contains("UTC"), "{text}");
            assert!(text.contains("If that was not you") && text.contains("/.well-known/change-password") && !text.contains("/confirm-email"), "{text}");
        }
        // Opening the link does nothing.
        let link = portal.link("augusta@example.com", "/confirm-email").await;
        let before = portal.state().await;
        for _ in 0..2 {
            ada.get(&link).await.is(200).says("from ada@example.com to Augusta@Example.com");
        }
        portal.browser().get(&link).await.is(200);
        assert_eq!(portal.state().await, before);
        portal.sign_in_to(&portal.browser(), "augusta@example.com", PASSWORD).await.is(401);

        ada.fill(&link, "/do/confirm_email", &[]).await.leads_to("/account");
        ada.get("/account").await.is(200).says("Your e-mail address is changed").says("Augusta@Example.com").never_says("Waiting to be confirmed");
        // This session goes on, the others end, and so does a link to reset the password that went to the old address.
        elsewhere.get("/account").await.leads_to("/sign-in?to=%2Faccount");
        portal.browser().get(&reset).await.is(410);
        // The members' list is in step, for showing and for searching.
        let page = bob.get("/organization/members?q=augusta").await.is(200).says("Augusta@Example.com").never_says("ada@example.com");
        assert_eq!(page.status, 200);
        assert_eq!(portal.rows("SELECT email, email_key FROM members WHERE name_key = 'ada example'").await, [["Augusta@Example.com", "augusta@example.com"]]);
        // The address that it was is told.
        let told = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(told.subject.contains("Your e-mail address at Org Portal was changed"), "{told:?}");
        for text in [&told.text, &told.html] {
            assert!(text.contains("Augusta@Example.com") && text.contains("Firefox on Linux from 127.0.0.1") && text.contains("If that was not you"), "{text}");
        }
        // One signs in with the new address and not with the old one, and an invitation to it waits.
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(401);
        let again = portal.browser();
        portal.sign_in_to(&again, "AUGUSTA@example.com", PASSWORD).await.leads_to("/getting-started");
        again.get("/getting-started").await.is(200).says("invited you to Other");
        // The old address is free.
        portal.sign_up("ada").await;
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 4);
    }

    async fn a_change_of_address_is_undone_from_the_old_one_and_locks_out_who_made_it(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        // Whoever has the password changes the address, and changes it once more.
        ask(&ada, "mallory@example.com").await.leads_to("/account");
        ada.fill(&portal.link("mallory@example.com", "/confirm-email").await, "/do/confirm_email", &[]).await.leads_to("/account");
        portal.clock.advance(HOUR);
        ask(&ada, "mallory2@example.com").await.leads_to("/account");
        ada.fill(&portal.link("mallory2@example.com", "/confirm-email").await, "/do/confirm_email", &[]).await.leads_to("/account");
        let link = portal.link("ada@example.com", "/undo").await;
        let thiefs = portal.link("mallory@example.com", "/undo").await;
        portal.token(&ada, "full", "1 year").await;
        let owner = portal.browser();
        let before = portal.state().await;
        let page = owner.get(&link).await.is(200);
        assert_eq!(page.heading(), "Was it not you?");
        assert!(page.main().contains("from mallory2@example.com to ada@example.com"), "{}", page.main());
        assert_eq!(portal.state().await, before, "opening it does nothing");
        let answer = owner.fill(&link, "/do/undo_change", &[]).await.is(303);
        assert!(answer.location().starts_with("/reset-password?token="), "{}", answer.location());
        // The session and the token are over, and the password is worth nothing at either address.
        assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await, 0);
        ada.get("/account").await.leads_to("/sign-in?to=%2Faccount");
        for email in ["ada@example.com", "mallory2@example.com"] {
            portal.sign_in_to(&portal.browser(), email, PASSWORD).await.is(401);
        }
        bob.get("/organization/members").await.is(200).says("ada@example.com").never_says("mallory2@example.com");
        owner.get(answer.location()).await.is(200).says("It is undone");
        owner.fill(answer.location(), "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.leads_to("/sign-in");
        portal.sign_in_to(&owner, "ada@example.com", OTHER_PASSWORD).await.is(303);
        owner.get("/organization/members").await.is(200);
        // It works once, and no link that went to others brings their address back.
        owner.get(&link).await.is(410);
        portal.browser().get(&thiefs).await.is(410);
        assert_eq!(owner.call("undo_change", &[("form[token]", link.rsplit('=').next().unwrap())]).await.status, 410);
        let noted = portal.rows("SELECT after_state FROM audit_events WHERE action = 'account.undo_change' AND outcome = 'success'").await;
        assert_eq!(noted.concat(), [r#"{"email":"ada@example.com"}"#]);
        let kept = format!("{:?}", portal.snapshot(&[]).await);
        assert!(!kept.contains(answer.location().rsplit('=').next().unwrap()), "the secret is nowhere");
    }

    async fn what_was_changed_after_a_change_is_undone_with_it_whichever_came_first(portal) {
        for (n, app_first) in [true, false].into_iter().enumerate() {
            let (name, thiefs) = (format!("user{n}"), format!("mallory{n}@example.com"));
            let address = format!("{name}@example.com");
            let somebody = portal.sign_up(&name).await;
            let readdress = async || {
                ask(&somebody, &thiefs).await.leads_to("/account");
                somebody.fill(&portal.link(&thiefs, "/confirm-email").await, "/do/confirm_email", &[]).await.leads_to("/account");
                portal.clock.advance(SECOND);
            };
            if !app_first {
                readdress().await;
            }
            portal.set_up_app(&somebody, "Phone of Mallory").await;
            let apps = portal.link(if app_first { &address } else { &thiefs }, "/undo").await;
            portal.clock.advance(SECOND);
            if app_first {
                readdress().await;
            }
            // The first of the two links undoes both.
            let of_address = portal.link(&address, "/undo").await;
            let (first, second) = if app_first { (apps, of_address) } else { (of_address, apps) };
            let owner = portal.browser();
            let page = owner.get(&first).await.is(200);
            assert!(page.main().contains(&format!("from {thiefs} to {address}. The second factor Phone of Mallory is removed")), "{}", page.main());
            let answer = owner.fill(&first, "/do/undo_change", &[]).await.is(303);
            owner.get(&second).await.is(410);
            owner.fill(answer.location(), "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.leads_to("/sign-in");
            portal.sign_in_to(&owner, &address, OTHER_PASSWORD).await.leads_to("/getting-started");
            assert_eq!(portal.count("SELECT (SELECT count(*) FROM authenticators) + (SELECT count(*) FROM recovery_codes)").await, 0);
            portal.sign_in_to(&portal.browser(), &thiefs, OTHER_PASSWORD).await.is(401);
        }
        // The later one undoes its own change alone; who has it may be the one who made the earlier one.
        let eve = portal.sign_up("eve").await;
        portal.set_up_app(&eve, "Phone").await;
        let apps = portal.link("eve@example.com", "/undo").await;
        portal.clock.advance(SECOND);
        ask(&eve, "eve2@example.com").await.leads_to("/account");
        eve.fill(&portal.link("eve2@example.com", "/confirm-email").await, "/do/confirm_email", &[]).await.leads_to("/account");
        let of_address = portal.link("eve@example.com", "/undo").await;
        let owner = portal.browser();
        owner.get(&of_address).await.is(200).never_says("The second factor");
        owner.fill(&of_address, "/do/undo_change", &[]).await.is(303);
        assert_eq!(portal.count("SELECT count(*) FROM authenticators").await, 1);
        owner.get(&apps).await.is(200).says("The second factor Phone is removed");
    }

    async fn what_cannot_be_undone_any_more_is_left_as_it_is(portal) {
        let ada = portal.sign_up("ada").await;
        ask(&ada, "augusta@example.com").await.leads_to("/account");
        ada.fill(&portal.link("augusta@example.com", "/confirm-email").await, "/do/confirm_email", &[]).await.leads_to("/account");
        let link = portal.link("ada@example.com", "/undo").await;
        for wrong in ["/undo", "/undo?token=", "/undo?token=x", &link[..link.len() - 1]] {
            portal.browser().get(wrong).await.is(410);
        }
        // Somebody else has the address by now.
        portal.sign_up("ada").await;
        portal.browser().get(&link).await.is(410);
        portal.execute("DELETE FROM accounts WHERE email_key = 'ada@example.com'").await;
        portal.browser().get(&link).await.is(200);
        portal.clock.advance(7 * DAY);
        portal.browser().get(&link).await.is(410);
        portal.sign_in_to(&portal.browser(), "augusta@example.com", PASSWORD).await.is(303);
    }

    async fn a_sign_in_from_a_new_browser_is_told_by_mail(portal) {
        let ada = portal.sign_up("ada").await;
        let told = async || portal.mails_to("ada@example.com").await.into_iter().filter(|mail| mail.subject == "A new sign-in to your account at Org Portal").collect::<Vec<_>>();
        assert!(told().await.is_empty(), "the browser of the sign-up");
        ada.fill("/getting-started", "/do/sign_out", &[]).await.leads_to("/sign-in");
        portal.sign_in_to(&ada, "ada@example.com", PASSWORD).await.is(303);
        assert!(told().await.is_empty(), "it has been there");
        let other = portal.browser();
        portal.sign_in_to(&other, "ada@example.com", "not the password").await.is(401);
        assert!(told().await.is_empty(), "nobody came in");
        portal.sign_in_to(&other, "ada@example.com", PASSWORD).await.is(303);
        let mails = told().await;
        assert_eq!(mails.len(), 1);
        for text in [&mails[0].text, &mails[0].html] {
            assert!(text.contains("Firefox on Linux from 127.0.0.1") && text.contains("/account"), "{text}");
        }
        other.fill("/getting-started", "/do/sign_out", &[]).await.leads_to("/sign-in");
        portal.sign_in_to(&other, "ada@example.com", PASSWORD).await.is(303);
        assert_eq!(told().await.len(), 1, "once for each browser");
    }

    async fn what_is_wrong_with_a_new_address_stands_beside_each_field_and_nothing_is_sent(portal) {
        let ada = portal.sign_up("ada").await;
        portal.deliver().await;
        let before = portal.state().await;
        for (email, password, wrong) in [
            ("", PASSWORD, "email"),
            ("augusta", PASSWORD, "email"),
            ("augusta@", PASSWORD, "email"),
            ("augusta@example.com\u{202e}", PASSWORD, "email"),
            ("ada@example.com", PASSWORD, "email"),
            ("ADA@Example.com", PASSWORD, "email"),
            ("augusta@example.com", "", "password"),
            ("augusta@example.com", OTHER_PASSWORD, "password"),
        ] {
            let page = ada.fill("/account/email", "/do/change_email", &[("email", email), ("password", password)]).await.is(422);
            for field in ["email", "password"] {
                assert_eq!(page.error_of(field).is_some(), field == wrong, "{email:?} {password:?}: {}", page.sketch());
            }
            assert_eq!(page.value_of("email"), email, "what was typed stays");
            assert_eq!(page.value_of("password"), "");
            assert!(!page.html().contains(PASSWORD) && !page.html().contains(OTHER_PASSWORD));
        }
        assert_eq!(portal.state().await, before);
        let wrong = portal.count("SELECT count(*) FROM audit_events WHERE action = 'account.request_email_change' AND outcome = 'wrong_password'").await;
        assert_eq!(wrong, 2, "a wrong password is noted");
        portal.browser().call("change_email", &[("form[email]", "x@example.com"), ("form[password]", PASSWORD)]).await.is(401);
    }

    async fn guessing_the_password_of_the_form_is_limited(portal, Options::default().real_limits()) {
        let ada = portal.sign_up("ada").await;
        for _ in 0..10 {
            ada.call("change_email", &[("form[email]", "x@example.com"), ("form[password]", "wrong")]).await.is(422);
        }
        let page = ask(&ada, "x@example.com").await.is(429);
        assert!(page.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
        ada.call("delete_account", &[("form[email]", "ada@example.com"), ("form[password]", PASSWORD)]).await.is(429);
    }

    async fn a_new_address_is_answered_alike_whether_or_not_it_has_an_account(portal) {
        portal.sign_up("known").await;
        let mut seen = Vec::new();
        for (person, email) in [("ada", "known@example.com"), ("bob", "fresh@example.com"), ("eve", "KNOWN@Example.com")] {
            let browser = portal.sign_up(person).await;
            portal.deliver().await;
            let page = browser.get("/account/email").await.is(200);
            let before = sizes(portal).await;
            let answer = browser.submit(&page.form("/do/change_email").with("email", email).with("password", PASSWORD)).await;
            portal.deliver().await;
            let grown = growth(&before, &sizes(portal).await);
            let next = browser.follow(&answer).await.is(200);
            let call = browser.call("change_email", &[("form[email]", email), ("form[password]", PASSWORD)]).await;
            let clean = |text: String| {
                let text = text.replace(email, "EMAIL").replace(person, "PERSON").replace(&capitalized(person), "PERSON");
                // Moments and the sessions' ids are of each person's own.
                text.split("<section").filter(|section| section.contains("email-title")).map(|section| section.split("<time").next().unwrap().to_owned()).collect::<String>()
            };
            seen.push((answer.status, answer.body.clone(), headers(&answer), clean(next.normalized()), headers(&next), grown, call.status, call.text));
        }
        assert_alike(&seen[0], &seen[1], "an address that has an account is told apart");
        assert_alike(&seen[0], &seen[2], "case makes another address");
        assert!(seen[0].3.contains("Waiting to be confirmed"), "{}", seen[0].3);
        assert_eq!((seen[0].5.get("email_changes"), seen[0].5.get("kept_mails")), (Some(&1), Some(&2)));
        // The owner of the address is told, and gets no link.
        let told = portal.mails_to("known@example.com").await;
        let told = told.last().unwrap();
        assert!(told.subject.contains("has an account") && !told.text.contains("/confirm-email"), "{told:?}");
        assert!(portal.mails_to("fresh@example.com").await.iter().all(|mail| mail.text.contains("/confirm-email?token=")));
    }

    async fn only_the_account_that_asked_confirms_its_new_address(portal) {
        let (ada, bob) = (portal.sign_up("ada").await, portal.sign_up("bob").await);
        ask(&ada, "augusta@example.com").await.is(303);
        let link = portal.link("augusta@example.com", "/confirm-email").await;
        let token = link.rsplit('=').next().unwrap();
        let form = ada.get(&link).await.form("/do/confirm_email");
        let before = portal.state().await;
        // Whoever reads the mail of an address that was mistyped gets nothing.
        let stranger = portal.browser();
        let page = stranger.get(&link).await.is(200).says("sign in once more");
        assert!(!page.has_form("/do/confirm_email") && !page.main().contains("ada@example.com"), "{}", page.sketch());
        let page = stranger.submit(&form.clone().without("drawn[key]")).await.is(401);
        assert_eq!(page.heading(), "Sign in");
        stranger.call("confirm_email", &[("form[token]", token)]).await.is(401);
        let page = bob.get(&link).await.is(403).says("This link is for another account");
        assert!(!page.has_form("/do/confirm_email") && !page.main().contains("ada@example.com") && !page.main().contains("augusta"), "{}", page.sketch());
        bob.submit(&form.clone().without("drawn[key]")).await.is(410);
        bob.call("confirm_email", &[("form[token]", token)]).await.is(410);
        assert_eq!(portal.state().await, before);
        // In another browser one signs in first, with the address of now, and arrives at the button.
        let phone = portal.browser();
        let page = phone.get(&link).await.is(200);
        let sign_in = page.attributes("a.primary", "href").remove(0);
        phone.fill(&sign_in, "/do/sign_in", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.leads_to(&link);
        phone.fill(&link, "/do/confirm_email", &[]).await.leads_to("/account");
        ada.get("/account").await.is(303);
    }

    async fn a_link_to_a_new_address_works_once_and_for_a_day_and_what_is_over_answers_like_what_never_was(portal) {
        let ada = portal.sign_up("ada").await;
        let over = async |browser: &Browser, link: &str| {
            let token = link.rsplit('=').next().unwrap().to_owned();
            // What was to be said once is said.
            browser.get("/roles").await.is(200);
            let page = browser.get(link).await.is(410);
            let posted = browser.post("/do/confirm_email", &[("form[token]", token.as_str()), ("drawn[page]", link)]).await.is(410);
            let call = browser.call("confirm_email", &[("form[token]", &token)]).await.is(410);
            let clean = |text: String| text.replace(&token, "TOKEN");
            (clean(page.normalized()), page.normalized_headers(), clean(posted.normalized()), posted.normalized_headers(), call.text)
        };
        let unknown = over(&ada, "/confirm-email?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
        assert!(unknown.0.contains("This link no longer works"));
        // Replaced by a newer one; used.
        ask(&ada, "one@example.com").await.is(303);
        let replaced = portal.link("one@example.com", "/confirm-email").await;
        ask(&ada, "two@example.com").await.is(303);
        let used = portal.link("two@example.com", "/confirm-email").await;
        assert_alike(&over(&ada, &replaced).await, &unknown, "a replaced link");
        ada.fill(&used, "/do/confirm_email", &[]).await.is(303);
        assert_alike(&over(&ada, &used).await, &unknown, "a used link");
        // Too old, at the moment.
        ask(&ada, "three@example.com").await.is(303);
        let expired = portal.link("three@example.com", "/confirm-email").await;
        portal.clock.advance(DAY - MINUTE);
        let ada = portal.browser();
        portal.sign_in_to(&ada, "two@example.com", PASSWORD).await.is(303);
        let form = ada.get(&expired).await.is(200).form("/do/confirm_email");
        portal.clock.advance(MINUTE);
        ada.submit(&form).await.is(410);
        assert_alike(&over(&ada, &expired).await, &unknown, "an expired link");
        // Ended by a new password, which is what the mail to the address of now says.
        ask(&ada, "four@example.com").await.is(303);
        let ended = portal.link("four@example.com", "/confirm-email").await;
        ada.fill("/account", "/do/change_password", &[("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)]).await.is(303);
        assert_alike(&over(&ada, &ended).await, &unknown, "a link from before a new password");
        ada.fill("/account/email", "/do/change_email", &[("email", "five@example.com"), ("password", OTHER_PASSWORD)]).await.is(303);
        let ended = portal.link("five@example.com", "/confirm-email").await;
        ada.fill("/forgot-password", "/do/forgot_password", &[("email", "two@example.com")]).await.is(303);
        let reset = portal.link("two@example.com", "/reset-password").await;
        portal.browser().fill(&reset, "/do/reset_password", &[("password", PASSWORD)]).await.is(303);
        portal.sign_in_to(&ada, "two@example.com", PASSWORD).await.is(303);
        assert_alike(&over(&ada, &ended).await, &unknown, "a link from before a reset");
        assert_eq!(portal.rows("SELECT email FROM accounts").await, [["two@example.com"]]);
    }

    async fn an_address_that_got_an_account_meanwhile_is_not_taken_from_it(portal) {
        let ada = portal.sign_up("ada").await;
        ask(&ada, "bob@example.com").await.is(303);
        let link = portal.link("bob@example.com", "/confirm-email").await;
        portal.sign_up("bob").await;
        let form = ada.get(&link).await.is(200).form("/do/confirm_email");
        let before = portal.state().await;
        ada.submit(&form).await.is(410);
        assert_eq!(portal.state().await, before);
        ada.get("/account").await.is(200).says("ada@example.com");
    }

    async fn a_change_of_address_posted_twice_stands_once_and_is_answered_alike(portal) {
        let ada = portal.sign_up("ada").await;
        let form = ada.get("/account/email").await.form("/do/change_email").with("email", "augusta@example.com").with("password", PASSWORD);
        let (first, second) = twice(&ada, &form).await;
        assert_eq!(first, (303, "/account".to_owned()));
        assert_eq!(second, first);
        assert_eq!(portal.mails_to("augusta@example.com").await.len(), 1);
        let link = portal.link("augusta@example.com", "/confirm-email").await;
        let form = ada.get(&link).await.form("/do/confirm_email");
        let (first, second) = twice(&ada, &form).await;
        assert_eq!(first, (303, "/account".to_owned()));
        assert_eq!(second, first);
        assert_eq!(portal.mails_to("ada@example.com").await.iter().filter(|mail| mail.subject.contains("was changed")).count(), 1);
    }

    async fn an_account_is_deleted_with_everything_that_is_its_own(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin)]).await;
        let elsewhere = portal.sign_in("ada").await;
        portal.invite(&ada, "zed@example.com", Role::TechnicalUser).await.is(303);
        ask(&ada, "augusta@example.com").await.is(303);
        ada.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let reset = portal.link("ada@example.com", "/reset-password").await;
        let confirm = portal.link("augusta@example.com", "/confirm-email").await;
        assert!(ada.get("/account").await.has_link("/account/delete"));
        let page = ada.get("/account/delete").await.is(200).says("You leave Acme; the others stay");
        let form = page.form("/do/delete_account").with("email", " ADA@example.com ").with("password", PASSWORD);
        let answer = ada.submit(&form).await.leads_to("/sign-in");
        for cookie in ["session", "known_browser"] {
            assert!(answer.set_cookie(cookie).contains("Max-Age=0"), "{:?}", answer.set_cookies());
        }
        ada.get("/sign-in").await.is(200).says("Your account is deleted");
        for browser in [&ada, &elsewhere] {
            browser.get("/account").await.is(303);
        }
        portal.browser().get(&reset).await.is(410);
        portal.browser().get(&confirm).await.is(410);
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(401);
        // The organization goes on, and what she did there keeps her name.
        let page = bob.get("/organization/members").await.is(200).says("zed@example.com").says("Ada Example").never_says("ada@example.com");
        assert_eq!(page.status, 200);
        assert_eq!(bob.get("/organization").await.fact("Created by"), "Ada Example");
        assert_eq!(bob.get("/organization").await.fact("Members"), "1");
        portal.browser().get(&portal.link("zed@example.com", "/invitation").await).await.is(200).says("Ada Example");
        assert_eq!(portal.rows("SELECT email_key, source, reason FROM former_members").await, [["ada@example.com", "creation", "account_deleted"]]);
        for (table, left) in [("accounts", 1), ("credentials", 1), ("email_changes", 0), ("password_resets", 0)] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, left, "{table}");
        }
        assert_eq!(portal.count("SELECT count(*) FROM organizations WHERE created_by IS NULL").await, 1);
        let noted = portal.rows("SELECT actor_name, action FROM audit_events WHERE actor_name = 'Ada Example' AND outcome = 'success' ORDER BY at, id").await.concat();
        assert!(noted.contains(&"organization.add".to_owned()) && noted.contains(&"account.delete".to_owned()) && noted.contains(&"member.leave".to_owned()), "{noted:?}");
        // The last mail.
        let told = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(told.subject.contains("Your account at Org Portal is deleted"), "{told:?}");
        for text in [&told.text, &told.html] {
            assert!(text.contains("Firefox on Linux from 127.0.0.1") && text.contains("If that was not you") && !text.contains("only member"), "{text}");
        }
        // And the address can sign up again, as somebody new.
        let again = portal.sign_up("ada").await;
        again.get("/organization").await.is(404);
        assert!(again.get("/getting-started").await.has_link("/organization/add"));
    }

    async fn what_is_wrong_with_a_deletion_stands_beside_each_field_and_nothing_is_lost(portal) {
        let ada = portal.sign_up("ada").await;
        portal.deliver().await;
        let before = portal.state().await;
        for (email, password, wrong) in [
            ("", PASSWORD, "email"),
            ("ada", PASSWORD, "email"),
            ("bob@example.com", PASSWORD, "email"),
            ("ada@example.com", "", "password"),
            ("ada@example.com", OTHER_PASSWORD, "password"),
        ] {
            let page = delete(&ada, &[("email", email), ("password", password)]).await.is(422);
            for field in ["email", "password"] {
                assert_eq!(page.error_of(field).is_some(), field == wrong, "{email:?} {password:?}: {}", page.sketch());
            }
            assert_eq!(page.value_of("email"), email, "what was typed stays");
            assert_eq!(page.value_of("password"), "");
            assert!(!page.html().contains(PASSWORD) && !page.html().contains(OTHER_PASSWORD));
        }
        assert_eq!(portal.state().await, before);
        portal.browser().call("delete_account", &[("form[email]", "ada@example.com"), ("form[password]", PASSWORD)]).await.is(401);
        delete(&ada, &[("email", "ada@example.com"), ("password", PASSWORD)]).await.leads_to("/sign-in");
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 0);
    }

    async fn the_only_admin_among_others_is_told_what_to_do_first(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let page = ada.get("/account/delete").await.is(200).says("You are the only Admin").says("Make another member Admin first");
        assert!(!page.has_form("/do/delete_account") && page.has_link("/organization/members"));
        let before = portal.state().await;
        let fields = [("form[email]", "ada@example.com"), ("form[password]", PASSWORD), ("form[organization_name]", "Acme"), ("drawn[page]", "/account/delete")];
        ada.post("/do/delete_account", &fields).await.is(409).says("Make another member Admin first");
        ada.call("delete_account", &fields[..3]).await.refused(409, serde_json::json!({ "Conflict": "LastAdmin" }));
        assert_eq!(portal.state().await, before);
        // A Technical user goes as they like.
        delete(&bob, &[("email", "bob@example.com"), ("password", PASSWORD)]).await.leads_to("/sign-in");
        assert_eq!(ada.get("/organization").await.fact("Members"), "1");
    }

    async fn the_only_member_deletes_the_organization_with_the_account(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.invite(&ada, "zed@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("zed@example.com", "/invitation").await;
        let page = ada.get("/account/delete").await.is(200).says("You are the only member of Acme");
        let form = page.form("/do/delete_account").with("email", "ada@example.com").with("password", PASSWORD);
        let before = portal.state().await;
        for typed in ["", "acme", "Other"] {
            let refused = ada.submit(&form.clone().with("organization_name", typed)).await.is(422);
            assert!(refused.error_of("organization_name").is_some() && refused.error_of("email").is_none(), "{}", refused.sketch());
            assert_eq!((refused.value_of("organization_name"), refused.value_of("email")), (typed.to_owned(), "ada@example.com".to_owned()));
        }
        ada.submit(&form.clone().without("form[organization_name]")).await.is(422);
        // All that is to be mended is said at once.
        let refused = delete(&ada, &[]).await.is(422);
        for field in ["email", "password", "organization_name"] {
            assert!(refused.error_of(field).is_some(), "{field}: {}", refused.sketch());
        }
        assert_eq!(portal.state().await, before);
        ada.submit(&form.with("organization_name", "Acme")).await.leads_to("/sign-in");
        portal.browser().get(&link).await.is(410);
        for table in ["accounts", "members", "organizations", "invitations", "sessions"] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        assert_eq!(portal.rows("SELECT name, deleted_by_name FROM former_organizations").await, [["Acme", "Ada Example"]]);
        let told = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(told.text.contains("Acme, of which you were the only member, was deleted with it"), "{told:?}");
    }

    async fn a_deletion_that_fails_in_the_middle_leaves_everything(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let [bob, _eve] = portal.organization_with("Other", [("bob", Role::Admin), ("eve", Role::Admin)]).await;
        portal.deliver().await;
        let before = portal.snapshot(&["limits"]).await;
        for (step, table) in [
            ("INSERT", "former_members"),
            ("DELETE", "members"),
            ("DELETE", "organizations"),
            ("DELETE", "credentials"),
            ("DELETE", "sessions"),
            ("DELETE", "accounts"),
            ("INSERT", "outbox"),
            ("INSERT", "audit_events"),
        ] {
            let mend = portal.fail(step, table).await;
            let alone = [("email", "ada@example.com"), ("password", PASSWORD), ("organization_name", "Acme")];
            let answer = delete(&ada, &alone).await.is(500);
            assert!(answer.set_cookies().iter().all(|cookie| !cookie.starts_with("session=")), "{:?}", answer.set_cookies());
            if table != "organizations" {
                delete(&bob, &[("email", "bob@example.com"), ("password", PASSWORD)]).await.is(500);
            }
            for statement in &mend {
                portal.execute(statement).await;
            }
            assert_eq!(portal.snapshot(&["limits"]).await, before, "{step} {table}");
        }
        ada.get("/organization").await.is(200).says("Acme");
        delete(&bob, &[("email", "bob@example.com"), ("password", PASSWORD)]).await.is(303);
    }

    async fn a_changed_password_is_told_with_when_and_from_where(portal) {
        let ada = portal.sign_up("ada").await;
        ada.fill("/account", "/do/change_password", &[("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)]).await.is(303);
        let changed = portal.mails_to("ada@example.com").await.pop().unwrap();
        ada.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let phone = portal.browser().named("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1");
        phone.fill(&portal.link("ada@example.com", "/reset-password").await, "/do/reset_password", &[("password", PASSWORD)]).await.is(303);
        let reset = portal.mails_to("ada@example.com").await.pop().unwrap();
        for (mail, device, sessions) in [(&changed, "Firefox on Linux", "All other sessions"), (&reset, "Safari on iPhone", "All sessions")] {
            for text in [&mail.text, &mail.html] {
                assert!(text.contains(&format!("with {device} from 127.0.0.1")) && text.contains(sessions), "{text}");
                assert!(text.contains(&START.date()) && text.contains("UTC") && text.contains("If that was not you"), "{text}");
            }
        }
    }
}
