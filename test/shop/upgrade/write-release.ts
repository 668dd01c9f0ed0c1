import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

import type { Group } from '../../../src/tidemark/platform/group.ts';
import { packMessages } from '../../../src/tidemark/write/message.ts';
import { cutToSize, withoutConfirmed } from '../../../src/tidemark/queries/causal-token.ts';
import { tokenCodec } from '../../../src/tidemark/queries/token-codec.ts';
import { reporting, serving } from '../../../src/groups.ts';
import { dump, storageOf } from '../../golden/object-storage.ts';
import { asOperator, get, json, post, withToken } from '../../support/api.ts';
import { idleRunner, work } from '../../support/builds.ts';
import { ports } from '../../support/platform.ts';
import { deliver, deliverEverything, hintsOf, sentHints, takeHints } from '../../support/queue.ts';
import { alarmOf } from '../../support/settle.ts';
import { objectOf, system } from '../../support/system.ts';
import { dumpDatabase, hashesOf } from './databases.ts';
import { type Answered, type HalfRead, type Release, readOn } from './release.ts';
import { changePrice, client, commit, placeOrder, ship, trade } from './trade.ts';

/*
 * Has the code of this commit write what the upgrade test needs of it (docs/upgrading.md). Not one of the tests:
 *
 *     UPGRADE_COMMIT=$(git rev-parse --short HEAD) npx vitest run -u
 */

const SECRET = 'the-key-of-the-releases-before-this-one';

type Shop = Awaited<ReturnType<typeof trade>>;

/** Ships an order while a table refuses the change, until one group has given it up. */
async function shipRefused(
  database: D1Database,
  table: string,
  group: Group,
): Promise<Awaited<ReturnType<typeof ship>>> {
  const { id, stream } = await placeOrder('c-1');
  await deliverEverything();
  await database
    .prepare(
      `CREATE TRIGGER refuse BEFORE UPDATE ON ${table} WHEN new.order_id = '${id}' BEGIN SELECT RAISE(ABORT, 'poison'); END`,
    )
    .run();
  await ship(id);
  const hints = await sentHints(1, stream);
  takeHints(stream);
  for (const one of [serving, reporting])
    for (let tries = 0; tries < (one === group ? 3 : 1); tries += 1) await deliver(hints, { group: one });
  takeHints(stream, reporting);
  await database.prepare('DROP TRIGGER refuse').run();
  return { id, stream };
}

/** One event that stands still, and one that an operator had left out. */
async function obstruct() {
  const held = await shipRefused(env.SERVING_DB, 'order_lookup_a', serving);
  const skipped = await shipRefused(env.REPORTING_DB, 'dashboard_a', reporting);
  const letters = '/projections/dashboard/dead-letters';
  const { groups } = await json(get(letters, asOperator));
  expect((await post(`${letters}/${groups[0].id}/skip`, { reason: 'A broken table' }, asOperator)).status).toBe(200);
  await deliverEverything();
  return {
    held: { projection: 'order-lookup', stream: held.stream, version: 2 },
    skipped: { readModel: 'dashboard', stream: skipped.stream, version: 2 },
  };
}

/** Slots to go back to, and a build that waits for consent. */
async function rebuild() {
  async function build(projection: string, query = ''): Promise<string> {
    const runner = idleRunner();
    ports.buildRunner = () => runner;
    const { id } = await json(post(`/projections/${projection}/rebuild${query}`, {}, asOperator));
    await work(projection, id);
    return id;
  }
  const swapped = ['product-catalog', 'order-search'];
  for (const projection of swapped) await build(projection);
  const awaitingAcceptance = { projection: 'order-analytics', id: await build('order-analytics', '?dryRun=true') };
  const { id } = await placeOrder('c-2');
  await ship(id);
  await deliverEverything();
  return { swapped, awaitingAcceptance };
}

/** The client's answers, and its cursors of lists and of the feed. */
async function givenOut({ almanac, delivered }: Shop) {
  // So that its token has bookmarks of both databases.
  for (const path of ['/orders', '/dashboard']) client.token = withToken(await get(path, client.token));
  const headers = { ...client.token, ...asOperator };
  const ofOne = [
    `/products/${almanac.id}/prices`,
    `/orders/${delivered.id}/history`,
    `/streams/${delivered.stream}/events`,
  ];
  const answers: Answered[] = [];
  for (const path of [
    ...[...client.streams].map((stream) => `/${stream.replace('-', 's/')}`),
    '/products?limit=100',
    '/products?category=charts',
    '/orders?limit=100',
    '/orders?customerId=c-1&status=placed',
    '/orders/search?q=ada',
    ...ofOne,
    ...['day', 'region', 'segment', 'category'].map((grouping) => `/analytics/orders?groupBy=${grouping}`),
  ]) {
    const answer = await get(path, headers);
    answers.push({ path, status: answer.status, body: await json(answer) });
  }

  async function halfRead(path: string, parameter: 'cursor' | 'after' = 'cursor'): Promise<HalfRead> {
    const { nextCursor } = await json(get(`${path}${path.includes('?') ? '&' : '?'}limit=2`, headers));
    expect(nextCursor, path).toMatch(/./);
    const rest = await readOn({ path, cursor: nextCursor }, parameter, (next) => json(get(next, headers)));
    expect(rest.length, path).toBeGreaterThan(0);
    return { path, cursor: nextCursor, rest };
  }
  const lists: HalfRead[] = [];
  for (const path of ['/products', '/orders', '/orders?customerId=c-1', '/orders/search?q=ada', ...ofOne])
    lists.push(await halfRead(path));
  const { nextCursor: end } = await json(get('/events?limit=100', asOperator));
  return { answers, lists, feed: { middle: await halfRead('/events', 'after'), end } };
}

/** The client's token, signed with the secret that the release keeps. */
async function tokensNow() {
  const codec = tokenCodec([SECRET]);
  const seen = await system.tokens().decode(client.token['X-Causal-Token'] ?? '');
  if (!seen) throw new Error('the token is not its own');
  return {
    plain: await codec.encode(seen),
    shortened: await codec.encode(withoutConfirmed(seen, [...client.streams].slice(0, 5), Date.now())),
    partial: await codec.encode(cutToSize(seen, 3, Date.now())),
  };
}

/** What no read model has yet: some of it in messages, some only in an object whose alarm has found that both groups lag. */
async function leavePending({ chart, flag }: Shop) {
  const { id, stream } = await placeOrder('c-1');
  await ship(id);
  await changePrice(chart.id, 475);
  await changePrice(flag.id, 110);
  await sentHints(1, flag.stream);
  await expect.poll(() => hintsOf(stream).at(-1)?.toVersion).toBe(2);
  await evictDurableObject(objectOf(flag.stream));
  await runDurableObjectAlarm(objectOf(flag.stream));
  const reminders = hintsOf(flag.stream, reporting);
  const relayed = takeHints().filter(({ events, stream: of }) => events !== undefined && of !== flag.stream);
  return {
    pending: {
      token: (await tokensNow()).plain,
      streams: { [stream]: 2, [chart.stream]: 2, [flag.stream]: 2 },
    },
    messages: {
      serving: packMessages(relayed, 'relay', 1_500),
      reporting: [...packMessages(relayed, 'group'), ...packMessages(reminders, 'reminder')],
    },
  };
}

it('writes the stored data of a deployment, and its tokens and cursors', async () => {
  const shop = await trade();
  await deliverEverything();
  const obstacles = await obstruct();
  const builds = await rebuild();
  // Which gives the object a snapshot.
  await dump(shop.almanac.stream);
  const given = await givenOut(shop);
  const tokens = await tokensNow();
  const left = await leavePending(shop);

  const objects = [];
  for (const stream of client.streams) objects.push({ ...(await storageOf(stream)), alarmAt: await alarmOf(stream) });
  const databases = {
    serving: { migrations: await hashesOf(env.TEST_MIGRATIONS_SERVING), rows: await dumpDatabase(env.SERVING_DB) },
    reporting: {
      migrations: await hashesOf(env.TEST_MIGRATIONS_REPORTING),
      rows: await dumpDatabase(env.REPORTING_DB),
    },
  };
  const release: Release = {
    commit,
    writtenAt: new Date().toISOString(),
    secret: SECRET,
    databases,
    objects,
    tokens,
    ...left,
    ...given,
    keyed: client.keyed,
    ...obstacles,
    builds,
  };
  await expect(`${JSON.stringify(release, null, 1)}\n`).toMatchFileSnapshot(`./releases/${commit}.json`);
});
