//! All SQL of organizations.

use crate::{
    actor::Actor,
    db::Connected,
    guard::Authority,
    permissions::{InviteMembers, ManageMembers, Permit},
    sql,
    words::{AccountId, OrganizationId, OrganizationName, Timestamp},
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
    sql!(execute db, "INSERT INTO organizations (id, name, created_at, created_by, created_by_name, members_count, invitations_count, revision, admin_account_id) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $4)",
        authority.organization(), name.as_str(), now, creator.account, creator.name())?;
    Ok(())
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
