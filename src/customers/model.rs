use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    form::FieldErrors,
    permissions::Role,
    tickets::{
        MAX_TEXT, Side,
        import::{MessageRecord, TicketRecord},
    },
    words::{DAY, Email, OrganizationName, Timestamp, is_forbidden_in_names},
};

/// Domains at which anybody can have an address: whoever has one belongs to no company by it.
const PUBLIC_DOMAINS: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "bk.ru",
    "duck.com",
    "fastmail.com",
    "free.fr",
    "freenet.de",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "hotmail.it",
    "icloud.com",
    "inbox.ru",
    "laposte.net",
    "libero.it",
    "list.ru",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "mailbox.org",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "pm.me",
    "posteo.de",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rambler.ru",
    "rediffmail.com",
    "seznam.cz",
    "sina.com",
    "t-online.de",
    "tuta.io",
    "tutanota.com",
    "ukr.net",
    "wanadoo.fr",
    "web.de",
    "wp.pl",
    "yahoo.co.jp",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.de",
    "yahoo.fr",
    "yandex.com",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
];

/// What a record of an import is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A company.
    Customer,
    /// One of its people.
    Person,
    /// Somebody of the operator's whom it can turn to.
    Contact,
    /// What it has bought.
    Entitlement,
    /// What it has asked the operator's support.
    Ticket,
    /// What was said about it.
    Message,
}

impl Kind {
    /// Every kind, each after those that it refers to.
    pub const ALL: [Self; 6] = [Self::Customer, Self::Person, Self::Contact, Self::Entitlement, Self::Ticket, Self::Message];

    /// Its name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Person => "person",
            Self::Contact => "contact",
            Self::Entitlement => "entitlement",
            Self::Ticket => "ticket",
            Self::Message => "message",
        }
    }

    /// The CSV file that holds it.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Customer => "customers.csv",
            Self::Person => "people.csv",
            Self::Contact => "contacts.csv",
            Self::Entitlement => "entitlements.csv",
            Self::Ticket => "tickets.csv",
            Self::Message => "messages.csv",
        }
    }

    /// Its fields, the key first.
    #[must_use]
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Customer => &["number", "name", "domain", "administrator"],
            Self::Person => &["email", "customer", "role"],
            Self::Contact => &["email", "customer", "name", "title", "phone"],
            Self::Entitlement => {
                &["number", "customer", "name", "tier", "products", "support_level", "start", "end", "units_total", "units_used"]
            }
            Self::Ticket => &[
                "number",
                "customer",
                "subject",
                "description",
                "priority",
                "state",
                "department",
                "category",
                "product",
                "requester_name",
                "requester_email",
                "created",
                "updated",
                "url",
            ],
            Self::Message => &["id", "ticket", "author_name", "side", "body", "at"],
        }
    }
}

/// A record that is right, as far as it can tell by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A company.
    Customer {
        /// The operator's number for it.
        number: String,
        /// Its name.
        name: String,
        /// Its own mail domain, in lower case.
        domain: Option<String>,
        /// Whose first sign-in recreates the organization.
        administrator: Option<Email>,
    },
    /// One of its people.
    Person {
        /// The number of the customer.
        customer: String,
        /// The person's address.
        email: Email,
        /// As what the person joins. The customer's administrator joins as Admin, whatever stands here.
        role: Role,
    },
    /// Somebody of the operator's.
    Contact {
        /// The number of the customer.
        customer: String,
        /// The address.
        email: Email,
        /// The name.
        name: String,
        /// What the person is for the customer.
        title: String,
        /// May be empty.
        phone: String,
    },
    /// What was bought.
    Entitlement {
        /// The operator's number for it.
        number: String,
        /// The number of the customer.
        customer: String,
        /// Its name.
        name: String,
        /// May be empty.
        tier: String,
        /// The product families.
        products: Vec<String>,
        /// May be empty.
        support_level: String,
        /// The first moment of it.
        starts_at: Timestamp,
        /// The first moment after it.
        ends_at: Timestamp,
        /// How many units were bought.
        units_total: i64,
        /// How many of them are used.
        units_used: i64,
    },
    /// What was asked.
    Ticket(Box<TicketRecord>),
    /// What was said.
    Message(Box<MessageRecord>),
}

/// The longest text of a field, in characters.
const LONGEST: usize = 255;

/// How many characters a report shows of a value that was refused.
const SHOWN: usize = 60;

/// How many names of fields that a kind has not are said, and in how many characters each.
const UNKNOWN: (usize, usize) = (5, 60);

/// A record as it stands in a file: names and texts.
#[derive(Debug)]
pub struct Raw {
    kind: Kind,
    /// In the order of the kind's fields.
    values: Vec<String>,
    unknown: Vec<String>,
}

impl Raw {
    /// One that says nothing yet.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, values: vec![String::new(); kind.fields().len()], unknown: Vec::new() }
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Gives a value to a field.
    pub fn put(&mut self, name: &str, value: String) {
        match self.kind.fields().iter().position(|known| *known == name) {
            Some(at) => self.put_at(at, value),
            None if self.unknown.len() < UNKNOWN.0 => self.unknown.push(name.chars().take(UNKNOWN.1).collect()),
            None => {}
        }
    }

    /// Gives a value to a field by its place among [`Kind::fields`].
    pub fn put_at(&mut self, at: usize, value: String) {
        if let Some(place) = self.values.get_mut(at) {
            *place = value;
        }
    }

    fn field(&self, name: &str) -> &str {
        let at = self.kind.fields().iter().position(|known| *known == name);
        at.and_then(|at| self.values.get(at)).map_or("", |value| value.trim())
    }

    /// Reads it.
    ///
    /// # Errors
    /// A sentence for each field that is wrong.
    pub fn parse(&self) -> Result<Record, FieldErrors> {
        let mut errors = FieldErrors::default();
        for name in &self.unknown {
            errors.take::<(), _>(name, Err(format!("A {} has no such field", self.kind.name())));
        }
        let field = |name: &str| self.field(name);
        let customer = match self.kind {
            Kind::Customer | Kind::Message => Some(String::new()),
            _ => errors.take("customer", needed(field("customer"))),
        };
        let record = match self.kind {
            Kind::Customer => {
                let number = errors.take("number", needed(field("number")));
                let name = errors.take("name", needed(field("name")).and_then(|name| OrganizationName::parse(&name)));
                let domain = errors.take("domain", domain(field("domain")));
                let administrator = match field("administrator") {
                    "" => Some(None),
                    address => errors.take("administrator", self::address(address).map(Some)),
                };
                let all = number.zip(name).zip(domain).zip(administrator);
                all.map(|(((number, name), domain), administrator)| Record::Customer {
                    number,
                    name: name.to_string(),
                    domain,
                    administrator,
                })
            }
            Kind::Person => {
                let email = errors.take("email", address(field("email")));
                let role = match field("role") {
                    "" => Some(Role::TechnicalUser),
                    name => errors.take("role", Role::parse(name).ok_or("It has to be Admin or Technical user")),
                };
                customer.zip(email).zip(role).map(|((customer, email), role)| Record::Person { customer, email, role })
            }
            Kind::Contact => {
                let email = errors.take("email", address(field("email")));
                let name = errors.take("name", needed(field("name")));
                let title = errors.take("title", text(field("title")));
                let phone = errors.take("phone", text(field("phone")));
                let all = customer.zip(email).zip(name).zip(title).zip(phone);
                all.map(|((((customer, email), name), title), phone)| Record::Contact { customer, email, name, title, phone })
            }
            Kind::Entitlement => self.entitlement(&mut errors, customer),
            Kind::Ticket => self.ticket(&mut errors, customer).map(|ticket| Record::Ticket(Box::new(ticket))),
            Kind::Message => self.message(&mut errors).map(|message| Record::Message(Box::new(message))),
        };
        match record {
            Some(record) if errors.0.is_empty() => Ok(record),
            _ => {
                for (name, why) in &mut errors.0 {
                    let given = self.field(name);
                    if !given.is_empty() {
                        *why = format!("{why}: “{}”", shown(given));
                    }
                }
                Err(errors)
            }
        }
    }

    fn ticket(&self, errors: &mut FieldErrors, customer: Option<String>) -> Option<TicketRecord> {
        let field = |name: &str| self.field(name);
        let number = errors.take("number", ticket_number(field("number")));
        let subject = errors.take("subject", needed(field("subject")));
        let description = errors.take("description", long_text(field("description")));
        let priority = errors.take("priority", text(field("priority")));
        let state = errors.take("state", needed(field("state")));
        let department = errors.take("department", text(field("department")));
        let category = errors.take("category", text(field("category")));
        let product = errors.take("product", text(field("product")));
        let requester_name = errors.take("requester_name", text(field("requester_name")));
        let requester_email = match field("requester_email") {
            "" => Some(String::new()),
            address => errors.take("requester_email", self::address(address).map(|email| email.to_string())),
        };
        let created = errors.take("created", moment(field("created")));
        let updated = match field("updated") {
            "" => created,
            text => errors.take("updated", moment(text)),
        };
        if let (Some(created), Some(updated)) = (created, updated) {
            errors.take("updated", if updated >= created { Ok(()) } else { Err("It is before the ticket was created") });
        }
        let url = errors.take("url", link(field("url")));
        Some(TicketRecord {
            number: number?,
            customer: customer?,
            subject: subject?,
            description: description?,
            priority: priority?,
            state: state?,
            department: department?,
            category: category?,
            product: product?,
            requester_name: requester_name?,
            requester_email: requester_email?,
            created: created?,
            updated: updated?,
            url: url?,
        })
    }

    fn message(&self, errors: &mut FieldErrors) -> Option<MessageRecord> {
        let field = |name: &str| self.field(name);
        let ticket = errors.take("ticket", ticket_number(field("ticket")));
        let id = errors.take("id", needed(field("id")));
        let author_name = errors.take("author_name", text(field("author_name")));
        let side = match field("side") {
            "customer" => Ok(Side::Customer),
            "staff" => Ok(Side::Staff),
            _ => Err("It has to be customer or staff"),
        };
        let side = errors.take("side", side);
        let body =
            errors.take("body", long_text(field("body")).and_then(|body| if body.is_empty() { Err("It is missing") } else { Ok(body) }));
        let at = errors.take("at", moment(field("at")));
        Some(MessageRecord { ticket: ticket?, id: id?, author_name: author_name?, side: side?, body: body?, at: at? })
    }

    fn entitlement(&self, errors: &mut FieldErrors, customer: Option<String>) -> Option<Record> {
        let field = |name: &str| self.field(name);
        let number = errors.take("number", needed(field("number")));
        let name = errors.take("name", needed(field("name")));
        let tier = errors.take("tier", text(field("tier")));
        let products: Result<Vec<String>, _> =
            field("products").split(['\n', ';']).map(str::trim).filter(|product| !product.is_empty()).map(text).collect();
        let products = errors.take("products", products);
        let support_level = errors.take("support_level", text(field("support_level")));
        let starts_at = errors.take("start", day(field("start")));
        // The last day is a part of it.
        let ends_at = errors.take("end", day(field("end"))).map(|last| last.plus(DAY));
        if let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at) {
            errors.take("end", if ends_at > starts_at { Ok(()) } else { Err("It ends before it starts") });
        }
        let units_total = errors.take("units_total", count(field("units_total")));
        let units_used = errors.take("units_used", count(field("units_used")));
        Some(Record::Entitlement {
            number: number?,
            customer: customer?,
            name: name?,
            tier: tier?,
            products: products?,
            support_level: support_level?,
            starts_at: starts_at?,
            ends_at: ends_at?,
            units_total: units_total?,
            units_used: units_used?,
        })
    }
}

impl Record {
    /// What tells it from others of its kind, and by which field.
    #[must_use]
    pub fn key(&self) -> (&'static str, String) {
        match self {
            Self::Customer { number, .. } | Self::Entitlement { number, .. } => ("number", number.clone()),
            Self::Person { email, .. } => ("email", email.key()),
            Self::Contact { customer, email, .. } => ("email", format!("{customer}\n{}", email.key())),
            Self::Ticket(ticket) => ("number", ticket.number.clone()),
            Self::Message(message) => ("id", format!("{}\n{}", message.ticket, message.id)),
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Customer { .. } => Kind::Customer,
            Self::Person { .. } => Kind::Person,
            Self::Contact { .. } => Kind::Contact,
            Self::Entitlement { .. } => Kind::Entitlement,
            Self::Ticket(_) => Kind::Ticket,
            Self::Message(_) => Kind::Message,
        }
    }
}

fn text(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > LONGEST {
        Err("It can have 255 characters at most")
    } else if text.chars().any(is_forbidden_in_names) {
        Err("It holds characters that cannot be shown")
    } else {
        Ok(text.to_owned())
    }
}

/// The beginning of a value, as a report can show it.
fn shown(given: &str) -> String {
    let mut shown: String = given.chars().take(SHOWN).map(|c| if is_forbidden_in_names(c) { ' ' } else { c }).collect();
    if given.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn address(text: &str) -> Result<Email, &'static str> {
    Email::parse(given(text)?).map_err(|_| "It has to be an e-mail address like name@example.com")
}

fn given(text: &str) -> Result<&str, &'static str> {
    if text.is_empty() { Err("It is missing") } else { Ok(text) }
}

fn needed(given: &str) -> Result<String, &'static str> {
    self::given(given).and_then(text)
}

/// What a ticket is called: it stands in addresses.
fn ticket_number(text: &str) -> Result<String, &'static str> {
    let is_right = (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_right { Ok(text.to_owned()) } else { Err("It has to be 1 to 40 letters, digits, - and _") }
}

/// Markdown: line breaks as they are kept, and without characters that nobody sees, of which desks are full.
fn long_text(text: &str) -> Result<String, &'static str> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text: String = text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_forbidden_in_names(*c)).collect();
    if text.chars().count() > MAX_TEXT { Err("It can have 50,000 characters at most") } else { Ok(text.trim().to_owned()) }
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::of_rfc3339(given(text)?).ok_or("It has to be a moment like 2026-11-24T14:05:00Z")
}

fn link(text: &str) -> Result<String, &'static str> {
    let is_web = |url: &url::Url| ["http", "https"].contains(&url.scheme());
    match text {
        "" => Ok(String::new()),
        text if text.len() > 2000 => Err("It can have 2,000 characters at most"),
        text => match url::Url::parse(text) {
            Ok(url) if is_web(&url) && !text.chars().any(char::is_whitespace) => Ok(text.to_owned()),
            _ => Err("It has to be an address like https://desk.example/tickets/1"),
        },
    }
}

fn day(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::of_date(given(text)?).ok_or("It has to be a day like 2026-11-24")
}

fn count(text: &str) -> Result<i64, &'static str> {
    match text {
        "" => Ok(0),
        text => text.parse().ok().filter(|n| (0..=1_000_000_000_000).contains(n)).ok_or("It has to be a whole number, 0 or more"),
    }
}

fn domain(text: &str) -> Result<Option<String>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let domain = text.trim_start_matches('@').to_lowercase();
    // What an address can have behind its @ is a domain.
    if !domain.contains('.') || Email::parse(&format!("x@{domain}")).is_err() {
        Err("It has to be a mail domain like example.com")
    } else if PUBLIC_DOMAINS.contains(&domain.as_str()) {
        Err("Anybody can have an address there, so it is no company's domain")
    } else {
        Ok(Some(domain))
    }
}

/// What came of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is new.
    Added,
    /// It is otherwise than it was.
    Changed,
    /// It is as it was.
    Unchanged,
    /// It was not taken: which field, and why.
    Refused(String, String),
}

/// What came of the records of an import, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// New ones.
    pub added: BTreeMap<&'static str, u64>,
    /// Those that are otherwise than before.
    pub changed: BTreeMap<&'static str, u64>,
    /// Those that are as before.
    pub unchanged: BTreeMap<&'static str, u64>,
    /// Those that were not taken.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Each of them with its title.
    #[must_use]
    pub const fn each(&self) -> [(&'static str, &BTreeMap<&'static str, u64>); 4] {
        [("added", &self.added), ("changed", &self.changed), ("unchanged", &self.unchanged), ("refused", &self.refused)]
    }

    /// Counts one.
    pub fn count(&mut self, kind: &'static str, outcome: &Outcome) {
        let counts = match outcome {
            Outcome::Added => &mut self.added,
            Outcome::Changed => &mut self.changed,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Refused(..) => &mut self.refused,
        };
        *counts.entry(kind).or_default() += 1;
    }
}

/// As what a line is counted that could not be read at all.
pub const LINE: &str = "line";

/// As what a file is counted that was not read, or not whole.
pub const FILE: &str = "file";

/// So many of what [`Counts`] counts, in words.
#[must_use]
pub fn counted(kind: &str, n: u64, figure: &str) -> String {
    match (kind, n) {
        (LINE, 1) => format!("{figure} line that could not be read"),
        (LINE, _) => format!("{figure} lines that could not be read"),
        (FILE, 1) => format!("{figure} file that was not read whole"),
        (FILE, _) => format!("{figure} files that were not read whole"),
        (kind, _) => format!("{figure} of kind {kind}"),
    }
}

/// How an account stands to the customer that its address belongs to, where it has no organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The customer's name.
    pub customer: String,
    /// The administrator's address, of which only that one's colleagues can tell whose it is; none where the record has none.
    pub administrator: Option<String>,
    /// Whether they were reminded within a day.
    pub reminded: bool,
}

/// An entitlement, as the tab shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntitlementView {
    /// The operator's number for it.
    pub number: String,
    /// Its name.
    pub name: String,
    /// May be empty.
    pub tier: String,
    /// The product families.
    pub products: Vec<String>,
    /// May be empty.
    pub support_level: String,
    /// The first moment of it.
    pub starts_at: Timestamp,
    /// The first moment after it.
    pub ends_at: Timestamp,
    /// How many units were bought.
    pub units_total: i64,
    /// How many of them are used.
    pub units_used: i64,
    /// How it stands by the clock.
    pub standing: Standing,
}

/// How an entitlement stands by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not begun.
    Coming,
    /// It holds.
    Active,
    /// It holds for no more than [`SOON`] days.
    EndsSoon,
    /// It is over.
    Ended,
}

/// For how many days before its end an entitlement stands out.
pub const SOON: i64 = 30;

impl Standing {
    /// How a span stands at a moment.
    #[must_use]
    pub fn of(starts_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Self {
        if now >= ends_at {
            Self::Ended
        } else if now < starts_at {
            Self::Coming
        } else if ends_at.plus(-SOON * DAY) <= now {
            Self::EndsSoon
        } else {
            Self::Active
        }
    }
}

/// A contact, as the tab shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactView {
    /// The name.
    pub name: String,
    /// What the person is for the customer.
    pub title: String,
    /// The address.
    pub email: String,
    /// May be empty.
    pub phone: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, fields: &[(&str, &str)]) -> Result<Record, FieldErrors> {
        let mut raw = Raw::new(kind);
        fields.iter().for_each(|(name, value)| raw.put(name, (*value).to_owned()));
        raw.parse()
    }

    #[test]
    fn records_are_read_and_what_is_wrong_is_said_of_each_field() {
        let customer = read(Kind::Customer, &[("number", " C1 "), ("name", "Acme"), ("domain", "@Acme.Example")]).expect("right");
        assert_eq!(
            customer,
            Record::Customer { number: "C1".into(), name: "Acme".into(), domain: Some("acme.example".into()), administrator: None }
        );
        let wrong = |kind, fields: &[(&str, &str)]| {
            let mut fields: Vec<String> = read(kind, fields).expect_err("wrong").0.into_iter().map(|(field, _)| field).collect();
            fields.dedup();
            fields
        };
        assert_eq!(
            wrong(Kind::Customer, &[("number", ""), ("name", "\u{1b}"), ("domain", "gmail.com"), ("administrator", "x")]),
            ["number", "name", "domain", "administrator"]
        );
        assert_eq!(wrong(Kind::Customer, &[("number", "C1"), ("name", "Acme"), ("colour", "red")]), ["colour"]);
        let said = |kind, fields: &[(&str, &str)]| read(kind, fields).expect_err("wrong").0.remove(0).1;
        let role = said(Kind::Person, &[("email", "a@x.example"), ("customer", "C1"), ("role", "Owner")]);
        assert_eq!(role, "It has to be Admin or Technical user: “Owner”");
        assert_eq!(said(Kind::Customer, &[("number", "C1"), ("name", " ")]), "It is missing");
        assert_eq!(said(Kind::Person, &[("customer", "C1")]), "It is missing");
        let long = "x".repeat(300);
        let long = said(Kind::Customer, &[("number", "C1"), ("name", long.as_str())]);
        assert_eq!(long, format!("It can have 255 characters at most: “{}…”", "x".repeat(60)));
        let hidden = said(Kind::Customer, &[("number", "C1"), ("name", "a\u{202e}b")]);
        assert!(hidden.ends_with(": “a b”"), "{hidden}");
        assert_eq!(wrong(Kind::Person, &[("email", "nonsense"), ("role", "King")]), ["customer", "email", "role"]);
        assert_eq!(
            wrong(
                Kind::Entitlement,
                &[("number", "E1"), ("customer", "C1"), ("name", "Gold"), ("start", "2026-02-30"), ("end", "x"), ("units_total", "-1")]
            ),
            ["start", "end", "units_total"]
        );
        assert_eq!(
            wrong(
                Kind::Entitlement,
                &[("number", "E1"), ("customer", "C1"), ("name", "Gold"), ("start", "2026-02-03"), ("end", "2026-02-01")]
            ),
            ["end"]
        );
    }

    #[test]
    fn an_entitlement_stands_by_the_clock() {
        let (start, end) = (Timestamp(0), Timestamp(100 * DAY));
        for (day, standing) in
            [(-1, Standing::Coming), (0, Standing::Active), (69, Standing::Active), (70, Standing::EndsSoon), (100, Standing::Ended)]
        {
            assert_eq!(Standing::of(start, end, Timestamp(day * DAY)), standing, "{day}");
        }
    }
}
