/** The code of another commit, ready to run, and the operator's steps that move storage from one to the other. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './server.ts';

/** Databases by the names of their bindings. */
const DATABASES = ['SERVING_DB', 'REPORTING_DB'];

/** Puts the code of a commit into a folder. It runs on the packages of this repository: those of the commit may be older. */
export function checkOut(commit: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const archive = execFileSync('git', ['archive', '--format=tar', commit], { cwd: ROOT, maxBuffer: 1024 ** 3 });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  const packages = join(folder, 'node_modules');
  if (!existsSync(packages)) symlinkSync(join(ROOT, 'node_modules'), packages);
}

/** Applies this repository's migrations to the storage of a server that is not running. Returns the output. */
export function migrate(state: string): string {
  const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
  return DATABASES.map((database) =>
    execFileSync(
      process.execPath,
      [wrangler, 'd1', 'migrations', 'apply', database, '--local', '--persist-to', state],
      { cwd: ROOT, encoding: 'utf8', env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' } },
    ),
  ).join('');
}
