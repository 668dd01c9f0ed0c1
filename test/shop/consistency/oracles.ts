import { differences, firstFew, keyedDifferences, type Findings } from '../../consistency/differences.ts';
import { type Order, type Product, STATUSES, dayOf, foldOrder, foldProduct, pricesIn, actorOf } from './naive-folds.ts';
import {
  type Logs,
  type Obstacles,
  type StoredEvent,
  NO_OBSTACLES,
  appliedTo,
  idOf,
} from '../../consistency/applied.ts';
import { finds, searchesFor } from './naive-search.ts';
import { type Grouping, type Span, compare, countOf, groupsOf, revenueOf, sellersOf, shownSum } from './naive-sums.ts';

type Body = Readonly<Record<string, unknown>>;

/** Answers that were read at rest, to be held against each other. */
export interface MoneyRead {
  /** Every item of `GET /orders`. */
  readonly orders: readonly unknown[];
  /** Bodies of `GET /analytics/orders`, over all days, one for each grouping. */
  readonly analytics: readonly unknown[];
  /** The body of `GET /dashboard`. */
  readonly dashboard: unknown;
}

/**
 * What every read model has to hold at rest (I11): the fold of the logs, written straight from the events and the HTTP contract, apart from the
 * projections. Each judge takes what was read, as it came over HTTP (so it serves inside workerd and against a process), and gives back
 * the first differences.
 *
 *     const oracles = oraclesOf(logs, { skipped, held });
 *     expect(oracles.orders(everyItemOf('/orders'))).toEqual([]);
 */
export function oraclesOf(logs: Logs, obstacles: Obstacles = NO_OBSTACLES) {
  const applied = (readModel: string, category: string) => appliedTo(readModel, category, logs, obstacles);
  const ordersIn = once((readModel: string): readonly Order[] =>
    [...applied(readModel, 'order').values()]
      .flatMap((events) => foldOrder(events) ?? [])
      .toSorted((one, other) => compare(other.placedAt, one.placedAt) || compare(other.orderId, one.orderId)),
  );
  const products = once((readModel: string): readonly Product[] =>
    [...applied(readModel, 'product').values()]
      .flatMap((events) => foldProduct(events) ?? [])
      .toSorted((one, other) => compare(one.createdAt, other.createdAt) || compare(one.productId, other.productId)),
  );

  return {
    /** Every item of `GET /orders`, newest first. */
    orders(items: readonly unknown[]): Findings {
      const expected = ordersIn('order-lookup');
      return firstFew(keyedDifferences('GET /orders:', expected, items, ({ orderId }) => orderId, { inOrder: true }));
    },

    /** The body of `GET /orders/{orderId}`; undefined: there is no such order. */
    order(orderId: string, body: unknown): Findings {
      const expected = ordersIn('order-lookup').find((order) => order.orderId === orderId);
      return firstFew(differences(`GET /orders/${orderId}: the body`, expected, body));
    },

    /** Every item of `GET /products`, oldest first. */
    products(items: readonly unknown[]): Findings {
      const expected = products('product-catalog');
      return firstFew(
        keyedDifferences('GET /products:', expected, items, ({ productId }) => productId, { inOrder: true }),
      );
    },

    /** The body of `GET /products/{productId}`; undefined: there is no such product. */
    product(productId: string, body: unknown): Findings {
      const expected = products('product-catalog').find((product) => product.productId === productId);
      return firstFew(differences(`GET /products/${productId}: the body`, expected, body));
    },

    /** Every item of `GET /products/{productId}/prices`, oldest first. */
    prices(productId: string, items: readonly unknown[]): Findings {
      const expected = pricesIn(applied('product-catalog', 'product').get(`product-${productId}`) ?? []);
      return firstFew(
        keyedDifferences(`GET /products/${productId}/prices: version`, expected, items, ({ version }) => `${version}`, {
          inOrder: true,
        }),
      );
    },

    /** Searches that have to find something, a few for each order. */
    searches(): readonly string[] {
      return [...new Set(ordersIn('order-search').flatMap(searchesFor))];
    },

    /** Every item of `GET /orders/search?q=`. The ranking is not judged, nor what is found where folding is not plain. */
    search(q: string, hits: readonly unknown[]): Findings {
      const path = `GET /orders/search?q=${q}:`;
      const byId = new Map(ordersIn('order-search').map((order) => [order.orderId, order]));
      const found = (hits as readonly Body[]).map(({ highlights: _highlights, ...body }) => body);
      const ids = found.map(({ orderId }) => orderId);
      const orders = [...byId.values()];
      return firstFew([
        ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `${path} finds ${String(id)} twice`),
        ...found.flatMap((body) =>
          differences(`${path} ${String(body['orderId'])}`, byId.get(String(body['orderId'])), body),
        ),
        ...orders
          .filter((order) => finds(q, order) === true && !ids.includes(order.orderId))
          .map(({ orderId }) => `${path} does not find ${orderId}`),
        ...orders
          .filter((order) => finds(q, order) === false && ids.includes(order.orderId))
          .map(({ orderId }) => `${path} finds ${orderId}, which does not match`),
      ]);
    },

    /** The body of `GET /analytics/orders`. The order of groups is not part of the contract. */
    analytics({ groupBy, ...span }: { readonly groupBy: Grouping } & Span, body: unknown): Findings {
      const { groups, ...head } = body as Body;
      const path = `GET /analytics/orders?groupBy=${groupBy}:`;
      const expected = groupsOf(ordersIn('order-analytics'), groupBy, span).map((group) => {
        return { ...asNumbers(group), ...shownSum('total', group.total) };
      });
      return firstFew([
        ...differences(path, { groupBy, from: span.from ?? null, to: span.to ?? null, nextCursor: null }, head),
        ...keyedDifferences(
          path,
          expected,
          groups as readonly unknown[],
          ({ key, currency }) => `${String(key)} ${currency}`,
          {
            inOrder: false,
          },
        ),
      ]);
    },

    /** Rows of the table of facts, with columns in camelCase and `lines` parsed: what no route shows. */
    facts(rows: readonly unknown[]): Findings {
      const expected = ordersIn('order-analytics').map((order) => ({
        orderId: order.orderId,
        version: order.version,
        placedOn: dayOf(order),
        status: order.status,
        customerSegment: order.customerSegment,
        region: order.region,
        currency: order.currency,
        lines: order.items.map(({ sku, category, quantity, unitPrice, returned }) => {
          return { sku, category, quantity, unitAmount: unitPrice.amount, returned };
        }),
      }));
      return firstFew(
        keyedDifferences('order-analytics: the fact', expected, rows, ({ orderId }) => orderId, { inOrder: false }),
      );
    },

    /** Rows of the table of revenue, `{ day, currency, total }`, with the day '' for all days. A total of zero may as well have no row. */
    revenueByDay(rows: readonly unknown[]): Findings {
      const orders = ordersIn('dashboard');
      const expected = [undefined, ...new Set(orders.map(dayOf))].flatMap((day) =>
        [...revenueOf(orders, day)].map(([currency, total]) => ({ day: day ?? '', currency, total: Number(total) })),
      );
      const counts = ({ total }: Body): boolean => total !== 0;
      return firstFew(
        keyedDifferences(
          'dashboard: the revenue',
          expected.filter(counts),
          (rows as readonly Body[]).filter(counts),
          ({ day, currency }) => `${day === '' ? 'of all days' : `of ${day}`} in ${currency}`,
          { inOrder: false },
        ),
      );
    },

    /** The body of `GET /dashboard`, read on that UTC date. A currency of which nothing is sold any more may be there with zeros, or not. */
    dashboard(today: string, body: unknown): Findings {
      const orders = ordersIn('dashboard');
      const ofToday = revenueOf(orders, today);
      const revenue = [...revenueOf(orders)].map(([currency, total]) => {
        return { currency, ...shownSum('total', total), ...shownSum('today', ofToday.get(currency) ?? 0n) };
      });
      const { revenue: read, ...rest } = body as Body;
      const counts = (row: Body): boolean => row['total'] !== 0 || row['today'] !== 0;
      const expected = {
        ordersByStatus: Object.fromEntries(STATUSES.map((status) => [status, countOf(orders, status)])),
        bestSellers: sellersOf(orders)
          .slice(0, 10)
          .map(({ quantity, ...seller }) => ({ ...seller, quantity: Number(quantity) })),
        latestOrders: orders.slice(0, 10).map(({ orderId, customerName, status, total, placedAt }) => {
          return { orderId, customerName, status, total, placedAt };
        }),
      };
      return firstFew([
        ...differences('GET /dashboard: the body', expected, rest),
        ...keyedDifferences(
          'GET /dashboard: the revenue in',
          revenue.filter(counts),
          (read as readonly Body[]).filter(counts),
          ({ currency }) => currency,
          { inOrder: false },
        ),
      ]);
    },

    /** Every item of `GET /events`: the union of all streams, each event once, each stream in its order. */
    archive(items: readonly unknown[]): Findings {
      const categories = new Set(Object.keys(logs).map((stream) => stream.slice(0, stream.indexOf('-'))));
      const streams = [...categories].flatMap((category) => [...applied('archive', category).values()]);
      const keyOf = ({ source, streamversion }: ReturnType<typeof toCloudEvent>): string =>
        `${source}@${streamversion}`;
      const found = keyedDifferences('GET /events:', streams.flat().map(toCloudEvent), items, keyOf, {
        inOrder: false,
      });
      const last = new Map<string, number>();
      const backwards = (items as readonly ReturnType<typeof toCloudEvent>[]).flatMap(({ source, streamversion }) => {
        const before = last.get(source) ?? 0;
        last.set(source, streamversion);
        return streamversion > before ? [] : [`GET /events: ${source}@${streamversion} comes after version ${before}`];
      });
      return firstFew([...found, ...backwards]);
    },

    /**
     * Money conserved: by currency, what the orders come to is what the facts come to in every grouping, and what the dashboard says. Of what
     * was read alone, whatever the logs say; nothing is said where an obstacle keeps the read models from holding the same.
     */
    money({ orders, analytics, dashboard }: MoneyRead): Findings {
      if (obstacles.skipped.length > 0 || obstacles.held.length > 0) return [];
      const sums: [string, ReadonlyMap<string, bigint>][] = [
        ['the sum over GET /orders', revenueOf(orders as readonly Order[])],
        ...(analytics as readonly { readonly groupBy: string; readonly groups: readonly Body[] }[]).map(
          ({ groupBy, groups }): [string, ReadonlyMap<string, bigint>] => [
            `the sum over analytics by ${groupBy}`,
            totals(groups),
          ],
        ),
        ['the dashboard', totals((dashboard as { readonly revenue: readonly Body[] }).revenue)],
      ];
      const currencies = new Set(sums.flatMap(([, byCurrency]) => [...byCurrency.keys()]));
      return firstFew(
        [...currencies].flatMap((currency) => {
          const values = sums.map(([, byCurrency]) => byCurrency.get(currency) ?? 0n);
          if (values.every((value) => value === values[0])) return [];
          return [`In ${currency}, ${sums.map(([name], index) => `${name} is ${values[index]}`).join(', ')}`];
        }),
      );
    },
  };
}

/** As the feed has it: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md. */
function toCloudEvent({ id, stream, version, type, schemaVersion, data, metadata, recordedAt }: StoredEvent) {
  return {
    specversion: '1.0',
    id,
    source: `/streams/${stream}`,
    type,
    subject: idOf(stream),
    time: recordedAt,
    datacontenttype: 'application/json',
    streamversion: version,
    schemaversion: schemaVersion,
    correlationid: metadata['correlationId'],
    causationid: metadata['causationId'],
    actor: Object.values(actorOf(metadata)).join(':'),
    data: data as unknown,
  };
}

/** JSON has numbers: a sum beyond 2^53 is rounded there as `Number` rounds it. */
function asNumbers<Row extends object>(row: Row) {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : (value as unknown)]),
  ) as { [Field in keyof Row]: Row[Field] extends bigint ? number : Row[Field] };
}

function totals(rows: readonly Body[]): ReadonlyMap<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { currency, total, exactTotal = total } of rows) {
    sums.set(String(currency), (sums.get(String(currency)) ?? 0n) + BigInt(exactTotal as number | string));
  }
  return sums;
}

/** Folds a log once for each read model. */
function once<Result>(compute: (readModel: string) => Result): (readModel: string) => Result {
  const known = new Map<string, Result>();
  return (readModel) => {
    const result = known.get(readModel) ?? compute(readModel);
    known.set(readModel, result);
    return result;
  };
}
