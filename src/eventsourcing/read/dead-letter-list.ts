import type { StreamId } from '../stream.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../concurrency.ts';
import type { LoadEvents } from './catch-up-page.ts';
import type { DeadLetterCause } from './dead-letter.ts';

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
export interface DeadLetterListLimits {
  readonly groups?: number;
  readonly samplesPerGroup?: number;
  /** How many logs are asked how long they are. */
  readonly logs?: number;
  readonly skipped?: number;
}

interface SampleRow extends DeadLetterRow {
  readonly cause: DeadLetterCause;
  readonly kind: string;
  readonly streams: number;
  readonly group_first_at: string;
  readonly group_last_at: string;
  readonly all_groups: number;
  readonly all_streams: number;
}

/** The open dead letters of a projection by what they have in common, with samples, and what was skipped. */
export async function listDeadLetters(
  ports: { readonly database: D1Database; readonly loadEvents: LoadEvents },
  projectionName: string,
  limits: DeadLetterListLimits = {},
): Promise<DeadLetterList> {
  const { database, loadEvents } = ports;
  const { groups = 20, samplesPerGroup = 20, logs = 100, skipped = 100 } = limits;
  const [samples, skips] = await database.batch([
    database
      .prepare(
        `WITH open AS (SELECT * FROM held_stream WHERE projection = ?1),
        shown AS (
          SELECT cause, kind, count(*) AS streams, min(first_at) AS group_first_at, max(last_at) AS group_last_at,
            count(*) OVER () AS all_groups, sum(count(*)) OVER () AS all_streams
          FROM open
          GROUP BY cause, kind
          ORDER BY streams DESC, cause, kind
          LIMIT ?2
        ),
        ranked AS (
          SELECT *, row_number() OVER (PARTITION BY cause, kind ORDER BY first_at, stream) AS place
          FROM open
        )
        SELECT shown.*, ranked.stream, ranked.version, ranked.event_id, ranked.error, ranked.tries, ranked.first_at, ranked.last_at
        FROM shown
        JOIN ranked ON ranked.cause = shown.cause AND ranked.kind = shown.kind AND ranked.place <= ?3
        ORDER BY shown.streams DESC, shown.cause, shown.kind, ranked.place`,
      )
      .bind(projectionName, groups, samplesPerGroup),
    database
      .prepare(
        `SELECT stream, version, event_id AS eventId, reason, actor, skipped_at AS skippedAt
        FROM skipped_event WHERE projection = ?1
        ORDER BY skipped_at DESC, stream, version DESC
        LIMIT ?2`,
      )
      .bind(projectionName, skipped),
  ]);
  const rows = (samples?.results ?? []) as SampleRow[];
  const byGroup = [...Map.groupBy(rows, ({ cause, kind }) => JSON.stringify([cause, kind])).values()];

  // The first of every group before the second of any.
  const inTurn = byGroup
    .flatMap((same) => same.map((row, place) => ({ row, place })))
    .toSorted((one, other) => one.place - other.place)
    .slice(0, logs);
  const asked = await eachOf(inTurn, CONNECTIONS_AT_ONCE, async ({ row }) => {
    try {
      const { events, head } = await loadEvents(row.stream, row.version, 1);
      const found = events.find(({ id }) => id === row.event_id);
      return [row, { eventType: found?.type ?? null, waiting: Math.max(head - (row.version - 1), 0) }] as const;
    } catch {
      return [row, undefined] as const;
    }
  });
  const known = new Map(asked);

  const reports = byGroup.map(async (same): Promise<DeadLetterGroupReport> => {
    const { cause, kind, streams, group_first_at: firstAt, group_last_at: lastAt } = same[0] as SampleRow;
    const shown = same.map((row) => ({ ...toDeadLetter(row), ...(known.get(row) ?? NOT_ASKED) }));
    const waitingAtLeast = shown.reduce((sum, { waiting }) => sum + (waiting ?? 0), 0);
    const isWhole = shown.length === streams && shown.every(({ waiting }) => waiting !== null);
    const id = await groupIdOf(projectionName, cause, kind);
    return {
      id,
      cause,
      kind,
      streams,
      firstAt,
      lastAt,
      waiting: isWhole ? waitingAtLeast : null,
      waitingAtLeast,
      samples: shown,
    };
  });
  return {
    streams: rows[0]?.all_streams ?? 0,
    groups: await Promise.all(reports),
    groupsNotShown: (rows[0]?.all_groups ?? 0) - byGroup.length,
    skipped: (skips?.results ?? []) as Skip[],
  };
}

const NOT_ASKED = { eventType: null, waiting: null };

async function groupIdOf(projectionName: string, cause: DeadLetterCause, kind: string): Promise<string> {
  const text = JSON.stringify([projectionName, cause, kind]);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(hash.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The group with this id, or undefined: it never was, or nothing of it is open any more. */
export async function deadLetterGroup(
  database: D1Database,
  projectionName: string,
  id: string,
): Promise<DeadLetterGroup | undefined> {
  const { results } = await database
    .prepare(`SELECT DISTINCT cause, kind FROM held_stream WHERE projection = ?1`)
    .bind(projectionName)
    .all<Omit<DeadLetterGroup, 'id'>>();
  const groups = await Promise.all(
    results.map(async ({ cause, kind }) => ({ id: await groupIdOf(projectionName, cause, kind), cause, kind })),
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

/** Reads the dead letters of a group, those that were tried longest ago first. */
export function selectStatement(
  database: D1Database,
  projectionName: string,
  { cause, kind }: DeadLetterGroup,
  { stream, triedBefore }: Selection,
  limit: number,
): D1PreparedStatement {
  return database
    .prepare(
      `SELECT stream, version, event_id, error, tries, first_at, last_at, count(*) OVER () AS total
      FROM held_stream
      WHERE projection = ?1 AND cause = ?2 AND kind = ?3 AND stream = coalesce(?4, stream) AND (?5 IS NULL OR last_at < ?5)
      ORDER BY last_at, stream
      LIMIT ?6`,
    )
    .bind(projectionName, cause, kind, stream ?? null, triedBefore ?? null, limit);
}

interface DeadLetterRow {
  readonly stream: StreamId;
  readonly version: number;
  readonly event_id: string;
  readonly error: string;
  readonly tries: number;
  readonly first_at: string;
  readonly last_at: string;
}

/** Reads the answer of `selectStatement`: what was selected, and how many there are beyond that. */
export function toSelected(rows: readonly unknown[]): {
  readonly letters: readonly DeadLetter[];
  readonly remaining: number;
} {
  const [first] = rows as readonly { total: number }[];
  return {
    letters: (rows as readonly DeadLetterRow[]).map(toDeadLetter),
    remaining: (first?.total ?? 0) - rows.length,
  };
}

function toDeadLetter(row: DeadLetterRow): DeadLetter {
  const { stream, version, event_id: eventId, error, tries, first_at: firstAt, last_at: lastAt } = row;
  return { stream, version, eventId, error, tries, firstAt, lastAt };
}
