import { env } from 'cloudflare:workers';
import { getTableConfig } from 'drizzle-orm/sqlite-core';
import { afterEach, describe, expect, it } from 'vitest';

import { domain } from '../src/domain.ts';
import { createRegistry } from '../src/tidemark/projections/registry.ts';
import { CHECKPOINT_TABLES } from './support/checkpoints.ts';
import { groups } from './support/groups.ts';
import { production } from './support/platform.ts';
import { type WithLists, indexedColumns } from '../scripts/migration/read-model-sql.ts';

/*
 * Migrations are SQL, and an author may have changed what `npm run migration` wrote. So this test keeps the two alike.
 */

interface ColumnInfo {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
  readonly pk: number;
}

/** Their sequence means nothing, and a column that is added later comes last in the database. */
function byName<Column extends { readonly name: string }>(columns: readonly Column[]): readonly Column[] {
  return columns.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

const projections = domain.flatMap((module) => module.projections);

const registry = createRegistry(domain, groups);
/** Of a projection whose new revision was deployed beside the former one, the new one. */
const newest = groups.flatMap((group) => registry.projectionsOf(group));

describe.each(projections)('the tables of $name, revision $revision,', (projection) => {
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
      const { results } = await production
        .database(env, projection.group)
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
      expect(byName(made), name).toEqual(byName(declared));
    }
  });
});

function listsOf({ lists = {} }: WithLists) {
  return Object.entries(lists);
}

/** What the lists of a read model need, and have. A migration may make more indexes, under any name. */
describe.each(projections.filter((projection) => listsOf(projection).length > 0))(
  'the lists of $name',
  (projection) => {
    const lists = listsOf(projection);
    const table = projection.row?.tables;

    it.each(lists)('have an index for each choice of filters, in both slots: %s', async (_name, list) => {
      for (const slot of [table?.a, table?.b]) {
        if (!slot) throw new Error('a read model has a row');
        const { name } = getTableConfig(slot);
        const { results } = await production
          .database(env, projection.group)
          .prepare(
            `SELECT group_concat(column.name || iif(column.desc, ' DESC', ''), ', ') AS columns
          FROM pragma_index_list(?1) AS made
          JOIN pragma_index_xinfo(made.name) AS column ON column.key
          GROUP BY made.name`,
          )
          .bind(name)
          .all<{ columns: string }>();
        const nameOf = (property: string) => (slot as unknown as Record<string, { name: string }>)[property]?.name;
        const needed = indexedColumns(list).map((key) =>
          key.map(({ property, isDescending }) => `${nameOf(property)}${isDescending ? ' DESC' : ''}`).join(', '),
        );
        expect(results.map(({ columns }) => columns)).toEqual(expect.arrayContaining(needed));
      }
    });
  },
);

describe.skipIf(newest.length === 0)('in a database that no event has reached', () => {
  it.each(newest)('$name is live at once, in its newest revision', async ({ name, group, revision }) => {
    const pointer = await production
      .database(env, group)
      .prepare('SELECT live_revision, live_slot FROM projection_pointer WHERE projection = ?')
      .bind(name)
      .first();
    expect(pointer).toEqual({ live_revision: revision, live_slot: 'a' });
  });
});

/*
 * A migration that makes a projection live where it has missed events would have it answer without them, and nobody would ever know.
 */
describe.each([
  { of: 'serving', database: env.SERVING_DB, migrations: env.TEST_MIGRATIONS_SERVING },
  { of: 'reporting', database: env.REPORTING_DB, migrations: env.TEST_MIGRATIONS_REPORTING },
])('migrations of a $of database that events have reached', ({ database, migrations }) => {
  const changes = migrations
    .flatMap(({ queries }) => queries)
    .filter((query) => /\b(INTO|UPDATE|FROM) projection_pointer\b/i.test(query));

  afterEach(async () => {
    await database.batch(
      [...[...CHECKPOINT_TABLES, 'projection_pointer'].map((table) => `DELETE FROM ${table}`), ...changes].map((sql) =>
        database.prepare(sql),
      ),
    );
  });

  // A domain need not have projections in every group.
  const its = projections.filter(({ group }) => production.database(env, group) === database);
  it('see to the pointer of every projection there', () => {
    expect(changes.length).toBeGreaterThanOrEqual(its.length);
  });

  it.each(its)(
    'neither make $name live nor change what is, whichever category of it has come',
    async ({ name, follows }) => {
      const pointerOf = () =>
        database.prepare('SELECT * FROM projection_pointer WHERE projection = ?').bind(name).first();
      for (const category of Object.keys(follows)) {
        await database.batch([
          ...CHECKPOINT_TABLES.map((table) => database.prepare(`DELETE FROM ${table}`)),
          database.prepare('DELETE FROM projection_pointer'),
          database.prepare(`INSERT INTO checkpoint VALUES ('any', 'a', ?, 1, 'id')`).bind(`${category}-1`),
          ...changes.map((sql) => database.prepare(sql)),
        ]);
        expect(await pointerOf()).toBeNull();

        const live = {
          projection: name,
          epoch: 7,
          live_revision: 0,
          live_slot: 'b',
          moved: '[]',
          change_id: null,
          former_since: null,
        };
        await database.batch([
          database.prepare('DELETE FROM projection_pointer'),
          database.prepare('INSERT INTO projection_pointer VALUES (?, ?, ?, ?, ?, ?, ?)').bind(...Object.values(live)),
          ...changes.map((sql) => database.prepare(sql)),
        ]);
        expect(await pointerOf()).toEqual(live);
      }
    },
  );
});
