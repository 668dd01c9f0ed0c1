import type { Group } from '../platform/group.ts';
import { withTimeout } from '../platform/timeout.ts';
import { type Build, LATEST_FIRST } from '../rebuild/build.ts';
import { type FormerSlot, formerSlot } from '../rebuild/former-slot.ts';
import { type Target, toPointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { IS_FAULT } from '../catch-up/projection-fault.ts';

/** One build of a projection, as far as its progress goes. Counts are events. */
export type BuildProgress = Pick<Build, 'id' | 'state' | 'replayed' | 'total'>;

/** What a group's database says of one projection without looking at its streams. */
export interface ProjectionCondition {
  /** What answers queries; undefined while nothing does: there is no pointer, or its first build is not done. */
  readonly live: Target | undefined;
  /** What a rollback would make live; undefined where there is no way back. */
  readonly former: FormerSlot | undefined;
  /** How many of its streams are held by an open dead letter, counted up to the bound that was asked for. */
  readonly openDeadLetters: number;
  /** How many of these because the stream's log was restored to an earlier time. */
  readonly restoredLogs: number;
  /** What keeps every stream from being written, in the database's words, and since when (RFC 3339); undefined when nothing does. */
  readonly fault: { readonly kind: string; readonly since: string } | undefined;
  /** The build that was started last, whatever became of it. */
  readonly latestBuild: BuildProgress | undefined;
}

interface ConditionRow {
  readonly projection: string;
  readonly epoch: number | null;
  readonly dead_letters: string;
  readonly fault: string | null;
  readonly build: string | null;
}

/**
 * Asks for the condition of some projections of one database: one statement, which reads the few rows that there are for each projection
 * and none for a stream that is well. Dead letters beyond `maxDeadLetters` of a projection are not counted.
 */
export function conditionStatement(
  database: D1Database,
  projections: readonly Pick<Projection, 'name'>[],
  maxDeadLetters: number,
): D1PreparedStatement {
  return database
    .prepare(
      `SELECT
        wanted.value AS projection,
        pointer.epoch AS epoch,
        pointer.live_revision AS live_revision,
        pointer.live_slot AS live_slot,
        pointer.moved AS moved,
        pointer.former_since AS former_since,
        (
          SELECT json_array(count(*), count(*) FILTER (WHERE cause = 'log-restored'))
          FROM (SELECT cause FROM held_stream WHERE projection = wanted.value LIMIT ?2)
        ) AS dead_letters,
        (
          SELECT json_object('kind', f.kind, 'since', f.first_at)
          FROM projection_fault AS f
          WHERE f.projection = wanted.value AND ${IS_FAULT}
        ) AS fault,
        (
          SELECT json_object(
            'id', b.id, 'state', b.state, 'replayed', b.replayed, 'total', b.total, 'endedAt', b.ended_at
          )
          FROM projection_build AS b
          WHERE b.projection = wanted.value
          ORDER BY ${LATEST_FIRST}
          LIMIT 1
        ) AS build
      FROM json_each(?1) AS wanted
      LEFT JOIN projection_pointer AS pointer ON pointer.projection = wanted.value`,
    )
    .bind(JSON.stringify(projections.map(({ name }) => name)), maxDeadLetters);
}

/** Reads the answer of `conditionStatement`: the condition of each projection by name. */
export function toConditions(rows: readonly unknown[]): ReadonlyMap<string, ProjectionCondition> {
  return new Map(
    (rows as readonly ConditionRow[]).map((row) => {
      const latest = row.build === null ? undefined : (JSON.parse(row.build) as BuildProgress & Pick<Build, 'endedAt'>);
      const [openDeadLetters, restoredLogs] = JSON.parse(row.dead_letters) as [number, number];
      const pointer = row.epoch === null ? undefined : toPointer(row);
      return [
        row.projection,
        {
          live: pointer && pointer.live.revision > 0 ? pointer.live : undefined,
          former: formerSlot(pointer, latest),
          openDeadLetters,
          restoredLogs,
          fault: row.fault === null ? undefined : (JSON.parse(row.fault) as ProjectionCondition['fault']),
          latestBuild: latest && progressOf(latest),
        },
      ];
    }),
  );
}

function progressOf({ id, state, replayed, total }: BuildProgress): BuildProgress {
  return { id, state, replayed, total };
}

/** What the databases of all groups have answered. */
interface Asked<Answer> {
  readonly answers: ReadonlyMap<Group, Answer>;
  /** What those without an answer have thrown. */
  readonly faults: ReadonlyMap<Group, unknown>;
}

/**
 * Asks every group's database the same, side by side. One that fails or does not answer within `timeoutMs` is reported and among `faults`:
 * whoever asks goes on with the others.
 */
export async function askEveryGroup<Answer>(
  { registry, databaseOf, report }: Pick<SystemContext, 'registry' | 'databaseOf' | 'report'>,
  timeoutMs: number,
  ask: (database: D1Database, group: Group) => Promise<Answer>,
): Promise<Asked<Answer>> {
  const answers = new Map<Group, Answer>();
  const faults = new Map<Group, unknown>();
  await Promise.all(
    registry.groups.map(async (group) => {
      try {
        answers.set(group, await withTimeout(ask(databaseOf(group), group), timeoutMs));
      } catch (error) {
        report('database.unreachable', { group: group.name, error: String(error) });
        faults.set(group, error);
      }
    }),
  );
  return { answers, faults };
}
