//! All SQL of PMM servers and of tokens.

use std::sync::LazyLock;

use uuid::Uuid;

use super::Server;
use crate::{
    db::Connected,
    guard::Authority,
    list::sql::{Column, Key, Keyed, ListSpec, ListSql},
    permissions::ConnectPmmServer,
    sql,
    words::{AccountId, Email, MINUTE, MemberId, OrganizationId, PmmServerId, Timestamp, TokenId},
};

/// A token that may be used, and whose it is.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Usable {
    /// The token.
    pub id: TokenId,
    /// Whose.
    pub account_id: AccountId,
    /// What it is for, by its name.
    pub scope: String,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The account's address.
    pub email: Email,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Why the organization is suspended, where it is.
    pub suspension_reason: Option<String>,
}

/// The token of a secret, while it lasts and its account is not locked.
///
/// # Errors
/// The database's.
pub async fn usable(db: &mut impl Connected, token_hash: &[u8], now: Timestamp) -> Result<Option<Usable>, sqlx::Error> {
    sql!(
        optional as Usable,
        db,
        "SELECT t.id, t.account_id, t.scope, t.last_used_at, a.email, a.first_name, a.last_name, o.suspension_reason
        FROM api_tokens t JOIN accounts a ON a.id = t.account_id JOIN organizations o ON o.id = t.organization_id
        WHERE t.token_hash = $1 AND t.expires_at > $2 AND (a.locked_until IS NULL OR a.locked_until <= $2)",
        token_hash,
        now
    )
}

/// Notes that a token is used; where that was noted within the last minute, nothing.
///
/// # Errors
/// The database's.
pub async fn touch(db: &mut impl Connected, id: TokenId, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE api_tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)", id, now, now.plus(-MINUTE))?;
    Ok(())
}

/// A new token.
#[derive(Clone, Debug)]
pub struct New {
    /// Its id.
    pub id: TokenId,
    /// Whose.
    pub account: AccountId,
    /// With which membership it ends.
    pub member: MemberId,
    /// What its maker calls it.
    pub name: String,
    /// What it is for, by its name.
    pub scope: &'static str,
    /// The hash of its secret.
    pub token_hash: Vec<u8>,
    /// Until when it may be used.
    pub expires_at: Timestamp,
}

/// Keeps a new token.
///
/// # Errors
/// The database's.
pub async fn insert_token(
    db: &mut impl Connected,
    authority: &impl Authority<ConnectPmmServer>,
    new: &New,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO api_tokens (id, organization_id, account_id, member_id, name, scope, token_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id, authority.organization(), new.account, new.member, new.name.as_str(), new.scope, new.token_hash.as_slice(), now, new.expires_at)?;
    Ok(())
}

/// A token in a list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Whose.
    pub account_id: AccountId,
    /// Of which membership.
    pub member_id: MemberId,
    /// What its maker calls it.
    pub name: String,
    /// What it is for, by its name.
    pub scope: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A member's tokens, the newest first.
///
/// # Errors
/// The database's.
pub async fn tokens_of_member(db: &mut impl Connected, member: MemberId) -> Result<Vec<Token>, sqlx::Error> {
    sql!(
        all as Token,
        db,
        "SELECT id, organization_id, account_id, member_id, name, scope, created_at, expires_at, last_used_at
        FROM api_tokens WHERE member_id = $1 ORDER BY created_at DESC, id DESC LIMIT 200",
        member
    )
}

/// The tokens of all members, the newest first, at most 200.
///
/// # Errors
/// The database's.
pub async fn tokens_of_organization(db: &mut impl Connected, organization: OrganizationId) -> Result<Vec<Token>, sqlx::Error> {
    sql!(
        all as Token,
        db,
        "SELECT id, organization_id, account_id, member_id, name, scope, created_at, expires_at, last_used_at
        FROM api_tokens WHERE organization_id = $1 ORDER BY created_at DESC, id DESC LIMIT 200",
        organization
    )
}

/// A token by its id.
///
/// # Errors
/// The database's.
pub async fn token(db: &mut impl Connected, id: TokenId) -> Result<Option<Token>, sqlx::Error> {
    sql!(
        optional as Token,
        db,
        "SELECT id, organization_id, account_id, member_id, name, scope, created_at, expires_at, last_used_at FROM api_tokens WHERE id = $1",
        id
    )
}

/// How many tokens of a member can be used.
///
/// # Errors
/// The database's.
pub async fn count_of_member(db: &mut impl Connected, member: MemberId, now: Timestamp) -> Result<i64, sqlx::Error> {
    let (n,): (i64,) = sql!(one as (i64,), db, "SELECT count(*) FROM api_tokens WHERE member_id = $1 AND expires_at > $2", member, now)?;
    Ok(n)
}

/// How many tokens of an organization can be used.
///
/// # Errors
/// The database's.
pub async fn count_tokens(db: &mut impl Connected, organization: OrganizationId, now: Timestamp) -> Result<i64, sqlx::Error> {
    let (n,): (i64,) =
        sql!(one as (i64,), db, "SELECT count(*) FROM api_tokens WHERE organization_id = $1 AND expires_at > $2", organization, now)?;
    Ok(n)
}

/// Ends a token.
///
/// # Errors
/// The database's.
pub async fn delete_token(db: &mut impl Connected, authority: &impl Authority<ConnectPmmServer>, id: TokenId) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM api_tokens WHERE organization_id = $1 AND id = $2", authority.organization(), id)? == 1)
}

/// Ends every token of an account.
///
/// # Errors
/// The database's.
pub async fn delete_tokens_of(db: &mut impl Connected, account: AccountId) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM api_tokens WHERE account_id = $1", account)
}

/// Forgets the tokens that ended before a moment.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM api_tokens WHERE id IN (SELECT id FROM api_tokens WHERE expires_at <= $1 LIMIT 1000)", before)
}

/// A connected server.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// Its id, another one each time that it is connected.
    pub id: PmmServerId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// What the server calls itself.
    pub server_id: String,
    /// What people call it.
    pub name: String,
    /// By which it is sorted and found.
    pub name_key: String,
    /// Its address.
    pub url: String,
    /// Where people who sign in to it are sent back to.
    pub callback_url: String,
    /// By which account it was connected, while there is one.
    pub connected_by: Option<AccountId>,
    /// That person's name then.
    pub connected_by_name: String,
    /// When.
    pub connected_at: Timestamp,
    /// When it last asked for anything, to some minutes.
    pub last_contact_at: Timestamp,
}

impl Keyed for Row {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "name" => Key::Text(self.name_key.clone()),
            "contact" => Key::Number(self.last_contact_at.0),
            _ => Key::Number(self.connected_at.0),
        }
    }
}

/// The list of an organization's servers.
pub static LIST: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: "id, organization_id, server_id, name, name_key, url, callback_url, connected_by, connected_by_name, connected_at, coalesce(last_contact_at, connected_at) AS last_contact_at",
        from: "pmm_servers",
        scope: "organization_id = $1",
        id: "id",
        columns: &[
            Column { name: "connected", key: "connected_at", number: true, newest_first: true },
            Column { name: "name", key: "name_key", number: false, newest_first: false },
            Column { name: "contact", key: "coalesce(last_contact_at, connected_at)", number: true, newest_first: true },
        ],
        searched: &["name_key"],
        indexed: None,
        filters: &[],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| LIST.texts(dialect), module: module_path!() } }

/// A connected server by what it calls itself, whosever it is.
///
/// # Errors
/// The database's.
pub async fn by_server_id(db: &mut impl Connected, server_id: &str) -> Result<Option<Row>, sqlx::Error> {
    sql!(optional as Row, db, "SELECT id, organization_id, server_id, name, name_key, url, callback_url, connected_by, connected_by_name, connected_at, coalesce(last_contact_at, connected_at) AS last_contact_at
        FROM pmm_servers WHERE server_id = $1", server_id)
}

/// A connected server by its id.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut impl Connected, id: PmmServerId) -> Result<Option<Row>, sqlx::Error> {
    sql!(optional as Row, db, "SELECT id, organization_id, server_id, name, name_key, url, callback_url, connected_by, connected_by_name, connected_at, coalesce(last_contact_at, connected_at) AS last_contact_at
        FROM pmm_servers WHERE id = $1", id)
}

/// How many servers an organization has connected.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut impl Connected, organization: OrganizationId) -> Result<i64, sqlx::Error> {
    let (n,): (i64,) = sql!(one as (i64,), db, "SELECT count(*) FROM pmm_servers WHERE organization_id = $1", organization)?;
    Ok(n)
}

/// Who connects a server, and what that gives it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The account.
    pub by: AccountId,
    /// Its name.
    pub by_name: String,
    /// By which people sign in to it.
    pub public_client_id: String,
    /// By which it signs in itself.
    pub machine_client_id: String,
    /// The hash of the secret that goes with it.
    pub machine_secret_hash: Vec<u8>,
}

/// Keeps a server that connects.
///
/// # Errors
/// The database's; a unique violation where another organization has connected it at the same moment.
pub async fn insert(
    db: &mut impl Connected,
    authority: &impl Authority<ConnectPmmServer>,
    (id, server): (PmmServerId, &Server),
    connection: &Connection,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // To connect is the first contact.
    sql!(execute db, "INSERT INTO pmm_servers (id, organization_id, server_id, name, name_key, url, callback_url, connected_by, connected_by_name, connected_at, last_contact_at, public_client_id, machine_client_id, machine_secret_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13)",
        id, authority.organization(), server.server_id.as_str(), server.name.as_str(), server.name_key.as_str(), server.url.as_str(), server.callback_url.as_str(),
        connection.by, connection.by_name.as_str(), now, connection.public_client_id.as_str(), connection.machine_client_id.as_str(), connection.machine_secret_hash.as_slice())?;
    Ok(())
}

/// Takes a server away, with every credential that belongs to it.
///
/// # Errors
/// The database's.
pub async fn delete(db: &mut impl Connected, authority: &impl Authority<ConnectPmmServer>, id: PmmServerId) -> Result<bool, sqlx::Error> {
    Ok(sql!(execute db, "DELETE FROM pmm_servers WHERE organization_id = $1 AND id = $2", authority.organization(), id)? == 1)
}

/// Notes that a server asked for something; where that was noted within the minute before, nothing.
///
/// # Errors
/// The database's.
pub async fn note_contact(db: &mut impl Connected, id: PmmServerId, at: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE pmm_servers SET last_contact_at = $2 WHERE id = $1 AND (last_contact_at IS NULL OR last_contact_at <= $3)", id, at, at.plus(-MINUTE))?;
    Ok(())
}
