-- The same view on both engines: what is searched, and by what it is kept apart, filtered and ordered.
DROP VIEW members_search;
CREATE VIEW members_search AS
    SELECT id, organization_id, role, joined_at, last_active_at, name_key, email_key, searched AS search_keys FROM members;
