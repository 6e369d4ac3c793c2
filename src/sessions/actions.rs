//! The use cases of sessions.

use axum::http::{HeaderMap, request::Parts};
use leptos::prelude::use_context;
use serde_json::json;

use super::{
    SessionView, SignInForm, client, device, place,
    store::{self, Live, New},
};
use crate::{
    accounts::store as accounts,
    actor::{Actor, ActorKind, Caller, Credential, Method, Scopes, full_name},
    audit::{Action, Object},
    customers::actions as customers,
    db::Failure,
    factors::{self, actions::Second},
    form::{
        FieldErrors, Refusal, Unauthenticated,
        door::{cookie, cookie_name, set_cookie},
    },
    guard,
    identities::actions as identities,
    limits,
    mail::{Mail, Message},
    portal::{Portal, Unit},
    secrets::{self, Secret},
    visit,
    words::{AccountId, DAY, Email, MINUTE, SessionId, Timestamp},
};

/// The cookie with a session's secret.
pub const COOKIE: &str = "session";
/// The cookie that tells a browser in which somebody has signed in before.
const KNOWN_BROWSER: &str = "known_browser";

/// Who a request comes from, by its session's cookie. This is a use of the session.
///
/// # Errors
/// The database's.
pub async fn authenticate(portal: &Portal, headers: &HeaderMap) -> Result<Option<Actor>, Failure> {
    match visit::cookie(headers, &cookie_name(portal, COOKIE)) {
        Some(secret) => by_secret(portal, secret).await,
        None => Ok(None),
    }
}

/// The same by the session's secret, as programs send it.
///
/// # Errors
/// The database's.
pub async fn by_secret(portal: &Portal, secret: &str) -> Result<Option<Actor>, Failure> {
    let Some(live) = session(portal, secret).await? else { return Ok(None) };
    let now = portal.clock.now();
    if now.0 - live.last_seen_at.0 >= MINUTE {
        // Once a minute, and not on the way of the request.
        let (portal, id, account) = (portal.clone(), live.id, live.account_id);
        let tracker = portal.tasks.clone();
        tracker.spawn(async move {
            let touched = async {
                let mut tx = portal.db.begin().await?;
                store::touch(&mut tx, id, now, now.plus(portal.config.session_idle_minutes * MINUTE)).await?;
                crate::members::store::touch(&mut tx, account, now).await?;
                tx.commit().await
            };
            if let Err(error) = touched.await {
                tracing::debug!(%error, "a session's last use could not be noted");
            }
        });
    }
    Ok(Some(Actor::from(live)))
}

/// The same for what a browser does by itself: no use of the session, which ends in its time however long a page is
/// open.
///
/// # Errors
/// The database's.
pub async fn recognize(portal: &Portal, headers: &HeaderMap) -> Result<Option<Actor>, Failure> {
    match visit::cookie(headers, &cookie_name(portal, COOKIE)) {
        Some(secret) => Ok(session(portal, secret).await?.map(Actor::from)),
        None => Ok(None),
    }
}

/// Whether a session that was open still is, and whose it is now. No use of it, either.
///
/// # Errors
/// The database's.
pub async fn still(portal: &Portal, actor: &Actor) -> Result<Option<Actor>, Failure> {
    let Ok(session) = actor.session() else { return Ok(None) };
    Ok(store::live_by_id(&mut portal.read().await?, session, portal.clock.now()).await?.map(Actor::from))
}

async fn session(portal: &Portal, secret: &str) -> Result<Option<Live>, Failure> {
    Ok(store::live(&mut portal.read().await?, &secrets::hash(secret), portal.clock.now()).await?)
}

impl From<Live> for Actor {
    fn from(live: Live) -> Self {
        Self {
            account: live.account_id,
            email: live.email,
            first_name: live.first_name,
            last_name: live.last_name,
            credential: Credential::Session { id: live.id, authenticated_at: live.authenticated_at, methods: live.methods },
            scopes: Scopes::All,
            operator: live.operator,
        }
    }
}

/// A secret cookie of the browser that calls, inside a server function.
#[must_use]
pub fn browser_cookie(portal: &Portal, name: &str) -> Option<String> {
    let parts = use_context::<Parts>()?;
    visit::cookie(&parts.headers, &cookie_name(portal, name)).map(str::to_owned)
}

/// How a sign-in goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is a session.
    In,
    /// The account has a second factor, which is asked for now.
    SecondStep,
}

impl Next {
    /// Where it goes on, on the way to a place.
    #[must_use]
    pub fn place(self, to: &str) -> String {
        match self {
            Self::In => to.to_owned(),
            Self::SecondStep => {
                let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
                format!("{}?to={to}", factors::SECOND_STEP)
            }
        }
    }
}

/// Signs in with address and password. A wrong address costs the same time as a wrong password.
///
/// # Errors
/// 401 where the pair is wrong or, with the right pair, the account locked; 422 for empty fields, 429.
pub async fn sign_in(portal: &Portal, caller: &Caller, form: SignInForm) -> Result<Next, Refusal> {
    let account = identify(portal, caller, form, browser_cookie(portal, KNOWN_BROWSER).as_deref()).await?;
    finish(portal, caller, account, Method::Password).await
}

/// Finishes the first step of a sign-in in the browser that calls, inside a server function: [`arrive`], with its cookies set.
///
/// # Errors
/// 401 where the account is locked, 503 where the database is away.
pub async fn finish(portal: &Portal, caller: &Caller, account: AccountId, method: Method) -> Result<Next, Refusal> {
    in_browser(portal, caller, account, method, None).await
}

async fn needs_second_step(portal: &Portal, account: AccountId) -> Result<bool, Refusal> {
    let asked = async { factors::actions::has_one(&mut portal.read().await?, account).await };
    asked.await.map_err(|failure| portal.refuse(failure))
}

/// Signs a program in with address and password: the secret of its session goes to it, and into no cookie. A password is
/// all that a program can show; to an account with a second factor it opens nothing.
///
/// # Errors
/// As at the form.
pub async fn sign_in_program(portal: &Portal, caller: &Caller, form: SignInForm) -> Result<Option<Opened>, Refusal> {
    let account = identify(portal, caller, form, None).await?;
    if needs_second_step(portal, account).await? {
        note_failed_step(portal, caller, account, "program").await?;
        return Ok(None);
    }
    let opening = Opening { account, method: Method::Password, second: None, authenticated_at: None, browser: None, at_provider: None };
    open(portal, caller, opening).await.map(Some)
}

/// Whose a pair of address and password is.
async fn identify(portal: &Portal, caller: &Caller, form: SignInForm, browser: Option<&str>) -> Result<AccountId, Refusal> {
    let mut errors = FieldErrors::default();
    let email = errors.take("email", Email::parse(&form.email));
    errors.take("password", if form.password.is_empty() { Err("Enter your password") } else { Ok(()) });
    let (Some(email), true) = (email, errors.0.is_empty()) else { return Err(errors.into()) };
    identities::refuse_password(portal, &email)?;
    let account = check(portal, caller, &email, &form.password, browser).await.map_err(|failure| portal.refuse(failure))?;
    let why = match account {
        Checked::Right(account) => return Ok(account),
        Checked::Locked => Unauthenticated::Locked,
        Checked::Wrong => Unauthenticated::WrongCredentials,
    };
    note_failure(portal, caller, email, "").await?;
    Err(Refusal::Unauthenticated(why))
}

/// What comes of a pair of address and password.
enum Checked {
    /// It is right, and the account's.
    Right(AccountId),
    /// It is right, and the account is locked.
    Locked,
    /// It is wrong, or there is no such account.
    Wrong,
}

/// Asks whoever is signed in for the password once more, where it was last given too long ago for what operators do, and
/// notes it on the session, which gets another secret: whoever holds a copy of the old one has not given the password.
/// Attempts are counted with those at sign-in.
///
/// # Errors
/// 401 where a password is needed and none came, 422 where it is wrong, 429.
pub async fn prove(portal: &Portal, caller: &Caller, password: &str) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    let session = actor.session()?;
    let Credential::Session { authenticated_at, .. } = actor.credential else {
        return Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired));
    };
    if guard::is_proven(authenticated_at, portal.clock.now()) {
        return Ok(());
    }
    if password.is_empty() {
        return Err(Refusal::Unauthenticated(Unauthenticated::ProofRequired));
    }
    let browser = browser_cookie(portal, KNOWN_BROWSER);
    match check(portal, caller, &actor.email, password, browser.as_deref()).await.map_err(|failure| portal.refuse(failure))? {
        Checked::Right(account) if account == actor.account => {}
        Checked::Locked => return Err(Refusal::Unauthenticated(Unauthenticated::Locked)),
        Checked::Right(_) | Checked::Wrong => {
            portal.note(caller, Action::Prove, "wrong_password", Vec::new()).await;
            return Err(Refusal::field("password", "This is not your password"));
        }
    }
    // The form's key is for what is asked for, not for this.
    let caller = Caller { drawn: crate::form::Drawn::default(), ..caller.clone() };
    let secret = portal.random.secret();
    portal
        .write(&caller, Action::Prove, (actor, session, secret.hash()), |unit, (actor, session, token_hash)| {
            Box::pin(async move {
                let now = unit.now;
                if !store::prove(unit, actor.account, *session, token_hash, now).await? {
                    return Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired).into());
                }
                unit.audit(vec![Object::new("account", actor.account, actor.name())], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await?;
    set_cookie(&cookie(portal, COOKIE, secret.expose(), portal.config.session_days * 86_400));
    Ok(())
}

/// Looks at a pair. Attempts are counted before the password is looked at: from an address, and to an
/// account; browsers in which the account has signed in before are counted apart, so that a stranger cannot lock the
/// owner out.
async fn check(portal: &Portal, caller: &Caller, email: &Email, password: &str, browser: Option<&str>) -> Result<Checked, Failure> {
    limits::count(portal, "sign-in address", &caller.origin.address, portal.config.sign_in_address_rate).await?;
    let browser = browser.map(secrets::hash);
    let now = portal.clock.now();
    let (found, known, locked) = {
        let mut db = portal.read().await?;
        let found = accounts::password_by_email(&mut db, email).await?;
        // Where there is no account, the same is asked of nobody: time must not tell.
        let account = found.as_ref().map_or(AccountId(uuid::Uuid::nil()), |(account, _)| *account);
        let known = match &browser {
            Some(hash) => store::knows_browser(&mut db, account, hash, now).await?,
            None => false,
        };
        let locked = accounts::locked_until(&mut db, account).await?.is_some_and(|until| until > now);
        (found, known, locked)
    };
    let key = match (&browser, known) {
        (Some(hash), true) => format!("{} {hash:x?}", email.key()),
        _ => email.key(),
    };
    limits::count(portal, "sign-in", &key, portal.config.sign_in_rate).await?;
    let (account, hash) = found.map_or((None, None), |(account, hash)| (Some(account), hash));
    let mut right = portal.hasher.verify(password, hash).await?;
    if let (Some(account), true) = (account, right) {
        // A password that was printed is for the first sign-in.
        right = !guard::is_printed_and_over(&mut portal.read().await?, account, now).await?;
    }
    Ok(match account.filter(|_| right) {
        Some(_) if locked => Checked::Locked,
        Some(account) => Checked::Right(account),
        None => Checked::Wrong,
    })
}

/// Notes a failed sign-in in the audit log, whether or not there is an account; `step` is what failed of it after the
/// password, if anything.
async fn note_failure(portal: &Portal, caller: &Caller, email: Email, step: &'static str) -> Result<(), Refusal> {
    let caller = Caller { drawn: crate::form::Drawn::default(), ..caller.clone() };
    let noted: Result<(), Refusal> = portal
        .write(&caller, Action::SignInFailed, (email, step), |unit, (email, step)| {
            Box::pin(async move {
                let after = if step.is_empty() { json!(null) } else { json!({ "step": step }) };
                unit.audit(vec![Object::new("address", "", email.as_str())], json!(null), after).await?;
                Ok(())
            })
        })
        .await;
    noted
}

/// Notes that a sign-in failed after a right password: at which step.
///
/// # Errors
/// 503 where the database is away.
pub async fn note_failed_step(portal: &Portal, caller: &Caller, account: AccountId, step: &'static str) -> Result<(), Refusal> {
    let email = async { Ok::<_, Failure>(accounts::email(&mut portal.read().await?, account).await?) };
    match email.await.map_err(|failure| portal.refuse(failure))? {
        Some(email) => note_failure(portal, caller, email, step).await,
        None => Ok(()),
    }
}

/// By what attempts at an account are counted in the browser that calls: one in which the account has signed in before is
/// counted apart, so that a stranger cannot lock the owner out.
///
/// # Errors
/// The database's.
pub async fn counted_by(portal: &Portal, account: AccountId) -> Result<String, Failure> {
    if let Some(hash) = browser_cookie(portal, KNOWN_BROWSER).map(|secret| secrets::hash(&secret))
        && store::knows_browser(&mut portal.read().await?, account, &hash, portal.clock.now()).await?
    {
        return Ok(format!("{account} {hash:x?}"));
    }
    Ok(account.to_string())
}

/// Opens a session by a second factor in the browser that calls, inside a server function; the one it had ends.
///
/// # Errors
/// 401 where the first step is to be done again or the account is locked, 422 for a factor that was used meanwhile, 503.
pub async fn finish_by(portal: &Portal, caller: &Caller, account: AccountId, method: Method, second: Second) -> Result<(), Refusal> {
    in_browser(portal, caller, account, method, Some(second)).await.map(drop)
}

/// The end of a step inside a server function, which sets the cookies.
async fn in_browser(portal: &Portal, caller: &Caller, account: AccountId, method: Method, second: Option<Second>) -> Result<Next, Refusal> {
    let headers = use_context::<Parts>().map(|parts| parts.headers).unwrap_or_default();
    let arrival = Arrival { account, method, second, authenticated_at: None, headers: &headers };
    let (next, cookies) = arrive(portal, caller, arrival).await?;
    for cookie in cookies {
        set_cookie(&cookie);
    }
    Ok(next)
}

/// Somebody who has shown who they are, in a browser.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// Whose account.
    pub account: AccountId,
    /// By what.
    pub method: Method,
    /// By what else.
    pub second: Option<Second>,
    /// When, where that is not now.
    pub authenticated_at: Option<Timestamp>,
    /// What the browser sent along.
    pub headers: &'a HeaderMap,
}

/// The end of every step of a sign-in in a browser: opens the session and links what waits to be linked or, where the account
/// has a second factor that was not shown, goes on to ask for that. Gives the cookies.
///
/// # Errors
/// 401 where the account is locked or the first step is to be done again, 422 for a factor that was used meanwhile, 503 where
/// the database is away.
pub async fn arrive(portal: &Portal, caller: &Caller, arrival: Arrival<'_>) -> Result<(Next, Vec<String>), Refusal> {
    let Arrival { account, method, second, authenticated_at, headers } = arrival;
    if second.is_none() && needs_second_step(portal, account).await? {
        return Ok((Next::SecondStep, vec![factors::actions::begin_second_step(portal, account, method).await?]));
    }
    let known = visit::cookie(headers, &cookie_name(portal, KNOWN_BROWSER)).map(str::to_owned);
    let browser = known.unwrap_or_else(|| portal.random.secret().expose().to_owned());
    // What waits is linked by another proof than the provider's own.
    let at_provider = identities::browser(portal, headers).filter(|_| method != Method::Provider);
    let opening = Opening { account, method, second, authenticated_at, browser: Some(browser.clone()), at_provider };
    let opened = open(portal, caller, opening).await?;
    let cookies = vec![
        cookie(portal, COOKIE, opened.secret.expose(), portal.config.session_days * 86_400),
        cookie(portal, KNOWN_BROWSER, &browser, 365 * 86_400),
    ];
    Ok((Next::In, cookies))
}

/// A session that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Its id.
    pub id: SessionId,
    /// Its secret.
    pub secret: Secret,
    /// When it was opened.
    pub at: Timestamp,
    /// When it ends if it is not used.
    pub ends_at: Timestamp,
}

/// A session to be opened.
struct Opening {
    account: AccountId,
    method: Method,
    second: Option<Second>,
    /// When its holder showed who they are, where that is not now.
    authenticated_at: Option<Timestamp>,
    /// By what the browser is known from then on.
    browser: Option<String>,
    /// By what it is known that was at the provider.
    at_provider: Option<String>,
}

/// Opens a session for an account, in a browser that is known from then on or for a program; the one that the caller had
/// ends.
async fn open(portal: &Portal, caller: &Caller, opening: Opening) -> Result<Opened, Refusal> {
    let (account, method) = (opening.account, opening.method);
    let secret = portal.random.secret();
    let old = caller.actor.as_ref().and_then(|actor| Some((actor.account, actor.session().ok()?)));
    // The secret must not be kept, so this unit has no idempotency key: two sign-ins are two sessions.
    let caller = Caller { drawn: crate::form::Drawn::default(), ..caller.clone() };
    let more = opening.second.as_ref().map(Second::method).filter(|more| *more != method);
    let methods = more.map_or_else(|| method.name().to_owned(), |more| format!("{}+{}", method.name(), more.name()));
    let kept = methods.clone();
    let (id, at, ends_at): (SessionId, Timestamp, Timestamp) = portal
        .write(&caller, Action::SignIn, (opening, secret.hash(), old, methods), |unit, (opening, token_hash, old, methods)| {
            Box::pin(async move {
                let (Opening { account, second, .. }, now) = (opening, unit.now);
                // It was there when its password was looked at.
                unit.lock_account(*account).await?;
                factors::actions::admit(unit, *account, second.as_ref()).await?;
                if let Some((account, session)) = old {
                    store::delete(unit, *account, *session).await?;
                }
                let config = unit.portal.config.clone();
                let new = New {
                    token_hash: token_hash.clone(),
                    id: SessionId(unit.new_id()),
                    account: *account,
                    idle_expires_at: now.plus(config.session_idle_minutes * MINUTE),
                    absolute_expires_at: now.plus(config.session_days * DAY),
                    authenticated_at: opening.authenticated_at.unwrap_or(now),
                    methods: methods.clone(),
                    user_agent: unit.caller.origin.user_agent.clone(),
                    address: unit.caller.origin.address.clone(),
                };
                store::insert(unit, &new, now).await?;
                let row = accounts::get(unit, *account).await?;
                if let Some(browser) = &opening.browser {
                    let browser = secrets::hash(browser);
                    // Of the first browser of all, which is that of the sign-up, there is nothing to tell.
                    if store::count_browsers(unit, *account, now).await? > 0
                        && !store::knows_browser(unit, *account, &browser, now).await?
                        && let Some(row) = &row
                    {
                        let message = Message::NewBrowser { first_name: row.first_name.clone(), at: now, by: asked_by(unit) };
                        unit.mail(&Mail { to: row.email.clone(), message }).await?;
                    }
                    store::know_browser(unit, *account, &browser, now, now.plus(365 * DAY)).await?;
                }
                if let Some(browser) = &opening.at_provider {
                    identities::take_up(unit, *account, browser).await?;
                }
                crate::members::store::touch(unit, *account, now).await?;
                let name = row.map(|row| full_name(&row.first_name, &row.last_name)).unwrap_or_default();
                unit.audit(
                    vec![Object::new("account", account, name), Object::new("session", new.id, "")],
                    json!(null),
                    json!({ "method": methods }),
                )
                .await?;
                Ok((new.id, now, new.idle_expires_at.min(new.absolute_expires_at)))
            })
        })
        .await?;
    customers::welcome(portal, &caller, account, id, kept).await;
    Ok(Opened { id, secret, at, ends_at })
}

/// Uses one's session, and tells when it ends if it is not used again.
///
/// # Errors
/// 401 where it has ended, or one came with something else.
pub async fn refresh(portal: &Portal, actor: &Actor) -> Result<Timestamp, Failure> {
    let (session, now) = (actor.session()?, portal.clock.now());
    let mut tx = portal.db.begin().await?;
    store::touch(&mut tx, session, now, now.plus(portal.config.session_idle_minutes * MINUTE)).await?;
    let (idle, absolute) = store::ends(&mut tx, session).await?.ok_or(Refusal::Unauthenticated(Unauthenticated::SignInRequired))?;
    tx.commit().await?;
    Ok(idle.min(absolute))
}

/// Signs out. Who is not signed in is signed out already.
///
/// # Errors
/// 503 where the database is away.
pub async fn sign_out(portal: &Portal, caller: &Caller) -> Result<(), Refusal> {
    end_own(portal, caller).await?;
    set_cookie(&cookie(portal, COOKIE, "", 0));
    Ok(())
}

/// Ends the session that calls, where there is one.
///
/// # Errors
/// 503 where the database is away.
pub async fn end_own(portal: &Portal, caller: &Caller) -> Result<(), Refusal> {
    if let Ok(actor) = caller.actor() {
        portal
            .write(caller, Action::SignOut, (actor.account, actor.session()?, actor.name()), |unit, (account, session, name)| {
                Box::pin(async move {
                    store::delete(unit, *account, *session).await?;
                    unit.audit(
                        vec![Object::new("account", account, name.clone()), Object::new("session", session, "")],
                        json!(null),
                        json!(null),
                    )
                    .await?;
                    Ok(())
                })
            })
            .await?;
    }
    Ok(())
}

/// One's sessions, as seen from an address.
///
/// # Errors
/// The database's.
pub async fn list(portal: &Portal, actor: &Actor, here: &str) -> Result<Vec<SessionView>, Failure> {
    let rows = store::of_account(&mut portal.read().await?, actor.account, portal.clock.now()).await?;
    let mut sessions: Vec<SessionView> = rows
        .into_iter()
        .map(|row| SessionView {
            id: row.id,
            device: device(&row.user_agent),
            place: place(&row.address, here),
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            factors: in_words(&row.methods),
            own: row.id.0 == actor.credential_id(),
        })
        .collect();
    sessions.sort_by_key(|session| !session.own);
    Ok(sessions)
}

/// Several factors in words, or a passkey, which is two in one; nothing of one alone.
fn in_words(methods: &str) -> String {
    let methods: Vec<Method> = methods.split('+').filter_map(Method::parse).collect();
    let titles: Vec<&str> = methods.iter().map(|method| method.title()).collect();
    if titles.len() > 1 || methods == [Method::Passkey] { titles.join(" and ") } else { String::new() }
}

/// Notes that the holder of a session has shown another factor, in the unit that saw it.
///
/// # Errors
/// The database's.
pub async fn note_factor(unit: &mut Unit, account: AccountId, session: SessionId, method: Method) -> Result<(), sqlx::Error> {
    store::add_method(unit, account, session, method.name()).await
}

/// How many sessions an account has.
///
/// # Errors
/// The database's.
pub async fn count(portal: &Portal, account: AccountId) -> Result<i64, Failure> {
    Ok(store::count(&mut portal.read().await?, account, portal.clock.now()).await?)
}

/// Ends one of one's sessions.
///
/// # Errors
/// 404 where there is none of that id, or it is another's.
pub async fn end(portal: &Portal, caller: &Caller, session: SessionId) -> Result<(), Refusal> {
    let actor = caller.actor()?;
    portal
        .write(caller, Action::EndSession, (actor.account, session), |unit, (account, session)| {
            Box::pin(async move {
                if !store::delete(unit, *account, *session).await? {
                    return Err(Refusal::NotFound.into());
                }
                unit.audit(vec![Object::new("session", session, "")], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Ends all of one's other sessions.
///
/// # Errors
/// 503 where the database is away.
pub async fn end_all_others(portal: &Portal, caller: &Caller) -> Result<(), Refusal> {
    let actor = caller.actor()?;
    portal
        .write(caller, Action::EndOtherSessions, (actor.account, actor.session()?), |unit, (account, session)| {
            Box::pin(async move {
                let ended = end_others(unit, *account, *session).await?;
                unit.audit(vec![Object::new("account", account, "")], json!(null), json!({ "ended": ended })).await?;
                Ok(())
            })
        })
        .await
}

/// Signs the browser that calls out of an account that is gone, and takes away what it knew of it.
pub fn forget_browser(portal: &Portal) {
    for name in [COOKIE, KNOWN_BROWSER] {
        set_cookie(&cookie(portal, name, "", 0));
    }
}

/// With what and from where a unit was asked for, in words for a mail.
#[must_use]
pub fn asked_by(unit: &Unit) -> String {
    if unit.caller.kind == ActorKind::IdentitySystem {
        return "the identity system of the portal's operator".to_owned();
    }
    client(&unit.caller.origin.user_agent, &unit.caller.origin.address)
}

/// Ends all sessions of an account but one, and every sign-in that is half way, in a unit.
///
/// # Errors
/// The database's.
pub async fn end_others(unit: &mut Unit, account: AccountId, but: SessionId) -> Result<u64, sqlx::Error> {
    factors::store::end_halves(unit, account).await?;
    store::delete_others(unit, account, but).await
}

/// Ends every session of an account, and every sign-in that is half way, in a unit.
///
/// # Errors
/// The database's.
pub async fn end_all(unit: &mut Unit, account: AccountId) -> Result<u64, sqlx::Error> {
    factors::store::end_halves(unit, account).await?;
    store::delete_all(unit, account).await
}
