/**
 * The whole system on this machine: `npm start`, with any option of `wrangler dev` after `--`.
 *
 *     npm start -- --port 8799 --persist-to /tmp/tidemark
 *
 * Brings the local databases up to date, without a question, then runs `wrangler dev`. The key that signs causal
 * tokens is a fixed one and the operations routes are open: right for a laptop, and only there. It answers to the names of this machine; `LOCAL_HOSTS` in the environment adds others, separated by spaces.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { URL, fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { unstable_readConfig as readConfig } from 'wrangler';

const wranglerProgram = fileURLToPath(new URL('../node_modules/wrangler/bin/wrangler.js', import.meta.url));

// No question about telemetry, and no look-up of the caller's location, which fails without a network.
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
  // The other options are for `wrangler dev` to judge.
  strict: false,
});

/** An option that both steps need, as the second one gets it. */
function option(name: 'config' | 'env' | 'persist-to'): string[] {
  const value = values[name];
  return typeof value === 'string' ? [`--${name}`, value] : [];
}

// Wrangler hands queue messages on to any other local server that it finds in its registry. Two of ours have nothing to do with
// each other.
const apart = { WRANGLER_REGISTRY_PATH: join(option('persist-to')[1] ?? '.wrangler', 'registry') };

let running: ChildProcess | undefined;
let stopping = false;

function stop(signal: NodeJS.Signals): void {
  stopping = true;
  running?.kill(signal);
}

// Ctrl-C in a terminal reaches wrangler as well; told twice, it still ends in good order.
process.on('SIGINT', stop);
process.on('SIGTERM', stop);

// A signal to npm ends npm and its shell, but never gets here: this process just finds itself with another parent.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) stop('SIGTERM');
}, 500).unref();

/** Runs wrangler to its end, on this terminal. */
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
  OPERATIONS_ACCESS: 'open',
  // There is no other Worker that a build would have to wait for.
  BUILD_GRACE_S: '0',
  // Also of a container or another machine, say.
  LOCAL_HOSTS: process.env['LOCAL_HOSTS'] ?? '',
};
await wrangler([
  'dev',
  ...Object.entries(local).flatMap(([name, value]) => ['--var', `${name}:${value}`]),
  ...(values.port === undefined ? ['--port', '8787'] : []),
  ...given,
]);
