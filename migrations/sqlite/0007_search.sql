-- What a search of members finds is ordered and filtered by what stands beside its index, so that only the rows that are
-- shown are looked up.
DROP VIEW members_search;
DROP TRIGGER members_search_insert;
DROP TRIGGER members_search_delete;
DROP TRIGGER members_search_update;
DROP TABLE member_search_index;
DROP TABLE member_search_rows;

CREATE TABLE member_search_rows (
    number INTEGER PRIMARY KEY,
    member_id BLOB NOT NULL CONSTRAINT member_search_rows_member_key UNIQUE,
    organization_id BLOB NOT NULL,
    role TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    last_active_at INTEGER NOT NULL,
    keys TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE member_search_index USING fts5 (keys, content = 'member_search_rows', content_rowid = 'number', tokenize = 'trigram');

CREATE TRIGGER members_search_insert AFTER INSERT ON members BEGIN
    INSERT INTO member_search_rows (member_id, organization_id, role, joined_at, last_active_at, keys)
        VALUES (new.id, new.organization_id, new.role, new.joined_at, new.last_active_at, new.name_key || char(10) || new.email_key);
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
CREATE TRIGGER members_search_order AFTER UPDATE OF role, joined_at, last_active_at ON members BEGIN
    UPDATE member_search_rows SET role = new.role, joined_at = new.joined_at, last_active_at = new.last_active_at WHERE member_id = new.id;
END;
INSERT INTO member_search_rows (member_id, organization_id, role, joined_at, last_active_at, keys)
    SELECT id, organization_id, role, joined_at, last_active_at, name_key || char(10) || email_key FROM members;
INSERT INTO member_search_index (member_search_index) VALUES ('rebuild');

-- The same view on both engines: what is searched, and by what it is kept apart, filtered and ordered.
CREATE VIEW members_search AS
    SELECT r.member_id AS id, r.organization_id, r.role, r.joined_at, r.last_active_at,
        substr(r.keys, 1, instr(r.keys, char(10)) - 1) AS name_key, substr(r.keys, instr(r.keys, char(10)) + 1) AS email_key,
        f.keys AS search_keys
    FROM member_search_index f JOIN member_search_rows r ON r.number = f.rowid;
