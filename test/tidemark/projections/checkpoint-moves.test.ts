import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { type Position, type SharedRow, START, vouchedName } from '../../../src/tidemark/projections/checkpoint.ts';
import { type CheckpointMove, planStream } from '../../../src/tidemark/projections/checkpoint-moves.ts';
import type { Slot } from '../../../src/tidemark/projections/slot-tables.ts';

const stream = streamId('tally', 't');

/** An event of the stream, as a position names it. */
const at = (version: number) => ({ version, eventId: `event-${version}` });

/** The row at a version that these targets share. */
const sharedAt = (version: number, ...vouches: readonly string[]): SharedRow => ({ ...at(version), vouches });

/** Splits `projection/slot`. */
function targetOf(name: string): { readonly projection: string; readonly slot: Slot } {
  const [projection = '', slot] = name.split('/');
  return { projection, slot: slot as Slot };
}

/** A row that a target has for itself. */
const ownAt = (version: number, name: string) => ({ ...targetOf(name), ...at(version) });

/** A move of a target to a version, from its position: its own one (by default the start), or the shared one if it is named there. */
function moveTo(version: number, name: string, shared?: SharedRow, from: number = 0): CheckpointMove {
  const own: Position = from > 0 ? { ...at(from), row: undefined } : START;
  const its = shared?.vouches.includes(name) ? { ...shared, row: undefined } : own;
  const { eventId: toEventId } = at(version);
  return { ...targetOf(name), stream, from: { ...its, shared }, toVersion: version, toEventId };
}

const nameOf = ({ projection, slot }: { readonly projection: string; readonly slot: Slot }) =>
  vouchedName(projection, slot);

describe('the targets that a batch moves to one event', () => {
  it('share a row, with their names in order', () => {
    expect(planStream([moveTo(1, 'b/a'), moveTo(1, 'a/a')], true)).toEqual({
      shared: sharedAt(1, 'a/a', 'b/a'),
      changesShared: true,
      own: [],
      joined: [],
    });
  });

  it('take the row that they share along', () => {
    const before = sharedAt(1, 'a/a', 'b/a');
    expect(planStream([moveTo(2, 'a/a', before), moveTo(2, 'b/a', before)], true)).toEqual({
      shared: sharedAt(2, 'a/a', 'b/a'),
      changesShared: true,
      own: [],
      joined: [],
    });
  });

  it('give up rows of their own, if they have one', () => {
    const moves = [moveTo(3, 'a/a', undefined, 2), moveTo(3, 'b/a'), moveTo(3, 'b/b', undefined, 1)];
    expect(planStream(moves, true)).toEqual({
      shared: sharedAt(3, 'a/a', 'b/a', 'b/b'),
      changesShared: true,
      own: [],
      joined: [moves[0], moves[2]],
    });
  });

  it('share a row if their events are equal, not only their versions', () => {
    const restored = { ...moveTo(1, 'b/a'), toEventId: 'another event' };
    const { shared, own } = planStream([moveTo(1, 'a/a'), restored], true);
    expect(shared).toBeUndefined();
    expect(own).toEqual([ownAt(1, 'a/a'), { ...ownAt(1, 'b/a'), eventId: 'another event' }]);
  });

  it('are the most at one event, and the others of the batch get rows of their own', () => {
    const moves = [moveTo(1, 'a/a'), moveTo(2, 'b/a'), moveTo(2, 'c/a')];
    expect(planStream(moves, true)).toEqual({
      shared: sharedAt(2, 'b/a', 'c/a'),
      changesShared: true,
      own: [ownAt(1, 'a/a')],
      joined: [],
    });
  });
});

describe('a target that a batch moves alone', () => {
  it('gets a row of its own', () => {
    expect(planStream([moveTo(1, 'a/a')], true)).toEqual({
      shared: undefined,
      changesShared: false,
      own: [ownAt(1, 'a/a')],
      joined: [],
    });
  });

  it('gets a row of its own beside the row that others share, and leaves that as it is', () => {
    const before = sharedAt(2, 'b/a', 'c/a');
    expect(planStream([moveTo(1, 'a/a', before)], true)).toEqual({
      shared: before,
      changesShared: false,
      own: [ownAt(1, 'a/a')],
      joined: [],
    });
  });

  it('keeps the shared row if it is the only one named there', () => {
    expect(planStream([moveTo(2, 'a/a', sharedAt(1, 'a/a'))], true)).toEqual({
      shared: sharedAt(2, 'a/a'),
      changesShared: true,
      own: [],
      joined: [],
    });
  });

  it('leaves the shared row to the others that are named there', () => {
    expect(planStream([moveTo(2, 'a/a', sharedAt(1, 'a/a', 'b/a'))], true)).toEqual({
      shared: sharedAt(1, 'b/a'),
      changesShared: true,
      own: [ownAt(2, 'a/a')],
      joined: [],
    });
  });

  it('does not take a row in which nobody is named', () => {
    const { changesShared, own } = planStream([moveTo(2, 'a/a', sharedAt(1), 1)], true);
    expect([changesShared, own]).toEqual([false, [ownAt(2, 'a/a')]]);
  });
});

describe('the targets that a batch does not move', () => {
  it('keep the shared row if they are more than those that move', () => {
    const before = sharedAt(1, 'a/a', 'b/a', 'c/a', 'd/a', 'e/a');
    expect(planStream([moveTo(2, 'a/a', before), moveTo(2, 'c/a', before)], true)).toEqual({
      shared: sharedAt(1, 'b/a', 'd/a', 'e/a'),
      changesShared: true,
      own: [ownAt(2, 'a/a'), ownAt(2, 'c/a')],
      joined: [],
    });
  });

  it('get rows of their own at their old position if they are not more, also those that this code does not know', () => {
    const before = sharedAt(4, 'a/a', 'b/a', 'gone-with-an-old-release/b');
    expect(planStream([moveTo(5, 'a/a', before), moveTo(5, 'b/a', before)], true)).toEqual({
      shared: sharedAt(5, 'a/a', 'b/a'),
      changesShared: true,
      own: [ownAt(4, 'gone-with-an-old-release/b')],
      joined: [],
    });
  });

  it('keep the row also if as many come from elsewhere as leave it', () => {
    const before = sharedAt(1, 'a/a', 'b/a', 'c/a');
    const { shared, own } = planStream([moveTo(2, 'd/a', before), moveTo(2, 'a/a', before)], true);
    expect(shared).toEqual(sharedAt(2, 'a/a', 'd/a'));
    expect(own).toEqual([ownAt(1, 'b/a'), ownAt(1, 'c/a')]);
  });
});

describe('in the format of the release before', () => {
  it('each moved target gets a row of its own, and nobody shares', () => {
    expect(planStream([moveTo(1, 'a/a'), moveTo(1, 'b/a')], false)).toEqual({
      shared: undefined,
      changesShared: false,
      own: [ownAt(1, 'a/a'), ownAt(1, 'b/a')],
      joined: [],
    });
  });

  it('targets that share a row leave it, and those that stay keep it', () => {
    const before = sharedAt(1, 'a/a', 'b/a', 'c/a');
    expect(planStream([moveTo(2, 'a/a', before), moveTo(2, 'b/a', before)], false)).toEqual({
      shared: sharedAt(1, 'c/a'),
      changesShared: true,
      own: [ownAt(2, 'a/a'), ownAt(2, 'b/a')],
      joined: [],
    });
  });

  it('the last target leaves the shared row too, and the row goes', () => {
    expect(planStream([moveTo(2, 'a/a', sharedAt(1, 'a/a'))], false)).toEqual({
      shared: undefined,
      changesShared: true,
      own: [ownAt(2, 'a/a')],
      joined: [],
    });
  });
});

/** The two tables, as the statements of a plan change them. */
class Tables {
  readonly own = new Map<string, { version: number; eventId: string }>();
  shared: SharedRow | undefined;

  apply(moved: ReadonlyMap<string, number>, shares: boolean): void {
    const moves = [...moved].map(([name, version]) =>
      moveTo(version, name, this.shared, this.own.get(name)?.version ?? 0),
    );
    const plan = planStream(moves, shares);
    for (const move of plan.joined) expect(this.own.delete(nameOf(move))).toBe(true);
    if (plan.changesShared) this.shared = plan.shared;
    for (const { version, eventId, ...target } of plan.own) this.own.set(nameOf(target), { version, eventId });
  }

  versionOf(name: string): number {
    return this.own.get(name)?.version ?? (this.shared?.vouches.includes(name) ? this.shared.version : 0);
  }

  rows(): number {
    return this.own.size + (this.shared ? 1 : 0);
  }
}

const NAMES = ['a/a', 'a/b', 'b/a', 'c/a', 'unknown/b'];

describe('after any sequence of batches', () => {
  /** A batch: which targets it moves, how far each, and in which format. */
  const batch = fc.record({
    steps: fc.dictionary(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 3 }), { minKeys: 1 }),
    shares: fc.boolean(),
  });

  it('each target stands where its last move put it, and none has both rows', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 30 }), (batches) => {
        const tables = new Tables();
        const wanted = new Map<string, number>();
        for (const { steps, shares } of batches) {
          const moved = new Map(Object.entries(steps).map(([name, step]) => [name, (wanted.get(name) ?? 0) + step]));
          for (const [name, version] of moved) wanted.set(name, version);
          tables.apply(moved, shares);
          for (const name of NAMES) expect(tables.versionOf(name), name).toBe(wanted.get(name) ?? 0);
          const vouches = tables.shared?.vouches ?? [];
          expect(vouches.filter((name) => tables.own.has(name))).toEqual([]);
          expect(vouches).toEqual([...new Set(vouches)].toSorted());
          expect(tables.shared === undefined || vouches.length > 0).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('of which each takes its targets to the newest event, there is one row, and one more for each target elsewhere', () => {
    fc.assert(
      fc.property(fc.array(fc.subarray(NAMES, { minLength: 1 }), { maxLength: 30 }), (batches) => {
        const tables = new Tables();
        for (const [index, names] of batches.entries()) {
          tables.apply(new Map(names.map((name) => [name, index + 1])), true);
          const versions = NAMES.map((name) => tables.versionOf(name)).filter((version) => version > 0);
          const elsewhere = versions.filter((version) => version !== tables.shared?.version);
          expect(tables.rows()).toBeLessThanOrEqual(1 + elsewhere.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});
