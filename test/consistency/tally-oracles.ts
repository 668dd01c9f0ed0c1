import { firstFew, keyedDifferences } from './differences.ts';
import { type Logs, type Obstacles, NO_OBSTACLES, appliedTo, idOf } from './applied.ts';
import type { Findings } from './differences.ts';

/**
 * The expected content of the read models of tallies (test/support/tally.ts) at rest (I11): the fold of the logs, without the projections. Each
 * judge takes the rows of a live table, with columns in camelCase, and returns the first differences.
 */
export function tallyOraclesOf(logs: Logs, obstacles: Obstacles = NO_OBSTACLES) {
  /** What each tally comes to, as a read model has it. */
  const tallies = (readModel: string) =>
    [...appliedTo(readModel, 'tally', logs, obstacles)]
      .filter(([, events]) => events.length > 0)
      .map(([stream, events]) => {
        const additions = events.map(({ version, data }) => ({ version, by: Number(data.by) }));
        const version = Math.max(...additions.map((addition) => addition.version));
        return { tallyId: idOf(stream), version, additions, sum: sumOf(additions) };
      });

  return {
    /** Every item of `GET /tallies`, by id. */
    tallies(items: readonly unknown[]): Findings {
      const expected = tallies('tally-board')
        .map(({ tallyId, version, sum }) => ({ tallyId, version, sum }))
        .toSorted((one, other) => (one.tallyId < other.tallyId ? -1 : 1));
      return firstFew(keyedDifferences('GET /tallies:', expected, items, ({ tallyId }) => tallyId, { inOrder: true }));
    },

    /** Each addition by itself. */
    entries(rows: readonly unknown[]): Findings {
      const expected = tallies('tally-board').flatMap(({ tallyId, additions }) =>
        additions.map(({ version, by }) => ({ tallyId, version, by })),
      );
      return differencesIn('tally-board: the entry', expected, rows, ({ tallyId, version }) => `${tallyId}@${version}`);
    },

    /** The sums over all tallies, of even numbers and of odd ones. */
    totals(rows: readonly unknown[]): Findings {
      const all = tallies('tally-board').flatMap(({ additions }) => additions);
      const expected = ['even', 'odd'].flatMap((parity, remainder) => {
        const added = all.filter(({ by }) => Math.abs(by % 2) === remainder);
        return added.length === 0 ? [] : [{ parity, additions: added.length, sum: sumOf(added) }];
      });
      return differencesIn('tally-board: the total', expected, rows, ({ parity }) => parity);
    },

    /** How often was added to each tally; the second revision has the sum as well. */
    count(revision: number, rows: readonly unknown[]): Findings {
      const expected = tallies('tally-count').map(({ tallyId, version, additions, sum }) => {
        return { tallyId, version, additions: additions.length, ...(revision > 1 && { sum }) };
      });
      return differencesIn(`tally-count, revision ${revision}:`, expected, rows, ({ tallyId }) => tallyId);
    },
  };
}

function differencesIn<Row>(
  path: string,
  expected: readonly Row[],
  rows: readonly unknown[],
  keyOf: (row: Row) => string,
): Findings {
  return firstFew(keyedDifferences(path, expected, rows, keyOf, { inOrder: false }));
}

function sumOf(additions: readonly { readonly by: number }[]): number {
  return additions.reduce((sum, { by }) => sum + by, 0);
}
