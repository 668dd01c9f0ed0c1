import type { Context } from 'hono';

import type { AppEnv } from '../../../src/tidemark/http/app-env.ts';
import { readBody } from '../../../src/tidemark/http/body.ts';
import { parseParams } from '../../../src/tidemark/http/params.ts';
import { Problem } from '../../../src/tidemark/http/problem.ts';
import { expectedVersion } from '../../../src/tidemark/http/request-headers.ts';
import type { Operation, Route } from '../../../src/tidemark/http/route.ts';
import type { Money } from '../../../src/shop/money.ts';
import { type ProductCommand, productIdOf } from '../../../src/shop/products/product.ts';
import { productRoutes } from '../../../src/shop/products/routes.ts';
import { bodySchema, sameRoute, written } from '../crud/crud-route.ts';
import type { ProductStore } from './product-store.ts';

type CreateProduct = Extract<ProductCommand, { type: 'CreateProduct' }>;

interface Env {
  readonly PRODUCT_STORE: DurableObjectNamespace;
}

async function create(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const { value } = await readBody(c, bodySchema<Omit<CreateProduct['data'], 'productId'>>(operation));
  const productId = productIdOf(value.sku);
  const version = await execute(c, productId, { type: 'CreateProduct', data: { productId, ...value } });
  return written(c, 'productId', productId, version, `/products/${productId}`);
}

async function changePrice(c: Context<AppEnv>, operation: Operation): Promise<Response> {
  const { productId } = parseParams(c, operation.params) as { productId: string };
  const expected = expectedVersion(c);
  const { value } = await readBody(c, bodySchema<{ price: Money; reason: string }>(operation));
  const { price, reason } = value;
  const command = { type: 'UpdatePrice', data: { productId, price, reason } } as const;
  return written(c, 'productId', productId, await execute(c, productId, command, expected));
}

/** The version that a command led to. */
async function execute(
  c: Context<AppEnv>,
  productId: string,
  command: ProductCommand,
  expected?: number,
): Promise<number> {
  const { PRODUCT_STORE: stores } = c.env as unknown as Env;
  const { actor, correlationId, runtime } = c.var;
  const metadata = { recordedAt: new Date(runtime.clock.now()).toISOString(), correlationId, actor };
  // The type of a stub never ends where JSON goes through it.
  const store = stores.get(stores.idFromName('shop')) as unknown as Pick<ProductStore, 'execute'>;
  const result = await store.execute(productId, command, metadata, expected);
  switch (result.outcome) {
    case 'applied':
      return result.version;
    case 'rejected': {
      const { code, message, details } = result.rejection;
      throw new Problem(code, message, details);
    }
    case 'version-mismatch':
      throw new Problem('version-mismatch', `The current version is not ${expected}.`);
    default:
      return result satisfies never;
  }
}

export const emmettProducts: readonly Route[] = [
  sameRoute(productRoutes, 'createProduct', create),
  sameRoute(productRoutes, 'updatePrice', changePrice),
];
