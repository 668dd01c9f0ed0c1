/**
 * Kills the whole server again and again, at any moment, while several client processes write and read. It kills some clients too, and rebuilds
 * read models meanwhile. No acknowledged command is lost, every key has one outcome, and every read model ends up equal to the logs.
 *
 * `PROCESS_TEST_KILLS` sets the number of kills, `PROCESS_TEST_SEED` their moments.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestContext, test } from 'node:test';

import { type Api, apiClient } from '../../../scripts/api-client.ts';
import { type Build, buildOf, startBuild } from '../../../scripts/projections/builds.ts';
import { chanceOf } from '../../../scripts/seed/chance.ts';
import {
  createProducts,
  demandLogs,
  demandReadModels,
  demandSameOutcomes,
  duration,
  tellOutcomes,
} from './support/acknowledged.ts';
import { expectOk } from './support/reading.ts';
import { runScript } from './support/scripts.ts';
import { type RunningServer, freePort, startServer, until } from './support/server.ts';
import { startShoppers } from './support/shoppers.ts';

const KILLS = Number(process.env['PROCESS_TEST_KILLS'] ?? 4);
const SEED = Number(process.env['PROCESS_TEST_SEED'] ?? Date.now() % 1_000_000);
const CLIENTS = 4;
const PRODUCTS = 12;
/** How many answers a life of the server gives before it may be killed. */
const ANSWERS = { atLeast: 10, atMost: 120 };
/** The cron's interval in wrangler.toml. */
const SWEEP_EVERY_MS = 5 * 60_000;
const REBUILT = ['order-search', 'dashboard', 'order-lookup', 'order-analytics', 'product-catalog'] as const;

test(`survives SIGKILL of every process, at any moment, ${KILLS} times`, { timeout: 60 * 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-kill-'));
  const port = await freePort(8835);
  const chance = chanceOf(`kills ${SEED}`);
  const between = (from: number, to: number) => from + Math.floor(chance.number() * (to - from + 1));
  t.diagnostic(`seed ${SEED}, files in ${folder}`);

  let isDone = false;
  let server: RunningServer = await startServer({ port, folder });
  const api = apiClient(server.url);
  const skus = await createProducts(api, `KILL-${SEED}`, PRODUCTS);
  const shoppers = startShoppers({ url: server.url, folder, count: CLIENTS, seed: SEED, skus });
  const cron = setInterval(() => void sweepAll(api).catch(() => undefined), SWEEP_EVERY_MS);
  t.after(async () => {
    clearInterval(cron);
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
        `${victim === undefined ? '' : `, and client ${victim}`}; answered again after ${duration(server.startedInMs)}`,
    );
  }

  await shoppers.stop();
  t.diagnostic(`${KILLS} kills in ${duration(performance.now() - startedAt)}`);
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

/**
 * As the platform's cron does, which no local server has. The kills also take the messages of the local queues. A stream that lost several of them is
 * checked again only after a long pause, and may be right only after a sweep.
 */
async function sweepAll(api: Api): Promise<void> {
  let isComplete = false;
  while (!isComplete) ({ isComplete } = expectOk(await api.post<{ isComplete: boolean }>('/sweep', {})).body);
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
