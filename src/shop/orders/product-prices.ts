import type { Preparation, SeenOf } from '#tidemark';
import type { Money } from '../money.ts';

/** A product at the time when an order is placed. */
export interface Offer {
  readonly sku: string;
  readonly productId: string;
  /** The version of the product. The order records it. */
  readonly productVersion: number;
  readonly name: string;
  readonly category: string;
  readonly price: Money;
}

/** The data added to the command `PlaceOrder` before it is decided. */
export interface Offers {
  /** The offers of the known products. A missing SKU is unknown. */
  readonly offers: readonly Offer[];
  /** SKUs that were not looked up, since too many others are unknown. */
  readonly skipped?: readonly string[] | undefined;
}

/** The port from orders to products. `products/` implements it. */
export interface ProductPrices {
  /**
   * The current offers for some SKUs. Unknown SKUs are missing. If many are unknown, the rest is skipped: an order that will be refused must not
   * read every product that it invents. No offer is older than the version of the product that the sender has seen (I15).
   */
  offersOf(skus: readonly string[], seen: SeenOf): Promise<Preparation<Offers>>;
}
