//! The use cases of signing in by the operator's OpenID provider.

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    IdentityView, Linked, Offered, Trouble, Way,
    store::{self, Identity, UnderWay},
};
use crate::{
    accounts::{self, SignUp, actions as sign_ups, store::Account},
    actor::{Actor, Caller, Method, full_name},
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{
        Conflict, Drawn, Refusal, Unauthenticated,
        door::{cookie, cookie_name},
        is_own_path,
    },
    guard, limits,
    mail::{Mail, Message},
    openid::{Begins, Error, Person, Provider},
    operator::actions as operators,
    portal::{Portal, Unit},
    secrets,
    sessions::actions::{self as sessions, Arrival},
    visit,
    words::{AccountId, Email, FirstName, IdentityId, LastName, MINUTE, SECOND, Timestamp},
};

/// The page at which a sign-in by the provider begins.
pub const START: &str = "/sign-in/provider";
/// The cookie by which a browser that is at the provider is known again.
const COOKIE: &str = "provider";
/// For how long somebody may be at the provider, and an identity waits to be linked.
const LASTS: i64 = 10 * MINUTE;

/// The way to the provider, where one is configured: to a page of the portal's own, as somebody, and signing in there anew.
#[must_use]
pub fn way(portal: &Portal, to: Option<&str>, email: &str, anew: bool) -> Option<Way> {
    portal.provider.as_ref()?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("to", to.unwrap_or_default()), ("email", email), ("again", if anew { "yes" } else { "" })] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    let address = if query.is_empty() { START.to_owned() } else { format!("{START}?{query}") };
    Some(Way { name: portal.config.oidc_name.clone(), address })
}

/// Refuses what asks for a password, or is to make one, for an address that signs in by the provider alone. It says nothing
/// of accounts: only the domain is looked at.
///
/// # Errors
/// 422 beside the address.
pub fn refuse_password(portal: &Portal, email: &Email) -> Result<(), Refusal> {
    match portal.config.provider_of(email) {
        Some(name) => Err(Refusal::field("email", format!("Addresses of this domain sign in with {name}. Use its button"))),
        None => Ok(()),
    }
}

/// The secret by which a browser is known that is, or was just now, at the provider.
#[must_use]
pub fn browser(portal: &Portal, headers: &HeaderMap) -> Option<String> {
    visit::cookie(headers, &cookie_name(portal, COOKIE)).filter(|secret| secret.len() == 43).map(str::to_owned)
}

/// What is shown with the code and what stands in the ID token: made of two secrets of which the database has hashes, so
/// that nothing in it helps anybody to end a sign-in.
fn derived(what: &str, browser: &str, state: &str) -> String {
    secrets::fingerprint(format!("{what}\n{browser}\n{state}"))
}

/// Where somebody who wants to sign in by the provider is sent, and with which cookie.
#[derive(Debug)]
pub struct Begun {
    /// The provider's address.
    pub address: String,
    /// The cookie.
    pub cookie: String,
}

/// Begins a sign-in. `to` is where the person wants to go, `hint` whom they say they are.
///
/// # Errors
/// 404 where there is no provider, 429; the inner one where the provider is in the way.
pub async fn begin(
    portal: &Portal,
    caller: &Caller,
    headers: &HeaderMap,
    to: &str,
    hint: &str,
    anew: bool,
) -> Result<Result<Begun, Trouble>, Failure> {
    let provider = portal.provider.as_ref().ok_or(Refusal::NotFound)?;
    limits::count(portal, "sign-in address", &caller.origin.address, portal.config.sign_in_address_rate).await?;
    // Of several tabs each has its own state, and all the same browser.
    let browser = browser(portal, headers).unwrap_or_else(|| portal.random.secret().expose().to_owned());
    let (state, now) = (portal.random.secret(), portal.clock.now());
    let (nonce, verifier) = (derived("nonce", &browser, state.expose()), derived("verifier", &browser, state.expose()));
    let begins = Begins { state: state.expose(), nonce: &nonce, verifier: &verifier, anew, hint };
    let address = match provider.address(begins, now).await {
        Ok(address) => address,
        Err(error) => return Ok(Err(trouble(&error))),
    };
    let page = if is_own_path(to) { to.to_owned() } else { String::new() };
    let mut tx = portal.db.begin().await?;
    let under_way = UnderWay { page, anew, created_at: now };
    store::begin(&mut tx, &state.hash(), &secrets::hash(&browser), &under_way, now.plus(LASTS)).await?;
    tx.commit().await?;
    // As long as what it may be needed for: an identity may wait to be linked after the way back.
    let cookie = cookie(portal, COOKIE, &browser, 2 * LASTS / SECOND);
    Ok(Ok(Begun { address, cookie }))
}

/// What the operator reads of it, and what the person is told.
fn trouble(error: &Error) -> Trouble {
    tracing::warn!(%error, "a sign-in by the OpenID provider came to nothing");
    match error {
        Error::Away(_) => Trouble::Away,
        Error::Wrong(_) => Trouble::Wrong,
    }
}

/// What the provider sends somebody back with.
#[derive(Debug, Default)]
pub struct Came {
    /// What went out with them.
    pub state: String,
    /// For the portal to exchange.
    pub code: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// Who sends them.
    pub issuer: Option<String>,
}

/// How somebody goes on who came back.
#[derive(Debug)]
pub enum Arrived {
    /// Signed in, or as far as the second step, to this page, with these cookies.
    In(String, Vec<String>),
    /// To the sign-in page: the account with this address has to be shown to be theirs. It leads on to this page.
    Offered(String),
    /// Not.
    Not(Trouble, String),
}

/// Ends a sign-in: who comes back with a code is found out, and signed in.
///
/// # Errors
/// 404 where there is no provider, 429; the database's.
pub async fn arrive(portal: &Portal, caller: &Caller, headers: &HeaderMap, came: Came) -> Result<Arrived, Failure> {
    let provider = portal.provider.as_ref().ok_or(Refusal::NotFound)?;
    // What arrives was drawn by nobody.
    let caller = &Caller { drawn: Drawn::default(), ..caller.clone() };
    limits::count(portal, "sign-in address", &caller.origin.address, portal.config.sign_in_address_rate).await?;
    let Some(browser) = browser(portal, headers) else { return Ok(Arrived::Not(Trouble::Over, String::new())) };
    let under_way = {
        let mut tx = portal.db.begin().await?;
        let ended = store::end(&mut tx, &secrets::hash(&came.state), &secrets::hash(&browser), portal.clock.now()).await?;
        tx.commit().await?;
        ended
    };
    let Some(under_way) = under_way else { return Ok(Arrived::Not(Trouble::Over, String::new())) };
    let person = match identify(provider, portal, &browser, &came, &under_way).await {
        Ok(person) => person,
        Err(trouble) => {
            portal.note(caller, Action::SignInFailed, trouble.code(), Vec::new()).await;
            return Ok(Arrived::Not(trouble, under_way.page));
        }
    };
    let at = person.authenticated_at;
    let in_group = !portal.config.oidc_operator_group.is_empty() && person.groups.contains(&portal.config.oidc_operator_group);
    let input = Resolving { person, browser_hash: secrets::hash(&browser) };
    let resolved = portal.write(caller, Action::LinkIdentity, input, |unit, input| Box::pin(resolve(unit, input))).await?;
    let account = match resolved {
        Resolved::Account(account) => account,
        Resolved::Offered => return Ok(Arrived::Offered(under_way.page)),
        Resolved::Unverified => {
            portal.note(caller, Action::SignInFailed, Trouble::Unverified.code(), Vec::new()).await;
            return Ok(Arrived::Not(Trouble::Unverified, under_way.page));
        }
    };
    operators::keep_in_step(portal, account, provider.issuer(), in_group).await?;
    // Without its word for it, nobody is taken to have shown anything just now: it may have known the browser for weeks.
    let authenticated_at = Some(at.unwrap_or_else(|| portal.clock.now().plus(-guard::PROOF)));
    let arrival = Arrival { account, method: Method::Provider, second: None, authenticated_at, headers };
    match sessions::arrive(portal, caller, arrival).await {
        Ok((next, cookies)) => {
            let page = if under_way.page.is_empty() { "/getting-started" } else { under_way.page.as_str() };
            Ok(Arrived::In(next.place(page), cookies))
        }
        Err(Refusal::Unauthenticated(Unauthenticated::Locked)) => Ok(Arrived::Not(Trouble::Locked, under_way.page)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Who came back, as far as the provider can be believed.
async fn identify(provider: &Provider, portal: &Portal, browser: &str, came: &Came, under_way: &UnderWay) -> Result<Person, Trouble> {
    let now = portal.clock.now();
    provider.check_issuer(came.issuer.as_deref(), now).await.map_err(|error| trouble(&error))?;
    let code = match (&came.code, came.error.as_deref()) {
        (Some(code), None) => code,
        (_, Some("access_denied" | "login_required" | "interaction_required" | "consent_required" | "account_selection_required")) => {
            return Err(Trouble::Denied);
        }
        (_, Some("temporarily_unavailable" | "server_error")) => return Err(Trouble::Away),
        (_, error) => {
            let error: String = error.unwrap_or("no code").chars().filter(char::is_ascii_graphic).take(50).collect();
            return Err(trouble(&Error::Wrong(format!("it answered {error}"))));
        }
    };
    let (nonce, verifier) = (derived("nonce", browser, &came.state), derived("verifier", browser, &came.state));
    let person = provider.person(code, &verifier, &nonce, now).await.map_err(|error| trouble(&error))?;
    if under_way.anew && person.authenticated_at.is_none_or(|at| at.plus(MINUTE) < under_way.created_at) {
        tracing::warn!("the OpenID provider does not say that somebody signed in anew (auth_time)");
        return Err(Trouble::NotAnew);
    }
    Ok(person)
}

struct Resolving {
    person: Person,
    browser_hash: Vec<u8>,
}

/// Whose an identity is.
#[derive(Debug, Serialize, Deserialize)]
enum Resolved {
    Account(AccountId),
    Offered,
    Unverified,
}

/// Finds the account of an identity, makes it, or has its owner asked.
async fn resolve(unit: &mut Unit, came: &Resolving) -> Result<Resolved, Failure> {
    let (person, now) = (&came.person, unit.now);
    let email = person.email.as_ref();
    let identity = Identity {
        issuer: person.issuer.clone(),
        subject: person.subject.clone(),
        email: email.map(ToString::to_string).unwrap_or_default(),
    };
    // Somebody else may make the same account meanwhile, such as the same person in another tab.
    for _ in 0..2 {
        // The address first: whose identity is found after it was made with its account meanwhile.
        let known = match email {
            Some(email) => accounts::store::by_email(unit, email).await?,
            None => None,
        };
        if let Some(account) = store::account(unit, &identity.issuer, &identity.subject).await? {
            store::touch(unit, &identity, now).await?;
            return Ok(Resolved::Account(account));
        }
        let Some(email) = email.filter(|_| person.email_verified) else { return Ok(Resolved::Unverified) };
        let Some(account) = known else {
            let (first_name, last_name) = names(person, email)?;
            let sign_up = SignUp { email: email.clone(), first_name, last_name };
            match sign_ups::create(unit, &sign_up, None).await? {
                Some(id) => {
                    let (first_name, last_name) = (sign_up.first_name.to_string(), sign_up.last_name.to_string());
                    link(unit, &Account { id, email: email.clone(), first_name, last_name }, &identity).await?;
                    return Ok(Resolved::Account(id));
                }
                None => continue,
            }
        };
        if unit.portal.config.provider_of(email).is_some() {
            link(unit, &account, &identity).await?;
            return Ok(Resolved::Account(account.id));
        }
        store::offer(unit, &came.browser_hash, &identity, email, now.plus(LASTS)).await?;
        return Ok(Resolved::Offered);
    }
    Err(Conflict::AlreadySo.into())
}

/// A person's names, as far as the portal takes them; else what stands before the @ of the address.
fn names(person: &Person, email: &Email) -> Result<(FirstName, LastName), Refusal> {
    let before = email.as_str().split('@').next().unwrap_or_default();
    let first_name = FirstName::parse(&person.first_name).or_else(|_| FirstName::parse(before));
    let last_name = LastName::parse(&person.last_name).or_else(|_| LastName::parse(""));
    first_name.and_then(|first| Ok((first, last_name?))).map_err(|message| Refusal::field("first_name", message))
}

/// Links an identity, in place of one that the account has of the same provider, and tells the owner.
async fn link(unit: &mut Unit, account: &Account, identity: &Identity) -> Result<(), Failure> {
    let (id, now) = (IdentityId(unit.new_id()), unit.now);
    let replaced = store::delete_of(unit, account.id, &identity.issuer).await?;
    if !store::insert(unit, id, account.id, identity, now).await? {
        return Err(Conflict::AlreadySo.into());
    }
    tell(unit, account, &identity.issuer, true).await?;
    let state = |identity: &Identity| json!({ "issuer": identity.issuer, "subject": identity.subject, "email": identity.email });
    unit.audit_as(
        Action::LinkIdentity,
        vec![
            Object::new("account", account.id, full_name(&account.first_name, &account.last_name)),
            Object::new("identity", id, name_of(&unit.portal.clone(), &identity.issuer)),
        ],
        replaced.as_ref().map_or(json!(null), state),
        state(identity),
    )
    .await?;
    Ok(())
}

async fn tell(unit: &mut Unit, account: &Account, issuer: &str, linked: bool) -> Result<(), Failure> {
    let provider = name_of(&unit.portal, issuer);
    let (at, by) = (unit.now, sessions::asked_by(unit));
    let message = Message::Identity { first_name: account.first_name.clone(), provider, linked, at, by };
    unit.mail(&Mail { to: account.email.clone(), message }).await
}

/// What a provider is called.
fn name_of(portal: &Portal, issuer: &str) -> String {
    match &portal.config.oidc_issuer {
        Some(configured) if configured == issuer => portal.config.oidc_name.clone(),
        _ => issuer.trim_start_matches("https://").trim_end_matches('/').to_owned(),
    }
}

/// Links the identity that waits in a browser to the account that has just been shown to be its owner's, in the unit of that
/// sign-in; none where none waits, or not for this account's address.
///
/// # Errors
/// The database's.
pub async fn take_up(unit: &mut Unit, account: AccountId, browser: &str) -> Result<(), Failure> {
    let now = unit.now;
    let Some(account) = accounts::store::get(unit, account).await? else { return Ok(()) };
    let Some(identity) = store::take_offer(unit, &secrets::hash(browser), &account.email, now).await? else { return Ok(()) };
    // It may have been linked meanwhile, to this account or another one; the sign-in is none the worse for it.
    match store::account(unit, &identity.issuer, &identity.subject).await? {
        Some(_) => Ok(()),
        None => link(unit, &account, &identity).await,
    }
}

/// The identity that waits in a browser to be linked.
///
/// # Errors
/// The database's.
pub async fn offered(portal: &Portal, headers: &HeaderMap) -> Result<Option<Offered>, Failure> {
    let Some(browser) = browser(portal, headers) else { return Ok(None) };
    let email = store::offered(&mut portal.read().await?, &secrets::hash(&browser), portal.clock.now()).await?;
    Ok(email.map(|email| Offered { name: portal.config.oidc_name.clone(), email }))
}

/// Whether an identity of an account may go: there is a password, and the address may sign in with it.
async fn is_unlinkable(db: &mut impl Connected, portal: &Portal, account: AccountId, email: &Email) -> Result<bool, sqlx::Error> {
    Ok(portal.config.provider_of(email).is_none() && accounts::store::password(db, account).await?.is_some())
}

/// How somebody's account is linked; `drawn` makes what each form carries.
///
/// # Errors
/// The database's.
pub async fn linked(portal: &Portal, actor: &Actor, drawn: impl Fn() -> Drawn) -> Result<Linked, Failure> {
    let mut db = portal.read().await?;
    let rows = store::of_account(&mut db, actor.account).await?;
    let unlinkable = is_unlinkable(&mut db, portal, actor.account, &actor.email).await?;
    let has_it = rows.iter().any(|row| Some(&row.issuer) == portal.config.oidc_issuer.as_ref());
    let identities = rows.into_iter().map(|row| IdentityView {
        id: row.id,
        provider: name_of(portal, &row.issuer),
        email: row.email,
        linked_at: row.linked_at,
        signed_in_at: row.signed_in_at,
        drawn: drawn(),
    });
    let way = if has_it { None } else { way(portal, Some("/account"), actor.email.as_str(), false) };
    Ok(Linked { identities: identities.collect(), unlinkable, way })
}

/// What was linked to an account since a moment, by the addresses at the provider.
///
/// # Errors
/// The database's.
pub async fn linked_since(db: &mut impl Connected, account: AccountId, since: Timestamp) -> Result<Vec<String>, Failure> {
    Ok(store::linked_since(db, account, since).await?.into_iter().map(|(email,)| email).collect())
}

/// Unlinks it, in a unit.
///
/// # Errors
/// The database's.
pub async fn unlink_since(unit: &mut Unit, account: AccountId, since: Timestamp) -> Result<(), Failure> {
    store::delete_since(unit, account, since).await?;
    Ok(())
}

/// Unlinks one of one's identities, and tells the owner.
///
/// # Errors
/// 404 where there is none of that id, or it is another's; 409 where it is the only way in.
pub async fn unlink(portal: &Portal, caller: &Caller, identity: IdentityId) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    actor.session()?;
    portal
        .write(caller, Action::UnlinkIdentity, (actor, identity), |unit, (actor, identity)| {
            Box::pin(async move {
                let portal = unit.portal.clone();
                let gone = store::delete(unit, actor.account, *identity).await?.ok_or(Refusal::NotFound)?;
                // As it is now: it may have been changed since this request was let in.
                let account = accounts::store::get(unit, actor.account).await?.ok_or(Refusal::NotFound)?;
                if !is_unlinkable(unit, &portal, actor.account, &account.email).await? {
                    return Err(Conflict::OnlyWayIn.into());
                }
                tell(unit, &account, &gone.issuer, false).await?;
                unit.audit(
                    vec![
                        Object::new("account", actor.account, actor.name()),
                        Object::new("identity", identity, name_of(&portal, &gone.issuer)),
                    ],
                    json!({ "issuer": gone.issuer, "subject": gone.subject, "email": gone.email }),
                    json!(null),
                )
                .await?;
                Ok(())
            })
        })
        .await
}
