/** A SKU in the form in which it is unique and compared: NFC, trimmed, upper case. */
export function normalSku(sku: string): string {
  // NFC once more at the end, since capitals may come decomposed: the form has to be its own form.
  return sku.normalize('NFC').trim().toUpperCase().normalize('NFC');
}
