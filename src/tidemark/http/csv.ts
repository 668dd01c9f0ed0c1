/**
 * Rows as CSV (RFC 4180) that a spreadsheet takes no formula from. It may split lines at semicolons or tabs instead of commas, and need not
 * mind quotes in the middle of a cell: so a sign that would then begin a cell gets an apostrophe before it, as OWASP advises. Who takes one
 * apostrophe away wherever one stands there before such a sign has the text again, so no two texts become the same cell.
 */
export function toCsv<Column extends string>(
  columns: readonly Column[],
  rows: readonly Readonly<Record<Column, string | number | null>>[],
): string {
  const lines = rows.map((row) => columns.map((column) => toCell(row[column])).join(','));
  return [columns.join(','), ...lines, ''].join('\r\n');
}

// The signs with which a formula begins, as wide and small forms too.
const BEFORE_FORMULA = /((?:^|[,;|\t\r\n])[\s"]*'*)(?=[=+\-@＝＋－＠﹦﹢﹣﹫])/g;

function toCell(value: string | number | null): string {
  if (typeof value !== 'string') return String(value ?? '');
  const text = value.replaceAll(BEFORE_FORMULA, "$1'");
  return /[",;|\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
