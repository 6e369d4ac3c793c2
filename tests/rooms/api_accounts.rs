//! `/v1/auth`: accounts and sessions for programs (`PMM-API.md` 1.11).

use org_portal::words::{DAY, HOUR, MINUTE};
use serde_json::json;

use crate::{on_both, support::*};

const BAD: &str = "The session or token is missing, wrong, expired or revoked. Send a good one as Authorization: Bearer.";

on_both! {
    async fn signing_in_opens_a_session_whose_secret_is_the_token(portal) {
        portal.sign_up("ada").await;
        let api = portal.api();
        let answer = api.post("/v1/auth/SignIn", json!({ "email": "Ada@Example.com", "password": PASSWORD })).await.ok();
        assert_eq!((answer["token_type"].as_str(), answer["expires_in"].as_i64()), (Some("Bearer"), Some(86_400)), "{answer}");
        assert_eq!(answer["expire_time"].as_str().unwrap(), portal.clock.now().plus(DAY).rfc3339());
        assert!(answer.as_object().unwrap().len() == 5 && answer["session_id"].is_string(), "{answer}");
        let ada = api.with(answer["access_token"].as_str().unwrap());
        let profile = ada.post("/v1/auth/GetProfile", json!({})).await.ok();
        assert_eq!(profile, json!({ "email": "ada@example.com", "first_name": "Ada", "last_name": "Example", "tos": false, "marketing": false }));
        // Its owner sees it among the others, as what called.
        let browser = portal.sign_in("ada").await;
        assert!(browser.get("/account").await.is(200).main().contains("Go-http-client"), "{}", browser.get("/account").await.main());
        // The secret is in no table.
        let secret = ada.token.clone().unwrap();
        assert!(!format!("{:?}", portal.snapshot(&[]).await).contains(&secret));
        assert_eq!(ada.post("/v1/auth/SignOut", json!({})).await.ok(), json!({}));
        ada.call("/v1/auth/GetProfile").await.refused(401, 16, BAD);
        ada.call("/v1/auth/SignOut").await.refused(401, 16, BAD);
    }

    async fn a_wrong_pair_tells_nothing_and_empty_fields_are_named(portal) {
        portal.sign_up("ada").await;
        let api = portal.api();
        let wrong = api.post("/v1/auth/SignIn", json!({ "email": "ada@example.com", "password": "x" })).await;
        let nobody = api.post("/v1/auth/SignIn", json!({ "email": "nobody@example.com", "password": "x" })).await;
        assert_eq!((wrong.status, &wrong.text), (nobody.status, &nobody.text));
        wrong.refused(401, 16, "Incorrect username or password.");
        let empty = api.call("/v1/auth/SignIn").await;
        let message = "invalid field Email: value '' must not be an empty string; invalid field Password: value '' must not be an empty string";
        let empty = empty.refused(400, 3, message);
        assert_eq!(empty.value["details"], json!([{ "@type": "type.googleapis.com/google.rpc.BadRequest", "field_violations": [
            { "field": "email", "description": "value '' must not be an empty string" },
            { "field": "password", "description": "value '' must not be an empty string" },
        ] }]));
        let odd = api.post("/v1/auth/SignIn", json!({ "email": "ada", "password": "x" })).await.fails(400, 3);
        assert!(odd.value["message"].as_str().unwrap().starts_with("invalid field Email: ") && !odd.text.contains("''"), "{}", odd.text);
        // A token that is not good does not get into the way.
        api.with("nonsense").post("/v1/auth/SignIn", json!({ "email": "ada@example.com", "password": PASSWORD })).await.ok();
    }

    async fn what_is_no_good_token_is_401_and_a_cookie_is_none(portal) {
        let ada = portal.sign_up("ada").await;
        let api = portal.api();
        for token in [None, Some(""), Some("nonsense"), Some("opt_nonsense"), Some("opa_x"), Some("opm_x")] {
            let api = api.with_or_without(token);
            let reply = api.call("/v1/orgs:search").await.refused(401, 16, BAD);
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
        }
        let cookie = format!("session={}", ada.cookie("session").unwrap());
        let origin = portal.config.base();
        for headers in [&[("cookie", cookie.as_str())][..], &[("cookie", &cookie), ("origin", &origin), ("sec-fetch-site", "same-origin")], &[("cookie", &cookie), ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]] {
            api.send_with(reqwest::Method::POST, "/v1/orgs", headers, json!({ "name": "Acme" }).to_string()).await.refused(401, 16, BAD);
        }
        assert_eq!(portal.count("SELECT count(*) FROM organizations").await, 0);
        // The secret of that session is a token like any other, under any spelling of the scheme.
        let token = ada.cookie("session").unwrap();
        api.with(&token).call("/v1/orgs:search").await.ok();
        api.send_with(reqwest::Method::POST, "/v1/orgs:search", &[("authorization", &format!("bearer {token}"))], String::new()).await.ok();
        api.send_with(reqwest::Method::POST, "/v1/orgs:search", &[("authorization", &format!("Token {token}"))], String::new()).await.refused(401, 16, BAD);
    }

    async fn a_session_ends_without_use_and_goes_on_with_it(portal) {
        portal.sign_up("ada").await;
        let ada = portal.api_of("ada").await;
        portal.clock.advance(23 * HOUR);
        let refreshed = ada.post("/v1/auth/RefreshSession", json!({})).await.ok();
        assert_eq!(refreshed, json!({ "expire_time": portal.clock.now().plus(DAY).rfc3339(), "email": "ada@example.com" }));
        portal.clock.advance(23 * HOUR);
        ada.call("/v1/auth/GetProfile").await.ok();
        portal.clock.advance(25 * HOUR);
        ada.call("/v1/auth/RefreshSession").await.refused(401, 16, BAD);
    }

    async fn it_ends_with_the_others_when_the_password_is_changed_and_when_the_account_is_locked(portal) {
        let browser = portal.sign_up("ada").await;
        let ada = portal.api_of("ada").await;
        browser.fill("/account", "/do/change_password", &[("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)]).await.is(303);
        ada.call("/v1/orgs:search").await.refused(401, 16, BAD);
        portal.sign_up("bob").await;
        let bob = portal.api_of("bob").await;
        portal.execute("UPDATE accounts SET locked_until = 9223372036854775807, lock_reason = 'x' WHERE email_key = 'bob@example.com'").await;
        bob.call("/v1/orgs:search").await.refused(401, 16, BAD);
        let locked = "This account is locked. The support of this portal can tell you more.";
        portal.api().post("/v1/auth/SignIn", json!({ "email": "bob@example.com", "password": PASSWORD })).await.refused(401, 16, locked);
    }

    async fn names_are_changed_under_either_spelling(portal) {
        portal.sign_up("ada").await;
        let ada = portal.api_of("ada").await;
        ada.post("/v1/auth/UpdateProfile", json!({ "firstName": "Augusta", "lastName": "King", "tos": true, "marketing": false })).await.ok();
        assert_eq!(ada.call("/v1/auth/GetProfile").await.ok()["first_name"], "Augusta");
        ada.post("/v1/auth/UpdateProfile", json!({ "first_name": "Ada", "last_name": null })).await.ok();
        assert_eq!(ada.call("/v1/auth/GetProfile").await.ok()["last_name"], "");
        let message = "invalid field FirstName: value '' must not be an empty string";
        ada.post("/v1/auth/UpdateProfile", json!({ "lastName": "King" })).await.refused(400, 3, message);
    }

    async fn who_signs_up_chooses_the_password_by_the_link_on_its_page(portal) {
        let api = portal.api();
        let form = json!({ "email": "ada@example.com", "first_name": "Ada", "last_name": "" });
        assert_eq!(api.post("/v1/auth/SignUp", form.clone()).await.ok(), json!({}));
        let link = portal.link("ada@example.com", "/verify-email").await;
        assert!(portal.mails_to("ada@example.com").await[0].text.contains("choose a password"));
        let browser = portal.browser();
        let page = browser.get(&link).await.is(200);
        for bad in ["", "short", "ada@example.com Ada"] {
            let refused = browser.submit(&page.form("/do/verify_email").with("password", bad).forged("drawn[key]", bad)).await.is(422);
            assert!(refused.error_of("password").is_some(), "{bad}: {}", refused.sketch());
        }
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 0);
        browser.fill(&link, "/do/verify_email", &[("password", PASSWORD)]).await.leads_to("/sign-in");
        portal.api_of("ada").await.call("/v1/auth/GetProfile").await.ok();
        browser.get(&link).await.is(410);
        // An address that has an account is answered alike, and its owner is told by mail.
        assert_eq!(api.post("/v1/auth/SignUp", form).await.ok(), json!({}));
        assert!(portal.mails_to("ada@example.com").await.last().unwrap().subject.contains("account"));
        api.post("/v1/auth/SignUp", json!({ "email": "x" })).await.fails(400, 3);
    }

    async fn the_link_is_exchanged_and_the_account_activated_by_calls_too(portal) {
        let api = portal.api();
        api.post("/v1/auth/SignUp", json!({ "email": "ada@example.com", "firstName": "Ada", "lastName": "" })).await.ok();
        let link = portal.link("ada@example.com", "/verify-email").await;
        let token = link.rsplit('=').next().unwrap();
        let gone = "This link no longer works. It was used, replaced or has expired.";
        api.post("/v1/auth/ValidateToken", json!({ "activation_token": "nonsense" })).await.refused(404, 5, gone);
        let message = "invalid field ActivationToken: value '' must not be an empty string";
        api.call("/v1/auth/ValidateToken").await.refused(400, 3, message);
        let state = api.post("/v1/auth/ValidateToken", json!({ "activationToken": token })).await.ok();
        let activate = |password: &str| json!({ "profile": { "firstName": "Augusta", "lastName": "King", "tos": true }, "password": password, "token": state["state_token"] });
        api.post("/v1/auth/ActivateProfile", activate("")).await.refused(400, 3, "invalid field Password: value '' must not be an empty string");
        api.post("/v1/auth/ActivateProfile", activate("short")).await.fails(400, 3);
        assert_eq!(api.post("/v1/auth/ActivateProfile", activate(PASSWORD)).await.ok(), json!({}));
        api.post("/v1/auth/ActivateProfile", activate(PASSWORD)).await.refused(404, 5, gone);
        let profile = portal.api_of("ada").await.call("/v1/auth/GetProfile").await.ok();
        assert_eq!((profile["first_name"].as_str(), profile["last_name"].as_str()), (Some("Augusta"), Some("King")));
    }

    async fn a_password_chosen_at_a_sign_up_by_somebody_else_counts_for_nothing(portal) {
        // Somebody signs up with Ada's address and a password of theirs; Ada follows the link.
        let fields = [("email", "ada@example.com"), ("first_name", "Mallory"), ("last_name", ""), ("password", OTHER_PASSWORD)];
        portal.browser().fill("/sign-up", "/do/sign_up", &fields).await.is(303);
        let link = portal.link("ada@example.com", "/verify-email").await;
        let body = json!({ "profile": { "first_name": "Ada" }, "password": PASSWORD, "token": link.rsplit('=').next().unwrap() });
        portal.api().post("/v1/auth/ActivateProfile", body).await.ok();
        portal.api().post("/v1/auth/SignIn", json!({ "email": "ada@example.com", "password": OTHER_PASSWORD })).await.fails(401, 16);
        assert_eq!(portal.api_of("ada").await.call("/v1/auth/GetProfile").await.ok()["first_name"], "Ada");
    }

    async fn a_password_is_reset_by_mail_and_whether_there_is_an_account_is_not_told(portal) {
        portal.sign_up("ada").await;
        let ada = portal.api_of("ada").await;
        let api = portal.api();
        let known = api.post("/v1/auth/ResetPassword", json!({ "email": "ada@example.com" })).await;
        let unknown = api.post("/v1/auth/ResetPassword", json!({ "email": "nobody@example.com" })).await;
        assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
        assert_eq!(known.ok(), json!({}));
        let link = portal.link("ada@example.com", "/reset-password").await;
        let state = api.post("/v1/auth/ValidateToken", json!({ "activation_token": link.rsplit('=').next().unwrap() })).await.ok();
        let body = json!({ "profile": { "firstName": "Eve" }, "password": OTHER_PASSWORD, "token": state["state_token"] });
        api.post("/v1/auth/ActivateProfile", body).await.ok();
        ada.call("/v1/auth/GetProfile").await.refused(401, 16, BAD);
        let signed_in = api.post("/v1/auth/SignIn", json!({ "email": "ada@example.com", "password": OTHER_PASSWORD })).await.ok();
        let profile = api.with(signed_in["access_token"].as_str().unwrap()).call("/v1/auth/GetProfile").await.ok();
        assert_eq!(profile["first_name"], "Ada", "a reset changes no name");
        api.call("/v1/auth/ResetPassword").await.refused(400, 3, "invalid field Email: value '' must not be an empty string");
    }

    async fn sign_ins_are_limited_together_with_those_of_the_form(portal, Options::default().real_limits().with("sign_in_rate", "3/60")) {
        portal.sign_up("ada").await;
        let api = portal.api();
        let wrong = json!({ "email": "ada@example.com", "password": "x" });
        for _ in 0..2 {
            api.post("/v1/auth/SignIn", wrong.clone()).await.fails(401, 16);
        }
        portal.sign_in_to(&portal.browser(), "ada@example.com", "x").await.is(401);
        let limited = api.post("/v1/auth/SignIn", wrong).await.fails(429, 8);
        assert!(limited.headers["retry-after"].to_str().unwrap().parse::<u32>().is_ok_and(|seconds| (1..=120).contains(&seconds)));
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(429);
    }

    async fn calls_are_limited_by_token_and_without_one_by_address(portal, Options::default().with("api_rate", "3/10").with("api_address_rate", "20/10")) {
        portal.sign_up("ada").await;
        portal.sign_up("bob").await;
        let (ada, bob) = (portal.api_of("ada").await, portal.api_of("bob").await);
        for _ in 0..3 {
            ada.call("/v1/orgs:search").await.ok();
        }
        let limited = ada.call("/v1/orgs:search").await.fails(429, 8);
        assert_eq!(limited.headers["retry-after"], "10");
        bob.call("/v1/orgs:search").await.ok();
        portal.clock.advance(10 * org_portal::words::SECOND);
        ada.call("/v1/orgs:search").await.ok();
        portal.clock.advance(10 * MINUTE);
        for _ in 0..20 {
            portal.api().with("nonsense").call("/v1/orgs:search").await.fails(401, 16);
        }
        portal.api().with("nonsense").call("/v1/orgs:search").await.fails(429, 8);
        portal.api().call("/v1/telemetry/GenericReport").await.fails(429, 8);
        ada.call("/v1/orgs:search").await.ok();
    }
}
