import * as z from 'zod';

import type { StoredEvent } from '../eventsourcing/event.ts';
import type { StreamId } from '../eventsourcing/stream.ts';
import type { Aggregates } from '../eventsourcing/write/aggregates.ts';
import { causal } from './causal.ts';
import { fromCursor, toCursor } from './cursor.ts';
import { HEADER } from './headers.ts';
import { requireOperator } from './operations-access.ts';
import { parseParams, parseQuery } from './params.ts';
import { Problem } from './problem.ts';
import type { Route } from './route.ts';
import { PAGE_QUERY, Time, Version, digits, pageOf } from './schemas.ts';

export const LogQuery = z.strictObject({
  ...PAGE_QUERY,
  fromVersion: digits(1, Number.MAX_SAFE_INTEGER)
    .default(1)
    .meta({ description: 'The first version of the first page.' }),
});

const HistoryItem = z
  .strictObject({
    version: Version,
    type: z.string(),
    data: z.record(z.string(), z.unknown()),
    actor: z.string(),
    correlationId: z.string(),
    recordedAt: Time,
  })
  .meta({ id: 'HistoryItem' });

/** A route that answers with what happened to one resource, from the log itself. */
export interface HistoryRoute<Params extends z.ZodObject> {
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  readonly params: Params;
  readonly noun: string;
  readonly stream: (params: z.output<Params>) => StreamId;
  readonly itemExample: unknown;
}

/** Declares a resource's history: for the operator, since it holds what the resource no longer shows. */
export function historyRoute<Params extends z.ZodObject>(route: HistoryRoute<Params>): Route {
  return {
    method: 'GET',
    path: route.path,
    operation: {
      id: route.id,
      summary: route.summary,
      tag: route.tag,
      params: route.params,
      query: LogQuery,
      requestHeaders: [HEADER.causalToken],
      isOperations: true,
      answers: {
        200: {
          description: 'Its events, in order.',
          schema: pageOf(HistoryItem),
          example: { items: [route.itemExample], nextCursor: null },
        },
      },
      problems: ['invalid-id', 'invalid-field', 'invalid-cursor', 'invalid-causal-token', 'not-found', 'overloaded'],
    },
    handlers: [
      causal(),
      async (c) => {
        await requireOperator(c);
        const stream = route.stream(parseParams(c, route.params));
        const { page, nextCursor } = await readLog(c.var.runtime.aggregates, stream, parseQuery(c, LogQuery));
        if (page.head === 0) throw new Problem('not-found', `There is no such ${route.noun}.`);
        c.var.causal.see(stream, page.head);
        return c.json({ items: page.events.map(toHistoryItem), nextCursor });
      },
    ],
  };
}

/** One page of a stream's log. The cursor is the version that the next page begins with. */
export async function readLog(aggregates: Aggregates, stream: StreamId, query: z.output<typeof LogQuery>) {
  const [, version] = fromCursor(query.cursor) ?? ['', String(query.fromVersion)];
  const fromVersion = Number(version);
  if (!Number.isSafeInteger(fromVersion) || fromVersion < 1)
    throw new Problem('invalid-cursor', 'The cursor is none that this list gave out.');
  const page = await aggregates.load(stream, fromVersion, query.limit);
  const next = fromVersion + page.events.length;
  return { page, nextCursor: next <= page.head ? toCursor(['log', String(next)]) : null };
}

function toHistoryItem({ version, type, data, metadata, recordedAt }: StoredEvent): z.input<typeof HistoryItem> {
  return { version, type, data, actor: metadata.actor, correlationId: metadata.correlationId, recordedAt };
}
