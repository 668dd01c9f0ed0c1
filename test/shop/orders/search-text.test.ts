import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { findTerms, toIndexText, toMatchExpression, toTerms } from '../../../src/shop/orders/search-text.ts';

const rangesOf = (text: string, typed: string) => findTerms(text, toTerms(typed)).ranges;

/** Whether a search for `typed` finds an order with these texts. */
function isFound(typed: string, ...texts: readonly string[]): boolean {
  return toTerms(typed).every((term) => texts.some((text) => findTerms(text, [term]).ranges.length > 0));
}

describe('the index', () => {
  test('of several texts has a word between them that occurs in no text', () => {
    expect(toIndexText(['Tide table', 'Lamp ¦ chart'])).toBe('tide table ¦ lamp chart');
    expect(toIndexText([])).toBe('');
  });
});

describe('a search', () => {
  test.each([
    ['Ada lov', '"ada"* AND "lov"*'],
    ['"Ada Lovelace" x', '"ada lovelace" AND "x"*'],
    ['ada" lovelace', '"ada"* AND "lovelace"*'],
    ['TIDE-2027', '"tide 2027"*'],
    ['東京', '"東京"*'],
    ['東京T', '"東京 京 t"*'],
    ['a\u0000b', '"a b"*'],
    ['OR (', '"or"*'],
    ['ada Ada "ada" ÁDA', '"ada"'],
    ['a ad ada adam', '"adam"*'],
    ['tide TIDE-2027 "tide"', '"tide 2027"* AND "tide"'],
    ['東 東京 京', '"東京"* AND "京"*'],
    ['"" * ( 🌊 ⺀', undefined],
  ])('for %j is %j', (typed, expression) => {
    expect(toMatchExpression(toTerms(typed))).toBe(expression);
  });

  const wordsOf = (typed: string) => toTerms(typed).flatMap(({ words }) => words);
  const letters = Array.from('abcdefghijklmnopqrstuvwxyz');

  test('is for at most sixteen words, the first', () => {
    const typed = Array.from({ length: 250 }, (_, index) => letters[index % letters.length]).join(' ');
    expect(wordsOf(typed)).toEqual(letters.slice(0, 16));
  });

  test.each([
    ['words of a phrase', `"${'a '.repeat(250)}"`],
    ['words of several phrases', letters.map((letter) => `"${letter} and ${letter}"`).join(' ')],
    ['words with hyphens', 'a-'.repeat(250)],
    ['pairs of a run without spaces', '東京都'.repeat(166)],
    ['what one character folds to', 'ﷺ'.repeat(500)],
    ['what quoted characters fold to', `"${'ﷺ'.repeat(498)}"`],
    ['squared words', '㌖'.repeat(500)],
  ])('is at most sixteen words, also if they are %s', (_, typed) => {
    expect(wordsOf(typed).length).toBe(16);
  });

  test('has no word longer than 64 characters, and finds a longer one', () => {
    const word = 'ﬃ'.repeat(200);
    expect(wordsOf(word)).toEqual(['ffi'.repeat(200).slice(0, 64)]);
    expect(isFound(word, word)).toBe(true);
    expect(isFound('𞤀'.repeat(65), '𞤀'.repeat(200))).toBe(true);
  });

  test('uses only the words that count, and ignores later ones', () => {
    const phrase = letters.join(' ');
    expect(isFound(`"${phrase}"`, letters.slice(0, 17).join(' '))).toBe(true);
    expect(isFound(`"${phrase}"`, letters.slice(0, 15).join(' '))).toBe(false);
  });
});

test('indexes at most 256 words of a text, after folding', () => {
  expect(toIndexText(['ﷺ'.repeat(200)]).split(' ')).toHaveLength(256);
  expect(toIndexText(['㌖'.repeat(200)]).split(' ')).toHaveLength(256);
});

test('leaves out a term that begins another, since each text with the other has it too', () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from('ab -東京ー"')), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (held, typed) => {
      const parts = [...typed.matchAll(/"[^"]*"|[^\s"]+/g)].map(([part]) => part);
      expect(isFound(typed, held)).toBe(parts.every((part) => isFound(part, held)));
    }),
    { numRuns: 1_000 },
  );
});

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...Array.from('aA"ß東京ー 한\u0301\u00AD-İﾄﾞ🌊ขำ\u094D\u0930ﷺʼ')) }),
);

test('has ranges in sequence, within the text, and never empty, for any typed text', () => {
  fc.assert(
    fc.property(anyText, anyText, (held, typed) => {
      let end = -1;
      for (const [from, to] of rangesOf(held, typed)) {
        expect(from).toBeGreaterThan(end);
        expect(to).toBeGreaterThan(from);
        end = to;
      }
      expect(end).toBeLessThanOrEqual(held.length);
    }),
    { numRuns: 400 },
  );
});

test('finds any text by each of its parts, and the index has each highlighted word', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      for (const part of text.split(/[\s"“”„‟«»＂]+/u)) {
        const terms = toTerms(part);
        if (terms.length === 0) continue;
        expect(isFound(part, text), part).toBe(true);
        const indexed = ` ${toIndexText([text])} `;
        for (const { words, isPrefix } of terms) expect(indexed).toContain(` ${words.join(' ')}${isPrefix ? '' : ' '}`);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('finds a word in each of its spellings', () => {
  const word = fc.string({ unit: fc.constantFrom(...Array.from('aÁßẞıİσςΣ東京ーカガ한ёЙ7')), minLength: 1 });
  fc.assert(
    fc.property(word, fc.constantFrom('NFC', 'NFD', 'NFKC'), (held, form) => {
      expect(rangesOf(`x ${held} y`, held.normalize(form))).toEqual([[2, 2 + held.length]]);
      expect(toIndexText([held.normalize(form)])).toBe(toIndexText([held]));
    }),
  );
});

describe('a phrase and a SKU', () => {
  test('are found in one text', () => {
    expect(isFound('"tide table"', 'The Tide Table')).toBe(true);
    expect(isFound('TIDE-2027', 'TIDE-2027')).toBe(true);
  });

  test('reach from one text into the next neither in highlights nor in the index', () => {
    expect(isFound('"table lamp"', 'Tide table', 'Lamp')).toBe(false);
    expect(isFound('AB-12', 'X-AB', '12-Y')).toBe(false);
    expect(toIndexText(['Tide table', 'Lamp'])).not.toContain('table lamp');
  });
});
