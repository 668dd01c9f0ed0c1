import * as z from 'zod';

import { MAX_AMOUNT, isCurrency } from '../money.ts';
import { MAX_SKU_LENGTH, isLegibleSku, normalSku } from '../sku.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './limits.ts';

// Control characters have no place in names and reasons, and a lone surrogate is no Unicode: neither would come back as it was sent.
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;
const NOT_BLANK = /\S/;

/** Text of at most `max` characters, trimmed and not empty. */
export function text(max: number) {
  return z
    .string()
    .regex(PLAIN, 'Must not have control characters or lone surrogates.')
    .regex(NOT_BLANK, 'Must not be empty.')
    .max(max)
    .trim();
}

/** An id in a path or a body. */
export const Uuid = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'Must be a lower-case UUID.')
  .meta({ format: 'uuid' });

/** A SKU, read as its normal form: whatever is checked, compared and recorded is that. */
export const Sku = z
  .string()
  .regex(PLAIN, 'Must not have control characters or lone surrogates.')
  .regex(NOT_BLANK, 'Must not be empty.')
  .transform(normalSku)
  .refine(isLegibleSku, 'Must not have invisible characters, or spaces other than the ordinary one.')
  .refine(
    (sku) => Array.from(sku).length <= MAX_SKU_LENGTH,
    `Must have at most ${MAX_SKU_LENGTH} characters, counted in NFC, trimmed and in upper case.`,
  )
  .meta({
    description: `Compared, and answered, in NFC, trimmed and in upper case: so it has at most ${MAX_SKU_LENGTH} characters, none of them invisible.`,
  });

const Currency = z
  .string()
  .refine(isCurrency, 'Must be an ISO 4217 currency code, for example EUR.')
  .meta({ pattern: '^[A-Z]{3}$' });

/** A price as a client sends it. Zero and below are well-formed: it is the domain that refuses them. */
export const Price = z.strictObject({ amount: z.int().max(MAX_AMOUNT), currency: Currency }).meta({
  id: 'Price',
  description: 'Integer minor units (cents, yen) and an ISO 4217 code. A price has to be positive.',
});

/** Minor units of a currency in an answer. A sum has no bound: past 2^53 it is rounded, as JSON numbers are. */
export const MinorUnits = z.number().meta({ type: 'integer' });

/** An amount of money in an answer. */
export const MoneySchema = z
  .strictObject({ amount: MinorUnits, currency: z.string() })
  .meta({ id: 'Money', description: 'Integer minor units (cents, yen) and an ISO 4217 code.' });

export const Time = z.iso.datetime({ precision: 3 }).meta({ description: 'RFC 3339, UTC.' });

export const Version = z
  .int()
  .min(1)
  .meta({ description: 'The version of the stream: the number of its events so far.' });

/** An integer in a query string; `initial` when it is not there. */
export function integerParameter(min: number, max: number, initial: number) {
  const error = `Must be an integer from ${min} to ${max}.`;
  const read = (value: unknown) => (typeof value === 'string' && /^[0-9]+$/.test(value) ? Number(value) : value);
  return z.preprocess(read, z.int(error).min(min, error).max(max, error).default(initial));
}

/** The query parameters that every list has. */
export const PAGE_QUERY = {
  limit: integerParameter(1, MAX_LIMIT, DEFAULT_LIMIT),
  cursor: z.string().optional().meta({ description: '`nextCursor` of the page before.' }),
};

/** One page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });
}
