//! All SQL of organizations.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::{
    actor::Actor,
    db::Connected,
    guard::{Authority, OperatorAct, Vacant},
    list::sql::{Bound, Column, Filter, Indexed, Key, Keyed, ListSpec, ListSql, WHOLE},
    permissions::{InviteMembers, ManageMembers, Permit},
    sql,
    words::{AccountId, OrganizationId, OrganizationName, Timestamp, fold},
};

/// An organization's row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by_name: String,
    /// How many members.
    pub members_count: i64,
    /// How many pending invitations.
    pub invitations_count: i64,
}

/// An organization.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut impl Connected, id: OrganizationId) -> Result<Option<Row>, sqlx::Error> {
    sql!(
        optional as Row,
        db,
        "SELECT id, name, created_at, created_by_name, members_count, invitations_count FROM organizations WHERE id = $1",
        id
    )
}

/// An organization as operators see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// The same, folded.
    pub name_key: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by_name: String,
    /// How many members.
    pub members_count: i64,
    /// How many pending invitations.
    pub invitations_count: i64,
    /// Since when it is suspended.
    pub suspended_at: Option<Timestamp>,
    /// Why.
    pub suspension_reason: Option<String>,
}

impl Keyed for Listed {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "created" => Key::Number(self.created_at.0),
            _ => Key::Text(self.name_key.clone()),
        }
    }
}

/// All organizations.
pub static LIST: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: "id, name, name_key, created_at, created_by_name, members_count, invitations_count, suspended_at, suspension_reason",
        from: "organizations",
        scope: WHOLE,
        id: "id",
        columns: &[
            Column { name: "name", key: "name_key", number: false, newest_first: false },
            Column { name: "created", key: "created_at", number: true, newest_first: true },
        ],
        searched: &["name_key"],
        indexed: Some(Indexed { view: "organizations_search", keys: "search_keys", within: "" }),
        filters: &[Filter {
            name: "state",
            conditions: &["suspended_at <= $"],
            read: |value, now| (value == "suspended").then_some((0, Bound::Number(now.0))),
        }],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| LIST.texts(dialect), module: module_path!() } }

/// An organization as operators see it.
///
/// # Errors
/// The database's.
pub async fn listed(db: &mut impl Connected, id: OrganizationId) -> Result<Option<Listed>, sqlx::Error> {
    sql!(
        optional as Listed,
        db,
        "SELECT id, name, name_key, created_at, created_by_name, members_count, invitations_count, suspended_at, suspension_reason FROM organizations WHERE id = $1",
        id
    )
}

/// Suspends an organization that is open, or opens one that is suspended: then without a reason. Tells whether it was
/// otherwise before.
///
/// # Errors
/// The database's.
pub async fn suspend(db: &mut impl Connected, act: &OperatorAct, reason: Option<&str>, now: Timestamp) -> Result<bool, sqlx::Error> {
    let organization = Authority::<ManageMembers>::organization(act);
    let changed = match reason {
        Some(reason) => {
            sql!(execute db, "UPDATE organizations SET suspended_at = $2, suspension_reason = $3 WHERE id = $1 AND suspended_at IS NULL", organization, now, reason)?
        }
        None => {
            sql!(execute db, "UPDATE organizations SET suspended_at = NULL, suspension_reason = NULL WHERE id = $1 AND suspended_at IS NOT NULL", organization)?
        }
    };
    Ok(changed == 1)
}

/// Makes an organization whose Admin is its creator; that membership has to follow in the same transaction.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: &mut impl Connected,
    authority: &impl Authority<ManageMembers>,
    name: &OrganizationName,
    creator: &Actor,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO organizations (id, name, name_key, created_at, created_by, created_by_name, members_count, invitations_count, revision, admin_account_id) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, $5)",
        authority.organization(), name.as_str(), fold(name.as_str()), now, creator.account, creator.name())?;
    Ok(())
}

/// An organization as it is put in with many others.
#[derive(Clone, Debug)]
pub struct New {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: OrganizationName,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it, and is its Admin.
    pub creator: AccountId,
    /// That person's name.
    pub creator_name: String,
    /// How many members it gets.
    pub members_count: i64,
    /// How many pending invitations it gets.
    pub invitations_count: i64,
}

/// Makes many organizations in a database where nobody was before; their creators' memberships have to follow in the
/// same transaction.
///
/// # Errors
/// The database's.
pub async fn insert_many(db: &mut impl Connected, _: &Vacant, rows: &[New]) -> Result<u64, sqlx::Error> {
    sql!(insert db, "INSERT INTO organizations (id, name, name_key, created_at, created_by, created_by_name, members_count, invitations_count, revision, admin_account_id)", rows, |row| [row.id, row.name.as_str(), fold(row.name.as_str()), row.created_at, row.creator, row.creator_name.as_str(), row.members_count, row.invitations_count, 0_i64, row.creator])
}

/// The account of the Admin that the organization points at.
///
/// # Errors
/// The database's.
pub async fn admin(db: &mut impl Connected, id: OrganizationId) -> Result<AccountId, sqlx::Error> {
    let (admin,): (AccountId,) = sql!(one as (AccountId,), db, "SELECT admin_account_id FROM organizations WHERE id = $1", id)?;
    Ok(admin)
}

/// Points at another Admin.
///
/// # Errors
/// The database's; at commit where that account is no Admin of this organization.
pub async fn set_admin<P: Permit>(db: &mut impl Connected, authority: &impl Authority<P>, admin: AccountId) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE organizations SET admin_account_id = $2 WHERE id = $1", authority.organization(), admin)?;
    Ok(())
}

/// Adds to the number of members.
///
/// # Errors
/// The database's.
pub async fn count_members<P: Permit>(db: &mut impl Connected, authority: &impl Authority<P>, more: i64) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE organizations SET members_count = members_count + $2 WHERE id = $1", authority.organization(), more)?;
    Ok(())
}

/// Adds to the number of pending invitations.
///
/// # Errors
/// The database's.
pub async fn count_invitations(db: &mut impl Connected, authority: &impl Authority<InviteMembers>, more: i64) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE organizations SET invitations_count = invitations_count + $2 WHERE id = $1", authority.organization(), more)?;
    Ok(())
}

/// Gives an organization another name.
///
/// # Errors
/// The database's.
pub async fn rename(
    db: &mut impl Connected,
    authority: &impl Authority<ManageMembers>,
    name: &OrganizationName,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE organizations SET name = $2, name_key = $3 WHERE id = $1", authority.organization(), name.as_str(), fold(name.as_str()))?;
    Ok(())
}

/// Ends an organization whose members and invitations were ended in the same transaction; that it was stays known.
///
/// # Errors
/// The database's.
pub async fn delete(
    db: &mut impl Connected,
    authority: &impl Authority<ManageMembers>,
    by: AccountId,
    by_name: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let organization = authority.organization();
    sql!(execute db, "INSERT INTO former_organizations (id, name, created_at, members_count, deleted_at, deleted_by, deleted_by_name)
        SELECT id, name, created_at, members_count, $2, $3, $4 FROM organizations WHERE id = $1", organization, now, by, by_name)?;
    sql!(execute db, "DELETE FROM organizations WHERE id = $1", organization)?;
    Ok(())
}
