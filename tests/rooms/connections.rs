//! Connections: clients that dawdle, a database that goes away and comes back, and TLS in the process.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Empty};
use org_portal::{config::Config, permissions::Role};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream, UnixStream},
    sync::watch,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        pki_types::{CertificateDer, ServerName},
        version::{TLS12, TLS13},
    },
};

use crate::support::*;

/// Sends a begin, and then more, byte by byte, until the server has enough; gives what it answered.
async fn dawdle(portal: &TestPortal, begin: &str, more: &[u8]) -> String {
    let mut stream = TcpStream::connect(portal.address()).await.expect("a connection");
    stream.write_all(begin.as_bytes()).await.expect("sent");
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let dripping = async {
        for byte in more.iter().cycle() {
            tokio::time::sleep(Duration::from_millis(400)).await;
            if more.is_empty() || write.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = dripping => {}
        // The end, or a reset by a server that has not read everything: closed either way.
        _ = read.read_to_end(&mut answer) => {}
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks and asks and takes nothing of the answers, until the connection is closed.
async fn take_nothing(portal: &TestPortal) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(2048).expect("a small buffer");
    let mut stream = socket.connect(portal.address()).await.expect("a connection");
    let ask = format!("GET /sign-in HTTP/1.1\r\nhost: {}\r\n\r\n", portal.address()).repeat(50);
    while stream.write_all(ask.as_bytes()).await.is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_dawdle_are_cut_off_while_others_are_served() {
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    let silent = dawdle(&portal, "", b"");
    let head = dawdle(&portal, "GET /sign-in HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ", b"y");
    let body = dawdle(
        &portal,
        "POST /do/sign_in HTTP/1.1\r\nhost: 127.0.0.1:3000\r\nsec-fetch-site: same-origin\r\naccept: text/html\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\n",
        b"a",
    );
    // Who is not signed in brings no files, and gets no more time for them.
    let files = dawdle(
        &portal,
        "POST /do/raise_ticket HTTP/1.1\r\nhost: 127.0.0.1:3000\r\nsec-fetch-site: same-origin\r\naccept: text/html\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 1000\r\n\r\n--x\r\n",
        b"a",
    );
    let unread_body = dawdle(&portal, "POST /sign-in HTTP/1.1\r\nhost: 127.0.0.1:3000\r\ncontent-length: 1000\r\n\r\n", b"a");
    let idle = dawdle(&portal, "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:3000\r\n\r\n", b"");
    let greedy = take_nothing(&portal);
    let served = async {
        let browser = portal.browser();
        loop {
            browser.get("/sign-in").await.is(200);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let all = async { tokio::join!(silent, head, body, files, unread_body, idle, greedy) };
    let (silent, head, body, files, unread_body, idle, ()) = tokio::select! {
        all = tokio::time::timeout(Duration::from_secs(60), all) => all.expect("every one is cut off"),
        () = served => unreachable!("it goes on"),
    };
    assert_eq!(silent, "");
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("nothing was saved"), "{body}");
    assert!(files.starts_with("HTTP/1.1 408"), "{files}");
    assert!(!unread_body.starts_with("HTTP/1.1 200"), "{unread_body}");
    assert!(idle.starts_with("HTTP/1.1 200") && idle.ends_with("ok\n"), "{idle}");
    portal.browser().get("/sign-in").await.is(200);
    portal.close().await;
}

/// A gate before PostgreSQL. Shut, it refuses who comes and cuts who is in.
struct Gate {
    url: String,
    open: watch::Sender<bool>,
}

impl Gate {
    async fn before(url: &str) -> Self {
        let options: sqlx::postgres::PgConnectOptions = url.parse().expect("a URL of PostgreSQL");
        let to = match options.get_socket() {
            Some(folder) => Err(folder.join(format!(".s.PGSQL.{}", options.get_port()))),
            None => Ok(format!("{}:{}", options.get_host(), options.get_port())),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut through = url::Url::parse(url).expect("a URL");
        through.set_host(Some("127.0.0.1")).expect("a host");
        through.set_port(Some(address.port())).expect("a port");
        through.set_query(None);
        let (open, mut is_open) = watch::channel(true);
        let cut = is_open.clone();
        tokio::spawn(async move {
            let mut listener = Some(listener);
            loop {
                let Some(listening) = &listener else {
                    if is_open.wait_for(|open| *open).await.is_err() {
                        return;
                    }
                    listener = Some(TcpListener::bind(address).await.expect("the port again"));
                    continue;
                };
                tokio::select! {
                    shut = is_open.wait_for(|open| !*open) => match shut {
                        Ok(_) => {}
                        Err(_) => return,
                    },
                    Ok((stream, _)) = listening.accept() => {
                        let (to, mut cut) = (to.clone(), cut.clone());
                        tokio::spawn(async move {
                            tokio::select! {
                                _ = cut.wait_for(|open| !*open) => {}
                                () = pass(stream, to) => {}
                            }
                        });
                        continue;
                    }
                }
                listener = None;
            }
        });
        Self { url: through.to_string(), open }
    }

    fn shut(&self) {
        self.open.send(false).expect("the gate is there");
    }

    async fn open(&self) {
        self.open.send(true).expect("the gate is there");
        let address = self.url.split(['@', '/']).nth(3).expect("an address").to_owned();
        until("the gate listens", || async { TcpStream::connect(&address).await.is_ok() }).await;
    }
}

async fn pass(mut from: TcpStream, to: Result<String, std::path::PathBuf>) {
    let _ = match to {
        Ok(address) => match TcpStream::connect(address).await {
            Ok(mut to) => tokio::io::copy_bidirectional(&mut from, &mut to).await,
            Err(error) => Err(error),
        },
        Err(path) => match UnixStream::connect(path).await {
            Ok(mut to) => tokio::io::copy_bidirectional(&mut from, &mut to).await,
            Err(error) => Err(error),
        },
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_database_is_back_the_very_next_request_is_answered_and_nothing_is_lost() {
    let direct = TestPortal::start(Engine::Postgres, Options::default()).await;
    let [ada] = direct.organization_with("Acme", [("ada", Role::Admin)]).await;
    let gate = Gate::before(&direct.config.database_url).await;
    let portal = TestPortal::second_with(&direct, Options::default().with("database_url", &gate.url)).await;
    let ada = ada.at(&portal);
    for round in ["Augusta", "Ada", "Byron"] {
        // Some connections, so that some are dead afterwards.
        let pages = (0..6).map(|_| ada.get("/organization/members"));
        for page in futures::future::join_all(pages).await {
            page.is(200);
        }
        let before = direct.state().await;
        let form = ada.get("/account").await.form("/do/change_name").with("first_name", round);
        gate.shut();
        let (page, refused, machine) =
            tokio::join!(ada.get("/organization/members"), ada.submit(&form), async { portal.browser().get("/readyz").await });
        assert!(page.is(503).main().contains("The portal is away for a moment"));
        refused.is(503);
        machine.is(503);
        // Only when the session was last seen may have been noted meanwhile.
        assert_eq!(direct.state().await, before);
        gate.open().await;
        ada.get("/organization/members").await.is(200);
        ada.submit(&form).await.is(303);
        ada.get("/account").await.is(200).says(&format!("{round} Example"));
    }
    // The workers are back, too.
    portal.invite(&ada, "bob@example.com", Role::TechnicalUser).await.is(303);
    portal.link("bob@example.com", "/invitation").await;
    portal.stop().await;
    direct.close().await;
}

/// A folder with a certificate and its key.
struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    fn new() -> (Self, CertificateDer<'static>) {
        let certificate = Self { folder: tempfile::tempdir().expect("a folder") };
        let root = certificate.renew(&["portal.localhost"], 2100);
        (certificate, root)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes another pair; gives the certificate that a client is to trust.
    fn renew(&self, names: &[&str], until: i32) -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("names");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let cert = params.self_signed(&key).expect("a certificate");
        std::fs::write(self.path("key.pem"), key.serialize_pem()).expect("written");
        std::fs::write(self.path("cert.pem"), cert.pem()).expect("written");
        cert.der().clone()
    }

    fn options(&self) -> Options {
        Options::default()
            .with("public_url", "https://portal.localhost")
            .with("tls_cert", &self.path("cert.pem"))
            .with("tls_key", &self.path("key.pem"))
    }
}

async fn handshake(
    portal: &TestPortal,
    root: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(portal.address()).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("portal.localhost").expect("a name"), stream).await
}

/// Asks once, in HTTP/1.1, for the last time on this connection.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, more: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: portal.localhost\r\nconnection: close\r\n{more}\r\n");
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_ok() {
        let _ = stream.read_to_end(&mut answer).await;
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_certificate_the_portal_speaks_tls_and_nothing_else() {
    let (certificate, root) = Certificate::new();
    let portal = TestPortal::start(Engine::Sqlite, certificate.options()).await;
    for version in [&TLS12, &TLS13] {
        let stream = handshake(&portal, &root, &[version], &[b"http/1.1"]).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let answer = ask(stream, "/sign-in", "").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security: max-age="), "{answer}");
    }
    // HTTP/2 where the client knows it, on one connection many requests.
    let stream = handshake(&portal, &root, &[&TLS13], &[b"h2", b"http/1.1"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), hyper_util::rt::TokioIo::new(stream))
            .await
            .expect("h2");
    tokio::spawn(connection);
    for path in ["/sign-in", "/healthz", "/nothing"] {
        let request = axum::http::Request::get(format!("https://portal.localhost{path}")).body(Empty::<axum::body::Bytes>::new()).unwrap();
        let answer = client.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), if path == "/nothing" { 404 } else { 200 });
        assert!(!answer.into_body().collect().await.expect("a body").to_bytes().is_empty());
    }
    // Cookies go over TLS alone.
    let head = format!(
        "POST /do/choose_theme HTTP/1.1\r\nhost: portal.localhost\r\norigin: https://portal.localhost\r\naccept: text/html\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\ntheme=dark",
        "theme=dark".len()
    );
    let mut stream = handshake(&portal, &root, &[&TLS13], &[b"http/1.1"]).await.expect("a handshake");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("; Secure"), "{answer}");
    // Who forwards without being named is not believed; kept mails are not shown to them.
    let stream = handshake(&portal, &root, &[&TLS13], &[b"http/1.1"]).await.expect("a handshake");
    assert!(ask(stream, "/dev/mail", "x-forwarded-proto: https\r\n").await.starts_with("HTTP/1.1 404"));
    let stream = handshake(&portal, &root, &[&TLS13], &[b"http/1.1"]).await.expect("a handshake");
    assert!(ask(stream, "/dev/mail", "").await.starts_with("HTTP/1.1 200"));
    // Plain HTTP at this port gets no page, and a client that begins a handshake and stops is cut off.
    let plain = TcpStream::connect(portal.address()).await.expect("a connection");
    let answer = ask(plain, "/sign-in", "").await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
    assert_eq!(dawdle(&portal, "\u{16}\u{3}\u{1}\u{2}\0", b"\0").await, "");
    portal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let (certificate, first) = Certificate::new();
    let portal = TestPortal::start(Engine::Sqlite, certificate.options()).await;
    let versions: [&'static SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
    let mut old = handshake(&portal, &first, &versions, &[b"http/1.1"]).await.expect("a handshake");
    let second = certificate.renew(&["portal.localhost"], 2101);
    until("a new connection meets the new certificate", || async { handshake(&portal, &second, &versions, &[]).await.is_ok() }).await;
    assert!(handshake(&portal, &first, &versions, &[]).await.is_err(), "the old certificate is still shown");
    // The connection from before goes on.
    old.write_all(b"GET /healthz HTTP/1.1\r\nhost: portal.localhost\r\n\r\n").await.expect("sent");
    let mut answer = [0; 12];
    old.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    // Broken, half written, another's key, gone: the last good one stays. That each was looked at shows by what follows.
    let good = (std::fs::read(certificate.path("cert.pem")).unwrap(), std::fs::read(certificate.path("key.pem")).unwrap());
    let other = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    for (cert, key) in [(&b"nonsense"[..], &good.1[..]), (&good.0[..40], &good.1), (&good.0, other.as_bytes()), (b"", b"")] {
        std::fs::write(certificate.path("cert.pem"), cert).expect("written");
        std::fs::write(certificate.path("key.pem"), key).expect("written");
        assert!(org_portal::tls::Tls::open(&portal.config).await.is_err(), "this is no pair");
        tokio::time::sleep(Duration::from_millis(2500)).await;
        handshake(&portal, &second, &versions, &[]).await.expect("the last good one");
    }
    std::fs::remove_file(certificate.path("cert.pem")).expect("removed");
    let third = certificate.renew(&["portal.localhost"], 2102);
    until("what is whole again is taken up", || async { handshake(&portal, &third, &versions, &[]).await.is_ok() }).await;
    portal.close().await;
}

#[tokio::test]
async fn doctor_looks_at_the_certificate() {
    let (certificate, _) = Certificate::new();
    let read = |pairs: &[(&str, &str)]| {
        let mut all = BTreeMap::from([("public_url".to_owned(), "https://portal.localhost".to_owned())]);
        all.insert("tls_cert".to_owned(), certificate.path("cert.pem"));
        all.insert("tls_key".to_owned(), certificate.path("key.pem"));
        all.extend(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Config::read(&all).expect("read")
    };
    let findings = |config: Config| async move { org_portal::tls::examine(&config, START).await };
    let wrong = |found: &[(bool, String)], text: &str| found.iter().any(|(right, said)| !right && said.contains(text));
    let found = findings(read(&[])).await;
    assert!(found.len() == 3 && found.iter().all(|(right, _)| *right), "{found:?}");
    assert!(found[2].1.contains("1 January 2100"), "{found:?}");
    assert!(read(&[]).problems().is_empty());
    // Another name, over, soon over, another's key, not there; one option without the other; no https.
    let found = findings(read(&[("public_url", "https://other.localhost")])).await;
    assert!(wrong(&found, "not for other.localhost"), "{found:?}");
    certificate.renew(&["portal.localhost"], 2025);
    assert!(wrong(&findings(read(&[])).await, "expired on 1 January 2025"));
    let other = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    std::fs::write(certificate.path("other.pem"), other).expect("written");
    assert!(wrong(&findings(read(&[("tls_key", &certificate.path("other.pem"))])).await, "do not go together"));
    assert!(wrong(&findings(read(&[("tls_key", &certificate.path("none.pem"))])).await, "cannot be read"));
    let problem = |config: Config, text: &str| config.problems().iter().any(|problem| problem.contains(text));
    assert!(problem(read(&[("tls_key", "")]), "belong together"));
    assert!(problem(read(&[("public_url", "http://portal.localhost:3000")]), "must begin with https"));
}

/// The first bytes of a handshake, as a client says them that knows these versions and ciphers.
fn hello(version: u16, ciphers: &[u16]) -> Vec<u8> {
    let word = |n: usize| u16::try_from(n).expect("short").to_be_bytes();
    let with_length = |bytes: &[u8]| [&word(bytes.len())[..], bytes].concat();
    let list = |words: &[u16]| with_length(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>());
    let extension = |kind: u16, body: Vec<u8>| [kind.to_be_bytes().to_vec(), with_length(&body)].concat();
    let name = [&[0_u8][..], &with_length(b"portal.localhost")].concat();
    let extensions = [
        extension(0, with_length(&name)),
        extension(10, list(&[0x001d, 0x0017, 0x0018])),
        extension(11, vec![1, 0]),
        extension(13, list(&[0x0403, 0x0804, 0x0401, 0x0503])),
        extension(23, Vec::new()),
    ]
    .concat();
    let body = [&version.to_be_bytes()[..], &[7; 32], &[0], &list(ciphers), &[1, 0], &with_length(&extensions)].concat();
    let message = [&[1, 0][..], &with_length(&body)].concat();
    [&[22, 3, 1][..], &with_length(&message)].concat()
}

/// What the server says to it: the kind of the record, and of an alert what it says.
async fn said(portal: &TestPortal, hello: &[u8]) -> (u8, Option<u8>) {
    let mut stream = TcpStream::connect(portal.address()).await.expect("a connection");
    stream.write_all(hello).await.expect("sent");
    let mut head = [0; 7];
    stream.read_exact(&mut head).await.expect("an answer");
    (head[0], (head[0] == 21).then_some(head[6]))
}

/// ASVS 12.1.1, 12.1.2: TLS 1.2 and 1.3, with ciphers that keep what was said before secret whatever leaks later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_and_weak_ciphers_of_tls_are_refused() {
    const GOOD: u16 = 0xc02b; // ECDHE, ECDSA, AES of 128 bits with GCM
    let (certificate, root) = Certificate::new();
    let portal = TestPortal::start(Engine::Sqlite, certificate.options()).await;
    // TLS 1.2 and a good cipher: the server goes on.
    assert_eq!(said(&portal, &hello(0x0303, &[GOOD])).await, (22, None));
    assert_eq!(said(&portal, &hello(0x0303, &[0x000a, 0x002f, GOOD])).await, (22, None));
    for (version, name) in [(0x0300, "SSL 3"), (0x0301, "TLS 1.0"), (0x0302, "TLS 1.1")] {
        assert_eq!(said(&portal, &hello(version, &[GOOD])).await, (21, Some(70)), "{name}");
    }
    for (cipher, name) in [
        (0x0000, "none"),
        (0x0005, "RC4"),
        (0x000a, "3DES"),
        (0x002f, "RSA, AES with CBC"),
        (0x009c, "RSA, AES with GCM, without forward secrecy"),
        (0xc009, "ECDHE, ECDSA, AES with CBC"),
        (0xc013, "ECDHE, RSA, AES with CBC"),
        (0xc018, "anonymous"),
    ] {
        assert_eq!(said(&portal, &hello(0x0303, &[cipher])).await, (21, Some(40)), "{name}");
    }
    // The newest version that both know, and its ciphers.
    let stream = handshake(&portal, &root, &[&TLS12, &TLS13], &[b"http/1.1"]).await.expect("a handshake");
    let connection = stream.get_ref().1;
    assert_eq!(connection.protocol_version(), Some(TLS13.version));
    let suite = format!("{:?}", connection.negotiated_cipher_suite().expect("a cipher").suite());
    assert!(suite.starts_with("TLS13_AES_") || suite.starts_with("TLS13_CHACHA20"), "{suite}");
    portal.close().await;
}

/// ASVS 12.3.2: where the portal asks others over TLS, it looks whose certificate it is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_elsewhere_whose_certificate_nobody_vouches_for_is_not_talked_to() {
    let (certificate, _) = Certificate::new();
    let root = certificate.renew(&["localhost", "portal.localhost"], 2100);
    let portal = TestPortal::start(Engine::Sqlite, certificate.options()).await;
    // Somebody who trusts this certificate is served.
    handshake(&portal, &root, &[&TLS12, &TLS13], &[]).await.expect("a handshake");
    let port = portal.address().port();
    let client = org_portal::outgoing::client(org_portal::outgoing::Patience::default()).expect("a client");
    let refused = client.get(format!("https://localhost:{port}/healthz")).send().await.expect_err("nobody vouches for it");
    let why = org_portal::outgoing::reason(&refused);
    assert!(why.contains("certificate"), "{why}");
    for scheme in ["smtps", "smtp+starttls"] {
        let settings = [("smtp_url", format!("{scheme}://localhost:{port}"))].map(|(k, v)| (k.to_owned(), v));
        let config = Config::read(&settings.into_iter().collect()).expect("read");
        let transport = org_portal::mail::Transport::open(&config).expect("a transport");
        let outcome = tokio::time::timeout(Duration::from_secs(30), transport.test()).await.expect("an answer");
        let why = outcome.map(drop).expect_err("nobody vouches for it");
        assert!(scheme != "smtps" || why.to_lowercase().contains("certificate"), "{why}");
    }
    portal.close().await;
}

/// Mails leave over TLS, from the first byte on or after STARTTLS, with the mail server's password; with a wrong one, or where
/// the server has no TLS to offer, they stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_leave_over_tls_and_with_a_password() {
    use std::io::{BufRead as _, BufReader};
    let (certificate, _) = Certificate::new();
    certificate.renew(&["localhost"], 2100);
    let python = python::python_with("aiosmtpd", "1.4.6");
    for scheme in ["smtps", "smtp+starttls"] {
        let mut server = std::process::Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp_server.py"))
            .args([scheme, &certificate.path("cert.pem"), &certificate.path("key.pem"), "portal@example.com", "a pass:word"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a mail server");
        let mut said = BufReader::new(server.stdout.take().expect("its words")).lines();
        let port = said.next().expect("a port").expect("a line");
        let transport = |scheme: &str, password: &str| {
            let settings = [
                ("smtp_url", format!("{scheme}://portal%40example.com:{password}@localhost:{port}")),
                ("smtp_ca", certificate.path("cert.pem")),
                ("mail_from", "Portal <portal@sender.example>".to_owned()),
            ];
            let config = Config::read(&settings.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()).expect("read");
            let transport = org_portal::mail::Transport::open(&config).expect("a transport");
            (config, transport)
        };
        let (config, good) = transport(scheme, "a%20pass%3Aword");
        assert_eq!(good.test().await, Ok(true), "{scheme}");
        let rendered = org_portal::mail::Rendered { subject: "Hello".into(), text: "One.\n.\nTwo.".into(), html: "<p>One.</p>".into() };
        let to = org_portal::words::Email::parse("ada@example.com").expect("an address");
        for n in 0..2 {
            good.send(&config, &to, &format!("<{n}@sender.example>"), &rendered).await.expect("it leaves");
            let letter = said.next().expect("a letter").expect("a line");
            let letter: serde_json::Value = serde_json::from_str(&letter).expect("JSON");
            assert_eq!(
                (&letter["tls"], &letter["as"], &letter["to"][0]),
                (&true.into(), &"portal@example.com".into(), &"ada@example.com".into())
            );
            let text = letter["text"].as_str().expect("text");
            assert!(text.contains(&format!("Message-ID: <{n}@sender.example>")) && text.contains("\r\n.\r\nTwo."), "{text}");
        }
        let (config, wrong) = transport(scheme, "another");
        let refused = wrong.send(&config, &to, "<3@sender.example>", &rendered).await.expect_err("refused");
        // A password can be mended: the mail waits.
        assert!(matches!(&refused, org_portal::mail::TransportError::Later(why) if why.contains("535")), "{refused:?}");
        let (config, clear) = transport("smtp", "a%20pass%3Aword");
        clear.send(&config, &to, "<4@sender.example>", &rendered).await.map_err(drop).expect_err("that server takes nothing in the clear");
        // It ends with its input.
        drop(server.stdin.take());
        server.wait().expect("it ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_whose_answer_does_not_end_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let pours = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody comes");
        let mut poured = 0_usize;
        while poured < 1 << 28 && stream.write_all(&[b'2'; 65_536]).await.is_ok() {
            poured += 65_536;
        }
        poured
    });
    let settings = [("smtp_url".to_owned(), format!("smtp://127.0.0.1:{port}"))];
    let config = Config::read(&settings.into_iter().collect()).expect("read");
    let transport = org_portal::mail::Transport::open(&config).expect("a transport");
    let why = transport.test().await.expect_err("that is no answer");
    assert!(why.contains("does not end"), "{why}");
    assert!(pours.await.expect("it ends") < 1 << 26);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_was_full_is_written_to_again() {
    let portal = TestPortal::start(Engine::Sqlite, Options::default()).await;
    let [ada] = portal.organization_with("Acme", [("ada", Role::Admin)]).await;
    let raise = async |n: usize| {
        let description = format!("{n} {}", "It breaks. ".repeat(1500));
        let fields = [("subject", "It breaks"), ("description", description.as_str())];
        ada.fill("/organization/tickets/new", "/do/raise_ticket", &fields).await.status
    };
    assert_eq!(raise(0).await, 303);
    for round in 0..3 {
        // As large as the file is now and a page more or less, so that one statement or another meets the end.
        let pages = portal.count("PRAGMA page_count").await + round;
        let org_portal::db::Db::Sqlite { write, .. } = &portal.db else { unreachable!("SQLite") };
        let mut full = Vec::new();
        while !full.contains(&503) && full.len() < 12 {
            // The limit is the connection's, and a worker may have met it before, whose connection was replaced.
            sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(write).await.expect("a limit");
            full.push(raise(full.len()).await);
        }
        assert!(full.iter().all(|status| [303, 503].contains(status)) && full.contains(&503), "{full:?}");
        sqlx::query("PRAGMA max_page_count = 1000000").execute(write).await.expect("room again");
        assert_eq!(raise(100).await, 303);
        portal.invite(&ada, &format!("user{round}@example.com"), Role::TechnicalUser).await.is(303);
    }
    assert_eq!(portal.text("PRAGMA integrity_check").await, "ok");
    portal.close().await;
}
