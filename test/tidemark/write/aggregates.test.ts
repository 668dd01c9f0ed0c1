import { describe, expect, it } from 'vitest';

import {
  CodeTooOldError,
  OutcomeUnknownError,
  OverloadedError,
  StorageUnavailableError,
  UnansweredError,
} from '../../../src/tidemark/platform/faults.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import type { ExecuteRequest, ExecuteResult } from '../../../src/tidemark/write/aggregate.ts';
import { type AggregateRpc, durableAggregates } from '../../../src/tidemark/write/aggregates.ts';

const stream = streamId('tally', 'one');
const metadata = { commandId: 'c', correlationId: 'c', causationId: 'c', actor: 'tester' };
const plain: ExecuteRequest = { stream, command: { type: 'Add', data: { by: 1 } }, metadata };
const keyed: ExecuteRequest = { ...plain, idempotency: { key: 'k', fingerprint: 'f' } };
const applied: ExecuteResult = { outcome: 'applied', version: 1, replayed: false };

const lost = () => Object.assign(new Error('Network connection lost.'), { retryable: true });
const overloaded = () =>
  Object.assign(new Error('Durable Object is overloaded.'), { overloaded: true, retryable: true });
// workerd, src/workerd/io/worker.c++, makeTimeoutPromise
const gateTimedOut = () =>
  Object.assign(new Error('Durable Object storage operation exceeded timeout which caused object to be reset.'), {
    overloaded: true,
    durableObjectReset: true,
    remote: true,
  });
const notFound = () => new Error('Cannot resolve Durable Object due to transient issue on remote node.');
const overTheLimit = () => new Error("Exceeded the account's spending cap for Durable Objects.");
const bug = () => Object.assign(new Error('a bug'), { remote: true });

/** Aggregates whose objects give the scripted answers, one for each call, and a count of the calls. */
function scripted(...answers: (() => unknown)[]) {
  const calls = { count: 0 };
  const answer = async () => {
    calls.count += 1;
    return answers[Math.min(calls.count, answers.length) - 1]?.();
  };
  const stub = {
    execute: answer,
    replay: answer,
    load: answer,
    currentVersion: answer,
    state: answer,
  } as unknown as AggregateRpc;
  return { aggregates: durableAggregates(() => stub, { timeoutMs: 50 }), calls };
}

const throws = (error: () => Error) => () => {
  throw error();
};

describe('a command whose object cannot be reached', () => {
  it('has an unknown outcome if the connection is lost, and is not sent again without a key', async () => {
    const { aggregates, calls } = scripted(throws(lost), () => applied);
    await expect(aggregates.execute(plain)).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect(calls.count).toBe(1);
  });

  it('is sent once more with a key, since that cannot append twice', async () => {
    const { aggregates, calls } = scripted(throws(lost), () => applied);
    expect(await aggregates.execute(keyed)).toEqual(applied);
    expect(calls.count).toBe(2);
    const twice = scripted(throws(lost));
    await expect(twice.aggregates.execute(keyed)).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect(twice.calls.count).toBe(2);
  });

  it('has an unknown outcome if no answer comes in time', async () => {
    const { aggregates } = scripted(() => new Promise(() => undefined));
    await expect(aggregates.execute(plain)).rejects.toBeInstanceOf(OutcomeUnknownError);
  });

  it('was not applied if the object was overloaded, and is not sent again at once', async () => {
    const { aggregates, calls } = scripted(throws(overloaded));
    await expect(aggregates.execute(keyed)).rejects.toBeInstanceOf(OverloadedError);
    expect(calls.count).toBe(1);
  });

  it('has an unknown outcome if only the second try was rejected: the first may have been applied', async () => {
    for (const second of [overloaded, bug]) {
      const { aggregates, calls } = scripted(throws(lost), throws(second));
      await expect(aggregates.execute(keyed)).rejects.toBeInstanceOf(OutcomeUnknownError);
      expect(calls.count).toBe(2);
    }
  });

  it('is sent once more, even without a key, if the platform did not find the object', async () => {
    const { aggregates, calls } = scripted(throws(notFound), () => applied);
    expect(await aggregates.execute(plain)).toEqual(applied);
    expect(calls.count).toBe(2);
    await expect(scripted(throws(notFound)).aggregates.execute(plain)).rejects.toBeInstanceOf(OverloadedError);
    const turnedAway = scripted(throws(notFound), throws(overloaded));
    await expect(turnedAway.aggregates.execute(plain)).rejects.toBeInstanceOf(OverloadedError);
    const lostThen = scripted(throws(notFound), throws(lost));
    await expect(lostThen.aggregates.execute(plain)).rejects.toBeInstanceOf(OutcomeUnknownError);
  });

  it('has an unknown outcome if its object was reset under load, and is not sent again at once (I4)', async () => {
    for (const request of [plain, keyed]) {
      const { aggregates, calls } = scripted(throws(gateTimedOut));
      await expect(aggregates.execute(request)).rejects.toBeInstanceOf(OutcomeUnknownError);
      expect(calls.count).toBe(1);
    }
  });

  it('was not applied if the spending limit stopped it', async () => {
    const { aggregates, calls } = scripted(throws(overTheLimit));
    await expect(aggregates.execute(keyed)).rejects.toBeInstanceOf(StorageUnavailableError);
    expect(calls.count).toBe(1);
  });

  it('fails with the error of the object’s own code', async () => {
    const { aggregates } = scripted(throws(bug));
    await expect(aggregates.execute(keyed)).rejects.toThrow('a bug');
  });
});

describe('an object whose code is too old', () => {
  const tooOld = () => ({ outcome: 'code-too-old', reason: 'this code does not know the event type Added' });
  const saysNoReason = () => ({ outcome: 'code-too-old' });

  it('has neither applied the command nor returned a state', async () => {
    for (const answer of [tooOld, saysNoReason]) {
      const { aggregates, calls } = scripted(answer);
      await expect(aggregates.execute(keyed)).rejects.toBeInstanceOf(CodeTooOldError);
      await expect(aggregates.state(stream)).rejects.toBeInstanceOf(CodeTooOldError);
      expect(calls.count).toBe(2);
    }
    await expect(scripted(tooOld).aggregates.state(stream)).rejects.toThrow('the event type Added');
  });
});

describe('the answer to a second try, while the first may still run (I4)', () => {
  const expecting: ExecuteRequest = { ...keyed, expectedVersion: 3 };
  const mismatch = (currentVersion: number) => ({ outcome: 'version-mismatch', currentVersion });

  it.each<[string, unknown, ExecuteRequest]>([
    ['a refusal', { outcome: 'rejected', rejection: { code: 'no', message: '' }, version: 1 }, keyed],
    ['that its code is too old', { outcome: 'code-too-old' }, keyed],
    ['that the log is behind the token', { outcome: 'token-ahead', seenVersion: 2, head: 1 }, keyed],
    ['a version before the expected one', mismatch(2), expecting],
  ])('leaves the outcome unknown: %s', async (_, answer, request) => {
    const { aggregates, calls } = scripted(throws(lost), () => answer);
    const failed = aggregates.execute(request);
    await expect(failed).rejects.toBeInstanceOf(OutcomeUnknownError);
    // The error names the fault of the first try.
    await expect(failed).rejects.toThrow('the connection was lost');
    expect(calls.count).toBe(2);
  });

  it.each<[string, unknown, ExecuteRequest]>([
    ['it is applied', applied, keyed],
    ['the key is that of another command', { outcome: 'key-reused' }, keyed],
    ['the stream is past the expected version', mismatch(4), expecting],
    ['the stream exists, although it should not', mismatch(1), { ...keyed, expectedVersion: 0 }],
  ])('is the outcome: %s', async (_, answer, request) => {
    expect(await scripted(throws(lost), () => answer).aggregates.execute(request)).toEqual(answer);
  });

  it('is always the outcome if the first try cannot have run', async () => {
    const answer = { outcome: 'rejected', rejection: { code: 'no', message: '' }, version: 1 };
    expect(await scripted(throws(notFound), () => answer).aggregates.execute(keyed)).toEqual(answer);
  });
});

describe('a read of an object', () => {
  it('is tried again after a passing fault, but not for ever', async () => {
    const { aggregates, calls } = scripted(throws(lost), throws(lost), () => 7);
    expect(await aggregates.currentVersion(stream)).toBe(7);
    expect(calls.count).toBe(3);
    await expect(scripted(throws(lost)).aggregates.currentVersion(stream)).rejects.toThrow('connection lost');
  });

  it('has no unknown outcome: it can be sent again', async () => {
    for (const error of [lost, gateTimedOut]) {
      const { aggregates } = scripted(throws(error));
      await expect(aggregates.state(stream)).rejects.toBeInstanceOf(UnansweredError);
    }
    const inTime = scripted(() => new Promise(() => undefined));
    await expect(inTime.aggregates.state(stream)).rejects.toBeInstanceOf(UnansweredError);
  });

  it('is not tried again if the spending limit stopped it', async () => {
    const { aggregates, calls } = scripted(throws(overTheLimit));
    await expect(aggregates.load(stream, 1, 10)).rejects.toBeInstanceOf(StorageUnavailableError);
    expect(calls.count).toBe(1);
  });

  it('fails with the error of the object’s own code', async () => {
    const { aggregates, calls } = scripted(throws(bug));
    await expect(aggregates.load(stream, 1, 10)).rejects.toThrow('a bug');
    expect(calls.count).toBe(1);
  });

  it('is not tried again if the object is overloaded', async () => {
    const { aggregates, calls } = scripted(throws(overloaded));
    await expect(aggregates.load(stream, 1, 10)).rejects.toBeInstanceOf(OverloadedError);
    expect(calls.count).toBe(1);
  });
});

describe('asking for the outcome of a key', () => {
  const asked = { stream, idempotency: { key: 'k', fingerprint: 'f' } };

  it('returns undefined if the object has the code of a former Worker, without the method', async () => {
    const unknownMethod = () =>
      Object.assign(new TypeError('The RPC receiver does not implement "replay".'), { remote: true });
    expect(await scripted(throws(unknownMethod)).aggregates.replay(asked)).toBeUndefined();
  });

  it('tries again after a passing fault', async () => {
    const { aggregates, calls } = scripted(throws(lost), () => applied);
    expect(await aggregates.replay(asked)).toEqual(applied);
    expect(calls.count).toBe(2);
  });

  it('throws, and does not return undefined, if the object does not answer', async () => {
    await expect(scripted(throws(lost)).aggregates.replay(asked)).rejects.toBeInstanceOf(UnansweredError);
    await expect(scripted(throws(overloaded)).aggregates.replay(asked)).rejects.toBeInstanceOf(OverloadedError);
    await expect(scripted(throws(bug)).aggregates.replay(asked)).rejects.toThrow('a bug');
  });
});
