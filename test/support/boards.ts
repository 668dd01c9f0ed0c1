import { env } from 'cloudflare:workers';

import type { Hint } from '../../src/tidemark/write/message.ts';
import { type DeadLetterGroupReport, listDeadLetters } from '../../src/tidemark/dead-letters/dead-letter-list.ts';
import type { Projection } from '../../src/tidemark/projections/projection.ts';
import type { Slot } from '../../src/tidemark/projections/slot-tables.ts';
import type { StreamId } from '../../src/tidemark/domain/stream.ts';
import { CHECKPOINT_TABLES, versionIn } from './checkpoints.ts';
import { type DatabaseFaults, faultyDatabase } from './database.ts';
import { ports } from './platform.ts';
import { deliver } from './queue.ts';
import { add, newTally, system } from './system.ts';
import { tallyBoard } from './tally.ts';

/*
 * The tables that tests of dead letters read: those of the tally, and those of the framework about them.
 */

export interface TestTally {
  readonly tallyId: string;
  readonly stream: StreamId;
  /** A message about all of it, without payload. */
  readonly hint: Hint;
}

/** A tally with these additions. */
export async function tallyOf(...additions: readonly number[]): Promise<TestTally> {
  const { tallyId, stream } = newTally();
  for (const by of additions) await add(tallyId, by);
  return { tallyId, stream, hint: { stream, fromVersion: 1, toVersion: additions.length } };
}

/** A tally's row on the board. */
export function boardOf(tallyId: string, slot: Slot = 'a'): Promise<{ version: number; sum: number } | null> {
  return env.SERVING_DB.prepare(`SELECT version, sum FROM tally_board_${slot} WHERE tally_id = ?`)
    .bind(tallyId)
    .first();
}

/** The versions that were appended to the board's entries, in order. */
export async function entriesOf(tallyId: string, slot: Slot = 'a'): Promise<readonly number[]> {
  const { results } = await env.SERVING_DB.prepare(
    `SELECT version FROM tally_entries_${slot} WHERE tally_id = ? ORDER BY version`,
  )
    .bind(tallyId)
    .all<{ version: number }>();
  return results.map(({ version }) => version);
}

export function checkpointOf(stream: StreamId, projection = 'tally-board', slot: Slot = 'a'): Promise<number> {
  return versionIn(env.SERVING_DB, projection, stream, slot);
}

/** Additions counted over all tallies, even and odd. */
export async function countedIn(slot: Slot = 'a'): Promise<{ additions: number; sum: number }> {
  const row = await env.SERVING_DB.prepare(
    `SELECT coalesce(sum(additions), 0) AS additions, coalesce(sum(sum), 0) AS sum FROM tally_totals_${slot}`,
  ).first<{ additions: number; sum: number }>();
  return row ?? { additions: 0, sum: 0 };
}

export interface RefusedRow {
  readonly version: number;
  readonly event_id: string;
  readonly cause: string;
  readonly kind: string;
  readonly error: string;
  readonly tries: number;
  readonly is_open: number;
}

/** What a projection has refused of a stream, open or not. */
export function refusedOf(stream: StreamId, projection = 'tally-board'): Promise<RefusedRow | null> {
  return env.SERVING_DB.prepare('SELECT * FROM dead_letter WHERE projection = ? AND stream = ?')
    .bind(projection, stream)
    .first<RefusedRow>();
}

/** Every row of the tables that hold what a projection has, refuses and leaves out: for "nothing was written". */
export async function everythingStored(): Promise<unknown> {
  const tables = [
    'tally_board_a',
    'tally_entries_a',
    'tally_totals_a',
    'tally_board_b',
    'tally_entries_b',
    'tally_totals_b',
    ...CHECKPOINT_TABLES,
    'dead_letter',
    'skipped_event',
    'projection_pointer',
    'guard',
  ];
  const answers = await env.SERVING_DB.batch(tables.map((table) => env.SERVING_DB.prepare(`SELECT * FROM ${table}`)));
  return answers.map(({ results }) => results);
}

/** Delivers a message three times: the third refusal makes a dead letter. */
export async function deliverThrice(...hints: readonly Hint[]): Promise<void> {
  for (let times = 0; times < 3; times += 1) await deliver(hints);
}

/** The groups of a projection's dead letters. */
export async function deadLetterGroups(projection: Projection = tallyBoard): Promise<readonly DeadLetterGroupReport[]> {
  return (await listDeadLetters(system, projection)).groups;
}

/** The only group there is. */
export async function onlyGroup(projection: Projection = tallyBoard): Promise<DeadLetterGroupReport> {
  const groups = await deadLetterGroups(projection);
  const [group, ...others] = groups;
  if (!group || others.length > 0) throw new Error(`there are ${groups.length} groups`);
  return group;
}

/** Has the board's other slot moved along with the live one, or not. */
export async function moveSlotB(isMoved: boolean): Promise<void> {
  await env.SERVING_DB.prepare(
    `UPDATE projection_pointer SET epoch = epoch + 1, moved = ? WHERE projection = 'tally-board'`,
  )
    .bind(isMoved ? '[{"revision":1,"slot":"b"}]' : '[]')
    .run();
  // A consumer without a batch to send does not notice a new epoch.
  system.pointers.drop('tally-board');
}

/** Forgets every dead letter and skip, as if no test had come before. */
export async function forgetDeadLetters(): Promise<void> {
  await env.SERVING_DB.batch([
    env.SERVING_DB.prepare('DELETE FROM dead_letter'),
    env.SERVING_DB.prepare('DELETE FROM skipped_event'),
    env.SERVING_DB.prepare(
      `UPDATE projection_pointer SET epoch = epoch + 1, moved = '[]' WHERE projection LIKE 'tally-%'`,
    ),
  ]);
  for (const projection of ['tally-board', 'tally-count']) system.pointers.drop(projection);
}

/** From now on the serving group's database fails as told. */
export function withFaults(faults: DatabaseFaults): { batches: number; queries: number } {
  const faulty = faultyDatabase(env.SERVING_DB, faults);
  ports.database = () => faulty.database;
  return faulty.calls;
}

/** The database works again. */
export function withoutFaults(): void {
  ports.database = () => env.SERVING_DB;
}
