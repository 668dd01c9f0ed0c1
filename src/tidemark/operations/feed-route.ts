import * as z from 'zod/mini';

import type { StoredEvent } from '../domain/event.ts';
import { type archiveOf, feedAfter } from '../archive/archive.ts';
import { parseActor } from '../domain/principal.ts';
import { idOf } from '../domain/stream.ts';
import { causal } from '../http/causal.ts';
import type { EventSchemas } from '../http/event-schemas.ts';
import { parseQuery } from '../http/params.ts';
import { READ_PROBLEMS } from '../http/query-route.ts';
import type { Route } from '../http/route.ts';
import { PAGE_QUERY, described } from '../http/schemas.ts';
import { cursorLost, feedCursorText, fitsArchive, parseFeedCursor } from './feed-cursor.ts';
import { READS_EVENTS } from './operations-access.ts';

/** Accepts only filters that some event can pass: with a misspelt one, the feed would be empty for ever. */
function feedQuery(events: EventSchemas, eventsOf: Readonly<Record<string, EventSchemas>>) {
  return z
    .strictObject({
      after: described(
        z.optional(z.string().check(z.minLength(1))),
        '`nextCursor` of the previous page. Without it, the feed starts from the beginning.',
      ),
      limit: PAGE_QUERY.limit,
      type: z.optional(z.enum(Object.keys(events))),
      category: z.optional(z.enum(Object.keys(eventsOf))),
    })
    .check(
      z.refine(
        ({ type, category }) =>
          type === undefined || category === undefined || eventsOf[category]?.[type] !== undefined,
        { path: ['type'], error: 'No event of `category` has this type.' },
      ),
    );
}

/** The feed: every event of every stream. A follower polls with its last cursor. `eventsOf` has the event schemas by category. */
export function feedRoute(
  archive: ReturnType<typeof archiveOf>,
  events: EventSchemas,
  eventsOf: Readonly<Record<string, EventSchemas>>,
): Route {
  const query = feedQuery(events, eventsOf);
  return {
    method: 'GET',
    path: '/events',
    operation: {
      id: 'getEvents',
      query,
      access: READS_EVENTS,
      problems: [...READ_PROBLEMS, 'invalid-cursor', 'cursor-lost'],
    },
    handlers: [
      causal({ reads: [archive] }),
      async (c) => {
        const { after, limit, type, category } = parseQuery(c, query);
        const cursor = parseFeedCursor(after);
        const select = feedAfter(cursor.position, { category, type }, limit);
        const read = async (fromPrimary: boolean) => {
          const found = await c.var.causal.readSnapshot(archive, select, { fromPrimary });
          return fitsArchive(cursor, found.covered[0]) ? found : undefined;
        };
        // A replica may not have the cursor's event yet. Only the primary can say that it is lost.
        const found = (await read(false)) ?? (await read(true));
        if (!found) throw cursorLost();
        const { page, lookedAt, covered } = found;
        // A full page ends at its last event. Any other page has searched its whole window.
        const last = page.length === limit ? page.at(-1) : lookedAt[0];
        const reached = last?.position ? { position: last.position, proof: last.proof } : { ...cursor, ...covered[0] };
        return c.json({ items: page.map(({ event }) => toCloudEvent(event)), nextCursor: feedCursorText(reached) });
      },
    ],
  };
}

function toCloudEvent(event: StoredEvent): object {
  const { id, stream, version, type, schemaVersion, data, metadata, recordedAt } = event;
  const actor = parseActor(metadata.actor);
  return {
    specversion: '1.0',
    id,
    source: `/streams/${stream}`,
    type,
    subject: idOf(stream),
    time: recordedAt,
    datacontenttype: 'application/json',
    streamversion: version,
    schemaversion: schemaVersion,
    correlationid: metadata.correlationId,
    causationid: metadata.causationId,
    // An extension of CloudEvents cannot be an object.
    actor: `${actor.kind}:${actor.id}`,
    data,
  };
}
