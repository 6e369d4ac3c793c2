-- An account changes its address or ends; an organization is renamed or ends.

-- Raised first in every transaction that must find the account as it is until the commit: it takes the row's lock.
ALTER TABLE accounts ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- A new address waits here until whoever asked for it has shown that it is theirs. Where the address has an account,
-- the same row is written, and its secret goes to nobody.
CREATE TABLE email_changes (
    id BLOB NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL CONSTRAINT email_changes_token_key UNIQUE,
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE INDEX email_changes_account_idx ON email_changes (account_id);
CREATE INDEX email_changes_expires_idx ON email_changes (expires_at);

-- An organization that was deleted: no import brings it back by itself, and its audit events keep a name.
CREATE TABLE former_organizations (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    members_count INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL,
    -- An account that may be gone by now, too.
    deleted_by BLOB NOT NULL,
    deleted_by_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who was a member outlives the organization, and may have ceased to be one in more ways.
CREATE TABLE former_members_of_all (
    organization_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    email_key TEXT NOT NULL,
    source TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    ended_by BLOB,
    reason TEXT NOT NULL CONSTRAINT former_members_reason_check CHECK (reason IN ('removed', 'left', 'account_deleted', 'organization_deleted')),
    PRIMARY KEY (organization_id, account_id)
) STRICT, WITHOUT ROWID;
INSERT INTO former_members_of_all (organization_id, account_id, email_key, source, ended_at, ended_by, reason)
    SELECT organization_id, account_id, email_key, source, ended_at, ended_by, reason FROM former_members;
DROP TABLE former_members;
ALTER TABLE former_members_of_all RENAME TO former_members;
CREATE INDEX former_members_email_idx ON former_members (organization_id, email_key);

-- What an account's end looks for.
CREATE INDEX credentials_account_idx ON credentials (account_id);
CREATE INDEX known_browsers_account_idx ON known_browsers (account_id);
CREATE INDEX organizations_created_by_idx ON organizations (created_by);
CREATE INDEX invitations_invited_by_idx ON invitations (invited_by);
