import { type Actor, parseActor } from '../domain/principal.ts';
import type { StreamId } from '../domain/stream.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import type { Aggregates } from '../write/aggregates.ts';
import type { DeadLetterCause } from './dead-letter.ts';
import { type Pointer, pointerStatement, toPointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';

/** Dead letters of one projection with one origin: a bug, or a restore. */
export interface DeadLetterGroup {
  /** A hash of projection, cause and kind. It fits a URL. */
  readonly id: string;
  readonly cause: DeadLetterCause;
  readonly kind: string;
}

/** A dead letter as stored. */
export interface DeadLetter {
  readonly stream: StreamId;
  /** The version of the event. */
  readonly version: number;
  /** Empty if the log has no such event. */
  readonly eventId: string;
  readonly error: string;
  readonly tries: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

/** A dead letter as an operator sees it. */
export interface DeadLetterSample extends DeadLetter {
  /** Null if the log has no such event, or was not read. */
  readonly eventType: string | null;
  /** The number of the stream's unapplied events, including this one. Null if the log was not read. */
  readonly waiting: number | null;
}

export interface DeadLetterGroupReport extends DeadLetterGroup {
  /** The number of stopped streams. */
  readonly streams: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** The number of unapplied events in all its streams. Null if not all of their logs were read. */
  readonly waiting: number | null;
  /** The number of unapplied events in the streams whose logs were read. */
  readonly waitingAtLeast: number;
  /** Some of its dead letters, oldest first. */
  readonly samples: readonly DeadLetterSample[];
}

/** An event that an operator has skipped. */
export interface Skip {
  readonly stream: StreamId;
  readonly version: number;
  readonly eventId: string;
  readonly reason: string;
  readonly actor: Actor;
  readonly skippedAt: string;
}

type SkipRow = Omit<Skip, 'actor'> & { readonly actor: string };

export interface DeadLetterList {
  /** The number of stopped streams of the projection. */
  readonly streams: number;
  /** Largest first. */
  readonly groups: readonly DeadLetterGroupReport[];
  /** The number of further groups. They show once an operator has handled the ones before them. */
  readonly groupsNotShown: number;
  /** Newest first. */
  readonly skipped: readonly Skip[];
}

/** The limits of one list, however many dead letters there are. */
const GROUPS = 20;
const SAMPLES_OF_A_GROUP = 20;
const SKIPS = 100;

/** The most logs that one list reads. */
const LOGS = 100;

interface SampleRow extends DeadLetter {
  readonly cause: DeadLetterCause;
  readonly kind: string;
  readonly streams: number;
  readonly groupFirstAt: string;
  readonly groupLastAt: string;
  readonly allGroups: number;
  readonly allStreams: number;
  /** Within its group, from 1. */
  readonly place: number;
}

/** The columns of a dead letter, as `DeadLetter` names them. */
const COLUMNS = 'stream, version, event_id AS eventId, error, tries, first_at AS firstAt, last_at AS lastAt';

/** The open dead letters of a projection, grouped by cause and kind, with samples; and the skipped events. */
export async function listDeadLetters(
  { databaseOf, aggregates }: Pick<SystemContext, 'databaseOf' | 'aggregates'>,
  { name, group }: Pick<Projection, 'name' | 'group'>,
): Promise<DeadLetterList> {
  const database = databaseOf(group);
  const [samples, skips] = await database.batch([
    database
      .prepare(
        `WITH held AS (SELECT * FROM held_stream WHERE projection = ?1),
        shown AS (
          SELECT cause, kind, count(*) AS streams, min(first_at) AS groupFirstAt, max(last_at) AS groupLastAt,
            count(*) OVER () AS allGroups, sum(count(*)) OVER () AS allStreams
          FROM held
          GROUP BY cause, kind
          ORDER BY streams DESC, cause, kind
          LIMIT ${GROUPS}
        ),
        ranked AS (
          SELECT cause, kind, ${COLUMNS}, row_number() OVER (PARTITION BY cause, kind ORDER BY first_at, stream) AS place
          FROM held
        )
        SELECT * FROM shown
        JOIN ranked USING (cause, kind)
        WHERE place <= ${SAMPLES_OF_A_GROUP}
        ORDER BY streams DESC, cause, kind, place`,
      )
      .bind(name),
    database
      .prepare(
        `SELECT stream, version, event_id AS eventId, reason, actor, skipped_at AS skippedAt
        FROM skipped_event WHERE projection = ?1
        ORDER BY skipped_at DESC, stream, version DESC
        LIMIT ${SKIPS}`,
      )
      .bind(name),
  ]);
  const rows = (samples?.results ?? []) as SampleRow[];
  const byGroup = [...Map.groupBy(rows, ({ cause, kind }) => JSON.stringify([cause, kind])).values()];
  // The first dead letter of every group goes before the second of any.
  const inTurn = rows.toSorted((one, other) => one.place - other.place).slice(0, LOGS);
  const asked = new Map(
    await eachOf(inTurn, CONNECTIONS_AT_ONCE, async (row) => [row, await askLog(aggregates, row)] as const),
  );
  const reports = byGroup.map(async (same): Promise<DeadLetterGroupReport> => {
    const { cause, kind, streams, groupFirstAt, groupLastAt } = same[0] as SampleRow;
    const shown = same.map((row): DeadLetterSample => {
      const { stream, version, eventId, error, tries, firstAt, lastAt } = row;
      return { stream, version, eventId, error, tries, firstAt, lastAt, ...(asked.get(row) ?? NOT_ASKED) };
    });
    const waitingAtLeast = shown.reduce((sum, { waiting }) => sum + (waiting ?? 0), 0);
    const isWhole = shown.length === streams && shown.every(({ waiting }) => waiting !== null);
    return {
      id: await groupIdOf(name, cause, kind),
      cause,
      kind,
      streams,
      firstAt: groupFirstAt,
      lastAt: groupLastAt,
      waiting: isWhole ? waitingAtLeast : null,
      waitingAtLeast,
      samples: shown,
    };
  });
  const [first] = rows;
  return {
    streams: first?.allStreams ?? 0,
    groups: await Promise.all(reports),
    groupsNotShown: (first?.allGroups ?? 0) - byGroup.length,
    skipped: ((skips?.results ?? []) as SkipRow[]).map((skip) => ({ ...skip, actor: parseActor(skip.actor) })),
  };
}

type FromLog = Pick<DeadLetterSample, 'eventType' | 'waiting'>;

const NOT_ASKED: FromLog = { eventType: null, waiting: null };

async function askLog({ load }: Pick<Aggregates, 'load'>, { stream, version, eventId }: DeadLetter): Promise<FromLog> {
  try {
    const { events, head } = await load(stream, version, 1);
    const eventType = events.find(({ id }) => id === eventId)?.type ?? null;
    return { eventType, waiting: Math.max(head - (version - 1), 0) };
  } catch {
    return NOT_ASKED;
  }
}

async function groupIdOf(name: string, cause: DeadLetterCause, kind: string): Promise<string> {
  const text = JSON.stringify([name, cause, kind]);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(hash.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The group with this id. Undefined if it never existed, or none of its dead letters is open any more. */
export async function deadLetterGroup(
  database: D1Database,
  name: string,
  id: string,
): Promise<DeadLetterGroup | undefined> {
  const { results } = await database
    .prepare(`SELECT DISTINCT cause, kind FROM held_stream WHERE projection = ?1`)
    .bind(name)
    .all<Omit<DeadLetterGroup, 'id'>>();
  const groups = await Promise.all(
    results.map(async ({ cause, kind }) => ({ id: await groupIdOf(name, cause, kind), cause, kind })),
  );
  return groups.find((group) => group.id === id);
}

/** Selects dead letters of a group. Default: all of them. */
export interface Selection {
  /** Only this stream's. */
  readonly stream?: StreamId | undefined;
  /** Only those that were last tried before this time: RFC 3339. */
  readonly triedBefore?: string | undefined;
}

/** Why a call did nothing, or a preview would do nothing. */
export type NothingDone =
  /** The group has no selected dead letter that is open. */
  | { readonly outcome: 'not-found' }
  /** Nothing is live, or this Worker has no code for the live revision. */
  | { readonly outcome: 'building' }
  /** The log was restored to an earlier time: there is no event to skip. */
  | { readonly outcome: 'nothing-to-skip' };

/** The selected dead letters of a group, and the live slot. */
interface Selected {
  readonly outcome: 'selected';
  readonly pointer: Pointer;
  /** The code of the live revision. */
  readonly projection: Projection;
  /** Those whose last try is the oldest, in that order. */
  readonly letters: readonly DeadLetter[];
  /** The number of further selected dead letters. */
  readonly remaining: number;
}

/** Reads the selected dead letters of a group, and the pointer, from one snapshot. */
export async function selectDeadLetters(
  { databaseOf, registry }: Pick<SystemContext, 'databaseOf' | 'registry'>,
  { name, group }: Pick<Projection, 'name' | 'group'>,
  { cause, kind }: DeadLetterGroup,
  { stream, triedBefore }: Selection,
  limit: number,
): Promise<Selected | NothingDone> {
  const database = databaseOf(group);
  const [pointers, selected] = await database.batch([
    pointerStatement(database, name),
    database
      .prepare(
        `SELECT ${COLUMNS}, count(*) OVER () AS total
        FROM held_stream
        WHERE projection = ?1 AND cause = ?2 AND kind = ?3 AND stream = coalesce(?4, stream) AND (?5 IS NULL OR last_at < ?5)
        ORDER BY last_at, stream
        LIMIT ?6`,
      )
      .bind(name, cause, kind, stream ?? null, triedBefore ?? null, limit),
  ]);
  const rows = (selected?.results ?? []) as readonly (DeadLetter & { readonly total: number })[];
  const [first] = rows;
  if (!first) return { outcome: 'not-found' };
  const pointer = toPointer(pointers?.results[0]);
  const projection = pointer && registry.revisionOf(name, pointer.live.revision);
  if (!projection) return { outcome: 'building' };
  return { outcome: 'selected', pointer, projection, letters: rows, remaining: first.total - rows.length };
}
