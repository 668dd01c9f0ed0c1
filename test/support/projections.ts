import type { Group } from '../../src/tidemark/platform/group.ts';
import type { DeadLetterCause } from '../../src/tidemark/dead-letters/dead-letter.ts';
import type { Projection } from '../../src/tidemark/projections/projection.ts';
import type { Slot } from '../../src/tidemark/projections/slot-tables.ts';
import type { Registry } from '../../src/tidemark/projections/registry.ts';
import type { Aggregates } from '../../src/tidemark/write/aggregates.ts';

/** A projection for tests of operations: it has no tables and no handlers. */
export function bareProjection(name: string, group: Group, categories: readonly string[], revision = 1): Projection {
  return {
    name,
    revision,
    group,
    mode: 'asynchronous',
    follows: Object.fromEntries(categories.map((category) => [category, {}])),
    row: undefined,
    appends: {},
    counters: {},
    handlers: {},
    tables: () => ({}),
  };
}

/** A registry of such projections: what this Worker has code for. */
export function bareRegistry(groups: readonly Group[], projections: readonly Projection[]): Registry {
  const unasked = () => {
    throw new Error('only its projections are known');
  };
  return {
    typeOf: unasked,
    hasCategory: unasked,
    groupsOf: unasked,
    projectionsFollowing: unasked,
    revisionsOf: unasked,
    groups,
    projectionsOf: (group) => projections.filter((projection) => projection.group === group),
    revisionOf: (name, revision) => projections.find((one) => one.name === name && one.revision === revision),
  };
}

/** Aggregates for tests that only read logs. */
export function logsRead(load: Aggregates['load']): Aggregates {
  const unasked = () => Promise.reject(new Error('only logs are read'));
  return { load, execute: unasked, replay: unasked, currentVersion: unasked, state: unasked };
}

export async function setPointer(database: D1Database, projection: string, liveRevision = 1, slot: Slot = 'a') {
  await database
    .prepare(
      'INSERT OR REPLACE INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES (?, 1, ?, ?)',
    )
    .bind(projection, liveRevision, slot)
    .run();
}

/** Where a projection has a stream; `at` orders the events of all streams in time. */
export interface CheckpointRow {
  readonly stream: string;
  readonly version: number;
  readonly at?: number;
}

export async function setCheckpoints(
  database: D1Database,
  projection: string,
  rows: readonly CheckpointRow[],
  slot: Slot = 'a',
) {
  await database
    .prepare(
      `INSERT OR REPLACE INTO checkpoint (projection, slot, stream, version, event_id)
      SELECT ?1, ?2, value ->> 'stream', value ->> 'version', printf('0190-%08d', value ->> 'at')
      FROM json_each(?3)`,
    )
    .bind(projection, slot, JSON.stringify(rows))
    .run();
}

export async function setDeadLetter(
  database: D1Database,
  projection: string,
  stream: string,
  version: number,
  isOpen = true,
  cause: DeadLetterCause = 'poison',
) {
  await database
    .prepare(
      `INSERT OR REPLACE INTO dead_letter
        (projection, stream, version, event_id, cause, kind, error, tries, first_at, last_at, is_open)
      VALUES (?1, ?2, ?3, 'id-' || ?2, ?5, 'Error', 'Ada Lovelace is no number', 3, '', '', ?4)`,
    )
    .bind(projection, stream, version, isOpen ? 1 : 0, cause)
    .run();
}

export async function setBuild(
  database: D1Database,
  projection: string,
  state: string,
  { id = crypto.randomUUID(), startedAt = '2026-01-01T00:00:00.000Z' } = {},
) {
  await database
    .prepare(
      `INSERT INTO projection_build
        (id, projection, revision, slot, live_revision, state, accepts_differences, is_trial, replayed, total, error,
         started_at, updated_at)
      VALUES (?, ?, 2, 'b', 1, ?, 0, 0, 40, 100, '{"stream":"secret-1"}', ?, ?)`,
    )
    .bind(id, projection, state, startedAt, startedAt)
    .run();
  return id;
}
