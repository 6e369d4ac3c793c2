-- What open pages are told: a row for each thing that others see change, written in the transaction of the change and
-- read by every process from where it read last. Kept for a day.
CREATE TABLE changes (
    -- Given under the lock of change_head, as the last thing of a transaction: whoever sees a number sees all before it.
    number BIGINT NOT NULL PRIMARY KEY,
    -- What a browser names the number by. It tells nothing, not even how much else changed.
    mark UUID NOT NULL CONSTRAINT changes_mark_key UNIQUE,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    -- Whom it reaches: an organization's members, an account, whoever has an address, and whoever did it.
    organization_id UUID,
    account_id UUID,
    email_key TEXT COLLATE "C",
    actor_id UUID,
    -- What it is about, and what is said of it: to others, and to whom it concerns. Empty where nothing is to be said.
    object_id UUID,
    sentence TEXT NOT NULL,
    sentence_to_object TEXT NOT NULL
);
CREATE INDEX changes_at_idx ON changes (at, number);

-- The last number and its mark: one row.
CREATE TABLE change_head (
    one BIGINT NOT NULL PRIMARY KEY CONSTRAINT change_head_one_check CHECK (one = 1),
    number BIGINT NOT NULL,
    mark UUID NOT NULL
);
INSERT INTO change_head (one, number, mark) VALUES (1, 0, '00000000-0000-0000-0000-000000000000');

-- Rings in every process that listens, once a transaction, when it is committed. Commits with a notification wait for
-- one another in PostgreSQL, and these do so already, for the number.
CREATE FUNCTION change_head_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('org_portal_changes', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER change_head_notify AFTER UPDATE ON change_head FOR EACH STATEMENT EXECUTE FUNCTION change_head_notify();
