-- The tickets of one state, newest first, are read in their order and not looked for among all: where the newest hundreds
-- are closed, the open ones were found behind them.
DROP INDEX tickets_stage_idx;
CREATE INDEX tickets_stage_idx ON tickets (owner_id, stage, created_at, id);
