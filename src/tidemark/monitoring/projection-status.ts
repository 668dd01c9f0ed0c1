import { positionsOf } from '../projections/checkpoint.ts';
import { isActive } from '../projections/build.ts';
import type { FormerSlot } from '../rebuild/former-slot.ts';
import type { Group } from '../platform/group.ts';
import { TimeoutError, withTimeout } from '../platform/timeout.ts';
import { type CategoryLag, type LiveProjection, findOldestUnapplied } from './oldest-unapplied.ts';
import type { HealthContext } from './health.ts';
import type { Target } from '../projections/pointer.ts';
import type { SystemContext } from '../projections/system-context.ts';
import {
  type BuildProgress,
  type ProjectionCondition,
  askEveryGroup,
  conditionStatement,
  toConditions,
} from './projection-condition.ts';
import type { Projection, ProjectionMode } from '../projections/projection.ts';
import type { Slot } from '../projections/slot-tables.ts';

/** The status of a projection, for an operator. */
export interface ProjectionStatus {
  readonly name: string;
  readonly group: string;
  readonly mode: ProjectionMode;
  /** The live revision. Null if nothing is live, or if the database does not answer. */
  readonly revision: number | null;
  /** The newest revision that this Worker has code for. */
  readonly codeRevision: number;
  readonly slot: Slot | null;
  readonly state: ProjectionState;
  /** Null if nothing is live, or if the database does not answer. */
  readonly lag: ProjectionLag | null;
  /**
   * Events applied per second since the previous status. Null if there is no previous status: of this isolate, of the same tables, and within five
   * minutes.
   */
  readonly rate: number | null;
  /** See `isStalled`. */
  readonly stalled: boolean;
  /** The number of streams that an open dead letter holds. Null if the database does not answer. */
  readonly deadLetters: number | null;
  /** The error that every stream meets, in the database's words. Null if there is none, or if the database does not answer. */
  readonly fault: string | null;
  /** The active build. Null if there is none. */
  readonly build: BuildProgress | null;
  /** The slot that a rollback would make live, and until when. Null if no rollback is possible. */
  readonly rollback: FormerSlot | null;
}

export type ProjectionState =
  | 'live'
  /** Nothing is live yet: there is no pointer, or the first build is not done. */
  | 'building'
  /** This Worker has no code for the live revision. */
  | 'no-code'
  /** Its database does not answer. */
  | 'unreachable';

export interface ProjectionLag {
  /**
   * The number of unapplied events. For each category, it compares with the projection of any group that has applied the most. A lower bound, since
   * no log is read. Exact as soon as one projection has applied everything.
   */
  readonly events: number;
  /**
   * The age of the oldest unapplied event, in ms; 0 if nothing lags. A lower bound if the bounded search does not reach that event (see
   * `findOldestUnapplied`). Null if the logs or another database did not answer.
   */
  readonly ms: number | null;
}

/** An older status says nothing about how a projection moves now. */
const MAX_SAMPLE_AGE_MS = 5 * 60_000;

/** What the previous status saw of a projection. */
export interface Sample {
  readonly at: number;
  readonly live: Target;
  readonly applied: number;
}

/** The part of the system that the status reads. */
export interface ProjectionStatusContext extends HealthContext, Pick<SystemContext, 'aggregates'> {
  /** The samples of the previous status, by projection. The rate is the difference between two. */
  readonly samples: Map<string, Sample>;
}

export interface ProjectionStatusOptions {
  /** Time, in ms, that a database may take to answer, and then the search for the age of the lag. Default: 10,000. */
  readonly timeoutMs?: number;
}

/** The sum over the streams of one category in one projection's live slot. */
interface Sum {
  readonly projection: string;
  readonly category: string;
  readonly applied: number;
  readonly newestId: string;
}

/** The answer of a group's database: the condition of each of its projections, and what each has applied. */
interface GroupAnswer {
  readonly conditions: ReadonlyMap<string, ProjectionCondition>;
  readonly sums: readonly Sum[];
}

/**
 * The status of every projection, or of the one named `only`. Reads each live checkpoint once to add them up, and more only if a projection lags. If
 * a database does not answer, its projections are `unreachable`. The other projections are then not compared with them.
 */
export async function projectionStatuses(
  context: ProjectionStatusContext,
  only?: string,
  options: ProjectionStatusOptions = {},
): Promise<readonly ProjectionStatus[]> {
  const { registry, clock } = context;
  const { timeoutMs = 10_000 } = options;
  const wanted = registry.groups
    .flatMap((group) => registry.projectionsOf(group))
    .filter(({ name }) => only === undefined || name === only);
  const categories = new Set(wanted.flatMap(({ follows }) => Object.keys(follows)));
  const { answers: asked } = await askEveryGroup(context, timeoutMs, (database, group) =>
    askGroup(database, registry.projectionsOf(group), categories),
  );
  const now = clock.now();
  const leaders = leadersOf(registry, asked);

  let hasTimedOut = false;
  /** The age of the oldest unapplied event, and its age without the streams that dead letters hold. */
  async function ageOf(projection: LiveProjection, lagging: readonly CategoryLag[], hasDeadLetters: boolean) {
    if (lagging.length === 0 && !hasDeadLetters) return { ms: 0, movableMs: 0 };
    const unknown = { ms: null, movableMs: null };
    // A search that timed out once would do so again for every projection.
    if (hasTimedOut) return unknown;
    try {
      const search = findOldestUnapplied(context, projection, lagging, hasDeadLetters);
      const { movable, held } = await withTimeout(search, timeoutMs);
      const [movableMs = 0, heldMs = 0] = [movable, held].map((at) => (at === undefined ? 0 : Math.max(0, now - at)));
      return { ms: Math.max(movableMs, heldMs), movableMs };
    } catch (error) {
      hasTimedOut ||= error instanceof TimeoutError;
      context.report('projection.lag-unknown', { projection: projection.name, error: String(error) });
      return unknown;
    }
  }

  async function statusOf(projection: Projection): Promise<ProjectionStatus> {
    const { name, group, mode, revision: codeRevision } = projection;
    const known = { name, group: group.name, mode, codeRevision };
    const unknown = { revision: null, slot: null, lag: null, rate: null, movableMs: null };
    const nothing = { ...unknown, build: null, fault: null, rollback: null };
    const answer = asked.get(group);
    const condition = answer?.conditions.get(name);
    if (!answer || !condition)
      return toStatus({ ...known, ...nothing, state: 'unreachable', deadLetters: null }, group);

    const { live, former, openDeadLetters: deadLetters, latestBuild } = condition;
    const fault = condition.fault?.kind ?? null;
    const build = latestBuild && isActive(latestBuild) ? latestBuild : null;
    if (!live) return toStatus({ ...known, ...nothing, state: 'building', deadLetters, build }, group);

    const own = answer.sums.filter((sum) => sum.projection === name);
    const rate = rateSince(context.samples, name, { at: now, live, applied: total(own) });
    const { events, lagging } = behind(projection, own, leaders);
    const { ms, movableMs } = await ageOf({ name, group, live }, lagging, deadLetters > 0);
    const state = registry.revisionOf(name, live.revision) ? 'live' : 'no-code';
    const rollback = former ?? null;
    const at = { lag: { events, ms }, movableMs, rate };
    return toStatus({ ...known, ...live, state, ...at, deadLetters, fault, build, rollback }, group);
  }

  // One after the other, since each may read several logs at a time.
  const statuses: ProjectionStatus[] = [];
  for (const projection of wanted) statuses.push(await statusOf(projection));
  return statuses;
}

function toStatus(
  { movableMs, ...status }: Omit<ProjectionStatus, 'stalled'> & Movement,
  group: Group,
): ProjectionStatus {
  return { ...status, stalled: isStalled({ ...status, movableMs }, group) };
}

/** The fields of a status that decide whether it is stalled. */
export interface Movement extends Pick<ProjectionStatus, 'state' | 'rate' | 'build'> {
  /** The lag, in ms, of the streams that no dead letter holds. Null if unknown. */
  readonly movableMs: number | null;
}

/**
 * Whether a projection does not move although it should, so that an operator has to look. That is so in three cases:
 *
 * - Its state is `no-code` or `unreachable`: nothing in this Worker can move it.
 * - Nothing is live and no build is active: nothing will become live.
 * - An event that no dead letter holds has waited for more than a minute, and for more than ten batch waits of the group's queue. And nothing was
 *   applied since the previous status, or there is none.
 *
 * Streams that a dead letter holds do not make a projection stalled: `deadLetters` counts them.
 */
export function isStalled(movement: Movement, { batchWaitMs }: Pick<Group, 'batchWaitMs'>): boolean {
  const { state, build, rate, movableMs } = movement;
  if (state === 'no-code' || state === 'unreachable') return true;
  if (state === 'building') return build === null;
  const patienceMs = Math.max(60_000, 10 * batchWaitMs);
  return movableMs !== null && movableMs > patienceMs && (rate === null || rate === 0);
}

/** SQL condition: '.' comes right after '-', so the range is exactly the category, and uses the primary keys. */
const IN_CATEGORY = `stream >= (wanted.value ->> 1) || '-' AND stream < (wanted.value ->> 1) || '.'`;

async function askGroup(
  database: D1Database,
  projections: readonly Projection[],
  categories: ReadonlySet<string>,
): Promise<GroupAnswer> {
  const wanted = projections.flatMap(({ name, follows }) =>
    Object.keys(follows).flatMap((category) => (categories.has(category) ? [[name, category]] : [])),
  );
  // -1: no limit.
  const [conditions, sums] = await database.batch<Record<string, unknown>>([
    conditionStatement(database, projections, -1),
    // A sum for each pair. A GROUP BY would sort all rows, which are then billed twice.
    database
      .prepare(
        `SELECT
          wanted.value ->> 0 AS projection,
          wanted.value ->> 1 AS category,
          (
            SELECT json_array(coalesce(sum(version), 0), coalesce(max(event_id), ''))
            FROM (${positionsOf('pointer.projection', 'pointer.live_slot', IN_CATEGORY)})
          ) AS added
        FROM json_each(?1) AS wanted
        CROSS JOIN projection_pointer AS pointer
          ON pointer.projection = wanted.value ->> 0 AND pointer.live_revision > 0`,
      )
      .bind(JSON.stringify(wanted)),
  ]);
  return {
    conditions: toConditions(conditions?.results ?? []),
    sums: (sums?.results ?? []).map(({ projection, category, added }) => {
      const [applied, newestId] = JSON.parse(added as string) as [number, string];
      return { projection: projection as string, category: category as string, applied, newestId };
    }),
  };
}

interface Leader extends LiveProjection {
  readonly applied: number;
}

/** For each category, the projection of any group that has applied the most events. */
function leadersOf(
  registry: SystemContext['registry'],
  asked: ReadonlyMap<Group, GroupAnswer>,
): ReadonlyMap<string, Leader> {
  const leaders = new Map<string, Leader>();
  for (const group of registry.groups) {
    const answer = asked.get(group);
    for (const { projection: name, category, applied } of answer?.sums ?? []) {
      const live = answer?.conditions.get(name)?.live;
      if (live && applied > (leaders.get(category)?.applied ?? 0))
        leaders.set(category, { name, group, live, applied });
    }
  }
  return leaders;
}

/** The number of events by which a projection is behind the leaders, and the categories in which it is. */
function behind(
  { follows }: Projection,
  own: readonly Sum[],
  leaders: ReadonlyMap<string, Leader>,
): { readonly events: number; readonly lagging: readonly CategoryLag[] } {
  let events = 0;
  const lagging: CategoryLag[] = [];
  for (const category of Object.keys(follows)) {
    const { applied = 0, newestId = '' } = own.find((sum) => sum.category === category) ?? {};
    const leader = leaders.get(category);
    if (!leader || leader.applied <= applied) continue;
    events += leader.applied - applied;
    lagging.push({ category, leader, newestId });
  }
  return { events, lagging };
}

/** Events per second since the previous sample, which this one replaces. Two samples in the same millisecond count as one. */
function rateSince(samples: Map<string, Sample>, name: string, sample: Sample): number | null {
  const before = samples.get(name);
  const passedMs = before ? sample.at - before.at : 0;
  if (before && passedMs <= 0) return null;
  samples.set(name, sample);
  const isOfSameTables = before?.live.slot === sample.live.slot && before.live.revision === sample.live.revision;
  if (!before || !isOfSameTables || passedMs > MAX_SAMPLE_AGE_MS) return null;
  return (Math.max(0, sample.applied - before.applied) * 1_000) / passedMs;
}

function total(sums: readonly Sum[]): number {
  return sums.reduce((sum, { applied }) => sum + applied, 0);
}
