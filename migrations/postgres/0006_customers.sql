-- The operator's customers, as they were imported: companies, their people, what they have bought, and whom they can turn
-- to. An organization links to its customer; what a customer has is seen through that link and copied nowhere.
CREATE TABLE customers (
    id UUID NOT NULL PRIMARY KEY,
    -- What the operator's own system calls it.
    number TEXT COLLATE "C" NOT NULL CONSTRAINT customers_number_key UNIQUE,
    name TEXT NOT NULL CONSTRAINT customers_name_check CHECK (length(name) BETWEEN 1 AND 255),
    name_key TEXT COLLATE "C" NOT NULL,
    -- Whoever has a verified address of it belongs to the customer, too.
    domain TEXT COLLATE "C" CONSTRAINT customers_domain_key UNIQUE,
    imported_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- The organization that was recreated of it. It may be deleted again; recreated_at stays, and it is not recreated.
    organization_id UUID CONSTRAINT customers_organization_key UNIQUE REFERENCES organizations (id) ON DELETE SET NULL,
    recreated_at BIGINT,
    -- When its administrator was last reminded by somebody who waits.
    reminded_at BIGINT,
    -- Raised first in every transaction that recreates its organization: it takes the row's lock.
    revision BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX customers_name_idx ON customers (name_key, id);

-- Its people. They become members when they sign in, not before.
CREATE TABLE customer_people (
    id UUID NOT NULL PRIMARY KEY,
    customer_id UUID NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    -- One person belongs to one customer.
    email_key TEXT COLLATE "C" NOT NULL CONSTRAINT customer_people_email_key UNIQUE,
    role TEXT NOT NULL CONSTRAINT customer_people_role_check CHECK (role IN ('Admin', 'Technical user')),
    -- The one whose first sign-in recreates the organization.
    administrator BOOLEAN NOT NULL,
    imported_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX customer_people_customer_idx ON customer_people (customer_id);
CREATE UNIQUE INDEX customer_people_administrator_key ON customer_people (customer_id) WHERE administrator;

-- People of the operator's whom a customer can turn to.
CREATE TABLE contacts (
    id UUID NOT NULL PRIMARY KEY,
    customer_id UUID NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL,
    phone TEXT NOT NULL,
    imported_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT contacts_email_key UNIQUE (customer_id, email_key)
);

CREATE TABLE entitlements (
    id UUID NOT NULL PRIMARY KEY,
    number TEXT COLLATE "C" NOT NULL CONSTRAINT entitlements_number_key UNIQUE,
    customer_id UUID NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    tier TEXT NOT NULL,
    -- Product families, separated by line feeds.
    products TEXT NOT NULL,
    support_level TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    -- The first moment at which it is over.
    ends_at BIGINT NOT NULL,
    units_total BIGINT NOT NULL CONSTRAINT entitlements_units_total_check CHECK (units_total >= 0),
    units_used BIGINT NOT NULL CONSTRAINT entitlements_units_used_check CHECK (units_used >= 0),
    imported_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT entitlements_span_check CHECK (ends_at > starts_at)
);
CREATE INDEX entitlements_ends_idx ON entitlements (customer_id, ends_at, id);
CREATE INDEX entitlements_name_idx ON entitlements (customer_id, name_key, id);
CREATE INDEX entitlements_number_idx ON entitlements (customer_id, number, id);
