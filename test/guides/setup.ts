import { applyD1Migrations } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

import { migrationOf } from '../../scripts/migration/read-model-sql.ts';
import { seatMap } from './seats/seat-map.ts';

await applyD1Migrations(env.SERVING_DB, env.TEST_MIGRATIONS_SERVING);
await applyD1Migrations(env.REPORTING_DB, env.TEST_MIGRATIONS_REPORTING);

// What `npm run migration seat-map` writes. (The others make the shop's tables too, which nothing here uses.)
const statements = migrationOf(seatMap)
  .replaceAll(/^--.*$/gm, '')
  .split(';')
  .map((statement) => statement.trim())
  .filter((statement) => statement !== '');
await env.SERVING_DB.batch(statements.map((statement) => env.SERVING_DB.prepare(statement)));
