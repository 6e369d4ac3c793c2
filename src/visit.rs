//! A visit: who came, to which page, with what; and the page that is the answer.

use std::{future::Future, pin::Pin};

use axum::http::{HeaderMap, StatusCode, request::Parts};
use leptos::prelude::AnyView;

use crate::{
    actor::{Actor, Caller},
    db::Failure,
    form::{FormState, Notice, Refusal, Unauthenticated, door},
    guard::{Membership, Seat},
    live::{self, changes},
    portal::Portal,
};

/// How the page is to look, as chosen; nothing chosen follows the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// As the device says.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// Its name in the form and in the cookie.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

/// A visit to a page.
pub struct Visit {
    /// The portal.
    pub portal: Portal,
    /// Who.
    pub caller: Caller,
    /// The visitor's membership, where there is one and its organization is open.
    pub membership: Option<Membership>,
    /// The membership in an organization that is suspended, and the reason.
    pub suspended: Option<(Membership, String)>,
    /// Up to where the log of changes had come before anything was read for the page.
    pub mark: Option<uuid::Uuid>,
    /// The chosen theme.
    pub theme: Theme,
    /// What is to be said once, and of how many.
    pub notice: Option<(Notice, usize)>,
    /// A form of this page that was refused.
    pub state: Option<FormState>,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The page's path.
    pub path: String,
    /// Its query, without the question mark.
    pub query: String,
}

impl Visit {
    /// Takes a visit from a request that the session layer has seen.
    ///
    /// # Errors
    /// Where the membership cannot be read.
    pub async fn from_parts(portal: Portal, parts: &Parts) -> Result<Self, Failure> {
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::system);
        let (mut membership, mut suspended, mut mark) = (None, None, None);
        if let Some(actor) = &caller.actor {
            let mut db = portal.read().await?;
            mark = Some(changes::head(&mut db).await?.mark);
            match crate::guard::seat(&mut db, actor.account).await? {
                Some(Seat { membership, suspended: Some(reason), .. }) => suspended = Some((membership, reason)),
                seat => membership = seat.map(|seat| seat.membership),
            }
        }
        Ok(Self { mark, suspended, ..Self::plain(portal, parts, caller, membership) })
    }

    /// A visit of which nothing is asked from the database, as the page that says that it is away needs it.
    #[must_use]
    pub fn plain(portal: Portal, parts: &Parts, caller: Caller, membership: Option<Membership>) -> Self {
        let kept = |name: &str| cookie(&parts.headers, &door::cookie_name(&portal, name));
        Self {
            theme: kept("theme").map_or(Theme::System, Theme::parse),
            // What is said once is said on a page that is looked at: not on one that is loaded ahead, nor to one that asks for
            // itself again.
            notice: kept("notice")
                .and_then(|said| said.split_once('.'))
                .and_then(|(code, n)| Some((Notice::parse(code)?, n.parse().ok()?)))
                .filter(|_| !ahead(&parts.headers) && !parts.headers.contains_key(live::BY_ITSELF)),
            portal,
            caller,
            membership,
            suspended: None,
            mark: None,
            state: parts.extensions.get::<FormState>().cloned(),
            headers: parts.headers.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        }
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// 401 where nobody is.
    pub fn actor(&self) -> Result<&Actor, Failure> {
        Ok(self.caller.actor()?)
    }

    /// The visitor's membership.
    ///
    /// # Errors
    /// 404 where there is none.
    pub fn member(&self) -> Result<&Membership, Failure> {
        self.membership.as_ref().ok_or(Failure::Refusal(Refusal::NotFound))
    }

    /// A parameter of the query, decoded; the first of its name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The address of this page, to come back to.
    #[must_use]
    pub fn here(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The state of a form of this page, where it is the one that was refused.
    #[must_use]
    pub fn state_of(&self, function: &str) -> Option<FormState> {
        self.state.clone().filter(|state| state.function == function)
    }

    /// What the forms of this page carry.
    #[must_use]
    pub fn drawn(&self) -> crate::form::Drawn {
        crate::form::Drawn {
            page: self.here(),
            key: self.portal.random.tag(),
            organization: self.membership.as_ref().map(|m| m.organization),
        }
    }
}

/// The value of a cookie.
#[must_use]
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(axum::http::header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Whether a browser loads the page ahead, and perhaps nobody will look at it.
#[must_use]
pub fn ahead(headers: &HeaderMap) -> bool {
    headers.get("sec-purpose").and_then(|value| value.to_str().ok()).is_some_and(|purpose| purpose.starts_with("prefetch"))
}

/// Whether a proxy gives itself away.
#[must_use]
pub fn forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// In which frame a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bar, navigation and content.
    Portal,
    /// The same with a narrow column: one form, one list of steps.
    Narrow,
    /// One card.
    Card,
}

/// A page still to be drawn: its title and what stands in its frame. The view is made inside Leptos' owner.
pub struct Page {
    /// The page's own part of the title.
    pub title: String,
    /// The frame.
    pub frame: Frame,
    /// The status.
    pub status: StatusCode,
    /// Whether it holds islands, and so loads the browser's side.
    pub islands: bool,
    /// A script of its own, one of the browser's files.
    pub script: Option<&'static str>,
    /// The origin outside of the portal to which its forms may lead in the end.
    pub leads_out_to: Option<String>,
    /// The content.
    pub view: Box<dyn FnOnce() -> AnyView + Send>,
}

impl Page {
    /// A page in the portal's frame.
    pub fn new(title: impl Into<String>, view: impl FnOnce() -> AnyView + Send + 'static) -> Self {
        Self {
            title: title.into(),
            frame: Frame::Portal,
            status: StatusCode::OK,
            islands: false,
            script: None,
            leads_out_to: None,
            view: Box::new(view),
        }
    }

    /// A page with a narrow column.
    pub fn narrow(title: impl Into<String>, view: impl FnOnce() -> AnyView + Send + 'static) -> Self {
        Self { frame: Frame::Narrow, ..Self::new(title, view) }
    }

    /// A card.
    pub fn card(title: impl Into<String>, view: impl FnOnce() -> AnyView + Send + 'static) -> Self {
        Self { frame: Frame::Card, ..Self::new(title, view) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with forms that may lead to another origin in the end: browsers ask the policy at each redirect.
    #[must_use]
    pub fn with_forms_that_lead_out_to(self, leads_out_to: Option<String>) -> Self {
        Self { leads_out_to, ..self }
    }

    /// The same with a script of its own, where there is one.
    #[must_use]
    pub fn with_script(self, script: Option<&'static str>) -> Self {
        Self { script, ..self }
    }

    /// The same with islands.
    #[must_use]
    pub fn with_islands(self) -> Self {
        Self { islands: true, ..self }
    }
}

/// What a visit leads to.
pub enum Answer {
    /// A page.
    Page(Page),
    /// Another address of the portal's own, by 303.
    SeeOther(String),
    /// A file, as it is.
    Raw(axum::response::Response),
}

impl From<Page> for Answer {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

/// A request to an address that is no page: what a program calls.
pub struct Call {
    /// Its head.
    pub parts: Parts,
    /// Its body, whole.
    pub body: axum::body::Bytes,
}

/// The handler of such an address. Failures are its answers, too.
pub type Called = for<'a> fn(&'a Portal, &'a Call) -> Pin<Box<dyn Future<Output = axum::response::Response> + Send + 'a>>;

/// A page's handler.
pub type Handler = for<'a> fn(&'a Visit) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;

/// The address of the sign-in page that leads back to where one wanted to go.
#[must_use]
pub fn sign_in_address(to: &str) -> String {
    let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    format!("/sign-in?to={to}")
}

/// The refusal for who is not signed in.
#[must_use]
pub const fn sign_in_required() -> Refusal {
    Refusal::Unauthenticated(Unauthenticated::SignInRequired)
}
