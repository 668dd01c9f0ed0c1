/**
 * Compares the costs of Tidemark and of CRUD on Cloudflare: `npm run bench:bill`. It counts billable operations and estimates none. It follows each
 * command until nothing happens any more, with its messages, projections and alarms. It takes about two minutes, most of them waits.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Operations } from '../test/support/operations.ts';
import { costOf, countBills, findingsOf, one, whole } from './bill/bills.ts';
import type { Bill } from './bill/count.ts';
import { COMMANDS, QUERIES } from './bill/scenarios.ts';
import { DOLLARS_PER_MILLION, TRAFFIC, dollarsPerMillion } from './prices.ts';
import { number, toLines, toTable } from './table.ts';
import { versions } from './versions.ts';

const bills = await countBills([...COMMANDS.map((scenario) => [scenario]), QUERIES]);
const { ours, oursWithKeys, theirs, theirsWithPromises } = bills;

const NAMES: readonly (readonly [keyof Operations, string])[] = [
  ['workerRequests', 'Worker requests'],
  ['objectRequests', 'object requests'],
  ['alarmRuns', 'alarm runs'],
  ['objectRowsRead', 'object rows read'],
  ['objectRowsWritten', 'object rows written'],
  ['queueOperations', 'queue operations'],
  ['databaseRowsRead', 'D1 rows read'],
  ['databaseRowsWritten', 'D1 rows written'],
];

function print(title: string, counted: readonly Bill[], of: (bill: Bill) => Operations): void {
  const rows = counted.map((bill) => [
    bill.scenario,
    ...NAMES.map(([name]) => number(of(bill)[name])),
    `$${number(dollarsPerMillion(of(bill)))}`,
  ]);
  console.log(`\n${title}\n\n${toLines(['each', ...NAMES.map(([, name]) => name), 'a million'], rows)}`);
}

print('Tidemark', ours, whole);
print('Tidemark with one group of read models (without search, analytics, dashboard and archive)', ours, one);
print('Tidemark with idempotency keys, one group of read models', oursWithKeys, one);
print('CRUD', theirs, whole);
print('CRUD with the same promises', theirsWithPromises, whole);

const findings = findingsOf(bills);
console.log(`\nAgainst the targets\n\n${toTable(findings)}`);

function monthly(counted: readonly Bill[], of: (bill: Bill) => Operations): number {
  const parts = [
    [TRAFFIC.orders, 'order of 3 lines, sparse'],
    [TRAFFIC.shipments, 'shipment, sparse'],
    [TRAFFIC.priceChanges, 'price change, sparse'],
    [TRAFFIC.reads, 'read one order'],
  ] as const;
  return parts.reduce((sum, [times, scenario]) => sum + (times / 1_000_000) * costOf(counted, scenario, of), 0);
}
console.log(`\nA month of ${TRAFFIC.description}, beyond what the plan includes:`);
console.log(
  `Tidemark $${monthly(ours, whole).toFixed(2)} (one group of read models: $${monthly(ours, one).toFixed(2)}), CRUD $${monthly(theirs, whole).toFixed(2)}, CRUD with the same promises $${monthly(theirsWithPromises, whole).toFixed(2)}.\n`,
);

const folder = join(import.meta.dirname, 'results');
mkdirSync(folder, { recursive: true });
const result = {
  at: new Date(),
  versions: versions(),
  prices: DOLLARS_PER_MILLION,
  ours,
  oursWithKeys,
  theirs,
  theirsWithPromises,
  findings,
};
writeFileSync(join(folder, 'bill.json'), `${JSON.stringify(result, undefined, 2)}\n`);
process.exit(0);
