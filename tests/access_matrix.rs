//! The access matrix: every page, every server function, every call of `/v1` and every address of the identity system × everybody who may come, from the one table
//! (`routes.rs`). A path without an entry fails, and so does an entry whose path is not walked.
#![cfg(feature = "ssr")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;

use org_portal::{
    permissions::Role,
    routes::{API, Access, ApiRoute, ENDPOINTS, FUNCTIONS, FunctionRoute, LIVE, OTHERS, PAGES, SCIM},
    words::OrganizationId,
};
use support::{Browser, Engine, Options, TestPortal};

/// Who comes.
struct Actor {
    name: &'static str,
    browser: Browser,
    signed_in: bool,
    /// The role in the organization that the calls are about.
    role: Option<Role>,
    /// Whether in another organization.
    elsewhere: bool,
    /// Whether an account that runs the portal.
    operator: bool,
}

struct Place {
    organization: OrganizationId,
    member: String,
    invitation: String,
    session: String,
    mail: String,
    ticket: String,
    file: String,
    account: String,
    customer: String,
    import: String,
    letter: String,
    server: String,
    token: String,
}

async fn actors(portal: &TestPortal) -> (Vec<Actor>, Place) {
    let [admin, technical, removed, _] = portal
        .organization_with(
            "Acme",
            [("admin", Role::Admin), ("tech", Role::TechnicalUser), ("removed", Role::Admin), ("bystander", Role::TechnicalUser)],
        )
        .await;
    let [other] = portal.organization_with("Other", [("other", Role::Admin)]).await;
    let nowhere = portal.sign_up("nowhere").await;
    // Signed in, and ended from another browser.
    let ended = portal.sign_in("admin").await;
    admin.fill("/account", "/do/end_other_sessions", &[]).await.is(303);
    // By the one with the lower role, so that it is theirs to manage as well as an Admin's.
    portal.invite(&technical, "invited@example.com", Role::TechnicalUser).await.is(303);
    let of_removed = portal.member_of("removed").await;
    admin.fill(&format!("/organization/members/{of_removed}/remove"), "/do/remove_member", &[]).await.is(303);
    // Of the Technical user: whoever raised it sees it, and the Admin.
    let form = technical.get("/organization/tickets/new").await.is(200).form("/do/raise_ticket");
    technical.submit_with(&form.with("subject", "Help").with("description", "Please"), &[("a.txt", b"a")]).await.is(303);
    // What the Technical user made and connected, so that it is theirs to end as well as an Admin's.
    technical.fill("/organization/servers/tokens/new", "/do/make_token", &[]).await.is(200);
    portal.connect_server(&technical, "a-server", "PMM").await;
    let operator = portal.operator("operator").await;
    // What there is to look at in the console: a customer, the import that brought it, and a mail that did not leave.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("customers.jsonl");
    std::fs::write(&file, r#"{"kind":"customer","number":"C1","name":"Acme"}"#).unwrap();
    org_portal::cli::import::import(&portal.portal, &file, &org_portal::cli::import::How::default()).await.unwrap();
    portal.deliver().await;
    portal.invite(&admin, "letter@example.com", Role::TechnicalUser).await.is(303);
    portal.execute("UPDATE outbox SET dead_at = 1, done_at = NULL WHERE created_at = (SELECT max(created_at) FROM outbox)").await;
    let id_of = async |what: &str| portal.text(&format!("SELECT {} FROM {what}", portal.engine.hex("id"))).await;
    let place = Place {
        account: id_of("accounts WHERE email_key = 'bystander@example.com'").await,
        customer: id_of("customers").await,
        import: id_of("imports").await,
        letter: id_of("outbox WHERE dead_at = 1").await,
        server: id_of("pmm_servers").await,
        token: id_of("api_tokens ORDER BY created_at LIMIT 1").await,
        organization: portal.organization_of("admin").await,
        member: portal.member_of("bystander").await.to_string(),
        invitation: portal.invitation_of("invited@example.com").await.to_string(),
        session: portal
            .text(&format!(
                "SELECT {} FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE a.email_key = 'bystander@example.com'",
                portal.engine.hex("s.id")
            ))
            .await,
        ticket: portal.text("SELECT number FROM tickets").await,
        file: portal.text(&format!("SELECT {} FROM ticket_attachments", portal.engine.hex("id"))).await,
        mail: {
            portal.deliver().await;
            portal.text(&format!("SELECT {} FROM kept_mails ORDER BY id LIMIT 1", portal.engine.hex("id"))).await
        },
    };
    let actor = |name, browser, signed_in, role, elsewhere| Actor { name, browser, signed_in, role, elsewhere, operator: false };
    let actors = vec![
        actor("anonymous", portal.browser(), false, None, false),
        actor("Admin", admin, true, Some(Role::Admin), false),
        actor("Technical user", technical, true, Some(Role::TechnicalUser), false),
        actor("member of another organization", other, true, None, true),
        actor("account without organization", nowhere, true, None, false),
        actor("removed member", removed, true, None, false),
        actor("signed out elsewhere", ended, false, None, false),
        Actor { operator: true, ..actor("operator", operator, true, None, false) },
    ];
    (actors, place)
}

/// What a page's path is for this walk.
fn path_of(path: &str, place: &Place) -> String {
    let ids = [
        ("{member}", &place.member),
        ("{invitation}", &place.invitation),
        ("{mail}", &place.mail),
        ("{organization}", &place.organization.to_string()),
        ("{account}", &place.account),
        ("{customer}", &place.customer),
        ("{import}", &place.import),
        ("{letter}", &place.letter),
        ("{server}", &place.server),
        ("{token}", &place.token),
        ("{ticket}", &place.ticket),
        ("{file}", &place.file),
    ];
    ids.into_iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
}

/// A call that does no harm: its arguments are there and wrong, so that who gets past the guard meets 422, or 404 of an
/// object that does not exist.
fn arguments(endpoint: &str, place: &Place) -> Vec<(&'static str, String)> {
    let nobody = uuid::Uuid::nil().to_string();
    match endpoint {
        "sign_up" => vec![("form[email]", String::new()), ("form[first_name]", String::new()), ("form[password]", String::new())],
        "verify_email" => vec![("form[token]", "x".into())],
        "forgot_password" => vec![("form[email]", String::new())],
        "reset_password" => vec![("form[token]", "x".into()), ("form[password]", String::new())],
        "change_password" => vec![("form[current_password]", String::new()), ("form[new_password]", String::new())],
        "change_email" => vec![("form[email]", String::new()), ("form[password]", String::new())],
        "undo_change" => vec![("form[token]", "x".into())],
        "confirm_email" => vec![("form[token]", "x".into())],
        "delete_account" => vec![("form[email]", String::new()), ("form[password]", String::new())],
        // The name that it has, which changes nothing; and one that it has not.
        "rename_organization" => vec![("form[name]", "Acme".into())],
        "delete_organization" => vec![("form[name]", "Another".into())],
        "change_name" => vec![("form[first_name]", String::new())],
        "finish_sign_in" => vec![("form[code]", String::new())],
        "add_app" => vec![("form[name]", String::new()), ("form[code]", String::new())],
        "begin_passkey" => vec![],
        "add_passkey" => vec![("form[name]", String::new())],
        "ask_passkey" => vec![],
        "use_passkey" => vec![("form[handle]", "x".into())],
        "remove_factor" => vec![("form[factor]", nobody)],
        "renew_recovery_codes" => vec![],
        "sign_in" => vec![("form[email]", String::new()), ("form[password]", String::new())],
        "allow_server" => vec![("form[request]", "x".into()), ("form[answer]", "allow".into())],
        "forget_server" => vec![("server", nobody)],
        "unlink_identity" => vec![("identity", nobody)],
        "end_session" => vec![("session", place.session.clone())],
        "choose_theme" => vec![("theme", "dark".into())],
        "add_organization" => vec![("form[name]", String::new())],
        "list_members" => vec![("query", String::new())],
        "change_role" => vec![("form[member]", nobody), ("form[role]", "Admin".into())],
        "remove_member" => vec![("form[member]", nobody)],
        "change_roles" => vec![("form[members][]", nobody), ("form[role]", "Admin".into())],
        "remove_members" => vec![("form[members][]", nobody)],
        "change_invitation_role" => vec![("form[invitation]", nobody), ("form[role]", "Admin".into())],
        "invite_member" => vec![("form[email]", "new@example.com".into()), ("form[role]", "Technical user".into())],
        "resend_invitation" | "revoke_invitation" | "accept_invitation" | "decline_invitation" => vec![("invitation", nobody)],
        // A file that is not there: whoever may raise a ticket is told so.
        "raise_ticket" => {
            vec![("form[subject]", "Help".into()), ("form[description]", "Please".into()), ("form[attachments][]", nobody)]
        }
        "make_token" => vec![("form[name]", "Nightly report".into())],
        "revoke_token" => vec![("token", nobody)],
        "disconnect_server" => vec![("server", "no-such-server".into())],
        "reply_to_ticket" => vec![("ticket", "T0".into()), ("form[body]", "Please".into())],
        "resolve_ticket" => vec![("ticket", "T0".into())],
        "answer_ticket" | "note_ticket" => vec![("ticket", "T0".into()), ("form[body]", "Please".into())],
        "change_ticket" => vec![("ticket", "T0".into()), ("form[stage]", "open".into()), ("form[priority]", "P3 - Normal".into())],
        // These change something for who may; they come last and have rules of their own below.
        "lock_account" => vec![("form[account]", nobody), ("form[reason]", "Spam".into())],
        "suspend_organization" => vec![("form[organization]", nobody), ("form[reason]", "Unpaid".into())],
        "remove_factors" => vec![("form[account]", nobody), ("form[reason]", "Lost".into())],
        "unlock_account" | "resume_organization" | "retry_mail" => vec![("form[id]", nobody)],
        "remind_administrator" | "join_organization" => vec![],
        "sign_out" | "end_other_sessions" | "leave_organization" => vec![],
        other => panic!("the access matrix does not know how to call {other}: add its arguments"),
    }
}

/// What the refusal of a call may be.
fn status_of(access: Access, actor: &Actor) -> &'static [u16] {
    match access {
        Access::Anyone | Access::Loopback => &[200, 422, 410],
        Access::SignedIn if !actor.signed_in => &[401],
        Access::SignedIn => &[200, 422, 404, 409, 410],
        // For others there is no such function; for operators no such object.
        Access::Operator => &[404],
        Access::Member(_) if !actor.signed_in => &[401],
        Access::Member(permission) => match actor.role {
            Some(role) if role.may(permission) => &[200, 404, 409, 422],
            Some(_) => &[403],
            // In another organization now: the form was drawn for one that is not theirs.
            None if actor.elsewhere => &[409],
            None => &[404],
        },
    }
}

async fn walk(engine: Engine) {
    let portal = TestPortal::start(engine, Options::default()).await;
    let (actors, place) = actors(&portal).await;
    let (mut cells, mut wrong) = (0, Vec::new());

    // Pages.
    let nothing: Vec<_> = {
        let mut all = Vec::new();
        for actor in &actors {
            all.push(actor.browser.get("/no-such-page").await.is(404));
        }
        all
    };
    for page in PAGES {
        for (actor, nothing) in actors.iter().zip(&nothing) {
            // It ends the session: who is signed in does not come along here.
            if page.path == "/login/signout" && actor.signed_in {
                continue;
            }
            cells += 1;
            let path = path_of(page.path, &place);
            let answer = actor.browser.get(&path).await;
            let to_sign_in = answer.status == 303 && answer.location().starts_with("/sign-in?to=");
            let as_if_not_there = answer.status == 404
                && answer.normalized() == nothing.normalized()
                && answer.normalized_headers() == nothing.normalized_headers();
            let seen = answer.status == 200 || (answer.status == 303 && !to_sign_in);
            let right = match page.access {
                // A link without its secret is over.
                Access::Anyone => {
                    // And so is a request of no server.
                    seen || (answer.status == 400 && page.path == "/oauth2/authorize")
                        // Where no provider is configured there is no such page.
                        || (answer.status == 404 && page.path.starts_with("/sign-in/provider"))
                        || (answer.status == 410
                            && ["/verify-email", "/reset-password", "/confirm-email", "/invitation", "/undo"].contains(&page.path))
                }
                Access::Loopback => seen,
                Access::SignedIn => {
                    if actor.signed_in {
                        seen
                    } else {
                        to_sign_in
                    }
                }
                Access::Operator if actor.operator => seen,
                Access::Operator => as_if_not_there,
                Access::Member(permission) => match actor.role {
                    _ if !actor.signed_in => to_sign_in,
                    Some(role) if role.may(permission) => answer.status == 200,
                    Some(_) => as_if_not_there,
                    // Who is in another organization sees that one; an object of this one is none.
                    None if actor.elsewhere && !page.path.contains('{') => answer.status == 200,
                    None => as_if_not_there,
                },
            };
            if !right {
                wrong.push(format!("{path} for {}: {} {} {}", actor.name, answer.status, answer.location(), answer.sketch()));
            }
        }
    }

    // What programs call: who is signed in in a browser is nobody there.
    for endpoint in ENDPOINTS {
        let mut answers = Vec::new();
        for actor in &actors {
            cells += 1;
            let method = endpoint.methods.last().unwrap().clone();
            let answer = actor.browser.send(method, endpoint.path, &[], None).await;
            answers.push((answer.status, answer.html()));
        }
        if answers.iter().any(|answer| *answer != answers[0] || ![200, 400, 401].contains(&answer.0)) {
            wrong.push(format!("{}: {answers:?}", endpoint.path));
        }
    }

    // The stream of what changes.
    for actor in &actors {
        cells += 1;
        let live = actor.browser.live("").await;
        let right = match LIVE.1 {
            Access::SignedIn => live.status == if actor.signed_in { 200 } else { 401 },
            _ => false,
        };
        if !right {
            wrong.push(format!("{} for {}: {}", LIVE.0, actor.name, live.status));
        }
    }

    // Server functions, as an island calls them; those that end something last.
    let (mut ends, calls): (Vec<&FunctionRoute>, Vec<&FunctionRoute>) =
        FUNCTIONS.iter().partition(|f| ["sign_out", "end_other_sessions", "leave_organization"].contains(&f.endpoint));
    ends.sort_by_key(|end| end.endpoint == "sign_out");
    let before = portal
        .snapshot(&[
            "audit_events",
            "limits",
            "idempotency_keys",
            "outbox",
            "kept_mails",
            "invitations",
            "api_tokens",
            "organizations",
            "changes",
            "change_head",
        ])
        .await;
    for function in calls.iter().chain(&ends) {
        for actor in &actors {
            cells += 1;

            let arguments = arguments(function.endpoint, &place);
            let arguments: Vec<(&str, &str)> = arguments.iter().map(|(k, v)| (*k, v.as_str())).collect();
            let call = actor.browser.call_in(place.organization, function.endpoint, &arguments).await;
            if !status_of(function.access, actor).contains(&call.status) {
                wrong.push(format!("{} for {}: {} {}", function.endpoint, actor.name, call.status, call.text));
            }
            // And as a plain form.
            cells += 1;
            let organization = place.organization.to_string();
            let mut pairs = arguments.clone();
            pairs.extend([("drawn[organization]", organization.as_str()), ("drawn[page]", function.page)]);
            if !ends.iter().any(|end| end.endpoint == function.endpoint) {
                let answer = actor.browser.post(&format!("/do/{}", function.endpoint), &pairs).await;
                let expected = status_of(function.access, actor);
                // Done leads on; what is refused on a page that is not there for the actor is not there.
                let right = expected.contains(&answer.status)
                    || (answer.status == 303 && expected.contains(&200))
                    || (answer.status == 404 && actor.signed_in && actor.role.is_none());
                if !right {
                    wrong.push(format!("{} as a form for {}: {} {}", function.endpoint, actor.name, answer.status, answer.sketch()));
                }
            }
        }
        if !ends.iter().any(|end| end.endpoint == function.endpoint) {
            let after = portal
                .snapshot(&[
                    "audit_events",
                    "limits",
                    "idempotency_keys",
                    "outbox",
                    "kept_mails",
                    "invitations",
                    "api_tokens",
                    "organizations",
                    "changes",
                    "change_head",
                ])
                .await;
            assert_eq!(after, before, "{} changed something", function.endpoint);
        }
    }
    // Only the Admin and the Technical user could invite: nobody else left a row.
    let invited = portal.rows("SELECT DISTINCT invited_by_name FROM invitations WHERE email_key = 'new@example.com'").await.concat();
    assert_eq!(invited, ["Admin Example"]);
    // And nobody else made a token; the Technical user's ended when that one left.
    let makers = portal.rows("SELECT DISTINCT a.email_key FROM api_tokens t JOIN accounts a ON a.id = t.account_id ORDER BY 1").await;
    assert_eq!(makers.concat(), ["admin@example.com"]);
    println!("access matrix on {engine:?}: {cells} cells, {} pages, {} functions, {} actors", PAGES.len(), FUNCTIONS.len(), actors.len());
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    portal.close().await;
}

/// The path of a call of `/v1` for this walk, and a body with which who may call it does little.
fn call_of(route: &ApiRoute, place: &Place) -> (String, serde_json::Value) {
    let path = route
        .path
        .replace("{org_id}", &place.organization.to_string())
        .replace("{member_id}", &uuid::Uuid::nil().to_string())
        .replace("{pmm_server_id}", "no-such-server");
    let user = serde_json::json!({ "username": "new@example.com", "role": "Technical" });
    let body = match (route.method.as_str(), path.rsplit('/').next().unwrap_or_default()) {
        (_, "members") => user,
        (_, "members:bulk") => serde_json::json!({ "users": [user] }),
        ("PUT", _) => serde_json::json!({ "name": "Acme", "role": "Admin" }),
        _ => serde_json::json!({}),
    };
    (path, body)
}

/// What a call may be answered for somebody with a session.
fn api_status_of(route: &ApiRoute, actor: &Actor) -> &'static [u16] {
    match route.access {
        Access::Anyone => &[200, 400, 404],
        _ if !actor.signed_in => &[401],
        Access::SignedIn => &[200, 400, 404, 409],
        // Where no organization is named, it is one's own.
        Access::Member(_) if actor.elsewhere && !route.path.contains("{org_id}") => &[200],
        Access::Member(permission) => match actor.role {
            Some(role) if role.may(permission) => &[200, 404, 409],
            Some(_) => &[403],
            None => &[404],
        },
        Access::Loopback | Access::Operator => panic!("{} has an access that no call has", route.path),
    }
}

/// Every call of `/v1` × everybody, with the sessions of their browsers as tokens.
async fn walk_api(engine: Engine) {
    let portal = TestPortal::start(engine, Options::default()).await;
    let (actors, place) = actors(&portal).await;
    let (mut cells, mut wrong) = (0, Vec::new());
    let api_of = |actor: &Actor| portal.api().with_or_without(actor.browser.cookie("session").as_deref());
    // What ends something comes last.
    let rank = |route: &ApiRoute| match (route.method.as_str(), route.path) {
        (_, "/v1/auth/SignOut") => 2,
        ("DELETE", "/v1/orgs/{org_id}") => 1,
        _ => 0,
    };
    let mut routes: Vec<&ApiRoute> = API.iter().collect();
    routes.sort_by_key(|route| rank(route));
    let check = async |actor: &Actor, route: &ApiRoute, statuses: &[u16], wrong: &mut Vec<String>| {
        let (path, body) = call_of(route, &place);
        let reply = api_of(actor).send(route.method.clone(), &path, body.to_string()).await;
        if !statuses.contains(&reply.status) {
            wrong.push(format!("{} {path} for {}: {} {}", route.method, actor.name, reply.status, reply.text));
        }
    };
    let of = |name: &str| actors.iter().find(|actor| actor.name == name).unwrap();
    portal.execute("UPDATE organizations SET suspended_at = 1, suspension_reason = 'Unpaid' WHERE name = 'Acme'").await;
    for route in routes.iter().filter(|route| matches!(route.access, Access::Member(_))) {
        for name in ["Admin", "Technical user"] {
            cells += 1;
            check(of(name), route, &[403], &mut wrong).await;
        }
    }
    portal.execute("UPDATE organizations SET suspended_at = NULL, suspension_reason = NULL").await;
    portal.execute("UPDATE accounts SET locked_until = 9223372036854775807, lock_reason = 'x' WHERE email_key = 'tech@example.com'").await;
    for route in routes.iter().filter(|route| route.access != Access::Anyone) {
        cells += 1;
        check(of("Technical user"), route, &[401], &mut wrong).await;
    }
    portal.execute("UPDATE accounts SET locked_until = NULL, lock_reason = NULL").await;
    for route in routes {
        // Strangers first: the one who may end something ends it for all.
        for actor in actors.iter().rev() {
            cells += 1;
            let statuses = match route.path {
                // An Admin's, but for the invitations that one has sent.
                "/v1/orgs/{org_id}/members/{member_id}" if route.method == "DELETE" && actor.role == Some(Role::TechnicalUser) => {
                    &[403][..]
                }
                _ => api_status_of(route, actor),
            };
            check(actor, route, statuses, &mut wrong).await;
        }
    }
    println!("access matrix of /v1 on {engine:?}: {cells} cells, {} calls, {} actors", API.len(), actors.len());
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    portal.close().await;
}

/// Every address of the identity system × everybody: with the session of their browser, as a cookie and as a token, with a token
/// that they made, and with the identity system's own.
async fn walk_scim(engine: Engine) {
    let token = "the-identity-systems-token-0123456789";
    let portal = TestPortal::start(engine, Options::default().with("scim_token", token)).await;
    let (actors, place) = actors(&portal).await;
    let made = portal.token(&actors[1].browser, "full", "30 minutes").await;
    let (mut cells, mut wrong) = (0, Vec::new());
    let tables = ["limits", "audit_events", "sessions"];
    let before = portal.snapshot(&tables).await;
    let send = async |browser: &Browser, route: &org_portal::routes::ScimRoute, token: Option<&str>| {
        let path = route.path.replace("{id}", &place.account).replace("{name}", "User");
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/scim+json")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        browser.send(route.method.clone(), &path, &headers, Some(b"{}".to_vec())).await
    };
    for route in SCIM {
        for actor in &actors {
            let session = actor.browser.cookie("session");
            for shown in [None, session.as_deref(), Some(made.as_str())] {
                cells += 1;
                let answer = send(&actor.browser, route, shown).await;
                if answer.status != 401 || answer.header("www-authenticate") != "Bearer realm=\"scim\"" {
                    wrong.push(format!("{} {} for {}: {}", route.method, route.path, actor.name, answer.status));
                }
            }
        }
    }
    assert_eq!(portal.snapshot(&tables).await, before);
    for route in SCIM.iter().filter(|route| route.method != "DELETE").chain(SCIM.iter().filter(|route| route.method == "DELETE")) {
        cells += 1;
        let answer = send(&portal.browser(), route, Some(token)).await;
        if ![200, 204, 400, 404, 501].contains(&answer.status) {
            wrong.push(format!("{} {} for the identity system: {}", route.method, route.path, answer.status));
        }
    }
    println!("access matrix of /scim on {engine:?}: {cells} cells, {} addresses, {} actors", SCIM.len(), actors.len());
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    portal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_identity_system_alone_gets_what_the_table_says_on_sqlite() {
    walk_scim(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_identity_system_alone_gets_what_the_table_says_on_postgres() {
    walk_scim(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_what_the_table_says_on_sqlite() {
    walk(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_what_the_table_says_on_postgres() {
    walk(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_gets_what_the_table_says_on_sqlite() {
    walk_api(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_gets_what_the_table_says_on_postgres() {
    walk_api(Engine::Postgres).await;
}

#[test]
fn every_server_function_has_an_entry_and_every_entry_a_function() {
    let registered: BTreeSet<String> =
        leptos::server_fn::axum::server_fn_paths().map(|(path, method)| format!("{method} {path}")).collect();
    let listed: BTreeSet<String> = FUNCTIONS.iter().map(|function| format!("POST /do/{}", function.endpoint)).collect();
    assert_eq!(registered, listed);
    assert_eq!(FUNCTIONS.len(), listed.len(), "an entry stands twice");
}

#[test]
fn no_page_stands_twice_and_every_functions_page_is_one() {
    let paths: BTreeSet<&str> = PAGES.iter().map(|page| page.path).collect();
    assert_eq!(paths.len(), PAGES.len());
    for function in FUNCTIONS {
        assert!(paths.contains(function.page), "{} names {}", function.endpoint, function.page);
    }
    let endpoints = ENDPOINTS.iter().map(|endpoint| &endpoint.path);
    let scim = SCIM.iter().map(|route| &route.path);
    assert!(OTHERS.iter().chain([&LIVE.0]).chain(endpoints).chain(scim).all(|other| !paths.contains(other)));
}

/// No address answers beside the table: neither the library's own one for server functions nor a file of the server's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answers_beside_the_table() {
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    let browser = portal.browser();
    for path in [
        "/api/sign_in",
        "/do",
        "/do/",
        "/do/sign_in/",
        "/do/Sign_in",
        "/do/sign_in/x",
        "//do/sign_in",
        "/organization/",
        "/account/",
        "/admin",
        "/metrics",
        "/.git/config",
        "/.env",
        "/Cargo.toml",
        "/v1",
        "/scim",
        "/scim/v2",
        "/scim/v2/Users",
        "/api",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/pkg/../../Cargo.toml",
        "/pkg/%2e%2e%2f%2e%2e%2fCargo.toml",
        "/dev",
        "/dev/mail/",
        "/organization/members/x",
        "/index.html",
    ] {
        for method in [reqwest::Method::GET, reqwest::Method::POST] {
            let answer = browser.send(method, path, &[("sec-fetch-site", "same-origin"), ("accept", "text/html")], None).await;
            assert!([404, 405, 400].contains(&answer.status), "{}: {} {}", answer.request, answer.status, answer.sketch());
        }
    }
    portal.close().await;
}
