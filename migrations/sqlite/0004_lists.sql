-- What a search of members looks through: an index of trigrams over everybody's name and address, kept by the engine.
CREATE TABLE member_search_rows (
    number INTEGER PRIMARY KEY,
    member_id BLOB NOT NULL CONSTRAINT member_search_rows_member_key UNIQUE,
    organization_id BLOB NOT NULL,
    keys TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE member_search_index USING fts5 (keys, content = 'member_search_rows', content_rowid = 'number', tokenize = 'trigram');

CREATE TRIGGER members_search_insert AFTER INSERT ON members BEGIN
    INSERT INTO member_search_rows (member_id, organization_id, keys) VALUES (new.id, new.organization_id, new.name_key || char(10) || new.email_key);
    INSERT INTO member_search_index (rowid, keys) SELECT number, keys FROM member_search_rows WHERE member_id = new.id;
END;
CREATE TRIGGER members_search_delete AFTER DELETE ON members BEGIN
    INSERT INTO member_search_index (member_search_index, rowid, keys) SELECT 'delete', number, keys FROM member_search_rows WHERE member_id = old.id;
    DELETE FROM member_search_rows WHERE member_id = old.id;
END;
CREATE TRIGGER members_search_update AFTER UPDATE OF name_key, email_key ON members WHEN old.name_key <> new.name_key OR old.email_key <> new.email_key BEGIN
    INSERT INTO member_search_index (member_search_index, rowid, keys) SELECT 'delete', number, keys FROM member_search_rows WHERE member_id = old.id;
    UPDATE member_search_rows SET keys = new.name_key || char(10) || new.email_key WHERE member_id = new.id;
    INSERT INTO member_search_index (rowid, keys) SELECT number, keys FROM member_search_rows WHERE member_id = new.id;
END;
INSERT INTO member_search_rows (member_id, organization_id, keys) SELECT id, organization_id, name_key || char(10) || email_key FROM members;
INSERT INTO member_search_index (member_search_index) VALUES ('rebuild');

-- The same view on both engines: what is searched, of whom, and where; the literal is the same beside the index.
CREATE VIEW members_search AS
    SELECT r.member_id, r.organization_id AS search_scope, f.keys AS search_keys, r.keys AS search_literal
    FROM member_search_index f JOIN member_search_rows r ON r.number = f.rowid;

-- The orders of the list of invitations.
CREATE INDEX invitations_all_sent_idx ON invitations (organization_id, sent_at, id);
CREATE INDEX invitations_all_email_idx ON invitations (organization_id, email_key, id);
CREATE INDEX invitations_all_expires_idx ON invitations (organization_id, expires_at, id);
