import { env } from 'cloudflare:workers';
import { integer, real, text } from 'drizzle-orm/sqlite-core';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';

import { integerParameter, readModel, routesOf } from '#tidemark';
import { serving } from '../../../src/groups.ts';
import { seat } from '../../guides/seats/seat.ts';

const columns = {
  place: text('place').notNull(),
  guest: text('guest'),
  row: integer('row').notNull(),
  isAisle: integer('is_aisle', { mode: 'boolean' }).notNull(),
  soldAt: integer('sold_at', { mode: 'timestamp_ms' }),
  width: real('width').notNull(),
};

const guests = readModel(seat, {
  name: 'guests',
  revision: 1,
  group: serving,
  columns,
  on: {
    SeatAdded: {
      create: ({ data }) => ({ place: data.place, guest: null, row: 1, isAisle: false, soldAt: null, width: 0.5 }),
    },
    SeatReserved: { change: (row, { data }) => ({ ...row, guest: data.guest }) },
    SeatReleased: { change: (row) => ({ ...row, guest: null }) },
  },
  lists: {
    byGuest: { filter: ['guest'], sort: ['place'] },
    byRow: { filter: ['row', 'isAisle'], sort: ['row', '-place'] },
    bySale: { filter: ['soldAt'], sort: ['place'] },
    byWidth: { filter: ['width'], sort: ['-width'] },
  },
});

const seats = routesOf(seat, {
  path: '/seats',
  tag: 'seats',
  name: 'Seat',
  view: { place: z.string(), guest: z.nullable(z.string()), row: z.int().check(z.minimum(1), z.lt(51)) },
  example: { place: 'A12', guest: 'Ada', row: 1 },
  fromState: (state) => ({ ...state, row: 1, guest: state.status === 'reserved' ? state.guest : null }),
});

/** The query of a list's route. */
function queryOf({ operation }: ReturnType<typeof seats.list>) {
  if (!operation.query) throw new Error('the list has a query');
  return operation.query;
}

describe('a filter', () => {
  it('on a text that may be null takes the normal form of a text, up to its maximum length', () => {
    const query = queryOf(seats.list(guests, 'byGuest', { summary: 'Seats by guest' }));
    expect(query.safeParse({ guest: ' E\u0301va  Ada' })).toMatchObject({
      success: true,
      data: { guest: '\u00C9va Ada' },
    });
    expect(query.safeParse({ guest: 'x'.repeat(201) }).success).toBe(false);
  });

  it('on an integer reads the text of the query string, within the bounds of the resource’s member', () => {
    const query = queryOf(seats.list(guests, 'byRow', { summary: 'Seats by row' }));
    expect(query.safeParse({ row: '50' }).data).toMatchObject({ row: 50 });
    expect(query.safeParse({}).data).not.toHaveProperty('row');
    for (const row of ['0', '51', '1.5', 'x', ''])
      expect(query.safeParse({ row }).error?.issues[0]?.message).toBe('Must be an integer from 1 to 50.');
  });

  it('on a boolean reads true and false', () => {
    const query = queryOf(seats.list(guests, 'byRow', { summary: 'Seats by row' }));
    expect(query.safeParse({ isAisle: 'true' }).data).toMatchObject({ isAisle: true });
    expect(query.safeParse({ isAisle: 'false' }).data).toMatchObject({ isAisle: false });
    expect(query.safeParse({ isAisle: '1' }).success).toBe(false);
  });

  it('on another column needs a schema of its own', () => {
    const summary = 'Seats';
    const message = (list: string, column: string) =>
      `the list "${list}" of "guests" filters by "${column}", and no schema follows from its type. ` +
      `Pass one that reads text: \`filter: { ${column}: … }\` of \`list\``;
    expect(() => seats.list(guests, 'bySale', { summary })).toThrow(message('bySale', 'soldAt'));
    expect(() => seats.list(guests, 'byWidth', { summary })).toThrow(message('byWidth', 'width'));
    const query = queryOf(seats.list(guests, 'bySale', { summary, filter: { soldAt: z.coerce.date() } }));
    expect(query.safeParse({ soldAt: '2026-11-23' }).success).toBe(true);
  });

  it('has no schema that the read model does not name, and no default', () => {
    expect(() => seats.list(guests, 'byGuest', { summary: 'Seats', filter: { guests: z.string() } })).toThrow(
      'the list "byGuest" of "guests" has no filter "guests": name it in the read model',
    );
    expect(() =>
      seats.list(guests, 'byRow', { summary: 'Seats', filter: { row: integerParameter(1, 50, 1) } }),
    ).toThrow(
      'the filter "row" of the list "byRow" of "guests" has a default, but a request without the filter gets every row. Leave the default out',
    );
  });

  it('selects the rows that hold its value, as the column stores it', async () => {
    const soldAt = new Date('2026-11-23T09:00:00.000Z');
    await env.SERVING_DB.batch([
      env.SERVING_DB.prepare(
        'CREATE TABLE guests_a (seat_id TEXT, version INTEGER, place TEXT, guest TEXT, "row" INTEGER, is_aisle INTEGER, sold_at INTEGER, width REAL)',
      ),
      env.SERVING_DB.prepare(`INSERT INTO guests_a VALUES ('one', 1, 'A1', NULL, 3, 1, ?, 0.5)`).bind(Number(soldAt)),
      env.SERVING_DB.prepare(`INSERT INTO guests_a VALUES ('two', 1, 'A2', NULL, 4, 0, NULL, 0.5)`),
    ]);
    for (const [list, filter] of [
      ['byRow', { row: 3 }],
      ['byRow', { isAisle: true }],
      ['bySale', { soldAt }],
      ['byWidth', { width: 0.5 }],
    ] as const) {
      const query = guests.lists[list].page(filter, undefined, 10)(guests.tables('a'));
      const { sql, params } = query.toSQL();
      const { results } = await env.SERVING_DB.prepare(sql)
        .bind(...params)
        .all<{ seat_id: string }>();
      expect(results.map((row) => row.seat_id)).toEqual(list === 'byWidth' ? ['two', 'one'] : ['one']);
    }
  });
});
