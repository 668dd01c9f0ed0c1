import { expect, it } from 'vitest';

import { PLANTED_IN_ACCESS } from '../../scripts/simulate/planted-in-access.ts';
import { PLANTED } from '../../scripts/simulate/planted.ts';

const sources = import.meta.glob('../../src/**/*.ts', { query: '?raw', import: 'default', eager: true });

const INVARIANTS = Array.from({ length: 21 }, (_, index) => `I${index + 1}`);

it.each([...PLANTED, ...PLANTED_IN_ACCESS].flatMap(({ name, edits }) => edits.map((edit) => ({ name, ...edit }))))(
  'what "$name" replaces in $file stands there exactly once',
  ({ file, find, replace }) => {
    const source = sources[`../../${file}`] ?? '';
    expect(source.split(find).length - 1).toBe(1);
    expect(source.replace(find, () => replace)).not.toBe(source);
  },
);

it.each(INVARIANTS)('there is a planted bug that breaks %s', (invariant) => {
  expect(PLANTED.filter(({ breaks }) => breaks.includes(invariant))).not.toEqual([]);
});

it('every planted bug has a name of its own, and breaks a promise', () => {
  expect(new Set(PLANTED.map(({ name }) => name)).size).toBe(PLANTED.length);
  expect(PLANTED.flatMap(({ breaks }) => breaks).filter((invariant) => !INVARIANTS.includes(invariant))).toEqual([]);
});
