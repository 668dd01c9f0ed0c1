import { type SQLiteTable, getTableConfig } from 'drizzle-orm/sqlite-core';

import { type Budget, spendBatch } from './catch-up-limits.ts';
import { CHECKPOINT_WRITE, type Preparing, classify } from '../projections/guarded-batch.ts';
import type { Projection } from '../projections/projection.ts';
import { type Slot, columnOf, shapeOf } from '../projections/slot-tables.ts';

/*
 * An SQL error that is not a constraint may come from one stream (a trigger fails at one row) or hit every stream (a table is missing, an index is
 * damaged). A trial decides: it makes the same kinds of write with existing rows, and is rolled back. If the tables refuse these too, they refuse
 * every stream.
 */

/** A trial uses the first row of each table, then the last. So a fault of one row does not count as a fault of all. */
const WITNESSES = ['ASC', 'DESC'] as const;

/** The result of a trial. `untried`: a table has no row to try. */
export type Trial = 'taken' | 'refused' | 'untried';

/**
 * Tries whether the tables of a slot take some kinds of write (see `writesOf`). The trial is rolled back. Throws a transient fault, and an error of
 * full or disabled storage.
 */
export async function tryWrites(
  database: Preparing & Pick<D1Database, 'batch'>,
  projection: Projection,
  slot: Slot,
  writes: readonly string[],
  budget?: Budget,
): Promise<Trial> {
  for (const direction of WITNESSES) {
    const statements = [
      ...writes.flatMap((write) => trialOf(projection, slot, write, direction)),
      // Ends every trial with a known error: the statements before it worked, and are rolled back.
      'INSERT INTO guard (checkpoint_as_read) SELECT 0',
    ];
    if (budget) spendBatch(budget, statements.length);
    try {
      await database.batch(statements.map((statement) => database.prepare(statement)));
    } catch (error) {
      const { outcome } = classify(error);
      if (outcome === 'lost-race') return 'taken';
      if (outcome === 'epoch-changed') return 'untried';
    }
  }
  return 'refused';
}

/** Statements that make one kind of write with the first or the last row of its table. */
function trialOf(projection: Projection, slot: Slot, write: string, direction: string): readonly string[] {
  const { row, appends, counters } = projection;
  if (write === CHECKPOINT_WRITE) {
    const key = '"projection", "slot", "stream"';
    return [
      `INSERT INTO guard (epoch_as_read)
      SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM checkpoint) AND NOT EXISTS (SELECT 1 FROM shared_checkpoint)`,
      ...rewriting('checkpoint', key, direction, { copied: `${key}, "version", "event_id"`, changed: ['version'] }),
      ...rewriting('shared_checkpoint', '"stream"', direction, {
        copied: '"stream", "version", "event_id", "vouches"',
        changed: ['version'],
      }),
    ];
  }
  const [kind, name = ''] = splitOnce(write);
  if (row && (kind === 'create' || kind === 'change')) {
    const table = shapeOf(row.tables[slot]);
    const key = `"${columnOf(table, row.key).name}"`;
    const copied = kind === 'create' ? listOf(table.columns) : undefined;
    return onWitness(table.name, key, direction, { copied, changed: kind === 'change' ? [name] : [] });
  }
  const tables = kind === 'append' ? appends[name] : counters[name]?.tables;
  // An earlier release recorded this kind of write, and the code no longer has it.
  if (!tables) return [];
  const table = shapeOf(tables[slot]);
  const key = keyOf(tables[slot]);
  const isKey = new Set(key);
  const changed = kind === 'count' ? table.columns.filter((column) => !isKey.has(column.name)) : [];
  return onWitness(table.name, listOf(key.map((column) => ({ name: column }))), direction, {
    copied: listOf(table.columns),
    changed: changed.map((column) => column.name),
  });
}

interface Rewritten {
  readonly copied: string | undefined;
  readonly changed: readonly string[];
}

/** Writes one row over itself. Ends the trial as `untried` if the table has no row. */
function onWitness(table: string, key: string, direction: string, rewritten: Rewritten): readonly string[] {
  return [
    `INSERT INTO guard (epoch_as_read) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM "${table}")`,
    ...rewriting(table, key, direction, rewritten),
  ];
}

/** Writes one row over itself: by an insert, which fires the triggers of inserts, and by an update that sets columns to their own values. */
function rewriting(table: string, key: string, direction: string, { copied, changed }: Rewritten): readonly string[] {
  const witness = `FROM "${table}" ORDER BY ${key.replaceAll('",', `" ${direction},`)} ${direction} LIMIT 1`;
  return [
    ...(copied === undefined ? [] : [`INSERT OR REPLACE INTO "${table}" (${copied}) SELECT ${copied} ${witness}`]),
    ...(changed.length === 0
      ? []
      : [
          `UPDATE "${table}" SET ${changed.map((column) => `"${column}" = "${column}"`).join(', ')}
          WHERE (${key}) = (SELECT ${key} ${witness})`,
        ]),
  ];
}

/** The columns of a table's primary key; the first column if it declares none. */
function keyOf(table: SQLiteTable): readonly string[] {
  const { columns, primaryKeys } = getTableConfig(table);
  const declared = primaryKeys[0]?.columns ?? columns.filter(({ primary }) => primary);
  return (declared.length > 0 ? declared : columns.slice(0, 1)).map(({ name }) => name);
}

function listOf(columns: readonly { readonly name: string }[]): string {
  return columns.map(({ name }) => `"${name}"`).join(', ');
}

function splitOnce(write: string): readonly [string, string?] {
  const space = write.indexOf(' ');
  return space < 0 ? [write] : [write.slice(0, space), write.slice(space + 1)];
}
