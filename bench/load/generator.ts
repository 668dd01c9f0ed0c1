/**
 * The process that makes the load. It speaks HTTP/1.1 through undici's clients, one request at a time on each connection, and keeps time
 * itself, since no generator at hand (autocannon, loadtest) has an open loop timed from the intended start: they correct a closed loop's
 * histogram afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { build as histogram } from 'hdr-histogram-js';
import { Client } from 'undici';

import { chooser, seededRandom } from './choice.ts';
import type { LoadJob, LoadResult } from './load-protocol.ts';
import { CREDENTIAL } from '../harness/credential.ts';

const TIMEOUT_MS = 60_000;

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

function versionOf({ headers }: Answered): number {
  return Number(headers['x-version']);
}

async function send(
  client: Client,
  method: 'GET' | 'POST',
  path: string,
  headers: Record<string, string>,
  body?: string,
) {
  const {
    statusCode,
    headers: answered,
    body: stream,
  } = await client.request({
    method,
    path,
    headers,
    ...(body !== undefined && { body }),
  });
  // Read to its end: an answer counts when all of it is there.
  await stream.dump();
  return { status: statusCode, headers: answered } satisfies Answered;
}

async function run({
  url,
  connections,
  pace,
  request,
  aside,
  ids = [''],
  tokens = [],
  choice = { law: 'in-turn' },
  firstNumber = 0,
}: LoadJob): Promise<LoadResult> {
  const clients = Array.from(
    { length: connections },
    () => new Client(url, { pipelining: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS }),
  );
  const choose = chooser(ids.length, choice);
  // Microseconds, up to two minutes, three digits.
  const times = histogram({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const failures: Record<string, number> = {};
  let number = firstNumber;
  let count = 0;
  let lastAnswerAt = 0;

  /** Sends one request, or one and what follows it. Returns when it (the last) began. */
  async function exchange(client: Client): Promise<number> {
    const template = aside && number % aside.every === 0 ? aside.request : request;
    const chosen = choose();
    const id = ids[chosen] ?? '';
    const token = tokens[chosen] ?? '';
    const n = String(number);
    number += 1;
    const fill = (text: string) => text.replaceAll('{{id}}', id).replaceAll('{{token}}', token).replaceAll('{{n}}', n);
    const { method, path, body, headers = {}, status, followUp } = template;
    const filled = Object.fromEntries(
      Object.entries({ ...CREDENTIAL, ...headers }).map(([name, value]) => [name, fill(value)]),
    );
    if (body !== undefined) filled['content-type'] = 'application/json';
    let startedAt = performance.now();
    try {
      const first = await send(client, method, fill(path), filled, body === undefined ? undefined : fill(body));
      if (first.status !== status) fail(`status ${first.status}`);
      else if (followUp) {
        const newToken = first.headers['x-causal-token'];
        const location = String(first.headers['location'] ?? '');
        startedAt = performance.now();
        const { untilShownEveryMs } = followUp;
        for (let isShown = false; !isShown;) {
          const second = await send(
            client,
            'GET',
            fill(followUp.path).replace('{{location}}', location),
            followUp.isCausal && typeof newToken === 'string' ? { 'x-causal-token': newToken } : {},
          );
          if (second.status !== followUp.status) fail(`status ${second.status} of the second request`);
          isShown = untilShownEveryMs === undefined || versionOf(second) >= versionOf(first);
          if (performance.now() - startedAt > TIMEOUT_MS) throw new TypeError('never shown');
          if (!isShown) await sleep(untilShownEveryMs);
        }
      }
    } catch (error) {
      fail((error as Error).name);
    }
    return startedAt;
  }

  function fail(what: string): void {
    failures[what] = (failures[what] ?? 0) + 1;
  }

  function record(since: number): void {
    lastAnswerAt = performance.now();
    count += 1;
    times.recordValue(Math.max(1, Math.round((lastAnswerAt - since) * 1_000)));
  }

  const startedAt = performance.now();
  if (pace.type === 'closed') {
    let left = 'count' in pace ? pace.count : Number.POSITIVE_INFINITY;
    const until = 'count' in pace ? Number.POSITIVE_INFINITY : startedAt + pace.durationMs;
    await Promise.all(
      clients.map(async (client) => {
        while (left > 0 && performance.now() < until) {
          left -= 1;
          record(await exchange(client));
        }
      }),
    );
  } else {
    const random = seededRandom(4711);
    const idle = [...clients];
    const waiting: number[] = [];
    const inFlight = new Set<Promise<void>>();

    /** Takes the oldest request that is due, for as long as there is one; timed from when it should have started. */
    async function work(client: Client): Promise<void> {
      for (let due = waiting.shift(); due !== undefined; due = waiting.shift()) {
        const began = await exchange(client);
        record(request.followUp ? began : due);
      }
      idle.push(client);
    }

    let due = startedAt;
    while (due < startedAt + pace.durationMs) {
      if (performance.now() >= due) {
        waiting.push(due);
        due += (-Math.log(1 - random()) / pace.ratePerS) * 1_000;
        const client = idle.pop();
        if (client) {
          const working = work(client);
          inFlight.add(working);
          void working.finally(() => inFlight.delete(working));
        }
        continue;
      }
      // Timers are too coarse. The generator has a core of its own, so it may turn round.
      await new Promise(setImmediate);
    }
    await Promise.all(inFlight);
  }
  await Promise.all(clients.map(async (client) => client.destroy()));

  const ms = (percentile: number) => times.getValueAtPercentile(percentile) / 1_000;
  const durationMs = lastAnswerAt - startedAt;
  return {
    count,
    failures,
    startedAt: performance.timeOrigin + startedAt,
    durationMs,
    perSecond: (count / durationMs) * 1_000,
    latencyMs: { mean: times.mean / 1_000, p50: ms(50), p90: ms(90), p99: ms(99), max: times.maxValue / 1_000 },
  };
}

async function reply(id: number, job: LoadJob): Promise<void> {
  try {
    process.send?.({ id, value: await run(job) });
  } catch (error) {
    process.send?.({ id, error: String((error as Error).stack ?? error) });
  }
}

process.on('message', ({ id, job }: { id: number; job: LoadJob }) => void reply(id, job));
process.on('disconnect', () => process.exit(0));
