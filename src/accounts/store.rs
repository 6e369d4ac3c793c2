//! All SQL of accounts, credentials, sign-ups, password resets and changes of address.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::{
    actor::full_name,
    db::Connected,
    guard::{Operator, Vacant},
    list::sql::{Bound, Column, Filter, Indexed, Key, Keyed, ListSpec, ListSql, WHOLE},
    sql,
    words::{AccountId, Email, FirstName, LastName, Timestamp, fold},
};

/// An account.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its address.
    pub email: Email,
    /// The person's first name.
    pub first_name: String,
    /// The last name; may be empty.
    pub last_name: String,
}

/// The account of an address.
///
/// # Errors
/// The database's.
pub async fn by_email(db: &mut impl Connected, email: &Email) -> Result<Option<Account>, sqlx::Error> {
    sql!(optional as Account, db, "SELECT id, email, first_name, last_name FROM accounts WHERE email_key = $1", email.key())
}

/// The accounts of addresses, each with its address as it is compared.
///
/// # Errors
/// The database's.
pub async fn of_emails(db: &mut impl Connected, keys: &[&str]) -> Result<Vec<(AccountId, String)>, sqlx::Error> {
    sql!(among as (AccountId, String), db, "SELECT id, email_key FROM accounts WHERE", keys, |key| ["email_key" = *key])
}

/// An account.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut impl Connected, id: AccountId) -> Result<Option<Account>, sqlx::Error> {
    sql!(optional as Account, db, "SELECT id, email, first_name, last_name FROM accounts WHERE id = $1", id)
}

/// First and last name of each of these accounts.
///
/// # Errors
/// The database's.
pub async fn names(db: &mut impl Connected, ids: &[AccountId]) -> Result<Vec<(AccountId, String, String)>, sqlx::Error> {
    sql!(among as (AccountId, String, String), db, "SELECT id, first_name, last_name FROM accounts WHERE", ids, |id| ["id" = *id])
}

/// The address of an account.
///
/// # Errors
/// The database's.
pub async fn email(db: &mut impl Connected, account: AccountId) -> Result<Option<Email>, sqlx::Error> {
    let row: Option<(Email,)> = sql!(optional as (Email,), db, "SELECT email FROM accounts WHERE id = $1", account)?;
    Ok(row.map(|(email,)| email))
}

/// An account and the hash of its password, if it has one.
///
/// # Errors
/// The database's.
pub async fn password_by_email(db: &mut impl Connected, email: &Email) -> Result<Option<(AccountId, Option<String>)>, sqlx::Error> {
    sql!(
        optional as (AccountId, Option<String>),
        db,
        "SELECT a.id, c.secret FROM accounts a LEFT JOIN credentials c ON c.account_id = a.id AND c.kind = 'password' WHERE a.email_key = $1",
        email.key()
    )
}

/// The hash of an account's password, if it has one.
///
/// # Errors
/// The database's.
pub async fn password(db: &mut impl Connected, account: AccountId) -> Result<Option<String>, sqlx::Error> {
    let row: Option<(String,)> =
        sql!(optional as (String,), db, "SELECT secret FROM credentials WHERE account_id = $1 AND kind = 'password'", account)?;
    Ok(row.map(|(secret,)| secret))
}

/// Until when an account is locked, if it is.
///
/// # Errors
/// The database's.
pub async fn locked_until(db: &mut impl Connected, account: AccountId) -> Result<Option<Timestamp>, sqlx::Error> {
    let row: Option<(Option<Timestamp>,)> =
        sql!(optional as (Option<Timestamp>,), db, "SELECT locked_until FROM accounts WHERE id = $1", account)?;
    Ok(row.and_then(|(until,)| until))
}

/// What a person's name is sorted and searched by.
fn name_key(first_name: &FirstName, last_name: &LastName) -> String {
    fold(&full_name(first_name.as_str(), last_name.as_str()))
}

/// An account as operators see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Its id.
    pub id: AccountId,
    /// Its address.
    pub email: String,
    /// The same, in lower case.
    pub email_key: String,
    /// The first name.
    pub first_name: String,
    /// The last name; may be empty.
    pub last_name: String,
    /// Both, folded.
    pub name_key: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when it is locked, or was; [`Timestamp::NEVER`] for without an end.
    pub locked_until: Option<Timestamp>,
    /// Why.
    pub lock_reason: Option<String>,
}

impl Keyed for Listed {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "email" => Key::Text(self.email_key.clone()),
            "created" => Key::Number(self.created_at.0),
            _ => Key::Text(self.name_key.clone()),
        }
    }
}

/// All accounts.
pub static LIST: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: "id, email, email_key, first_name, last_name, name_key, created_at, locked_until, lock_reason",
        from: "accounts",
        scope: WHOLE,
        id: "id",
        columns: &[
            Column { name: "name", key: "name_key", number: false, newest_first: false },
            Column { name: "email", key: "email_key", number: false, newest_first: false },
            Column { name: "created", key: "created_at", number: true, newest_first: true },
        ],
        searched: &["name_key", "email_key"],
        indexed: Some(Indexed { view: "accounts_search", keys: "search_keys", within: "" }),
        filters: &[Filter {
            name: "state",
            conditions: &["locked_until > $"],
            read: |value, now| (value == "locked").then_some((0, Bound::Number(now.0))),
        }],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| LIST.texts(dialect), module: module_path!() } }

/// An account as operators see it.
///
/// # Errors
/// The database's.
pub async fn listed(db: &mut impl Connected, id: AccountId) -> Result<Option<Listed>, sqlx::Error> {
    sql!(
        optional as Listed,
        db,
        "SELECT id, email, email_key, first_name, last_name, name_key, created_at, locked_until, lock_reason FROM accounts WHERE id = $1",
        id
    )
}

/// Locks an account until a moment, or says that of one that is locked anew.
///
/// # Errors
/// The database's.
pub async fn lock(db: &mut impl Connected, _: &Operator, id: AccountId, until: Timestamp, reason: &str) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET locked_until = $2, lock_reason = $3 WHERE id = $1", id, until, reason)?;
    Ok(())
}

/// Unlocks an account.
///
/// # Errors
/// The database's.
pub async fn unlock(db: &mut impl Connected, _: &Operator, id: AccountId) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET locked_until = NULL, lock_reason = NULL WHERE id = $1", id)?;
    Ok(())
}

/// Makes an account, unless the address has one: then `false`.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: &mut impl Connected,
    id: AccountId,
    email: &Email,
    first_name: &FirstName,
    last_name: &LastName,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let rows = sql!(execute db, "INSERT INTO accounts (id, email, email_key, first_name, last_name, name_key, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (email_key) DO NOTHING",
        id, email.as_str(), email.key(), first_name.as_str(), last_name.as_str(), name_key(first_name, last_name), now)?;
    Ok(rows == 1)
}

/// An account as it is put in with many others.
#[derive(Clone, Debug)]
pub struct New {
    /// Its id.
    pub id: AccountId,
    /// Its address.
    pub email: Email,
    /// The first name.
    pub first_name: FirstName,
    /// The last name.
    pub last_name: LastName,
    /// Since when.
    pub created_at: Timestamp,
}

/// Makes many accounts in a database where nobody was before.
///
/// # Errors
/// The database's.
pub async fn insert_many(db: &mut impl Connected, _: &Vacant, rows: &[New]) -> Result<u64, sqlx::Error> {
    sql!(insert db, "INSERT INTO accounts (id, email, email_key, first_name, last_name, name_key, created_at)", rows, |row| [row.id, row.email.as_str(), row.email.key(), row.first_name.as_str(), row.last_name.as_str(), name_key(&row.first_name, &row.last_name), row.created_at])
}

/// Changes a person's name.
///
/// # Errors
/// The database's.
pub async fn rename(db: &mut impl Connected, id: AccountId, first_name: &FirstName, last_name: &LastName) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET first_name = $2, last_name = $3, name_key = $4 WHERE id = $1", id, first_name.as_str(), last_name.as_str(), name_key(first_name, last_name))?;
    Ok(())
}

/// Gives an account a password, or another one.
///
/// # Errors
/// The database's.
pub async fn set_password(
    db: &mut impl Connected,
    credential: Uuid,
    account: AccountId,
    hash: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO credentials (id, account_id, kind, secret, created_at, changed_at) VALUES ($1, $2, 'password', $3, $4, $4)
        ON CONFLICT (account_id) WHERE kind = 'password' DO UPDATE SET secret = $3, changed_at = $4", credential, account, hash, now)?;
    Ok(())
}

/// A sign-up that waits for its address to be verified.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Waiting {
    /// The hash of the secret that the browser which signed up holds.
    pub browser_hash: Vec<u8>,
    /// The address.
    pub email: Email,
    /// The first name.
    pub first_name: FirstName,
    /// The last name.
    pub last_name: LastName,
    /// The password's hash; empty where whoever follows the link chooses it.
    pub password: String,
}

impl Waiting {
    /// Whether a password was chosen at the sign-up.
    #[must_use]
    pub fn has_password(&self) -> bool {
        !self.password.is_empty()
    }
}

/// Keeps a sign-up.
///
/// # Errors
/// The database's.
pub async fn insert_sign_up(
    db: &mut impl Connected,
    id: Uuid,
    token_hash: &[u8],
    now: Timestamp,
    expires_at: Timestamp,
    waiting: &Waiting,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO sign_ups (id, token_hash, browser_hash, email, email_key, first_name, last_name, password, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id, token_hash, waiting.browser_hash.as_slice(), waiting.email.as_str(), waiting.email.key(), waiting.first_name.as_str(), waiting.last_name.as_str(), waiting.password.as_str(), now, expires_at)?;
    Ok(())
}

/// The sign-up of a link that still works.
///
/// # Errors
/// The database's.
pub async fn sign_up(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<Waiting>, sqlx::Error> {
    sql!(
        optional as Waiting,
        db,
        "SELECT browser_hash, email, first_name, last_name, password FROM sign_ups WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2",
        token_hash,
        now
    )
}

/// Uses such a link, once.
///
/// # Errors
/// The database's.
pub async fn use_sign_up(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE sign_ups SET used_at = $2, password = '' WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2", token_hash, now)?
            == 1,
    )
}

/// Keeps a password reset. Without an account it is kept all the same, so that time tells nothing.
///
/// # Errors
/// The database's.
pub async fn insert_reset(
    db: &mut impl Connected,
    id: Uuid,
    token_hash: &[u8],
    account: Option<AccountId>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO password_resets (id, token_hash, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)", id, token_hash, account, now, expires_at)?;
    Ok(())
}

/// The account of a reset's link that still works.
///
/// # Errors
/// The database's.
pub async fn reset(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<Account>, sqlx::Error> {
    sql!(
        optional as Account,
        db,
        "SELECT a.id, a.email, a.first_name, a.last_name FROM password_resets r JOIN accounts a ON a.id = r.account_id WHERE r.token_hash = $1 AND r.used_at IS NULL AND r.expires_at > $2",
        token_hash,
        now
    )
}

/// Uses such a link, once, and every other one of the same account with it.
///
/// # Errors
/// The database's.
pub async fn use_reset(db: &mut impl Connected, token_hash: &[u8], account: AccountId, now: Timestamp) -> Result<bool, sqlx::Error> {
    let used = sql!(execute db, "UPDATE password_resets SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2", token_hash, now)?
        == 1;
    void_resets(db, account, now).await?;
    Ok(used)
}

/// Ends every link to reset an account's password.
///
/// # Errors
/// The database's.
pub async fn void_resets(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE password_resets SET used_at = $2 WHERE account_id = $1 AND used_at IS NULL", account, now)?;
    Ok(())
}

/// A new address that waits to be confirmed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EmailChange {
    /// Whose.
    pub account_id: AccountId,
    /// The new address.
    pub email: Email,
    /// Until when it can be confirmed.
    pub expires_at: Timestamp,
}

/// Keeps a new address until it is confirmed, in place of any that waited before.
///
/// # Errors
/// The database's.
pub async fn insert_email_change(
    db: &mut impl Connected,
    id: Uuid,
    token_hash: &[u8],
    change: &EmailChange,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    void_email_changes(db, change.account_id, now).await?;
    sql!(execute db, "INSERT INTO email_changes (id, token_hash, account_id, email, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        id, token_hash, change.account_id, change.email.as_str(), now, change.expires_at)?;
    Ok(())
}

/// The new address of a link that still works.
///
/// # Errors
/// The database's.
pub async fn email_change(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<EmailChange>, sqlx::Error> {
    sql!(
        optional as EmailChange,
        db,
        "SELECT account_id, email, expires_at FROM email_changes WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2",
        token_hash,
        now
    )
}

/// The new address that waits for an account, if one does.
///
/// # Errors
/// The database's.
pub async fn email_change_of(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<Option<EmailChange>, sqlx::Error> {
    sql!(
        optional as EmailChange,
        db,
        "SELECT account_id, email, expires_at FROM email_changes WHERE account_id = $1 AND used_at IS NULL AND expires_at > $2",
        account,
        now
    )
}

/// Uses such a link, once.
///
/// # Errors
/// The database's.
pub async fn use_email_change(db: &mut impl Connected, token_hash: &[u8], account: AccountId, now: Timestamp) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE email_changes SET used_at = $3 WHERE token_hash = $1 AND account_id = $2 AND used_at IS NULL AND expires_at > $3", token_hash, account, now)?
            == 1,
    )
}

/// Ends every link to another address for an account.
///
/// # Errors
/// The database's.
pub async fn void_email_changes(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE email_changes SET used_at = $2 WHERE account_id = $1 AND used_at IS NULL", account, now)?;
    Ok(())
}

/// Changes an account's address.
///
/// # Errors
/// The database's; a unique violation where another account has it.
pub async fn readdress(db: &mut impl Connected, id: AccountId, email: &Email) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET email = $2, email_key = $3 WHERE id = $1", id, email.as_str(), email.key())?;
    Ok(())
}

/// Deletes an account whose membership ended in the same transaction, with its credentials, sessions and links.
///
/// # Errors
/// The database's.
pub async fn delete(db: &mut impl Connected, id: AccountId) -> Result<(), sqlx::Error> {
    sql!(execute db, "DELETE FROM accounts WHERE id = $1", id)?;
    Ok(())
}

/// Forgets sign-ups, resets and new addresses whose time is over.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    let sign_ups = sql!(execute db, "DELETE FROM sign_ups WHERE expires_at < $1", before)?;
    let resets = sql!(execute db, "DELETE FROM password_resets WHERE expires_at < $1", before)?;
    let changes = sql!(execute db, "DELETE FROM email_changes WHERE expires_at < $1", before)?;
    Ok(sign_ups + resets + changes)
}
