//! What every request to `/scim/v2` passes: the token, how often, which address, what was sent. Cookies mean nothing here, so
//! what another site makes a browser send is nobody's.

use std::{future::Future, pin::Pin};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::{
    BASE, PATCH, Parts, Problem, Query, SEARCH, USER, Wanted,
    actions::{self, Change},
    discovery,
    filter::member,
    is_among, list, patch, version,
};
use crate::{
    accounts::store::Provisioned,
    actor::{ActorKind, Caller},
    db::Failure,
    form::Drawn,
    limits,
    portal::Portal,
    routes::{SCIM, ScimRoute},
    secrets, visit,
};

/// The largest body, in bytes.
pub const MAX_BODY: usize = 256 * 1024;

const TYPE: &str = "application/scim+json";

/// A request, as far as the door has seen to it.
pub struct Call {
    /// The portal.
    pub portal: Portal,
    /// The identity system.
    pub caller: Caller,
    /// What stands in the place of the path; empty where it has none.
    pub place: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    body: Option<Value>,
    location: Option<String>,
}

impl Reply {
    /// One with a body.
    #[must_use]
    pub const fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body), location: None }
    }
}

/// What answers a request.
pub type Handler = for<'a> fn(&'a Call) -> Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send + 'a>>;

/// Whether a path is one of these.
#[must_use]
pub fn is_scim(path: &str) -> bool {
    path == "/scim" || path.starts_with("/scim/")
}

/// Whether there is anything at these addresses: the operator has given the identity system a token.
#[must_use]
pub fn serves(portal: &Portal, path: &str) -> bool {
    is_scim(path) && portal.config.identity_system_token().is_some()
}

/// Handles every request to these addresses.
pub async fn handle(portal: &Portal, request: Request) -> Response {
    let mut allow = Vec::new();
    match answer(portal, request, &mut allow).await {
        Ok(reply) => written(reply),
        Err(problem) => refused(&problem, &allow),
    }
}

/// A problem as an answer.
#[must_use]
pub fn refused(problem: &Problem, allow: &[&str]) -> Response {
    let mut response = with_body(problem.status, &problem.json());
    let headers = response.headers_mut();
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scim\""));
    }
    if let Some(allow) = Some(allow.join(", ")).filter(|allow| !allow.is_empty()).and_then(|allow| HeaderValue::from_str(&allow).ok()) {
        headers.insert(header::ALLOW, allow);
    }
    response
}

fn with_body(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, TYPE)], body.to_string()).into_response()
}

fn written(reply: Reply) -> Response {
    let Some(body) = &reply.body else {
        return StatusCode::from_u16(reply.status).unwrap_or(StatusCode::NO_CONTENT).into_response();
    };
    let mut response = with_body(reply.status, body);
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(version(body))
        && !tag.is_empty()
    {
        headers.insert(header::ETAG, tag);
    }
    if let Some(location) = reply.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}

async fn answer(portal: &Portal, request: Request, allow: &mut Vec<&'static str>) -> Result<Reply, Problem> {
    // Without TLS the portal is for its own machine alone, whoever asks.
    if !portal.config.secure() && visit::forwarded(request.headers()) {
        let detail = "This portal is set up for its own machine alone. Behind a proxy, ORG_PORTAL_PUBLIC_URL has to be its https address.";
        return Err(Problem::new(403, detail));
    }
    let (mut parts, body) = request.into_parts();
    let caller = parts.extensions.remove::<Caller>().unwrap_or_else(Caller::system);
    let caller = Caller { actor: None, kind: ActorKind::IdentitySystem, drawn: Drawn::default(), content: String::new(), ..caller };
    admit(portal, &caller, &parts.headers).await?;
    let (route, place) = find(&parts.method, parts.uri.path(), allow)?;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let body = receive(body).await?;
    let call = Call { portal: portal.clone(), caller, place, query, headers: parts.headers, body };
    (route.handler)(&call).await
}

/// Whether the token is the one that the operator has given the identity system. Wrong ones are counted, and a right one is
/// never kept out by them.
async fn admit(portal: &Portal, caller: &Caller, headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, given) = given.split_once(' ').unwrap_or_default();
    let right = portal.config.identity_system_token().is_some_and(|token| {
        // Hashes have one length: how long the token is takes no time that could be measured.
        scheme.eq_ignore_ascii_case("bearer") && bool::from(secrets::hash(given.trim()).ct_eq(&secrets::hash(token)))
    });
    if right {
        portal.limits.count("scim", String::new(), portal.config.api_rate, portal.clock.now())?;
        return Ok(());
    }
    let counted = limits::count(portal, "scim address", &caller.origin.address, portal.config.token_address_rate).await;
    counted.map_err(|failure| portal.refuse(failure))?;
    Err(Problem::new(401, "The token is missing or wrong. Send the identity system's as Authorization: Bearer."))
}

/// What answers at a path, and what stands in its place.
fn find(method: &Method, path: &str, allow: &mut Vec<&'static str>) -> Result<(&'static ScimRoute, String), Problem> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    for route in SCIM {
        let Some(place) = matches(route.path, path) else { continue };
        if route.method == *method {
            return Ok((route, percent_encoding::percent_decode_str(place).decode_utf8_lossy().into_owned()));
        }
        allow.push(route.method.as_str());
    }
    Err(if allow.is_empty() { Problem::not_found() } else { Problem::new(405, "This is not done by that method.") })
}

/// Whether a path is one of a pattern that ends in a place, and what stands there. A literal end goes before a place.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    match pattern.split_once('{') {
        None => (pattern == path).then_some(""),
        Some((before, _)) => path.strip_prefix(before).filter(|place| !place.is_empty() && !place.contains('/') && !place.starts_with('.')),
    }
}

async fn receive(body: Body) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::new(408, "What was sent took too long to arrive. Nothing was changed."))?;
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(Problem::new(413, "What was sent is too large. Nothing was changed."));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl Call {
    /// The header of that name.
    fn header(&self, name: header::HeaderName) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    /// What was sent, which says that it is of a schema, where it says of which.
    fn sent(&self, schema: &str) -> Result<Value, Problem> {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if ![TYPE, "application/json", ""].contains(&kind.as_str()) {
            return Err(Problem::new(415, "The body is application/scim+json, or application/json."));
        }
        let syntax = |detail: String| Problem::invalid("invalidSyntax", detail);
        let sent: Value = serde_json::from_slice(&self.body)
            .map_err(|error| syntax(format!("The body is not JSON: line {}, column {}.", error.line(), error.column())))?;
        if !sent.is_object() {
            return Err(syntax("The body is JSON, but no object.".to_owned()));
        }
        match member(&sent, "schemas") {
            None | Some(Value::Null) => Ok(sent),
            Some(Value::Array(all)) if all.iter().filter_map(Value::as_str).any(|name| name.eq_ignore_ascii_case(schema)) => Ok(sent),
            Some(_) => Err(syntax(format!("schemas does not name {schema}."))),
        }
    }

    /// What of a resource is asked for.
    fn parts(&self) -> Result<Parts, Problem> {
        Ok(Query::of_address(&self.query)?.parts)
    }

    fn shown(&self, status: u16, account: &Provisioned) -> Result<Reply, Problem> {
        let resource = actions::shown(&self.portal, account);
        let location = resource["meta"]["location"].as_str().map(str::to_owned);
        Ok(Reply { status, body: Some(self.parts()?.of(resource)), location })
    }

    fn refuse(&self, failure: Failure) -> Problem {
        self.portal.refuse(failure).into()
    }

    async fn listed(&self, query: &Query) -> Result<Reply, Problem> {
        let (total, resources) = actions::list(&self.portal, query).await.map_err(|failure| self.refuse(failure))?;
        let resources: Vec<Value> = resources.into_iter().map(|resource| query.parts.of(resource)).collect();
        Ok(Reply::ok(list(total, query.start, &resources)))
    }
}

/// `GET /scim/v2/Users`
pub async fn users(call: &Call) -> Result<Reply, Problem> {
    call.listed(&Query::of_address(&call.query)?).await
}

/// `POST /scim/v2/Users/.search`, and the same of everything, which is users.
pub async fn search(call: &Call) -> Result<Reply, Problem> {
    call.listed(&Query::read(&call.sent(SEARCH)?)?).await
}

/// `GET /scim/v2/Users/{id}`
pub async fn user(call: &Call) -> Result<Reply, Problem> {
    let account = actions::get(&call.portal, &call.place).await.map_err(|failure| call.refuse(failure))?;
    let tag = version(&actions::shown(&call.portal, &account)).to_owned();
    if call.header(header::IF_NONE_MATCH).is_some_and(|known| is_among(&tag, &known)) {
        return Ok(Reply { status: 304, body: None, location: None });
    }
    call.shown(200, &account)
}

/// `POST /scim/v2/Users`
pub async fn create(call: &Call) -> Result<Reply, Problem> {
    // Nothing is made whose answer could not be given.
    call.parts()?;
    let wanted = Wanted::read(&patch::whole(&call.sent(USER)?)?, None)?;
    let made = actions::create(&call.portal, &call.caller, wanted).await?;
    call.shown(201, &made)
}

/// `PUT /scim/v2/Users/{id}`
pub async fn replace(call: &Call) -> Result<Reply, Problem> {
    let whole = patch::whole(&call.sent(USER)?)?;
    change(call, Change::Whole(whole)).await
}

/// `PATCH /scim/v2/Users/{id}`
pub async fn modify(call: &Call) -> Result<Reply, Problem> {
    let operations = patch::read(&call.sent(PATCH)?)?;
    change(call, Change::Parts(operations)).await
}

async fn change(call: &Call, change: Change) -> Result<Reply, Problem> {
    call.parts()?;
    let changed = actions::change(&call.portal, &call.caller, &call.place, change, call.header(header::IF_MATCH)).await?;
    call.shown(200, &changed)
}

/// `DELETE /scim/v2/Users/{id}`
pub async fn delete(call: &Call) -> Result<Reply, Problem> {
    actions::delete(&call.portal, &call.caller, &call.place, call.header(header::IF_MATCH)).await?;
    Ok(Reply { status: 204, body: None, location: None })
}

/// What there is to know of the interface itself is not filtered (RFC 7644 §4).
fn unfiltered(call: &Call) -> Result<(), Problem> {
    let filtered = url::form_urlencoded::parse(call.query.as_bytes()).any(|(name, _)| name.eq_ignore_ascii_case("filter"));
    if filtered { Err(Problem::new(403, "This is not filtered.")) } else { Ok(()) }
}

/// `GET /scim/v2/ServiceProviderConfig`
pub async fn service_provider_config(call: &Call) -> Result<Reply, Problem> {
    unfiltered(call)?;
    Ok(Reply::ok(discovery::service_provider_config(&call.portal.config.base())))
}

/// `GET /scim/v2/ResourceTypes`
pub async fn resource_types(call: &Call) -> Result<Reply, Problem> {
    unfiltered(call)?;
    Ok(Reply::ok(list(1, 1, &[discovery::resource_type(&call.portal.config.base())])))
}

/// `GET /scim/v2/ResourceTypes/{name}`
pub async fn resource_type(call: &Call) -> Result<Reply, Problem> {
    if call.place == "User" { Ok(Reply::ok(discovery::resource_type(&call.portal.config.base()))) } else { Err(Problem::not_found()) }
}

/// `GET /scim/v2/Schemas`
pub async fn schemas(call: &Call) -> Result<Reply, Problem> {
    unfiltered(call)?;
    let all = discovery::schemas(&call.portal.config.base());
    Ok(Reply::ok(list(i64::try_from(all.len()).unwrap_or(i64::MAX), 1, &all)))
}

/// `GET /scim/v2/Schemas/{id}`
pub async fn schema(call: &Call) -> Result<Reply, Problem> {
    let all = discovery::schemas(&call.portal.config.base());
    all.into_iter().find(|schema| schema["id"] == call.place.as_str()).map(Reply::ok).ok_or_else(Problem::not_found)
}

/// What the standard has and the portal does not.
pub async fn not_implemented(_: &Call) -> Result<Reply, Problem> {
    Err(Problem::new(501, format!("This is not supported. {BASE}/ServiceProviderConfig says what is.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_by_method_and_place() {
        let found = |method: &str, path: &str| {
            let mut allow = Vec::new();
            match find(&Method::from_bytes(method.as_bytes()).expect("a method"), path, &mut allow) {
                Ok((route, place)) => format!("{} {place}", route.path).trim().to_owned(),
                Err(problem) => format!("{} {}", problem.status, allow.join(",")).trim().to_owned(),
            }
        };
        for (method, path, is) in [
            ("GET", "/scim/v2/Users", "/scim/v2/Users"),
            ("GET", "/scim/v2/Users/", "/scim/v2/Users"),
            ("HEAD", "/scim/v2/Users/x", "/scim/v2/Users/{id} x"),
            ("POST", "/scim/v2/Users/.search", "/scim/v2/Users/.search"),
            ("GET", "/scim/v2/Users/.search", "405 POST"),
            ("GET", "/scim/v2/Schemas/urn%3Ax", "/scim/v2/Schemas/{id} urn:x"),
            ("POST", "/scim/v2/Users/x", "405 GET,PUT,PATCH,DELETE"),
            ("GET", "/scim/v2/Users/x/y", "404"),
            ("GET", "/scim/v2/users", "404"),
            ("GET", "/scim/v2/Groups", "404"),
            ("GET", "/scim/v2", "404"),
            ("POST", "/scim/v2/Bulk", "/scim/v2/Bulk"),
        ] {
            assert_eq!(found(method, path), is, "{method} {path}");
        }
    }
}
