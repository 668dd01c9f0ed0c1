import { beforeAll, describe, expect, it } from 'vitest';

import { type Headers, asOperator, eventsOf, get, json, post, request } from '../support/api.ts';
import { type Operation, allOperations } from '../support/api-operations.ts';
import { type Example, createOneOfEach, pathOf } from '../support/examples.ts';
import { expectInvalidFields, expectProblem } from '../support/problem.ts';
import { modules } from '../worker.ts';

/*
 * What holds for every route of every module, whatever the domain is: that of src/domain.ts, and the tally. The OpenAPI document says which
 * routes there are and what they take. `request` compares each answer with the document. (everywhere.test.ts has what holds for every path.)
 */

const JSON_TYPE = { 'Content-Type': 'application/json' };
const TAGS = new Set(modules.flatMap(({ tags }) => Object.keys(tags)));

let all: readonly Operation[] = [];
let examples: readonly Example[] = [];
beforeAll(async () => {
  const operations = await allOperations();
  examples = await createOneOfEach(operations);
  all = operations.filter(({ tag }) => TAGS.has(tag));
});

const commands = () => all.filter(({ method, body }) => method === 'POST' && body !== undefined);
const reads = () => all.filter(({ method }) => method === 'GET');

const pathTo = (operation: Operation, values = {}) => pathOf(operation, { examples, values });

/** Runs a check on each command's route. Afterwards no log has grown. */
async function nothingIsDone(check: (path: string, operation: Operation) => Promise<unknown>): Promise<void> {
  const before = await Promise.all(examples.map(({ stream }) => eventsOf(stream)));
  expect(commands().length).toBeGreaterThan(2);
  for (const operation of commands()) await check(pathTo(operation), operation);
  expect(await Promise.all(examples.map(({ stream }) => eventsOf(stream)))).toEqual(before);
}

describe('the body of every command', () => {
  it.each(['text/plain', 'application/jsonp', ''])('of type "%s" is 415', (type) =>
    nothingIsDone((path, { body }) =>
      expectProblem(request('POST', path, { 'Content-Type': type }, JSON.stringify(body?.example)), 415, 'not-json'),
    ),
  );

  it.each(['{', '{"a":1,}', '[', '\u0000', '{"a":1,"a":2}'])('that does not parse is 400: %j', (text) =>
    nothingIsDone((path) => expectProblem(request('POST', path, JSON_TYPE, text), 400, 'malformed-body')),
  );

  it('that is not UTF-8 is 400', () =>
    nothingIsDone((path) =>
      expectProblem(request('POST', path, JSON_TYPE, Uint8Array.from([0x22, 0x80, 0x22])), 400, 'malformed-body'),
    ));

  it.each([null, true, 1, 'x', []])('that is not an object is 400: %j', (body) =>
    nothingIsDone(async (path) => expect(await expectInvalidFields(post(path, body))).toEqual([''])),
  );

  it('that is too large is 413', () =>
    nothingIsDone((path) => expectProblem(request('POST', path, JSON_TYPE, ' '.repeat(65_537)), 413, 'too-large')));

  it('with an unknown member is 400, by its name', () =>
    nothingIsDone(async (path, { body }) =>
      expect(await expectInvalidFields(post(path, { ...body?.example, nonesuch: 1 }))).toEqual(['/nonesuch']),
    ));

  it('without a required member is 400, by its name', async () => {
    const schemas = (await json(get('/openapi.json'))).components.schemas;
    await nothingIsDone(async (path, { body }) => {
      const { required = [] } = schemas[body?.schema.$ref?.split('/').at(-1) ?? ''] ?? body?.schema ?? {};
      for (const name of required as readonly string[]) {
        const rest = Object.fromEntries(Object.entries(body?.example ?? {}).filter(([member]) => member !== name));
        expect(await expectInvalidFields(post(path, rest)), `${path} without ${name}`).toEqual([`/${name}`]);
        for (const wrong of [null, [[]]]) await expectInvalidFields(post(path, { ...body?.example, [name]: wrong }));
      }
    });
  });
});

describe('every command', () => {
  it.each<Headers>([
    { 'Idempotency-Key': '' },
    { 'Idempotency-Key': 'a b' },
    { 'Idempotency-Key': 'x'.repeat(256) },
    { 'X-Causal-Token': 'forged' },
  ])('refuses a header that is none, and does nothing: %j', (headers) =>
    nothingIsDone(async (path, { body }) => {
      const code = 'X-Causal-Token' in headers ? 'invalid-causal-token' : 'invalid-header';
      await expectProblem(post(path, body?.example, headers), 400, code);
    }),
  );

  it('is 404 on a stream that does not exist, for each expected version', async () => {
    for (const operation of commands().filter(({ pathParameters }) => pathParameters.length > 0)) {
      // A tally exists as soon as something is added to it.
      if (operation.tag === 'tallies') continue;
      const unknown = Object.fromEntries(operation.pathParameters.map(([name]) => [name, crypto.randomUUID()]));
      for (const headers of [{}, { 'If-Match': '"1"' }, { 'If-Match': '*' }])
        await expectProblem(post(pathTo(operation, unknown), operation.body?.example, headers), 404, 'not-found');
    }
  });
});

describe('every route with an id', () => {
  it('is 400 with a malformed id, by the name of the parameter', async () => {
    for (const operation of all) {
      for (const [name, schema] of operation.pathParameters) {
        if (schema.format !== 'uuid') continue;
        const path = pathTo(operation, { [name]: 'no-id' });
        const answer = request(operation.method, path, { ...asOperator, ...JSON_TYPE }, operation.body && '{}');
        expect((await expectProblem(answer, 400, 'invalid-id'))['parameters'], operation.name).toEqual([name]);
      }
    }
  });

  it('is 404 with an unknown id, if it reads', async () => {
    for (const operation of reads().filter(({ pathParameters }) => pathParameters.length > 0)) {
      const unknown = Object.fromEntries(operation.pathParameters.map(([name]) => [name, crypto.randomUUID()]));
      await expectProblem(get(pathTo(operation, unknown), asOperator), 404, 'not-found');
    }
  });
});

describe('every read', () => {
  it('is 200 with an id that exists, and has a token', async () => {
    expect(reads().length).toBeGreaterThan(2);
    for (const operation of reads()) {
      const token = examples.map(({ answer }) => answer.headers.get('X-Causal-Token') ?? '').join(', ');
      const answer = await get(pathTo(operation), { ...asOperator, 'X-Causal-Token': token });
      expect([operation.name, answer.status]).toEqual([operation.name, 200]);
      expect(answer.headers.get('X-Causal-Token'), operation.name).toMatch(/^[A-Za-z0-9_-]+$/);
    }
  });

  it('refuses an unsigned token', async () => {
    for (const operation of reads().filter(({ headers }) => headers.includes('X-Causal-Token')))
      await expectProblem(
        get(pathTo(operation), { ...asOperator, 'X-Causal-Token': 'forged' }),
        400,
        'invalid-causal-token',
      );
  });
});

describe('every list', () => {
  const lists = () => reads().filter(({ queryParameters }) => queryParameters.some(({ name }) => name === 'cursor'));
  const withQuery = (path: string, more: string) => `${path}${path.includes('?') ? '&' : '?'}${more}`;

  it('refuses an invalid limit', async () => {
    for (const operation of lists()) {
      const { maximum = 0 } = operation.queryParameters.find(({ name }) => name === 'limit')?.schema ?? {};
      for (const limit of ['0', String(maximum + 1), '-1', '1.5', 'x', ''])
        expect(await expectInvalidFields(get(withQuery(pathTo(operation), `limit=${limit}`), asOperator))).toEqual([
          '/limit',
        ]);
    }
  });

  it('refuses a cursor that it did not give out, and one of another list', async () => {
    const cursors = new Map<string, string>();
    for (const operation of lists()) {
      const path = withQuery(pathTo(operation), 'limit=1');
      await expectProblem(get(`${path}&cursor=x`, asOperator), 400, 'invalid-cursor');
      const { nextCursor } = await json(get(path, asOperator));
      if (typeof nextCursor === 'string') cursors.set(operation.name, nextCursor);
    }
    for (const operation of lists()) {
      for (const [name, cursor] of cursors) {
        if (name === operation.name) continue;
        await expectProblem(get(withQuery(pathTo(operation), `cursor=${cursor}`), asOperator), 400, 'invalid-cursor');
      }
    }
  });
});
