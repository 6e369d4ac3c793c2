//! The use cases of members.

use serde_json::json;

use super::{
    MemberRow, MembersPage, RoleForm, Viewer,
    store::{self, LIST, Row},
};
use crate::{
    actor::{Actor, Caller},
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{Conflict, Drawn, FieldErrors, Refusal},
    guard::{self, Authority, Membership, System},
    invitations::{InvitationRow, actions as invitations},
    list::ListQuery,
    organizations::store as organizations,
    permissions::{ChangeRole, ManageMembers, Permission, Permit, Role, ViewMembers},
    portal::{Portal, Unit},
    secrets::Random,
    words::{AccountId, MemberId, OrganizationId},
};

impl MemberRow {
    pub(super) fn of(row: Row, viewer: AccountId) -> Self {
        Self {
            id: row.id,
            role: row.role(),
            own: row.account_id == viewer,
            name: row.name,
            email: row.email,
            joined_at: row.joined_at,
            last_active_at: row.last_active_at,
        }
    }
}

/// A page of the list of members.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &mut impl Connected,
    organization: OrganizationId,
    viewer: AccountId,
    query: &ListQuery,
    total: i64,
) -> Result<MembersPage, Failure> {
    let listed = LIST.page::<Row>(db, organization.0, query, total).await?;
    Ok(listed.map(|row| MemberRow::of(row, viewer)))
}

/// What the members' page shows beside its frame: a page of the list and the pending invitations.
#[derive(Clone, Debug)]
pub struct Region {
    /// The page of the list.
    pub page: MembersPage,
    /// What was asked for.
    pub query: ListQuery,
    /// How many members there are without a filter.
    pub total: i64,
    /// The pending invitations.
    pub invitations: Vec<InvitationRow>,
    /// Who looks.
    pub viewer: Viewer,
    /// What the forms in it carry; the key is another in each.
    pub drawn: Drawn,
    /// A source of such keys.
    pub random: Random,
}

/// Loads the members' page for a membership.
///
/// # Errors
/// The database's.
pub async fn load(
    portal: &Portal,
    db: &mut impl Connected,
    membership: &Membership,
    actor: &Actor,
    query: &str,
) -> Result<Region, Failure> {
    let query = ListQuery::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned());
    let organization = organizations::get(db, membership.organization).await?.ok_or(Refusal::NotFound)?;
    let page = page(db, membership.organization, actor.account, &query, organization.members_count).await?;
    let invitations = if organization.invitations_count > 0 {
        invitations::list(db, membership, actor.account, portal.clock.now()).await?
    } else {
        Vec::new()
    };
    let viewer =
        Viewer { organization: membership.organization, organization_name: membership.organization_name.clone(), role: membership.role };
    let drawn =
        Drawn { page: format!("/organization/members{}", query.to_url()), key: String::new(), organization: Some(membership.organization) };
    Ok(Region { page, query, total: organization.members_count, invitations, viewer, drawn, random: portal.random })
}

/// The same for an island that asks again: who asks is looked at again too.
///
/// # Errors
/// 404 for who is not a member, 409 where the actor is in another organization by now.
pub async fn region(portal: &Portal, caller: &Caller, query: &str) -> Result<Region, Refusal> {
    let loaded = async {
        let actor = caller.actor()?;
        let drawn = caller.organization()?;
        let mut db = portal.read().await?;
        let membership = guard::membership(&mut db, actor.account, portal.clock.now()).await?.ok_or(Refusal::NotFound)?;
        if membership.organization != drawn {
            return Err(Conflict::OtherOrganization.into());
        }
        if !membership.role.may(Permission::ViewMembers) {
            return Err(Refusal::NotFound.into());
        }
        load(portal, &mut db, &membership, actor, query).await
    };
    loaded.await.map_err(|failure| portal.refuse(failure))
}

/// A member of the visitor's organization, to be edited or removed.
///
/// # Errors
/// 404 where there is none of that id there.
pub async fn get(db: &mut impl Connected, organization: OrganizationId, viewer: &Actor, id: &str) -> Result<MemberRow, Failure> {
    let id: MemberId = id.parse().map_err(|_| Refusal::NotFound)?;
    let row = store::get(db, organization, id).await?.ok_or(Refusal::NotFound)?;
    Ok(MemberRow::of(row, viewer.account))
}

/// Moves what the organization points at away from an account that will be its Admin no more.
///
/// The question is asked here for the good answer; behind it stands the foreign key, which no race gets past.
async fn let_go_of_admin<P: Permit>(unit: &mut Unit, authority: &impl Authority<P>, account: AccountId) -> Result<(), Failure> {
    let organization = authority.organization();
    let Some(other) = store::another_admin(unit, organization, account).await? else { return Err(Conflict::LastAdmin.into()) };
    if organizations::admin(unit, organization).await? == account {
        organizations::set_admin(unit, authority, other).await?;
    }
    Ok(())
}

/// Changes the role of another member.
///
/// # Errors
/// 404, 403, 409 for one's own role or the last Admin, 422 for the role.
pub async fn change_role(portal: &Portal, caller: &Caller, form: RoleForm) -> Result<(), Refusal> {
    let actor = caller.actor()?.account;
    let organization = caller.organization()?;
    let role = form.parse()?;
    let member = member_id(&form.member)?;
    portal
        .write(caller, Action::ChangeRole, (actor, organization, member, role), |unit, &(actor, organization, member, role)| {
            Box::pin(async move {
                let grant = unit.grant::<ChangeRole>(organization).await?;
                let row = store::get(unit, organization, member).await?.ok_or(Refusal::NotFound)?;
                if row.account_id == actor {
                    return Err(Conflict::OwnRole.into());
                }
                let before = row.role();
                if before != role {
                    if before == Role::Admin {
                        let_go_of_admin(unit, &grant, row.account_id).await?;
                    }
                    store::set_role(unit, &grant, member, role).await?;
                    unit.audit(
                        vec![Object::new("member", member, row.name.clone())],
                        json!({ "role": before.name() }),
                        json!({ "role": role.name() }),
                    )
                    .await?;
                }
                Ok(())
            })
        })
        .await
}

/// Removes another member.
///
/// # Errors
/// 404, 403, 409 for the last Admin, 422 for oneself: one leaves.
pub async fn remove(portal: &Portal, caller: &Caller, form: RoleForm) -> Result<(), Refusal> {
    let actor = caller.actor()?.account;
    let organization = caller.organization()?;
    let member = member_id(&form.member)?;
    portal
        .write(caller, Action::RemoveMember, (actor, organization, member), |unit, &(actor, organization, member)| {
            Box::pin(async move {
                let grant = unit.grant::<ManageMembers>(organization).await?;
                let row = store::get(unit, organization, member).await?.ok_or(Refusal::NotFound)?;
                if row.account_id == actor {
                    return Err(FieldErrors::one("", "You cannot remove yourself. Leave the organization instead").into());
                }
                end(unit, &grant, row, actor, "removed").await
            })
        })
        .await
}

/// Leaves one's organization.
///
/// # Errors
/// 404 where one is in none, 409 for the last Admin.
pub async fn leave(portal: &Portal, caller: &Caller) -> Result<(), Refusal> {
    let actor = caller.actor()?.account;
    let organization = caller.organization()?;
    portal
        .write(caller, Action::LeaveOrganization, (actor, organization), |unit, &(actor, organization)| {
            Box::pin(async move {
                let grant = unit.grant::<ViewMembers>(organization).await?;
                let row = store::get(unit, organization, grant.membership.member).await?.ok_or(Refusal::NotFound)?;
                end(unit, &grant, row, actor, "left").await
            })
        })
        .await
}

async fn end<P: Permit>(
    unit: &mut Unit,
    authority: &impl Authority<P>,
    row: Row,
    by: AccountId,
    reason: &'static str,
) -> Result<(), Failure> {
    if row.role() == Role::Admin {
        let_go_of_admin(unit, authority, row.account_id).await?;
    }
    let now = unit.now;
    store::delete(unit, authority, &row, by, reason, now).await?;
    unit.audit(vec![Object::new("member", row.id, row.name.clone())], json!({ "role": row.role, "email": row.email }), json!(null)).await?;
    Ok(())
}

/// Keeps the name that the list shows in step with the account's, in the unit that changes it.
///
/// # Errors
/// The database's.
pub async fn keep_name_in_step(unit: &mut Unit, account: AccountId, name: &str) -> Result<(), Failure> {
    if let Some(organization) = guard::organization_of(unit, account).await? {
        store::rename::<ViewMembers>(unit, &System::keeping_in_step(organization), account, name).await?;
    }
    Ok(())
}

fn member_id(text: &str) -> Result<MemberId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}
