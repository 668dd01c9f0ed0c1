import { stateLookup } from '#tidemark';

import type { ProductPrices } from '../orders/product-prices.ts';
import { normalSku } from '../sku.ts';
import { product, productIdOf } from './product.ts';

/** Reads the prices of products from the write side's state. It implements the port of orders. */
export function priceList(write: Parameters<typeof stateLookup>[1]): ProductPrices {
  const products = stateLookup(product, write);
  return {
    async offersOf(skus, seen) {
      const skuOf = new Map(skus.map(normalSku).map((sku) => [productIdOf(sku), sku]));
      const found = await products([...skuOf.keys()], seen);
      if (found.outcome !== 'prepared') return found;
      const { states, skipped } = found.added;
      const offers = [...states].map(([productId, { version, state }]) => {
        const { sku, name, category, price } = state;
        return { sku, productId, productVersion: version, name, category, price };
      });
      return { outcome: 'prepared', added: { offers, skipped: skipped.map((id) => skuOf.get(id) ?? '') } };
    },
  };
}
