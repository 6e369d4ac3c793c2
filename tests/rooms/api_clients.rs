//! `/v1` as clients use it that know nothing of how it is made: one written in Go, as PMM is, and one that makes up calls
//! from the document.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use org_portal::permissions::Role;

use super::customers::{ACME, take};
use crate::{on_both, support::*};

const TICKET: &str = r#"{"kind":"ticket","customer":"C1","number":"CS7","subject":"Slow","state":"Open","created":"2026-11-01T10:00:00Z","requester_name":"Eve","requester_email":"eve@example.com"}"#;

/// The small PMM of `tests/pmm-client`, compiled.
fn pmm() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pmm-client-{}", std::process::id()));
        let output = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pmm-client"))
            .envs([("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOTOOLCHAIN", "local"), ("GOPROXY", "off")])
            .output()
            .expect("Go is needed, as PMM is written in it: scripts/setup.sh test installs it (Debian: golang-go)");
        assert!(output.status.success(), "{}", said(&output));
        program
    })
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a program beside the server.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the program runs")).await.unwrap()
}

on_both! {
    async fn a_pmm_written_in_go_understands_every_answer(portal) {
        let (_, refused) = take(portal, &format!("{ACME}{TICKET}\n")).await;
        assert!(refused.is_empty(), "{refused:?}");
        portal.sign_up("ada").await;
        portal.organization_with("Small", [("zoe", Role::Admin)]).await;
        let program = tokio::task::spawn_blocking(pmm).await.unwrap();
        let (acme, small) = (portal.organization_of("ada").await.to_string(), portal.organization_of("zoe").await.to_string());
        for (name, organization, ticket, contact, email, other) in
            [("ada", &acme, "CS7", "Maria Manager", "csm@vendor.example", &small), ("zoe", &small, "", "", "", &acme)]
        {
            let token = portal.api_of(name).await.token.unwrap();
            let mut command = Command::new(program);
            command.args(["lists", &portal.base(), &token, organization, ticket, contact, email, other]);
            let output = run(command).await;
            assert!(output.status.success(), "{name}: {}", said(&output));
            // It connects with the token that its person pasted, gets its own, and disconnects.
            let pasted = portal.token(&portal.sign_in(name).await, "pmm:connect", "30 minutes").await;
            let mut command = Command::new(program);
            command.args(["connect", &portal.base(), &pasted, &token, organization, &portal.config.base()]);
            let output = run(command).await;
            assert!(output.status.success(), "{name}: {}", said(&output));
        }
    }
}

/// The version of Schemathesis that makes up calls.
const SCHEMATHESIS: &str = "4.32.5";

/// What it makes up from the document: no answer is a fault, and none is otherwise than the document says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_that_can_be_made_up_is_a_fault_or_answered_otherwise_than_documented() {
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    take(&portal, &format!("{ACME}{TICKET}\n")).await;
    portal.sign_up("ada").await;
    let token = portal.api_of("ada").await.token.unwrap();
    let organization = portal.organization_of("ada").await.to_string();
    let python = tokio::task::spawn_blocking(|| python::python_with("schemathesis", SCHEMATHESIS)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The organization is the caller's, and what ends it or the session is left out: nothing would be there for the others.
    let settings = format!(
        "[parameters]\norg_id = \"{organization}\"\n\n[[operations]]\ninclude-operation-id = [\"delete_orgs_org_id\", \"post_auth_SignOut\"]\nenabled = false\n"
    );
    std::fs::write(folder.path().join("schemathesis.toml"), settings).unwrap();
    let mut command = Command::new(python);
    command.current_dir(folder.path()).args([
        "-m",
        "schemathesis.cli",
        "run",
        &format!("{}/v1/openapi.json", portal.base()),
        "--header",
        &format!("Authorization: Bearer {token}"),
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        "25",
        "--seed",
        "7",
        "--request-timeout",
        "30",
        "--max-time",
        "60",
        "--no-color",
    ]);
    let output = run(command).await;
    assert!(output.status.success(), "{}", said(&output));
    portal.close().await;
}
