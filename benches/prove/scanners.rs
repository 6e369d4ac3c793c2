//! Scanners that others wrote, against the executable, signed in: Wapiti, which crawls, and sqlmap, on every parameter.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    fuzz::{forms_on, pages_of},
    row::{Mode, Row},
    support::{Engine, encode, python},
    targets::{House, Served, folder},
};

const WAPITI: &str = "3.2.3";
const SQLMAP: &str = "1.10.10";

/// What Wapiti says that is as it is meant to be: of what, where, and why.
const JUDGED: &[(&str, &str, &str)] = &[
    ("Unencrypted Channels", "/", "on loopback there is no TLS"),
    ("HTTP Strict Transport Security (HSTS)", "/", "on loopback there is no TLS"),
    ("Secure Flag cookie", "/", "on loopback there is no TLS"),
    ("Cross Site Request Forgery", "/do/", "forms carry no token: Sec-Fetch-Site and Origin are looked at, and cookies are SameSite"),
    ("LDAP Injection", "/do/", "no LDAP is spoken; what is no address of a page is answered otherwise than what is one"),
    ("Htaccess Bypass", "/do/", "with a method that is none, a function's address leads to its page"),
];

pub async fn prove(mode: Mode) -> Row {
    let (house, _ivy, links) = House::lived_in(Engine::Sqlite).await;
    let mut served = Served::start(&house.portal, &[], &[]).await;
    let row = Row::new("Wapiti as four kinds of people, and sqlmap on the parameters of pages and forms");
    let row = wapiti(row, &served, &house, mode).await;
    let row = sqlmap(row, &served, &house, &links, mode).await;
    let faults = served.faults();
    for fault in faults.iter().take(10) {
        println!("       {fault}");
    }
    let alive = served.runs();
    drop(served);
    house.portal.close().await;
    row.none("faults in the log", faults.len() as u64).must("the process", if alive { "serves" } else { "ended" }, "serves", alive)
}

async fn output(mut command: Command) -> std::process::Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn wapiti(row: Row, served: &Served, house: &House, mode: Mode) -> Row {
    let python = tokio::task::spawn_blocking(|| python::python_with("wapiti3", WAPITI)).await.unwrap();
    let place = folder();
    let (mut findings, mut judged, mut crawled, mut failed) = (0, 0, 0, 0);
    let people = [("nobody", ""), ("tom", &house.tom), ("ada", &house.ada), ("olga", &house.olga)];
    let mut reports = Vec::new();
    for two in people.chunks(2) {
        let crawling = two.iter().map(|(name, cookie)| crawl(&python, place.path(), served, name, cookie, mode));
        reports.extend(two.iter().map(|(name, _)| name).zip(futures::future::join_all(crawling).await));
    }
    for (name, report) in reports {
        let Some(found) = report else {
            failed += 1;
            continue;
        };
        crawled += found["infos"]["crawled_pages_nbr"].as_u64().unwrap_or(0);
        for kind in ["vulnerabilities", "anomalies"] {
            for (what, all) in found[kind].as_object().into_iter().flatten() {
                let is_judged = |one: &Value| {
                    let path = one["path"].as_str().unwrap_or_default();
                    JUDGED.iter().any(|(known, under, _)| known == what && path.starts_with(under))
                };
                let (known, open): (Vec<Value>, Vec<Value>) = all.as_array().cloned().unwrap_or_default().into_iter().partition(is_judged);
                judged += known.len();
                findings += open.len();
                for one in open.iter().take(3) {
                    println!("       wapiti as {name}: {what}: {} {} {}", one["method"], one["path"], one["info"]);
                }
            }
        }
    }
    row.told("pages that Wapiti crawled", crawled)
        .must("pages that it crawled", crawled, "≥ 40", crawled >= 40)
        .none("runs of Wapiti that failed", failed)
        .told("findings that are judged", judged)
        .none("open findings of Wapiti", findings as u64)
}

/// What Wapiti reports, as one who crawls.
async fn crawl(python: &Path, place: &Path, served: &Served, name: &str, cookie: &str, mode: Mode) -> Option<Value> {
    let (report, own) = (place.join(format!("{name}.json")), place.join(name));
    std::fs::create_dir_all(&own).unwrap();
    let own = own.to_str().unwrap();
    let mut command = Command::new(python);
    command.arg(python.with_file_name("wapiti"));
    command.env("HOME", own).args(["-u", &served.url("/"), "--scope", "folder", "--flush-session", "--no-bugreport"]);
    command.args(["--store-session", own, "--store-config", own]);
    command.args(["-d", "4", "--max-links-per-page", "60", "--max-files-per-dir", "40", "-S", "normal", "-t", "10"]);
    command.args(["--max-scan-time", &mode.of(60, 1800).to_string(), "--max-attack-time", &mode.of(20, 300).to_string()]);
    command.args(["-m", "common,cookieflags,csp,http_headers,xxe,methods,redirect,crlf,ldap,htaccess,timesql,permanentxss,upload,csrf"]);
    for out in [
        "/do/sign_out",
        "/login/signout",
        "/do/end_session",
        "/do/end_other_sessions",
        "/do/delete_account",
        "/do/delete_organization",
        "/do/leave_organization",
    ] {
        command.args(["-x", &format!("{}*", served.url(out))]);
    }
    if !cookie.is_empty() {
        command.args(["-H", &format!("Cookie: session={cookie}")]);
        command.args(["-s", &served.url("/organization/members"), "-s", &served.url("/account"), "-s", &served.url("/operator")]);
    }
    command.args(["-f", "json", "-o", report.to_str().unwrap()]);
    let said = output(command).await;
    let found = std::fs::read(&report).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    if found.is_none() {
        println!("       wapiti as {name}: {}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    }
    found
}

async fn sqlmap(row: Row, served: &Served, house: &House, links: &[String], mode: Mode) -> Row {
    let python = tokio::task::spawn_blocking(|| python::python_with("sqlmap", SQLMAP)).await.unwrap();
    let place = folder();
    // The queries that pages have, and the forms, each with the fields that it has.
    let mut targets: Vec<(String, String, String)> = Vec::new();
    let lists = [
        (&house.ada, "/organization/members?q=a&sort=name&order=asc&role=Admin&after=a"),
        (&house.ada, "/organization/members.csv?q=a&sort=name&role=Admin"),
        (&house.ada, "/organization/activity?q=a&kind=refused&from=2026-01-01&to=2026-12-31&before=a"),
        (&house.ada, "/organization/tickets?q=a&sort=number&stage=open&after=a"),
        (&house.ada, "/organization/invitations?q=a&sort=email&after=a"),
        (&house.olga, "/operator/accounts?q=a&sort=email&order=desc&state=locked&after=a"),
        (&house.olga, "/operator/customers?q=a&sort=number&state=waiting&after=a"),
        (&house.olga, "/operator/organizations?q=a&sort=name&after=a"),
        (&house.olga, "/operator/audit?q=a&kind=mail&from=2026-01-01&after=a"),
        (&house.olga, "/operator/tickets?q=a&sort=number&stage=open&after=a"),
        (&house.olga, "/operator/outbox?q=a&sort=since&after=a"),
        (&house.tom, "/sign-in?to=/account&email=a"),
        (&house.tom, "/verify-email?token=a"),
        (&house.tom, "/reset-password?token=a"),
        (&house.tom, "/invitation?token=a"),
        (&house.tom, "/sign-up?invitation=a"),
        (
            &house.tom,
            "/oauth2/authorize?client_id=a&redirect_uri=https://a.example/&response_type=code&state=s&scope=openid&code_challenge=a",
        ),
    ];
    for (cookie, path) in lists {
        targets.push((cookie.clone(), path.to_owned(), String::new()));
    }
    for cookie in [&house.ada, &house.olga, &String::new()] {
        for (endpoint, forms) in forms_on(&pages_of(served, cookie, links).await) {
            let known = targets.iter().any(|(_, path, _)| path.strip_prefix("/do/") == Some(&endpoint));
            if known || endpoint.contains("sign_out") || endpoint.contains("end_") {
                continue;
            }
            let fields: Vec<(String, String)> = forms
                .into_iter()
                .next()
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| (name, if value.is_empty() { "a".to_owned() } else { value }))
                .collect();
            targets.push((cookie.clone(), format!("/do/{endpoint}"), String::from_utf8(encode(&fields)).unwrap()));
        }
    }
    let most = Duration::from_secs(mode.of(300, 7200));
    let (began, mut tried, mut injectable, mut parameters) = (Instant::now(), 0, 0, 0);
    let all = targets.len();
    for two in targets.chunks(2) {
        if began.elapsed() > most {
            break;
        }
        let running = two.iter().map(|target| one(&python, place.path(), served, target, mode));
        for (found, n) in futures::future::join_all(running).await {
            tried += 1;
            parameters += n;
            injectable += found;
        }
    }
    row.told("targets of sqlmap", format!("{tried} of {all}, {parameters} parameters tested"))
        .must("targets that it tried", tried, "all, or for so long", tried == all || began.elapsed() > most)
        .none("parameters that sqlmap can inject into", injectable)
}

/// One address with its parameters; gives how many can be injected into, and how many were tested.
async fn one(python: &Path, place: &Path, served: &Served, (cookie, path, data): &(String, String, String), mode: Mode) -> (u64, u64) {
    let mut command = Command::new(python);
    command.arg(python.with_file_name("sqlmap"));
    let home = place.join(format!("{:x}", org_portal::secrets::hash(&format!("{path}{data}"))[0]));
    std::fs::create_dir_all(&home).unwrap();
    command.env("HOME", place).env("TERM", "dumb").args([
        "-u",
        &served.url(path),
        "--batch",
        "--disable-coloring",
        "--flush-session",
        "--ignore-code=*",
    ]);
    command.args([
        "--output-dir",
        home.to_str().unwrap(),
        "--level",
        "1",
        "--risk",
        "1",
        "--time-sec",
        "2",
        "--timeout",
        "30",
        "--retries",
        "1",
    ]);
    command.args([
        "--technique",
        if mode == Mode::Long { "BEUSTQ" } else { "BEUSQ" },
        "--dbms",
        "SQLite",
        "--skip-waf",
        "--drop-set-cookie",
    ]);
    if mode == Mode::Long {
        command.args(["--level", "3", "--risk", "2"]);
    }
    if !cookie.is_empty() {
        command.args(["--cookie", &format!("session={cookie}")]);
    }
    if !data.is_empty() {
        command.args(["--data", data, "--method", "POST"]);
    }
    // Each by its name: what is called a token is passed over otherwise.
    let query = if data.is_empty() { path.split_once('?').map_or("", |(_, query)| query) } else { data };
    let names: Vec<String> = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect();
    command.args(["-p", &names.join(",")]);
    let seconds = mode.of(60, 900);
    let under = {
        let mut timed = Command::new("timeout");
        timed.arg(seconds.to_string()).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            timed.env(name, value.unwrap_or_default());
        }
        timed
    };
    let said = output(under).await;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let found = text.lines().filter(|line| line.starts_with("Parameter:")).count() as u64;
    let tested = text.lines().filter(|line| line.contains("testing for SQL injection on")).count() as u64;
    if found > 0 || tested == 0 {
        println!(
            "       sqlmap {path}: {}",
            text.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n         ")
        );
    }
    (found, tested)
}
