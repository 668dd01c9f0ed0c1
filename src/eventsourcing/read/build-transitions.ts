import { type Build, type BuildError, activeBuilds, endBuild, latestBuild } from './build.ts';
import { OverloadedError } from '../faults.ts';
import type { StreamId } from '../stream.ts';
import type { Refusal } from './dead-letter.ts';
import { formerSlot } from './former-slot.ts';
import { type ChangeOutcome, changePointer } from './guarded-change.ts';
import { type Pointer, type Target, UNBUILT, beside, isSameTarget, readPointer } from './pointer.ts';
import type { Projection } from './projection.ts';
import { forgetFault } from './projection-fault.ts';
import type { Slot } from './slot-tables.ts';

/**
 * Leaves out the streams that a restored log stops in the live slot, whose checkpoint is `live`. A build takes these streams from the
 * restored log, which may be shorter.
 */
export const BUT_FOR_RESTORED_LOGS = `NOT EXISTS (
  SELECT 1 FROM dead_letter AS d
  WHERE d.projection = live.projection AND d.stream = live.stream
    AND d.cause = 'log-restored' AND d.is_open = 1 AND d.version = live.version + 1
)`;

/** Fails the batch if a stream is further in one slot than in the other. */
function assertNotBehind(
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

/** The first build of a projection starts from a pointer that says so. Harmless where there is one already. */
async function makePointer(database: D1Database, projectionName: string): Promise<void> {
  await database
    .prepare(
      `INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES (?1, 1, ?2, 'b')
      ON CONFLICT (projection) DO NOTHING`,
    )
    .bind(projectionName, UNBUILT)
    .run();
}

/** Makes a projection live as it is, where it has no pointer at all. */
export async function makeLive(database: D1Database, { name, revision }: Projection): Promise<void> {
  await database
    .prepare(
      `INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES (?1, 1, ?2, 'a')
      ON CONFLICT (projection) DO NOTHING`,
    )
    .bind(name, revision)
    .run();
}

/** What a build is asked for with. */
export interface BuildRequest {
  readonly id: string;
  readonly acceptsDifferences: boolean;
  readonly isTrial: boolean;
  /** How many events there are to replay. */
  readonly total: number;
  /** RFC 3339. */
  readonly at: string;
}

export type StartOutcome =
  | { readonly outcome: 'started'; readonly target: Target }
  | { readonly outcome: 'running'; readonly build: Build };

/**
 * Starts a build of a revision in the slot that is not live. Releases the former slot, since there are only two. One build at a time for
 * each projection.
 */
export async function startBuild(
  database: D1Database,
  projection: Projection,
  request: BuildRequest,
): Promise<StartOutcome> {
  const { id, acceptsDifferences, isTrial, total, at } = request;
  const { name, revision } = projection;
  for (;;) {
    await makePointer(database, name);
    // In this sequence: a build that begins after the pointer was read has raised the epoch.
    const pointer = (await readPointer(database, name)) as Pointer;
    const [running] = await activeBuilds(database, name);
    if (running) return { outcome: 'running', build: running };
    const target: Target = { revision, slot: pointer.live.slot === 'a' ? 'b' : 'a' };
    const insert = database
      .prepare(
        `INSERT INTO projection_build
          (id, projection, revision, slot, live_revision, state, accepts_differences, is_trial, replayed, total, started_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, 'building', ?6, ?7, 0, ?8, ?9, ?9)`,
      )
      .bind(
        id,
        name,
        target.revision,
        target.slot,
        pointer.live.revision,
        Number(acceptsDifferences),
        Number(isTrial),
        total,
        at,
      );
    // Whoever came first has raised the epoch.
    const outcome = await changePointer(database, name, pointer, { live: pointer.live, others: [] }, [insert]);
    if (outcome === 'changed') return { outcome: 'started', target };
  }
}

/** Notes that a build's slot is empty. A clearing that is still under way, as after a timeout, is stopped by the epoch. */
export async function noteCleared(
  database: D1Database,
  build: Build,
  pointer: Pointer,
  at: string,
): Promise<ChangeOutcome> {
  const note = database.prepare(`UPDATE projection_build SET cleared_at = ?2 WHERE id = ?1`).bind(build.id, at);
  return changePointer(database, build.projection, pointer, { live: pointer.live, others: beside(pointer) }, [note]);
}

/**
 * From now on the build is moved in the same guarded batches as the live slot. `build` and `pointer` come from one snapshot, in which the
 * build is active: only its own join, tried before or by another run of the same step, can have listed its target.
 */
export async function join(database: D1Database, build: Build, pointer: Pointer): Promise<ChangeOutcome> {
  if (pointer.moved.some((target) => isSameTarget(target, build.target))) return 'changed';
  return changePointer(database, build.projection, pointer, { live: pointer.live, others: [build.target] });
}

/** Streams whose logs were restored to an earlier time, as far as what is live has noticed. */
export function restoredStatement(database: D1Database, projectionName: string): D1PreparedStatement {
  return database
    .prepare(`SELECT stream FROM dead_letter WHERE projection = ?1 AND cause = 'log-restored'`)
    .bind(projectionName);
}

/** The answer of `restoredStatement`. */
export async function restoredIn(database: D1Database, projectionName: string): Promise<readonly StreamId[]> {
  const { results } = await restoredStatement(database, projectionName).all<{ stream: StreamId }>();
  return results.map(({ stream }) => stream);
}

/** The build becomes what is live; what was live is moved along, as the way back. Refused while one of its checkpoints is behind. */
export async function swap(database: D1Database, build: Build, pointer: Pointer, at: string): Promise<ChangeOutcome> {
  const { live } = pointer;
  const isFirst = live.revision === UNBUILT;
  const restored = await restoredIn(database, build.projection);
  // What was live has a history that its logs have lost: it is no way back, and could not follow.
  const others = isFirst || restored.length > 0 ? [] : [live];
  return changePointer(database, build.projection, pointer, { live: build.target, others, formerSince: at }, [
    ...(isFirst ? [] : [assertNotBehind(database, build.projection, live, build.target)]),
    endBuild(database, build.projection, build.target, 'swapped', at),
    forgetFault(database, build.projection),
    // What it has made from the log as it is. Where both have the lost history, the dead letter stays.
    database
      .prepare(
        `DELETE FROM dead_letter
        WHERE projection = ?1 AND cause = 'log-restored' AND NOT EXISTS (
          SELECT 1 FROM checkpoint AS next
          JOIN checkpoint AS live
            ON live.projection = next.projection AND live.slot = ?2 AND live.stream = next.stream
            AND live.version = next.version AND live.event_id = next.event_id
          WHERE next.projection = ?1 AND next.slot = ?3 AND next.stream = dead_letter.stream
        )`,
      )
      .bind(build.projection, live.slot, build.target.slot),
  ]);
}

/** What a rollback came to. */
export type RollbackOutcome =
  | { readonly outcome: 'changed' | 'epoch-changed' | 'behind'; readonly live: Target }
  /** There is no former slot that still moves. */
  | { readonly outcome: 'no-former' }
  /** The former slot holds a revision that this Worker could answer no query from. */
  | { readonly outcome: 'no-code'; readonly live: Target };

/**
 * The slot that was live before becomes live again, if it still moves. `to` says which slot is to be live: where it is already, nothing
 * changes, so that a request without an answer can be sent again. `revisions` are those that this Worker has code for; `at` is RFC 3339.
 */
export async function rollback(
  database: D1Database,
  projectionName: string,
  revisions: readonly Pick<Projection, 'revision'>[],
  at: string,
  to?: Slot,
): Promise<RollbackOutcome> {
  const pointer = await readPointer(database, projectionName);
  if (pointer && pointer.live.revision !== UNBUILT && pointer.live.slot === to)
    return { outcome: 'changed', live: pointer.live };
  const former = formerSlot(pointer, await latestBuild(database, projectionName));
  if (!pointer || !former) return { outcome: 'no-former' };
  const target: Target = { revision: former.revision, slot: former.slot };
  if (!revisions.some(({ revision }) => revision === target.revision)) return { outcome: 'no-code', live: target };
  const change = { live: target, others: [pointer.live], formerSince: at };
  const outcome = await changePointer(database, projectionName, pointer, change, [
    assertNotBehind(database, projectionName, pointer.live, target),
    forgetFault(database, projectionName),
  ]);
  return { outcome, live: target };
}

/**
 * Stops moving the slot that was live before; false when there is none. There is no way back to it then. With `dueAt`, in ms since the
 * Unix epoch, it releases only a slot whose time is over by then.
 */
export async function release(database: D1Database, projectionName: string, dueAt?: number): Promise<boolean> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const pointer = await readPointer(database, projectionName);
    const former = formerSlot(pointer, await latestBuild(database, projectionName));
    if (!pointer || !former) return false;
    if (dueAt !== undefined && (former.until === null || dueAt < Date.parse(former.until))) return false;
    const outcome = await changePointer(database, projectionName, pointer, { live: pointer.live, others: [] });
    if (outcome === 'changed') return true;
  }
  throw new OverloadedError(`somebody else keeps changing the pointer of ${projectionName}`);
}

const MAX_TRIES = 10;

/** Ends a build without a swap. What is live has no part in it. */
export async function abandon(
  database: D1Database,
  build: Build,
  pointer: Pointer,
  end: { readonly state: 'failed' | 'cancelled'; readonly at: string; readonly error?: BuildError },
): Promise<ChangeOutcome> {
  const others = beside(pointer).filter((target) => !isSameTarget(target, build.target));
  const ended = endBuild(database, build.projection, build.target, end.state, end.at, end.error);
  return changePointer(database, build.projection, pointer, { live: pointer.live, others }, [ended]);
}

/**
 * Takes a target that cannot take an event out of what is moved, so that the live slot goes on without it: a build has failed then, a
 * former slot is no way back any more. Does nothing when the pointer has changed in between.
 */
export async function failTarget(
  database: D1Database,
  projectionName: string,
  pointer: Pointer,
  target: Target,
  { stream, version, kind, error: message }: Refusal,
  at: string,
): Promise<void> {
  const others = beside(pointer).filter((other) => !isSameTarget(other, target));
  const ended = endBuild(database, projectionName, target, 'failed', at, { message, stream, version, kind });
  await changePointer(database, projectionName, pointer, { live: pointer.live, others }, [ended]);
}
