import { systemClock } from '../../../src/tidemark/platform/system-clock.ts';
import { createApp } from '../../../src/tidemark/http/app.ts';
import { PROBLEMS, mergeProblems } from '../../../src/tidemark/http/problem.ts';
import { products } from '../../../src/shop/products/module.ts';
import type { Runtime } from '../../../src/tidemark/runtime/runtime.ts';
import { emmettProducts } from './product-routes.ts';

export { ProductStore } from './product-store.ts';

/*
 * Products on Emmett. The HTTP layer, the log line and the decider are Tidemark's own, so that what is compared is how events are stored
 * and projected.
 */

// Of the runtime, the shared HTTP layer uses the clock alone.
const runtime = { clock: systemClock } as Runtime;

export default createApp(() => runtime, emmettProducts, mergeProblems(PROBLEMS, products.problems));
