import type { StoredEvent } from '../domain/event.ts';
import type { Hint } from '../write/message.ts';
import type { StreamId } from '../domain/stream.ts';
import type { DeadLetterCause, Refusal } from '../dead-letters/dead-letter.ts';

/** "Bring this stream to at least this version", with the events at hand, if any. */
export interface CatchUpRequest {
  readonly stream: StreamId;
  /** At least this version; `head`: whatever its log has. */
  readonly wanted: number | 'head';
  /** Read the log even where the checkpoint looks reached: the caller has reason to believe that the log was restored. */
  readonly isRecheck?: boolean;
  /** Where the live target had the stream a moment ago: its log is read from there while the positions are still being read. */
  readonly seenAt?: number;
  readonly hints?: readonly Hint[];
  /** Events from the archive, in order and without a gap. */
  readonly archived?: readonly StoredEvent[];
}

/** Why a stream could not be brought further. */
export type StandstillCause =
  | DeadLetterCause
  /** An event type or schema version that this code does not know, as during a deployment. */
  | 'unreadable-event'
  /** The object that has its log turned the read away. */
  | 'overloaded'
  /** Its log could not be read in time, other writers kept winning, or the invocation's limits were reached. */
  | 'transient'
  /** The projection's tables refuse every stream: see projection-fault.ts. */
  | 'projection-fault';

/** That a stream cannot be brought further, and why. */
export interface Standstill {
  readonly cause: StandstillCause;
  /** For people, and not for logs: it may quote what an event holds. */
  readonly reason: string;
  /** It waits for an operator: there is nothing to try again. */
  readonly isDeadLetter?: true;
  /** It was not tried to the end: the limits of catch-up-limits.ts were reached. */
  readonly isLeft?: true;
}

/** Where a stream stands in the leading target: the live one, if there is any. */
export interface StreamProgress {
  readonly stream: StreamId;
  readonly version: number;
  /** A target beside the leading one is not there yet. */
  readonly isOtherBehind?: true;
  /** With a standstill that an event causes: that event. */
  readonly refusal?: Refusal;
  /** The stream's own version, where its log was read. */
  readonly head?: number;
  readonly standstill?: Standstill;
}

/** Whether the stream may stand still because its log was not read: then nobody has compared its events with that. */
export function isUncompared({ cause }: Standstill): boolean {
  return cause === 'overloaded' || cause === 'transient' || cause === 'projection-fault';
}
