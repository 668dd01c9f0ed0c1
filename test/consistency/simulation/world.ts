import type { Group } from '../../../src/tidemark/platform/group.ts';
import { type SeededRandom, seededRandom } from '../../../src/tidemark/testing/seeded-random.ts';
import { SimulatedBuilds } from './builds.ts';
import { Counters } from './counters.ts';
import { DatabaseTroubles } from './database-troubles.ts';
import { SimulatedDatabase, type Pair } from './databases.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { Fault, Mix } from './mix.ts';
import { SimulatedObjects } from './objects.ts';
import { SimulatedQueue } from './queues.ts';
import { Recorder } from './recorder.ts';
import { type Actor, Scheduler, type Task, currentActor } from './scheduler.ts';

import { SetBacks } from './set-backs.ts';

/** The start of simulated time: far from the machine's time, so that no alarm goes off by itself. */
const START = Date.UTC(2100, 0, 1);

/** Everything of one run beside the system: time, chance, faults, queues, databases, objects. */
export class World {
  readonly mix: Mix;
  readonly scheduler: Scheduler;
  readonly counters = new Counters();
  readonly objects: SimulatedObjects;
  readonly builds: SimulatedBuilds;
  readonly troubles = new DatabaseTroubles();
  readonly recorder = new Recorder();
  readonly setBacks = new SetBacks();
  /** How far each place's clock is from the true time, in ms. */
  readonly skews = new Map<string, number>();
  /**
   * What is wrong whatever comes of it in the end: poison where no handler was broken, a forged token that was taken, an error of the
   * system's own.
   */
  readonly verdicts: string[] = [];
  /** Whether anything goes wrong at all: not any more once the run comes to its end. */
  isFaulty = true;
  /** Projections whose handlers are broken at the moment, as after a bad deploy. */
  readonly broken = new Set<string>();
  /** Those that were broken at any time. */
  readonly everBroken = new Set<string>();
  /** Objects that still run the code before the deployment that is under way. */
  readonly #upgradedObjects = new Set<StreamId>();
  /** The task to abort, and the gate passage at which to abort it. */
  readonly #doomed: { readonly task: Task; readonly at: number; readonly after: () => void }[] = [];
  readonly #databases = new Map<Group, SimulatedDatabase>();
  readonly #queues = new Map<Group, SimulatedQueue>();
  readonly #faults: SeededRandom;
  readonly #ids: SeededRandom;
  #counted = 0;

  constructor(mix: Mix, prefix: string, pairs: ReadonlyMap<Group, Pair>) {
    this.mix = mix;
    this.scheduler = new Scheduler(START);
    this.#faults = seededRandom(mix.seed * 31 + 11);
    this.#ids = seededRandom(mix.seed * 31 + 13);
    this.objects = new SimulatedObjects(this, prefix);
    this.builds = new SimulatedBuilds(this);
    for (const [group, pair] of pairs) {
      this.#databases.set(group, new SimulatedDatabase(this, group, pair));
      this.#queues.set(group, new SimulatedQueue(this, group));
    }
  }

  database(group: Group): SimulatedDatabase {
    return this.#databases.get(group) as SimulatedDatabase;
  }

  queue(group: Group): SimulatedQueue {
    return this.#queues.get(group) as SimulatedQueue;
  }

  get queues(): readonly SimulatedQueue[] {
    return [...this.#queues.values()];
  }

  /** Projections that cannot apply some event at present. */
  get held(): readonly string[] {
    return [...new Set([...this.broken, ...this.troubles.projections])];
  }

  // Chance.

  chance(rate: number): boolean {
    return this.#faults.next() < rate;
  }

  /** An integer from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.#faults.below(Math.max(most - least, 0) + 1);
  }

  /** Whether a fault strikes, here and now. */
  happens(fault: Fault): boolean {
    const rate = this.mix.rates[fault] ?? 0;
    if (!this.isFaulty || rate === 0 || !this.chance(rate)) return false;
    this.count(`fault ${fault}`);
    return true;
  }

  count(what: string): void {
    this.counters.add(what);
  }

  /** Whether this run has a deployment under way: Workers and objects with the code before it beside such with the code after it. */
  get isDeploying(): boolean {
    return this.isFaulty && this.mix.rates['deploy.under-way'] !== undefined;
  }

  /** Whether an object that comes to life does so with the code before the deployment. Once it has had the new one it stays with that. */
  comesToLifeAsBefore(stream: StreamId): boolean {
    if (!this.isDeploying || this.#upgradedObjects.has(stream)) return false;
    const isFormer = this.chance(0.6);
    if (isFormer) this.count('object with the code before');
    else this.#upgradedObjects.add(stream);
    return isFormer;
  }

  /** Has a task torn away after some more passages, if it still lives then. */
  killLater(task: Task, andThen: () => void): void {
    this.#doomed.push({ task, at: this.scheduler.passed + this.between(1, 12), after: andThen });
  }

  /** From now on only existing faults remain, and hanging calls continue. */
  heal(): void {
    this.isFaulty = false;
    this.skews.clear();
    this.troubles.makeRoom();
    this.troubles.mendProjections();
    this.#doomed.length = 0;
    this.scheduler.release();
  }

  /** Handlers and tables work again. */
  mend(): void {
    this.broken.clear();
    this.troubles.mend();
  }

  tearAway(): void {
    for (const doomed of this.#doomed.filter(({ at }) => at <= this.scheduler.passed)) {
      this.#doomed.splice(this.#doomed.indexOf(doomed), 1);
      if (doomed.task.isDone) continue;
      this.count('task torn away');
      this.scheduler.kill(doomed.task);
      doomed.after();
    }
  }

  // Ways of recovery that are seen at the ports.

  /** What a database said when it refused a batch. */
  noteRefusal(error: string): void {
    const isGuard = error.includes('checkpoint_as_read') || error.includes('epoch_as_read');
    const actor = currentActor();
    if (isGuard && actor && isBuild(actor)) this.count('build turned away by its guards');
    else if (error.includes('checkpoint_as_read')) this.count('lost race');
    else if (isGuard) this.count('epoch changed');
  }

  /** A database was called; by a reader it is written to only when it catches up. */
  noteCall(isWrite: boolean): void {
    if (isWrite && / GET /.test(currentActor()?.name ?? '')) this.count('reader caught up');
  }

  /** A log was read; by a consumer, only where its messages leave a gap or carry no events. */
  noteLoad(): void {
    if (currentActor()?.name.startsWith('batch of')) this.count('gap read from the log');
  }

  noteReplica(): void {
    const actor = currentActor();
    if (actor) this.#onReplica.add(actor);
  }

  noteTurnToPrimary(): void {
    const actor = currentActor();
    if (actor && this.#onReplica.delete(actor)) this.count('reader left the replica');
  }

  /** Who has read from a replica. */
  readonly #onReplica = new Set<Actor>();

  // The clock, as each place has it.

  now(): number {
    const actor = currentActor();
    const now = this.timeAt(actor?.place ?? '');
    actor?.times.push(now);
    return now;
  }

  timeAt(place: string): number {
    return this.scheduler.now + (this.skews.get(place) ?? 0);
  }

  random(): number {
    return this.#ids.next();
  }

  /** A UUIDv7 that the seed decides. */
  newId(): string {
    this.#counted += 1;
    const time = hex(this.now(), 12);
    const chance = () => hex(this.#ids.below(0x1000), 3);
    return `${time.slice(0, 8)}-${time.slice(8)}-7${chance()}-8${chance()}-${chance()}${chance()}${hex(this.#counted, 6)}`;
  }
}

/** Whether it is the work of a build that acts. */
export function isBuild({ name }: Actor): boolean {
  return name.startsWith('build of');
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0').slice(-digits);
}
