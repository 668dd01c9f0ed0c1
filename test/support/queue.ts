import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect } from 'vitest';

import { serving } from '../../src/groups.ts';
import type { Hint } from '../../src/eventsourcing/message.ts';
import worker from '../worker.ts';
import { sent } from './platform.ts';

/** The messages about a stream that the relay has sent and nobody took; of all streams without one. */
export function hintsOf(stream?: string): Hint[] {
  return sent.map(({ hint }) => hint).filter((hint) => stream === undefined || hint.stream === stream);
}

/** Waits until the relay has sent at least `count` messages about a stream, and returns them. */
export async function sentHints(count: number, stream?: string): Promise<Hint[]> {
  await expect.poll(() => hintsOf(stream).length).toBeGreaterThanOrEqual(count);
  return hintsOf(stream);
}

/** Takes the messages about a stream (or all) out of what was caught so far. */
export function takeHints(stream?: string): Hint[] {
  const taken = hintsOf(stream);
  const kept = sent.filter(({ hint }) => !taken.includes(hint));
  sent.splice(0, sent.length, ...kept);
  return taken;
}

/** Hands messages to the consumer as one batch of the queue, and returns what it did with each. */
export async function deliver(bodies: readonly unknown[], attempts = 1) {
  const messages = bodies.map((body, index) => ({ id: String(index), timestamp: new Date(), attempts, body }));
  const batch = createMessageBatch(`tidemark-${serving.name}`, messages);
  const context = createExecutionContext();
  await worker.queue?.(batch, env, context);
  return getQueueResult(batch, context);
}
