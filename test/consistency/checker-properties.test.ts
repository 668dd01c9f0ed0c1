import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { checkHistory } from './checker.ts';
import { MUTATIONS } from './mutations.ts';
import { SHOP, chanceOf, playShop } from './tiny-shop.ts';
import { type Check, explain } from './violation.ts';

const SEED = 20_261_124;

const shops = fc.record({
  seed: fc.integer(),
  steps: fc.integer({ min: 1, max: 600 }),
  clients: fc.integer({ min: 1, max: 6 }),
  orders: fc.integer({ min: 1, max: 8 }),
});

describe('a history of a shop that keeps its promises', () => {
  it('is never objected to', () => {
    fc.assert(
      fc.property(shops, (shop) => {
        expect(explain(checkHistory(playShop(shop), SHOP))).toBe('');
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it('has everything that the checker judges', () => {
    const { operations } = playShop({ seed: 1, steps: 20_000, orders: 40 });
    const met = new Set(
      operations.flatMap(({ kind, outcome, isPartial }) => [
        kind,
        outcome.kind,
        ...(outcome.kind === 'refused' ? [outcome.code] : []),
        ...('source' in outcome ? [outcome.source] : []),
        ...('incomplete' in outcome && outcome.incomplete.length > 0 ? ['incomplete'] : []),
        ...(isPartial ? ['partial'] : []),
      ]),
    );
    expect([...met].toSorted()).toEqual(
      ['command', 'read', 'list', 'sum']
        .concat(['acknowledged', 'refused', 'unknown', 'resource', 'rows', 'figures', 'read-model', 'write-store'])
        .concat(['key-reused', 'overloaded', 'version-mismatch', 'wrong-state', 'version-ahead'])
        .concat(['projection-behind', 'projection-dead-letter', 'incomplete', 'partial'])
        .toSorted(),
    );
  });

  it('may be of 10,000 operations', () => {
    const history = playShop({ seed: 7, steps: 32_000, clients: 8, orders: 60 });
    expect(history.operations.length).toBeGreaterThan(10_000);
    expect(explain(checkHistory(history, SHOP))).toBe('');
  });
});

/** At least one of these checks has to find the bug. Others may find its consequences. */
const SEEN_BY: Readonly<Record<string, readonly Check[]>> = {
  'a read answers from before what its token has seen': ['read-your-writes', 'monotonic-reads'],
  'a list lacks a row': ['read-your-writes', 'monotonic-reads'],
  'a list has an older row': ['read-your-writes', 'monotonic-reads'],
  'a list has a row twice': ['wrong-row'],
  'a row’s content is from another version': ['one-content'],
  'a sum counts more than there is': ['impossible-sum'],
  'a sum that only grows falls back': ['monotonic-reads'],
  'an event is appended twice': ['one-outcome'],
  'an acknowledged event is lost': ['lost-write'],
  'a log has a gap': ['log-order'],
  'a retry is told another version': ['one-outcome', 'lost-write'],
  'a retry of what was acknowledged is refused': ['one-outcome'],
  'a refused command is in the log all the same': ['refused-yet-applied', 'expected-version'],
  'an expected version is ignored': ['expected-version'],
  'a command is decided upon an older state than its token has seen': ['writes-follow-reads'],
  'a read sees an event that no command has written': ['phantom'],
  'a command overtakes one that was acknowledged before it was sent': ['write-order', 'phantom'],
};

describe('the checker objects to a history if', () => {
  it.each(Object.entries(MUTATIONS))('%s', (name, mutate) => {
    let planted = 0;
    fc.assert(
      fc.property(shops, fc.integer(), (shop, seed) => {
        const history = playShop(shop);
        if (!mutate(history, chanceOf(seed))) return;
        planted += 1;
        const checks = checkHistory(history, SHOP).map(({ check }) => check);
        expect(
          SEEN_BY[name]?.some((check) => checks.includes(check)),
          checks.join(', '),
        ).toBe(true);
      }),
      { seed: SEED, numRuns: 60 },
    );
    // A bug that was never there was never found either.
    expect(planted).toBeGreaterThan(3);
  });
});
