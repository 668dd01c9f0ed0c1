import { streamId } from '../eventsourcing/stream.ts';
import type { Clock } from '../eventsourcing/clock.ts';
import type { Aggregates } from '../eventsourcing/write/aggregates.ts';
import type { SeenVersion } from '../eventsourcing/read/causal-token.ts';
import type { Offer, ProductPrices } from '../orders/product-prices.ts';
import { normalSku } from '../sku.ts';
import { PRODUCT, type Product, productIdOf } from './product.ts';

/** How long what was read may be used again in the isolate, in ms, so that one popular product does not cap the shop. */
const FRESH_MS = 1_000;
const MAX_KEPT = 1_000;

/**
 * What products cost, from the write side's own state: authoritative, unlike a read model. Reads run side by side; what was read less
 * than a second ago is used again, unless the sender has seen a newer version.
 */
export function priceList(aggregates: Pick<Aggregates, 'state'>, clock: Pick<Clock, 'now'>): ProductPrices {
  const kept = new Map<string, { readonly offer: Offer; readonly readAt: number }>();

  async function read(sku: string): Promise<Offer | undefined> {
    const productId = productIdOf(sku);
    const current = await aggregates.state(streamId(PRODUCT, productId));
    const product = current?.state as Product | undefined;
    if (!current || product?.status !== 'listed') return undefined;
    const { name, category, price } = product;
    const offer = { sku: product.sku, productId, productVersion: current.version, name, category, price };
    if (kept.size >= MAX_KEPT) kept.clear();
    // A slow read may come in after a newer one.
    const isOvertaken = (kept.get(offer.sku)?.offer.productVersion ?? 0) > offer.productVersion;
    if (!isOvertaken) kept.set(offer.sku, { offer, readAt: clock.now() });
    return offer;
  }

  /** Whether what was read then may be used again. (A clock that goes back makes nothing fresh.) */
  function isFresh(readAt: number): boolean {
    const ageMs = clock.now() - readAt;
    return ageMs >= 0 && ageMs < FRESH_MS;
  }

  return {
    async offersOf(skus, seenVersion) {
      const offers = await Promise.all(
        [...new Set(skus.map(normalSku))].map(async (sku) => {
          const known = kept.get(sku);
          return known !== undefined && isFresh(known.readAt) && shows(known.offer, seenVersion)
            ? known.offer
            : read(sku);
        }),
      );
      return offers.filter((offer) => offer !== undefined);
    },
  };
}

/** Whether an offer is no older than what the sender has seen. Who may have seen any version has to be shown the present one. */
function shows(offer: Offer, seenVersion: SeenVersion): boolean {
  const seen = seenVersion(streamId(PRODUCT, offer.productId));
  return seen !== 'unknown' && offer.productVersion >= seen;
}
