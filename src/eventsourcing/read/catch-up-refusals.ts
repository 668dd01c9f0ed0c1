import { fail, loggable } from './catch-up-apply.ts';
import { spendBatch } from './catch-up-limits.ts';
import {
  type Attempt,
  type CatchUpWork,
  type Round,
  type Unexplained,
  faultOf,
  isLive,
  settle,
  unprovenOf,
} from './catch-up-work.ts';
import { INTERNAL_ERROR } from './d1-errors.ts';
import { type Refusal, recordRefusals } from './dead-letter.ts';
import { isOthersApplied, noteFault } from './projection-fault.ts';

/**
 * Decides whether errors that may be one stream's or every stream's were the streams' own. They were if the same kinds of write were applied
 * for others meanwhile, or the stream alone was refused before. Otherwise the fault is the projection's: it is noted, and no event is blamed.
 */
export async function explainRefusals(attempt: Attempt): Promise<void> {
  const { ports, work, unexplained, obstacles, fault } = attempt;
  // After a change of the pointer everything is tried again.
  if (attempt.over === 'contested') return;
  const now = ports.now();
  function isOwn(one: Unexplained): boolean {
    const { stream, kind } = one.refusal;
    const unproven = unprovenOf(work, one);
    // It says nothing of an event, and may still pass.
    if (kind === INTERNAL_ERROR) return false;
    if (unproven.length === 0) return true;
    if (faultOf(attempt, one.writes)) return false;
    return obstacles.get(stream)?.refused?.kind === kind || isOthersApplied(fault, kind, unproven, now);
  }
  const shared = unexplained.filter((one) => !isOwn(one));
  const [first] = shared;
  if (!first) return;
  for (const {
    refusal: { stream, version, kind },
  } of shared) {
    const { refusal: _, ...at } = work.progress.get(stream) ?? { stream, version: version - 1 };
    work.progress.set(stream, { ...at, standstill: { cause: 'projection-fault', reason: kind } });
  }
  const writes = new Set(shared.flatMap((one) => unprovenOf(work, one)));
  await reportFault(attempt, work, { kind: first.refusal.kind, writes: [...writes] }, shared.length);
}

/** Says that the projection's tables refuse some kinds of write of every stream, and notes it where the projection is live. */
export async function reportFault(
  round: Round,
  { budget }: Pick<CatchUpWork, 'budget'>,
  { kind, writes }: { readonly kind: string; readonly writes: readonly string[] },
  streams: number,
): Promise<void> {
  const { ports, projectionName, pointer } = round;
  ports.report('projection.fault', { projection: projectionName, kind, streams });
  if (!isLive(round)) return;
  spendBatch(budget, 1);
  await noteFault(ports.database, projectionName, pointer, kind, writes, new Date(ports.now()).toISOString());
}

/**
 * What the leading target refused is counted where that is live, the way to a dead letter; ends a build that others move; and is a
 * build's own affair where it moves itself. Returns refusals that were overtaken meanwhile.
 */
export async function blame(attempt: Attempt, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
  const { ports, projectionName, lead, isBuild } = attempt;
  const [first] = refusals;
  if (!first || isBuild) return [];
  if (!isLive(attempt)) {
    await fail(attempt, lead.target, first);
    return [];
  }
  // One that was refused under a pointer, or after a checkpoint, that is not what there is any more.
  const overtaken = await count(attempt, refusals);
  if (overtaken.length > 0) {
    ports.pointers.drop(projectionName);
    if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
  }
  return overtaken;
}

/** Counts refusals by the live slot, and says of those that have become dead letters that they are. Returns those that were overtaken. */
async function count(attempt: Attempt, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
  const { ports, projectionName, pointer, work, limits } = attempt;
  spendBatch(work.budget, 1);
  const counted = await recordRefusals(ports.database, projectionName, pointer, refusals, {
    at: new Date(ports.now()).toISOString(),
    ...(limits.retriesDeadLetters && { triesBeforeDead: 1 }),
  });
  for (const refusal of refusals) {
    const isDead = counted.get(refusal.stream);
    if (isDead === undefined) continue;
    const at = work.progress.get(refusal.stream);
    if (at?.standstill && isDead)
      settle(work, at.stream, at.version, { standstill: { ...at.standstill, isDeadLetter: true } });
    ports.report(isDead ? 'projection.dead-letter' : 'projection.refused', {
      projection: projectionName,
      ...loggable(refusal),
    });
  }
  return refusals.filter(({ stream }) => !counted.has(stream));
}
