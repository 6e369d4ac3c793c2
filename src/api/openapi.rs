//! The document of all calls (OpenAPI 3.1), made from the table of routes and the types of `model.rs`.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Needs, model};
use crate::{
    actor::Scopes,
    permissions::TABLE,
    routes::{API, Access, ApiRoute},
};

/// A type as the document has it.
#[derive(Debug)]
pub struct Shape {
    name: String,
    schema: Value,
    parts: Vec<(String, Value)>,
}

/// The shape of a type.
#[must_use]
pub fn shape<T: ToSchema>() -> Shape {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let value = |schema| serde_json::to_value(schema).unwrap_or_default();
    Shape {
        name: T::name().into_owned(),
        schema: value(T::schema()),
        parts: parts.into_iter().map(|(name, schema)| (name, value(schema))).collect(),
    }
}

/// What the tags are about, in their order.
const TAGS: [(&str, &str); 7] = [
    ("auth", "Accounts and sessions"),
    ("orgs", "Organizations"),
    ("members", "Members and invitations"),
    ("inventory", "PMM servers"),
    ("data", "What the operator has for a customer"),
    ("events", "The audit log"),
    ("pmm", "The rest of what PMM calls"),
];

/// The document.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
    &DOCUMENT
}

/// The same as text, as it lies in `docs/openapi.json`.
#[must_use]
pub fn text() -> String {
    format!("{}\n", serde_json::to_string_pretty(document()).unwrap_or_default())
}

fn make() -> Value {
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let mut paths = Map::new();
    let mut reference = |shape: Shape| {
        let reference = json!({ "$ref": format!("#/components/schemas/{}", shape.name) });
        schemas.extend(shape.parts);
        schemas.insert(shape.name, shape.schema);
        reference
    };
    let problem = reference(shape::<model::Error>());
    for route in API {
        let sent = reference((route.input)());
        let answer = route.output.map(|output| reference(output()));
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route, sent, answer);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Org Portal",
            "description": "What PMM and other programs call. Success is 200 with a JSON object, and nothing else is. Names of fields are answered in snake_case and read in camelCase, too; unknown fields are passed over, and an empty body is an empty object.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": TAGS.map(|(name, description)| json!({ "name": name, "description": description })),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "Why the call came to nothing.",
                    "content": { "application/json": { "schema": problem } },
                },
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a session, as POST /v1/auth/SignIn gives it, or one that a member made on the portal's pages.",
                },
            },
        },
    })
}

fn operation(route: &ApiRoute, sent: Value, answer: Option<Value>) -> Value {
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    let mut responses = Map::new();
    if let Some(schema) = answer {
        let done = json!({ "description": "Done.", "content": { "application/json": { "schema": schema } } });
        responses.insert("200".to_owned(), done);
    }
    let mut refusals = vec!["400", "403", "408", "413", "429"];
    refusals.extend((route.access != Access::Anyone || route.tag == "auth").then_some("401"));
    refusals.extend((route.output.is_none() || route.path != "/v1/openapi.json").then_some("404"));
    refusals.extend(matches!(route.needs, Needs::Writing(_)).then_some("409"));
    refusals.push("default");
    for status in refusals {
        responses.insert(status.to_owned(), problem.clone());
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.tag],
        "summary": route.summary,
        "description": who(route),
        "responses": responses,
    });
    let parameters: Vec<Value> = places(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } }))
        .collect();
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if sent["$ref"] != "#/components/schemas/Nothing" {
        operation["requestBody"] = json!({ "content": { "application/json": { "schema": sent } }, "required": true });
    }
    if route.access != Access::Anyone {
        operation["security"] = json!([{ "bearer": [] }]);
    }
    operation
}

/// The names of a path's places.
fn places(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// `POST /v1/orgs/{org_id}/tickets:search` is `post_orgs_org_id_tickets_search`.
fn operation_id(route: &ApiRoute) -> String {
    let path = route.path.trim_start_matches("/v1/");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_");
    format!("{}_{words}", route.method.as_str().to_lowercase())
}

/// Who may call it, and with which token.
fn who(route: &ApiRoute) -> String {
    let who = match route.access {
        Access::Member(permission) => {
            let row = TABLE.iter().find(|row| row.permission == permission);
            let title = row.map_or("", |row| row.title);
            let roles = if row.is_some_and(|row| row.technical_user) { "members" } else { "Admins" };
            format!("For {roles} of the organization, whose role has the permission “{title}”.")
        }
        Access::Anyone => "For anyone; a token is not looked at.".to_owned(),
        _ => "For whoever has an account.".to_owned(),
    };
    let may = |scopes: Scopes| match route.needs {
        Needs::Nothing => true,
        Needs::Reading => scopes.may_read(),
        Needs::Writing(action) => scopes.may_write(action),
        Needs::Session => false,
    };
    let names = [(Scopes::All, "full"), (Scopes::Read, "read"), (Scopes::Connect, "pmm:connect")];
    let named: Vec<&str> = names.into_iter().filter(|(scopes, _)| may(*scopes)).map(|(_, name)| name).collect();
    // What a PMM server got for somebody who signed in to it.
    let server = if may(Scopes::Server) { ", or with what a PMM server got for a member who signed in to it" } else { "" };
    match route.needs {
        Needs::Nothing => who,
        Needs::Session => format!("{who} With a session alone."),
        _ => format!("{who} With a session, or a token of the scope {}{server}.", named.join(" or ")),
    }
}
