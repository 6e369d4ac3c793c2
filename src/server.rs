//! The server: its layers in their order, listening, and the graceful stop.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{compression::CompressionLayer, csrf::CsrfLayer, timeout::DeadlineBody};
use tracing::Instrument as _;

use crate::{
    actor::{ActorKind, Caller, Origin},
    api,
    config::{Config, Required},
    connections::Capped,
    db::Failure,
    desk::mirror::Messenger,
    factors,
    form::{Conflict, Drawn, Refusal},
    guard, live,
    mail::Transport,
    outbox,
    outgoing::Patience,
    pmm,
    portal::Portal,
    routes::Routes,
    scim,
    sessions::actions as sessions,
    tls::Tls,
    webhook::Webhook,
};

/// How long a request may take from its first byte to its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the body of a request may take after its head.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// The same where it may hold files.
const FILES_TIMEOUT: Duration = Duration::from_secs(180);
/// How long running requests have once the server is told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The portal that it serves.
    pub portal: Portal,
    stop: CancellationToken,
    handle: axum_server::Handle<SocketAddr>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Stops: takes no more requests, ends live streams, lets running requests and units of work end, lets the database go.
    ///
    /// # Errors
    /// The listener's.
    pub async fn stop(self) -> std::io::Result<()> {
        self.stop.cancel();
        self.handle.graceful_shutdown(Some(GRACE));
        let ended = self.server.await;
        if let Err(error) = pmm::contact::flush(&self.portal).await {
            tracing::debug!(?error, "the last contacts of PMM servers could not be written");
        }
        self.portal.tasks.close();
        let _ = tokio::time::timeout(GRACE, self.portal.tasks.wait()).await;
        self.portal.db.close().await;
        ended.unwrap_or_else(|e| Err(std::io::Error::other(e)))
    }

    /// Whether it still serves.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        !self.server.is_finished()
    }
}

/// Starts to serve a portal, with its workers.
///
/// # Errors
/// Where the address cannot be listened on, or the certificate or its key cannot be used.
pub async fn start(portal: Portal, transport: Transport) -> Result<Running, String> {
    // Leptos renders with whatever executor there is; without its own router nobody else says which.
    let _ = any_spawner::Executor::init_tokio();
    let tls = Tls::open(&portal.config).await?;
    let listener = TcpListener::bind(portal.config.listen).await.map_err(|e| format!("{}: {e}", portal.config.listen))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let stop = CancellationToken::new();
    portal.tasks.spawn(crate::mail::run(portal.clone(), transport, stop.clone()));
    portal.tasks.spawn(crate::maintenance::run(portal.clone(), stop.clone()));
    if let Some(webhook) = Webhook::open(&portal.config)? {
        portal.tasks.spawn(outbox::run(portal.clone(), webhook, stop.clone()));
    }
    if let Some(courier) = Messenger::open(&portal, Patience { tries: 1, ..Patience::default() })? {
        portal.tasks.spawn(outbox::run(portal.clone(), courier, stop.clone()));
    }
    portal.tasks.spawn(crate::desk::sync::run(portal.clone(), stop.clone()));
    portal.tasks.spawn(pmm::contact::run(portal.clone(), stop.clone()));
    portal.tasks.spawn(live::hub::run(portal.clone(), stop.clone()));
    let app = app(&portal)?;
    let handle = axum_server::Handle::new();
    let listener = listener.into_std().map_err(|e| e.to_string())?;
    let mut server = axum_server::from_tcp(listener)
        .map_err(|e| e.to_string())?
        .handle(handle.clone())
        .first_request_timeout(HEADER_TIMEOUT)
        .acceptor(Capped::default());
    server.http_builder().http1().header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 * 1024).keep_alive(true);
    server
        .http_builder()
        .http2()
        .max_concurrent_streams(100)
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .max_header_list_size(64 * 1024);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = match tls {
        Some(tls) => {
            let acceptor = tls.acceptor();
            portal.tasks.spawn(tls.watch(stop.clone()));
            let server = server.map(|capped| acceptor.acceptor(capped));
            tokio::spawn(async move { server.serve(service).await })
        }
        None => tokio::spawn(async move { server.serve(service).await }),
    };
    Ok(Running { address, portal, stop, handle, server })
}

/// The layers around the routes; the first named is the outermost.
fn app(portal: &Portal) -> Result<Router, String> {
    let routes = Routes::new(portal.clone());
    let origin = portal.config.public_url.origin().ascii_serialization();
    let csrf = CsrfLayer::new().add_trusted_origin(&origin).map_err(|e| format!("{origin}: {e:?}"))?;
    let layers = tower::ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(portal.clone(), headers))
        .layer(middleware::from_fn_with_state(routes.clone(), observe))
        .layer(CompressionLayer::new().quality(tower_http::CompressionLevel::Fastest))
        .layer(middleware::from_fn_with_state(portal.clone(), divert))
        .layer(csrf)
        .layer(middleware::from_fn_with_state(routes.clone(), session));
    Ok(routes.router().layer(layers))
}

/// Calls of `/v1`, and those of the identity system, go their own way: cookies mean nothing there, and where a request comes
/// from tells nothing.
async fn divert(State(portal): State<Portal>, mut request: Request, next: Next) -> Response {
    let (is_api, is_scim) = (api::is_api(request.uri().path()), scim::serves(&portal, request.uri().path()));
    if !is_api && !is_scim {
        return next.run(request).await;
    }
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = Body::new(DeadlineBody::new(BODY_TIMEOUT, body));
    if is_api { api::handle(&portal, request).await } else { scim::handle(&portal, request).await }
}

/// Gives every request an id and a line in the log, counts it, keeps it from running forever, and turns a panic into
/// the page for faults.
async fn observe(State(routes): State<Routes>, mut request: Request, next: Next) -> Response {
    let portal = routes.portal.clone();
    let began = tokio::time::Instant::now();
    let id = portal.random.tag();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let origin = Origin { address: client_address(&portal.config, &request), user_agent: user_agent(&request), request_id: id.clone() };
    let span = tracing::info_span!("request", id = %id, method = %method, path = %path);
    request.extensions_mut().insert(Caller {
        actor: None,
        kind: ActorKind::Browser,
        origin,
        drawn: Drawn::default(),
        content: String::new(),
    });
    let (parts, body) = request.into_parts();
    let again = parts.clone();
    let timeout = if crate::routes::takes_files(&path) { REQUEST_TIMEOUT + FILES_TIMEOUT } else { REQUEST_TIMEOUT };
    let run = std::panic::AssertUnwindSafe(tokio::time::timeout(timeout, next.run(Request::from_parts(parts, body))))
        .catch_unwind()
        .instrument(span.clone());
    let mut response = match run.await {
        // The check for other sites answers with a bare status: people get a page.
        Ok(Ok(response)) if response.extensions().get::<tower_http::csrf::ProtectionError>().is_some() => {
            routes.error_for(again, Refusal::CrossSite).instrument(span.clone()).await
        }
        Ok(Ok(response)) => response,
        Ok(Err(_)) if api::is_api(&path) => api::Problem::timed_out().response(),
        Ok(Err(_)) if scim::serves(&portal, &path) => {
            scim::door::refused(&scim::Problem::new(504, "The portal took too long to answer. It may or may not have been done."), &[])
        }
        Ok(Err(_)) => (StatusCode::REQUEST_TIMEOUT, "The request took too long.\n").into_response(),
        Err(panic) => {
            let what = panic
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            let refusal = portal.refuse(crate::db::Failure::Fault(format!("panic: {what}")));
            if api::is_api(&path) {
                api::Problem::from(refusal).response()
            } else if scim::serves(&portal, &path) {
                scim::door::refused(&refusal.into(), &[])
            } else {
                routes.error_for(again, refusal).instrument(span.clone()).await
            }
        }
    };
    let status = response.status();
    let elapsed = began.elapsed();
    metrics::counter!("org_portal_requests_total", "method" => method_label(&method), "status" => status.as_u16().to_string()).increment(1);
    metrics::histogram!("org_portal_request_seconds").record(elapsed.as_secs_f64());
    span.in_scope(|| tracing::info!(status = status.as_u16(), ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}

/// The method as a label: a client may write anything there, and a label must not grow without end.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

/// The headers that every answer has.
async fn headers(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if portal.config.secure() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        );
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Finds out who asks. Files and the addresses for machines ask nobody.
async fn session(State(routes): State<Routes>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if ["/assets/", "/pkg/"].iter().any(|prefix| path.starts_with(prefix))
        || crate::routes::OTHERS.contains(&path)
        || crate::routes::is_endpoint(path)
    {
        return next.run(request).await;
    }
    // Cookies without TLS are for this machine alone. Mails kept here answer for themselves.
    if !routes.portal.config.secure() && crate::visit::forwarded(request.headers()) && !path.starts_with("/dev/") {
        let text = "This portal is set up for its own machine alone. Behind a proxy, ORG_PORTAL_PUBLIC_URL has to be its https address.\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    // Streams and pages that ask for themselves again are nobody's use of a session.
    let by_itself = path == live::PATH || request.headers().contains_key(live::BY_ITSELF);
    // A page is drawn from its head alone: a body with GET is not read.
    let body = std::mem::take(request.body_mut());
    let known = if by_itself {
        sessions::recognize(&routes.portal, request.headers()).await
    } else {
        sessions::authenticate(&routes.portal, request.headers()).await
    };
    if request.method() != Method::GET && request.method() != Method::HEAD {
        // Strangers bring no files.
        let files = matches!(known, Ok(Some(_))) && crate::routes::takes_files(request.uri().path());
        *request.body_mut() = Body::new(DeadlineBody::new(if files { FILES_TIMEOUT } else { BODY_TIMEOUT }, body));
    }
    let looked = async {
        let Some(actor) = known? else { return Ok((None, false)) };
        let required = routes.portal.config.second_factor;
        // The database is asked for nothing where nothing is required.
        let owes = required != Required::Nobody && guard::owes_factor(&mut routes.portal.read().await?, required, &actor).await?;
        Ok::<_, Failure>((Some(actor), owes))
    };
    match looked.await {
        Ok((actor, owes)) => {
            if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
                caller.actor = actor;
            }
            if owes && !crate::routes::is_open_without_factor(request.uri().path()) {
                return set_up_first(&routes, request, by_itself).await;
            }
            next.run(request).await
        }
        Err(failure) => {
            let refusal = routes.portal.refuse(failure);
            unavailable(&routes, request, refusal).await
        }
    }
}

async fn unavailable(routes: &Routes, request: Request, refusal: Refusal) -> Response {
    if !wants_value(&request) {
        return routes.error(request, refusal).await;
    }
    let mut response = value(&refusal);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

/// Whether an island calls, which takes a refusal as a value.
fn wants_value(request: &Request) -> bool {
    request.uri().path().starts_with("/do/")
        && request.headers().get(header::ACCEPT).is_some_and(|accept| !accept.to_str().unwrap_or_default().contains("text/html"))
}

/// A refusal as an island takes it.
fn value(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let text = serde_json::to_string(refusal).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], text).into_response();
    response.headers_mut().insert(leptos::server_fn::error::SERVER_FN_ERROR_HEADER, HeaderValue::from_static("1"));
    response
}

/// The answer to whoever has to set up a second factor first: a person is led there, and back afterwards.
async fn set_up_first(routes: &Routes, request: Request, by_itself: bool) -> Response {
    let refusal = Refusal::Conflict(Conflict::NoSecondFactor);
    if wants_value(&request) {
        return value(&refusal);
    }
    if by_itself || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return routes.error(request, refusal).await;
    }
    let wanted = request.uri().path_and_query().map(ToString::to_string).filter(|wanted| wanted != "/").unwrap_or_default();
    axum::response::Redirect::to(&factors::set_up_address(&wanted)).into_response()
}

/// The client's address: the connection's, or, where that is a configured proxy's, the last one in `X-Forwarded-For`
/// that is not.
fn client_address(config: &Config, request: &Request) -> String {
    let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else { return String::new() };
    let mut address = peer.ip().to_canonical();
    if config.trusts(address) {
        let named =
            request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
        for part in named.rsplit(',') {
            let Ok(ip) = part.trim().parse::<IpAddr>() else { break };
            address = ip.to_canonical();
            if !config.trusts(address) {
                break;
            }
        }
    }
    address.to_string()
}

fn user_agent(request: &Request) -> String {
    request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(400)
        .collect()
}
