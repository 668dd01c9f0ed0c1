import { describe, expect, it } from 'vitest';

import { project } from '../../src/tidemark/testing/projection-harness.ts';
import { tallyBoard, tallyCount, tallyCount2, tallyType } from '../support/tally.ts';
import type { Logs } from './applied.ts';
import type { Findings } from './differences.ts';
import { tallyOraclesOf } from './tally-oracles.ts';

const added = (by: number) => ({ type: 'Added', data: { by } }) as const;

const LOGS: Logs = { 'tally-one': logOf('tally-one', 3, 4, 5), 'tally-two': logOf('tally-two', 7), 'tally-none': [] };

const [ONE, TWO] = [[3, 4, 5].map(added), [added(7)]];
const board = project(tallyBoard).events(tallyType, 'one', ONE).events(tallyType, 'two', TWO);
const count = project(tallyCount).events(tallyType, 'one', ONE).events(tallyType, 'two', TWO);
const count2 = project(tallyCount2).events(tallyType, 'one', ONE).events(tallyType, 'two', TWO);

type Row = Readonly<Record<string, unknown>>;
type Judge = (oracles: ReturnType<typeof tallyOraclesOf>, rows: readonly Row[]) => Findings;

/** What each projection makes of the logs, and who judges it. */
const READ: readonly (readonly [what: string, rows: readonly Row[], judge: Judge])[] = [
  ['the list', board.rows(), (oracles, rows) => oracles.tallies(rows)],
  ['the entries', board.appended('entries'), (oracles, rows) => oracles.entries(rows)],
  ['the totals', board.counters('totals'), (oracles, rows) => oracles.totals(rows)],
  ['the count', count.rows(), (oracles, rows) => oracles.count(1, rows)],
  ['the second revision of the count', count2.rows(), (oracles, rows) => oracles.count(2, rows)],
];

function logOf(stream: string, ...numbers: readonly number[]): Logs[string] {
  return numbers.map((by, index) => ({
    id: `${stream}/${index + 1}`,
    stream,
    version: index + 1,
    type: 'Added',
    schemaVersion: 1,
    data: { by },
    metadata: {},
    recordedAt: '2026-05-01T12:00:00.000Z',
  }));
}

describe.each(READ)('%s of the tallies', (_, rows, judge) => {
  it('equals what the projection makes of the logs', () => {
    expect(rows.length).toBeGreaterThan(1);
    expect(judge(tallyOraclesOf(LOGS), rows)).toEqual([]);
  });

  it('is found wrong if a row is missing, or there twice', () => {
    expect(judge(tallyOraclesOf(LOGS), rows.slice(1))).toHaveLength(1);
    expect(judge(tallyOraclesOf(LOGS), [...rows, ...rows.slice(0, 1)])).toHaveLength(1);
  });

  it('is found wrong in each column', () => {
    const [first = {}, ...others] = rows;
    for (const [name, value] of Object.entries(first)) {
      const wrong = typeof value === 'number' ? value + 1 : `${String(value)}!`;
      expect(judge(tallyOraclesOf(LOGS), [{ ...first, [name]: wrong }, ...others]), name).not.toEqual([]);
    }
  });

  it('leaves out events that an operator skipped', () => {
    const skipped = ['tally-board', 'tally-count'].map((readModel) => ({ readModel, stream: 'tally-one', version: 2 }));
    expect(judge(tallyOraclesOf(LOGS, { skipped, held: [] }), rows)).not.toEqual([]);
  });
});

it('the oracles find a handler that counts all but the first event twice', () => {
  const handlers = {
    ...tallyCount.handlers,
    Added: { create: () => ({ additions: 1 }), change: (row: Row) => ({ additions: Number(row['additions']) + 2 }) },
  };
  const doubled = project({ ...tallyCount, handlers })
    .events(tallyType, 'one', ONE)
    .events(tallyType, 'two', TWO);
  expect(tallyOraclesOf(LOGS).count(1, doubled.rows())).toEqual([
    'tally-count, revision 1: one.additions is 5, but by the log 3',
  ]);
});
