import { domain } from '../../../src/domain.ts';
import { seats } from '../../guides/seats/module.ts';
import { seatIntents } from '../../guides/seats/seat-intents.ts';
import { seatMap } from '../../guides/seats/seat-map.ts';
import { createTables } from '../../support/read-model-tables.ts';
import { simulatedDomain } from './declared-domain.ts';
import type { SimulatedDomain } from './domain.ts';

const isDeployed = domain.some(({ aggregate }) => aggregate.category === seats.aggregate.category);

/** The domain of docs/add-an-aggregate.md, by its declarations alone. A system that has it as its own simulates it as its own. */
export const seatDomain: SimulatedDomain = {
  ...simulatedDomain(isDeployed ? [] : [seats], [seatIntents]),
  name: 'seats',
  prepare: async ({ serving }) => {
    if (!isDeployed) await createTables(serving, seatMap);
  },
};
