import type { StreamId } from '../domain/stream.ts';
import type { LogPage } from '../write/aggregate.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import { type Revision, takeFromLog } from '../catch-up/catch-up-page.ts';
import { type Look, foldPage } from '../catch-up/catch-up-step.ts';
import type { StandstillCause } from '../catch-up/stream-progress.ts';
import { type Position, START, positionsStatement, toPositions } from '../projections/checkpoint.ts';
import { NO_OBSTACLES, type Obstacles, obstaclesStatement, toObstacles } from './dead-letter.ts';
import {
  type DeadLetter,
  type DeadLetterGroup,
  type NothingDone,
  type Selection,
  selectDeadLetters,
} from './dead-letter-list.ts';
import { sumIncrements } from '../projections/fold.ts';
import { type Move, sendGuardedBatch } from '../projections/guarded-batch.ts';
import type { Pointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { type Row, type TableShape, shapeOf } from '../projections/slot-tables.ts';

/** What a replay or a skip would do to one stream in the live slot. */
export interface StreamPreview {
  readonly stream: StreamId;
  /** The version of its checkpoint. */
  readonly fromVersion: number;
  /** The version that its checkpoint would reach. The preview reads up to 500 events. */
  readonly toVersion: number;
  /** The version of the log. Null if it could not be read. */
  readonly head: number | null;
  /** The stream's own row, now and afterwards. Null if there is none. */
  readonly before: Row | null;
  readonly after: Row | null;
  /** The rows that would be appended, by table. */
  readonly appended: Readonly<Record<string, readonly Row[]>>;
  /** The changes of counters, by table. */
  readonly increments: Readonly<Record<string, readonly Row[]>>;
  /** Why the stream would stop at `toVersion`. Null if nothing stops it. */
  readonly error: { readonly version: number; readonly cause: StandstillCause; readonly error: string } | null;
}

/** The most events of each stream that a preview reads. */
const EVENTS = 500;

export interface PreviewOptions {
  /** Previews a skip instead of a replay. Default: false. */
  readonly isSkip?: boolean;
  readonly maxStreams?: number;
}

/**
 * What a replay or a skip of a group would do now, without doing it. The preview folds the events in memory. Only the tables know their constraints,
 * so it also tries the result on them, in a transaction that is always rolled back.
 */
export async function previewDeadLetters(
  context: Pick<SystemContext, 'databaseOf' | 'registry' | 'aggregates'>,
  projection: Pick<Projection, 'name' | 'group'>,
  group: DeadLetterGroup,
  selection: Selection,
  { isSkip = false, maxStreams = 20 }: PreviewOptions = {},
): Promise<
  { readonly outcome: 'done'; readonly streams: readonly StreamPreview[]; readonly remaining: number } | NothingDone
> {
  const database = context.databaseOf(projection.group);
  if (isSkip && group.cause === 'log-restored') return { outcome: 'nothing-to-skip' };
  const selected = await selectDeadLetters(context, projection, group, selection, maxStreams);
  if (selected.outcome !== 'selected') return selected;
  const { pointer, projection: live, letters, remaining } = selected;
  const revision: Revision = { projection: live, target: pointer.live };
  const streams = letters.map(({ stream }) => stream);
  const [found, positions] = await database.batch<Record<string, unknown>>([
    obstaclesStatement(database, projection.name, streams),
    positionsStatement(database, live, pointer.live, streams),
  ]);
  const obstacles = toObstacles(found?.results ?? []);
  const positionOf = toPositions(live, pointer.live, positions?.results ?? []);
  const previews = await eachOf(letters, CONNECTIONS_AT_ONCE, (letter) =>
    previewOf(
      { database, pointer, revision, load: readOnce(context.aggregates.load) },
      letter,
      positionOf.get(letter.stream) ?? START,
      obstaclesFor(letter, obstacles.get(letter.stream) ?? NO_OBSTACLES, isSkip),
    ),
  );
  return { outcome: 'done', streams: previews, remaining };
}

function obstaclesFor({ version, eventId }: DeadLetter, { skipped }: Obstacles, isSkip: boolean): Obstacles {
  return { skipped: isSkip ? new Map([...skipped, [version, eventId]]) : skipped };
}

/** Loads a stream's page once, since the preview folds it several times. */
function readOnce(load: Load): Load {
  let page: Promise<LogPage> | undefined;
  return (...from) => (page ??= load(...from));
}

type Load = SystemContext['aggregates']['load'];

/** What the preview of one stream uses. */
interface PreviewContext {
  readonly database: D1Database;
  readonly pointer: Pointer;
  readonly revision: Revision;
  readonly load: Load;
}

async function previewOf(
  context: PreviewContext,
  { stream }: DeadLetter,
  position: Position,
  obstacles: Obstacles,
): Promise<StreamPreview> {
  const { revision, load } = context;

  /** Folds the first events, and finds out whether the tables would refuse the result. */
  async function tryOut(
    pageSize: number,
  ): Promise<{ look: Look; move: Move | undefined; refused: string | undefined }> {
    const request = { stream, wanted: 'head' } as const;
    const place = { request, positions: [{ revision, position }] as const, obstacles };
    const taken = await takeFromLog(place, { pageSize }, (from, limit) => load(stream, from, limit));
    const look = taken.kind === 'page' ? foldPage(taken.page) : taken;
    const move = look.step?.moves.get(revision);
    return { look, move, refused: move && (await refusalOf(context, move)) };
  }

  const whole = await tryOut(EVENTS);
  let { move } = whole;
  let refused: { readonly version: number; readonly error: string } | undefined;
  if (whole.refused !== undefined && move) {
    // Searches for the most events that the tables take.
    let [taken, tooMuch] = [0, move.toVersion - position.version];
    refused = { version: move.toVersion, error: whole.refused };
    move = undefined;
    while (tooMuch - taken > 1) {
      const size = Math.floor((taken + tooMuch) / 2);
      const tried = await tryOut(size);
      if (tried.refused === undefined) [taken, move] = [size, tried.move];
      else {
        tooMuch = size;
        refused = { version: position.version + size, error: tried.refused };
      }
    }
  }

  const { head, standstill, refusal } = whole.look.progress;
  const toVersion = move?.toVersion ?? position.version;
  const error = refused
    ? { ...refused, cause: 'poison' as const }
    : standstill && {
        version: refusal?.version ?? toVersion + 1,
        cause: standstill.cause,
        error: standstill.reason,
      };
  return {
    stream,
    fromVersion: position.version,
    toVersion,
    head: head ?? null,
    ...effects(revision, position, move),
    error: error ?? null,
  };
}

/** SQLite refuses this JSON path and quotes it. As the last statement of a preview, it rolls everything back. */
const ROLLED_BACK = 'always rolled back';

/** Why the tables would refuse a move. Undefined if they would not. The last statement always fails, so nothing is written. */
async function refusalOf({ database, pointer, revision }: PreviewContext, move: Move): Promise<string | undefined> {
  const result = await sendGuardedBatch(
    database,
    [{ projectionName: revision.projection.name, pointer }],
    [{ ...revision, moves: [move] }],
    { more: [database.prepare(`SELECT json_extract('{}', '${ROLLED_BACK}')`)] },
  );
  if (result.outcome !== 'refused')
    return `${result.outcome}: the projection moved during the preview; ask for it again`;
  return result.reason.includes(ROLLED_BACK) ? undefined : result.reason;
}

/** The effects of a move on the tables, with values as the tables store them. */
function effects(
  { projection, target }: Revision,
  { row }: Position,
  move: Move | undefined,
): Pick<StreamPreview, 'before' | 'after' | 'appended' | 'increments'> {
  const own = projection.row && shapeOf(projection.row.tables[target.slot]);
  const { after = row, appended = {}, counted = {} } = move?.changes ?? {};
  const inTable = (value: Row | undefined) => (own && value ? asStored(own, value) : null);
  return {
    before: inTable(row),
    after: inTable(after),
    appended: Object.fromEntries(
      Object.entries(projection.appends).flatMap(([name, tables]) => {
        const rows = appended[name] ?? [];
        const table = shapeOf(tables[target.slot]);
        return rows.length > 0 ? [[name, rows.map((one) => asStored(table, one))]] : [];
      }),
    ),
    increments: Object.fromEntries(
      Object.entries(projection.counters).flatMap(([name, { key }]) => {
        const sums = sumIncrements(key, counted[name] ?? []);
        return sums.length > 0 ? [[name, sums]] : [];
      }),
    ),
  };
}

function asStored(table: TableShape, row: Row): Row {
  return Object.fromEntries(table.columns.map((column) => [column.property, column.toDriver(row[column.property])]));
}
