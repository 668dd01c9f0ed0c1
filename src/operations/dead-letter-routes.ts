import type { Context } from 'hono';
import * as z from 'zod/mini';

import { OverloadedError } from '../eventsourcing/faults.ts';
import { asStorageFault, isTransient } from '../eventsourcing/read/d1-errors.ts';
import {
  type DeadLetterGroup,
  type Selection,
  deadLetterGroup,
  listDeadLetters,
} from '../eventsourcing/read/dead-letter-list.ts';
import {
  type DeadLetterPorts,
  type OperationResult,
  type SkipResult,
  replayDeadLetters,
  skipDeadLetters,
} from '../eventsourcing/read/dead-letter-operations.ts';
import { type PreviewResult, previewDeadLetters } from '../eventsourcing/read/dead-letter-preview.ts';
import { parseStreamId } from '../eventsourcing/stream.ts';
import type { AppContext } from '../http/app-env.ts';
import { readBody } from '../http/body.ts';
import { requireOperator } from '../http/operations-access.ts';
import { parseParams, parseQuery } from '../http/params.ts';
import { Problem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { Time, described, text } from '../http/schemas.ts';
import {
  LIST_EXAMPLE,
  List,
  Preview,
  REPLAYED_EXAMPLE,
  Replayed,
  SKIPPED_EXAMPLE,
  Skipped,
} from './dead-letter-views.ts';
import { ProjectionParams, projectionOf } from './projection-param.ts';

const GroupParams = z.extend(ProjectionParams, {
  id: described(z.string(), 'The group’s id, from the list of dead letters.'),
});

const OperationQuery = z.strictObject({
  dryRun: described(z.optional(z.enum(['true', 'false'])), '`true`: says what would be done, and does nothing.'),
  stream: described(
    z.optional(
      z.string().check(z.refine((stream) => parseStreamId(stream) !== undefined, 'A stream’s id is <category>-<id>.')),
    ),
    'Only the dead letter of this stream.',
  ),
  triedBefore: described(
    z.optional(Time),
    'Only dead letters last tried before this: that of the first answer, when a call is repeated for what remained.',
  ),
});

const SkipBody = z.strictObject({ reason: described(text(500), 'For whoever asks later.') });

const DRY_RUN =
  'With `dryRun=true` the answer says, stream by stream, what would be done: what the events come to is tried on the live tables in a transaction that is always rolled back.';

const REPEAT =
  'One call takes up to 100 streams. While `remaining` is not 0, repeat it with the `triedBefore` of the first answer.';

/** The operator's routes to what a projection could not take. */
export const deadLetterRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/projections/:name/dead-letters',
    operation: {
      id: 'getDeadLetters',
      summary: 'The events that a projection is stopped at',
      description:
        'Grouped by what they have in common: the cause, and the kind of error. Bounded: at most 20 groups with 20 samples each, and the latest 100 skips.',
      tag: 'operations',
      params: ProjectionParams,
      requestHeaders: [],
      isOperations: true,
      answers: { 200: { description: 'The largest groups first.', schema: List, example: LIST_EXAMPLE } },
      problems: ['not-found', 'overloaded', 'storage-unavailable'],
    },
    handlers: [
      async (c) => {
        await requireOperator(c);
        const projection = projectionOf(c);
        const list = await orUnavailable(listDeadLetters(c.var.runtime.deadLetters(projection), projection.name));
        return c.json({ projection: projection.name, ...list });
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/dead-letters/:id/replay',
    operation: {
      id: 'replayDeadLetters',
      summary: 'Try the dead letters of a group again, and what waits behind them',
      description: `In order, up to the head of each stream. What is refused now is a dead letter at once. ${REPEAT} ${DRY_RUN}`,
      tag: 'operations',
      params: GroupParams,
      query: OperationQuery,
      requestHeaders: [],
      isOperations: true,
      answers: {
        200: {
          description: 'What came of it.',
          schema: z.discriminatedUnion('dryRun', [Replayed, Preview]),
          example: REPLAYED_EXAMPLE,
        },
      },
      problems: ['not-found', 'invalid-field', 'projection-building', 'overloaded', 'storage-unavailable'],
    },
    handlers: [
      async (c) => {
        await requireOperator(c);
        const { ports, id, isDryRun, selection } = asked(c);
        const group = await groupOf(ports, id);
        if (isDryRun) return c.json(toPreview(ports, await orUnavailable(previewDeadLetters(ports, group, selection))));
        const triedBefore = selection.triedBefore ?? nowOf(ports);
        const result = await orUnavailable(toTheEnd(c, replayDeadLetters(ports, group, selection)));
        const { outcome: _, finished, ...brought } = doneOr(ports, result);
        return c.json({ dryRun: false, replayed: finished, ...brought, triedBefore });
      },
    ],
  },
  {
    method: 'POST',
    path: '/projections/:name/dead-letters/:id/skip',
    operation: {
      id: 'skipDeadLetters',
      summary: 'Leave the dead letters of a group out for good, and go on with what waits behind them',
      description: `For events that shall never be applied. Every rebuild leaves them out too; there is no way back. ${REPEAT} ${DRY_RUN}`,
      tag: 'operations',
      params: GroupParams,
      query: OperationQuery,
      body: { schema: SkipBody, example: { reason: 'Written by a test against the wrong deployment' } },
      requestHeaders: [],
      isOperations: true,
      answers: {
        200: {
          description: 'What came of it.',
          schema: z.discriminatedUnion('dryRun', [Skipped, Preview]),
          example: SKIPPED_EXAMPLE,
        },
      },
      problems: [
        'not-found',
        'invalid-field',
        'malformed-body',
        'not-json',
        'too-large',
        'wrong-state',
        'projection-building',
        'overloaded',
        'storage-unavailable',
        'outcome-unknown',
      ],
    },
    handlers: [
      async (c) => {
        await requireOperator(c);
        const { ports, id, isDryRun, selection } = asked(c);
        const { reason } = (await readBody(c, SkipBody)).value;
        const group = await groupOf(ports, id);
        if (group.cause === 'log-restored') throw nothingToSkip(group);
        if (isDryRun) {
          const result = await orUnavailable(previewDeadLetters(ports, group, selection, { isSkip: true }));
          return c.json(toPreview(ports, result));
        }
        const triedBefore = selection.triedBefore ?? nowOf(ports);
        const decision = { actor: 'operator', reason };
        const result = await orUnavailable(toTheEnd(c, skipDeadLetters(ports, group, selection, decision)));
        if (result.outcome === 'nothing-to-skip') throw nothingToSkip(group);
        const { outcome: _, finished: _finished, ...brought } = doneOr(ports, result);
        return c.json({ dryRun: false, ...brought, triedBefore });
      },
    ],
  },
];

function asked(c: AppContext): {
  readonly ports: DeadLetterPorts;
  readonly id: string;
  readonly isDryRun: boolean;
  readonly selection: Selection;
} {
  const { id } = parseParams(c, GroupParams);
  const { dryRun, stream, triedBefore } = parseQuery(c, OperationQuery);
  const selection = { stream: stream === undefined ? undefined : parseStreamId(stream), triedBefore };
  return { ports: c.var.runtime.deadLetters(projectionOf(c)), id, isDryRun: dryRun === 'true', selection };
}

async function groupOf({ database, projection }: DeadLetterPorts, id: string): Promise<DeadLetterGroup> {
  const group = await orUnavailable(deadLetterGroup(database, projection.name, id));
  if (!group) throw noSuchDeadLetter();
  return group;
}

function noSuchDeadLetter(): Problem {
  return new Problem('not-found', 'There is no such group, or nothing of it, as asked for, is a dead letter any more.');
}

function nothingToSkip({ kind }: DeadLetterGroup): Problem {
  const detail =
    'There is no event to skip: the log was restored to a time before what the read model has seen. Restore the database to that time too and replay, or rebuild the projection.';
  return new Problem('wrong-state', detail, { kind });
}

/** Whoever asked may hang up: what was begun is finished all the same. */
function toTheEnd<Value>(c: Context, work: Promise<Value>): Promise<Value> {
  c.executionCtx.waitUntil(work.catch(() => undefined));
  return work;
}

/** The database is away for the moment, or there is no storage: nothing was done. */
async function orUnavailable<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (String(error).includes('D1_ERROR') && isTransient(error))
      throw new OverloadedError('the database does not answer', { cause: error });
    throw asStorageFault(error);
  }
}

type Outcome = OperationResult | Exclude<SkipResult, { outcome: 'nothing-to-skip' }> | PreviewResult;

function doneOr<Result extends Outcome>(
  { projection }: DeadLetterPorts,
  result: Result,
): Extract<Result, { outcome: 'done' }> {
  if (result.outcome === 'done') return result as Extract<Result, { outcome: 'done' }>;
  if (result.outcome === 'not-found') throw noSuchDeadLetter();
  throw new Problem('projection-building', `${projection.name} has nothing live that this deployment has code for.`, {
    projection: projection.name,
  });
}

function toPreview(ports: DeadLetterPorts, result: PreviewResult) {
  const { streams, remaining } = doneOr(ports, result);
  return { dryRun: true, streams, remaining };
}

function nowOf({ now }: DeadLetterPorts): string {
  return new Date(now()).toISOString();
}
