import * as z from 'zod/mini';

import { ACTOR_KINDS } from '../domain/principal.ts';
import { PLAIN_AND_VISIBLE, isPlain, isVisible, mayFit, normalText, spaced } from './text.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './limits.ts';

/** The headers of an answer whose body is JSON text already. */
export const JSON_TEXT = { 'Content-Type': 'application/json' };

/**
 * Adds a description to a schema, for the OpenAPI document.
 *
 *     const Row = described(z.int(), 'The row of the seat, from 1.');
 */
export function described<Schema extends z.ZodMiniType>(schema: Schema, description: string): Schema {
  return schema.check(z.describe(description));
}

/**
 * A schema of text without control characters, direction overrides, noncharacters and lone surrogates, with at least one visible character. Use `text`
 * unless the text has a normal form of its own. `bare` is the first step to that form. A text whose normal form must exceed `max` characters fails
 * with the message `tooLong` before it is normalised. The schema itself normalises nothing.
 *
 *     const Code = z.pipe(plainText(20, (code) => code.trim(), 'Must have at most 20 characters.'), z.transform((code) => code.trim().toUpperCase()));
 */
export function plainText(max: number, bare: (text: string) => string, tooLong: string) {
  return z.string().check(
    z.refine((typed) => mayFit(bare(typed), max), { error: tooLong, abort: true }),
    z.refine(isPlain, 'Must not contain control characters, direction overrides, noncharacters or lone surrogates.'),
    z.refine(isVisible, 'Must not be empty or invisible.'),
    z.meta({ pattern: PLAIN_AND_VISIBLE }),
  );
}

/**
 * A schema of text that a person typed, with at most `max` characters. Parses to the normal form (`normalText`), which is counted,
 * compared and recorded. Refuses text that is invisible or contains control characters.
 *
 *     const seatCommands = commands('seatId', { ReserveSeat: { guest: text(200) } });
 */
export function text(max: number) {
  const tooLong = `Must have at most ${max} characters.`;
  return plainText(max, spaced, tooLong).check(z.overwrite(normalText), z.maxLength(max, tooLong));
}

/**
 * The schema of an id in a path, a body or an answer: a UUID of any version, in lower case.
 *
 *     const params = z.strictObject({ seatId: Uuid });
 */
export const Uuid = z
  .string()
  .check(
    z.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'Must be a lower-case UUID.'),
    z.meta({ format: 'uuid' }),
  );

/**
 * The schema of a time: RFC 3339 in UTC, with milliseconds, such as `2026-11-23T09:00:00.000Z`.
 *
 *     const view = { place: z.string(), updatedAt: Time };
 */
export const Time = described(z.iso.datetime({ precision: 3 }), 'RFC 3339, UTC.');

/**
 * The schema of a stream's version: an integer from 1, the number of the stream's events so far.
 *
 *     const Receipt = z.strictObject({ seatId: Uuid, version: Version });
 */
export const Version = described(
  z.int().check(z.minimum(1)),
  'The version of the stream: the number of its events so far.',
);

/**
 * The schema of who caused an event, as `metadata.actor` of the event names them.
 *
 *     const view = { place: z.string(), reservedBy: ActorSchema };
 */
export const ActorSchema = named(
  'Actor',
  z.strictObject({
    kind: z.enum(ACTOR_KINDS),
    id: described(
      z.string(),
      'For a user `<issuer>/<subject>`, for an API key its id. `anonymous`: the event is from before authentication.',
    ),
  }),
);

/** An example of an actor, for the OpenAPI document. */
export const ACTOR_EXAMPLE = { kind: 'user', id: 'staff/7335d417' } as const;

type IntegerParameter<Value extends number | undefined> = z.ZodMiniPipe<
  z.ZodMiniTransform,
  z.ZodMiniType<Value, number | undefined>
>;

/**
 * A schema of an integer in a URL. Use it in `query` and `params` of `queryRoute`, and in `filter` of `listRoute`. A URL holds only text, so `z.int()`
 * would refuse every request there. In a body, use `z.int()`.
 *
 * It reads decimal digits, with a minus before them if `min` is below zero, and refuses everything else. The integer is at least `min` and at most
 * `max`. If the request leaves the parameter out, the handler gets `initial`. Without `initial`, it gets undefined.
 *
 *     const query = z.strictObject({ row: integerParameter(1, 50, 1), seat: integerParameter(1, 40) });
 */
export function integerParameter(min: number, max: number, initial: number): IntegerParameter<number>;
export function integerParameter(min: number, max: number): IntegerParameter<number | undefined>;
export function integerParameter(min: number, max: number, initial?: number): z.ZodMiniType {
  const error = `Must be an integer from ${min} to ${max}.`;
  const read = (value: unknown) => (typeof value === 'string' && /^-?[0-9]+$/.test(value) ? Number(value) : value);
  const integer = z.int(error).check(z.minimum(min, error), z.maximum(max, error));
  return z.pipe(z.transform(read), initial === undefined ? z.optional(integer) : z.prefault(integer, initial));
}

/**
 * The query parameters of every list: `limit`, from 1 to 100 rows (default 20), and `cursor`, the `nextCursor` of the previous page.
 *
 *     const query = z.strictObject({ ...PAGE_QUERY, place: z.optional(text(20)) });
 */
export const PAGE_QUERY = {
  limit: integerParameter(1, MAX_LIMIT, DEFAULT_LIMIT),
  cursor: described(z.optional(z.string().check(z.minLength(1))), '`nextCursor` of the previous page.'),
};

/**
 * Names a schema: it becomes a component of the OpenAPI document, and a type of generated clients. Building the document throws when two different
 * schemas have one name.
 *
 *     const Seat = named('Seat', z.strictObject({ seatId: Uuid, place: z.string(), version: Version }));
 */
export function named<Schema extends z.ZodMiniType>(id: string, schema: Schema): Schema {
  return schema.check(z.meta({ id }));
}

/**
 * A schema of one page of a list: `{ items, nextCursor }`. It is named after its items: `SeatPage` for `Seat`.
 *
 *     const answer = { description: 'One page.', schema: pageOf(seats.schema), example: { items: [], nextCursor: null } };
 */
export function pageOf<Item extends z.ZodMiniType>(item: Item) {
  const { id } = z.globalRegistry.get(item) ?? {};
  const page = z.strictObject({ items: z.array(item), nextCursor: z.nullable(z.string()) });
  return id === undefined ? page : named(`${id}Page`, page);
}
