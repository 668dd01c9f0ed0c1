import { eachOf } from '../eventsourcing/concurrency.ts';
import type { Clock } from '../eventsourcing/clock.ts';
import type { SeenOf } from '../eventsourcing/seen.ts';
import { type StreamId, streamId } from '../eventsourcing/stream.ts';
import type { Aggregates } from '../eventsourcing/write/aggregates.ts';
import type { Offer, ProductPrices } from '../orders/product-prices.ts';
import { normalSku } from '../sku.ts';
import { PRODUCT, type Product, productIdOf } from './product.ts';

/** How long what was read may be used again in the isolate, in ms, so that one popular product does not cap the shop. */
const FRESH_MS = 1_000;
const MAX_KEPT = 1_000;
/** A request of a Worker has six connections. */
const READS_AT_ONCE = 6;

/** What is known of a product: its version, 0 when it does not exist, and what it is offered at. */
interface Known {
  readonly stream: StreamId;
  readonly version: number;
  readonly offer?: Offer;
}

/**
 * What products cost, from the write side's own state: authoritative, unlike a read model. A few reads run side by side; what was read
 * less than a second ago is used again, unless the sender has seen a newer version.
 */
export function priceList(aggregates: Pick<Aggregates, 'state'>, clock: Pick<Clock, 'now'>): ProductPrices {
  const kept = new Map<string, { readonly known: Known; readonly readAt: number }>();

  async function read(sku: string): Promise<Known> {
    const productId = productIdOf(sku);
    const stream = streamId(PRODUCT, productId);
    // Before the read, since what it brings may be from any moment after that.
    const readAt = clock.now();
    const current = await aggregates.state(stream);
    const product = current?.state as Product | undefined;
    if (!current || product?.status !== 'listed') return { stream, version: current?.version ?? 0 };
    const { version } = current;
    const { name, category, price } = product;
    const known = { stream, version, offer: { sku, productId, productVersion: version, name, category, price } };
    if (kept.size >= MAX_KEPT) kept.clear();
    // A slow read may come in after a newer one.
    const isOvertaken = (kept.get(sku)?.known.version ?? 0) > version;
    if (!isOvertaken) kept.set(sku, { known, readAt });
    return known;
  }

  /** Whether what was read then may be used again. (A clock that goes back makes nothing fresh.) */
  function isFresh(readAt: number): boolean {
    const ageMs = clock.now() - readAt;
    return ageMs >= 0 && ageMs < FRESH_MS;
  }

  return {
    async offersOf(skus, seenOf) {
      const products = await eachOf([...new Set(skus.map(normalSku))], READS_AT_ONCE, async (sku) => {
        const before = kept.get(sku);
        return before !== undefined && isFresh(before.readAt) && shows(before.known, seenOf) ? before.known : read(sku);
      });
      for (const { stream, version } of products) {
        const seen = seenOf(stream);
        if (seen !== 'unknown' && seen.version > version) {
          return { outcome: 'token-ahead', stream, seenVersion: seen.version, head: version };
        }
      }
      return { outcome: 'read', offers: products.flatMap(({ offer }) => offer ?? []) };
    },
  };
}

/** Whether it is no older than what the sender has seen. Who may have seen any version has to be shown the present one. */
function shows({ stream, version }: Known, seenOf: SeenOf): boolean {
  const seen = seenOf(stream);
  return seen !== 'unknown' && version >= seen.version;
}
