//! The room's pages: pure views.

use leptos::prelude::*;

use super::{InvitationRow, InvitationView, Standing};
use crate::{
    form::{Conflict, Drawn, Refusal},
    list::{ListQuery, Listed},
    permissions::Role,
    ui::{
        Checked, Date, ErrorSummary, Hidden, Icon, LocalTimes, Moment, SelectField, TextArea, icons,
        list::{self, Head, Table},
    },
    words::{Email, InvitationId},
};

const PATH: &str = "/organization/invitations";

/// Stands in the address of an invitation's page that the list of invitations led to, behind that list's own query.
pub const FROM_LIST: &str = "from=list";

/// The address of an invitation's page, from which one comes back to the list as it was.
fn page_of(id: &str, page: &str, list: Option<&ListQuery>) -> String {
    match list.map(ListQuery::to_url) {
        None => format!("{PATH}/{id}/{page}"),
        Some(query) => format!("{PATH}/{id}/{page}{query}{}{FROM_LIST}", if query.is_empty() { '?' } else { '&' }),
    }
}

/// The fields of Invite Member, the same on the page and in the dialog.
#[component]
pub fn InviteFields(
    /// The form's refusal, if it was refused.
    checked: Checked,
    /// The roles that may be given.
    roles: &'static [Role],
) -> impl IntoView {
    // Of many, those that went out are done with: the others stay to be mended.
    let rest = match checked.refusal() {
        Some(Refusal::Partly(partly)) => Some(partly.rest()),
        _ => None,
    };
    view! {
        <TextArea name="email" label="Corporate e-mail" hint="One address, or many pasted at once." autofocus=true value=rest.unwrap_or_else(|| checked.value("email", "")) error=checked.error("email")/>
        <SelectField
            name="role"
            label="Role"
            hint="An Admin manages members and sees customer data."
            options=roles.iter().map(|role| role.name()).collect()
            value=checked.value("role", Role::TechnicalUser.name())
            error=checked.error("role")
        />
    }
}

/// Invite Member, as a page.
#[must_use]
pub fn invite(roles: &'static [Role], checked: Checked, drawn: Drawn, resend: Drawn) -> AnyView {
    let again = match checked.refusal() {
        Some(Refusal::Conflict(Conflict::AlreadyInvited(id))) if id != InvitationId(uuid::Uuid::nil()) => Some(id),
        _ => None,
    };
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/organization/members">"Members"</a></p><h1>"Invite Member"</h1></div></header>
        <form class="card form" method="post" action="/do/invite_member" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <InviteFields checked roles/>
            <p class="hint"><a href="/roles">"Compare roles"</a></p>
            <div class="actions start"><button class="button primary">"Save"</button><a class="button quiet" href="/organization/members">"Cancel"</a></div>
        </form>
        {again.map(|id| view! {
            <form class="card form" method="post" action="/do/resend_invitation">
                <Hidden drawn=resend/>
                <input type="hidden" name="invitation" value=id.to_string()/>
                <p>"The invitation that waits can be sent again. Its earlier link stops working."</p>
                <div class="actions start"><button class="button">"Resend"</button></div>
            </form>
        })}
    }
    .into_any()
}

/// The list of invitations: those that wait, or of the state that was chosen.
#[must_use]
pub fn invitations(
    page: Listed<InvitationRow>,
    query: ListQuery,
    organization: String,
    invites: bool,
    refusal: Option<Refusal>,
    drawn: impl Fn() -> Drawn,
) -> AnyView {
    let states: Vec<_> = Standing::ALL
        .iter()
        .map(|standing| (standing.name().to_owned(), standing.title().to_owned()))
        .chain([("all".to_owned(), "All".to_owned())])
        .collect();
    let content = if page.rows.is_empty() {
        let (title, sentence) = if query.is_conditional() {
            ("No invitations found", "No invitation is in this state, or none is for an address that holds what you searched for.")
        } else {
            ("No invitations wait", "Everybody who was invited has answered. Whoever you invite next stands here until they do.")
        };
        list::empty(icons::MAIL, title, sentence, list::clear(&query, PATH))
    } else {
        list::table(PATH, page, &query, TABLE, |row| self::row(row, drawn(), Some(&query)))
    };
    view! {
        <header class="page-head">
            <div><p class="kicker"><a href="/organization/members">"Members"</a></p><h1>"Invitations"</h1><p class="lede">"To " <bdi>{organization}</bdi> ". A link is used once. Sending it again replaces the earlier one."</p></div>
            {invites.then(|| view! {
                <div class="page-actions"><a class="button primary" href="/organization/members/invite"><Icon inner=icons::USER_PLUS/>"Invite Member"</a></div>
            })}
        </header>
        <ErrorSummary refusal/>
        <div class="section">
            <div class="toolbar">
                {list::search(PATH, "Search invitations by e-mail", "Search by e-mail", &query)}
                {list::filter(PATH, &query, "state", "State", "Pending or expired", &states)}
            </div>
            <div class="section" id="invitations" tabindex="-1" data-region="invitations">{content}</div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

const TABLE: Table<'_> = Table {
    class: "table",
    caption: "Invitations",
    pages: "Pages of invitations",
    heads: &[
        Head::Sorted("email", "E-mail"),
        Head::Plain("State"),
        Head::Plain("Role"),
        Head::Plain("Invited by"),
        Head::Sorted("sent", "Sent"),
        Head::Sorted("expires", "Valid until"),
        Head::Actions,
    ],
};

/// An invitation in a list. In the list of its own, which is given with it, it says when it was sent.
#[must_use]
pub fn row(row: InvitationRow, drawn: Drawn, list: Option<&ListQuery>) -> AnyView {
    let whole = list.is_some();
    let title = row.standing.title();
    let badge = match row.standing {
        Standing::Pending => view! { <span class="badge warn"><Icon inner=icons::CLOCK/>{title}</span> },
        Standing::Expired => view! { <span class="badge"><Icon inner=icons::BAN/>{title}</span> },
        Standing::Accepted => view! { <span class="badge good"><Icon inner=icons::CHECK/>{title}</span> },
        Standing::Declined | Standing::Revoked => view! { <span class="badge"><Icon inner=icons::X_CIRCLE/>{title}</span> },
    };
    let actions = row.manageable.then(|| {
        let (id, menu, email) = (row.id.to_string(), format!("invitation-{}", row.id), row.email.clone());
        view! {
            <button class="icon-button row-menu" type="button" id=format!("actions-{id}") popovertarget=menu.clone()><Icon inner=icons::MORE large=true/><span class="vh">"Actions for " <bdi>{email.clone()}</bdi></span></button>
            <div class="row-actions" id=menu popover="auto">
                <form method="post" action="/do/resend_invitation" data-call="resend_invitation">
                    <Hidden drawn/>
                    <input type="hidden" name="invitation" value=id.clone()/>
                    <button class="icon-button" title="Resend"><Icon inner=icons::REFRESH/><span class="label">"Resend " <bdi>{email.clone()}</bdi></span></button>
                </form>
                {row.changeable.then(|| view! {
                    <a class="icon-button" href=page_of(&id, "role", list) title="Change role">
                        <Icon inner=icons::EDIT/><span class="label">"Change role of " <bdi>{email.clone()}</bdi></span>
                    </a>
                })}
                <a class="icon-button danger" href=page_of(&id, "revoke", list) title="Revoke" data-dialog="revoke" data-id=id.clone() data-email=email.clone()>
                    <Icon inner=icons::X_CIRCLE/><span class="label">"Revoke " <bdi>{email.clone()}</bdi></span>
                </a>
            </div>
        }
    });
    view! {
        <tr role="row" data-key=row.id.to_string()>
            <th scope="row" role="rowheader" class="break"><bdi>{row.email.clone()}</bdi></th>
            <td role="cell" data-label="State">{badge}</td>
            <td role="cell" class="nowrap" data-label="Role">{row.role.name()}</td>
            <td role="cell" data-label="Invited by"><bdi>{row.inviter.clone()}</bdi></td>
            {whole.then(|| view! { <td role="cell" class="nowrap" data-label="Sent"><Date at=row.sent_at short=true/></td> })}
            <td role="cell" class="nowrap" data-label="Valid until"><Date at=row.expires_at short=true/></td>
            <td role="cell" class="actions-cell">{actions}</td>
        </tr>
    }
    .into_any()
}

/// The role of a pending invitation, as a page.
#[must_use]
pub fn role(invitation: InvitationRow, list: String, checked: Checked, drawn: Drawn) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href=list.clone()>"Invitations"</a></p><h1>"Change role"</h1></div></header>
        <form class="card form" method="post" action="/do/change_invitation_role" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <input type="hidden" name="form[invitation]" value=invitation.id.to_string()/>
            <p>"The invitation of " <strong><bdi>{invitation.email}</bdi></strong> ". Its link stays good."</p>
            <SelectField
                name="role"
                label="Role"
                hint="An Admin manages members and sees customer data."
                options=Role::ALL.map(Role::name).to_vec()
                value=checked.value("role", invitation.role.name())
                error=checked.error("role")
            />
            <p class="hint"><a href="/roles">"Compare roles"</a></p>
            <div class="actions start"><button class="button primary">"Save"</button><a class="button quiet" href=list>"Cancel"</a></div>
        </form>
    }
    .into_any()
}

/// Revoke, as a page that asks first.
#[must_use]
pub fn revoke(invitation: InvitationRow, list: String, checked: Checked, drawn: Drawn) -> AnyView {
    let back = if list.starts_with(PATH) { "Invitations" } else { "Members" };
    view! {
        <header class="page-head"><div><p class="kicker"><a href=list.clone()>{back}</a></p><h1>"Revoke invitation"</h1></div></header>
        <form class="card form" method="post" action="/do/revoke_invitation">
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <input type="hidden" name="invitation" value=invitation.id.to_string()/>
            <p>"Revoke the invitation of " <strong><bdi>{invitation.email}</bdi></strong> "? Its link stops working at once. You can invite the address again."</p>
            <div class="actions"><a class="button" href=list autofocus=true>"Cancel"</a><button class="button danger">"Revoke invitation"</button></div>
        </form>
    }
    .into_any()
}

/// The invitation, for whom it is: accept or decline.
#[must_use]
pub fn answer(invitation: InvitationView, email: String, refusal: Option<Refusal>, accept: Drawn, decline: Drawn) -> AnyView {
    let id = invitation.id.to_string();
    view! {
        <div class="card">
            <div class="card-head"><p>"Invitation"</p><h1>"Join " <bdi>{invitation.organization}</bdi></h1></div>
            <ErrorSummary refusal/>
            <dl class="facts">
                <div><dt>"Invited by"</dt><dd><bdi>{invitation.inviter}</bdi></dd></div>
                <div><dt>"Your role"</dt><dd>{invitation.role.name()}</dd></div>
                <div><dt>"For"</dt><dd><bdi>{invitation.email.to_string()}</bdi></dd></div>
                <div><dt>"Valid until"</dt><dd><Moment at=invitation.expires_at/></dd></div>
            </dl>
            <div class="actions even">
                <form method="post" action="/do/decline_invitation"><Hidden drawn=decline/><input type="hidden" name="invitation" value=id.clone()/><button class="button wide">"Decline"</button></form>
                <form method="post" action="/do/accept_invitation"><Hidden drawn=accept/><input type="hidden" name="invitation" value=id/><button class="button primary wide">"Accept"</button></form>
            </div>
        </div>
        {signed_in_as(email)}
    }
    .into_any()
}

fn signed_in_as(email: String) -> impl IntoView {
    view! { <form class="aside" method="post" action="/do/sign_out">"Signed in as " <bdi>{email}</bdi> ". " <button class="link-button">"Sign out"</button></form> }
}

/// The invitation, for who is not signed in: sign in or sign up as that address.
#[must_use]
pub fn signed_out(invitation: InvitationView, token: String, sign_in: String) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <p>"Invitation"</p>
                <h1>"Join " <bdi>{invitation.organization}</bdi></h1>
                <p><bdi>{invitation.inviter}</bdi> " invited " <bdi>{invitation.email.to_string()}</bdi> " as " {invitation.role.name()} "."</p>
            </div>
            <div class="form-body">
                <a class="button primary wide" href=format!("/sign-up?invitation={token}")>"Create an account"</a>
                <a class="button wide" href=sign_in>"Sign in"</a>
            </div>
        </div>
        <p class="aside">"Not for you? Close this page; the invitation ends on " <Date at=invitation.expires_at/> "."</p>
    }
    .into_any()
}

/// The invitation is for another address than the one signed in.
#[must_use]
pub fn other_address(invited: Email, email: String) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"This invitation is for another address"</h1>
                <p>"It was sent to " <bdi>{invited.masked()}</bdi> "; you are signed in as " <bdi>{email.clone()}</bdi> "."</p>
            </div>
            <p>"Sign out and open the link again with the account of that address, or ask for an invitation to this one."</p>
            <form method="post" action="/do/sign_out"><button class="button primary wide">"Sign out"</button></form>
        </div>
        <p class="aside"><a href="/getting-started">"Stay signed in as " <bdi>{email}</bdi></a></p>
    }
    .into_any()
}

/// Whoever it is for is in another organization.
#[must_use]
pub fn other_organization(invitation: InvitationView, own: String, email: String, decline: Drawn) -> AnyView {
    let id = invitation.id.to_string();
    view! {
        <div class="card">
            <div class="card-head">
                <h1>"You are in another organization"</h1>
                <p>"An account belongs to one organization, and yours belongs to " <bdi>{own.clone()}</bdi> "."</p>
            </div>
            <p>"To join " <bdi>{invitation.organization}</bdi> ", leave " <bdi>{own.clone()}</bdi> " first. The invitation stays valid until " <Date at=invitation.expires_at/> "."</p>
            <a class="button primary wide" href="/organization"><span>"View " <bdi>{own}</bdi></span></a>
            <form method="post" action="/do/decline_invitation"><Hidden drawn=decline/><input type="hidden" name="invitation" value=id/><button class="button wide">"Decline"</button></form>
        </div>
        {signed_in_as(email)}
    }
    .into_any()
}

/// One page for every link that no longer works, or never did.
#[must_use]
pub fn over(signed_in: bool) -> AnyView {
    view! {
        <div class="card">
            <div class="card-head"><h1>"This invitation cannot be used"</h1><p>"It was used, replaced by a newer one, revoked or has expired, or the link is not complete."</p></div>
            <p>"Ask the person who invited you for a new one. If you joined already, you find your organization after signing in."</p>
            {if signed_in {
                view! { <a class="button primary wide" href="/getting-started">"Go to Getting Started"</a> }.into_any()
            } else {
                view! { <a class="button primary wide" href="/sign-in">"Sign in"</a> }.into_any()
            }}
        </div>
    }
    .into_any()
}
