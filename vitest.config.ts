import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      // The Worker, and what only tests need beside it. Bindings, flags and dates are those of wrangler.toml.
      main: './test/worker.ts',
      wrangler: { configPath: './wrangler.toml' },
      remoteBindings: false,
      miniflare: {
        bindings: {
          CAUSAL_TOKEN_KEY: 'a-key-for-tests',
          CAUSAL_TOKEN_PREVIOUS_KEY: 'the-key-before-it',
          OPERATIONS_KEY: 'an-operations-key-for-tests',
          BUILD_GRACE_S: '0',
          CORS_ORIGINS: 'https://shop.example https://desk.example',
          TEST_MIGRATIONS_SERVING: await readD1Migrations('migrations/serving'),
          TEST_MIGRATIONS_REPORTING: await readD1Migrations('migrations/reporting'),
        },
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['./test/setup.ts'],
    // Every file gets a workerd of its own, and so storage, queues and alarms of its own; tests in one file share them.
    isolate: true,
    maxWorkers: '100%',
    // Generous, since machines are shared: nothing here passes or fails by its speed.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // The log lines of a test are worth reading only when it fails.
    silent: 'passed-only',
  },
});
