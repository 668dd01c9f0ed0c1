import { afterEach, describe, expect, it } from 'vitest';

import type { StreamId } from '../../src/eventsourcing/stream.ts';
import { createProduct, eur, get, json, newSku, post, withToken } from '../support/api.ts';
import { deliverThrice, forgetDeadLetters } from '../support/boards.ts';
import { expectProblem } from '../support/problem.ts';
import { restoreLog } from '../support/system.ts';

afterEach(forgetDeadLetters);

/** A product at EUR 2.00, whose log was set back to its creation at EUR 1.00; the read models have not heard of that. */
async function restoredProduct() {
  const category = newSku();
  const product = await createProduct({ category, price: eur(100) });
  const path = `/products/${product.productId}`;
  const lost = await post(`${path}/price`, { price: eur(200), reason: 'r' }, { Prefer: 'wait=5' });
  await restoreLog(product.stream as StreamId, 1);
  return { ...product, path, list: `/products?category=${category}`, lost };
}

describe('a product whose log was restored, once a dead letter says so', () => {
  async function stoppedProduct() {
    const product = await restoredProduct();
    await deliverThrice({ stream: product.stream as StreamId, fromVersion: 3, toVersion: 3 });
    return product;
  }

  it('is 503 for everybody, with a token and without', async () => {
    const { path, answer, lost } = await stoppedProduct();
    for (const headers of [{}, withToken(answer), withToken(lost)]) {
      const problem = await expectProblem(get(path, headers), 503, 'projection-dead-letter');
      expect(problem).toMatchObject({ projection: 'product-catalog', has: 2 });
    }
    await expectProblem(get(`${path}/prices`), 503, 'projection-dead-letter');
  });

  it('is shown by the write store to those who ask for a version', async () => {
    const { path } = await stoppedProduct();
    const read = await get(path, { 'X-Version': '1' });
    expect(read.headers.get('X-Read-From')).toBe('write-store');
    expect(await json(read)).toMatchObject({ version: 1, price: eur(100) });
  });

  it('is named by a list to those whose token has it', async () => {
    const { list, answer, stream } = await stoppedProduct();
    expect((await get(list, withToken(answer))).headers.get('X-Causal-Incomplete')).toBe(stream);
    expect((await get(list)).headers.get('X-Causal-Incomplete')).toBeNull();
  });
});
