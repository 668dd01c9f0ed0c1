import { and, eq, gt } from 'drizzle-orm';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { describe, expect, test } from 'vitest';

import { queryBuilder } from '../../../src/tidemark/queries/causal-read.ts';
import { type Given, preparedQuery } from '../../../src/tidemark/queries/prepared-query.ts';

const seatsIn = (slot: string) => ({
  row: sqliteTable(`seats_${slot}`, { seat: text('seat').primaryKey(), row: integer('row').notNull() }),
});
const [a, b] = [seatsIn('a'), seatsIn('b')];

/** The query, and how often its SQL was built. */
function seatsQuery() {
  const written = { times: 0 };
  const query = preparedQuery(
    (tables: typeof a, { seat, after }: Given<{ seat: string | undefined; after: number | undefined }>) => {
      written.times += 1;
      const table = tables.row;
      return queryBuilder
        .select()
        .from(table)
        .where(and(seat && eq(table.seat, seat), after && gt(table.row, after)));
    },
  );
  return { query, written };
}

describe('a prepared query', () => {
  test('is built once for each slot and set of given values, and takes new values each time', () => {
    const { query, written } = seatsQuery();
    const [first, second] = [query({ seat: '12', after: 3 })(a).toSQL(), query({ seat: '13', after: 4 })(a).toSQL()];
    expect(second.sql).toBe(first.sql);
    expect([first.params, second.params]).toEqual([
      ['12', 3],
      ['13', 4],
    ]);
    expect(written.times).toBe(1);
  });

  test('leaves out conditions without a value', () => {
    const { query } = seatsQuery();
    expect(query({ seat: undefined, after: 0 })(a).toSQL()).toEqual({
      sql: 'select "seat", "row" from "seats_a" where "seats_a"."row" > ?',
      params: [0],
    });
    expect(query({ seat: undefined, after: undefined })(a).toSQL().sql).toBe('select "seat", "row" from "seats_a"');
  });

  test('has its own SQL for each slot', () => {
    const { query } = seatsQuery();
    const texts = [a, b, a].map((tables) => query({ seat: '12', after: undefined })(tables).toSQL().sql);
    expect(texts.map((sql) => /"seats_(.)"/.exec(sql)?.[1])).toEqual(['a', 'b', 'a']);
  });
});
