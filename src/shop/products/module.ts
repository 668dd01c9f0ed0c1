import { module } from '#tidemark';
import { product } from './product.ts';
import { productCatalog } from './product-catalog.ts';
import { productCatalog1 } from './product-catalog-1.ts';
import { productRoutes } from './routes.ts';

/** The module of products. */
export const products = module({
  aggregate: product,
  readModels: [productCatalog, productCatalog1],
  routes: productRoutes,
  tags: { products: 'The products of the shop and their prices.' },
});
