import { type KeyedTable, keyedTables } from '../projections/keyed-tables.ts';
import { type Throttle, fullSpeed } from './throttle.ts';
import type { Pointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { Slot } from '../projections/slot-tables.ts';

export interface ClearingOptions {
  /** How many rows of one table a batch deletes at most. */
  readonly chunkSize?: number;
  /** After so many batches the rest is left for another call. Default: no end. */
  readonly maxChunks?: number;
  /** Default: full speed. */
  readonly throttle?: Throttle;
}

/**
 * Empties one slot of a projection: its checkpoints there, and all rows of the tables that this revision of it has there. (Rows of
 * another revision's tables are cleared by calling it with that revision too.) It works in chunks that each commit; once interrupted, or
 * when it says that there is more, call it again.
 *
 * Returns `epoch-changed` when the pointer is no longer the one that was read, or when it has the slot in use, live or moved: what was
 * deleted until then stays deleted, and nothing that is in use ever is. Throws on a fault of the database.
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
    for (let isMore = true; isMore;) {
      if (chunks === maxChunks) return 'more';
      try {
        const [, deleted] = await database.batch([guard, deletionOf(throttle.take(chunkSize))]);
        // Triggers may count as changes too, so that only none at all says that no row was left.
        isMore = (deleted?.meta.changes ?? 0) > 0;
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

/** Whether a slot has neither a checkpoint nor a row of these revisions. Reads a row of each table at most. */
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
 * Checkpoints go first, since a checkpoint vouches for its rows: the other way round, a crash halfway would leave checkpoints of rows that
 * are gone, and whoever moved the slot on from there would miss their events in silence. What is left without a checkpoint is vouched for
 * by nobody. The next build clears again before it begins; should it ever not, replaying from the start runs into the tables with a
 * unique key, which refuse the row that they have. Hence counters, which would just add up, go before these.
 */
function deletions(
  database: D1Database,
  projection: Projection,
  slot: Slot,
): readonly ((count: number) => D1PreparedStatement)[] {
  const inSequence: readonly KeyedTable['kind'][] = ['counters', 'appends', 'row'];
  const tables = keyedTables(projection, slot);
  return [
    (count) => deleteCheckpoints(database, projection.name, slot, count),
    ...inSequence
      .flatMap((kind) => tables.filter((table) => table.kind === kind))
      .map((table) => (count: number) => deleteRows(database, table, count)),
  ];
}

/** The epoch is the one that was read (I20), and the slot is neither live nor moved. Revision 0 is live where nothing is yet. */
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

function deleteRows(database: D1Database, { shape, key }: KeyedTable, count: number): D1PreparedStatement {
  const columns = key.map(({ name }) => `"${name}"`).join(', ');
  return database
    .prepare(
      `DELETE FROM "${shape.name}"
      WHERE (${columns}) IN (SELECT ${columns} FROM "${shape.name}" LIMIT ?1)`,
    )
    .bind(count);
}
