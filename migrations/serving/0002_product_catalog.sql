-- product-catalog, revision 1: the shop window. Two slots, so that a rebuild never takes it down.

CREATE TABLE product_catalog_a (
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

CREATE INDEX product_catalog_a_by_time ON product_catalog_a (created_at, product_id);
CREATE INDEX product_catalog_a_by_category ON product_catalog_a (category, created_at, product_id);

-- Every price that a product has had, by the version of the product that set it.
CREATE TABLE product_prices_a (
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

CREATE TABLE product_catalog_b (
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

CREATE INDEX product_catalog_b_by_time ON product_catalog_b (created_at, product_id);
CREATE INDEX product_catalog_b_by_category ON product_catalog_b (category, created_at, product_id);

-- Every price that a product has had, by the version of the product that set it.
CREATE TABLE product_prices_b (
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

-- Live at once, and only where nothing has come that it would have missed.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot)
SELECT 'product-catalog', 1, 1, 'a' WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'product-%');
