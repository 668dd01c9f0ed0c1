import { join } from 'node:path';

import type { LoadJob, LoadResult } from '../load/load-protocol.ts';
import { type Child, startChild } from './child.ts';
import { CORES } from './cores.ts';

const SCRIPT = join(import.meta.dirname, '../load/generator.ts');

let generator: Child | undefined;

/** Has a piece of load made, by the one process that does. */
async function load(job: LoadJob): Promise<LoadResult> {
  generator ??= startChild(SCRIPT, CORES?.load);
  return generator.ask<LoadResult>({ job });
}

/** As `load`, but any failure ends the run: a figure of a contender that refuses its work says nothing. */
export async function loadAll(job: LoadJob): Promise<LoadResult> {
  const result = await load(job);
  const failures = Object.entries(result.failures);
  if (failures.length > 0) {
    const told = failures.map(([what, times]) => `${times} × ${what}`).join(', ');
    throw new Error(`${job.request.method} ${job.request.path} at ${job.url}: ${told}`);
  }
  return result;
}
