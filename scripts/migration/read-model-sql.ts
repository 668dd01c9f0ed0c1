import { type SQLiteTable, getTableConfig } from 'drizzle-orm/sqlite-core';

import type { Projection } from '../../src/tidemark/projections/projection.ts';
import { type KeyedList, type SortKey, isOneWay } from '../../src/tidemark/authoring/keyed-list.ts';

/** A projection, with its lists if it is a read model that has some. */
export type WithLists = Projection & {
  readonly lists?: Readonly<Record<string, Pick<KeyedList, 'filter' | 'parted' | 'keys'>>>;
};

const SLOTS = ['a', 'b'] as const;

/**
 * Writes the migration of a new read model: every table in both slots, an index for each list and each combination of its filters, and the row that
 * makes slot `a` live if the database has no event that it would miss.
 */
export function migrationOf(projection: WithLists): string {
  const { name, revision, follows } = projection;
  const missed = Object.keys(follows)
    .map((category) => `stream LIKE '${category}-%'`)
    .join(' OR ');
  const isFresh = ['checkpoint', 'shared_checkpoint']
    .map((table) => `NOT EXISTS (SELECT 1 FROM ${table} WHERE ${missed})`)
    .join('\n  AND ');
  const live =
    revision === 1
      ? `-- Live at once, and only where no event has come that it would have missed.
INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot)
SELECT '${name}', 1, 1, 'a' WHERE ${isFresh};`
      : `-- A new database begins with this revision. Where events have come, the former one stays live until a build is swapped in.
UPDATE projection_pointer SET epoch = epoch + 1, live_revision = ${revision}
WHERE projection = '${name}' AND ${isFresh};`;
  const tables = SLOTS.flatMap((slot) => [
    ...tablesOf(projection, slot).map(createTable),
    ...indexesOf(projection, slot),
  ]);
  return [`-- ${name}, revision ${revision}. Two slots, so that a rebuild never takes it down.`, ...tables, live]
    .join('\n\n')
    .concat('\n');
}

/**
 * The indexes of a list, as columns: one for each combination of its filters, followed by the list's sort keys. Beside other filters, a parted one is
 * never missing.
 */
export function indexedColumns(list: Pick<KeyedList, 'filter' | 'parted' | 'keys'>): readonly (readonly SortKey[])[] {
  const choices: (readonly string[])[] = [[]];
  // A row has its own id, so a filter by the id needs no index.
  const id = list.keys.at(-1)?.property;
  for (const property of list.filter.filter((name) => name !== id))
    choices.push(...choices.map((choice) => [...choice, property]));
  // SQLite can read an index backwards, so the direction does not matter if all keys have the same.
  const keys = isOneWay(list.keys) ? list.keys.map((key) => ({ ...key, isDescending: false })) : list.keys;
  const indexed = choices.filter(
    (choice) => list.parted === undefined || choice.length === 0 || choice.includes(list.parted),
  );
  return indexed.map((choice) => [
    ...choice.map((property) => ({ property, isDescending: false, kind: 'string' as const })),
    ...keys,
  ]);
}

function tablesOf({ row, appends, counters }: Projection, slot: 'a' | 'b'): readonly SQLiteTable[] {
  return [
    ...(row ? [row.tables[slot]] : []),
    ...Object.values(appends).map((tables) => tables[slot]),
    ...Object.values(counters).map(({ tables }) => tables[slot]),
  ];
}

function createTable(table: SQLiteTable): string {
  const { name, columns, primaryKeys } = getTableConfig(table);
  const lines = columns.map((column) => {
    const { default: initial } = column;
    return [
      column.name,
      column.getSQLType().toUpperCase(),
      ...(column.primary ? ['PRIMARY KEY'] : []),
      ...(column.notNull && !column.primary ? ['NOT NULL'] : []),
      ...(initial === undefined ? [] : [`DEFAULT ${typeof initial === 'number' ? initial : `'${String(initial)}'`}`]),
    ].join(' ');
  });
  const [key] = primaryKeys;
  if (key) lines.push(`PRIMARY KEY (${key.columns.map((column) => column.name).join(', ')})`);
  return `CREATE TABLE ${name} (\n${lines.map((line) => `  ${line}`).join(',\n')}\n) WITHOUT ROWID;`;
}

function indexesOf({ row, lists = {} }: WithLists, slot: 'a' | 'b'): readonly string[] {
  if (!row) return [];
  const { name, columns } = getTableConfig(row.tables[slot]);
  const columnOf = new Map(Object.entries(row.tables[slot]).map(([property, column]) => [property, column as unknown]));
  const nameOf = (property: string) => columns.find((column) => column === columnOf.get(property))?.name ?? property;
  const made = new Map<string, string>();
  for (const key of Object.values(lists).flatMap(indexedColumns)) {
    const names = key.map(({ property }) => nameOf(property));
    const sorted = key.map(({ isDescending }, index) => `${names[index]}${isDescending ? ' DESC' : ''}`).join(', ');
    // The id ends every index, so the name leaves it out.
    made.set(sorted, `CREATE INDEX ${name}_by_${names.slice(0, -1).join('_')} ON ${name} (${sorted});`);
  }
  return made.size > 0 ? [[...made.values()].join('\n')] : [];
}
