-- Names are compared in lower case: they are of ASCII.
CREATE TABLE users (
    id              TEXT NOT NULL PRIMARY KEY,
    name            TEXT NOT NULL,
    folded_name     TEXT NOT NULL UNIQUE,
    role            TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    disabled        INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    -- a hash in the PHC string format; empty: none
    password        TEXT NOT NULL,
    -- both or none
    issuer          TEXT,
    subject         TEXT,
    created_at      INTEGER NOT NULL,
    last_sign_in_at INTEGER,
    UNIQUE (issuer, subject),
    CHECK ((issuer IS NULL) = (subject IS NULL))
) STRICT;

-- Those of no user carry their own actor and role; a user's have the user's.
ALTER TABLE sessions ADD COLUMN user_id TEXT REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE sessions ADD COLUMN actor TEXT NOT NULL DEFAULT 'link';
ALTER TABLE sessions ADD COLUMN resets_password INTEGER NOT NULL DEFAULT 0 CHECK (resets_password IN (0, 1));
CREATE INDEX sessions_by_user ON sessions (user_id);

ALTER TABLE login_codes ADD COLUMN user_id TEXT REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE login_codes ADD COLUMN actor TEXT NOT NULL DEFAULT 'link';
ALTER TABLE login_codes ADD COLUMN resets_password INTEGER NOT NULL DEFAULT 0 CHECK (resets_password IN (0, 1));
CREATE INDEX login_codes_by_user ON login_codes (user_id);

ALTER TABLE api_tokens ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE api_tokens ADD COLUMN expires_at INTEGER;
ALTER TABLE api_tokens ADD COLUMN last_used_at INTEGER;

ALTER TABLE join_tokens ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE join_tokens ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE join_tokens ADD COLUMN last_used_at INTEGER;
ALTER TABLE join_tokens ADD COLUMN labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object');
-- the one agent that may enrol with it
ALTER TABLE join_tokens ADD COLUMN agent_id TEXT REFERENCES agents (id) ON DELETE CASCADE;
CREATE INDEX join_tokens_by_agent ON join_tokens (agent_id);

CREATE TABLE audit_entries (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    time       INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    address    TEXT NOT NULL,
    action     TEXT NOT NULL,
    target     TEXT NOT NULL,
    detail     TEXT NOT NULL,
    error_code TEXT NOT NULL,
    request_id TEXT NOT NULL
) STRICT;
