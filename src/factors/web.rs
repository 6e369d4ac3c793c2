//! The room's page handlers: load, draw.

use super::{
    PATH, SCRIPT, actions,
    pages::{self, AppPage, PasskeyPage},
    passkeys, totp,
};
use crate::{
    db::Failure,
    form::{Refusal, is_own_path},
    guard,
    identities::actions as identities,
    oauth::actions as oauth,
    operator::pages::Forms,
    ui::Checked,
    visit::{Answer, Page, Visit, sign_in_address},
};

/// What a form of one's factors needs, and whether it asks for the password.
fn forms(visit: &Visit, function: &str) -> Result<Forms, Failure> {
    let actor = visit.actor()?;
    let proven = actor.authenticated_at().is_some_and(|at| guard::is_proven(at, visit.portal.clock.now()));
    let way = identities::way(&visit.portal, Some(&visit.here()), actor.email.as_str(), true);
    Ok(Forms { drawn: visit.drawn(), checked: Checked(visit.state_of(function)), proven, operator: actor.email.clone(), way })
}

/// The script that asks for passkeys, where this portal has them.
#[must_use]
pub fn script(visit: &Visit) -> Option<&'static str> {
    passkeys::domain(&visit.portal.config).map(|_| SCRIPT)
}

/// `GET /account/factors`
///
/// # Errors
/// The database's.
pub async fn factors(visit: &Visit) -> Result<Answer, Failure> {
    let factors = actions::of(&visit.portal, visit.actor()?.account).await?;
    Ok(Page::narrow("Two-step sign-in", move || pages::factors(factors)).with_islands().with_script(script(visit)).into())
}

/// `GET /account/factors/app`
///
/// # Errors
/// 409 where there is no key file.
pub async fn app(visit: &Visit) -> Result<Answer, Failure> {
    let forms = forms(visit, "add_app")?;
    let set_up = actions::set_up(&visit.portal, visit.actor()?, &forms.checked.value("sealed", ""))?;
    let qr = totp::qr(&set_up.address);
    let first = !actions::of(&visit.portal, visit.actor()?.account).await?.is_on();
    let to = forms.checked.value("to", &visit.parameter("to").unwrap_or_default());
    let to = Some(to).filter(|to| is_own_path(to));
    let page = AppPage { sealed: set_up.sealed, key: set_up.key, qr, first, to };
    let required = visit.portal.config.second_factor;
    Ok(if guard::owes_factor(&mut visit.portal.read().await?, required, visit.actor()?).await? {
        // There is nowhere else to go.
        let script = script(visit);
        Page::card("Set up two-step sign-in", move || pages::first_app(page, forms, script.is_some())).with_script(script).into()
    } else {
        Page::narrow("Set up an app", move || pages::app(page, forms)).into()
    })
}

/// `GET /account/factors/passkey`
///
/// # Errors
/// The database's.
pub async fn passkey(visit: &Visit) -> Result<Answer, Failure> {
    let Some(script) = script(visit) else { return Ok(Answer::SeeOther(PATH.to_owned())) };
    let forms = forms(visit, "add_passkey")?;
    let first = !actions::of(&visit.portal, visit.actor()?.account).await?.is_on();
    let to = forms.checked.value("to", &visit.parameter("to").unwrap_or_default());
    let page = PasskeyPage { first, to: Some(to).filter(|to| is_own_path(to)) };
    let required = visit.portal.config.second_factor;
    Ok(if guard::owes_factor(&mut visit.portal.read().await?, required, visit.actor()?).await? {
        Page::card("Set up a passkey", move || pages::first_passkey(page, forms)).with_script(Some(script)).into()
    } else {
        Page::narrow("Add a passkey", move || pages::passkey(page, forms)).with_script(Some(script)).into()
    })
}

/// `GET /account/factors/remove?factor=…`
///
/// # Errors
/// 404 where there is none of that id.
pub async fn remove(visit: &Visit) -> Result<Answer, Failure> {
    let Some(id) = visit.parameter("factor") else { return Ok(Answer::SeeOther(PATH.to_owned())) };
    let id = id.parse().map_err(|_| Refusal::NotFound)?;
    let account = visit.actor()?.account;
    let name = actions::name_of(&mut visit.portal.read().await?, account, id).await?;
    let factors = actions::of(&visit.portal, account).await?;
    let last = factors.apps.len() + factors.passkeys.len() == 1;
    let forms = forms(visit, "remove_factor")?;
    Ok(Page::narrow("Remove a second factor", move || pages::remove(id, name, last, forms)).into())
}

/// `GET /account/factors/recovery-codes`
///
/// # Errors
/// The database's.
pub async fn recovery_codes(visit: &Visit) -> Result<Answer, Failure> {
    let factors = actions::of(&visit.portal, visit.actor()?.account).await?;
    if !factors.is_on() {
        return Ok(Answer::SeeOther(PATH.to_owned()));
    }
    let forms = forms(visit, "renew_recovery_codes")?;
    Ok(Page::narrow("New recovery codes", move || pages::recovery_codes(factors.recovery_codes, forms)).into())
}

/// `GET /sign-in/code`, the second step of a sign-in. Who has not done the first is led there.
///
/// # Errors
/// The database's.
pub async fn second_step(visit: &Visit) -> Result<Answer, Failure> {
    let checked = Checked(visit.state_of("finish_sign_in").or_else(|| visit.state_of("use_passkey")));
    let to = checked.value("to", &visit.parameter("to").unwrap_or_default());
    let to = Some(to).filter(|to| is_own_path(to));
    let Some(account) = actions::half_way(&visit.portal, &visit.headers).await? else {
        let signed_in = visit.caller.actor.is_some();
        return Ok(Answer::SeeOther(match to {
            Some(to) if signed_in => to,
            Some(to) => sign_in_address(&to),
            None if signed_in => "/getting-started".to_owned(),
            None => "/sign-in".to_owned(),
        }));
    };
    let factors = actions::of(&visit.portal, account).await?;
    let script = script(visit).filter(|_| !factors.passkeys.is_empty());
    let has_app = !factors.apps.is_empty();
    let recovery = visit.parameter("with").as_deref() == Some("recovery-code");
    let forms = [visit.drawn(), visit.drawn()];
    let leads_out_to = match &to {
        Some(to) => oauth::leads_out_to(&visit.portal, to).await?,
        None => None,
    };
    let page = Page::card("Enter the code", move || {
        pages::second_step(forms, checked, to, pages::Offered { recovery, has_app, passkey: script.is_some() })
    });
    Ok(page.with_forms_that_lead_out_to(leads_out_to).with_script(script).into())
}
