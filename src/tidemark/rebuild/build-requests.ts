import { countArchived } from '../archive/archive.ts';
import { type Build, activeBuilds, latestBuild } from './build.ts';
import { endBuild, startBuild } from './build-transitions.ts';
import { UNBUILT, makePointer, readPointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import type { RebuildContext } from './build-context.ts';

/** What does a build's work, outside of any request. */
export interface BuildRunner {
  launch(projection: string, build: string): Promise<void>;
  /** Sees to it that a build which has been silent goes on. `ended` when there is nothing that could. */
  revive(projection: string, build: string): Promise<'goes-on' | 'ended'>;
  /** Stops its work, if there is any. */
  stop(build: string): Promise<void>;
}

/** The part of the system that requests for builds work with. */
export interface BuildRequestContext extends RebuildContext {
  readonly runner: BuildRunner;
}

export interface BuildWishes {
  /** Differences from what is live need nobody's consent. */
  readonly acceptsDifferences?: boolean;
  /** Compares only, and leaves the swap to whoever accepts it. */
  readonly isTrial?: boolean;
}

export type RequestOutcome =
  | { readonly outcome: 'started'; readonly id: string }
  /** One build at a time: this one is on its way. */
  | { readonly outcome: 'running'; readonly build: Build }
  /** The projection only appends, so there is nothing that could be built anew. */
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
  const at = new Date(clock.now()).toISOString();
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

/** Cancels a build; false when it is not on its way any more. What is live has no part in it. */
export async function cancelBuild(context: BuildRequestContext, projection: Projection, id: string): Promise<boolean> {
  const { databaseOf, runner, clock } = context;
  const end = { state: 'cancelled', at: new Date(clock.now()).toISOString() } as const;
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
  const end = { state: 'failed', at: new Date(clock.now()).toISOString(), error: { message } } as const;
  await endBuild(databaseOf(group), name, id, end);
}

/** A build that has written nothing down for so long has probably lost whoever did its work. */
const SILENT_MS = 30_000;
/** One whose last try met trouble may just be waiting for its next one. */
const SILENT_IN_TROUBLE_MS = 10 * 60_000;

/**
 * Has builds that fell silent go on (after a crash, say), and starts the first build of projections that never had one. One that failed is
 * left to an operator.
 */
export async function tendBuilds(context: BuildRequestContext, projections: readonly Projection[]): Promise<void> {
  for (const projection of projections) {
    try {
      await tendBuild(context, projection);
      const pointer = await readPointer(context.databaseOf(projection.group), projection.name);
      if (!pointer || pointer.live.revision === UNBUILT) await startFirstBuild(context, projection);
    } catch (error) {
      // One that cannot be seen to, as while its database is away, does not hold up the others.
      context.report('build.not-tended', { projection: projection.name, error: String(error) });
    }
  }
}

/** Has the projection's build go on if it fell silent. */
export async function tendBuild(context: BuildRequestContext, projection: Projection): Promise<void> {
  const { databaseOf, runner, clock, report } = context;
  for (const build of await activeBuilds(databaseOf(projection.group), projection.name)) {
    const isWorking = build.state !== 'awaiting-acceptance';
    const patienceMs = build.error ? SILENT_IN_TROUBLE_MS : SILENT_MS;
    if (!isWorking || clock.now() - Date.parse(build.updatedAt) < patienceMs) continue;
    const revived = await runner.revive(projection.name, build.id);
    report('build.was-silent', { projection: projection.name, build: build.id, revived });
    if (revived === 'ended') {
      const message = build.error?.message ?? 'whoever did its work ended without a word';
      await failBuild(context, projection, build.id, message);
    }
  }
}

/** Tends the build of a projection, and starts the first one where there is none. Never throws. */
export async function ensureBuilt(context: BuildRequestContext, name: string): Promise<void> {
  try {
    await tendBuilds(context, [newestOf(context, name)]);
  } catch (error) {
    context.report('build.not-started', { projection: name, error: String(error) });
  }
}

/** The active build of a projection. Undefined when there is none, or when its database does not answer. */
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
  // What only appends is live at once: catch-up fetches what it has missed from the logs.
  if (projection.everyEvent)
    return makePointer(database, projection.name, { revision: projection.revision, slot: 'a' });
  if (await latestBuild(database, projection.name)) return;
  const { outcome } = await requestBuild(context, projection);
  context.report('build.first', { projection: projection.name, outcome });
}
