//! Tickets and the desk's cases kept alike: what comes from there, and what goes there, each once.

use serde_json::json;
use uuid::Uuid;

use super::{
    client::{Client, Error},
    model::{self, Case, Comment, Holds, Source},
    store,
};
use crate::{
    audit::Action,
    customers::{Outcome, store as customers},
    db::Failure,
    guard::Mirroring,
    outbox::{self, Claimed, Courier, Failed, Kind},
    outgoing::Patience,
    portal::{Portal, Unit},
    tickets::{
        Side,
        actions::{self as tickets, Told},
        store as rows,
    },
    words::{DAY, MessageId, SECOND, TicketId},
};

/// The name of the lease under which tickets are brought to the desk: by one process at a time, so that nothing is made
/// twice.
const WORK: &str = "push";

/// Takes a case: as the ticket that it is, or as a new one of its customer's.
///
/// # Errors
/// The database's.
pub async fn take_case(unit: &mut Unit, case: &Case) -> Result<Outcome, Failure> {
    let (ticket, now, mirroring) = (&case.ticket, unit.now, Mirroring::of(unit)?);
    let mut known = rows::by_external(unit, &ticket.external_id).await?;
    if known.is_none()
        && let Some(ours) = case.ours
        && let Some(own) = rows::at_desk(unit, ours).await?.filter(|own| own.external_id.is_none())
    {
        // Made of a ticket of the portal's by an attempt whose answer was lost.
        if number_is_free(unit, &ticket.number).await? {
            rows::lock(unit, own.id).await?;
            rows::arrive(unit, &mirroring, own.id, &ticket.external_id, &ticket.number, &ticket.url).await?;
        }
        known = rows::by_external(unit, &ticket.external_id).await?;
    }
    let Some(known) = known else {
        if ticket.number.is_empty() {
            return Ok(Outcome::Refused("number".to_owned(), "It is missing".to_owned()));
        }
        let Some(customer) = customers::by_number(unit, &case.customer).await? else {
            return Ok(Outcome::Refused("customer".to_owned(), format!("There is no customer {}", case.customer)));
        };
        if !number_is_free(unit, &ticket.number).await? {
            return Ok(Outcome::Refused("number".to_owned(), "Another ticket has this number".to_owned()));
        }
        let id = TicketId(unit.new_id());
        rows::insert_of_desk(unit, &mirroring, id, customer.id, ticket, case.opened_at.unwrap_or(now), now).await?;
        return Ok(Outcome::Added);
    };
    let Some(seen) = rows::by_number(unit, &known.number).await? else { return Ok(Outcome::Unchanged) };
    // Where the customer did something that is not there yet, the desk does not know the state.
    let state = rows::unsent(unit, known.id).await?.is_empty();
    // Most of what is read again is as it was.
    if !rows::differs(&seen, ticket, state) {
        return Ok(Outcome::Unchanged);
    }
    rows::lock(unit, known.id).await?;
    let Some(before) = rows::by_number(unit, &known.number).await? else { return Ok(Outcome::Unchanged) };
    let state = rows::unsent(unit, known.id).await?.is_empty();
    rows::change_of_desk(unit, &mirroring, &before, ticket, state, now).await?;
    let after = if state { ticket.state.as_str() } else { before.row.state.as_str() };
    tell(unit, &before, (&before.row.state, after), None).await?;
    Ok(Outcome::Changed)
}

async fn number_is_free(unit: &mut Unit, number: &str) -> Result<bool, Failure> {
    Ok(rows::by_number(unit, number).await?.is_none())
}

/// Takes a comment: as the message of the portal's that it is, or as a new one. Nothing comes of one on a case that is no
/// ticket.
///
/// # Errors
/// The database's.
pub async fn take_comment(unit: &mut Unit, comment: &Comment) -> Result<Option<Outcome>, Failure> {
    let mirroring = Mirroring::of(unit)?;
    let Some(known) = rows::by_external(unit, &comment.case).await? else { return Ok(None) };
    if let Some(message) = model::marked(&comment.body) {
        let sent = rows::sent(unit, &mirroring, known.id, message, &comment.external_id).await?;
        return Ok(Some(if sent > 0 { Outcome::Changed } else { Outcome::Unchanged }));
    }
    let Some(ticket) = rows::by_number(unit, &known.number).await? else { return Ok(None) };
    let by = comment.by.to_lowercase();
    let is_customers = by == ticket.requester_key || customers::person(unit, &by).await?.is_some();
    let side = if is_customers { Side::Customer } else { Side::Staff };
    let author = if by == ticket.requester_key { ticket.row.requester_name.as_str() } else { comment.by.as_str() };
    let (id, now) = (MessageId(unit.new_id()), unit.now);
    if !rows::post_of_desk(unit, &mirroring, (id, known.id), (side, author), &comment.body, comment.at, &comment.external_id).await? {
        return Ok(Some(Outcome::Unchanged));
    }
    // What was written long ago is history.
    if side == Side::Staff && comment.at.plus(DAY) > now {
        let state = ticket.row.state.clone();
        tell(unit, &ticket, (&state, &state), Some((author, &comment.body))).await?;
    }
    Ok(Some(Outcome::Added))
}

/// Tells the customer's people and their open pages what happened at the desk.
async fn tell(unit: &mut Unit, ticket: &rows::Ticket, (before, after): (&str, &str), reply: Option<(&str, &str)>) -> Result<(), Failure> {
    let organization = match ticket.row.customer_id {
        Some(customer) => customers::get(unit, customer).await?.and_then(|customer| customer.organization_id),
        None => ticket.row.organization_id,
    };
    let Some(organization) = organization else { return Ok(()) };
    if let Some((author, body)) = reply {
        let told = Told { number: &ticket.row.number, subject: &ticket.row.subject, body, note: "" };
        told.customer(unit, ticket, Some(organization), None, format!("{author} replied")).await?;
    }
    unit.acts_in(organization);
    unit.audit_as(Action::MirrorTicket, tickets::of(ticket), json!({ "state": before }), json!({ "state": after })).await?;
    Ok(())
}

/// Brings tickets, and what is written in them, to the desk.
pub struct Messenger {
    client: Client,
    holder: Uuid,
}

/// How bringing something ends that does not end well.
enum Stopped {
    Desk(Error),
    Here(Failure),
    /// Another process brings tickets.
    Busy,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Desk(error)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        Self::Here(error.into())
    }
}

impl Messenger {
    /// The one for the configured instance; nothing where tickets stay here.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn open(portal: &Portal, patience: Patience) -> Result<Option<Self>, String> {
        if !portal.config.has_desk() {
            return Ok(None);
        }
        let client = Client::open(&portal.config, patience, portal.clock.clone(), portal.random)?;
        Ok(client.map(|client| Self { client, holder: portal.random.opaque_id() }))
    }

    /// Holds the lease on before something is written there.
    async fn hold(&self, portal: &Portal) -> Result<(), Stopped> {
        let mut tx = portal.db.begin().await?;
        let held = store::hold(&mut tx, WORK, self.holder, portal.clock.now()).await?;
        tx.commit().await?;
        if held { Ok(()) } else { Err(Stopped::Busy) }
    }

    /// Brings what is not there of a ticket: the ticket, then its messages in their order.
    async fn bring(&self, portal: &Portal, mirroring: &Mirroring, id: TicketId) -> Result<(), Stopped> {
        let (sources, config) = (model::sources(&portal.config), &portal.config);
        let of = |holds: Holds| sources.iter().find(|source| source.holds == holds);
        let (Some(cases), Some(journal)) = (of(Holds::Cases), of(Holds::Comments)) else { return Ok(()) };
        let Some(ticket) = rows::at_desk(&mut portal.read().await?, id).await? else { return Ok(()) };
        let case = match ticket.external_id {
            Some(case) => case,
            None => self.bring_case(portal, mirroring, cases, id, &ticket.number).await?,
        };
        loop {
            let unsent = rows::unsent(&mut portal.read().await?, id).await?;
            if unsent.is_empty() {
                break;
            }
            // The case's state goes with the last of what was done, wherever that stands among what was said.
            let stage = unsent.iter().rfind(|message| message.kind == "event").map(|message| message.id);
            for message in &unsent {
                let mark = model::mark(message.id);
                let query = format!("element_id={case}^valueLIKE{mark}^ORDERBYsys_id");
                let mut there = self.client.page(journal, &query, 0, 1).await?.rows;
                if there.is_empty() {
                    self.hold(portal).await?;
                    let body = format!("{}: {}\n\n{mark}", message.author_name, message.body);
                    let mut fields = json!({ "comments": body });
                    let state = self.state(portal, id, stage == Some(message.id)).await?;
                    let field = config.servicenow_case_fields.get("state");
                    if let (Some(state), false) = (state, field.is_empty()) {
                        fields[field] = json!(state);
                    }
                    self.client.change(&cases.table, &case, &fields).await?;
                    there = self.client.page(journal, &query, 0, 1).await?.rows;
                }
                let entry = there.first().and_then(|row| row.get("sys_id"));
                let entry = entry.ok_or_else(|| Error::Away("the comment is not in the journal yet".to_owned()))?;
                let mut tx = portal.db.begin().await?;
                rows::sent(&mut tx, mirroring, id, message.id, entry).await?;
                tx.commit().await?;
            }
        }
        let mut tx = portal.db.begin().await?;
        rows::lock(&mut tx, id).await?;
        // What was written meanwhile has a row of its own in the outbox.
        if rows::unsent(&mut tx, id).await?.is_empty() {
            rows::set_desk_state(&mut tx, mirroring, id, "there").await?;
        }
        Ok(tx.commit().await?)
    }

    /// What the case's state is set to with the last thing that was done here, if that brought the ticket to another stage.
    async fn state(&self, portal: &Portal, id: TicketId, last: bool) -> Result<Option<String>, Stopped> {
        if !last {
            return Ok(None);
        }
        let mut db = portal.read().await?;
        let Some(at_desk) = rows::at_desk(&mut db, id).await? else { return Ok(None) };
        let stage = rows::by_number(&mut db, &at_desk.number).await?.map(|ticket| ticket.row.stage());
        let states = &portal.config.servicenow_case_states;
        let state = stage.map(|stage| states.get(stage.name())).unwrap_or_default();
        Ok(Some(state.to_owned()).filter(|state| !state.is_empty()))
    }

    /// Makes the case of a ticket, or finds the one that an earlier attempt made; gives its identifier.
    async fn bring_case(
        &self,
        portal: &Portal,
        mirroring: &Mirroring,
        cases: &Source,
        id: TicketId,
        number: &str,
    ) -> Result<String, Stopped> {
        let config = &portal.config;
        let fields = ["sys_id", "number", "sys_updated_on"].map(str::to_owned).into();
        let found = Source { condition: String::new(), fields, words: false, ..cases.clone() };
        let ours = format!("correlation_id={id}^ORDERBYsys_created_on^ORDERBYsys_id");
        let mut made = self.client.page(&found, &ours, 0, 1).await?.rows.into_iter().next();
        if made.is_none() {
            let mut db = portal.read().await?;
            let Some(ticket) = rows::by_number(&mut db, number).await? else { return Err(Stopped::Busy) };
            let customer = match ticket.row.customer_id {
                Some(customer) => customers::get(&mut db, customer).await?,
                None => None,
            };
            drop(db);
            let f = &config.servicenow_case_fields;
            let mut fields = serde_json::Map::new();
            let mut set = |field: &str, value: String| {
                if !field.is_empty() && !field.contains('.') && !value.is_empty() {
                    fields.insert(field.to_owned(), json!(value));
                }
            };
            set("correlation_id", id.to_string());
            set("correlation_display", config.portal_name.clone());
            set(f.get("subject"), ticket.row.subject.clone());
            let product = if ticket.row.product.is_empty() { String::new() } else { format!("Product: {}\n", ticket.row.product) };
            let from = format!("Raised by {} <{}> as {number}", ticket.row.requester_name, ticket.requester_email);
            set(f.get("description"), format!("{}\n\n{product}{from}", ticket.description));
            set(f.get("priority"), if ticket.row.priority_rank <= 4 { ticket.row.priority_rank.to_string() } else { String::new() });
            let named = |table: &Option<String>, query: String| {
                table.clone().map(|table| (Source { table, condition: String::new(), ..found.clone() }, query))
            };
            let account_number = config.servicenow_account_fields.get("number");
            let (email, contact_account) = (config.servicenow_contact_fields.get("email"), config.servicenow_contact_fields.get("account"));
            if let Some(customer) = customer
                && let Some((source, query)) = named(&config.servicenow_accounts, format!("{account_number}={}", customer.number))
                && let Some(account) = self.client.page(&source, &query, 0, 1).await?.rows.first().and_then(|row| row.get("sys_id"))
            {
                set(f.get("account"), account.clone());
                // What would be more than one condition is no address.
                if !ticket.requester_email.contains('^')
                    && let Some((source, query)) =
                        named(&config.servicenow_contacts, format!("{email}={}^{contact_account}={account}", ticket.requester_email))
                    && let Some(contact) = self.client.page(&source, &query, 0, 1).await?.rows.first().and_then(|row| row.get("sys_id"))
                {
                    set(f.get("contact"), contact.clone());
                }
            }
            self.hold(portal).await?;
            made = Some(self.client.create(&cases.table, &serde_json::Value::Object(fields)).await?);
        }
        let text = |field: &str| made.as_ref().and_then(|row| row.get(field)).cloned().unwrap_or_default();
        let case = model::case(config, &made.clone().unwrap_or_default()).ticket;
        if !model::is_sys_id(&case.external_id) || text("number").is_empty() {
            return Err(Error::Away("the answer to a new case has no sys_id or number".to_owned()).into());
        }
        let mut tx = portal.db.begin().await?;
        rows::lock(&mut tx, id).await?;
        rows::arrive(&mut tx, mirroring, id, &case.external_id, &case.number, &case.url).await?;
        tx.commit().await?;
        Ok(case.external_id)
    }
}

impl Courier for Messenger {
    const KIND: Kind = Kind::Desk;

    async fn deliver(&self, portal: &Portal, row: &Claimed) -> Result<(), Failure> {
        let now = portal.clock.now();
        let mut tx = portal.db.begin().await?;
        if !store::take(&mut tx, WORK, self.holder, now).await? {
            outbox::put_back(&mut tx, row, now.plus(2 * SECOND)).await?;
            return Ok(tx.commit().await?);
        }
        tx.commit().await?;
        let brought = match row.payload.parse() {
            Ok(id) => self.bring(portal, &Mirroring::bringing(row), id).await,
            Err(_) => Ok(()),
        };
        let now = portal.clock.now();
        let mut tx = portal.db.begin().await?;
        let mut outcome = "brought";
        match brought {
            Ok(()) => outbox::done(&mut tx, row.id, now).await?,
            Err(Stopped::Busy) => outbox::put_back(&mut tx, row, now.plus(2 * SECOND)).await?,
            Err(stopped) => {
                let error = match stopped {
                    Stopped::Desk(error) => error.to_string(),
                    Stopped::Here(failure) => format!("{failure:?}"),
                    Stopped::Busy => String::new(),
                };
                let dead = outbox::failed(&mut tx, row, now, &Failed { error: error.clone(), hopeless: false, wait: None }).await?;
                outcome = if dead { "dead" } else { "failed" };
                tracing::warn!(%error, ticket = %row.payload, attempt = row.attempts, dead, "a ticket did not reach ServiceNow");
            }
        }
        store::let_go(&mut tx, WORK, self.holder).await?;
        metrics::counter!("org_portal_desk_tickets_total", "outcome" => outcome).increment(1);
        Ok(tx.commit().await?)
    }
}
