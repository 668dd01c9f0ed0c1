import { describe, expect, it } from 'vitest';

import { domain } from '../../src/domain.ts';
import type { AnyAggregate } from '../../src/tidemark/authoring/aggregate.ts';
import { intents } from '../domain.ts';
import type { Known } from './simulation/domain.ts';

const known: Known = { ids: () => [], of: () => [] };

describe('in test/domain.ts', () => {
  it('each module of src/domain.ts has one entry, and no other module has one', () => {
    const categories = domain.map(({ aggregate }) => aggregate.category).toSorted();
    expect(intents.map(({ category }) => category).toSorted()).toEqual(categories);
  });

  it('clients send every command of every module, and no other', () => {
    const declared = domain.flatMap(({ aggregate }) =>
      Object.keys((aggregate as AnyAggregate).commands.types as object),
    );
    const sent = intents.flatMap(({ commands }) => commands(known, { seed: 1 }).map(({ name }) => name));
    expect(sent.toSorted()).toEqual(declared.toSorted());
  });
});
