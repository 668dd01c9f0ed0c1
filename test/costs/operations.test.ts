import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { serving } from '../../src/groups.ts';
import { asOperator, get, request } from '../support/api.ts';
import { openTally } from '../support/tallies.ts';
import { ports } from '../support/platform.ts';
import { meteredDatabase } from '../support/metered-database.ts';
import { deliverEverything } from '../support/queue.ts';
import { system } from '../support/system.ts';

/*
 * The costs of operations, by D1's own count of rows, over both databases. Docs/operations.md quotes these numbers.
 */

async function costOf(work: () => Promise<unknown>) {
  const [near, far] = [meteredDatabase(env.SERVING_DB), meteredDatabase(env.REPORTING_DB)];
  const real = ports.database;
  ports.database = (_env, group) => (group === serving ? near.database : far.database);
  await work();
  ports.database = real;
  return {
    read: near.bill.rowsRead + far.bill.rowsRead,
    written: near.bill.rowsWritten + far.bill.rowsWritten,
    each: [near.bill.rowsRead, far.bill.rowsRead],
  };
}

/** That many more tallies, in every read model. */
async function tallies(count: number): Promise<void> {
  for (let made = 0; made < count; made += 10) {
    await Promise.all(Array.from({ length: Math.min(10, count - made) }, () => openTally(1, { Prefer: 'wait=10' })));
  }
  await deliverEverything();
}

const rowsOf = async (database: D1Database, table: string) =>
  (await database.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>('n')) ?? 0;

/** Where each target stands: a shared checkpoint counts once for each. */
const POSITIONS = 'target_position';

const projections = system.registry.groups.flatMap((group) => system.registry.projectionsOf(group));
const PROJECTIONS = projections.length;
const FOLLOWED = projections.flatMap(({ follows }) => Object.keys(follows)).length;

describe('the costs of operations', () => {
  it('GET /health reads four rows for each projection, whatever the number of streams', async () => {
    await tallies(5);
    const few = await costOf(() => get('/health'));
    await tallies(10);
    const many = await costOf(() => get('/health'));
    expect(few.read).toBeLessThanOrEqual(4 * PROJECTIONS);
    expect(many).toEqual(few);
    expect(many.written).toBe(0);
  });

  it('GET /projections reads a checkpoint for each live position, and little else while nothing lags', async () => {
    await tallies(10);
    const positions = (await rowsOf(env.SERVING_DB, POSITIONS)) + (await rowsOf(env.REPORTING_DB, POSITIONS));
    const cost = await costOf(() => get('/projections', asOperator));
    // Its condition as in /health, and for each category that it follows a name, a pointer and a search in each table.
    expect(cost.read).toBeLessThanOrEqual(positions + 4 * PROJECTIONS + 4 * FOLLOWED);
    expect(cost.written).toBe(0);
  });

  it('GET /projections/{name} adds up only the categories that the projection follows', async () => {
    await tallies(10);
    const its = `${POSITIONS} WHERE stream LIKE 'tally-%'`;
    const positions = (await rowsOf(env.SERVING_DB, its)) + (await rowsOf(env.REPORTING_DB, its));
    const cost = await costOf(() => get('/projections/tally-board', asOperator));
    expect(cost.read).toBeLessThanOrEqual(positions + 4 * PROJECTIONS + 3 * FOLLOWED);
  });

  it('POST /sweep reads a row for each stream of its page and projection that follows it, and writes its cursor', async () => {
    await tallies(10);
    const positions = (await rowsOf(env.SERVING_DB, POSITIONS)) + (await rowsOf(env.REPORTING_DB, POSITIONS));
    const cost = await costOf(() => request('POST', '/sweep', asOperator));
    // The cursor twice, and for each projection its pointer and three searches, of which some find nothing.
    expect(cost.read).toBeLessThanOrEqual(positions + 4 * PROJECTIONS + 2);
    expect(cost.written).toBe(1);
  });
});
