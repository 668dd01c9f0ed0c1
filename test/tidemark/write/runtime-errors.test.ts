import { describe, expect, it } from 'vitest';

import { TimeoutError } from '../../../src/tidemark/platform/timeout.ts';
import { type Meaning, RUNTIME_ERRORS, judge } from '../../../src/tidemark/write/runtime-errors.ts';

const error = (message: string, properties: object = {}) => Object.assign(new Error(message), properties);

const RESET = { durableObjectReset: true };
const REMOTE = { remote: true };
const OVERLOADED = { overloaded: true };
const RETRYABLE = { retryable: true };

/** For each row: its meaning, whether a retry at once is allowed, and errors with the properties that the runtime gives them. */
const CASES: Record<string, readonly [Meaning, boolean, readonly unknown[]]> = {
  'no answer in time': ['unknown', true, [new TimeoutError('no answer within 15000 ms')]],
  'reset under load: the output gate timed out, or the memory was exceeded': [
    'unknown',
    false,
    [
      error('Durable Object storage operation exceeded timeout which caused object to be reset.', {
        ...OVERLOADED,
        ...RESET,
      }),
      error('Durable Object storage operation exceeded timeout which caused object to be reset.', {
        ...OVERLOADED,
        ...RESET,
        ...REMOTE,
        ...RETRYABLE,
      }),
      error("Durable Object's isolate exceeded its memory limit and was reset.", {
        ...OVERLOADED,
        ...RESET,
        ...REMOTE,
      }),
    ],
  ],
  reset: [
    'unknown',
    true,
    [
      error('Durable Object reset because its code was updated.', { ...RESET, ...RETRYABLE }),
      error('Durable Object exceeded its CPU time limit and was reset.', { ...RESET, ...REMOTE }),
      error('Internal error in Durable Object storage caused object to be reset.', { ...RESET, ...REMOTE }),
      error('Application called abort() to reset Durable Object.', RESET),
      // Every answer at the gate fails with this, even for a command whose commit is durable.
      error('database or disk is full: SQLITE_FULL', { ...RESET, ...REMOTE }),
      error("Exceeded the account's spending cap for Durable Objects.", { ...RESET, ...REMOTE }),
      error("The Durable Object's code has been updated, this version can no longer access storage.", RESET),
    ],
  ],
  'the spending limit of the account is reached': [
    'storage-unavailable',
    false,
    [
      error("Exceeded the account's spending cap for Durable Objects."),
      error("Exceeded the account's spending cap for Durable Objects.", { ...REMOTE, ...OVERLOADED }),
      error('Exceeded allowed rows written in Durable Objects free tier.', REMOTE),
    ],
  ],
  'the storage is full': ['storage-unavailable', false, [error('database or disk is full: SQLITE_FULL', REMOTE)]],
  'SQLite is out of memory or has met an error of the disk': [
    'nothing-done',
    false,
    [error('out of memory: SQLITE_NOMEM', REMOTE), error('disk I/O error: SQLITE_IOERR', REMOTE)],
  ],
  'memory exceeded in the middle of the call': [
    'unknown',
    false,
    [error('Worker has exceeded memory limit.', { ...OVERLOADED, ...REMOTE })],
  ],
  'turned away: the object is overloaded': [
    'nothing-done',
    false,
    [
      error('Durable Object is overloaded. Too many requests queued.', OVERLOADED),
      error('Durable Object is overloaded. Too much data queued.', OVERLOADED),
      error('Durable Object is overloaded. Requests queued for too long.', { ...OVERLOADED, ...REMOTE }),
      error(
        'Durable Object is overloaded. Too many requests for the same object within a 10 second window.',
        OVERLOADED,
      ),
    ],
  ],
  'turned away: the account is too busy': [
    'nothing-done',
    false,
    [error('Your account is generating too much load on Durable Objects. Please back off and try again later.')],
  ],
  'the object cannot be found at the moment': [
    'nothing-done',
    true,
    [
      error('Cannot resolve Durable Object due to transient issue on remote node.'),
      error('Cannot resolve Durable Object due to transient issue on remote node.', RETRYABLE),
    ],
  ],
  'the connection was lost': [
    'unknown',
    true,
    [
      error('Network connection lost.', RETRYABLE),
      error('Network connection lost.', { ...RETRYABLE, ...REMOTE }),
      error('Connection closed: this Durable Object instance is no longer active.', RETRYABLE),
    ],
  ],
  'the instance was replaced': [
    'unknown',
    true,
    [
      Object.assign(
        new TypeError("The Durable Object's code has been updated, this version can no longer access storage."),
        REMOTE,
      ),
      error('cannot access storage because object has moved to a different machine', REMOTE),
      error('Durable Object storage is no longer accessible.', REMOTE),
    ],
  ],
  'an internal error of the platform': [
    'unknown',
    false,
    [error('internal error; reference = 0123456789abcdef', REMOTE), error('internal error')],
  ],
  'the answer could not be sent': [
    'unknown',
    false,
    [Object.assign(new DOMException('Symbol(x) could not be cloned.', 'DataCloneError'), REMOTE)],
  ],
  'the call could not be sent': [
    'refused-for-good',
    false,
    [new DOMException('Symbol(x) could not be cloned.', 'DataCloneError')],
  ],
  'the object’s own code threw': [
    'refused-for-good',
    false,
    [
      error('a bug', REMOTE),
      Object.assign(new TypeError('The RPC receiver does not implement "replay".'), REMOTE),
      error('no such table: event: SQLITE_ERROR', REMOTE),
    ],
  ],
  'anything else': ['unknown', false, [error('the connection was lost after the commit'), 'a text', undefined]],
};

describe('the meaning of an error of a call to an object', () => {
  it('is known for every row of the table', () => {
    expect(Object.keys(CASES)).toEqual(RUNTIME_ERRORS.map(({ what }) => what));
  });

  it.each(Object.entries(CASES))('%s', (what, [means, mayTryAgain, errors]) => {
    for (const each of errors) expect(judge(each)).toMatchObject({ what, means, mayTryAgain });
  });

  it('is never "nothing done" if the object was reset: the commit of a command may be durable (I4)', () => {
    for (const [, [, , errors]] of Object.entries(CASES)) {
      for (const each of errors.filter((one) => one instanceof Error && !(one instanceof DOMException))) {
        const reset = Object.assign(new Error((each as Error).message), { ...(each as object), ...RESET });
        expect(judge(reset).means).toBe('unknown');
      }
    }
  });
});
