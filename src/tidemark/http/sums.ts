import * as z from 'zod/mini';

import type { WideSum } from '../projections/wide-counters.ts';
import { described } from './schemas.ts';

/**
 * The schema of a sum of minor units (cents, yen) in an answer: an integer within ±(2^53 − 1), which every client reads exactly.
 *
 *     const Revenue = z.strictObject({ currency: z.string(), total: Sum, exactTotal: ExactSum });
 */
export const Sum = described(
  z.int(),
  'Minor units. A sum beyond ±(2^53 − 1) is cut to the nearer of these limits, and `exact…` has all its digits.',
);

/**
 * The schema of the member beside a `Sum`, named `exact…`: all digits of a sum beyond ±(2^53 − 1), in minor units. Absent for every other sum. Null
 * when the digits are lost until the projection is rebuilt.
 *
 *     const Revenue = z.strictObject({ currency: z.string(), total: Sum, exactTotal: ExactSum });
 */
export const ExactSum = described(
  z.optional(z.nullable(z.string())),
  'Only for a sum beyond ±(2^53 − 1): all its digits. Null: the digits are lost until the projection is rebuilt.',
);

type Members<Name extends string> = { readonly [Member in Name]: number } & {
  readonly [Member in Name as `exact${Capitalize<Member>}`]?: string | null;
};

/**
 * The members of a sum in an answer: `total`, and `exactTotal` for a sum beyond ±(2^53 − 1). The amounts are in minor units.
 *
 *     sumAs('total', { sum: 5_997n, isExact: true }); // { total: 5997 }
 *     sumAs('total', { sum: 2n ** 53n, isExact: true }); // { total: 9007199254740991, exactTotal: '9007199254740992' }
 */
export function sumAs<Name extends string>(name: Name, { sum, isExact }: WideSum): Members<Name> {
  const nearest = Math.min(Math.max(Number(sum), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  const exact = `exact${name[0]?.toUpperCase()}${name.slice(1)}`;
  const isNearestExact = isExact && BigInt(nearest) === sum;
  return { [name]: nearest, ...(!isNearestExact && { [exact]: isExact ? String(sum) : null }) } as Members<Name>;
}
