//! The use cases of the operator's identity system: accounts are made, changed, deactivated and ended, and nothing else.

use serde_json::{Value, json};

use super::{
    Problem, Query, REASON, Wanted,
    filter::{Filter, Key},
    is_among, patch,
    patch::Operation,
    resource, version,
};
use crate::{
    accounts::{
        actions as accounts,
        store::{self, Provisioned},
    },
    actor::{Caller, full_name},
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{Obstacle, Refusal},
    guard::Provisioning,
    members::actions as members,
    operator::{actions as operators, store as operator_store},
    portal::{Portal, Unit},
    sessions::actions as sessions,
    words::{AccountId, Email, LastName, Timestamp},
};

/// So many accounts are held against a filter at a time.
const BATCH: i64 = 1000;

/// An account as a resource.
#[must_use]
pub fn shown(portal: &Portal, account: &Provisioned) -> Value {
    resource(account, portal.clock.now(), &portal.config.base())
}

/// An account.
///
/// # Errors
/// 404.
pub async fn get(portal: &Portal, id: &str) -> Result<Provisioned, Failure> {
    let id: AccountId = id.parse().map_err(|_| Refusal::NotFound)?;
    Ok(store::provisioned(&mut portal.read().await?, id).await?.ok_or(Refusal::NotFound)?)
}

/// The accounts that a query asks for, the oldest first, and how many there are in all.
///
/// # Errors
/// The database's.
pub async fn list(portal: &Portal, query: &Query) -> Result<(i64, Vec<Value>), Failure> {
    let mut db = portal.read().await?;
    let Some(filter) = &query.filter else {
        let total = store::count(&mut db).await?;
        let page = if query.count > 0 { store::provisioned_page(&mut db, query.count, query.start - 1).await? } else { Vec::new() };
        return Ok((total, page.iter().map(|account| shown(portal, account)).collect()));
    };
    let mut page = Page { from: query.start, count: query.count, total: 0, resources: Vec::new() };
    if let Some(keys) = filter.keys() {
        for account in looked_up(&mut db, keys).await? {
            page.take(filter, shown(portal, &account));
        }
        return Ok((page.total, page.resources));
    }
    // Every account is held against it, a batch at a time: what identity systems ask for day by day has a key.
    let (mut at, mut id) = (Timestamp(i64::MIN), AccountId(uuid::Uuid::nil()));
    loop {
        let batch = store::provisioned_after(&mut db, at, id, BATCH).await?;
        for account in &batch {
            page.take(filter, shown(portal, account));
        }
        match batch.last() {
            Some(last) if batch.len() >= usize::try_from(BATCH).unwrap_or_default() => (at, id) = (last.created_at, last.id),
            _ => return Ok((page.total, page.resources)),
        }
    }
}

/// What of a list is shown.
struct Page {
    from: i64,
    count: i64,
    total: i64,
    resources: Vec<Value>,
}

impl Page {
    fn take(&mut self, filter: &Filter, resource: Value) {
        if filter.matches(&resource) {
            self.total += 1;
            if self.total >= self.from && self.total < self.from.saturating_add(self.count) {
                self.resources.push(resource);
            }
        }
    }
}

/// The accounts of keys, each once, the oldest first.
async fn looked_up(db: &mut impl Connected, keys: Vec<Key>) -> Result<Vec<Provisioned>, sqlx::Error> {
    let mut found: Vec<Provisioned> = Vec::new();
    for key in keys {
        let account = match key {
            // No text of the database holds one.
            Key::Email(text) | Key::External(text) if text.contains('\0') => None,
            Key::Email(key) => store::provisioned_by_email(db, &key).await?,
            Key::External(id) => store::provisioned_by_external_id(db, &id).await?,
            Key::Id(id) => match id.parse() {
                Ok(id) => store::provisioned(db, id).await?,
                Err(_) => None,
            },
        };
        found.extend(account.filter(|account| !found.iter().any(|known| known.id == account.id)));
    }
    found.sort_by_key(|account| (account.created_at, account.id.0));
    Ok(found)
}

/// Makes an account, without a password and in no organization. Its address counts as verified: the operator's identity
/// system says whose it is, and nothing but the mailbox or the operator's sign-in leads into it.
///
/// # Errors
/// 400, 409 where the address, or what the identity system calls it, is another's.
pub async fn create(portal: &Portal, caller: &Caller, wanted: Wanted) -> Result<Provisioned, Problem> {
    let made = portal
        .write(caller, Action::CreateAccount, wanted, |unit, wanted| {
            Box::pin(async move {
                let right = Provisioning::of(unit)?;
                let first_name = match wanted.first_name() {
                    Ok(name) => name,
                    Err(problem) => return Ok(Err(problem)),
                };
                let last_name = match &wanted.last_name {
                    Some(name) => name.clone(),
                    None => LastName::parse("").map_err(|message| Refusal::field("name.familyName", message))?,
                };
                let (id, now) = (AccountId(unit.new_id()), unit.now);
                if !store::insert(unit, id, &wanted.email, &first_name, &last_name, now).await? {
                    return Err(Obstacle::AddressTaken.into());
                }
                let name = full_name(first_name.as_str(), last_name.as_str());
                let after = json!({ "email": wanted.email.as_str(), "external_id": wanted.external_id });
                unit.audit(vec![Object::new("account", id, name)], json!(null), after).await?;
                if let Some(external_id) = &wanted.external_id {
                    is_free(unit, external_id).await?;
                    store::set_external_id(unit, &right, id, Some(external_id), now).await?;
                }
                let made = store::provisioned(unit, id).await?.ok_or(Refusal::NotFound)?;
                if wanted.active == Some(false) {
                    deactivate(unit, &right, &made).await?;
                }
                Ok(Ok(store::provisioned(unit, id).await?.ok_or(Refusal::NotFound)?))
            })
        })
        .await;
    made?
}

/// What is to become of an account.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is to be as this resource is.
    Whole(Value),
    /// These changes are made.
    Parts(Vec<Operation>),
}

/// Changes an account.
///
/// # Errors
/// 400, 404, 409, 412 where it is of none of the versions that are named.
pub async fn change(portal: &Portal, caller: &Caller, id: &str, change: Change, versions: Option<String>) -> Result<Provisioned, Problem> {
    let id: AccountId = id.parse().map_err(|_| Problem::not_found())?;
    let changed = portal
        .write(caller, Action::ProvisionAccount, (id, change, versions), |unit, (id, change, versions)| {
            Box::pin(async move {
                let right = Provisioning::of(unit)?;
                let account = held(unit, &right, *id, versions.as_deref()).await?;
                match wanted(unit, &account, change) {
                    Ok(wanted) => apply(unit, &right, account, &wanted).await?,
                    // Nothing is written yet.
                    Err(problem) => return Ok(Err(problem)),
                }
                Ok(Ok(store::provisioned(unit, *id).await?.ok_or(Refusal::NotFound)?))
            })
        })
        .await;
    changed?
}

/// An account under its lock, where it is of a version that is named.
async fn held(unit: &mut Unit, right: &Provisioning, id: AccountId, versions: Option<&str>) -> Result<Provisioned, Failure> {
    unit.lock_account_for(right, id).await?;
    let account = store::provisioned(unit, id).await?.ok_or(Refusal::NotFound)?;
    let is = resource(&account, unit.now, &unit.portal.config.base());
    match versions {
        Some(versions) if !is_among(version(&is), versions) => Err(Obstacle::ChangedMeanwhile.into()),
        _ => Ok(account),
    }
}

/// What an account is to be after a change.
fn wanted(unit: &Unit, account: &Provisioned, change: &Change) -> Result<Wanted, Problem> {
    match change {
        Change::Whole(resource) => Wanted::read(resource, Some(&account.email)),
        Change::Parts(operations) => {
            let mut resource = resource(account, unit.now, "");
            // What is not spoken of stays, whoever has locked the account.
            if let Some(members) = resource.as_object_mut() {
                members.remove("active");
            }
            patch::apply(&mut resource, operations)?;
            Wanted::read(&resource, Some(&account.email))
        }
    }
}

async fn apply(unit: &mut Unit, right: &Provisioning, account: Provisioned, wanted: &Wanted) -> Result<(), Failure> {
    let (id, now) = (account.id, unit.now);
    let name = full_name(&account.first_name, &account.last_name);
    let about = |name: &str| vec![Object::new("account", id, name)];
    if wanted.email.key() != account.email.key() {
        readdress(unit, &account, &wanted.email).await?;
    }
    let first_name = wanted.first_name.as_ref().filter(|first| first.as_str() != account.first_name);
    let last_name = wanted.last_name.as_ref().filter(|last| last.as_str() != account.last_name);
    if first_name.is_some() || last_name.is_some() {
        let parse = |message| Refusal::field("name", message);
        let first = match first_name {
            Some(name) => name.clone(),
            None => crate::words::FirstName::parse(&account.first_name).map_err(parse)?,
        };
        let last = match last_name {
            Some(name) => name.clone(),
            None => LastName::parse(&account.last_name).map_err(parse)?,
        };
        let after = accounts::set_name(unit, id, &first, &last).await?;
        unit.audit_as(Action::ChangeName, about(&after), json!({ "name": name }), json!({ "name": after })).await?;
    }
    if wanted.external_id != account.external_id {
        if let Some(external_id) = &wanted.external_id {
            is_free(unit, external_id).await?;
        }
        store::set_external_id(unit, right, id, wanted.external_id.as_deref(), now).await?;
        let (before, after) = (json!({ "external_id": account.external_id }), json!({ "external_id": wanted.external_id }));
        unit.audit_as(Action::ProvisionAccount, about(&name), before, after).await?;
    }
    match wanted.active {
        Some(false) if account.deactivated_at.is_none() || account.is_active(now) => deactivate(unit, right, &account).await,
        Some(true) if account.deactivated_at.is_some() => reactivate(unit, right, &account).await,
        _ => Ok(()),
    }
}

async fn is_free(unit: &mut Unit, external_id: &str) -> Result<(), Failure> {
    match store::provisioned_by_external_id(unit, external_id).await? {
        Some(_) => Err(Obstacle::ExternalIdTaken.into()),
        None => Ok(()),
    }
}

/// Gives an account another address, as when its owner confirms one. An operator's is theirs alone to change: whoever reads the
/// mail of an address can have the account.
async fn readdress(unit: &mut Unit, account: &Provisioned, email: &Email) -> Result<(), Failure> {
    let now = unit.now;
    if operator_store::is_one(unit, account.id).await? {
        return Err(Obstacle::OperatorsAddress.into());
    }
    if store::by_email(unit, email).await?.is_some() {
        return Err(Obstacle::AddressTaken.into());
    }
    accounts::set_address(unit, account.id, &account.first_name, &account.email, email).await?;
    store::void_email_changes(unit, account.id, now).await?;
    sessions::end_all(unit, account.id).await?;
    let about = vec![Object::new("account", account.id, full_name(&account.first_name, &account.last_name))];
    unit.audit_as(Action::ChangeEmail, about, json!({ "email": account.email.as_str() }), json!({ "email": email.as_str() })).await?;
    Ok(())
}

/// Locks an account as an operator does, and ends its tokens for good: who comes back begins anew.
async fn deactivate(unit: &mut Unit, right: &Provisioning, account: &Provisioned) -> Result<(), Failure> {
    let (id, now) = (account.id, unit.now);
    operators::keep_one(unit, id).await?;
    operators::tell_organization(unit, id).await?;
    store::deactivate(unit, right, id, REASON, now).await?;
    accounts::lock_out(unit, id).await?;
    store::void_resets(unit, id, now).await?;
    store::void_email_changes(unit, id, now).await?;
    let about = vec![Object::new("account", id, full_name(&account.first_name, &account.last_name))];
    unit.audit_as(Action::LockAccount, about, json!(null), json!({ "reason": REASON, "until": null })).await?;
    Ok(())
}

/// Takes back what [`deactivate`] did to whether the account may be used. An operator's lock stays.
async fn reactivate(unit: &mut Unit, right: &Provisioning, account: &Provisioned) -> Result<(), Failure> {
    let (id, now) = (account.id, unit.now);
    operators::tell_organization(unit, id).await?;
    store::reactivate(unit, right, id, now).await?;
    let about = vec![Object::new("account", id, full_name(&account.first_name, &account.last_name))];
    unit.audit_as(Action::UnlockAccount, about, json!({ "reason": REASON, "until": null }), json!(null)).await?;
    Ok(())
}

/// Ends an account, as when its owner does, but for an organization that would end with it.
///
/// # Errors
/// 404, 409 for the last Admin, the only member and the last operator, and in a suspended organization; 412.
pub async fn delete(portal: &Portal, caller: &Caller, id: &str, versions: Option<String>) -> Result<(), Problem> {
    let id: AccountId = id.parse().map_err(|_| Problem::not_found())?;
    let deleted = portal
        .write(caller, Action::DeleteAccount, (id, versions), |unit, (id, versions)| {
            Box::pin(async move {
                let right = Provisioning::of(unit)?;
                held(unit, &right, *id, versions.as_deref()).await?;
                operators::keep_one(unit, *id).await?;
                members::end_with_account_of_another(unit, *id).await?;
                accounts::end(unit, *id, None).await
            })
        })
        .await;
    Ok(deleted?)
}
