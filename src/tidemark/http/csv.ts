import type { Context } from 'hono';

import { asksFor } from './accept.ts';

/**
 * Answers with rows as CSV, if `Accept` asks for CSV rather than for JSON. Otherwise returns undefined. Adds `Accept` to `Vary`, so that a cache
 * keeps the two apart.
 *
 *     return csvAnswer(c, ['place', 'guests'], rows) ?? c.json({ items: rows });
 */
export function csvAnswer<Column extends string>(
  c: Context,
  columns: readonly Column[],
  rows: readonly Readonly<Record<Column, string | number | null>>[],
): Response | undefined {
  c.header('Vary', 'Accept', { append: true });
  if (!asksFor(c.req.header('Accept'), 'text/csv', 'application/json')) return undefined;
  return c.body(toCsv(columns, rows), 200, { 'Content-Type': 'text/csv; charset=utf-8' });
}

/**
 * Writes rows as CSV (RFC 4180) in which a spreadsheet finds no formula. A spreadsheet may split lines at semicolons or tabs instead of commas,
 * and may ignore quotes in the middle of a cell. So each sign that could begin a formula there gets an apostrophe before it, as OWASP advises.
 * A reader that removes one apostrophe before each such sign gets the text back. So no two texts become the same cell.
 *
 *     toCsv(['place', 'guests'], [{ place: '=A12', guests: 3 }]); // "place,guests\r\n'=A12,3\r\n"
 */
export function toCsv<Column extends string>(
  columns: readonly Column[],
  rows: readonly Readonly<Record<Column, string | number | null>>[],
): string {
  const lines = rows.map((row) => columns.map((column) => toCell(row[column])).join(','));
  return [columns.join(','), ...lines, ''].join('\r\n');
}

// The signs with which a formula begins, in their full-width and small forms too.
const BEFORE_FORMULA = /((?:^|[,;|\t\r\n])[\s"]*'*)(?=[=+\-@＝＋－＠﹦﹢﹣﹫])/g;

function toCell(value: string | number | null): string {
  if (typeof value !== 'string') return String(value ?? '');
  const text = value.replaceAll(BEFORE_FORMULA, "$1'");
  return /[",;|\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
