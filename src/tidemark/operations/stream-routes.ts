import * as z from 'zod/mini';

import type { StoredEvent } from '../domain/event.ts';
import { parseActor } from '../domain/principal.ts';
import { categoryOf, parseStreamId } from '../domain/stream.ts';
import { causal } from '../http/causal.ts';
import { HEADER } from '../http/headers.ts';
import { LOG_PROBLEMS, LogQuery, readLog } from '../http/history-route.ts';
import { Problem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { described } from '../http/schemas.ts';
import { READS_EVENTS } from './operations-access.ts';

function withActor(event: StoredEvent): object {
  return { ...event, metadata: { ...event.metadata, actor: parseActor(event.metadata.actor) } };
}

/** The route to the log of a stream. */
export const streamRoute: Route = {
  method: 'GET',
  path: '/streams/:stream/events',
  operation: {
    id: 'getStream',
    params: z.strictObject({ stream: described(z.string(), '`<category>-<id>`') }),
    query: LogQuery,
    access: READS_EVENTS,
    problems: ['invalid-id', ...LOG_PROBLEMS],
  },
  handlers: [
    causal(),
    async (c) => {
      const stream = parseStreamId(c.req.param('stream') ?? '');
      if (!stream)
        throw new Problem('invalid-id', 'Send the id of a stream: <category>-<id>.', { parameters: ['stream'] });
      if (!c.var.runtime.registry.hasCategory(categoryOf(stream))) {
        throw new Problem('not-found', 'There is no such stream. Check its category and its id.');
      }
      const { page, nextCursor } = await readLog(c, stream, 'stream');
      c.header(HEADER.version, String(page.head));
      return c.json({ items: page.events.map(withActor), nextCursor });
    },
  ],
};
