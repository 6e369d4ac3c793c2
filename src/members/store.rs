//! All SQL of members and of those who were.

use std::sync::LazyLock;

use uuid::Uuid;

use super::{ACTIVE_DAYS, Source, Standing};
use crate::{
    actor::Actor,
    db::Connected,
    guard::{Authority, Vacant, organization_of},
    list::sql::{Bound, Column, Filter, Indexed, Key, Keyed, ListSpec, ListSql},
    organizations::store as organizations,
    permissions::{ChangeRole, ManageMembers, Permit, Role},
    sql,
    words::{AccountId, DAY, Email, MINUTE, MemberId, OrganizationId, Timestamp, fold},
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
            Column { name: "name", key: "name_key", number: false, newest_first: false },
            Column { name: "email", key: "email_key", number: false, newest_first: false },
            Column { name: "role", key: "role", number: false, newest_first: false },
            Column { name: "joined", key: "joined_at", number: true, newest_first: false },
            Column { name: "active", key: "last_active_at", number: true, newest_first: false },
        ],
        searched: &["name_key", "email_key"],
        indexed: Some(Indexed { view: "members_search", keys: "search_keys", within: "" }),
        filters: &[
            Filter {
                name: "role",
                conditions: &["role = $"],
                read: |value, _| Role::parse(value).map(|role| (0, Bound::Text(role.name().to_owned()))),
            },
            Filter {
                name: "state",
                conditions: &["last_active_at >= $", "last_active_at < $"],
                read: |value, now| {
                    let since = Bound::Number(now.plus(-ACTIVE_DAYS * DAY).0);
                    match Standing::parse(value)? {
                        Standing::Active => Some((0, since)),
                        Standing::Inactive => Some((1, since)),
                    }
                },
            },
        ],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| LIST.texts(dialect), module: module_path!() } }

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

/// The membership of an account, with its organization, if it has one.
///
/// # Errors
/// The database's.
pub async fn of_account(db: &mut impl Connected, account: AccountId) -> Result<Option<(OrganizationId, Row)>, sqlx::Error> {
    let Some(organization) = organization_of(db, account).await? else { return Ok(None) };
    let row = sql!(
        optional as Row,
        db,
        "SELECT id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at FROM members WHERE organization_id = $1 AND account_id = $2",
        organization,
        account
    )?;
    Ok(row.map(|row: Row| (organization, row)))
}

/// Whether an address belongs to a member.
///
/// # Errors
/// The database's.
pub async fn has_email(db: &mut impl Connected, organization: OrganizationId, email_key: &str) -> Result<bool, sqlx::Error> {
    Ok(of_email(db, organization, email_key).await?.is_some())
}

/// The member with an address.
///
/// # Errors
/// The database's.
pub async fn of_email(db: &mut impl Connected, organization: OrganizationId, email_key: &str) -> Result<Option<Row>, sqlx::Error> {
    sql!(
        optional as Row,
        db,
        "SELECT id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at FROM members WHERE organization_id = $1 AND email_key = $2 LIMIT 1",
        organization,
        email_key
    )
}

/// Whether an account was a member of an organization and is no more.
///
/// # Errors
/// The database's.
pub async fn was_member(db: &mut impl Connected, organization: OrganizationId, account: AccountId) -> Result<bool, sqlx::Error> {
    let row: Option<(AccountId,)> = sql!(
        optional as (AccountId,),
        db,
        "SELECT account_id FROM former_members WHERE organization_id = $1 AND account_id = $2",
        organization,
        account
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

/// A membership as it is put in with many others.
#[derive(Clone, Debug)]
pub struct New {
    /// Its id.
    pub id: MemberId,
    /// In which organization.
    pub organization: OrganizationId,
    /// Whose.
    pub account: AccountId,
    /// With which role.
    pub role: Role,
    /// How the person became a member.
    pub source: Source,
    /// Since when.
    pub joined_at: Timestamp,
    /// The person's name.
    pub name: String,
    /// The address.
    pub email: Email,
    /// Last seen.
    pub last_active_at: Timestamp,
}

/// Makes many memberships in a database where nobody was before. The organizations count them already.
///
/// # Errors
/// The database's.
pub async fn insert_many(db: &mut impl Connected, _: &Vacant, rows: &[New]) -> Result<u64, sqlx::Error> {
    sql!(insert db, "INSERT INTO members (id, organization_id, account_id, role, source, joined_at, name, name_key, email, email_key, last_active_at)", rows, |row| [row.id, row.organization, row.account, row.role.name(), row.source.name(), row.joined_at, row.name.as_str(), fold(&row.name), row.email.as_str(), row.email.key(), row.last_active_at])
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

/// Ends every membership of an organization that ends with them; what they were stays known.
///
/// # Errors
/// The database's; at commit where the organization is still there.
pub async fn delete_all(
    db: &mut impl Connected,
    authority: &impl Authority<ManageMembers>,
    by: AccountId,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let organization = authority.organization();
    sql!(execute db, "INSERT INTO former_members (organization_id, account_id, email_key, source, ended_at, ended_by, reason)
        SELECT organization_id, account_id, email_key, source, $2, $3, 'organization_deleted' FROM members WHERE organization_id = $1
        ON CONFLICT (organization_id, account_id) DO UPDATE SET ended_at = excluded.ended_at, ended_by = excluded.ended_by, reason = excluded.reason", organization, now, by)?;
    sql!(execute db, "DELETE FROM members WHERE organization_id = $1", organization)
}

/// Keeps the address that the list shows in step with the account's.
///
/// # Errors
/// The database's.
pub async fn readdress<P: Permit>(
    db: &mut impl Connected,
    authority: &impl Authority<P>,
    account: AccountId,
    email: &Email,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE members SET email = $3, email_key = $4 WHERE organization_id = $1 AND account_id = $2", authority.organization(), account, email.as_str(), email.key())?;
    Ok(())
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
