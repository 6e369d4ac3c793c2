//! All SQL of customers, their people, contacts and entitlements.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::{
    db::Connected,
    guard::Authority,
    list::sql::{Column, Filter, Key, Keyed, ListSpec, ListSql},
    permissions::{Permit, Role},
    sql,
    words::{CustomerId, Email, OrganizationId, Timestamp, fold},
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

/// What an import's statement did: when the row came, where it came or changed; nothing where it is as it was.
type Written = Option<(Timestamp,)>;

/// Puts a customer in, or changes the one of that number.
///
/// # Errors
/// The database's; a unique violation where another has the domain.
pub async fn put_customer(
    db: &mut impl Connected,
    id: Uuid,
    number: &str,
    name: &str,
    domain: Option<&str>,
    now: Timestamp,
) -> Result<Written, sqlx::Error> {
    sql!(optional as (Timestamp,), db, "INSERT INTO customers (id, number, name, name_key, domain, imported_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $6)
        ON CONFLICT (number) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, domain = excluded.domain, changed_at = excluded.changed_at
        WHERE customers.name <> excluded.name OR coalesce(customers.domain, '') <> coalesce(excluded.domain, '') RETURNING imported_at",
        id, number, name, fold(name), domain, now)
}

/// Puts a person in, or changes the one of that address.
///
/// # Errors
/// The database's.
pub async fn put_person(
    db: &mut impl Connected,
    id: Uuid,
    customer: CustomerId,
    email: &Email,
    role: Role,
    now: Timestamp,
) -> Result<Written, sqlx::Error> {
    sql!(optional as (Timestamp,), db, "INSERT INTO customer_people (id, customer_id, email, email_key, role, administrator, imported_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
        ON CONFLICT (email_key) DO UPDATE SET email = excluded.email, role = excluded.role, changed_at = excluded.changed_at
        WHERE customer_people.email <> excluded.email OR customer_people.role <> excluded.role RETURNING imported_at",
        id, customer, email.as_str(), email.key(), role.name(), false, now)
}

/// A contact.
#[derive(Clone, Debug, sqlx::FromRow)]
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

/// Puts a contact in, or changes the customer's one of that address.
///
/// # Errors
/// The database's.
pub async fn put_contact(
    db: &mut impl Connected,
    id: Uuid,
    customer: CustomerId,
    email: &Email,
    contact: &Contact,
    now: Timestamp,
) -> Result<Written, sqlx::Error> {
    sql!(optional as (Timestamp,), db, "INSERT INTO contacts (id, customer_id, name, title, email, email_key, phone, imported_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
        ON CONFLICT (customer_id, email_key) DO UPDATE SET name = excluded.name, title = excluded.title, email = excluded.email, phone = excluded.phone, changed_at = excluded.changed_at
        WHERE contacts.name <> excluded.name OR contacts.title <> excluded.title OR contacts.email <> excluded.email OR contacts.phone <> excluded.phone RETURNING imported_at",
        id, customer, contact.name.as_str(), contact.title.as_str(), email.as_str(), email.key(), contact.phone.as_str(), now)
}

/// The contacts of a customer by their names, at most 100.
///
/// # Errors
/// The database's.
pub async fn contacts(db: &mut impl Connected, customer: CustomerId) -> Result<Vec<Contact>, sqlx::Error> {
    sql!(all as Contact, db, "SELECT email, name, title, phone FROM contacts WHERE customer_id = $1 ORDER BY name, id LIMIT 100", customer)
}

/// An entitlement.
#[derive(Clone, Debug, sqlx::FromRow)]
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

/// Puts an entitlement in, or changes the customer's one of that number.
///
/// # Errors
/// The database's.
pub async fn put_entitlement(
    db: &mut impl Connected,
    customer: CustomerId,
    e: &Entitlement,
    now: Timestamp,
) -> Result<Written, sqlx::Error> {
    sql!(optional as (Timestamp,), db, "INSERT INTO entitlements (id, number, customer_id, name, name_key, tier, products, support_level, starts_at, ends_at, units_total, units_used, imported_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
        ON CONFLICT (number) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, tier = excluded.tier, products = excluded.products, support_level = excluded.support_level,
            starts_at = excluded.starts_at, ends_at = excluded.ends_at, units_total = excluded.units_total, units_used = excluded.units_used, changed_at = excluded.changed_at
        WHERE entitlements.name <> excluded.name OR entitlements.tier <> excluded.tier OR entitlements.products <> excluded.products OR entitlements.support_level <> excluded.support_level
            OR entitlements.starts_at <> excluded.starts_at OR entitlements.ends_at <> excluded.ends_at OR entitlements.units_total <> excluded.units_total OR entitlements.units_used <> excluded.units_used
        RETURNING imported_at",
        e.id, e.number.as_str(), customer, e.name.as_str(), e.name_key.as_str(), e.tier.as_str(), e.products.as_str(), e.support_level.as_str(), e.starts_at, e.ends_at, e.units_total, e.units_used, now)
}

/// The customer that an entitlement of a number belongs to.
///
/// # Errors
/// The database's.
pub async fn customer_of_entitlement(db: &mut impl Connected, number: &str) -> Result<Option<CustomerId>, sqlx::Error> {
    let row: Option<(CustomerId,)> = sql!(optional as (CustomerId,), db, "SELECT customer_id FROM entitlements WHERE number = $1", number)?;
    Ok(row.map(|(id,)| id))
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
