import { timestamp } from '../platform/clock.ts';
import { type Build, type BuildError, activeBuild, noteProgress } from '../projections/build.ts';
import type { CatchUp } from '../catch-up/catch-up.ts';
import { type Pointer, isSameTarget } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { type Throttle, adaptiveThrottle } from './throttle.ts';

/** The part of the system that builds use. */
export interface RebuildContext extends Pick<SystemContext, 'databaseOf' | 'registry' | 'clock' | 'report'> {
  readonly catchUp: CatchUp;
  /** The archive, from which a build replays. */
  readonly archive: Projection;
  /** The longest life, in ms, of a consumer of the former Worker. Such a consumer moves only the live slot and does not know a new revision. */
  readonly buildGraceMs: number;
  /** The most pages of one step. Default: as many as one invocation may take. */
  readonly pagesAStep?: number;
}

/** An invocation may send a database 1,000 statements. A page takes about 15, and more if its streams have to be searched. */
const STEP_PAGES = 40;

/** What the steps of one build share. */
export interface BuildContext extends Required<RebuildContext> {
  /** The name of the projection. */
  readonly name: string;
  readonly id: string;
  /** The database of the projection's group. */
  readonly database: D1Database;
  /** Now, as RFC 3339. */
  readonly at: () => string;
  /** Each of its rests records that the build goes on. */
  readonly throttle: Throttle;
}

export function buildContext(context: RebuildContext, name: string, id: string): BuildContext {
  const { databaseOf, registry, clock, pagesAStep = STEP_PAGES } = context;
  const group = registry.revisionsOf(name)[0]?.group;
  if (!group) throw new Error(`this Worker has no code for ${name}`);
  const database = databaseOf(group);
  const at = () => timestamp(clock);
  const throttle = adaptiveThrottle(clock.now, () => noteProgress(database, id, { at: at() }));
  return { ...context, name, id, database, at, pagesAStep, throttle };
}

/**
 * Ends the work of a build, without another try of its step. With `why`, the build cannot be finished. Without it, the build has already ended: an
 * operator cancelled it, or it failed in a consumer's batch.
 */
export class BuildEnded extends Error {
  override readonly name = 'BuildEnded';
  readonly why: BuildError | undefined;

  constructor(why?: BuildError) {
    super(why?.message);
    this.why = why;
  }
}

/** An active build and the pointer, from one snapshot. */
export interface ActiveBuild {
  readonly build: Build;
  readonly pointer: Pointer;
  /** The code for the build's revision. */
  readonly projection: Projection;
  /** Whether every guarded batch moves the build. */
  readonly hasJoined: boolean;
}

/** Reads the build and the pointer. Each page of each step reads them again. */
export async function current({ database, name, id, registry }: BuildContext): Promise<ActiveBuild> {
  const active = await activeBuild(database, name, id);
  if (!active) throw new BuildEnded();
  const { target } = active.build;
  const projection = registry.revisionsOf(name).find(({ revision }) => revision === target.revision);
  // The step is tried again, and the build does not fail: the Worker that has the code may come back.
  if (!projection) throw new Error(`this Worker has no code for revision ${target.revision} of ${name}`);
  return { ...active, projection, hasJoined: active.pointer.moved.some((moved) => isSameTarget(moved, target)) };
}
