//! Passkeys, as the library for WebAuthn has them: what a browser is asked, and what its answer comes to.

use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Webauthn, WebauthnBuilder,
    WebauthnError,
};

use crate::{config::Config, db::Failure, words::AccountId};

/// What a browser is asked, and what the portal keeps until it answers.
pub struct Asked {
    /// The options for the browser, as JSON.
    pub options: String,
    /// The state, as JSON.
    pub state: String,
}

/// A passkey that a browser has made.
pub struct Made {
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// The public key with its counter, as JSON.
    pub credential: String,
}

/// Whose a passkey says to be, before it is looked at.
pub struct Named {
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// The account that it was made for, where it says so.
    pub account: Option<AccountId>,
    answer: PublicKeyCredential,
}

/// The name to which passkeys are bound: that of the public address. None where that is a bare IP address, which browsers
/// bind nothing to.
#[must_use]
pub fn domain(config: &Config) -> Option<&str> {
    config.public_url.domain()
}

fn webauthn(config: &Config) -> Result<Webauthn, Failure> {
    let domain = domain(config).ok_or_else(|| Failure::Fault("the public address has no name to bind passkeys to".to_owned()))?;
    let builder = WebauthnBuilder::new(domain, &config.public_url).map_err(fault)?;
    builder.rp_name(&config.portal_name).build().map_err(fault)
}

fn fault(error: WebauthnError) -> Failure {
    Failure::Fault(format!("passkeys: {error}"))
}

fn unreadable(error: serde_json::Error) -> Failure {
    Failure::Fault(format!("passkeys: {error}"))
}

/// Asks for a new passkey. One that the account has is not made a second time on the same authenticator.
///
/// # Errors
/// Only faults.
pub fn ask_new(config: &Config, account: AccountId, email: &str, name: &str, known: Vec<Vec<u8>>) -> Result<Asked, Failure> {
    let (options, state) = webauthn(config)?.start_passkey_registration(account.0, email, name, Some(known)).map_err(fault)?;
    let mut options = serde_json::to_value(&options.public_key).map_err(unreadable)?;
    // So that it can be found without an address, where the authenticator has room for that.
    if let Some(wanted) = options.get_mut("authenticatorSelection").and_then(Value::as_object_mut) {
        wanted.insert("residentKey".to_owned(), Value::from("preferred"));
    }
    Ok(Asked { options: options.to_string(), state: serde_json::to_string(&state).map_err(unreadable)? })
}

/// What a browser answered to that; nothing where it does not do.
///
/// # Errors
/// Only faults.
pub fn made(config: &Config, state: &str, answer: &str) -> Result<Option<Made>, Failure> {
    let state: PasskeyRegistration = serde_json::from_str(state).map_err(unreadable)?;
    let Ok(answer) = serde_json::from_str::<RegisterPublicKeyCredential>(answer) else { return Ok(None) };
    match webauthn(config)?.finish_passkey_registration(&answer, &state) {
        Ok(passkey) => {
            let credential = serde_json::to_string(&passkey).map_err(unreadable)?;
            Ok(Some(Made { credential_id: passkey.cred_id().clone(), credential }))
        }
        Err(error) => {
            tracing::info!(%error, "a passkey was not taken");
            Ok(None)
        }
    }
}

/// Asks for one of these passkeys, or, where none is named, for whichever there is.
///
/// # Errors
/// Only faults.
pub fn ask(config: &Config, known: &[Vec<u8>]) -> Result<Asked, Failure> {
    let (options, state) = webauthn(config)?.start_discoverable_authentication().map_err(fault)?;
    let mut options = serde_json::to_value(&options.public_key).map_err(unreadable)?;
    let named = known.iter().map(|id| serde_json::json!({ "type": "public-key", "id": encoded(id) })).collect();
    if let Some(options) = options.as_object_mut() {
        options.insert("allowCredentials".to_owned(), Value::Array(named));
    }
    Ok(Asked { options: options.to_string(), state: serde_json::to_string(&state).map_err(unreadable)? })
}

fn encoded(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what a browser answered; nothing where it is no answer at all.
#[must_use]
pub fn read(answer: &str) -> Option<Named> {
    let answer: PublicKeyCredential = serde_json::from_str(answer).ok()?;
    let account = answer.get_user_unique_id().and_then(|id| Uuid::from_slice(id).ok()).map(AccountId);
    Some(Named { credential_id: answer.get_credential_id().to_vec(), account, answer })
}

/// Looks at an answer with the passkey that it names: that passkey from now on, as JSON; nothing where the answer does not
/// do: signed by another key, for another challenge or place, without a look at who holds it, or by a copy of it that fell
/// behind.
///
/// # Errors
/// Only faults.
pub fn check(config: &Config, state: &str, named: &Named, credential: &str) -> Result<Option<String>, Failure> {
    let state: DiscoverableAuthentication = serde_json::from_str(state).map_err(unreadable)?;
    let mut passkey: Passkey = serde_json::from_str(credential).map_err(unreadable)?;
    match webauthn(config)?.finish_discoverable_authentication_v2(&named.answer, state, &passkey) {
        Ok(result) if result.user_verified() => {
            passkey.update_credential(&result);
            Ok(Some(serde_json::to_string(&passkey).map_err(unreadable)?))
        }
        Ok(_) => Ok(None),
        Err(error) => {
            tracing::info!(%error, "a passkey was refused");
            Ok(None)
        }
    }
}
