//! The operator's OpenID provider, by which people sign in: what it says of itself, where they are sent, and who it says
//! that somebody is (OpenID Connect Core 1.0 and Discovery 1.0, RFC 7636, RFC 9207).
//!
//! The protocol's types and the check of ID tokens are those of `openidconnect`; requests go the house's way
//! ([`outgoing`]), which follows no redirect and ends in bytes and time.

use std::{
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, ClientSecret, IssuerUrl, Nonce,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Algorithm},
};
use reqwest::{Client, RequestBuilder, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

use crate::{
    config::Config,
    outgoing::{self, Patience},
    words::{Email, HOUR, MINUTE, SECOND, Timestamp},
};

/// Where the provider sends people back to.
pub const CALLBACK: &str = "/sign-in/provider/callback";
/// How much of an answer is read.
const MOST: usize = 256 * 1024;
/// For how long what the provider says of itself is kept.
const KEPT: i64 = HOUR;
/// It is asked for its keys again no sooner than after this time.
const ASKED_AGAIN: i64 = MINUTE;
/// Its clock may be so far behind or ahead.
const LEEWAY: i64 = MINUTE;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is away, busy or slow: another time it may do.
    #[error("away: {0}")]
    Away(String),
    /// What it says cannot be believed or understood.
    #[error("wrong: {0}")]
    Wrong(String),
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::Wrong(what.to_string())
}

/// What it says of itself, as far as that is needed.
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

/// What is known of it, as of a moment.
#[derive(Debug)]
struct Known {
    metadata: Metadata,
    keys: CoreJsonWebKeySet,
    at: Timestamp,
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct Given {
    id_token: String,
    access_token: Option<String>,
}

/// A sign-in that begins.
#[derive(Clone, Copy, Debug)]
pub struct Begins<'b> {
    /// Comes back as it is.
    pub state: &'b str,
    /// Comes back in the ID token.
    pub nonce: &'b str,
    /// What is shown with the code; here its hash goes out.
    pub verifier: &'b str,
    /// Whether the person is to sign in there anew, whoever they are already.
    pub anew: bool,
    /// Whom it is probably, for the provider to fill in; may be empty.
    pub hint: &'b str,
}

/// Who somebody is, as the provider says.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who says so.
    pub issuer: String,
    /// By what the provider tells them from everybody else, for good.
    pub subject: String,
    /// Their address, where it gives one that is an address.
    pub email: Option<Email>,
    /// Whether the provider has made sure that it is theirs.
    pub email_verified: bool,
    /// The first name; may be empty.
    pub first_name: String,
    /// The last name; may be empty.
    pub last_name: String,
    /// Their groups there.
    pub groups: Vec<String>,
    /// When they signed in there, where it says.
    pub authenticated_at: Option<Timestamp>,
}

/// The provider.
pub struct Provider {
    http: Client,
    issuer: String,
    client_id: String,
    client_secret: String,
    redirect: String,
    scopes: String,
    group_claim: Option<String>,
    longest: Duration,
    known: Mutex<Option<Arc<Known>>>,
}

impl Provider {
    /// The one that is configured.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn of(config: &Config) -> Result<Option<Self>, String> {
        let Some(issuer) = config.oidc_issuer.clone() else { return Ok(None) };
        let whole = Duration::from_secs(u64::try_from(config.oidc_seconds).unwrap_or(8));
        let patience = Patience { connect: whole.min(Duration::from_secs(5)), whole, ..Patience::default() };
        Ok(Some(Self {
            http: outgoing::client(patience)?,
            issuer,
            client_id: config.oidc_client_id.clone(),
            client_secret: config.oidc_client_secret_file.clone().unwrap_or_else(|| config.oidc_client_secret.clone()),
            redirect: format!("{}{CALLBACK}", config.base()),
            scopes: config.oidc_scopes.clone(),
            group_claim: (!config.oidc_operator_group.is_empty()).then(|| config.oidc_group_claim.clone()),
            // Several requests, one after the other: people wait for all of them.
            longest: whole * 2,
            known: Mutex::default(),
        }))
    }

    /// By which address it is known.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether it says of itself what it has to, for `doctor`.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn examine(&self, now: Timestamp) -> Result<(), Error> {
        self.in_time(self.known(now, None)).await.map(|_| ())
    }

    /// The address at which somebody signs in there.
    ///
    /// # Errors
    /// Where the provider does not say it.
    pub async fn address(&self, begins: Begins<'_>, now: Timestamp) -> Result<String, Error> {
        let known = self.in_time(self.known(now, None)).await?;
        let mut url = endpoint(&known.metadata.authorization_endpoint)?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(begins.verifier));
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs([
                ("response_type", "code"),
                ("client_id", self.client_id.as_str()),
                ("redirect_uri", self.redirect.as_str()),
                ("scope", self.scopes.as_str()),
                ("state", begins.state),
                ("nonce", begins.nonce),
                ("code_challenge", challenge.as_str()),
                ("code_challenge_method", "S256"),
            ]);
            if begins.anew {
                // The second one makes it say when that was.
                query.extend_pairs([("prompt", "login"), ("max_age", "60")]);
            }
            if !begins.hint.is_empty() {
                query.append_pair("login_hint", begins.hint);
            }
        }
        Ok(url.into())
    }

    /// Whether an answer says that it comes from this provider: no other one that people sign in with can pass its own off
    /// as this one's (RFC 9207).
    ///
    /// # Errors
    /// Where it is another's, or is left out by a provider that always says it.
    pub async fn check_issuer(&self, named: Option<&str>, now: Timestamp) -> Result<(), Error> {
        match named {
            Some(named) if named == self.issuer => Ok(()),
            Some(_) => Err(wrong("the answer names another issuer")),
            None => {
                let known = self.in_time(self.known(now, None)).await?;
                match known.metadata.authorization_response_iss_parameter_supported {
                    Some(true) => Err(wrong("the answer names no issuer")),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Who it is that came back with a code.
    ///
    /// # Errors
    /// Where the provider is away, does not take the code, or says what cannot be believed.
    pub async fn person(&self, code: &str, verifier: &str, nonce: &str, now: Timestamp) -> Result<Person, Error> {
        self.in_time(self.ask(code, verifier, nonce, now)).await
    }

    async fn ask(&self, code: &str, verifier: &str, nonce: &str, now: Timestamp) -> Result<Person, Error> {
        let mut known = self.known(now, None).await?;
        let given: Given = self.json(self.exchange(&known, code, verifier)?, "the token endpoint").await?;
        let token = CoreIdToken::from_str(&given.id_token).map_err(|e| wrong(format!("the ID token cannot be read: {e}")))?;
        let access = given.access_token.as_deref();
        let mut checked = self.check(&token, access, &known, nonce, now);
        if matches!(checked, Err(ClaimsVerificationError::SignatureVerification(_))) && known.at.plus(ASKED_AGAIN) < now {
            // It may sign with a new key.
            known = self.known(now, Some(known.at)).await?;
            checked = self.check(&token, access, &known, nonce, now);
        }
        checked.map_err(|e| wrong(format!("the ID token: {e}")))?;
        // What was checked, once more as it stands there.
        let claims = given.id_token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let mut claims: Map<String, Value> =
            claims.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| wrong("the ID token holds no claims"))?;
        let lacks = |claims: &Map<String, Value>| {
            !claims.contains_key("email") || self.group_claim.as_ref().is_some_and(|name| claim(claims, name).is_none())
        };
        if let (true, Some(place), Some(access)) = (lacks(&claims), &known.metadata.userinfo_endpoint, access) {
            let request = self.http.get(endpoint(place)?).bearer_auth(access);
            let more: Map<String, Value> = self.json(request, "userinfo").await?;
            if more.get("sub") != claims.get("sub") {
                return Err(wrong("userinfo is about somebody else"));
            }
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        self.read(&claims, now)
    }

    fn check(
        &self,
        token: &CoreIdToken,
        access: Option<&str>,
        known: &Known,
        nonce: &str,
        now: Timestamp,
    ) -> Result<(), ClaimsVerificationError> {
        let other = |error: String| ClaimsVerificationError::Other(error);
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(|e| other(e.to_string()))?;
        // A token that has just ended by this clock may last by the provider's.
        let at = chrono::DateTime::from_timestamp(outgoing::unix_seconds(now.plus(-LEEWAY)), 0).unwrap_or_default();
        let verifier = CoreIdTokenVerifier::new_confidential_client(
            ClientId::new(self.client_id.clone()),
            ClientSecret::new(self.client_secret.clone()),
            issuer,
            known.keys.clone(),
        )
        // Of public keys alone: a secret that both know signs nothing, and "none" is no signature.
        .set_allowed_algs([
            Algorithm::RsaSsaPkcs1V15Sha256,
            Algorithm::RsaSsaPkcs1V15Sha384,
            Algorithm::RsaSsaPkcs1V15Sha512,
            Algorithm::RsaSsaPssSha256,
            Algorithm::RsaSsaPssSha384,
            Algorithm::RsaSsaPssSha512,
            Algorithm::EcdsaP256Sha256,
            Algorithm::EcdsaP384Sha384,
            Algorithm::EdDsa,
        ])
        .set_time_fn(move || at)
        .set_issue_time_verifier_fn(move |issued| {
            if issued.timestamp() > outgoing::unix_seconds(now.plus(LEEWAY)) { Err("it is of the future".to_owned()) } else { Ok(()) }
        });
        let claims = token.claims(&verifier, &Nonce::new(nonce.to_owned()))?;
        if let (Some(hash), Some(access)) = (claims.access_token_hash(), access) {
            let algorithm = token.signing_alg().map_err(ClaimsVerificationError::SignatureVerification)?;
            let key = token.signing_key(&verifier).map_err(ClaimsVerificationError::SignatureVerification)?;
            let made =
                AccessTokenHash::from_token(&AccessToken::new(access.to_owned()), algorithm, key).map_err(|e| other(e.to_string()))?;
            if made != *hash {
                return Err(other("the access token is another one's".to_owned()));
            }
        }
        Ok(())
    }

    fn read(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Person, Error> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        if subject.is_empty() || subject.len() > 255 {
            return Err(wrong("the subject is empty or longer than 255 characters"));
        }
        let (mut first_name, mut last_name) = (text("given_name"), text("family_name"));
        if first_name.is_empty() {
            let whole = text("name");
            let (first, last) = whole.split_once(' ').unwrap_or((&whole, ""));
            (first_name, last_name) = (first.to_owned(), last.trim().to_owned());
        }
        let groups = match self.group_claim.as_ref().and_then(|name| claim(claims, name)) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Ok(Person {
            issuer: self.issuer.clone(),
            subject,
            email: Email::parse(&text("email")).ok(),
            email_verified: matches!(claims.get("email_verified"), Some(Value::Bool(true)))
                || claims.get("email_verified").and_then(Value::as_str) == Some("true"),
            first_name,
            last_name,
            groups,
            authenticated_at: claims
                .get("auth_time")
                .and_then(Value::as_i64)
                .and_then(|seconds| seconds.checked_mul(SECOND))
                .map(|at| Timestamp(at).min(now)),
        })
    }

    /// The request by which a code is exchanged.
    fn exchange(&self, known: &Known, code: &str, verifier: &str) -> Result<RequestBuilder, Error> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect.as_str()),
            ("code_verifier", verifier),
        ]);
        let mut request = self.http.post(endpoint(&known.metadata.token_endpoint)?);
        // Where it does not say how, it is this one (OpenID Connect Discovery 1.0 §3).
        let methods = known.metadata.token_endpoint_auth_methods_supported.as_deref();
        if methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")) {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encoded(&self.client_id), encoded(&self.client_secret)));
            request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
        } else {
            form.extend_pairs([("client_id", &self.client_id), ("client_secret", &self.client_secret)]);
        }
        Ok(request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish()))
    }

    /// What is known of it, or was found out later than a moment.
    async fn known(&self, now: Timestamp, later_than: Option<Timestamp>) -> Result<Arc<Known>, Error> {
        let kept = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept
            && kept.at.plus(KEPT) > now
            && later_than.is_none_or(|moment| kept.at > moment)
        {
            return Ok(kept);
        }
        let place = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: Metadata = self.json(self.http.get(endpoint(&place)?), "discovery").await?;
        if metadata.issuer != self.issuer {
            return Err(wrong(format!("discovery says that its issuer is {:?}", metadata.issuer)));
        }
        let keys: CoreJsonWebKeySet = self.json(self.http.get(endpoint(&metadata.jwks_uri)?), "the keys").await?;
        let known = Arc::new(Known { metadata, keys, at: now });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder, of: &str) -> Result<T, Error> {
        let sent = request.header(header::ACCEPT, "application/json").send().await;
        let response = sent.map_err(|e| Error::Away(format!("{of}: {}", outgoing::reason(&e))))?;
        let status = response.status();
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(Error::Away(format!("{of} answered {status}")));
        }
        let body = outgoing::body(response, MOST).await.map_err(|e| Error::Away(format!("{of}: {e}")))?;
        if !status.is_success() {
            // OAuth's own word for it, which holds no secret; whatever else stands there is not repeated.
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            let said: String = said["error"].as_str().unwrap_or_default().chars().filter(char::is_ascii_graphic).take(50).collect();
            return Err(wrong(format!("{of} answered {status} {said}")));
        }
        serde_json::from_slice(&body).map_err(|e| wrong(format!("{of}: {e}")))
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout(self.longest, work).await.unwrap_or_else(|_| Err(Error::Away("it took too long".to_owned())))
    }
}

/// An address that the provider names, as one that requests may go to.
fn endpoint(text: &str) -> Result<Url, Error> {
    outgoing::address(text).map_err(|e| wrong(format!("an address of the provider: {e}")))
}

/// A claim by its name, or by the way to it where it stands inside of another one: `realm_access.roles`.
fn claim<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        claim(claims.get(outer)?.as_object()?, inner)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn provider(more: &[(&str, &str)]) -> Provider {
        let mut given: BTreeMap<String, String> = [
            ("oidc_issuer", "https://login.example.com"),
            ("oidc_client_id", "portal"),
            ("oidc_client_secret", "secret"),
            ("oidc_operator_group", "staff"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        given.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Provider::of(&Config::read(&given).expect("right")).expect("a client").expect("one")
    }

    fn read(provider: &Provider, claims: &Value) -> Result<Person, Error> {
        provider.read(claims.as_object().expect("claims"), Timestamp(100 * SECOND))
    }

    #[test]
    fn a_person_is_read_from_claims_of_many_kinds() {
        let plain = provider(&[]);
        let ada = read(&plain, &json!({ "sub": "1", "email": "ada@example.com", "email_verified": true, "given_name": "Ada", "family_name": "Lovelace", "groups": ["a", 7, "staff"], "auth_time": 90 }))
            .expect("a person");
        assert_eq!((ada.first_name.as_str(), ada.last_name.as_str()), ("Ada", "Lovelace"));
        assert!(ada.email_verified && ada.groups == ["a", "staff"] && ada.authenticated_at == Some(Timestamp(90 * SECOND)));
        let bob = read(&plain, &json!({ "sub": "1", "email": "bob@example.com", "email_verified": "true", "name": "Bob The  Builder", "groups": "staff", "auth_time": 1000 }))
            .expect("a person");
        assert_eq!((bob.first_name.as_str(), bob.last_name.as_str()), ("Bob", "The  Builder"));
        assert!(
            bob.email_verified && bob.groups == ["staff"] && bob.authenticated_at == Some(Timestamp(100 * SECOND)),
            "no moment to come"
        );
        for unverified in [
            json!({ "sub": "1" }),
            json!({ "sub": "1", "email": "x", "email_verified": 1 }),
            json!({ "sub": "1", "email_verified": "yes" }),
        ] {
            let person = read(&plain, &unverified).expect("a person");
            assert!(!person.email_verified && person.email.is_none() && person.groups.is_empty(), "{unverified}");
        }
        let nested = provider(&[("oidc_group_claim", "realm_access.roles")]);
        assert_eq!(read(&nested, &json!({ "sub": "1", "realm_access": { "roles": ["staff"] } })).expect("a person").groups, ["staff"]);
        for nobody in [json!({}), json!({ "sub": "" }), json!({ "sub": 7 }), json!({ "sub": "x".repeat(256) })] {
            assert!(read(&plain, &nobody).is_err(), "{nobody}");
        }
    }

    #[test]
    fn its_addresses_are_none_inside_of_the_machines_network_without_tls() {
        for right in ["https://login.example.com/a", "http://127.0.0.1:9/a"] {
            assert!(endpoint(right).is_ok(), "{right}");
        }
        for not in ["http://login.example.com/a", "http://169.254.169.254/", "file:///etc/passwd", "https://a:b@example.com", ""] {
            assert!(endpoint(not).is_err(), "{not}");
        }
    }
}
