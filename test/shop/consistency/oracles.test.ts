import { describe, expect, it } from 'vitest';

import { foldOrder } from './naive-folds.ts';
import { type StoredEvent, type Logs } from '../../consistency/applied.ts';
import { finds } from './naive-search.ts';
import { oraclesOf } from './oracles.ts';
import { type Findings } from '../../consistency/differences.ts';

const eur = (amount: number) => ({ amount, currency: 'EUR' });
const jpy = (amount: number) => ({ amount, currency: 'JPY' });

/** A stream's log from types, data and times. */
function logOf(
  stream: string,
  ...facts: readonly (readonly [type: string, data: object, recordedAt: string])[]
): StoredEvent[] {
  return facts.map(([type, data, recordedAt], index) => ({
    id: `${stream}/${index + 1}`,
    stream,
    version: index + 1,
    type,
    schemaVersion: 1,
    data,
    metadata: { commandId: 'c', correlationId: 'conversation', causationId: 'request', actor: 'anonymous' },
    recordedAt,
  }));
}

const line = (sku: string, name: string, category: string, quantity: number, unitPrice: object) => {
  return { sku, productId: `p-${sku}`, productVersion: 1, name, category, quantity, unitPrice };
};

const [NOON, EVENING, NEXT_DAY] = ['2026-05-01T12:00:00.000Z', '2026-05-01T20:00:00.000Z', '2026-05-02T08:00:00.000Z'];

const LOGS: Logs = {
  'product-a': logOf(
    'product-a',
    ['ProductCreated', { sku: 'A', name: 'Almanac', category: 'almanacs', price: eur(900) }, NOON],
    ['PriceUpdated', { from: eur(900), to: eur(1000), reason: 'Paper' }, EVENING],
  ),
  'order-1': logOf(
    'order-1',
    [
      'OrderPlaced',
      {
        customerId: 'c-1',
        customerName: 'Ada Lovelace',
        customerSegment: 'retail',
        region: 'EU',
        lines: [line('A', 'Almanac', 'almanacs', 2, eur(1000)), line('C', 'Chart', 'charts', 1, eur(300))],
        // The oracle adds up by itself.
        total: eur(-1),
        itemCount: -1,
      },
      NOON,
    ],
    // As the first schema version had it, without a carrier.
    ['OrderShipped', { tracking: 'JD0146' }, EVENING],
    ['OrderDelivered', {}, EVENING],
    ['ItemsReturned', { items: [{ sku: 'A', quantity: 1 }], reason: 'Torn' }, NEXT_DAY],
  ),
  'order-2': logOf(
    'order-2',
    [
      'OrderPlaced',
      {
        customerId: 'c-2',
        customerName: 'Émilie du Châtelet',
        customerSegment: null,
        region: null,
        lines: [line('A', 'Almanac', 'almanacs', 5, jpy(100))],
        total: jpy(500),
        itemCount: 5,
      },
      NEXT_DAY,
    ],
    ['OrderCancelled', { reason: 'Twice' }, NEXT_DAY],
  ),
};

const ORDER_1 = {
  orderId: '1',
  customerId: 'c-1',
  customerName: 'Ada Lovelace',
  customerSegment: 'retail',
  region: 'EU',
  status: 'delivered',
  currency: 'EUR',
  total: eur(2300),
  itemCount: 3,
  items: [
    { sku: 'A', name: 'Almanac', category: 'almanacs', quantity: 2, unitPrice: eur(1000), returned: 1 },
    { sku: 'C', name: 'Chart', category: 'charts', quantity: 1, unitPrice: eur(300), returned: 0 },
  ],
  tracking: 'JD0146',
  carrier: null,
  placedAt: NOON,
  updatedAt: NEXT_DAY,
  version: 4,
};
const ORDER_2 = {
  orderId: '2',
  customerId: 'c-2',
  customerName: 'Émilie du Châtelet',
  customerSegment: null,
  region: null,
  status: 'cancelled',
  currency: 'JPY',
  total: jpy(500),
  itemCount: 5,
  items: [{ sku: 'A', name: 'Almanac', category: 'almanacs', quantity: 5, unitPrice: jpy(100), returned: 0 }],
  tracking: null,
  carrier: null,
  placedAt: NEXT_DAY,
  updatedAt: NEXT_DAY,
  version: 2,
};
const PRODUCT = {
  productId: 'a',
  name: 'Almanac',
  sku: 'A',
  category: 'almanacs',
  price: eur(1000),
  createdAt: NOON,
  updatedAt: EVENING,
  version: 2,
};
const PRICES = [
  {
    version: 1,
    from: null,
    to: eur(900),
    reason: null,
    actor: { kind: 'anonymous', id: 'anonymous' },
    changedAt: NOON,
  },
  {
    version: 2,
    from: eur(900),
    to: eur(1000),
    reason: 'Paper',
    actor: { kind: 'anonymous', id: 'anonymous' },
    changedAt: EVENING,
  },
];
const BY_CATEGORY = {
  groupBy: 'category',
  from: null,
  to: null,
  nextCursor: null,
  groups: [
    { key: 'almanacs', currency: 'EUR', orders: 1, items: 1, total: 1000, cancelled: 0 },
    { key: 'charts', currency: 'EUR', orders: 1, items: 1, total: 300, cancelled: 0 },
    { key: 'almanacs', currency: 'JPY', orders: 0, items: 0, total: 0, cancelled: 1 },
  ],
};
const BY_REGION = {
  groupBy: 'region',
  from: null,
  to: null,
  nextCursor: null,
  groups: [
    { key: null, currency: 'JPY', orders: 0, items: 0, total: 0, cancelled: 1 },
    { key: 'EU', currency: 'EUR', orders: 1, items: 2, total: 1300, cancelled: 0 },
  ],
};
const FIRST_DAY = {
  groupBy: 'day',
  from: '2026-05-01',
  to: '2026-05-02',
  nextCursor: null,
  groups: [{ key: '2026-05-01', currency: 'EUR', orders: 1, items: 2, total: 1300, cancelled: 0 }],
};
const FACTS = [
  {
    orderId: '1',
    version: 4,
    placedOn: '2026-05-01',
    status: 'delivered',
    customerSegment: 'retail',
    region: 'EU',
    currency: 'EUR',
    lines: [
      { sku: 'A', category: 'almanacs', quantity: 2, unitAmount: 1000, returned: 1 },
      { sku: 'C', category: 'charts', quantity: 1, unitAmount: 300, returned: 0 },
    ],
  },
  {
    orderId: '2',
    version: 2,
    placedOn: '2026-05-02',
    status: 'cancelled',
    customerSegment: null,
    region: null,
    currency: 'JPY',
    lines: [{ sku: 'A', category: 'almanacs', quantity: 5, unitAmount: 100, returned: 0 }],
  },
];
const REVENUE = [
  { day: '', currency: 'EUR', total: 1300 },
  { day: '2026-05-01', currency: 'EUR', total: 1300 },
];
const DASHBOARD = {
  ordersByStatus: { placed: 0, shipped: 0, delivered: 1, returned: 0, cancelled: 1 },
  revenue: [{ currency: 'EUR', total: 1300, today: 1300 }],
  bestSellers: [
    { sku: 'A', name: 'Almanac', quantity: 1 },
    { sku: 'C', name: 'Chart', quantity: 1 },
  ],
  latestOrders: [
    { orderId: '2', customerName: 'Émilie du Châtelet', status: 'cancelled', total: jpy(500), placedAt: NEXT_DAY },
    { orderId: '1', customerName: 'Ada Lovelace', status: 'delivered', total: eur(2300), placedAt: NOON },
  ],
};
const FEED = Object.values(LOGS)
  .flat()
  .map(({ id, stream, version, type, data, recordedAt }) => ({
    specversion: '1.0',
    id,
    source: `/streams/${stream}`,
    type,
    subject: stream.replace(/^[a-z]+-/, ''),
    time: recordedAt,
    datacontenttype: 'application/json',
    streamversion: version,
    schemaversion: 1,
    correlationid: 'conversation',
    causationid: 'request',
    actor: 'anonymous:anonymous',
    data: data as object,
  }));

type Oracles = ReturnType<typeof oraclesOf>;

/** Answers without a fault, and the judge of each. */
const READINGS: readonly (readonly [
  name: string,
  judge: (oracles: Oracles, read: never) => Findings,
  read: unknown,
])[] = [
  ['GET /orders', (oracles, read) => oracles.orders(read), [ORDER_2, ORDER_1]],
  ['GET /orders/{orderId}', (oracles, read) => oracles.order('1', read), ORDER_1],
  ['GET /products', (oracles, read) => oracles.products(read), [PRODUCT]],
  ['GET /products/{productId}', (oracles, read) => oracles.product('a', read), PRODUCT],
  ['GET /products/{productId}/prices', (oracles, read) => oracles.prices('a', read), PRICES],
  ['GET /orders/search', (oracles, read) => oracles.search('alm', read), [ORDER_1, ORDER_2]],
  ['analytics by category', (oracles, read) => oracles.analytics({ groupBy: 'category' }, read), BY_CATEGORY],
  ['analytics by region', (oracles, read) => oracles.analytics({ groupBy: 'region' }, read), BY_REGION],
  [
    'analytics of one day',
    (oracles, read) => oracles.analytics({ groupBy: 'day', from: '2026-05-01', to: '2026-05-02' }, read),
    FIRST_DAY,
  ],
  ['the facts', (oracles, read) => oracles.facts(read), FACTS],
  ['revenue by day', (oracles, read) => oracles.revenueByDay(read), REVENUE],
  ['GET /dashboard', (oracles, read) => oracles.dashboard('2026-05-01', read), DASHBOARD],
  ['GET /events', (oracles, read) => oracles.archive(read), FEED],
];

/** Every value that differs from another in one place alone: a leaf changed, an item of a list left out, or there twice. */
function* changesOf(value: unknown): Generator {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield value.toSpliced(index, 1);
      yield value.toSpliced(index, 0, item);
      for (const changed of changesOf(item)) yield value.with(index, changed);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, field] of Object.entries(value)) {
      for (const changed of changesOf(field)) yield { ...value, [key]: changed };
    }
  } else {
    yield typeof value === 'number' ? value + 1 : 'something else';
  }
}

describe('the oracles', () => {
  const oracles = oraclesOf(LOGS);

  it.each(READINGS)('accept %s as the log has it', (_, judge, read) => {
    expect(judge(oracles, read as never)).toEqual([]);
  });

  it.each(READINGS)('accept nothing else for %s', (_, judge, read) => {
    const changes = [...changesOf(read)];
    expect(changes.length).toBeGreaterThan(3);
    for (const changed of changes) expect(judge(oracles, changed as never), JSON.stringify(changed)).not.toEqual([]);
  });

  it('name the difference', () => {
    expect(oracles.orders([ORDER_1, ORDER_2])).toEqual(['GET /orders: has 1 at place 1, where 2 belongs']);
    expect(oracles.orders([ORDER_2])).toEqual(['GET /orders: lacks 1']);
    expect(oracles.order('1', { ...ORDER_1, status: 'returned' })).toEqual([
      'GET /orders/1: the body.status is "returned", but by the log "delivered"',
    ]);
    expect(oracles.order('3', ORDER_1)[0]).toMatch(/^GET \/orders\/3: the body is .*, but by the log not there$/);
    expect(oracles.order('1', undefined)[0]).toMatch(/^GET \/orders\/1: the body is not there, but by the log \{/);
    expect(oracles.search('ada', [ORDER_1, ORDER_2])).toEqual([
      'GET /orders/search?q=ada: finds 2, which does not match',
    ]);
    expect(oracles.search('"du chatelet"', [])).toEqual(['GET /orders/search?q="du chatelet": does not find 2']);
    expect(oracles.archive(FEED.toReversed())).toContain('GET /events: /streams/order-2@1 comes after version 2');
    expect(oracles.orders(Array.from({ length: 9 }, (_, index) => ({ orderId: `x${index}` })))).toHaveLength(6);
  });

  it('accept a currency without revenue, and its absence', () => {
    const none = { currency: 'JPY', total: 0, today: 0 };
    expect(oracles.dashboard('2026-05-01', { ...DASHBOARD, revenue: [...DASHBOARD.revenue, none] })).toEqual([]);
    expect(oracles.revenueByDay([...REVENUE, { day: '', currency: 'JPY', total: 0 }])).toEqual([]);
  });

  it('count revenue on the day of placement', () => {
    const revenue = [{ currency: 'EUR', total: 1300, today: 0 }];
    expect(oracles.dashboard('2026-05-02', { ...DASHBOARD, revenue })).toEqual([]);
  });

  it('notice money that is not conserved', () => {
    const read = { orders: [ORDER_1, ORDER_2], analytics: [BY_CATEGORY, BY_REGION], dashboard: DASHBOARD };
    expect(oracles.money(read)).toEqual([]);
    const short = { ...DASHBOARD, revenue: [{ currency: 'EUR', total: 1299, today: 0 }] };
    expect(oracles.money({ ...read, dashboard: short })).toEqual([
      'In EUR, the sum over GET /orders is 1300, the sum over analytics by category is 1300, the sum over analytics by region is 1300, the dashboard is 1299',
    ]);
  });

  it('sum beyond the exact range of a number', () => {
    const lines = [line('A', 'Almanac', 'almanacs', 10_000, eur(90_000_000_000))];
    const placed = { customerId: 'c', customerName: 'n', customerSegment: null, region: 'EU', lines };
    const many = Array.from({ length: 11 }, (_, index) => [
      `order-${index}`,
      logOf(`order-${index}`, ['OrderPlaced', placed, NOON]),
    ]);
    const oracle = oraclesOf(Object.fromEntries(many) as Logs);
    const group = {
      key: 'EU',
      currency: 'EUR',
      orders: 11,
      items: 110_000,
      total: Number.MAX_SAFE_INTEGER,
      exactTotal: '9900000000000000',
      cancelled: 0,
    };
    expect(oracle.analytics({ groupBy: 'region' }, { ...BY_REGION, groups: [group] })).toEqual([]);
  });
});

describe('with obstacles, the oracles', () => {
  const at = (readModel: string, version: number) => ({ readModel, stream: 'order-1', version });

  it('leave out the events that an operator skipped, in that read model only', () => {
    const oracles = oraclesOf(LOGS, { skipped: [at('order-lookup', 4)], held: [] });
    const items = ORDER_1.items.map((item) => ({ ...item, returned: 0 }));
    expect(oracles.order('1', { ...ORDER_1, items, updatedAt: EVENING, version: 3 })).toEqual([]);
    expect(oracles.facts(FACTS)).toEqual([]);
  });

  it('stop a stream at its open dead letter', () => {
    const oracles = oraclesOf(LOGS, { skipped: [], held: [at('order-lookup', 2), at('archive', 3)] });
    const items = ORDER_1.items.map((item) => ({ ...item, returned: 0 }));
    const placed = { ...ORDER_1, items, status: 'placed', tracking: null, updatedAt: NOON, version: 1 };
    expect(oracles.order('1', placed)).toEqual([]);
    expect(oracles.archive(FEED.filter(({ subject, streamversion }) => subject !== '1' || streamversion < 3))).toEqual(
      [],
    );
  });

  it('do not judge sums of money, which are then not conserved', () => {
    const oracles = oraclesOf(LOGS, { skipped: [], held: [at('dashboard', 1)] });
    expect(oracles.money({ orders: [ORDER_1], analytics: [], dashboard: { ...DASHBOARD, revenue: [] } })).toEqual([]);
  });
});

describe('a search that must find an order', () => {
  const order = foldOrder(LOGS['order-1'] ?? []);

  it.each([
    ['ada', true],
    ['LOVE', true],
    ['ada chart', true],
    ['"ada lovelace"', true],
    ['"ada love"', false],
    ['jd01', true],
    ['JD0146', true],
    ['146', false],
    ['ada babbage', false],
    ['"lovelace almanac"', false],
    ['潮汐', undefined],
    ['...', false],
  ])('%s: %s', (q, expected) => {
    expect(order && finds(q, order)).toBe(expected);
  });

  it('comes in a few forms for each order', () => {
    expect(oraclesOf(LOGS).searches()).toEqual(
      expect.arrayContaining(['"Ada Lovelace"', 'ada', 'ad', 'A', 'JD0146', '"Émilie du Châtelet"', 'emilie', 'emi']),
    );
  });
});
