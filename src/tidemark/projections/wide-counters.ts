import { type SQL, sql } from 'drizzle-orm';
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core';

import { countOf } from './fold.ts';
import type { Row } from './slot-tables.ts';

/*
 * Sums that may exceed the 64 bits of a column, where SQLite would continue in floating point. A second column takes the excess:
 *
 *     sum = high · 2^62 + low, with low from -2^61 to 2^61 - 1
 *
 * So each sum has one stored form, whatever the order of the additions. A sum that fits into low is stored as if the second column did not exist.
 */

/** The wide columns of a counter: by the property of each column, the property of the column for the excess. */
export type Wide = Readonly<Record<string, string>>;

/** Splits each wide sum (or increment) of a row into its two columns. */
export function split(row: Row, wide: Wide): Row {
  const columns = Object.entries(wide).flatMap(([low, high]) => {
    const sum = row[low];
    // A sum is a number only up to 2^53, so it fits into the first column.
    if (typeof sum !== 'string') return [];
    const rest = BigInt.asIntN(62, BigInt(sum));
    return [
      [low, String(rest)],
      [high, Number((BigInt(sum) - rest) >> 62n) + Number(countOf(row[high]))],
    ];
  });
  return { ...row, ...Object.fromEntries(columns) };
}

/** The assignments that add `excluded` to the columns `low` and `high`, and carry. A low that has become floating point does not change. */
export function additionOf(low: string, high: string): string {
  const sum = `(("${low}" & ${2n ** 62n - 1n}) + excluded."${low}")`;
  const carry = `((${sum} + ${2n ** 61n}) >> 62)`;
  return `"${low}" = CASE typeof("${low}") WHEN 'integer' THEN ${sum} - (${carry} << 62) ELSE "${low}" END,
    "${high}" = "${high}" + excluded."${high}" + ("${low}" >> 62) + ${carry}`;
}

/** Selects the sum of some rows, for `sumAs`. It selects parts: `sum` throws beyond 64 bits, and a number of D1 is exact only up to 2^53. */
export function wideSum(low: SQLiteColumn, high: SQLiteColumn): SQL<string> {
  return sql`json_array(sum(${high}), sum(${low} >> 31), sum(${low} & 2147483647), max(typeof(${low}) = 'real'))`;
}

export interface WideSum {
  readonly sum: bigint;
  /** False if a part became floating point before its column had a second one. A rebuild repairs it. */
  readonly isExact: boolean;
}

/** Reads the sum that `wideSum` selected. */
export function wideSumOf(parts: string): WideSum {
  const [high = 0, middle = 0, low = 0, isFloat] = JSON.parse(parts) as number[];
  return { sum: (BigInt(high) << 62n) + (BigInt(middle) << 31n) + BigInt(low), isExact: isFloat === 0 };
}
