//! The room's pages: pure views.

use askama::Template as _;
use leptos::prelude::*;

use super::{Leaving, MemberRow, actions::Region, islands::MembersRoom};
use crate::{
    form::{Conflict, Drawn, Refusal},
    invitations::{InvitationRow, pages as invitations, pages::InviteFields},
    list::{ListQuery, MAX_SEARCH},
    organizations::pages::{Tab, TypedName, tabs},
    permissions::{Permission, Role, TABLE},
    ui::{Checked, ErrorSummary, Hidden, Icon, Number, SelectField, icons, list},
};

/// The Members tab.
#[must_use]
pub fn members(region: Region, refusal: Option<Refusal>, drawn: Drawn) -> AnyView {
    let (viewer, query) = (region.viewer.clone(), region.query.clone());
    let organization = viewer.organization.to_string();
    view! {
        <MembersRoom>
            <header class="page-head" data-region="head">
                <div><p class="kicker">"Organization"</p><h1><bdi>{viewer.organization_name.clone()}</bdi></h1></div>
                {viewer.role.may(Permission::InviteMembers).then(|| view! {
                    <div class="page-actions">
                        <a class="button primary" href="/organization/members/invite" data-dialog="invite"><Icon inner=icons::USER_PLUS/>"Invite Member"</a>
                    </div>
                })}
            </header>
            {tabs(Tab::Members, region.total, viewer.role)}
            <ErrorSummary refusal/>
            <div class="section">
                {search(query)}
                <div class="section selectable" id="members" tabindex="-1" data-region="members" data-organization=organization>{self::region(region)}</div>
            </div>
            <div class="contents" data-region="dialogs">{dialogs(viewer.role, viewer.organization_name, drawn)}</div>
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
                {list::kept(&query)}
                <kbd aria-hidden="true">"/"</kbd>
            </form>
        </div>
    }
    .into_any()
}

fn filters(query: &ListQuery, role: Role) -> AnyView {
    let roles: Vec<_> = Role::ALL.map(|role| (role.name().to_owned(), role.name().to_owned())).into();
    let states: Vec<_> = super::Standing::ALL.map(|state| (state.name().to_owned(), state.title().to_owned())).into();
    view! {
        <div class="toolbar" role="group" aria-label="Filters">
            {list::filter(PATH, query, "role", "Role", "any", &roles)}
            {list::filter(PATH, query, "state", "State", "any", &states)}
            {role.may(Permission::ManageMembers).then(|| view! {
                <div class="end"><a class="button small" href=format!("/organization/members.csv{}", query.at(None, None).to_url()) download="members.csv"><Icon inner=icons::DOWNLOAD/>"Export CSV"</a></div>
            })}
        </div>
    }
    .into_any()
}

/// What can be done with the members that are selected. It stands behind the rows, so that the style sheet can count
/// them, and is shown before them, in the place of the filters.
fn bulk(query: &ListQuery, role: Role) -> AnyView {
    view! {
        <form class="toolbar bulk" id="several" method="get" action="/organization/members/several" aria-label="Selected members">
            <span>"selected"</span>
            {list::whole(query)}
            <div class="end">
                {role.may(Permission::ChangeRole).then(|| view! { <button class="button small" name="do" value="role">"Change role"</button> })}
                <button class="button small danger" name="do" value="remove">"Remove"</button>
            </div>
        </form>
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
    let (invitations, count) = (region.invitations.clone(), region.invitations_count);
    view! {
        {filters(&region.query, region.viewer.role)}
        {rows(region)}
        {(!invitations.is_empty()).then(|| pending(invitations, count, drawn))}
        <p><a href="/organization/invitations">"All invitations"</a></p>
    }
    .into_any()
}

const PATH: &str = "/organization/members";
const COLUMNS: [(&str, &str); 5] =
    [("name", "Name"), ("email", "E-mail"), ("role", "Role"), ("joined", "Joined"), ("active", "Last active")];

fn rows(region: Region) -> AnyView {
    let Region { page, query, viewer, total, .. } = region;
    let total = total.to_string();
    if page.rows.is_empty() {
        return view! {
            <div class="table-wrap" data-total=total>
                <div class="empty">
                    <Icon inner=icons::SEARCH large=true/>
                    <h2>"No members found"</h2>
                    <p>"Nobody's name or e-mail address holds what you searched for, or the filters leave nobody."</p>
                    <div class="actions"><a class="button" href=PATH data-list="">"Clear search"</a></div>
                </div>
            </div>
        }
        .into_any();
    }
    let head = list::heads(PATH, &page, &query, &COLUMNS);
    let (edits, removes) = (viewer.role.may(Permission::ChangeRole), viewer.role.may(Permission::ManageMembers));
    let pager = list::pager(PATH, &page, &query, "Pages of members");
    let bulk = removes.then(|| bulk(&query, viewer.role));
    // Writing into memory does not fail.
    let drawing = Rows { rows: page.rows, edits, removes }.render().unwrap_or_default();
    view! {
        <div class="table-wrap" data-total=total>
            <table class="table" role="table">
                <caption class="vh">"Members"</caption>
                <thead role="rowgroup">
                    <tr role="row" data-label="Sort by">{removes.then(|| view! { <td role="cell" class="select-cell"><label class="check all"><input type="checkbox" data-all="" aria-label="Select all members of this page"/><span aria-hidden="true">"All"</span></label></td> })}{head}<th scope="col" role="columnheader" class="actions-cell"><span class="vh">"Actions"</span></th></tr>
                </thead>
                <tbody role="rowgroup" inner_html=drawing></tbody>
            </table>
            {bulk}
        </div>
        {pager}
    }
    .into_any()
}

/// The rows of the list, as a template: a page has fifty of them, and written out they take a fraction of the work that
/// views take (`docs/decisions/0018-rows-are-a-template.md`). Askama escapes what it puts in.
#[derive(askama::Template)]
#[template(path = "members/row.html", escape = "html")]
struct Rows {
    rows: Vec<MemberRow>,
    edits: bool,
    removes: bool,
}

fn pending(rows: Vec<InvitationRow>, count: i64, drawn: impl Fn() -> Drawn) -> AnyView {
    let more = usize::try_from(count).is_ok_and(|count| count > rows.len());
    view! {
        <section class="section" aria-labelledby="pending">
            <div class="section-head"><div><h2 id="pending">"Invitations " <span class="count"><Number n=count/></span></h2><p>"A link is used once. Sending it again replaces the earlier one."</p></div></div>
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
                    <tbody role="rowgroup">{rows.into_iter().map(|row| invitations::row(row, drawn(), None)).collect_view()}</tbody>
                </table>
            </div>
            {more.then(|| view! { <p class="hint">"These were sent last."</p> })}
        </section>
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

fn chosen(members: &[MemberRow]) -> AnyView {
    view! {
        <ul class="chosen" tabindex="0" aria-label="Chosen members">
            {members.iter().map(|member| view! {
                <li>
                    <input type="hidden" name="form[members][]" value=member.id.to_string()/>
                    <input type="hidden" name="form[names][]" value=member.name.clone()/>
                    <strong><bdi>{member.name.clone()}</bdi></strong> " " <span class="quiet-text"><bdi>{member.email.clone()}</bdi></span> ", " {member.role.name()}
                </li>
            }).collect_view()}
        </ul>
    }
    .into_any()
}

/// What is shown where nobody is chosen, or, after a refusal that names them, nobody any more.
fn nobody(list: String, refused: bool) -> AnyView {
    view! {
        {(!refused).then(|| view! { <p>"Nobody is chosen. Select members in the list first."</p> })}
        <div class="actions start"><a class="button" href=list>"View members"</a></div>
    }
    .into_any()
}

fn people(n: usize) -> String {
    if n == 1 { "1 member".to_owned() } else { format!("{n} members") }
}

/// The head of a page that can be long: reading begins here, and not at what ends it.
fn long_head(list: String, title: &'static str) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href=list>"Members"</a></p><h1 tabindex="-1" autofocus=true>{title}</h1></div></header>
    }
    .into_any()
}

/// A role for several, as a page. It leads back to the list that it came from.
#[must_use]
pub fn change_roles(members: Vec<MemberRow>, query: &ListQuery, checked: Checked, drawn: Drawn) -> AnyView {
    let list = format!("{PATH}{}", query.to_url());
    let content = if members.is_empty() {
        nobody(list.clone(), checked.refusal().is_some())
    } else {
        view! {
            <p>"Choose the role that " {if members.len() == 1 { "this member gets.".to_owned() } else { format!("these {} get.", people(members.len())) }}</p>
            {chosen(&members)}
            <SelectField
                name="role"
                label="Role"
                hint="An Admin manages members and sees customer data."
                options=Role::ALL.map(Role::name).to_vec()
                value=checked.value("role", Role::TechnicalUser.name())
                error=checked.error("role")
            />
            <p class="hint"><a href="/roles">"Compare roles"</a></p>
            <div class="actions start"><button class="button primary">"Save"</button><a class="button quiet" href=list.clone()>"Cancel"</a></div>
        }
        .into_any()
    };
    view! {
        {long_head(list, "Change roles")}
        <form class="card form" method="post" action="/do/change_roles" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            {content}
        </form>
    }
    .into_any()
}

/// Remove several, as a page that asks first. It leads back to the list that it came from.
#[must_use]
pub fn remove_several(members: Vec<MemberRow>, organization: String, query: &ListQuery, checked: Checked, drawn: Drawn) -> AnyView {
    let list = format!("{PATH}{}", query.to_url());
    let content = if members.is_empty() {
        nobody(list.clone(), checked.refusal().is_some())
    } else {
        let count = people(members.len());
        view! {
            <p>"Remove " {count.clone()} " from " <bdi>{organization}</bdi> "? They lose access at once, in every session. To come back, they have to be invited again."</p>
            {chosen(&members)}
            <div class="actions"><a class="button" href=list.clone()>"Cancel"</a><button class="button danger">"Remove " {count}</button></div>
        }
        .into_any()
    };
    view! {
        {long_head(list, "Remove members")}
        <form class="card form" method="post" action="/do/remove_members">
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            {content}
        </form>
    }
    .into_any()
}

/// Leave, as a page that asks first. Who is alone deletes the organization so, and types its name.
#[must_use]
pub fn leave(organization: String, leaving: Leaving, checked: Checked, drawn: Drawn) -> AnyView {
    let head = view! { <header class="page-head"><div><p class="kicker"><a href="/organization">"Organization"</a></p><h1>"Leave organization"</h1></div></header> };
    if leaving == Leaving::OnlyAdmin {
        return view! {
            {head}
            <ErrorSummary refusal=checked.refusal().filter(|refusal| *refusal != Refusal::Conflict(Conflict::LastAdmin))/>
            {only_admin(organization, "first, then leave.", checked.refusal().is_some())}
        }
        .into_any();
    }
    let name = organization.clone();
    let (asked, button) = match leaving {
        Leaving::Alone => (
            view! {
                <p>"You are the only member of " <strong><bdi>{organization.clone()}</bdi></strong> ". Without you it ends: leaving deletes it, with its invitations. This cannot be undone."</p>
                <TypedName name="name" organization error=checked.error("name") value=checked.value("name", "")/>
            }
            .into_any(),
            view! { <button class="button danger">"Leave and delete"</button> }.into_any(),
        ),
        _ => (
            view! { <p>"Leave " <strong><bdi>{organization}</bdi></strong> "? You lose access at once, in every session. To come back, somebody has to invite you again."</p> }
                .into_any(),
            view! { <button class="button danger"><span>"Leave " <bdi>{name}</bdi></span></button> }.into_any(),
        ),
    };
    view! {
        {head}
        <form class="card form" method="post" action="/do/leave_organization" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            {asked}
            <div class="actions"><a class="button" href="/organization" autofocus=leaving != Leaving::Alone>"Cancel"</a>{button}</div>
        </form>
    }
    .into_any()
}

/// Says that the only Admin cannot go yet, and what to do. `then` ends the sentence that begins with making an Admin.
#[must_use]
pub fn only_admin(organization: String, then: &'static str, refused: bool) -> AnyView {
    view! {
        <div class="callout warn" role=refused.then_some("alert")>
            <Icon inner=icons::WARNING/>
            <div class="callout-body">
                <div><p><strong>"You are the only Admin"</strong></p><p><bdi>{organization}</bdi>" always has one. Make another member Admin " {then}</p></div>
                <a class="button" href="/organization/members">"View members"</a>
            </div>
        </div>
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
