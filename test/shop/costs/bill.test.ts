import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { dollarsPerMillion } from '../../../bench/prices.ts';
import { domain } from '../../../src/domain.ts';
import { type StreamId, streamId } from '../../../src/tidemark/domain/stream.ts';
import { serving } from '../../../src/groups.ts';
import { get, post } from '../../support/api.ts';
import { createProduct, eur, orderStep, placeOrder } from '../api.ts';
import { meter } from '../../support/billing.ts';
import { NOTHING, type Operations } from '../../support/operations.ts';
import { operationsMeter } from '../../support/operations-meter.ts';
import { ports } from '../../support/platform.ts';
import { sentHints, takeHints } from '../../support/queue.ts';
import { settle } from '../../support/settle.ts';
import { isOf, toldOf } from './told-database.ts';

/*
 * What commands and queries cost in all, from the request until nothing happens any more: with their messages, projections and alarms.
 * `npm run bench:bill` counts the same on a running Worker and prices it. If you raise a budget, say why in the commit.
 */

/** The read models of the shop. What a later one costs is its own bill. */
const READ_MODELS = new Set(['product-catalog', 'order-lookup', 'order-search', 'order-analytics', 'dashboard']);
const OTHERS = domain.flatMap(({ projections }) => projections.filter(({ name }) => !READ_MODELS.has(name)));

/** Operations while `work` runs and until the object is quiet. Messages are small, so each is three operations. */
async function billOf(stream: StreamId | undefined, work: () => Promise<unknown>): Promise<Operations> {
  const counted = operationsMeter();
  const others = { databaseRowsRead: 0, databaseRowsWritten: 0 };
  const [near, far] = [env.SERVING_DB, env.REPORTING_DB].map((real) =>
    counted.database(
      toldOf(real, (sql, { rows_read: read, rows_written: written }) => {
        if (!OTHERS.some((projection) => isOf(projection, sql))) return;
        others.databaseRowsRead += read;
        others.databaseRowsWritten += written;
      }),
    ),
  ) as [D1Database, D1Database];
  const [database, sendHint, aggregateStub] = [ports.database, ports.sendHint, ports.aggregateStub];
  ports.database = (_env, group) => (group === serving ? near : far);
  ports.sendHint = async (...sent) => {
    counted.add({ queueMessages: 1, queueOperations: 3 });
    await sendHint(...sent);
  };
  ports.aggregateStub = (...asked) => {
    counted.add({ objectRequests: 1 });
    return aggregateStub(...asked);
  };
  const object = stream && (await meter(stream));
  counted.add({ workerRequests: 1 });
  await work();
  if (stream) {
    await sentHints(1, stream);
    await settle(stream);
  }
  Object.assign(ports, { database, sendHint, aggregateStub });
  const { all } = counted.take();
  return {
    ...all,
    databaseRowsRead: all.databaseRowsRead - others.databaseRowsRead,
    databaseRowsWritten: all.databaseRowsWritten - others.databaseRowsWritten,
    alarmRuns: object?.alarmRuns ?? 0,
    objectRowsRead: object?.rowsRead ?? 0,
    objectRowsWritten: object?.rowsWritten ?? 0,
  };
}

async function settledProduct() {
  const product = await createProduct();
  const stream = streamId('product', product.productId);
  await sentHints(1, stream);
  await settle(stream);
  takeHints();
  return { ...product, stream };
}

/** The version of a product in the catalog. Not counted. */
function catalogVersion(stream: StreamId): Promise<number | null> {
  return env.SERVING_DB.prepare(`SELECT version FROM checkpoint WHERE projection = 'product-catalog' AND stream = ?`)
    .bind(stream)
    .first<number>('version');
}

/** Its writes, messages and requests. Reads have a budget of their own. */
function effects({ databaseRowsRead: _d1, objectRowsRead: _object, ...operations }: Operations) {
  return operations;
}

describe('the bill of a price change, alone', () => {
  it('is a request, a request to the object, an alarm run, two messages, two rows in the object and five in D1', async () => {
    const { productId, stream } = await settledProduct();
    const bill = await billOf(stream, () =>
      post(`/products/${productId}/price`, { price: eur(1_799), reason: 'Sale' }),
    );
    const CATALOG = 3;
    const ARCHIVE = 2;
    expect(effects(bill)).toEqual({
      ...effects(NOTHING),
      workerRequests: 1,
      objectRequests: 1,
      alarmRuns: 1,
      objectRowsWritten: 2,
      queueMessages: 2,
      queueOperations: 6,
      databaseRowsWritten: CATALOG + ARCHIVE,
    });
    expect(bill.databaseRowsRead).toBeLessThanOrEqual(40);
    expect(bill.objectRowsRead).toBeLessThanOrEqual(40);
    expect(dollarsPerMillion(bill)).toBeLessThan(11.5);
  });
});

describe('the bill of a price change that is applied after its answer', () => {
  it('is the same, but for the rows of one more look', async () => {
    const CHANGE = { price: eur(1_799), reason: 'Sale' };
    const toTheQueue = await settledProduct();
    const usual = await billOf(toTheQueue.stream, () => post(`/products/${toTheQueue.productId}/price`, CHANGE));
    const { productId, stream } = await settledProduct();
    ports.appliesAfterAnswer = true;
    const bill = await billOf(stream, async () => {
      await post(`/products/${productId}/price`, CHANGE);
      await expect.poll(() => catalogVersion(stream)).toBe(2);
    });
    expect(effects(bill)).toEqual(effects(usual));
    const LOOK = 6;
    expect(bill.databaseRowsRead).toBeLessThanOrEqual(usual.databaseRowsRead + LOOK);
  });
});

describe('the bill of a shipment, alone', () => {
  it('writes in D1 only what each of its five read models needs, and a checkpoint for each group', async () => {
    const { orderId } = await placeOrder();
    const stream = streamId('order', orderId);
    await sentHints(1, stream);
    await settle(stream);
    takeHints();
    const bill = await billOf(stream, () => orderStep(orderId, 'shipment'));
    const [LOOKUP, SEARCH, ANALYTICS, DASHBOARD, ARCHIVE] = [3, 3, 1, 3, 1];
    const CHECKPOINTS = 2;
    expect(effects(bill)).toEqual({
      ...effects(NOTHING),
      workerRequests: 1,
      objectRequests: 1,
      alarmRuns: 1,
      objectRowsWritten: 2,
      queueMessages: 2,
      queueOperations: 6,
      databaseRowsWritten: LOOKUP + SEARCH + ANALYTICS + DASHBOARD + ARCHIVE + CHECKPOINTS,
    });
    expect(dollarsPerMillion(bill)).toBeLessThan(23);
  });
});

describe('the bill of an order', () => {
  it('has one more request to the object with a key, which comes before the products; a replay has only that one', async () => {
    const { sku } = await settledProduct();
    const body = { customerId: 'c', customerName: 'n', items: [{ sku, quantity: 1 }] };
    const key = { 'Idempotency-Key': crypto.randomUUID() };
    const requests = async (headers = {}) => {
      // The remembered price is too old to be used again.
      ports.clockOffsetMs += 2_000;
      return (await billOf(undefined, () => post('/orders', body, headers))).objectRequests;
    };
    const [PRODUCT, ORDER, KEY] = [1, 1, 1];
    expect(await requests()).toBe(PRODUCT + ORDER);
    expect(await requests(key)).toBe(PRODUCT + ORDER + KEY);
    expect(await requests(key)).toBe(KEY);
  });
});

describe('the bill of a query', () => {
  it('is its request and the rows that it reads', async () => {
    const { productId } = await settledProduct();
    const bill = await billOf(undefined, () => get(`/products/${productId}`));
    expect(effects(bill)).toEqual({ ...effects(NOTHING), workerRequests: 1 });
    expect(bill.databaseRowsRead).toBeLessThanOrEqual(3);
  });
});
