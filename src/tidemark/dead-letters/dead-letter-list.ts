import type { StreamId } from '../domain/stream.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import type { Aggregates } from '../write/aggregates.ts';
import type { DeadLetterCause } from './dead-letter.ts';
import { type Pointer, pointerStatement, toPointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';
import type { SystemContext } from '../projections/system-context.ts';

/** Dead letters of one projection that one bug, or one restore, has made. */
export interface DeadLetterGroup {
  /** The same as long as projection, cause and kind are; fit for a URL. */
  readonly id: string;
  readonly cause: DeadLetterCause;
  readonly kind: string;
}

/** A dead letter as it is stored: the event, and what became of it. */
export interface DeadLetter {
  readonly stream: StreamId;
  /** That of the event. */
  readonly version: number;
  /** Empty where the log has no such event. */
  readonly eventId: string;
  readonly error: string;
  readonly tries: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

/** A dead letter as an operator wants to see it. */
export interface DeadLetterSample extends DeadLetter {
  /** Null where the log has no such event, or could not be asked. */
  readonly eventType: string | null;
  /** How many events of the stream are not applied, itself included. Null: the log could not be asked, or was not. */
  readonly waiting: number | null;
}

export interface DeadLetterGroupReport extends DeadLetterGroup {
  /** How many streams it stops. */
  readonly streams: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** How many events wait in all its streams. Null where not all of them were asked. */
  readonly waiting: number | null;
  /** How many wait in those that were asked. */
  readonly waitingAtLeast: number;
  /** Some of its dead letters, the oldest first. */
  readonly samples: readonly DeadLetterSample[];
}

/** An event that an operator has decided to leave out. */
export interface Skip {
  readonly stream: StreamId;
  readonly version: number;
  readonly eventId: string;
  readonly reason: string;
  readonly actor: string;
  readonly skippedAt: string;
}

export interface DeadLetterList {
  /** How many streams of the projection are stopped. */
  readonly streams: number;
  /** The largest groups first. */
  readonly groups: readonly DeadLetterGroupReport[];
  /** Groups beyond those: they show once the ones before them are dealt with. */
  readonly groupsNotShown: number;
  /** The newest first. */
  readonly skipped: readonly Skip[];
}

/** How much one list shows, however many dead letters there are. */
const GROUPS = 20;
const SAMPLES_OF_A_GROUP = 20;
const SKIPS = 100;

/** How many logs are asked how long they are. */
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

/** The open dead letters of a projection by what they have in common, with samples, and what was skipped. */
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
  // The first of every group before the second of any.
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
    skipped: (skips?.results ?? []) as Skip[],
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

/** The group with this id, or undefined: it never was, or nothing of it is open any more. */
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

/** Which dead letters of a group are meant. */
export interface Selection {
  /** Only this stream's. */
  readonly stream?: StreamId | undefined;
  /** Only those that were last tried before this time: RFC 3339. */
  readonly triedBefore?: string | undefined;
}

/** Why nothing was done, or would be. */
export type NothingDone =
  /** The group has no open dead letter as selected. */
  | { readonly outcome: 'not-found' }
  /** Nothing is live that this Worker has code for. */
  | { readonly outcome: 'building' }
  /** The log was restored to an earlier time: it is not an event that stands in the way. */
  | { readonly outcome: 'nothing-to-skip' };

/** Dead letters of a group, and what is live. */
interface Selected {
  readonly outcome: 'selected';
  readonly pointer: Pointer;
  /** The code of what is live. */
  readonly projection: Projection;
  /** Those that were tried longest ago, in that order. */
  readonly letters: readonly DeadLetter[];
  /** How many there are beyond these. */
  readonly remaining: number;
}

/** Reads the dead letters of a group that are meant, and the pointer, from one snapshot. */
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
