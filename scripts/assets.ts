/** Makes static assets: what a Worker answers with and does not have to carry. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { WorkerOptions } from '../src/tidemark/worker-options.ts';

/** Writes the static assets of the system that a module exports as `system` (a path from this folder). Returns their folder. */
export async function writeAssets(systemFile: string, folder: string): Promise<string> {
  // Not bundled with the configuration of vitest, which imports this file.
  const load = (path: string) => import(new URL(path, import.meta.url).href) as Promise<never>;
  const describer = '../src/tidemark/openapi/describe-api.ts';
  const { describeApi }: typeof import('../src/tidemark/openapi/describe-api.ts') = await load(describer);
  const { system }: { readonly system: WorkerOptions<object> } = await load(systemFile);
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(describeApi(system))) writeFileSync(join(folder, path), text);
  return folder;
}
