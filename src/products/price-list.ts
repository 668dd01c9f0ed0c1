import { streamId } from '../eventsourcing/stream.ts';
import type { Clock } from '../eventsourcing/clock.ts';
import type { Aggregates } from '../eventsourcing/write/aggregates.ts';
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
    kept.set(offer.sku, { offer, readAt: clock.now() });
    return offer;
  }

  return {
    async offersOf(skus, seenVersion) {
      const offers = await Promise.all(
        [...new Set(skus.map(normalSku))].map(async (sku) => {
          const known = kept.get(sku);
          const isFresh = known !== undefined && clock.now() - known.readAt < FRESH_MS;
          const isSeen =
            known !== undefined && known.offer.productVersion >= seenVersion(streamId(PRODUCT, known.offer.productId));
          return isFresh && isSeen ? known.offer : read(sku);
        }),
      );
      return offers.filter((offer) => offer !== undefined);
    },
  };
}
