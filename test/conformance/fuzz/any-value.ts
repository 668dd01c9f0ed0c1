import fc from 'fast-check';

import { place } from './cast.ts';

/** Any JavaScript string: lone surrogates, control characters and all; and names that objects have anyway. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
  fc.constantFrom('', ' ', '0', 'null', '__proto__', 'constructor', 'toString', 'EUR', '\u0000', '\ufeff', '\ud800'),
  fc.constantFrom('x', '字', '🌊', ' ').chain((unit) => fc.nat(600).map((length) => unit.repeat(length))),
);

/** Numbers in JSON notation, at the limits of JSON readers. */
const EDGES =
  '0 -0 0.0 1.0 -1 1e0 1E+2 0.1 1.5 1e-7 1e21 1e308 1e400 -1e400 1e-400 2147483648 4294967296 9000000000 9000000001 ' +
  '9007199254740991 9007199254740992 9007199254740993 -9007199254740992 18446744073709551616 ' +
  '01 +1 .5 1. 0x10 NaN Infinity -Infinity 1_000 undefined';
export const edgeNumber: fc.Arbitrary<string> = fc.constantFrom(...EDGES.split(' '));

/** Any JSON, and some that only looks like it. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    anyText,
    fc.oneof(
      fc.integer(),
      fc.double(),
      edgeNumber.map((number) => place('raw', number)),
    ),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('json'), { maxLength: 5 }),
    fc.dictionary(anyText, tie('json'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).json;
