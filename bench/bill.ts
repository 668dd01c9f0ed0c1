/**
 * What Tidemark costs on Cloudflare, next to CRUD: `npm run bench:bill`. Billable operations are counted, not estimated: every command
 * until nothing happens any more, its messages, projections and alarms included. Takes about two minutes, which are mostly waits.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Operations } from '../test/support/operations.ts';
import { type Bill, count } from './bill/count.ts';
import { QUERIES, SCENARIOS } from './bill/scenarios.ts';
import { build } from './contenders/build.ts';
import type { Contender } from './contenders/contender.ts';
import { CRUD, CRUD_WITH_PROMISES, TIDEMARK } from './contenders/contenders.ts';
import { DOLLARS_PER_MILLION, TRAFFIC, dollarsPerMillion } from './prices.ts';
import { number, toLines } from './table.ts';
import { versions } from './versions.ts';

const metered = (contender: Contender, main: string): Contender => ({
  ...contender,
  main: join(import.meta.dirname, 'bill', main),
  bundle: join(import.meta.dirname, 'dist', `metered-${contender.name}`),
});
const tidemark = metered(TIDEMARK, 'metered-tidemark.ts');
const crud = metered(CRUD, 'metered-crud.ts');
const withPromises = metered(CRUD_WITH_PROMISES, 'metered-crud.ts');
for (const contender of [tidemark, crud, withPromises]) build(contender);

const all = [...SCENARIOS.map((scenario) => [scenario]), QUERIES];
const countAll = async (contender: Contender, hasKeys: boolean) =>
  (await Promise.all(all.map((scenarios) => count(contender, scenarios, hasKeys)))).flat();
// Side by side, since counting does not mind: each scenario waits for its own quiet.
const ours = await countAll(tidemark, false);
const oursWithKeys = await countAll(tidemark, true);
const theirs = await countAll(crud, false);
const theirsWithPromises = await countAll(withPromises, true);

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

function print(title: string, bills: readonly Bill[], of: (bill: Bill) => Operations): void {
  const rows = bills.map((bill) => [
    bill.scenario,
    ...NAMES.map(([name]) => number(of(bill)[name])),
    `$${number(dollarsPerMillion(of(bill)))}`,
  ]);
  console.log(`\n${title}\n\n${toLines(['each', ...NAMES.map(([, name]) => name), 'a million'], rows)}`);
}

print('Tidemark', ours, (bill) => bill.all);
print(
  'Tidemark with one group of read models (without search, analytics, dashboard and archive)',
  ours,
  (bill) => bill.oneReadModel,
);
print('Tidemark with idempotency keys, one group of read models', oursWithKeys, (bill) => bill.oneReadModel);
print('CRUD', theirs, (bill) => bill.all);
print('CRUD with the same promises', theirsWithPromises, (bill) => bill.all);

const costOf = (bills: readonly Bill[], scenario: string, of: (bill: Bill) => Operations) => {
  const bill = bills.find((candidate) => candidate.scenario === scenario);
  if (!bill) throw new Error(`there is no bill for ${scenario}`);
  return dollarsPerMillion(of(bill));
};
const one = (bill: Bill) => bill.oneReadModel;
const whole = (bill: Bill) => bill.all;
const targets = [
  [
    'price change, hot',
    'CRUD',
    costOf(ours, 'price change, hot', one) / costOf(theirs, 'price change, hot', whole),
    1.5,
  ],
  [
    'price change, hot, with keys',
    'CRUD with the same promises',
    costOf(oursWithKeys, 'price change, hot', one) / costOf(theirsWithPromises, 'price change, hot', whole),
    0.6,
  ],
  [
    'price change, sparse',
    'CRUD',
    costOf(ours, 'price change, sparse', one) / costOf(theirs, 'price change, sparse', whole),
    7,
  ],
  [
    'order of 3 lines, sparse',
    'CRUD',
    costOf(ours, 'order of 3 lines, sparse', one) / costOf(theirs, 'order of 3 lines, sparse', whole),
    2,
  ],
] as const;
console.log(
  `\nThe bill with one read model\n\n${toLines(
    ['command', 'against', 'ratio', 'target', ''],
    targets.map(([what, against, ratio, target]) => [
      what,
      against,
      `${number(ratio)}×`,
      `≤ ${target}×`,
      ratio <= target ? 'pass' : 'MISS',
    ]),
  )}`,
);

function monthly(bills: readonly Bill[], of: (bill: Bill) => Operations): number {
  const parts = [
    [TRAFFIC.orders, 'order of 3 lines, sparse'],
    [TRAFFIC.shipments, 'shipment, sparse'],
    [TRAFFIC.priceChanges, 'price change, sparse'],
    [TRAFFIC.reads, 'read one order'],
  ] as const;
  return parts.reduce((sum, [times, scenario]) => sum + (times / 1_000_000) * costOf(bills, scenario, of), 0);
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
  targets,
};
writeFileSync(join(folder, 'bill.json'), `${JSON.stringify(result, undefined, 2)}\n`);
process.exit(0);
