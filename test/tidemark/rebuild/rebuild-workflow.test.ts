import { describe, expect, it } from 'vitest';

import { type RebuildParams, workflowRunner } from '../../../src/tidemark/rebuild/rebuild-workflow.ts';

/** A Workflow with one instance that has this status, or with none. It notes what is done to the instance. */
function workflowWith(status: object | undefined) {
  const done: string[] = [];
  const note = (what: string) => async () => {
    done.push(what);
  };
  const instance = {
    status: async () => status,
    pause: note('paused'),
    resume: note('resumed'),
    restart: note('restarted'),
    terminate: note('terminated'),
  };
  const workflow = {
    get: async () => {
      if (!status) throw new Error('instance.not_found');
      return instance;
    },
    create: note('created'),
  } as unknown as Workflow<RebuildParams>;
  return { runner: workflowRunner(workflow), done };
}

describe('the revival of a silent build', () => {
  it.each([
    ['creates the instance that a dead request did not create', undefined, ['created'], 'goes-on'],
    ['pauses and resumes an instance that says it is running', { status: 'running' }, ['paused', 'resumed'], 'goes-on'],
    ['resumes an instance that was paused', { status: 'paused' }, ['resumed'], 'goes-on'],
    ['leaves an instance that waits for its turn on the platform', { status: 'queued' }, [], 'goes-on'],
    [
      'restarts a local instance whose process was killed before it began',
      { status: 'queued', __LOCAL_DEV_STEP_OUTPUTS: [] },
      ['restarted'],
      'goes-on',
    ],
    ['tells that an instance has ended', { status: 'errored' }, [], 'ended'],
  ] as const)('%s', async (_, status, does, outcome) => {
    const { runner, done } = workflowWith(status);
    expect(await runner.revive('tally-board', 'build-1')).toBe(outcome);
    expect(done).toEqual(does);
  });
});
