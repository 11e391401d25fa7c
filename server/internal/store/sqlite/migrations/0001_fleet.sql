-- Times are milliseconds since 1970, NULL where there is none. Secrets are the
-- SHA-256 of their text. docs/database.md explains every table.

CREATE TABLE agents (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    labels       TEXT NOT NULL CHECK (json_type(labels) = 'object'),
    host         TEXT NOT NULL CHECK (json_type(host) = 'object'),
    credential   BLOB NOT NULL UNIQUE CHECK (length(credential) = 32),
    enrolled_at  INTEGER NOT NULL,
    last_seen_at INTEGER
) STRICT;

CREATE TABLE join_tokens (
    name       TEXT NOT NULL PRIMARY KEY,
    secret     BLOB NOT NULL UNIQUE CHECK (length(secret) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    -- negative: any number
    uses_left  INTEGER NOT NULL
) STRICT;

CREATE TABLE api_tokens (
    name       TEXT NOT NULL PRIMARY KEY,
    secret     BLOB NOT NULL UNIQUE CHECK (length(secret) = 32),
    role       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE login_codes (
    secret     BLOB NOT NULL PRIMARY KEY CHECK (length(secret) = 32),
    role       TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    secret     BLOB NOT NULL PRIMARY KEY CHECK (length(secret) = 32),
    id         TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
