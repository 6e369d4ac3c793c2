//! Requests to servers of others: where they may go, how long they may take, and how much of an answer is read.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use crate::words::{SECOND, Timestamp};

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until the last byte of the answer.
    pub whole: Duration,
    /// The pause before the second try of one that may be tried again; it is doubled each time.
    pub pause: Duration,
    /// How often one is tried.
    pub tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(30), pause: Duration::from_millis(500), tries: 4 }
    }
}

/// A client for one server of the operator's. It follows no redirect, because an address is only what was configured,
/// and takes no proxy from the environment.
///
/// # Errors
/// Where TLS cannot be set up.
pub fn client(patience: Patience) -> Result<Client, String> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(patience.connect)
        .timeout(patience.whole)
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("org-portal/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| reason(&e))
}

/// Reads an answer's body, at most so many bytes.
///
/// # Errors
/// Where it is longer, or breaks off.
pub async fn body(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| reason(&e))? {
        if bytes.len() + chunk.len() > most {
            return Err(format!("the answer is longer than {most} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// For how long an answer asks to be left alone, in microseconds: the seconds of its `Retry-After`, at most an hour. A
/// date is not read: it would be compared with a clock that may be another.
#[must_use]
pub fn retry_after(response: &reqwest::Response) -> Option<i64> {
    let seconds: i64 = response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.clamp(0, 3600) * SECOND)
}

/// Why a request failed, in one line: the library says the cause apart. The address is left out, as it may hold a secret.
#[must_use]
pub fn reason(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let cause = cause.to_string();
    if error.is_timeout() || cause.is_empty() { what.to_owned() } else { format!("{what}: {cause}") }
}

/// Reads the address of a server that requests go to: `https`, or `http` on loopback alone, without a user in it.
///
/// # Errors
/// Where it is something else.
pub fn address(text: &str) -> Result<Url, String> {
    let url: Url = text.trim().parse().map_err(|e| format!("{text:?}: {e}"))?;
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err("it begins with https:// (http:// on loopback alone)".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("it holds no user, password or fragment".to_owned());
    }
    Ok(url)
}

/// A moment as whole seconds since the epoch.
#[must_use]
pub fn unix_seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_on_loopback_and_holds_no_secret() {
        for right in [
            "https://desk.example.com",
            "https://desk.example.com/hook?x=1",
            "http://127.0.0.1:8080/",
            "http://localhost:1",
            "http://[::1]/",
        ] {
            assert!(address(right).is_ok(), "{right}");
        }
        for wrong in [
            "http://desk.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://a:b@desk.example.com",
            "https://x#y",
            "desk",
            "http://0.0.0.0",
            "",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
