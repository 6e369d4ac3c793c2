//! The use cases of tickets.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    AnswerForm, AttachmentView, ChangeForm, MAX_FILE, MessageView, NoteView, PRIORITIES, ReplyForm, Side, Stage, Summary, TicketForm,
    TicketRow, TicketView, file_name,
    store::{self, Change, Counted, DESK, LIST, New, NewMessage, Owner, Ticket},
};
use crate::{
    accounts::store as accounts,
    actor::{Actor, Caller, full_name},
    audit::{Action, Object},
    customers::store as customers,
    db::{Connected, Failure},
    form::{
        Conflict, FieldErrors, Refusal,
        door::{Incoming, Kept},
    },
    guard::{self, Grant, Handling, Membership, Staff},
    limits::{self, Rate},
    list::{Count, ListQuery, Listed, sql::Counts},
    mail::{Mail, Message},
    operator::store as operator,
    organizations::store as organizations,
    permissions::{Permission, RaiseTicket},
    portal::{Portal, Unit},
    words::{AccountId, AttachmentId, CustomerId, DAY, Email, MessageId, OrganizationId, TicketId, Timestamp},
};

/// How many bytes are kept in one row.
const CHUNK: usize = 256 * 1024;
/// How many files one account may send.
const RATE: Rate = Rate { burst: 60, seconds: 20 };

/// Whose tickets an organization's are: its customer's, where it has one.
///
/// # Errors
/// The database's.
pub async fn owner(db: &mut impl Connected, organization: OrganizationId) -> Result<Owner, Failure> {
    let customer = customers::of_organization(db, organization).await?;
    Ok(customer.map_or(Owner::Organization(organization), |customer| Owner::Customer(customer.id)))
}

/// The value of the filter for what a member raised: everything for who may see all.
fn own(membership: &Membership, actor: &Actor) -> Option<String> {
    (!membership.role.may(Permission::ViewCustomerData)).then(|| actor.email.key())
}

/// A page of the tickets that a member may see, and how many there are of each kind.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &mut impl Connected,
    membership: &Membership,
    actor: &Actor,
    query: &ListQuery,
    now: Timestamp,
) -> Result<(Listed<TicketRow>, Summary), Failure> {
    let owner = owner(db, membership.organization).await?;
    let query = seen(membership, actor, query);
    let counts = store::counts(db, owner).await?;
    let summary = summed(db, owner, &counts, own(membership, actor)).await?;
    // What is searched for, and who raised it, is counted nowhere.
    let is_counted = query.q.is_empty() && query.filter(store::REQUESTER).is_none();
    let kept = Counts {
        total: Some(counts.iter().map(|counted| counted.tickets).sum()),
        matching: is_counted.then(|| counts.iter().filter(|counted| counted.meets(&query)).map(|counted| counted.tickets).sum()),
    };
    Ok((LIST.page::<store::Row>(db, owner.id(), &query, now, kept).await?.map(row), summary))
}

/// The tickets that a member may see and that were raised last: at most so many.
///
/// # Errors
/// The database's.
pub async fn newest(
    db: &mut impl Connected,
    membership: &Membership,
    actor: &Actor,
    now: Timestamp,
    most: usize,
) -> Result<Vec<TicketRow>, Failure> {
    let owner = owner(db, membership.organization).await?;
    let query = seen(membership, actor, &ListQuery::default());
    // Along the order's index: an Admin's query has no condition, and what one person raised is soon found.
    let (rows, _) = LIST.batch::<store::Row>(db, owner.id(), &query, now, (!query.is_conditional()).then_some(0), most).await?;
    Ok(rows.into_iter().map(row).collect())
}

/// What is asked of the list, and of that what the member may see.
fn seen(membership: &Membership, actor: &Actor, query: &ListQuery) -> ListQuery {
    let mut query = query.clone();
    // Whose tickets are seen is never said by an address.
    query.filters.retain(|(name, _)| name != store::REQUESTER);
    let mine = query.filters.iter().position(|(name, value)| name == MINE && value == "me").map(|at| query.filters.remove(at));
    if let Some(key) = own(membership, actor).or_else(|| mine.map(|_| actor.email.key())) {
        query.filters.push((store::REQUESTER.to_owned(), key));
    }
    query
}

/// The filter by which an Admin sees the own tickets alone.
pub const MINE: &str = "by";

/// What is asked of the list, from the query of an address.
#[must_use]
pub fn asked(query: &str) -> ListQuery {
    let mut filters = LIST.filters();
    filters.retain(|name| *name != store::REQUESTER);
    filters.push(MINE);
    ListQuery::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned(), &filters)
}

fn row(row: store::Row) -> TicketRow {
    TicketRow {
        stage: row.stage(),
        number: row.number,
        subject: row.subject,
        product: row.product,
        priority: row.priority,
        rank: row.priority_rank,
        state: row.state,
        department: row.department,
        requester: row.requester_name,
        category: row.category,
        url: row.url,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// How many tickets there are that a member may see.
///
/// # Errors
/// The database's.
pub async fn summary(db: &mut impl Connected, membership: &Membership, actor: &Actor) -> Result<Summary, Failure> {
    let owner = owner(db, membership.organization).await?;
    let counts = store::counts(db, owner).await?;
    summed(db, owner, &counts, own(membership, actor)).await
}

/// The owner's counts, or those of what one person raised.
async fn summed(db: &mut impl Connected, owner: Owner, counts: &[Counted], requester: Option<String>) -> Result<Summary, Failure> {
    Ok(match requester {
        Some(key) => sum(&store::counts_of(db, owner, &key).await?),
        None => sum(counts),
    })
}

fn sum(counted: &[Counted]) -> Summary {
    let (mut stages, mut departments, mut ranks) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for Counted { stage, department, priority_rank, tickets } in counted {
        *stages.entry(Stage::parse(stage).unwrap_or(Stage::Open)).or_insert(0) += tickets;
        *departments.entry(department.clone()).or_insert(0) += tickets;
        *ranks.entry(*priority_rank).or_insert(0) += tickets;
    }
    let mut departments: Vec<(String, i64)> = departments.into_iter().collect();
    departments.sort_by_key(|(name, n)| (name.is_empty(), -n));
    Summary {
        total: counted.iter().map(|counted| counted.tickets).sum(),
        stages: stages.into_iter().collect(),
        departments,
        ranks: ranks.into_iter().collect(),
    }
}

/// A ticket by its number, or by the one that it had before the desk elsewhere gave it another.
async fn known(db: &mut impl Connected, number: &str) -> Result<Ticket, Failure> {
    if let Some(ticket) = store::by_number(db, number).await? {
        return Ok(ticket);
    }
    let (number,) = store::number_of_former(db, number).await?.ok_or(Refusal::NotFound)?;
    Ok(store::by_number(db, &number).await?.ok_or(Refusal::NotFound)?)
}

/// A ticket that a member may see.
async fn find(db: &mut impl Connected, membership: &Membership, actor: &Actor, number: &str) -> Result<Ticket, Failure> {
    let ticket = known(db, number).await?;
    let seen = match own(membership, actor) {
        Some(key) => ticket.requester_key == key,
        None => true,
    };
    if !seen || ticket.row.owner() != owner(db, membership.organization).await? {
        return Err(Refusal::NotFound.into());
    }
    Ok(ticket)
}

/// A ticket with its thread, for a member who may see it.
///
/// # Errors
/// 404 where there is none, or not for this member.
pub async fn get(
    db: &mut impl Connected,
    membership: &Membership,
    actor: &Actor,
    number: &str,
    before: Option<MessageId>,
    (now, reopen_days): (Timestamp, i64),
) -> Result<TicketView, Failure> {
    let ticket = find(db, membership, actor, number).await?;
    view(db, ticket, before, (now, reopen_days)).await
}

/// A ticket with its thread as both sides see it.
///
/// # Errors
/// The database's.
pub async fn view(
    db: &mut impl Connected,
    ticket: Ticket,
    before: Option<MessageId>,
    (now, reopen_days): (Timestamp, i64),
) -> Result<TicketView, Failure> {
    let files = store::attachments(db, ticket.row.id).await?;
    let of = |message: Option<MessageId>| -> Vec<AttachmentView> {
        let of = files.iter().filter(|file| file.message_id == message);
        of.map(|file| AttachmentView { id: file.id.to_string(), name: file.name.clone(), size: file.size }).collect()
    };
    let mut thread = store::thread(db, ticket.row.id, before).await?;
    let more = thread.len() > store::MESSAGES;
    thread.truncate(store::MESSAGES);
    let earlier = thread.last().filter(|_| more).map(|message| message.id.to_string());
    let messages = thread.into_iter().rev().map(|message| MessageView {
        attachments: of(Some(message.id)),
        id: message.id.to_string(),
        event: message.kind == "event",
        side: Side::parse(&message.side),
        author: message.author_name,
        body: message.body,
        at: message.at,
    });
    Ok(TicketView {
        messages: messages.collect(),
        earlier,
        attachments: of(None),
        reopens: reopens(&ticket, now, reopen_days),
        on_its_way: ticket.desk_state == "waiting",
        resolved_at: ticket.resolved_at,
        description: ticket.description,
        row: row(ticket.row),
    })
}

/// Whether a reply opens a ticket again that is solved or over.
fn reopens(ticket: &Ticket, now: Timestamp, days: i64) -> bool {
    ticket.resolved_at.is_some_and(|at| at.plus(days * DAY) > now)
}

/// A file of a ticket, for a member who may see the ticket.
///
/// # Errors
/// 404 where there is none, or not for this member.
pub async fn file(
    db: &mut impl Connected,
    membership: &Membership,
    actor: &Actor,
    number: &str,
    id: &str,
) -> Result<store::Attachment, Failure> {
    let ticket = find(db, membership, actor, number).await?;
    let id: AttachmentId = id.parse().map_err(|_| Refusal::NotFound)?;
    Ok(store::attachment(db, ticket.row.id, id).await?.ok_or(Refusal::NotFound)?)
}

/// The files that were kept for a form that was refused, of those that its fields name.
///
/// # Errors
/// The database's.
pub async fn kept(db: &mut impl Connected, actor: &Actor, ids: &[String]) -> Result<Vec<AttachmentView>, Failure> {
    let mut files = Vec::new();
    // More than may go along are there to choose from.
    for id in ids.iter().take(super::MAX_FILES * 4) {
        if let Ok(id) = id.parse()
            && let Some(file) = store::staged(db, id, actor.account).await?
        {
            files.push(AttachmentView { id: file.id.to_string(), name: file.name, size: file.size });
        }
    }
    Ok(files)
}

/// The product families that an organization has bought, to choose from.
///
/// # Errors
/// The database's.
pub async fn products(db: &mut impl Connected, organization: OrganizationId) -> Result<Vec<String>, Failure> {
    let Some(customer) = customers::of_organization(db, organization).await? else { return Ok(Vec::new()) };
    Ok(customers::products(db, customer.id).await?)
}

/// Raises a ticket; gives its number.
///
/// # Errors
/// 422 beside the fields, 429 where there were too many.
pub async fn raise(portal: &Portal, caller: &Caller, form: TicketForm) -> Result<String, Refusal> {
    let new = form.parse()?;
    let organization = caller.organization()?;
    if let Some(number) = portal.earlier(caller, Action::RaiseTicket).await? {
        return Ok(number);
    }
    count(portal, caller).await?;
    portal
        .write(caller, Action::RaiseTicket, (organization, new), |unit, (organization, new)| {
            Box::pin(async move {
                let grant = unit.grant::<RaiseTicket>(*organization).await?;
                let (actor, now) = (unit.caller.actor()?.clone(), unit.now);
                let owner = owner(unit, *organization).await?;
                let (id, number) = (TicketId(unit.new_id()), store::next_number(unit).await?);
                let ticket = New {
                    id,
                    number: &number,
                    owner,
                    requester: &actor,
                    product: &new.product,
                    subject: &new.subject,
                    description: &new.description,
                    priority: new.priority,
                    waits: unit.portal.config.has_desk(),
                };
                store::insert(unit, &grant, &ticket, now).await?;
                attach(unit, &grant, &new.attachments, actor.account, id, None).await?;
                let note = aside(new.attachments.len(), None);
                let told = Told { number: &number, subject: &new.subject, body: &new.description, note: &note };
                told.staff(unit, &grant.membership, None, format!("{} raised a ticket", actor.name())).await?;
                told.person(unit, &actor.email, "We have your ticket".to_owned()).await?;
                unit.to_desk(id).await?;
                unit.audit(about(id, &number, &new.subject, None), json!(null), json!({ "priority": new.priority })).await?;
                Ok(number)
            })
        })
        .await
}

/// Replies to a ticket. One that awaits the customer, or was solved not long ago, is open again by it.
///
/// # Errors
/// 404 where there is no such ticket for the caller, 409 where it is over for too long, 422 beside the fields.
pub async fn reply(portal: &Portal, caller: &Caller, number: String, form: ReplyForm) -> Result<(), Refusal> {
    let new = form.parse()?;
    let organization = caller.organization()?;
    count(portal, caller).await?;
    portal
        .write(caller, Action::ReplyToTicket, (organization, number, new), |unit, (organization, number, new)| {
            Box::pin(async move {
                let (grant, ticket) = take(unit, *organization, number).await?;
                let (actor, now, days) = (unit.caller.actor()?.clone(), unit.now, unit.portal.config.ticket_reopen_days);
                let stage = ticket.row.stage();
                if stage.is_over() && !reopens(&ticket, now, days) {
                    return Err(Conflict::TicketOver.into());
                }
                let id = post(unit, &grant, &ticket, Side::Customer, false, &new.body).await?;
                attach(unit, &grant, &new.attachments, actor.account, ticket.row.id, Some(id)).await?;
                if stage != Stage::Open {
                    to_stage(unit, &grant, &ticket, Stage::Open).await?;
                }
                if stage.is_over() {
                    post(unit, &grant, &ticket, Side::Customer, true, "reopened the ticket").await?;
                    unit.audit_as(
                        Action::ReopenTicket,
                        of(&ticket),
                        json!({ "state": ticket.row.state }),
                        json!({ "state": Stage::Open.title() }),
                    )
                    .await?;
                }
                let note = aside(new.attachments.len(), None);
                let told = Told { number, subject: &ticket.row.subject, body: &new.body, note: &note };
                told.staff(unit, &grant.membership, ticket.assignee_id, format!("{} replied", actor.name())).await?;
                told.customer(unit, &ticket, Some(*organization), Some(actor.account), format!("{} replied", actor.name())).await?;
                unit.audit(of(&ticket), json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Says that a ticket is solved.
///
/// # Errors
/// 404 where there is no such ticket for the caller, 409 where it is over already.
pub async fn resolve(portal: &Portal, caller: &Caller, number: String) -> Result<(), Refusal> {
    let organization = caller.organization()?;
    portal
        .write(caller, Action::ResolveTicket, (organization, number), |unit, (organization, number)| {
            Box::pin(async move {
                let (grant, ticket) = take(unit, *organization, number).await?;
                if ticket.row.stage().is_over() {
                    return Err(Conflict::TicketOver.into());
                }
                post(unit, &grant, &ticket, Side::Customer, true, "marked the ticket as resolved").await?;
                to_stage(unit, &grant, &ticket, Stage::Resolved).await?;
                let name = unit.caller.actor()?.name();
                let told = Told { number, subject: &ticket.row.subject, body: "", note: "" };
                told.staff(unit, &grant.membership, ticket.assignee_id, format!("{name} marked the ticket as resolved")).await?;
                unit.audit(of(&ticket), json!({ "state": ticket.row.state }), json!({ "state": Stage::Resolved.title() })).await?;
                Ok(())
            })
        })
        .await
}

async fn count(portal: &Portal, caller: &Caller) -> Result<(), Refusal> {
    let account = caller.actor()?.account;
    limits::count(portal, "ticket", &account.to_string(), portal.config.ticket_rate).await.map_err(|failure| portal.refuse(failure))
}

/// The right to act on a ticket, and the ticket, of which the lock is taken.
async fn take(unit: &mut Unit, organization: OrganizationId, number: &str) -> Result<(Grant<RaiseTicket>, Ticket), Failure> {
    let grant = unit.grant::<RaiseTicket>(organization).await?;
    let actor = unit.caller.actor()?.clone();
    let ticket = find(unit, &grant.membership, &actor, number).await?;
    store::lock(unit, ticket.row.id).await?;
    let ticket = find(unit, &grant.membership, &actor, number).await?;
    unit.is_about(organization, Object::new("ticket", ticket.row.id, title(&ticket.row.number, &ticket.row.subject)));
    Ok((grant, ticket))
}

/// Writes a message of whoever calls.
///
/// # Errors
/// The database's.
pub async fn post(
    unit: &mut Unit,
    authority: &impl Handling,
    ticket: &Ticket,
    side: Side,
    event: bool,
    body: &str,
) -> Result<MessageId, Failure> {
    let (actor, now, id) = (unit.caller.actor()?.clone(), unit.now, MessageId(unit.new_id()));
    let name = actor.name();
    let message = NewMessage { id, ticket: ticket.row.id, event, side, author: actor.account, author_name: &name, body };
    // What came of a reply stands behind it.
    let at = if event { now.plus(1) } else { now };
    store::post(unit, authority, message, at).await?;
    if unit.portal.config.has_desk() {
        store::set_desk_state(unit, authority, ticket.row.id, "waiting").await?;
        unit.to_desk(ticket.row.id).await?;
    }
    Ok(id)
}

/// Sets the stage in the portal's own words, and leaves the rest.
///
/// # Errors
/// The database's.
pub async fn to_stage(unit: &mut Unit, authority: &impl Handling, ticket: &Ticket, stage: Stage) -> Result<(), Failure> {
    let (now, to) = (unit.now, Change { state: stage.title(), stage, priority: &ticket.row.priority, assignee: ticket.assignee_id });
    Ok(store::change(unit, authority, ticket, to, now).await?)
}

/// Gives files that the caller sent to a ticket or to one of its messages.
///
/// # Errors
/// 422 where one is not there any more, or never was the caller's.
pub async fn attach(
    unit: &mut Unit,
    authority: &impl Handling,
    ids: &[String],
    uploader: AccountId,
    ticket: TicketId,
    message: Option<MessageId>,
) -> Result<(), Failure> {
    for id in ids {
        let given = match id.parse() {
            Ok(id) => store::attach(unit, authority, id, uploader, ticket, message).await?,
            Err(_) => false,
        };
        if !given {
            return Err(FieldErrors::one("attachments", "A file is no longer there. Choose it again").into());
        }
    }
    Ok(())
}

/// What an event is about, with whoever raised the ticket: that one is told on open pages.
fn about(id: TicketId, number: &str, subject: &str, requester: Option<&str>) -> Vec<Object> {
    let requester = requester.filter(|email| !email.is_empty()).map(|email| Object::new("requester", "", email));
    std::iter::once(Object::new("ticket", id, title(number, subject))).chain(requester).collect()
}

/// The same of a ticket that is there.
#[must_use]
pub fn of(ticket: &Ticket) -> Vec<Object> {
    about(ticket.row.id, &ticket.row.number, &ticket.row.subject, Some(&ticket.requester_email))
}

fn title(number: &str, subject: &str) -> String {
    format!("{number} {subject}")
}

/// What mails about a ticket say.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The ticket's number.
    pub number: &'a str,
    /// Its subject.
    pub subject: &'a str,
    /// What was written; may be empty.
    pub body: &'a str,
    /// What else there is to say; may be empty.
    pub note: &'a str,
}

/// What mails say beside what was written: how many files came with it, and, where it ended the ticket, for how many days
/// a reply opens that again.
fn aside(files: usize, days: Option<i64>) -> String {
    let files = match files {
        0 => None,
        1 => Some("A file came with it.".to_owned()),
        n => Some(format!("{n} files came with it.")),
    };
    let days = days.filter(|days| *days > 0).map(|days| match days {
        1 => "A reply within a day opens the ticket again.".to_owned(),
        n => format!("A reply within {n} days opens the ticket again."),
    });
    files.into_iter().chain(days).collect::<Vec<_>>().join(" ")
}

/// The people of the customer's side who are concerned: whoever raised the ticket and whoever wrote in it, as far as they
/// are members of its organization still.
async fn concerned(
    db: &mut impl Connected,
    ticket: &Ticket,
    organization: Option<OrganizationId>,
) -> Result<Vec<accounts::Account>, Failure> {
    let Some(organization) = organization else { return Ok(Vec::new()) };
    let mut people: Vec<AccountId> = store::writers(db, ticket.row.id).await?.into_iter().map(|(account,)| account).collect();
    let requester = match ticket.requester_id {
        Some(account) => Some(account),
        None => match Email::parse(&ticket.requester_email) {
            Ok(email) => accounts::by_email(db, &email).await?.map(|row| row.id),
            Err(_) => None,
        },
    };
    people.extend(requester);
    people.sort_unstable();
    people.dedup();
    let mut members = Vec::with_capacity(people.len());
    for account in people {
        if guard::organization_of(db, account).await? == Some(organization) {
            members.extend(accounts::get(db, account).await?);
        }
    }
    Ok(members)
}

/// Why nobody of the customer's side is told of a reply; nothing where somebody is.
async fn unheard(db: &mut impl Connected, ticket: &Ticket, organization: Option<OrganizationId>) -> Result<Option<&'static str>, Failure> {
    if organization.is_none() {
        return Ok(Some("The customer's organization is not open. Whoever joins it later reads the reply there."));
    }
    let nobody = concerned(db, ticket, organization).await?.is_empty();
    Ok(nobody.then_some(
        "Neither who raised the ticket nor who wrote in it is a member of the organization. Its Admins can read the reply there.",
    ))
}

impl Told<'_> {
    fn message(self, headline: String, organization: Option<String>) -> Message {
        let [number, subject, body, note] = [self.number, self.subject, self.body, self.note].map(ToOwned::to_owned);
        Message::Ticket { number, subject, headline, body, note, organization }
    }

    /// Tells a person of the customer's.
    async fn person(self, unit: &mut Unit, to: &Email, headline: String) -> Result<(), Failure> {
        let mail = Mail { to: to.clone(), message: self.message(headline, None) };
        unit.mail(&mail).await
    }

    /// Tells the operator's support: the operator who has the ticket, else the support address, else, where there is none,
    /// every operator.
    async fn staff(self, unit: &mut Unit, of: &Membership, assignee: Option<AccountId>, headline: String) -> Result<(), Failure> {
        // Who is an operator no more may have it still, and reads nothing of customers.
        let holder = match assignee {
            Some(account) => operator::is_one(unit, account).await?.then_some(account),
            None => None,
        };
        let people: Vec<AccountId> = match (holder, unit.portal.config.support_email.clone()) {
            (Some(account), _) => vec![account],
            (None, Some(support)) => return self.to_staff(unit, support, of, headline).await,
            (None, None) => operator::all(unit).await?.into_iter().map(|row| row.account_id).collect(),
        };
        for account in people {
            if let Some(row) = accounts::get(unit, account).await? {
                self.to_staff(unit, row.email, of, headline.clone()).await?;
            }
        }
        Ok(())
    }

    async fn to_staff(self, unit: &mut Unit, to: Email, of: &Membership, headline: String) -> Result<(), Failure> {
        let mail = Mail { to, message: self.message(headline, Some(of.organization_name.clone())) };
        unit.mail(&mail).await
    }

    /// Tells the people of the customer's side who are concerned, but not whoever did it.
    ///
    /// # Errors
    /// The database's.
    pub async fn customer(
        self,
        unit: &mut Unit,
        ticket: &Ticket,
        organization: Option<OrganizationId>,
        but: Option<AccountId>,
        headline: String,
    ) -> Result<(), Failure> {
        for person in concerned(unit, ticket, organization).await?.into_iter().filter(|person| Some(person.id) != but) {
            self.person(unit, &person.email, headline.clone()).await?;
        }
        Ok(())
    }
}

/// Keeps a file that arrives with a form. It belongs to no ticket before the form is accepted, and is forgotten after a
/// day where it never is.
///
/// # Errors
/// 404 for who is no member and no operator, 422 beside the field where it is too large or breaks off, 429 where there were too many.
pub async fn keep(portal: &Portal, caller: &Caller, file: &mut Incoming) -> Result<Kept, Refusal> {
    keep_one(portal, caller, file).await.map_err(|failure| portal.refuse(failure))
}

async fn keep_one(portal: &Portal, caller: &Caller, file: &mut Incoming) -> Result<Kept, Failure> {
    let actor = caller.actor()?;
    let (account, now) = (actor.account, portal.clock.now());
    // Whoever could not send the form keeps nothing here, either.
    if !actor.operator && guard::membership(&mut portal.read().await?, account, now).await?.is_none() {
        return Err(Refusal::NotFound.into());
    }
    limits::count(portal, "attachment", &account.to_string(), RATE).await?;
    let name = file_name(file.file_name().unwrap_or_default());
    let id = AttachmentId(portal.random.id(now));
    let mut tx = portal.db.begin().await?;
    store::stage_attachment(&mut tx, id, account, &name, now).await?;
    tx.commit().await?;
    let outcome = write_chunks(portal, id, &name, file).await;
    if outcome.is_err() {
        let mut tx = portal.db.begin().await?;
        store::drop_staged(&mut tx, id).await?;
        tx.commit().await?;
    }
    Ok(Kept { id: id.to_string(), fingerprint: outcome? })
}

/// Writes a file's chunks, each in a transaction of its own: whoever sends slowly keeps nobody from writing.
async fn write_chunks(portal: &Portal, id: AttachmentId, name: &str, file: &mut Incoming) -> Result<String, Failure> {
    let wrong = |why: String| Failure::Refusal(FieldErrors::one("attachments", why).into());
    let (mut buffer, mut size, mut position, mut hash) = (Vec::new(), 0_u64, 0, Sha256::new());
    hash.update(name.as_bytes());
    loop {
        let chunk = file.chunk().await.map_err(|_| wrong(format!("{name} broke off on its way. Send it again")))?;
        let last = chunk.is_none();
        if let Some(chunk) = chunk {
            size += chunk.len() as u64;
            if size > MAX_FILE {
                return Err(wrong(format!("{name} is larger than {} MB", MAX_FILE / 1024 / 1024)));
            }
            hash.update(&chunk);
            buffer.extend_from_slice(&chunk);
        }
        while buffer.len() >= CHUNK || (last && !buffer.is_empty()) {
            let rest = buffer.split_off(buffer.len().min(CHUNK));
            let mut tx = portal.db.begin().await?;
            store::add_chunk(&mut tx, id, position, &buffer).await?;
            tx.commit().await?;
            position += 1;
            buffer = rest;
        }
        if last {
            return Ok(crate::secrets::fingerprint(hash.finalize()));
        }
    }
}

/// A row of the staff's list: the ticket, and whose it is by name.
pub type DeskRow = (TicketRow, String);

/// What the list of everybody's tickets shows.
#[derive(Clone, Debug)]
pub struct Desk {
    /// A page of it.
    pub page: Listed<DeskRow>,
    /// Whose tickets alone it shows, by name; nothing where it shows everybody's.
    pub of: Option<String>,
    /// Customers and organizations of which the name holds what is searched, as values of the filter by owner.
    pub named: Vec<(String, String)>,
}

/// How many customers, and how many organizations, are named beside what a search finds.
const NAMED: usize = 5;

/// A page of everybody's tickets, for the operator's support.
///
/// # Errors
/// The database's.
pub async fn desk(db: &mut impl Connected, actor: &Actor, query: &ListQuery, now: Timestamp) -> Result<Desk, Failure> {
    let mut query = query.clone();
    for (name, value) in &mut query.filters {
        if name == "assignee" && value == "me" {
            *value = actor.account.to_string();
        }
    }
    let listed = DESK.page::<store::Row>(db, None, &query, now, None).await?;
    let mut names = Vec::with_capacity(listed.rows.len());
    for row in &listed.rows {
        names.push(owner_named(db, row.owner()).await?.1);
    }
    let mut names = names.into_iter();
    let page = listed.map(|found| (row(found), names.next().unwrap_or_default()));
    let (of, named) = match query.filter(store::OWNER).and_then(|id| id.parse().ok()) {
        Some(id) => (Some(name_of_owner(db, id).await?), Vec::new()),
        None => (None, owners_named(db, &query.q, now).await?),
    };
    Ok(Desk { page, of, named })
}

/// The name of a customer, or of an organization without one, by the id; "Nobody" where there is neither.
async fn name_of_owner(db: &mut impl Connected, id: Uuid) -> Result<String, Failure> {
    if let Some(customer) = customers::get(db, CustomerId(id)).await? {
        return Ok(customer.name);
    }
    let organization = organizations::get(db, OrganizationId(id)).await?;
    Ok(organization.map_or_else(|| "Nobody".to_owned(), |organization| organization.name))
}

/// The first customers and organizations that a search finds by their own names.
async fn owners_named(db: &mut impl Connected, q: &str, now: Timestamp) -> Result<Vec<(String, String)>, Failure> {
    if q.is_empty() {
        return Ok(Vec::new());
    }
    let query = ListQuery { q: q.to_owned(), ..ListQuery::default() };
    let found = customers::LIST.page::<customers::Listed>(db, None, &query, now, None).await?;
    let mut named: Vec<(String, String)> =
        found.rows.into_iter().take(NAMED).map(|customer| (customer.id.to_string(), customer.name)).collect();
    let found = organizations::LIST.page::<organizations::Listed>(db, None, &query, now, None).await?;
    for organization in found.rows.into_iter().take(NAMED) {
        let id = owner(db, organization.id).await?.id().to_string();
        if !named.iter().any(|(known, _)| *known == id) {
            named.push((id, organization.name));
        }
    }
    Ok(named)
}

/// How many tickets a customer, or an organization without one, has, and how many of these are open.
///
/// # Errors
/// The database's.
pub async fn counted(db: &mut impl Connected, owner: Owner) -> Result<[(ListQuery, Count); 2], Failure> {
    let all = ListQuery::default().filtered(store::OWNER, &owner.id().to_string());
    let open = all.filtered("state", Stage::Open.name());
    let summary = sum(&store::counts(db, owner).await?);
    let of_open = summary.stages.iter().find(|(stage, _)| *stage == Stage::Open).map_or(0, |(_, n)| *n);
    Ok([(all, Count::Exactly(summary.total)), (open, Count::Exactly(of_open))])
}

/// How many tickets are open, and how many of these nobody has.
///
/// # Errors
/// The database's.
pub async fn waiting(db: &mut impl Connected, now: Timestamp) -> Result<[(ListQuery, Count); 2], Failure> {
    let open = ListQuery::default().filtered("state", Stage::Open.name());
    let idle = open.filtered("assignee", store::NOBODY);
    let counts = [DESK.count_of(db, &open, now).await?, DESK.count_of(db, &idle, now).await?];
    Ok([(open, counts[0]), (idle, counts[1])])
}

/// The organization that a ticket's owner has, if it has one, and its name.
async fn owner_named(db: &mut impl Connected, owner: Owner) -> Result<(Option<OrganizationId>, String), Failure> {
    Ok(match owner {
        Owner::Customer(id) => customers::get(db, id).await?.map(|customer| (customer.organization_id, customer.name)),
        Owner::Organization(id) => organizations::get(db, id).await?.map(|organization| (Some(id), organization.name)),
    }
    .unwrap_or_default())
}

/// A ticket as the staff see it.
#[derive(Clone, Debug)]
pub struct DeskTicket {
    /// What both sides see.
    pub ticket: TicketView,
    /// What the staff tell each other, the oldest first.
    pub notes: Vec<NoteView>,
    /// Whose it is, by name.
    pub owner: String,
    /// The owner's page in the console.
    pub page: String,
    /// Who of the staff has it: account and name.
    pub assignee: Option<(AccountId, String)>,
    /// Why nobody is told of a reply; nothing where somebody is.
    pub unheard: Option<&'static str>,
}

/// A ticket with its thread and its notes, for the operator's support.
///
/// # Errors
/// 404 where there is none.
pub async fn desk_ticket(
    db: &mut impl Connected,
    number: &str,
    before: Option<MessageId>,
    (now, reopen_days): (Timestamp, i64),
) -> Result<DeskTicket, Failure> {
    let ticket = known(db, number).await?;
    let (organization, owner) = owner_named(db, ticket.row.owner()).await?;
    let notes = store::notes(db, ticket.row.id).await?.into_iter().rev();
    let notes: Vec<NoteView> =
        notes.map(|note| NoteView { id: note.id.to_string(), author: note.author_name, body: note.body, at: note.at }).collect();
    let assignee = match ticket.assignee_id {
        Some(account) => accounts::get(db, account).await?.map(|row| (account, full_name(&row.first_name, &row.last_name))),
        None => None,
    };
    let page = match organization {
        Some(organization) => format!("/operator/organizations/{organization}"),
        None => format!("/operator/customers/{}", ticket.row.owner().id()),
    };
    let unheard = unheard(db, &ticket, organization).await?;
    let to = match before {
        Some(before) => store::at(db, ticket.row.id, before).await?.map(|(at,)| at),
        None => None,
    };
    let ticket = view(db, ticket, before, (now, reopen_days)).await?;
    // A page of the thread has the notes that were written while it was said.
    let from = ticket.messages.first().filter(|_| ticket.earlier.is_some()).map(|message| message.at);
    let notes = notes.into_iter().filter(|note| from.is_none_or(|from| note.at >= from) && to.is_none_or(|to| note.at < to)).collect();
    Ok(DeskTicket { ticket, notes, owner, page, assignee, unheard })
}

/// A file of a ticket, for the operator's support.
///
/// # Errors
/// 404 where there is none.
pub async fn desk_file(db: &mut impl Connected, number: &str, id: &str) -> Result<store::Attachment, Failure> {
    let ticket = known(db, number).await?;
    let id: AttachmentId = id.parse().map_err(|_| Refusal::NotFound)?;
    Ok(store::attachment(db, ticket.row.id, id).await?.ok_or(Refusal::NotFound)?)
}

/// The staff's right to act on a ticket, and the ticket, of which the lock is taken, with its organization.
async fn take_as_staff(unit: &mut Unit, number: &str) -> Result<(Staff, Ticket, Option<OrganizationId>), Failure> {
    let staff = unit.staff().await?;
    let id = known(unit, number).await?.row.id;
    store::lock(unit, id).await?;
    let ticket = known(unit, number).await?;
    let (organization, _) = owner_named(unit, ticket.row.owner()).await?;
    Ok((staff, ticket, organization))
}

/// Answers a ticket, and brings it to another stage where one is named.
///
/// # Errors
/// 404 for no such ticket, 422 beside the fields.
pub async fn answer(portal: &Portal, caller: &Caller, number: String, form: AnswerForm) -> Result<(), Refusal> {
    let AnswerForm { body, stage, attachments } = form;
    let to = Stage::parse(&stage);
    if to.is_none() && !stage.is_empty() {
        return Err(FieldErrors::one("stage", "Choose one of the states").into());
    }
    let new = ReplyForm { body, attachments }.parse()?;
    portal
        .write(caller, Action::AnswerTicket, (number, new, to), |unit, (number, new, to)| {
            Box::pin(async move {
                let (staff, ticket, organization) = take_as_staff(unit, number).await?;
                if let Some(organization) = organization {
                    unit.acts_in(organization);
                }
                let actor = unit.caller.actor()?.clone();
                let id = post(unit, &staff, &ticket, Side::Staff, false, &new.body).await?;
                attach(unit, &staff, &new.attachments, actor.account, ticket.row.id, Some(id)).await?;
                if let Some(to) = to.filter(|to| *to != ticket.row.stage()) {
                    to_stage(unit, &staff, &ticket, to).await?;
                    post(unit, &staff, &ticket, Side::Staff, true, &became(to)).await?;
                }
                let over = to.is_some_and(Stage::is_over).then_some(unit.portal.config.ticket_reopen_days);
                let note = aside(new.attachments.len(), over);
                let told = Told { number, subject: &ticket.row.subject, body: &new.body, note: &note };
                told.customer(unit, &ticket, organization, Some(actor.account), format!("{} replied", actor.name())).await?;
                unit.audit(of(&ticket), json!({ "state": ticket.row.state }), json!({ "state": to.map(Stage::title) })).await?;
                Ok(())
            })
        })
        .await
}

/// What an event says of a ticket that came to a stage.
fn became(stage: Stage) -> String {
    format!("changed the state to {}", stage.title())
}

/// Changes a ticket's state, priority and assignee, each where it is another than the page showed. The customer's people
/// are told by mail where it is solved.
///
/// # Errors
/// 404 for no such ticket, 422 beside the fields.
pub async fn change(portal: &Portal, caller: &Caller, number: String, form: ChangeForm) -> Result<(), Refusal> {
    portal
        .write(caller, Action::ChangeTicket, (number, form), |unit, (number, form)| {
            Box::pin(async move {
                let (staff, ticket, organization) = take_as_staff(unit, number).await?;
                if let Some(organization) = organization {
                    unit.acts_in(organization);
                }
                let form = form.clone().over(ChangeForm {
                    stage: ticket.row.stage().name().to_owned(),
                    priority: ticket.row.priority.clone(),
                    assignee: ticket.assignee_id.map(|account| account.to_string()).unwrap_or_default(),
                    ..ChangeForm::default()
                });
                let mut errors = FieldErrors::default();
                let stage = errors.take("stage", Stage::parse(&form.stage).ok_or("Choose one of the states"));
                let known = PRIORITIES.contains(&form.priority.as_str()) || form.priority == ticket.row.priority;
                let priority = errors.take("priority", known.then_some(form.priority.as_str()).ok_or("Choose one of the priorities"));
                let assignee = match form.assignee.as_str() {
                    "" => Ok(None),
                    id => id.parse().map(Some).map_err(|_| "Choose an operator"),
                };
                let assignee = match assignee {
                    Ok(Some(account)) if Some(account) != ticket.assignee_id && !operator::is_one(unit, account).await? => {
                        Err("Choose an operator")
                    }
                    other => other,
                };
                let (Some(stage), Some(priority), Some(assignee)) = (stage, priority, errors.take("assignee", assignee)) else {
                    return Err(errors.into());
                };
                let (now, before) = (unit.now, &ticket.row);
                // What a desk called the state stays, where the stage does.
                let state = if stage == before.stage() { before.state.as_str() } else { stage.title() };
                store::change(unit, &staff, &ticket, Change { state, stage, priority, assignee }, now).await?;
                if stage != before.stage() {
                    post(unit, &staff, &ticket, Side::Staff, true, &became(stage)).await?;
                    if stage.is_over() {
                        let note = aside(0, Some(unit.portal.config.ticket_reopen_days));
                        let told = Told { number, subject: &before.subject, body: "", note: &note };
                        let headline = format!("The ticket is {} now", stage.title().to_lowercase());
                        told.customer(unit, &ticket, organization, None, headline).await?;
                    }
                }
                if priority != before.priority {
                    post(unit, &staff, &ticket, Side::Staff, true, &format!("changed the priority to {priority}")).await?;
                }
                let state = |state: &str, priority: &str, assignee: Option<AccountId>| json!({ "state": state, "priority": priority, "assignee": assignee });
                let after = if stage == before.stage() { "" } else { stage.title() };
                let was = state(&before.state, &before.priority, ticket.assignee_id);
                unit.audit(of(&ticket), was, state(after, priority, assignee)).await?;
                Ok(())
            })
        })
        .await
}

/// Writes a note that no customer sees.
///
/// # Errors
/// 404 for no such ticket, 422 beside the field.
pub async fn note(portal: &Portal, caller: &Caller, number: String, form: ReplyForm) -> Result<(), Refusal> {
    let new = ReplyForm { body: form.body, attachments: Vec::new() }.parse()?;
    portal
        .write(caller, Action::NoteTicket, (number, new), |unit, (number, new)| {
            Box::pin(async move {
                let (staff, ticket, _) = take_as_staff(unit, number).await?;
                let (actor, id, now) = (unit.caller.actor()?.clone(), MessageId(unit.new_id()), unit.now);
                store::note(unit, &staff, (id, ticket.row.id), (actor.account, &actor.name()), &new.body, now).await?;
                // In no organization, and about nobody: its Admins do not read that there was a note.
                let object = Object::new("ticket", ticket.row.id, title(&ticket.row.number, &ticket.row.subject));
                unit.audit(vec![object], json!(null), json!(null)).await?;
                Ok(())
            })
        })
        .await
}
