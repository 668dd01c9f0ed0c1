import { type Finding, isMet } from './workloads/finding.ts';

/** The findings as a table in Markdown. */
export function toTable(findings: readonly Finding[]): string {
  const head = ['what', 'against', 'ratio', 'interval', 'target', '', 'ours', 'theirs'];
  const rows = findings.map((finding) => {
    const { what, against, ratio, ours, theirs, unit } = finding;
    const interval = `${number(ratio.low)} – ${number(ratio.high)} (${Math.round(ratio.confidence * 100)} %)`;
    const verdict = isMet(finding);
    return [
      what,
      against,
      `${number(ratio.median)}×`,
      interval,
      targetOf(finding),
      verdict === undefined ? '' : verdict ? 'pass' : 'MISS',
      `${number(ours)} ${unit}`,
      `${number(theirs)} ${unit}`,
    ];
  });
  return toLines(head, rows);
}

/** A table in Markdown: rows of cells under their titles. */
export function toLines(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function targetOf({ target }: Finding): string {
  if (!target) return '';
  return 'atLeast' in target ? `≥ ${target.atLeast}×` : `≤ ${target.atMost}×`;
}

/** A number with three significant digits, but with all digits before the point and at most three after it. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(digits, 3));
}
