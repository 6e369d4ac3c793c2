//! The bytes of `/v1`, as PMM writes and reads them (`docs/api.md`), and what is answered where nothing can be done.

use org_portal::{permissions::Role, routes::API};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{on_both, support::*};

on_both! {
    async fn what_pmm_writes_is_read(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let (ada, id) = (portal.api_of("ada").await, portal.organization_of("ada").await);
        let token = ada.token.clone().unwrap();
        let host = portal.address();
        // Newer PMM: a content type, and nothing behind it; asks for gzip.
        let request = format!("POST /v1/orgs/{id}/tickets:search HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 0\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n");
        let (status, head, body) = raw(portal, &request).await;
        assert_eq!((status, body.as_slice()), (200, br#"{"tickets":[]}"#.as_slice()), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        let request = format!("GET /v1/orgs/{id} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Go-http-client/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n");
        let (status, head, body) = raw(portal, &request).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, body["org"]["name"].as_str()), (200, Some("Acme")));
        assert!(head.to_lowercase().contains("content-encoding: gzip"), "{head}");
        // To 2.29: no content type, also with a body.
        let request = format!("POST /v1/orgs/{id}/members:search HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 39\r\nAuthorization: Bearer {token}\r\n\r\n{{\"user\":{{\"username\":\"ada@example.com\"}}}}");
        let (status, _, body) = raw(portal, &request).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        // As a form, or as nothing that is known; in pieces, and over HTTP/1.0.
        for kind in ["application/x-www-form-urlencoded", "text/plain; charset=utf-8", "nonsense"] {
            let request = format!("POST /v1/orgs:search HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
            assert_eq!(raw(portal, &request).await.0, 200, "{kind}");
        }
        let request = format!("POST /v1/orgs:search HTTP/1.0\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(raw(portal, &request).await.0, 200);
    }

    async fn a_password_sent_by_an_old_pmm_is_not_looked_at(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let host = portal.address();
        portal.deliver().await;
        let before = portal.snapshot(&[]).await;
        let body = r#"{"pmm_server_id":"9a2f7a2c-3a5e-4a51-9c06-2a7f0d3a7c11","pmm_server_name":"my PMM","pmm_server_url":"https://pmm.example.com/graph","pmm_server_oauth_callback_url":"https://pmm.example.com/graph/login/generic_oauth"}"#;
        // The right password, and a wrong one.
        for basic in ["YWRhQGV4YW1wbGUuY29tOm1hbGxvdyBkcml6emxlIDcgdW1icmVsbGE=", "YWRhQGV4YW1wbGUuY29tOng=", "!"] {
            let request = format!("POST /v1/orgs/inventory HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\nAuthorization: Basic {basic}\r\nAccept-Encoding: gzip\r\n\r\n{body}", body.len());
            let (status, _, answer) = raw(portal, &request).await;
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let message = "Authentication failed. Please update the PMM version.";
            assert_eq!((status, answer), (401, json!({ "code": 16, "message": message, "details": [], "error": message })));
        }
        assert_eq!(portal.snapshot(&[]).await, before);
    }

    async fn there_is_json_wherever_there_is_no_call(portal) {
        let api = portal.api();
        for path in ["/v1", "/v1/", "/v1/nothing", "/v1//orgs", "/v1/orgs/", "/v1/auth/signin", "/v1/auth/SignIn/", "/v1/%ff", "/v1/orgs/a:b:c", "/v1/../v1/x"] {
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
                api.send(Method::from_bytes(method.as_bytes()).unwrap(), path, String::new()).await.fails(404, 5);
            }
        }
        // A wrong method: which there are is said.
        let reply = api.get("/v1/auth/SignIn").await.refused(404, 5, "There is no call GET /v1/auth/SignIn.");
        assert_eq!(reply.headers["allow"], "POST");
        let reply = api.call(&format!("/v1/orgs/{}", uuid::Uuid::nil())).await.fails(404, 5);
        assert_eq!(reply.headers["allow"], "GET, PUT, DELETE");
        // Beside it, pages are pages.
        assert!(portal.browser().get("/v1x").await.is(404).html().contains("<html"));
    }

    async fn a_body_that_is_none_is_refused(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let ada = portal.api_of("ada").await;
        let send = |body: &str| ada.send(Method::POST, "/v1/auth/UpdateProfile", body.to_owned());
        send("{").await.refused(400, 3, "The body is not JSON: line 1, column 1.");
        send("[]").await.refused(400, 3, "The body is JSON, but no object.");
        send("null").await.refused(400, 3, "The body is JSON, but no object.");
        send("{\"first_name\": 7}").await.refused(400, 3, "The body is JSON, but not of the shape that this call takes: see /docs/api.");
        send(&"[".repeat(100_000)).await.fails(400, 3);
        send(" \n").await.refused(400, 3, "invalid field FirstName: value '' must not be an empty string");
        // Of the right kind, and too large; nothing of it is done.
        send(&json!({ "first_name": "A", "more": "x".repeat(2_000_000) }).to_string()).await.refused(413, 3, "What was sent is too large. Nothing was changed.");
        assert_eq!(ada.call("/v1/auth/GetProfile").await.ok()["first_name"], "Ada");
    }

    async fn what_cannot_be_answered_is_json_too(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let ada = portal.api_of("ada").await;
        let restored = portal.fail("INSERT", "audit_events").await;
        let fault = ada.post("/v1/auth/UpdateProfile", json!({ "first_name": "B" })).await.fails(500, 13);
        assert!(!fault.text.contains("it fails"), "{}", fault.text);
        for statement in restored {
            portal.execute(&statement).await;
        }
        portal.db.close().await;
        let away = ada.call("/v1/orgs:search").await.fails(503, 14);
        assert_eq!(away.headers["retry-after"], "2");
        portal.api().call("/v1/auth/SignIn").await.fails(400, 3);
    }

    async fn without_tls_the_portal_is_for_its_own_machine_alone(portal) {
        let message = "This portal is set up for its own machine alone. Behind a proxy, ORG_PORTAL_PUBLIC_URL has to be its https address.";
        for header in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "via"] {
            portal.api().send_with(Method::POST, "/v1/telemetry/GenericReport", &[(header, "x")], String::new()).await.refused(403, 7, message);
        }
    }

    async fn behind_a_proxy_its_word_for_the_address_is_believed_and_a_strangers_is_not(portal, Options::default().with("public_url", "https://portal.example.com").with("smtp_url", "smtp://127.0.0.1:1").with("trusted_proxies", "127.0.0.1").with("api_address_rate", "2/60")) {
        let from = |address: &'static str| async move {
            portal.api().send_with(Method::POST, "/v1/telemetry/GenericReport", &[("x-forwarded-for", address), ("x-forwarded-proto", "https"), ("host", "portal.example.com")], String::new()).await
        };
        for (address, status) in [("192.0.2.1", 200), ("192.0.2.1", 200), ("192.0.2.1", 429), ("192.0.2.2", 200), ("192.0.2.1, 192.0.2.3", 200), ("192.0.2.2, 192.0.2.1", 429)] {
            assert_eq!(from(address).await.status, status, "{address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_dawdles_is_cut_off() {
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    let host = portal.address();
    let request = format!("POST /v1/telemetry/GenericReport HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\n{{");
    let (status, _, body) = raw(&portal, &request).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, body["code"].as_u64()), (408, Some(4)), "{body}");
    portal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_the_one_in_the_docs_and_its_page_shows_every_call() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let made = org_portal::api::openapi::text();
    assert!(kept == made, "docs/openapi.json is not what `org-portal openapi` prints: make it again with `make docs`");
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    let served = portal.api().get("/v1/openapi.json").await.ok();
    assert_eq!(served, serde_json::from_str::<Value>(&made).unwrap());
    assert_eq!(served["openapi"], "3.1.0");
    // Every reference leads somewhere, and every call is there once.
    let text = served.to_string();
    for (at, _) in text.match_indices("\"#/components/") {
        let reference = text[at + 2..].split('"').next().unwrap();
        assert!(served.pointer(reference).is_some(), "{reference}");
    }
    let n: usize = served["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(n, API.len());
    let ids: std::collections::BTreeSet<&str> = served["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|call| call["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), API.len());
    let page = portal.browser().get("/docs/api").await.is(200);
    assert_eq!(page.count("script, [onclick]"), 0);
    for route in API {
        assert!(page.main().contains(&format!("{} {}", route.method, route.path)), "{}", route.path);
    }
    portal.close().await;
}
