import { createMiddleware } from 'hono/factory';

import { type FormerReading, causalRead } from '../queries/causal-read.ts';
import { seenOf, withBookmark, withVersion } from '../queries/causal-token.ts';
import type { Answers, Queries, SelectQuery } from '../queries/guarded-query.ts';
import type { Projection, Tables } from '../projections/projection.ts';
import { NOT_THERE } from '../queries/standing.ts';
import { type SeenOf, isAnother } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AppEnv } from './app-env.ts';
import { building, readProblem, tokenAhead } from './causal-problems.ts';
import { HEADER } from './headers.ts';
import { MAX_TOKEN_STREAMS } from './limits.ts';
import { attach, takeUp } from './token-header.ts';

export interface CausalOptions {
  /** The projections that the route reads. Reading another one throws, so this list is complete. Default: none. */
  readonly reads?: readonly Projection[];
  /** The longest wait of a read for its projection, in ms. Default: 5000. */
  readonly timeoutMs?: number;
  /** A token with more streams drops those that every projection has reached. Default: 96. */
  readonly maxStreams?: number;
}

/** The causal past of one client, during one request. The answer's token includes everything that a handler reads or writes through it. */
export interface CausalSession {
  /** The version that the client has seen of a stream. */
  readonly seen: SeenOf;
  /** Adds a stream's version to the token, after a write or a read of that one resource. `eventId` is the id of the event at that version, if known. */
  readonly see: (stream: StreamId, version: number, eventId?: string) => void;
  /** Takes back what this request has added about a stream: for a resource that the client must not learn of. */
  readonly forget: (stream: StreamId) => void;
  /**
   * Throws `causal-token-ahead` when the client has seen more of the stream than its log holds, or another event. The handler has read the log:
   * `eventIds` holds the event ids that it knows, by version.
   */
  readonly refuseLost: (
    stream: StreamId,
    head: number,
    eventIds: ReadonlyMap<number, string | undefined>,
  ) => Promise<void>;
  /** Reads the rows about one stream, and the version that they show. Waits for that stream only. */
  readOne<InSlot extends Tables, Result>(
    projection: Projection<InSlot>,
    stream: StreamId,
    query: (tables: InSlot) => SelectQuery<Result>,
    formerly?: readonly FormerQuery<Result>[],
  ): Promise<{ readonly rows: readonly Result[]; readonly version: number }>;
  /** Reads rows about many streams. Waits for every stream of the token that the projection follows. */
  readMany<InSlot extends Tables, Result>(
    projection: Projection<InSlot>,
    query: (tables: InSlot) => SelectQuery<Result>,
    formerly?: readonly FormerQuery<Result>[],
  ): Promise<readonly Result[]>;
  /** Like `readMany`, for several queries that one snapshot answers. */
  readSnapshot<InSlot extends Tables, Q extends Queries>(
    projection: Projection<InSlot>,
    queries: (tables: InSlot) => Q,
    options?: SnapshotOptions<Q>,
  ): Promise<Answers<Q>>;
}

/** Options of `readSnapshot`. */
interface SnapshotOptions<Q extends Queries> {
  /** The same queries for earlier revisions of the projection. Default: none. */
  readonly formerly?: readonly FormerReading<Q>[];
  /** Reads from the primary only, for an answer that must not be stale. Default: false. */
  readonly fromPrimary?: boolean;
}

/** The same query for an earlier revision of a projection, for as long as that revision may be live. `former` makes one. */
export interface FormerQuery<Result> {
  readonly projection: Projection;
  readonly query: (tables: never) => SelectQuery<Result>;
}

/**
 * Declares how an earlier revision of a read model answers the same query, from its own tables. The earlier revision serves until the new one is
 * built and swapped in, and again after a rollback. Without this, a query answers 503 `projection-building` while the earlier revision is live.
 *
 *     const rows = await c.var.causal.readMany(seatMap, freeSeats, [former(seatMap1, freeSeats1)]);
 *
 * If its rows have another form, `toRow` makes the new one: for `readModel`, a `prepared` resource.
 *
 *     former(seatMap1, seatMap1.byId(id), ({ reservedBy, ...row }) => seatMap.prepared({ ...row, guest: reservedBy }))
 */
export function former<InSlot extends Tables, Result>(
  projection: Projection<InSlot>,
  query: (tables: InSlot) => SelectQuery<Result>,
): FormerQuery<Result>;
export function former<InSlot extends Tables, Row, Result>(
  projection: Projection<InSlot>,
  query: (tables: InSlot) => SelectQuery<Row>,
  toRow: (row: Row) => Result,
): FormerQuery<Result>;
export function former<Result>(
  projection: Projection,
  query: (tables: never) => SelectQuery<Result>,
  toRow?: (row: never) => Result,
): FormerQuery<Result> {
  if (!toRow) return { projection, query };
  return {
    projection,
    query(tables) {
      const made = query(tables);
      return { toSQL: () => made.toSQL(), _: made._, toResult: toRow };
    },
  };
}

/**
 * Causal consistency for a route. Decodes the client's token, makes reads wait until their projection has applied what the token has seen, and
 * adds the merged token to the answer.
 *
 *     app.get('/seats/:id', causal({ reads: [seatMap] }), async (c) => {
 *       const { rows, version } = await c.var.causal.readOne(seatMap, stream, seatById(id));
 *       …
 *
 * A malformed or forged token is 400 before anything else happens. A wait that ends without success is 503, never a stale answer.
 */
export function causal(options: CausalOptions = {}) {
  const { reads = [], timeoutMs, maxStreams = MAX_TOKEN_STREAMS } = options;
  return createMiddleware<AppEnv>(async function causalMiddleware(c, next) {
    const { runtime } = c.var;
    const taken = await takeUp(runtime, c.req.header(HEADER.causalToken));
    let token = taken;

    async function read<InSlot extends Tables, Q extends Queries>(
      projection: Projection<InSlot>,
      stream: StreamId | undefined,
      queries: (tables: InSlot) => Q,
      formerly: readonly FormerReading<Q>[],
      fromPrimary = false,
    ) {
      if (!reads.some(({ name }) => name === projection.name))
        throw new Error(`causal({ reads }) does not name ${projection.name}`);
      const wait = timeoutMs ?? runtime.causalTimeoutMs;
      const result = await causalRead(
        runtime,
        { projection, token, queries, formerly, fromPrimary, ...(stream && { stream }) },
        wait === undefined ? {} : { timeoutMs: wait },
      );
      if (result.outcome === 'building') throw await building(c, projection);
      if (result.outcome !== 'read') throw readProblem(projection, result);
      token = withBookmark(token, projection.group.name, result.bookmark);
      if (result.incomplete.length > 0) c.header(HEADER.causalIncomplete, result.incomplete.join(', '));
      return result;
    }

    const session: CausalSession = {
      seen: (stream) => seenOf(token, stream, runtime.clock.now()),
      see(stream, version, eventId) {
        token = withVersion(token, stream, version, eventId);
      },
      forget(stream) {
        const streams = new Map(token.streams);
        const before = taken.streams.get(stream);
        if (before) streams.set(stream, before);
        else streams.delete(stream);
        token = { ...token, streams };
      },
      async refuseLost(stream, head, eventIds) {
        const seen = token.streams.get(stream);
        if (!seen) return;
        if (seen.version > head) throw tokenAhead(stream, seen.version, head);
        if (seen.fingerprint === undefined) return;
        const eventId =
          eventIds.get(seen.version) ?? (await runtime.aggregates.load(stream, seen.version, 1)).events[0]?.id;
        if (isAnother(seen, eventId)) throw tokenAhead(stream, seen.version, head);
      },
      async readOne(projection, stream, query, formerly = []) {
        const { answers, standings } = await read(
          projection,
          stream,
          (tables) => ({ rows: query(tables) }),
          formerly.map(asReading),
        );
        const { version, eventId } = standings.get(stream) ?? NOT_THERE;
        if (version > 0) token = withVersion(token, stream, version, eventId);
        return { rows: answers.rows, version };
      },
      async readMany(projection, query, formerly = []) {
        const { answers } = await read(
          projection,
          undefined,
          (tables) => ({ rows: query(tables) }),
          formerly.map(asReading),
        );
        return answers.rows;
      },
      async readSnapshot(projection, queries, { formerly = [], fromPrimary = false } = {}) {
        const { answers } = await read(projection, undefined, queries, formerly, fromPrimary);
        return answers;
      },
    };
    c.set('causal', session);
    await next();
    await attach(c, token, maxStreams);
  });
}

function asReading<Result>({ projection, query }: FormerQuery<Result>): FormerReading<{ rows: SelectQuery<Result> }> {
  return { projection, queries: (tables) => ({ rows: query(tables) }) };
}
