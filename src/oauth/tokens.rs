//! Bearer tokens: those that a PMM server gets for a person, and those that it gets for itself.
//!
//! A person's are random, and only their hashes are kept. A machine's are sealed and stand nowhere: what they hold is looked
//! up at each use, so that they end with the server's connection (`docs/decisions/0026-tokens-of-people-and-machines.md`).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Scope,
    store::{self, Grant},
};
use crate::{
    actor::{Actor, Credential, Scopes},
    db::Failure,
    form::{Refusal, Unauthenticated},
    guard::{self, Membership},
    portal::Portal,
    seal::Purpose,
    secrets,
    words::{DAY, HOUR, PmmServerId, SECOND, Timestamp},
};

/// With what a person's access token begins.
pub const ACCESS: &str = "opa_";
/// With what a refresh token begins.
pub const REFRESH: &str = "opr_";
/// With what a machine's access token begins.
pub const MACHINE: &str = "opm_";
/// With what a code begins.
pub const CODE: &str = "opc_";

/// For how long a code can be used.
pub const CODE_LASTS: i64 = 60 * SECOND;
/// For how long an access token lasts.
pub const ACCESS_LASTS: i64 = HOUR;
/// For how long a refresh token lasts without use.
pub const REFRESH_LASTS: i64 = 90 * DAY;
/// After so long since the person proved who they are, no refresh token of that sign-in does any more, however much they are
/// used.
pub const SIGN_IN_LASTS: i64 = 365 * DAY;
/// For how long a second use of a refresh token is noticed.
pub const REUSE_NOTICED: i64 = 7 * DAY;

/// A new secret of one kind, and what is kept of it.
#[must_use]
pub fn new(portal: &Portal, prefix: &str) -> (String, Vec<u8>) {
    let secret = format!("{prefix}{}", portal.random.secret().expose());
    let hash = secrets::hash(&secret);
    (secret, hash)
}

/// Somebody for whom a server asks.
pub struct Person {
    /// Who, and with what.
    pub actor: Actor,
    /// Their membership in the server's organization.
    pub membership: Membership,
    /// What the server may learn.
    pub scope: Scope,
}

/// The account of a grant as one that asks.
#[must_use]
pub fn actor(grant: &Grant) -> Actor {
    Actor {
        account: grant.account_id,
        email: grant.email.clone(),
        first_name: grant.first_name.clone(),
        last_name: grant.last_name.clone(),
        credential: Credential::Grant { id: grant.id, server: grant.server_id },
        scopes: Scopes::Server,
        operator: false,
    }
}

/// Whom an access token is for, while it lasts, the account is not locked and a member of the server's organization.
///
/// # Errors
/// 403 where that is suspended; the database's.
pub async fn person(portal: &Portal, secret: &str) -> Result<Option<Person>, Failure> {
    if !secret.starts_with(ACCESS) {
        return Ok(None);
    }
    let (mut db, now) = (portal.read().await?, portal.clock.now());
    let Some(grant) = store::by_token(&mut db, &secrets::hash(secret), "access").await? else { return Ok(None) };
    if grant.expires_at <= now {
        return Ok(None);
    }
    let membership = match guard::membership(&mut db, grant.account_id, now).await {
        Err(Failure::Refusal(Refusal::Unauthenticated(Unauthenticated::Locked))) => return Ok(None),
        membership => membership?.filter(|membership| membership.organization == grant.organization_id),
    };
    Ok(membership.map(|membership| Person { actor: actor(&grant), membership, scope: Scope::parse(&grant.scope) }))
}

/// Who asks with an access token that a PMM server got for a person. What for is [`Scopes::Server`], whatever the person
/// may do elsewhere; without the scope `percona` it is for signing in alone.
///
/// # Errors
/// 403 where the organization is suspended; the database's.
pub async fn authenticate(portal: &Portal, secret: &str) -> Result<Option<Actor>, Failure> {
    Ok(person(portal, secret).await?.filter(|person| person.scope.percona).map(|person| person.actor))
}

/// A new access token for a machine, until a moment; nothing where there is no key file.
#[must_use]
pub fn for_machine(portal: &Portal, machine_client_id: &str, until: Timestamp) -> Option<String> {
    let mut plain = until.0.to_be_bytes().to_vec();
    plain.extend(machine_client_id.as_bytes());
    let sealed = portal.seal.seal(Purpose::MachineToken, &plain, portal.random)?;
    Some(format!("{MACHINE}{}", URL_SAFE_NO_PAD.encode(sealed)))
}

/// Which PMM server asks with a machine's access token, while that lasts, the server is connected and its organization
/// not suspended.
///
/// # Errors
/// The database's.
pub async fn machine(portal: &Portal, secret: &str) -> Result<Option<PmmServerId>, Failure> {
    let Some(client) = opened(portal, secret) else { return Ok(None) };
    let machine = store::machine(&mut portal.read().await?, &client).await?;
    Ok(machine.filter(|machine| !machine.suspended).map(|machine| machine.id))
}

fn opened(portal: &Portal, secret: &str) -> Option<String> {
    let sealed = URL_SAFE_NO_PAD.decode(secret.strip_prefix(MACHINE)?).ok()?;
    let plain = portal.seal.open_sealed(Purpose::MachineToken, &sealed)?;
    let (until, client) = plain.split_at_checked(8)?;
    let until = Timestamp(i64::from_be_bytes(until.try_into().ok()?));
    (until > portal.clock.now()).then(|| String::from_utf8(client.to_vec()).ok())?
}
