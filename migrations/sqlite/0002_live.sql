-- What open pages are told: a row for each thing that others see change, written in the transaction of the change and
-- read by every process from where it read last. Kept for a day.
CREATE TABLE changes (
    -- Given under the lock of change_head, as the last thing of a transaction: whoever sees a number sees all before it.
    number INTEGER NOT NULL PRIMARY KEY,
    -- What a browser names the number by. It tells nothing, not even how much else changed.
    mark BLOB NOT NULL CONSTRAINT changes_mark_key UNIQUE,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    -- Whom it reaches: an organization's members, an account, whoever has an address, and whoever did it.
    organization_id BLOB,
    account_id BLOB,
    email_key TEXT,
    actor_id BLOB,
    -- What it is about, and what is said of it: to others, and to whom it concerns. Empty where nothing is to be said.
    object_id BLOB,
    sentence TEXT NOT NULL,
    sentence_to_object TEXT NOT NULL
) STRICT;
CREATE INDEX changes_at_idx ON changes (at, number);

-- The last number and its mark: one row.
CREATE TABLE change_head (
    one INTEGER NOT NULL PRIMARY KEY CONSTRAINT change_head_one_check CHECK (one = 1),
    number INTEGER NOT NULL,
    mark BLOB NOT NULL
) STRICT;
INSERT INTO change_head (one, number, mark) VALUES (1, 0, x'00000000000000000000000000000000');
