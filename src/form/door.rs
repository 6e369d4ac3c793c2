//! The form door: the one adapter between a plain `<form method="post">` and a server function.
//!
//! Every call of a server function comes through here. An island's call goes on as it is, and its refusal gets its
//! status. A plain form's call is run as if an island had made it; then
//! * success becomes **303** to the place that the function named ([`land`]), or, for what is shown once, a page that is
//!   drawn then and there and kept nowhere ([`show_once`]),
//! * a refusal becomes **the page that held the form, drawn again** with the refusal's status, the messages beside the
//!   fields and what was typed (never passwords).
//!
//! Leptos' own answer to a plain form is not used: it redirects to the `Referer` with the error in the address.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::ResponseOptions;
use tower::ServiceExt as _;

use super::{Drawn, FieldErrors, FormState, Notice, Refusal, Unauthenticated, is_own_path};
use crate::{
    actor::Caller,
    portal::Portal,
    routes::{self, Routes},
    visit::{self, Page},
};

/// The largest body of a form without files, in bytes.
pub const MAX_BODY: usize = 512 * 1024;
/// The same with files. What keeps them knows how large one may be, and how many there may be.
pub const MAX_BODY_WITH_FILES: u64 = 64 * 1024 * 1024;

/// A file that arrives with a form: its name, and its bytes as they come.
pub type Incoming = multer::Field<'static>;

/// A file that was kept: what the form's field says of it from then on, and a fingerprint of what it holds.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Stands in the field's place among the arguments.
    pub id: String,
    /// By this and not by the id it is told whether a form was sent before.
    pub fingerprint: String,
}

/// Keeps a file. What it refuses stands beside the form's field, whose name it is asked with.
pub type Keep = for<'a> fn(&'a Portal, &'a Caller, &'a mut Incoming) -> Pin<Box<dyn Future<Output = Result<Kept, Refusal>> + Send + 'a>>;

/// What a plain form is answered when its function succeeds.
enum Success {
    /// Another page, by 303, with what is said there.
    Leads(String, Option<Said>),
    /// A page at no address of its own.
    Shows(Page),
}

/// Where the function that runs leaves it.
#[derive(Clone, Default)]
struct Landing(Arc<Mutex<Option<Success>>>);

impl Landing {
    fn put(success: Success) {
        if let Some(landing) = use_context::<Self>()
            && let Ok(mut place) = landing.0.lock()
        {
            *place = Some(success);
        }
    }
}

/// What is said once, and of how many.
pub type Said = (Notice, usize);

/// The calls' circumstances inside a server function: the portal and who calls.
///
/// # Errors
/// 503 outside of a call through the door, which does not happen.
pub fn caller(drawn: Drawn) -> Result<(Portal, Caller), Refusal> {
    let portal = use_context::<Portal>().ok_or(Refusal::Unavailable)?;
    let mut caller = use_context::<Caller>().ok_or(Refusal::Unavailable)?;
    caller.drawn = drawn;
    Ok((portal, caller))
}

/// Names the place where a plain form leads now, and what is said there. An island stays where it is.
pub fn land(path: impl Into<String>, notice: Option<Notice>) {
    land_with(path, notice.map(|notice| (notice, 1)));
}

/// The same, where what is said tells of how many.
pub fn land_with(path: impl Into<String>, notice: Option<Said>) {
    Landing::put(Success::Leads(path.into(), notice));
}

/// Answers a plain form with this page: for what is shown once, such as a secret that is kept nowhere. An island gets what
/// the function gives. A page that is loaded again sends its form again: the function has to know that it did the same
/// before, by the form's key, and lead elsewhere then.
pub fn show_once(page: Page) {
    Landing::put(Success::Shows(page));
}

/// Sets a cookie with the answer of the server function that runs.
pub fn set_cookie(cookie: &str) {
    if let (Some(response), Ok(value)) = (use_context::<ResponseOptions>(), HeaderValue::from_str(cookie)) {
        response.append_header(header::SET_COOKIE, value);
    }
}

/// A `Set-Cookie` for this portal: for the whole site, kept from scripts, sent along only from the portal's own pages
/// and links. Over TLS it has the prefix that binds it to the host.
#[must_use]
pub fn cookie(portal: &Portal, name: &str, value: &str, max_age_seconds: i64) -> String {
    let secure = if portal.config.secure() { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_seconds}{secure}", cookie_name(portal, name))
}

/// The name under which a cookie goes: `__Host-…` over TLS, plain on loopback without.
#[must_use]
pub fn cookie_name(portal: &Portal, name: &str) -> String {
    if portal.config.secure() { format!("__Host-{name}") } else { name.to_owned() }
}

/// The one-shot cookie that carries a notice to the next page; an empty value takes it away.
#[must_use]
pub fn notice_cookie(portal: &Portal, notice: Option<Said>) -> String {
    match notice {
        Some((notice, n)) => cookie(portal, "notice", &format!("{}.{n}", notice.code()), 60),
        None => cookie(portal, "notice", "", 0),
    }
}

/// Handles every request below `/do/`.
pub async fn handle(State(routes): State<Routes>, request: Request) -> Response {
    let portal = routes.portal.clone();
    let path = request.uri().path().to_owned();
    let Some(function) = routes::FUNCTIONS.iter().find(|f| path.strip_prefix("/do/") == Some(f.endpoint)) else {
        return routes.error(request, Refusal::NotFound).await;
    };
    // To everybody else, what operators call is not there.
    let is_operator = request.extensions().get::<Caller>().and_then(|caller| caller.actor.as_ref()).is_some_and(|actor| actor.operator);
    if function.access == routes::Access::Operator && !is_operator {
        return routes.error(request, Refusal::NotFound).await;
    }
    if request.method() != Method::POST {
        // Somebody typed or reloaded the address of a form: its page is what they want.
        return Redirect::to(function.page).into_response();
    }
    let plain = accepts(&request, "text/html");
    let (mut parts, body) = request.into_parts();
    let again = parts.clone();
    let mut caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::system);
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let read = match function.files {
        Some(keep) if kind.starts_with("multipart/form-data") => with_files(&portal, &caller, keep, &kind, body).await,
        _ => axum::body::to_bytes(body, MAX_BODY)
            .await
            .map(|body| Sent { told_apart_by: None, body, refused: None })
            .map_err(|error| if too_slow(&error) { Unread::TooSlow } else { Unread::Refused(Refusal::TooLarge) }),
    };
    let Sent { body, told_apart_by, refused } = match read {
        Ok(sent) => sent,
        Err(Unread::TooSlow) => {
            return (
                StatusCode::REQUEST_TIMEOUT,
                "What you sent took too long to arrive, and nothing was saved. Go back and send it again.\n",
            )
                .into_response();
        }
        // Which page held it was not read either, so the sentence has one of its own.
        Err(Unread::Refused(refusal)) if plain && refusal == Refusal::TooLarge => return routes.error_for(again, refusal).await,
        Err(Unread::Refused(refusal)) => {
            return refuse(&routes, &portal, function.page, again, &Bytes::new(), function.endpoint, refusal, plain).await;
        }
    };
    if let Some(refusal) = refused {
        return refuse(&routes, &portal, function.page, again, &body, function.endpoint, refusal, plain).await;
    }
    // The functions take JSON, which costs the browser's side least. Only a form that says so is read as one.
    let form = told_apart_by.is_some() || kind.starts_with("application/x-www-form-urlencoded");
    let read = |body: &Bytes| if form { Bytes::from(arguments(body).to_string()) } else { body.clone() };
    let arguments = read(&body);
    caller.content = content(&told_apart_by.as_ref().map_or_else(|| arguments.clone(), read));
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::REFERER);
    let landing = Landing::default();
    let context = {
        let (portal, landing) = (portal.clone(), landing.clone());
        move || {
            provide_context(portal.clone());
            provide_context(caller.clone());
            provide_context(landing.clone());
        }
    };
    let answer =
        leptos_axum::handle_server_fns_with_context(context, Request::from_parts(parts, Body::from(arguments))).await.into_response();

    let (mut head, answer_body) = answer.into_parts();
    head.headers.remove(header::LOCATION);
    if head.headers.contains_key(leptos::server_fn::error::SERVER_FN_ERROR_HEADER) || !head.status.is_success() {
        let bytes = axum::body::to_bytes(answer_body, MAX_BODY).await.unwrap_or_default();
        let refusal = serde_json::from_slice(&bytes).unwrap_or(Refusal::Unavailable);
        return refuse(&routes, &portal, function.page, again, &body, function.endpoint, refusal, plain).await;
    }
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What was loaded ahead shows how things stood before.
    let stale = (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"prefetchCache\", \"prerenderCache\""));
    head.headers.insert(stale.0.clone(), stale.1.clone());
    if !plain {
        return Response::from_parts(head, answer_body);
    }
    let success = landing.0.lock().ok().and_then(|mut success| success.take());
    let (mut response, notice) = match success.unwrap_or_else(|| Success::Leads(function.page.to_owned(), None)) {
        Success::Leads(place, notice) => (Redirect::to(&place).into_response(), notice),
        Success::Shows(page) => (routes.show(at_page(again, function.page), page).await, None),
    };
    response.headers_mut().insert(stale.0, stale.1);
    for cookie in head.headers.get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    if let (Some(notice), true) = (notice, response.status().is_redirection())
        && let Ok(value) = HeaderValue::from_str(&notice_cookie(&portal, Some(notice)))
    {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Whether a body was given up because it did not arrive in time.
fn too_slow(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<tower_http::timeout::TimeoutError>())
}

/// What was sent.
struct Sent {
    /// The fields as a plain form sends them; of a file, what stands in its place.
    body: Bytes,
    /// The same with the files' fingerprints, where there may be files.
    told_apart_by: Option<Bytes>,
    /// Why a file was refused. The other fields are there.
    refused: Option<Refusal>,
}

/// Why nothing could be read.
enum Unread {
    TooSlow,
    Refused(Refusal),
}

/// Reads a form with files, which are kept as they come: none of them is ever whole in memory.
async fn with_files(portal: &Portal, caller: &Caller, keep: Keep, kind: &str, body: Body) -> Result<Sent, Unread> {
    let unread = |error: multer::Error| {
        if too_slow(&error) {
            return Unread::TooSlow;
        }
        match error {
            multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => Unread::Refused(Refusal::TooLarge),
            _ => Unread::Refused(Refusal::Invalid(FieldErrors::one("", "What was sent broke off on its way. Send it again."))),
        }
    };
    let boundary = multer::parse_boundary(kind).map_err(unread)?;
    let limits = multer::Constraints::new().size_limit(multer::SizeLimit::new().whole_stream(MAX_BODY_WITH_FILES));
    let mut multipart = multer::Multipart::with_constraints(body.into_data_stream(), boundary, limits);
    let (mut fields, mut fingerprints, mut refused) = (Vec::new(), Vec::new(), None);
    let mut length = 0;
    while let Some(mut field) = multipart.next_field().await.map_err(unread)? {
        let name = field.name().unwrap_or_default().to_owned();
        match field.file_name() {
            // A field for files in which none was chosen.
            Some("") => {}
            Some(_) if refused.is_none() && caller.actor.is_some() => match keep(portal, caller, &mut field).await {
                Ok(kept) => {
                    fields.push((name, kept.id));
                    fingerprints.push(kept.fingerprint);
                }
                Err(refusal) => refused = Some(refusal),
            },
            Some(_) => {}
            None => {
                let mut value = Vec::new();
                while let Some(chunk) = field.chunk().await.map_err(unread)? {
                    length += chunk.len();
                    if length > MAX_BODY {
                        return Err(Unread::Refused(Refusal::TooLarge));
                    }
                    value.extend_from_slice(&chunk);
                }
                let value = String::from_utf8_lossy(&value).into_owned();
                fingerprints.push(value.clone());
                fields.push((name, value));
            }
        }
        // The rest of what nobody wants.
        while field.chunk().await.map_err(unread)?.is_some() {}
    }
    let plain = |values: &mut dyn Iterator<Item = (&String, &String)>| {
        Bytes::from(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(values).finish())
    };
    let told_apart_by = plain(&mut fields.iter().map(|(name, _)| name).zip(&fingerprints));
    let body = plain(&mut fields.iter().map(|(name, value)| (name, value)));
    Ok(Sent { body, told_apart_by: Some(told_apart_by), refused })
}

/// A fingerprint of what is asked for, whatever the circumstances it was drawn in.
fn content(arguments: &[u8]) -> String {
    let mut value: serde_json::Value = serde_json::from_slice(arguments).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("drawn");
    }
    crate::secrets::fingerprint(value.to_string())
}

/// The head of a form's request as that of a request for a page.
fn at_page(mut parts: Parts, page: &str) -> Parts {
    parts.method = Method::GET;
    parts.uri = page.parse().unwrap_or_default();
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    parts
}

/// Answers a refusal: as a value for an island, as the page with the form for a person.
#[expect(clippy::too_many_arguments, reason = "the two halves of one request, taken apart")]
async fn refuse(
    routes: &Routes,
    portal: &Portal,
    default_page: &str,
    mut parts: Parts,
    body: &Bytes,
    function: &str,
    refusal: Refusal,
    plain: bool,
) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if plain {
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
        let named = fields.iter().find(|(name, _)| name == "drawn[page]").map(|(_, page)| page.as_str());
        let mut page = named.filter(|page| is_own_path(page)).unwrap_or(default_page).to_owned();
        if refusal == Refusal::Unauthenticated(Unauthenticated::SignInRequired) {
            page = visit::sign_in_address(&page);
        }
        let values = fields.into_iter().filter(|(name, _)| !name.contains("password") && !name.starts_with("drawn[")).collect();
        parts.extensions.insert(FormState { function: function.to_owned(), refusal: refusal.clone(), values });
        let parts = at_page(parts, &page);
        let again = parts.clone();
        let mut response = match routes.pages().oneshot(Request::from_parts(parts, Body::empty())).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if response.status() == StatusCode::OK {
            *response.status_mut() = status;
        } else if response.status() != status {
            // The page cannot be drawn, for a reason of its own: the refusal is what was asked about.
            response = routes.error_for(again, refusal.clone()).await;
        }
        response
    } else {
        let text = serde_json::to_string(&refusal).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], text).into_response();
        // The islands' client knows a refusal by this header.
        response.headers_mut().insert(leptos::server_fn::error::SERVER_FN_ERROR_HEADER, HeaderValue::from_static("1"));
        response
    };
    if let Refusal::TooManyRequests(seconds) = refusal {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal == Refusal::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(2));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let _ = portal;
    response
}

/// A form's fields as a function's arguments: `a=1&b[c]=2&b[d][]=3` is `{"a": "1", "b": {"c": "2", "d": ["3"]}}`. Every
/// value is text; the arguments' types read it. A field of one name twice keeps the first.
#[must_use]
pub fn arguments(body: &[u8]) -> serde_json::Value {
    use serde_json::{Map, Value};
    let mut all = Map::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        let value = Value::String(value.into_owned());
        let Some((argument, rest)) = name.split_once('[') else {
            all.entry(name.into_owned()).or_insert(value);
            continue;
        };
        let Value::Object(fields) = all.entry(argument.to_owned()).or_insert_with(|| Value::Object(Map::new())) else { continue };
        match rest.strip_suffix("][]") {
            Some(field) => {
                if let Value::Array(items) = fields.entry(field.to_owned()).or_insert_with(|| Value::Array(Vec::new())) {
                    items.push(value);
                }
            }
            None => {
                fields.entry(rest.trim_end_matches(']').to_owned()).or_insert(value);
            }
        }
    }
    Value::Object(all)
}

fn accepts(request: &Request, kind: &str) -> bool {
    request.headers().get_all(header::ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::arguments;

    #[test]
    fn fields_become_arguments() {
        assert_eq!(
            arguments(b"theme=dark&form[email]=a%40b&form[email]=c&form[ids][]=1&form[ids][]=2&drawn[page]=%2F&form=x"),
            json!({ "theme": "dark", "form": { "email": "a@b", "ids": ["1", "2"] }, "drawn": { "page": "/" } })
        );
        assert_eq!(arguments(b"a[=1&[b]=2&]=3&=4"), json!({ "a": { "": "1" }, "": { "b": "2" }, "]": "3" }));
    }
}
