import * as z from 'zod/mini';

import type { StoredEvent } from '../domain/event.ts';
import { parseActor } from '../domain/principal.ts';
import { categoryOf, parseStreamId } from '../domain/stream.ts';
import { causal } from '../http/causal.ts';
import { type EventSchemas, eventUnion } from '../http/event-schemas.ts';
import { HEADER } from '../http/headers.ts';
import { LOG_PROBLEMS, LogQuery, readLog } from '../http/history-route.ts';
import { Problem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { ActorSchema, Time, Version, described, named, pageOf } from '../http/schemas.ts';
import { READS_EVENTS } from './operations-access.ts';

const Metadata = named(
  'EventMetadata',
  z.strictObject({
    commandId: described(z.string(), 'The id of the command. All events of one decision share it.'),
    correlationId: z.string(),
    causationId: z.string(),
    actor: ActorSchema,
    idempotency: described(
      z.optional(z.strictObject({ key: z.string(), fingerprint: z.string() })),
      'Digests of the idempotency key and the body of the command that created the stream.',
    ),
  }),
);

function storedEvent(events: EventSchemas): z.ZodMiniType {
  return eventUnion('StoredEvent', 'An event in its stored shape, before any upcast.', events, (type, data) =>
    z.strictObject({
      id: z.string(),
      stream: z.string(),
      version: Version,
      type,
      schemaVersion: z.int().check(z.minimum(1)),
      data,
      metadata: Metadata,
      recordedAt: Time,
    }),
  );
}

function withActor(event: StoredEvent): object {
  return { ...event, metadata: { ...event.metadata, actor: parseActor(event.metadata.actor) } };
}

/** The route to the log of a stream. */
export function streamRoute(events: EventSchemas): Route {
  return {
    method: 'GET',
    path: '/streams/:stream/events',
    operation: {
      id: 'getStream',
      summary: 'List the events of a stream, from its log',
      description: 'The stored events, oldest first. `X-Version` is the version of the stream.',
      tag: 'operations',
      params: z.strictObject({ stream: described(z.string(), '`<category>-<id>`') }),
      query: LogQuery,
      requestHeaders: [HEADER.causalToken],
      access: READS_EVENTS,
      answers: {
        200: {
          description: 'Events by version.',
          schema: pageOf(storedEvent(events)),
          example: { items: [], nextCursor: null },
          headers: [HEADER.version],
        },
      },
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
}
