//! The browser's files: JavaScript, WASM, styles, pictures.
//!
//! A release carries them in the executable, compressed ahead, under an address that holds the hash of their contents,
//! so that browsers keep them for good (see `build.rs` and `scripts/build.sh`). Where none were built in, as while
//! developing, they are read from `target/site`, or the folder that `cargo leptos` names, each time they are asked for.

use std::path::PathBuf;

use axum::{
    body::Body,
    http::{
        HeaderMap, StatusCode, Uri,
        header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse as _, Response},
};

/// What `build.rs` found.
struct Site {
    hash: &'static str,
    files: &'static [File],
}

/// A file, as it is and compressed ahead where that makes it smaller.
struct File {
    name: &'static str,
    raw: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

static SITE: Site = include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Brotli,
    Gzip,
    Identity,
}

/// The folder of the browser's files, as an address without slashes around it; made for `LeptosOptions::site_pkg_dir`.
#[must_use]
pub fn folder() -> String {
    if SITE.files.is_empty() { "pkg".to_owned() } else { format!("assets/{}", SITE.hash) }
}

/// The address of a file.
#[must_use]
pub fn address(file: &str) -> String {
    format!("/{}/{file}", folder())
}

/// Answers a request for one of the files. Everything else in these folders, and every file of another version, is not
/// there.
pub async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let Some(name) = path.strip_prefix(&folder()).and_then(|rest| rest.strip_prefix('/')) else { return missing() };
    if SITE.files.is_empty() {
        return match read(name).await {
            Some(bytes) => answer(name, "no-cache", Coding::Identity, Body::from(bytes)),
            None => missing(),
        };
    }
    let Some(file) = SITE.files.iter().find(|file| file.name == name) else { return missing() };
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    let (coding, bytes) = match choose(&accepted, file.brotli.is_some(), file.gzip.is_some()) {
        Coding::Brotli => (Coding::Brotli, file.brotli),
        Coding::Gzip => (Coding::Gzip, file.gzip),
        Coding::Identity => (Coding::Identity, None),
    };
    answer(name, "public, max-age=31536000, immutable", coding, Body::from(bytes.unwrap_or(file.raw)))
}

fn answer(name: &str, cache: &'static str, coding: Coding, body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type(name)),
        (CACHE_CONTROL, cache),
        (VARY, "accept-encoding"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // What is opened by itself, such as a picture, may load and run nothing.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ];
    match coding {
        Coding::Brotli => (headers, [(CONTENT_ENCODING, "br")], body).into_response(),
        Coding::Gzip => (headers, [(CONTENT_ENCODING, "gzip")], body).into_response(),
        Coding::Identity => (headers, body).into_response(),
    }
}

fn missing() -> Response {
    (
        StatusCode::NOT_FOUND,
        [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")],
        "There is no such file.\n",
    )
        .into_response()
}

/// A file of the site that was not built in. Only plain names lead to one.
async fn read(name: &str) -> Option<Vec<u8>> {
    let plain = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    if !name.split('/').all(plain) {
        return None;
    }
    #[expect(clippy::disallowed_methods, reason = "no option of the operator's: cargo-leptos says where it builds")]
    let root = std::env::var("LEPTOS_SITE_ROOT").map_or_else(|_| PathBuf::from("target/site"), PathBuf::from);
    for path in [root.join("pkg").join(name), root.join(name)] {
        if let Ok(bytes) = tokio::fs::read(path).await {
            return Some(bytes);
        }
    }
    None
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The coding that `Accept-Encoding` likes best of those that are to be had (RFC 9110 §12.5.3); of several liked the
/// same, the smallest.
fn choose(accepted: &str, brotli: bool, gzip: bool) -> Coding {
    let weight = |coding: &str| {
        accepted.split(',').find_map(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight = match weight.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('=')) {
                Some(weight) => weight.trim().parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0),
                None => 1.0,
            };
            name.trim().eq_ignore_ascii_case(coding).then_some(weight)
        })
    };
    // What is not spoken of is the fallback, and no more.
    let identity = weight("identity").unwrap_or(0.0);
    [(Coding::Brotli, "br", brotli), (Coding::Gzip, "gzip", gzip)]
        .into_iter()
        .filter(|(_, _, there)| *there)
        .filter_map(|(coding, name, _)| Some((coding, weight(name).or_else(|| weight("*"))?)))
        .filter(|(_, weight)| *weight > 0.0 && *weight >= identity)
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map_or(Coding::Identity, |(coding, _)| coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_coding_that_is_liked_best_is_taken() {
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("gzip, deflate", Coding::Gzip),
            ("", Coding::Identity),
            ("identity", Coding::Identity),
            ("br;q=0.5, gzip", Coding::Gzip),
            ("br;q=0, gzip;q=0.1", Coding::Gzip),
            ("BR ; Q=0.8, gzip;q=0.8", Coding::Brotli),
            ("*", Coding::Brotli),
            ("*;q=0", Coding::Identity),
            ("br;q=0, *", Coding::Gzip),
            ("br;q=0.2, identity;q=0.9", Coding::Identity),
            ("gzip;q=1, identity;q=0", Coding::Gzip),
            ("br;q=nonsense", Coding::Identity),
            ("br;q=7", Coding::Identity),
            ("brotli, gzipped", Coding::Identity),
        ] {
            assert_eq!(choose(accepted, true, true), expected, "{accepted}");
        }
        assert_eq!(choose("br, gzip", false, true), Coding::Gzip);
        assert_eq!(choose("br, gzip", false, false), Coding::Identity);
    }

    #[tokio::test]
    async fn only_plain_names_lead_to_a_file() {
        for name in ["../../Cargo.toml", "..", "", "/etc/passwd", ".hidden", "a//b", "a/../../Cargo.toml", "%2e%2e/Cargo.toml", "a\\b"] {
            assert_eq!(read(name).await, None, "{name}");
        }
    }

    #[tokio::test]
    async fn another_version_is_not_there() {
        for path in ["/assets/0000000000000000/org-portal.css", "/assets/org-portal.css", "/assets/", "/pkgs/org-portal.css", "/pkg"] {
            let response = serve(path.parse().expect("an address"), HeaderMap::new()).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store", "{path}");
        }
    }
}
