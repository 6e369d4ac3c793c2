//! PMM servers and tokens (`SPEC.md` §3.8): made, shown once, used, revoked; connected, listed, disconnected.

use org_portal::{
    actor::{ActorKind, Caller, Credential, Scopes},
    audit::Action,
    form::{Conflict, Refusal, Unauthenticated},
    guard, maintenance,
    permissions::Role,
    pmm::{ConnectForm, actions, contact, tokens},
    words::{DAY, GrantId, HOUR, MINUTE, PmmServerId, SECOND},
};
use serde_json::json;

use crate::{on_both, support::*};

const LIST: &str = "/organization/servers";
const NEW: &str = "/organization/servers/tokens/new";

/// Why something with a token was refused.
async fn refused(portal: &TestPortal, secret: &str) -> Refusal {
    portal.connect(secret, "a-server", "PMM").await.map(drop).expect_err("it is refused")
}

/// Whether anything at all can be done with a token.
async fn works(portal: &TestPortal, secret: &str) -> bool {
    tokens::authenticate(&portal.portal, secret).await.expect("it is looked at").is_some()
}

async fn one(portal: &TestPortal, what: &str) -> String {
    portal.text(&format!("SELECT {} FROM {what}", portal.engine.hex("id"))).await
}

/// The names in the list, from top to bottom.
fn names(page: &Answer) -> Vec<String> {
    page.texts("tbody th bdi")
}

on_both! {
    async fn a_token_is_shown_once_and_its_secret_is_kept_nowhere(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let form = ada.get(LIST).await.is(200).form("/do/make_token");
        let shown = ada.submit(&form).await.is(200);
        assert_eq!(shown.heading(), "Copy the token");
        assert_eq!(shown.header("cache-control"), "no-store");
        let secret = shown.text(".secret code");
        assert!(secret.starts_with("opt_") && secret.len() == 47, "{secret}");
        assert_eq!((shown.fact("Name").as_str(), shown.fact("For").as_str()), ("PMM server", "Connect PMM servers"));
        assert!(shown.fact("Valid until").ends_with("UTC"), "{:?}", shown.facts());
        assert_eq!(shown.attributes("nav.sidenav a[aria-current]", "href"), ["/organization"], "it stands where its form stood");
        assert!(works(portal, &secret).await);
        // No table holds it, nor anything that it could be made of; the audit log says what it is called.
        let hash = org_portal::secrets::hash(&secret).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut kept = 0;
        for (table, rows) in portal.snapshot(&[]).await {
            for cell in rows.concat() {
                assert!(!cell.contains(&secret) && !cell.contains(&secret[4..]), "{table} holds the secret");
                kept += usize::from(cell == hash);
            }
        }
        assert_eq!(kept, 1, "its hash stands once");
        ada.get("/organization/activity?kind=token").await.is(200).says("Ada Example made the token PMM server");
        // Loaded again, the page sends its form again: there is no second token, and the first one is not shown.
        let again = ada.submit(&form).await.leads_to("/organization/servers#tokens");
        ada.follow(&again).await.is(200).says("The token was made already").never_says(&secret);
        assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await, 1);
        ada.get(LIST).await.is(200).says("PMM server").never_says(&secret[4..]);
    }

    async fn an_island_gets_the_token_with_the_first_answer_alone(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let organization = portal.organization_of("ada").await;
        let fields = [("form[name]", "Backups"), ("form[scope]", "read"), ("form[life]", "90 days"), ("drawn[key]", "a-key"), ("drawn[page]", NEW)];
        let made = ada.call_in(organization, "make_token", &fields).await.is(200);
        assert_eq!(made.headers["cache-control"], "no-store");
        let secret = made.value["secret"].as_str().expect("a secret").to_owned();
        assert!(works(portal, &secret).await);
        let again = ada.call_in(organization, "make_token", &fields).await.is(200);
        assert_eq!((&again.value["secret"], &again.value["expires_at"]), (&json!(null), &made.value["expires_at"]));
        assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await, 1);
    }

    async fn what_is_wrong_in_a_token_is_said_beside_its_field(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let form = ada.get(NEW).await.is(200).form("/do/make_token");
        assert_eq!((form.value("scope"), form.value("life"), form.value("name")), ("pmm:connect", "30 minutes", "PMM server"));
        let page = ada.submit(&form.clone().with("name", " ").with("life", "90 days").with("scope", "read")).await.is(422);
        assert_eq!(page.error_of("name").as_deref(), Some("Enter a name: what the token is for"));
        assert_eq!((page.form("/do/make_token").value("life"), page.form("/do/make_token").value("scope")), ("90 days", "read"));
        for (field, value) in [("name", "a\u{202E}b"), ("name", &*"é".repeat(101)), ("life", "2 years"), ("scope", "operator")] {
            let page = ada.submit(&form.clone().with(field, value)).await.is(422);
            assert!(page.texts(".field-error").len() == 1, "{field}: {}", page.sketch());
        }
        assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await, 0);
        ada.submit(&form.with("name", "<b>é</b>")).await.is(200).says("<b>é</b>");
    }

    async fn a_token_does_what_it_is_for_and_makes_no_tokens(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let (connect, read, full) = (
            portal.token(&ada, "pmm:connect", "30 minutes").await,
            portal.token(&ada, "read", "1 day").await,
            portal.token(&ada, "full", "1 year").await,
        );
        let scopes = async |secret: &str| portal.caller(secret).await.actor.expect("somebody").scopes;
        assert_eq!((scopes(&connect).await, scopes(&read).await, scopes(&full).await), (Scopes::Connect, Scopes::Read, Scopes::All));
        portal.connect(&connect, "one", "One").await.map(drop).expect("that is what it is for");
        portal.connect(&full, "two", "Two").await.map(drop).expect("it may everything");
        assert_eq!(portal.connect(&read, "three", "Three").await.map(drop), Err(Refusal::Forbidden));
        let organization = portal.organization_of("ada").await;
        for secret in [&connect, &read] {
            let caller = portal.caller(secret).await;
            assert_eq!(actions::disconnect(&portal.portal, &caller, organization, "one").await, Err(Refusal::Forbidden));
        }
        for secret in [&connect, &read, &full] {
            let mut caller = portal.caller(secret).await;
            caller.drawn.organization = Some(organization);
            let form = org_portal::pmm::TokenForm { name: "More".to_owned(), ..Default::default() };
            let made = tokens::make(&portal.portal, &caller, form).await.map(drop);
            assert_eq!(made, Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired)));
        }
        assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await, 3);
        // Whoever runs the portal is nobody special by a token.
        let ops = portal.operator("ops").await;
        portal.add_organization(&ops, "Operators").await;
        let secret = portal.token(&ops, "full", "1 day").await;
        let actor = portal.caller(&secret).await.actor.expect("somebody");
        assert!(!actor.operator);
        let standing = guard::standing(&mut portal.portal.read().await.unwrap(), &actor, portal.clock.now()).await.unwrap();
        assert!(standing.is_none());
        for wrong in ["", "opt_", "opt_x", &full[4..], &full.to_uppercase(), &format!("{full}x")] {
            assert!(!works(portal, wrong).await, "{wrong}");
        }
    }

    async fn a_token_ends_in_its_time_and_is_forgotten(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let (short, long) = (portal.token(&ada, "pmm:connect", "30 minutes").await, portal.token(&ada, "full", "7 days").await);
        portal.clock.advance(30 * MINUTE - 10 * SECOND);
        assert!(works(portal, &short).await);
        portal.clock.advance(20 * SECOND);
        assert!(!works(portal, &short).await);
        ada.get(LIST).await.is(200).says("Expired");
        maintenance::once(&portal.portal).await.unwrap();
        assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await, 1);
        ada.get(LIST).await.is(200).never_says("Expired");
        assert!(works(portal, &long).await);
        portal.clock.advance(7 * DAY);
        assert!(!works(portal, &long).await);
    }

    async fn a_token_does_nothing_while_its_account_is_locked_or_its_organization_suspended(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let secret = portal.token(&bob, "full", "30 days").await;
        let olga = portal.operator("olga").await;
        let (account, organization) = (one(portal, "accounts WHERE email_key = 'bob@example.com'").await, portal.organization_of("ada").await.to_string());
        olga.fill(&format!("/operator/accounts/{account}/lock"), "/do/lock_account", &[("reason", "Spam")]).await.is(303);
        assert!(!works(portal, &secret).await);
        olga.fill(&format!("/operator/accounts/{account}"), "/do/unlock_account", &[]).await.is(303);
        assert!(works(portal, &secret).await);
        olga.fill(&format!("/operator/organizations/{organization}/suspend"), "/do/suspend_organization", &[("reason", "Unpaid")]).await.is(303);
        let outcome = tokens::authenticate(&portal.portal, &secret).await.map(|actor| actor.is_some());
        assert!(matches!(&outcome, Err(org_portal::db::Failure::Refusal(Refusal::Suspended(reason))) if reason == "Unpaid"), "{outcome:?}");
        olga.fill(&format!("/operator/organizations/{organization}"), "/do/resume_organization", &[]).await.is(303);
        portal.connect(&secret, "a-server", "PMM").await.map(drop).expect("it works again");
        drop(ada);
    }

    async fn tokens_end_with_the_membership_the_organization_and_a_password_that_is_reset(portal) {
        let [ada, bob, eve, kim] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser), ("kim", Role::Admin)]).await;
        let secret_of = async |browser: &Browser| portal.token(browser, "full", "1 year").await;
        let (adas, bobs, eves, kims) = (secret_of(&ada).await, secret_of(&bob).await, secret_of(&eve).await, secret_of(&kim).await);
        portal.connect(&bobs, "bobs", "Bob's").await.map(drop).expect("connected");
        // A changed role bites at once.
        let of_kim = portal.member_of("kim").await;
        ada.fill(&format!("/organization/members/{of_kim}/edit"), "/do/change_role", &[("role", "Technical user")]).await.is(303);
        let organization = portal.organization_of("ada").await;
        let as_kim = portal.caller(&kims).await;
        assert_eq!(actions::disconnect(&portal.portal, &as_kim, organization, "bobs").await, Err(Refusal::Forbidden));
        let of_bob = portal.member_of("bob").await;
        ada.fill(&format!("/organization/members/{of_bob}/remove"), "/do/remove_member", &[]).await.is(303);
        assert!(!works(portal, &bobs).await);
        assert_eq!(portal.count("SELECT count(*) FROM pmm_servers").await, 1, "what was connected stays with the organization");
        eve.fill("/organization/leave", "/do/leave_organization", &[]).await.is(303);
        assert!(!works(portal, &eves).await);
        // Changing one's password, which asks for the old one, ends none (docs/decisions/0024-tokens.md); a reset ends all.
        ada.fill("/account", "/do/change_password", &[("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)]).await.is(303);
        assert!(works(portal, &adas).await);
        portal.browser().fill("/forgot-password", "/do/forgot_password", &[("email", "kim@example.com")]).await.is(303);
        let link = portal.link("kim@example.com", "/reset-password").await;
        portal.browser().fill(&link, "/do/reset_password", &[("password", OTHER_PASSWORD)]).await.is(303);
        assert!(!works(portal, &kims).await && works(portal, &adas).await);
        ada.get("/organization/delete").await.is(200).says("1 PMM server is disconnected.");
        ada.fill("/organization/delete", "/do/delete_organization", &[("name", "Acme")]).await.is(303);
        assert!(!works(portal, &adas).await);
        assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await + portal.count("SELECT count(*) FROM pmm_servers").await, 0);
        // And with the account itself.
        portal.add_organization(&eve, "Eve's").await;
        let secret = secret_of(&eve).await;
        eve.fill("/account/delete", "/do/delete_account", &[("email", "eve@example.com"), ("password", PASSWORD), ("organization_name", "Eve's")]).await.is(303);
        assert!(!works(portal, &secret).await);
    }

    async fn the_last_use_of_a_token_is_noted_once_a_minute_and_shown(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let secret = portal.token(&ada, "read", "7 days").await;
        ada.get(LIST).await.is(200).says("never used");
        let noted = async || portal.rows("SELECT last_used_at FROM api_tokens").await.concat().concat();
        let first = portal.clock.now().0;
        works(portal, &secret).await;
        until("the first use is noted", || async { noted().await == first.to_string() }).await;
        portal.clock.advance(MINUTE - SECOND);
        for _ in 0..5 {
            works(portal, &secret).await;
        }
        portal.clock.advance(SECOND);
        let second = portal.clock.now().0;
        works(portal, &secret).await;
        until("the use a minute later is noted", || async { noted().await == second.to_string() }).await;
        ada.get(LIST).await.is(200).says("last used").never_says("never used");
    }

    async fn a_member_has_fifty_tokens_at_most(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        for _ in 0..50 {
            portal.token(&ada, "read", "30 minutes").await;
        }
        let page = ada.fill(NEW, "/do/make_token", &[]).await.is(409);
        page.says("You have as many tokens as one can have");
        portal.token(&bob, "read", "7 days").await;
        assert_eq!(portal.count("SELECT count(*) FROM api_tokens").await, 51);
        // Those that ended do not count.
        portal.clock.advance(HOUR);
        portal.token(&ada, "read", "30 minutes").await;
    }

    async fn whoever_made_a_token_revokes_it_and_an_admin_anybodys(portal) {
        let [ada, bob, eve] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)]).await;
        let [kim] = portal.organization_with("Other", [("kim", Role::Admin)]).await;
        let secret = portal.token(&bob, "full", "30 days").await;
        let id = org_portal::words::TokenId(uuid(&one(portal, "api_tokens").await)).to_string();
        let page = format!("{LIST}/tokens/{id}/revoke");
        // An Admin sees whose it is; colleagues see nothing of it.
        ada.get(LIST).await.is(200).says("Of Bob Example");
        bob.get(LIST).await.is(200).says("Full access").never_says("Of Bob Example");
        eve.get(LIST).await.is(200).says("You have no token.").never_says("Full access");
        let organization = portal.organization_of("ada").await;
        for browser in [&eve, &kim] {
            assert_eq!(browser.get(&page).await.is(404).normalized(), browser.get("/organization/nothing").await.is(404).normalized());
        }
        eve.call_in(organization, "revoke_token", &[("token", &id)]).await.refused(403, json!("Forbidden"));
        kim.call_in(organization, "revoke_token", &[("token", &id)]).await.is(409);
        let others = portal.organization_of("kim").await;
        kim.call_in(others, "revoke_token", &[("token", &id)]).await.refused(404, json!("NotFound"));
        assert!(works(portal, &secret).await);
        ada.get("/organization/activity?kind=refused").await.is(200).says("Eve Example tried to revoke the token PMM server");
        ada.get(&page).await.is(200).says("Revoke the token PMM server of Bob Example?");
        ada.fill(&page, "/do/revoke_token", &[]).await.leads_to("/organization/servers#tokens");
        assert!(!works(portal, &secret).await);
        ada.get("/organization/activity?kind=token").await.is(200).says("Ada Example revoked the token PMM server of Bob Example");
        ada.get(&page).await.is(404);
        let mine = portal.token(&bob, "read", "1 day").await;
        let id = org_portal::words::TokenId(uuid(&one(portal, "api_tokens").await)).to_string();
        bob.fill(&format!("{LIST}/tokens/{id}/revoke"), "/do/revoke_token", &[]).await.is(303);
        assert!(!works(portal, &mine).await);
        bob.call_in(organization, "revoke_token", &[("token", &id)]).await.refused(404, json!("NotFound"));
    }

    async fn a_server_connects_with_credentials_of_its_own_and_is_listed(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let [kim] = portal.organization_with("Other", [("kim", Role::Admin)]).await;
        let page = ada.get(LIST).await.is(200).says("No PMM servers");
        assert!(page.has_link("#connect"), "{}", page.sketch());
        let mut adas = ada.live("").await;
        adas.hears("ready").await;
        let secret = portal.token(&bob, "pmm:connect", "30 minutes").await;
        adas.hears_that("").await;
        let connected = portal.connect(&secret, "7b1e-1", "Production é").await.map_err(|refusal| panic!("{refusal:?}")).unwrap();
        adas.hears_that("Bob Example connected the PMM server Production é").await;
        assert_eq!(connected.organization, portal.organization_of("bob").await);
        let all = [&connected.public_client_id, &connected.machine_client_id, &connected.machine_client_secret];
        for part in all {
            assert!(part.len() >= 16 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{part}");
        }
        let kept = portal.rows("SELECT public_client_id, machine_client_id, machine_secret_hash, url, callback_url FROM pmm_servers").await.concat();
        let hash = org_portal::secrets::hash(&connected.machine_client_secret).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(kept, [connected.public_client_id.as_str(), &connected.machine_client_id, &hash, "https://7b1e-1.example.com/graph", "https://7b1e-1.example.com/graph/login/generic_oauth"]);
        for (table, rows) in portal.snapshot(&[]).await {
            assert!(!rows.concat().iter().any(|cell| cell.contains(&connected.machine_client_secret)), "{table} holds the secret");
        }
        for browser in [&ada, &bob] {
            let page = browser.get(LIST).await.is(200).says("Production é").says("7b1e-1").says("Bob Example");
            assert_eq!(page.attributes("tbody td a[target]", "href"), ["https://7b1e-1.example.com/graph"]);
            assert_eq!(page.attributes("tbody td a[target]", "rel"), ["noopener noreferrer"]);
            assert_eq!(page.count("tbody .actions-cell a"), 1);
        }
        kim.get(LIST).await.is(200).says("No PMM servers").never_says("Production");
        ada.get("/organization/activity?kind=server").await.is(200).says("Bob Example connected the PMM server Production é");
    }

    async fn a_server_that_connects_again_is_another_one_and_what_it_had_is_dead(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let (adas, bobs) = (portal.token(&ada, "pmm:connect", "30 minutes").await, portal.token(&bob, "pmm:connect", "30 minutes").await);
        let first = portal.connect(&bobs, "a-server", "Old").await.map_err(|refusal| panic!("{refusal:?}")).unwrap();
        let id = one(portal, "pmm_servers").await;
        portal.clock.advance(MINUTE);
        let second = portal.connect(&adas, "a-server", "New").await.map_err(|refusal| panic!("{refusal:?}")).unwrap();
        assert_ne!((&first.public_client_id, &first.machine_client_id, &first.machine_client_secret), (&second.public_client_id, &second.machine_client_id, &second.machine_client_secret));
        let rows = portal.rows("SELECT name, connected_by_name, public_client_id FROM pmm_servers").await;
        assert_eq!(rows, [["New".to_owned(), "Ada Example".to_owned(), second.public_client_id]]);
        assert_ne!(one(portal, "pmm_servers").await, id, "with the old row goes all that belongs to it");
        // It is Ada's now.
        bob.get(LIST).await.is(200).says("New").never_says("Disconnect");
        // Whoever may not disconnect it may not take it over either, whatever address it is given.
        let before = portal.rows("SELECT * FROM pmm_servers").await;
        let refusal = refused(portal, &bobs).await;
        assert_eq!(refusal, Refusal::Conflict(Conflict::ServerOfColleague));
        assert_eq!(portal.rows("SELECT * FROM pmm_servers").await, before);
        ada.get("/organization/activity?kind=refused").await.is(200).says("Bob Example tried to connect the PMM server PMM").says("Somebody else had connected the server");
    }

    async fn a_server_of_another_organization_is_neither_taken_nor_revealed(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let [kim] = portal.organization_with("Other", [("kim", Role::Admin)]).await;
        portal.connect_server(&ada, "a-server", "Production").await;
        let before = portal.rows("SELECT * FROM pmm_servers").await;
        let secret = portal.token(&kim, "pmm:connect", "30 minutes").await;
        let refusal = refused(portal, &secret).await;
        assert_eq!(refusal, Refusal::Conflict(Conflict::ServerElsewhere));
        for name in ["Acme", "Ada", "Production"] {
            assert!(!refusal.message().contains(name), "{}", refusal.message());
        }
        let organization = portal.organization_of("kim").await;
        let as_kim = portal.caller(&portal.token(&kim, "full", "1 day").await).await;
        assert_eq!(actions::disconnect(&portal.portal, &as_kim, organization, "a-server").await, Err(Refusal::NotFound));
        assert_eq!(actions::disconnect(&portal.portal, &as_kim, portal.organization_of("ada").await, "a-server").await, Err(Refusal::Conflict(Conflict::OtherOrganization)));
        assert_eq!(portal.rows("SELECT * FROM pmm_servers").await, before);
        let id = PmmServerId(uuid(&one(portal, "pmm_servers").await));
        assert_eq!(kim.get(&format!("{LIST}/{id}/disconnect")).await.is(404).normalized(), kim.get("/organization/nothing").await.normalized());
        // Kim's Admins read of the attempt, and Acme's do not.
        kim.get("/organization/activity?kind=refused").await.is(200).says("tried to connect the PMM server PMM");
        ada.get("/organization/activity?kind=refused").await.is(200).never_says("tried to connect");
    }

    async fn a_server_connects_to_nothing_without_an_organization_or_with_a_wrong_address(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let eve = portal.sign_up("eve").await;
        let secret = portal.token(&ada, "pmm:connect", "30 minutes").await;
        let caller = portal.caller(&secret).await;
        let mut stranger = caller.clone();
        let of_eve = uuid(&one(portal, "accounts WHERE email_key = 'eve@example.com'").await);
        stranger.actor.as_mut().unwrap().account = org_portal::words::AccountId(of_eve);
        let connect = async |caller: &Caller, form: ConnectForm| actions::connect(&portal.portal, caller, form).await.map(drop);
        assert_eq!(connect(&stranger, portal.server("a-server", "PMM")).await, Err(Refusal::Conflict(Conflict::NoOrganization)));
        let nobody = Caller { kind: ActorKind::Browser, ..Caller::system() };
        assert_eq!(connect(&nobody, portal.server("a-server", "PMM")).await, Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired)));
        let right = portal.server("a-server", "PMM");
        for (field, form) in [
            ("callback_url", ConnectForm { callback_url: "https://evil.example/graph/login/generic_oauth".to_owned(), ..right.clone() }),
            ("url", ConnectForm { url: "javascript:alert(1)".to_owned(), ..right.clone() }),
            ("name", ConnectForm { name: "a".repeat(256), ..right.clone() }),
            ("server_id", ConnectForm { server_id: String::new(), ..right.clone() }),
        ] {
            let Err(Refusal::Invalid(errors)) = connect(&caller, form).await else { panic!("{field} is not refused") };
            assert_eq!(errors.0.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), [field]);
        }
        assert_eq!(portal.count("SELECT count(*) FROM pmm_servers").await, 0);
        connect(&caller, ConnectForm { name: "é".repeat(255), ..right }).await.expect("as long as may be");
        drop(eve);
    }

    async fn an_admin_disconnects_any_server_and_a_technical_user_their_own(portal) {
        let [ada, bob, eve] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser), ("eve", Role::TechnicalUser)]).await;
        portal.connect_server(&bob, "one", "One").await;
        portal.connect_server(&bob, "two", "Two").await;
        portal.connect_server(&ada, "three", "Three").await;
        let organization = portal.organization_of("ada").await;
        let page_of = async |server: &str| {
            let id = one(portal, &format!("pmm_servers WHERE server_id = '{server}'")).await;
            format!("{LIST}/{}/disconnect", PmmServerId(uuid(&id)))
        };
        assert_eq!(ada.get(LIST).await.count("tbody .actions-cell a"), 3);
        assert_eq!(bob.get(LIST).await.count("tbody .actions-cell a"), 2);
        assert_eq!(eve.get(LIST).await.count("tbody .actions-cell a"), 0);
        for (browser, server) in [(&eve, "one"), (&bob, "three")] {
            browser.get(&page_of(server).await).await.is(404);
            browser.call_in(organization, "disconnect_server", &[("server", server)]).await.refused(403, json!("Forbidden"));
        }
        let mut bobs = bob.live("").await;
        bobs.hears("ready").await;
        let page = ada.get(&page_of("one").await).await.is(200).says("Disconnect One at https://one.example.com/graph?").says("PMM itself is not told");
        ada.submit(&page.form("/do/disconnect_server")).await.leads_to(LIST);
        bobs.hears_that("Ada Example disconnected the PMM server One").await;
        ada.get(LIST).await.is(200).says("Disconnect in PMM too");
        bob.fill(&page_of("two").await, "/do/disconnect_server", &[]).await.leads_to(LIST);
        assert_eq!(names(&ada.get(LIST).await), ["Three"]);
        ada.call_in(organization, "disconnect_server", &[("server", "one")]).await.refused(404, json!("NotFound"));
        ada.get("/organization/activity?kind=server").await.is(200).says("Bob Example disconnected the PMM server Two");
        ada.get("/organization/activity?kind=refused").await.is(200).says("Eve Example tried to disconnect the PMM server One");
        // It can be connected again, by whomever.
        portal.connect_server(&eve, "one", "One").await;
    }

    async fn a_person_who_came_through_a_server_disconnects_that_one_alone(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.connect_server(&ada, "one", "One").await;
        portal.connect_server(&ada, "two", "Two").await;
        let organization = portal.organization_of("ada").await;
        let mut caller = portal.caller(&portal.token(&ada, "full", "1 day").await).await;
        let server = PmmServerId(uuid(&one(portal, "pmm_servers WHERE server_id = 'one'").await));
        let actor = caller.actor.as_mut().unwrap();
        actor.credential = Credential::Grant { id: GrantId(server.0), server };
        actor.scopes = Scopes::Server;
        assert_eq!(actions::disconnect(&portal.portal, &caller, organization, "two").await, Err(Refusal::Forbidden));
        assert_eq!(actions::connect(&portal.portal, &caller, portal.server("three", "Three")).await.map(drop), Err(Refusal::Forbidden));
        actions::disconnect(&portal.portal, &caller, organization, "one").await.expect("its own");
        assert_eq!(names(&ada.get(LIST).await), ["Two"]);
    }

    async fn the_list_is_searched_sorted_and_paged(portal) {
        let [ada, bob] = portal.organization_with("Acme", [("ada", Role::Admin), ("bob", Role::TechnicalUser)]).await;
        let secret = portal.token(&ada, "pmm:connect", "1 day").await;
        for (id, name) in [("alpha-1", "Zürich"), ("beta-2", "Amsterdam"), ("gamma-3", "München")] {
            portal.clock.advance(MINUTE);
            portal.connect(&secret, id, name).await.map(drop).expect("connected");
        }
        contact::note(&portal.portal, PmmServerId(uuid(&one(portal, "pmm_servers WHERE server_id = 'alpha-1'").await)));
        portal.clock.advance(MINUTE);
        contact::note(&portal.portal, PmmServerId(uuid(&one(portal, "pmm_servers WHERE server_id = 'alpha-1'").await)));
        contact::flush(&portal.portal).await.unwrap();
        for (query, found) in [
            ("", vec!["München", "Amsterdam", "Zürich"]),
            ("?sort=name", vec!["Amsterdam", "München", "Zürich"]),
            ("?sort=name&order=desc", vec!["Zürich", "München", "Amsterdam"]),
            ("?sort=connected&order=asc", vec!["Zürich", "Amsterdam", "München"]),
            ("?sort=contact", vec!["Zürich", "München", "Amsterdam"]),
            ("?q=ZURICH", vec!["Zürich"]),
            ("?q=alpha-1", vec!["Zürich"]),
            ("?q=gamma-3.example", vec!["München"]),
            ("?q=mu", vec!["München"]),
            ("?q=%25", vec![]),
        ] {
            assert_eq!(names(&ada.get(&format!("{LIST}{query}")).await.is(200)), found, "{query}");
        }
        assert_eq!(names(&bob.get(LIST).await), ["München", "Amsterdam", "Zürich"]);
        ada.get(&format!("{LIST}?q=nothing")).await.is(200).says("No PMM servers found");
        for n in 0..60 {
            portal.connect(&secret, &format!("n-{n}"), &format!("Node {n:02}")).await.map(drop).expect("connected");
        }
        let first = ada.get(&format!("{LIST}?sort=name")).await.is(200).says("1–50 of 63");
        let next = first.attributes("a[rel=next]", "href").remove(0);
        let second = ada.get(&next).await.is(200).says("51–63 of 63");
        let mut all = names(&first);
        all.extend(names(&second));
        let mut sorted = all.clone();
        sorted.sort_by_key(|name| org_portal::words::fold(name));
        sorted.dedup();
        assert_eq!((all.len(), &all), (63, &sorted));
        // What the API lists: the newest first.
        let of_ada = guard::membership(&mut portal.portal.read().await.unwrap(), portal.caller(&secret).await.actor.unwrap().account, portal.clock.now()).await.unwrap().unwrap();
        let listed = actions::list(&mut portal.portal.read().await.unwrap(), &of_ada).await.unwrap();
        assert_eq!((listed.len(), listed[62].server_id.as_str()), (63, "alpha-1"));
    }

    async fn contacts_are_written_together_and_not_more_than_once_a_minute(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.connect_server(&ada, "one", "One").await;
        portal.connect_server(&ada, "two", "Two").await;
        let id_of = async |server: &str| PmmServerId(uuid(&one(portal, &format!("pmm_servers WHERE server_id = '{server}'")).await));
        let (first, second) = (id_of("one").await, id_of("two").await);
        let contacts = async || portal.rows("SELECT last_contact_at FROM pmm_servers ORDER BY server_id").await.concat();
        let connected = contacts().await;
        assert!(connected.iter().all(|at| !at.is_empty()), "to connect is a contact");
        portal.clock.advance(HOUR);
        let at = portal.clock.now().0.to_string();
        // One that is gone disturbs nobody.
        for server in [first, second, PmmServerId(uuid::Uuid::nil())] {
            contact::note(&portal.portal, server);
        }
        contact::flush(&portal.portal).await.unwrap();
        assert_eq!(contacts().await, [at.as_str(), &at]);
        portal.clock.advance(MINUTE - SECOND);
        contact::note(&portal.portal, first);
        contact::flush(&portal.portal).await.unwrap();
        assert_eq!(contacts().await, [at.as_str(), &at]);
        portal.clock.advance(SECOND);
        let later = portal.clock.now().0.to_string();
        contact::note(&portal.portal, first);
        contact::flush(&portal.portal).await.unwrap();
        assert_eq!(contacts().await, [later.as_str(), &at]);
        // Another replica that knows less writes no earlier moment.
        let other = TestPortal::second(portal).await;
        contact::note(&other.portal, first);
        contact::flush(&other.portal).await.unwrap();
        other.stop().await;
        assert_eq!(contacts().await, [later.as_str(), &at]);
        // What fails is written with the next one.
        portal.clock.advance(HOUR);
        let last = portal.clock.now().0.to_string();
        let mend = portal.fail("UPDATE", "pmm_servers").await;
        contact::note(&portal.portal, second);
        contact::flush(&portal.portal).await.expect_err("it fails");
        for statement in mend {
            portal.execute(&statement).await;
        }
        contact::flush(&portal.portal).await.unwrap();
        assert_eq!(contacts().await, [later.as_str(), &last]);
    }

    async fn what_was_noted_is_written_at_the_graceful_stop(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.connect_server(&ada, "one", "One").await;
        let second = TestPortal::second(portal).await;
        portal.clock.advance(HOUR);
        contact::note(&second.portal, PmmServerId(uuid(&one(portal, "pmm_servers").await)));
        second.stop_in_good_order().await;
        assert_eq!(portal.count("SELECT last_contact_at FROM pmm_servers").await, portal.clock.now().0);
    }

    async fn the_guide_names_this_portal_for_each_line_of_pmm(portal, Options::default().with("public_url", "https://portal.example.com")) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let page = ada.get(LIST).await.is(200);
        for setting in [
            "PMM_DEV_PERCONA_PLATFORM_ADDRESS=https://portal.example.com",
            "PMM_DEV_PORTAL_URL=https://portal.example.com",
            "PERCONA_TEST_PLATFORM_ADDRESS=https://portal.example.com",
            "PERCONA_PORTAL_URL=https://portal.example.com",
            "PERCONA_TEST_SAAS_HOST=portal.example.com",
        ] {
            assert!(page.texts(".steps code").contains(&setting.to_owned()), "{setting}: {:?}", page.texts(".steps code"));
        }
    }

    async fn the_guide_says_which_pmm_needs_https(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let page = ada.get(LIST).await.is(200).says("These need a portal with an https address");
        assert!(page.texts(".steps code").contains(&"PMM_DEV_PERCONA_PLATFORM_ADDRESS=http://127.0.0.1:3000".to_owned()));
        assert!(!page.html().contains("PERCONA_TEST_SAAS_HOST"));
    }

    async fn the_addresses_that_pmm_links_to_lead_on(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        let stranger = portal.browser();
        stranger.get("/login").await.leads_to("/sign-in");
        stranger.get("/profile").await.leads_to("/sign-in?to=%2Fprofile");
        ada.open("/login").await.is(200);
        ada.get("/profile").await.leads_to(NEW);
        ada.open("/profile").await.is(200).says("New token");
        portal.sign_up("eve").await.get("/profile").await.leads_to("/getting-started");
    }

    async fn operators_see_an_organizations_servers_and_how_many_tokens_it_has(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.connect_server(&ada, "a-server", "Production").await;
        let secret = portal.token(&ada, "read", "1 year").await;
        portal.clock.advance(HOUR);
        let olga = portal.operator("olga").await;
        let organization = portal.organization_of("ada").await;
        let page = olga.get(&format!("/operator/organizations/{organization}")).await.is(200).says("Production").says("a-server").never_says(&secret[4..]);
        assert_eq!((page.fact("PMM servers").as_str(), page.fact("Tokens").as_str()), ("1", "1"), "one token has ended");
        olga.get("/operator/audit?kind=server").await.is(200).says("Ada Example connected the PMM server Production");
    }

    async fn a_refused_unit_keeps_what_was_connected(portal) {
        let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
        portal.connect_server(&ada, "a-server", "Production").await;
        let secret = portal.token(&ada, "pmm:connect", "30 minutes").await;
        let before = portal.state().await;
        let mend = portal.fail("INSERT", "pmm_servers").await;
        assert!(matches!(refused(portal, &secret).await, Refusal::Fault(_)));
        for statement in mend {
            portal.execute(&statement).await;
        }
        let after = portal.state().await;
        assert_eq!((&before["pmm_servers"], &before["outbox"]), (&after["pmm_servers"], &after["outbox"]), "the old one was not taken away");
        assert!(Action::parse("server.connect").is_some());
    }
}
