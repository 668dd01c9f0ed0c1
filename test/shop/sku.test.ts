import { afterEach, describe, expect, it, vi } from 'vitest';

import { isPlain, isVisible, mayFit } from '../../src/tidemark/http/text.ts';
import { NewSku, Sku } from '../../src/shop/schemas.ts';
import { MAX_SKU_LENGTH, normalSku } from '../../src/shop/sku.ts';

/** No character after it has another normal form. */
const LAST_DECOMPOSED = 0x2_ffff;

describe('a text that comes decomposed, or with many spaces', () => {
  // Greek, vowels of Vietnam, jamo, and what no composed character is past U+FFFF.
  const composed = ['ᾂ', 'ệ', '최', '\u{16D6A}', '\u{1109A}'];

  it.each(composed)('is a SKU if its normal form is: %s', (character) => {
    const fits = character.repeat(normalSku(character).length === 1 ? MAX_SKU_LENGTH : MAX_SKU_LENGTH / 2);
    const spaces = ' '.repeat(2_000);
    expect(Sku.parse(spaces + fits.normalize('NFD') + spaces)).toBe(normalSku(fits));
  });

  it('fits if its normal form fits, with any characters', () => {
    for (let code = 0; code <= LAST_DECOMPOSED; code += 1) {
      const character = String.fromCodePoint(code);
      const decomposed = character.normalize('NFD');
      if (!isVisible(decomposed) || !isPlain(decomposed)) continue;
      if (!mayFit(decomposed, Array.from(normalSku(decomposed)).length)) expect.unreachable(code.toString(16));
    }
  });
});

describe('a text that is much too long', () => {
  afterEach(() => vi.restoreAllMocks());

  const marks = `a${'\u0301'.repeat(16_000)}${'\u0323'.repeat(16_000)}`;
  it.each([
    ['a SKU', Sku],
    ['a new SKU', NewSku],
  ])('is refused before it is normalised: %s', (_, schemaOf) => {
    const normalize = vi.spyOn(String.prototype, 'normalize');
    const { error } = schemaOf.safeParse(marks);
    expect(new Set(error?.issues.map(({ message }) => message)).size).toBe(1);
    expect(error?.issues[0]?.message).toContain(`at most ${MAX_SKU_LENGTH} characters`);
    expect(normalize).not.toHaveBeenCalled();
  });
});
