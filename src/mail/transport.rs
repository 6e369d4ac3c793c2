use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Letter, Tokio1Executor,
    message::{Mailbox, MultiPart, header},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use url::Url;

use super::Rendered;
use crate::{config::Config, words::Email};

/// How mails leave.
#[derive(Clone)]
pub enum Transport {
    /// To a mail server.
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
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
            Some(url) => Ok(Self::Smtp(Box::new(smtp(url, config)?))),
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
        smtp.send(letter)
            .await
            .map(|_| ())
            .map_err(|e| if e.is_permanent() { Error::Hopeless(e.to_string()) } else { Error::Later(e.to_string()) })
    }

    /// Whether the mail server answers; for `doctor`.
    ///
    /// # Errors
    /// What it said.
    pub async fn test(&self) -> Result<bool, String> {
        match self {
            Self::Kept => Ok(true),
            Self::Smtp(smtp) => smtp.test_connection().await.map_err(|e| e.to_string()),
        }
    }
}

fn smtp(url: &Url, config: &Config) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let host = url.host_str().ok_or("the mail server's address names no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let parameters = || -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(host.clone());
        if let Some(path) = &config.smtp_ca {
            let pem = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| format!("{}: {e}", path.display()))?);
        }
        builder.build().map_err(|e| e.to_string())
    };
    let (tls, port) = match url.scheme() {
        "smtps" => (Tls::Wrapper(parameters()?), 465),
        "smtp+starttls" => (Tls::Required(parameters()?), 587),
        _ => (Tls::None, 25),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
        .port(url.port().unwrap_or(port))
        .tls(tls)
        .timeout(Some(Duration::from_secs(20)));
    if !url.username().is_empty() {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        builder = builder.credentials(Credentials::new(decode(url.username()), decode(url.password().unwrap_or_default())));
    }
    Ok(builder.build())
}
