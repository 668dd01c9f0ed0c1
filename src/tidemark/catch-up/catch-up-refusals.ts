import { timestamp } from '../platform/clock.ts';
import { fail, loggable } from './catch-up-apply.ts';
import { spendBatch } from './catch-up-limits.ts';
import { type Attempt, type CatchUpWork, type Round, isLive, settle } from './catch-up-work.ts';
import { type Refusal, recordRefusals } from '../dead-letters/dead-letter.ts';
import { noteFault } from './projection-fault.ts';

/** Records the refusals that the tables would give any stream, as a fault of the projection. No event is blamed. */
export async function noteSharedRefusals(attempt: Attempt): Promise<void> {
  const { work, shared, over } = attempt;
  const [first] = shared;
  // After a change of the pointer, the next round tries everything again.
  if (!first || over === 'contested') return;
  const writes = new Set(shared.flatMap((one) => one.writes));
  await reportFault(attempt, work, { kind: first.kind, writes: [...writes] }, shared.length);
}

/** Logs that the projection's tables refuse some kinds of write for every stream. If the leading target is live, also records it in the database. */
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
  await noteFault(database, projectionName, pointer, kind, writes, timestamp(context.clock));
}

/**
 * Handles what the leading target refused. If it is live, counts the refusals toward dead letters. If it is a first build that has joined, fails the
 * build. A build that moves itself handles its own refusals. Returns the overtaken refusals.
 */
export async function blame(attempt: Attempt, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
  const { context, projectionName, lead, isBuild } = attempt;
  const [first] = refusals;
  if (!first || isBuild) return [];
  if (!isLive(attempt)) {
    await fail(attempt, lead.target, first);
    return [];
  }
  // The pointer or the checkpoint has changed since the refusal.
  const overtaken = await count(attempt, refusals);
  if (overtaken.length > 0) {
    context.pointers.drop(projectionName);
    if (attempt.outcome === 'undisturbed') attempt.outcome = 'contested';
  }
  return overtaken;
}

/** Counts refusals by the live slot, and marks the streams whose refusal is now a dead letter. Returns the overtaken refusals. */
async function count(attempt: Attempt, refusals: readonly Refusal[]): Promise<readonly Refusal[]> {
  const { context, database, projectionName, pointer, work, limits } = attempt;
  spendBatch(work.budget, 1);
  const counted = await recordRefusals(database, projectionName, pointer, refusals, {
    at: timestamp(context.clock),
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
