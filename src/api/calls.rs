//! The calls: who, action, answer. What they take and give is in `model.rs`, where they stand and who may call them in the
//! table of routes.

use super::{
    Call, Fail, Problem,
    door::hear,
    model::{
        ActionStatus, ActivateProfileRequest, AddressRequest, Company, ConnectRequest, ConnectedServer, Contact, Contacts, Document,
        Entitlement, Entitlements, Event, EventFilter, EventObject, Events, Inventory, InventoryItem, InviteError, InviteRequest,
        InviteSeveralRequest, Member, Members, NotInvited, Nothing, OneOrganization, OpenedSession, Organization, OrganizationRequest,
        OrganizationWithContacts, Organizations, PageTotals, Platform, Profile, ProfileRequest, Refreshed, RoleRequest,
        SearchEventsRequest, SearchMembersRequest, SignInRequest, SignUpRequest, SsoDetails, StateToken, Ticket, Tickets,
        ValidateTokenRequest,
    },
    openapi,
    problem::{Code, EMPTY},
};
use crate::{
    accounts::{ActivateForm, ForgotPasswordForm, NameForm, SignUpForm, actions as accounts},
    activity::actions as activity,
    audit::{Asked, Order},
    customers::actions as customers,
    form::Refusal,
    guard,
    invitations::{InvitationRoleForm, InviteForm, actions as invitations},
    members::{RoleForm, actions as members},
    oauth::{actions as oauth, endpoints::MACHINE_SCOPE},
    organizations::{Confirmed, OrganizationForm, OrganizationView, actions as organizations},
    permissions::{Permission, Role},
    pmm::{ConnectForm, actions as pmm},
    portal::Portal,
    sessions::{SignInForm, actions as sessions},
    tickets::actions as tickets,
    words::{AccountId, DAY, Email, InvitationId, OrganizationId, SECOND, Timestamp},
};

/// How many rows a list without pages has at most.
const MOST: usize = 1000;
/// How many can be invited with one call.
const AT_ONCE: usize = 10;

// Accounts and sessions

/// Signs up: the password is chosen by the link of the mail.
pub async fn sign_up(call: &Call, sent: SignUpRequest) -> Result<Nothing, Fail> {
    let form = SignUpForm { email: sent.email, first_name: sent.first_name, last_name: sent.last_name, ..SignUpForm::default() };
    accounts::sign_up_without_password(&call.portal, &call.caller, form).await?;
    Ok(Nothing {})
}

/// Signs in.
pub async fn sign_in(call: &Call, sent: SignInRequest) -> Result<OpenedSession, Fail> {
    let form = SignInForm { email: sent.email, password: sent.password, ..SignInForm::default() };
    let Some(opened) = sessions::sign_in_program(&call.portal, &call.caller, form).await? else {
        let message = "This account has a second factor, which a program cannot show. Make a token in the portal and use that.";
        return Err(Problem::new(Code::Unauthenticated, message).into());
    };
    Ok(OpenedSession {
        session_id: opened.id.to_string(),
        expire_time: opened.ends_at.rfc3339(),
        token_type: "Bearer",
        expires_in: (opened.ends_at.0 - opened.at.0) / SECOND,
        access_token: opened.secret.expose().to_owned(),
    })
}

/// Signs out.
pub async fn sign_out(call: &Call, _: Nothing) -> Result<Nothing, Fail> {
    sessions::sign_out(&call.portal, &call.caller).await?;
    Ok(Nothing {})
}

/// Uses the session, so that it goes on.
pub async fn refresh_session(call: &Call, _: Nothing) -> Result<Refreshed, Fail> {
    let actor = call.actor()?;
    let ends_at = sessions::refresh(&call.portal, actor).await?;
    Ok(Refreshed { expire_time: ends_at.rfc3339(), email: actor.email.to_string() })
}

/// Sends a link to choose another password; whether the address has an account is not told.
pub async fn reset_password(call: &Call, sent: AddressRequest) -> Result<Nothing, Fail> {
    accounts::forgot_password(&call.portal, &call.caller, ForgotPasswordForm { email: sent.email }).await?;
    Ok(Nothing {})
}

/// Gives one's names.
pub async fn get_profile(call: &Call, _: Nothing) -> Result<Profile, Fail> {
    let actor = call.actor()?;
    Ok(Profile {
        email: actor.email.to_string(),
        first_name: actor.first_name.clone(),
        last_name: actor.last_name.clone(),
        tos: false,
        marketing: false,
    })
}

/// Changes one's names.
pub async fn update_profile(call: &Call, sent: ProfileRequest) -> Result<Nothing, Fail> {
    accounts::change_name(&call.portal, &call.caller, name(sent)).await?;
    Ok(Nothing {})
}

fn name(sent: ProfileRequest) -> NameForm {
    NameForm { first_name: sent.first_name, last_name: sent.last_name }
}

/// Says whether a link works, and by which token the account is activated: the link's own secret, which whoever has it could
/// ask for again.
pub async fn validate_token(call: &Call, sent: ValidateTokenRequest) -> Result<StateToken, Fail> {
    if sent.activation_token.is_empty() {
        return Err(Problem::field("activation_token", EMPTY).into());
    }
    if !accounts::is_activatable(&call.portal, &sent.activation_token).await? {
        return Err(Refusal::Gone(crate::form::Gone::Link).into());
    }
    Ok(StateToken { state_token: sent.activation_token })
}

/// Chooses the password by the link of a mail.
pub async fn activate_profile(call: &Call, sent: ActivateProfileRequest) -> Result<Nothing, Fail> {
    let form = ActivateForm { token: sent.token, password: sent.password, name: name(sent.profile) };
    accounts::activate(&call.portal, &call.caller, form).await?;
    Ok(Nothing {})
}

// Organizations

fn organization(view: &OrganizationView) -> Organization {
    let created_at = view.created_at.rfc3339_micros();
    Organization { id: view.id.to_string(), name: view.name.clone(), updated_at: created_at.clone(), created_at, tier: String::new() }
}

async fn one(portal: &Portal, id: OrganizationId) -> Result<OneOrganization, Fail> {
    Ok(OneOrganization { org: organization(&organizations::details(&mut portal.read().await?, id).await?) })
}

/// Adds an organization, whose Admin is who calls.
pub async fn add_organization(call: &Call, sent: OrganizationRequest) -> Result<OneOrganization, Fail> {
    let id = organizations::add(&call.portal, &call.caller, OrganizationForm { name: sent.name }).await?;
    one(&call.portal, id).await
}

/// Lists the organizations of who calls.
pub async fn search_organizations(call: &Call, _: Nothing) -> Result<Organizations, Fail> {
    let mut db = call.portal.read().await?;
    let membership = guard::membership(&mut db, call.actor()?.account, call.portal.clock.now()).await?;
    let mut orgs = Vec::new();
    if let Some(membership) = membership {
        orgs.push(organization(&organizations::details(&mut db, membership.organization).await?));
    }
    Ok(Organizations { orgs })
}

/// Names the company that who calls belongs to by the operator's records.
pub async fn search_company(call: &Call, _: Nothing) -> Result<Company, Fail> {
    match customers::company(&mut call.portal.read().await?, call.actor()?).await? {
        Some(name) => Ok(Company { name }),
        None => Err(Refusal::NotFound.into()),
    }
}

/// Gives the organization and its contacts.
pub async fn get_organization(call: &Call, _: Nothing) -> Result<OrganizationWithContacts, Fail> {
    let membership = call.member()?;
    let mut db = call.portal.read().await?;
    let view = organizations::details(&mut db, membership.organization).await?;
    let contact = match membership.role.may(Permission::ViewCustomerData) {
        true => customers::customer_success(&mut db, membership).await?,
        false => None,
    };
    let contacts = contact.map_or_else(Contacts::default, |contact| Contacts {
        customer_success: Contact { name: contact.name, email: contact.email },
        new_ticket_url: format!("{}/organization/tickets/new", call.portal.config.base()),
    });
    Ok(OrganizationWithContacts { org: organization(&view), contacts })
}

/// Gives the organization another name.
pub async fn rename_organization(call: &Call, sent: OrganizationRequest) -> Result<OneOrganization, Fail> {
    organizations::rename(&call.portal, &call.caller, OrganizationForm { name: sent.name }).await?;
    one(&call.portal, call.caller.organization()?).await
}

/// Deletes the organization.
pub async fn delete_organization(call: &Call, _: Nothing) -> Result<Nothing, Fail> {
    organizations::delete(&call.portal, &call.caller, Confirmed::ById).await?;
    Ok(Nothing {})
}

// Members

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "Admin",
        Role::TechnicalUser => "Technical",
    }
}

/// The name that forms have for a role of the wire; one that is none is left for them to refuse.
fn role(sent: &str) -> String {
    if sent == "Technical" { Role::TechnicalUser.name().to_owned() } else { sent.to_owned() }
}

async fn invite_one(call: &Call, sent: InviteRequest) -> Result<(), Fail> {
    // The form takes many addresses in one field.
    let email =
        Email::parse(&sent.username).map_err(|why| Problem::field("username", if sent.username.is_empty() { EMPTY } else { why }))?;
    let form = InviteForm { email: email.to_string(), role: role(&sent.role) };
    let invited = invitations::invite(&call.portal, &call.caller, form).await;
    match invited {
        Ok(_) => Ok(()),
        // It is about the organization, whoever is invited.
        Err(refusal @ Refusal::Suspended(_)) => Err(refusal.into()),
        Err(refusal) => Err(Problem::from(refusal).renamed("email", "username").into()),
    }
}

/// Invites an address.
pub async fn invite(call: &Call, sent: InviteRequest) -> Result<Nothing, Fail> {
    invite_one(call, sent).await?;
    Ok(Nothing {})
}

/// Invites several addresses, each by itself: who cannot be invited is named, the others are.
pub async fn invite_several(call: &Call, sent: InviteSeveralRequest) -> Result<NotInvited, Fail> {
    match sent.users.len() {
        0 => return Err(Problem::field("users", "Name at least one user.").into()),
        n if n > AT_ONCE => return Err(Problem::new(Code::InvalidArgument, "You can invite up to 10 users at once.").into()),
        _ => {}
    }
    let mut errors = Vec::new();
    for user in sent.users {
        let (username, sent) = (user.username.clone(), serde_json::json!({ "username": user.username, "role": user.role }));
        match invite_one(call, user).await {
            Ok(()) => {}
            Err(Fail::Problem(problem)) if problem.is_of_one() => {
                errors.push(InviteError { username, error: problem.about(&sent).message().to_owned() });
            }
            Err(fail) => return Err(fail),
        }
    }
    Ok(NotInvited { errors })
}

/// The id of a member or of an invitation.
fn invitation(call: &Call) -> Result<InvitationId, Fail> {
    call.parameter("member_id").parse().map_err(|_| Refusal::NotFound.into())
}

/// Whether what the path names is an invitation.
async fn is_invitation(call: &Call) -> Result<Option<InvitationId>, Fail> {
    let id = invitation(call)?;
    let exists = invitations::exists(&mut call.portal.read().await?, call.caller.organization()?, id).await?;
    Ok(exists.then_some(id))
}

/// Sends an invitation again; its earlier link is dead.
pub async fn reactivate_member(call: &Call, _: Nothing) -> Result<Nothing, Fail> {
    invitations::resend(&call.portal, &call.caller, invitation(call)?).await?;
    Ok(Nothing {})
}

/// Lists the members and those who are invited.
pub async fn search_members(call: &Call, sent: SearchMembersRequest) -> Result<Members, Fail> {
    let organization = call.member()?.organization;
    let email = match sent.user.username.trim() {
        "" => None,
        // What is no address is nobody's.
        username => match Email::parse(username) {
            Ok(email) => Some(email),
            Err(_) => return Ok(Members { members: Vec::new() }),
        },
    };
    let people = members::people(&mut call.portal.read().await?, organization, email.as_ref(), call.portal.clock.now(), MOST).await?;
    let members = people.into_iter().map(|person| Member {
        member_id: person.id.to_string(),
        username: person.email,
        first_name: person.first_name,
        last_name: person.last_name,
        role: role_name(person.role),
        status: if person.joined { "ACTIVE" } else { "PROVISIONED" },
    });
    Ok(Members { members: members.collect() })
}

/// Changes a member's role, or the one that an invitation offers.
pub async fn change_role(call: &Call, sent: RoleRequest) -> Result<Nothing, Fail> {
    let (member, role) = (call.parameter("member_id").to_owned(), role(&sent.role));
    match is_invitation(call).await? {
        Some(_) => invitations::change_role(&call.portal, &call.caller, InvitationRoleForm { invitation: member, role }).await?,
        None => members::change_role(&call.portal, &call.caller, RoleForm { member, role }).await?,
    }
    Ok(Nothing {})
}

/// Removes a member, or revokes an invitation.
pub async fn remove_member(call: &Call, _: Nothing) -> Result<Nothing, Fail> {
    match is_invitation(call).await? {
        Some(invitation) => invitations::revoke(&call.portal, &call.caller, invitation).await?,
        None => {
            let form = RoleForm { member: call.parameter("member_id").to_owned(), role: String::new() };
            members::remove(&call.portal, &call.caller, form).await?;
        }
    }
    Ok(Nothing {})
}

// Customer data

/// Lists the tickets that who calls may see.
pub async fn search_tickets(call: &Call, _: Nothing) -> Result<Tickets, Fail> {
    let rows = tickets::newest(&mut call.portal.read().await?, call.member()?, call.actor()?, call.portal.clock.now(), MOST).await?;
    let base = call.portal.config.base();
    let tickets = rows.into_iter().map(|row| Ticket {
        url: if row.url.is_empty() { format!("{base}/organization/tickets/{}", row.number) } else { row.url },
        number: row.number,
        short_description: row.subject,
        priority: row.priority,
        state: row.state,
        create_time: row.created_at.rfc3339(),
        department: row.department,
        requestor: row.requester.clone(),
        requester: row.requester,
        task_type: row.category,
    });
    Ok(Tickets { tickets: tickets.collect() })
}

/// Lists the entitlements.
pub async fn search_entitlements(call: &Call, _: Nothing) -> Result<Entitlements, Fail> {
    let rows = customers::all_entitlements(&mut call.portal.read().await?, call.member()?, call.portal.clock.now(), MOST).await?;
    let entitlements = rows.into_iter().map(|row| Entitlement {
        number: row.number,
        name: row.name,
        summary: if row.units_total > 0 { format!("{} of {} units in use", row.units_used, row.units_total) } else { String::new() },
        tier: row.tier,
        total_units: row.units_total.to_string(),
        unlimited_units: row.units_total == 0,
        support_level: row.support_level,
        software_families: row.products,
        start_date: row.starts_at.rfc3339(),
        end_date: row.ends_at.plus(-DAY).rfc3339(),
        platform: Platform::default(),
    });
    Ok(Entitlements { entitlements: entitlements.collect() })
}

// The audit log

/// Reads what is asked of the audit log.
fn asked(sent: &SearchEventsRequest) -> Result<Asked, Problem> {
    let mut asked = Asked::default();
    for EventFilter { field, filter_type } in &sent.fsp.filters {
        let other = || Problem::field("filter_type", format!("{} cannot be compared in this way.", field.name));
        let twice = || Problem::field("filter_type", format!("Of {} one thing can be left out.", field.name));
        let wrong = |what: &str| Problem::field("value", format!("It is not {what}."));
        match field.name.as_str() {
            "timestamp" => {
                let at = Timestamp::of_rfc3339(&field.value).ok_or_else(|| wrong("a moment like 2026-11-24T14:05:00Z"))?.0;
                let (from, to) = match filter_type {
                    0 => (at, at),
                    1 if asked.but_at != i64::MIN && asked.but_at != at => return Err(twice()),
                    1 => {
                        asked.but_at = at;
                        continue;
                    }
                    2 => (at.saturating_add(1), i64::MAX),
                    3 => (at, i64::MAX),
                    4 => (i64::MIN, at.saturating_sub(1)),
                    5 => (i64::MIN, at),
                    _ => return Err(other()),
                };
                (asked.from, asked.to) = (asked.from.max(from), asked.to.min(to));
            }
            "action_type" => match filter_type {
                // No code of an action holds what a database does not take.
                _ if field.value.is_empty() || field.value.contains('\0') => return Err(wrong("the code of an action")),
                0 => {
                    asked.actions.0 = field.value.clone().max(asked.actions.0);
                    asked.actions.1 = field.value.clone().min(asked.actions.1);
                }
                1 if !asked.but_action.is_empty() && asked.but_action != field.value => return Err(twice()),
                1 => asked.but_action.clone_from(&field.value),
                _ => return Err(other()),
            },
            "okta_user_id" => {
                let AccountId(account) = field.value.parse().map_err(|_| wrong("the id of an account"))?;
                match filter_type {
                    0 => asked.accounts = (account.max(asked.accounts.0), account.min(asked.accounts.1)),
                    1 if asked.but_account != uuid::Uuid::max() && asked.but_account != account => return Err(twice()),
                    1 => asked.but_account = account,
                    _ => return Err(other()),
                }
            }
            _ => return Err(Problem::field("name", "Events are filtered by timestamp, action_type and okta_user_id.")),
        }
    }
    let sorting = &sent.fsp.sorting_params;
    asked.order = match sorting.field_name.as_str() {
        "" | "timestamp" => Order::Moment,
        "action_type" => Order::Action,
        _ => return Err(Problem::field("field_name", "Events are ordered by timestamp and action_type.")),
    };
    asked.descending = match sorting.order {
        0 => sorting.field_name.is_empty(),
        1 => true,
        _ => return Err(Problem::field("order", "It is 0 or 1.")),
    };
    Ok(asked)
}

/// Lists events of the audit log.
pub async fn search_events(call: &Call, sent: SearchEventsRequest) -> Result<Events, Fail> {
    let asked = asked(&sent)?;
    let paging = sent.fsp.page_params;
    let size = match i64::from(paging.page_size) {
        0 => 50,
        size => size.min(1000),
    };
    let organization = call.member()?.organization;
    let mut db = call.portal.read().await?;
    let (noted, total_items) = activity::events(&mut db, organization, &asked, size, size * i64::from(paging.index)).await?;
    let events = noted.into_iter().map(|noted| {
        let object = |(n, (kind, id, name)): (usize, (String, String, String))| {
            let state = |state: &serde_json::Value| if n == 0 && state.is_object() { state.clone() } else { serde_json::json!({}) };
            EventObject { id, name, r#type: kind_name(kind), initial_state: state(&noted.before), result_state: state(&noted.after) }
        };
        Event {
            objects: noted.objects.clone().into_iter().enumerate().map(object).collect(),
            id: noted.id.to_string(),
            okta_user_id: noted.account.map(|account| account.to_string()).unwrap_or_default(),
            request_id: noted.request_id,
            user_ip_address: noted.address,
            user_agent: noted.user_agent,
            user_role: String::new(),
            organization_id: organization.to_string(),
            action_type: noted.action,
            timestamp: noted.at.rfc3339_micros(),
            event_source: noted.actor_kind,
            action_status: ActionStatus { code: if noted.refused.is_some() { 2 } else { 1 }, message: noted.refused.unwrap_or_default() },
        }
    });
    Ok(Events {
        events: events.collect(),
        page_totals: PageTotals { total_items, total_pages: total_items.div_euclid(size) + i64::from(total_items % size > 0) },
    })
}

/// What the wire calls a kind of thing.
fn kind_name(kind: String) -> String {
    match kind.as_str() {
        "member" => "organization_member".to_owned(),
        "server" => "inventory".to_owned(),
        _ => kind,
    }
}

// The rest of what PMM calls

/// Connects a PMM server to the organization of who calls.
pub async fn connect_server(call: &Call, sent: ConnectRequest) -> Result<ConnectedServer, Fail> {
    let form = ConnectForm {
        server_id: sent.pmm_server_id,
        name: sent.pmm_server_name,
        url: sent.pmm_server_url,
        callback_url: sent.pmm_server_oauth_callback_url,
    };
    let connected = pmm::connect(&call.portal, &call.caller, form).await.map_err(|refusal| {
        [
            ("server_id", "pmm_server_id"),
            ("name", "pmm_server_name"),
            ("url", "pmm_server_url"),
            ("callback_url", "pmm_server_oauth_callback_url"),
        ]
        .into_iter()
        .fold(Problem::from(refusal), |problem, (field, sent)| problem.renamed(field, sent))
    })?;
    Ok(ConnectedServer {
        sso_details: SsoDetails {
            grafana_client_id: connected.public_client_id,
            pmm_managed_client_id: connected.machine_client_id,
            pmm_managed_client_secret: connected.machine_client_secret,
            scope: MACHINE_SCOPE,
            issuer_url: oauth::issuer(&call.portal),
        },
        org_id: connected.organization.to_string(),
    })
}

/// Disconnects a PMM server.
pub async fn disconnect_server(call: &Call, _: Nothing) -> Result<Nothing, Fail> {
    let looked_up = guard::membership(&mut call.portal.read().await?, call.actor()?.account, call.portal.clock.now()).await?;
    let organization = looked_up.ok_or(Refusal::NotFound)?.organization;
    pmm::disconnect(&call.portal, &call.caller, organization, call.parameter("pmm_server_id")).await?;
    Ok(Nothing {})
}

/// Lists the PMM servers that are connected.
pub async fn search_inventory(call: &Call, _: Nothing) -> Result<Inventory, Fail> {
    let servers = pmm::list(&mut call.portal.read().await?, call.member()?).await?;
    let inventory = servers.into_iter().map(|server| InventoryItem {
        pmm_server_id: server.server_id,
        pmm_server_name: server.name,
        pmm_server_url: server.url,
    });
    Ok(Inventory { inventory: inventory.collect() })
}

/// Takes a report of how PMM is used, and keeps nothing of it but when the server was heard from.
pub async fn report_telemetry(call: &Call, _: Nothing) -> Result<Nothing, Fail> {
    hear(call).await?;
    Ok(Nothing {})
}

/// Says that there are no advisors.
pub async fn advisors(_: &Call, _: Nothing) -> Result<Nothing, Fail> {
    Err(Problem::new(Code::NotFound, "Advisors are not served by this portal.").into())
}

/// Gives the document of all calls.
pub async fn document(_: &Call, _: Nothing) -> Result<Document, Fail> {
    Ok(Document(openapi::document().clone()))
}
