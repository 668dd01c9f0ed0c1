import { products } from '../../../src/shop/products/module.ts';
import { intentsOf } from '../../consistency/simulation/intents-of.ts';
import { knownShop, noteRepriced } from '../known-shop.ts';

export const CATEGORIES = ['almanacs', 'ropes'];

/** What clients want done with products. */
export const productIntents = intentsOf(products, {
  CreateProduct: {
    make(known, { seed }) {
      const shop = knownShop(known);
      let skus = 0;
      return (chance) => {
        // Now and then a SKU that is taken.
        const isTaken = shop.products.length > 0 && chance.next() < 0.15;
        if (!isTaken && shop.products.length >= 6) return undefined;
        if (!isTaken) skus += 1;
        const sku = isTaken ? chance.pick(shop.products).sku : `S${seed}-${skus}`;
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
            if (shop.products.some((product) => product.productId === created.productId)) return;
            shop.products.push(created);
            known.ids('product').push(created.productId);
          },
        };
      };
    },
  },
  UpdatePrice: {
    make: (known) => (chance) => {
      const shop = knownShop(known);
      if (shop.products.length === 0) return undefined;
      const product = chance.hot(shop.products);
      const { productId } = product;
      const [path, stream] = [`/products/${productId}/price`, `product-${productId}`];
      return {
        kind: 'command',
        command: 'UpdatePrice',
        path,
        scope: `POST ${path}`,
        stream,
        // Zero is refused.
        body: { price: { amount: chance.below(20) * 100, currency: 'EUR' }, reason: 'Tide' },
        streamOf: () => stream,
        learn: () => noteRepriced(known, product),
      };
    },
  },
});
