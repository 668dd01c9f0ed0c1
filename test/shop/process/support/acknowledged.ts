/** What must hold for all acknowledged commands at the end of a test with faults. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

import { type Api, atOnce, retrying } from '../../../../scripts/api-client.ts';
import type { LoggedEvent, Resource } from './fold.ts';
import { type Answered, type Sent, pendingOf } from './journal.ts';
import { expectOk, readAgainstLog, readList } from './reading.ts';
import { until } from './server.ts';
import type { Shoppers } from './shoppers.ts';
import { dashboardOf } from './sums.ts';

/** A command that was acknowledged. */
export interface Acknowledged {
  readonly sent: Sent;
  readonly answered: Answered;
}

/** Products to order, and their SKUs. Each is in the list when it resolves: clients look it up there, and have no token of it. */
export async function createProducts(api: Api, prefix: string, count: number): Promise<readonly string[]> {
  const skus = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  let token: string | undefined;
  for (const sku of skus) {
    const price = { amount: 500, currency: 'EUR' };
    const body = { name: `Signal flag ${sku}`, price, category: 'flags', sku };
    token = expectOk(await api.post('/products', body, { token })).token;
  }
  expectOk(await api.get('/products', { token }));
  return skus;
}

/** Each key with its one outcome; and what became of the commands whose answer was lost. */
export function tellOutcomes(t: TestContext, shoppers: Shoppers): readonly Acknowledged[] {
  const lines = shoppers.lines();
  assert.deepEqual(pendingOf(lines), [], 'nothing is left without an answer');
  const sent = new Map(lines.flatMap((line) => (line.kind === 'sent' ? [[line.key, line] as const] : [])));
  const outcomes = new Map<string, Answered>();
  for (const line of lines) {
    if (line.kind !== 'answered') continue;
    const other = outcomes.get(line.key) ?? line;
    const outcome = ({ status, stream, version }: Answered) => ({ status, stream, version });
    assert.deepEqual(outcome(line), outcome(other), `${line.key} always has the same outcome`);
    outcomes.set(line.key, line);
  }
  const all = [...outcomes].map(([key, answered]) => ({ sent: sent.get(key) as Sent, answered }));
  const lost = all.filter(({ answered }) => answered.unanswered > 0);
  const wereDone = lost.filter(({ answered }) => answered.isReplayed);
  t.diagnostic(
    `${all.length} commands, all acknowledged in the end. ${lost.length} had no answer at first: ` +
      `${wereDone.length} of them had been done, ${lost.length - wereDone.length} were done by a later try`,
  );
  return all;
}

/** Every acknowledged command is in its log, at its version, and nothing else is; each resource equals the fold of its log. */
export async function demandLogs(
  api: Api,
  acknowledged: readonly Acknowledged[],
  productsCreated: number,
): Promise<ReadonlyMap<string, Resource>> {
  const folds = new Map<string, Resource>();
  const logs = new Map<string, readonly LoggedEvent[]>();
  const listed = (await readList(api, '/products')).items.map(({ productId }) => `product-${String(productId)}`);
  const streams = new Set([...listed, ...acknowledged.map(({ answered }) => answered.stream ?? '')]);
  await atOnce(8, streams, async (stream) => {
    const { resource, events } = await readAgainstLog(api, stream);
    folds.set(stream, resource);
    logs.set(stream, events);
  });
  const places = new Set<string>();
  for (const { sent, answered } of acknowledged) {
    const { stream, version } = answered;
    const event = logs.get(stream ?? '')?.[(version ?? 0) - 1];
    assert.equal(event?.type, eventOf(sent), `${sent.key} is in the log of ${stream} at version ${version}`);
    places.add(event?.id ?? '');
    // Writes follow reads: no older price than its sender had seen.
    for (const { productId, productVersion } of event?.type === 'OrderPlaced' ? event.data.lines : [])
      assert.ok(productVersion >= (sent.seen[productId] ?? 0), `${sent.key} has the prices that its sender had seen`);
  }
  const events = [...logs.values()].flat();
  assert.equal(places.size, acknowledged.length, 'every command has an event of its own');
  assert.equal(events.length, acknowledged.length + productsCreated, 'every event was acknowledged');
  return folds;
}

/** The event that a command comes to. */
function eventOf({ path }: Sent): string {
  const types = {
    orders: 'OrderPlaced',
    price: 'PriceUpdated',
    shipment: 'OrderShipped',
    delivery: 'OrderDelivered',
    cancellation: 'OrderCancelled',
    returns: 'ItemsReturned',
  };
  return types[path.split('/').at(-1) as keyof typeof types];
}

/** A sweep is five minutes away at most, and takes a while. */
const REST_MS = 600_000;

/** Without any token, the lists and the sums come to equal the fold of the logs. */
export async function demandReadModels(t: TestContext, api: Api, folds: ReadonlyMap<string, Resource>): Promise<void> {
  const startedAt = performance.now();
  for (const [list, id] of [
    ['orders', 'orderId'],
    ['products', 'productId'],
  ] as const) {
    const folded = [...folds.values()].filter((resource) => id in resource).toSorted(by(id));
    const read = async () => (await readList(api, `/${list}`)).items.toSorted(by(id));
    const isThere = async () => versionsOf(await read()) === versionsOf(folded);
    await until(`the list of ${list} has all that was acknowledged`, REST_MS, isThere);
    assert.deepEqual(await read(), folded, `the list of ${list} is exactly what the logs make`);
  }
  const sums = dashboardOf([...folds.values()].filter((resource) => 'orderId' in resource));
  const front = async () => expectOk(await api.get<typeof sums>('/dashboard')).body;
  const isCounted = async () => JSON.stringify((await front()).ordersByStatus) === JSON.stringify(sums.ordersByStatus);
  await until('the dashboard has counted all of it', REST_MS, isCounted);
  const { ordersByStatus, revenue } = await front();
  assert.deepEqual({ ordersByStatus, revenue: revenue.map(({ currency, total }) => ({ currency, total })) }, sums);
  t.diagnostic(
    `${folds.size} resources; every read model had all of it ${duration(performance.now() - startedAt)} after it was asked`,
  );
}

/** Each command, sent again with its key, has the same answer, and appends nothing. */
export async function demandSameOutcomes(
  t: TestContext,
  api: Api,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  await atOnce(8, acknowledged, async ({ sent: { path, body, key }, answered }) => {
    const again = await retrying(() => api.post(path, body, { idempotencyKey: key }));
    assert.deepEqual(
      [again.status, again.version, again.headers.get('Idempotency-Replayed')],
      [answered.status, answered.version, 'true'],
      `${key} has the outcome that it had`,
    );
  });
  t.diagnostic(`all ${acknowledged.length} commands, sent once more, had the outcomes that they had`);
}

function versionsOf(resources: readonly Resource[]): string {
  return JSON.stringify(resources.map(({ version }) => version));
}

function by(id: string): (one: Resource, other: Resource) => number {
  return (one, other) => String(one[id]).localeCompare(String(other[id]));
}

/** A duration in ms, for people. */
export function duration(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
