//! The room's page handlers: load, draw.

use axum::http::StatusCode;

use super::{
    actions::{self, SIGN_UP_COOKIE},
    pages::{self, Form},
    store::{self, Waiting},
};
use crate::{
    db::Failure,
    dev_mail,
    factors::actions as factors,
    form::door::cookie_name,
    identities::actions as identities,
    invitations::actions as invitations,
    members::actions as members,
    oauth::actions as oauth,
    secrets,
    sessions::actions as sessions,
    ui::Checked,
    visit::{self, Answer, Page, Visit, sign_in_address},
};

/// The secret of the page's link: from its address, or from its form where that was refused.
fn link_secret(visit: &Visit, checked: &Checked, name: &str) -> String {
    checked.value(name, &visit.parameter(name).unwrap_or_default())
}

/// One of the forms of a page.
fn form(visit: &Visit, function: &str) -> Form {
    Form { drawn: visit.drawn(), checked: Checked(visit.state_of(function)) }
}

/// `GET /sign-up`, also by the link of an invitation. Who is signed in has an account.
///
/// # Errors
/// The database's.
pub async fn sign_up(visit: &Visit) -> Result<Answer, Failure> {
    if visit.caller.actor.is_some() && visit.state.is_none() {
        return Ok(Answer::SeeOther("/getting-started".to_owned()));
    }
    let Form { drawn, checked } = form(visit, "sign_up");
    let token = link_secret(visit, &checked, "invitation");
    let view = if token.is_empty() { None } else { invitations::by_link(&visit.portal, &token).await? };
    // Where the form was refused, its refusal says why.
    let stale = !token.is_empty() && view.is_none() && checked.0.is_none();
    let to = view.as_ref().map(|_| format!("/invitation?token={token}"));
    let hint = view.as_ref().map_or_else(|| checked.value("email", ""), |view| view.email.to_string());
    let way = identities::way(&visit.portal, to.as_deref(), &hint, false);
    let invitation = view.map(|view| (token, view));
    Ok(Page::card("Create an account", move || pages::sign_up(drawn, checked, invitation, stale, way)).into())
}

/// `GET /check-your-mail`: the same page whatever the address was.
///
/// # Errors
/// None of its own.
pub async fn check_your_mail(visit: &Visit) -> Result<Answer, Failure> {
    let mailbox = dev_mail::allowed(visit);
    Ok(Page::card("Check your mail", move || pages::check_your_mail(mailbox)).into())
}

/// `GET /forgot-password`
///
/// # Errors
/// None of its own.
pub async fn forgot_password(visit: &Visit) -> Result<Answer, Failure> {
    let Form { drawn, checked } = form(visit, "forgot_password");
    // Only where the address turned out to sign in there is it what people are after.
    let way = identities::way(&visit.portal, None, &checked.value("email", ""), false).filter(|_| checked.error("email").is_some());
    Ok(Page::card("Forgot your password?", move || pages::forgot_password(drawn, checked, way)).into())
}

/// `GET /reset-password`, the link of a mail. Nothing happens by opening it.
///
/// # Errors
/// The database's.
pub async fn reset_password(visit: &Visit) -> Result<Answer, Failure> {
    let Form { drawn, checked } = form(visit, "reset_password");
    let token = link_secret(visit, &checked, "token");
    let account = store::reset(&mut visit.portal.read().await?, &secrets::hash(&token), visit.portal.clock.now()).await?;
    let Some(account) = account else {
        return Ok(Page::card("This link no longer works", pages::reset_password_gone).with_status(StatusCode::GONE).into());
    };
    Ok(Page::card("Choose a new password", move || pages::reset_password(drawn, checked, token, account.email)).into())
}

/// `GET /verify-email`, the link of a mail. Nothing happens by opening it.
///
/// # Errors
/// The database's.
pub async fn verify_email(visit: &Visit) -> Result<Answer, Failure> {
    let Form { drawn, checked } = form(visit, "verify_email");
    let token = link_secret(visit, &checked, "token");
    let waiting = store::sign_up(&mut visit.portal.read().await?, &secrets::hash(&token), visit.portal.clock.now()).await?;
    let Some(waiting) = waiting else {
        return Ok(Page::card("This link no longer works", pages::verify_email_gone).with_status(StatusCode::GONE).into());
    };
    let asked = match waiting.has_password() {
        false => pages::Asked::NewPassword,
        true if signed_up_here(visit, &waiting) => pages::Asked::Nothing,
        true => pages::Asked::Password,
    };
    Ok(Page::card("Verify your e-mail address", move || pages::verify_email(drawn, checked, token, waiting.email, asked)).into())
}

/// Whether the browser that visits is the one that signed up.
fn signed_up_here(visit: &Visit, waiting: &Waiting) -> bool {
    let name = cookie_name(&visit.portal, SIGN_UP_COOKIE);
    visit::cookie(&visit.headers, &name).is_some_and(|secret| secrets::hash(secret) == waiting.browser_hash)
}

/// `GET /undo?token=…`, from the mail that tells of a change.
///
/// # Errors
/// The database's.
pub async fn undo(visit: &Visit) -> Result<Answer, Failure> {
    let Form { drawn, checked } = form(visit, "undo_change");
    let token = link_secret(visit, &checked, "token");
    let mut db = visit.portal.read().await?;
    let Some(undoing) = actions::undoable(&mut db, &token, visit.portal.clock.now()).await? else {
        let support = visit.portal.config.support_email.as_ref().map(ToString::to_string);
        return Ok(Page::card("This link no longer works", move || pages::undo_gone(support)).with_status(StatusCode::GONE).into());
    };
    let mut what = Vec::new();
    if let Some(email) = &undoing.email {
        let now = store::email(&mut db, undoing.account).await?.map(|email| email.to_string()).unwrap_or_default();
        what.push(format!("The address of your account goes back from {now} to {email}."));
    }
    what.extend(undoing.factors.iter().map(|(_, name)| format!("The second factor {name} is removed from your account.")));
    what.extend(undoing.identities.iter().map(|email| format!("The sign-in as {email} by the sign-in service is unlinked.")));
    let what = (what.join(" "), if undoing.email.is_some() { "Change it back" } else { "Remove it" });
    Ok(Page::card("Was it not you?", move || pages::undo(drawn, checked, token, what)).into())
}

/// `GET /confirm-email`, the link of a mail. Nothing happens by opening it.
///
/// # Errors
/// The database's.
pub async fn confirm_email(visit: &Visit) -> Result<Answer, Failure> {
    let Form { drawn, checked } = form(visit, "confirm_email");
    let token = link_secret(visit, &checked, "token");
    let change = store::email_change(&mut visit.portal.read().await?, &secrets::hash(&token), visit.portal.clock.now()).await?;
    let signed_in = visit.caller.actor.is_some();
    let Some(change) = change else {
        return Ok(Page::card("This link no longer works", move || pages::confirm_email_gone(signed_in))
            .with_status(StatusCode::GONE)
            .into());
    };
    let Some(actor) = visit.caller.actor.clone() else {
        let sign_in = sign_in_address(&visit.here());
        return Ok(Page::card("Confirm your e-mail address", move || pages::confirm_email_signed_out(change.email, sign_in)).into());
    };
    if change.account_id != actor.account {
        return Ok(Page::card("This link is for another account", move || pages::confirm_email_elsewhere(actor.email))
            .with_status(StatusCode::FORBIDDEN)
            .into());
    }
    Ok(Page::card("Confirm your e-mail address", move || pages::confirm_email(drawn, checked, token, change.email, actor.email)).into())
}

/// `GET /account/email`
///
/// # Errors
/// 401 where nobody is signed in.
pub async fn change_email(visit: &Visit) -> Result<Answer, Failure> {
    let actor = visit.actor()?;
    let has_password = actions::has_password(&visit.portal, actor.account).await?;
    let (email, form) = (actor.email.clone(), form(visit, "change_email"));
    Ok(Page::narrow("Change e-mail address", move || pages::change_email(form, &email, has_password)).into())
}

/// `GET /account/delete`
///
/// # Errors
/// 401 where nobody is signed in, and the database's.
pub async fn delete(visit: &Visit) -> Result<Answer, Failure> {
    let actor = visit.actor()?;
    let leaving = members::leaving(&mut visit.portal.read().await?, actor.account).await?;
    let has_password = actions::has_password(&visit.portal, actor.account).await?;
    let (email, form) = (actor.email.clone(), form(visit, "delete_account"));
    Ok(Page::narrow("Delete account", move || pages::delete(form, &email, leaving, has_password)).into())
}

/// `GET /account`
///
/// # Errors
/// 401 where nobody is signed in, and the database's.
pub async fn account(visit: &Visit) -> Result<Answer, Failure> {
    let actor = visit.actor()?;
    let waiting = store::email_change_of(&mut visit.portal.read().await?, actor.account, visit.portal.clock.now()).await?;
    let sessions = sessions::list(&visit.portal, actor, &visit.caller.origin.address).await?;
    let factors = factors::of(&visit.portal, actor.account).await?;
    let servers = oauth::known(&visit.portal, actor).await?;
    let has_password = actions::has_password(&visit.portal, actor.account).await?;
    let linked = identities::linked(&visit.portal, actor, || visit.drawn()).await?;
    let linked = (linked.way.is_some() || !linked.identities.is_empty()).then(|| (linked, Checked(visit.state_of("unlink_identity"))));
    let ended = visit.state_of("end_session").or_else(|| visit.state_of("end_other_sessions"));
    let account = pages::Account {
        email: actor.email.clone(),
        waiting: waiting.map(|change| (change.email, change.expires_at)),
        first_name: actor.first_name.clone(),
        last_name: actor.last_name.clone(),
        name: form(visit, "change_name"),
        password: form(visit, "change_password"),
        has_password,
        linked,
        factors,
        sessions: sessions.into_iter().map(|session| (session, visit.drawn())).collect(),
        others: Form { drawn: visit.drawn(), checked: Checked(ended) },
        servers: servers.into_iter().map(|server| (server, visit.drawn())).collect(),
        forget: Checked(visit.state_of("forget_server")),
    };
    Ok(Page::new("Account", move || pages::account(account)).with_islands().into())
}

/// `GET /.well-known/change-password`: where password managers look for the form.
///
/// # Errors
/// None of its own.
pub async fn change_password_address(_visit: &Visit) -> Result<Answer, Failure> {
    Ok(Answer::SeeOther("/account#change-password".to_owned()))
}
