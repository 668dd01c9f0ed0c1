import { describe, expect, it } from 'vitest';

import { get, json, post, request, withToken } from '../../support/api.ts';
import { createProduct, eur, newSku, orderAfter } from '../api.ts';
import { expectInvalidFields, expectProblem } from '../../support/problem.ts';

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
const TEXT_FIELDS = [
  ['name', 200],
  ['category', 100],
  ['sku', 64],
] as const;

describe('an amount of money', () => {
  it.each([
    '1.5',
    '1e-1',
    '9007199254740992',
    '9007199254740993',
    '1e300',
    '1e999',
    '9000000001',
    '-9007199254740992',
    '"1"',
    'null',
    'true',
    '[1]',
  ])('that is fractional, unsafe, out of range or not a number is 400: %s', async (amount) => {
    const body = JSON.stringify(product()).replace('"amount":1', `"amount":${amount}`);
    const answer = request('POST', '/products', { 'Content-Type': 'application/json' }, body);
    expect(await expectInvalidFields(answer)).toEqual(['/price/amount']);
  });

  it.each(['0', '-0', '-1', '-9007199254740991'])('that is an integer of zero or below is 422: %s', async (amount) => {
    const body = JSON.stringify(product()).replace('"amount":1', `"amount":${amount}`);
    await expectProblem(
      request('POST', '/products', { 'Content-Type': 'application/json' }, body),
      422,
      'price-not-positive',
    );
  });

  it.each(['1', '1.0', '1e3', '9000000000', '90E8'])(
    'that is an integer in range is accepted, in each notation: %s',
    async (amount) => {
      const body = JSON.stringify(product()).replace('"amount":1', `"amount":${amount}`);
      expect((await request('POST', '/products', { 'Content-Type': 'application/json' }, body)).status).toBe(201);
    },
  );

  it.each(['eur', 'EURO', 'EU', '', 'ZZZ', 'E R', '€', '\u0000EU', 'EUR ', 978, null, ['EUR']])(
    'in an unknown currency is 400: %j',
    async (currency) => {
      expect(await expectInvalidFields(post('/products', product({ price: { amount: 1, currency } })))).toEqual([
        '/price/currency',
      ]);
    },
  );

  it('has two members and no more', async () => {
    expect(await expectInvalidFields(post('/products', product({ price: { ...eur(1), cents: 1 } })))).toEqual([
      '/price/cents',
    ]);
    expect(await expectInvalidFields(post('/products', product({ price: 1 })))).toEqual(['/price']);
    expect(await expectInvalidFields(post('/products', product({ price: {} })))).toEqual([
      '/price/amount',
      '/price/currency',
    ]);
  });
});

describe('a text', () => {
  it.each([
    '',
    ' ',
    '\u00a0\u2003',
    'a\u0000b',
    '\u0000',
    'a\nb',
    '\t',
    'a\u001bb',
    'a\u007f',
    'a\u0085b',
    '\ud800',
    'a\udc00b',
    '\udc00\ud800',
    1,
    true,
    {},
    [],
  ])('that is empty, not a text, or has control characters or lone surrogates is 400: %j', async (text) => {
    for (const [name] of TEXT_FIELDS) {
      expect(await expectInvalidFields(post('/products', product({ [name]: text })))).toEqual([`/${name}`]);
    }
  });

  it.each(TEXT_FIELDS)('%s may have %i characters and no more, counted by code points', async (name, max) => {
    const unique = newSku().slice(0, 20);
    for (const character of ['x', '🐚']) {
      const fits = unique + character.repeat(max - unique.length);
      expect((await post('/products', product({ [name]: fits }))).status).toBe(201);
      expect(await expectInvalidFields(post('/products', product({ [name]: `${fits}${character}` })))).toEqual([
        `/${name}`,
      ]);
    }
  });

  it('of an order that is optional may not be null or empty', async () => {
    for (const name of ['customerSegment', 'region']) {
      for (const value of [null, '', ' ', 'x'.repeat(101), 1]) {
        expect(await expectInvalidFields(post('/orders', order({ [name]: value })))).toEqual([`/${name}`]);
      }
    }
  });
});

describe('a SKU', () => {
  it('has at most 64 characters in the form of the answers, so that each route accepts it', async () => {
    const unique = newSku();
    const fits = unique + 'ß'.repeat((64 - unique.length) / 2);
    const { answer } = await createProduct({ sku: fits });
    expect(answer.status).toBe(201);
    const { sku } = await json(get(answer.headers.get('Location') ?? '', withToken(answer)));
    expect(sku).toBe(fits.toUpperCase());
    for (const same of [sku, fits, ` ${fits.toLowerCase()}\u00a0`]) {
      expect((await post('/orders', order({ items: [{ sku: same, quantity: 1 }] }))).status).toBe(201);
      const { items } = await json(get(`/products?sku=${encodeURIComponent(same)}`, withToken(answer)));
      expect(items).toMatchObject([{ sku }]);
    }
    // In upper case these have more characters than as typed. Decomposed ones have fewer in NFC.
    for (const long of ['ß'.repeat(33), 'ŉ'.repeat(64), 'ΐ'.repeat(33)]) {
      expect(await expectInvalidFields(post('/products', product({ sku: long })))).toEqual(['/sku']);
    }
    expect((await post('/products', product({ sku: 'e\u0301'.repeat(64) }))).status).toBe(201);
  });

  it.each([
    '\u200b',
    '\u200d',
    '\u00ad',
    '\u2060',
    '\ufeff',
    '\u202e',
    '\u00a0',
    '\u2003',
    '\u3000',
    '\u2028',
    '\u2029',
    '\u3164',
    '\ufe0f',
    '\u034f',
    '\u2800',
    '\ufdd0',
    '\uffff',
  ])('with an invisible character, or one that looks like a space, is 400 and says so: %j', async (hidden) => {
    const sku = `A${hidden}B`;
    for (const answer of [
      await post('/products', product({ sku })),
      await post('/orders', order({ items: [{ sku, quantity: 1 }] })),
      await get(`/products?sku=${encodeURIComponent(sku)}`),
    ]) {
      const { errors } = await expectProblem(answer, 400, 'invalid-field');
      expect(errors).toMatchObject([{ detail: expect.stringMatching(/invisible|direction overrides/) }]);
    }
  });

  it.each(['ĸ', '𝐚', '\u0378', '\u{e1000}', '\ufffc', '\u{16fe4}', '\u{1d159}'])(
    'with a letter that Unicode may give a capital, a character that it may define, or a blank names no new product: %j',
    async (unfit) => {
      const sku = `A${unfit}B`;
      expect(await expectInvalidFields(post('/products', product({ sku })))).toEqual(['/sku']);
      // An earlier product with it can still be found and ordered.
      expect((await get(`/products?sku=${encodeURIComponent(sku)}`)).status).toBe(200);
      await expectProblem(post('/orders', order({ items: [{ sku, quantity: 1 }] })), 422, 'unknown-sku');
    },
  );

  it('may have spaces, also two in a row, accents and full-width letters, which are not the narrow ones', async () => {
    const unique = newSku();
    const skus = [`${unique} A`, `${unique}  A`, `${unique}Ａ`, `${unique}é`, `${unique}東京🐚`];
    for (const sku of skus) expect((await createProduct({ sku })).answer.status).toBe(201);
    await expectProblem(
      createProduct({ sku: `${unique}ａ` }).then(({ answer }) => answer),
      409,
      'sku-taken',
    );
  });
});

describe('the lines of an order', () => {
  const line = () => ({ sku: newSku(), quantity: 1 });

  it('are one to a hundred', async () => {
    expect(await expectInvalidFields(post('/orders', order({ items: [] })))).toEqual(['/items']);
    const many = Array.from({ length: 101 }, line);
    expect(await expectInvalidFields(post('/orders', order({ items: many })))).toEqual(['/items']);
    // The refusal comes from the domain's look-up, so a hundred lines passed the check of the form.
    await expectProblem(post('/orders', order({ items: many.slice(1) })), 422, 'unknown-sku');
  });

  it.each([0, -1, 10_001, 1.5, 1e300, '1', null, true])(
    'have a quantity from 1 to 10,000: not %j',
    async (quantity) => {
      const items = [line(), { ...line(), quantity }];
      expect(await expectInvalidFields(post('/orders', order({ items })))).toEqual(['/items/1/quantity']);
      const { orderId } = await orderAfter(['shipment', 'delivery']);
      const returned = { items, reason: 'r' };
      expect(await expectInvalidFields(post(`/orders/${orderId}/returns`, returned))).toEqual(['/items/1/quantity']);
    },
  );

  it('are objects of SKU and quantity', async () => {
    for (const [item, pointer] of [
      [{}, '/items/0/sku'],
      [{ quantity: 1 }, '/items/0/sku'],
      [{ ...line(), price: 1 }, '/items/0/price'],
      [null, '/items/0'],
      ['A', '/items/0'],
      [{ sku: 'a\u0000', quantity: 1 }, '/items/0/sku'],
    ] as const) {
      expect((await expectInvalidFields(post('/orders', order({ items: [item] }))))[0]).toBe(pointer);
    }
  });

  it('name every SKU once, in any form', async () => {
    const { sku } = await createProduct();
    const items = [line(), { sku, quantity: 1 }, { sku: ` ${sku.toLowerCase()}`, quantity: 2 }];
    const problem = await expectProblem(post('/orders', order({ items })), 422, 'duplicate-sku');
    expect(problem['skus']).toEqual([sku]);
  });
});

describe('an id in the path', () => {
  it.each([
    '1',
    'x',
    'null',
    '%00',
    '%E2%80%8B',
    '0198C5A0-7B1E-7C3A-9D52-8F1E2D3C4B5A',
    '0198c5a07b1e7c3a9d528f1e2d3c4b5a',
    '{id}',
    "'--",
    '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a%0A',
    'x'.repeat(300),
    '..%2f1',
    '%',
  ])('that is malformed is 400: %s', async (id) => {
    for (const [answer, parameter] of [
      [get(`/products/${id}`), 'productId'],
      [post(`/products/${id}/price`, { price: eur(1), reason: 'r' }), 'productId'],
      [get(`/orders/${id}`), 'orderId'],
      [post(`/orders/${id}/shipment`, { tracking: 'x' }), 'orderId'],
      [post(`/orders/${id}/delivery`), 'orderId'],
      [post(`/orders/${id}/cancellation`, { reason: 'r' }), 'orderId'],
      [post(`/orders/${id}/returns`, { items: [{ sku: 'S', quantity: 1 }], reason: 'r' }), 'orderId'],
    ] as const) {
      const problem = await expectProblem(answer, 400, 'invalid-id');
      expect(problem['parameters']).toEqual([parameter]);
      expect(problem.detail).toBe(`${parameter} in the path: Must be a lower-case UUID.`);
    }
  });

  it('may be percent-encoded', async () => {
    const { productId, answer } = await createProduct();
    const encoded = productId.replace(/^./, (first) => `%${first.charCodeAt(0).toString(16)}`);
    expect((await get(`/products/${encoded}`, withToken(answer))).status).toBe(200);
  });
});

describe('a header', () => {
  const long = 'x'.repeat(30_000);
  const spaced = `a${' '.repeat(30_000)}x`;

  it.each([
    'If-Match',
    'X-Version',
    'Idempotency-Key',
    'X-Causal-Token',
    'Prefer',
    'X-Correlation-Id',
    'traceparent',
    'If-None-Match',
    'Authorization',
    'Origin',
    'Accept',
    'X-Unknown',
    'Cookie',
  ])('%s of 30,000 characters is refused or ignored, and never causes a fault', async (name) => {
    const { productId } = await createProduct();
    for (const value of [
      long,
      '"'.repeat(30_000),
      ','.repeat(30_000),
      `a=${'";'.repeat(15_000)}`,
      spaced,
      `a=${spaced}"`,
    ]) {
      const answers = [
        await get('/products', { [name]: value }),
        await get(`/products/${productId}`, { [name]: value }),
        await post(`/products/${productId}/price`, { price: eur(1), reason: 'r' }, { [name]: value }),
      ];
      for (const answer of answers)
        expect(name === 'Authorization' ? [401] : [200, 400, 403, 404]).toContain(answer.status);
    }
  });
});
