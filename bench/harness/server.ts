import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { bundledWorker, statementsIn } from '../contenders/bundled-worker.ts';
import type { Contender } from '../contenders/contender.ts';
import { atExit } from './at-exit.ts';
import { startChild } from './child.ts';
import { CORES } from './cores.ts';
import { freePort } from './free-port.ts';
import { usedHeapBytes } from './heap.ts';
import { cpuTimeMs, residentBytes } from './process-group.ts';
import type { ServerRequest, ServerSetup, Statement } from './server-protocol.ts';

/** In bytes. */
export interface Memory {
  /** In the Worker's isolate. */
  readonly heap: number;
  /** Of the whole runtime, with what is in no heap: storage of objects above all. NaN where that cannot be told. */
  readonly resident: number;
}

/** A contender that is being served, on storage of its own. */
export interface Server {
  readonly name: string;
  readonly url: string;
  /** Runs statements on a database as one batch, and returns the rows of each. */
  batch(database: string, statements: readonly Statement[]): Promise<readonly (readonly object[])[]>;
  /** The rows of one statement. */
  query<Row>(database: string, sql: string): Promise<readonly Row[]>;
  /** Hands messages to the Worker as one batch of a queue; returns how many it acknowledged. */
  deliver(queue: string, bodies: readonly unknown[]): Promise<number>;
  /** Halts all of it, so that it takes nothing from another's turn. */
  pause(): void;
  resume(): void;
  /** CPU time used so far, in ms; undefined where that cannot be told. */
  cpuMs(): number | undefined;
  /** Memory that the runtime resides in, in bytes; NaN where that cannot be told. */
  residentBytes(): number;
  /** Memory in use after a collection of garbage; for servers with an inspector. */
  memory(): Promise<Memory>;
  /** Ends it, has something done to its storage, and serves it again: nothing is in memory any more. */
  restart(whileStopped: (storage: string) => void): Promise<void>;
  /** Ends it and throws its storage away. */
  stop(): Promise<void>;
}

export type ServerOptions = Pick<ServerSetup, 'areQueuesOff' | 'batchTimeoutS' | 'areObjectsKept' | 'inspectorPort'>;

const SCRIPT = join(import.meta.dirname, 'server-process.ts');

/** Serves a contender, with its tables made and nothing in them. */
export async function serve(contender: Contender, options: ServerOptions = {}): Promise<Server> {
  const storage = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const migrations = Object.fromEntries(
    Object.entries(contender.migrations).map(([database, folder]) => [database, statementsIn(folder)]),
  );
  const { bindings } = contender;
  const setup: ServerSetup = { ...bundledWorker(contender), bindings, migrations, storage, port, ...options };
  const child = startChild(SCRIPT, CORES?.server, [JSON.stringify(setup)]);
  const clean = () => rmSync(storage, { recursive: true, force: true, maxRetries: 3 });
  const forget = atExit(clean);
  const resident = () => residentBytes(child.pid) ?? Number.NaN;
  const ask = <Answer>(request: ServerRequest) => child.ask<Answer>({ request });
  await ask({ type: 'ready' });
  return {
    name: contender.name,
    url,
    batch: (database, statements) => ask({ type: 'batch', database, statements }),
    async query<Row>(database: string, sql: string) {
      const [rows = []] = await ask<readonly (readonly Row[])[]>({ type: 'batch', database, statements: [{ sql }] });
      return rows;
    },
    deliver: (queue, bodies) => ask({ type: 'deliver', queue, bodies }),
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    cpuMs: () => cpuTimeMs(child.pid),
    residentBytes: resident,
    async memory() {
      if (options.inspectorPort === undefined) throw new Error(`${contender.name} is served without an inspector`);
      const heap = await usedHeapBytes(options.inspectorPort, url);
      return { heap, resident: resident() };
    },
    async restart(whileStopped) {
      await ask({ type: 'halt' });
      whileStopped(storage);
      await ask({ type: 'start-again' });
    },
    async stop() {
      child.signal('SIGCONT');
      await ask({ type: 'stop' });
      await child.ended();
      clean();
      forget();
    },
  };
}
