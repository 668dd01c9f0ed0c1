/**
 * Kills the whole server while `npm run seed` fills it, and kills the seed too. The seed resumes and builds on what it had seen. No acknowledged
 * command is lost, and none is applied twice. (`kill.ts` does the same to all kinds of clients, more often, at any moment.)
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { type Api, apiClient, atOnce, retrying } from '../../../scripts/api-client.ts';
import { type Money, type Season, countWrites, planSeason } from '../../../scripts/seed/season.ts';
import type { LoggedEvent, Resource } from './support/fold.ts';
import { expectOk, pathOf, readAgainstLog, readList } from './support/reading.ts';
import { ROOT, freePort, startServer, until } from './support/server.ts';

const KILLS = 2;
const ORDERS = Number(process.env['PROCESS_TEST_ORDERS'] ?? 300);
const PRODUCTS = 40;
const SEED = Number(process.env['PROCESS_TEST_SEED'] ?? Date.now() % 1_000_000);

/** One line of the seed's journal: a write that was acknowledged. */
interface Acknowledged {
  readonly stream: string;
  readonly version: number;
  readonly idempotencyKey: string;
  readonly isReplayed: boolean;
}

test(
  `the seed gets to its end though every process is killed, ${KILLS} times while it fills the server`,
  { timeout: 20 * 60_000 },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-kill-'));
    const port = await freePort();
    const season = planSeason({ seed: SEED, products: PRODUCTS, orders: ORDERS });
    const api = apiClient(`http://localhost:${port}`);
    t.diagnostic(`seed ${SEED}, ${countWrites(season)} writes, files in ${folder}`);

    let isDone = false;
    let server = await startServer({ port, folder });
    const journal = join(folder, 'journal.jsonl');
    let filling = fill(api, folder, journal);
    t.after(async () => {
      filling.kill();
      await server.stop();
      if (isDone) await rm(folder, { recursive: true, maxRetries: 5 });
      else t.diagnostic(`The server's log and its storage are in ${folder}`);
    });

    for (const [index, after] of momentsOf(season).entries()) {
      await until(`the seed has written ${after} times`, 120_000, () => {
        assert.equal(filling.exitCode, null, `the seed goes on: ${seedLog(folder)}`);
        return read(journal).length >= after;
      });
      // Every other time the client dies too, and a new one has to find its way.
      const isClientKilled = index % 2 === 1;
      if (isClientKilled) filling.kill('SIGKILL');
      await server.kill();
      server = await startServer({ port, folder });
      t.diagnostic(
        `killed after ${after} writes${isClientKilled ? ', the client too' : ''}; answered again after ${ms(server.startedInMs)}`,
      );
      if (!isClientKilled) continue;
      await caughtUp(t, api, read(journal));
      filling = fill(api, folder, journal);
    }
    assert.equal(await exitCodeOf(filling), 0, seedLog(folder));
    t.diagnostic(seedLog(folder).trim().split('\n').slice(-3).join(' | '));
    t.diagnostic(`${countLostAnswers(read(journal))} commands were done though their first answer was lost`);

    await caughtUp(t, api, read(journal));
    await demandEverything(api, season, read(journal));

    const again = join(folder, 'again.jsonl');
    assert.equal(await exitCodeOf(fill(api, folder, again)), 0, seedLog(folder));
    assert.deepEqual(
      outcomesOf(read(again)),
      outcomesOf(read(journal)),
      'the same commands again give the same outcomes',
    );
    await demandEverything(api, season, read(journal));
    isDone = true;
  },
);

/** Everything that has to hold once the whole season has been acknowledged. */
async function demandEverything(api: Api, season: Season, journal: readonly Acknowledged[]): Promise<void> {
  const heads = headsOf(journal);
  const folds = new Map<string, Resource>();
  const logs = new Map<string, readonly LoggedEvent[]>();
  await atOnce(8, heads, async ([stream, version]) => {
    const path = pathOf(stream);
    const acknowledged = expectOk(
      await retrying(() => api.get<Resource>(path, { headers: { 'X-Version': String(version) } })),
    );
    assert.ok((acknowledged.version ?? 0) >= version, `${stream} is readable at version ${version}`);
    const { resource, events } = await readAgainstLog(api, stream);
    assert.equal(events.length, version, `${stream} has what was acknowledged and no more`);
    folds.set(stream, resource);
    logs.set(stream, events);
  });
  assert.equal(
    new Set([...logs.values()].flat().map(({ id }) => id)).size,
    countWrites(season),
    'every command was done once',
  );

  for (const [list, id] of [
    ['orders', 'orderId'],
    ['products', 'productId'],
  ] as const) {
    const { items } = await readList(api, `/${list}`);
    const listed = items.toSorted(by(id));
    const folded = [...folds.values()].filter((resource) => id in resource).toSorted(by(id));
    assert.deepEqual(listed, folded, `the list of ${list} is exactly what the logs make`);
  }
  demandPrices(season, journal, folds);
}

/** Orders are placed with a token that has seen the prices of their chapter: none may have an older one, nor a later one. */
function demandPrices(
  { stock, chapters }: Season,
  journal: readonly Acknowledged[],
  folds: ReadonlyMap<string, Resource>,
): void {
  const streams = new Map(journal.map(({ idempotencyKey, stream }) => [idempotencyKey, stream]));
  const prices = new Map<string, Money>(stock.map(({ body }) => [body.sku, body.price]));
  for (const chapter of chapters) {
    for (const { sku, body } of chapter.prices) prices.set(sku, body.price);
    for (const { launches } of chapter.orders) if (launches) prices.set(launches.body.sku, launches.body.price);
    for (const { idempotencyKey, body } of chapter.orders) {
      const order = folds.get(streams.get(idempotencyKey) ?? '') as {
        items?: { sku: string; quantity: number; unitPrice: Money }[];
      };
      assert.deepEqual(
        order.items?.map(({ sku, quantity, unitPrice }) => ({ sku, quantity, unitPrice })),
        body.items.map(({ sku, quantity }) => ({ sku, quantity, unitPrice: prices.get(sku) })),
        `${idempotencyKey} has the prices that its token had seen`,
      );
    }
  }
}

/** Waits until the lists, read without any token, have all that was acknowledged. */
async function caughtUp(t: TestContext, api: Api, journal: readonly Acknowledged[]): Promise<void> {
  const startedAt = performance.now();
  const heads = headsOf(journal);
  await until('the lists have all that was acknowledged', 180_000, async () => {
    const listed = await Promise.all(
      ['orders', 'products'].map(async (list) => (await readList(api, `/${list}`)).items),
    );
    const versions = new Map(
      listed
        .flat()
        .map((item) => [
          'orderId' in item ? `order-${String(item['orderId'])}` : `product-${String(item['productId'])}`,
          Number(item['version']),
        ]),
    );
    return [...heads].every(([stream, version]) => (versions.get(stream) ?? 0) >= version);
  });
  t.diagnostic(
    `the lists had all of ${outcomesOf(journal).size} acknowledged writes after ${ms(performance.now() - startedAt)}`,
  );
}

function fill({ url }: Api, folder: string, journal: string): ChildProcess {
  const log = openSync(join(folder, 'seed.log'), 'a');
  const options = { url, orders: ORDERS, products: PRODUCTS, seed: SEED, journal };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(process.execPath, [join(ROOT, 'scripts/seed.ts'), ...args], { stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

async function exitCodeOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

function seedLog(folder: string): string {
  return readFileSync(join(folder, 'seed.log'), 'utf8');
}

/** After how many writes to kill: at random, apart from each other, never at the very end. */
function momentsOf(season: Season): readonly number[] {
  const share = (countWrites(season) * 0.9) / KILLS;
  return Array.from({ length: KILLS }, (_, index) => Math.ceil(share * (index + 0.1 + Math.random() * 0.9)));
}

function read(journal: string): readonly Acknowledged[] {
  if (!existsSync(journal)) return [];
  const lines = readFileSync(journal, 'utf8').split('\n');
  // The text after the last line end is an unfinished line, for example of a killed client.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Acknowledged);
}

/** The outcome of each key. A repeated key has to have the same outcome. */
function outcomesOf(journal: readonly Acknowledged[]): ReadonlyMap<string, string> {
  const outcomes = new Map<string, string>();
  for (const { idempotencyKey, stream, version } of journal) {
    const outcome = `${stream}@${version}`;
    assert.equal(outcome, outcomes.get(idempotencyKey) ?? outcome, `${idempotencyKey} always has the same outcome`);
    outcomes.set(idempotencyKey, outcome);
  }
  return outcomes;
}

/** Commands that were done although the answer never came: the first answer that did come was a replay. */
function countLostAnswers(journal: readonly Acknowledged[]): number {
  const first = new Map(journal.toReversed().map((line) => [line.idempotencyKey, line]));
  return [...first.values()].filter(({ isReplayed }) => isReplayed).length;
}

/** The highest acknowledged version of every stream. */
function headsOf(journal: readonly Acknowledged[]): ReadonlyMap<string, number> {
  const heads = new Map<string, number>();
  for (const { stream, version } of journal) heads.set(stream, Math.max(version, heads.get(stream) ?? 0));
  return heads;
}

function by(id: string): (one: Resource, other: Resource) => number {
  return (one, other) => String(one[id]).localeCompare(String(other[id]));
}

function ms(duration: number): string {
  return `${Math.round(duration)} ms`;
}
