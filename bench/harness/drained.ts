import { setTimeout as sleep } from 'node:timers/promises';

import type { Server } from './server.ts';

/** The two read models that follow products, one in each group. */
const FOLLOWING = [
  { database: 'SERVING_DB', projection: 'product-catalog' },
  { database: 'REPORTING_DB', projection: 'archive' },
] as const;

const TIMEOUT_MS = 60_000;

/** Waits until both read models of products have taken so many events in all. Returns when they had, in ms since the epoch. */
export async function drained(server: Server, events: number): Promise<number> {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const reached = await Promise.all(
      FOLLOWING.map(async ({ database, projection }) => {
        const sql = `SELECT sum(version) AS events FROM checkpoint WHERE projection = '${projection}'`;
        return (await server.query<{ events: number }>(database, sql))[0]?.events ?? 0;
      }),
    );
    if (reached.every((count) => count >= events)) return Date.now();
    if (Date.now() > deadline)
      throw new Error(`${server.name} has not drained: ${reached.join(' and ')} of ${events} events`);
    await sleep(20);
  }
}
