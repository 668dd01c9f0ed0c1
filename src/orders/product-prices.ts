import type { SeenVersion } from '../eventsourcing/read/causal-token.ts';
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

/** The port through which orders ask about products; `products/` implements it. */
export interface ProductPrices {
  /**
   * The current offers for some SKUs; unknown ones are missing from the answer. What it returns is never older than what the
   * sender has seen of the product's stream.
   */
  offersOf(skus: readonly string[], seenVersion: SeenVersion): Promise<readonly Offer[]>;
}
