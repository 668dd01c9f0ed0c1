import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { fuzzHints } from '../domain-requests.ts';
import { modules } from '../worker.ts';
import { asOperator, get, json, post, request } from '../support/api.ts';
import { creations, idNameOf } from '../support/examples.ts';
import { deliverThrice, tallyOf } from '../support/boards.ts';
import { idleRunner, work } from '../support/builds.ts';
import type { OpenApiDocument } from '../support/declared-answers.ts';
import { access } from '../../src/access.ts';
import { accessTable, everyScope } from '../../src/tidemark/access/access.ts';
import { testIssuer } from '../support/issuers.ts';
import { createCast } from './fuzz/cast.ts';
import { countWrites, watchedChanges } from './fuzz/changes.ts';
import { faultsInLogs } from './fuzz/faults-in-logs.ts';
import { operationsOf } from '../support/api-operations.ts';
import { reproduction } from './fuzz/reproduction.ts';
import type { Schema } from './fuzz/schema-values.ts';
import { type WantedRequest, requestsAnywhere, requestsFor } from './fuzz/wanted-request.ts';
import { type WireRequest, wireRequest } from './fuzz/wire-request.ts';
import { ports } from '../support/platform.ts';
import { POISON, broken } from '../support/tally.ts';
import { CODES, ROUTES } from './contract.ts';

/*
 * The OpenAPI document says what may be sent and what may come back. From the one, requests are made, as it allows them and broken in every
 * way; with the other each answer is compared, by `request`. How many and which: `FUZZ_REQUESTS`, `FUZZ_SEED`.
 */

const { requests, seed, path } = env.FUZZ;
const EACH = Math.ceil(requests / ROUTES.length);

const cast = createCast();
const changes = watchedChanges();
const logs = faultsInLogs();
const statuses = new Map<number, number>();
/** Operations that an answer of success came from, and those that refused something. */
const [accepting, refusing] = [new Set<string>(), new Set<string>()];
let compared = 0;
let document: OpenApiDocument;

/** Credentials that let nobody in. */
const refused = new Set<string>();

beforeAll(async () => {
  await countWrites();
  changes.watch();
  await knowCredentials();
  document = await json(get('/openapi.json'));
  for (const code of CODES) cast.know('code', code);
  const projections: { items: { name: string }[] } = await json(get('/projections', asOperator));
  for (const { name } of projections.items) cast.know('projection', name);
  cast.know('built', 'tally-count');
  cast.know('stopped', 'tally-board');
  cast.know('swapped', 'tally-count');

  for (let left = 4; left > 0; left -= 1) await learnExamples();
  await fuzzHints.begin({ know: (kind, value) => cast.know(kind, value), learn });
  await changes.settle();
});

/** Credentials of every kind, with some scopes, with one customer, or with nothing behind them. */
async function knowCredentials(): Promise<void> {
  const [staff, customers] = [await testIssuer('staff'), await testIssuer('customers')];
  const key = async (body: object): Promise<{ secret: string; keyId: string }> => json(post('/keys', body));
  const revoked = await key({ name: 'revoked', scopes: ['operate'] });
  await request('DELETE', `/keys/${revoked.keyId}`);
  const limited = [
    await staff.token(),
    await staff.token({ scope: [...everyScope(accessTable(access))].filter((_, index) => index % 2 === 0).join(' ') }),
    await customers.token({ customer_id: 'c-1024', scope: 'operate events:read' }),
    (await key({ name: 'reader', scopes: ['events:read', 'operate:read'] })).secret,
    (await key({ name: 'of a customer', scopes: ['operate'], customerId: 'c-1' })).secret,
  ];
  const none = [
    'garbage',
    'dev-admin',
    'a.b.c',
    revoked.secret,
    `tm_${'0'.repeat(32)}_${'A'.repeat(64)}`,
    await staff.token({ exp: 1 }),
    await staff.token({ aud: 'another' }),
    await staff.token({}, { header: { kid: 'unknown' } }),
    await customers.token(),
  ];
  for (const credential of limited) cast.know('limited', `Bearer ${credential}`);
  for (const credential of none) {
    cast.know('refused', `Bearer ${credential}`);
    refused.add(`Bearer ${credential}`);
  }
}

beforeEach(() => {
  // Ports are put back after each test.
  changes.watch();
  logs.take();
  // A started build is only a row here, so each change comes from the request.
  const runner = idleRunner();
  ports.buildRunner = () => runner;
});

/** Remembers the streams and values in an answer. */
async function learn(answer: Response, hasBody = true): Promise<void> {
  const token = answer.headers.get('X-Causal-Token');
  if (token !== null) cast.know('token', token);
  const built = /^\/projections\/tally-count\/rebuilds\/(.+)$/.exec(answer.headers.get('Location') ?? '')?.[1];
  if (built !== undefined) cast.know('build', built);
  const isObject = hasBody && answer.headers.get('Content-Type')?.startsWith('application/json');
  const body: Record<string, unknown> = isObject ? await json(answer.clone()) : {};
  for (const module of modules) {
    const [idName, { category }] = [idNameOf(module), module.aggregate];
    const id = body[idName];
    if (typeof id !== 'string') continue;
    cast.know(idName, id);
    cast.know('stream', `${category}-${id}`);
  }
  if (typeof body['nextCursor'] === 'string') cast.know('cursor', body['nextCursor']);
}

/** Creates what an operation needs. */
async function prepare(name: string): Promise<void> {
  if (name.includes('/dead-letters/')) await stopStreams();
  if (/roll|release/.test(name)) await swap('tally-count');
  // Earlier commands may have used up every candidate.
  if (/^POST .*\}\//.test(name)) {
    for (let left = 4; left > 0; left -= 1) await learnExamples();
    await changes.settle();
  }
}

/** One more aggregate of each kind, as the document's examples create it; of one with a natural key there is one at most. */
async function learnExamples(): Promise<void> {
  for (const operation of creations(operationsOf(document))) {
    const answer = await post(operation.template, operation.body?.example);
    if (answer.ok) await learn(answer);
  }
}

/** A read model with a former slot beside the live one. */
async function swap(projection: string): Promise<void> {
  for (let tries = 0; tries < 3; tries += 1) {
    // An earlier request may have started a build. Then that one goes on. A trial is never swapped in.
    const answer = await request('POST', `/projections/${projection}/rebuild`, asOperator);
    const id = answer.headers.get('Location')?.split('/').at(-1) ?? '';
    await work(projection, id);
    // The build of a new revision differs, and waits for an operator.
    await request('POST', `/projections/${projection}/rebuilds/${id}/accept`, asOperator);
    await work(projection, id);
    const { state } = await json(get(`/projections/${projection}/rebuilds/${id}`, asOperator));
    if (state === 'swapped') return;
    await request('DELETE', `/projections/${projection}/rebuilds/${id}`, asOperator);
  }
  throw new Error(`no build of ${projection} was swapped in`);
}

/** Streams that a projection is stopped at, for the operations on these. */
async function stopStreams(): Promise<void> {
  broken.handler = true;
  const stopped = await Promise.all([1, 2, 3].map(() => tallyOf(1, POISON, 3)));
  await deliverThrice(...stopped.map(({ hint }) => hint));
  const { groups } = await json(get('/projections/tally-board/dead-letters', asOperator));
  for (const { id } of groups) cast.know('group', id);
  for (const { stream } of stopped) cast.know('stopped-stream', stream);
}

/** What an answer to a request that the document allows never is; but a cursor belongs to one list, which the document cannot say. */
const FOR_BROKEN_REQUESTS = new Set([400, 401, 405, 413, 415]);

/** No build awaits acceptance here: that needs a build that differs from the live slot. */
const NEVER_ACCEPTED = new Set(['POST /projections/{name}/rebuilds/{id}/accept']);

/** Faults of two parameters together, which a schema cannot describe. */
const CONTRADICTIONS = new Set([
  '/from: Must not be after `to`.',
  '/type: No event of `category` has this type.',
  '/expiresAt: Must be in the future.',
]);

/** Sends a request, and throws unless all is as it has to be. */
async function demandSound(wanted: WantedRequest, wire: WireRequest, headers: readonly string[]): Promise<void> {
  const before = await changes.soFar();
  const answer = await request(wire.method, wire.path, wire.headers, wire.body);
  compared += 1;
  statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
  if (wire.method === wanted.method)
    (answer.ok || answer.status === 304 ? accepting : refusing).add(`${wanted.method} ${wanted.template}`);
  expect(answer.status, 'no fault of the server').toBeLessThan(500);
  expect(logs.take(), 'every log line was expected').toEqual([]);
  if (answer.status >= 400) await demandProblem(answer, wire.method);
  const credential = wire.headers['Authorization'] ?? '';
  if (refused.has(credential)) {
    expect([400, 401, 403, 404, 405], 'a credential that is none lets nobody in').toContain(answer.status);
    if (wanted.breakages.length === 0) {
      const { code, detail } = await json(answer.clone());
      // With an empty id, there is no such route.
      const isNowhere = code === 'not-found' && String(detail).startsWith('There is no route');
      if (!isNowhere) expect(answer.status, 'a credential that is none is 401').toBe(401);
    }
  } else if (wanted.breakages.length === 0 && FOR_BROKEN_REQUESTS.has(answer.status)) {
    const { code, detail } = await json(answer.clone());
    if (code !== 'invalid-cursor' && !CONTRADICTIONS.has(detail))
      throw new Error(`the document allows this, and it was refused: ${code}: ${detail}`);
  }
  if (headers.includes('X-Causal-Token') && hasForgedToken(wanted))
    expect(answer.status, 'a token that was tampered with is refused').toBeGreaterThanOrEqual(400);
  const isChange = answer.ok && !['GET', 'HEAD', 'OPTIONS'].includes(wire.method);
  const isReplay = answer.headers.has('Idempotency-Replayed');
  if (answer.ok) await learn(answer, wire.method !== 'HEAD');
  if (isChange && !isReplay) await changes.settle();
  else expect(await changes.soFar(), 'nothing has changed').toEqual(before);
  if (isChange && headers.includes('Idempotency-Key') && wire.headers['Idempotency-Key'] !== undefined)
    await demandReplay(wire, answer);
}

/** Every refusal, of a route or of the code before it, has one form, and a code that clients know. */
async function demandProblem(answer: Response, method: string): Promise<void> {
  expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
  if (method === 'HEAD') return;
  const { code, status, type } = await json(answer.clone());
  expect(CODES).toContain(code);
  expect({ status, type }).toEqual({ status: answer.status, type: `/problems/${code}` });
}

/** Whether it carries a token that no answer ever brought, and is fine but for that. */
function hasForgedToken({ breakages }: WantedRequest): boolean {
  const [breakage, ...others] = breakages;
  if (others.length > 0 || breakage?.of !== 'header' || breakage.name !== 'X-Causal-Token') return false;
  return /:(flip|prolonged|other-key):/.test(breakage.value);
}

/** The same once more, with the same key: the same outcome, and nothing done. */
async function demandReplay(wire: WireRequest, first: Response): Promise<void> {
  const before = await changes.soFar();
  const again = await request(wire.method, wire.path, wire.headers, wire.body);
  compared += 1;
  expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([first.status, 'true']);
  for (const header of ['ETag', 'Location']) expect(again.headers.get(header)).toBe(first.headers.get(header));
  expect(await changes.soFar(), 'nothing has changed').toEqual(before);
}

/** Tries requests until one gets a wrong answer. The error names it, and how to send it again. */
async function demandSoundAll(
  name: string,
  wanted: fc.Arbitrary<WantedRequest>,
  headers: readonly string[] = [],
): Promise<void> {
  const property = fc.asyncProperty(wanted, async (each) => {
    const wire = await wireRequest(each, cast);
    try {
      await demandSound(each, wire, headers);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n\n${reproduction(wire)}`, { cause: error });
    }
  });
  const run = await fc.check(property, { numRuns: EACH, seed, ...(path !== '' && { path }) });
  if (!run.failed) return;
  const { errorInstance, numRuns, numShrinks, counterexample, counterexamplePath } = run;
  throw new Error(
    `${String(errorInstance)}\n\nThe ${numRuns}th request, shrunk ${numShrinks} times. Again:\n` +
      `FUZZ_REQUESTS=${requests} FUZZ_SEED=${seed} FUZZ_PATH=${counterexamplePath} npx vitest run test/conformance/fuzz.test.ts -t '${name} answers'\n` +
      `(without FUZZ_PATH where it depends on what was sent before). Thought up as ${fc.stringify(counterexample)}`,
  );
}

describe(`whatever is sent, with the seed ${seed}`, () => {
  it.each(ROUTES)(
    '%s answers as the document allows, and its refusals change nothing',
    { timeout: 5_000 * EACH },
    async (name) => {
      const operation = operationsOf(document).find((each) => each.name === name);
      if (!operation) throw new Error(`the document has no ${name}`);
      await prepare(name);
      // Streams that are stopped on purpose say so.
      logs.take();
      const schemas = document.components['schemas'] as Record<string, Schema>;
      await demandSoundAll(name, requestsFor(operation, schemas), operation.headers);
    },
  );

  it(
    'any path answers as the document allows, and its refusals change nothing',
    { timeout: 5_000 * EACH },
    async () => {
      await demandSoundAll('any path', requestsAnywhere);
    },
  );

  it('is accepted often enough, and refused often enough', () => {
    const accepted = [...statuses].reduce((sum, [status, times]) => (status < 400 ? sum + times : sum), 0);
    expect(accepted / compared).toBeGreaterThan(0.2);
    expect(accepted / compared).toBeLessThan(0.8);
    const few = ROUTES.filter((name) => !refusing.has(name) || !(accepting.has(name) || NEVER_ACCEPTED.has(name)));
    // A small run may well have missed one.
    expect(requests < 10_000 ? [] : few).toEqual([]);
  });

  afterAll(() => {
    logs.end();
    const byStatus = [...statuses].toSorted(([one], [other]) => one - other);
    console.log(`fuzz: seed ${seed}, ${compared} requests; ${byStatus.map((each) => each.join(': ')).join(', ')}`);
    console.log(`fuzz: nothing accepted by ${ROUTES.filter((name) => !accepting.has(name)).join(', ') || 'none'}`);
  });
});
