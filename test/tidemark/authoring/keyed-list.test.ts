import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';

import { ignored, readModel } from '#tidemark';
import { serving } from '../../../src/groups.ts';
import { indexedColumns } from '../../../scripts/migration/read-model-sql.ts';
import { seat } from '../../guides/seats/seat.ts';
import { meteredDatabase } from '../../support/metered-database.ts';
import { createTables } from '../../support/read-model-tables.ts';

const STATUSES = ['free', "the guest's", 'blocked', 'broken', 'sold'] as const;

const declaration = {
  revision: 1,
  group: serving,
  on: { SeatAdded: ignored, SeatReserved: ignored, SeatReleased: ignored },
} as const;

const hall = readModel(seat, {
  ...declaration,
  name: 'hall',
  view: { block: z.string(), status: z.enum(STATUSES), place: z.int() },
  lists: { lastFirst: { filter: ['block', 'status'], sort: ['-place'] } },
});
const { lastFirst } = hall.lists;

const BLOCKS = ['A', 'B'] as const;
const SEATS = Array.from({ length: 240 }, (_, index) => ({
  seatId: `seat-${String((index * 77) % 240).padStart(3, '0')}`,
  version: 1,
  block: BLOCKS[index % 3 === 0 ? 1 : 0] as string,
  // One status is rare, and several seats share a place.
  status: STATUSES[index % 50 === 7 ? 4 : index % 4] as (typeof STATUSES)[number],
  place: index >> 1,
}));

beforeAll(async () => {
  await createTables(env.SERVING_DB, hall);
  await env.SERVING_DB.batch(
    SEATS.map(({ seatId, version, block, status, place, ...rest }) =>
      env.SERVING_DB.prepare(
        'INSERT INTO hall_a (seat_id, version, block, status, place, resource) VALUES (?, ?, ?, ?, ?, ?)',
      ).bind(seatId, version, block, status, place, JSON.stringify({ seatId, block, status, place, ...rest, version })),
    ),
  );
});

type Filter = Readonly<Record<string, string>>;
type Seat = (typeof SEATS)[number];

/** All pages of a list, each with the rows that D1 read for it. */
async function pagesOf(filter: Filter, take: number) {
  const { database, bill } = meteredDatabase(env.SERVING_DB);
  const pages: { readonly seats: readonly Seat[]; readonly rowsRead: number }[] = [];
  for (let after: readonly (string | number)[] | undefined; ;) {
    const before = bill.rowsRead;
    const { sql, params } = lastFirst.page(filter, after, take)(hall.tables('a')).toSQL();
    const { results } = await database
      .prepare(sql)
      .bind(...params)
      .all<{ resource: string }>();
    const seats = results.map(({ resource }) => JSON.parse(resource) as Seat);
    pages.push({ seats, rowsRead: bill.rowsRead - before });
    const last = results.at(-1);
    if (!last || results.length < take) return pages;
    after = lastFirst.positionOf(last);
  }
}

describe('a list with a filter by a member of a few values', () => {
  const filters: readonly Filter[] = [{}, { block: 'A' }, { status: "the guest's" }, { block: 'B', status: 'sold' }];

  it.each(filters.flatMap((filter) => [1, 7, 100].map((take) => ({ filter, take }))))(
    'shows each row once, in order, for any filter and length of page: $filter, $take',
    async ({ filter, take }) => {
      const wanted = SEATS.filter((row) =>
        Object.entries(filter).every(([name, value]) => row[name as 'block'] === value),
      );
      const inOrder = wanted.toSorted((one, other) => other.place - one.place || (one.seatId < other.seatId ? 1 : -1));
      const pages = await pagesOf(filter, take);
      expect(pages.flatMap(({ seats }) => seats.map(({ seatId }) => seatId))).toEqual(
        inOrder.map(({ seatId }) => seatId),
      );
    },
  );

  it.each([{ block: 'A' }, { block: 'B' }, {}])('reads one row more for each value at most: %o', async (filter) => {
    for (const { seats, rowsRead } of await pagesOf(filter, 10))
      // A row costs two: one in the index, one in the table.
      expect(rowsRead).toBeLessThanOrEqual(2 * (seats.length + STATUSES.length));
  });

  it('needs no index for another filter without that one', () => {
    const columns = indexedColumns(lastFirst).map((key) => key.map(({ property }) => property).join());
    expect(columns).toEqual(['place,seatId', 'status,place,seatId', 'block,status,place,seatId']);
  });
});

describe('a list has an index for every choice of its filters', () => {
  const view = { block: z.string(), status: z.enum(STATUSES), place: z.int(), row: z.int() };

  it.each([
    ['if the member may have more than five values', { filter: ['block', 'kind'], sort: ['place'] }],
    ['if the member may be null', { filter: ['block', 'state'], sort: ['place'] }],
    ['if its sort keys have two directions', { filter: ['block', 'status'], sort: ['place', '-row'] }],
  ] as const)('%s', (_case, list) => {
    const kind = z.enum(['1', '2', '3', '4', '5', '6']);
    const lists = { inOrder: list };
    const model = readModel(seat, {
      ...declaration,
      name: 'many',
      view: { ...view, kind, state: z.nullable(view.status) },
      lists: lists as never,
    });
    const [made] = Object.values<typeof lastFirst>(model.lists);
    expect(made && indexedColumns(made)).toHaveLength(4);
  });
});
