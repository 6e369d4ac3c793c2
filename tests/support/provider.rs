//! OpenID providers as an operator may have one: a real one, that nobody here wrote, and one that does whatever a test says.

use std::{
    collections::BTreeMap,
    io::BufRead as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Uri},
    response::{IntoResponse as _, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{Answer, Browser, Options, TestPortal, encode, parameter};

/// The portal's secret at either provider: with what has to be encoded on its way.
pub const SECRET: &str = "a secret: 100% & more";
/// Where the portal says that it is.
const PORTAL: &str = "http://127.0.0.1:3000";

/// The settings of a portal whose operator has a provider.
pub fn with_provider(issuer: &str) -> Options {
    Options::default()
        .with("oidc_issuer", issuer)
        .with("oidc_client_id", "portal")
        .with("oidc_client_secret", SECRET)
        .with("oidc_name", "Example login")
        .with("oidc_scopes", "openid email profile groups")
        .with("oidc_seconds", "2")
}

/// panva's oidc-provider, in a process of its own (`end2end/support/identity-provider.mjs`).
pub struct IdentityProvider {
    child: Child,
    pub issuer: String,
    http: reqwest::Client,
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The cookies that somebody's browser has at the provider.
#[derive(Clone, Default)]
pub struct Jar(Arc<Mutex<BTreeMap<String, String>>>);

impl IdentityProvider {
    /// Starts one; with `id_token` what it knows of people stands in the ID token, else at userinfo.
    pub async fn start(id_token: bool) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/end2end/support/identity-provider.mjs");
        tokio::task::spawn_blocking(move || {
            let mut command = Command::new("node");
            command.arg(script).args(id_token.then_some("id-token")).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().expect("Node runs the provider");
            let output = std::io::BufReader::new(child.stdout.take().expect("its output"));
            let mut lines = output.lines().map_while(Result::ok);
            let issuer = lines.find(|line| line.starts_with("http"));
            // It goes on to say things, and ends where nobody takes them.
            std::thread::spawn(move || lines.for_each(drop));
            let issuer = issuer.expect("the provider serves: `npm ci` in end2end brings what it needs");
            let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client");
            Self { child, issuer, http }
        })
        .await
        .expect("started")
    }

    /// Says who somebody is there.
    pub async fn knows(&self, login: &str, claims: Value) {
        let place = format!("{}/people/{login}", self.issuer);
        let answer = self.http.put(place).body(claims.to_string()).send().await.expect("an answer");
        assert_eq!(answer.status(), 204);
    }

    /// What somebody does there who was sent to an address: logs in, where they are asked to, or turns back. Gives where they
    /// are sent at the portal, and whether they were asked.
    pub async fn visit(&self, jar: &Jar, address: &str, login: Option<&str>) -> (String, bool) {
        assert!(address.starts_with(&self.issuer), "{address}");
        let (mut place, mut form, mut asked) = (address.to_owned(), None, false);
        for _ in 0..10 {
            let cookies: Vec<String> = jar.0.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
            let request = match form.take() {
                Some(body) => self.http.post(&place).header("content-type", "application/x-www-form-urlencoded").body::<Vec<u8>>(body),
                None => self.http.get(&place),
            };
            let answer = request.header("cookie", cookies.join("; ")).send().await.expect("an answer");
            for cookie in answer.headers().get_all("set-cookie") {
                let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
                let value = rest.split(';').next().unwrap().to_owned();
                jar.0.lock().unwrap().insert(name.to_owned(), value);
            }
            let Some(to) = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()) else {
                assert!(place.contains("/interaction/"), "{place}: {}", answer.text().await.unwrap_or_default());
                asked = true;
                form = Some(match login {
                    Some(login) => encode(&[("login", login)]),
                    None => encode(&[("cancel", "yes")]),
                });
                continue;
            };
            if let Some(path) = to.strip_prefix(PORTAL) {
                return (path.to_owned(), asked);
            }
            place = if to.starts_with('/') { format!("{}{to}", self.issuer) } else { to };
        }
        panic!("{address} leads on and on");
    }

    /// Signs somebody in by the provider, from the portal's own page on; gives the answer with which they come back.
    pub async fn sign_in(&self, browser: &Browser, login: &str) -> Answer {
        let begun = browser.get("/sign-in/provider").await.is(303);
        let (back, _) = self.visit(&Jar::default(), begun.location(), Some(login)).await;
        browser.get(&back).await
    }
}

/// How an address of the provider answers.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// As it should.
    #[default]
    Right,
    /// With a status and a text.
    Says(u16, String),
    /// With a body that does not end.
    Endless,
    /// Not.
    Hangs,
    /// With something else than what it should.
    Instead(Value),
}

/// How the ID token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    Right,
    /// By nobody.
    Not,
    /// With the client's secret.
    BySecret,
    /// By a key that is not published, under the name of one that is.
    ByAnother,
    /// And changed since.
    Changed,
}

/// What it does.
pub struct Script {
    pub modes: BTreeMap<&'static str, Mode>,
    /// The claims of the ID token that differ from what is right; null leaves one out.
    pub claims: Value,
    pub signed: Signed,
    /// By which key it signs, and which ones it publishes.
    pub key: u8,
    pub published: Vec<u8>,
    /// What was asked for at the token endpoint.
    pub asked: Vec<(HeaderMap, String)>,
    /// The nonce of each sign-in, by its code.
    nonces: BTreeMap<String, String>,
    now: i64,
}

/// A provider that does whatever a test says.
#[derive(Clone)]
pub struct FakeProvider {
    pub issuer: String,
    pub script: Arc<Mutex<Script>>,
}

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key")
}

impl FakeProvider {
    pub async fn start(portal: &TestPortal) -> Self {
        Self::behind(portal, None).await.0
    }

    /// Starts one that is reached by another address than its own, where one is given; gives its own, too.
    pub async fn behind(portal: &TestPortal, front: Option<std::net::SocketAddr>) -> (Self, std::net::SocketAddr) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("http://{}/tenant", front.unwrap_or(address));
        let script = Script {
            modes: BTreeMap::new(),
            claims: json!({}),
            signed: Signed::Right,
            key: 1,
            published: vec![1],
            asked: Vec::new(),
            nonces: BTreeMap::new(),
            now: portal.clock.now().0 / 1_000_000,
        };
        let fake = Self { issuer, script: Arc::new(Mutex::new(script)) };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (fake, address)
    }

    /// Gives somebody a code who was sent to this address; gives the portal's path to come back to.
    pub fn gives_code(&self, place: &str, code: &str, now: i64) -> String {
        self.set(|script| {
            script.nonces.insert(code.to_owned(), parameter(place, "nonce"));
            script.now = now;
        });
        let state = parameter(place, "state");
        let pairs = [("code", code), ("state", state.as_str()), ("iss", self.issuer.as_str())];
        format!("/sign-in/provider/callback?{}", String::from_utf8(encode(&pairs)).unwrap())
    }

    pub fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// Begins a sign-in; gives the portal's path to come back to, with a code.
    pub async fn begin(&self, portal: &TestPortal, browser: &Browser, path: &str) -> String {
        let begun = browser.get(path).await.is(303);
        let place = begun.location();
        assert!(place.starts_with(&format!("{}/auth?", self.issuer)), "{place}");
        self.gives_code(place, &format!("a code {}", portal.fresh()), portal.clock.now().0 / 1_000_000)
    }

    /// Signs somebody in; gives the answer with which they come back.
    pub async fn sign_in(&self, portal: &TestPortal, browser: &Browser) -> Answer {
        let back = self.begin(portal, browser, "/sign-in/provider").await;
        browser.get(&back).await
    }
}

async fn answer(State(fake): State<FakeProvider>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().strip_prefix("/tenant").unwrap_or_default().to_owned();
    let (mode, right) = {
        let mut script = fake.script.lock().unwrap();
        let code = url::form_urlencoded::parse(&body).find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
        if path == "/token" {
            script.asked.push((headers, String::from_utf8_lossy(&body).into_owned()));
        }
        (script.modes.get(path.as_str()).cloned().unwrap_or_default(), fake.right(&script, &path, &code.unwrap_or_default()))
    };
    match mode {
        Mode::Right => axum::Json(right).into_response(),
        Mode::Instead(value) => {
            let mut whole = right;
            if let (Some(all), Some(more)) = (whole.as_object_mut(), value.as_object()) {
                all.extend(more.clone());
            }
            axum::Json(whole).into_response()
        }
        Mode::Says(status, text) => (axum::http::StatusCode::from_u16(status).unwrap(), text).into_response(),
        Mode::Endless => {
            let bytes = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 65_536])));
            Response::new(Body::from_stream(bytes))
        }
        Mode::Hangs => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            "late".into_response()
        }
    }
}

impl FakeProvider {
    fn right(&self, script: &Script, path: &str, code: &str) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        match path {
            "/.well-known/openid-configuration" => json!({
                "issuer": self.issuer,
                "authorization_endpoint": at("/auth"),
                "token_endpoint": at("/token"),
                "jwks_uri": at("/jwks"),
                "userinfo_endpoint": at("/me"),
                "response_types_supported": ["code"],
                "authorization_response_iss_parameter_supported": true,
            }),
            "/jwks" => {
                let keys = script.published.iter().map(|seed| {
                    let x = URL_SAFE_NO_PAD.encode(key(*seed).public_key());
                    json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": seed.to_string(), "x": x })
                });
                json!({ "keys": keys.collect::<Vec<_>>() })
            }
            "/token" => json!({ "token_type": "Bearer", "access_token": "an access token", "id_token": self.id_token(script, code) }),
            _ => json!({ "sub": "1" }),
        }
    }

    fn id_token(&self, script: &Script, code: &str) -> String {
        let mut claims = json!({
            "iss": self.issuer,
            "sub": "1",
            "aud": "portal",
            "iat": script.now,
            "exp": script.now + 600,
            "auth_time": script.now,
            "nonce": script.nonces.get(code),
            "email": "ada@example.com",
            "email_verified": true,
            "given_name": "Ada",
            "family_name": "Lovelace",
            "groups": [],
        });
        for (name, value) in script.claims.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        let alg = match script.signed {
            Signed::Not => "none",
            Signed::BySecret => "HS256",
            _ => "EdDSA",
        };
        let header = json!({ "alg": alg, "typ": "JWT", "kid": script.key.to_string() });
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = match script.signed {
            Signed::Not => Vec::new(),
            Signed::BySecret => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
                ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            Signed::ByAnother => key(99).sign(text.as_bytes()).as_ref().to_vec(),
            Signed::Right => key(script.key).sign(text.as_bytes()).as_ref().to_vec(),
            Signed::Changed => {
                let mut signature = key(script.key).sign(text.as_bytes()).as_ref().to_vec();
                signature[0] ^= 1;
                signature
            }
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// How a client shows its secret, as the token endpoint reads it (RFC 6749 §2.3.1).
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get("authorization")?.to_str().ok()?.strip_prefix("Basic ")?.to_owned();
    let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |text: &str| url::form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, value)| value.into_owned());
    Some((plain(id)?, plain(secret)?))
}
