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

/** The part of the system that the catch-up works with. */
export type CatchUpContext = Pick<
  SystemContext,
  'clock' | 'report' | 'registry' | 'databaseOf' | 'aggregates' | 'pointers' | 'storageRefusedAt'
>;

/** A read in the batch that brings streams up, so that it takes no round trip of its own. */
export interface BatchRead {
  /** The batch is sent through it: afterwards its bookmark covers what was read. */
  readonly session: D1DatabaseSession;
  /** What is read last in the batch that is sent under a pointer. */
  readonly queryUnder: (pointer: Pointer) => GuardedQuery<Queries> | undefined;
  /** Takes what each batch has read. Before the last, not every stream may be there yet. */
  readonly found: (answer: GuardedAnswer<Queries>) => void;
}

/** What a catch-up has done so far, and what is left to do. Rounds change it. */
export interface CatchUpWork {
  pending: readonly CatchUpRequest[];
  readonly progress: Map<StreamId, StreamProgress>;
  /** What the invocation may still send. */
  readonly budget: Budget;
  /** How many moves were applied: one for each stream and target. */
  applied: number;
  readonly traces: Trace[];
}

export interface RoundLimits {
  /** See `CatchUpOptions`, for all of these. */
  readonly pageSize: number;
  readonly maxEvents: number;
  readonly maxBatchLength: number;
  readonly retriesDeadLetters: boolean;
}

/** One round: over everything that is pending, under one pointer. */
export interface Round {
  readonly context: CatchUpContext;
  /** That of the projection's group. */
  readonly database: D1Database;
  readonly projectionName: string;
  readonly pointer: Pointer;
  /** What says how far a stream is: the live target, or the build where there is no other. */
  readonly lead: Revision;
  /** What else is moved in the same batches. They never pass the leading one. */
  readonly others: readonly Revision[];
  /** It moves only a build that has not joined yet. */
  readonly isBuild: boolean;
  readonly limits: RoundLimits;
  readonly batchRead?: BatchRead | undefined;
}

/** How a round ended; what is still pending has to be tried again. */
export type RoundOutcome =
  | 'undisturbed'
  /** Another writer moved a checkpoint or the pointer. */
  | 'contested'
  /** Only of a build: the pointer has changed, so it may no longer be this build's slot. */
  | 'superseded';

/** One round while it goes on. */
export interface Attempt extends Round {
  readonly work: CatchUpWork;
  readonly obstacles: ReadonlyMap<StreamId, Obstacles>;
  /** The projection's fault, if it ever had one. */
  readonly fault: ProjectionFault | undefined;
  outcome: RoundOutcome;
  /** Nothing more is sent in this round: the pointer has changed, or what is left stands still for this reason. */
  over: 'contested' | Standstill | undefined;
  /** Refusals that are held against no stream: the tables refuse every stream, as far as is known. */
  readonly shared: SharedRefusal[];
}

/** So many streams that are refused are taken for all, where there was nothing to try it with. */
const STREAMS_TO_BE_SURE = 3;

/** What the tables refuse, whatever the stream. */
export interface SharedRefusal {
  /** The database's words, as `kindOf` has them. */
  readonly kind: string;
  /** The kinds of write that met it. */
  readonly writes: readonly string[];
  /** Whether a trial has shown it. */
  readonly isSure: boolean;
}

/** What fails for every stream, as far as this round knows, and must fail for these kinds of write too. */
export function sharedRefusalOf({ shared }: Attempt, writes: readonly string[]): SharedRefusal | undefined {
  const alike = shared.filter((one) => one.writes.every((write) => writes.includes(write)));
  return alike.find(({ isSure }) => isSure || alike.length >= STREAMS_TO_BE_SURE);
}

/** Whether the leading target answers queries. */
export function isLive({ lead, pointer }: Round): boolean {
  return lead.target === pointer.live;
}

/** Notes where a stream stands now. */
export function settle(
  { progress }: Pick<CatchUpWork, 'progress'>,
  stream: StreamId,
  version: number,
  more: Omit<StreamProgress, 'stream' | 'version'> = {},
): void {
  progress.set(stream, { ...progress.get(stream), stream, version, ...more });
}

/** Notes that a stream stays where it is, for no fault of an event. */
export function leave({ progress }: Pick<CatchUpWork, 'progress'>, stream: StreamId, standstill: Standstill): void {
  const { refusal: _, ...at } = progress.get(stream) ?? { stream, version: 0 };
  progress.set(stream, { ...at, standstill });
}

/** There is no time left, or the invocation has no statements or subrequests left. */
export const LEFT_TO_NEXT_ATTEMPT: Standstill = {
  cause: 'transient',
  reason: 'left to the next attempt',
  isLeft: true,
};
