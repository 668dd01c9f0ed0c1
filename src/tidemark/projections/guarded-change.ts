import { asStorageFault, isTransient } from './d1-errors.ts';
import { assertEpoch, classify } from './guarded-batch.ts';
import type { Pointer, Target } from './pointer.ts';
import { butForRestoredLogs } from '../dead-letters/restored-logs.ts';
import { joinPosition, positionAt, positionsOf } from './checkpoint.ts';

/** How a change of a pointer ended. */
export type ChangeOutcome =
  | 'changed'
  /** Another change of the pointer came first. */
  | 'epoch-changed'
  /** A checkpoint is not where the change needs it. For example, the slot that should become live is behind. */
  | 'behind';

/** The pointer after the change. */
export interface Change {
  readonly live: Target;
  /** The targets that every guarded batch moves besides the live one. */
  readonly others: readonly Target[];
  /** When the formerly live slot became the former slot, RFC 3339. Default: the recorded time stays. */
  readonly formerSince?: string;
}

/**
 * Changes a pointer in one guarded transaction that raises the epoch. From then on, a batch under the old pointer is rolled back (I20). The
 * statements of `more` join the transaction, before the pointer changes.
 *
 * Each change writes its own id. After an unclear fault, that id tells whether this change was committed. An equal pointer would not tell, since
 * another Worker may have made an equal change. Throws if the database does not tell either. Throws `StorageUnavailableError` if the database refused
 * the change for lack of storage.
 */
export async function changePointer(
  database: D1Database,
  projectionName: string,
  pointer: Pick<Pointer, 'epoch'>,
  { live, others, formerSince }: Change,
  more: readonly D1PreparedStatement[] = [],
): Promise<ChangeOutcome> {
  // It is only compared for equality, so any unique text works.
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
      // If the pointer cannot be read, for whatever reason, the outcome stays unknown.
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
 * The outcome of a change without an answer. Undefined if the pointer does not tell. If the epoch is unchanged, the change may still be under way. If
 * the epoch rose more than once, another change may have overwritten this one's id.
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
  // A later epoch is possible: a Worker from before this column raises the epoch and does not change the id.
  if (now?.change_id === changeId) return 'changed';
  // Another change raised the epoch, and this one needs the epoch that it read. So this one was not applied.
  return now?.epoch === epoch + 1 ? 'epoch-changed' : undefined;
}

/**
 * Fails the batch if a checkpoint of `next` is behind that of `live`, or has another event at the same version. Streams that a restored log stops in
 * the live slot do not count.
 */
export function assertNotBehind(
  database: D1Database,
  projectionName: string,
  live: Target,
  next: Target,
): D1PreparedStatement {
  const nextVersion = positionAt('next', 'version');
  return database
    .prepare(
      `INSERT INTO guard (checkpoint_as_read)
      SELECT 0 FROM (${positionsOf('?1', '?2')}) AS live
      ${joinPosition('next', '?1', '?3', 'live.stream')}
      WHERE (${nextVersion} IS NULL OR ${nextVersion} < live.version
          OR (${nextVersion} = live.version AND ${positionAt('next', 'event_id')} <> live.event_id))
        AND ${butForRestoredLogs('?1')}
      LIMIT 1`,
    )
    .bind(projectionName, live.slot, next.slot);
}
