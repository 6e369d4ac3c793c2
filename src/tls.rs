//! TLS in the process, for who has no proxy: a certificate and its key from two files, which are taken up again when
//! they change. Connections that are there keep the certificate they began with.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_util::sync::CancellationToken;
use url::Url;
use webpki::{EndEntityCert, KeyUsage};

use crate::{
    config::Config,
    words::{SECOND, Timestamp},
};

/// How often the files are read. They are small, and their contents tell more than their times.
const LOOK: Duration = Duration::from_secs(2);
/// How long the handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The two files, and what connections are met with.
pub struct Tls {
    files: Files,
    read: (Vec<u8>, Vec<u8>),
    config: RustlsConfig,
}

#[derive(Clone)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(config: &Config) -> Option<Self> {
        Some(Self { cert: config.tls_cert.clone()?, key: config.tls_key.clone()? })
    }

    async fn read(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let read = |path: PathBuf| async move { tokio::fs::read(&path).await.map_err(|e| format!("{}: {e}", path.display())) };
        Ok((read(self.cert.clone()).await?, read(self.key.clone()).await?))
    }
}

impl Tls {
    /// Reads the files that the options name; `None` where they name none.
    ///
    /// # Errors
    /// Where a file cannot be read or does not hold what it should, or the key is another certificate's.
    pub async fn open(config: &Config) -> Result<Option<Self>, String> {
        let Some(files) = Files::of(config) else { return Ok(None) };
        let read = files.read().await?;
        let config = RustlsConfig::from_config(Arc::new(server_config(&read.0, &read.1)?));
        Ok(Some(Self { files, read, config }))
    }

    /// What does the handshakes.
    #[must_use]
    pub fn acceptor(&self) -> RustlsAcceptor {
        RustlsAcceptor::new(self.config.clone()).handshake_timeout(HANDSHAKE_TIMEOUT)
    }

    /// Takes the files up again whenever they change, until it is told to stop. What cannot be used is logged, once, and
    /// the last that could be stays: a renewal that is half written is whole at the next look.
    pub async fn watch(mut self, stop: CancellationToken) {
        let mut trouble = String::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let taken = match self.files.read().await {
                Ok(read) if read == self.read => Ok(()),
                Ok(read) => server_config(&read.0, &read.1).map(|config| {
                    self.config.reload_from_config(Arc::new(config));
                    self.read = read;
                    tracing::info!(file = %self.files.cert.display(), "the certificate was taken up again");
                }),
                Err(error) => Err(error),
            };
            let error = taken.err().unwrap_or_default();
            if error != trouble && !error.is_empty() {
                tracing::error!(%error, "the certificate changed and cannot be used; the last one stays");
            }
            trouble = error;
        }
    }
}

fn server_config(cert: &[u8], key: &[u8]) -> Result<ServerConfig, String> {
    let chain = chain(cert)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| format!("the private key cannot be read: {e}"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| format!("the certificate and the key do not go together: {e}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn chain(cert: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("there is no certificate in the file".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("the certificate cannot be read: {error}")),
    }
}

/// What `doctor` says about the two files: each finding with whether it is right.
pub async fn examine(config: &Config, now: Timestamp) -> Vec<(bool, String)> {
    let Some(files) = Files::of(config) else { return Vec::new() };
    let read = match files.read().await {
        Ok(read) => read,
        Err(error) => return vec![(false, format!("A file for TLS cannot be read: {error}"))],
    };
    if let Err(error) = server_config(&read.0, &read.1) {
        return vec![(false, format!("TLS cannot be served: {error}."))];
    }
    let mut found = vec![(true, "The certificate and its key go together.".to_owned())];
    found.extend(match chain(&read.0).and_then(|chain| about(&chain, &config.public_url, now)) {
        Ok(about) => about,
        Err(error) => vec![(false, format!("The certificate cannot be understood: {error}."))],
    });
    found
}

/// Whether a certificate is for the public address, and until when.
fn about(chain: &[CertificateDer<'static>], public: &Url, now: Timestamp) -> Result<Vec<(bool, String)>, String> {
    let leaf = chain.first().ok_or("it is empty")?;
    let cert = EndEntityCert::try_from(leaf).map_err(|e| e.to_string())?;
    let host = public.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|e| format!("{host}: {e}"))?;
    let named = cert.verify_is_valid_for_subject_name(&name).is_ok();
    let mut found =
        vec![(named, if named { format!("The certificate is for {host}.") } else { format!("The certificate is not for {host}.") })];
    // The library tells the dates of a certificate only in its refusal of one that is over.
    let valid_at = |moment: Timestamp| {
        let seconds = u64::try_from(moment.0.div_euclid(SECOND)).unwrap_or(0);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        cert.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[], &chain[1..], time, KeyUsage::server_auth(), None, None).err()
    };
    let moment = |time: UnixTime| Timestamp(i64::try_from(time.as_secs()).unwrap_or(0).saturating_mul(SECOND));
    if let Some(webpki::Error::CertNotValidYet { not_before, .. }) = valid_at(now) {
        found.push((false, format!("The certificate is valid from {} on.", moment(not_before).date())));
    }
    if let Some(webpki::Error::CertExpired { not_after, .. }) = valid_at(Timestamp(253_402_300_799 * SECOND)) {
        let ends = moment(not_after);
        let (right, text) = if ends <= now {
            (false, format!("The certificate expired on {}.", ends.date()))
        } else if ends <= now.plus(14 * crate::words::DAY) {
            (false, format!("The certificate expires soon, on {}.", ends.date()))
        } else {
            (true, format!("The certificate is valid until {}.", ends.date()))
        };
        found.push((right, text));
    }
    Ok(found)
}
