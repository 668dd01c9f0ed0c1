import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';

import { integerParameter, routesOf } from '#tidemark';
import { bindings } from '../../../src/bindings.ts';
import type { Module } from '../../../src/tidemark/authoring/registered-module.ts';
import type { Route } from '../../../src/tidemark/http/route.ts';
import { tidemark } from '../../../src/tidemark/worker.ts';
import { seats } from '../../guides/seats/module.ts';
import { seat } from '../../guides/seats/seat.ts';
import { seatMap } from '../../guides/seats/seat-map.ts';
import { platform } from '../../support/platform.ts';
import { tallies } from '../../support/tally-routes.ts';

const access = { scopes: { 'seats:write': 'Change seats.' } };

/** Two modules, the first one changed. */
function domainWith(change: (module: Module) => Partial<Module>): readonly Module[] {
  return [{ ...seats, ...change(seats) }, tallies];
}

describe('a Worker with contradictory routes does not load', () => {
  it('if a route may answer with a problem that no module has', () => {
    const modules = domainWith(() => ({ problems: {} }));
    expect(() => tidemark({ modules, bindings, platform, access })).toThrow(
      'POST /seats may answer with "seat-exists", which no module declares as a problem',
    );
  });

  it('if two routes have the same operation id', () => {
    const modules = domainWith(({ routes }) => ({
      routes: [...routes, ...routes.slice(0, 1).map((route) => ({ ...route, path: '/more-seats' }))],
    }));
    expect(() => tidemark({ modules, bindings, platform, access })).toThrow(/^two routes have the operation id "\w+"$/);
  });

  const added = {
    method: 'GET',
    path: '/seats',
    operation: {
      id: 'listMoreSeats',
      access: 'open',
      problems: [],
      documentation: () => ({
        summary: 'More seats',
        description: 'More seats.',
        tag: 'seats',
        requestHeaders: [],
        answers: {},
      }),
    },
    handlers: [],
  } as const satisfies Route;

  function loaded(
    route: Route,
    where: (routes: readonly Route[]) => readonly Route[] = (routes) => [...routes, route],
  ) {
    const modules = domainWith(({ routes }) => ({ routes: where(routes) }));
    return () => tidemark({ modules, bindings, platform, access });
  }

  it('if two routes have the same method and path, in one module or in two, or with one of the framework', () => {
    expect(loaded(added)).toThrow(
      'GET /seats ("More seats") never answers, since GET /seats ("Seats by place") comes first and answers its requests. ' +
        'Give one of them another path',
    );
    expect(loaded({ ...added, path: '/tallies' })).toThrow(
      'GET /tallies ("Tallies") never answers, since GET /tallies ("More seats") comes first',
    );
    expect(loaded({ ...added, path: '/health' })).toThrow(
      /^GET \/health \(".+"\) never answers, since GET \/health \("More seats"\) comes first/,
    );
    expect(loaded({ ...added, method: 'DELETE' })).not.toThrow();
  });

  it('if two lists of one read model have the same path, and the path of a list may be another one', () => {
    const list = (path?: `/${string}`) =>
      routesOf(seat, {
        path: '/seats',
        tag: 'seats',
        name: 'AnotherSeat',
        access: { read: { scope: null, whose: 'everyone' }, write: { scope: null, whose: 'staff' } },
        view: seatMap.view,
        example: {} as never,
        fromState: (state) => state as never,
      }).list(seatMap, 'byPlace', { summary: 'All seats', ...(path && { path }) });
    expect(loaded(list())).toThrow('GET /seats ("All seats") never answers, since GET /seats ("Seats by place")');
    expect(loaded(list('/seats-by-place'))).not.toThrow();
    expect(list('/seats-by-place').operation.id).toBe('listSeatsByPlace');
  });

  it('if an earlier route takes every request of a later one', () => {
    const late = { ...added, path: '/seats/late' };
    expect(loaded(late)).toThrow(
      'GET /seats/late ("More seats") never answers, since GET /seats/:seatId ("One seat") comes first and answers its requests. ' +
        'Give one of them another path, or put the former before the latter',
    );
    expect(loaded({ ...added, path: '/seats/:id' })).toThrow('GET /seats/:id ("More seats") never answers');
    expect(loaded(late, (routes) => [late, ...routes])).not.toThrow();
  });

  it.each([
    ['a number in a query', { query: z.strictObject({ row: z.optional(z.int()) }) }],
    ['a boolean in a query', { query: z.strictObject({ row: z.union([z.boolean(), z.literal(1)]) }) }],
    ['a number in a path', { params: z.strictObject({ row: z.int() }) }],
  ])('if a URL holds no value that a schema takes: %s', (_, parameters) => {
    const route = { ...added, path: '/more-seats/:row', operation: { ...added.operation, ...parameters } };
    expect(loaded(route)).toThrow(
      'GET /more-seats/:row refuses every value of "row", since a URL holds only text. ' +
        'Give the parameter a schema that reads text: `integerParameter` for an integer',
    );
  });

  it('but a schema may make another value of a text', () => {
    const query = z.strictObject({
      row: integerParameter(1, 50),
      page: integerParameter(1, 50, 1),
      since: z.optional(z.coerce.date()),
      kind: z.literal(['front', 1]),
      place: z.union([z.int(), z.string()]),
    });
    expect(loaded({ ...added, path: '/more-seats', operation: { ...added.operation, query } })).not.toThrow();
  });
});
