import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { Choices } from './choices.ts';
import type { Isolates } from './isolates.ts';
import type { SimulatedQueue } from './queues.ts';
import { type Gate, StuckError } from './scheduler.ts';
import type { World } from './world.ts';

const MAX_STEPS = 5_000;

/** What can happen next in the system, one thing at a time, and how much has happened. */
export class Steps {
  taken = 0;
  readonly #world: World;
  readonly #isolates: Isolates;
  readonly #choices: Choices;
  /** The gates that were passed last. */
  readonly #lately: string[] = [];

  constructor(world: World, isolates: Isolates, choices: Choices) {
    this.#world = world;
    this.#isolates = isolates;
    this.#choices = choices;
  }

  /** One more is about to be taken. Throws where there have been so many that the run would never end. */
  count(): void {
    this.taken += 1;
    if (this.taken > MAX_STEPS) {
      const latest = this.#lately.map((what) => `  ${what}`).join('\n');
      throw new StuckError(`no rest after ${MAX_STEPS} steps; the latest:\n${latest}`);
    }
  }

  async pass(ready: readonly Gate[]): Promise<void> {
    const { scheduler } = this.#world;
    // Things take time.
    scheduler.now += this.#choices.below(4);
    const gate = this.#choices.pick(ready);
    this.#lately.push(`${scheduler.now}: ${gate.label} of ${gate.actor.name}`);
    if (this.#lately.length > 20) this.#lately.shift();
    await scheduler.pass(gate);
  }

  async deliver(queue: SimulatedQueue): Promise<void> {
    const { env, place } = this.#choices.pick(this.#isolates.all);
    await queue.deliver(this.#isolates.handler, env, place);
  }

  async alarm(stream: StreamId): Promise<void> {
    const world = this.#world;
    if (world.happens('alarm.late')) world.objects.alarmIs(stream, world.scheduler.now + world.between(1_000, 600_000));
    else await world.objects.runAlarm(stream);
  }

  async startBuild(): Promise<void> {
    await this.#world.builds.start(this.#isolates.runtime, this.#isolates.first.place);
  }

  /** Time goes by: a little, or, where nothing else can happen, up to the next thing that can. */
  async wait(isAllThereIs: boolean): Promise<void> {
    const { scheduler } = this.#world;
    const next = this.#nextDue();
    if (next !== undefined && (isAllThereIs || this.#choices.isSome(0.2)))
      scheduler.now = Math.max(scheduler.now, next);
    else scheduler.now += 1 + this.#choices.below(this.#choices.isSome(0.1) ? 5_000 : 100);
  }

  #nextDue(): number | undefined {
    const { scheduler, queues, objects } = this.#world;
    const all = [scheduler.nextDue(), ...queues.map((queue) => queue.nextDue()), objects.nextAlarm()];
    const due = all.flatMap((at) => (at === undefined ? [] : [at]));
    return due.length > 0 ? Math.min(...due) : undefined;
  }

  /** Takes one remaining step. False: there is none. */
  async settleOne(): Promise<boolean> {
    const world = this.#world;
    const { scheduler, objects } = world;
    const ready = scheduler.ready();
    const queue = world.queues.find(({ isReady }) => isReady);
    const due = objects.due(scheduler.now);
    if (ready.length > 0) await this.pass(ready);
    else if (world.builds.hasWork) await this.startBuild();
    else if (queue) await this.deliver(queue);
    else if (due.length > 0) await this.alarm(this.#choices.pick(due));
    else {
      const next = this.#nextDue();
      if (next === undefined) return false;
      scheduler.now = Math.max(scheduler.now, next);
    }
    return true;
  }
}
