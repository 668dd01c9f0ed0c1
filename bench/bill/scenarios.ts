import { setTimeout as sleep } from 'node:timers/promises';

import { productIdOf } from '../../src/shop/products/product.ts';

/** Something that is done some times over on a server, and counted. */
export interface Scenario {
  readonly name: string;
  /** How often it is done. */
  readonly times: number;
  /** What has to be there; it is not counted. */
  readonly before?: (api: Api) => Promise<void>;
  readonly act: (api: Api) => Promise<void>;
}

/** A contender, spoken to as a client does. */
export interface Api {
  readonly get: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Response>;
  /** With an idempotency key of its own where the promises are kept. */
  readonly post: (path: string, body: object) => Promise<Response>;
}

const TIMES = 20;
const HOT = 10;
const CLIENTS = 64;
const BUSY = 1_000;

const product = (n: number) => ({
  name: `Tide table ${n}`,
  price: { amount: 1_999, currency: 'EUR' },
  category: 'almanacs',
  sku: `BILL-${n}`,
});
const idOf = (n: number) => productIdOf(`BILL-${n}`);
let lastAmount = 1_000;
/** One that nothing has had before. */
const newPrice = () => ({ price: { amount: (lastAmount += 1), currency: 'EUR' }, reason: 'Spring sale' });
const order = (n: number) => ({
  customerId: `c-${n}`,
  customerName: 'Ada Lovelace',
  customerSegment: 'retail',
  region: 'EU',
  items: [0, 1, 2].map((line) => ({ sku: `BILL-${line}`, quantity: 1 + line })),
});

const created = new WeakMap<Api, number>();

/** Has so many products there, whatever scenario may have been before. */
const products = (count: number) => async (api: Api) => {
  const before = created.get(api) ?? 0;
  for (let n = before; n < count; n += 1) await api.post('/products', product(n));
  created.set(api, Math.max(before, count));
};

async function place(api: Api, n: number): Promise<string> {
  const { orderId }: { orderId: string } = await (await api.post('/orders', order(n))).json();
  return orderId;
}

const each = (act: (api: Api, n: number) => Promise<unknown>) => async (api: Api) => {
  await Promise.all(Array.from({ length: TIMES }, (_, n) => act(api, n)));
};

const orderIds = new WeakMap<Api, readonly string[]>();

async function placed(api: Api): Promise<void> {
  await products(3)(api);
  const ids: string[] = [];
  for (let n = 0; n < TIMES; n += 1) ids.push(await place(api, n));
  orderIds.set(api, ids);
}

const anOrder = (api: Api, n: number) => `/orders/${orderIds.get(api)?.[n]}`;

/** Price changes of products that have been quiet for a while, so many of each at once. */
const priceChanges = (name: string, atOnce: number): Scenario => ({
  name,
  times: TIMES * atOnce,
  before: products(TIMES),
  act: each((api, n) =>
    Promise.all(Array.from({ length: atOnce }, () => api.post(`/products/${idOf(n)}/price`, newPrice()))),
  ),
});

/** Of which the targets are with idempotency keys as well. */
export const HOT_PRICE_CHANGE = priceChanges('price change, hot', HOT);

/** Commands that the targets are about: of streams that are quiet otherwise, and many at once for one stream. */
export const WITH_TARGETS: readonly Scenario[] = [
  priceChanges('price change, sparse', 1),
  HOT_PRICE_CHANGE,
  {
    name: 'price change, busy',
    times: BUSY,
    before: products(1),
    async act(api) {
      let left = BUSY;
      const client = async () => {
        while (left > 0) {
          left -= 1;
          await api.post(`/products/${idOf(0)}/price`, newPrice());
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, client));
    },
  },
  { name: 'order of 3 lines, sparse', times: TIMES, before: products(3), act: each(place) },
];

export const COMMANDS: readonly Scenario[] = [
  { name: 'create a product', times: TIMES, act: each((api, n) => api.post('/products', product(n))) },
  ...WITH_TARGETS,
  {
    name: 'price change, ten a second',
    times: TIMES,
    before: products(TIMES),
    async act(api) {
      for (let n = 0; n < TIMES; n += 1) {
        await api.post(`/products/${idOf(n)}/price`, newPrice());
        await sleep(100);
      }
    },
  },
  {
    name: 'shipment, sparse',
    times: TIMES,
    before: placed,
    act: each((api, n) => api.post(`${anOrder(api, n)}/shipment`, { tracking: `T-${n}` })),
  },
];

export const QUERIES: readonly Scenario[] = [
  { name: 'read one order', times: TIMES, before: placed, act: each((api, n) => api.get(anOrder(api, n))) },
  { name: 'list of 20 orders', times: TIMES, act: each((api) => api.get('/orders?limit=20')) },
  { name: 'dashboard', times: TIMES, act: each((api) => api.get('/dashboard')) },
  { name: 'analytics by day', times: TIMES, act: each((api) => api.get('/analytics/orders?groupBy=day')) },
];
