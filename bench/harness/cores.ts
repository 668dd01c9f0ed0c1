import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Where the processes run: the contender on one core, the load on another, where there are two and `taskset` is there to say so. */
export const CORES: { readonly server: number; readonly load: number } | undefined = hasTwoCores()
  ? { server: 0, load: 1 }
  : undefined;

function hasTwoCores(): boolean {
  if (process.platform !== 'linux' || availableParallelism() < 2) return false;
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A command line for Node, bound to a core if there is one. */
export function onCore(
  core: number | undefined,
  args: readonly string[],
): { command: string; args: readonly string[] } {
  return core === undefined
    ? { command: process.execPath, args }
    : { command: 'taskset', args: ['-c', String(core), process.execPath, ...args] };
}
