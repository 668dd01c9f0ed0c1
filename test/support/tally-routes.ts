import * as z from 'zod';

import type { Module } from '../../src/tidemark/authoring/registered-module.ts';
import { streamId } from '../../src/tidemark/domain/stream.ts';
import { commandRoute } from '../../src/tidemark/http/command-route.ts';
import { listRoute } from '../../src/tidemark/http/list-route.ts';
import { resourceRoute } from '../../src/tidemark/http/resource-route.ts';
import { ACTOR_EXAMPLE, Uuid } from '../../src/tidemark/http/schemas.ts';
import { historyRoute } from '../../src/tidemark/http/history-route.ts';
import { type Add, type RaiseTo, pageOfTallies, tally, tallyBoard, tallyById, tallyType } from './tally.ts';

const Params = z.strictObject({ tallyId: Uuid });
const View = z.strictObject({ tallyId: Uuid, version: z.int(), sum: z.int() }).meta({ id: 'Tally' });
/** So small that no sum of a test leaves what its table takes. */
const Summand = z.int().min(-1_000).max(1_000);
const example = { tallyId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a', version: 1, sum: 3 };

const Receipt = z.strictObject({ tallyId: Uuid, version: z.int() }).meta({ id: 'TallyReceipt' });

const ANYONE = { scope: null, whose: 'everyone' } as const;
const STAFF = { scope: null, whose: 'staff' } as const;

const routes = [
  commandRoute({
    path: '/tallies',
    id: 'openTally',
    summary: 'Open a tally',
    description: 'With its first addition.',
    tag: 'tallies',
    access: STAFF,
    body: z.strictObject({ by: Summand }).meta({ id: 'OpenTally' }),
    bodyExample: { by: 3 },
    creates: { location: (tallyId) => `/tallies/${tallyId}` },
    toCommand: ({ body, newId }): Add => ({ type: 'Add', data: { tallyId: newId(), ...body } }),
    idName: 'tallyId',
    answer: Receipt,
    answerExample: { tallyId: example.tallyId, version: 1 },
    represent: (tallyId, { version, state }) => ({ tallyId, version, ...state }),
    representation: View,
    refusals: ['wrong-state'],
  }),
  commandRoute({
    path: '/tallies/:tallyId/additions',
    id: 'add',
    summary: 'Add to a tally',
    description: 'Whatever it holds.',
    tag: 'tallies',
    access: STAFF,
    params: Params,
    body: z.strictObject({ by: Summand }).meta({ id: 'Add' }),
    bodyExample: { by: 3 },
    toCommand: ({ params, body }): Add => ({ type: 'Add', data: { ...params, ...body } }),
    idName: 'tallyId',
    answer: Receipt,
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
    access: STAFF,
    params: Params,
    body: z.strictObject({ to: Summand }).meta({ id: 'RaiseTo' }),
    bodyExample: { to: 3 },
    toCommand: ({ params, body }): RaiseTo => ({ type: 'RaiseTo', data: { ...params, ...body } }),
    idName: 'tallyId',
    answer: Receipt,
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
    access: ANYONE,
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
    access: ANYONE,
    filter: {},
    reads: tallyBoard,
    query: (_filter, after, take) => pageOfTallies(after?.[1], take),
    view: (row) => row,
    positionOf: ({ tallyId }) => ['', tallyId],
    item: View,
    itemExample: example,
  }),
  historyRoute({
    path: '/tallies/:tallyId/history',
    id: 'getTallyHistory',
    summary: 'What happened to one tally',
    description: 'The stored events, from the log, oldest first.',
    tag: 'tallies',
    access: ANYONE,
    params: Params,
    noun: 'tally',
    stream: ({ tallyId }) => streamId('tally', tallyId),
    itemName: 'TallyHistoryItem',
    events: tallyType.schemas,
    itemExample: {
      version: 1,
      type: 'Added',
      data: { by: 3 },
      actor: ACTOR_EXAMPLE,
      correlationId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5c',
      recordedAt: '2026-11-23T10:00:00.000Z',
    },
  }),
];

/** The tally with routes, for tests that go over HTTP. */
export const tallies: Module = { ...tally, routes, tags: { tallies: 'Numbers that only tests add up.' } };
