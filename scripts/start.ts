/**
 * Runs the whole system on this machine: `npm start`, with any option of `wrangler dev` after `--`.
 *
 *     npm start -- --port 8799 --persist-to /tmp/tidemark
 *
 * Migrates the local databases without a question, then runs `wrangler dev`. The secrets are fixed and the development keys are valid, which is safe
 * only on a developer's machine. So the server answers under `localhost`, 127.0.0.1 and [::1] only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { URL, fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { unstable_readConfig as readConfig } from 'wrangler';

import { access } from '../src/access.ts';

const wranglerProgram = fileURLToPath(new URL('../node_modules/wrangler/bin/wrangler.js', import.meta.url));

// Suppresses the question about telemetry, and the look-up of the caller's location, which fails without a network.
const quiet = { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false' };

const given = process.argv.slice(2);
const { values } = parseArgs({
  args: given,
  options: {
    config: { type: 'string', short: 'c' },
    env: { type: 'string', short: 'e' },
    'persist-to': { type: 'string' },
    port: { type: 'string' },
  },
  // `wrangler dev` checks the other options.
  strict: false,
});

/** The arguments for an option that both steps need. */
function option(name: 'config' | 'env' | 'persist-to'): string[] {
  const value = values[name];
  return typeof value === 'string' ? [`--${name}`, value] : [];
}

// Wrangler forwards queue messages to every local server in its registry. A registry for each server keeps two of them apart.
const apart = { WRANGLER_REGISTRY_PATH: join(option('persist-to')[1] ?? '.wrangler', 'registry') };

let running: ChildProcess | undefined;
let stopping = false;

function stop(signal: NodeJS.Signals): void {
  stopping = true;
  running?.kill(signal);
}

// Ctrl-C in a terminal also reaches wrangler, which handles a second signal well.
process.on('SIGINT', stop);
process.on('SIGTERM', stop);

// A signal to npm ends npm and its shell, but does not reach this process. Its parent changes instead.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) stop('SIGTERM');
}, 500).unref();

/** Runs wrangler on this terminal until it ends. */
async function wrangler(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  if (stopping) return;
  running = spawn(process.execPath, [wranglerProgram, ...args], {
    stdio: 'inherit',
    env: { ...quiet, ...apart, ...process.env, ...env },
  });
  const [code] = await once(running, 'exit');
  if (stopping || code === 0) return;
  process.exit(typeof code === 'number' ? code : 1);
}

const config = readConfig({
  ...(typeof values.config === 'string' && { config: values.config }),
  ...(typeof values.env === 'string' && { env: values.env }),
});
for (const { binding } of config.d1_databases) {
  // With `CI` set, wrangler applies migrations without asking.
  const target = [...option('config'), ...option('env'), ...option('persist-to')];
  await wrangler(['d1', 'migrations', 'apply', binding, '--local', ...target], { CI: '1' });
}

const local = {
  CAUSAL_TOKEN_KEY: 'local-development-key-do-not-deploy',
  API_KEY_SECRET: 'local-development-secret-for-api-keys',
  OPERATIONS_ACCESS: 'open',
  // A build has no other Worker to wait for.
  BUILD_GRACE_S: '0',
};
console.log(`
Send one of these development keys with each request, for example \`curl -H 'Authorization: Bearer dev-admin' …\`:

  dev-admin                   may do everything
${Object.entries(access.roles)
  .map(
    ([role, { isForCustomers, scopes }]) =>
      `  ${`dev-${role}${isForCustomers ? '-<customerId>' : ''}`.padEnd(26)}  ${scopes.join(', ')}`,
  )
  .join('\n')}
`);
await wrangler([
  'dev',
  ...Object.entries(local).flatMap(([name, value]) => ['--var', `${name}:${value}`]),
  ...(values.port === undefined ? ['--port', '8787'] : []),
  ...given,
]);
