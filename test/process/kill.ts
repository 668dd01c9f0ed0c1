/**
 * Kills the whole server again and again, at any moment, while several client processes write and read; some of these are killed too, and
 * read models are being rebuilt. Nothing acknowledged is lost, every key has one outcome, and every read model ends up equal to the logs.
 *
 * `PROCESS_TEST_KILLS` says how often, `PROCESS_TEST_SEED` which moments.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestContext, test } from 'node:test';

import { type Api, apiClient, atOnce, retrying } from '../../scripts/api-client.ts';
import { type Build, buildOf, startBuild } from '../../scripts/projections/builds.ts';
import { chanceOf } from '../../scripts/seed/chance.ts';
import type { LoggedEvent, Resource } from './support/fold.ts';
import { type Answered, type Sent, pendingOf } from './support/journal.ts';
import { expectOk, readAgainstLog, readList } from './support/reading.ts';
import { runScript } from './support/scripts.ts';
import { type RunningServer, freePort, startServer, until } from './support/server.ts';
import { type Shoppers, startShoppers } from './support/shoppers.ts';
import { dashboardOf } from './support/sums.ts';

const KILLS = Number(process.env['PROCESS_TEST_KILLS'] ?? 4);
const SEED = Number(process.env['PROCESS_TEST_SEED'] ?? Date.now() % 1_000_000);
const CLIENTS = 4;
const PRODUCTS = 12;
/** How many answers a life of the server gives before it may be killed. */
const ANSWERS = { atLeast: 10, atMost: 120 };
const REBUILT = ['order-search', 'dashboard', 'order-lookup', 'order-analytics', 'product-catalog'] as const;

/** A command that was acknowledged. */
interface Acknowledged {
  readonly sent: Sent;
  readonly answered: Answered;
}

test(`survives SIGKILL of every process, at any moment, ${KILLS} times`, { timeout: 60 * 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-kill-'));
  const port = await freePort(8835);
  const chance = chanceOf(`kills ${SEED}`);
  const between = (from: number, to: number) => from + Math.floor(chance.number() * (to - from + 1));
  t.diagnostic(`seed ${SEED}, files in ${folder}`);

  let isDone = false;
  let server: RunningServer = await startServer({ port, folder });
  const api = apiClient(server.url);
  const skus = await createProducts(api);
  const shoppers = startShoppers({ url: server.url, folder, count: CLIENTS, seed: SEED, skus });
  t.after(async () => {
    await shoppers.kill();
    await server.stop();
    if (isDone) await rm(folder, { recursive: true, maxRetries: 5 });
    else t.diagnostic(`The server's log, its storage and the clients' journals are in ${folder}`);
  });

  const builds: { readonly projection: string; readonly id: string; readonly killedAt: number }[] = [];
  const startedAt = performance.now();
  for (let round = 1; round <= KILLS; round += 1) {
    const wanted = shoppers.answers() + between(ANSWERS.atLeast, ANSWERS.atMost);
    await until(`${wanted} commands are answered`, 180_000, () => {
      shoppers.demandAlive();
      return shoppers.answers() >= wanted;
    });
    const projection = chance.oneOf(REBUILT);
    // In two of three rounds something is being rebuilt when the kill comes.
    const starting = round % 3 === 0 ? undefined : startBuild(api, projection, {});
    await sleep(between(0, starting ? 900 : 300));
    const killedAt = Date.now();
    await server.kill();
    const victim = chance.number() < 0.3 ? between(0, CLIENTS - 1) : undefined;
    if (victim !== undefined) await shoppers.killOne(victim);
    server = await startServer({ port, folder });
    if (starting) builds.push({ projection, id: (await starting).build.id, killedAt });
    t.diagnostic(
      `${round}: killed after ${shoppers.answers()} answers${starting ? `, while ${projection} was being rebuilt` : ''}` +
        `${victim === undefined ? '' : `, and client ${victim}`}; answered again after ${ms(server.startedInMs)}`,
    );
  }

  await shoppers.stop();
  t.diagnostic(`${KILLS} kills in ${ms(performance.now() - startedAt)}`);
  assert.deepEqual(shoppers.complaints().slice(0, 5), [], 'no client saw what it must not see');
  const acknowledged = tellOutcomes(t, shoppers);
  await demandBuildsEnded(t, api, builds);
  const folds = await demandLogs(api, acknowledged, skus.length);
  await demandReadModels(t, api, folds);
  const verified = await runScript('verify', '--all', '--url', server.url);
  assert.equal(verified.exitCode, 0, verified.said);
  await demandSameOutcomes(t, api, acknowledged);
  isDone = true;
});

async function createProducts(api: Api): Promise<readonly string[]> {
  const skus = Array.from({ length: PRODUCTS }, (_, index) => `KILL-${SEED}-${index}`);
  for (const sku of skus) {
    const price = { amount: 500, currency: 'EUR' };
    expectOk(await api.post('/products', { name: `Signal flag ${sku}`, price, category: 'flags', sku }));
  }
  return skus;
}

/** Each key with its one outcome; and what became of the commands whose answer was lost. */
function tellOutcomes(t: TestContext, shoppers: Shoppers): readonly Acknowledged[] {
  const lines = shoppers.lines();
  assert.deepEqual(pendingOf(lines), [], 'nothing is left without an answer');
  const sent = new Map(lines.flatMap((line) => (line.kind === 'sent' ? [[line.key, line] as const] : [])));
  const outcomes = new Map<string, Answered>();
  for (const line of lines) {
    if (line.kind !== 'answered') continue;
    const other = outcomes.get(line.key) ?? line;
    const outcome = ({ status, stream, version }: Answered) => ({ status, stream, version });
    assert.deepEqual(outcome(line), outcome(other), `${line.key} always has the same outcome`);
    outcomes.set(line.key, line);
  }
  const all = [...outcomes].map(([key, answered]) => ({ sent: sent.get(key) as Sent, answered }));
  const lost = all.filter(({ answered }) => answered.unanswered > 0);
  const wereDone = lost.filter(({ answered }) => answered.isReplayed);
  t.diagnostic(
    `${all.length} commands by ${CLIENTS} clients, all acknowledged in the end. ${lost.length} had no answer at first: ` +
      `${wereDone.length} of them had been done, ${lost.length - wereDone.length} were done by a later try`,
  );
  return all;
}

/** Every build has come to an end: it was swapped, or it says why not. */
async function demandBuildsEnded(
  t: TestContext,
  api: Api,
  builds: readonly { readonly projection: string; readonly id: string; readonly killedAt: number }[],
): Promise<void> {
  const ended = new Map<string, Build>();
  for (const { projection, id } of builds) {
    await until(`the build ${id} of ${projection} has ended`, 300_000, async () => {
      const build = await buildOf(api, projection, id);
      ended.set(id, build);
      return build.endedAt !== null;
    });
  }
  const inFlight = builds.filter(({ id, killedAt }) => {
    const { startedAt, endedAt } = ended.get(id) as Build;
    return Date.parse(startedAt) <= killedAt && Date.parse(endedAt ?? '') >= killedAt;
  });
  const byState = Object.groupBy(ended.values(), ({ state }) => state);
  const counts = Object.entries(byState).map(([state, some]) => `${some.length} ${state}`);
  t.diagnostic(`${ended.size} rebuilds: ${counts.join(', ')}; ${inFlight.length} kills came while one was under way`);
  for (const { id, projection, state, error, differences } of ended.values()) {
    if (state === 'swapped') continue;
    t.diagnostic(`the build of ${projection} ${state}: ${error?.message}`);
    assert.equal(
      state,
      'failed',
      `the build ${id} of ${projection} was swapped or has failed: ${JSON.stringify(differences)}`,
    );
    assert.ok((error?.message ?? '') !== '', `the build ${id} of ${projection} says why it failed`);
  }
}

/** Every acknowledged command is in its log, at its version, and nothing else is; each resource equals the fold of its log. */
async function demandLogs(
  api: Api,
  acknowledged: readonly Acknowledged[],
  productsCreated: number,
): Promise<ReadonlyMap<string, Resource>> {
  const folds = new Map<string, Resource>();
  const logs = new Map<string, readonly LoggedEvent[]>();
  const listed = (await readList(api, '/products')).items.map(({ productId }) => `product-${String(productId)}`);
  const streams = new Set([...listed, ...acknowledged.map(({ answered }) => answered.stream ?? '')]);
  await atOnce(8, streams, async (stream) => {
    const { resource, events } = await readAgainstLog(api, stream);
    folds.set(stream, resource);
    logs.set(stream, events);
  });
  const places = new Set<string>();
  for (const { sent, answered } of acknowledged) {
    const { stream, version } = answered;
    const event = logs.get(stream ?? '')?.[(version ?? 0) - 1];
    assert.equal(event?.type, eventOf(sent), `${sent.key} is in the log of ${stream} at version ${version}`);
    places.add(event?.id ?? '');
    // Writes follow reads: no older price than its sender had seen.
    for (const { productId, productVersion } of event?.type === 'OrderPlaced' ? event.data.lines : [])
      assert.ok(productVersion >= (sent.seen[productId] ?? 0), `${sent.key} has the prices that its sender had seen`);
  }
  const events = [...logs.values()].flat();
  assert.equal(places.size, acknowledged.length, 'every command has an event of its own');
  assert.equal(events.length, acknowledged.length + productsCreated, 'nothing was done that nobody was told of');
  return folds;
}

/** The event that a command comes to. */
function eventOf({ path }: Sent): string {
  const types = {
    orders: 'OrderPlaced',
    price: 'PriceUpdated',
    shipment: 'OrderShipped',
    delivery: 'OrderDelivered',
    cancellation: 'OrderCancelled',
    returns: 'ItemsReturned',
  };
  return types[path.split('/').at(-1) as keyof typeof types];
}

/** Read without any token, the lists and the sums come to what the logs make, by themselves. */
async function demandReadModels(t: TestContext, api: Api, folds: ReadonlyMap<string, Resource>): Promise<void> {
  const startedAt = performance.now();
  for (const [list, id] of [
    ['orders', 'orderId'],
    ['products', 'productId'],
  ] as const) {
    const folded = [...folds.values()].filter((resource) => id in resource).toSorted(by(id));
    const read = async () => (await readList(api, `/${list}`)).items.toSorted(by(id));
    const isThere = async () => versionsOf(await read()) === versionsOf(folded);
    await until(`the list of ${list} has all that was acknowledged`, 300_000, isThere);
    assert.deepEqual(await read(), folded, `the list of ${list} is exactly what the logs make`);
  }
  const sums = dashboardOf([...folds.values()].filter((resource) => 'orderId' in resource));
  const front = async () => expectOk(await api.get<typeof sums>('/dashboard')).body;
  const isCounted = async () => JSON.stringify((await front()).ordersByStatus) === JSON.stringify(sums.ordersByStatus);
  await until('the dashboard has counted all of it', 300_000, isCounted);
  const { ordersByStatus, revenue } = await front();
  assert.deepEqual({ ordersByStatus, revenue: revenue.map(({ currency, total }) => ({ currency, total })) }, sums);
  t.diagnostic(
    `${folds.size} resources; every read model had all of it ${ms(performance.now() - startedAt)} after it was asked`,
  );
}

/** Sent once more with its key, each command answers what it answered then, and does nothing. */
async function demandSameOutcomes(t: TestContext, api: Api, acknowledged: readonly Acknowledged[]): Promise<void> {
  await atOnce(8, acknowledged, async ({ sent: { path, body, key }, answered }) => {
    const again = await retrying(() => api.post(path, body, { idempotencyKey: key }));
    assert.deepEqual(
      [again.status, again.version, again.headers.get('Idempotency-Replayed')],
      [answered.status, answered.version, 'true'],
      `${key} has the outcome that it had`,
    );
  });
  t.diagnostic(`all ${acknowledged.length} commands, sent once more, had the outcomes that they had`);
}

function versionsOf(resources: readonly Resource[]): string {
  return JSON.stringify(resources.map(({ version }) => version));
}

function by(id: string): (one: Resource, other: Resource) => number {
  return (one, other) => String(one[id]).localeCompare(String(other[id]));
}

function ms(duration: number): string {
  return duration < 10_000 ? `${Math.round(duration)} ms` : `${(duration / 1_000).toFixed(1)} s`;
}
