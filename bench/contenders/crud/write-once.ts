import { type SQL, sql } from 'drizzle-orm';

import { Problem } from '../../../src/tidemark/http/problem.ts';
import type { Database } from './crud-route.ts';
import type { Promises } from './promises.ts';
import { type Written, statementOf } from './statement.ts';

/** How a write ended: the row's version; undefined when it touched no row; or the answer that its key had before. */
type WriteOutcome =
  | { readonly version: number | undefined; readonly replayed?: undefined }
  | { readonly replayed: object };

interface Changed {
  readonly version: number;
}

/**
 * Runs a write that returns the version of the row it changed, in one batch with what goes with it: `around` before it and after it, and
 * at the end what the promises ask for.
 */
export async function writeOnce(
  database: Database,
  write: Written,
  promises: Promises | undefined,
  entity: Parameters<Promises['after']>[0],
  around: { readonly before?: readonly SQL[]; readonly after?: readonly SQL[] } = {},
): Promise<WriteOutcome> {
  const { before = [], after = [] } = around;
  const all = [...before, write, ...(promises?.after(entity) ?? []), ...after].map((written) =>
    statementOf(database, written),
  );
  try {
    const [first] = all;
    // Alone it needs no batch, which is a transaction that somebody has to open.
    const changed =
      all.length === 1 && first
        ? await first.all<Changed>()
        : (await database.$client.batch<Changed>(all))[before.length];
    return { version: changed?.results[0]?.version };
  } catch (error) {
    const replayed = promises?.key === undefined ? undefined : await rememberedAnswer(database, promises);
    if (!replayed) throw error;
    return { replayed };
  }
}

async function rememberedAnswer(database: Database, { key, fingerprint }: Promises): Promise<object | undefined> {
  const [row] = await database.all<{ fingerprint: string; answer: string }>(
    sql`SELECT fingerprint, answer FROM idempotency WHERE key = ${key}`,
  );
  if (row && row.fingerprint !== fingerprint)
    throw new Problem('key-reused', 'This key came with another body before.');
  return row && (JSON.parse(row.answer) as object);
}
