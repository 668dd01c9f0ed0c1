import { DurableObject } from 'cloudflare:workers';

import type { Clock } from '../platform/clock.ts';
import type { StreamId } from '../domain/stream.ts';
import {
  type Aggregate,
  type AggregateOptions,
  type AggregateState,
  type AsOf,
  type CodeTooOld,
  type ExecuteAnswer,
  type ExecuteRequest,
  type ExecuteResult,
  type LogPage,
  type ReplayRequest,
  createAggregate,
} from './aggregate.ts';
import type { AnyAggregateType } from '../domain/aggregate-type.ts';
import type { AggregateRpc } from './aggregates.ts';
import { type EventLogOptions, sqliteEventLog } from './event-log.ts';
import { type Relay, type RelayOptions, type RelayPorts, createRelay } from './relay.ts';

/** The dependencies that all objects of a deployment share. */
export interface AggregateHost extends Pick<RelayPorts, 'groupsOf' | 'send' | 'versionsReached' | 'report'> {
  readonly clock: Clock;
  readonly typeOf: (stream: StreamId) => AnyAggregateType;
  readonly eventLogOptions?: EventLogOptions;
  readonly aggregateOptions?: AggregateOptions;
  readonly relayOptions?: RelayOptions;
}

/**
 * The Durable Object class that holds aggregates: one object for each stream, one class for every category. It only connects the platform's storage,
 * alarm and lifetime to the aggregate and its relay.
 */
export function aggregateObject<Env>(hostOf: (env: Env) => AggregateHost) {
  return class AggregateObject extends DurableObject<Env> implements AggregateRpc {
    readonly #aggregate: Aggregate;
    readonly #relay: Relay;

    constructor(ctx: DurableObjectState, env: Env) {
      super(ctx, env);
      const host = hostOf(env);
      const storage = sqliteEventLog(ctx.storage, host.eventLogOptions);
      this.#relay = createRelay(
        {
          ...host,
          storage,
          alarm: {
            at: () => ctx.storage.getAlarm(),
            // Not awaited: the write joins the transaction of this turn, and the output gate holds the answer until the write is durable.
            set: (dueAt) => ctx.storage.setAlarm(dueAt),
            clear: () => void ctx.storage.deleteAlarm(),
          },
          inBackground: (work) => ctx.waitUntil(work),
        },
        host.relayOptions,
      );
      this.#aggregate = createAggregate({ ...host, storage, armAlarm: this.#relay.expect }, host.aggregateOptions);
    }

    async execute(request: ExecuteRequest): Promise<ExecuteAnswer> {
      // The only await before the commit. Load, decide and append then run in one turn, so nothing interleaves with them.
      await this.#relay.prepare();
      this.#relay.rescueAlarm();
      // Nothing after the commit may throw. If this method throws, the caller concludes that the command was not applied (runtime-errors.ts).
      return this.#aggregate.execute(request);
    }

    async executeOwned(request: ExecuteRequest): Promise<ExecuteAnswer> {
      return this.execute(request);
    }

    async replay(request: ReplayRequest): Promise<ExecuteResult | undefined> {
      this.#relay.rescueAlarm();
      return this.#aggregate.replay(request);
    }

    async load(fromVersion: number, limit: number): Promise<LogPage> {
      this.#relay.rescueAlarm();
      return this.#aggregate.load(fromVersion, limit);
    }

    async currentVersion(): Promise<number> {
      this.#relay.rescueAlarm();
      return this.#aggregate.currentVersion();
    }

    async state(stream: StreamId, asOf: AsOf | undefined): Promise<AggregateState | CodeTooOld | undefined> {
      this.#relay.rescueAlarm();
      return this.#aggregate.state(stream, asOf);
    }

    override async alarm(info?: AlarmInvocationInfo): Promise<void> {
      await this.#relay.onAlarm({ isRetry: info?.isRetry ?? false });
    }
  };
}
