import { CONNECTIONS_AT_ONCE, eachOf } from '../platform/concurrency.ts';
import type { StreamId } from '../domain/stream.ts';
import { withTimeout } from '../platform/timeout.ts';
import { LOADS_TIMEOUT_MS, LOAD_TIMEOUT_MS } from './catch-up-limits.ts';
import type { SystemContext } from '../projections/system-context.ts';
import { type EventAt, type Positions, reachedBy } from './sweep-positions.ts';

/** What the sweep reads from a stream's log. */
interface LogOf {
  /** The version of the stream; 0 if it does not exist. */
  readonly head: number;
  /** The highest version of the stream that any projection has. */
  readonly at: number;
  /** The id of the event at version `at`. Undefined if the log ends before it. */
  readonly eventId: string | undefined;
}

/**
 * Reads from each stream's log its version, and the event at the highest version that any projection has of the stream. Starts no further read after
 * its time is over: `asked` are the streams that it came to, at least the first. `logs` lacks a log that did not answer in time.
 */
export async function readLogs(
  { aggregates, clock, report }: Pick<SystemContext, 'aggregates' | 'clock' | 'report'>,
  streams: readonly StreamId[],
  all: readonly Positions[],
): Promise<{ readonly asked: readonly StreamId[]; readonly logs: ReadonlyMap<StreamId, LogOf> }> {
  const until = clock.now() + LOADS_TIMEOUT_MS;
  let asked = 0;
  let isOver = false;
  const logs = await eachOf(streams, CONNECTIONS_AT_ONCE, async (stream): Promise<[StreamId, LogOf][]> => {
    isOver ||= asked > 0 && clock.now() >= until;
    if (isOver) return [];
    asked += 1;
    const at = Math.max(0, ...believed(stream, all).map(({ reached: { version } }) => version));
    try {
      const { events, head } = await withTimeout(aggregates.load(stream, Math.max(at, 1), 1), LOAD_TIMEOUT_MS);
      return [[stream, { head, at, eventId: events.find(({ version }) => version === at)?.id }]];
    } catch (error) {
      report('sweep.log-unread', { stream, error: String(error) });
      return [];
    }
  });
  return { asked: streams.slice(0, asked), logs: new Map(logs.flat()) };
}

/**
 * For each stream in which some projection contradicts the log: the projections that may have the lost history. These have another event at the
 * compared version, or stand below it.
 */
export function suspectsByStream(
  logs: ReadonlyMap<StreamId, LogOf>,
  all: readonly Positions[],
): ReadonlyMap<StreamId, ReadonlySet<string>> {
  return new Map(
    [...logs].flatMap(([stream, { at, eventId }]): [StreamId, ReadonlySet<string>][] => {
      const positions = believed(stream, all);
      const isContradicted = positions.some(({ reached }) => reached.version === at && reached.eventId !== eventId);
      if (at === 0 || !isContradicted) return [];
      // Below the compared version, only the projection's consumer can tell.
      const suspect = positions.filter(({ reached }) => reached.version < at || reached.eventId !== eventId);
      return [[stream, new Set(suspect.map(({ name }) => name))]];
    }),
  );
}

/** The positions of a stream in all projections, except where an open dead letter of cause `log-restored` holds the stream. */
function believed(
  stream: StreamId,
  all: readonly Positions[],
): readonly { readonly name: string; readonly reached: EventAt }[] {
  return all.flatMap((positions) =>
    positions.held.get(stream) === 'log-restored'
      ? []
      : reachedBy(stream, positions).map((reached) => ({ name: positions.projection.name, reached })),
  );
}
