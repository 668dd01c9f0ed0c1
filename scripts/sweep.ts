/**
 * Checks every stream once, and reminds groups of unapplied events: `npm run sweep`.
 *
 *     npm run sweep
 *     npm run sweep -- --url https://tidemark.example.workers.dev --key "$OPERATIONS_KEY"
 *
 * Each step is a `POST /sweep`, which checks a few hundred streams. The script can be stopped and started at any time. The cron trigger moves the same
 * cursor, so the script first finishes a running pass, then runs a whole one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { LOCAL_SERVER, UnexpectedAnswerError, apiClient, requireServer } from './api-client.ts';

interface SweepStep {
  readonly looked: number;
  readonly behind: number;
  readonly restored: number;
  readonly unread: number;
  readonly sent: number;
  readonly isStart: boolean;
  readonly isComplete: boolean;
  readonly unreachable: readonly string[];
  readonly pauseMs: number;
}

const HELP = `Usage: npm run sweep -- [options]

  --url <url>  the server, default ${LOCAL_SERVER}
  --key <key>  an API key with the scope operate, or OPERATIONS_KEY of a deployment; default: the variable OPERATIONS_KEY
  --help
`;

const { credential, url } = readArguments();
const api = apiClient(url, { credential });
const count = new Intl.NumberFormat('en');

try {
  await requireServer(api);
  await sweep();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

/** Runs steps until a pass that started at the first stream is complete. */
async function sweep(): Promise<void> {
  let [looked, behind, restored, unread, sent] = [0, 0, 0, 0, 0];
  for (let isWhole = false, isDone = false; !isDone;) {
    const step = await oneStep();
    // A second pass has started, here or by the cron trigger, so the first one is complete.
    if (step.isStart && isWhole) break;
    if (step.isStart) [looked, behind, restored, unread, sent] = [0, 0, 0, 0, 0];
    isWhole ||= step.isStart;
    looked += step.looked;
    behind += step.behind;
    restored += step.restored;
    unread += step.unread;
    sent += step.sent;
    const which = isWhole ? '' : ' (the rest of a running pass)';
    console.log(`${count.format(looked)} streams checked, ${count.format(behind)} behind${which}`);
    isDone = isWhole && step.isComplete;
    if (!isDone && step.pauseMs > 0) await sleep(step.pauseMs);
  }
  console.log(
    behind === 0
      ? 'Done: every projection has applied these streams to the end of their logs.'
      : `Done: ${count.format(sent)} messages remind the groups of ${count.format(behind)} streams. Watch the lag with GET /projections.`,
  );
  if (restored > 0) {
    console.log(
      `${count.format(restored)} logs were restored to an earlier time: see "object restored" in docs/operations.md.`,
    );
    process.exitCode = 1;
  }
  if (unread > 0) {
    console.log(`${count.format(unread)} logs did not answer in time. Run the sweep again.`);
    process.exitCode = 1;
  }
}

async function oneStep(): Promise<SweepStep> {
  const answer = await api.post<SweepStep>('/sweep', {});
  if (answer.status === 401)
    throw new Error('The server needs a valid key: pass --key, or set the variable OPERATIONS_KEY.');
  if (answer.status !== 200) throw new UnexpectedAnswerError(answer);
  const { unreachable } = answer.body;
  if (unreachable.length > 0) {
    throw new Error(
      `The database or the queue of ${unreachable.join(' and ')} does not answer. Run the sweep again later: it continues from there.`,
    );
  }
  return answer.body;
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string', default: LOCAL_SERVER },
        key: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      console.log(HELP);
      return process.exit(0);
    }
    if (!/^https?:$/.test(URL.parse(values.url)?.protocol ?? ''))
      throw new TypeError(`--url ${values.url} is not a URL such as ${LOCAL_SERVER}.`);
    return { url: values.url, credential: values.key ?? process.env['OPERATIONS_KEY'] };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    return process.exit(1);
  }
}
