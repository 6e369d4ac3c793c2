//! What every call of `/v1` passes: which call it is, who calls and with which right, how often, what was sent. Cookies mean
//! nothing here, so what another site makes a browser send is nobody's.

use std::{future::Future, pin::Pin};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, header},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Problem,
    problem::{Code, Fail},
};
use crate::{
    actor::{Actor, Caller, Credential},
    audit::Action,
    db::Failure,
    form::{Conflict, Drawn, Refusal},
    guard::{self, Membership},
    oauth,
    permissions::Permission,
    pmm,
    portal::Portal,
    routes::{API, Access, ApiRoute},
    sessions::actions as sessions,
    visit,
    words::OrganizationId,
};

/// What stands in the places of a path, by their names.
type Parameters = Vec<(&'static str, String)>;

/// The largest body of a call, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// What a call needs of the credential that it comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is not looked at.
    Nothing,
    /// That it may be read with.
    Reading,
    /// That this may be written with it.
    Writing(Action),
    /// That it is a session.
    Session,
}

/// A call, as far as the door has seen to it.
pub struct Call {
    /// The portal.
    pub portal: Portal,
    /// Who calls, and about which organization.
    pub caller: Caller,
    /// That one's membership, where the call is a member's to read.
    pub membership: Option<Membership>,
    parameters: Parameters,
    /// The bearer token that came, whatever it is.
    secret: Option<String>,
}

impl Call {
    /// What stands in a place of the path.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// Who calls.
    ///
    /// # Errors
    /// 401 where nobody is signed in.
    pub fn actor(&self) -> Result<&Actor, Fail> {
        Ok(self.caller.actor()?)
    }

    /// The membership of who calls.
    ///
    /// # Errors
    /// 404 where there is none.
    pub fn member(&self) -> Result<&Membership, Fail> {
        self.membership.as_ref().ok_or_else(|| Refusal::NotFound.into())
    }
}

/// What answers a call: the call, and what was sent with it.
pub type Handler = for<'a> fn(&'a Call, Value) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, Fail>> + Send + 'a>>;

/// Reads what was sent.
///
/// # Errors
/// Where it is of another shape.
pub fn read<T: DeserializeOwned>(sent: Value) -> Result<T, Fail> {
    serde_json::from_value(sent).map_err(|_| {
        Problem::new(Code::InvalidArgument, "The body is JSON, but not of the shape that this call takes: see /docs/api.").into()
    })
}

/// Writes what a call answers.
///
/// # Errors
/// What the call refuses.
pub fn write<T: Serialize>(answer: Result<T, Fail>) -> Result<Vec<u8>, Fail> {
    serde_json::to_vec(&answer?).map_err(|error| Failure::Fault(error.to_string()).into())
}

/// Whether a path is one of `/v1`.
#[must_use]
pub fn is_api(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Handles every request to `/v1`.
pub async fn handle(portal: &Portal, request: Request) -> Response {
    match answer(portal, request).await {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(problem) => problem.response(),
    }
}

async fn answer(portal: &Portal, request: Request) -> Result<Vec<u8>, Problem> {
    // Without TLS the portal is for its own machine alone, whoever asks.
    if !portal.config.secure() && visit::forwarded(request.headers()) {
        let message = "This portal is set up for its own machine alone. Behind a proxy, ORG_PORTAL_PUBLIC_URL has to be its https address.";
        return Err(Problem::new(Code::PermissionDenied, message));
    }
    let (route, parameters) = find(request.method(), request.uri().path())?;
    let (mut parts, body) = request.into_parts();
    let mut caller = parts.extensions.remove::<Caller>().unwrap_or_else(Caller::system);
    caller.drawn = Drawn::default();
    if route.access != Access::Anyone {
        caller.actor = Some(authenticate(portal, &parts.headers, &caller, route).await?);
    }
    admit(portal, &caller, route.needs)?;
    if let Some(actor) = caller.actor.as_ref().filter(|_| route.needs != Needs::Session) {
        let owes = async { guard::owes_factor(&mut portal.read().await?, portal.config.second_factor, actor).await };
        if owes.await.map_err(|failure| portal.refuse(failure))? {
            return Err(Problem::new(Code::PermissionDenied, Refusal::Conflict(Conflict::NoSecondFactor).message()));
        }
    }
    if let Some((_, id)) = parameters.iter().find(|(name, _)| *name == "org_id") {
        let organization: OrganizationId = id.parse().map_err(|_| Problem::from(Refusal::NotFound))?;
        caller.drawn.organization = Some(organization);
    }
    let membership = match route.access {
        // What is written is decided in its transaction, so that what was refused is noted, too.
        Access::Member(permission) if route.needs == Needs::Reading => Some(membership(portal, &caller, permission).await?),
        _ => None,
    };
    let sent = receive(body).await?;
    let secret = bearer(&parts.headers).map(str::to_owned);
    let call = Call { portal: portal.clone(), caller, membership, parameters, secret };
    match (route.handler)(&call, sent.clone()).await {
        Ok(json) => Ok(json),
        Err(Fail::Failure(failure)) => Err(Problem::from(portal.refuse(failure)).about(&sent)),
        Err(Fail::Problem(problem)) => Err(problem.about(&sent)),
    }
}

/// The call at a path, and what stands in the places of its path. The first that fits, in the order of the table.
fn find(method: &Method, path: &str) -> Result<(&'static ApiRoute, Parameters), Problem> {
    let parts: Vec<String> =
        path.split('/').map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let mut others = Vec::new();
    for route in API {
        let Some(parameters) = matches(route.path, &parts) else { continue };
        if route.method == *method {
            return Ok((route, parameters));
        }
        if !others.contains(&route.method.as_str()) {
            others.push(route.method.as_str());
        }
    }
    Err(Problem::no_call(method.as_str(), path, others))
}

/// Whether a path's parts are those of a pattern such as `/v1/orgs/{org_id}/members/{member_id}:reactivate`, and what
/// stands in its places. A place is never empty, and one without a colon behind it holds none.
fn matches(pattern: &'static str, parts: &[String]) -> Option<Parameters> {
    let mut parameters = Vec::new();
    let mut parts = parts.iter();
    for piece in pattern.split('/') {
        let part = parts.next()?;
        match piece.strip_prefix('{').and_then(|piece| piece.split_once('}')) {
            None if piece == part => {}
            None => return None,
            Some((name, verb)) => {
                let value = part.strip_suffix(verb)?;
                if value.is_empty() || value.contains(':') {
                    return None;
                }
                parameters.push((name, value.to_owned()));
            }
        }
    }
    parts.next().is_none().then_some(parameters)
}

/// Who calls, by the token that was sent: one that a member made, one of the provider's, or a session's secret. A good credential is counted by
/// itself, what comes without one by its address.
async fn authenticate(portal: &Portal, headers: &HeaderMap, caller: &Caller, route: &ApiRoute) -> Result<Actor, Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, secret) = given.split_once(' ').unwrap_or((given, ""));
    let found = match scheme.eq_ignore_ascii_case("bearer") {
        true => known(portal, secret.trim()).await.map_err(|failure| portal.refuse(failure))?,
        false => None,
    };
    let (now, config) = (portal.clock.now(), &portal.config);
    match found {
        Some(actor) => {
            portal.limits.count("api", actor.credential_id().to_string(), config.api_rate, now)?;
            Ok(actor)
        }
        None => {
            portal.limits.count("api address", network(&caller.origin.address), config.api_address_rate, now)?;
            // PMM 2.25 and 2.26 send address and password. Nobody looks at them.
            if scheme.eq_ignore_ascii_case("basic") && route.path.starts_with("/v1/orgs/inventory") {
                return Err(Problem::new(Code::Unauthenticated, "Authentication failed. Please update the PMM version."));
            }
            if is_of_another_kind(portal, secret.trim()).await.map_err(|failure| portal.refuse(failure))? {
                return Err(Problem::new(
                    Code::PermissionDenied,
                    "This token is not for calls of a person. Sign in, or use a token that a member made.",
                ));
            }
            Err(Problem::unauthenticated())
        }
    }
}

/// Whether a token that is nobody's here is good for something else: a PMM server's own, or one for signing in alone.
async fn is_of_another_kind(portal: &Portal, secret: &str) -> Result<bool, Failure> {
    Ok(oauth::tokens::machine(portal, secret).await?.is_some() || oauth::tokens::person(portal, secret).await?.is_some())
}

/// Whose a token is, by what it begins with. A PMM server that asks for a person is heard from.
async fn known(portal: &Portal, secret: &str) -> Result<Option<Actor>, Failure> {
    if secret.is_empty() {
        Ok(None)
    } else if secret.starts_with(pmm::tokens::PREFIX) {
        pmm::tokens::authenticate(portal, secret).await
    } else if secret.starts_with(oauth::tokens::ACCESS) {
        let actor = oauth::tokens::authenticate(portal, secret).await?;
        if let Some(Actor { credential: Credential::Grant { server, .. }, .. }) = &actor {
            pmm::contact::note(portal, *server);
        }
        Ok(actor)
    } else {
        sessions::by_secret(portal, secret).await
    }
}

/// The secret behind `Authorization: Bearer`, where there is one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

/// Notes that a PMM server was heard from, where its own token came with a call that asks for none.
///
/// # Errors
/// The database's.
pub async fn hear(call: &Call) -> Result<(), Failure> {
    if let Some(secret) = &call.secret
        && let Some(server) = oauth::tokens::machine(&call.portal, secret).await?
    {
        pmm::contact::note(&call.portal, server);
    }
    Ok(())
}

/// What an address is counted by: of IPv6, the network that one customer of a provider gets.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V6(ip)) => format!("{:x?}", &ip.segments()[..4]),
        _ => address.to_owned(),
    }
}

/// Whether the credential may be used for what a call does. The unit of work asks again.
fn admit(portal: &Portal, caller: &Caller, needs: Needs) -> Result<(), Problem> {
    let Some(actor) = &caller.actor else {
        let (key, rate) = (network(&caller.origin.address), portal.config.api_address_rate);
        return Ok(portal.limits.count("api address", key, rate, portal.clock.now())?);
    };
    let (may, message) = match needs {
        Needs::Nothing => (true, ""),
        Needs::Reading => (actor.scopes.may_read(), "This token is not for reading. Use one with the scope that allows it."),
        Needs::Writing(action) => (actor.scopes.may_write(action), "This token is not for this. Use one with the scope that allows it."),
        Needs::Session => (actor.session().is_ok(), "This is for a session alone, as POST /v1/auth/SignIn opens one."),
    };
    if may { Ok(()) } else { Err(Problem::new(Code::PermissionDenied, message)) }
}

/// The membership of who calls, where its role has the permission, in the organization that the path names.
async fn membership(portal: &Portal, caller: &Caller, permission: Permission) -> Result<Membership, Problem> {
    let looked_up = async {
        let account = caller.actor()?.account;
        guard::membership(&mut portal.read().await?, account, portal.clock.now()).await
    };
    let membership = looked_up.await.map_err(|failure| portal.refuse(failure))?.ok_or(Refusal::NotFound)?;
    if caller.drawn.organization.is_some_and(|named| named != membership.organization) {
        return Err(Refusal::NotFound.into());
    }
    if membership.role.may(permission) {
        return Ok(membership);
    }
    Err(match permission {
        Permission::ViewCustomerData => Problem::new(Code::PermissionDenied, "Only an Admin of the organization may see its entitlements."),
        _ => Refusal::Forbidden.into(),
    })
}

/// What was sent, whatever it says that it is: nothing at all is an empty object.
async fn receive(body: Body) -> Result<Value, Problem> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        // A body that breaks off brings nothing; one that dawdles is cut off by its deadline.
        let chunk = chunk.map_err(|_| Problem::too_slow())?;
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(Problem::too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let sent: Value = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(Code::InvalidArgument, format!("The body is not JSON: line {}, column {}.", error.line(), error.column()))
    })?;
    match sent {
        Value::Object(_) => Ok(plain(sent)),
        _ => Err(Problem::new(Code::InvalidArgument, "The body is JSON, but no object.")),
    }
}

/// The names of fields as they are in the answers, however they were sent; what is null is left out, as if it were not there.
fn plain(sent: Value) -> Value {
    match sent {
        Value::Object(fields) => {
            let mut named = serde_json::Map::new();
            for (name, value) in fields {
                if !value.is_null() {
                    let snake = snake(&name);
                    // A name that was sent as it is goes before another way to write it.
                    if snake == name || !named.contains_key(&snake) {
                        named.insert(snake, plain(value));
                    }
                }
            }
            Value::Object(named)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

/// `pmmServerId` is `pmm_server_id`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(method: &str, path: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        match find(&method, path) {
            Ok((route, parameters)) => {
                let values: Vec<String> = parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{} {}", route.path, values.join(" ")).trim().to_owned()
            }
            Err(problem) => problem.message().to_owned(),
        }
    }

    #[test]
    fn calls_are_found_with_their_literal_colons() {
        for (method, path, route) in [
            ("POST", "/v1/orgs/O1/tickets:search", "/v1/orgs/{org_id}/tickets:search org_id=O1"),
            ("POST", "/v1/orgs/O1/tickets%3Asearch", "/v1/orgs/{org_id}/tickets:search org_id=O1"),
            ("POST", "/v1/orgs:search", "/v1/orgs:search"),
            ("POST", "/v1/orgs/company:search", "/v1/orgs/company:search"),
            ("GET", "/v1/orgs/O1", "/v1/orgs/{org_id} org_id=O1"),
            ("HEAD", "/v1/orgs/O1", "/v1/orgs/{org_id} org_id=O1"),
            ("POST", "/v1/orgs/O1/members/M1:reactivate", "/v1/orgs/{org_id}/members/{member_id}:reactivate org_id=O1 member_id=M1"),
            ("PUT", "/v1/orgs/O1/members/M1", "/v1/orgs/{org_id}/members/{member_id} org_id=O1 member_id=M1"),
            ("POST", "/v1/orgs/O1/members/:reactivate", "There is no call POST /v1/orgs/O1/members/:reactivate."),
            ("POST", "/v1/orgs/O1", "There is no call POST /v1/orgs/O1."),
            ("POST", "/v1/orgs/", "There is no call POST /v1/orgs/."),
            ("POST", "/v1/orgs/a/b/c", "There is no call POST /v1/orgs/a/b/c."),
            ("GET", "/v1/nothing", "There is no call GET /v1/nothing."),
        ] {
            assert_eq!(found(method, path), route, "{method} {path}");
        }
    }

    #[test]
    fn no_call_hides_another_and_none_stands_twice() {
        for route in API {
            let path = route.path.replace(['{', '}'], "");
            assert!(found(route.method.as_str(), &path).starts_with(route.path), "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn both_ways_to_write_a_name_are_read() {
        assert_eq!(
            plain(json!({ "firstName": "a", "first_name": "b", "lastName": null, "users": [{ "orgId": 1 }] })),
            json!({ "first_name": "b", "users": [{ "org_id": 1 }] })
        );
        assert_eq!(plain(json!({ "first_name": "b", "firstName": "a" })), json!({ "first_name": "b" }));
    }

    #[test]
    fn an_address_is_counted_with_its_network() {
        assert_eq!(network("2001:db8:1:2::3"), network("2001:db8:1:2:ffff::4"));
        assert_ne!(network("2001:db8:1:2::3"), network("2001:db8:1:3::3"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
