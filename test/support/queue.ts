import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect } from 'vitest';

import type { Group } from '../../src/tidemark/platform/group.ts';
import { serving } from '../../src/groups.ts';
import { groups } from './groups.ts';
import type { Hint } from '../../src/tidemark/write/message.ts';
import worker from '../worker.ts';
import { sent } from './platform.ts';

/** The caught hints about a stream (without one: about all streams) for a group. */
export function hintsOf(stream?: string, group: Group = serving): Hint[] {
  return sent
    .filter((message) => message.group === group)
    .map(({ hint }) => hint)
    .filter((hint) => stream === undefined || hint.stream === stream);
}

/** Waits until the relay has sent at least `count` messages about a stream, and returns them. */
export async function sentHints(count: number, stream?: string): Promise<Hint[]> {
  await expect.poll(() => hintsOf(stream).length).toBeGreaterThanOrEqual(count);
  return hintsOf(stream);
}

/** Takes the messages about a stream (or all) out of the caught ones. */
export function takeHints(stream?: string, group: Group = serving): Hint[] {
  const taken = hintsOf(stream, group);
  const kept = sent.filter(({ hint }) => !taken.includes(hint));
  sent.splice(0, sent.length, ...kept);
  return taken;
}

/**
 * Hands messages to the consumer of a group as one batch of its queue, and returns what it did with each. A hint becomes a message as an
 * object would send it; anything else goes as it is.
 */
export async function deliver(bodies: readonly unknown[], { group = serving, attempts = 1 } = {}) {
  const messages = bodies.map((body, index) => {
    const isHint = typeof body === 'object' && body !== null && 'toVersion' in body;
    const content = isHint ? { sender: group === groups[0] ? 'relay' : 'group', hints: [body] } : body;
    return { id: String(index), timestamp: new Date(), attempts, body: content };
  });
  const batch = createMessageBatch(`tidemark-${group.name}`, messages);
  const context = createExecutionContext();
  await worker.queue?.(batch, env, context);
  return getQueueResult(batch, context);
}

/** Delivers all sent messages to every group until none is left, also those that the first group passes on. */
export async function deliverEverything(): Promise<void> {
  for (let hasMore = true; hasMore;) {
    hasMore = false;
    for (const group of groups) {
      const hints = takeHints(undefined, group);
      hasMore ||= hints.length > 0;
      if (hints.length > 0) await deliver(hints, { group });
    }
  }
}
