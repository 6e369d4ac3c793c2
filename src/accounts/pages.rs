//! The room's pages: pure views.

use leptos::prelude::*;

use crate::{
    factors::{actions::Factors, pages::section},
    form::{Conflict, Drawn, Refusal},
    identities::{self, Linked, Way},
    invitations::InvitationView,
    members::{Leaving, pages::only_admin},
    oauth::{self, KnownServer},
    organizations::pages::TypedName,
    sessions::{self, SessionView},
    ui::{Checked, ErrorSummary, Hidden, Icon, LocalTimes, Moment, TextField, icons},
    visit::sign_in_address,
    words::{Email, Timestamp},
};

const PASSWORD_HINT: &str =
    "At least 15 characters. Three or four words that only you would put together work well; a password manager works best.";

/// The address for password managers, which file a password under it. Nobody sees or sends it on purpose.
fn username(email: &Email) -> AnyView {
    view! { <input class="vh" type="email" name="username" autocomplete="username" value=email.to_string() readonly tabindex="-1" aria-hidden="true"/> }.into_any()
}

/// Sign-up, by the link of an invitation (its secret and what it offers) or without one. `stale` says that it began
/// with a link that no longer works.
#[must_use]
pub fn sign_up(drawn: Drawn, checked: Checked, invitation: Option<(String, InvitationView)>, stale: bool, way: Option<Way>) -> AnyView {
    let invited = invitation.is_some();
    let sign_in =
        invitation.as_ref().map_or_else(|| "/sign-in".to_owned(), |(token, _)| sign_in_address(&format!("/invitation?token={token}")));
    let email = invitation.as_ref().map_or_else(|| checked.value("email", ""), |(_, view)| view.email.to_string());
    let email_hint = if invited {
        "The invitation was sent to this address."
    } else {
        "Use the address that your colleagues know: invitations are tied to it."
    };
    let (token, offer) = invitation.unzip();
    view! {
        <div class="card">
            <div class="card-head"><h1>"Create an account"</h1>{offer.map(invitation_line)}</div>
            {stale.then(stale_invitation)}
            <ErrorSummary refusal=checked.refusal()/>
            <form class="form-body" method="post" action="/do/sign_up" novalidate>
                <Hidden drawn=drawn/>
                {token.map(|token| view! { <input type="hidden" name="form[invitation]" value=token/> })}
                <TextField name="email" label="E-mail" kind="email" autocomplete="email" value=email error=checked.error("email") hint=email_hint readonly=invited/>
                {name_fields(&checked, "", "")}
                <TextField name="password" label="Password" kind="password" autocomplete="new-password" error=checked.error("password") hint=PASSWORD_HINT/>
                <button class="button primary wide">"Create account"</button>
            </form>
            {way.map(identities::pages::way)}
        </div>
        <p class="aside">"Have an account? " <a href=sign_in>"Sign in"</a></p>
    }
    .into_any()
}

fn invitation_line(view: InvitationView) -> AnyView {
    let InvitationView { organization, inviter, role, .. } = view;
    view! { <p><bdi>{inviter}</bdi> " invites you to " <bdi>{organization}</bdi> " as " {role.name()} "."</p> }.into_any()
}

fn stale_invitation() -> AnyView {
    view! {
        <div class="callout warn">
            <Icon inner=icons::WARNING/>
            <div>
                <p>"This invitation no longer works. It was used, revoked or sent again, or has expired."</p>
                <p>"You can create an account all the same. Ask the person who invited you for a new invitation."</p>
            </div>
        </div>
    }
    .into_any()
}

fn name_fields(checked: &Checked, first_name: &str, last_name: &str) -> AnyView {
    view! {
        <div class="field-row">
            <TextField name="first_name" label="First name" autocomplete="given-name" value=checked.value("first_name", first_name) error=checked.error("first_name")/>
            <TextField name="last_name" label="Last name" autocomplete="family-name" value=checked.value("last_name", last_name) error=checked.error("last_name") optional=true/>
        </div>
    }
    .into_any()
}

/// What to do after a mail was asked for; the same whether or not the address has an account.
#[must_use]
pub fn check_your_mail(mailbox: bool) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head"><Icon inner=icons::MAIL large=true/><h1>"Check your mail"</h1></div>
            <p>"We sent a message to the address that you entered. Open it in this browser and follow its link to go on."</p>
            <p class="quiet-text">"Nothing after a few minutes? Look in the spam folder. If the address had a typing error, start again."</p>
            {mailbox.then(|| view! { <a class="button wide" href="/dev/mail"><Icon inner=icons::MAIL/>"Open the development mailbox"</a> })}
        </div>
        {back_to_sign_in()}
    }
    .into_any()
}

fn back_to_sign_in() -> AnyView {
    view! { <p class="aside"><a href="/sign-in">"Back to sign in"</a></p> }.into_any()
}

/// Forgotten password.
#[must_use]
pub fn forgot_password(drawn: Drawn, checked: Checked, way: Option<Way>) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head"><h1>"Forgot your password?"</h1><p>"Enter your e-mail and we send you a link to choose a new one."</p></div>
            <ErrorSummary refusal=checked.refusal()/>
            <form class="form-body" method="post" action="/do/forgot_password" novalidate>
                <Hidden drawn=drawn/>
                <TextField name="email" label="E-mail" kind="email" autocomplete="username" value=checked.value("email", "") error=checked.error("email")/>
                <button class="button primary wide">"Send link"</button>
            </form>
            {way.map(identities::pages::way)}
        </div>
        {back_to_sign_in()}
    }
    .into_any()
}

/// A new password by the link of a mail.
#[must_use]
pub fn reset_password(drawn: Drawn, checked: Checked, token: String, email: Email) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head"><h1>"Choose a new password"</h1><p>"For " <bdi>{email.to_string()}</bdi> ". It ends all your sessions."</p></div>
            <ErrorSummary refusal=checked.refusal()/>
            <form class="form-body" method="post" action="/do/reset_password" novalidate>
                <Hidden drawn=drawn/>
                <input type="hidden" name="form[token]" value=token/>
                {username(&email)}
                <TextField name="password" label="New password" kind="password" autocomplete="new-password" error=checked.error("password") hint=PASSWORD_HINT/>
                <button class="button primary wide">"Save password"</button>
            </form>
        </div>
    }
    .into_any()
}

/// The link to a new password no longer works.
#[must_use]
pub fn reset_password_gone() -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"This link no longer works"</h1>
                <p>"It was used, replaced by a newer one or is older than an hour, or it is not complete."</p>
            </div>
            <p>"Your password is as it was. You can get a new link."</p>
            <a class="button primary wide" href="/forgot-password">"Get a new link"</a>
        </div>
        {back_to_sign_in()}
    }
    .into_any()
}

/// What the page to verify an address asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// In the browser that signed up.
    Nothing,
    /// The password of the sign-up, in another browser.
    Password,
    /// A new one, where the sign-up came without.
    NewPassword,
}

/// Verification of an address: one button, and what is asked for.
#[must_use]
pub fn verify_email(drawn: Drawn, checked: Checked, token: String, email: Email, asked: Asked) -> AnyView {
    let field = match asked {
        Asked::Nothing => None,
        Asked::Password => Some(view! {
            {username(&email)}
            <TextField name="password" label="Password" kind="password" autocomplete="current-password" error=checked.error("password")
                hint="You signed up in another browser. Enter the password that was chosen there: it shows that the sign-up was yours."/>
        }.into_any()),
        Asked::NewPassword => Some(view! {
            {username(&email)}
            <TextField name="password" label="New password" kind="password" autocomplete="new-password" error=checked.error("password") hint=PASSWORD_HINT/>
        }.into_any()),
    };
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"Verify your e-mail address"</h1>
                <p>{if asked == Asked::Nothing { "One click, and your account is made for " } else { "Your account is made for " }} <bdi>{email.to_string()}</bdi> "."</p>
            </div>
            <ErrorSummary refusal=checked.refusal()/>
            <form class="form-body" method="post" action="/do/verify_email" novalidate>
                <Hidden drawn=drawn/>
                <input type="hidden" name="form[token]" value=token/>
                {field}
                <button class="button primary wide">"Verify e-mail address"</button>
            </form>
        </div>
        <p class="aside">"You did not sign up? Close this page; nothing happens."</p>
    }
    .into_any()
}

/// The link to verify an address no longer works.
#[must_use]
pub fn verify_email_gone() -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"This link no longer works"</h1>
                <p>"It was used, replaced by a newer one or is older than 24 hours, or it is not complete."</p>
            </div>
            <p>"If your address is verified already, sign in. Otherwise sign up again and get a new link."</p>
            <div class="form-body">
                <a class="button primary wide" href="/sign-in">"Sign in"</a>
                <a class="button wide" href="/sign-up">"Sign up again"</a>
            </div>
        </div>
    }
    .into_any()
}

/// Confirmation of a new address: one button.
#[must_use]
pub fn confirm_email(drawn: Drawn, checked: Checked, token: String, email: Email, before: Email) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"Confirm your e-mail address"</h1>
                <p>"Your account changes from " <bdi>{before.to_string()}</bdi> " to " <strong><bdi>{email.to_string()}</bdi></strong> ". All your other sessions end."</p>
            </div>
            <ErrorSummary refusal=checked.refusal()/>
            <form class="form-body" method="post" action="/do/confirm_email" novalidate>
                <Hidden drawn=drawn/>
                <input type="hidden" name="form[token]" value=token/>
                <button class="button primary wide">"Confirm e-mail address"</button>
            </form>
        </div>
        <p class="aside"><a href="/account">"Keep the address that you have"</a></p>
    }
    .into_any()
}

/// The same for who is not signed in: only the account that asked for the address can confirm it.
#[must_use]
pub fn confirm_email_signed_out(email: Email, sign_in: String) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"Confirm your e-mail address"</h1>
                <p>"To use " <strong><bdi>{email.to_string()}</bdi></strong> " from now on, sign in once more with the address that you have had so far."</p>
            </div>
            <a class="button primary wide" href=sign_in>"Sign in"</a>
        </div>
        <p class="aside">"You have no account here? Close this page; nothing happens."</p>
    }
    .into_any()
}

/// The same for who is signed in as somebody else.
#[must_use]
pub fn confirm_email_elsewhere(email: Email) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"This link is for another account"</h1>
                <p>"You are signed in as " <bdi>{email.to_string()}</bdi> ". Sign out and open the link again with the account that asked for the new address."</p>
            </div>
            <form method="post" action="/do/sign_out"><button class="button primary wide">"Sign out"</button></form>
        </div>
        <p class="aside"><a href="/getting-started">"Stay signed in as " <bdi>{email.to_string()}</bdi></a></p>
    }
    .into_any()
}

/// What the link of a mail that tells of a change undoes: the sentence, and the button's words.
#[must_use]
pub fn undo(drawn: Drawn, checked: Checked, token: String, (what, button): (String, &'static str)) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"Was it not you?"</h1>
                <p>{what} " Every session ends, the password is worth nothing any more, and you choose another one."</p>
            </div>
            <ErrorSummary refusal=checked.refusal()/>
            <form class="form-body" method="post" action="/do/undo_change" novalidate>
                <Hidden drawn=drawn/>
                <input type="hidden" name="form[token]" value=token/>
                <button class="button danger wide">{button}</button>
            </form>
        </div>
        <p class="aside">"It was you? Close this page; nothing happens."</p>
    }
    .into_any()
}

/// Such a link that undoes nothing any more.
#[must_use]
pub fn undo_gone(support: Option<String>) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"This link no longer works"</h1>
                <p>"It was used or is older than seven days, what it undoes was undone otherwise or cannot be undone any more, or it is not complete."</p>
            </div>
            {support.map(|support| view! { <p>"Something is wrong with your account? Write to " <a href=format!("mailto:{support}")>{support.clone()}</a> "."</p> })}
            <a class="button primary wide" href="/forgot-password">"Choose a new password"</a>
        </div>
    }
    .into_any()
}

/// The link to a new address no longer works.
#[must_use]
pub fn confirm_email_gone(signed_in: bool) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"This link no longer works"</h1>
                <p>"It was used, replaced by a newer one or is older than 24 hours, or it is not complete. A changed password ends it too."</p>
            </div>
            <p>"The page Account shows the address that you have, and there you can ask for a new link."</p>
            <a class="button primary wide" href="/account">{if signed_in { "Go to Account" } else { "Sign in" }}</a>
        </div>
    }
    .into_any()
}

/// Another address.
#[must_use]
pub fn change_email(form: Form, email: &Email, has_password: bool) -> AnyView {
    let Form { drawn, checked } = form;
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/account">"Account"</a></p><h1>"Change e-mail address"</h1></div></header>
        <form class="card form" method="post" action="/do/change_email" novalidate>
            <Hidden drawn=drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <p>"Your address is " <strong><bdi>{email.to_string()}</bdi></strong> ". It stays so until you open the link that we send to the new one, and confirm."</p>
            {username(email)}
            <TextField name="email" label="New e-mail" kind="email" autocomplete="email" value=checked.value("email", "") error=checked.error("email")/>
            {own_password(&checked, has_password)}
            <div class="actions start"><button class="button primary">"Send link"</button><a class="button quiet" href="/account">"Cancel"</a></div>
        </form>
    }
    .into_any()
}

/// Delete account, as a page that says what will be lost. `leaving` is one's organization and what becomes of it.
#[must_use]
pub fn delete(form: Form, email: &Email, leaving: Option<(String, Leaving)>, has_password: bool) -> AnyView {
    let Form { drawn, checked } = form;
    let head = view! { <header class="page-head"><div><p class="kicker"><a href="/account">"Account"</a></p><h1>"Delete account"</h1></div></header> };
    let (lost, typed) = match leaving {
        Some((organization, Leaving::OnlyAdmin)) => {
            return view! {
                {head}
                <ErrorSummary refusal=checked.refusal().filter(|refusal| *refusal != Refusal::Conflict(Conflict::LastAdmin))/>
                {only_admin(organization, "first, or delete the organization. Then delete your account.", checked.refusal().is_some())}
            }
            .into_any();
        }
        Some((organization, Leaving::OthersStay)) => {
            (view! { <p>"You leave " <strong><bdi>{organization}</bdi></strong> "; the others stay."</p> }.into_any(), None)
        }
        Some((organization, Leaving::Alone)) => {
            let name = organization.clone();
            let (value, error) = (checked.value("organization_name", ""), checked.error("organization_name"));
            (
                view! { <p>"You are the only member of " <strong><bdi>{name}</bdi></strong> ": it is deleted too, with its invitations."</p> }.into_any(),
                Some(view! { <TypedName name="organization_name" organization value error/> }),
            )
        }
        None => (().into_any(), None),
    };
    let typed_first = typed.is_none();
    view! {
        {head}
        <form class="card form" method="post" action="/do/delete_account" novalidate>
            <Hidden drawn=drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <p>"Delete the account of " <strong><bdi>{email.to_string()}</bdi></strong> "? All your sessions end. This cannot be undone. What you did stays in the audit log under your name."</p>
            {lost}
            {typed}
            <TextField name="email" label="Your e-mail, to confirm" kind="email" value=checked.value("email", "") error=checked.error("email") autofocus=typed_first/>
            {username(email)}
            {own_password(&checked, has_password)}
            <div class="actions"><a class="button" href="/account">"Cancel"</a><button class="button danger">"Delete account"</button></div>
        </form>
    }
    .into_any()
}

/// The password of the account, where it has one; else what is asked for in its place, where that is lacking.
fn own_password(checked: &Checked, has_password: bool) -> AnyView {
    if has_password {
        view! { <TextField name="password" label="Password" kind="password" autocomplete="current-password" error=checked.error("password") link=("/forgot-password", "Forgot your password?")/> }.into_any()
    } else {
        view! {
            <input type="hidden" name="form[password]" value=""/>
            <p class="quiet-text" id="password" tabindex="-1">"Your account has no password: this can be done within ten minutes after you signed in."</p>
        }
        .into_any()
    }
}

/// A form: what it carries, and how it was refused if it was.
pub struct Form {
    /// The circumstances it is drawn in.
    pub drawn: Drawn,
    /// Its refusal.
    pub checked: Checked,
}

/// What the account page shows.
pub struct Account {
    /// The address.
    pub email: Email,
    /// The address that waits to be confirmed, and until when it can be.
    pub waiting: Option<(Email, Timestamp)>,
    /// The first name.
    pub first_name: String,
    /// The last name; may be empty.
    pub last_name: String,
    /// The form of the name.
    pub name: Form,
    /// The form of the password.
    pub password: Form,
    /// Whether there is one.
    pub has_password: bool,
    /// What of the operator's OpenID provider is linked, and how the form that unlinks it was refused; nothing where there
    /// is neither a provider nor an identity.
    pub linked: Option<(Linked, Checked)>,
    /// The second factors.
    pub factors: Factors,
    /// The sessions, each with what its form carries.
    pub sessions: Vec<(SessionView, Drawn)>,
    /// The form that ends all others; its refusal is also that of the form that ends one.
    pub others: Form,
    /// The PMM servers that know the account, each with what its form carries.
    pub servers: Vec<(KnownServer, Drawn)>,
    /// The refusal of the form that takes that back.
    pub forget: Checked,
}

/// One's account: name, password, sessions.
#[must_use]
pub fn account(account: Account) -> AnyView {
    let Account { email, waiting, first_name, last_name, name, password, has_password, linked, factors, sessions, others, servers, forget } =
        account;
    let told = if has_password {
        "Changing it ends all your other sessions."
    } else {
        "Your account has none yet. With one you can sign in by your e-mail, too."
    };
    view! {
        <header class="page-head"><div><h1>"Account"</h1></div></header>
        <section class="settings" aria-labelledby="name-title">
            <div class="settings-head"><h2 id="name-title">"Name"</h2><p>"Members of your organization see your name and e-mail."</p></div>
            {name_form(name, &first_name, &last_name)}
        </section>
        <section class="settings" aria-labelledby="email-title">
            <div class="settings-head"><h2 id="email-title">"E-mail"</h2><p>"You sign in with it, and invitations are tied to it."</p></div>
            {address(&email, waiting)}
        </section>
        <section class="settings" id="change-password" aria-labelledby="password-title">
            <div class="settings-head"><h2 id="password-title">"Password"</h2><p>{told}</p></div>
            {password_form(password.drawn, password.checked, &email, has_password)}
        </section>
        {linked.map(|(linked, checked)| view! {
            <section class="settings" aria-labelledby="identities-title" data-region="identities">
                <div class="settings-head"><h2 id="identities-title">"Sign-in services"</h2><p>"What you can sign in with beside a password."</p></div>
                {identities::pages::linked(linked, checked)}
            </section>
        })}
        <section class="settings" aria-labelledby="factors-title" data-region="factors">
            <div class="settings-head"><h2 id="factors-title">"Second factor"</h2><p>"A code from an app, asked for after your password."</p></div>
            {section(&factors)}
        </section>
        <section class="settings" aria-labelledby="sessions-title">
            <div class="settings-head"><h2 id="sessions-title">"Sessions"</h2><p>"Where you are signed in. End what you do not recognize, then change your password."</p></div>
            {sessions::pages::list(sessions, others.drawn, others.checked)}
        </section>
        <section class="settings" aria-labelledby="servers-title" data-region="servers">
            <div class="settings-head"><h2 id="servers-title">"PMM servers"</h2><p>"Servers that know who you are, because you signed in to them. Remove one to sign it out and to be asked again."</p></div>
            {oauth::pages::known(servers, forget)}
        </section>
        <section class="settings" aria-labelledby="delete-title">
            <div class="settings-head"><h2 id="delete-title">"Delete"</h2><p>"It cannot be undone. You can sign up again afterwards."</p></div>
            <ul class="list danger">
                <li>
                    <div class="list-body"><p class="list-title">"Delete account"</p><p class="list-meta">"Your sessions and your membership end at once."</p></div>
                    <a class="button small" href="/account/delete">"Delete account"</a>
                </li>
            </ul>
        </section>
        <LocalTimes/>
    }
    .into_any()
}

fn address(email: &Email, waiting: Option<(Email, Timestamp)>) -> AnyView {
    view! {
        <ul class="list">
            <li>
                <Icon inner=icons::MAIL large=true/>
                <div class="list-body">
                    <p class="list-title"><bdi>{email.to_string()}</bdi> " " <span class="badge good"><Icon inner=icons::CHECK/>"Verified"</span></p>
                    {waiting.map(|(email, until)| view! {
                        <p class="list-meta">"Waiting to be confirmed: " <bdi>{email.to_string()}</bdi> ", by the link that we sent there, until " <Moment at=until/></p>
                    })}
                </div>
                <a class="button small" href="/account/email">"Change"<span class="vh">" e-mail address"</span></a>
            </li>
        </ul>
    }
    .into_any()
}

fn name_form(form: Form, first_name: &str, last_name: &str) -> AnyView {
    let Form { drawn, checked } = form;
    view! {
        <form class="card" method="post" action="/do/change_name" novalidate>
            <Hidden drawn=drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            {name_fields(&checked, first_name, last_name)}
            <div class="actions start"><button class="button primary">"Save"</button></div>
        </form>
    }
    .into_any()
}

/// Another password.
#[must_use]
pub fn password_form(drawn: Drawn, checked: Checked, email: &Email, has_password: bool) -> AnyView {
    let current = if has_password {
        view! { <TextField name="current_password" label="Current password" kind="password" autocomplete="current-password" error=checked.error("current_password") link=("/forgot-password", "Forgot your password?")/> }.into_any()
    } else {
        view! { <input type="hidden" id="current_password" name="form[current_password]" value=""/> }.into_any()
    };
    view! {
        <form class="card" method="post" action="/do/change_password" novalidate>
            <Hidden drawn=drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            {username(email)}
            {current}
            <TextField name="new_password" label="New password" kind="password" autocomplete="new-password" error=checked.error("new_password") hint=PASSWORD_HINT/>
            <div class="actions start"><button class="button primary">{if has_password { "Change password" } else { "Set password" }}</button></div>
        </form>
    }
    .into_any()
}
