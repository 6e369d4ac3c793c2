//! The room's pages: pure views.

use leptos::prelude::*;

use super::OrganizationView;
use crate::{
    form::Drawn,
    list::thousands,
    permissions::Role,
    ui::{Checked, Date, ErrorSummary, Hidden, LocalTimes, TextField},
    words::OrganizationName,
};

/// Which tab of View Organization is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// Details.
    Details,
    /// Members.
    Members,
}

/// The tabs of View Organization.
#[must_use]
pub fn tabs(current: Tab, members: i64) -> AnyView {
    let mark = |tab: Tab| (tab == current).then_some("page");
    view! {
        <nav class="tabs" aria-label="Organization">
            <ul>
                <li><a href="/organization" aria-current=mark(Tab::Details)>"Details"</a></li>
                <li><a href="/organization/members" aria-current=mark(Tab::Members)>"Members " <span class="count" id="members-count">{thousands(members)}</span></a></li>
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
                maxlength=OrganizationName::MAX
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
            <ErrorSummary refusal=checked.refusal()/>
            <p>"You belong to " <bdi>{name}</bdi> " already. An account can be in one organization at a time."</p>
            <div class="actions start"><a class="button primary" href="/organization">"View Organization"</a></div>
        </div>
    }
    .into_any()
}

/// Details.
#[must_use]
pub fn details(organization: OrganizationView, role: Role) -> AnyView {
    view! {
        <header class="page-head"><div><p class="kicker">"Organization"</p><h1><bdi>{organization.name.clone()}</bdi></h1></div></header>
        {tabs(Tab::Details, organization.members)}
        <div class="card">
            <dl class="facts">
                <div><dt>"Name"</dt><dd><bdi>{organization.name}</bdi></dd></div>
                <div><dt>"Created"</dt><dd><Date at=organization.created_at/></dd></div>
                <div><dt>"Created by"</dt><dd><bdi>{organization.created_by}</bdi></dd></div>
                <div><dt>"Members"</dt><dd><a href="/organization/members">{thousands(organization.members)}</a></dd></div>
                <div><dt>"Your role"</dt><dd>{role.name()} " · " <a href="/roles">"what that allows"</a></dd></div>
            </dl>
        </div>
        <section class="section" aria-labelledby="ending">
            <h2 id="ending">"Leave"</h2>
            <ul class="list danger">
                <li>
                    <div class="list-body"><p class="list-title">"Leave organization"</p><p class="list-meta">"You lose access at once. The others stay."</p></div>
                    <a class="button small" href="/organization/leave">"Leave organization"</a>
                </li>
            </ul>
        </section>
        <LocalTimes/>
    }
    .into_any()
}
