import * as z from 'zod';

import { streamId } from '../../../src/tidemark/domain/stream.ts';
import { commandRoute } from '../../../src/tidemark/http/command-route.ts';
import { listRoute } from '../../../src/tidemark/http/list-route.ts';
import { resourceRoute } from '../../../src/tidemark/http/resource-route.ts';
import { Uuid } from '../../../src/tidemark/http/schemas.ts';
import { type Add, type RaiseTo, allTallies, tallyBoard, tallyById } from '../../support/tally.ts';

const Params = z.strictObject({ tallyId: Uuid });
const View = z.strictObject({ tallyId: Uuid, version: z.int(), sum: z.int() }).meta({ id: 'Tally' });
const example = { tallyId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a', version: 1, sum: 3 };

/** The tally has none by itself, since the kernel's tests need none. */
export const routes = [
  commandRoute({
    path: '/tallies/:tallyId/additions',
    id: 'add',
    summary: 'Add to a tally',
    description: 'Whatever it holds.',
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
  commandRoute({
    path: '/tallies/:tallyId/levels',
    id: 'raiseTo',
    summary: 'Raise a tally to a number',
    description: 'By what it lacks of it.',
    tag: 'tallies',
    params: Params,
    body: z.strictObject({ to: z.int() }),
    bodyExample: { to: 3 },
    toCommand: ({ params, body }): RaiseTo => ({ type: 'RaiseTo', data: { ...params, ...body } }),
    idName: 'tallyId',
    answer: z.strictObject({ tallyId: Uuid, version: z.int() }),
    answerExample: { tallyId: example.tallyId, version: 1 },
    represent: (tallyId, { version, state }) => ({ tallyId, version, ...state }),
    representation: View,
    refusals: [],
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
    description: 'By their ids.',
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
