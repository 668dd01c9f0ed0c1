/**
 * A queue that nobody reads: every message is lost, for good. Whoever carries the token still reads what they wrote, at once.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { parse, stringify } from 'smol-toml';

import { type Answer, type Api, apiClient, atOnce } from '../../scripts/api-client.ts';
import type { Resource } from './support/fold.ts';
import { expectOk, readAgainstLog, readList } from './support/reading.ts';
import { ROOT, freePort, startServer } from './support/server.ts';

const WRITES = 100;
const SLOWEST_MS = 4_000;
/** How many streams a token holds that no read model has confirmed. */
const TOKEN_STREAMS = 96;

interface Written {
  readonly id: string;
  readonly answer: Answer<unknown>;
}

test('keeps every read true to its token while no message is ever delivered', { timeout: 10 * 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-no-consumer-'));
  const port = await freePort(8815);
  const server = await startServer({ port, folder, args: ['--config', withoutConsumers(folder)] });
  const api = apiClient(server.url);
  try {
    const sku = 'NEVER-DELIVERED';
    const product = await write(api, '/products', {
      name: 'Message in a bottle',
      price: { amount: 250, currency: 'EUR' },
      category: 'mail',
      sku,
    });
    const order = (customerId: string) => ({ customerId, customerName: 'Ada Lovelace', items: [{ sku, quantity: 2 }] });

    await t.test(`one client: ${WRITES} writes, each read at once, all behind one growing token`, async (one) => {
      const slowest: number[] = [];
      let { token } = product.answer;
      for (let index = 0; index < WRITES; index += 1) {
        const placed = await write(api, '/orders', order('one'), token);
        const found = await readBack(api, placed);
        slowest.push(found.durationMs);
        token = found.token;
      }
      one.diagnostic(`reads: ${summary(slowest)}`);
      await demandList(api, '/orders?customerId=one', WRITES, token);
    });

    await t.test(`${WRITES} clients, eight at a time, each with a token of its own`, async (many) => {
      const slowest: number[] = [];
      await atOnce(8, Array.from({ length: WRITES }).keys(), async (index) => {
        const placed = await write(api, '/orders', order(`many-${index}`), product.answer.token);
        const found = await readBack(api, placed);
        slowest.push(found.durationMs);
        await demandList(api, `/orders?customerId=many-${index}`, 1, placed.answer.token);
      });
      many.diagnostic(`reads: ${summary(slowest)}`);
    });

    await t.test(
      `${TOKEN_STREAMS} writes that nobody looked at show in the first list behind the token`,
      async (unseen) => {
        let token: string | undefined;
        for (let index = 0; index < TOKEN_STREAMS; index += 1) {
          const { answer } = await write(api, '/orders', order('unseen'), token);
          assert.equal(answer.headers.get('X-Causal-Scope'), null);
          token = answer.token;
        }
        const plain = await readList(api, '/orders?customerId=unseen');
        assert.equal(plain.items.length, 0, 'nothing but a reader with the token moves the read models here');
        const [first] = await demandList(api, '/orders?customerId=unseen', TOKEN_STREAMS, token);
        unseen.diagnostic(`that list took ${Math.round(first?.durationMs ?? 0)} ms`);
      },
    );

    await t.test('a token that cannot hold all of them says so, and forgets the oldest', async () => {
      let last: Answer<unknown> | undefined;
      for (let index = 0; index <= TOKEN_STREAMS; index += 1) {
        last = (await write(api, '/orders', order('too-many'), last?.token)).answer;
      }
      assert.equal(last?.headers.get('X-Causal-Scope'), 'partial');
      await demandList(api, '/orders?customerId=too-many', TOKEN_STREAMS, last?.token);
    });

    await t.test('a changed price shows at once, in the product and in the list', async () => {
      const path = `/products/${product.id}`;
      const changed = expectOk(
        await api.post(`${path}/price`, { price: { amount: 300, currency: 'EUR' }, reason: 'Postage' }),
      );
      const found = expectOk(await api.get<{ price: unknown }>(path, { token: changed.token }));
      assert.deepEqual(found.body.price, { amount: 300, currency: 'EUR' });
      await demandList(api, '/products?category=mail', 1, changed.token);
      await readAgainstLog(api, `product-${product.id}`);
    });
  } catch (error) {
    t.diagnostic(`Failed; the server's log and its storage are in ${folder}`);
    await server.stop();
    throw error;
  }
  await server.stop();
  await rm(folder, { recursive: true });
});

/** The project's configuration without any queue consumer, in another folder. */
function withoutConsumers(folder: string): string {
  const config = parse(readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')) as {
    main: string;
    queues: { consumers?: unknown };
    d1_databases: { migrations_dir: string }[];
  };
  delete config.queues.consumers;
  // What is relative is relative to the file.
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

/** The order as the read model has it right after it was placed. Anything but a true and timely answer fails. */
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
