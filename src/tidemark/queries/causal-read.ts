import { QueryBuilder } from 'drizzle-orm/sqlite-core';

import { type Seen, UNSEEN } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import { bringUp } from './bring-up.ts';
import type { CatchUp } from '../catch-up/catch-up.ts';
import { newBudget } from '../catch-up/catch-up-limits.ts';
import type { CausalToken } from './causal-token.ts';
import type { Answers, Queries } from './guarded-query.ts';
import type { Projection, Tables } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { follows } from '../catch-up/projection-worker.ts';
import { type Reader, look, msLeft, toPrimary } from './reader.ts';
import type { SingleFlight } from './single-flight.ts';
import { type Standing, unmetOf } from './standing.ts';

/** Makes the selects that causal reads run. */
export const queryBuilder = new QueryBuilder();

/** The part of the system that causal reads use. A read asks a log if the client and the projection have seen different events. */
export interface CausalReadContext extends Pick<
  SystemContext,
  'databaseOf' | 'pointers' | 'aggregates' | 'clock' | 'report'
> {
  readonly catchUp: CatchUp;
  readonly flights: SingleFlight;
}

export interface CausalReadOptions {
  /** Time, in ms, that a read may take to bring its projection up to the token. Default: 5,000. */
  readonly timeoutMs?: number;
}

/** The result of a causal read. It never shows a state older than the token (I13). */
export type CausalReadResult<Q extends Queries> =
  | {
      readonly outcome: 'read';
      readonly answers: Answers<Q>;
      /** The standing of each stream that the read was about. */
      readonly standings: ReadonlyMap<StreamId, Standing>;
      /** The database's bookmark after the read. A client that sends it never reads an older state there. */
      readonly bookmark: string | null;
      /** Streams of the token in which this answer is behind, or shows a lost history: the projection cannot apply their next event. */
      readonly incomplete: readonly StreamId[];
    }
  | Unanswered;

/** Why a causal read has no answer. */
export type Unanswered =
  | {
      readonly outcome: 'behind';
      readonly stream: StreamId;
      readonly wanted: number;
      readonly has: number;
      readonly isOverloaded: boolean;
    }
  | { readonly outcome: 'dead-letter'; readonly stream: StreamId; readonly wanted: number; readonly has: number }
  /** The client has seen more of a stream than its log holds, or another event at that version. */
  | { readonly outcome: 'token-ahead'; readonly stream: StreamId; readonly wanted: number; readonly head: number }
  | { readonly outcome: 'building' }
  /** The database could not be reached in time. */
  | { readonly outcome: 'unavailable' };

/** One read of one projection. */
export interface CausalReadRequest<InSlot extends Tables, Q extends Queries> {
  readonly projection: Projection<InSlot>;
  readonly token: CausalToken;
  /**
   * The one stream that the answer is about. The read waits for that stream only. Default: for every stream of the token that the projection follows.
   */
  readonly stream?: StreamId;
  readonly queries: (tables: InSlot) => Q;
  /** The same queries for earlier revisions, while one of them is live. Default: none. */
  readonly formerly?: readonly FormerReading<Q>[];
  /** Reads from the primary only, even if the token has a bookmark. Default: false. */
  readonly fromPrimary?: boolean;
}

/** The queries of an earlier revision of a projection, from its own tables. */
export interface FormerReading<Q extends Queries> {
  readonly projection: Projection;
  readonly queries: (tables: never) => Q;
}

/**
 * Answers a query from a read model that has seen at least what the token has. If a replica is behind, the read asks the primary. If the primary is
 * behind too, the read runs the catch-up and reads in its batch. This needs no queue. If the catch-up fails, the read polls. After `timeoutMs` it
 * answers `behind`, never a stale state.
 */
export async function causalRead<InSlot extends Tables, Q extends Queries>(
  context: CausalReadContext,
  request: CausalReadRequest<InSlot, Q>,
  { timeoutMs = 5_000 }: CausalReadOptions = {},
): Promise<CausalReadResult<Q>> {
  const reader = readerOf(context, request, timeoutMs);
  const { stream: only, wanted, incomplete } = reader;
  let answer = await look(reader);
  for (let round = 0; !('outcome' in answer); round += 1) {
    const unmet = unmetOf(wanted, answer.standings);
    // A replica may report a lost history that is repaired by now, so the primary decides.
    const lost = answer.isPrimary ? unmet.filter(({ reason }) => reason === 'lost') : [];
    for (const { stream, seen, at } of lost) {
      if (only) return { outcome: 'dead-letter', stream, wanted: seen.version, has: at.version };
      incomplete.add(stream);
    }
    const [first, ...others] = unmet.filter(({ stream }) => !incomplete.has(stream));
    if (!first) {
      const { answers, standings } = answer;
      const bookmark = reader.session?.getBookmark() ?? null;
      return { outcome: 'read', answers, standings, bookmark, incomplete: [...incomplete] };
    }
    if (!answer.isPrimary) {
      toPrimary(reader);
      answer = await look(reader);
      continue;
    }
    if (msLeft(reader) === 0) {
      const { stream, seen, at } = first;
      return { outcome: 'behind', stream, wanted: seen.version, has: at.version, isOverloaded: false };
    }
    answer = (await bringUp(reader, [first, ...others], round)) ?? (await look(reader));
  }
  return answer;
}

function readerOf<InSlot extends Tables, Q extends Queries>(
  context: CausalReadContext,
  request: CausalReadRequest<InSlot, Q>,
  timeoutMs: number,
): Reader<Q> {
  const { projection, token, stream, formerly = [], fromPrimary = false } = request;
  const wanted = new Map<StreamId, Seen>(
    stream
      ? [[stream, token.streams.get(stream) ?? UNSEEN]]
      : [...token.streams].filter(([entry]) => follows(projection, entry)),
  );
  const readings = [request as FormerReading<Q>, ...formerly];
  // Without a bookmark, a replica may be of any age.
  const bookmark = token.bookmarks.get(projection.group.name) ?? 'first-primary';
  return {
    context,
    projection,
    database: context.databaseOf(projection.group),
    stream,
    wanted,
    queryUnder(pointer) {
      const reading = readings.find((candidate) => candidate.projection.revision === pointer?.live.revision);
      if (!reading || !pointer) return undefined;
      const queries = reading.queries(reading.projection.tables(pointer.live.slot) as never);
      return { projectionName: projection.name, pointer, streams: [...wanted.keys()], queries };
    },
    deadline: context.clock.now() + timeoutMs,
    budget: newBudget(),
    incomplete: new Set(),
    startAt: fromPrimary ? 'first-primary' : bookmark,
  };
}
