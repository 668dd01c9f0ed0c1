import * as z from 'zod/mini';

import { type EventSchemas, eventUnion } from '../http/event-schemas.ts';
import { HEADER } from '../http/headers.ts';
import type { Documentation } from '../http/route.ts';
import { ActorSchema, Time, Version, described, named, pageOf } from '../http/schemas.ts';
import { OPERATION } from './operation.ts';

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

// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
function cloudEvent(events: EventSchemas): z.ZodMiniType {
  const description = 'CloudEvents 1.0; the members after `datacontenttype` are extensions.';
  return eventUnion('CloudEvent', description, events, (type, data) =>
    z.strictObject({
      specversion: z.literal('1.0'),
      id: z.string(),
      source: described(z.string(), 'The path of the stream.'),
      type,
      subject: described(z.string(), 'The id of the aggregate.'),
      time: Time,
      datacontenttype: z.literal('application/json'),
      streamversion: Version,
      schemaversion: z.int().check(z.minimum(1)),
      correlationid: z.string(),
      causationid: z.string(),
      actor: described(z.string(), 'Who caused the event: `<kind>:<id>`.'),
      data,
    }),
  );
}

/** The operations that answer with events of every type. */
export function logDocs(events: EventSchemas) {
  return {
    getStream: {
      ...OPERATION,
      summary: 'List the events of a stream, from its log',
      description: 'The stored events, oldest first. `X-Version` is the version of the stream.',
      requestHeaders: [HEADER.causalToken],
      answers: {
        200: {
          description: 'Events by version.',
          schema: pageOf(storedEvent(events)),
          example: { items: [], nextCursor: null },
          headers: [HEADER.version],
        },
      },
    },
    getEvents: {
      ...OPERATION,
      summary: 'Follow every event, each stream in sequence',
      description:
        'Poll with `nextCursor`, which is never null. A follower misses no event, even while others are being written. A filtered page may be short or empty while the cursor still advances. 410 `cursor-lost` means that the archive was restored to an earlier time: read from the beginning again and drop the events whose `id` you already have.',
      requestHeaders: [HEADER.causalToken],
      answers: {
        200: {
          description: 'Events, oldest first.',
          schema: named(
            'CloudEventPage',
            z.strictObject({ items: z.array(cloudEvent(events)), nextCursor: z.string() }),
          ),
          example: { items: [], nextCursor: 'WyJmZWVkIiwiIiwiMCJd' },
          headers: [HEADER.causalIncomplete],
        },
      },
    },
  } satisfies Readonly<Record<string, Documentation>>;
}
