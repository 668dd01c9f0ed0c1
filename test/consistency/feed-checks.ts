import type { FeedAnswer, FeedOperation, IndexedHistory } from './history.ts';
import { type Report, capital, who } from './violation.ts';

/** The version that a reader of the feed has reached in each stream. */
export type FeedPosition = ReadonlyMap<string, number>;

/** How far each poll's reader had come with its answer, by the poll's id. */
export type FeedPositions = ReadonlyMap<number, FeedPosition>;

const START: FeedPosition = new Map();

/**
 * Judges the feed by itself: along the cursors, which each reader carries on, every event comes once and each stream's in order, as they
 * stand in the logs; and whoever has read to the end when all is quiet has read everything. O(events that were shown).
 */
export function checkFeeds(indexed: IndexedHistory, report: Report): FeedPositions {
  const positions = new Map<number, FeedPosition>();
  const polls = indexed.history.operations
    .filter((operation) => operation.kind === 'feed')
    .toSorted((one, other) => one.invokedAt - other.invokedAt);
  for (const poll of polls) {
    if (poll.outcome.kind !== 'events') continue;
    const before = poll.cursorFrom === null ? START : (positions.get(poll.cursorFrom) ?? START);
    const reached = follow(indexed, poll, poll.outcome, before, report);
    positions.set(poll.id, reached);
    if (poll.isLast && poll.outcome.isEnd) checkEnd(indexed, poll, reached, report);
  }
  return positions;
}

function follow(
  { history }: IndexedHistory,
  poll: FeedOperation,
  { events }: FeedAnswer,
  before: FeedPosition,
  report: Report,
): FeedPosition {
  const reached = new Map(before);
  for (const { id, stream, version } of events) {
    const got = `${capital(who(poll))} got ${stream}@${version} from the feed`;
    const logged = history.log[stream]?.[version - 1];
    if (logged?.id !== id) report('phantom', [poll], stream, `${got} as event ${id}, which is not in the log there.`);
    const last = reached.get(stream) ?? 0;
    if (version <= last)
      report('feed-order', [poll], stream, `${got}, though its reader had already got version ${last}.`);
    else if (version > last + 1)
      report('feed-order', [poll], stream, `${got} right after version ${last}: what lies between was left out.`);
    reached.set(stream, Math.max(last, version));
  }
  return reached;
}

function checkEnd({ history }: IndexedHistory, poll: FeedOperation, reached: FeedPosition, report: Report): void {
  for (const [stream, events] of Object.entries(history.log)) {
    const last = reached.get(stream) ?? 0;
    if (last >= events.length) continue;
    const why = `${capital(who(poll))} read the feed to its end when all was quiet, and got ${stream} up to version ${last} of ${events.length}.`;
    report('feed-complete', [poll], stream, why);
  }
}
