//! Accounts kept by the operator's identity system (RFC 7643, RFC 7644): with a checker that others wrote, and with what the
//! systems send that operators have.

use std::{path::Path, process::Command};

use org_portal::{permissions::Role, routes::SCIM, words::DAY};
use reqwest::{Client, Method, header::HeaderMap};
use serde_json::{Value, json};

use crate::{on_both, support::*};

const TOKEN: &str = "a-token-of-the-identity-system-0123456789";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

fn configured() -> Options {
    Options::default().with("scim_token", TOKEN)
}

/// The identity system.
struct Scim {
    client: Client,
    base: String,
    token: Option<String>,
    clock: org_portal::clock::Clock,
}

/// What it is answered.
#[derive(Debug)]
struct Said {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Said {
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Refused, as the standard writes it; gives the sentence.
    #[track_caller]
    fn refused(self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
        assert_eq!(self.body["status"], status.to_string());
        assert_eq!(self.body["scimType"].as_str().unwrap_or_default(), kind, "{}", self.body);
        self.body["detail"].as_str().filter(|detail| detail.len() > 10).expect("a sentence").to_owned()
    }
}

impl Scim {
    fn of(portal: &TestPortal) -> Self {
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self { client, base: portal.base(), token: Some(TOKEN.to_owned()), clock: portal.clock.clone() }
    }

    fn with(&self, token: Option<&str>) -> Self {
        Self { client: self.client.clone(), base: self.base.clone(), token: token.map(str::to_owned), clock: self.clock.clone() }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Said {
        // No two writes come in the same moment; so what they write has an order.
        self.clock.advance(1000);
        let mut request = self.client.request(method.clone(), format!("{}/scim/v2{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !headers.iter().any(|(name, _)| *name == "content-type") && !body.is_empty() {
            request = request.header("content-type", "application/scim+json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.unwrap_or_else(|e| panic!("{method} {path}: {e:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        assert!(headers.get("set-cookie").is_none(), "{method} {path}: {headers:?}");
        if text.is_empty() {
            assert!([204, 304].contains(&status), "{method} {path}: {status}");
            return Said { status, headers, body: Value::Null };
        }
        assert_eq!(headers["content-type"], "application/scim+json", "{method} {path}: {text}");
        let body = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{method} {path}: {e}: {text}"));
        Said { status, headers, body }
    }

    async fn get(&self, path: &str) -> Said {
        self.send(Method::GET, path, &[], String::new()).await
    }

    async fn post(&self, path: &str, body: Value) -> Said {
        self.send(Method::POST, path, &[], body.to_string()).await
    }

    async fn put(&self, id: &str, body: Value) -> Said {
        self.send(Method::PUT, &format!("/Users/{id}"), &[], body.to_string()).await
    }

    async fn patch(&self, id: &str, operations: Value) -> Said {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        self.send(Method::PATCH, &format!("/Users/{id}"), &[], body.to_string()).await
    }

    async fn delete(&self, id: &str) -> Said {
        self.send(Method::DELETE, &format!("/Users/{id}"), &[], String::new()).await
    }

    /// The accounts that a filter finds: how many there are, and their names in their order.
    async fn find(&self, filter: &str) -> (i64, Vec<String>) {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let list = self.get(&format!("/Users?filter={filter}")).await.is(200);
        (list["totalResults"].as_i64().unwrap(), names(&list))
    }

    /// The id of the account of somebody at `example.com`.
    async fn id_of(&self, name: &str) -> String {
        let list = self.get(&format!("/Users?filter=userName%20eq%20%22{name}%40example.com%22")).await.is(200);
        list["Resources"][0]["id"].as_str().unwrap_or_else(|| panic!("{name}: {list}")).to_owned()
    }

    /// Makes an account at `example.com`.
    async fn make(&self, name: &str) -> String {
        let made = self.post("/Users", json!({ "schemas": [USER], "userName": format!("{name}@example.com") })).await.is(201);
        made["id"].as_str().unwrap().to_owned()
    }
}

/// The local parts of the addresses in a list.
fn names(list: &Value) -> Vec<String> {
    let all = list["Resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| one["userName"].as_str().unwrap().split('@').next().unwrap().to_owned()).collect()
}

/// What was noted of what the identity system did.
async fn noted(portal: &TestPortal) -> Vec<String> {
    let rows = portal
        .rows("SELECT action, outcome FROM audit_events WHERE actor_kind = 'system' AND actor_name = 'The identity system' ORDER BY at, id")
        .await;
    rows.into_iter().map(|row| if row[1] == "success" { row[0].clone() } else { row.join(" ") }).collect()
}

on_both! {
    async fn an_account_is_made_read_replaced_and_ended(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        let sent = json!({
            "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
            "userName": "Ada@example.com", "externalId": "00u1", "active": true, "displayName": "Somebody", "title": "Dr",
            "name": { "givenName": "Ada", "familyName": "Example", "formatted": "x" }, "password": "mallow drizzle 7 umbrella",
            "emails": [{ "value": "ada@example.com", "type": "work", "primary": true }, { "value": "ada@home.example", "type": "home" }],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "R&D" },
        });
        let said = scim.post("/Users", sent).await;
        let (location, tag) = (said.headers["location"].to_str().unwrap().to_owned(), said.headers["etag"].to_str().unwrap().to_owned());
        let made = said.is(201);
        let id = made["id"].as_str().unwrap().to_owned();
        assert_eq!(location, format!("{}/scim/v2/Users/{id}", portal.config.base()));
        assert_eq!((made["meta"]["location"].as_str().unwrap(), made["meta"]["version"].as_str().unwrap()), (location.as_str(), tag.as_str()));
        assert_eq!(made["userName"], "Ada@example.com");
        assert_eq!(made["name"], json!({ "givenName": "Ada", "familyName": "Example" }));
        assert_eq!(made["displayName"], "Ada Example");
        assert_eq!(made["emails"], json!([{ "value": "Ada@example.com", "type": "work", "primary": true }]));
        assert_eq!((made["active"].as_bool(), made["externalId"].as_str()), (Some(true), Some("00u1")));
        assert!(made.get("password").is_none() && made.get("title").is_none());
        assert_eq!(scim.get(&format!("/Users/{id}")).await.is(200), made);
        // The password that was sent opens nothing, and none is kept.
        assert_eq!(portal.count("SELECT count(*) FROM credentials").await, 0);
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(401);
        // By the mailbox alone one comes in.
        let ada = portal.browser();
        ada.fill("/forgot-password", "/do/forgot_password", &[("email", "ada@example.com")]).await.is(303);
        let link = portal.link("ada@example.com", "/reset-password").await;
        ada.fill(&link, "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.is(303);
        portal.sign_in_to(&ada, "ada@example.com", OTHER_PASSWORD).await.is(303);
        ada.get("/account").await.is(200).says("Ada Example");
        // As a whole: what is left out of the name stays, what it was called is forgotten.
        let unchanged = scim.send(Method::GET, &format!("/Users/{id}"), &[("if-none-match", &tag)], String::new()).await;
        assert_eq!(unchanged.status, 304);
        let replaced = scim.put(&id, json!({ "schemas": [USER], "id": id, "userName": "ada@example.com", "meta": {} })).await.is(200);
        assert!(replaced["name"]["givenName"] == "Ada" && replaced.get("externalId").is_none() && replaced["active"] == true, "{replaced}");
        assert_eq!(replaced["userName"], "Ada@example.com", "in the spelling that it has");
        assert!(replaced["meta"]["lastModified"].as_str() > made["meta"]["lastModified"].as_str(), "{replaced}");
        let replaced = scim.put(&id, json!({ "userName": "ada@example.com", "name": { "givenName": "Augusta" }, "externalId": "E" })).await.is(200);
        assert_eq!((&replaced["displayName"], &replaced["externalId"]), (&json!("Augusta"), &json!("E")));
        // Of an old version nothing is changed.
        let body = json!({ "userName": "ada@example.com" }).to_string();
        scim.send(Method::PUT, &format!("/Users/{id}"), &[("if-match", &tag)], body.clone()).await.refused(412, "");
        scim.send(Method::DELETE, &format!("/Users/{id}"), &[("if-match", &tag)], String::new()).await.refused(412, "");
        let tag = replaced["meta"]["version"].as_str().unwrap().to_owned();
        scim.send(Method::PUT, &format!("/Users/{id}"), &[("if-match", &tag)], body).await.is(200);
        assert_eq!(scim.delete(&id).await.status, 204);
        scim.get(&format!("/Users/{id}")).await.refused(404, "");
        scim.delete(&id).await.refused(404, "");
        scim.put(&id, json!({ "userName": "ada@example.com" })).await.refused(404, "");
        ada.get("/account").await.is(303);
        let last = portal.mails_to("ada@example.com").await.pop().unwrap();
        assert!(last.subject.contains("deleted") && last.text.contains("the identity system of the portal's operator") && !last.text.contains("knew your password"), "{}", last.text);
        // What one request changes is of one moment, and stands in no order.
        let mut done: Vec<String> = noted(portal).await.into_iter().filter(|what| !what.contains(' ')).collect();
        done.sort();
        assert_eq!(
            done,
            ["account.change_name", "account.create", "account.delete", "account.provision", "account.provision", "account.provision"]
        );
        assert_eq!(portal.count("SELECT count(*) FROM members").await + portal.count("SELECT count(*) FROM operators").await, 0);
    }

    async fn without_a_token_of_the_operators_there_is_nothing(portal) {
        let browser = portal.browser();
        let nothing = browser.get("/no-such-page").await.is(404);
        for route in SCIM {
            let headers = [("authorization", format!("Bearer {TOKEN}")), ("accept", "text/html".to_owned())];
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = browser.send(route.method.clone(), &route.path.replace(['{', '}'], ""), &headers, None).await;
            assert!([404, 405].contains(&answer.status), "{} {}: {}", route.method, route.path, answer.status);
            if route.method == Method::GET {
                assert_eq!(answer.normalized(), nothing.normalized(), "{}", route.path);
            }
        }
    }

    async fn the_token_alone_opens_it_and_guessing_is_limited(portal, Options::default().with("scim_token", TOKEN).with("token_address_rate", "5/60")) {
        let scim = Scim::of(portal);
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let session = portal.api_of("ada").await.token.unwrap();
        let made = portal.token(&ada, "full", "30 minutes").await;
        let longer = format!("{TOKEN}x");
        for (token, scheme) in [(Some(session.as_str()), "Bearer"), (Some(&made), "Bearer"), (Some(&TOKEN[1..]), "Bearer"), (Some(&longer), "Bearer"), (None, "")] {
            let said = scim.with(token).get("/Users").await;
            assert_eq!(said.headers["www-authenticate"], "Bearer realm=\"scim\"", "{scheme}");
            said.refused(401, "");
        }
        let said = scim.with(Some("x")).get("/ServiceProviderConfig").await;
        assert!(said.headers.contains_key("retry-after"), "{:?}", said.headers);
        said.refused(429, "");
        // The right one is never kept out.
        scim.get("/Users").await.is(200);
        // Nor does it open anything else.
        portal.api().with(TOKEN).post("/v1/auth/GetProfile", json!({})).await.fails(401, 16);
        let basic = scim.with(None).send(Method::GET, "/Users", &[("authorization", &format!("Basic {TOKEN}"))], String::new()).await;
        basic.refused(429, "");
        // A browser's session is nobody's here, whichever site sends it.
        let answer = ada.send(Method::GET, "/scim/v2/Users", &[], None).await;
        assert_eq!(answer.status, 429, "{}", answer.html());
    }

    async fn accounts_are_found_by_every_filter_and_paged(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        for (n, name) in ["ada", "bob", "eve", "zoe"].into_iter().enumerate() {
            let user = json!({ "userName": format!("{name}@example.com"), "externalId": format!("E{n}"), "name": { "givenName": name, "familyName": if n < 2 { "One" } else { "Two" } }, "active": n != 3 });
            scim.post("/Users", user).await.is(201);
        }
        portal.sign_up("mia").await;
        let id = scim.id_of("eve").await;
        let created = scim.get(&format!("/Users/{id}")).await.is(200)["meta"]["created"].as_str().unwrap().to_owned();
        for (filter, found) in [
            (r#"userName eq "EVE@example.com""#, &["eve"][..]),
            (r#"userName eq "nobody@example.com""#, &[]),
            (r#"emails[type eq "work"].value eq "x""#, &["!"]),
            (r#"emails[type eq "work" and value eq "bob@example.com"]"#, &["bob"]),
            (r#"emails.value eq "zoe@example.com""#, &["zoe"]),
            (r#"externalId eq "E1""#, &["bob"]),
            (r#"externalId eq "e1""#, &[]),
            (r#"externalId eq "E1" or userName eq "ada@example.com" or externalId eq "E0""#, &["ada", "bob"]),
            (r#"externalId eq "E1" and active eq false"#, &[]),
            (&format!(r#"id eq "{id}""#), &["eve"]),
            (r#"id eq "x""#, &[]),
            ("not (externalId pr)", &["mia"]),
            ("active eq false", &["zoe"]),
            (r#"active eq true and name.familyName eq "one""#, &["ada", "bob"]),
            (r#"name.givenName sw "Z" or name.givenName ew "a""#, &["ada", "zoe", "mia"]),
            (r#"userName co "o" and not (userName sw "b")"#, &["ada", "eve", "zoe", "mia"]),
            (&format!(r#"meta.created gt "{created}""#), &["zoe", "mia"]),
            (&format!(r#"meta.created le "{created}" and userName gt "b""#), &["bob", "eve"]),
            (r#"meta.lastModified lt "2020-01-01T00:00:00Z""#, &[]),
            ("title pr", &[]),
            // Text is text.
            (r#"userName eq "' OR 1=1 --""#, &[]),
            (r#"userName eq "a\u0000b""#, &[]),
            (r#"name.givenName co "%""#, &[]),
        ] {
            if found == ["!"] {
                let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
                scim.get(&format!("/Users?filter={filter}")).await.refused(400, "invalidFilter");
                continue;
            }
            let (total, names) = scim.find(filter).await;
            assert_eq!((names, total), (found.iter().map(ToString::to_string).collect(), i64::try_from(found.len()).unwrap()), "{filter}");
        }
        scim.get("/Users?filter=userName").await.refused(400, "invalidFilter");
        // Pages.
        for (query, from, total, found) in [
            ("", 1, 5, &["ada", "bob", "eve", "zoe", "mia"][..]),
            ("?startIndex=2&count=2", 2, 5, &["bob", "eve"]),
            ("?startIndex=5&count=2", 5, 5, &["mia"]),
            ("?startIndex=6", 6, 5, &[]),
            ("?startIndex=-3&count=1", 1, 5, &["ada"]),
            ("?count=0", 1, 5, &[]),
            ("?count=-1", 1, 5, &[]),
            ("?count=100000", 1, 5, &["ada", "bob", "eve", "zoe", "mia"]),
            ("?filter=userName%20pr&startIndex=4&count=1", 4, 5, &["zoe"]),
            ("?filter=externalId%20pr&count=0", 1, 4, &[]),
            ("?sortBy=userName&sortOrder=descending&count=1", 1, 5, &["ada"]),
        ] {
            let list = scim.get(&format!("/Users{query}")).await.is(200);
            assert_eq!(list["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
            assert_eq!((list["startIndex"].as_i64(), list["totalResults"].as_i64(), list["itemsPerPage"].as_u64()), (Some(from), Some(total), Some(found.len() as u64)), "{query}");
            assert_eq!(names(&list), found, "{query}");
        }
        scim.get("/Users?count=x").await.refused(400, "invalidValue");
        // What of each.
        let list = scim.get("/Users?attributes=userName,name.givenName&count=1").await.is(200);
        let mut keys: Vec<&str> = list["Resources"][0].as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["id", "name", "schemas", "userName"]);
        assert_eq!(list["Resources"][0]["name"], json!({ "givenName": "ada" }));
        let one = scim.get(&format!("/Users/{id}?excludedAttributes=emails,meta")).await.is(200);
        assert!(one.get("emails").is_none() && one.get("meta").is_none() && one["active"] == true);
        // A search that is posted.
        for path in ["/Users/.search", "/.search"] {
            let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "active eq false", "attributes": ["userName"], "startIndex": 1, "count": 10 });
            let list = scim.post(path, search).await.is(200);
            assert_eq!((names(&list), list["Resources"][0].get("active")), (vec!["zoe".to_owned()], None));
        }
        // More than are in one answer.
        for n in 0..205 {
            let id = portal.engine.literal(uuid::Uuid::from_u128(n + 1));
            portal.execute(&format!("INSERT INTO accounts (id, email, email_key, first_name, last_name, name_key, created_at) VALUES ({id}, 'n{n}@example.com', 'n{n}@example.com', 'N', '', 'n', 1)")).await;
        }
        let list = scim.get("/Users?count=1000").await.is(200);
        assert_eq!((list["totalResults"].as_i64(), list["itemsPerPage"].as_i64()), (Some(210), Some(200)));
        assert_eq!(scim.find(r#"name.givenName eq "n""#).await.0, 205);
    }

    async fn what_entra_and_okta_send_is_understood(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        portal.sign_up("ada").await;
        // Entra looks an account up by its address, and takes it for its own.
        assert_eq!(scim.find(r#"userName eq "ada@example.com""#).await.0, 1);
        assert_eq!(scim.find(r#"externalId eq "entra-1""#).await.0, 0);
        let id = scim.id_of("ada").await;
        let linked = scim.patch(&id, json!([{ "op": "Add", "path": "externalId", "value": "entra-1" }])).await.is(200);
        assert_eq!(linked["externalId"], "entra-1");
        assert_eq!(scim.find(r#"externalId eq "entra-1""#).await.1, ["ada"]);
        let changed = scim.patch(&id, json!([
            { "op": "Replace", "path": "userName", "value": "augusta@example.com" },
            { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "augusta@example.com" },
            { "op": "Replace", "path": "name.givenName", "value": "Augusta" },
            { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "R&D" },
            { "op": "Replace", "path": "active", "value": "False" },
        ])).await.is(200);
        assert_eq!((&changed["userName"], &changed["displayName"], &changed["active"]), (&json!("augusta@example.com"), &json!("Augusta Example"), &json!(false)));
        scim.patch(&id, json!([{ "op": "Replace", "path": "active", "value": "True" }])).await.is(200);
        // Okta makes one, looks it up, replaces it whole, and deactivates it without a path.
        let okta = json!({
            "schemas": [USER], "userName": "bob@example.com", "name": { "givenName": "Bob", "familyName": "Example" }, "emails": [{ "primary": true, "value": "bob@example.com", "type": "work" }],
            "displayName": "Bob Example", "locale": "en-US", "externalId": "00u2", "groups": [], "password": "1mz050nq", "active": true,
        });
        let bob = scim.post("/Users", okta.clone()).await.is(201)["id"].as_str().unwrap().to_owned();
        let mut whole = okta.clone();
        whole["name"]["familyName"] = json!("Builder");
        assert_eq!(scim.put(&bob, whole).await.is(200)["displayName"], "Bob Builder");
        let off = scim.patch(&bob, json!([{ "op": "replace", "value": { "active": false } }])).await.is(200);
        assert_eq!(off["active"], false);
        assert_eq!(scim.put(&bob, okta).await.is(200)["active"], true);
        // What is made twice is one.
        scim.post("/Users", json!({ "userName": "BOB@example.com" })).await.refused(409, "uniqueness");
        scim.post("/Users", json!({ "userName": "new@example.com", "externalId": "00u2" })).await.refused(409, "uniqueness");
        scim.patch(&id, json!([{ "op": "replace", "path": "externalId", "value": "00u2" }])).await.refused(409, "uniqueness");
        scim.patch(&id, json!([{ "op": "replace", "path": "userName", "value": "bob@example.com" }])).await.refused(409, "uniqueness");
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 2);
    }

    async fn what_does_not_do_is_refused_whole(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        let id = scim.make("ada").await;
        let before = portal.state().await;
        let long = "x".repeat(256);
        for (body, kind) in [
            (json!({}), "invalidValue"),
            (json!({ "userName": "ada" }), "invalidValue"),
            (json!({ "userName": 7 }), "invalidValue"),
            (json!({ "userName": "b@example.com", "active": "maybe" }), "invalidValue"),
            (json!({ "userName": "b@example.com", "name": { "givenName": "a\u{202e}b" } }), "invalidValue"),
            (json!({ "userName": "b@example.com", "name": "B" }), "invalidValue"),
            (json!({ "userName": "b@example.com", "externalId": long }), "invalidValue"),
            (json!({ "userName": "b@example.com", "externalId": "a\u{0}b" }), "invalidValue"),
            (json!({ "userName": "b@example.com", "emails": [{ "value": "c@example.com", "primary": true }] }), "invalidValue"),
            (json!({ "schemas": ["urn:x"], "userName": "b@example.com" }), "invalidSyntax"),
            (json!([]), "invalidSyntax"),
        ] {
            scim.post("/Users", body.clone()).await.refused(400, kind);
            scim.put(&id, body).await.refused(400, kind);
        }
        for (operations, kind) in [
            (json!([{ "op": "replace", "path": "name.familyName", "value": "New" }, { "op": "replace", "path": "userName", "value": "x" }]), "invalidValue"),
            (json!([{ "op": "replace", "path": "name.familyName", "value": "New" }, { "op": "replace", "path": "nonsense", "value": "x" }]), "invalidPath"),
            (json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "other@example.com" }]), "invalidValue"),
            (json!([{ "op": "remove", "path": "userName" }]), "mutability"),
            (json!([{ "op": "replace", "path": "id", "value": "x" }]), "mutability"),
            (json!([{ "op": "remove" }]), "noTarget"),
            (json!([{ "op": "jump" }]), "invalidSyntax"),
        ] {
            scim.patch(&id, operations).await.refused(400, kind);
        }
        let post = |kind: &'static str, body: String| scim.send_of(kind, body);
        post("application/scim+json", "{".to_owned()).await.refused(400, "invalidSyntax");
        post("text/plain", r#"{"userName":"b@example.com"}"#.to_owned()).await.refused(415, "");
        post("application/json", json!({ "userName": "b@example.com", "title": "x".repeat(300_000) }).to_string()).await.refused(413, "");
        for path in ["/Groups", "/Users/x/y", "/", "/nonsense", "/Schemas/x", "/ResourceTypes/Group", "/Users/x", &format!("/Users/{}", uuid::Uuid::nil())] {
            scim.get(path).await.refused(404, "");
        }
        scim.post("/Bulk", json!({})).await.refused(501, "");
        scim.get("/Me").await.refused(501, "");
        let said = scim.send(Method::DELETE, "/Users", &[], String::new()).await;
        assert_eq!(said.headers["allow"], "GET, POST");
        said.refused(405, "");
        scim.get("/Schemas?filter=id%20pr").await.refused(403, "");
        assert_eq!(portal.state().await, before);
        // The interface says what it is.
        let config = scim.get("/ServiceProviderConfig").await.is(200);
        assert_eq!((&config["bulk"]["supported"], &config["sort"]["supported"], &config["patch"]["supported"], &config["filter"]["maxResults"]), (&json!(false), &json!(false), &json!(true), &json!(200)));
        assert_eq!(scim.get("/ResourceTypes").await.is(200)["totalResults"], 1);
        let schema = scim.get(&format!("/Schemas/{USER}")).await.is(200);
        assert!(schema["description"].as_str().unwrap().contains("password") && schema["attributes"].as_array().unwrap().iter().all(|attribute| attribute["name"] != "password"));
    }

    async fn who_is_deactivated_is_out_at_once_and_comes_back_as_an_operator_has_it(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let token = portal.token(&bob, "full", "30 minutes").await;
        let session = portal.api_of("bob").await;
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "bob@example.com")]).await.is(303);
        let link = portal.link("bob@example.com", "/reset-password").await;
        let id = scim.id_of("bob").await;
        let off = json!([{ "op": "replace", "path": "active", "value": false }]);
        let on = json!([{ "op": "replace", "path": "active", "value": true }]);
        assert_eq!(scim.patch(&id, off.clone()).await.is(200)["active"], false);
        bob.get("/account").await.is(303);
        session.call("/v1/auth/GetProfile").await.fails(401, 16);
        portal.api().with(&token).call("/v1/orgs:search").await.fails(401, 16);
        portal.sign_in_to(&portal.browser(), "bob@example.com", PASSWORD).await.is(401).says("locked");
        portal.browser().get(&link).await.is(410);
        assert_eq!(portal.role_of("bob").await, "Technical user", "a membership is the organization's affair");
        // Again is once.
        scim.patch(&id, off.clone()).await.is(200);
        assert_eq!(portal.count("SELECT count(*) FROM audit_events WHERE action = 'account.lock'").await, 1);
        assert_eq!(scim.patch(&id, on.clone()).await.is(200)["active"], true);
        portal.sign_in_to(&bob, "bob@example.com", PASSWORD).await.is(303);
        portal.api().with(&token).call("/v1/orgs:search").await.fails(401, 16);
        let said = ada.get("/organization/activity").await.is(200).texts("table.events tbody th");
        assert!(said.contains(&"The identity system locked the account of Bob Example".to_owned()) && said.contains(&"The identity system unlocked the account of Bob Example".to_owned()), "{said:?}");
        // An operator's lock is the operator's.
        let olga = portal.operator("olga").await;
        let page = format!("/operator/accounts/{id}");
        let lock = async |until: &str| {
            let olga = portal.sign_in_again(&olga, "olga").await;
            olga.fill(&format!("{page}/lock"), "/do/lock_account", &[("reason", "Spam"), ("until", until)]).await.is(303);
        };
        let today = portal.clock.now().iso_date();
        lock(&today).await;
        assert_eq!(scim.get(&format!("/Users/{id}")).await.is(200)["active"], false);
        assert_eq!(scim.patch(&id, on.clone()).await.is(200)["active"], false);
        assert_eq!(scim.patch(&id, json!([{ "op": "replace", "path": "name.familyName", "value": "Builder" }])).await.is(200)["active"], false);
        assert_eq!(portal.count("SELECT count(*) FROM accounts WHERE deactivated_at IS NOT NULL").await, 0);
        // Both: what one of them takes back, the other keeps.
        assert_eq!(scim.patch(&id, off.clone()).await.is(200)["active"], false);
        olga.get(&page).await.is(200).says("Spam").says("Without an end");
        assert_eq!(scim.patch(&id, on.clone()).await.is(200)["active"], false);
        olga.get(&page).await.is(200).says("Spam").says("Until the end of");
        scim.patch(&id, off.clone()).await.is(200);
        portal.clock.advance(2 * DAY);
        assert_eq!(scim.get(&format!("/Users/{id}")).await.is(200)["active"], false);
        let olga = portal.sign_in_again(&olga, "olga").await;
        lock(&portal.clock.now().iso_date()).await;
        portal.clock.advance(2 * DAY);
        assert_eq!(scim.get(&format!("/Users/{id}")).await.is(200)["active"], false);
        assert_eq!(scim.patch(&id, on.clone()).await.is(200)["active"], true);
        // Who unlocks in the console unlocks.
        scim.patch(&id, off).await.is(200);
        let olga = portal.sign_in_again(&olga, "olga").await;
        olga.get(&page).await.is(200).says("The identity system deactivated the account");
        olga.fill(&page, "/do/unlock_account", &[]).await.is(303);
        assert_eq!(scim.get(&format!("/Users/{id}")).await.is(200)["active"], true);
        portal.sign_in_to(&bob, "bob@example.com", PASSWORD).await.is(303);
        // Made inactive.
        let made = scim.post("/Users", json!({ "userName": "eve@example.com", "active": false })).await.is(201);
        assert_eq!(made["active"], false);
    }

    async fn another_address_ends_sessions_and_is_told_to_the_old_one(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        bob.fill("/account/email", "/do/change_email", &[("email", "robert@example.com"), ("password", PASSWORD)]).await.is(303);
        let link = portal.link("robert@example.com", "/confirm-email").await;
        let id = scim.id_of("bob").await;
        scim.patch(&id, json!([{ "op": "replace", "path": "userName", "value": "builder@example.com" }])).await.is(200);
        bob.get("/account").await.is(303);
        let mail = portal.mails_to("bob@example.com").await.pop().unwrap();
        assert!(mail.subject.contains("address") && mail.text.contains("builder@example.com") && mail.text.contains("identity system"), "{}", mail.text);
        ada.get("/organization/members").await.is(200).says("builder@example.com");
        portal.sign_in_to(&bob, "builder@example.com", PASSWORD).await.is(303);
        bob.get(&link).await.is(410);
        let olga = portal.operator("olga").await;
        let said = olga.get("/operator/audit").await.is(200).texts("table.events tbody th");
        assert!(said.contains(&"The identity system changed the address of Bob Example from bob@example.com to builder@example.com".to_owned()), "{said:?}");
        // Nor does an older link bring back an address that the identity system has replaced.
        let eve = portal.sign_up("eve").await;
        eve.fill("/account/email", "/do/change_email", &[("email", "eva@example.com"), ("password", PASSWORD)]).await.is(303);
        eve.fill(&portal.link("eva@example.com", "/confirm-email").await, "/do/confirm_email", &[]).await.is(303);
        let link = portal.link("eve@example.com", "/undo").await;
        portal.browser().get(&link).await.is(200);
        let id = scim.id_of("eva").await;
        scim.patch(&id, json!([{ "op": "replace", "path": "userName", "value": "evelyn@example.com" }])).await.is(200);
        portal.browser().get(&link).await.is(410);
        // An operator's address is theirs: with it one could ask for a new password.
        let id = scim.id_of("olga").await;
        scim.patch(&id, json!([{ "op": "replace", "path": "userName", "value": "evil@example.com" }])).await.refused(409, "");
        scim.patch(&id, json!([{ "op": "add", "path": "externalId", "value": "E9" }])).await.is(200);
        olga.get("/operator").await.is(200);
    }

    async fn nothing_ends_with_an_account_but_its_membership(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        let [ada, _bob, _eve] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::Admin)]).await;
        portal.organization_with("Alone", [("zoe", Role::Admin)]).await;
        portal.operator("olga").await;
        let (of_ada, of_bob, of_eve) = (scim.id_of("ada").await, scim.id_of("bob").await, scim.id_of("eve").await);
        assert_eq!(scim.delete(&of_bob).await.status, 204);
        assert_eq!(scim.delete(&of_eve).await.status, 204);
        let said = ada.get("/organization/activity").await.is(200).texts("table.events tbody th");
        assert!(said.contains(&"The identity system removed Bob Example".to_owned()), "{said:?}");
        portal.join(&ada, "pia", Role::TechnicalUser).await;
        let before = portal.state().await;
        assert!(scim.delete(&of_ada).await.refused(409, "").contains("Admin"));
        assert!(scim.delete(&scim.id_of("zoe").await).await.refused(409, "").contains("only member"));
        // The last operator stays, and stays in.
        let olga = scim.id_of("olga").await;
        assert!(scim.delete(&olga).await.refused(409, "").contains("operator"));
        assert!(scim.patch(&olga, json!([{ "op": "replace", "path": "active", "value": false }])).await.refused(409, "").contains("operator"));
        assert_eq!(portal.state().await, before);
        portal.operator("otto").await;
        assert_eq!(scim.patch(&olga, json!([{ "op": "replace", "path": "active", "value": false }])).await.is(200)["active"], false);
        scim.delete(&scim.id_of("otto").await).await.refused(409, "");
        assert_eq!(scim.delete(&olga).await.status, 204);
        let refused: Vec<String> = noted(portal).await.into_iter().filter(|what| what.contains(' ')).collect();
        assert_eq!(refused, ["account.delete last_admin", "account.delete only_member", "account.delete last_operator", "account.provision last_operator", "account.delete last_operator"]);
    }

    async fn an_account_of_the_identity_systems_takes_over_no_sign_up_and_gives_itself_no_right(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        // Somebody else signs up with the address before.
        let mallory = portal.browser();
        let fields = [("email", "ada@example.com"), ("first_name", "Mallory"), ("last_name", "Example"), ("password", PASSWORD)];
        mallory.fill("/sign-up", "/do/sign_up", &fields).await.leads_to("/check-your-mail");
        let link = portal.link("ada@example.com", "/verify-email").await;
        let id = scim.make("ada").await;
        let form = mallory.get(&link).await;
        if form.status == 200 {
            mallory.submit(&form.form("/do/verify_email")).await.is(410);
        }
        portal.sign_in_to(&portal.browser(), "ada@example.com", PASSWORD).await.is(401);
        assert_eq!(portal.count("SELECT count(*) FROM credentials").await, 0);
        // Whatever is sent: no membership, no operator, no group.
        let body = json!({
            "userName": "ada@example.com", "roles": [{ "value": "Admin" }], "groups": [{ "value": "Acme" }], "entitlements": ["operator"], "operator": true, "organization": "Acme", "role": "Admin",
        });
        scim.put(&id, body).await.is(200);
        scim.patch(&id, json!([{ "op": "add", "path": "roles", "value": [{ "value": "operator" }] }, { "op": "add", "path": "groups", "value": "Acme" }])).await.is(200);
        for table in ["members", "operators", "organizations", "invitations", "credentials", "identities"] {
            assert_eq!(portal.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
    }

    async fn of_two_that_are_made_at_once_there_is_one(portal, Options::default().with("scim_token", TOKEN)) {
        let scim = Scim::of(portal);
        for n in 0..10 {
            let body = |external: &str| json!({ "userName": format!("ada{n}@example.com"), "externalId": format!("{external}{n}") });
            let (one, other) = tokio::join!(scim.post("/Users", body("a")), scim.post("/Users", body("b")));
            let mut statuses = [one.status, other.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [201, 409], "{one:?} {other:?}");
            // And of two that are to be called alike.
            let body = |name: &str| json!({ "userName": format!("{name}{n}@example.com"), "externalId": format!("E{n}") });
            let (one, other) = tokio::join!(scim.post("/Users", body("x")), scim.post("/Users", body("y")));
            let mut statuses = [one.status, other.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [201, 409], "{one:?} {other:?}");
        }
        assert_eq!(portal.count("SELECT count(*) FROM accounts").await, 20);
    }

    async fn a_checker_of_others_finds_nothing_wrong(portal, Options::default().with("scim_token", TOKEN)) {
        let packages = ["scim2-tester==0.5.2", "scim2-client[httpx2]==0.13.2"];
        let python = tokio::task::spawn_blocking(move || python::venv("scim2-tester-0.5.2", &packages, "scim2-tester, which the tests need,")).await.unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/scim_check.py");
        let url = format!("{}/scim/v2", portal.base());
        let output = tokio::task::spawn_blocking(move || Command::new(python).arg(script).args([url.as_str(), TOKEN]).output().expect("Python runs")).await.unwrap();
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
}

impl Scim {
    async fn send_of(&self, kind: &str, body: String) -> Said {
        self.send(Method::POST, "/Users", &[("content-type", kind)], body).await
    }
}

/// What identity systems ask for day by day is found by an index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_looked_up_without_looking_at_the_others() {
    let portal = TestPortal::start(Engine::Sqlite, configured()).await;
    let mut seen = 0;
    for (_, text) in
        org_portal::db::statements(org_portal::db::Dialect::Sqlite).filter(|(_, text)| text.contains("deactivated_at FROM accounts"))
    {
        let literal = ["$1", "$2", "$3"].iter().fold(text.to_owned(), |text, name| text.replace(name, "1"));
        let plan = portal.rows(&format!("EXPLAIN QUERY PLAN {literal}")).await.concat().join(" ");
        let indexed = if text.contains("OFFSET") {
            plan.contains("SCAN accounts USING INDEX accounts_created_idx")
        } else {
            plan.contains("SEARCH accounts USING")
        };
        assert!(indexed && !plan.contains("TEMP B-TREE"), "{text}: {plan}");
        seen += 1;
    }
    assert_eq!(seen, 5);
    portal.close().await;
}
