import { fromCursor, invalidCursor, toCursor } from '../http/cursor.ts';
import { Problem } from '../http/problem.ts';

/** How far a follower has read the feed: the last entry of the archive that it has looked at. Position 0 is before the first. */
export interface FeedCursor {
  readonly position: number;
  /**
   * Tells the entry from any other that has its position after a restore (I21). Empty at position 0, and in cursors that former Workers
   * gave out.
   */
  readonly proof: string;
}

const FEED = 'feed';

/** Before the first event: where a follower without a cursor starts, and where an empty archive leaves it. */
const START: FeedCursor = { position: 0, proof: '' };

/** A cursor as the client sends it; a problem for a text that is not a cursor of the feed. */
export function parseFeedCursor(text: string | undefined): FeedCursor {
  const parts = fromCursor(FEED, text);
  if (!parts) return START;
  const [proof, digits] = parts;
  const position = Number(digits);
  if (!/^[0-9]+$/.test(digits) || !Number.isSafeInteger(position)) throw invalidCursor();
  return { position, proof };
}

/** A cursor as the client gets it. The position has the place where former Workers look for it. */
export function feedCursorText({ position, proof }: FeedCursor): string {
  return toCursor(FEED, [proof, String(position)]);
}

/** Whether the archive still has the entry that the cursor ends at; `covered` is the entry at the cursor's position, if there is one. */
export function fitsArchive({ position, proof }: FeedCursor, covered: { readonly proof: string } | undefined): boolean {
  if (position === START.position) return true;
  return covered !== undefined && (proof === '' || covered.proof === proof);
}

/** The archive was restored to a time before the cursor. */
export function cursorLost(): Problem {
  return new Problem(
    'cursor-lost',
    'The archive no longer has the event at which this cursor ends. It was restored to an earlier time.',
  );
}
