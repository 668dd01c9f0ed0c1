import { type Build, isActive } from './build.ts';
import { type Pointer, type Target, UNBUILT, beside } from './pointer.ts';

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
