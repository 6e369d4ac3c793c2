//! Files to import: customers who do not exist, with their people, contacts, entitlements and tickets.
//!
//! The same plan and day give the same bytes. Customer by customer goes to the disk: memory does not grow with their number.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use serde_json::json;

use super::names::{Dice, FIRST_WORDS, KINDS, LAST_WORDS, NAMES};
use crate::{
    actor::full_name,
    words::{DAY, HOUR, MINUTE, Timestamp},
};

/// How much is generated.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many customers.
    pub customers: u64,
    /// The most tickets that a customer has.
    pub tickets: u64,
    /// What all that looks random is made from.
    pub seed: u64,
}

/// Writes the files into a folder, which is made where it is not there. Gives the number of their records.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(folder: &Path, plan: Plan, day: Timestamp) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    // The whole day gives the same bytes.
    let today = Timestamp(day.0.div_euclid(DAY) * DAY);
    let mut files = Files::create(folder).map_err(failed)?;
    let mut dice = Dice(plan.seed);
    let staff: Vec<Contact> = (0..40).map(|n| contact(&mut dice, n)).collect();
    for n in 0..plan.customers {
        files.customer(&mut dice, n, plan, today, &staff).map_err(failed)?;
    }
    files.finish().map_err(failed)
}

/// Somebody of the vendor's.
struct Contact {
    email: String,
    name: String,
    title: &'static str,
    phone: String,
}

/// One of a customer's people.
struct Person {
    email: String,
    name: String,
}

type Csv = csv::Writer<BufWriter<File>>;

struct Files {
    customers: Csv,
    people: Csv,
    contacts: Csv,
    entitlements: Csv,
    tickets: BufWriter<File>,
    persons: u64,
    numbered: u64,
    rows: u64,
}

impl Files {
    fn create(folder: &Path) -> std::io::Result<Self> {
        let create = |name: &str| Ok::<_, std::io::Error>(BufWriter::new(File::create(folder.join(name))?));
        let csv = |name: &str, header: &[&str]| {
            let mut file = csv::Writer::from_writer(create(name)?);
            file.write_record(header)?;
            Ok::<_, std::io::Error>(file)
        };
        Ok(Self {
            customers: csv("customers.csv", &["number", "name", "domain", "administrator"])?,
            people: csv("people.csv", &["email", "customer", "role"])?,
            contacts: csv("contacts.csv", &["email", "customer", "name", "title", "phone"])?,
            entitlements: csv(
                "entitlements.csv",
                &["number", "customer", "name", "tier", "products", "support_level", "start", "end", "units_total", "units_used"],
            )?,
            tickets: create("tickets.jsonl")?,
            persons: 0,
            numbered: 0,
            rows: 0,
        })
    }

    fn finish(mut self) -> std::io::Result<u64> {
        for mut file in [self.customers, self.people, self.contacts, self.entitlements] {
            file.flush()?;
        }
        self.tickets.flush()?;
        Ok(self.rows)
    }

    fn customer(&mut self, dice: &mut Dice, n: u64, plan: Plan, today: Timestamp, staff: &[Contact]) -> std::io::Result<()> {
        let number = format!("C{:07}", n + 1);
        let (first, last, kind) = (dice.pick(FIRST_WORDS), dice.pick(LAST_WORDS), dice.pick(KINDS));
        // A few have no mail domain of their own, and a few no administrator yet.
        let own = (dice.below(12) > 0).then(|| format!("{}-{n}.example", last.to_lowercase()));
        let domain = own.as_deref().unwrap_or("mail.example");
        let administrator = self.person(dice, domain);
        let named = if dice.below(40) == 0 { "" } else { administrator.email.as_str() };
        let name = format!("{first} {last} {kind}");
        self.customers.write_record([number.as_str(), name.as_str(), own.as_deref().unwrap_or_default(), named])?;
        self.rows += 1;

        let mut people = vec![administrator];
        for _ in 0..dice.below(4) {
            let person = self.person(dice, domain);
            let role = if dice.below(8) == 0 { "Admin" } else { "Technical user" };
            self.people.write_record([person.email.as_str(), number.as_str(), role])?;
            people.push(person);
            self.rows += 1;
        }
        // Two different ones, where there are two.
        let at = dice.below(staff.len() as u64);
        for more in 0..=u64::from(dice.below(4) == 0) {
            let contact = &staff[usize::try_from((at + more) % staff.len() as u64).unwrap_or(0)];
            self.contacts.write_record([
                contact.email.as_str(),
                number.as_str(),
                contact.name.as_str(),
                contact.title,
                contact.phone.as_str(),
            ])?;
            self.rows += 1;
        }
        let mut products = Vec::new();
        for nth in 0..=u64::from(dice.below(4) == 0) {
            let family = self.entitlement(dice, &number, nth, today)?;
            products.push(family);
        }
        for _ in 0..dice.below(plan.tickets.saturating_add(1)) {
            let (product, requester) = (dice.pick(&products), &people[usize::try_from(dice.below(people.len() as u64)).unwrap_or(0)]);
            self.ticket(dice, &number, product, requester, today, staff)?;
        }
        Ok(())
    }

    fn person(&mut self, dice: &mut Dice, domain: &str) -> Person {
        let names = dice.pick(NAMES);
        let (first, last) = (dice.pick(names.first), dice.pick(names.last));
        self.persons += 1;
        Person { email: format!("{}.{}.{}@{domain}", first.1, last.1, self.persons), name: full_name(first.0, last.0) }
    }

    /// Gives the first of its product families.
    fn entitlement(&mut self, dice: &mut Dice, customer: &str, nth: u64, today: Timestamp) -> std::io::Result<&'static str> {
        let (tier, level) = dice.pick(TIERS);
        let at = dice.below(FAMILIES.len() as u64);
        let families: Vec<&str> =
            (0..=dice.below(3)).map(|more| FAMILIES[usize::try_from((at + more) % FAMILIES.len() as u64).unwrap_or(0)]).collect();
        let years = 1 + dice.below(3);
        // Some are over, some end soon, most go on.
        let left = match dice.below(10) {
            0 => -days(dice.below(700)) - 1,
            1 => days(dice.below(30)),
            _ => 31 + days(dice.below(years * 365 - 31)),
        };
        let (start, end) = (today.plus((left - days(years * 365)) * DAY), today.plus(left * DAY));
        let total = 1 + dice.below(200);
        let used = dice.below(total + 1);
        let record = [
            format!("E{}-{}", &customer[1..], nth + 1),
            customer.to_owned(),
            format!("{tier} support for {}", families[0]),
            tier.to_owned(),
            families.join("; "),
            level.to_owned(),
            start.iso_date(),
            end.iso_date(),
            total.to_string(),
            used.to_string(),
        ];
        self.entitlements.write_record(&record)?;
        self.rows += 1;
        Ok(families[0])
    }

    fn ticket(
        &mut self,
        dice: &mut Dice,
        customer: &str,
        product: &str,
        requester: &Person,
        today: Timestamp,
        staff: &[Contact],
    ) -> std::io::Result<()> {
        self.numbered += 1;
        let number = format!("CS{:07}", self.numbered);
        let (what, told, category) = dice.pick(PROBLEMS);
        let (state, over) = dice.pick(STATES);
        // What is open is young.
        let age = if over { 20 + days(dice.below(500)) } else { 1 + days(dice.below(19)) };
        let created = today.plus(-age * DAY + days(dice.below(24 * 60)) * MINUTE);
        let mut at = created;
        let mut messages = Vec::new();
        for id in 1..=dice.below(6) {
            at = at.plus(20 * MINUTE + days(dice.below(90)) * HOUR / 10);
            let staffs = id % 2 == 1;
            let (side, author, body) = if staffs {
                ("staff", staff[usize::try_from(dice.below(staff.len() as u64)).unwrap_or(0)].name.as_str(), dice.pick(ANSWERS))
            } else {
                ("customer", requester.name.as_str(), dice.pick(REPLIES))
            };
            messages.push(json!({ "kind": "message", "ticket": number, "id": format!("M{id}"), "author_name": author, "side": side, "body": body, "at": at.rfc3339() }));
        }
        let ticket = json!({
            "kind": "ticket",
            "number": number,
            "customer": customer,
            "subject": format!("{product}: {what}"),
            "description": told,
            "priority": dice.pick(PRIORITIES),
            "state": state,
            "department": dice.pick(DEPARTMENTS),
            "category": category,
            "product": product,
            "requester_name": requester.name,
            "requester_email": requester.email,
            "created": created.rfc3339(),
            "updated": at.rfc3339(),
            "url": format!("https://desk.vendor.example/tickets/{number}"),
        });
        for line in std::iter::once(&ticket).chain(&messages) {
            serde_json::to_writer(&mut self.tickets, line)?;
            self.tickets.write_all(b"\n")?;
            self.rows += 1;
        }
        Ok(())
    }
}

/// A small number of days, hours or minutes, with a sign.
fn days(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(0)
}

fn contact(dice: &mut Dice, n: u64) -> Contact {
    let names = dice.pick(NAMES);
    let (first, last) = (dice.pick(names.first), dice.pick(names.last));
    Contact {
        email: format!("{}.{}.{n}@vendor.example", first.1, last.1),
        name: full_name(first.0, last.0),
        title: dice.pick(TITLES),
        phone: if dice.below(5) == 0 { String::new() } else { format!("+1 555 01{:02} {:04}", n % 100, dice.below(10_000)) },
    }
}

const TITLES: &[&str] = &["Customer success manager", "Technical account manager", "Account executive", "Support manager"];

/// With the hours in which each is there.
const TIERS: &[(&str, &str)] = &[
    ("Standard", "Business hours"),
    ("Advanced", "24/7, first answer in 4 hours"),
    ("Premium", "24/7, first answer in 1 hour"),
    ("Platinum", "24/7, first answer in 15 minutes"),
];

const FAMILIES: &[&str] = &["MySQL", "MongoDB", "PostgreSQL", "PMM", "Kubernetes operators", "XtraDB Cluster", "XtraBackup", "Valkey"];

const PRIORITIES: &[&str] =
    &["P1 - Critical", "P2 - High", "P3 - Normal", "P3 - Normal", "P3 - Normal", "P4 - Low", "P4 - Low", "3 - Moderate"];

/// A desk's words for a state, and whether the ticket is over by then.
const STATES: &[(&str, bool)] = &[
    ("New", false),
    ("In Progress", false),
    ("Pending - Awaiting Customer", false),
    ("Pending - Awaiting Engineering", false),
    ("Resolved", true),
    ("Closed", true),
    ("Closed", true),
    ("Closed - Cancelled", true),
];

const DEPARTMENTS: &[&str] = &["Support", "Support", "Support", "Managed services", "Consulting", "Billing"];

/// What is wrong, in a line and at length, and the desk's category for it.
const PROBLEMS: &[(&str, &str, &str)] = &[
    (
        "replica falls behind under load",
        "Since the upgrade one replica is **minutes behind** its source.\n\nIt began on Monday, at about 09:00.",
        "Replication",
    ),
    (
        "backup ends with an error",
        "The nightly backup ends with\n\n```\nxtrabackup: error: log block numbers mismatch\n```\n\nThe one of the day before was fine.",
        "Backup",
    ),
    (
        "slow queries after the upgrade",
        "Several queries that took 20 ms take seconds now. The plan is attached to none of them yet; tell us what you need.",
        "Performance",
    ),
    ("node does not join the cluster", "A node that was restarted does not join again: *state transfer failed*.", "High availability"),
    (
        "operator keeps restarting a pod",
        "The pod of the second member is restarted every few minutes:\n\n- no change of ours\n- 12 restarts since noon",
        "Kubernetes",
    ),
    ("monitoring shows no data", "The dashboards are empty since yesterday, the agents say they are connected.", "Monitoring"),
    ("question about encryption at rest", "Which of the keys can be rotated while the server runs?", "Question"),
    (
        "out of memory on the primary",
        "The kernel ended the server twice this week. Memory grows slowly, and never comes back.",
        "Stability",
    ),
    ("privileges after a restore", "After a restore some accounts have no privileges.", "Security"),
    ("planning an upgrade", "We plan the next major upgrade for the spring and would like to have the plan looked at.", "Consulting"),
];

const ANSWERS: &[&str] = &[
    "Thank you for the report. Could you send us the error log of the last hour?",
    "We could reproduce it. As a workaround set the variable back to its former value:\n\n```\nSET GLOBAL innodb_flush_neighbors = 0;\n```",
    "This is fixed in the next release, which is due this month.",
    "The plan looks good to us. Take a backup before the second step.",
    "We have found the cause: two settings that do not go together. Which of the two do you need?",
];

const REPLIES: &[&str] = &[
    "The log is attached to the mail that we sent on Friday.",
    "That helped, thank you!",
    "It happened again tonight, at 02:14 UTC.",
    "Could this be treated as urgent? Our customers begin to notice.",
    "We do not need the first one any more.",
];
