import { beforeAll, describe, expect, it } from 'vitest';

import { eventsOf, post, request } from '../../support/api.ts';
import { createProduct, eur, newSku, orderAfter, placeOrder } from '../api.ts';
import { expectInvalidFields, expectProblem } from '../../support/problem.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const product = (overrides: object = {}) => ({
  name: 'Lamp',
  price: eur(1),
  category: 'lamps',
  sku: newSku(),
  ...overrides,
});
const order = (overrides: object = {}) => ({
  customerId: 'c',
  customerName: 'n',
  items: [{ sku: newSku(), quantity: 1 }],
  ...overrides,
});

/** Every command route with a body that it takes. */
let routes: readonly (readonly [path: string, body: object])[] = [];
let streams: readonly string[] = [];

beforeAll(async () => {
  const { productId, sku, stream } = await createProduct();
  const [placed, shipped, delivered] = [
    await placeOrder(),
    await orderAfter(['shipment']),
    await orderAfter(['shipment', 'delivery']),
  ];
  streams = [stream, placed.stream, shipped.stream, delivered.stream];
  routes = [
    ['/products', product()],
    [`/products/${productId}/price`, { price: eur(5), reason: 'Sale' }],
    ['/orders', order({ items: [{ sku, quantity: 1 }] })],
    [`/orders/${placed.orderId}/shipment`, { tracking: 'JD0146' }],
    [`/orders/${placed.orderId}/cancellation`, { reason: 'Mistake' }],
    [`/orders/${shipped.orderId}/delivery`, {}],
    [`/orders/${delivered.orderId}/returns`, { items: delivered.items, reason: 'Broken' }],
  ];
});

/** Sends to every route what none of them takes, and looks that nothing was appended. */
async function everyRouteRefuses(send: (path: string, body: object) => Promise<unknown>): Promise<void> {
  for (const [path, body] of routes) await send(path, body);
  const lengths = await Promise.all(streams.map(async (stream) => (await eventsOf(stream)).length));
  expect(lengths).toEqual([1, 1, 2, 3]);
}

describe('a body', () => {
  it.each([
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'application/xml+json2',
    'application/merge-patch+json',
    'application/vnd.shop.v1+json',
    'application/problem+json; charset=utf-8',
    'json',
    '',
    '*/*',
  ])('of type "%s" is 415', (type) =>
    everyRouteRefuses((path, body) =>
      expectProblem(request('POST', path, { 'Content-Type': type }, JSON.stringify(body)), 415, 'not-json'),
    ),
  );

  it('without a type is 415, unless there is none and none is needed', async () => {
    const bytes = new TextEncoder().encode('{}');
    await everyRouteRefuses((path) => expectProblem(request('POST', path, {}, bytes), 415, 'not-json'));
    await expectProblem(request('POST', '/orders'), 415, 'not-json');
  });

  it.each(['gzip', 'br', 'deflate', 'GZIP', 'identity, gzip', 'x'])('encoded as %s is 415 and says so', (encoding) =>
    everyRouteRefuses(async (path, body) => {
      const headers = { ...JSON_TYPE, 'Content-Encoding': encoding };
      const problem = await expectProblem(request('POST', path, headers, JSON.stringify(body)), 415, 'not-json');
      expect(problem.detail).toContain('Content-Encoding');
    }),
  );

  it.each(['iso-8859-1', '"ISO-8859-1"', 'utf-16', 'utf-7', ''])('in the charset %s is 415 and says so', (charset) =>
    everyRouteRefuses(async (path, body) => {
      const headers = { 'Content-Type': `application/json; charset=${charset}` };
      const problem = await expectProblem(request('POST', path, headers, JSON.stringify(body)), 415, 'not-json');
      expect(problem.detail).toContain('UTF-8');
    }),
  );

  it('with a key that is there twice is 400 and names it', async () => {
    await everyRouteRefuses(async (path, body) => {
      const [key = 'x', value = 1] = Object.entries(body)[0] ?? [];
      const rest = JSON.stringify({ ...body, [key]: value }).slice(1);
      const text = `{${JSON.stringify(key)}:${JSON.stringify(value)},${rest === '}' ? `"${key}":1}` : rest}`;
      const problem = await expectProblem(request('POST', path, JSON_TYPE, text), 400, 'malformed-body');
      expect(problem.detail).toContain(`"${key}"`);
    });
  });

  it.each([
    ['of an inner object', '{"price":{"amount":1,"amount":2}}', 'amount'],
    ['of an object in a list', '{"items":[{"sku":"A"},{"sku":"B","sku":"C"}]}', 'sku'],
    ['that is written in two ways', String.raw`{"name":"a","n\u0061me":"b"}`, 'name'],
    ['with a quote in it', String.raw`{"a\"":1,"a\"":2}`, 'a"'],
    ['behind a string full of structure', String.raw`{"a":"{\"b\":1,\\","b":[],"b":{}}`, 'b'],
    ['that is empty', '{"":1,"":2}', ''],
    ['that is __proto__', '{"__proto__":1,"__proto__":2}', '__proto__'],
  ])('with a key twice %s is 400', async (_, text, key) => {
    const problem = await expectProblem(request('POST', '/orders', JSON_TYPE, text), 400, 'malformed-body');
    expect(problem.detail).toBe(`The key ${JSON.stringify(key)} occurs twice. Send it once.`);
  });

  it('may have one key in several objects', async () => {
    const text = '{"a":{"b":1},"c":[{"b":1},{"b":1}],"b":{"a":1}}';
    await expectProblem(request('POST', '/orders', JSON_TYPE, text), 400, 'invalid-field');
  });

  it('may have the encoding `identity`', async () => {
    const headers = { ...JSON_TYPE, 'Content-Encoding': 'identity' };
    expect((await request('POST', '/products', headers, JSON.stringify(product()))).status).toBe(201);
  });

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json; profile=x; charset=utf8',
    'APPLICATION/JSON',
    ' application/json ;q=1',
  ])('of type "%s" is JSON', async (type) => {
    expect((await request('POST', '/products', { 'Content-Type': type }, JSON.stringify(product()))).status).toBe(201);
  });

  it.each([
    '{',
    '{"a":1,}',
    "{'a':1}",
    '{"a":NaN}',
    '{"a":01}',
    'undefined',
    '{} {}',
    '[',
    '"',
    '\u0000',
    '{"a":"\u0001"}',
    '// c\n{}',
    '\uFEFF\uFEFF{}',
  ])('that does not parse is 400: %j', (text) =>
    everyRouteRefuses((path) => expectProblem(request('POST', path, JSON_TYPE, text), 400, 'malformed-body')),
  );

  it('that is empty is 400 if the command needs one', async () => {
    for (const [path] of routes.filter(([name]) => !name.endsWith('/delivery'))) {
      await expectProblem(request('POST', path, JSON_TYPE, ''), 400, 'malformed-body');
    }
  });

  it.each([
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a cut sequence', [0x22, 0xe2, 0x82]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
    ['Latin-1', [0x7b, 0x22, 0xe9, 0x22, 0x3a, 0x31, 0x7d]],
  ])('that is not UTF-8 is 400: %s', (_what, bytes) =>
    everyRouteRefuses((path) =>
      expectProblem(request('POST', path, JSON_TYPE, Uint8Array.from(bytes)), 400, 'malformed-body'),
    ),
  );

  it.each([null, true, 1, 'x', [], [[]]])('that is not an object is 400: %j', (body) =>
    everyRouteRefuses(async (path) => expect(await expectInvalidFields(post(path, body))).toEqual([''])),
  );

  it('may have 64 KiB, and with one byte more, or 2 MB, is 413, with any content', async () => {
    const body = product();
    const padded = (bytes: number) => JSON.stringify(body).padEnd(bytes, ' ');
    await expectProblem(request('POST', '/products', JSON_TYPE, padded(65_537)), 413, 'too-large');
    await expectProblem(request('POST', '/products', {}, 'x'.repeat(65_537)), 413, 'too-large');
    expect((await request('POST', '/products', JSON_TYPE, padded(65_536))).status).toBe(201);
    await everyRouteRefuses((path) =>
      expectProblem(request('POST', path, JSON_TYPE, 'é'.repeat(1_000_000)), 413, 'too-large'),
    );
  });

  it('is measured also if it comes in pieces and without a length', async () => {
    const piece = new Uint8Array(16_384).fill(0x20);
    const stream = (pieces: number) =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          for (let left = pieces; left > 0; left -= 1) controller.enqueue(piece.slice());
          controller.enqueue(new TextEncoder().encode(JSON.stringify(product())));
          controller.close();
        },
      });
    expect((await request('POST', '/products', JSON_TYPE, stream(3))).status).toBe(201);
    await expectProblem(request('POST', '/products', JSON_TYPE, stream(4)), 413, 'too-large');
    await expectProblem(request('POST', '/products', JSON_TYPE, stream(400)), 413, 'too-large');
  });

  it('may nest eight deep and no deeper', async () => {
    const nested = (depth: number, open = '[', close = ']') => `${open.repeat(depth)}${close.repeat(depth)}`;
    await everyRouteRefuses((path) =>
      expectProblem(request('POST', path, JSON_TYPE, nested(9)), 400, 'malformed-body'),
    );
    await everyRouteRefuses((path) => expectProblem(request('POST', path, JSON_TYPE, nested(8)), 400, 'invalid-field'));
    await expectProblem(request('POST', '/orders', JSON_TYPE, nested(32_000)), 400, 'malformed-body');
    await expectProblem(
      request('POST', '/orders', JSON_TYPE, `${'{"a":'.repeat(9)}1${'}'.repeat(9)}`),
      400,
      'malformed-body',
    );
  });

  it('with an unknown field is 400 and names it, also a field with a name of JavaScript', () =>
    everyRouteRefuses(async (path, body) => {
      expect(await expectInvalidFields(post(path, { ...body, extra: 1 }))).toEqual(['/extra']);
      expect(await expectInvalidFields(post(path, { ...body, 'a/b~c': 1, '': 2 }))).toEqual(['/a~1b~0c', '/']);
      for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
        const text = JSON.stringify(body).replace(
          '{',
          `{"${name}":{"isAdmin":true}${body && Object.keys(body).length > 0 ? ',' : ''}`,
        );
        expect(await expectInvalidFields(request('POST', path, JSON_TYPE, text))).toEqual([`/${name}`]);
      }
    }));

  it('sets nothing through names of JavaScript', async () => {
    const nested =
      '{"name":"A","category":"b","sku":"S","price":{"amount":1,"currency":"EUR","__proto__":{"amount":-1}}}';
    expect(await expectInvalidFields(request('POST', '/products', JSON_TYPE, nested))).toEqual(['/price/__proto__']);
    const items = '{"customerId":"c","customerName":"n","items":{"length":1,"0":{"sku":"S","quantity":1}}}';
    expect(await expectInvalidFields(request('POST', '/orders', JSON_TYPE, items))).toEqual(['/items']);
    expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined();
  });

  it('with thousands of faults gets an answer of moderate size', async () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`f${index}`, 1]));
    const answer = await post('/orders', many);
    expect((await answer.clone().text()).length).toBeLessThan(20_000);
    await expectProblem(answer, 400, 'invalid-field');
  });

  it('gets each faulty place once, with all faults there', async () => {
    const { errors, detail } = await expectProblem(
      post('/products', product({ name: '\u0000'.repeat(201), category: ' ' })),
      400,
      'invalid-field',
    );
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/name', '/category']);
    expect(errors?.[0]?.detail).toMatch(/control characters.*200/s);
    expect(detail).toContain('(and 1 more)');
    const missing = await expectProblem(post('/products', { price: {} }), 400, 'invalid-field');
    const pointers = ['/name', '/price/amount', '/price/currency', '/category', '/sku'];
    expect(missing.errors).toEqual(pointers.map((pointer) => ({ pointer, detail: 'Is required.' })));
  });

  it('gets the expectation in words', async () => {
    const body = product({ name: 7, price: { amount: 1.5, currency: 'EUR' } });
    const { errors } = await expectProblem(post('/products', body), 400, 'invalid-field');
    expect(errors).toEqual([
      { pointer: '/name', detail: 'Invalid input: expected string, received number' },
      { pointer: '/price/amount', detail: 'Invalid input: expected int, received number' },
    ]);
  });

  it('without a required field, or with null for it, is 400 and names it', () =>
    everyRouteRefuses(async (path, body) => {
      for (const name of Object.keys(body)) {
        const { [name]: _left, ...rest } = body as Record<string, unknown>;
        const { errors } = await expectProblem(post(path, rest), 400, 'invalid-field');
        expect(errors).toEqual([{ pointer: `/${name}`, detail: 'Is required.' }]);
        expect(await expectInvalidFields(post(path, { ...rest, [name]: null }))).toEqual([`/${name}`]);
      }
    }));
});
