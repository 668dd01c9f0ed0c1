import { createExecutionContext, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';

import type { Env } from '../../../src/bindings.ts';
import { domain } from '../../../src/domain.ts';
import { type StreamId, idOf, streamId } from '../../../src/tidemark/domain/stream.ts';
import { reporting, serving } from '../../../src/groups.ts';
import { GROUPINGS } from '../consistency/naive-sums.ts';
import type { StoredEvent } from '../../consistency/applied.ts';
import { oraclesOf } from '../consistency/oracles.ts';
import { restore } from '../../golden/object-storage.ts';
import { type Headers, asOperator, json } from '../../support/api.ts';
import { work } from '../../support/builds.ts';
import { ports } from '../../support/platform.ts';
import { deliver, deliverEverything, takeHints } from '../../support/queue.ts';
import { alarmOf, settle } from '../../support/settle.ts';
import { objectOf } from '../../support/system.ts';
import { createTallyTables } from '../../support/tally.ts';
import worker from '../../worker.ts';
import { hashesOf, upgradeDatabase } from './databases.ts';
import { type Release, readOn } from './release.ts';
import { parseActor } from '../../../src/tidemark/domain/principal.ts';
import { WITH_KEYS_OF_NOBODY, postTo } from '../../support/configured.ts';

/*
 * What a deployment of an earlier release had stored, upgraded as an operator does it (new migrations, then the new Worker), and used on:
 * one step after the other, since the steps share the deployment. How a file comes to be there: docs/upgrading.md.
 */

const files = import.meta.glob('./releases/*.json', { query: '?raw', import: 'default', eager: true });
const releases = Object.values(files).map((text) => JSON.parse(text) as Release);

describe.each(releases.map((release) => [release.commit, release] as const))('a deployment of %s', (_, release) => {
  /** As its tokens were signed with this secret, which the operator has not rotated. */
  const deployment: Env = { ...env, CAUSAL_TOKEN_KEY: release.secret };
  const streams = release.objects.map(({ stream }) => stream);
  const { plain, shortened, partial } = release.tokens;

  async function request(method: string, path: string, headers: Headers = {}, body?: object): Promise<Response> {
    const init = {
      method,
      headers: { ...asOperator, ...headers, ...(body && { 'Content-Type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    };
    const asked = new Request(`https://tidemark.test${path}`, init) as Parameters<NonNullable<typeof worker.fetch>>[0];
    return (await worker.fetch?.(asked, deployment, createExecutionContext())) as Response;
  }
  const get = (path: string, token?: string) => request('GET', path, token ? { 'X-Causal-Token': token } : {});
  const post = (path: string, body: object = {}, headers: Headers = {}) => request('POST', path, headers, body);
  const tokenOf = (answer: Response) => answer.headers.get('X-Causal-Token') ?? '';

  async function everyItem(path: string): Promise<readonly unknown[]> {
    const { items } = await json(get(`${path}${path.includes('?') ? '&' : '?'}limit=100`, release.pending.token));
    expect(items.length).toBeLessThan(100);
    return items;
  }

  beforeAll(async () => {
    for (const [name, database, migrations] of [
      ['serving', env.SERVING_DB, env.TEST_MIGRATIONS_SERVING],
      ['reporting', env.REPORTING_DB, env.TEST_MIGRATIONS_REPORTING],
    ] as const) {
      await upgradeDatabase(database, release.databases[name], migrations);
    }
    await createTallyTables(env.SERVING_DB);
    for (const object of release.objects) {
      await restore(object);
      const { alarmAt } = object;
      // It is overdue by now. The step that is about alarms runs it.
      if (alarmAt !== null)
        await runInDurableObject(objectOf(object.stream), (__, { storage }) =>
          storage.setAlarm(Date.now() + 3_600_000),
        );
    }
  });

  it('was made by migrations that have not changed since', async () => {
    const [ofServing, ofReporting] = [
      await hashesOf(env.TEST_MIGRATIONS_SERVING),
      await hashesOf(env.TEST_MIGRATIONS_REPORTING),
    ];
    expect(ofServing).toMatchObject(release.databases.serving.migrations);
    expect(ofReporting).toMatchObject(release.databases.reporting.migrations);
  });

  async function built(projection: string): Promise<object> {
    const launched: string[] = [];
    ports.buildRunner = () => ({
      launch: async (__, id) => void launched.push(id),
      revive: async () => 'goes-on',
      stop: async () => undefined,
    });
    expect((await post(`/projections/${projection}/rebuild`)).status).toBe(202);
    const [id = ''] = launched;
    await work(projection, id);
    return json(get(`/projections/${projection}/rebuilds/${id}`));
  }

  // Else the delivery check of each stream waits until a consumer, a read or the cron has begun the build.
  it('builds the read models that it did not have', async () => {
    for (const { name, group } of domain.flatMap(({ projections }) => projections)) {
      const database = group === serving ? env.SERVING_DB : env.REPORTING_DB;
      const pointer = database.prepare('SELECT 1 FROM projection_pointer WHERE projection = ?').bind(name);
      if ((await pointer.first()) === null) expect(await built(name), name).toMatchObject({ state: 'swapped' });
    }
  });

  it.each(release.answers.map(({ path }) => path))('answers its token as before: %s', async (path) => {
    const { status, body } = release.answers.find((answer) => answer.path === path) ?? {};
    for (const token of [plain, shortened, partial]) {
      const answer = await get(path, token);
      expect(answer.status).toBe(status);
      if (status === 200) expect(await json(answer)).toMatchObject(withActors(body ?? {}) as object);
      expect(answer.headers.has('X-Causal-Scope')).toBe(token === partial);
    }
  });

  it.each(release.lists.map(({ path }) => path))('goes on with a list from its cursor: %s', async (path) => {
    const list = release.lists.find((one) => one.path === path);
    if (!list) throw new Error('it is one of them');
    expect(await readOn(list, 'cursor', (next) => json(get(next, plain)))).toEqual(list.rest);
  });

  it('continues the feed from its cursor', async () => {
    const { middle } = release.feed;
    expect(await readOn(middle, 'after', (next) => json(get(next)))).toEqual(middle.rest);
  });

  it.each(release.keyed.map(({ key }) => key))('knows the command of the key %s', async (key) => {
    const keyed = release.keyed.find((one) => one.key === key);
    if (!keyed) throw new Error('it is one of them');
    // Keys of commands that create nothing are kept for seven days.
    ports.clockOffsetMs = Date.parse(release.writtenAt) - Date.now();
    const answer = await postTo(WITH_KEYS_OF_NOBODY, keyed.path, keyed.body, { 'Idempotency-Key': key });
    expect([answer.status, answer.headers.get('Idempotency-Replayed')]).toEqual([keyed.status, 'true']);
    expect(await json(answer)).toMatchObject(keyed.answer);
    const other = await postTo(
      WITH_KEYS_OF_NOBODY,
      keyed.path,
      { ...keyed.body, reason: 'another', region: 'another' },
      { 'Idempotency-Key': key },
    );
    expect(other.status).not.toBe(keyed.status);
  });

  it('accepts the messages that were in its queues', async () => {
    for (const group of [serving, reporting]) {
      const bodies = release.messages[group.name as 'serving' | 'reporting'];
      const { explicitAcks } = await deliver(bodies, { group });
      expect(explicitAcks).toHaveLength(bodies.length);
    }
    // What its first group passes on to the others.
    await deliverEverything();
  });

  it('delivers events that were recorded without a message: an earlier alarm finds them', async () => {
    const lagging = release.objects.filter(({ tables }) => (tables['delivery']?.rows.length ?? 0) > 0);
    expect(lagging).not.toEqual([]);
    for (const { stream } of lagging) {
      expect(await runDurableObjectAlarm(objectOf(stream))).toBe(true);
      expect(takeHints(stream)).not.toEqual([]);
    }
    for (const { stream } of lagging) {
      await settle(stream);
      expect(await alarmOf(stream)).toBeNull();
    }
  });

  it('shows pending events, with a token and without one', async () => {
    const { token, streams: pending } = release.pending;
    for (const [stream, version] of Object.entries(pending)) {
      for (const answer of [await get(pathOf(stream as StreamId), token), await get(pathOf(stream as StreamId))])
        expect(await json(answer)).toMatchObject({ version });
    }
    const { end } = release.feed;
    const { items } = await json(get(`/events?limit=100&after=${end}`));
    expect(new Set(items.map(({ source }: { source: string }) => source))).toEqual(
      new Set(Object.keys(pending).map((stream) => `/streams/${stream}`)),
    );
  });

  it('accepts new commands on earlier streams, each after the events of its token', async () => {
    const stream = streams.find((one) => one.startsWith('order-') && one in release.pending.streams) as StreamId;
    const { token } = release.pending;
    const delivered = await post(`${pathOf(stream)}/delivery`, {}, { 'X-Causal-Token': token, 'If-Match': '"2"' });
    expect(await json(delivered)).toMatchObject({ version: 3 });
    expect(await json(get(pathOf(stream), tokenOf(delivered)))).toMatchObject({
      status: 'delivered',
      version: 3,
    });
    const { items } = await json(get(pathOf(stream)));
    const again = await post(
      '/orders',
      {
        customerId: 'c-9',
        customerName: 'Grace',
        items: items.map(({ sku }: { sku: string }) => ({ sku, quantity: 1 })),
      },
      { 'X-Causal-Token': tokenOf(delivered) },
    );
    expect(again.status).toBe(201);
    const found = await json(get('/orders/search?q=grace', tokenOf(again)));
    expect(found.items).toHaveLength(1);
    const placed = streamId('order', (await json(again)).orderId);
    streams.push(placed);
    for (const touched of [stream, placed]) await settle(touched);
  });

  it('replays the stopped streams', async () => {
    const { projection, stream, version } = release.held;
    const letters = `/projections/${projection}/dead-letters`;
    expect((await get(pathOf(stream), plain)).status).toBe(503);
    const { groups } = await json(get(letters));
    expect(groups).toMatchObject([{ streams: 1, samples: [{ stream, version }] }]);
    expect((await post(`${letters}/${groups[0].id}/replay`)).status).toBe(200);
    expect(await json(get(pathOf(stream), plain))).toMatchObject({ version });
  });

  it('swaps the build that awaited acceptance', async () => {
    const { projection, id } = release.builds.awaitingAcceptance;
    const path = `/projections/${projection}/rebuilds/${id}`;
    expect(await json(get(path))).toMatchObject({ state: 'awaiting-acceptance' });
    expect((await post(`${path}/accept`)).status).toBe(200);
    expect(await json(get(path))).toMatchObject({ state: 'swapped' });
  });

  it('rolls back to its former slots, and forward again', async () => {
    for (const projection of release.builds.swapped) {
      for (let turns = 0; turns < 2; turns += 1)
        expect((await post(`/projections/${projection}/rollback`)).status, projection).toBe(200);
    }
  });

  it('has read models that equal the fold of its logs', async () => {
    const logs = Object.fromEntries(
      await Promise.all(
        streams.map(async (stream) => {
          const { items } = await json(get(`/streams/${stream}/events?limit=100`));
          return [stream, items as readonly StoredEvent[]] as const;
        }),
      ),
    );
    const oracles = oraclesOf(logs, { skipped: [release.skipped], held: [] });
    expect(oracles.orders(await everyItem('/orders'))).toEqual([]);
    expect(oracles.products(await everyItem('/products'))).toEqual([]);
    for (const stream of streams.filter((one) => one.startsWith('product-')))
      expect(oracles.prices(idOf(stream), await everyItem(`${pathOf(stream)}/prices`))).toEqual([]);
    for (const q of oracles.searches())
      expect(oracles.search(q, await everyItem(`/orders/search?q=${encodeURIComponent(q)}`))).toEqual([]);
    for (const groupBy of GROUPINGS)
      expect(oracles.analytics({ groupBy }, await json(get(`/analytics/orders?groupBy=${groupBy}`)))).toEqual([]);
    const today = new Date().toISOString().slice(0, 'YYYY-MM-DD'.length);
    expect(oracles.dashboard(today, await json(get('/dashboard')))).toEqual([]);
    expect(oracles.archive((await everyItem('/events')) as never[])).toEqual([]);
  });

  it.each([
    ['order-search', '/orders/search?q=ada'],
    ['order-lookup', '/orders'],
    ['product-catalog', '/products'],
  ])('builds a new revision of %s, which answers the same', async (projection, path) => {
    const before = await everyItem(path);
    expect(before).not.toEqual([]);
    expect(await built(projection)).toMatchObject({ state: 'swapped', revision: 2 });
    expect(new Set(await everyItem(path))).toEqual(new Set(before));
  });

  it('can be rebuilt: no read model changes', async () => {
    for (const projection of ['product-catalog', 'order-lookup', 'order-search', 'order-analytics', 'dashboard'])
      expect(await built(projection)).toMatchObject({ state: 'swapped', differences: { isEqual: true } });
  });
});

function pathOf(stream: StreamId): string {
  return `/${stream.replace('-', 's/')}`;
}

/** An answer of a release that named actors by a text, as this one gives it. */
function withActors(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(withActors);
  if (typeof answer !== 'object' || answer === null) return answer;
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]) => [
      name,
      name === 'actor' && typeof value === 'string' ? parseActor(value) : withActors(value),
    ]),
  );
}
