//! The use cases of customers.

use std::collections::HashSet;

use serde_json::json;

use super::{
    ContactView, EntitlementView, Outcome, Record, Standing, Waiting,
    import::{Ahead, Plan},
    store::{self, Customer, Person},
};
use crate::{
    accounts::store as accounts,
    actor::{Actor, Caller, Credential, Scopes},
    audit::{Action, Object},
    db::{self, Connected, Failure},
    form::{Conflict, Refusal},
    guard::{self, Membership, Recreation, System},
    list::{ListQuery, Listed},
    mail::{Mail, Message},
    members::{Source, store as members},
    organizations::store as organizations,
    permissions::{ManageMembers, Role, ViewMembers},
    portal::{Portal, Unit},
    tickets::store as tickets,
    words::{AccountId, CustomerId, DAY, Email, MemberId, OrganizationId, OrganizationName, SessionId, Timestamp},
};

/// The customer's person that an address is: named in the record, or of the customer's own mail domain.
async fn person(db: &mut impl Connected, email: &Email) -> Result<Option<Person>, Failure> {
    if let Some(person) = store::person(db, &email.key()).await? {
        return Ok(Some(person));
    }
    let key = email.key();
    let domain = key.rsplit('@').next().unwrap_or_default();
    Ok(store::by_domain(db, domain).await?.map(|customer_id| Person {
        customer_id,
        email: email.clone(),
        role: Role::TechnicalUser.name().to_owned(),
        administrator: false,
    }))
}

/// How an account without an organization stands to the customer that its address belongs to.
#[derive(Clone, Debug)]
pub enum Belonging {
    /// The organization is not there before the administrator signs in.
    Waits(Waiting),
    /// The organization is there, and one press away: its name.
    Joins(String),
}

/// How an address belongs to a customer whose organization it is not in; nothing where it belongs to none, or where the
/// organization was deleted or the account removed from it.
///
/// # Errors
/// The database's.
pub async fn belonging(db: &mut impl Connected, actor: &Actor, now: Timestamp) -> Result<Option<Belonging>, Failure> {
    let Some(person) = person(db, &actor.email).await? else { return Ok(None) };
    let Some(customer) = store::get(db, person.customer_id).await? else { return Ok(None) };
    match customer.organization_id {
        Some(organization) if members::was_member(db, organization, actor.account).await? => Ok(None),
        Some(_) => Ok(Some(Belonging::Joins(customer.name))),
        None if customer.recreated_at.is_some() => Ok(None),
        // The administrator's own sign-in was before the import.
        None if person.administrator => Ok(Some(Belonging::Joins(customer.name))),
        None => {
            let administrator = store::administrator(db, customer.id).await?.map(|email| email.masked());
            let reminded = customer.reminded_at.is_some_and(|at| at.plus(DAY) > now);
            Ok(Some(Belonging::Waits(Waiting { customer: customer.name, administrator, reminded })))
        }
    }
}

/// The customer that an address belongs to: what happens to it concerns whoever has that address and is in no organization.
///
/// # Errors
/// The database's.
pub async fn awaited(portal: &Portal, actor: &Actor) -> Result<Option<CustomerId>, Failure> {
    Ok(person(&mut portal.read().await?, &actor.email).await?.map(|person| person.customer_id))
}

/// What a sign-in brings to whoever belongs to a customer: the organization recreated, for its administrator; membership,
/// for the others. Whatever keeps it from happening keeps nobody from signing in: the next sign-in tries again.
pub async fn welcome(portal: &Portal, caller: &Caller, account: AccountId, session: SessionId, methods: String) {
    let found = async {
        let mut db = portal.read().await?;
        let Some(row) = accounts::get(&mut db, account).await? else { return Ok(None) };
        let Some(person) = person(&mut db, &row.email).await? else { return Ok(None) };
        if let Some(elsewhere) = guard::organization_of(&mut db, account).await? {
            let customer = store::get(&mut db, person.customer_id).await?;
            if let Some(customer) = customer.filter(|customer| person.administrator && customer.recreated_at.is_none()) {
                tracing::warn!(customer = %customer.number, organization = %elsewhere,
                    "the administrator of a customer is in an organization already: join the two with `org-portal customer link`, or name another administrator with `org-portal customer open`");
            }
            return Ok::<_, Failure>(None);
        }
        Ok(Some(Actor {
            account,
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
            credential: Credential::Session { id: session, authenticated_at: portal.clock.now(), methods },
            scopes: Scopes::All,
            operator: false,
        }))
    };
    match found.await {
        Ok(Some(actor)) => {
            let caller = Caller { actor: Some(actor), drawn: crate::form::Drawn::default(), ..caller.clone() };
            let _ = enter(portal, &caller).await;
        }
        Ok(None) => {}
        Err(failure) => tracing::warn!(?failure, "whether a sign-in belongs to a customer could not be looked up"),
    }
}

/// Joins the organization of the customer that one belongs to, where the sign-in did not do it.
///
/// # Errors
/// 404 where there is none to join, 409 where one is in an organization.
pub async fn join(portal: &Portal, caller: &Caller) -> Result<(), Refusal> {
    enter(portal, caller).await
}

/// Lets whoever calls into the organization of their customer, which is made where they are its administrator. Where there
/// is none to enter, nothing is written, and nothing noted.
async fn enter(portal: &Portal, caller: &Caller) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    let looked_up = async { belonging(&mut portal.read().await?, &actor, portal.clock.now()).await };
    if !matches!(looked_up.await.map_err(|failure| portal.refuse(failure))?, Some(Belonging::Joins(_))) {
        return Err(Refusal::NotFound);
    }
    portal
        .write(caller, Action::JoinCustomer, actor, |unit, actor| {
            Box::pin(async move {
                unit.lock_account(actor.account).await?;
                if guard::organization_of(unit, actor.account).await?.is_some() {
                    return Err(Conflict::AlreadyInOrganization.into());
                }
                let person = person(unit, &actor.email).await?.ok_or(Refusal::NotFound)?;
                // Before the organization's lock, in every unit that takes both.
                store::lock(unit, person.customer_id).await?;
                let customer = store::get(unit, person.customer_id).await?.ok_or(Refusal::NotFound)?;
                match customer.organization_id {
                    Some(organization) => enter_as(unit, actor, &person, organization).await,
                    None if customer.recreated_at.is_none() && person.administrator => recreate(unit, actor, &person, &customer).await,
                    None => Err(Refusal::NotFound.into()),
                }
            })
        })
        .await
}

async fn enter_as(unit: &mut Unit, actor: &Actor, person: &Person, organization: OrganizationId) -> Result<(), Failure> {
    unit.lock_open_organization(organization).await?;
    // Who was removed, or left, does not come back by signing in.
    if members::was_member(unit, organization, actor.account).await? {
        return Err(Refusal::NotFound.into());
    }
    let recreation = Recreation::of(organization, &person.email, actor)?;
    let role = Role::parse(&person.role).unwrap_or(Role::TechnicalUser);
    let (member, now) = (MemberId(unit.new_id()), unit.now);
    members::insert::<ViewMembers>(unit, &recreation, member, actor, role, Source::Customer, now).await?;
    unit.audit(vec![Object::new("member", member, actor.name())], json!(null), json!({ "role": role.name() })).await?;
    Ok(())
}

async fn recreate(unit: &mut Unit, actor: &Actor, person: &Person, customer: &Customer) -> Result<(), Failure> {
    let (organization, member, now) = (OrganizationId(unit.new_id()), MemberId(unit.new_id()), unit.now);
    let recreation = Recreation::of(organization, &person.email, actor)?;
    let name = OrganizationName::parse(&customer.name).map_err(|why| Failure::Fault(format!("customer {}: {why}", customer.number)))?;
    unit.acts_in(organization);
    organizations::insert(unit, &recreation, &name, actor, now).await?;
    members::insert::<ManageMembers>(unit, &recreation, member, actor, Role::Admin, Source::Customer, now).await?;
    store::link::<ManageMembers>(unit, &recreation, customer.id, now).await?;
    let objects =
        vec![Object::new("organization", organization, name.as_str()), Object::new("customer", customer.id, customer.name.clone())];
    unit.audit_as(Action::RecreateOrganization, objects, json!(null), json!({ "name": name.as_str(), "customer": customer.number }))
        .await?;
    for (to,) in store::waiting(unit, customer.id, actor.account).await? {
        unit.mail(&Mail { to, message: Message::CustomerOpened { organization: customer.name.clone() } }).await?;
    }
    Ok(())
}

/// Reminds the administrator of the customer that one belongs to that everybody waits: one mail a day, whoever asks.
///
/// # Errors
/// 404 where nobody waits, 409 where there is nobody to remind, 429 within a day.
pub async fn remind(portal: &Portal, caller: &Caller) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    portal
        .write(caller, Action::RemindAdministrator, actor, |unit, actor| {
            Box::pin(async move {
                let now = unit.now;
                if !matches!(belonging(unit, actor, now).await?, Some(Belonging::Waits(_))) {
                    return Err(Refusal::NotFound.into());
                }
                let person = person(unit, &actor.email).await?.ok_or(Refusal::NotFound)?;
                let customer = store::get(unit, person.customer_id).await?.ok_or(Refusal::NotFound)?;
                let administrator = store::administrator(unit, customer.id).await?.ok_or(Conflict::NobodyToRemind)?;
                if !store::remind(unit, customer.id, now, now.plus(-DAY)).await? {
                    let again = customer.reminded_at.map_or(0, |at| at.plus(DAY).0 - now.0) / 1_000_000;
                    return Err(Refusal::TooManyRequests(u32::try_from(again).unwrap_or(86_400).max(1)).into());
                }
                let message = Message::CustomerWaits { organization: customer.name.clone(), by: actor.name() };
                unit.mail(&Mail { to: administrator, message }).await?;
                unit.audit(vec![Object::new("customer", customer.id, customer.name)], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Whether an organization's name is its customer's, and not to be changed in the portal.
///
/// # Errors
/// The database's.
pub async fn names(db: &mut impl Connected, organization: OrganizationId) -> Result<bool, Failure> {
    Ok(store::of_organization(db, organization).await?.is_some())
}

/// A page of the entitlements of an organization's customer; nothing where it is no customer's.
///
/// # Errors
/// The database's.
pub async fn entitlements(
    db: &mut impl Connected,
    membership: &Membership,
    query: &ListQuery,
    now: Timestamp,
) -> Result<Option<Listed<EntitlementView>>, Failure> {
    match store::of_organization(db, membership.organization).await? {
        Some(customer) => entitlements_of(db, customer.id, query, now).await.map(Some),
        None => Ok(None),
    }
}

/// A page of the entitlements of a customer.
///
/// # Errors
/// The database's.
pub async fn entitlements_of(
    db: &mut impl Connected,
    customer: CustomerId,
    query: &ListQuery,
    now: Timestamp,
) -> Result<Listed<EntitlementView>, Failure> {
    let listed = store::ENTITLEMENTS.page::<store::Entitlement>(db, customer.0, query, now, None).await?;
    Ok(listed.map(|row| entitlement(row, now)))
}

fn entitlement(row: store::Entitlement, now: Timestamp) -> EntitlementView {
    EntitlementView {
        standing: Standing::of(row.starts_at, row.ends_at, now),
        products: row.products.lines().map(str::to_owned).collect(),
        number: row.number,
        name: row.name,
        tier: row.tier,
        support_level: row.support_level,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        units_total: row.units_total,
        units_used: row.units_used,
    }
}

/// The contacts of an organization's customer.
///
/// # Errors
/// The database's.
pub async fn contacts(db: &mut impl Connected, membership: &Membership) -> Result<Vec<ContactView>, Failure> {
    let Some(customer) = store::of_organization(db, membership.organization).await? else { return Ok(Vec::new()) };
    contacts_of(db, customer.id).await
}

/// All entitlements of an organization's customer, those that end last first: at most so many.
///
/// # Errors
/// The database's.
pub async fn all_entitlements(
    db: &mut impl Connected,
    membership: &Membership,
    now: Timestamp,
    most: usize,
) -> Result<Vec<EntitlementView>, Failure> {
    let Some(customer) = store::of_organization(db, membership.organization).await? else { return Ok(Vec::new()) };
    let (rows, _) = store::ENTITLEMENTS.batch::<store::Entitlement>(db, customer.id.0, &ListQuery::default(), now, Some(0), most).await?;
    Ok(rows.into_iter().map(|row| entitlement(row, now)).collect())
}

/// The contact who looks after an organization's customer: the one whose title says so, or else the first.
///
/// # Errors
/// The database's.
pub async fn customer_success(db: &mut impl Connected, membership: &Membership) -> Result<Option<ContactView>, Failure> {
    let mut contacts = contacts(db, membership).await?;
    let named = contacts.iter().position(|contact| contact.title.to_lowercase().contains("customer success")).unwrap_or(0);
    Ok((named < contacts.len()).then(|| contacts.swap_remove(named)))
}

/// The name of the company that somebody belongs to by the customers' records, whether in its organization or not yet.
///
/// # Errors
/// The database's.
pub async fn company(db: &mut impl Connected, actor: &Actor) -> Result<Option<String>, Failure> {
    let organization = guard::organization_of(db, actor.account).await?;
    if let Some(organization) = organization
        && let Some(customer) = store::of_organization(db, organization).await?
    {
        return Ok(Some(customer.name));
    }
    let Some(person) = person(db, &actor.email).await? else { return Ok(None) };
    Ok(store::get(db, person.customer_id).await?.map(|customer| customer.name))
}

/// The contacts of a customer.
///
/// # Errors
/// The database's.
pub async fn contacts_of(db: &mut impl Connected, customer: CustomerId) -> Result<Vec<ContactView>, Failure> {
    let rows = store::contacts(db, customer).await?;
    Ok(rows.into_iter().map(|row| ContactView { name: row.name, title: row.title, email: row.email, phone: row.phone }).collect())
}

/// Puts records of an import in, all of them in one transaction; of each kind, no key may be there twice. Gives what came
/// of each.
///
/// # Errors
/// 503, 500.
pub async fn import(portal: &Portal, records: Vec<Record>) -> Result<Vec<Outcome>, Refusal> {
    portal
        .write(&Caller::system(), Action::ImportCustomers, records, |unit, records| Box::pin(async move { put(unit, records).await }))
        .await
}

/// Puts records in, in a unit of the portal's own that does more than that. Gives what came of each. A key may be there more
/// than once: what is said of it later is a change.
///
/// # Errors
/// 403 for whoever comes from elsewhere; the database's.
pub async fn put(unit: &mut Unit, records: &[Record]) -> Result<Vec<Outcome>, Failure> {
    db::by_index(unit).await?;
    let (random, now) = (unit.portal.random, unit.now);
    let (mut outcomes, mut rest) = (Vec::with_capacity(records.len()), records);
    while !rest.is_empty() {
        let mut seen = HashSet::new();
        let first = rest.iter().take_while(|record| seen.insert((record.kind(), record.key()))).count();
        let (first, later) = rest.split_at(first);
        outcomes.extend(Plan::make(unit, first, None, random, now).await?.write(unit).await?);
        rest = later;
    }
    Ok(outcomes)
}

/// Says what an import of these records would come to, behind the records that were rehearsed before, and writes nothing.
///
/// # Errors
/// 503, 500.
pub async fn rehearse(portal: &Portal, records: &[Record], ahead: &mut Ahead) -> Result<Vec<Outcome>, Refusal> {
    let made = async {
        let mut db = portal.read().await?;
        Ok::<_, Failure>(Plan::make(&mut db, records, Some(ahead), portal.random, portal.clock.now()).await?)
    };
    let plan = made.await.map_err(|failure| portal.refuse(failure))?;
    plan.note(ahead);
    Ok(plan.outcomes)
}

/// Notes an import that was gone through to its end in the audit log.
///
/// # Errors
/// 503, 500.
pub async fn note_import(portal: &Portal, file: String, counts: serde_json::Value) -> Result<(), Refusal> {
    portal
        .write(&Caller::system(), Action::ImportCustomers, (file, counts), |unit, (file, counts)| {
            Box::pin(async move {
                unit.audit(vec![Object::new("file", "", file.clone())], json!(null), counts.clone()).await?;
                Ok(())
            })
        })
        .await
}

/// The customer of a number that the operator typed, and its row locked.
async fn named(unit: &mut Unit, number: &str) -> Result<Customer, Failure> {
    let customer = store::by_number(unit, number).await?;
    let id = customer.ok_or_else(|| Refusal::field("number", format!("There is no customer {number}")))?.id;
    store::lock(unit, id).await?;
    Ok(store::get(unit, id).await?.ok_or(Refusal::NotFound)?)
}

/// Names another administrator for a customer whose own never came: their next sign-in recreates the organization. Gives
/// the customer's name.
///
/// # Errors
/// 422 where there is no such customer, its organization is there or was, or the person belongs to another one.
pub async fn open(portal: &Portal, number: String, administrator: Email) -> Result<String, Refusal> {
    portal
        .write(&Caller::system(), Action::OpenCustomer, (number, administrator), |unit, (number, administrator)| {
            Box::pin(async move {
                let customer = named(unit, number).await?;
                if customer.organization_id.is_some() {
                    let why =
                        format!("The organization of customer {number}, {}, is open already: its Admins invite others", customer.name);
                    return Err(Refusal::field("number", why).into());
                }
                if customer.recreated_at.is_some() {
                    let why =
                        format!("The organization of customer {number}, {}, was open and was deleted. It is not made again", customer.name);
                    return Err(Refusal::field(
                        "number",
                        format!("{why}: join the customer with another one by `org-portal customer link`"),
                    )
                    .into());
                }
                if let Some(person) = store::person(unit, &administrator.key()).await?.filter(|person| person.customer_id != customer.id) {
                    let other = store::get(unit, person.customer_id).await?.map(|other| other.number).unwrap_or_default();
                    let why = format!("{administrator} belongs to customer {other}, and a person belongs to one customer");
                    return Err(Refusal::field("administrator", why).into());
                }
                let (id, now) = (unit.new_id(), unit.now);
                store::set_administrator(unit, id, customer.id, administrator, now).await?;
                let objects =
                    vec![Object::new("customer", customer.id, customer.name.clone()), Object::new("address", "", administrator.as_str())];
                unit.audit(objects, json!(null), json!(null)).await?;
                Ok(customer.name)
            })
        })
        .await
}

/// Joins a customer with an organization that is there, which bears the customer's name from then on. Gives the name that
/// the organization had, and the customer's.
///
/// # Errors
/// 422 where one of the two is not there, or joined already.
pub async fn link(portal: &Portal, number: String, organization: OrganizationId) -> Result<(String, String), Refusal> {
    portal
        .write(&Caller::system(), Action::LinkCustomer, (number, organization), |unit, (number, organization)| {
            Box::pin(async move {
                let customer = named(unit, number).await?;
                match unit.lock_organization(*organization).await {
                    Err(Failure::Refusal(Refusal::NotFound)) => {
                        return Err(Refusal::field("organization", format!("There is no organization {organization}")).into());
                    }
                    locked => locked?,
                }
                if let Some(joined) = customer.organization_id {
                    let why = format!("Customer {number}, {}, is joined with organization {joined} already", customer.name);
                    return Err(Refusal::field("number", why).into());
                }
                if let Some(other) = store::of_organization(unit, *organization).await? {
                    let why = format!("Organization {organization} is joined with customer {}, {}, already", other.number, other.name);
                    return Err(Refusal::field("organization", why).into());
                }
                let (authority, now) = (System::importing(*organization), unit.now);
                let before = organizations::get(unit, *organization).await?.ok_or(Refusal::NotFound)?.name;
                store::link::<ManageMembers>(unit, &authority, customer.id, now).await?;
                tickets::give_to_customer::<ManageMembers>(unit, &authority, customer.id).await?;
                let name = OrganizationName::parse(&customer.name).map_err(|why| Failure::Fault(why.to_owned()))?;
                organizations::rename(unit, &authority, &name).await?;
                let objects = vec![
                    Object::new("organization", organization, name.as_str()),
                    Object::new("customer", customer.id, customer.name.clone()),
                ];
                unit.audit(objects, json!({ "name": before }), json!({ "name": name.as_str() })).await?;
                Ok((before, customer.name))
            })
        })
        .await
}
