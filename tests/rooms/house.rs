//! What every room stands on: the form door, headers, limits, the audit log, the outbox, requests from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use org_portal::{
    config::{Config, OPTIONS},
    permissions::Role,
    routes::{Access, FUNCTIONS, PAGES},
    words::{DAY, HOUR, MINUTE, SECOND},
};
use reqwest::Method;
use serde_json::json;

use crate::{on_both, support::*};

const FORM: &str = "application/x-www-form-urlencoded";
const NOTHING: [(&str, &str); 0] = [];

/// A path of the table with something in its places.
fn filled(path: &str) -> String {
    path.replace("{member}", &uuid::Uuid::nil().to_string())
        .replace("{invitation}", &uuid::Uuid::nil().to_string())
        .replace("{mail}", &uuid::Uuid::nil().to_string())
}

/// Every page but the one that signs out.
fn staying() -> impl Iterator<Item = &'static org_portal::routes::PageRoute> {
    PAGES.iter().filter(|page| page.path != "/login/signout")
}

on_both! {
    async fn what_another_site_sends_is_refused_at_every_function_and_writes_nothing(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.deliver().await;
        let before = portal.snapshot(&[]).await;
        let organization = portal.organization_of("ada").await.to_string();
        let mut tried = 0;
        for function in FUNCTIONS {
            let path = format!("/do/{}", function.endpoint);
            for evil in [
                &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")][..],
                &[("sec-fetch-site", "cross-site")],
                &[("sec-fetch-site", "same-site"), ("origin", "http://evil.127.0.0.1:3000")],
                &[("origin", "https://evil.example")],
                &[("origin", "http://127.0.0.1:3000.evil.example")],
                &[("origin", "http://127.0.0.1:3001")],
                &[("origin", "null")],
            ] {
                for (kind, body) in [(FORM, format!("drawn[organization]={organization}&form[email]=x@example.com&form[role]=Admin&theme=dark")), ("application/json", json!({ "drawn": { "organization": organization } }).to_string()), ("text/plain", json!({ "drawn": {} }).to_string()), ("multipart/form-data; boundary=x", "--x--".to_owned())] {
                    for accept in ["text/html", "application/json"] {
                        let mut headers = evil.to_vec();
                        headers.extend([("content-type", kind), ("accept", accept)]);
                        ada.send(Method::POST, &path, &headers, Some(body.clone().into_bytes())).await.is(403);
                        tried += 1;
                    }
                }
            }
        }
        assert!(tried >= 21 * 7 * 8, "{tried}");
        assert_eq!(portal.snapshot(&[]).await, before);
        // And what comes from nowhere near a browser has no cookies of one; with them it is a browser without the headers.
        ada.send(Method::POST, "/do/choose_theme", &[("content-type", FORM), ("accept", "text/html")], Some(b"theme=dark".to_vec())).await.is(303);
    }

    async fn a_get_of_a_functions_address_leads_to_its_page_and_does_nothing(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        // An operator, for whom every function is there.
        org_portal::operator::actions::create(&portal.portal, "ada@example.com".to_owned().try_into().unwrap(), None).await.unwrap();
        portal.deliver().await;
        let before = portal.snapshot(&[]).await;
        for function in FUNCTIONS {
            let path = format!("/do/{}?form[email]=x@example.com&theme=dark&drawn[page]=/roles", function.endpoint);
            ada.get(&path).await.leads_to(function.page);
            let head = ada.send(Method::HEAD, &path, &[], None).await;
            assert_eq!(head.status, 303, "{path}");
            for method in [Method::PUT, Method::DELETE, Method::PATCH] {
                let answer = ada.send(method, &path, &[("sec-fetch-site", "same-origin")], None).await;
                assert!([303, 403, 405].contains(&answer.status), "{}: {}", answer.request, answer.status);
            }
            assert!(PAGES.iter().any(|page| page.path == function.page), "{}: {} is no page", function.endpoint, function.page);
        }
        ada.get("/do/").await.is(404);
        ada.get("/do/nothing").await.is(404);
        ada.post("/do/nothing", &NOTHING).await.is(404);
        ada.post("/do/sign_out/x", &NOTHING).await;
        ada.get("/account").await.is(200);
        assert_eq!(portal.snapshot(&[]).await, before);
    }

    async fn a_page_takes_no_post(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        for page in PAGES {
            let path = filled(page.path);
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                let answer = ada.send(method, &path, &[("sec-fetch-site", "same-origin"), ("accept", "text/html")], None).await;
                assert_eq!(answer.status, 405, "{}", answer.request);
            }
            let (get, head) = (ada.get(&path).await, ada.send(Method::HEAD, &path, &[("accept", "text/html")], None).await);
            assert_eq!((get.status, head.body.len()), (head.status, 0), "{path}");
        }
    }

    async fn a_body_over_the_limit_is_refused_with_413_at_every_function(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        // An operator, for whom every function is there.
        org_portal::operator::actions::create(&portal.portal, "ada@example.com".to_owned().try_into().unwrap(), None).await.unwrap();
        let before = portal.state().await;
        let mut others = Vec::new();
        for function in FUNCTIONS {
            let path = format!("/do/{}", function.endpoint);
            for size in [600_000, 1_048_576] {
                let big = "x".repeat(size);
                for (kind, body) in [(FORM, format!("form[email]={big}")), ("application/json", format!("{{\"form\":\"{big}\"}}"))] {
                    for accept in ["text/html", "application/json"] {
                        let headers = [("content-type", kind), ("accept", accept), ("sec-fetch-site", "same-origin")];
                        let answer = ada.send(Method::POST, &path, &headers, Some(body.clone().into_bytes())).await;
                        if answer.status != 413 {
                            others.push(format!("{path} {kind} {accept} {size}: {}", answer.status));
                        }
                        assert!(answer.body.len() < 60_000, "the big text comes back");
                        if accept == "text/html" && kind == FORM && size == 600_000 {
                            assert!(answer.html().contains("512 kB of text") && answer.html().contains("send less"), "{path}: {}", answer.sketch());
                        }
                    }
                }
            }
        }
        assert_eq!(portal.state().await, before);
        ada.get("/account").await.is(200);
        assert!(others.is_empty(), "{others:#?}");
    }

    async fn a_body_that_is_no_form_is_refused_and_nothing_of_the_programs_inside_is_told(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        for function in FUNCTIONS {
            let path = format!("/do/{}", function.endpoint);
            for (kind, body) in [
                (FORM, &b""[..]), (FORM, b"%"), (FORM, b"%ff%fe=%00"), (FORM, b"\xff\xfe\x00"), (FORM, b"form=x&drawn=y"), (FORM, b"form[email][x]=1&drawn[]=2"),
                (FORM, b"drawn[organization]=not-a-uuid&form[email]=a"), (FORM, b"invitation=zzz&session=zzz&drawn[page]=/"),
                ("application/json", b""), ("application/json", b"{"), ("application/json", b"[]"), ("application/json", b"null"), ("application/json", b"{\"form\":null,\"drawn\":{\"organization\":7}}"),
                ("application/json", b"\xff"), ("application/xml", b"<a/>"), ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--"), ("", b"x"),
            ] {
                for accept in ["text/html", "application/json", "*/*"] {
                    let headers = [("content-type", kind), ("accept", accept), ("sec-fetch-site", "same-origin")];
                    let browser = ada.copy();
                    let answer = browser.send(Method::POST, &path, &headers, Some(body.to_vec())).await;
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    assert!(answer.status < 500, "{path} {kind} {body:?}: {} {}", answer.status, answer.sketch());
                    for inside in ["serde", "missing field", "expected", "invalid type", "EOF", "panicked", "server_fn", "Deserialization", "leptos_axum", "at line"] {
                        assert!(!text.contains(inside), "{path} {kind} {body:?}: {inside}: {}", answer.sketch());
                    }
                }
            }
        }
    }

    async fn a_page_that_a_form_names_is_believed_only_where_it_is_the_portals_own(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let form = ada.get("/account").await.form("/do/change_name").with("first_name", "");
        for page in ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "", "evil", "/do/sign_out", "/account\r\nSet-Cookie: a=b", "http://127.0.0.1:3000/account", &format!("/{}", "a".repeat(5000))] {
            let answer = ada.submit(&form.clone().forged("drawn[page]", page)).await.is(422);
            assert_eq!(answer.heading(), "Account", "{page:?} is believed");
            assert!(answer.error_of("first_name").is_some(), "{page:?}");
            assert!(!answer.html().contains("evil"), "{page:?} comes back");
        }
        // A page that cannot be drawn does not hide the refusal, and tells nothing of itself.
        let one = ada.submit(&form.clone().forged("drawn[page]", "/no-such-page")).await.is(422);
        let other = ada.submit(&form.clone().forged("drawn[page]", "/organization/members/00000000-0000-0000-0000-000000000000/edit")).await.is(422);
        assert_alike(&(one.normalized(), one.normalized_headers()), &(other.normalized(), other.normalized_headers()), "a page that is not there");
        ada.get("/account").await.is(200);
    }
}

/// What is typed into every text field.
fn nasty() -> Vec<String> {
    vec![
        String::new(),
        "   ".into(),
        "x".repeat(5000),
        "a\u{1}\u{7}\u{1b}[31mb".into(),
        "a\r\nSet-Cookie: evil=1\r\n\r\n<b>".into(),
        "<script>alert(1)</script>".into(),
        "</textarea></title></script><img src=x onerror=alert(1)>".into(),
        "\" autofocus onfocus=alert(1) x=\"".into(),
        "' OR '1'='1' --".into(),
        "'; DROP TABLE accounts; --".into(),
        "\u{202e}gnp.exe\u{202c}".into(),
        "\u{2066}a\u{2069}\u{200b}\u{feff}".into(),
        "a\u{0}b".into(),
        "%00%0a%s%n%x{{7*7}}${7*7}#{7*7}".into(),
        "\u{1F600}\u{0301}\u{0301}\u{0301}".into(),
        "../../../../etc/passwd".into(),
        "-1".into(),
        "=cmd|' /C calc'!A0".into(),
        "\u{fffe}\u{ffff}".into(),
    ]
}

on_both! {
    async fn whatever_is_typed_into_a_text_field_is_text_and_never_breaks_the_portal(portal) {
        let [ada, _bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        portal.invite(&ada, "inv@example.com", Role::TechnicalUser).await.is(303);
        let invitation = portal.link("inv@example.com", "/invitation").await;
        let token = invitation.rsplit('=').next().unwrap().to_owned();
        let anyone = portal.browser();
        portal.sign_up("forgetful").await;
        anyone.fill("/forgot-password", "/do/forgot_password", &[("email", "forgetful@example.com")]).await.is(303);
        let reset = portal.link("forgetful@example.com", "/reset-password").await;
        let waiting = portal.browser();
        let form = waiting.get("/sign-up").await.form("/do/sign_up").with("email", "wait@example.com").with("first_name", "W").with("password", PASSWORD);
        waiting.submit(&form).await.is(303);
        let verify = portal.link("wait@example.com", "/verify-email").await;
        let solo = portal.sign_up("solo").await;
        let member = portal.member_of("bob").await;
        let places: Vec<(&Browser, String, &str)> = vec![
            (&anyone, "/sign-in".into(), "/do/sign_in"),
            (&anyone, "/sign-up".into(), "/do/sign_up"),
            (&anyone, format!("/sign-up?invitation={token}"), "/do/sign_up"),
            (&anyone, "/forgot-password".into(), "/do/forgot_password"),
            (&anyone, reset, "/do/reset_password"),
            (&anyone, verify, "/do/verify_email"),
            (&solo, "/organization/add".into(), "/do/add_organization"),
            (&ada, "/organization/members/invite".into(), "/do/invite_member"),
            (&ada, format!("/organization/members/{member}/edit"), "/do/change_role"),
            (&ada, "/account".into(), "/do/change_name"),
            (&ada, "/account".into(), "/do/change_password"),
        ];
        let mut tried = 0;
        for (who, page, action) in places {
            let form = who.get(&page).await.is(200).form(action);
            for (name, _) in form.fields.clone() {
                for text in nasty() {
                    // A fresh key, so that each is an attempt of its own; what succeeds must not get in the way of what follows.
                    let forged = form.clone().forged("drawn[key]", &format!("{tried}")).forged(&name, &text);
                    let answer = who.copy().submit(&forged).await;
                    tried += 1;
                    assert!(answer.status < 500, "{action} {name} = {text:?}: {} {}", answer.status, answer.sketch());
                    assert!(answer.set_cookies().iter().all(|cookie| !cookie.starts_with("evil")), "{action} {name} = {text:?}");
                    if answer.html().contains("<html") {
                        // What came back is text: no element of it, no handler, no title that ends early.
                        assert_eq!(answer.count("script:not([nonce]), img, [onerror], [onfocus], textarea:not([id])"), 0, "{action} {name} = {text:?}: {}", answer.html());
                        let field = name.trim_start_matches("form[").trim_end_matches(']').to_owned();
                        let kept = name.starts_with("form[") && !name.contains("password") && !name.contains("token") && !name.contains("invitation");
                        if answer.status == 422 && kept && answer.error_of(&field).is_some() && answer.count(&format!("input#{field}:not([readonly])")) == 1 {
                            let clean = |text: &str| text.replace("\r\n", "\n").replace('\u{0}', "\u{fffd}");
                            assert_eq!(clean(&answer.value_of(&field)), clean(&text), "{action} {name}: what was typed stays");
                        }
                    }
                }
            }
        }
        assert!(tried > 600, "{tried}");
        ada.get("/organization/members").await.is(200);
    }

    async fn whatever_stands_in_a_query_or_a_path_is_text_and_never_breaks_the_portal(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        for page in PAGES {
            for text in nasty() {
                let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                let mut paths = vec![format!("{}?token={encoded}&invitation={encoded}&to={encoded}&q={encoded}&sort={encoded}&order={encoded}&after={encoded}&before={encoded}", filled(page.path))];
                if page.path.contains('{') {
                    let begin = page.path.split('{').next().unwrap();
                    let end = page.path.split('}').nth(1).unwrap();
                    paths.push(format!("{begin}{encoded}{end}"));
                }
                for path in paths {
                    for who in [&ada, &portal.browser()] {
                        let answer = who.get(&path).await;
                        assert!(answer.status < 500, "{path}: {} {}", answer.status, answer.sketch());
                        if answer.html().contains("<html") {
                            assert_eq!(answer.count("script:not([nonce]), img, [onerror], [onfocus]"), 0, "{path}");
                        }
                        assert!(!answer.location().contains(['\r', '\n']) && !answer.location().starts_with("//"), "{path}: {}", answer.location());
                    }
                }
            }
        }
    }

    async fn people_and_organizations_with_markup_for_names_are_shown_as_they_are_called(portal) {
        let name = "<b onclick=alert(1)>&amp;\"'</b>";
        let ada = portal.browser();
        portal.sign_up_in(&ada, "ada@example.com", name, "</title><script>1</script>").await;
        portal.add_organization(&ada, "<i>Acme</i>").await;
        portal.join(&ada, "bob", Role::Admin).await;
        let full = format!("{name} </title><script>1</script>");
        let of_bob = portal.member_of("bob").await;
        let pages = ["/account", "/getting-started", "/organization", "/organization/members", "/roles", &format!("/organization/members/{of_bob}/edit"), &format!("/organization/members/{of_bob}/remove")];
        for path in pages {
            let page = ada.get(path).await.is(200);
            assert_eq!(page.count("b, main i, [onclick], script:not([nonce])"), 0, "{path}");
            assert!(page.html().contains("&lt;b onclick"), "{path}: the name is not there");
        }
        let page = ada.get("/organization/members").await;
        assert!(page.raw_texts("table bdi").contains(&full), "{:?}", page.raw_texts("table bdi"));
        assert_eq!(page.attributes("bdi", "dir"), Vec::<String>::new());
        let mail = portal.mails_to("bob@example.com").await.pop().unwrap();
        assert!(mail.text.contains(&full) && !mail.html.contains("<b onclick") && !mail.html.contains("<script"), "{}", mail.html);
        let page = portal.browser().get("/dev/mail").await.is(200);
        assert_eq!(page.count("main i, script:not([nonce])"), 0);
    }
}

on_both! {
    async fn every_answer_has_the_headers_that_keep_browsers_safe(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let mut paths: Vec<String> = PAGES.iter().map(|page| filled(page.path)).collect();
        paths.extend(["/healthz", "/readyz", "/brand.css", "/robots.txt", "/favicon.ico", "/assets/x", "/pkg/x", "/nothing", "/do/nothing", "/do/sign_in"].map(str::to_owned));
        for who in [&ada, &portal.browser()] {
            for path in &paths {
                let answer = who.get(path).await;
                for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "same-origin"), ("cross-origin-opener-policy", "same-origin"), ("cross-origin-resource-policy", "same-origin")] {
                    assert_eq!(answer.header(name), value, "{path}: {name}");
                }
                assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
                let policy = answer.header("content-security-policy");
                for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
                    assert!(policy.contains(part), "{path}: {policy}");
                }
                assert!(!policy.contains("unsafe-inline") && !policy.contains(" 'unsafe-eval'") && !policy.contains('*') && !policy.contains("http"), "{path}: {policy}");
                assert_eq!(answer.header("server"), "", "{path}");
                assert_eq!(answer.header("strict-transport-security"), "", "{path}: not over TLS here");
            }
        }
    }

    async fn only_pages_with_islands_have_a_nonce_and_every_script_carries_it(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let (mut with, mut without) = (0, 0);
        for who in [&ada, &portal.browser()] {
            for page in staying() {
                let answer = who.get(&filled(page.path)).await;
                if !answer.html().contains("<html") {
                    continue;
                }
                let policy = answer.header("content-security-policy").to_owned();
                let islands = answer.count("leptos-island") > 0;
                let nonces: BTreeSet<String> = answer.attributes("[nonce]", "nonce").into_iter().collect();
                if islands {
                    with += 1;
                    assert_eq!(answer.status, 200, "{}", page.path);
                    let nonce = nonces.iter().next().unwrap_or_else(|| panic!("{}: no nonce", page.path));
                    assert_eq!(nonces.len(), 1, "{}", page.path);
                    assert!(nonce.len() >= 22, "128 bits: {nonce}");
                    assert!(policy.contains(&format!("script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'")), "{}: {policy}", page.path);
                    assert_eq!(answer.count("script:not([nonce])"), 0, "{}", page.path);
                    let again = who.get(&filled(page.path)).await;
                    assert!(!again.html().contains(nonce.as_str()), "{}: one nonce twice", page.path);
                } else {
                    without += 1;
                    assert!(policy.contains("script-src 'none'"), "{}: {policy}", page.path);
                    assert_eq!(answer.count("script, [nonce]"), 0, "{}", page.path);
                }
                assert!(policy.contains("form-action 'self'") && policy.contains("style-src 'self'") && policy.contains("connect-src 'self'"), "{policy}");
                assert_eq!(answer.count("style, [style]"), 0, "{}: the policy allows no styles in pages", page.path);
                let html = answer.html();
                for handler in [" onclick=", " onsubmit=", " onload=", "javascript:"] {
                    assert!(!html.contains(handler), "{}: {handler}", page.path);
                }
            }
        }
        assert!(with >= 3 && without >= 10, "{with} with, {without} without");
    }

    async fn what_a_signed_in_person_sees_or_what_was_typed_is_kept_nowhere(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        for page in staying() {
            let answer = ada.get(&filled(page.path)).await;
            assert_eq!(answer.header("cache-control"), "no-store", "{}", page.path);
        }
        let browser = portal.browser();
        assert_eq!(portal.sign_in_to(&browser, "ada@example.com", "wrong").await.header("cache-control"), "no-store");
        assert_eq!(browser.get("/nothing").await.header("cache-control"), "no-store");
        assert_eq!(ada.call("change_name", &[("form[first_name]", "Ada")]).await.headers["cache-control"], "no-store");
        assert_eq!(ada.fill("/account", "/do/change_name", &[("first_name", "Ada")]).await.header("cache-control"), "no-store");
    }

    async fn a_fault_shows_a_reference_and_nothing_of_the_inside(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        let form = ada.get("/organization/members/invite").await.form("/do/invite_member").with("email", "bob@example.com");
        portal.execute("ALTER TABLE invitations RENAME TO laid_aside").await;
        let mut answers = vec![
            ada.get("/getting-started").await.is(500),
            ada.submit(&form).await.is(500),
            portal.browser().get("/invitation?token=x").await.is(500),
        ];
        let call = ada.call_in(organization, "invite_member", &[("form[email]", "bob@example.com"), ("form[role]", "Admin")]).await.is(500);
        let reference = call.value["Fault"].as_str().expect("a reference").to_owned();
        assert_eq!(call.value, json!({ "Fault": reference }));
        assert!(reference.len() >= 12);
        let page = answers.remove(0);
        assert!(page.main().contains("Something went wrong on our side") && page.main().contains("Reference"), "{}", page.sketch());
        assert_eq!((page.count("script"), page.header("cache-control")), (0, "no-store"));
        answers.push(page);
        for answer in &answers {
            let text = answer.html();
            for inside in ["invitations WHERE", "SELECT", "no such table", "relation", "sqlx", "laid_aside", "panicked", "src/", "42P01"] {
                assert!(!text.contains(inside), "{}: {inside}", answer.request);
            }
        }
        portal.execute("ALTER TABLE laid_aside RENAME TO invitations").await;
        ada.submit(&form).await.leads_to("/organization/members");
    }

    async fn with_the_database_away_the_answer_is_503_with_a_page_and_nothing_is_told(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let form = ada.get("/account").await.form("/do/change_name").with("first_name", "Augusta");
        portal.db.close().await;
        for path in ["/getting-started", "/organization", "/organization/members", "/account"] {
            let page = ada.get(path).await.is(503);
            assert!(page.main().contains("The portal is away for a moment"), "{}", page.sketch());
            assert_eq!((page.header("retry-after"), page.header("cache-control")), ("2", "no-store"), "{path}");
            assert_eq!(page.count("script"), 0);
        }
        let page = ada.submit(&form).await.is(503);
        assert_eq!(page.header("retry-after"), "2");
        let call = ada.call("change_name", &[("form[first_name]", "Augusta")]).await;
        assert_eq!((call.status, &call.value), (503, &json!("Unavailable")), "{}", call.text);
        let call = portal.browser().call("sign_in", &[("form[email]", "ada@example.com"), ("form[password]", PASSWORD)]).await;
        assert_eq!((call.status, &call.value), (503, &json!("Unavailable")), "{}", call.text);
        // Who needs no database is served: the form to sign in, the files, the health of the process.
        portal.browser().get("/sign-in").await.is(200);
        portal.browser().get("/healthz").await.is(200);
        portal.browser().get("/readyz").await.is(503);
        // Back again, nothing is lost.
        let second = TestPortal::second(portal).await;
        ada.at(&second).get("/account").await.is(200).says("Ada Example");
        second.stop().await;
    }

    async fn a_page_loaded_ahead_takes_nothing_away_and_is_forgotten_with_the_next_change(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        assert_eq!(ada.get("/organization").await.header("speculation-rules"), "\"/speculation-rules.json\"");
        for (browser, path) in [(portal.browser(), "/sign-in"), (portal.browser(), "/nothing"), (ada.clone(), "/nothing")] {
            assert_eq!(browser.get(path).await.header("speculation-rules"), "", "{path}");
        }
        let rules = ada.get("/speculation-rules.json").await.is(200);
        assert_eq!(rules.header("content-type"), "application/speculationrules+json");
        let rules: serde_json::Value = serde_json::from_str(&rules.html()).expect("JSON");
        let left_out = rules["prefetch"][0]["where"]["and"][1]["not"]["href_matches"].to_string();
        assert!(left_out.contains("/do/*") && left_out.contains("token=") && rules.get("prerender").is_none(), "{rules}");
        // The notice waits for a page that is looked at.
        let saved = ada.fill("/account", "/do/change_name", &[("first_name", "Augusta")]).await.is(303);
        assert!(saved.header("clear-site-data").contains("prefetchCache"));
        let ahead = [("accept", "text/html"), ("sec-fetch-site", "same-origin"), ("sec-purpose", "prefetch")];
        let page = ada.send(Method::GET, saved.location(), &ahead, None).await.is(200);
        assert_eq!((page.count(".notice"), page.set_cookies().len()), (0, 0));
        assert_eq!(ada.get(saved.location()).await.is(200).count(".notice"), 1);
        let call = ada.call("change_name", &[("form[first_name]", "Ada")]).await.is(200);
        assert!(call.headers["clear-site-data"].to_str().unwrap().contains("prefetchCache"));
    }

    async fn vulnerabilities_are_reported_where_the_operator_says(portal) {
        const PATH: &str = "/.well-known/security.txt";
        portal.browser().get(PATH).await.is(404);
        for (setting, contact) in [
            (("support_email", "help@example.com"), "mailto:help@example.com"),
            (("security_contact", "security@example.com"), "mailto:security@example.com"),
            (("security_contact", "https://example.com/report"), "https://example.com/report"),
        ] {
            let second = TestPortal::second_with(portal, Options::default().with(setting.0, setting.1)).await;
            let answer = second.browser().get(PATH).await.is(200);
            assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
            let text = answer.html();
            // RFC 9116: one contact at least, one moment of expiry, less than a year ahead.
            let field = |name: &str| text.lines().filter_map(|line| line.strip_prefix(&format!("{name}: "))).collect::<Vec<_>>();
            assert_eq!(field("Contact"), [contact]);
            assert_eq!(field("Canonical"), [format!("http://127.0.0.1:3000{PATH}")]);
            let expires = org_portal::words::Timestamp::of_rfc3339(field("Expires")[0]).expect("a moment");
            let days = (expires.0 - portal.clock.now().0) / DAY;
            assert!((170..=180).contains(&days) && field("Expires").len() == 1, "{text}");
            second.stop().await;
        }
    }

    async fn search_engines_find_the_page_to_sign_in_and_no_address_with_a_secret(portal) {
        let robots = portal.browser().get("/robots.txt").await.is(200).html();
        let away: Vec<&str> = robots.lines().filter_map(|line| line.strip_prefix("Disallow: ")).collect();
        let kept_away = |path: &str| away.iter().any(|prefix| path.starts_with(prefix));
        for path in ["/invitation?token=x", "/verify-email?token=x", "/reset-password?token=x", "/confirm-email?token=x", "/do/sign_in", "/dev/mail", "/sign-in?to=%2Faccount", "/sign-up?invitation=x"] {
            assert!(kept_away(path), "{path}: {robots}");
        }
        assert!(!kept_away("/sign-in") && !kept_away("/sign-up"), "{robots}");
        // What stands behind a session shows a crawler the page to sign in.
        for page in PAGES.iter().filter(|page| !matches!(page.access, Access::Anyone | Access::Loopback)) {
            let answer = portal.browser().get(page.path).await;
            if page.access == Access::Operator {
                answer.is(404);
                continue;
            }
            assert!(answer.status == 303 && answer.location().starts_with("/sign-in?to="), "{}: {}", page.path, answer.status);
        }
    }

    async fn the_gallery_is_there_for_who_builds_the_portal(portal) {
        let page = portal.sign_up("ada").await.get("/dev/gallery").await.is(200);
        let ids = page.attributes("[id]", "id");
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "an id stands twice");
        for component in [".button.primary", ".button[aria-busy]", ".badge.bad", ".callout.warn", ".field-error", ".error-summary", ".table", ".empty", ".dialog", ".notice", ".skeleton", ".step.locked", ".tabs", ".chip.on"] {
            assert!(page.count(component) > 0, "{component}");
        }
        assert_eq!(page.count("main :is(style, [style], script)"), 0);
    }

    async fn machines_find_health_and_readiness(portal) {
        let browser = portal.browser();
        assert_eq!(browser.get("/healthz").await.is(200).html(), "ok\n");
        assert_eq!(browser.get("/readyz").await.is(200).html(), "ready\n");
        browser.get("/metrics").await.is(404);
        browser.get("/favicon.ico").await.is(308);
    }
}

on_both! {
    async fn signing_in_is_limited_for_an_account_and_says_when_to_try_again(portal, Options::default().real_limits()) {
        portal.sign_up("ada").await;
        let attacker = portal.browser();
        for n in 0..10 {
            assert_eq!(portal.sign_in_to(&attacker, "ada@example.com", &format!("guess {n}")).await.status, 401, "{n}");
        }
        let page = portal.sign_in_to(&attacker, "ada@example.com", PASSWORD).await.is(429);
        let seconds: i64 = page.header("retry-after").parse().expect("seconds");
        assert!((1..=61).contains(&seconds), "{seconds}");
        assert!(page.main().contains("Too many attempts. Try again in"), "{}", page.sketch());
        assert_eq!(page.value_of("email"), "ada@example.com", "what was typed stays");
        let call = attacker.call("sign_in", &[("form[email]", "ada@example.com"), ("form[password]", PASSWORD)]).await.is(429);
        assert!(call.value["TooManyRequests"].is_number() && call.headers.contains_key("retry-after"), "{}", call.text);
        // An address without an account is limited alike.
        for n in 0..10 {
            assert_eq!(portal.sign_in_to(&attacker, "nobody@example.com", &format!("guess {n}")).await.status, 401, "{n}");
        }
        portal.sign_in_to(&attacker, "nobody@example.com", "guess").await.is(429);
        // By the clock it is over.
        portal.clock.advance(seconds * SECOND);
        portal.sign_in_to(&attacker, "ada@example.com", PASSWORD).await.leads_to("/getting-started");
    }

    async fn a_limit_holds_on_every_replica_and_after_a_restart(portal, Options::default().real_limits()) {
        portal.sign_up("ada").await;
        let attacker = portal.browser();
        let second = TestPortal::second(portal).await;
        for n in 0..10 {
            let at = if n % 2 == 0 { attacker.clone() } else { attacker.at(&second) };
            assert_eq!(portal.sign_in_to(&at, "ada@example.com", "guess").await.status, 401, "{n}");
        }
        portal.sign_in_to(&attacker.at(&second), "ada@example.com", "guess").await.is(429);
        portal.stop().await;
        second.stop().await;
        let third = TestPortal::second(portal).await;
        third.sign_in_to(&attacker.at(&third), "ada@example.com", PASSWORD).await.is(429);
        third.stop().await;
    }

    async fn an_attacker_does_not_lock_the_owner_out_of_a_browser_that_is_known(portal, Options::default().real_limits()) {
        let ada = portal.sign_up("ada").await;
        ada.fill("/account", "/do/sign_out", &[]).await.is(303);
        assert!(ada.cookie("known_browser").is_some(), "it is remembered after signing out");
        let attacker = portal.browser();
        for _ in 0..12 {
            portal.sign_in_to(&attacker, "ada@example.com", "guess").await;
        }
        portal.sign_in_to(&attacker, "ada@example.com", "guess").await.is(429);
        portal.sign_in_to(&ada, "ada@example.com", PASSWORD).await.leads_to("/getting-started");
        // A known browser of one account is a stranger to another.
        portal.clock.advance(HOUR);
        let mallory = portal.sign_up("mallory").await;
        mallory.fill("/account", "/do/sign_out", &[]).await.is(303);
        for _ in 0..10 {
            portal.sign_in_to(&attacker, "ada@example.com", "guess").await.is(401);
        }
        portal.sign_in_to(&mallory, "ada@example.com", "guess").await.is(429);
        // And a known browser is limited, too.
        let stolen = ada.copy();
        stolen.drop_cookie("session");
        let mut last = 0;
        for _ in 0..12 {
            last = portal.sign_in_to(&stolen, "ada@example.com", "guess").await.status;
        }
        assert_eq!(last, 429);
    }

    async fn sign_ins_from_one_address_are_limited_over_all_accounts(portal, Options::default().real_limits().with("sign_in_address_rate", "15/60")) {
        let browser = portal.browser();
        for n in 0..15 {
            assert_eq!(portal.sign_in_to(&browser, &format!("user{n}@example.com"), "guess").await.status, 401, "{n}");
        }
        portal.sign_in_to(&portal.browser(), "other@example.com", "guess").await.is(429);
    }

    async fn mails_that_anybody_can_cause_are_limited(portal, Options::default().real_limits()) {
        let browser = portal.browser();
        for n in 0..5 {
            assert_eq!(browser.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.status, 303, "{n}");
        }
        let page = browser.fill("/forgot-password", "/do/forgot_password", &[("email", "ADA@example.com")]).await.is(429);
        assert!(page.header("retry-after").parse::<i64>().is_ok_and(|s| (1..=901).contains(&s)), "{}", page.header("retry-after"));
        assert_eq!(page.value_of("email"), "ADA@example.com");
        // The same for sign-up, of which it is one limit.
        let form = browser.get("/sign-up").await.form("/do/sign_up").with("email", "ada@example.com").with("first_name", "A").with("password", PASSWORD);
        let page = browser.submit(&form).await.is(429);
        assert_eq!((page.value_of("first_name"), page.value_of("password")), ("A".into(), String::new()));
        assert_eq!(portal.mails().await.len(), 5);
        // Another address, until the machine has caused too many.
        for n in 0..14 {
            browser.fill("/forgot-password", "/do/forgot_password", &[("email", &format!("user{n}@example.com"))]).await;
        }
        browser.fill("/forgot-password", "/do/forgot_password", &[("email", "last@example.com")]).await.is(429);
        portal.clock.advance(HOUR);
        browser.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
    }

    async fn invitations_are_limited_for_an_organization_and_for_a_recipient(portal, Options::default().real_limits().with("invitation_rate", "8/60")) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
        let resend = ada.get("/organization/members").await.form("/do/resend_invitation");
        let mut last = None;
        for n in 0..5 {
            last = Some(ada.submit(&resend.clone().forged("drawn[key]", &format!("again {n}"))).await);
        }
        last.unwrap().is(429);
        assert_eq!(portal.mails_to("bob@example.com").await.len(), 5);
        for n in 0..8 {
            portal.invite(&ada, &format!("user{n}@example.com"), Role::TechnicalUser).await;
        }
        let page = portal.invite(&ada, "late@example.com", Role::TechnicalUser).await.is(429);
        assert_eq!(page.value_of("email"), "late@example.com");
        assert!(portal.mails_to("late@example.com").await.is_empty());
        // Who is not a member counts nothing against it.
        let stranger = portal.sign_up("eve").await;
        let organization = portal.organization_of("ada").await;
        for _ in 0..3 {
            stranger.call_in(organization, "invite_member", &[("form[email]", "x@example.com"), ("form[role]", "Admin")]).await.is(404);
        }
    }

    async fn guessing_the_old_password_is_limited(portal, Options::default().real_limits()) {
        let ada = portal.sign_up("ada").await;
        let fields = [("current_password", "wrong wrong wrong"), ("new_password", OTHER_PASSWORD)];
        for n in 0..10 {
            assert_eq!(ada.fill("/account", "/do/change_password", &fields).await.status, 422, "{n}");
        }
        let page = ada.fill("/account", "/do/change_password", &[("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)]).await.is(429);
        assert!(page.header("retry-after").parse::<u32>().is_ok());
        portal.clock.advance(2 * MINUTE);
        ada.fill("/account", "/do/change_password", &[("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)]).await.is(303);
    }
}

on_both! {
    async fn kept_mails_are_shown_on_loopback_and_to_nobody_behind_a_proxy(portal) {
        let ada = portal.sign_up("ada").await;
        let browser = portal.browser();
        let list = browser.get("/dev/mail").await.is(200).says("Verify your e-mail address");
        let mail = list.attributes("main a", "href").into_iter().find(|href| href.starts_with("/dev/mail/")).unwrap();
        browser.get(&mail).await.is(200).says("ada@example.com");
        browser.get("/dev/mail?to=nobody@example.com").await.is(200).says("No mails yet");
        let nothing = browser.get("/nothing").await.is(404);
        for (name, value) in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("x-forwarded-host", "localhost"), ("x-forwarded-proto", "http"), ("x-real-ip", "127.0.0.1"), ("via", "1.1 x"), ("X-Forwarded-For", "")] {
            for path in ["/dev/mail", &mail] {
                let answer = browser.send(Method::GET, path, &[(name, value), ("accept", "text/html")], None).await.is(404);
                assert_alike(&(answer.normalized(), answer.normalized_headers()), &(nothing.normalized(), nothing.normalized_headers()), path);
            }
            // Nor anything else: a cookie without TLS is for this machine alone.
            for path in ["/check-your-mail", "/sign-in", "/account", "/do/sign_in"] {
                let page = ada.send(Method::GET, path, &[(name, value), ("accept", "text/html")], None).await.is(403);
                assert!(!page.html().contains("/dev/mail") && page.set_cookies().is_empty(), "{name}");
            }
            let body = encode(&[("form[email]", "ada@example.com"), ("form[password]", PASSWORD), ("drawn[page]", "/sign-in")]);
            let headers = [(name, value), ("content-type", FORM), ("accept", "text/html"), ("sec-fetch-site", "same-origin")];
            browser.send(Method::POST, "/do/sign_in", &headers, Some(body)).await.is(403);
        }
        assert!(browser.get("/check-your-mail").await.is(200).has_link("/dev/mail"));
        // A foreign name that leads to this machine (DNS rebinding) reads no mails.
        for host in ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:3000", ""] {
            browser.clone().with_host(host).get("/dev/mail").await.is(404);
        }
        browser.clone().with_host("localhost:3000").get("/dev/mail").await.is(200);
    }

    /// What was answered as done was done: a page that comes back from the browser's memory carries the key of the form
    /// that was sent, and something else is typed into it.
    async fn a_key_that_was_used_is_never_answered_as_done_for_something_else(portal) {
        let anyone = portal.browser();
        let form = anyone.get("/sign-up").await.form("/do/sign_up").with("first_name", "A").with("password", PASSWORD);
        anyone.submit(&form.clone().with("email", "mistyped@example.com")).await.leads_to("/check-your-mail");
        let again = anyone.submit(&form.with("email", "right@example.com")).await;
        assert!(again.status != 303 || !portal.mails_to("right@example.com").await.is_empty(), "answered as sent, and never sent");
        let form = anyone.get("/forgot-password").await.form("/do/forgot_password");
        anyone.submit(&form.clone().with("email", "mistyped@example.com")).await.leads_to("/check-your-mail");
        let again = anyone.submit(&form.with("email", "correct@example.com")).await;
        assert!(again.status != 303 || !portal.mails_to("correct@example.com").await.is_empty(), "answered as sent, and never sent");
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let form = ada.get("/organization/members/invite").await.form("/do/invite_member").with("role", "Admin");
        ada.submit(&form.clone().with("email", "bob@example.com")).await.leads_to("/organization/members");
        let again = ada.submit(&form.with("email", "eve@example.com")).await;
        assert!(again.status != 303 || !portal.mails_to("eve@example.com").await.is_empty(), "answered as invited, and never invited");
        let form = ada.get("/account").await.form("/do/change_name");
        ada.submit(&form.clone().with("first_name", "Augusta")).await.is(303);
        let again = ada.submit(&form.with("first_name", "Ada Augusta")).await;
        assert!(again.status != 303 || portal.text("SELECT first_name FROM accounts WHERE email_key = 'ada@example.com'").await == "Ada Augusta", "answered as changed, and never changed");
    }

    async fn with_a_mail_server_there_is_no_mailbox(portal, Options::default().with("smtp_url", "smtp://127.0.0.1:1")) {
        portal.browser().get("/dev/mail").await.is(404);
        portal.browser().get("/check-your-mail").await.is(200).never_says("development mailbox");
    }

    async fn a_public_address_elsewhere_has_no_mailbox(portal, Options::default().with("public_url", "https://portal.example.com")) {
        let browser = portal.browser();
        let form = browser.get("/sign-up").await.form("/do/sign_up").with("email", "a@example.com").with("first_name", "A").with("password", PASSWORD);
        browser.submit(&form).await.is(303);
        portal.deliver().await;
        browser.get("/dev/mail").await.is(404);
        browser.get("/check-your-mail").await.is(200).never_says("development mailbox");
    }

    async fn every_answer_has_a_request_id_of_its_own_that_the_audit_log_knows(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let mut ids = BTreeSet::new();
        let mut asked = 0;
        for path in ["/", "/sign-in", "/nothing", "/account", "/do/sign_in", "/healthz", "/assets/nothing", "/organization"] {
            for _ in 0..2 {
                let answer = ada.send(Method::GET, path, &[("x-request-id", "chosen-by-the-client"), ("accept", "text/html")], None).await;
                ids.insert(answer.header("x-request-id").to_owned());
                asked += 1;
            }
        }
        for answer in [
            ada.send(Method::POST, "/do/sign_in", &[("sec-fetch-site", "cross-site")], None).await.is(403),
            ada.send(Method::POST, "/do/sign_in", &[("sec-fetch-site", "same-origin"), ("content-type", FORM)], Some(vec![b'x'; 600_000])).await.is(413),
        ] {
            ids.insert(answer.header("x-request-id").to_owned());
            asked += 1;
        }
        assert_eq!(ids.len(), asked);
        assert!(ids.iter().all(|id| id.len() >= 16 && id != "chosen-by-the-client"), "{ids:?}");
        let answer = ada.fill("/account", "/do/change_name", &[("first_name", "Augusta")]).await.is(303);
        let id = answer.header("x-request-id");
        assert_eq!(portal.text(&format!("SELECT action FROM audit_events WHERE request_id = '{id}'")).await, "account.change_name");
    }

    async fn a_clients_address_is_its_own_and_only_a_named_proxy_is_believed(portal, Options::default().with("public_url", "https://portal.example.com")) {
        let ada = portal.sign_up("ada").await;
        let body = encode(&[("form[first_name]", "A"), ("drawn[page]", "/account")]);
        let post = |browser: Browser, value: &'static str| {
            let body = body.clone();
            async move {
                let headers = [("x-forwarded-for", value), ("content-type", FORM), ("accept", "text/html"), ("sec-fetch-site", "same-origin")];
                let answer = browser.send(Method::POST, "/do/change_name", &headers, Some(body)).await.is(303);
                let id = answer.header("x-request-id").to_owned();
                portal.text(&format!("SELECT address FROM audit_events WHERE request_id = '{id}'")).await
            }
        };
        assert_eq!(post(ada.clone(), "203.0.113.7").await, "127.0.0.1");
        let proxied = TestPortal::second_with(portal, Options::default().with("public_url", "https://portal.example.com").with("trusted_proxies", "127.0.0.1, 10.0.0.0/8")).await;
        for (value, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
            ("203.0.113.7, 10.200.0.1, 10.0.0.1", "203.0.113.7"),
            ("10.0.0.1, 11.0.0.1", "11.0.0.1"),
            ("evil, 203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, evil", "127.0.0.1"),
            ("", "127.0.0.1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(post(ada.at(&proxied), value).await, address, "{value:?}");
        }
        proxied.stop().await;
    }
}

/// The logo of the operator is on every page, of the right type and with a policy that lets it do nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_logo_takes_the_place_of_the_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("logo.svg");
    std::fs::write(&path, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><path d='M0 0h9v9z'/></svg>").expect("written");
    let portal = TestPortal::start(Engine::Sqlite, Options::default().with("logo", &path.display().to_string())).await;
    let browser = portal.browser();
    let page = browser.get("/sign-in").await.is(200);
    let address = page.attributes("img.brand-mark", "src").remove(0);
    assert!(address.starts_with("/logo?v=") && page.count("svg.brand-mark") == 0, "{address}");
    let logo = browser.get(&address).await.is(200);
    assert_eq!(logo.header("content-type"), "image/svg+xml; charset=utf-8");
    assert!(logo.header("content-security-policy").contains("default-src 'none'") && logo.header("x-content-type-options") == "nosniff");
    // One that does more than draw keeps the portal from starting.
    std::fs::write(&path, "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").expect("written");
    let wrong = Config::read(&BTreeMap::from([("logo".to_owned(), path.display().to_string())])).expect_err("a handler");
    assert!(wrong[0].contains("ORG_PORTAL_LOGO") && wrong[0].contains("handler"), "{wrong:?}");
    portal.close().await;
    let plain = TestPortal::start(Engine::Sqlite, Options::default()).await;
    assert_eq!(plain.browser().get("/sign-in").await.count("svg.brand-mark"), 1);
    plain.browser().get("/logo").await.is(404);
    plain.close().await;
}

#[test]
fn kept_mails_need_both_addresses_on_loopback_and_elsewhere_the_portal_does_not_start() {
    let config = |listen: &str, url: &str| {
        let pairs = [("listen", listen), ("public_url", url)];
        Config::read(&pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect::<BTreeMap<_, _>>()).expect("read")
    };
    for (listen, url, kept) in [
        ("127.0.0.1:3000", "http://127.0.0.1:3000", true),
        ("127.0.0.1:3000", "http://localhost:3000", true),
        ("[::1]:3000", "http://[::1]:3000", true),
        ("127.5.5.5:3000", "http://portal.localhost", true),
        ("0.0.0.0:3000", "http://127.0.0.1:3000", false),
        ("[::]:3000", "http://localhost:3000", false),
        ("192.168.1.5:3000", "http://localhost:3000", false),
        ("127.0.0.1:3000", "https://portal.example.com", false),
        ("127.0.0.1:3000", "http://portal.example.com", false),
        ("127.0.0.1:3000", "http://localhost.example.com", false),
        ("127.0.0.1:3000", "http://127.0.0.1.example.com", false),
        ("127.0.0.1:3000", "http://10.0.0.1", false),
    ] {
        let config = config(listen, url);
        assert_eq!(config.keeps_mail(), kept, "{listen} {url}");
        assert_eq!(config.problems().is_empty(), kept, "{listen} {url}: {:?}", config.problems());
        assert_eq!(org_portal::mail::Transport::open(&config).is_ok(), kept, "{listen} {url}");
    }
    assert!(OPTIONS.iter().any(|option| option.env == "ORG_PORTAL_SMTP_URL"));
}

on_both! {
    async fn every_action_is_in_the_audit_log_in_full_and_refused_ones_too(portal) {
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let organization = portal.organization_of("ada").await;
        // What is left after an organization of two was made by the real journey.
        let phone = portal.sign_in("ada").await;
        ada.fill("/account", "/do/end_session", &[]).await.is(303);
        drop(phone);
        portal.sign_in("ada").await;
        ada.fill("/account", "/do/end_other_sessions", &[]).await.is(303);
        ada.fill("/account", "/do/change_name", &[("first_name", "Augusta")]).await.is(303);
        ada.fill("/account", "/do/change_password", &[("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)]).await.is(303);
        portal.sign_in_to(&portal.browser(), "ada@example.com", "wrong").await.is(401);
        portal.sign_in_to(&portal.browser(), "nobody@example.com", "wrong").await.is(401);
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "bob@example.com")]).await.is(303);
        portal.invite(&ada, "eve@example.com", Role::TechnicalUser).await.is(303);
        let resend = ada.get("/organization/members").await.form("/do/resend_invitation");
        ada.submit(&resend).await.is(303);
        let id = portal.invitation_of("eve@example.com").await;
        ada.fill(&format!("/organization/invitations/{id}/revoke"), "/do/revoke_invitation", &[]).await.is(303);
        portal.invite(&ada, "eve@example.com", Role::TechnicalUser).await.is(303);
        let eve = portal.sign_up("eve").await;
        eve.fill("/getting-started", "/do/decline_invitation", &[]).await.is(303);
        let of_bob = portal.member_of("bob").await;
        // Refused ones: by the role, by the rule, as a stranger.
        bob.call_in(organization, "remove_member", &[("form[member]", &of_bob.to_string())]).await.is(403);
        ada.call_in(organization, "leave_organization", &[]).await.is(409);
        eve.call_in(organization, "remove_member", &[("form[member]", &of_bob.to_string())]).await.is(404);
        ada.fill(&format!("/organization/members/{of_bob}/edit"), "/do/change_role", &[("role", "Admin")]).await.is(303);
        bob.fill("/organization/leave", "/do/leave_organization", &[]).await.is(303);
        portal.join(&ada, "zed", Role::TechnicalUser).await;
        let of_zed = portal.member_of("zed").await;
        ada.fill(&format!("/organization/members/{of_zed}/remove"), "/do/remove_member", &[]).await.is(303);
        let link = portal.link("bob@example.com", "/reset-password").await;
        portal.browser().fill(&link, "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.is(303);
        ada.fill("/organization/rename", "/do/rename_organization", &[("name", "Acme & Sons")]).await.is(303);
        ada.fill("/account/email", "/do/change_email", &[("email", "augusta@example.com"), ("password", OTHER_PASSWORD)]).await.is(303);
        ada.fill(&portal.link("augusta@example.com", "/confirm-email").await, "/do/confirm_email", &[]).await.is(303);
        ada.fill("/organization/delete", "/do/delete_organization", &[("name", "Acme & Sons")]).await.is(303);
        eve.fill("/account/delete", "/do/delete_account", &[("email", "eve@example.com"), ("password", PASSWORD)]).await.is(303);
        ada.fill("/account", "/do/sign_out", &[]).await.is(303);

        let columns = "action, outcome, actor_kind, actor_name, objects, before_state, after_state, address, user_agent, request_id, at";
        let hex = (portal.engine.hex("actor_id"), portal.engine.hex("organization_id"));
        let rows = portal.rows(&format!("SELECT {columns}, {}, {} FROM audit_events ORDER BY at, id", hex.0, hex.1)).await;
        let seen: BTreeSet<&str> = rows.iter().filter(|row| row[1] == "success").map(|row| row[0].as_str()).collect();
        let expected = BTreeSet::from([
            "account.sign_up", "account.verify_email", "session.sign_in", "session.sign_in_failed", "session.sign_out", "session.end", "session.end_others",
            "password.request_reset", "password.reset", "password.change", "account.change_name", "account.request_email_change",
            "account.change_email", "account.delete", "organization.add", "organization.rename", "organization.delete", "invitation.send", "invitation.resend",
            "invitation.revoke", "invitation.accept", "invitation.decline", "member.change_role", "member.remove", "member.leave",
        ]);
        assert_eq!(seen, expected);
        for row in &rows {
            let [action, outcome, kind, name, objects, before, after, address, user_agent, request, at, actor, of] = <&[String; 13]>::try_from(row.as_slice()).unwrap();
            assert_eq!((address.as_str(), user_agent.as_str()), ("127.0.0.1", agent), "{row:?}");
            assert!(request.len() >= 16 && at.parse::<i64>().is_ok_and(|at| at >= START.0), "{row:?}");
            let objects: Vec<serde_json::Value> = serde_json::from_str(objects).expect("objects are JSON");
            for state in [before, after] {
                serde_json::from_str::<serde_json::Value>(state).expect("a state is JSON");
            }
            match kind.as_str() {
                "account" => assert!(!actor.is_empty() && !name.is_empty(), "{row:?}"),
                "anonymous" => assert!(actor.is_empty() && name.is_empty(), "{row:?}"),
                other => panic!("{other}: {row:?}"),
            }
            if outcome == "success" {
                assert!(!objects.is_empty(), "{row:?}");
                for object in &objects {
                    assert!(object["kind"].as_str().is_some_and(|k| !k.is_empty()) && object["id"].is_string() && object["name"].is_string(), "{row:?}");
                }
            }
            let within = ["organization.", "invitation.", "member."].iter().any(|prefix| action.starts_with(prefix)) && outcome == "success";
            if within {
                assert_eq!(uuid(of), organization.0, "{row:?}");
            }
        }
        let find = |action: &str, outcome: &str| rows.iter().rev().find(|row| row[0] == action && row[1] == outcome).unwrap_or_else(|| panic!("no {action} {outcome}"));
        assert_eq!((&find("member.remove", "forbidden")[3], uuid(&find("member.remove", "forbidden")[12])), (&"Bob Example".to_owned(), organization.0));
        assert_eq!(find("member.leave", "last_admin")[3], "Augusta Example");
        assert_eq!(find("member.remove", "not_found")[3], "Eve Example");
        let role = find("member.change_role", "success");
        assert_eq!((role[5].as_str(), role[6].as_str()), ("{\"role\":\"Technical user\"}", "{\"role\":\"Admin\"}"));
        let renamed = find("organization.rename", "success");
        assert_eq!((renamed[5].as_str(), renamed[6].as_str()), ("{\"name\":\"Acme\"}", "{\"name\":\"Acme & Sons\"}"));
        let moved = find("account.change_email", "success");
        assert_eq!((moved[5].as_str(), moved[6].as_str()), ("{\"email\":\"ada@example.com\"}", "{\"email\":\"augusta@example.com\"}"));
        assert!(find("organization.delete", "success")[5].contains("\"members\":1"), "{:?}", find("organization.delete", "success"));
        assert_eq!(find("account.delete", "success")[3], "Eve Example");
        let renamed = find("account.change_name", "success");
        assert_eq!((renamed[5].as_str(), renamed[6].as_str()), ("{\"name\":\"Ada Example\"}", "{\"name\":\"Augusta Example\"}"));
        assert!(find("session.sign_in_failed", "success")[4].contains("nobody@example.com"));
        // No secrets in it.
        let text = format!("{rows:?}");
        assert!(!text.contains(PASSWORD) && !text.contains(OTHER_PASSWORD) && !text.contains("$argon2"));
    }

    async fn a_great_deal_that_is_over_is_forgotten_in_batches(portal, Options::default().with("outbox_days", "2").with("leftover_hours", "48").with("audit_days", "3")) {
        let many = |table: &str, columns: &str, values: &str| match portal.engine {
            Engine::Sqlite => format!("INSERT INTO {table} ({columns}) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT {} FROM n", values.replace("ID", "randomblob(16)")),
            Engine::Postgres => format!("INSERT INTO {table} ({columns}) SELECT {} FROM generate_series(1, 2500) i", values.replace("ID", "gen_random_uuid()")),
        };
        let at = portal.clock.now().0;
        portal.execute(&many("audit_events", "id, at, actor_kind, actor_name, action, objects, before_state, after_state, outcome, address, user_agent, request_id", &format!("ID, {at}, 'system', '', 'x.y', '[]', 'null', 'null', 'success', '', '', ''"))).await;
        portal.execute(&many("outbox", "id, kind, payload, created_at, due_at, attempts, done_at", &format!("ID, 'mail', '', {at}, {at}, 1, {at}"))).await;
        portal.execute(&many("webhook_deliveries", "event_id, attempt, at, error, took", &format!("ID, 1, {at}, '', 1"))).await;
        portal.sign_up("ada").await;
        let hash = match portal.engine {
            Engine::Sqlite => "randomblob(32)",
            Engine::Postgres => "decode(md5(i::text), 'hex')",
        };
        let session = format!("{hash}, ID, (SELECT id FROM accounts), {at}, {at}, {at}, {at}, {at}, 'password', '', ''");
        portal.execute(&many("sessions", "token_hash, id, account_id, created_at, last_seen_at, idle_expires_at, absolute_expires_at, authenticated_at, methods, user_agent, address", &session)).await;
        let left = async |table: &str| portal.count(&format!("SELECT count(*) FROM {table}")).await;
        let logged = left("audit_events").await - 2500;
        let sent = left("outbox").await - 2500;
        // On the first, the third and the fourth day, a moment later. The one who signed up is there a day longer.
        for (days, kept) in [(0, [2500 + logged, 2500 + sent, 2500, 1]), (2, [2500 + logged, 0, 0, 0]), (1, [0, 0, 0, 0])] {
            portal.clock.advance(days * DAY + 1);
            org_portal::maintenance::once(&portal.portal).await.expect("housekeeping");
            assert_eq!([left("audit_events").await, left("outbox").await, left("webhook_deliveries").await, left("sessions").await], kept);
        }
    }

    async fn what_serves_a_moment_is_kept_as_long_as_configured(portal, Options::default().with("leftover_hours", "72")) {
        let ada = portal.sign_up("ada").await;
        ada.fill("/account", "/do/change_name", &[("first_name", "A")]).await.is(303);
        portal.clock.advance(2 * DAY);
        org_portal::maintenance::once(&portal.portal).await.expect("housekeeping");
        assert!(portal.count("SELECT count(*) FROM idempotency_keys").await > 0);
        assert!(portal.count("SELECT count(*) FROM changes").await > 0);
        portal.clock.advance(2 * DAY);
        org_portal::maintenance::once(&portal.portal).await.expect("housekeeping");
        assert_eq!(portal.count("SELECT count(*) FROM idempotency_keys").await, 0);
        assert_eq!(portal.count("SELECT count(*) FROM changes").await, 0);
    }

    async fn what_is_over_is_forgotten_and_the_audit_log_kept_as_long_as_configured(portal) {
        let ada = portal.sign_up("ada").await;
        ada.fill("/account", "/do/change_name", &[("first_name", "A")]).await.is(303);
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        portal.deliver().await;
        portal.clock.advance(3 * DAY);
        org_portal::maintenance::once(&portal.portal).await.expect("housekeeping");
        for table in ["sign_ups", "password_resets", "sessions", "limits", "idempotency_keys"] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        assert!(portal.count("SELECT count(*) FROM audit_events").await > 0);
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 1);
        portal.clock.advance(365 * DAY);
        org_portal::maintenance::once(&portal.portal).await.expect("housekeeping");
        for table in ["audit_events", "outbox", "known_browsers"] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
    }
}

/// A mail server that says what it is told to after the letter, and keeps what it took.
mod smtp {
    use std::sync::{Arc, Mutex};

    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
    };

    #[derive(Clone, Debug)]
    pub struct Letter {
        pub from: String,
        pub to: String,
        pub text: String,
        pub answered: String,
    }

    impl Letter {
        pub fn header(&self, name: &str) -> String {
            let prefix = format!("{}:", name.to_lowercase());
            self.text
                .lines()
                .find(|line| line.to_lowercase().starts_with(&prefix))
                .map(|line| line[prefix.len()..].trim().to_owned())
                .unwrap_or_default()
        }
    }

    #[derive(Clone)]
    pub struct Server {
        pub letters: Arc<Mutex<Vec<Letter>>>,
        pub answer: Arc<Mutex<String>>,
    }

    pub async fn start(port: u16) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
        let server = Server { letters: Arc::default(), answer: Arc::new(Mutex::new("250 taken".to_owned())) };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move {
                    let (read, mut write) = stream.into_split();
                    let mut lines = BufReader::new(read).lines();
                    write.write_all(b"220 test\r\n").await.ok();
                    let (mut from, mut to) = (String::new(), String::new());
                    while let Ok(Some(line)) = lines.next_line().await {
                        let verb = line.to_uppercase();
                        let answer = if verb.starts_with("EHLO") || verb.starts_with("HELO") {
                            "250 test".to_owned()
                        } else if verb.starts_with("MAIL FROM") {
                            from = line;
                            "250 ok".to_owned()
                        } else if verb.starts_with("RCPT TO") {
                            to = line;
                            "250 ok".to_owned()
                        } else if verb.starts_with("DATA") {
                            write.write_all(b"354 go on\r\n").await.ok();
                            let mut text = String::new();
                            while let Ok(Some(line)) = lines.next_line().await {
                                if line == "." {
                                    break;
                                }
                                text.push_str(&line);
                                text.push('\n');
                            }
                            let answered = server.answer.lock().unwrap().clone();
                            server.letters.lock().unwrap().push(Letter {
                                from: from.clone(),
                                to: to.clone(),
                                text,
                                answered: answered.clone(),
                            });
                            answered
                        } else if verb.starts_with("QUIT") {
                            write.write_all(b"221 bye\r\n").await.ok();
                            return;
                        } else {
                            "250 ok".to_owned()
                        };
                        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok();
                    }
                });
            }
        });
        server
    }

    /// A port at which nobody listens now.
    pub async fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().unwrap().port()
    }
}

/// A portal whose mail server is at a port; nothing listens there yet.
async fn with_mail_server(engine: Engine, port: u16) -> TestPortal {
    TestPortal::start(
        engine,
        Options::default().with("smtp_url", &format!("smtp://127.0.0.1:{port}")).with("mail_from", "Portal <portal@sender.example>"),
    )
    .await
}

/// An organization made past the mails of the journey: they go nowhere here.
async fn organization_without_mails(portal: &TestPortal) -> Browser {
    let ada = portal.browser();
    let form =
        ada.get("/sign-up").await.form("/do/sign_up").with("email", "ada@example.com").with("first_name", "Ada").with("password", PASSWORD);
    ada.submit(&form).await.is(303);
    let payload = portal.text("SELECT payload FROM outbox").await;
    let payload: serde_json::Value = serde_json::from_str(&payload).expect("JSON");
    let token = payload["message"]["VerifyEmail"]["token"].as_str().expect("a token").to_owned();
    ada.fill(&format!("/verify-email?token={token}"), "/do/verify_email", &[]).await.leads_to("/getting-started");
    portal.execute("DELETE FROM outbox").await;
    portal.add_organization(&ada, "Acme").await;
    ada
}

/// Waits until the worker tried a number of times.
async fn attempts(portal: &TestPortal, n: i64) {
    until("the mail was tried", || async move {
        let rows = portal.rows("SELECT attempts, last_error, lease_until FROM outbox").await;
        rows.len() == 1 && rows[0][0] == n.to_string() && !rows[0][1].is_empty() && rows[0][2].is_empty()
    })
    .await;
}

async fn the_mail_server_is_away(engine: Engine) {
    let port = smtp::free_port().await;
    let portal = with_mail_server(engine, port).await;
    let ada = organization_without_mails(&portal).await;
    // Away: the invitation is saved and answered as such.
    portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.leads_to("/organization/members");
    attempts(&portal, 1).await;
    assert_eq!(portal.count("SELECT count(*) FROM invitations WHERE state = 'pending'").await, 1);
    // Back, and at first it takes nothing for the time being.
    let server = smtp::start(port).await;
    *server.answer.lock().unwrap() = "451 later".to_owned();
    portal.clock.advance(6 * SECOND);
    org_portal::mail::deliver_due(&portal.portal, &portal.transport).await.expect("read");
    attempts(&portal, 2).await;
    *server.answer.lock().unwrap() = "250 taken".to_owned();
    // Not before its time.
    portal.clock.advance(5 * SECOND);
    org_portal::mail::deliver_due(&portal.portal, &portal.transport).await.expect("read");
    assert_eq!(server.letters.lock().unwrap().len(), 1);
    portal.clock.advance(6 * SECOND);
    portal.deliver().await;
    let letters = server.letters.lock().unwrap().clone();
    assert_eq!(letters.iter().map(|l| &l.answered[..3]).collect::<Vec<_>>(), ["451", "250"]);
    assert_eq!(letters[0].header("message-id"), letters[1].header("message-id"));
    let id = uuid(&portal.text(&format!("SELECT {} FROM outbox", portal.engine.hex("id"))).await);
    assert_eq!(letters[1].header("message-id"), format!("<{}@sender.example>", id.simple()));
    assert_eq!((letters[1].header("subject"), letters[1].header("auto-submitted")), ("Welcome to Acme".into(), "auto-generated".into()));
    assert_eq!(letters[1].header("from"), "Portal <portal@sender.example>");
    assert!(letters[1].to.contains("<bob@example.com>") && letters[1].from.contains("<portal@sender.example>"), "{letters:?}");
    // Done is done: it is sent no third time, and what it held is forgotten.
    portal.clock.advance(DAY);
    portal.deliver().await;
    assert_eq!(server.letters.lock().unwrap().len(), 2);
    assert_eq!(portal.rows("SELECT payload, last_error FROM outbox WHERE done_at IS NOT NULL").await, [["", ""]]);
    portal.close().await;
}

async fn the_mail_server_refuses_for_good(engine: Engine) {
    let port = smtp::free_port().await;
    let portal = with_mail_server(engine, port).await;
    let ada = organization_without_mails(&portal).await;
    let server = smtp::start(port).await;

    *server.answer.lock().unwrap() = "550 no such mailbox".to_owned();
    portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.leads_to("/organization/members");
    until("the mail is laid aside", || async { portal.count("SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL").await == 1 }).await;
    assert!(portal.text("SELECT last_error FROM outbox").await.contains("550"));
    portal.clock.advance(DAY);
    org_portal::mail::deliver_due(&portal.portal, &portal.transport).await.expect("read");
    assert_eq!(server.letters.lock().unwrap().len(), 1, "a dead letter is not sent again");
    portal.close().await;
}

/// ASVS 1.3.11: a mail has the head that the portal gives it, and goes to whom it is for.
async fn a_mails_head(engine: Engine) {
    let port = smtp::free_port().await;
    let server = smtp::start(port).await;
    let portal = with_mail_server(engine, port).await;
    let ada = organization_without_mails(&portal).await;
    for name in ["Acme\r\nBcc: evil@example.com", "Acme\nBcc: evil@example.com", "Acme\rBcc: evil@example.com"] {
        ada.fill("/organization/rename", "/do/rename_organization", &[("name", name)]).await.is(422);
    }
    portal.invite(&ada, "bob@example.com\r\nBcc: evil@example.com", Role::TechnicalUser).await;
    portal.invite(&ada, "bob@example.com>\r\nRCPT TO:<evil@example.com", Role::TechnicalUser).await.is(422);
    portal.execute("DELETE FROM invitations").await;
    portal.execute("UPDATE organizations SET invitations_count = 0").await;
    portal.deliver().await;
    let before = server.letters.lock().unwrap().len();
    // What a name may hold, and what it may not and stands in the database all the same.
    let names = [
        "=?utf-8?q?Acme=0D=0ABcc:_evil@example.com?=",
        "Acme\" <evil@example.com>, \"",
        "Ünï. Bcc: evil@example.com\u{2028}Cc: evil@example.com",
    ];
    for (n, name) in names.iter().enumerate() {
        let renamed = ada.fill("/organization/rename", "/do/rename_organization", &[("name", name)]).await;
        assert!([303, 422].contains(&renamed.status), "{name}: {}", renamed.sketch());
        portal.invite(&ada, &format!("user{n}@example.com"), Role::TechnicalUser).await.is(303);
    }
    portal.execute("UPDATE organizations SET name = 'Acme\r\nBcc: evil@example.com\r\n\r\nA body of mine'").await;
    portal.invite(&ada, "user3@example.com", Role::TechnicalUser).await.is(303);
    portal.deliver().await;
    until("all came", || async { server.letters.lock().unwrap().len() >= before + 4 }).await;
    let letters = server.letters.lock().unwrap()[before..].to_vec();
    assert_eq!(letters.len(), 4);
    for letter in letters {
        let head = letter.text.split("\n\n").next().unwrap().to_lowercase();
        let lines: Vec<&str> = head.lines().filter(|line| !line.starts_with([' ', '\t'])).collect();
        for (name, n) in [("to:", 1), ("subject:", 1), ("from:", 1), ("bcc:", 0), ("cc:", 0)] {
            assert_eq!(lines.iter().filter(|line| line.starts_with(name)).count(), n, "{name} {head}");
        }
        assert!(letter.to.contains("<user") && letter.to.matches('@').count() == 1 && !letter.text.starts_with("A body"), "{letter:?}");
    }
    portal.close().await;
}

/// A worker that died while it held a mail: its lease ends, and another takes it.
async fn a_worker_dies(engine: Engine) {
    let portal = TestPortal::start(engine, Options::default()).await;
    let ada = portal.sign_up("ada").await;
    portal.deliver().await;
    portal.stop().await;
    let second = TestPortal::second(&portal).await;
    // Claimed by one that is gone: put in as it would have left it.
    second.add_organization(&ada.at(&second), "Acme").await;
    second.stop().await;
    let now = portal.clock.now().0;
    let id = portal.engine.literal(uuid::Uuid::from_u128(7));
    let payload = "{\"to\":\"bob@example.com\",\"message\":\"NoAccount\"}";
    portal.execute(&format!("INSERT INTO outbox (id, kind, payload, created_at, due_at, attempts, lease_until) VALUES ({id}, 'mail', '{payload}', {now}, {now}, 1, {})", now + 60_000_000)).await;
    let third = TestPortal::second(&portal).await;
    org_portal::mail::deliver_due(&third.portal, &third.transport).await.expect("read");
    assert_eq!(
        third.count("SELECT count(*) FROM kept_mails WHERE recipient = 'bob@example.com'").await,
        0,
        "it is taken from who holds it"
    );
    third.clock.advance(61 * SECOND);
    third.deliver().await;
    assert_eq!(third.count("SELECT count(*) FROM kept_mails WHERE recipient = 'bob@example.com'").await, 1);
    third.stop().await;
}

/// Two workers at once send every mail once.
async fn two_workers(engine: Engine) {
    let portal = TestPortal::start(engine, Options::default()).await;
    let second = TestPortal::second(&portal).await;
    let now = portal.clock.now().0;
    for n in 0..60_u128 {
        let id = portal.engine.literal(uuid::Uuid::from_u128(1000 + n));
        let payload = format!("{{\"to\":\"user{n}@example.com\",\"message\":\"NoAccount\"}}");
        portal
            .execute(&format!(
                "INSERT INTO outbox (id, kind, payload, created_at, due_at, attempts) VALUES ({id}, 'mail', '{payload}', {now}, {now}, 0)"
            ))
            .await;
    }
    tokio::join!(portal.deliver(), second.deliver());
    assert_eq!(portal.count("SELECT count(*) FROM kept_mails").await, 60);
    assert_eq!(portal.rows("SELECT DISTINCT attempts FROM outbox").await, [["1"]], "a mail was claimed twice");
    second.stop().await;
    portal.close().await;
}

macro_rules! on_each_engine {
    ($($name:ident = $story:ident),+ $(,)?) => {$(
        mod $name {
            use super::Engine;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() { super::$story(Engine::Sqlite).await; }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() { super::$story(Engine::Postgres).await; }
        }
    )+};
}
on_each_engine!(
    with_the_mail_server_away_the_invitation_is_saved_and_its_mail_leaves_later_under_the_same_id = the_mail_server_is_away,
    a_mail_that_is_refused_for_good_is_laid_aside_visibly = the_mail_server_refuses_for_good,
    a_mail_held_by_a_worker_that_died_is_taken_when_its_lease_ends = a_worker_dies,
    two_workers_send_every_mail_once = two_workers,
    what_people_write_adds_nothing_to_a_mails_head = a_mails_head,
);
