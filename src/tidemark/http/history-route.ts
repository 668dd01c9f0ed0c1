import * as z from 'zod/mini';

import type { Guarded } from '../access/access.ts';
import type { StoredEvent } from '../domain/event.ts';
import { type Actor, parseActor } from '../domain/principal.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AppContext } from './app-env.ts';
import { notFound, requireOwnStream } from './authorization.ts';
import { causal } from './causal.ts';
import { fromCursor, invalidCursor, toCursor } from './cursor.ts';
import { type EventSchemas, eventUnion } from './event-schemas.ts';
import { HEADER } from './headers.ts';
import { parseParams, parseQuery } from './params.ts';
import type { Route } from './route.ts';
import { ActorSchema, PAGE_QUERY, Time, Version, described, integerParameter, pageOf } from './schemas.ts';

export const LogQuery = z.strictObject({
  ...PAGE_QUERY,
  fromVersion: described(integerParameter(1, Number.MAX_SAFE_INTEGER, 1), 'The first version of the first page.'),
});

interface HistoryItem extends Pick<StoredEvent, 'version' | 'type' | 'data' | 'recordedAt'> {
  readonly actor: Actor;
  readonly correlationId: string;
}

/** A route that answers with the events of one resource, from the log. */
export interface HistoryRoute<Params extends z.ZodMiniObject> {
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly params: Params;
  readonly noun: string;
  readonly access: Guarded;
  readonly stream: (params: z.output<Params>) => StreamId;
  /** The name of an item in the OpenAPI document, for example `SeatHistoryItem`. */
  readonly itemName: string;
  readonly events: EventSchemas;
  readonly itemExample: unknown;
}

function historyItem({ itemName, events, noun }: Pick<HistoryRoute<never>, 'itemName' | 'events' | 'noun'>) {
  return eventUnion(itemName, `An event of the ${noun}.`, events, (type, data) =>
    z.strictObject({
      version: Version,
      type,
      data,
      actor: ActorSchema,
      correlationId: z.string(),
      recordedAt: Time,
    }),
  );
}

/** Declares the route of a resource's history. */
export function historyRoute<Params extends z.ZodMiniObject>(route: HistoryRoute<Params>): Route {
  return {
    method: 'GET',
    path: route.path,
    operation: {
      id: route.id,
      params: route.params,
      query: LogQuery,
      access: route.access,
      problems: ['invalid-id', ...LOG_PROBLEMS],
      documentation: () => ({
        summary: route.summary,
        description: route.description,
        tag: route.tag,
        requestHeaders: [HEADER.causalToken],
        answers: {
          200: {
            description: 'The events, oldest first.',
            schema: pageOf(historyItem(route)),
            example: { items: [route.itemExample], nextCursor: null },
          },
        },
      }),
    },
    handlers: [
      causal(),
      async (c) => {
        const stream = route.stream(parseParams(c, route.params));
        await requireOwnStream(c, route, stream);
        const { page, nextCursor } = await readLog(c, stream, route.noun);
        return c.json({ items: page.events.map(toHistoryItem), nextCursor });
      },
    ],
  };
}

/** Codes of the problems that a route with `readLog` may answer with. */
export const LOG_PROBLEMS = [
  'invalid-cursor',
  'invalid-causal-token',
  'causal-token-ahead',
  'not-found',
  'overloaded',
  'storage-unavailable',
];

/** Reads the page of a stream's log that the query string asks for. The cursor is the first version of the next page. */
export async function readLog(c: AppContext, stream: StreamId, noun: string) {
  const { cursor, limit, fromVersion: first } = parseQuery(c, LogQuery);
  const fromVersion = Number(fromCursor(stream, cursor)?.[1] ?? first);
  if (!Number.isSafeInteger(fromVersion) || fromVersion < 1) throw invalidCursor();
  const page = await c.var.runtime.aggregates.load(stream, fromVersion, limit);
  const eventIds = new Map<number, string | undefined>(page.events.map(({ version, id }) => [version, id]));
  if (page.previousId !== null) eventIds.set(fromVersion - 1, page.previousId);
  const headId = page.headId ?? eventIds.get(page.head);
  await c.var.causal.refuseLost(stream, page.head, eventIds.set(page.head, headId));
  if (page.head === 0) throw notFound(noun);
  c.var.causal.see(stream, page.head, headId);
  const next = fromVersion + page.events.length;
  return { page, nextCursor: next <= page.head ? toCursor(stream, ['version', String(next)]) : null };
}

function toHistoryItem({ version, type, data, metadata, recordedAt }: StoredEvent): HistoryItem {
  return { version, type, data, actor: parseActor(metadata.actor), correlationId: metadata.correlationId, recordedAt };
}
