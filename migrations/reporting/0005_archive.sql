-- archive: every event of every stream, once, in an order that keeps each stream's. Append-only, and so with one slot.

CREATE TABLE archive_event (
  -- The feed's order. Rows become visible in it, since one transaction writes at a time.
  position INTEGER PRIMARY KEY,
  stream TEXT NOT NULL,
  version INTEGER NOT NULL,
  event TEXT NOT NULL
);

-- Live at once, wherever it is made: what it has missed it fetches from the logs, stream by stream.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES ('archive', 1, 1, 'a');
