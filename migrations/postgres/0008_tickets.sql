-- Tickets: what people ask the operator's support, and what is answered. A ticket is its customer's where the
-- organization is joined with a record, else the organization's own.
CREATE TABLE tickets (
    id UUID NOT NULL PRIMARY KEY,
    -- What people call it: the portal's own, or the desk's where it came from there.
    number TEXT COLLATE "C" NOT NULL CONSTRAINT tickets_number_key UNIQUE CONSTRAINT tickets_number_check CHECK (length(number) BETWEEN 1 AND 40),
    customer_id UUID REFERENCES customers (id) ON DELETE CASCADE,
    organization_id UUID REFERENCES organizations (id) ON DELETE CASCADE,
    -- The one of the two that it has: lists are kept apart by it.
    owner_id UUID NOT NULL,
    -- Whoever raised it, where that is an account here; name and address are kept in step with it.
    requester_id UUID REFERENCES accounts (id) ON DELETE SET NULL,
    requester_name TEXT NOT NULL,
    requester_name_key TEXT COLLATE "C" NOT NULL,
    requester_email TEXT NOT NULL,
    -- The address in lower case, or nothing: whoever has it sees the ticket as the own one.
    requester_key TEXT COLLATE "C" NOT NULL,
    product TEXT NOT NULL,
    subject TEXT NOT NULL CONSTRAINT tickets_subject_check CHECK (length(subject) BETWEEN 1 AND 255),
    subject_key TEXT COLLATE "C" NOT NULL,
    -- Number, subject and product, folded: what is searched beside the requester's name.
    search_key TEXT COLLATE "C" NOT NULL,
    -- Markdown.
    description TEXT NOT NULL,
    priority TEXT NOT NULL,
    -- 1 is the most urgent, 4 the least, 5 is unknown.
    priority_rank BIGINT NOT NULL CONSTRAINT tickets_priority_rank_check CHECK (priority_rank BETWEEN 1 AND 5),
    -- In the desk's words, and what they come to.
    state TEXT NOT NULL,
    stage TEXT COLLATE "C" NOT NULL CONSTRAINT tickets_stage_check CHECK (stage IN ('open', 'waiting', 'resolved', 'closed')),
    department TEXT COLLATE "C" NOT NULL,
    category TEXT NOT NULL,
    -- Where it stands at a desk elsewhere, or nothing.
    url TEXT NOT NULL,
    source TEXT NOT NULL CONSTRAINT tickets_source_check CHECK (source IN ('portal', 'import', 'desk')),
    -- Its identifier at a desk elsewhere.
    external_id TEXT COLLATE "C" CONSTRAINT tickets_external_key UNIQUE,
    -- Whether it has reached the desk elsewhere: 'none' where there is no such desk.
    desk_state TEXT NOT NULL CONSTRAINT tickets_desk_state_check CHECK (desk_state IN ('none', 'waiting', 'there')),
    assignee_id UUID REFERENCES accounts (id) ON DELETE SET NULL,
    messages BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Since when it is resolved or closed.
    resolved_at BIGINT,
    imported_at BIGINT,
    -- Raised first in every transaction that changes it: it takes the row's lock.
    revision BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT tickets_owner_check CHECK (owner_id = coalesce(customer_id, organization_id) AND (customer_id IS NULL OR organization_id IS NULL)),
    CONSTRAINT tickets_resolved_check CHECK ((stage IN ('resolved', 'closed')) = (resolved_at IS NOT NULL))
);
CREATE INDEX tickets_created_idx ON tickets (owner_id, created_at, id);
CREATE INDEX tickets_updated_idx ON tickets (owner_id, updated_at, id);
CREATE INDEX tickets_priority_idx ON tickets (owner_id, priority_rank, id);
CREATE INDEX tickets_stage_idx ON tickets (owner_id, stage, id);
CREATE INDEX tickets_subject_idx ON tickets (owner_id, subject_key, id);
CREATE INDEX tickets_requester_idx ON tickets (owner_id, requester_key, id);
CREATE INDEX tickets_requester_account_idx ON tickets (requester_id) WHERE requester_id IS NOT NULL;
CREATE INDEX tickets_assignee_idx ON tickets (assignee_id) WHERE assignee_id IS NOT NULL;
CREATE INDEX tickets_organization_idx ON tickets (organization_id) WHERE organization_id IS NOT NULL;
CREATE INDEX tickets_customer_idx ON tickets (customer_id) WHERE customer_id IS NOT NULL;

-- The thread: replies of both sides, and what was done to the ticket.
CREATE TABLE ticket_messages (
    id UUID NOT NULL PRIMARY KEY,
    ticket_id UUID NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CONSTRAINT ticket_messages_kind_check CHECK (kind IN ('reply', 'event')),
    side TEXT NOT NULL CONSTRAINT ticket_messages_side_check CHECK (side IN ('customer', 'staff')),
    author_id UUID REFERENCES accounts (id) ON DELETE SET NULL,
    author_name TEXT NOT NULL,
    -- Markdown; of an event its words.
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- Its identifier at a desk elsewhere or in an import.
    external_id TEXT COLLATE "C",
    CONSTRAINT ticket_messages_external_key UNIQUE (ticket_id, external_id)
);
CREATE INDEX ticket_messages_thread_idx ON ticket_messages (ticket_id, at, id);
CREATE INDEX ticket_messages_author_idx ON ticket_messages (author_id) WHERE author_id IS NOT NULL;

-- What the operator's staff tell each other. Kept apart from the thread, so that no statement for a customer can meet it.
CREATE TABLE ticket_notes (
    id UUID NOT NULL PRIMARY KEY,
    ticket_id UUID NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    author_id UUID REFERENCES accounts (id) ON DELETE SET NULL,
    author_name TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX ticket_notes_thread_idx ON ticket_notes (ticket_id, at, id);
CREATE INDEX ticket_notes_author_idx ON ticket_notes (author_id) WHERE author_id IS NOT NULL;

-- Files, in chunks. One that belongs to no ticket yet was sent with a form that was not accepted, and is forgotten.
CREATE TABLE ticket_attachments (
    id UUID NOT NULL PRIMARY KEY,
    ticket_id UUID REFERENCES tickets (id) ON DELETE CASCADE,
    -- The message that it came with; nothing where it came with the ticket.
    message_id UUID REFERENCES ticket_messages (id) ON DELETE CASCADE,
    uploader_id UUID REFERENCES accounts (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    -- In bytes.
    size BIGINT NOT NULL CONSTRAINT ticket_attachments_size_check CHECK (size BETWEEN 0 AND 10485760),
    uploaded_at BIGINT NOT NULL
);
CREATE INDEX ticket_attachments_ticket_idx ON ticket_attachments (ticket_id, id) WHERE ticket_id IS NOT NULL;
CREATE INDEX ticket_attachments_message_idx ON ticket_attachments (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX ticket_attachments_uploader_idx ON ticket_attachments (uploader_id) WHERE uploader_id IS NOT NULL;
CREATE INDEX ticket_attachments_staged_idx ON ticket_attachments (uploaded_at) WHERE ticket_id IS NULL;
CREATE TABLE ticket_attachment_chunks (
    attachment_id UUID NOT NULL REFERENCES ticket_attachments (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (attachment_id, position)
);

-- How many tickets there are of each kind, kept in the transactions that change them: the summary over the list.
CREATE TABLE ticket_counts (
    owner_id UUID NOT NULL,
    stage TEXT COLLATE "C" NOT NULL,
    department TEXT COLLATE "C" NOT NULL,
    priority_rank BIGINT NOT NULL,
    tickets BIGINT NOT NULL CONSTRAINT ticket_counts_tickets_check CHECK (tickets >= 0),
    PRIMARY KEY (owner_id, stage, department, priority_rank)
);

-- The next of the portal's own numbers.
CREATE TABLE ticket_numbers (
    series TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL
);
INSERT INTO ticket_numbers (series, next) VALUES ('T', 1001);
