//! All SQL of customers, their people, contacts and entitlements.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::{
    db::Connected,
    guard::{Authority, Importing},
    list::sql::{Column, Filter, Indexed, Key, Keyed, ListSpec, ListSql, WHOLE},
    permissions::Permit,
    sql,
    words::{AccountId, CustomerId, Email, OrganizationId, Timestamp, fold},
};

/// A customer.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The operator's number for it.
    pub number: String,
    /// Its name.
    pub name: String,
    /// Its own mail domain.
    pub domain: Option<String>,
    /// The organization that is linked to it.
    pub organization_id: Option<OrganizationId>,
    /// When that was recreated; it may be gone again.
    pub recreated_at: Option<Timestamp>,
    /// When its administrator was last reminded.
    pub reminded_at: Option<Timestamp>,
}

/// A customer by its number.
///
/// # Errors
/// The database's.
pub async fn by_number(db: &mut impl Connected, number: &str) -> Result<Option<Customer>, sqlx::Error> {
    sql!(
        optional as Customer,
        db,
        "SELECT id, number, name, domain, organization_id, recreated_at, reminded_at FROM customers WHERE number = $1",
        number
    )
}

/// A customer.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut impl Connected, id: CustomerId) -> Result<Option<Customer>, sqlx::Error> {
    sql!(
        optional as Customer,
        db,
        "SELECT id, number, name, domain, organization_id, recreated_at, reminded_at FROM customers WHERE id = $1",
        id
    )
}

/// The customer that an organization is linked to.
///
/// # Errors
/// The database's.
pub async fn of_organization(db: &mut impl Connected, organization: OrganizationId) -> Result<Option<Customer>, sqlx::Error> {
    sql!(
        optional as Customer,
        db,
        "SELECT id, number, name, domain, organization_id, recreated_at, reminded_at FROM customers WHERE organization_id = $1",
        organization
    )
}

/// The product families that a customer has bought, in their order.
///
/// # Errors
/// The database's.
pub async fn products(db: &mut impl Connected, customer: CustomerId) -> Result<Vec<String>, sqlx::Error> {
    let rows: Vec<(String,)> =
        sql!(all as (String,), db, "SELECT products FROM entitlements WHERE customer_id = $1 ORDER BY ends_at DESC LIMIT 1000", customer)?;
    let mut products: Vec<String> = rows.iter().flat_map(|(products,)| products.lines().map(str::to_owned)).collect();
    products.sort_unstable();
    products.dedup();
    Ok(products)
}

/// Takes the lock of a customer's row: in no other unit that takes it is its organization recreated until this one ends.
///
/// # Errors
/// The database's.
pub async fn lock(db: &mut impl Connected, id: CustomerId) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE customers SET revision = revision + 1 WHERE id = $1", id)?;
    Ok(())
}

/// One of a customer's people.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Person {
    /// Of which customer.
    pub customer_id: CustomerId,
    /// The address.
    pub email: Email,
    /// The role's name.
    pub role: String,
    /// Whether this one's sign-in recreates the organization.
    pub administrator: bool,
}

/// The person of an address.
///
/// # Errors
/// The database's.
pub async fn person(db: &mut impl Connected, email_key: &str) -> Result<Option<Person>, sqlx::Error> {
    sql!(optional as Person, db, "SELECT customer_id, email, role, administrator FROM customer_people WHERE email_key = $1", email_key)
}

/// The administrator of a customer.
///
/// # Errors
/// The database's.
pub async fn administrator(db: &mut impl Connected, customer: CustomerId) -> Result<Option<Email>, sqlx::Error> {
    let row: Option<(Email,)> =
        sql!(optional as (Email,), db, "SELECT email FROM customer_people WHERE customer_id = $1 AND administrator", customer)?;
    Ok(row.map(|(email,)| email))
}

/// The people that the record names who have an account and are in no organization, but for one of them.
///
/// # Errors
/// The database's.
pub async fn waiting(db: &mut impl Connected, customer: CustomerId, but: AccountId) -> Result<Vec<(Email,)>, sqlx::Error> {
    sql!(
        all as (Email,),
        db,
        "SELECT a.email FROM customer_people p JOIN accounts a ON a.email_key = p.email_key
        WHERE p.customer_id = $1 AND a.id <> $2 AND NOT EXISTS (SELECT 1 FROM members m WHERE m.account_id = a.id)
        ORDER BY a.email_key LIMIT 1000",
        customer,
        but
    )
}

/// The customer of a mail domain.
///
/// # Errors
/// The database's.
pub async fn by_domain(db: &mut impl Connected, domain: &str) -> Result<Option<CustomerId>, sqlx::Error> {
    let row: Option<(CustomerId,)> = sql!(optional as (CustomerId,), db, "SELECT id FROM customers WHERE domain = $1", domain)?;
    Ok(row.map(|(id,)| id))
}

/// Links an organization to a customer: the one that was recreated of it, or one that was there.
///
/// # Errors
/// The database's; a unique violation where it is linked to another.
pub async fn link<P: Permit>(
    db: &mut impl Connected,
    authority: &impl Authority<P>,
    customer: CustomerId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE customers SET organization_id = $2, recreated_at = $3 WHERE id = $1", customer, authority.organization(), now)?;
    Ok(())
}

/// Makes somebody the administrator of a customer in place of whoever was.
///
/// # Errors
/// The database's.
pub async fn set_administrator(
    db: &mut impl Connected,
    id: Uuid,
    customer: CustomerId,
    email: &Email,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "UPDATE customer_people SET administrator = $2, changed_at = $3 WHERE customer_id = $1 AND administrator", customer, false, now)?;
    sql!(execute db, "INSERT INTO customer_people (id, customer_id, email, email_key, role, administrator, imported_at, changed_at) VALUES ($1, $2, $3, $4, 'Admin', $5, $6, $6)
        ON CONFLICT (email_key) DO UPDATE SET role = 'Admin', administrator = $5, changed_at = $6", id, customer, email.as_str(), email.key(), true, now)?;
    Ok(())
}

/// Notes that the administrator was reminded; `false` where that was done since a moment.
///
/// # Errors
/// The database's.
pub async fn remind(db: &mut impl Connected, customer: CustomerId, now: Timestamp, since: Timestamp) -> Result<bool, sqlx::Error> {
    let done = sql!(execute db, "UPDATE customers SET reminded_at = $2 WHERE id = $1 AND (reminded_at IS NULL OR reminded_at <= $3)", customer, now, since)?;
    Ok(done == 1)
}

/// A customer in the operators' list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Its id.
    pub id: CustomerId,
    /// The operator's number for it.
    pub number: String,
    /// Its name.
    pub name: String,
    /// The same, folded.
    pub name_key: String,
    /// Its own mail domain.
    pub domain: Option<String>,
    /// The organization that is linked to it.
    pub organization_id: Option<OrganizationId>,
    /// When that was recreated; it may be gone again.
    pub recreated_at: Option<Timestamp>,
    /// When the record came.
    pub imported_at: Timestamp,
    /// When it was last changed by an import.
    pub changed_at: Timestamp,
}

impl Keyed for Listed {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn key(&self, column: &str) -> Key {
        Key::Text(if column == "number" { self.number.clone() } else { self.name_key.clone() })
    }
}

/// All customers. Numbers are found in whatever case.
pub static LIST: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: "id, number, name, name_key, domain, organization_id, recreated_at, imported_at, changed_at",
        from: "customers",
        scope: WHOLE,
        id: "id",
        columns: &[
            Column { name: "name", key: "name_key", number: false, newest_first: false },
            Column { name: "number", key: "number", number: false, newest_first: false },
        ],
        searched: &["name_key", "lower(number)"],
        indexed: Some(Indexed { view: "customers_search", keys: "search_keys", within: "" }),
        filters: &[],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| LIST.texts(dialect), module: module_path!() } }

/// A customer as operators see it.
///
/// # Errors
/// The database's.
pub async fn listed(db: &mut impl Connected, id: CustomerId) -> Result<Option<Listed>, sqlx::Error> {
    sql!(
        optional as Listed,
        db,
        "SELECT id, number, name, name_key, domain, organization_id, recreated_at, imported_at, changed_at FROM customers WHERE id = $1",
        id
    )
}

/// The people of a customer, the administrator first, at most so many.
///
/// # Errors
/// The database's.
pub async fn people(db: &mut impl Connected, customer: CustomerId, most: i64) -> Result<Vec<Person>, sqlx::Error> {
    sql!(
        all as Person,
        db,
        "SELECT customer_id, email, role, administrator FROM customer_people WHERE customer_id = $1 ORDER BY administrator DESC, email_key LIMIT $2",
        customer,
        most
    )
}

/// What an import gives a customer.
#[derive(Clone, Debug)]
pub struct CustomerRow {
    /// The id, where it is new.
    pub id: Uuid,
    /// The operator's number for it.
    pub number: String,
    /// Its name.
    pub name: String,
    /// Its own mail domain.
    pub domain: Option<String>,
}

/// Puts customers in, or changes those of these numbers, one after the other: a domain that one gives up can be the next
/// one's. Gives the id of each number.
///
/// # Errors
/// The database's; a unique violation where another has a domain.
pub async fn put_customers(
    db: &mut impl Connected,
    _: &Importing,
    rows: &[CustomerRow],
    now: Timestamp,
) -> Result<Vec<(CustomerId, String)>, sqlx::Error> {
    sql!(
        insert as (CustomerId, String),
        db,
        "INSERT INTO customers (id, number, name, name_key, domain, imported_at, changed_at)",
        rows,
        |row| [row.id, row.number.as_str(), row.name.as_str(), fold(&row.name), row.domain.as_deref(), now, now],
        "ON CONFLICT (number) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, domain = excluded.domain, changed_at = excluded.changed_at RETURNING id, number"
    )
}

/// The customers of these numbers.
///
/// # Errors
/// The database's.
pub async fn by_numbers(db: &mut impl Connected, numbers: &[&str]) -> Result<Vec<Customer>, sqlx::Error> {
    sql!(
        among as Customer,
        db,
        "SELECT id, number, name, domain, organization_id, recreated_at, reminded_at FROM customers WHERE",
        numbers,
        |number| ["number" = *number]
    )
}

/// The customers of these mail domains: domain and number.
///
/// # Errors
/// The database's.
pub async fn by_domains(db: &mut impl Connected, domains: &[&str]) -> Result<Vec<(String, String)>, sqlx::Error> {
    sql!(among as (String, String), db, "SELECT domain, number FROM customers WHERE", domains, |domain| ["domain" = *domain])
}

/// What an import knows of a person who is there.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Known {
    /// Of which customer.
    pub number: String,
    /// The address.
    pub email: String,
    /// The same, in lower case.
    pub email_key: String,
    /// The role's name.
    pub role: String,
    /// Whether this one's sign-in recreates the organization.
    pub administrator: bool,
}

/// The people of these addresses.
///
/// # Errors
/// The database's.
pub async fn known_people(db: &mut impl Connected, keys: &[&str]) -> Result<Vec<Known>, sqlx::Error> {
    sql!(
        among as Known,
        db,
        "SELECT c.number, p.email, p.email_key, p.role, p.administrator FROM customer_people p JOIN customers c ON c.id = p.customer_id WHERE",
        keys,
        |key| ["p.email_key" = *key]
    )
}

/// The administrators of these customers.
///
/// # Errors
/// The database's.
pub async fn administrators(db: &mut impl Connected, customers: &[CustomerId]) -> Result<Vec<Known>, sqlx::Error> {
    sql!(
        among as Known,
        db,
        "SELECT c.number, p.email, p.email_key, p.role, p.administrator FROM customer_people p JOIN customers c ON c.id = p.customer_id WHERE p.administrator AND",
        customers,
        |id| ["p.customer_id" = *id]
    )
}

/// Takes the administrator from customers that get another one.
///
/// # Errors
/// The database's.
pub async fn unset_administrators(
    db: &mut impl Connected,
    _: &Importing,
    customers: &[CustomerId],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for customer in customers {
        sql!(execute db, "UPDATE customer_people SET administrator = $2, changed_at = $3 WHERE customer_id = $1 AND administrator", *customer, false, now)?;
    }
    Ok(())
}

/// What an import gives a person.
#[derive(Clone, Debug)]
pub struct PersonRow {
    /// The id, where it is new.
    pub id: Uuid,
    /// Of which customer.
    pub customer: CustomerId,
    /// The address.
    pub email: String,
    /// The same, in lower case.
    pub email_key: String,
    /// The role's name.
    pub role: String,
    /// Whether this one becomes or stays the administrator.
    pub administrator: bool,
}

/// Puts people in, or changes those of these addresses, each once. Who belongs to another customer stays as they are.
///
/// # Errors
/// The database's.
pub async fn put_people(db: &mut impl Connected, _: &Importing, rows: &[PersonRow], now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(insert db, "INSERT INTO customer_people (id, customer_id, email, email_key, role, administrator, imported_at, changed_at)", rows,
        |row| [row.id, row.customer, row.email.as_str(), row.email_key.as_str(), row.role.as_str(), row.administrator, now, now],
        "ON CONFLICT (email_key) DO UPDATE SET email = excluded.email, role = excluded.role, administrator = customer_people.administrator OR excluded.administrator, changed_at = excluded.changed_at WHERE customer_people.customer_id = excluded.customer_id")?;
    Ok(())
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Contact {
    /// The address.
    pub email: String,
    /// The name.
    pub name: String,
    /// What the person is for the customer.
    pub title: String,
    /// May be empty.
    pub phone: String,
}

/// What an import gives a contact.
#[derive(Clone, Debug)]
pub struct ContactRow {
    /// The id, where it is new.
    pub id: Uuid,
    /// Whom it is for.
    pub customer: CustomerId,
    /// What it is.
    pub contact: Contact,
    /// The address in lower case.
    pub email_key: String,
}

/// Puts contacts in, or changes the customers' ones of these addresses, each once.
///
/// # Errors
/// The database's.
pub async fn put_contacts(db: &mut impl Connected, _: &Importing, rows: &[ContactRow], now: Timestamp) -> Result<(), sqlx::Error> {
    sql!(insert db, "INSERT INTO contacts (id, customer_id, name, title, email, email_key, phone, imported_at, changed_at)", rows,
        |row| [row.id, row.customer, row.contact.name.as_str(), row.contact.title.as_str(), row.contact.email.as_str(), row.email_key.as_str(), row.contact.phone.as_str(), now, now],
        "ON CONFLICT (customer_id, email_key) DO UPDATE SET name = excluded.name, title = excluded.title, email = excluded.email, phone = excluded.phone, changed_at = excluded.changed_at")?;
    Ok(())
}

/// Contacts, each of a customer and an address in lower case.
///
/// # Errors
/// The database's.
pub async fn contacts_of(db: &mut impl Connected, keys: &[(CustomerId, &str)]) -> Result<Vec<(CustomerId, String, Contact)>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Row {
        customer_id: CustomerId,
        email_key: String,
        #[sqlx(flatten)]
        contact: Contact,
    }
    let rows = sql!(among as Row, db, "SELECT customer_id, email_key, email, name, title, phone FROM contacts WHERE", keys, |key| [
        "customer_id" = key.0,
        "email_key" = key.1
    ])?;
    Ok(rows.into_iter().map(|row| (row.customer_id, row.email_key, row.contact)).collect())
}

/// The contacts of a customer by their names, at most 100.
///
/// # Errors
/// The database's.
pub async fn contacts(db: &mut impl Connected, customer: CustomerId) -> Result<Vec<Contact>, sqlx::Error> {
    sql!(all as Contact, db, "SELECT email, name, title, phone FROM contacts WHERE customer_id = $1 ORDER BY name, id LIMIT 100", customer)
}

/// An entitlement.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Entitlement {
    /// Its id.
    pub id: Uuid,
    /// The operator's number for it.
    pub number: String,
    /// Its name.
    pub name: String,
    /// The same, folded.
    pub name_key: String,
    /// May be empty.
    pub tier: String,
    /// The product families, a line each.
    pub products: String,
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
}

impl Keyed for Entitlement {
    fn id(&self) -> Uuid {
        self.id
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "name" => Key::Text(self.name_key.clone()),
            "number" => Key::Text(self.number.clone()),
            _ => Key::Number(self.ends_at.0),
        }
    }
}

/// Puts entitlements in, or changes those of these numbers, each once. What is another customer's stays as it is.
///
/// # Errors
/// The database's.
pub async fn put_entitlements(
    db: &mut impl Connected,
    _: &Importing,
    rows: &[(CustomerId, Entitlement)],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(insert db, "INSERT INTO entitlements (id, number, customer_id, name, name_key, tier, products, support_level, starts_at, ends_at, units_total, units_used, imported_at, changed_at)", rows,
        |row| [row.1.id, row.1.number.as_str(), row.0, row.1.name.as_str(), row.1.name_key.as_str(), row.1.tier.as_str(), row.1.products.as_str(), row.1.support_level.as_str(), row.1.starts_at, row.1.ends_at, row.1.units_total, row.1.units_used, now, now],
        "ON CONFLICT (number) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, tier = excluded.tier, products = excluded.products, support_level = excluded.support_level,
        starts_at = excluded.starts_at, ends_at = excluded.ends_at, units_total = excluded.units_total, units_used = excluded.units_used, changed_at = excluded.changed_at
        WHERE entitlements.customer_id = excluded.customer_id")?;
    Ok(())
}

/// The entitlements of these numbers, each with its customer's number.
///
/// # Errors
/// The database's.
pub async fn entitlements_of(db: &mut impl Connected, numbers: &[&str]) -> Result<Vec<(String, Entitlement)>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Row {
        customer: String,
        #[sqlx(flatten)]
        entitlement: Entitlement,
    }
    let rows = sql!(among as Row, db, "SELECT c.number AS customer, e.id, e.number, e.name, e.name_key, e.tier, e.products, e.support_level, e.starts_at, e.ends_at, e.units_total, e.units_used
        FROM entitlements e JOIN customers c ON c.id = e.customer_id WHERE", numbers, |number| ["e.number" = *number])?;
    Ok(rows.into_iter().map(|row| (row.customer, row.entitlement)).collect())
}

/// The entitlements of a customer, those that end last first.
pub static ENTITLEMENTS: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: "id, number, name, name_key, tier, products, support_level, starts_at, ends_at, units_total, units_used",
        from: "entitlements",
        scope: "customer_id = $1",
        id: "id",
        columns: &[
            Column { name: "end", key: "ends_at", number: true, newest_first: true },
            Column { name: "name", key: "name_key", number: false, newest_first: false },
            Column { name: "number", key: "number", number: false, newest_first: false },
        ],
        searched: &["name_key"],
        indexed: None,
        filters: &[Filter {
            name: "state",
            conditions: &["ends_at > $", "ends_at <= $"],
            read: |value, now| match value {
                "current" => Some((0, crate::list::sql::Bound::Number(now.0))),
                "ended" => Some((1, crate::list::sql::Bound::Number(now.0))),
                _ => None,
            },
        }],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| ENTITLEMENTS.texts(dialect), module: module_path!() } }
