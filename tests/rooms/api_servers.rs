//! PMM servers by `/v1` (`PMM-API.md` 1.1, 1.2, 1.9, 1.11), and tokens of every scope at every call.

use org_portal::{
    api::Needs,
    permissions::Role,
    routes::{API, Access},
    words::DAY,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{on_both, support::Flow};

const NOT_THERE: &str = "This does not exist, or is not there for you.";

fn server(id: &str) -> Value {
    json!({
        "pmm_server_id": id, "pmm_server_name": "my PMM", "pmm_server_url": "https://pmm.example.com/graph",
        "pmm_server_oauth_callback_url": "https://pmm.example.com/graph/login/generic_oauth",
    })
}

on_both! {
    async fn a_server_connects_is_listed_and_disconnects(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        portal.organization_with("Other", [("eve", Role::Admin)]).await;
        let (ada, bob, eve) = (portal.api_of("ada").await, portal.api_of("bob").await, portal.api_of("eve").await);
        let id = portal.organization_of("ada").await.to_string();
        let connected = bob.post("/v1/orgs/inventory", server("9a2f")).await.ok();
        let details = &connected["sso_details"];
        assert_eq!(connected["org_id"], id);
        assert_eq!((details["scope"].as_str(), details["issuer_url"].as_str()), (Some("percona"), Some(format!("{}/oauth2", portal.config.base()).as_str())));
        assert_eq!(details.as_object().unwrap().len(), 5, "{connected}");
        // In camelCase, by the other address: the same server, with new credentials.
        let again = json!({ "pmmServerId": "9a2f", "pmmServerName": "renamed", "pmmServerUrl": "https://pmm.example.com/graph", "pmmServerOauthCallbackUrl": "https://pmm.example.com/graph/login/generic_oauth" });
        let again = bob.post("/v1/orgs/inventory:connect", again).await.ok();
        for field in ["grafana_client_id", "pmm_managed_client_id", "pmm_managed_client_secret"] {
            assert_ne!(again["sso_details"][field], details[field], "{field}");
        }
        let listed = json!({ "inventory": [{ "pmm_server_id": "9a2f", "pmm_server_name": "renamed", "pmm_server_url": "https://pmm.example.com/graph" }] });
        let search = format!("/v1/orgs/{id}/inventory:search");
        for api in [&ada, &bob] {
            assert_eq!(api.post(&search, json!({})).await.ok(), listed);
        }
        eve.call(&search).await.refused(404, 5, NOT_THERE);
        // Of another organization it is neither taken nor told whose it is.
        let taken = eve.post("/v1/orgs/inventory", server("9a2f")).await.fails(409, 6);
        assert!(!taken.text.contains("Acme") && !taken.text.contains("ob Example"), "{}", taken.text);
        eve.call("/v1/orgs/inventory/9a2f:disconnect").await.refused(404, 5, NOT_THERE);
        assert_eq!(ada.post("/v1/orgs/inventory/9a2f:disconnect", json!({})).await.ok(), json!({}));
        assert_eq!(ada.call(&search).await.ok(), json!({ "inventory": [] }));
        ada.call("/v1/orgs/inventory/9a2f:disconnect").await.refused(404, 5, NOT_THERE);
        eve.post("/v1/orgs/inventory", server("9a2f")).await.ok();
    }

    async fn what_is_wrong_with_a_server_is_said_under_its_names(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.sign_up("zoe").await;
        let ada = portal.api_of("ada").await;
        let empty = ada.call("/v1/orgs/inventory").await.fails(400, 3);
        for name in ["PmmServerId", "PmmServerName", "PmmServerUrl", "PmmServerOauthCallbackUrl"] {
            assert!(empty.text.contains(&format!("invalid field {name}: value '' must not be an empty string")), "{name}: {}", empty.text);
        }
        let mut elsewhere = server("9a2f");
        elsewhere["pmm_server_oauth_callback_url"] = json!("https://evil.example/graph/login/generic_oauth");
        let refused = ada.post("/v1/orgs/inventory", elsewhere).await.fails(400, 3);
        assert!(refused.value["message"].as_str().unwrap().starts_with("invalid field PmmServerOauthCallbackUrl: "), "{}", refused.text);
        let message = "You belong to no organization yet. Add one or accept an invitation first.";
        portal.api_of("zoe").await.post("/v1/orgs/inventory", server("9a2f")).await.refused(400, 9, message);
        assert_eq!(portal.count("SELECT count(*) FROM pmm_servers").await, 0);
    }

    async fn a_token_does_what_its_scope_says_at_every_call(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let id = portal.organization_of("ada").await.to_string();
        let tokens = [
            ("pmm:connect", portal.token(&ada, "pmm:connect", "30 minutes").await),
            ("read", portal.token(&ada, "read", "1 day").await),
            ("full", portal.token(&ada, "full", "1 day").await),
        ];
        let nil = uuid::Uuid::nil().to_string();
        for route in API.iter().filter(|route| route.access != Access::Anyone) {
            let path = route.path.replace("{org_id}", &id).replace("{member_id}", &nil).replace("{pmm_server_id}", "none");
            for (scope, secret) in &tokens {
                let may = match route.needs {
                    Needs::Nothing => true,
                    Needs::Reading => *scope != "pmm:connect",
                    Needs::Writing(action) => *scope == "full" || (*scope == "pmm:connect" && action.code() == "server.connect"),
                    Needs::Session => false,
                };
                // What may be done is not done here: it would end what the other tokens stand on.
                if may && route.method == Method::DELETE && !route.path.contains("member") {
                    continue;
                }
                let reply = portal.api().with(secret).send(route.method.clone(), &path, String::new()).await;
                let refused = reply.status == 403 && (reply.text.contains("This token is not for") || reply.text.contains("This is for a session alone"));
                assert_eq!(refused, !may, "{scope}: {} {path}: {} {}", route.method, reply.status, reply.text);
                assert_ne!(reply.status, 401, "{scope}: {path}");
            }
        }
        // A token that is read with cannot use up the organization's invitations.
        let limits = portal.count("SELECT count(*) FROM limits").await;
        let body = json!({ "username": "new@example.com", "role": "Admin" });
        portal.api().with(&tokens[1].1).post(&format!("/v1/orgs/{id}/members"), body.clone()).await.fails(403, 7);
        assert_eq!(portal.count("SELECT count(*) FROM limits").await, limits);
        portal.api().with(&tokens[2].1).post(&format!("/v1/orgs/{id}/members"), body).await.ok();
        portal.clock.advance(2 * DAY);
        for (_, secret) in &tokens {
            portal.api().with(secret).call("/v1/orgs:search").await.fails(401, 16);
        }
    }

    async fn what_a_server_got_for_a_person_reads_for_them_and_is_a_sign_of_life(portal) {
        let [ada, _] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let pmm = portal.connect_pmm("ada", "9a2f", "Production", "https://pmm.example.com").await;
        let tokens = portal.sign_in_to_server(&ada, &pmm).await;
        let api = portal.api().with(&tokens.access);
        let id = portal.organization_of("ada").await.to_string();
        api.get(&format!("/v1/orgs/{id}")).await.ok();
        api.call(&format!("/v1/orgs/{id}/tickets:search")).await.ok();
        api.post("/v1/orgs", json!({ "name": "x" })).await.fails(403, 7);
        api.put(&format!("/v1/orgs/{id}"), json!({ "name": "x" })).await.fails(403, 7);
        org_portal::pmm::contact::flush(&portal.portal).await.unwrap();
        assert_ne!(portal.text("SELECT last_contact_at FROM pmm_servers").await, "");
        // It disconnects its own server, and is worth nothing from then on.
        api.call("/v1/orgs/inventory/9a2f:disconnect").await.ok();
        api.get(&format!("/v1/orgs/{id}")).await.fails(401, 16);
    }

    async fn a_servers_own_token_is_a_sign_of_life_and_nobodys(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let pmm = portal.connect_pmm("ada", "9a2f", "Production", "https://pmm.example.com").await;
        let basic = Some((pmm.machine_client_id.as_str(), pmm.machine_secret.as_str()));
        let answer = portal.ask_token("grant_type=client_credentials&scope=percona", &[], basic).await.is(200);
        let token: Value = serde_json::from_str(&answer.html()).unwrap();
        org_portal::pmm::contact::flush(&portal.portal).await.unwrap();
        portal.execute("UPDATE pmm_servers SET last_contact_at = NULL").await;
        portal.clock.advance(DAY / 24 / 2);
        let api = portal.api().with(token["access_token"].as_str().unwrap());
        api.call("/v1/telemetry/GenericReport").await.ok();
        org_portal::pmm::contact::flush(&portal.portal).await.unwrap();
        assert_eq!(portal.text("SELECT last_contact_at FROM pmm_servers").await, portal.clock.now().0.to_string());
        for path in ["/v1/orgs:search", "/v1/auth/GetProfile", "/v1/orgs/inventory/9a2f:disconnect"] {
            api.call(path).await.fails(403, 7);
        }
        // Nor is one for signing in alone, good as it is; when it has ended, it is nothing.
        let ada = portal.sign_in("ada").await;
        let only = Flow { scope: "openid email".to_owned(), ..Flow::default() };
        let tokens = portal.sign_in_to_server_with(&ada, &pmm, &only).await;
        let api = portal.api().with(&tokens.access);
        api.call("/v1/orgs:search").await.fails(403, 7);
        portal.disconnect_server(&pmm).await;
        api.call("/v1/orgs:search").await.fails(401, 16);
    }
}
