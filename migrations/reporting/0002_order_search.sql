-- order-search, revision 1: the support desk's full text search. Two slots, so that a rebuild never takes it down.

CREATE TABLE order_search_a (
  -- A surrogate for the full text index, which addresses rows by it. It means nothing and may differ between slots.
  search_id INTEGER PRIMARY KEY,
  order_id TEXT NOT NULL UNIQUE,
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
  updated_at TEXT NOT NULL,
  -- What is indexed, in the form in which it is (src/orders/search-text.ts).
  customer_terms TEXT NOT NULL,
  item_terms TEXT NOT NULL,
  sku_terms TEXT NOT NULL,
  tracking_terms TEXT NOT NULL
);

CREATE VIRTUAL TABLE order_search_a_index USING fts5 (
  customer_terms, item_terms, sku_terms, tracking_terms,
  content = 'order_search_a', content_rowid = 'search_id',
  tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER order_search_a_added AFTER INSERT ON order_search_a BEGIN
  INSERT INTO order_search_a_index (rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES (new.search_id, new.customer_terms, new.item_terms, new.sku_terms, new.tracking_terms);
END;

CREATE TRIGGER order_search_a_removed AFTER DELETE ON order_search_a BEGIN
  INSERT INTO order_search_a_index (order_search_a_index, rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES ('delete', old.search_id, old.customer_terms, old.item_terms, old.sku_terms, old.tracking_terms);
END;

-- Only what is indexed: a change of status leaves the index alone.
CREATE TRIGGER order_search_a_changed
AFTER UPDATE OF customer_terms, item_terms, sku_terms, tracking_terms ON order_search_a BEGIN
  INSERT INTO order_search_a_index (order_search_a_index, rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES ('delete', old.search_id, old.customer_terms, old.item_terms, old.sku_terms, old.tracking_terms);
  INSERT INTO order_search_a_index (rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES (new.search_id, new.customer_terms, new.item_terms, new.sku_terms, new.tracking_terms);
END;

CREATE TABLE order_search_b (
  -- A surrogate for the full text index, which addresses rows by it. It means nothing and may differ between slots.
  search_id INTEGER PRIMARY KEY,
  order_id TEXT NOT NULL UNIQUE,
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
  updated_at TEXT NOT NULL,
  -- What is indexed, in the form in which it is (src/orders/search-text.ts).
  customer_terms TEXT NOT NULL,
  item_terms TEXT NOT NULL,
  sku_terms TEXT NOT NULL,
  tracking_terms TEXT NOT NULL
);

CREATE VIRTUAL TABLE order_search_b_index USING fts5 (
  customer_terms, item_terms, sku_terms, tracking_terms,
  content = 'order_search_b', content_rowid = 'search_id',
  tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER order_search_b_added AFTER INSERT ON order_search_b BEGIN
  INSERT INTO order_search_b_index (rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES (new.search_id, new.customer_terms, new.item_terms, new.sku_terms, new.tracking_terms);
END;

CREATE TRIGGER order_search_b_removed AFTER DELETE ON order_search_b BEGIN
  INSERT INTO order_search_b_index (order_search_b_index, rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES ('delete', old.search_id, old.customer_terms, old.item_terms, old.sku_terms, old.tracking_terms);
END;

-- Only what is indexed: a change of status leaves the index alone.
CREATE TRIGGER order_search_b_changed
AFTER UPDATE OF customer_terms, item_terms, sku_terms, tracking_terms ON order_search_b BEGIN
  INSERT INTO order_search_b_index (order_search_b_index, rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES ('delete', old.search_id, old.customer_terms, old.item_terms, old.sku_terms, old.tracking_terms);
  INSERT INTO order_search_b_index (rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES (new.search_id, new.customer_terms, new.item_terms, new.sku_terms, new.tracking_terms);
END;

-- Live at once, and only where nothing has come that it would have missed.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot)
SELECT 'order-search', 1, 1, 'a' WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'order-%');
