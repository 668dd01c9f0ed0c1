import * as z from 'zod/mini';

import { Time, Version, described, named } from '../http/schemas.ts';

/*
 * What the routes to dead letters answer with. Neither the error nor the rows are for everybody: they quote what events hold.
 */

const Cause = z.enum(['poison', 'log-restored']);
const StandstillCause = z.enum([
  'poison',
  'log-restored',
  'unreadable-event',
  'overloaded',
  'transient',
  'projection-fault',
]);
const Count = z.int().check(z.minimum(0));
const Waiting = described(
  z.nullable(Count),
  'How many events are not applied, the dead letters included. Null where the log was not asked.',
);
const TableRow = z.record(z.string(), z.unknown());
const TableRows = z.record(z.string(), z.array(TableRow));

const Sample = z.strictObject({
  stream: z.string(),
  version: described(Version, 'The version of the event that was refused.'),
  eventId: described(z.string(), 'Empty where the log has no such event.'),
  eventType: described(z.nullable(z.string()), 'Null where the log has no such event, or was not asked.'),
  error: z.string(),
  tries: z.int().check(z.minimum(1)),
  firstAt: Time,
  lastAt: Time,
  waiting: Waiting,
});

const Group = z
  .strictObject({
    id: z.string(),
    cause: described(
      Cause,
      '`poison`: the projection cannot take the event. `log-restored`: the log was restored to a time before what the projection has seen.',
    ),
    kind: described(z.string(), 'What they have in common: the error’s type and place, or the constraint.'),
    streams: described(z.int().check(z.minimum(1)), 'How many streams it stops.'),
    firstAt: Time,
    lastAt: Time,
    waiting: Waiting,
    waitingAtLeast: described(Count, 'How many wait in the streams that were asked.'),
    samples: described(z.array(Sample), 'The oldest first; at most 20.'),
  })
  .check(z.meta({ id: 'DeadLetterGroup' }));

export const List = named(
  'DeadLetters',
  z.strictObject({
    projection: z.string(),
    streams: described(Count, 'How many streams of the projection are stopped.'),
    groups: z.array(Group),
    groupsNotShown: Count,
    skipped: described(
      z.array(
        z.strictObject({
          stream: z.string(),
          version: Version,
          eventId: z.string(),
          reason: z.string(),
          actor: z.string(),
          skippedAt: Time,
        }),
      ),
      'Events that were left out, the newest first.',
    ),
  }),
);

const Brought = {
  applied: described(Count, 'Events.'),
  stillDead: described(
    z.array(
      z.strictObject({
        stream: z.string(),
        version: Version,
        cause: StandstillCause,
        error: z.string(),
      }),
    ),
    'Streams that are stopped again: at the same event, or at a later one.',
  ),
  unfinished: described(
    z.array(
      z.strictObject({
        stream: z.string(),
        version: Count,
        cause: StandstillCause,
        isReminded: described(
          z.boolean(),
          'A message was sent: unless a dead letter holds it still, the stream goes on by itself.',
        ),
      }),
    ),
    'Streams that did not come to their heads for a reason that passes.',
  ),
  remaining: described(Count, 'Dead letters, as selected, that this call did not get to.'),
  triedBefore: Time,
};

export const Replayed = z
  .strictObject({
    dryRun: z.literal(false),
    replayed: described(Count, 'Streams that are at their heads now.'),
    ...Brought,
  })
  .check(z.meta({ id: 'DeadLettersReplayed' }));

export const Skipped = z
  .strictObject({
    dryRun: z.literal(false),
    skipped: described(z.int().check(z.minimum(1)), 'Events that are left out from now on.'),
    ...Brought,
  })
  .check(z.meta({ id: 'DeadLettersSkipped' }));

export const Preview = z
  .strictObject({
    dryRun: z.literal(true),
    streams: z.array(
      z.strictObject({
        stream: z.string(),
        fromVersion: described(Count, 'Where the stream stands.'),
        toVersion: described(Count, 'Where it would be, of its next 500 events.'),
        head: described(z.nullable(Count), 'The version of its log; null where that could not be read.'),
        before: described(z.nullable(TableRow), 'The stream’s own row as it is.'),
        after: described(z.nullable(TableRow), 'The row as it would be.'),
        appended: described(TableRows, 'By table: rows that would be added.'),
        increments: described(TableRows, 'By table: by how much which counters would change.'),
        error: described(
          z.nullable(z.strictObject({ version: Version, cause: StandstillCause, error: z.string() })),
          'Why it would not come further.',
        ),
      }),
    ),
    remaining: described(Count, 'Dead letters that were not looked at: name one by `stream`.'),
  })
  .check(z.meta({ id: 'DeadLettersPreview' }));

const STREAM = 'order-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
const ERROR = 'order-lookup cannot apply OrderShipped: TypeError: Cannot read properties of undefined';
const AT = '2026-11-23T09:15:00.000Z';

export const LIST_EXAMPLE: z.input<typeof List> = {
  projection: 'order-lookup',
  streams: 1,
  groups: [
    {
      id: '5f0c1d2e3a4b5c6d',
      cause: 'poison',
      kind: 'TypeError at OrderShipped.change',
      streams: 1,
      firstAt: AT,
      lastAt: AT,
      waiting: 2,
      waitingAtLeast: 2,
      samples: [
        {
          stream: STREAM,
          version: 2,
          eventId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5d',
          eventType: 'OrderShipped',
          error: ERROR,
          tries: 3,
          firstAt: AT,
          lastAt: AT,
          waiting: 2,
        },
      ],
    },
  ],
  groupsNotShown: 0,
  skipped: [
    {
      stream: 'order-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5b',
      version: 1,
      eventId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5e',
      reason: 'Written by a test against the wrong deployment',
      actor: 'operator',
      skippedAt: AT,
    },
  ],
};

const BROUGHT_EXAMPLE = {
  applied: 2,
  stillDead: [{ stream: STREAM, version: 2, cause: 'poison' as const, error: ERROR }],
  unfinished: [],
  remaining: 0,
  triedBefore: AT,
};

export const REPLAYED_EXAMPLE: z.input<typeof Replayed> = { dryRun: false, replayed: 1, ...BROUGHT_EXAMPLE };

export const SKIPPED_EXAMPLE: z.input<typeof Skipped> = { dryRun: false, skipped: 2, ...BROUGHT_EXAMPLE };
