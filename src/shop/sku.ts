/** The normal form of a SKU, which is unique and compared: NFC, trimmed, upper case. */
export function normalSku(sku: string): string {
  // NFC again at the end, since upper case may be decomposed: the normal form of a normal form must be the same.
  return sku.trim().normalize('NFC').toUpperCase().normalize('NFC');
}

/** The longest SKU, in characters of its normal form. Upper case may be longer than the typed text: ß becomes SS. */
export const MAX_SKU_LENGTH = 64;

// In addition to what no text may contain (text.ts): format characters, separators, default ignorables (joiners, fillers, variation
// selectors), and the empty braille pattern.
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}\p{DI}\u2800]|[^\P{Zs} ]/u;

/** Whether a normal form has only visible characters and ordinary spaces. Two products must not have SKUs that look the same. */
export function isLegibleSku(sku: string): boolean {
  return !INVISIBLE.test(sku);
}

/**
 * Whether no later version of Unicode can change a normal form. A letter without a capital may get one, as ƛ did in 2024. A character that is not
 * defined yet may become composed. The product would then no longer be found, since its id follows from the normal form.
 */
export function isSettledSku(sku: string): boolean {
  return !/[\p{Ll}\p{Cn}]/u.test(sku);
}
