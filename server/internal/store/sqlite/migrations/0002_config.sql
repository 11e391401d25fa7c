-- A revision never changes, but for its rollout. The configuration and the plan
-- are JSON with the field names of the API.
CREATE TABLE config_revisions (
    number         INTEGER NOT NULL PRIMARY KEY CHECK (number > 0),
    created_at     INTEGER NOT NULL,
    author         TEXT NOT NULL,
    message        TEXT NOT NULL,
    -- the revision that this one took back to, 0 for none
    rollback_of    INTEGER NOT NULL,
    plan           TEXT NOT NULL CHECK (json_type(plan) = 'object'),
    rollout_state  TEXT NOT NULL CHECK (rollout_state IN ('running', 'done', 'failed', 'superseded')),
    rollout_step   INTEGER NOT NULL,
    rollout_reason TEXT NOT NULL,
    config         TEXT NOT NULL CHECK (json_type(config) = 'object')
) STRICT;

-- Hashes are eight bytes, the most significant first.
CREATE TABLE agent_config_state (
    agent_id      TEXT NOT NULL PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    revision      INTEGER NOT NULL,
    desired_hash  BLOB NOT NULL CHECK (length(desired_hash) = 8),
    in_force_hash BLOB NOT NULL CHECK (length(in_force_hash) = 8),
    state         TEXT NOT NULL CHECK (state IN ('local', 'pending', 'applied', 'rejected', 'drifted')),
    errors        TEXT NOT NULL CHECK (json_type(errors) = 'array'),
    changed_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
