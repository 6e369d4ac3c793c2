-- What a search of tickets looks through: an index of trigrams over number, subject, product and the requester's name, as
-- over members. Beside it stands what lists are kept apart, filtered and ordered by, so that only the rows that are shown
-- are looked up.
--
-- The index is over everybody's tickets. Before what is searched of one stands a trigram that only its owner's have, of
-- letters for private use: a search of the owner's asks for it too, and passes over what others have in common with them.
CREATE TABLE ticket_search_owners (
    number INTEGER PRIMARY KEY,
    owner_id BLOB NOT NULL CONSTRAINT ticket_search_owners_owner_key UNIQUE,
    token TEXT NOT NULL GENERATED ALWAYS AS (char(57344 + number % 4096, 57344 + number / 4096 % 4096, 61440 + number / 16777216 % 2048)) VIRTUAL
) STRICT;
CREATE TABLE ticket_search_rows (
    number INTEGER PRIMARY KEY,
    ticket_id BLOB NOT NULL CONSTRAINT ticket_search_rows_ticket_key UNIQUE,
    owner_id BLOB NOT NULL,
    stage TEXT NOT NULL,
    priority_rank INTEGER NOT NULL,
    department TEXT NOT NULL,
    requester_key TEXT NOT NULL,
    assignee_id BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    subject_key TEXT NOT NULL,
    keys TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE ticket_search_index USING fts5 (keys, content = 'ticket_search_rows', content_rowid = 'number', tokenize = 'trigram');

CREATE TRIGGER tickets_search_insert AFTER INSERT ON tickets BEGIN
    INSERT INTO ticket_search_owners (owner_id) SELECT new.owner_id WHERE NOT EXISTS (SELECT 1 FROM ticket_search_owners o WHERE o.owner_id = new.owner_id);
    INSERT INTO ticket_search_rows (ticket_id, owner_id, stage, priority_rank, department, requester_key, assignee_id, created_at, updated_at, subject_key, keys)
        SELECT new.id, new.owner_id, new.stage, new.priority_rank, new.department, new.requester_key, new.assignee_id, new.created_at, new.updated_at, new.subject_key,
            o.token || char(10) || new.search_key || char(10) || new.requester_name_key FROM ticket_search_owners o WHERE o.owner_id = new.owner_id;
    INSERT INTO ticket_search_index (rowid, keys) SELECT number, keys FROM ticket_search_rows WHERE ticket_id = new.id;
END;
CREATE TRIGGER tickets_search_delete AFTER DELETE ON tickets BEGIN
    INSERT INTO ticket_search_index (ticket_search_index, rowid, keys) SELECT 'delete', number, keys FROM ticket_search_rows WHERE ticket_id = old.id;
    DELETE FROM ticket_search_rows WHERE ticket_id = old.id;
    DELETE FROM ticket_search_owners WHERE owner_id = old.owner_id AND NOT EXISTS (SELECT 1 FROM tickets t WHERE t.owner_id = old.owner_id);
END;
CREATE TRIGGER tickets_search_update AFTER UPDATE OF search_key, requester_name_key, owner_id ON tickets
    WHEN old.search_key <> new.search_key OR old.requester_name_key <> new.requester_name_key OR old.owner_id <> new.owner_id BEGIN
    INSERT INTO ticket_search_owners (owner_id) SELECT new.owner_id WHERE NOT EXISTS (SELECT 1 FROM ticket_search_owners o WHERE o.owner_id = new.owner_id);
    INSERT INTO ticket_search_index (ticket_search_index, rowid, keys) SELECT 'delete', number, keys FROM ticket_search_rows WHERE ticket_id = old.id;
    UPDATE ticket_search_rows SET keys = (SELECT o.token FROM ticket_search_owners o WHERE o.owner_id = new.owner_id) || char(10) || new.search_key || char(10) || new.requester_name_key
        WHERE ticket_id = new.id;
    INSERT INTO ticket_search_index (rowid, keys) SELECT number, keys FROM ticket_search_rows WHERE ticket_id = new.id;
    DELETE FROM ticket_search_owners WHERE owner_id = old.owner_id AND NOT EXISTS (SELECT 1 FROM tickets t WHERE t.owner_id = old.owner_id);
END;
CREATE TRIGGER tickets_search_order AFTER UPDATE OF owner_id, stage, priority_rank, department, requester_key, assignee_id, created_at, updated_at, subject_key ON tickets BEGIN
    UPDATE ticket_search_rows SET owner_id = new.owner_id, stage = new.stage, priority_rank = new.priority_rank, department = new.department, requester_key = new.requester_key,
        assignee_id = new.assignee_id, created_at = new.created_at, updated_at = new.updated_at, subject_key = new.subject_key WHERE ticket_id = new.id;
END;
INSERT INTO ticket_search_owners (owner_id) SELECT DISTINCT owner_id FROM tickets;
INSERT INTO ticket_search_rows (ticket_id, owner_id, stage, priority_rank, department, requester_key, assignee_id, created_at, updated_at, subject_key, keys)
    SELECT t.id, t.owner_id, t.stage, t.priority_rank, t.department, t.requester_key, t.assignee_id, t.created_at, t.updated_at, t.subject_key,
        o.token || char(10) || t.search_key || char(10) || t.requester_name_key FROM tickets t JOIN ticket_search_owners o ON o.owner_id = t.owner_id;
INSERT INTO ticket_search_index (ticket_search_index) VALUES ('rebuild');

-- The same view on both engines.
CREATE VIEW tickets_search AS
    SELECT r.ticket_id AS id, r.owner_id, r.stage, r.priority_rank, r.department, r.requester_key, r.assignee_id, r.created_at, r.updated_at, r.subject_key, f.keys AS search_keys
    FROM ticket_search_index f JOIN ticket_search_rows r ON r.number = f.rowid;

-- A run of an import that is at work says so now and then; one that ended before its end says why.
ALTER TABLE imports ADD COLUMN seen_at INTEGER;
ALTER TABLE imports ADD COLUMN failed TEXT NOT NULL DEFAULT '';
