import type { Group } from '../platform/group.ts';
import { withTimeout } from '../platform/timeout.ts';
import { type Build, LATEST_FIRST } from '../projections/build.ts';
import { type FormerSlot, formerSlot } from '../rebuild/former-slot.ts';
import { type Target, toPointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { IS_FAULT } from '../catch-up/projection-fault.ts';

/** The progress of a build. Counts are events. */
export type BuildProgress = Pick<Build, 'id' | 'state' | 'replayed' | 'total'>;

/** The condition of one projection, as its group's database has it, without a look at its streams. */
export interface ProjectionCondition {
  /** The live slot, which answers queries. Undefined while there is none: there is no pointer, or the first build is not done. */
  readonly live: Target | undefined;
  /** The slot that a rollback would make live. Undefined if no rollback is possible. */
  readonly former: FormerSlot | undefined;
  /** The number of streams that an open dead letter holds, counted up to the given limit. */
  readonly openDeadLetters: number;
  /** The number of these whose log was restored to an earlier time. */
  readonly restoredLogs: number;
  /** The error that keeps every stream from being written, in the database's words, and since when (RFC 3339). Undefined if there is none. */
  readonly fault: { readonly kind: string; readonly since: string } | undefined;
  /** The active build; without one, the build that was started last, however it ended. */
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
 * Reads the condition of some projections of one database, in one statement. It reads the few rows of each projection, and no row of a healthy
 * stream. It counts `maxDeadLetters` dead letters of a projection at most.
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

/** The answers of the databases of all groups. */
interface Asked<Answer> {
  readonly answers: ReadonlyMap<Group, Answer>;
  /** The errors of the databases without an answer. */
  readonly faults: ReadonlyMap<Group, unknown>;
}

/**
 * Asks every group's database the same, side by side. Logs a database that fails or does not answer within `timeoutMs`, and returns its error in
 * `faults`. The caller goes on with the other groups.
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
