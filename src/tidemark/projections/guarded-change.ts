import { asStorageFault, isTransient } from './d1-errors.ts';
import { assertEpoch, classify } from './guarded-batch.ts';
import type { Pointer, Target } from './pointer.ts';
import { BUT_FOR_RESTORED_LOGS } from '../dead-letters/restored-logs.ts';

/** How a change of a pointer ended. */
export type ChangeOutcome =
  | 'changed'
  /** Somebody else changed the pointer first. */
  | 'epoch-changed'
  /** A checkpoint is not where the change needs it: a slot that was to become live is behind, say. */
  | 'behind';

/** The pointer as it is to be. */
export interface Change {
  readonly live: Target;
  /** What every guarded batch moves besides. */
  readonly others: readonly Target[];
  /** RFC 3339: when what was live became the former slot. Default: as noted before. */
  readonly formerSince?: string;
}

/**
 * Changes a pointer in one guarded transaction that raises the epoch: a batch under the pointer as it was is rolled back from then on (I20).
 * `more` joins the transaction, before the pointer changes.
 *
 * Each change writes an id of its own. After a fault that tells nothing, that id says whether this change was committed; an equal pointer
 * would not, since another Worker may have made an equal change. Throws where the database does not tell either, and
 * `StorageUnavailableError` where it has refused the change for want of storage.
 */
export async function changePointer(
  database: D1Database,
  projectionName: string,
  pointer: Pick<Pointer, 'epoch'>,
  { live, others, formerSince }: Change,
  more: readonly D1PreparedStatement[] = [],
): Promise<ChangeOutcome> {
  // Only compared for equality, so any unique text serves.
  const changeId = crypto.randomUUID();
  try {
    await database.batch([
      assertEpoch(database, projectionName, pointer),
      ...more,
      database
        .prepare(
          `UPDATE projection_pointer
          SET epoch = epoch + 1, live_revision = ?2, live_slot = ?3, moved = ?4, change_id = ?5,
            former_since = coalesce(?6, former_since)
          WHERE projection = ?1`,
        )
        .bind(projectionName, live.revision, live.slot, JSON.stringify(others), changeId, formerSince ?? null),
    ]);
    return 'changed';
  } catch (error) {
    if (isTransient(error)) {
      // A pointer that cannot be read tells nothing, whatever the reason.
      const fate = await fateOf(database, projectionName, pointer, changeId).catch(() => undefined);
      if (fate) return fate;
      throw error;
    }
    const fault = asStorageFault(error);
    if (fault !== error) throw fault;
    const { outcome } = classify(error);
    if (outcome === 'epoch-changed') return 'epoch-changed';
    if (outcome === 'lost-race') return 'behind';
    throw error;
  }
}

/**
 * What became of a change of which no answer came. Undefined where the pointer does not tell: the epoch is as it was, and the change may
 * still be under way; or it was raised more than once, and another change has written its id over this one's.
 */
async function fateOf(
  database: D1Database,
  projectionName: string,
  { epoch }: Pick<Pointer, 'epoch'>,
  changeId: string,
): Promise<ChangeOutcome | undefined> {
  const now = await database
    .prepare(`SELECT epoch, change_id FROM projection_pointer WHERE projection = ?`)
    .bind(projectionName)
    .first<{ epoch: number; change_id: string | null }>();
  // Also under a later epoch: a Worker from before this column raises the epoch and leaves the id as it was.
  if (now?.change_id === changeId) return 'changed';
  // The one change since was not this one, and this one needs the epoch as it was.
  return now?.epoch === epoch + 1 ? 'epoch-changed' : undefined;
}

/** Fails the batch if a stream is further in one slot than in the other. */
export function assertNotBehind(
  database: D1Database,
  projectionName: string,
  live: Target,
  next: Target,
): D1PreparedStatement {
  return database
    .prepare(
      `INSERT INTO guard (checkpoint_as_read)
      SELECT 0 FROM checkpoint AS live
      LEFT JOIN checkpoint AS next
        ON next.projection = live.projection AND next.slot = ?3 AND next.stream = live.stream
      WHERE live.projection = ?1 AND live.slot = ?2
        AND (next.version IS NULL OR next.version < live.version OR (next.version = live.version AND next.event_id <> live.event_id))
        AND ${BUT_FOR_RESTORED_LOGS}
      LIMIT 1`,
    )
    .bind(projectionName, live.slot, next.slot);
}
