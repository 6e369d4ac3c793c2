//! Signing in to PMM servers: the provider, its rules and the attacks on it (`SPEC.md` §3.8, `PMM-API.md` 1.7, 1.8).

use std::process::Command;

use org_portal::{
    oauth::{keys, tokens},
    permissions::Role,
    words::{DAY, HOUR, MINUTE, SECOND},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{on_both, support::*};

const HOST: &str = "https://pmm.example.com";

/// An Admin and a Technical user of one organization, and a server that is connected to it.
async fn team(portal: &TestPortal) -> (Browser, Browser, Pmm) {
    let [ada, tom] = portal.organization_with("Acme", [("ada", Role::Admin), ("tom", Role::TechnicalUser)]).await;
    let pmm = portal.connect_pmm("ada", "8a2f", "Production", HOST).await;
    (ada, tom, pmm)
}

/// The error that an answer of the provider names.
fn error(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_str(&answer.html()).unwrap_or_default();
    (answer.status, body["error"].as_str().unwrap_or_default().to_owned())
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.html()).unwrap_or_else(|e| panic!("{e}: {}", answer.html()))
}

/// Whether an access token is worth something: as a bearer's and at userinfo.
async fn is_alive(portal: &TestPortal, access: &str) -> bool {
    let known = tokens::authenticate(&portal.portal, access).await.unwrap().is_some();
    assert_eq!(portal.userinfo(access).await.status == 200, known, "they differ");
    known
}

async fn account_of(portal: &TestPortal, name: &str) -> String {
    let sql = format!("SELECT {} FROM accounts WHERE email_key = '{name}@example.com'", portal.engine.hex("id"));
    uuid(&portal.text(&sql).await).to_string()
}

on_both! {
    async fn a_member_signs_in_to_a_server_which_learns_who_they_are(portal) {
        let (ada, _, pmm) = team(portal).await;
        let organization = portal.organization_of("ada").await;
        let flow = Flow::default();
        let page = ada.get(&pmm.sign_in_path(&flow, &[])).await.is(200);
        assert_eq!(page.heading(), "Sign in to Production?");
        for word in ["pmm.example.com", "connected by Ada Example", "ada@example.com", "that you are an Admin of Acme", "for at most a year"] {
            assert!(page.main().contains(word), "{word}: {}", page.main());
        }
        assert_eq!(page.header("cache-control"), "no-store");
        let answer = ada.submit(&page.form("/do/allow_server").forged("form[answer]", "allow")).await.is(303);
        let place = answer.location().to_owned();
        assert!(place.starts_with(&format!("{}?code=opc_", pmm.callback_url)), "{place}");
        assert_eq!(parameter(&place, "state"), flow.state);
        assert_eq!(parameter(&place, "iss"), "http://127.0.0.1:3000/oauth2");
        let answer = portal.exchange(&pmm, &flow, &parameter(&place, "code")).await;
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        assert_eq!(answer.header("access-control-allow-origin"), "", "no browser asks");
        let given = Tokens::read(&answer);
        assert_eq!(given.whole["token_type"], "Bearer");
        assert_eq!(given.whole["expires_in"], 3600);
        assert_eq!(given.whole["scope"], "openid profile email offline_access percona");
        let (claims, now) = (given.claims(), portal.clock.now().0 / SECOND);
        assert_eq!(claims["iss"], "http://127.0.0.1:3000/oauth2");
        assert_eq!(claims["aud"], json!([pmm.public_client_id]));
        assert_eq!(claims["nonce"], flow.nonce);
        assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(now), Some(now + 3600)));
        assert!(claims["auth_time"].as_i64().is_some_and(|at| at <= now && at > now - 600), "{claims}");
        let who = json_of(&portal.userinfo(&given.access).await.is(200));
        for told in [&claims, &who] {
            assert_eq!(told["sub"], account_of(portal, "ada").await);
            assert_eq!(told["email"], "ada@example.com");
            assert_eq!(told["email_verified"], true);
            assert_eq!(told["name"], "Ada Example");
            assert_eq!(told["preferred_username"], "ada@example.com");
            assert_eq!(told["portal_admin_orgs"], json!([organization.to_string()]));
            assert_eq!(told["pmm_demo_ids"], json!([]));
        }
        // The next time nobody is asked.
        let place = ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(303).location().to_owned();
        assert!(place.starts_with(&format!("{}?code=", pmm.callback_url)), "{place}");
        let done = portal.rows("SELECT action, actor_name, outcome FROM audit_events WHERE kind = 'server' ORDER BY at").await;
        assert_eq!(done, [["server.allow", "Ada Example", "success"], ["server.sign_in", "Ada Example", "success"]]);
        let activity = ada.get("/organization/activity").await.is(200).main();
        assert!(activity.contains("signed in to the PMM server Production") && activity.contains("let Production know who they are"), "{activity}");
    }

    async fn a_technical_user_is_no_admin_there(portal) {
        let (_, tom, pmm) = team(portal).await;
        let given = portal.sign_in_to_server(&tom, &pmm).await;
        for told in [given.claims(), json_of(&portal.userinfo(&given.access).await)] {
            assert_eq!((&told["portal_admin_orgs"], &told["pmm_demo_ids"]), (&json!([]), &json!([])));
        }
        // Asked by POST it says the same.
        let bearer = format!("bearer {}", given.access);
        let posted = portal.browser().send(Method::POST, "/oauth2/userinfo", &[("authorization", &bearer)], None).await;
        assert_eq!(json_of(&posted)["email"], "tom@example.com");
        assert_eq!(posted.header("cache-control"), "no-store");
    }

    async fn whoever_is_not_signed_in_does_that_first_and_comes_back(portal) {
        let (_, _, pmm) = team(portal).await;
        let (browser, path) = (portal.browser(), pmm.sign_in_path(&Flow::default(), &[("login_hint", "ada@example.com")]));
        let answer = browser.get(&path).await.is(303);
        let page = browser.get(answer.location()).await.is(200);
        assert_eq!(page.value_of("email"), "ada@example.com", "whom the server thinks it is");
        // The browser follows from this form to the server in the end, which the policy allows: to that one alone.
        assert!(page.header("content-security-policy").contains("form-action 'self' https://pmm.example.com; "), "{}", page.header("content-security-policy"));
        let form = page.form("/do/sign_in");
        let wrong = browser.submit(&form.clone().with("password", OTHER_PASSWORD)).await.is(401);
        assert!(wrong.header("content-security-policy").contains("form-action 'self' https://pmm.example.com; "), "drawn again, too");
        let answer = browser.submit(&form.with("password", PASSWORD)).await.is(303);
        assert!(answer.location().starts_with("/oauth2/authorize?"), "{}", answer.location());
        let page = browser.get(answer.location()).await.is(200);
        assert!(page.header("content-security-policy").contains("form-action 'self' https://pmm.example.com; "), "{}", page.header("content-security-policy"));
        for path in ["/sign-in", "/sign-in?to=/account", "/sign-in?to=%2Foauth2%2Fauthorize%3Fclient_id%3Dx"] {
            assert!(portal.browser().get(path).await.header("content-security-policy").contains("form-action 'self'; "), "{path}");
        }
    }

    async fn whoever_says_no_goes_back_without_a_code(portal) {
        let (ada, _, pmm) = team(portal).await;
        let flow = Flow::default();
        let form = ada.get(&pmm.sign_in_path(&flow, &[])).await.form("/do/allow_server").forged("form[answer]", "deny");
        let place = ada.submit(&form).await.is(303).location().to_owned();
        assert!(place.starts_with(&pmm.callback_url), "{place}");
        assert_eq!((parameter(&place, "error"), parameter(&place, "state"), parameter(&place, "code")), ("access_denied".to_owned(), flow.state, String::new()));
        assert_eq!(portal.count("SELECT count(*) FROM server_consents").await, 0);
        ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(200);
    }

    async fn a_server_that_is_connected_anew_is_asked_about_anew(portal) {
        let (ada, _, pmm) = team(portal).await;
        let given = portal.sign_in_to_server(&ada, &pmm).await;
        let again = portal.connect_pmm("ada", "8a2f", "Production", HOST).await;
        assert!(!is_alive(portal, &given.access).await);
        assert_eq!(error(&portal.refresh(&pmm, &given.refresh).await), (401, "invalid_client".to_owned()));
        assert_eq!(error(&portal.refresh(&again, &given.refresh).await), (400, "invalid_grant".to_owned()));
        ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(400);
        ada.get(&again.sign_in_path(&Flow::default(), &[])).await.is(200);
    }

    async fn strangers_learn_nothing_of_the_organization(portal) {
        let (_, _, pmm) = team(portal).await;
        let [eve] = portal.organization_with("Other", [("eve", Role::Admin)]).await;
        let nobody = portal.sign_up("nobody").await;
        for stranger in [&eve, &nobody] {
            let page = stranger.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(403);
            let html = page.html();
            for secret in ["Acme", "Ada", "Production"] {
                assert!(!html.contains(secret), "{secret} is on the page");
            }
            let silent = stranger.get(&pmm.sign_in_path(&Flow::default(), &[("prompt", "none")])).await.is(303);
            assert_eq!(parameter(silent.location(), "error"), "access_denied");
        }
        // Nor do they get past the page.
        let path = pmm.sign_in_path(&Flow::default(), &[]);
        let pairs = [("form[request]", path.split_once('?').unwrap().1), ("form[answer]", "allow")];
        eve.call("allow_server", &pairs).await.is(404);
        assert_eq!(portal.count("SELECT count(*) FROM oauth_grants").await, 0);
    }

    async fn code_replay_is_refused_and_ends_what_the_code_gave(portal) {
        let (ada, _, pmm) = team(portal).await;
        let flow = Flow::default();
        let place = portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await;
        let code = parameter(&place, "code");
        let given = Tokens::read(&portal.exchange(&pmm, &flow, &code).await);
        assert!(is_alive(portal, &given.access).await);
        // Without the verifier a stolen code does nothing, not even harm.
        assert_eq!(error(&portal.exchange(&pmm, &Flow::default(), &code).await), (400, "invalid_grant".to_owned()));
        assert!(is_alive(portal, &given.access).await);
        assert_eq!(error(&portal.exchange(&pmm, &flow, &code).await), (400, "invalid_grant".to_owned()));
        assert!(!is_alive(portal, &given.access).await);
        assert_eq!(error(&portal.refresh(&pmm, &given.refresh).await), (400, "invalid_grant".to_owned()));
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'server.reuse' AND actor_name = 'Ada Example'").await, 1);
        let activity = ada.get("/organization/activity").await.main();
        assert!(activity.contains("was signed out of the PMM server Production because a token came a second time"), "{activity}");
    }

    async fn a_code_of_another_client_is_worth_nothing(portal) {
        let (ada, _, pmm) = team(portal).await;
        let other = portal.connect_pmm("ada", "9b30", "Staging", "https://staging.example.com").await;
        let flow = Flow::default();
        let code = parameter(&portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await, "code");
        for thief in [&other, &Pmm { callback_url: pmm.callback_url.clone(), ..other.clone() }] {
            assert_eq!(error(&portal.exchange(thief, &flow, &code).await), (400, "invalid_grant".to_owned()));
        }
        // A machine is no client by which people sign in.
        let machine = Pmm { public_client_id: pmm.machine_client_id.clone(), ..pmm.clone() };
        assert_eq!(error(&portal.exchange(&machine, &flow, &code).await), (401, "invalid_client".to_owned()));
        let given = Tokens::read(&portal.exchange(&pmm, &flow, &code).await);
        assert_eq!(error(&portal.refresh(&other, &given.refresh).await), (400, "invalid_grant".to_owned()));
        assert!(is_alive(portal, &given.access).await, "another client's attempt ends nothing");
    }

    async fn pkce_is_asked_for_and_cannot_be_downgraded(portal) {
        let (ada, _, pmm) = team(portal).await;
        let flow = Flow::default();
        for more in [
            &[("code_challenge_method", "plain")][..],
            &[("code_challenge_method", "-")],
            &[("code_challenge", "-")],
            &[("code_challenge", "-"), ("code_challenge_method", "-")],
            &[("code_challenge", &flow.verifier[..20])],
        ] {
            let place = ada.get(&pmm.sign_in_path(&flow, more)).await.is(303).location().to_owned();
            assert_eq!((parameter(&place, "error"), parameter(&place, "state")), ("invalid_request".to_owned(), flow.state.clone()), "{more:?}");
        }
        let code = parameter(&portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await, "code");
        let challenge = org_portal::secrets::fingerprint(&flow.verifier);
        for verifier in ["", "x", &challenge, &flow.verifier[1..], &format!("{}x", flow.verifier)] {
            let wrong = Flow { verifier: verifier.to_owned(), ..flow.clone() };
            let answer = error(&portal.exchange(&pmm, &wrong, &code).await);
            assert_eq!(answer, (400, if verifier.is_empty() { "invalid_request" } else { "invalid_grant" }.to_owned()), "{verifier:?}");
        }
        Tokens::read(&portal.exchange(&pmm, &flow, &code).await);
    }

    async fn another_redirect_address_leads_nobody_anywhere(portal) {
        let (ada, _, pmm) = team(portal).await;
        let flow = Flow::default();
        for address in [
            "-",
            "https://evil.example/graph/login/generic_oauth",
            "https://pmm.example.com/graph/login/generic_oauth/",
            "https://pmm.example.com/graph/login/generic_oauth?x=y",
            "https://pmm.example.com/graph/login/generic_oauth#x",
            "https://pmm.example.com:443/graph/login/generic_oauth",
            "http://pmm.example.com/graph/login/generic_oauth",
            "https://PMM.example.com/graph/login/generic_oauth",
            "https://pmm.example.com/graph/../graph/login/generic_oauth",
            "https://pmm.example.com.evil.example/graph/login/generic_oauth",
        ] {
            for browser in [&ada, &portal.browser()] {
                let page = browser.get(&pmm.sign_in_path(&flow, &[("redirect_uri", address)])).await.is(400);
                assert!(page.location().is_empty() && !page.html().contains("evil.example"), "{address}: {}", page.sketch());
                // An error is no reason either.
                browser.get(&pmm.sign_in_path(&flow, &[("redirect_uri", address), ("response_type", "token")])).await.is(400);
            }
        }
        // Named twice, it is none.
        let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F", pmm.sign_in_path(&flow, &[]));
        ada.get(&twice).await.is(400);
        ada.get(&pmm.sign_in_path(&flow, &[("client_id", "nobody")])).await.is(400);
        // At the token endpoint it has to be the same once more.
        let code = parameter(&portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await, "code");
        let other = Pmm { callback_url: format!("{}/", pmm.callback_url), ..pmm.clone() };
        assert_eq!(error(&portal.exchange(&other, &flow, &code).await), (400, "invalid_grant".to_owned()));
    }

    async fn what_a_server_asks_wrongly_it_is_told(portal) {
        let (ada, _, pmm) = team(portal).await;
        for (more, wrong) in [
            (("response_type", "token"), "unsupported_response_type"),
            (("response_type", "code id_token"), "unsupported_response_type"),
            (("scope", "nothing"), "invalid_scope"),
            (("request", "x"), "request_not_supported"),
            (("request_uri", "https://evil.example"), "request_uri_not_supported"),
            (("prompt", "none login"), "invalid_request"),
            (("response_mode", "fragment"), "invalid_request"),
            (("max_age", "soon"), "invalid_request"),
        ] {
            let place = ada.get(&pmm.sign_in_path(&Flow::default(), &[more])).await.is(303).location().to_owned();
            assert!(place.starts_with(&pmm.callback_url), "{place}");
            assert_eq!((parameter(&place, "error").as_str(), parameter(&place, "iss").as_str()), (wrong, "http://127.0.0.1:3000/oauth2"), "{more:?}");
        }
        // Scopes that nobody knows are left out.
        let flow = Flow { scope: "openid admin groups".to_owned(), ..Flow::default() };
        let place = portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await;
        assert_eq!(Tokens::read(&portal.exchange(&pmm, &flow, &parameter(&place, "code")).await).whole["scope"], "openid");
    }

    async fn prompts_are_heeded(portal) {
        let (ada, _, pmm) = team(portal).await;
        let silent = |more: &[(&'static str, &'static str)]| {
            let mut all = vec![("prompt", "none")];
            all.extend(more);
            pmm.sign_in_path(&Flow::default(), &all)
        };
        let told = async |browser: &Browser, path: &str| parameter(browser.get(path).await.is(303).location(), "error");
        assert_eq!(told(&portal.browser(), &silent(&[])).await, "login_required");
        assert_eq!(told(&ada, &silent(&[])).await, "consent_required");
        portal.sign_in_to_server(&ada, &pmm).await;
        assert_eq!(told(&ada, &silent(&[])).await, "");
        portal.clock.advance(10 * MINUTE);
        assert_eq!(told(&ada, &silent(&[("max_age", "60")])).await, "login_required");
        assert_eq!(told(&ada, &silent(&[("max_age", "6000")])).await, "");
        // Asked once more, although the server knows them.
        ada.get(&pmm.sign_in_path(&Flow::default(), &[("prompt", "consent")])).await.is(200);
        // Signed in once more, and no third time.
        for more in [("prompt", "login"), ("max_age", "60"), ("max_age", "0"), ("prompt", "select_account")] {
            let before = portal.clock.now();
            portal.clock.advance(5 * MINUTE);
            let flow = Flow::default();
            let to_sign_in = ada.get(&pmm.sign_in_path(&flow, &[more])).await.is(303);
            assert!(to_sign_in.location().starts_with("/sign-in?to=%2Foauth2%2Fauthorize"), "{more:?}: {}", to_sign_in.location());
            let page = ada.get(to_sign_in.location()).await.is(200);
            // Whoever only goes back is sent there again.
            let to = page.form("/do/sign_in").value("to").to_owned();
            assert!(ada.get(&to).await.is(303).location().starts_with("/sign-in?"), "{more:?}");
            let form = page.form("/do/sign_in").with("email", "ada@example.com").with("password", PASSWORD);
            let back = ada.submit(&form).await.is(303);
            let place = ada.get(back.location()).await.is(303).location().to_owned();
            assert!(place.starts_with(&pmm.callback_url), "{more:?}: {place}");
            let claims = Tokens::read(&portal.exchange(&pmm, &flow, &parameter(&place, "code")).await).claims();
            assert!(claims["auth_time"].as_i64().unwrap() >= (before.0 + 5 * MINUTE) / SECOND, "{claims}");
        }
    }

    async fn refresh_reuse_ends_all_that_the_person_gave(portal) {
        let (ada, tom, pmm) = team(portal).await;
        let (first, of_tom) = (portal.sign_in_to_server(&ada, &pmm).await, portal.sign_in_to_server(&tom, &pmm).await);
        let second = Tokens::read(&portal.refresh(&pmm, &first.refresh).await);
        assert_ne!(first.refresh, second.refresh);
        for more in ["bogus", "openid bogus"] {
            let body = [("grant_type", "refresh_token"), ("refresh_token", second.refresh.as_str()), ("client_id", &pmm.public_client_id), ("scope", more)];
            assert_eq!(error(&portal.ask_token("", &body, None).await), (400, "invalid_scope".to_owned()), "{more:?}");
        }
        assert_eq!(second.claims()["sub"], first.claims()["sub"]);
        assert_eq!(second.claims()["auth_time"], first.claims()["auth_time"]);
        assert!(is_alive(portal, &first.access).await && is_alive(portal, &second.access).await);
        assert_eq!(error(&portal.refresh(&pmm, &first.refresh).await), (400, "invalid_grant".to_owned()));
        assert!(!is_alive(portal, &second.access).await && !is_alive(portal, &first.access).await);
        assert_eq!(error(&portal.refresh(&pmm, &second.refresh).await), (400, "invalid_grant".to_owned()));
        assert!(is_alive(portal, &of_tom.access).await, "others are left alone");
        // They sign in again without being asked.
        ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(303);
    }

    async fn a_second_use_of_a_refresh_token_is_noticed_for_a_week(portal) {
        let (mut ada, _, pmm) = team(portal).await;
        for (after, is_noticed) in [(7 * DAY - MINUTE, true), (7 * DAY + MINUTE, false)] {
            ada = portal.sign_in_again(&ada, "ada").await;
            let first = portal.sign_in_to_server(&ada, &pmm).await;
            let second = Tokens::read(&portal.refresh(&pmm, &first.refresh).await);
            portal.clock.advance(after);
            org_portal::maintenance::once(&portal.portal).await.unwrap();
            assert_eq!(error(&portal.refresh(&pmm, &first.refresh).await), (400, "invalid_grant".to_owned()));
            assert_eq!(portal.refresh(&pmm, &second.refresh).await.status != 200, is_noticed, "after {after}");
        }
    }

    async fn ten_refreshes_at_once_leave_no_two_families(portal) {
        let (ada, _, pmm) = team(portal).await;
        let given = portal.sign_in_to_server(&ada, &pmm).await;
        let answers = futures::future::join_all((0..10).map(|_| portal.refresh(&pmm, &given.refresh))).await;
        let won: Vec<Tokens> = answers.iter().filter(|answer| answer.status == 200).map(Tokens::read).collect();
        assert!(won.len() <= 1, "{} won", won.len());
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(error(lost), (400, "invalid_grant".to_owned()));
        }
        let mut families = 0;
        for tokens in &won {
            families += usize::from(portal.refresh(&pmm, &tokens.refresh).await.status == 200);
        }
        assert_eq!(families, 0, "a second use was among the ten");
        assert!(!is_alive(portal, &given.access).await);
    }

    async fn tokens_end_in_their_time(portal) {
        let (ada, _, pmm) = team(portal).await;
        let flow = Flow::default();
        let code = parameter(&portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await, "code");
        portal.clock.advance(MINUTE);
        assert_eq!(error(&portal.exchange(&pmm, &flow, &code).await), (400, "invalid_grant".to_owned()), "a code lasts a minute");
        let code = parameter(&portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await, "code");
        portal.clock.advance(MINUTE - SECOND);
        assert_eq!(portal.exchange(&pmm, &flow, &code).await.status, 200, "and not less");
        let mut given = portal.sign_in_to_server(&ada, &pmm).await;
        portal.clock.advance(HOUR - SECOND);
        assert!(is_alive(portal, &given.access).await);
        portal.clock.advance(SECOND);
        assert!(!is_alive(portal, &given.access).await);
        assert_eq!(portal.userinfo(&given.access).await.status, 401);
        for _ in 0..4 {
            portal.clock.advance(89 * DAY);
            org_portal::maintenance::once(&portal.portal).await.unwrap();
            given = Tokens::read(&portal.refresh(&pmm, &given.refresh).await);
            assert!(is_alive(portal, &given.access).await);
        }
        // A year after the person signed in it ends, however much it is used.
        portal.clock.advance(9 * DAY);
        assert_eq!(error(&portal.refresh(&pmm, &given.refresh).await), (400, "invalid_grant".to_owned()));
        portal.sign_in_again(&ada, "ada").await;
        given = portal.sign_in_to_server(&ada, &pmm).await;
        portal.clock.advance(90 * DAY);
        assert_eq!(error(&portal.refresh(&pmm, &given.refresh).await), (400, "invalid_grant".to_owned()));
        portal.clock.advance(DAY);
        org_portal::maintenance::once(&portal.portal).await.unwrap();
        assert_eq!(portal.count("SELECT (SELECT count(*) FROM oauth_grants) + (SELECT count(*) FROM oauth_tokens)").await, 0, "what is over is forgotten");
    }

    async fn the_token_of_a_removed_member_is_worth_nothing(portal) {
        let (ada, tom, pmm) = team(portal).await;
        let given = portal.sign_in_to_server(&tom, &pmm).await;
        let flow = Flow::default();
        let code = parameter(&portal.go_to_server(&tom, &pmm.sign_in_path(&flow, &[])).await, "code");
        let member = portal.member_of("tom").await;
        ada.fill(&format!("/organization/members/{member}/remove"), "/do/remove_member", &[]).await.is(303);
        assert!(!is_alive(portal, &given.access).await, "on the next request");
        assert_eq!(error(&portal.refresh(&pmm, &given.refresh).await), (400, "invalid_grant".to_owned()));
        assert_eq!(error(&portal.exchange(&pmm, &flow, &code).await), (400, "invalid_grant".to_owned()));
        tom.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(403);
        // One who comes back begins anew.
        portal.invite(&ada, "tom@example.com", Role::TechnicalUser).await.is(303);
        let link = portal.link("tom@example.com", "/invitation").await;
        tom.fill(&link, "/do/accept_invitation", &[]).await.leads_to("/organization");
        assert!(!is_alive(portal, &given.access).await);
        assert_eq!(error(&portal.refresh(&pmm, &given.refresh).await), (400, "invalid_grant".to_owned()));
        tom.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(200);
    }

    async fn a_changed_role_bites_on_the_next_request(portal) {
        let (ada, tom, pmm) = team(portal).await;
        let given = portal.sign_in_to_server(&tom, &pmm).await;
        let member = portal.member_of("tom").await;
        let organization = json!([portal.organization_of("ada").await.to_string()]);
        ada.fill(&format!("/organization/members/{member}/edit"), "/do/change_role", &[("role", "Admin")]).await.is(303);
        assert_eq!(json_of(&portal.userinfo(&given.access).await)["portal_admin_orgs"], organization);
        let next = Tokens::read(&portal.refresh(&pmm, &given.refresh).await);
        assert_eq!(next.claims()["portal_admin_orgs"], organization);
        ada.fill(&format!("/organization/members/{member}/edit"), "/do/change_role", &[("role", "Technical user")]).await.is(303);
        assert_eq!(json_of(&portal.userinfo(&next.access).await)["portal_admin_orgs"], json!([]));
    }

    async fn locks_suspensions_and_resets_end_what_was_given(portal) {
        let (ada, tom, pmm) = team(portal).await;
        let operator = portal.operator("operator").await;
        let (of_ada, of_tom) = (portal.sign_in_to_server(&ada, &pmm).await, portal.sign_in_to_server(&tom, &pmm).await);
        let organization = portal.organization_of("ada").await;
        operator.fill(&format!("/operator/organizations/{organization}/suspend"), "/do/suspend_organization", &[("reason", "Unpaid")]).await.is(303);
        assert_eq!(portal.userinfo(&of_tom.access).await.status, 401);
        assert!(tokens::authenticate(&portal.portal, &of_tom.access).await.is_err(), "403, with the reason");
        assert_eq!(error(&portal.refresh(&pmm, &of_tom.refresh).await), (400, "invalid_grant".to_owned()));
        assert_eq!(error(&portal.ask_token("", &[("grant_type", "client_credentials")], Some((&pmm.machine_client_id, &pmm.machine_secret))).await), (400, "unauthorized_client".to_owned()));
        tom.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(403).says("Unpaid");
        assert_eq!(parameter(tom.get(&pmm.sign_in_path(&Flow::default(), &[("prompt", "none")])).await.is(303).location(), "error"), "access_denied");
        operator.fill(&format!("/operator/organizations/{organization}"), "/do/resume_organization", &[]).await.is(303);
        assert!(is_alive(portal, &of_tom.access).await, "it was not what was given that ended");
        // A lock ends it for good.
        let account = account_of(portal, "tom").await;
        operator.fill(&format!("/operator/accounts/{account}/lock"), "/do/lock_account", &[("reason", "Spam")]).await.is(303);
        assert!(!is_alive(portal, &of_tom.access).await);
        operator.fill(&format!("/operator/accounts/{account}"), "/do/unlock_account", &[]).await.is(303);
        assert!(!is_alive(portal, &of_tom.access).await);
        assert_eq!(error(&portal.refresh(&pmm, &of_tom.refresh).await), (400, "invalid_grant".to_owned()));
        // So does a reset.
        assert!(is_alive(portal, &of_ada.access).await);
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let link = portal.link("ada@example.com", "/reset-password").await;
        portal.browser().fill(&link, "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.is(303);
        assert!(!is_alive(portal, &of_ada.access).await);
        assert_eq!(portal.count("SELECT count(*) FROM oauth_grants").await, 0);
    }

    async fn scopes_cannot_be_mixed_up(portal) {
        let (ada, _, pmm) = team(portal).await;
        let of = async |scope: &str| {
            let flow = Flow { scope: scope.to_owned(), ..Flow::default() };
            let place = portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await;
            Tokens::read(&portal.exchange(&pmm, &flow, &parameter(&place, "code")).await)
        };
        let bare = of("openid").await;
        assert!(bare.refresh.is_empty(), "without offline_access there is no refresh token");
        for told in [bare.claims(), json_of(&portal.userinfo(&bare.access).await.is(200))] {
            for claim in ["email", "email_verified", "name", "preferred_username"] {
                assert!(told[claim].is_null(), "{claim}: {told}");
            }
            assert!(told["portal_admin_orgs"].is_array() && told["pmm_demo_ids"].is_array(), "{told}");
        }
        assert!(tokens::authenticate(&portal.portal, &bare.access).await.unwrap().is_none(), "the API is another scope");
        let only_api = of("percona offline_access").await;
        assert!(only_api.id.is_empty());
        assert_eq!(error(&portal.userinfo(&only_api.access).await), (403, "insufficient_scope".to_owned()));
        // A refresh gives no more than was agreed to, and less where less is asked for.
        let body = |scope: &'static str, token: &str| [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned()), ("scope", scope.to_owned()), ("client_id", pmm.public_client_id.clone())];
        let refresh = async |scope: &'static str, token: &str| {
            let body = body(scope, token);
            let body: Vec<(&str, &str)> = body.iter().map(|(k, v)| (*k, v.as_str())).collect();
            portal.ask_token("", &body, None).await
        };
        assert_eq!(error(&refresh("percona email", &only_api.refresh).await), (400, "invalid_scope".to_owned()));
        let all = of("openid email profile offline_access percona").await;
        let less = Tokens::read(&refresh("openid", &all.refresh).await);
        assert_eq!(less.whole["scope"], "openid");
        assert!(json_of(&portal.userinfo(&less.access).await)["email"].is_null());
        let full = Tokens::read(&refresh("openid email percona", &less.refresh).await);
        assert_eq!(json_of(&portal.userinfo(&full.access).await)["email"], "ada@example.com");
        // A machine's token is no person's, a person's no machine's, and no kind of token does for another.
        let machine = json_of(&portal.ask_token("grant_type=client_credentials&scope=percona", &[], Some((&pmm.machine_client_id, &pmm.machine_secret))).await);
        let machine = machine["access_token"].as_str().unwrap();
        assert_eq!(tokens::machine(&portal.portal, machine).await.unwrap().map(|server| server.0), Some(pmm.id));
        assert!(!is_alive(portal, machine).await);
        assert!(tokens::machine(&portal.portal, &full.access).await.unwrap().is_none());
        for wrong in [&full.refresh, &full.id, &machine.replace("opm_", "opa_"), &full.access.replace("opa_", "opm_"), &full.refresh.replace("opr_", "opa_")] {
            assert!(!is_alive(portal, wrong).await, "{wrong}");
            assert!(tokens::machine(&portal.portal, wrong).await.unwrap().is_none(), "{wrong}");
        }
        for wrong in [&full.access, machine] {
            assert_eq!(error(&portal.refresh(&pmm, wrong).await), (400, "invalid_grant".to_owned()));
        }
        assert_eq!(error(&portal.ask_token("", &[("grant_type", "client_credentials"), ("scope", "percona openid")], Some((&pmm.machine_client_id, &pmm.machine_secret))).await), (400, "invalid_scope".to_owned()));
    }

    /// The portal takes no JWT as a token; and what it signs says RS256, with keys that do nothing else.
    async fn algorithm_confusion_gains_nothing(portal) {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
        use hmac::Mac as _;
        let (ada, _, pmm) = team(portal).await;
        let given = portal.sign_in_to_server(&ada, &pmm).await;
        let head: Value = serde_json::from_slice(&BASE64.decode(given.id.split('.').next().unwrap()).unwrap()).unwrap();
        let set = json_of(&portal.browser().get("/oauth2/jwks").await.is(200));
        let key = &set["keys"][0];
        assert_eq!((&head["alg"], &head["kid"]), (&json!("RS256"), &key["kid"]));
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&json!("RSA"), &json!("sig"), &json!("RS256")));
        assert!(key["d"].is_null() && key["k"].is_null() && set["keys"].as_array().unwrap().len() == 1, "{set}");
        let modulus = BASE64.decode(key["n"].as_str().unwrap()).unwrap();
        assert_eq!(modulus.len(), 256, "2,048 bits");
        // The signature is right, as another implementation sees it.
        let signed = given.id.rsplit_once('.').unwrap();
        let public = ring::signature::RsaPublicKeyComponents { n: &modulus, e: &BASE64.decode(key["e"].as_str().unwrap()).unwrap() };
        public.verify(&ring::signature::RSA_PKCS1_2048_8192_SHA256, signed.0.as_bytes(), &BASE64.decode(signed.1).unwrap()).unwrap();
        // Claims signed with nothing, or with the public key as a secret.
        let claims = BASE64.encode(given.claims().to_string());
        let none = format!("{}.{claims}.", BASE64.encode(r#"{"alg":"none","typ":"JWT"}"#));
        let unsigned = format!("{}.{claims}", BASE64.encode(json!({ "alg": "HS256", "typ": "JWT", "kid": key["kid"] }).to_string()));
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&modulus).unwrap();
        mac.update(unsigned.as_bytes());
        let symmetric = format!("{unsigned}.{}", BASE64.encode(mac.finalize().into_bytes()));
        for forged in [none, symmetric, given.id.clone()] {
            assert_eq!(portal.userinfo(&forged).await.status, 401);
            assert!(!is_alive(portal, &forged).await);
            assert_eq!(error(&portal.refresh(&pmm, &forged).await), (400, "invalid_grant".to_owned()));
        }
    }

    async fn an_unverified_address_does_not_go_out(portal) {
        let (ada, _, pmm) = team(portal).await;
        let given = portal.sign_in_to_server(&ada, &pmm).await;
        // Another address that was asked for and is not confirmed.
        ada.fill("/account/email", "/do/change_email", &[("email", "admin@other.example"), ("password", PASSWORD)]).await.is(303);
        let said = async |token: &str| json_of(&portal.userinfo(token).await.is(200))["email"].clone();
        assert_eq!(said(&given.access).await, "ada@example.com");
        let next = Tokens::read(&portal.refresh(&pmm, &given.refresh).await);
        assert_eq!((&next.claims()["email"], &next.claims()["email_verified"]), (&json!("ada@example.com"), &json!(true)));
        let link = portal.link("admin@other.example", "/confirm-email").await;
        ada.fill(&link, "/do/confirm_email", &[]).await.is(303);
        assert_eq!(said(&next.access).await, "admin@other.example");
        // An address that signed up and did not verify is no account: it signs in to nothing.
        let fields = [("email", "new@example.com"), ("first_name", "New"), ("last_name", ""), ("password", PASSWORD)];
        let new = portal.browser();
        new.fill("/sign-up", "/do/sign_up", &fields).await.is(303);
        assert!(new.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(303).location().starts_with("/sign-in"));
    }

    async fn consent_forged_from_another_site_is_refused(portal) {
        let (ada, _, pmm) = team(portal).await;
        let form = ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.form("/do/allow_server").forged("form[answer]", "allow");
        let body = encode(&form.fields);
        for headers in [
            &[("origin", "https://pmm.example.com"), ("sec-fetch-site", "cross-site")][..],
            &[("origin", "https://pmm.example.com")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "null")],
        ] {
            let mut all = vec![("accept", "text/html"), ("content-type", "application/x-www-form-urlencoded")];
            all.extend(headers);
            ada.send(Method::POST, "/do/allow_server", &all, Some(body.clone())).await.is(403);
        }
        // Nor by a link.
        ada.get(&format!("/do/allow_server?{}", String::from_utf8(body).unwrap())).await.leads_to("/oauth2/authorize");
        assert_eq!(portal.count("SELECT count(*) FROM server_consents").await, 0);
        // No page of another site holds this one.
        let page = ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await;
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'") && page.header("x-frame-options") == "DENY");
        // And what is sent is read as strictly as what was asked.
        let mut forged = Pmm { callback_url: "https://evil.example/".to_owned(), ..pmm.clone() }.sign_in_path(&Flow::default(), &[]);
        forged = forged.split_once('?').unwrap().1.to_owned();
        ada.submit(&form.clone().forged("form[request]", &forged)).await.is(422);
        assert_eq!(portal.count("SELECT count(*) FROM server_consents").await, 0);
    }

    async fn sign_out_leads_to_connected_servers_alone(portal) {
        let (_, _, pmm) = team(portal).await;
        portal.connect_pmm("ada", "9b30", "Staging", "http://10.0.0.7:8080").await;
        portal.connect_pmm("ada", "9b31", "Books", "https://b\u{fc}cher.example").await;
        let out = async |address: &str| {
            let ada = portal.sign_in("ada").await;
            let query: String = url::form_urlencoded::byte_serialize(address.as_bytes()).collect();
            let answer = ada.get(&format!("/login/signout?fromURI={query}")).await.is(303);
            assert!(ada.cookie("session").is_none(), "{address}");
            ada.get("/account").await.leads_to("/sign-in?to=%2Faccount");
            answer.location().to_owned()
        };
        for right in ["https://pmm.example.com/graph/login", "https://pmm.example.com/", "https://PMM.example.com:443/graph/login", "http://10.0.0.7:8080/graph/login?x=y", "https://b\u{fc}cher.example/graph/login", "https://xn--bcher-kva.example/graph/login"] {
            assert_eq!(out(right).await, url::Url::parse(right).unwrap().to_string());
        }
        for wrong in [
            "", "https://evil.example/", "http://pmm.example.com/graph/login", "https://pmm.example.com:8443/graph/login", "https://pmm.example.com.evil.example/graph/login",
            "https://xpmm.example.com/", "https://pmm_example.com/", "https://pmm%2Eexample.com.evil.example/", "https://pmm.example.com@evil.example/graph/login",
            "https://evil@pmm.example.com/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "data:text/html,x", "http://10.0.0.7/graph", "https://%/", "https://_/", "https://",
        ] {
            assert_eq!(out(wrong).await, "/sign-in", "{wrong}");
        }
        // Who is signed in nowhere is led there all the same; a browser that loads ahead signs nobody out.
        let stranger = portal.browser().get("/login/signout?fromURI=https://pmm.example.com/graph/login").await;
        stranger.leads_to("https://pmm.example.com/graph/login");
        let ada = portal.sign_in("ada").await;
        ada.send(Method::GET, "/login/signout", &[("sec-purpose", "prefetch")], None).await.is(503);
        ada.get("/account").await.is(200);
        // Another site that leads somebody here signs nobody out; a connected server does.
        for (site, address, ends) in [
            ("cross-site", "https://evil.example/", false), ("cross-site", "", false), ("same-site", "//evil.example", false),
            ("cross-site", "https://pmm.example.com/graph/login", true), ("none", "https://evil.example/", true),
        ] {
            let query: String = url::form_urlencoded::byte_serialize(address.as_bytes()).collect();
            let headers = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("accept", "text/html")];
            let ada = portal.sign_in("ada").await;
            let answer = ada.send(Method::GET, &format!("/login/signout?fromURI={query}"), &headers, None).await.is(303);
            assert_eq!(ada.get("/account").await.status, if ends { 303 } else { 200 }, "{site} {address}");
            assert!(ends || answer.location() == "/account", "{}", answer.location());
        }
        portal.disconnect_server(&pmm).await;
        assert_eq!(out("https://pmm.example.com/graph/login").await, "/sign-in", "it is connected no more");
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'session.sign_out'").await, 27);
    }

    async fn the_account_page_lists_the_servers_that_know_one_and_takes_it_back(portal) {
        let (ada, tom, pmm) = team(portal).await;
        assert!(ada.get("/account").await.main().contains("When you sign in to a PMM server with this account, it stands here."));
        let (of_ada, of_tom) = (portal.sign_in_to_server(&ada, &pmm).await, portal.sign_in_to_server(&tom, &pmm).await);
        let page = ada.get("/account").await;
        assert_eq!(page.texts("[aria-labelledby='servers-title'] .list-title"), ["Production"]);
        assert!(page.texts("[aria-labelledby='servers-title'] .list-meta")[0].starts_with("pmm.example.com · knows you since "), "{}", page.main());
        let form = page.form("/do/forget_server");
        ada.submit(&form).await.leads_to("/account");
        let page = ada.get("/account").await.says("What you gave the server has ended");
        assert!(!page.has_form("/do/forget_server"));
        assert!(!is_alive(portal, &of_ada.access).await && is_alive(portal, &of_tom.access).await);
        assert_eq!(error(&portal.refresh(&pmm, &of_ada.refresh).await), (400, "invalid_grant".to_owned()));
        ada.submit(&form.forged("drawn[key]", "another")).await.is(404);
        ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(200);
        let said = ada.get("/organization/activity").await.main();
        assert!(said.contains("took back that Production knows who they are"), "{said}");
    }

    /// Byte by byte as PMM asks: parameters in the address, an empty body, Basic authentication.
    async fn a_machine_gets_its_token_by_the_address_alone(portal) {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let (_, _, pmm) = team(portal).await;
        let basic = STANDARD.encode(format!("{}:{}", pmm.machine_client_id, pmm.machine_secret));
        let request = format!(
            "POST /oauth2/token?grant_type=client_credentials&scope=percona HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 0\r\nAccept: application/json\r\nAuthorization: Basic {basic}\r\nContent-Type: application/x-www-form-urlencoded\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        );
        let (status, head, answer) = raw(portal, &request).await;
        assert!(status == 200 && head.contains("cache-control: no-store"), "{head}");
        let body: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((&body["token_type"], &body["expires_in"], &body["scope"]), (&json!("Bearer"), &json!(3600), &json!("percona")));
        let access = body["access_token"].as_str().unwrap().to_owned();
        assert!(access.starts_with("opm_") && access.len() < 400, "{access}");
        let server = async |token: &str| tokens::machine(&portal.portal, token).await.unwrap().map(|server| server.0);
        assert_eq!(server(&access).await, Some(pmm.id));
        portal.clock.advance(HOUR - 2 * SECOND);
        assert_eq!(server(&access).await, Some(pmm.id));
        portal.clock.advance(3 * SECOND);
        assert_eq!(server(&access).await, None, "an hour later");
        // As RFC 6749 has it.
        let basic = Some((pmm.machine_client_id.as_str(), pmm.machine_secret.as_str()));
        let answer = json_of(&portal.ask_token("", &[("grant_type", "client_credentials")], basic).await.is(200));
        let access = answer["access_token"].as_str().unwrap().to_owned();
        // Connected anew, and disconnected.
        let again = portal.connect_pmm("ada", "8a2f", "Production", HOST).await;
        assert_eq!(server(&access).await, None);
        assert_eq!(error(&portal.ask_token("grant_type=client_credentials", &[], basic).await), (401, "invalid_client".to_owned()));
        let basic = Some((again.machine_client_id.as_str(), again.machine_secret.as_str()));
        let answer = json_of(&portal.ask_token("grant_type=client_credentials", &[], basic).await.is(200));
        portal.disconnect_server(&again).await;
        assert_eq!(server(answer["access_token"].as_str().unwrap()).await, None);
        assert_eq!(error(&portal.ask_token("grant_type=client_credentials", &[], basic).await), (401, "invalid_client".to_owned()));
    }

    async fn a_token_is_asked_for_as_it_should_be(portal) {
        let (ada, _, pmm) = team(portal).await;
        let (id, secret) = (pmm.machine_client_id.as_str(), pmm.machine_secret.as_str());
        let machine = Some((id, secret));
        let told = async |query: &str, body: &[(&str, &str)], basic: Option<(&str, &str)>| error(&portal.ask_token(query, body, basic).await);
        let is = |code: u16, error: &str| (code, error.to_owned());
        assert_eq!(told("grant_type=client_credentials", &[], None).await, is(401, "invalid_client"));
        assert_eq!(told("grant_type=client_credentials", &[], Some((id, "wrong"))).await, is(401, "invalid_client"));
        // As a value of a form (RFC 6749, section 2.3.1), and as it is.
        let written = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        assert_eq!(portal.ask_token("grant_type=client_credentials", &[], Some((&written(id), &written(secret)))).await.status, 200);
        assert_eq!(portal.ask_token("grant_type=client_credentials", &[], machine).await.status, 200);
        assert_eq!(told("grant_type=client_credentials", &[], Some((id, "%FF"))).await, is(401, "invalid_client"));
        assert_eq!(told("grant_type=client_credentials", &[], Some((id, ""))).await, is(401, "invalid_client"));
        assert_eq!(told("grant_type=client_credentials", &[], Some(("nobody", secret))).await, is(401, "invalid_client"));
        // A secret in an address is in somebody's log.
        let in_address = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        assert_eq!(told(&in_address, &[], None).await, is(401, "invalid_client"));
        assert_eq!(told(&in_address, &[], machine).await, is(401, "invalid_client"));
        assert_eq!(told("", &[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)], None).await, is(401, "invalid_client"));
        assert_eq!(told("", &[("grant_type", "client_credentials"), ("client_id", "another")], machine).await, is(401, "invalid_client"));
        assert_eq!(told("", &[], machine).await, is(400, "invalid_request"));
        assert_eq!(told("grant_type=password&username=ada&password=x", &[], machine).await, is(400, "invalid_request"));
        assert_eq!(told("", &[("grant_type", "password")], machine).await, is(400, "unsupported_grant_type"));
        assert_eq!(told("", &[("grant_type", "client_credentials"), ("grant_type", "client_credentials")], machine).await, is(400, "invalid_request"));
        // The body wins, and only this one grant is read from the address.
        assert_eq!(told("grant_type=client_credentials", &[("grant_type", "password")], machine).await, is(400, "unsupported_grant_type"));
        assert_eq!(portal.ask_token("grant_type=client_credentials&scope=nothing", &[("scope", "percona")], machine).await.status, 200);
        assert_eq!(told("grant_type=client_credentials&scope=nothing", &[], machine).await, is(400, "invalid_scope"));
        let flow = Flow::default();
        let code = parameter(&portal.go_to_server(&ada, &pmm.sign_in_path(&flow, &[])).await, "code");
        let pairs = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &pmm.callback_url), ("client_id", &pmm.public_client_id), ("code_verifier", &flow.verifier)];
        let in_address = String::from_utf8(encode(&pairs)).unwrap();
        assert_eq!(told(&in_address, &[], Some((&pmm.public_client_id, ""))).await, is(400, "invalid_request"));
        // As Go's client tries it first: the id alone by Basic authentication.
        assert_eq!(portal.ask_token("", &pairs, Some((&pmm.public_client_id, ""))).await.status, 200);
        assert_eq!(told("", &pairs, Some((&pmm.public_client_id, "secret"))).await, is(401, "invalid_client"));
        assert_eq!(told("grant_type=client_credentials", &[], Some((&pmm.public_client_id, ""))).await, is(401, "invalid_client"));
        let unauthorized = portal.ask_token("", &[], Some(("x", "y"))).await;
        assert!(unauthorized.header("content-type").starts_with("application/json"));
        let wrong = portal.ask_token("grant_type=client_credentials", &[], None).await;
        assert!(wrong.header("www-authenticate").starts_with("Basic "), "{:?}", wrong.headers);
        // Another kind of body, and another method.
        let json = portal.browser().send(Method::POST, "/oauth2/token", &[("content-type", "application/json")], Some(b"{}".to_vec())).await;
        assert_eq!(error(&json), is(400, "invalid_request"));
        assert_eq!(portal.browser().get("/oauth2/token").await.is(405).header("allow"), "POST");
        assert_eq!(portal.browser().send(Method::POST, "/oauth2/token", &[], Some(vec![b'a'; 65 * 1024])).await.status, 413);
    }

    async fn refused_requests_for_tokens_are_limited_and_right_ones_are_not(portal, Options::default().with("token_rate", "3/60").with("token_address_rate", "8/60")) {
        let (_, _, pmm) = team(portal).await;
        let ask = async |id: &str, secret: &str| portal.ask_token("grant_type=client_credentials", &[], Some((id, secret))).await;
        for _ in 0..3 {
            ask(&pmm.machine_client_id, "wrong").await.is(401);
        }
        let limited = ask(&pmm.machine_client_id, "wrong").await.is(429);
        assert!(limited.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=61).contains(&seconds)), "{:?}", limited.headers);
        ask(&pmm.machine_client_id, &pmm.machine_secret).await.is(200);
        // Another client is counted by itself, until the address has had its share.
        for _ in 0..3 {
            ask("another", "wrong").await.is(401);
        }
        ask("a third", "wrong").await.is(401);
        ask("a fourth", "wrong").await.is(401);
        ask("a fifth", "wrong").await.is(429);
        ask(&pmm.machine_client_id, &pmm.machine_secret).await.is(200);
        portal.clock.advance(3 * MINUTE);
        ask(&pmm.machine_client_id, "wrong").await.is(401);
    }

    async fn a_server_gives_tokens_back(portal) {
        let (ada, tom, pmm) = team(portal).await;
        let other = portal.connect_pmm("ada", "9b30", "Staging", "https://staging.example.com").await;
        let (first, second, of_tom) = (portal.sign_in_to_server(&ada, &pmm).await, portal.sign_in_to_server(&ada, &pmm).await, portal.sign_in_to_server(&tom, &pmm).await);
        let revoke = async |pmm: &Pmm, token: &str| portal.post_as_server("/oauth2/revoke", "", &[("token", token), ("client_id", &pmm.public_client_id)], None).await;
        // What is not there, or not theirs, is answered alike, and stays.
        for (pmm, token) in [(&pmm, "opr_nothing"), (&other, first.refresh.as_str()), (&other, first.access.as_str())] {
            assert_eq!(revoke(pmm, token).await.is(200).html(), "");
        }
        assert!(is_alive(portal, &first.access).await);
        revoke(&pmm, &first.refresh).await.is(200);
        assert!(!is_alive(portal, &first.access).await && is_alive(portal, &second.access).await);
        revoke(&pmm, &second.access).await.is(200);
        assert!(!is_alive(portal, &second.access).await && is_alive(portal, &of_tom.access).await);
        assert_eq!(error(&portal.refresh(&pmm, &second.refresh).await), (400, "invalid_grant".to_owned()));
        assert_eq!(error(&revoke(&pmm, "opm_x").await), (400, "unsupported_token_type".to_owned()));
        assert_eq!(error(&portal.post_as_server("/oauth2/revoke", "", &[("token", "x")], None).await), (401, "invalid_client".to_owned()));
        assert_eq!(error(&portal.post_as_server("/oauth2/revoke", "", &[("client_id", &pmm.public_client_id)], None).await), (400, "invalid_request".to_owned()));
        let said = ada.get("/organization/activity").await.main();
        assert!(said.contains("signed out of the PMM server Production"), "{said}");
    }

    async fn the_provider_says_what_it_does(portal) {
        let browser = portal.browser();
        let answer = browser.get("/oauth2/.well-known/openid-configuration").await.is(200);
        let said = json_of(&answer);
        assert_eq!(said["issuer"], "http://127.0.0.1:3000/oauth2");
        for (name, path) in [("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("userinfo_endpoint", "userinfo"), ("jwks_uri", "jwks"), ("revocation_endpoint", "revoke")] {
            assert_eq!(said[name], format!("http://127.0.0.1:3000/oauth2/{path}"));
        }
        assert_eq!(said["response_types_supported"], json!(["code"]));
        assert_eq!(said["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(said["grant_types_supported"], json!(["authorization_code", "refresh_token", "client_credentials"]));
        assert_eq!(said["token_endpoint_auth_methods_supported"], json!(["none", "client_secret_basic"]));
        assert_eq!(said["id_token_signing_alg_values_supported"], json!(["RS256"]));
        assert_eq!(said["subject_types_supported"], json!(["public"]));
        assert_eq!(said["authorization_response_iss_parameter_supported"], true);
        assert_eq!(answer.body, browser.get("/.well-known/oauth-authorization-server/oauth2").await.is(200).body);
        for path in ["/oauth2/.well-known/openid-configuration", "/oauth2/jwks"] {
            let answer = browser.send(Method::GET, path, &[("origin", "https://elsewhere.example")], None).await.is(200);
            assert_eq!((answer.header("cache-control"), answer.header("access-control-allow-origin")), ("no-store", ""));
        }
        for path in ["/oauth2", "/oauth2/", "/oauth2/nothing", "/oauth2/token/", "/login/signout/"] {
            assert_eq!(browser.get(path).await.status, 404, "{path}");
        }
    }

    async fn keys_are_replaced_and_the_old_ones_stay_while_they_are_needed(portal) {
        let (ada, _, pmm) = team(portal).await;
        let kids = async || json_of(&portal.browser().get("/oauth2/jwks").await.is(200))["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let signer = async || {
            let id = portal.sign_in_to_server(&ada, &pmm).await.id;
            use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
            let head: Value = serde_json::from_slice(&BASE64.decode(id.split('.').next().unwrap()).unwrap()).unwrap();
            head["kid"].as_str().unwrap().to_owned()
        };
        let first = signer().await;
        assert_eq!(kids().await, std::slice::from_ref(&first));
        keys::rotate(&portal.portal, keys::Rotation::Ahead).await.unwrap();
        let both = kids().await;
        assert_eq!((both.len(), &both[0]), (2, &first));
        assert_eq!(signer().await, first, "the new one is published before it signs");
        portal.clock.advance(DAY);
        portal.sign_in_again(&ada, "ada").await;
        assert_eq!(signer().await, both[1]);
        portal.clock.advance(HOUR);
        org_portal::maintenance::once(&portal.portal).await.unwrap();
        assert_eq!(kids().await, both, "what the first one signed may last");
        portal.clock.advance(HOUR);
        assert_eq!(kids().await, [both[1].clone()]);
        org_portal::maintenance::once(&portal.portal).await.unwrap();
        assert_eq!(portal.count("SELECT count(*) FROM signing_keys").await, 1);
        // By its age, once.
        portal.clock.advance(90 * DAY);
        for _ in 0..2 {
            org_portal::maintenance::once(&portal.portal).await.unwrap();
        }
        assert_eq!(kids().await.len(), 2);
        // Where somebody else has them.
        keys::rotate(&portal.portal, keys::Rotation::InPlace).await.unwrap();
        let only = kids().await;
        assert!(only.len() == 1 && !both.contains(&only[0]), "{only:?}");
        portal.sign_in_again(&ada, "ada").await;
        assert_eq!(signer().await, only[0]);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'portal.rotate_keys'").await, 4);
    }

    async fn of_keys_that_are_made_at_once_one_wins(portal) {
        let second = TestPortal::second(portal).await;
        let asked = futures::future::join_all((0..6).map(|n| keys::set(if n % 2 == 0 { &portal.portal } else { &second.portal }))).await;
        let sets: Vec<Value> = asked.into_iter().map(Result::unwrap).collect();
        assert!(sets.iter().all(|set| *set == sets[0]), "{sets:?}");
        assert_eq!(portal.count("SELECT count(*) FROM signing_keys").await, 1);
        let rotated = futures::future::join_all([keys::rotate(&portal.portal, keys::Rotation::Ahead), keys::rotate(&second.portal, keys::Rotation::Ahead)]).await;
        assert!(rotated.iter().all(Result::is_ok), "{rotated:?}");
        assert_eq!(portal.count("SELECT count(*) FROM signing_keys").await, 2);
        second.stop().await;
    }

    async fn private_keys_do_not_stand_in_the_database(portal) {
        keys::set(&portal.portal).await.unwrap();
        let row = portal.rows("SELECT modulus, sealed FROM signing_keys").await.remove(0);
        assert!(!row[1].contains(&row[0]), "the private key holds the modulus, and is sealed");
        // With another key file they are worth nothing: another one is made.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("other.key");
        org_portal::seal::make(&file, org_portal::secrets::Random).unwrap();
        let other = TestPortal::second_with(portal, Options::default().with("key_file", file.to_str().unwrap())).await;
        assert_eq!(keys::set(&other.portal).await.unwrap()["keys"].as_array().unwrap().len(), 2);
        assert_eq!(keys::count_foreign(&mut portal.portal.read().await.unwrap(), &portal.portal.seal).await.unwrap(), 1);
        other.stop().await;
    }

    async fn people_pages_keep_the_frame_and_no_script(portal) {
        let (ada, _, pmm) = team(portal).await;
        let page = ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(200);
        assert!(page.header("content-security-policy").contains("script-src 'none'"));
        assert_eq!(page.header("referrer-policy"), "same-origin");
        // A server at an address of IPv6, which a policy cannot name.
        let six = portal.connect_pmm("ada", "9b30", "Six", "https://[2001:db8::7]:8443").await;
        let page = ada.get(&six.sign_in_path(&Flow::default(), &[])).await.is(200);
        assert!(page.header("content-security-policy").contains("form-action 'self' https:; "), "{}", page.header("content-security-policy"));
        assert!(page.main().contains("[2001:db8::7]:8443"), "{}", page.main());
    }
}

/// Without a key file the provider is off, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_file_nobody_signs_in_anywhere() {
    let portal = TestPortal::start(Engine::Postgres, Options::default().with("key_file", "")).await;
    let (ada, _, pmm) = team(&portal).await;
    for path in ["/oauth2/.well-known/openid-configuration", "/oauth2/jwks"] {
        assert_eq!(error(&portal.browser().get(path).await), (404, "temporarily_unavailable".to_owned()));
    }
    let basic = Some((pmm.machine_client_id.as_str(), pmm.machine_secret.as_str()));
    assert_eq!(error(&portal.ask_token("grant_type=client_credentials", &[], basic).await), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(error(&portal.userinfo("opa_x").await), (503, "temporarily_unavailable".to_owned()));
    ada.get(&pmm.sign_in_path(&Flow::default(), &[])).await.is(503).says("Signing in to PMM is off");
    let refusal = org_portal::oauth::actions::ready(&portal.portal).unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (409, "no_key_file"));
    assert!(keys::rotate(&portal.portal, keys::Rotation::Ahead).await.is_err());
    org_portal::maintenance::once(&portal.portal).await.unwrap();
    // Signing out goes on.
    ada.get("/login/signout?fromURI=https://pmm.example.com/graph/login").await.leads_to("https://pmm.example.com/graph/login");
    portal.close().await;
}

/// A key file that is named has to be there and to hold keys.
#[test]
fn a_key_file_that_is_named_and_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing.key");
    let settings = |file: &std::path::Path| {
        [("database_url".to_owned(), "sqlite:x.db".to_owned()), ("key_file".to_owned(), file.to_str().unwrap().to_owned())].into()
    };
    let config = org_portal::config::Config::read(&settings(&file)).unwrap();
    assert!(org_portal::seal::Seal::prepare(&config, org_portal::secrets::Random).unwrap_err().contains("missing.key"));
    assert!(!file.exists(), "what is named is not made");
    std::fs::write(&file, "nonsense\n").unwrap();
    assert!(org_portal::seal::Seal::open(&config).unwrap_err().contains("org-portal-key-1:"));
}

const AUTHLIB: &str = "1.9.10";
const JMESPATH: &str = "1.1.0";

/// The whole flow by a client that knows OpenID Connect and nothing of the portal: `authlib`. It discovers, sends somebody
/// here, exchanges the code, verifies the ID token with the published keys, asks userinfo, refreshes, revokes.
const CLIENT: &str = r#"
import json, sys, time, urllib.parse
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oidc.core import CodeIDToken, UserInfo

base, client_id, redirect, session, now = sys.argv[1:6]
now = int(now)
at = lambda url: base + urllib.parse.urlsplit(url).path
config = requests.get(base + "/oauth2/.well-known/openid-configuration").json()
client = OAuth2Session(client_id, redirect_uri=redirect, scope="openid profile email offline_access percona",
                       code_challenge_method="S256", token_endpoint_auth_method="none")
verifier = "v" * 64
url, state = client.create_authorization_url(config["authorization_endpoint"], code_verifier=verifier, nonce="n-1")
answer = requests.get(base + urllib.parse.urlsplit(url).path + "?" + urllib.parse.urlsplit(url).query,
                      cookies={"session": session}, allow_redirects=False)
assert answer.status_code == 303, answer.text
place = answer.headers["location"]
assert urllib.parse.parse_qs(urllib.parse.urlsplit(place).query)["iss"] == [config["issuer"]]
token = client.fetch_token(at(config["token_endpoint"]), authorization_response=place, state=state, code_verifier=verifier)
keys = JsonWebKey.import_key_set(requests.get(at(config["jwks_uri"])).json())
claims = jwt.decode(token["id_token"], keys, claims_cls=CodeIDToken, claims_options={
    "iss": {"essential": True, "value": config["issuer"]}, "aud": {"essential": True, "value": client_id}},
    claims_params={"nonce": "n-1", "client_id": client_id, "access_token": token["access_token"]})
claims.validate(now=now, leeway=5)
info = UserInfo(client.get(at(config["userinfo_endpoint"])).json())
assert info["sub"] == claims["sub"]
refreshed = client.refresh_token(at(config["token_endpoint"]), refresh_token=token["refresh_token"])
assert refreshed["refresh_token"] != token["refresh_token"]
again = jwt.decode(refreshed["id_token"], keys, claims_cls=CodeIDToken)
again.validate(now=now, leeway=5)
assert again["sub"] == claims["sub"]
revoked = client.revoke_token(at(config["revocation_endpoint"]), token=refreshed["refresh_token"], token_type_hint="refresh_token")
assert revoked.status_code == 200
assert requests.get(at(config["userinfo_endpoint"]), headers={"Authorization": "Bearer " + refreshed["access_token"]}).status_code == 401
machine = OAuth2Session(sys.argv[6], sys.argv[7], token_endpoint_auth_method="client_secret_basic", scope="percona")
assert machine.fetch_token(at(config["token_endpoint"]), grant_type="client_credentials")["token_type"] == "Bearer"
print(json.dumps({"claims": dict(claims), "info": dict(info)}))
"#;

/// Grafana's expressions, as PMM sets them, over claims.
const ROLES: &str = r#"
import json, jmespath, sys
claims, org, server = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
newer = f"(contains(portal_admin_orgs[*], '{org}') || contains(pmm_demo_ids[*], '{server}')) && 'Admin' || 'Viewer'"
older = f"contains(portal_admin_orgs[*], '{org}') && 'Admin' || 'Viewer'"
print(jmespath.search(newer, claims), jmespath.search(older, claims))
"#;

/// A Python with the clients, in the user's cache directory, made where it is missing.
fn python() -> std::path::PathBuf {
    static PYTHON: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    PYTHON
        .get_or_init(|| {
            venv(
                &format!("oidc-{AUTHLIB}-{JMESPATH}"),
                &[&format!("authlib=={AUTHLIB}"), &format!("jmespath=={JMESPATH}"), "requests", "cryptography"],
                "authlib and jmespath, by which the provider is checked,",
            )
        })
        .clone()
}

async fn run(script: &'static str, arguments: Vec<String>) -> String {
    let output = tokio::task::spawn_blocking(move || {
        Command::new(python()).env("AUTHLIB_INSECURE_TRANSPORT", "1").arg("-c").arg(script).args(arguments).output()
    })
    .await
    .unwrap()
    .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

on_both! {
    async fn a_client_that_nobody_here_wrote_goes_the_whole_way_and_grafana_sees_the_right_roles(portal) {
        let (ada, tom, pmm) = team(portal).await;
        let organization = portal.organization_of("ada").await.to_string();
        let roles = async |claims: &Value, organization: &str| run(ROLES, vec![claims.to_string(), organization.to_owned(), pmm.server_id.clone()]).await;
        for (browser, name, role) in [(&ada, "ada", "Admin Admin"), (&tom, "tom", "Viewer Viewer")] {
            portal.sign_in_to_server(browser, &pmm).await;
            let now = portal.clock.now().0 / SECOND;
            let arguments = vec![
                portal.base(), pmm.public_client_id.clone(), pmm.callback_url.clone(), browser.cookie("session").unwrap(), now.to_string(),
                pmm.machine_client_id.clone(), pmm.machine_secret.clone(),
            ];
            let told: Value = serde_json::from_str(&run(CLIENT, arguments).await).unwrap();
            for claims in [&told["claims"], &told["info"]] {
                assert_eq!(claims["email"], format!("{name}@example.com"));
                assert_eq!(roles(claims, &organization).await, role, "{name}");
                // Of another organization nobody here is Admin.
                assert_eq!(roles(claims, &uuid::Uuid::nil().to_string()).await, "Viewer Viewer");
            }
        }
        // In another organization's server the same person would be no Admin, and nobody gets that far without a membership.
        let [eve] = portal.organization_with("Other", [("eve", Role::Admin)]).await;
        let of_eve = portal.connect_pmm("eve", "77", "Elsewhere", "https://elsewhere.example.com").await;
        let claims = portal.sign_in_to_server(&eve, &of_eve).await.claims();
        assert_eq!(roles(&claims, &organization).await, "Viewer Viewer");
        assert_eq!(roles(&json!({ "portal_admin_orgs": [], "pmm_demo_ids": [] }), &organization).await, "Viewer Viewer");
    }
}
