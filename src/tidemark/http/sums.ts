import * as z from 'zod/mini';

import type { WideSum } from '../projections/wide-counters.ts';
import { described } from './schemas.ts';

/** A sum of minor units in an answer: a number that every client reads exactly. */
export const Sum = described(
  z.int(),
  'Minor units. A sum beyond ±(2^53 − 1) is given as the nearest of these two, with its digits in `exact…` beside it.',
);

/** Beside a sum that is beyond what a client reads exactly. */
export const ExactSum = described(
  z.optional(z.nullable(z.string())),
  'Only where the sum is beyond ±(2^53 − 1): all its digits. Null: they are lost until the projection is rebuilt.',
);

type Members<Name extends string> = { readonly [Member in Name]: number } & {
  readonly [Member in Name as `exact${Capitalize<Member>}`]?: string | null;
};

/** The members of a sum: `total`, and `exactTotal` where that is another. */
export function sumAs<Name extends string>(name: Name, { sum, isExact }: WideSum): Members<Name> {
  const nearest = Math.min(Math.max(Number(sum), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  const exact = `exact${name[0]?.toUpperCase()}${name.slice(1)}`;
  const isNearestExact = isExact && BigInt(nearest) === sum;
  return { [name]: nearest, ...(!isNearestExact && { [exact]: isExact ? String(sum) : null }) } as Members<Name>;
}
