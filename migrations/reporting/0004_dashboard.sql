-- dashboard, revision 1: the front page. Two slots, so that a rebuild never takes it down.

CREATE TABLE dashboard_a (
  order_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  customer_name TEXT NOT NULL,
  status TEXT NOT NULL,
  currency TEXT NOT NULL,
  total INTEGER NOT NULL,
  lines TEXT NOT NULL,
  placed_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX dashboard_a_by_time ON dashboard_a (placed_at, order_id);

CREATE TABLE dashboard_statuses_a (
  status TEXT PRIMARY KEY,
  orders INTEGER NOT NULL
) WITHOUT ROWID;

-- By day of placement; the day '' is all days together.
CREATE TABLE dashboard_revenue_a (
  day TEXT NOT NULL,
  currency TEXT NOT NULL,
  total INTEGER NOT NULL,
  PRIMARY KEY (day, currency)
) WITHOUT ROWID;

CREATE TABLE dashboard_sellers_a (
  sku TEXT NOT NULL,
  name TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  PRIMARY KEY (sku, name)
) WITHOUT ROWID;

CREATE INDEX dashboard_sellers_a_by_quantity ON dashboard_sellers_a (quantity DESC, sku, name);

CREATE TABLE dashboard_b (
  order_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  customer_name TEXT NOT NULL,
  status TEXT NOT NULL,
  currency TEXT NOT NULL,
  total INTEGER NOT NULL,
  lines TEXT NOT NULL,
  placed_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX dashboard_b_by_time ON dashboard_b (placed_at, order_id);

CREATE TABLE dashboard_statuses_b (
  status TEXT PRIMARY KEY,
  orders INTEGER NOT NULL
) WITHOUT ROWID;

-- By day of placement; the day '' is all days together.
CREATE TABLE dashboard_revenue_b (
  day TEXT NOT NULL,
  currency TEXT NOT NULL,
  total INTEGER NOT NULL,
  PRIMARY KEY (day, currency)
) WITHOUT ROWID;

CREATE TABLE dashboard_sellers_b (
  sku TEXT NOT NULL,
  name TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  PRIMARY KEY (sku, name)
) WITHOUT ROWID;

CREATE INDEX dashboard_sellers_b_by_quantity ON dashboard_sellers_b (quantity DESC, sku, name);

-- Live at once, and only where nothing has come that it would have missed.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot)
SELECT 'dashboard', 1, 1, 'a' WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'order-%');
