/**
 * Builds a projection anew beside what is live, compares the two, and swaps them: `npm run rebuild -- order-search`.
 *
 * The work is the server's. This script watches it, and may be stopped and started again: it finds the build that is on its way.
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

  npm run rebuild -- order-search                  starts a build, and swaps it in if it equals what is live
  npm run rebuild -- order-search --accept         swaps it in although it differs, as after a fix
  npm run rebuild -- order-search --accept <build> swaps in a build that awaits acceptance
  npm run rebuild -- order-search --cancel         cancels the build that is on its way
  npm run rebuild -- order-search <build>          watches a build

  --accept
  --cancel
${SERVER_HELP}
Ctrl-C ends the watching, not the build. Starting a build ends the way back by rollback. Exit code 0: swapped, or cancelled as asked.
`;

const asked = askedOrExit(HELP, (args) => {
  const options = { ...SERVER_OPTIONS, accept: { type: 'boolean' }, cancel: { type: 'boolean' } } as const;
  const { values, positionals } = parseCommandLine(args, options, {
    max: 2,
    excess: (word) => `"${word}" is too much: one projection, and one build of it, are enough.`,
  });
  if (values.help) return undefined;
  const [projection, id] = positionals;
  if (projection === undefined) throw new Error('Which projection? For example: npm run rebuild -- order-search.');
  if (values.accept && values.cancel) throw new Error('Either --accept or --cancel.');
  return { ...values, projection, id, url: requireUrl(values.url) };
});
const { projection, id } = asked;
const api = apiClient(asked.url, { operationsKey: asked.key ?? process.env['OPERATIONS_KEY'] });
const progress = showProgress(BUILD_TEXT);

try {
  await requireServer(api);
  process.exitCode = await carryOut();
} catch (error) {
  progress.stop();
  console.error(explain(error));
  process.exitCode = 1;
}
// After Ctrl-C in a request, say, nobody waits for what is still under way.
process.exit();

async function carryOut(): Promise<number> {
  if (asked.cancel) return cancel();
  if (id !== undefined) return asked.accept ? accept(id) : watch(await buildOf(api, projection, id));
  const { build, isNew } = await startBuild(api, projection, { accept: asked.accept === true });
  if (isNew) {
    console.log(`Build ${build.id} of ${projection}, revision ${build.revision}.`);
  } else {
    console.log(`A build of ${projection} was on its way already: ${build.id}. This one is watched now.`);
    if (asked.accept && !build.accept) console.log('It was started without --accept.');
  }
  return watch(build);
}

async function cancel(): Promise<number> {
  const running = id ?? (await runningBuild(api, projection));
  if (running === undefined) {
    console.error(`No build of ${projection} is on its way.`);
    return 1;
  }
  await cancelBuild(api, projection, running);
  console.log(`Build ${running} of ${projection} is cancelled. What is live had no part in it.`);
  return 0;
}

async function accept(waiting: string): Promise<number> {
  return tell(await acceptBuild(api, projection, waiting));
}

async function watch(from: Build): Promise<number> {
  process.once('SIGINT', () => {
    progress.stop();
    console.log('\nThe build goes on. To watch it:');
    console.log(
      `  ${commandLine('rebuild', from.id)}\nTo cancel it:\n  ${commandLine('rebuild', '--cancel', from.id)}`,
    );
    process.exit(130);
  });
  return tell(await watchBuild(api, from, progress));
}

/** Says what has become of a build, and returns the exit code. */
async function tell(build: Build): Promise<number> {
  const { rollback } = await statusOf(api, projection);
  for (const line of describeOutcome(build, commandLine, rollback)) console.log(line);
  return build.state === 'swapped' ? 0 : 1;
}

function commandLine(command: string, ...words: readonly string[]): string {
  const server = asked.url === LOCAL_SERVER ? [] : ['--url', asked.url];
  return `npm run ${command} -- ${[projection, ...words, ...server].join(' ')}`;
}
