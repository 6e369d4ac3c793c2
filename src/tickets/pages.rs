//! The room's pages: pure views.

use leptos::prelude::*;

use super::{
    AttachmentView, MAX_FILES, MAX_LINE, MessageView, NoteView, PRIORITIES, PRIORITY, Side, Stage, Summary, TicketRow, TicketView,
    rank_title,
};
use crate::{
    form::Drawn,
    list::{ListQuery, Listed},
    operator::pages::{self as console, TICKETS},
    organizations::{
        OrganizationView,
        pages::{Tab, tabs},
    },
    permissions::{Permission, Role},
    tickets::{
        actions::{Desk, DeskRow, DeskTicket, MINE},
        store::{NOBODY, OWNER},
    },
    ui::{
        Ago, Checked, ErrorSummary, Hidden, Icon, LocalTimes, Moment, Number, SelectField, TextArea, TextField, icons,
        list::{self, Head, Table},
        markdown,
    },
    words::{DAY, Timestamp},
};

const PATH: &str = "/organization/tickets";

/// The address of a ticket's page.
#[must_use]
pub fn address(number: &str) -> String {
    format!("{PATH}/{number}")
}

/// What the list's page shows.
pub struct Look {
    /// A page of the list.
    pub page: Listed<TicketRow>,
    /// What was asked for.
    pub query: ListQuery,
    /// How many there are.
    pub summary: Summary,
    /// The organization.
    pub organization: OrganizationView,
    /// The role of who looks.
    pub role: Role,
}

/// The Tickets tab.
#[must_use]
pub fn tickets(look: Look) -> AnyView {
    let Look { page, query, summary, organization, role } = look;
    let all = role.may(Permission::ViewCustomerData);
    let stages: Vec<_> = Stage::ALL.map(|stage| (stage.name().to_owned(), stage.title().to_owned())).into();
    let ranks: Vec<_> = summary.ranks.iter().map(|(rank, _)| (rank.to_string(), rank_title(*rank).to_owned())).collect();
    let departments: Vec<_> =
        summary.departments.iter().filter(|(name, _)| !name.is_empty()).map(|(name, _)| (name.clone(), name.clone())).collect();
    let mine = [("me".to_owned(), "me".to_owned())];
    view! {
        <header class="page-head" data-region="head">
            <div><p class="kicker">"Organization"</p><h1><bdi>{organization.name.clone()}</bdi></h1></div>
            <div class="page-actions"><a class="button primary" href="/organization/tickets/new"><Icon inner=icons::PLUS/>"Raise ticket"</a></div>
        </header>
        {tabs(Tab::Tickets, organization.members, role)}
        <div class="contents" data-region="summary">{drawn(&summary, &query)}</div>
        <div class="section">
            <div class="toolbar">
                {list::search(PATH, "Search tickets by number, subject, product or requester", "Search tickets", &query)}
            </div>
            <div class="toolbar" role="group" aria-label="Filters" data-region="filters">
                {list::filter(PATH, &query, "state", "State", "any", &stages)}
                {list::filter(PATH, &query, "priority", "Priority", "any", &ranks)}
                {(!departments.is_empty()).then(|| list::filter(PATH, &query, "department", "Department", "any", &departments))}
                {all.then(|| list::filter(PATH, &query, MINE, "Raised by", "anyone", &mine))}
            </div>
            <div class="section" data-region="tickets">{rows(page, &query, all)}</div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

/// How many tickets there are of each kind, drawn as bars that lead to them.
fn drawn(summary: &Summary, query: &ListQuery) -> AnyView {
    if summary.total == 0 {
        return ().into_any();
    }
    let group = |title: &'static str, filter: &'static str, bars: Vec<(String, String, i64)>| {
        let most = bars.iter().map(|(.., n)| *n).max().unwrap_or(1).max(1);
        let bars = bars.into_iter().map(|(value, words, n)| {
            let width = (n * 100 / most).max(1).to_string();
            let words = match value.is_empty() {
                // Nothing to filter by.
                true => view! { <span class="bar-label">{words}</span> }.into_any(),
                false => {
                    let href = format!("{PATH}{}", query.filtered(filter, &value).to_url());
                    view! { <a class="bar-label" href=href><bdi>{words}</bdi></a> }.into_any()
                }
            };
            view! {
                <li>
                    {words}<span class="bar-count"><Number n=n/></span>
                    <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="6"/><rect class="bar-part" width=width height="6"/></svg>
                </li>
            }
        });
        view! { <section><h3>{title}</h3><ul class="bars">{bars.collect_view()}</ul></section> }.into_any()
    };
    let stages = summary.stages.iter().map(|(stage, n)| (stage.name().to_owned(), stage.title().to_owned(), *n)).collect();
    let ranks = summary.ranks.iter().map(|(rank, n)| (rank.to_string(), rank_title(*rank).to_owned(), *n)).collect();
    let departments = summary.departments.iter().map(|(name, n)| {
        let words = if name.is_empty() { "None yet".to_owned() } else { name.clone() };
        (name.clone(), words, *n)
    });
    // The largest few; all of them are in the filter.
    let departments: Vec<_> = departments.take(6).collect();
    view! {
        <section class="card summary" aria-labelledby="summary">
            <h2 id="summary"><Number n=summary.total/> {if summary.total == 1 { " ticket" } else { " tickets" }}</h2>
            <div class="summary-groups">{group("State", "state", stages)}{group("Department", "department", departments)}{group("Priority", "priority", ranks)}</div>
        </section>
    }
    .into_any()
}

fn rows(page: Listed<TicketRow>, query: &ListQuery, all: bool) -> AnyView {
    if page.rows.is_empty() {
        let (title, sentence) = if query.is_conditional() {
            ("No tickets found", "None meets the search and the filters.")
        } else if all {
            ("No tickets", "What your team asks the support of this portal stands here, with the answers.")
        } else {
            ("No tickets of yours", "What you ask the support of this portal stands here, with the answers.")
        };
        let action = list::clear(query, PATH).unwrap_or_else(|| ("/organization/tickets/new".to_owned(), "Raise ticket"));
        return list::empty(icons::TICKET, title, sentence, Some(action));
    }
    list::table(PATH, page, query, TABLE, row)
}

const TABLE: Table<'_> = Table {
    class: "table",
    caption: "Tickets",
    pages: "Pages of tickets",
    heads: &[
        Head::Sorted("subject", "Ticket"),
        Head::Plain("State"),
        Head::Sorted("priority", "Priority"),
        Head::Plain("Department"),
        Head::Sorted("created", "Raised"),
        Head::Sorted("updated", "Updated"),
    ],
};

fn row(ticket: TicketRow) -> AnyView {
    let (key, href, state) = (ticket.number.clone(), address(&ticket.number), state(&ticket));
    let in_department = (!ticket.department.is_empty()).then_some("Department");
    view! {
        <tr role="row" data-key=key>
            <th scope="row" role="rowheader" class="break">
                <a href=href><bdi>{ticket.subject}</bdi></a>
                " " <span class="sub">{ticket.number}{(!ticket.requester.is_empty()).then(|| view! { ", " <bdi>{ticket.requester}</bdi> })}{(!ticket.product.is_empty()).then(|| view! { ", " <bdi>{ticket.product}</bdi> })}</span>
            </th>
            <td role="cell" class="nowrap" data-label="State">{state}</td>
            <td role="cell" class="nowrap" data-label="Priority">{ticket.priority}</td>
            <td role="cell" data-label=in_department>{ticket.department}</td>
            <td role="cell" class="nowrap" data-label="Raised"><Ago at=ticket.created_at/></td>
            <td role="cell" class="nowrap" data-label="Updated"><Ago at=ticket.updated_at/></td>
        </tr>
    }
    .into_any()
}

/// The state in the desk's words, with what it comes to as shape and colour.
#[must_use]
pub fn state(ticket: &TicketRow) -> AnyView {
    let (class, icon) = match ticket.stage {
        Stage::Open => ("badge good", icons::CLOCK),
        Stage::Waiting => ("badge warn", icons::ALERT),
        Stage::Resolved => ("badge accent", icons::CHECK_CIRCLE),
        Stage::Closed => ("badge", icons::CHECK),
    };
    let words = if ticket.state.is_empty() { ticket.stage.title().to_owned() } else { ticket.state.clone() };
    view! { <span class=class><Icon inner=icon/>{words}</span> }.into_any()
}

/// Raise a ticket.
#[must_use]
pub fn new(products: Vec<String>, kept: Vec<AttachmentView>, checked: Checked, drawn: Drawn) -> AnyView {
    let priority = checked.value("priority", PRIORITY);
    view! {
        <header class="page-head"><div><p class="kicker"><a href=PATH>"Tickets"</a></p><h1>"Raise ticket"</h1></div></header>
        <form class="card form wide" method="post" action="/do/raise_ticket" enctype="multipart/form-data" novalidate>
            <Hidden drawn/>
            <ErrorSummary refusal=checked.refusal()/>
            <TextField name="subject" label="Subject" hint="The problem in one line." value=checked.value("subject", "") error=checked.error("subject") maxlength=MAX_LINE/>
            <TextField name="product" label="Product" optional=true hint="What it is about." list="products" value=checked.value("product", "") error=checked.error("product") maxlength=MAX_LINE/>
            <datalist id="products">{products.into_iter().map(|product| view! { <option value=product></option> }).collect_view()}</datalist>
            <SelectField name="priority" label="Priority" options=PRIORITIES.to_vec() value=priority error=checked.error("priority") hint="How much it keeps you from working."/>
            <TextArea name="description" label="Description" tall=true hint="What happens, what should happen instead, and since when. Markdown is understood." value=checked.value("description", "") error=checked.error("description")/>
            {files(kept, checked.error("attachments"))}
            <div class="actions start"><button class="button primary">"Raise ticket"</button><a class="button quiet" href=PATH>"Cancel"</a></div>
        </form>
    }
    .into_any()
}

/// The field for files, with those that were kept from a form that was refused.
#[must_use]
pub fn files(kept: Vec<AttachmentView>, error: Option<String>) -> AnyView {
    let (invalid, described) =
        (error.as_ref().map(|_| "true"), if error.is_some() { "attachments-hint attachments-error" } else { "attachments-hint" });
    let too_many = kept.len() > MAX_FILES;
    let kept = (!kept.is_empty()).then(|| {
        let files = kept.into_iter().enumerate().map(|(n, file)| {
            let (id, fits) = (format!("kept-{}", file.id), n < MAX_FILES);
            view! {
                <div class="choice">
                    <input type="checkbox" id=id.clone() name="form[attachments][]" value=file.id checked=fits/>
                    <label for=id><bdi>{file.name}</bdi> " " <span class="hint">{size(file.size)}</span></label>
                </div>
            }
        });
        view! { <fieldset class="choices"><legend class="hint">{if too_many { "Already sent. Choose which of them go with it" } else { "Already sent" }}</legend>{files.collect_view()}</fieldset> }
    });
    view! {
        <div class="field">
            <label for="attachments">"Files " <span class="optional">"(optional)"</span></label>
            <p class="hint" id="attachments-hint">{format!("At most {MAX_FILES}, each up to 10 MB.")}</p>
            {kept}
            <input id="attachments" name="form[attachments][]" type="file" multiple autocomplete="off" aria-invalid=invalid aria-describedby=described/>
            {error.map(|error| view! { <p class="field-error" id="attachments-error"><Icon inner=icons::ALERT/><span>{error}</span></p> })}
        </div>
    }
    .into_any()
}

/// A ticket with its thread.
#[must_use]
pub fn ticket(ticket: TicketView, kept: Vec<AttachmentView>, checked: Checked, resolve: Drawn, reply: Drawn, reopen_days: i64) -> AnyView {
    let (number, over) = (ticket.row.number.clone(), ticket.row.stage.is_over());
    let form = if over && !ticket.reopens {
        let days = format!("It was closed more than {reopen_days} days ago and cannot be reopened.");
        view! {
            <section class="callout" aria-labelledby="over">
                <Icon inner=icons::LOCK/>
                <div class="callout-body">
                    <div><p><strong id="over">"This ticket is closed"</strong></p><p>{days} " Raise a new one, and name " {number.clone()} " in it."</p></div>
                    <div class="actions"><a class="button" href="/organization/tickets/new">"Raise ticket"</a></div>
                </div>
            </section>
        }
        .into_any()
    } else {
        let button = if over { "Reply and reopen" } else { "Reply" };
        let until = ticket.resolved_at.filter(|_| over).map(|at| at.plus(reopen_days * DAY));
        let ended = ticket.row.stage.title().to_lowercase();
        view! {
            <form class="card form wide" method="post" action="/do/reply_to_ticket" enctype="multipart/form-data" novalidate aria-label="Reply">
                <Hidden drawn=reply/>
                <input type="hidden" name="ticket" value=number.clone()/>
                <ErrorSummary refusal=checked.refusal()/>
                <TextArea name="body" label="Reply" tall=true hint="Markdown is understood." value=checked.value("body", "") error=checked.error("body")/>
                {files(kept, checked.error("attachments"))}
                <div class="contents" data-region="reply">
                    {until.map(|at| view! { <p class="hint">{format!("The ticket is {ended}. A reply until ")}<Moment at/>" opens it again."</p> })}
                    <div class="actions start"><button class="button primary">{button}</button></div>
                </div>
            </form>
        }
        .into_any()
    };
    view! {
        <header class="page-head" data-region="head">
            <div><p class="kicker"><a href=PATH>"Tickets"</a></p><h1 class="break"><bdi>{ticket.row.subject.clone()}</bdi></h1></div>
            {(!over).then(|| view! {
                <div class="page-actions">
                    <form method="post" action="/do/resolve_ticket"><Hidden drawn=resolve/><input type="hidden" name="ticket" value=number/><button class="button"><Icon inner=icons::CHECK/>"Mark as resolved"</button></form>
                </div>
            })}
        </header>
        {facts(&ticket)}
        {thread(ticket, Vec::new(), address)}
        {form}
        <LocalTimes/>
    }
    .into_any()
}

/// What a ticket is, beside its thread.
#[must_use]
pub fn facts(ticket: &TicketView) -> AnyView {
    let row = &ticket.row;
    let fact = |title: &'static str, value: &str| {
        (!value.is_empty()).then(|| view! { <div><dt>{title}</dt><dd><bdi>{value.to_owned()}</bdi></dd></div> })
    };
    let elsewhere = (!row.url.is_empty()).then(|| {
        view! { <div><dt>"At the support desk"</dt><dd><a href=row.url.clone() rel="noopener noreferrer">"Open there" <Icon inner=icons::EXTERNAL/></a></dd></div> }
    });
    view! {
        <div class="card" data-region="facts">
            <dl class="facts">
                <div><dt>"Number"</dt><dd>{row.number.clone()}</dd></div>
                <div><dt>"State"</dt><dd>{state(row)}</dd></div>
                {fact("Priority", &row.priority)}
                {fact("Product", &row.product)}
                {fact("Department", &row.department)}
                {fact("Category", &row.category)}
                {fact("Raised by", &row.requester)}
                <div><dt>"Raised"</dt><dd><Moment at=row.created_at/></dd></div>
                <div><dt>"Updated"</dt><dd><Moment at=row.updated_at/></dd></div>
                {ticket.resolved_at.map(|at| view! { <div><dt>"Solved"</dt><dd><Moment at/></dd></div> })}
                {elsewhere}
            </dl>
            {ticket.on_its_way.then(|| view! { <p class="hint"><Icon inner=icons::CLOCK/>" On its way to the support desk."</p> })}
        </div>
    }
    .into_any()
}

/// The description, what was said since, and, for the staff, their notes where they were written.
fn thread(ticket: TicketView, notes: Vec<NoteView>, address: fn(&str) -> String) -> AnyView {
    let here = address(&ticket.row.number);
    let first = ticket.earlier.is_none().then(|| {
        let (author, at) = (ticket.row.requester.clone(), ticket.row.created_at);
        said("description".to_owned(), Side::Customer, &author, at, &ticket.description, ticket.attachments.clone(), &here)
    });
    let earlier = ticket.earlier.map(|before| {
        let href = format!("{here}?before={before}");
        view! { <li data-key="earlier"><a class="button small" href=href>"Show earlier messages"</a></li> }
    });
    let mut entries: Vec<(Timestamp, AnyView)> = Vec::with_capacity(ticket.messages.len() + notes.len());
    for MessageView { id, event, side, author, body, at, attachments } in ticket.messages {
        let entry = if event {
            view! { <li class="happened" data-key=id><Icon inner=icons::ACTIVITY/><span><bdi>{author}</bdi> " " {body} ", " <Ago at exact=true/></span></li> }.into_any()
        } else {
            said(id, side, &author, at, &body, attachments, &here)
        };
        entries.push((at, entry));
    }
    entries.extend(notes.into_iter().map(|note| (note.at, written(note))));
    entries.sort_by_key(|(at, _)| *at);
    let entries: Vec<AnyView> = entries.into_iter().map(|(_, entry)| entry).collect();
    view! {
        <section class="section" aria-labelledby="thread">
            <h2 class="vh" id="thread">"Messages"</h2>
            <ol class="thread" data-region="thread">{first}{earlier}{entries}</ol>
        </section>
    }
    .into_any()
}

fn said(id: String, side: Side, author: &str, at: Timestamp, body: &str, files: Vec<AttachmentView>, here: &str) -> AnyView {
    let staff = side == Side::Staff;
    let author = if author.is_empty() { if staff { "Support" } else { "The customer" }.to_owned() } else { author.to_owned() };
    let files = (!files.is_empty()).then(|| {
        let files = files.into_iter().map(|file| {
            let href = format!("{here}/files/{}", file.id);
            view! { <li><a href=href download=file.name.clone()><Icon inner=icons::DOWNLOAD/><bdi>{file.name.clone()}</bdi></a> " " <span class="hint">{size(file.size)}</span></li> }
        });
        view! { <ul class="files" aria-label="Files">{files.collect_view()}</ul> }
    });
    view! {
        <li class=if staff { "said staff" } else { "said" } data-key=id>
            <article>
                <header><strong><bdi>{author}</bdi></strong> {staff.then(|| view! { " " <span class="badge accent">"Support"</span> })} <span class="hint"><Ago at exact=true/></span></header>
                <div class="prose" dir="auto" inner_html=markdown::html(body)></div>
                {files}
            </article>
        </li>
    }
    .into_any()
}

/// A size as people read it, in the units of the largest that a file may have.
fn size(bytes: i64) -> String {
    const KB: i64 = 1024;
    const MB: i64 = 1024 * KB;
    match bytes {
        1 => "1 byte".to_owned(),
        0..KB => format!("{bytes} bytes"),
        KB..MB => format!("{} kB", bytes / KB),
        _ => format!("{}.{} MB", bytes / MB, bytes % MB * 10 / MB),
    }
}

/// The address of a ticket's page in the console.
#[must_use]
pub fn desk_address(number: &str) -> String {
    format!("{TICKETS}/{number}")
}

/// The console's list of tickets.
#[must_use]
pub fn desk(shown: Desk, query: &ListQuery) -> AnyView {
    let Desk { page, of, named } = shown;
    let stages: Vec<_> = Stage::ALL.map(|stage| (stage.name().to_owned(), stage.title().to_owned())).into();
    let ranks: Vec<_> = (1..=5).map(|rank| (rank.to_string(), rank_title(rank).to_owned())).collect();
    let assignees = [("me", "me"), (NOBODY, "nobody")].map(|(value, title)| (value.to_owned(), title.to_owned()));
    let found = !named.is_empty();
    let of = of.map(|name| {
        let href = format!("{TICKETS}{}", query.filtered(OWNER, "").to_url());
        view! { <a class="chip on" href=href>"Of: " <strong><bdi>{name}</bdi></strong> <Icon inner=icons::X/><span class="vh">", show everybody's"</span></a> }
    });
    view! {
        {console::top(TICKETS, "Tickets")}
        <div class="section">
            <div class="toolbar">{list::search(TICKETS, "Search tickets by number, subject, product, requester or customer", "Search tickets", query)}</div>
            <div class="toolbar" role="group" aria-label="Filters" data-region="filters">
                {list::filter(TICKETS, query, "state", "State", "any", &stages)}
                {list::filter(TICKETS, query, "priority", "Priority", "any", &ranks)}
                {list::filter(TICKETS, query, "assignee", "Assigned to", "anyone", &assignees)}
                {of}
            </div>
            <div class="section" data-region="tickets">{owners(named, query)}{desk_rows(page, query, found)}</div>
        </div>
        <LocalTimes/>
    }
    .into_any()
}

/// The way to the tickets of those whose own names hold what is searched.
fn owners(named: Vec<(String, String)>, query: &ListQuery) -> Option<AnyView> {
    let way = |(id, name): (String, String)| {
        let href = format!("{TICKETS}{}", ListQuery { q: String::new(), ..query.filtered(OWNER, &id) }.to_url());
        view! { <a class="chip" href=href>"Tickets of " <strong><bdi>{name}</bdi></strong></a> }
    };
    (!named.is_empty()).then(|| {
        view! { <div class="toolbar" role="group" aria-label="Customers and organizations of that name">{named.into_iter().map(way).collect_view()}</div> }.into_any()
    })
}

fn desk_rows(page: Listed<DeskRow>, query: &ListQuery, named: bool) -> AnyView {
    if page.rows.is_empty() {
        let (title, sentence) = match (query.is_conditional(), named) {
            (true, true) => (
                "No tickets found",
                "No ticket holds these words. Those of the customers and organizations of that name are one press away, above.",
            ),
            (true, false) => ("No tickets found", "None meets the search and the filters."),
            (false, _) => ("No tickets", "What customers ask stands here."),
        };
        return list::empty(icons::TICKET, title, sentence, list::clear(query, TICKETS));
    }
    list::table(TICKETS, page, query, DESK_TABLE, |(ticket, owner)| {
        let (key, href, state) = (ticket.number.clone(), desk_address(&ticket.number), state(&ticket));
        view! {
            <tr role="row" data-key=key>
                <th scope="row" role="rowheader" class="break">
                    <a href=href><bdi>{ticket.subject}</bdi></a>
                    " " <span class="sub">{ticket.number}", "<bdi>{owner}</bdi>{(!ticket.requester.is_empty()).then(|| view! { ", " <bdi>{ticket.requester}</bdi> })}</span>
                </th>
                <td role="cell" class="nowrap" data-label="State">{state}</td>
                <td role="cell" class="nowrap" data-label="Priority">{ticket.priority}</td>
                <td role="cell" class="nowrap" data-label="Raised"><Ago at=ticket.created_at/></td>
                <td role="cell" class="nowrap" data-label="Updated"><Ago at=ticket.updated_at/></td>
            </tr>
        }
        .into_any()
    })
}

const DESK_TABLE: Table<'_> = Table {
    class: "table",
    caption: "Tickets",
    pages: "Pages of tickets",
    heads: &[
        Head::Plain("Ticket"),
        Head::Plain("State"),
        Head::Sorted("priority", "Priority"),
        Head::Sorted("created", "Raised"),
        Head::Sorted("updated", "Updated"),
    ],
};

/// What the forms of a ticket's page in the console need.
pub struct DeskForms {
    /// Each form has a key of its own.
    pub drawn: [Drawn; 3],
    /// How the answer was refused.
    pub answer: Checked,
    /// How the note was refused.
    pub note: Checked,
    /// How the change was refused.
    pub change: Checked,
    /// Files of an answer that was refused.
    pub kept: Vec<AttachmentView>,
    /// Who looks: account and name.
    pub operator: (String, String),
}

/// A ticket in the console: both sides' thread, the staff's notes, and what staff do.
#[must_use]
pub fn desk_ticket(shown: DeskTicket, forms: DeskForms) -> AnyView {
    let DeskTicket { ticket, notes, owner, page, assignee, unheard } = shown;
    let DeskForms { drawn: [answering, noting, changing], answer, note, change, kept, operator } = forms;
    let (number, stage) = (ticket.row.number.clone(), ticket.row.stage);
    let title = ticket.row.subject.clone();
    // Where it has no organization yet, the customer's record.
    let whose = if page.starts_with(console::CUSTOMERS) { "Customer" } else { "Organization" };
    let has = assignee.clone().map_or_else(|| "Nobody".to_owned(), |(_, name)| name);
    let mut people = vec![(String::new(), "Nobody".to_owned()), (operator.0.clone(), format!("{} (you)", operator.1))];
    people.extend(assignee.clone().map(|(account, name)| (account.to_string(), name)).filter(|(id, _)| *id != operator.0));
    let holder = assignee.map(|(account, _)| account.to_string()).unwrap_or_default();
    let chosen = change.value("assignee", &holder);
    let stages = |none: Option<&'static str>| -> Vec<(String, String)> {
        let none = none.map(|title| (String::new(), title.to_owned()));
        none.into_iter().chain(Stage::ALL.map(|stage| (stage.name().to_owned(), stage.title().to_owned()))).collect()
    };
    let mut priorities: Vec<(String, String)> = PRIORITIES.map(|priority| (priority.to_owned(), priority.to_owned())).into();
    if !PRIORITIES.contains(&ticket.row.priority.as_str()) {
        priorities.push((ticket.row.priority.clone(), ticket.row.priority.clone()));
    }
    let priority = change.value("priority", &ticket.row.priority);
    view! {
        {console::head(TICKETS, title)}
        {facts(&ticket)}
        <div class="card">
            <dl class="facts" data-region="holder"><div><dt>{whose}</dt><dd><a href=page><bdi>{owner}</bdi></a></dd></div><div><dt>"Assigned to"</dt><dd><bdi>{has}</bdi></dd></div></dl>
            <form class="form-body" method="post" action="/do/change_ticket" novalidate aria-label="Change the ticket">
                <Hidden drawn=changing/>
                <input type="hidden" name="ticket" value=number.clone()/>
                <ErrorSummary refusal=change.refusal()/>
                <div class="field-row" data-region="choices">
                    {choose("stage", "State", stages(None), change.value("stage", stage.name()), change.error("stage"))}
                    {choose("priority", "Priority", priorities, priority, change.error("priority"))}
                    {choose("assignee", "Assigned to", people, chosen, change.error("assignee"))}
                    {shown_as("shown_stage", &change, stage.name())}{shown_as("shown_priority", &change, &ticket.row.priority)}{shown_as("shown_assignee", &change, &holder)}
                </div>
                <div class="actions start"><button class="button">"Save"</button></div>
            </form>
        </div>
        {thread(ticket, notes, desk_address)}
        <form class="card form wide" method="post" action="/do/answer_ticket" enctype="multipart/form-data" novalidate aria-label="Reply to the customer">
            <Hidden drawn=answering/>
            <input type="hidden" name="ticket" value=number.clone()/>
            <ErrorSummary refusal=answer.refusal()/>
            <TextArea name="body" label="Reply to the customer" tall=true hint="Markdown is understood." value=answer.value("body", "") error=answer.error("body")/>
            {files(kept, answer.error("attachments"))}
            {choose("answer-stage", "State after it", stages(Some("as it is")), answer.value("stage", "waiting"), answer.error("stage"))}
            <div class="contents" data-region="unheard">{heard(unheard)}</div>
            <div class="actions start"><button class="button primary">"Reply"</button></div>
        </form>
        <form class="card form wide" method="post" action="/do/note_ticket" novalidate aria-label="Internal note">
            <Hidden drawn=noting/>
            <input type="hidden" name="ticket" value=number/>
            <ErrorSummary refusal=note.refusal()/>
            <TextArea name="body" id="note" label="Internal note" hint="No customer sees it: not on pages, not in mails, not by search." value=note.value("body", "") error=note.error("body")/>
            <div class="actions start"><button class="button">"Write note"</button></div>
        </form>
        <LocalTimes/>
    }
    .into_any()
}

/// Who hears of a reply, or why nobody does.
fn heard(unheard: Option<&'static str>) -> AnyView {
    match unheard {
        None => {
            view! { <p class="hint">"The reply goes out by mail, too: to whoever raised the ticket and whoever wrote in it."</p> }.into_any()
        }
        Some(why) => view! {
            <div class="callout warn"><Icon inner=icons::WARNING/><div class="callout-body"><div><p><strong>"Nobody is told of the reply by mail"</strong></p><p>{why}</p></div></div></div>
        }
        .into_any(),
    }
}

fn written(note: NoteView) -> AnyView {
    let NoteView { id, author, body, at } = note;
    view! {
        <li class="said note" data-key=id>
            <article>
                <header><strong><bdi>{author}</bdi></strong> " " <span class="badge warn"><Icon inner=icons::LOCK/>"Internal"</span> <span class="hint"><Ago at exact=true/></span></header>
                <div class="prose" dir="auto" inner_html=markdown::html(&body)></div>
            </article>
        </li>
    }
    .into_any()
}

/// What the page showed of a field when it was first drawn, so that what is left alone is told apart from what is chosen.
fn shown_as(name: &'static str, form: &Checked, now: &str) -> AnyView {
    view! { <input type="hidden" name=format!("form[{name}]") value=form.value(name, now)/> }.into_any()
}

/// A choice of values that are called otherwise on the page. What stands before a dash in its id tells it from another
/// form's field of the same name.
fn choose(id: &'static str, label: &'static str, options: Vec<(String, String)>, value: String, error: Option<String>) -> AnyView {
    let name = id.rsplit('-').next().unwrap_or(id);
    let (invalid, described) = (error.as_ref().map(|_| "true"), error.as_ref().map(|_| format!("{id}-error")));
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select id=id name=format!("form[{name}]") aria-invalid=invalid aria-describedby=described>
                {options.into_iter().map(|(option, title)| { let selected = option == value; view! { <option value=option selected=selected>{title}</option> } }).collect_view()}
            </select>
            {error.map(|error| view! { <p class="field-error" id=format!("{id}-error")><Icon inner=icons::ALERT/><span>{error}</span></p> })}
        </div>
    }
    .into_any()
}
