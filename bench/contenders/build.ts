import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { Contender } from './contender.ts';

const ROOT = join(import.meta.dirname, '../..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');

/** Bundles Workers as a deployment would, each from its entry file if it names one, else from its configuration's. */
export async function build(...contenders: readonly Contender[]): Promise<void> {
  await Promise.all(contenders.map(buildOne));
}

async function buildOne({ configPath, bundle, main, isReadable }: Contender): Promise<void> {
  await promisify(execFile)(
    process.execPath,
    [
      WRANGLER,
      'deploy',
      ...(main === undefined ? [] : [main]),
      '--dry-run',
      isReadable ? '--no-minify' : '--minify',
      '--config',
      configPath,
      '--outdir',
      bundle,
    ],
    { cwd: ROOT, env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' } },
  );
}
