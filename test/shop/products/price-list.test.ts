import { describe, expect, test } from 'vitest';

import { type SeenOf, UNSEEN, seenAt } from '../../../src/tidemark/domain/seen.ts';
import { type StreamId } from '../../../src/tidemark/domain/stream.ts';
import { inMemorySystem } from '#tidemark/testing';
import type { ProductPrices } from '../../../src/shop/orders/product-prices.ts';
import { products } from '../../../src/shop/products/module.ts';
import { priceList } from '../../../src/shop/products/price-list.ts';
import { product, productIdOf } from '../../../src/shop/products/product.ts';

const eur = (amount: number) => ({ amount, currency: 'EUR' });
const unseen: SeenOf = () => UNSEEN;
const noLog = () => expect.unreachable('the log was read');

/** A shop with some products at 1000 cents, its price list, and how often the write side was read. */
async function shopWith(...skus: readonly string[]) {
  const memory = inMemorySystem([products]);
  for (const sku of skus) {
    const data = { productId: productIdOf(sku), sku, name: `Product ${sku}`, category: 'almanacs', price: eur(1000) };
    await memory.bus.dispatch({ type: 'CreateProduct', data }, memory.context());
  }
  const reads: StreamId[] = [];
  /** Versions whose events were looked up by themselves. */
  const looks: number[] = [];
  const prices = priceList({
    aggregates: {
      state(stream, asOf) {
        reads.push(stream);
        return memory.aggregates.state(stream, asOf);
      },
      load(stream, fromVersion, limit) {
        looks.push(fromVersion);
        return memory.aggregates.load(stream, fromVersion, limit);
      },
    },
    clock: memory.clock,
  });
  const setPrice = (sku: string, amount: number) =>
    memory.bus.dispatch(
      { type: 'UpdatePrice', data: { productId: productIdOf(sku), price: eur(amount), reason: 'Sale' } },
      memory.context(),
    );
  const amountsOf = async (some: readonly string[], seen?: SeenOf) =>
    (await offersOf(prices, some, seen)).map(({ price }) => price.amount);
  return { ...memory, prices, reads, looks, setPrice, amountsOf };
}

/** The offers, where nothing speaks against them. */
async function offersOf(prices: ProductPrices, skus: readonly string[], seen: SeenOf = unseen) {
  const asked = await prices.offersOf(skus, seen);
  return asked.outcome === 'prepared' ? asked.added.offers : expect.unreachable(asked.outcome);
}

describe('the price list', () => {
  test('offers each product as the write side has it, with its version', async () => {
    const { prices, setPrice } = await shopWith('A', 'B');
    await setPrice('B', 900);
    expect(await offersOf(prices, ['A', 'B'])).toEqual([
      {
        sku: 'A',
        productId: productIdOf('A'),
        productVersion: 1,
        name: 'Product A',
        category: 'almanacs',
        price: eur(1000),
      },
      {
        sku: 'B',
        productId: productIdOf('B'),
        productVersion: 2,
        name: 'Product B',
        category: 'almanacs',
        price: eur(900),
      },
    ]);
  });

  test('leaves out unknown products', async () => {
    const { prices } = await shopWith('A');
    expect((await offersOf(prices, ['X', 'A', 'Y'])).map(({ sku }) => sku)).toEqual(['A']);
  });

  test('finds a product by any spelling of its SKU, and reads it once', async () => {
    const { prices, reads } = await shopWith('TIDE-2027');
    expect(await offersOf(prices, [' tide-2027 ', 'TIDE-2027'])).toMatchObject([{ sku: 'TIDE-2027' }]);
    expect(reads).toHaveLength(1);
  });

  test('reads side by side, six at a time at most', async () => {
    const { clock } = await shopWith();
    const mostAtOnce = async (count: number) => {
      let atOnce = 0;
      let most = 0;
      const state = async () => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await Promise.resolve();
        atOnce -= 1;
        return undefined;
      };
      const skus = Array.from({ length: count }, (_, index) => `SKU-${index}`);
      await priceList({ aggregates: { state, load: noLog }, clock }).offersOf(skus, unseen);
      return most;
    };
    expect(await mostAtOnce(3)).toBe(3);
    expect(await mostAtOnce(100)).toBe(6);
  });

  test('skips the rest once ten are unknown, and names the skipped ones', async () => {
    const { prices, reads } = await shopWith('A', 'Z');
    const ghosts = Array.from({ length: 98 }, (_, index) => `GHOST-${index}`);
    const asked = await prices.offersOf(['A', ...ghosts, 'Z'], unseen);
    if (asked.outcome !== 'prepared') expect.unreachable(asked.outcome);
    const { offers, skipped } = asked.added;
    expect(offers).toMatchObject([{ sku: 'A' }]);
    expect(skipped).toHaveLength(100 - reads.length);
    expect(skipped).toContain('Z');
    // Those that were under way when the tenth turned out to be unknown.
    expect(reads.length).toBeGreaterThanOrEqual(11);
    expect(reads.length).toBeLessThanOrEqual(1 + 10 + 5);
  });

  test('skips none as long as fewer than ten are unknown', async () => {
    const { prices, reads } = await shopWith('Z');
    const ghosts = Array.from({ length: 9 }, (_, index) => `GHOST-${index}`);
    expect(await prices.offersOf([...ghosts, 'Z'], unseen)).toMatchObject({
      added: { offers: [{ sku: 'Z' }], skipped: [] },
    });
    expect(reads).toHaveLength(10);
  });

  test('offers nothing to a client that has seen a later version of a product than its log holds (I15)', async () => {
    const { prices } = await shopWith('A', 'B');
    const changed = product.streamOf(productIdOf('B'));
    const seenOf =
      (version: number): SeenOf =>
      (stream) => ({ version: stream === changed ? version : 0 });
    const ahead = { outcome: 'token-ahead', stream: changed, seenVersion: 2, head: 1 };
    expect(await prices.offersOf(['A', 'B'], seenOf(2))).toEqual(ahead);
    expect(await prices.offersOf(['A', 'B'], seenOf(1))).toMatchObject({ outcome: 'prepared' });
    expect(await prices.offersOf(['A'], seenOf(2))).toMatchObject({ outcome: 'prepared' });
  });

  test('offers nothing to a client that has seen another event at that version than its log has (I21)', async () => {
    const { prices, events, setPrice, looks } = await shopWith('A');
    await setPrice('A', 900);
    const [first, second] = events;
    const seen =
      (version: number, eventId = ''): SeenOf =>
      () =>
        seenAt(version, eventId);
    const read = { outcome: 'prepared' };
    // Whether or not the first read is remembered.
    for (const _ of [1, 2]) {
      const ahead = { outcome: 'token-ahead', seenVersion: 2, head: 2 };
      expect(await prices.offersOf(['A'], seen(2, 'lost'))).toMatchObject(ahead);
      expect(await prices.offersOf(['A'], seen(2, second?.id))).toMatchObject(read);
      expect(await prices.offersOf(['A'], seen(1, 'lost'))).toMatchObject({ ...ahead, seenVersion: 1 });
      expect(await prices.offersOf(['A'], seen(1, first?.id))).toMatchObject(read);
      expect(await prices.offersOf(['A'], () => ({ version: 1 }))).toMatchObject(read);
    }
    // What a client has seen of a former version is looked up once, and kept with the price: a popular product is not asked for each order.
    looks.length = 0;
    for (const _ of [1, 2, 3]) await prices.offersOf(['A'], seen(1, first?.id));
    expect(looks).toEqual([]);
  });

  test('does not treat a product as unknown that the client has seen, but its log does not hold', async () => {
    const { prices } = await shopWith();
    expect(await prices.offersOf(['A'], () => ({ version: 1 }))).toMatchObject({
      outcome: 'token-ahead',
      seenVersion: 1,
      head: 0,
    });
    expect(await prices.offersOf(['A'], () => 'unknown')).toEqual({
      outcome: 'prepared',
      added: { offers: [], skipped: [] },
    });
  });
});

describe('a product that was read', () => {
  test('is used again for less than a second', async () => {
    const { amountsOf, setPrice, reads, clock } = await shopWith('A');
    await amountsOf(['A']);
    await setPrice('A', 900);
    clock.advance(999);
    expect(await amountsOf(['A'])).toEqual([1000]);
    expect(reads).toHaveLength(1);
    clock.advance(1);
    expect(await amountsOf(['A'])).toEqual([900]);
    expect(reads).toHaveLength(2);
  });

  test('is used again even after the log was set back', async () => {
    const { setPrice, aggregates, clock } = await shopWith('A');
    await setPrice('A', 900);
    const reads: StreamId[] = [];
    let asOf: { readonly version: number } | undefined;
    const prices = priceList({
      aggregates: {
        state(stream) {
          reads.push(stream);
          return aggregates.state(stream, asOf);
        },
        load: noLog,
      },
      clock: clock,
    });
    await offersOf(prices, ['A']);
    asOf = { version: 1 };
    clock.advance(1_000);
    reads.length = 0;
    for (const _ of [1, 2, 3]) expect(await offersOf(prices, ['A'])).toMatchObject([{ price: eur(1000) }]);
    expect(reads).toHaveLength(1);
  });

  test('is as old as the start of its read', async () => {
    const { clock } = await shopWith();
    let version = 0;
    const state = async () => {
      version += 1;
      const read = { version, state: { status: 'listed', sku: 'A', name: 'A', category: 'c', price: eur(version) } };
      clock.advance(600);
      return read;
    };
    const prices = priceList({ aggregates: { state, load: noLog }, clock });
    await prices.offersOf(['A'], unseen);
    clock.advance(500);
    expect(await offersOf(prices, ['A'])).toMatchObject([{ price: eur(2) }]);
  });

  test('is never used for a client that has seen a newer version (I15)', async () => {
    const { amountsOf, setPrice } = await shopWith('A', 'B');
    await amountsOf(['A', 'B']);
    await setPrice('A', 900);
    const changed = product.streamOf(productIdOf('A'));
    expect(await amountsOf(['A', 'B'], (stream) => ({ version: stream === changed ? 2 : 1 }))).toEqual([900, 1000]);
    // The result of that read serves every client.
    expect(await amountsOf(['A'])).toEqual([900]);
  });

  test('is remembered only if it exists: a missing product is found as soon as it exists', async () => {
    const { amountsOf, bus, context } = await shopWith();
    expect(await amountsOf(['A'])).toEqual([]);
    await bus.dispatch(
      {
        type: 'CreateProduct',
        data: { productId: productIdOf('A'), sku: 'A', name: 'A', category: 'c', price: eur(1) },
      },
      context(),
    );
    expect(await amountsOf(['A'])).toEqual([1]);
  });

  test('is forgotten if more than a thousand are remembered', async () => {
    const { clock } = await shopWith();
    const skus = Array.from({ length: 1_001 }, (_, index) => `SKU-${index}`);
    const skuOf = new Map(skus.map((sku) => [product.streamOf(productIdOf(sku)), sku]));
    const reads: StreamId[] = [];
    const state = async (stream: StreamId) => {
      reads.push(stream);
      return {
        version: 1,
        state: { status: 'listed', sku: skuOf.get(stream), name: 'Many', category: 'c', price: eur(1) },
      };
    };
    const prices = priceList({ aggregates: { state, load: noLog }, clock });
    await prices.offersOf(skus.slice(0, 1_000), unseen);
    await prices.offersOf(skus.slice(1_000), unseen);
    reads.length = 0;
    await prices.offersOf(skus.slice(0, 1), unseen);
    expect(reads).toHaveLength(1);
  });
});
