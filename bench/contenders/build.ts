import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import type { Contender } from './contender.ts';

const ROOT = join(import.meta.dirname, '../..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');

/** Bundles a Worker as a deployment would; `main` instead of the configuration's own, if it is given. */
export function build({ configPath, bundle, main }: Contender): void {
  execFileSync(
    process.execPath,
    [
      WRANGLER,
      'deploy',
      ...(main === undefined ? [] : [main]),
      '--dry-run',
      '--minify',
      '--config',
      configPath,
      '--outdir',
      bundle,
    ],
    {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' },
    },
  );
}
