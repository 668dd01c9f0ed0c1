import { beforeAll, describe, expect, it } from 'vitest';

import { get, json } from '../../support/api.ts';
import { type OpenApiDocument, declaredAnswers } from '../../support/declared-answers.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- a test looks where it likes
type Document = any;

let document: Document;
beforeAll(async () => {
  document = await json(get('/openapi.json'));
});

function operationOf(name: string): Document {
  const [method = '', path = ''] = name.split(' ');
  return document.paths[path]?.[method.toLowerCase()];
}

describe('GET /openapi.json', () => {
  it('has no component without a reference', () => {
    const text = JSON.stringify(document);
    const components = Object.entries<object>(document.components).flatMap(([kind, named]) =>
      kind === 'securitySchemes' ? [] : Object.keys(named).map((name) => `"$ref":"#/components/${kind}/${name}"`),
    );
    expect(components.length).toBeGreaterThan(50);
    expect(components.filter((ref) => !text.includes(ref))).toEqual([]);
  });

  it('bounds every amount and every sum by 2^53, and has the digits of a larger sum as text', async () => {
    const checker = declaredAnswers(document as OpenApiDocument);
    const faultsOf = (schema: string, value: object) => checker.faultsOf(['components', 'schemas', schema], value);
    const [most, more] = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 1];
    expect(await faultsOf('Money', { amount: most, currency: 'EUR' })).toEqual([]);
    for (const amount of [more, 1.5]) expect(await faultsOf('Money', { amount, currency: 'EUR' })).not.toEqual([]);
    for (const exactTotal of [String(2n ** 70n), null]) {
      const revenue = { currency: 'EUR', total: most, exactTotal, today: 0 };
      expect(await faultsOf('Revenue', revenue)).toEqual([]);
      expect(await faultsOf('Revenue', { ...revenue, today: more })).not.toEqual([]);
    }
    checker.forget();
  });

  it('keeps the resource, the receipt of a command and 202 apart', () => {
    const answers = (name: string) => operationOf(name).responses;
    const schemaOf = (answer: Document) => answer.content['application/json'].schema;
    const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
    expect(schemaOf(answers('GET /orders/{orderId}')[200])).toEqual(ref('Order'));
    expect(schemaOf(answers('GET /orders/{orderId}')[202])).toEqual(ref('NotYet'));
    expect(schemaOf(answers('POST /orders')[201])).toEqual({ oneOf: [ref('OrderReceipt'), ref('Order')] });
    expect(schemaOf(answers('POST /products')[201])).toEqual({ oneOf: [ref('ProductReceipt'), ref('Product')] });
  });

  it.each(['CloudEvent', 'StoredEvent', 'OrderHistoryItem'])(
    'describes the data of each event in a %s by its type',
    (name) => {
      const { schemas } = document.components;
      const { propertyName, mapping } = schemas[name].discriminator;
      expect(propertyName).toBe('type');
      expect(Object.keys(mapping)).toEqual(
        expect.arrayContaining(['OrderPlaced', 'OrderShipped', 'OrderDelivered', 'OrderCancelled', 'ItemsReturned']),
      );
      expect(schemas[name].oneOf.map(({ $ref }: Document) => $ref)).toEqual(Object.values(mapping));
      for (const [type, $ref] of Object.entries<string>(mapping)) {
        const { properties } = schemas[$ref.split('/').at(-1) ?? ''];
        expect(properties.type.const).toBe(type);
        expect(properties.data).toEqual({ $ref: `#/components/schemas/${type}` });
      }
    },
  );

  it('names the scope that each route needs', () => {
    const security = (name: string) => operationOf(name).security;
    expect(security('GET /orders/{orderId}/history')).toEqual([{ bearer: ['orders:read'] }]);
    expect(security('GET /products/{productId}')).toEqual([{ bearer: [] }]);
    expect(security('GET /orders/{orderId}')).toEqual([{ bearer: ['orders:read'] }]);
    expect(security('POST /orders')).toEqual([{ bearer: ['orders:write'] }]);
  });
});
