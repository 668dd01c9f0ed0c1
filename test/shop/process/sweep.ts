/**
 * `npm run sweep` against a server with scripted answers: when it ends, its output and its exit code.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';

import { ROOT } from './support/server.ts';

interface Step {
  readonly isStart?: boolean;
  readonly isComplete?: boolean;
  readonly behind?: number;
  readonly unreachable?: readonly string[];
}

const KEY = 'a-key';
let server: Server | undefined;

/** A server with these steps to give, and how many were taken. */
async function serverOf(steps: readonly Step[]) {
  const taken = { steps: 0 };
  server = createServer((request, response) => {
    const isHealth = request.url === '/health';
    const mayEnter = isHealth || request.headers.authorization === `Bearer ${KEY}`;
    const problem = { code: 'unauthorized', detail: 'This route needs the operations key.' };
    const step = { looked: 500, behind: 0, sent: 0, isStart: false, isComplete: false, unreachable: [], pauseMs: 0 };
    const body = isHealth ? { status: 'ok', reasons: [] } : { ...step, ...steps[taken.steps] };
    if (mayEnter && !isHealth) taken.steps += 1;
    response.writeHead(mayEnter ? 200 : 401, {
      'Content-Type': mayEnter ? 'application/json' : 'application/problem+json',
    });
    response.end(JSON.stringify(mayEnter ? body : problem));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken };
}

async function run(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const { OPERATIONS_KEY: _key, ...env } = process.env;
  const script = spawn(process.execPath, [join(ROOT, 'scripts/sweep.ts'), ...args], { env });
  let output = '';
  for (const stream of [script.stdout, script.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = await once(script, 'close');
  return { code: code as number, output };
}

afterEach(() => {
  server?.close();
  server = undefined;
});

describe('npm run sweep', { timeout: 60_000 }, () => {
  test('steps until a pass is complete that began at the first stream', async () => {
    const { url, taken } = await serverOf([{ isStart: true }, { behind: 3 }, { isComplete: true }]);
    const { code, output } = await run('--url', url, '--key', KEY);
    assert.equal(code, 0, output);
    assert.equal(taken.steps, 3);
    assert.match(output, /1,500 streams checked, 3 behind\nDone/);
  });

  test('ends a running pass, and then does a whole one', async () => {
    const { url, taken } = await serverOf([{}, { isComplete: true }, { isStart: true }, { isComplete: true }]);
    const { code, output } = await run('--url', url, '--key', KEY);
    assert.equal(code, 0, output);
    assert.equal(taken.steps, 4);
    assert.match(output, /every projection has applied these streams/);
  });

  test('is done if the cron trigger has ended the pass meanwhile', async () => {
    const { url, taken } = await serverOf([{ isStart: true }, {}, { isStart: true }, {}]);
    const { code, output } = await run('--url', url, '--key', KEY);
    assert.equal(code, 0, output);
    assert.equal(taken.steps, 3);
    assert.match(output, /Done/);
  });

  test('fails when a group cannot be reached, and names it', async () => {
    const { url, taken } = await serverOf([{ isStart: true }, { unreachable: ['reporting'] }]);
    const { code, output } = await run('--url', url, '--key', KEY);
    assert.equal(code, 1);
    assert.equal(taken.steps, 2);
    assert.match(output, /reporting does not answer/);
  });

  test('fails without the key, and asks for it', async () => {
    const { url } = await serverOf([]);
    const { code, output } = await run('--url', url);
    assert.equal(code, 1);
    assert.match(output, /pass --key, or set the variable OPERATIONS_KEY/);
  });

  test('fails if no server answers', async () => {
    const { url } = await serverOf([]);
    server?.close();
    server = undefined;
    const { code, output } = await run('--url', url);
    assert.equal(code, 1);
    assert.match(output, /No server answers/);
  });
});
