import { isAnother } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import type { CatchUpResult } from '../catch-up/catch-up.ts';
import type { Budget } from '../catch-up/catch-up-limits.ts';
import type { LoadEvents } from '../catch-up/catch-up-page.ts';
import type { CausalReadPorts } from './causal-read.ts';
import { type GuardedAnswer, type Queries, guardedStatements, toGuardedAnswer } from './guarded-query.ts';
import type { Pointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { Unmet } from './standing.ts';
import type { CatchUpRequest, StreamProgress } from '../catch-up/stream-progress.ts';

/** An answer, and whether it is of the epoch that was asked for. */
export type Looked<Q extends Queries> = GuardedAnswer<Q> & { readonly isThisEpoch: boolean };

/** Where streams stand after they were brought up, and what was read in the same batch, if this request was the one that sent it. */
interface Brought<Q extends Queries> {
  readonly progress: ReadonlyMap<StreamId, StreamProgress>;
  readonly read?: { readonly answer: Looked<Q>; readonly session: D1DatabaseSession };
}

/** The client has seen more of a stream than its log holds, or another event at that version. */
export interface TokenAhead {
  readonly outcome: 'token-ahead';
  readonly stream: StreamId;
  readonly wanted: number;
  readonly head: number;
}

/** Who reads, and what. */
interface Reading<Q extends Queries> {
  readonly projection: Projection;
  readonly database: D1Database;
  readonly streams: readonly StreamId[];
  /** The queries for what is live under a pointer; undefined where there is no code for it. */
  readonly selectsUnder: (pointer: Pointer) => Q | undefined;
}

/**
 * What the catch-up has to do for a stream. Where the projection has another event than the client, the log decides: either the token is
 * refused, or the catch-up reads the log as well, and finds out that the projection is of a lost history.
 */
export async function toRequest(
  loadEvents: LoadEvents,
  { stream, seen, at, reason }: Unmet,
): Promise<CatchUpRequest | TokenAhead> {
  if (reason !== 'another') return { stream, wanted: seen.version, seenAt: at.version };
  const { events, head } = await loadEvents(stream, seen.version, 1);
  const [event] = events;
  if (!event || isAnother(seen, event.id)) return { outcome: 'token-ahead', stream, wanted: seen.version, head };
  return { stream, wanted: seen.version, isRecheck: true };
}

/** Has the catch-up done for what is behind, unless another request of this isolate is at it, and reads along. */
export async function bringUp<Q extends Queries>(
  { catchUp, flights }: Pick<CausalReadPorts, 'catchUp' | 'flights'>,
  { projection, database, streams, selectsUnder }: Reading<Q>,
  behind: readonly CatchUpRequest[],
  budget: Budget,
): Promise<Brought<Q> | 'building'> {
  let result: CatchUpResult | undefined;
  const byKey = new Map(behind.map((entry) => [`${projection.name}/${entry.stream}`, entry]));
  const writing = database.withSession('first-primary');
  const readAlong = {
    session: writing,
    statements(pointer: Pointer) {
      const selects = selectsUnder(pointer);
      return selects ? guardedStatements(writing, projection.name, pointer, streams, selects) : [];
    },
  };
  await flights.run([...byKey.keys()], async (led) => {
    result = await catchUp(
      projection,
      led.map((key) => byKey.get(key) as CatchUpRequest),
      { readAlong, budget },
    );
  });
  if (result?.outcome === 'building') return 'building';
  const progress = result?.streams ?? new Map<StreamId, StreamProgress>();
  const { along } = result ?? {};
  const selects = along && selectsUnder(along.pointer);
  if (!selects) return { progress };
  const answer = toGuardedAnswer(along.results as readonly D1Result<Record<string, unknown>>[], streams, selects);
  return {
    progress,
    read: { answer: { ...answer, isThisEpoch: answer.epoch === along.pointer.epoch }, session: writing },
  };
}
