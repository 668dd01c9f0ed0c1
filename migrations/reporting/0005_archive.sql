-- archive: every event of every stream, once, in an order that keeps each stream's. Append-only, and so with one slot.

CREATE TABLE archive_event (
  -- The feed's order. Rows become visible in it, since one transaction writes at a time.
  position INTEGER PRIMARY KEY,
  stream TEXT NOT NULL,
  version INTEGER NOT NULL,
  event TEXT NOT NULL
);

-- Live at once, and only where nothing has come that it would have missed.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot)
SELECT 'archive', 1, 1, 'a' WHERE NOT EXISTS (SELECT 1 FROM checkpoint);
