import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test';

import type { Env } from '../../../src/bindings.ts';
import type { Group } from '../../../src/tidemark/platform/group.ts';
import type { HintMessage } from '../../../src/tidemark/write/message.ts';
import { newTask } from './scheduler.ts';
import type { World } from './world.ts';

interface Waiting {
  readonly id: string;
  readonly body: HintMessage;
  attempts: number;
  /** In true time, in ms. */
  dueAt: number;
}

/** As wrangler.toml has it: past so many tries a message is gone. */
const MAX_RETRIES = 3;
const MAX_BATCH = 100;

/** One group's queue, as bad as queues may be: it loses, doubles, delays and reorders. */
export class SimulatedQueue {
  readonly #world: World;
  readonly #group: Group;
  #messages: Waiting[] = [];
  #ids = 0;

  constructor(world: World, group: Group) {
    this.#world = world;
    this.#group = group;
  }

  /** The production port. */
  async send(message: HintMessage, delaySeconds = 0): Promise<void> {
    const world = this.#world;
    const hangs = world.happens('send.hangs-then-throws');
    const body = structuredClone(message);
    await world.scheduler.call(
      `send.${this.#group.name}`,
      async () => {
        if (hangs) throw new Error('Queue send timed out');
        if (world.happens('send.fails')) throw new Error('Queue send failed');
        world.count(`sent by ${body.sender}`);
        this.#accept(body, delaySeconds);
        if (world.happens('send.accepted-but-throws')) throw new Error('Queue send failed: no answer');
      },
      hangs ? world.between(5_000, 60_000) : 0,
    );
  }

  #accept(body: HintMessage, delaySeconds: number): void {
    const world = this.#world;
    if (world.happens('queue.drop')) return;
    for (let copies = world.happens('queue.duplicate') ? 2 : 1; copies > 0; copies -= 1) {
      this.#ids += 1;
      const delayMs = world.happens('queue.delay') ? world.between(1_000, 120_000) : 0;
      const dueAt = world.scheduler.now + delaySeconds * 1_000 + delayMs;
      this.#messages.push({ id: `${this.#group.name}-${this.#ids}`, body, attempts: 1, dueAt });
    }
  }

  get isReady(): boolean {
    return this.#messages.some(({ dueAt }) => dueAt <= this.#world.scheduler.now);
  }

  nextDue(): number | undefined {
    const due = this.#messages.map(({ dueAt }) => dueAt).filter((at) => at > this.#world.scheduler.now);
    return due.length > 0 ? Math.min(...due) : undefined;
  }

  /** Hands some due messages to a consumer, and follows its decision about each. */
  async deliver(handler: ExportedHandler<Env>, env: Env, place: string): Promise<void> {
    const world = this.#world;
    const due = this.#messages.filter(({ dueAt }) => dueAt <= world.scheduler.now);
    if (world.happens('queue.reorder')) due.sort(() => world.between(-1, 1));
    const batch = due.slice(0, world.between(1, Math.min(due.length, MAX_BATCH)));
    this.#messages = this.#messages.filter((message) => !batch.includes(message));
    const task = newTask(`batch of ${this.#group.name}`, place);
    world.count('queue batches');
    if (world.happens('queue.consumer-dies')) {
      world.killLater(task, () => {
        for (const message of batch) this.#again(message, 0);
      });
    }
    await world.scheduler.start(task, async () => {
      const messages = createMessageBatch(
        `tidemark-${this.#group.name}`,
        batch.map(({ id, body, attempts }) => ({
          id,
          attempts,
          body: structuredClone(body),
          timestamp: new Date(world.scheduler.now),
        })),
      );
      const context = createExecutionContext();
      await handler.queue?.(messages, env, context);
      if (task.isKilled) return;
      const { explicitAcks, retryMessages } = await getQueueResult(messages, context);
      for (const message of batch) {
        const isAcknowledged = explicitAcks.includes(message.id);
        const retry = retryMessages.find(({ msgId }) => msgId === message.id);
        if (isAcknowledged && !world.happens('queue.partial-ack')) continue;
        if (!isAcknowledged) world.count('message retried');
        this.#again(message, retry?.delaySeconds ?? 0);
      }
    });
  }

  #again(message: Waiting, delaySeconds: number): void {
    if (message.attempts > MAX_RETRIES) {
      this.#world.count('message given up by the queue');
      return;
    }
    message.attempts += 1;
    message.dueAt = this.#world.scheduler.now + delaySeconds * 1_000;
    this.#messages.push(message);
  }
}
