import type { StreamId } from './stream.ts';

/** What a client has seen of a stream. */
export interface Seen {
  /** 0: nothing. */
  readonly version: number;
  /**
   * Of the event at that version: a version alone names an event only until the log is restored to an earlier time and grows again. Absent
   * where it is not known: in tokens of format 1, and from objects of the Worker before fingerprints.
   */
  readonly fingerprint?: number;
  /** The client may have seen more than this version. Default: false. */
  readonly isLeast?: boolean;
}

/** What a client has seen of any stream; `unknown` when it may have seen any version. */
export type SeenOf = (stream: StreamId) => Seen | 'unknown';

/** Nothing of a stream. */
export const UNSEEN: Seen = { version: 0 };

// FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/
const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/**
 * Four bytes that tell one event from another at the same version: a hash of the whole id, whatever form ids have. From 1, so that 0 can stand
 * for "not known". Two events have the same one with a chance of 1 in 4 billion.
 */
export function fingerprintOf(eventId: string): number {
  let hash = OFFSET_BASIS;
  for (let index = 0; index < eventId.length; index += 1) {
    hash = Math.imul(hash ^ eventId.charCodeAt(index), PRIME);
  }
  return hash >>> 0 || 1;
}

/** The sighting of a version; `eventId` is that of its event, where it is known. */
export function seenAt(version: number, eventId?: string | null): Seen {
  return eventId === undefined || eventId === null ? { version } : { version, fingerprint: fingerprintOf(eventId) };
}

/** Whether a log or a read model has another event at the seen version than the client saw. False where either is not known. */
export function isAnother({ fingerprint }: Seen, eventId: string | null | undefined): boolean {
  return (
    fingerprint !== undefined && eventId !== undefined && eventId !== null && fingerprintOf(eventId) !== fingerprint
  );
}
