-- Whether the server that has the agent's session is to give it a new credential,
-- which another one was asked for.
ALTER TABLE agents ADD COLUMN rotation_asked boolean NOT NULL DEFAULT false;
