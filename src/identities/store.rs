//! All SQL of identities, of sign-ins that are under way at the provider, and of identities that wait to be linked.

use crate::{
    db::Connected,
    sql,
    words::{AccountId, Email, IdentityId, Timestamp},
};

/// Who somebody is at the provider.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Identity {
    /// Who says so.
    pub issuer: String,
    /// By what the provider knows them.
    pub subject: String,
    /// Their address there; may be empty.
    pub email: String,
}

/// The account of an identity.
///
/// # Errors
/// The database's.
pub async fn account(db: &mut impl Connected, issuer: &str, subject: &str) -> Result<Option<AccountId>, sqlx::Error> {
    let row: Option<(AccountId,)> =
        sql!(optional as (AccountId,), db, "SELECT account_id FROM identities WHERE issuer = $1 AND subject = $2", issuer, subject)?;
    Ok(row.map(|(account,)| account))
}

/// Links an identity to an account; `false` where it, or another one of the same provider, is linked already.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: &mut impl Connected,
    id: IdentityId,
    account: AccountId,
    identity: &Identity,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let rows = sql!(execute db, "INSERT INTO identities (id, account_id, issuer, subject, email, linked_at, signed_in_at) VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING",
        id, account, identity.issuer.as_str(), identity.subject.as_str(), identity.email.as_str(), now)?;
    Ok(rows == 1)
}

/// Notes a sign-in, and the address that the identity has at the provider now.
///
/// # Errors
/// The database's.
pub async fn touch(db: &mut impl Connected, identity: &Identity, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE identities SET email = $3, signed_in_at = $4 WHERE issuer = $1 AND subject = $2",
        identity.issuer.as_str(), identity.subject.as_str(), identity.email.as_str(), now)?;
    Ok(())
}

/// An identity in its owner's list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// Its id.
    pub id: IdentityId,
    /// Who says so.
    pub issuer: String,
    /// The address there at the last sign-in.
    pub email: String,
    /// Since when.
    pub linked_at: Timestamp,
    /// When it was last used.
    pub signed_in_at: Timestamp,
}

/// The identities of an account, at most 100.
///
/// # Errors
/// The database's.
pub async fn of_account(db: &mut impl Connected, account: AccountId) -> Result<Vec<Row>, sqlx::Error> {
    sql!(
        all as Row,
        db,
        "SELECT id, issuer, email, linked_at, signed_in_at FROM identities WHERE account_id = $1 ORDER BY linked_at, id LIMIT 100",
        account
    )
}

/// Unlinks an identity of an account; gives it.
///
/// # Errors
/// The database's.
pub async fn delete(db: &mut impl Connected, account: AccountId, id: IdentityId) -> Result<Option<Identity>, sqlx::Error> {
    sql!(optional as Identity, db, "DELETE FROM identities WHERE account_id = $1 AND id = $2 RETURNING issuer, subject, email", account, id)
}

/// What was linked to an account since a moment, by the addresses there.
///
/// # Errors
/// The database's.
pub async fn linked_since(db: &mut impl Connected, account: AccountId, since: Timestamp) -> Result<Vec<(String,)>, sqlx::Error> {
    sql!(
        all as (String,),
        db,
        "SELECT email FROM identities WHERE account_id = $1 AND linked_at >= $2 ORDER BY linked_at, id",
        account,
        since
    )
}

/// Unlinks it.
///
/// # Errors
/// The database's.
pub async fn delete_since(db: &mut impl Connected, account: AccountId, since: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM identities WHERE account_id = $1 AND linked_at >= $2", account, since)
}

/// Unlinks what an account has of a provider; gives it.
///
/// # Errors
/// The database's.
pub async fn delete_of(db: &mut impl Connected, account: AccountId, issuer: &str) -> Result<Option<Identity>, sqlx::Error> {
    sql!(
        optional as Identity,
        db,
        "DELETE FROM identities WHERE account_id = $1 AND issuer = $2 RETURNING issuer, subject, email",
        account,
        issuer
    )
}

/// A sign-in that is under way at the provider.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct UnderWay {
    /// Where the person wanted to go; may be empty.
    pub page: String,
    /// Whether they were to sign in there anew.
    pub anew: bool,
    /// Since when.
    pub created_at: Timestamp,
}

/// Keeps that one is under way, of this browser.
///
/// # Errors
/// The database's.
pub async fn begin(
    db: &mut impl Connected,
    state_hash: &[u8],
    browser_hash: &[u8],
    under_way: &UnderWay,
    expires_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO provider_sign_ins (state_hash, browser_hash, page, anew, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        state_hash, browser_hash, under_way.page.as_str(), under_way.anew, under_way.created_at, expires_at)?;
    Ok(())
}

/// Ends one, once, where it comes back to the browser that began it, in time.
///
/// # Errors
/// The database's.
pub async fn end(db: &mut impl Connected, state_hash: &[u8], browser_hash: &[u8], now: Timestamp) -> Result<Option<UnderWay>, sqlx::Error> {
    sql!(
        optional as UnderWay,
        db,
        "DELETE FROM provider_sign_ins WHERE state_hash = $1 AND browser_hash = $2 AND expires_at > $3 RETURNING page, anew, created_at",
        state_hash,
        browser_hash,
        now
    )
}

/// Keeps an identity until its owner signs in to the account with its address in this browser, in place of any that waited
/// there before.
///
/// # Errors
/// The database's.
pub async fn offer(
    db: &mut impl Connected,
    browser_hash: &[u8],
    identity: &Identity,
    email: &Email,
    expires_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO identity_offers (browser_hash, issuer, subject, email, email_key, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (browser_hash) DO UPDATE SET issuer = $2, subject = $3, email = $4, email_key = $5, expires_at = $6",
        browser_hash, identity.issuer.as_str(), identity.subject.as_str(), identity.email.as_str(), email.key(), expires_at)?;
    Ok(())
}

/// The address of the identity that waits in a browser, where one does.
///
/// # Errors
/// The database's.
pub async fn offered(db: &mut impl Connected, browser_hash: &[u8], now: Timestamp) -> Result<Option<Email>, sqlx::Error> {
    let row: Option<(Email,)> =
        sql!(optional as (Email,), db, "SELECT email FROM identity_offers WHERE browser_hash = $1 AND expires_at > $2", browser_hash, now)?;
    Ok(row.map(|(email,)| email))
}

/// Takes the identity that waits in a browser for the account with this address.
///
/// # Errors
/// The database's.
pub async fn take_offer(
    db: &mut impl Connected,
    browser_hash: &[u8],
    email: &Email,
    now: Timestamp,
) -> Result<Option<Identity>, sqlx::Error> {
    sql!(
        optional as Identity,
        db,
        "DELETE FROM identity_offers WHERE browser_hash = $1 AND email_key = $2 AND expires_at > $3 RETURNING issuer, subject, email",
        browser_hash,
        email.key(),
        now
    )
}

/// Forgets what nobody came back for: at most a batch of each.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, now: Timestamp) -> Result<u64, sqlx::Error> {
    let begun = sql!(execute db, "DELETE FROM provider_sign_ins WHERE state_hash IN (SELECT state_hash FROM provider_sign_ins WHERE expires_at <= $1 LIMIT 1000)", now)?;
    let offers = sql!(execute db, "DELETE FROM identity_offers WHERE browser_hash IN (SELECT browser_hash FROM identity_offers WHERE expires_at <= $1 LIMIT 1000)", now)?;
    Ok(begun + offers)
}
