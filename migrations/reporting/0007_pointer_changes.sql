-- Who changed a pointer last, and since when its former slot is the way back. The same in every group's database.

-- A new id with every change by a Worker that knows of this column. After a fault that tells nothing, a Worker finds out by it whether
-- its own change was committed. A Worker from before raises the epoch and leaves the id as it was.
ALTER TABLE projection_pointer ADD COLUMN change_id TEXT;

-- RFC 3339: when the last swap or rollback made a slot the former one.
ALTER TABLE projection_pointer ADD COLUMN former_since TEXT;
