import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { orderLookup } from '../../../src/shop/orders/order-lookup.ts';
import { productCatalog } from '../../../src/shop/products/product-catalog.ts';
import { type Headers, asOperator, get, json, post, request, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, orderStep, placeOrder } from '../api.ts';
import { type Item, allPages, pagesOf } from '../../support/pages.ts';
import { expectInvalidFields, expectProblem } from '../../support/problem.ts';
import { insertRows } from '../../support/rows.ts';

/** Products made one after the other, and the token that knows all of them. */
async function products(count: number, category: string) {
  let token: Headers = {};
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) {
    const { answer, productId } = await createProduct({ category }, token);
    token = withToken(answer);
    ids.push(productId);
  }
  return { token, ids };
}

describe('GET /products', () => {
  it('lists a category, oldest first', async () => {
    const category = newSku();
    const { token, ids } = await products(4, category);
    await createProduct({ category: `${category}-other` });
    const { items, nextCursor } = await json(get(`/products?category=${category}`, token));
    expect(items.map(({ productId }: Item) => productId)).toEqual(ids);
    expect(nextCursor).toBeNull();
    expect(items[0]).toEqual(await json(get(`/products/${ids[0]}`, token)));
  });

  it('finds a SKU in any form, also with both filters', async () => {
    const category = newSku();
    const { productId, sku, answer } = await createProduct({ category });
    const find = async (query: string) => (await json(get(`/products?${query}`, withToken(answer)))).items;
    expect(await find(`sku=${sku}`)).toMatchObject([{ productId }]);
    expect(await find(`sku=+${sku.toLowerCase()}%20`)).toMatchObject([{ productId }]);
    expect(await find(`sku=${sku}&category=${category}`)).toHaveLength(1);
    expect(await find(`sku=${sku}&category=other`)).toEqual([]);
    expect(await find(`sku=${newSku()}`)).toEqual([]);
  });
});

describe('GET /orders', () => {
  it('lists newest first, by customer, by status and by both', async () => {
    const { sku } = await createProduct();
    const customer = newSku();
    const items = [{ sku, quantity: 1 }];
    const wait = { Prefer: 'wait=5' };
    const ids: string[] = [];
    for (const customerId of [customer, customer, customer, `${customer}-other`]) {
      ids.push((await placeOrder({ customerId, items }, wait)).orderId);
    }
    await orderStep(ids[1] as string, 'shipment', wait);
    await orderStep(ids[3] as string, 'shipment', wait);
    const find = async (query: string) =>
      (await json(get(`/orders?${query}`))).items.map(({ orderId }: Item) => orderId);
    expect(await find(`customerId=${customer}`)).toEqual([ids[2], ids[1], ids[0]]);
    expect(await find(`customerId=${customer}&status=shipped`)).toEqual([ids[1]]);
    expect(await find(`customerId=${customer}&status=returned`)).toEqual([]);
    expect((await find('status=shipped')).slice(0, 2)).toEqual([ids[3], ids[1]]);
    expect((await find('')).slice(0, 4)).toEqual(ids.toReversed());
    const [first] = (await json(get(`/orders?customerId=${customer}`))).items;
    expect(first).toEqual(await json(get(`/orders/${ids[2]}`)));
  });
});

describe('a list', () => {
  it('may be empty without a token, and is complete with one', async () => {
    const category = newSku();
    const { token } = await products(2, category);
    expect((await json(get(`/products?category=${category}`))).items).toEqual([]);
    expect((await json(get(`/products?category=${category}`, token))).items).toHaveLength(2);
    expect((await json(get(`/products?category=${category}`))).items).toHaveLength(2);
  });

  it('is paged through without a double or a gap while rows are inserted, oldest first', async () => {
    const category = newSku();
    const { token, ids } = await products(7, category);
    const path = `/products?category=${category}&limit=2`;
    await get(path, token);
    let more = token;
    const pages: (readonly Item[])[] = [];
    for await (const page of pagesOf(path, token)) {
      pages.push(page);
      const { answer } = await createProduct({ category }, more);
      more = withToken(await get(path, withToken(answer)));
    }
    const seen = pages.flat().map(({ productId }) => productId);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.slice(0, ids.length)).toEqual(ids);
    for (const page of pages.slice(0, -1)) expect(page).toHaveLength(2);
  });

  it('is paged through without a double or a gap while rows are inserted, newest first, and many within one millisecond', async () => {
    const customerId = newSku();
    const { sku } = await createProduct();
    const items = [{ sku, quantity: 1 }];
    const burst = await Promise.all(
      Array.from({ length: 9 }, () => placeOrder({ customerId, items }, { Prefer: 'wait=5' })),
    );
    const path = `/orders?customerId=${customerId}&limit=2`;
    const seen: Item[] = [];
    for await (const page of pagesOf(path)) {
      seen.push(...page);
      await placeOrder({ customerId, items }, { Prefer: 'wait=5' });
    }
    expect(seen).toHaveLength(burst.length);
    expect(new Set(seen.map(({ orderId }) => orderId))).toEqual(new Set(burst.map(({ orderId }) => orderId)));
    const times = seen.map(({ placedAt }) => placedAt as string);
    expect(times).toEqual(times.toSorted().toReversed());
  });

  it('never shows a row twice or leaves one out, in each list', async () => {
    const [customerId, category, word] = [newSku(), newSku(), newSku().replaceAll('-', '')];
    const { productId, sku } = await createProduct({ category });
    const stream = `product-${productId}`;
    const wait = { Prefer: 'wait=5' };
    for (const price of [1, 2]) await post(`/products/${productId}/price`, { price: eur(price), reason: 'Sale' }, wait);
    for (let made = 0; made < 2; made += 1) await createProduct({ category }, wait);
    const order = { customerId, customerName: word, items: [{ sku, quantity: 1 }] };
    for (let made = 0; made < 3; made += 1) {
      const { orderId } = await placeOrder(order, wait);
      await orderStep(orderId, 'cancellation', wait);
    }
    const one = (await json(get(`/orders?customerId=${customerId}&limit=1`))).items[0].orderId;

    for (const [path, rows] of [
      [`/products?category=${category}`, 3],
      [`/products?sku=${sku}`, 1],
      [`/products/${productId}/prices`, 3],
      [`/orders?customerId=${customerId}`, 3],
      [`/orders?customerId=${customerId}&status=cancelled`, 3],
      [`/orders/search?q=${word}`, 3],
      [`/orders/${one}/history`, 2],
      [`/streams/${stream}/events`, 3],
      [`/streams/${stream}/events?fromVersion=2`, 2],
    ] as const) {
      const pages = await allPages(`${path}${path.includes('?') ? '&' : '?'}limit=1`, asOperator);
      expect(
        pages.map((page) => page.length),
        path,
      ).toEqual(Array.from({ length: rows }, () => 1));
    }
    // All products, and all orders, also those of other tests.
    for (const path of ['/products?limit=100', '/orders?limit=100', '/orders?status=cancelled&limit=100']) {
      const ids = async (query: string) =>
        (await allPages(query)).flat().map((item) => item['productId'] ?? item['orderId']);
      expect(await ids(path.replace('100', '3'))).toEqual(await ids(path));
    }
  });

  it('sorts rows of one millisecond by id, and pages through them as through any others', async () => {
    const at = '2020-01-01T00:00:00.000Z';
    const [customerId, category] = [newSku(), newSku()];
    const ids = Array.from({ length: 5 }, () => crypto.randomUUID());
    const price = { amount: 1, currency: 'EUR' };
    const product = { name: 'Chart', price, createdAt: at, updatedAt: at };
    const nothing = { customerSegment: null, region: null, tracking: null, carrier: null, items: [], itemCount: 0 };
    const placed = { status: 'placed', currency: 'EUR', total: price, placedAt: at, updatedAt: at } as const;
    const shown = { ...nothing, ...placed, customerName: 'Ada' };
    await insertRows(
      env.SERVING_DB,
      orderLookup.tables('a').row,
      ids.map((orderId) => ({
        order_id: orderId,
        version: 1,
        customer_id: customerId,
        status: 'placed',
        placed_at: at,
        ...orderLookup.prepared({ ...shown, orderId, customerId, version: 1 }),
      })),
    );
    await insertRows(
      env.SERVING_DB,
      productCatalog.tables('a').row,
      ids.map((productId) => ({
        product_id: productId,
        version: 1,
        category,
        created_at: at,
        ...productCatalog.prepared({ ...product, productId, sku: productId, category, version: 1 }),
      })),
    );
    for (const limit of [1, 2, 5]) {
      const ordersSeen = (await allPages(`/orders?customerId=${customerId}&limit=${limit}`)).flat();
      expect(ordersSeen.map(({ orderId }) => orderId)).toEqual(ids.toSorted().toReversed());
      const productsSeen = (await allPages(`/products?category=${category}&limit=${limit}`)).flat();
      expect(productsSeen.map(({ productId }) => productId)).toEqual(ids.toSorted());
    }
  });

  it('has no next page after one that is exactly full, and 20 items without a limit', async () => {
    const category = newSku();
    const { token, ids } = await products(21, category);
    const sizes = async (query: string) =>
      (await allPages(`/products?category=${category}${query}`, token)).map((page) => page.length);
    expect(await sizes('')).toEqual([20, 1]);
    expect(await sizes('&limit=21')).toEqual([21]);
    expect(await sizes('&limit=100')).toEqual([21]);
    expect(await sizes('&limit=7')).toEqual([7, 7, 7]);
    expect(await sizes('&limit=1')).toEqual(ids.map(() => 1));
  });

  it.each(['0', '101', 'abc', '-1', '1.5', '1e1', '', '%20', '0x1', '99999999999999999999'])(
    'refuses limit=%s',
    async (limit) => {
      expect(await expectInvalidFields(get(`/orders?limit=${limit}`))).toEqual(['/limit']);
    },
  );

  it('refuses a cursor that it never gave out', async () => {
    const category = newSku();
    const { token } = await products(2, category);
    const path = `/products?category=${category}&limit=1`;
    const { nextCursor } = await json(get(path, token));
    expect(nextCursor).toMatch(/^[A-Za-z0-9_-]+$/);
    const forged = btoa(JSON.stringify(['2026-01-01', 'x']));
    for (const cursor of [
      'abc',
      '%00',
      'ä',
      nextCursor.slice(0, -3),
      `${nextCursor}A`,
      `x${nextCursor}`,
      forged,
      'x'.repeat(4000),
    ]) {
      await expectProblem(get(`${path}&cursor=${cursor}`, token), 400, 'invalid-cursor');
    }
    // Nor one of another list.
    await expectProblem(get(`/orders?cursor=${nextCursor}`), 400, 'invalid-cursor');
  });

  it('refuses an unknown parameter, and one that is there twice', async () => {
    expect(await expectInvalidFields(get('/orders?customer=c-1'))).toEqual(['/customer']);
    expect(await expectInvalidFields(get('/orders?customerID=c-1&a%2Fb~=1'))).toEqual(['/customerID', '/a~1b~0']);
    expect(await expectInvalidFields(get('/orders?status=placed&status=shipped'))).toEqual(['/status']);
    expect(await expectInvalidFields(get('/products?limit=1&limit=1'))).toEqual(['/limit']);
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(await expectInvalidFields(get(`/products?${name}=1`))).toEqual([`/${name}`]);
    }
  });

  it.each([
    'status=lost',
    'status=',
    'status=Placed',
    'customerId=',
    'customerId=%20',
    'customerId=%00',
    `customerId=${'x'.repeat(101)}`,
  ])('refuses a filter that can match nothing: %s', async (query) => {
    expect(await expectInvalidFields(get(`/orders?${query}`))).toEqual([`/${query.split('=')[0]}`]);
  });

  it('as HEAD has the headers and no body', async () => {
    const head = await request('HEAD', '/orders?limit=1');
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(head.headers.get('X-Causal-Token')).toMatch(/./);
    expect((await request('HEAD', '/orders?limit=0')).status).toBe(400);
  });
});
