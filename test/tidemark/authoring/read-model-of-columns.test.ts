import { type SQLiteColumnBuilderBase, integer, text } from 'drizzle-orm/sqlite-core';
import { describe, expect, it } from 'vitest';

import { ignored, readModelOfColumns } from '#tidemark';
import { serving } from '../../../src/groups.ts';
import type { List } from '../../../src/tidemark/authoring/keyed-list.ts';
import { seat } from '../../guides/seats/seat.ts';

/** A read model whose types do not say which columns may be null. */
function sortedBy(key: string, columns: Readonly<Record<string, SQLiteColumnBuilderBase>>) {
  const lists: Readonly<Record<string, List>> = { inOrder: { sort: [key] } };
  const on = { SeatAdded: ignored, SeatReserved: ignored, SeatReleased: ignored } as const;
  return () =>
    readModelOfColumns(seat, { name: 'plan', revision: 1, group: serving, on, columns, lists: lists as never });
}

describe('a list is not declared', () => {
  it('if it sorts by a column that may be null: its pages would lose rows', () => {
    const message = 'the list "inOrder" of "plan" sorts by "guest", which may be null';
    expect(sortedBy('guest', { guest: text('guest') })).toThrow(message);
    expect(sortedBy('-guest', { guest: text('guest') })).toThrow(message);
    expect(sortedBy('guest', { guest: text('guest').notNull() })).not.toThrow();
    expect(sortedBy('seatId', {})).not.toThrow();
  });

  it('if it sorts by a column that a cursor cannot hold', () => {
    const message =
      'the list "inOrder" of "plan" sorts by "at", which is neither a text nor a number, and a cursor holds nothing else. ' +
      'Store the value as a text or a number in a column of its own, and sort by that one';
    expect(sortedBy('at', { at: integer('at', { mode: 'timestamp' }).notNull() })).toThrow(message);
    expect(sortedBy('at', { at: integer('at', { mode: 'boolean' }).notNull() })).toThrow(message);
    expect(sortedBy('at', { at: text('at', { mode: 'json' }).notNull() })).toThrow(message);
    expect(sortedBy('at', { at: integer('at').notNull() })).not.toThrow();
  });

  it('if it sorts by a column that does not exist', () => {
    expect(sortedBy('place', {})).toThrow(
      'the list "inOrder" of "plan" sorts by "place", but the read model has no such member',
    );
  });
});
