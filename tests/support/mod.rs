//! The harness of the black-box tests: the real server in this process, on a fresh database of either engine, and
//! browsers that talk to it over HTTP.
//!
//! ```ignore
//! on_both! {
//!     async fn the_sentence_that_must_hold(portal) {
//!         let ada = portal.sign_up("ada").await;
//!         ada.get("/getting-started").await.is(200);
//!     }
//! }
//! ```
#![allow(dead_code, unused_imports, reason = "each test program uses its part")]

mod api;
mod browser;
mod database;
mod factors;
mod page;
mod passkey;
mod pmm;
pub mod postgres;
mod provider;
pub mod python;
pub mod servicenow;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use api::{Api, Reply, raw};
pub use browser::{Browser, Call, Live, Told, encode};
pub use database::{Database, Engine, TABLES};
pub use factors::App;
use org_portal::{
    actor::{ActorKind, Caller},
    clock::Clock,
    config::Config,
    db::Db,
    form::Refusal,
    mail::Transport,
    permissions::Role,
    pmm::{ConnectForm, actions as servers},
    portal::Portal,
    server::{self, Running},
    words::{OrganizationId, Timestamp},
};
pub use page::{Answer, Form};
pub use passkey::SoftPasskey;
pub use pmm::{Flow, Pmm, Tokens, parameter};
pub use provider::{FakeProvider, IdentityProvider, Jar, Mode, SECRET, Signed, basic, with_provider};
pub use python::venv;
pub use servicenow::{Fault, ServiceNow};

/// The password of everyone, good enough for the portal.
pub const PASSWORD: &str = "mallow drizzle 7 umbrella";
/// Another one.
pub const OTHER_PASSWORD: &str = "smile tower 9 window bread";
/// A Tuesday: when every story begins.
pub const START: Timestamp = Timestamp(1_795_521_600_000_000);

/// A story for both engines: makes a module of its name with a test for each.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($portal:ident $(, $options:expr)?) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            async fn story($portal: &$crate::support::TestPortal) $body
            fn options() -> $crate::support::Options {
                #[allow(unused_mut, unused_assignments)]
                let mut options = $crate::support::Options::default();
                $(options = $options;)?
                options
            }
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let portal = $crate::support::TestPortal::start($crate::support::Engine::Sqlite, options()).await;
                story(&portal).await;
                portal.close().await;
            }
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let portal = $crate::support::TestPortal::start($crate::support::Engine::Postgres, options()).await;
                story(&portal).await;
                portal.close().await;
            }
        }
    )+};
}

/// How a portal is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    settings: BTreeMap<String, String>,
    real_limits: bool,
}

impl Options {
    /// With one setting of the operator's.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With the limits that users get.
    pub fn real_limits(mut self) -> Self {
        self.real_limits = true;
        self
    }

    fn config(&self, database_url: &str) -> Config {
        let mut settings = self.settings.clone();
        let mut default = |key: &str, value: &str| {
            settings.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        };
        default("database_url", database_url);
        if !database_url.starts_with("sqlite:") {
            // Beside SQLite's file the portal makes one itself.
            default("key_file", key_file());
        }
        default("listen", "127.0.0.1:0");
        default("public_url", "http://127.0.0.1:3000");
        default("hashing_threads", "1");
        if !self.real_limits {
            for rate in [
                "sign_in_rate",
                "sign_in_address_rate",
                "second_factor_rate",
                "mail_rate",
                "mail_address_rate",
                "invitation_rate",
                "invitation_recipient_rate",
                "token_rate",
                "token_address_rate",
                "api_rate",
                "api_address_rate",
            ] {
                default(rate, "100000/1");
            }
        }
        Config::read(&settings).expect("the settings of a test")
    }
}

/// The key file of the portals on PostgreSQL that this program starts.
fn key_file() -> &'static str {
    static FILE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    FILE.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("org-portal-test-{}.key", std::process::id()));
        org_portal::seal::make(&path, org_portal::secrets::Random).expect("a key file");
        path.to_str().expect("a path").to_owned()
    })
}

/// A kept mail.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub message_id: String,
}

/// A portal that is served.
pub struct TestPortal {
    pub engine: Engine,
    pub config: Config,
    pub clock: Clock,
    /// The portal's own value, to look into and to call its workers.
    pub portal: Portal,
    /// Its database.
    pub db: Db,
    /// How its mails leave when a test delivers them.
    pub transport: Transport,
    database: Arc<database::Database>,
    running: Mutex<Option<Running>>,
    address: std::net::SocketAddr,
    counter: AtomicU64,
}

impl TestPortal {
    /// Starts a portal on a database of its own.
    pub async fn start(engine: Engine, options: Options) -> Self {
        let mut database = database::Database::fresh(engine).await;
        let config = options.config(&database.url);
        // The options may have it elsewhere.
        database.url.clone_from(&config.database_url);
        let database = Arc::new(database);
        let mut transport = Transport::Kept;
        if config.smtp_url.is_some() {
            transport = Transport::open(&config).expect("a transport");
        }
        Self::on(database, config, Clock::manual(START), transport).await
    }

    /// Starts a portal on what was dumped into a folder, migrating it.
    pub async fn restored(engine: Engine, options: Options, folder: &std::path::Path) -> Self {
        let database = Arc::new(database::Database::restored(engine, folder).await);
        let config = options.config(&database.url);
        Self::on(database, config, Clock::manual(START), Transport::Kept).await
    }

    /// Starts a portal on a database that is there, migrating it.
    pub async fn at(database: Database, options: Options) -> Self {
        let config = options.config(&database.url);
        Self::on(Arc::new(database), config, Clock::manual(START), Transport::Kept).await
    }

    /// Dumps the database into a folder.
    pub async fn dump(&self, folder: &std::path::Path) {
        self.database.dump(folder).await;
    }

    /// Another server on the same database, with the same clock: a second replica, or the first one after a restart.
    pub async fn second(first: &Self) -> Self {
        Self::on(Arc::clone(&first.database), first.config.clone(), first.clock.clone(), first.transport.clone()).await
    }

    /// Another server on the same database with other settings.
    pub async fn second_with(first: &Self, options: Options) -> Self {
        Self::on(Arc::clone(&first.database), options.config(&first.database.url), first.clock.clone(), first.transport.clone()).await
    }

    async fn on(database: Arc<database::Database>, config: Config, clock: Clock, transport: Transport) -> Self {
        // The tests' own HTTP client is built with the portal's TLS, which comes without a choice of its cryptography.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut tries = 0;
        let db = loop {
            // A machine that does much else may need more than the few seconds that users are asked to wait.
            match Db::open(&config.database_url).await {
                Ok(db) => break db,
                Err(error) if tries > 4 => panic!("the database does not open: {error}"),
                Err(_) => tries += 1,
            }
        };
        db.migrate().await.expect("the database is migrated");
        org_portal::seal::Seal::prepare(&config, org_portal::secrets::Random).expect("a key file");
        let portal = Portal::new(db.clone(), config.clone(), clock.clone());
        let running = server::start(portal.clone(), transport.clone()).await.expect("the server starts");
        let address = running.address;
        Self {
            engine: database.engine,
            config,
            clock,
            portal,
            db,
            transport,
            database,
            running: Mutex::new(Some(running)),
            address,
            counter: AtomicU64::new(0),
        }
    }

    /// Stops the server, in good order; the database stays.
    pub async fn stop(&self) {
        let running = self.running.lock().expect("not poisoned").take();
        if let Some(running) = running {
            // Idle connections of browsers need not be waited for.
            let _ = tokio::time::timeout(Duration::from_millis(300), running.stop()).await;
            self.db.close().await;
        }
    }

    /// Stops the server and waits for all that ends with it.
    pub async fn stop_in_good_order(&self) {
        let running = self.running.lock().expect("not poisoned").take();
        running.expect("it runs").stop().await.expect("it stops");
    }

    /// Stops the server and drops the database, where no other portal is on it.
    pub async fn close(self) {
        self.stop().await;
        let Self { database, .. } = self;
        if let Some(database) = Arc::into_inner(database) {
            database.drop().await;
        }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address and port it listens on.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.base(), &self.config, self.clock.clone())
    }

    /// Moves the portal's clock to that of a process of its own, such as a command or a real provider.
    pub fn meet_the_world(&self) {
        let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970").as_micros();
        self.clock.advance(i64::try_from(now).expect("a moment") - self.clock.now().0);
    }

    /// A number that no other call gave.
    pub fn fresh(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Sends what waits in the outbox, until nothing waits that is due.
    pub async fn deliver(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            org_portal::mail::deliver_due(&self.portal, &self.transport).await.expect("the outbox is read");
            let waiting = self
                .count(&format!(
                    "SELECT count(*) FROM outbox WHERE kind = 'mail' AND done_at IS NULL AND dead_at IS NULL AND due_at <= {}",
                    self.clock.now().0
                ))
                .await;
            if waiting == 0 {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{waiting} mails still wait");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Every kept mail, the oldest first.
    pub async fn mails(&self) -> Vec<Mail> {
        self.deliver().await;
        // By the row that wanted it, which is numbered by its moment: workers may keep them in another order.
        let rows = self.rows("SELECT recipient, subject, body_text, body_html, message_id FROM kept_mails ORDER BY id").await;
        rows.into_iter()
            .map(|row| {
                let [to, subject, text, html, message_id] = <[String; 5]>::try_from(row).expect("five columns");
                Mail { to, subject, text, html, message_id }
            })
            .collect()
    }

    /// The mails to one address, the oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<Mail> {
        self.mails().await.into_iter().filter(|mail| mail.to.eq_ignore_ascii_case(address)).collect()
    }

    /// The newest link that begins with a path, in the mails to one address: without the host.
    pub async fn link(&self, address: &str, path: &str) -> String {
        let mails = self.mails_to(address).await;
        let found = mails.iter().rev().find_map(|mail| self.links(mail).into_iter().find(|link| link.starts_with(path)));
        found.unwrap_or_else(|| panic!("no link to {path} in the mails to {address}: {mails:#?}"))
    }

    /// The portal's own links in a mail, without the host.
    pub fn links(&self, mail: &Mail) -> Vec<String> {
        let base = format!("{}/", self.config.base());
        mail.text.split_whitespace().filter_map(|word| word.strip_prefix(&base)).map(|rest| format!("/{rest}")).collect()
    }

    /// Signs up, verifies and is signed in: `name` at `example.com`, by the real journey.
    pub async fn sign_up(&self, name: &str) -> Browser {
        let browser = self.browser();
        self.sign_up_in(&browser, &format!("{name}@example.com"), &capitalized(name), "Example").await;
        browser
    }

    /// The same in a browser that is there, with an address and names.
    pub async fn sign_up_in(&self, browser: &Browser, email: &str, first_name: &str, last_name: &str) {
        let fields = [("email", email), ("first_name", first_name), ("last_name", last_name), ("password", PASSWORD)];
        browser.fill("/sign-up", "/do/sign_up", &fields).await.leads_to("/check-your-mail");
        let link = self.link(email, "/verify-email").await;
        browser.fill(&link, "/do/verify_email", &[]).await.leads_to("/getting-started");
    }

    /// Signs an account in, in a new browser.
    pub async fn sign_in(&self, name: &str) -> Browser {
        let browser = self.browser();
        self.sign_in_to(&browser, &format!("{name}@example.com"), PASSWORD).await.leads_to("/getting-started");
        browser
    }

    /// Signs an account in again in its browser, which forgets its session.
    pub async fn sign_in_again(&self, browser: &Browser, name: &str) -> Browser {
        browser.drop_cookie("session");
        self.sign_in_to(browser, &format!("{name}@example.com"), PASSWORD).await.is(303);
        browser.clone()
    }

    /// Signs up and is an operator from then on.
    pub async fn operator(&self, name: &str) -> Browser {
        let browser = self.sign_up(name).await;
        let email = org_portal::words::Email::parse(&format!("{name}@example.com")).expect("an address");
        org_portal::operator::actions::create(&self.portal, email, None).await.expect("an operator");
        browser
    }

    /// Posts the sign-in form.
    pub async fn sign_in_to(&self, browser: &Browser, email: &str, password: &str) -> Answer {
        browser.fill("/sign-in", "/do/sign_in", &[("email", email), ("password", password)]).await
    }

    /// An organization with these people, by the real journey: the first one, an Admin, adds it and invites the others,
    /// who sign up by the link and accept.
    pub async fn organization_with<const N: usize>(&self, name: &str, people: [(&str, Role); N]) -> [Browser; N] {
        assert_eq!(people[0].1, Role::Admin, "who adds an organization is its Admin");
        let mut browsers = Vec::new();
        let admin = self.sign_up(people[0].0).await;
        self.add_organization(&admin, name).await;
        for (person, role) in &people[1..] {
            browsers.push(self.join(&admin, person, *role).await);
        }
        browsers.insert(0, admin);
        browsers.try_into().unwrap_or_else(|_| unreachable!("one each"))
    }

    /// Adds an organization by its form.
    pub async fn add_organization(&self, admin: &Browser, name: &str) {
        admin.fill("/organization/add", "/do/add_organization", &[("name", name)]).await.leads_to("/organization");
    }

    /// Invites an address by the form.
    pub async fn invite(&self, inviter: &Browser, email: &str, role: Role) -> Answer {
        inviter.fill("/organization/members/invite", "/do/invite_member", &[("email", email), ("role", role.name())]).await
    }

    /// Somebody without an account is invited, signs up by the link and accepts.
    pub async fn join(&self, admin: &Browser, name: &str, role: Role) -> Browser {
        let email = format!("{name}@example.com");
        self.invite(admin, &email, role).await.leads_to("/organization/members");
        let link = self.link(&email, "/invitation").await;
        let browser = self.browser();
        let token = link.rsplit('=').next().expect("a token");
        let fields = [("first_name", capitalized(name)), ("last_name", "Example".to_owned()), ("password", PASSWORD.to_owned())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        browser.fill(&format!("/sign-up?invitation={token}"), "/do/sign_up", &fields).await.leads_to(&link);
        browser.fill(&link, "/do/accept_invitation", &[]).await.leads_to("/organization");
        browser
    }

    /// Makes a token by its form; gives what is shown once.
    pub async fn token(&self, browser: &Browser, scope: &str, life: &str) -> String {
        let form = browser.get("/organization/servers/tokens/new").await.is(200).form("/do/make_token");
        let form = form.forged("form[scope]", scope).with("life", life);
        browser.submit(&form).await.is(200).text(".secret code")
    }

    /// A call that comes with a token; nobody's where the token cannot be used.
    pub async fn caller(&self, secret: &str) -> Caller {
        let actor = org_portal::pmm::tokens::authenticate(&self.portal, secret).await.expect("the token is looked at");
        Caller { actor, kind: ActorKind::Browser, ..Caller::system() }
    }

    /// A PMM server asks to be connected, as it does with a token.
    pub async fn connect(&self, secret: &str, server_id: &str, name: &str) -> Result<servers::Connected, Refusal> {
        let caller = self.caller(secret).await;
        servers::connect(&self.portal, &caller, self.server(server_id, name)).await
    }

    /// What a PMM server says when it connects.
    pub fn server(&self, server_id: &str, name: &str) -> ConnectForm {
        ConnectForm {
            server_id: server_id.to_owned(),
            name: name.to_owned(),
            url: format!("https://{server_id}.example.com/graph"),
            callback_url: format!("https://{server_id}.example.com/graph/login/generic_oauth"),
        }
    }

    /// A member makes a token and connects a PMM server with it.
    pub async fn connect_server(&self, browser: &Browser, server_id: &str, name: &str) {
        let secret = self.token(browser, "pmm:connect", "30 minutes").await;
        self.connect(&secret, server_id, name).await.map(drop).expect("it is connected");
    }

    /// Makes a step fail, whoever takes it: `DELETE` on `members`, say. Gives what takes the failure away again.
    pub async fn fail(&self, step: &str, table: &str) -> Vec<String> {
        match self.engine {
            Engine::Sqlite => {
                self.execute(&format!("CREATE TRIGGER fails BEFORE {step} ON {table} BEGIN SELECT RAISE(ABORT, 'it fails'); END")).await;
                vec!["DROP TRIGGER fails".to_owned()]
            }
            Engine::Postgres => {
                self.execute("CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it fails'; END $$")
                    .await;
                self.execute(&format!("CREATE TRIGGER fails BEFORE {step} ON {table} FOR EACH ROW EXECUTE FUNCTION fails()")).await;
                vec![format!("DROP TRIGGER fails ON {table}"), "DROP FUNCTION fails()".to_owned()]
            }
        }
    }

    /// The organization of an account, by its address.
    pub async fn organization_of(&self, name: &str) -> OrganizationId {
        let sql = format!("SELECT {} FROM members WHERE email_key = '{name}@example.com'", self.engine.hex("organization_id"));
        OrganizationId(uuid(&self.text(&sql).await))
    }

    /// The membership of an account, by its address.
    pub async fn member_of(&self, name: &str) -> uuid::Uuid {
        uuid(&self.text(&format!("SELECT {} FROM members WHERE email_key = '{name}@example.com'", self.engine.hex("id"))).await)
    }

    /// The newest invitation of an address.
    pub async fn invitation_of(&self, email: &str) -> uuid::Uuid {
        let id = self.engine.hex("id");
        uuid(
            &self
                .text(&format!("SELECT {id} FROM invitations WHERE email_key = '{email}' ORDER BY created_at DESC, {id} DESC LIMIT 1"))
                .await,
        )
    }

    /// The role that the database gives to a member; empty where there is none.
    pub async fn role_of(&self, name: &str) -> String {
        let rows = self.rows(&format!("SELECT role FROM members WHERE email_key = '{name}@example.com'")).await;
        rows.into_iter().next().map(|mut row| row.remove(0)).unwrap_or_default()
    }
}

/// Reads an id, with or without dashes.
pub fn uuid(text: &str) -> uuid::Uuid {
    uuid::Uuid::parse_str(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

/// With a capital letter.
pub fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Whether two answers are alike, byte for byte; says where they part.
#[track_caller]
pub fn assert_alike<T: std::fmt::Debug>(left: &T, right: &T, what: &str) {
    let (left, right) = (format!("{left:?}"), format!("{right:?}"));
    if left != right {
        let part = left.bytes().zip(right.bytes()).position(|(l, r)| l != r).unwrap_or_else(|| left.len().min(right.len()));
        let around =
            |text: &str| String::from_utf8_lossy(&text.as_bytes()[part.saturating_sub(200)..(part + 200).min(text.len())]).into_owned();
        panic!("{what}: they part at byte {part}\n  one: …{}…\nother: …{}…", around(&left), around(&right));
    }
}

/// Waits until something holds, at most some seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "it did not come about: {what}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}
