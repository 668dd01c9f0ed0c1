import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

import { writeAssets } from './scripts/assets.ts';
import { planting } from './scripts/simulate/planting.ts';
import { UNLIMITED } from './test/unlimited.ts';

/** What test/conformance/fuzz.test.ts sends: how many requests, of which seed, and of these perhaps only one. */
const { FUZZ_REQUESTS, FUZZ_SEED = String(Date.now() % 1_000_000), FUZZ_PATH = '' } = process.env;
/** The commit whose stored data a domain's `upgrade/write-release.ts` writes, instead of the tests (docs/upgrading.md). */
const { UPGRADE_COMMIT } = process.env;
/** The name of a bug that scripts/test-planted.ts plants. */
const { PLANTED } = process.env;

/** A Worker for tests, in a folder with the system that it serves, with the bindings, flags and dates of wrangler.toml. */
function workerIn(folder: string) {
  return cloudflareTest(async () => ({
    main: `${folder}/worker.ts`,
    wrangler: { configPath: './wrangler.toml' },
    remoteBindings: false,
    miniflare: {
      ratelimits: UNLIMITED,
      // Not those that a build makes: they do not know the domain of tests.
      assets: { directory: await writeAssets(`../${folder}/system.ts`, `.wrangler/assets/${folder}`) },
      bindings: {
        CAUSAL_TOKEN_KEY: 'a-key-for-tests-of-32-bytes-or-more',
        CAUSAL_TOKEN_PREVIOUS_KEY: 'the-key-before-it-of-32-bytes-or-more',
        OPERATIONS_KEY: 'an-operations-key-for-tests-of-32-bytes',
        API_KEY_SECRET: 'a-secret-for-the-api-keys-of-tests',
        API_KEY_PREVIOUS_SECRET: 'the-secret-for-api-keys-before-it',
        JWT_ISSUERS: [
          { name: 'staff', issuer: 'https://staff.example', audience: 'tidemark', jwks: 'https://staff.example/keys' },
          {
            name: 'customers',
            issuer: 'https://customers.example',
            audience: 'tidemark',
            jwks: 'https://customers.example/keys',
            customerClaim: 'customer_id',
            grants: ['customer'],
          },
        ],
        BUILD_GRACE_S: '0',
        CORS_ORIGINS: 'https://shop.example https://desk.example',
        ...(UPGRADE_COMMIT !== undefined && { UPGRADE_COMMIT }),
        FUZZ: { requests: Number(FUZZ_REQUESTS ?? 660), seed: Number(FUZZ_SEED), path: FUZZ_PATH },
        TEST_MIGRATIONS_SERVING: await readD1Migrations('migrations/serving'),
        TEST_MIGRATIONS_REPORTING: await readD1Migrations('migrations/reporting'),
      },
    },
  }));
}

const COMMON = {
  // Every file gets a workerd of its own, and so storage, queues and alarms of its own; tests in one file share them.
  isolate: true,
  // Generous, since machines are shared: nothing here passes or fails by its speed.
  testTimeout: 30_000,
  hookTimeout: 30_000,
  expect: { poll: { timeout: 20_000 } },
  // What a planted bug made of the source must not be found there by another run, and the other way round.
  ...(PLANTED !== undefined && { fsModuleCache: false }),
};

export default defineConfig({
  test: {
    maxWorkers: '100%',
    // The log lines of a test are worth reading only when it fails.
    silent: FUZZ_REQUESTS === undefined ? 'passed-only' : false,
    onConsoleLog: (text) => !text.startsWith('{"event":'),
    projects: [
      {
        // The system, and what only tests need beside it.
        plugins: [workerIn('./test'), ...(PLANTED === undefined ? [] : [planting(PLANTED)])],
        test: {
          ...COMMON,
          name: 'system',
          include: [UPGRADE_COMMIT === undefined ? 'test/**/*.test.ts' : 'test/*/upgrade/write-release.ts'],
          exclude: ['test/guides/**'],
          setupFiles: ['./test/setup.ts'],
        },
      },
      {
        // The domain of docs/add-an-aggregate.md, without the shop.
        plugins: [workerIn('./test/guides')],
        test: {
          ...COMMON,
          name: 'guides',
          include: UPGRADE_COMMIT === undefined ? ['test/guides/**/*.test.ts'] : [],
          setupFiles: ['./test/guides/setup.ts'],
        },
      },
    ],
  },
});
