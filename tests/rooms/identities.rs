//! Signing in by the operator's OpenID provider: with a real one, and with one that lies, fails and dawdles (`SPEC.md` §3.1).

use std::{collections::BTreeMap, time::Duration};

use org_portal::words::{DAY, HOUR, MINUTE};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{on_both, support::*};

/// A portal with a real provider.
async fn with_a_real_one(portal: &TestPortal, more: &[(&str, &str)]) -> (TestPortal, IdentityProvider) {
    portal.meet_the_world();
    // What it knows of people stands in the ID token or not, as with real ones.
    let provider = IdentityProvider::start(portal.engine == Engine::Sqlite).await;
    let options = more.iter().fold(with_provider(&provider.issuer), |options, (key, value)| options.with(key, value));
    (TestPortal::second_with(portal, options).await, provider)
}

/// A portal with one that does what the test says.
async fn with_a_fake_one(portal: &TestPortal, more: &[(&str, &str)]) -> (TestPortal, FakeProvider) {
    let provider = FakeProvider::start(portal).await;
    let options = more.iter().fold(with_provider(&provider.issuer), |options, (key, value)| options.with(key, value));
    (TestPortal::second_with(portal, options).await, provider)
}

async fn identities(portal: &TestPortal) -> i64 {
    portal.count("SELECT count(*) FROM identities").await
}

/// The identities that are in the audit log: what was done, and how it came out.
async fn noted(portal: &TestPortal, action: &str) -> Vec<String> {
    portal.rows(&format!("SELECT outcome FROM audit_events WHERE action = '{action}' ORDER BY at, id")).await.concat()
}

/// Whether somebody is signed in.
async fn is_in(browser: &Browser) -> bool {
    browser.get("/account").await.status == 200
}

on_both! {
    async fn somebody_without_an_account_gets_one_by_the_provider_and_comes_back_to_it(portal) {
        let (portal, provider) = with_a_real_one(portal, &[]).await;
        let ada = portal.browser();
        let page = ada.get("/sign-in?to=%2Forganization%2Fadd").await.is(200);
        assert!(page.has_link("/sign-in/provider?to=%2Forganization%2Fadd"), "{}", page.main());
        assert!(page.main().contains("Continue with Example login"), "{}", page.main());
        let begun = ada.get("/sign-in/provider?to=%2Forganization%2Fadd").await.is(303);
        assert_eq!(begun.header("cache-control"), "no-store");
        let place = begun.location().to_owned();
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", "portal"),
            ("redirect_uri", "http://127.0.0.1:3000/sign-in/provider/callback"),
            ("scope", "openid email profile groups"),
            ("code_challenge_method", "S256"),
            ("prompt", ""),
        ] {
            assert_eq!(parameter(&place, name), value, "{name}");
        }
        let jar = Jar::default();
        let (back, asked) = provider.visit(&jar, &place, Some("ada@example.com")).await;
        assert!(asked);
        ada.get(&back).await.leads_to("/organization/add");
        let page = ada.get("/account").await.is(200);
        assert!(page.main().contains("ada@example.com Verified"), "{}", page.main());
        assert_eq!(page.form("/do/change_name").value("form[last_name]"), "Example");
        assert!(page.main().contains("the only way into your account") && !page.has_form("/do/unlink_identity"), "{}", page.main());
        assert_eq!(portal.rows("SELECT email, issuer FROM identities").await, [["ada@example.com".to_owned(), provider.issuer.clone()]]);
        assert_eq!(noted(&portal, "account.verify_email").await, ["success"]);
        assert_eq!(noted(&portal, "identity.link").await, ["success"]);
        assert_eq!(portal.count("SELECT count(*) FROM credentials").await, 0);
        let mails = portal.mails_to("ada@example.com").await;
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert_eq!(mails[0].subject, "Example login was linked to your account at Org Portal");
        assert!(mails[0].text.contains("signed in here, too"), "{}", mails[0].text);
        // The next time, elsewhere: the provider knows the person, and the portal the identity, whatever the address is now.
        provider.knows("ada@example.com", json!({ "email": "lovelace@example.com", "email_verified": false })).await;
        let other = portal.browser();
        let begun = other.get("/sign-in/provider").await.is(303);
        let (back, asked) = provider.visit(&jar, begun.location(), None).await;
        assert!(!asked, "who is signed in there goes through");
        other.get(&back).await.leads_to("/getting-started");
        assert!(other.get("/account").await.main().contains("ada@example.com Verified"));
        assert_eq!(portal.rows("SELECT email FROM identities").await.concat(), ["lovelace@example.com"]);
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 1);
        let mails = portal.mails_to("ada@example.com").await;
        assert_eq!(mails.len(), 2, "{mails:?}");
        assert!(mails.iter().any(|mail| mail.subject == "A new sign-in to your account at Org Portal"), "{mails:?}");
        assert_eq!(portal.count("SELECT count(*) FROM sessions WHERE methods = 'provider'").await, 2);
        portal.stop().await;
    }

    async fn an_account_that_is_there_is_linked_once_its_owner_has_signed_in(portal) {
        let (portal, provider) = with_a_real_one(portal, &[]).await;
        drop(portal.sign_up("ada").await);
        let browser = portal.browser();
        let answer = provider.sign_in(&browser, "ada@example.com").await.is(303);
        assert!(answer.location().starts_with("/sign-in?"), "{}", answer.location());
        assert!(!is_in(&browser).await);
        let page = browser.get(answer.location()).await.is(200);
        assert!(page.main().contains("There is an account with the address ada@example.com already"), "{}", page.main());
        assert_eq!(page.value_of("email"), "ada@example.com");
        // A wrong password, another account and another browser link nothing.
        portal.sign_in_to(&browser, "ada@example.com", "not the password").await.is(401);
        drop(portal.sign_up("bob").await);
        portal.sign_in_to(&browser, "bob@example.com", PASSWORD).await.is(303);
        browser.drop_cookie("session");
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(303);
        assert_eq!(identities(&portal).await, 0);
        // The owner's password in this browser does.
        portal.sign_in_to(&browser, "ada@example.com", PASSWORD).await.leads_to("/getting-started");
        assert_eq!(identities(&portal).await, 1);
        assert_eq!(noted(&portal, "identity.link").await, ["success"]);
        let mails = portal.mails_to("ada@example.com").await;
        assert!(mails.iter().any(|mail| mail.subject == "Example login was linked to your account at Org Portal"), "{mails:?}");
        assert_eq!(portal.count("SELECT count(*) FROM identity_offers").await, 0);
        let other = portal.browser();
        provider.sign_in(&other, "ada@example.com").await.leads_to("/getting-started");
        assert!(other.get("/account").await.main().contains("ada@example.com Verified"));
        // What is left lying for more than ten minutes is worth nothing.
        drop(portal.sign_up("carol").await);
        let carol = portal.browser();
        provider.sign_in(&carol, "carol@example.com").await.is(303);
        portal.clock.advance(10 * MINUTE + 1);
        carol.get("/sign-in").await.is(200).never_says("There is an account");
        portal.sign_in_to(&carol, "carol@example.com", PASSWORD).await.is(303);
        assert_eq!(identities(&portal).await, 1);
        portal.stop().await;
    }

    async fn who_is_signed_in_links_from_the_account_page_and_unlinks_again(portal) {
        let (portal, provider) = with_a_real_one(portal, &[]).await;
        let ada = portal.sign_up("ada").await;
        let page = ada.get("/account").await.is(200);
        assert!(page.has_link("/sign-in/provider?to=%2Faccount&email=ada%40example.com"), "{}", page.main());
        let begun = ada.get("/sign-in/provider?to=%2Faccount&email=ada%40example.com").await.is(303);
        assert_eq!(parameter(begun.location(), "login_hint"), "ada@example.com");
        let (back, _) = provider.visit(&Jar::default(), begun.location(), Some("ada@example.com")).await;
        let answer = ada.get(&back).await.is(303);
        assert!(answer.location().starts_with("/sign-in?to=%2Faccount&again="), "{}", answer.location());
        ada.fill(answer.location(), "/do/sign_in", &[("password", PASSWORD)]).await.leads_to("/account");
        let page = ada.get("/account").await.is(200);
        let form = page.form("/do/unlink_identity");
        // Not somebody else's.
        let bob = portal.sign_up("bob").await;
        bob.submit(&form).await.is(404);
        assert_eq!(identities(&portal).await, 1);
        ada.submit(&form).await.leads_to("/account");
        assert_eq!(identities(&portal).await, 0);
        ada.get("/account").await.says("It is unlinked").never_says("only way into");
        assert_eq!(portal.mails_to("ada@example.com").await.last().unwrap().subject, "Example login was unlinked from your account at Org Portal");
        assert_eq!(noted(&portal, "identity.unlink").await, ["not_found", "success"]);
        portal.stop().await;
    }

    async fn what_somebody_else_linked_goes_with_what_is_undone(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[]).await;
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone of Mallory").await;
        let link = portal.link("ada@example.com", "/undo").await;
        portal.clock.advance(MINUTE);
        let back = provider.begin(&portal, &ada, "/sign-in/provider?to=%2Faccount&email=ada%40example.com").await;
        let answer = ada.get(&back).await.is(303);
        let answer = ada.fill(answer.location(), "/do/sign_in", &[("password", PASSWORD)]).await.is(303);
        assert!(answer.location().starts_with("/sign-in/code"), "{}", answer.location());
        portal.second_step(&ada, &app.next_code(&portal)).await.is(303);
        assert_eq!(identities(&portal).await, 1);
        let owner = portal.browser();
        owner.get(&link).await.is(200).says("by the sign-in service is unlinked");
        owner.fill(&link, "/do/undo_change", &[]).await.is(303);
        assert_eq!(identities(&portal).await, 0);
        portal.stop().await;
    }

    async fn the_only_way_in_is_not_unlinked_and_a_password_makes_another(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[]).await;
        let ada = portal.browser();
        provider.sign_in(&portal, &ada).await.leads_to("/getting-started");
        let id = uuid(&portal.text(&format!("SELECT {} FROM identities", portal.engine.hex("id"))).await).to_string();
        ada.call("unlink_identity", &[("identity", &id)]).await.refused(409, json!({ "Conflict": "OnlyWayIn" }));
        // Changing what needs a password: without one, a sign-in of the last ten minutes stands for it.
        portal.clock.advance(10 * MINUTE);
        let page = ada.fill("/account", "/do/change_password", &[("new_password", OTHER_PASSWORD)]).await.is(422);
        assert!(page.main().contains("Your account has no password. Sign in once more"), "{}", page.main());
        ada.fill("/account/delete", "/do/delete_account", &[("email", "ada@example.com")]).await.is(422);
        provider.sign_in(&portal, &ada).await.is(303);
        let page = ada.get("/account").await.is(200);
        assert!(page.main().contains("Set password") && page.count("input[type=password]") == 1, "{}", page.main());
        ada.fill("/account", "/do/change_password", &[("new_password", OTHER_PASSWORD)]).await.leads_to("/account");
        ada.fill("/account", "/do/unlink_identity", &[]).await.leads_to("/account");
        portal.sign_in_to(&portal.browser(), "ada@example.com", OTHER_PASSWORD).await.is(303);
        // With one, it is asked for.
        let page = ada.fill("/account", "/do/change_password", &[("current_password", ""), ("new_password", PASSWORD)]).await.is(422);
        assert!(page.error_of("current_password").is_some());
        // An account without one is deleted likewise.
        provider.set(|script| script.claims = json!({ "sub": "2", "email": "bob@example.com" }));
        let bob = portal.browser();
        provider.sign_in(&portal, &bob).await.is(303);
        bob.fill("/account/delete", "/do/delete_account", &[("email", "bob@example.com")]).await.leads_to("/sign-in");
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 1);
        portal.stop().await;
    }

    async fn addresses_of_the_providers_domains_sign_in_there_and_whether_they_have_an_account_is_not_told(portal) {
        drop(portal.sign_up("ada").await);
        let (portal, provider) = with_a_fake_one(portal, &[("oidc_domains", "example.com")]).await;
        for (path, action, fields) in [
            ("/sign-in", "/do/sign_in", &[("password", PASSWORD)][..]),
            ("/sign-up", "/do/sign_up", &[("first_name", "A"), ("password", PASSWORD)]),
            ("/forgot-password", "/do/forgot_password", &[]),
        ] {
            let ask = async |email: &'static str| {
                let mut fields = fields.to_vec();
                fields.push(("email", email));
                let page = portal.browser().fill(path, action, &fields).await.is(422);
                assert_eq!(page.error_of("email").as_deref(), Some("Addresses of this domain sign in with Example login. Use its button"), "{path}");
                let way = page.attributes("a[href^='/sign-in/provider']", "href").concat();
                assert!(way.ends_with(&format!("email={}", email.replace('@', "%40"))), "{path}: {way}");
                page.normalized().replace(email, "").replace(&email.replace('@', "%40"), "")
            };
            let (known, unknown) = (ask("ada@example.com").await, ask("eve@EXAMPLE.com").await);
            assert_alike(&known, &unknown, path);
        }
        let (status, body) = {
            let call = portal.browser().send(Method::POST, "/v1/auth/SignIn", &[("content-type", "application/json")], Some(json!({ "email": "ada@example.com", "password": PASSWORD }).to_string().into_bytes())).await;
            (call.status, call.html())
        };
        assert!(status == 400 && body.contains("Example login"), "{status} {body}");
        assert_eq!(portal.count("SELECT count(*) FROM sign_ups WHERE used_at IS NULL").await, 0);
        // Others go on as they did.
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "a@elsewhere.example")]).await.is(303);
        // The provider is the authority: it links to the account that is there without more ado.
        let ada = portal.browser();
        provider.sign_in(&portal, &ada).await.leads_to("/getting-started");
        assert!(ada.get("/account").await.main().contains("ada@example.com Verified"));
        assert_eq!((identities(&portal).await, portal.count("SELECT count(*) FROM accounts").await), (1, 1));
        let mails = portal.mails_to("ada@example.com").await;
        assert!(mails.iter().any(|mail| mail.subject == "Example login was linked to your account at Org Portal"), "{mails:?}");
        ada.call("unlink_identity", &[("identity", &uuid(&portal.text(&format!("SELECT {} FROM identities", portal.engine.hex("id"))).await).to_string())]).await.is(409);
        // Who got a new account there, at the same address, is linked in place of the old one.
        provider.set(|script| script.claims = json!({ "sub": "new" }));
        provider.sign_in(&portal, &portal.browser()).await.leads_to("/getting-started");
        assert_eq!(portal.rows("SELECT subject FROM identities").await.concat(), ["new"]);
        let replaced = portal.rows("SELECT before_state FROM audit_events WHERE action = 'identity.link' ORDER BY at, id").await.concat();
        assert!(replaced[0] == "null" && replaced[1].contains(r#""subject":"1""#), "{replaced:?}");
        portal.stop().await;
    }

    async fn an_address_that_the_provider_has_not_verified_makes_no_account_and_links_to_none(portal) {
        drop(portal.sign_up("ada").await);
        let (portal, provider) = with_a_fake_one(portal, &[("oidc_domains", "example.com")]).await;
        for claims in [
            json!({ "email_verified": false }),
            json!({ "email_verified": null }),
            json!({ "email": null }),
            json!({ "email": "not an address" }),
        ] {
            provider.set(|script| script.claims = claims.clone());
            let browser = portal.browser();
            let page = provider.sign_in(&portal, &browser).await.is(403);
            assert_eq!(page.heading(), "Your address is not verified", "{claims}");
            assert!(!is_in(&browser).await, "{claims}");
        }
        provider.set(|script| script.claims = json!({ "email": "bob@example.com", "email_verified": false }));
        provider.sign_in(&portal, &portal.browser()).await.is(403);
        assert_eq!((identities(&portal).await, portal.count("SELECT count(*) FROM accounts").await), (0, 1));
        assert!(noted(&portal, "session.sign_in_failed").await.iter().all(|outcome| outcome == "unverified_address"));
        // As some providers write it.
        provider.set(|script| script.claims = json!({ "email": "bob@example.com", "email_verified": "true" }));
        provider.sign_in(&portal, &portal.browser()).await.leads_to("/getting-started");
        portal.stop().await;
    }

    async fn the_operators_group_gives_and_takes_the_rights_of_an_operator(portal) {
        portal.meet_the_world();
        let hired = portal.operator("hired").await;
        let (portal, provider) = with_a_real_one(portal, &[("oidc_operator_group", "portal-operators")]).await;
        let hired = hired.at(&portal);
        let olga = portal.browser();
        provider.knows("olga@example.com", json!({ "groups": ["staff", "portal-operators"] })).await;
        provider.sign_in(&olga, "olga@example.com").await.leads_to("/getting-started");
        olga.get("/operator").await.is(200);
        assert_eq!(noted(&portal, "operator.add").await, ["success", "success"]);
        let after = portal.rows("SELECT after_state FROM audit_events WHERE action = 'operator.add' ORDER BY at DESC, id DESC").await.concat().remove(0);
        assert_eq!(serde_json::from_str::<Value>(&after).unwrap()["named_by"], provider.issuer.as_str());
        // Once more changes nothing; another group is none.
        provider.sign_in(&olga, "olga@example.com").await.is(303);
        provider.knows("eve@example.com", json!({ "groups": "portal-operators-not" })).await;
        let eve = portal.browser();
        provider.sign_in(&eve, "eve@example.com").await.is(303);
        eve.get("/operator").await.is(404);
        // Out of the group at the next sign-in: in every session.
        provider.knows("olga@example.com", json!({ "groups": ["staff"] })).await;
        provider.sign_in(&portal.browser(), "olga@example.com").await.is(303);
        olga.get("/operator").await.is(404);
        assert_eq!(noted(&portal, "operator.remove").await, ["success"]);
        let sentence = hired.get("/operator/audit").await.is(200);
        assert!(sentence.main().contains("took the rights of an operator from Olga Example"), "{}", sentence.main());
        assert!(sentence.main().contains("linked the account of Olga Example to Example login"), "{}", sentence.main());
        // Whom the command line made one stays one without the group.
        provider.sign_in(&hired, "hired@example.com").await.is(303);
        hired.fill("/sign-in?again=yes", "/do/sign_in", &[("password", PASSWORD)]).await.is(303);
        provider.sign_in(&hired, "hired@example.com").await.leads_to("/getting-started");
        hired.get("/operator").await.is(200);
        assert_eq!(portal.count("SELECT count(*) FROM operators").await, 1);
        portal.stop().await;
    }

    async fn an_operator_without_a_password_shows_who_they_are_by_signing_in_anew(portal) {
        drop(portal.sign_up("bob").await);
        let (portal, provider) = with_a_real_one(portal, &[("oidc_operator_group", "portal-operators")]).await;
        provider.knows("olga@example.com", json!({ "groups": ["portal-operators"] })).await;
        let (olga, jar) = (portal.browser(), Jar::default());
        let begun = olga.get("/sign-in/provider").await.is(303);
        let (back, _) = provider.visit(&jar, begun.location(), Some("olga@example.com")).await;
        olga.get(&back).await.is(303);
        // It was an hour ago.
        let later = async || portal.execute(&format!("UPDATE sessions SET authenticated_at = authenticated_at - {HOUR}")).await;
        later().await;
        let account = uuid(&portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'bob@example.com'", portal.engine.hex("id"))).await);
        let path = format!("/operator/accounts/{account}/lock");
        let lock = async || olga.fill(&path, "/do/lock_account", &[("reason", "Spam")]).await;
        let page = lock().await.is(401);
        let way = page.attributes("main a[href^='/sign-in/provider']", "href").concat();
        assert!(way.contains("again=yes"), "{way}");
        let begun = olga.get(&way).await.is(303);
        assert_eq!((parameter(begun.location(), "prompt"), parameter(begun.location(), "max_age")), ("login".to_owned(), "60".to_owned()));
        let (back, asked) = provider.visit(&jar, begun.location(), Some("olga@example.com")).await;
        assert!(asked, "the provider asks again");
        olga.get(&back).await.leads_to(&path);
        lock().await.is(303);
        portal.stop().await;
    }

    async fn a_provider_that_does_not_say_when_somebody_signed_in_proves_nothing_anew(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[("oidc_operator_group", "staff")]).await;
        let olga = portal.browser();
        provider.set(|script| script.claims = json!({ "groups": ["staff"], "auth_time": null }));
        provider.sign_in(&portal, &olga).await.is(303);
        olga.get("/operator").await.is(200);
        let proven = format!("SELECT count(*) FROM sessions WHERE authenticated_at > {}", portal.clock.now().0 - 10 * MINUTE);
        assert_eq!(portal.count(&proven).await, 0);
        for auth_time in [Value::Null, json!(portal.clock.now().0 / 1_000_000 - 600)] {
            provider.set(|script| script.claims["auth_time"] = auth_time.clone());
            let back = provider.begin(&portal, &olga, "/sign-in/provider?again=yes").await;
            let page = olga.get(&back).await.is(502);
            assert!(page.main().contains("You were to sign in anew"), "{auth_time}: {}", page.main());
        }
        // When it does, that moment counts, and none that is still to come.
        let now = portal.clock.now().0 / 1_000_000;
        provider.set(|script| script.claims["auth_time"] = json!(now + 100_000));
        let back = provider.begin(&portal, &olga, "/sign-in/provider?again=yes").await;
        olga.get(&back).await.is(303);
        assert_eq!(portal.count(&format!("SELECT count(*) FROM sessions WHERE authenticated_at > {}", portal.clock.now().0)).await, 0);
        assert_eq!(portal.count(&proven).await, 1);
        portal.stop().await;
    }

    async fn a_locked_account_is_not_signed_in_by_the_provider_either(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[("support_email", "help@example.com")]).await;
        let ada = portal.browser();
        provider.sign_in(&portal, &ada).await.is(303);
        portal.execute(&format!("UPDATE accounts SET locked_until = {}, lock_reason = 'x'", portal.clock.now().0 + DAY)).await;
        let other = portal.browser();
        let page = provider.sign_in(&portal, &other).await.is(401);
        assert_eq!(page.heading(), "This account is locked");
        assert!(page.main().contains("help@example.com") && !is_in(&other).await, "{}", page.main());
        portal.stop().await;
    }

    async fn an_account_with_a_second_factor_shows_it_after_the_provider_too(portal) {
        let ada = portal.sign_up("ada").await;
        let app = portal.set_up_app(&ada, "Phone").await;
        let (portal, provider) = with_a_fake_one(portal, &[("oidc_domains", "example.com")]).await;
        let browser = portal.browser();
        provider.sign_in(&portal, &browser).await.leads_to("/sign-in/code?to=%2Fgetting-started");
        assert!(!is_in(&browser).await);
        portal.second_step(&browser, &app.next_code(&portal)).await.leads_to("/getting-started");
        assert!(is_in(&browser).await);
        assert_eq!(portal.count("SELECT count(*) FROM sessions WHERE methods = 'provider+code'").await, 1);
        portal.stop().await;
    }

    async fn whatever_the_provider_does_wrong_is_a_calm_page_and_nobody_is_signed_in(portal) {
        let (first, fake) = with_a_fake_one(portal, &[("support_email", "help@example.com")]).await;
        first.stop().await;
        let issuer = fake.issuer.clone();
        let says = |status: u16, text: &str| Mode::Says(status, text.to_owned());
        let discovery = "/.well-known/openid-configuration";
        // Before anybody is sent there. Nothing is known of it yet: each time another portal asks.
        for (path, mode, status) in [
            (discovery, says(500, "x"), 503),
            (discovery, says(429, "x"), 503),
            (discovery, says(404, "x"), 502),
            (discovery, says(302, "x"), 502),
            (discovery, says(200, "<html>"), 502),
            (discovery, Mode::Endless, 503),
            (discovery, Mode::Hangs, 503),
            (discovery, Mode::Instead(json!({ "issuer": format!("{issuer}/") })), 502),
            (discovery, Mode::Instead(json!({ "authorization_endpoint": "http://169.254.169.254/latest" })), 502),
            (discovery, Mode::Instead(json!({ "jwks_uri": "http://10.0.0.1/keys" })), 502),
            (discovery, Mode::Instead(json!({ "jwks_uri": 7 })), 502),
            ("/jwks", says(503, "x"), 503),
            ("/jwks", says(200, "[]"), 502),
        ] {
            let portal = TestPortal::second_with(portal, with_provider(&issuer).with("oidc_seconds", "1")).await;
            fake.set(|script| script.modes = [(path, mode.clone())].into());
            let began = tokio::time::Instant::now();
            let page = portal.browser().get("/sign-in/provider?to=%2Faccount").await;
            assert_eq!(page.status, status, "{path} {mode:?}");
            assert!(began.elapsed() < Duration::from_secs(6), "{path} {mode:?}: {:?}", began.elapsed());
            assert!(page.has_link("/sign-in/provider?to=%2Faccount") && page.has_link("/sign-in"), "{}", page.main());
            portal.stop().await;
        }
        let nobody = TestPortal::second_with(portal, with_provider("http://127.0.0.1:9")).await;
        nobody.browser().get("/sign-in/provider").await.is(503);
        nobody.stop().await;
        assert_eq!(portal.count("SELECT count(*) FROM provider_sign_ins").await, 0);

        // Afterwards.
        let portal = TestPortal::second_with(portal, with_provider(&issuer).with("oidc_seconds", "1")).await;
        let now = portal.clock.now().0 / 1_000_000;
        let with_mode = |path: &'static str, mode: Mode| (BTreeMap::from([(path, mode)]), json!({}), Signed::Right);
        let with_claims = |claims: Value| (BTreeMap::new(), claims, Signed::Right);
        let signed = |signed: Signed| (BTreeMap::new(), json!({}), signed);
        let no_mail = json!({ "email": null });
        for (n, ((modes, claims, how), status)) in [
            (with_mode("/token", says(400, r#"{"error":"invalid_grant"}"#)), 502),
            (with_mode("/token", says(401, r#"{"error":"invalid_client"}"#)), 502),
            (with_mode("/token", says(500, "x")), 503),
            (with_mode("/token", says(200, "nonsense")), 502),
            (with_mode("/token", says(200, "{}")), 502),
            (with_mode("/token", Mode::Instead(json!({ "id_token": "a.b.c" }))), 502),
            (with_mode("/token", Mode::Endless), 503),
            (with_mode("/token", Mode::Hangs), 503),
            (with_claims(json!({ "nonce": "another" })), 502),
            (with_claims(json!({ "nonce": null })), 502),
            (with_claims(json!({ "iss": "https://evil.example" })), 502),
            (with_claims(json!({ "iss": null })), 502),
            (with_claims(json!({ "aud": "another" })), 502),
            (with_claims(json!({ "aud": ["portal", "another"] })), 502),
            (with_claims(json!({ "exp": now - 120 })), 502),
            (with_claims(json!({ "exp": null })), 502),
            (with_claims(json!({ "iat": now + 7200, "exp": now + 9000 })), 502),
            (with_claims(json!({ "sub": null })), 502),
            (with_claims(json!({ "sub": "" })), 502),
            (with_claims(json!({ "sub": "x".repeat(300) })), 502),
            (with_claims(json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })), 502),
            (signed(Signed::Not), 502),
            (signed(Signed::BySecret), 502),
            (signed(Signed::ByAnother), 502),
            (signed(Signed::Changed), 502),
            // The address is to be had at userinfo, which is about somebody else, or away.
            ((BTreeMap::from([("/me", Mode::Instead(json!({ "sub": "2", "email": "ada@example.com", "email_verified": true })))]), no_mail.clone(), Signed::Right), 502),
            ((BTreeMap::from([("/me", says(500, "x"))]), no_mail.clone(), Signed::Right), 503),
            ((BTreeMap::from([("/me", Mode::Endless)]), no_mail, Signed::Right), 503),
        ].into_iter().enumerate() {
            fake.set(|script| (script.modes, script.claims, script.signed) = (modes, claims.clone(), how));
            let browser = portal.browser();
            let page = fake.sign_in(&portal, &browser).await;
            assert_eq!(page.status, status, "{n} {claims} {how:?}: {}", page.main());
            assert!(page.has_link("/sign-in/provider") && !is_in(&browser).await, "{n}: {}", page.main());
            assert!(!page.main().contains("error") && page.header("cache-control") == "no-store");
        }
        // What it says in place of a code.
        fake.set(|script| (script.modes, script.claims, script.signed) = (BTreeMap::new(), json!({}), Signed::Right));
        for (error, status) in [("access_denied", 403), ("login_required", 403), ("temporarily_unavailable", 503), ("server_error", 503), ("invalid_scope", 502), ("<script>", 502), ("", 502)] {
            let browser = portal.browser();
            let back = fake.begin(&portal, &browser, "/sign-in/provider").await;
            let page = browser.get(&back.replace("code=", &format!("error={error}&error_description=evil&x="))).await.is(status);
            assert!(!page.main().contains("evil") && !page.main().contains("script"), "{}", page.main());
        }
        // From whom it comes (RFC 9207).
        for (from, to) in [("&iss=", "&iss=https%3A%2F%2Fevil.example%2F"), ("&iss=", "&x=")] {
            let browser = portal.browser();
            let back = fake.begin(&portal, &browser, "/sign-in/provider").await;
            fake.set(|script| script.asked.clear());
            browser.get(&back.replace(from, to)).await.is(502);
            fake.set(|script| assert!(script.asked.is_empty(), "the code goes nowhere"));
        }
        assert_eq!((identities(&portal).await, portal.count("SELECT count(*) FROM accounts").await), (0, 0));
        // And when all is right.
        let browser = portal.browser();
        fake.sign_in(&portal, &browser).await.leads_to("/getting-started");
        fake.set(|script| {
            let (headers, body) = script.asked.last().unwrap();
            assert_eq!(basic(headers), Some(("portal".to_owned(), SECRET.to_owned())));
            assert!(body.contains("grant_type=authorization_code&code=a+code+") && body.contains("&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fsign-in%2Fprovider%2Fcallback&code_verifier="), "{body}");
        });
        portal.stop().await;
    }

    async fn a_sign_in_ends_once_in_time_and_in_the_browser_that_began_it(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[]).await;
        let over = async |browser: &Browser, back: &str| {
            let page = browser.get(back).await.is(410);
            assert_eq!(page.heading(), "This sign-in is over");
        };
        // In another browser, with a cookie of its own or without one.
        let (ada, eve) = (portal.browser(), portal.browser());
        let back = provider.begin(&portal, &ada, "/sign-in/provider").await;
        over(&portal.browser(), &back).await;
        provider.begin(&portal, &eve, "/sign-in/provider").await;
        over(&eve, &back).await;
        // With a state that was never given.
        over(&ada, "/sign-in/provider/callback").await;
        over(&ada, "/sign-in/provider/callback?code=x&state=y").await;
        over(&ada, &format!("/sign-in/provider/callback?code=x&state={}", "y".repeat(3000))).await;
        // It is still good, once.
        ada.get(&back).await.leads_to("/getting-started");
        over(&ada, &back).await;
        over(&ada.copy(), &back).await;
        // Two of one browser, as in two tabs, do not hinder each other; but one that failed is over, too.
        let tabs = portal.browser();
        let first = provider.begin(&portal, &tabs, "/sign-in/provider").await;
        provider.begin(&portal, &tabs, "/sign-in/provider").await;
        provider.set(|script| script.claims = json!({ "nonce": "x" }));
        tabs.get(&first).await.is(502);
        over(&tabs, &first).await;
        // Ten minutes.
        let slow = portal.browser();
        provider.set(|script| script.claims = json!({}));
        let back = provider.begin(&portal, &slow, "/sign-in/provider").await;
        portal.clock.advance(10 * MINUTE - 1);
        slow.get(&back).await.is(303);
        let back = provider.begin(&portal, &slow, "/sign-in/provider").await;
        portal.clock.advance(10 * MINUTE);
        over(&slow, &back).await;
        org_portal::maintenance::once(&portal.portal).await.expect("housekeeping");
        assert_eq!(portal.count("SELECT count(*) FROM provider_sign_ins").await, 0, "what is over is forgotten");
        portal.stop().await;
    }

    async fn nothing_in_the_database_helps_to_end_a_sign_in_of_somebody_else(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[]).await;
        let ada = portal.browser();
        let begun = ada.get("/sign-in/provider").await.is(303);
        let place = begun.location().to_owned();
        let cookie = ada.cookie("provider").expect("a cookie");
        let set = begun.set_cookie("provider");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"), "{set}");
        let whole = format!("{:?}", portal.snapshot(&[]).await);
        for secret in [parameter(&place, "state"), parameter(&place, "nonce"), parameter(&place, "code_challenge"), cookie, SECRET.to_owned()] {
            assert!(secret.len() > 20 && !whole.contains(&secret), "{secret}");
        }
        let back = provider.begin(&portal, &ada, "/sign-in/provider").await;
        ada.get(&back).await.is(303);
        let verifier = provider.script.lock().unwrap().asked.last().unwrap().1.split("code_verifier=").nth(1).unwrap().to_owned();
        assert!(verifier.len() == 43 && !format!("{:?}", portal.snapshot(&[]).await).contains(&verifier));
        portal.stop().await;
    }

    async fn first_sign_ins_at_once_make_one_account(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[]).await;
        for round in 0..5 {
            provider.set(|script| script.claims = json!({ "sub": format!("{round}"), "email": format!("p{round}@example.com") }));
            let browsers: Vec<Browser> = (0..4).map(|_| portal.browser()).collect();
            let mut backs = Vec::new();
            for browser in &browsers {
                backs.push(provider.begin(&portal, browser, "/sign-in/provider").await);
            }
            let ended = futures::future::join_all(browsers.iter().zip(&backs).map(|(browser, back)| async { browser.get(back).await.status })).await;
            assert_eq!(ended, [303; 4]);
            assert_eq!(portal.count(&format!("SELECT count(*) FROM accounts WHERE email_key = 'p{round}@example.com'")).await, 1);
        }
        assert_eq!((identities(&portal).await, portal.count("SELECT count(*) FROM sessions").await), (5, 20));
        portal.stop().await;
    }

    async fn keys_that_are_replaced_are_found_and_not_asked_for_without_end(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[]).await;
        provider.sign_in(&portal, &portal.browser()).await.is(303);
        provider.set(|script| (script.key, script.published) = (2, vec![1, 2]));
        // Within a minute it is not asked again, so that a stranger's tokens do not make it ask.
        provider.sign_in(&portal, &portal.browser()).await.is(502);
        portal.clock.advance(MINUTE + 1);
        provider.sign_in(&portal, &portal.browser()).await.is(303);
        // What it says of itself is kept for an hour.
        provider.set(|script| script.modes = [("/.well-known/openid-configuration", Mode::Says(500, String::new()))].into());
        provider.sign_in(&portal, &portal.browser()).await.is(303);
        portal.clock.advance(HOUR);
        portal.browser().get("/sign-in/provider").await.is(503);
        portal.stop().await;
    }

    async fn after_signing_in_by_the_provider_one_is_never_sent_to_another_host(portal) {
        let (portal, provider) = with_a_fake_one(portal, &[]).await;
        for to in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example", "%2Fdo%2Fsign_out", "x"] {
            let browser = portal.browser();
            let back = provider.begin(&portal, &browser, &format!("/sign-in/provider?to={to}")).await;
            browser.get(&back).await.leads_to("/getting-started");
        }
        // What a browser loads ahead is no visit.
        let before = portal.count("SELECT count(*) FROM provider_sign_ins").await;
        for path in ["/sign-in/provider", "/sign-in/provider/callback?code=x&state=y"] {
            portal.browser().send(Method::GET, path, &[("accept", "text/html"), ("sec-purpose", "prefetch")], None).await.is(503);
        }
        assert_eq!(portal.count("SELECT count(*) FROM provider_sign_ins").await, before);
        let rules = portal.browser().get("/speculation-rules.json").await.html();
        assert!(rules.contains("\"/sign-in/*\""), "{rules}");
        portal.stop().await;
    }

    async fn without_a_provider_there_is_no_way_to_one(portal) {
        for path in ["/sign-in", "/sign-up", "/forgot-password"] {
            portal.browser().get(path).await.is(200).never_says("Continue with");
        }
        for path in ["/sign-in/provider", "/sign-in/provider/callback?code=x&state=y"] {
            portal.browser().get(path).await.is(404);
        }
        let ada = portal.sign_up("ada").await;
        ada.get("/account").await.is(200).never_says("Sign-in services");
    }

    async fn sign_ins_by_the_provider_are_limited_like_others(portal, Options::default().real_limits()) {
        let fake = FakeProvider::start(portal).await;
        let options = with_provider(&fake.issuer).with("sign_in_address_rate", "3/60").real_limits();
        let portal = TestPortal::second_with(portal, options).await;
        for _ in 0..3 {
            portal.browser().get("/sign-in/provider").await.is(303);
        }
        portal.browser().get("/sign-in/provider").await.is(429);
        portal.browser().get("/sign-in/provider/callback?code=x&state=y").await.is(429);
        portal.stop().await;
    }
}
