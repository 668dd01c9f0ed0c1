import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { toCsv } from '../../../src/tidemark/http/csv.ts';
import cells from './csv-cells.json' with { type: 'json' };

const FORMULA_SIGNS = '=+-@＝＋－＠﹦﹢﹣﹫';

/** The one cell of a text. */
function cellOf(text: string): string {
  const csv = toCsv(['key'], [{ key: text }]);
  expect(csv).toMatch(/^key\r\n.*\r\n$/s);
  return csv.slice('key\r\n'.length, -'\r\n'.length);
}

/** What a reader has who takes the quotes away as RFC 4180 says, and then the apostrophes. */
function textOf(cell: string): string {
  const text = cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
  return text.replaceAll(/((?:^|[,;|\t\r\n])[\s"]*'*)'(?=[=+\-@＝＋－＠﹦﹢﹣﹫])/g, '$1');
}

/** Texts in which everything that means something is near everything else. */
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom(...Array.from(`${FORMULA_SIGNS},;|\t\r\n"' A1\u00a0\u3000`)) }),
  fc.string({ unit: 'binary' }),
);

describe('a text as a cell of CSV', () => {
  test.each(cells)('$why: $text', ({ text: key, cell }) => {
    expect(cellOf(key)).toBe(cell);
  });

  test('can be read back, so two texts are never the same cell', () => {
    fc.assert(
      fc.property(text, (key) => {
        expect(textOf(cellOf(key))).toBe(key);
      }),
      { numRuns: 2_000 },
    );
  });

  test('begins no formula, wherever a spreadsheet splits the line, and whether it minds quotes or not', () => {
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

  test('is no text where the value is a number or nothing: a sum below zero stays a number', () => {
    expect(toCsv(['a', 'b'], [{ a: -5, b: null }])).toBe('a,b\r\n-5,\r\n');
  });
});
