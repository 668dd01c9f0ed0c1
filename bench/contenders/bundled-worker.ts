import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

import {
  unstable_getMiniflareWorkerOptions as workerOptionsOf,
  unstable_splitSqlQuery as statementsOf,
} from 'wrangler';

import type { Contender } from './contender.ts';

/** What `build` has made of a contender, for Miniflare: where its one module is, and what its wrangler.toml says. */
export function bundledWorker({ configPath, bundle, main }: Pick<Contender, 'configPath' | 'bundle' | 'main'>) {
  const { workerOptions, main: configuredMain } = workerOptionsOf(configPath);
  const path = basename(main ?? configuredMain ?? 'index.ts').replace(/\.ts$/, '.js');
  return { module: { path, file: join(bundle, path) }, workerOptions };
}

/** The statements of all migrations in a folder, in their order. */
export function statementsIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .toSorted()
    .flatMap((file) => statementsOf(readFileSync(join(folder, file), 'utf8')));
}
