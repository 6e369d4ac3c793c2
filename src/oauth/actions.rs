//! The use cases of signing in to PMM servers.

use openidconnect::{
    AccessToken, AdditionalClaims, Audience, EndUserEmail, EndUserName, EndUserUsername, IdToken, IdTokenClaims, IssuerUrl, Nonce,
    StandardClaims, SubjectIdentifier, UserInfoClaims,
    core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::{
    AllowForm, KnownServer, Scope,
    keys::{self, SigningKey},
    request::{self, Asked, Parameters},
    store::{self, Grant, NewGrant, Server},
    tokens::{self, ACCESS_LASTS, CODE_LASTS, REFRESH_LASTS, SIGN_IN_LASTS},
};
use crate::{
    actor::{Actor, Caller, Credential},
    audit::{Action, Object},
    db::Failure,
    form::{Conflict, Drawn, Refusal, Unauthenticated},
    guard::{self, Membership},
    permissions::Role,
    portal::{Portal, Unit},
    secrets,
    words::{AccountId, GrantId, OrganizationId, PmmServerId, SECOND, Timestamp},
};

/// Whether people can sign in to servers.
///
/// # Errors
/// 409 where there is no key file.
pub fn ready(portal: &Portal) -> Result<(), Refusal> {
    if portal.seal.is_on() { Ok(()) } else { Err(Conflict::NoKeyFile.into()) }
}

/// By which address the provider is known.
#[must_use]
pub fn issuer(portal: &Portal) -> String {
    format!("{}/oauth2", portal.config.base())
}

/// Scheme, host and port of an address, with the port left out that goes without saying.
#[must_use]
pub fn origin(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| url.origin().ascii_serialization())
}

/// What comes of an authorization request.
pub enum Read {
    /// The client is not there, or the address is not its own: nobody is sent anywhere.
    Unknown,
    /// The server is told at its own address.
    Back(String),
    /// It can be looked at.
    Asked(Box<Asked>),
}

/// Reads an authorization request.
///
/// # Errors
/// The database's.
pub async fn read(portal: &Portal, query: &str) -> Result<Read, Failure> {
    let parameters = Parameters::read(query.as_bytes());
    // Where something stands twice, who asks is told only if these two do not.
    let once = |name: &str| {
        let mut all = url::form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        all.next().filter(|_| all.next().is_none())
    };
    let (Some(client), Some(redirect)) = (once("client_id"), once("redirect_uri")) else { return Ok(Read::Unknown) };
    let Some(server) = store::server(&mut portal.read().await?, &client).await? else { return Ok(Read::Unknown) };
    if server.callback_url != redirect {
        return Ok(Read::Unknown);
    }
    Ok(match request::read(server, query, &parameters, &issuer(portal)) {
        Ok(asked) => Read::Asked(Box::new(asked)),
        Err(refused) => Read::Back(refused.place),
    })
}

/// Where a path of the portal's own leads on to outside of it, once somebody has signed in: the origin of a server. A
/// page with a form on the way there has to allow it (CSP's `form-action` is asked for each redirect, too).
///
/// # Errors
/// The database's.
pub async fn leads_out_to(portal: &Portal, path: &str) -> Result<Option<String>, Failure> {
    let Some(query) = path.strip_prefix(request::PATH).and_then(|rest| rest.strip_prefix('?')) else { return Ok(None) };
    Ok(match read(portal, query).await? {
        Read::Unknown => None,
        Read::Back(place) => origin(&place),
        Read::Asked(asked) => origin(&asked.server.callback_url),
    })
}

/// How a request stands for who asks.
pub enum Standing {
    /// Nobody is signed in, or not newly enough.
    SignIn,
    /// No member of the server's organization.
    Stranger,
    /// They have not said that the server may know them, or are to be asked again.
    Consent(Membership),
    /// Nothing is in the way.
    Clear,
}

/// Looks how a request stands.
///
/// # Errors
/// 403 where the organization is suspended; the database's.
pub async fn standing(portal: &Portal, actor: Option<&Actor>, asked: &Asked) -> Result<Standing, Failure> {
    let (Some(actor), now) = (actor, portal.clock.now()) else { return Ok(Standing::SignIn) };
    // Nobody signs in to a server by a token.
    let Credential::Session { authenticated_at, .. } = actor.credential else { return Ok(Standing::SignIn) };
    if !asked.is_satisfied_by(authenticated_at, now) {
        return Ok(Standing::SignIn);
    }
    let mut db = portal.read().await?;
    let membership = match guard::seat(&mut db, actor.account).await? {
        Some(seat) if seat.membership.organization == asked.server.organization_id => match seat.suspended {
            Some(reason) => return Err(Refusal::Suspended(reason).into()),
            None => seat.membership,
        },
        _ => return Ok(Standing::Stranger),
    };
    if asked.consent || !store::has_consent(&mut db, actor.account, asked.server.id).await? {
        return Ok(Standing::Consent(membership));
    }
    Ok(Standing::Clear)
}

/// What begins a grant, in a unit.
struct Begin {
    account: AccountId,
    server: Server,
    grant: NewGrant,
}

fn begin(portal: &Portal, caller: &Caller, asked: &Asked) -> Result<(Begin, String), Refusal> {
    let actor = caller.actor()?;
    let Credential::Session { authenticated_at, .. } = actor.credential else {
        return Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired));
    };
    let now = portal.clock.now();
    let (code, code_hash) = tokens::new(portal, tokens::CODE);
    let grant = NewGrant {
        id: GrantId(portal.random.id(now)),
        scope: asked.scope.to_string(),
        nonce: asked.nonce.clone(),
        authenticated_at,
        code_hash,
        code_challenge: asked.challenge.clone(),
        code_expires_at: now.plus(CODE_LASTS),
    };
    Ok((Begin { account: actor.account, server: asked.server.clone(), grant }, code))
}

/// The membership of an account in the organization of a server, in the unit that needs it.
async fn member_of(unit: &mut Unit, account: AccountId, server: &Server) -> Result<Membership, Failure> {
    let now = unit.now;
    let membership = guard::membership(unit, account, now).await?.filter(|m| m.organization == server.organization_id);
    let membership = membership.ok_or(Refusal::NotFound)?;
    unit.acts_in(server.organization_id);
    Ok(membership)
}

fn named(server: &Server) -> Object {
    Object::new("server", server.id, server.name.clone())
}

/// Sends whoever is known to a server back to it with a code.
///
/// # Errors
/// 404 where they are no member, or not known to it, any more.
pub async fn give_code(portal: &Portal, caller: &Caller, asked: &Asked) -> Result<String, Refusal> {
    let (begin, code) = begin(portal, caller, asked)?;
    // What is given must not be kept, so these units have no idempotency key.
    let caller = Caller { drawn: Drawn::default(), ..caller.clone() };
    portal
        .write(&caller, Action::SignInToServer, begin, |unit, begin| {
            Box::pin(async move {
                member_of(unit, begin.account, &begin.server).await?;
                let now = unit.now;
                if !store::insert_grant(unit, &begin.grant, begin.account, begin.server.id, now).await? {
                    return Err(Refusal::NotFound.into());
                }
                Ok(())
            })
        })
        .await?;
    Ok(asked.back(&issuer(portal), &[("code", &code)]))
}

/// Answers a server as a person has said: that it may know them, or not.
///
/// # Errors
/// 422 for what is no request of a server's, 401 where they have to sign in again, 404 where they are no member.
pub async fn answer(portal: &Portal, caller: &Caller, form: AllowForm) -> Result<String, Refusal> {
    ready(portal)?;
    let actor = caller.actor()?;
    let looked = async {
        let asked = match read(portal, &form.request).await? {
            Read::Asked(asked) => asked,
            Read::Back(_) | Read::Unknown => {
                return Err(Refusal::field("", "This form could not be read. Start at the server again.").into());
            }
        };
        match standing(portal, Some(actor), &asked).await? {
            Standing::SignIn => Err(Failure::Refusal(Refusal::Unauthenticated(Unauthenticated::SignInRequired))),
            Standing::Stranger => Err(Refusal::NotFound.into()),
            Standing::Consent(_) | Standing::Clear => Ok(asked),
        }
    };
    let asked = looked.await.map_err(|failure| portal.refuse(failure))?;
    if form.answer != "allow" {
        return Ok(asked.back(&issuer(portal), &[("error", "access_denied"), ("error_description", "the person said no")]));
    }
    let (begin, code) = begin(portal, caller, &asked)?;
    let caller = Caller { drawn: Drawn::default(), ..caller.clone() };
    portal
        .write(&caller, Action::AllowServer, begin, |unit, begin| {
            Box::pin(async move {
                let membership = member_of(unit, begin.account, &begin.server).await?;
                let (id, now) = (unit.new_id(), unit.now);
                // It was there when it was asked for; where it is not any more, this finds no row to refer to.
                store::allow(unit, id, (begin.account, membership.member), begin.server.id, now).await?;
                if !store::insert_grant(unit, &begin.grant, begin.account, begin.server.id, now).await? {
                    return Err(Refusal::NotFound.into());
                }
                unit.audit(vec![named(&begin.server)], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await?;
    Ok(asked.back(&issuer(portal), &[("code", &code)]))
}

/// The servers that know somebody.
///
/// # Errors
/// The database's.
pub async fn known(portal: &Portal, actor: &Actor) -> Result<Vec<KnownServer>, Failure> {
    let rows = store::known(&mut portal.read().await?, actor.account).await?;
    let known = rows.into_iter().map(|row| KnownServer {
        id: row.id,
        name: row.name,
        host: host(&row.url),
        allowed_at: row.allowed_at,
        signed_in_at: row.signed_in_at,
    });
    Ok(known.collect())
}

/// Host, and port where it is a special one, of a server's address.
#[must_use]
pub fn host(address: &str) -> String {
    let origin = origin(address).unwrap_or_default();
    origin.split_once("://").map(|(_, host)| host.to_owned()).unwrap_or_default()
}

/// Takes back that a server knows who one is: what it was given ends.
///
/// # Errors
/// 404 where it does not know them.
pub async fn forget(portal: &Portal, caller: &Caller, server: PmmServerId) -> Result<(), Refusal> {
    let actor = caller.actor()?;
    actor.session()?;
    portal
        .write(caller, Action::ForgetServer, (actor.account, server), |unit, &(account, server)| {
            Box::pin(async move {
                let name = store::known(unit, account).await?.into_iter().find(|known| known.id == server).map(|known| known.name);
                let (Some(name), true) = (name, store::forget_consent(unit, account, server).await?) else {
                    return Err(Refusal::NotFound.into());
                };
                if let Some(organization) = guard::organization_of(unit, account).await? {
                    unit.acts_in(organization);
                }
                unit.audit(vec![Object::new("server", server, name)], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Ends all that an account gave to servers, in a unit. That they may know it stays.
///
/// # Errors
/// The database's.
pub async fn end_all(unit: &mut Unit, account: AccountId) -> Result<u64, sqlx::Error> {
    store::end_grants_of_account(unit, account).await
}

/// The address of a connected server that a sign-out leads back to: nothing for any other address. Scheme, host and port
/// are compared, whole.
///
/// # Errors
/// The database's.
pub async fn back_after_sign_out(portal: &Portal, address: &str) -> Result<Option<String>, Failure> {
    let Ok(url) = Url::parse(address) else { return Ok(None) };
    let Some(wanted) = origin(address) else { return Ok(None) };
    if !url.username().is_empty() || url.password().is_some() {
        return Ok(None);
    }
    // A server's address stands as it came: its host may be written otherwise than it is read.
    let written = address.splitn(4, '/').take(3).collect::<Vec<_>>().join("/").to_lowercase();
    for start in [&wanted, &url.origin().unicode_serialization(), &written] {
        let escaped = start.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        let (with_port, with_path) = (format!("{escaped}:%"), format!("{escaped}/%"));
        let found = store::addresses_like(&mut portal.read().await?, &with_port, &with_path, start).await?;
        if found.iter().any(|known| origin(known).as_ref() == Some(&wanted)) {
            return Ok(Some(url.to_string()));
        }
    }
    Ok(None)
}

/// What the ID token and userinfo say beside the standard's claims (`PMM-API.md` 1.8): both are always there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct More {
    /// The organizations in which the person is Admin.
    portal_admin_orgs: Vec<String>,
    /// The demonstration servers that they may administer: the portal has none.
    pmm_demo_ids: Vec<String>,
}
impl AdditionalClaims for More {}

/// Who somebody is, as far as a server may know. Addresses are verified: there are no accounts with others.
fn claims(actor: &Actor, organization: OrganizationId, role: Role, scope: Scope) -> (StandardClaims<CoreGenderClaim>, More) {
    let mut claims = StandardClaims::new(SubjectIdentifier::new(actor.account.to_string()));
    if scope.email {
        claims = claims.set_email(Some(EndUserEmail::new(actor.email.to_string()))).set_email_verified(Some(true));
    }
    if scope.profile {
        claims = claims.set_name(Some(EndUserName::new(actor.name()).into()));
        // The account's name is its address.
        if scope.email {
            claims = claims.set_preferred_username(Some(EndUserUsername::new(actor.email.to_string())));
        }
    }
    let portal_admin_orgs = if role == Role::Admin { vec![organization.to_string()] } else { Vec::new() };
    (claims, More { portal_admin_orgs, pmm_demo_ids: Vec::new() })
}

/// What userinfo says of somebody.
#[must_use]
pub fn user_info(person: &tokens::Person) -> UserInfoClaims<More, CoreGenderClaim> {
    let (claims, more) = claims(&person.actor, person.membership.organization, person.membership.role, person.scope);
    UserInfoClaims::new(claims, more)
}

fn moment(at: Timestamp) -> Result<chrono::DateTime<chrono::Utc>, Failure> {
    chrono::DateTime::from_timestamp(at.millis().div_euclid(1000), 0).ok_or_else(|| Failure::Fault("a moment is out of time".to_owned()))
}

type SignedIdToken = IdToken<More, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

fn id_token(portal: &Portal, key: &SigningKey, grant: &Grant, (role, scope): (Role, Scope), access: &str) -> Result<String, Failure> {
    let now = portal.clock.now();
    let fault = |error: String| Failure::Fault(format!("no ID token could be made: {error}"));
    let issuer = IssuerUrl::new(issuer(portal)).map_err(|e| fault(e.to_string()))?;
    let (claims, more) = claims(&tokens::actor(grant), grant.organization_id, role, scope);
    let audience = vec![Audience::new(grant.public_client_id.clone())];
    let claims = IdTokenClaims::new(issuer, audience, moment(now.plus(keys::ID_TOKEN))?, moment(now)?, claims, more)
        .set_auth_time(Some(moment(grant.authenticated_at)?))
        .set_nonce(grant.nonce.clone().map(Nonce::new));
    let access = AccessToken::new(access.to_owned());
    let token = SignedIdToken::new(claims, key, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, Some(&access), None);
    Ok(token.map_err(|e| fault(e.to_string()))?.to_string())
}

/// What a server is given.
#[derive(Debug, Serialize)]
pub struct Given {
    /// The access token.
    pub access_token: String,
    /// How it is shown: as a bearer's.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    /// What for.
    pub scope: String,
    /// With this it asks for the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// With what a server asks for tokens.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'s> {
    /// With a code, the address that it came to, and the original of the challenge.
    Code {
        /// The code.
        code: &'s str,
        /// The address.
        redirect_uri: &'s str,
        /// The original.
        verifier: &'s str,
    },
    /// With a refresh token, for as much as the person agreed to or for less.
    Refresh {
        /// The token.
        token: &'s str,
        /// What for, where it is said.
        scope: Option<Scope>,
    },
}

/// Why a server gets no tokens.
#[derive(Debug)]
pub enum NotGiven {
    /// What it shows is worth nothing, or nothing any more.
    Grant,
    /// It asks for more than the person agreed to.
    Scope,
    /// Something else.
    Failure(Failure),
}

impl From<Failure> for NotGiven {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// What becomes of a code or a refresh token, in its unit.
struct Turn {
    hash: Vec<u8>,
    by_code: bool,
    access: (Vec<u8>, Scope),
    refresh_hash: Option<Vec<u8>>,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
enum Turned {
    Done {
        role: Role,
    },
    /// It was used before: all that the person gave the server ended.
    Reused,
    Over,
}

async fn turn(unit: &mut Unit, turn: &Turn) -> Result<Turned, Failure> {
    let now = unit.now;
    let found = if turn.by_code { store::by_code(unit, &turn.hash).await? } else { store::by_token(unit, &turn.hash, "refresh").await? };
    let Some(grant) = found else { return Ok(Turned::Over) };
    unit.acts_in(grant.organization_id);
    let server = vec![Object::new("server", grant.server_id, grant.server_name.clone())];
    if grant.used_at.is_some() {
        store::end_grants_of_consent(unit, grant.consent_id).await?;
        unit.audit_as(Action::ReuseServerToken, server, json!(null), json!(null)).await?;
        return Ok(Turned::Reused);
    }
    let ends = grant.authenticated_at.plus(SIGN_IN_LASTS);
    if grant.expires_at <= now || ends <= now {
        return Ok(Turned::Over);
    }
    let membership = guard::membership(unit, grant.account_id, now).await?;
    let Some(membership) = membership.filter(|membership| membership.organization == grant.organization_id) else {
        return Ok(Turned::Over);
    };
    let used = if turn.by_code { store::use_code(unit, &turn.hash, now).await? } else { store::use_refresh(unit, &turn.hash, now).await? };
    if !used {
        // The account's lock is taken, so nobody else has used it since it was read.
        return Ok(Turned::Over);
    }
    let (access, scope) = &turn.access;
    store::insert_token(unit, access, grant.id, ("access", &scope.to_string()), (now, now.plus(ACCESS_LASTS))).await?;
    if let Some(refresh) = &turn.refresh_hash {
        store::insert_token(unit, refresh, grant.id, ("refresh", &grant.scope), (now, now.plus(REFRESH_LASTS).min(ends))).await?;
    }
    if turn.by_code {
        store::signed_in(unit, grant.consent_id, now).await?;
        unit.audit(server, json!(null), json!(null)).await?;
    }
    Ok(Turned::Done { role: membership.role })
}

/// Gives a server tokens for a person, for a code or a refresh token that it shows. Each is used once; a second use ends
/// all that the person gave the server. Whether they are a member still, and not locked, is asked each time.
///
/// # Errors
/// [`NotGiven`].
pub async fn give_tokens(portal: &Portal, caller: &Caller, client: &str, shown: Shown<'_>) -> Result<Given, NotGiven> {
    let (hash, by_code) = match shown {
        Shown::Code { code, .. } => (secrets::hash(code), true),
        Shown::Refresh { token, .. } => (secrets::hash(token), false),
    };
    let found = {
        let mut db = portal.read().await?;
        if by_code { store::by_code(&mut db, &hash).await } else { store::by_token(&mut db, &hash, "refresh").await }
    };
    let grant = found.map_err(Failure::from)?.ok_or(NotGiven::Grant)?;
    // Who shows it has to be whom it was given to, and, of a code, who began.
    if grant.public_client_id != client {
        return Err(NotGiven::Grant);
    }
    let agreed = Scope::parse(&grant.scope);
    let scope = match shown {
        Shown::Code { redirect_uri, verifier, .. } => {
            if redirect_uri != grant.callback_url || !is_original(verifier, &grant.code_challenge) {
                return Err(NotGiven::Grant);
            }
            agreed
        }
        Shown::Refresh { scope, .. } => scope.unwrap_or(agreed),
    };
    if !scope.is_within(agreed) {
        return Err(NotGiven::Scope);
    }
    // Before anything is used up.
    let key = if scope.openid { Some(keys::current(portal).await?) } else { None };
    let (access_token, access_hash) = tokens::new(portal, tokens::ACCESS);
    let (refresh_token, refresh_hash) = agreed.offline_access.then(|| tokens::new(portal, tokens::REFRESH)).unzip();
    let caller = Caller { actor: Some(tokens::actor(&grant)), drawn: Drawn::default(), ..caller.clone() };
    let input = Turn { hash, by_code, access: (access_hash, scope), refresh_hash };
    let turned = portal.write(&caller, Action::SignInToServer, input, |unit, input| Box::pin(turn(unit, input))).await;
    let role = match turned {
        Ok(Turned::Done { role }) => role,
        Ok(Turned::Reused | Turned::Over) | Err(Refusal::Unauthenticated(_) | Refusal::Suspended(_) | Refusal::NotFound) => {
            return Err(NotGiven::Grant);
        }
        Err(refusal) => return Err(NotGiven::Failure(Failure::Refusal(refusal))),
    };
    let id_token = key.map(|key| id_token(portal, &key, &grant, (role, scope), &access_token)).transpose()?;
    Ok(Given { access_token, token_type: "Bearer", expires_in: ACCESS_LASTS / SECOND, scope: scope.to_string(), refresh_token, id_token })
}

/// Whether a text is the original of a challenge (RFC 7636 §4.6).
fn is_original(verifier: &str, challenge: &str) -> bool {
    let right = (43..=128).contains(&verifier.len()) && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let made = secrets::fingerprint(verifier);
    right && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
}

/// Whether a secret is the one of a machine.
#[must_use]
pub fn is_secret(secret: &str, hash: &[u8]) -> bool {
    Sha256::digest(secret.as_bytes()).ct_eq(hash).into()
}

/// Ends the grant of a token, where that is the client's: with a refresh token its access tokens end, and with an access
/// token what gave it (RFC 7009 §2.1).
///
/// # Errors
/// 503, 500.
pub async fn revoke(portal: &Portal, caller: &Caller, client: &str, token: &str) -> Result<(), Refusal> {
    let hash = secrets::hash(token);
    let found = async {
        let mut db = portal.read().await?;
        match store::by_token(&mut db, &hash, "refresh").await? {
            Some(grant) => Ok(Some(grant)),
            None => Ok(store::by_token(&mut db, &hash, "access").await?),
        }
    };
    let Some(grant) = found.await.map_err(|failure: Failure| portal.refuse(failure))?.filter(|grant| grant.public_client_id == client)
    else {
        return Ok(());
    };
    let caller = Caller { actor: Some(tokens::actor(&grant)), drawn: Drawn::default(), ..caller.clone() };
    let ended = portal
        .write(&caller, Action::SignOutOfServer, grant, |unit, grant| {
            Box::pin(async move {
                unit.acts_in(grant.organization_id);
                if store::end_grant(unit, grant.id).await? {
                    let server = vec![Object::new("server", grant.server_id, grant.server_name.clone())];
                    unit.audit(server, json!(null), json!(null)).await?;
                }
                Ok(())
            })
        })
        .await;
    match ended {
        // Of who is locked or gone nothing is left to end.
        Err(Refusal::Unauthenticated(_)) => Ok(()),
        ended => ended,
    }
}
