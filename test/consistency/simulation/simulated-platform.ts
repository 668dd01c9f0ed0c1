import { access } from '../../../src/access.ts';
import { type Env, bindings } from '../../../src/bindings.ts';
import type { Projection } from '../../../src/tidemark/projections/projection.ts';
import type { StreamId } from '../../../src/tidemark/domain/stream.ts';
import type { AggregateOptions, ExecuteAnswer, ExecuteRequest } from '../../../src/tidemark/write/aggregate.ts';
import { aggregateObject } from '../../../src/tidemark/write/aggregate-object.ts';
import type { AfterAnswerOptions } from '../../../src/tidemark/catch-up/after-answer.ts';
import type { RelayOptions } from '../../../src/tidemark/write/relay.ts';
import type { Module } from '../../../src/tidemark/authoring/registered-module.ts';
import type { Platform } from '../../../src/tidemark/runtime/platform.ts';
import { tidemark } from '../../../src/tidemark/worker.ts';
import { currentWorld } from './current.ts';
import type { AlarmRun } from './objects.ts';
import { type Actor, as } from './scheduler.ts';

/** Each run changes them, and every new object reads them. */
export const aggregateOptions: { -readonly [Option in keyof AggregateOptions]: AggregateOptions[Option] } = {};
export const relayOptions: { -readonly [Option in keyof RelayOptions]: RelayOptions[Option] } = {};
export const afterAnswerOptions: { -readonly [Option in keyof AfterAnswerOptions]: AfterAnswerOptions[Option] } = {};

/** The production ports, in the hands of the run that is under way. */
const platform: Platform<Env> = {
  clock: {
    now: () => currentWorld().now(),
    random: () => currentWorld().random(),
    newId: () => currentWorld().newId(),
    // The same in every run of a seed.
    randomBytes: (length) => Uint8Array.from({ length }, () => Math.floor(currentWorld().random() * 256)),
  },
  aggregateStub: (_env, stream) => currentWorld().objects.port(stream),
  send: (_env, group, message, options) => currentWorld().queue(group).send(message, options?.delaySeconds),
  database: (_env, group) => currentWorld().database(group).port,
  aggregateOptions,
  relayOptions,
  afterAnswerOptions,
  buildRunner: () => ({
    launch: (projection, build) => currentWorld().builds.launch(projection, build),
    revive: (projection, build) => currentWorld().builds.revive(projection, build),
    stop: (build) => currentWorld().builds.stop(build),
  }),
};

/** Marks the bindings of a Worker, or an object, that has the code before the deployment that is under way. */
const IS_FORMER = Symbol('has the former code');

/** These bindings, for a Worker with the code before the deployment. */
export function withFormerCode(env: Env): Env {
  return { ...env, [IS_FORMER]: true } as Env;
}

/** The guide's domain is simulated as well. */
const ALL_ACCESS = { ...access, scopes: { ...access.scopes, 'seats:write': 'Change seats.' } };

/**
 * The system with these modules, as the simulation runs it: a Worker's exports, and what runs need beside them. Bindings that
 * `withFormerCode` has marked are served by the code before.
 */
export function simulatedSystem(modules: readonly Module[], formerModules: readonly Module[] = modules) {
  const now = tidemark({ modules: modules.map(breakable), bindings, platform, access: ALL_ACCESS });
  const former = tidemark({ modules: formerModules.map(breakable), bindings, platform, access: ALL_ACCESS });
  const codeOf = (env: Env) => (IS_FORMER in env ? former : now);
  const runtimeOf = (env: Env) => codeOf(env).runtimeOf(env);
  const handler: ExportedHandler<Env> = {
    fetch: (request, env, context) => codeOf(env).handler.fetch?.(request, env, context) as Promise<Response>,
    queue: (batch, env, context) => codeOf(env).handler.queue?.(batch, env, context),
  };
  const ProductionAggregate = aggregateObject<Env>((env) => runtimeOf(env).aggregateHost);

  return {
    handler,
    runtimeOf,
    Rebuild: now.Rebuild,

    /** The production class, whose instances tell the run what becomes of them. */
    Aggregate: class SimulatedAggregate extends ProductionAggregate {
      readonly #stream: StreamId;
      readonly #actor: Actor;

      constructor(ctx: DurableObjectState, env: Env) {
        const stream = (ctx.id.name ?? '').split('/')[1] as StreamId;
        super(ctx, currentWorld().comesToLifeAsBefore(stream) ? withFormerCode(env) : env);
        this.#stream = stream;
        this.#actor = currentWorld().objects.appeared(this.#stream);
        const { sql } = ctx.storage;
        if (sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'snapshot'`).toArray().length === 0) return;
        const [snapshot] = sql.exec<{ state_version: number }>(`SELECT state_version FROM snapshot`).toArray();
        if (!snapshot) return;
        currentWorld().count('object woken with a snapshot');
        if (snapshot.state_version !== runtimeOf(this.env).registry.typeOf(stream).stateVersion)
          currentWorld().count('snapshot ignored');
      }

      override execute(request: ExecuteRequest): Promise<ExecuteAnswer> {
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

      async fireAlarm({ always, isRetry }: AlarmRun): Promise<boolean> {
        const task = currentWorld().objects.alarmTask(this.#stream);
        const isSet = (await this.ctx.storage.getAlarm()) !== null;
        if (!isSet && !always) return false;
        await this.ctx.storage.deleteAlarm();
        await as(task, () =>
          super.alarm({ isRetry, retryCount: Number(isRetry), scheduledTime: currentWorld().now() }),
        );
        await this.#tellAlarm();
        return true;
      }

      async setBack(to: number, alarmAt: number | null): Promise<void> {
        const { storage } = this.ctx;
        if (to === 0) await storage.deleteAll();
        const tables = storage.sql
          .exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE name IN ('event', 'idempotency', 'snapshot')`)
          .toArray();
        for (const { name } of tables) storage.sql.exec(`DELETE FROM ${name} WHERE version > ?`, to);
        if (alarmAt === null) await storage.deleteAlarm();
        else await storage.setAlarm(alarmAt);
        await storage.sync();
      }

      async crash(): Promise<void> {
        this.ctx.abort('crash');
      }

      async #tellAlarm(): Promise<void> {
        const { sql } = this.ctx.storage;
        const dueAt = await this.ctx.storage.getAlarm();
        const hasLog = sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'event'`).toArray().length > 0;
        const head = hasLog
          ? sql.exec<{ head: number }>(`SELECT coalesce(max(version), 0) AS head FROM event`).one().head
          : 0;
        currentWorld().objects.alarmIs(this.#stream, dueAt);
        if (dueAt === null) currentWorld().objects.isDelivered(this.#stream, head);
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
