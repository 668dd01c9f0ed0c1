/**
 * Upgrades a server under load, rolls it back, and upgrades it again: the Worker of an earlier commit, the same Worker on databases with today's
 * migrations, today's Worker, and both in turn, as in a gradual deployment. Meanwhile clients write, read and retry. No acknowledged command is
 * lost, no client gets an answer that breaks a promise, and every read model ends up equal to the logs.
 *
 *     PROCESS_TEST_FORMER=0b39f20 npx node --test test/shop/process/upgrade.ts
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { type Api, apiClient } from '../../../scripts/api-client.ts';
import {
  createProducts,
  demandLogs,
  demandReadModels,
  demandSameOutcomes,
  duration,
  tellOutcomes,
} from './support/acknowledged.ts';
import { expectOk } from './support/reading.ts';
import { checkOut, migrate } from './support/releases.ts';
import { runScript } from './support/scripts.ts';
import { ROOT, type RunningServer, freePort, startServer, until } from './support/server.ts';
import { type Shoppers, startShoppers } from './support/shoppers.ts';

/** The commit of the former Worker: the last one before stored formats changed. */
const FORMER = process.env['PROCESS_TEST_FORMER'] ?? '0b39f20';
const SEED = Number(process.env['PROCESS_TEST_SEED'] ?? Date.now() % 1_000_000);
const CLIENTS = 3;
const PRODUCTS = 6;
/** How many answers each Worker gives before the next takes over. */
const ANSWERS = 60;

/** As docs/upgrading.md says for a gradual deployment, today's Worker writes tokens that both Workers read. */
const variables = (...all: readonly string[]) => all.flatMap((one) => ['--var', one]);
const GRADUALLY = variables(
  'CAUSAL_TOKEN_FORMAT:1',
  'IDEMPOTENCY_FORMAT:1',
  'IDEMPOTENCY_SCOPE:1',
  'CHECKPOINT_FORMAT:1',
);
/** Clients still retry what they sent to the former Worker. */
const AFTERWARDS = variables('IDEMPOTENCY_SCOPE:both');

test(`upgrades from ${FORMER} under load, back, and again`, { timeout: 30 * 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-upgrade-'));
  const former = join(folder, 'former');
  checkOut(FORMER, former);
  const port = await freePort(8835);
  t.diagnostic(`seed ${SEED}, files in ${folder}`);

  const workers = {
    former: { root: former, args: [] },
    today: { root: ROOT, args: GRADUALLY },
    'today, alone': { root: ROOT, args: AFTERWARDS },
  };
  const start = (name: keyof typeof workers) =>
    startServer({ port, folder, mayBeDegraded: name !== 'former', ...workers[name] });

  let isDone = false;
  let server: RunningServer = await start('former');
  const api = apiClient(server.url);
  const skus = await createProducts(api, `UPGRADE-${SEED}`, PRODUCTS);
  const shoppers = startShoppers({ url: server.url, folder, count: CLIENTS, seed: SEED, skus });
  t.after(async () => {
    await shoppers.kill();
    await server.stop();
    if (isDone) await rm(folder, { recursive: true, maxRetries: 5 });
    else t.diagnostic(`The server's log, its storage and the clients' journals are in ${folder}`);
  });

  async function serves(name: string): Promise<void> {
    const wanted = shoppers.answers() + ANSWERS;
    await until(`the Worker "${name}" has answered ${ANSWERS} commands`, 300_000, () => {
      shoppers.demandAlive();
      return shoppers.answers() >= wanted;
    });
    await demandDelivery(api, shoppers);
    assert.deepEqual(shoppers.complaints().slice(0, 5), [], `no client saw what it must not see (${name})`);
    t.diagnostic(`${name}: ${shoppers.answers()} answers so far, started in ${duration(server.startedInMs)}`);
  }

  await serves('former');
  await server.stop();
  // The former Worker has to work on the migrated databases.
  t.diagnostic(migrate(join(folder, 'state')).includes('No migrations to apply') ? 'nothing to migrate' : 'migrated');
  for (const name of ['former', 'today', 'former', 'today'] as const) {
    server = await start(name);
    await serves(name);
    await server.stop();
  }
  server = await start('today, alone');
  await serves('today, alone');

  await shoppers.stop();
  assert.deepEqual(shoppers.complaints().slice(0, 5), [], 'no client saw what it must not see');
  const acknowledged = tellOutcomes(t, shoppers);
  const folds = await demandLogs(api, acknowledged, skus.length);
  await demandReadModels(t, api, folds);
  await buildNewRevisions(t, api, server.url);
  const verified = await runScript('verify', '--all', '--url', server.url);
  assert.equal(verified.exitCode, 0, verified.said);
  await demandSameOutcomes(t, api, acknowledged);
  isDone = true;
});

/** As an operator does after the deployment: a revision that is new in today's code replaces the one that is live. */
async function buildNewRevisions(t: TestContext, api: Api, url: string): Promise<void> {
  const { body } = expectOk(
    await api.get<{ items: readonly { name: string; revision: number; codeRevision: number }[] }>('/projections'),
  );
  for (const { name } of body.items.filter(({ revision, codeRevision }) => revision !== codeRevision)) {
    const built = await runScript('rebuild', name, '--accept', '--url', url);
    assert.equal(built.exitCode, 0, built.said);
    t.diagnostic(`${name} is live in its new revision`);
  }
}

/** Both groups get what was acknowledged by their queues: no client reads the dashboard with a token, or orders that its token lacks. */
async function demandDelivery(api: Api, shoppers: Shoppers): Promise<void> {
  const lines = shoppers.lines();
  const placed = new Set(lines.flatMap((line) => (line.kind === 'sent' && line.path === '/orders' ? [line.key] : [])));
  const orders = lines.flatMap((line) =>
    line.kind === 'answered' && placed.has(line.key) && line.stream !== null ? [line.stream] : [],
  );
  const latest = orders.at(-1)?.replace('-', 's/');
  await until(`/${latest} is there without a token`, 60_000, async () => (await api.get(`/${latest}`)).status === 200);
  await until(`the dashboard has counted ${orders.length} orders`, 120_000, async () => {
    const { body } = expectOk(await api.get<{ ordersByStatus: Record<string, number> }>('/dashboard'));
    return Object.values(body.ordersByStatus).reduce((sum, count) => sum + count, 0) >= orders.length;
  });
}
