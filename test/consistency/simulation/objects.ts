import { evictDurableObject } from 'cloudflare:test';
import { env as bindings } from 'cloudflare:workers';

import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { LogPage } from '../../../src/tidemark/write/aggregate.ts';
import type { AggregateRpc } from '../../../src/tidemark/write/aggregates.ts';
import type { Logs } from './domain.ts';
import { type Actor, type Task, newTask } from './scheduler.ts';
import type { World } from './world.ts';

/** The calls that the simulation adds to an object. worker.ts implements them. */
export interface SimulatedObject extends AggregateRpc {
  /** Opens a gate that this object waits at. */
  proceed(gate: number): Promise<void>;
  /** Does what the platform does when the alarm is due. */
  fireAlarm(run: AlarmRun): Promise<boolean>;
  /** Sets its storage back: to the events up to a version, and the alarm as it was then. */
  setBack(to: number, alarmAt: number | null): Promise<void>;
  /** Ends this instance at once, also in the middle of its work. */
  crash(): Promise<void>;
}

/** How the platform runs an alarm. */
export interface AlarmRun {
  /** Although none is set: as after a failure. */
  readonly always: boolean;
  readonly isRetry: boolean;
}

/** So many commands for one object make it a hot one. */
const MANY_AT_ONCE = 3;

/** The error of the runtime if an object's output gate has timed out. */
const resetUnderLoad = () =>
  Object.assign(new Error('Durable Object storage operation exceeded timeout which caused object to be reset.'), {
    overloaded: true,
    durableObjectReset: true,
    remote: true,
  });

/** All objects of a run: which live, when their alarms are due, and the actions on them. */
export class SimulatedObjects {
  readonly #world: World;
  /** Names of objects are the run's own, so that no run meets what another has left. */
  readonly #prefix: string;
  readonly #streams = new Set<StreamId>();
  readonly #living = new Map<StreamId, Actor>();
  readonly #delivered = new Map<StreamId, number>();
  readonly #alarms = new Map<StreamId, number>();
  readonly #alarmTasks = new Map<StreamId, Task>();
  /** How many commands each has before it. */
  readonly #executing = new Map<StreamId, number>();

  constructor(world: World, prefix: string) {
    this.#world = world;
    this.#prefix = prefix;
  }

  stub(stream: StreamId): SimulatedObject {
    const namespace = bindings.AGGREGATES;
    return namespace.get(namespace.idFromName(`${this.#prefix}/${stream}`)) as unknown as SimulatedObject;
  }

  /** The production port. */
  port(stream: StreamId): AggregateRpc {
    const call = <Result>(method: string, work: (stub: AggregateRpc) => Promise<Result>) =>
      this.#call(stream, method, work);
    return {
      execute: async (request) => {
        const atOnce = (this.#executing.get(stream) ?? 0) + 1;
        this.#executing.set(stream, atOnce);
        if (atOnce >= MANY_AT_ONCE && this.#world.mix.rates['aggregate.hot'] !== undefined)
          this.#world.count('fault aggregate.hot');
        try {
          return await call('execute', (stub) => stub.execute(request));
        } finally {
          this.#executing.set(stream, (this.#executing.get(stream) ?? 1) - 1);
        }
      },
      replay: (request) => call('replay', async (stub) => stub.replay?.(request)),
      load: (from, limit) => {
        this.#world.noteLoad();
        return call('load', (stub) => stub.load(from, limit));
      },
      currentVersion: () => call('currentVersion', (stub) => stub.currentVersion()),
      state: (of, asOf) => call('state', (stub) => stub.state(of, asOf)),
    };
  }

  async #call<Result>(
    stream: StreamId,
    method: string,
    work: (stub: AggregateRpc) => Promise<Result>,
  ): Promise<Result> {
    const world = this.#world;
    const hangs = world.happens('rpc.hangs');
    // Of a command the platform cannot always say that it may be tried again.
    const lost = (message: string) =>
      Object.assign(new Error(message), { retryable: method !== 'execute' || world.chance(0.7) });
    const call = async () => {
      if (world.happens('object.overloaded')) throw Object.assign(new Error('overloaded'), { overloaded: true });
      if (world.happens('object.over-the-limit'))
        throw new Error("Exceeded the account's spending cap for Durable Objects.");
      if (world.happens('rpc.request-lost')) throw lost('Network connection lost.');
      const result = await work(this.stub(stream));
      if (world.happens('rpc.answer-lost')) throw lost('Network connection lost.');
      if (world.happens('object.reset-after-commit')) throw resetUnderLoad();
      return result;
    };
    const result = await world.scheduler.call(`object.${method}`, call);
    // The object applied it, but its answer is so late that the caller no longer waits.
    if (hangs)
      await world.scheduler.call(`object.${method}, late`, async () => undefined, world.between(5_000, 40_000));
    return result;
  }

  // What objects tell.

  /** An instance has come to life. */
  appeared(stream: StreamId): Actor {
    const before = this.#living.get(stream);
    if (before) this.#world.scheduler.drop(before);
    else if (this.#streams.has(stream)) this.#world.count('object woken');
    this.#streams.add(stream);
    const actor: Actor = {
      name: stream,
      place: stream,
      times: [],
      gates: new Map(),
      proceed: (gate) => this.stub(stream).proceed(gate),
    };
    this.#living.set(stream, actor);
    return actor;
  }

  alarmIs(stream: StreamId, dueAt: number | null): void {
    if (dueAt !== null) this.#alarms.set(stream, dueAt);
    // The platform still tries a failed alarm again, though the next instance finds none set.
    else if (!this.#failed.has(stream)) this.#alarms.delete(stream);
  }

  /** Its alarm is not set any more, so every event of its log was delivered. */
  isDelivered(stream: StreamId, head: number): void {
    this.#delivered.set(stream, Math.max(head, this.#delivered.get(stream) ?? 0));
  }

  /** Whether a log was once delivered at least as far as this version. */
  wasDelivered(stream: StreamId, version: number): boolean {
    return (this.#delivered.get(stream) ?? 0) >= version;
  }

  alarmTask(stream: StreamId): Actor {
    const task = this.#alarmTasks.get(stream);
    if (!task) throw new Error(`the alarm of ${stream} runs before its gate was opened`);
    return task;
  }

  // What is done to them.

  get streams(): readonly StreamId[] {
    return [...this.#streams].toSorted();
  }

  /** Whose alarm could run now: it is due, and the one before is over. */
  due(at: number): readonly StreamId[] {
    return [...this.#alarms]
      .filter(([stream, dueAt]) => dueAt <= at && !this.#alarmTasks.has(stream))
      .map(([stream]) => stream);
  }

  nextAlarm(): number | undefined {
    const idle = [...this.#alarms].filter(([stream]) => !this.#alarmTasks.has(stream)).map(([, dueAt]) => dueAt);
    return idle.length > 0 ? Math.min(...idle) : undefined;
  }

  async runAlarm(stream: StreamId, isAgain = false): Promise<void> {
    const world = this.#world;
    const isRetry = this.#failed.delete(stream);
    const run: AlarmRun = { always: isAgain || isRetry, isRetry };
    const task = newTask(`alarm of ${stream}`, stream, (gate) => this.stub(stream).proceed(gate));
    this.#alarmTasks.set(stream, task);
    this.#alarms.delete(stream);
    world.count('alarm runs');
    await world.scheduler.start(task, async () => {
      try {
        await this.stub(stream).fireAlarm(run);
      } catch {
        // The platform tries an alarm again whose object went away under it.
        this.#alarms.set(stream, world.scheduler.now + 2_000);
        this.#failed.add(stream);
        world.count('alarm tried again');
      } finally {
        if (this.#alarmTasks.get(stream) === task) this.#alarmTasks.delete(stream);
      }
    });
    if (world.happens('alarm.twice')) this.#again.add(stream);
  }

  readonly #again = new Set<StreamId>();
  /** Objects that died under their alarm, and whose alarm the platform runs again. */
  readonly #failed = new Set<StreamId>();

  /** An alarm that has run already, and that the platform fires again all the same. */
  takeAgain(): StreamId | undefined {
    const stream = [...this.#again].find((candidate) => !this.#alarmTasks.has(candidate));
    if (stream) this.#again.delete(stream);
    return stream;
  }

  /** Ends an object at once, also in the middle of its work. */
  async crash(stream: StreamId): Promise<void> {
    const actor = this.#living.get(stream);
    if (!actor) return;
    const alarm = this.#alarmTasks.get(stream);
    this.#living.delete(stream);
    this.#world.scheduler.drop(actor);
    if (alarm) this.#world.scheduler.drop(alarm);
    await this.stub(stream)
      .crash()
      .catch(() => undefined);
    // A task that waits for its alarm gets the error, and ends.
    if (alarm) await this.#world.scheduler.over(alarm);
  }

  /** Whether it has something under way. */
  isBusy(stream: StreamId): boolean {
    return (this.#living.get(stream)?.gates.size ?? 0) > 0 || this.#alarmTasks.has(stream);
  }

  /** Sets the storage of an object back, and ends its instance. It may not be busy. */
  async restore(stream: StreamId, to: number, alarmAt: number | null): Promise<void> {
    await this.stub(stream).setBack(to, alarmAt);
    await this.crash(stream);
    this.#failed.delete(stream);
    this.alarmIs(stream, alarmAt);
  }

  /** The whole log of a stream. */
  async log(stream: StreamId): Promise<LogPage['events']> {
    return (await this.stub(stream).load(1, 100_000)).events;
  }

  /** Puts an object to sleep, as the platform does with an idle one. False: it is busy. */
  async evict(stream: StreamId): Promise<boolean> {
    if (!this.#living.has(stream) || this.isBusy(stream)) return false;
    try {
      await evictDurableObject(this.stub(stream) as unknown as DurableObjectStub);
    } catch (error) {
      // On a slow machine the runtime has put it to sleep by itself, after ten seconds of its own time.
      if (!String(error).includes('not currently running')) throw error;
    }
    this.#living.delete(stream);
    return true;
  }

  /** The whole log of every stream that has any, once all is over. */
  async logs(): Promise<Logs> {
    const logs: Record<string, LogPage['events']> = {};
    for (const stream of this.streams) {
      const events = await this.log(stream);
      if (events.length > 0) logs[stream] = events;
    }
    return logs;
  }
}
