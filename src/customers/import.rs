//! What an import does with records: how each of them stands to what is there, and what has to be written for it. The same
//! for an import and for its rehearsal, which only leaves out the writing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher as _},
};

use serde_json::json;

use super::{
    Outcome, Record,
    store::{self, Contact, ContactRow, Customer, CustomerRow, Entitlement, Known, PersonRow},
};
use crate::{
    audit::{Action, Object},
    db::{Connected, Failure},
    form::Refusal,
    guard::{Importing, System},
    organizations::store as organizations,
    permissions::Role,
    portal::Unit,
    secrets::Random,
    tickets::import as tickets,
    words::{CustomerId, DAY, Email, OrganizationId, OrganizationName, Timestamp, fold},
};

/// What a rehearsal would have written until now, as far as later records can tell: some 50 bytes a record.
#[derive(Debug, Default)]
pub struct Ahead {
    /// The numbers of customers that are named below, one behind the other, and where each ends.
    numbers: String,
    ends: Vec<usize>,
    customers: HashMap<u64, u32>,
    /// The mail domains that customers have by now.
    own_domains: HashMap<u32, Option<Box<str>>>,
    /// Whose a mail domain is by now; nobody's where it was given up.
    domains: HashMap<u64, Option<u32>>,
    people: HashMap<u64, PersonAhead>,
    /// The addresses, in lower case, of those who are administrators by now.
    administrators: HashMap<u32, Box<str>>,
    /// Whose an entitlement is that is new.
    entitlements: HashMap<u64, u32>,
    /// What customers, contacts and entitlements say by now: hashes of their keys and of that.
    said: HashMap<u64, u64>,
    tickets: tickets::Ahead,
}

#[derive(Debug)]
struct PersonAhead {
    customer: u32,
    /// The address, where it is not in lower case.
    spelled: Option<Box<str>>,
    is_admin: bool,
    administrator: bool,
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn hashed(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn customer_key(number: &str) -> u64 {
    hashed(("customer", number))
}

fn customer_said(name: &str, domain: Option<&str>) -> u64 {
    hashed((name, domain))
}

fn contact_key(customer: &str, email_key: &str) -> u64 {
    hashed(("contact", customer, email_key))
}

fn contact_said(contact: &Contact) -> u64 {
    hashed((&contact.email, &contact.name, &contact.title, &contact.phone))
}

fn entitlement_key(number: &str) -> u64 {
    hashed(("entitlement", number))
}

fn entitlement_said(e: &Entitlement) -> u64 {
    hashed((&e.name, &e.tier, &e.products, &e.support_level, e.starts_at, e.ends_at, e.units_total, e.units_used))
}

impl Ahead {
    fn index(&mut self, number: &str) -> u32 {
        let next = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let index = *self.customers.entry(hashed(number)).or_insert(next);
        if index == next {
            self.numbers.push_str(number);
            self.ends.push(self.numbers.len());
        }
        index
    }

    fn number(&self, index: u32) -> &str {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.numbers[from..self.ends[at]]
    }
}

/// What a batch of records comes to.
pub struct Plan {
    /// What came of each record.
    pub outcomes: Vec<Outcome>,
    customers: Vec<CustomerRow>,
    /// Customers whose administrator another one becomes.
    unset: Vec<CustomerId>,
    /// People who are to be written, by their address in lower case.
    touched: BTreeSet<String>,
    contacts: Vec<(String, ContactRow)>,
    entitlements: Vec<(String, Entitlement)>,
    /// Organizations that bear another name by now.
    renames: Vec<(OrganizationId, String)>,
    /// Mail domains that are somebody else's, or nobody's, by now.
    moved: BTreeSet<String>,
    /// The numbers of customers that have another administrator by now, and the addresses of those.
    appointed: Vec<(String, String)>,
    tickets: tickets::Plan,
    there: There,
}

/// What is there of what the records name, as it is after each of them.
#[derive(Default)]
struct There {
    /// By number: the row, where it is in the database.
    customers: HashMap<String, Option<Customer>>,
    /// By number: the mail domain.
    own_domains: HashMap<String, String>,
    /// By domain: the customer's number.
    domains: HashMap<String, String>,
    /// By address in lower case.
    people: HashMap<String, Known>,
    /// By the customer's number: the administrator's address in lower case.
    administrators: HashMap<String, String>,
    contacts: HashMap<(CustomerId, String), Contact>,
    /// By number: the customer's number, and what is there, where it is in the database.
    entitlements: HashMap<String, (String, Option<Entitlement>)>,
    /// What would be there by now of what a rehearsal would have written, by key: the hash of what it says.
    said: HashMap<u64, u64>,
}

impl There {
    async fn load(db: &mut impl Connected, records: &[Record], ahead: Option<&Ahead>) -> Result<Self, sqlx::Error> {
        let (mut numbers, mut domains, mut people) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut contacts, mut entitlements) = (BTreeSet::new(), BTreeSet::new());
        for record in records {
            match record {
                Record::Customer { number, domain, administrator, .. } => {
                    numbers.insert(number.as_str());
                    domains.extend(domain.as_deref());
                    people.extend(administrator.as_ref().map(Email::key));
                }
                Record::Person { customer, email, .. } => {
                    numbers.insert(customer);
                    people.insert(email.key());
                }
                Record::Contact { customer, email, .. } => {
                    numbers.insert(customer);
                    contacts.insert((customer.as_str(), email.key()));
                }
                Record::Entitlement { customer, number, .. } => {
                    numbers.insert(customer);
                    entitlements.insert(number.as_str());
                }
                Record::Ticket(ticket) => drop(numbers.insert(&ticket.customer)),
                Record::Message(_) => {}
            }
        }
        let list = |set: BTreeSet<&'_ str>| set.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let (numbers, domains, entitlements) = (list(numbers), list(domains), list(entitlements));
        let people: Vec<String> = people.into_iter().collect();
        let mut there = Self::default();
        for row in store::by_numbers(db, &texts(&numbers)).await? {
            there.own_domains.extend(row.domain.clone().map(|domain| (row.number.clone(), domain)));
            there.customers.insert(row.number.clone(), Some(row));
        }
        there.domains.extend(store::by_domains(db, &texts(&domains)).await?);
        for row in store::known_people(db, &texts(&people)).await? {
            there.people.insert(row.email_key.clone(), row);
        }
        let named = records.iter().filter_map(|record| match record {
            Record::Customer { number, administrator: Some(_), .. } => there.customers.get(number)?.as_ref().map(|row| row.id),
            _ => None,
        });
        let named: Vec<CustomerId> = named.collect::<BTreeSet<_>>().into_iter().collect();
        for row in store::administrators(db, &named).await? {
            there.administrators.insert(row.number.clone(), row.email_key.clone());
            there.people.entry(row.email_key.clone()).or_insert(row);
        }
        let keys = contacts.iter().filter_map(|(number, key)| Some((there.customers.get(*number)?.as_ref()?.id, key.as_str())));
        let keys: Vec<(CustomerId, &str)> = keys.collect();
        for (customer, key, contact) in store::contacts_of(db, &keys).await? {
            there.contacts.insert((customer, key), contact);
        }
        for (customer, row) in store::entitlements_of(db, &texts(&entitlements)).await? {
            there.entitlements.insert(row.number.clone(), (customer, Some(row)));
        }
        if let Some(ahead) = ahead {
            there.go_ahead(ahead, &numbers, &domains, &people);
            let contacts = contacts.iter().map(|(customer, email)| contact_key(customer, email));
            let keys = numbers.iter().map(|number| customer_key(number)).chain(contacts);
            let keys = keys.chain(entitlements.iter().map(|number| entitlement_key(number)));
            there.said = keys.filter_map(|key| Some((key, *ahead.said.get(&key)?))).collect();
            for number in &entitlements {
                if let Some(customer) = ahead.entitlements.get(&hashed(number)) {
                    there.entitlements.entry(number.clone()).or_insert_with(|| (ahead.number(*customer).to_owned(), None));
                }
            }
        }
        Ok(there)
    }

    /// Puts over what is in the database what a rehearsal would have written.
    fn go_ahead(&mut self, ahead: &Ahead, numbers: &[String], domains: &[String], people: &[String]) {
        for number in numbers {
            let Some(index) = ahead.customers.get(&hashed(number)) else { continue };
            self.customers.entry(number.clone()).or_insert(None);
            match ahead.own_domains.get(index) {
                Some(Some(domain)) => drop(self.own_domains.insert(number.clone(), domain.to_string())),
                Some(None) => drop(self.own_domains.remove(number)),
                None => {}
            }
            if let Some(administrator) = ahead.administrators.get(index) {
                self.administrators.insert(number.clone(), administrator.to_string());
            }
        }
        for domain in domains {
            match ahead.domains.get(&hashed(domain)) {
                Some(Some(owner)) => drop(self.domains.insert(domain.clone(), ahead.number(*owner).to_owned())),
                Some(None) => drop(self.domains.remove(domain)),
                None => {}
            }
        }
        // Among them administrators of now, who may be none by then, and those of then.
        let known: Vec<String> = self.people.keys().chain(self.administrators.values()).cloned().collect();
        for key in people.iter().chain(&known) {
            if let Some(person) = ahead.people.get(&hashed(key)) {
                let row = Known {
                    number: ahead.number(person.customer).to_owned(),
                    email: person.spelled.as_deref().unwrap_or(key).to_owned(),
                    email_key: key.clone(),
                    role: if person.is_admin { Role::Admin } else { Role::TechnicalUser }.name().to_owned(),
                    administrator: person.administrator,
                };
                self.people.insert(key.clone(), row);
            }
        }
    }
}

impl There {
    /// How something stands that says this by its key: to what a rehearsal would have written, else to what is there.
    fn compared(&self, key: u64, said: u64, is_there: bool, is_alike: bool) -> Outcome {
        match self.said.get(&key) {
            Some(before) => compared(true, *before == said),
            None => compared(is_there, is_alike),
        }
    }
}

fn refused(field: &str, why: String) -> Outcome {
    Outcome::Refused(field.to_owned(), why)
}

fn came(came: tickets::Came) -> Outcome {
    match came {
        tickets::Came::Added => Outcome::Added,
        tickets::Came::Changed => Outcome::Changed,
        tickets::Came::Unchanged => Outcome::Unchanged,
        tickets::Came::Refused(field, why) => refused(field, why),
    }
}

fn compared(is_there: bool, is_alike: bool) -> Outcome {
    match (is_there, is_alike) {
        (false, _) => Outcome::Added,
        (true, true) => Outcome::Unchanged,
        (true, false) => Outcome::Changed,
    }
}

impl Plan {
    /// Looks up what is there, and goes through the records one after the other. Of each kind, no key may be there twice.
    ///
    /// # Errors
    /// The database's.
    pub async fn make(
        db: &mut impl Connected,
        records: &[Record],
        ahead: Option<&Ahead>,
        random: Random,
        now: Timestamp,
    ) -> Result<Self, sqlx::Error> {
        let (mut numbers, mut messages) = (BTreeSet::new(), BTreeSet::new());
        for record in records {
            match record {
                Record::Ticket(ticket) => drop(numbers.insert(ticket.number.as_str())),
                Record::Message(message) => drop(messages.insert((message.ticket.as_str(), message.id.as_str()))),
                _ => {}
            }
        }
        let mut plan = Self {
            tickets: tickets::Plan::load(db, &numbers, &messages, ahead.map(|ahead| &ahead.tickets)).await?,
            outcomes: Vec::with_capacity(records.len()),
            customers: Vec::new(),
            unset: Vec::new(),
            touched: BTreeSet::new(),
            contacts: Vec::new(),
            entitlements: Vec::new(),
            renames: Vec::new(),
            moved: BTreeSet::new(),
            appointed: Vec::new(),
            there: There::load(db, records, ahead).await?,
        };
        for record in records {
            let outcome = plan.take(record, now, || random.id(now));
            plan.outcomes.push(outcome);
        }
        Ok(plan)
    }

    fn take(&mut self, record: &Record, now: Timestamp, id: impl Fn() -> uuid::Uuid) -> Outcome {
        let number = match record {
            Record::Customer { number, name, domain, administrator } => {
                return self.take_customer(number, name, domain.as_deref(), administrator.as_ref(), id());
            }
            Record::Message(message) => return came(self.tickets.take_message(message)),
            Record::Person { customer, .. } | Record::Contact { customer, .. } | Record::Entitlement { customer, .. } => customer,
            Record::Ticket(ticket) => &ticket.customer,
        };
        let Some(customer) = self.there.customers.get(number) else {
            return refused("customer", format!("There is no customer {number}"));
        };
        let customer = customer.as_ref().map(|row| row.id);
        match record {
            Record::Customer { .. } | Record::Message(_) => Outcome::Unchanged,
            // The desk's clock may be ahead of this one, and in another zone.
            Record::Ticket(ticket) if ticket.created > now.plus(DAY) => {
                refused("created", format!("It lies in the future: “{}”", ticket.created.rfc3339()))
            }
            Record::Ticket(ticket) => came(self.tickets.take(ticket, customer)),
            Record::Person { email, role, .. } => {
                let key = email.key();
                let known = self.there.people.get(&key);
                if let Some(other) = known.filter(|known| known.number != *number) {
                    return refused("email", format!("This person belongs to customer {} already", other.number));
                }
                let administrator = known.is_some_and(|known| known.administrator);
                let role = if administrator { Role::Admin } else { *role };
                let alike = known.is_some_and(|known| known.email == email.as_str() && known.role == role.name());
                let outcome = compared(known.is_some(), alike);
                if outcome != Outcome::Unchanged {
                    self.person(number, email.as_str(), key, role, administrator);
                }
                outcome
            }
            Record::Contact { email, name, title, phone, .. } => {
                let contact = Contact { email: email.to_string(), name: name.clone(), title: title.clone(), phone: phone.clone() };
                let email_key = email.key();
                let known = customer.and_then(|customer| self.there.contacts.get(&(customer, email_key.clone())));
                let key = contact_key(number, &email_key);
                let outcome = self.there.compared(key, contact_said(&contact), known.is_some(), known == Some(&contact));
                if outcome != Outcome::Unchanged {
                    let row = ContactRow { id: id(), customer: customer.unwrap_or(CustomerId(uuid::Uuid::nil())), contact, email_key };
                    self.contacts.push((number.clone(), row));
                }
                outcome
            }
            Record::Entitlement {
                number: of, name, tier, products, support_level, starts_at, ends_at, units_total, units_used, ..
            } => {
                let known = self.there.entitlements.get(of);
                if let Some((other, _)) = known.filter(|(other, _)| other != number) {
                    return refused("number", format!("This entitlement is customer {other}'s"));
                }
                let before = known.and_then(|(_, known)| known.as_ref());
                let entitlement = Entitlement {
                    id: before.map_or_else(id, |known| known.id),
                    number: of.clone(),
                    name: name.clone(),
                    name_key: fold(name),
                    tier: tier.clone(),
                    products: products.join("\n"),
                    support_level: support_level.clone(),
                    starts_at: *starts_at,
                    ends_at: *ends_at,
                    units_total: *units_total,
                    units_used: *units_used,
                };
                let (key, is_alike) = (entitlement_key(of), before == Some(&entitlement));
                let outcome = self.there.compared(key, entitlement_said(&entitlement), known.is_some(), is_alike);
                if outcome != Outcome::Unchanged {
                    self.entitlements.push((number.clone(), entitlement));
                }
                outcome
            }
        }
    }

    fn take_customer(&mut self, number: &str, name: &str, domain: Option<&str>, administrator: Option<&Email>, id: uuid::Uuid) -> Outcome {
        if let Some(other) = domain.and_then(|domain| self.there.domains.get(domain)).filter(|other| *other != number) {
            return refused("domain", format!("Customer {other} has this domain already"));
        }
        let key = administrator.map(Email::key);
        let known = key.as_ref().and_then(|key| self.there.people.get(key));
        if let Some(other) = known.filter(|known| known.number != number) {
            return refused("administrator", format!("This person belongs to customer {} already", other.number));
        }
        let row = self.there.customers.get(number).cloned().flatten();
        let alike = row.as_ref().is_some_and(|row| row.name == name && row.domain.as_deref() == domain);
        let is_there = self.there.customers.contains_key(number);
        let mut outcome = self.there.compared(customer_key(number), customer_said(name, domain), is_there, alike);
        if outcome != Outcome::Unchanged {
            let domain = domain.map(str::to_owned);
            if let Some(given_up) = self.there.own_domains.remove(number).filter(|old| Some(old) != domain.as_ref()) {
                self.there.domains.remove(&given_up);
                self.moved.insert(given_up);
            }
            if let Some(domain) = &domain {
                self.there.domains.insert(domain.clone(), number.to_owned());
                self.moved.insert(domain.clone());
            }
            self.customers.push(CustomerRow { id, number: number.to_owned(), name: name.to_owned(), domain });
        }
        if outcome == Outcome::Changed
            && let Some(organization) = row.as_ref().and_then(|row| row.organization_id)
        {
            self.renames.push((organization, name.to_owned()));
        }
        let row = self.there.customers.entry(number.to_owned()).or_insert(None).as_ref().map(|row| row.id);
        if let (Some(email), Some(key)) = (administrator, key) {
            let before = self.there.administrators.get(number).cloned();
            if before.as_ref() != Some(&key) {
                if let Some(before) = before {
                    self.unset.extend(row);
                    if let Some(person) = self.there.people.get_mut(&before) {
                        person.administrator = false;
                    }
                    self.touched.insert(before);
                }
                let spelled = self.there.people.get(&key).map_or_else(|| email.to_string(), |known| known.email.clone());
                self.appointed.push((number.to_owned(), key.clone()));
                self.person(number, &spelled, key, Role::Admin, true);
                if outcome == Outcome::Unchanged {
                    outcome = Outcome::Changed;
                }
            }
        }
        outcome
    }

    fn person(&mut self, number: &str, email: &str, key: String, role: Role, administrator: bool) {
        let row = Known {
            number: number.to_owned(),
            email: email.to_owned(),
            email_key: key.clone(),
            role: role.name().to_owned(),
            administrator,
        };
        self.there.people.insert(key.clone(), row);
        self.touched.insert(key);
    }

    /// Notes for the records that follow in a rehearsal what would have been written.
    pub fn note(&self, ahead: &mut Ahead) {
        self.tickets.note(&mut ahead.tickets);
        for customer in &self.customers {
            let index = ahead.index(&customer.number);
            let domain = customer.domain.as_deref();
            ahead.own_domains.insert(index, domain.map(Box::from));
            ahead.said.insert(customer_key(&customer.number), customer_said(&customer.name, domain));
        }
        for (number, administrator) in &self.appointed {
            let index = ahead.index(number);
            ahead.administrators.insert(index, Box::from(administrator.as_str()));
        }
        for (customer, row) in &self.contacts {
            ahead.said.insert(contact_key(customer, &row.email_key), contact_said(&row.contact));
        }
        for (customer, row) in &self.entitlements {
            let index = ahead.index(customer);
            ahead.entitlements.insert(hashed(&row.number), index);
            ahead.said.insert(entitlement_key(&row.number), entitlement_said(row));
        }
        for domain in &self.moved {
            let owner = self.there.domains.get(domain).map(|owner| ahead.index(owner));
            ahead.domains.insert(hashed(domain), owner);
        }
        for person in self.touched.iter().filter_map(|key| self.there.people.get(key)) {
            let spelled = (person.email != person.email_key).then(|| person.email.clone().into_boxed_str());
            let (customer, is_admin) = (ahead.index(&person.number), person.role == Role::Admin.name());
            let row = PersonAhead { customer, spelled, is_admin, administrator: person.administrator };
            ahead.people.insert(hashed(&person.email_key), row);
        }
    }

    /// Writes it all.
    ///
    /// # Errors
    /// The database's.
    pub async fn write(self, unit: &mut Unit) -> Result<Vec<Outcome>, Failure> {
        let (importing, now, random) = (Importing::of(unit)?, unit.now, unit.portal.random);
        store::unset_administrators(unit, &importing, &self.unset, now).await?;
        let mut ids: BTreeMap<String, CustomerId> =
            self.there.customers.values().flatten().map(|row| (row.number.clone(), row.id)).collect();
        ids.extend(store::put_customers(unit, &importing, &self.customers, now).await?.into_iter().map(|(id, number)| (number, id)));
        let of = |number: &str| ids.get(number).copied().ok_or_else(|| Failure::Fault(format!("customer {number} has no id")));
        let mut people = Vec::with_capacity(self.touched.len());
        for person in self.touched.iter().filter_map(|key| self.there.people.get(key)) {
            people.push(PersonRow {
                id: random.id(now),
                customer: of(&person.number)?,
                email: person.email.clone(),
                email_key: person.email_key.clone(),
                role: person.role.clone(),
                administrator: person.administrator,
            });
        }
        store::put_people(unit, &importing, &people, now).await?;
        let contacts: Result<Vec<_>, Failure> =
            self.contacts.into_iter().map(|(number, row)| Ok(ContactRow { customer: of(&number)?, ..row })).collect();
        store::put_contacts(unit, &importing, &contacts?, now).await?;
        let entitlements: Result<Vec<_>, Failure> = self.entitlements.into_iter().map(|(number, row)| Ok((of(&number)?, row))).collect();
        store::put_entitlements(unit, &importing, &entitlements?, now).await?;
        self.tickets.write(unit, &ids).await?;
        for (organization, name) in &self.renames {
            rename(unit, *organization, name).await?;
        }
        Ok(self.outcomes)
    }
}

/// The organization bears the customer's name.
async fn rename(unit: &mut Unit, organization: OrganizationId, name: &str) -> Result<(), Failure> {
    let Ok(name) = OrganizationName::parse(name) else { return Ok(()) };
    match organizations::get(unit, organization).await? {
        Some(row) if row.name != name.as_str() => {}
        _ => return Ok(()),
    }
    match unit.lock_organization(organization).await {
        // Somebody has deleted it.
        Err(Failure::Refusal(Refusal::NotFound)) => return Ok(()),
        locked => locked?,
    }
    let before = organizations::get(unit, organization).await?.map(|row| row.name).unwrap_or_default();
    organizations::rename(unit, &System::importing(organization), &name).await?;
    let objects = vec![Object::new("organization", organization, name.as_str())];
    unit.audit_as(Action::RenameOrganization, objects, json!({ "name": before }), json!({ "name": name.as_str() })).await?;
    Ok(())
}
