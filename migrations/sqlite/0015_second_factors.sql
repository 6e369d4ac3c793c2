-- Second factors of accounts: apps that make one-time codes, recovery codes, and sign-ins of which the first step is done.
CREATE TABLE authenticators (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL CONSTRAINT authenticators_name_check CHECK (length(name) BETWEEN 1 AND 100),
    -- The secret that the app shares, sealed with the key file.
    sealed BLOB NOT NULL,
    -- The step of time of the last code that was used (RFC 6238 §5.2): it and what was before are used up.
    last_step INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX authenticators_account_idx ON authenticators (account_id);

CREATE TABLE recovery_codes (
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    -- Each is used once.
    used_at INTEGER,
    PRIMARY KEY (account_id, code_hash)
) STRICT, WITHOUT ROWID;

-- The first step of a sign-in that needs a second one. It is no session.
CREATE TABLE half_sign_ins (
    token_hash BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- By what the first step was done.
    method TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL CONSTRAINT half_sign_ins_attempts_check CHECK (attempts BETWEEN 0 AND 5)
) STRICT, WITHOUT ROWID;
CREATE INDEX half_sign_ins_account_idx ON half_sign_ins (account_id);
CREATE INDEX half_sign_ins_expires_idx ON half_sign_ins (expires_at);
