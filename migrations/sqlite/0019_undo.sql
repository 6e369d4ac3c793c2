-- What a change of an account's credentials is undone by: the link in the mail that tells its owner of it.
CREATE TABLE undo_links (
    token_hash BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- The address that comes back, or the second factor that goes.
    email TEXT,
    factor_id BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    CONSTRAINT undo_links_one_check CHECK ((email IS NULL) <> (factor_id IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX undo_links_account_idx ON undo_links (account_id);
CREATE INDEX undo_links_expires_idx ON undo_links (expires_at);
