import { describe, expect, test } from 'vitest';

import { createRegistry } from '../../../src/tidemark/projections/registry.ts';
import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { formerly } from '../../../src/tidemark/domain/upcaster.ts';
import { serving } from '../../../src/groups.ts';
import { tally, tallyBoard, tallyCount2, tallyType } from '../../support/tally.ts';

const stream = streamId('tally', 'one');

describe('the registry', () => {
  test('knows which projections and groups follow a stream', () => {
    const registry = createRegistry([tally], [serving]);
    expect(registry.projectionsFollowing(stream)).toEqual([tallyBoard, tallyCount2]);
    expect(registry.groupsOf(stream)).toEqual([serving]);
    expect(registry.projectionsOf(serving)).toEqual([tallyBoard, tallyCount2]);
    expect(registry.typeOf(stream)).toBe(tallyType);
  });

  test('returns undefined for a category that no module has, and no groups for one that no projection follows', () => {
    const registry = createRegistry([{ ...tally, projections: [] }], [serving]);
    expect(registry.groupsOf(streamId('unknown', 'one'))).toBeUndefined();
    expect(registry.groupsOf(stream)).toEqual([]);
    expect(() => registry.typeOf(streamId('unknown', 'one'))).toThrow('no module has the category "unknown"');
  });

  test('keeps every revision of a projection, and uses the newest', () => {
    const second = { ...tallyBoard, revision: 2 };
    const registry = createRegistry([{ ...tally, projections: [second, tallyBoard] }], [serving]);
    expect(registry.projectionsOf(serving)).toEqual([second]);
    expect(registry.revisionOf('tally-board', 1)).toBe(tallyBoard);
    expect(registry.revisionOf('tally-board', 2)).toBe(second);
    expect(registry.revisionOf('tally-board', 3)).toBeUndefined();
  });

  test('refuses a domain that contradicts itself', () => {
    expect(() => createRegistry([tally, tally], [serving])).toThrow('two modules declare the category "tally"');
    expect(() => createRegistry([{ ...tally, projections: [tallyBoard, tallyBoard] }], [serving])).toThrow(
      'tally-board@1 is registered twice',
    );
    const elsewhere = { ...tallyBoard, follows: { nobody: {} } };
    expect(() => createRegistry([{ ...tally, projections: [elsewhere] }], [serving])).toThrow(
      'follows "nobody", which no module has',
    );
    const unspeakable = { ...tally, aggregate: { ...tallyType, category: 'Tally-Ho' } };
    expect(() => createRegistry([unspeakable], [serving])).toThrow('is not a category');
  });

  test.each([
    ['that another type has', { Added: [], Reset: [formerly('Added')] }],
    ['that another type had too', { Added: [formerly('Changed')], Reset: [formerly('Changed')] }],
  ])('refuses a former name of an event type %s', (_, events) => {
    const renamed = { ...tally, aggregate: { ...tallyType, events } };
    expect(() => createRegistry([renamed], [serving])).toThrow(/has the event type "(Added|Changed)" twice/);
  });
});
