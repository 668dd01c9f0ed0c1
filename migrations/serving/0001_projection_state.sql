-- What the kernel keeps about the projections of this database. The same in every group's database.

-- Which slot of a projection answers queries (live), which others are moved along with it, and the epoch that every change of
-- these raises. Every guarded batch and every query names the epoch that it means.
CREATE TABLE projection_pointer (
  projection TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  live_revision INTEGER NOT NULL,
  live_slot TEXT NOT NULL CHECK (live_slot IN ('a', 'b')),
  -- JSON: [{ "revision": 2, "slot": "b" }, …]
  moved TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;

-- How far a slot of a projection has brought a stream. It moves in the same batch as the rows that it vouches for.
CREATE TABLE checkpoint (
  projection TEXT NOT NULL,
  slot TEXT NOT NULL,
  stream TEXT NOT NULL,
  version INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  PRIMARY KEY (projection, slot, stream)
) WITHOUT ROWID;

-- Streams that a projection cannot take further: the state beside the checkpoint. `version` is that of the event that is refused. While
-- `is_open` is 0 it is only a suspicion and is tried again; open, the stream waits for a replay or a skip.
CREATE TABLE dead_letter (
  projection TEXT NOT NULL,
  stream TEXT NOT NULL,
  version INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  cause TEXT NOT NULL,
  -- What dead letters of one bug have in common: the error's type and place.
  kind TEXT NOT NULL,
  error TEXT NOT NULL,
  tries INTEGER NOT NULL,
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL,
  is_open INTEGER NOT NULL,
  PRIMARY KEY (projection, stream)
) WITHOUT ROWID;

-- Events that an operator has decided to leave out of a projection. Catch-up and every rebuild pass them over.
CREATE TABLE skipped_event (
  projection TEXT NOT NULL,
  stream TEXT NOT NULL,
  version INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  skipped_at TEXT NOT NULL,
  PRIMARY KEY (projection, stream, version)
) WITHOUT ROWID;

-- Assertions of a guarded batch: a statement that finds its assumption broken inserts a 0 here, whose constraint then rolls the whole
-- batch back and says by its name which assumption it was. The table is always empty.
CREATE TABLE guard (
  checkpoint_as_read INTEGER CONSTRAINT checkpoint_as_read CHECK (checkpoint_as_read = 1),
  epoch_as_read INTEGER CONSTRAINT epoch_as_read CHECK (epoch_as_read = 1)
);
