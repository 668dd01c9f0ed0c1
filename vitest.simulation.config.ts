import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

import { edited, planting } from './scripts/simulate/planting.ts';
import { keptRuns } from './scripts/simulate/regressions.ts';
import { UNLIMITED } from './test/unlimited.ts';

/** How many seeds every run of the tests tries, beside those that failed once. `npm run simulate` tries as many as it is told. */
const SEEDS_OF_EVERY_TEST = 5;

const { SIMULATION_SEEDS, SIMULATION_CUTS = '', SIMULATION_PLANTED, SIMULATION_UNJUDGED } = process.env;
const isAsked = SIMULATION_SEEDS !== undefined;
const isPlanted = SIMULATION_PLANTED !== undefined;
const seeds = isAsked
  ? (JSON.parse(SIMULATION_SEEDS) as number[])
  : Array.from({ length: SEEDS_OF_EVERY_TEST }, (_, index) => index + 1);

export default defineConfig({
  plugins: [
    // A token that is full needs streams by the hundred: in the simulation a few will do.
    edited([{ file: 'src/tidemark/http/limits.ts', find: 'MAX_TOKEN_STREAMS = 96', replace: 'MAX_TOKEN_STREAMS = 3' }]),
    ...(isPlanted ? [planting(SIMULATION_PLANTED)] : []),
    cloudflareTest(async () => ({
      // The whole Worker on the simulation's ports. Bindings, flags and dates are those of wrangler.toml.
      main: './test/consistency/simulation/worker.ts',
      wrangler: { configPath: './wrangler.toml' },
      remoteBindings: false,
      miniflare: {
        ratelimits: UNLIMITED,
        // What D1 would serve reads from, as far behind as the seed has it.
        d1Databases: { SERVING_REPLICA: 'serving-replica', REPORTING_REPLICA: 'reporting-replica' },
        bindings: {
          OPERATIONS_KEY: 'an-operations-key-for-tests-of-32-bytes',
          API_KEY_SECRET: 'a-secret-for-the-api-keys-of-tests',
          BUILD_GRACE_S: '0',
          TEST_MIGRATIONS_SERVING: await readD1Migrations('migrations/serving'),
          TEST_MIGRATIONS_REPORTING: await readD1Migrations('migrations/reporting'),
          SIMULATION: {
            seeds,
            cuts: SIMULATION_CUTS,
            kept: (isAsked ? [] : keptRuns('test/consistency/seeds.txt')).map(({ seed, cuts }) => ({ seed, cuts })),
            shrinks: isAsked && !isPlanted && process.env['SIMULATION_SHRINKS'] !== '0',
            isPlanted,
            isEveryTest: !isAsked,
            isJudged: SIMULATION_UNJUDGED !== '1',
          },
        },
      },
    })),
  ],
  test: {
    include: ['test/consistency/simulation/simulation.sim.ts'],
    // What one planted bug made of the source must not be found there by the next.
    fsModuleCache: false,
    // A run takes about a second; one that fails is shrunk.
    testTimeout: 300_000,
    hookTimeout: 30_000,
    ...(!isAsked && { silent: 'passed-only' }),
  },
});
