//! All SQL of tickets.

use std::sync::LazyLock;

use uuid::Uuid;

use super::{Side, Stage};
use crate::{
    db::Connected,
    guard::{Authority, Handling, Importing},
    list::{
        ListQuery,
        sql::{Bound, Column, Filter, Indexed, Key, Keyed, ListSpec, ListSql, WHOLE},
    },
    permissions::{ManageMembers, Permit},
    sql,
    words::{AccountId, AttachmentId, CustomerId, MessageId, OrganizationId, TicketId, Timestamp, fold},
};

/// Whose tickets: a customer's, or those of an organization that has no customer record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A customer.
    Customer(CustomerId),
    /// An organization without one.
    Organization(OrganizationId),
}

impl Owner {
    /// What lists are kept apart by.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::Customer(id) => id.0,
            Self::Organization(id) => id.0,
        }
    }

    const fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Customer(id) => Some(id),
            Self::Organization(_) => None,
        }
    }

    const fn organization(self) -> Option<OrganizationId> {
        match self {
            Self::Customer(_) => None,
            Self::Organization(id) => Some(id),
        }
    }
}

/// A ticket's row as the list has it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// The ticket.
    pub id: TicketId,
    /// What people call it.
    pub number: String,
    /// In one line.
    pub subject: String,
    /// The same, folded.
    pub subject_key: String,
    /// What it is about; may be empty.
    pub product: String,
    /// In the desk's words.
    pub priority: String,
    /// 1, the most urgent, to 4; 5 where that cannot be told.
    pub priority_rank: i64,
    /// In the desk's words.
    pub state: String,
    /// What that comes to.
    pub stage: String,
    /// May be empty.
    pub department: String,
    /// May be empty.
    pub requester_name: String,
    /// May be empty.
    pub category: String,
    /// May be empty.
    pub url: String,
    /// When it was raised.
    pub created_at: Timestamp,
    /// When something was last said or done.
    pub updated_at: Timestamp,
    /// Its customer, if it is one's.
    pub customer_id: Option<CustomerId>,
    /// Its organization, where that has no customer.
    pub organization_id: Option<OrganizationId>,
}

impl Row {
    /// Whose it is. The database lets none be without.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match (self.customer_id, self.organization_id) {
            (Some(customer), _) => Owner::Customer(customer),
            (None, organization) => Owner::Organization(organization.unwrap_or(OrganizationId(Uuid::nil()))),
        }
    }

    /// The stage. The database knows no other names.
    #[must_use]
    pub fn stage(&self) -> Stage {
        Stage::parse(&self.stage).unwrap_or(Stage::Open)
    }
}

impl Keyed for Row {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "updated" => Key::Number(self.updated_at.0),
            "priority" => Key::Number(self.priority_rank),
            "subject" => Key::Text(self.subject_key.clone()),
            _ => Key::Number(self.created_at.0),
        }
    }
}

/// A ticket as it is: what the list has, and the rest.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Ticket {
    /// What the list has.
    #[sqlx(flatten)]
    pub row: Row,
    /// Who raised it, where that is an account here.
    pub requester_id: Option<AccountId>,
    /// That one's address; may be empty.
    pub requester_email: String,
    /// The same, as it is compared.
    pub requester_key: String,
    /// Markdown.
    pub description: String,
    /// `none`, `waiting` or `there`.
    pub desk_state: String,
    /// Who of the staff has it.
    pub assignee_id: Option<AccountId>,
    /// Since when it is solved or over.
    pub resolved_at: Option<Timestamp>,
}

/// The name of the filter by who raised it, which pages fill in and no address does.
pub const REQUESTER: &str = "requester";

const SELECT: &str = "id, number, subject, subject_key, product, priority, priority_rank, state, stage, department, requester_name, category, url, created_at, updated_at, customer_id, organization_id";
const COLUMNS: &[Column] = &[
    Column { name: "created", key: "created_at", number: true, newest_first: true },
    Column { name: "updated", key: "updated_at", number: true, newest_first: true },
    Column { name: "priority", key: "priority_rank", number: true, newest_first: false },
    Column { name: "subject", key: "subject_key", number: false, newest_first: false },
];
/// What is new comes first for the staff.
const DESK_COLUMNS: &[Column] = &[COLUMNS[1], COLUMNS[0], COLUMNS[2]];
const SEARCHED: &[&str] = &["search_key", "requester_name_key"];
const INDEXED: Indexed = Indexed { view: "tickets_search", keys: "search_keys", within: "" };
/// The trigram that stands with an owner's tickets alone; whoever has none is found nothing.
const WITHIN: &str = "coalesce((SELECT '\"' || token || '\"' FROM ticket_search_owners WHERE owner_id = $1), '\"none\"')";
const BY_STATE: Filter = Filter {
    name: "state",
    conditions: &["stage = $"],
    read: |value, _| Stage::parse(value).map(|stage| (0, Bound::Text(stage.name().to_owned()))),
};
const BY_PRIORITY: Filter =
    Filter { name: "priority", conditions: &["priority_rank = $"], read: |value, _| rank(value).map(|rank| (0, Bound::Number(rank))) };

/// The tickets of an owner.
pub static LIST: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: SELECT,
        from: "tickets",
        scope: "owner_id = $1",
        id: "id",
        columns: COLUMNS,
        searched: SEARCHED,
        indexed: Some(Indexed { within: WITHIN, ..INDEXED }),
        filters: &[
            BY_STATE,
            BY_PRIORITY,
            Filter { name: "department", conditions: &["department = $"], read: |value, _| Some((0, Bound::Text(value.to_owned()))) },
            Filter { name: REQUESTER, conditions: &["requester_key = $"], read: |value, _| Some((0, Bound::Text(value.to_owned()))) },
        ],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| LIST.texts(dialect), module: module_path!() } }

/// The name of the filter by whose tickets they are: the id of a customer, or of an organization without one.
pub const OWNER: &str = "owner";
/// The value of the filter by assignee for tickets that nobody has.
pub const NOBODY: &str = "nobody";

/// Everybody's tickets, for the operator's support.
pub static DESK: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: SELECT,
        from: "tickets",
        scope: WHOLE,
        id: "id",
        columns: DESK_COLUMNS,
        searched: SEARCHED,
        indexed: Some(INDEXED),
        filters: &[
            BY_STATE,
            BY_PRIORITY,
            Filter {
                name: "assignee",
                // No ticket has an empty stage.
                conditions: &["assignee_id = $", "assignee_id IS NULL AND stage <> $"],
                read: |value, _| match value {
                    NOBODY => Some((1, Bound::Text(String::new()))),
                    id => id.parse().ok().map(|account: AccountId| (0, Bound::Id(account.0))),
                },
            },
            Filter { name: OWNER, conditions: &["owner_id = $"], read: |value, _| value.parse().ok().map(|id| (0, Bound::Id(id))) },
        ],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| DESK.texts(dialect), module: module_path!() } }

/// A ticket by its number.
///
/// # Errors
/// The database's.
pub async fn by_number(db: &mut impl Connected, number: &str) -> Result<Option<Ticket>, sqlx::Error> {
    sql!(optional as Ticket, db, "SELECT id, number, subject, subject_key, product, priority, priority_rank, state, stage, department, requester_name, created_at, updated_at,
        customer_id, organization_id, requester_id, requester_email, requester_key, description, category, url, desk_state, assignee_id, resolved_at
        FROM tickets WHERE number = $1", number)
}

/// A ticket by the number that the portal gave it, before the desk gave it another.
///
/// # Errors
/// The database's.
pub async fn number_of_former(db: &mut impl Connected, former: &str) -> Result<Option<(String,)>, sqlx::Error> {
    sql!(optional as (String,), db, "SELECT number FROM tickets WHERE former_number = $1", former)
}

/// How a ticket stands to the desk elsewhere.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AtDesk {
    /// The ticket.
    pub id: TicketId,
    /// Its number.
    pub number: String,
    /// Its identifier there; none before it is there.
    pub external_id: Option<String>,
    /// When it was raised.
    pub created_at: Timestamp,
}

/// How a ticket stands to the desk.
///
/// # Errors
/// The database's.
pub async fn at_desk(db: &mut impl Connected, id: TicketId) -> Result<Option<AtDesk>, sqlx::Error> {
    sql!(optional as AtDesk, db, "SELECT id, number, external_id, created_at FROM tickets WHERE id = $1", id)
}

/// The ticket that a case of the desk is.
///
/// # Errors
/// The database's.
pub async fn by_external(db: &mut impl Connected, external_id: &str) -> Result<Option<AtDesk>, sqlx::Error> {
    sql!(optional as AtDesk, db, "SELECT id, number, external_id, created_at FROM tickets WHERE external_id = $1", external_id)
}

/// Notes that a ticket of the portal's is at the desk, under the desk's number. Links with the portal's still lead to it.
///
/// # Errors
/// The database's; a unique violation where another ticket has the number.
pub async fn arrive(
    db: &mut impl Connected,
    _: &impl Handling,
    id: TicketId,
    external_id: &str,
    number: &str,
    url: &str,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE tickets SET external_id = $2, former_number = number, number = $3, search_key = $4 || search_key, url = $5 WHERE id = $1 AND external_id IS NULL",
        id, external_id, number, format!("{}\n", fold(number)), url)?;
    Ok(())
}

/// Notes that something of a ticket is on its way to the desk, or that everything is there.
///
/// # Errors
/// The database's.
pub async fn set_desk_state(db: &mut impl Connected, _: &impl Handling, id: TicketId, state: &str) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE tickets SET desk_state = $2 WHERE id = $1 AND desk_state <> $2", id, state)?;
    Ok(())
}

/// What was written here and is not at the desk, the oldest first, so many as are brought at once.
///
/// # Errors
/// The database's.
pub async fn unsent(db: &mut impl Connected, ticket: TicketId) -> Result<Vec<Message>, sqlx::Error> {
    sql!(
        all as Message,
        db,
        "SELECT id, kind, side, author_name, body, at FROM ticket_messages WHERE ticket_id = $1 AND external_id IS NULL AND author_id IS NOT NULL ORDER BY at, id LIMIT 20",
        ticket
    )
}

/// Notes under what a message of the portal's is at the desk.
///
/// # Errors
/// The database's.
pub async fn sent(
    db: &mut impl Connected,
    _: &impl Handling,
    ticket: TicketId,
    message: MessageId,
    external_id: &str,
) -> Result<u64, sqlx::Error> {
    sql!(execute db, "UPDATE ticket_messages SET external_id = $3 WHERE ticket_id = $1 AND id = $2 AND external_id IS NULL", ticket, message, external_id)
}

/// Posts a message of the desk's; whether it is new.
///
/// # Errors
/// The database's.
pub async fn post_of_desk(
    db: &mut impl Connected,
    _: &impl Handling,
    (id, ticket): (MessageId, TicketId),
    (side, author_name): (Side, &str),
    body: &str,
    at: Timestamp,
    external_id: &str,
) -> Result<bool, sqlx::Error> {
    let new = sql!(execute db, "INSERT INTO ticket_messages (id, ticket_id, kind, side, author_name, body, at, external_id) VALUES ($1, $2, 'reply', $3, $4, $5, $6, $7) ON CONFLICT (ticket_id, external_id) DO NOTHING",
        id, ticket, side.name(), author_name, body, at, external_id)?;
    if new == 1 {
        sql!(execute db, "UPDATE tickets SET messages = messages + 1, updated_at = CASE WHEN updated_at < $2 THEN $2 ELSE updated_at END WHERE id = $1", ticket, at)?;
    }
    Ok(new == 1)
}

/// A case of the desk as a ticket.
#[derive(Clone, Debug, Default)]
pub struct OfDesk {
    /// Its identifier there.
    pub external_id: String,
    /// Its number there.
    pub number: String,
    /// Who asks, by name; may be empty.
    pub requester_name: String,
    /// By address; may be empty.
    pub requester_email: String,
    /// What it is about.
    pub product: String,
    /// In one line.
    pub subject: String,
    /// Markdown.
    pub description: String,
    /// In the desk's words.
    pub priority: String,
    /// In the desk's words.
    pub state: String,
    /// May be empty.
    pub department: String,
    /// May be empty.
    pub category: String,
    /// Where it stands there; may be empty.
    pub url: String,
}

/// Writes a case of the desk as a ticket of a customer's, and counts it.
///
/// # Errors
/// The database's.
pub async fn insert_of_desk(
    db: &mut impl Connected,
    _: &impl Handling,
    id: TicketId,
    customer: CustomerId,
    new: &OfDesk,
    created_at: Timestamp,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (rank, stage) = (super::rank(&new.priority), Stage::of_state(&new.state));
    sql!(execute db, "INSERT INTO tickets (id, number, customer_id, owner_id, requester_name, requester_name_key, requester_email, requester_key,
        product, subject, subject_key, search_key, description, priority, priority_rank, state, stage, department, category, url, source, external_id, desk_state, messages, created_at, updated_at, resolved_at, imported_at)
        VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 'desk', $20, 'there', 0, $21, $22, $23, $22)",
        id, new.number.as_str(), customer, new.requester_name.as_str(), fold(&new.requester_name), new.requester_email.as_str(), new.requester_email.to_lowercase(),
        new.product.as_str(), new.subject.as_str(), fold(&new.subject), search_key(&new.number, &new.subject, &new.product), new.description.as_str(), new.priority.as_str(), rank,
        new.state.as_str(), stage.name(), new.department.as_str(), new.category.as_str(), new.url.as_str(), new.external_id.as_str(), created_at, now, stage.is_over().then_some(now))?;
    count(db, customer.0, stage.name(), &new.department, rank, 1).await
}

/// Whether a ticket is otherwise than the desk says of its case; with `state`, its state counts too.
#[must_use]
pub fn differs(ticket: &Ticket, new: &OfDesk, state: bool) -> bool {
    let row = &ticket.row;
    let said = [&new.priority, &new.department, &new.subject, &new.category, &new.url, &new.product];
    let is = [&row.priority, &row.department, &row.subject, &row.category, &row.url, &row.product];
    said != is || (state && new.state != row.state)
}

/// Changes a ticket to what the desk says of its case, in a unit that holds the ticket's lock, and keeps the counts; with
/// `state`, its state too.
///
/// # Errors
/// The database's.
pub async fn change_of_desk(
    db: &mut impl Connected,
    _: &impl Handling,
    ticket: &Ticket,
    new: &OfDesk,
    state: bool,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let row = &ticket.row;
    let rank = super::rank(&new.priority);
    let (state, stage) = if state { (new.state.as_str(), Stage::of_state(&new.state)) } else { (row.state.as_str(), row.stage()) };
    let resolved_at = stage.is_over().then(|| ticket.resolved_at.unwrap_or(now));
    sql!(execute db, "UPDATE tickets SET state = $2, stage = $3, priority = $4, priority_rank = $5, department = $6, category = $7, subject = $8, subject_key = $9, search_key = $10, url = $11, resolved_at = $12, updated_at = $13, product = $14 WHERE id = $1",
        row.id, state, stage.name(), new.priority.as_str(), rank, new.department.as_str(), new.category.as_str(), new.subject.as_str(), fold(&new.subject),
        search_key(&row.number, &new.subject, &new.product), new.url.as_str(), resolved_at, now, new.product.as_str())?;
    let owner = row.owner().id();
    count(db, owner, row.stage.as_str(), row.department.as_str(), row.priority_rank, -1).await?;
    count(db, owner, stage.name(), &new.department, rank, 1).await
}

/// Takes a ticket's lock.
///
/// # Errors
/// The database's.
pub async fn lock(db: &mut impl Connected, id: TicketId) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE tickets SET revision = revision + 1 WHERE id = $1", id)?;
    Ok(())
}

/// The next of the portal's own numbers, which no other ticket has.
///
/// # Errors
/// The database's.
pub async fn next_number(db: &mut impl Connected) -> Result<String, sqlx::Error> {
    loop {
        let (next,): (i64,) =
            sql!(one as (i64,), db, "UPDATE ticket_numbers SET next = next + 1 WHERE series = 'T' RETURNING next - 1 AS number")?;
        let number = format!("T{next}");
        // An import may have brought one that reads the same.
        let taken: Option<(TicketId,)> = sql!(optional as (TicketId,), db, "SELECT id FROM tickets WHERE number = $1", number.as_str())?;
        if taken.is_none() {
            return Ok(number);
        }
    }
}

/// A ticket as it is raised.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Its id.
    pub id: TicketId,
    /// What people call it.
    pub number: &'a str,
    /// Whose.
    pub owner: Owner,
    /// By whom.
    pub requester: &'a crate::actor::Actor,
    /// What it is about.
    pub product: &'a str,
    /// In one line.
    pub subject: &'a str,
    /// Markdown.
    pub description: &'a str,
    /// In the desk's words.
    pub priority: &'a str,
    /// Whether it is on its way to a desk elsewhere.
    pub waits: bool,
}

/// Writes a ticket that is raised here, and counts it.
///
/// # Errors
/// The database's.
pub async fn insert(db: &mut impl Connected, _: &impl Handling, new: &New<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
    let (name, rank) = (new.requester.name(), super::rank(new.priority));
    let (email, stage) = (&new.requester.email, Stage::Open);
    sql!(execute db, "INSERT INTO tickets (id, number, customer_id, organization_id, owner_id, requester_id, requester_name, requester_name_key, requester_email, requester_key,
        product, subject, subject_key, search_key, description, priority, priority_rank, state, stage, department, category, url, source, desk_state, messages, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, '', '', '', 'portal', $21, 0, $20, $20)",
        new.id, new.number, new.owner.customer(), new.owner.organization(), new.owner.id(), new.requester.account, name.as_str(), fold(&name), email.as_str(), email.key(),
        new.product, new.subject, fold(new.subject), search_key(new.number, new.subject, new.product), new.description, new.priority, rank, stage.title(), stage.name(), now, if new.waits { "waiting" } else { "none" })?;
    count(db, new.owner.id(), stage.name(), "", rank, 1).await
}

/// What is searched of a ticket beside its requester's name.
#[must_use]
pub fn search_key(number: &str, subject: &str, product: &str) -> String {
    fold(&format!("{number}\n{subject}\n{product}"))
}

/// Counts tickets of one kind more, or fewer.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut impl Connected, owner: Uuid, stage: &str, department: &str, rank: i64, more: i64) -> Result<(), sqlx::Error> {
    if more < 0 {
        sql!(execute db, "UPDATE ticket_counts SET tickets = tickets + $5 WHERE owner_id = $1 AND stage = $2 AND department = $3 AND priority_rank = $4", owner, stage, department, rank, more)?;
        return Ok(());
    }
    sql!(execute db, "INSERT INTO ticket_counts (owner_id, stage, department, priority_rank, tickets) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (owner_id, stage, department, priority_rank) DO UPDATE SET tickets = ticket_counts.tickets + excluded.tickets", owner, stage, department, rank, more)?;
    Ok(())
}

/// How many tickets of one kind there are.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Counted {
    /// The stage.
    pub stage: String,
    /// The department; may be empty.
    pub department: String,
    /// The rank.
    pub priority_rank: i64,
    /// How many.
    pub tickets: i64,
}

impl Counted {
    /// Whether its tickets meet the filters of a query by state, priority and department, read as the list reads them.
    #[must_use]
    pub fn meets(&self, query: &ListQuery) -> bool {
        query.filter("state").and_then(Stage::parse).is_none_or(|stage| stage.name() == self.stage)
            && query.filter("priority").and_then(rank).is_none_or(|rank| rank == self.priority_rank)
            && query.filter("department").is_none_or(|department| department == self.department)
    }
}

/// A rank as an address names it.
fn rank(value: &str) -> Option<i64> {
    value.parse().ok().filter(|rank| (1..=5).contains(rank))
}

/// How many tickets an owner has, by kind.
///
/// # Errors
/// The database's.
pub async fn counts(db: &mut impl Connected, owner: Owner) -> Result<Vec<Counted>, sqlx::Error> {
    sql!(
        all as Counted,
        db,
        "SELECT stage, department, priority_rank, tickets FROM ticket_counts WHERE owner_id = $1 AND tickets > 0",
        owner.id()
    )
}

/// The same of those that one person raised.
///
/// # Errors
/// The database's.
pub async fn counts_of(db: &mut impl Connected, owner: Owner, requester_key: &str) -> Result<Vec<Counted>, sqlx::Error> {
    sql!(
        all as Counted,
        db,
        "SELECT stage, department, priority_rank, count(*) AS tickets FROM tickets WHERE owner_id = $1 AND requester_key = $2 GROUP BY stage, department, priority_rank",
        owner.id(),
        requester_key
    )
}

/// What a change sets a ticket to.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The state, in the desk's words.
    pub state: &'a str,
    /// What that comes to.
    pub stage: Stage,
    /// The priority, in the desk's words.
    pub priority: &'a str,
    /// Who of the staff has it.
    pub assignee: Option<AccountId>,
}

/// Changes a ticket's state, priority and assignee, in a unit that holds its lock, and keeps the counts.
///
/// # Errors
/// The database's.
pub async fn change(
    db: &mut impl Connected,
    _: &impl Handling,
    ticket: &Ticket,
    to: Change<'_>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (row, owner, rank) = (&ticket.row, ticket.row.owner().id(), super::rank(to.priority));
    let resolved_at = to.stage.is_over().then(|| ticket.resolved_at.unwrap_or(now));
    sql!(execute db, "UPDATE tickets SET state = $2, stage = $3, priority = $4, priority_rank = $5, assignee_id = $6, resolved_at = $7, updated_at = $8 WHERE id = $1",
        row.id, to.state, to.stage.name(), to.priority, rank, to.assignee, resolved_at, now)?;
    count(db, owner, row.stage.as_str(), row.department.as_str(), row.priority_rank, -1).await?;
    count(db, owner, to.stage.name(), row.department.as_str(), rank, 1).await
}

/// A message as it is posted.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Its id.
    pub id: MessageId,
    /// In which ticket.
    pub ticket: TicketId,
    /// Whether it says what was done.
    pub event: bool,
    /// Of which side.
    pub side: Side,
    /// By whom.
    pub author: AccountId,
    /// Their name.
    pub author_name: &'a str,
    /// Markdown, or an event's words.
    pub body: &'a str,
}

/// Posts a message.
///
/// # Errors
/// The database's.
pub async fn post(db: &mut impl Connected, _: &impl Handling, new: NewMessage<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
    let kind = if new.event { "event" } else { "reply" };
    sql!(execute db, "INSERT INTO ticket_messages (id, ticket_id, kind, side, author_id, author_name, body, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id, new.ticket, kind, new.side.name(), new.author, new.author_name, new.body, now)?;
    sql!(execute db, "UPDATE tickets SET messages = messages + 1, updated_at = $2 WHERE id = $1", new.ticket, now)?;
    Ok(())
}

/// A message as it was posted.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// `reply` or `event`.
    pub kind: String,
    /// `customer` or `staff`.
    pub side: String,
    /// May be empty.
    pub author_name: String,
    /// Markdown, or an event's words.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// How many messages a page shows.
pub const MESSAGES: usize = 100;

/// The newest messages of a thread, or those before one of them; the newest first, one more than a page shows.
///
/// # Errors
/// The database's.
pub async fn thread(db: &mut impl Connected, ticket: TicketId, before: Option<MessageId>) -> Result<Vec<Message>, sqlx::Error> {
    match before {
        None => sql!(
            all as Message,
            db,
            "SELECT id, kind, side, author_name, body, at FROM ticket_messages WHERE ticket_id = $1 ORDER BY at DESC, id DESC LIMIT 101",
            ticket
        ),
        Some(before) => {
            sql!(
                all as Message,
                db,
                "SELECT id, kind, side, author_name, body, at FROM ticket_messages WHERE ticket_id = $1 AND (at, id) < (SELECT at, id FROM ticket_messages WHERE ticket_id = $1 AND id = $2) ORDER BY at DESC, id DESC LIMIT 101",
                ticket,
                before
            )
        }
    }
}

/// When a message of a ticket was posted.
///
/// # Errors
/// The database's.
pub async fn at(db: &mut impl Connected, ticket: TicketId, message: MessageId) -> Result<Option<(Timestamp,)>, sqlx::Error> {
    sql!(optional as (Timestamp,), db, "SELECT at FROM ticket_messages WHERE ticket_id = $1 AND id = $2", ticket, message)
}

/// The accounts of the customer's side that have written in a thread.
///
/// # Errors
/// The database's.
pub async fn writers(db: &mut impl Connected, ticket: TicketId) -> Result<Vec<(AccountId,)>, sqlx::Error> {
    sql!(
        all as (AccountId,),
        db,
        "SELECT DISTINCT author_id FROM ticket_messages WHERE ticket_id = $1 AND kind = 'reply' AND side = 'customer' AND author_id IS NOT NULL LIMIT 50",
        ticket
    )
}

/// Writes what the staff tell each other. No customer's statement reads it.
///
/// # Errors
/// The database's.
pub async fn note(
    db: &mut impl Connected,
    _: &impl Handling,
    (id, ticket): (MessageId, TicketId),
    (author, author_name): (AccountId, &str),
    body: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO ticket_notes (id, ticket_id, author_id, author_name, body, at) VALUES ($1, $2, $3, $4, $5, $6)", id, ticket, author, author_name, body, now)?;
    Ok(())
}

/// A note.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Note {
    /// Its id.
    pub id: MessageId,
    /// By whom.
    pub author_name: String,
    /// Markdown.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// The newest notes of a ticket, for the staff alone; the newest first.
///
/// # Errors
/// The database's.
pub async fn notes(db: &mut impl Connected, ticket: TicketId) -> Result<Vec<Note>, sqlx::Error> {
    sql!(
        all as Note,
        db,
        "SELECT id, author_name, body, at FROM ticket_notes WHERE ticket_id = $1 ORDER BY at DESC, id DESC LIMIT 100",
        ticket
    )
}

/// A file.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// Its ticket; none while the form it was sent with is not accepted.
    pub ticket_id: Option<TicketId>,
    /// The message that it came with; none where it came with the ticket.
    pub message_id: Option<MessageId>,
    /// Who sent it.
    pub uploader_id: Option<AccountId>,
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: i64,
}

/// Writes down a file that begins to arrive. It belongs to no ticket yet.
///
/// # Errors
/// The database's.
pub async fn stage_attachment(
    db: &mut impl Connected,
    id: AttachmentId,
    uploader: AccountId,
    name: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO ticket_attachments (id, uploader_id, name, size, uploaded_at) VALUES ($1, $2, $3, 0, $4)", id, uploader, name, now)?;
    Ok(())
}

/// Adds a chunk to a file that arrives.
///
/// # Errors
/// The database's; a check where the file becomes too large.
pub async fn add_chunk(db: &mut impl Connected, id: AttachmentId, position: i64, bytes: &[u8]) -> Result<(), sqlx::Error> {
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    sql!(execute db, "UPDATE ticket_attachments SET size = size + $2 WHERE id = $1 AND ticket_id IS NULL", id, size)?;
    sql!(execute db, "INSERT INTO ticket_attachment_chunks (attachment_id, position, bytes) VALUES ($1, $2, $3)", id, position, bytes)?;
    Ok(())
}

/// Forgets a file that belongs to no ticket.
///
/// # Errors
/// The database's.
pub async fn drop_staged(db: &mut impl Connected, id: AttachmentId) -> Result<(), sqlx::Error> {
    sql!(execute db, "DELETE FROM ticket_attachments WHERE id = $1 AND ticket_id IS NULL", id)?;
    Ok(())
}

/// A file that somebody sent and that belongs to no ticket yet.
///
/// # Errors
/// The database's.
pub async fn staged(db: &mut impl Connected, id: AttachmentId, uploader: AccountId) -> Result<Option<Attachment>, sqlx::Error> {
    sql!(
        optional as Attachment,
        db,
        "SELECT id, ticket_id, message_id, uploader_id, name, size FROM ticket_attachments WHERE id = $1 AND uploader_id = $2 AND ticket_id IS NULL",
        id,
        uploader
    )
}

/// Gives a file that somebody sent to a ticket; whether it was theirs and belonged to none.
///
/// # Errors
/// The database's.
pub async fn attach(
    db: &mut impl Connected,
    _: &impl Handling,
    id: AttachmentId,
    uploader: AccountId,
    ticket: TicketId,
    message: Option<MessageId>,
) -> Result<bool, sqlx::Error> {
    let given = sql!(execute db, "UPDATE ticket_attachments SET ticket_id = $3, message_id = $4 WHERE id = $1 AND uploader_id = $2 AND ticket_id IS NULL", id, uploader, ticket, message)?;
    Ok(given == 1)
}

/// The files of a ticket and of its messages.
///
/// # Errors
/// The database's.
pub async fn attachments(db: &mut impl Connected, ticket: TicketId) -> Result<Vec<Attachment>, sqlx::Error> {
    sql!(
        all as Attachment,
        db,
        "SELECT id, ticket_id, message_id, uploader_id, name, size FROM ticket_attachments WHERE ticket_id = $1 ORDER BY uploaded_at, name, id LIMIT 1000",
        ticket
    )
}

/// A file of a ticket.
///
/// # Errors
/// The database's.
pub async fn attachment(db: &mut impl Connected, ticket: TicketId, id: AttachmentId) -> Result<Option<Attachment>, sqlx::Error> {
    sql!(
        optional as Attachment,
        db,
        "SELECT id, ticket_id, message_id, uploader_id, name, size FROM ticket_attachments WHERE id = $1 AND ticket_id = $2",
        id,
        ticket
    )
}

/// One chunk of a file.
///
/// # Errors
/// The database's.
pub async fn chunk(db: &mut impl Connected, id: AttachmentId, position: i64) -> Result<Option<(Vec<u8>,)>, sqlx::Error> {
    sql!(optional as (Vec<u8>,), db, "SELECT bytes FROM ticket_attachment_chunks WHERE attachment_id = $1 AND position = $2", id, position)
}

/// Gives an organization's tickets to the customer that it is joined with, and counts them there.
///
/// # Errors
/// The database's.
pub async fn give_to_customer<P: Permit>(
    db: &mut impl Connected,
    authority: &impl Authority<P>,
    customer: CustomerId,
) -> Result<(), sqlx::Error> {
    let organization = authority.organization();
    sql!(execute db, "UPDATE tickets SET customer_id = $2, organization_id = NULL, owner_id = $2 WHERE organization_id = $1", organization, customer)?;
    for counted in counts(db, Owner::Organization(organization)).await? {
        count(db, customer.0, &counted.stage, &counted.department, counted.priority_rank, counted.tickets).await?;
    }
    sql!(execute db, "DELETE FROM ticket_counts WHERE owner_id = $1", organization)?;
    Ok(())
}

/// Deletes an organization's own tickets. Those of its customer's record stay with the record.
///
/// # Errors
/// The database's.
pub async fn delete_all(db: &mut impl Connected, authority: &impl Authority<ManageMembers>) -> Result<u64, sqlx::Error> {
    let organization = authority.organization();
    sql!(execute db, "DELETE FROM ticket_counts WHERE owner_id = $1", organization)?;
    sql!(execute db, "DELETE FROM tickets WHERE organization_id = $1", organization)
}

/// Keeps the name of whoever raised tickets in step with the account's.
///
/// # Errors
/// The database's.
pub async fn rename(db: &mut impl Connected, account: AccountId, name: &str) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE tickets SET requester_name = $2, requester_name_key = $3 WHERE requester_id = $1", account, name, fold(name))?;
    Ok(())
}

/// The same for the address; an empty one where the account ends, so that nobody who gets the address later sees them.
///
/// # Errors
/// The database's.
pub async fn readdress(db: &mut impl Connected, account: AccountId, email: &str, email_key: &str) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE tickets SET requester_email = $2, requester_key = $3 WHERE requester_id = $1", account, email, email_key)?;
    Ok(())
}

/// Forgets files that came before a moment and belong to no ticket, so many at a time.
///
/// # Errors
/// The database's.
pub async fn forget(db: &mut impl Connected, before: Timestamp) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM ticket_attachments WHERE id IN (SELECT id FROM ticket_attachments WHERE ticket_id IS NULL AND uploaded_at < $1 LIMIT 100)", before)
}

/// What an import knows of a ticket that is there.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Known {
    /// The ticket.
    pub id: TicketId,
    /// What people call it.
    pub number: String,
    /// Its customer; none where it is an organization's own.
    pub customer_id: Option<CustomerId>,
    /// `import`, where an import has brought it.
    pub source: String,
    /// In one line.
    pub subject: String,
    /// Markdown.
    pub description: String,
    /// In the desk's words.
    pub priority: String,
    /// In the desk's words.
    pub state: String,
    /// May be empty.
    pub department: String,
    /// May be empty.
    pub category: String,
    /// May be empty.
    pub product: String,
    /// May be empty.
    pub requester_name: String,
    /// May be empty.
    pub requester_email: String,
    /// May be empty.
    pub url: String,
    /// When it was raised.
    pub created_at: Timestamp,
    /// When something was last said or done.
    pub updated_at: Timestamp,
}

/// The tickets of these numbers.
///
/// # Errors
/// The database's.
pub async fn by_numbers(db: &mut impl Connected, numbers: &[&str]) -> Result<Vec<Known>, sqlx::Error> {
    sql!(among as Known, db, "SELECT id, number, customer_id, source, subject, description, priority, state, department, category, product, requester_name, requester_email, url, created_at, updated_at
        FROM tickets WHERE", numbers, |number| ["number" = *number])
}

/// What a ticket is counted by, and what else a change of it has to know.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Locked {
    /// The ticket.
    pub id: TicketId,
    /// Whose.
    pub owner_id: Uuid,
    /// What its state comes to.
    pub stage: String,
    /// May be empty.
    pub department: String,
    /// 1 to 5.
    pub priority_rank: i64,
    /// When something was last said or done.
    pub updated_at: Timestamp,
    /// Since when it is solved or over.
    pub resolved_at: Option<Timestamp>,
}

/// Takes the locks of tickets, and gives what they are then.
///
/// # Errors
/// The database's.
pub async fn lock_many(db: &mut impl Connected, ids: &[TicketId]) -> Result<Vec<Locked>, sqlx::Error> {
    sql!(
        among as Locked,
        db,
        "UPDATE tickets SET revision = revision + 1 WHERE",
        ids,
        |id| ["id" = *id],
        "RETURNING id, owner_id, stage, department, priority_rank, updated_at, resolved_at"
    )
}

/// What an import gives a ticket.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The ticket.
    pub id: TicketId,
    /// Its customer.
    pub customer: CustomerId,
    /// What the record says.
    pub record: super::import::TicketRecord,
    /// How many messages it has, where it is new.
    pub messages: i64,
    /// Since when it is solved or over.
    pub resolved_at: Option<Timestamp>,
}

impl Imported {
    fn requester_key(&self) -> String {
        self.record.requester_email.to_lowercase()
    }
    fn search_key(&self) -> String {
        search_key(&self.record.number, &self.record.subject, &self.record.product)
    }
    fn stage(&self) -> &'static str {
        Stage::of_state(&self.record.state).name()
    }
}

/// Writes new tickets of customers that an import brings. They are not counted.
///
/// # Errors
/// The database's; a unique violation where a number is taken.
pub async fn import(db: &mut impl Connected, _: &Importing, rows: &[Imported], now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(insert db, "INSERT INTO tickets (id, number, customer_id, owner_id, requester_name, requester_name_key, requester_email, requester_key, product, subject, subject_key, search_key, description,
        priority, priority_rank, state, stage, department, category, url, source, desk_state, messages, created_at, updated_at, resolved_at, imported_at)", rows,
        |row| [row.id, row.record.number.as_str(), row.customer, row.customer, row.record.requester_name.as_str(), fold(&row.record.requester_name), row.record.requester_email.as_str(), row.requester_key(),
            row.record.product.as_str(), row.record.subject.as_str(), fold(&row.record.subject), row.search_key(), row.record.description.as_str(),
            row.record.priority.as_str(), super::rank(&row.record.priority), row.record.state.as_str(), row.stage(), row.record.department.as_str(), row.record.category.as_str(), row.record.url.as_str(),
            "import", "none", row.messages, row.record.created, row.record.updated, row.resolved_at, now])?;
    Ok(())
}

/// Changes tickets, in a unit that holds their locks, to what an import says. They are not counted.
///
/// # Errors
/// The database's.
pub async fn change_imported(db: &mut impl Connected, _: &Importing, rows: &[Imported], now: Timestamp) -> Result<(), sqlx::Error> {
    for row in rows {
        let record = &row.record;
        sql!(execute db, "UPDATE tickets SET requester_name = $2, requester_name_key = $3, requester_email = $4, requester_key = $5, product = $6, subject = $7, subject_key = $8, search_key = $9, description = $10,
            priority = $11, priority_rank = $12, state = $13, stage = $14, department = $15, category = $16, url = $17, created_at = $18, updated_at = $19, resolved_at = $20, imported_at = $21 WHERE id = $1",
            row.id, record.requester_name.as_str(), fold(&record.requester_name), record.requester_email.as_str(), row.requester_key(), record.product.as_str(), record.subject.as_str(), fold(&record.subject), row.search_key(), record.description.as_str(),
            record.priority.as_str(), super::rank(&record.priority), record.state.as_str(), row.stage(), record.department.as_str(), record.category.as_str(), record.url.as_str(), record.created, record.updated, row.resolved_at, now)?;
    }
    Ok(())
}

/// What a ticket is counted by: owner, stage, department and rank.
pub type Kind = (Uuid, String, String, i64);

/// Counts tickets of many kinds more, or fewer.
///
/// # Errors
/// The database's.
pub async fn count_many(db: &mut impl Connected, rows: &[(Kind, i64)]) -> Result<(), sqlx::Error> {
    let (more, fewer): (Vec<_>, Vec<_>) = rows.iter().filter(|row| row.1 != 0).partition(|row| row.1 > 0);
    for ((owner, stage, department, rank), by) in fewer {
        count(db, *owner, stage, department, *rank, *by).await?;
    }
    sql!(insert db, "INSERT INTO ticket_counts (owner_id, stage, department, priority_rank, tickets)", more, |row| [row.0.0, row.0.1.as_str(), row.0.2.as_str(), row.0.3, row.1],
        "ON CONFLICT (owner_id, stage, department, priority_rank) DO UPDATE SET tickets = ticket_counts.tickets + excluded.tickets")?;
    Ok(())
}

/// A message of an import.
#[derive(Clone, Debug)]
pub struct ImportedMessage {
    /// Its id.
    pub id: MessageId,
    /// In which ticket.
    pub ticket: TicketId,
    /// What the record says.
    pub record: super::import::MessageRecord,
}

/// A message of an import that is there.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct KnownMessage {
    /// Its id.
    pub id: MessageId,
    /// In which ticket.
    pub ticket_id: TicketId,
    /// The desk's id for it.
    pub external_id: String,
    /// May be empty.
    pub author_name: String,
    /// `customer` or `staff`.
    pub side: String,
    /// Markdown.
    pub body: String,
    /// When it was said.
    pub at: Timestamp,
}

/// Messages, each by its ticket and the desk's id for it.
///
/// # Errors
/// The database's.
pub async fn messages_of(db: &mut impl Connected, keys: &[(TicketId, &str)]) -> Result<Vec<KnownMessage>, sqlx::Error> {
    sql!(
        among as KnownMessage,
        db,
        "SELECT id, ticket_id, external_id, author_name, side, body, at FROM ticket_messages WHERE",
        keys,
        |key| ["ticket_id" = key.0, "external_id" = key.1]
    )
}

/// Writes new messages that an import brings. Their tickets do not count them by this.
///
/// # Errors
/// The database's; a unique violation where one is there.
pub async fn import_messages(db: &mut impl Connected, _: &Importing, rows: &[ImportedMessage]) -> Result<(), sqlx::Error> {
    sql!(insert db, "INSERT INTO ticket_messages (id, ticket_id, kind, side, author_name, body, at, external_id)", rows,
        |row| [row.id, row.ticket, "reply", row.record.side.name(), row.record.author_name.as_str(), row.record.body.as_str(), row.record.at, row.record.id.as_str()])?;
    Ok(())
}

/// Changes messages to what an import says.
///
/// # Errors
/// The database's.
pub async fn change_messages(db: &mut impl Connected, _: &Importing, rows: &[ImportedMessage]) -> Result<(), sqlx::Error> {
    for row in rows {
        sql!(execute db, "UPDATE ticket_messages SET side = $2, author_name = $3, body = $4, at = $5 WHERE id = $1",
            row.id, row.record.side.name(), row.record.author_name.as_str(), row.record.body.as_str(), row.record.at)?;
    }
    Ok(())
}

/// Counts messages that tickets have more.
///
/// # Errors
/// The database's.
pub async fn count_messages(db: &mut impl Connected, _: &Importing, more: &[(TicketId, i64)]) -> Result<(), sqlx::Error> {
    for (ticket, n) in more {
        sql!(execute db, "UPDATE tickets SET messages = messages + $2 WHERE id = $1", *ticket, *n)?;
    }
    Ok(())
}
