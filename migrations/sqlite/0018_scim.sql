-- Accounts kept by the operator's identity system (SCIM).
-- What it calls the account.
ALTER TABLE accounts ADD COLUMN external_id TEXT CONSTRAINT accounts_external_check CHECK (length(external_id) BETWEEN 1 AND 255);
CREATE UNIQUE INDEX accounts_external_key ON accounts (external_id) WHERE external_id IS NOT NULL;
-- When something of it was changed last that the identity system sees; nothing where nothing was since it was made.
ALTER TABLE accounts ADD COLUMN changed_at INTEGER;
-- Since when the identity system says that nobody may use it. It is locked without an end then, whatever an operator's own
-- lock says, whose end waits here.
ALTER TABLE accounts ADD COLUMN deactivated_at INTEGER;
ALTER TABLE accounts ADD COLUMN operator_locked_until INTEGER
    CONSTRAINT accounts_operator_locked_check CHECK (operator_locked_until IS NULL OR deactivated_at IS NOT NULL);
