import * as z from 'zod/mini';

import { CURRENCIES, MAX_AMOUNT } from '../money.ts';
import { MAX_SKU_LENGTH, isLegibleSku, isSettledSku, normalSku } from '../sku.ts';
import { PLAIN_AND_VISIBLE, hasBlank, isPlain, isVisible, mayFit, normalText, spaced } from '../text.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './limits.ts';

/** A schema with a description for the OpenAPI document. */
export function described<Schema extends z.ZodMiniType>(schema: Schema, description: string): Schema {
  return schema.check(z.describe(description));
}

/** Text that is plain, visible, and short enough to be normalised: of `bare(text)` the normal form has at most `max` characters. */
function plainText(max: number, bare: (text: string) => string, tooLong: string) {
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

const TOO_LONG_SKU = `Must have at most ${MAX_SKU_LENGTH} characters, counted in NFC, trimmed and in upper case.`;

/** A SKU, read as its normal form: whatever is checked, compared and recorded is that. */
export const Sku = described(
  z
    .pipe(
      plainText(MAX_SKU_LENGTH, (sku) => sku.trim(), TOO_LONG_SKU),
      z.transform(normalSku),
    )
    .check(
      z.refine(isLegibleSku, 'Must not have invisible characters, or spaces other than the ordinary one.'),
      z.refine((sku) => Array.from(sku).length <= MAX_SKU_LENGTH, TOO_LONG_SKU),
    ),
  `Compared, and answered, in NFC, trimmed and in upper case: so it has at most ${MAX_SKU_LENGTH} characters, none of them invisible.`,
);

/** The SKU of a new product, whose id follows from it. */
export const NewSku = Sku.check(
  z.refine((sku) => !hasBlank(sku), 'Must not have characters that show nothing.'),
  z.refine(
    isSettledSku,
    'Must not have lower-case letters without a capital, or characters that Unicode does not define.',
  ),
);

const Currency = z.string().check(
  z.refine((code) => CURRENCIES.has(code), 'Must be a current ISO 4217 currency code, for example EUR.'),
  z.meta({ pattern: '^[A-Z]{3}$' }),
);

/** A price as a client sends it. Zero and below are well-formed: it is the domain that refuses them. */
export const Price = z.strictObject({ amount: z.int().check(z.maximum(MAX_AMOUNT)), currency: Currency }).check(
  z.meta({
    id: 'Price',
    description: 'Integer minor units (cents, yen) and an ISO 4217 code. A price has to be positive.',
  }),
);

/** An amount of money in an answer. */
export const MoneySchema = z
  .strictObject({ amount: z.int(), currency: z.string() })
  .check(z.meta({ id: 'Money', description: 'Integer minor units (cents, yen) and an ISO 4217 code.' }));

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
