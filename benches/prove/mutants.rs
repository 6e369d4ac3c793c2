//! Mutants of what decides who may do what: each is one small change that a test has to notice (cargo-mutants).
//!
//! By default those on lines that differ from the main branch, and where there are few, some of all: others each day, or
//! those of `PROVE_SHARE` (a number); as many as the time allows. In hours: all of them.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use crate::{
    row::{Mode, Row},
    targets::folder,
};

const VERSION: &str = "27.1.0";
/// So many of a hundred have to be noticed.
const ENOUGH: f64 = 95.0;

/// Files, and the tests that are there to notice: they are tried first, and where none of them does, all others are.
const GROUPS: &[(&str, &[&str], &[&str])] = &[
    (
        "permissions and guard",
        &["src/permissions.rs", "src/guard.rs"],
        &["members::", "organizations::", "operator::", "security::", "second_factor::", "pmm::", "tickets::"],
    ),
    ("invitations", &["src/invitations/*.rs"], &["invitations::", "members::", "api_organizations::", "security::"]),
    ("members", &["src/members/*.rs"], &["members::", "organizations::", "api_organizations::", "security::", "activity::", "accounts::"]),
    (
        "sessions",
        &["src/sessions/*.rs"],
        &[
            "sessions::",
            "accounts::",
            "security::",
            "second_factor::",
            "api_accounts::",
            "identities::",
            "asvs::",
            "house::what",
            "house::a_great_deal",
            "house::an_attacker",
            "house::sign",
            "operator::a_locked",
        ],
    ),
    ("tokens", &["src/pmm/tokens.rs", "src/oauth/tokens.rs"], &["pmm::", "oauth::", "api_servers::", "api_accounts::"]),
];

pub async fn prove(mode: Mode) -> Row {
    tokio::task::spawn_blocking(move || run(mode)).await.unwrap()
}

/// A command with the tools and flags of a debug build.
fn shell(script: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &format!(". scripts/env.sh\nPATH=$CACHE/cargo-mutants-{VERSION}/bin:$PATH\n{script}")]);
    command
}

fn said(script: &str) -> String {
    let output = shell(script).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Brings a tree up to this one: only what differs is written, so that the compiler goes on from what it has built there.
fn bring(tree: &Path) {
    let listed = said("git ls-files -z --cached --others --exclude-standard");
    let listed: BTreeSet<&str> = listed.split('\0').filter(|path| !path.is_empty() && Path::new(path).is_file()).collect();
    for path in &listed {
        let (ours, there) = (std::fs::read(path).unwrap(), tree.join(path));
        if std::fs::read(&there).ok().as_ref() != Some(&ours) {
            std::fs::create_dir_all(there.parent().unwrap()).unwrap();
            std::fs::write(there, ours).unwrap();
        }
    }
    // The provider of OpenID that tests start.
    let modules = tree.join("end2end/node_modules");
    if !modules.exists() {
        std::os::unix::fs::symlink(std::fs::canonicalize("end2end/node_modules").unwrap(), modules).unwrap();
    }
    for folder in ["src", "tests", "benches", "migrations"] {
        let there = said(&format!("find '{}' -type f -printf '{folder}/%P\\0'", tree.join(folder).display()));
        for gone in there.split('\0').filter(|path| !path.is_empty() && !listed.contains(path)) {
            std::fs::remove_file(tree.join(gone)).unwrap();
        }
    }
}

/// A mutant's name as a pattern that is met by it alone, in a shell's quotes.
fn pattern(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("\\x{{{:x}}}", u32::from(c)) }).collect()
}

/// The lines of a file of cargo-mutants'.
fn lines(place: &Path, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(place.join("mutants.out").join(file)).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn run(mode: Mode) -> Row {
    let place = folder();
    said(&format!(
        "command -v cargo-mutants > /dev/null || cargo install -q cargo-mutants --locked --version {VERSION} --root \"$CACHE/cargo-mutants-{VERSION}\""
    ));
    let diff = place.path().join("changed.diff");
    let base = std::env::var("PROVE_BASE").unwrap_or_else(|_| "main".to_owned());
    let changed = said(&format!("git diff \"$(git merge-base HEAD {base} 2> /dev/null || git rev-parse HEAD~1)\" -- src"));
    std::fs::write(&diff, changed).unwrap();
    let minutes = std::env::var("PROVE_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| mode.of(40, 60 * 48));
    let most = Duration::from_secs(minutes * 60);
    let today = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() / 86_400);
    let part = std::env::var("PROVE_SHARE").ok().and_then(|text| text.parse().ok()).unwrap_or(today);
    // A tree of its own, and one for all groups and for the next time: each builds on what is there.
    let tree = said("printf %s \"$CACHE/mutants\"");
    let tree = Path::new(&tree);
    let (mut of_all, mut of_changed) = (0, 0);
    let (mut caught, mut missed, mut slow, mut unviable, mut broken) = (0, Vec::new(), 0, 0, Vec::new());
    // Without a mutant the tests pass: looked at once for all groups, which its time does not count for.
    bring(tree);
    let tests: BTreeSet<&str> = GROUPS.iter().flat_map(|(.., tests)| tests.iter().copied()).collect();
    let tests = tests.into_iter().collect::<Vec<_>>().join(" ");
    let script = format!("cd '{}'; cargo test -q --features ssr --test=rooms -- --skip postgres {tests} 2>&1", tree.display());
    let without = shell(&script).output().unwrap();
    if !without.status.success() {
        let text = String::from_utf8_lossy(&without.stdout).into_owned();
        broken.push(format!("without a mutant: {}", text.lines().rev().take(12).collect::<Vec<_>>().join(" | ")));
    }
    let began = Instant::now();
    // A test that fails by itself would seem to notice each of them.
    let groups = if broken.is_empty() { GROUPS } else { &[] };
    for (at, (name, files, tests)) in groups.iter().enumerate() {
        let files: String = files.iter().map(|file| format!(" -f '{file}'")).collect();
        let count = |more: &str| -> usize {
            let list = said(&format!("cargo mutants --list --json{files}{more}"));
            serde_json::from_str::<Value>(&list).map_or(0, |list| list.as_array().map_or(0, Vec::len))
        };
        let in_diff = format!(" --in-diff '{}'", diff.display());
        let (all, changed) = (count(""), if std::fs::metadata(&diff).unwrap().len() > 0 { count(&in_diff) } else { 0 });
        of_all += all;
        of_changed += changed;
        // The changed ones, or, where they are few, every so manieth of all.
        let choice = match (mode, changed) {
            (Mode::Long, _) => String::new(),
            (Mode::Short, 5..) => in_diff,
            _ => {
                let parts = (all as u64 / 8).max(1);
                format!(" --sharding round-robin --shard {}/{parts}", part % parts)
            }
        };
        let left = most.saturating_sub(began.elapsed());
        let share = left / u32::try_from(GROUPS.len() - at).unwrap();
        let tests = tests.join(" ");
        let out = place.path().join(format!("group{at}"));
        std::fs::create_dir_all(&out).unwrap();
        bring(tree);
        // PostgreSQL's half of a test tells the same.
        let script = format!(
            "cd '{}'; timeout -s INT {} cargo mutants --in-place --baseline skip --build-timeout 1200 --timeout 400 -o '{}'{files}{choice} -- -- --skip postgres {tests} > '{}/log' 2>&1 < /dev/null",
            tree.display(),
            share.as_secs().max(60),
            out.display(),
            out.display()
        );
        let status = shell(&script).status().unwrap();
        let (mut good, mut bad, late, none) =
            (lines(&out, "caught.txt"), lines(&out, "missed.txt"), lines(&out, "timeout.txt"), lines(&out, "unviable.txt"));
        if !bad.is_empty() {
            let again = place.path().join(format!("group{at}-all"));
            std::fs::create_dir_all(&again).unwrap();
            bring(tree);
            let these: String = bad.iter().map(|name| format!(" -F '^{}$'", pattern(name))).collect();
            let script = format!(
                "cd '{}'; cargo mutants --in-place --baseline skip --build-timeout 1200 --timeout 1200 -o '{}'{files}{these} -- -- --skip postgres > '{}/log' 2>&1 < /dev/null",
                tree.display(),
                again.display(),
                again.display()
            );
            shell(&script).status().unwrap();
            let noticed: Vec<String> = ["caught.txt", "timeout.txt"].iter().flat_map(|file| lines(&again, file)).collect();
            for name in &noticed {
                println!("       by a test of another group: {name}");
            }
            bad.retain(|name| !noticed.contains(name));
            good.extend(noticed);
        }
        println!(
            "       {name}: {} noticed, {} missed, {} ran on, {} are no Rust ({status})",
            good.len(),
            bad.len(),
            late.len(),
            none.len()
        );
        if good.len() + bad.len() + late.len() + none.len() == 0 {
            let log = std::fs::read_to_string(out.join("log")).unwrap_or_default();
            broken.push(format!("{name}: {}", log.lines().rev().take(5).collect::<Vec<_>>().join(" | ")));
        }
        caught += good.len();
        missed.extend(bad);
        slow += late.len();
        unviable += none.len();
    }
    for line in missed.iter().chain(&broken) {
        println!("       {line}");
    }
    // One that runs on is noticed: the test does not come to its end.
    let (noticed, tried) = (caught + slow, caught + slow + missed.len());
    let share = if tried == 0 { 0.0 } else { noticed as f64 * 100.0 / tried as f64 };
    Row::new(format!("mutants of permissions, guard, invitations, members, sessions and tokens: {of_all} in all, {of_changed} on changed lines, for {} minutes", minutes))
        .told("mutants tried", format!("{tried}, and {unviable} that are no Rust; {slow} ran on"))
        .must("noticed by a test", format!("{share:.1} %, {noticed} of {tried}"), "≥ 95 %", share >= ENOUGH)
        .none("groups that could not be tried", broken.len() as u64)
}
