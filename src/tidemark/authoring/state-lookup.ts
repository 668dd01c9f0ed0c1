import type { WriteSide } from '../projections/event-sourced-module.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import { type Seen, type SeenOf, isAnother } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import type { Aggregate } from './aggregate.ts';
import type { Preparation } from './module.ts';

/** How long a state that was read may be used again in the isolate, in ms, so that one popular aggregate does not cap the others. */
const FRESH_MS = 1_000;
/** So many states are kept at most. */
const MAX_KEPT = 1_000;

export interface LookupOptions {
  /**
   * After so many aggregates that do not exist, no further one is read: each read wakes an object, and a request that is refused anyway must
   * not wake every object that it makes up. Default: 10. Reads that are under way by then add a few.
   */
  readonly maxMissing?: number;
}

/** What was found of some aggregates. */
export interface Found<State> {
  /** Those that exist, by id, in the order asked for. */
  readonly states: ReadonlyMap<string, { readonly version: number; readonly state: State }>;
  /** Ids that were not looked up, since enough others turned out not to exist. */
  readonly skipped: readonly string[];
}

/** What is known of one aggregate: its version, 0 where it does not exist. */
interface Known<State> {
  readonly stream: StreamId;
  readonly version: number;
  /** Ids of the stream's events by version: that at `version`, and those looked up for clients that have seen an earlier one. */
  readonly eventIds: Map<number, string | undefined>;
  readonly state?: State;
}

/**
 * Reads the states of aggregates of one kind for the commands of another, from the write side: authoritative, unlike a read model. At most six
 * reads run at once. A state that was read less than a second ago is used again, unless the sender has seen a newer version, or another event.
 * So what a command is decided on is never older than what its sender has seen (I15, I21).
 *
 *     const halls = stateLookup(hall, write);
 *     const found = await halls(['main', 'studio'], context.seen);
 *     // { outcome: 'prepared', added: { states: Map { 'main' => { version: 3, state: { seats: 120 } } }, skipped: [] } }
 */
export function stateLookup<State extends object, Absent extends State>(
  // oxlint-disable-next-line typescript/no-explicit-any -- only the states matter here
  { streamOf }: Aggregate<State, Absent, any, any, any>,
  {
    aggregates,
    clock,
  }: {
    readonly aggregates: Pick<WriteSide['aggregates'], 'state' | 'load'>;
    readonly clock: Pick<WriteSide['clock'], 'now'>;
  },
): (
  ids: readonly string[],
  seenOf: SeenOf,
  options?: LookupOptions,
) => Promise<Preparation<Found<Exclude<State, Absent>>>> {
  type Existing = Exclude<State, Absent>;
  const kept = new Map<string, { readonly known: Known<Existing>; readonly readAt: number }>();

  async function read(id: string): Promise<Known<Existing>> {
    const stream = streamOf(id);
    // Before the read, since what it brings may be from any moment after that.
    const readAt = clock.now();
    const current = await aggregates.state(stream);
    const eventIds = new Map(current && [[current.version, current.eventId]]);
    if (!current) return { stream, version: 0, eventIds };
    const { version } = current;
    const known = { stream, version, eventIds, state: current.state as Existing };
    if (kept.size >= MAX_KEPT) kept.clear();
    // A slow read may come in after a newer one. What is old may be of a log that was set back since.
    const other = kept.get(id);
    const isOvertaken = other !== undefined && isFresh(other.readAt) && other.known.version > version;
    if (!isOvertaken) kept.set(id, { known, readAt });
    return known;
  }

  /** Whether what was read then may be used again. (A clock that goes back makes nothing fresh.) */
  function isFresh(readAt: number): boolean {
    const ageMs = clock.now() - readAt;
    return ageMs >= 0 && ageMs < FRESH_MS;
  }

  /** Whether it is no older than what the sender has seen, and of the same history. */
  async function shows({ stream, version, eventIds }: Known<Existing>, seenOf: SeenOf): Promise<boolean> {
    const seen = seenOf(stream);
    if (seen === 'unknown' || version < seen.version) return false;
    if (seen.fingerprint === undefined) return true;
    if (!eventIds.get(seen.version)) {
      const { events } = await aggregates.load(stream, seen.version, 1);
      eventIds.set(seen.version, events[0]?.id);
    }
    return !isAnother(seen, eventIds.get(seen.version));
  }

  /** What is known of an aggregate, as far as the sender may see it; read anew where what was kept does not do. */
  async function find(id: string, seenOf: SeenOf): Promise<Known<Existing> & { readonly isLost: boolean }> {
    const before = kept.get(id);
    const mayBeUsed = before && isFresh(before.readAt) && !mayHaveSeenMore(seenOf(before.known.stream));
    if (mayBeUsed && (await shows(before.known, seenOf))) return { ...before.known, isLost: false };
    const known = await read(id);
    return { ...known, isLost: seenOf(known.stream) !== 'unknown' && !(await shows(known, seenOf)) };
  }

  return async (ids, seenOf, { maxMissing = 10 } = {}) => {
    let missing = 0;
    const skipped: string[] = [];
    const found = await eachOf([...new Set(ids)], CONNECTIONS_AT_ONCE, async (id) => {
      if (missing >= maxMissing) {
        skipped.push(id);
        return undefined;
      }
      const known = await find(id, seenOf);
      if (!known.state) missing += 1;
      return { id, ...known };
    });
    const states = new Map<string, { readonly version: number; readonly state: Existing }>();
    for (const known of found) {
      if (!known) continue;
      const { id, stream, version, state, isLost } = known;
      const seen = seenOf(stream);
      if (isLost && seen !== 'unknown')
        return { outcome: 'token-ahead', stream, seenVersion: seen.version, head: version };
      if (state) states.set(id, { version, state });
    }
    return { outcome: 'prepared', added: { states, skipped } };
  };
}

/** One who may have seen any version, or a later one, is shown the present one. */
function mayHaveSeenMore(seen: Seen | 'unknown'): boolean {
  return seen === 'unknown' || seen.isLeast === true;
}
