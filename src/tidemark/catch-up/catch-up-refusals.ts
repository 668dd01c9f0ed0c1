import { fail, loggable } from './catch-up-apply.ts';
import { spendBatch } from './catch-up-limits.ts';
import { type Attempt, type CatchUpWork, type Round, isLive, settle } from './catch-up-work.ts';
import { type Refusal, recordRefusals } from '../dead-letters/dead-letter.ts';
import { noteFault } from './projection-fault.ts';

/** Notes what the tables have refused whatever the stream: it is the projection's fault, and no event is blamed. */
export async function noteSharedRefusals(attempt: Attempt): Promise<void> {
  const { work, shared, over } = attempt;
  const [first] = shared;
  // After a change of the pointer everything is tried again.
  if (!first || over === 'contested') return;
  const writes = new Set(shared.flatMap((one) => one.writes));
  await reportFault(attempt, work, { kind: first.kind, writes: [...writes] }, shared.length);
}

/** Says that the projection's tables refuse some kinds of write of every stream, and notes it where the projection is live. */
export async function reportFault(
  round: Round,
  { budget }: Pick<CatchUpWork, 'budget'>,
  { kind, writes }: { readonly kind: string; readonly writes: readonly string[] },
  streams: number,
): Promise<void> {
  const { context, database, projectionName, pointer } = round;
  context.report('projection.fault', { projection: projectionName, kind, streams });
  if (!isLive(round)) return;
  spendBatch(budget, 1);
  await noteFault(database, projectionName, pointer, kind, writes, new Date(context.clock.now()).toISOString());
}

/**
 * What the leading target refused is counted where that is live, the way to a dead letter; ends a build that others move; and is a
 * build's own affair where it moves itself. Returns refusals that were overtaken meanwhile.
 */
export async function blame(attempt: Attempt, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
  const { context, projectionName, lead, isBuild } = attempt;
  const [first] = refusals;
  if (!first || isBuild) return [];
  if (!isLive(attempt)) {
    await fail(attempt, lead.target, first);
    return [];
  }
  // One that was refused under a pointer, or after a checkpoint, that is not what there is any more.
  const overtaken = await count(attempt, refusals);
  if (overtaken.length > 0) {
    context.pointers.drop(projectionName);
    if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
  }
  return overtaken;
}

/** Counts refusals by the live slot, and says of those that have become dead letters that they are. Returns those that were overtaken. */
async function count(attempt: Attempt, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
  const { context, database, projectionName, pointer, work, limits } = attempt;
  spendBatch(work.budget, 1);
  const counted = await recordRefusals(database, projectionName, pointer, refusals, {
    at: new Date(context.clock.now()).toISOString(),
    opensAtOnce: limits.retriesDeadLetters,
  });
  for (const refusal of refusals) {
    const isDead = counted.get(refusal.stream);
    if (isDead === undefined) continue;
    const at = work.progress.get(refusal.stream);
    if (at?.standstill && isDead)
      settle(work, at.stream, at.version, { standstill: { ...at.standstill, isDeadLetter: true } });
    context.report(isDead ? 'projection.dead-letter' : 'projection.refused', {
      projection: projectionName,
      ...loggable(refusal),
    });
  }
  return refusals.filter(({ stream }) => !counted.has(stream));
}
