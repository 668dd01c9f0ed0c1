import { type Build, type BuildEnd, activeBuild, activeBuilds, endStatement } from '../projections/build.ts';
import { dropTarget } from '../projections/failed-target.ts';
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
import { joinPosition, positionAt } from '../projections/checkpoint.ts';
import type { Projection } from '../projections/projection.ts';
import { forgetFault } from '../catch-up/projection-fault.ts';
import { restoredIn } from '../dead-letters/restored-logs.ts';

/*
 * Each function changes the build's row and the pointer in one guarded transaction. So a build ends exactly when the pointer stops listing its slot.
 */

/** A request for a build. */
export interface BuildRequest {
  readonly id: string;
  readonly acceptsDifferences: boolean;
  readonly isTrial: boolean;
  /** The number of events to replay. */
  readonly total: number;
  /** The time of the request, RFC 3339. */
  readonly at: string;
}

export type StartOutcome =
  | { readonly outcome: 'started'; readonly target: Target }
  | { readonly outcome: 'running'; readonly build: Build };

/**
 * Starts a build of a revision in the slot that is not live. Releases the former slot, since a projection has only two. A projection has one build at
 * a time.
 */
export async function startBuild(
  database: D1Database,
  projection: Projection,
  request: BuildRequest,
): Promise<StartOutcome> {
  const { id, acceptsDifferences, isTrial, total, at } = request;
  const { name, revision } = projection;
  for (;;) {
    // A first build starts from a pointer whose live revision is `UNBUILT`.
    await makePointer(database, name, { revision: UNBUILT, slot: 'b' });
    // Read the pointer first: a build that starts after this read raises the epoch.
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
    // If another request came first, it has raised the epoch.
    const outcome = await changePointer(database, name, pointer, { live: pointer.live, others: [] }, [insert]);
    if (outcome === 'changed') return { outcome: 'started', target };
  }
}

/** Records that a build's slot is empty. The raised epoch stops a clearing that is still running, for example after a timeout. */
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
 * Makes every guarded batch move the build with the live slot. `build` and `pointer` come from one snapshot, in which the build is active. So if the
 * pointer lists the build's target already, an earlier try or another run of the same step has joined it.
 */
export async function tryJoin(database: D1Database, build: Build, pointer: Pointer): Promise<ChangeOutcome> {
  if (pointer.moved.some((target) => isSameTarget(target, build.target))) return 'changed';
  return changePointer(database, build.projection, pointer, { live: pointer.live, others: [build.target] });
}

/**
 * Makes the build live. The former live slot keeps moving, so that a rollback is possible. Refused while one of the build's checkpoints is behind.
 */
export async function trySwap(
  database: D1Database,
  build: Build,
  pointer: Pointer,
  at: string,
): Promise<ChangeOutcome> {
  const { live } = pointer;
  const isFirst = live.revision === UNBUILT;
  const restored = await restoredIn(database, build.projection);
  // The former live slot has a history that its logs have lost. It could not follow the logs, so it allows no rollback.
  const others = isFirst || restored.length > 0 ? [] : [live];
  return changePointer(database, build.projection, pointer, { live: build.target, others, formerSince: at }, [
    ...(isFirst ? [] : [assertNotBehind(database, build.projection, live, build.target)]),
    endStatement(database, build.projection, build.target, { state: 'swapped', at }),
    forgetFault(database, build.projection),
    // Deletes the dead letters of streams that the build took from the restored log. If both slots have the lost history, the dead letter stays.
    database
      .prepare(
        `DELETE FROM dead_letter
        WHERE projection = ?1 AND cause = 'log-restored' AND NOT EXISTS (
          SELECT 1 FROM (SELECT dead_letter.stream AS stream) AS its
          ${joinPosition('live', '?1', '?2', 'its.stream')}
          ${joinPosition('next', '?1', '?3', 'its.stream')}
          WHERE ${positionAt('live', 'version')} = ${positionAt('next', 'version')}
            AND ${positionAt('live', 'event_id')} = ${positionAt('next', 'event_id')}
        )`,
      )
      .bind(build.projection, live.slot, build.target.slot),
  ]);
}

/** Ends a build without a swap. Returns false if it has ended already. The live slot is not affected. */
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
