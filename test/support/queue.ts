import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect } from 'vitest';

import { serving } from '../../src/groups.ts';
import type { Hint } from '../../src/eventsourcing/message.ts';
import worker from '../worker.ts';
import { sent } from './platform.ts';

/** Waits until the relay has sent `count` messages in all, and returns them. */
export async function sentHints(count: number): Promise<Hint[]> {
  await expect.poll(() => sent.length).toBeGreaterThanOrEqual(count);
  return sent.map(({ hint }) => hint);
}

/** Takes every message that was caught so far. */
export function takeHints(): Hint[] {
  return sent.splice(0).map(({ hint }) => hint);
}

/** Hands messages to the consumer as one batch of the queue, and returns what it did with each. */
export async function deliver(bodies: readonly unknown[], attempts = 1) {
  const messages = bodies.map((body, index) => ({ id: String(index), timestamp: new Date(), attempts, body }));
  const batch = createMessageBatch(`tidemark-${serving.name}`, messages);
  const context = createExecutionContext();
  await worker.queue?.(batch as MessageBatch, env, context as ExecutionContext);
  return getQueueResult(batch, context);
}
