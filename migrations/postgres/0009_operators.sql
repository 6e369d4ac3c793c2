-- Accounts that run the portal itself. There is none by itself: the first one is made on the command line.
CREATE TABLE operators (
    account_id UUID NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    -- When a password was made for the account and printed: until it has another one, the console asks for that.
    password_printed_at BIGINT
);

-- The runs of imports. One that has no end is at work, or broke off.
CREATE TABLE imports (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CONSTRAINT imports_kind_check CHECK (kind IN ('customers')),
    -- The name of the file or the folder.
    source TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT CONSTRAINT imports_finished_check CHECK (finished_at >= started_at),
    -- How many were added, changed, unchanged and refused, by kind; and the first of those that were refused. Both JSON.
    counts TEXT NOT NULL,
    refusals TEXT NOT NULL,
    refusals_count BIGINT NOT NULL CONSTRAINT imports_refusals_count_check CHECK (refusals_count >= 0)
);
CREATE INDEX imports_started_idx ON imports (started_at, id);

-- What the operators' lists are ordered and searched by. What was there is folded as far as the database can; members'
-- names are folded already. A lock and a suspension have a reason.
ALTER TABLE accounts ADD COLUMN name_key TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD CONSTRAINT accounts_lock_check CHECK ((locked_until IS NULL) = (lock_reason IS NULL));
ALTER TABLE organizations ADD COLUMN name_key TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD CONSTRAINT organizations_suspension_check CHECK ((suspended_at IS NULL) = (suspension_reason IS NULL));
UPDATE accounts SET name_key = coalesce((SELECT m.name_key FROM members m WHERE m.account_id = accounts.id), lower(rtrim(first_name || ' ' || last_name)));
UPDATE organizations SET name_key = coalesce((SELECT c.name_key FROM customers c WHERE c.organization_id = organizations.id AND c.name = organizations.name), lower(name));
CREATE INDEX accounts_name_idx ON accounts (name_key, id);
CREATE INDEX accounts_created_idx ON accounts (created_at, id);
CREATE INDEX accounts_locked_idx ON accounts (locked_until) WHERE locked_until IS NOT NULL;
CREATE INDEX organizations_name_idx ON organizations (name_key, id);
CREATE INDEX organizations_created_idx ON organizations (created_at, id);
CREATE INDEX organizations_suspended_idx ON organizations (suspended_at) WHERE suspended_at IS NOT NULL;
CREATE INDEX customers_number_lower_idx ON customers (lower(number));

-- An index of trigrams over each, as over members, behind the same view on both engines.
ALTER TABLE accounts ADD COLUMN searched TEXT COLLATE "C" NOT NULL GENERATED ALWAYS AS (name_key || chr(10) || email_key) STORED;
CREATE INDEX accounts_search_idx ON accounts USING gin (searched gin_trgm_ops);
CREATE VIEW accounts_search AS SELECT id, name_key, email_key, created_at, locked_until, searched AS search_keys FROM accounts;

ALTER TABLE organizations ADD COLUMN searched TEXT COLLATE "C" NOT NULL GENERATED ALWAYS AS (name_key) STORED;
CREATE INDEX organizations_search_idx ON organizations USING gin (searched gin_trgm_ops);
CREATE VIEW organizations_search AS SELECT id, name_key, created_at, suspended_at, searched AS search_keys FROM organizations;

ALTER TABLE customers ADD COLUMN searched TEXT COLLATE "C" NOT NULL GENERATED ALWAYS AS (name_key || chr(10) || lower(number)) STORED;
CREATE INDEX customers_search_idx ON customers USING gin (searched gin_trgm_ops);
CREATE VIEW customers_search AS SELECT id, name_key, number, searched AS search_keys FROM customers;

-- The whole audit log by kind, by person, and what was refused in it.
CREATE INDEX audit_events_all_kind_idx ON audit_events (kind, at, id);
CREATE INDEX audit_events_all_actor_idx ON audit_events (actor_id, at, id);
CREATE INDEX audit_events_all_refused_idx ON audit_events (at, id) WHERE outcome <> 'success';

-- Mails that could not be delivered.
CREATE INDEX outbox_dead_idx ON outbox (dead_at, id) WHERE dead_at IS NOT NULL;
