import { beforeAll, describe, expect, it } from 'vitest';

import { type TestIssuer, bearer, testIssuer } from '../../support/issuers.ts';
import { eventsOf, get, json, post } from '../../support/api.ts';
import { createOneOfEach, type Example } from '../../support/examples.ts';
import { allOperations } from '../../support/api-operations.ts';

let examples: readonly Example[] = [];
let staff: TestIssuer;
let customers: TestIssuer;

beforeAll(async () => {
  examples = await createOneOfEach(await allOperations());
  staff = await testIssuer('staff');
  customers = await testIssuer('customers');
});

describe('a customer', () => {
  const asCustomer = async (customerId: string) =>
    bearer(await customers.token({ customer_id: customerId, sub: customerId }));
  const body = (customerId: string) => ({
    customerId,
    customerName: 'Ada Lovelace',
    items: [{ sku: 'TIDE-2027', quantity: 1 }],
  });

  it('places, reads and cancels its own orders', async () => {
    const headers = await asCustomer('c-own');
    const placed = await post('/orders', body('c-own'), { ...headers, Prefer: 'return=representation' });
    expect(placed.status).toBe(201);
    const { orderId } = await json(placed.clone());
    const token = { 'X-Causal-Token': placed.headers.get('X-Causal-Token') ?? '' };
    for (const path of [`/orders/${orderId}`, `/orders/${orderId}?asOf=1`, `/orders/${orderId}/history`])
      expect([path, (await get(path, { ...headers, ...token })).status]).toEqual([path, 200]);
    expect((await json(get('/orders', { ...headers, ...token }))).items).toHaveLength(1);
    expect((await json(get('/orders?customerId=c-own', { ...headers, ...token }))).items).toHaveLength(1);
    const cancelled = await post(`/orders/${orderId}/cancellation`, { reason: 'Changed my mind' }, headers);
    expect(cancelled.status).toBe(200);
    const [{ metadata }] = (await json(get(`/streams/order-${orderId}/events`))).items;
    expect(metadata.actor).toEqual({ kind: 'user', id: 'customers/c-own' });
  });

  it('is 403 with the customer of somebody else in a body or a filter', async () => {
    const headers = await asCustomer('c-own');
    for (const answer of [post('/orders', body('c-other'), headers), get('/orders?customerId=c-other', headers)])
      expect(await json(answer)).toMatchObject({ status: 403, code: 'forbidden' });
  });

  it('ships, delivers and takes back nothing', async () => {
    const headers = await asCustomer('c-own');
    const { orderId } = await json(post('/orders', body('c-own'), headers));
    for (const [step, what] of [
      ['shipment', { tracking: 'JD01' }],
      ['delivery', {}],
      ['returns', { items: [{ sku: 'TIDE-2027', quantity: 1 }], reason: 'Broken' }],
    ] as const) {
      expect(await json(post(`/orders/${orderId}/${step}`, what, headers))).toMatchObject({ code: 'forbidden' });
    }
    expect(await eventsOf(`order-${orderId}`)).toHaveLength(1);
  });

  it('replays its own command, and not that of another customer with the same key', async () => {
    const key = { 'Idempotency-Key': 'the-same-key' };
    const one = await post('/orders', body('c-one'), { ...(await asCustomer('c-one')), ...key });
    const again = await post('/orders', body('c-one'), { ...(await asCustomer('c-one')), ...key });
    expect(again.headers.get('Idempotency-Replayed')).toBe('true');
    expect((await json(again)).orderId).toBe((await json(one)).orderId);
    const other = await post('/orders', body('c-two'), { ...(await asCustomer('c-two')), ...key });
    expect([other.status, other.headers.get('Idempotency-Replayed')]).toEqual([201, null]);
  });
});

describe('the back office', () => {
  it('reads the history of an order without the operations key', async () => {
    const headers = bearer(await staff.token({ scope: 'backoffice' }));
    const { id } = examples.find(({ category }) => category === 'order') as Example;
    expect((await get(`/orders/${id}/history`, headers)).status).toBe(200);
  });
});
