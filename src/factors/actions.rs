//! The use cases of second factors.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    AppForm, Given, Made, PasskeyAsked, PasskeyForm, RECOVERY_CODES, RecoveryForm, RemoveForm, StepForm, UsePasskeyForm, passkeys,
    store::{self, Authenticator, Challenge, Half, Passkey},
    totp,
};
use crate::{
    accounts::{Undo, actions as account_actions, store as accounts},
    actor::{Actor, Caller, Method, full_name},
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{
        Conflict, FieldErrors, Refusal, Unauthenticated,
        door::{cookie, set_cookie},
    },
    limits,
    mail::{FactorChange, Mail, Message},
    portal::{Portal, Unit},
    seal::{Purpose, Seal},
    secrets,
    sessions::actions as sessions,
    words::{AccountId, FactorId, HOUR, MINUTE, SessionId, Timestamp},
};

/// The cookie that a browser holds between the two steps of a sign-in.
const COOKIE: &str = "second_step";
/// For how long the second step can be done, in microseconds.
pub const STEP_LASTS: i64 = 10 * MINUTE;
/// For how long a page to set up an app is good, in microseconds.
const SET_UP_LASTS: i64 = HOUR;
/// The most second factors that an account can have.
pub const MOST: i64 = 10;
/// For how long a browser can answer what it was asked for a passkey, in microseconds.
const CHALLENGE_LASTS: i64 = 10 * MINUTE;
const REGISTER: &str = "register";
const SECOND: &str = "second step";
const SIGN_IN: &str = "sign in";

/// What one has.
#[derive(Clone, Debug)]
pub struct Factors {
    /// The authenticator apps.
    pub apps: Vec<Authenticator>,
    /// The passkeys.
    pub passkeys: Vec<Passkey>,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
    /// Whether an app can be set up: there is a key file.
    pub ready: bool,
    /// Whether a passkey can be: the public address has a name.
    pub takes_passkeys: bool,
}

impl Factors {
    /// Whether a sign-in has a second step.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.apps.is_empty() || !self.passkeys.is_empty()
    }
}

/// The second factors of an account.
///
/// # Errors
/// The database's.
pub async fn of(portal: &Portal, account: AccountId) -> Result<Factors, Failure> {
    let mut db = portal.read().await?;
    Ok(Factors {
        apps: store::authenticators(&mut db, account).await?,
        passkeys: store::passkeys(&mut db, account).await?,
        recovery_codes: store::count_recovery(&mut db, account).await?,
        ready: portal.seal.is_on(),
        takes_passkeys: passkeys::domain(&portal.config).is_some(),
    })
}

/// Whether an account has a second factor.
///
/// # Errors
/// The database's.
pub async fn has_one(db: &mut impl Connected, account: AccountId) -> Result<bool, Failure> {
    Ok(store::count(db, account).await? > 0)
}

/// How many apps there are whose secret this key file does not open.
///
/// # Errors
/// The database's.
pub async fn count_foreign(db: &mut impl Connected, seal: &Seal) -> Result<usize, Failure> {
    let apps = store::sealed(db).await?;
    Ok(apps.iter().filter(|(account, sealed)| seal.open_sealed(Purpose::Authenticator(&account.to_string()), sealed).is_none()).count())
}

/// What the page shows to set up an app. Nothing of it is kept: it comes back with the form, sealed.
pub struct SetUp {
    /// The secret, sealed for the account and with its moment.
    pub sealed: String,
    /// The secret as it is typed into an app.
    pub key: String,
    /// The address that the QR code holds.
    pub address: String,
}

/// A new secret for an app of whoever asks, or the one that the page showed before and whose form was refused.
///
/// # Errors
/// 409 where there is no key file.
pub fn set_up(portal: &Portal, actor: &Actor, before: &str) -> Result<SetUp, Refusal> {
    let account = actor.account.to_string();
    let shown = |secret: &[u8], sealed: String| SetUp {
        sealed,
        key: totp::grouped(&totp::base32(secret).to_uppercase(), " "),
        address: totp::address(&portal.config.portal_name, actor.email.as_str(), secret),
    };
    if let Some(secret) = opened(portal, actor.account, before) {
        return Ok(shown(&secret, before.to_owned()));
    }
    let secret: [u8; totp::SECRET] = portal.random.bytes();
    let mut plain = Zeroizing::new(secret.to_vec());
    plain.extend(portal.clock.now().0.to_be_bytes());
    let sealed = portal.seal.seal(Purpose::SetUp(&account), &plain, portal.random).ok_or(Conflict::NoKeyFile)?;
    Ok(shown(&secret, URL_SAFE_NO_PAD.encode(sealed)))
}

/// The secret that a page showed to this account a short while ago.
fn opened(portal: &Portal, account: AccountId, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let mut plain = portal.seal.open_sealed(Purpose::SetUp(&account.to_string()), &sealed)?;
    if plain.len() < totp::SECRET {
        return None;
    }
    let at = Timestamp(i64::from_be_bytes(plain.split_off(totp::SECRET).try_into().ok()?));
    (at.plus(SET_UP_LASTS) > portal.clock.now()).then_some(plain)
}

/// Recovery codes as they are shown, and as they are kept.
fn recovery_codes(portal: &Portal) -> (Vec<String>, Vec<Vec<u8>>) {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| totp::recovery_code(portal.random)).collect();
    let hashes = codes.iter().map(|code| secrets::hash(&code.replace('-', ""))).collect();
    (codes, hashes)
}

/// Sets up an authenticator app, which shows that it has the secret by a code. With the first one come recovery codes, and
/// all other sessions end: they were opened without.
///
/// # Errors
/// 422 for the fields, 401 without the password where it is asked for, 409 where there is no key file, 429.
pub async fn add_app(portal: &Portal, caller: &Caller, form: AppForm) -> Result<Made, Refusal> {
    let actor = caller.actor()?.clone();
    let session = actor.session()?;
    if !portal.seal.is_on() {
        return Err(Conflict::NoKeyFile.into());
    }
    if portal.earlier::<(FactorId, bool)>(caller, Action::AddAuthenticator).await?.is_some() {
        return Ok(Made::default());
    }
    let (name, code) = form.parse()?;
    let late = || Refusal::field("", "This page was open for too long. Open it again, and scan the code anew.");
    let secret = opened(portal, actor.account, &form.sealed).ok_or_else(late)?;
    let wrong = "This is not the code that the app shows now. Check that the clock of its device is right.";
    let step = totp::check(&secret, &code, portal.clock.now()).ok_or_else(|| Refusal::field("code", wrong))?;
    sessions::prove(portal, caller, &form.password).await?;
    let account = actor.account.to_string();
    let sealed = portal.seal.seal(Purpose::Authenticator(&account), &secret, portal.random).ok_or(Conflict::NoKeyFile)?;
    let id = FactorId(portal.random.id(portal.clock.now()));
    let (codes, hashes) = recovery_codes(portal);
    let input = (actor, session, (id, name, sealed, step), hashes);
    let (made, first): (FactorId, bool) = portal
        .write(caller, Action::AddAuthenticator, input, |unit, (actor, session, (id, name, sealed, step), hashes)| {
            Box::pin(async move {
                let first = begin_adding(unit, actor).await?;
                let now = unit.now;
                store::insert(unit, actor.account, *id, name, sealed, *step, now).await?;
                end_adding(unit, actor, *session, Method::Code, first.then_some(hashes.as_slice())).await?;
                tell(unit, actor, FactorChange::AppAdded { name: name.clone(), first }, Some(*id)).await?;
                unit.audit(objects(actor, *id, name), json!(null), json!(null)).await?;
                Ok((*id, first))
            })
        })
        .await?;
    // What comes a second time with one form's key gives the id of the first.
    Ok(Made { codes: if made == id && first { codes } else { Vec::new() } })
}

/// Takes the account's lock and looks whether there is room for one more factor: whether it is the first.
async fn begin_adding(unit: &mut Unit, actor: &Actor) -> Result<bool, Failure> {
    unit.lock_account(actor.account).await?;
    match store::count(unit, actor.account).await? {
        n if n >= MOST => Err(FieldErrors::one("", "You have ten already. Remove one that you no longer need.").into()),
        n => Ok(n == 0),
    }
}

/// What a factor that is added brings along: with the first one, recovery codes, and the end of all other sessions, which
/// were opened without.
async fn end_adding(unit: &mut Unit, actor: &Actor, session: SessionId, method: Method, first: Option<&[Vec<u8>]>) -> Result<(), Failure> {
    let now = unit.now;
    if let Some(hashes) = first {
        store::replace_recovery(unit, actor.account, hashes, now).await?;
        sessions::end_others(unit, actor.account, session).await?;
    }
    Ok(sessions::note_factor(unit, actor.account, session, method).await?)
}

/// Whether this portal has passkeys.
///
/// # Errors
/// 422 where its public address has no name to bind them to.
pub fn takes_passkeys(portal: &Portal) -> Result<(), Refusal> {
    let none = || Refusal::field("", "This portal has no passkeys: its address is a bare IP address.");
    passkeys::domain(&portal.config).map(drop).ok_or_else(none)
}

/// Keeps what a browser is asked for a passkey until it answers; gives it with the handle by which it is known.
async fn keep(portal: &Portal, account: Option<AccountId>, purpose: &str, asked: passkeys::Asked) -> Result<PasskeyAsked, Failure> {
    let (handle, expires_at) = (portal.random.secret(), portal.clock.now().plus(CHALLENGE_LASTS));
    let challenge = Challenge { account_id: account, purpose: purpose.to_owned(), state: asked.state };
    let mut tx = portal.db.begin().await?;
    store::insert_challenge(&mut tx, &handle.hash(), &challenge, expires_at).await?;
    tx.commit().await?;
    Ok(PasskeyAsked { handle: handle.expose().to_owned(), options: asked.options })
}

/// Takes what a browser was asked for, by its handle: it is answered once.
async fn take(portal: &Portal, handle: &str) -> Result<Challenge, Failure> {
    let mut tx = portal.db.begin().await?;
    let taken = store::take_challenge(&mut tx, &secrets::hash(handle), portal.clock.now()).await?;
    tx.commit().await?;
    let late = "This took too long, or was sent before. Try again.";
    taken.ok_or_else(|| FieldErrors::one("", late).into())
}

/// Asks the browser of whoever is signed in for a new passkey.
///
/// # Errors
/// 422 where there are no passkeys here, 503.
pub async fn begin_passkey(portal: &Portal, caller: &Caller) -> Result<PasskeyAsked, Refusal> {
    let actor = caller.actor()?;
    actor.session()?;
    takes_passkeys(portal)?;
    let asked = async {
        let known = store::passkeys(&mut portal.read().await?, actor.account).await?;
        let known = known.into_iter().map(|passkey| passkey.credential_id).collect();
        let asked = passkeys::ask_new(&portal.config, actor.account, actor.email.as_str(), &actor.name(), known)?;
        keep(portal, Some(actor.account), REGISTER, asked).await
    };
    asked.await.map_err(|failure| portal.refuse(failure))
}

/// Adds a passkey that the browser has made. With the first factor come recovery codes, and all other sessions end.
///
/// # Errors
/// 422 for the name and for an answer that does not do, 401 without the password where it is asked for, 429.
pub async fn add_passkey(portal: &Portal, caller: &Caller, form: PasskeyForm) -> Result<Made, Refusal> {
    let actor = caller.actor()?.clone();
    let session = actor.session()?;
    takes_passkeys(portal)?;
    if portal.earlier::<(FactorId, bool)>(caller, Action::AddPasskey).await?.is_some() {
        return Ok(Made::default());
    }
    let name = form.parse()?;
    sessions::prove(portal, caller, &form.password).await?;
    let looked = async {
        let challenge = take(portal, &form.handle).await?;
        let own = challenge.purpose == REGISTER && challenge.account_id == Some(actor.account);
        let made = if own { passkeys::made(&portal.config, &challenge.state, &form.answer)? } else { None };
        made.ok_or_else(|| Failure::from(FieldErrors::one("", "This passkey could not be taken. Try again, or use another device.")))
    };
    let passkey = looked.await.map_err(|failure| portal.refuse(failure))?;
    let id = FactorId(portal.random.id(portal.clock.now()));
    let (codes, hashes) = recovery_codes(portal);
    let input = (actor, session, (id, name, passkey.credential_id, passkey.credential), hashes);
    let (made, first): (FactorId, bool) = portal
        .write(caller, Action::AddPasskey, input, |unit, (actor, session, (id, name, credential_id, credential), hashes)| {
            Box::pin(async move {
                let first = begin_adding(unit, actor).await?;
                let now = unit.now;
                if !store::insert_passkey(unit, actor.account, *id, name, (credential_id.as_slice(), credential.as_str()), now).await? {
                    return Err(FieldErrors::one("", "This passkey is there already.").into());
                }
                end_adding(unit, actor, *session, Method::Passkey, first.then_some(hashes.as_slice())).await?;
                tell(unit, actor, FactorChange::PasskeyAdded { name: name.clone(), first }, Some(*id)).await?;
                unit.audit(objects(actor, *id, name), json!(null), json!(null)).await?;
                Ok((*id, first))
            })
        })
        .await?;
    Ok(Made { codes: if made == id && first { codes } else { Vec::new() } })
}

/// Asks a browser for a passkey: of the account whose second step it is, or of whomever.
///
/// # Errors
/// 422 where there are no passkeys here, 404 where the account has none; 401 where the first step is to be done again; 429.
pub async fn ask_passkey(portal: &Portal, caller: &Caller, second_step: bool) -> Result<PasskeyAsked, Refusal> {
    takes_passkeys(portal)?;
    let asked = async {
        limits::count(portal, "passkey address", &caller.origin.address, portal.config.sign_in_address_rate).await?;
        if !second_step {
            return keep(portal, None, SIGN_IN, passkeys::ask(&portal.config, &[])?).await;
        }
        let again = Refusal::Unauthenticated(Unauthenticated::SignInRequired);
        let secret = sessions::browser_cookie(portal, COOKIE).ok_or(again.clone())?;
        let mut db = portal.read().await?;
        let half = store::half(&mut db, &secrets::hash(&secret), portal.clock.now()).await?.ok_or(again)?;
        let known: Vec<Vec<u8>> = store::passkeys(&mut db, half.account_id).await?.into_iter().map(|key| key.credential_id).collect();
        drop(db);
        if known.is_empty() {
            return Err(Refusal::NotFound.into());
        }
        keep(portal, Some(half.account_id), SECOND, passkeys::ask(&portal.config, &known)?).await
    };
    asked.await.map_err(|failure| portal.refuse(failure))
}

/// Signs in with a passkey: as the second step, or as both in one, because it has looked at who holds it.
///
/// # Errors
/// 422 for an answer that does not do, 401 where the first step is to be done again, or the account is locked; 429.
pub async fn use_passkey(portal: &Portal, caller: &Caller, form: &UsePasskeyForm) -> Result<(), Refusal> {
    takes_passkeys(portal)?;
    let refused = || Refusal::field("", "This passkey was refused. Try again, or sign in another way.");
    let looked = async {
        limits::count(portal, "sign-in address", &caller.origin.address, portal.config.sign_in_address_rate).await?;
        let challenge = take(portal, &form.handle).await?;
        let named = passkeys::read(&form.answer).ok_or_else(refused)?;
        let passkey = store::passkey(&mut portal.read().await?, &named.credential_id).await?.ok_or_else(refused)?;
        // In the second step the account is known; else the passkey itself has to say whose it is.
        let (method, half_hash, own) = if challenge.purpose == SECOND {
            let again = Refusal::Unauthenticated(Unauthenticated::SignInRequired);
            let secret = sessions::browser_cookie(portal, COOKIE).ok_or(again.clone())?;
            let half_hash = secrets::hash(&secret);
            let half = store::half(&mut portal.read().await?, &half_hash, portal.clock.now()).await?.ok_or(again)?;
            let own = challenge.account_id == Some(passkey.account_id) && half.account_id == passkey.account_id;
            (Method::parse(&half.method).unwrap_or(Method::Password), Some(half_hash), own)
        } else {
            if let Some(email) = accounts::email(&mut portal.read().await?, passkey.account_id).await?
                && let Some(name) = portal.config.provider_of(&email)
            {
                let why = format!("Addresses of your domain sign in with {name}. Use its button");
                return Err(Refusal::field("", why).into());
            }
            (Method::Passkey, None, challenge.purpose == SIGN_IN && named.account == Some(passkey.account_id))
        };
        let known = own && named.account.is_none_or(|account| account == passkey.account_id);
        let after = if known { passkeys::check(&portal.config, &challenge.state, &named, &passkey.credential)? } else { None };
        let account = passkey.account_id;
        let second = after.map(|after| Second { half_hash, shown: Shown::Passkey(passkey.id, passkey.credential, after) });
        Ok::<_, Failure>((account, method, second))
    };
    let (account, method, second) = looked.await.map_err(|failure| portal.refuse(failure))?;
    let Some(second) = second else {
        sessions::note_failed_step(portal, caller, account, "passkey").await?;
        return Err(refused());
    };
    sessions::finish_by(portal, caller, account, method, second).await?;
    set_cookie(&cookie(portal, COOKIE, "", 0));
    Ok(())
}

fn objects(actor: &Actor, factor: FactorId, name: &str) -> Vec<Object> {
    vec![Object::new("account", actor.account, actor.name()), Object::new("factor", factor, name)]
}

/// Tells the owner of an account by mail, in the unit that does it; of a factor that was added, with a way to undo that.
async fn tell(unit: &mut Unit, actor: &Actor, change: FactorChange, added: Option<FactorId>) -> Result<(), Failure> {
    let (at, by) = (unit.now, sessions::asked_by(unit));
    let undo = match added {
        Some(factor) => account_actions::offer_undo(unit, actor.account, Undo::Factor(factor)).await?,
        None => String::new(),
    };
    let message = Message::SecondFactor { first_name: actor.first_name.clone(), change, at, by, undo };
    unit.mail(&Mail { to: actor.email.clone(), message }).await
}

/// Removes an app or a passkey; with the last one the recovery codes go.
///
/// # Errors
/// 404 where there is none of that id, 401 and 422 for the password, 429.
pub async fn remove(portal: &Portal, caller: &Caller, form: RemoveForm) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    actor.session()?;
    if portal.earlier::<()>(caller, Action::RemoveFactor).await?.is_some() {
        return Ok(());
    }
    let found = async { name_of(&mut portal.read().await?, actor.account, form.factor).await };
    found.await.map_err(|failure| portal.refuse(failure))?;
    sessions::prove(portal, caller, &form.password).await?;
    portal
        .write(caller, Action::RemoveFactor, (actor, form.factor), |unit, (actor, factor)| {
            Box::pin(async move {
                unit.lock_account(actor.account).await?;
                let name = take_back(unit, actor.account, *factor).await?;
                let last = !has_one(unit, actor.account).await?;
                tell(unit, actor, FactorChange::Removed { name: name.clone(), last }, None).await?;
                unit.audit(objects(actor, *factor, &name), json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// What the owner of an app or a passkey calls it.
///
/// # Errors
/// 404 where the account has none of that id.
pub async fn name_of(db: &mut impl Connected, account: AccountId, id: FactorId) -> Result<String, Failure> {
    if let Some(app) = store::authenticators(db, account).await?.into_iter().find(|app| app.id == id) {
        return Ok(app.name);
    }
    let passkey = store::passkeys(db, account).await?.into_iter().find(|passkey| passkey.id == id);
    Ok(passkey.ok_or(Refusal::NotFound)?.name)
}

/// Makes recovery codes in place of those that there are.
///
/// # Errors
/// 404 for who has no second factor, 401 and 422 for the password, 429.
pub async fn renew_recovery_codes(portal: &Portal, caller: &Caller, form: RecoveryForm) -> Result<Made, Refusal> {
    let actor = caller.actor()?.clone();
    actor.session()?;
    sessions::prove(portal, caller, &form.password).await?;
    let (codes, hashes) = recovery_codes(portal);
    // Not a secret: by it the first of two that come with one form's key is known.
    let mark = portal.random.tag();
    let made: String = portal
        .write(caller, Action::MakeRecoveryCodes, (actor, hashes, mark.clone()), |unit, (actor, hashes, mark)| {
            Box::pin(async move {
                unit.lock_account(actor.account).await?;
                if !has_one(unit, actor.account).await? {
                    return Err(Refusal::NotFound.into());
                }
                let now = unit.now;
                store::replace_recovery(unit, actor.account, hashes, now).await?;
                tell(unit, actor, FactorChange::RecoveryCodesMade, None).await?;
                unit.audit(vec![Object::new("account", actor.account, actor.name())], json!(null), json!(null)).await?;
                Ok(mark.clone())
            })
        })
        .await?;
    Ok(Made { codes: if made == mark { codes } else { Vec::new() } })
}

/// Takes all second factors from an account, in the unit of an operator or of the portal's own: its password alone signs in
/// from then on. Its sessions end, and its owner is told.
///
/// # Errors
/// 404 where there is no such account, 409 where it has none.
pub async fn remove_all(unit: &mut Unit, account: AccountId, reason: &str) -> Result<(), Failure> {
    let row = accounts::get(unit, account).await?.ok_or(Refusal::NotFound)?;
    let factors = store::delete_all(unit, account).await?;
    if factors == 0 {
        return Err(Conflict::AlreadySo.into());
    }
    store::delete_recovery(unit, account).await?;
    sessions::end_all(unit, account).await?;
    let at = unit.now;
    let message = Message::SecondFactor {
        first_name: row.first_name.clone(),
        change: FactorChange::AllRemoved,
        at,
        by: String::new(),
        undo: String::new(),
    };
    unit.mail(&Mail { to: row.email, message }).await?;
    let objects = vec![Object::new("account", account, full_name(&row.first_name, &row.last_name))];
    unit.audit(objects, json!({ "factors": factors }), json!({ "reason": reason })).await?;
    Ok(())
}

/// Takes an app or a passkey away, in a unit; with the last one the recovery codes go. Gives its name.
///
/// # Errors
/// 404 where there is none of that id.
pub async fn take_back(unit: &mut Unit, account: AccountId, factor: FactorId) -> Result<String, Failure> {
    let name = name_of(unit, account, factor).await?;
    if !store::delete(unit, account, factor).await? {
        store::delete_passkey(unit, account, factor).await?;
    }
    if !has_one(unit, account).await? {
        store::delete_recovery(unit, account).await?;
    }
    Ok(name)
}

/// Takes away the recovery codes of since a moment, in a unit: whoever made them has them.
///
/// # Errors
/// The database's.
pub async fn take_back_recovery(unit: &mut Unit, account: AccountId, since: Timestamp) -> Result<(), Failure> {
    store::delete_recovery_since(unit, account, since).await?;
    Ok(())
}

/// How many second factors an account has.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut impl Connected, account: AccountId) -> Result<i64, Failure> {
    Ok(store::count(db, account).await?)
}

/// Keeps the first step of a sign-in for the second, which has to follow in the same browser. Gives the cookie for it.
///
/// # Errors
/// 503 where the database is away.
pub async fn begin_second_step(portal: &Portal, account: AccountId, method: Method) -> Result<String, Refusal> {
    let (secret, now) = (portal.random.secret(), portal.clock.now());
    let half = Half { account_id: account, method: method.name().to_owned(), attempts: 0 };
    let kept = async {
        let mut tx = portal.db.begin().await?;
        store::insert_half(&mut tx, &secret.hash(), &half, now, now.plus(STEP_LASTS)).await?;
        Ok::<_, Failure>(tx.commit().await?)
    };
    kept.await.map_err(|failure| portal.refuse(failure))?;
    Ok(cookie(portal, COOKIE, secret.expose(), STEP_LASTS / 1_000_000))
}

/// Whose sign-in a browser is in the middle of, by its cookie, if it is in one.
///
/// # Errors
/// The database's.
pub async fn half_way(portal: &Portal, headers: &axum::http::HeaderMap) -> Result<Option<AccountId>, Failure> {
    let Some(secret) = crate::visit::cookie(headers, &crate::form::door::cookie_name(portal, COOKIE)) else { return Ok(None) };
    let half = store::half(&mut portal.read().await?, &secrets::hash(secret), portal.clock.now()).await?;
    Ok(half.map(|half| half.account_id))
}

/// A second factor that was shown, and is used up with the session that it opens.
#[derive(Clone, Debug)]
pub struct Second {
    /// The hash of the first step's secret; none where a passkey is both steps.
    half_hash: Option<Vec<u8>>,
    /// What was shown.
    shown: Shown,
}

#[derive(Clone, Debug)]
enum Shown {
    /// The code of an app, by its step.
    Code(FactorId, i64),
    /// A recovery code, by its hash.
    Recovery(Vec<u8>),
    /// A passkey, as it was and as it is from now on.
    Passkey(FactorId, String, String),
}

impl Second {
    /// What kind of factor it is.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self.shown {
            Shown::Code(..) => Method::Code,
            Shown::Recovery(_) => Method::RecoveryCode,
            Shown::Passkey(..) => Method::Passkey,
        }
    }
}

/// The second step of a sign-in: with a right code, which is used up, a session is opened in the browser that calls. Attempts
/// are counted before a code is looked at: five for each first step, and so many for the account.
///
/// # Errors
/// 422 for a code that is wrong, or was used before; 401 where the first step is to be done again; 429.
pub async fn finish_second_step(portal: &Portal, caller: &Caller, form: &StepForm) -> Result<(), Refusal> {
    let again = Refusal::Unauthenticated(Unauthenticated::SignInRequired);
    let given = Given::parse(&form.code).map_err(|why| Refusal::field("code", why))?;
    let secret = sessions::browser_cookie(portal, COOKIE).ok_or(again.clone())?;
    let half_hash = secrets::hash(&secret);
    let counted = async {
        let now = portal.clock.now();
        let mut tx = portal.db.begin().await?;
        let half = store::attempt_half(&mut tx, &half_hash, now).await?;
        tx.commit().await?;
        let half = half.ok_or(again.clone())?;
        let key = sessions::counted_by(portal, half.account_id).await?;
        limits::count(portal, "second factor", &key, portal.config.second_factor_rate).await?;
        Ok::<_, Failure>((look(portal, half.account_id, &given).await?, half))
    };
    let (looked, half) = counted.await.map_err(|failure| portal.refuse(failure))?;
    let shown = match looked {
        Ok(shown) => shown,
        Err(why) => {
            sessions::note_failed_step(portal, caller, half.account_id, "code").await?;
            // After the last attempt the page that asks for a code is not there any more.
            return Err(if half.attempts < store::ATTEMPTS { Refusal::field("code", why) } else { again });
        }
    };
    let method = Method::parse(&half.method).unwrap_or(Method::Password);
    sessions::finish_by(portal, caller, half.account_id, method, Second { half_hash: Some(half_hash), shown }).await?;
    set_cookie(&cookie(portal, COOKIE, "", 0));
    Ok(())
}

/// Looks at what was given: what it is, or why it does not do.
async fn look(portal: &Portal, account: AccountId, given: &Given) -> Result<Result<Shown, &'static str>, Failure> {
    let (now, mut db) = (portal.clock.now(), portal.read().await?);
    let code = match given {
        Given::Recovery(code) => {
            let code_hash = secrets::hash(code);
            let right = store::has_recovery(&mut db, account, &code_hash).await?;
            return Ok(if right {
                Ok(Shown::Recovery(code_hash))
            } else {
                Err("This is none of your recovery codes, or it was used before")
            });
        }
        Given::Code(code) => code,
    };
    let bound = account.to_string();
    let mut why = "This code is wrong. Enter the one that the app shows now";
    for app in store::authenticators(&mut db, account).await? {
        let Some(secret) = portal.seal.open_sealed(Purpose::Authenticator(&bound), &app.sealed) else {
            tracing::error!(factor = %app.id, "the secret of an authenticator app cannot be opened with this key file");
            continue;
        };
        match totp::check(&secret, code, now) {
            Some(step) if step > app.last_step => return Ok(Ok(Shown::Code(app.id, step))),
            Some(_) => why = USED,
            None => {}
        }
    }
    Ok(Err(why))
}

const USED: &str = "This code was used already. Wait for the next one";

/// Asks in the unit that opens a session whether the account's second factor was shown, and uses it up. Where the account
/// has none, or got one since it was looked at, that is found here.
///
/// # Errors
/// 401 where the sign-in has to begin again, 422 where the code was used meanwhile.
pub async fn admit(unit: &mut Unit, account: AccountId, second: Option<&Second>) -> Result<(), Failure> {
    let again = Refusal::Unauthenticated(Unauthenticated::SignInRequired);
    let Some(Second { half_hash, shown }) = second else {
        return if has_one(unit, account).await? { Err(again.into()) } else { Ok(()) };
    };
    let now = unit.now;
    if let Some(half_hash) = half_hash
        && !store::end_half(unit, half_hash, now).await?
    {
        return Err(again.into());
    }
    match shown {
        Shown::Code(factor, step) => {
            if !store::use_step(unit, account, *factor, *step, now).await? {
                return Err(FieldErrors::one("code", USED).into());
            }
        }
        Shown::Passkey(passkey, before, after) => {
            if !store::use_passkey(unit, account, *passkey, (before.as_str(), after.as_str()), now).await? {
                return Err(FieldErrors::one("", "This passkey was used at the same moment, or removed. Try again.").into());
            }
        }
        Shown::Recovery(code_hash) => {
            if !store::use_recovery(unit, account, code_hash, now).await? {
                return Err(FieldErrors::one("code", "This recovery code was used before").into());
            }
            let left = store::count_recovery(unit, account).await?;
            let row = accounts::get(unit, account).await?.ok_or(again)?;
            let (at, by) = (now, sessions::asked_by(unit));
            let message = Message::SecondFactor {
                first_name: row.first_name.clone(),
                change: FactorChange::RecoveryCodeUsed { left },
                at,
                by,
                undo: String::new(),
            };
            unit.mail(&Mail { to: row.email, message }).await?;
            let name = full_name(&row.first_name, &row.last_name);
            unit.audit_as(Action::UseRecoveryCode, vec![Object::new("account", account, name)], json!(null), json!({ "left": left }))
                .await?;
        }
    }
    Ok(())
}
