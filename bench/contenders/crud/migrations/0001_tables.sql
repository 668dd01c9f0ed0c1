-- The shop in normal form. Indexes are those that the lists need; that by time covers what analytics and the dashboard add up, so that
-- they need not touch the rows.

CREATE TABLE product (
  product_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  sku TEXT NOT NULL,
  category TEXT NOT NULL,
  price_amount INTEGER NOT NULL,
  price_currency TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX product_by_time ON product (created_at, product_id);
CREATE INDEX product_by_category ON product (category, created_at, product_id);

-- Every price that a product has had, since GET /products/{productId}/prices shows them.
CREATE TABLE product_price (
  product_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  from_amount INTEGER,
  from_currency TEXT,
  to_amount INTEGER NOT NULL,
  to_currency TEXT NOT NULL,
  reason TEXT,
  actor TEXT NOT NULL,
  changed_at TEXT NOT NULL,
  PRIMARY KEY (product_id, version)
) WITHOUT ROWID;

CREATE TABLE customer_order (
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
  tracking TEXT,
  carrier TEXT,
  placed_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX customer_order_by_time ON customer_order (placed_at, order_id, currency, status, total, item_count);
CREATE INDEX customer_order_by_customer ON customer_order (customer_id, placed_at, order_id);
CREATE INDEX customer_order_by_status ON customer_order (status, placed_at, order_id);
CREATE INDEX customer_order_by_customer_and_status ON customer_order (customer_id, status, placed_at, order_id);

-- The price is the line's own, since the product's moves on. Name and category are the product's.
CREATE TABLE order_line (
  order_id TEXT NOT NULL,
  line INTEGER NOT NULL,
  product_id TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  unit_amount INTEGER NOT NULL,
  returned INTEGER NOT NULL,
  PRIMARY KEY (order_id, line)
) WITHOUT ROWID;

-- Almost nothing comes back, so what did is found without looking at the rest.
CREATE INDEX order_line_returned ON order_line (order_id, unit_amount, returned) WHERE returned > 0;

-- Only written where the promises are kept.

CREATE TABLE audit (
  entity_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  action TEXT NOT NULL,
  data TEXT NOT NULL,
  actor TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  PRIMARY KEY (entity_id, version)
) WITHOUT ROWID;

CREATE TABLE idempotency (
  key TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  status INTEGER NOT NULL,
  answer TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The words of orders, for the search. Only seeded: what it would take to keep it up to date is in none of CRUD's figures.
CREATE VIRTUAL TABLE order_text USING fts5 (
  order_id UNINDEXED, customer, items, skus, tracking, tokenize = 'ascii', prefix = '1'
);
