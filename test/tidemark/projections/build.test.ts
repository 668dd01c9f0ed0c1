import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

import { latestBuild } from '../../../src/tidemark/projections/build.ts';
import { setBuild } from '../../support/projections.ts';

it('the latest build is the active one, or else the one that started last, in whatever order they were stored', async () => {
  const [name, database] = ['of-builds', env.SERVING_DB];
  const at = (day: number) => ({ startedAt: `2026-01-0${day}T00:00:00.000Z` });
  await setBuild(database, name, 'failed', at(2));
  const last = await setBuild(database, name, 'swapped', at(4));
  await setBuild(database, name, 'cancelled', at(1));
  expect((await latestBuild(database, name))?.id).toBe(last);
  const active = await setBuild(database, name, 'building', at(3));
  expect((await latestBuild(database, name))?.id).toBe(active);
});
