//! The room's pages: pure views.

use leptos::prelude::*;

use super::{
    Reason,
    actions::Letter,
    store::{Import, Standing},
};
use crate::{
    accounts::{pages::password_form, store::Listed as Account},
    activity::{ALL_KINDS, EventView, pages as activity},
    actor::full_name,
    customers::{
        ContactView, EntitlementView, counted, pages as customers_pages,
        store::{Customer, Listed as CustomerRow, Person},
    },
    form::Drawn,
    identities::Way,
    invitations::InvitationRow,
    list::{Count, ListQuery, Listed, MAX_SEARCH, thousands},
    members::store::Row as Member,
    organizations::store::Listed as Organization,
    outbox::Kind,
    pmm::store::Row as Server,
    ui::{
        Ago, Checked, Date, Day, ErrorSummary, Hidden, Icon, LocalTimes, Moment, Number, TextField, icons,
        list::{self, Head, Table},
    },
    words::{AccountId, Email, Timestamp},
};

/// Where the customers are.
pub const CUSTOMERS: &str = "/operator/customers";
const ORGANIZATIONS: &str = "/operator/organizations";
const ACCOUNTS: &str = "/operator/accounts";
const AUDIT: &str = "/operator/audit";
const IMPORTS: &str = "/operator/imports";
const OUTBOX: &str = "/operator/outbox";

/// Where the tickets are.
pub const TICKETS: &str = "/operator/tickets";

/// The console's tabs: address and title.
const TABS: [(&str, &str); 8] = [
    ("/operator", "Overview"),
    (TICKETS, "Tickets"),
    (CUSTOMERS, "Customers"),
    (ORGANIZATIONS, "Organizations"),
    (ACCOUNTS, "Accounts"),
    (AUDIT, "Audit log"),
    (IMPORTS, "Imports"),
    (OUTBOX, "Outbox"),
];

fn tabs(current: &str) -> AnyView {
    let tab = |(href, title): (&'static str, &'static str)| {
        view! { <li><a href=href aria-current=(href == current).then_some("page")>{title}</a></li> }
    };
    view! { <nav class="tabs" aria-label="Operator"><ul>{TABS.map(tab).collect_view()}</ul></nav> }.into_any()
}

/// The head of a page of the console: its title, isolated, below the way back.
#[must_use]
pub fn head(tab: &'static str, title: String) -> AnyView {
    let back = TABS.iter().find(|(href, _)| *href == tab).map_or("Operator", |(_, title)| *title);
    view! {
        <header class="page-head" data-region="head"><div><p class="kicker"><a href=tab>{back}</a></p><h1><bdi>{title}</bdi></h1></div></header>
        {tabs(tab)}
    }
    .into_any()
}

/// The head of a page that is a tab itself.
#[must_use]
pub fn top(tab: &'static str, title: &'static str) -> AnyView {
    view! {
        <header class="page-head" data-region="head"><div><p class="kicker">"Operator"</p><h1>{title}</h1></div></header>
        {tabs(tab)}
    }
    .into_any()
}

/// What a form needs that asks for the password where it was last given too long ago.
pub struct Forms {
    /// What it carries.
    pub drawn: Drawn,
    /// How it was refused.
    pub checked: Checked,
    /// Whether the password was given within the last ten minutes.
    pub proven: bool,
    /// The account's address, for password managers.
    pub operator: Email,
    /// The way to the OpenID provider and back to this page, which proves the same.
    pub way: Option<Way>,
}

impl Forms {
    /// The fields that every form has: what it carries, what is wrong with it, and, where it was last given too long ago,
    /// the password.
    #[must_use]
    pub fn fields(&self) -> (AnyView, Option<AnyView>) {
        let top = view! { <Hidden drawn=self.drawn.clone()/><ErrorSummary refusal=self.checked.refusal()/> }.into_any();
        let (email, way) = (self.operator.to_string(), self.way.clone());
        let password = (!self.proven).then(|| {
            view! {
                <input class="vh" type="email" name="username" autocomplete="username" value=email readonly tabindex="-1" aria-hidden="true"/>
                <TextField name="password" label="Your password" kind="password" autocomplete="current-password" hint="You gave it more than ten minutes ago." error=self.checked.error("password")/>
                {way.map(|way| view! { <p class="quiet-text">"Or first "<a href=way.address>"sign in again with "<bdi>{way.name}</bdi></a>"."</p> })}
            }
            .into_any()
        });
        (top, password)
    }
}

/// A form of one button.
fn act(action: &'static str, id: String, words: &'static str, class: &'static str, forms: &Forms) -> AnyView {
    let (top, password) = forms.fields();
    view! {
        <form class="form-body" method="post" action=action novalidate>
            {top}
            <input type="hidden" name="form[id]" value=id/>
            {password}
            <div class="actions start"><button class=class>{words}</button></div>
        </form>
    }
    .into_any()
}

/// What the overview says: what is counted, each where it is looked at.
pub struct Standings {
    /// Mails and events that wait.
    pub waiting: i64,
    /// Those that were given up.
    pub dead: i64,
    /// The last import.
    pub last: Option<Import>,
    /// Tickets that are open, and those of them that nobody has.
    pub tickets: [(ListQuery, Count); 2],
    /// Accounts that are locked.
    pub locked: (ListQuery, Count),
    /// Organizations that are suspended.
    pub suspended: (ListQuery, Count),
}

/// How many, leading to them.
fn leading(path: &'static str, (query, count): (ListQuery, Count), words: &'static str) -> AnyView {
    // No words are none: drawn as text, they would be a blank.
    view! { <a href=format!("{path}{}", query.to_url())>{list::counted(count)}{(!words.is_empty()).then_some(words)}</a> }.into_any()
}

/// The fact of how many tickets somebody has.
fn raised([all, open]: [(ListQuery, Count); 2]) -> AnyView {
    view! { <div><dt>"Tickets"</dt><dd>{leading(TICKETS, all, "")} ", " {leading(TICKETS, open, " of them open")}</dd></div> }.into_any()
}

/// The overview.
#[must_use]
pub fn overview(standings: Standings, now: Timestamp) -> AnyView {
    let Standings { waiting, dead, last, tickets: [open, idle], locked, suspended } = standings;
    let find = |path: &'static str, title: &'static str, hint: &'static str, id: &'static str| {
        view! {
            <li>
                <div class="list-body">
                    <p class="list-title"><a href=path>{title}</a></p>
                    <form class="search" role="search" method="get" action=path aria-label=title>
                        <Icon inner=icons::SEARCH/>
                        <label class="vh" for=id>{hint}</label>
                        <input class="input" id=id name="q" type="search" placeholder=hint maxlength=MAX_SEARCH.to_string() autocomplete="off"/>
                    </form>
                </div>
            </li>
        }
    };
    let mails = match dead {
        0 => view! { <span class="badge good"><Icon inner=icons::CHECK/>"None"</span> }.into_any(),
        n => view! { <a href=OUTBOX><Number n=n/></a> " " <span class="badge warn"><Icon inner=icons::WARNING/>"Look at them"</span> }
            .into_any(),
    };
    let import = match last {
        None => view! { "None yet" }.into_any(),
        Some(import) => {
            view! { <a href=format!("{IMPORTS}/{}", import.id)><bdi>{import.source.clone()}</bdi></a> ", " <Moment at=import.started_at/> " " {end(&import, now)} }
                .into_any()
        }
    };
    view! {
        {top("/operator", "Overview")}
        <section class="section" aria-labelledby="find">
            <h2 id="find">"Look up"</h2>
            <ul class="list">
                {find(ACCOUNTS, "Accounts", "Search accounts by name or e-mail", "find-accounts")}
                {find(ORGANIZATIONS, "Organizations", "Search organizations by name", "find-organizations")}
                {find(CUSTOMERS, "Customers", "Search customers by name or number", "find-customers")}
            </ul>
        </section>
        <section class="section" aria-labelledby="state">
            <h2 id="state">"How things stand"</h2>
            <div class="card">
                <dl class="facts" data-region="facts">
                    <div><dt>"Tickets"</dt><dd>{leading(TICKETS, open, " open")} ", " {leading(TICKETS, idle, " of them assigned to nobody")}</dd></div>
                    <div><dt>"Mails and events that did not leave"</dt><dd>{mails}</dd></div>
                    <div><dt>"Mails and events that wait"</dt><dd><Number n=waiting/></dd></div>
                    <div><dt>"Last import"</dt><dd>{import}</dd></div>
                    <div><dt>"Locked accounts"</dt><dd>{leading(ACCOUNTS, locked, "")}</dd></div>
                    <div><dt>"Suspended organizations"</dt><dd>{leading(ORGANIZATIONS, suspended, "")}</dd></div>
                </dl>
            </div>
        </section>
        <LocalTimes/>
    }
    .into_any()
}

/// For an operator whose password is the one that was printed.
#[must_use]
pub fn password(drawn: Drawn, checked: Checked, email: &Email) -> AnyView {
    view! {
        <header class="page-head">
            <div>
                <h1>"Choose a password"</h1>
                <p class="lede">"Yours was printed when the account was made, so others may have seen it. The console opens when you have chosen another one."</p>
            </div>
        </header>
        {password_form(drawn, checked, email, true)}
    }
    .into_any()
}

/// The list of customers.
#[must_use]
pub fn customers(page: Listed<CustomerRow>, query: &ListQuery) -> AnyView {
    let content = if page.rows.is_empty() {
        let sentence = if query.is_conditional() {
            "None has a name or a number that holds what you searched for."
        } else {
            "`org-portal import customers FILE` brings them in."
        };
        list::empty(icons::ORGANIZATION, "No customers found", sentence, list::clear(query, CUSTOMERS))
    } else {
        let heads = &[Head::Sorted("name", "Name"), Head::Sorted("number", "Number"), Head::Plain("Organization"), Head::Plain("Changed")];
        let table = Table { class: "table", caption: "Customers", pages: "Pages of customers", heads };
        list::table(CUSTOMERS, page, query, table, |row| {
            let standing = match (row.organization_id, row.recreated_at) {
                (Some(id), _) => view! { <a href=format!("{ORGANIZATIONS}/{id}")>"Open"</a> }.into_any(),
                (None, Some(_)) => view! { "Deleted" }.into_any(),
                (None, None) => view! { "Not open yet" }.into_any(),
            };
            view! {
                <tr role="row" data-key=row.id.to_string()>
                    <th scope="row" role="rowheader" class="break"><a href=format!("{CUSTOMERS}/{}", row.id)><bdi>{row.name}</bdi></a></th>
                    <td role="cell" data-label="Number"><bdi>{row.number}</bdi></td>
                    <td role="cell" data-label="Organization">{standing}</td>
                    <td role="cell" class="nowrap" data-label="Changed"><Ago at=row.changed_at/></td>
                </tr>
            }
            .into_any()
        })
    };
    view! {
        {top(CUSTOMERS, "Customers")}
        <div class="section">
            <div class="toolbar">{list::search(CUSTOMERS, "Search by name or number", "Search by name or number", query)}</div>
            <div class="section" data-region="rows">{content}</div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

/// What a customer's page shows.
pub struct Shown {
    /// The customer.
    pub customer: CustomerRow,
    /// Its organization.
    pub organization: Option<Organization>,
    /// Its people, the first of them, each with the account that the address has.
    pub people: Vec<(Person, Option<AccountId>)>,
    /// Whom it can turn to.
    pub contacts: Vec<ContactView>,
    /// A page of what it has bought.
    pub entitlements: Listed<EntitlementView>,
    /// What was asked of these.
    pub query: ListQuery,
    /// Its tickets, and those of them that are open.
    pub tickets: [(ListQuery, Count); 2],
}

/// A customer.
#[must_use]
pub fn customer(shown: Shown) -> AnyView {
    let Shown { customer, organization, people, contacts, entitlements, query, tickets } = shown;
    let path = format!("{CUSTOMERS}/{}", customer.id);
    let standing = match (organization, customer.recreated_at) {
        (Some(organization), _) => {
            view! { <a href=format!("{ORGANIZATIONS}/{}", organization.id)><bdi>{organization.name}</bdi></a> }.into_any()
        }
        (None, Some(at)) => view! { "It was opened on " <Date at/> " and deleted later" }.into_any(),
        (None, None) => view! { "Opens when the administrator signs in for the first time" }.into_any(),
    };
    let person = |(person, account): (Person, Option<AccountId>)| {
        let mark = person.administrator.then(|| view! { " " <span class="badge accent">"Administrator"</span> });
        let key = person.email.key();
        let email = view! { <bdi>{person.email.to_string()}</bdi> };
        let (email, has) = match account {
            Some(id) => (view! { <a href=format!("{ACCOUNTS}/{id}")>{email}</a> }.into_any(), ", has an account"),
            None => (email.into_any(), ", no account yet"),
        };
        view! {
            <li data-key=key>
                <Icon inner=icons::USER large=true/>
                <div class="list-body">
                    <p class="list-title">{email} {mark}</p>
                    <p class="list-meta">{person.role}{has}</p>
                </div>
            </li>
        }
    };
    view! {
        {head(CUSTOMERS, customer.name.clone())}
        <div class="card">
            <dl class="facts" data-region="facts">
                <div><dt>"Number"</dt><dd><bdi>{customer.number}</bdi></dd></div>
                <div><dt>"Mail domain"</dt><dd><bdi>{customer.domain.unwrap_or_else(|| "None".to_owned())}</bdi></dd></div>
                <div><dt>"Organization"</dt><dd>{standing}</dd></div>
                {raised(tickets)}
                <div><dt>"Imported"</dt><dd><Moment at=customer.imported_at/></dd></div>
                <div><dt>"Changed"</dt><dd><Moment at=customer.changed_at/></dd></div>
            </dl>
        </div>
        <section class="section" aria-labelledby="people">
            <h2 id="people">"People"</h2>
            {if people.is_empty() {
                view! { <p class="hint">"The record names nobody."</p> }.into_any()
            } else {
                view! { <ul class="list">{people.into_iter().map(person).collect_view()}</ul> }.into_any()
            }}
        </section>
        {bought((!entitlements.rows.is_empty()).then(|| customers_pages::rows(&path, entitlements, &query)))}
        {turn_to(contacts)}
        <LocalTimes/>
    }
    .into_any()
}

fn bought(rows: Option<AnyView>) -> AnyView {
    let content = rows.unwrap_or_else(|| view! { <p class="hint">"None."</p> }.into_any());
    view! { <section class="section" aria-labelledby="entitlements"><h2 id="entitlements">"Entitlements"</h2>{content}</section> }
        .into_any()
}

fn turn_to(contacts: Vec<ContactView>) -> AnyView {
    let content = if contacts.is_empty() {
        view! { <p class="hint">"None."</p> }.into_any()
    } else {
        view! { <ul class="list">{contacts.into_iter().map(customers_pages::contact).collect_view()}</ul> }.into_any()
    };
    view! { <section class="section" aria-labelledby="contacts"><h2 id="contacts">"Contacts"</h2>{content}</section> }.into_any()
}

/// The list of organizations.
#[must_use]
pub fn organizations(page: Listed<Organization>, query: &ListQuery) -> AnyView {
    let states = [("suspended".to_owned(), "Suspended".to_owned())];
    let content = if page.rows.is_empty() {
        list::empty(
            icons::ORGANIZATION,
            "No organizations found",
            "None meets the search and the filter.",
            list::clear(query, ORGANIZATIONS),
        )
    } else {
        let heads = &[Head::Sorted("name", "Name"), Head::Plain("Members"), Head::Plain("Created by"), Head::Sorted("created", "Created")];
        let table = Table { class: "table", caption: "Organizations", pages: "Pages of organizations", heads };
        list::table(ORGANIZATIONS, page, query, table, |row| {
            view! {
                <tr role="row" data-key=row.id.to_string()>
                    <th scope="row" role="rowheader" class="break"><span><a href=format!("{ORGANIZATIONS}/{}", row.id)><bdi>{row.name}</bdi></a> {row.suspended_at.map(|_| suspended())}</span></th>
                    <td role="cell" data-label="Members"><Number n=row.members_count/></td>
                    <td role="cell" data-label="Created by"><bdi>{row.created_by_name}</bdi></td>
                    <td role="cell" class="nowrap" data-label="Created"><Date at=row.created_at short=true/></td>
                </tr>
            }
            .into_any()
        })
    };
    view! {
        {top(ORGANIZATIONS, "Organizations")}
        <div class="section">
            <div class="toolbar">
                {list::search(ORGANIZATIONS, "Search by name", "Search by name", query)}
                {list::filter(ORGANIZATIONS, query, "state", "State", "any", &states)}
            </div>
            <div class="section" data-region="rows">{content}</div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

fn suspended() -> AnyView {
    view! { " " <span class="badge bad"><Icon inner=icons::BAN/>"Suspended"</span> }.into_any()
}

fn locked() -> AnyView {
    view! { " " <span class="badge bad"><Icon inner=icons::LOCK/>"Locked"</span> }.into_any()
}

/// What an organization's page shows: what its members see of it.
pub struct OrganizationLook {
    /// The organization.
    pub organization: Organization,
    /// A page of its members.
    pub page: Listed<Member>,
    /// What was asked of these.
    pub query: ListQuery,
    /// The invitations that wait and were sent last.
    pub waiting: Vec<InvitationRow>,
    /// The PMM servers that were connected last, how many there are, and how many tokens can be used.
    pub connected: (Vec<Server>, i64, i64),
    /// Its customer, what that has bought, and whom it can turn to.
    pub customer: Option<(Customer, Listed<EntitlementView>, Vec<ContactView>)>,
    /// Its tickets, and those of them that are open.
    pub tickets: [(ListQuery, Count); 2],
}

/// An organization.
#[must_use]
pub fn organization(look: OrganizationLook, forms: Forms) -> AnyView {
    let OrganizationLook { organization, page, query, waiting, connected: (servers, all_servers, tokens), customer, tickets } = look;
    let path = format!("{ORGANIZATIONS}/{}", organization.id);
    let id = organization.id.to_string();
    let state = match (organization.suspended_at, organization.suspension_reason) {
        (Some(at), reason) => {
            let resume = act("/do/resume_organization", id.clone(), "Open it again", "button primary", &forms);
            view! {
                <section class="card" aria-labelledby="suspended">
                    <h2 id="suspended">"Suspended"</h2>
                    <p>"Since " <Moment at/> ". Its members see that, and the reason: " <strong><bdi>{reason.unwrap_or_default()}</bdi></strong></p>
                    {resume}
                </section>
            }
            .into_any()
        }
        (None, _) => view! {
            <ul class="list danger">
                <li>
                    <div class="list-body"><p class="list-title">"Suspend organization"</p><p class="list-meta">"Its members see why and can do nothing in it. Nothing is lost."</p></div>
                    <a class="button small" href=format!("{path}/suspend")>"Suspend organization"</a>
                </li>
            </ul>
        }
        .into_any(),
    };
    let record = customer.as_ref().map(|(customer, ..)| {
        view! { <div><dt>"Customer"</dt><dd><a href=format!("{CUSTOMERS}/{}", customer.id)><bdi>{customer.name.clone()}</bdi></a> ", " <bdi>{customer.number.clone()}</bdi></dd></div> }
    });
    let invited = organization.invitations_count;
    view! {
        {head(ORGANIZATIONS, organization.name)}
        <div class="card">
            <dl class="facts" data-region="facts">
                <div><dt>"Created"</dt><dd><Date at=organization.created_at/></dd></div>
                <div><dt>"Created by"</dt><dd><bdi>{organization.created_by_name}</bdi></dd></div>
                <div><dt>"Members"</dt><dd><Number n=organization.members_count/></dd></div>
                <div><dt>"Pending invitations"</dt><dd><Number n=invited/></dd></div>
                <div><dt>"PMM servers"</dt><dd><Number n=all_servers/></dd></div>
                <div><dt>"Tokens"</dt><dd><Number n=tokens/></dd></div>
                {record}
                {raised(tickets)}
                <div><dt>"What happened"</dt><dd><a href=format!("{AUDIT}?organization={id}")>"Audit log of this organization"</a></dd></div>
                <div><dt>"Id"</dt><dd><code>{id.clone()}</code></dd></div>
            </dl>
        </div>
        {state}
        <section class="section" aria-labelledby="members">
            <h2 id="members">"Members"</h2>
            <div class="toolbar">{list::search(&path, "Search members by name or e-mail", "Search members by name or e-mail", &query)}</div>
            <div class="section" data-region="rows">{members(&path, page, &query)}</div>
        </section>
        {(!waiting.is_empty()).then(|| invitations(waiting, invited))}
        {(!servers.is_empty()).then(|| self::servers(servers, all_servers))}
        {customer.map(|(customer, entitlements, contacts)| {
            let of_customer = format!("{CUSTOMERS}/{}", customer.id);
            let rows = (!entitlements.rows.is_empty()).then(|| customers_pages::first_rows(&of_customer, entitlements));
            view! { {bought(rows)}{turn_to(contacts)} }
        })}
        <LocalTimes/>
    }
    .into_any()
}

fn members(path: &str, page: Listed<Member>, query: &ListQuery) -> AnyView {
    if page.rows.is_empty() {
        return list::empty(icons::USERS, "No members found", "None meets the search.", list::clear(query, path));
    }
    let heads = &[
        Head::Sorted("name", "Name"),
        Head::Sorted("email", "E-mail"),
        Head::Sorted("role", "Role"),
        Head::Sorted("joined", "Joined"),
        Head::Sorted("active", "Last active"),
    ];
    list::table(path, page, query, Table { class: "table", caption: "Members", pages: "Pages of members", heads }, |row| {
        view! {
            <tr role="row" data-key=row.id.to_string()>
                <th scope="row" role="rowheader" class="break"><a href=format!("{ACCOUNTS}/{}", row.account_id)><bdi>{row.name}</bdi></a></th>
                <td role="cell" class="break" data-label="E-mail"><bdi>{row.email}</bdi></td>
                <td role="cell" data-label="Role">{row.role}</td>
                <td role="cell" class="nowrap" data-label="Joined"><Date at=row.joined_at short=true/></td>
                <td role="cell" class="nowrap" data-label="Last active"><Ago at=row.last_active_at/></td>
            </tr>
        }
        .into_any()
    })
}

fn invitations(waiting: Vec<InvitationRow>, all: i64) -> AnyView {
    let shown = i64::try_from(waiting.len()).unwrap_or(0);
    let row = |row: InvitationRow| {
        view! {
            <li data-key=row.id.to_string()>
                <Icon inner=icons::MAIL large=true/>
                <div class="list-body">
                    <p class="list-title"><bdi>{row.email}</bdi></p>
                    <p class="list-meta">{row.role.name()} ", invited by " <bdi>{row.inviter}</bdi> ", valid until " <Moment at=row.expires_at/></p>
                </div>
            </li>
        }
    };
    view! {
        <section class="section" aria-labelledby="invitations">
            <h2 id="invitations">"Pending invitations"</h2>
            <ul class="list">{waiting.into_iter().map(row).collect_view()}</ul>
            {(shown < all).then(|| view! { <p class="hint">{format!("The {shown} that were sent last, of {}.", thousands(all))}</p> })}
        </section>
    }
    .into_any()
}

fn servers(servers: Vec<Server>, all: i64) -> AnyView {
    let shown = i64::try_from(servers.len()).unwrap_or(0);
    let row = |server: Server| {
        let href = server.url.clone();
        view! {
            <li data-key=server.id.to_string()>
                <Icon inner=icons::SERVER large=true/>
                <div class="list-body">
                    <p class="list-title"><bdi>{server.name}</bdi></p>
                    <p class="list-meta">
                        <a class="break" href=href target="_blank" rel="noopener noreferrer"><bdi>{server.url}</bdi></a>
                        ", connected by " <bdi>{server.connected_by_name}</bdi> " on " <Moment at=server.connected_at/>
                        ", last contact " <Ago at=server.last_contact_at/> ", id " <code>{server.server_id}</code>
                    </p>
                </div>
            </li>
        }
    };
    view! {
        <section class="section" aria-labelledby="servers">
            <h2 id="servers">"PMM servers"</h2>
            <ul class="list" data-region="servers">{servers.into_iter().map(row).collect_view()}</ul>
            {(shown < all).then(|| view! { <p class="hint">{format!("The {shown} that were connected last, of {}.", thousands(all))}</p> })}
        </section>
    }
    .into_any()
}

/// Suspend organization.
#[must_use]
pub fn suspend(organization: Organization, forms: Forms) -> AnyView {
    let path = format!("{ORGANIZATIONS}/{}", organization.id);
    let (top, password) = forms.fields();
    let checked = forms.checked;
    let others = match organization.members_count {
        1 => "Its one member can".to_owned(),
        n => format!("Its {} members can", thousands(n)),
    };
    view! {
        <header class="page-head"><div><p class="kicker"><a href=path.clone()><bdi>{organization.name.clone()}</bdi></a></p><h1>"Suspend organization"</h1></div></header>
        <form class="card form" method="post" action="/do/suspend_organization" novalidate>
            {top}
            <input type="hidden" name="form[organization]" value=organization.id.to_string()/>
            <p>{others} " do nothing in " <strong><bdi>{organization.name}</bdi></strong> " until you open it again, and invitations cannot be accepted. Nothing is lost."</p>
            <TextField name="reason" label="Reason" hint="The members read it." value=checked.value("reason", "") error=checked.error("reason") maxlength=Reason::MAX/>
            {password}
            <div class="actions"><a class="button" href=path>"Cancel"</a><button class="button danger">"Suspend organization"</button></div>
        </form>
    }
    .into_any()
}

/// The name of an account in one.
#[must_use]
pub fn name_of(account: &Account) -> String {
    full_name(&account.first_name, &account.last_name)
}

fn lock_of(account: &Account, now: Timestamp) -> Option<Timestamp> {
    account.locked_until.filter(|until| *until > now)
}

/// The list of accounts.
#[must_use]
pub fn accounts(page: Listed<Account>, query: &ListQuery, now: Timestamp) -> AnyView {
    let states = [("locked".to_owned(), "Locked".to_owned())];
    let content = if page.rows.is_empty() {
        list::empty(icons::USERS, "No accounts found", "None meets the search and the filter.", list::clear(query, ACCOUNTS))
    } else {
        let heads = &[Head::Sorted("name", "Name"), Head::Sorted("email", "E-mail"), Head::Sorted("created", "Since")];
        let table = Table { class: "table", caption: "Accounts", pages: "Pages of accounts", heads };
        list::table(ACCOUNTS, page, query, table, |row| {
            let (name, lock) = (name_of(&row), lock_of(&row, now).map(|_| locked()));
            view! {
                <tr role="row" data-key=row.id.to_string()>
                    <th scope="row" role="rowheader" class="break"><span><a href=format!("{ACCOUNTS}/{}", row.id)><bdi>{name}</bdi></a> {lock}</span></th>
                    <td role="cell" class="break" data-label="E-mail"><bdi>{row.email}</bdi></td>
                    <td role="cell" class="nowrap" data-label="Since"><Date at=row.created_at short=true/></td>
                </tr>
            }
            .into_any()
        })
    };
    view! {
        {top(ACCOUNTS, "Accounts")}
        <div class="section">
            <div class="toolbar">
                {list::search(ACCOUNTS, "Search by name or e-mail", "Search by name or e-mail", query)}
                {list::filter(ACCOUNTS, query, "state", "State", "any", &states)}
            </div>
            <div class="section" data-region="rows">{content}</div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

/// What an account's page shows.
pub struct AccountLook {
    /// The account.
    pub account: Account,
    /// Whether it is an operator's.
    pub is_operator: bool,
    /// Whether it is the one who looks.
    pub own: bool,
    /// The organization that it is in, and as what.
    pub membership: Option<(Organization, Member)>,
    /// How many sessions it has.
    pub sessions: i64,
    /// How many authenticator apps.
    pub factors: i64,
    /// Now.
    pub now: Timestamp,
}

/// An account.
#[must_use]
pub fn account(look: AccountLook, forms: Forms) -> AnyView {
    let AccountLook { account, is_operator, own, membership, sessions, factors, now } = look;
    let (name, id) = (name_of(&account), account.id.to_string());
    let path = format!("{ACCOUNTS}/{id}");
    let member = match membership {
        None => view! { "In none" }.into_any(),
        Some((organization, member)) => view! {
            <a href=format!("{ORGANIZATIONS}/{}", organization.id)><bdi>{organization.name}</bdi></a> ", " {member.role}
            {organization.suspended_at.map(|_| suspended())}
        }
        .into_any(),
    };
    let state = match lock_of(&account, now) {
        Some(until) => {
            let unlock = act("/do/unlock_account", id.clone(), "Unlock account", "button primary", &forms);
            let end = if until == Timestamp::NEVER {
                view! { "Without an end." }.into_any()
            } else {
                // The moment is the beginning of the day after the last one.
                view! { "Until the end of " <Day at=Timestamp(until.0 - 1)/> ", in UTC." }.into_any()
            };
            view! {
                <section class="card" aria-labelledby="locked">
                    <h2 id="locked">"Locked"</h2>
                    <p>{end} " The reason: " <strong><bdi>{account.lock_reason.clone().unwrap_or_default()}</bdi></strong></p>
                    {unlock}
                    <p><a href=format!("{path}/lock")>"Change reason or end"</a></p>
                </section>
            }
            .into_any()
        }
        None if own => view! { <p class="hint">"This is your own account."</p> }.into_any(),
        None => view! {
            <ul class="list danger">
                <li>
                    <div class="list-body"><p class="list-title">"Lock account"</p><p class="list-meta">"Its sessions end at once, and nobody can sign in to it. It stays a member."</p></div>
                    <a class="button small" href=format!("{path}/lock")>"Lock account"</a>
                </li>
            </ul>
        }
        .into_any(),
    };
    view! {
        {head(ACCOUNTS, name)}
        <div class="card">
            <dl class="facts" data-region="facts">
                <div><dt>"E-mail"</dt><dd><bdi>{account.email}</bdi></dd></div>
                <div><dt>"Since"</dt><dd><Moment at=account.created_at/></dd></div>
                <div><dt>"Organization"</dt><dd>{member}</dd></div>
                <div><dt>"Sessions"</dt><dd><Number n=sessions/></dd></div>
                <div><dt>"Second factor"</dt><dd>{match factors {
                    0 => view! { "None" }.into_any(),
                    n => view! { <Number n/> " · " <a href=format!("{path}/factors")>"Remove"<span class="vh">" second factors"</span></a> }.into_any(),
                }}</dd></div>
                {is_operator.then(|| view! { <div><dt>"Operator"</dt><dd><span class="badge accent">"Operator"</span></dd></div> })}
                <div><dt>"What they did"</dt><dd><a href=format!("{AUDIT}?person={id}")>"Audit log of this account"</a></dd></div>
                <div><dt>"Id"</dt><dd><code>{id.clone()}</code></dd></div>
            </dl>
        </div>
        {state}
        <LocalTimes/>
    }
    .into_any()
}

/// Remove the second factors of an account.
#[must_use]
pub fn factors(account: Account, forms: Forms) -> AnyView {
    let (path, name) = (format!("{ACCOUNTS}/{}", account.id), name_of(&account));
    let (top, password) = forms.fields();
    let checked = forms.checked;
    view! {
        <header class="page-head"><div><p class="kicker"><a href=path.clone()><bdi>{name.clone()}</bdi></a></p><h1>"Remove second factors"</h1></div></header>
        <form class="card form" method="post" action="/do/remove_factors" novalidate>
            {top}
            <input type="hidden" name="form[account]" value=account.id.to_string()/>
            <p>"Do this only when you are sure that it is " <strong><bdi>{name}</bdi></strong> ", " <bdi>{account.email}</bdi> ", who asks, and not by a mail alone: the password alone signs in from then on. Apps, passkeys and recovery codes go, every session ends, and a mail says so."</p>
            <TextField name="reason" label="Reason" hint="For operators; it stands in the audit log. Say how you made sure." value=checked.value("reason", "") error=checked.error("reason") maxlength=Reason::MAX/>
            {password}
            <div class="actions"><a class="button" href=path>"Cancel"</a><button class="button danger">"Remove second factors"</button></div>
        </form>
    }
    .into_any()
}

/// Lock account.
#[must_use]
pub fn lock(account: Account, forms: Forms, now: Timestamp) -> AnyView {
    let (path, name) = (format!("{ACCOUNTS}/{}", account.id), name_of(&account));
    let (top, password) = forms.fields();
    let checked = forms.checked;
    let current = lock_of(&account, now);
    let reason = current.and(account.lock_reason).unwrap_or_default();
    // The last day of it, as the field asks for it.
    let until = current.filter(|until| *until != Timestamp::NEVER).map(|until| Timestamp(until.0 - 1).iso_date()).unwrap_or_default();
    view! {
        <header class="page-head"><div><p class="kicker"><a href=path.clone()><bdi>{name.clone()}</bdi></a></p><h1>"Lock account"</h1></div></header>
        <form class="card form" method="post" action="/do/lock_account" novalidate>
            {top}
            <input type="hidden" name="form[account]" value=account.id.to_string()/>
            <p>"Every session of " <strong><bdi>{name}</bdi></strong> ", " <bdi>{account.email}</bdi> ", ends at once. Whoever signs in with the right password is told that the account is locked, and not why."</p>
            <TextField name="reason" label="Reason" hint="For operators; it stands in the audit log." value=checked.value("reason", &reason) error=checked.error("reason") maxlength=Reason::MAX/>
            <TextField name="until" label="Last day" kind="date" optional=true hint="In UTC, that day included. Empty: without an end." value=checked.value("until", &until) error=checked.error("until")/>
            {password}
            <div class="actions"><a class="button" href=path>"Cancel"</a><button class="button danger">"Lock account"</button></div>
        </form>
    }
    .into_any()
}

/// The audit log.
#[must_use]
pub fn audit(page: Listed<EventView>, query: &ListQuery, organization: Option<String>, now: Timestamp, days: i64) -> AnyView {
    let kinds: Vec<_> = ALL_KINDS.map(|(name, title)| (name.to_owned(), title.to_owned())).into();
    let person = activity::person(AUDIT, &page, query);
    let export = format!("{AUDIT}.csv{}", query.at(None, None).to_url());
    let within = query.filter("organization").map(|_| {
        let href = format!("{AUDIT}{}", query.filtered("organization", "").to_url());
        let name = organization.unwrap_or_else(|| "one organization".to_owned());
        view! { <a class="chip on" href=href>"In: " <strong><bdi>{name}</bdi></strong> <Icon inner=icons::X/><span class="vh">", show every organization's"</span></a> }
    });
    view! {
        {top(AUDIT, "Audit log")}
        <div class="section">
            <div class="toolbar" role="group" aria-label="Filters">
                {list::filter(AUDIT, query, "kind", "Kind", "any", &kinds)}
                {activity::time(AUDIT, query, now)}
                {person}
                {within}
                <div class="end"><a class="button small" href=export download="audit.csv"><Icon inner=icons::DOWNLOAD/>"Export CSV"</a></div>
            </div>
            <div class="section" data-region="activity">{activity::rows(AUDIT, page, query)}</div>
            <p class="hint">{format!("Events are kept for {days} days. Times in the filter are days in UTC.")}</p>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

fn end(import: &Import, now: Timestamp) -> AnyView {
    match import.standing(now) {
        Standing::AtWork => view! { <span class="badge"><Icon inner=icons::CLOCK/>"At work"</span> }.into_any(),
        Standing::CutOff => view! { <span class="badge warn"><Icon inner=icons::WARNING/>"Cut off"</span> }.into_any(),
        Standing::Failed => view! { <span class="badge warn"><Icon inner=icons::WARNING/>"Broke off"</span> }.into_any(),
        Standing::Through if import.refusals_count > 0 => {
            view! { <span class="badge warn"><Icon inner=icons::WARNING/><Number n=import.refusals_count/> " refused"</span> }.into_any()
        }
        Standing::Through => view! { <span class="badge good"><Icon inner=icons::CHECK/>"Finished"</span> }.into_any(),
    }
}

/// How many of all kinds came to something.
fn sum(counts: &serde_json::Value, what: &str) -> i64 {
    counts[what].as_object().map_or(0, |kinds| kinds.values().filter_map(serde_json::Value::as_i64).sum())
}

const OUTCOMES: [(&str, &str); 4] = [("added", "Added"), ("changed", "Changed"), ("unchanged", "Unchanged"), ("refused", "Refused")];

/// The list of imports.
#[must_use]
pub fn imports(page: Listed<Import>, query: &ListQuery, now: Timestamp) -> AnyView {
    let content = if page.rows.is_empty() {
        list::empty(icons::DOCUMENT, "No imports", "`org-portal import customers FILE` makes the first one.", None)
    } else {
        let [added, changed, unchanged, refused] = OUTCOMES.map(|(_, title)| Head::Plain(title));
        let heads = &[Head::Plain("File"), Head::Sorted("started", "Started"), added, changed, unchanged, refused, Head::Plain("End")];
        list::table(IMPORTS, page, query, Table { class: "table", caption: "Imports", pages: "Pages of imports", heads }, |row| {
            let counts: serde_json::Value = serde_json::from_str(&row.counts).unwrap_or_default();
            let cells = OUTCOMES.map(|(what, title)| view! { <td role="cell" data-label=title><Number n=sum(&counts, what)/></td> });
            let end = end(&row, now);
            view! {
                <tr role="row" data-key=row.id.to_string()>
                    <th scope="row" role="rowheader" class="break"><a href=format!("{IMPORTS}/{}", row.id)><bdi>{row.source}</bdi></a></th>
                    <td role="cell" class="nowrap" data-label="Started"><Moment at=row.started_at/></td>
                    {cells.collect_view()}
                    <td role="cell" data-label="End">{end}</td>
                </tr>
            }
            .into_any()
        })
    };
    view! { {top(IMPORTS, "Imports")}<div class="section" data-region="rows">{content}</div><LocalTimes/> }.into_any()
}

/// An import with its report.
#[must_use]
pub fn import(import: Import, refusals: &str, now: Timestamp) -> AnyView {
    let counts: serde_json::Value = serde_json::from_str(&import.counts).unwrap_or_default();
    let refusals: Vec<serde_json::Value> = serde_json::from_str(refusals).unwrap_or_default();
    let by_kind = |what: &str| {
        let each: Vec<String> = counts[what]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(kind, n)| counted(kind, n.as_u64().unwrap_or(0), &thousands(n.as_i64().unwrap_or(0))))
            .collect();
        if each.is_empty() { "None".to_owned() } else { each.join(", ") }
    };
    let heard = import.heard_at();
    let finished = match (import.finished_at, import.standing(now)) {
        (Some(at), _) => view! { <Moment at/> }.into_any(),
        (None, Standing::CutOff) => {
            view! { "It was cut off, and last heard of on " <Moment at=heard/> ". What was imported until then stands; the next import completes it." }.into_any()
        }
        (None, _) => view! { "Not yet: it is at work" }.into_any(),
    };
    let failed = (!import.failed.is_empty()).then(|| view! { <div><dt>"Broke off"</dt><dd><bdi>{import.failed}</bdi></dd></div> });
    let shown = i64::try_from(refusals.len()).unwrap_or(0);
    let text = |refusal: &serde_json::Value, key: &str| refusal[key].as_str().unwrap_or_default().to_owned();
    let rows: Vec<AnyView> = refusals
        .iter()
        .map(|refusal| {
            view! {
                <tr role="row">
                    <th scope="row" role="rowheader" class="break"><bdi>{text(refusal, "file")}</bdi></th>
                    <td role="cell" data-label="Line">{refusal["line"].as_i64().map(thousands)}</td>
                    <td role="cell" data-label="Field">{text(refusal, "field")}</td>
                    <td role="cell" class="break" data-label="Reason"><bdi>{text(refusal, "reason")}</bdi></td>
                </tr>
            }
            .into_any()
        })
        .collect();
    let report = if rows.is_empty() {
        view! { <p class="hint">"Nothing was refused."</p> }.into_any()
    } else {
        let more = (shown < import.refusals_count)
            .then(|| view! { <p class="hint">{format!("The first {} of {}. `--report FILE` writes all of them down.", thousands(shown), thousands(import.refusals_count))}</p> });
        view! { {list::whole_table("Refusals", &["File", "Line", "Field", "Reason"], rows)}{more} }.into_any()
    };
    view! {
        {head(IMPORTS, import.source)}
        <div class="card">
            <dl class="facts" data-region="facts">
                <div><dt>"Started"</dt><dd><Moment at=import.started_at/></dd></div>
                <div><dt>"Ended"</dt><dd>{finished}</dd></div>
                {failed}
                {OUTCOMES.map(|(what, title)| view! { <div><dt>{title}</dt><dd>{by_kind(what)}</dd></div> }).collect_view()}
            </dl>
        </div>
        <section class="section" aria-labelledby="refusals"><h2 id="refusals">"Refusals"</h2>{report}</section>
        <LocalTimes/>
    }
    .into_any()
}

/// The outbox: what did not leave.
#[must_use]
pub fn outbox(page: Listed<Letter>, query: &ListQuery, waiting: i64) -> AnyView {
    let content = if page.rows.is_empty() {
        list::empty(icons::MAIL, "Everything left", "Nothing was given up within the last 30 days.", None)
    } else {
        let heads = &[
            Head::Plain("What"),
            Head::Plain("Subject"),
            Head::Plain("Attempts"),
            Head::Plain("Last error"),
            Head::Sorted("since", "Given up"),
        ];
        let table = Table { class: "table", caption: "What did not leave", pages: "Pages of what did not leave", heads };
        list::table(OUTBOX, page, query, table, |row| {
            view! {
                <tr role="row" data-key=row.id.to_string()>
                    <th scope="row" role="rowheader" class="break"><a href=format!("{OUTBOX}/{}", row.id)>{headed(row.kind, row.to)}</a></th>
                    <td role="cell" class="break" data-label="Subject"><bdi>{row.subject}</bdi></td>
                    <td role="cell" data-label="Attempts"><Number n=row.attempts/></td>
                    <td role="cell" class="break" data-label="Last error"><bdi>{row.error}</bdi></td>
                    <td role="cell" class="nowrap" data-label="Given up"><Ago at=row.dead_at/></td>
                </tr>
            }
            .into_any()
        })
    };
    view! {
        {top(OUTBOX, "Outbox")}
        <p class="hint">{format!("What could not be delivered: mails, events for the webhook, tickets for the desk. {} wait for their turn.", thousands(waiting))}</p>
        <div class="section" data-region="rows">{content}</div>
        <LocalTimes/>
    }
    .into_any()
}

/// What something is that was to leave.
fn headed(kind: Kind, to: String) -> AnyView {
    match kind {
        Kind::Mail if to.is_empty() => "Mail to Unknown".into_any(),
        Kind::Mail => view! { "Mail to " <bdi>{to}</bdi> }.into_any(),
        Kind::Webhook => "Event to the webhook".into_any(),
        Kind::Desk => "Ticket to the desk".into_any(),
    }
}

/// A mail, an event or a ticket that did not leave.
#[must_use]
pub fn letter(letter: Letter, forms: Forms) -> AnyView {
    let subject = (letter.kind == Kind::Mail).then(|| view! { <div><dt>"Subject"</dt><dd><bdi>{letter.subject}</bdi></dd></div> });
    let retry = act("/do/retry_mail", letter.id.to_string(), "Send again", "button primary", &forms);
    view! {
        <header class="page-head"><div><p class="kicker"><a href=OUTBOX>"Outbox"</a></p><h1>{headed(letter.kind, letter.to)}</h1></div></header>
        <div class="card">
            <dl class="facts">
                {subject}
                <div><dt>"Written"</dt><dd><Moment at=letter.created_at/></dd></div>
                <div><dt>"Given up"</dt><dd><Moment at=letter.dead_at/></dd></div>
                <div><dt>"Attempts"</dt><dd><Number n=letter.attempts/></dd></div>
                <div><dt>"Last error"</dt><dd><bdi>{letter.error}</bdi></dd></div>
            </dl>
        </div>
        <div class="card">{retry}</div>
        <LocalTimes/>
    }
    .into_any()
}
