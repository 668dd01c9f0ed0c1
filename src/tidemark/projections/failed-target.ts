import type { Refusal } from '../dead-letters/dead-letter.ts';
import { type BuildEnd, endStatement } from './build.ts';
import { type ChangeOutcome, changePointer } from './guarded-change.ts';
import { type Pointer, type Target, beside, isSameTarget } from './pointer.ts';

/**
 * Takes a target that cannot apply an event out of the pointer, so that the live slot goes on without it. A build has then failed. A former slot no
 * longer allows a rollback. Does nothing if the pointer has changed in between.
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

/** Takes a target out of the pointer, so that no batch moves it any more. Ends its build, if it has an active one. */
export async function dropTarget(
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
