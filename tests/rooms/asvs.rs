//! What is written about security is so: every requirement in `docs/asvs.md` has its state and its proof, every class of
//! `docs/security-classes.md` its tests, and what `docs/security-rules.md` says is what the program does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use org_portal::{config::OPTIONS, form::door, guard, oauth, passwords, pmm, tickets, words::*};

use crate::support::TABLES;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The cells of each row of the tables below a heading, up to the next heading of its rank; of the whole page where there is
/// no heading. Rules and heads of tables are left out.
fn rows(page: &str, heading: Option<&str>) -> Vec<Vec<String>> {
    let mut inside = heading.is_none();
    let mut rows = Vec::new();
    for line in page.lines() {
        if let Some(heading) = heading
            && line.starts_with("## ")
        {
            inside = line == heading;
        }
        if !inside || !line.starts_with('|') {
            continue;
        }
        let cells: Vec<String> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        if !line.contains("| ---") {
            rows.push(cells);
        }
    }
    rows
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Whether a text names a test: `tests/…rs::name`, `src/…rs::name` or `end2end/….spec.ts: title`.
fn is_reference(text: &str) -> bool {
    (text.contains(".rs::") && (text.starts_with("tests/") || text.starts_with("src/")))
        || (text.starts_with("end2end/") && text.contains(".spec.ts: "))
}

/// Whether the test is in the tree, as a test and not as a help of others.
fn exists(reference: &str) -> Result<(), String> {
    let (file, name) = reference
        .split_once(".rs::")
        .map(|(file, name)| (format!("{file}.rs"), name))
        .or_else(|| reference.split_once(": ").map(|(file, name)| (file.to_owned(), name)))
        .ok_or("it names no test")?;
    let text = fs::read_to_string(root().join(&file)).map_err(|e| format!("{file}: {e}"))?;
    if file.ends_with(".ts") {
        let begins =
            ["test", "looks"].iter().any(|word| ["'", "\"", "`"].iter().any(|quote| text.contains(&format!("{word}({quote}{name}"))));
        return if begins || text.contains(&format!("test(`{}", name.split("${").next().unwrap_or_default())) && name.contains("${") {
            Ok(())
        } else {
            Err(format!("{file} has no test of that title"))
        };
    }
    let lines: Vec<&str> = text.lines().collect();
    let found = lines.iter().enumerate().any(|(n, line)| {
        let line = line.trim_start();
        let story = [")", ", "].iter().any(|end| line.starts_with(&format!("async fn {name}(portal{end}")));
        let listed = line.starts_with(&format!("{name} = "));
        let test = [format!("fn {name}("), format!("async fn {name}(")].iter().any(|begin| line.starts_with(begin))
            && lines[..n]
                .iter()
                .rev()
                .map(|above| above.trim_start())
                .take_while(|above| above.starts_with("#[") || above.starts_with("//"))
                .any(|above| above.starts_with("#[test]") || above.starts_with("#[tokio::test"));
        story || listed || test
    });
    if found { Ok(()) } else { Err(format!("{file} has no test of that name")) }
}

#[test]
fn references_are_told_from_other_words() {
    for (reference, right) in [
        ("tests/rooms/asvs.rs::references_are_told_from_other_words", true),
        ("tests/rooms/asvs.rs::quoted", false),
        ("tests/rooms/sessions.rs::somebody_elses_session_is_like_none", true),
        ("tests/rooms/sessions.rs::used", false),
        ("tests/rooms/nothing.rs::nothing", false),
        ("src/seal.rs::a_file_that_holds_no_key_is_refused", true),
        ("tests/properties.rs::reading_never_panics_and_what_is_read_is_read_again", true),
        ("tests/properties.rs::runner", false),
        ("tests/rooms/house.rs::two_workers_send_every_mail_once", true),
        ("end2end/security.spec.ts: the portal is in no frame", true),
        ("end2end/security.spec.ts: nothing", false),
    ] {
        assert!(is_reference(reference), "{reference}");
        assert_eq!(exists(reference).is_ok(), right, "{reference}: {:?}", exists(reference));
    }
    assert!(!is_reference("docs/operating.md") && !is_reference("src/audit.rs"));
}

#[test]
fn every_requirement_has_its_state_and_its_proof() {
    let levels: BTreeMap<String, String> = read("tests/asvs/5.0.0.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').map(|(id, level)| (id.to_owned(), level.to_owned())).expect("a number and a level"))
        .collect();
    assert_eq!((levels.len(), levels.values().filter(|level| *level == "1").count()), (253, 70));
    let page = read("docs/asvs.md");
    for word in ["CC BY-SA 4.0", "OWASP Foundation", "5.0.0"] {
        assert!(page.contains(word), "{word}");
    }
    let (mut wrong, mut seen, mut figures, mut waiting) = (Vec::new(), BTreeSet::new(), BTreeMap::new(), Vec::new());
    for row in rows(&page, None) {
        let Some(id) = row.first().filter(|id| id.contains('.') && id.chars().all(|c| c.is_ascii_digit() || c == '.')) else { continue };
        let [_, level, asks, state, by] = &row[..] else {
            wrong.push(format!("{id}: not five cells: {row:?}"));
            continue;
        };
        if !seen.insert(id.clone()) {
            wrong.push(format!("{id} stands twice"));
        }
        if levels.get(id) != Some(level) {
            wrong.push(format!("{id} is of level {:?}", levels.get(id)));
        }
        if asks.len() < 15 {
            wrong.push(format!("{id}: what does it ask?"));
        }
        *figures.entry((level.clone(), state.clone())).or_insert(0_usize) += 1;
        let references: Vec<&str> = quoted(by).into_iter().filter(|text| is_reference(text)).collect();
        match state.as_str() {
            "met" if references.is_empty() => wrong.push(format!("{id} is met and names no test")),
            "met" => {}
            "not applicable" if by.len() < 25 => wrong.push(format!("{id} does not say why")),
            "not applicable" => {}
            "planned" if by.len() < 25 => wrong.push(format!("{id} does not say what is missing")),
            "planned" if level == "1" => waiting.push(id.clone()),
            "planned" => {}
            other => wrong.push(format!("{id}: {other} is no state")),
        }
        for reference in references {
            if let Err(why) = exists(reference) {
                wrong.push(format!("{id}: {reference}: {why}"));
            }
        }
    }
    wrong.extend(levels.keys().filter(|id| !seen.contains(*id)).map(|id| format!("{id} is missing")));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // The figures at the top are those of the tables.
    let summary = rows(&page, Some("## Figures"));
    for level in ["1", "2"] {
        let figure = |state: &str| figures.get(&(level.to_owned(), state.to_owned())).copied().unwrap_or(0);
        let (met, planned, not) = (figure("met"), figure("planned"), figure("not applicable"));
        let right = [level.to_owned(), met.to_string(), planned.to_string(), not.to_string(), (met + planned + not).to_string()];
        assert!(summary.iter().any(|row| row[..] == right), "the figures of level {level} are {right:?}: {summary:?}");
    }
    assert!(waiting.is_empty(), "of level 1 nothing may be missing: {waiting:?}");
    let of_two = |state: &str| figures.get(&("2".to_owned(), state.to_owned())).copied().unwrap_or(0);
    let (met, planned) = (of_two("met"), of_two("planned"));
    assert!(met * 100 >= (met + planned) * 95, "of level 2, {met} of {} that apply", met + planned);
}

#[test]
fn every_class_of_holes_has_its_tests() {
    let page = read("docs/security-classes.md");
    let (mut classes, mut wrong) = (0, Vec::new());
    for row in rows(&page, None).into_iter().filter(|row| row[0] != "Class") {
        classes += 1;
        let [class, hole, by] = &row[..] else { panic!("not three cells: {row:?}") };
        let references: Vec<&str> = quoted(by).into_iter().filter(|text| is_reference(text)).collect();
        if references.is_empty() {
            wrong.push(format!("{class} ({hole}) names no test"));
        }
        wrong.extend(
            references.into_iter().filter_map(|reference| exists(reference).err().map(|why| format!("{class}: {reference}: {why}"))),
        );
    }
    assert!(wrong.is_empty() && classes >= 20, "{classes}: {wrong:#?}");
    // Each of these broke a system of this kind.
    for number in [
        "2026-1529",
        "2026-105639",
        "2026-102981",
        "2026-44986",
        "2026-115933",
        "2026-4282",
        "2026-18963",
        "2026-28268",
        "2025-7365",
        "2026-9087",
        "2026-9092",
        "2026-105215",
        "2026-105207",
        "2026-105209",
        "2026-92764",
        "2026-95814",
        "2026-27802",
        "2026-43911",
    ] {
        assert!(page.contains(&format!("CVE-{number} ")), "CVE-{number}");
    }
}

/// A number as it is written: with its commas.
fn with_commas(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[test]
fn the_written_rules_are_those_of_the_program() {
    let page = read("docs/security-rules.md");
    let default = |key: &str| OPTIONS.iter().find(|option| option.key == key).unwrap_or_else(|| panic!("no option {key}")).default;
    let days = |micros: i64| format!("{} days", micros / DAY);
    let minutes = |micros: i64| format!("{} minutes", micros / MINUTE);
    // What is read (ASVS 2.1.1 to 2.1.3, 5.1.1).
    let rules = rows(&page, Some("## What is read"));
    let rule = |what: &str| {
        rules.iter().find(|row| row[0] == what).unwrap_or_else(|| panic!("{what} is not written down")).get(1).cloned().unwrap_or_default()
    };
    for (what, numbers) in [
        ("E-mail address", vec![Email::MAX.to_string()]),
        ("First name", vec![format!("1 to {}", FirstName::MAX)]),
        ("Last name", vec![LastName::MAX.to_string()]),
        ("Name of an organization", vec![format!("1 to {}", OrganizationName::MAX)]),
        ("Password", vec![format!("{} to {}", passwords::MIN, passwords::MAX)]),
        ("Subject of a ticket", vec![tickets::MAX_LINE.to_string()]),
        ("Text of a ticket", vec![with_commas(tickets::MAX_TEXT as u64)]),
        ("Name of a token", vec![pmm::TokenForm::MAX_NAME.to_string()]),
        (
            "PMM server",
            vec![pmm::ConnectForm::MAX_NAME.to_string(), pmm::ConnectForm::MAX_ID.to_string(), with_commas(pmm::MAX_ADDRESS as u64)],
        ),
        ("Body of a form", vec![format!("{} KiB", door::MAX_BODY / 1024), format!("{} MiB", door::MAX_BODY_WITH_FILES / 1024 / 1024)]),
        ("File with a ticket", vec![format!("{} MB", tickets::MAX_FILE / 1024 / 1024), format!("{} files", tickets::MAX_FILES)]),
        ("Addresses invited at once", vec![org_portal::invitations::SEVERAL.to_string()]),
        ("Members changed at once", vec![org_portal::members::SEVERAL.to_string()]),
        ("Tokens of a member", vec![pmm::tokens::MOST.to_string()]),
    ] {
        for number in numbers {
            assert!(rule(what).contains(&number), "{what}: {number} is not in {:?}", rule(what));
        }
    }
    // What lasts how long (ASVS 7.1.1).
    let lasting = rows(&page, Some("## What lasts how long"));
    for (what, right) in [
        ("A session without use", format!("{} minutes", with_commas(default("session_idle_minutes").parse().unwrap()))),
        ("A session in any case", format!("{} days", default("session_days"))),
        ("An invitation", format!("{} days", default("invitation_days"))),
        ("A proof of who an operator is", minutes(guard::PROOF)),
        ("A password that was printed", "24 hours".to_owned()),
        ("A code of the OpenID provider", format!("{} seconds", oauth::tokens::CODE_LASTS / SECOND)),
        ("An access token of a PMM server", minutes(oauth::tokens::ACCESS_LASTS)),
        ("A refresh token of a PMM server", days(oauth::tokens::REFRESH_LASTS)),
        ("A sign-in to a PMM server", days(oauth::tokens::SIGN_IN_LASTS)),
        ("A key that signs", format!("{} days", default("signing_key_days"))),
        ("The audit log", format!("{} days", default("audit_days"))),
    ] {
        assert!(lasting.iter().any(|row| row[0] == what && row[1] == right), "{what}: {right}: {lasting:?}");
    }
    assert_eq!(guard::PRINTED_LASTS, DAY);
    // Every limit, with what holds where nothing is said (ASVS 6.1.1, 15.1.3).
    let operating = read("docs/operating.md");
    for option in OPTIONS.iter().filter(|option| option.key.ends_with("_rate")) {
        assert!(
            operating.contains(&format!("| `{}` | `{}` |", option.key, option.default)),
            "docs/operating.md does not have the limit {}",
            option.key
        );
    }
    // Every kind of data has its class (ASVS 14.1.1), and there is no class without rules (14.1.2).
    let classes: BTreeSet<String> = rows(&page, Some("## Classes of data")).into_iter().skip(1).map(|row| row[0].clone()).collect();
    assert!(classes.len() >= 4, "{classes:?}");
    let mut classified = BTreeMap::new();
    for row in rows(&page, Some("## Where data of which class are")).into_iter().skip(1) {
        for table in quoted(&row[0]) {
            assert!(classes.contains(&row[1]), "{table}: {} is no class", row[1]);
            assert!(classified.insert(table.to_owned(), row[1].clone()).is_none(), "{table} stands twice");
        }
    }
    let tables: BTreeSet<String> = TABLES.iter().map(ToString::to_string).collect();
    assert_eq!(classified.into_keys().collect::<BTreeSet<_>>(), tables, "the tables and those that have a class");
}

/// The crates that the program names, and the features of one.
fn dependencies() -> BTreeMap<String, toml::Value> {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    manifest["dependencies"].as_table().expect("a table").iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Crates that do cryptography, good and bad: whichever the program comes to name stands in the inventory.
const CRYPTOGRAPHY: &[&str] = &[
    "aes",
    "aes-gcm",
    "aes-gcm-siv",
    "argon2",
    "aws-lc-rs",
    "bcrypt",
    "blake2",
    "blake3",
    "boring",
    "chacha20poly1305",
    "cbc",
    "crypto_box",
    "des",
    "dsa",
    "ecdsa",
    "ed25519-dalek",
    "ecb",
    "hkdf",
    "hmac",
    "jsonwebtoken",
    "josekit",
    "k256",
    "md-5",
    "md5",
    "native-tls",
    "openidconnect",
    "openssl",
    "orion",
    "p256",
    "p384",
    "pbkdf2",
    "rand",
    "rc4",
    "ring",
    "rsa",
    "rustls",
    "rustls-webpki",
    "scrypt",
    "sha1",
    "sha2",
    "sha3",
    "subtle",
    "totp-rs",
    "totp-lite",
    "webauthn-rs",
    "webpki-roots",
    "x25519-dalek",
];

/// ASVS 11.1.2, 11.2.1, 11.3.1, 11.3.2, 11.4.1: what does cryptography stands in the inventory, and none of it is broken.
#[test]
fn the_inventory_of_cryptography_is_that_of_the_program() {
    let page = read("docs/security-rules.md");
    let listed: BTreeSet<String> = rows(&page, Some("## Keys and cryptography"))
        .iter()
        .flat_map(|row| row.iter().flat_map(|cell| quoted(cell)).map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| CRYPTOGRAPHY.contains(&name.as_str()))
        .collect();
    let named: BTreeSet<String> = dependencies().into_keys().filter(|name| CRYPTOGRAPHY.contains(&name.as_str())).collect();
    assert_eq!(listed, named, "the inventory, and what Cargo.toml names");
    let broken = ["des", "ecb", "cbc", "md-5", "md5", "rc4", "sha1", "dsa", "native-tls", "openssl"];
    assert!(named.iter().all(|name| !broken.contains(&name.as_str())), "{named:?}");
    // Nor does the code make any itself, or ask for what is broken of a crate that has both.
    let mut wrong = Vec::new();
    for (name, code) in sources() {
        for word in
            ["md5", "sha1", "SHA1_FOR", "Sha1", "Md5", "RC4", "RSA_PKCS1_1024", "Pkcs1v15Encrypt", "danger_accept_invalid", "AlgorithmNone"]
        {
            if code.contains(word) {
                wrong.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Every source file of the program below `src`, without its tests.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, all: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                all.push((path.strip_prefix(root().join("src")).unwrap().display().to_string(), code.join("\n")));
            }
        }
    }
    let mut all = Vec::new();
    walk(&root().join("src"), &mut all);
    all.sort();
    assert!(all.len() > 100, "{}", all.len());
    all
}

/// ASVS 1.2.5, 1.3.2 and what is not applicable: the program starts no other one, runs no text as a program, and speaks none of
/// these languages. Whoever brings one in looks at the requirements that speak of it.
#[test]
fn what_the_program_does_not_do_it_cannot_do() {
    for (name, code) in sources() {
        for word in [
            "process::Command",
            "Command::new(\"",
            "libc::system",
            "dlopen",
            "eval(",
            "Function::new",
            "document.write",
            "document().write",
        ] {
            let own = word == "Command::new(\"" && name.starts_with("cli/");
            assert!(own || !code.contains(word), "{name}: {word}");
        }
    }
    // What the browser's side puts in as HTML is written in the program, or drawn by the server (3.2.2).
    for (name, code) in sources() {
        for (at, _) in code.match_indices("set_inner_html(") {
            let rest = &code[at + "set_inner_html(".len()..];
            let drawn = name == "members/islands.rs" && rest.starts_with("html)");
            assert!(drawn || rest.starts_with("concat!(") || rest.starts_with("\"\")"), "{name}: {}", &rest[..40]);
        }
    }
    let crates = dependencies();
    for (crates_of, requirements) in [
        (&["ldap3"][..], "1.2.6"),
        (&["quick-xml", "xml-rs", "roxmltree", "sxd-xpath", "libxml", "xmltree"], "1.2.7, 1.5.1"),
        (&["regex", "fancy-regex", "pcre2"], "1.2.9"),
        (&["memcache", "redis"], "1.3.9"),
        (&["tera", "minijinja", "handlebars", "liquid", "rhai", "mlua", "rquickjs", "boa_engine", "wasmtime"], "1.3.2, 1.3.7"),
        (&["async-graphql", "juniper"], "4.3.1, 4.3.2"),
        (&["tungstenite", "tokio-tungstenite"], "4.4.1 to 4.4.4"),
        (&["zip", "tar", "flate2", "async-compression"], "5.2.3"),
        (&["samael"], "6.8.3"),
        (&["webrtc", "str0m"], "chapter 17"),
    ] {
        for name in crates_of {
            assert!(!crates.contains_key(*name), "{name}: look at {requirements} in docs/asvs.md");
        }
    }
    assert!(!read("Cargo.toml").contains("\"ws\""), "WebSockets: look at 4.4.1 to 4.4.4 in docs/asvs.md");
    // The browser's side keeps nothing beside cookies that no script can read (14.3.3), and hears no other window (3.5.5).
    let features = crates["web-sys"]["features"].to_string();
    for kept in ["Storage", "IdbFactory", "IdbDatabase", "CacheStorage", "ServiceWorker", "HtmlDocument", "MessagePort"] {
        assert!(!features.contains(&format!("\"{kept}\"")), "{kept}");
    }
}

/// ASVS 13.1.1, 13.2.4, 13.2.5: whom the portal talks to is written down, and nobody else is talked to from the code.
#[test]
fn everybody_whom_the_portal_talks_to_is_written_down() {
    let page = read("docs/security-rules.md");
    let written: BTreeSet<String> = rows(&page, Some("## Whom the portal talks to"))
        .iter()
        .flat_map(|row| quoted(&row[1]).into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let addresses: BTreeSet<String> = OPTIONS
        .iter()
        .map(|option| option.key)
        .filter(|key| {
            (key.ends_with("_url") && !["public_url", "servicenow_case_url"].contains(key))
                || key.ends_with("_listen")
                || ["listen", "oidc_issuer"].contains(key)
        })
        .map(str::to_owned)
        .collect();
    assert_eq!(written, addresses, "what is written, and the options that hold an address");
    let mut clients = BTreeSet::new();
    for (name, code) in sources() {
        for (word, what) in [
            ("outgoing::client(", "HTTP"),
            ("reqwest::Client", "HTTP"),
            ("Client::builder()", "HTTP"),
            ("AsyncSmtpConnection", "SMTP"),
            ("TcpStream::connect", "TCP"),
            ("UdpSocket", "UDP"),
            ("PgPoolOptions", "PostgreSQL"),
        ] {
            if code.contains(word) {
                clients.insert(format!("{what} by {name}"));
            }
        }
    }
    let right = [
        // The portal's own answer, for containers.
        "HTTP by cli/health.rs",
        "HTTP by desk/client.rs",
        "HTTP by openid.rs",
        "HTTP by outgoing.rs",
        "HTTP by webhook.rs",
        "PostgreSQL by db/mod.rs",
        "SMTP by mail/transport.rs",
        "TCP by mail/transport.rs",
    ];
    assert_eq!(clients, right.map(str::to_owned).into());
}

/// ASVS 15.2.1: what is built with a component that has a known hole does not pass.
#[test]
fn known_holes_of_components_stop_the_tests() {
    let steps = read("scripts/test.sh");
    assert!(steps.lines().any(|line| line == "step 'dependencies' scripts/deny.sh"), "it is a step of the tests");
    let script = read("scripts/deny.sh");
    assert!(script.lines().any(|line| line == "deny check advisories") && script.contains("deny check bans licenses sources"));
    let rules: toml::Value = toml::from_str(&read("deny.toml")).unwrap();
    assert_eq!(rules["advisories"]["yanked"].as_str(), Some("deny"));
    assert_eq!(rules["advisories"]["maximum-db-staleness"].as_str(), Some("P90D"));
    for ignored in rules["advisories"]["ignore"].as_array().unwrap() {
        assert!(ignored["reason"].as_str().is_some_and(|reason| reason.len() > 40), "{ignored}: why");
    }
}

/// ASVS 13.2.2: where the files of deploy/ run it, it may do little on its machine. A tool looks at them, too
/// (scripts/check_deploy.py).
#[test]
fn the_deployment_files_take_rights_away() {
    for (file, words) in [
        (
            "deploy/org-portal.service",
            &["NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "PrivateUsers=yes", "SystemCallFilter=~@privileged"]
                [..],
        ),
        ("deploy/org-portal-backup.service", &["NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="]),
        ("deploy/Containerfile", &["USER 10001:10001"]),
        (
            "deploy/kubernetes.yaml",
            &["runAsNonRoot: true", "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false", "capabilities: {drop: [ALL]}"],
        ),
    ] {
        let text = read(file);
        for word in words {
            assert!(text.lines().any(|line| line.trim().trim_start_matches("- ") == *word), "{file}: {word}");
        }
    }
    assert!(read("scripts/test.sh").contains("scripts/check_deploy.py deploy"));
}

/// ASVS 13.2.3, 13.3.1: no secret stands in the program, and none has a value where nothing is said.
#[test]
fn no_option_that_is_a_secret_has_a_value_by_itself() {
    let secrets: Vec<_> = OPTIONS.iter().filter(|option| option.secret).collect();
    assert!(secrets.len() >= 6, "{secrets:?}");
    for option in secrets {
        assert!(option.default.is_empty() || (option.key == "database_url" && !option.default.contains('@')), "{}", option.key);
    }
    for option in OPTIONS
        .iter()
        .filter(|option| ["password", "secret", "token"].iter().any(|word| option.key.contains(word)) && !option.key.ends_with("_rate"))
    {
        assert!(option.secret, "{} is shown", option.key);
    }
}

/// ASVS 15.1.2: every crate is named with its version and checksum, and comes from the one registry.
#[test]
fn every_component_is_in_the_inventory_with_where_it_comes_from() {
    let lock: toml::Table = read("Cargo.lock").parse().expect("TOML");
    let packages = lock["package"].as_array().expect("packages");
    assert!(packages.len() > 200, "{}", packages.len());
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let text = |key: &str| package.get(key).and_then(toml::Value::as_str).unwrap_or_default();
        if name == "org-portal" {
            assert!(package.get("source").is_none(), "the program itself");
            continue;
        }
        assert_eq!(text("source"), "registry+https://github.com/rust-lang/crates.io-index", "{name}");
        assert_eq!(text("checksum").len(), 64, "{name}");
        assert!(!text("version").is_empty(), "{name}");
    }
    // The tools of the browser's tests, likewise.
    let lock: serde_json::Value = serde_json::from_str(&read("end2end/package-lock.json")).expect("JSON");
    for (name, package) in lock["packages"].as_object().expect("packages").iter().filter(|(name, _)| !name.is_empty()) {
        assert!(package["integrity"].as_str().is_some_and(|sum| sum.starts_with("sha512-")), "{name}");
    }
    let deny = read("deny.toml");
    for rule in ["unknown-registry = \"deny\"", "unknown-git = \"deny\"", "yanked = \"deny\""] {
        assert!(deny.contains(rule), "{rule}");
    }
}

/// ASVS 6.1.2, 6.1.3, 7.1.2, 8.1.2, 11.1.1, 14.1.2, 15.1.1, 15.1.3, 16.1.1: each has its place.
#[test]
fn every_rule_that_is_to_be_written_down_is() {
    let page = read("docs/security-rules.md");
    for (heading, words) in [
        ("## Passwords", &["portal's name", "first and last name", "e-mail address", "leak"][..]),
        ("## Ways to sign in", &["password", "`/v1/auth/SignIn`", "token", "PMM server", "second factor"]),
        ("## Sessions", &["as many sessions", "NIST SP 800-63B"]),
        ("## Who may see and change what", &["permission table", "Internal notes", "reason of a lock", "own role"]),
        ("## Keys and cryptography", &["key file", "rotate", "compromised"]),
        ("## What is costly", &["Hashing", "Export", "Import"]),
        ("## Components", &["critical", "high", "days"]),
        ("## Logs", &["standard error", "`audit_events`", "metrics", "UTC"]),
    ] {
        let section: String = page
            .split("\n## ")
            .find(|section| format!("## {section}").starts_with(&format!("{heading}\n")))
            .unwrap_or_else(|| panic!("{heading} is missing"))
            .to_owned();
        for word in words {
            assert!(section.contains(word), "{heading} does not speak of {word}");
        }
    }
    // The words that are tried first are those that a password is compared with.
    let judge = sources().into_iter().find(|(name, _)| name == "accounts/actions.rs").expect("there").1;
    assert!(judge.contains("passwords::judge(password, &[email.as_str(), first_name, last_name, &portal.config.portal_name])"));
}
