import { access } from '../../../src/access.ts';
import { accessTable } from '../../../src/tidemark/access/access.ts';
import { systemClock } from '../../../src/tidemark/platform/system-clock.ts';
import { createApp } from '../../../src/tidemark/http/app.ts';
import { PROBLEMS, type ProblemHead, mergeProblems } from '../../../src/tidemark/http/problem.ts';
import { orders } from '../../../src/shop/orders/module.ts';
import { products } from '../../../src/shop/products/module.ts';
import type { Runtime } from '../../../src/tidemark/runtime/runtime.ts';
import { crudOrders } from './order-routes.ts';
import { crudProducts } from './product-routes.ts';
import { crudReports } from './report-routes.ts';
import { crudSearch } from './search-route.ts';

/*
 * The shop as plain CRUD: Hono, drizzle, D1. Its HTTP layer (routing, CORS, headers, bodies, validation, problems) is Tidemark's own, so
 * that what is compared is what happens behind it.
 */

const problems = mergeProblems<ProblemHead>(
  PROBLEMS,
  products.problems,
  orders(() => ({ offersOf: () => Promise.reject(new Error('unused')) })).problems,
);

// Of the runtime, the shared HTTP layer uses the clock alone.
const runtime = { clock: systemClock } as Runtime;

export default createApp({
  runtimeOf: () => runtime,
  routes: [...crudProducts, ...crudReports, ...crudSearch, ...crudOrders],
  problems,
  access: accessTable(access),
});
