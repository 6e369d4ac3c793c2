//! What a server asks for when it sends somebody here: the authorization request of OAuth and OpenID Connect, read, and
//! the address that the answer goes to.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::form_urlencoded::{Serializer, parse};

use super::{Scope, store::Server};
use crate::words::Timestamp;

/// The page that is asked.
pub const PATH: &str = "/oauth2/authorize";

/// The longest query that is read: what comes back after a sign-in has to fit into an own path.
const LONGEST: usize = 3500;

/// The portal's own parameter: signed in after this moment, in microseconds. Whoever forges it only takes back what they
/// asked for themselves.
const SIGNED_IN_AFTER: &str = "signed_in_after";

/// The parameters of a request, each at most once; empty ones are left out (RFC 6749 §3.1).
#[derive(Clone, Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads them from a query or a form.
    ///
    /// # Errors
    /// With the name of one that stands twice.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in parse(text) {
            if all.iter().any(|(known, _)| *known == name) {
                return Err(name.into_owned());
            }
            all.push((name.into_owned(), value.into_owned()));
        }
        all.retain(|(_, value)| !value.is_empty());
        Ok(Self(all))
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is asked for, of a client that is there, with its own address to answer to.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The server.
    pub server: Server,
    /// What the server gives to know its answer by.
    pub state: Option<String>,
    /// What it wants to find in the ID token.
    pub nonce: Option<String>,
    /// The SHA-256 of what it will show with the code, as it stands there (RFC 7636).
    pub challenge: String,
    /// What for.
    pub scope: Scope,
    /// No page may be shown.
    pub silently: bool,
    /// The person is to sign in again.
    pub sign_in: bool,
    /// The person is to be asked again.
    pub consent: bool,
    /// The sign-in is to be no older than so many seconds.
    pub max_age: Option<i64>,
    /// Whom the server thinks it is.
    pub login_hint: Option<String>,
    /// The sign-in is to be newer than this moment.
    pub signed_in_after: Option<Timestamp>,
    query: String,
}

/// Where the answer to a request goes that cannot be granted.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The error's code.
    pub error: &'static str,
    /// What is wrong, for whoever set up the server.
    pub description: String,
    /// The server's address with all of that.
    pub place: String,
}

/// Reads a request of a server, whose client id and address have been looked at.
///
/// # Errors
/// What the server is told.
pub fn read(server: Server, query: &str, parameters: &Result<Parameters, String>, issuer: &str) -> Result<Asked, Refused> {
    // Of a state that stands twice none is given back.
    let state = parameters.as_ref().ok().and_then(|parameters| parameters.get("state")).map(str::to_owned);
    let refuse = |error: &'static str, description: &str| Refused {
        error,
        description: description.to_owned(),
        place: back(&server, state.as_deref(), issuer, &[("error", error), ("error_description", description)]),
    };
    let parameters = parameters.as_ref().map_err(|name| refuse("invalid_request", &format!("{name:?} stands twice")))?;
    let get = |name: &str| parameters.get(name);
    if query.len() > LONGEST {
        return Err(refuse("invalid_request", "the request is too long"));
    }
    for (name, error) in
        [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported"), ("registration", "registration_not_supported")]
    {
        if get(name).is_some() {
            return Err(refuse(error, "leave it out"));
        }
    }
    match get("response_type") {
        Some("code") => {}
        None => return Err(refuse("invalid_request", "response_type is missing")),
        Some(_) => return Err(refuse("unsupported_response_type", "response_type is code")),
    }
    if get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(refuse("invalid_request", "response_mode is query"));
    }
    let scope = Scope::parse(get("scope").unwrap_or_default());
    if scope == Scope::default() {
        return Err(refuse("invalid_scope", "scope names none of openid and percona"));
    }
    // Left out, the method would be plain (RFC 7636 §4.3).
    if get("code_challenge_method") != Some("S256") {
        return Err(refuse("invalid_request", "PKCE with code_challenge_method=S256 is required"));
    }
    let challenge = get("code_challenge").unwrap_or_default();
    if challenge.len() != 43 || URL_SAFE_NO_PAD.decode(challenge).is_err() {
        return Err(refuse("invalid_request", "code_challenge is the SHA-256 of the verifier in Base64 (RFC 7636)"));
    }
    let nonce = get("nonce").map(str::to_owned);
    if nonce.as_ref().is_some_and(|nonce| nonce.len() > 500) {
        return Err(refuse("invalid_request", "nonce is too long"));
    }
    let prompts: Vec<&str> = get("prompt").unwrap_or_default().split(' ').filter(|prompt| !prompt.is_empty()).collect();
    if let Some(other) = prompts.iter().find(|prompt| !["none", "login", "consent", "select_account"].contains(prompt)) {
        return Err(refuse("invalid_request", &format!("prompt cannot be {other:?}")));
    }
    let silently = prompts.contains(&"none");
    if silently && prompts.len() > 1 {
        return Err(refuse("invalid_request", "prompt is none alone"));
    }
    let max_age = match get("max_age").map(str::parse::<u32>) {
        None => None,
        Some(Ok(seconds)) => Some(i64::from(seconds)),
        Some(Err(_)) => return Err(refuse("invalid_request", "max_age is a number of seconds")),
    };
    Ok(Asked {
        challenge: challenge.to_owned(),
        scope,
        silently,
        // Whoever signs in again chooses the account.
        sign_in: prompts.contains(&"login") || prompts.contains(&"select_account"),
        consent: prompts.contains(&"consent"),
        max_age,
        login_hint: get("login_hint").map(str::to_owned),
        signed_in_after: get(SIGNED_IN_AFTER).and_then(|micros| micros.parse().ok()).map(Timestamp),
        query: query.to_owned(),
        nonce,
        state,
        server,
    })
}

impl Asked {
    /// The request as it came.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The address of this request once somebody has signed in again, which has to be later than a moment.
    #[must_use]
    pub fn again_after(&self, moment: Timestamp) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in parse(self.query.as_bytes()) {
            match &*name {
                "prompt" => {
                    let rest: Vec<&str> = value.split(' ').filter(|prompt| *prompt == "consent").collect();
                    query.append_pair("prompt", &rest.join(" "));
                }
                "max_age" | SIGNED_IN_AFTER => {}
                _ => {
                    query.append_pair(&name, &value);
                }
            }
        }
        query.append_pair(SIGNED_IN_AFTER, &moment.0.to_string());
        format!("{PATH}?{}", query.finish())
    }

    /// Whether a sign-in of a moment is new enough.
    #[must_use]
    pub fn is_satisfied_by(&self, authenticated_at: Timestamp, now: Timestamp) -> bool {
        !self.sign_in
            && self.signed_in_after.is_none_or(|moment| authenticated_at >= moment)
            && self.max_age.is_none_or(|seconds| authenticated_at.plus(seconds * crate::words::SECOND) >= now)
    }

    /// Where the answer goes.
    #[must_use]
    pub fn back(&self, issuer: &str, answer: &[(&str, &str)]) -> String {
        back(&self.server, self.state.as_deref(), issuer, answer)
    }
}

/// The server's own address with an answer: with the state that it gave, and with who answers (RFC 9207).
fn back(server: &Server, state: Option<&str>, issuer: &str, answer: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(answer);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", issuer);
    // As browsers read it: a header holds no letters but those of ASCII.
    let place = url::Url::parse(&server.callback_url).map_or_else(|_| server.callback_url.clone(), String::from);
    let between = if place.contains('?') { '&' } else { '?' };
    format!("{place}{between}{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{OrganizationId, PmmServerId};

    fn server() -> Server {
        Server {
            id: PmmServerId(uuid::Uuid::nil()),
            organization_id: OrganizationId(uuid::Uuid::nil()),
            name: "PMM".to_owned(),
            url: "https://pmm.example.com/graph".to_owned(),
            callback_url: "https://pmm.example.com/graph/login/generic_oauth".to_owned(),
            public_client_id: "c".to_owned(),
            connected_by_name: "Ada".to_owned(),
            connected_at: Timestamp(0),
        }
    }

    const RIGHT: &str = "client_id=c&response_type=code&scope=openid+nothing&state=s%26t&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn asked(more: &str) -> Result<Asked, Refused> {
        let query = format!("{RIGHT}{more}");
        read(server(), &query, &Parameters::read(query.as_bytes()), "https://portal.example.com/oauth2")
    }

    #[test]
    fn a_request_is_read() {
        let right = asked("&prompt=&nonce=n&max_age=60&login_hint=a%40b").expect("right");
        assert_eq!((right.scope.to_string().as_str(), right.nonce.as_deref(), right.max_age), ("openid", Some("n"), Some(60)));
        assert_eq!(
            right.back("https://portal.example.com/oauth2", &[("code", "x")]),
            "https://pmm.example.com/graph/login/generic_oauth?code=x&state=s%26t&iss=https%3A%2F%2Fportal.example.com%2Foauth2"
        );
        assert!(right.is_satisfied_by(Timestamp(0), Timestamp(60_000_000)) && !right.is_satisfied_by(Timestamp(0), Timestamp(60_000_001)));
    }

    #[test]
    fn whoever_signed_in_again_is_not_asked_for_it_once_more() {
        let first = asked("&prompt=login+consent&max_age=0").expect("right");
        assert!(!first.is_satisfied_by(Timestamp(5), Timestamp(5)));
        let again = first.again_after(Timestamp(7));
        let query = again.strip_prefix("/oauth2/authorize?").expect("its path");
        let second = read(server(), query, &Parameters::read(query.as_bytes()), "").expect("right");
        assert!(second.consent && !second.sign_in && second.max_age.is_none(), "{second:?}");
        assert!(!second.is_satisfied_by(Timestamp(6), Timestamp(8)) && second.is_satisfied_by(Timestamp(7), Timestamp(8)));
    }

    #[test]
    fn what_is_wrong_is_told_to_the_server() {
        for (more, error) in [
            ("&prompt=none+login", "invalid_request"),
            ("&prompt=create", "invalid_request"),
            ("&max_age=-1", "invalid_request"),
            ("&request=x", "request_not_supported"),
            ("&request_uri=x", "request_uri_not_supported"),
            ("&response_mode=fragment", "invalid_request"),
        ] {
            let refused = asked(more).expect_err(more);
            assert_eq!(refused.error, error, "{more}");
            assert!(refused.place.contains("&state=s%26t&iss="), "{}", refused.place);
        }
        let twice = asked("&scope=x").expect_err("twice");
        assert!(twice.error == "invalid_request" && !twice.place.contains("state="), "{twice:?}");
        for (from, to, error) in [
            ("response_type=code", "response_type=token", "unsupported_response_type"),
            ("response_type=code", "x=y", "invalid_request"),
            ("scope=openid+nothing", "scope=nothing", "invalid_scope"),
            ("method=S256", "method=plain", "invalid_request"),
            ("&code_challenge_method=S256", "", "invalid_request"),
            ("E9Melhoa2", "E9Melhoa", "invalid_request"),
        ] {
            let query = RIGHT.replace(from, to);
            let refused = read(server(), &query, &Parameters::read(query.as_bytes()), "").expect_err(to);
            assert_eq!(refused.error, error, "{to}");
        }
    }
}
