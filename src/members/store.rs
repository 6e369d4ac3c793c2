//! All SQL of members and of those who were.

use std::sync::LazyLock;

use uuid::Uuid;

use super::Source;
use crate::{
    actor::Actor,
    db::Connected,
    guard::Authority,
    list::sql::{Column, Key, Keyed, ListSpec, ListSql},
    organizations::store as organizations,
    permissions::{ChangeRole, Permit, Role},
    sql,
    words::{AccountId, MINUTE, MemberId, OrganizationId, Timestamp, fold},
};

/// A member's row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// The membership.
    pub id: MemberId,
    /// Whose.
    pub account_id: AccountId,
    /// The role's name.
    pub role: String,
    /// How the person became a member.
    pub source: String,
    /// Since when.
    pub joined_at: Timestamp,
    /// The person's name.
    pub name: String,
    /// The same, folded.
    pub name_key: String,
    /// The address.
    pub email: String,
    /// The same, in lower case.
    pub email_key: String,
    /// Last seen.
    pub last_active_at: Timestamp,
}

impl Row {
    /// The role. The database knows no other names.
    #[must_use]
    pub fn role(&self) -> Role {
        Role::parse(&self.role).unwrap_or(Role::TechnicalUser)
    }
}

impl Keyed for Row {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "email" => Key::Text(self.email_key.clone()),
            "role" => Key::Text(self.role.clone()),
            "joined" => Key::Number(self.joined_at.0),
            "active" => Key::Number(self.last_active_at.0),
            _ => Key::Text(self.name_key.clone()),
        }
    }
}

const COLUMNS: &str = "id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at";

/// The list of members.
pub static LIST: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: COLUMNS,
        from: "members",
        scope: "organization_id = $1",
        id: "id",
        columns: &[
            Column { name: "name", key: "name_key", number: false },
            Column { name: "email", key: "email_key", number: false },
            Column { name: "role", key: "role", number: false },
            Column { name: "joined", key: "joined_at", number: true },
            Column { name: "active", key: "last_active_at", number: true },
        ],
        searched: &["name_key", "email_key"],
    })
});
inventory::submit! { crate::db::Statement { texts: || LIST.texts(), module: module_path!() } }

/// A member of an organization.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut impl Connected, organization: OrganizationId, id: MemberId) -> Result<Option<Row>, sqlx::Error> {
    sql!(
        optional as Row,
        db,
        "SELECT id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at FROM members WHERE organization_id = $1 AND id = $2",
        organization,
        id
    )
}

/// Whether an address belongs to a member.
///
/// # Errors
/// The database's.
pub async fn has_email(db: &mut impl Connected, organization: OrganizationId, email_key: &str) -> Result<bool, sqlx::Error> {
    let row: Option<(MemberId,)> = sql!(
        optional as (MemberId,),
        db,
        "SELECT id FROM members WHERE organization_id = $1 AND email_key = $2 LIMIT 1",
        organization,
        email_key
    )?;
    Ok(row.is_some())
}

/// Another Admin than this account, if there is one.
///
/// # Errors
/// The database's.
pub async fn another_admin(
    db: &mut impl Connected,
    organization: OrganizationId,
    than: AccountId,
) -> Result<Option<AccountId>, sqlx::Error> {
    let row: Option<(AccountId,)> = sql!(
        optional as (AccountId,),
        db,
        "SELECT account_id FROM members WHERE organization_id = $1 AND role = 'Admin' AND account_id <> $2 LIMIT 1",
        organization,
        than
    )?;
    Ok(row.map(|(account,)| account))
}

/// Makes an account a member, and counts it.
///
/// # Errors
/// The database's; a unique violation where the account is in an organization already.
pub async fn insert<P: Permit>(
    db: &mut impl Connected,
    authority: &impl Authority<P>,
    id: MemberId,
    account: &Actor,
    role: Role,
    source: Source,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let name = account.name();
    sql!(execute db, "INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $6)",
        id, authority.organization(), account.account, role.name(), source.name(), now, name.as_str(), fold(&name), account.email.as_str(), account.email.key())?;
    sql!(execute db, "DELETE FROM former_members WHERE organization_id = $1 AND account_id = $2", authority.organization(), account.account)?;
    organizations::count_members(db, authority, 1).await
}

/// Changes a member's role.
///
/// # Errors
/// The database's; at commit where the organization would have no Admin.
pub async fn set_role(
    db: &mut impl Connected,
    authority: &impl Authority<ChangeRole>,
    id: MemberId,
    role: Role,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE members SET role = $3 WHERE organization_id = $1 AND id = $2", authority.organization(), id, role.name())?;
    Ok(())
}

/// Ends a membership; what it was stays known.
///
/// # Errors
/// The database's; at commit where the organization would have no Admin.
pub async fn delete<P: Permit>(
    db: &mut impl Connected,
    authority: &impl Authority<P>,
    row: &Row,
    by: AccountId,
    reason: &'static str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let organization = authority.organization();
    sql!(execute db, "INSERT INTO former_members (organization_id, account_id, email_key, source, ended_at, ended_by, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (organization_id, account_id) DO UPDATE SET ended_at = $5, ended_by = $6, reason = $7", organization, row.account_id, row.email_key.as_str(), row.source.as_str(), now, by, reason)?;
    sql!(execute db, "DELETE FROM members WHERE organization_id = $1 AND id = $2", organization, row.id)?;
    organizations::count_members(db, authority, -1).await
}

/// Keeps the name that the list shows in step with the account's.
///
/// # Errors
/// The database's.
pub async fn rename<P: Permit>(
    db: &mut impl Connected,
    authority: &impl Authority<P>,
    account: AccountId,
    name: &str,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE members SET name = $3, name_key = $4 WHERE organization_id = $1 AND account_id = $2", authority.organization(), account, name, fold(name))?;
    Ok(())
}

/// Notes that a member is active, at most every five minutes: the list is sorted by it.
///
/// # Errors
/// The database's.
pub async fn touch(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE members SET last_active_at = $2 WHERE account_id = $1 AND last_active_at < $3", account, now, now.plus(-5 * MINUTE))?;
    Ok(())
}
