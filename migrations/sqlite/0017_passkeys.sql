-- Passkeys (WebAuthn): second factors, and sign-ins without a password.
CREATE TABLE passkeys (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL CONSTRAINT passkeys_name_check CHECK (length(name) BETWEEN 1 AND 100),
    -- What the authenticator calls it: one account's alone.
    credential_id BLOB NOT NULL CONSTRAINT passkeys_credential_key UNIQUE,
    -- The public key with its counter, as JSON.
    credential TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX passkeys_account_idx ON passkeys (account_id);

-- What a browser was asked to sign, until it answers. Each is used once.
CREATE TABLE passkey_challenges (
    token_hash BLOB NOT NULL PRIMARY KEY,
    -- Nobody's where whoever signs in is not known yet.
    account_id BLOB REFERENCES accounts (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CONSTRAINT passkey_challenges_purpose_check CHECK (purpose IN ('register', 'second step', 'sign in')),
    state TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_challenges_account_idx ON passkey_challenges (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX passkey_challenges_expires_idx ON passkey_challenges (expires_at);
