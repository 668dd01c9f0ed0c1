import type { StreamId } from './stream.ts';

/** What a client has seen of a stream. */
export interface Seen {
  /** 0: nothing. */
  readonly version: number;
  /**
   * The fingerprint of the event at that version. The version alone identifies an event only until the log is restored to an earlier time and grows
   * again. It is absent in tokens of format 1, and from objects with the code from before fingerprints.
   */
  readonly fingerprint?: number;
  /** Whether the client may have seen a later version than this. Default: false. */
  readonly isLeast?: boolean;
}

/** What a client has seen of any stream. `unknown`: it may have seen any version. */
export type SeenOf = (stream: StreamId) => Seen | 'unknown';

/** The client has seen nothing of a stream. */
export const UNSEEN: Seen = { version: 0 };

// FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/
const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/**
 * Four bytes that distinguish an event from another at the same version. It hashes the whole id, so it fits ids of any form. The result is never 0,
 * which stands for "not known". Two events have the same fingerprint with a chance of 1 in 4 billion.
 */
export function fingerprintOf(eventId: string): number {
  let hash = OFFSET_BASIS;
  for (let index = 0; index < eventId.length; index += 1) {
    hash = Math.imul(hash ^ eventId.charCodeAt(index), PRIME);
  }
  return hash >>> 0 || 1;
}

/** A version that a client has seen. `eventId` is the id of the event there, if known. */
export function seenAt(version: number, eventId?: string | null): Seen {
  return eventId === undefined || eventId === null ? { version } : { version, fingerprint: fingerprintOf(eventId) };
}

/** Whether a log or a read model has another event at the seen version than the client saw. False if either event is unknown. */
export function isAnother({ fingerprint }: Seen, eventId: string | null | undefined): boolean {
  return (
    fingerprint !== undefined && eventId !== undefined && eventId !== null && fingerprintOf(eventId) !== fingerprint
  );
}
