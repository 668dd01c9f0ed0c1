/**
 * Rebuilds projections from the log and compares them with their live slots, row by row: `npm run verify -- order-search`, or `--all`.
 *
 * For a projection, this is a build that compares without a swap and is cancelled afterwards. The archive only appends, so it is read from end to end
 * and compared with every log.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { apiClient, requireServer, UnexpectedAnswerError, retrying } from './api-client.ts';
import { SERVER_HELP, SERVER_OPTIONS, askedOrExit, explain, parseCommandLine, requireUrl } from './command-line.ts';
import { duration, showProgress } from './progress.ts';
import { checkArchive } from './projections/archive-check.ts';
import {
  BUILD_TEXT,
  type ProjectionStatus,
  cancelBuild,
  startBuild,
  statusOf,
  watchBuild,
} from './projections/builds.ts';
import { describeDifferences, describeHeld, rowsOf } from './projections/differences.ts';
import { effortOf, eventOf } from './projections/outcome.ts';

const HELP = `Usage: npm run verify -- <projection> [<projection> …] [options]

  --all           every projection
${SERVER_HELP}
A projection is rebuilt in its second slot, so a rollback is not possible afterwards. Exit code 0: nothing differs.
`;

const ARCHIVE = 'archive';
const MAX_SHOWN = 20;
/** The deadline for the archive to catch up with the other read models. */
const LAG_PATIENCE_MS = 30_000;

const asked = askedOrExit(HELP, (args) => {
  const options = { ...SERVER_OPTIONS, all: { type: 'boolean' } } as const;
  const { values, positionals } = parseCommandLine(args, options, { max: Infinity, excess: String });
  if (values.help) return undefined;
  if (values.all && positionals.length > 0) throw new Error('Use either --all or names of projections.');
  if (!values.all && positionals.length === 0)
    throw new Error('Which projection? For example: npm run verify -- order-search, or --all.');
  return { ...values, names: [...new Set(positionals)], url: requireUrl(values.url) };
});
const api = apiClient(asked.url, { credential: asked.key ?? process.env['OPERATIONS_KEY'] });
const count = new Intl.NumberFormat('en');

/** Cancels the build after Ctrl-C. */
let cleanUp: (() => Promise<unknown>) | undefined;
process.once('SIGINT', () => {
  const isDone = (cleanUp?.() ?? Promise.resolve()).catch((error: unknown) => console.error(explain(error)));
  void isDone.finally(() => process.exit(130));
});

try {
  await requireServer(api);
  process.exitCode = (await verifyAll()) ? 0 : 1;
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}
process.exit();

async function verifyAll(): Promise<boolean> {
  const names = asked.all ? await allNames() : asked.names;
  if (names.some((name) => name !== ARCHIVE))
    console.log('This uses the second slot of each projection. A rollback is not possible afterwards.');
  const wrong: string[] = [];
  for (const name of names) {
    let isRight = false;
    try {
      isRight = name === ARCHIVE ? await verifyArchive() : await verify(name);
    } catch (error) {
      console.error(`${name}: ${explain(error)}`);
    }
    if (!isRight) wrong.push(name);
  }
  if (names.length > 1) console.log(wrong.length === 0 ? 'Nothing differs.' : `Not verified: ${wrong.join(', ')}.`);
  return wrong.length === 0;
}

async function allNames(): Promise<readonly string[]> {
  const answer = await retrying(() => api.get<{ items: readonly ProjectionStatus[] }>('/projections'));
  if (answer.status !== 200) throw new UnexpectedAnswerError(answer);
  return answer.body.items.map(({ name }) => name);
}

async function verify(name: string): Promise<boolean> {
  const progress = showProgress(`${name}: ${BUILD_TEXT}`);
  let { build: started, isNew } = await startBuild(api, name, { dryRun: true });
  while (!isNew) {
    console.log(`${name}: another build is running (${started.id}). Waiting for its end.`);
    const { state } = await watchBuild(api, started, progress);
    if (state === 'awaiting-acceptance') {
      console.error(
        `${name}: that build awaits acceptance: npm run rebuild -- ${name} --accept ${started.id}, or --cancel.`,
      );
      return false;
    }
    ({ build: started, isNew } = await startBuild(api, name, { dryRun: true }));
  }
  cleanUp = async () => {
    progress.stop();
    await cancelBuild(api, name, started.id);
  };
  const build = await watchBuild(api, started, progress);
  if (build.state === 'awaiting-acceptance') await cancelBuild(api, name, build.id);
  cleanUp = undefined;

  const { differences, error, state } = build;
  if (state === 'failed') {
    console.log(`${name}: the build failed: ${[error?.message, ...eventOf(build)].join('; ')}.`);
    return false;
  }
  if (!differences) {
    console.log(
      `${name}: nothing was compared: ${build.liveRevision === null ? 'no slot is live' : `the build is ${state}`}.`,
    );
    return false;
  }
  for (const line of describeHeld(differences, name)) console.log(`${name}: ${line.trimStart()}`);
  if (differences.isEqual) {
    const isWhole = differences.held === 0;
    console.log(
      `${name}: equal${isWhole ? '' : ', except for the held streams'}. ${rowsOf(differences)}, ${effortOf(build)}.`,
    );
    return isWhole;
  }
  console.log(`${name}: DIFFERS from the build, which was ${effortOf(build)}:`);
  for (const line of describeDifferences(differences)) console.log(line);
  console.log(`To repair it: npm run rebuild -- ${name} --accept`);
  return false;
}

async function verifyArchive(): Promise<boolean> {
  const startedAt = performance.now();
  // Without this wait, events that are under way would be missing in the archive, but not count as missing.
  await lagOfArchive();
  const feed = showProgress(`${ARCHIVE}: {value} events read`);
  const logs = showProgress(`${ARCHIVE}: {value}/{total} streams compared with their logs, {left} left`);
  let phase: 'feed' | 'logs' = 'feed';
  feed.start(0);
  try {
    const { events, streams, differences } = await checkArchive(api, (now, done, total) => {
      if (now === 'logs' && phase === 'feed') {
        feed.stop();
        logs.start(total);
        phase = 'logs';
      }
      if (now === phase) (now === 'feed' ? feed : logs).update(done);
    });
    logs.stop();
    const effort = `${count.format(events)} events of ${count.format(streams)} streams in ${duration(performance.now() - startedAt)}`;
    if (differences.length === 0) {
      const lag = await lagOfArchive();
      if (lag === 0) console.log(`${ARCHIVE}: equal to the logs. ${effort}.`);
      else
        console.log(
          `${ARCHIVE}: LAGS by ${count.format(lag)} events. Its own events are equal to the logs. ${effort}.`,
        );
      return lag === 0;
    }
    const more = differences.length - MAX_SHOWN;
    console.log(`${ARCHIVE}: DIFFERS from the logs in ${count.format(differences.length)} places. ${effort}.`);
    for (const difference of differences.slice(0, MAX_SHOWN)) console.log(`  ${difference}`);
    if (more > 0) console.log(`  and ${count.format(more)} more`);
    return false;
  } finally {
    feed.stop();
    logs.stop();
  }
}

/**
 * The number of events that other read models have applied and the archive has not. The comparison finds missing events of streams in the archive. This
 * also counts the events of streams that the archive lacks. Under traffic, it is never 0 for long.
 */
async function lagOfArchive(): Promise<number> {
  const giveUpAt = performance.now() + LAG_PATIENCE_MS;
  for (;;) {
    const { lag } = await statusOf(api, ARCHIVE);
    if (lag?.events === 0 || performance.now() > giveUpAt) return lag?.events ?? NaN;
    await sleep(500);
  }
}
