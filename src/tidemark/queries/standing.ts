import { type Seen, isAnother } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';

/** How far the live slot of a projection has brought a stream. */
export interface Standing {
  /** 0 if the projection has not seen the stream yet. */
  readonly version: number;
  /** The id of the event at `version`; null at 0. */
  readonly eventId: string | null;
  /** An open dead letter says that the log was restored: the projection shows a lost history of the stream. */
  readonly isLost: boolean;
}

/** The standing of a stream that the projection has not seen. */
export const NOT_THERE: Standing = { version: 0, eventId: null, isLost: false };

/** A stream in which a projection does not show what the client has seen. */
export interface Unmet {
  readonly stream: StreamId;
  readonly seen: Seen;
  readonly at: Standing;
  /**
   * `behind`: the projection has a lower version. `another`: it has another event at that version, so either the client or the projection has seen a
   * lost history. `lost`: the projection has, as a dead letter says.
   */
  readonly reason: 'behind' | 'another' | 'lost';
}

/** The streams in which a projection does not show what a client has seen. A projection beyond the seen version is not compared. */
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
