import { join } from 'node:path';

import type { Contender } from './contender.ts';

const ROOT = join(import.meta.dirname, '../..');
const HERE = import.meta.dirname;

/** What the HTTP layer needs. A local server has no limit of requests. */
const LOCAL = { CAUSAL_TOKEN_KEY: 'a-key-for-benchmarks-of-32-bytes', OPERATIONS_ACCESS: 'open' };

/** The system as `npm run build` makes it. */
export const TIDEMARK: Contender = {
  name: 'tidemark',
  configPath: join(ROOT, 'wrangler.toml'),
  bundle: join(HERE, '../dist/tidemark'),
  bindings: { ...LOCAL, BUILD_GRACE_S: '0' },
  migrations: { SERVING_DB: join(ROOT, 'migrations/serving'), REPORTING_DB: join(ROOT, 'migrations/reporting') },
};

/** The same shop as plain CRUD. */
export const CRUD: Contender = {
  name: 'crud',
  configPath: join(HERE, 'crud/wrangler.toml'),
  bundle: join(HERE, '../dist/crud'),
  bindings: LOCAL,
  migrations: { CRUD_DB: join(HERE, 'crud/migrations') },
};

/** Plain CRUD that keeps an audit trail and idempotency keys as Tidemark does. */
export const CRUD_WITH_PROMISES: Contender = {
  ...CRUD,
  name: 'crud-with-promises',
  bindings: { ...LOCAL, PROMISES: 'kept' },
};

/** The platform with nothing on top. */
export const CEILINGS: Contender = {
  name: 'ceilings',
  configPath: join(HERE, 'ceilings/wrangler.toml'),
  bundle: join(HERE, '../dist/ceilings'),
  bindings: {},
  // For rows in the very tables that a projection writes.
  migrations: { BARE_DB: join(ROOT, 'migrations/serving') },
};

/** Products on Emmett's SQLite event store, in the database of one Durable Object. */
export const EMMETT: Contender = {
  name: 'emmett',
  configPath: join(HERE, 'emmett/wrangler.toml'),
  bundle: join(HERE, '../dist/emmett'),
  bindings: {},
  // The event store makes its tables itself.
  migrations: {},
};
