-- Tokens that members make for programs, and the PMM servers that are connected with one.
CREATE TABLE api_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- It ends with the membership.
    member_id BLOB NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    name TEXT NOT NULL CONSTRAINT api_tokens_name_check CHECK (length(name) BETWEEN 1 AND 100),
    scope TEXT NOT NULL CONSTRAINT api_tokens_scope_check CHECK (scope IN ('pmm:connect', 'read', 'full')),
    token_hash BLOB NOT NULL CONSTRAINT api_tokens_token_key UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER,
    CONSTRAINT api_tokens_span_check CHECK (expires_at > created_at)
) STRICT;
CREATE INDEX api_tokens_member_idx ON api_tokens (member_id);
CREATE INDEX api_tokens_account_idx ON api_tokens (account_id);
CREATE INDEX api_tokens_organization_idx ON api_tokens (organization_id);
CREATE INDEX api_tokens_expires_idx ON api_tokens (expires_at);

CREATE TABLE pmm_servers (
    id BLOB NOT NULL PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- What the server calls itself. It is connected to one organization.
    server_id TEXT NOT NULL CONSTRAINT pmm_servers_server_key UNIQUE CONSTRAINT pmm_servers_server_check CHECK (length(server_id) BETWEEN 1 AND 100),
    name TEXT NOT NULL CONSTRAINT pmm_servers_name_check CHECK (length(name) BETWEEN 1 AND 255),
    name_key TEXT NOT NULL,
    url TEXT NOT NULL,
    -- The one address to which people who sign in to it are sent back: on the host of its own address.
    callback_url TEXT NOT NULL,
    connected_by BLOB REFERENCES accounts (id) ON DELETE SET NULL,
    connected_by_name TEXT NOT NULL,
    connected_at INTEGER NOT NULL,
    -- To some minutes.
    last_contact_at INTEGER,
    -- By this id people sign in to it, without a secret (RFC 8252).
    public_client_id TEXT NOT NULL CONSTRAINT pmm_servers_public_client_key UNIQUE,
    -- By this one, with its secret, it signs in itself.
    machine_client_id TEXT NOT NULL CONSTRAINT pmm_servers_machine_client_key UNIQUE,
    machine_secret_hash BLOB NOT NULL
) STRICT;
CREATE INDEX pmm_servers_name_idx ON pmm_servers (organization_id, name_key, id);
CREATE INDEX pmm_servers_connected_idx ON pmm_servers (organization_id, connected_at, id);
CREATE INDEX pmm_servers_connected_by_idx ON pmm_servers (connected_by) WHERE connected_by IS NOT NULL;
