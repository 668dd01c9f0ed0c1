import { expect } from 'vitest';

import type { AggregateRpc } from '../../src/tidemark/write/aggregates.ts';
import { ports, production } from './platform.ts';
import { expectProblem } from './problem.ts';

/** Replaces the answers of the objects of a category. Other objects work as before. */
export function objectsFail(category: string, methods: Partial<AggregateRpc>): void {
  ports.aggregateStub = (bindings, stream) => {
    const stub = production.aggregateStub(bindings, stream);
    if (!stream.startsWith(`${category}-`)) return stub;
    const whole: AggregateRpc = {
      execute: (request) => stub.execute(request),
      replay: async (request) => stub.replay?.(request),
      load: (fromVersion, limit) => stub.load(fromVersion, limit),
      currentVersion: () => stub.currentVersion(),
      state: (id, asOf) => stub.state(id, asOf),
    };
    return { ...whole, ...methods };
  };
}

/** A fault with the properties that the platform gives its own. */
const failing = (properties: object) => () => Promise.reject(Object.assign(new Error('a fault'), properties));
export const overloaded = failing({ overloaded: true, remote: true, retryable: true });
export const lost = failing({ retryable: true });

export async function expectRetryLater(answer: Response | Promise<Response>, code: string) {
  const received = await answer;
  expect(received.headers.get('Retry-After')).toMatch(/^[1-9]\d*$/);
  return expectProblem(received, 503, code);
}

export async function expectTooOld(answer: Promise<Response>) {
  const received = await answer;
  expect(received.headers.get('Retry-After')).toBe('30');
  return expectProblem(received, 503, 'code-too-old');
}
