import { has } from './branches.ts';
import type { FeedAnswer, FeedOperation, IndexedHistory } from './history.ts';
import { type Report, capital, who } from './violation.ts';

/** The event that a reader of the feed has reached in each stream. */
export type FeedPosition = ReadonlyMap<string, { readonly version: number; readonly id: string }>;

/** How far each poll's reader had come with its answer, by the poll's id. */
export type FeedPositions = ReadonlyMap<number, FeedPosition>;

const START: FeedPosition = new Map();

/**
 * Judges the feed by itself. Along the cursors that each reader follows, every event comes once, and each stream's events come in the order of
 * the log. A reader that has reached the end at rest has read everything. A reader whose cursor was refused, since the archive was restored,
 * starts again. If a log was restored, the feed may have the lost events or the later ones, but never both; and it ends where the archive has
 * visibly stopped that stream. O(shown events).
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
  { branches }: IndexedHistory,
  poll: FeedOperation,
  { events }: FeedAnswer,
  before: FeedPosition,
  report: Report,
): FeedPosition {
  const reached = new Map(before);
  for (const event of events) {
    const { id, stream, version } = event;
    const got = `${capital(who(poll))} got ${stream}@${version} from the feed`;
    const logs = branches.between(stream, -Infinity, poll.completedAt ?? Infinity).filter(({ log }) => has(log, event));
    if (logs.length === 0) {
      report('phantom', [poll], stream, `${got} as event ${id}, which is not in the log there.`);
    }
    const last = reached.get(stream);
    const lastVersion = last?.version ?? 0;
    if (version <= lastVersion) {
      report('feed-order', [poll], stream, `${got}, though its reader had already got version ${lastVersion}.`);
    } else if (version > lastVersion + 1) {
      report(
        'feed-order',
        [poll],
        stream,
        `${got} right after version ${lastVersion}: what lies between was left out.`,
      );
    } else if (last && logs.length > 0 && !logs.some(({ log }) => has(log, last))) {
      const why = `${got} right after an event that was lost before that one was recorded: no log ever had both.`;
      report('feed-order', [poll], stream, why);
    }
    if (version > lastVersion) reached.set(stream, { version, id });
  }
  return reached;
}

function checkEnd(
  { history, branches }: IndexedHistory,
  poll: FeedOperation,
  reached: FeedPosition,
  report: Report,
): void {
  const isStopped = (stream: string) =>
    history.restored?.stopped.some(
      (stop) => stop.readModel === poll.readModel && stop.stream === stream && stop.until === null,
    ) ?? false;
  for (const stream of branches.streams) {
    const log = branches.of(stream).at(-1)?.log ?? [];
    const last = reached.get(stream)?.version ?? 0;
    if (last >= log.length || isStopped(stream)) continue;
    const why = `${capital(who(poll))} read the feed to its end when all was quiet, and got ${stream} up to version ${last} of ${log.length}.`;
    report('feed-complete', [poll], stream, why);
  }
}
