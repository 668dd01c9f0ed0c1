-- api-keys, revision 1. Two slots, so that a rebuild never takes it down.

CREATE TABLE api_keys_a (
  key_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  resource TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX api_keys_a_by_created_at ON api_keys_a (created_at, key_id);

CREATE TABLE api_keys_b (
  key_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  resource TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX api_keys_b_by_created_at ON api_keys_b (created_at, key_id);

-- Live at once, and only where no event has come that it would have missed.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot)
SELECT 'api-keys', 1, 1, 'a' WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'key-%')
  AND NOT EXISTS (SELECT 1 FROM shared_checkpoint WHERE stream LIKE 'key-%');
