import type { StoredEvent } from '../domain/event.ts';
import type { Hint } from '../write/message.ts';
import type { StreamId } from '../domain/stream.ts';
import type { DeadLetterCause, Refusal } from '../dead-letters/dead-letter.ts';

/** A request to bring a stream to at least one version, with the events at hand, if any. */
export interface CatchUpRequest {
  readonly stream: StreamId;
  /** At least this version. `head`: all that the log has. */
  readonly wanted: number | 'head';
  /** Read the log even if the checkpoint has reached `wanted`: the caller has reason to believe that the log was restored. */
  readonly isRecheck?: boolean;
  /** The version that the live target had a moment ago. The catch-up reads the log from there while it still reads the positions. */
  readonly seenAt?: number;
  readonly hints?: readonly Hint[];
  /** Events from the archive, in order. */
  readonly archived?: readonly StoredEvent[];
}

/** Why the catch-up could not bring a stream further. */
export type StandstillCause =
  | DeadLetterCause
  /** An event type or schema version that this code does not know, as during a deployment. */
  | 'unreadable-event'
  /** The stream's object was overloaded and turned away the read of its log. */
  | 'overloaded'
  /** The log could not be read in time, other writers kept winning, or the invocation reached its limits. */
  | 'transient'
  /** The projection's tables refuse every stream: see projection-fault.ts. */
  | 'projection-fault';

/** A stream that the catch-up cannot bring further, and why. */
export interface Standstill {
  readonly cause: StandstillCause;
  /** For people. Where an event is refused, it may quote the event's data, so it is not logged. */
  readonly reason: string;
  /** The stream waits for an operator. Trying again does not help. */
  readonly isDeadLetter?: true;
  /** The catch-up reached the limits of catch-up-limits.ts before it finished the stream. */
  readonly isLeft?: true;
}

/** How far the leading target has brought a stream. That is the live target, if there is one. */
export interface StreamProgress {
  readonly stream: StreamId;
  readonly version: number;
  /** Another target is not there yet. */
  readonly isOtherBehind?: true;
  /** The refusal of the event that causes the standstill, if an event does. */
  readonly refusal?: Refusal;
  /** The version of the stream. Set if its log was read. */
  readonly head?: number;
  readonly standstill?: Standstill;
}

/** Whether the stream may stand still because its log was not read. Then its checkpoint was not compared with the log. */
export function isUncompared({ cause }: Standstill): boolean {
  return cause === 'overloaded' || cause === 'transient' || cause === 'projection-fault';
}
