import type { StoredEvent } from '../domain/event.ts';
import type { Group } from '../platform/group.ts';
import { type StreamId, parseStreamId } from '../domain/stream.ts';

/**
 * A hint in a queue message: the stream has events from `fromVersion` to `toVersion`. The log is the truth, so a hint may be lost, doubled or
 * reordered. It carries the events only to save a second read in the common case.
 */
export interface Hint {
  readonly stream: StreamId;
  readonly fromVersion: number;
  readonly toVersion: number;
  /** The id of the event before `fromVersion`; null at the start of the stream. Present only with `events`. */
  readonly previousId?: string | null;
  /** All events of the range as stored. If absent, the reader fetches them from the log. */
  readonly events?: readonly StoredEvent[];
  /** The sender has seen a checkpoint that contradicts the log. Read the log even if the checkpoint seems to have reached it. */
  readonly isRecheck?: boolean;
}

/**
 * The sender of a message. It decides which groups still have to be told.
 * - `relay`: an object, right after a commit, to the first group that follows its stream. That group's consumer passes the message on.
 * - `group`: that consumer, to another group.
 * - `reminder`: an object's delivery check, to the group that lags.
 */
export type Sender = 'relay' | 'group' | 'reminder';

/** The body of a queue message: hints about one or many streams. */
export interface HintMessage {
  readonly sender: Sender;
  readonly hints: readonly Hint[];
}

/** Sends a message to the queue of a group, which holds it back for `delaySeconds`. Default: not at all. */
export type SendHints = (
  group: Group,
  message: HintMessage,
  options?: { readonly delaySeconds?: number },
) => Promise<void>;

/** A queue takes 128 kB in a message and bills each 64 kB. Payloads stay below two such units, with room for the envelope. */
export const MAX_MESSAGE_BYTES = 120_000;

/** Parses a message body. Returns undefined if it comes from elsewhere or has the format of another version. */
export function parseMessage(body: unknown): HintMessage | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { sender, hints } = body as Partial<HintMessage>;
  if (sender !== 'relay' && sender !== 'group' && sender !== 'reminder') return undefined;
  return Array.isArray(hints) && hints.every(isHint) ? { sender, hints } : undefined;
}

function isHint(value: unknown): value is Hint {
  if (typeof value !== 'object' || value === null) return false;
  const { stream, fromVersion, toVersion, events } = value as Partial<Hint>;
  if (!Number.isSafeInteger(fromVersion) || !Number.isSafeInteger(toVersion)) return false;
  if (typeof stream !== 'string' || parseStreamId(stream) === undefined) return false;
  return events === undefined || Array.isArray(events);
}

/** Packs hints about many streams into as few messages as possible. A hint that is too large for any message loses its payload. */
export function packMessages(
  hints: readonly Hint[],
  sender: Sender,
  maxBytes = MAX_MESSAGE_BYTES,
): readonly HintMessage[] {
  const messages: Hint[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const hint of hints) {
    const whole = byteLength(hint);
    const { events: _, previousId: __, ...range } = hint;
    const fitting = whole <= maxBytes ? hint : range;
    const size = whole <= maxBytes ? whole : byteLength(fitting);
    if (bytes + size > maxBytes) {
      messages.push([]);
      bytes = 0;
    }
    messages.at(-1)?.push(fitting);
    bytes += size;
  }
  return messages.map((packed) => ({ sender, hints: packed }));
}

/** The length of a value as JSON in a list, in bytes of UTF-8. */
function byteLength(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength + 1;
}

/**
 * Packs consecutive events into as few hints as possible. An event that is too large for its own message becomes a range without payload.
 * `previousId` is the id of the event before the first.
 */
export function packHints(
  events: readonly StoredEvent[],
  previousId: string | null,
  maxBytes = MAX_MESSAGE_BYTES,
): readonly Hint[] {
  const hints: Hint[] = [];
  let packed: StoredEvent[] = [];
  let bytes = 0;
  let before = previousId;

  function close(): void {
    const first = packed[0];
    const last = packed.at(-1);
    if (!first || !last) return;
    const range = { stream: first.stream, fromVersion: first.version, toVersion: last.version };
    hints.push(bytes > maxBytes ? range : { ...range, previousId: before, events: packed });
    before = last.id;
    packed = [];
    bytes = 0;
  }

  for (const event of events) {
    const size = byteLength(event);
    if (packed.length > 0 && bytes + size > maxBytes) close();
    packed.push(event);
    bytes += size;
  }
  close();
  return hints;
}
