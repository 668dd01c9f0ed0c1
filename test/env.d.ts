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
    }
  }
}
