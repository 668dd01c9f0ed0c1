import * as z from 'zod/mini';

import { PLAIN_AND_VISIBLE, isPlain, isVisible, mayFit, normalText, spaced } from './text.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './limits.ts';

/** A schema with a description for the OpenAPI document. */
export function described<Schema extends z.ZodMiniType>(schema: Schema, description: string): Schema {
  return schema.check(z.describe(description));
}

/** Text that is plain, visible, and short enough to be normalised: of `bare(text)` the normal form has at most `max` characters. */
export function plainText(max: number, bare: (text: string) => string, tooLong: string) {
  return z.string().check(
    z.refine((typed) => mayFit(bare(typed), max), { error: tooLong, abort: true }),
    z.refine(isPlain, 'Must not have control characters, direction overrides, noncharacters or lone surrogates.'),
    z.refine(isVisible, 'Must not be empty or invisible.'),
    z.meta({ pattern: PLAIN_AND_VISIBLE }),
  );
}

/** Text of at most `max` characters, read as its normal form: whatever is counted, compared and recorded is that. */
export function text(max: number) {
  const tooLong = `Must have at most ${max} characters.`;
  return plainText(max, spaced, tooLong).check(z.overwrite(normalText), z.maxLength(max, tooLong));
}

/** An id in a path or a body. */
export const Uuid = z
  .string()
  .check(
    z.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'Must be a lower-case UUID.'),
    z.meta({ format: 'uuid' }),
  );

export const Time = described(z.iso.datetime({ precision: 3 }), 'RFC 3339, UTC.');

export const Version = described(
  z.int().check(z.minimum(1)),
  'The version of the stream: the number of its events so far.',
);

/** An integer in a query string; `initial` when it is not there. */
export function integerParameter(min: number, max: number, initial: number) {
  const error = `Must be an integer from ${min} to ${max}.`;
  const read = (value: unknown) => (typeof value === 'string' && /^[0-9]+$/.test(value) ? Number(value) : value);
  const integer = z.int(error).check(z.minimum(min, error), z.maximum(max, error));
  return z.pipe(z.transform(read), z.prefault(integer, initial));
}

/** The query parameters that every list has. */
export const PAGE_QUERY = {
  limit: integerParameter(1, MAX_LIMIT, DEFAULT_LIMIT),
  cursor: described(z.optional(z.string().check(z.minLength(1))), '`nextCursor` of the page before.'),
};

/** A schema with the name that it has in the OpenAPI document, and so in generated clients. */
export function named<Schema extends z.ZodMiniType>(id: string, schema: Schema): Schema {
  return schema.check(z.meta({ id }));
}

/** One page of a list, named after what is listed: `SeatPage` for `Seat`. */
export function pageOf<Item extends z.ZodMiniType>(item: Item) {
  const { id } = z.globalRegistry.get(item) ?? {};
  const page = z.strictObject({ items: z.array(item), nextCursor: z.nullable(z.string()) });
  return id === undefined ? page : named(`${id}Page`, page);
}
