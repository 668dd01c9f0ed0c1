import type { ModuleIntents } from '../../consistency/simulation/domain.ts';
import { knownShop, noteRepriced } from '../known-shop.ts';

export const CATEGORIES = ['almanacs', 'ropes'];

/** What clients want done with products. */
export const productIntents: ModuleIntents = {
  category: 'product',
  commands(known, { seed }) {
    const { products } = knownShop(known);
    let skus = 0;
    return [
      {
        name: 'CreateProduct',
        make(chance) {
          // Now and then a SKU that is taken.
          const isTaken = products.length > 0 && chance.next() < 0.15;
          if (!isTaken && products.length >= 6) return undefined;
          if (!isTaken) skus += 1;
          const sku = isTaken ? chance.pick(products).sku : `S${seed}-${skus}`;
          return {
            kind: 'command',
            command: 'CreateProduct',
            path: '/products',
            scope: `POST /products ${sku}`,
            stream: null,
            body: {
              name: `Thing ${skus}`,
              sku,
              category: chance.pick(CATEGORIES),
              price: { amount: 100 + chance.below(1_000), currency: chance.next() < 0.9 ? 'EUR' : 'USD' },
            },
            streamOf: ({ productId }) => `product-${String(productId)}`,
            learn({ productId }) {
              const created = { productId: String(productId), sku };
              if (!products.some((product) => product.productId === created.productId)) products.push(created);
            },
          };
        },
      },
      {
        name: 'UpdatePrice',
        make(chance) {
          if (products.length === 0) return undefined;
          const product = chance.hot(products);
          const { productId } = product;
          return {
            kind: 'command',
            command: 'UpdatePrice',
            path: `/products/${productId}/price`,
            scope: `POST /products/${productId}/price`,
            stream: `product-${productId}`,
            // Zero is refused.
            body: { price: { amount: chance.below(20) * 100, currency: 'EUR' }, reason: 'Tide' },
            streamOf: () => `product-${productId}`,
            learn: () => noteRepriced(known, product),
          };
        },
      },
    ];
  },
};
