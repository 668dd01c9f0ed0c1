import type { WriteSide } from '../projections/event-sourced-module.ts';
import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import { type Seen, type SeenOf, isAnother } from '../domain/seen.ts';
import type { StreamId } from '../domain/stream.ts';
import type { Aggregate } from './aggregate.ts';
import type { Preparation } from './module.ts';

/** How long the isolate reuses a state, in ms, so that a popular aggregate does not limit all commands that read it. */
const FRESH_MS = 1_000;
/** The most states that are kept. */
const MAX_KEPT = 1_000;

export interface LookupOptions {
  /**
   * After so many missing aggregates, the lookup reads no further one: each read wakes an object, and a request that will be refused must not wake
   * every object that it invents. Reads already under way add a few. Default: 10.
   */
  readonly maxMissing?: number;
}

/** The result of a lookup. */
export interface Found<State> {
  /** The existing aggregates, by id, in the order of the request. */
  readonly states: ReadonlyMap<string, { readonly version: number; readonly state: State }>;
  /** Ids that were not looked up, since too many others are missing. */
  readonly skipped: readonly string[];
}

/** A kept aggregate. Version 0: it does not exist. */
interface Known<State> {
  readonly stream: StreamId;
  readonly version: number;
  /** Event ids by version: the one at `version`, and those that were read for clients with an earlier version. */
  readonly eventIds: Map<number, string | undefined>;
  readonly state?: State;
}

/**
 * Reads states of one kind of aggregate for the commands of another, for a `prepare` function. It reads the write side, so the states are current,
 * unlike a read model. At most six reads run at once. A state is reused for one second, unless the sender has seen a newer version or another event.
 * So a command is never decided on a state older than its sender has seen (I15, I21). Returns `token-ahead` when the sender has seen more of a stream
 * than its log holds. Rejects when an aggregate does not answer: the client then gets 503.
 *
 *     const seatsOf = stateLookup(seat, write);
 *     const found = await seatsOf(['a12', 'a13'], context.seen);
 *     if (found.outcome === 'prepared') found.added.states.get('a12')?.state.place; // 'A12'
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
    // The time before the read: the state may be from any moment after it.
    const readAt = clock.now();
    const current = await aggregates.state(stream);
    const eventIds = new Map(current && [[current.version, current.eventId]]);
    if (!current) return { stream, version: 0, eventIds };
    const { version } = current;
    const known = { stream, version, eventIds, state: current.state as Existing };
    if (kept.size >= MAX_KEPT) kept.clear();
    // A slow read may end after a newer one. A state that is no longer fresh may be from before a restore, so it is replaced.
    const other = kept.get(id);
    const isOvertaken = other !== undefined && isFresh(other.readAt) && other.known.version > version;
    if (!isOvertaken) kept.set(id, { known, readAt });
    return known;
  }

  /** Whether a state read at that time may be reused. A clock that goes back makes no state fresh. */
  function isFresh(readAt: number): boolean {
    const ageMs = clock.now() - readAt;
    return ageMs >= 0 && ageMs < FRESH_MS;
  }

  /** Whether the state is at least as new as the sender has seen, and from the same history. */
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

  /** Finds an aggregate at the version that the sender has seen, or a later one. Reads it again if the kept state is not enough. */
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

/** Whether the sender may have seen a later version than its token names. It then gets the current state. */
function mayHaveSeenMore(seen: Seen | 'unknown'): boolean {
  return seen === 'unknown' || seen.isLeast === true;
}
