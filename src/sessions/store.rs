//! All SQL of sessions and of the browsers that are known.

use crate::{
    db::Connected,
    sql,
    words::{AccountId, Email, SessionId, Timestamp},
};

/// A session that may be used, and whose it is.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Live {
    /// The session.
    pub id: SessionId,
    /// Whose.
    pub account_id: AccountId,
    /// When its holder last proved who they are.
    pub authenticated_at: Timestamp,
    /// By which factors.
    pub methods: String,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// The account's address.
    pub email: Email,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Whether the account is an operator's.
    pub operator: bool,
}

/// A session by its id, while it lasts and its account is not locked.
///
/// # Errors
/// The database's.
pub async fn live_by_id(db: &mut impl Connected, id: SessionId, now: Timestamp) -> Result<Option<Live>, sqlx::Error> {
    sql!(optional as Live, db, "SELECT s.id, s.account_id, s.authenticated_at, s.methods, s.last_seen_at, a.email, a.first_name, a.last_name, o.account_id IS NOT NULL AS operator
        FROM sessions s JOIN accounts a ON a.id = s.account_id LEFT JOIN operators o ON o.account_id = s.account_id
        WHERE s.id = $1 AND s.idle_expires_at > $2 AND s.absolute_expires_at > $2 AND (a.locked_until IS NULL OR a.locked_until <= $2)", id, now)
}

/// The session of a secret, while it lasts and its account is not locked.
///
/// # Errors
/// The database's.
pub async fn live(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<Live>, sqlx::Error> {
    sql!(optional as Live, db, "SELECT s.id, s.account_id, s.authenticated_at, s.methods, s.last_seen_at, a.email, a.first_name, a.last_name, o.account_id IS NOT NULL AS operator
        FROM sessions s JOIN accounts a ON a.id = s.account_id LEFT JOIN operators o ON o.account_id = s.account_id
        WHERE s.token_hash = $1 AND s.idle_expires_at > $2 AND s.absolute_expires_at > $2 AND (a.locked_until IS NULL OR a.locked_until <= $2)", token_hash, now)
}

/// A new session.
#[derive(Clone, Debug)]
pub struct New {
    /// The hash of its secret.
    pub token_hash: Vec<u8>,
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// When it ends without use.
    pub idle_expires_at: Timestamp,
    /// When it ends in any case.
    pub absolute_expires_at: Timestamp,
    /// When its holder proved who they are.
    pub authenticated_at: Timestamp,
    /// By which factors.
    pub methods: String,
    /// With what client.
    pub user_agent: String,
    /// From where.
    pub address: String,
}

/// Keeps a new session.
///
/// # Errors
/// The database's.
pub async fn insert(db: &mut impl Connected, new: &New, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO sessions (token_hash, id, account_id, created_at, last_seen_at, idle_expires_at, absolute_expires_at, authenticated_at, methods, user_agent, address) VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10)",
        new.token_hash.as_slice(), new.id, new.account, now, new.idle_expires_at, new.absolute_expires_at, new.authenticated_at, new.methods.as_str(), new.user_agent.as_str(), new.address.as_str())?;
    Ok(())
}

/// Notes that the holder of a session has proved once more who they are, and gives the session another secret.
///
/// # Errors
/// The database's.
pub async fn prove(
    db: &mut impl Connected,
    account: AccountId,
    id: SessionId,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE sessions SET authenticated_at = $3, token_hash = $4 WHERE account_id = $1 AND id = $2", account, id, now, token_hash)?
            == 1,
    )
}

/// Notes that the holder of a session has shown another factor than those that it was opened by.
///
/// # Errors
/// The database's.
pub async fn add_method(db: &mut impl Connected, account: AccountId, id: SessionId, method: &str) -> Result<(), sqlx::Error> {
    let (more, known) = (format!("+{method}"), format!("%+{method}%"));
    sql!(execute db, "UPDATE sessions SET methods = methods || $3 WHERE account_id = $1 AND id = $2 AND methods NOT LIKE $4", account, id, more, known)?;
    Ok(())
}

/// Notes that a session is used.
///
/// # Errors
/// The database's.
pub async fn touch(db: &mut impl Connected, id: SessionId, now: Timestamp, idle_expires_at: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE sessions SET last_seen_at = $2, idle_expires_at = $3 WHERE id = $1 AND last_seen_at < $2", id, now, idle_expires_at)?;
    Ok(())
}

/// When a session ends without use, and when in any case.
///
/// # Errors
/// The database's.
pub async fn ends(db: &mut impl Connected, id: SessionId) -> Result<Option<(Timestamp, Timestamp)>, sqlx::Error> {
    sql!(optional as (Timestamp, Timestamp), db, "SELECT idle_expires_at, absolute_expires_at FROM sessions WHERE id = $1", id)
}

/// A session in its owner's list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// Its id.
    pub id: SessionId,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// With what client.
    pub user_agent: String,
    /// From where.
    pub address: String,
    /// By which factors.
    pub methods: String,
}

/// An account's sessions, the last used first, at most 100.
///
/// # Errors
/// The database's.
pub async fn of_account(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<Vec<Row>, sqlx::Error> {
    sql!(
        all as Row,
        db,
        "SELECT id, created_at, last_seen_at, user_agent, address, methods FROM sessions WHERE account_id = $1 AND idle_expires_at > $2 AND absolute_expires_at > $2 ORDER BY last_seen_at DESC, id LIMIT 100",
        account,
        now
    )
}

/// How many sessions an account has.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<i64, sqlx::Error> {
    let (n,): (i64,) = sql!(
        one as (i64,),
        db,
        "SELECT count(*) FROM sessions WHERE account_id = $1 AND idle_expires_at > $2 AND absolute_expires_at > $2",
        account,
        now
    )?;
    Ok(n)
}

/// Ends one session of an account.
///
/// # Errors
/// The database's.
pub async fn delete(db: &mut impl Connected, account: AccountId, id: SessionId) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM sessions WHERE account_id = $1 AND id = $2", account, id)? == 1)
}

/// Ends all sessions of an account but one.
///
/// # Errors
/// The database's.
pub async fn delete_others(db: &mut impl Connected, account: AccountId, but: SessionId) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM sessions WHERE account_id = $1 AND id <> $2", account, but)
}

/// Ends all sessions of an account, and forgets the browsers it is known in.
///
/// # Errors
/// The database's.
pub async fn delete_all(db: &mut impl Connected, account: AccountId) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM known_browsers WHERE account_id = $1", account)?;
    sql!(execute db, "DELETE FROM sessions WHERE account_id = $1", account)
}

/// Whether an account has signed in from a browser before.
///
/// # Errors
/// The database's.
pub async fn knows_browser(db: &mut impl Connected, account: AccountId, token_hash: &[u8], now: Timestamp) -> Result<bool, sqlx::Error> {
    let row: Option<(i64,)> = sql!(
        optional as (i64,),
        db,
        "SELECT created_at FROM known_browsers WHERE token_hash = $1 AND account_id = $2 AND expires_at > $3",
        token_hash,
        account,
        now
    )?;
    Ok(row.is_some())
}

/// In how many browsers an account has signed in before.
///
/// # Errors
/// The database's.
pub async fn count_browsers(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<i64, sqlx::Error> {
    let (n,) = sql!(one as (i64,), db, "SELECT count(*) FROM known_browsers WHERE account_id = $1 AND expires_at > $2", account, now)?;
    Ok(n)
}

/// Notes that it has.
///
/// # Errors
/// The database's.
pub async fn know_browser(
    db: &mut impl Connected,
    account: AccountId,
    token_hash: &[u8],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO known_browsers (token_hash, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT (token_hash, account_id) DO UPDATE SET expires_at = $4", token_hash, account, now, expires_at)?;
    Ok(())
}

/// Forgets what is over.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, now: Timestamp) -> Result<u64, sqlx::Error> {
    let sessions = sql!(execute db, "DELETE FROM sessions WHERE token_hash IN (SELECT token_hash FROM sessions WHERE absolute_expires_at < $1 OR idle_expires_at < $1 LIMIT 1000)", now)?;
    let browsers = sql!(execute db, "DELETE FROM known_browsers WHERE expires_at < $1", now)?;
    Ok(sessions + browsers)
}
