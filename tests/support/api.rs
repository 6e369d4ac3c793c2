//! A program that calls `/v1`.

use org_portal::clock::Clock;
use reqwest::{Client, Method, header::HeaderMap};
use serde_json::{Value, json};

use super::{PASSWORD, TestPortal};

/// A program, with a token or without.
#[derive(Clone)]
pub struct Api {
    client: Client,
    clock: Clock,
    base: String,
    /// The token that it sends.
    pub token: Option<String>,
}

/// What it is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub request: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub value: Value,
    pub text: String,
}

impl Reply {
    /// Whether it was done; gives what was answered.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}: {}", self.request, self.text);
        self.value
    }

    /// Whether it was refused, with this status, code and sentence.
    #[track_caller]
    pub fn refused(self, status: u16, code: u32, message: &str) -> Self {
        let said = (self.status, self.value["code"].as_u64(), self.value["message"].as_str());
        assert_eq!(said, (status, Some(u64::from(code)), Some(message)), "{}: {}", self.request, self.text);
        self
    }

    /// Whether it was refused, with this status and code.
    #[track_caller]
    pub fn fails(self, status: u16, code: u32) -> Self {
        assert_eq!((self.status, self.value["code"].as_u64()), (status, Some(u64::from(code))), "{}: {}", self.request, self.text);
        self
    }
}

impl Api {
    /// The same program with another token.
    pub fn with(&self, token: &str) -> Self {
        self.with_or_without(Some(token))
    }

    /// The same program with another token, or none.
    pub fn with_or_without(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// Calls with a body.
    #[track_caller]
    pub fn post<'a>(&'a self, path: &'a str, body: Value) -> impl Future<Output = Reply> + 'a {
        self.send(Method::POST, path, body.to_string())
    }

    /// Calls without one.
    #[track_caller]
    pub fn call<'a>(&'a self, path: &'a str) -> impl Future<Output = Reply> + 'a {
        self.send(Method::POST, path, String::new())
    }

    #[track_caller]
    pub fn get<'a>(&'a self, path: &'a str) -> impl Future<Output = Reply> + 'a {
        self.send(Method::GET, path, String::new())
    }

    #[track_caller]
    pub fn put<'a>(&'a self, path: &'a str, body: Value) -> impl Future<Output = Reply> + 'a {
        self.send(Method::PUT, path, body.to_string())
    }

    #[track_caller]
    pub fn delete<'a>(&'a self, path: &'a str) -> impl Future<Output = Reply> + 'a {
        self.send(Method::DELETE, path, String::new())
    }

    /// Sends a request; the answer is JSON, whatever it is.
    #[track_caller]
    pub fn send<'a>(&'a self, method: Method, path: &'a str, body: String) -> impl Future<Output = Reply> + 'a {
        self.send_with(method, path, &[], body)
    }

    /// The same with more headers.
    #[track_caller]
    pub fn send_with<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        headers: &'a [(&'a str, &'a str)],
        body: String,
    ) -> impl Future<Output = Reply> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            if method != Method::GET {
                // No two writes come in the same moment; so what they write has an order.
                self.clock.advance(1000);
            }
            let mut request =
                self.client.request(method.clone(), format!("{}{path}", self.base)).header("user-agent", "Go-http-client/1.1");
            if let Some(token) = &self.token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = request.body(body).send().await.unwrap_or_else(|e| panic!("{method} {path}: {e:?}"));
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await.expect("text");
            let request = format!("{method} {path} (from {caller})");
            assert_eq!(
                headers.get("content-type").map(|kind| kind.to_str().unwrap_or_default()),
                Some("application/json"),
                "{request}: {text}"
            );
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{request}: {e}: {text}"));
            assert!(value.is_object(), "{request}: {text}");
            if status == 200 {
                assert!(value.get("code").is_none(), "{request}: {text}");
            } else {
                assert_eq!(value["message"], value["error"], "{request}: {text}");
                assert!(value["code"].as_u64().is_some_and(|code| code > 0) && value["details"].is_array(), "{request}: {text}");
                assert!(value["message"].as_str().is_some_and(|message| !message.is_empty()), "{request}: {text}");
            }
            assert!(headers.get("location").is_none() && headers.get("set-cookie").is_none(), "{request}: {headers:?}");
            Reply { request, status, headers, value, text }
        }
    }
}

impl TestPortal {
    /// A program without a token.
    pub fn api(&self) -> Api {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().pool_max_idle_per_host(0).build();
        Api { client: client.expect("a client"), clock: self.clock.clone(), base: self.base(), token: None }
    }

    /// A program that has signed in as an account.
    pub async fn api_of(&self, name: &str) -> Api {
        let api = self.api();
        let signed_in = api.post("/v1/auth/SignIn", json!({ "email": format!("{name}@example.com"), "password": PASSWORD })).await.ok();
        api.with(signed_in["access_token"].as_str().expect("a token"))
    }
}

/// Sends these bytes and reads the answer: its status, head and body. The server closes where the request says so.
pub async fn raw(portal: &TestPortal, request: &str) -> (u16, String, Vec<u8>) {
    use std::io::Read as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(portal.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let head_ends = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(at) = head_ends {
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
            let header = |name: &str| {
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()))
            };
            let body = &bytes[at + 4..];
            let whole = match (header("content-length:"), header("transfer-encoding:")) {
                (Some(length), _) => body.len() >= length.parse::<usize>().unwrap(),
                (None, Some(_)) => body.ends_with(b"0\r\n\r\n"),
                _ => false,
            };
            if whole {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                let mut body = if header("transfer-encoding:").is_some() { unchunked(body) } else { body.to_vec() };
                if header("content-encoding:").as_deref() == Some("gzip") {
                    let mut plain = Vec::new();
                    flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).unwrap();
                    body = plain;
                }
                return (status, head, body);
            }
        }
        let mut piece = vec![0; 64 * 1024];
        let n = tokio::time::timeout(std::time::Duration::from_secs(30), stream.read(&mut piece)).await.expect("an answer").unwrap();
        assert!(n > 0, "the connection ended: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..n]);
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
}
