import * as z from 'zod';

import type { StoredEvent } from '../../../src/eventsourcing/event.ts';
import { streamId } from '../../../src/eventsourcing/stream.ts';
import { commandRoute } from '../../../src/http/command-route.ts';
import { listRoute } from '../../../src/http/list-route.ts';
import { resourceRoute } from '../../../src/http/resource-route.ts';
import { Uuid } from '../../../src/http/schemas.ts';
import {
  type Add,
  allTallies,
  createTallyTables,
  tally,
  tallyBoard,
  tallyById,
  tallyCount,
} from '../../support/tally.ts';
import type { SkippedEvent } from '../history.ts';
import { type DomainRun, type ShownRow, type SimulatedDomain, canonical } from './domain.ts';

/*
 * The third, tiny domain of the kernel's tests under the same faults and oracles as the shop: what a domain of one's own has to bring. Its
 * module has no routes by itself, so it gets a few here.
 */

const Params = z.strictObject({ tallyId: Uuid });
const View = z.strictObject({ tallyId: Uuid, version: z.int(), sum: z.int() }).meta({ id: 'Tally' });
const example = { tallyId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a', version: 1, sum: 3 };

const routes = [
  commandRoute({
    path: '/tallies/:tallyId/additions',
    id: 'add',
    summary: 'Add to a tally',
    tag: 'tallies',
    params: Params,
    body: z.strictObject({ by: z.int() }),
    bodyExample: { by: 3 },
    toCommand: ({ params, body }): Add => ({ type: 'Add', data: { ...params, ...body } }),
    idName: 'tallyId',
    answer: z.strictObject({ tallyId: Uuid, version: z.int() }),
    answerExample: { tallyId: example.tallyId, version: 1 },
    represent: (tallyId, { version, state }) => ({ tallyId, version, ...state }),
    representation: View,
    refusals: ['wrong-state'],
  }),
  resourceRoute({
    path: '/tallies/:tallyId',
    id: 'getTally',
    summary: 'One tally',
    tag: 'tallies',
    params: Params,
    noun: 'tally',
    stream: ({ tallyId }) => streamId('tally', tallyId),
    reads: tallyBoard,
    query: ({ tallyId }) => tallyById(tallyId),
    view: (row) => row,
    represent: ({ tallyId }, { version, state }) => ({ tallyId, version, ...state }),
    answer: View,
    answerExample: example,
  }),
  listRoute({
    path: '/tallies',
    id: 'listTallies',
    summary: 'Tallies',
    tag: 'tallies',
    filter: {},
    reads: tallyBoard,
    query: () => allTallies,
    view: (row) => row,
    positionOf: ({ tallyId }) => ['', tallyId],
    item: View,
    itemExample: example,
  }),
];

const rowOf = (row: Record<string, unknown>): ShownRow => ({
  stream: `tally-${String(row['tallyId'])}`,
  version: row['version'] as number,
  content: canonical(row),
});

const itemsOf = (body: Record<string, unknown>) => body['items'] as readonly Record<string, unknown>[];

export const tallies: SimulatedDomain = {
  name: 'tally',
  modules: [{ ...tally, routes }],
  // Before there was a second revision of the count.
  formerModules: [{ ...tally, projections: [tallyBoard, tallyCount], routes }],
  prepare: ({ serving }) => createTallyTables(serving),
  begin(): DomainRun {
    const ids = Array.from({ length: 4 }, (_, index) => `0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5${index}`);
    return {
      generators: [
        {
          name: 'Add',
          make(chance) {
            const tallyId = chance.hot(ids);
            const path = `/tallies/${tallyId}/additions`;
            const stream = `tally-${tallyId}`;
            // Adding nothing is refused.
            const body = { by: chance.below(7) };
            return {
              kind: 'command',
              command: 'Add',
              path,
              scope: `POST ${path}`,
              stream,
              body,
              streamOf: () => stream,
            };
          },
        },
        {
          name: 'getTally',
          make(chance) {
            const tallyId = chance.hot(ids);
            return { kind: 'read', readModel: 'tally-board', path: `/tallies/${tallyId}`, stream: `tally-${tallyId}` };
          },
        },
        {
          name: 'listTallies',
          make: () => ({
            kind: 'list',
            readModel: 'tally-board',
            categories: ['tally'],
            path: '/tallies?limit=100',
            query: () => null,
            rowsOf: (body) => itemsOf(body).map(rowOf),
          }),
        },
      ],
      saw: () => ({}),
      membership: (logs, skipped) => ({
        belongs: ({ readModel }, stream, version) =>
          logs[stream]?.some((event) => event.version <= version && !isSkipped(skipped, readModel, event)),
      }),
      async judgeAtRest({ logs, skipped, get }) {
        const expected = Object.entries(logs)
          .filter(([stream]) => stream.startsWith('tally-'))
          .map(([stream, events]) => {
            const taken = events.filter((event) => !isSkipped(skipped, 'tally-board', event));
            return {
              tallyId: stream.slice('tally-'.length),
              version: taken.at(-1)?.version ?? 0,
              sum: taken.reduce((sum, { data }) => sum + (data['by'] as number), 0),
            };
          })
          .filter(({ version }) => version > 0)
          .toSorted((one, other) => (one.tallyId < other.tallyId ? -1 : 1));
        const found = itemsOf((await get('/tallies?limit=100')) as Record<string, unknown>);
        const [is, ought] = [canonical(found), canonical(expected)];
        return is === ought ? [] : [`GET /tallies: is ${is}, and by the logs it is ${ought}`];
      },
    };
  },
};

function isSkipped(skipped: readonly SkippedEvent[], readModel: string, event: StoredEvent): boolean {
  return skipped.some(
    (one) => one.readModel === readModel && one.stream === event.stream && one.version === event.version,
  );
}
