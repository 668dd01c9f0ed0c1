/** A test's own server: `npm start`, with storage on disk that outlives it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type Server, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT = join(import.meta.dirname, '../../../..');

type Signal = 'SIGKILL' | 'SIGTERM';

const START_TIMEOUT_MS = 120_000;

// Without these an interrupted run would end without its exit hooks.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

export interface ServerOptions {
  readonly port: number;
  /** Storage and the log of all its lives. */
  readonly folder: string;
  /** More options for `npm start`. */
  readonly args?: readonly string[];
  /** Where its code is. Default: this repository. */
  readonly root?: string;
  /** Takes it for started although its health gives reasons. */
  readonly mayBeDegraded?: boolean;
}

export interface RunningServer {
  readonly url: string;
  /** How long it took to answer its first request, in ms. */
  readonly startedInMs: number;
  /** SIGKILL to every process of it at once. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { port, folder, args = [], root = ROOT, mayBeDegraded = false } = options;
  const startedAt = performance.now();
  const url = `http://localhost:${port}`;
  const logFile = join(folder, 'server.log');
  const log = openSync(logFile, 'a');
  // A process group of its own: npm, its shell, the script, wrangler and both workerds can be killed at once.
  const child = spawn('npm', ['start', '--', '--port', String(port), '--persist-to', join(folder, 'state'), ...args], {
    cwd: root,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  // No process or folder stays behind, even if the test fails.
  const killAll = () => signalGroup(child, 'SIGKILL');
  process.once('exit', killAll);
  const endGroup = endOf(child, port);
  async function end(signal: Signal): Promise<void> {
    await endGroup(signal);
    process.off('exit', killAll);
  }
  try {
    await until(`the server at ${url} answers`, START_TIMEOUT_MS, async () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`npm start ended: ${child.exitCode ?? child.signalCode}`);
      return isHealthy(url, mayBeDegraded);
    });
  } catch (error) {
    await end('SIGKILL');
    throw new Error(`${(error as Error).message}\n${readFileSync(logFile, 'utf8').slice(-4_000)}`, { cause: error });
  }
  return { url, startedInMs: performance.now() - startedAt, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

function endOf(child: ChildProcess, port: number): (signal: Signal) => Promise<void> {
  return async function end(signal) {
    signalGroup(child, signal);
    try {
      await until(`every process of ${child.pid} is gone`, 15_000, () => !signalGroup(child, 0));
    } finally {
      signalGroup(child, 'SIGKILL');
    }
    await until(`port ${port} is free again`, 15_000, () => isFree(port));
  };
}

/** Sends a signal to all processes of the server; 0 only looks for them. False when there are none. */
function signalGroup({ pid }: ChildProcess, signal: Signal | 0): boolean {
  try {
    return pid !== undefined && process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}

async function isHealthy(url: string, mayBeDegraded: boolean): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) });
    const { status } = (await response.json()) as { status?: string };
    return status === 'ok' || (mayBeDegraded && status === 'degraded');
  } catch {
    return false;
  }
}

/** The first free port from `first` on. */
export async function freePort(first = 8810): Promise<number> {
  for (let port = first; port < first + 100; port += 1) {
    if (await isFree(port)) return port;
  }
  throw new Error(`No port is free from ${first} on`);
}

async function isFree(port: number): Promise<boolean> {
  const probe: Server = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, 'localhost', () => probe.close(() => resolve(true)));
  });
}

/** Waits for a condition; throws with its name when it does not come true. */
export async function until(
  condition: string,
  timeoutMs: number,
  isTrue: () => Promise<boolean> | boolean,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`After ${timeoutMs} ms still not: ${condition}`);
    await sleep(100);
  }
}
