//! The client of ServiceNow's Table API.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::model::{Position, Row, Source};
use crate::{
    clock::Clock,
    config::Config,
    outgoing::{self, Patience},
    secrets::Random,
    words::{SECOND, Timestamp},
};

/// How many records are asked for at once.
pub const PAGE: usize = 500;
/// How much of an answer is read.
const MOST: usize = 16 * 1024 * 1024;
/// The longest pause that an answer can ask for within one request; for longer ones the whole is tried another time.
const LONGEST: i64 = 60 * SECOND;
/// A token is renewed so long before its end.
const EARLY: i64 = 60 * SECOND;

/// Why the instance gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is away, busy or broken: another time it may do.
    #[error("{0}")]
    Away(String),
    /// It answered that it will not.
    #[error("{0}")]
    Refused(String),
}

/// Records of a page, and whether the query has more.
#[derive(Debug)]
pub struct Page {
    /// The records, in the order of their positions.
    pub rows: Vec<Row>,
    /// Whether there are more behind them. An instance leaves records that its user may not see out of a page without
    /// filling it up, so that a short page says nothing by itself.
    pub more: bool,
}

enum Credentials {
    Basic { header: String },
    Client { id: String, secret: String, token: Mutex<Option<(String, Timestamp)>> },
}

/// A client of one instance.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    credentials: Credentials,
    patience: Patience,
    clock: Clock,
    random: Random,
}

impl Client {
    /// A client of the configured instance; nothing where none is.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn open(config: &Config, patience: Patience, clock: Clock, random: Random) -> Result<Option<Self>, String> {
        let Some(base) = config.servicenow_url.clone() else { return Ok(None) };
        let credentials = if config.servicenow_client_id.is_empty() {
            let password = config.servicenow_password_file.as_ref().unwrap_or(&config.servicenow_password);
            Credentials::Basic { header: format!("Basic {}", STANDARD.encode(format!("{}:{password}", config.servicenow_user))) }
        } else {
            let (id, secret) = (config.servicenow_client_id.clone(), config.servicenow_client_secret.clone());
            Credentials::Client { id, secret, token: Mutex::new(None) }
        };
        Ok(Some(Self { http: outgoing::client(patience)?, base, credentials, patience, clock, random }))
    }

    /// The records of a table behind a position, or those of one second behind an identifier: `query` says which. The
    /// first `offset` of them are left out.
    ///
    /// # Errors
    /// Where there is no answer, or one that cannot be believed.
    pub async fn page(&self, source: &Source, query: &str, offset: usize, limit: usize) -> Result<Page, Error> {
        let query = if source.condition.is_empty() { query.to_owned() } else { format!("{}^{query}", source.condition) };
        let parameters = [
            ("sysparm_query", query),
            ("sysparm_fields", source.fields.join(",")),
            ("sysparm_limit", limit.to_string()),
            ("sysparm_offset", offset.to_string()),
            ("sysparm_exclude_reference_link", "true".to_owned()),
            ("sysparm_display_value", if source.words { "all" } else { "false" }.to_owned()),
        ];
        let (value, more) = self.ask(Method::GET, &source.table, &parameters, None).await?;
        let Value::Array(records) = value else { return Err(Error::Away("the answer holds no list of records".to_owned())) };
        let more = more.unwrap_or(records.len() >= limit);
        let rows: Option<Vec<Row>> = records.into_iter().map(row).collect();
        let rows = rows.ok_or_else(|| Error::Away("the answer holds something that is no record".to_owned()))?;
        Ok(Page { rows, more })
    }

    /// The records of a table behind a position, in their order: those of its own second first, and, where there is none
    /// left, the later ones. Two queries in place of one with OR: that would need a precedence that lists do not have, and
    /// as it is every condition is one that an index serves.
    ///
    /// # Errors
    /// Where there is no answer, or the instance does not keep to the order, by which records would be missed.
    pub async fn after(&self, source: &Source, position: &Position) -> Result<Vec<Row>, Error> {
        let (by, mut queries) = (source.order, Vec::new());
        if !position.sys_id.is_empty() {
            queries.push(format!("{by}={}^sys_id>{}^ORDERBYsys_id", position.updated_on, position.sys_id));
        }
        queries.push(match (position.updated_on.as_str(), position.sys_id.as_str()) {
            ("", _) => format!("ORDERBY{by}^ORDERBYsys_id"),
            (at, "") => format!("{by}>={at}^ORDERBY{by}^ORDERBYsys_id"),
            (at, _) => format!("{by}>{at}^ORDERBY{by}^ORDERBYsys_id"),
        });
        for query in queries {
            let mut offset = 0;
            loop {
                let page = self.page(source, &query, offset, PAGE).await?;
                if !page.rows.is_empty() {
                    in_order(source, position, &page.rows)?;
                    return Ok(page.rows);
                }
                if !page.more {
                    break;
                }
                // A page of nothing but what this user may not see.
                offset += PAGE;
            }
        }
        Ok(Vec::new())
    }

    /// Those records of a table that have one of these identifiers, at most [`PAGE`].
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn named(&self, source: &Source, sys_ids: &[String]) -> Result<Vec<Row>, Error> {
        Ok(self.page(source, &format!("sys_idIN{}^ORDERBYsys_id", sys_ids.join(",")), 0, PAGE).await?.rows)
    }

    /// All records of a table that a query finds, at most so many.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn all(&self, source: &Source, query: &str, most: usize) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        let mut offset = 0;
        while offset < most {
            let page = self.page(source, query, offset, PAGE).await?;
            rows.extend(page.rows);
            if !page.more {
                break;
            }
            offset += PAGE;
        }
        Ok(rows)
    }

    /// Makes a record; gives it.
    ///
    /// # Errors
    /// Where there is no answer: it may be made all the same.
    pub async fn create(&self, table: &str, fields: &Value) -> Result<Row, Error> {
        let (value, _) = self.ask(Method::POST, table, &[("sysparm_exclude_reference_link", "true".to_owned())], Some(fields)).await?;
        row(value).ok_or_else(|| Error::Away("the answer holds no record".to_owned()))
    }

    /// Changes a record.
    ///
    /// # Errors
    /// Where there is no answer: it may be changed all the same.
    pub async fn change(&self, table: &str, sys_id: &str, fields: &Value) -> Result<(), Error> {
        let fields_of_answer = [("sysparm_fields", "sys_id".to_owned())];
        self.ask(Method::PATCH, &format!("{table}/{sys_id}"), &fields_of_answer, Some(fields)).await.map(|_| ())
    }

    /// Sends a request until there is an answer or no more use in it; gives the `result`, and whether there is more.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<(Value, Option<bool>), Error> {
        let mut url = self.base.clone();
        url.set_path(&format!("/api/now/table/{path}"));
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let mut tried = 0;
        loop {
            tried += 1;
            let (error, wait) = match self.once(method.clone(), url.clone(), body).await {
                Ok(answer) => return Ok(answer),
                Err(Once::Never(error)) => return Err(error),
                Err(Once::Again(error, wait)) => (error, wait),
            };
            // Whether a write was done is looked up before it is tried again, by who wants it.
            if tried >= self.patience.tries || method != Method::GET || wait.is_some_and(|wait| wait > LONGEST) {
                return Err(Error::Away(error));
            }
            let doubled = self.patience.pause * 2_u32.saturating_pow(tried - 1);
            // Between half and all of it, so that replicas do not knock together.
            let jitter = doubled / 2 * u32::from(self.random.opaque_id().as_bytes()[0]) / 255;
            let wait = wait.map_or(Duration::ZERO, |micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
            tracing::debug!(%error, tried, "ServiceNow is asked again");
            tokio::time::sleep(wait.max(doubled / 2 + jitter)).await;
        }
    }

    async fn once(&self, method: Method, url: Url, body: Option<&Value>) -> Result<(Value, Option<bool>), Once> {
        let authorization = self.authorization().await?;
        let mut request =
            self.http.request(method, url).header(header::ACCEPT, "application/json").header(header::AUTHORIZATION, authorization);
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|e| Once::Again(outgoing::reason(&e), None))?;
        let status = response.status();
        let wait = outgoing::retry_after(&response);
        let more = more(response.headers());
        if status == StatusCode::UNAUTHORIZED
            && let Credentials::Client { token, .. } = &self.credentials
            && token.lock().await.take().is_some()
        {
            return Err(Once::Again("ServiceNow takes the token no more".to_owned(), None));
        }
        let bytes = outgoing::body(response, MOST).await;
        if status.is_success() {
            let bytes = bytes.map_err(|why| Once::Again(why, None))?;
            let mut value: Value =
                serde_json::from_slice(&bytes).map_err(|_| Once::Again("the answer is not whole JSON".to_owned(), None))?;
            // What was cut off by the instance's own time limit comes with 200, a part of the records, and an error.
            if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
                return Err(Once::Again(format!("the instance gave up: {}", said(error)), None));
            }
            return match value.get_mut("result").map(Value::take) {
                Some(result) => Ok((result, more)),
                None => Err(Once::Again("the answer has no result".to_owned(), None)),
            };
        }
        // ServiceNow's answer to a list without records is 200 with none, of older versions 404 with this message.
        let value: Value = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let why = said(value.get("error").unwrap_or(&Value::Null));
        if status == StatusCode::NOT_FOUND && why.starts_with("No Record found") {
            return Ok((Value::Array(Vec::new()), Some(false)));
        }
        let why = format!("ServiceNow answers {}{}", status.as_u16(), if why.is_empty() { why } else { format!(": {why}") });
        if status.is_server_error() || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status) {
            Err(Once::Again(why, wait))
        } else {
            Err(Once::Never(Error::Refused(why)))
        }
    }

    async fn authorization(&self) -> Result<String, Once> {
        let (id, secret, token) = match &self.credentials {
            Credentials::Basic { header } => return Ok(header.clone()),
            Credentials::Client { id, secret, token } => (id, secret, token),
        };
        let mut token = token.lock().await;
        let now = self.clock.now();
        if let Some((token, _)) = token.as_ref().filter(|(_, until)| *until > now) {
            return Ok(format!("Bearer {token}"));
        }
        let mut url = self.base.clone();
        url.set_path("/oauth_token.do");
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)])
            .finish();
        let request = self
            .http
            .post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        let response = request.body(form).send().await.map_err(|e| Once::Again(outgoing::reason(&e), None))?;
        let (status, wait) = (response.status(), outgoing::retry_after(&response));
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return Err(Once::Never(Error::Refused(format!("ServiceNow gives no token: {}", status.as_u16()))));
        }
        let again = || Once::Again(format!("ServiceNow gives no token: {}", status.as_u16()), wait);
        if !status.is_success() {
            return Err(again());
        }
        let value: Value =
            outgoing::body(response, 64 * 1024).await.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(again)?;
        let given = value.get("access_token").and_then(Value::as_str).ok_or_else(again)?;
        let seconds = value.get("expires_in").and_then(Value::as_i64).unwrap_or(600).clamp(0, 86_400);
        *token = Some((given.to_owned(), now.plus(seconds * SECOND - EARLY)));
        Ok(format!("Bearer {given}"))
    }
}

/// How one try ends that gives nothing.
enum Once {
    Again(String, Option<i64>),
    Never(Error),
}

/// Whether the answer's `Link` names a next page (RFC 8288); nothing where there is no such header.
fn more(headers: &header::HeaderMap) -> Option<bool> {
    let mut links = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok()).peekable();
    links.peek()?;
    Some(links.any(|link| link.contains("rel=\"next\"")))
}

/// A record: every field a text. A field that is a reference comes as an object where links were not left out.
fn row(value: Value) -> Option<Row> {
    let Value::Object(fields) = value else { return None };
    let text = |value: Value| match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Object(mut object) => object.remove("value").and_then(|value| value.as_str().map(str::to_owned)),
        Value::Array(_) => None,
    };
    let mut read = Row::new();
    for (name, value) in fields {
        // The words of a choice stand beside its value.
        if let Some(words) = value.get("display_value").and_then(Value::as_str) {
            read.insert(format!("{name} in words"), words.to_owned());
        }
        read.insert(name, text(value)?);
    }
    Some(read)
}

/// What an error of the instance's says, cut to what fits a line.
fn said(error: &Value) -> String {
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let said = match (text("message"), text("detail")) {
        (message, "") => message.to_owned(),
        (message, detail) => format!("{message} ({detail})"),
    };
    said.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Whether every record stands behind the one before it: an instance ignores a query that it cannot read.
fn in_order(source: &Source, position: &Position, rows: &[Row]) -> Result<(), Error> {
    let mut before = position.clone();
    for row in rows {
        let here = Position::of(source, row).ok_or_else(|| {
            Error::Refused(format!("{}: a record has no sys_id or no time: may the user read these fields?", source.table))
        })?;
        if here <= before {
            return Err(Error::Refused(format!("{}: the instance does not keep to the order that was asked for", source.table)));
        }
        before = here;
    }
    Ok(())
}
