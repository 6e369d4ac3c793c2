//! The room's pages: pure views.

use leptos::prelude::*;

use super::MemberRow;
use crate::{
    form::Drawn,
    permissions::{Role, TABLE},
    ui::{Checked, ErrorSummary, Hidden, Icon, SelectField, icons},
};

/// Edit Member, as a page.
#[must_use]
pub fn edit(member: MemberRow, checked: Checked, drawn: Drawn) -> AnyView {
    let fields = if member.own {
        view! {
            <p>"Nobody can change their own role. Another Admin can change yours."</p>
            <div class="actions start"><a class="button" href="/organization/members">"View members"</a></div>
        }
        .into_any()
    } else {
        view! {
            <input type="hidden" name="form[member]" value=member.id.to_string()/>
            <SelectField
                name="role"
                label="Role"
                hint="An Admin manages members and sees customer data."
                options=Role::ALL.map(Role::name).to_vec()
                value=checked.value("role", member.role.name())
                error=checked.error("role")
            />
            <p class="hint"><a href="/roles">"Compare roles"</a></p>
            <div class="actions start"><button class="button primary">"Save"</button><a class="button quiet" href="/organization/members">"Cancel"</a></div>
        }
        .into_any()
    };
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/organization/members">"Members"</a></p><h1>"Edit Member"</h1></div></header>
        <form class="card form" method="post" action="/do/change_role" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <p><strong><bdi>{member.name}</bdi></strong><br/><span class="quiet-text"><bdi>{member.email}</bdi></span></p>
            {fields}
        </form>
    }
    .into_any()
}

/// Remove, as a page that asks first.
#[must_use]
pub fn remove(member: MemberRow, organization: String, checked: Checked, drawn: Drawn) -> AnyView {
    let name = member.name.clone();
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/organization/members">"Members"</a></p><h1>"Remove member"</h1></div></header>
        <form class="card form" method="post" action="/do/remove_member">
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            {if member.own {
                view! {
                    <p>"You cannot remove yourself. You can leave the organization instead."</p>
                    <div class="actions start"><a class="button" href="/organization/leave">"Leave organization"</a></div>
                }.into_any()
            } else {
                view! {
                    <input type="hidden" name="form[member]" value=member.id.to_string()/>
                    <p>
                        "Remove " <strong><bdi>{member.name}</bdi></strong> " (" <bdi>{member.email}</bdi> ") from " <bdi>{organization}</bdi>
                        "? They lose access at once, in every session. To come back, they have to be invited again."
                    </p>
                    <div class="actions"><a class="button" href="/organization/members" autofocus=true>"Cancel"</a><button class="button danger">"Remove " <bdi>{name}</bdi></button></div>
                }.into_any()
            }}
        </form>
    }
    .into_any()
}

/// Leave, as a page that asks first.
#[must_use]
pub fn leave(organization: String, only_admin: bool, alone: bool, checked: Checked, drawn: Drawn) -> AnyView {
    let head = view! { <header class="page-head"><div><p class="kicker"><a href="/organization">"Organization"</a></p><h1>"Leave organization"</h1></div></header> };
    if only_admin {
        let sentence = if alone {
            " always has one. Invite somebody and make them Admin first, then leave."
        } else {
            " always has one. Make another member Admin first, then leave."
        };
        return view! {
            {head}
            <div class="callout warn" role=checked.refusal().map(|_| "alert")>
                <Icon inner=icons::WARNING/>
                <div class="callout-body">
                    <div><p><strong>"You are the only Admin"</strong></p><p><bdi>{organization}</bdi>{sentence}</p></div>
                    <a class="button" href="/organization/members">"View members"</a>
                </div>
            </div>
        }
        .into_any();
    }
    let name = organization.clone();
    view! {
        {head}
        <form class="card form" method="post" action="/do/leave_organization">
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <p>"Leave " <strong><bdi>{organization}</bdi></strong> "? You lose access at once, in every session. To come back, somebody has to invite you again."</p>
            <div class="actions"><a class="button" href="/organization" autofocus=true>"Cancel"</a><button class="button danger">"Leave " <bdi>{name}</bdi></button></div>
        </form>
    }
    .into_any()
}

/// The permission table.
#[must_use]
pub fn roles(own: Option<Role>) -> AnyView {
    let cell = |role: Role, allowed: bool, note: &'static str| {
        let note = if note.is_empty() { String::new() } else { format!(", {note}") };
        view! {
            <td role="cell" data-label=role.name()>
                {if allowed {
                    view! { <span class="allowed"><Icon inner=icons::CHECK/>"Yes" {note}</span> }.into_any()
                } else {
                    view! { <span class="refused"><Icon inner=icons::X/>"No"</span> }.into_any()
                }}
            </td>
        }
    };
    let head = |role: Role| view! { <th scope="col" role="columnheader">{role.name()} {(own == Some(role)).then(|| view! { " " <span class="badge accent">"You"</span> })}</th> };
    view! {
        <header class="page-head">
            <div>
                <h1>"Roles and permissions"</h1>
                <p class="lede">"What each role may do. Nobody changes their own role, and an organization always has at least one Admin."</p>
            </div>
        </header>
        <div class="table-wrap slim">
            <table class="table" role="table">
                <caption class="vh">"Permissions of each role"</caption>
                <thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">"Permission"</th>{head(Role::Admin)}{head(Role::TechnicalUser)}</tr></thead>
                <tbody role="rowgroup">
                    {TABLE.iter().map(|row| view! {
                        <tr role="row">
                            <th scope="row" role="rowheader">{row.title}</th>
                            {cell(Role::Admin, row.admin, row.admin_note)}
                            {cell(Role::TechnicalUser, row.technical_user, row.technical_user_note)}
                        </tr>
                    }).collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}
