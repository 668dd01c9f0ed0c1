import { applyD1Migrations } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

import { createTables } from '../support/read-model-tables.ts';
import { seatMap } from './seats/seat-map.ts';

await applyD1Migrations(env.SERVING_DB, env.TEST_MIGRATIONS_SERVING);
await applyD1Migrations(env.REPORTING_DB, env.TEST_MIGRATIONS_REPORTING);
// The migrations make the tables of src/domain.ts too, which nothing here uses: those of the guide may be among them.
if (
  !env.TEST_MIGRATIONS_SERVING.some(({ queries }) => queries.some((query) => query.includes('CREATE TABLE seat_map_a')))
)
  await createTables(env.SERVING_DB, seatMap);
