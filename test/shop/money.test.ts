import * as packaged from 'dinero.js/currencies';
import { describe, expect, test } from 'vitest';

import { CURRENCIES } from '../../src/shop/money.ts';
import currencies from './currencies.json' with { type: 'json' };

describe('the currencies that a price may have', () => {
  test.each(currencies)('are what ISO 4217 has today: $code is accepted: $accepted ($why)', ({ code, accepted }) => {
    expect(CURRENCIES.has(code)).toBe(accepted);
  });

  test('are those of the package, but for what currencies.json says of them', () => {
    const said = new Map(currencies.map(({ code, accepted }) => [code, accepted]));
    const expected = [...new Set([...Object.keys(packaged), ...said.keys()])].filter((code) => said.get(code) ?? true);
    expect([...CURRENCIES]).toEqual(expected.toSorted());
  });
});
