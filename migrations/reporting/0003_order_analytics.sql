-- order-analytics, revision 1: the finance team's figures. Two slots, so that a rebuild never takes it down.

-- One fact for each order: what it counts for, so that it can be taken back.
CREATE TABLE order_analytics_a (
  order_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  placed_on TEXT NOT NULL,
  status TEXT NOT NULL,
  customer_segment TEXT,
  region TEXT,
  currency TEXT NOT NULL,
  lines TEXT NOT NULL
) WITHOUT ROWID;

-- Sums by day of placement, by what they are grouped by ('day', 'region', 'segment', 'category') and by its value; '' stands for none.
CREATE TABLE order_analytics_daily_a (
  grouped_by TEXT NOT NULL,
  day TEXT NOT NULL,
  value TEXT NOT NULL,
  currency TEXT NOT NULL,
  orders INTEGER NOT NULL,
  items INTEGER NOT NULL,
  total INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  PRIMARY KEY (grouped_by, day, value, currency)
) WITHOUT ROWID;

-- One fact for each order: what it counts for, so that it can be taken back.
CREATE TABLE order_analytics_b (
  order_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  placed_on TEXT NOT NULL,
  status TEXT NOT NULL,
  customer_segment TEXT,
  region TEXT,
  currency TEXT NOT NULL,
  lines TEXT NOT NULL
) WITHOUT ROWID;

-- Sums by day of placement, by what they are grouped by ('day', 'region', 'segment', 'category') and by its value; '' stands for none.
CREATE TABLE order_analytics_daily_b (
  grouped_by TEXT NOT NULL,
  day TEXT NOT NULL,
  value TEXT NOT NULL,
  currency TEXT NOT NULL,
  orders INTEGER NOT NULL,
  items INTEGER NOT NULL,
  total INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  PRIMARY KEY (grouped_by, day, value, currency)
) WITHOUT ROWID;

-- Live at once, and only where nothing has come that it would have missed.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot)
SELECT 'order-analytics', 1, 1, 'a' WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'order-%');
