/** A SKU in the form in which it is unique and compared: NFC, trimmed, upper case. */
export function normalSku(sku: string): string {
  return sku.normalize('NFC').trim().toUpperCase();
}
