import { timestamp } from '../platform/clock.ts';
import { countArchived } from '../archive/archive.ts';
import { type Build, activeBuilds, latestBuild } from '../projections/build.ts';
import { endBuild, startBuild } from './build-transitions.ts';
import { UNBUILT, makePointer, readPointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import type { RebuildContext } from './build-context.ts';

/** Runs the work of builds, outside of any request. */
export interface BuildRunner {
  launch(projection: string, build: string): Promise<void>;
  /** Makes a silent build go on. `ended` if its work has ended and cannot go on. */
  revive(projection: string, build: string): Promise<'goes-on' | 'ended'>;
  /** Stops the build's work, if there is any. */
  stop(build: string): Promise<void>;
}

/** The part of the system that requests for builds use. */
export interface BuildRequestContext extends RebuildContext {
  readonly runner: BuildRunner;
}

export interface BuildWishes {
  /** Swaps the build in even if it differs from the live slot. Default: false. */
  readonly acceptsDifferences?: boolean;
  /** Only compares. An operator can then accept the build, which swaps it in. Default: false. */
  readonly isTrial?: boolean;
}

export type RequestOutcome =
  | { readonly outcome: 'started'; readonly id: string }
  /** Another build is active. A projection has one at a time. */
  | { readonly outcome: 'running'; readonly build: Build }
  /** The projection only appends, so it cannot be rebuilt. */
  | { readonly outcome: 'append-only' };

/** Starts a build of a projection's newest revision. */
export async function requestBuild(
  context: BuildRequestContext,
  projection: Projection,
  { acceptsDifferences = false, isTrial = false }: BuildWishes = {},
): Promise<RequestOutcome> {
  const { databaseOf, archive, runner, clock } = context;
  if (projection.everyEvent) return { outcome: 'append-only' };
  const database = databaseOf(projection.group);
  const id = clock.newId();
  const total = await countArchived(databaseOf(archive.group), archive, projection);
  const at = timestamp(clock);
  const started = await startBuild(database, projection, { id, acceptsDifferences, isTrial, total, at });
  if (started.outcome === 'running') return started;
  try {
    await runner.launch(projection.name, id);
  } catch (error) {
    await failBuild(context, projection, id, `its work could not be started: ${String(error)}`);
    throw error;
  }
  return { outcome: 'started', id };
}

/** Cancels a build. Returns false if it is no longer active. The live slot is not affected. */
export async function cancelBuild(context: BuildRequestContext, projection: Projection, id: string): Promise<boolean> {
  const { databaseOf, runner, clock } = context;
  const end = { state: 'cancelled', at: timestamp(clock) } as const;
  const isCancelled = await endBuild(databaseOf(projection.group), projection.name, id, end);
  if (isCancelled) await runner.stop(id);
  return isCancelled;
}

async function failBuild(
  { databaseOf, clock }: BuildRequestContext,
  { name, group }: Projection,
  id: string,
  message: string,
): Promise<void> {
  const end = { state: 'failed', at: timestamp(clock), error: { message } } as const;
  await endBuild(databaseOf(group), name, id, end);
}

/** Time, in ms, after which a build that has recorded nothing has probably lost its worker. */
const SILENT_MS = 30_000;
/** The same for a build whose last try failed: it may be waiting for the next try. */
const SILENT_IN_TROUBLE_MS = 10 * 60_000;

/**
 * Makes silent builds go on, for example after a crash. Starts the first build of projections that never had one. Leaves a failed build to an
 * operator.
 */
export async function tendBuilds(context: BuildRequestContext, projections: readonly Projection[]): Promise<void> {
  for (const projection of projections) {
    try {
      await tendBuild(context, projection);
      const pointer = await readPointer(context.databaseOf(projection.group), projection.name);
      if (!pointer || pointer.live.revision === UNBUILT) await startFirstBuild(context, projection);
    } catch (error) {
      // A projection that fails here, for example while its database is away, does not hold up the others.
      context.report('build.not-tended', { projection: projection.name, error: String(error) });
    }
  }
}

/** Makes the projection's build go on if it is silent. */
export async function tendBuild(context: BuildRequestContext, projection: Projection): Promise<void> {
  const { databaseOf, runner, clock, report } = context;
  for (const build of await activeBuilds(databaseOf(projection.group), projection.name)) {
    const isWorking = build.state !== 'awaiting-acceptance';
    const patienceMs = build.error ? SILENT_IN_TROUBLE_MS : SILENT_MS;
    if (!isWorking || clock.now() - Date.parse(build.updatedAt) < patienceMs) continue;
    const revived = await runner.revive(projection.name, build.id);
    report('build.was-silent', { projection: projection.name, build: build.id, revived });
    if (revived === 'ended') {
      const message = build.error?.message ?? 'the Workflow of the build ended without a word';
      await failBuild(context, projection, build.id, message);
    }
  }
}

/** Tends the build of a projection, and starts the first one if it never had one. Never throws. */
export async function ensureBuilt(context: BuildRequestContext, name: string): Promise<void> {
  try {
    await tendBuilds(context, [newestOf(context, name)]);
  } catch (error) {
    context.report('build.not-started', { projection: name, error: String(error) });
  }
}

/** The active build of a projection. Undefined if there is none, or if its database does not answer. */
export async function buildInProgress(
  context: Pick<SystemContext, 'registry' | 'databaseOf'>,
  name: string,
): Promise<Build | undefined> {
  try {
    return (await activeBuilds(context.databaseOf(newestOf(context, name).group), name))[0];
  } catch {
    return undefined;
  }
}

function newestOf({ registry }: Pick<SystemContext, 'registry'>, name: string): Projection {
  const projection = registry.revisionsOf(name).at(-1);
  if (!projection) throw new Error(`there is no projection ${name}`);
  return projection;
}

/** Starts a projection's first build, unless one was tried before. */
async function startFirstBuild(context: BuildRequestContext, projection: Projection): Promise<void> {
  const database = context.databaseOf(projection.group);
  // A projection that only appends is live at once. The catch-up reads what it has missed from the logs.
  if (projection.everyEvent)
    return makePointer(database, projection.name, { revision: projection.revision, slot: 'a' });
  if (await latestBuild(database, projection.name)) return;
  const { outcome } = await requestBuild(context, projection);
  context.report('build.first', { projection: projection.name, outcome });
}
