import { validate } from '@hyperjump/json-schema/openapi-3-1';
import { beforeAll, describe, expect, it } from 'vitest';

import { get, json } from '../support/api.ts';
import { openTally } from '../support/tallies.ts';
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

  it('has no reference without a target, and no component without a reference', () => {
    const refs = new Set(
      [...places(document)].flatMap(({ node }) => (typeof node.$ref === 'string' ? [node.$ref] : [])),
    );
    const components = Object.entries<object>(document.components)
      .filter(([kind]) => kind !== 'securitySchemes')
      .flatMap(([kind, named]) => Object.keys(named).map((name) => `#/components/${kind}/${name}`));
    expect([...refs].filter((ref) => !components.includes(ref))).toEqual([]);
    // The framework's headers are there before the first route that uses them.
    const isOfTheFramework = (name: string) => /^#\/components\/(headers|parameters)\//.test(name);
    expect(components.filter((name) => !refs.has(name) && !isOfTheFramework(name))).toEqual([]);
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

  it('has the closed list of codes, each with its page, and declares each code on each route that may answer it', async () => {
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

  it('has at most one pattern for a text, which means the same with the flag u and without', () => {
    let patterns = 0;
    for (const { path, node } of places(document)) {
      if (path.at(-1) === 'schemas' || path.at(-1) === 'properties') continue;
      for (const part of node.allOf ?? []) expect([path, 'pattern' in part]).toEqual([path, false]);
      if (typeof node.pattern !== 'string') continue;
      patterns += 1;
      for (const text of ['x', 'é 字', '🌊', ' ', '', 'a\u0000b', 'c-1024', 'EUR'])
        expect(new RegExp(node.pattern).test(text)).toBe(new RegExp(node.pattern, 'u').test(text));
    }
    expect(patterns).toBeGreaterThan(20);
  });

  it('names every body, of requests and of answers, so that a generated client has a type for it', () => {
    for (const { path, node } of places(document.paths)) {
      if (path.at(-2) !== 'content' || path.at(-1) === 'text/csv') continue;
      const schemas = node.schema.oneOf ?? node.schema.anyOf ?? [node.schema];
      for (const { $ref } of schemas) expect([path, $ref]).toEqual([path, expect.stringMatching(/^#/)]);
    }
  });

  it('keeps the resource, the receipt of a command and 202 apart', () => {
    const answers = (name: string) => operations().find((each) => each.name === name)?.operation.responses;
    const schemaOf = (answer: Document) => answer.content['application/json'].schema;
    const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
    expect(schemaOf(answers('GET /tallies/{tallyId}')[200])).toEqual(ref('Tally'));
    expect(schemaOf(answers('GET /tallies/{tallyId}')[202])).toEqual(ref('NotYet'));
    expect(schemaOf(answers('POST /tallies')[201])).toEqual({ oneOf: [ref('TallyReceipt'), ref('Tally')] });
  });

  it.each(['CloudEvent', 'StoredEvent', 'TallyHistoryItem'])(
    'describes the data of each event in a %s by its type',
    (name) => {
      const { schemas } = document.components;
      const { propertyName, mapping } = schemas[name].discriminator;
      expect(propertyName).toBe('type');
      expect(Object.keys(mapping)).toEqual(expect.arrayContaining(['Added', 'Reset', 'Zeroed']));
      expect(schemas[name].oneOf.map(({ $ref }: Document) => $ref)).toEqual(Object.values(mapping));
      for (const [type, $ref] of Object.entries<string>(mapping)) {
        const { properties } = schemas[$ref.split('/').at(-1) ?? ''];
        expect(properties.type.const).toBe(type);
        expect(properties.data).toEqual({ $ref: `#/components/schemas/${type}` });
      }
    },
  );

  it('describes each tag and each operation', () => {
    for (const { name, description } of document.tags)
      expect([name, description]).toEqual([name, expect.stringMatching(/./)]);
    for (const { name, operation } of operations())
      expect([name, operation.description, operation.summary]).toEqual([
        name,
        expect.stringMatching(/./),
        expect.stringMatching(/./),
      ]);
  });

  it('has a tag, so that a client can skip an unchanged document', async () => {
    const tag = (await get('/openapi.json')).headers.get('ETag') ?? '';
    expect(tag).toMatch(/^"[0-9a-f]{64}"$/);
    for (const known of [tag, `W/${tag}`, `"1", ${tag}`, '*']) {
      const answer = await get('/openapi.json', { 'If-None-Match': known });
      expect([known, answer.status, await answer.text(), answer.headers.get('ETag')]).toEqual([known, 304, '', tag]);
    }
    expect((await get('/openapi.json', { 'If-None-Match': '"1"' })).status).toBe(200);
  });

  it('names the scope that each route needs', () => {
    const security = (name: string) => operations().find((each) => each.name === name)?.operation.security;
    expect(security('GET /streams/{stream}/events')).toEqual([{ bearer: ['events:read'] }]);
    expect(security('POST /sweep')).toEqual([{ bearer: ['operate'] }]);
    expect(security('GET /tallies/{tallyId}')).toEqual([{ bearer: [] }]);
    expect(security('GET /health')).toEqual([]);
  });
});

/*
 * What every test of the suite leans on: `request` compares each answer with the document. Each of these plants one lie in the document,
 * and the comparison has to notice it.
 */
describe('an undeclared answer', () => {
  const lies: readonly (readonly [what: string, lie: (operation: Document, document: Document) => void])[] = [
    ['the route', (_operation, { paths }) => delete paths['/tallies']],
    ['the method', (_operation, { paths }) => delete paths['/tallies'].post],
    ['the status', (operation) => delete operation.responses['201']],
    ['a header', (operation) => delete operation.responses['201'].headers.ETag],
    ['the form of a header', (_operation, { components }) => (components.headers.ETag.schema = { const: 'W/"1"' })],
    [
      'a header that is never missing',
      (operation, { components }) => {
        components.headers['Retry-After'].required = true;
        operation.responses['201'].headers['Retry-After'] = { $ref: '#/components/headers/Retry-After' };
      },
    ],
    [
      'the content type',
      (operation) => {
        operation.responses['201'].content = { 'text/plain': { schema: {} } };
      },
    ],
    ['the body', (operation) => delete operation.responses['201'].content],
    [
      'a field of the body',
      (operation) => {
        operation.responses['201'].content['application/json'].schema = { required: ['nonesuch'] };
      },
    ],
    ['a field of the request', (_operation, { components }) => delete components.schemas.OpenTally.properties.by],
  ];

  it.each(lies)('is noticed: %s', async (_what, lie) => {
    const { answer } = await openTally(3);
    const exchange = { method: 'POST', path: '/tallies', body: JSON.stringify({ by: 3 }), answer };
    const honest = declaredAnswers(document as OpenApiDocument);
    await honest.check(exchange);
    honest.forget();
    const copy = structuredClone(document);
    lie(copy.paths['/tallies'].post, copy);
    const lied = declaredAnswers(copy as OpenApiDocument);
    await expect(lied.check(exchange)).rejects.toThrow('does not declare');
    lied.forget();
  });

  it('is noticed: a code', async () => {
    const answer = await get('/tallies?cursor=x');
    const copy = structuredClone(document);
    const { schema } = copy.paths['/tallies'].get.responses['400'].content['application/problem+json'];
    schema.oneOf = schema.oneOf.filter(({ $ref }: Document) => !$ref.endsWith('/InvalidCursorProblem'));
    const lied = declaredAnswers(copy as OpenApiDocument);
    await expect(lied.check({ method: 'GET', path: '/tallies?cursor=x', answer })).rejects.toThrow('schema/oneOf');
    lied.forget();
  });
});

describe('GET /health', () => {
  it('is 200 and says that the deployment is complete', async () => {
    expect(await json(get('/health'))).toEqual({ status: 'ok', reasons: [] });
  });
});
