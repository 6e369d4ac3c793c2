//! The room's pages: pure views.

use leptos::prelude::*;

use super::OrganizationView;
use crate::{
    form::{Conflict, Drawn, Refusal},
    list::thousands,
    permissions::{Permission, Role},
    ui::{Checked, Date, ErrorSummary, Hidden, Icon, LocalTimes, Number, TextField, icons},
};

/// Which tab of View Organization is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// Details.
    Details,
    /// Members.
    Members,
    /// The PMM servers, and tokens.
    Servers,
    /// Tickets.
    Tickets,
    /// What the customer has bought.
    Entitlements,
    /// Whom the customer can turn to.
    Contacts,
    /// The audit log.
    Activity,
}

/// The tabs of View Organization that a role has.
#[must_use]
pub fn tabs(current: Tab, members: i64, role: Role) -> AnyView {
    let mark = |tab: Tab| (tab == current).then_some("page");
    view! {
        <nav class="tabs" aria-label="Organization" data-region="tabs">
            <ul>
                <li><a href="/organization" aria-current=mark(Tab::Details)>"Details"</a></li>
                <li><a href="/organization/members" aria-current=mark(Tab::Members)>"Members " <data class="count" id="members-count" value=members.to_string() data-local="number">{thousands(members)}</data></a></li>
                <li><a href="/organization/servers" aria-current=mark(Tab::Servers)>"PMM servers"</a></li>
                <li><a href="/organization/tickets" aria-current=mark(Tab::Tickets)>"Tickets"</a></li>
                {role.may(Permission::ViewCustomerData).then(|| view! {
                    <li><a href="/organization/entitlements" aria-current=mark(Tab::Entitlements)>"Entitlements"</a></li>
                    <li><a href="/organization/contacts" aria-current=mark(Tab::Contacts)>"Contacts"</a></li>
                })}
                {role.may(Permission::ManageMembers).then(|| view! { <li><a href="/organization/activity" aria-current=mark(Tab::Activity)>"Activity"</a></li> })}
            </ul>
        </nav>
    }
    .into_any()
}

/// Add Organization.
#[must_use]
pub fn add(checked: Checked, drawn: Drawn) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/getting-started">"Getting Started"</a></p><h1>"Add Organization"</h1></div></header>
        <form class="card form" method="post" action="/do/add_organization" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <TextField
                name="name"
                label="Name"
                hint="The name that your team knows. You become its Admin."
                value=checked.value("name", "")
                error=checked.error("name")
                autocomplete="organization"
            />
            <div class="actions start"><button class="button primary">"Save"</button><a class="button quiet" href="/getting-started">"Cancel"</a></div>
        </form>
    }
    .into_any()
}

/// The page for who is in an organization already.
#[must_use]
pub fn added_already(name: String, checked: Checked) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/getting-started">"Getting Started"</a></p><h1>"Add Organization"</h1></div></header>
        <div class="card">
            <ErrorSummary refusal=checked.refusal().filter(|refusal| *refusal != Refusal::Conflict(Conflict::AlreadyInOrganization))/>
            <p role=checked.refusal().map(|_| "alert")>"You belong to " <bdi>{name}</bdi> " already. An account can be in one organization at a time."</p>
            <div class="actions start"><a class="button primary" href="/organization">"View Organization"</a></div>
        </div>
    }
    .into_any()
}

/// The page for who belongs to a customer: its organization is there, or will be.
#[must_use]
pub fn of_customer(checked: Checked) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/getting-started">"Getting Started"</a></p><h1>"Add Organization"</h1></div></header>
        <div class="card">
            <ErrorSummary refusal=checked.refusal()/>
            <p>"Your company is known here and has its own organization. Getting Started says how you get into it."</p>
            <div class="actions start"><a class="button primary" href="/getting-started">"Go to Getting Started"</a></div>
        </div>
    }
    .into_any()
}

/// The page for an organization whose name is its customer's.
#[must_use]
pub fn named_by_customer(name: String, checked: Checked) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/organization">"Organization"</a></p><h1>"Rename organization"</h1></div></header>
        <div class="card">
            <ErrorSummary refusal=checked.refusal()/>
            <p><bdi>{name}</bdi> " is the name in your company's customer record. It changes here when it changes there."</p>
            <div class="actions start"><a class="button" href="/organization">"View Organization"</a></div>
        </div>
    }
    .into_any()
}

/// Details.
#[must_use]
pub fn details(organization: OrganizationView, role: Role, of_customer: bool) -> AnyView {
    let manages = role.may(Permission::ManageMembers);
    let leaving = if organization.members == 1 {
        "You are the only member, so this deletes it."
    } else {
        "You lose access at once. The others stay."
    };
    view! {
        <header class="page-head" data-region="head">
            <div><p class="kicker">"Organization"</p><h1><bdi>{organization.name.clone()}</bdi></h1></div>
            {(manages && !of_customer).then(|| view! { <div class="page-actions"><a class="button" href="/organization/rename"><Icon inner=icons::EDIT/>"Rename"</a></div> })}
        </header>
        {tabs(Tab::Details, organization.members, role)}
        <div class="card">
            <dl class="facts" data-region="facts">
                <div><dt>"Name"</dt><dd><bdi>{organization.name}</bdi></dd></div>
                <div><dt>"Created"</dt><dd><Date at=organization.created_at/></dd></div>
                <div><dt>"Created by"</dt><dd><bdi>{organization.created_by}</bdi></dd></div>
                <div><dt>"Members"</dt><dd><a href="/organization/members"><Number n=organization.members/></a></dd></div>
                <div><dt>"Your role"</dt><dd>{role.name()} " · " <a href="/roles">"what that allows"</a></dd></div>
            </dl>
        </div>
        <section class="section" aria-labelledby="ending" data-region="ending">
            <h2 id="ending">{if manages { "Leave or delete" } else { "Leave" }}</h2>
            <ul class="list danger">
                <li>
                    <div class="list-body"><p class="list-title">"Leave organization"</p><p class="list-meta">{leaving}</p></div>
                    <a class="button small" href="/organization/leave">"Leave organization"</a>
                </li>
                {manages.then(|| view! {
                    <li>
                        <div class="list-body"><p class="list-title">"Delete organization"</p><p class="list-meta">"It ends for every member. This cannot be undone."</p></div>
                        <a class="button small" href="/organization/delete">"Delete organization"</a>
                    </li>
                })}
            </ul>
        </section>
        <LocalTimes/>
    }
    .into_any()
}

/// Another name.
#[must_use]
pub fn rename(name: String, checked: Checked, drawn: Drawn) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/organization">"Organization"</a></p><h1>"Rename organization"</h1></div></header>
        <form class="card form" method="post" action="/do/rename_organization" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <TextField
                name="name"
                label="Name"
                hint="Every member sees the new name at once. Invitations that were sent show it too."
                value=checked.value("name", &name)
                error=checked.error("name")
                autocomplete="organization"
            />
            <div class="actions start"><button class="button primary">"Save"</button><a class="button quiet" href="/organization">"Cancel"</a></div>
        </form>
    }
    .into_any()
}

/// Delete, as a page that says what will be lost.
#[must_use]
pub fn delete(organization: OrganizationView, servers: i64, checked: Checked, drawn: Drawn) -> AnyView {
    let OrganizationView { name, members, invitations, .. } = organization;
    let who = match members {
        1 => "You are the only member. You can add an organization again afterwards.".to_owned(),
        2 => "You and 1 other member lose access at once. Your accounts stay.".to_owned(),
        n => format!("You and {} other members lose access at once. Your accounts stay.", thousands(n - 1)),
    };
    let waiting = match invitations {
        0 => None,
        1 => Some(" 1 pending invitation ends, and its link stops working.".to_owned()),
        n => Some(format!(" {} pending invitations end, and their links stop working.", thousands(n))),
    };
    let connected = match servers {
        0 => None,
        1 => Some(" 1 PMM server is disconnected.".to_owned()),
        n => Some(format!(" {} PMM servers are disconnected.", thousands(n))),
    };
    view! {
        <header class="page-head"><div><p class="kicker"><a href="/organization">"Organization"</a></p><h1>"Delete organization"</h1></div></header>
        <form class="card form" method="post" action="/do/delete_organization" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <p>"Delete " <strong><bdi>{name.clone()}</bdi></strong> "? This cannot be undone. " {who} {waiting} {connected}</p>
            <TypedName name="name" organization=name value=checked.value("name", "") error=checked.error("name")/>
            <div class="actions"><a class="button" href="/organization">"Cancel"</a><button class="button danger">"Delete organization"</button></div>
        </form>
    }
    .into_any()
}

/// The field for an organization's name, typed to confirm what cannot be undone.
#[component]
pub fn TypedName(
    /// The field's name.
    name: &'static str,
    /// The organization's.
    organization: String,
    /// What was typed.
    value: String,
    /// What is wrong with it.
    error: Option<String>,
) -> impl IntoView {
    view! {
        <div class="section">
            <p>"To confirm, type the name: " <strong class="typed"><bdi>{organization}</bdi></strong></p>
            <TextField name=name label="Name of the organization" value=value error=error autofocus=true/>
        </div>
    }
}
