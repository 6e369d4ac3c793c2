-- Times are microseconds since 1970-01-01T00:00:00Z, given by the program. Text that is sorted by has
-- the collation C, so that it sorts byte by byte as on SQLite.
-- `*_key` columns hold what is compared and sorted by: addresses in lower case, names folded by the program.

CREATE TABLE accounts (
    id UUID NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL CONSTRAINT accounts_email_key UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    locked_until BIGINT,
    lock_reason TEXT
);

-- What an account can sign in with. An account may have none.
CREATE TABLE credentials (
    id UUID NOT NULL PRIMARY KEY,
    account_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CONSTRAINT credentials_kind_check CHECK (kind IN ('password')),
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX credentials_password_key ON credentials (account_id) WHERE kind = 'password';

-- A sign-up waits here until its address is verified; only then there is an account.
CREATE TABLE sign_ups (
    id UUID NOT NULL PRIMARY KEY,
    token_hash BYTEA NOT NULL CONSTRAINT sign_ups_token_key UNIQUE,
    browser_hash BYTEA NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    password TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX sign_ups_expires_idx ON sign_ups (expires_at);

CREATE TABLE password_resets (
    id UUID NOT NULL PRIMARY KEY,
    token_hash BYTEA NOT NULL CONSTRAINT password_resets_token_key UNIQUE,
    -- Empty where the address has no account: the same rows are written, so that time tells nothing.
    account_id UUID REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX password_resets_account_idx ON password_resets (account_id);
CREATE INDEX password_resets_expires_idx ON password_resets (expires_at);

CREATE TABLE sessions (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    id UUID NOT NULL CONSTRAINT sessions_id_key UNIQUE,
    account_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    absolute_expires_at BIGINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    methods TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE INDEX sessions_account_idx ON sessions (account_id);
CREATE INDEX sessions_expires_idx ON sessions (absolute_expires_at);

-- Browsers in which an account has signed in before: their attempts are counted apart, so that a stranger who guesses
-- cannot lock the owner out.
CREATE TABLE known_browsers (
    token_hash BYTEA NOT NULL,
    account_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (token_hash, account_id)
);
CREATE INDEX known_browsers_expires_idx ON known_browsers (expires_at);

CREATE TABLE organizations (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL CONSTRAINT organizations_name_check CHECK (length(name) BETWEEN 1 AND 255),
    created_at BIGINT NOT NULL,
    created_by UUID REFERENCES accounts (id) ON DELETE SET NULL,
    created_by_name TEXT NOT NULL,
    suspended_at BIGINT,
    suspension_reason TEXT,
    -- Counted in the transactions that change them: nothing counts by listing.
    members_count BIGINT NOT NULL CONSTRAINT organizations_members_count_check CHECK (members_count >= 0),
    invitations_count BIGINT NOT NULL CONSTRAINT organizations_invitations_count_check CHECK (invitations_count >= 0),
    -- Raised first in every transaction that writes in the organization: it takes the row's lock.
    revision BIGINT NOT NULL,
    -- "An organization always has an Admin": it points at one, who can neither leave nor be demoted while it does.
    admin_account_id UUID NOT NULL,
    admin_role TEXT NOT NULL DEFAULT 'Admin' CONSTRAINT organizations_admin_role_check CHECK (admin_role = 'Admin')
);

CREATE TABLE members (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    -- One organization per account.
    account_id UUID NOT NULL CONSTRAINT members_account_key UNIQUE REFERENCES accounts (id),
    role TEXT COLLATE "C" NOT NULL CONSTRAINT members_role_check CHECK (role IN ('Admin', 'Technical user')),
    source TEXT NOT NULL CONSTRAINT members_source_check CHECK (source IN ('creation', 'invitation', 'customer')),
    joined_at BIGINT NOT NULL,
    -- What the list shows and sorts by, kept in step with the account in the same transactions.
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL,
    last_active_at BIGINT NOT NULL,
    CONSTRAINT members_anchor_key UNIQUE (organization_id, account_id, role)
);
ALTER TABLE organizations ADD CONSTRAINT organizations_admin_fkey FOREIGN KEY (id, admin_account_id, admin_role)
    REFERENCES members (organization_id, account_id, role) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX members_name_idx ON members (organization_id, name_key, id);
CREATE INDEX members_email_idx ON members (organization_id, email_key, id);
CREATE INDEX members_role_idx ON members (organization_id, role, id);
CREATE INDEX members_joined_idx ON members (organization_id, joined_at, id);
CREATE INDEX members_last_active_idx ON members (organization_id, last_active_at, id);

-- Who was a member and is no more: what brings members in by itself must not undo it.
CREATE TABLE former_members (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    account_id UUID NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL,
    source TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    ended_by UUID,
    reason TEXT NOT NULL CONSTRAINT former_members_reason_check CHECK (reason IN ('removed', 'left')),
    PRIMARY KEY (organization_id, account_id)
);
CREATE INDEX former_members_email_idx ON former_members (organization_id, email_key);

CREATE TABLE invitations (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL,
    role TEXT NOT NULL CONSTRAINT invitations_role_check CHECK (role IN ('Admin', 'Technical user')),
    -- A pending one whose time is over is shown as expired, and marked so before the address is invited again.
    state TEXT NOT NULL CONSTRAINT invitations_state_check CHECK (state IN ('pending', 'accepted', 'declined', 'revoked', 'expired')),
    token_hash BYTEA NOT NULL CONSTRAINT invitations_token_key UNIQUE,
    invited_by UUID REFERENCES accounts (id) ON DELETE SET NULL,
    invited_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    settled_at BIGINT,
    settled_by UUID
);
-- One pending invitation per address and organization.
CREATE UNIQUE INDEX invitations_pending_key ON invitations (organization_id, email_key) WHERE state = 'pending';
CREATE INDEX invitations_email_idx ON invitations (email_key) WHERE state = 'pending';
CREATE INDEX invitations_sent_idx ON invitations (organization_id, state, sent_at, id);

-- The audit log. Never changed; kept as long as configured.
CREATE TABLE audit_events (
    id UUID NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    organization_id UUID,
    actor_kind TEXT NOT NULL CONSTRAINT audit_events_actor_kind_check CHECK (actor_kind IN ('account', 'anonymous', 'operator', 'system')),
    actor_id UUID,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    objects TEXT NOT NULL,
    before_state TEXT NOT NULL,
    after_state TEXT NOT NULL,
    outcome TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    request_id TEXT NOT NULL
);
CREATE INDEX audit_events_organization_idx ON audit_events (organization_id, at, id);
CREATE INDEX audit_events_at_idx ON audit_events (at);

-- What is to be done outside the database, written in the transaction that wants it done.
CREATE TABLE outbox (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CONSTRAINT outbox_kind_check CHECK (kind IN ('mail')),
    -- Emptied when done: it may hold the secret of a link.
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    lease_until BIGINT,
    done_at BIGINT,
    dead_at BIGINT,
    last_error TEXT
);
CREATE INDEX outbox_due_idx ON outbox (due_at) WHERE done_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_done_idx ON outbox (done_at) WHERE done_at IS NOT NULL;

-- Mails that were kept and not sent, where everything is on loopback and no mail server is configured.
CREATE TABLE kept_mails (
    id UUID NOT NULL PRIMARY KEY,
    message_id TEXT NOT NULL CONSTRAINT kept_mails_message_key UNIQUE,
    at BIGINT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body_text TEXT NOT NULL,
    body_html TEXT NOT NULL
);
CREATE INDEX kept_mails_at_idx ON kept_mails (at, id);

-- Rate limits by the generic cell rate algorithm: one number a key, the theoretical arrival time.
CREATE TABLE limits (
    key BYTEA NOT NULL PRIMARY KEY,
    arrival_at BIGINT NOT NULL
);
CREATE INDEX limits_arrival_idx ON limits (arrival_at);

-- What was done under an idempotency key, so that the same form posted twice stands once and is answered alike.
CREATE TABLE idempotency_keys (
    key_hash BYTEA NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);
