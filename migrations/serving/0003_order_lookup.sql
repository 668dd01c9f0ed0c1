-- order-lookup, revision 1: the customer's order page. Two slots, so that a rebuild never takes it down.

CREATE TABLE order_lookup_a (
  order_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  customer_id TEXT NOT NULL,
  customer_name TEXT NOT NULL,
  customer_segment TEXT,
  region TEXT,
  status TEXT NOT NULL,
  currency TEXT NOT NULL,
  total INTEGER NOT NULL,
  item_count INTEGER NOT NULL,
  items TEXT NOT NULL,
  tracking TEXT,
  carrier TEXT,
  placed_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX order_lookup_a_by_time ON order_lookup_a (placed_at, order_id);
CREATE INDEX order_lookup_a_by_customer ON order_lookup_a (customer_id, placed_at, order_id);
CREATE INDEX order_lookup_a_by_status ON order_lookup_a (status, placed_at, order_id);
CREATE INDEX order_lookup_a_by_customer_and_status ON order_lookup_a (customer_id, status, placed_at, order_id);

CREATE TABLE order_lookup_b (
  order_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  customer_id TEXT NOT NULL,
  customer_name TEXT NOT NULL,
  customer_segment TEXT,
  region TEXT,
  status TEXT NOT NULL,
  currency TEXT NOT NULL,
  total INTEGER NOT NULL,
  item_count INTEGER NOT NULL,
  items TEXT NOT NULL,
  tracking TEXT,
  carrier TEXT,
  placed_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX order_lookup_b_by_time ON order_lookup_b (placed_at, order_id);
CREATE INDEX order_lookup_b_by_customer ON order_lookup_b (customer_id, placed_at, order_id);
CREATE INDEX order_lookup_b_by_status ON order_lookup_b (status, placed_at, order_id);
CREATE INDEX order_lookup_b_by_customer_and_status ON order_lookup_b (customer_id, status, placed_at, order_id);

-- Live at once, and only where nothing has come that it would have missed.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot)
SELECT 'order-lookup', 1, 1, 'a' WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'order-%');
