import type { StoredEvent } from './event.ts';
import { type StreamId, parseStreamId } from './stream.ts';

/**
 * What travels through a queue: a hint that a stream has events from `fromVersion` to `toVersion`. The log is the truth, so a hint
 * may be lost, doubled or reordered. It carries the events only to spare the common case a second read.
 */
export interface Hint {
  readonly stream: StreamId;
  readonly fromVersion: number;
  readonly toVersion: number;
  /** The id of the event before `fromVersion`; null at the start of the stream. Only with `events`. */
  readonly previousId?: string | null;
  /** All events of the range as stored, or absent: then the reader fetches them from the log. */
  readonly events?: readonly StoredEvent[];
}

/** A queue takes 128 kB a message and bills each 64 kB: payloads stay below two of those, with room for the envelope. */
export const MAX_HINT_BYTES = 120_000;

/** A message body as a hint, or undefined when it is none (a message from elsewhere, or from another version's format). */
export function parseHint(body: unknown): Hint | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const hint = body as Partial<Hint>;
  if (!Number.isSafeInteger(hint.fromVersion) || !Number.isSafeInteger(hint.toVersion)) return undefined;
  if (typeof hint.stream !== 'string' || parseStreamId(hint.stream) === undefined) return undefined;
  if (hint.events !== undefined && !Array.isArray(hint.events)) return undefined;
  return hint as Hint;
}

/**
 * Packs consecutive events into as few hints as fit. An event too large for a message of its own becomes a range without payload.
 * `previousId` is the id of the event before the first.
 */
export function packHints(
  events: readonly StoredEvent[],
  previousId: string | null,
  maxBytes = MAX_HINT_BYTES,
): readonly Hint[] {
  const encoder = new TextEncoder();
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
    const size = encoder.encode(JSON.stringify(event)).byteLength + 1;
    if (packed.length > 0 && bytes + size > maxBytes) close();
    packed.push(event);
    bytes += size;
  }
  close();
  return hints;
}
