//! What no room owns: rules of the ASVS that hold at every address, and holes of other systems that must not be ours
//! (`docs/asvs.md`, `docs/security-classes.md`).

use std::collections::{BTreeMap, BTreeSet};

use org_portal::{
    db::Dialect,
    permissions::Role,
    routes::{API, Access, ENDPOINTS, FUNCTIONS, OTHERS, PAGES},
    words::DAY,
};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{on_both, support::*};

const FORM: &str = "application/x-www-form-urlencoded";

/// Every address that there is, with something in its places, and some that there are not.
fn addresses() -> Vec<String> {
    let id = uuid::Uuid::nil().to_string();
    let filled = |path: &str| {
        let mut path = path.replace("{*path}", "x").replace("{mail}", &id);
        while let Some((before, rest)) = path.split_once('{') {
            path = format!("{before}{id}{}", rest.split_once('}').map_or("", |(_, after)| after));
        }
        path
    };
    let mut all: Vec<String> = PAGES.iter().map(|page| page.path).filter(|path| *path != "/login/signout").map(filled).collect();
    all.extend(OTHERS.iter().map(|path| filled(path)));
    all.extend(ENDPOINTS.iter().map(|endpoint| endpoint.path.to_owned()));
    all.extend(API.iter().map(|route| filled(route.path)));
    all.extend(FUNCTIONS.iter().map(|function| format!("/do/{}", function.endpoint)));
    all.extend(["/nothing", "/do/nothing", "/v1/nothing", "/oauth2/nothing"].map(str::to_owned));
    all.sort();
    all.dedup();
    all
}

/// An Admin, a colleague, and what there is to see in an organization.
async fn team(portal: &TestPortal) -> (Browser, Browser) {
    let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
    portal.invite(&ada, "waiting@example.com", Role::TechnicalUser).await.is(303);
    (ada, bob)
}

on_both! {
    /// ASVS 3.4.1: on every answer, of whatever kind.
    async fn over_tls_every_answer_tells_browsers_to_come_back_over_tls(portal, Options::default().with("public_url", "https://portal.example.com")) {
        let ada = portal.sign_up("ada").await;
        let mut asked = 0;
        for browser in [&ada, &portal.browser()] {
            for path in addresses() {
                for (method, site) in [(Method::GET, "same-origin"), (Method::POST, "cross-site"), (Method::OPTIONS, "same-origin")] {
                    let answer = browser.copy().send(method, &path, &[("sec-fetch-site", site), ("accept", "text/html")], None).await;
                    assert_eq!(answer.header("strict-transport-security"), "max-age=63072000; includeSubDomains", "{}", answer.request);
                    // And so are the others, also where a layer before the router answers.
                    assert_eq!((answer.header("x-content-type-options"), answer.header("referrer-policy")), ("nosniff", "same-origin"), "{}", answer.request);
                    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{}", answer.request);
                    asked += 1;
                }
            }
        }
        let big = Some(vec![b'x'; 600_000]);
        let answer = ada.send(Method::POST, "/do/change_name", &[("sec-fetch-site", "same-origin"), ("content-type", FORM)], big).await.is(413);
        assert!(!answer.header("strict-transport-security").is_empty());
        assert!(asked > 800, "{asked}");
    }

    /// ASVS 3.4.2: no page of another origin reads anything, whatever it asks.
    async fn no_other_origin_is_allowed_to_read_anything(portal) {
        let (ada, _) = team(portal).await;
        for origin in ["https://evil.example", "null", "http://127.0.0.1:3001", "http://127.0.0.1:3000"] {
            for path in addresses() {
                let asks = [("origin", origin), ("access-control-request-method", "POST"), ("access-control-request-headers", "content-type")];
                for (method, headers) in [(Method::OPTIONS, &asks[..]), (Method::GET, &asks[..1])] {
                    let answer = ada.send(method, &path, headers, None).await;
                    let allowed: Vec<&str> = answer.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("access-control-")).collect();
                    assert!(allowed.is_empty(), "{} for {origin}: {allowed:?}", answer.request);
                }
            }
        }
    }

    /// ASVS 4.1.1: the content type is there, says the characters where it is text, and is that of the body.
    async fn every_body_says_what_it_is_and_in_which_characters(portal, Options::default().with("accent_colour", "#0969da")) {
        let (ada, _) = team(portal).await;
        let olga = portal.operator("olga").await;
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for browser in [&ada, &olga, &portal.browser()] {
            for path in addresses() {
                for (method, accept) in [(Method::GET, "text/html"), (Method::POST, "text/html"), (Method::POST, "application/json"), (Method::DELETE, "*/*")] {
                    // Signed out by one of them, nobody would see the rest.
                    if method == Method::POST && ["/do/sign_out", "/v1/auth/SignOut"].contains(&path.as_str()) {
                        continue;
                    }
                    let headers = [("accept", accept), ("sec-fetch-site", "same-origin"), ("content-type", FORM)];
                    let answer = browser.copy().send(method.clone(), &path, &headers, Some(Vec::new())).await;
                    if answer.body.is_empty() {
                        continue;
                    }
                    let kind = answer.header("content-type").to_ascii_lowercase();
                    let (essence, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
                    assert!(!essence.is_empty(), "{}: {}", answer.request, answer.sketch());
                    if essence.starts_with("text/") || essence.ends_with("xml") {
                        assert!(parameters.contains("charset=utf-8"), "{}: {kind}", answer.request);
                    }
                    let body = String::from_utf8(answer.body.clone()).unwrap_or_else(|_| panic!("{}: {kind} is not UTF-8", answer.request));
                    let is_html = body.trim_start().to_ascii_lowercase().starts_with("<!doctype html");
                    assert_eq!(is_html, essence == "text/html", "{}: {kind}: {}", answer.request, answer.sketch());
                    if essence.ends_with("json") {
                        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{}: {body}", answer.request);
                    }
                    *kinds.entry(essence.to_owned()).or_default() += 1;
                }
            }
        }
        for kind in ["text/html", "text/plain", "text/css", "text/csv", "application/json", "application/speculationrules+json"] {
            assert!(kinds.contains_key(kind), "no answer is {kind}: {kinds:?}");
        }
    }

    /// ASVS 13.4.3, 13.4.4: nothing is listed, and nothing of a request comes back.
    async fn nothing_is_listed_and_nothing_of_a_request_comes_back(portal) {
        let (ada, _) = team(portal).await;
        let folder = format!("/{}/", org_portal::assets::folder());
        for path in ["/assets", "/assets/", "/pkg", "/pkg/", "/do/", "/v1/", "/dev/", "/oauth2/", "/organization/tickets/", folder.as_str()] {
            let answer = ada.get(path).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.sketch());
        }
        for method in ["TRACE", "TRACK", "DEBUG", "PROPFIND", "MOVE"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            for path in addresses() {
                let headers = [("x-marker", "do-not-repeat-this"), ("accept", "text/html"), ("sec-fetch-site", "same-origin")];
                let answer = ada.send(method.clone(), &path, &headers, None).await;
                assert!([303, 403, 404, 405, 501].contains(&answer.status), "{}: {}", answer.request, answer.status);
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(!body.contains("do-not-repeat-this") && !answer.header("content-type").contains("message/http"), "{}: {body}", answer.request);
            }
        }
        ada.get("/account").await.is(200);
    }

    /// ASVS 6.2.6, 6.2.7, 6.4.2, 6.2.9: masked, known to password managers, of any length that does, and nothing else is asked.
    async fn passwords_are_asked_for_as_managers_like_it_and_nothing_else_is(portal) {
        let (ada, tom) = team(portal).await;
        let olga = portal.operator("olga").await;
        portal.clock.advance(11 * org_portal::words::MINUTE);
        let anyone = portal.browser();
        anyone.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let reset = portal.link("ada@example.com", "/reset-password").await;
        let fields = [("email", "new@example.com"), ("first_name", "New"), ("last_name", ""), ("password", PASSWORD)];
        portal.browser().fill("/sign-up", "/do/sign_up", &fields).await.is(303);
        let verify = portal.link("new@example.com", "/verify-email").await;
        let bob = uuid(&portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'bob@example.com'", portal.engine.hex("id"))).await);
        let mut seen = 0;
        for (browser, path, action, asked) in [
            (&anyone, "/sign-in".to_owned(), "/do/sign_in", &["email", "password"][..]),
            (&anyone, "/sign-up".to_owned(), "/do/sign_up", &["email", "first_name", "last_name", "password"]),
            (&anyone, "/forgot-password".to_owned(), "/do/forgot_password", &["email"]),
            (&anyone, reset, "/do/reset_password", &["password", "token"]),
            (&anyone, verify, "/do/verify_email", &["password", "token"]),
            (&ada, "/account".to_owned(), "/do/change_password", &["current_password", "new_password"]),
            (&ada, "/account/email".to_owned(), "/do/change_email", &["email", "password"]),
            (&tom, "/account/delete".to_owned(), "/do/delete_account", &["email", "organization_name", "password"]),
            (&olga, format!("/operator/accounts/{bob}/lock"), "/do/lock_account", &["account", "password", "reason", "until"]),
        ] {
            let page = browser.get(&path).await.is(200);
            let mut names: Vec<String> = page.form(action).fields.iter().filter_map(|(name, _)| name.strip_prefix("form[")?.strip_suffix(']').map(str::to_owned)).collect();
            names.sort();
            names.dedup();
            let asked: Vec<&str> = asked.iter().copied().filter(|name| names.iter().any(|known| known == name) || *name != "organization_name").collect();
            assert_eq!(names, asked, "{path}");
            let passwords = "input[name*=password]";
            for (attribute, right) in [("type", &["password"][..]), ("autocomplete", &["current-password", "new-password"])] {
                let values = page.attributes(passwords, attribute);
                assert_eq!(values.len(), page.count(passwords), "{path}: {attribute}");
                assert!(values.iter().all(|value| right.contains(&value.as_str())), "{path}: {attribute}: {values:?}");
            }
            assert!(page.attributes(passwords, "maxlength").iter().all(|most| most.parse::<usize>().is_ok_and(|most| most >= 200)), "{path}");
            assert_eq!(page.count("input[name*=password]:is([onpaste], [readonly], [pattern], [minlength])"), 0, "{path}");
            seen += page.count(passwords);
        }
        assert!(seen >= 9, "{seen}");
    }

    /// ASVS 6.2.10: nobody is made to choose another one.
    async fn a_password_stays_valid_however_old_it_is(portal) {
        portal.sign_up("ada").await;
        portal.clock.advance(1500 * DAY);
        let ada = portal.browser();
        portal.sign_in_to(&ada, "ada@example.com", PASSWORD).await.leads_to("/getting-started");
        ada.get("/getting-started").await.is(200);
        ada.get("/account").await.is(200);
    }

    /// ASVS 6.3.2: nobody is there before somebody signs up.
    async fn a_new_portal_has_no_account_that_anybody_could_know(portal) {
        for table in ["accounts", "credentials", "operators", "sessions", "api_tokens", "members"] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        for name in ["admin", "root", "operator", "portal", "test"] {
            for password in [name, "admin", "password", "changeme", ""] {
                let answer = portal.sign_in_to(&portal.browser(), &format!("{name}@localhost.example"), password).await;
                assert!([401, 422].contains(&answer.status), "{name} {password}");
            }
        }
    }

    /// ASVS 7.4.4: on every page.
    async fn every_page_of_who_is_signed_in_has_the_way_out(portal) {
        let (ada, _) = team(portal).await;
        let olga = portal.operator("olga").await;
        let mut seen = 0;
        for browser in [&ada, &olga] {
            for page in PAGES.iter().filter(|page| !matches!(page.access, Access::Anyone | Access::Loopback)) {
                let answer = browser.get(&page.path.replace(['{', '}'], "")).await;
                if answer.html().contains("<html") {
                    assert!(answer.has_form("/do/sign_out"), "{}: {}", answer.request, answer.sketch());
                    seen += 1;
                }
            }
        }
        assert!(seen > 60, "{seen}");
    }

    /// ASVS 14.2.1: no form sends a secret in an address, and a secret that comes in one is worth nothing.
    async fn no_secret_goes_in_an_address_and_none_is_taken_from_one(portal) {
        let (ada, _) = team(portal).await;
        let mut searched = 0;
        for page in PAGES.iter().filter(|page| page.path != "/login/signout" && page.path != "/dev/gallery") {
            let answer = ada.get(page.path).await;
            if !answer.html().contains("<html") {
                continue;
            }
            for form in answer.forms() {
                if form.method == "post" {
                    assert!(!form.action.contains('?'), "{}: {}", page.path, form.action);
                    continue;
                }
                searched += 1;
                for (name, _) in &form.fields {
                    assert!(!["password", "token", "secret", "session", "drawn"].iter().any(|secret| name.contains(secret)), "{}: {name} by GET", page.path);
                }
            }
        }
        assert!(searched >= 3, "{searched}");
        let (session, token) = (ada.cookie("session").unwrap(), portal.token(&ada, "full", "1 day").await);
        for secret in [&session, &token] {
            for name in ["access_token", "token", "session", "authorization", "api_key"] {
                portal.api().call(&format!("/v1/orgs:search?{name}={secret}")).await.fails(401, 16);
                portal.browser().get(&format!("/account?{name}={secret}")).await.is(303);
            }
            portal.api().with(secret).call("/v1/orgs:search").await.ok();
        }
        let pairs = [("form[email]", "ada@example.com"), ("form[password]", PASSWORD)];
        let query = String::from_utf8(encode(&pairs)).unwrap();
        let anyone = portal.browser();
        anyone.post(&format!("/do/sign_in?{query}"), &[("drawn[page]", "/sign-in")]).await.is(422);
        assert_eq!(anyone.cookie("session"), None);
    }

    /// ASVS 15.3.3: what a form does not have changes nothing.
    async fn fields_that_a_form_does_not_have_change_nothing(portal) {
        let (ada, bob) = team(portal).await;
        let [eve] = portal.organization_with("Other", [("eve", Role::Admin)]).await;
        let others = portal.organization_of("eve").await.to_string();
        let own = portal.organization_of("ada").await;
        let of_ada = portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'ada@example.com'", portal.engine.hex("id"))).await;
        let more = [
            ("form[email]", "evil@example.com"), ("form[operator]", "true"), ("form[role]", "Admin"), ("form[account]", of_ada.as_str()), ("form[id]", of_ada.as_str()),
            ("form[email_verified]", "true"), ("form[locked_until]", "0"), ("form[organization]", others.as_str()), ("operator", "true"), ("account", of_ada.as_str()), ("drawn[account]", of_ada.as_str()),
        ];
        let kept = async || {
            let people = portal.rows("SELECT email, email_key, locked_until FROM accounts ORDER BY email_key").await;
            let roles = portal.rows("SELECT m.email_key, m.role, o.name FROM members m JOIN organizations o ON o.id = m.organization_id ORDER BY 1").await;
            (people, roles, portal.count("SELECT count(*) FROM operators").await)
        };
        let before = kept().await;
        let mut form = bob.get("/account").await.form("/do/change_name").with("first_name", "Robert");
        for (name, value) in more {
            form = form.forged(name, value);
        }
        bob.submit(&form).await;
        let mut call = vec![("form[first_name]", "Robert")];
        call.extend(more);
        bob.call("change_name", &call).await;
        assert_eq!(kept().await, before);
        assert_eq!(portal.text("SELECT first_name FROM accounts WHERE email_key = 'ada@example.com'").await, "Ada");
        // An invitation goes to one's own organization, whatever else is named.
        let call = vec![("form[email]", "new@example.com"), ("form[role]", "Technical user"), ("form[organization]", others.as_str()), ("form[invited_by]", of_ada.as_str()), ("organization", others.as_str())];
        bob.call_in(own, "invite_member", &call).await.is(200);
        assert_eq!(portal.rows("SELECT o.name, i.invited_by_name FROM invitations i JOIN organizations o ON o.id = i.organization_id WHERE i.email_key = 'new@example.com'").await, [["Acme", "Robert"]]);
        // A sign-up makes no account by itself, and no operator.
        let form = portal.browser().get("/sign-up").await.form("/do/sign_up").with("email", "zed@example.com").with("first_name", "Z").with("password", PASSWORD);
        let form = more.iter().filter(|(name, _)| *name != "form[email]").fold(form, |form, (name, value)| form.forged(name, value));
        portal.browser().submit(&form).await;
        assert_eq!(kept().await, before);
        // The same by calls of programs.
        let api = portal.api_of("bob").await;
        api.post("/v1/auth/UpdateProfile", json!({ "first_name": "Bob", "email": "evil@example.com", "operator": true, "role": "Admin", "id": of_ada })).await;
        let chosen = uuid::Uuid::from_u128(7).to_string();
        portal.sign_up("kim").await;
        let added = portal.api_of("kim").await.post("/v1/orgs", json!({ "name": "Kim's", "id": chosen, "admin": of_ada, "tier": "gold", "suspended_at": 1 })).await.ok();
        assert_ne!(added["org"]["id"], chosen);
        assert_eq!(added["org"]["tier"], "");
        assert_eq!(portal.role_of("kim").await, "Admin");
        assert_eq!(portal.count("SELECT count(*) FROM operators").await, 0);
        drop((ada, eve));
    }
}

/// ASVS 16.4.2: the program adds events, and takes away those that are too old. No statement changes one.
#[test]
fn the_audit_log_is_only_added_to() {
    let mut taken_away = 0;
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        for (module, text) in org_portal::db::statements(dialect) {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            if !words.contains("audit_events") {
                continue;
            }
            assert!(!words.contains("update ") && !words.contains("on conflict") && !words.contains("replace "), "{module}: {text}");
            if words.contains("delete ") {
                assert!(words.contains("at < $1") && module.ends_with("audit"), "{module}: {text}");
                taken_away += 1;
            }
        }
    }
    assert_eq!(taken_away, 2, "one statement, on both engines");
}

/// Sends bytes and reads until the server closes, or says no more.
async fn exchange(portal: &TestPortal, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(portal.address()).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    while let Ok(Ok(n @ 1..)) = tokio::time::timeout(std::time::Duration::from_secs(2), stream.read(&mut piece)).await {
        answer.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// ASVS 4.2.1: a request whose end could be read in two ways is read as the standard says or not at all. What stands behind
/// it is a request of its own or nothing, and never a part of it to one and a request to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_end_is_unclear_is_read_in_one_way_or_refused() {
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    let host = portal.address();
    let begin = format!("POST /do/choose_theme HTTP/1.1\r\nhost: {host}\r\nsec-fetch-site: same-origin\r\ncontent-type: {FORM}\r\n");
    let behind = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    // With both, the chunks count (RFC 9112, section 6.3), and what stands behind them is no part of them.
    let chunks = "a\r\ntheme=dark\r\n0\r\n\r\n";
    let both =
        exchange(&portal, &format!("{begin}accept: text/html\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{behind}"))
            .await;
    let in_chunks = both.starts_with("HTTP/1.1 303") && both.contains("theme=dark;");
    let refused = both.starts_with("HTTP/1.1 400") && both.matches("HTTP/1.1 ").count() == 1;
    assert!(refused || in_chunks, "the length was believed: {both}");
    assert!(both.matches("HTTP/1.1 ").count() == 1 || both.ends_with("ok\n"), "{both}");
    for unclear in [
        "content-length: 4\r\ncontent-length: 5\r\n\r\na=bc".to_owned(),
        "content-length: 4, 5\r\n\r\na=bc".to_owned(),
        "content-length: +4\r\n\r\na=bc".to_owned(),
        "content-length: 0x4\r\n\r\na=bc".to_owned(),
        "content-length: -1\r\n\r\na=bc".to_owned(),
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: gzip\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\nzz\r\n\r\n".to_owned(),
    ] {
        let answer = exchange(&portal, &format!("{begin}{unclear}{behind}")).await;
        assert!(!answer.ends_with("ok\n"), "{unclear:?}: what stands behind it was answered: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{unclear:?}: {answer}");
    }
    portal.browser().get("/sign-in").await.is(200);
    portal.close().await;
}

// What broke other systems (`docs/security-classes.md`).

on_both! {
    /// CVE-2026-1529 (Keycloak): an invitation whose parts can be edited. Here a link is a random secret and holds nothing.
    async fn an_invitations_link_cannot_be_edited_into_another_one(portal) {
        let (ada, _) = team(portal).await;
        let [eve] = portal.organization_with("Other", [("eve", Role::Admin)]).await;
        let link = portal.link("waiting@example.com", "/invitation").await;
        let token = link.rsplit('=').next().unwrap().to_owned();
        let others = portal.organization_of("eve").await.to_string();
        for word in ["waiting", "example", "Acme", "Admin", "Technical", &portal.organization_of("ada").await.to_string()] {
            assert!(!link.contains(word), "{word} is in {link}");
        }
        portal.deliver().await;
        let before = portal.state().await;
        // Any other letter in any place, a part of it, more of it: it is none.
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
            let edited = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            portal.browser().get(&format!("/invitation?token={edited}")).await.is(410);
        }
        for edited in [token[1..].to_owned(), token[..token.len() - 1].to_owned(), format!("{token}A"), token.to_uppercase(), format!("{token}.{token}")] {
            portal.browser().get(&format!("/invitation?token={edited}")).await.is(410);
            let pairs = [("form[email]", "waiting@example.com"), ("form[first_name]", "W"), ("form[password]", PASSWORD), ("form[invitation]", edited.as_str())];
            portal.browser().call("sign_up", &pairs).await.is(410);
        }
        // What is written beside it counts for nothing.
        let more = format!("{link}&email=eve@example.com&organization={others}&role=Admin");
        let page = portal.browser().get(&more).await.is(200).says("Join Acme").says("waiting@example.com").says("Technical user");
        assert!(!page.html().contains("eve@example.com"));
        let zed = portal.browser();
        let form = zed.get(&format!("/sign-up?invitation={token}")).await.form("/do/sign_up").with("first_name", "Z").with("password", PASSWORD);
        zed.submit(&form.clone().forged("form[email]", "zed@example.com")).await.is(422);
        assert_eq!(portal.state().await, before);
        let form = form.forged("form[role]", "Admin").forged("form[organization]", &others).forged("drawn[organization]", &others);
        zed.submit(&form).await.leads_to(&link);
        let accept = zed.get(&link).await.form("/do/accept_invitation").forged("form[role]", "Admin").forged("role", "Admin").forged("organization", &others);
        zed.submit(&accept).await.leads_to("/organization");
        assert_eq!(portal.rows("SELECT o.name, m.role FROM members m JOIN organizations o ON o.id = m.organization_id WHERE m.email_key = 'waiting@example.com'").await, [["Acme", "Technical user"]]);
        drop((ada, eve));
    }

    /// CVE-2026-102981 (Plane): the secret of an invitation, given out by the system's own answers.
    async fn no_answer_gives_the_secret_of_an_invitation_to_who_sent_it(portal) {
        let (ada, bob) = team(portal).await;
        let organization = portal.organization_of("ada").await;
        let id = portal.invitation_of("waiting@example.com").await.to_string();
        let mut answers: Vec<(String, String)> = Vec::new();
        let mut live = ada.live("").await;
        live.hears("ready").await;
        let sent = ada.call_in(organization, "invite_member", &[("form[email]", "late@example.com"), ("form[role]", "Technical user")]).await.is(200);
        answers.push(("invite_member".into(), format!("{} {:?}", sent.text, sent.headers)));
        answers.push(("/live".into(), format!("{:?}", live.hears("change").await)));
        let again = ada.call_in(organization, "resend_invitation", &[("invitation", &id)]).await.is(200);
        answers.push(("resend_invitation".into(), format!("{} {:?}", again.text, again.headers)));
        let secrets: Vec<String> = { let mut all = Vec::new(); for to in ["waiting@example.com", "late@example.com"] { all.push(portal.link(to, "/invitation").await.rsplit('=').next().unwrap().to_owned()); } all };
        let olga = portal.operator("olga").await;
        for browser in [&ada, &bob, &olga] {
            for page in PAGES.iter().filter(|page| page.access != Access::Loopback && page.path != "/login/signout") {
                let path = page.path.replace("{invitation}", &id);
                let answer = browser.get(&path).await;
                answers.push((path, format!("{} {:?}", answer.html(), answer.headers)));
            }
        }
        let listed = ada.call_in(organization, "list_members", &[("query", "")]).await.is(200);
        answers.push(("list_members".into(), listed.text));
        let api = portal.api_of("ada").await;
        for path in [format!("/v1/orgs/{organization}/members:search"), "/v1/events:search".to_owned(), format!("/v1/orgs/{organization}/members/{id}:reactivate")] {
            answers.push((path.clone(), api.call(&path).await.text));
        }
        assert!(answers.len() > 150 && answers.iter().any(|(_, text)| text.contains("waiting@example.com")));
        for secret in &secrets {
            let hash = org_portal::secrets::fingerprint(secret);
            let hex: String = org_portal::secrets::hash(secret).iter().map(|byte| format!("{byte:02x}")).collect();
            for (what, text) in &answers {
                assert!(!text.contains(secret.as_str()) && !text.contains(&hash) && !text.contains(&hex), "{what} gives the secret of a link");
            }
        }
    }

    /// CVE-2026-105639 (Plane): whoever only says that an address is theirs takes what waits for it.
    async fn an_address_that_nobody_verified_takes_no_invitation(portal) {
        let (ada, _) = team(portal).await;
        let mallory = portal.browser();
        let fields = [("email", "waiting@example.com"), ("first_name", "Mallory"), ("last_name", ""), ("password", OTHER_PASSWORD)];
        mallory.fill("/sign-up", "/do/sign_up", &fields).await.is(303);
        let id = portal.invitation_of("waiting@example.com").await.to_string();
        let before = portal.state().await;
        for endpoint in ["accept_invitation", "decline_invitation", "join_organization"] {
            mallory.call(endpoint, &[("invitation", &id)]).await.is(401);
        }
        mallory.get("/getting-started").await.is(303);
        portal.sign_in_to(&mallory, "waiting@example.com", OTHER_PASSWORD).await.is(401);
        portal.api().post("/v1/auth/SignIn", json!({ "email": "waiting@example.com", "password": OTHER_PASSWORD })).await.fails(401, 16);
        // Nor does another account that asks for that address as its new one, and does not confirm it.
        let eve = portal.sign_up("eve").await;
        eve.fill("/account/email", "/do/change_email", &[("email", "waiting@example.com"), ("password", PASSWORD)]).await.is(303);
        eve.call("accept_invitation", &[("invitation", &id)]).await.is(404);
        eve.get("/getting-started").await.is(200).never_says("Acme");
        assert_eq!(portal.count("SELECT count(*) FROM members").await, 2);
        assert_eq!(portal.text("SELECT state FROM invitations WHERE email_key = 'waiting@example.com'").await, "pending");
        // Whoever it is for joins, by the link, with a password of their own.
        let link = portal.link("waiting@example.com", "/invitation").await;
        let owner = portal.browser();
        let fields = [("first_name", "Real"), ("last_name", ""), ("password", PASSWORD)];
        owner.fill(&format!("/sign-up?invitation={}", link.rsplit('=').next().unwrap()), "/do/sign_up", &fields).await.leads_to(&link);
        owner.fill(&link, "/do/accept_invitation", &[]).await.leads_to("/organization");
        portal.sign_in_to(&portal.browser(), "waiting@example.com", OTHER_PASSWORD).await.is(401);
        drop((ada, before));
    }

    /// CVE-2026-18963 (Keycloak): a step of a reset that can be left out.
    async fn no_step_of_a_sign_up_or_a_reset_can_be_left_out(portal) {
        let ada = portal.sign_up("ada").await;
        let new = portal.browser();
        let fields = [("email", "new@example.com"), ("first_name", "New"), ("last_name", ""), ("password", PASSWORD)];
        new.fill("/sign-up", "/do/sign_up", &fields).await.is(303);
        let browser = portal.browser();
        browser.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        // The browser that asked has got nothing by which it could go on.
        assert_eq!((browser.cookie("session"), browser.cookie("known_browser")), (None, None));
        portal.deliver().await;
        let before = portal.state().await;
        let (sign_up, session) = (new.cookie("sign_up").unwrap(), ada.cookie("session").unwrap());
        for who in [&browser, &new, &ada] {
            for token in ["", " ", "null", "0", "ada@example.com", sign_up.as_str(), session.as_str()] {
                who.call("reset_password", &[("form[token]", token), ("form[password]", OTHER_PASSWORD), ("form[email]", "ada@example.com")]).await.is(410);
                let call = who.call("verify_email", &[("form[token]", token), ("form[password]", PASSWORD), ("form[email]", "new@example.com")]).await;
                assert_eq!(call.status, 410, "{token}: {}", call.text);
                let call = who.call("confirm_email", &[("form[token]", token)]).await;
                assert!([401, 410].contains(&call.status), "{token}: {}", call.text);
                let body = json!({ "profile": { "first_name": "X" }, "password": OTHER_PASSWORD, "token": token });
                let reply = portal.api().post("/v1/auth/ActivateProfile", body).await;
                assert!([400, 404].contains(&reply.status), "{token}: {}", reply.text);
            }
            // Without the field at all.
            for endpoint in ["reset_password", "verify_email"] {
                let call = who.call(endpoint, &[("form[password]", OTHER_PASSWORD)]).await;
                assert!([410, 422].contains(&call.status), "{endpoint}: {}", call.text);
            }
            let call = who.call("change_password", &[("form[new_password]", OTHER_PASSWORD)]).await;
            assert!([401, 422].contains(&call.status), "{}", call.text);
        }
        assert_eq!(portal.state().await, before);
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.leads_to("/getting-started");
        portal.sign_in_to(&portal.browser(), "new@example.com", PASSWORD).await.is(401);
    }

    /// CVE-2026-92764 (OpenCVE): a token whose organization is not asked about.
    async fn a_token_reaches_its_own_organization_alone(portal) {
        let (ada, bob) = team(portal).await;
        let [eve] = portal.organization_with("Other", [("eve", Role::Admin)]).await;
        portal.invite(&eve, "elsewhere@example.com", Role::TechnicalUser).await.is(303);
        portal.connect_server(&eve, "theirs", "Theirs").await;
        let (own, others) = (portal.organization_of("ada").await.to_string(), portal.organization_of("eve").await.to_string());
        let member = portal.member_of("eve").await.to_string();
        let tokens = [portal.token(&ada, "full", "1 day").await, portal.token(&bob, "full", "1 day").await];
        portal.deliver().await;
        let of_others = async || {
            let mut all = Vec::new();
            for table in ["organizations", "members", "invitations", "pmm_servers", "tickets"] {
                let column = if table == "organizations" { "id" } else { "organization_id" };
                all.push(portal.rows(&format!("SELECT * FROM {table} WHERE {column} = {}", portal.engine.literal(others.parse().unwrap()))).await);
            }
            all
        };
        let before = of_others().await;
        let mut tried = 0;
        for secret in &tokens {
            let api = portal.api().with(secret);
            for route in API.iter().filter(|route| route.path.contains("{org_id}") || route.path.contains("{pmm_server_id}")) {
                let path = route.path.replace("{org_id}", &others).replace("{member_id}", &member).replace("{pmm_server_id}", "theirs");
                let body = json!({ "name": "Mine", "role": "Admin", "username": "x@example.com", "users": [{ "username": "x@example.com", "role": "Technical" }], "org_id": own, "orgId": own }).to_string();
                let body = if route.method == Method::GET { String::new() } else { body };
                let reply = api.send(route.method.clone(), &path, body).await;
                assert_eq!((reply.status, reply.value["code"].as_u64()), (404, Some(5)), "{} {path}: {}", route.method, reply.text);
                assert!(!reply.text.contains("Other") && !reply.text.contains("eve@"), "{}", reply.text);
                tried += 1;
            }
            // What names no organization is about one's own, whatever else is sent along.
            let searched = api.post("/v1/orgs:search", json!({ "org_id": others, "organization": others })).await.ok();
            assert_eq!(searched["orgs"].as_array().unwrap().iter().map(|org| org["id"].as_str().unwrap()).collect::<Vec<_>>(), [own.as_str()]);
        }
        assert!(tried >= 20, "{tried}");
        assert_eq!(of_others().await, before);
    }

    /// CVE-2026-27802 (Vaultwarden): what one change refuses, done by a change of several.
    async fn a_change_of_several_does_nothing_that_one_change_would_not(portal) {
        let people = [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)];
        let [ada, bob, _eve] = portal.organization_with("Acme", people).await;
        let [zoe] = portal.organization_with("Other", [("zoe", Role::Admin)]).await;
        let own = portal.organization_of("ada").await;
        let mut ids = Vec::new();
        for name in ["ada", "bob", "eve", "zoe"] {
            ids.push(portal.member_of(name).await.to_string());
        }
        let all: Vec<(&str, &str)> = ids.iter().map(|id| ("form[members][]", id.as_str())).collect();
        let with_role = |role: &'static str| all.iter().copied().chain([("form[role]", role)]).collect::<Vec<_>>();
        portal.deliver().await;
        let before = portal.state().await;
        // Nobody but an Admin changes anybody, oneself least of all.
        bob.call_in(own, "change_roles", &with_role("Admin")).await.is(403);
        bob.call_in(own, "remove_members", &all).await.is(403);
        bob.call_in(own, "invite_member", &[("form[email]", "a@example.com, b@example.com"), ("form[role]", "Admin")]).await.is(403);
        zoe.call_in(own, "change_roles", &with_role("Admin")).await.is(409);
        zoe.call_in(own, "remove_members", &all).await.is(409);
        let api = portal.api_of("bob").await;
        let users = json!({ "users": [{ "username": "a@example.com", "role": "Admin" }, { "username": "b@example.com", "role": "Admin" }] });
        let refused = api.post(&format!("/v1/orgs/{own}/members:bulk"), users).await.ok();
        assert_eq!(refused["errors"].as_array().map(Vec::len), Some(2), "{refused}");
        let without_sessions = |mut state: BTreeMap<String, Vec<Vec<String>>>| { for table in ["sessions", "members"] { state.remove(table); } state };
        assert_eq!(without_sessions(portal.state().await), without_sessions(before));
        let roles = async || portal.rows("SELECT email_key, role FROM members ORDER BY email_key").await;
        assert_eq!(roles().await, [["ada@example.com", "Admin"], ["bob@example.com", "Technical user"], ["eve@example.com", "Technical user"], ["zoe@example.com", "Admin"]]);
        // An Admin changes the others of the same organization, neither oneself nor anybody elsewhere.
        ada.call_in(own, "change_roles", &with_role("Technical user")).await.is(409);
        assert_eq!(roles().await, [["ada@example.com", "Admin"], ["bob@example.com", "Technical user"], ["eve@example.com", "Technical user"], ["zoe@example.com", "Admin"]]);
        ada.call_in(own, "remove_members", &all).await.is(409);
        assert_eq!(roles().await, [["ada@example.com", "Admin"], ["zoe@example.com", "Admin"]]);
        drop(zoe);
    }
}

/// The probability that two samples this different come from one source: the rank-sum test of Mann, Whitney and Wilcoxon,
/// two-sided, by the normal approximation, corrected for ties.
fn rank_sum(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = one.iter().map(|time| (*time, true)).chain(other.iter().map(|time| (*time, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let end = all[at..].iter().position(|(time, _)| *time > all[at].0).map_or(all.len(), |n| at + n);
        let (tied, rank) = ((end - at) as f64, (at + end + 1) as f64 / 2.0);
        ranks += rank * all[at..end].iter().filter(|(_, first)| *first).count() as f64;
        ties += tied.powi(3) - tied;
        at = end;
    }
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    let variance = n * m / 12.0 * (n + m + 1.0 - ties / ((n + m) * (n + m - 1.0)));
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    // The complementary error function by the formula 7.1.26 of Abramowitz and Stegun: right to seven places.
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial = t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    polynomial * (-x * x).exp()
}

#[test]
fn the_rank_test_tells_what_differs_from_what_does_not() {
    // Numbers that look random, the same at each run.
    let noise = |seed: u64, n: u64| {
        let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(n.wrapping_mul(0xD1B5_4A32_D192_ED03));
        x ^= x >> 31;
        x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
        (x >> 11) as f64 / (1_u64 << 53) as f64
    };
    let sample = |seed: u64, more: f64| (0..2000).map(|n| noise(seed, n) + more).collect::<Vec<_>>();
    assert!(rank_sum(&sample(1, 0.0), &sample(2, 0.0)) > 0.01);
    assert!(rank_sum(&sample(1, 0.0), &sample(2, 0.1)) < 1e-9, "a tenth of what it varies by");
    // By hand: of 1, 2, 3 and 4, 5, 6 the probability is 0.081 with the correction for continuity; of the same values it is 1.
    assert!((rank_sum(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]) - 0.0809).abs() < 0.001, "{}", rank_sum(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]));
    assert!(rank_sum(&[1.0; 9], &[1.0; 9]).is_nan() || rank_sum(&[1.0, 2.0], &[1.0, 2.0]) > 0.99);
}

/// How often each of the two is tried.
const TRIES: usize = 2_000;

/// Sends what is asked of addresses that have an account and of such that have none, in an order that tells nothing; says how
/// long each took. What is answered must be the same.
async fn measure(portal: &TestPortal, action: &str, page: &str, fields: &[(&str, &str)], prefix: &str) -> (Vec<f64>, Vec<f64>) {
    let browser = portal.browser();
    let blank = browser.get(page).await.is(200).form(action);
    let blank = fields.iter().fold(blank, |form, (name, value)| form.with(name, value));
    let (mut known, mut unknown, mut answers) = (Vec::new(), Vec::new(), BTreeSet::new());
    for n in 0..2 * TRIES + 50 {
        // One of two, by a number that looks random; never the same address twice in a row.
        let has_account = (n.wrapping_mul(2_654_435_761) >> 13).is_multiple_of(2);
        let email = if has_account { format!("known{:04}@example.com", n % 200) } else { format!("{prefix}{:04}@example.com", n % 200) };
        let form = blank.clone().with("email", &email).forged("drawn[key]", &format!("{prefix}-{action}-{n}"));
        let began = std::time::Instant::now();
        let answer = browser.copy().submit(&form).await;
        let took = began.elapsed().as_secs_f64();
        let cookies = answer.set_cookies().iter().map(|cookie| cookie.split('=').next().unwrap_or_default().to_owned()).collect::<Vec<_>>();
        let body = answer.normalized().replace(&email, "EMAIL");
        answers.insert((answer.status, body, cookies, answer.body.len() - answer.html().matches(&email).count() * email.len()));
        // The first ones warm up.
        let times = if has_account { &mut known } else { &mut unknown };
        if n >= 50 && times.len() < TRIES {
            times.push(took);
        }
    }
    assert_eq!(
        answers.len(),
        1,
        "{action}: answers differ: {:?}",
        answers.iter().map(|(status, body, cookies, n)| (*status, body.len(), cookies.clone(), *n)).collect::<Vec<_>>()
    );
    (known, unknown)
}

on_both! {
    /// ASVS 6.3.8: by status, bytes and time, an address that has an account is answered like one that has none. On demand,
    /// on a machine that does nothing else:
    ///
    /// `cargo test --release --features ssr --test rooms security::nobody_learns_by_time -- --ignored --nocapture --test-threads 1`
    #[ignore = "takes some minutes and a machine that does nothing else"]
    async fn nobody_learns_by_time_who_has_an_account(portal) {
        let seed = portal.browser();
        // Accounts by the way that is there; their password's hash is one for all, which is made once.
        portal.sign_up_in(&seed, "known0000@example.com", "Known", "").await;
        let hash = portal.text("SELECT secret FROM credentials").await;
        for n in 1..200_u128 {
            let (id, credential) = (portal.engine.literal(uuid::Uuid::from_u128(n)), portal.engine.literal(uuid::Uuid::from_u128(n + 1000)));
            portal.execute(&format!("INSERT INTO accounts (id, email, email_key, first_name, last_name, name_key, created_at) VALUES ({id}, 'known{n:04}@example.com', 'known{n:04}@example.com', 'Known', '', 'known', {n})")).await;
            portal.execute(&format!("INSERT INTO credentials (id, account_id, kind, secret, created_at, changed_at) VALUES ({credential}, {id}, 'password', '{hash}', {n}, {n})")).await;
        }
        let mut failed = Vec::new();
        for (action, page, fields) in [
            ("/do/sign_in", "/sign-in", &[("password", OTHER_PASSWORD)][..]),
            ("/do/forgot_password", "/forgot-password", &[]),
            ("/do/sign_up", "/sign-up", &[("first_name", "K"), ("password", OTHER_PASSWORD)]),
        ] {
            // One unlucky sample in a hundred is chance; two in a row are not.
            let mut p = 0.0;
            for prefix in ["other", "nobod"] {
                let (known, unknown) = measure(portal, action, page, fields, prefix).await;
                p = rank_sum(&known, &unknown);
                let middle = |times: &[f64]| { let mut times = times.to_vec(); times.sort_by(f64::total_cmp); times[times.len() / 2] * 1000.0 };
                println!("{:?} {action}: {} and {} tries, medians {:.3} ms and {:.3} ms, p = {p:.4}", portal.engine, known.len(), unknown.len(), middle(&known), middle(&unknown));
                if p > 0.01 {
                    break;
                }
            }
            if p <= 0.01 {
                failed.push(format!("{action}: p = {p:.5}"));
            }
        }
        assert!(failed.is_empty(), "time tells who has an account: {failed:?}");
    }
}

/// Runs the executable as it is run, and gives what it wrote to standard output and error.
struct Served {
    process: std::process::Child,
    base: String,
    folder: tempfile::TempDir,
    log: std::path::PathBuf,
}

impl Served {
    async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        let elsewhere = tempfile::Builder::new().prefix("org-portal-log-").tempfile().unwrap();
        let log = elsewhere.into_temp_path().keep().unwrap();
        let process = std::process::Command::new(env!("CARGO_BIN_EXE_org-portal"))
            .current_dir(folder.path())
            .args(["serve", "--database-url", "sqlite:portal.db", "--listen", &format!("127.0.0.1:{port}"), "--public-url", &base])
            .args(["--log-format", "json", "--hashing-threads", "1"])
            .args(arguments)
            .stdout(std::process::Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let served = Self { process, base, folder, log };
        let client = served.client();
        until("the portal serves", || async { client.get(format!("{}/healthz", served.base)).send().await.is_ok() }).await;
        served
    }

    fn client(&self) -> reqwest::Client {
        let agent = "Mozilla/5.0 (X11; Linux) Firefox/145.0";
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().user_agent(agent).build().unwrap()
    }

    /// Stops it in good order; gives what it logged.
    async fn stop(mut self) -> (String, Vec<String>) {
        let id = self.process.id().to_string();
        std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
        tokio::task::spawn_blocking(move || {
            self.process.wait().unwrap();
            let mut files: Vec<String> =
                std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            files.sort();
            let log = std::fs::read_to_string(&self.log).unwrap();
            let _ = std::fs::remove_file(&self.log);
            (log, files)
        })
        .await
        .unwrap()
    }
}

/// ASVS 16.2.2 to 16.2.5, 16.3.3, 16.3.4, 16.4.1: each line is one event with its moment in UTC; what was refused and what
/// went wrong is there; no secret is, and nobody writes a line of their own into it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_what_happened_and_holds_no_secret_and_no_forged_line() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let served = Served::start(&["--sign-in-rate", "2/600"]).await;
    let (client, base) = (served.client(), served.base.clone());
    let post = |path: &str, pairs: &[(&str, &str)], headers: &[(&str, &str)]| {
        let mut request = client.post(format!("{base}{path}")).header("accept", "text/html").header("content-type", FORM);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(encode(pairs)).send()
    };
    let own = [("sec-fetch-site", "same-origin")];
    let sign_up = [
        ("form[email]", "ada@example.com"),
        ("form[first_name]", "Ada"),
        ("form[password]", PASSWORD),
        ("drawn[key]", "the-key-of-the-form"),
    ];
    let answer = post("/do/sign_up", &sign_up, &own).await.unwrap();
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut token = String::new();
    for _ in 0..200 {
        let list = client.get(format!("{base}/dev/mail?to=ada@example.com")).send().await.unwrap().text().await.unwrap();
        if let Some(mail) = list.split("href=\"/dev/mail/").nth(1).and_then(|rest| rest.split('"').next()) {
            let mail = client.get(format!("{base}/dev/mail/{mail}")).send().await.unwrap().text().await.unwrap();
            token = mail
                .split("/verify-email?token=")
                .nth(1)
                .unwrap()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                .collect();
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(token.len() >= 43, "{token}");
    client.get(format!("{base}/verify-email?token={token}")).send().await.unwrap();
    let verified = post("/do/verify_email", &[("form[token]", &token), ("drawn[page]", "/verify-email")], &[own[0], ("cookie", &cookie)])
        .await
        .unwrap();
    let session = verified
        .headers()
        .get_all("set-cookie")
        .iter()
        .find_map(|value| value.to_str().unwrap().strip_prefix("session=")?.split(';').next().map(str::to_owned));
    let session = session.expect("a session");
    let signed_in = format!("session={session}");
    assert_eq!(client.get(format!("{base}/account")).header("cookie", &signed_in).send().await.unwrap().status(), 200);
    // Refused: from another site, too often, by a wrong password, where nothing is; and what somebody would like to write.
    assert_eq!(
        post("/do/change_name", &[("form[first_name]", "X")], &[("sec-fetch-site", "cross-site"), ("cookie", &signed_in)])
            .await
            .unwrap()
            .status(),
        403
    );
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let wrong = [("form[email]", "ada@example.com"), ("form[password]", "a wrong password of mine"), ("drawn[page]", "/sign-in")];
        statuses.push(post("/do/sign_in", &wrong, &own).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 429]);
    let forged = "/nothing%0d%0a%7B%22level%22:%22ERROR%22,%22message%22:%22forged%22%7D%0a";
    let agent = "evil\tagent \u{1b}[31m".replace('\u{1b}', "");
    let odd = client
        .get(format!("{base}{forged}"))
        .header("user-agent", agent)
        .header("authorization", "Bearer opt_a-secret-of-somebody")
        .send()
        .await;
    assert_eq!(odd.unwrap().status(), 404);
    client.post(format!("{base}/v1/orgs:search")).header("authorization", format!("Bearer {session}")).send().await.unwrap();
    // Something goes wrong inside.
    {
        use sqlx::{Connection as _, Executor as _};
        let mut db =
            sqlx::SqliteConnection::connect(&format!("sqlite:{}", served.folder.path().join("portal.db").display())).await.unwrap();
        db.execute("ALTER TABLE invitations RENAME TO laid_aside").await.unwrap();
        db.close().await.unwrap();
    }
    let fault = client.get(format!("{base}/invitation?token={token}")).send().await.unwrap();
    assert_eq!(fault.status(), 500);
    let request_id = fault.headers()["x-request-id"].to_str().unwrap().to_owned();
    let page = fault.text().await.unwrap();
    let reference = page.split("<code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a reference").to_owned();
    let (log, files) = served.stop().await;
    let events: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    assert!(events.len() > 12, "{log}");
    for event in &events {
        let at = event["timestamp"].as_str().expect("a moment");
        assert!(at.ends_with('Z') && at.contains('T') && event["level"].is_string(), "{event}");
    }
    let answered: Vec<&serde_json::Value> = events.iter().filter(|event| event["fields"]["message"] == "answered").collect();
    for event in &answered {
        let span = &event["span"];
        assert!(
            span["id"].as_str().is_some_and(|id| id.len() >= 16)
                && span["method"].is_string()
                && span["path"].is_string()
                && event["fields"]["ms"].is_number(),
            "{event}"
        );
    }
    for (path, status) in [("/do/change_name", 403), ("/do/sign_in", 401), ("/do/sign_in", 429), ("/account", 200), ("/invitation", 500)] {
        assert!(
            answered.iter().any(|event| event["span"]["path"] == path && event["fields"]["status"] == status),
            "{path} {status}: {log}"
        );
    }
    let faults: Vec<&serde_json::Value> = events.iter().filter(|event| event["fields"]["reference"] == reference.as_str()).collect();
    assert!(faults.len() == 1 && faults[0]["level"] == "ERROR" && faults[0].to_string().contains("invitations"), "{log}");
    assert!(faults[0]["span"]["id"].is_null() || faults[0]["span"]["id"] == request_id.as_str(), "{}", faults[0]);
    // What somebody wrote into the path stands in its field, and is no event.
    assert!(!events.iter().any(|event| event["fields"]["message"] == "forged"), "{log}");
    for secret in [
        PASSWORD,
        "a wrong password of mine",
        &token,
        &session,
        "opt_a-secret-of-somebody",
        "the-key-of-the-form",
        cookie.split('=').nth(1).unwrap(),
        "ada@example.com",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    // It is written nowhere else: beside the database and its key there is nothing.
    assert_eq!(files, ["portal.db", "portal.key"]);
}
