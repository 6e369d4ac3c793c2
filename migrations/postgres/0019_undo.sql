-- What a change of an account's credentials is undone by: the link in the mail that tells its owner of it.
CREATE TABLE undo_links (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    account_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- The address that comes back, or the second factor that goes.
    email TEXT,
    factor_id UUID,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    CONSTRAINT undo_links_one_check CHECK ((email IS NULL) <> (factor_id IS NULL))
);
CREATE INDEX undo_links_account_idx ON undo_links (account_id);
CREATE INDEX undo_links_expires_idx ON undo_links (expires_at);
