-- The tables are those of the SQLite database; docs/database.md explains each.
-- Names compare by their bytes, whatever the locale of the database. JSON is
-- json and not jsonb: it is read and written whole, and a label may hold U+0000,
-- which jsonb refuses.

CREATE TABLE agents (
    id           text COLLATE "C" NOT NULL PRIMARY KEY,
    name         text COLLATE "C" NOT NULL UNIQUE,
    labels       json NOT NULL CHECK (json_typeof(labels) = 'object'),
    host         json NOT NULL CHECK (json_typeof(host) = 'object'),
    credential   bytea NOT NULL UNIQUE CHECK (length(credential) = 32),
    -- NULL: it was revoked, and is random bytes that are the hash of nothing
    credential_issued_at timestamptz(3),
    -- one that was given out since, of which the agent has said nothing yet
    staged_credential bytea UNIQUE CHECK (length(staged_credential) = 32),
    staged_at    timestamptz(3),
    enrolled_at  timestamptz(3) NOT NULL,
    last_seen_at timestamptz(3)
) WITH (fillfactor = 80); -- room beside each row for the next sighting

CREATE TABLE join_tokens (
    name         text COLLATE "C" NOT NULL PRIMARY KEY,
    secret       bytea NOT NULL UNIQUE CHECK (length(secret) = 32),
    created_at   timestamptz(3) NOT NULL,
    created_by   text NOT NULL DEFAULT '',
    expires_at   timestamptz(3),
    -- negative: any number
    uses_left    bigint NOT NULL,
    uses         bigint NOT NULL DEFAULT 0,
    last_used_at timestamptz(3),
    labels       json NOT NULL DEFAULT '{}' CHECK (json_typeof(labels) = 'object'),
    -- the one agent that may enrol with it
    agent_id     text COLLATE "C" REFERENCES agents (id) ON DELETE CASCADE
);

CREATE INDEX join_tokens_by_agent ON join_tokens (agent_id);

CREATE TABLE api_tokens (
    name         text COLLATE "C" NOT NULL PRIMARY KEY,
    secret       bytea NOT NULL UNIQUE CHECK (length(secret) = 32),
    role         text NOT NULL,
    created_at   timestamptz(3) NOT NULL,
    created_by   text NOT NULL,
    expires_at   timestamptz(3),
    last_used_at timestamptz(3)
);

-- Names are compared in lower case: they are of ASCII.
CREATE TABLE users (
    id              text COLLATE "C" NOT NULL PRIMARY KEY,
    name            text NOT NULL,
    folded_name     text COLLATE "C" NOT NULL UNIQUE,
    role            text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    disabled        boolean NOT NULL,
    -- a hash in the PHC string format; empty: none
    password        text NOT NULL,
    -- both or none
    issuer          text COLLATE "C",
    subject         text COLLATE "C",
    created_at      timestamptz(3) NOT NULL,
    last_sign_in_at timestamptz(3),
    UNIQUE (issuer, subject),
    CHECK ((issuer IS NULL) = (subject IS NULL))
);

-- Codes and sessions of no user carry their own actor and role; a user's have
-- the user's.
CREATE TABLE login_codes (
    secret          bytea NOT NULL PRIMARY KEY CHECK (length(secret) = 32),
    user_id         text COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
    actor           text NOT NULL,
    role            text NOT NULL,
    resets_password boolean NOT NULL,
    expires_at      timestamptz(3) NOT NULL
);

CREATE INDEX login_codes_by_user ON login_codes (user_id);

CREATE TABLE sessions (
    secret          bytea NOT NULL PRIMARY KEY CHECK (length(secret) = 32),
    id              text COLLATE "C" NOT NULL UNIQUE,
    user_id         text COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
    actor           text NOT NULL,
    role            text NOT NULL,
    resets_password boolean NOT NULL,
    created_at      timestamptz(3) NOT NULL,
    expires_at      timestamptz(3) NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE audit_entries (
    id         bigint NOT NULL PRIMARY KEY,
    time       timestamptz(3) NOT NULL,
    actor      text NOT NULL,
    address    text NOT NULL,
    action     text NOT NULL,
    target     text NOT NULL,
    detail     text NOT NULL,
    error_code text NOT NULL,
    request_id text NOT NULL
);

-- A revision never changes, but for its rollout. The configuration and the plan
-- have the field names of the API.
CREATE TABLE config_revisions (
    number         bigint NOT NULL PRIMARY KEY CHECK (number > 0),
    created_at     timestamptz(3) NOT NULL,
    author         text NOT NULL,
    message        text NOT NULL,
    -- the revision that this one took back to, 0 for none
    rollback_of    bigint NOT NULL,
    plan           json NOT NULL CHECK (json_typeof(plan) = 'object'),
    rollout_state  text NOT NULL CHECK (rollout_state IN ('running', 'done', 'failed', 'superseded')),
    rollout_step   bigint NOT NULL,
    rollout_reason text NOT NULL,
    config         json NOT NULL CHECK (json_typeof(config) = 'object')
);

-- Hashes are eight bytes, the most significant first.
CREATE TABLE agent_config_state (
    agent_id      text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    revision      bigint NOT NULL,
    desired_hash  bytea NOT NULL CHECK (length(desired_hash) = 8),
    in_force_hash bytea NOT NULL CHECK (length(in_force_hash) = 8),
    state         text NOT NULL CHECK (state IN ('local', 'pending', 'applied', 'rejected', 'drifted')),
    errors        json NOT NULL CHECK (json_typeof(errors) = 'array'),
    changed_at    timestamptz(3) NOT NULL
);

-- What servers owe each other.

-- A lease that ran out belongs to nobody. The clock is the database's.
CREATE TABLE leases (
    name       text COLLATE "C" NOT NULL PRIMARY KEY,
    holder     text COLLATE "C" NOT NULL,
    expires_at timestamptz NOT NULL
);

-- The newest session of each agent that is connected, as its server sees it.
CREATE TABLE agent_sessions (
    agent_id   text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    server_id  text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    status     json NOT NULL CHECK (json_typeof(status) = 'object')
) WITH (fillfactor = 70);

CREATE INDEX agent_sessions_server ON agent_sessions (server_id);

CREATE SEQUENCE session_generations;
