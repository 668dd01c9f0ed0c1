-- The rule by which a refused event stops its stream: written here, and nowhere else. The same in every group's database.

-- Refused events that stand in their stream's way: right after the live checkpoint. One below it is applied by now; one beyond it is of
-- another history. CROSS JOIN has SQLite begin with dead_letter: a stream without a row there costs no row.
CREATE VIEW refused_event AS
SELECT d.projection, d.stream, d.version, d.event_id, d.cause, d.kind, d.error, d.tries, d.first_at, d.last_at, d.is_open
FROM dead_letter AS d
CROSS JOIN projection_pointer AS pointer ON pointer.projection = d.projection
LEFT JOIN checkpoint AS live
  ON live.projection = d.projection AND live.slot = pointer.live_slot AND live.stream = d.stream
WHERE d.version = coalesce(live.version, 0) + 1;

-- Streams that an open dead letter holds, with that dead letter.
CREATE VIEW held_stream AS
SELECT * FROM refused_event
WHERE is_open = 1;
