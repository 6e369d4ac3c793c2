-- Accounts that run the portal itself. There is none by itself: the first one is made on the command line.
CREATE TABLE operators (
    account_id BLOB NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    -- When a password was made for the account and printed: until it has another one, the console asks for that.
    password_printed_at INTEGER
) STRICT, WITHOUT ROWID;

-- The runs of imports. One that has no end is at work, or broke off.
CREATE TABLE imports (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CONSTRAINT imports_kind_check CHECK (kind IN ('customers')),
    -- The name of the file or the folder.
    source TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER CONSTRAINT imports_finished_check CHECK (finished_at >= started_at),
    -- How many were added, changed, unchanged and refused, by kind; and the first of those that were refused. Both JSON.
    counts TEXT NOT NULL,
    refusals TEXT NOT NULL,
    refusals_count INTEGER NOT NULL CONSTRAINT imports_refusals_count_check CHECK (refusals_count >= 0)
) STRICT;
CREATE INDEX imports_started_idx ON imports (started_at, id);

-- What the operators' lists are ordered and searched by. What was there is folded as far as the database can; members'
-- names are folded already. A lock and a suspension have a reason.
ALTER TABLE accounts ADD COLUMN name_key TEXT NOT NULL DEFAULT ''
    CONSTRAINT accounts_lock_check CHECK ((locked_until IS NULL) = (lock_reason IS NULL));
ALTER TABLE organizations ADD COLUMN name_key TEXT NOT NULL DEFAULT ''
    CONSTRAINT organizations_suspension_check CHECK ((suspended_at IS NULL) = (suspension_reason IS NULL));
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
CREATE TABLE account_search_rows (
    number INTEGER PRIMARY KEY,
    account_id BLOB NOT NULL CONSTRAINT account_search_rows_account_key UNIQUE,
    keys TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE account_search_index USING fts5 (keys, content = 'account_search_rows', content_rowid = 'number', tokenize = 'trigram');
CREATE TRIGGER accounts_search_insert AFTER INSERT ON accounts BEGIN
    INSERT INTO account_search_rows (account_id, keys) VALUES (new.id, new.name_key || char(10) || new.email_key);
    INSERT INTO account_search_index (rowid, keys) SELECT number, keys FROM account_search_rows WHERE account_id = new.id;
END;
CREATE TRIGGER accounts_search_delete AFTER DELETE ON accounts BEGIN
    INSERT INTO account_search_index (account_search_index, rowid, keys) SELECT 'delete', number, keys FROM account_search_rows WHERE account_id = old.id;
    DELETE FROM account_search_rows WHERE account_id = old.id;
END;
CREATE TRIGGER accounts_search_update AFTER UPDATE OF name_key, email_key ON accounts WHEN old.name_key <> new.name_key OR old.email_key <> new.email_key BEGIN
    INSERT INTO account_search_index (account_search_index, rowid, keys) SELECT 'delete', number, keys FROM account_search_rows WHERE account_id = old.id;
    UPDATE account_search_rows SET keys = new.name_key || char(10) || new.email_key WHERE account_id = new.id;
    INSERT INTO account_search_index (rowid, keys) SELECT number, keys FROM account_search_rows WHERE account_id = new.id;
END;
INSERT INTO account_search_rows (account_id, keys) SELECT a.id, a.name_key || char(10) || a.email_key FROM accounts a;
INSERT INTO account_search_index (account_search_index) VALUES ('rebuild');
CREATE VIEW accounts_search AS SELECT a.id, a.name_key, a.email_key, a.created_at, a.locked_until, f.keys AS search_keys
    FROM account_search_index f JOIN account_search_rows r ON r.number = f.rowid JOIN accounts a ON a.id = r.account_id;

CREATE TABLE organization_search_rows (
    number INTEGER PRIMARY KEY,
    organization_id BLOB NOT NULL CONSTRAINT organization_search_rows_organization_key UNIQUE,
    keys TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE organization_search_index USING fts5 (keys, content = 'organization_search_rows', content_rowid = 'number', tokenize = 'trigram');
CREATE TRIGGER organizations_search_insert AFTER INSERT ON organizations BEGIN
    INSERT INTO organization_search_rows (organization_id, keys) VALUES (new.id, new.name_key);
    INSERT INTO organization_search_index (rowid, keys) SELECT number, keys FROM organization_search_rows WHERE organization_id = new.id;
END;
CREATE TRIGGER organizations_search_delete AFTER DELETE ON organizations BEGIN
    INSERT INTO organization_search_index (organization_search_index, rowid, keys) SELECT 'delete', number, keys FROM organization_search_rows WHERE organization_id = old.id;
    DELETE FROM organization_search_rows WHERE organization_id = old.id;
END;
CREATE TRIGGER organizations_search_update AFTER UPDATE OF name_key ON organizations WHEN old.name_key <> new.name_key BEGIN
    INSERT INTO organization_search_index (organization_search_index, rowid, keys) SELECT 'delete', number, keys FROM organization_search_rows WHERE organization_id = old.id;
    UPDATE organization_search_rows SET keys = new.name_key WHERE organization_id = new.id;
    INSERT INTO organization_search_index (rowid, keys) SELECT number, keys FROM organization_search_rows WHERE organization_id = new.id;
END;
INSERT INTO organization_search_rows (organization_id, keys) SELECT a.id, a.name_key FROM organizations a;
INSERT INTO organization_search_index (organization_search_index) VALUES ('rebuild');
CREATE VIEW organizations_search AS SELECT a.id, a.name_key, a.created_at, a.suspended_at, f.keys AS search_keys
    FROM organization_search_index f JOIN organization_search_rows r ON r.number = f.rowid JOIN organizations a ON a.id = r.organization_id;

CREATE TABLE customer_search_rows (
    number INTEGER PRIMARY KEY,
    customer_id BLOB NOT NULL CONSTRAINT customer_search_rows_customer_key UNIQUE,
    keys TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE customer_search_index USING fts5 (keys, content = 'customer_search_rows', content_rowid = 'number', tokenize = 'trigram');
CREATE TRIGGER customers_search_insert AFTER INSERT ON customers BEGIN
    INSERT INTO customer_search_rows (customer_id, keys) VALUES (new.id, new.name_key || char(10) || lower(new.number));
    INSERT INTO customer_search_index (rowid, keys) SELECT number, keys FROM customer_search_rows WHERE customer_id = new.id;
END;
CREATE TRIGGER customers_search_delete AFTER DELETE ON customers BEGIN
    INSERT INTO customer_search_index (customer_search_index, rowid, keys) SELECT 'delete', number, keys FROM customer_search_rows WHERE customer_id = old.id;
    DELETE FROM customer_search_rows WHERE customer_id = old.id;
END;
CREATE TRIGGER customers_search_update AFTER UPDATE OF name_key, number ON customers WHEN old.name_key <> new.name_key OR old.number <> new.number BEGIN
    INSERT INTO customer_search_index (customer_search_index, rowid, keys) SELECT 'delete', number, keys FROM customer_search_rows WHERE customer_id = old.id;
    UPDATE customer_search_rows SET keys = new.name_key || char(10) || lower(new.number) WHERE customer_id = new.id;
    INSERT INTO customer_search_index (rowid, keys) SELECT number, keys FROM customer_search_rows WHERE customer_id = new.id;
END;
INSERT INTO customer_search_rows (customer_id, keys) SELECT a.id, a.name_key || char(10) || lower(a.number) FROM customers a;
INSERT INTO customer_search_index (customer_search_index) VALUES ('rebuild');
CREATE VIEW customers_search AS SELECT a.id, a.name_key, a.number, f.keys AS search_keys
    FROM customer_search_index f JOIN customer_search_rows r ON r.number = f.rowid JOIN customers a ON a.id = r.customer_id;

-- The whole audit log by kind, by person, and what was refused in it.
CREATE INDEX audit_events_all_kind_idx ON audit_events (kind, at, id);
CREATE INDEX audit_events_all_actor_idx ON audit_events (actor_id, at, id);
CREATE INDEX audit_events_all_refused_idx ON audit_events (at, id) WHERE outcome <> 'success';

-- Mails that could not be delivered.
CREATE INDEX outbox_dead_idx ON outbox (dead_at, id) WHERE dead_at IS NOT NULL;
