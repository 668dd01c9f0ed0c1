import { applyD1Migrations } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach } from 'vitest';

import { resetPorts } from './support/platform.ts';
import { createTallyTables, resetTally } from './support/tally.ts';

await applyD1Migrations(env.SERVING_DB, env.TEST_MIGRATIONS_SERVING);
await applyD1Migrations(env.REPORTING_DB, env.TEST_MIGRATIONS_REPORTING);

await createTallyTables(env.SERVING_DB);

afterEach(() => {
  resetPorts();
  resetTally();
});
