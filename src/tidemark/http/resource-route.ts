import * as z from 'zod/mini';

import type { Guarded } from '../access/access.ts';
import type { SelectQuery } from '../queries/guarded-query.ts';
import type { Projection, Tables } from '../projections/projection.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateState, AsOf } from '../write/aggregate.ts';
import type { AppContext } from './app-env.ts';
import { hidden, notFound, requireOwnStream } from './authorization.ts';
import { type FormerQuery, causal } from './causal.ts';
import { HEADER } from './headers.ts';
import { RETRY_AFTER_S } from './limits.ts';
import { parseParams, parseQuery } from './params.ts';
import { Problem } from './problem.ts';
import { etagOf, isNotModified, preferences, wantedVersion } from './request-headers.ts';
import type { Route } from './route.ts';
import { JSON_TEXT, Version, described, named } from './schemas.ts';

/** A route that answers with one resource: from its read model, or from the write side when the read model is older than the requested version. */
export interface ResourceRoute<Params extends z.ZodMiniObject, InSlot extends Tables, Row> {
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  readonly access: Guarded;
  /** With `whose: 'customer'`: the member of the resource that holds the customer to whom it belongs. */
  readonly owner?: string;
  readonly params: Params;
  /** The name of the resource in problems, for example `seat`. */
  readonly noun: string;
  readonly stream: (params: z.output<Params>) => StreamId;
  readonly reads: Projection<InSlot>;
  readonly query: (params: z.output<Params>) => (tables: InSlot) => SelectQuery<Row>;
  /** The same query for earlier revisions of the projection, for as long as one of them may be live. */
  readonly formerly?: (params: z.output<Params>) => readonly FormerQuery<Row>[];
  /** Makes the answer of a row: an object, or its JSON text. */
  readonly view: (row: Row) => object | string;
  /** Makes the shape of `view` from the write side's state. */
  readonly represent: (params: z.output<Params>, state: AggregateState) => object;
  readonly answer: z.ZodMiniType;
  readonly answerExample: unknown;
}

const FIRST_TIME = Date.parse('0000-01-01T00:00:00.000Z');
const LAST_TIME = Date.parse('9999-12-31T23:59:59.999Z');

const isPast = z.refine<string>(
  (value) => toAsOf(value) !== undefined,
  'Must be a version (0 or higher) or a time (RFC 3339).',
);

/** The 202 answer, for a client that prefers to ask again rather than have the write side answer. */
const NotYet = named(
  'NotYet',
  z.strictObject({
    wanted: described(Version, 'The requested version.'),
    has: described(z.int().check(z.minimum(0)), 'The version that the read model has; 0: none.'),
  }),
);

const AsOfQuery = z.strictObject({
  asOf: described(
    z.optional(z.string().check(isPast)),
    `Answers with a past state: at a version, or at an RFC 3339 time. Cannot be combined with ${HEADER.version}.`,
  ),
});

/** Declares a resource's route. */
export function resourceRoute<Params extends z.ZodMiniObject, InSlot extends Tables, Row>(
  route: ResourceRoute<Params, InSlot, Row>,
): Route {
  return {
    method: 'GET',
    path: route.path,
    operation: {
      id: route.id,
      params: route.params,
      query: AsOfQuery,
      access: route.access,
      problems: [
        'invalid-id',
        'invalid-header',
        'invalid-causal-token',
        'causal-token-ahead',
        'version-ahead',
        'not-found',
        'projection-behind',
        'projection-building',
        'projection-dead-letter',
        'overloaded',
        'code-too-old',
        'storage-unavailable',
      ],
      documentation: () => ({
        summary: route.summary,
        description:
          `Reads the read model once it has applied what the token has seen. \`${HEADER.version}: n\` asks for at least version n. If the read ` +
          'model is older, the write side answers; with `Prefer: respond-async`, the answer is 202.',
        tag: route.tag,
        requestHeaders: [HEADER.causalToken, HEADER.version, HEADER.ifNoneMatch, HEADER.prefer],
        answers: {
          200: {
            description: `The ${route.noun}.`,
            schema: route.answer,
            example: route.answerExample,
            headers: [HEADER.etag, HEADER.version, HEADER.readFrom],
          },
          202: {
            description: 'The read model does not have the requested version yet (only with `Prefer: respond-async`).',
            schema: NotYet,
            example: { wanted: 3, has: 2 },
            headers: [HEADER.retryAfter, HEADER.preferenceApplied],
          },
          304: { description: 'Not modified.', headers: [HEADER.etag, HEADER.version, HEADER.readFrom] },
        },
      }),
    },
    handlers: [causal({ reads: [route.reads] }), async (c) => readResource(c, route)],
  };
}

async function readResource<Params extends z.ZodMiniObject, InSlot extends Tables, Row>(
  c: AppContext,
  route: ResourceRoute<Params, InSlot, Row>,
): Promise<Response> {
  const params = parseParams(c, route.params);
  const { asOf } = parseQuery(c, AsOfQuery);
  const wanted = wantedVersion(c);
  const stream = route.stream(params);
  if (asOf !== undefined && wanted !== undefined) {
    const detail = `${HEADER.version} asks for a minimum version, asOf for a past state: send only one of them.`;
    throw new Problem('invalid-header', detail);
  }
  if (asOf !== undefined) {
    await requireOwnStream(c, route, stream);
    return readPast(c, route, params, toAsOf(asOf) as AsOf);
  }

  let read: Awaited<ReturnType<typeof readModel<Params, InSlot, Row>>>;
  try {
    read = await readModel(c, route, params, wanted);
  } catch (error) {
    // Even a fault would tell that the resource exists.
    await requireOwnStream(c, route, stream);
    throw error;
  }
  const { rows, version } = read;
  const row = rows[0];
  if (wanted !== undefined && version < wanted) {
    const current = await c.var.runtime.aggregates.state(stream);
    await requireOwnStream(c, route, stream, current);
    // Before the 404: a client that has seen events which a restore removed must not read that they never existed.
    await c.var.causal.refuseLost(
      stream,
      current?.version ?? 0,
      new Map(current && [[current.version, current.eventId]]),
    );
    if (!current) throw notFound(route.noun);
    if (current.version < wanted) throw versionAhead(current.version);
    if (preferences(c).respondsAsync) {
      c.header(HEADER.retryAfter, String(RETRY_AFTER_S));
      c.header(HEADER.preferenceApplied, 'respond-async');
      return c.json({ wanted, has: version }, 202);
    }
    c.var.causal.see(stream, current.version, current.eventId);
    return answer(c, current.version, route.represent(params, current), 'write-store');
  }
  const resource = row === undefined ? undefined : route.view(row);
  if (resource === undefined || !isOwn(c, route, resource)) throw hidden(c, stream, route.noun);
  return answer(c, version, resource, 'read-model');
}

/** Whether a resource belongs to the caller's customer, if the caller is limited to one. */
function isOwn(
  c: AppContext,
  { access, owner }: Pick<ResourceRoute<never, never, never>, 'access' | 'owner'>,
  resource: object | string,
): boolean {
  const { customerId } = c.var.caller;
  if (customerId === undefined || access.whose === 'everyone') return true;
  const members = (typeof resource === 'string' ? JSON.parse(resource) : resource) as Readonly<Record<string, unknown>>;
  return owner !== undefined && members[owner] === customerId;
}

/** The problems of a read model that the write side cannot have. */
const ONLY_THE_READ_MODELS = new Set(['projection-behind', 'projection-building', 'projection-dead-letter']);

/** Reads the row from the read model. When the client asks for a version, a read model that cannot answer counts as older than that. */
async function readModel<Params extends z.ZodMiniObject, InSlot extends Tables, Row>(
  c: AppContext,
  { reads, stream, query, formerly }: ResourceRoute<Params, InSlot, Row>,
  params: z.output<Params>,
  wanted: number | undefined,
): Promise<{ readonly rows: readonly Row[]; readonly version: number }> {
  try {
    return await c.var.causal.readOne(reads, stream(params), query(params), formerly?.(params));
  } catch (error) {
    if (wanted === undefined || !(error instanceof Problem) || !ONLY_THE_READ_MODELS.has(error.code)) throw error;
    const { has } = error.details;
    return { rows: [], version: Math.min(typeof has === 'number' ? has : 0, wanted - 1) };
  }
}

/** Answers with a past state, from the log. */
async function readPast<Params extends z.ZodMiniObject, InSlot extends Tables, Row>(
  c: AppContext,
  route: ResourceRoute<Params, InSlot, Row>,
  params: z.output<Params>,
  asOf: AsOf,
): Promise<Response> {
  const { aggregates } = c.var.runtime;
  const stream = route.stream(params);
  const past = await aggregates.state(stream, asOf);
  const { causal: session } = c.var;
  const { version: pastVersion = 0, eventId } = past ?? {};
  const seen = session.seen(stream);
  // A past state may be older than what the client has seen, but the log's head must not be.
  const isBefore = seen !== 'unknown' && seen.version > pastVersion;
  const head = isBefore ? await aggregates.currentVersion(stream) : pastVersion;
  await session.refuseLost(stream, head, new Map([[pastVersion, eventId]]));
  if (!past) throw notFound(route.noun);
  session.see(stream, pastVersion, eventId);
  if ('version' in asOf && past.version < asOf.version) throw versionAhead(past.version);
  return answer(c, past.version, route.represent(params, past), 'write-store');
}

function answer(c: AppContext, version: number, body: object | string, from: 'read-model' | 'write-store'): Response {
  c.header(HEADER.etag, etagOf(version));
  c.header(HEADER.version, String(version));
  c.header(HEADER.readFrom, from);
  if (isNotModified(c, version)) return c.body(null, 304);
  return typeof body === 'string' ? c.body(body, 200, JSON_TEXT) : c.json(body);
}

function toAsOf(value: string): AsOf | undefined {
  if (/^[0-9]{1,15}$/.test(value)) return { version: Number(value) };
  const isTime = z.iso.datetime({ offset: true }).safeParse(value).success;
  if (!isTime) return undefined;
  // Times are compared as text, so the year must have four digits. An offset may lead out of that range.
  const time = Math.min(Math.max(Date.parse(value), FIRST_TIME), LAST_TIME);
  return { time: new Date(time).toISOString() };
}

function versionAhead(currentVersion: number): Problem {
  return new Problem(
    'version-ahead',
    `The latest version is ${currentVersion}. Ask for that one or an earlier one, or retry later.`,
    { currentVersion },
  );
}
