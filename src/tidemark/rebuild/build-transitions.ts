import type { Refusal } from '../dead-letters/dead-letter.ts';
import { type Build, type BuildEnd, activeBuild, activeBuilds, endStatement } from './build.ts';
import { type ChangeOutcome, assertNotBehind, changePointer } from '../projections/guarded-change.ts';
import {
  type Pointer,
  type Target,
  UNBUILT,
  beside,
  isSameTarget,
  makePointer,
  readPointer,
} from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import { forgetFault } from '../catch-up/projection-fault.ts';
import { restoredIn } from '../dead-letters/restored-logs.ts';

/*
 * Each changes the build's row and the pointer in one guarded transaction, so that a build ends exactly when the pointer stops listing its
 * slot.
 */

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
    // A first build starts from a pointer that says so.
    await makePointer(database, name, { revision: UNBUILT, slot: 'b' });
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
export async function tryJoin(database: D1Database, build: Build, pointer: Pointer): Promise<ChangeOutcome> {
  if (pointer.moved.some((target) => isSameTarget(target, build.target))) return 'changed';
  return changePointer(database, build.projection, pointer, { live: pointer.live, others: [build.target] });
}

/** The build becomes what is live; what was live is moved along, as the way back. Refused while one of its checkpoints is behind. */
export async function trySwap(
  database: D1Database,
  build: Build,
  pointer: Pointer,
  at: string,
): Promise<ChangeOutcome> {
  const { live } = pointer;
  const isFirst = live.revision === UNBUILT;
  const restored = await restoredIn(database, build.projection);
  // What was live has a history that its logs have lost: it is no way back, and could not follow.
  const others = isFirst || restored.length > 0 ? [] : [live];
  return changePointer(database, build.projection, pointer, { live: build.target, others, formerSince: at }, [
    ...(isFirst ? [] : [assertNotBehind(database, build.projection, live, build.target)]),
    endStatement(database, build.projection, build.target, { state: 'swapped', at }),
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

/** Ends a build without a swap; false when it has ended already. What is live has no part in it. */
export async function endBuild(
  database: D1Database,
  projectionName: string,
  id: string,
  end: BuildEnd,
): Promise<boolean> {
  for (;;) {
    const active = await activeBuild(database, projectionName, id);
    if (!active) return false;
    const { build, pointer } = active;
    if ((await dropTarget(database, projectionName, pointer, build.target, end)) === 'changed') return true;
  }
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
  const error = { message, stream, version, kind };
  await dropTarget(database, projectionName, pointer, target, { state: 'failed', at, error });
}

/** No batch moves the target any more, and its build, if that is one, has ended. */
async function dropTarget(
  database: D1Database,
  projectionName: string,
  pointer: Pointer,
  target: Target,
  end: BuildEnd,
): Promise<ChangeOutcome> {
  const others = beside(pointer).filter((other) => !isSameTarget(other, target));
  const ended = endStatement(database, projectionName, target, end);
  return changePointer(database, projectionName, pointer, { live: pointer.live, others }, [ended]);
}
