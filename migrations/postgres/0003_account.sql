-- An account changes its address or ends; an organization is renamed or ends.

-- Raised first in every transaction that must find the account as it is until the commit: it takes the row's lock.
ALTER TABLE accounts ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- A new address waits here until whoever asked for it has shown that it is theirs. Where the address has an account,
-- the same row is written, and its secret goes to nobody.
CREATE TABLE email_changes (
    id UUID NOT NULL PRIMARY KEY,
    token_hash BYTEA NOT NULL CONSTRAINT email_changes_token_key UNIQUE,
    account_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX email_changes_account_idx ON email_changes (account_id);
CREATE INDEX email_changes_expires_idx ON email_changes (expires_at);

-- An organization that was deleted: no import brings it back by itself, and its audit events keep a name.
CREATE TABLE former_organizations (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    members_count BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    -- An account that may be gone by now, too.
    deleted_by UUID NOT NULL,
    deleted_by_name TEXT NOT NULL
);

-- Who was a member outlives the organization, and may have ceased to be one in more ways.
ALTER TABLE former_members DROP CONSTRAINT former_members_organization_id_fkey;
ALTER TABLE former_members DROP CONSTRAINT former_members_reason_check;
ALTER TABLE former_members ADD CONSTRAINT former_members_reason_check CHECK (reason IN ('removed', 'left', 'account_deleted', 'organization_deleted'));

-- What an account's end looks for.
CREATE INDEX credentials_account_idx ON credentials (account_id);
CREATE INDEX known_browsers_account_idx ON known_browsers (account_id);
CREATE INDEX organizations_created_by_idx ON organizations (created_by);
CREATE INDEX invitations_invited_by_idx ON invitations (invited_by);
