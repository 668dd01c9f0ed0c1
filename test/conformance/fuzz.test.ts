import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  type Headers,
  asOperator,
  createProduct,
  eur,
  get,
  newSku,
  orderAfter,
  placeOrder,
  request,
} from '../support/api.ts';
import { CODES } from './contract.ts';

/** How often each property is tried in a run. */
const RUNS = 300;

/** Never a fault; a refusal is always a problem, whole and with a code of the list. (`request` compares it with the document besides.) */
async function expectSane(answer: Response, statuses = new Set<number>()): Promise<void> {
  statuses.add(answer.status);
  expect(answer.status).toBeLessThan(500);
  if (answer.status < 400) return;
  expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
  const { type, title, status, code, detail, instance } = await answer.json<Record<string, unknown>>();
  expect(CODES).toContain(code);
  expect({ type, status }).toEqual({ type: `/problems/${String(code)}`, status: answer.status });
  for (const member of [title, detail, instance]) expect(member).toMatch(/./s);
}

/** Any JavaScript string: lone surrogates, control characters and all. */
const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'EUR', '', ' ', '0', 'null'),
);
const anyNumber = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 1, 1e300, 9_000_000_001),
);
const { json: anyJson } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    anyText,
    anyNumber,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('json'), { maxLength: 5 }),
    fc.dictionary(anyText, tie('json'), { maxKeys: 5 }),
  ),
}));

/** A body that would be taken, with some of its values replaced: what gets past a first check. */
function nearly(body: unknown): fc.Arbitrary<unknown> {
  const value = Array.isArray(body)
    ? fc.tuple(...body.map(nearly))
    : typeof body === 'object' && body !== null
      ? fc.record(Object.fromEntries(Object.entries(body).map(([name, member]) => [name, nearly(member)])))
      : fc.constant(body);
  return fc.oneof({ weight: 12, arbitrary: value }, { weight: 1, arbitrary: anyJson });
}

const headerText = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
  fc.constantFrom('"1"', '*', '1', 'W/"1"', 'wait=1', 'return=representation', 'respond-async', 'AAAA', '2, 3', '""'),
);
const anyHeaders: fc.Arbitrary<Headers> = fc.dictionary(
  fc.constantFrom(
    'If-Match',
    'X-Version',
    'Idempotency-Key',
    'Prefer',
    'X-Causal-Token',
    'If-None-Match',
    'traceparent',
    'X-Correlation-Id',
    'Accept',
  ),
  headerText,
  { maxKeys: 2 },
);

describe('whatever is sent to a command route', () => {
  it('is applied or refused, and never a fault', async () => {
    const statuses = new Set<number>();
    const { productId, sku } = await createProduct();
    const { orderId } = await placeOrder();
    const delivered = await orderAfter(['shipment', 'delivery'], 10_000);
    const [line] = delivered.items;
    const routes: readonly (readonly [path: string, body: unknown])[] = [
      ['/products', { name: 'Lamp', price: eur(1), category: 'lamps', sku: newSku() }],
      [`/products/${productId}/price`, { price: eur(1), reason: 'r' }],
      [
        '/orders',
        { customerId: 'c', customerName: 'n', customerSegment: 's', region: 'r', items: [{ sku, quantity: 1 }] },
      ],
      [`/orders/${orderId}/shipment`, { tracking: 't', carrier: 'c' }],
      [`/orders/${orderId}/delivery`, {}],
      [`/orders/${orderId}/cancellation`, { reason: 'r' }],
      [`/orders/${delivered.orderId}/returns`, { items: [{ ...line, quantity: 1 }], reason: 'r' }],
    ];
    const requests = fc
      .constantFrom(...routes)
      .chain(([path, body]) =>
        fc.tuple(
          fc.constant(path),
          fc.oneof({ weight: 3, arbitrary: nearly(body) }, { weight: 1, arbitrary: anyJson }),
          anyHeaders,
        ),
      );
    await fc.assert(
      fc.asyncProperty(requests, async ([path, body, headers]) => {
        const type = { 'Content-Type': 'application/json' };
        await expectSane(await request('POST', path, { ...type, ...headers }, JSON.stringify(body)), statuses);
      }),
      { numRuns: RUNS },
    );
    // It got past the first checks, and in.
    expect([...statuses]).toEqual(expect.arrayContaining([200, 201, 400, 409]));
  });

  it('even when it is not JSON', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string().map((text) => new TextEncoder().encode(text)),
      fc.json().chain((text) => fc.nat(text.length).map((at) => new TextEncoder().encode(text.slice(0, at)))),
    );
    const types = fc.constantFrom(
      'application/json',
      'application/json; charset=utf-16',
      'text/plain',
      'application/x+json',
    );
    await fc.assert(
      fc.asyncProperty(bytes, types, anyHeaders, async (body, type, headers) => {
        const answer = await request('POST', '/orders', { 'Content-Type': type, ...headers }, body);
        expect([400, 415]).toContain(answer.status);
        await expectSane(answer);
      }),
      { numRuns: RUNS },
    );
  });
});

describe('whatever is asked of a GET route', () => {
  const names = fc.oneof(
    fc.constantFrom('limit', 'cursor', 'status', 'customerId', 'category', 'sku', 'asOf', 'fromVersion', '__proto__'),
    anyText,
  );
  const values = fc.oneof(
    anyText,
    fc.integer().map(String),
    fc.constantFrom('placed', '1', '20', '2026-11-23T09:00:00Z', '%', '\u0000'),
    // A cursor in the form of a real one.
    fc.tuple(fc.constantFrom('listOrders', 'listProducts'), anyText, anyText).map((parts) => {
      const utf8 = new TextEncoder().encode(JSON.stringify(parts));
      return btoa(String.fromCharCode(...utf8))
        .replaceAll('+', '-')
        .replaceAll('/', '_')
        .replace(/=+$/, '');
    }),
  );
  const query = fc.oneof(
    fc.array(fc.tuple(names, values), { maxLength: 3 }).map((pairs) => new URLSearchParams(pairs).toString()),
    fc.webQueryParameters(),
    fc.string({ unit: fc.constantFrom('%', '&', '=', '+', 'a', '1', '%00', '%ff', '%F0%9F', '[', ']', ';', 'limit') }),
  );

  it('is answered or refused, and never a fault', async () => {
    const { productId } = await createProduct();
    const { orderId, stream } = await placeOrder();
    const paths = [
      '/products',
      '/orders',
      `/products/${productId}`,
      `/orders/${orderId}`,
      `/orders/${orderId}/history`,
      `/streams/${stream}/events`,
      '/health',
      '/openapi.json',
      '/problems/internal',
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), query, anyHeaders, async (path, text, headers) => {
        await expectSane(await get(`${path}?${text}`, { ...asOperator, ...headers }));
      }),
      { numRuns: RUNS },
    );
  });

  it('whatever the path', async () => {
    const segment = fc.oneof(
      fc.webSegment(),
      anyText.map((text) => encodeURIComponent(text.toWellFormed())),
      fc.constantFrom(
        'orders',
        'products',
        'streams',
        'events',
        'history',
        'problems',
        '..',
        '.',
        '%2f',
        '%',
        '%zz',
        crypto.randomUUID(),
      ),
    );
    const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
    await fc.assert(
      fc.asyncProperty(path, fc.constantFrom('GET', 'POST', 'DELETE'), async (text, method) => {
        const answer = await request(method, text, method === 'GET' ? asOperator : {});
        await expectSane(answer);
      }),
      { numRuns: RUNS },
    );
  });
});
