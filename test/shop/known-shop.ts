import type { Known } from '../consistency/simulation/domain.ts';

/** All streams that the clients have seen so far. */
export interface KnownShop {
  readonly products: KnownProduct[];
  readonly orders: KnownOrder[];
}

export interface KnownProduct {
  readonly productId: string;
  readonly sku: string;
}

export interface KnownOrder {
  readonly orderId: string;
  readonly skus: readonly string[];
}

export function knownShop(known: Known): KnownShop {
  return { products: known.of<KnownProduct>('product'), orders: known.of<KnownOrder>('order') };
}

/** The product whose price has just changed: what an order of it costs tells whether the change was seen. */
export function repriced(known: Known): KnownProduct | undefined {
  return known.of<KnownProduct>('repriced')[0];
}

export function noteRepriced(known: Known, product: KnownProduct): void {
  known.of<KnownProduct>('repriced')[0] = product;
}
