//! Rules on the source text that the compiler does not hold (`DESIGN.md` §3, §6, `SECURITY.md` 0.4, 5.1).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The rooms. Every other module is the house.
const ROOMS: [&str; 17] = [
    "accounts",
    "activity",
    "api",
    "customers",
    "desk",
    "factors",
    "getting_started",
    "identities",
    "invitations",
    "members",
    "oauth",
    "operator",
    "organizations",
    "pmm",
    "scim",
    "sessions",
    "tickets",
];

/// Modules of the house that name rooms, and why.
const COMPOSITION_ROOTS: &[(&str, &str)] = &[
    ("lib.rs", "the list of modules"),
    ("routes.rs", "the one table of pages and functions"),
    ("server.rs", "its session layer asks the sessions' room who comes, and leads to the factors' room who has to go there first"),
    ("maintenance.rs", "calls what each room forgets from time to time"),
];

/// Files that may send statements: stores, and the parts of the house that own tables.
const SENDERS: &[&str] = &[
    "audit.rs",
    "db/migrations.rs",
    "db/mod.rs",
    "db/tables.rs",
    "dev_mail.rs",
    "guard.rs",
    "limits.rs",
    "list/sql.rs",
    "live/changes.rs",
    "mail/worker.rs",
    "maintenance.rs",
    "outbox.rs",
    "portal.rs",
    "webhook.rs",
];

/// Where `expect` is right in the program: file and how often.
const EXPECTED: &[(&str, usize)] = &[("secrets.rs", 1)];

struct Source {
    /// Below `src`, with slashes.
    name: String,
    /// As it is written.
    text: String,
    /// Without comments, the insides of texts, and what is only for tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    list(&root, &mut files);
    files.sort();
    assert!(files.len() > 50, "{}", files.len());
    files
        .into_iter()
        .map(|file| {
            let name = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            let text = fs::read_to_string(&file).unwrap();
            let code = without_tests(&without_texts(&text));
            Source { name, text, code }
        })
        .collect()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The code with comments and the insides of texts blanked out; lines stay where they are.
fn without_texts(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let blank = |out: &mut String, c: char| out.push(if c == '\n' { '\n' } else { ' ' });
    while i < chars.len() {
        let rest = |n: usize| chars.get(i + n).copied().unwrap_or('\0');
        let c = chars[i];
        let word_before = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
        if c == '/' && rest(1) == '/' {
            while i < chars.len() && chars[i] != '\n' {
                out.push(' ');
                i += 1;
            }
        } else if c == '/' && rest(1) == '*' {
            while i < chars.len() && !(chars[i] == '*' && chars.get(i + 1) == Some(&'/')) {
                blank(&mut out, chars[i]);
                i += 1;
            }
            out.push_str("  ");
            i += 2;
        } else if c == 'r' && !word_before && (rest(1) == '"' || (rest(1) == '#' && (rest(2) == '"' || rest(2) == '#'))) {
            let mut hashes = 0;
            while rest(1 + hashes) == '#' {
                hashes += 1;
            }
            let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let mut j = i + 2 + hashes;
            while j < chars.len() && !chars[j..].iter().take(end.len()).copied().eq(end.chars()) {
                j += 1;
            }
            for c in &chars[i..(j + end.len()).min(chars.len())] {
                blank(&mut out, *c);
            }
            i = j + end.len();
        } else if c == '"' {
            out.push('"');
            i += 1;
            while i < chars.len() && chars[i] != '"' {
                if chars[i] == '\\' {
                    out.push(' ');
                    i += 1;
                }
                blank(&mut out, chars.get(i).copied().unwrap_or(' '));
                i += 1;
            }
            out.push('"');
            i += 1;
        } else if c == '\'' && (rest(2) == '\'' || (rest(1) == '\\' && (2..12).any(|n| rest(n) == '\''))) {
            // A character, not a lifetime.
            out.push(' ');
            i += 1;
            if chars[i] == '\\' {
                out.push(' ');
                i += 1;
            }
            out.push(' ');
            i += 1;
            while i < chars.len() && chars[i] != '\'' {
                out.push(' ');
                i += 1;
            }
            out.push(' ');
            i += 1;
        } else {
            out.push(c);
            i += 1;
        }
    }
    out
}

/// The code without items for tests alone.
fn without_tests(code: &str) -> String {
    let mut code = code.to_owned();
    while let Some(start) = code.find("#[cfg(test)]") {
        let open = start + code[start..].find('{').expect("a module");
        let mut depth = 0;
        let end = code[open..].char_indices().find_map(|(at, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(open + at + 1)
        });
        let end = end.expect("a module ends");
        let lines: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &lines);
    }
    code
}

/// Whether a word stands in code as a word.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let part_of = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part_of(code[..at].chars().next_back()) && !part_of(code[at + word.len()..].chars().next())
    })
}

/// The modules of the crate that a file names: `crate::a::…` and `use crate::{a, b::c}`.
fn modules_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut at_start = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => at_start = true,
                    c if c.is_alphanumeric() || c == '_' => {
                        if depth == 0 && at_start {
                            word.push(c);
                        }
                        continue;
                    }
                    _ => {}
                }
                if !word.is_empty() {
                    named.insert(std::mem::take(&mut word));
                    at_start = false;
                }
                if c == ',' && depth == 0 {
                    at_start = true;
                }
            }
            if !word.is_empty() {
                named.insert(word);
            }
        } else {
            named.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    named
}

fn room_of(name: &str) -> Option<&str> {
    name.split_once('/').map(|(folder, _)| folder).filter(|folder| ROOMS.contains(folder))
}

#[test]
fn the_scanner_sees_code_and_nothing_else() {
    let code = without_tests(&without_texts(
        "let a = \"unsafe \\\" x\"; // unsafe\nlet b = r#\"unsafe\"#; let c = 'x'; let d: &'static str = e; /* unsafe */ f('\\'', '\"');\n#[cfg(test)]\nmod tests { fn g() { h.unwrap() } }\nlet z = 1;",
    ));
    assert!(!has_word(&code, "unsafe"), "{code}");
    assert!(code.contains("'static str") && code.contains("let z = 1") && !code.contains("unwrap"), "{code}");
    let named = modules_named("use crate::{\n a::b, c, d::{e, f::g}, h\n}; crate::i::j() use crate::k; $crate::l");
    assert_eq!(named.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "c", "d", "h", "i", "k"]);
}

#[test]
fn the_rooms_are_the_folders_that_lib_names_as_rooms() {
    let lib = &sources().into_iter().find(|source| source.name == "lib.rs").unwrap().text;
    let rooms = lib.split("// The rooms").nth(1).and_then(|rest| rest.split("// The house, the server").next()).expect("the two headings");
    let named: BTreeSet<&str> = rooms.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(named, ROOMS.into_iter().collect());
}

#[test]
fn there_is_no_unsafe_code() {
    let wrong: Vec<String> = sources().into_iter().filter(|source| has_word(&source.code, "unsafe")).map(|source| source.name).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn nothing_a_user_does_can_stop_the_program() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (call, allowed) in [
            (".unwrap()", 0),
            (".expect(", EXPECTED.iter().find(|(name, _)| *name == source.name).map_or(0, |(_, n)| *n)),
            ("panic!(", 0),
            ("todo!(", 0),
            ("unimplemented!(", 0),
            ("unreachable!(", 0),
            (".unwrap_err()", 0),
            (".expect_err(", 0),
        ] {
            let n = source.code.matches(call).count();
            if n != allowed {
                wrong.push(format!("{}: {n} × {call}", source.name));
            }
        }
        assert_eq!(
            source.text.matches("clippy::expect_used").count(),
            EXPECTED.iter().find(|(name, _)| *name == source.name).map_or(0, |(_, n)| *n),
            "{}",
            source.name
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_house_does_not_know_the_rooms_but_for_the_composition_roots() {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for source in sources() {
        if room_of(&source.name).is_some() || source.name.starts_with("cli/") {
            continue;
        }
        for module in modules_named(&source.code) {
            if ROOMS.contains(&module.as_str()) {
                used.insert(source.name.clone());
                if !COMPOSITION_ROOTS.iter().any(|(root, _)| *root == source.name) {
                    wrong.push(format!("{} names {module}", source.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (root, _) in COMPOSITION_ROOTS.iter().filter(|(root, _)| *root != "lib.rs") {
        assert!(used.contains(*root), "{root} names no room any more");
    }
}

#[test]
fn statements_stand_in_stores_and_with_the_houses_owners_of_tables() {
    let mut wrong = Vec::new();
    for source in sources() {
        let allowed = (room_of(&source.name).is_some() && source.name.ends_with("/store.rs")) || SENDERS.contains(&source.name.as_str());
        let sends = ["sql!(", "sqlx::query", "query_as", "query_scalar", "QueryBuilder", "raw_sql", "AssertSqlSafe", ".execute(&"]
            .into_iter()
            .find(|call| source.code.contains(call));
        if let (Some(call), false) = (sends, allowed) {
            wrong.push(format!("{}: {call}", source.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn models_islands_and_functions_are_for_both_sides() {
    for source in sources() {
        let file = source.name.rsplit('/').next().unwrap_or_default();
        if room_of(&source.name).is_none() {
            continue;
        }
        let forbidden: &[&str] = match file {
            "model.rs" => &["sqlx", "axum", "tokio", "regex", "chrono", "async", "std::fs", "crate::db"],
            "islands.rs" => &["sqlx", "axum", "tokio"],
            "functions.rs" => &["sqlx", "axum", "sql!"],
            // A page is a pure view: it asks neither the database nor the clock.
            "pages.rs" => &["sqlx", "axum", "async", "crate::db", ".await"],
            // A page's handler and a store hold no rule about who may.
            "store.rs" => &["leptos", "axum", "Refusal", "Caller"],
            "actions.rs" | "import.rs" => &["sqlx::query", "sql!", "leptos::view", "view!"],
            _ => &[],
        };
        for word in forbidden {
            assert!(!has_word(&source.code, word) || word.starts_with('.'), "{} names {word}", source.name);
            assert!(!word.starts_with('.') || !source.code.contains(word), "{} holds {word}", source.name);
        }
    }
}

/// Leptos 0.8 writes what stands in a `<textarea>`, `<script>` or `<style>` without escaping it (`SECURITY.md` 0.4).
#[test]
fn nothing_is_written_into_elements_that_are_not_escaped() {
    for source in sources() {
        for element in ["<textarea", "<script", "<style"] {
            // The one component that escapes its content itself, and the script that is the program's own file.
            let own = match element {
                "<textarea" => source.name.ends_with("ui/form.rs"),
                "<script" => source.name.ends_with("shell.rs"),
                _ => false,
            };
            let own = usize::from(own);
            assert_eq!(source.code.matches(element).count(), own, "{}: {element}", source.name);
        }
        // What is put in as HTML is the program's own, or escaped on the spot.
        for line in source.code.lines().filter(|line| line.contains("inner_html=")) {
            let right = [
                "inner_html=icons::",
                "inner_html=inner",
                "inner_html=escaped(",
                "inner_html=drawing",
                "inner_html=markdown::html(",
                "inner_html=start_script",
            ]
            .iter()
            .any(|own| line.contains(own));
            assert!(right, "{}: {line}", source.name);
        }
    }
}

/// A function that takes its arguments from the address could be called by a link from anywhere.
#[test]
fn every_server_function_is_posted_below_one_prefix() {
    let mut n = 0;
    for source in sources() {
        for line in source.text.lines().filter(|line| line.trim_start().starts_with("#[server")) {
            n += 1;
            assert!(line.contains("prefix = \"/do\"") && line.contains("endpoint = \""), "{}: {line}", source.name);
            assert!(
                !line.contains("GetUrl") && !line.contains("GetCbor") && !line.contains("Streaming") && !line.contains("Websocket"),
                "{}: {line}",
                source.name
            );
            assert!(source.name.ends_with("/functions.rs") && room_of(&source.name).is_some(), "{}: {line}", source.name);
        }
    }
    assert!(n >= 26, "{n}");
}

/// Files that one room alone has, and why.
const MORE_FILES: &[(&str, &str)] = &[
    ("api/calls.rs", "the calls, each a thin door over an action or a store"),
    ("api/door.rs", "what every call passes: who calls, with which right, what was sent"),
    ("api/openapi.rs", "the document of all calls, made from their table and types"),
    ("api/problem.rs", "refusals as programs read them"),
    ("desk/client.rs", "what the instance is asked, and how"),
    ("desk/mirror.rs", "what comes of cases, and what brings tickets there"),
    ("factors/passkeys.rs", "passkeys, as the library for WebAuthn has them"),
    ("factors/totp.rs", "one-time codes as the standard says, and what apps read of them"),
    ("pmm/contact.rs", "what is noted in memory, and the worker that writes it"),
    ("pmm/tokens.rs", "the use cases of tokens, beside those of servers"),
    ("oauth/endpoints.rs", "what programs call, in OAuth's own words"),
    ("oauth/keys.rs", "the keys by which the portal signs, and their rotation"),
    ("oauth/request.rs", "the authorization request, read as the standards say"),
    ("oauth/tokens.rs", "bearer tokens, for whoever asks with one"),
    ("scim/discovery.rs", "what the interface says of itself, as the standard asks"),
    ("scim/door.rs", "what every request passes: the token, how often, what was sent"),
    ("scim/filter.rs", "the standard's language of filters and paths"),
    ("scim/patch.rs", "the standard's language of changes"),
    ("desk/sync.rs", "a use case that is many units, and the worker that does it"),
];

/// A file of a room is one of those that `DESIGN.md` names.
#[test]
fn rooms_hold_the_files_that_a_room_has() {
    for source in sources() {
        if room_of(&source.name).is_some() {
            let file = source.name.split_once('/').map_or("", |(_, file)| file);
            assert!(
                ["mod.rs", "model.rs", "functions.rs", "islands.rs", "pages.rs", "web.rs", "actions.rs", "import.rs", "store.rs"]
                    .contains(&file)
                    || MORE_FILES.iter().any(|(more, _)| *more == source.name),
                "{}",
                source.name
            );
        }
    }
}

/// Every function of the tests and of the program, by name, and every browser test, by its title.
fn tests_that_there_are() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    list(&root.join("src"), &mut files);
    list(&root.join("tests"), &mut files);
    let mut there: BTreeSet<String> = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        there.extend(text.split("fn ").skip(1).map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()));
    }
    for entry in fs::read_dir(root.join("end2end")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().ends_with(".spec.ts") {
            let text = fs::read_to_string(path).unwrap();
            there.extend(text.split("test('").skip(1).filter_map(|rest| rest.split('\'').next().map(str::to_owned)));
        }
    }
    there
}

/// For each threat the model names what shows that something stands against it.
#[test]
fn the_threat_model_names_tests_that_there_are() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).unwrap();
    let there = tests_that_there_are();
    let (mut threats, mut wrong) = (0, Vec::new());
    for line in text.split("## Being somebody else").nth(1).unwrap().lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() != 5 || cells[1] == "Threat" || cells[1].starts_with("---") {
            continue;
        }
        threats += 1;
        let named: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        wrong.extend(
            named.iter().filter(|name| !there.contains(**name) && **name != "make test").map(|name| format!("there is no test {name}")),
        );
        if named.is_empty() {
            wrong.push(format!("nothing shows what stands against: {}", cells[1]));
        }
    }
    assert!(threats > 35 && wrong.is_empty(), "{threats} threats: {wrong:#?}");
}
