import * as z from 'zod/mini';

import { HEADER } from '../http/headers.ts';
import type { Documentation } from '../http/route.ts';
import { Time, described } from '../http/schemas.ts';
import { OPERATION } from './operation.ts';

const Columns = z.record(z.string(), z.unknown());

const BuildView = z
  .strictObject({
    id: z.string(),
    projection: z.string(),
    revision: z.int(),
    slot: z.enum(['a', 'b']),
    liveRevision: described(
      z.nullable(z.int()),
      'The revision that was live when the build started; null for the first build.',
    ),
    state: z.enum(['building', 'comparing', 'awaiting-acceptance', 'swapped', 'failed', 'cancelled']),
    accept: z.boolean(),
    dryRun: z.boolean(),
    replayed: described(z.int(), 'Events replayed so far.'),
    total: described(z.int(), 'Events in the archive when the build started. More may have come since.'),
    rate: described(z.nullable(z.number()), 'Events per second so far.'),
    etaMs: described(z.nullable(z.int()), 'The remaining time of the replay at that rate.'),
    differences: described(
      z.nullable(
        z.looseObject({
          isEqual: z.boolean(),
          differing: z.int(),
          held: described(z.int(), 'Streams that an open dead letter holds. Neither slot goes beyond it.'),
          restored: described(
            z.optional(z.int()),
            'The held streams whose log was restored to an earlier time: the live slot shows events that the log has lost.',
          ),
          tables: z.array(z.looseObject({ table: z.string() })),
          first: z.array(
            z.strictObject({ table: z.string(), key: Columns, live: z.nullable(Columns), build: z.nullable(Columns) }),
          ),
        }),
      ),
      'The differences between the build and the live slot, once compared: counts, and the first rows.',
    ),
    error: described(
      z.nullable(
        z.strictObject({
          message: z.string(),
          stream: z.optional(z.string()),
          version: z.optional(z.int()),
          kind: z.optional(z.string()),
        }),
      ),
      'The error of a failed build, and the event at which it failed. In a running build: the error of the last try, which is retried.',
    ),
    startedAt: Time,
    updatedAt: Time,
    endedAt: z.nullable(Time),
  })
  .check(z.meta({ id: 'Build', description: 'A second copy of a projection. A swap makes it live.' }));

const BUILD_EXAMPLE = {
  id: '0198c5a0-7b1e-7c3a-9d52-8f1e2d3c4b5a',
  projection: 'some-projection',
  revision: 1,
  slot: 'b',
  liveRevision: 1,
  state: 'building',
  accept: false,
  dryRun: false,
  replayed: 12_000,
  total: 20_000,
  rate: 3_000,
  etaMs: 2_667,
  differences: null,
  error: null,
  startedAt: '2026-11-24T09:00:00.000Z',
  updatedAt: '2026-11-24T09:00:04.000Z',
  endedAt: null,
} as const;

const LiveView = z
  .strictObject({ projection: z.string(), revision: z.int(), slot: z.enum(['a', 'b']) })
  .check(z.meta({ id: 'LiveSlot', description: 'The slot that answers queries now.' }));

const LIVE_EXAMPLE = { projection: 'some-projection', revision: 1, slot: 'a' } as const;

function buildAnswer(description: string) {
  return { description, schema: BuildView, example: BUILD_EXAMPLE };
}

export const rebuildDocs = {
  rebuildProjection: {
    ...OPERATION,
    summary: 'Rebuild a projection and swap it in',
    description:
      'Folds the whole log into the second slot while the live slot serves. Then compares the two slots and swaps them. Releases the former slot first, so a rollback to it is no longer possible.',
    answers: {
      202: { ...buildAnswer('The build has started. Watch it at `Location`.'), headers: [HEADER.location] },
    },
  },
  getRebuild: {
    ...OPERATION,
    summary: 'Get the progress of a build',
    description: 'The request also resumes a build that has stopped.',
    answers: { 200: buildAnswer('The build.') },
  },
  cancelRebuild: {
    ...OPERATION,
    summary: 'Cancel a build',
    description: 'The live slot does not change.',
    answers: { 200: { ...buildAnswer('Cancelled.'), example: { ...BUILD_EXAMPLE, state: 'cancelled' } } },
  },
  acceptRebuild: {
    ...OPERATION,
    summary: 'Swap in a build that awaits acceptance',
    description: 'Such a build differs from the live slot: its `differences` say how.',
    answers: { 200: { ...buildAnswer('Swapped.'), example: { ...BUILD_EXAMPLE, state: 'swapped' } } },
  },
  rollBackProjection: {
    ...OPERATION,
    summary: 'Swap back to the former slot',
    description:
      'Makes the slot live that was live before the last swap. This is as quick and as safe as the swap, as long as the former slot is kept up to date: until the next build starts, or until the slot is released. That happens by itself seven days after the swap or the last rollback (`rollback.until` of `GET /projections/{name}`). A second rollback undoes the first, unless `slot` names the slot to make live.',
    answers: { 200: { description: 'The live slot after the rollback.', schema: LiveView, example: LIVE_EXAMPLE } },
  },
  releaseProjection: {
    ...OPERATION,
    summary: 'Release the former slot',
    description:
      'Stops updating the slot that was live before the last swap, which costs as much as the live slot. A rollback to it is not possible after this.',
    answers: { 204: { description: 'Released.' } },
  },
} satisfies Readonly<Record<string, Documentation>>;
