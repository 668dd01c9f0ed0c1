/**
 * Rebuilds, swaps and rolls back read models while clients write and read as fast as they can. No read fails or is stale. Afterwards the live
 * read models equal the fold of the logs. One test kills the whole server in the middle.
 *
 * `PROCESS_TEST_STATE` names storage that a server has filled (its `--persist-to`). The test uses a copy instead of filling its own.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestContext, after, afterEach, before, describe, test } from 'node:test';

import { type Api, apiClient } from '../../../scripts/api-client.ts';
import { buildOf, startBuild } from '../../../scripts/projections/builds.ts';
import { runScript, startScript } from './support/scripts.ts';
import { type RunningServer, freePort, startServer, until } from './support/server.ts';
import { type Traffic, startTraffic } from './support/traffic.ts';

const EVENTS = Number(process.env['PROCESS_TEST_EVENTS'] ?? 20_000);
const STATE = process.env['PROCESS_TEST_STATE'];
const EVENTS_PER_ORDER = 2.6;
/** How often each read model is rebuilt. */
const ROUNDS = 5;
/** Reads before and after what happens under traffic. */
const READS_AROUND = 100;
/** How often the middle of a build may be missed. */
const TRIES = 8;

describe('while read models are rebuilt under traffic', { timeout: 90 * 60_000 }, () => {
  let folder: string;
  let port: number;
  let server: RunningServer;
  let api: Api;
  let isFailed = false;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-rebuild-'));
    if (STATE !== undefined) await cp(STATE, join(folder, 'state'), { recursive: true });
    port = await freePort(8825);
    server = await startServer({ port, folder });
    api = apiClient(server.url);
    if (STATE === undefined) await fill(server.url);
  });
  afterEach((t) => {
    isFailed ||= !('passed' in t && t.passed);
  });
  after(async () => {
    await server.stop();
    if (isFailed) console.log(`The server's log and its storage are in ${folder}`);
    else await rm(folder, { recursive: true, maxRetries: 5 });
  });

  for (const projection of ['order-search', 'dashboard', 'order-lookup']) {
    test(`${projection} is swapped, and no read fails or is stale`, async (t) => {
      await underTraffic(t, api, async () => {
        for (let round = 1; round <= ROUNDS; round += 1) {
          const { replayed, tookMs } = await buildAndSwap(projection);
          t.diagnostic(`${replayed} events folded anew, ${ms(tookMs)} from the start to the swap`);
          assert.ok(replayed >= EVENTS);
        }
      });
      await verify(t, projection);
    });
  }

  test('a build continues after its server was killed in the middle and started again', async (t) => {
    const projection = 'order-search';
    await underTraffic(t, api, async (traffic) => {
      // Guessed, since by the time of an answer to the question it may be over.
      let afterMs = (await buildAndSwap(projection)).tookMs * 0.5;
      for (let tries = 1; tries <= TRIES; tries += 1) {
        const starting = startBuild(api, projection, {});
        await sleep(afterMs);
        const isOver = traffic.outage();
        const killedAt = Date.now();
        await server.kill();
        server = await startServer({ port, folder });
        isOver();
        // Without an answer it was sent again, and may have started a second one.
        const { id, startedAt } = (await starting).build;
        const { state, replayed, total } = await buildOf(api, projection, id);
        const isTooEarly = Date.parse(startedAt) > killedAt || replayed === 0;
        const isTooLate = !isTooEarly && state === 'swapped';
        t.diagnostic(
          `killed ${ms(afterMs)} after the start: at ${replayed} of ${total} events (${state})` +
            `${isTooEarly ? ', too early' : ''}${isTooLate ? ', too late' : ''}; up again after ${ms(server.startedInMs)}`,
        );
        await demandScript('rebuild', projection, id);
        if (!isTooEarly && !isTooLate) {
          t.diagnostic(`the build was swapped ${ms(Date.now() - killedAt)} after the kill`);
          return;
        }
        afterMs *= isTooLate ? 0.6 : 1.5;
      }
      throw new Error(`The middle of a build was missed ${TRIES} times`);
    });
    await verify(t, projection);
  });

  test('a cancelled build leaves nothing behind for the next one', async (t) => {
    const projection = 'order-search';
    await underTraffic(t, api, async () => {
      let isCancelled = false;
      for (let tries = 1; tries <= TRIES && !isCancelled; tries += 1) {
        const { build } = await startBuild(api, projection, {});
        await until('it replays', 60_000, async () => (await buildOf(api, projection, build.id)).replayed > 0);
        isCancelled = (await api.delete(`/projections/${projection}/rebuilds/${build.id}`)).status === 200;
        const { replayed, total, state } = await buildOf(api, projection, build.id);
        t.diagnostic(`cancelled after ${replayed} of ${total} events: ${state}`);
      }
      assert.ok(isCancelled, 'one was on its way when it was cancelled');
      await demandScript('rebuild', projection);
    });
    await verify(t, projection);
  });

  test('a rollback is as quick and as correct as a swap, and possible until the next build', async (t) => {
    for (const projection of ['order-lookup', 'dashboard']) {
      await underTraffic(t, api, async () => {
        await demandScript('rebuild', projection);
        for (const direction of ['back', 'forth', 'back']) {
          const startedAt = performance.now();
          const said = await demandScript('rollback', projection);
          t.diagnostic(`${direction} in ${ms(performance.now() - startedAt)}: ${said}`);
        }
      });
      await verify(t, projection);
      const refused = await runScript('rollback', projection, '--url', server.url);
      assert.equal(refused.exitCode, 1, 'the verification has taken the second slot');
    }
  });

  test('the archive has every event of every log', async (t) => {
    await verify(t, 'archive');
  });

  async function buildAndSwap(projection: string): Promise<{ readonly replayed: number; readonly tookMs: number }> {
    const { build } = await startBuild(api, projection, {});
    await demandScript('rebuild', projection, build.id);
    const { state, replayed, startedAt, endedAt } = await buildOf(api, projection, build.id);
    assert.equal(state, 'swapped');
    return { replayed, tookMs: Date.parse(endedAt ?? '') - Date.parse(startedAt) };
  }

  /** Runs a script to its end, which has to be a good one. Returns the last line that it said. */
  async function demandScript(name: string, ...args: readonly string[]): Promise<string> {
    const { exitCode, said } = await runScript(name, ...args, '--url', server.url);
    assert.equal(exitCode, 0, `${name} ${args.join(' ')}:\n${said}`);
    return said.trim().split('\n').at(-1) ?? '';
  }

  async function verify(t: TestContext, projection: string): Promise<void> {
    t.diagnostic(await demandScript('verify', projection));
  }

  async function fill(url: string): Promise<void> {
    const orders = Math.ceil(EVENTS / EVENTS_PER_ORDER / 2);
    const startedAt = performance.now();
    // Two side by side: one alone waits for its last order before it changes prices.
    const seeds = ['1', '2'].map((seed) =>
      startScript(
        'seed',
        '--seed',
        seed,
        '--orders',
        String(orders),
        '--products',
        '100',
        '--concurrency',
        '16',
        '--url',
        url,
      ),
    );
    for (const { ended } of seeds) {
      const { exitCode, said } = await ended;
      assert.equal(exitCode, 0, said);
    }
    console.log(`Filled with ${2 * orders} orders in ${ms(performance.now() - startedAt)}`);
  }
});

/** Runs clients that write and read during `act`, prints how much they did, and asserts that every answer was right. */
async function underTraffic<Result>(
  t: TestContext,
  api: Api,
  act: (traffic: Traffic) => Promise<Result>,
): Promise<Result> {
  const traffic = await startTraffic(api);
  try {
    await traffic.more(READS_AROUND);
    const result = await act(traffic);
    await traffic.more(READS_AROUND);
    return result;
  } finally {
    const { reads, writes, seconds, retried, slowestMs, failures } = await traffic.stop();
    t.diagnostic(
      `${reads} reads and ${writes} writes in ${ms(seconds * 1_000)}: ${((reads + writes) / seconds).toFixed(0)}/s, ` +
        `slowest ${ms(slowestMs)}, ${retried} tried again while the server was down, ${failures.length} failed or stale`,
    );
    assert.deepEqual(failures.slice(0, 5), []);
  }
}

function ms(duration: number): string {
  return duration < 10_000 ? `${Math.round(duration)} ms` : `${(duration / 1_000).toFixed(1)} s`;
}
