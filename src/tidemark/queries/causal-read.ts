import { QueryBuilder } from 'drizzle-orm/sqlite-core';

import type { Group } from '../platform/group.ts';
import { OverloadedError, StorageUnavailableError } from '../platform/faults.ts';
import { type Seen, UNSEEN } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import { TimeoutError, sleep, withTimeout } from '../platform/timeout.ts';
import { type Looked, type TokenAhead, bringUp, toRequest } from './bring-up.ts';
import type { CatchUpOptions, CatchUpResult } from '../catch-up/catch-up.ts';
import { newBudget } from '../catch-up/catch-up-limits.ts';
import type { LoadEvents } from '../catch-up/catch-up-page.ts';
import { type CatchUpRequest, isUncompared } from '../catch-up/stream-progress.ts';
import type { CausalToken } from './causal-token.ts';
import { asStorageFault, kindOfD1Error } from '../projections/d1-errors.ts';
import { type Answers, type Queries, runGuarded } from './guarded-query.ts';
import type { Pointer, PointerCache } from '../projections/pointer.ts';
import type { Projection, Tables } from '../projections/projection.ts';
import { follows } from '../catch-up/projection-worker.ts';
import type { SingleFlight } from './single-flight.ts';
import { type Standing, unmetOf } from './standing.ts';

/** Makes the selects that causal reads run. */
export const queryBuilder = new QueryBuilder();

/** What causal reads stand on. */
export interface CausalReadPorts {
  readonly databaseOf: (group: Group) => D1Database;
  readonly pointers: PointerCache;
  readonly catchUp: (
    projection: Projection,
    requests: readonly CatchUpRequest[],
    options?: CatchUpOptions,
  ) => Promise<CatchUpResult>;
  /** Reads a stream's own log, where the client and the projection have seen different events. */
  readonly loadEvents: LoadEvents;
  readonly flights: SingleFlight;
  readonly now: () => number;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  readonly report: (event: string, details: Record<string, string | number>) => void;
}

export interface CausalReadOptions {
  /** How long a read may take to bring its projection to where the token is, in ms. */
  readonly timeoutMs?: number;
}

/** How a causal read ended. Never with a state older than what the token vouches for (I13). */
export type CausalReadResult<Q extends Queries> =
  | {
      readonly outcome: 'read';
      readonly answers: Answers<Q>;
      /** Where the projection has each stream that was asked for. */
      readonly standings: ReadonlyMap<StreamId, Standing>;
      /** The database's bookmark after the read: whoever carries it never reads an older state there. */
      readonly bookmark: string | null;
      /** Streams of the token that this answer shows too little of, or of a lost history: the projection cannot take their next event. */
      readonly incomplete: readonly StreamId[];
    }
  | {
      readonly outcome: 'behind';
      readonly stream: StreamId;
      readonly wanted: number;
      readonly has: number;
      readonly isOverloaded: boolean;
    }
  | { readonly outcome: 'dead-letter'; readonly stream: StreamId; readonly wanted: number; readonly has: number }
  | TokenAhead
  | { readonly outcome: 'building' }
  /** The database could not be reached in time. */
  | { readonly outcome: 'unavailable' };

/** One read of one projection. */
export interface CausalReadRequest<InSlot extends Tables, Q extends Queries> {
  readonly projection: Projection<InSlot>;
  readonly token: CausalToken;
  /** The one stream that the answer is about: it waits for that stream only. Absent: for every stream of the token that it follows. */
  readonly stream?: StreamId;
  readonly queries: (tables: InSlot) => Q;
  /** How revisions before this one answer the same, for as long as one of them is live. */
  readonly formerly?: readonly FormerReading<Q>[];
  /** Asks no replica, whatever the token's bookmark allows. Default: false. */
  readonly fromPrimary?: boolean;
}

/** How an earlier revision of a projection answers, from its own tables. */
export interface FormerReading<Q extends Queries> {
  readonly projection: Projection;
  readonly queries: (tables: never) => Q;
}

/** Pauses between tries when the catch-up itself could not do its work. */
const POLL_MS = [50, 100, 200, 400];

/**
 * Answers a query from a read model that has seen at least what the token has. Where the read model is behind, a replica is left for the
 * primary first; then the reader has the catch-up done, which works with every queue at a standstill, and reads in the batch that does it;
 * polling is what remains when the catch-up fails. Bounded by `timeoutMs`, past which the answer is `behind`, never silently stale.
 */
export async function causalRead<InSlot extends Tables, Q extends Queries>(
  ports: CausalReadPorts,
  request: CausalReadRequest<InSlot, Q>,
  options: CausalReadOptions = {},
): Promise<CausalReadResult<Q>> {
  const { databaseOf, pointers, loadEvents, now, random, report } = ports;
  const { projection, token, stream, formerly = [], fromPrimary = false } = request;
  const readings = [request as FormerReading<Q>, ...formerly];
  const { timeoutMs = 5_000 } = options;
  const database = databaseOf(projection.group);
  const deadline = now() + timeoutMs;
  const wanted = new Map<StreamId, Seen>(
    stream
      ? [[stream, token.streams.get(stream) ?? UNSEEN]]
      : [...token.streams].filter(([entry]) => follows(projection, entry)),
  );
  const incomplete = new Set<StreamId>();
  const budget = newBudget();
  // Without a bookmark nothing bounds how old a replica may be.
  const bookmark = token.bookmarks.get(projection.group.name) ?? 'first-primary';
  const startAt = fromPrimary ? 'first-primary' : bookmark;
  let isAtPrimary = startAt === 'first-primary';
  let session: D1DatabaseSession | undefined;

  function toPrimary(): void {
    session = database.withSession('first-primary');
    isAtPrimary = true;
  }

  /** The queries for what is live under a pointer; undefined where there is no code for it. */
  function selectsUnder(pointer: Pointer | undefined): Q | undefined {
    const reading = readings.find((candidate) => candidate.projection.revision === pointer?.live.revision);
    return reading && pointer && reading.queries(reading.projection.tables(pointer.live.slot) as never);
  }

  /** A pause before the next try, longer each time, within the deadline. Of random length: all readers of a database that is overloaded must not come back at once. */
  function pause(round: number): Promise<void> {
    const longestMs = POLL_MS[Math.min(round, POLL_MS.length - 1)] as number;
    return sleep(Math.min(longestMs * (0.5 + random() / 2), Math.max(deadline - now(), 0)));
  }

  /**
   * One look: the pointer as far as known, and the query under it. A replica, a bookmark or a session that fails, however it does, is left for the
   * primary. Undefined when that could not be reached either.
   */
  async function look(): Promise<Looked<Q> | 'building' | undefined> {
    let pointer: Pointer | undefined;
    try {
      pointer = await pointers.get(database, projection.name);
      const selects = selectsUnder(pointer);
      if (!pointer || !selects) return 'building';
      session ??= database.withSession(startAt);
      const answer = await runGuarded(session, projection.name, pointer, [...wanted.keys()], selects);
      return { ...answer, isThisEpoch: answer.epoch === pointer.epoch };
    } catch (error) {
      const kind = kindOfD1Error(error);
      if (isAtPrimary && kind === 'storage') throw asStorageFault(error);
      if (isAtPrimary && kind !== 'transient') {
        // What this isolate remembers may be a slot that is live no more, and whose tables are damaged or gone.
        pointers.drop(projection.name);
        const fresh = await pointers.get(database, projection.name).catch(() => pointer);
        if (fresh?.epoch === pointer?.epoch) throw error;
        return look();
      }
      report('causal-read.failed', { projection: projection.name, error: String(error) });
      if (isAtPrimary) return undefined;
      toPrimary();
      return look();
    }
  }

  let readAlready: Looked<Q> | undefined;
  for (let round = 0; ; round += 1) {
    const answer = readAlready ?? (await look());
    readAlready = undefined;
    if (answer === 'building') {
      pointers.drop(projection.name);
      return { outcome: 'building' };
    }
    if (!answer) {
      if (now() >= deadline) return { outcome: 'unavailable' };
      await pause(round);
      continue;
    }
    if (!answer.isThisEpoch) {
      // Either what this isolate remembers is old, or the replica is.
      pointers.drop(projection.name);
      toPrimary();
      if (now() >= deadline) return { outcome: 'unavailable' };
      continue;
    }
    const all = unmetOf(wanted, answer.standings);
    // What a replica says of a lost history may be over, so the primary is asked.
    if (answer.isPrimary) for (const { stream: entry, reason } of all) if (reason === 'lost') incomplete.add(entry);
    const unmet = all.filter((entry) => !incomplete.has(entry.stream));
    const held = stream && incomplete.has(stream) ? all[0] : undefined;
    if (held) {
      return { outcome: 'dead-letter', stream: held.stream, wanted: held.seen.version, has: held.at.version };
    }
    const [first] = unmet;
    if (!first) {
      return {
        outcome: 'read',
        answers: answer.answers,
        standings: answer.standings,
        bookmark: session?.getBookmark() ?? null,
        incomplete: [...incomplete],
      };
    }
    if (!answer.isPrimary) {
      toPrimary();
      continue;
    }

    if (now() >= deadline) {
      const { stream: entry, seen, at } = first;
      return { outcome: 'behind', stream: entry, wanted: seen.version, has: at.version, isOverloaded: false };
    }
    try {
      const asked = await withTimeout(Promise.all(unmet.map((one) => toRequest(loadEvents, one))), deadline - now());
      const ahead = asked.find((one) => 'outcome' in one);
      if (ahead) return ahead;
      const requests = asked.filter((one) => !('outcome' in one));
      const rechecked = new Set(requests.filter((one) => 'isRecheck' in one).map((one) => one.stream));
      const brought = await withTimeout(
        bringUp(ports, { projection, database, streams: [...wanted.keys()], selectsUnder }, requests, budget),
        deadline - now(),
      );
      if (brought === 'building') return { outcome: 'building' };
      for (const { stream: entry, version, head, standstill } of brought.progress.values()) {
        const entryWanted = (wanted.get(entry) ?? UNSEEN).version;
        if (head !== undefined && entryWanted > head)
          return { outcome: 'token-ahead', stream: entry, wanted: entryWanted, head };
        if (!standstill) continue;
        const isInDoubt = standstill.cause === 'log-restored' || (rechecked.has(entry) && isUncompared(standstill));
        if (version >= entryWanted && !isInDoubt) continue;
        if (standstill.cause === 'overloaded' || standstill.cause === 'projection-fault') {
          const isOverloaded = standstill.cause === 'overloaded';
          return { outcome: 'behind', stream: entry, wanted: entryWanted, has: version, isOverloaded };
        }
        if (standstill.cause === 'poison' || standstill.cause === 'log-restored') {
          if (stream) return { outcome: 'dead-letter', stream: entry, wanted: entryWanted, has: version };
          incomplete.add(entry);
        } else {
          await pause(round);
        }
      }
      if (brought.read) {
        ({ answer: readAlready, session } = brought.read);
        isAtPrimary = true;
        continue;
      }
    } catch (error) {
      // It lasts until an operator makes room: there is nothing to wait for.
      if (error instanceof StorageUnavailableError) throw error;
      if (error instanceof OverloadedError) {
        const { stream: entry, seen, at } = first;
        return { outcome: 'behind', stream: entry, wanted: seen.version, has: at.version, isOverloaded: true };
      }
      if (!(error instanceof TimeoutError)) {
        report('causal-read.catch-up-failed', { projection: projection.name, error: String(error) });
        await pause(round);
      }
    }
    toPrimary();
  }
}
