import { StuckError, turn } from './scheduler.ts';
import type { RunParts } from './traffic.ts';

/** Several times enough for every remaining message and delivery check. */
const MAX_STEPS_WHILE_HELD = 1_000;
/** The first time, every projection is built. The second time, each has a former slot that is emptied and built into again. */
const TIMES_DAYS_PASS = 2;
/** It puts right, lets days pass, and puts right what came of that. */
const MAX_ROUNDS = 12;

/** The second part of a run: nothing goes wrong any more, and all that is still to be done is done. */
export class Peace {
  readonly #parts: RunParts;
  #timesDaysPassed = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** Every Worker and every object has the code of today, and in the end handlers that work. */
  async begin(): Promise<void> {
    const { world, isolates, operator } = this.#parts;
    const wasDeploying = world.isDeploying;
    world.heal();
    if (wasDeploying) {
      isolates.restartAll();
      for (const stream of world.objects.streams) await world.objects.crash(stream);
    }
    if (world.mix.operates && world.held.length > 0) {
      // A fault that remains stops its streams, and the operator decides about them. If tables refuse the only stream that moves, the
      // projection counts as faulty: its events are tried again for ever, and make no dead letter.
      await this.#settle(MAX_STEPS_WHILE_HELD);
      await operator.decide((work) => this.#whileSettling(work));
    }
    world.mend();
  }

  /** Finishes all remaining work, in any sequence, until no task waits. */
  async comeToRest(): Promise<void> {
    const { world, operator } = this.#parts;
    for (let rounds = 0; rounds < MAX_ROUNDS; rounds += 1) {
      await this.#settle();
      if (await operator.putRight((work) => this.#whileSettling(work))) continue;
      if (!world.mix.maintains || this.#timesDaysPassed === TIMES_DAYS_PASS) return;
      this.#timesDaysPassed += 1;
      await operator.letDaysPass((work) => this.#whileSettling(work));
    }
    world.count('put right more often than expected');
    throw new StuckError('there is always something left for the operator to put right');
  }

  /** Polls of the feed to its end, by everybody who has ever read it. */
  async finishFeeds(): Promise<void> {
    const { clients, steps } = this.#parts;
    for (const client of clients)
      await client.feed.finish(async () => {
        steps.count();
        if (!(await steps.settleOne())) await turn();
      });
  }

  async #settle(atMost = Infinity): Promise<void> {
    const { steps } = this.#parts;
    for (let left = atMost; left > 0 && (await steps.settleOne()); left -= 1) steps.count();
  }

  async #whileSettling(work: Promise<void>): Promise<void> {
    const { steps } = this.#parts;
    const progress = { isDone: false };
    const end = () => (progress.isDone = true);
    work.then(end, end);
    while (!progress.isDone) {
      steps.count();
      if (!(await steps.settleOne())) await turn();
    }
    await work;
  }
}
