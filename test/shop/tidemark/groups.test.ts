import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { getTableName } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Env } from '../../../src/bindings.ts';
import type { StoredEvent } from '../../../src/tidemark/domain/event.ts';
import type { Group } from '../../../src/tidemark/platform/group.ts';
import type { HintMessage } from '../../../src/tidemark/write/message.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import { type SeededRandom, seededRandom } from '../../../src/tidemark/testing/seeded-random.ts';
import { reporting, serving } from '../../../src/groups.ts';
import { groups } from '../../support/groups.ts';
import type { OrderEvent } from '../../../src/shop/orders/order.ts';
import { orderSearch } from '../../../src/shop/orders/order-search.ts';
import { asOperator, get, json, post, withToken } from '../../support/api.ts';
import { createProduct, orderAfter, orderStep, placeOrder, returnItems } from '../api.ts';
import { faultyDatabase } from '../../support/database.ts';
import { platform, ports, sent } from '../../support/platform.ts';
import { deliver, hintsOf } from '../../support/queue.ts';
import { add, newTally, objectOf, system } from '../../support/system.ts';

interface SentMessage {
  readonly group: Group;
  readonly message: HintMessage;
}

/** The messages sent since the test started, whether they arrived or not. */
const messages: SentMessage[] = [];
const sendHints = platform.send;

function watch(alsoDo: (sentMessage: SentMessage) => Promise<void> | void = () => undefined): void {
  messages.length = 0;
  vi.spyOn(platform, 'send').mockImplementation(async (bindings: Env, group, message) => {
    messages.push({ group, message });
    await sendHints(bindings, group, message);
    await alsoDo({ group, message });
  });
}

beforeEach(() => watch());
afterEach(() => {
  vi.restoreAllMocks();
});

/** The messages that one consumer sent to another group's queue. */
const passedOn = () => messages.filter(({ message }) => message.sender === 'group');

/** The messages that objects sent about these streams. Waits until those up to `version` are there. */
async function relayed(streams: readonly StreamId[], version = 1): Promise<HintMessage[]> {
  for (const stream of streams) {
    await expect.poll(() => Math.max(0, ...hintsOf(stream).map(({ toVersion }) => toVersion))).toBe(version);
  }
  return messages
    .filter(({ message }) => message.sender === 'relay' && streams.includes(message.hints[0]?.stream as StreamId))
    .map(({ message }) => message);
}

/** New streams of one event each, and the message about each. */
async function tallies(count: number) {
  const made = Array.from({ length: count }, () => newTally());
  await Promise.all(made.map(({ tallyId }) => add(tallyId, 1)));
  const streams = made.map(({ stream }) => stream);
  return { streams, messages: await relayed(streams) };
}

async function inArchive(streams: readonly StreamId[]): Promise<number> {
  const row = await env.REPORTING_DB.prepare(
    'SELECT count(*) AS n FROM archive_event WHERE stream IN (SELECT value FROM json_each(?))',
  )
    .bind(JSON.stringify(streams))
    .first<number>('n');
  return row ?? 0;
}

/** Sends to this group run `send`. Sends to other groups arrive. */
function sendsTo(failing: Group, send: () => Promise<void>): void {
  ports.sendHint = async (_env, group, hint) => {
    if (group === failing) await send();
    else sent.push({ group, hint });
  };
}

/** The database of this group is away; other databases are not. */
function databaseAway(failing: Group): void {
  const away = () => {
    throw new Error('D1_ERROR: Network connection lost.');
  };
  const real = ports.database;
  ports.database = (bindings, group) => {
    const database = real(bindings, group);
    return group === failing ? faultyDatabase(database, { beforeBatch: away, beforeQuery: away }).database : database;
  };
}

function alarmOf(stream: StreamId): Promise<number | null> {
  return runInDurableObject(objectOf(stream), (_, state) => state.storage.getAlarm());
}

/** Runs a stream's alarm as if it were due. Returns whether there was one. */
async function runAlarm(stream: StreamId): Promise<boolean> {
  const dueAt = await alarmOf(stream);
  if (dueAt === null) return false;
  ports.clockOffsetMs = Math.max(dueAt - Date.now() + 1, ports.clockOffsetMs);
  await runDurableObjectAlarm(objectOf(stream));
  return true;
}

describe('the messages that the first group passes on', () => {
  it('are a few packed messages for a batch of a hundred messages about as many streams', async () => {
    const { streams, messages: batch } = await tallies(100);
    expect(batch).toHaveLength(100);
    expect(messages.every(({ group }) => group === serving)).toBe(true);
    expect((await deliver(batch)).explicitAcks).toHaveLength(100);
    expect(passedOn().length).toBeLessThanOrEqual(3);
    expect(passedOn().every(({ group }) => group === reporting)).toBe(true);
    const hints = passedOn().flatMap(({ message }) => message.hints);
    expect(hints.map(({ stream }) => stream).toSorted()).toEqual(streams.toSorted());
    expect(hints.every(({ events }) => events?.length === 1)).toBe(true);

    const bodies = passedOn().map(({ message }) => message);
    for (const body of bodies) expect(new TextEncoder().encode(JSON.stringify(body)).length).toBeLessThan(128_000);
    expect((await deliver(bodies, { group: reporting })).explicitAcks).toHaveLength(bodies.length);
    expect(await inArchive(streams)).toBe(100);
  });

  it('are split if one message cannot hold the hints', async () => {
    const products = await Promise.all(Array.from({ length: 100 }, () => createProduct({ name: 'x'.repeat(200) })));
    const items = products.map(({ sku }) => ({ sku, quantity: 1 }));
    // An order of 100 lines is an event of about 40 kB. Ten do not fit into three messages.
    const orders = await Promise.all(Array.from({ length: 10 }, () => placeOrder({ items })));
    const streams = orders.map(({ stream }) => stream as StreamId);
    expect((await deliver(await relayed(streams))).explicitAcks).toHaveLength(10);
    const bodies = passedOn().map(({ message }) => message);
    expect(bodies.length).toBeGreaterThan(3);
    expect(bodies.length).toBeLessThanOrEqual(5);
    for (const body of bodies) expect(new TextEncoder().encode(JSON.stringify(body)).length).toBeLessThan(128_000);
    await deliver(bodies, { group: reporting });
    expect(await inArchive(streams)).toBe(10);
  });

  it('never repeat reminders, second attempts, or messages from a group', async () => {
    const { messages: batch } = await tallies(3);
    const as = (sender: HintMessage['sender']) => batch.map((message) => ({ ...message, sender }));
    expect((await deliver(batch, { attempts: 2 })).explicitAcks).toHaveLength(3);
    expect((await deliver(as('reminder'))).explicitAcks).toHaveLength(3);
    expect((await deliver(as('group'))).explicitAcks).toHaveLength(3);
    for (const sender of ['relay', 'group', 'reminder'] as const) {
      expect((await deliver(as(sender), { group: reporting })).explicitAcks).toHaveLength(3);
    }
    expect(passedOn()).toEqual([]);
  });

  it.each([
    ['hangs', () => new Promise<never>(() => undefined)],
    ['fails', () => Promise.reject(new Error('the queue is away'))],
  ])('neither fail nor hold up a batch if the send %s, and the delivery check makes up for them', async (_, send) => {
    const { streams, messages: batch } = await tallies(2);
    sendsTo(reporting, send);
    expect((await deliver(batch)).explicitAcks).toHaveLength(2);
    expect(await inArchive(streams)).toBe(0);

    ports.sendHint = async () => undefined;
    messages.length = 0;
    for (const stream of streams) for (let more = true; more;) more = !hasReminder(stream) && (await runAlarm(stream));
    const reminders = messages.filter(({ message }) => message.sender === 'reminder');
    expect(reminders.every(({ group }) => group === reporting)).toBe(true);
    const bodies = reminders.map(({ message }) => message);
    expect((await deliver(bodies, { group: reporting })).explicitAcks).toHaveLength(bodies.length);
    expect(await inArchive(streams)).toBe(2);
    // After the confirmation, no alarm is set any more.
    for (const stream of streams) {
      await expect.poll(() => runAlarm(stream)).toBe(false);
      expect(await alarmOf(stream)).toBeNull();
    }
  });
});

function hasReminder(stream: StreamId): boolean {
  return messages.some(({ message }) => message.sender === 'reminder' && message.hints[0]?.stream === stream);
}

describe('a database that is away', () => {
  async function bothModels(orderId: string) {
    const [served, reported, archived] = await Promise.all([
      env.SERVING_DB.prepare(
        `SELECT version, status, resource ->> '$.total.amount' AS total FROM order_lookup_2_a WHERE order_id = ?`,
      )
        .bind(orderId)
        .first(),
      env.REPORTING_DB.prepare('SELECT version, status, total FROM dashboard_a WHERE order_id = ?')
        .bind(orderId)
        .first(),
      inArchive([`order-${orderId}` as StreamId]),
    ]);
    return { served, reported, archived };
  }

  it('does not hold up the serving group, if it belongs to the reporting group', async () => {
    const { orderId, stream, answer } = await orderAfter(['shipment']);
    const batch = await relayed([stream as StreamId], 2);
    const working = ports.database;
    databaseAway(reporting);
    const result = await deliver(batch);
    expect(result.explicitAcks).toHaveLength(batch.length);
    const read = await get(`/orders/${orderId}`, withToken(answer));
    expect(read.headers.get('X-Read-From')).toBe('read-model');
    expect(await json(read)).toMatchObject({ status: 'shipped', version: 2 });
    expect((await get('/orders', withToken(answer))).status).toBe(200);
    expect((await get('/dashboard', withToken(answer))).status).toBe(503);
    const bodies = passedOn().map(({ message }) => message);
    expect((await deliver(bodies, { group: reporting })).retryMessages).toHaveLength(bodies.length);

    ports.database = working;
    expect((await deliver(bodies, { group: reporting, attempts: 2 })).explicitAcks).toHaveLength(bodies.length);
    const { served, reported, archived } = await bothModels(orderId);
    expect(served).toEqual({ version: 2, status: 'shipped', total: 3998 });
    expect(reported).toEqual(served);
    expect(archived).toBe(2);
  });

  it('does not hold up the reporting group, if it belongs to the serving group', async () => {
    const { orderId, stream, answer } = await orderAfter(['cancellation']);
    const batch = await relayed([stream as StreamId], 2);
    const working = ports.database;
    databaseAway(serving);
    expect((await deliver(batch)).retryMessages).toHaveLength(batch.length);
    const bodies = passedOn().map(({ message }) => message);
    expect(bodies).not.toEqual([]);
    expect((await deliver(bodies, { group: reporting })).explicitAcks).toHaveLength(bodies.length);
    expect((await get('/dashboard', withToken(answer))).status).toBe(200);
    expect((await get(`/events?limit=1`, withToken(answer, asOperator))).status).toBe(200);
    expect((await get(`/orders/${orderId}`, withToken(answer))).status).toBe(503);

    ports.database = working;
    expect((await deliver(batch, { attempts: 2 })).explicitAcks).toHaveLength(batch.length);
    const { served, reported, archived } = await bothModels(orderId);
    expect(served).toEqual({ version: 2, status: 'cancelled', total: 3998 });
    expect(reported).toEqual(served);
    expect(archived).toBe(2);
  });
});

describe('a queue that loses, doubles and reorders', () => {
  interface Queued {
    readonly body: HintMessage;
    readonly attempts: number;
  }

  /** Queues that drop 30 % of all messages, double 30 %, and deliver the rest in any order. */
  function unreliableQueues(random: SeededRandom) {
    const waiting = new Map<Group, Queued[]>(groups.map((group) => [group, []]));
    const happened = { dropped: 0, doubled: 0, passedOn: 0, reminded: 0 };
    // The port drops every message, so only `watch` keeps them.
    ports.sendHint = async () => undefined;
    vi.restoreAllMocks();
    watch(({ group, message }) => {
      const chance = random.next();
      if (message.sender === 'group') happened.passedOn += 1;
      if (message.sender === 'reminder') happened.reminded += 1;
      if (chance < 0.3) {
        happened.dropped += 1;
        return;
      }
      const copies = chance < 0.6 ? 2 : 1;
      happened.doubled += copies - 1;
      for (let copy = 0; copy < copies; copy += 1) waiting.get(group)?.push({ body: message, attempts: 1 });
    });

    /** Delivers all waiting messages, in random batches and order, until none is left. */
    async function drain(): Promise<void> {
      for (;;) {
        const group = groups.find((candidate) => (waiting.get(candidate)?.length ?? 0) > 0);
        if (!group) return;
        const queue = waiting.get(group) as Queued[];
        const batch = Array.from({ length: Math.min(1 + random.below(30), queue.length) }, () =>
          queue.splice(random.below(queue.length), 1),
        ).flat();
        const bodies = batch.map(({ body }) => body);
        const { retryMessages } = await deliver(bodies, { group, attempts: batch[0]?.attempts ?? 1 });
        for (const { msgId } of retryMessages) {
          const { body, attempts } = batch[Number(msgId)] as Queued;
          // The platform drops a message after three retries.
          if (attempts < 4) queue.push({ body, attempts: attempts + 1 });
        }
      }
    }
    return { drain, happened };
  }

  const pick = <Value>(random: SeededRandom, values: readonly Value[]) => values[random.below(values.length)] as Value;

  /** Makes a few hundred events of products and orders. `pause` runs between commands. Returns every stream. */
  async function trade(random: SeededRandom, pause: () => Promise<void>): Promise<StreamId[]> {
    const products = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        createProduct({
          category: `c-${index % 3}`,
          price: { amount: 100 + random.below(900), currency: index % 2 === 0 ? 'EUR' : 'USD' },
        }),
      ),
    );
    const orders: StreamId[] = [];
    for (let index = 0; index < 80; index += 1) {
      // Every second product has the same currency.
      const first = random.below(10);
      const items = [...new Set([first, (first + 2 * random.below(6)) % 12])].map((at) => ({
        sku: products[at]?.sku ?? '',
        quantity: 1 + random.below(3),
      }));
      const { orderId, stream, answer } = await placeOrder({
        items,
        ...(random.below(3) > 0 && { region: pick(random, ['EU', 'US']) }),
        ...(random.below(3) > 0 && { customerSegment: pick(random, ['retail', 'wholesale']) }),
      });
      expect(answer.status).toBe(201);
      orders.push(stream as StreamId);
      const { productId } = pick(random, products);
      if (random.below(2) === 0) await changePrice(productId, random);
      const fate = random.below(5);
      if (fate === 0) await orderStep(orderId, 'cancellation');
      if (fate > 1) await orderStep(orderId, 'shipment');
      if (fate > 2) await orderStep(orderId, 'delivery');
      if (fate > 3) {
        await returnItems(orderId, [{ sku: items[0]?.sku ?? '', quantity: 1 }]);
        await returnItems(orderId, items.slice(1));
      }
      if (random.below(4) === 0) await pause();
    }
    return [...products.map(({ stream }) => stream as StreamId), ...orders];
  }

  async function changePrice(productId: string, random: SeededRandom): Promise<void> {
    const { price } = await json(get(`/products/${productId}`, { 'X-Version': '1' }));
    await post(`/products/${productId}/price`, {
      price: { ...price, amount: 100 + random.below(900) },
      reason: 'Sale',
    });
  }

  /** The counters, summed from the logs. */
  function countersOf(logs: readonly (readonly StoredEvent[])[]) {
    const [statuses, revenue, sellers, analytics] = [newSums(), newSums(), newSums(), newSums()];
    for (const [placed, ...later] of logs as unknown as readonly (readonly (OrderEvent & StoredEvent)[])[]) {
      if (placed?.type !== 'OrderPlaced') continue;
      const { lines, total, region, customerSegment } = placed.data;
      const kept = new Map(lines.map(({ sku, quantity }) => [sku, quantity]));
      let status = 'placed';
      for (const event of later) {
        if (event.type === 'OrderShipped') status = 'shipped';
        if (event.type === 'OrderDelivered') status = 'delivered';
        if (event.type === 'OrderCancelled') status = 'cancelled';
        if (event.type !== 'ItemsReturned') continue;
        for (const { sku, quantity } of event.data.items) kept.set(sku, (kept.get(sku) ?? 0) - quantity);
        if ([...kept.values()].every((quantity) => quantity === 0)) status = 'returned';
      }
      statuses.add([status], 1);
      const isCancelled = status === 'cancelled';
      const day = placed.recordedAt.slice(0, 10);
      for (const { sku, name, category, unitPrice } of lines) {
        const quantity = isCancelled ? 0 : (kept.get(sku) ?? 0);
        sellers.add([sku, name], quantity);
        for (const of of ['', day]) revenue.add([of, total.currency], quantity * unitPrice.amount);
        for (const [by, value] of [
          ['day', ''],
          ['region', region ?? ''],
          ['segment', customerSegment ?? ''],
          ['category', category],
        ]) {
          analytics.add([by, day, value, total.currency, 'items'], quantity);
          analytics.add([by, day, value, total.currency, 'total'], quantity * unitPrice.amount);
        }
      }
      const what = isCancelled ? 'cancelled' : 'orders';
      analytics.add(['day', day, '', total.currency, what], 1);
      analytics.add(['region', day, region ?? '', total.currency, what], 1);
      analytics.add(['segment', day, customerSegment ?? '', total.currency, what], 1);
      for (const category of new Set(lines.map((line) => line.category))) {
        analytics.add(['category', day, category, total.currency, what], 1);
      }
    }
    return {
      statuses: statuses.all(),
      revenue: revenue.all(),
      sellers: sellers.all(),
      analytics: analytics.all(),
    };
  }

  /** Sums by key, without sums of 0. */
  function newSums() {
    const sums = new Map<string, number>();
    return {
      add(key: readonly unknown[], by: number): void {
        sums.set(JSON.stringify(key), (sums.get(JSON.stringify(key)) ?? 0) + by);
      },
      all: () => Object.fromEntries([...sums].filter(([, sum]) => sum !== 0)),
    };
  }

  /** The counters in the tables. */
  async function countersStored() {
    const rows = async (table: string) => (await env.REPORTING_DB.prepare(`SELECT * FROM ${table}`).all()).results;
    const [statuses, revenue, sellers, analytics] = [newSums(), newSums(), newSums(), newSums()];
    for (const row of await rows('dashboard_statuses_a')) statuses.add([row['status']], Number(row['orders']));
    for (const row of await rows('dashboard_revenue_a'))
      revenue.add([row['day'], row['currency']], Number(row['total']));
    for (const row of await rows('dashboard_sellers_a'))
      sellers.add([row['sku'], row['name']], Number(row['quantity']));
    for (const row of await rows('order_analytics_daily_a')) {
      for (const what of ['orders', 'items', 'total', 'cancelled']) {
        analytics.add([row['grouped_by'], row['day'], row['value'], row['currency'], what], Number(row[what]));
      }
    }
    return {
      statuses: statuses.all(),
      revenue: revenue.all(),
      sellers: sellers.all(),
      analytics: analytics.all(),
    };
  }

  /** The archived events of these streams, by stream and version. */
  async function archivedOf(streams: readonly StreamId[]): Promise<StoredEvent[]> {
    const { results } = await env.REPORTING_DB.prepare('SELECT event FROM archive_event ORDER BY stream, version').all<{
      event: string;
    }>();
    return results
      .map(({ event }) => JSON.parse(event) as StoredEvent)
      .filter(({ stream }) => streams.includes(stream));
  }

  // Deletes the counters first, since they also hold the orders of earlier tests.
  it.each([20_261_123])(
    'leaves counters, analytics and archive equal to the fold of the logs (seed %d)',
    async (seed) => {
      await env.REPORTING_DB.batch(
        ['dashboard_statuses_a', 'dashboard_revenue_a', 'dashboard_sellers_a', 'order_analytics_daily_a'].map((table) =>
          env.REPORTING_DB.prepare(`DELETE FROM ${table}`),
        ),
      );
      // Each has its own random source. The timing of messages varies between runs; the trade does not.
      const { drain, happened } = unreliableQueues(seededRandom(seed));
      const streams = await trade(seededRandom(seed), drain);
      for (let isMoving = true; isMoving;) {
        await drain();
        const moved = await Promise.all(streams.map(runAlarm));
        isMoving = moved.some(Boolean);
      }
      const logs = await Promise.all(
        streams.map(async (stream) => (await system.aggregates.load(stream, 1, 500)).events),
      );
      expect(logs.flat().length).toBeGreaterThan(200);
      expect(Math.min(...Object.values(happened))).toBeGreaterThan(0);

      expect(await countersStored()).toEqual(countersOf(logs));
      const byStream = (one: StoredEvent, other: StoredEvent) =>
        one.stream < other.stream ? -1 : one.stream > other.stream ? 1 : one.version - other.version;
      expect(await archivedOf(streams)).toEqual(logs.flat().toSorted(byStream));
      for (const table of [
        'order_lookup_2_a',
        'dashboard_a',
        getTableName(orderSearch.tables('a').row),
        'order_analytics_a',
      ]) {
        const database = table === 'order_lookup_2_a' ? env.SERVING_DB : env.REPORTING_DB;
        const { results } = await database
          .prepare(`SELECT order_id, version, status FROM ${table}`)
          .all<{ order_id: string; version: number; status: string }>();
        const versions = new Map(results.map((row) => [`order-${row.order_id}`, row.version]));
        for (const log of logs) {
          const last = log.at(-1);
          if (last?.stream.startsWith('order-')) expect(versions.get(last.stream)).toBe(last.version);
        }
      }
    },
    // About 250 events, one request each.
    90_000,
  );
});
