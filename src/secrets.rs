//! Randomness, secrets and their hashes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRngCore as _, rngs::OsRng};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::words::Timestamp;

/// The source of randomness: the operating system's.
#[derive(Clone, Copy, Debug)]
pub struct Random;

impl Random {
    /// Fills with random bytes.
    ///
    /// # Panics
    /// Where the operating system has no randomness: nothing could be safe then.
    pub(crate) fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// The same in place.
    ///
    /// # Panics
    /// The same.
    pub(crate) fn fill(self, bytes: &mut [u8]) {
        #[expect(clippy::expect_used, reason = "without randomness nothing may go on")]
        OsRng.try_fill_bytes(bytes).expect("the operating system gives random bytes");
    }

    /// A secret of 256 bits for a link or a cookie.
    #[must_use]
    pub fn secret(self) -> Secret {
        Secret(URL_SAFE_NO_PAD.encode(Zeroizing::new(self.bytes::<32>())).into())
    }

    /// The same with a word before it, by which programs and people tell what it is.
    #[must_use]
    pub fn secret_named(self, prefix: &str) -> Secret {
        Secret(format!("{prefix}{}", self.secret().expose()).into())
    }

    /// An identifier that sorts by the time of its making (UUID version 7, RFC 9562 §5.7). Not a secret.
    #[must_use]
    pub fn id(self, now: Timestamp) -> Uuid {
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.millis()).unwrap_or(0), &self.bytes()).into_uuid()
    }

    /// An identifier that tells nothing, not even when it was made (UUID version 4, RFC 9562 §5.4). Not a secret.
    #[must_use]
    pub fn opaque_id(self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// A short text to tell requests, faults and forms apart: 96 bits. Not a secret.
    #[must_use]
    pub fn tag(self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<12>())
    }
}

/// A secret as it goes out: shown to nobody but whom it is for, kept only as its hash. Its memory is overwritten in the end.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text for the cookie or the link.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept.
    #[must_use]
    pub fn hash(&self) -> Vec<u8> {
        hash(&self.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A text made of another one, or of a file, that does not tell it: safe in a cookie, whatever the other holds.
#[must_use]
pub fn fingerprint(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_ref()))
}

/// The SHA-256 of a secret. A random secret of 256 bits needs no salt and no slowness.
#[must_use]
pub fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn secrets_have_256_bits_and_none_comes_twice() {
        let secrets: Vec<Secret> = (0..2000).map(|_| Random.secret()).collect();
        let decoded: BTreeSet<Vec<u8>> = secrets.iter().map(|s| URL_SAFE_NO_PAD.decode(s.expose()).expect("Base64")).collect();
        assert!(decoded.len() == 2000 && decoded.iter().all(|bytes| bytes.len() == 32));
        // Each bit is set about half the time: of 2,000 between 850 and 1,150, or chance is one in a thousand million.
        for bit in 0..256 {
            let set = decoded.iter().filter(|bytes| bytes[bit / 8] & (1 << (bit % 8)) != 0).count();
            assert!((850..=1150).contains(&set), "bit {bit}: {set}");
        }
        // It is kept as a hash, and does not come out by chance.
        assert_eq!(secrets[0].hash(), hash(secrets[0].expose()));
        assert!(!format!("{:?}", secrets[0]).contains(secrets[0].expose()));
        let named = Random.secret_named("opt_");
        assert!(named.expose().starts_with("opt_") && named.expose().len() == 47);
        let tags: BTreeSet<String> = (0..2000).map(|_| Random.tag()).collect();
        assert_eq!(tags.len(), 2000);
    }
}
