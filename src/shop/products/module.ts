import { module } from '#tidemark';
import { product } from './product.ts';
import { productCatalog } from './product-catalog.ts';
import { productRoutes } from './routes.ts';

/** What is sold, and at what price. */
export const products = module({
  aggregate: product,
  readModels: [productCatalog],
  routes: productRoutes,
  tags: { products: 'What is sold, and at what price.' },
});
