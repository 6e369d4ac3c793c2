//! The use cases of accounts.

use serde_json::json;

use super::{
    ChangePasswordForm, ForgotPasswordForm, NameForm, ResetPasswordForm, SignUp, SignUpForm, VerifyEmailForm,
    store::{self, Waiting},
};
use crate::{
    actor::{Caller, full_name},
    audit::{Action, Object},
    db::Failure,
    form::{FieldErrors, Gone, Refusal},
    limits,
    mail::{Mail, Message},
    passwords,
    portal::{Portal, Unit},
    secrets,
    sessions::actions as sessions,
    words::{AccountId, DAY, Email, HOUR},
};

/// The name of the cookie that the browser which signed up holds.
pub const SIGN_UP_COOKIE: &str = "sign_up";

/// Judges a new password against what an attacker would try first: the person's names and address, and the portal's name.
fn judge(portal: &Portal, field: &str, password: &str, email: &Email, first_name: &str, last_name: &str) -> Result<(), FieldErrors> {
    passwords::judge(password, &[email.as_str(), first_name, last_name, &portal.config.portal_name])
        .map_err(|message| FieldErrors::one(field, message))
}

/// Counts a mail that anybody can cause.
async fn count_mail(portal: &Portal, caller: &Caller, email: &Email) -> Result<(), Refusal> {
    let counted = async {
        limits::count(portal, "mail address", &caller.origin.address, portal.config.mail_address_rate).await?;
        limits::count(portal, "mail", &email.key(), portal.config.mail_rate).await
    };
    counted.await.map_err(|failure| portal.refuse(failure))
}

/// Signs up. Without an invitation, a mail goes to the address: a link to verify it, or word that it has an account;
/// what is done and answered here is the same. With the secret of an invitation's link, which proves the address, the
/// account is made at once; then it is given.
///
/// # Errors
/// 422 for fields, 410 for an invitation's link that no longer works, 429.
pub async fn sign_up(portal: &Portal, caller: &Caller, form: SignUpForm) -> Result<Option<AccountId>, Refusal> {
    let mut errors = FieldErrors::default();
    let parsed = form.parse().map_err(|e| errors = e).ok();
    let email = Email::parse(&form.email).ok();
    let words = [form.email.as_str(), &form.first_name, &form.last_name, &portal.config.portal_name];
    errors.take("password", passwords::judge(&form.password, &words));
    let (Some(sign_up), true) = (parsed, errors.0.is_empty()) else { return Err(errors.into()) };
    debug_assert!(email.is_some());
    if let Some(outcome) = portal.earlier(caller, if form.invitation.is_empty() { Action::SignUp } else { Action::VerifyEmail }).await? {
        return Ok(outcome);
    }
    if form.invitation.is_empty() {
        count_mail(portal, caller, &sign_up.email).await?;
    } else {
        let limited = limits::count(portal, "mail address", &caller.origin.address, portal.config.mail_address_rate).await;
        limited.map_err(|failure| portal.refuse(failure))?;
    }
    let password = portal.hasher.hash(&form.password).await.map_err(|failure| portal.refuse(failure))?;
    if form.invitation.is_empty() {
        sign_up_by_mail(portal, caller, sign_up, password).await.map(|()| None)
    } else {
        sign_up_by_invitation(portal, caller, sign_up, password, form.invitation).await.map(Some)
    }
}

async fn sign_up_by_mail(portal: &Portal, caller: &Caller, sign_up: SignUp, password: String) -> Result<(), Refusal> {
    // The form's own key, which only this browser knows, tells it later as the one that signed up; a form posted twice
    // has one key, and so one cookie.
    let key = if caller.drawn.key.is_empty() { portal.random.tag() } else { caller.drawn.key.clone() };
    let browser = secrets::fingerprint(&key);
    let waiting = Waiting {
        browser_hash: secrets::hash(&browser),
        email: sign_up.email,
        first_name: sign_up.first_name,
        last_name: sign_up.last_name,
        password,
    };
    portal
        .write(caller, Action::SignUp, waiting, |unit, waiting| {
            Box::pin(async move {
                let known = store::by_email(unit, &waiting.email).await?.is_some();
                let token = unit.portal.random.secret();
                let (id, now) = (unit.new_id(), unit.now);
                store::insert_sign_up(unit, id, &token.hash(), now, now.plus(DAY), waiting).await?;
                // Where there is an account, the link's secret goes to nobody.
                let message = if known {
                    Message::AccountExists
                } else {
                    Message::VerifyEmail { first_name: waiting.first_name.to_string(), token: token.expose().to_owned() }
                };
                unit.mail(&Mail { to: waiting.email.clone(), message }).await?;
                unit.audit(vec![Object::new("sign_up", id, waiting.email.as_str())], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await?;
    crate::form::door::set_cookie(&crate::form::door::cookie(portal, SIGN_UP_COOKIE, &browser, 24 * 3600));
    Ok(())
}

async fn sign_up_by_invitation(
    portal: &Portal,
    caller: &Caller,
    sign_up: SignUp,
    password: String,
    token: String,
) -> Result<AccountId, Refusal> {
    portal
        .write(caller, Action::VerifyEmail, (sign_up, password, token), |unit, (sign_up, password, token)| {
            Box::pin(async move {
                let invited = crate::invitations::actions::invited_by_link(unit, token).await?;
                if invited.key() != sign_up.email.key() {
                    return Err(FieldErrors::one("email", "Use the address that the invitation was sent to").into());
                }
                create(unit, sign_up, password)
                    .await?
                    .ok_or_else(|| FieldErrors::one("email", "This address has an account already. Sign in with it").into())
            })
        })
        .await
}

/// Makes an account with a password, in the unit; none where the address has one.
async fn create(unit: &mut Unit, sign_up: &SignUp, password: &str) -> Result<Option<AccountId>, Failure> {
    let (id, credential, now) = (AccountId(unit.new_id()), unit.new_id(), unit.now);
    if !store::insert(unit, id, &sign_up.email, &sign_up.first_name, &sign_up.last_name, now).await? {
        return Ok(None);
    }
    store::set_password(unit, credential, id, password, now).await?;
    let name = full_name(sign_up.first_name.as_str(), sign_up.last_name.as_str());
    unit.audit(vec![Object::new("account", id, name)], json!(null), json!({ "email": sign_up.email.as_str() })).await?;
    Ok(Some(id))
}

/// Verifies an address by the link of a mail. In another browser than the one that signed up, the password of the
/// sign-up is asked for too: else whoever signs up with somebody else's address would own the account as soon as that
/// person follows the link. Tells whether it is the same browser.
///
/// # Errors
/// 410 for a link that no longer works, 422 for a wrong password.
pub async fn verify_email(portal: &Portal, caller: &Caller, form: VerifyEmailForm) -> Result<(AccountId, bool), Refusal> {
    if let Some(outcome) = portal.earlier(caller, Action::VerifyEmail).await? {
        return Ok(outcome);
    }
    let browser = sessions::browser_cookie(portal, SIGN_UP_COOKIE);
    let token_hash = secrets::hash(&form.token);
    let found = async {
        let waiting = store::sign_up(&mut portal.read().await?, &token_hash, portal.clock.now()).await?;
        let waiting = waiting.ok_or(Refusal::Gone(Gone::Link))?;
        let same_browser = browser.is_some_and(|secret| secrets::hash(&secret) == waiting.browser_hash);
        if !same_browser {
            limits::count(portal, "verify", &waiting.email.key(), portal.config.sign_in_rate).await?;
            if !portal.hasher.verify(&form.password, Some(waiting.password.clone())).await? {
                portal.note(caller, Action::VerifyEmail, "wrong_password").await;
                return Err(FieldErrors::one("password", "This is not the password that was chosen at sign-up").into());
            }
        }
        Ok::<_, Failure>((waiting, same_browser))
    };
    let (waiting, same_browser) = found.await.map_err(|failure| portal.refuse(failure))?;
    portal
        .write(caller, Action::VerifyEmail, (waiting, token_hash, same_browser), |unit, (waiting, token_hash, same_browser)| {
            Box::pin(async move {
                let now = unit.now;
                if !store::use_sign_up(unit, token_hash, now).await? {
                    return Err(Refusal::Gone(Gone::Link).into());
                }
                let sign_up =
                    SignUp { email: waiting.email.clone(), first_name: waiting.first_name.clone(), last_name: waiting.last_name.clone() };
                // Another sign-up with the same address may have been verified since.
                let account = create(unit, &sign_up, &waiting.password).await?.ok_or(Refusal::Gone(Gone::Link))?;
                Ok((account, *same_browser))
            })
        })
        .await
}

/// Sends a link to choose a new password, or, where the address has no account, word of that. Either way the same is
/// done and answered.
///
/// # Errors
/// 422 for the address, 429.
pub async fn forgot_password(portal: &Portal, caller: &Caller, form: ForgotPasswordForm) -> Result<(), Refusal> {
    let email = Email::parse(&form.email).map_err(|message| Refusal::field("email", message))?;
    count_mail(portal, caller, &email).await?;
    portal
        .write(caller, Action::RequestPasswordReset, email, |unit, email| {
            Box::pin(async move {
                let account = store::by_email(unit, email).await?;
                let token = unit.portal.random.secret();
                let (id, now) = (unit.new_id(), unit.now);
                store::insert_reset(unit, id, &token.hash(), account.as_ref().map(|a| a.id), now, now.plus(HOUR)).await?;
                let message = match &account {
                    Some(account) => Message::ResetPassword { first_name: account.first_name.clone(), token: token.expose().to_owned() },
                    None => Message::NoAccount,
                };
                unit.mail(&Mail { to: email.clone(), message }).await?;
                unit.audit(vec![Object::new("address", "", email.as_str())], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Chooses a new password by a link: ends every session of the account and tells its owner.
///
/// # Errors
/// 410 for a link that no longer works, 422 for the password.
pub async fn reset_password(portal: &Portal, caller: &Caller, form: ResetPasswordForm) -> Result<(), Refusal> {
    if let Some(()) = portal.earlier(caller, Action::ResetPassword).await? {
        return Ok(());
    }
    let token_hash = secrets::hash(&form.token);
    let found = async {
        let account = store::reset(&mut portal.read().await?, &token_hash, portal.clock.now()).await?;
        Ok::<_, Failure>(account.ok_or(Refusal::Gone(Gone::Link))?)
    };
    let account = found.await.map_err(|failure| portal.refuse(failure))?;
    judge(portal, "password", &form.password, &account.email, &account.first_name, &account.last_name)?;
    let password = portal.hasher.hash(&form.password).await.map_err(|failure| portal.refuse(failure))?;
    portal
        .write(caller, Action::ResetPassword, (account, password, token_hash), |unit, (account, password, token_hash)| {
            Box::pin(async move {
                let (credential, now) = (unit.new_id(), unit.now);
                if !store::use_reset(unit, token_hash, account.id, now).await? {
                    return Err(Refusal::Gone(Gone::Link).into());
                }
                store::set_password(unit, credential, account.id, password, now).await?;
                sessions::end_all(unit, account.id).await?;
                let message = Message::PasswordChanged { first_name: account.first_name.clone(), at: now, reset: true };
                unit.mail(&Mail { to: account.email.clone(), message }).await?;
                unit.audit(
                    vec![Object::new("account", account.id, full_name(&account.first_name, &account.last_name))],
                    json!(null),
                    json!(null),
                )
                .await?;
                Ok(())
            })
        })
        .await
}

/// Changes one's password: ends all other sessions and tells the owner.
///
/// # Errors
/// 422 where the old one is wrong or the new one does not do, 429.
pub async fn change_password(portal: &Portal, caller: &Caller, form: ChangePasswordForm) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    if let Some(()) = portal.earlier(caller, Action::ChangePassword).await? {
        return Ok(());
    }
    let checked = async {
        limits::count(portal, "password", &actor.account.to_string(), portal.config.sign_in_rate).await?;
        let hash = store::password(&mut portal.read().await?, actor.account).await?;
        portal.hasher.verify(&form.current_password, hash).await
    };
    let mut errors = FieldErrors::default();
    if !checked.await.map_err(|failure| portal.refuse(failure))? {
        portal.note(caller, Action::ChangePassword, "wrong_password").await;
        errors.0.push(("current_password".to_owned(), "This is not your password".to_owned()));
    }
    if let Err(FieldErrors(more)) = judge(portal, "new_password", &form.new_password, &actor.email, &actor.first_name, &actor.last_name) {
        errors.0.extend(more);
    }
    if !errors.0.is_empty() {
        return Err(errors.into());
    }
    let password = portal.hasher.hash(&form.new_password).await.map_err(|failure| portal.refuse(failure))?;
    portal
        .write(caller, Action::ChangePassword, (actor, password), |unit, (actor, password)| {
            Box::pin(async move {
                let (credential, now) = (unit.new_id(), unit.now);
                store::set_password(unit, credential, actor.account, password, now).await?;
                store::void_resets(unit, actor.account, now).await?;
                sessions::end_others(unit, actor.account, actor.session()).await?;
                let message = Message::PasswordChanged { first_name: actor.first_name.clone(), at: now, reset: false };
                unit.mail(&Mail { to: actor.email.clone(), message }).await?;
                unit.audit(vec![Object::new("account", actor.account, actor.name())], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Changes one's name, here and where the members' list shows it.
///
/// # Errors
/// 422 for the fields.
pub async fn change_name(portal: &Portal, caller: &Caller, form: NameForm) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    let names = form.parse()?;
    portal
        .write(caller, Action::ChangeName, (actor, names), |unit, (actor, (first_name, last_name))| {
            Box::pin(async move {
                store::rename(unit, actor.account, first_name, last_name).await?;
                let name = full_name(first_name.as_str(), last_name.as_str());
                crate::members::actions::keep_name_in_step(unit, actor.account, &name).await?;
                unit.audit(
                    vec![Object::new("account", actor.account, name.clone())],
                    json!({ "name": actor.name() }),
                    json!({ "name": name }),
                )
                .await?;
                Ok(())
            })
        })
        .await
}
