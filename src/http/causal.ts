import { createMiddleware } from 'hono/factory';

import { type CausalReadResult, type FormerReading, causalRead } from '../eventsourcing/read/causal-read.ts';
import {
  type CausalToken,
  type SeenVersion,
  EMPTY_TOKEN,
  cutToSize,
  withBookmark,
  withVersion,
  withoutConfirmed,
  seenVersion,
} from '../eventsourcing/read/causal-token.ts';
import type { TokenCodec } from '../eventsourcing/read/token-codec.ts';
import { liveVersions } from '../eventsourcing/read/confirm.ts';
import type { Answers, Queries, SelectQuery } from '../eventsourcing/read/guarded-query.ts';
import type { Projection, Tables } from '../eventsourcing/read/projection.ts';
import type { StreamId } from '../eventsourcing/stream.ts';
import { TimeoutError, withTimeout } from '../eventsourcing/timeout.ts';
import { log } from '../log.ts';
import type { Runtime } from '../runtime.ts';
import type { AppContext, AppEnv } from './app-env.ts';
import { HEADER } from './headers.ts';
import { CONFIRM_TIMEOUT_MS, MAX_TOKEN_LENGTH, MAX_TOKEN_STREAMS } from './limits.ts';
import { Problem } from './problem.ts';

export interface CausalOptions {
  /** The projections that the route reads. Reading any other is an error, so that this line tells the truth. Default: none. */
  readonly reads?: readonly Projection[];
  /** How long a read may wait for its projection, in ms. Default: 5000. */
  readonly timeoutMs?: number;
  /** How many streams a token holds before those that are confirmed everywhere are dropped. Default: 96. */
  readonly maxStreams?: number;
}

/** One client's causal past, during one request. What a handler reads or writes through it ends up in the answer's token. */
export interface CausalSession {
  /** What the client has seen of a stream. */
  readonly seenVersion: SeenVersion;
  /** Puts a stream's version into the token: it was written, or seen in a read of that one resource. */
  readonly see: (stream: StreamId, version: number) => void;
  /** Refuses where the client has seen more of the stream than its log, read by the handler itself, holds. */
  readonly refuseBeyond: (stream: StreamId, head: number) => void;
  /** The rows about one stream, and the version at which they stand. Waits for that stream alone. */
  readOne<InSlot extends Tables, Result>(
    projection: Projection<InSlot>,
    stream: StreamId,
    query: (tables: InSlot) => SelectQuery<Result>,
    formerly?: readonly FormerQuery<Result>[],
  ): Promise<{ readonly rows: readonly Result[]; readonly version: number }>;
  /** Rows about many streams: waits for every stream of the token that the projection follows. */
  readMany<InSlot extends Tables, Result>(
    projection: Projection<InSlot>,
    query: (tables: InSlot) => SelectQuery<Result>,
    formerly?: readonly FormerQuery<Result>[],
  ): Promise<readonly Result[]>;
  /** Like `readMany`, for several queries that have to be answered from one snapshot. */
  readSnapshot<InSlot extends Tables, Q extends Queries>(
    projection: Projection<InSlot>,
    queries: (tables: InSlot) => Q,
    formerly?: readonly FormerReading<Q>[],
  ): Promise<Answers<Q>>;
}

/** How an earlier revision of a projection answers a query, for as long as it may be live. `former` makes one. */
export interface FormerQuery<Result> {
  readonly projection: Projection;
  readonly query: (tables: never) => SelectQuery<Result>;
}

/**
 * Says how a revision before the newest answers the same query, from its own tables: it serves until the newest is built and swapped in, and
 * again after a rollback.
 *
 *     c.var.causal.readMany(seatMap, freeSeats, [former(seatMap1, freeSeats1)])
 */
export function former<InSlot extends Tables, Result>(
  projection: Projection<InSlot>,
  query: (tables: InSlot) => SelectQuery<Result>,
): FormerQuery<Result> {
  return { projection, query };
}

/**
 * Causal consistency for a route: takes up the client's token, makes reads wait until their projection has seen what the token has, and
 * attaches the merged token to the answer.
 *
 *     app.get('/seats/:id', causal({ reads: [seatMap] }), async (c) => {
 *       const { rows, version } = await c.var.causal.readOne(seatMap, stream, seatById(id));
 *       …
 *
 * A malformed or forged token is 400 before anything else happens; a wait that is not met in time is 503, never a stale answer.
 */
export function causal(options: CausalOptions = {}) {
  const { reads = [], timeoutMs, maxStreams = MAX_TOKEN_STREAMS } = options;
  return createMiddleware<AppEnv>(async function causalMiddleware(c, next) {
    const { runtime } = c.var;
    const codec = runtime.tokens();
    let token = await takeUp(codec, c.req.header(HEADER.causalToken));

    async function read<InSlot extends Tables, Q extends Queries>(
      projection: Projection<InSlot>,
      stream: StreamId | undefined,
      queries: (tables: InSlot) => Q,
      formerly: readonly FormerReading<Q>[],
    ) {
      if (!reads.some(({ name }) => name === projection.name))
        throw new Error(`causal({ reads }) does not name ${projection.name}`);
      const wait = timeoutMs ?? runtime.causalTimeoutMs;
      const result = await causalRead(
        runtime.reads,
        { projection, token, queries, formerly, ...(stream && { stream }) },
        wait === undefined ? {} : { timeoutMs: wait },
      );
      if (result.outcome === 'building') throw await building(c, projection);
      if (result.outcome !== 'read') throw toProblem(projection, result);
      token = withBookmark(token, projection.group.name, result.bookmark);
      if (result.incomplete.length > 0) c.header(HEADER.causalIncomplete, result.incomplete.join(', '));
      return result;
    }

    const session: CausalSession = {
      seenVersion: (stream) => seenVersion(token, stream),
      see(stream, version) {
        token = withVersion(token, stream, version);
      },
      refuseBeyond(stream, head) {
        const wanted = token.streams.get(stream) ?? 0;
        if (wanted > head) throw tokenAhead(stream, wanted, head);
      },
      async readOne(projection, stream, query, formerly = []) {
        const { answers, versions } = await read(
          projection,
          stream,
          (tables) => ({ rows: query(tables) }),
          formerly.map(asReading),
        );
        const version = versions.get(stream) ?? 0;
        if (version > 0) token = withVersion(token, stream, version);
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
      async readSnapshot(projection, queries, formerly = []) {
        const { answers } = await read(projection, undefined, queries, formerly);
        return answers;
      },
    };
    c.set('causal', session);
    await next();
    await attach(c, codec, token, maxStreams);
  });
}

function asReading<Result>({ projection, query }: FormerQuery<Result>): FormerReading<{ rows: SelectQuery<Result> }> {
  return { projection, queries: (tables) => ({ rows: query(tables) }) };
}

async function takeUp(codec: TokenCodec, text: string | undefined): Promise<CausalToken> {
  if (text === undefined) return EMPTY_TOKEN;
  const token = text.length <= MAX_TOKEN_LENGTH ? await codec.decode(text) : undefined;
  if (token) return token;
  const detail = `${HEADER.causalToken} is malformed, cut short, or was not signed here.`;
  // With a new token, so that a client which keeps sending what it got last is not shut out for good.
  throw new Problem('invalid-causal-token', detail, {}, { [HEADER.causalToken]: await codec.encode(EMPTY_TOKEN) });
}

/** The client has seen more of a stream than its log holds, as after a restore to an earlier time. */
export function tokenAhead(stream: StreamId, wanted: number, head: number): Problem {
  const detail = `The token has ${stream} at ${wanted}, but it ends at ${head}.`;
  return new Problem('causal-token-ahead', detail, { stream, wanted, head });
}

/** Puts the token into the answer; in its size, without what no longer needs to be said, and never forgetting in silence. */
async function attach(c: AppContext, codec: TokenCodec, token: CausalToken, maxStreams: number): Promise<void> {
  const shortened = token.streams.size > maxStreams ? await shorten(c.var.runtime, token) : token;
  let kept = cutToSize(shortened, maxStreams);
  let encoded = await codec.encode(kept);
  while (encoded.length > MAX_TOKEN_LENGTH && kept.streams.size > 0) {
    kept = cutToSize(kept, Math.floor(kept.streams.size * 0.9));
    encoded = await codec.encode(kept);
  }
  c.res.headers.set(HEADER.causalToken, encoded);
  if (kept.isPartial) c.res.headers.set(HEADER.causalScope, 'partial');
}

/**
 * Drops the streams that every projection which follows them has reached on its primary. From then on the bookmarks of those
 * databases, taken after that, vouch for them. One statement for each database.
 */
async function shorten(runtime: Runtime, token: CausalToken): Promise<CausalToken> {
  const { registry, databaseOf } = runtime;
  const streams = [...token.streams.keys()];
  try {
    const answers = await withTimeout(
      Promise.all(
        registry.groups.map(async (group) => {
          const projections = registry.projectionsOf(group);
          const session = databaseOf(group).withSession('first-primary');
          const versions = await liveVersions(session, projections, streams);
          return { group, versions, bookmark: session.getBookmark() };
        }),
      ),
      CONFIRM_TIMEOUT_MS,
    );
    const reached = new Map(
      answers.flatMap(({ versions }) =>
        versions.map(({ projection, stream, version }) => [`${projection}/${stream}`, version] as const),
      ),
    );
    const confirmed = streams.filter((stream) =>
      registry
        .projectionsFollowing(stream)
        .every(({ name }) => (reached.get(`${name}/${stream}`) ?? 0) >= (token.streams.get(stream) ?? 0)),
    );
    return answers.reduce(
      (merged, { group, bookmark }) => withBookmark(merged, group.name, bookmark),
      withoutConfirmed(token, confirmed),
    );
  } catch (error) {
    log('token.not-confirmed', { error: error instanceof TimeoutError ? 'timeout' : String(error) });
    return token;
  }
}

/** Nothing answers yet. Whoever is the first to notice that nothing is being done about it either has it begun. */
async function building(c: AppContext, { name, group }: Projection): Promise<Problem> {
  const { runtime } = c.var;
  const build = await runtime.buildInProgress(name);
  if (!build) c.executionCtx.waitUntil(runtime.startFirstBuild(name));
  const { replayed = 0, total = 0 } = build ?? {};
  const detail = build
    ? `${name} is being built: ${replayed} of ${total} events.`
    : `${name} is about to be built, or this deployment has no code for what is live of it.`;
  log('causal-read.building', { projection: name, group: group.name, correlationId: c.var.correlationId });
  return new Problem('projection-building', detail, { projection: name, ...(build && { replayed, total }) });
}

function toProblem(
  projection: Projection,
  result: Exclude<CausalReadResult<Queries>, { outcome: 'read' | 'building' }>,
): Problem {
  switch (result.outcome) {
    case 'unavailable':
      return new Problem('overloaded', `The database of ${projection.name} does not answer at the moment.`);
    case 'token-ahead':
      return tokenAhead(result.stream, result.wanted, result.head);
    case 'dead-letter': {
      const { stream, wanted, has } = result;
      const detail = `${projection.name} stopped at an event after version ${has} of ${stream}.`;
      return new Problem('projection-dead-letter', detail, { projection: projection.name, stream, wanted, has });
    }
    case 'behind': {
      const { stream, wanted, has } = result;
      if (result.isOverloaded)
        return new Problem('overloaded', `${stream} takes no more requests at the moment.`, { stream });
      const detail = `${projection.name} has ${stream} at version ${has}, and the token has seen ${wanted}.`;
      return new Problem('projection-behind', detail, { projection: projection.name, stream, wanted, has });
    }
    default:
      return result satisfies never;
  }
}
