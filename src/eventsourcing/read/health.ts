import { isActive } from './build.ts';
import type { Group } from '../group.ts';
import {
  type GroupDatabases,
  type ProjectionCondition,
  askEveryGroup,
  conditionStatement,
  toConditions,
} from './projection-condition.ts';
import type { Projection } from './projection.ts';

export interface HealthOptions {
  /** How long a database may take to answer, in ms. */
  readonly timeoutMs?: number;
}

/** Beyond these, a projection's dead letters are not counted: however bad it is, the question stays cheap. */
const MAX_COUNTED_DEAD_LETTERS = 1_000;

/**
 * What is wrong with the projections, as sentences for an operator: what it is and what to do. Costs one cheap statement for each
 * database, whatever the number of streams, and names no stream.
 */
export async function projectionComplaints(ports: GroupDatabases, options: HealthOptions = {}): Promise<string[]> {
  const { timeoutMs = 2_000 } = options;
  const { registry } = ports;
  const asked = await askEveryGroup(ports, timeoutMs, async (database, group) => {
    const statement = conditionStatement(database, registry.projectionsOf(group), MAX_COUNTED_DEAD_LETTERS + 1);
    return toConditions((await statement.all()).results);
  });
  return registry.groups.flatMap((group) => {
    const conditions = asked.get(group);
    if (!conditions) return [unreachable(group)];
    return registry.projectionsOf(group).flatMap((projection) => {
      const condition = conditions.get(projection.name);
      return condition ? complaintsAbout(projection, condition, registry.revisionOf) : [];
    });
  });
}

function unreachable({ name }: Group): string {
  return `the database of the group "${name}" does not answer: its read models answer 503 and its projections wait, and go on by themselves once it is back; if it never answered, apply the migrations`;
}

function complaintsAbout(
  { name }: Projection,
  { live, openDeadLetters, fault, latestBuild }: ProjectionCondition,
  revisionOf: GroupDatabases['registry']['revisionOf'],
): string[] {
  const complaints: string[] = [];
  if (!live && latestBuild && isActive(latestBuild)) {
    complaints.push(
      `the projection ${name} is being built for the first time and answers 503 until that is done: wait`,
    );
  } else if (!live) {
    complaints.push(
      `the projection ${name} has not been built yet and answers 503: its first build begins by itself within minutes; if it does not, apply the migrations`,
    );
  } else if (!revisionOf(name, live.revision)) {
    complaints.push(
      `the projection ${name} is live at revision ${live.revision}, for which this Worker has no code, and answers 503: roll the projection back before the Worker, or deploy the newer Worker again`,
    );
  }
  if (latestBuild?.state === 'failed') {
    complaints.push(`the latest build of the projection ${name} failed: mend its cause and build it again`);
  }
  if (fault !== undefined) {
    complaints.push(
      `the projection ${name} cannot be written, whatever the stream: ${fault}. Repair its tables, then run the sweep; no event is lost`,
    );
  }
  if (openDeadLetters > 0) {
    const many = openDeadLetters > MAX_COUNTED_DEAD_LETTERS ? `more than ${MAX_COUNTED_DEAD_LETTERS}` : openDeadLetters;
    complaints.push(
      `the projection ${name} has ${many} open dead ${openDeadLetters === 1 ? 'letter' : 'letters'}: deploy a repaired handler, then replay or skip`,
    );
  }
  return complaints;
}
