//! What the rows share that put the executable under strain: houses with people in them, the executable as a process,
//! a crowd that writes, and what is looked at afterwards.
#![allow(dead_code, reason = "each row uses its part")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use org_portal::permissions::Role;
use tokio::task::JoinHandle;

use crate::{
    portals::{binary, free_port},
    support::{Browser, Engine, Options, PASSWORD, TestPortal},
};

/// A folder on the disk, for databases that have to lie there.
pub fn folder() -> tempfile::TempDir {
    std::fs::create_dir_all("target/prove").unwrap();
    tempfile::Builder::new().prefix("prove-").tempdir_in(std::fs::canonicalize("target/prove").unwrap()).unwrap()
}

/// A database with people in it, whose portal is stopped: the executable serves it.
pub struct House {
    pub portal: TestPortal,
    /// An Admin.
    pub ada: String,
    /// A Technical user.
    pub tom: String,
    /// An operator, who is in no organization.
    pub olga: String,
}

/// Moves the portal's clock to that of the world, which the executable has.
pub fn meet_the_world(portal: &TestPortal) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    portal.clock.advance(i64::try_from(now).unwrap() - portal.clock.now().0);
}

/// The secret of a browser's session.
pub fn session(browser: &Browser) -> String {
    browser.cookie("session").expect("a session")
}

impl House {
    /// One with an organization and an operator.
    pub async fn new(engine: Engine, options: Options) -> Self {
        let portal = TestPortal::start(engine, options).await;
        meet_the_world(&portal);
        let [ada, tom] = portal.organization_with("Acme", [("ada", Role::Admin), ("tom", Role::TechnicalUser)]).await;
        let olga = portal.operator("olga").await;
        portal.deliver().await;
        let (ada, tom, olga) = (session(&ada), session(&tom), session(&olga));
        portal.stop().await;
        Self { portal, ada, tom, olga }
    }

    /// One in which things have happened, so that its pages have something to do: people, invitations, servers, tokens, tickets,
    /// an account that is locked, an organization that is suspended, and addresses that mails have led to. Gives also somebody
    /// who is in no organization and invited to one, and those addresses.
    pub async fn lived_in(engine: Engine) -> (Self, String, Vec<String>) {
        let portal = TestPortal::start(engine, Options::default()).await;
        meet_the_world(&portal);
        let people = [("ada", Role::Admin), ("tom", Role::TechnicalUser), ("bob", Role::TechnicalUser)];
        let [ada, tom, _bob] = portal.organization_with("Acme", people).await;
        let [nina] = portal.organization_with("Initech", [("nina", Role::Admin)]).await;
        let olga = portal.operator("olga").await;
        let ivy = portal.sign_up("ivy").await;
        for browser in [&ada, &nina] {
            portal.invite(browser, "ivy@example.com", Role::TechnicalUser).await.is(303);
        }
        portal.invite(&ada, "eve@example.com", Role::Admin).await.is(303);
        let mut links = vec![portal.link("eve@example.com", "/invitation").await];
        for (browser, name) in [(&ada, "ada"), (&tom, "tom")] {
            portal.sign_in(name).await;
            portal.token(browser, "pmm:connect", "30 minutes").await;
            portal.connect_server(browser, &format!("server-of-{name}"), &format!("Server of {name}")).await;
            for subject in ["It breaks", "It is slow"] {
                let fields = [("subject", subject), ("description", "It **does**."), ("priority", "P2 - High")];
                browser.fill("/organization/tickets/new", "/do/raise_ticket", &fields).await.is(303);
            }
            let forgotten = portal.browser();
            forgotten.fill("/forgot-password", "/do/forgot_password", &[("email", &format!("{name}@example.com"))]).await.is(303);
            links.push(portal.link(&format!("{name}@example.com"), "/reset-password").await);
        }
        let fields = [("email", "uma@example.com"), ("first_name", "Uma"), ("last_name", "Example"), ("password", PASSWORD)];
        portal.browser().fill("/sign-up", "/do/sign_up", &fields).await.is(303);
        links.push(portal.link("uma@example.com", "/verify-email").await);
        let found = olga.get("/operator/accounts?q=nina").await.is(200).attributes("main a", "href");
        let nina = found.iter().find(|link| link.starts_with("/operator/accounts/")).expect("nina").clone();
        let until = portal.clock.now().plus(org_portal::words::DAY * 30).iso_date();
        olga.fill(&format!("{nina}/lock"), "/do/lock_account", &[("reason", "Spam"), ("until", &until)]).await.is(303);
        let initech = format!("/operator/organizations/{}/suspend", portal.organization_of("nina").await);
        olga.fill(&initech, "/do/suspend_organization", &[("reason", "Unpaid")]).await.is(303);
        portal.deliver().await;
        let (ada, tom, olga, ivy) = (session(&ada), session(&tom), session(&olga), session(&ivy));
        portal.stop().await;
        (Self { portal, ada, tom, olga }, ivy, links)
    }
}

/// The executable, serving; killed with the value.
pub struct Served {
    pub child: Child,
    pub port: u16,
    scheme: &'static str,
    log: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Serves a house's database; `under` is a command that starts the executable, such as `prlimit`.
    pub async fn start(portal: &TestPortal, settings: &[(&str, &str)], under: &[&str]) -> Self {
        Self::start_at(portal, free_port(), settings, under).await.expect("the executable serves")
    }

    /// The same at a port; nothing where it ends or does not answer.
    pub async fn start_at(portal: &TestPortal, port: u16, settings: &[(&str, &str)], under: &[&str]) -> Option<Self> {
        let mut command = match under {
            [] => Command::new(binary()),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(binary());
                command
            }
        };
        std::fs::create_dir_all("target/prove").unwrap();
        let log = PathBuf::from(format!("target/prove/served-{port}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let scheme = if settings.iter().any(|(name, _)| *name == "ORG_PORTAL_TLS_CERT") { "https" } else { "http" };
        let base = format!("{scheme}://127.0.0.1:{port}");
        command.arg("serve").stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).envs([
            ("DATABASE_URL", portal.config.database_url.as_str()),
            ("ORG_PORTAL_LISTEN", &format!("127.0.0.1:{port}")),
            ("ORG_PORTAL_PUBLIC_URL", &base),
            ("ORG_PORTAL_LOG", "warn"),
        ]);
        for rate in ["SIGN_IN", "SIGN_IN_ADDRESS", "MAIL", "MAIL_ADDRESS", "API", "API_ADDRESS", "TICKET", "SECOND_FACTOR", "INVITATION"] {
            command.env(format!("ORG_PORTAL_{rate}_RATE"), "1000000/1");
        }
        if let Some(key) = org_portal::seal::path(&portal.config) {
            command.env("ORG_PORTAL_KEY_FILE", key);
        }
        command.envs(settings.iter().copied());
        let mut served = Self { child: command.spawn().expect("the executable"), port, scheme, log };
        let client = client();
        for _ in 0..600 {
            if !served.runs() {
                return None;
            }
            if client.get(served.url("/healthz")).send().await.is_ok_and(|answer| answer.status() == 200) {
                return Some(served);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// Whether the process is there.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, |entries| entries.count() as u64)
    }

    /// Megabytes of its own in memory.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("RssAnon")).unwrap_or("x 0");
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Lines of its log that tell of a fault: what nobody should ever cause.
    pub fn faults(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).take(1000).map(str::to_owned).collect()
    }
}

/// A client that follows nothing and waits long enough to tell a hang from a wait.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().timeout(HANGS);
    client.tls_danger_accept_invalid_certs(true).build().unwrap()
}

/// A request that has had no answer until then hangs.
pub const HANGS: Duration = Duration::from_secs(60);

/// What clients were answered.
#[derive(Default)]
pub struct Tally {
    /// How often each status came; 0 is a connection that was refused or closed.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer in time.
    pub hung: u64,
    pub longest: f64,
    /// What came with statuses that nobody should see.
    pub wrong: Vec<String>,
}

impl Tally {
    /// Notes an answer.
    pub fn note(&mut self, what: &str, status: u16, took: Duration, text: &str) {
        *self.statuses.entry(status).or_default() += 1;
        self.longest = self.longest.max(took.as_secs_f64());
        if status >= 500 && ![503, 507].contains(&status) && self.wrong.len() < 20 {
            let text: String = text.chars().take(300).collect();
            self.wrong.push(format!("{what}: {status} {text}"));
        }
    }

    /// Notes that there was none.
    pub fn failed(&mut self, error: &reqwest::Error, took: Duration) {
        *self.statuses.entry(0).or_default() += 1;
        self.longest = self.longest.max(took.as_secs_f64());
        self.hung += u64::from(error.is_timeout());
    }

    pub fn add(&mut self, other: Self) {
        for (status, n) in other.statuses {
            *self.statuses.entry(status).or_default() += n;
        }
        self.hung += other.hung;
        self.longest = self.longest.max(other.longest);
        self.wrong.extend(other.wrong);
    }

    /// How many were answered with faults.
    pub fn faults(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| **status >= 500 && ![503, 507].contains(*status)).map(|(_, n)| n).sum()
    }

    pub fn of(&self, statuses: &[u16]) -> u64 {
        self.statuses.iter().filter(|(status, _)| statuses.contains(status)).map(|(_, n)| n).sum()
    }

    /// The statuses, to be read.
    pub fn said(&self) -> String {
        let each: Vec<String> =
            self.statuses.iter().map(|(status, n)| if *status == 0 { format!("{n} closed") } else { format!("{n} × {status}") }).collect();
        each.join(", ")
    }
}

/// Clients that write and read until they are told to stop.
pub struct Crowd {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
    pub tally: Arc<Mutex<Tally>>,
    /// The addresses for which a mail was promised.
    pub promised: Arc<Mutex<Vec<String>>>,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Crowd {
    /// So many that write, and so many that read with a session.
    pub fn come(port: u16, writers: usize, readers: usize, session: &str) -> Self {
        let crowd = Self { stop: Arc::default(), tasks: Vec::new(), tally: Arc::default(), promised: Arc::default() };
        let mut tasks = Vec::new();
        for n in 0..writers + readers {
            let (stop, tally, promised) = (Arc::clone(&crowd.stop), Arc::clone(&crowd.tally), Arc::clone(&crowd.promised));
            let session = session.to_owned();
            tasks.push(tokio::spawn(async move {
                let client = client();
                while !stop.load(Ordering::Relaxed) {
                    let email = format!("person{}@example.com", NUMBER.fetch_add(1, Ordering::SeqCst));
                    let request = if n < writers {
                        let body = format!(r#"{{"form":{{"email":"{email}"}},"drawn":{{}}}}"#);
                        let request = client.post(format!("http://127.0.0.1:{port}/do/forgot_password"));
                        request.header("content-type", "application/json").header("accept", "application/json").body(body)
                    } else {
                        let page = ["/organization/members", "/organization/activity", "/account"][n % 3];
                        client.get(format!("http://127.0.0.1:{port}{page}")).header("cookie", format!("session={session}"))
                    };
                    let began = Instant::now();
                    let answer = async {
                        let answer = request.send().await?;
                        let status = answer.status().as_u16();
                        Ok::<_, reqwest::Error>((status, answer.text().await?))
                    };
                    match answer.await {
                        Ok((status, text)) => {
                            if status == 200 && n < writers {
                                promised.lock().unwrap().push(email);
                            }
                            tally.lock().unwrap().note(if n < writers { "write" } else { "read" }, status, began.elapsed(), &text);
                            if status >= 400 {
                                tokio::time::sleep(Duration::from_millis(50)).await;
                            }
                        }
                        Err(error) => {
                            tally.lock().unwrap().failed(&error, began.elapsed());
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                }
            }));
        }
        Self { tasks, ..crowd }
    }

    pub fn acknowledged(&self) -> usize {
        self.promised.lock().unwrap().len()
    }

    /// How many were answered so.
    pub fn answered(&self, statuses: &[u16]) -> u64 {
        self.tally.lock().unwrap().of(statuses)
    }

    /// It goes; gives what was answered and the promises.
    pub async fn go(self) -> (Tally, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let tally = std::mem::take(&mut *self.tally.lock().unwrap());
        let promised = std::mem::take(&mut *self.promised.lock().unwrap());
        (tally, promised)
    }
}

/// Waits until something holds; tells how long that took, or nothing where it did not come about in time.
pub async fn within(longest: Duration, mut holds: impl AsyncFnMut() -> bool) -> Option<f64> {
    let began = Instant::now();
    while began.elapsed() < longest {
        if holds().await {
            return Some(began.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

/// Has whatever waits in the outbox be due now, whoever held it.
pub async fn hurry(portal: &TestPortal) {
    portal.execute("UPDATE outbox SET due_at = 1, lease_until = NULL WHERE done_at IS NULL AND dead_at IS NULL").await;
}

/// How many of these addresses got no mail, though one was promised.
pub async fn forgotten(portal: &TestPortal, promised: &[String]) -> u64 {
    let kept: std::collections::HashSet<String> = portal.rows("SELECT recipient FROM kept_mails").await.into_iter().flatten().collect();
    promised.iter().filter(|email| !kept.contains(*email)).count() as u64
}

/// What is wrong with the database itself: SQLite's own check, and `org-portal verify`.
pub async fn damage(portal: &TestPortal) -> Vec<String> {
    let mut found = Vec::new();
    if portal.engine == Engine::Sqlite {
        let said = portal.rows("PRAGMA integrity_check").await.concat();
        if said != ["ok"] {
            found.extend(said);
        }
        found.extend(portal.rows("PRAGMA foreign_key_check").await.into_iter().map(|row| row.join(" ")));
    }
    let mut command = Command::new(binary());
    command.arg("verify").env("DATABASE_URL", &portal.config.database_url);
    if let Some(key) = org_portal::seal::path(&portal.config) {
        command.env("ORG_PORTAL_KEY_FILE", key);
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        found.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    found
}

/// Runs a command that has to succeed.
pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A small file system of its own; taken away with the value.
pub struct Mount(tempfile::TempDir);

impl Mount {
    /// Nothing where one may not mount here.
    pub fn new(megabytes: u64) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("org-portal-prove-").tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}
