-- A list of one customer's orders merges the parts of all statuses, each from the index of customer and status. It needs no index of its own. A Worker
-- of the release before still lists these orders: it finds them through that index too, and sorts them.

DROP INDEX order_lookup_2_a_by_customer_id_placed_at;
DROP INDEX order_lookup_2_b_by_customer_id_placed_at;
