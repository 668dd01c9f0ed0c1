/**
 * The id of one stream: `<category>-<id>`, for example `invoice-0198c5…`. The category is one lower-case word without a hyphen, so the first hyphen
 * ends it. The id is the rest, and may contain hyphens.
 */
export type StreamId = string & { readonly __brand: 'StreamId' };

const STREAM_ID = /^[a-z][a-z0-9]*-[A-Za-z0-9][A-Za-z0-9._~-]{0,199}$/;

/** Makes the id of a stream from a category and an aggregate's own id. Throws if the two make no valid stream id. */
export function streamId(category: string, id: string): StreamId {
  const parsed = parseStreamId(`${category}-${id}`);
  if (parsed === undefined) throw new Error(`"${category}-${id}" is not a stream id (<category>-<id>)`);
  return parsed;
}

/** Parses a stream id. Returns undefined if `text` is not one. */
export function parseStreamId(text: string): StreamId | undefined {
  return STREAM_ID.test(text) ? (text as StreamId) : undefined;
}

/** The category of a stream: the part before its first hyphen. It selects the decider. */
export function categoryOf(stream: StreamId): string {
  return stream.slice(0, stream.indexOf('-'));
}

/** The aggregate's own id: the part after the stream's first hyphen. */
export function idOf(stream: StreamId): string {
  return stream.slice(stream.indexOf('-') + 1);
}
