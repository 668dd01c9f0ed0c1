import { OverloadedError } from '../platform/faults.ts';
import { type Build, isActive, latestBuild } from '../projections/build.ts';
import { assertNotBehind, changePointer } from '../projections/guarded-change.ts';
import { type Pointer, type Target, UNBUILT, beside, readPointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import { forgetFault } from '../catch-up/projection-fault.ts';
import type { Slot } from '../projections/slot-tables.ts';

/** Time, in ms, for which a former slot keeps moving after the swap or rollback that made it the former one. Until then a rollback is possible. */
export const WAY_BACK_MS = 7 * 24 * 60 * 60 * 1000;

/** The slot that was live before the last swap or rollback, while it still moves. A rollback makes it live again. */
export interface FormerSlot extends Target {
  /** When the scheduled job releases it, RFC 3339. Null if its start was not recorded: then only an operator releases it. */
  readonly until: string | null;
}

/**
 * The former slot, if there is one. A joined build is not a former slot, and the start of a build releases the former slot. `latest` is the
 * projection's latest build. Read it after the pointer, since a build that starts raises the epoch.
 */
export function formerSlot(
  pointer: Pointer | undefined,
  latest: Pick<Build, 'state' | 'endedAt'> | undefined,
): FormerSlot | undefined {
  if (!pointer || pointer.live.revision === UNBUILT || (latest && isActive(latest))) return undefined;
  const [former] = beside(pointer);
  if (!former) return undefined;
  // A Worker from before the column `former_since` records only the end of its build.
  const swappedAt = latest?.state === 'swapped' ? latest.endedAt : null;
  const since = Math.max(...[pointer.formerSince, swappedAt].map((at) => (at === null ? 0 : Date.parse(at))));
  return { ...former, until: since > 0 ? new Date(since + WAY_BACK_MS).toISOString() : null };
}

/** The result of a rollback. */
export type RollbackOutcome =
  | { readonly outcome: 'changed' | 'epoch-changed' | 'behind'; readonly live: Target }
  /** No former slot still moves. */
  | { readonly outcome: 'no-former' }
  /** This Worker has no code for the former slot's revision, so it could answer no query. */
  | { readonly outcome: 'no-code'; readonly live: Target };

/**
 * Makes the former slot live again, if it still moves. `to` names the slot that should be live. If it is live already, nothing changes, so that a
 * request without an answer can be sent again. `revisions` are those that this Worker has code for; `at` is RFC 3339.
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
 * Stops moving the former slot, which ends the way back. Returns false if there is none. With `dueAt`, in ms since the Unix epoch, it releases only a
 * slot whose time is over by then.
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
  throw new OverloadedError(`other requests keep changing the pointer of ${projectionName}`);
}

const MAX_TRIES = 10;
