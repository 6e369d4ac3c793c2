//! What the interface says of itself (RFC 7643 §5 to §8, RFC 7644 §4).

use serde_json::{Value, json};

use super::{BASE, MOST, USER};

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// What is supported.
#[must_use]
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": [CONFIG],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": MOST },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "The token that the operator of this portal has made for the identity system, as Authorization: Bearer.",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}{BASE}/ServiceProviderConfig") },
    })
}

/// The one kind of resource: users. There are no groups.
#[must_use]
pub fn resource_type(base: &str) -> Value {
    json!({
        "schemas": [RESOURCE_TYPE],
        "id": "User",
        "name": "User",
        "description": "Accounts of this portal. Which organization somebody is in is not changed here.",
        "endpoint": "/Users",
        "schema": USER,
        "schemaExtensions": [],
        "meta": { "resourceType": "ResourceType", "location": format!("{base}{BASE}/ResourceTypes/User") },
    })
}

/// How an attribute is: its name, type and what it is for. The rest is as the standard has it where nothing is said.
fn attribute(name: &str, kind: &str, description: &str) -> Value {
    let mut attribute = json!({
        "name": name, "type": kind, "multiValued": false, "description": description, "required": false,
        "mutability": "readWrite", "returned": "default", "uniqueness": "none",
    });
    if kind == "string" || kind == "reference" {
        attribute["caseExact"] = json!(false);
    }
    attribute
}

fn with(mut attribute: Value, changes: Value) -> Value {
    if let (Some(attribute), Value::Object(changes)) = (attribute.as_object_mut(), changes) {
        attribute.extend(changes);
    }
    attribute
}

fn read_only(attribute: Value) -> Value {
    with(attribute, json!({ "mutability": "readOnly" }))
}

fn required(attribute: Value) -> Value {
    with(attribute, json!({ "required": true }))
}

/// The schemas: that of users, and those of what describes the interface.
#[must_use]
pub fn schemas(base: &str) -> Vec<Value> {
    let schema = |id: &str, name: &str, description: &str, attributes: Vec<Value>| {
        json!({
            "schemas": [SCHEMA], "id": id, "name": name, "description": description, "attributes": attributes,
            "meta": { "resourceType": "Schema", "location": format!("{base}{BASE}/Schemas/{id}") },
        })
    };
    vec![
        schema(
            USER,
            "User",
            "An account. What the identity system calls it (externalId: at most 255 characters) is one account's alone. It has no password from here: one that is sent is not looked at, kept or given back. Its owner signs in by the operator's sign-in service, or asks for a link to choose a password.",
            user(),
        ),
        schema(CONFIG, "ServiceProviderConfig", "What is supported.", config()),
        schema(RESOURCE_TYPE, "ResourceType", "A kind of resource.", kinds()),
        schema(SCHEMA, "Schema", "How a kind of resource is made up.", made_up(true)),
    ]
}

fn user() -> Vec<Value> {
    vec![
        with(attribute("userName", "string", "The e-mail address of the account."), json!({ "required": true, "uniqueness": "server" })),
        with(
            attribute("name", "complex", "The person's name."),
            json!({
                "required": true,
                "subAttributes": [
                    required(attribute("givenName", "string", "The first name: 1 to 100 characters. Where a new account has none, what stands before the @ of its address.")),
                    attribute("familyName", "string", "The last name: at most 100 characters."),
                ],
            }),
        ),
        read_only(attribute("displayName", "string", "First and last name in one.")),
        with(
            attribute(
                "emails",
                "complex",
                "The address of the account, which is its userName. A main address that is sent has to be the same; others are left aside.",
            ),
            json!({
                "multiValued": true,
                "mutability": "readOnly",
                "subAttributes": [
                    read_only(attribute("value", "string", "The address.")),
                    read_only(attribute("type", "string", "work")),
                    read_only(attribute("primary", "boolean", "true")),
                ],
            }),
        ),
        required(attribute(
            "active",
            "boolean",
            "Whether its owner may sign in; true where a new account does not say. An account that an operator of the portal has locked is not active, whatever is set here.",
        )),
    ]
}

fn config() -> Vec<Value> {
    let supported = || vec![read_only(required(attribute("supported", "boolean", "Whether it is supported.")))];
    let option = |name: &str, description: &str, more: Vec<Value>| {
        let subs: Vec<Value> = supported().into_iter().chain(more).collect();
        read_only(with(attribute(name, "complex", description), json!({ "required": true, "subAttributes": subs })))
    };
    let number = |name: &str, description: &str| read_only(required(attribute(name, "integer", description)));
    let scheme = ["type", "name", "description"].map(|name| read_only(required(attribute(name, "string", "Of the scheme."))));
    vec![
        option("patch", "Changes by PATCH.", Vec::new()),
        option(
            "bulk",
            "Several requests in one.",
            vec![number("maxOperations", "How many."), number("maxPayloadSize", "How large, in bytes.")],
        ),
        option("filter", "Filters.", vec![number("maxResults", "How many resources one answer has at most.")]),
        option("changePassword", "Changes of passwords.", Vec::new()),
        option("sort", "Order.", Vec::new()),
        option("etag", "Versions.", Vec::new()),
        with(
            attribute("authenticationSchemes", "complex", "How the identity system shows who it is."),
            json!({ "multiValued": true, "required": true, "mutability": "readOnly", "subAttributes": scheme }),
        ),
    ]
}

fn kinds() -> Vec<Value> {
    let text = |name: &str, description: &str| read_only(attribute(name, "string", description));
    let address = |name: &str, description: &str| {
        read_only(with(
            attribute(name, "reference", description),
            json!({ "required": true, "caseExact": true, "referenceTypes": ["uri"] }),
        ))
    };
    vec![
        text("id", "Its id."),
        required(text("name", "Its name.")),
        text("description", "What it is."),
        address("endpoint", "Where it is."),
        address("schema", "Its schema."),
        with(
            attribute("schemaExtensions", "complex", "Schemas beside it."),
            json!({
                "multiValued": true,
                "mutability": "readOnly",
                "subAttributes": [address("schema", "Which."), read_only(required(attribute("required", "boolean", "Whether it has to be there.")))],
            }),
        ),
    ]
}

/// The attributes of a schema, whose attributes may have attributes of their own.
fn made_up(whole: bool) -> Vec<Value> {
    let text = |name: &str| read_only(attribute(name, "string", "As RFC 7643 §7 says."));
    let switch = |name: &str| read_only(attribute(name, "boolean", "As RFC 7643 §7 says."));
    let several = |name: &str| with(text(name), json!({ "multiValued": true }));
    let mut subs = vec![
        required(text("name")),
        required(text("type")),
        required(switch("multiValued")),
        text("description"),
        required(switch("required")),
        several("canonicalValues"),
        switch("caseExact"),
        text("mutability"),
        text("returned"),
        text("uniqueness"),
        several("referenceTypes"),
    ];
    let list = |name: &str, subs: &[Value]| {
        with(
            attribute(name, "complex", "As RFC 7643 §7 says."),
            json!({ "multiValued": true, "mutability": "readOnly", "subAttributes": subs }),
        )
    };
    if !whole {
        return subs;
    }
    let inner = made_up(false);
    subs.push(list("subAttributes", &inner));
    vec![required(text("id")), text("name"), text("description"), with(list("attributes", &subs), json!({ "required": true }))]
}
