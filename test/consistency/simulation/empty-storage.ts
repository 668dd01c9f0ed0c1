import { type D1Migration, applyD1Migrations, reset } from 'cloudflare:test';
import { env as bindings } from 'cloudflare:workers';

import type { SimulatedDomain } from './domain.ts';

/** On a busy machine a database may not be ready to be emptied yet. */
const TRIES = 5;

/** No run depends on those before it. */
export async function emptyStorage(domains: readonly SimulatedDomain[]): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await emptyOnce(domains);
      return;
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}

async function emptyOnce(domains: readonly SimulatedDomain[]): Promise<void> {
  await reset();
  const migrations: [D1Database, D1Migration[]][] = [
    [bindings.SERVING_DB, bindings.TEST_MIGRATIONS_SERVING],
    [bindings.SERVING_REPLICA, bindings.TEST_MIGRATIONS_SERVING],
    [bindings.REPORTING_DB, bindings.TEST_MIGRATIONS_REPORTING],
    [bindings.REPORTING_REPLICA, bindings.TEST_MIGRATIONS_REPORTING],
  ];
  for (const [database, all] of migrations) await applyD1Migrations(database, all);
  for (const { prepare } of domains) {
    await prepare?.({ serving: bindings.SERVING_DB, reporting: bindings.REPORTING_DB });
    await prepare?.({ serving: bindings.SERVING_REPLICA, reporting: bindings.REPORTING_REPLICA });
  }
}
