//! Properties that hold for whatever comes: reading what people type, walking through a list that changes meanwhile, and
//! an organization that never loses its last Admin.
#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use org_portal::{
    form::is_own_path,
    list::{Count, ListQuery},
    members::actions,
    permissions::Role,
    scim::{
        filter::{Filter, Key},
        patch,
    },
    words::{AccountId, Email, FirstName, OrganizationName, fold},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use support::*;

/// Texts of the words that filters and paths are made of.
fn filter_like() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("userName"),
        Just("emails"),
        Just("emails.value"),
        Just("[type"),
        Just("value"),
        Just("]"),
        Just("active"),
        Just("externalId"),
        Just("eq"),
        Just("ne"),
        Just("co"),
        Just("sw"),
        Just("gt"),
        Just("le"),
        Just("pr"),
        Just("and"),
        Just("or"),
        Just("not"),
        Just("("),
        Just(")"),
        Just("\"work\""),
        Just("\"a\""),
        Just("true"),
        Just("null"),
        Just("1.5"),
        Just("\""),
        Just("\\"),
        Just("."),
        Just("urn:x:y"),
        Just("é"),
    ];
    proptest::collection::vec(word, 0..14).prop_map(|words| words.join(" ").replace(" [", "[").replace("] .", "]."))
}

proptest! {
    #[test]
    fn reading_never_panics_and_what_is_read_is_read_again(text in any::<String>()) {
        if let Ok(email) = Email::parse(&text) {
            prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
            prop_assert!(email.as_str().parse::<lettre::Address>().is_ok(), "{} can be sent to", email);
        }
        if let Ok(name) = OrganizationName::parse(&text) {
            prop_assert_eq!(OrganizationName::parse(name.as_str()), Ok(name.clone()));
            prop_assert!((1..=255).contains(&name.as_str().chars().count()));
            prop_assert!(!name.as_str().chars().any(char::is_control));
        }
        let _ = (FirstName::parse(&text), fold(&text));
        if is_own_path(&text) {
            prop_assert!(text.starts_with('/') && !text.starts_with("//") && !text.contains(['\\', '\n', '\r']));
            prop_assert!(text.parse::<http::Uri>().is_ok());
        }
    }

    #[test]
    fn no_filter_path_or_change_of_an_identity_systems_panics(text in filter_like(), other in any::<String>(), value in "[a-z0-9 @.]{0,12}") {
        let resource = serde_json::json!({ "userName": value, "active": true, "emails": [{ "value": value, "type": "work" }] });
        for text in [&text, &other] {
            if let Ok(filter) = Filter::parse(text) {
                let (holds, keys) = (filter.matches(&resource), filter.keys());
                prop_assert_eq!(Filter::Not(Box::new(filter.clone())).matches(&resource), !holds);
                // What is looked up by a key is all that there is.
                if let (true, Some(keys)) = (holds, keys) {
                    prop_assert!(keys.contains(&Key::Email(value.to_lowercase())), "{}: {:?}", text, keys);
                }
            }
            let operations = serde_json::json!({ "Operations": [{ "op": "Add", "path": text, "value": value }, { "op": "remove", "path": text }] });
            if let Ok(operations) = patch::read(&operations) {
                let mut changed = resource.clone();
                let _ = patch::apply(&mut changed, &operations);
                prop_assert!(changed.is_object());
            }
        }
        // Whoever is meant by an address alone is found by it.
        let quoted = serde_json::to_string(&value).unwrap();
        let filter = format!("userName eq {quoted}");
        prop_assert!(Filter::parse(&filter).unwrap().matches(&resource));
    }

    #[test]
    fn addresses_of_the_common_kind_are_read(local in "[a-z0-9._%+-]{1,20}", host in "[a-z0-9]{1,12}(-[a-z0-9]{1,5})?", top in "[a-z]{2,10}") {
        prop_assume!(!local.starts_with('.') && !local.ends_with('.') && !local.contains(".."));
        let address = [local.as_str(), "@", &host, ".", &top].concat();
        prop_assert!(Email::parse(&address).is_ok());
    }

    #[test]
    fn a_query_is_written_and_read_alike(q in "[^\\p{C}]{0,40}", sort in "[a-z]{0,10}", descending in any::<Option<bool>>(), after in "[A-Za-z0-9_-]{0,60}") {
        let filters = vec![("role".to_owned(), "Admin".to_owned())];
        let query = ListQuery { q: q.split_whitespace().collect::<Vec<_>>().join(" "), sort, descending, filters, after, before: String::new() };
        let url = query.to_url();
        let read = ListQuery::parse(url::form_urlencoded::parse(url.trim_start_matches('?').as_bytes()).into_owned(), &["role"]);
        prop_assert_eq!(read, query);
    }
}

/// A source of choices that is the same in each run.
fn runner(seed: u8) -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

fn any_of<S: Strategy>(runner: &mut TestRunner, strategy: S) -> S::Value {
    strategy.new_tree(runner).expect("a value").current()
}

/// A member that is there only for the list; its account as well.
fn member(portal: &TestPortal, organization: &str, n: u64, name: &str, role: &str) -> [String; 2] {
    let id = portal.engine.literal(uuid::Uuid::from_u128(0xabc0_0000 + u128::from(n)));
    let (key, email) = (fold(name), format!("member{n}@example.com"));
    [
        format!(
            "INSERT INTO accounts (id, email, email_key, first_name, last_name, created_at) VALUES ({id}, '{email}', '{email}', 'x', '', 1)"
        ),
        format!(
            "INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at) VALUES ({id}, {organization}, {id}, '{role}', 'creation', {}, '{name}', '{key}', '{email}', '{email}', {})",
            n % 7,
            n % 5
        ),
    ]
}

on_both! {
    async fn walking_through_a_list_meets_every_member_that_stays_exactly_once(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        drop(ada);
        let organization = portal.organization_of("ada").await;
        let literal = portal.engine.literal(organization.0);
        let mut runner = runner(7);
        for n in 0..170 {
            // Names that are alike and names that sort oddly.
            let name = any_of(&mut runner, prop_oneof!["[a-c]{0,2}", "[A-Z][a-zäöüéß]{1,8} [A-Z]{1,3}", Just("same".to_owned())]);
            for statement in member(portal, &literal, n, &name, if n % 9 == 0 { "Admin" } else { "Technical user" }) {
                portal.execute(&statement).await;
            }
        }
        let stay: Vec<String> = portal.rows("SELECT email FROM members").await.into_iter().map(|row| row[0].clone()).collect();
        let mut next = 1000;
        for sort in ["name", "email", "role", "joined", "active"] {
            for (descending, backward) in [(false, false), (true, false), (false, true)] {
                let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                let mut query = ListQuery { sort: sort.to_owned(), descending: Some(descending), ..ListQuery::default() };
                if backward {
                    // From the last page to the first.
                    loop {
                        let page = load(portal, organization, &query).await;
                        match page.next { Some(cursor) => query.after = cursor, None => break }
                    }
                }
                loop {
                    let page = load(portal, organization, &query).await;
                    for row in &page.rows {
                        *seen.entry(row.email.clone()).or_default() += 1;
                    }
                    let cursor = if backward { page.previous } else { page.next };
                    let Some(cursor) = cursor else { break };
                    (query.after, query.before) = if backward { (String::new(), cursor) } else { (cursor, String::new()) };
                    // Somebody comes, and somebody who came goes.
                    let name = any_of(&mut runner, "[a-zA-Z]{1,6}");
                    for statement in member(portal, &literal, next, &name, "Technical user") {
                        portal.execute(&statement).await;
                    }
                    if next % 2 == 1 {
                        portal.execute(&format!("DELETE FROM members WHERE email = 'member{}@example.com'", next - 1)).await;
                    }
                    next += 1;
                }
                for email in &stay {
                    assert_eq!(seen.get(email), Some(&1), "{email} by {sort}, descending {descending}, backward {backward}");
                }
            }
        }
    }

    async fn whatever_the_members_do_an_admin_stays_and_the_counters_count(portal) {
        let [ada, bob, carol] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::Admin), ("carol", Role::TechnicalUser)]).await;
        let people = [("ada", &ada), ("bob", &bob), ("carol", &carol)];
        let organization = portal.organization_of("ada").await;
        let mut runner = runner(11);
        for step in 0..60 {
            let (who, whom, what) = (any_of(&mut runner, 0..3_usize), any_of(&mut runner, 0..3_usize), any_of(&mut runner, 0..5_usize));
            let column = portal.engine.hex("m.id");
            let target = portal.rows(&format!("SELECT {column} FROM members m WHERE m.email_key = '{}@example.com'", people[whom].0)).await;
            let target = target.first().map_or_else(|| uuid::Uuid::nil().to_string(), |row| uuid(&row[0]).to_string());
            let call = |endpoint, pairs: Vec<(&'static str, String)>| {
                let browser = people[who].1;
                async move {
                    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    browser.call_in(organization, endpoint, &pairs).await.status
                }
            };
            let status = match what {
                0 => call("leave_organization", vec![]).await,
                1 => call("remove_member", vec![("form[member]", target)]).await,
                2 | 3 => {
                    let role = if what == 2 { "Admin" } else { "Technical user" };
                    call("change_role", vec![("form[member]", target), ("form[role]", role.to_owned())]).await
                }
                // Whoever went comes back, so that there is something left to do.
                _ => {
                    let inviter = if portal.count("SELECT count(*) FROM members WHERE email_key = 'ada@example.com'").await == 1 { &ada } else { people[who].1 };
                    let email = format!("{}@example.com", people[whom].0);
                    inviter.call_in(organization, "invite_member", &[("form[email]", &email), ("form[role]", "Technical user")]).await;
                    let column = portal.engine.hex("id");
                    let waiting = portal.rows(&format!("SELECT {column} FROM invitations WHERE email_key = '{email}' AND state = 'pending'")).await;
                    match waiting.first() {
                        Some(row) => people[whom].1.call("accept_invitation", &[("invitation", &uuid(&row[0]).to_string())]).await.status,
                        None => 200,
                    }
                }
            };
            assert!(status < 500, "step {step}: {status}");
            let members = portal.count("SELECT count(*) FROM members").await;
            assert!(portal.count("SELECT count(*) FROM members WHERE role = 'Admin'").await >= 1, "step {step}: an Admin stays");
            assert_eq!(portal.count("SELECT members_count FROM organizations").await, members, "step {step}");
            let pending = portal.count("SELECT count(*) FROM invitations WHERE state = 'pending'").await;
            assert_eq!(portal.count("SELECT invitations_count FROM organizations").await, pending, "step {step}");
        }
    }
}

on_both! {
    /// What is done to several at once is what is done to each alone, one after the other: the same members with the same
    /// roles, and the same answer for each.
    async fn several_at_once_come_to_the_same_as_one_after_the_other(portal) {
        let admins = [("ada", Role::Admin), ("bob", Role::Admin), ("carol", Role::TechnicalUser), ("dan", Role::TechnicalUser)];
        let second = TestPortal::start(portal.engine, Options::default()).await;
        let [ada, ..] = portal.organization_with("Acme", admins).await;
        let [twin, ..] = second.organization_with("Acme", admins).await;
        let organizations = [portal.organization_of("ada").await, second.organization_of("ada").await];
        let names = ["ada", "bob", "carol", "dan"];
        let mut ids = Vec::new();
        for name in names {
            ids.push([portal.member_of(name).await.to_string(), second.member_of(name).await.to_string()]);
        }
        ids.push([uuid::Uuid::nil().to_string(), uuid::Uuid::nil().to_string()]);
        let state = async |portal: &TestPortal| portal.rows("SELECT email, role FROM members ORDER BY email").await;
        let mut runner = runner(5);
        for step in 0..40 {
            let chosen = any_of(&mut runner, prop::collection::btree_set(0..ids.len(), 1..=ids.len()));
            let role = any_of(&mut runner, prop_oneof![Just("Admin"), Just("Technical user")]);
            // Removing comes last: nobody comes back.
            let removes = step >= 36;
            let pairs: Vec<(&str, &str)> = chosen.iter().map(|n| ("form[members][]", ids[*n][0].as_str())).chain([("form[role]", role)]).collect();
            let several = ada.call_in(organizations[0], if removes { "remove_members" } else { "change_roles" }, &pairs).await;
            let refused = several.value.get("Partly").and_then(|partly| partly["refused"].as_array().map(Vec::len)).unwrap_or(0);
            let mut alone = 0;
            for n in &chosen {
                let pairs = [("form[member]", ids[*n][1].as_str()), ("form[role]", role)];
                let call = twin.call_in(organizations[1], if removes { "remove_member" } else { "change_role" }, &pairs).await;
                alone += usize::from(call.status != 200);
            }
            assert_eq!(refused, alone, "step {step}: {}", several.text);
            assert_eq!(several.status, if alone == 0 { 200 } else { 409 }, "step {step}: {}", several.text);
            assert_eq!(state(portal).await, state(&second).await, "step {step}");
        }
        second.close().await;
    }

    /// Whatever people are called, the export read by another program is the list.
    async fn the_export_reads_back_to_the_list(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let literal = portal.engine.literal(portal.organization_of("ada").await.0);
        let mut runner = runner(3);
        for n in 0..60 {
            let name = any_of(&mut runner, "[-=+@\\\\a-zA-Z0-9\"',;|% äßё漢🙂\u{202a}]{1,12}");
            for statement in member(portal, &literal, n, &name.replace('\'', "''"), if n % 4 == 0 { "Admin" } else { "Technical user" }) {
                portal.execute(&statement).await;
            }
        }
        portal.execute("UPDATE organizations SET members_count = 61").await;
        let organization = portal.organization_of("ada").await;
        for query in ["", "sort=email&order=desc", "role=Admin", "sort=joined", "q=member1"] {
            let parsed = ListQuery::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned(), &["role", "state"]);
            let (mut list, mut at) = (Vec::new(), parsed.clone());
            loop {
                let page = load(portal, organization, &at).await;
                let rows = page.rows.into_iter().map(|row| [row.name, row.email, row.role.name().to_owned(), row.joined_at.rfc3339(), row.last_active_at.rfc3339()]);
                list.extend(rows);
                match page.next { Some(cursor) => at.after = cursor, None => break }
            }
            let answer = ada.get(&format!("/organization/members.csv?{query}")).await.is(200);
            let mut reader = csv::Reader::from_reader(answer.body.as_slice());
            let read: Vec<[String; 5]> = reader
                .records()
                .map(|record| {
                    let mut fields = record.expect("a line").iter().map(str::to_owned).collect::<Vec<_>>();
                    // The apostrophe before what a spreadsheet would take for a formula.
                    if let Some(name) = fields[0].strip_prefix('\'').filter(|name| name.starts_with(['=', '+', '-', '@'])) {
                        fields[0] = name.to_owned();
                    }
                    fields.try_into().expect("five fields")
                })
                .collect();
            assert_eq!(read, list, "{query}");
            assert!(!list.is_empty());
        }
    }
}

async fn load(portal: &TestPortal, organization: org_portal::words::OrganizationId, query: &ListQuery) -> org_portal::members::MembersPage {
    let mut db = portal.db.read().await.expect("a connection");
    let page = actions::page(&mut db, organization, AccountId(uuid::Uuid::nil()), query, portal.clock.now(), 0).await.expect("a page");
    assert!(page.rows.len() <= org_portal::list::PAGE && matches!(page.count, Count::Exactly(_)));
    page
}
