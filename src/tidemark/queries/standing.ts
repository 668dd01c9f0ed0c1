import { type Seen, isAnother } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';

/** Where the live slot of a projection has a stream. */
export interface Standing {
  /** 0 when it has not seen the stream yet. */
  readonly version: number;
  /** The id of the event at `version`; null at 0. */
  readonly eventId: string | null;
  /** An open dead letter says that the log was restored: what the projection shows of the stream is of a lost history. */
  readonly isLost: boolean;
}

/** Of a stream that the projection has not seen. */
export const NOT_THERE: Standing = { version: 0, eventId: null, isLost: false };

/** A stream of which a projection does not show what the client has seen. */
export interface Unmet {
  readonly stream: StreamId;
  readonly seen: Seen;
  readonly at: Standing;
  /**
   * `behind`: it has not got there. `another`: it has another event at that version, so either the client or the projection has seen a lost
   * history. `lost`: it is known to be the projection.
   */
  readonly reason: 'behind' | 'another' | 'lost';
}

/** What a projection lacks of what a client has seen. A projection beyond the seen version is not compared with it. */
export function unmetOf(
  wanted: ReadonlyMap<StreamId, Seen>,
  standings: ReadonlyMap<StreamId, Standing>,
): readonly Unmet[] {
  return [...wanted].flatMap(([stream, seen]): readonly Unmet[] => {
    const at = standings.get(stream) ?? NOT_THERE;
    if (at.isLost) return [{ stream, seen, at, reason: 'lost' }];
    if (at.version < seen.version) return [{ stream, seen, at, reason: 'behind' }];
    const isOther = at.version === seen.version && isAnother(seen, at.eventId);
    return isOther ? [{ stream, seen, at, reason: 'another' }] : [];
  });
}
