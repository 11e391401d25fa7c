-- When the credential was given out; NULL: it was revoked, and is random bytes
-- that are the hash of nothing.
ALTER TABLE agents ADD COLUMN credential_issued_at INTEGER;
UPDATE agents SET credential_issued_at = enrolled_at;

-- One that was given out since, and of which the agent has said nothing yet.
ALTER TABLE agents ADD COLUMN staged_credential BLOB CHECK (length(staged_credential) = 32);
ALTER TABLE agents ADD COLUMN staged_at INTEGER;
CREATE UNIQUE INDEX agents_by_staged_credential ON agents (staged_credential);
