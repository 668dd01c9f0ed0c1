import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { text } from '../src/http/schemas.ts';
import { PLAIN_AND_VISIBLE, isPlain, isVisible, normalText } from '../src/text.ts';
import texts from './texts.json';

/*
 * What becomes of a text, by the table in texts.json. To extend it, add a line there. `isPastPattern` marks what the pattern of the OpenAPI
 * document lets pass and the API refuses, since a pattern without the flag `u` knows no characters past U+FFFF.
 */

const schema = text(200);
const patterns = [new RegExp(PLAIN_AND_VISIBLE), new RegExp(PLAIN_AND_VISIBLE, 'u')];
const refused: readonly { readonly text: string; readonly why: string; readonly isPastPattern?: boolean }[] =
  texts.refused;

describe('a text', () => {
  it.each(texts.normalised)('$text is read as $to: $why', ({ text: typed, to }) => {
    expect(schema.parse(typed)).toBe(to);
    for (const pattern of patterns) expect(typed).toMatch(pattern);
  });

  it.each(texts.kept)('$text stays as it is: $why', ({ text: typed }) => {
    expect(schema.parse(typed)).toBe(typed);
    for (const pattern of patterns) expect(typed).toMatch(pattern);
  });

  it.each(refused)('is refused: $why', ({ text: typed, isPastPattern = false }) => {
    expect(schema.safeParse(typed).success).toBe(false);
    for (const pattern of patterns) expect(pattern.test(typed)).toBe(isPastPattern);
  });

  // Not in the table, since JSON is not to hold them.
  it.each(['\uD800', 'a\uDC00b', '\uDC00\uD800'])('is refused: half a character', (typed) => {
    expect(schema.safeParse(typed).success).toBe(false);
  });

  it('is as long as its normal form', () => {
    expect(text(3).parse('  a\u0301\u3000b  ')).toBe('á b');
    expect(text(2).safeParse('\u0958\u0958').success).toBe(false);
    expect(text(2).parse('👩👩')).toBe('👩👩');
  });
});

it('the pattern says of every character up to U+FFFF what the rule says', () => {
  for (let code = 0; code <= 0xffff; code += 1) {
    const character = String.fromCharCode(code);
    // Half a character is refused, which a pattern without the flag cannot say.
    if (/\p{Cs}/u.test(character)) continue;
    const isTaken = isPlain(character) && isVisible(character);
    const isTakenBeside = isPlain(`a${character}`);
    for (const pattern of patterns) {
      expect(pattern.test(character) === isTaken || code, 'alone').toBe(true);
      expect(pattern.test(`a${character}`) === isTakenBeside || code, 'beside a letter').toBe(true);
    }
  }
});

it('a normal form is its own normal form, and as plain and visible as what was typed', () => {
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
