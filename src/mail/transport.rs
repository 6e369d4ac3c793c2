use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use lettre::{
    Message as Letter,
    message::{Mailbox, MultiPart, header},
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::Url;

use super::Rendered;
use crate::{config::Config, words::Email};

/// How long a step towards the mail server may take.
const STEP: Duration = Duration::from_secs(20);
/// How long the goodbye may take: the mail is taken by then.
const GOODBYE: Duration = Duration::from_secs(2);
/// More than any answer of a mail server holds.
const MOST: usize = 256 * 1024;

/// How mails leave.
#[derive(Clone)]
pub enum Transport {
    /// To a mail server.
    Smtp(Arc<Smtp>),
    /// They are kept, and shown at `/dev/mail`.
    Kept,
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The mail itself will never do, or the server refused it for good.
    #[error("{0}")]
    Hopeless(String),
    /// Another time, perhaps.
    #[error("{0}")]
    Later(String),
}

impl Transport {
    /// Reads how mails leave from the configuration.
    ///
    /// # Errors
    /// Where the mail server's options do not do.
    pub fn open(config: &Config) -> Result<Self, String> {
        match &config.smtp_url {
            Some(url) => Ok(Self::Smtp(Arc::new(Smtp::of(url, config)?))),
            None if config.keeps_mail() => Ok(Self::Kept),
            None => Err("no mail server is configured".to_owned()),
        }
    }

    /// Sends one mail.
    ///
    /// # Errors
    /// Whether it is hopeless or may do later.
    pub async fn send(&self, config: &Config, to: &Email, message_id: &str, mail: &Rendered) -> Result<(), Error> {
        let Self::Smtp(smtp) = self else { return Ok(()) };
        let sender = config.sender().ok_or_else(|| Error::Later("the sender's address is wrong".to_owned()))?;
        let recipient: Mailbox = to.as_str().parse().map_err(|e| Error::Hopeless(format!("{e}")))?;
        let letter = Letter::builder()
            .from(sender)
            .to(recipient)
            .subject(&mail.subject)
            .message_id(Some(message_id.to_owned()))
            .header(header::MIME_VERSION_1_0)
            .raw_header(header::HeaderValue::new(header::HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
            .map_err(|e| Error::Hopeless(e.to_string()))?;
        let mut connection = smtp.connect().await?;
        connection.send(letter.envelope(), &letter.formatted()).await?;
        // It is taken, however it says goodbye.
        let _ = timeout(GOODBYE, connection.quit()).await;
        Ok(())
    }

    /// Whether the mail server answers; for `doctor`.
    ///
    /// # Errors
    /// What it said.
    pub async fn test(&self) -> Result<bool, String> {
        match self {
            Self::Kept => Ok(true),
            Self::Smtp(smtp) => {
                let mut connection = smtp.connect().await.map_err(|e| e.to_string())?;
                let answers = timeout(STEP, connection.test_connected()).await.unwrap_or(false);
                let _ = timeout(GOODBYE, connection.quit()).await;
                Ok(answers)
            }
        }
    }
}

impl From<lettre::transport::smtp::Error> for Error {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        if error.is_permanent() { Self::Hopeless(error.to_string()) } else { Self::Later(error.to_string()) }
    }
}

/// How the connection is kept from others.
enum Tls {
    /// Not: only on loopback, or in a network of one's own.
    Not,
    /// From the second word on.
    Started(TlsParameters),
    /// From the beginning.
    Whole(TlsConnector, ServerName<'static>),
}

/// The mail server. There is a connection for each mail: the library's own would read an answer that does not end into
/// memory.
pub struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    hello: ClientId,
}

impl Smtp {
    fn of(url: &Url, config: &Config) -> Result<Self, String> {
        let host = url.host_str().ok_or("the mail server's address names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let authority = match &config.smtp_ca {
            Some(path) => Some(std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?),
            None => None,
        };
        let wrong = |error: String| config.smtp_ca.as_ref().map_or_else(|| error.clone(), |path| format!("{}: {error}", path.display()));
        let (tls, port) = match url.scheme() {
            "smtps" => {
                let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                if let Some(pem) = &authority {
                    for certificate in CertificateDer::pem_slice_iter(pem) {
                        roots.add(certificate.map_err(|e| wrong(e.to_string()))?).map_err(|e| wrong(e.to_string()))?;
                    }
                }
                let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                    .with_safe_default_protocol_versions()
                    .map_err(|e| e.to_string())?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let name = ServerName::try_from(host.clone()).map_err(|e| format!("{host}: {e}"))?;
                (Tls::Whole(TlsConnector::from(Arc::new(tls)), name), 465)
            }
            "smtp+starttls" => {
                let mut builder = TlsParameters::builder(host.clone());
                if let Some(pem) = &authority {
                    builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(|e| wrong(e.to_string()))?);
                }
                (Tls::Started(builder.build().map_err(|e| e.to_string())?), 587)
            }
            _ => (Tls::Not, 25),
        };
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials =
            (!url.username().is_empty()).then(|| Credentials::new(decode(url.username()), decode(url.password().unwrap_or_default())));
        Ok(Self { host, port: url.port().unwrap_or(port), tls, credentials, hello: ClientId::default() })
    }

    /// A connection on which mails can be sent.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        timeout(STEP, self.open()).await.map_err(|_| Error::Later("the mail server took too long".to_owned()))?
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, Error> {
        // Whatever is wrong with the way to the server is no fault of the mail, and another time it may do.
        let later = |error: io::Error| Error::Later(format!("no connection to the mail server: {error}"));
        let said = |error: lettre::transport::smtp::Error| Error::Later(error.to_string());
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(later)?;
        let peer = tcp.peer_addr().map_err(later)?;
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            Tls::Whole(tls, name) => Box::new(Bounded::new(tls.connect(name.clone(), tcp).await.map_err(later)?, peer)),
            Tls::Not | Tls::Started(_) => Box::new(Bounded::new(tcp, peer)),
        };
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await.map_err(said)?;
        if let Tls::Started(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &self.hello).await.map_err(said)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(said)?;
        }
        Ok(connection)
    }
}

/// A stream of which no more is read than an answer can hold, until something is asked again.
#[derive(Debug)]
struct Bounded<S> {
    stream: S,
    peer: SocketAddr,
    left: usize,
}

impl<S> Bounded<S> {
    const fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream, peer, left: MOST }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        match self.left.checked_sub(into.filled().len() - before) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other("the answer does not end"))),
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.left = MOST;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream for Bounded<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
