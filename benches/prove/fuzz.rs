//! Made-up inputs: for every parser in this process, for every call of `/v1` by Schemathesis, and for every form over the
//! wire as whoever may come.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::{Duration, Instant},
};

use org_portal::routes::{API, FUNCTIONS, PAGES};
use serde_json::{Value, json};

use crate::{
    dice::Dice,
    parsers::{self, Fuzzed, PARSERS},
    row::{Mode, Row},
    support::{Answer, Engine, Options, PASSWORD, encode, python},
    targets::{House, Served, Tally, client},
};

/// Where the numbers begin.
const SEED: u64 = 7;
const SCHEMATHESIS: &str = "4.32.5";

pub async fn prove(mode: Mode) -> Row {
    // Another time for each parser, while this row is worked at.
    let seconds = std::env::var("PROVE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| mode.of(60, 600));
    let fuzzed = tokio::task::spawn_blocking(move || all(Duration::from_secs(seconds))).await.unwrap();
    let count = |of: fn(&Fuzzed) -> u64| fuzzed.iter().map(|(_, fuzzed)| of(fuzzed)).sum::<u64>();
    for said in fuzzed.iter().flat_map(|(_, fuzzed)| &fuzzed.said) {
        println!("       {said}");
    }
    let fewest = fuzzed.iter().min_by_key(|(_, fuzzed)| fuzzed.cases).unwrap();
    let row = Row::new(format!(
        "{} parsers for {seconds} s each (seeded, inputs that are read anew are kept and made into others: no instrumented build), {} calls of /v1 by Schemathesis, {} forms as five kinds of people",
        PARSERS.len(),
        API.len(),
        FUNCTIONS.len()
    ))
    .told("inputs of parsers", format!("{}, fewest {} ({}), read in {} ways", count(|f| f.cases), fewest.1.cases, fewest.0, count(|f| f.kinds)))
    .none("panics, and properties that did not hold", count(|f| f.panics))
    .none("inputs that took more than 100 ms", count(|f| f.slow));
    let row = forms(row, Duration::from_secs(seconds.max(20) * 2)).await;
    calls(row, mode).await
}

/// Every parser, as many at once as there are processors.
fn all(time: Duration) -> Vec<(&'static str, Fuzzed)> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let done = std::sync::Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    parsers::quietly(|| {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(parser) = PARSERS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                        let fuzzed = parser.fuzz(time, SEED);
                        done.lock().unwrap().push((parser.name, fuzzed));
                    }
                });
            }
        });
    });
    done.into_inner().unwrap()
}

/// Every call of `/v1`, by a program that makes them up from the document.
async fn calls(row: Row, mode: Mode) -> Row {
    let house = House::new(Engine::Sqlite, Options::default()).await;
    let mut served = Served::start(&house.portal, &[], &[]).await;
    let python = tokio::task::spawn_blocking(|| python::python_with("schemathesis", SCHEMATHESIS)).await.unwrap();
    let organization = house.portal.organization_of("ada").await.to_string();
    let (mut cases, mut failures, mut wrong) = (0, 0, Vec::new());
    for name in ["", "tom", "ada", "olga"] {
        let folder = tempfile::tempdir().unwrap();
        let off = r#"["delete_orgs_org_id", "post_auth_SignOut"]"#;
        let settings =
            format!("[parameters]\norg_id = \"{organization}\"\n\n[[operations]]\ninclude-operation-id = {off}\nenabled = false\n");
        std::fs::write(folder.path().join("schemathesis.toml"), settings).unwrap();
        let mut command = Command::new(&python);
        command.current_dir(folder.path()).args(["-m", "schemathesis.cli", "run", &served.url("/v1/openapi.json")]);
        if !name.is_empty() {
            let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD }).to_string();
            let answer = client().post(served.url("/v1/auth/SignIn")).body(body).send().await.unwrap();
            let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            command.args(["--header", &format!("Authorization: Bearer {}", answer["access_token"].as_str().unwrap())]);
        }
        let (examples, most) = (mode.of(60, 2000).to_string(), mode.of(60, 1800).to_string());
        command.args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"]);
        command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", &examples, "--seed", "7", "--request-timeout", "30"]);
        command.args(["--max-time", &most, "--no-color"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // `N generated, N found M unique failures`, `N generated, N passed`.
        cases += said
            .lines()
            .filter_map(|line| line.trim().split_once(" generated")?.0.split_whitespace().last()?.parse::<u64>().ok())
            .sum::<u64>();
        if !output.status.success() {
            failures += 1;
            wrong.push(format!("as {}: {said}{}", if name.is_empty() { "nobody" } else { name }, String::from_utf8_lossy(&output.stderr)));
        }
    }
    for wrong in &wrong {
        println!("       {wrong}");
    }
    let (faults, alive) = (served.faults(), served.runs());
    for fault in faults.iter().take(5) {
        println!("       {fault}");
    }
    drop(served);
    house.portal.close().await;
    row.told("calls that were made up", cases)
        .none("runs of Schemathesis that found something", failures)
        .none("faults in the log for calls", faults.len() as u64)
        .must("the process after the calls", if alive { "serves" } else { "ended" }, "serves", alive)
}

/// Somebody who sends forms.
struct Who {
    name: &'static str,
    cookie: String,
    /// The forms that their pages have: what is posted where, with which fields.
    forms: BTreeMap<String, Vec<Vec<(String, String)>>>,
}

/// What pages can be drawn for somebody: those without an id in their address, those of `more`, and where their links lead.
pub async fn pages_of(served: &Served, cookie: &str, more: &[String]) -> Vec<(String, Answer)> {
    let client = client();
    let mut waiting: Vec<String> = PAGES.iter().map(|page| page.path.to_owned()).filter(|path| !path.contains('{')).collect();
    waiting.extend_from_slice(more);
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    let mut pages = Vec::new();
    while let Some(path) = waiting.pop() {
        let request = client.get(served.url(&path)).header("cookie", format!("session={cookie}")).header("accept", "text/html");
        let Ok(answer) = request.send().await else { continue };
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.map(|body| body.to_vec()).unwrap_or_default();
        let answer = Answer { request: format!("GET {path}"), status, headers, body };
        if answer.status != 200 || !answer.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
            continue;
        }
        for link in answer.attributes("a", "href").into_iter().chain(answer.attributes("form[method=get]", "action")) {
            let link = link.split('#').next().unwrap_or_default().to_owned();
            // Of pages that differ in an id alone, a few are enough.
            let shape: String =
                link.split('?').next().unwrap_or_default().split('/').map(|part| if part.len() > 30 { "{}/" } else { part }).collect();
            if link.starts_with('/')
                && !link.starts_with("//")
                && !link.contains("signout")
                && !link.contains("provider")
                && seen.insert(link.clone())
            {
                let n = shapes.entry(shape).or_default();
                *n += 1;
                if *n <= 3 {
                    waiting.push(link);
                }
            }
        }
        pages.push((path, answer));
    }
    pages
}

/// The forms on somebody's pages, by where they are posted.
pub fn forms_on(pages: &[(String, Answer)]) -> BTreeMap<String, Vec<Vec<(String, String)>>> {
    let mut forms: BTreeMap<String, Vec<Vec<(String, String)>>> = BTreeMap::new();
    for (_, page) in pages {
        for form in page.forms() {
            let mut fields = form.fields;
            fields.extend(form.files.map(|name| (name, String::new())));
            if let (Some(name), true) = (form.action.strip_prefix("/do/"), !fields.is_empty()) {
                let of = forms.entry(name.split('?').next().unwrap_or_default().to_owned()).or_default();
                if of.len() < 6 {
                    of.push(fields);
                }
            }
        }
    }
    forms
}

impl Who {
    async fn come(served: &Served, name: &'static str, cookie: &str, more: &[String]) -> Self {
        let pages = pages_of(served, cookie, more).await;
        Self { name, cookie: cookie.to_owned(), forms: forms_on(&pages) }
    }

    /// Signs in again where the session has ended by what was sent.
    async fn ensure(&mut self, served: &Served) -> bool {
        if self.cookie.is_empty() {
            return true;
        }
        let client = client();
        let page = client.get(served.url("/account")).header("cookie", format!("session={}", self.cookie)).send().await;
        if page.is_ok_and(|answer| answer.status() == 200) {
            return true;
        }
        let body = json!({ "form": { "email": format!("{}@example.com", self.name), "password": PASSWORD }, "drawn": {} }).to_string();
        let request =
            client.post(served.url("/do/sign_in")).header("content-type", "application/json").header("accept", "application/json");
        let Ok(answer) = request.body(body).send().await else { return false };
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let session = cookies
            .filter_map(|cookie| cookie.strip_prefix("session="))
            .filter_map(|rest| rest.split(';').next())
            .find(|value| !value.is_empty());
        if let Some(session) = session {
            session.clone_into(&mut self.cookie);
        }
        session.is_some()
    }
}

/// Fields that some form has, for those whose page was not found.
const FIELDS: &[(&str, &str)] = &[
    ("form[email]", "ada@example.com"),
    ("form[name]", "Acme"),
    ("form[first_name]", "Ada"),
    ("form[last_name]", "Example"),
    ("form[password]", PASSWORD),
    ("form[new_password]", PASSWORD),
    ("form[code]", "123456"),
    ("form[token]", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq"),
    ("form[role]", "Admin"),
    ("form[to]", "/account"),
    ("form[reason]", "because"),
    ("form[until]", "2027-01-01"),
    ("form[subject]", "It breaks"),
    ("form[description]", "It **breaks**"),
    ("form[body]", "Still so"),
    ("form[ticket]", "T1"),
    ("form[stage]", "waiting"),
    ("form[handle]", "abc"),
    ("form[answer]", "{}"),
    ("form[scope]", "pmm:connect"),
    ("form[life]", "30 minutes"),
    ("form[query]", "client_id=a"),
    ("member", "0190b6e0-0000-7000-8000-00000000000a"),
    ("invitation", "0190b6e0-0000-7000-8000-00000000000a"),
    ("account", "0190b6e0-0000-7000-8000-00000000000a"),
    ("organization", "0190b6e0-0000-7000-8000-00000000000a"),
    ("members[]", "0190b6e0-0000-7000-8000-00000000000a"),
    ("session", "0190b6e0-0000-7000-8000-00000000000a"),
    ("server", "0190b6e0-0000-7000-8000-00000000000a"),
    ("token", "0190b6e0-0000-7000-8000-00000000000a"),
    ("letter", "0190b6e0-0000-7000-8000-00000000000a"),
    ("query", "q=a&sort=name"),
    ("theme", "dark"),
    ("role", "Admin"),
    ("drawn[page]", "/organization/members?q=a"),
    ("drawn[key]", "0190b6e0-0000-7000-8000-00000000000c"),
    ("drawn[organization]", "0190b6e0-0000-7000-8000-00000000000b"),
];

/// What ends too much to be sent as it is: only made-up ones of these.
const ENDS: &[&str] = &[
    "delete_account",
    "delete_organization",
    "leave_organization",
    "change_password",
    "change_email",
    "lock_account",
    "suspend_organization",
    "remove_member",
    "remove_members",
    "change_role",
    "change_roles",
];

/// Fields as another person, or nobody, would send them.
fn made_up(dice: &mut Dice, endpoint: &str, forms: &[Vec<(String, String)>]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = if forms.is_empty() || dice.one_in(8) {
        (0..1 + dice.index(8)).map(|_| *dice.of(FIELDS)).map(|(name, value)| (name.into(), value.into())).collect()
    } else {
        dice.of(forms).iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())).collect()
    };
    let values: Vec<Vec<u8>> =
        FIELDS.iter().map(|(_, value)| value.as_bytes().to_vec()).chain(fields.iter().map(|(_, value)| value.clone())).collect();
    let least = usize::from(ENDS.contains(&endpoint));
    for _ in 0..least.max(dice.index(4)) {
        let n = fields.len().max(1);
        let at = dice.index(n);
        match (dice.index(8), fields.get_mut(at)) {
            (0, Some(field)) => field.0 = parsers::mutate(dice, std::slice::from_ref(&field.0)),
            (1, Some(_)) => drop(fields.remove(at)),
            (2, Some(field)) => {
                let twice = field.clone();
                fields.push(twice);
            }
            (3, _) => {
                let (name, value) = dice.of(FIELDS);
                fields.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            }
            (4, Some(field)) => field.1 = dice.of(&values).clone(),
            (_, Some(field)) => {
                let own = field.1.clone();
                let of = if own.is_empty() { values.clone() } else { vec![own] };
                field.1 = parsers::mutate(dice, &of);
            }
            (_, None) => {}
        }
    }
    if least == 1 {
        // What confirms it is never what it has to be.
        for field in &mut fields {
            if field.0.ends_with(b"password]")
                || field.0.ends_with(b"name]")
                || field.0.ends_with(b"confirmation]")
                || field.0.ends_with(b"reason]")
            {
                field.1.push(b'x');
            }
        }
        fields.retain(|(name, _)| {
            endpoint == "change_password"
                || !(endpoint.starts_with("leave") || endpoint.starts_with("remove_member") || endpoint.starts_with("change_role"))
                || !name.starts_with(b"drawn[org")
        });
    }
    fields
}

async fn forms(row: Row, time: Duration) -> Row {
    let (house, ivy, links) = House::lived_in(Engine::Sqlite).await;
    let mut served = Served::start(&house.portal, &[], &[]).await;
    let mut people = Vec::new();
    for (name, cookie) in [("", ""), ("tom", &house.tom), ("ada", &house.ada), ("olga", &house.olga), ("ivy", &ivy)] {
        people.push(Who::come(&served, name, cookie, &links).await);
    }
    let known: BTreeSet<&str> = people.iter().flat_map(|who| who.forms.keys().map(String::as_str)).collect();
    let unseen: Vec<&str> = FUNCTIONS.iter().map(|function| function.endpoint).filter(|endpoint| !known.contains(endpoint)).collect();
    let found = FUNCTIONS.len() - unseen.len();
    println!("       no page with a form for: {}", unseen.join(", "));
    let (mut dice, mut tally, mut sent, mut lost) = (Dice(SEED), Tally::default(), 0_u64, 0_u64);
    let (client, began) = (client(), Instant::now());
    let mut slow = Vec::new();
    while began.elapsed() < time {
        for who in &mut people {
            if sent % 64 < 4 && !who.ensure(&served).await {
                lost += 1;
            }
            for _ in 0..8 {
                let function = dice.of(FUNCTIONS);
                let forms = who.forms.get(function.endpoint).cloned().unwrap_or_default();
                let fields = made_up(&mut dice, function.endpoint, &forms);
                let mut request =
                    client.post(served.url(&format!("/do/{}", function.endpoint))).header("cookie", format!("session={}", who.cookie));
                let way = dice.index(if function.files.is_some() { 4 } else { 3 });
                request = match way {
                    0 => {
                        let mut text = url::form_urlencoded::Serializer::new(String::new());
                        for (name, value) in &fields {
                            text.append_pair(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
                        }
                        let body = text.finish().into_bytes();
                        let body = if dice.one_in(6) { parsers::mutate(&mut dice, &[body]) } else { body };
                        request.header("accept", "text/html").header("content-type", "application/x-www-form-urlencoded").body(body)
                    }
                    1 | 2 => {
                        let body = nested(&fields, &mut dice).to_string().into_bytes();
                        let body = if way == 2 && dice.one_in(3) { parsers::mutate(&mut dice, &[body]) } else { body };
                        request.header("accept", "application/json").header("content-type", "application/json").body(body)
                    }
                    _ => {
                        let mut body = Vec::new();
                        for (name, value) in &fields {
                            let file = if name.ends_with(b"files]") || name.ends_with(b"files][]") || dice.one_in(9) {
                                "; filename=\"a.txt\"\r\ncontent-type: text/plain"
                            } else {
                                ""
                            };
                            body.extend_from_slice(b"--x\r\ncontent-disposition: form-data; name=\"");
                            body.extend_from_slice(name);
                            body.extend_from_slice(format!("\"{file}\r\n\r\n").as_bytes());
                            body.extend_from_slice(value);
                            body.extend_from_slice(b"\r\n");
                        }
                        body.extend_from_slice(b"--x--\r\n");
                        let body = if dice.one_in(3) { parsers::mutate(&mut dice, &[body]) } else { body };
                        request.header("accept", "text/html").header("content-type", "multipart/form-data; boundary=x").body(body)
                    }
                };
                // What signs one out is not sent that often.
                if ["sign_out", "end_other_sessions", "end_session"].contains(&function.endpoint) && !dice.one_in(20) {
                    continue;
                }
                let asked = Instant::now();
                match request.send().await {
                    Ok(answer) => {
                        let status = answer.status().as_u16();
                        let text = answer.text().await.unwrap_or_default();
                        let took = asked.elapsed();
                        if status >= 500 && tally.wrong.len() < 20 {
                            let shown: Vec<String> = fields
                                .iter()
                                .map(|(name, value)| {
                                    format!(
                                        "{}={}",
                                        String::from_utf8_lossy(name),
                                        String::from_utf8_lossy(value).chars().take(80).collect::<String>()
                                    )
                                })
                                .collect();
                            tally.wrong.push(format!("{} as {:?}, way {way}: {status}: {}", function.endpoint, who.name, shown.join("&")));
                        }
                        if took > Duration::from_secs(3) {
                            slow.push(format!("{} as {:?}: {:.1} s", function.endpoint, who.name, took.as_secs_f64()));
                        }
                        let wrong = std::mem::take(&mut tally.wrong);
                        tally.note(function.endpoint, status, took, &text);
                        tally.wrong = wrong;
                    }
                    Err(error) => tally.failed(&error, asked.elapsed()),
                }
                sent += 1;
            }
        }
        if !served.runs() {
            break;
        }
    }
    let (faults, alive) = (served.faults(), served.runs());
    for wrong in tally.wrong.iter().chain(faults.iter().take(10)).chain(slow.iter().take(5)) {
        println!("       {wrong}");
    }
    let damage = crate::targets::damage(&house.portal).await;
    drop(served);
    house.portal.close().await;
    row.told(
        "forms that were made up",
        format!("{sent}; {found} of {} functions by the fields of their own pages; answers: {}", FUNCTIONS.len(), tally.said()),
    )
    .none("answers to forms with 5xx", tally.statuses.iter().filter(|(status, _)| **status >= 500).map(|(_, n)| n).sum())
    .none("forms that hang", tally.hung)
    .none("faults in the log for forms", faults.len() as u64)
    .none("damage", damage.len() as u64)
    .told("times that somebody could not sign in again", lost)
    .must("the process after the forms", if alive { "serves" } else { "ended" }, "serves", alive)
}

/// Fields as an island sends them, with values of other kinds here and there.
fn nested(fields: &[(Vec<u8>, Vec<u8>)], dice: &mut Dice) -> Value {
    let pairs: Vec<(String, String)> = fields
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let mut value = org_portal::form::door::arguments(&encode(&pairs));
    if dice.one_in(3) {
        let odd = [json!(null), json!(0), json!(-1.5e300), json!([]), json!({}), json!([[[[[[[]]]]]]]), json!(true), json!("\u{0}")];
        let odd = dice.of(&odd).clone();
        let inner = value.as_object_mut().and_then(|all| {
            let n = all.len().max(1);
            let key = all.keys().nth(dice.index(n))?.clone();
            all.get_mut(&key)
        });
        match inner {
            Some(Value::Object(inner)) if !inner.is_empty() && dice.one_in(2) => {
                let key = inner.keys().nth(dice.index(inner.len())).unwrap().clone();
                inner.insert(key, odd);
            }
            Some(other) => *other = odd,
            None => value = odd,
        }
    }
    value
}
