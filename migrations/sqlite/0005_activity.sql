-- What the Activity tab is filtered and searched by: the kind of thing that was done, the first word of its code, and
-- the folded names of whoever did it and of what it was done to.
ALTER TABLE audit_events ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_events ADD COLUMN people_key TEXT NOT NULL DEFAULT '';
UPDATE audit_events SET kind = substr(action, 1, instr(action, '.') - 1), people_key = lower(actor_name);

CREATE INDEX audit_events_kind_idx ON audit_events (organization_id, kind, at, id);
CREATE INDEX audit_events_actor_idx ON audit_events (organization_id, actor_id, at, id);
CREATE INDEX audit_events_refused_idx ON audit_events (organization_id, at, id) WHERE outcome <> 'success';
