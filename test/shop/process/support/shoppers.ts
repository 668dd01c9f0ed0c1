/** Several clients, each a process with a journal on disk, and the entries of all journals. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Line, readJournal } from './journal.ts';

export interface Shoppers {
  /** The journals so far, one for each client. */
  lines(): readonly Line[];
  /** How many commands were answered so far. */
  answers(): number;
  complaints(): readonly string[];
  /** Throws if a client has ended by itself, with its output. */
  demandAlive(): void;
  /** SIGKILL to one of them; another takes up its journal. */
  killOne(index: number): Promise<void>;
  /** Lets each client finish its current request. */
  stop(): Promise<void>;
  /** SIGKILL to all. */
  kill(): Promise<void>;
}

export interface ShopperOptions {
  readonly url: string;
  readonly folder: string;
  readonly count: number;
  readonly seed: number;
  readonly skus: readonly string[];
}

export function startShoppers({ url, folder, count, seed, skus }: ShopperOptions): Shoppers {
  const logFile = join(folder, 'clients.log');
  const journals = Array.from({ length: count }, (_, index) => join(folder, `client-${index}.jsonl`));
  const children = journals.map((_, index) => start(index));
  const killAll = () => children.forEach((child) => child.kill('SIGKILL'));
  process.once('exit', killAll);

  function start(index: number): ChildProcess {
    const log = openSync(logFile, 'a');
    const program = join(import.meta.dirname, 'shopper.ts');
    const args = [program, url, `client-${index}`, String(seed), journals[index] ?? '', ...skus];
    const child = spawn(process.execPath, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    return child;
  }

  const lines = () => journals.flatMap(readJournal);
  return {
    lines,
    answers: () => lines().filter(({ kind }) => kind === 'answered').length,
    complaints: () => lines().flatMap((line) => (line.kind === 'complaint' ? line.text : [])),
    demandAlive() {
      const ended = children.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
      if (ended) throw new Error(`A client ended by itself:\n${readFileSync(logFile, 'utf8').slice(-4_000)}`);
    },
    async killOne(index) {
      await end(children[index], 'SIGKILL');
      children[index] = start(index);
    },
    async stop() {
      const codes = await Promise.all(children.map((child) => end(child, 'SIGTERM')));
      process.off('exit', killAll);
      if (codes.some((code) => code !== 0))
        throw new Error(`A client failed:\n${readFileSync(logFile, 'utf8').slice(-4_000)}`);
    },
    async kill() {
      await Promise.all(children.map((child) => end(child, 'SIGKILL')));
      process.off('exit', killAll);
    },
  };
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<number | null> {
  if (!child) return null;
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, 'exit');
  }
  return child.exitCode;
}
