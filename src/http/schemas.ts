import * as z from 'zod';

import { MAX_AMOUNT, isCurrency } from '../money.ts';
import { normalSku } from '../sku.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './limits.ts';

// Control characters have no place in names and reasons, and a lone surrogate is no Unicode: neither would come back as it was sent.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Text of 1 to `max` characters, trimmed. */
export function text(max: number) {
  return z
    .string()
    .refine(
      (value) => value.isWellFormed() && !CONTROL.test(value),
      'Control characters and lone surrogates are not allowed.',
    )
    .trim()
    .min(1)
    .max(max);
}

/** An id in a path or a body. */
export const Uuid = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'Must be a lower-case UUID.')
  .meta({ format: 'uuid' });

export const Sku = text(64).refine((sku) => normalSku(sku).length > 0 && normalSku(sku).length <= 128, 'Not a SKU.');

export const Currency = z
  .string()
  .refine(isCurrency, 'Must be an ISO 4217 currency code, for example EUR.')
  .meta({ pattern: '^[A-Z]{3}$' });

/** A price as a client sends it. Zero and below are well-formed: it is the domain that refuses them. */
export const Price = z
  .strictObject({ amount: z.int().max(MAX_AMOUNT), currency: Currency })
  .meta({
    id: 'Price',
    description: 'Integer minor units (cents, yen) and an ISO 4217 code. A price has to be positive.',
  });

/** An amount of money in an answer. */
export const MoneySchema = z
  .strictObject({ amount: z.int(), currency: z.string() })
  .meta({ id: 'Money', description: 'Integer minor units (cents, yen) and an ISO 4217 code.' });

export const Time = z.iso.datetime({ precision: 3 }).meta({ description: 'RFC 3339, UTC.' });

export const Version = z
  .int()
  .min(1)
  .meta({ description: 'The version of the stream: the number of its events so far.' });

const DIGITS = /^[0-9]+$/;

/** A positive integer in a query string. */
export function digits(min: number, max: number) {
  return z
    .string()
    .regex(DIGITS, `Must be an integer from ${min} to ${max}.`)
    .transform(Number)
    .pipe(z.int().min(min).max(max));
}

/** The query parameters that every list has. */
export const PAGE_QUERY = {
  limit: digits(1, MAX_LIMIT).default(DEFAULT_LIMIT),
  cursor: z.string().max(1024).optional(),
};

/** One page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });
}
