-- The operator's desk elsewhere: how far its tables were read, written with the rows that were read.
CREATE TABLE desk_cursors (
    table_name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- As the desk writes its times, in UTC: 2026-11-24 09:30:00.
    updated_on TEXT COLLATE "C" NOT NULL,
    sys_id TEXT COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Records of it that were refused. They are tried again, because what they lack may come without a change of their own.
CREATE TABLE desk_refused (
    table_name TEXT COLLATE "C" NOT NULL,
    sys_id TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    refused_at BIGINT NOT NULL,
    tried_at BIGINT NOT NULL,
    PRIMARY KEY (table_name, sys_id)
);

-- Works that one process does at a time.
CREATE TABLE desk_leases (
    work TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder UUID NOT NULL,
    held_until BIGINT,
    ended_at BIGINT,
    -- Why it failed; empty where it did not.
    error TEXT NOT NULL
);

-- What is to be done outside the database is not mail alone.
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check CHECK (kind IN ('mail', 'webhook', 'desk'));
DROP INDEX outbox_due_idx;
CREATE INDEX outbox_due_idx ON outbox (kind, due_at) WHERE done_at IS NULL AND dead_at IS NULL;

-- Every attempt to post an event to the operator's address.
CREATE TABLE webhook_deliveries (
    -- The event: its row in the outbox.
    event_id UUID NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- What the receiver answered, if it did.
    status BIGINT,
    -- Why it failed; empty where it did not.
    error TEXT NOT NULL,
    -- How long it took, in milliseconds.
    took BIGINT NOT NULL,
    PRIMARY KEY (event_id, attempt)
);
CREATE INDEX webhook_deliveries_at_idx ON webhook_deliveries (at);

-- What the portal called a ticket before the desk gave it its number: links with it still lead there.
ALTER TABLE tickets ADD COLUMN former_number TEXT COLLATE "C";
CREATE UNIQUE INDEX tickets_former_number_key ON tickets (former_number) WHERE former_number IS NOT NULL;
