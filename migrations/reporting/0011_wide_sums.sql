-- A sum of money may leave the 64 bits of its column, where SQLite goes on in floating point. What is beyond: total_high * 2^62.

ALTER TABLE dashboard_revenue_a ADD COLUMN total_high INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dashboard_revenue_b ADD COLUMN total_high INTEGER NOT NULL DEFAULT 0;

ALTER TABLE order_analytics_daily_a ADD COLUMN total_high INTEGER NOT NULL DEFAULT 0;
ALTER TABLE order_analytics_daily_b ADD COLUMN total_high INTEGER NOT NULL DEFAULT 0;
