import { validate } from '@hyperjump/json-schema/openapi-3-1';
import { beforeAll, describe, expect, it } from 'vitest';

import { get, json, placeOrder } from '../support/api.ts';
import { type OpenApiDocument, declaredAnswers } from '../support/declared-answers.ts';
import { expectProblem } from '../support/problem.ts';
import { CODES, ROUTES } from './contract.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- a test looks where it likes
type Document = any;

let document: Document;
beforeAll(async () => {
  document = await json(get('/openapi.json'));
});

/** Every place of the document, with the object that is there. */
function* places(value: unknown, path: readonly string[] = []): Generator<{ path: readonly string[]; node: Document }> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield { path, node: value };
  for (const [name, member] of Object.entries(value)) yield* places(member, [...path, name]);
}

const operations = () =>
  Object.entries<Document>(document.paths).flatMap(([path, item]) =>
    Object.entries<Document>(item).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      path,
      operation,
    })),
  );

describe('GET /openapi.json', () => {
  it('is valid OpenAPI 3.1, by the official schema', async () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(await validate('https://spec.openapis.org/oas/3.1/schema-base', document, 'BASIC')).toEqual({ valid: true });
    const broken = { ...document, info: {} };
    expect((await validate('https://spec.openapis.org/oas/3.1/schema-base', broken)).valid).toBe(false);
  });

  it('has exactly the routes of the contract', () => {
    expect(
      operations()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([...ROUTES].toSorted());
  });

  it('gives every operation an id of its own, and declares the parameters of its path', () => {
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations()) {
      const declared = operation.parameters.filter((parameter: Document) => parameter.in === 'path');
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(declared.map((parameter: Document) => parameter.name)).toEqual(names);
    }
  });

  it('refers to nothing that is not there, and has no component that nothing refers to', () => {
    const refs = new Set(
      [...places(document)].flatMap(({ node }) => (typeof node.$ref === 'string' ? [node.$ref] : [])),
    );
    const components = Object.entries<object>(document.components)
      .filter(([kind]) => kind !== 'securitySchemes')
      .flatMap(([kind, named]) => Object.keys(named).map((name) => `#/components/${kind}/${name}`));
    expect(refs).toEqual(new Set(components));
  });

  it('has only examples that satisfy their schemas', async () => {
    const checker = declaredAnswers(document as OpenApiDocument);
    let examples = 0;
    for (const { path, node } of places(document)) {
      if (!('schema' in node)) continue;
      const values = [
        ...('example' in node ? [node.example] : []),
        ...Object.values<Document>(node.examples ?? {}).map(({ value }) => value),
      ];
      examples += values.length;
      for (const value of values)
        expect([path, await checker.faultsOf([...path, 'schema'], value)]).toEqual([path, []]);
    }
    expect(examples).toBeGreaterThan(100);
    checker.forget();
  });

  it('has an example for every body and every good answer that has one', () => {
    for (const { path, node } of places(document.paths)) {
      if (path.at(-2) !== 'content' || path.includes('/openapi.json')) continue;
      expect([path, 'example' in node || 'examples' in node]).toEqual([path, true]);
    }
  });

  it('has the closed list of codes, each with its page, and declares every code where it may come', async () => {
    expect(document.components.schemas.Problem.properties.code.enum.toSorted()).toEqual([...CODES].toSorted());
    const declared = new Set<string>();
    for (const { node } of places(document.paths)) {
      for (const { value } of Object.values<Document>(node['application/problem+json']?.examples ?? {}))
        declared.add(value.code);
    }
    // A method that a path does not have is no operation of the document.
    expect([...declared, 'method-not-allowed'].toSorted()).toEqual([...CODES].toSorted());
    for (const code of CODES) {
      const page = await json(get(`/problems/${code}`));
      expect(Object.keys(page)).toEqual(['code', 'status', 'title', 'advice']);
      expect(page.code).toBe(code);
    }
    for (const code of ['unheard-of', '__proto__', 'constructor', '%00']) {
      await expectProblem(get(`/problems/${code}`), 404, 'not-found');
    }
  });

  it('bounds no sum of money, which may be larger than any safe integer', async () => {
    const checker = declaredAnswers(document as OpenApiDocument);
    const place = ['components', 'schemas'];
    const huge = 9e18;
    expect(await checker.faultsOf([...place, 'Money'], { amount: huge, currency: 'EUR' })).toEqual([]);
    const dashboard = { ...document.components.schemas.Dashboard.properties.revenue.items.properties };
    expect([dashboard.total, dashboard.today]).toEqual([{ type: 'integer' }, { type: 'integer' }]);
    expect(document.components.schemas.OrderAnalytics.properties.groups.items.properties.total).not.toHaveProperty(
      'maximum',
    );
    expect(await checker.faultsOf([...place, 'Money'], { amount: 1.5, currency: 'EUR' })).not.toEqual([]);
    checker.forget();
  });

  it('asks for the operations key exactly where it is asked for', () => {
    const security = (name: string) => operations().find((each) => each.name === name)?.operation.security;
    expect(security('GET /orders/{orderId}/history')).toEqual([{ operationsKey: [] }]);
    expect(security('GET /streams/{stream}/events')).toEqual([{ operationsKey: [] }]);
    expect(security('GET /orders/{orderId}')).toEqual([{}, { operationsKey: [] }]);
    expect(security('POST /orders')).toBeUndefined();
  });
});

/*
 * What every test of the suite leans on: `request` compares each answer with the document. Each of these plants one lie in the document,
 * and the comparison has to notice it.
 */
describe('an answer that the document does not declare', () => {
  const lies: readonly (readonly [what: string, lie: (order: Document, document: Document) => void])[] = [
    ['the route', (_order, { paths }) => delete paths['/orders']],
    ['the method', (_order, { paths }) => delete paths['/orders'].post],
    ['the status', (order) => delete order.responses['201']],
    ['a header', (order) => delete order.responses['201'].headers.ETag],
    ['the form of a header', (_order, { components }) => (components.headers.ETag.schema = { const: 'W/"1"' })],
    [
      'a header that is never missing',
      (order, { components }) => {
        components.headers['Retry-After'].required = true;
        order.responses['201'].headers['Retry-After'] = { $ref: '#/components/headers/Retry-After' };
      },
    ],
    [
      'the content type',
      (order) => {
        order.responses['201'].content = { 'text/plain': { schema: {} } };
      },
    ],
    ['the body', (order) => delete order.responses['201'].content],
    [
      'a field of the body',
      (order) => {
        order.responses['201'].content['application/json'].schema = { required: ['nonesuch'] };
      },
    ],
    [
      'a field of the request',
      (order) => {
        delete order.requestBody.content['application/json'].schema.properties.customerName;
      },
    ],
  ];

  it.each(lies)('is noticed: %s', async (_what, lie) => {
    const { answer, items } = await placeOrder();
    const body = JSON.stringify({ customerId: 'c-1', customerName: 'Ada Lovelace', items });
    const exchange = { method: 'POST', path: '/orders', body, answer };
    const honest = declaredAnswers(document as OpenApiDocument);
    await honest.check(exchange);
    honest.forget();
    const copy = structuredClone(document);
    lie(copy.paths['/orders'].post, copy);
    const lied = declaredAnswers(copy as OpenApiDocument);
    await expect(lied.check(exchange)).rejects.toThrow('does not declare');
    lied.forget();
  });

  it('is noticed: a code', async () => {
    const answer = await get('/orders?cursor=x');
    const copy = structuredClone(document);
    const { schema } = copy.paths['/orders'].get.responses['400'].content['application/problem+json'];
    schema.properties.code.enum = schema.properties.code.enum.filter((code: string) => code !== 'invalid-cursor');
    const lied = declaredAnswers(copy as OpenApiDocument);
    await expect(lied.check({ method: 'GET', path: '/orders?cursor=x', answer })).rejects.toThrow('properties/code');
    lied.forget();
  });
});

describe('GET /health', () => {
  it('is 200 and says that the deployment is complete', async () => {
    expect(await json(get('/health'))).toEqual({ status: 'ok', reasons: [] });
  });
});
