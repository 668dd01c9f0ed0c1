import * as z from 'zod/mini';

import type { Documentation } from '../http/route.ts';
import { described } from '../http/schemas.ts';
import { OPERATION } from './operation.ts';

const Count = z.int().check(z.minimum(0));

const SweepStepView = z
  .strictObject({
    looked: described(Count, 'Streams checked by this step.'),
    behind: described(Count, 'Checked streams that some projection has not applied to the end of their log.'),
    restored: described(
      Count,
      'Checked streams whose log contradicts a read model: the log was restored to an earlier time. Each becomes a dead letter of cause `log-restored`.',
    ),
    unread: described(Count, 'Checked streams whose log did not answer in time. The next pass reads them again.'),
    sent: described(Count, 'Queue messages sent. Each reminds one group of up to some hundred streams.'),
    isStart: described(z.boolean(), 'This step started a pass, at the first stream.'),
    isComplete: described(z.boolean(), 'This step completed a pass. The next step starts at the first stream.'),
    unreachable: described(
      z.array(z.string()),
      'Groups whose database or queue did not answer. The next step then checks the same streams again.',
    ),
    pauseMs: described(Count, 'Wait this long before the next step, so that the reminders do not pile up.'),
  })
  .check(z.meta({ id: 'SweepStep' }));

export const sweepDocs = {
  sweep: {
    ...OPERATION,
    summary: 'Run one step of the sweep, which reminds groups of unapplied events',
    description:
      'Checks the next 500 streams. The cron trigger does the same and shares the cursor. Call it until `isComplete` is true, or run `npm run sweep`. Needs no body. Repeating a step does no harm.',
    answers: {
      200: {
        description: 'The result of the step.',
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
  },
} satisfies Readonly<Record<string, Documentation>>;
