import { type Placeholder, fillPlaceholders, sql } from 'drizzle-orm';

import type { SelectQuery } from './guarded-query.ts';

/** A placeholder for each given value. Undefined for a value that is not given, which the query then leaves out. */
export type Given<Values> = { readonly [Name in keyof Values]: Placeholder | GivenOrNot<Values[Name]> };
type GivenOrNot<Value> = undefined extends Value ? undefined : never;

/**
 * A query whose text drizzle writes once for each slot and each choice of given values, not at every read. Writing it takes longer than everything
 * else that the Worker does with a row.
 *
 *     export const freeSeats = preparedQuery((tables: SeatTables, { block }: Given<{ block: string }>) =>
 *       queryBuilder.select().from(tables.row).where(eq(tables.row.block, block)));
 *     c.var.causal.readMany(seatMap, freeSeats({ block: 'A' }))
 */
export function preparedQuery<InSlot extends object, Values extends Readonly<Record<string, unknown>>, Result>(
  build: (tables: InSlot, given: Given<Values>) => SelectQuery<Result>,
): (values: Values) => (tables: InSlot) => SelectQuery<Result> {
  const prepared = new WeakMap<InSlot, Map<string, Prepared<Result>>>();
  return (values) => {
    const names = Object.keys(values).filter((name) => values[name] !== undefined);
    const choice = names.join();
    return (tables) => {
      const known = prepared.get(tables) ?? new Map<string, Prepared<Result>>();
      prepared.set(tables, known);
      let query = known.get(choice);
      if (!query) {
        const given = Object.fromEntries(names.map((name) => [name, sql.placeholder(name)]));
        query = prepare(build(tables, given as Given<Values>));
        known.set(choice, query);
      }
      const { text, params, fields } = query;
      return { toSQL: () => ({ sql: text, params: fillPlaceholders(params, values) }), _: fields };
    };
  };
}

type Prepared<Result> = ReturnType<typeof prepare<Result>>;

function prepare<Result>(query: SelectQuery<Result>) {
  const { sql: text, params } = query.toSQL();
  return { text, params, fields: query._ };
}
