import type { D1Migration } from 'cloudflare:test';

import type { Env as WorkerEnv } from '../src/bindings.ts';

declare global {
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof import('./worker.ts');
    }
    interface Env extends WorkerEnv {
      readonly TEST_MIGRATIONS_SERVING: D1Migration[];
      readonly TEST_MIGRATIONS_REPORTING: D1Migration[];
      /** Only where a release is written for the upgrade test: its commit. */
      readonly UPGRADE_COMMIT?: string;
      /** Not in the simulation: what `fuzz.test.ts` sends. */
      readonly FUZZ: { readonly requests: number; readonly seed: number; readonly path: string };
      /** Only in the simulation: what D1 would serve reads from. */
      readonly SERVING_REPLICA: D1Database;
      readonly REPORTING_REPLICA: D1Database;
      /** Only in the simulation: which seeds to run. */
      readonly SIMULATION: {
        readonly seeds: readonly number[];
        readonly cuts: string;
        readonly kept: readonly { readonly seed: number; readonly cuts: string }[];
        readonly shrinks: boolean;
        /** Whether one of the planted bugs is in the source. */
        readonly isPlanted: boolean;
        readonly isJudged: boolean;
        /** The few that every run of the tests tries, and not what somebody asked for. */
        readonly isEveryTest: boolean;
      };
    }
  }
}
