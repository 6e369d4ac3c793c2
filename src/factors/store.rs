//! All SQL of second factors and of sign-ins of which the first step is done.

use crate::{
    db::Connected,
    sql,
    words::{AccountId, FactorId, Timestamp},
};

/// An authenticator app.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Authenticator {
    /// Its id.
    pub id: FactorId,
    /// What its owner calls it.
    pub name: String,
    /// The secret that it shares, sealed.
    pub sealed: Vec<u8>,
    /// The step of the last code that was used.
    pub last_step: i64,
    /// Since when.
    pub created_at: Timestamp,
    /// When a code of it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// An account's authenticator apps, the first one first.
///
/// # Errors
/// The database's.
pub async fn authenticators(db: &mut impl Connected, account: AccountId) -> Result<Vec<Authenticator>, sqlx::Error> {
    sql!(
        all as Authenticator,
        db,
        "SELECT id, name, sealed, last_step, created_at, last_used_at FROM authenticators WHERE account_id = $1 ORDER BY created_at, id LIMIT 100",
        account
    )
}

/// How many second factors an account has: apps and passkeys.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut impl Connected, account: AccountId) -> Result<i64, sqlx::Error> {
    let (n,): (i64,) = sql!(
        one as (i64,),
        db,
        "SELECT (SELECT count(*) FROM authenticators WHERE account_id = $1) + (SELECT count(*) FROM passkeys WHERE account_id = $1)",
        account
    )?;
    Ok(n)
}

/// A passkey.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Passkey {
    /// Its id.
    pub id: FactorId,
    /// Whose.
    pub account_id: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// The public key with its counter, as JSON.
    pub credential: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// An account's passkeys, the first one first.
///
/// # Errors
/// The database's.
pub async fn passkeys(db: &mut impl Connected, account: AccountId) -> Result<Vec<Passkey>, sqlx::Error> {
    sql!(
        all as Passkey,
        db,
        "SELECT id, account_id, name, credential_id, credential, created_at, last_used_at FROM passkeys WHERE account_id = $1 ORDER BY created_at, id LIMIT 100",
        account
    )
}

/// The passkey of what an authenticator calls it.
///
/// # Errors
/// The database's.
pub async fn passkey(db: &mut impl Connected, credential_id: &[u8]) -> Result<Option<Passkey>, sqlx::Error> {
    sql!(
        optional as Passkey,
        db,
        "SELECT id, account_id, name, credential_id, credential, created_at, last_used_at FROM passkeys WHERE credential_id = $1",
        credential_id
    )
}

/// Keeps a new passkey; `false` where there is one of that credential.
///
/// # Errors
/// The database's.
pub async fn insert_passkey(
    db: &mut impl Connected,
    account: AccountId,
    id: FactorId,
    name: &str,
    (credential_id, credential): (&[u8], &str),
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "INSERT INTO passkeys (id, account_id, name, credential_id, credential, created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (credential_id) DO NOTHING", id, account, name, credential_id, credential, now)?
            == 1,
    )
}

/// Uses a passkey as it was when it was looked at: `false` where it was used, or removed, meanwhile.
///
/// # Errors
/// The database's.
pub async fn use_passkey(
    db: &mut impl Connected,
    account: AccountId,
    id: FactorId,
    (before, after): (&str, &str),
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE passkeys SET credential = $4, last_used_at = $5 WHERE account_id = $1 AND id = $2 AND credential = $3", account, id, before, after, now)?
            == 1,
    )
}

/// Removes a passkey.
///
/// # Errors
/// The database's.
pub async fn delete_passkey(db: &mut impl Connected, account: AccountId, id: FactorId) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM passkeys WHERE account_id = $1 AND id = $2", account, id)? == 1)
}

/// What a browser was asked to sign.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Challenge {
    /// Whose passkey it has to be, where that is known.
    pub account_id: Option<AccountId>,
    /// What for.
    pub purpose: String,
    /// The library's state, as JSON.
    pub state: String,
}

/// Keeps what a browser is asked to sign.
///
/// # Errors
/// The database's.
pub async fn insert_challenge(
    db: &mut impl Connected,
    token_hash: &[u8],
    challenge: &Challenge,
    expires_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO passkey_challenges (token_hash, account_id, purpose, state, expires_at) VALUES ($1, $2, $3, $4, $5)",
        token_hash, challenge.account_id, challenge.purpose.as_str(), challenge.state.as_str(), expires_at)?;
    Ok(())
}

/// Takes what a browser was asked to sign, once.
///
/// # Errors
/// The database's.
pub async fn take_challenge(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<Challenge>, sqlx::Error> {
    sql!(
        optional as Challenge,
        db,
        "DELETE FROM passkey_challenges WHERE token_hash = $1 AND expires_at > $2 RETURNING account_id, purpose, state",
        token_hash,
        now
    )
}

/// Keeps a new authenticator app; the code of this step was the first one, and is used.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: &mut impl Connected,
    account: AccountId,
    id: FactorId,
    name: &str,
    sealed: &[u8],
    step: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO authenticators (id, account_id, name, sealed, last_step, created_at) VALUES ($1, $2, $3, $4, $5, $6)", id, account, name, sealed, step, now)?;
    Ok(())
}

/// Uses the code of a step, once: `false` where it or a later one was used before.
///
/// # Errors
/// The database's.
pub async fn use_step(db: &mut impl Connected, account: AccountId, id: FactorId, step: i64, now: Timestamp) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE authenticators SET last_step = $3, last_used_at = $4 WHERE account_id = $1 AND id = $2 AND last_step < $3", account, id, step, now)?
            == 1,
    )
}

/// Removes an authenticator app.
///
/// # Errors
/// The database's.
pub async fn delete(db: &mut impl Connected, account: AccountId, id: FactorId) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM authenticators WHERE account_id = $1 AND id = $2", account, id)? == 1)
}

/// Removes every app and every passkey of an account; gives how many there were.
///
/// # Errors
/// The database's.
pub async fn delete_all(db: &mut impl Connected, account: AccountId) -> Result<u64, sqlx::Error> {
    let passkeys = sql!(execute db, "DELETE FROM passkeys WHERE account_id = $1", account)?;
    Ok(passkeys + sql!(execute db, "DELETE FROM authenticators WHERE account_id = $1", account)?)
}

/// The secrets of all authenticator apps, by what they are sealed for, at most 10,000: what a key file is tried on.
///
/// # Errors
/// The database's.
pub async fn sealed(db: &mut impl Connected) -> Result<Vec<(AccountId, Vec<u8>)>, sqlx::Error> {
    sql!(all as (AccountId, Vec<u8>), db, "SELECT account_id, sealed FROM authenticators LIMIT 10000")
}

/// How many recovery codes an account has that are not used.
///
/// # Errors
/// The database's.
pub async fn count_recovery(db: &mut impl Connected, account: AccountId) -> Result<i64, sqlx::Error> {
    let (n,): (i64,) = sql!(one as (i64,), db, "SELECT count(*) FROM recovery_codes WHERE account_id = $1 AND used_at IS NULL", account)?;
    Ok(n)
}

/// Whether a recovery code is an account's and not used.
///
/// # Errors
/// The database's.
pub async fn has_recovery(db: &mut impl Connected, account: AccountId, code_hash: &[u8]) -> Result<bool, sqlx::Error> {
    let row: Option<(Timestamp,)> = sql!(
        optional as (Timestamp,),
        db,
        "SELECT created_at FROM recovery_codes WHERE account_id = $1 AND code_hash = $2 AND used_at IS NULL",
        account,
        code_hash
    )?;
    Ok(row.is_some())
}

/// Gives an account recovery codes, in place of those that it had.
///
/// # Errors
/// The database's.
pub async fn replace_recovery(
    db: &mut impl Connected,
    account: AccountId,
    code_hashes: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    delete_recovery(db, account).await?;
    for code_hash in code_hashes {
        sql!(execute db, "INSERT INTO recovery_codes (account_id, code_hash, created_at) VALUES ($1, $2, $3)", account, code_hash.as_slice(), now)?;
    }
    Ok(())
}

/// Uses a recovery code, once.
///
/// # Errors
/// The database's.
pub async fn use_recovery(db: &mut impl Connected, account: AccountId, code_hash: &[u8], now: Timestamp) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE recovery_codes SET used_at = $3 WHERE account_id = $1 AND code_hash = $2 AND used_at IS NULL", account, code_hash, now)?
            == 1,
    )
}

/// Takes an account's recovery codes away.
///
/// # Errors
/// The database's.
pub async fn delete_recovery(db: &mut impl Connected, account: AccountId) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM recovery_codes WHERE account_id = $1", account)
}

/// Takes away the recovery codes that an account was given since a moment.
///
/// # Errors
/// The database's.
pub async fn delete_recovery_since(db: &mut impl Connected, account: AccountId, since: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM recovery_codes WHERE account_id = $1 AND created_at >= $2", account, since)
}

/// How many codes can be given after one first step; the schema knows it, too.
pub const ATTEMPTS: i64 = 5;

/// A sign-in of which the first step is done.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Half {
    /// Whose.
    pub account_id: AccountId,
    /// By what the first step was done.
    pub method: String,
    /// How many codes were given.
    pub attempts: i64,
}

/// Keeps the first step of a sign-in.
///
/// # Errors
/// The database's.
pub async fn insert_half(
    db: &mut impl Connected,
    token_hash: &[u8],
    half: &Half,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO half_sign_ins (token_hash, account_id, method, created_at, expires_at, attempts) VALUES ($1, $2, $3, $4, $5, 0)",
        token_hash, half.account_id, half.method.as_str(), now, expires_at)?;
    Ok(())
}

/// The first step of a secret, while it lasts and has attempts left.
///
/// # Errors
/// The database's.
pub async fn half(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<Half>, sqlx::Error> {
    sql!(
        optional as Half,
        db,
        "SELECT account_id, method, attempts FROM half_sign_ins WHERE token_hash = $1 AND expires_at > $2 AND attempts < 5",
        token_hash,
        now
    )
}

/// The same, with one attempt fewer left.
///
/// # Errors
/// The database's.
pub async fn attempt_half(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<Half>, sqlx::Error> {
    sql!(
        optional as Half,
        db,
        "UPDATE half_sign_ins SET attempts = attempts + 1 WHERE token_hash = $1 AND expires_at > $2 AND attempts < 5 RETURNING account_id, method, attempts",
        token_hash,
        now
    )
}

/// Ends the first step of a secret: `false` where it was ended before, or its time is over.
///
/// # Errors
/// The database's.
pub async fn end_half(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM half_sign_ins WHERE token_hash = $1 AND expires_at > $2", token_hash, now)? == 1)
}

/// Ends every first step of an account.
///
/// # Errors
/// The database's.
pub async fn end_halves(db: &mut impl Connected, account: AccountId) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM half_sign_ins WHERE account_id = $1", account)
}

/// Forgets first steps and challenges whose time is over.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, now: Timestamp) -> Result<u64, sqlx::Error> {
    let challenges = sql!(execute db, "DELETE FROM passkey_challenges WHERE expires_at <= $1", now)?;
    Ok(challenges + sql!(execute db, "DELETE FROM half_sign_ins WHERE expires_at <= $1", now)?)
}
