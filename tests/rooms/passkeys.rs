//! Passkeys: added, used as the second step and in place of both, removed (`SPEC.md` §3.1), with a soft authenticator.

use serde_json::Value;

use crate::{on_both, support::*};

/// Where passkeys are bound to: a name, which an IP address is not.
const ORIGIN: &str = "http://localhost:3000";

fn named() -> Options {
    Options::default().with("public_url", ORIGIN)
}

/// What a page is told to ask the device: the handle, and the options.
fn asked(call: &Call) -> (String, String) {
    let text = |name: &str| call.value[name].as_str().unwrap_or_else(|| panic!("{}", call.text)).to_owned();
    (text("handle"), text("options"))
}

/// Adds a passkey by the page's form, as its script does; gives it and the answer.
async fn add(browser: &Browser, name: &str) -> (SoftPasskey, Answer) {
    let form = browser.get("/account/factors/passkey").await.is(200).form("/do/add_passkey").with("name", name);
    let (handle, options) = asked(&browser.call("begin_passkey", &[]).await.is(200));
    let (passkey, answer) = SoftPasskey::create(&options, ORIGIN);
    let answer = browser.submit(&form.with("handle", &handle).with("answer", &answer)).await;
    (passkey, answer)
}

/// Signs in by the page's form, as its script does.
async fn sign_in(browser: &Browser, path: &str, passkey: &mut SoftPasskey) -> Answer {
    let form = browser.get(path).await.is(200).form("/do/use_passkey");
    let second = if path.starts_with("/sign-in/code") { "true" } else { "false" };
    let (handle, options) = asked(&ask(browser, second).await.is(200));
    browser.submit(&form.with("handle", &handle).with("answer", &passkey.sign(&options))).await
}

/// Asks for what a passkey is to sign.
async fn ask(browser: &Browser, second_step: &str) -> Call {
    let body = format!(r#"{{"second_step":{second_step},"drawn":{{}}}}"#);
    browser.call_raw("ask_passkey", &body).await
}

on_both! {
    async fn a_passkey_signs_in_without_the_password(portal, named()) {
        let ada = portal.sign_up("ada").await;
        let elsewhere = portal.sign_in("ada").await;
        let page = ada.get("/account/factors").await.is(200);
        // Shown by the script alone.
        assert_eq!(page.count("[data-passkeys][hidden] a[href='/account/factors/passkey']"), 1, "{}", page.html());
        let (mut passkey, shown) = add(&ada, "Laptop").await;
        assert_eq!(shown.is(200).texts(".codes code").len(), 10, "recovery codes come with the first factor");
        elsewhere.get("/account").await.is(303);
        ada.get("/account/factors").await.is(200).says("Laptop").says("Passkey, set up").says("not used yet");
        let mail = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(mail.subject.starts_with("A passkey was added") && mail.text.contains("The passkey Laptop was added"), "{mail:?}");
        let browser = portal.browser();
        let page = browser.get("/sign-in?to=%2Faccount").await.is(200);
        assert_eq!(page.attributes("#email", "autocomplete"), ["username webauthn"]);
        assert_eq!(page.count("form[data-passkey='sign-in'][hidden]"), 1);
        sign_in(&browser, "/sign-in?to=%2Faccount", &mut passkey).await.leads_to("/account");
        browser.get("/account").await.is(200).says("by a passkey").says("With one passkey.");
        assert_eq!(portal.rows("SELECT methods FROM sessions ORDER BY created_at").await.concat(), ["mail_link+passkey", "passkey"]);
        assert_eq!(portal.count("SELECT count(*) FROM passkey_challenges").await, 0);
        ada.get("/account/factors").await.is(200).says("last used");
        // The password alone does not do any more.
        portal.first_step(&portal.browser(), "ada").await;
    }

    async fn a_passkey_does_not_go_past_the_provider_of_a_domain(portal, named()) {
        let ada = portal.sign_up("ada").await;
        let (mut passkey, _) = add(&ada, "Laptop").await;
        let provider = with_provider("http://127.0.0.1:9").with("public_url", ORIGIN);
        let strict = TestPortal::second_with(portal, provider.clone().with("oidc_domains", "example.com")).await;
        let browser = strict.browser();
        let page = sign_in(&browser, "/sign-in", &mut passkey).await.is(422);
        assert!(page.main().contains("Addresses of your domain sign in with Example login"), "{}", page.main());
        browser.get("/account").await.is(303);
        strict.stop().await;
        // Where the provider is one way among others, it does.
        let open = TestPortal::second_with(portal, provider).await;
        sign_in(&open.browser(), "/sign-in", &mut passkey).await.leads_to("/getting-started");
        open.stop().await;
    }

    async fn a_passkey_is_the_second_step_beside_an_app(portal, named()) {
        let ada = portal.sign_up("ada").await;
        let (mut passkey, _) = add(&ada, "Key").await;
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        // There is no app: a recovery code is what is left without a passkey.
        let page = browser.get("/sign-in/code").await.is(200).says("Recovery code");
        assert!(page.has_form("/do/use_passkey"));
        sign_in(&browser, "/sign-in/code?to=%2Froles", &mut passkey).await.leads_to("/roles");
        let app = portal.set_up_app(&ada, "Phone").await;
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        browser.get("/sign-in/code").await.is(200).says("Use a recovery code");
        portal.second_step(&browser, &app.next_code(portal)).await.leads_to("/getting-started");
        // Another account's passkey is none in her second step.
        let eve = portal.sign_up("eve").await;
        let (mut other, _) = add(&eve, "Key").await;
        let browser = portal.browser();
        portal.first_step(&browser, "ada").await;
        let form = browser.get("/sign-in/code").await.form("/do/use_passkey");
        let (handle, options) = asked(&ask(&browser, "true").await.is(200));
        let open: Value = serde_json::from_str(&options).unwrap();
        let mut open = open.clone();
        open["allowCredentials"] = serde_json::json!([]);
        browser.submit(&form.with("handle", &handle).with("answer", &other.sign(&open.to_string()))).await.is(422).says("This passkey was refused");
        browser.get("/account").await.is(303);
        // Without a first step there is nothing to ask for.
        ask(&portal.browser(), "true").await.is(401);
    }

    async fn what_a_passkey_signs_is_for_one_use_here_and_now(portal, named()) {
        let ada = portal.sign_up("ada").await;
        let (mut passkey, _) = add(&ada, "Laptop").await;
        let browser = portal.browser();
        let form = browser.get("/sign-in").await.is(200).form("/do/use_passkey");
        let refused = async |handle: &str, answer: &str| {
            browser.submit(&form.clone().with("handle", handle).with("answer", answer)).await.is(422);
            assert_eq!(browser.cookie("session"), None);
        };
        // A handle that nobody has, and an answer that is none.
        refused("x", "{}").await;
        let (handle, _) = asked(&ask(&browser, "false").await);
        refused(&handle, "not json").await;
        // For another challenge.
        let (first, second) = (asked(&ask(&browser, "false").await), asked(&ask(&browser, "false").await));
        refused(&first.0, &passkey.sign(&second.1)).await;
        // At another place, for another domain, and without a look at who holds it.
        passkey.origin = "https://evil.example".to_owned();
        let (handle, options) = asked(&ask(&browser, "false").await);
        refused(&handle, &passkey.sign(&options)).await;
        passkey.origin = ORIGIN.to_owned();
        passkey.domain = "evil.example".to_owned();
        let (handle, options) = asked(&ask(&browser, "false").await);
        refused(&handle, &passkey.sign(&options)).await;
        passkey.domain = "localhost".to_owned();
        passkey.verified = false;
        let (handle, options) = asked(&ask(&browser, "false").await);
        refused(&handle, &passkey.sign(&options)).await;
        passkey.verified = true;
        // As another account.
        let eve = portal.sign_up("eve").await;
        let of_eve = portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'eve@example.com'", portal.engine.hex("id"))).await;
        let of_ada = portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'ada@example.com'", portal.engine.hex("id"))).await;
        passkey.claim(uuid(&of_eve).as_bytes());
        let (handle, options) = asked(&ask(&browser, "false").await);
        refused(&handle, &passkey.sign(&options)).await;
        passkey.claim(uuid(&of_ada).as_bytes());
        // Too late.
        let (handle, options) = asked(&ask(&browser, "false").await);
        portal.clock.advance(11 * org_portal::words::MINUTE);
        refused(&handle, &passkey.sign(&options)).await;
        // Once, and not by a copy that fell behind.
        let (handle, options) = asked(&ask(&browser, "false").await);
        let answer = passkey.sign(&options);
        browser.submit(&form.clone().with("handle", &handle).with("answer", &answer)).await.is(303);
        browser.drop_cookie("session");
        refused(&handle, &answer).await;
        passkey.rewind(3);
        let (handle, options) = asked(&ask(&browser, "false").await);
        refused(&handle, &passkey.sign(&options)).await;
        let olga = portal.operator("olga").await;
        let said = olga.get("/operator/audit").await.is(200).texts("table.events tbody th");
        assert!(said.iter().any(|s| s.contains("tried to sign in as ada@example.com with a passkey that was refused")), "{said:?}");
        drop(eve);
    }

    async fn a_passkey_is_added_by_its_owner_once_and_removed(portal, named()) {
        let ada = portal.sign_up("ada").await;
        let page = ada.get("/account/factors/passkey").await.is(200);
        // Without a name nothing is asked for.
        let page = ada.submit(&page.form("/do/add_passkey")).await.is(422);
        assert!(page.error_of("name").is_some(), "{}", page.sketch());
        // What was asked for somebody else.
        let eve = portal.sign_up("eve").await;
        let (handle, options) = asked(&eve.call("begin_passkey", &[]).await.is(200));
        let (_, answer) = SoftPasskey::create(&options, ORIGIN);
        let form = ada.get("/account/factors/passkey").await.form("/do/add_passkey").with("name", "Key");
        ada.submit(&form.with("handle", &handle).with("answer", &answer)).await.is(422).says("could not be taken");
        let (mut passkey, _) = add(&ada, "Key").await;
        // A device that has one is told so.
        let (_, options) = asked(&ada.call("begin_passkey", &[]).await.is(200));
        let options: Value = serde_json::from_str(&options).unwrap();
        assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1), "{options}");
        assert_eq!((options["rp"]["id"].as_str(), options["user"]["name"].as_str()), (Some("localhost"), Some("ada@example.com")));
        let page = ada.get("/account/factors").await.is(200);
        let remove = page.attributes("a", "href").into_iter().find(|href| href.starts_with("/account/factors/remove")).unwrap();
        ada.fill(&remove, "/do/remove_factor", &[]).await.leads_to("/account/factors");
        assert_eq!(portal.count("SELECT count(*) FROM recovery_codes").await, 0);
        sign_in(&portal.browser(), "/sign-in", &mut passkey).await.is(422).says("This passkey was refused");
        portal.sign_in("ada").await;
        // Sealed keys have no part in it; the operator takes passkeys away, too.
        let (_, shown) = add(&ada, "Other key").await;
        shown.is(200);
        let email = org_portal::words::Email::parse("ada@example.com").unwrap();
        let reason = org_portal::operator::Reason::parse("Lost").unwrap();
        org_portal::operator::actions::remove_factors_of(&portal.portal, email, reason).await.unwrap();
        assert_eq!(portal.count("SELECT count(*) FROM passkeys").await, 0);
    }

    async fn a_passkey_is_the_factor_that_the_operator_asks_for(portal, named().with("second_factor", "everyone")) {
        let ada = portal.sign_up("ada").await;
        ada.get("/account").await.leads_to("/account/factors/app?to=%2Faccount");
        let page = ada.get("/account/factors/app?to=%2Faccount").await.is(200);
        assert!(page.has_link("/account/factors/passkey?to=%2Faccount"), "{}", page.html());
        assert_eq!(ada.get("/account/factors/passkey?to=%2Faccount").await.is(200).heading(), "Set up a passkey");
        let (_, shown) = add(&ada, "Laptop").await;
        shown.is(200);
        ada.get("/account").await.is(200);
    }
}

/// Where the address is a bare IP address there are no passkeys, and no page loads their script.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_name_there_are_no_passkeys() {
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    let ada = portal.sign_up("ada").await;
    ada.get("/account/factors/passkey").await.leads_to("/account/factors");
    ada.call("begin_passkey", &[]).await.is(422);
    ask(&ada, "false").await.is(422);
    let page = portal.browser().get("/sign-in").await.is(200);
    assert_eq!((page.count("script"), page.has_form("/do/use_passkey")), (0, false));
    portal.close().await;
}

/// Pages that ask for passkeys load one script, which carries the page's nonce, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_is_the_only_one_of_the_sign_in_page() {
    let portal = TestPortal::start(Engine::Sqlite, named()).await;
    let page = portal.browser().get("/sign-in").await.is(200);
    let (scripts, nonces) = (page.attributes("script", "src"), page.attributes("script", "nonce"));
    assert!(scripts.len() == 1 && scripts[0].ends_with("/passkeys.js") && nonces.len() == 1, "{scripts:?}");
    let policy = page.header("content-security-policy");
    assert!(policy.contains(&format!("script-src 'nonce-{}';", nonces[0])), "{policy}");
    portal.close().await;
}
