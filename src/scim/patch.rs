//! Changes of a resource as RFC 7644 §3.5.2 writes them, and as identity systems do: names of operations in capitals, `"False"`
//! for no, whole resources without a path. What is read is put into a resource; [`Wanted`](super::Wanted) reads it from there.

use serde_json::{Map, Value, json};

use super::{
    Problem, USER,
    filter::{Filter, Path, boolean, member},
};

/// What is done to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Add,
    Replace,
    Remove,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    deed: Deed,
    path: Option<Path>,
    value: Value,
}

/// At most so many changes are taken at once.
const MOST: usize = 1000;

/// Attributes of users that the portal takes no word for: it does not keep them, or makes them of others, or, as the
/// password, gives them to nobody's hands. They are left aside, since identity systems send them by themselves.
const LEFT_ASIDE: &[&str] = &[
    "displayname",
    "nickname",
    "profileurl",
    "title",
    "usertype",
    "preferredlanguage",
    "locale",
    "timezone",
    "password",
    "phonenumbers",
    "ims",
    "photos",
    "addresses",
    "groups",
    "entitlements",
    "roles",
    "x509certificates",
];

/// Reads the changes of a request.
///
/// # Errors
/// 400.
pub fn read(body: &Value) -> Result<Vec<Operation>, Problem> {
    let wrong = |detail: &str| Problem::invalid("invalidSyntax", detail);
    let all = member(body, "Operations").and_then(Value::as_array).ok_or_else(|| wrong("Operations is missing."))?;
    if all.len() > MOST {
        return Err(Problem::new(413, "These are too many operations."));
    }
    let operation = |sent: &Value| {
        let deed = match member(sent, "op").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase().as_str() {
            "add" => Deed::Add,
            "replace" => Deed::Replace,
            "remove" => Deed::Remove,
            _ => return Err(wrong("op is add, replace or remove.")),
        };
        let path = match member(sent, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => Some(Path::parse(text)?),
            Some(_) => return Err(Problem::invalid("invalidPath", "The path is no text.")),
        };
        if deed == Deed::Remove && path.is_none() {
            return Err(Problem::invalid("noTarget", "What is removed is named by a path."));
        }
        Ok(Operation { deed, path, value: member(sent, "value").cloned().unwrap_or(Value::Null) })
    };
    all.iter().map(operation).collect()
}

/// Makes changes in a resource, one after the other.
///
/// # Errors
/// 400.
pub fn apply(resource: &mut Value, operations: &[Operation]) -> Result<(), Problem> {
    for Operation { deed, path, value } in operations {
        match path {
            Some(path) => change(resource, *deed, path, value, true)?,
            None => merge(resource, *deed, value)?,
        }
    }
    Ok(())
}

/// A resource that holds of what was sent what the portal knows of.
///
/// # Errors
/// 400 `invalidValue`.
pub fn whole(sent: &Value) -> Result<Value, Problem> {
    let mut resource = json!({});
    merge(&mut resource, Deed::Replace, sent)?;
    Ok(resource)
}

/// Puts the members of an object into a resource, each as if it were named by a path.
fn merge(resource: &mut Value, deed: Deed, sent: &Value) -> Result<(), Problem> {
    let members = sent.as_object().ok_or_else(|| Problem::invalid("invalidValue", "The value is no object."))?;
    for (name, value) in members {
        if name.eq_ignore_ascii_case(USER) {
            if let Some(own) = value.as_object().filter(|own| !own.keys().any(|name| name.eq_ignore_ascii_case(USER))) {
                merge(resource, deed, &Value::Object(own.clone()))?;
            }
            continue;
        }
        // What is none of the portal's names is nobody's fault here: other schemas have their own.
        if let Ok(path) = Path::parse(name) {
            change(resource, deed, &path, value, false)?;
        }
    }
    Ok(())
}

/// Changes one place. One that nobody knows is refused where it was `named` by a path.
fn change(resource: &mut Value, deed: Deed, path: &Path, value: &Value, named: bool) -> Result<(), Problem> {
    let Path { attribute, filter } = path;
    if attribute.foreign || LEFT_ASIDE.contains(&attribute.name.as_str()) {
        return Ok(());
    }
    // What comes as nothing with a whole resource was left out.
    if value.is_null() && !named && ["username", "active", "name"].contains(&attribute.name.as_str()) {
        return Ok(());
    }
    let unknown = || if named { Err(Problem::invalid("invalidPath", "There is no such attribute.")) } else { Ok(()) };
    // To give nothing is to take away.
    let deed = if value.is_null() && deed == Deed::Replace { Deed::Remove } else { deed };
    match (attribute.name.as_str(), attribute.sub.as_deref()) {
        ("id" | "meta" | "schemas", _) if named => Err(Problem::invalid("mutability", "This is not changed from outside.")),
        ("id" | "meta" | "schemas", _) => Ok(()),
        ("emails", sub) => emails(resource, deed, filter.as_ref(), sub, value),
        _ if filter.is_some() => Err(Problem::invalid("invalidPath", "This attribute has one value.")),
        ("username", None) => set(resource, "userName", required("userName", deed, text("userName", value))?),
        ("active", None) => {
            let read = boolean(value).map(Value::Bool).ok_or_else(|| Problem::value("active", "It is true or false"));
            set(resource, "active", required("active", deed, read)?)
        }
        ("externalid", None) if deed == Deed::Remove => unset(resource, "externalId"),
        ("externalid", None) => set(resource, "externalId", text("externalId", value)?),
        ("name", sub) => name(resource, deed, sub, value, named),
        _ => unknown(),
    }
}

/// Of what an account always has, nothing is taken away.
fn required(attribute: &str, deed: Deed, read: Result<Value, Problem>) -> Result<Value, Problem> {
    if deed == Deed::Remove {
        return Err(Problem::invalid("mutability", format!("{attribute}: An account always has it.")));
    }
    read
}

fn text(attribute: &str, value: &Value) -> Result<Value, Problem> {
    if value.is_string() { Ok(value.clone()) } else { Err(Problem::value(attribute, "It is a text")) }
}

fn members(resource: &mut Value) -> Result<&mut Map<String, Value>, Problem> {
    resource.as_object_mut().ok_or_else(|| Problem::invalid("invalidSyntax", "It is no object."))
}

fn set(resource: &mut Value, name: &str, value: Value) -> Result<(), Problem> {
    members(resource)?.insert(name.to_owned(), value);
    Ok(())
}

fn unset(resource: &mut Value, name: &str) -> Result<(), Problem> {
    members(resource)?.remove(name);
    Ok(())
}

/// Changes the name: as a whole part by part, those that the portal knows of.
fn name(resource: &mut Value, deed: Deed, sub: Option<&str>, value: &Value, named: bool) -> Result<(), Problem> {
    let parts = members(resource)?.entry("name").or_insert_with(|| json!({}));
    match sub {
        None => {
            required("name", deed, Ok(Value::Null))?;
            let sent = value.as_object().ok_or_else(|| Problem::value("name", "It is an object"))?;
            for (sub, value) in sent {
                part_of_name(parts, if value.is_null() { Deed::Remove } else { deed }, &sub.to_ascii_lowercase(), value, false)?;
            }
            Ok(())
        }
        Some(sub) => part_of_name(parts, deed, sub, value, named),
    }
}

fn part_of_name(parts: &mut Value, deed: Deed, sub: &str, value: &Value, named: bool) -> Result<(), Problem> {
    match sub {
        "givenname" if deed == Deed::Remove && !named => Ok(()),
        "givenname" => set(parts, "givenName", required("name.givenName", deed, text("name.givenName", value))?),
        "familyname" if deed == Deed::Remove => unset(parts, "familyName"),
        "familyname" => set(parts, "familyName", text("name.familyName", value)?),
        "formatted" | "middlename" | "honorificprefix" | "honorificsuffix" => Ok(()),
        _ if named => Err(Problem::invalid("invalidPath", "There is no such attribute.")),
        _ => Ok(()),
    }
}

/// Changes the list of addresses. It is kept nowhere: the main one is compared with `userName`, the others are left aside.
fn emails(resource: &mut Value, deed: Deed, filter: Option<&Filter>, sub: Option<&str>, value: &Value) -> Result<(), Problem> {
    let sub = match sub {
        None => None,
        Some(sub) if ["value", "type", "primary", "display"].contains(&sub) => Some(sub),
        Some(_) => return Err(Problem::invalid("invalidPath", "There is no such attribute.")),
    };
    let list = members(resource)?.entry("emails").or_insert_with(|| json!([]));
    let Value::Array(list) = list else { return Ok(()) };
    let is_met = |address: &Value| filter.is_none_or(|filter| filter.matches(address));
    let new = match sub {
        Some("primary") => json!({ "primary": boolean(value).unwrap_or(false) }),
        Some(sub) => json!({ sub: value }),
        None => Value::Null,
    };
    match (deed, sub) {
        (Deed::Remove, None) => list.retain(|address| !is_met(address)),
        (Deed::Remove, Some(sub)) => {
            for parts in list.iter_mut().filter(|address| is_met(address)).filter_map(Value::as_object_mut) {
                parts.remove(sub);
            }
        }
        (_, None) if filter.is_none() => {
            let sent = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            let sent = sent.into_iter().map(address).collect::<Result<Vec<_>, _>>()?;
            if deed == Deed::Replace {
                list.clear();
            }
            list.extend(sent);
        }
        _ => {
            let new = if sub.is_some() { new } else { address(value.clone())? };
            let mut met = false;
            for parts in list.iter_mut().filter(|address| is_met(address)).filter_map(Value::as_object_mut) {
                met = true;
                parts.extend(new.as_object().cloned().unwrap_or_default());
            }
            // Identity systems name by a filter what they want to be there.
            if !met {
                let mut parts: Map<String, Value> =
                    filter.and_then(Filter::equals).into_iter().flatten().map(|(name, value)| (name.to_owned(), value.clone())).collect();
                parts.extend(new.as_object().cloned().unwrap_or_default());
                list.push(Value::Object(parts));
            }
        }
    }
    Ok(())
}

/// An address as an object with the names that are known, whatever their case.
fn address(value: Value) -> Result<Value, Problem> {
    match value {
        Value::String(text) => Ok(json!({ "value": text })),
        Value::Object(parts) => Ok(Value::Object(
            parts
                .into_iter()
                .map(|(name, value)| match name.to_ascii_lowercase().as_str() {
                    "primary" => ("primary".to_owned(), json!(boolean(&value).unwrap_or(false))),
                    lower => (lower.to_owned(), value),
                })
                .collect(),
        )),
        _ => Err(Problem::value("emails", "Each is an object with a value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Value {
        json!({
            "userName": "ada@example.com", "name": { "givenName": "Ada", "familyName": "Example" }, "active": true, "externalId": "E1",
            "emails": [{ "value": "ada@example.com", "type": "work", "primary": true }],
        })
    }

    fn patched(operations: Value) -> Result<Value, Problem> {
        let mut resource = ada();
        apply(&mut resource, &read(&json!({ "Operations": operations }))?)?;
        Ok(resource)
    }

    #[test]
    fn what_identity_systems_send_is_understood() {
        let with = |changes: &[(&str, Value)]| {
            let mut resource = ada();
            for (pointer, value) in changes {
                *resource.pointer_mut(pointer).expect("a place") = value.clone();
            }
            Ok(resource)
        };
        // Entra ID.
        assert_eq!(patched(json!([{ "op": "Replace", "path": "active", "value": "False" }])), with(&[("/active", json!(false))]));
        assert_eq!(
            patched(json!([
                { "op": "Replace", "path": "userName", "value": "b@example.com" },
                { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "b@example.com" },
                { "op": "Add", "path": "name.givenName", "value": "Bea" },
                { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "X" },
                { "op": "Replace", "path": "displayName", "value": "Bea" },
                { "op": "Add", "path": "phoneNumbers[type eq \"work\"].value", "value": "1" },
            ])),
            with(&[("/userName", json!("b@example.com")), ("/emails/0/value", json!("b@example.com")), ("/name/givenName", json!("Bea"))])
        );
        assert_eq!(
            patched(json!([{ "op": "Add", "value": { "name.familyName": "New", "externalId": "E2" } }])),
            with(&[("/name/familyName", json!("New")), ("/externalId", json!("E2"))])
        );
        // Okta.
        assert_eq!(patched(json!([{ "op": "replace", "value": { "active": false } }])), with(&[("/active", json!(false))]));
        assert_eq!(
            patched(
                json!([{ "op": "replace", "value": { "id": "x", "schemas": [USER], "password": "secret", USER: { "userName": "c@example.com" } } }])
            ),
            with(&[("/userName", json!("c@example.com"))])
        );
    }

    #[test]
    fn places_are_added_replaced_and_removed() {
        let emails = |operations: Value| patched(operations).map(|resource| resource["emails"].clone());
        let work = json!({ "value": "ada@example.com", "type": "work", "primary": true });
        assert_eq!(
            emails(json!([{ "op": "add", "path": "emails[type eq \"home\"].value", "value": "h@example.com" }])),
            Ok(json!([work, { "type": "home", "value": "h@example.com" }]))
        );
        assert_eq!(
            emails(json!([{ "op": "add", "path": "emails", "value": [{ "Value": "h@example.com", "primary": "False" }] }])),
            Ok(json!([work, { "value": "h@example.com", "primary": false }]))
        );
        assert_eq!(
            emails(json!([{ "op": "replace", "path": "emails", "value": { "value": "h@example.com" } }])),
            Ok(json!([{ "value": "h@example.com" }]))
        );
        assert_eq!(emails(json!([{ "op": "remove", "path": "emails[type eq \"work\"]" }])), Ok(json!([])));
        assert_eq!(
            emails(json!([{ "op": "remove", "path": "emails.primary" }])),
            Ok(json!([{ "value": "ada@example.com", "type": "work" }]))
        );
        let removed =
            patched(json!([{ "op": "remove", "path": "externalId" }, { "op": "replace", "path": "name.familyName", "value": null }]))
                .expect("done");
        assert!(removed.get("externalId").is_none() && removed["name"] == json!({ "givenName": "Ada" }));
    }

    #[test]
    fn what_cannot_be_changed_is_said_so() {
        for (operation, kind) in [
            (json!({ "op": "move", "path": "active" }), "invalidSyntax"),
            (json!({ "path": "active" }), "invalidSyntax"),
            (json!({ "op": "remove" }), "noTarget"),
            (json!({ "op": "remove", "path": "userName" }), "mutability"),
            (json!({ "op": "replace", "path": "userName", "value": null }), "mutability"),
            (json!({ "op": "remove", "path": "name" }), "mutability"),
            (json!({ "op": "remove", "path": "name.givenName" }), "mutability"),
            (json!({ "op": "remove", "path": "active" }), "mutability"),
            (json!({ "op": "replace", "path": "id", "value": "x" }), "mutability"),
            (json!({ "op": "replace", "path": "nonsense", "value": "x" }), "invalidPath"),
            (json!({ "op": "replace", "path": "name.nonsense", "value": "x" }), "invalidPath"),
            (json!({ "op": "replace", "path": "userName[x eq 1]", "value": "x" }), "invalidPath"),
            (json!({ "op": "replace", "path": "a b", "value": "x" }), "invalidPath"),
            (json!({ "op": "replace", "path": 7, "value": "x" }), "invalidPath"),
            (json!({ "op": "replace", "path": "emails[type xx]", "value": "x" }), "invalidFilter"),
            (json!({ "op": "replace", "path": "active", "value": "maybe" }), "invalidValue"),
            (json!({ "op": "replace", "path": "userName", "value": 7 }), "invalidValue"),
            (json!({ "op": "replace", "path": "emails", "value": [7] }), "invalidValue"),
            (json!({ "op": "replace", "value": "x" }), "invalidValue"),
        ] {
            let problem = patched(json!([operation])).expect_err("refused");
            assert_eq!(problem.kind.as_deref(), Some(kind), "{operation}: {problem:?}");
        }
        assert_eq!(read(&json!({})).expect_err("refused").kind.as_deref(), Some("invalidSyntax"));
    }
}
