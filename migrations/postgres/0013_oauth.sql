-- Signing in to PMM servers: the portal is their OpenID provider.
CREATE TABLE signing_keys (
    -- One after the other: of two replicas that make a key at once, one finds its number taken.
    number BIGINT NOT NULL PRIMARY KEY,
    kid TEXT COLLATE "C" NOT NULL CONSTRAINT signing_keys_kid_key UNIQUE,
    created_at BIGINT NOT NULL,
    -- Published before, so that whoever keeps the published keys for a while has it in time.
    signs_from BIGINT NOT NULL,
    modulus BYTEA NOT NULL,
    exponent BYTEA NOT NULL,
    -- The private key, sealed with the key file.
    sealed BYTEA NOT NULL
);

-- A member lets a server know who they are.
CREATE TABLE server_consents (
    id UUID NOT NULL PRIMARY KEY,
    account_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- It ends with the membership.
    member_id UUID NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    server_id UUID NOT NULL REFERENCES pmm_servers (id) ON DELETE CASCADE,
    allowed_at BIGINT NOT NULL,
    signed_in_at BIGINT,
    CONSTRAINT server_consents_account_key UNIQUE (account_id, server_id)
);
CREATE INDEX server_consents_member_idx ON server_consents (member_id);
CREATE INDEX server_consents_server_idx ON server_consents (server_id);

-- One sign-in to a server: a code, and the tokens that came of it.
CREATE TABLE oauth_grants (
    id UUID NOT NULL PRIMARY KEY,
    consent_id UUID NOT NULL REFERENCES server_consents (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    nonce TEXT,
    authenticated_at BIGINT NOT NULL,
    code_hash BYTEA NOT NULL CONSTRAINT oauth_grants_code_key UNIQUE,
    code_challenge TEXT NOT NULL,
    code_expires_at BIGINT NOT NULL,
    -- A code is used once.
    code_used_at BIGINT,
    created_at BIGINT NOT NULL,
    -- When the last of its tokens ends.
    ends_at BIGINT NOT NULL
);
CREATE INDEX oauth_grants_consent_idx ON oauth_grants (consent_id);
CREATE INDEX oauth_grants_ends_idx ON oauth_grants (ends_at);

CREATE TABLE oauth_tokens (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    grant_id UUID NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL CONSTRAINT oauth_tokens_kind_check CHECK (kind IN ('access', 'refresh')),
    -- What for: no more than its grant.
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- A refresh token is used once, and is kept for a while so that a second use is noticed.
    used_at BIGINT
);
CREATE INDEX oauth_tokens_grant_idx ON oauth_tokens (grant_id);
CREATE INDEX oauth_tokens_expires_idx ON oauth_tokens (expires_at);
CREATE INDEX oauth_tokens_used_idx ON oauth_tokens (used_at) WHERE used_at IS NOT NULL;
