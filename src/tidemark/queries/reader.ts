import type { Seen } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import { sleep } from '../platform/timeout.ts';
import type { Budget } from '../catch-up/catch-up-limits.ts';
import type { CausalReadContext, Unanswered } from './causal-read.ts';
import { asStorageFault, kindOfD1Error } from '../projections/d1-errors.ts';
import { type GuardedAnswer, type GuardedQuery, type Queries, runGuarded } from './guarded-query.ts';
import type { Pointer } from '../projections/pointer.ts';
import type { Projection } from '../projections/projection.ts';

/** The state of one running causal read. */
export interface Reader<Q extends Queries> {
  readonly context: CausalReadContext;
  readonly projection: Projection;
  readonly database: D1Database;
  /** The one stream that the answer is about, if there is one. */
  readonly stream: StreamId | undefined;
  /** What the client has seen of each stream, which the answer has to show. */
  readonly wanted: ReadonlyMap<StreamId, Seen>;
  /** The query for the tables that a pointer names as live. Undefined if this Worker has no code for them. */
  readonly queryUnder: (pointer: Pointer | undefined) => GuardedQuery<Q> | undefined;
  /** The time at which the read gives up, in ms since the Unix epoch. */
  readonly deadline: number;
  /** The statements and subrequests that its catch-ups have left. */
  readonly budget: Budget;
  /** Streams in which the projection is behind, or shows a lost history: it cannot apply their next event. */
  readonly incomplete: Set<StreamId>;
  /** The start of its session: a bookmark, or `first-primary`. */
  startAt: string;
  session?: D1DatabaseSession;
}

const PRIMARY = 'first-primary';

/** Makes the reader ask the primary from now on, through a new session. */
export function toPrimary(reader: Reader<Queries>): D1DatabaseSession {
  reader.startAt = PRIMARY;
  reader.session = reader.database.withSession(PRIMARY);
  return reader.session;
}

/** The time that a reader has left, in ms. */
export function msLeft({ context, deadline }: Reader<Queries>): number {
  return Math.max(deadline - context.clock.now(), 0);
}

/** The longest pauses between tries after the database or the catch-up has failed, in ms. */
const PAUSES_MS = [50, 100, 200, 400];

/**
 * A pause before the next try, longer each time, within the deadline. It has a random length, so that the readers of an overloaded database do not
 * all come back at once.
 */
export function pause(reader: Reader<Queries>, round: number): Promise<void> {
  const longestMs = PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)] as number;
  return sleep(Math.min(longestMs * (0.5 + reader.context.clock.random() / 2), msLeft(reader)));
}

/**
 * Queries the database under the cached pointer, and again if the pointer has changed. If a replica, a bookmark or a session fails in any way, asks
 * the primary. Asks the primary until it answers or the time is over.
 */
export async function look<Q extends Queries>(reader: Reader<Q>): Promise<GuardedAnswer<Q> | Unanswered> {
  const { context, projection, database, queryUnder } = reader;
  const { pointers, report } = context;
  const { name } = projection;
  for (let round = 0; ; round += 1) {
    let pointer: Pointer | undefined;
    try {
      pointer = await pointers.get(database, name);
      const query = queryUnder(pointer);
      if (!query) {
        pointers.drop(name);
        return { outcome: 'building' };
      }
      reader.session ??= database.withSession(reader.startAt);
      const answer = await runGuarded(reader.session, query);
      if (answer.isThisEpoch) return answer;
      // Either the cached pointer is stale, or the replica is.
      pointers.drop(name);
      if (msLeft(reader) === 0) return { outcome: 'unavailable' };
    } catch (error) {
      const kind = kindOfD1Error(error);
      const isAtPrimary = reader.startAt === PRIMARY;
      if (isAtPrimary && kind === 'storage') throw asStorageFault(error);
      if (isAtPrimary && kind !== 'transient') {
        // The cached pointer may be stale. Then its slot is no longer live, and the tables may be damaged or gone.
        pointers.drop(name);
        const fresh = await pointers.get(database, name).catch(() => pointer);
        if (fresh?.epoch === pointer?.epoch) throw error;
      } else {
        report('causal-read.failed', { projection: name, error: String(error) });
        if (isAtPrimary && msLeft(reader) === 0) return { outcome: 'unavailable' };
        if (isAtPrimary) await pause(reader, round);
      }
    }
    toPrimary(reader);
  }
}
