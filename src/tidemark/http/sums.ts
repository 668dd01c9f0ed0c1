import * as z from 'zod/mini';

import { type WideSum, wideSumOf } from '../projections/wide-counters.ts';
import { described } from './schemas.ts';

const NEAREST = described(
  z.int(),
  'Minor units. A sum beyond ±(2^53 − 1) is cut to the nearer of these limits, and `exact…` has all its digits.',
);

const EXACT = described(
  z.optional(z.nullable(z.string())),
  'Only for a sum beyond ±(2^53 − 1): all its digits. Null: the digits are lost until the projection is rebuilt.',
);

type Shape<Name extends string> = { readonly [Member in Name]: typeof NEAREST } & {
  readonly [Member in Name as `exact${Capitalize<Member>}`]: typeof EXACT;
};

/**
 * The members of a sum in the schema of an answer, in minor units (cents, yen): `total`, an integer within ±(2^53 − 1), which every client reads
 * exactly, and `exactTotal`, with all digits of a sum beyond that. `exactTotal` is absent for every other sum, and null when the digits are lost
 * until the projection is rebuilt.
 *
 *     const Revenue = z.strictObject({ currency: z.string(), ...sumShape('total') });
 */
export function sumShape<Name extends string>(name: Name): Shape<Name> {
  return { [name]: NEAREST, [exactNameOf(name)]: EXACT } as unknown as Shape<Name>;
}

type Members<Name extends string> = { readonly [Member in Name]: number } & {
  readonly [Member in Name as `exact${Capitalize<Member>}`]?: string | null;
};

/**
 * The members of a sum in an answer, as `sumShape` declares them. `selected` is what `wideSum` selected; undefined is a sum of 0.
 *
 *     sumAs('total', row.total); // { total: 5997 }, or { total: 9007199254740991, exactTotal: '9007199254740992' }
 */
export function sumAs<Name extends string>(name: Name, selected: string | undefined): Members<Name> {
  return membersOf(name, selected === undefined ? { sum: 0n, isExact: true } : wideSumOf(selected));
}

function membersOf<Name extends string>(name: Name, { sum, isExact }: WideSum): Members<Name> {
  const nearest = Math.min(Math.max(Number(sum), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  const isNearestExact = isExact && BigInt(nearest) === sum;
  return {
    [name]: nearest,
    ...(!isNearestExact && { [exactNameOf(name)]: isExact ? String(sum) : null }),
  } as Members<Name>;
}

function exactNameOf(name: string): string {
  return `exact${name[0]?.toUpperCase()}${name.slice(1)}`;
}
