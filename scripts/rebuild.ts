/**
 * Rebuilds a projection beside its live slot, compares the two, and swaps them: `npm run rebuild -- order-search`.
 *
 * The server does the work. This script watches it, and can be stopped and started again: it then finds the running build.
 */
import { LOCAL_SERVER, apiClient, requireServer } from './api-client.ts';
import { SERVER_HELP, SERVER_OPTIONS, askedOrExit, explain, parseCommandLine, requireUrl } from './command-line.ts';
import { showProgress } from './progress.ts';
import {
  BUILD_TEXT,
  type Build,
  acceptBuild,
  buildOf,
  cancelBuild,
  runningBuild,
  startBuild,
  statusOf,
  watchBuild,
} from './projections/builds.ts';
import { describeOutcome } from './projections/outcome.ts';

const HELP = `Usage: npm run rebuild -- <projection> [<build>] [options]

  npm run rebuild -- order-search                  starts a build, and swaps it in if it equals the live slot
  npm run rebuild -- order-search --accept         swaps it in even if it differs, for example after a fix
  npm run rebuild -- order-search --accept <build> swaps in a build that awaits acceptance
  npm run rebuild -- order-search --cancel         cancels the running build
  npm run rebuild -- order-search <build>          watches a build

  --accept
  --cancel
${SERVER_HELP}
Ctrl-C stops the watching, not the build. After the start of a build, a rollback to the former slot is not possible.
Exit code 0: swapped, or cancelled on request.
`;

const asked = askedOrExit(HELP, (args) => {
  const options = { ...SERVER_OPTIONS, accept: { type: 'boolean' }, cancel: { type: 'boolean' } } as const;
  const { values, positionals } = parseCommandLine(args, options, {
    max: 2,
    excess: (word) => `"${word}" is one word too many: name one projection, and at most one build of it.`,
  });
  if (values.help) return undefined;
  const [projection, id] = positionals;
  if (projection === undefined) throw new Error('Which projection? For example: npm run rebuild -- order-search.');
  if (values.accept && values.cancel) throw new Error('Use either --accept or --cancel.');
  return { ...values, projection, id, url: requireUrl(values.url) };
});
const { projection, id } = asked;
const api = apiClient(asked.url, { credential: asked.key ?? process.env['OPERATIONS_KEY'] });
const progress = showProgress(BUILD_TEXT);

try {
  await requireServer(api);
  process.exitCode = await carryOut();
} catch (error) {
  progress.stop();
  console.error(explain(error));
  process.exitCode = 1;
}
// Requests may still be under way, for example after Ctrl-C.
process.exit();

async function carryOut(): Promise<number> {
  if (asked.cancel) return cancel();
  if (id !== undefined) return asked.accept ? accept(id) : watch(await buildOf(api, projection, id));
  const { build, isNew } = await startBuild(api, projection, { accept: asked.accept === true });
  if (isNew) {
    console.log(`Build ${build.id} of ${projection}, revision ${build.revision}.`);
  } else {
    console.log(`A build of ${projection} is already running: ${build.id}. This script watches it.`);
    if (asked.accept && !build.accept) console.log('It was started without --accept.');
  }
  return watch(build);
}

async function cancel(): Promise<number> {
  const running = id ?? (await runningBuild(api, projection));
  if (running === undefined) {
    console.error(`No build of ${projection} is running.`);
    return 1;
  }
  await cancelBuild(api, projection, running);
  console.log(`Build ${running} of ${projection} is cancelled. The live slot is unchanged.`);
  return 0;
}

async function accept(waiting: string): Promise<number> {
  return tell(await acceptBuild(api, projection, waiting));
}

async function watch(from: Build): Promise<number> {
  process.once('SIGINT', () => {
    progress.stop();
    console.log('\nThe build continues. To watch it:');
    console.log(
      `  ${commandLine('rebuild', from.id)}\nTo cancel it:\n  ${commandLine('rebuild', '--cancel', from.id)}`,
    );
    process.exit(130);
  });
  return tell(await watchBuild(api, from, progress));
}

/** Prints the outcome of a build, and returns the exit code. */
async function tell(build: Build): Promise<number> {
  const { rollback } = await statusOf(api, projection);
  for (const line of describeOutcome(build, commandLine, rollback)) console.log(line);
  return build.state === 'swapped' ? 0 : 1;
}

function commandLine(command: string, ...words: readonly string[]): string {
  const server = asked.url === LOCAL_SERVER ? [] : ['--url', asked.url];
  return `npm run ${command} -- ${[projection, ...words, ...server].join(' ')}`;
}
