import type { StreamId } from '../domain/stream.ts';
import type { Budget } from './catch-up-limits.ts';
import type { Revision } from './catch-up-page.ts';
import type { Trace } from './catch-up-step.ts';
import type { Obstacles } from '../dead-letters/dead-letter.ts';
import type { GuardedAnswer, GuardedQuery, Queries } from '../queries/guarded-query.ts';
import type { Pointer } from '../projections/pointer.ts';
import type { SystemContext } from '../projections/system-context.ts';
import type { ProjectionFault } from './projection-fault.ts';
import type { CatchUpRequest, Standstill, StreamProgress } from './stream-progress.ts';

/** The part of the system that the catch-up uses. */
export type CatchUpContext = Pick<
  SystemContext,
  'clock' | 'report' | 'registry' | 'databaseOf' | 'aggregates' | 'pointers' | 'storageRefusedAt' | 'sharesCheckpoints'
>;

/** A query in the guarded batch of a catch-up. It needs no round trip of its own (decision 0018). */
export interface BatchRead {
  /** The session that sends the batch. Its bookmark then covers what the query read. */
  readonly session: D1DatabaseSession;
  /** The query that ends a batch under this pointer. */
  readonly queryUnder: (pointer: Pointer) => GuardedQuery<Queries> | undefined;
  /** Receives the answer of each batch. Before the last batch, some streams may not be caught up. */
  readonly found: (answer: GuardedAnswer<Queries>) => void;
}

/** What a catch-up has done, and what is left to do. Each round changes it. */
export interface CatchUpWork {
  pending: readonly CatchUpRequest[];
  readonly progress: Map<StreamId, StreamProgress>;
  /** The statements and subrequests that the invocation has left. */
  readonly budget: Budget;
  /** The number of applied moves: one for each stream and target. */
  applied: number;
  readonly traces: Trace[];
}

/** See `CatchUpOptions`. */
export interface RoundLimits {
  readonly pageSize: number;
  readonly maxEvents: number;
  readonly maxBatchLength: number;
  readonly retriesDeadLetters: boolean;
}

/** One round: one page of each pending stream, under one pointer. */
export interface Round {
  readonly context: CatchUpContext;
  /** The database of the projection's group. */
  readonly database: D1Database;
  readonly projectionName: string;
  readonly pointer: Pointer;
  /**
   * The leading target: its position is the progress of a stream. It is the live target; or the build, if nothing is live or only the build moves.
   */
  readonly lead: Revision;
  /** The other targets that the same batches move. They never pass the leading one. */
  readonly others: readonly Revision[];
  /** The round moves only a build that has not joined yet. */
  readonly isBuild: boolean;
  readonly limits: RoundLimits;
  readonly batchRead?: BatchRead | undefined;
}

/** How a round ended. The next round tries what is still pending. */
export type RoundOutcome =
  | 'undisturbed'
  /** Another writer moved a checkpoint or the pointer. */
  | 'contested'
  /** Only for a build: the pointer has changed, so the slot may no longer belong to this build. */
  | 'superseded';

/** The state of a running round. */
export interface Attempt extends Round {
  readonly work: CatchUpWork;
  readonly obstacles: ReadonlyMap<StreamId, Obstacles>;
  /** The recorded fault of the projection, open or closed, if there is one. */
  readonly fault: ProjectionFault | undefined;
  outcome: RoundOutcome;
  /** If set, the round sends nothing more: the pointer has changed, or the remaining streams stand still for this reason. */
  over: 'contested' | Standstill | undefined;
  /** Refusals that count against no stream, because the tables seem to refuse every stream. */
  readonly shared: SharedRefusal[];
}

/** If no trial was possible, so many refused streams mean that the tables refuse every stream. */
const STREAMS_TO_BE_SURE = 3;

/** A refusal that the tables would give any stream. */
export interface SharedRefusal {
  /** The database's error, as `kindOf` shortens it. */
  readonly kind: string;
  /** The kinds of write that the tables refuse. */
  readonly writes: readonly string[];
  /** Whether a trial has confirmed it. */
  readonly isSure: boolean;
}

/** A refusal of every stream, known to this round, that must hit these kinds of write too. */
export function sharedRefusalOf({ shared }: Attempt, writes: readonly string[]): SharedRefusal | undefined {
  const alike = shared.filter((one) => one.writes.every((write) => writes.includes(write)));
  return alike.find(({ isSure }) => isSure || alike.length >= STREAMS_TO_BE_SURE);
}

/** Whether the leading target answers queries. */
export function isLive({ lead, pointer }: Round): boolean {
  return lead.target === pointer.live;
}

/** Records the progress of a stream. */
export function settle(
  { progress }: Pick<CatchUpWork, 'progress'>,
  stream: StreamId,
  version: number,
  more: Omit<StreamProgress, 'stream' | 'version'> = {},
): void {
  progress.set(stream, { ...progress.get(stream), stream, version, ...more });
}

/** Records that a stream stays where it is, through no fault of an event. */
export function leave({ progress }: Pick<CatchUpWork, 'progress'>, stream: StreamId, standstill: Standstill): void {
  const { refusal: _, ...at } = progress.get(stream) ?? { stream, version: 0 };
  progress.set(stream, { ...at, standstill });
}

/** The catch-up has no time, statements or subrequests left. */
export const LEFT_TO_NEXT_ATTEMPT: Standstill = {
  cause: 'transient',
  reason: 'left to the next attempt',
  isLeft: true,
};
