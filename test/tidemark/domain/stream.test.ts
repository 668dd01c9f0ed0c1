import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { categoryOf, idOf, parseStreamId, streamId } from '../../../src/tidemark/domain/stream.ts';

describe('a stream id', () => {
  test('is a category, a hyphen and the aggregate’s own id', () => {
    const stream = streamId('seat', '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a');
    expect(stream).toBe('seat-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a');
    expect(categoryOf(stream)).toBe('seat');
    expect(idOf(stream)).toBe('0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a');
  });

  test('returns its category and id, for any valid id', () => {
    const category = fc.stringMatching(/^[a-z][a-z0-9]{0,20}$/);
    const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._~-]{0,199}$/);
    fc.assert(
      fc.property(category, id, (itsCategory, itsId) => {
        const stream = streamId(itsCategory, itsId);
        expect([categoryOf(stream), idOf(stream)]).toEqual([itsCategory, itsId]);
        expect(parseStreamId(stream)).toBe(stream);
      }),
    );
  });

  test.each([
    ['', 'nothing at all'],
    ['seat', 'no id'],
    ['seat-', 'an empty id'],
    ['-12', 'an empty category'],
    ['Seat-12', 'a capital in the category'],
    ['1seat-12', 'a category that begins with a digit'],
    ['front_seat-12', 'an underscore in the category'],
    ['seat--12', 'an id that begins with a hyphen'],
    ['seat-12/13', 'a slash'],
    ['seat-12 13', 'a space'],
    ['seat-12\n', 'a line break at the end'],
    ['seat-é', 'a letter beyond ASCII'],
    [`seat-${'x'.repeat(201)}`, 'an id of more than 200 characters'],
  ])('is not %j: %s', (text) => {
    expect(parseStreamId(text)).toBeUndefined();
  });

  test('refuses parts that do not make one', () => {
    expect(() => streamId('Seat', '12')).toThrow('"Seat-12" is not a stream id (<category>-<id>)');
    expect(() => streamId('seat', '12 13')).toThrow('"seat-12 13" is not a stream id (<category>-<id>)');
  });
});
