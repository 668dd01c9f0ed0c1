-- order-lookup, revision 2: each order as it is served. Two slots, so that a rebuild never takes it down.

CREATE TABLE order_lookup_2_a (
  order_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  customer_id TEXT NOT NULL,
  status TEXT NOT NULL,
  placed_at TEXT NOT NULL,
  resource TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX order_lookup_2_a_by_placed_at ON order_lookup_2_a (placed_at, order_id);
CREATE INDEX order_lookup_2_a_by_customer_id_placed_at ON order_lookup_2_a (customer_id, placed_at, order_id);
CREATE INDEX order_lookup_2_a_by_status_placed_at ON order_lookup_2_a (status, placed_at, order_id);
CREATE INDEX order_lookup_2_a_by_customer_id_status_placed_at ON order_lookup_2_a (customer_id, status, placed_at, order_id);

CREATE TABLE order_lookup_2_b (
  order_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  customer_id TEXT NOT NULL,
  status TEXT NOT NULL,
  placed_at TEXT NOT NULL,
  resource TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX order_lookup_2_b_by_placed_at ON order_lookup_2_b (placed_at, order_id);
CREATE INDEX order_lookup_2_b_by_customer_id_placed_at ON order_lookup_2_b (customer_id, placed_at, order_id);
CREATE INDEX order_lookup_2_b_by_status_placed_at ON order_lookup_2_b (status, placed_at, order_id);
CREATE INDEX order_lookup_2_b_by_customer_id_status_placed_at ON order_lookup_2_b (customer_id, status, placed_at, order_id);

-- A new database begins with this revision. Where events have come, the former one stays live until a build is swapped in.
UPDATE projection_pointer SET epoch = epoch + 1, live_revision = 2
WHERE projection = 'order-lookup' AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'order-%')
  AND NOT EXISTS (SELECT 1 FROM shared_checkpoint WHERE stream LIKE 'order-%');
