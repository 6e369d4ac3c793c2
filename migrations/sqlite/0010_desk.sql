-- The operator's desk elsewhere: how far its tables were read, written with the rows that were read.
CREATE TABLE desk_cursors (
    table_name TEXT NOT NULL PRIMARY KEY,
    -- As the desk writes its times, in UTC: 2026-11-24 09:30:00.
    updated_on TEXT NOT NULL,
    sys_id TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- Records of it that were refused. They are tried again, because what they lack may come without a change of their own.
CREATE TABLE desk_refused (
    table_name TEXT NOT NULL,
    sys_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    tried_at INTEGER NOT NULL,
    PRIMARY KEY (table_name, sys_id)
) STRICT;

-- Works that one process does at a time.
CREATE TABLE desk_leases (
    work TEXT NOT NULL PRIMARY KEY,
    holder BLOB NOT NULL,
    held_until INTEGER,
    ended_at INTEGER,
    -- Why it failed; empty where it did not.
    error TEXT NOT NULL
) STRICT;
