//! The use cases of operators.

use std::{convert::Infallible, time::Duration};

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{ActForm, FactorsForm, LockForm, Reason, SuspendForm, store};
use crate::{
    accounts::store as accounts,
    actor::{Caller, full_name},
    audit::{Action, Object},
    customers::Counts,
    db::{Connected, Failure, Tx},
    factors::actions as factors,
    form::{Conflict, FieldErrors, Obstacle, Refusal},
    guard,
    mail::Mail,
    oauth::actions as oauth,
    organizations::store as organizations,
    outbox::{self, Kind},
    portal::{Portal, Unit},
    sessions::actions as sessions,
    words::{AccountId, DAY, Email, FirstName, LastName, OrganizationId, Timestamp},
};

/// An operator, as the command names one.
#[derive(Clone, Debug)]
pub struct Named {
    /// The address.
    pub email: String,
    /// The name.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// The operators, the first one first.
///
/// # Errors
/// 503, 500.
pub async fn list(portal: &Portal) -> Result<Vec<Named>, Refusal> {
    let listed = async {
        let mut db = portal.read().await?;
        let mut named = Vec::new();
        for row in store::all(&mut db).await? {
            if let Some(account) = accounts::get(&mut db, row.account_id).await? {
                let name = full_name(&account.first_name, &account.last_name);
                named.push(Named { email: account.email.to_string(), name, since: row.created_at });
            }
        }
        Ok(named)
    };
    listed.await.map_err(|failure| portal.refuse(failure))
}

/// Makes an account an operator's; where the address has none, it is made with a random password, which is given, and its
/// address counts as verified. The operator has to choose another password before the console opens.
///
/// # Errors
/// 422 for the name, 409 where the account is an operator's already.
pub async fn create(portal: &Portal, email: Email, name: Option<String>) -> Result<Option<String>, Refusal> {
    let known = async { Ok::<_, Failure>(accounts::by_email(&mut portal.read().await?, &email).await?.is_some()) };
    if known.await.map_err(|failure| portal.refuse(failure))? {
        appoint(portal, email, None).await?;
        return Ok(None);
    }
    let name = name.unwrap_or_else(|| email.as_str().split('@').next().unwrap_or_default().to_owned());
    let (first, last) = name.trim().split_once(' ').unwrap_or((name.trim(), ""));
    let mut errors = FieldErrors::default();
    let (first, last) = (errors.take("name", FirstName::parse(first)), errors.take("name", LastName::parse(last)));
    let (Some(first), Some(last)) = (first, last) else { return Err(errors.into()) };
    let password = portal.random.secret().expose().to_owned();
    let hash = portal.hasher.hash(&password).await.map_err(|failure| portal.refuse(failure))?;
    appoint(portal, email, Some((first, last, hash))).await?;
    Ok(Some(password))
}

async fn appoint(portal: &Portal, email: Email, new: Option<(FirstName, LastName, String)>) -> Result<(), Refusal> {
    portal
        .write(&Caller::system(), Action::AddOperator, (email, new), |unit, (email, new)| {
            Box::pin(async move {
                let now = unit.now;
                let mut printed = None;
                if let Some((first, last, hash)) = new {
                    let (id, credential) = (AccountId(unit.new_id()), unit.new_id());
                    if !accounts::insert(unit, id, email, first, last, now).await? {
                        return Err(Conflict::AlreadySo.into());
                    }
                    accounts::set_password(unit, credential, id, hash, now).await?;
                    printed = Some(now);
                }
                let account = accounts::by_email(unit, email).await?.ok_or(Refusal::NotFound)?;
                if !store::insert(unit, account.id, printed, now).await? {
                    return Err(Conflict::AlreadySo.into());
                }
                let name = full_name(&account.first_name, &account.last_name);
                unit.audit(vec![Object::new("account", account.id, name)], json!(null), json!({ "email": email.as_str() })).await?;
                Ok(())
            })
        })
        .await
}

/// Takes the rights of an operator from an account, which stays.
///
/// # Errors
/// 404 where the address is no operator's.
pub async fn remove(portal: &Portal, email: Email) -> Result<(), Refusal> {
    portal
        .write(&Caller::system(), Action::RemoveOperator, email, |unit, email| {
            Box::pin(async move {
                let account = accounts::by_email(unit, email).await?.ok_or(Refusal::NotFound)?;
                // After this, no unit of theirs is at work that was let in before.
                match unit.lock_account(account.id).await {
                    Err(Failure::Refusal(_)) => {}
                    locked => locked?,
                }
                if !store::delete(unit, account.id).await? {
                    return Err(Refusal::NotFound.into());
                }
                let name = full_name(&account.first_name, &account.last_name);
                unit.audit(vec![Object::new("account", account.id, name)], json!({ "email": email.as_str() }), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Sees to it that the portal keeps an operator who can sign in when an account is locked or ends by somebody else's word than an
/// operator's: nobody else of them may become so until this unit ends.
///
/// # Errors
/// 409 where there would be none.
pub async fn keep_one(unit: &mut Unit, but: AccountId) -> Result<(), Failure> {
    if !store::is_one(unit, but).await? {
        return Ok(());
    }
    store::hold_all(unit).await?;
    let now = unit.now;
    for row in store::all(unit).await?.into_iter().filter(|row| row.account_id != but) {
        if accounts::locked_until(unit, row.account_id).await?.is_none_or(|until| until <= now) {
            return Ok(());
        }
    }
    Err(Obstacle::LastOperator.into())
}

/// Keeps an account in step with what the OpenID provider says of it at a sign-in: who is in the operators' group is one from
/// now on, and who is not any more is none, where it was the provider that had made them one. Whom the command line made an
/// operator stays one.
///
/// # Errors
/// 503 where the database is away.
pub async fn keep_in_step(portal: &Portal, account: AccountId, issuer: &str, in_group: bool) -> Result<(), Refusal> {
    let is = async { Ok::<_, Failure>(store::named_by(&mut portal.read().await?, account).await?) };
    let is = is.await.map_err(|failure| portal.refuse(failure))?;
    let due = match (&is, in_group) {
        (None, true) => Action::AddOperator,
        (Some(Some(by)), false) if by == issuer => Action::RemoveOperator,
        _ => return Ok(()),
    };
    portal
        .write(&Caller::system(), due, (account, issuer.to_owned(), in_group), |unit, (account, issuer, in_group)| {
            Box::pin(async move {
                let now = unit.now;
                // After this, no unit of theirs is at work that was let in before.
                match unit.lock_account(*account).await {
                    Err(Failure::Refusal(_)) => {}
                    locked => locked?,
                }
                let Some(person) = accounts::get(unit, *account).await? else { return Ok(()) };
                let changed = if *in_group {
                    store::insert_named_by(unit, *account, issuer, now).await?
                } else {
                    store::delete_named_by(unit, *account, issuer).await?
                };
                if changed {
                    let state = json!({ "email": person.email.as_str(), "named_by": issuer });
                    let (before, after) = if *in_group { (json!(null), state) } else { (state, json!(null)) };
                    unit.audit(vec![Object::new("account", account, full_name(&person.first_name, &person.last_name))], before, after)
                        .await?;
                }
                Ok(())
            })
        })
        .await
}

/// Locks an account: its sessions end, and whatever it had under way is done before or not at all. It stays a member. One
/// that is locked gets the new reason and end.
///
/// # Errors
/// 401 without the password where it is asked for, 404, 422 for the reason, the day, a wrong password, and one's own
/// account, 429.
pub async fn lock(portal: &Portal, caller: &Caller, form: LockForm) -> Result<AccountId, Refusal> {
    let account: AccountId = form.account.parse().map_err(|_| Refusal::NotFound)?;
    let mut errors = FieldErrors::default();
    let reason = errors.take("reason", Reason::parse(&form.reason));
    let until = errors.take("until", until(&form.until, portal.clock.now()));
    let (Some(reason), Some(until)) = (reason, until) else { return Err(errors.into()) };
    sessions::prove(portal, caller, &form.password).await?;
    portal
        .write(caller, Action::LockAccount, (account, reason, until), |unit, &(account, ref reason, until)| {
            Box::pin(async move {
                let operator = unit.operator().await?;
                if account == operator.account() {
                    return Err(FieldErrors::one("", "You cannot lock your own account").into());
                }
                unit.lock_account_for(&operator, account).await?;
                let row = accounts::listed(unit, account).await?.ok_or(Refusal::NotFound)?;
                tell_organization(unit, account).await?;
                let now = unit.now;
                accounts::lock(unit, &operator, account, until, reason.as_str(), now).await?;
                sessions::end_all(unit, account).await?;
                oauth::end_all(unit, account).await?;
                let objects = vec![Object::new("account", account, full_name(&row.first_name, &row.last_name))];
                let end = if until == Timestamp::NEVER { json!(null) } else { json!(until.rfc3339()) };
                unit.audit(objects, json!(null), json!({ "reason": reason.as_str(), "until": end })).await?;
                Ok(account)
            })
        })
        .await
}

/// The end of a lock: the end of a day in UTC, or never.
fn until(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    if text.trim().is_empty() {
        return Ok(Timestamp::NEVER);
    }
    let day = Timestamp::of_date(text.trim()).ok_or("Write the day as 2026-11-24, or leave it empty")?;
    let end = day.plus(DAY);
    if end > now { Ok(end) } else { Err("Choose a day that is not over") }
}

/// Puts what is done to an account into the log of the organization that it is in, which concerns it too.
///
/// # Errors
/// The database's.
pub async fn tell_organization(unit: &mut Unit, account: AccountId) -> Result<(), Failure> {
    if let Some(organization) = guard::organization_of(unit, account).await? {
        unit.acts_in(organization);
    }
    Ok(())
}

/// Unlocks an account.
///
/// # Errors
/// 401, 404, 409 where it is not locked, 422, 429.
pub async fn unlock(portal: &Portal, caller: &Caller, form: ActForm) -> Result<AccountId, Refusal> {
    let account: AccountId = form.id.parse().map_err(|_| Refusal::NotFound)?;
    sessions::prove(portal, caller, &form.password).await?;
    portal
        .write(caller, Action::UnlockAccount, account, |unit, &account| {
            Box::pin(async move {
                let operator = unit.operator().await?;
                unit.lock_account_for(&operator, account).await?;
                let row = accounts::listed(unit, account).await?.ok_or(Refusal::NotFound)?;
                let Some(until) = row.locked_until.filter(|until| *until > unit.now) else { return Err(Conflict::AlreadySo.into()) };
                tell_organization(unit, account).await?;
                let now = unit.now;
                accounts::unlock(unit, &operator, account, now).await?;
                let objects = vec![Object::new("account", account, full_name(&row.first_name, &row.last_name))];
                let end = if until == Timestamp::NEVER { json!(null) } else { json!(until.rfc3339()) };
                unit.audit(objects, json!({ "reason": row.lock_reason, "until": end }), json!(null)).await?;
                Ok(account)
            })
        })
        .await
}

/// Removes the second factors of an account whose owner has lost them: the password alone signs in again, sessions end, and
/// the owner is told by mail.
///
/// # Errors
/// 401, 404, 409 where it has none, 422, 429.
pub async fn remove_factors(portal: &Portal, caller: &Caller, form: FactorsForm) -> Result<AccountId, Refusal> {
    let account: AccountId = form.account.parse().map_err(|_| Refusal::NotFound)?;
    let reason = Reason::parse(&form.reason).map_err(|why| Refusal::field("reason", why))?;
    sessions::prove(portal, caller, &form.password).await?;
    portal
        .write(caller, Action::RemoveFactors, (account, reason), |unit, &(account, ref reason)| {
            Box::pin(async move {
                let operator = unit.operator().await?;
                unit.lock_account_for(&operator, account).await?;
                factors::remove_all(unit, account, reason.as_str()).await?;
                Ok(account)
            })
        })
        .await
}

/// The same by the command line, for the account of an address.
///
/// # Errors
/// 404 where the address has no account, 409 where that has none.
pub async fn remove_factors_of(portal: &Portal, email: Email, reason: Reason) -> Result<(), Refusal> {
    portal
        .write(&Caller::system(), Action::RemoveFactors, (email, reason), |unit, (email, reason)| {
            Box::pin(async move {
                let account = accounts::by_email(unit, email).await?.ok_or(Refusal::NotFound)?;
                match unit.lock_account(account.id).await {
                    // One that is locked can be helped, too.
                    Err(Failure::Refusal(_)) => {}
                    locked => locked?,
                }
                factors::remove_all(unit, account.id, reason.as_str()).await
            })
        })
        .await
}

/// Suspends an organization: its members see that and why, and nothing is written in it until it is opened again.
///
/// # Errors
/// 401, 404, 409 where it is suspended, 422, 429.
pub async fn suspend(portal: &Portal, caller: &Caller, form: SuspendForm) -> Result<OrganizationId, Refusal> {
    let organization: OrganizationId = form.organization.parse().map_err(|_| Refusal::NotFound)?;
    let reason = Reason::parse(&form.reason).map_err(|why| Refusal::field("reason", why))?;
    sessions::prove(portal, caller, &form.password).await?;
    close(portal, caller, Action::SuspendOrganization, organization, Some(reason)).await
}

/// Opens a suspended organization again, as it was.
///
/// # Errors
/// 401, 404, 409 where it is open, 422, 429.
pub async fn resume(portal: &Portal, caller: &Caller, form: ActForm) -> Result<OrganizationId, Refusal> {
    let organization: OrganizationId = form.id.parse().map_err(|_| Refusal::NotFound)?;
    sessions::prove(portal, caller, &form.password).await?;
    close(portal, caller, Action::ResumeOrganization, organization, None).await
}

async fn close(
    portal: &Portal,
    caller: &Caller,
    action: Action,
    organization: OrganizationId,
    reason: Option<Reason>,
) -> Result<OrganizationId, Refusal> {
    portal
        .write(caller, action, (organization, reason), |unit, &(organization, ref reason)| {
            Box::pin(async move {
                let operator = unit.operator().await?;
                let act = unit.operator_in(&operator, organization).await?;
                let row = organizations::listed(unit, organization).await?.ok_or(Refusal::NotFound)?;
                let (now, text) = (unit.now, reason.as_ref().map(Reason::as_str));
                if !organizations::suspend(unit, &act, text, now).await? {
                    return Err(Conflict::AlreadySo.into());
                }
                let state = |reason: Option<&str>| reason.map_or(json!(null), |reason| json!({ "reason": reason }));
                let objects = vec![Object::new("organization", organization, row.name.as_str())];
                unit.audit(objects, state(row.suspension_reason.as_deref()), state(text)).await?;
                Ok(organization)
            })
        })
        .await
}

/// Sends a mail, an event or a ticket on its way again that was given up: it is tried as often as a new one.
///
/// # Errors
/// 401, 404 where it is not given up, 422, 429.
pub async fn retry(portal: &Portal, caller: &Caller, form: ActForm) -> Result<(), Refusal> {
    let mail: Uuid = form.id.parse().map_err(|_| Refusal::NotFound)?;
    sessions::prove(portal, caller, &form.password).await?;
    portal
        .write(caller, Action::RetryMail, mail, |unit, &mail| {
            Box::pin(async move {
                let operator = unit.operator().await?;
                let row = outbox::dead(unit, mail).await?.ok_or(Refusal::NotFound)?;
                let now = unit.now;
                if !outbox::retry(unit, &operator, mail, now).await? {
                    return Err(Refusal::NotFound.into());
                }
                let kind = row.kind();
                unit.ring(kind);
                let objects = match kind {
                    Kind::Mail => vec![Object::new("address", "", recipient(&row.payload))],
                    Kind::Webhook | Kind::Desk => Vec::new(),
                };
                unit.audit(objects, json!({ "kind": kind.name(), "error": row.last_error }), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// To whom a mail goes that waits in the outbox; empty where this program cannot read it.
#[must_use]
pub fn recipient(payload: &str) -> String {
    serde_json::from_str::<Mail>(payload).map(|mail| mail.to.to_string()).unwrap_or_default()
}

/// Notes that an import begins; gives the id of the run.
///
/// # Errors
/// 503, 500.
pub async fn begin_import(portal: &Portal, source: &str) -> Result<Uuid, Refusal> {
    let noted = async {
        let (id, now) = (portal.random.id(portal.clock.now()), portal.clock.now());
        let mut tx = portal.db.begin().await?;
        store::begin_import(&mut tx, id, source, now).await?;
        tx.commit().await?;
        Ok(id)
    };
    noted.await.map_err(|failure: Failure| portal.refuse(failure))
}

/// How often a run of an import says that it is at work.
const BEAT: Duration = Duration::from_secs(15);

async fn beat(portal: &Portal, id: Uuid) -> Infallible {
    loop {
        let seen = async {
            let mut tx = portal.db.begin().await?;
            store::see_import(&mut tx, id, portal.clock.now()).await?;
            tx.commit().await
        };
        if let Err(error) = seen.await {
            tracing::debug!(%error, "an import could not say that it is at work");
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// Does the work of a run, which says meanwhile that it is at work: one that falls silent was cut off.
pub async fn at_import<T>(portal: &Portal, id: Uuid, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = beat(portal, id) => match never {},
    }
}

/// A record that an import did not take, or a field of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused<'r> {
    /// In which file; of a record that is in none, where it stands.
    pub file: &'r str,
    /// In which line, from 1; none where it is about the file as a whole.
    pub line: Option<u64>,
    /// Which field; `line` where the line could not be read at all, `file` where it is about the file.
    pub field: &'r str,
    /// Why.
    pub reason: &'r str,
}

/// What came of a run of an import.
#[derive(Debug, Default)]
pub struct Report {
    /// Of how many records, by kind.
    pub counts: Counts,
    /// How many fields were refused.
    pub refusals: u64,
    /// The first of them, for the console.
    kept: Vec<serde_json::Value>,
}

impl Report {
    /// How many refusals are kept for the console.
    const KEPT: usize = 1000;

    /// Notes what is wrong with a record; it is counted once, by `counts`.
    pub fn refuse(&mut self, refused: &Refused<'_>) {
        let Refused { file, line, field, reason } = refused;
        self.refusals += 1;
        if self.kept.len() < Self::KEPT {
            self.kept.push(json!({ "file": file, "line": line, "field": field, "reason": reason }));
        }
    }
}

/// Notes that a run ended, and what came of it.
///
/// # Errors
/// 503, 500.
pub async fn end_import(portal: &Portal, id: Uuid, report: &Report, failed: Option<&str>) -> Result<(), Refusal> {
    let noted = async {
        let mut tx = portal.db.begin().await?;
        end(portal, &mut tx, id, report, failed).await?;
        Ok(tx.commit().await?)
    };
    noted.await.map_err(|failure: Failure| portal.refuse(failure))
}

async fn end(portal: &Portal, tx: &mut Tx, id: Uuid, report: &Report, failed: Option<&str>) -> Result<(), Failure> {
    let (counts, refusals) = (json!(report.counts).to_string(), json!(report.kept).to_string());
    let refusals_count = i64::try_from(report.refusals).unwrap_or(i64::MAX);
    let ended = store::Ended { counts: &counts, refusals: &refusals, refusals_count, failed: failed.unwrap_or_default() };
    Ok(store::end_import(tx, id, ended, portal.clock.now()).await?)
}

/// The same for a run that comes every few minutes by itself, and is kept where it has news: something was added or
/// changed, or what was refused, or why it failed, is otherwise than the last time.
///
/// # Errors
/// 503, 500.
pub async fn end_import_with_news(portal: &Portal, id: Uuid, source: &str, report: &Report, failed: Option<&str>) -> Result<(), Refusal> {
    let noted = async {
        let mut tx = portal.db.begin().await?;
        let last = store::last_ended(&mut tx, source).await?.unwrap_or_else(|| (json!([]).to_string(), String::new()));
        let is = (json!(report.kept).to_string(), failed.unwrap_or_default().to_owned());
        if report.counts.added.is_empty() && report.counts.changed.is_empty() && is == last {
            store::drop_import(&mut tx, id).await?;
        } else {
            end(portal, &mut tx, id, report, failed).await?;
        }
        Ok(tx.commit().await?)
    };
    noted.await.map_err(|failure: Failure| portal.refuse(failure))
}

/// Forgets a run that was not begun after all.
///
/// # Errors
/// 503, 500.
pub async fn drop_import(portal: &Portal, id: Uuid) -> Result<(), Refusal> {
    let dropped = async {
        let mut tx = portal.db.begin().await?;
        store::drop_import(&mut tx, id).await?;
        tx.commit().await
    };
    dropped.await.map_err(|error| portal.refuse(error.into()))
}

/// An account of an id in an address.
///
/// # Errors
/// 404 where there is none.
pub async fn account(db: &mut impl Connected, id: &str) -> Result<accounts::Listed, Failure> {
    let id: AccountId = id.parse().map_err(|_| Refusal::NotFound)?;
    Ok(accounts::listed(db, id).await?.ok_or(Refusal::NotFound)?)
}

/// An organization of an id in an address.
///
/// # Errors
/// 404 where there is none.
pub async fn organization(db: &mut impl Connected, id: &str) -> Result<organizations::Listed, Failure> {
    let id: OrganizationId = id.parse().map_err(|_| Refusal::NotFound)?;
    Ok(organizations::listed(db, id).await?.ok_or(Refusal::NotFound)?)
}

/// What was given up of what was to leave, as operators see it: of what a mail says, the subject alone, because the rest may
/// hold the secret of a link.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its row.
    pub id: Uuid,
    /// What it is.
    pub kind: Kind,
    /// A mail's recipient; else empty.
    pub to: String,
    /// A mail's subject; else empty.
    pub subject: String,
    /// When it was to be sent first.
    pub created_at: Timestamp,
    /// When it was given up.
    pub dead_at: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it failed the last time.
    pub error: String,
}

/// A row of the outbox as a letter.
#[must_use]
pub fn letter(portal: &Portal, row: outbox::Dead) -> Letter {
    let kind = row.kind();
    let mail = (kind == Kind::Mail).then(|| serde_json::from_str::<Mail>(&row.payload).ok()).flatten();
    let subject = mail.as_ref().and_then(|mail| mail.message.render(&portal.config).ok()).map(|rendered| rendered.subject);
    Letter {
        id: row.id,
        kind,
        to: mail.map(|mail| mail.to.to_string()).unwrap_or_default(),
        subject: subject.unwrap_or_default(),
        created_at: row.created_at,
        dead_at: row.dead_at,
        attempts: row.attempts,
        error: row.last_error.unwrap_or_default(),
    }
}
