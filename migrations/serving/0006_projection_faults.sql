-- An SQL error that every stream of a projection meets: it belongs to the projection and makes no dead letter. At most one row for each.
CREATE TABLE projection_fault (
  projection TEXT PRIMARY KEY,
  -- The database's own words for the error. Never data.
  kind TEXT NOT NULL,
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL,
  -- When a batch of the projection was applied after that; NULL while none was.
  applied_at TEXT
) WITHOUT ROWID;
