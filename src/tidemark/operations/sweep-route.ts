import * as z from 'zod/mini';

import { sweepStep } from '../catch-up/sweep.ts';
import { requireOperator } from '../http/operations-access.ts';
import type { Route } from '../http/route.ts';
import { described } from '../http/schemas.ts';

const Count = z.int().check(z.minimum(0));

const SweepStepView = z
  .strictObject({
    looked: described(Count, 'Streams looked at.'),
    behind: described(Count, 'Streams of these that a projection has not brought to the end of their log.'),
    restored: described(
      Count,
      'Streams of these whose log contradicts a read model: the log was restored to an earlier time. Each becomes a dead letter of cause `log-restored`.',
    ),
    unread: described(Count, 'Streams of these whose log did not answer in time. The next pass asks again.'),
    sent: described(Count, 'Queue messages sent; each reminds one group of up to some hundred streams.'),
    isStart: described(z.boolean(), 'This step began a pass: it looked from the first stream on.'),
    isComplete: described(z.boolean(), 'This step ended a pass: the next one begins with the first stream.'),
    unreachable: described(
      z.array(z.string()),
      'Groups whose database or queue did not answer. Then the next step looks at the same streams again.',
    ),
    pauseMs: described(Count, 'Wait this long before the next step, so that the reminders do not pile up.'),
  })
  .check(z.meta({ id: 'SweepStep' }));

/** The sweep, for an operator who does not want to wait for the cron trigger. */
export const sweepRoute: Route = {
  method: 'POST',
  path: '/sweep',
  operation: {
    id: 'sweep',
    summary: 'One paced step of a pass over all streams, that reminds the groups of what they have missed',
    description:
      'Looks at the next 500 streams. The cursor is shared with the cron trigger, which does the same. Call it until `isComplete`, or run `npm run sweep`. Needs no body, and doing it twice does no harm.',
    tag: 'operations',
    requestHeaders: [],
    isOperations: true,
    answers: {
      200: {
        description: 'What the step did.',
        schema: SweepStepView,
        example: {
          looked: 500,
          behind: 130,
          restored: 0,
          unread: 0,
          sent: 2,
          isStart: true,
          isComplete: false,
          unreachable: [],
          pauseMs: 2_000,
        },
      },
    },
    problems: [],
  },
  handlers: [
    async (c) => {
      await requireOperator(c);
      return c.json(await sweepStep(c.var.runtime.sweep));
    },
  ],
};
