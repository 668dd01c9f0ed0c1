import { eq, gt, sql } from 'drizzle-orm';
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import * as z from 'zod/mini';

import type { RecordedEvent, StoredEvent } from '../../src/tidemark/domain/event.ts';
import { queryBuilder } from '../../src/tidemark/queries/causal-read.ts';
import { ignored, projectionOf } from '../../src/tidemark/projections/projection.ts';
import { slotTables } from '../../src/tidemark/projections/slot-tables.ts';
import { type StreamId, idOf } from '../../src/tidemark/domain/stream.ts';
import type { Decision, Rejection } from '../../src/tidemark/domain/decider.ts';
import type { Upcaster } from '../../src/tidemark/domain/upcaster.ts';
import { serving } from '../../src/groups.ts';
import { aggregate } from '../../src/tidemark/authoring/aggregate.ts';
import { type CommandOf, commands } from '../../src/tidemark/authoring/command-declarations.ts';
import { type EventOf, events, formerName, versioned } from '../../src/tidemark/authoring/event-declarations.ts';
import { module } from '../../src/tidemark/authoring/module.ts';

/*
 * A third, tiny domain: it only adds numbers up. It uses what products and orders do not (counters, appended rows, a
 * second projection of the same stream) and misbehaves on demand.
 */

/** `Reset` was first called `Zeroed`, and written without a number. */
const toZero: Upcaster = (data) => ({ ...data, to: 0 });

const tallyEvents = events({
  Added: { by: z.number() },
  Reset: versioned(
    { to: z.number() },
    { steps: [formerName('Zeroed', {}), toZero], stored: { to: z.optional(z.number()) } },
  ),
});
export type TallyEvent = EventOf<typeof tallyEvents>;

/** An `Added` as a log holds it, with an id made of its version. */
export function storedAddition(stream: StreamId, version: number, by = 1): StoredEvent {
  return {
    id: `event-${version}`,
    stream,
    version,
    type: 'Added',
    schemaVersion: 1,
    data: { by },
    metadata: { commandId: 'c', correlationId: 'c', causationId: 'c', actor: 'a' },
    recordedAt: '2026-01-01T00:00:00.000Z',
  };
}

const tallyCommands = commands('tallyId', {
  Add: { by: z.number() },
  /** Adds what a tally lacks of a number. Where it lacks nothing there is nothing to do, and that is no refusal. */
  RaiseTo: { to: z.number() },
  /** Sets a tally back to 0. Where it is 0 already there is nothing to do, and that is no refusal. */
  ResetTally: {},
});
export type Add = CommandOf<typeof tallyCommands, 'Add'>;
export type RaiseTo = CommandOf<typeof tallyCommands, 'RaiseTo'>;

interface Tally {
  readonly sum: number;
}

interface Broken {
  decide: boolean;
  evolve: boolean;
  handler: boolean;
  /** The handler's result for a sum plus `POISON`, if it is not a number that a table accepts. */
  sum: unknown;
}

const sound = (): Broken => ({ decide: false, evolve: false, handler: false, sum: undefined });

/** The current faults, as after a bad deployment. `resetTally` removes them. */
export const broken: Broken = sound();

export function resetTally(): void {
  Object.assign(broken, sound());
}

function decide(
  command: CommandOf<typeof tallyCommands>,
  { sum }: Tally,
): Decision<TallyEvent, Rejection<'wrong-state'>> {
  if (broken.decide) throw new Error('a bad deploy');
  if (command.type === 'ResetTally') return sum === 0 ? [] : [{ type: 'Reset', data: { to: 0 } }];
  if (command.type === 'RaiseTo')
    return sum >= command.data.to ? [] : [{ type: 'Added', data: { by: command.data.to - sum } }];
  if (command.data.by === 0) return { code: 'wrong-state', message: 'Nothing to add.' };
  return [{ type: 'Added', data: { by: command.data.by } }];
}

function evolve(state: Tally, event: RecordedEvent<TallyEvent>): Tally {
  if (broken.evolve) throw new Error('a bad deploy');
  return event.type === 'Added' ? { sum: state.sum + event.data.by } : { sum: event.data.to };
}

export const tallyType = aggregate({
  category: 'tally',
  events: tallyEvents,
  commands: tallyCommands,
  decider: { initialState: { sum: 0 }, decide, evolve },
  stateVersion: 1,
  refusals: { 'wrong-state': { of: ['Add'] } },
});

const board = slotTables((slot) =>
  sqliteTable(`tally_board_${slot}`, {
    tallyId: text('tally_id').primaryKey(),
    version: integer('version').notNull(),
    sum: integer('sum').notNull(),
  }),
);

const entries = slotTables((slot) =>
  sqliteTable(
    `tally_entries_${slot}`,
    { tallyId: text('tally_id').notNull(), version: integer('version').notNull(), by: integer('by').notNull() },
    (table) => [primaryKey({ columns: [table.tallyId, table.version] })],
  ),
);

const totals = slotTables((slot) =>
  sqliteTable(`tally_totals_${slot}`, {
    parity: text('parity').primaryKey(),
    additions: integer('additions').notNull(),
    sum: integer('sum').notNull(),
  }),
);

const counts = slotTables((slot) =>
  sqliteTable(`tally_count_${slot}`, {
    tallyId: text('tally_id').primaryKey(),
    version: integer('version').notNull(),
    additions: integer('additions').notNull(),
  }),
);

/** The additional column of the second revision of the count. */
const countsAndSums = slotTables((slot) =>
  sqliteTable(`tally_count_2_${slot}`, {
    tallyId: text('tally_id').primaryKey(),
    version: integer('version').notNull(),
    additions: integer('additions').notNull(),
    sum: integer('sum').notNull(),
  }),
);

/** Makes the tables, as a migration would. */
export async function createTallyTables(database: D1Database): Promise<void> {
  const statements = (['a', 'b'] as const).flatMap((slot) => [
    `CREATE TABLE tally_board_${slot} (tally_id TEXT PRIMARY KEY, version INTEGER NOT NULL, sum INTEGER NOT NULL CHECK (sum <= ${TOO_MUCH})) WITHOUT ROWID`,
    `CREATE TABLE tally_entries_${slot} (tally_id TEXT NOT NULL, version INTEGER NOT NULL, by INTEGER NOT NULL, PRIMARY KEY (tally_id, version)) WITHOUT ROWID`,
    `CREATE TABLE tally_totals_${slot} (parity TEXT PRIMARY KEY, additions INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE tally_count_${slot} (tally_id TEXT PRIMARY KEY, version INTEGER NOT NULL, additions INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE tally_count_2_${slot} (tally_id TEXT PRIMARY KEY, version INTEGER NOT NULL, additions INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID`,
  ]);
  await database.batch([
    ...statements.map((statement) => database.prepare(statement)),
    database.prepare(
      `INSERT INTO projection_pointer (projection, epoch, live_revision, live_slot) VALUES ('tally-board', 1, 1, 'a'), ('tally-count', 1, 1, 'a')`,
    ),
  ]);
}

/** Adding this much is poison to the handler while `broken.handler`. */
export const POISON = 666;

/** The table refuses a sum beyond this. */
export const TOO_MUCH = 1_000_000;

export const tallyBoard = projectionOf(tallyType)({
  name: 'tally-board',
  revision: 1,
  group: serving,
  row: { tables: board, key: 'tallyId' },
  appends: { entries },
  counters: { totals: { tables: totals, key: ['parity'] } },
  handlers: {
    Added: {
      create: ({ data }) => ({ sum: data.by }),
      change: (row, { data }) => {
        if (broken.handler && data.by === POISON) throw new Error('poison');
        if (broken.sum !== undefined && data.by === POISON) return { sum: broken.sum as number };
        return { sum: row.sum + data.by };
      },
      append: ({ stream, version, data }) => ({ entries: [{ tallyId: idOf(stream), version, by: data.by }] }),
      count: ({ data }) => ({ totals: [{ parity: data.by % 2 === 0 ? 'even' : 'odd', additions: 1, sum: data.by }] }),
    },
    Reset: { change: (_row, { data }) => ({ sum: data.to }) },
  },
});

/** A neighbour of the board in the same group. It works even if the board does not. */
export const tallyCount = projectionOf(tallyType)({
  name: 'tally-count',
  revision: 1,
  group: serving,
  row: { tables: counts, key: 'tallyId' },
  handlers: {
    Added: { create: () => ({ additions: 1 }), change: (row) => ({ additions: row.additions + 1 }) },
    Reset: ignored,
  },
});

/** Its second revision, deployed beside the first: with a sum, in tables of its own. */
export const tallyCount2 = projectionOf(tallyType)({
  name: 'tally-count',
  revision: 2,
  group: serving,
  row: { tables: countsAndSums, key: 'tallyId' },
  handlers: {
    Added: {
      create: ({ data }) => ({ additions: 1, sum: data.by }),
      change: (row, { data }) => ({ additions: row.additions + 1, sum: row.sum + data.by }),
    },
    Reset: ignored,
  },
});

/** The number of additions to a tally, and their sum. */
export function countById(tallyId: string) {
  return ({ row: table }: { readonly row: typeof countsAndSums.a }) =>
    queryBuilder.select({ additions: table.additions, sum: table.sum }).from(table).where(eq(table.tallyId, tallyId));
}

/** The same as the first revision knows it. */
export function countById1(tallyId: string) {
  return ({ row: table }: { readonly row: typeof counts.a }) =>
    queryBuilder
      .select({ additions: table.additions, sum: sql<number | null>`null`.as('sum') })
      .from(table)
      .where(eq(table.tallyId, tallyId));
}

/** The row of one tally. */
export function tallyById(tallyId: string) {
  return ({ row: table }: { readonly row: typeof board.a }) =>
    queryBuilder.select().from(table).where(eq(table.tallyId, tallyId));
}

/** Tallies by their ids, those after one of them. */
export function pageOfTallies(after: string | undefined, take: number) {
  return ({ row: table }: { readonly row: typeof board.a }) =>
    queryBuilder
      .select()
      .from(table)
      .where(after === undefined ? undefined : gt(table.tallyId, after))
      .orderBy(table.tallyId)
      .limit(take);
}

/** Every tally. */
export function allTallies({ row: table }: { readonly row: typeof board.a }) {
  return queryBuilder.select().from(table).orderBy(table.tallyId).limit(1_000);
}

export const tally = module({
  aggregate: tallyType,
  readModels: [tallyBoard, tallyCount, tallyCount2],
  routes: [],
  tags: {},
});
