import { type KeyedTable, keyedTables } from '../projections/keyed-tables.ts';
import { type Throttle, fullSpeed } from './throttle.ts';
import type { Pointer } from '../projections/pointer.ts';
import { vouchesFor } from '../projections/checkpoint.ts';
import type { Projection } from '../projections/projection.ts';
import type { Slot } from '../projections/slot-tables.ts';

export interface ClearingOptions {
  /** The most rows of one table that a batch deletes. Default: 2,000. */
  readonly chunkSize?: number;
  /** The most batches of one call. Another call deletes the rest. Default: no limit. */
  readonly maxChunks?: number;
  /** Default: full speed. */
  readonly throttle?: Throttle;
}

/**
 * Empties one slot of a projection: its checkpoints, and all rows of this revision's tables. For the tables of another revision, call it with that
 * revision too. It deletes in chunks, each of which commits. After an interruption or the result `more`, call it again.
 *
 * Returns `epoch-changed` if the pointer has changed since it was read, or if the slot is live or moved. Chunks deleted before that stay deleted. It
 * never deletes from a slot in use. Throws on a fault of the database.
 */
export async function clearSlot(
  database: D1Database,
  projection: Projection,
  slot: Slot,
  pointer: Pick<Pointer, 'epoch'>,
  { chunkSize = 2_000, maxChunks = Infinity, throttle = fullSpeed }: ClearingOptions = {},
): Promise<'cleared' | 'more' | 'epoch-changed'> {
  const guard = assertUnused(database, projection.name, slot, pointer.epoch);
  let chunks = 0;
  for (const deletionOf of deletions(database, projection, slot)) {
    let after = '';
    for (let isMore = true; isMore;) {
      if (chunks === maxChunks) return 'more';
      try {
        const [, deleted] = await database.batch<{ stream?: string }>([
          guard,
          deletionOf(throttle.take(chunkSize), after),
        ]);
        // Changes by triggers may count too. So only a count of 0 proves that no row was left.
        isMore = (deleted?.meta.changes ?? 0) > 0;
        for (const { stream = '' } of deleted?.results ?? []) if (stream > after) after = stream;
        if (isMore) {
          chunks += 1;
          await throttle.rest();
        }
      } catch (error) {
        if (String(error).includes('epoch_as_read')) return 'epoch-changed';
        throw error;
      }
    }
  }
  return 'cleared';
}

/**
 * Whether a slot has neither a checkpoint of its own nor a row of these revisions. Reads one row of each table at most, so it does not search the
 * shared checkpoints. `clearSlot` takes the slot's name out of these before it deletes rows. So a slot without rows is named in none, unless it never
 * had rows. Such a name does no harm: every build clears its slot first.
 */
export async function isSlotEmpty(
  database: D1Database,
  projectionName: string,
  revisions: readonly Projection[],
  slot: Slot,
): Promise<boolean> {
  const tables = revisions.flatMap((revision) => keyedTables(revision, slot));
  const found = tables.map(({ shape }) => `OR EXISTS (SELECT 1 FROM "${shape.name}")`);
  const row = await database
    .prepare(
      `SELECT EXISTS (SELECT 1 FROM checkpoint WHERE projection = ?1 AND slot = ?2) ${found.join(' ')} AS is_used`,
    )
    .bind(projectionName, slot)
    .first<{ is_used: number }>();
  return row?.is_used === 0;
}

/*
 * Checkpoints go first, since a checkpoint vouches for its rows. In the other order, a crash could leave checkpoints without their rows. A catch-up
 * from there would miss the rows' events unnoticed. Rows without a checkpoint are harmless: the next build clears the slot again before it starts. If
 * it ever did not, its replay would fail at a table with a unique key, since the row exists already. Counters have no such protection: they would add
 * up. So they go before the other tables.
 */
function deletions(
  database: D1Database,
  projection: Projection,
  slot: Slot,
): readonly ((count: number, after: string) => D1PreparedStatement)[] {
  const inSequence: readonly KeyedTable['kind'][] = ['counters', 'appends', 'row'];
  const tables = keyedTables(projection, slot);
  return [
    (count) => deleteCheckpoints(database, projection.name, slot, count),
    (count, after) => leaveShared(database, projection.name, slot, count, after),
    ...inSequence
      .flatMap((kind) => tables.filter((table) => table.kind === kind))
      .map((table) => (count: number) => deleteRows(database, table, count)),
  ];
}

/** Asserts that the epoch is the one that was read (I20), and that the slot is neither live nor moved. With live revision 0, nothing is live. */
function assertUnused(database: D1Database, projectionName: string, slot: Slot, epoch: number): D1PreparedStatement {
  return database
    .prepare(
      `INSERT INTO guard (epoch_as_read)
      SELECT 0
      WHERE NOT EXISTS (
        SELECT 1
        FROM projection_pointer AS pointer
        WHERE pointer.projection = ?1
          AND pointer.epoch = ?2
          AND (pointer.live_revision = 0 OR pointer.live_slot <> ?3)
          AND ?3 NOT IN (SELECT target.value ->> 'slot' FROM json_each(pointer.moved) AS target)
      )`,
    )
    .bind(projectionName, epoch, slot);
}

/** D1 has no DELETE … LIMIT. */
function deleteCheckpoints(
  database: D1Database,
  projectionName: string,
  slot: Slot,
  count: number,
): D1PreparedStatement {
  return database
    .prepare(
      `DELETE FROM checkpoint
      WHERE projection = ?1 AND slot = ?2
        AND stream IN (SELECT stream FROM checkpoint WHERE projection = ?1 AND slot = ?2 LIMIT ?3)`,
    )
    .bind(projectionName, slot, count);
}

/**
 * Takes the slot's name out of shared checkpoints, in the order of the streams, and returns the streams. `after` is the last one before, so that the
 * next chunk does not search all of them again. A row that names no other target stays, without a name, until the stream's next event.
 */
function leaveShared(
  database: D1Database,
  projectionName: string,
  slot: Slot,
  count: number,
  after: string,
): D1PreparedStatement {
  return database
    .prepare(
      `UPDATE shared_checkpoint
      SET vouches = (SELECT json_group_array(name.value) FROM json_each(vouches) AS name WHERE name.value <> ?1 || '/' || ?2)
      WHERE stream IN (
        SELECT stream FROM shared_checkpoint
        WHERE stream > ?4 AND ${vouchesFor('shared_checkpoint', '?1', '?2')}
        ORDER BY stream
        LIMIT ?3
      )
      RETURNING stream`,
    )
    .bind(projectionName, slot, count, after);
}

function deleteRows(database: D1Database, { shape, key }: KeyedTable, count: number): D1PreparedStatement {
  const columns = key.map(({ name }) => `"${name}"`).join(', ');
  return database
    .prepare(
      `DELETE FROM "${shape.name}"
      WHERE (${columns}) IN (SELECT ${columns} FROM "${shape.name}" LIMIT ?1)`,
    )
    .bind(count);
}
