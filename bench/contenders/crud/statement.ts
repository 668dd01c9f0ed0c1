import type { SQL } from 'drizzle-orm';
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core';

import type { Database } from './crud-route.ts';

const dialect = new SQLiteSyncDialect();

/** SQL as drizzle writes it: a fragment, or a query that its builder can print. */
export type Written = SQL | { toSQL(): { readonly sql: string; readonly params: unknown[] } };

/** The text of it, and its parameters. */
export function textOf(written: Written): { readonly sql: string; readonly params: unknown[] } {
  return 'toSQL' in written ? written.toSQL() : dialect.sqlToQuery(written);
}

/** A statement for `batch`: drizzle 0.45 cannot put a raw one into its own. */
export function statementOf(database: Database, written: Written): D1PreparedStatement {
  const { sql, params } = textOf(written);
  return database.$client.prepare(sql).bind(...params);
}
