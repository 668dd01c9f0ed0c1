import * as z from 'zod';

import { sweepStep } from '../eventsourcing/read/sweep.ts';
import { requireOperator } from '../http/operations-access.ts';
import type { Route } from '../http/route.ts';

const Count = z.int().min(0);

const SweepStepView = z
  .strictObject({
    looked: Count.meta({ description: 'Streams looked at.' }),
    behind: Count.meta({ description: 'Streams of these that a projection has not brought as far as another one.' }),
    sent: Count.meta({ description: 'Queue messages sent; each reminds one group of up to some hundred streams.' }),
    isStart: z.boolean().meta({ description: 'This step began a pass: it looked from the first stream on.' }),
    isComplete: z.boolean().meta({ description: 'This step ended a pass: the next one begins with the first stream.' }),
    unreachable: z.array(z.string()).meta({
      description: 'Groups whose database or queue did not answer. Then the next step looks at the same streams again.',
    }),
    pauseMs: Count.meta({ description: 'Wait this long before the next step, so that the reminders do not pile up.' }),
  })
  .meta({ id: 'SweepStep' });

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
