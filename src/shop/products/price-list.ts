import { CONNECTIONS_AT_ONCE, eachOf } from '../../eventsourcing/concurrency.ts';
import type { Clock } from '../../eventsourcing/clock.ts';
import { type Seen, type SeenOf, isAnother } from '../../eventsourcing/seen.ts';
import type { StreamId } from '../../eventsourcing/stream.ts';
import type { Aggregates } from '../../eventsourcing/write/aggregates.ts';
import type { Offer, ProductPrices } from '../orders/product-prices.ts';
import { normalSku } from '../sku.ts';
import { type Product, product, productIdOf } from './product.ts';

/** How long what was read may be used again in the isolate, in ms, so that one popular product does not cap the shop. */
const FRESH_MS = 1_000;
const MAX_KEPT = 1_000;
/**
 * Once so many SKUs of an order are unknown, no further product is asked for. Each one asked wakes an object, and what does not exist is not
 * kept: a product has to be found as soon as it exists. With the reads under way, an order wakes the objects of 15 products that nobody made,
 * at most.
 */
const MAX_UNKNOWN = 10;

/** What is known of a product: its version, 0 when it does not exist, and what it is offered at. */
interface Known {
  readonly stream: StreamId;
  readonly version: number;
  /** Ids of the stream's events by version: that at `version`, and those looked up for clients who have seen an earlier one. */
  readonly eventIds: Map<number, string | undefined>;
  readonly offer?: Offer;
}

/**
 * What products cost, from the write side's own state: authoritative, unlike a read model. A few reads run side by side; what was read
 * less than a second ago is used again, unless the sender has seen a newer version, or another event.
 */
export function priceList(aggregates: Pick<Aggregates, 'state' | 'load'>, clock: Pick<Clock, 'now'>): ProductPrices {
  const kept = new Map<string, { readonly known: Known; readonly readAt: number }>();

  async function read(sku: string): Promise<Known> {
    const productId = productIdOf(sku);
    const stream = product.streamOf(productId);
    // Before the read, since what it brings may be from any moment after that.
    const readAt = clock.now();
    const current = await aggregates.state(stream);
    const state = current?.state as Product | undefined;
    const eventIds = new Map(current && [[current.version, current.eventId]]);
    if (!current || state?.status !== 'listed') return { stream, version: current?.version ?? 0, eventIds };
    const { version } = current;
    const { name, category, price } = state;
    const known = {
      stream,
      version,
      eventIds,
      offer: { sku, productId, productVersion: version, name, category, price },
    };
    if (kept.size >= MAX_KEPT) kept.clear();
    // A slow read may come in after a newer one. What is old may be of a log that was set back since.
    const other = kept.get(sku);
    const isOvertaken = other !== undefined && isFresh(other.readAt) && other.known.version > version;
    if (!isOvertaken) kept.set(sku, { known, readAt });
    return known;
  }

  /** Whether what was read then may be used again. (A clock that goes back makes nothing fresh.) */
  function isFresh(readAt: number): boolean {
    const ageMs = clock.now() - readAt;
    return ageMs >= 0 && ageMs < FRESH_MS;
  }

  /** Whether it is no older than what the sender has seen, and of the same history. One who may have seen any version is shown the present one. */
  async function shows({ stream, version, eventIds }: Known, seenOf: SeenOf): Promise<boolean> {
    const seen = seenOf(stream);
    if (seen === 'unknown' || version < seen.version) return false;
    if (seen.fingerprint === undefined) return true;
    if (!eventIds.get(seen.version)) {
      const { events } = await aggregates.load(stream, seen.version, 1);
      eventIds.set(seen.version, events[0]?.id);
    }
    return !isAnother(seen, eventIds.get(seen.version));
  }

  function mayHaveSeenMore(seen: Seen | 'unknown'): boolean {
    return seen === 'unknown' || seen.isLeast === true;
  }

  /** What is known of a product, as far as the sender may see it; read anew where what was kept does not do. */
  async function lookUp(sku: string, seenOf: SeenOf): Promise<Known & { readonly isLost: boolean }> {
    const before = kept.get(sku);
    const mayBeUsed = before && isFresh(before.readAt) && !mayHaveSeenMore(seenOf(before.known.stream));
    if (mayBeUsed && (await shows(before.known, seenOf))) return { ...before.known, isLost: false };
    const known = await read(sku);
    return { ...known, isLost: seenOf(known.stream) !== 'unknown' && !(await shows(known, seenOf)) };
  }

  return {
    async offersOf(skus, seenOf) {
      let unknown = 0;
      const skipped: string[] = [];
      const asked = await eachOf([...new Set(skus.map(normalSku))], CONNECTIONS_AT_ONCE, async (sku) => {
        if (unknown >= MAX_UNKNOWN) {
          skipped.push(sku);
          return [];
        }
        const known = await lookUp(sku, seenOf);
        if (!known.offer) unknown += 1;
        return known;
      });
      const products = asked.flat();
      for (const { stream, version, isLost } of products) {
        const seen = seenOf(stream);
        if (isLost && seen !== 'unknown')
          return { outcome: 'token-ahead', stream, seenVersion: seen.version, head: version };
      }
      return { outcome: 'prepared', added: { offers: products.flatMap(({ offer }) => offer ?? []), skipped } };
    },
  };
}
