import { OverloadedError } from '../platform/faults.ts';
import { type Build, isActive, latestBuild } from './build.ts';
import { assertNotBehind, changePointer } from '../projections/guarded-change.ts';
import { type Pointer, type Target, UNBUILT, beside, readPointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import { forgetFault } from '../catch-up/projection-fault.ts';
import type { Slot } from '../projections/slot-tables.ts';

/** How long a former slot is moved along as the way back, from the swap or the rollback that made it the former one, in ms. */
export const WAY_BACK_MS = 7 * 24 * 60 * 60 * 1000;

/** The slot that was live before the last swap or rollback, while it is still moved: what a rollback makes live again. */
export interface FormerSlot extends Target {
  /** RFC 3339: from then on the scheduled job releases it. Null where its beginning was not noted; then only an operator does. */
  readonly until: string | null;
}

/**
 * The former slot, if there is one. A build that has joined is none, and a build that has begun has ended the way back. `latest` is the
 * projection's latest build; read it after the pointer, since a build that begins raises the epoch.
 */
export function formerSlot(
  pointer: Pointer | undefined,
  latest: Pick<Build, 'state' | 'endedAt'> | undefined,
): FormerSlot | undefined {
  if (!pointer || pointer.live.revision === UNBUILT || (latest && isActive(latest))) return undefined;
  const [former] = beside(pointer);
  if (!former) return undefined;
  // A Worker from before `former_since` notes the end of its build alone.
  const swappedAt = latest?.state === 'swapped' ? latest.endedAt : null;
  const since = Math.max(...[pointer.formerSince, swappedAt].map((at) => (at === null ? 0 : Date.parse(at))));
  return { ...former, until: since > 0 ? new Date(since + WAY_BACK_MS).toISOString() : null };
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
  throw new OverloadedError(`other requests keep changing the pointer of ${projectionName}`);
}

const MAX_TRIES = 10;
