//! The room's page handlers: load, draw.

use super::{
    actions,
    pages::{self, Forms, OrganizationLook, Shown, Standings},
    store,
};
use crate::{
    accounts::store as accounts_store,
    activity::actions as activity,
    customers::{actions as customers_actions, store as customers_store},
    db::Failure,
    factors::actions as factors_actions,
    form::Refusal,
    guard,
    identities::actions as identities,
    invitations::actions as invitations,
    list::{ListQuery, sql::ListSql},
    members::store as members,
    organizations::store as organizations_store,
    outbox as letters,
    pmm::{actions as pmm, tokens},
    sessions::actions as sessions,
    tickets::{actions as tickets, store::Owner},
    ui::Checked,
    visit::{Answer, Page, Visit},
    words::CustomerId,
};

/// How many pending invitations an organization's page shows.
const INVITATIONS: usize = 20;
/// How many PMM servers it shows.
const SERVERS: usize = 20;
/// How many of a customer's people its page shows.
const PEOPLE: i64 = 100;

/// What is asked of a list, from the address.
fn asked(visit: &Visit, list: &ListSql) -> ListQuery {
    ListQuery::parse(url::form_urlencoded::parse(visit.query.as_bytes()).into_owned(), &list.filters())
}

/// The id in `/operator/…/{id}/…`.
fn id(visit: &Visit) -> &str {
    visit.path.split('/').nth(3).unwrap_or_default()
}

/// What the form of a page needs, and whether it asks for the password.
async fn forms(visit: &Visit, function: &str) -> Result<Forms, Failure> {
    let standing = guard::standing(&mut visit.portal.read().await?, visit.actor()?, visit.portal.clock.now()).await?;
    let proven = standing.is_some_and(|standing| standing.proven);
    let operator = visit.actor()?.email.clone();
    let way = identities::way(&visit.portal, Some(&visit.here()), operator.as_str(), true);
    Ok(Forms { drawn: visit.drawn(), checked: Checked(visit.state_of(function)), proven, operator, way })
}

/// `/operator`
///
/// # Errors
/// The database's.
pub async fn overview(visit: &Visit) -> Result<Answer, Failure> {
    let mut db = visit.portal.read().await?;
    let (waiting, dead) = letters::backlog(&mut db).await?;
    let now = visit.portal.clock.now();
    let imports = store::IMPORTS.page::<store::Import>(&mut db, None, &ListQuery::default(), now, None).await?;
    let last = imports.rows.into_iter().next();
    let tickets = tickets::waiting(&mut db, now).await?;
    let (locked, suspended) = (ListQuery::default().filtered("state", "locked"), ListQuery::default().filtered("state", "suspended"));
    let locked_count = accounts_store::LIST.count_of(&mut db, &locked, now).await?;
    let suspended_count = organizations_store::LIST.count_of(&mut db, &suspended, now).await?;
    drop(db);
    let standings = Standings { waiting, dead, last, tickets, locked: (locked, locked_count), suspended: (suspended, suspended_count) };
    Ok(Page::new("Operator overview", move || pages::overview(standings, now)).with_islands().into())
}

/// `/operator/password`: for an operator whose password is the one that was printed.
///
/// # Errors
/// The database's.
pub async fn password(visit: &Visit) -> Result<Answer, Failure> {
    let standing = guard::standing(&mut visit.portal.read().await?, visit.actor()?, visit.portal.clock.now()).await?;
    if !standing.ok_or(Refusal::NotFound)?.password_due {
        return Ok(Answer::SeeOther("/operator".to_owned()));
    }
    let (drawn, checked, email) = (visit.drawn(), Checked(visit.state_of("change_password")), visit.actor()?.email.clone());
    Ok(Page::narrow("Choose a password", move || pages::password(drawn, checked, &email)).into())
}

/// `/operator/customers?q=…`
///
/// # Errors
/// The database's.
pub async fn customers(visit: &Visit) -> Result<Answer, Failure> {
    let query = asked(visit, &customers_store::LIST);
    let now = visit.portal.clock.now();
    let page = customers_store::LIST.page::<customers_store::Listed>(&mut visit.portal.read().await?, None, &query, now, None).await?;
    Ok(Page::new("Customers", move || pages::customers(page, &query)).with_islands().into())
}

/// `/operator/customers/{customer}?q=…`: the query is of its entitlements.
///
/// # Errors
/// 404 where there is none.
pub async fn customer(visit: &Visit) -> Result<Answer, Failure> {
    let id: CustomerId = id(visit).parse().map_err(|_| Refusal::NotFound)?;
    let (query, now) = (asked(visit, &customers_store::ENTITLEMENTS), visit.portal.clock.now());
    let mut db = visit.portal.read().await?;
    let customer = customers_store::listed(&mut db, id).await?.ok_or(Refusal::NotFound)?;
    let organization = match customer.organization_id {
        Some(id) => organizations_store::listed(&mut db, id).await?,
        None => None,
    };
    let people = customers_store::people(&mut db, id, PEOPLE).await?;
    let keys: Vec<String> = people.iter().map(|person| person.email.key()).collect();
    let accounts = accounts_store::of_emails(&mut db, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let account = |key: &str| accounts.iter().find(|(_, email)| email == key).map(|(id, _)| *id);
    let people = people.into_iter().zip(&keys).map(|(person, key)| (person, account(key))).collect();
    let contacts = customers_actions::contacts_of(&mut db, id).await?;
    let tickets = tickets::counted(&mut db, Owner::Customer(id)).await?;
    let entitlements = customers_actions::entitlements_of(&mut db, id, &query, now).await?;
    drop(db);
    let title = customer.name.clone();
    let shown = Shown { customer, organization, people, contacts, entitlements, query, tickets };
    Ok(Page::new(title, move || pages::customer(shown)).with_islands().into())
}

/// `/operator/organizations?q=…&state=…`
///
/// # Errors
/// The database's.
pub async fn organizations(visit: &Visit) -> Result<Answer, Failure> {
    let (query, now) = (asked(visit, &organizations_store::LIST), visit.portal.clock.now());
    let page =
        organizations_store::LIST.page::<organizations_store::Listed>(&mut visit.portal.read().await?, None, &query, now, None).await?;
    Ok(Page::new("Organizations", move || pages::organizations(page, &query)).with_islands().into())
}

/// `/operator/organizations/{organization}?q=…`: the query is of its members.
///
/// # Errors
/// 404 where there is none.
pub async fn organization(visit: &Visit) -> Result<Answer, Failure> {
    let (query, now) = (asked(visit, &members::LIST), visit.portal.clock.now());
    let mut db = visit.portal.read().await?;
    let organization = actions::organization(&mut db, id(visit)).await?;
    let total = Some(organization.members_count);
    let page = members::LIST.page::<members::Row>(&mut db, organization.id.0, &query, now, total).await?;
    let waiting = invitations::waiting_in(&mut db, organization.id, now, INVITATIONS).await?;
    let servers = pmm::newest(&mut db, organization.id, SERVERS).await?;
    let connected = (servers, pmm::count(&mut db, organization.id).await?, tokens::count(&mut db, organization.id, now).await?);
    let customer = match customers_store::of_organization(&mut db, organization.id).await? {
        Some(customer) => {
            let entitlements = customers_actions::entitlements_of(&mut db, customer.id, &ListQuery::default(), now).await?;
            let contacts = customers_actions::contacts_of(&mut db, customer.id).await?;
            Some((customer, entitlements, contacts))
        }
        None => None,
    };
    let owner = tickets::owner(&mut db, organization.id).await?;
    let tickets = tickets::counted(&mut db, owner).await?;
    drop(db);
    let forms = forms(visit, "resume_organization").await?;
    let title = organization.name.clone();
    let look = OrganizationLook { organization, page, query, waiting, connected, customer, tickets };
    Ok(Page::new(title, move || pages::organization(look, forms)).with_islands().into())
}

/// `/operator/organizations/{organization}/suspend`
///
/// # Errors
/// 404 where there is none.
pub async fn suspend(visit: &Visit) -> Result<Answer, Failure> {
    let organization = actions::organization(&mut visit.portal.read().await?, id(visit)).await?;
    let forms = forms(visit, "suspend_organization").await?;
    Ok(Page::narrow("Suspend organization", move || pages::suspend(organization, forms)).into())
}

/// `/operator/accounts?q=…&state=…`
///
/// # Errors
/// The database's.
pub async fn accounts(visit: &Visit) -> Result<Answer, Failure> {
    let (query, now) = (asked(visit, &accounts_store::LIST), visit.portal.clock.now());
    let page = accounts_store::LIST.page::<accounts_store::Listed>(&mut visit.portal.read().await?, None, &query, now, None).await?;
    Ok(Page::new("Accounts", move || pages::accounts(page, &query, now)).with_islands().into())
}

/// `/operator/accounts/{account}`
///
/// # Errors
/// 404 where there is none.
pub async fn account(visit: &Visit) -> Result<Answer, Failure> {
    let now = visit.portal.clock.now();
    let mut db = visit.portal.read().await?;
    let account = actions::account(&mut db, id(visit)).await?;
    let is_operator = store::is_one(&mut db, account.id).await?;
    let membership = match members::of_account(&mut db, account.id).await? {
        Some((organization, member)) => {
            organizations_store::listed(&mut db, organization).await?.map(|organization| (organization, member))
        }
        None => None,
    };
    let factors = factors_actions::count(&mut db, account.id).await?;
    drop(db);
    let sessions = sessions::count(&visit.portal, account.id).await?;
    let (own, forms) = (account.id == visit.actor()?.account, forms(visit, "unlock_account").await?);
    let title = pages::name_of(&account);
    let look = pages::AccountLook { account, is_operator, own, membership, sessions, factors, now };
    Ok(Page::new(title, move || pages::account(look, forms)).with_islands().into())
}

/// `/operator/accounts/{account}/lock`
///
/// # Errors
/// 404 where there is none.
pub async fn lock(visit: &Visit) -> Result<Answer, Failure> {
    let account = actions::account(&mut visit.portal.read().await?, id(visit)).await?;
    let (forms, now) = (forms(visit, "lock_account").await?, visit.portal.clock.now());
    Ok(Page::narrow("Lock account", move || pages::lock(account, forms, now)).into())
}

/// `/operator/accounts/{account}/factors`
///
/// # Errors
/// 404 where there is none, or it has no second factor.
pub async fn factors(visit: &Visit) -> Result<Answer, Failure> {
    let mut db = visit.portal.read().await?;
    let account = actions::account(&mut db, id(visit)).await?;
    if factors_actions::count(&mut db, account.id).await? == 0 {
        return Ok(Answer::SeeOther(format!("/operator/accounts/{}", account.id)));
    }
    drop(db);
    let forms = forms(visit, "remove_factors").await?;
    Ok(Page::narrow("Remove second factors", move || pages::factors(account, forms)).into())
}

/// `/operator/audit?kind=…&person=…&organization=…&from=…&to=…`
///
/// # Errors
/// The database's.
pub async fn audit(visit: &Visit) -> Result<Answer, Failure> {
    let (query, now) = (activity::asked_of_all(&visit.query), visit.portal.clock.now());
    let mut db = visit.portal.read().await?;
    let page = activity::page_of_all(&mut db, &query, now).await?;
    let organization = match query.filter("organization").and_then(|id| id.parse().ok()) {
        Some(id) => organizations_store::get(&mut db, id).await?.map(|row| row.name),
        None => None,
    };
    let days = visit.portal.config.audit_days;
    Ok(Page::new("Audit log", move || pages::audit(page, &query, organization, now, days)).with_islands().into())
}

/// `/operator/audit.csv?…`: everything that the query asks for.
///
/// # Errors
/// None beyond the table's.
pub async fn export(visit: &Visit) -> Result<Answer, Failure> {
    Ok(activity::export_all(&visit.portal, &visit.query))
}

/// `/operator/imports`
///
/// # Errors
/// The database's.
pub async fn imports(visit: &Visit) -> Result<Answer, Failure> {
    let (query, now) = (asked(visit, &store::IMPORTS), visit.portal.clock.now());
    let page = store::IMPORTS.page::<store::Import>(&mut visit.portal.read().await?, None, &query, now, None).await?;
    Ok(Page::new("Imports", move || pages::imports(page, &query, now)).with_islands().into())
}

/// `/operator/imports/{import}`
///
/// # Errors
/// 404 where there is none.
pub async fn import(visit: &Visit) -> Result<Answer, Failure> {
    let id = id(visit).parse().map_err(|_| Refusal::NotFound)?;
    let (import, refusals) = store::import(&mut visit.portal.read().await?, id).await?.ok_or(Refusal::NotFound)?;
    let now = visit.portal.clock.now();
    Ok(Page::new(format!("Import of {}", import.source), move || pages::import(import, &refusals, now)).with_islands().into())
}

/// `/operator/outbox`
///
/// # Errors
/// The database's.
pub async fn outbox(visit: &Visit) -> Result<Answer, Failure> {
    let (query, now) = (asked(visit, &letters::DEAD), visit.portal.clock.now());
    let mut db = visit.portal.read().await?;
    let page = letters::DEAD.page::<letters::Dead>(&mut db, None, &query, now, None).await?;
    let (waiting, _) = letters::backlog(&mut db).await?;
    drop(db);
    let page = page.map(|row| actions::letter(&visit.portal, row));
    Ok(Page::new("Outbox", move || pages::outbox(page, &query, waiting)).with_islands().into())
}

/// `/operator/outbox/{letter}`
///
/// # Errors
/// 404 where it is not given up.
pub async fn letter(visit: &Visit) -> Result<Answer, Failure> {
    let id = id(visit).parse().map_err(|_| Refusal::NotFound)?;
    let row = letters::dead(&mut visit.portal.read().await?, id).await?.ok_or(Refusal::NotFound)?;
    let (letter, forms) = (actions::letter(&visit.portal, row), forms(visit, "retry_mail").await?);
    Ok(Page::narrow("Outbox", move || pages::letter(letter, forms)).with_islands().into())
}
