import * as z from 'zod/mini';

import { described, hasBlank, plainText } from '#tidemark';

import { CURRENCIES, MAX_AMOUNT } from './money.ts';
import { MAX_SKU_LENGTH, isLegibleSku, isSettledSku, normalSku } from './sku.ts';

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
