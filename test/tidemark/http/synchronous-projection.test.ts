import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';

import { domain } from '../../../src/domain.ts';
import { productCatalog } from '../../../src/shop/products/product-catalog.ts';
import { tidemark } from '../../../src/tidemark/worker.ts';
import { eur, newSku } from '../../shop/api.ts';
import { faultyDatabase } from '../../support/database.ts';
import { platform, ports } from '../../support/platform.ts';

/** The shop with its catalog declared synchronous, and everything else as it is. */
const modules = domain.map((module) => ({
  ...module,
  projections: module.projections.map((projection) =>
    projection.name === productCatalog.name ? { ...projection, mode: 'synchronous' as const } : projection,
  ),
}));
const { handler } = tidemark(modules, platform);

async function createProduct(): Promise<Response> {
  const request = new Request('https://tidemark.test/products', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'Tide table', price: eur(1999), category: 'almanacs', sku: newSku() }),
  });
  const answer = await handler.fetch?.(request as Parameters<typeof handler.fetch>[0], env, createExecutionContext());
  if (!answer) throw new Error('no answer');
  return answer;
}

describe('a synchronous projection', () => {
  it('has the event before the command answers, without a preference and without the queue', async () => {
    const answer = await createProduct();
    const { productId } = await answer.json<{ productId: string }>();
    const row = await env.SERVING_DB.prepare('SELECT version FROM product_catalog_a WHERE product_id = ?')
      .bind(productId)
      .first();
    expect(row).toEqual({ version: 1 });
    expect(answer.headers.has('Preference-Applied')).toBe(false);
  });

  it('that fails does not fail the command: the write stands', async () => {
    const faulty = faultyDatabase(env.SERVING_DB, {
      beforeBatch() {
        throw new Error('D1_ERROR: D1 DB is overloaded.');
      },
    });
    ports.database = () => faulty.database;
    const answer = await createProduct();
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ version: 1 });
  });
});
