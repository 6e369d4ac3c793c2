//! A ServiceNow instance as far as the portal asks one: the Table API on a real socket, with tables, references, encoded
//! queries, journal fields, and faults on demand. Written from the documentation of the Table API and of encoded queries;
//! `tests/rooms/desk.rs` checks it with `pysnc`, ServiceNow's own client.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{any, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

/// Who may ask, and with what.
pub const USER: &str = "portal.integration";
/// With this password.
pub const PASSWORD: &str = "right horse & battery";

/// What goes wrong with the next request, or with what it asks for.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An answer with this status, and with these seconds in Retry-After.
    Status(u16, Option<u32>),
    /// No answer ever.
    Hangs,
    /// The connection is closed without an answer.
    Closes,
    /// 200, and half of the JSON.
    Half,
    /// 200, and no JSON at all.
    Garbage,
    /// 200 with a part of the records, and the error of the instance's own time limit.
    CutOff,
    /// 302 to another host.
    Redirects(String),
    /// The request is done, and its answer is lost.
    DoneAndLost,
    /// An answer without end.
    Endless,
}

type Record = BTreeMap<String, String>;
/// What is done between two requests.
type Work = Box<dyn FnOnce(&ServiceNow) + Send>;

#[derive(Default)]
struct Inner {
    tables: BTreeMap<String, BTreeMap<String, Record>>,
    /// Which field of which table refers to which table.
    references: HashMap<(String, String), String>,
    /// The instance's clock: seconds since the epoch.
    now: i64,
    next: u64,
    faults: VecDeque<Fault>,
    requests: Vec<String>,
    /// Records that the user may not see: the instance leaves them out of pages that it does not fill up.
    hidden: Vec<String>,
    /// Done once before the n-th next list is answered.
    between: VecDeque<(usize, Work)>,
    tokens: Vec<String>,
    away: bool,
    unordered: bool,
    without_link: bool,
}

/// The instance.
#[derive(Clone)]
pub struct ServiceNow {
    inner: Arc<Mutex<Inner>>,
    address: SocketAddr,
}

impl ServiceNow {
    /// Starts one; it ends with the test's runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut inner = Inner { now: 1_795_500_000, ..Inner::default() };
        for (table, field, to) in [
            ("customer_account", "primary_contact", "customer_contact"),
            ("customer_contact", "account", "customer_account"),
            ("service_entitlement", "account", "customer_account"),
            ("service_entitlement", "product", "cmdb_model"),
            ("sn_customerservice_case", "account", "customer_account"),
            ("sn_customerservice_case", "contact", "customer_contact"),
        ] {
            inner.references.insert((table.to_owned(), field.to_owned()), to.to_owned());
        }
        let desk = Self { inner: Arc::new(Mutex::new(inner)), address };
        let app = Router::new()
            .route("/oauth_token.do", post(token))
            .route("/api/now/table/{table}", any(list))
            .route("/api/now/table/{table}/{sys_id}", any(one))
            .with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        desk
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().expect("not poisoned"))
    }

    /// Lets its clock go on by so many seconds.
    pub fn advance(&self, seconds: i64) {
        self.with(|inner| inner.now += seconds);
    }

    /// Puts a record in; gives its `sys_id`.
    pub fn insert(&self, table: &str, fields: &[(&str, &str)]) -> String {
        let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.with(|inner| inner.insert(table, fields, "agent"))
    }

    /// Changes a record.
    pub fn update(&self, table: &str, sys_id: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.with(|inner| inner.update(table, sys_id, fields, "agent"));
    }

    /// Deletes a record.
    pub fn delete(&self, table: &str, sys_id: &str) {
        self.with(|inner| inner.tables.get_mut(table).and_then(|table| table.remove(sys_id)));
    }

    /// The records of a table.
    pub fn records(&self, table: &str) -> Vec<Record> {
        self.with(|inner| inner.tables.get(table).map(|table| table.values().cloned().collect()).unwrap_or_default())
    }

    /// What goes wrong with the next requests, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.with(|inner| inner.faults.extend(faults));
    }

    /// Whether it is away: every request is closed without an answer.
    pub fn away(&self, away: bool) {
        self.with(|inner| inner.away = away);
    }

    /// Hides a record from the user who asks.
    pub fn hide(&self, sys_id: &str) {
        self.with(|inner| inner.hidden.push(sys_id.to_owned()));
    }

    /// Does something before the n-th next list is answered: what others change while one reads.
    pub fn before(&self, n: usize, work: impl FnOnce(&ServiceNow) + Send + 'static) {
        self.with(|inner| inner.between.push_back((n, Box::new(work))));
    }

    /// Answers lists in whatever order, as an instance does that ignores what it cannot read of a query.
    pub fn ignores_order(&self) {
        self.with(|inner| inner.unordered = true);
    }

    /// Leaves the headers for paging out.
    pub fn without_link(&self) {
        self.with(|inner| inner.without_link = true);
    }

    /// Ends every token that was given.
    pub fn end_tokens(&self) {
        self.with(|inner| inner.tokens.clear());
    }

    /// What was asked since the last time: method, path and decoded query.
    pub fn requests(&self) -> Vec<String> {
        self.with(|inner| std::mem::take(&mut inner.requests))
    }
}

impl Inner {
    fn stamp(&self) -> String {
        org_portal::words::Timestamp(self.now * 1_000_000).rfc3339().replace('T', " ").replace('Z', "")
    }

    fn insert(&mut self, table: &str, fields: Record, by: &str) -> String {
        self.next += 1;
        // Identifiers do not follow the order of time.
        let sys_id = format!("{:032x}", u128::from(self.next).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let mut record = fields.clone();
        let now = self.stamp();
        for (field, value) in [("sys_id", sys_id.as_str()), ("sys_created_on", &now), ("sys_created_by", by)] {
            record.insert(field.to_owned(), value.to_owned());
        }
        // The fields that a case always has; a new one is in the state New.
        if table == "sn_customerservice_case" {
            let number = format!("CS{:07}", self.next);
            for (field, value) in [
                ("number", number.as_str()),
                ("state", "1"),
                ("priority", "4"),
                ("correlation_id", ""),
                ("comments", ""),
                ("work_notes", ""),
            ] {
                record.entry(field.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        self.tables.entry(table.to_owned()).or_default().insert(sys_id.clone(), record);
        self.update(table, &sys_id, fields, by);
        sys_id
    }

    fn update(&mut self, table: &str, sys_id: &str, fields: Record, by: &str) {
        let now = self.stamp();
        let Some(record) = self.tables.get_mut(table).and_then(|table| table.get_mut(sys_id)) else { return };
        let mut journal = Vec::new();
        for (field, value) in fields {
            // What is written into a journal field becomes an entry of its own; the field itself stays empty.
            if ["comments", "work_notes"].contains(&field.as_str()) {
                if !value.is_empty() {
                    journal.push((field.clone(), value));
                }
                record.insert(field, String::new());
            } else if field != "sys_id" {
                record.insert(field, value);
            }
        }
        record.insert("sys_updated_on".to_owned(), now);
        record.insert("sys_updated_by".to_owned(), by.to_owned());
        for (element, value) in journal {
            let entry = [("element", element.as_str()), ("element_id", sys_id), ("name", table), ("value", &value)];
            let entry = entry.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            self.insert("sys_journal_field", entry, by);
        }
    }

    /// The value of a field, which may go over references: `account.number`.
    fn value(&self, table: &str, record: &Record, path: &str) -> Option<String> {
        let Some((first, rest)) = path.split_once('.') else { return record.get(path).cloned() };
        let to = self.references.get(&(table.to_owned(), first.to_owned()))?;
        match self.tables.get(to).and_then(|table| table.get(record.get(first)?)) {
            Some(other) => self.value(to, other, rest),
            None => Some(String::new()),
        }
    }

    fn matches(&self, table: &str, record: &Record, condition: &str) -> bool {
        const OPERATORS: [&str; 11] = ["ISNOTEMPTY", "ISEMPTY", "STARTSWITH", "ENDSWITH", "LIKE", "IN", ">=", "<=", "!=", ">", "<"];
        // The first operator that stands in it; `=` is the last that is looked for, as others hold it.
        let found =
            OPERATORS.into_iter().chain(["="]).filter_map(|op| condition.find(op).map(|at| (at, std::cmp::Reverse(op.len()), op))).min();
        let Some((at, _, op)) = found else { return true };
        let (field, wanted) = (&condition[..at], &condition[at + op.len()..]);
        // A condition on a field that there is not is ignored.
        let Some(is) = self.value(table, record, field) else { return op != "ISNOTEMPTY" };
        match op {
            "ISNOTEMPTY" => !is.is_empty(),
            "ISEMPTY" => is.is_empty(),
            "STARTSWITH" => is.to_lowercase().starts_with(&wanted.to_lowercase()),
            "ENDSWITH" => is.to_lowercase().ends_with(&wanted.to_lowercase()),
            "LIKE" => is.to_lowercase().contains(&wanted.to_lowercase()),
            "IN" => wanted.split(',').any(|one| one == is),
            ">=" => is.as_str() >= wanted,
            "<=" => is.as_str() <= wanted,
            ">" => is.as_str() > wanted,
            "<" => is.as_str() < wanted,
            "!=" => is != wanted,
            _ => is.eq_ignore_ascii_case(wanted),
        }
    }

    /// The records of a table that an encoded query finds, in its order.
    fn find(&self, table: &str, query: &str) -> Vec<Record> {
        let mut order = Vec::new();
        let mut alternatives = Vec::new();
        for part in query.split("^NQ") {
            // `a^ORb^c` is (a or b) and c.
            let mut all: Vec<Vec<String>> = Vec::new();
            for condition in part.split('^').filter(|condition| !condition.is_empty()) {
                if let Some(field) = condition.strip_prefix("ORDERBYDESC") {
                    order.push((field.to_owned(), true));
                } else if let Some(field) = condition.strip_prefix("ORDERBY") {
                    order.push((field.to_owned(), false));
                } else if let (Some(or), Some(last)) = (condition.strip_prefix("OR"), all.last_mut()) {
                    last.push(or.to_owned());
                } else {
                    all.push(vec![condition.to_owned()]);
                }
            }
            alternatives.push(all);
        }
        let mut found: Vec<Record> = self
            .tables
            .get(table)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|record| {
                alternatives.iter().any(|all| all.iter().all(|any| any.iter().any(|condition| self.matches(table, record, condition))))
            })
            .cloned()
            .collect();
        if self.unordered {
            found.reverse();
            return found;
        }
        found.sort_by(|a, b| {
            let keys = order.iter().map(|(field, down)| {
                let by = self.value(table, a, field).cmp(&self.value(table, b, field));
                if *down { by.reverse() } else { by }
            });
            keys.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        found
    }

    /// A record as it goes out.
    fn shown(&self, base: &str, table: &str, record: &Record, parameters: &HashMap<String, String>) -> Value {
        let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
        let fields: Vec<String> = match parameter("sysparm_fields") {
            "" => record.keys().cloned().collect(),
            some => some.split(',').map(|field| field.trim().to_owned()).collect(),
        };
        let mut out = Map::new();
        for field in fields {
            // A field that there is not is left out.
            let Some(value) = self.value(table, record, &field) else { continue };
            let to = self.references.get(&(table.to_owned(), field.clone())).filter(|_| !value.is_empty());
            let link = to.map(|to| format!("{base}/api/now/table/{to}/{value}"));
            let display = to.and_then(|to| self.tables.get(to)?.get(&value)?.get("name").cloned()).unwrap_or_else(|| value.clone());
            let with_link = parameter("sysparm_exclude_reference_link") != "true";
            let shown = match (parameter("sysparm_display_value"), link.filter(|_| with_link)) {
                ("all", Some(link)) => json!({ "display_value": display, "value": value, "link": link }),
                ("all", None) => json!({ "display_value": display, "value": value }),
                ("true", Some(link)) => json!({ "display_value": display, "link": link }),
                ("true", None) => json!(display),
                (_, Some(link)) => json!({ "link": link, "value": value }),
                (_, None) => json!(value),
            };
            out.insert(field, shown);
        }
        Value::Object(out)
    }
}

fn error(status: u16, message: &str, detail: &str) -> Response {
    let body = json!({ "error": { "message": message, "detail": detail }, "status": "failure" });
    answer(status, &body)
}

fn answer(status: u16, body: &Value) -> Response {
    (StatusCode::from_u16(status).expect("a status"), [(header::CONTENT_TYPE, "application/json;charset=UTF-8")], body.to_string())
        .into_response()
}

/// Closes the connection: a body that breaks off before its first byte.
fn closes() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("closed")) });
    Response::new(Body::from_stream(broken))
}

async fn token(State(desk): State<ServiceNow>, body: String) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    desk.with(|inner| inner.requests.push("POST /oauth_token.do".to_owned()));
    if form.get("grant_type").map(String::as_str) != Some("client_credentials")
        || form.get("client_id").map(String::as_str) != Some("client")
        || form.get("client_secret").map(String::as_str) != Some("s3cret")
    {
        return answer(401, &json!({ "error": "access_denied" }));
    }
    let token = desk.with(|inner| {
        inner.next += 1;
        let token = format!("token-{}", inner.next);
        inner.tokens.push(token.clone());
        token
    });
    answer(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 1799 }))
}

async fn list(
    state: State<ServiceNow>,
    Path(table): Path<String>,
    method: Method,
    query: RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(state, table, None, method, query, headers, body).await
}

async fn one(
    state: State<ServiceNow>,
    Path((table, sys_id)): Path<(String, String)>,
    method: Method,
    query: RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(state, table, Some(sys_id), method, query, headers, body).await
}

async fn respond(
    State(desk): State<ServiceNow>,
    table: String,
    sys_id: Option<String>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters: HashMap<String, String> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let path = sys_id.as_ref().map_or_else(|| table.clone(), |sys_id| format!("{table}/{sys_id}"));
    desk.with(|inner| inner.requests.push(format!("{method} {path} {}", parameters.get("sysparm_query").map_or("", String::as_str))));
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let bearer =
        authorization.strip_prefix("Bearer ").is_some_and(|token| desk.with(|inner| inner.tokens.iter().any(|known| known == token)));
    if desk.with(|inner| inner.away) {
        return closes();
    }
    if authorization != basic && !bearer {
        return error(401, "User is not authenticated", "Required to provide Auth information");
    }
    let fault = desk.with(|inner| inner.faults.pop_front());
    match &fault {
        Some(Fault::Status(status, wait)) => {
            let mut response = error(*status, "Something went wrong", "as it was asked to");
            if let Some(wait) = wait {
                response.headers_mut().insert(header::RETRY_AFTER, wait.to_string().parse().expect("a number"));
            }
            return response;
        }
        Some(Fault::Hangs) => std::future::pending().await,
        Some(Fault::Closes) => return closes(),
        Some(Fault::Garbage) => {
            return ([(header::CONTENT_TYPE, "text/html")], "<html>Your instance is hibernating</html>").into_response();
        }
        Some(Fault::Redirects(to)) => return (StatusCode::FOUND, [(header::LOCATION, to.clone())]).into_response(),
        Some(Fault::Endless) => {
            let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 20])));
            return Response::new(Body::from_stream(endless));
        }
        _ => {}
    }
    if sys_id.is_none() && method == Method::GET {
        let due = desk.with(|inner| {
            let mut due = Vec::new();
            for (n, _) in &mut inner.between {
                *n = n.saturating_sub(1);
            }
            while inner.between.front().is_some_and(|(n, _)| *n == 0) {
                due.extend(inner.between.pop_front());
            }
            due
        });
        for (_, work) in due {
            work(&desk);
        }
    }
    let response = answered(&desk, &table, sys_id.as_deref(), &method, &parameters, &body);
    match fault {
        Some(Fault::DoneAndLost) => closes(),
        Some(Fault::Half) => {
            let (parts, body) = response.into_parts();
            let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("the body");
            Response::from_parts(parts, Body::from(bytes.slice(..bytes.len() / 2)))
        }
        Some(Fault::CutOff) => {
            let (parts, body) = response.into_parts();
            let mut value: Value = serde_json::from_slice(&axum::body::to_bytes(body, usize::MAX).await.expect("the body")).expect("JSON");
            if let Some(records) = value["result"].as_array_mut() {
                records.truncate(records.len() / 2);
            }
            value["error"] = json!({ "message": "Transaction cancelled: maximum execution time exceeded", "detail": "Check logs" });
            Response::from_parts(parts, Body::from(value.to_string()))
        }
        _ => response,
    }
}

fn answered(
    desk: &ServiceNow,
    table: &str,
    sys_id: Option<&str>,
    method: &Method,
    parameters: &HashMap<String, String>,
    body: &Bytes,
) -> Response {
    let base = desk.url();
    let sent = || -> Option<Record> {
        let Value::Object(fields) = serde_json::from_slice(body).ok()? else { return None };
        fields
            .into_iter()
            .map(|(k, v)| v.as_str().map(str::to_owned).or_else(|| (!v.is_object()).then(|| v.to_string())).map(|v| (k, v)))
            .collect()
    };
    desk.with(|inner| {
        let missing = || error(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval");
        inner.tables.entry(table.to_owned()).or_default();
        match (method.as_str(), sys_id) {
            ("GET", None) => {
                let number = |name: &str, or: usize| parameters.get(name).and_then(|text| text.parse().ok()).unwrap_or(or);
                let (limit, offset) = (number("sysparm_limit", 10_000), number("sysparm_offset", 0));
                let found = inner.find(table, parameters.get("sysparm_query").map_or("", String::as_str));
                // What may not be seen counts, and leaves a gap.
                let page = found.iter().skip(offset).take(limit).filter(|record| !inner.hidden.contains(&record["sys_id"]));
                let page: Vec<Value> = page.map(|record| inner.shown(&base, table, record, parameters)).collect();
                let mut response = answer(200, &json!({ "result": page }));
                if !inner.without_link {
                    response.headers_mut().insert("x-total-count", found.len().to_string().parse().expect("a number"));
                    if found.len() > limit && parameters.get("sysparm_suppress_pagination_header").map(String::as_str) != Some("true") {
                        let link = |rel: &str, offset: usize| {
                            format!("<{base}/api/now/table/{table}?sysparm_limit={limit}&sysparm_offset={offset}>;rel=\"{rel}\"")
                        };
                        let mut links = vec![link("first", 0)];
                        if offset + limit < found.len() {
                            links.push(link("next", offset + limit));
                        }
                        links.push(link("last", (found.len() - 1) / limit * limit));
                        response.headers_mut().insert(header::LINK, links.join(",").parse().expect("a header"));
                    }
                }
                response
            }
            ("GET", Some(sys_id)) => {
                match inner.tables[table].get(sys_id).filter(|_| !inner.hidden.iter().any(|hidden| hidden == sys_id)) {
                    Some(record) => answer(200, &json!({ "result": inner.shown(&base, table, record, parameters) })),
                    None => missing(),
                }
            }
            ("POST", None) => {
                let Some(fields) = sent() else { return error(400, "Exception while reading request", "The payload is not valid JSON") };
                let sys_id = inner.insert(table, fields, USER);
                let record = inner.tables[table][&sys_id].clone();
                answer(201, &json!({ "result": inner.shown(&base, table, &record, parameters) }))
            }
            ("PATCH" | "PUT", Some(sys_id)) => {
                let Some(fields) = sent() else { return error(400, "Exception while reading request", "The payload is not valid JSON") };
                if !inner.tables.get(table).is_some_and(|table| table.contains_key(sys_id)) {
                    return missing();
                }
                inner.update(table, sys_id, fields, USER);
                let record = inner.tables[table][sys_id].clone();
                answer(200, &json!({ "result": inner.shown(&base, table, &record, parameters) }))
            }
            ("DELETE", Some(sys_id)) => match inner.tables.get_mut(table).and_then(|table| table.remove(sys_id)) {
                Some(_) => StatusCode::NO_CONTENT.into_response(),
                None => missing(),
            },
            _ => error(405, "Method not supported", ""),
        }
    })
}
