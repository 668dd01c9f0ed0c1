import { categoryOf } from '../../../src/tidemark/domain/stream.ts';
import { groups } from '../../support/groups.ts';
import type { Choices } from './choices.ts';
import type { Client } from './clients.ts';
import type { ProjectionTables } from './database-troubles.ts';
import type { Isolates } from './isolates.ts';
import type { Operator } from './operator.ts';
import type { Restorer } from './restorer.ts';
import type { Steps } from './steps.ts';
import type { Gate } from './scheduler.ts';
import { type World, isBuild } from './world.ts';

/** The parts of a run. */
export interface RunParts {
  readonly world: World;
  readonly isolates: Isolates;
  readonly clients: readonly Client[];
  readonly operator: Operator;
  readonly steps: Steps;
  readonly choices: Choices;
  readonly tables: readonly ProjectionTables[];
  readonly restorer: Restorer;
}

/** The most steps that the traffic waits for a long action of the operator. */
const PATIENCE = 2_000;
/** After a log was restored, so many more operations there are, and so often a client turns to that stream. */
const OPERATIONS_AFTER_RESTORE = 15;
const TURNS_TO_RESTORED = 0.4;
/** How often a build stands aside meanwhile, so that much happens between its reads and its writes. */
const STANDS_ASIDE = 0.8;

/** The first part of a run: clients and operator act, and faults strike. */
export class Traffic {
  readonly #parts: RunParts;
  #started = 0;
  #waited = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  get isOver(): boolean {
    const { clients, operator } = this.#parts;
    if (operator.isMaintaining && this.#waited < PATIENCE) return false;
    return this.#started >= this.#operations && clients.every(({ isBusy, owes }) => !isBusy && !owes);
  }

  get #operations(): number {
    const { mix, setBacks } = this.#parts.world;
    return mix.operations + OPERATIONS_AFTER_RESTORE * setBacks.logs.length;
  }

  /** The next thing that happens. */
  async step(): Promise<void> {
    const { world, clients, operator, steps, choices } = this.#parts;
    const { pace, operates } = world.mix;
    steps.count();
    world.tearAway();
    await this.#maybeSomethingHappens();
    const ready = this.#ready();
    const idle = clients.filter(({ isBusy, owes }) => !isBusy && (owes || this.#started < this.#operations));
    const due = world.objects.due(world.scheduler.now);
    const queues = world.queues.filter(({ isReady }) => isReady);
    const again = world.objects.takeAgain();
    const possible: [number, () => Promise<void>][] = [];
    if (ready.length > 0) possible.push([1, () => steps.pass(ready)]);
    if (idle.length > 0) possible.push([pace.clients, () => this.#act(idle)]);
    if (queues.length > 0) possible.push([pace.queue, () => steps.deliver(choices.pick(queues))]);
    if (due.length > 0) possible.push([pace.alarms, () => steps.alarm(choices.pick(due))]);
    if (again !== undefined) possible.push([1, () => world.objects.runAlarm(again, true)]);
    if (world.builds.hasWork) possible.push([0.3, () => steps.startBuild()]);
    if (operates && !operator.isBusy) possible.push([pace.operator, () => operator.act()]);
    possible.push([0.1, () => steps.wait(possible.length === 1)]);
    let at = choices.next() * possible.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of possible) {
      at -= weight;
      if (at >= 0) continue;
      await act();
      return;
    }
  }

  #ready(): readonly Gate[] {
    const { world, operator, choices } = this.#parts;
    const ready = world.scheduler.ready();
    if (!operator.isMaintaining) return ready;
    this.#waited += 1;
    return choices.isSome(STANDS_ASIDE) ? ready.filter(({ actor }) => !isBuild(actor)) : ready;
  }

  async #act(idle: readonly Client[]): Promise<void> {
    const { clients, choices, world } = this.#parts;
    this.#started += 1;
    const client = choices.pick(idle);
    const restored = world.setBacks.logs;
    if (restored.length > 0 && choices.isSome(TURNS_TO_RESTORED)) client.turnTo(choices.pick(restored).stream);
    await client.act(clients);
  }

  /** Faults that occur by themselves, not by an action. */
  async #maybeSomethingHappens(): Promise<void> {
    const { world, isolates, operator, steps, choices, restorer } = this.#parts;
    const { streams } = world.objects;
    if (!choices.isSome(0.3)) return;
    if (streams.length > 0 && world.happens('object.crash')) await world.objects.crash(choices.pick(streams));
    if (streams.length > 0 && world.happens('object.evicted')) await world.objects.evict(choices.pick(streams));
    if (world.happens('clock.jumps')) {
      const place = choices.pick([...isolates.all.map((isolate) => isolate.place), ...streams]);
      world.skews.set(place, world.between(-5_000, 5_000));
    }
    // Up to the new code, or back to the old: from one to the other and back, as deployments go.
    if (world.happens('isolate.restart') || world.happens('deploy.under-way')) isolates.restartOne();
    if (world.happens('token.key-rotated')) isolates.rotateKey(`key-${steps.taken}`);
    if (world.happens('poison.handler')) {
      const name = choices.pick(operator.projections);
      if (!world.broken.delete(name)) world.broken.add(name);
      world.everBroken.add(name);
    }
    await restorer.restoreLog();
    await restorer.restoreDatabase();
    if (world.happens('d1.full')) world.troubles.toggleFull(choices.pick(groups));
    if (world.happens('d1.sql-error')) this.#damage();
  }

  /** The tables of one projection refuse the rows of one stream, or of all; or they do so no more. */
  #damage(): void {
    const { world, choices, tables } = this.#parts;
    const of = choices.pick(tables);
    const its = world.objects.streams.filter((stream) => of.categories.includes(categoryOf(stream)));
    const stream = its.length > 0 && choices.isSome(0.6) ? choices.pick(its) : undefined;
    world.troubles.toggleDamage(of, stream, choices.below(2));
  }
}
