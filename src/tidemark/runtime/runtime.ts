import { type Env, databaseOf, queueOf } from '../../bindings.ts';
import type { Clock } from '../platform/clock.ts';
import { DatabaseUnavailableError } from '../platform/faults.ts';
import type { Group } from '../platform/group.ts';
import type { HintMessage } from '../write/message.ts';
import type { EventSourcedModule } from '../projections/event-sourced-module.ts';
import { type Build, activeBuilds } from '../rebuild/build.ts';
import { type BuildPorts, type BuildRunner, tendBuilds } from '../rebuild/build-requests.ts';
import { type CatchUpOptions, type CatchUpResult, catchUp } from '../catch-up/catch-up.ts';
import type { CatchUpRequest } from '../catch-up/stream-progress.ts';
import type { CausalReadPorts } from '../queries/causal-read.ts';
import { liveVersions } from '../queries/live-versions.ts';
import type { Refusal } from '../dead-letters/dead-letter.ts';
import type { DeadLetterPorts } from '../dead-letters/dead-letter-operations.ts';
import { type Pointer, type Target, pointerCache } from '../projections/pointer.ts';
import { failTarget } from '../rebuild/build-transitions.ts';
import type { Projection } from '../projections/projection.ts';
import type { ProjectionStatusPorts } from '../monitoring/projection-status.ts';
import type { ProjectionWorkerPorts } from '../catch-up/projection-worker.ts';
import { workflowRunner } from '../rebuild/rebuild-workflow.ts';
import { singleFlight } from '../queries/single-flight.ts';
import type { SweepPorts } from '../catch-up/sweep.ts';
import { type TokenCodec, tokenCodec } from '../queries/token-codec.ts';
import type { Registry } from '../projections/registry.ts';
import type { StreamId } from '../domain/stream.ts';
import type { AggregateOptions } from '../write/aggregate.ts';
import type { AggregateHost } from '../write/aggregate-object.ts';
import { type AggregateRpc, type Aggregates, durableAggregates } from '../write/aggregates.ts';
import { type CommandBus, type CommandHandlers, createCommandBus } from '../write/command-bus.ts';
import { reportingBus } from '../write/command-log.ts';
import type { RelayOptions } from '../write/relay.ts';
import { systemClock } from '../platform/system-clock.ts';
import { log } from '../platform/log.ts';
import { tokenSettings } from './token-settings.ts';

export interface SendOptions {
  /** How long the queue keeps the message back, in seconds. Default: not at all. */
  readonly delaySeconds?: number;
}

/** The ports to the platform. Production uses them as they are here; tests replace single ones, to inject faults. */
export interface Platform {
  readonly clock: Clock;
  readonly aggregateStub: (env: Env, stream: StreamId) => AggregateRpc;
  readonly send: (env: Env, group: Group, message: HintMessage, options?: SendOptions) => Promise<void>;
  readonly database: (env: Env, group: Group) => D1Database;
  readonly aggregateOptions?: AggregateOptions;
  readonly relayOptions?: RelayOptions;
  /** How long a causal read may wait, in ms. */
  readonly causalTimeoutMs?: number;
  readonly buildRunner: (env: Env) => BuildRunner;
}

export const cloudflare: Platform = {
  clock: systemClock,
  aggregateStub: (env, stream) => env.AGGREGATES.get(env.AGGREGATES.idFromName(stream)) as unknown as AggregateRpc,
  send: async (env, group, message, options = {}) => {
    await queueOf(env, group).send(message, { ...options, contentType: 'json' });
  },
  database: databaseOf,
  buildRunner: (env) => workflowRunner(env.REBUILDS),
};

/** Longer than a consumer of the Worker before this one can live. */
const BUILD_GRACE_S = 20 * 60;

/** Everything that a request, a queue batch or an object needs, put together once for each isolate. */
export interface Runtime {
  readonly registry: Registry;
  /** Put together when it is first asked for: an object that only publishes must not depend on any command handler. */
  readonly bus: () => CommandBus<CommandHandlers>;
  readonly aggregates: Aggregates;
  readonly clock: Clock;
  readonly reads: CausalReadPorts;
  readonly causalTimeoutMs: number | undefined;
  readonly catchUp: (
    projection: Projection,
    requests: readonly CatchUpRequest[],
    options?: CatchUpOptions,
  ) => Promise<CatchUpResult>;
  readonly builds: BuildPorts;
  /** The build of a projection that is on its way; undefined when there is none, or none can be found out about. */
  buildInProgress(name: string): Promise<Build | undefined>;
  /** Starts the first build of a projection that never had one. Never throws. */
  ensureBuilt(name: string): Promise<void>;
  /** What the operations on a projection's dead letters stand on. */
  readonly deadLetters: (projection: Projection) => DeadLetterPorts;
  readonly databaseOf: (group: Group) => D1Database;
  readonly worker: ProjectionWorkerPorts;
  /** For whoever asks how the projections are; it remembers the look before, for the rate. */
  readonly status: ProjectionStatusPorts;
  readonly sweep: SweepPorts;
  readonly aggregateHost: AggregateHost;
  /** Throws when the deployment has no key for tokens, or one that is too short. */
  tokens(): TokenCodec;
  /** How often databases were restored, as the operator counts. */
  readonly restoreEpoch: number;
}

/** Puts the system together for an environment. Runs no code of the domain. */
export function createRuntime(
  env: Env,
  modules: readonly EventSourcedModule[],
  registry: Registry,
  archive: Projection,
  platform: Platform,
): Runtime {
  const { clock } = platform;
  const aggregates = durableAggregates((stream) => platform.aggregateStub(env, stream));
  const database = (group: Group) => platform.database(env, group);
  const send = (group: Group, message: HintMessage, options?: SendOptions) =>
    platform.send(env, group, message, options);
  const pointers = pointerCache();

  /** When the database of a group last refused a write for want of storage: /health tells. */
  const storageRefusedAt = new Map<string, number>();

  async function runCatchUp(
    projection: Projection,
    requests: readonly CatchUpRequest[],
    options: CatchUpOptions = {},
  ): Promise<CatchUpResult> {
    const ports = {
      database: database(projection.group),
      pointers,
      loadEvents: aggregates.load,
      revisionOf: registry.revisionOf,
      failTarget: (name: string, pointer: Pointer, target: Target, refusal: Refusal) =>
        failTarget(database(projection.group), name, pointer, target, refusal, new Date(clock.now()).toISOString()),
      now: clock.now,
      random: clock.random,
      report: log,
    };
    const { name: group } = projection.group;
    try {
      const result = await catchUp(ports, projection.name, requests, options);
      if (result.applied > 0) storageRefusedAt.delete(group);
      return result;
    } catch (error) {
      // An object may be switched off while the databases are not.
      if (error instanceof DatabaseUnavailableError) storageRefusedAt.set(group, clock.now());
      throw error;
    }
  }

  let bus: CommandBus<CommandHandlers> | undefined;
  const settings = tokenSettings(env);
  let codec: TokenCodec | undefined;
  function tokens(): TokenCodec {
    if ('error' in settings) throw new Error(settings.error);
    codec ??= tokenCodec(settings.secrets, { format: settings.format, now: clock.now });
    return codec;
  }

  const builds: BuildPorts = {
    databaseOf: database,
    archive,
    revisionsOf: registry.revisionsOf,
    catchUp: runCatchUp,
    now: clock.now,
    clock,
    report: log,
    buildGraceMs: Number(env.BUILD_GRACE_S ?? BUILD_GRACE_S) * 1000,
    runner: platform.buildRunner(env),
  };
  function newestOf(name: string): Projection {
    const projection = registry.revisionsOf(name).at(-1);
    if (!projection) throw new Error(`there is no projection ${name}`);
    return projection;
  }
  async function ensureBuilt(name: string): Promise<void> {
    try {
      await tendBuilds(builds, [newestOf(name)]);
    } catch (error) {
      log('build.not-started', { projection: name, error: String(error) });
    }
  }

  return {
    registry,
    bus() {
      bus ??= reportingBus(
        createCommandBus(...modules.map(({ commands }) => commands({ aggregates, clock }))),
        clock,
        log,
      );
      return bus;
    },
    aggregates,
    clock,
    reads: {
      databaseOf: database,
      pointers,
      catchUp: runCatchUp,
      loadEvents: aggregates.load,
      flights: singleFlight(undefined, clock.now),
      now: clock.now,
      random: clock.random,
      report: log,
    },
    causalTimeoutMs: platform.causalTimeoutMs,
    catchUp: runCatchUp,
    builds,
    async buildInProgress(name) {
      try {
        return (await activeBuilds(database(newestOf(name).group), name))[0];
      } catch {
        return undefined;
      }
    },
    ensureBuilt,
    deadLetters: (projection) => ({
      projection,
      database: database(projection.group),
      loadEvents: aggregates.load,
      revisionOf: registry.revisionOf,
      catchUp: (requests, options) => runCatchUp(projection, requests, options),
      forgetPointer: () => pointers.drop(projection.name),
      send: (message) => send(projection.group, message),
      now: clock.now,
      random: clock.random,
      report: log,
    }),
    databaseOf: database,
    worker: {
      projectionsOf: registry.projectionsOf,
      groupsOf: registry.groupsOf,
      catchUp: runCatchUp,
      ensureBuilt,
      send,
      report: log,
    },
    status: {
      registry,
      databaseOf: database,
      loadEvents: aggregates.load,
      clock,
      samples: new Map(),
      storageRefusedAt,
      report: log,
    },
    sweep: { registry, databaseOf: database, loadEvents: aggregates.load, send, clock, report: log },
    tokens,
    restoreEpoch: 'error' in settings ? 0 : settings.restoreEpoch,
    aggregateHost: {
      clock,
      typeOf: registry.typeOf,
      groupsOf: registry.groupsOf,
      send,
      async versionsReached(group, stream, names) {
        const projections = registry
          .projectionsFollowing(stream)
          .filter((projection) => projection.group === group && (names?.includes(projection.name) ?? true));
        const versions = await liveVersions(database(group), projections, [stream]);
        // What a dead letter holds counts as delivered: another message would bring it no further. Nor would it a projection whose first
        // build has failed: the next one takes the event from the archive, whose delivery is checked by itself.
        return new Map(
          versions.flatMap(({ projection, version, eventId, isHeld, awaitsBuild }) =>
            isHeld || awaitsBuild ? [] : [[projection, { version, eventId }]],
          ),
        );
      },
      report: log,
      ...(platform.aggregateOptions && { aggregateOptions: platform.aggregateOptions }),
      ...(platform.relayOptions && { relayOptions: platform.relayOptions }),
    },
  };
}
