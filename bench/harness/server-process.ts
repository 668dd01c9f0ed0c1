/**
 * A process that serves one contender: its built Worker under Miniflare, with storage on disk. Started by `server.ts` and spoken to over
 * the process's own channel; the load comes in through the socket, past everything that Miniflare puts in front of a Worker.
 */
import { readFileSync } from 'node:fs';

import { Miniflare, convertV4MiniflareOptions } from 'miniflare';

import type { ServerRequest, ServerSetup } from './server-protocol.ts';

async function start(setup: ServerSetup): Promise<Miniflare> {
  const { module, workerOptions } = setup;
  const {
    queueConsumers,
    durableObjects,
    cronTriggers: _noCron,
    modulesRules: _noRules,
    // Miniflare would put Workers of its own before the one that is measured.
    assets: _noAssets,
    ...options
  } = workerOptions;
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...options,
      name: 'contender',
      modules: [{ type: 'ESModule', path: module.path, contents: readFileSync(module.file, 'utf8') }],
      bindings: setup.bindings,
      durableObjects: Object.fromEntries(
        Object.entries(durableObjects ?? {}).map(([binding, object]) => [
          binding,
          { ...(object as { className: string }), ...(setup.areObjectsKept && { unsafePreventEviction: true }) },
        ]),
      ),
      queueConsumers: Object.fromEntries(
        Object.entries(setup.areQueuesOff ? {} : (queueConsumers ?? {})).map(([queue, consumer]) => [
          queue,
          {
            ...(consumer as object),
            ...(setup.batchTimeoutS !== undefined && {
              maxBatchTimeout: Math.min(setup.batchTimeoutS, (consumer as { maxBatchTimeout: number }).maxBatchTimeout),
            }),
          },
        ]),
      ),
      unsafeDirectSockets: [{ host: '127.0.0.1', port: setup.port }],
      host: '127.0.0.1',
      port: 0,
      cf: false,
      resourcePersistencePath: setup.storage,
      ...(setup.inspectorPort !== undefined && { inspectorPort: setup.inspectorPort }),
      // What a Worker logs goes nowhere, the same for all, unless somebody looks for a fault.
      handleStructuredLogs: ({ message }) => {
        if (process.env['BENCH_LOG']) console.error(message);
      },
    }),
  );
  await miniflare.ready;
  for (const [binding, statements] of Object.entries(setup.migrations)) {
    const database = await miniflare.getD1Database(binding);
    await database.batch(statements.map((statement) => database.prepare(statement)));
  }
  return miniflare;
}

async function answer(miniflare: Miniflare, request: ServerRequest): Promise<unknown> {
  switch (request.type) {
    case 'ready':
      return undefined;
    case 'batch': {
      const database = await miniflare.getD1Database(request.database);
      const statements = request.statements.map(({ sql, params = [] }) => database.prepare(sql).bind(...params));
      const send = async () => (await database.batch<object>(statements)).map(({ results }) => results);
      // A connection that idled while this process was halted may be closed at its first use.
      return send().catch((error: unknown) =>
        String(error).includes('fetch failed') ? send() : Promise.reject(error),
      );
    }
    case 'deliver': {
      const worker = await miniflare.getWorker();
      const messages = request.bodies.map((body, index) => ({
        id: String(index),
        timestamp: new Date(),
        attempts: 1,
        body,
      }));
      return (await worker.queue(request.queue, messages)).explicitAcks.length;
    }
    case 'start-again':
      // Its tables are there.
      running = start({ ...setup, migrations: {} });
      await running;
      return undefined;
    case 'halt':
    case 'stop':
      await miniflare.dispose();
      return undefined;
    default:
      return request satisfies never;
  }
}

const setup = JSON.parse(process.argv[2] ?? '') as ServerSetup;
let running = start(setup);
// Whoever asks gets to know it.
running.catch(() => undefined);

async function reply(id: number, request: ServerRequest): Promise<void> {
  try {
    process.send?.({ id, value: await answer(await running, request) });
  } catch (error) {
    process.send?.({ id, error: String((error as Error).stack ?? error) });
  }
  if (request.type === 'stop') process.exit(0);
}

process.on('message', ({ id, request }: { id: number; request: ServerRequest }) => void reply(id, request));
// Without whoever started it, it has no purpose.
process.on('disconnect', () => process.exit(0));
