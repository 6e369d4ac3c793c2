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
    actor::{Actor, Caller, Credential, Method, Scopes, full_name},
    audit::{Action, Object},
    customers::actions as customers,
    db::Failure,
    form::{
        FieldErrors, Refusal, Unauthenticated,
        door::{cookie, cookie_name, set_cookie},
    },
    guard, limits,
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

/// Signs in with address and password. A wrong address costs the same time as a wrong password.
///
/// # Errors
/// 401 where the pair is wrong or, with the right pair, the account locked; 422 for empty fields, 429.
pub async fn sign_in(portal: &Portal, caller: &Caller, form: SignInForm) -> Result<(), Refusal> {
    let account = identify(portal, caller, form, browser_cookie(portal, KNOWN_BROWSER).as_deref()).await?;
    open_in_browser(portal, caller, account, Method::Password).await
}

/// Signs a program in with address and password: the secret of its session goes to it, and into no cookie. A password is
/// all that a program can show.
///
/// # Errors
/// As at the form.
pub async fn sign_in_program(portal: &Portal, caller: &Caller, form: SignInForm) -> Result<Opened, Refusal> {
    let account = identify(portal, caller, form, None).await?;
    open(portal, caller, account, Method::Password, None).await
}

/// Whose a pair of address and password is.
async fn identify(portal: &Portal, caller: &Caller, form: SignInForm, browser: Option<&str>) -> Result<AccountId, Refusal> {
    let mut errors = FieldErrors::default();
    let email = errors.take("email", Email::parse(&form.email));
    errors.take("password", if form.password.is_empty() { Err("Enter your password") } else { Ok(()) });
    let (Some(email), true) = (email, errors.0.is_empty()) else { return Err(errors.into()) };
    let account = check(portal, caller, &email, &form.password, browser).await.map_err(|failure| portal.refuse(failure))?;
    let why = match account {
        Checked::Right(account) => return Ok(account),
        Checked::Locked => Unauthenticated::Locked,
        Checked::Wrong => Unauthenticated::WrongCredentials,
    };
    note_failure(portal, caller, email).await?;
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
/// notes it on the session. Attempts are counted with those at sign-in.
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
    portal
        .write(&caller, Action::Prove, (actor, session), |unit, (actor, session)| {
            Box::pin(async move {
                let now = unit.now;
                if !store::prove(unit, actor.account, *session, now).await? {
                    return Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired).into());
                }
                unit.audit(vec![Object::new("account", actor.account, actor.name())], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
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
        let known = match (&found, &browser) {
            (Some((account, _)), Some(hash)) => store::knows_browser(&mut db, *account, hash, now).await?,
            _ => false,
        };
        let locked = match &found {
            Some((account, _)) => accounts::locked_until(&mut db, *account).await?.is_some_and(|until| until > now),
            None => false,
        };
        (found, known, locked)
    };
    let key = match (&browser, known) {
        (Some(hash), true) => format!("{} {hash:x?}", email.key()),
        _ => email.key(),
    };
    limits::count(portal, "sign-in", &key, portal.config.sign_in_rate).await?;
    let (account, hash) = found.map_or((None, None), |(account, hash)| (Some(account), hash));
    let right = portal.hasher.verify(password, hash).await?;
    Ok(match account.filter(|_| right) {
        Some(_) if locked => Checked::Locked,
        Some(account) => Checked::Right(account),
        None => Checked::Wrong,
    })
}

/// Notes a failed sign-in in the audit log, whether or not there is an account.
async fn note_failure(portal: &Portal, caller: &Caller, email: Email) -> Result<(), Refusal> {
    let noted: Result<(), Refusal> = portal
        .write(&Caller { drawn: crate::form::Drawn::default(), ..caller.clone() }, Action::SignInFailed, email, |unit, email| {
            Box::pin(async move {
                unit.audit(vec![Object::new("address", "", email.as_str())], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await;
    noted
}

/// Opens a session for an account in the browser that calls; the one it had ends.
///
/// # Errors
/// 503 where the database is away.
pub async fn open_in_browser(portal: &Portal, caller: &Caller, account: AccountId, method: Method) -> Result<(), Refusal> {
    let browser = browser_cookie(portal, KNOWN_BROWSER).unwrap_or_else(|| portal.random.secret().expose().to_owned());
    let opened = open(portal, caller, account, method, Some(&browser)).await?;
    set_cookie(&cookie(portal, COOKIE, opened.secret.expose(), portal.config.session_days * 86_400));
    set_cookie(&cookie(portal, KNOWN_BROWSER, &browser, 365 * 86_400));
    Ok(())
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

/// Opens a session for an account, in a browser that is known from then on or for a program; the one that the caller had
/// ends.
async fn open(portal: &Portal, caller: &Caller, account: AccountId, method: Method, browser: Option<&str>) -> Result<Opened, Refusal> {
    let secret = portal.random.secret();
    let old = caller.actor.as_ref().and_then(|actor| Some((actor.account, actor.session().ok()?)));
    // The secret must not be kept, so this unit has no idempotency key: two sign-ins are two sessions.
    let caller = Caller { drawn: crate::form::Drawn::default(), ..caller.clone() };
    let (id, at, ends_at): (SessionId, Timestamp, Timestamp) = portal
        .write(
            &caller,
            Action::SignIn,
            (account, secret.hash(), browser.map(secrets::hash), old, method),
            |unit, (account, token_hash, browser_hash, old, method)| {
                Box::pin(async move {
                    let now = unit.now;
                    // It was there when its password was looked at.
                    unit.lock_account(*account).await?;
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
                        methods: method.name(),
                        user_agent: unit.caller.origin.user_agent.clone(),
                        address: unit.caller.origin.address.clone(),
                    };
                    store::insert(unit, &new, now).await?;
                    if let Some(browser_hash) = browser_hash {
                        store::know_browser(unit, *account, browser_hash, now, now.plus(365 * DAY)).await?;
                    }
                    crate::members::store::touch(unit, *account, now).await?;
                    let name =
                        accounts::get(unit, *account).await?.map(|row| full_name(&row.first_name, &row.last_name)).unwrap_or_default();
                    unit.audit(
                        vec![Object::new("account", account, name), Object::new("session", new.id, "")],
                        json!(null),
                        json!({ "method": method.name() }),
                    )
                    .await?;
                    Ok((new.id, now, new.idle_expires_at.min(new.absolute_expires_at)))
                })
            },
        )
        .await?;
    customers::welcome(portal, &caller, account, id, method).await;
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
            own: row.id.0 == actor.credential_id(),
        })
        .collect();
    sessions.sort_by_key(|session| !session.own);
    Ok(sessions)
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
    client(&unit.caller.origin.user_agent, &unit.caller.origin.address)
}

/// Ends all sessions of an account but one, in a unit.
///
/// # Errors
/// The database's.
pub async fn end_others(unit: &mut Unit, account: AccountId, but: SessionId) -> Result<u64, sqlx::Error> {
    store::delete_others(unit, account, but).await
}

/// Ends every session of an account, in a unit.
///
/// # Errors
/// The database's.
pub async fn end_all(unit: &mut Unit, account: AccountId) -> Result<u64, sqlx::Error> {
    store::delete_all(unit, account).await
}
