import { join } from 'node:path';

import type { Operations } from '../../test/support/operations.ts';
import { build } from '../contenders/build.ts';
import type { Contender } from '../contenders/contender.ts';
import { CRUD, CRUD_WITH_PROMISES, TIDEMARK } from '../contenders/contenders.ts';
import { exactly } from '../harness/statistics.ts';
import { dollarsPerMillion } from '../prices.ts';
import type { Finding, Target } from '../workloads/finding.ts';
import { type Bill, count } from './count.ts';
import type { Scenario } from './scenarios.ts';

/** The bills of the same scenarios. */
export interface Bills {
  readonly ours: readonly Bill[];
  readonly oursWithKeys: readonly Bill[];
  readonly theirs: readonly Bill[];
  readonly theirsWithPromises: readonly Bill[];
}

const metered = (contender: Contender, main: string): Contender => ({
  ...contender,
  main: join(import.meta.dirname, main),
  bundle: join(import.meta.dirname, '../dist', `metered-${contender.name}`),
});

const METERED_TIDEMARK = metered(TIDEMARK, 'metered-tidemark.ts');
const METERED_CRUD = metered(CRUD, 'metered-crud.ts');
const METERED_CRUD_WITH_PROMISES = metered(CRUD_WITH_PROMISES, 'metered-crud.ts');

type Scenarios = readonly Scenario[];

/**
 * Counts lists of scenarios for every contender, the scenarios of a list one after the other. Tidemark has a server for each list, side by side,
 * since most of it is waiting; `keyed` are those that are counted with idempotency keys and promises as well.
 */
export async function countBills(lists: readonly Scenarios[], keyed = lists): Promise<Bills> {
  await build(METERED_TIDEMARK, METERED_CRUD, METERED_CRUD_WITH_PROMISES);
  const inOneGo = async (contender: Contender, some: readonly Scenarios[], hasKeys: boolean) => {
    const bills: Bill[] = [];
    for (const list of some) bills.push(...(await count(contender, list, hasKeys)));
    return bills;
  };
  const sideBySide = async (some: readonly Scenarios[], hasKeys: boolean) =>
    (await Promise.all(some.map((list) => count(METERED_TIDEMARK, list, hasKeys)))).flat();
  const [ours, oursWithKeys, theirs, theirsWithPromises] = await Promise.all([
    sideBySide(lists, false),
    sideBySide(keyed, true),
    inOneGo(METERED_CRUD, lists, false),
    inOneGo(METERED_CRUD_WITH_PROMISES, keyed, true),
  ]);
  return { ours, oursWithKeys, theirs, theirsWithPromises };
}

/** What a million of a scenario cost, in dollars. */
export function costOf(bills: readonly Bill[], scenario: string, of: (bill: Bill) => Operations): number {
  return dollarsPerMillion(of(billOf(bills, scenario)));
}

function billOf(bills: readonly Bill[], scenario: string): Bill {
  const bill = bills.find((candidate) => candidate.scenario === scenario);
  if (!bill) throw new Error(`there is no bill for ${scenario}`);
  return bill;
}

export const whole = (bill: Bill) => bill.all;
export const one = (bill: Bill) => bill.oneReadModel;

/** The bills against the targets, with one group of read models where money is compared, or with both. */
export function findingsOf({ ours, oursWithKeys, theirs, theirsWithPromises }: Bills): readonly Finding[] {
  const priced = (
    scenario: string,
    [mine, others]: readonly [readonly Bill[], readonly Bill[]],
    about: Pick<Finding, 'what' | 'against'> & { readonly target: Target },
    of = one,
  ): Finding => {
    const [cost, theirCost] = [costOf(mine, scenario, of), costOf(others, scenario, whole)];
    return { ...about, ratio: exactly(cost / theirCost), ours: cost, theirs: theirCost, unit: '$ a million' };
  };
  const ofBoth = (scenario: string, what: string, atMost: number) =>
    priced(scenario, plain, { what, against: 'CRUD', target: { atMost } }, whole);
  const counted = (what: string, scenario: string, figure: keyof Operations, limit: number): Finding => {
    const number = billOf(ours, scenario).all[figure];
    const target = { atMost: 1 };
    return {
      what,
      against: 'the limit',
      target,
      ratio: exactly(number / limit),
      ours: number,
      theirs: limit,
      unit: '',
    };
  };
  const plain = [ours, theirs] as const;
  const keyed = [oursWithKeys, theirsWithPromises] as const;
  const promises = 'CRUD with the same promises';
  return [
    counted(
      'rows written in the object for a price change, alone, until quiet',
      'price change, sparse',
      'objectRowsWritten',
      3,
    ),
    counted(
      'rows written in the object for a price change, 64 clients at once',
      'price change, busy',
      'objectRowsWritten',
      1.05,
    ),
    counted('queue messages for a price change, 64 clients at once', 'price change, busy', 'queueMessages', 0.1),
    priced('price change, hot', plain, {
      what: 'bill of a price change, ten at once',
      against: 'CRUD',
      target: { atMost: 1.5 },
    }),
    priced('price change, hot', keyed, {
      what: 'the same bill, with idempotency keys',
      against: promises,
      target: { atMost: 0.85 },
    }),
    priced('price change, sparse', plain, {
      what: 'bill of a price change, alone',
      against: 'CRUD',
      target: { atMost: 7 },
    }),
    priced('order of 3 lines, sparse', plain, {
      what: 'bill of an order of 3 lines, alone',
      against: 'CRUD',
      target: { atMost: 2 },
    }),
    counted(
      'rows written in D1 by an order of 3 lines, all read models',
      'order of 3 lines, sparse',
      'databaseRowsWritten',
      14,
    ),
    ofBoth('price change, hot', 'bill of a price change, ten at once, both groups', 1.85),
    ofBoth('price change, sparse', 'bill of a price change, alone, both groups', 3.9),
    ofBoth('order of 3 lines, sparse', 'bill of an order of 3 lines, alone, both groups', 2.5),
  ];
}
