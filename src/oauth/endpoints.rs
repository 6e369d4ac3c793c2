//! What PMM servers and other programs call: metadata, keys, tokens, userinfo. Answers and errors are OAuth's own
//! (RFC 6749 §5, RFC 6750 §3). No browser calls them, so there is no CORS, and a cookie means nothing.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, IssuerUrl, JsonWebKeySetUrl, ProviderMetadata, ResponseTypes, TokenUrl, UserInfoUrl,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Scope,
    actions::{self, Given, NotGiven, Shown, issuer},
    keys,
    request::Parameters,
    store, tokens,
};
use crate::{
    actor::Caller,
    db::Failure,
    form::{Refusal, duration},
    limits,
    pmm::contact,
    portal::Portal,
    visit::Call,
    words::SECOND,
};

/// For how many seconds a machine's access token lasts. PMM asks for the next one five minutes before the end.
const MACHINE_SECONDS: i64 = 3600;
/// The scope that a machine has, and may name.
pub const MACHINE_SCOPE: &str = "percona";

/// Why there is no answer but this.
#[derive(Debug)]
struct Error {
    status: StatusCode,
    error: &'static str,
    description: String,
    /// The header that goes with it.
    header: Option<(HeaderName, String)>,
}

impl Error {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description: description.into(), header: None }
    }

    fn client(description: &str) -> Self {
        let header = Some((header::WWW_AUTHENTICATE, "Basic realm=\"oauth2\"".to_owned()));
        Self { status: StatusCode::UNAUTHORIZED, header, ..Self::new("invalid_client", description) }
    }

    fn bearer(status: StatusCode, error: &'static str, description: &str) -> Self {
        let challenge = format!("Bearer realm=\"oauth2\", error=\"{error}\", error_description=\"{description}\"");
        Self { status, header: Some((header::WWW_AUTHENTICATE, challenge)), ..Self::new(error, description) }
    }

    fn off() -> Self {
        let description = "people cannot sign in to PMM servers here: the operator of this portal has to name a key file";
        Self { status: StatusCode::SERVICE_UNAVAILABLE, ..Self::new("temporarily_unavailable", description) }
    }

    fn refused(refusal: &Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (error, header) = match refusal {
            Refusal::TooManyRequests(seconds) => ("temporarily_unavailable", Some((header::RETRY_AFTER, seconds.to_string()))),
            Refusal::Unavailable => ("temporarily_unavailable", Some((header::RETRY_AFTER, "2".to_owned()))),
            _ => ("server_error", None),
        };
        Self { status, header, ..Self::new(error, refusal.message()) }
    }

    fn of(portal: &Portal, failure: Failure) -> Self {
        Self::refused(&portal.refuse(failure))
    }

    fn answer(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut response = (self.status, Json(body)).into_response();
        if let Some((name, value)) = self.header
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        kept_nowhere(response)
    }
}

/// RFC 6749 §5.1 asks for this one beside `Cache-Control`, which every answer has.
fn kept_nowhere(mut response: Response) -> Response {
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn caller(call: &Call) -> Caller {
    call.parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::system)
}

/// What discovery says beside OpenID Connect's own (RFC 8414 §2, RFC 9207 §3).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct More {
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: Vec<String>,
    code_challenge_methods_supported: Vec<String>,
    authorization_response_iss_parameter_supported: bool,
    prompt_values_supported: Vec<String>,
}
impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// `GET /oauth2/.well-known/openid-configuration`, and the same as RFC 8414 names it.
pub async fn discovery(portal: &Portal, _: &Call) -> Response {
    if !portal.seal.is_on() {
        return Error { status: StatusCode::NOT_FOUND, ..Error::off() }.answer();
    }
    match metadata(portal) {
        Ok(metadata) => Json(metadata).into_response(),
        Err(error) => Error::of(portal, Failure::Fault(format!("the provider's addresses: {error}"))).answer(),
    }
}

fn metadata(portal: &Portal) -> Result<Metadata, url::ParseError> {
    let issuer = issuer(portal);
    let at = |path: &str| format!("{issuer}/{path}");
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    let more = More {
        revocation_endpoint: at("revoke"),
        revocation_endpoint_auth_methods_supported: texts(&["none"]),
        code_challenge_methods_supported: texts(&["S256"]),
        authorization_response_iss_parameter_supported: true,
        prompt_values_supported: texts(&["none", "login", "consent", "select_account"]),
    };
    let claims = [
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "at_hash",
        "sub",
        "email",
        "email_verified",
        "name",
        "preferred_username",
        "portal_admin_orgs",
        "pmm_demo_ids",
    ];
    let metadata = Metadata::new(
        IssuerUrl::new(issuer.clone())?,
        AuthUrl::new(at("authorize"))?,
        JsonWebKeySetUrl::new(at("jwks"))?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        vec![CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
        more,
    );
    Ok(metadata
        .set_token_endpoint(Some(TokenUrl::new(at("token"))?))
        .set_userinfo_endpoint(Some(UserInfoUrl::new(at("userinfo"))?))
        .set_scopes_supported(Some(Scope::NAMES.iter().map(|name| openidconnect::Scope::new((*name).to_owned())).collect()))
        .set_response_modes_supported(Some(vec![CoreResponseMode::Query]))
        .set_grant_types_supported(Some(vec![
            CoreGrantType::AuthorizationCode,
            CoreGrantType::RefreshToken,
            CoreGrantType::ClientCredentials,
        ]))
        .set_token_endpoint_auth_methods_supported(Some(vec![CoreClientAuthMethod::None, CoreClientAuthMethod::ClientSecretBasic]))
        .set_claims_supported(Some(claims.iter().map(|claim| CoreClaimName::new((*claim).to_owned())).collect()))
        .set_claims_parameter_supported(Some(false))
        .set_request_parameter_supported(Some(false))
        .set_request_uri_parameter_supported(Some(false)))
}

/// `GET /oauth2/jwks`
pub async fn jwks(portal: &Portal, _: &Call) -> Response {
    if !portal.seal.is_on() {
        return Error { status: StatusCode::NOT_FOUND, ..Error::off() }.answer();
    }
    match keys::set(portal).await {
        Ok(set) => ([(header::CONTENT_TYPE, "application/jwk-set+json")], set.to_string()).into_response(),
        Err(failure) => Error::of(portal, failure).answer(),
    }
}

/// Who calls the token endpoint: its client id, and its secret where it shows one.
struct Client {
    id: String,
    secret: String,
}

impl Client {
    /// By Basic authentication, or, of a public client, by its id among the parameters (RFC 6749 §2.3.1, §3.2.1).
    fn read(call: &Call, parameters: &Parameters) -> Result<Self, Error> {
        let named = parameters.get("client_id");
        if parameters.get("client_secret").is_some() || parameters.get("client_assertion").is_some() {
            return Err(Error::client("a secret is shown by Basic authentication"));
        }
        let Some(value) = call.parts.headers.get(header::AUTHORIZATION) else {
            let id = named.ok_or_else(|| Error::client("the client does not say who it is"))?;
            return Ok(Self { id: id.to_owned(), secret: String::new() });
        };
        let unread = || Error::client("the Authorization header cannot be read");
        let (scheme, encoded) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(unread)?;
        let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unread)?;
        let (id, secret) = decoded.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic")).ok_or_else(unread)?;
        // Each is written like a value of a form (RFC 6749 §2.3.1); one of ours reads the same where a client does not do so.
        let plain = |text: &str| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| unread());
        let (id, secret) = (plain(id)?, plain(secret)?);
        if named.is_some_and(|named| named != id) {
            return Err(Error::client("two clients are named"));
        }
        Ok(Self { id, secret })
    }
}

/// Reads the body of a request.
fn read(call: &Call) -> Result<Parameters, Error> {
    let kind = call.parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !call.body.is_empty() && !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(Error::new("invalid_request", "the body is application/x-www-form-urlencoded"));
    }
    Parameters::read(&call.body).map_err(twice)
}

fn twice(name: String) -> Error {
    Error::new("invalid_request", format!("{name:?} stands twice"))
}

/// `POST /oauth2/token`. Requests that are refused are counted; one that is right is never kept out.
pub async fn token(portal: &Portal, call: &Call) -> Response {
    if !portal.seal.is_on() {
        return Error::off().answer();
    }
    let parameters = match read(call) {
        Ok(parameters) => parameters,
        Err(error) => return error.answer(),
    };
    let client = Client::read(call, &parameters);
    let name = client.as_ref().map(|client| client.id.clone()).unwrap_or_default();
    let given = match client {
        Ok(client) => give(portal, call, &parameters, &client).await,
        Err(error) => Err(error),
    };
    match given {
        Ok(given) => kept_nowhere(Json(given).into_response()),
        Err(error) if error.status.is_server_error() => error.answer(),
        Err(error) => match count(portal, call, &name).await {
            Ok(()) => error.answer(),
            Err(failure) => Error::of(portal, failure).answer(),
        },
    }
}

async fn count(portal: &Portal, call: &Call, client: &str) -> Result<(), Failure> {
    let address = caller(call).origin.address;
    limits::count(portal, "token", &format!("{client}\n{address}"), portal.config.token_rate).await?;
    limits::count(portal, "token address", &address, portal.config.token_address_rate).await
}

async fn give(portal: &Portal, call: &Call, parameters: &Parameters, client: &Client) -> Result<Given, Error> {
    let query = Parameters::read(call.parts.uri.query().unwrap_or_default().as_bytes());
    // PMM puts the parameters of this one grant into the address, and nothing into the body. What else stands there is not
    // read: a secret or a code in an address is in somebody's log.
    let in_query = |name: &str| {
        query.as_ref().ok().filter(|query| query.get("grant_type") == Some("client_credentials")).and_then(|query| query.get(name))
    };
    match parameters.get("grant_type").or_else(|| in_query("grant_type")) {
        Some("client_credentials") => {
            for name in ["client_id", "client_secret"] {
                if in_query(name).is_some() {
                    return Err(Error::client("a client shows who it is by Basic authentication"));
                }
            }
            give_machine(portal, client, parameters.get("scope").or_else(|| in_query("scope"))).await
        }
        Some("authorization_code") => {
            let (Some(code), Some(redirect_uri), Some(verifier)) =
                (parameters.get("code"), parameters.get("redirect_uri"), parameters.get("code_verifier"))
            else {
                return Err(Error::new("invalid_request", "code, redirect_uri and code_verifier are required"));
            };
            give_person(portal, call, client, Shown::Code { code, redirect_uri, verifier }).await
        }
        Some("refresh_token") => {
            let Some(token) = parameters.get("refresh_token") else {
                return Err(Error::new("invalid_request", "refresh_token is required"));
            };
            // Here a name that nobody knows is one to which nobody agreed (RFC 6749 §6).
            if parameters.get("scope").is_some_and(|scope| scope.split(' ').any(|name| !Scope::NAMES.contains(&name))) {
                return Err(Error::new("invalid_scope", "this is more than the person agreed to"));
            }
            let scope = parameters.get("scope").map(Scope::parse);
            give_person(portal, call, client, Shown::Refresh { token, scope }).await
        }
        Some(_) => Err(Error::new("unsupported_grant_type", "there is authorization_code, refresh_token and client_credentials")),
        None => Err(Error::new("invalid_request", "grant_type is required, in the body")),
    }
}

async fn give_person(portal: &Portal, call: &Call, client: &Client, shown: Shown<'_>) -> Result<Given, Error> {
    let server = async { Ok(store::server(&mut portal.read().await?, &client.id).await?) };
    let server = server.await.map_err(|failure: Failure| Error::of(portal, failure))?;
    if server.is_none() || !client.secret.is_empty() {
        return Err(Error::client("people do not sign in by this client"));
    }
    actions::give_tokens(portal, &caller(call), &client.id, shown).await.map_err(|not_given| match not_given {
        NotGiven::Grant => {
            Error::new("invalid_grant", "what was shown is worth nothing: it was used, has expired or ended, or is not yours")
        }
        NotGiven::Scope => Error::new("invalid_scope", "this is more than the person agreed to"),
        NotGiven::Failure(failure) => Error::of(portal, failure),
    })
}

async fn give_machine(portal: &Portal, client: &Client, scope: Option<&str>) -> Result<Given, Error> {
    let machine = async { Ok(store::machine(&mut portal.read().await?, &client.id).await?) };
    let machine = machine.await.map_err(|failure: Failure| Error::of(portal, failure))?;
    let machine = machine.filter(|machine| actions::is_secret(&client.secret, &machine.machine_secret_hash));
    let machine = machine.ok_or_else(|| Error::client("there is no such client, or its secret is another one"))?;
    if machine.suspended {
        return Err(Error::new("unauthorized_client", "the organization of this server is suspended"));
    }
    if scope.is_some_and(|scope| scope.split(' ').any(|name| name != MACHINE_SCOPE)) {
        return Err(Error::new("invalid_scope", "a machine's scope is percona"));
    }
    contact::note(portal, machine.id);
    let until = portal.clock.now().plus(MACHINE_SECONDS * SECOND);
    let access_token = tokens::for_machine(portal, &client.id, until).ok_or_else(Error::off)?;
    Ok(Given {
        access_token,
        token_type: "Bearer",
        expires_in: MACHINE_SECONDS,
        scope: MACHINE_SCOPE.to_owned(),
        refresh_token: None,
        id_token: None,
    })
}

/// `GET` and `POST /oauth2/userinfo`
pub async fn userinfo(portal: &Portal, call: &Call) -> Response {
    if !portal.seal.is_on() {
        return Error::off().answer();
    }
    let Some(value) = call.parts.headers.get(header::AUTHORIZATION) else {
        let header = Some((header::WWW_AUTHENTICATE, "Bearer realm=\"oauth2\"".to_owned()));
        let error = Error::new("invalid_token", "an access token is required");
        return Error { status: StatusCode::UNAUTHORIZED, header, ..error }.answer();
    };
    let secret = value.to_str().ok().and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let person = match secret {
        Some((_, secret)) => tokens::person(portal, secret.trim()).await,
        None => Ok(None),
    };
    match person {
        Ok(Some(person)) if person.scope.openid => Json(actions::user_info(&person)).into_response(),
        Ok(Some(_)) => Error::bearer(StatusCode::FORBIDDEN, "insufficient_scope", "the scope openid is needed").answer(),
        Ok(None) | Err(Failure::Refusal(Refusal::Suspended(_))) => {
            Error::bearer(StatusCode::UNAUTHORIZED, "invalid_token", "the access token is expired, ended or unknown").answer()
        }
        Err(failure) => Error::of(portal, failure).answer(),
    }
}

/// `POST /oauth2/revoke` (RFC 7009): a server gives a token back. What is not there, or is another's, is answered alike.
pub async fn revoke(portal: &Portal, call: &Call) -> Response {
    if !portal.seal.is_on() {
        return Error::off().answer();
    }
    let revoked = async {
        let parameters = read(call)?;
        let client = Client::read(call, &parameters)?;
        let server = async { Ok(store::server(&mut portal.read().await?, &client.id).await?) };
        let server = server.await.map_err(|failure: Failure| Error::of(portal, failure))?;
        if server.is_none() || !client.secret.is_empty() {
            return Err(Error::client("people do not sign in by this client"));
        }
        let Some(token) = parameters.get("token") else { return Err(Error::new("invalid_request", "token is required")) };
        if token.starts_with(tokens::MACHINE) {
            let until = duration(u32::try_from(MACHINE_SECONDS).unwrap_or_default());
            let why = format!("a machine's token ends when its server is disconnected, and in any case {until} after it was made");
            return Err(Error::new("unsupported_token_type", why));
        }
        actions::revoke(portal, &caller(call), &client.id, token).await.map_err(|refusal| Error::refused(&refusal))
    };
    match revoked.await {
        Ok(()) => kept_nowhere(StatusCode::OK.into_response()),
        Err(error) => error.answer(),
    }
}
