import { describe, expect, it } from 'vitest';

import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { AggregateRpc } from '../../../src/tidemark/write/aggregates.ts';
import { type Headers, post } from '../../support/api.ts';
import { createProduct, eur } from '../api.ts';
import { ports, production } from '../../support/platform.ts';
import { expectProblem } from '../../support/problem.ts';
import { appendAsStored } from '../../support/system.ts';

/** Replaces the answers of the objects of a category. Other objects work as before. */
function objectsFail(category: string, methods: Partial<AggregateRpc>): void {
  ports.aggregateStub = (bindings, stream) => {
    const stub = production.aggregateStub(bindings, stream);
    if (!stream.startsWith(`${category}-`)) return stub;
    const whole: AggregateRpc = {
      execute: (request) => stub.execute(request),
      replay: async (request) => stub.replay?.(request),
      load: (fromVersion, limit) => stub.load(fromVersion, limit),
      currentVersion: () => stub.currentVersion(),
      state: (id, asOf) => stub.state(id, asOf),
    };
    return { ...whole, ...methods };
  };
}

/** A fault with the properties that the platform gives its own. */
const failing = (properties: object) => () => Promise.reject(Object.assign(new Error('a fault'), properties));
const overloaded = failing({ overloaded: true, remote: true, retryable: true });
const lost = failing({ retryable: true });

async function expectRetryLater(answer: Response | Promise<Response>, code: string) {
  const received = await answer;
  expect(received.headers.get('Retry-After')).toMatch(/^[1-9]\d*$/);
  return expectProblem(received, 503, code);
}

describe('503 overloaded', () => {
  it.each([
    ['turn it away', overloaded],
    ['do not answer', lost],
  ])('answers an order whose products %s', async (_what, state) => {
    const { sku } = await createProduct();
    objectsFail('product', { state });
    const body = { customerId: 'c', customerName: 'n', items: [{ sku, quantity: 1 }] };
    await expectRetryLater(post('/orders', body), 'overloaded');
  });
});

describe('503 code-too-old', () => {
  /** A product whose log has an event of newer code, after a price change with a key. */
  async function ofTomorrow() {
    const product = await createProduct();
    const sale = { price: eur(300), reason: 'Sale' };
    const change = (headers: Headers) => post(`/products/${product.productId}/price`, sale, headers);
    expect((await change({ 'Idempotency-Key': 'sale' })).status).toBe(200);
    await appendAsStored(product.stream as StreamId, { type: 'OfTomorrow', schemaVersion: 1, data: {} });
    return { ...product, change };
  }

  async function expectTooOld(answer: Promise<Response>) {
    const received = await answer;
    expect(received.headers.get('Retry-After')).toBe('30');
    return expectProblem(received, 503, 'code-too-old');
  }

  it('answers an order of such a product', async () => {
    const { sku } = await ofTomorrow();
    const body = { customerId: 'c', customerName: 'n', items: [{ sku, quantity: 1 }] };
    await expectTooOld(post('/orders', body));
  });
});
