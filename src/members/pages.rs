//! The room's pages: pure views.

use leptos::prelude::*;

use super::{MemberRow, actions::Region, islands::MembersRoom};
use crate::{
    form::{Conflict, Drawn, Refusal},
    invitations::{InvitationRow, Standing, pages::InviteFields},
    list::{ListQuery, MAX_SEARCH, thousands},
    organizations::pages::{Tab, tabs},
    permissions::{Permission, Role, TABLE},
    ui::{Ago, Checked, Date, ErrorSummary, Hidden, Icon, SelectField, icons},
};

/// The Members tab.
#[must_use]
pub fn members(region: Region, refusal: Option<Refusal>, drawn: Drawn) -> AnyView {
    let (viewer, query) = (region.viewer.clone(), region.query.clone());
    let organization = viewer.organization.to_string();
    view! {
        <MembersRoom>
            <header class="page-head">
                <div><p class="kicker">"Organization"</p><h1><bdi>{viewer.organization_name.clone()}</bdi></h1></div>
                {viewer.role.may(Permission::InviteMembers).then(|| view! {
                    <div class="page-actions">
                        <a class="button primary" href="/organization/members/invite" data-dialog="invite"><Icon inner=icons::USER_PLUS/>"Invite Member"</a>
                    </div>
                })}
            </header>
            {tabs(Tab::Members, region.total)}
            <ErrorSummary refusal/>
            <div class="section">
                {search(query)}
                <div class="section" id="members" tabindex="-1" data-organization=organization>{self::region(region)}</div>
            </div>
            {dialogs(viewer.role, viewer.organization_name, drawn)}
        </MembersRoom>
    }
    .into_any()
}

fn search(query: ListQuery) -> AnyView {
    view! {
        <div class="toolbar">
            <form class="search" role="search" method="get" action="/organization/members">
                <Icon inner=icons::SEARCH/>
                <label class="vh" for="q">"Search members by name or e-mail"</label>
                <input class="input" id="q" name="q" type="search" placeholder="Search by name or e-mail" value=query.q.clone() maxlength=MAX_SEARCH.to_string() autocomplete="off" aria-keyshortcuts="/"/>
                {(!query.sort.is_empty()).then(|| view! { <input type="hidden" name="sort" value=query.sort.clone()/> })}
                {query.descending.then(|| view! { <input type="hidden" name="order" value="desc"/> })}
                <kbd aria-hidden="true">"/"</kbd>
            </form>
        </div>
    }
    .into_any()
}

/// What changes on the Members tab: the list, its pages and the pending invitations. The island asks for it again.
#[must_use]
pub fn region(region: Region) -> AnyView {
    let drawn = {
        let (drawn, random) = (region.drawn.clone(), region.random);
        move || Drawn { key: random.tag(), ..drawn.clone() }
    };
    let invitations = region.invitations.clone();
    view! {
        {list(region)}
        {(!invitations.is_empty()).then(|| pending(invitations, drawn))}
    }
    .into_any()
}

const COLUMNS: [(&str, &str); 5] =
    [("name", "Name"), ("email", "E-mail"), ("role", "Role"), ("joined", "Joined"), ("active", "Last active")];

fn list(region: Region) -> AnyView {
    let Region { page, query, viewer, total, .. } = region;
    let total = thousands(total);
    if page.rows.is_empty() {
        return view! {
            <div class="table-wrap" data-total=total>
                <div class="empty">
                    <Icon inner=icons::SEARCH large=true/>
                    <h2>"No members found"</h2>
                    <p>"Nobody's name or e-mail address holds what you searched for."</p>
                    <div class="actions"><a class="button" href="/organization/members" data-list="">"Clear search"</a></div>
                </div>
            </div>
        }
        .into_any();
    }
    let head = COLUMNS.map(|(column, title)| {
        let sorted = page.sort == column;
        let next = ListQuery { descending: sorted && !page.descending, ..query.sorted(column, &page.sort) };
        let direction = if page.descending { "descending" } else { "ascending" };
        let icon = if sorted && page.descending { icons::SORT_DOWN } else { icons::SORT_UP };
        view! {
            <th scope="col" role="columnheader" aria-sort=sorted.then_some(direction)>
                <a class="sort" id=format!("sort-{column}") href=format!("/organization/members{}", next.to_url()) data-list="">{title}<Icon inner=icon/></a>
            </th>
        }
    });
    let (edits, removes) = (viewer.role.may(Permission::ChangeRole), viewer.role.may(Permission::ManageMembers));
    let place = |after: Option<String>, before: Option<String>| {
        let other = ListQuery { after: after.unwrap_or_default(), before: before.unwrap_or_default(), ..query.clone() };
        format!("/organization/members{}", other.to_url())
    };
    let previous = page.previous.clone().map(|cursor| place(None, Some(cursor)));
    let next = page.next.clone().map(|cursor| place(Some(cursor), None));
    let range = page.range();
    view! {
        <div class="table-wrap" data-total=total>
            <table class="table" role="table">
                <caption class="vh">"Members"</caption>
                <thead role="rowgroup">
                    <tr role="row" data-label="Sort by">{head.collect_view()}<th scope="col" role="columnheader" class="actions-cell"><span class="vh">"Actions"</span></th></tr>
                </thead>
                <tbody role="rowgroup">{page.rows.into_iter().map(|row| member(row, edits, removes)).collect_view()}</tbody>
            </table>
        </div>
        <nav class="pager" aria-label="Pages of members">
            <p>{range}</p>
            <ul>
                <li>{step(previous, "prev")}</li>
                <li>{step(next, "next")}</li>
            </ul>
        </nav>
    }
    .into_any()
}

fn step(href: Option<String>, rel: &'static str) -> AnyView {
    let words = if rel == "prev" {
        view! { <Icon inner=icons::CHEVRON_LEFT flip=true/>"Previous" }.into_any()
    } else {
        view! { "Next"<Icon inner=icons::CHEVRON_RIGHT flip=true/> }.into_any()
    };
    match href {
        Some(href) => view! { <a class="button small" id=format!("page-{rel}") rel=rel href=href data-list="">{words}</a> }.into_any(),
        None => view! { <span class="button small" aria-disabled="true">{words}</span> }.into_any(),
    }
}

fn member(row: MemberRow, edits: bool, removes: bool) -> AnyView {
    let own = row.own;
    let actions = (!own && (edits || removes)).then(|| {
        let (id, menu) = (row.id.to_string(), format!("member-{}", row.id));
        let (name, email) = (row.name.clone(), row.email.clone());
        let edit = edits.then(|| {
            view! {
                <a class="icon-button" href=format!("/organization/members/{id}/edit") title="Edit" id=format!("edit-{id}") data-dialog="edit" data-id=id.clone() data-name=name.clone() data-email=email.clone() data-role=row.role.name()>
                    <Icon inner=icons::EDIT/><span class="label">"Edit " <bdi>{name.clone()}</bdi></span>
                </a>
            }
        });
        let remove = removes.then(|| {
            view! {
                <a class="icon-button danger" href=format!("/organization/members/{id}/remove") title="Remove" data-dialog="remove" data-id=id.clone() data-name=name.clone() data-email=email.clone()>
                    <Icon inner=icons::REMOVE/><span class="label">"Remove " <bdi>{name.clone()}</bdi></span>
                </a>
            }
        });
        view! {
            <button class="icon-button row-menu" type="button" id=format!("actions-{id}") popovertarget=menu.clone()><Icon inner=icons::MORE large=true/><span class="vh">"Actions for " <bdi>{name.clone()}</bdi></span></button>
            <div class="row-actions" id=menu popover="auto">{edit}{remove}</div>
        }
    });
    view! {
        <tr role="row" class=own.then_some("own")>
            <th scope="row" role="rowheader"><bdi>{row.name.clone()}</bdi>{own.then(|| view! { " " <span class="badge accent">"You"</span> })}</th>
            <td role="cell" class="break"><bdi>{row.email.clone()}</bdi></td>
            <td role="cell" class="nowrap" data-label="Role">{row.role.name()}</td>
            <td role="cell" class="nowrap" data-label="Joined"><Date at=row.joined_at short=true/></td>
            <td role="cell" class="nowrap" data-label="Last active"><Ago at=row.last_active_at/></td>
            <td role="cell" class="actions-cell">{actions}</td>
        </tr>
    }
    .into_any()
}

fn pending(rows: Vec<InvitationRow>, drawn: impl Fn() -> Drawn) -> AnyView {
    let count = rows.len();
    view! {
        <section class="section" aria-labelledby="pending">
            <div class="section-head"><div><h2 id="pending">"Invitations " <span class="count">{count}</span></h2><p>"A link is used once. Sending it again replaces the earlier one."</p></div></div>
            <div class="table-wrap">
                <table class="table" role="table">
                    <caption class="vh">"Invitations"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <th scope="col" role="columnheader">"E-mail"</th>
                            <th scope="col" role="columnheader">"State"</th>
                            <th scope="col" role="columnheader">"Role"</th>
                            <th scope="col" role="columnheader">"Invited by"</th>
                            <th scope="col" role="columnheader">"Valid until"</th>
                            <th scope="col" role="columnheader" class="actions-cell"><span class="vh">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody role="rowgroup">{rows.into_iter().map(|row| invitation(row, drawn())).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn invitation(row: InvitationRow, drawn: Drawn) -> AnyView {
    let badge = match row.standing {
        Standing::Pending => view! { <span class="badge warn"><Icon inner=icons::CLOCK/>"Pending"</span> },
        Standing::Expired => view! { <span class="badge"><Icon inner=icons::BAN/>"Expired"</span> },
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
                <a class="icon-button danger" href=format!("/organization/invitations/{id}/revoke") title="Revoke" data-dialog="revoke" data-id=id.clone() data-email=email.clone()>
                    <Icon inner=icons::X_CIRCLE/><span class="label">"Revoke " <bdi>{email.clone()}</bdi></span>
                </a>
            </div>
        }
    });
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" class="break"><bdi>{row.email.clone()}</bdi></th>
            <td role="cell" data-label="State">{badge}</td>
            <td role="cell" class="nowrap" data-label="Role">{row.role.name()}</td>
            <td role="cell" data-label="Invited by"><bdi>{row.inviter.clone()}</bdi></td>
            <td role="cell" class="nowrap" data-label="Valid until"><Date at=row.expires_at short=true/></td>
            <td role="cell" class="actions-cell">{actions}</td>
        </tr>
    }
    .into_any()
}

/// The dialogs that the island opens; only who may do what they do gets them.
fn dialogs(role: Role, organization: String, drawn: Drawn) -> AnyView {
    let invite = role.may(Permission::InviteMembers).then(|| {
        let form = view! {
            <form class="dialog-body" method="post" action="/do/invite_member" data-call="invite_member" novalidate>
                <Hidden drawn=drawn.clone()/>
                <InviteFields checked=Checked::default() roles=role.may_give()/>
                <p class="hint"><a href="/roles">"Compare roles"</a></p>
                <div class="actions"><a class="button" href="/organization/members" data-close="">"Cancel"</a><button class="button primary">"Save"</button></div>
            </form>
        };
        dialog("invite", "Invite Member", form.into_any())
    });
    let edit = role.may(Permission::ChangeRole).then(|| {
        let form = view! {
            <form class="dialog-body" method="post" action="/do/change_role" data-call="change_role" novalidate>
                <Hidden drawn=drawn.clone()/>
                <input type="hidden" name="form[member]" data-field="id"/>
                <p><strong><bdi data-slot="name"></bdi></strong><br/><span class="quiet-text"><bdi data-slot="email"></bdi></span></p>
                <SelectField name="role" id="edit-role"
                autofocus=true label="Role" hint="An Admin manages members and sees customer data." options=Role::ALL.map(Role::name).to_vec() value=""/>
                <p class="hint"><a href="/roles">"Compare roles"</a></p>
                <div class="actions"><a class="button" href="/organization/members" data-close="">"Cancel"</a><button class="button primary">"Save"</button></div>
            </form>
        };
        dialog("edit", "Edit Member", form.into_any())
    });
    let remove = role.may(Permission::ManageMembers).then(|| {
        let form = view! {
            <form class="dialog-body" method="post" action="/do/remove_member" data-call="remove_member" novalidate>
                <Hidden drawn=drawn.clone()/>
                <input type="hidden" name="form[member]" data-field="id"/>
                <p>
                    "Remove " <strong><bdi data-slot="name"></bdi></strong> " (" <bdi data-slot="email"></bdi> ") from " <bdi>{organization}</bdi>
                    "? They lose access at once, in every session. To come back, they have to be invited again."
                </p>
                <div class="actions">
                    <a class="button" href="/organization/members" data-close="" autofocus=true>"Cancel"</a>
                    <button class="button danger"><span>"Remove " <bdi data-slot="name"></bdi></span></button>
                </div>
            </form>
        };
        dialog("remove", "Remove member", form.into_any())
    });
    let revoke = role.may(Permission::InviteMembers).then(|| {
        let form = view! {
            <form class="dialog-body" method="post" action="/do/revoke_invitation" data-call="revoke_invitation" novalidate>
                <Hidden drawn=drawn.clone()/>
                <input type="hidden" name="invitation" data-field="id"/>
                <p>"Revoke the invitation of " <strong><bdi data-slot="email"></bdi></strong> "? Its link stops working at once. You can invite the address again."</p>
                <div class="actions">
                    <a class="button" href="/organization/members" data-close="" autofocus=true>"Cancel"</a>
                    <button class="button danger">"Revoke invitation"</button>
                </div>
            </form>
        };
        dialog("revoke", "Revoke invitation", form.into_any())
    });
    view! { {invite}{edit}{remove}{revoke} }.into_any()
}

fn dialog(id: &'static str, title: &'static str, form: AnyView) -> AnyView {
    let heading = format!("{id}-title");
    let heading_id = heading.clone();
    view! {
        <dialog class="dialog" id=id aria-labelledby=heading_id>
            <div class="dialog-head">
                <h2 id=heading>{title}</h2>
                <form method="dialog"><button class="icon-button"><Icon inner=icons::X large=true/><span class="vh">"Close"</span></button></form>
            </div>
            {form}
        </dialog>
    }
    .into_any()
}

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
                    <div class="actions"><a class="button" href="/organization/members" autofocus=true>"Cancel"</a><button class="button danger"><span>"Remove " <bdi>{name}</bdi></span></button></div>
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
            <ErrorSummary refusal=checked.refusal().filter(|refusal| *refusal != Refusal::Conflict(Conflict::LastAdmin))/>
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
            <div class="actions"><a class="button" href="/organization" autofocus=true>"Cancel"</a><button class="button danger"><span>"Leave " <bdi>{name}</bdi></span></button></div>
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
