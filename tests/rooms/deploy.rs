//! What runs the portal: the metrics that dashboard, alerts and documents speak of, and the health check of containers.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use org_portal::measures::{Kind, MEASURES};

use crate::support::until;

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn command(folder: &Path, port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_org-portal"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("DATABASE_URL", format!("sqlite:{}", folder.join("portal.db").display()));
    command.env("ORG_PORTAL_LISTEN", format!("127.0.0.1:{port}")).env("ORG_PORTAL_PUBLIC_URL", format!("http://127.0.0.1:{port}"));
    command
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every metric of the portal's that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("org_portal_")).map(str::to_owned).collect()
}

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("measures.rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_alerts_and_documents_name_metrics_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let (port, metrics) = (free_port(), free_port());
    let mut serve = command(folder.path(), port, &["serve"]);
    let _process = Process(serve.env("ORG_PORTAL_METRICS_LISTEN", format!("127.0.0.1:{metrics}")).spawn().unwrap());
    let client = reqwest::Client::new();
    let get = |url: String| {
        let client = client.clone();
        async move { client.get(url).send().await.ok()?.text().await.ok() }
    };
    until("it serves", || async { get(format!("http://127.0.0.1:{port}/readyz")).await.is_some_and(|text| text == "ready\n") }).await;
    let page = get(format!("http://127.0.0.1:{metrics}/metrics")).await.expect("metrics");

    let shown: BTreeSet<String> = page.lines().filter(|line| !line.starts_with('#')).flat_map(named).collect();
    for measure in MEASURES {
        let kind = match measure.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        assert!(
            page.contains(&format!("# TYPE {} {kind}\n", measure.name)),
            "{} is shown as {kind}, from the start:\n{page}",
            measure.name
        );
        assert!(page.contains(&format!("# HELP {} {}", measure.name, measure.help)), "{}", measure.name);
    }
    let mut expressions = named(&read("deploy/alerts.yaml"));
    expressions.extend(named(&read("deploy/grafana-dashboard.json")));
    let missing: Vec<_> = expressions.difference(&shown).collect();
    assert!(missing.is_empty(), "{missing:?} are not shown by a server that runs:\n{page}");
    assert!(expressions.len() >= 12, "{expressions:?}");
    // Whatever is measured can be looked at, and the documents say all of it.
    let documented = named(&read("docs/operating.md"));
    for measure in MEASURES {
        assert!(expressions.contains(measure.name), "{} is neither on the dashboard nor in the alerts", measure.name);
        assert!(documented.contains(measure.name), "{} is not documented", measure.name);
    }
    assert!(documented.iter().all(|name| MEASURES.iter().any(|measure| measure.name == name)), "{documented:?}");
    // Values of labels that the rules ask for are there, too.
    for asked in read("deploy/alerts.yaml").lines().filter(|line| line.trim_start().starts_with("expr: ")) {
        for label in ["outcome", "limit"] {
            for asked_for in asked.split(&format!("{label}=")).skip(1) {
                let values = asked_for.trim_start_matches('~').trim_start_matches('"').split('"').next().unwrap();
                for value in values.split('|') {
                    assert!(page.contains(&format!("{label}=\"{value}\"")), "{label}={value}: {asked}");
                }
            }
        }
    }
}

#[test]
fn every_metric_that_is_counted_is_described() {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    let counted: BTreeSet<String> = ["counter!(\"", "gauge!(\"", "histogram!(\""]
        .iter()
        .flat_map(|call| text.split(call).skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)))
        .collect();
    assert_eq!(counted, MEASURES.iter().map(|measure| measure.name.to_owned()).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_check_says_whether_the_portal_answers() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&cert, certificate.cert.pem()).unwrap();
    fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    for tls in [false, true] {
        let port = free_port();
        let with = |arguments: &[&str]| {
            let mut command = command(folder.path(), port, arguments);
            if tls {
                command.env("ORG_PORTAL_PUBLIC_URL", format!("https://localhost:{port}"));
                command.env("ORG_PORTAL_TLS_CERT", &cert).env("ORG_PORTAL_TLS_KEY", &key);
            }
            command
        };
        let healthy = || {
            let mut health = with(&["health"]);
            tokio::task::spawn_blocking(move || health.status().unwrap().code())
        };
        assert_eq!(healthy().await.unwrap(), Some(1), "nobody is there");
        let process = Process(with(&["serve"]).spawn().unwrap());
        until("it is healthy", || async { healthy().await.unwrap() == Some(0) }).await;
        drop(process);
        assert_eq!(healthy().await.unwrap(), Some(1), "nobody is there any more");
    }
}

#[test]
fn a_command_whose_reader_has_gone_ends_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(folder.path(), 0, &["config", "reference"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
}
