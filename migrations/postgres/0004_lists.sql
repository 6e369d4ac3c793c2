-- What a search of members looks through: an index of trigrams over everybody's name and address, kept by the engine.
-- Both extensions are trusted: the database's owner may create them.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;
ALTER TABLE members ADD COLUMN searched TEXT COLLATE "C" NOT NULL GENERATED ALWAYS AS (name_key || chr(10) || email_key) STORED;
CREATE INDEX members_search_idx ON members USING gin (organization_id, searched gin_trgm_ops);

-- The same view on both engines: what is searched, of whom, and where; the literal is the same beside the index.
CREATE VIEW members_search AS SELECT id AS member_id, organization_id AS search_scope, searched AS search_keys, searched AS search_literal FROM members;

-- The orders of the list of invitations.
CREATE INDEX invitations_all_sent_idx ON invitations (organization_id, sent_at, id);
CREATE INDEX invitations_all_email_idx ON invitations (organization_id, email_key, id);
CREATE INDEX invitations_all_expires_idx ON invitations (organization_id, expires_at, id);
