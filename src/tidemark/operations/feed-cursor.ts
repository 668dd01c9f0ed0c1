import { fromCursor, invalidCursor, toCursor } from '../http/cursor.ts';
import { Problem } from '../http/problem.ts';

/** The place to which a follower has read the feed: the last archive entry that it has passed. Position 0 is before the first entry. */
export interface FeedCursor {
  readonly position: number;
  /**
   * Distinguishes the entry from another one at the same position after a restore (I21). Empty at position 0, and in the cursors of former
   * Workers.
   */
  readonly proof: string;
}

const FEED = 'feed';

/** Before the first event: a follower without a cursor starts here, and stays here while the archive is empty. */
const START: FeedCursor = { position: 0, proof: '' };

/** Decodes the client's cursor. Throws a problem for a text that is not a cursor of the feed. */
export function parseFeedCursor(text: string | undefined): FeedCursor {
  const parts = fromCursor(FEED, text);
  if (!parts) return START;
  const [proof, digits] = parts;
  const position = Number(digits);
  if (!/^[0-9]+$/.test(digits) || !Number.isSafeInteger(position)) throw invalidCursor();
  return { position, proof };
}

/** Encodes a cursor for the client. The position is where former Workers expect it. */
export function feedCursorText({ position, proof }: FeedCursor): string {
  return toCursor(FEED, [proof, String(position)]);
}

/** Whether the archive still has the cursor's entry. `covered` is the entry at the cursor's position, if there is one. */
export function fitsArchive({ position, proof }: FeedCursor, covered: { readonly proof: string } | undefined): boolean {
  if (position === START.position) return true;
  return covered !== undefined && (proof === '' || covered.proof === proof);
}

/** The problem for a cursor whose entry a restore of the archive removed. */
export function cursorLost(): Problem {
  return new Problem(
    'cursor-lost',
    'The archive was restored to an earlier time. It no longer has the event at which this cursor ends. Read the feed again from the beginning, and drop each event whose `id` you have.',
  );
}
