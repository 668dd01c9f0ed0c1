import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { findTerms, toIndexText, toMatchExpression, toTerms } from '../../src/orders/search-text.ts';

const rangesOf = (text: string, typed: string) => findTerms(text, toTerms(typed)).ranges;

describe('what is indexed', () => {
  test.each([
    ['Ada LOVELACE', 'ada lovelace'],
    ['Cre\u0300me brûlée', 'creme brulee'],
    ['Straße', 'strasse'],
    ['GROẞMANN', 'grossmann'],
    ['ᾼ ᾳ', 'α α'],
    ['ΟΔΟΣ, οδός', 'οδοσ, οδοσ'],
    ['İstanbul ırmak', 'istanbul irmak'],
    ['東京', ' 東京 京 '],
    ['東', ' 東 '],
    ['東京タワーTシャツ', ' 東京 京タ タワ ワー ー t シャ ャツ ツ '],
    ['ｶﾞｲﾄﾞ', ' ガイ イド ド '],
    ['서울', '서울'],
    ['서울'.normalize('NFD'), '서울'],
  ])('of %j is %j', (text, indexed) => {
    expect(toIndexText(text)).toBe(indexed);
  });
});

describe('what is looked for', () => {
  test.each([
    ['Ada lov', '"ada"* AND "lov"*'],
    ['"Ada Lovelace" x', '"ada lovelace" AND "x"*'],
    ['ada" lovelace', '"ada"* AND "lovelace"*'],
    ['TIDE-2027', '"tide-2027"*'],
    ['東京', '" 東京 "*'],
    ['東京T', '" 東京 京 t"*'],
    ['a\u0000b', '"a b"*'],
    ['OR (', '"or"*'],
    ['ada Ada "ada" ÁDA', '"ada"'],
    ['a ad ada adam', '"adam"*'],
    ['tide TIDE-2027 "tide"', '"tide-2027"* AND "tide"'],
    ['東 東京 京', '" 東京 "* AND " 京 "*'],
    ['"" * ( 🌊 ⺀', undefined],
  ])('for %j is %j', (typed, expression) => {
    expect(toMatchExpression(toTerms(typed))).toBe(expression);
  });

  test('is at most sixteen terms, the first', () => {
    const letters = Array.from('abcdefghijklmnopqrstuvwxyz');
    const typed = Array.from({ length: 250 }, (_, index) => letters[index % letters.length]).join(' ');
    expect(toTerms(typed).map(({ text }) => text)).toEqual(letters.slice(0, 16));
  });
});

test('a term that begins another is left out, since whatever has that has it too', () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from('ab -東京ー"')), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (held, typed) => {
      const isFound = (each: string) => toTerms(each).every(({ pattern }) => [...held.matchAll(pattern)].length > 0);
      const parts = [...typed.matchAll(/"[^"]*"|[^\s"]+/g)].map(([part]) => part);
      expect(isFound(typed)).toBe(parts.every(isFound));
    }),
    { numRuns: 1_000 },
  );
});

test('whatever is typed, ranges are in order, within the text, and never empty', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: fc.constantFrom(...Array.from('aA"ß東京ー 한\u0301-İﾄﾞ🌊')) }),
  );
  fc.assert(
    fc.property(text, text, (held, typed) => {
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

test('a word finds itself, however it is written', () => {
  const word = fc.string({ unit: fc.constantFrom(...Array.from('aÁßẞıİσςΣ東京ーカガ한ёЙ7')), minLength: 1 });
  fc.assert(
    fc.property(word, fc.constantFrom('NFC', 'NFD', 'NFKC'), (held, form) => {
      expect(rangesOf(`x ${held} y`, held.normalize(form))).toEqual([[2, 2 + held.length]]);
      expect(toIndexText(held.normalize(form))).toBe(toIndexText(held));
    }),
  );
});
