//! The keys by which the portal signs ID tokens: RSA of 2,048 bits, for RS256, which every client knows (OpenID Connect
//! Core §15.1). They stand in the database, sealed with the key file.
//!
//! A key is made at the first need. A new one is published for a day before it signs, and an old one until the last token
//! that it signed has ended: whoever keeps what is published meanwhile finds every key in time.

use openidconnect::{
    JsonWebKeyId, PrivateSigningKey, SigningError,
    core::{CoreJsonWebKey, CoreJwsSigningAlgorithm},
};
use ring::{rand::SystemRandom, signature};
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey as _, traits::PublicKeyParts as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::store::{self, KeyRow};
use crate::{
    actor::Caller,
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{Conflict, Refusal},
    portal::Portal,
    seal::{Purpose, Seal},
    secrets::Random,
    words::{DAY, HOUR, MINUTE, Timestamp},
};

/// For how long a new key is published before it signs.
pub const AHEAD: i64 = DAY;
/// For how long an ID token lasts.
pub const ID_TOKEN: i64 = HOUR;
const BITS: usize = 2048;

/// A key that can sign.
pub struct SigningKey {
    kid: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    pair: signature::RsaKeyPair,
}

impl PrivateSigningKey for SigningKey {
    type VerificationKey = CoreJsonWebKey;

    fn sign(&self, algorithm: &CoreJwsSigningAlgorithm, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        if *algorithm != CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256 {
            return Err(SigningError::UnsupportedAlg(format!("{algorithm:?}")));
        }
        let mut signed = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signed).map_err(|_| SigningError::CryptoError)?;
        Ok(signed)
    }

    fn as_verification_key(&self) -> CoreJsonWebKey {
        public(&self.kid, &self.modulus, &self.exponent)
    }
}

fn public(kid: &str, modulus: &[u8], exponent: &[u8]) -> CoreJsonWebKey {
    CoreJsonWebKey::new_rsa(modulus.to_vec(), exponent.to_vec(), Some(JsonWebKeyId::new(kid.to_owned())))
}

impl SigningKey {
    /// Opens what is kept of a key; nothing where it was sealed with another key file.
    fn open(seal: &Seal, row: KeyRow) -> Option<Self> {
        let KeyRow { kid, modulus, exponent, sealed, .. } = row;
        let private = seal.open_sealed(Purpose::SigningKey(&kid), &sealed)?;
        let pair = signature::RsaKeyPair::from_der(&private).ok()?;
        Some(Self { kid, modulus, exponent, pair })
    }
}

/// When a key that is made now begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rotation {
    /// After it was published for a while.
    Ahead,
    /// At once, beside those that there are.
    AtOnce,
    /// At once, and those that there were are not published any more: somebody else has them.
    InPlace,
}

/// The key that signs now; made where there is none.
///
/// # Errors
/// 409 where there is no key file; the database's.
pub async fn current(portal: &Portal) -> Result<SigningKey, Failure> {
    if !portal.seal.is_on() {
        return Err(Conflict::NoKeyFile.into());
    }
    for _ in 0..3 {
        let rows = store::keys(&mut portal.read().await?).await?;
        let (now, last) = (portal.clock.now(), rows.last().map_or(0, |row| row.number));
        if let Some(key) = rows.into_iter().rev().filter(|row| row.signs_from <= now).find_map(|row| SigningKey::open(&portal.seal, row)) {
            return Ok(key);
        }
        if last > 0 {
            tracing::warn!("no key that signs can be opened with this key file; a new one is made");
        }
        make(portal, last, Rotation::AtOnce).await.map_err(Failure::Refusal)?;
    }
    Err(Failure::Fault("keys that sign are made and cannot be opened".to_owned()))
}

/// How many keys there are that this key file does not open.
///
/// # Errors
/// The database's.
pub async fn count_foreign(db: &mut impl Connected, seal: &Seal) -> Result<usize, sqlx::Error> {
    Ok(store::keys(db).await?.into_iter().filter_map(|row| SigningKey::open(seal, row).is_none().then_some(())).count())
}

/// Replaces the key that signs.
///
/// # Errors
/// 409 where there is no key file; 503, 500.
pub async fn rotate(portal: &Portal, how: Rotation) -> Result<(), Refusal> {
    if !portal.seal.is_on() {
        return Err(Conflict::NoKeyFile.into());
    }
    let rows = async { Ok(store::keys(&mut portal.read().await?).await?) };
    let rows = rows.await.map_err(|failure| portal.refuse(failure))?;
    let how = if rows.is_empty() && how == Rotation::Ahead { Rotation::AtOnce } else { how };
    make(portal, rows.last().map_or(0, |row| row.number), how).await
}

/// What is done from time to time: takes away keys that are not needed any more, and makes a new one where the newest has
/// its age.
///
/// # Errors
/// The database's.
pub async fn keep(portal: &Portal) -> Result<u64, Failure> {
    let (rows, now) = (store::keys(&mut portal.read().await?).await?, portal.clock.now());
    let mut over = 0;
    if let Some(first) = published(&rows, now).first()
        && rows.first().is_some_and(|row| row.number < first.number)
    {
        let mut tx = portal.db.begin().await?;
        over = store::delete_keys_before(&mut tx, first.number).await?;
        tx.commit().await?;
    }
    if let Some(newest) = rows.last()
        && portal.seal.is_on()
        && newest.created_at.plus(portal.config.signing_key_days * DAY) < now
    {
        make(portal, newest.number, Rotation::Ahead).await.map_err(Failure::Refusal)?;
    }
    Ok(over)
}

/// The keys that are published: of those that sign no more, while a token that they signed may last.
fn published(rows: &[KeyRow], now: Timestamp) -> &[KeyRow] {
    let over = rows.windows(2).take_while(|pair| pair[1].signs_from.plus(ID_TOKEN + 10 * MINUTE) < now).count();
    &rows[over..]
}

/// The published keys, as a set of JSON Web Keys (RFC 7517 §5).
///
/// # Errors
/// The database's.
pub async fn set(portal: &Portal) -> Result<Value, Failure> {
    // Whoever asks before anything was signed finds a key all the same.
    current(portal).await?;
    let rows = store::keys(&mut portal.read().await?).await?;
    let keys = published(&rows, portal.clock.now()).iter().map(|row| {
        let mut key = serde_json::to_value(public(&row.kid, &row.modulus, &row.exponent)).map_err(|e| Failure::Fault(e.to_string()))?;
        key["alg"] = json!("RS256");
        Ok(key)
    });
    Ok(json!({ "keys": keys.collect::<Result<Vec<Value>, Failure>>()? }))
}

/// Randomness as the maker of keys asks for it.
struct Source(Random);

impl rsa::rand_core::RngCore for Source {
    fn next_u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.0.bytes())
    }
    fn next_u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.0.bytes())
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}
impl rsa::rand_core::CryptoRng for Source {}

/// Makes a key after the last one that was seen. Where there is another one meanwhile, that one does.
async fn make(portal: &Portal, last: i64, how: Rotation) -> Result<(), Refusal> {
    let (seal, random, now) = (portal.seal.clone(), portal.random, portal.clock.now());
    let made = tokio::task::spawn_blocking(move || {
        let key = RsaPrivateKey::new(&mut Source(random), BITS).map_err(|e| e.to_string())?;
        let private = key.to_pkcs1_der().map_err(|e| e.to_string())?;
        let kid = random.tag();
        let sealed = seal.seal(Purpose::SigningKey(&kid), private.as_bytes(), random).ok_or("there is no key file")?;
        let (modulus, exponent) = (key.n().to_bytes_be(), key.e().to_bytes_be());
        let signs_from = if how == Rotation::Ahead { now.plus(AHEAD) } else { now };
        Ok::<_, String>(KeyRow { number: last + 1, kid, created_at: now, signs_from, modulus, exponent, sealed })
    });
    let made = made.await.map_err(|e| e.to_string()).and_then(|made| made);
    let row = made.map_err(|error| portal.refuse(Failure::Fault(format!("no key could be made: {error}"))))?;
    portal
        .write(&Caller::system(), Action::RotateKeys, (row, how), |unit, (row, how)| {
            Box::pin(async move {
                if !store::insert_key(unit, row).await? {
                    return Ok(());
                }
                if *how == Rotation::InPlace {
                    store::delete_keys_before(unit, row.number).await?;
                }
                unit.audit(vec![Object::new("signing_key", &row.kid, "")], json!(null), json!({ "signs_from": row.signs_from.rfc3339() }))
                    .await?;
                Ok(())
            })
        })
        .await
}
