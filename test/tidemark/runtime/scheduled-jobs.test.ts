import { createExecutionContext, createScheduledController } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';

import type { Group } from '../../../src/tidemark/platform/group.ts';
import { reporting, serving } from '../../../src/groups.ts';
import { runScheduledJobs } from '../../../src/tidemark/runtime/scheduled-jobs.ts';
import { openTally } from '../../support/tallies.ts';
import { platform, ports, sent } from '../../support/platform.ts';
import { deliver, hintsOf, sentHints, takeHints } from '../../support/queue.ts';
import { system } from '../../support/system.ts';
import worker from '../../worker.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Collects the lines of the log from now on. */
function logged(): readonly Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(JSON.parse(line)));
  return lines;
}

const cron = async () => worker.scheduled?.(createScheduledController(), env, createExecutionContext());

async function archived(stream: string): Promise<number | null> {
  return env.REPORTING_DB.prepare('SELECT count(*) AS n FROM archive_event WHERE stream = ?').bind(stream).first('n');
}

describe('the cron trigger', () => {
  it('makes up for a group that got no message', async () => {
    const { stream } = await openTally();
    const hints = await sentHints(1, stream);
    takeHints();
    ports.sendHint = async (_env, group, hint) => {
      if (group !== reporting || !hint.events) sent.push({ group, hint });
    };
    await deliver(hints, { group: serving });
    expect(await archived(stream)).toBe(0);

    const lines = logged();
    await cron();
    expect(lines).toContainEqual(
      expect.objectContaining({ event: 'scheduled.done', job: 'sweep', behind: 1, sent: 1, isComplete: true }),
    );
    expect(hintsOf(stream, reporting)).toEqual([{ stream, fromVersion: 1, toVersion: 1 }]);
    await deliver(takeHints(stream, reporting), { group: reporting });
    expect(await archived(stream)).toBe(1);

    await cron();
    expect(hintsOf(stream, reporting)).toEqual([]);
  });

  it('passes the delay of each message to the queue', async () => {
    await openTally();
    const hints = await sentHints(1);
    await deliver(hints, { group: serving });
    takeHints();
    const delays: unknown[] = [];
    vi.spyOn(platform, 'send').mockImplementation(async (_env, group: Group, message, options) => {
      if (message.sender === 'reminder') delays.push([group.name, options?.delaySeconds]);
    });
    await cron();
    expect(delays).toEqual([['reporting', 0]]);
  });

  it('runs every job, even if one of them fails', async () => {
    const lines = logged();
    const ran: string[] = [];
    await runScheduledJobs(system, [
      { name: 'one', run: () => Promise.reject(new Error('no database')) },
      {
        name: 'two',
        async run() {
          ran.push('two');
          return { done: 3 };
        },
      },
    ]);
    expect(ran).toEqual(['two']);
    expect(lines).toEqual([
      { event: 'scheduled.failed', job: 'one', error: 'Error: no database' },
      { event: 'scheduled.done', job: 'two', done: 3, durationMs: expect.any(Number) },
    ]);
  });
});
