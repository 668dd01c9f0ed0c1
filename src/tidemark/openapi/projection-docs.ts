import * as z from 'zod/mini';

import type { Documentation } from '../http/route.ts';
import { Time, described, named } from '../http/schemas.ts';
import { OPERATION } from './operation.ts';

const Count = z.int().check(z.minimum(0));

const BuildView = z.strictObject({
  id: z.string(),
  state: z.enum(['building', 'comparing', 'awaiting-acceptance']),
  replayed: described(Count, 'Events replayed so far.'),
  total: described(Count, 'Events to replay in total, by the last count.'),
  location: described(z.string(), 'The path of the build.'),
});

const ProjectionView = z
  .strictObject({
    name: z.string(),
    group: described(z.string(), 'The group whose queue and database the projection uses.'),
    mode: z.enum(['asynchronous', 'synchronous']),
    revision: described(
      z.nullable(z.int().check(z.minimum(1))),
      'The live revision, which answers queries; null if none is live, or if the state is `unreachable`.',
    ),
    codeRevision: described(z.int().check(z.minimum(1)), 'The newest revision that this Worker has code for.'),
    slot: described(
      z.nullable(z.enum(['a', 'b'])),
      'The live slot: one of the two sets of tables. It answers queries.',
    ),
    state: described(
      z.enum(['live', 'building', 'no-code', 'unreachable']),
      '`building`: no revision is live, so queries answer 503. `no-code`: this Worker has no code for the live revision, so queries answer 503. `unreachable`: the database does not answer, so the state is unknown.',
    ),
    lag: z.nullable(
      z.strictObject({
        events: described(
          Count,
          'Unapplied events, compared with the projection that has applied the most of each category. A lower bound, since the logs are not read. Exact once one projection has applied everything.',
        ),
        ms: described(
          z.nullable(z.number().check(z.minimum(0))),
          'The age of the oldest unapplied event; 0 without lag. A lower bound if the search, which is bounded, does not reach that event. Null if the logs did not answer.',
        ),
      }),
    ),
    rate: described(
      z.nullable(z.number().check(z.minimum(0))),
      'Events applied per second since the previous request to the same instance of the Worker; null without one in the last five minutes.',
    ),
    stalled: described(
      z.boolean(),
      'An operator has to look. Either the state is `no-code` or `unreachable`. Or no revision is live and no build is running. Or an event that no dead letter holds has waited for more than a minute and ten times the batch wait of the group, and `rate` is 0 or null.',
    ),
    deadLetters: described(z.nullable(Count), 'Streams that an open dead letter holds.'),
    fault: described(
      z.nullable(z.string()),
      'The message of an SQL error that every stream meets, without quoted data: an operator has to repair the tables.',
    ),
    build: described(z.nullable(BuildView), 'The running build.'),
    rollback: described(
      z.nullable(
        z.strictObject({
          revision: z.int().check(z.minimum(1)),
          slot: z.enum(['a', 'b']),
          until: described(
            z.nullable(Time),
            'When the slot is released by itself; null if the time of the swap was not recorded.',
          ),
        }),
      ),
      'The slot that a rollback would make live; null if no rollback is possible.',
    ),
  })
  .check(z.meta({ id: 'Projection' }));

const EXAMPLE: z.input<typeof ProjectionView> = {
  name: 'some-projection',
  group: 'serving',
  mode: 'asynchronous',
  revision: 1,
  codeRevision: 2,
  slot: 'a',
  state: 'live',
  lag: { events: 3, ms: 840 },
  rate: 12.5,
  stalled: false,
  deadLetters: 0,
  fault: null,
  build: {
    id: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
    state: 'building',
    replayed: 4_000,
    total: 10_000,
    location: '/projections/some-projection/rebuilds/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
  },
  rollback: null,
};

export const projectionDocs = {
  listProjections: {
    ...OPERATION,
    summary: 'List the status of every projection: live revision, lag, faults',
    description:
      'Sums the live checkpoints, so it reads a row for each stream and projection. Call it by hand or from a slow monitor; `/health` is cheap.',
    answers: {
      200: {
        description: 'All projections, by group.',
        schema: named('Projections', z.strictObject({ items: z.array(ProjectionView) })),
        example: { items: [EXAMPLE] },
      },
    },
  },
  getProjection: {
    ...OPERATION,
    summary: 'Get the status of one projection',
    description: 'The same as its entry in `GET /projections`. Reads the rows of this projection only.',
    answers: { 200: { description: 'The projection.', schema: ProjectionView, example: EXAMPLE } },
  },
} satisfies Readonly<Record<string, Documentation>>;
