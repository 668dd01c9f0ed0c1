-- order-search, revision 2: words are folded by the Worker alone, and the newest are those that were placed last. Two slots, so that a
-- rebuild never takes it down.

CREATE TABLE order_search_2_a (
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
  updated_at TEXT NOT NULL,
  -- What is indexed: words, folded, with a space between them (src/orders/search-words.ts).
  customer_terms TEXT NOT NULL,
  item_terms TEXT NOT NULL,
  sku_terms TEXT NOT NULL,
  tracking_terms TEXT NOT NULL,
  -- The least number of a document that was placed in this millisecond.
  least_document INTEGER GENERATED ALWAYS AS (
    coalesce(CAST(round(unixepoch(placed_at, 'subsec') * 1000) AS INTEGER), 0) << 20
  ) VIRTUAL
) WITHOUT ROWID;

-- The number by which the full text index knows an order. It rises with the time of placement, since the index goes by it: milliseconds, and
-- 20 bits for orders of the same millisecond. It means nothing else and may differ between slots.
CREATE TABLE order_search_2_a_document (
  document_id INTEGER PRIMARY KEY,
  order_id TEXT NOT NULL
);

-- Only for commands of FTS5 that check or refill the index.
CREATE VIEW order_search_2_a_content AS
SELECT document_id, customer_terms, item_terms, sku_terms, tracking_terms
FROM order_search_2_a_document
JOIN order_search_2_a USING (order_id);

-- The tokenizer splits at spaces and takes whatever is not ASCII for a part of a word: SQLite's own tables of Unicode have no say. A search
-- for a single letter is one list of the index, not as many as there are words that begin with it.
CREATE VIRTUAL TABLE order_search_2_a_index USING fts5 (
  customer_terms, item_terms, sku_terms, tracking_terms,
  content = 'order_search_2_a_content', content_rowid = 'document_id',
  tokenize = 'ascii', prefix = '1'
);

CREATE TRIGGER order_search_2_a_added AFTER INSERT ON order_search_2_a BEGIN
  INSERT INTO order_search_2_a_document (document_id, order_id)
  SELECT coalesce(max(document_id) + 1, new.least_document), new.order_id
  FROM order_search_2_a_document
  WHERE document_id BETWEEN new.least_document AND new.least_document + (1 << 20) - 1;
  INSERT INTO order_search_2_a_index (rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES (last_insert_rowid(), new.customer_terms, new.item_terms, new.sku_terms, new.tracking_terms);
END;

CREATE TRIGGER order_search_2_a_removed AFTER DELETE ON order_search_2_a BEGIN
  INSERT INTO order_search_2_a_index (order_search_2_a_index, rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  SELECT 'delete', document_id, old.customer_terms, old.item_terms, old.sku_terms, old.tracking_terms
  FROM order_search_2_a_document
  WHERE document_id BETWEEN old.least_document AND old.least_document + (1 << 20) - 1 AND order_id = old.order_id;
  DELETE FROM order_search_2_a_document
  WHERE document_id BETWEEN old.least_document AND old.least_document + (1 << 20) - 1 AND order_id = old.order_id;
END;

-- Only what is indexed: a change of status leaves the index alone. An order's time of placement never changes.
CREATE TRIGGER order_search_2_a_changed
AFTER UPDATE OF customer_terms, item_terms, sku_terms, tracking_terms ON order_search_2_a BEGIN
  INSERT INTO order_search_2_a_index (order_search_2_a_index, rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  SELECT 'delete', document_id, old.customer_terms, old.item_terms, old.sku_terms, old.tracking_terms
  FROM order_search_2_a_document
  WHERE document_id BETWEEN old.least_document AND old.least_document + (1 << 20) - 1 AND order_id = old.order_id;
  INSERT INTO order_search_2_a_index (rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  SELECT document_id, new.customer_terms, new.item_terms, new.sku_terms, new.tracking_terms
  FROM order_search_2_a_document
  WHERE document_id BETWEEN old.least_document AND old.least_document + (1 << 20) - 1 AND order_id = old.order_id;
END;

CREATE TABLE order_search_2_b (
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
  updated_at TEXT NOT NULL,
  -- What is indexed: words, folded, with a space between them (src/orders/search-words.ts).
  customer_terms TEXT NOT NULL,
  item_terms TEXT NOT NULL,
  sku_terms TEXT NOT NULL,
  tracking_terms TEXT NOT NULL,
  -- The least number of a document that was placed in this millisecond.
  least_document INTEGER GENERATED ALWAYS AS (
    coalesce(CAST(round(unixepoch(placed_at, 'subsec') * 1000) AS INTEGER), 0) << 20
  ) VIRTUAL
) WITHOUT ROWID;

-- The number by which the full text index knows an order. It rises with the time of placement, since the index goes by it: milliseconds, and
-- 20 bits for orders of the same millisecond. It means nothing else and may differ between slots.
CREATE TABLE order_search_2_b_document (
  document_id INTEGER PRIMARY KEY,
  order_id TEXT NOT NULL
);

-- Only for commands of FTS5 that check or refill the index.
CREATE VIEW order_search_2_b_content AS
SELECT document_id, customer_terms, item_terms, sku_terms, tracking_terms
FROM order_search_2_b_document
JOIN order_search_2_b USING (order_id);

-- The tokenizer splits at spaces and takes whatever is not ASCII for a part of a word: SQLite's own tables of Unicode have no say. A search
-- for a single letter is one list of the index, not as many as there are words that begin with it.
CREATE VIRTUAL TABLE order_search_2_b_index USING fts5 (
  customer_terms, item_terms, sku_terms, tracking_terms,
  content = 'order_search_2_b_content', content_rowid = 'document_id',
  tokenize = 'ascii', prefix = '1'
);

CREATE TRIGGER order_search_2_b_added AFTER INSERT ON order_search_2_b BEGIN
  INSERT INTO order_search_2_b_document (document_id, order_id)
  SELECT coalesce(max(document_id) + 1, new.least_document), new.order_id
  FROM order_search_2_b_document
  WHERE document_id BETWEEN new.least_document AND new.least_document + (1 << 20) - 1;
  INSERT INTO order_search_2_b_index (rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  VALUES (last_insert_rowid(), new.customer_terms, new.item_terms, new.sku_terms, new.tracking_terms);
END;

CREATE TRIGGER order_search_2_b_removed AFTER DELETE ON order_search_2_b BEGIN
  INSERT INTO order_search_2_b_index (order_search_2_b_index, rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  SELECT 'delete', document_id, old.customer_terms, old.item_terms, old.sku_terms, old.tracking_terms
  FROM order_search_2_b_document
  WHERE document_id BETWEEN old.least_document AND old.least_document + (1 << 20) - 1 AND order_id = old.order_id;
  DELETE FROM order_search_2_b_document
  WHERE document_id BETWEEN old.least_document AND old.least_document + (1 << 20) - 1 AND order_id = old.order_id;
END;

-- Only what is indexed: a change of status leaves the index alone. An order's time of placement never changes.
CREATE TRIGGER order_search_2_b_changed
AFTER UPDATE OF customer_terms, item_terms, sku_terms, tracking_terms ON order_search_2_b BEGIN
  INSERT INTO order_search_2_b_index (order_search_2_b_index, rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  SELECT 'delete', document_id, old.customer_terms, old.item_terms, old.sku_terms, old.tracking_terms
  FROM order_search_2_b_document
  WHERE document_id BETWEEN old.least_document AND old.least_document + (1 << 20) - 1 AND order_id = old.order_id;
  INSERT INTO order_search_2_b_index (rowid, customer_terms, item_terms, sku_terms, tracking_terms)
  SELECT document_id, new.customer_terms, new.item_terms, new.sku_terms, new.tracking_terms
  FROM order_search_2_b_document
  WHERE document_id BETWEEN old.least_document AND old.least_document + (1 << 20) - 1 AND order_id = old.order_id;
END;

-- A new database begins with this revision. Where orders have come, the former one is live until a build is swapped in.
UPDATE projection_pointer SET epoch = epoch + 1, live_revision = 2
WHERE projection = 'order-search' AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE stream LIKE 'order-%');
