//! What ServiceNow's records are in the portal's words.

use crate::{
    config::Config,
    customers::Kind,
    tickets::store::OfDesk,
    words::{MessageId, SECOND, TicketId, Timestamp, is_forbidden_in_names},
};

/// A record as the instance gives it: its fields, and the texts in them.
pub type Row = std::collections::BTreeMap<String, String>;

/// How far a table was read: the record's `sys_updated_on` (as the instance writes it, in UTC) and its `sys_id`. Records
/// are read in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// `2026-11-24 09:30:00`; empty before the first record.
    pub updated_on: String,
    /// 32 hexadecimal digits; empty before the first record of that second.
    pub sys_id: String,
}

impl Position {
    /// Where a record stands; nothing where it does not say.
    #[must_use]
    pub fn of(source: &Source, row: &Row) -> Option<Self> {
        let (updated_on, sys_id) = (row.get(source.order)?, row.get("sys_id")?);
        (moment(updated_on).is_some() && is_sys_id(sys_id)).then(|| Self { updated_on: updated_on.clone(), sys_id: sys_id.clone() })
    }

    /// The place from which is read again what may have come late: a record gets its time before the transaction that
    /// wrote it ends, and may be seen only after one with a later time was.
    #[must_use]
    pub fn back(&self, micros: i64) -> Self {
        let updated_on = moment(&self.updated_on).map(|at| written(at.plus(-micros))).unwrap_or_default();
        Self { updated_on, sys_id: String::new() }
    }
}

/// Whether a text can be a record's identifier, and nothing else of a query.
#[must_use]
pub fn is_sys_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Reads a moment as the instance writes it, `2026-11-24 09:30:00` in UTC.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(' ')?;
    let mut parts = time.splitn(3, ':').map(|part| part.parse::<i64>().ok().filter(|_| part.len() == 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let in_range = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
    in_range.then_some(())?;
    // A leap second is the last one again.
    Some(Timestamp::of_date(date)?.plus((hour * 3600 + minute * 60 + second.min(59)) * SECOND))
}

/// Writes a moment as the instance does.
#[must_use]
pub fn written(at: Timestamp) -> String {
    at.rfc3339().replace('T', " ").replace('Z', "")
}

/// What a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Records of customers.
    Records(Kind),
    /// Cases, which are tickets.
    Cases,
    /// Entries of journals, which are the messages of tickets.
    Comments,
}

impl Holds {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records(kind) => kind.name(),
            Self::Cases => "ticket",
            Self::Comments => "message",
        }
    }
}

/// A table that is read, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub table: String,
    /// What it holds.
    pub holds: Holds,
    /// The field by whose time it is read: when a record was changed, or made, where none is ever changed.
    pub order: &'static str,
    /// Whether the words for its choices are asked for beside their values.
    pub words: bool,
    /// The fields that are asked for.
    pub fields: Vec<String>,
    /// A condition on its records, as an encoded query; may be empty.
    pub condition: String,
}

/// The tables to read, each after those that it refers to.
#[must_use]
pub fn sources(config: &Config) -> Vec<Source> {
    let mut all = Vec::new();
    let mut add = |table: &Option<String>, kind, fields: Vec<String>, needed: &[&str]| {
        if let Some(table) = table {
            let condition =
                needed.iter().filter(|field| !field.is_empty()).map(|field| format!("{field}ISNOTEMPTY")).collect::<Vec<_>>().join("^");
            let mut asked = vec!["sys_id".to_owned(), "sys_updated_on".to_owned()];
            for field in fields {
                if !asked.contains(&field) {
                    asked.push(field);
                }
            }
            all.push(Source {
                table: table.clone(),
                holds: Holds::Records(kind),
                order: "sys_updated_on",
                words: false,
                fields: asked,
                condition,
            });
        }
    };
    let own = |fields: &crate::config::Fields, but: &str| fields.all().filter(|field| *field != but).map(str::to_owned).collect::<Vec<_>>();
    add(&config.servicenow_accounts, Kind::Customer, own(&config.servicenow_account_fields, ""), &[]);
    for (table, fields, kind) in [
        (&config.servicenow_contacts, &config.servicenow_contact_fields, Kind::Person),
        (&config.servicenow_entitlements, &config.servicenow_entitlement_fields, Kind::Entitlement),
    ] {
        let account = fields.get("account");
        let mut asked = own(fields, account);
        asked.push(customer_field(config, account));
        // Who or what belongs to no account is no customer's: partners, consumers, the operator's own.
        let email = if kind == Kind::Person { fields.get("email") } else { "" };
        add(table, kind, asked, &[account, email]);
    }
    if let Some(table) = &config.servicenow_cases {
        let f = &config.servicenow_case_fields;
        let mut fields: Vec<String> = ["sys_id", "sys_updated_on", "number", "correlation_id"].map(str::to_owned).into();
        fields.extend(f.all().filter(|field| *field != f.get("account") && *field != f.get("contact")).map(str::to_owned));
        fields.extend([
            customer_field(config, f.get("account")),
            format!("{}.name", f.get("contact")),
            format!("{}.email", f.get("contact")),
        ]);
        let condition = format!("{}ISNOTEMPTY", f.get("account"));
        all.push(Source { table: table.clone(), holds: Holds::Cases, order: "sys_updated_on", words: true, fields, condition });
        let fields = ["sys_id", "sys_created_on", "sys_created_by", "element_id", "value"].map(str::to_owned).into();
        let condition = format!("element=comments^name={table}");
        all.push(Source {
            table: "sys_journal_field".to_owned(),
            holds: Holds::Comments,
            order: "sys_created_on",
            words: false,
            fields,
            condition,
        });
    }
    all
}

/// A case, and whose it is.
#[derive(Clone, Debug)]
pub struct Case {
    /// As a ticket.
    pub ticket: OfDesk,
    /// The customer's number.
    pub customer: String,
    /// The ticket of the portal's that it was made of, if it was.
    pub ours: Option<TicketId>,
    /// When it was opened.
    pub opened_at: Option<Timestamp>,
}

/// Reads a case.
#[must_use]
pub fn case(config: &Config, row: &Row) -> Case {
    let f = &config.servicenow_case_fields;
    let text = |field: &str| row.get(field).map(|text| text.trim().to_owned()).unwrap_or_default();
    let word =
        |name: &str| Some(text(&format!("{} in words", f.get(name)))).filter(|word| !word.is_empty()).unwrap_or_else(|| text(f.get(name)));
    let line = |given: String| {
        given.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !is_forbidden_in_names(*c)).take(255).collect::<String>()
    };
    let subject = line(text(f.get("subject")));
    let (sys_id, contact) = (text("sys_id"), f.get("contact"));
    let url = config.servicenow_case_url.replace("{sys_id}", &sys_id);
    let url = match &config.servicenow_url {
        Some(instance) if url.starts_with('/') => format!("{}{url}", instance.as_str().trim_end_matches('/')),
        _ => url,
    };
    Case {
        customer: text(&customer_field(config, f.get("account"))),
        ours: text("correlation_id").parse().ok(),
        opened_at: moment(&text(f.get("opened"))),
        ticket: OfDesk {
            external_id: sys_id,
            number: line(text("number")).chars().take(40).collect(),
            requester_name: line(text(&format!("{contact}.name"))),
            requester_email: line(text(&format!("{contact}.email"))),
            product: line(text(f.get("product"))),
            subject: if subject.is_empty() { "(no subject)".to_owned() } else { subject },
            description: long(&text(f.get("description"))),
            priority: line(word("priority")),
            state: line(word("state")),
            department: line(text(f.get("department"))),
            category: line(word("category")),
            url,
        },
    }
}

/// A comment on a case.
#[derive(Clone, Debug)]
pub struct Comment {
    /// The entry.
    pub external_id: String,
    /// The case.
    pub case: String,
    /// The name of the user who wrote it, which may be an address.
    pub by: String,
    /// What was written.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// Reads a comment; nothing where it is none.
#[must_use]
pub fn comment(row: &Row) -> Option<Comment> {
    let text = |field: &str| row.get(field).map(|text| text.trim().to_owned()).unwrap_or_default();
    let body = long(&text("value"));
    let at = moment(&text("sys_created_on"))?;
    (!body.is_empty()).then(|| Comment { external_id: text("sys_id"), case: text("element_id"), by: text("sys_created_by"), body, at })
}

fn long(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_forbidden_in_names(*c)).take(crate::tickets::MAX_TEXT).collect()
}

/// By what a message of the portal's is known in the desk: its last line there.
#[must_use]
pub fn mark(message: MessageId) -> String {
    format!("[portal:{message}]")
}

/// The message of the portal's that a comment is.
#[must_use]
pub fn marked(body: &str) -> Option<MessageId> {
    body.trim_end().strip_suffix(']')?.rsplit_once("[portal:")?.1.parse().ok()
}

/// The field by which a record names its customer: the number of the account that it refers to.
fn customer_field(config: &Config, account: &str) -> String {
    format!("{account}.{}", config.servicenow_account_fields.get("number"))
}

/// A record in the portal's fields, as a line of an import has them. Nothing for one that is not to be taken: a contact
/// who is no longer active.
#[must_use]
pub fn fields(config: &Config, kind: Kind, row: &Row) -> Option<Vec<(String, String)>> {
    let text = |field: &str| row.get(field).map(|text| text.trim().to_owned()).unwrap_or_default();
    let pair = |name: &str, value: String| (name.to_owned(), value);
    match kind {
        Kind::Customer => {
            let f = &config.servicenow_account_fields;
            Some(vec![
                pair("number", text(f.get("number"))),
                pair("name", text(f.get("name"))),
                pair("domain", domain(&text(f.get("domain")))),
                pair("administrator", text(f.get("administrator"))),
            ])
        }
        Kind::Person => {
            let f = &config.servicenow_contact_fields;
            if !f.get("active").is_empty() && text(f.get("active")) == "false" {
                return None;
            }
            Some(vec![
                pair("email", text(f.get("email"))),
                pair("customer", text(&customer_field(config, f.get("account")))),
                pair("role", text(f.get("role"))),
            ])
        }
        Kind::Entitlement => {
            let f = &config.servicenow_entitlement_fields;
            let number = Some(text(f.get("number"))).filter(|number| !number.is_empty()).unwrap_or_else(|| text("sys_id"));
            let (total, left) = (units(&text(f.get("units_total"))), units(&text(f.get("units_left"))));
            let used = match (total.parse::<i64>(), left.parse::<i64>()) {
                (Ok(total), Ok(left)) => (total - left).max(0).to_string(),
                _ => String::new(),
            };
            Some(vec![
                pair("number", number),
                pair("customer", text(&customer_field(config, f.get("account")))),
                pair("name", text(f.get("name"))),
                pair("tier", text(f.get("tier"))),
                pair("products", text(f.get("products"))),
                pair("support_level", text(f.get("support_level"))),
                pair("start", day(&text(f.get("start")))),
                pair("end", day(&text(f.get("end")))),
                pair("units_total", total),
                pair("units_used", used),
            ])
        }
        // Cases and comments are tickets and messages that live on, and are mirrored.
        Kind::Contact | Kind::Ticket | Kind::Message => None,
    }
}

/// A mail domain out of what may be a web address: `https://www.acme.example/de` is `acme.example`.
fn domain(text: &str) -> String {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or_default().to_lowercase();
    host.strip_prefix("www.").unwrap_or(&host).to_owned()
}

/// The day of a date, or of a date with a time.
fn day(text: &str) -> String {
    moment(text).map_or_else(|| text.to_owned(), Timestamp::iso_date)
}

/// A number of units, which may be written with decimals: `10.00` is 10. What is no number is left for the import to say so.
fn units(text: &str) -> String {
    match text.replace(',', "").split_once('.') {
        Some((whole, part)) if part.bytes().all(|b| b.is_ascii_digit()) => whole.to_owned(),
        _ => text.replace(',', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written_as_the_instance_does() {
        assert_eq!(moment("2026-11-24 09:30:05").map(written).as_deref(), Some("2026-11-24 09:30:05"));
        assert_eq!(moment("9999-12-31 23:59:60").map(written).as_deref(), Some("9999-12-31 23:59:59"));
        for wrong in ["", "2026-11-24", "2026-11-24T09:30:05", "2026-11-24 24:00:00", "2026-11-24 9:30:05", "2026-02-30 00:00:00", "x y"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
        let position = Position { updated_on: "2026-03-01 00:00:30".into(), sys_id: "a".repeat(32) };
        assert_eq!(position.back(60 * SECOND), Position { updated_on: "2026-02-28 23:59:30".into(), sys_id: String::new() });
        assert_eq!(Position::default().back(60 * SECOND), Position::default());
    }

    #[test]
    fn domains_come_out_of_web_addresses_and_units_out_of_decimals() {
        for (text, expected) in [
            ("https://www.Acme.example/de?x", "acme.example"),
            ("acme.example:443", "acme.example"),
            ("acme.example", "acme.example"),
            ("", ""),
        ] {
            assert_eq!(domain(text), expected);
        }
        for (text, expected) in [("10", "10"), ("10.00", "10"), ("1,000", "1000"), ("ten", "ten"), ("", "")] {
            assert_eq!(units(text), expected);
        }
        assert_eq!(day("2026-11-24 09:30:05"), "2026-11-24");
        assert_eq!(day("2026-11-24"), "2026-11-24");
    }

    #[test]
    fn only_what_differs_is_configured() {
        let given = [("servicenow_account_fields", "number=u_nr, domain=u_domain"), ("servicenow_entitlements", "")];
        let config = Config::read(&given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()).expect("right");
        let all = sources(&config);
        let tables = all.iter().map(|source| source.table.as_str()).collect::<Vec<_>>();
        assert_eq!(tables, ["customer_account", "customer_contact", "sn_customerservice_case", "sys_journal_field"]);
        assert_eq!(all[0].fields, ["sys_id", "sys_updated_on", "primary_contact.email", "u_domain", "name", "u_nr"]);
        assert!(all[1].fields.contains(&"account.u_nr".to_owned()) && !all[1].fields.contains(&"account".to_owned()), "{all:?}");
        assert_eq!(all[1].condition, "accountISNOTEMPTY^emailISNOTEMPTY");
        for wrong in ["nummer=x", "number=x^y", "number"] {
            assert!(Config::read(&[("servicenow_account_fields".to_owned(), wrong.to_owned())].into()).is_err(), "{wrong}");
        }
    }
}
