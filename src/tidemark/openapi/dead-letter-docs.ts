import * as z from 'zod/mini';

import type { Documentation } from '../http/route.ts';
import { ACTOR_EXAMPLE, ActorSchema, Time, Version, described, named } from '../http/schemas.ts';
import { SkipBody } from '../operations/dead-letter-routes.ts';
import { OPERATION } from './operation.ts';

/*
 * The answers of the routes to dead letters. They are for the operator only: the errors and the rows quote the data of events.
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
  'The number of unapplied events, including the dead letters. Null if the log was not read.',
);
const TableRow = z.record(z.string(), z.unknown());
const TableRows = z.record(z.string(), z.array(TableRow));

const Sample = z.strictObject({
  stream: z.string(),
  version: described(Version, 'The version of the refused event.'),
  eventId: described(z.string(), 'Empty if the log has no such event.'),
  eventType: described(z.nullable(z.string()), 'Null if the log has no such event, or was not read.'),
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
      '`poison`: the projection cannot apply the event. `log-restored`: the log was restored to a time before the events that the projection has applied.',
    ),
    kind: described(
      z.string(),
      'The type and place of the error, or the constraint, that the dead letters have in common.',
    ),
    streams: described(z.int().check(z.minimum(1)), 'The number of stopped streams.'),
    firstAt: Time,
    lastAt: Time,
    waiting: Waiting,
    waitingAtLeast: described(Count, 'The number of unapplied events in the streams whose logs were read.'),
    samples: described(z.array(Sample), 'The oldest first; at most 20.'),
  })
  .check(z.meta({ id: 'DeadLetterGroup' }));

const List = named(
  'DeadLetters',
  z.strictObject({
    projection: z.string(),
    streams: described(Count, 'The number of stopped streams of the projection.'),
    groups: z.array(Group),
    groupsNotShown: Count,
    skipped: described(
      z.array(
        z.strictObject({
          stream: z.string(),
          version: Version,
          eventId: z.string(),
          reason: z.string(),
          actor: ActorSchema,
          skippedAt: Time,
        }),
      ),
      'The skipped events, newest first.',
    ),
  }),
);

const Brought = {
  applied: described(Count, 'The number of applied events.'),
  stillDead: described(
    z.array(
      z.strictObject({
        stream: z.string(),
        version: Version,
        cause: StandstillCause,
        error: z.string(),
      }),
    ),
    'Streams that are stopped again, at the same event or at a later one.',
  ),
  unfinished: described(
    z.array(
      z.strictObject({
        stream: z.string(),
        version: Count,
        cause: StandstillCause,
        isReminded: described(
          z.boolean(),
          'Whether a message was sent: the stream then continues by itself, unless a dead letter still holds it.',
        ),
      }),
    ),
    'Streams that did not reach their heads because of a temporary fault.',
  ),
  remaining: described(Count, 'Selected dead letters that this call did not handle.'),
  triedBefore: Time,
};

const Replayed = z
  .strictObject({
    dryRun: z.literal(false),
    replayed: described(Count, 'Streams that are now at their heads.'),
    ...Brought,
  })
  .check(z.meta({ id: 'DeadLettersReplayed' }));

const Skipped = z
  .strictObject({
    dryRun: z.literal(false),
    skipped: described(z.int().check(z.minimum(1)), 'The number of events skipped by this call.'),
    ...Brought,
  })
  .check(z.meta({ id: 'DeadLettersSkipped' }));

const Preview = z
  .strictObject({
    dryRun: z.literal(true),
    streams: z.array(
      z.strictObject({
        stream: z.string(),
        fromVersion: described(Count, 'The version that the projection has now.'),
        toVersion: described(Count, 'The version that it would reach with the next 500 events.'),
        head: described(z.nullable(Count), 'The latest version in the log; null if the log could not be read.'),
        before: described(z.nullable(TableRow), 'The row of the stream as it is.'),
        after: described(z.nullable(TableRow), 'The row as it would be.'),
        appended: described(TableRows, 'By table: the rows that would be added.'),
        increments: described(TableRows, 'By table: the increments of the counters.'),
        error: described(
          z.nullable(z.strictObject({ version: Version, cause: StandstillCause, error: z.string() })),
          'The fault that would stop the stream there.',
        ),
      }),
    ),
    remaining: described(Count, 'Selected dead letters that are not in this preview. Select one with `stream`.'),
  })
  .check(z.meta({ id: 'DeadLettersPreview' }));

const STREAM = 'example-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a';
const ERROR = 'some-projection cannot apply SomethingHappened: TypeError: Cannot read properties of undefined';
const AT = '2026-11-23T09:15:00.000Z';

const LIST_EXAMPLE: z.input<typeof List> = {
  projection: 'some-projection',
  streams: 1,
  groups: [
    {
      id: '5f0c1d2e3a4b5c6d',
      cause: 'poison',
      kind: 'TypeError at SomethingHappened.change',
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
          eventType: 'SomethingHappened',
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
      stream: 'example-0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5b',
      version: 1,
      eventId: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5e',
      reason: 'Written by a test against the wrong deployment',
      actor: ACTOR_EXAMPLE,
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

const REPLAYED_EXAMPLE: z.input<typeof Replayed> = { dryRun: false, replayed: 1, ...BROUGHT_EXAMPLE };

const SKIPPED_EXAMPLE: z.input<typeof Skipped> = { dryRun: false, skipped: 2, ...BROUGHT_EXAMPLE };

const DRY_RUN =
  'With `dryRun=true`, the answer says for each stream what would change: the events are applied to the live tables in a transaction that is always rolled back.';

const REPEAT =
  'One call handles up to 100 streams. While `remaining` is not 0, repeat the call with the `triedBefore` of the first answer.';

export const deadLetterDocs = {
  getDeadLetters: {
    ...OPERATION,
    summary: 'List the dead letters of a projection',
    description:
      'A dead letter is an event that stops its stream in the projection. The list groups them by cause and kind of error. It has at most 20 groups with 20 samples each, and the latest 100 skips.',
    answers: { 200: { description: 'The largest groups first.', schema: List, example: LIST_EXAMPLE } },
  },
  replayDeadLetters: {
    ...OPERATION,
    summary: 'Replay the dead letters of a group, and the events behind them',
    description: `Applies the events in sequence, up to the head of each stream. An event that the projection refuses now is a dead letter at once. ${REPEAT} ${DRY_RUN}`,
    answers: {
      200: {
        description: 'The result of the replay, or of its dry run.',
        schema: z.discriminatedUnion('dryRun', [Replayed, Preview]),
        example: REPLAYED_EXAMPLE,
      },
    },
  },
  skipDeadLetters: {
    ...OPERATION,
    summary: 'Skip the dead letters of a group for good, and apply the events behind them',
    description: `For events that must never be applied. Every rebuild skips them too. A skip cannot be undone. ${REPEAT} ${DRY_RUN}`,
    body: { schema: SkipBody, example: { reason: 'Written by a test against the wrong deployment' } },
    answers: {
      200: {
        description: 'The result of the skip, or of its dry run.',
        schema: z.discriminatedUnion('dryRun', [Skipped, Preview]),
        example: SKIPPED_EXAMPLE,
      },
    },
  },
} satisfies Readonly<Record<string, Documentation>>;
