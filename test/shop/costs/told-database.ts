import { getTableName } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';

import type { Projection } from '../../../src/tidemark/projections/projection.ts';

/** A database that reports D1's counts for every statement of a batch, and for every query. */
export function toldOf(real: D1Database, told: (sql: string, meta: D1Meta) => void): D1Database {
  const inners = new Map<D1PreparedStatement, { readonly sql: string; readonly inner: D1PreparedStatement }>();

  function statement(sql: string, inner: D1PreparedStatement): D1PreparedStatement {
    const wrapped = new Proxy(inner, {
      get(target, property) {
        if (property === 'bind') return (...values: unknown[]) => statement(sql, target.bind(...values));
        if (property !== 'all') return Reflect.get(target, property) as unknown;
        return async () => {
          const answer = await target.all();
          told(sql, answer.meta);
          return answer;
        };
      },
    });
    inners.set(wrapped, { sql, inner });
    return wrapped;
  }

  function connection<Real extends D1Database | D1DatabaseSession>(inner: Real): Real {
    return new Proxy(inner, {
      get(target, property) {
        if (property === 'prepare') return (sql: string) => statement(sql, target.prepare(sql));
        if (property === 'withSession') return (from: string) => connection((target as D1Database).withSession(from));
        if (property === 'batch') {
          return async (statements: D1PreparedStatement[]) => {
            const results = await target.batch(statements.map((wrapped) => inners.get(wrapped)?.inner ?? wrapped));
            for (const [index, wrapped] of statements.entries()) {
              const meta = results[index]?.meta;
              if (meta) told(inners.get(wrapped)?.sql ?? '', meta);
            }
            return results;
          };
        }
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
  return connection(real);
}

/** Whether a statement names a table of a projection. Projections of a group share a batch, but no statement that writes rows. */
export function isOf(projection: Projection, sql: string): boolean {
  return (['a', 'b'] as const).some((slot) =>
    Object.values<SQLiteTable>(projection.tables(slot)).some((table) => sql.includes(`"${getTableName(table)}"`)),
  );
}

/** Whether a statement writes where projections stand. */
export function isOfCheckpoints(sql: string): boolean {
  return /(INTO|FROM|UPDATE) (shared_)?checkpoint\b/.test(sql);
}
