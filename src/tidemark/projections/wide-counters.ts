import { type SQL, sql } from 'drizzle-orm';
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core';

import { countOf } from './fold.ts';
import type { Row } from './slot-tables.ts';

/*
 * Sums that may leave the 64 bits of a column, where SQLite goes on in floating point. A second column takes what is beyond: the sum is
 * high · 2^62 + low, with low from -2^61 to 2^61 - 1. So a sum is stored in one way only, whatever was added in which order, and one that
 * fits into low is stored as if there were no second column.
 */

/** By the property of a counter's column, that of the column which takes what is beyond. */
export type Wide = Readonly<Record<string, string>>;

/** A row of sums, or of what to add to them, each split into its two columns. */
export function split(row: Row, wide: Wide): Row {
  const columns = Object.entries(wide).flatMap(([low, high]) => {
    const sum = row[low];
    // A number is below 2^53.
    if (typeof sum !== 'string') return [];
    const rest = BigInt.asIntN(62, BigInt(sum));
    return [
      [low, String(rest)],
      [high, Number((BigInt(sum) - rest) >> 62n) + Number(countOf(row[high]))],
    ];
  });
  return { ...row, ...Object.fromEntries(columns) };
}

/** The assignments that add `excluded` to the columns `low` and `high`, and carry. A low that has become floating point stays as it is. */
export function additionOf(low: string, high: string): string {
  const sum = `(("${low}" & ${2n ** 62n - 1n}) + excluded."${low}")`;
  const carry = `((${sum} + ${2n ** 61n}) >> 62)`;
  return `"${low}" = CASE typeof("${low}") WHEN 'integer' THEN ${sum} - (${carry} << 62) ELSE "${low}" END,
    "${high}" = "${high}" + excluded."${high}" + ("${low}" >> 62) + ${carry}`;
}

/** Selects the sum of some rows, for `wideSumOf`. In parts: `sum` throws beyond 64 bits, and a number of D1 is exact up to 2^53 only. */
export function wideSum(low: SQLiteColumn, high: SQLiteColumn): SQL<string> {
  return sql`json_array(sum(${high}), sum(${low} >> 31), sum(${low} & 2147483647), max(typeof(${low}) = 'real'))`;
}

export interface WideSum {
  readonly sum: bigint;
  /** False if a part of it became floating point, before its column had a second one. A rebuild mends it. */
  readonly isExact: boolean;
}

/** What `wideSum` selected. */
export function wideSumOf(parts: string): WideSum {
  const [high = 0, middle = 0, low = 0, isFloat] = JSON.parse(parts) as number[];
  return { sum: (BigInt(high) << 62n) + (BigInt(middle) << 31n) + BigInt(low), isExact: isFloat === 0 };
}
