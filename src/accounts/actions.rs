//! The use cases of accounts.

use serde_json::json;

use super::{
    ActivateForm, ChangeEmailForm, ChangePasswordForm, ConfirmEmailForm, DeleteAccountForm, ForgotPasswordForm, NameForm,
    ResetPasswordForm, SignUp, SignUpForm, Undo, UndoForm, VerifyEmailForm,
    store::{self, EmailChange, Waiting},
};
use crate::{
    actor::{ActorKind, Caller, Credential, full_name},
    audit::{Action, Object},
    db::{Connected, Failure},
    factors::actions as factors,
    form::{FieldErrors, Gone, Refusal},
    guard,
    identities::actions as identities,
    limits,
    mail::{Mail, Message},
    members::{Leaving, actions as members},
    oauth::actions as oauth,
    organizations::actions::check_name,
    passwords,
    pmm::tokens,
    portal::{Portal, Unit},
    secrets,
    sessions::actions as sessions,
    tickets::store as tickets,
    words::{AccountId, DAY, Email, FactorId, FirstName, HOUR, LastName, Timestamp},
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

/// Whether a password is that of whoever calls: the sentence for the field where it is not. Attempts are counted, and a
/// wrong one is noted. For an account without a password a sign-in of the last ten minutes does.
async fn check_password(portal: &Portal, caller: &Caller, action: Action, password: &str) -> Result<Result<(), &'static str>, Refusal> {
    let account = caller.actor()?.account;
    if !has_password(portal, account).await.map_err(|failure| portal.refuse(failure))? {
        let proven = match caller.actor()?.credential {
            Credential::Session { authenticated_at, .. } => guard::is_proven(authenticated_at, portal.clock.now()),
            Credential::Token(_) | Credential::Grant { .. } => false,
        };
        let sign_in = "Your account has no password. Sign in once more, and do this within ten minutes";
        return Ok(if proven { Ok(()) } else { Err(sign_in) });
    }
    let checked = async {
        limits::count(portal, "password", &account.to_string(), portal.config.sign_in_rate).await?;
        let hash = store::password(&mut portal.read().await?, account).await?;
        portal.hasher.verify(password, hash).await
    };
    if checked.await.map_err(|failure| portal.refuse(failure))? {
        return Ok(Ok(()));
    }
    portal.note(caller, action, "wrong_password", Vec::new()).await;
    Ok(Err(if password.is_empty() { "Enter your password" } else { "This is not your password" }))
}

/// Whether an account has a password.
///
/// # Errors
/// The database's.
pub async fn has_password(portal: &Portal, account: AccountId) -> Result<bool, Failure> {
    Ok(store::password(&mut portal.read().await?, account).await?.is_some())
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
    identities::refuse_password(portal, &sign_up.email)?;
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

/// Signs up without a password: whoever follows the link of the mail chooses it. What is done and answered is the same
/// whether or not the address has an account.
///
/// # Errors
/// 422 for fields, 429.
pub async fn sign_up_without_password(portal: &Portal, caller: &Caller, form: SignUpForm) -> Result<(), Refusal> {
    let sign_up = form.parse()?;
    identities::refuse_password(portal, &sign_up.email)?;
    count_mail(portal, caller, &sign_up.email).await?;
    sign_up_by_mail(portal, caller, sign_up, String::new()).await
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
                    Message::VerifyEmail {
                        first_name: waiting.first_name.to_string(),
                        token: token.expose().to_owned(),
                        chooses_password: !waiting.has_password(),
                    }
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
                create(unit, sign_up, Some(password))
                    .await?
                    .ok_or_else(|| FieldErrors::one("email", "This address has an account already. Sign in with it").into())
            })
        })
        .await
}

/// Makes an account whose address is verified, with a password or, where somebody else shows who they are, without one, in
/// the unit; none where the address has one.
///
/// # Errors
/// The database's.
pub async fn create(unit: &mut Unit, sign_up: &SignUp, password: Option<&str>) -> Result<Option<AccountId>, Failure> {
    let (id, credential, now) = (AccountId(unit.new_id()), unit.new_id(), unit.now);
    if !store::insert(unit, id, &sign_up.email, &sign_up.first_name, &sign_up.last_name, now).await? {
        return Ok(None);
    }
    if let Some(password) = password {
        store::set_password(unit, credential, id, password, now).await?;
    }
    let name = full_name(sign_up.first_name.as_str(), sign_up.last_name.as_str());
    let after = json!({ "email": sign_up.email.as_str() });
    unit.audit_as(Action::VerifyEmail, vec![Object::new("account", id, name)], json!(null), after).await?;
    Ok(Some(id))
}

/// Verifies an address by the link of a mail. In another browser than the one that signed up, the password of the
/// sign-up is asked for too: else whoever signs up with somebody else's address would own the account as soon as that
/// person follows the link. Where the sign-up came without a password, whoever follows the link chooses it: they read the
/// address's mail, so the account is theirs. Tells whether it is the same browser.
///
/// # Errors
/// 410 for a link that no longer works, 422 for a wrong password, or one that does not do.
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
        if !waiting.has_password() {
            let password = choose(portal, &form.password, &waiting.email, waiting.first_name.as_str(), waiting.last_name.as_str()).await?;
            return Ok((Waiting { password, ..waiting }, false));
        }
        if !same_browser {
            limits::count(portal, "verify", &waiting.email.key(), portal.config.sign_in_rate).await?;
            if !portal.hasher.verify(&form.password, Some(waiting.password.clone())).await? {
                portal.note(caller, Action::VerifyEmail, "wrong_password", Vec::new()).await;
                return Err(FieldErrors::one("password", "This is not the password that was chosen at sign-up").into());
            }
        }
        Ok::<_, Failure>((waiting, same_browser))
    };
    let (waiting, same_browser) = found.await.map_err(|failure| portal.refuse(failure))?;
    use_link(portal, caller, waiting, token_hash, same_browser).await
}

/// Judges a new password and hashes it.
async fn choose(portal: &Portal, password: &str, email: &Email, first_name: &str, last_name: &str) -> Result<String, Failure> {
    judge(portal, "password", password, email, first_name, last_name)?;
    portal.hasher.hash(password).await
}

/// Makes the account of a sign-up, and uses its link.
async fn use_link(
    portal: &Portal,
    caller: &Caller,
    waiting: Waiting,
    token_hash: Vec<u8>,
    same_browser: bool,
) -> Result<(AccountId, bool), Refusal> {
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
                let account = create(unit, &sign_up, Some(&waiting.password)).await?.ok_or(Refusal::Gone(Gone::Link))?;
                Ok((account, *same_browser))
            })
        })
        .await
}

/// Whether [`activate`] would take the secret of a link.
///
/// # Errors
/// The database's.
pub async fn is_activatable(portal: &Portal, token: &str) -> Result<bool, Failure> {
    let (token_hash, now, mut db) = (secrets::hash(token), portal.clock.now(), portal.read().await?);
    Ok(store::sign_up(&mut db, &token_hash, now).await?.is_some() || store::reset(&mut db, &token_hash, now).await?.is_some())
}

/// Chooses the password by the link of a mail, wherever that is: of a sign-up, whose account is made with it, or to reset
/// it. The link proves the address, so a password that was chosen at the sign-up counts for nothing: it may be another
/// one's who signed up with this address. Where the link resets a password, the account keeps its name.
///
/// # Errors
/// 410 for a link that no longer works, 422 for the fields.
pub async fn activate(portal: &Portal, caller: &Caller, form: ActivateForm) -> Result<(), Refusal> {
    let token_hash = secrets::hash(&form.token);
    let found = async { Ok::<_, Failure>(store::sign_up(&mut portal.read().await?, &token_hash, portal.clock.now()).await?) };
    let Some(mut waiting) = found.await.map_err(|failure| portal.refuse(failure))? else {
        return reset_password(portal, caller, ResetPasswordForm { token: form.token, password: form.password }).await;
    };
    if !form.name.first_name.is_empty() || !form.name.last_name.is_empty() {
        (waiting.first_name, waiting.last_name) = form.name.parse()?;
    }
    let (first_name, last_name) = (waiting.first_name.to_string(), waiting.last_name.to_string());
    let chosen = choose(portal, &form.password, &waiting.email, &first_name, &last_name).await;
    waiting.password = chosen.map_err(|failure| portal.refuse(failure))?;
    use_link(portal, caller, waiting, token_hash, false).await.map(|_| ())
}

/// Sends a link to choose a new password, or, where the address has no account, word of that. Either way the same is
/// done and answered.
///
/// # Errors
/// 422 for the address, 429.
pub async fn forgot_password(portal: &Portal, caller: &Caller, form: ForgotPasswordForm) -> Result<(), Refusal> {
    let email = Email::parse(&form.email).map_err(|message| Refusal::field("email", message))?;
    identities::refuse_password(portal, &email)?;
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
                // As the account has it: that is the spelling that was proved.
                let to = account.map_or_else(|| email.clone(), |account| account.email);
                unit.mail(&Mail { to, message }).await?;
                unit.audit(vec![Object::new("address", "", email.as_str())], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Chooses a new password by a link: ends every session and every token of the account and tells its owner.
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
                // Whoever lost the password may also have lost the new address to somebody.
                store::void_email_changes(unit, account.id, now).await?;
                lock_out(unit, account.id).await?;
                let by = sessions::asked_by(unit);
                let message = Message::PasswordChanged { first_name: account.first_name.clone(), at: now, reset: true, by };
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
    let mut errors = FieldErrors::default();
    errors.take("current_password", check_password(portal, caller, Action::ChangePassword, &form.current_password).await?);
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
                unit.lock_account(actor.account).await?;
                store::set_password(unit, credential, actor.account, password, now).await?;
                store::void_resets(unit, actor.account, now).await?;
                store::void_email_changes(unit, actor.account, now).await?;
                sessions::end_others(unit, actor.account, actor.session()?).await?;
                let by = sessions::asked_by(unit);
                let message = Message::PasswordChanged { first_name: actor.first_name.clone(), at: now, reset: false, by };
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
                let name = set_name(unit, actor.account, first_name, last_name).await?;
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

/// Gives an account another name, here and where it is shown, in the unit. Gives it in one.
///
/// # Errors
/// The database's.
pub async fn set_name(unit: &mut Unit, account: AccountId, first_name: &FirstName, last_name: &LastName) -> Result<String, Failure> {
    let now = unit.now;
    store::rename(unit, account, first_name, last_name, now).await?;
    let name = full_name(first_name.as_str(), last_name.as_str());
    members::keep_name_in_step(unit, account, &name).await?;
    tickets::rename(unit, account, &name).await?;
    Ok(name)
}

/// Asks for another address: a link goes to it, and word of it to the address of now. Where the new one has an account,
/// its owner gets a mail in place of the link; what is done and answered here is the same.
///
/// # Errors
/// 422 for the fields, 429.
pub async fn request_email_change(portal: &Portal, caller: &Caller, form: ChangeEmailForm) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    if let Some(()) = portal.earlier(caller, Action::RequestEmailChange).await? {
        return Ok(());
    }
    let mut errors = FieldErrors::default();
    let email = errors.take("email", Email::parse(&form.email));
    let email = email.and_then(|email| {
        let same = email.key() == actor.email.key();
        errors.take("email", if same { Err("This is the address of your account already") } else { Ok(email) })
    });
    errors.take("password", check_password(portal, caller, Action::RequestEmailChange, &form.password).await?);
    let (Some(email), true) = (email, errors.0.is_empty()) else { return Err(errors.into()) };
    count_mail(portal, caller, &email).await?;
    portal
        .write(caller, Action::RequestEmailChange, (actor, email), |unit, (actor, email)| {
            Box::pin(async move {
                unit.lock_account(actor.account).await?;
                let known = store::by_email(unit, email).await?.is_some();
                let token = unit.portal.random.secret();
                let (id, now) = (unit.new_id(), unit.now);
                let change = EmailChange { account_id: actor.account, email: email.clone(), expires_at: now.plus(DAY) };
                store::insert_email_change(unit, id, &token.hash(), &change, now).await?;
                // Where there is an account, the link's secret goes to nobody.
                let message = if known {
                    Message::AddressInUse
                } else {
                    Message::ConfirmEmail { first_name: actor.first_name.clone(), token: token.expose().to_owned() }
                };
                unit.mail(&Mail { to: email.clone(), message }).await?;
                let by = sessions::asked_by(unit);
                let message = Message::EmailChangeAsked { first_name: actor.first_name.clone(), email: email.clone(), at: now, by };
                unit.mail(&Mail { to: actor.email.clone(), message }).await?;
                unit.audit(
                    vec![Object::new("account", actor.account, actor.name()), Object::new("address", "", email.as_str())],
                    json!(null),
                    json!(null),
                )
                .await?;
                Ok(())
            })
        })
        .await
}

/// Changes one's address, by the link that was sent to the new one: here and where the members' list shows it. Ends all
/// other sessions and tells the address that it was.
///
/// Who confirms is signed in as the account that asked. Else a slip in the new address would give the account to whoever
/// reads the mail there.
///
/// # Errors
/// 410 for a link that no longer works, is another account's, or whose address has an account by now.
pub async fn confirm_email_change(portal: &Portal, caller: &Caller, form: ConfirmEmailForm) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    portal
        .write(caller, Action::ChangeEmail, (actor, secrets::hash(&form.token)), |unit, (actor, token_hash)| {
            Box::pin(async move {
                unit.lock_account(actor.account).await?;
                let (now, gone) = (unit.now, Refusal::Gone(Gone::Link));
                let change = store::email_change(unit, token_hash, now).await?.ok_or(gone.clone())?;
                if !store::use_email_change(unit, token_hash, actor.account, now).await? {
                    return Err(gone.into());
                }
                if store::by_email(unit, &change.email).await?.is_some() {
                    return Err(gone.into());
                }
                let before = store::email(unit, actor.account).await?.ok_or(gone)?;
                set_address(unit, actor.account, &actor.first_name, &before, &change.email).await?;
                sessions::end_others(unit, actor.account, actor.session()?).await?;
                unit.audit(
                    vec![Object::new("account", actor.account, actor.name())],
                    json!({ "email": before.as_str() }),
                    json!({ "email": change.email.as_str() }),
                )
                .await?;
                Ok(())
            })
        })
        .await
}

/// Gives an account another address, here and wherever it is shown.
async fn readdress(unit: &mut Unit, account: AccountId, email: &Email) -> Result<(), Failure> {
    let now = unit.now;
    store::readdress(unit, account, email, now).await?;
    members::keep_email_in_step(unit, account, email).await?;
    Ok(tickets::readdress(unit, account, email.as_str(), &email.key()).await?)
}

/// Ends every session and every token of an account, also those of PMM servers.
///
/// # Errors
/// The database's.
pub async fn lock_out(unit: &mut Unit, account: AccountId) -> Result<(), Failure> {
    sessions::end_all(unit, account).await?;
    tokens::end_all(unit, account).await?;
    oauth::end_all(unit, account).await?;
    Ok(())
}

/// For how long a change of one's credentials can be undone.
pub const UNDO_LASTS: i64 = 7 * DAY;

/// Keeps a link by which a change is undone, in the unit that makes the change. Gives its secret, for the mail that tells of it.
///
/// # Errors
/// The database's.
pub async fn offer_undo(unit: &mut Unit, account: AccountId, undo: Undo) -> Result<String, Failure> {
    let (token, now) = (unit.portal.random.secret(), unit.now);
    let (email, factor_id) = match undo {
        Undo::Email(email) => (Some(email), None),
        Undo::Factor(factor) => (None, Some(factor)),
    };
    let link = store::UndoLink { account_id: account, email, factor_id, created_at: now };
    store::insert_undo(unit, &token.hash(), &link, now.plus(UNDO_LASTS)).await?;
    Ok(token.expose().to_owned())
}

/// What a link undoes: the change that its mail told of, and what was changed after it by the same means.
#[derive(Clone, Debug)]
pub struct Undoing {
    /// Whose.
    pub account: AccountId,
    /// From which moment on.
    pub since: Timestamp,
    /// The address that comes back: the one before the first of these changes.
    pub email: Option<Email>,
    /// The second factors that go, with their names.
    pub factors: Vec<(FactorId, String)>,
    /// The identities at the provider that are unlinked, by their addresses there.
    pub identities: Vec<String>,
}

/// What a link undoes, if it still works and there is something to undo.
///
/// # Errors
/// The database's.
pub async fn undoable(db: &mut impl Connected, token: &str, now: Timestamp) -> Result<Option<Undoing>, Failure> {
    let Some(link) = store::undo(db, &secrets::hash(token), now).await? else { return Ok(None) };
    let (account, since) = (link.account_id, link.created_at);
    let (mut email, mut found) = (None, Vec::new());
    for link in store::undos_since(db, account, since).await? {
        match (link.email, link.factor_id) {
            (Some(before), _) => email = email.or(Some(before)),
            (None, Some(factor)) => match factors::name_of(db, account, factor).await {
                Ok(name) => found.push((factor, name)),
                // Its owner has removed it meanwhile.
                Err(Failure::Refusal(Refusal::NotFound)) => {}
                Err(failure) => return Err(failure),
            },
            (None, None) => {}
        }
    }
    if let Some(before) = &email
        && store::by_email(db, before).await?.is_some_and(|other| other.id != account)
    {
        // It is another account's by now.
        email = None;
    }
    if email.is_none() && found.is_empty() {
        return Ok(None);
    }
    let identities = identities::linked_since(db, account, since).await?;
    Ok(Some(Undoing { account, since, email, factors: found, identities }))
}

/// Undoes a change of an account's credentials that was not its owner's, and what was changed after it: the address comes back,
/// and second factors, recovery codes and identities of after it go. Whoever made the change has a session and a password, so
/// every session and every token ends, and the password is worth nothing any more.
/// Gives the secret of a link to choose another one.
///
/// # Errors
/// 410 for a link that no longer works, or where there is nothing to undo.
pub async fn undo_change(portal: &Portal, caller: &Caller, form: UndoForm) -> Result<String, Refusal> {
    // The secret must not be kept with the form's key. A link that is used a second time is refused.
    let caller = Caller { drawn: crate::form::Drawn::default(), ..caller.clone() };
    let reset = portal.random.secret();
    portal
        .write(&caller, Action::UndoChange, (form.token, reset.hash()), |unit, (token, reset_hash)| {
            Box::pin(async move {
                let (now, gone) = (unit.now, Refusal::Gone(Gone::Link));
                let account = store::undo(unit, &secrets::hash(token), now).await?.ok_or(gone.clone())?.account_id;
                unit.lock_account(account).await?;
                let undoing = undoable(unit, token, now).await?.ok_or(gone.clone())?;
                if !store::use_undo(unit, &secrets::hash(token), now).await? {
                    return Err(gone.into());
                }
                let row = store::get(unit, account).await?.ok_or(gone)?;
                let mut after = serde_json::Map::new();
                if let Some(email) = &undoing.email {
                    readdress(unit, account, email).await?;
                    after.insert("email".to_owned(), json!(email.as_str()));
                }
                let mut names = Vec::new();
                for (factor, name) in undoing.factors {
                    factors::take_back(unit, account, factor).await?;
                    names.push(name);
                }
                if !names.is_empty() {
                    after.insert("factors".to_owned(), json!(names));
                }
                factors::take_back_recovery(unit, account, undoing.since).await?;
                identities::unlink_since(unit, account, undoing.since).await?;
                if !undoing.identities.is_empty() {
                    after.insert("identities".to_owned(), json!(undoing.identities));
                }
                // By the links of what is undone nobody undoes the undoing.
                store::void_undos(unit, account, undoing.since, now).await?;
                store::void_email_changes(unit, account, now).await?;
                store::void_resets(unit, account, now).await?;
                store::delete_password(unit, account).await?;
                lock_out(unit, account).await?;
                let id = unit.new_id();
                store::insert_reset(unit, id, reset_hash, Some(account), now, now.plus(HOUR)).await?;
                let objects = vec![Object::new("account", account, full_name(&row.first_name, &row.last_name))];
                unit.audit(objects, json!({ "email": row.email.as_str() }), after.into()).await?;
                Ok(())
            })
        })
        .await?;
    Ok(reset.expose().to_owned())
}

/// Gives an account another address, here and where it is shown, in the unit: links to reset the password end, and the address
/// that it had is told. Whose sessions end is the caller's affair.
///
/// # Errors
/// The database's.
pub async fn set_address(unit: &mut Unit, account: AccountId, first_name: &str, before: &Email, email: &Email) -> Result<(), Failure> {
    let now = unit.now;
    readdress(unit, account, email).await?;
    store::void_resets(unit, account, now).await?;
    let by = sessions::asked_by(unit);
    // What the operator's identity system says is not for whoever has the old mailbox to undo.
    let undo = match unit.caller.kind {
        ActorKind::IdentitySystem => {
            // Nor is what was changed here before it said so.
            store::void_undos_of_address(unit, account, now).await?;
            String::new()
        }
        _ => offer_undo(unit, account, Undo::Email(before.clone())).await?,
    };
    let message = Message::EmailChanged { first_name: first_name.to_owned(), email: email.clone(), at: now, by, undo };
    unit.mail(&Mail { to: before.clone(), message }).await
}

/// Ends an account whose membership has ended in the unit. A last mail says so, and names the organization that ended with it,
/// where one did.
///
/// # Errors
/// 404 where it is gone.
pub async fn end(unit: &mut Unit, account: AccountId, organization: Option<String>) -> Result<(), Failure> {
    // As it is now: it may have been changed since this request was let in.
    let row = store::get(unit, account).await?.ok_or(Refusal::NotFound)?;
    // What was asked stays with the organization; who gets the address later does not see it.
    tickets::readdress(unit, account, "", "").await?;
    store::delete(unit, account).await?;
    let (at, by) = (unit.now, sessions::asked_by(unit));
    let by_others = unit.caller.kind == ActorKind::IdentitySystem;
    let message = Message::AccountDeleted { first_name: row.first_name.clone(), at, by, organization, by_others };
    unit.mail(&Mail { to: row.email.clone(), message }).await?;
    let name = full_name(&row.first_name, &row.last_name);
    let before = json!({ "email": row.email.as_str(), "name": name });
    unit.audit_as(Action::DeleteAccount, vec![Object::new("account", account, name)], before, json!(null)).await?;
    Ok(())
}

/// Deletes one's account, with its membership; the organization too, where nobody else is in it. A last mail says so.
///
/// # Errors
/// 422 for the fields, 409 for the last Admin among others, 429.
pub async fn delete(portal: &Portal, caller: &Caller, form: DeleteAccountForm) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    let mut errors = FieldErrors::default();
    let typed = form.email.trim().to_lowercase();
    errors.take(
        "email",
        match typed.as_str() {
            "" => Err("Type the e-mail address of your account"),
            typed if typed != actor.email.key() => Err("This is not the e-mail address of your account"),
            _ => Ok(()),
        },
    );
    errors.take("password", check_password(portal, caller, Action::DeleteAccount, &form.password).await?);
    if !errors.0.is_empty() {
        // So that all that is to be mended is said at once; the unit asks again.
        let leaving = async { members::leaving(&mut portal.read().await?, actor.account).await };
        if let Some((name, Leaving::Alone)) = leaving.await.map_err(|failure| portal.refuse(failure))? {
            errors.take("organization_name", check_name(&name, &form.organization_name));
        }
        return Err(errors.into());
    }
    portal
        .write(caller, Action::DeleteAccount, (actor, form.organization_name), |unit, (actor, typed)| {
            Box::pin(async move {
                unit.lock_account(actor.account).await?;
                let organization = members::end_with_account(unit, actor.account, typed, "organization_name").await?;
                end(unit, actor.account, organization).await
            })
        })
        .await?;
    sessions::forget_browser(portal);
    Ok(())
}
