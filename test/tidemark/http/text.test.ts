import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { text } from '../../../src/tidemark/http/schemas.ts';
import { PLAIN_AND_VISIBLE, isPlain, isVisible, mayFit, normalText } from '../../../src/tidemark/http/text.ts';
import texts from './texts.json';

/*
 * The table in texts.json says what the API does with each text. To extend it, add a line there. `isPastPattern` marks a text that the pattern of the
 * OpenAPI document accepts and the API refuses. A pattern without the flag `u` does not know characters beyond U+FFFF.
 */

const schema = text(200);
/** No later character has another normal form. */
const LAST_DECOMPOSED = 0x2_ffff;
const patterns = [new RegExp(PLAIN_AND_VISIBLE), new RegExp(PLAIN_AND_VISIBLE, 'u')];
const refused: readonly { readonly text: string; readonly why: string; readonly isPastPattern?: boolean }[] =
  texts.refused;

describe('a text', () => {
  it.each(texts.normalised)('$text is read as $to: $why', ({ text: typed, to }) => {
    expect(schema.parse(typed)).toBe(to);
    for (const pattern of patterns) expect(typed).toMatch(pattern);
  });

  it.each(texts.kept)('$text does not change: $why', ({ text: typed }) => {
    expect(schema.parse(typed)).toBe(typed);
    for (const pattern of patterns) expect(typed).toMatch(pattern);
  });

  it.each(refused)('is refused: $why', ({ text: typed, isPastPattern = false }) => {
    expect(schema.safeParse(typed).success).toBe(false);
    for (const pattern of patterns) expect(pattern.test(typed)).toBe(isPastPattern);
  });

  // Not in the table, because JSON should not contain them.
  it.each(['\uD800', 'a\uDC00b', '\uDC00\uD800'])('is refused: half a character', (typed) => {
    expect(schema.safeParse(typed).success).toBe(false);
  });

  it('is as long as its normal form', () => {
    expect(text(3).parse('  a\u0301\u3000b  ')).toBe('á b');
    expect(text(2).safeParse('\u0958\u0958').success).toBe(false);
    expect(text(2).parse('👩👩')).toBe('👩👩');
  });
});

it('the pattern agrees with the rule for every character up to U+FFFF', () => {
  for (let code = 0; code <= 0xffff; code += 1) {
    const character = String.fromCharCode(code);
    // Half a character is refused. A pattern without the flag cannot express that.
    if (/\p{Cs}/u.test(character)) continue;
    const isTaken = isPlain(character) && isVisible(character);
    const isTakenBeside = isPlain(`a${character}`);
    for (const pattern of patterns) {
      expect(pattern.test(character) === isTaken || code, 'alone').toBe(true);
      expect(pattern.test(`a${character}`) === isTakenBeside || code, 'beside a letter').toBe(true);
    }
  }
});

it('a normal form is its own normal form, and as plain and visible as the original', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })), (typed) => {
      const normal = normalText(typed);
      expect(normalText(normal)).toBe(normal);
      expect(isVisible(normal)).toBe(isVisible(typed));
      if (isPlain(typed)) expect(isPlain(normal)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

describe('a text that is decomposed or has many spaces', () => {
  // Greek, vowels of Vietnamese, jamo, and two characters beyond U+FFFF.
  const composed = ['ᾂ', 'ệ', '최', '\u{16D6A}', '\u{1109A}'];

  it.each(composed)('is accepted if its normal form fits: %s', (character) => {
    const fits = `${character.repeat(99)} ${character.repeat(100)}`;
    const typed = fits.normalize('NFD').replace(' ', ' \u3000'.repeat(2_000));
    expect(text(200).parse(` ${typed} `)).toBe(fits.normalize('NFC'));
    expect(text(200).safeParse(`${typed}${character}`).success).toBe(false);
  });

  it('may fit whenever its normal form does, for every character', () => {
    for (let code = 0; code <= LAST_DECOMPOSED; code += 1) {
      const character = String.fromCodePoint(code);
      const length = (form: string) => Array.from(form).length;
      const decomposed = character.normalize('NFD');
      if (!isVisible(decomposed) || !isPlain(decomposed)) continue;
      if (!mayFit(decomposed, length(normalText(decomposed)))) expect.unreachable(code.toString(16));
    }
  });
});

describe('a text that is far too long', () => {
  afterEach(() => vi.restoreAllMocks());

  const marks = `a${'\u0301'.repeat(16_000)}${'\u0323'.repeat(16_000)}`;
  it.each([
    ['a text', text(200), 200],
    ['a shorter one', text(20), 20],
  ])('is refused before it is normalised: %s', (_, schemaOf, max) => {
    const normalize = vi.spyOn(String.prototype, 'normalize');
    const { error } = schemaOf.safeParse(marks);
    expect(new Set(error?.issues.map(({ message }) => message)).size).toBe(1);
    expect(error?.issues[0]?.message).toContain(`at most ${max} characters`);
    expect(normalize).not.toHaveBeenCalled();
  });
});

it('removing spaces before or after the composition of a text gives the same result', () => {
  const late = (typed: string) =>
    typed
      .normalize('NFC')
      .replaceAll(/\p{Z}+/gu, ' ')
      .trim();
  for (let code = 0; code <= LAST_DECOMPOSED; code += 1) {
    const character = String.fromCodePoint(code);
    for (const typed of [character, ` ${character}\u0301`, `a${character} ${character}`]) {
      if (normalText(typed) !== late(typed)) expect.unreachable(code.toString(16));
    }
  }
});
