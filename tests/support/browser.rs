//! A browser: cookies, pages, forms; and the calls that an island makes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use org_portal::{clock::Clock, config::Config, words::OrganizationId};
use reqwest::{Client, Method, header::HeaderMap};

use super::page::{Answer, Form};

/// A browser with its own cookies. It follows no redirect by itself.
#[derive(Clone)]
pub struct Browser {
    client: Client,
    base: String,
    origin: String,
    host: String,
    user_agent: String,
    clock: Clock,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

/// The answer to an island's call.
#[derive(Clone, Debug)]
pub struct Call {
    pub status: u16,
    pub value: serde_json::Value,
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
}

impl Call {
    /// Whether the status is this; gives the call back.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Whether it is refused with this status and this value.
    #[track_caller]
    pub fn refused(self, status: u16, refusal: serde_json::Value) -> Self {
        assert_eq!((self.status, &self.value), (status, &refusal), "{}", self.text);
        self
    }

    /// The error of a field.
    pub fn error_of(&self, field: &str) -> Option<String> {
        let errors = self.value.get("Invalid")?.as_array()?;
        let found = errors.iter().find(|pair| pair.get(0).and_then(|name| name.as_str()) == Some(field))?;
        found.get(1)?.as_str().map(str::to_owned)
    }
}

impl Browser {
    pub(super) fn new(base: &str, config: &Config, clock: Clock) -> Self {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // A kept connection would outlive the server of a test that restarts it.
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client");
        let public = &config.public_url;
        let host = match public.port() {
            Some(port) => format!("{}:{port}", public.host_str().expect("a host")),
            None => public.host_str().expect("a host").to_owned(),
        };
        Self {
            client,
            base: base.to_owned(),
            origin: public.origin().ascii_serialization(),
            host,
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
            clock,
            cookies: Arc::default(),
        }
    }

    /// The same browser, cookies included, as another program calls itself.
    pub fn named(mut self, user_agent: &str) -> Self {
        user_agent.clone_into(&mut self.user_agent);
        self
    }

    /// The same browser, as if the portal had another name for it.
    pub fn with_host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// The same cookies at another server (a second replica).
    pub fn at(&self, portal: &super::TestPortal) -> Self {
        Self { base: portal.base(), ..self.clone() }
    }

    /// Another browser with a copy of the cookies of now: what a thief would hold.
    pub fn copy(&self) -> Self {
        let cookies = self.cookies.lock().expect("not poisoned").clone();
        Self { cookies: Arc::new(Mutex::new(cookies)), ..self.clone() }
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("not poisoned").get(name).cloned()
    }

    /// Puts a cookie.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().expect("not poisoned").insert(name.to_owned(), value.to_owned());
    }

    /// Takes a cookie away.
    pub fn drop_cookie(&self, name: &str) {
        self.cookies.lock().expect("not poisoned").remove(name);
    }

    /// Sends a request with exactly these headers beside host, agent and cookies.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        if method == Method::POST {
            // No two writes of one person come in the same moment; so what they write has an order.
            self.clock.advance(1000);
        }
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        request = request.header("host", &self.host).header("user-agent", &self.user_agent);
        let cookies: Vec<String> =
            self.cookies.lock().expect("not poisoned").iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("{method} {path}: {e:?}"));
        let answer = Answer {
            request: format!("{method} {path}"),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap_or_else(|e| panic!("{method} {path}: {e:?}")).to_vec(),
        };
        let mut jar = self.cookies.lock().expect("not poisoned");
        for cookie in answer.set_cookies() {
            let mut parts = cookie.split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            let gone = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
            if gone {
                jar.remove(name)
            } else {
                jar.insert(name.to_owned(), value.to_owned())
            };
        }
        answer
    }

    /// Opens the stream of what changes, with the query that a page gives it.
    pub async fn live(&self, query: &str) -> Live {
        self.live_with(query, &[]).await
    }

    /// The same with more headers.
    pub async fn live_with(&self, query: &str, headers: &[(&str, &str)]) -> Live {
        let mut request = self.client.get(format!("{}/live{query}", self.base));
        request = request.header("host", &self.host).header("user-agent", &self.user_agent).header("accept", "text/event-stream");
        let cookies: Vec<String> =
            self.cookies.lock().expect("not poisoned").iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header("cookie", cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("/live{query}: {e:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Live { status, headers, response, text: String::new(), last: String::new() }
    }

    /// Opens a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", "text/html"), ("sec-fetch-site", "same-origin")], None).await
    }

    /// Opens a page and goes on to where it leads.
    pub async fn open(&self, path: &str) -> Answer {
        let mut answer = self.get(path).await;
        for _ in 0..5 {
            if answer.status != 303 {
                return answer;
            }
            answer = self.get(answer.location()).await;
        }
        panic!("{path} leads on and on");
    }

    /// Goes to where an answer leads.
    pub async fn follow(&self, answer: &Answer) -> Answer {
        assert_eq!(answer.status, 303, "{}: {}", answer.request, answer.sketch());
        self.get(answer.location()).await
    }

    /// Posts pairs as a plain form of the portal's own pages does.
    pub async fn post<K: AsRef<str>, V: AsRef<str>>(&self, action: &str, pairs: &[(K, V)]) -> Answer {
        let body = encode(pairs);
        let headers = [
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &self.origin),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "navigate"),
        ];
        self.send(Method::POST, action, &headers, Some(body)).await
    }

    /// Posts a form.
    pub async fn submit(&self, form: &Form) -> Answer {
        assert_eq!(form.method, "post", "{form:?}");
        if !form.kind.is_empty() {
            return self.submit_with(form, &[]).await;
        }
        self.post(&form.action, &form.fields).await
    }

    /// Posts a form that takes files, as a browser does: each file with its name and what it holds.
    pub async fn submit_with(&self, form: &Form, files: &[(&str, &[u8])]) -> Answer {
        assert_eq!((form.method.as_str(), form.kind.as_str()), ("post", "multipart/form-data"), "{form:?}");
        let boundary = "----a-boundary-that-nothing-holds";
        let mut body = Vec::new();
        for (name, value) in &form.fields {
            if form.files.as_ref() != Some(name) || !value.is_empty() {
                body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
            }
        }
        let field = form.files.as_deref().unwrap_or_default();
        // Where no file is chosen, browsers send one without a name.
        let none: [(&str, &[u8]); 1] = [("", b"")];
        for (name, bytes) in if files.is_empty() { &none } else { files } {
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: text/html\r\n\r\n"
            );
            body.extend(head.bytes().chain(bytes.iter().copied()).chain(*b"\r\n"));
        }
        body.extend(format!("--{boundary}--\r\n").bytes());
        let kind = format!("multipart/form-data; boundary={boundary}");
        let headers = [
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("content-type", kind.as_str()),
            ("origin", &self.origin),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "navigate"),
        ];
        self.send(Method::POST, &form.action, &headers, Some(body)).await
    }

    /// Opens a page, fills its form and posts it.
    #[track_caller]
    pub fn fill<'a>(&'a self, path: &'a str, action: &'a str, fields: &'a [(&'a str, &'a str)]) -> impl Future<Output = Answer> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let page = self.get(path).await;
            assert_eq!(page.status, 200, "{} (from {caller}): {}", page.request, page.sketch());
            let form = fields.iter().fold(page.form(action), |form, (field, value)| form.with(field, value));
            self.submit(&form).await
        }
    }

    /// Makes an island's call: the pairs, named as in a form, become the arguments in JSON.
    pub async fn call(&self, endpoint: &str, pairs: &[(&str, &str)]) -> Call {
        let mut all: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        if !pairs.iter().any(|(name, _)| name.starts_with("drawn[")) {
            all.push(("drawn[page]".to_owned(), "/".to_owned()));
        }
        self.call_raw(endpoint, &arguments(&all).to_string()).await
    }

    /// The same with the arguments as they are.
    pub async fn call_raw(&self, endpoint: &str, arguments: &str) -> Call {
        let headers = [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("origin", &self.origin),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "cors"),
        ];
        let body = arguments.as_bytes().to_vec();
        let answer = self.send(Method::POST, &format!("/do/{endpoint}"), &headers, Some(body)).await;
        let text = answer.html();
        let value = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
        Call { status: answer.status, value, headers: answer.headers, text }
    }

    /// Makes an island's call in an organization.
    pub async fn call_in(&self, organization: OrganizationId, endpoint: &str, pairs: &[(&str, &str)]) -> Call {
        let organization = organization.to_string();
        let mut all = pairs.to_vec();
        all.push(("drawn[organization]", &organization));
        self.call(endpoint, &all).await
    }
}

/// A stream of what changes, as a browser has it open.
pub struct Live {
    pub status: u16,
    pub headers: HeaderMap,
    response: reqwest::Response,
    text: String,
    last: String,
}

/// An event of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub event: String,
    pub id: String,
    pub data: serde_json::Value,
}

impl Told {
    /// What is said with it, without the marks that keep a name's direction to itself.
    pub fn says(&self) -> String {
        self.data["say"].as_str().unwrap_or_default().replace(['\u{2068}', '\u{2069}'], "")
    }
}

impl Live {
    /// The next event; none where the stream has ended. Comments, which keep it open, are passed over.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n").map(|(block, rest)| (block.to_owned(), rest.to_owned())) {
                self.text = rest;
                let field = |name: &str| {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>().join("\n")
                };
                if !field("id").is_empty() {
                    self.last = field("id");
                }
                if !field("data").is_empty() {
                    let data = serde_json::from_str(&field("data")).unwrap_or_else(|e| panic!("{e}: {block}"));
                    return Some(Told { event: field("event"), id: field("id"), data });
                }
            }
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(15), self.response.chunk()).await;
            match chunk.expect("the stream says something").expect("the stream is not cut") {
                Some(bytes) => self.text.push_str(std::str::from_utf8(&bytes).expect("text")),
                None => return None,
            }
        }
    }

    /// The next event, which is of this kind.
    #[track_caller]
    pub fn hears<'a>(&'a mut self, event: &'a str) -> impl Future<Output = Told> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let told = self.next().await.unwrap_or_else(|| panic!("the stream ended before {event} (from {caller})"));
            assert_eq!(told.event, event, "{told:?} (from {caller})");
            told
        }
    }

    /// The next event, which is a change of which this is said.
    #[track_caller]
    pub fn hears_that<'a>(&'a mut self, say: &'a str) -> impl Future<Output = Told> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let told = self.hears("change").await;
            assert_eq!(told.says(), say, "{told:?} (from {caller})");
            told
        }
    }

    /// The stream has ended and said no more.
    pub async fn ends(mut self) {
        let told = self.next().await;
        assert!(told.is_none(), "{told:?}");
    }

    /// The last id that came.
    pub fn last_id(&self) -> &str {
        &self.last
    }
}

/// Pairs as an island sends them: `form[email]=a` is `{"form": {"email": "a"}}`.
fn arguments(pairs: &[(String, String)]) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    for (name, value) in pairs {
        let value = serde_json::Value::String(value.clone());
        match name.split_once('[') {
            None => drop(all.insert(name.clone(), value)),
            Some((argument, field)) => {
                let fields = all.entry(argument.to_owned()).or_insert_with(|| serde_json::json!({}));
                match field.strip_suffix("][]") {
                    Some(list) => match fields[list].as_array_mut() {
                        Some(items) => items.push(value),
                        None => fields[list] = serde_json::json!([value]),
                    },
                    None => fields[field.trim_end_matches(']')] = value,
                }
            }
        }
    }
    serde_json::Value::Object(all)
}

/// Pairs as a form is sent.
pub fn encode<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> Vec<u8> {
    let mut encoder = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        encoder.append_pair(name.as_ref(), value.as_ref());
    }
    encoder.finish().into_bytes()
}
