import { log } from '../platform/log.ts';
import { pointerCache } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { EventSourcedModule } from '../projections/event-sourced-module.ts';
import type { Registry } from '../projections/registry.ts';
import type { SystemContext } from '../projections/system-context.ts';
import type { AggregateHost } from '../write/aggregate-object.ts';
import { durableAggregates } from '../write/aggregates.ts';
import { type CommandBus, type CommandHandlers, createCommandBus } from '../write/command-bus.ts';
import { reportingBus } from '../write/command-log.ts';
import { type AfterAnswer, afterAnswer } from '../catch-up/after-answer.ts';
import { type CatchUp, catchUp } from '../catch-up/catch-up.ts';
import type { ProjectionWorkerContext } from '../catch-up/projection-worker.ts';
import type { CausalReadContext } from '../queries/causal-read.ts';
import { versionsReached } from '../queries/live-versions.ts';
import { singleFlight } from '../queries/single-flight.ts';
import { type TokenCodec, tokenCodec } from '../queries/token-codec.ts';
import { type BuildRequestContext, ensureBuilt } from '../rebuild/build-requests.ts';
import type { ProjectionStatusContext } from '../monitoring/projection-status.ts';
import { keepsKeysInTable, sharesCheckpoints } from './former-formats.ts';
import type { Platform } from './platform.ts';
import type { Settings } from './settings.ts';
import { tokenSettings } from './token-settings.ts';

/** In seconds. Longer than a consumer of the former Worker can live. */
const BUILD_GRACE_S = 20 * 60;

/** Everything that a request, a queue batch or an object needs. One for each isolate and environment. */
export interface Runtime
  extends SystemContext, ProjectionWorkerContext, CausalReadContext, BuildRequestContext, ProjectionStatusContext {
  /** Made at the first call, since an object that only publishes must not depend on any command handler. */
  bus(): CommandBus<CommandHandlers>;
  /** Throws if the deployment has no key for tokens, or one that is too short. */
  tokens(): TokenCodec;
  /** The number of restores of databases, as the operator counts them. */
  readonly restoreEpoch: number;
  readonly causalTimeoutMs: number | undefined;
  readonly aggregateHost: AggregateHost;
  readonly afterAnswer: AfterAnswer;
}

/** What every environment of a Worker shares. */
export interface System<Env> {
  readonly modules: readonly EventSourcedModule[];
  readonly registry: Registry;
  readonly archive: Projection;
  readonly platform: Platform<Env>;
}

/** Puts the system together for an environment. Runs no code of the domain. */
export function createRuntime<Env extends Settings>(env: Env, system: System<Env>): Runtime {
  const { modules, registry, archive, platform } = system;
  const { clock } = platform;
  const settings = tokenSettings(env);

  const context: SystemContext = {
    clock,
    report: log,
    registry,
    databaseOf: (group) => platform.database(env, group),
    aggregates: durableAggregates((stream) => platform.aggregateStub(env, stream)),
    pointers: pointerCache(),
    send: (group, message, options) => platform.send(env, group, message, options),
    storageRefusedAt: new Map(),
    sharesCheckpoints: sharesCheckpoints(env),
  };
  const catchUpHere: CatchUp = (projection, requests, options) => catchUp(context, projection, requests, options);
  const builds = {
    ...context,
    catchUp: catchUpHere,
    archive,
    buildGraceMs: Number(env.BUILD_GRACE_S ?? BUILD_GRACE_S) * 1000,
    runner: platform.buildRunner(env),
  } satisfies BuildRequestContext;

  const flights = singleFlight(undefined, clock.now);
  return {
    ...builds,
    ensureBuilt: (name) => ensureBuilt(builds, name),
    flights,
    afterAnswer: afterAnswer({ ...context, flights }, platform.afterAnswerOptions),
    samples: new Map(),
    bus: lazily(() =>
      reportingBus(createCommandBus(...modules.map(({ commands }) => commands(context))), clock, context.report),
    ),
    tokens: lazily(() => {
      if ('error' in settings) throw new Error(settings.error);
      return tokenCodec(settings.secrets, { format: settings.format, now: clock.now });
    }),
    restoreEpoch: 'error' in settings ? 0 : settings.restoreEpoch,
    causalTimeoutMs: platform.causalTimeoutMs,
    aggregateHost: {
      ...context,
      typeOf: registry.typeOf,
      groupsOf: registry.groupsOf,
      versionsReached: (group, stream, names) => versionsReached(context, group, stream, names),
      eventLogOptions: { keysInTable: keepsKeysInTable(env) },
      ...(platform.aggregateOptions && { aggregateOptions: platform.aggregateOptions }),
      ...(platform.relayOptions && { relayOptions: platform.relayOptions }),
    },
  };
}

/** Makes a value at the first call, and returns the same one after that. */
function lazily<Value extends object>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => (made ??= make());
}
