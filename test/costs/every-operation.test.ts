import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';

import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import { serving } from '../../src/groups.ts';
import { intents } from '../domain.ts';
import { asOperator, command, eventsOf, get } from '../support/api.ts';
import { appliedCommands } from '../support/applied-commands.ts';
import { type ObjectBill, meter } from '../support/billing.ts';
import { declaredPathsOf } from '../support/declared-paths.ts';
import { exampleIn } from '../support/examples.ts';
import { ports } from '../support/platform.ts';
import { meteredDatabase } from '../support/metered-database.ts';
import { deliverEverything, sentHints } from '../support/queue.ts';
import { settle } from '../support/settle.ts';
import { tallyIntents } from '../support/tally-intents.ts';
import { modules } from '../worker.ts';

/*
 * What each kind of operation costs by default, for every module: that of src/domain.ts, and the tally. These are budgets: if you raise one,
 * say why in the commit. A domain may hold its own operations to less, or allow a report more.
 */

const all = [...intents, tallyIntents];

/** An aggregate of each kind, and all that clients have done is in the read models. */
const streams = new Map<string, { readonly id: string; readonly stream: StreamId }>();
beforeAll(async () => {
  for await (const { receipt } of appliedCommands(all, 60)) {
    const { category, id, stream } = exampleIn(receipt);
    streams.set(category, { id, stream: stream as StreamId });
  }
  await deliverEverything();
});

/** The rows that D1 counts over both databases. */
async function costOf(work: () => Promise<Response>) {
  const [near, far] = [meteredDatabase(env.SERVING_DB), meteredDatabase(env.REPORTING_DB)];
  ports.database = (_env, group) => (group === serving ? near.database : far.database);
  const answer = await work();
  expect(answer.status).toBe(200);
  return {
    read: near.bill.rowsRead + far.bill.rowsRead,
    written: near.bill.rowsWritten + far.bill.rowsWritten,
  };
}

const cases = modules.map((module) => ({ category: module.aggregate.category, ...declaredPathsOf(module) }));

describe('a command to one aggregate', () => {
  it('writes a row for each of its events and one for the alarm, and one for its key; its replay writes none', async () => {
    const seen = new Set<string>();
    const bills = new Map<string, ObjectBill>();
    for await (const { intent, receipt } of appliedCommands(all, 120)) {
      if (intent.stream === null || seen.has(intent.command)) continue;
      const { stream } = exampleIn(receipt);
      await sentHints(1, stream);
      await settle(stream as StreamId);
      const before = await eventsOf(stream);
      const bill = bills.get(stream) ?? (await meter(stream as StreamId));
      bills.set(stream, bill);
      const written = bill.rowsWritten;
      const key = { 'Idempotency-Key': crypto.randomUUID() };
      const answer = await command(intent, key);
      if (!answer.ok) {
        expect([intent.command, bill.rowsWritten]).toEqual([intent.command, written]);
        continue;
      }
      seen.add(intent.command);
      const events = (await eventsOf(stream)).length - before.length;
      const { rowsWritten } = bill;
      // The first key of an object makes the table for them: two rows, once.
      expect(rowsWritten - written, intent.command).toBeLessThanOrEqual(events + 2 + 2);
      await command(intent, key);
      expect(bill.rowsWritten, intent.command).toBe(rowsWritten);
    }
    expect(seen.size).toBeGreaterThan(0);
  });
});

describe.each(cases.filter(({ resource }) => resource !== undefined))('a read of one $category', (each) => {
  it('reads a handful of rows, and writes none', async () => {
    const { id = '' } = streams.get(each.category) ?? {};
    const cost = await costOf(() => get(each.resource?.replace(`:${each.idName}`, id) ?? ''));
    expect(cost).toEqual({ read: expect.any(Number) as number, written: 0 });
    expect(cost.read).toBeLessThanOrEqual(4);
  });
});

describe.each(cases.flatMap(({ category, lists }) => lists.map((path) => ({ category, path }))))(
  'a page of $path',
  ({ path }) => {
    it.each([1, 3, 100])('reads at most a few rows more than it shows, with a limit of %i', async (limit) => {
      const cost = await costOf(() => get(`${path}?limit=${limit}`));
      const { items } = await (await get(`${path}?limit=${limit}`)).json<{ items: readonly unknown[] }>();
      expect(cost.written).toBe(0);
      expect(cost.read).toBeLessThanOrEqual(items.length + 4);
    });
  },
);

describe.each(cases.filter(({ history }) => history !== undefined))('the history of one $category', (each) => {
  it('reads no row of a database', async () => {
    const { id = '' } = streams.get(each.category) ?? {};
    const cost = await costOf(() => get(each.history?.replace(`:${each.idName}`, id) ?? '', asOperator));
    expect(cost).toEqual({ read: 0, written: 0 });
  });
});
