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

INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES ('product-catalog', 1, 1, 'a');
