import { isActive } from '../projections/build.ts';
import type { Group } from '../platform/group.ts';
import { kindOfD1Error } from '../projections/d1-errors.ts';
import { type ProjectionCondition, askEveryGroup, conditionStatement, toConditions } from './projection-condition.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';

export interface HealthOptions {
  /** Time, in ms, that a database may take to answer. Default: 2,000. */
  readonly timeoutMs?: number;
}

/** The part of the system that the health check reads. */
export type HealthContext = Pick<SystemContext, 'registry' | 'databaseOf' | 'storageRefusedAt' | 'clock' | 'report'>;

/** Bytes: https://developers.cloudflare.com/d1/platform/limits/ */
const MAX_DATABASE_BYTES = 10_000_000_000;
/** The share of that from which an operator has to make room. */
const NEARLY_FULL = 0.9;
/** Time, in ms, for which a refused write counts. While the database refuses writes, new refusals keep coming. */
const REFUSAL_COUNTS_MS = 15 * 60_000;

/** The most dead letters of a projection that are counted, so that the health check stays cheap. */
const MAX_COUNTED_DEAD_LETTERS = 1_000;

/**
 * The faults of the projections, as sentences for an operator: the fault, and its remedy. Costs one cheap statement for each database, however many
 * streams there are, and names no stream.
 */
export async function projectionComplaints(context: HealthContext, options: HealthOptions = {}): Promise<string[]> {
  const { timeoutMs = 2_000 } = options;
  const { registry } = context;
  const { answers, faults } = await askEveryGroup(context, timeoutMs, async (database, group) => {
    const statement = conditionStatement(database, registry.projectionsOf(group), MAX_COUNTED_DEAD_LETTERS + 1);
    const { results, meta } = await statement.all();
    return { conditions: toConditions(results), bytes: meta.size_after };
  });
  return registry.groups.flatMap((group) => {
    const answer = answers.get(group);
    if (!answer && kindOfD1Error(faults.get(group)) === 'storage') return [refusesAll(group)];
    const refused = isRefusing(context, group) ? [refusesWrites(group)] : [];
    if (!answer) return [unreachable(group), ...refused];
    const size = answer.bytes > NEARLY_FULL * MAX_DATABASE_BYTES ? [nearlyFull(group, answer.bytes)] : [];
    const complaints = registry.projectionsOf(group).flatMap((projection) => {
      const condition = answer.conditions.get(projection.name);
      return condition ? complaintsAbout(projection, condition, registry.revisionOf) : [];
    });
    return [...size, ...refused, ...complaints];
  });
}

function isRefusing({ clock, storageRefusedAt }: HealthContext, { name }: Group): boolean {
  const refusedAt = storageRefusedAt.get(name);
  return refusedAt !== undefined && clock.now() - refusedAt < REFUSAL_COUNTS_MS;
}

function refusesWrites({ name }: Group): string {
  return `the database of the group "${name}" takes no writes: it is full, or the account's spending limit has switched it off. Free space or raise the limit. Its projections wait until then, and no event is lost`;
}

function refusesAll({ name }: Group): string {
  return `the database of the group "${name}" takes neither reads nor writes: the account's spending limit has switched it off. Raise the limit. Until then, its read models answer 503 and its projections wait. No event is lost`;
}

function nearlyFull({ name }: Group, bytes: number): string {
  const gigabytes = (bytes / 1_000_000_000).toFixed(1);
  return `the database of the group "${name}" has ${gigabytes} of ${MAX_DATABASE_BYTES / 1_000_000_000} GB: free space before it refuses writes`;
}

function unreachable({ name }: Group): string {
  return `the database of the group "${name}" does not answer. Its read models answer 503. Its projections wait, and continue by themselves once it answers. If it never answered, apply the migrations`;
}

function complaintsAbout(
  { name, everyEvent }: Projection,
  { live, openDeadLetters, restoredLogs, fault, latestBuild }: ProjectionCondition,
  revisionOf: SystemContext['registry']['revisionOf'],
): string[] {
  const complaints: string[] = [];
  if (!live && latestBuild && isActive(latestBuild)) {
    complaints.push(
      `the projection ${name} is being built for the first time: wait. It answers 503 until the build is complete`,
    );
  } else if (!live) {
    complaints.push(
      `the projection ${name} has not been built yet and answers 503. Its first build starts by itself within minutes. If it does not, apply the migrations`,
    );
  } else if (!revisionOf(name, live.revision)) {
    complaints.push(
      `the projection ${name} is live at revision ${live.revision}, for which this Worker has no code, and answers 503. Deploy the newer Worker again, or roll back the projection before the Worker`,
    );
  }
  if (latestBuild?.state === 'failed') {
    complaints.push(`the latest build of the projection ${name} failed: repair the cause, then rebuild the projection`);
  }
  if (fault !== undefined) {
    complaints.push(
      `the projection ${name} cannot be written since ${fault.since}, whatever the stream: ${fault.kind}. Repair its tables, then run the sweep. No event is lost`,
    );
  }
  const isBounded = openDeadLetters > MAX_COUNTED_DEAD_LETTERS;
  const refused = openDeadLetters - restoredLogs;
  if (refused > 0) {
    complaints.push(`${deadLetters(name, refused, isBounded)}: deploy a repaired handler, then replay or skip them`);
  }
  if (restoredLogs > 0) {
    const todo = everyEvent
      ? 'remove the lost events by hand, or keep them (docs/operations.md, "Object restored")'
      : 'rebuild the projection, or restore its database to the same time and replay them';
    complaints.push(
      `${deadLetters(name, restoredLogs, isBounded)} because logs were restored to an earlier time: ${todo}`,
    );
  }
  return complaints;
}

/** `isBounded`: the count, of all causes together, has reached its limit. */
function deadLetters(name: string, count: number, isBounded: boolean): string {
  const least = count > MAX_COUNTED_DEAD_LETTERS ? `more than ${MAX_COUNTED_DEAD_LETTERS}` : `at least ${count}`;
  return `the projection ${name} has ${isBounded ? least : count} open dead ${count === 1 ? 'letter' : 'letters'}`;
}
