/** Runs the scripts of package.json as a person does, but without npm. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { ROOT } from './server.ts';

export interface Ended {
  readonly exitCode: number | null;
  /** Its output, on both streams. */
  readonly said: string;
}

export interface RunningScript {
  readonly ended: Promise<Ended>;
  interrupt(): void;
}

export function startScript(name: string, ...args: readonly string[]): RunningScript {
  const child = spawn(process.execPath, [join(ROOT, `scripts/${name}.ts`), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => child.kill();
  process.once('exit', kill);
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]).then(
    ([out, err, [exitCode]]) => {
      process.off('exit', kill);
      return { exitCode: exitCode as number | null, said: `${out}${err}` };
    },
  );
  return { ended, interrupt: () => child.kill('SIGINT') };
}

export async function runScript(name: string, ...args: readonly string[]): Promise<Ended> {
  return startScript(name, ...args).ended;
}
