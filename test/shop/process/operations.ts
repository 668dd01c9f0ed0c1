/** The output and the exit codes of `rebuild`, `rollback`, `release` and `verify`, on a server with changed storage, and on scripted answers. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { type IncomingMessage, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, before, describe, test } from 'node:test';

import { apiClient } from '../../../scripts/api-client.ts';
import { type ProjectionStatus, startBuild } from '../../../scripts/projections/builds.ts';
import { runScript, startScript } from './support/scripts.ts';
import { type RunningServer, freePort, startServer, until } from './support/server.ts';

describe('on a server', { timeout: 10 * 60_000 }, () => {
  let folder: string;
  let port: number;
  let server: RunningServer;
  let isFailed = false;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-operations-'));
    port = await freePort(8835);
    server = await startServer({ port, folder });
    await expectExit(0, 'seed', '--orders', '30', '--products', '10');
    const api = apiClient(server.url);
    await until('every read model has everything', 60_000, async () => {
      const { body } = await api.get<{ items: readonly ProjectionStatus[] }>('/projections');
      const { body: archived } = await api.get<{ items: readonly unknown[] }>('/events');
      return archived.items.length > 0 && body.items.every(({ lag }) => lag?.events === 0);
    });
  });
  afterEach((t) => {
    isFailed ||= !('passed' in t && t.passed);
  });
  after(async () => {
    await server.stop();
    if (isFailed) console.log(`The server's log and its storage are in ${folder}`);
    else await rm(folder, { recursive: true, maxRetries: 5 });
  });

  async function expectExit(exitCode: number, name: string, ...args: readonly string[]): Promise<string> {
    const ended = await runScript(name, ...args, '--url', server.url);
    assert.equal(ended.exitCode, exitCode, `${name} ${args.join(' ')}:\n${ended.said}`);
    return ended.said;
  }

  test('a rebuild swaps, a rollback goes back and forth, and a release ends that', async () => {
    assert.match(await expectExit(0, 'rebuild', 'order-search'), /Swapped: .*\nIt equals the former slot: 30 rows/);
    assert.match(await expectExit(0, 'rollback', 'order-search'), /in slot a of order-search is live now/);
    assert.match(await expectExit(0, 'rollback', 'order-search'), /in slot b of order-search is live now/);
    assert.match(await expectExit(0, 'rollback', 'order-search', '--release'), /^Released/);
    assert.match(await expectExit(1, 'rollback', 'order-search'), /no former slot .*409 wrong-state/);
    assert.match(await expectExit(1, 'rollback', 'order-search', '--release'), /no former slot/);
  });

  test('a verification of undamaged read models finds no difference', async () => {
    const said = await expectExit(
      0,
      'verify',
      'order-lookup',
      'product-catalog',
      'dashboard',
      'order-analytics',
      'archive',
    );
    assert.match(said, /order-lookup: equal\. 30 rows/);
    assert.match(said, /archive: equal to the logs/);
    assert.match(said, /Nothing differs\./);
  });

  test('a rebuild shows a wrong row, does not swap silently, and repairs the row after acceptance', async () => {
    await tamper('order_lookup_2_a', (database) => {
      const live = liveSlotOf(database, 'order-lookup');
      database.exec(`UPDATE order_lookup_2_${live} SET status = 'lost' WHERE version = 1 AND status = 'placed'`);
    });
    const found = await expectExit(1, 'verify', 'order-lookup');
    assert.match(found, /order-lookup: DIFFERS/);
    assert.match(found, /status: live 'lost', build 'placed'/);
    const built = await expectExit(1, 'rebuild', 'order-lookup');
    assert.match(built, /Not swapped: the build differs from the live slot/);
    const [, id = ''] = /--accept ([\w-]+)/.exec(built) ?? [];
    assert.match(await expectExit(1, 'verify', 'order-lookup'), /another build is running/);
    assert.match(await expectExit(1, 'rebuild', 'order-lookup'), /is already running/);
    assert.match(await expectExit(0, 'rebuild', 'order-lookup', '--accept', id), /Swapped/);
    assert.match(await expectExit(0, 'verify', 'order-lookup'), /equal/);
  });

  test('a rebuild with --accept swaps although the two differ', async () => {
    await tamper('dashboard_a', (database) => {
      const live = liveSlotOf(database, 'dashboard');
      database.exec(`DELETE FROM dashboard_${live}`);
    });
    assert.match(await expectExit(0, 'rebuild', 'dashboard', '--accept'), /It differs from the former slot:/);
    assert.match(await expectExit(0, 'verify', 'dashboard'), /equal/);
  });

  test('a build that awaits acceptance can be cancelled', async () => {
    const api = apiClient(server.url);
    const { build } = await startBuild(api, 'order-search', { dryRun: true });
    assert.match(await expectExit(1, 'rebuild', 'order-search', build.id), /Not swapped: the build only compares/);
    assert.match(await expectExit(0, 'rebuild', 'order-search', '--cancel', build.id), /is cancelled/);
    assert.match(await expectExit(1, 'rebuild', 'order-search', '--accept', build.id), /This one is cancelled/);
  });

  test('a verification finds an archive that has lost an event, or has another one', async () => {
    await tamper('archive_event', (database) => {
      const last = (type: string) =>
        `(SELECT max(position) FROM archive_event WHERE json_extract(event, '$.type') = '${type}')`;
      database.exec(`UPDATE archive_event SET event = json_set(event, '$.data.carrier', 'tampered with')
        WHERE position = ${last('OrderShipped')}`);
      database.exec(`DELETE FROM archive_event WHERE position = ${last('OrderDelivered')}`);
      database.exec(`DELETE FROM archive_event WHERE version = 2 AND stream IN
        (SELECT stream FROM archive_event WHERE json_extract(event, '$.type') = 'ItemsReturned' LIMIT 1)`);
    });
    const said = await expectExit(1, 'verify', 'archive');
    assert.match(said, /archive: DIFFERS from the logs in 3 places/);
    assert.match(said, /version 2 differs from the log/);
    assert.match(said, /the archive lacks version 2/);
    assert.match(said, /the archive ends at version 2, the log has version 3|the archive lacks version 3/);
  });

  test('the scripts name a wrong argument in one sentence', async () => {
    assert.match(await expectExit(1, 'rebuild', 'nothing'), /^There is no projection nothing\. The projections are: /);
    assert.match(await expectExit(1, 'rebuild', 'archive'), /^archive only appends/);
    assert.match(await expectExit(2, 'rebuild'), /^Which projection\?/);
    assert.match(await expectExit(2, 'rebuild', 'order-search', '--acept'), /^There is no option --acept\./);
    assert.match(await expectExit(2, 'verify'), /^Which projection\?/);
    assert.match(await expectExit(2, 'rollback', 'one', 'two'), /^"two" is one word too many/);
  });

  /** Changes the database that has a table, while no server has it open. */
  async function tamper(table: string, change: (database: DatabaseSync) => void): Promise<void> {
    await server.stop();
    const databases = join(folder, 'state/v3/d1/miniflare-D1DatabaseObject');
    for (const file of await readdir(databases)) {
      if (!file.endsWith('.sqlite')) continue;
      const database = new DatabaseSync(join(databases, file));
      const found = database.prepare(`SELECT 1 FROM sqlite_master WHERE name = ?`).get(table);
      if (found) change(database);
      database.close();
    }
    server = await startServer({ port, folder });
  }
});

function liveSlotOf(database: DatabaseSync, projection: string): string {
  const row = database.prepare(`SELECT live_slot FROM projection_pointer WHERE projection = ?`).get(projection);
  return String(row?.['live_slot']);
}

describe('watching a build that does not end', { timeout: 60_000 }, () => {
  const build = {
    id: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
    projection: 'order-search',
    revision: 1,
    liveRevision: 1,
    state: 'building',
    accept: false,
    dryRun: false,
    replayed: 5,
    total: 10,
    rate: 1,
    etaMs: 5_000,
    differences: null,
    error: null as object | null,
    startedAt: '2026-11-24T09:00:00.000Z',
    updatedAt: '2026-11-24T09:00:05.000Z',
    endedAt: null,
  };
  const requests: string[] = [];
  let now = build;
  let stub: Server;
  let url: string;

  before(async () => {
    stub = createServer((request: IncomingMessage, response) => {
      requests.push(`${request.method} ${request.url}`);
      const body = request.url === '/health' ? { status: 'ok', reasons: [] } : now;
      response.writeHead(request.method === 'POST' ? 202 : 200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => stub.listen(0, 'localhost', resolve));
    url = `http://localhost:${(stub.address() as AddressInfo).port}`;
  });
  after(() => stub.close());
  afterEach(() => {
    requests.length = 0;
    now = build;
  });

  const isWatched = () => requests.some((request) => request.startsWith('GET /projections/order-search/rebuilds/'));

  test('Ctrl-C stops watching, and prints how to continue and how to cancel', async () => {
    const script = startScript('rebuild', 'order-search', '--url', url);
    await until('the build is watched', 20_000, isWatched);
    script.interrupt();
    const { exitCode, said } = await script.ended;
    assert.equal(exitCode, 130);
    assert.match(said, /The build continues/);
    assert.ok(said.includes(`npm run rebuild -- order-search --cancel ${build.id} --url ${url}`));
    assert.ok(!requests.some((request) => request.startsWith('DELETE')));
  });

  test('Ctrl-C cancels the build of a verification', async () => {
    const script = startScript('verify', 'order-search', '--url', url);
    await until('the build is watched', 20_000, isWatched);
    script.interrupt();
    const { exitCode } = await script.ended;
    assert.equal(exitCode, 130);
    assert.ok(requests.includes(`DELETE /projections/order-search/rebuilds/${build.id}`));
    assert.ok(requests.includes('POST /projections/order-search/rebuild?dryRun=true'));
  });

  test('a build that fails names the event', async () => {
    now = {
      ...build,
      state: 'failed',
      error: { message: 'no such column', stream: 'order-1', version: 3, kind: 'OrderShipped' },
    };
    const { exitCode, said } = await runScript('rebuild', 'order-search', '--url', url);
    assert.equal(exitCode, 1);
    assert.match(said, /no such column\nThe event is version 3 of order-1, OrderShipped/);
  });
});
