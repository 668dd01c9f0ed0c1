import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import { atExit } from './at-exit.ts';
import { onCore } from './cores.ts';

/** A process of ours that answers questions, one answer for each. */
export interface Child {
  readonly pid: number;
  ask<Answer>(question: object): Promise<Answer>;
  /** Lets it end by itself, having been asked to. */
  ended(): Promise<void>;
  /** Halts and continues it and all that it started. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Starts a script of ours as a process group of its own, bound to a core. It ends with this process. */
export function startChild(script: string, core: number | undefined, args: readonly string[] = []): Child {
  const { command, args: line } = onCore(core, [script, ...args]);
  const child = spawn(command, line, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} did not start`);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  child.on('message', ({ id, value, error }: Reply) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(error));
  });
  const forget = atExit(() => kill(pid, 'SIGKILL'));
  child.once('exit', (code, signal) => {
    forget();
    for (const asked of waiting.values()) asked.reject(new Error(`${script} ended: ${code ?? signal}`));
  });
  return {
    pid,
    ask<Answer>(question: object) {
      lastId += 1;
      const asked = Promise.withResolvers<unknown>();
      waiting.set(lastId, asked);
      child.send({ id: lastId, ...question });
      return asked.promise as Promise<Answer>;
    },
    async ended() {
      if (isRunning(child)) await once(child, 'exit');
    },
    signal: (signal) => kill(pid, signal),
  };
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

function kill(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
