import type { Revision } from '../../src/tidemark/catch-up/catch-up-page.ts';
import type { Slot } from '../../src/tidemark/projections/slot-tables.ts';
import { type Comparison, compareSlots } from '../../src/tidemark/rebuild/comparison.ts';
import { meteredDatabase } from './metered-database.ts';

export type Value = string | number | null;

/** A row as SQL: each value a literal, so that it is stored exactly as written. */
type Literals = Readonly<Record<string, Value>>;

/** The value as an SQL literal. */
const sqlOf = (value: Value) =>
  typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value ?? 'NULL');

export async function insert(database: D1Database, table: string, rows: readonly Literals[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 100) {
    const chunk = rows.slice(at, at + 100);
    await database
      .prepare(
        `INSERT INTO ${table} (${Object.keys(chunk[0] ?? {}).join(', ')})
        VALUES ${chunk.map((row) => `(${Object.values(row).map(sqlOf).join(', ')})`).join(', ')}`,
      )
      .run();
  }
}

/** Inserts the rows into the tables of both slots. */
export function both(database: D1Database, table: string, rows: readonly Literals[]): Promise<unknown> {
  return Promise.all([insert(database, `${table}_a`, rows), insert(database, `${table}_b`, rows)]);
}

export const inSlot = (projection: Revision['projection'], slot: Slot): Revision => ({
  projection,
  target: { revision: projection.revision, slot },
});

/** A complete comparison. */
export async function compareWhole(...args: Parameters<typeof compareSlots>): Promise<Comparison> {
  const compared = await compareSlots(...args);
  if (!compared.isDone) throw new Error('it was to be compared to the end');
  return compared.comparison;
}

/** What it costs to compare the slots of a projection, and how many rows differ. */
export async function costOfComparison(
  database: D1Database,
  projection: Revision['projection'],
  options: Parameters<typeof compareSlots>[3],
) {
  const metered = meteredDatabase(database);
  const slots = [inSlot(projection, 'a'), inSlot(projection, 'b')] as const;
  const comparison = await compareWhole(metered.database, ...slots, options);
  return { ...metered.bill, differing: comparison.differing };
}
