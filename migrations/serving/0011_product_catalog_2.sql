-- product-catalog, revision 2: each product as it is served. Two slots, so that a rebuild never takes it down. The tables of prices stay.

CREATE TABLE product_catalog_2_a (
  product_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  category TEXT NOT NULL,
  created_at TEXT NOT NULL,
  resource TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX product_catalog_2_a_by_created_at ON product_catalog_2_a (created_at, product_id);
CREATE INDEX product_catalog_2_a_by_category_created_at ON product_catalog_2_a (category, created_at, product_id);

CREATE TABLE product_catalog_2_b (
  product_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  category TEXT NOT NULL,
  created_at TEXT NOT NULL,
  resource TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX product_catalog_2_b_by_created_at ON product_catalog_2_b (created_at, product_id);
CREATE INDEX product_catalog_2_b_by_category_created_at ON product_catalog_2_b (category, created_at, product_id);

-- A new database begins with this revision. Where events have come, the former one stays live until a build is swapped in.
UPDATE projection_pointer SET epoch = epoch + 1, live_revision = 2
WHERE projection = 'product-catalog' AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'product-%')
  AND NOT EXISTS (SELECT 1 FROM shared_checkpoint WHERE stream LIKE 'product-%');
