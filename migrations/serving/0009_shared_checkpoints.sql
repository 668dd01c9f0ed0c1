-- Projections of a group that stand at the same event of a stream share one checkpoint row. The same in every group's database.

-- `vouches` is JSON: the names of the targets that stand here, as ["order-search/a", …]. The row says nothing about any other target. One that
-- stands elsewhere has a row in `checkpoint`. One that is in neither table is at version 0.
CREATE TABLE shared_checkpoint (
  stream TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  vouches TEXT NOT NULL
) WITHOUT ROWID;

-- No target has both rows. A Worker of the release before does not look here: it would take such a target to be at version 0, and apply its events
-- again. It takes this error for a lost race, and leaves the stream to others.
CREATE TRIGGER checkpoint_is_shared
BEFORE INSERT ON checkpoint
WHEN EXISTS (
  SELECT 1 FROM shared_checkpoint AS s
  WHERE s.stream = NEW.stream AND instr(s.vouches, '"' || NEW.projection || '/' || NEW.slot || '"') > 0
)
BEGIN
  SELECT raise(ABORT, 'checkpoint_as_read');
END;

-- The rule by which a refused event stops its stream (0008), with both tables.
DROP VIEW held_stream;
DROP VIEW refused_event;

-- Refused events that stand in their stream's way: right after the live checkpoint. One below it is applied by now; one beyond it is of
-- another history. CROSS JOIN has SQLite begin with dead_letter: a stream without a row there costs no row.
CREATE VIEW refused_event AS
SELECT d.projection, d.stream, d.version, d.event_id, d.cause, d.kind, d.error, d.tries, d.first_at, d.last_at, d.is_open
FROM dead_letter AS d
CROSS JOIN projection_pointer AS pointer ON pointer.projection = d.projection
LEFT JOIN checkpoint AS own
  ON own.projection = d.projection AND own.slot = pointer.live_slot AND own.stream = d.stream
LEFT JOIN shared_checkpoint AS shared
  ON shared.stream = d.stream AND instr(shared.vouches, '"' || d.projection || '/' || pointer.live_slot || '"') > 0
WHERE d.version = coalesce(own.version, shared.version, 0) + 1;

-- Streams that an open dead letter holds, with that dead letter.
CREATE VIEW held_stream AS
SELECT * FROM refused_event
WHERE is_open = 1;

-- Where each target stands, of both tables: for people and tools. The code reads the tables by their keys.
CREATE VIEW target_position AS
SELECT projection, slot, stream, version, event_id FROM checkpoint
UNION ALL
SELECT substr(name.value, 1, length(name.value) - 2), substr(name.value, -1), stream, version, event_id
FROM shared_checkpoint CROSS JOIN json_each(vouches) AS name;
