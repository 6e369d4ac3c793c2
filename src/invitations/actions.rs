//! The use cases of invitations.

use serde_json::json;

use super::{
    InvitationRoleForm, InvitationRow, InvitationView, Invite, InviteForm, Standing,
    store::{self, LIST, Listed, New, Row},
};
use crate::{
    actor::{Actor, Caller},
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{Conflict, Gone, Partly, Refusal, duration},
    guard::{self, Acceptance, Grant, Membership},
    limits::{self, Rate},
    list::{ListQuery, Listed as List},
    mail::{Mail, Message},
    members::{Source, store as members},
    permissions::{InviteMembers, ManageMembers, Permission, Role},
    portal::{Portal, Unit},
    secrets,
    words::{AccountId, DAY, Email, InvitationId, MemberId, OrganizationId, Timestamp},
};

impl InvitationRow {
    fn of(row: Listed, viewer: AccountId, role: Role, now: Timestamp) -> Self {
        let standing = match row.state.as_str() {
            "accepted" => Standing::Accepted,
            "declined" => Standing::Declined,
            "revoked" => Standing::Revoked,
            "pending" if row.expires_at > now => Standing::Pending,
            _ => Standing::Expired,
        };
        let waits = row.state == "pending";
        Self {
            id: row.id,
            role: Role::parse(&row.role).unwrap_or(Role::TechnicalUser),
            standing,
            manageable: waits && (role.may(Permission::ManageMembers) || row.invited_by == Some(viewer)),
            changeable: waits && role.may(Permission::ManageMembers),
            email: row.email,
            inviter: row.invited_by_name,
            sent_at: row.sent_at,
            expires_at: row.expires_at,
        }
    }
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: row.email.to_string(),
            email_key: row.email_key,
            role: row.role,
            state: row.state,
            invited_by: row.invited_by,
            invited_by_name: row.invited_by_name,
            sent_at: row.sent_at,
            expires_at: row.expires_at,
        }
    }
}

impl From<Row> for InvitationView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            role: row.role(),
            organization: row.organization_name,
            email: row.email,
            inviter: row.invited_by_name,
            expires_at: row.expires_at,
        }
    }
}

/// Every invitation is an Admin's to manage; whoever sent one manages that.
fn may_manage(row: &Row, actor: AccountId, role: Role) -> bool {
    role.may(Permission::ManageMembers) || row.invited_by == Some(actor)
}

/// A page of the list of invitations. Where no state is chosen it shows those that wait, expired ones among them.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &mut impl Connected,
    membership: &Membership,
    viewer: AccountId,
    query: &ListQuery,
    now: Timestamp,
) -> Result<List<InvitationRow>, Failure> {
    let query = if query.filter("state").is_none() { query.filtered_here("state", store::WAITING) } else { query.clone() };
    let listed = LIST.page::<Listed>(db, membership.organization.0, &query, now, None).await?;
    Ok(listed.map(|row| InvitationRow::of(row, viewer, membership.role, now)))
}

/// The invitations that were sent last and wait, for the Members tab: at most so many.
///
/// # Errors
/// The database's.
pub async fn newest(
    db: &mut impl Connected,
    membership: &Membership,
    viewer: AccountId,
    now: Timestamp,
    most: usize,
) -> Result<Vec<InvitationRow>, Failure> {
    let query = ListQuery::default().filtered("state", store::WAITING);
    let (rows, _) = LIST.batch::<Listed>(db, membership.organization.0, &query, now, Some(0), most).await?;
    Ok(rows.into_iter().map(|row| InvitationRow::of(row, viewer, membership.role, now)).collect())
}

/// The invitations of an organization that were sent last and wait, for who manages none of them: at most so many.
///
/// # Errors
/// The database's.
pub async fn waiting_in(
    db: &mut impl Connected,
    organization: OrganizationId,
    now: Timestamp,
    most: usize,
) -> Result<Vec<InvitationRow>, Failure> {
    let query = ListQuery::default().filtered("state", store::WAITING);
    let (rows, _) = LIST.batch::<Listed>(db, organization.0, &query, now, Some(0), most).await?;
    let nobody = AccountId(uuid::Uuid::nil());
    Ok(rows.into_iter().map(|row| InvitationRow::of(row, nobody, Role::TechnicalUser, now)).collect())
}

/// A pending invitation of a member's organization that this member may manage.
///
/// # Errors
/// 404 where there is none of that id.
pub async fn manageable(
    db: &mut impl Connected,
    membership: &Membership,
    viewer: AccountId,
    id: &str,
    now: Timestamp,
) -> Result<InvitationRow, Failure> {
    let id: InvitationId = id.parse().map_err(|_| Refusal::NotFound)?;
    let row = store::get(db, id)
        .await?
        .filter(|row| row.organization_id == membership.organization && row.state == "pending")
        .ok_or(Refusal::NotFound)?;
    let row = InvitationRow::of(row.into(), viewer, membership.role, now);
    if row.manageable { Ok(row) } else { Err(Refusal::NotFound.into()) }
}

/// The invitations of an organization that were sent last and wait, or the one of an address: with the ids by which a
/// program manages them.
///
/// # Errors
/// The database's.
pub async fn pending(
    db: &mut impl Connected,
    organization: OrganizationId,
    email: Option<&Email>,
    now: Timestamp,
    most: usize,
) -> Result<Vec<InvitationRow>, Failure> {
    let Some(email) = email else { return waiting_in(db, organization, now, most).await };
    let row = store::pending(db, organization, &email.key()).await?;
    let nobody = AccountId(uuid::Uuid::nil());
    Ok(row.into_iter().map(|row| InvitationRow::of(row.into(), nobody, Role::TechnicalUser, now)).collect())
}

/// Whether an id is that of an invitation of an organization, however it stands.
///
/// # Errors
/// The database's.
pub async fn exists(db: &mut impl Connected, organization: OrganizationId, id: InvitationId) -> Result<bool, Failure> {
    Ok(store::get(db, id).await?.is_some_and(|row| row.organization_id == organization))
}

/// The invitations that wait for an account.
///
/// # Errors
/// The database's.
pub async fn waiting_for(db: &mut impl Connected, actor: &Actor, now: Timestamp) -> Result<Vec<InvitationView>, Failure> {
    Ok(store::waiting_for(db, &actor.email.key(), now).await?.into_iter().map(InvitationView::from).collect())
}

/// The invitation of a link, while it can be accepted.
///
/// # Errors
/// The database's.
pub async fn by_link(portal: &Portal, token: &str) -> Result<Option<InvitationView>, Failure> {
    let row = store::by_token(&mut portal.read().await?, &secrets::hash(token)).await?;
    Ok(row.filter(|row| row.open(portal.clock.now())).map(InvitationView::from))
}

/// Whether a link is an invitation of this account into the organization that it is a member of already.
///
/// # Errors
/// The database's.
pub async fn leads_home(portal: &Portal, token: &str, membership: &Membership, actor: &Actor) -> Result<bool, Failure> {
    let row = store::by_token(&mut portal.read().await?, &secrets::hash(token)).await?;
    Ok(row.is_some_and(|row| row.organization_id == membership.organization && row.email_key == actor.email.key()))
}

/// The address that the link of an invitation proves, in a unit.
///
/// # Errors
/// 410 where the link no longer works.
pub async fn invited_by_link(unit: &mut Unit, token: &str) -> Result<Email, Failure> {
    let row = store::by_token(unit, &secrets::hash(token)).await?;
    let now = unit.now;
    Ok(row.filter(|row| row.open(now)).ok_or(Refusal::Gone(Gone::Link))?.email)
}

fn mail(row_organization: &str, email: &Email, role: Role, inviter: &str, token: &secrets::Secret, expires_at: Timestamp) -> Mail {
    Mail {
        to: email.clone(),
        message: Message::Invitation {
            organization: row_organization.to_owned(),
            role,
            inviter: inviter.to_owned(),
            token: token.expose().to_owned(),
            expires_at,
        },
    }
}

/// Counts an invitation's mail: by organization, and by recipient whoever invites.
async fn count(portal: &Portal, organization: OrganizationId, email: &str) -> Result<(), Refusal> {
    let counted = async {
        limits::count(portal, "invitation", &organization.to_string(), portal.config.invitation_rate).await?;
        limits::count(portal, "invitation recipient", email, portal.config.invitation_recipient_rate).await
    };
    counted.await.map_err(|failure| portal.refuse(failure))
}

/// The membership of who asks, looked at before anything is counted against an organization or an address. Where there
/// is none in this organization, nothing is counted, and the unit refuses.
async fn membership(portal: &Portal, actor: &Actor, organization: OrganizationId) -> Result<Option<Membership>, Refusal> {
    let looked_up = async { guard::membership(&mut portal.read().await?, actor.account, portal.clock.now()).await };
    let membership = looked_up.await.map_err(|failure| portal.refuse(failure))?;
    Ok(membership.filter(|membership| membership.organization == organization))
}

/// Invites addresses with a role no higher than the inviter's. An address whose account is in another organization is
/// invited like any other: only the invitee learns why it cannot be accepted.
///
/// Of one address the refusal is told as it is; of several, each that is refused is named with its reason, what is beyond
/// the organization's limit is put off, and the others are sent, in their order.
///
/// # Errors
/// 422, 403 for a higher role, 409 where the one address is a member or has a pending invitation, 429 where the limit
/// lets none be sent.
pub async fn invite(portal: &Portal, caller: &Caller, form: InviteForm) -> Result<Partly, Refusal> {
    let actor = caller.actor()?.clone();
    let Invite { mut emails, mut refused, role } = form.parse()?;
    let organization = caller.organization()?;
    let single = emails.len() == 1 && refused.is_empty();
    // What was sent with this form before is counted already.
    if let Some(outcome) = portal.earlier(caller, Action::InviteMember).await? {
        return Ok(outcome);
    }
    let mut waiting = Vec::new();
    if membership(portal, &actor, organization).await?.is_some() {
        let config = &portal.config;
        let keys: Vec<String> = emails.iter().map(Email::key).collect();
        let recipient = ("invitation recipient", config.invitation_recipient_rate);
        let shared = ("invitation", organization.to_string(), config.invitation_rate);
        let counted = limits::count_each(portal, recipient, &keys, (shared.0, &shared.1, shared.2)).await;
        let counted = counted.map_err(|failure| portal.refuse(failure))?;
        if let (true, Some(wait)) = (single, counted.full.or_else(|| counted.waits.first().copied().flatten())) {
            return Err(Refusal::TooManyRequests(wait));
        }
        waiting = emails.split_off(counted.waits.len()).iter().map(ToString::to_string).collect();
        let mut waits = counted.waits.into_iter();
        emails.retain(|email| match waits.next().flatten() {
            None => true,
            Some(wait) => {
                refused.push((email.to_string(), Refusal::TooManyRequests(wait).message()));
                false
            }
        });
    }
    portal
        .write(caller, Action::InviteMember, (actor, organization, emails, refused, waiting, role, single), |unit, input| {
            Box::pin(async move {
                let (actor, organization, emails, refused, waiting, role, single) = input;
                for email in emails.iter().take(NAMED) {
                    unit.is_about(*organization, Object::new("invitation", "", email.as_str()));
                }
                let grant = unit.grant::<InviteMembers>(*organization).await?;
                if !grant.membership.role.may_give().contains(role) {
                    return Err(Refusal::Forbidden.into());
                }
                let mut outcome = Partly { refused: refused.clone(), waiting: waiting.clone(), ..Partly::default() };
                for email in emails {
                    match send(unit, &grant, actor, email, *role).await {
                        Ok(()) => outcome.done += 1,
                        Err(Failure::Refusal(refusal)) if !single => {
                            outcome.refused.push((email.to_string(), refusal.message()));
                            unit.audit_refusal(vec![Object::new("invitation", "", email.as_str())], refusal.code()).await?;
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                outcome.summary = summary(&outcome, unit.portal.config.invitation_rate);
                if outcome.done == 0 && !outcome.waiting.is_empty() {
                    return Err(Refusal::Partly(outcome).into());
                }
                Ok(outcome)
            })
        })
        .await
}

/// What came of inviting several, in a sentence.
fn summary(outcome: &Partly, rate: Rate) -> String {
    let Partly { done, refused, waiting, .. } = outcome;
    let (sent, more) = (if *done == 1 { "invitation" } else { "invitations" }, refused.len());
    if waiting.is_empty() {
        return match done {
            0 => "No invitation was sent:".to_owned(),
            done => format!("{done} {sent} sent, {more} not:"),
        };
    }
    let pace = match u32::try_from(rate.seconds).unwrap_or(u32::MAX) {
        1 => "second".to_owned(),
        seconds => duration(seconds),
    };
    let rest = if more == 0 { "The others stay in the field." } else { "The others stay in the field, and these cannot be invited:" };
    format!("{done} of {} invitations sent; your organization can send one more each {pace}. {rest}", done + more + waiting.len())
}

/// How many addresses the audit log names of an attempt that was refused as a whole.
const NAMED: usize = 20;

/// Sends one invitation, in a unit. Whether it may be sent is looked at before anything is written.
async fn send(unit: &mut Unit, grant: &Grant<InviteMembers>, actor: &Actor, email: &Email, role: Role) -> Result<(), Failure> {
    let organization = grant.membership.organization;
    if members::has_email(unit, organization, &email.key()).await? {
        return Err(Conflict::AlreadyMember.into());
    }
    let now = unit.now;
    if let Some(pending) = store::pending(unit, organization, &email.key()).await? {
        if pending.open(now) {
            return Err(Conflict::AlreadyInvited(pending.id).into());
        }
        // The index knows no clock: what has expired is marked so before the address is invited again.
        store::settle(unit, grant, pending.id, "expired", actor.account, now).await?;
    }
    let token = unit.portal.random.secret();
    let new = New {
        id: InvitationId(unit.new_id()),
        email: email.clone(),
        role,
        token_hash: token.hash(),
        invited_by: actor.account,
        invited_by_name: actor.name(),
        expires_at: now.plus(unit.portal.config.invitation_days * DAY),
    };
    store::insert(unit, grant, &new, now).await?;
    unit.mail(&mail(&grant.membership.organization_name, &new.email, new.role, &new.invited_by_name, &token, new.expires_at)).await?;
    unit.audit(vec![Object::new("invitation", new.id, new.email.as_str())], json!(null), json!({ "role": new.role.name() })).await?;
    Ok(())
}

/// Changes the role that a pending invitation offers; its link stays good.
///
/// # Errors
/// 404, 403, 409 where it is not pending, 422 for the role.
pub async fn change_role(portal: &Portal, caller: &Caller, form: InvitationRoleForm) -> Result<(), Refusal> {
    caller.actor()?;
    let organization = caller.organization()?;
    let role = Role::parse(&form.role).ok_or_else(|| Refusal::field("role", "Choose a role"))?;
    let invitation: InvitationId = form.invitation.parse().map_err(|_| Refusal::NotFound)?;
    portal
        .write(caller, Action::ChangeInvitationRole, (organization, invitation, role), |unit, &(organization, invitation, role)| {
            Box::pin(async move {
                about(unit, organization, invitation).await?;
                let grant = unit.grant::<ManageMembers>(organization).await?;
                let row = store::get(unit, invitation).await?.filter(|row| row.organization_id == organization).ok_or(Refusal::NotFound)?;
                if row.role() == role && row.state == "pending" {
                    return Ok(());
                }
                if !store::set_role(unit, &grant, row.id, role).await? {
                    return Err(Conflict::NotPending.into());
                }
                let objects = vec![Object::new("invitation", row.id, row.email.as_str())];
                unit.audit(objects, json!({ "role": row.role }), json!({ "role": role.name() })).await?;
                Ok(())
            })
        })
        .await
}

/// Says of a unit which invitation it is about, before anybody looks whether it may be.
async fn about(unit: &mut Unit, organization: OrganizationId, invitation: InvitationId) -> Result<(), Failure> {
    if let Some(row) = store::get(unit, invitation).await?.filter(|row| row.organization_id == organization) {
        unit.is_about(organization, Object::new("invitation", row.id, row.email.as_str()));
    }
    Ok(())
}

/// An invitation that the actor may manage, in the organization of the grant.
async fn managed(unit: &mut Unit, id: InvitationId, grant: &Grant<InviteMembers>, actor: AccountId) -> Result<Row, Failure> {
    let row = store::get(unit, id).await?.filter(|row| row.organization_id == grant.membership.organization).ok_or(Refusal::NotFound)?;
    if !may_manage(&row, actor, grant.membership.role) {
        return Err(Refusal::Forbidden.into());
    }
    if row.state != "pending" {
        return Err(Conflict::NotPending.into());
    }
    Ok(row)
}

/// Sends an invitation again, expired or not: with a new link, which kills the earlier one, and a new time.
///
/// # Errors
/// 404, 403 for a colleague's, 409 where it is not pending, 429.
pub async fn resend(portal: &Portal, caller: &Caller, invitation: InvitationId) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    let organization = caller.organization()?;
    let membership = membership(portal, &actor, organization).await?;
    let looked_up = async { Ok::<_, Failure>(store::get(&mut portal.read().await?, invitation).await?) };
    let found = looked_up.await.map_err(|failure| portal.refuse(failure))?;
    if let (Some(row), Some(membership)) = (found, membership)
        && row.organization_id == organization
        && may_manage(&row, actor.account, membership.role)
    {
        count(portal, organization, &row.email_key).await?;
    }
    portal
        .write(caller, Action::ResendInvitation, (actor, organization, invitation), |unit, (actor, organization, invitation)| {
            Box::pin(async move {
                about(unit, *organization, *invitation).await?;
                let grant = unit.grant::<InviteMembers>(*organization).await?;
                let pending = managed(unit, *invitation, &grant, actor.account).await?;
                // Who may not give the role any more does not send it out again either.
                if !grant.membership.role.may_give().contains(&pending.role()) {
                    return Err(Refusal::Forbidden.into());
                }
                let (token, now) = (unit.portal.random.secret(), unit.now);
                let expires_at = now.plus(unit.portal.config.invitation_days * DAY);
                store::renew(unit, &grant, pending.id, &token.hash(), now, expires_at).await?;
                unit.mail(&mail(&pending.organization_name, &pending.email, pending.role(), &actor.name(), &token, expires_at)).await?;
                unit.audit(vec![Object::new("invitation", pending.id, pending.email.as_str())], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Revokes an invitation: its link is dead.
///
/// # Errors
/// 404, 403 for a colleague's, 409 where it is not pending.
pub async fn revoke(portal: &Portal, caller: &Caller, invitation: InvitationId) -> Result<(), Refusal> {
    let actor = caller.actor()?.account;
    let organization = caller.organization()?;
    portal
        .write(caller, Action::RevokeInvitation, (actor, organization, invitation), |unit, &(actor, organization, invitation)| {
            Box::pin(async move {
                about(unit, organization, invitation).await?;
                let grant = unit.grant::<InviteMembers>(organization).await?;
                let pending = managed(unit, invitation, &grant, actor).await?;
                let now = unit.now;
                if !store::settle(unit, &grant, pending.id, "revoked", actor, now).await? {
                    return Err(Conflict::NotPending.into());
                }
                unit.audit(
                    vec![Object::new("invitation", pending.id, pending.email.as_str())],
                    json!({ "role": pending.role }),
                    json!(null),
                )
                .await?;
                Ok(())
            })
        })
        .await
}

/// The invitation that an actor may settle: for their address, and open. The organization's lock is taken.
async fn offered(unit: &mut Unit, invitation: InvitationId, actor: &Actor) -> Result<(Row, Acceptance), Failure> {
    let row = store::get(unit, invitation).await?.ok_or(Refusal::NotFound)?;
    // Another's invitation is like none.
    let acceptance = Acceptance::of(row.organization_id, &row.email, actor).map_err(|_| Refusal::NotFound)?;
    unit.lock_open_organization(row.organization_id).await?;
    let now = unit.now;
    let row = store::get(unit, invitation).await?.ok_or(Refusal::NotFound)?;
    if !row.open(now) {
        return Err(Refusal::Gone(Gone::Link).into());
    }
    Ok((row, acceptance))
}

/// Accepts an invitation: the account becomes a member with the role that was offered.
///
/// # Errors
/// 404 for another's, 410 where it is over, 409 where the account is in an organization.
pub async fn accept(portal: &Portal, caller: &Caller, invitation: InvitationId) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    portal
        .write(caller, Action::AcceptInvitation, (actor, invitation), |unit, (actor, invitation)| {
            Box::pin(async move {
                unit.lock_account(actor.account).await?;
                let (row, acceptance) = offered(unit, *invitation, actor).await?;
                if guard::organization_of(unit, actor.account).await?.is_some() {
                    return Err(Conflict::AlreadyInOrganization.into());
                }
                let (member, now) = (MemberId(unit.new_id()), unit.now);
                if !store::settle(unit, &acceptance, row.id, "accepted", actor.account, now).await? {
                    return Err(Refusal::Gone(Gone::Link).into());
                }
                members::insert::<InviteMembers>(unit, &acceptance, member, actor, row.role(), Source::Invitation, now).await?;
                let objects = vec![Object::new("invitation", row.id, row.email.as_str()), Object::new("member", member, actor.name())];
                unit.audit(objects, json!(null), json!({ "role": row.role })).await?;
                Ok(())
            })
        })
        .await
}

/// Declines an invitation.
///
/// # Errors
/// 404 for another's, 410 where it is over.
pub async fn decline(portal: &Portal, caller: &Caller, invitation: InvitationId) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    portal
        .write(caller, Action::DeclineInvitation, (actor, invitation), |unit, (actor, invitation)| {
            Box::pin(async move {
                let (row, acceptance) = offered(unit, *invitation, actor).await?;
                let now = unit.now;
                if !store::settle(unit, &acceptance, row.id, "declined", actor.account, now).await? {
                    return Err(Refusal::Gone(Gone::Link).into());
                }
                unit.audit(vec![Object::new("invitation", row.id, row.email.as_str())], json!({ "role": row.role }), json!(null)).await?;
                Ok(())
            })
        })
        .await
}
