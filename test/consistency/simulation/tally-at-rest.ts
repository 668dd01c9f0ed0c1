import type { Logs as NaiveLogs } from '../applied.ts';
import { tallyOraclesOf } from '../tally-oracles.ts';
import type { AtRest } from './domain.ts';

/** The errors in the tallies' read models: in the list that clients get, and in the live tables without a route. */
export async function judgeTalliesAtRest({ logs, skipped, get, databases }: AtRest): Promise<readonly string[]> {
  const { serving } = databases;
  const oracles = tallyOraclesOf(logs as unknown as NaiveLogs, { skipped, held: [] });

  async function live(projection: string): Promise<{ readonly revision: number; readonly slot: string }> {
    const pointer = await serving
      .prepare(`SELECT live_revision AS revision, live_slot AS slot FROM projection_pointer WHERE projection = ?`)
      .bind(projection)
      .first<{ revision: number; slot: string }>();
    if (!pointer) throw new Error(`nothing of ${projection} is live`);
    return pointer;
  }

  async function rows(table: string, columns: string): Promise<readonly unknown[]> {
    return (await serving.prepare(`SELECT ${columns} FROM ${table}`).all()).results;
  }

  const { items } = (await get('/tallies?limit=100')) as { readonly items: readonly unknown[] };
  const [board, count] = [await live('tally-board'), await live('tally-count')];
  const [counts, counted] =
    count.revision === 1
      ? ['tally_count', 'tally_id AS tallyId, version, additions']
      : ['tally_count_2', 'tally_id AS tallyId, version, additions, sum'];
  return [
    ...oracles.tallies(items),
    ...oracles.entries(await rows(`tally_entries_${board.slot}`, 'tally_id AS tallyId, version, by')),
    ...oracles.totals(await rows(`tally_totals_${board.slot}`, 'parity, additions, sum')),
    ...oracles.count(count.revision, await rows(`${counts}_${count.slot}`, counted)),
  ];
}
