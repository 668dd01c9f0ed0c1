/** A SKU in the form in which it is unique and compared: NFC, trimmed, upper case. */
export function normalSku(sku: string): string {
  // NFC once more at the end, since capitals may come decomposed: the form has to be its own form.
  return sku.trim().normalize('NFC').toUpperCase().normalize('NFC');
}

/** The longest SKU, in characters of its normal form: upper case may be longer than what was typed (ß is SS). */
export const MAX_SKU_LENGTH = 64;

// Beside what no text may have (text.ts): the categories of what formats or separates, what is ignorable by default (joiners, fillers,
// variation selectors), and the braille pattern without a dot.
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}\p{DI}\u2800]|[^\P{Zs} ]/u;

/** Whether a normal form has only what can be seen, and ordinary spaces: SKUs that look the same must not be two products. */
export function isLegibleSku(sku: string): boolean {
  return !INVISIBLE.test(sku);
}

/**
 * Whether no later version of Unicode can change a normal form. A letter that has no capital yet may be given one, as ƛ was in 2024, and a
 * character that is not defined yet may come to be composed: the product's id, which is made of the normal form, would no longer be found.
 */
export function isSettledSku(sku: string): boolean {
  return !/[\p{Ll}\p{Cn}]/u.test(sku);
}
