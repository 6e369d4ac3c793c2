//! The use cases of members.

use serde_json::json;

use super::{
    LeaveForm, Leaving, MemberRow, MembersPage, RoleForm, SEVERAL, SeveralForm, Viewer,
    store::{self, LIST, Row},
};
use crate::{
    accounts::store as accounts,
    actor::{Actor, Caller},
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{Conflict, Drawn, FieldErrors, Obstacle, Partly, Refusal},
    guard::{self, Authority, Grant, Membership, System},
    invitations::{InvitationRow, actions as invitations},
    list::{ListQuery, csv},
    organizations::{actions::dissolve, store as organizations},
    permissions::{ChangeRole, ManageMembers, Permission, Permit, Role, ViewMembers},
    portal::{Portal, Unit},
    secrets::Random,
    visit::Answer,
    words::{AccountId, Email, MemberId, OrganizationId, Timestamp},
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

/// How many invitations the Members tab shows; the others have their own list.
const SHOWN: usize = 20;

/// A page of the list of members.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &mut impl Connected,
    organization: OrganizationId,
    viewer: AccountId,
    query: &ListQuery,
    now: Timestamp,
    total: i64,
) -> Result<MembersPage, Failure> {
    let listed = LIST.page::<Row>(db, organization.0, query, now, Some(total)).await?;
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
    /// The invitations that wait and were sent last.
    pub invitations: Vec<InvitationRow>,
    /// How many wait in all.
    pub invitations_count: i64,
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
    let query = ListQuery::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned(), &LIST.filters());
    let organization = organizations::get(db, membership.organization).await?.ok_or(Refusal::NotFound)?;
    let page = page(db, membership.organization, actor.account, &query, portal.clock.now(), organization.members_count).await?;
    let invitations = if organization.invitations_count > 0 {
        invitations::newest(db, membership, actor.account, portal.clock.now(), SHOWN).await?
    } else {
        Vec::new()
    };
    let viewer =
        Viewer { organization: membership.organization, organization_name: membership.organization_name.clone(), role: membership.role };
    let drawn =
        Drawn { page: format!("/organization/members{}", query.to_url()), key: String::new(), organization: Some(membership.organization) };
    Ok(Region {
        page,
        query,
        total: organization.members_count,
        invitations,
        invitations_count: organization.invitations_count,
        viewer,
        drawn,
        random: portal.random,
    })
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

/// The members of the visitor's organization among those that were chosen, in no order.
///
/// # Errors
/// The database's.
pub async fn several(
    db: &mut impl Connected,
    organization: OrganizationId,
    viewer: &Actor,
    ids: impl Iterator<Item = String>,
) -> Result<Vec<MemberRow>, Failure> {
    let mut members: Vec<MemberRow> = Vec::new();
    for id in ids.take(SEVERAL).filter_map(|id| id.parse::<MemberId>().ok()) {
        if let Some(row) = store::get(db, organization, id).await?
            && members.iter().all(|member| member.id != id)
        {
            members.push(MemberRow::of(row, viewer.account));
        }
    }
    Ok(members)
}

/// A member, or somebody who is invited to become one, as programs are told.
#[derive(Clone, Debug)]
pub struct Person {
    /// By which id they are managed: the membership's or the invitation's.
    pub id: uuid::Uuid,
    /// The address.
    pub email: String,
    /// The first name; empty where it is not known yet.
    pub first_name: String,
    /// The last name; may be empty.
    pub last_name: String,
    /// The role that they have, or get.
    pub role: Role,
    /// Whether they are a member.
    pub joined: bool,
}

/// The members of an organization and those whose invitation waits, the newest first: at most so many; or who has an
/// address among them.
///
/// # Errors
/// The database's.
pub async fn people(
    db: &mut impl Connected,
    organization: OrganizationId,
    email: Option<&Email>,
    now: Timestamp,
    most: usize,
) -> Result<Vec<Person>, Failure> {
    let rows = match email {
        Some(email) => store::of_email(db, organization, &email.key()).await?.into_iter().collect(),
        None => {
            let query = ListQuery { sort: "joined".to_owned(), descending: Some(true), ..ListQuery::default() };
            LIST.batch::<Row>(db, organization.0, &query, now, Some(0), most).await?.0
        }
    };
    let accounts: Vec<AccountId> = rows.iter().map(|row| row.account_id).collect();
    let names = accounts::names(db, &accounts).await?;
    let names: std::collections::HashMap<AccountId, (String, String)> =
        names.into_iter().map(|(id, first, last)| (id, (first, last))).collect();
    let mut people: Vec<(Timestamp, Person)> = rows
        .into_iter()
        .map(|row| {
            let (first_name, last_name) = names.get(&row.account_id).cloned().unwrap_or_default();
            (row.joined_at, Person { id: row.id.0, role: row.role(), email: row.email, first_name, last_name, joined: true })
        })
        .collect();
    people.extend(invitations::pending(db, organization, email, now, most).await?.into_iter().map(|row| {
        let person =
            Person { id: row.id.0, email: row.email, first_name: String::new(), last_name: String::new(), role: row.role, joined: false };
        (row.sent_at, person)
    }));
    people.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
    people.truncate(most);
    Ok(people.into_iter().map(|(_, person)| person).collect())
}

/// The members that a query asks for, as CSV: everybody it finds, whatever a page shows.
#[must_use]
pub fn export(portal: &Portal, membership: &Membership, query: &str) -> Answer {
    let query = ListQuery::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned(), &LIST.filters());
    let (portal, organization, now) = (portal.clone(), membership.organization, portal.clock.now());
    let head = ["Name", "E-mail", "Role", "Joined", "Last active"];
    csv::answer("members.csv", &head, move |after| {
        let (portal, query) = (portal.clone(), ListQuery { after, before: String::new(), ..query.clone() });
        Box::pin(async move {
            let mut db = portal.read().await?;
            let total = organizations::get(&mut db, organization).await?.map(|row| row.members_count);
            let (rows, next) = LIST.batch::<Row>(&mut db, organization.0, &query, now, total, csv::BATCH).await?;
            let lines = rows
                .into_iter()
                .map(|row| vec![row.name, row.email, row.role, row.joined_at.rfc3339(), row.last_active_at.rfc3339()])
                .collect();
            Ok((lines, next))
        })
    })
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
                about(unit, organization, member).await?;
                let grant = unit.grant::<ChangeRole>(organization).await?;
                let row = store::get(unit, organization, member).await?.ok_or(Refusal::NotFound)?;
                give(unit, &grant, row, actor, role).await
            })
        })
        .await
}

/// Says of a unit which member it is about, before anybody looks whether it may be.
async fn about(unit: &mut Unit, organization: OrganizationId, member: MemberId) -> Result<(), Failure> {
    if let Some(row) = store::get(unit, organization, member).await? {
        unit.is_about(organization, Object::new("member", row.id, row.name));
    }
    Ok(())
}

/// Gives a role to a member, in a unit.
async fn give(unit: &mut Unit, grant: &Grant<ChangeRole>, row: Row, actor: AccountId, role: Role) -> Result<(), Failure> {
    if row.account_id == actor {
        return Err(Conflict::OwnRole.into());
    }
    let before = row.role();
    if before != role {
        if before == Role::Admin {
            let_go_of_admin(unit, grant, row.account_id).await?;
        }
        store::set_role(unit, grant, row.id, role).await?;
        unit.audit(vec![Object::new("member", row.id, row.name)], json!({ "role": before.name() }), json!({ "role": role.name() })).await?;
    }
    Ok(())
}

/// Changes the role of several other members. Who cannot be given it is named with the reason; the others have it.
///
/// # Errors
/// 403, 422 where nobody or too many are chosen, or for the role.
pub async fn change_roles(portal: &Portal, caller: &Caller, form: SeveralForm) -> Result<Partly, Refusal> {
    let actor = caller.actor()?.account;
    let organization = caller.organization()?;
    let (members, role) = (form.members()?, form.role()?);
    portal
        .write(caller, Action::ChangeRole, (actor, organization, members, role), |unit, (actor, organization, members, role)| {
            Box::pin(async move {
                let grant = unit.grant::<ChangeRole>(*organization).await?;
                let mut outcome = Partly::default();
                for (member, name) in members {
                    let Some(row) = store::get(unit, *organization, *member).await? else {
                        outcome.refused.push(unknown(name));
                        continue;
                    };
                    let object = Object::new("member", row.id, row.name.clone());
                    let given = give(unit, &grant, row, *actor, *role).await;
                    tell(unit, &mut outcome, object, given).await?;
                }
                outcome.summary = match (outcome.done, outcome.refused.len()) {
                    (0, _) => "No role was changed:".to_owned(),
                    (1, not) => format!("The role of 1 member was changed, of {not} not:"),
                    (done, not) => format!("The roles of {done} members were changed, of {not} not:"),
                };
                Ok(outcome)
            })
        })
        .await
}

/// Removes several other members. Who cannot be removed is named with the reason; the others are.
///
/// # Errors
/// 403, 422 where nobody or too many are chosen.
pub async fn remove_several(portal: &Portal, caller: &Caller, form: SeveralForm) -> Result<Partly, Refusal> {
    let actor = caller.actor()?.account;
    let organization = caller.organization()?;
    let members = form.members()?;
    portal
        .write(caller, Action::RemoveMember, (actor, organization, members), |unit, (actor, organization, members)| {
            Box::pin(async move {
                let grant = unit.grant::<ManageMembers>(*organization).await?;
                let mut outcome = Partly::default();
                for (member, name) in members {
                    let Some(row) = store::get(unit, *organization, *member).await? else {
                        outcome.refused.push(unknown(name));
                        continue;
                    };
                    let object = Object::new("member", row.id, row.name.clone());
                    let dropped = drop_out(unit, &grant, row, *actor).await;
                    tell(unit, &mut outcome, object, dropped).await?;
                }
                outcome.summary = match (outcome.done, outcome.refused.len()) {
                    (0, _) => "Nobody was removed:".to_owned(),
                    (1, not) => format!("1 member was removed, {not} not:"),
                    (done, not) => format!("{done} members were removed, {not} not:"),
                };
                Ok(outcome)
            })
        })
        .await
}

/// What is said of a member who is none (any more).
fn unknown(name: &str) -> (String, String) {
    let name = if name.is_empty() { "Somebody" } else { name };
    (name.to_owned(), "They are not a member any more.".to_owned())
}

/// Adds what came of one to what came of all. A refusal is looked for before anything is written, so the others stand;
/// the audit log has it, too.
async fn tell(unit: &mut Unit, outcome: &mut Partly, object: Object, one: Result<(), Failure>) -> Result<(), Failure> {
    let refusal = match one {
        Ok(()) => {
            outcome.done += 1;
            return Ok(());
        }
        Err(Failure::Refusal(refusal)) => refusal,
        Err(failure) => return Err(failure),
    };
    let why = match &refusal {
        Refusal::Invalid(errors) => errors.0.iter().map(|(_, sentence)| sentence.as_str()).collect::<Vec<_>>().join(". "),
        refusal => refusal.message(),
    };
    outcome.refused.push((object.name.clone(), why));
    Ok(unit.audit_refusal(vec![object], refusal.code()).await?)
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
                about(unit, organization, member).await?;
                let grant = unit.grant::<ManageMembers>(organization).await?;
                let row = store::get(unit, organization, member).await?.ok_or(Refusal::NotFound)?;
                drop_out(unit, &grant, row, actor).await
            })
        })
        .await
}

/// Removes a member, in a unit.
async fn drop_out(unit: &mut Unit, grant: &Grant<ManageMembers>, row: Row, actor: AccountId) -> Result<(), Failure> {
    if row.account_id == actor {
        return Err(FieldErrors::one("", "You cannot remove yourself. Leave the organization instead").into());
    }
    end(unit, grant, Action::RemoveMember, row, actor, "removed").await
}

/// Leaves one's organization; who is alone in it deletes it so, and types its name. Tells whether it was deleted.
///
/// # Errors
/// 404 where one is in none, 409 for the last Admin among others, 422 where the name is needed and is another.
pub async fn leave(portal: &Portal, caller: &Caller, form: LeaveForm) -> Result<bool, Refusal> {
    let actor = caller.actor()?.account;
    let organization = caller.organization()?;
    portal
        .write(caller, Action::LeaveOrganization, (actor, organization, form.name), |unit, (actor, organization, typed)| {
            Box::pin(async move {
                let grant = unit.grant::<ViewMembers>(*organization).await?;
                about(unit, *organization, grant.membership.member).await?;
                let row = store::get(unit, *organization, grant.membership.member).await?.ok_or(Refusal::NotFound)?;
                if organizations::get(unit, *organization).await?.is_some_and(|organization| organization.members_count == 1) {
                    let grant = unit.grant::<ManageMembers>(*organization).await?;
                    dissolve(unit, &grant, typed, "name").await?;
                    return Ok(true);
                }
                end(unit, &grant, Action::LeaveOrganization, row, *actor, "left").await?;
                Ok(false)
            })
        })
        .await
}

/// What it means that an account leaves its organization: that one's name, and whether it may and what ends with it.
///
/// # Errors
/// The database's.
pub async fn leaving(db: &mut impl Connected, account: AccountId) -> Result<Option<(String, Leaving)>, Failure> {
    let Some((organization, row)) = store::of_account(db, account).await? else { return Ok(None) };
    let Some(whole) = organizations::get(db, organization).await? else { return Ok(None) };
    let leaving = if whole.members_count == 1 {
        Leaving::Alone
    } else if row.role() == Role::Admin && store::another_admin(db, organization, account).await?.is_none() {
        Leaving::OnlyAdmin
    } else {
        Leaving::OthersStay
    };
    Ok(Some((whole.name, leaving)))
}

/// Ends the membership of an account that ends, in the unit that deletes it and holds its lock. Where it is the only
/// member, the organization ends too, and its name is given.
///
/// # Errors
/// 409 for the last Admin among others and in a suspended organization, 422 where the organization's name is needed and is another.
pub async fn end_with_account(unit: &mut Unit, account: AccountId, typed: &str, field: &str) -> Result<Option<String>, Failure> {
    let Some((row, authority, alone)) = ending(unit, account).await? else { return Ok(None) };
    if alone {
        return dissolve(unit, &authority, typed, field).await.map(Some);
    }
    end::<ManageMembers>(unit, &authority, Action::LeaveOrganization, row, account, "account_deleted").await?;
    Ok(None)
}

/// The same where somebody else than its owner ends the account: no organization ends with it.
///
/// # Errors
/// 409 for the last Admin among others, for the only member, and in a suspended organization.
pub async fn end_with_account_of_another(unit: &mut Unit, account: AccountId) -> Result<(), Failure> {
    match ending(unit, account).await? {
        None => Ok(()),
        Some((.., true)) => Err(Obstacle::OnlyMember.into()),
        Some((row, authority, false)) => {
            end::<ManageMembers>(unit, &authority, Action::RemoveMember, row, account, "account_deleted").await
        }
    }
}

/// The membership of an account that ends, under its organization's lock, with the right to end it, and whether it is the only
/// one there.
async fn ending(unit: &mut Unit, account: AccountId) -> Result<Option<(Row, System, bool)>, Failure> {
    let Some(organization) = guard::organization_of(unit, account).await? else { return Ok(None) };
    // Somebody may have removed the member, or deleted the organization, before the lock was taken.
    match unit.lock_open_organization(organization).await {
        Err(Failure::Refusal(Refusal::NotFound)) => return Ok(None),
        locked => locked?,
    }
    let Some((_, row)) = store::of_account(unit, account).await? else { return Ok(None) };
    let alone = organizations::get(unit, organization).await?.is_some_and(|organization| organization.members_count == 1);
    Ok(Some((row, System::ending_account(organization), alone)))
}

async fn end<P: Permit>(
    unit: &mut Unit,
    authority: &impl Authority<P>,
    action: Action,
    row: Row,
    by: AccountId,
    reason: &'static str,
) -> Result<(), Failure> {
    if row.role() == Role::Admin {
        let_go_of_admin(unit, authority, row.account_id).await?;
    }
    let now = unit.now;
    store::delete(unit, authority, &row, by, reason, now).await?;
    let before = json!({ "role": row.role, "email": row.email });
    unit.audit_as(action, vec![Object::new("member", row.id, row.name.clone())], before, json!(null)).await?;
    Ok(())
}

/// Keeps the name that the list shows in step with the account's, in the unit that changes it.
///
/// # Errors
/// The database's.
pub async fn keep_name_in_step(unit: &mut Unit, account: AccountId, name: &str) -> Result<(), Failure> {
    if let Some(organization) = guard::organization_of(unit, account).await? {
        unit.shows_in(organization);
        store::rename::<ViewMembers>(unit, &System::keeping_in_step(organization), account, name).await?;
    }
    Ok(())
}

/// The same for the address.
///
/// # Errors
/// The database's.
pub async fn keep_email_in_step(unit: &mut Unit, account: AccountId, email: &Email) -> Result<(), Failure> {
    if let Some(organization) = guard::organization_of(unit, account).await? {
        unit.shows_in(organization);
        store::readdress::<ViewMembers>(unit, &System::keeping_in_step(organization), account, email).await?;
    }
    Ok(())
}

fn member_id(text: &str) -> Result<MemberId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}
