import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { productCatalog } from '../../../src/shop/products/product-catalog.ts';
import type { Group } from '../../../src/tidemark/platform/group.ts';
import { asOperator, get, json, post, withToken } from '../../support/api.ts';
import { createProduct, newSku } from '../api.ts';
import { type DatabaseBill, meteredDatabase } from '../../support/metered-database.ts';
import { ports } from '../../support/platform.ts';
import { takeHints } from '../../support/queue.ts';
import { rowFor } from '../../support/rows.ts';

/*
 * The cheapest request that makes the server work the most, route by route, and where its work ends. docs/costs-of-requests.md has the whole
 * table. These are budgets: if you raise one, say why in the commit.
 */

interface Work {
  /** Objects that were asked, each once. */
  readonly objects: readonly string[];
  readonly calls: number;
  readonly databases: DatabaseBill;
}

/** What a request has the server do until it is answered. */
async function workOf(send: () => Promise<Response>, status: number): Promise<Work> {
  const { aggregateStub, database } = ports;
  const asked: string[] = [];
  ports.aggregateStub = (bindings, stream) => {
    asked.push(stream);
    return aggregateStub(bindings, stream);
  };
  const databases: DatabaseBill = { statements: 0, rowsRead: 0, rowsWritten: 0, mostRowsRead: 0 };
  const bills: DatabaseBill[] = [];
  const metered = new Map<Group, D1Database>();
  ports.database = (bindings, group) => {
    const known = metered.get(group);
    if (known) return known;
    const made = meteredDatabase(database(bindings, group));
    bills.push(made.bill);
    metered.set(group, made.database);
    return made.database;
  };
  const answer = await send();
  Object.assign(ports, { aggregateStub, database });
  expect(answer.status).toBe(status);
  for (const bill of bills) {
    databases.statements += bill.statements;
    databases.rowsRead += bill.rowsRead;
    databases.rowsWritten += bill.rowsWritten;
  }
  return { objects: [...new Set(asked)], calls: asked.length, databases };
}

const MAX_LINES = 100;
let skus: readonly string[];
/** Of a client that has made every product. */
let token: Record<string, string> = {};

beforeAll(async () => {
  const made: string[] = [];
  for (let index = 0; index < MAX_LINES; index += 1) {
    const { sku, answer } = await createProduct({}, token);
    made.push(sku);
    token = withToken(answer);
  }
  skus = made;
});

/** The parts of an OpenAPI operation that describe requests. */
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly example: unknown } } };
}

const order = (items: readonly string[]) => () =>
  post('/orders', { customerId: 'c', customerName: 'n', items: items.map((sku) => ({ sku, quantity: 1 })) });

describe('the worst text', () => {
  afterEach(() => vi.restoreAllMocks());

  const marks = (count: number) => `a${'\u0301'.repeat(count / 2)}${'\u0323'.repeat(count / 2)}`;

  /** Each value that a JSON value becomes when one of its texts is another. */
  function withEachText(value: unknown, other: string): readonly unknown[] {
    if (typeof value === 'string') return [other];
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([key, member]) =>
      withEachText(member, other).map((changed) =>
        Array.isArray(value)
          ? value.map((one: unknown, index) => (String(index) === key ? changed : one))
          : { ...value, [key]: changed },
      ),
    );
  }

  it('is never normalised past four times the longest, in each place of a request', async () => {
    const { paths } = await json(get('/openapi.json'));
    const lengths: number[] = [];
    const { normalize } = String.prototype;
    vi.spyOn(String.prototype, 'normalize').mockImplementation(function counted(this: string, form) {
      lengths.push(this.length);
      return normalize.call(this, form);
    });
    let sent = 0;
    for (const [template, item] of Object.entries<Record<string, Operation>>(paths)) {
      const path = template.replaceAll(/\{\w+\}/g, '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a');
      for (const [method, { parameters = [], requestBody }] of Object.entries(item)) {
        const example = requestBody?.content['application/json'].example;
        for (const body of withEachText(example, marks(30_000))) {
          sent += 1;
          expect((await post(path, body as object, asOperator)).status).toBeGreaterThanOrEqual(400);
        }
        if (method !== 'get') continue;
        for (const { name } of parameters.filter((parameter) => parameter.in === 'query')) {
          sent += 1;
          await get(`${path}?${name}=${encodeURIComponent(marks(3_000))}`, asOperator);
        }
      }
    }
    expect(sent).toBeGreaterThan(20);
    expect(lengths.length).toBeGreaterThan(0);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(4 * 500);
  });
});

describe('the worst order', () => {
  it('of unknown SKUs asks 15 products and itself, not a hundred', async () => {
    const ghosts = Array.from({ length: MAX_LINES }, newSku);
    const { objects, databases } = await workOf(order(ghosts), 422);
    expect(objects.length).toBeLessThanOrEqual(15 + 1);
    expect(databases.statements).toBe(0);
  });

  it('of a hundred products asks each once, and none again within a second', async () => {
    const first = await workOf(order(skus), 201);
    expect(first.calls).toBeLessThanOrEqual(MAX_LINES + 1);
    const second = await workOf(order(skus), 201);
    expect(second.objects.length).toBeLessThan(first.objects.length);
  });

  it('still finds a product that its sender has just created, after others looked for it in vain', async () => {
    const sku = newSku();
    await workOf(order([sku]), 422);
    const { answer } = await createProduct({ sku });
    const items = [{ sku, quantity: 1 }];
    const placed = await post('/orders', { customerId: 'c', customerName: 'n', items }, withToken(answer));
    expect(placed.status).toBe(201);
  });
});

describe('a list, for a client that has seen a hundred streams without a delivered message', () => {
  it('asks each log once, and none for the next request', async () => {
    takeHints();
    const first = await workOf(() => get('/products?limit=1', token), 200);
    expect(first.objects.length).toBeLessThanOrEqual(MAX_LINES);
    expect(first.calls).toBe(first.objects.length);
    expect(first.databases.statements).toBeLessThanOrEqual(20);
    const second = await workOf(() => get('/products?limit=1', token), 200);
    expect(second.objects).toEqual([]);
    expect(second.databases.statements).toBeLessThanOrEqual(2);
  });
});

describe('a resource that does not exist', () => {
  const nobody = crypto.randomUUID();

  it('asks no object for a read, and one for a version or a command', async () => {
    const plain = await workOf(() => get(`/orders/${nobody}`), 404);
    expect(plain.objects).toEqual([]);
    expect(plain.databases.statements).toBeLessThanOrEqual(2);
    const versioned = await workOf(() => get(`/orders/${nobody}`, { 'X-Version': '9' }), 404);
    expect(versioned.objects).toHaveLength(1);
    const cancelled = await workOf(() => post(`/orders/${nobody}/cancellation`, { reason: 'r' }), 404);
    expect(cancelled.objects).toHaveLength(1);
    expect(cancelled.databases.statements).toBe(0);
  });
});

describe('a route that every client may read', () => {
  const PRODUCTS = 10_000;

  /** Ten thousand products of one category, which were only ever in the read model. */
  beforeAll(async () => {
    const columns = Object.keys(rowFor(productCatalog.tables('a').row, {})).filter((name) => name !== 'product_id');
    await env.SERVING_DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${PRODUCTS})
      INSERT INTO product_catalog_2_a (product_id, ${columns.join(', ')})
      SELECT substr(product_id, 1, 24) || printf('%012d', i), ${columns.join(', ')}
      FROM n, (SELECT * FROM product_catalog_2_a LIMIT 1)`,
    ).run();
  });

  it.each([
    ['/products?limit=100', 2 * 101 + 3],
    ['/products?limit=100&category=almanacs', 2 * 101 + 3],
    ['/products?limit=100&category=almanacs&sku=nobody', 3],
    ['/products?limit=100&category=none', 3],
    ['/orders?limit=100', 2 * 101 + 3],
    ['/orders?limit=100&customerId=nobody&status=placed', 3],
    ['/dashboard', 100],
    ['/health', 100],
    ['/problems/not-json', 0],
    ['/openapi.json', 0],
  ])('takes a bounded number of rows and a few statements, and no object: %s', async (path, rows) => {
    await get(path);
    const { objects, databases } = await workOf(() => get(path), 200);
    expect(objects).toEqual([]);
    expect(databases.statements).toBeLessThanOrEqual(6);
    expect(databases.rowsRead).toBeLessThanOrEqual(rows);
  });
});
