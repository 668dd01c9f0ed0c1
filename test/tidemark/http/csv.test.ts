import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { toCsv } from '../../../src/tidemark/http/csv.ts';
import cells from './csv-cells.json' with { type: 'json' };

const FORMULA_SIGNS = '=+-@＝＋－＠﹦﹢﹣﹫';

/** The only cell of a text. */
function cellOf(text: string): string {
  const csv = toCsv(['key'], [{ key: text }]);
  expect(csv).toMatch(/^key\r\n.*\r\n$/s);
  return csv.slice('key\r\n'.length, -'\r\n'.length);
}

/** Reads a cell: removes the quotes as RFC 4180 says, and then the apostrophes. */
function textOf(cell: string): string {
  const text = cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
  return text.replaceAll(/((?:^|[,;|\t\r\n])[\s"]*'*)'(?=[=+\-@＝＋－＠﹦﹢﹣﹫])/g, '$1');
}

/** Texts in which every special character can be next to every other. */
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom(...Array.from(`${FORMULA_SIGNS},;|\t\r\n"' A1\u00a0\u3000`)) }),
  fc.string({ unit: 'binary' }),
);

describe('a text in a CSV cell', () => {
  test.each(cells)('$why: $text', ({ text: key, cell }) => {
    expect(cellOf(key)).toBe(cell);
  });

  test('can be read back, so two texts never have the same cell', () => {
    fc.assert(
      fc.property(text, (key) => {
        expect(textOf(cellOf(key))).toBe(key);
      }),
      { numRuns: 2_000 },
    );
  });

  test('starts no formula, wherever a spreadsheet splits the line, with or without regard for quotes', () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        const csv = toCsv(['one', 'other'], [{ one, other }]);
        for (const separators of [/[\r\n]/, /[,\r\n]/, /[;\r\n]/, /[\t\r\n]/, /[|\r\n]/, /[,;|\t\r\n]/]) {
          for (const piece of csv.split(separators)) {
            expect(FORMULA_SIGNS).not.toContain(piece.replace(/^[\s"]+/, '')[0] ?? 'nothing');
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('is only for a text: a negative number stays a number, and null is empty', () => {
    expect(toCsv(['a', 'b'], [{ a: -5, b: null }])).toBe('a,b\r\n-5,\r\n');
  });
});
