//! All SQL of signing in to PMM servers: the keys, consents, grants and tokens.

use crate::{
    db::Connected,
    sql,
    words::{AccountId, Email, GrantId, MemberId, OrganizationId, PmmServerId, Timestamp},
};

/// A key by which the portal signs.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct KeyRow {
    /// Its place in their order.
    pub number: i64,
    /// Its id among the published keys.
    pub kid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// The public key's modulus.
    pub modulus: Vec<u8>,
    /// And its exponent.
    pub exponent: Vec<u8>,
    /// The private key, sealed.
    pub sealed: Vec<u8>,
}

/// All keys, the oldest first. There are two or three.
///
/// # Errors
/// The database's.
pub async fn keys(db: &mut impl Connected) -> Result<Vec<KeyRow>, sqlx::Error> {
    sql!(all as KeyRow, db, "SELECT number, kid, created_at, signs_from, modulus, exponent, sealed FROM signing_keys ORDER BY number")
}

/// Keeps a key; false where another one has its number.
///
/// # Errors
/// The database's.
pub async fn insert_key(db: &mut impl Connected, key: &KeyRow) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "INSERT INTO signing_keys (number, kid, created_at, signs_from, modulus, exponent, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (number) DO NOTHING",
        key.number, key.kid.as_str(), key.created_at, key.signs_from, key.modulus.as_slice(), key.exponent.as_slice(), key.sealed.as_slice())?
            == 1,
    )
}

/// Takes the keys away whose numbers are below one.
///
/// # Errors
/// The database's.
pub async fn delete_keys_before(db: &mut impl Connected, number: i64) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM signing_keys WHERE number < $1", number)
}

/// A connected server, as a client.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Server {
    /// The portal's id of it.
    pub id: PmmServerId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What it is called.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The one address to which people are sent back.
    pub callback_url: String,
    /// By which people sign in to it.
    pub public_client_id: String,
    /// Who connected it.
    pub connected_by_name: String,
    /// When.
    pub connected_at: Timestamp,
}

/// The server of a public client id.
///
/// # Errors
/// The database's.
pub async fn server(db: &mut impl Connected, public_client_id: &str) -> Result<Option<Server>, sqlx::Error> {
    sql!(
        optional as Server,
        db,
        "SELECT id, organization_id, name, url, callback_url, public_client_id, connected_by_name, connected_at FROM pmm_servers WHERE public_client_id = $1",
        public_client_id
    )
}

/// A connected server as a machine.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Machine {
    /// The portal's id of it.
    pub id: PmmServerId,
    /// The hash of its secret.
    pub machine_secret_hash: Vec<u8>,
    /// Whether its organization is suspended.
    pub suspended: bool,
}

/// The server of a machine's client id.
///
/// # Errors
/// The database's.
pub async fn machine(db: &mut impl Connected, machine_client_id: &str) -> Result<Option<Machine>, sqlx::Error> {
    sql!(
        optional as Machine,
        db,
        "SELECT s.id, s.machine_secret_hash, o.suspended_at IS NOT NULL AS suspended
        FROM pmm_servers s JOIN organizations o ON o.id = s.organization_id WHERE s.machine_client_id = $1",
        machine_client_id
    )
}

/// The addresses of connected servers that begin like one: `start` and what may follow, in small letters, as patterns
/// whose special characters are escaped by `!`.
///
/// # Errors
/// The database's.
pub async fn addresses_like(db: &mut impl Connected, with_port: &str, with_path: &str, alone: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows: Vec<(String,)> = sql!(
        all as (String,),
        db,
        "SELECT url FROM pmm_servers WHERE lower(url) LIKE $1 ESCAPE '!' OR lower(url) LIKE $2 ESCAPE '!' OR lower(url) = $3 LIMIT 1000",
        with_port,
        with_path,
        alone
    )?;
    Ok(rows.into_iter().map(|(url,)| url).collect())
}

/// Whether somebody lets a server know who they are.
///
/// # Errors
/// The database's.
pub async fn has_consent(db: &mut impl Connected, account: AccountId, server: PmmServerId) -> Result<bool, sqlx::Error> {
    let row: Option<(Timestamp,)> = sql!(
        optional as (Timestamp,),
        db,
        "SELECT allowed_at FROM server_consents WHERE account_id = $1 AND server_id = $2",
        account,
        server
    )?;
    Ok(row.is_some())
}

/// Notes that a member lets a server know who they are. One who has said so before has said it anew.
///
/// # Errors
/// The database's.
pub async fn allow(
    db: &mut impl Connected,
    id: uuid::Uuid,
    (account, member): (AccountId, MemberId),
    server: PmmServerId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO server_consents (id, account_id, member_id, server_id, allowed_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (account_id, server_id) DO UPDATE SET allowed_at = $5", id, account, member, server, now)?;
    Ok(())
}

/// Takes it back, with all grants below it.
///
/// # Errors
/// The database's.
pub async fn forget_consent(db: &mut impl Connected, account: AccountId, server: PmmServerId) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM server_consents WHERE account_id = $1 AND server_id = $2", account, server)? == 1)
}

/// A server in the list of those that know somebody.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Known {
    /// Its id.
    pub id: PmmServerId,
    /// What it is called.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Since when.
    pub allowed_at: Timestamp,
    /// When they last signed in.
    pub signed_in_at: Option<Timestamp>,
}

/// The servers that know an account, the newest first, at most 1,000.
///
/// # Errors
/// The database's.
pub async fn known(db: &mut impl Connected, account: AccountId) -> Result<Vec<Known>, sqlx::Error> {
    sql!(
        all as Known,
        db,
        "SELECT s.id, s.name, s.url, c.allowed_at, c.signed_in_at FROM server_consents c JOIN pmm_servers s ON s.id = c.server_id
        WHERE c.account_id = $1 ORDER BY c.allowed_at DESC, s.id LIMIT 1000",
        account
    )
}

/// A sign-in to a server that begins with a code.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// Its id.
    pub id: GrantId,
    /// What for.
    pub scope: String,
    /// What the ID token is to hold.
    pub nonce: Option<String>,
    /// When the person proved who they are.
    pub authenticated_at: Timestamp,
    /// The hash of the code.
    pub code_hash: Vec<u8>,
    /// What the code's holder has to show the original of.
    pub code_challenge: String,
    /// Until when the code can be used.
    pub code_expires_at: Timestamp,
}

/// Keeps it, under the consent of the account; false where there is none.
///
/// # Errors
/// The database's.
pub async fn insert_grant(
    db: &mut impl Connected,
    new: &NewGrant,
    account: AccountId,
    server: PmmServerId,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "INSERT INTO oauth_grants (id, consent_id, scope, nonce, authenticated_at, code_hash, code_challenge, code_expires_at, created_at, ends_at)
        SELECT $1, id, $2, $3, $4, $5, $6, $7, $8, $7 FROM server_consents WHERE account_id = $9 AND server_id = $10",
        new.id, new.scope.as_str(), new.nonce.as_deref(), new.authenticated_at, new.code_hash.as_slice(), new.code_challenge.as_str(), new.code_expires_at, now, account, server)?
            == 1,
    )
}

/// A grant: whose, for which server, and how it stands.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The consent above it.
    pub consent_id: uuid::Uuid,
    /// Whose.
    pub account_id: AccountId,
    /// The account's address.
    pub email: Email,
    /// First name.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// The server.
    pub server_id: PmmServerId,
    /// What it is called.
    pub server_name: String,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// By which people sign in to it.
    pub public_client_id: String,
    /// Where they are sent back to.
    pub callback_url: String,
    /// What for.
    pub scope: String,
    /// What the ID token is to hold.
    pub nonce: Option<String>,
    /// When the person proved who they are.
    pub authenticated_at: Timestamp,
    /// What the code's holder has to show the original of.
    pub code_challenge: String,
    /// Until when the code, or the token, can be used.
    pub expires_at: Timestamp,
    /// When that was done, where it can be done once.
    pub used_at: Option<Timestamp>,
}

/// The grant of a code.
///
/// # Errors
/// The database's.
pub async fn by_code(db: &mut impl Connected, code_hash: &[u8]) -> Result<Option<Grant>, sqlx::Error> {
    sql!(
        optional as Grant,
        db,
        "SELECT g.id, g.consent_id, c.account_id, a.email, a.first_name, a.last_name, c.server_id, s.name AS server_name, s.organization_id, s.public_client_id, s.callback_url,
            g.scope, g.nonce, g.authenticated_at, g.code_challenge, g.code_expires_at AS expires_at, g.code_used_at AS used_at
        FROM oauth_grants g JOIN server_consents c ON c.id = g.consent_id JOIN pmm_servers s ON s.id = c.server_id JOIN accounts a ON a.id = c.account_id
        WHERE g.code_hash = $1",
        code_hash
    )
}

/// The grant of a token of one kind.
///
/// # Errors
/// The database's.
pub async fn by_token(db: &mut impl Connected, token_hash: &[u8], kind: &str) -> Result<Option<Grant>, sqlx::Error> {
    sql!(
        optional as Grant,
        db,
        "SELECT g.id, g.consent_id, c.account_id, a.email, a.first_name, a.last_name, c.server_id, s.name AS server_name, s.organization_id, s.public_client_id, s.callback_url,
            t.scope, g.nonce, g.authenticated_at, g.code_challenge, t.expires_at, t.used_at
        FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id JOIN server_consents c ON c.id = g.consent_id JOIN pmm_servers s ON s.id = c.server_id
            JOIN accounts a ON a.id = c.account_id
        WHERE t.token_hash = $1 AND t.kind = $2",
        token_hash,
        kind
    )
}

/// Uses a code, once.
///
/// # Errors
/// The database's.
pub async fn use_code(db: &mut impl Connected, code_hash: &[u8], now: Timestamp) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "UPDATE oauth_grants SET code_used_at = $2 WHERE code_hash = $1 AND code_used_at IS NULL", code_hash, now)? == 1)
}

/// Uses a refresh token, once.
///
/// # Errors
/// The database's.
pub async fn use_refresh(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE oauth_tokens SET used_at = $2 WHERE token_hash = $1 AND kind = 'refresh' AND used_at IS NULL", token_hash, now)?
            == 1,
    )
}

/// Keeps a token of a grant, which lasts at least as long.
///
/// # Errors
/// The database's.
pub async fn insert_token(
    db: &mut impl Connected,
    token_hash: &[u8],
    grant: GrantId,
    (kind, scope): (&str, &str),
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO oauth_tokens (token_hash, grant_id, kind, scope, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)", token_hash, grant, kind, scope, now, expires_at)?;
    sql!(execute db, "UPDATE oauth_grants SET ends_at = $2 WHERE id = $1 AND ends_at < $2", grant, expires_at)?;
    Ok(())
}

/// Notes a sign-in.
///
/// # Errors
/// The database's.
pub async fn signed_in(db: &mut impl Connected, consent: uuid::Uuid, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE server_consents SET signed_in_at = $2 WHERE id = $1", consent, now)?;
    Ok(())
}

/// Ends one grant.
///
/// # Errors
/// The database's.
pub async fn end_grant(db: &mut impl Connected, grant: GrantId) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM oauth_grants WHERE id = $1", grant)? == 1)
}

/// Ends all grants that somebody gave to one server.
///
/// # Errors
/// The database's.
pub async fn end_grants_of_consent(db: &mut impl Connected, consent: uuid::Uuid) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM oauth_grants WHERE consent_id = $1", consent)
}

/// Ends all grants of an account.
///
/// # Errors
/// The database's.
pub async fn end_grants_of_account(db: &mut impl Connected, account: AccountId) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM oauth_grants WHERE consent_id IN (SELECT id FROM server_consents WHERE account_id = $1)", account)
}

/// Forgets what is over, and refresh tokens that were used a while ago: of these a second use is not noticed any more. At
/// most a batch of each.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, now: Timestamp) -> Result<u64, sqlx::Error> {
    let used_before = now.plus(-super::tokens::REUSE_NOTICED);
    let grants = sql!(execute db, "DELETE FROM oauth_grants WHERE id IN (SELECT id FROM oauth_grants WHERE ends_at < $1 LIMIT 1000)", now)?;
    let ended = sql!(execute db, "DELETE FROM oauth_tokens WHERE token_hash IN (SELECT token_hash FROM oauth_tokens WHERE expires_at < $1 LIMIT 1000)", now)?;
    let used = sql!(execute db, "DELETE FROM oauth_tokens WHERE token_hash IN (SELECT token_hash FROM oauth_tokens WHERE used_at < $1 LIMIT 1000)", used_before)?;
    Ok(grants + ended + used)
}
