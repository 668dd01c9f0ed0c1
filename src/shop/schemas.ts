import * as z from 'zod/mini';

import { described, hasBlank, plainText } from '#tidemark';

import { CURRENCIES, MAX_AMOUNT } from './money.ts';
import { MAX_SKU_LENGTH, isLegibleSku, isSettledSku, normalSku } from './sku.ts';

const TOO_LONG_SKU = `Must have at most ${MAX_SKU_LENGTH} characters, counted in NFC, trimmed and in upper case.`;

/** A SKU. Parses to its normal form, which is checked, compared and recorded. */
export const Sku = described(
  z
    .pipe(
      plainText(MAX_SKU_LENGTH, (sku) => sku.trim(), TOO_LONG_SKU),
      z.transform(normalSku),
    )
    .check(
      z.refine(isLegibleSku, 'Must not contain invisible characters, or spaces other than U+0020.'),
      z.refine((sku) => Array.from(sku).length <= MAX_SKU_LENGTH, TOO_LONG_SKU),
    ),
  `Compared and answered in its normal form: NFC, trimmed and in upper case. That form has at most ${MAX_SKU_LENGTH} characters, none of them invisible.`,
);

/** The SKU of a new product. The product's id follows from it, so later versions of Unicode must not change it. */
export const NewSku = Sku.check(
  z.refine((sku) => !hasBlank(sku), 'Must not contain blank characters.'),
  z.refine(
    isSettledSku,
    'Must not contain lower-case letters without a capital, or characters that Unicode does not define.',
  ),
);

const Currency = z.string().check(
  z.refine((code) => CURRENCIES.has(code), 'Must be a current ISO 4217 currency code, for example EUR.'),
  z.meta({ pattern: '^[A-Z]{3}$' }),
);

/** A price in a request. Zero and negative amounts are well-formed: the domain refuses them. */
export const Price = z.strictObject({ amount: z.int().check(z.maximum(MAX_AMOUNT)), currency: Currency }).check(
  z.meta({
    id: 'Price',
    description: 'Integer minor units (cents, yen) and an ISO 4217 code. A price must be positive.',
  }),
);

/** An amount of money in an answer. */
export const MoneySchema = z
  .strictObject({ amount: z.int(), currency: z.string() })
  .check(z.meta({ id: 'Money', description: 'Integer minor units (cents, yen) and an ISO 4217 code.' }));
