//! All SQL of accounts, credentials, sign-ups, password resets and changes of address.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::{
    actor::full_name,
    db::Connected,
    guard::{Operator, Provisioning, Vacant},
    list::sql::{Bound, Column, Filter, Indexed, Key, Keyed, ListSpec, ListSql, WHOLE},
    sql,
    words::{AccountId, Email, FactorId, FirstName, LastName, Timestamp, fold},
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

/// Locks an account until a moment, or says that of one that is locked anew. One that the identity system has deactivated stays
/// so beyond that moment.
///
/// # Errors
/// The database's.
pub async fn lock(
    db: &mut impl Connected,
    _: &Operator,
    id: AccountId,
    until: Timestamp,
    reason: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET locked_until = CASE WHEN deactivated_at IS NULL THEN CAST($2 AS BIGINT) ELSE CAST($3 AS BIGINT) END,
        operator_locked_until = CASE WHEN deactivated_at IS NULL THEN NULL ELSE CAST($2 AS BIGINT) END, lock_reason = $4, changed_at = $5 WHERE id = $1",
        id, until, Timestamp::NEVER, reason, now)?;
    Ok(())
}

/// Unlocks an account, also one that the identity system has deactivated.
///
/// # Errors
/// The database's.
pub async fn unlock(db: &mut impl Connected, _: &Operator, id: AccountId, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET locked_until = NULL, lock_reason = NULL, deactivated_at = NULL, operator_locked_until = NULL, changed_at = $2 WHERE id = $1", id, now)?;
    Ok(())
}

/// Locks an account because the identity system deactivated it. Where an operator has locked it, that lock's reason stays, and
/// its end is kept for when the account is reactivated.
///
/// # Errors
/// The database's.
pub async fn deactivate(db: &mut impl Connected, _: &Provisioning, id: AccountId, reason: &str, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET operator_locked_until = CASE WHEN locked_until > $2 THEN locked_until ELSE NULL END,
        lock_reason = CASE WHEN locked_until > $2 THEN lock_reason ELSE $4 END, locked_until = $3, deactivated_at = $2, changed_at = $2 WHERE id = $1",
        id, now, Timestamp::NEVER, reason)?;
    Ok(())
}

/// Takes that back: the account is as locked as an operator has it.
///
/// # Errors
/// The database's.
pub async fn reactivate(db: &mut impl Connected, _: &Provisioning, id: AccountId, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET locked_until = CASE WHEN operator_locked_until > $2 THEN operator_locked_until ELSE NULL END,
        lock_reason = CASE WHEN operator_locked_until > $2 THEN lock_reason ELSE NULL END, deactivated_at = NULL, operator_locked_until = NULL, changed_at = $2 WHERE id = $1",
        id, now)?;
    Ok(())
}

/// An account as the operator's identity system sees it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::FromRow)]
pub struct Provisioned {
    /// Its id.
    pub id: AccountId,
    /// Its address.
    pub email: Email,
    /// The first name.
    pub first_name: String,
    /// The last name; may be empty.
    pub last_name: String,
    /// What the identity system calls it, where it has said so.
    pub external_id: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// When something of this was changed last.
    pub changed_at: Timestamp,
    /// Until when it is locked, or was, by whomever.
    pub locked_until: Option<Timestamp>,
    /// Since when the identity system has deactivated it, where it has.
    pub deactivated_at: Option<Timestamp>,
}

impl Provisioned {
    /// Whether its owner may sign in.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.locked_until.is_none_or(|until| until <= now)
    }
}

macro_rules! provisioned {
    ($method:ident, $db:expr, $tail:literal $(, $arg:expr)*) => {
        sql!($method as Provisioned, $db, concat!(
            "SELECT id, email, first_name, last_name, external_id, created_at, COALESCE(changed_at, created_at) AS changed_at, locked_until, deactivated_at FROM accounts",
            $tail
        ) $(, $arg)*)
    };
}

/// An account, as the identity system sees it.
///
/// # Errors
/// The database's.
pub async fn provisioned(db: &mut impl Connected, id: AccountId) -> Result<Option<Provisioned>, sqlx::Error> {
    provisioned!(optional, db, " WHERE id = $1", id)
}

/// The same of an address, as it is compared.
///
/// # Errors
/// The database's.
pub async fn provisioned_by_email(db: &mut impl Connected, key: &str) -> Result<Option<Provisioned>, sqlx::Error> {
    provisioned!(optional, db, " WHERE email_key = $1", key)
}

/// The same of what the identity system calls it.
///
/// # Errors
/// The database's.
pub async fn provisioned_by_external_id(db: &mut impl Connected, external_id: &str) -> Result<Option<Provisioned>, sqlx::Error> {
    provisioned!(optional, db, " WHERE external_id = $1", external_id)
}

/// So many of all accounts, the oldest first, after so many.
///
/// # Errors
/// The database's.
pub async fn provisioned_page(db: &mut impl Connected, limit: i64, offset: i64) -> Result<Vec<Provisioned>, sqlx::Error> {
    provisioned!(all, db, " ORDER BY created_at, id LIMIT $1 OFFSET $2", limit, offset)
}

/// So many of all accounts, the oldest first, after one of them.
///
/// # Errors
/// The database's.
pub async fn provisioned_after(
    db: &mut impl Connected,
    created_at: Timestamp,
    id: AccountId,
    limit: i64,
) -> Result<Vec<Provisioned>, sqlx::Error> {
    provisioned!(all, db, " WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3", created_at, id, limit)
}

/// How many accounts there are.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut impl Connected) -> Result<i64, sqlx::Error> {
    let (count,): (i64,) = sql!(one as (i64,), db, "SELECT count(*) FROM accounts")?;
    Ok(count)
}

/// Keeps what the identity system calls an account, or forgets it.
///
/// # Errors
/// The database's; a unique violation where it calls another one so.
pub async fn set_external_id(
    db: &mut impl Connected,
    _: &Provisioning,
    id: AccountId,
    external_id: Option<&str>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET external_id = $2, changed_at = $3 WHERE id = $1", id, external_id, now)?;
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
pub async fn rename(
    db: &mut impl Connected,
    id: AccountId,
    first_name: &FirstName,
    last_name: &LastName,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET first_name = $2, last_name = $3, name_key = $4, changed_at = $5 WHERE id = $1", id, first_name.as_str(), last_name.as_str(), name_key(first_name, last_name), now)?;
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
pub async fn readdress(db: &mut impl Connected, id: AccountId, email: &Email, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE accounts SET email = $2, email_key = $3, changed_at = $4 WHERE id = $1", id, email.as_str(), email.key(), now)?;
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

/// A link that undoes a change of an account's credentials.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct UndoLink {
    /// Whose.
    pub account_id: AccountId,
    /// The address that comes back, where it is one.
    pub email: Option<Email>,
    /// The second factor that goes, where it is one.
    pub factor_id: Option<FactorId>,
    /// When the change was made.
    pub created_at: Timestamp,
}

/// Keeps such a link.
///
/// # Errors
/// The database's.
pub async fn insert_undo(db: &mut impl Connected, token_hash: &[u8], link: &UndoLink, expires_at: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO undo_links (token_hash, account_id, email, factor_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        token_hash, link.account_id, link.email.as_ref().map(Email::as_str), link.factor_id, link.created_at, expires_at)?;
    Ok(())
}

/// Such a link that still works.
///
/// # Errors
/// The database's.
pub async fn undo(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<UndoLink>, sqlx::Error> {
    sql!(
        optional as UndoLink,
        db,
        "SELECT account_id, email, factor_id, created_at FROM undo_links WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2",
        token_hash,
        now
    )
}

/// What was changed in an account since a moment and can be undone, the first first.
///
/// # Errors
/// The database's.
pub async fn undos_since(db: &mut impl Connected, account: AccountId, since: Timestamp) -> Result<Vec<UndoLink>, sqlx::Error> {
    sql!(
        all as UndoLink,
        db,
        "SELECT account_id, email, factor_id, created_at FROM undo_links WHERE account_id = $1 AND created_at >= $2 AND used_at IS NULL ORDER BY created_at, token_hash",
        account,
        since
    )
}

/// Ends the links that bring an account's address back.
///
/// # Errors
/// The database's.
pub async fn void_undos_of_address(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE undo_links SET used_at = $2 WHERE account_id = $1 AND email IS NOT NULL AND used_at IS NULL", account, now)?;
    Ok(())
}

/// Ends the links that undo what was changed in an account since a moment.
///
/// # Errors
/// The database's.
pub async fn void_undos(db: &mut impl Connected, account: AccountId, since: Timestamp, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE undo_links SET used_at = $3 WHERE account_id = $1 AND created_at >= $2 AND used_at IS NULL", account, since, now)?;
    Ok(())
}

/// Uses it, once.
///
/// # Errors
/// The database's.
pub async fn use_undo(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE undo_links SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2", token_hash, now)?
            == 1,
    )
}

/// Takes an account's password: nobody signs in with one until another is chosen.
///
/// # Errors
/// The database's.
pub async fn delete_password(db: &mut impl Connected, account: AccountId) -> Result<(), sqlx::Error> {
    sql!(execute db, "DELETE FROM credentials WHERE account_id = $1 AND kind = 'password'", account)?;
    Ok(())
}

/// Forgets sign-ups, resets, new addresses and links that undo whose time is over.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    let sign_ups = sql!(execute db, "DELETE FROM sign_ups WHERE id IN (SELECT id FROM sign_ups WHERE expires_at < $1 LIMIT 1000)", before)?;
    let resets = sql!(execute db, "DELETE FROM password_resets WHERE id IN (SELECT id FROM password_resets WHERE expires_at < $1 LIMIT 1000)", before)?;
    let changes =
        sql!(execute db, "DELETE FROM email_changes WHERE id IN (SELECT id FROM email_changes WHERE expires_at < $1 LIMIT 1000)", before)?;
    let undos = sql!(execute db, "DELETE FROM undo_links WHERE token_hash IN (SELECT token_hash FROM undo_links WHERE expires_at < $1 LIMIT 1000)", before)?;
    Ok(sign_ups + resets + changes + undos)
}
