//! PMM servers as they come to the portal: connected, signing people in, asking for tokens.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use org_portal::secrets;
use reqwest::Method;
use serde_json::Value;

use super::{Answer, Browser, Engine, TestPortal, encode};

/// A connected server, with what it was given.
#[derive(Clone, Debug)]
pub struct Pmm {
    pub id: uuid::Uuid,
    pub server_id: String,
    pub url: String,
    pub callback_url: String,
    pub public_client_id: String,
    pub machine_client_id: String,
    pub machine_secret: String,
}

/// A sign-in under way, as the server remembers it.
#[derive(Clone, Debug)]
pub struct Flow {
    pub verifier: String,
    pub state: String,
    pub nonce: String,
    pub scope: String,
}

impl Default for Flow {
    fn default() -> Self {
        let secret = || secrets::Random.secret().expose().to_owned();
        Self { verifier: secret(), state: secret(), nonce: secret(), scope: "openid profile email offline_access percona".to_owned() }
    }
}

/// What a server was given for a person.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub id: String,
    pub whole: Value,
}

impl Tokens {
    pub fn read(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.html());
        let whole: Value = serde_json::from_str(&answer.html()).expect("JSON");
        let text = |name: &str| whole[name].as_str().unwrap_or_default().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), id: text("id_token"), whole: whole.clone() }
    }

    /// The claims of the ID token, unverified.
    pub fn claims(&self) -> Value {
        let payload = self.id.split('.').nth(1).expect("a JWT");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("Base64")).expect("JSON")
    }
}

impl Pmm {
    /// The pairs of an authorization request.
    pub fn request(&self, flow: &Flow) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            pair("client_id", &self.public_client_id),
            pair("redirect_uri", &self.callback_url),
            pair("response_type", "code"),
            pair("scope", &flow.scope),
            pair("state", &flow.state),
            pair("nonce", &flow.nonce),
            pair("code_challenge", &secrets::fingerprint(&flow.verifier)),
            pair("code_challenge_method", "S256"),
        ]
    }

    /// Where a person is sent to sign in, with more parameters or others.
    pub fn sign_in_path(&self, flow: &Flow, more: &[(&str, &str)]) -> String {
        let mut pairs = self.request(flow);
        for (name, value) in more {
            pairs.retain(|(known, _)| known != name);
            if *value != "-" {
                pairs.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        format!("/oauth2/authorize?{}", String::from_utf8(encode(&pairs)).expect("text"))
    }
}

/// A parameter of an address.
pub fn parameter(address: &str, name: &str) -> String {
    let url = url::Url::parse(address).unwrap_or_else(|e| panic!("{address:?}: {e}"));
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

impl TestPortal {
    /// Connects a server to the organization of a member.
    pub async fn connect_pmm(&self, who: &str, server_id: &str, name: &str, host: &str) -> Pmm {
        let organization = self.organization_of(who).await.0;
        self.execute(&format!("DELETE FROM pmm_servers WHERE server_id = '{server_id}'")).await;
        let secret = || secrets::Random.secret().expose().to_owned();
        let pmm = Pmm {
            id: secrets::Random.id(self.clock.now()),
            server_id: server_id.to_owned(),
            url: format!("{host}/graph"),
            callback_url: format!("{host}/graph/login/generic_oauth"),
            public_client_id: secret(),
            machine_client_id: secret(),
            machine_secret: secret(),
        };
        let hash: String = secrets::hash(&pmm.machine_secret).iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = match self.engine {
            Engine::Sqlite => format!("x'{hash}'"),
            Engine::Postgres => format!("'\\x{hash}'::bytea"),
        };
        self.execute(&format!(
            "INSERT INTO pmm_servers (id, organization_id, server_id, name, name_key, url, callback_url, connected_by_name, connected_at, public_client_id, machine_client_id, machine_secret_hash)
            VALUES ({}, {}, '{server_id}', '{name}', '{}', '{}', '{}', 'Ada Example', {}, '{}', '{}', {hash})",
            self.engine.literal(pmm.id), self.engine.literal(organization), name.to_lowercase(), pmm.url, pmm.callback_url, self.clock.now().0, pmm.public_client_id, pmm.machine_client_id
        ))
        .await;
        pmm
    }

    /// Disconnects it.
    pub async fn disconnect_server(&self, pmm: &Pmm) {
        self.execute(&format!("DELETE FROM pmm_servers WHERE id = {}", self.engine.literal(pmm.id))).await;
    }

    /// A server's request for tokens: parameters in the address, in the body, and who it is by Basic authentication.
    pub async fn ask_token(&self, query: &str, body: &[(&str, &str)], basic: Option<(&str, &str)>) -> Answer {
        self.post_as_server("/oauth2/token", query, body, basic).await
    }

    /// A server's request to one of the provider's addresses.
    pub async fn post_as_server(&self, path: &str, query: &str, body: &[(&str, &str)], basic: Option<(&str, &str)>) -> Answer {
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let basic = basic.map(|(id, secret)| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
        if let Some(basic) = &basic {
            headers.push(("authorization", basic));
        }
        self.browser().named("Go-http-client/1.1").send(Method::POST, &path, &headers, Some(encode(body))).await
    }

    /// Exchanges the code of an answer.
    pub async fn exchange(&self, pmm: &Pmm, flow: &Flow, code: &str) -> Answer {
        let body = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &pmm.callback_url),
            ("client_id", &pmm.public_client_id),
            ("code_verifier", &flow.verifier),
        ];
        self.ask_token("", &body, None).await
    }

    /// Refreshes.
    pub async fn refresh(&self, pmm: &Pmm, refresh_token: &str) -> Answer {
        let body = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", &pmm.public_client_id)];
        self.ask_token("", &body, None).await
    }

    /// What userinfo says to a token.
    pub async fn userinfo(&self, access_token: &str) -> Answer {
        let bearer = format!("Bearer {access_token}");
        self.browser().send(Method::GET, "/oauth2/userinfo", &[("authorization", &bearer)], None).await
    }

    /// Goes to where a server sends somebody, says yes where that is asked, and gives the address that they come back to.
    pub async fn go_to_server(&self, browser: &Browser, path: &str) -> String {
        let page = browser.get(path).await;
        if page.status == 303 {
            return page.location().to_owned();
        }
        let form = page.is(200).form("/do/allow_server").forged("form[answer]", "allow");
        let answer = browser.submit(&form).await;
        assert_eq!(answer.status, 303, "{}", answer.sketch());
        answer.location().to_owned()
    }

    /// Somebody who is signed in here signs in to a server.
    pub async fn sign_in_to_server(&self, browser: &Browser, pmm: &Pmm) -> Tokens {
        self.sign_in_to_server_with(browser, pmm, &Flow::default()).await
    }

    /// The same, as the server asks for it.
    pub async fn sign_in_to_server_with(&self, browser: &Browser, pmm: &Pmm, flow: &Flow) -> Tokens {
        let place = self.go_to_server(browser, &pmm.sign_in_path(flow, &[])).await;
        assert_eq!(parameter(&place, "state"), flow.state, "{place}");
        Tokens::read(&self.exchange(pmm, flow, &parameter(&place, "code")).await)
    }
}
