-- archive: a random mark for each row, made when the row is inserted. After a restore, the same event may get the same position again,
-- behind other events; its mark differs. Null in rows from before this migration, and in rows that the former Worker inserts.
ALTER TABLE archive_event ADD COLUMN mark TEXT;
