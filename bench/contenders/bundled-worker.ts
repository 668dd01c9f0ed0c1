import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from 'wrangler';

import type { Contender } from './contender.ts';

/** What `build` has made of a contender, for Miniflare: its one module, and what its wrangler.toml says. */
export function bundledWorker({ configPath, bundle, main }: Pick<Contender, 'configPath' | 'bundle' | 'main'>) {
  const { workerOptions, main: configuredMain } = workerOptionsOf(configPath);
  const path = basename(main ?? configuredMain ?? 'index.ts').replace(/\.ts$/, '.js');
  return {
    module: { type: 'ESModule' as const, path, contents: readFileSync(join(bundle, path), 'utf8') },
    workerOptions,
  };
}
