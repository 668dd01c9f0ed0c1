import { setTimeout as sleep } from 'node:timers/promises';

import type { Server } from './server.ts';

/** The read models, and the categories that each of them follows. */
const READ_MODELS = [
  { database: 'SERVING_DB', projection: 'product-catalog', follows: ['product'] },
  { database: 'SERVING_DB', projection: 'order-lookup', follows: ['order'] },
  { database: 'REPORTING_DB', projection: 'order-search', follows: ['order'] },
  { database: 'REPORTING_DB', projection: 'order-analytics', follows: ['order'] },
  { database: 'REPORTING_DB', projection: 'dashboard', follows: ['order'] },
  { database: 'REPORTING_DB', projection: 'archive', follows: ['product', 'order'] },
] as const;

const TIMEOUT_MS = 60_000;
/** Each look takes a little from what is looked at. */
const LOOK_EVERY_MS = 100;

/** Numbers of events, by category. */
type Events = Readonly<Partial<Record<(typeof READ_MODELS)[number]['follows'][number], number>>>;

/**
 * Waits until every read model of these categories has taken so many events in all, for as long as they move. Returns when they had, in
 * ms since the epoch.
 */
export async function drained(server: Server, events: Events): Promise<number> {
  const awaited = READ_MODELS.map(({ follows, ...where }) => ({
    ...where,
    wanted: follows.reduce((sum, category) => sum + (events[category] ?? 0), 0),
  })).filter(({ wanted }) => wanted > 0);
  let deadline = Date.now() + TIMEOUT_MS;
  let before = '';
  for (;;) {
    const reached = await Promise.all(
      awaited.map(({ database, projection }) => appliedBy(server, database, projection)),
    );
    if (reached.every((count, index) => count >= (awaited[index]?.wanted ?? 0))) return Date.now();
    const now = reached.join();
    if (now !== before) deadline = Date.now() + TIMEOUT_MS;
    before = now;
    if (Date.now() > deadline) {
      const each = awaited.map(({ projection, wanted }, index) => `${projection} ${reached[index]} of ${wanted}`);
      throw new Error(`${server.name} has not drained its events: ${each.join(', ')}`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}

/** How many events a projection has applied in its live slot. */
async function appliedBy(server: Server, database: string, projection: string): Promise<number> {
  const [row] = await server.query<{ events: number | null }>(
    database,
    `SELECT sum(c.version) AS events
    FROM projection_pointer AS pointer
    JOIN target_position AS c ON c.projection = pointer.projection AND c.slot = pointer.live_slot
    WHERE pointer.projection = '${projection}'`,
  );
  return row?.events ?? 0;
}
