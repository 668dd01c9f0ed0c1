-- Rebuilds and the sweep: what operating the projections of this database needs. The same in every group's database.

-- Every build that was started. One at a time for each projection: `projection_build_active` sees to it.
CREATE TABLE projection_build (
  id TEXT PRIMARY KEY,
  projection TEXT NOT NULL,
  -- What is being built, and where.
  revision INTEGER NOT NULL,
  slot TEXT NOT NULL CHECK (slot IN ('a', 'b')),
  -- What was live when it began; 0: nothing, it is the projection's first build.
  live_revision INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('building', 'comparing', 'awaiting-acceptance', 'swapped', 'failed', 'cancelled')),
  -- 1: differences from what is live need nobody's consent.
  accepts_differences INTEGER NOT NULL,
  -- 1: it only compares; the swap is left to whoever accepts it.
  is_trial INTEGER NOT NULL,
  -- When its slot was empty: whoever is still at clearing it after that is too late.
  cleared_at TEXT,
  -- Events.
  replayed INTEGER NOT NULL,
  total INTEGER NOT NULL,
  -- JSON, once the slots were compared.
  comparison TEXT,
  -- JSON: what made it fail, and the event at which it did.
  error TEXT,
  started_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  ended_at TEXT
) WITHOUT ROWID;

CREATE UNIQUE INDEX projection_build_active ON projection_build (projection)
WHERE state IN ('building', 'comparing', 'awaiting-acceptance');

-- How far the sweep has looked through the streams; one row.
CREATE TABLE sweep (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- The last stream that was looked at; '' before the first.
  stream TEXT NOT NULL,
  swept_at TEXT
);
