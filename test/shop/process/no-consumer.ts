/**
 * A queue without a consumer: every message is lost for good. A client with a token still reads its own writes at once.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';

import { parse, stringify } from 'smol-toml';

import { type Answer, type Api, apiClient, atOnce } from '../../../scripts/api-client.ts';
import type { Resource } from './support/fold.ts';
import { expectOk, readAgainstLog, readList } from './support/reading.ts';
import { ROOT, type RunningServer, freePort, startServer } from './support/server.ts';

const SKU = 'NEVER-DELIVERED';
const WRITES = 100;
const SLOWEST_MS = 4_000;
/** How many streams a token holds that no read model has confirmed. */
const TOKEN_STREAMS = 96;

interface Written {
  readonly id: string;
  readonly answer: Answer<unknown>;
}

const order = (customerId: string) => ({
  customerId,
  customerName: 'Ada Lovelace',
  items: [{ sku: SKU, quantity: 2 }],
});

describe('while no message is ever delivered', { timeout: 10 * 60_000 }, () => {
  let folder: string;
  let server: RunningServer;
  let api: Api;
  let product: Written;
  let isFailed = false;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-no-consumer-'));
    server = await startServer({ port: await freePort(8815), folder, args: ['--config', withoutConsumers(folder)] });
    api = apiClient(server.url);
    const price = { amount: 250, currency: 'EUR' };
    product = await write(api, '/products', { name: 'Message in a bottle', price, category: 'mail', sku: SKU });
  });
  afterEach((t) => {
    isFailed ||= !('passed' in t && t.passed);
  });
  after(async () => {
    await server.stop();
    if (isFailed) console.log(`The server's log and its storage are in ${folder}`);
    else await rm(folder, { recursive: true, maxRetries: 5 });
  });

  test(`one client reads each of its writes at once, all behind one growing token`, async (t) => {
    const durations: number[] = [];
    let { token } = product.answer;
    for (let index = 0; index < WRITES; index += 1) {
      const placed = await write(api, '/orders', order('one'), token);
      const found = await readBack(api, placed);
      durations.push(found.durationMs);
      token = found.token;
    }
    t.diagnostic(`reads: ${summary(durations)}`);
    await demandList(api, '/orders?customerId=one', WRITES, token);
  });

  test(`${WRITES} clients, eight at a time, read what each has written`, async (t) => {
    const durations: number[] = [];
    await atOnce(8, Array.from({ length: WRITES }).keys(), async (index) => {
      const placed = await write(api, '/orders', order(`many-${index}`), product.answer.token);
      const found = await readBack(api, placed);
      durations.push(found.durationMs);
      await demandList(api, `/orders?customerId=many-${index}`, 1, placed.answer.token);
    });
    t.diagnostic(`reads: ${summary(durations)}`);
  });

  test(`${TOKEN_STREAMS} unread writes show in the first list behind the token`, async (t) => {
    let token: string | undefined;
    for (let index = 0; index < TOKEN_STREAMS; index += 1) {
      const { answer } = await write(api, '/orders', order('unseen'), token);
      assert.equal(answer.headers.get('X-Causal-Scope'), null);
      token = answer.token;
    }
    const plain = await readList(api, '/orders?customerId=unseen');
    assert.equal(plain.items.length, 0, 'nothing but a reader with the token moves the read models here');
    const [first] = await demandList(api, '/orders?customerId=unseen', TOKEN_STREAMS, token);
    t.diagnostic(`that list took ${Math.round(first?.durationMs ?? 0)} ms`);
  });

  test('a token that cannot hold all of them says so, and drops the oldest', async () => {
    let last: Answer<unknown> | undefined;
    for (let index = 0; index <= TOKEN_STREAMS; index += 1) {
      last = (await write(api, '/orders', order('too-many'), last?.token)).answer;
    }
    assert.equal(last?.headers.get('X-Causal-Scope'), 'partial');
    await demandList(api, '/orders?customerId=too-many', TOKEN_STREAMS, last?.token);
  });

  test('a changed price shows at once, in the product and in the list', async () => {
    const path = `/products/${product.id}`;
    const changed = expectOk(
      await api.post(`${path}/price`, { price: { amount: 300, currency: 'EUR' }, reason: 'Postage' }),
    );
    const found = expectOk(await api.get<{ price: unknown }>(path, { token: changed.token }));
    assert.deepEqual(found.body.price, { amount: 300, currency: 'EUR' });
    await demandList(api, '/products?category=mail', 1, changed.token);
    await readAgainstLog(api, `product-${product.id}`);
  });
});

/** The project's configuration without any queue consumer, in another folder. */
function withoutConsumers(folder: string): string {
  const config = parse(readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')) as {
    main: string;
    queues: { consumers?: unknown };
    d1_databases: { migrations_dir: string }[];
  };
  delete config.queues.consumers;
  // Relative paths are relative to the file.
  config.main = join(ROOT, config.main);
  for (const database of config.d1_databases) database.migrations_dir = join(ROOT, database.migrations_dir);
  const path = join(folder, 'wrangler.toml');
  writeFileSync(path, stringify(config));
  return path;
}

async function write(api: Api, path: string, body: object, token?: string): Promise<Written> {
  const answer = await api.post<{ orderId?: string; productId?: string }>(path, body, { token });
  const { orderId, productId } = expectOk(answer).body;
  return { id: orderId ?? productId ?? '', answer };
}

/** The order in the read model right after it was placed. Any late or wrong answer fails. */
async function readBack(api: Api, { id, answer }: Written): Promise<Answer<Resource>> {
  const found = expectOk(await api.get<Resource>(`/orders/${id}`, { token: answer.token }));
  assert.equal(found.body['orderId'], id);
  assert.equal(found.body['version'], answer.version);
  assert.equal(found.body['status'], 'placed');
  assert.deepEqual(found.body['total'], { amount: 500, currency: 'EUR' });
  assert.equal(found.headers.get('X-Read-From'), 'read-model');
  demandTimely(found);
  return found;
}

async function demandList(
  api: Api,
  path: string,
  count: number,
  token: string | undefined,
): Promise<readonly Answer<unknown>[]> {
  const { items, answers } = await readList(api, path, token);
  assert.equal(items.length, count, `${path} has ${count}`);
  for (const answer of answers) {
    demandTimely(answer);
    assert.equal(answer.headers.get('X-Causal-Incomplete'), null);
  }
  return answers;
}

function demandTimely({ method, path, durationMs }: Answer<unknown>): void {
  assert.ok(durationMs < SLOWEST_MS, `${method} ${path} took ${Math.round(durationMs)} ms`);
}

function summary(durations: readonly number[]): string {
  const sorted = durations.toSorted((one, other) => one - other);
  return `median ${Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)} ms, slowest ${Math.round(sorted.at(-1) ?? 0)} ms`;
}
