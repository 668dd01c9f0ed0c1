import type { Env } from '../../../src/bindings.ts';
import type { Projection } from '../../../src/eventsourcing/read/projection.ts';
import type { StreamId } from '../../../src/eventsourcing/stream.ts';
import type { AggregateOptions, ExecuteRequest, ExecuteResult } from '../../../src/eventsourcing/write/aggregate.ts';
import type { RelayOptions } from '../../../src/eventsourcing/write/relay.ts';
import type { Module } from '../../../src/module.ts';
import { type Platform } from '../../../src/runtime.ts';
import { tidemark } from '../../../src/tidemark.ts';
import { currentWorld } from './current.ts';
import { type Actor, as } from './scheduler.ts';

/** Changed for each run, and read by every object that comes to life. */
export const aggregateOptions: { -readonly [Option in keyof AggregateOptions]: AggregateOptions[Option] } = {};
export const relayOptions: { -readonly [Option in keyof RelayOptions]: RelayOptions[Option] } = {};

/** The production ports, in the hands of the run that is under way. */
const platform: Platform = {
  clock: {
    now: () => currentWorld().now(),
    random: () => currentWorld().random(),
    newId: () => currentWorld().newId(),
  },
  aggregateStub: (_env, stream) => currentWorld().objects.port(stream),
  send: (_env, group, message, options) => currentWorld().queue(group).send(message, options?.delaySeconds),
  database: (_env, group) => currentWorld().database(group).port,
  aggregateOptions,
  relayOptions,
  buildRunner: () => ({
    launch: (projection, build) => currentWorld().builds.launch(projection, build),
    revive: (projection, build) => currentWorld().builds.revive(projection, build),
    stop: (build) => currentWorld().builds.stop(build),
  }),
};

/** The system with these modules, as the simulation runs it: a Worker's exports, and what runs need beside them. */
export function simulatedSystem(modules: readonly Module[]) {
  const system = tidemark(modules.map(breakable), platform);

  return {
    ...system,

    /** The production class, whose instances tell the run what becomes of them. */
    Aggregate: class SimulatedAggregate extends system.Aggregate {
      readonly #stream: StreamId;
      readonly #actor: Actor;

      constructor(ctx: DurableObjectState, env: Env) {
        super(ctx, env);
        this.#stream = (ctx.id.name ?? '').split('/')[1] as StreamId;
        this.#actor = currentWorld().objects.appeared(this.#stream);
        const { sql } = ctx.storage;
        const kept = sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'snapshot'`).toArray();
        if (kept.length > 0 && sql.exec(`SELECT 1 FROM snapshot`).toArray().length > 0)
          currentWorld().count('object woken with a snapshot');
      }

      override execute(request: ExecuteRequest): Promise<ExecuteResult> {
        return as(this.#actor, async () => {
          try {
            return await super.execute(request);
          } finally {
            await this.#tellAlarm();
          }
        });
      }

      /** Opens a gate here, where it is waited at. */
      async proceed(gate: number): Promise<void> {
        await currentWorld().scheduler.opening.get(gate)?.open();
      }

      async fireAlarm(always: boolean): Promise<boolean> {
        const task = currentWorld().objects.alarmTask(this.#stream);
        const isSet = (await this.ctx.storage.getAlarm()) !== null;
        if (!isSet && !always) return false;
        await this.ctx.storage.deleteAlarm();
        await as(task, () => super.alarm());
        await this.#tellAlarm();
        return true;
      }

      async crash(): Promise<void> {
        this.ctx.abort('crash');
      }

      async #tellAlarm(): Promise<void> {
        currentWorld().objects.alarmIs(this.#stream, await this.ctx.storage.getAlarm());
      }
    },
  };
}

/** The module with projections whose handlers a run can break, as a bad deploy would. */
function breakable(module: Module): Module {
  return { ...module, projections: module.projections.map(breakableProjection) };
}

function breakableProjection(projection: Projection): Projection {
  function broken<Args extends readonly unknown[], Result>(effect: (...args: Args) => Result) {
    return (...args: Args): Result => {
      if (currentWorld().broken.has(projection.name)) throw new Error('a bad deploy');
      return effect(...args);
    };
  }
  const handlers = Object.fromEntries(
    Object.entries(projection.handlers).map(([type, handler]) => {
      if (handler === 'ignored') return [type, handler];
      const { create, change } = handler;
      return [
        type,
        { ...handler, ...(create && { create: broken(create) }), ...(change && { change: broken(change) }) },
      ];
    }),
  );
  return { ...projection, handlers };
}
