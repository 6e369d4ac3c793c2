-- The operator's customers, as they were imported: companies, their people, what they have bought, and whom they can turn
-- to. An organization links to its customer; what a customer has is seen through that link and copied nowhere.
CREATE TABLE customers (
    id BLOB NOT NULL PRIMARY KEY,
    -- What the operator's own system calls it.
    number TEXT NOT NULL CONSTRAINT customers_number_key UNIQUE,
    name TEXT NOT NULL CONSTRAINT customers_name_check CHECK (length(name) BETWEEN 1 AND 255),
    name_key TEXT NOT NULL,
    -- Whoever has a verified address of it belongs to the customer, too.
    domain TEXT CONSTRAINT customers_domain_key UNIQUE,
    imported_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    -- The organization that was recreated of it. It may be deleted again; recreated_at stays, and it is not recreated.
    organization_id BLOB CONSTRAINT customers_organization_key UNIQUE REFERENCES organizations (id) ON DELETE SET NULL,
    recreated_at INTEGER,
    -- When its administrator was last reminded by somebody who waits.
    reminded_at INTEGER,
    -- Raised first in every transaction that recreates its organization: it takes the row's lock.
    revision INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX customers_name_idx ON customers (name_key, id);

-- Its people. They become members when they sign in, not before.
CREATE TABLE customer_people (
    id BLOB NOT NULL PRIMARY KEY,
    customer_id BLOB NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    -- One person belongs to one customer.
    email_key TEXT NOT NULL CONSTRAINT customer_people_email_key UNIQUE,
    role TEXT NOT NULL CONSTRAINT customer_people_role_check CHECK (role IN ('Admin', 'Technical user')),
    -- The one whose first sign-in recreates the organization.
    administrator INTEGER NOT NULL CONSTRAINT customer_people_administrator_check CHECK (administrator IN (0, 1)),
    imported_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX customer_people_customer_idx ON customer_people (customer_id);
CREATE UNIQUE INDEX customer_people_administrator_key ON customer_people (customer_id) WHERE administrator = 1;

-- People of the operator's whom a customer can turn to.
CREATE TABLE contacts (
    id BLOB NOT NULL PRIMARY KEY,
    customer_id BLOB NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    phone TEXT NOT NULL,
    imported_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    CONSTRAINT contacts_email_key UNIQUE (customer_id, email_key)
) STRICT;

CREATE TABLE entitlements (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL CONSTRAINT entitlements_number_key UNIQUE,
    customer_id BLOB NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    tier TEXT NOT NULL,
    -- Product families, separated by line feeds.
    products TEXT NOT NULL,
    support_level TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    -- The first moment at which it is over.
    ends_at INTEGER NOT NULL,
    units_total INTEGER NOT NULL CONSTRAINT entitlements_units_total_check CHECK (units_total >= 0),
    units_used INTEGER NOT NULL CONSTRAINT entitlements_units_used_check CHECK (units_used >= 0),
    imported_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    CONSTRAINT entitlements_span_check CHECK (ends_at > starts_at)
) STRICT;
CREATE INDEX entitlements_ends_idx ON entitlements (customer_id, ends_at, id);
CREATE INDEX entitlements_name_idx ON entitlements (customer_id, name_key, id);
CREATE INDEX entitlements_number_idx ON entitlements (customer_id, number, id);
