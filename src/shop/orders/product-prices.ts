import type { Preparation, SeenOf } from '#tidemark';
import type { Money } from '../money.ts';

/** A product as an order sees it at the moment it is placed. */
export interface Offer {
  readonly sku: string;
  readonly productId: string;
  /** The product's version at which this was read: the order records what it saw. */
  readonly productVersion: number;
  readonly name: string;
  readonly category: string;
  readonly price: Money;
}

/** What is added to an order before it is decided. */
export interface Offers {
  /** What the products cost; those that are missing are unknown. */
  readonly offers: readonly Offer[];
  /** SKUs that were not looked up, since enough others had turned out to be unknown. */
  readonly skipped?: readonly string[] | undefined;
}

/** The port through which orders ask about products; `products/` implements it. */
export interface ProductPrices {
  /**
   * The current offers for some SKUs; unknown ones are missing from the answer. Where many are unknown, the rest is skipped: an order that
   * is refused anyway must not ask for every product that it makes up. No offer is older than what the sender has seen of the product's
   * stream (I15).
   */
  offersOf(skus: readonly string[], seen: SeenOf): Promise<Preparation<Offers>>;
}
