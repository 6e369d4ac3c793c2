//! The use cases of organizations.

use serde_json::json;

use super::{Confirmed, OrganizationForm, OrganizationView, store};
use crate::{
    actor::Caller,
    audit::{Action, Object},
    customers::actions as customers,
    db::{Connected, Failure},
    form::{Conflict, FieldErrors, Refusal},
    guard::{Authority, Founding},
    invitations::store as invitations,
    members::{Source, store as members},
    permissions::{ManageMembers, Role},
    portal::{Portal, Unit},
    tickets::store as tickets,
    words::{OrganizationId, OrganizationName, is_typed},
};

/// Adds an organization; whoever adds it becomes its Admin.
///
/// # Errors
/// 422 for the name, 409 where the account belongs to an organization already, also when it asks several times at once:
/// the unique membership decides.
pub async fn add(portal: &Portal, caller: &Caller, form: OrganizationForm) -> Result<OrganizationId, Refusal> {
    let actor = caller.actor()?.clone();
    let name = OrganizationName::parse(&form.name).map_err(|message| Refusal::field("name", message))?;
    portal
        .write(caller, Action::AddOrganization, (actor, name), |unit, (actor, name)| {
            Box::pin(async move {
                unit.lock_account(actor.account).await?;
                if crate::guard::organization_of(unit, actor.account).await?.is_some() {
                    return Err(Conflict::AlreadyInOrganization.into());
                }
                let now = unit.now;
                if customers::belonging(unit, actor, now).await?.is_some() {
                    return Err(Conflict::OfCustomer.into());
                }
                let (id, member, now) = (OrganizationId(unit.new_id()), unit.new_id(), unit.now);
                let authority = Founding::of(id, name);
                unit.acts_in(id);
                store::insert(unit, &authority, name, actor, now).await?;
                members::insert::<ManageMembers>(
                    unit,
                    &authority,
                    crate::words::MemberId(member),
                    actor,
                    Role::Admin,
                    Source::Creation,
                    now,
                )
                .await?;
                unit.audit(vec![Object::new("organization", id, name.as_str())], json!(null), json!({ "name": name.as_str() })).await?;
                Ok(id)
            })
        })
        .await
}

/// Gives an organization another name.
///
/// # Errors
/// 422 for the name, 404, 403.
pub async fn rename(portal: &Portal, caller: &Caller, form: OrganizationForm) -> Result<(), Refusal> {
    let organization = caller.organization()?;
    let name = OrganizationName::parse(&form.name).map_err(|message| Refusal::field("name", message))?;
    portal
        .write(caller, Action::RenameOrganization, (organization, name), |unit, (organization, name)| {
            Box::pin(async move {
                let grant = unit.grant::<ManageMembers>(*organization).await?;
                if customers::names(unit, *organization).await? {
                    return Err(Conflict::NameOfCustomer.into());
                }
                let before = &grant.membership.organization_name;
                if before != name.as_str() {
                    store::rename(unit, &grant, name).await?;
                    unit.audit(
                        vec![Object::new("organization", organization, name.as_str())],
                        json!({ "name": before }),
                        json!({ "name": name.as_str() }),
                    )
                    .await?;
                }
                Ok(())
            })
        })
        .await
}

/// Deletes an organization.
///
/// # Errors
/// 404, 403, 422 where the typed name is another.
pub async fn delete(portal: &Portal, caller: &Caller, confirmed: Confirmed) -> Result<(), Refusal> {
    let organization = caller.organization()?;
    portal
        .write(caller, Action::DeleteOrganization, (organization, confirmed), |unit, (organization, confirmed)| {
            Box::pin(async move {
                let grant = unit.grant::<ManageMembers>(*organization).await?;
                match confirmed {
                    Confirmed::Typed(name) => dissolve(unit, &grant, name, "name").await?,
                    Confirmed::ById => end(unit, &grant).await?,
                };
                Ok(())
            })
        })
        .await
}

/// Whether an organization's name was typed.
///
/// # Errors
/// The sentence to show beside the field.
pub fn check_name(name: &str, typed: &str) -> Result<(), &'static str> {
    if is_typed(name, typed) {
        Ok(())
    } else if typed.trim().is_empty() {
        Err("Type the name of the organization")
    } else {
        Err("This is not the name of the organization")
    }
}

/// Ends an organization whose name was typed, in a unit that holds its lock. Gives the name that it had.
///
/// # Errors
/// 422 beside the field where the typed name is another.
pub async fn dissolve(unit: &mut Unit, authority: &impl Authority<ManageMembers>, typed: &str, field: &str) -> Result<String, Failure> {
    let row = store::get(unit, authority.organization()).await?.ok_or(Refusal::NotFound)?;
    check_name(&row.name, typed).map_err(|message| FieldErrors::one(field, message))?;
    end(unit, authority).await
}

/// Ends an organization: its invitations, its members, itself.
///
/// What is done does not grow with the number of members but in the database, which gets one statement for each table.
async fn end(unit: &mut Unit, authority: &impl Authority<ManageMembers>) -> Result<String, Failure> {
    let organization = authority.organization();
    let row = store::get(unit, organization).await?.ok_or(Refusal::NotFound)?;
    let (actor, now) = (unit.caller.actor()?.clone(), unit.now);
    let invitations = invitations::delete_all(unit, authority).await?;
    let members = members::delete_all(unit, authority, actor.account, now).await?;
    tickets::delete_all(unit, authority).await?;
    store::delete(unit, authority, actor.account, &actor.name(), now).await?;
    unit.audit_as(
        Action::DeleteOrganization,
        vec![Object::new("organization", organization, row.name.as_str())],
        json!({ "name": row.name, "created_at": row.created_at.rfc3339(), "members": members, "invitations": invitations }),
        json!(null),
    )
    .await?;
    Ok(row.name)
}

/// The details of an organization.
///
/// # Errors
/// 404 where there is none.
pub async fn details(db: &mut impl Connected, id: OrganizationId) -> Result<OrganizationView, Failure> {
    let row = store::get(db, id).await?.ok_or(Refusal::NotFound)?;
    Ok(OrganizationView {
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        created_by: row.created_by_name,
        members: row.members_count,
        invitations: row.invitations_count,
    })
}
