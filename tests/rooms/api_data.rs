//! What PMM shows of a customer (`PMM-API.md` 1.3 to 1.5, 1.9, 1.10).

use org_portal::permissions::Role;
use serde_json::{Value, json};

use super::customers::{ACME, take};
use crate::{on_both, support::*};

const TICKETS: &str = r#"
{"kind":"ticket","customer":"C1","number":"CS0040813","subject":"Test short description","priority":"P3 - Normal","state":"Pending - Awaiting Customer","created":"2021-05-24T21:00:02Z","department":"Customer Success","requester_name":"Jane Doe","requester_email":"jane@acme.example","category":"Requested Item","url":"https://desk.example/CS0040813"}
{"kind":"ticket","customer":"C1","number":"CS2","subject":"Mine","state":"Open","created":"2026-11-01T10:00:00Z","requester_name":"Eve","requester_email":"eve@example.com"}
"#;

/// Acme with Ada, its Admin, and Eve, a Technical user; the token of each, and the organization.
async fn acme(portal: &TestPortal) -> (Api, Api, String) {
    let (_, refused) = take(portal, &format!("{ACME}{TICKETS}")).await;
    assert!(refused.is_empty(), "{refused:?}");
    portal.sign_up("ada").await;
    portal.sign_up("eve").await;
    let id = portal.organization_of("ada").await.to_string();
    (portal.api_of("ada").await, portal.api_of("eve").await, id)
}

on_both! {
    async fn an_admin_sees_all_tickets_the_newest_first_and_a_technical_user_the_own(portal) {
        let (ada, eve, id) = acme(portal).await;
        let path = format!("/v1/orgs/{id}/tickets:search");
        let mine = json!({
            "number": "CS2", "short_description": "Mine", "priority": "", "state": "Open", "create_time": "2026-11-01T10:00:00Z", "department": "",
            "requester": "Eve", "requestor": "Eve", "task_type": "", "url": format!("{}/organization/tickets/CS2", portal.config.base()),
        });
        let other = json!({
            "number": "CS0040813", "short_description": "Test short description", "priority": "P3 - Normal", "state": "Pending - Awaiting Customer",
            "create_time": "2021-05-24T21:00:02Z", "department": "Customer Success", "requester": "Jane Doe", "requestor": "Jane Doe",
            "task_type": "Requested Item", "url": "https://desk.example/CS0040813",
        });
        assert_eq!(ada.call(&path).await.ok(), json!({ "tickets": [mine, other] }));
        assert_eq!(eve.post(&path, json!({})).await.ok(), json!({ "tickets": [mine] }));
    }

    async fn entitlements_are_an_admins(portal) {
        let (ada, eve, id) = acme(portal).await;
        let path = format!("/v1/orgs/{id}/entitlements:search");
        let platform = json!({ "security_advisor": "", "config_advisor": "" });
        assert_eq!(ada.call(&path).await.ok(), json!({ "entitlements": [
            { "number": "E1", "name": "Premium support", "summary": "4 of 10 units in use", "tier": "Premium", "total_units": "10", "unlimited_units": false, "support_level": "24/7", "software_families": ["MySQL", "PostgreSQL"], "start_date": "2026-01-01T00:00:00Z", "end_date": "2026-12-10T00:00:00Z", "platform": platform },
            { "number": "E2", "name": "Old contract", "summary": "", "tier": "", "total_units": "0", "unlimited_units": true, "support_level": "", "software_families": [], "start_date": "2024-01-01T00:00:00Z", "end_date": "2025-01-01T00:00:00Z", "platform": platform },
        ] }));
        eve.call(&path).await.refused(403, 7, "Only an Admin of the organization may see its entitlements.");
    }

    async fn contacts_are_an_admins_and_empty_for_others(portal) {
        let (ada, eve, id) = acme(portal).await;
        let path = format!("/v1/orgs/{id}");
        assert_eq!(ada.get(&path).await.ok()["contacts"], json!({
            "customer_success": { "name": "Maria Manager", "email": "csm@vendor.example" },
            "new_ticket_url": format!("{}/organization/tickets/new", portal.config.base()),
        }));
        let nothing = json!({ "customer_success": { "name": "", "email": "" }, "new_ticket_url": "" });
        let for_eve = eve.get(&path).await.ok();
        assert_eq!((&for_eve["contacts"], for_eve["org"]["name"].as_str()), (&nothing, Some("Acme GmbH")));
    }

    async fn an_organization_that_is_no_customer_has_empty_lists(portal) {
        portal.organization_with("Small", [("zoe", Role::Admin)]).await;
        let (zoe, id) = (portal.api_of("zoe").await, portal.organization_of("zoe").await.to_string());
        assert_eq!(zoe.call(&format!("/v1/orgs/{id}/tickets:search")).await.ok(), json!({ "tickets": [] }));
        assert_eq!(zoe.call(&format!("/v1/orgs/{id}/entitlements:search")).await.ok(), json!({ "entitlements": [] }));
        zoe.call("/v1/orgs/company:search").await.fails(404, 5);
    }

    async fn the_company_is_known_before_its_organization_is_there_and_after(portal) {
        take(portal, ACME).await;
        portal.sign_up("eve").await;
        let eve = portal.api_of("eve").await;
        assert_eq!(eve.call("/v1/orgs/company:search").await.ok(), json!({ "name": "Acme GmbH" }));
        let message = "Your company has an organization here already. Getting Started says how you get into it.";
        eve.post("/v1/orgs", json!({ "name": "Acme GmbH" })).await.refused(409, 6, message);
        // The administrator's sign-in by a call recreates it as one in a browser does.
        portal.sign_up("ada").await;
        let ada = portal.api_of("ada").await;
        assert_eq!(ada.call("/v1/orgs/company:search").await.ok(), json!({ "name": "Acme GmbH" }));
        let orgs = ada.call("/v1/orgs:search").await.ok();
        assert_eq!(orgs["orgs"][0]["name"], "Acme GmbH");
        let id = orgs["orgs"][0]["id"].as_str().unwrap();
        ada.put(&format!("/v1/orgs/{id}"), json!({ "name": "Mine" })).await.refused(400, 9, "The organization has the name of your company's customer record, which cannot be changed here.");
    }

    async fn a_list_holds_the_newest_thousand(portal) {
        let tickets: String = (0..1005).map(|n| format!("{{\"kind\":\"ticket\",\"customer\":\"C1\",\"number\":\"T{n}\",\"subject\":\"S\",\"state\":\"Open\",\"created\":\"2026-10-01T{:02}:{:02}:00Z\",\"requester_email\":\"eve@example.com\"}}\n", n / 60, n % 60)).collect();
        take(portal, &format!("{ACME}{tickets}")).await;
        portal.sign_up("ada").await;
        portal.sign_up("eve").await;
        let path = format!("/v1/orgs/{}/tickets:search", portal.organization_of("ada").await);
        for name in ["ada", "eve"] {
            let answer = portal.api_of(name).await.call(&path).await.ok();
            let tickets = answer["tickets"].as_array().unwrap();
            assert_eq!((tickets.len(), &tickets[0]["number"], &tickets[999]["number"]), (1000, &json!("T1004"), &json!("T5")), "{name}");
        }
    }

    async fn telemetry_is_taken_from_anybody_and_nothing_of_it_is_kept(portal) {
        let before = portal.snapshot(&[]).await;
        let report = json!({ "reports": [{ "id": "1", "createTime": "2026-11-24T12:00:00Z", "instanceId": "2", "productFamily": "PRODUCT_FAMILY_PMM", "metrics": [{ "key": "a", "value": "b" }] }] });
        for token in [None, Some("nonsense")] {
            let api = portal.api().with_or_without(token);
            assert_eq!(api.post("/v1/telemetry/GenericReport", report.clone()).await.ok(), json!({}));
            assert_eq!(api.call("/v1/telemetry/GenericReport").await.ok(), json!({}));
        }
        assert_eq!(portal.snapshot(&[]).await, before);
    }

    async fn advisors_are_not_served(portal) {
        let message = "Advisors are not served by this portal.";
        for call in ["GetAllChecks", "GetAllAdvisors", "GetAllAlertRuleTemplates"] {
            portal.api().call(&format!("/v1/check/{call}")).await.refused(404, 5, message);
        }
        portal.api().get("/v1/check/advisors").await.refused(404, 5, message);
        assert_eq!(portal.api().get("/v1/check/advisors").await.value["details"], Value::Array(Vec::new()));
    }
}
