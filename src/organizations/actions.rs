//! The use cases of organizations.

use serde_json::json;

use super::{OrganizationForm, OrganizationView, store};
use crate::{
    actor::Caller,
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{Conflict, Refusal},
    guard::Founding,
    members::{Source, store as members},
    permissions::{ManageMembers, Role},
    portal::Portal,
    words::{OrganizationId, OrganizationName},
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
                if crate::guard::organization_of(unit, actor.account).await?.is_some() {
                    return Err(Conflict::AlreadyInOrganization.into());
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
