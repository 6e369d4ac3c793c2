-- The operator's desk elsewhere: how far its tables were read, written with the rows that were read.
CREATE TABLE desk_cursors (
    table_name TEXT NOT NULL PRIMARY KEY,
    -- As the desk writes its times, in UTC: 2026-11-24 09:30:00.
    updated_on TEXT NOT NULL,
    sys_id TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- Records of it that were refused. They are tried again, because what they lack may come without a change of their own.
CREATE TABLE desk_refused (
    table_name TEXT NOT NULL,
    sys_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    tried_at INTEGER NOT NULL,
    PRIMARY KEY (table_name, sys_id)
) STRICT;

-- Works that one process does at a time.
CREATE TABLE desk_leases (
    work TEXT NOT NULL PRIMARY KEY,
    holder BLOB NOT NULL,
    held_until INTEGER,
    ended_at INTEGER,
    -- Why it failed; empty where it did not.
    error TEXT NOT NULL
) STRICT;

-- What is to be done outside the database is not mail alone.
CREATE TABLE outbox_of_more_kinds (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CONSTRAINT outbox_kind_check CHECK (kind IN ('mail', 'webhook', 'desk')),
    -- Emptied when done: it may hold the secret of a link.
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    lease_until INTEGER,
    done_at INTEGER,
    dead_at INTEGER,
    last_error TEXT
) STRICT;
INSERT INTO outbox_of_more_kinds (id, kind, payload, created_at, due_at, attempts, lease_until, done_at, dead_at, last_error)
    SELECT id, kind, payload, created_at, due_at, attempts, lease_until, done_at, dead_at, last_error FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_of_more_kinds RENAME TO outbox;
CREATE INDEX outbox_dead_idx ON outbox (dead_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX outbox_done_idx ON outbox (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX outbox_due_idx ON outbox (kind, due_at) WHERE done_at IS NULL AND dead_at IS NULL;

-- Every attempt to post an event to the operator's address.
CREATE TABLE webhook_deliveries (
    -- The event: its row in the outbox.
    event_id BLOB NOT NULL,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- What the receiver answered, if it did.
    status INTEGER,
    -- Why it failed; empty where it did not.
    error TEXT NOT NULL,
    -- How long it took, in milliseconds.
    took INTEGER NOT NULL,
    PRIMARY KEY (event_id, attempt)
) STRICT;
CREATE INDEX webhook_deliveries_at_idx ON webhook_deliveries (at);

-- What the portal called a ticket before the desk gave it its number: links with it still lead there.
ALTER TABLE tickets ADD COLUMN former_number TEXT;
CREATE UNIQUE INDEX tickets_former_number_key ON tickets (former_number) WHERE former_number IS NOT NULL;
