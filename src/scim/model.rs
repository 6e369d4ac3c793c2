use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::filter::{self, Attribute, Filter};
use crate::{
    accounts::store::Provisioned,
    form::{Conflict, Obstacle, Refusal},
    secrets,
    words::{Email, FirstName, LastName, Timestamp, is_forbidden_in_names},
};

/// Where everything of it stands.
pub const BASE: &str = "/scim/v2";
/// The schema of users.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// What a list is called.
pub const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// What a search is called.
pub const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// What a change is called.
pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// What an error is called.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// So many accounts at most are in one answer.
pub const MOST: i64 = 200;
/// So many are where nothing is said.
pub const SOME: i64 = 100;
/// The longest `externalId`, in characters.
pub const LONGEST_EXTERNAL_ID: usize = 255;
/// Why an account is locked that the identity system has deactivated.
pub const REASON: &str = "The identity system deactivated the account";

/// Why a request came to nothing, in SCIM's words (RFC 7644 §3.12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// HTTP's status.
    pub status: u16,
    /// SCIM's keyword for it, where it has one.
    pub kind: Option<Cow<'static, str>>,
    /// A sentence.
    pub detail: String,
    /// After how many seconds to try again.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// One with a status and a sentence.
    #[must_use]
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, kind: None, detail: detail.into(), retry_after: None }
    }

    /// 400 with SCIM's keyword.
    #[must_use]
    pub fn invalid(kind: &'static str, detail: impl Into<String>) -> Self {
        Self { kind: Some(Cow::Borrowed(kind)), ..Self::new(400, detail) }
    }

    /// A value that does not do.
    #[must_use]
    pub fn value(attribute: &str, sentence: &str) -> Self {
        Self::invalid("invalidValue", format!("{attribute}: {sentence}."))
    }

    /// Nothing is there.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(404, "There is no such resource.")
    }

    /// The body of the answer.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut body = json!({ "schemas": [ERROR], "status": self.status.to_string(), "detail": self.detail });
        if let Some(kind) = &self.kind {
            body["scimType"] = json!(kind);
        }
        body
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.message();
        match refusal {
            Refusal::Invalid(errors) => {
                let said = errors
                    .0
                    .iter()
                    .map(|(field, sentence)| if field.is_empty() { sentence.clone() } else { format!("{field}: {sentence}") });
                Self::invalid("invalidValue", said.collect::<Vec<_>>().join("; "))
            }
            Refusal::NotFound => Self::not_found(),
            Refusal::Conflict(Conflict::Account(Obstacle::ChangedMeanwhile)) => Self::new(412, detail),
            Refusal::Conflict(Conflict::Account(Obstacle::AddressTaken | Obstacle::ExternalIdTaken)) => {
                Self { kind: Some(Cow::Borrowed("uniqueness")), ..Self::new(409, detail) }
            }
            // Two were given one address at the same moment.
            Refusal::Gone(_) => Refusal::from(Obstacle::AddressTaken).into(),
            Refusal::TooManyRequests(seconds) => Self { retry_after: Some(seconds), ..Self::new(429, detail) },
            Refusal::Unavailable | Refusal::Unanswered => Self { retry_after: Some(2), ..Self::new(503, detail) },
            other => Self::new(other.status(), detail),
        }
    }
}

/// An account as a resource, as of a moment.
#[must_use]
pub fn resource(account: &Provisioned, now: Timestamp, base: &str) -> Value {
    let mut name = Map::from_iter([("givenName".to_owned(), json!(account.first_name))]);
    if !account.last_name.is_empty() {
        name.insert("familyName".to_owned(), json!(account.last_name));
    }
    let mut resource = json!({
        "schemas": [USER],
        "id": account.id.to_string(),
        "userName": account.email.as_str(),
        "name": name,
        "displayName": crate::actor::full_name(&account.first_name, &account.last_name),
        "emails": [{ "value": account.email.as_str(), "type": "work", "primary": true }],
        "active": account.is_active(now),
        "meta": {
            "resourceType": "User",
            "created": account.created_at.rfc3339_micros(),
            "lastModified": account.changed_at.rfc3339_micros(),
            "location": format!("{base}{BASE}/Users/{}", account.id),
        },
    });
    if let Some(external_id) = &account.external_id {
        resource["externalId"] = json!(external_id);
    }
    let version: String = secrets::fingerprint(resource.to_string()).chars().take(22).collect();
    resource["meta"]["version"] = json!(format!("W/\"{version}\""));
    resource
}

/// The version of a resource, as an `ETag` has it.
#[must_use]
pub fn version(resource: &Value) -> &str {
    resource["meta"]["version"].as_str().unwrap_or_default()
}

/// Whether a version is among those that a header such as `If-Match` names.
#[must_use]
pub fn is_among(version: &str, header: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    header.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(version))
}

/// What an account is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its address.
    pub email: Email,
    /// The first name, where one is given.
    pub first_name: Option<FirstName>,
    /// The last name, where a name is given.
    pub last_name: Option<LastName>,
    /// What the identity system calls it.
    pub external_id: Option<String>,
    /// Whether its owner may use it, where that is said.
    pub active: Option<bool>,
}

impl Wanted {
    /// Reads what is wanted from a resource whose members are those that [`patch`](super::patch) puts there. An address among
    /// `emails` that stood there `before` says nothing.
    ///
    /// # Errors
    /// 400 `invalidValue`.
    pub fn read(resource: &Value, before: Option<&Email>) -> Result<Self, Problem> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let user_name = text(&resource["userName"]).unwrap_or_default();
        let email = Email::parse(&user_name).map_err(|sentence| Problem::value("userName", sentence))?;
        let name = &resource["name"];
        let first_name = match text(&name["givenName"]) {
            Some(given) => Some(FirstName::parse(&given).map_err(|sentence| Problem::value("name.givenName", sentence))?),
            None => None,
        };
        let last_name = LastName::parse(&text(&name["familyName"]).unwrap_or_default());
        let last_name = last_name.map_err(|sentence| Problem::value("name.familyName", sentence))?;
        let external_id = text(&resource["externalId"]).filter(|id| !id.is_empty());
        if external_id.as_ref().is_some_and(|id| id.chars().count() > LONGEST_EXTERNAL_ID || id.chars().any(is_forbidden_in_names)) {
            return Err(Problem::value("externalId", "Use at most 255 characters, and no control characters"));
        }
        if main_email(&resource["emails"], before).is_some_and(|main| main.trim().to_lowercase() != email.key()) {
            let sentence = "The address of an account is its userName. Leave out the main address here, or send the same one";
            return Err(Problem::value("emails", sentence));
        }
        Ok(Self { email, first_name, last_name: name.is_object().then_some(last_name), external_id, active: resource["active"].as_bool() })
    }

    /// The first name; where none is given, what stands before the @ of the address.
    ///
    /// # Errors
    /// 400 `invalidValue`.
    pub fn first_name(&self) -> Result<FirstName, Problem> {
        let before = self.email.as_str().split('@').next().unwrap_or_default();
        match &self.first_name {
            Some(name) => Ok(name.clone()),
            None => FirstName::parse(before).map_err(|sentence| Problem::value("name.givenName", sentence)),
        }
    }
}

/// The address that is somebody's own among others: the primary one, else the one for work, else the only one.
fn main_email<'v>(emails: &'v Value, before: Option<&Email>) -> Option<&'v str> {
    let stood = |value: &Value| before.is_some_and(|before| value["value"].as_str() == Some(before.as_str()));
    let all: Vec<&Value> = emails.as_array()?.iter().filter(|value| !stood(value)).collect();
    let primary = all.iter().find(|value| value["primary"] == true);
    let work = || all.iter().find(|value| value["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("work")));
    let only = || all.first().filter(|_| all.len() == 1);
    primary.or_else(work).or_else(only)?["value"].as_str().filter(|address| !address.is_empty())
}

/// Which accounts are asked for, and what of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which.
    pub filter: Option<Filter>,
    /// From which one on, from 1.
    pub start: i64,
    /// How many.
    pub count: i64,
    /// What of each.
    pub parts: Parts,
}

/// Which attributes of a resource are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    only: Vec<Attribute>,
    without: Vec<Attribute>,
}

impl Parts {
    /// Reads the names of attributes, and those of attributes that are left out.
    ///
    /// # Errors
    /// 400 `invalidValue` for what is no attribute's name.
    pub fn read<'n>(only: impl IntoIterator<Item = &'n str>, without: impl IntoIterator<Item = &'n str>) -> Result<Self, Problem> {
        fn all<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Vec<Attribute>, Problem> {
            let names = names.into_iter().map(str::trim).filter(|name| !name.is_empty());
            let wrong = || Problem::invalid("invalidValue", "The name of an attribute cannot be read.");
            names.map(|name| Attribute::parse(name).ok_or_else(wrong)).collect()
        }
        Ok(Self { only: all(only)?, without: all(without)? })
    }

    /// Of a resource what is asked for; `id` and `schemas` always.
    #[must_use]
    pub fn of(&self, mut resource: Value) -> Value {
        let Some(members) = resource.as_object_mut() else { return resource };
        let always = |key: &str| ["id", "schemas"].contains(&key);
        let named = |all: &[Attribute], key: &str| -> Vec<Attribute> {
            all.iter().filter(|attribute| !attribute.foreign && attribute.name.eq_ignore_ascii_case(key)).cloned().collect()
        };
        if !self.only.is_empty() {
            members.retain(|key, _| always(key) || !named(&self.only, key).is_empty());
        }
        for (key, value) in members.iter_mut().filter(|(key, _)| !always(key)) {
            let only = named(&self.only, key);
            let whole = only.is_empty() || only.iter().any(|attribute| attribute.sub.is_none());
            let without = if self.only.is_empty() { named(&self.without, key) } else { Vec::new() };
            let is = |all: &[Attribute], sub: &str| {
                all.iter().any(|attribute| attribute.sub.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(sub)))
            };
            let mut each: Vec<&mut Value> = match value {
                Value::Array(values) => values.iter_mut().collect(),
                other => vec![other],
            };
            for parts in each.iter_mut().filter_map(|value| value.as_object_mut()) {
                parts.retain(|sub, _| (whole || is(&only, sub)) && !is(&without, sub));
            }
        }
        if self.only.is_empty() {
            members.retain(|key, _| always(key) || !named(&self.without, key).iter().any(|attribute| attribute.sub.is_none()));
        }
        resource
    }
}

impl Query {
    /// Reads a query from the parameters of an address.
    ///
    /// # Errors
    /// 400.
    pub fn of_address(query: &str) -> Result<Self, Problem> {
        let mut asked = Map::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = match name.to_ascii_lowercase().as_str() {
                "attributes" | "excludedattributes" => json!(value.split(',').collect::<Vec<_>>()),
                "startindex" | "count" => {
                    json!(value.trim().parse::<i64>().map_err(|_| Problem::value(&name, "It is no whole number"))?)
                }
                _ => json!(value),
            };
            asked.insert(name.into_owned(), value);
        }
        Self::read(&Value::Object(asked))
    }

    /// Reads a search that was posted.
    ///
    /// # Errors
    /// 400.
    pub fn read(asked: &Value) -> Result<Self, Problem> {
        let member = |name: &str| filter::member(asked, name).filter(|value| !value.is_null());
        let names = |name: &str| -> Result<Vec<&str>, Problem> {
            let Some(all) = member(name) else { return Ok(Vec::new()) };
            let all = all.as_array().and_then(|all| all.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
            all.ok_or_else(|| Problem::value(name, "It is no list of names"))
        };
        let number = |name: &str, default: i64| match member(name) {
            None => Ok(default),
            Some(value) => value.as_i64().ok_or_else(|| Problem::value(name, "It is no whole number")),
        };
        let filter = match member("filter") {
            None => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => Some(Filter::parse(text)?),
            Some(_) => return Err(Problem::invalid("invalidFilter", "The filter is no text.")),
        };
        Ok(Self {
            filter,
            start: number("startIndex", 1)?.max(1),
            count: number("count", SOME)?.clamp(0, MOST),
            parts: Parts::read(names("attributes")?, names("excludedAttributes")?)?,
        })
    }
}

/// A page of a list.
#[must_use]
pub fn list(total: i64, start: i64, resources: &[Value]) -> Value {
    let mut body = json!({ "schemas": [LIST], "totalResults": total, "startIndex": start, "itemsPerPage": resources.len() });
    if !resources.is_empty() || total == 0 {
        body["Resources"] = json!(resources);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::AccountId;

    fn ada() -> Value {
        let account = Provisioned {
            id: AccountId(uuid::Uuid::nil()),
            email: Email::parse("ada@example.com").expect("an address"),
            first_name: "Ada".to_owned(),
            last_name: "Example".to_owned(),
            external_id: Some("E1".to_owned()),
            created_at: Timestamp(0),
            changed_at: Timestamp(1),
            locked_until: Some(Timestamp(5)),
            deactivated_at: None,
        };
        resource(&account, Timestamp(5), "https://portal.example.com")
    }

    #[test]
    fn of_a_resource_there_is_what_is_asked_for() {
        let of = |only: &str, without: &str| {
            let parts = Parts::read(only.split(','), without.split(',')).expect("names");
            let Value::Object(members) = parts.of(ada()) else { unreachable!("an object") };
            members
        };
        let names = |members: &Map<String, Value>| members.keys().cloned().collect::<Vec<_>>();
        assert_eq!(of("", "").len(), ada().as_object().expect("an object").len());
        assert_eq!(names(&of("username", "")), ["id", "schemas", "userName"]);
        assert_eq!(of("name.givenName,emails.value", "")["name"], json!({ "givenName": "Ada" }));
        assert_eq!(of("name.givenName,emails.value", "")["emails"], json!([{ "value": "ada@example.com" }]));
        assert_eq!(of("name,name.givenName", "")["name"], json!({ "givenName": "Ada", "familyName": "Example" }));
        let without = of("", "id,schemas,active,name.familyName,urn:ietf:params:scim:schemas:core:2.0:User:emails");
        assert!(without.contains_key("id") && without.contains_key("schemas"));
        assert!(!without.contains_key("active") && !without.contains_key("emails"));
        assert_eq!(without["name"], json!({ "givenName": "Ada" }));
    }

    #[test]
    fn a_lock_that_is_over_is_none_and_versions_tell_what_changed() {
        assert_eq!(ada()["active"], true);
        let tag = version(&ada()).to_owned();
        assert!(tag.starts_with("W/\"") && is_among(&tag, &tag) && is_among(&tag, "\"x\", *") && !is_among(&tag, "W/\"x\""));
        assert!(is_among(&tag, tag.trim_start_matches("W/")));
    }

    #[test]
    fn the_main_address_is_the_user_name() {
        let read = |emails: Value| {
            Wanted::read(
                &json!({ "userName": "Ada@example.com", "emails": emails }),
                Some(&Email::parse("old@example.com").expect("an address")),
            )
        };
        for right in [
            json!(null),
            json!([]),
            json!([{ "value": "ada@EXAMPLE.com" }]),
            json!([{ "value": "ada@example.com", "primary": true }, { "value": "x@example.com", "type": "work" }]),
            json!([{ "value": "x@example.com", "type": "home" }, { "value": "y@example.com", "type": "other" }]),
            json!([{ "value": "old@example.com", "type": "work", "primary": true }]),
        ] {
            assert!(read(right.clone()).is_ok(), "{right}");
        }
        for wrong in [
            json!([{ "value": "x@example.com" }]),
            json!([{ "value": "x@example.com", "type": "Work" }, { "value": "ada@example.com", "type": "home" }]),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
