-- What a search of tickets looks through: an index of trigrams over number, subject, product and the requester's name, as
-- over members. The operator's support, who see all, are served by it too: a GIN index needs no condition on its first column.
ALTER TABLE tickets ADD COLUMN searched TEXT COLLATE "C" NOT NULL GENERATED ALWAYS AS (search_key || chr(10) || requester_name_key) STORED;
CREATE INDEX tickets_search_idx ON tickets USING gin (owner_id, searched gin_trgm_ops);

-- The same view on both engines.
CREATE VIEW tickets_search AS
    SELECT id, owner_id, stage, priority_rank, department, requester_key, assignee_id, created_at, updated_at, subject_key, searched AS search_keys FROM tickets;

-- A run of an import that is at work says so now and then; one that ended before its end says why.
ALTER TABLE imports ADD COLUMN seen_at BIGINT, ADD COLUMN failed TEXT NOT NULL DEFAULT '';
