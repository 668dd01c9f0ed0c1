/**
 * Compares the results of two runs: `node bench/agreement.ts <result.json> <result.json>`. For each row of the table that both have, it prints both
 * medians and their distance. Name the files of a run in pieces with commas between them.
 */
import { readFileSync } from 'node:fs';

import { number, toLines } from './table.ts';
import type { Finding } from './workloads/finding.ts';

/** If medians are further apart, one says little about the next run. */
const AGREES_WITHIN = 0.15;

const findingsOf = (files: string): ReadonlyMap<string, Finding> =>
  new Map(
    files
      .split(',')
      .flatMap((file) => (JSON.parse(readFileSync(file, 'utf8')) as { readonly findings: readonly Finding[] }).findings)
      .map((finding) => [`${finding.what}, against ${finding.against}`, finding]),
  );

const [one, other] = process.argv.slice(2);
if (one === undefined || other === undefined) {
  console.error('Usage: node bench/agreement.ts <result.json>[,…] <result.json>[,…]');
  process.exit(2);
}
const [before, after] = [findingsOf(one), findingsOf(other)];
const pairs = [...before].flatMap(([name, finding]) => {
  const match = after.get(name);
  return match ? [{ name, medians: [finding.ratio.median, match.ratio.median] as const }] : [];
});
const apart = ({ medians: [a, b] }: (typeof pairs)[number]) => Math.max(a, b) / Math.min(a, b) - 1;
const rows = pairs.map((pair) => [
  pair.name,
  ...pair.medians.map((median) => `${number(median)}×`),
  `${Math.round(apart(pair) * 100)} %`,
  apart(pair) <= AGREES_WITHIN ? '' : 'apart',
]);
console.log(toLines(['ratio', 'one', 'other', 'apart', ''], rows));
const agreeing = pairs.filter((pair) => apart(pair) <= AGREES_WITHIN);
console.log(`\n${agreeing.length} of ${pairs.length} medians agree within ${AGREES_WITHIN * 100} %.`);
