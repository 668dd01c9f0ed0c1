import * as z from 'zod/mini';

import { type ProjectionStatus, projectionStatuses } from '../monitoring/projection-status.ts';
import { requireOperator } from '../http/operations-access.ts';
import type { Route } from '../http/route.ts';
import { Time, described, named } from '../http/schemas.ts';
import { ProjectionParams, projectionOf } from './projection-param.ts';

const Count = z.int().check(z.minimum(0));

const BuildView = z.strictObject({
  id: z.string(),
  state: z.enum(['building', 'comparing', 'awaiting-acceptance']),
  replayed: described(Count, 'Events replayed so far.'),
  total: described(Count, 'Events that there were to replay when that was last counted.'),
  location: described(z.string(), 'Where the build can be watched.'),
});

const ProjectionView = z
  .strictObject({
    name: z.string(),
    group: described(z.string(), 'The group, whose queue and database it has.'),
    mode: z.enum(['asynchronous', 'synchronous']),
    revision: described(
      z.nullable(z.int().check(z.minimum(1))),
      'The revision that answers queries; null while nothing does, and when unreachable.',
    ),
    codeRevision: described(z.int().check(z.minimum(1)), 'The newest revision that this Worker has code for.'),
    slot: described(z.nullable(z.enum(['a', 'b'])), 'Which of its two sets of tables answers queries.'),
    state: described(
      z.enum(['live', 'building', 'no-code', 'unreachable']),
      '`building`: nothing is live, queries answer 503. `no-code`: this Worker has no code for the live revision, queries answer 503. `unreachable`: its database does not answer, so nothing is known.',
    ),
    lag: z.nullable(
      z.strictObject({
        events: described(
          Count,
          'Unapplied events, compared with the projections that have applied the most of each category. A lower bound of the truth, since nobody asks the logs; exact as soon as one projection has applied everything.',
        ),
        ms: described(
          z.nullable(z.number().check(z.minimum(0))),
          'Age of the oldest unapplied event; 0 when nothing lags. A lower bound where the search, which is bounded, does not reach it; null when the logs did not answer.',
        ),
      }),
    ),
    rate: described(
      z.nullable(z.number().check(z.minimum(0))),
      'Events applied in a second, since the look before this one by the same instance of the Worker; null without one in the last five minutes.',
    ),
    stalled: described(
      z.boolean(),
      'Somebody has to look: the state is `no-code` or `unreachable`; or nothing is live and no build is under way; or an event that no dead letter holds back has waited for more than a minute and ten times the batch wait of the group, and `rate` is 0 or null.',
    ),
    deadLetters: described(z.nullable(Count), 'Streams that are held by an open dead letter.'),
    fault: described(
      z.nullable(z.string()),
      'The database’s words for an SQL error that every stream meets, without what they quote: the tables have to be repaired.',
    ),
    build: described(z.nullable(BuildView), 'The build under way.'),
    rollback: described(
      z.nullable(
        z.strictObject({
          revision: z.int().check(z.minimum(1)),
          slot: z.enum(['a', 'b']),
          until: described(
            z.nullable(Time),
            'From then on the slot is released by itself; null where its beginning was not noted.',
          ),
        }),
      ),
      'What a rollback would make live; null where there is no way back.',
    ),
  })
  .check(z.meta({ id: 'Projection' }));

const EXAMPLE: z.input<typeof ProjectionView> = {
  name: 'seat-map',
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
    location: '/projections/seat-map/rebuilds/0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
  },
  rollback: null,
};

export const projectionRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/projections',
    operation: {
      id: 'listProjections',
      summary: 'How every projection is: what is live, how far it lags, what holds it up',
      description:
        'Adds up the live checkpoints, so it reads a row for each stream and projection. For people, and for monitors that are not in a hurry; `/health` is cheap.',
      tag: 'operations',
      requestHeaders: [],
      isOperations: true,
      answers: {
        200: {
          description: 'All projections, by group.',
          schema: named('Projections', z.strictObject({ items: z.array(ProjectionView) })),
          example: { items: [EXAMPLE] },
        },
      },
      problems: [],
    },
    handlers: [
      async (c) => {
        await requireOperator(c);
        return c.json({ items: (await projectionStatuses(c.var.runtime.status)).map(toView) });
      },
    ],
  },
  {
    method: 'GET',
    path: '/projections/:name',
    operation: {
      id: 'getProjection',
      summary: 'How one projection is',
      description: 'The same as its entry in `GET /projections`, and it reads the rows of this one only.',
      tag: 'operations',
      params: ProjectionParams,
      requestHeaders: [],
      isOperations: true,
      answers: { 200: { description: 'The projection.', schema: ProjectionView, example: EXAMPLE } },
      problems: ['not-found'],
    },
    handlers: [
      async (c) => {
        await requireOperator(c);
        const { status } = c.var.runtime;
        const { name } = projectionOf(c);
        const [found] = await projectionStatuses(status, name);
        return c.json(toView(found as ProjectionStatus));
      },
    ],
  },
];

/** A status as it goes over the wire: with the place where its build can be watched. */
function toView(status: ProjectionStatus): object {
  const { name, group, mode, revision, codeRevision, slot, state, lag, rate, stalled } = status;
  const { deadLetters, fault, build, rollback } = status;
  return {
    name,
    group,
    mode,
    revision,
    codeRevision,
    slot,
    state,
    lag,
    rate,
    stalled,
    deadLetters,
    fault,
    build: build && { ...build, location: `/projections/${name}/rebuilds/${build.id}` },
    rollback,
  };
}
