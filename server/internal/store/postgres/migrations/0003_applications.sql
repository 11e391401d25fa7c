-- The session of the browser that let in an application of another origin: the
-- application's code and session end with it.
ALTER TABLE sessions ADD COLUMN parent bytea REFERENCES sessions (secret) ON DELETE CASCADE;
CREATE INDEX sessions_by_parent ON sessions (parent);
ALTER TABLE login_codes ADD COLUMN parent bytea REFERENCES sessions (secret) ON DELETE CASCADE;
CREATE INDEX login_codes_by_parent ON login_codes (parent);
