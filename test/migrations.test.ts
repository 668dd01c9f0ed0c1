import { env } from 'cloudflare:workers';
import { getTableConfig } from 'drizzle-orm/sqlite-core';
import { describe, expect, it } from 'vitest';

import { databaseOf } from '../src/bindings.ts';
import { domain } from '../src/domain.ts';

/*
 * Migrations are SQL by hand, since they say what drizzle cannot (WITHOUT ROWID). So nothing but this keeps the two alike.
 */

interface ColumnInfo {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
  readonly pk: number;
}

const projections = domain.flatMap((module) => module.projections);

describe.each(projections)('the tables of $name', (projection) => {
  const tables = [
    ...(projection.row ? [projection.row.tables] : []),
    ...Object.values(projection.appends),
    ...Object.values(projection.counters).map((counter) => counter.tables),
  ];

  it.each(['a', 'b'] as const)('in slot %s are as the migrations made them', async (slot) => {
    for (const table of tables.map((slots) => slots[slot])) {
      const { name, columns, primaryKeys } = getTableConfig(table);
      const declared = columns.map((column) => ({
        name: column.name,
        type: column.getSQLType().toUpperCase(),
        // SQLite's own report: the key of a table without rowid is never null, whether it says so or not.
        notnull: Number(column.notNull || column.primary),
        isKey: column.primary || primaryKeys.some((key) => key.columns.includes(column)),
      }));
      const { results } = await databaseOf(env, projection.group)
        .prepare(`PRAGMA table_info(${name})`)
        .all<ColumnInfo>();
      const surrogate = table === projection.row?.tables[slot] ? projection.row.surrogate : undefined;
      const made = results
        .filter((column) => column.name !== surrogate)
        .map(({ name: column, type, notnull, pk }) => ({
          name: column,
          type,
          notnull,
          // Where a surrogate has the place of the key, the key is unique beside it.
          isKey: surrogate === undefined ? pk > 0 : declared.some((other) => other.name === column && other.isKey),
        }));
      expect(made, name).toEqual(declared);
    }
  });

  it('have a pointer to a live slot of this very revision', async () => {
    const pointer = await databaseOf(env, projection.group)
      .prepare('SELECT live_revision, live_slot FROM projection_pointer WHERE projection = ?')
      .bind(projection.name)
      .first();
    expect(pointer).toEqual({ live_revision: projection.revision, live_slot: 'a' });
  });
});
