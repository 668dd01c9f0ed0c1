import * as z from 'zod/mini';

import { categoryOf, parseStreamId } from '../eventsourcing/stream.ts';
import { causal } from '../http/causal.ts';
import { HEADER } from '../http/headers.ts';
import { LOG_PROBLEMS, LogQuery, readLog } from '../http/history-route.ts';
import { requireOperator } from '../http/operations-access.ts';
import { Problem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { Time, Version, described, pageOf } from '../http/schemas.ts';

const StoredEventView = z
  .strictObject({
    id: z.string(),
    stream: z.string(),
    version: Version,
    type: z.string(),
    schemaVersion: z.int(),
    data: z.record(z.string(), z.unknown()),
    metadata: z.record(z.string(), z.unknown()),
    recordedAt: Time,
  })
  .check(z.meta({ id: 'StoredEvent', description: 'An event as stored, whatever shape today’s code gives it.' }));

export const streamRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/streams/:stream/events',
    operation: {
      id: 'getStream',
      summary: 'A stream’s events, from the log itself',
      tag: 'operations',
      params: z.strictObject({ stream: described(z.string(), '`<category>-<id>`') }),
      query: LogQuery,
      requestHeaders: [HEADER.causalToken],
      isOperations: true,
      answers: {
        200: {
          description: 'Events in order.',
          schema: pageOf(StoredEventView),
          example: { items: [], nextCursor: null },
          headers: [HEADER.version],
        },
      },
      problems: ['invalid-id', ...LOG_PROBLEMS],
    },
    handlers: [
      causal(),
      async (c) => {
        await requireOperator(c);
        const stream = parseStreamId(c.req.param('stream') ?? '');
        if (!stream) throw new Problem('invalid-id', 'A stream’s id is <category>-<id>.', { parameters: ['stream'] });
        if (!c.var.runtime.registry.hasCategory(categoryOf(stream))) {
          throw new Problem('not-found', 'There is no such stream.');
        }
        const { page, nextCursor } = await readLog(c, stream, 'stream');
        c.header(HEADER.version, String(page.head));
        return c.json({ items: page.events, nextCursor });
      },
    ],
  },
];
