//! `/v1/orgs`: organizations and members for programs (`PMM-API.md` 1.5, 1.11).

use org_portal::{permissions::Role, words::DAY};
use serde_json::{Value, json};

use crate::{on_both, support::*};

const NOT_THERE: &str = "This does not exist, or is not there for you.";
const ROLE: &str = "Your role does not allow this. An Admin of your organization can do it.";

/// The members as `username role status`.
async fn members(api: &Api, organization: &str) -> Vec<String> {
    let answer = api.post(&format!("/v1/orgs/{organization}/members:search"), json!({})).await.ok();
    let mut members: Vec<String> = answer["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| {
            assert!(member["member_id"].is_string() && member["first_name"].is_string() && member["last_name"].is_string(), "{member}");
            format!("{} {} {}", member["username"].as_str().unwrap(), member["role"].as_str().unwrap(), member["status"].as_str().unwrap())
        })
        .collect();
    members.sort();
    members
}

/// The id by which somebody is managed.
async fn id_of(api: &Api, organization: &str, username: &str) -> String {
    let answer = api.post(&format!("/v1/orgs/{organization}/members:search"), json!({ "user": { "username": username } })).await.ok();
    let members = answer["members"].as_array().unwrap();
    assert_eq!(members.len(), 1, "{answer}");
    members[0]["member_id"].as_str().unwrap().to_owned()
}

on_both! {
    async fn an_organization_is_added_found_renamed_and_deleted(portal) {
        portal.sign_up("ada").await;
        let ada = portal.api_of("ada").await;
        assert_eq!(ada.call("/v1/orgs:search").await.ok(), json!({ "orgs": [] }));
        ada.call("/v1/orgs").await.refused(400, 3, "invalid field Name: value '' must not be an empty string");
        let added = ada.post("/v1/orgs", json!({ "name": "Acme & Sons" })).await.ok();
        let org = added["org"].clone();
        let id = org["id"].as_str().unwrap().to_owned();
        let created = org["created_at"].as_str().unwrap();
        assert_eq!(org, json!({ "id": id, "name": "Acme & Sons", "created_at": created, "updated_at": created, "tier": "" }));
        assert!(created.starts_with("2026-11-24T12:00:00.") && created.ends_with('Z') && created.len() == 27, "{created}");
        assert_eq!(ada.post("/v1/orgs:search", json!({})).await.ok(), json!({ "orgs": [org] }));
        let already = "You belong to an organization already. An account can be in one at a time.";
        ada.post("/v1/orgs", json!({ "name": "Other" })).await.refused(409, 6, already);
        let whole = ada.get(&format!("/v1/orgs/{id}")).await.ok();
        assert_eq!(whole, json!({ "org": org, "contacts": { "customer_success": { "name": "", "email": "" }, "new_ticket_url": "" } }));
        let renamed = ada.put(&format!("/v1/orgs/{id}"), json!({ "name": "Acme" })).await.ok();
        assert_eq!(renamed["org"]["name"], "Acme");
        ada.put(&format!("/v1/orgs/{id}"), json!({ "name": "" })).await.refused(400, 3, "invalid field Name: value '' must not be an empty string");
        assert_eq!(ada.delete(&format!("/v1/orgs/{id}")).await.ok(), json!({}));
        assert_eq!(ada.call("/v1/orgs:search").await.ok(), json!({ "orgs": [] }));
        ada.get(&format!("/v1/orgs/{id}")).await.refused(404, 5, NOT_THERE);
        ada.delete(&format!("/v1/orgs/{id}")).await.refused(404, 5, NOT_THERE);
    }

    async fn an_organization_that_is_not_yours_is_none(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.organization_with("Other", [("eve", Role::Admin)]).await;
        portal.sign_up("bob").await;
        let id = portal.organization_of("ada").await.to_string();
        portal.deliver().await;
        let before = portal.state().await;
        let nobody = uuid::Uuid::nil().to_string();
        let other = portal.organization_of("eve").await.to_string();
        for (name, ids) in [("eve", [id.as_str(), nobody.as_str(), "nonsense"]), ("bob", [id.as_str(), other.as_str(), "x%00"])] {
            let api = portal.api_of(name).await;
            for id in ids {
                let at = |rest: &str| format!("/v1/orgs/{id}{rest}");
                api.get(&at("")).await.refused(404, 5, NOT_THERE);
                api.put(&at(""), json!({ "name": "Mine" })).await.refused(404, 5, NOT_THERE);
                api.delete(&at("")).await.refused(404, 5, NOT_THERE);
                api.post(&at("/members"), json!({ "username": "new@example.com", "role": "Technical" })).await.refused(404, 5, NOT_THERE);
                api.post(&at("/members:bulk"), json!({ "users": [{ "username": "new@example.com", "role": "Admin" }] })).await.refused(404, 5, NOT_THERE);
                for call in ["/members:search", "/tickets:search", "/entitlements:search", &format!("/members/{nobody}:reactivate")] {
                    api.call(&at(call)).await.refused(404, 5, NOT_THERE);
                }
                api.put(&at(&format!("/members/{nobody}")), json!({ "role": "Admin" })).await.refused(404, 5, NOT_THERE);
                api.delete(&at(&format!("/members/{nobody}"))).await.refused(404, 5, NOT_THERE);
            }
        }
        portal.execute("DELETE FROM sessions WHERE user_agent = 'Go-http-client/1.1'").await;
        portal.execute("UPDATE sessions SET idle_expires_at = 0, last_seen_at = 0").await;
        let strip = |mut state: std::collections::BTreeMap<String, Vec<Vec<String>>>| { state.retain(|table, _| table != "sessions" && table != "members"); state };
        assert_eq!(strip(portal.state().await), strip(before));
    }

    async fn a_technical_user_reads_and_invites_technical_users_and_nothing_more(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let (bob, id) = (portal.api_of("bob").await, portal.organization_of("ada").await.to_string());
        let at = |rest: &str| format!("/v1/orgs/{id}{rest}");
        let ada_member = portal.member_of("ada").await.to_string();
        bob.get(&at("")).await.ok();
        assert_eq!(members(&bob, &id).await, ["ada@example.com Admin ACTIVE", "bob@example.com Technical ACTIVE"]);
        bob.post(&at("/members"), json!({ "username": "carol@example.com", "role": "Technical" })).await.ok();
        bob.post(&at("/members"), json!({ "username": "dave@example.com", "role": "Admin" })).await.refused(403, 7, ROLE);
        bob.put(&at(""), json!({ "name": "Mine" })).await.refused(403, 7, ROLE);
        bob.delete(&at("")).await.refused(403, 7, ROLE);
        bob.put(&at(&format!("/members/{ada_member}")), json!({ "role": "Technical" })).await.refused(403, 7, ROLE);
        bob.delete(&at(&format!("/members/{ada_member}"))).await.refused(403, 7, ROLE);
        bob.call("/v1/events:search").await.refused(403, 7, ROLE);
        bob.call(&at("/entitlements:search")).await.refused(403, 7, "Only an Admin of the organization may see its entitlements.");
        // What was refused is noted.
        let refused = portal.rows("SELECT action FROM audit_events WHERE outcome = 'forbidden' ORDER BY at, id").await.concat();
        assert_eq!(refused, ["invitation.send", "organization.rename", "organization.delete", "member.change_role", "member.remove"]);
        // Their own invitation is theirs to revoke.
        let carol = id_of(&bob, &id, "carol@example.com").await;
        bob.delete(&at(&format!("/members/{carol}"))).await.ok();
    }

    async fn whoever_is_invited_is_provisioned_and_active_once_they_accept(portal) {
        let [admin] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let (ada, id) = (portal.api_of("ada").await, portal.organization_of("ada").await.to_string());
        let invite = format!("/v1/orgs/{id}/members");
        let body = json!({ "username": "Bob@example.com", "role": "Technical", "orgId": id });
        assert_eq!(ada.post(&invite, body.clone()).await.ok(), json!({}));
        assert_eq!(members(&ada, &id).await, ["Bob@example.com Technical PROVISIONED", "ada@example.com Admin ACTIVE"]);
        ada.post(&invite, body).await.refused(409, 6, "This address is invited already. You can send the invitation again.");
        ada.post(&invite, json!({ "username": "ada@example.com", "role": "Admin" })).await.refused(409, 6, "This address belongs to a member of your organization already.");
        ada.post(&invite, json!({})).await.refused(400, 3, "invalid field Username: value '' must not be an empty string");
        ada.post(&invite, json!({ "username": "carol@example.com" })).await.refused(400, 3, "invalid field Role: value '' must not be an empty string");
        ada.post(&invite, json!({ "username": "carol@example.com", "role": "King" })).await.refused(400, 3, "invalid field Role: Choose a role");
        ada.post(&invite, json!({ "username": "carol@example.com, dave@example.com", "role": "Admin" })).await.fails(400, 3);
        // Sent again, the earlier link is dead.
        let first = portal.link("bob@example.com", "/invitation").await;
        let bob = id_of(&ada, &id, "bob@example.com").await;
        ada.post(&format!("{invite}/{bob}:reactivate"), json!({ "organizationId": id, "memberId": bob })).await.ok();
        let second = portal.link("bob@example.com", "/invitation").await;
        assert_ne!(first, second);
        portal.browser().get(&first).await.is(410);
        // Also after its time is over.
        portal.clock.advance(8 * DAY);
        let ada = portal.api_of("ada").await;
        assert_eq!(members(&ada, &id).await[0], "Bob@example.com Technical PROVISIONED");
        ada.call(&format!("{invite}/{bob}:reactivate")).await.ok();
        let link = portal.link("bob@example.com", "/invitation").await;
        let browser = portal.browser();
        let fields = [("first_name", "Bob"), ("last_name", "B."), ("password", PASSWORD)];
        browser.fill(&format!("/sign-up?invitation={}", link.rsplit('=').next().unwrap()), "/do/sign_up", &fields).await.is(303);
        browser.fill(&link, "/do/accept_invitation", &[]).await.leads_to("/organization");
        let answer = ada.post(&format!("{invite}:search"), json!({ "user": { "username": "BOB@example.com" } })).await.ok();
        let member = &answer["members"][0];
        assert_eq!(member, &json!({ "member_id": member["member_id"], "username": "Bob@example.com", "first_name": "Bob", "last_name": "B.", "role": "Technical", "status": "ACTIVE" }));
        for nobody in ["nobody@example.com", "nonsense", "bob"] {
            assert_eq!(ada.post(&format!("{invite}:search"), json!({ "user": { "username": nobody } })).await.ok(), json!({ "members": [] }));
        }
        // Who is a member is not sent anything.
        let bob = member["member_id"].as_str().unwrap();
        ada.call(&format!("{invite}/{bob}:reactivate")).await.refused(404, 5, NOT_THERE);
        drop(admin);
    }

    async fn roles_are_changed_and_people_removed_members_and_invited_alike(portal) {
        let [_, bob_browser] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let (ada, id) = (portal.api_of("ada").await, portal.organization_of("ada").await.to_string());
        let invite = format!("/v1/orgs/{id}/members");
        ada.post(&invite, json!({ "username": "carol@example.com", "role": "Technical" })).await.ok();
        let [me, bob, carol] = [id_of(&ada, &id, "ada@example.com").await, id_of(&ada, &id, "bob@example.com").await, id_of(&ada, &id, "carol@example.com").await];
        for who in [&bob, &carol] {
            ada.put(&format!("{invite}/{who}"), json!({ "role": "King" })).await.refused(400, 3, "invalid field Role: Choose a role");
            ada.put(&format!("{invite}/{who}"), json!({ "role": "Admin" })).await.ok();
        }
        assert_eq!(members(&ada, &id).await, ["ada@example.com Admin ACTIVE", "bob@example.com Admin ACTIVE", "carol@example.com Admin PROVISIONED"]);
        ada.put(&format!("{invite}/{me}"), json!({ "role": "Technical" })).await.refused(403, 7, "Nobody can change their own role. Another Admin can change yours.");
        ada.delete(&format!("{invite}/{me}")).await.refused(400, 3, "You cannot remove yourself. Leave the organization instead");
        ada.delete(&format!("{invite}/{carol}")).await.ok();
        ada.delete(&format!("{invite}/{carol}")).await.refused(400, 9, "This invitation is not pending any more.");
        let bob_api = portal.api_of("bob").await;
        bob_api.call("/v1/events:search").await.ok();
        ada.delete(&format!("{invite}/{bob}")).await.ok();
        // It bites on the next request.
        bob_api.call("/v1/events:search").await.refused(404, 5, NOT_THERE);
        assert_eq!(bob_api.call("/v1/orgs:search").await.ok(), json!({ "orgs": [] }));
        bob_browser.get("/organization").await.is(404);
        ada.delete(&format!("{invite}/{bob}")).await.refused(404, 5, NOT_THERE);
        ada.delete(&format!("{invite}/nonsense")).await.refused(404, 5, NOT_THERE);
        assert_eq!(members(&ada, &id).await, ["ada@example.com Admin ACTIVE"]);
    }

    async fn ten_are_invited_at_once_and_who_cannot_be_is_named(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let (ada, id) = (portal.api_of("ada").await, portal.organization_of("ada").await.to_string());
        let bulk = format!("/v1/orgs/{id}/members:bulk");
        let user = |name: &str, role: &str| json!({ "username": name, "role": role });
        let answer = ada.post(&bulk, json!({ "users": [user("carol@example.com", "Admin"), user("bob@example.com", "Technical"), user("nonsense", "Technical"), user("", "Admin"), user("dave@example.com", ""), user("eve@example.com", "Technical"), user("eve@example.com", "Admin")] })).await.ok();
        let errors: Vec<(&str, &str)> = answer["errors"].as_array().unwrap().iter().map(|error| (error["username"].as_str().unwrap(), error["error"].as_str().unwrap())).collect();
        assert_eq!(errors.iter().map(|(username, _)| *username).collect::<Vec<_>>(), ["bob@example.com", "nonsense", "", "dave@example.com", "eve@example.com"]);
        assert_eq!(errors[0].1, "This address belongs to a member of your organization already.");
        assert_eq!(errors[2].1, "invalid field Username: value '' must not be an empty string");
        assert_eq!(errors[3].1, "invalid field Role: value '' must not be an empty string");
        assert_eq!(errors[4].1, "This address is invited already. You can send the invitation again.");
        assert_eq!(members(&ada, &id).await, ["ada@example.com Admin ACTIVE", "bob@example.com Technical ACTIVE", "carol@example.com Admin PROVISIONED", "eve@example.com Technical PROVISIONED"]);
        let many: Vec<Value> = (0..11).map(|n| user(&format!("p{n}@example.com"), "Technical")).collect();
        ada.post(&bulk, json!({ "users": many })).await.refused(400, 3, "You can invite up to 10 users at once.");
        assert_eq!(ada.post(&bulk, json!({ "users": many[..10] })).await.ok(), json!({ "errors": [] }));
        ada.post(&bulk, json!({})).await.refused(400, 3, "invalid field Users: Name at least one user.");
        let bob = portal.api_of("bob").await;
        let answer = bob.post(&bulk, json!({ "users": [user("x@example.com", "Admin"), user("y@example.com", "Technical")] })).await.ok();
        assert_eq!(answer, json!({ "errors": [{ "username": "x@example.com", "error": ROLE }] }));
    }

    async fn a_suspended_organization_answers_with_the_reason(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let (ada, id) = (portal.api_of("ada").await, portal.organization_of("ada").await.to_string());
        portal.execute("UPDATE organizations SET suspended_at = 1, suspension_reason = 'Unpaid'").await;
        let message = "Your organization is suspended. The reason that the operator gave: Unpaid";
        for (method, path) in [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/members"), ("POST", "/members:search"), ("POST", "/tickets:search"), ("POST", "/entitlements:search")] {
            let body = json!({ "name": "New", "username": "x@example.com", "role": "Admin" }).to_string();
            ada.send(method.parse().unwrap(), &format!("/v1/orgs/{id}{path}"), body).await.refused(403, 7, message);
        }
        ada.call("/v1/orgs:search").await.refused(403, 7, message);
        ada.call("/v1/auth/GetProfile").await.ok();
    }

    async fn the_audit_log_is_filtered_ordered_and_paged(portal) {
        let [_, _] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let (ada, id) = (portal.api_of("ada").await, portal.organization_of("ada").await.to_string());
        let search = async |fsp: Value| {
            let answer = ada.post("/v1/events:search", json!({ "fsp": fsp })).await.ok();
            let types: Vec<String> = answer["events"].as_array().unwrap().iter().map(|event| event["action_type"].as_str().unwrap().to_owned()).collect();
            (types, answer)
        };
        let bob = portal.member_of("bob").await.to_string();
        ada.put(&format!("/v1/orgs/{id}/members/{bob}"), json!({ "role": "Admin" })).await.ok();
        portal.clock.advance(DAY / 2);
        ada.put(&format!("/v1/orgs/{id}/members/{}", portal.member_of("ada").await), json!({ "role": "Technical" })).await.fails(403, 7);
        let (types, answer) = search(json!({})).await;
        assert_eq!(types, ["member.change_role", "member.change_role", "invitation.accept", "invitation.send", "organization.add"], "{answer}");
        assert_eq!(answer["page_totals"], json!({ "total_items": 5, "total_pages": 1 }));
        let [refused, changed] = [&answer["events"][0], &answer["events"][1]];
        assert_eq!(refused["action_status"], json!({ "code": 2, "message": "Nobody changes their own role" }));
        assert_eq!(changed["action_status"], json!({ "code": 1, "message": "" }));
        assert_eq!(changed["objects"], json!([{ "id": bob, "name": "Bob Example", "type": "organization_member", "initial_state": { "role": "Technical user" }, "result_state": { "role": "Admin" } }]));
        for (field, value) in [("organization_id", id.as_str()), ("user_agent", "Go-http-client/1.1"), ("user_ip_address", "127.0.0.1"), ("event_source", "account"), ("user_role", "")] {
            assert_eq!(changed[field], value, "{changed}");
        }
        assert_eq!(changed.as_object().unwrap().len(), 12, "{changed}");
        let filter = |name: &str, value: &Value, kind: u8| json!({ "field": { "name": name, "value": value }, "filter_type": kind });
        let at = &changed["timestamp"];
        for (kind, n) in [(0, 1), (1, 4), (2, 1), (3, 2), (4, 3), (5, 4)] {
            let (types, answer) = search(json!({ "filters": [filter("timestamp", at, kind)] })).await;
            assert_eq!((types.len(), answer["page_totals"]["total_items"].as_u64()), (n, Some(n as u64)), "{kind}: {answer}");
        }
        let role = json!("member.change_role");
        assert_eq!(search(json!({ "filters": [filter("action_type", &role, 0)] })).await.0.len(), 2);
        assert_eq!(search(json!({ "filters": [filter("action_type", &role, 1), filter("timestamp", at, 5)] })).await.0, ["invitation.accept", "invitation.send", "organization.add"]);
        assert_eq!(search(json!({ "filters": [filter("action_type", &role, 0), filter("action_type", &json!("invitation.send"), 0)] })).await.0, [""; 0]);
        let me = &changed["okta_user_id"];
        assert_eq!(search(json!({ "filters": [filter("okta_user_id", me, 0)] })).await.0.len(), 4);
        assert_eq!(search(json!({ "filters": [filter("okta_user_id", me, 1)] })).await.0, ["invitation.accept"]);
        let (types, _) = search(json!({ "sortingParams": { "fieldName": "timestamp", "order": 0 } })).await;
        assert_eq!(types, ["organization.add", "invitation.send", "invitation.accept", "member.change_role", "member.change_role"]);
        let (types, _) = search(json!({ "sorting_params": { "field_name": "action_type", "order": 1 } })).await;
        assert_eq!(types, ["organization.add", "member.change_role", "member.change_role", "invitation.send", "invitation.accept"]);
        let (types, answer) = search(json!({ "page_params": { "page_size": 2, "index": 1 } })).await;
        assert_eq!((types.len(), &answer["page_totals"]), (2, &json!({ "total_items": 5, "total_pages": 3 })));
        assert_eq!(types, ["invitation.accept", "invitation.send"]);
        let (types, _) = search(json!({ "page_params": { "page_size": 2, "index": 9 } })).await;
        assert!(types.is_empty());
        for (fsp, message) in [
            (json!({ "filters": [filter("nonsense", at, 0)] }), "invalid field Name: Events are filtered by timestamp, action_type and okta_user_id."),
            (json!({ "filters": [filter("timestamp", &json!("x"), 0)] }), "invalid field Value: It is not a moment like 2026-11-24T14:05:00Z."),
            (json!({ "filters": [filter("action_type", &role, 3)] }), "invalid field FilterType: action_type cannot be compared in this way."),
            (json!({ "filters": [filter("timestamp", at, 6)] }), "invalid field FilterType: timestamp cannot be compared in this way."),
            (json!({ "filters": [filter("okta_user_id", &json!("x"), 0)] }), "invalid field Value: It is not the id of an account."),
            (json!({ "sorting_params": { "field_name": "nonsense" } }), "invalid field FieldName: Events are ordered by timestamp and action_type."),
        ] {
            ada.post("/v1/events:search", json!({ "fsp": fsp })).await.refused(400, 3, message);
        }
        ada.post("/v1/events:search", json!({ "fsp": { "filters": "x" } })).await.fails(400, 3);
        // Who has no organization has no events.
        portal.sign_up("eve").await;
        portal.api_of("eve").await.call("/v1/events:search").await.refused(404, 5, NOT_THERE);
    }

    async fn who_an_operator_is_is_not_told(portal) {
        portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let operator = portal.operator("olga").await;
        let id = portal.organization_of("ada").await;
        let page = operator.get(&format!("/operator/organizations/{id}/suspend")).await.is(200);
        operator.submit(&page.form("/do/suspend_organization").with("reason", "Unpaid")).await.is(303);
        portal.execute("UPDATE organizations SET suspended_at = NULL, suspension_reason = NULL").await;
        let olga = portal.text(&format!("SELECT {} FROM accounts WHERE email_key = 'olga@example.com'", portal.engine.hex("id"))).await;
        let olga = uuid(&olga).to_string();
        let ada = portal.api_of("ada").await;
        let answer = ada.call("/v1/events:search").await.ok();
        let event = &answer["events"][0];
        assert_eq!((event["action_type"].as_str(), event["event_source"].as_str()), (Some("organization.suspend"), Some("operator")), "{answer}");
        for field in ["okta_user_id", "user_ip_address", "user_agent", "request_id"] {
            assert_eq!(event[field], "", "{field}");
        }
        assert!(!answer.to_string().contains(&olga));
        let filters = json!({ "fsp": { "filters": [{ "field": { "name": "okta_user_id", "value": olga }, "filter_type": 0 }] } });
        assert_eq!(ada.post("/v1/events:search", filters).await.ok()["events"], json!([]));
    }
}
