-- Signing in by the operator's OpenID provider.
CREATE TABLE identities (
    id UUID NOT NULL PRIMARY KEY,
    account_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- Who says so, and by what they know the person, for good (OpenID Connect Core 1.0 §5.7).
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL CONSTRAINT identities_subject_check CHECK (length(subject) BETWEEN 1 AND 255),
    -- As it was there at the last sign-in. For its owner to see: nothing is decided by it.
    email TEXT NOT NULL,
    linked_at BIGINT NOT NULL,
    signed_in_at BIGINT NOT NULL,
    CONSTRAINT identities_subject_key UNIQUE (issuer, subject),
    CONSTRAINT identities_account_key UNIQUE (account_id, issuer)
);

-- A sign-in that is under way at the provider. It ends once, in the browser that began it.
CREATE TABLE provider_sign_ins (
    state_hash BYTEA NOT NULL PRIMARY KEY,
    browser_hash BYTEA NOT NULL,
    -- Where the person wanted to go; may be empty.
    page TEXT NOT NULL,
    -- The person is to sign in there anew.
    anew BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX provider_sign_ins_expires_idx ON provider_sign_ins (expires_at);

-- An identity that waits in a browser until the owner of the account with its address signs in there.
CREATE TABLE identity_offers (
    browser_hash BYTEA NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX identity_offers_expires_idx ON identity_offers (expires_at);

-- The provider that made an account an operator's, and that may take it back; none where the command line did.
ALTER TABLE operators ADD COLUMN named_by TEXT;
