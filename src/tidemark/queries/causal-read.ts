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

/** The part of the system that causal reads work with. A read asks a log where the client and the projection have seen different events. */
export interface CausalReadContext extends Pick<
  SystemContext,
  'databaseOf' | 'pointers' | 'aggregates' | 'clock' | 'report'
> {
  readonly catchUp: CatchUp;
  readonly flights: SingleFlight;
}

export interface CausalReadOptions {
  /** How long a read may take to bring its projection to where the token is, in ms. */
  readonly timeoutMs?: number;
}

/** How a causal read ended. Never with a state older than what the token vouches for (I13). */
export type CausalReadResult<Q extends Queries> =
  | {
      readonly outcome: 'read';
      readonly answers: Answers<Q>;
      /** Where the projection has each stream that was asked for. */
      readonly standings: ReadonlyMap<StreamId, Standing>;
      /** The database's bookmark after the read: whoever carries it never reads an older state there. */
      readonly bookmark: string | null;
      /** Streams of the token that this answer shows too little of, or of a lost history: the projection cannot take their next event. */
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
  /** The one stream that the answer is about: it waits for that stream only. Absent: for every stream of the token that it follows. */
  readonly stream?: StreamId;
  readonly queries: (tables: InSlot) => Q;
  /** How revisions before this one answer the same, for as long as one of them is live. */
  readonly formerly?: readonly FormerReading<Q>[];
  /** Asks no replica, whatever the token's bookmark allows. Default: false. */
  readonly fromPrimary?: boolean;
}

/** How an earlier revision of a projection answers, from its own tables. */
export interface FormerReading<Q extends Queries> {
  readonly projection: Projection;
  readonly queries: (tables: never) => Q;
}

/**
 * Answers a query from a read model that has seen at least what the token has. Where the read model is behind, a replica is left for the
 * primary first; then the reader has the catch-up done, which works with every queue at a standstill, and reads in the batch that does it;
 * polling is what remains when the catch-up fails. Bounded by `timeoutMs`, past which the answer is `behind`, never silently stale.
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
    // What a replica says of a lost history may be over, so the primary is asked.
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
  // Without a bookmark nothing bounds how old a replica may be.
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
