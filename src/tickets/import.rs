//! What an import does with records of tickets and of their messages: how each of them stands to what is there, and what has
//! to be written for it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher as _},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Side, Stage, rank,
    store::{self, Imported, ImportedMessage, Known, KnownMessage},
};
use crate::{
    db::{Connected, Failure},
    guard::Importing,
    portal::Unit,
    words::{CustomerId, MessageId, TicketId, Timestamp},
};

/// A ticket as an import says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRecord {
    /// The desk's number for it.
    pub number: String,
    /// The number of its customer.
    pub customer: String,
    /// In one line.
    pub subject: String,
    /// Markdown; may be empty.
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
    /// May be empty: whoever has it sees the ticket as the own one.
    pub requester_email: String,
    /// When it was raised.
    pub created: Timestamp,
    /// When something was last said or done.
    pub updated: Timestamp,
    /// Where it stands at the desk; may be empty.
    pub url: String,
}

/// A message of a ticket's thread as an import says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// The number of the ticket.
    pub ticket: String,
    /// The desk's id for it, within the ticket.
    pub id: String,
    /// May be empty.
    pub author_name: String,
    /// Of which side.
    pub side: Side,
    /// Markdown.
    pub body: String,
    /// When it was said.
    pub at: Timestamp,
}

const ANOTHERS: &str = "This ticket is another customer's";

/// What came of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It is new.
    Added,
    /// It is otherwise than it was.
    Changed,
    /// It is as it was.
    Unchanged,
    /// It was not taken: which field, and why.
    Refused(&'static str, String),
}

/// What a rehearsal would have written until now, by hashes of the keys.
#[derive(Debug, Default)]
pub struct Ahead {
    tickets: HashMap<u64, TicketAhead>,
    /// What messages say by now, as hashes.
    messages: HashMap<u64, u64>,
}

#[derive(Clone, Copy, Debug)]
struct TicketAhead {
    /// The customer's number, and everything that it says, as hashes.
    customer: u64,
    said: u64,
    updated: Timestamp,
}

fn hashed(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn message_key(ticket: &str, id: &str) -> u64 {
    hashed((ticket, id))
}

fn message_said(record: &MessageRecord) -> u64 {
    hashed((&record.author_name, record.side.name(), &record.body, record.at))
}

impl TicketAhead {
    fn of(record: &TicketRecord) -> Self {
        let desk = (&record.priority, &record.state, &record.department, &record.category, &record.product, &record.url);
        let asked = (&record.subject, &record.description, &record.requester_name, &record.requester_email, record.created, record.updated);
        Self { customer: hashed(&record.customer), said: hashed((desk, asked)), updated: record.updated }
    }
}

/// What the records of a batch come to.
#[derive(Default)]
pub struct Plan {
    /// By number: what is there, where it is in the database.
    tickets: HashMap<String, Option<Known>>,
    messages: HashMap<(TicketId, String), KnownMessage>,
    added: Vec<TicketRecord>,
    changed: Vec<(TicketId, TicketRecord)>,
    added_messages: Vec<MessageRecord>,
    changed_messages: Vec<((MessageId, TicketId), MessageRecord)>,
    /// What would be there by now of what a rehearsal would have written. It writes nothing, so that what it changes needs no id.
    ahead: Ahead,
}

impl Plan {
    /// Looks up what is there of tickets, by their numbers, and of messages, by their tickets' numbers and their own ids.
    ///
    /// # Errors
    /// The database's.
    pub async fn load(
        db: &mut impl Connected,
        tickets: &BTreeSet<&str>,
        messages: &BTreeSet<(&str, &str)>,
        ahead: Option<&Ahead>,
    ) -> Result<Self, sqlx::Error> {
        let mut plan = Self::default();
        let numbers: BTreeSet<&str> = tickets.iter().copied().chain(messages.iter().map(|(ticket, _)| *ticket)).collect();
        let numbers: Vec<&str> = numbers.into_iter().collect();
        for known in store::by_numbers(db, &numbers).await? {
            plan.tickets.insert(known.number.clone(), Some(known));
        }
        if let Some(ahead) = ahead {
            for number in numbers {
                if let Some(said) = ahead.tickets.get(&hashed(number)) {
                    plan.tickets.entry(number.to_owned()).or_insert(None);
                    plan.ahead.tickets.insert(hashed(number), *said);
                }
            }
            let keys = messages.iter().map(|(ticket, id)| message_key(ticket, id));
            plan.ahead.messages = keys.filter_map(|key| Some((key, *ahead.messages.get(&key)?))).collect();
        }
        let keys = messages.iter().filter_map(|(ticket, id)| Some((plan.tickets.get(*ticket)?.as_ref()?.id, *id)));
        let keys: Vec<(TicketId, &str)> = keys.collect();
        for known in store::messages_of(db, &keys).await? {
            plan.messages.insert((known.ticket_id, known.external_id.clone()), known);
        }
        Ok(plan)
    }

    /// How a ticket stands to what is there. Its customer is there; it has no id where a rehearsal would have added it.
    pub fn take(&mut self, record: &TicketRecord, customer: Option<CustomerId>) -> Came {
        if let Some(before) = self.ahead.tickets.get(&hashed(&record.number)) {
            let is = TicketAhead::of(record);
            if before.customer != is.customer {
                return Came::Refused("number", ANOTHERS.to_owned());
            }
            if before.updated > is.updated || before.said == is.said {
                return Came::Unchanged;
            }
            self.changed.push((TicketId(Uuid::nil()), record.clone()));
            return Came::Changed;
        }
        let Some(known) = self.tickets.get(&record.number).and_then(Option::as_ref) else {
            self.tickets.insert(record.number.clone(), None);
            self.added.push(record.clone());
            return Came::Added;
        };
        if known.source != "import" {
            return Came::Refused("number", "A ticket of this number was raised elsewhere than in an import".to_owned());
        }
        if known.customer_id != customer {
            return Came::Refused("number", ANOTHERS.to_owned());
        }
        // What was said or done here since the record was written is newer than the record.
        if known.updated_at > record.updated || is_alike(known, record) {
            return Came::Unchanged;
        }
        self.changed.push((known.id, record.clone()));
        Came::Changed
    }

    /// How a message stands to what is there.
    pub fn take_message(&mut self, record: &MessageRecord) -> Came {
        let ticket = match self.tickets.get(&record.ticket) {
            None => return Came::Refused("ticket", format!("There is no ticket {}", record.ticket)),
            Some(None) => None,
            Some(Some(known)) if known.source != "import" => {
                return Came::Refused("ticket", format!("Ticket {} was raised elsewhere than in an import", record.ticket));
            }
            Some(Some(known)) => Some(known.id),
        };
        if let Some(before) = self.ahead.messages.get(&message_key(&record.ticket, &record.id)) {
            if *before == message_said(record) {
                return Came::Unchanged;
            }
            self.changed_messages.push(((MessageId(Uuid::nil()), TicketId(Uuid::nil())), record.clone()));
            return Came::Changed;
        }
        let known = ticket.and_then(|ticket| self.messages.get(&(ticket, record.id.clone())));
        let Some(known) = known else {
            self.added_messages.push(record.clone());
            return Came::Added;
        };
        let is_alike = known.author_name == record.author_name
            && known.side == record.side.name()
            && known.body == record.body
            && known.at == record.at;
        if is_alike {
            return Came::Unchanged;
        }
        self.changed_messages.push(((known.id, known.ticket_id), record.clone()));
        Came::Changed
    }

    /// Notes for the records that follow in a rehearsal what would have been written.
    pub fn note(&self, ahead: &mut Ahead) {
        let tickets = self.added.iter().chain(self.changed.iter().map(|(_, record)| record));
        ahead.tickets.extend(tickets.map(|record| (hashed(&record.number), TicketAhead::of(record))));
        let messages = self.added_messages.iter().chain(self.changed_messages.iter().map(|(_, record)| record));
        ahead.messages.extend(messages.map(|record| (message_key(&record.ticket, &record.id), message_said(record))));
    }

    /// Writes it all, and keeps the counts.
    ///
    /// # Errors
    /// The database's.
    pub async fn write(self, unit: &mut Unit, customers: &BTreeMap<String, CustomerId>) -> Result<(), Failure> {
        let (importing, now, random) = (Importing::of(unit)?, unit.now, unit.portal.random);
        let mut ids: HashMap<String, TicketId> = self.tickets.into_values().flatten().map(|known| (known.number, known.id)).collect();
        let of = |number: &str| customers.get(number).copied().ok_or_else(|| Failure::Fault(format!("customer {number} has no id")));
        let mut more: HashMap<&str, i64> = HashMap::new();
        for message in &self.added_messages {
            *more.entry(message.ticket.as_str()).or_default() += 1;
        }
        let mut counts: BTreeMap<store::Kind, i64> = BTreeMap::new();
        let mut added = Vec::with_capacity(self.added.len());
        for record in self.added {
            let (id, customer, stage) = (TicketId(random.id(now)), of(&record.customer)?, Stage::of_state(&record.state));
            ids.insert(record.number.clone(), id);
            let kind = (customer.0, stage.name().to_owned(), record.department.clone(), rank(&record.priority));
            *counts.entry(kind).or_default() += 1;
            let messages = more.remove(record.number.as_str()).unwrap_or(0);
            added.push(Imported { id, customer, messages, resolved_at: stage.is_over().then_some(record.updated), record });
        }
        store::import(unit, &importing, &added, now).await?;

        let touched: Vec<TicketId> = self.changed.iter().map(|(id, _)| *id).collect();
        let locked = store::lock_many(unit, &touched).await?;
        let locked: HashMap<TicketId, store::Locked> = locked.into_iter().map(|row| (row.id, row)).collect();
        let mut changed = Vec::with_capacity(self.changed.len());
        for (id, record) in self.changed {
            // Somebody may have answered, or taken it away, since it was looked at.
            let Some(row) = locked.get(&id).filter(|row| row.updated_at <= record.updated) else { continue };
            let stage = Stage::of_state(&record.state);
            *counts.entry((row.owner_id, row.stage.clone(), row.department.clone(), row.priority_rank)).or_default() -= 1;
            let kind = (row.owner_id, stage.name().to_owned(), record.department.clone(), rank(&record.priority));
            *counts.entry(kind).or_default() += 1;
            let resolved_at = stage.is_over().then(|| row.resolved_at.unwrap_or(record.updated));
            changed.push(Imported { id, customer: of(&record.customer)?, messages: 0, resolved_at, record });
        }
        store::change_imported(unit, &importing, &changed, now).await?;
        store::count_many(unit, &counts.into_iter().collect::<Vec<_>>()).await?;

        let mut more: Vec<(TicketId, i64)> = more.into_iter().filter_map(|(number, n)| Some((*ids.get(number)?, n))).collect();
        more.sort_unstable();
        store::count_messages(unit, &importing, &more).await?;
        let messages = self
            .added_messages
            .into_iter()
            .filter_map(|record| Some(ImportedMessage { id: MessageId(random.id(now)), ticket: *ids.get(&record.ticket)?, record }));
        store::import_messages(unit, &importing, &messages.collect::<Vec<_>>()).await?;
        let changed = self.changed_messages.into_iter();
        let changed: Vec<_> = changed.map(|((id, ticket), record)| ImportedMessage { id, ticket, record }).collect();
        store::change_messages(unit, &importing, &changed).await?;
        Ok(())
    }
}

fn is_alike(known: &Known, record: &TicketRecord) -> bool {
    known.subject == record.subject
        && known.description == record.description
        && known.priority == record.priority
        && known.state == record.state
        && known.department == record.department
        && known.category == record.category
        && known.product == record.product
        && known.requester_name == record.requester_name
        && known.requester_email == record.requester_email
        && known.url == record.url
        && known.created_at == record.created
        && known.updated_at == record.updated
}
